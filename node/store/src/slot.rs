// SPDX-License-Identifier: Apache-2.0

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cairn_primitives::storage::{Range, ShardId, ShardSize, SlotAt, UNIT_BYTES};
use codec::{Decode, Encode};

use crate::BulkLog;

/// How far a log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// All shards up to the log's end.
    pub range: Range,
    /// Shards that are committed on chain: these are never cut.
    pub committed_leaves: u64,
    /// Their units.
    pub committed_units: u64,
    /// Shards at the front that were given up.
    pub trimmed_leaves: u64,
    /// Their units.
    pub trimmed_units: u64,
    /// Shards that a receipt was given for, which may still be committed: these aren't cut either.
    pub sealed_leaves: u64,
    /// The drive's version that they were to become; the promise ends once the drive is there.
    pub sealed_version: u64,
    /// Last block in which they may become that; the promise ends with it too.
    pub sealed_until_block: u32,
    /// Block until which somebody may be writing behind what is committed.
    pub tail_until_block: u32,
}

impl Head {
    /// Shards that can't be cut.
    pub fn kept_leaves(&self) -> u64 {
        self.committed_leaves.max(self.sealed_leaves)
    }

    /// Whether shards are there that weren't given up.
    pub(crate) fn has_shards(&self) -> bool {
        self.range.units() > self.trimmed_units
    }

    /// Bytes of the log, those given up included: where the next shard goes.
    pub(crate) fn bytes(&self) -> u64 {
        self.range.units().saturating_mul(UNIT_BYTES as u64)
    }
}

/// A shard of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Leaf {
    /// Hash of its bytes.
    pub id: ShardId,
    /// Its length.
    pub size: ShardSize,
    /// Units of the log before it.
    pub units_before: u64,
}

impl Leaf {
    pub(crate) fn offset(&self) -> u64 {
        self.units_before.saturating_mul(UNIT_BYTES as u64)
    }
}

/// A log that is open.
pub(crate) struct Slot {
    pub at: SlotAt,
    state: Mutex<State>,
}

pub(crate) struct State {
    /// What is on disk and acknowledged.
    pub head: Head,
    /// What is written; the part behind `head` is on its way to the disk.
    pub written: Range,
    /// Counts cuts and failures. What was written in an earlier epoch is not acknowledged in a later one.
    pub epoch: u64,
    /// The disk failed: nothing is written until the log was opened again.
    pub poisoned: bool,
    /// The log is no more.
    pub removed: bool,
    /// Its bytes, if they were used lately.
    pub log: Option<Arc<dyn BulkLog>>,
}

impl Slot {
    pub fn new(at: SlotAt, head: Head) -> Self {
        let written = head.range.clone();
        let state = State { head, written, epoch: 0, poisoned: false, removed: false, log: None };
        Slot { at, state: Mutex::new(state) }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Forgets what is not acknowledged.
    pub fn roll_back(&mut self) {
        self.written = self.head.range.clone();
        self.epoch += 1;
    }
}
