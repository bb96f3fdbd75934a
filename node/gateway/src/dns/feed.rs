// SPDX-License-Identifier: Apache-2.0

//! Keeps the snapshot at the chain's finalized head.
//!
//! # Correctness
//! Only finalized blocks are looked at (what that is, a node says or a light client verifies), in order and each once, so
//! that nothing is ever answered that a fork took back.
//! A snapshot shows one block: its changes are all in it, and none of a later one. While the chain can't be reached the
//! last snapshot stays, and the server answers from it until it is too old ([`super::Config::stale_after`]).

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::{Duration, SystemTime},
};

use cairn_client::{
    chain::names::{Label, Resolved},
    Client, Error, FinalizedBlock, View,
};
use tracing::{info, warn};

use super::{NameEntry, SnapshotBuilder, SnapshotHandle};

/// Names asked for in one request when all are loaded.
const PAGE_NAMES: u32 = 256;
/// From so many unseen blocks on, all names are loaded anew: nodes that prune keep the states of some 256 blocks.
const BLOCKS_MISSED_MAX: u64 = 128;
/// The pause after a failure, which doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Follows a chain.
pub struct Feed {
    client: Client,
    builder: SnapshotBuilder,
    handle: SnapshotHandle,
    block_time: Duration,
    /// When names are over, the first at the top; some may have been renewed since.
    over: BinaryHeap<Reverse<(u32, Label)>>,
    grace_until: HashMap<Label, u32>,
    /// The block whose names are shown.
    shown: Option<FinalizedBlock>,
    /// The builder holds all names of that block: not while, or after, loading them failed.
    whole: bool,
}

impl Feed {
    /// A feed of `handle`, loaded with all names of the finalized head.
    ///
    /// # Errors
    /// When no endpoint answers, or the chain has no names.
    pub async fn start(client: Client, builder: SnapshotBuilder, handle: SnapshotHandle) -> Result<Self, Error> {
        let mut feed = Self {
            client,
            builder,
            handle,
            block_time: Duration::from_secs(1),
            over: BinaryHeap::new(),
            grace_until: HashMap::new(),
            shown: None,
            whole: false,
        };
        feed.load().await?;
        Ok(feed)
    }

    /// Follows for ever.
    pub async fn run(mut self) {
        let mut pause = PAUSE_MIN;
        loop {
            let since = SystemTime::now();
            let Err(error) = self.follow().await;
            if since.elapsed().is_ok_and(|worked| worked > PAUSE_MAX) {
                pause = PAUSE_MIN;
            }
            warn!(%error, head = self.head(), "the chain can't be followed; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, Error> {
        loop {
            let shown = match self.shown {
                Some(shown) if self.whole => shown,
                _ => self.load().await?,
            };
            let mut blocks = self.client.follow_finalized(shown, BLOCKS_MISSED_MAX);
            while let Some(block) = blocks.next().await? {
                let view = self.client.at_finalized(block).await?;
                self.apply(&view).await?;
            }
            self.load().await?;
        }
    }

    /// Number of the block that is shown.
    fn head(&self) -> u64 {
        self.shown.map_or(0, |shown| shown.number)
    }

    /// Takes over what one block changed.
    async fn apply(&mut self, view: &View) -> Result<(), Error> {
        let (time_ms, changed) = futures::try_join!(view.timestamp_ms(), view.changed_names())?;
        let resolved = futures::future::try_join_all(changed.iter().map(|label| view.resolve_name(label))).await?;
        let number = view.block_number_u32();
        // Nothing is shown before all of the block is known.
        self.builder.head(number, SystemTime::UNIX_EPOCH + Duration::from_millis(time_ms));
        for (label, resolved) in changed.into_iter().zip(resolved) {
            match resolved {
                Some(resolved) => self.set(number, label, resolved),
                None => self.remove(&label),
            }
        }
        self.remove_over(number);
        self.publish(view.block());
        Ok(())
    }

    /// Loads everything.
    async fn load(&mut self) -> Result<FinalizedBlock, Error> {
        let view = self.client.finalized().await?;
        self.block_time = view.block_time()?;
        let time_ms = view.timestamp_ms().await?;
        let number = view.block_number_u32();
        if view.block_number() < self.head() {
            // What is shown must not go back.
            return Err(Error::malformed(format!(
                "the node is behind: it has finalized #{number}, and #{} is shown",
                self.head()
            )));
        }
        self.whole = false;
        self.builder.clear();
        self.over.clear();
        self.grace_until.clear();
        self.builder.head(number, SystemTime::UNIX_EPOCH + Duration::from_millis(time_ms));
        let mut after = None;
        loop {
            let page = view.names_after(after.as_ref(), PAGE_NAMES).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (label, resolved) in page {
                if let Some(resolved) = resolved {
                    self.set(number, label, resolved);
                }
            }
        }
        self.whole = true;
        self.publish(view.block());
        info!(block = number, names = self.grace_until.len(), "names loaded");
        Ok(view.block())
    }

    fn publish(&mut self, block: FinalizedBlock) {
        self.shown = Some(block);
        self.handle.store(self.builder.snapshot());
    }

    fn set(&mut self, number: u32, label: Label, resolved: Resolved) {
        let entry = entry(number, self.block_time, &resolved);
        self.builder.set(&label, &entry);
        let until = resolved.grace_until_block;
        if self.grace_until.insert(label.clone(), until) != Some(until) {
            self.over.push(Reverse((until, label)));
        }
    }

    fn remove(&mut self, label: &Label) {
        self.builder.remove(label);
        self.grace_until.remove(label);
    }

    /// Removes the names whose registration is over: that needs no transaction, so no event tells.
    fn remove_over(&mut self, number: u32) {
        while let Some(Reverse((over_at, _))) = self.over.peek() {
            if *over_at > number {
                break;
            }
            let Some(Reverse((_, label))) = self.over.pop() else { break };
            if self.grace_until.get(&label).is_some_and(|until| *until <= number) {
                self.remove(&label);
            }
        }
    }
}

/// A name as the snapshot takes it, at block `number`.
fn entry(number: u32, block_time: Duration, resolved: &Resolved) -> NameEntry {
    let blocks = i64::from(resolved.expires_at_block) - i64::from(number);
    let millis = i64::try_from(block_time.as_millis()).unwrap_or(i64::MAX);
    let mut entry = NameEntry {
        expires_in_seconds: blocks.saturating_mul(millis) / 1000,
        zone: Default::default(),
        subzones: Vec::new(),
    };
    for resolved in &resolved.zones {
        match &resolved.subdomain {
            None => entry.zone = resolved.zone.clone(),
            Some(subdomain) => entry.subzones.push((subdomain.clone(), resolved.zone.clone())),
        }
    }
    entry
}
