// SPDX-License-Identifier: Apache-2.0

//! Rebuilding a slot's log from the other vaults of its group.
//!
//! Where another vault has the same shards (a copy, or the vault that leaves), they are copied; else `k` other shards of each
//! stripe give the missing one. It goes on where it stopped.
//!
//! What a vault that is behind has beyond what it knows to be committed is a part of the log in most cases: it was too slow for the
//! checkpoint, or was away when what it had signed for was committed. So it is gone on with, and given up only when others have
//! something else there, or the root comes out wrong. Nobody else may have it any more.
//!
//! # Correctness
//! Each shard that comes is checked against the id that its vault told, and the ids that each vault told add up to the root that
//! the chain has of its slot, or that vault is not asked again. What was rebuilt is used only if its own root is the chain's.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use cairn_client::{
    chain::storage::{Coding, Drive, SlotAt, SlotState},
    AccountId,
};
use cairn_primitives::storage::{shard_id, Node, Range, ShardId, ShardSize};
use cairn_store::{Store, StoreError};
use cairn_wire::{frame::BODY_BYTES_MAX, message::LEAVES_MAX, Connection, WireError};
use futures::future::join_all;

use crate::{
    metrics::{add, Metrics},
    peers::{patiently, PeerError, Peers},
    random, Chain, ChainError,
};

/// Why a log couldn't be rebuilt now.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RebuildError {
    /// Fewer vaults answer than are needed.
    #[error("{answering} vaults of the group answer, and {needed} are needed")]
    TooFew {
        /// So many do.
        answering: usize,
        /// So many must.
        needed: usize,
    },
    /// What others have up to the log's end is something else.
    #[error("the log has other shards than the others of its group")]
    Misfit,
    /// Nobody knows the peaks of what was given up.
    #[error("no vault of the group knows what was given up of the log")]
    NoFront,
    /// Vaults told ids that are not those of their logs; the next try leaves them out.
    #[error("{0} vaults told something else than the chain has")]
    Liars(usize),
    /// What was rebuilt isn't the log; it is begun anew.
    #[error("what was rebuilt is not what the chain has; it is begun anew")]
    Other,
    /// The shards of the others don't give this one: the drive's writer committed to shards that don't belong together.
    #[error("the writer's shards don't belong together")]
    Uncodable,
    /// The drive is not as it was.
    #[error("the drive or the slot has gone")]
    Gone,
    /// The group said that this vault serves nobody; it can show that it is back later.
    #[error("the other vaults of the group couldn't reach this vault: it is back in block {0} at the earliest")]
    TooEarly(u32),
    /// The group said so for the second time: the slot goes to another.
    #[error("the other vaults of the group couldn't reach this vault, for the second time: see that its addresses are reached from outside")]
    Forfeited,
    /// The chain doesn't answer.
    #[error("the chain: {0}")]
    Chain(#[from] ChainError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What rebuilding needs.
pub(crate) struct Rebuilder {
    pub chain: Arc<dyn Chain>,
    pub store: Arc<Store>,
    pub peers: Peers,
    pub metrics: Arc<Metrics>,
    /// Vaults that told something else than the chain has.
    pub liars: Mutex<HashSet<[u8; 32]>>,
}

/// A vault that is read from.
struct Source {
    slot: u8,
    account: AccountId,
    connection: Connection,
    /// Its log, as far as it was read.
    range: Range,
}

impl Source {
    fn at(&self, drive: u64) -> SlotAt {
        SlotAt { drive, slot: self.slot }
    }
}

/// Ids and sizes of shards, and the shards.
type Window = (Vec<(ShardId, ShardSize)>, Vec<Bytes>);

impl Rebuilder {
    /// Brings the log of a slot to what the drive's version on chain says.
    pub async fn rebuild(&self, at: SlotAt) -> Result<Drive, RebuildError> {
        let drive = self.chain.drive(at.drive).await?.ok_or(RebuildError::Gone)?;
        let root = drive.slots.get(usize::from(at.slot)).ok_or(RebuildError::Gone)?.root;
        let mut sources = Vec::new();
        let mut candidates = self.candidates(&drive, at);
        self.begin(&drive, at, &candidates).await?;
        let mut resumed = self.end(at)?.leaves();
        loop {
            let end = self.end(at)?;
            if end.units() >= drive.units {
                break;
            }
            match self.fill(&drive, at, &mut sources, &mut candidates, &end).await {
                Ok(needed) => self.step(&drive, at, &mut sources, needed, &end).await?,
                Err(RebuildError::Misfit) if resumed > self.kept(at)? => {
                    resumed = self.kept(at)?;
                    self.on_disk(move |store| store.cut(at, resumed)).await?;
                    sources.clear();
                    candidates = self.candidates(&drive, at);
                },
                Err(error) => return Err(error),
            }
        }
        let liars: Vec<_> = sources
            .iter()
            .filter(|source| {
                let told = drive.slots.get(usize::from(source.slot)).map(|slot| slot.root);
                // One that joined and wasn't read to the end shows nothing.
                source.range.units() == drive.units && told != Some(source.range.root())
            })
            .map(|source| source.account)
            .collect();
        if self.end(at)?.root() == root {
            let units = drive.units;
            self.on_disk(move |store| {
                store.commit(at, units)?;
                store.save_value(&mark(at), Vec::new())
            })
            .await?;
            return Ok(drive);
        }
        // Begin anew: from what is known to be good.
        let head = self.store.head(at).ok_or(RebuildError::Gone)?;
        let kept = head.kept_leaves();
        let on_front = kept > 0 && kept == head.trimmed_leaves;
        self.on_disk(move |store| if on_front { store.remove(at) } else { store.cut(at, kept) }).await?;
        if liars.is_empty() && on_front {
            // Then it is the front that is wrong.
            let teller = self.store.value(&mark(at))?.and_then(|teller| <[u8; 32]>::try_from(teller).ok());
            self.liars().extend(teller);
        }
        if !liars.is_empty() {
            for liar in &liars {
                tracing::warn!(vault = %liar, drive = at.drive, "a vault told ids that are not those of its log");
            }
            self.liars().extend(liars.iter().map(|account| account.0));
            return Err(RebuildError::Liars(liars.len()));
        }
        Err(if resumed > kept || on_front { RebuildError::Other } else { RebuildError::Uncodable })
    }

    /// Puts the right bytes of a damaged shard back.
    pub async fn repair_leaf(&self, at: SlotAt, leaf: u64) -> Result<(), RebuildError> {
        let drive = self.chain.drive(at.drive).await?.ok_or(RebuildError::Gone)?;
        let coding = drive.coding;
        let mut others: Vec<(u8, Bytes)> = Vec::new();
        let candidates = self.candidates(&drive, at);
        for (slot, account) in candidates.into_iter().rev() {
            let Ok(connection) = self.peers.connect(&account).await else { continue };
            let there = SlotAt { drive: at.drive, slot };
            let Ok(shards) = patiently(|| connection.read(there, leaf, 1)).await else { continue };
            let Some(shard) = shards.into_iter().next() else { continue };
            add(&self.metrics.repair_bytes_total, shard.len() as u64);
            others.push((slot, shard));
            // Which of them is wrong, if one is, nobody knows: what they may give is tried, until it fits.
            for bytes in choices(coding, &others, at.slot) {
                match self.on_disk(move |store| store.rewrite(at, leaf, &bytes)).await {
                    Err(StoreError::Differs) => {},
                    result => return Ok(result?),
                }
            }
        }
        Err(RebuildError::TooFew { answering: others.len(), needed: usize::from(coding.data()) })
    }

    /// Learns the peaks of what other slots of a drive are about to give up, so that these slots can be rebuilt later.
    pub async fn learn_fronts(&self, drive: &Drive, own: SlotAt) {
        for (slot, account) in self.candidates(drive, own) {
            let there = SlotAt { drive: drive.id, slot };
            let Ok(connection) = self.peers.connect(&account).await else { continue };
            let Ok(front) = connection.front(there, drive.trimmed_units).await else { continue };
            if there != own {
                let known = self.store.front(there, drive.trimmed_units).map_or(0, |known| known.leaves());
                if front.leaves() > known {
                    let _ = self.on_disk(move |store| store.save_front(there, front)).await;
                }
            }
        }
    }

    /// Vaults to read from, the best last: those with the very same shards, then any others.
    fn candidates(&self, drive: &Drive, at: SlotAt) -> Vec<(u8, AccountId)> {
        let liars = self.liars();
        let own = self.chain.account();
        let mut found: Vec<_> = (0u8..)
            .zip(&drive.slots)
            .filter(|(_, slot)| slot.state == SlotState::Healthy)
            .filter_map(|(number, slot)| Some((number, slot.vault?)))
            .filter(|(_, vault)| *vault != own && !liars.contains(&vault.0))
            .collect();
        random::shuffle(&mut found);
        found.sort_by_key(|(slot, _)| *slot == at.slot);
        found
    }

    /// Makes the log if there is none. What is longer than the drive's, or as long and another, has a tail of another version.
    async fn begin(&self, drive: &Drive, at: SlotAt, candidates: &[(u8, AccountId)]) -> Result<(), RebuildError> {
        if let Some(head) = self.store.head(at) {
            if self.store.value(&mark(at))?.is_none_or(|mark| mark.is_empty()) {
                let on = if head.range.units() < drive.units { head.range.leaves() } else { head.kept_leaves() };
                self.on_disk(move |store| {
                    store.cut(at, on)?;
                    store.save_value(&mark(at), vec![1])
                })
                .await?;
            }
            return Ok(());
        }
        let (front, teller) = match drive.trimmed_units {
            0 => (Range::default(), self.chain.account()),
            _ => self.front(drive, at, candidates).await?,
        };
        let made = self.on_disk(move |store| {
            store.save_value(&mark(at), teller.0.to_vec())?;
            store.create(at, front)
        });
        match made.await {
            Ok(()) | Err(StoreError::Exists(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The peaks of what was given up of the slot's log, from whoever has most of it. They are not checked, but the root will
    /// be that is made on top of them.
    async fn front(
        &self,
        drive: &Drive,
        at: SlotAt,
        candidates: &[(u8, AccountId)],
    ) -> Result<(Range, AccountId), RebuildError> {
        let mut best: Option<(Range, AccountId)> = None;
        for (slot, account) in candidates {
            let Ok(connection) = self.peers.connect(account).await else { continue };
            let same = SlotAt { drive: drive.id, slot: *slot };
            let mut told = connection.front(at, drive.trimmed_units).await;
            if told.is_err() && drive.coding == Coding::K1 {
                // Its shards are the same, so its front is too.
                told = connection.front(same, drive.trimmed_units).await;
            }
            let Ok(front) = told else { continue };
            if front.units() <= drive.trimmed_units
                && best.as_ref().is_none_or(|(best, _)| best.leaves() < front.leaves())
            {
                best = Some((front, *account));
            }
        }
        best.ok_or(RebuildError::NoFront)
    }

    /// Finds as many sources as are needed, and brings them to the log's end. How many that are.
    async fn fill(
        &self,
        drive: &Drive,
        at: SlotAt,
        sources: &mut Vec<Source>,
        candidates: &mut Vec<(u8, AccountId)>,
        end: &Range,
    ) -> Result<usize, RebuildError> {
        let mut misfit = false;
        let copies = |sources: &[Source]| sources.iter().any(|source| same_shards(drive.coding, source.slot, at.slot));
        loop {
            let needed = if copies(sources) { 1 } else { usize::from(drive.coding.data()) };
            if sources.len() >= needed {
                return Ok(needed);
            }
            let Some((slot, account)) = candidates.pop() else {
                return Err(match misfit {
                    true => RebuildError::Misfit,
                    false => RebuildError::TooFew { answering: sources.len(), needed },
                });
            };
            match self.source(drive, at, slot, account, end).await {
                Ok(Some(source)) => sources.push(source),
                Ok(None) => misfit = true,
                Err(error) => {
                    tracing::debug!(vault = %account, drive = drive.id, slot, %error, "a vault can't be read from");
                },
            }
        }
    }

    /// A vault that has the log up to its end, and more; `None` if it has something else there.
    async fn source(
        &self,
        drive: &Drive,
        at: SlotAt,
        slot: u8,
        account: AccountId,
        end: &Range,
    ) -> Result<Option<Source>, PeerError> {
        let connection = self.peers.connect(&account).await?;
        let there = SlotAt { drive: drive.id, slot };
        let range = match drive.trimmed_units {
            0 => Range::default(),
            _ => patiently(|| connection.front(there, drive.trimmed_units)).await?,
        };
        let mut source = Source { slot, account, connection, range };
        if source.range.leaves() > end.leaves() {
            return Err(WireError::Protocol("it has given up more than this vault").into());
        }
        while source.range.leaves() < end.leaves() {
            let (first, missing) = (source.range.leaves(), end.leaves() - source.range.leaves());
            let count = u32::try_from(missing).unwrap_or(LEAVES_MAX).min(LEAVES_MAX);
            let leaves = patiently(|| source.connection.leaves(there, first, count)).await?;
            push(&mut source.range, &leaves)?;
        }
        let fits = match same_shards(drive.coding, slot, at.slot) {
            true => source.range == *end,
            false => source.range.units() == end.units(),
        };
        Ok(fits.then_some(source))
    }

    /// Rebuilds the next shards. Sources that fail are dropped; then nothing is rebuilt, and others are to be found.
    async fn step(
        &self,
        drive: &Drive,
        at: SlotAt,
        sources: &mut Vec<Source>,
        needed: usize,
        end: &Range,
    ) -> Result<(), RebuildError> {
        // One with the same shards is enough.
        sources.sort_by_key(|source| !same_shards(drive.coding, source.slot, at.slot));
        sources.truncate(needed);
        let room = drive.units - end.units();
        let read_all = join_all(sources.iter().map(|source| window(source, drive.id, room))).await;
        let mut windows = Vec::new();
        let mut kept = Vec::new();
        for (source, read) in std::mem::take(sources).into_iter().zip(read_all) {
            match read {
                Ok(window) => {
                    windows.push(window);
                    kept.push(source);
                },
                Err(error) => {
                    tracing::debug!(vault = %source.account, drive = drive.id, %error, "a vault can't be read from");
                },
            }
        }
        *sources = kept;
        if sources.len() < needed {
            return Ok(());
        }
        let count = windows.iter().map(|(leaves, _)| leaves.len()).min().unwrap_or(0);
        let sizes: Vec<_> = windows[0].0[..count].iter().map(|(_, size)| *size).collect();
        // Sizes of one stripe are equal in all slots: who says otherwise is wrong, or the first is; the root will tell.
        let differing = |window: &Window| window.0[..count].iter().map(|(_, size)| *size).ne(sizes.iter().copied());
        if let Some(wrong) = windows.iter().position(differing) {
            sources.remove(wrong);
            return Ok(());
        }
        for (source, (leaves, shards)) in sources.iter_mut().zip(&windows) {
            if push(&mut source.range, &leaves[..count]).is_err() {
                return Err(RebuildError::Liars(0));
            }
            let bytes: usize = shards.iter().map(Bytes::len).sum();
            add(&self.metrics.repair_bytes_total, bytes as u64);
        }
        let slots: Vec<_> = sources.iter().map(|source| source.slot).collect();
        let (coding, first_leaf) = (drive.coding, end.leaves());
        self.on_disk(move |store| {
            let mut body = Vec::with_capacity(sizes.iter().map(|size| size.bytes()).sum());
            for number in 0..count {
                let present: Vec<(u8, &[u8])> =
                    slots.iter().zip(&windows).map(|(slot, (_, shards))| (*slot, &shards[number][..])).collect();
                body.extend(own_shard(coding, &present, at.slot).ok_or(StoreError::Differs)?);
            }
            store.append(at, first_leaf, &sizes, &body)
        })
        .await?;
        Ok(())
    }

    fn liars(&self) -> std::sync::MutexGuard<'_, HashSet<[u8; 32]>> {
        self.liars.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shards that are known to be the log's.
    fn kept(&self, at: SlotAt) -> Result<u64, RebuildError> {
        Ok(self.store.head(at).ok_or(RebuildError::Gone)?.kept_leaves())
    }

    fn end(&self, at: SlotAt) -> Result<Range, RebuildError> {
        Ok(self.store.head(at).ok_or(RebuildError::Gone)?.range)
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || work(&store)).await.unwrap_or(Err(StoreError::Failed))
    }
}

/// Names the value that says that a log is being rebuilt: empty if it isn't, else who told its front.
fn mark(at: SlotAt) -> String {
    format!("rebuilding-{}-{}", at.drive, at.slot)
}

/// Whether two slots of a drive have the very same shards.
fn same_shards(coding: Coding, one: u8, other: u8) -> bool {
    coding == Coding::K1 || one == other
}

/// A slot's shard from those of others, or from a copy of it.
fn own_shard(coding: Coding, present: &[(u8, &[u8])], want: u8) -> Option<Vec<u8>> {
    match present.iter().find(|(slot, _)| same_shards(coding, *slot, want)) {
        Some((_, shard)) => Some(shard.to_vec()),
        None => cairn_drive::erasure::reconstruct(coding, present, want).ok(),
    }
}

/// What a slot's shard may be, by these shards of others, the newest of which must take part. At most so many choices that one
/// wrong shard among them is left out by some.
fn choices(coding: Coding, others: &[(u8, Bytes)], want: u8) -> Vec<Vec<u8>> {
    let needed = usize::from(coding.data());
    let Some(((slot, newest), earlier)) = others.split_last() else { return Vec::new() };
    if same_shards(coding, *slot, want) {
        return vec![newest.to_vec()];
    }
    let earlier: Vec<_> = earlier.iter().filter(|(slot, _)| !same_shards(coding, *slot, want)).collect();
    if earlier.len() + 1 < needed {
        return Vec::new();
    }
    let shift = |by: usize| {
        let chosen = earlier.iter().cycle().skip(by).take(needed - 1);
        let mut present: Vec<(u8, &[u8])> = chosen.map(|(slot, shard)| (*slot, &shard[..])).collect();
        present.push((*slot, &newest[..]));
        own_shard(coding, &present, want)
    };
    (0..earlier.len().max(1)).filter_map(shift).collect()
}

/// Appends leaves to what is known of a log.
fn push(range: &mut Range, leaves: &[(ShardId, ShardSize)]) -> Result<(), WireError> {
    match leaves.iter().all(|(id, size)| range.append(Node::leaf(id, *size), |_, _| ())) {
        true => Ok(()),
        false => Err(WireError::Protocol("no log is that long")),
    }
}

/// The next shards of a source: their ids, and their bytes, which are those of the ids. At most one message's worth.
async fn window(source: &Source, drive: u64, units_max: u64) -> Result<Window, WireError> {
    let (at, first) = (source.at(drive), source.range.leaves());
    let mut leaves = patiently(|| source.connection.leaves(at, first, LEAVES_MAX)).await?;
    let (mut bytes, mut units) = (0, 0);
    let fitting = leaves.iter().take_while(|(_, size)| {
        bytes += size.bytes();
        units += size.units();
        bytes <= BODY_BYTES_MAX && units <= units_max
    });
    let count = fitting.count();
    if count == 0 {
        return Err(WireError::Protocol("its shards have other sizes"));
    }
    leaves.truncate(count);
    let mut shards: Vec<Bytes> = Vec::with_capacity(count);
    while shards.len() < count {
        let (next, left) = (first + shards.len() as u64, (count - shards.len()) as u32);
        for shard in patiently(|| source.connection.read(at, next, left)).await? {
            let (id, _) = leaves[shards.len()];
            if shard_id(&shard) != id {
                return Err(WireError::Protocol("a shard isn't what its id says"));
            }
            shards.push(shard);
        }
    }
    Ok((leaves, shards))
}
