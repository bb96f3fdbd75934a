// SPDX-License-Identifier: Apache-2.0

//! Searching the finalized blocks for a transaction.
//!
//! # Correctness
//! - [`Found::Expired`] and [`Found::Replaced`] are final: every finalized block that could hold the transaction was
//!   looked at, and no later one can hold it.
//! - The search ends: with the transaction's lifetime, or when finality stands still for [`Timing::give_up`].

use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use crate::{Error, Hash};

/// How often a finalized block may be missing at the node that finalized it.
const MISSING_MAX: u32 = 10;

/// What a search asks of the chain; a fake one in tests.
pub(super) trait Chain: Sync {
    /// The last finalized block.
    fn finalized(&self) -> BoxFuture<'_, Result<Head, Error>>;

    /// The block of this number; `None` if the node hasn't got it.
    fn block(&self, number: u64) -> BoxFuture<'_, Result<Option<Block>, Error>>;

    /// Leaves the node in use for another, if there is one.
    fn change_endpoint(&self) -> BoxFuture<'_, ()>;

    /// Gives the transaction to the node in use, unless it was given it.
    fn offer(&self) -> BoxFuture<'_, ()>;
}

/// A finalized block, and the account's nonce at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) number: u64,
    pub(super) nonce: u64,
}

/// A block, and whether the transaction is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) hash: Hash,
    pub(super) holds_it: bool,
}

/// What is searched for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Its nonce.
    pub(super) nonce: u64,
    /// The first block to look at.
    pub(super) first_block: u64,
    /// The last block that can hold it.
    pub(super) last_block: u64,
}

/// What became of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is in this block.
    In(Hash),
    /// Another transaction used its nonce.
    Replaced,
    /// Its lifetime ended.
    Expired,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Pause between two looks at the finalized chain.
    pub(super) pause: Duration,
    /// A node that finalizes nothing for this long is left for another.
    pub(super) standstill: Duration,
    /// When nothing is finalized for this long, whatever node is asked, the search ends.
    pub(super) give_up: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { pause: Duration::from_secs(2), standstill: Duration::from_secs(120), give_up: Duration::from_secs(600) }
    }
}

/// Watches whether finality moves.
#[derive(Debug)]
pub(super) struct Finality {
    timing: Timing,
    highest: u64,
    /// When it moved last.
    moved: Instant,
    /// When the node was last left for another.
    changed: Instant,
}

impl Finality {
    pub(super) fn new(timing: Timing) -> Self {
        let now = Instant::now();
        Self { timing, highest: 0, moved: now, changed: now }
    }

    /// Takes note of a node's last finalized block; whether finality has stood still for so long that another node
    /// should be asked.
    pub(super) fn stands_still(&mut self, finalized: u64) -> bool {
        if finalized > self.highest {
            self.highest = finalized;
            self.moved = Instant::now();
        }
        self.moved.max(self.changed).elapsed() >= self.timing.standstill
    }

    async fn check(&mut self, chain: &impl Chain, finalized: u64) -> Result<(), Error> {
        let stands_still = self.stands_still(finalized);
        let waited = self.moved.elapsed();
        if waited >= self.timing.give_up {
            return Err(Error::Stalled { finalized: self.highest, waited });
        }
        if stands_still {
            chain.change_endpoint().await;
            self.changed = Instant::now();
        }
        Ok(())
    }
}

/// Looks at one finalized block after the other, until it is known what became of the transaction.
///
/// # Errors
/// Those of the nodes, and [`Error::Stalled`]; the transaction may then still be included.
pub(super) async fn search(chain: &impl Chain, wanted: Wanted, finality: &mut Finality) -> Result<Found, Error> {
    let mut next = wanted.first_block;
    let mut missing = 0;
    loop {
        let head = chain.finalized().await?;
        while next <= head.number.min(wanted.last_block) {
            match chain.block(next).await? {
                Some(Block { hash, holds_it: true }) => return Ok(Found::In(hash)),
                Some(_) => next += 1,
                // Another node has taken over meanwhile, and is behind.
                None if missing < MISSING_MAX => {
                    missing += 1;
                    break;
                },
                None => return Err(Error::malformed(format!("the node has no block {next}, which is finalized"))),
            }
        }
        if next > wanted.last_block {
            return Ok(Found::Expired);
        }
        if next > head.number && head.nonce > wanted.nonce {
            return Ok(Found::Replaced);
        }
        finality.check(chain, head.number).await?;
        chain.offer().await;
        tokio::time::sleep(finality.timing.pause).await;
    }
}

#[cfg(test)]
mod tests;
