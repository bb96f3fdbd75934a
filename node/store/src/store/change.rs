// SPDX-License-Identifier: Apache-2.0

//! Changing what is there: cuts, commitments, promises, trims, repairs.

use std::sync::Arc;

use cairn_primitives::storage::{shard_id, Range, Receipt, SlotAt, UNIT_BYTES};

use super::{
    read::{locate, range_of},
    recover, Store,
};
use crate::{index::Changes, Head, StoreError};

/// Bytes at a log's end that are read after the disk failed.
const VERIFIED_BYTES: u64 = 64 << 20;

impl Store {
    /// Cuts a log so that it has `leaves` shards; what is committed or promised can't be cut. Does nothing if it isn't longer.
    ///
    /// # Errors
    /// [`StoreError::Kept`].
    pub fn cut(&self, at: SlotAt, leaves: u64) -> Result<(), StoreError> {
        let (slot, index) = (self.slot(at)?, Arc::clone(&self.index));
        self.change(move |writer| {
            let head = slot.state().head.clone();
            if leaves < head.kept_leaves() {
                return Err(StoreError::Kept { leaves: head.kept_leaves() });
            }
            if leaves < head.range.leaves() {
                let range = range_of(&index, at, leaves)?;
                let cut = Head { range, ..head };
                let mut changes = Changes::default();
                changes.forget_from(at, leaves);
                changes.head(at, &cut);
                // On disk before anything is written over what was cut.
                writer.write(changes)?;
                let mut state = slot.state();
                state.head = cut;
                state.roll_back();
            } else {
                let mut state = slot.state();
                if leaves < state.written.leaves() {
                    state.roll_back();
                }
            }
            Ok(())
        })
    }

    /// Notes that the log's first `units` units are committed on chain: they are never cut again.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the log is shorter, [`StoreError::NotAnEnd`] if no shard ends there.
    pub fn commit(&self, at: SlotAt, units: u64) -> Result<(), StoreError> {
        let leaves = self.prefix(at, units)?.leaves();
        self.change_head(at, move |head, _| {
            if leaves > head.range.leaves() {
                return Err(StoreError::Changed);
            }
            let further = leaves > head.committed_leaves;
            if further {
                (head.committed_leaves, head.committed_units) = (leaves, units);
            }
            Ok(further)
        })
    }

    /// Gives up the log's front: all whole shards in its first `units` units, as far as they are committed. Their room is given
    /// back; everything behind them keeps its place, and can still be proven.
    ///
    /// # Errors
    /// [`StoreError::UnknownSlot`], and those of the disk.
    pub fn trim(&self, at: SlotAt, units: u64) -> Result<(), StoreError> {
        let (slot, index) = (self.slot(at)?, Arc::clone(&self.index));
        let head = slot.state().head.clone();
        let units = units.min(head.committed_units);
        if units <= head.trimmed_units {
            return Ok(());
        }
        let (leaves, before) = match units == head.range.units() {
            true => (head.range.leaves(), units),
            false => locate(&index, at, &head.range, units)?,
        };
        let log = self.log_of(&slot)?;
        self.change(move |writer| {
            let mut now = slot.state().head.clone();
            let was = now.trimmed_units;
            if leaves <= now.trimmed_leaves || leaves > now.committed_leaves {
                return Ok(());
            }
            (now.trimmed_leaves, now.trimmed_units) = (leaves, before);
            let mut changes = Changes::default();
            changes.forget_before(at, leaves);
            changes.head(at, &now);
            writer.write(changes)?;
            slot.state().head = now;
            let unit = UNIT_BYTES as u64;
            log.forget(was * unit, (before - was) * unit).map_err(StoreError::io("room couldn't be given back"))
        })
    }

    /// Puts a shard back in its place; nothing but the bytes that belong there is taken.
    ///
    /// # Errors
    /// [`StoreError::Differs`] if they don't, [`StoreError::Missing`] if the log doesn't have the shard, or no more.
    pub fn rewrite(&self, at: SlotAt, leaf: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let slot = self.slot(at)?;
        let log = self.log_of(&slot)?;
        {
            // Locked, so that the place isn't given to another shard meanwhile.
            let state = slot.state();
            if state.removed || leaf < state.head.trimmed_leaves || leaf >= state.head.range.leaves() {
                return Err(StoreError::Missing);
            }
            let known = self.index.leaf(at, leaf)?.ok_or(StoreError::Missing)?;
            if shard_id(bytes) != known.id {
                return Err(StoreError::Differs);
            }
            log.write(bytes, known.offset()).map_err(StoreError::io("a shard"))?;
        }
        log.sync().map_err(StoreError::io("a shard couldn't be made safe"))
    }

    /// Opens a log again after its disk failed, and reads its end: which shards are damaged there.
    ///
    /// # Errors
    /// Of the disk, if it still fails.
    pub fn reopen(&self, at: SlotAt) -> Result<Vec<u64>, StoreError> {
        let slot = self.slot(at)?;
        let head = {
            let mut state = slot.state();
            state.log = None;
            state.head.clone()
        };
        recover(&*self.bulk, &self.index, at, &head)?;
        let log = self.log_of(&slot)?;
        log.sync().map_err(StoreError::io("the log"))?;
        let unit = UNIT_BYTES as u64;
        let from = head.range.units().saturating_sub(VERIFIED_BYTES / unit).max(head.trimmed_units);
        let mut damaged = Vec::new();
        if from < head.range.units() {
            let (mut next, _) = locate(&self.index, at, &head.range, from)?;
            while next < head.range.leaves() {
                let scrubbed = self.scrub(at, next, VERIFIED_BYTES)?;
                damaged.extend(scrubbed.damaged);
                next = scrubbed.next_leaf.max(next + 1);
            }
        }
        slot.state().poisoned = false;
        Ok(damaged)
    }

    /// Where a log ends once all that was given to it before is safe, or has failed.
    ///
    /// # Errors
    /// [`StoreError::UnknownSlot`], [`StoreError::Poisoned`].
    pub fn settle(&self, at: SlotAt) -> Result<Head, StoreError> {
        let slot = self.slot(at)?;
        self.change(move |_| {
            let state = slot.state();
            match (state.removed, state.poisoned) {
                (true, _) => Err(StoreError::UnknownSlot(at)),
                (_, true) => Err(StoreError::Poisoned),
                _ => Ok(state.head.clone()),
            }
        })
    }

    /// Promises a log to be kept as it is until the drive is at the receipt's version or the receipt's last block is over, and
    /// keeps the receipt.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the log isn't what the receipt says.
    pub fn seal(&self, receipt: Receipt, signature: [u8; 64]) -> Result<(), StoreError> {
        self.change_head(receipt.at, move |head, changes| {
            if (head.range.units(), head.range.root()) != (receipt.units, receipt.root) {
                return Err(StoreError::Changed);
            }
            head.sealed_leaves = head.range.leaves();
            head.sealed_version = head.sealed_version.max(receipt.version);
            head.sealed_until_block = head.sealed_until_block.max(receipt.until_block);
            changes.receipt(&receipt, &signature);
            Ok(true)
        })
    }

    /// Ends the promise of [`Self::seal`] once the drive is at the version that was meant, or at a later one, or still isn't
    /// after the last block that was meant: `version` is the drive's at block `block`, or later, and both are final.
    ///
    /// # Errors
    /// [`StoreError::UnknownSlot`], and those of the disk.
    pub fn unseal(&self, at: SlotAt, version: u64, block: u32) -> Result<(), StoreError> {
        self.change_head(at, move |head, _| {
            let ended = head.sealed_version <= version || head.sealed_until_block < block;
            let ends = head.sealed_leaves > 0 && ended;
            if ends {
                (head.sealed_leaves, head.sealed_until_block) = (0, 0);
            }
            Ok(ends)
        })
    }

    /// Notes until which block somebody may write to a log's tail.
    ///
    /// # Errors
    /// [`StoreError::UnknownSlot`], and those of the disk.
    pub fn expect_writes(&self, at: SlotAt, until_block: u32) -> Result<(), StoreError> {
        self.change_head(at, move |head, _| {
            let later = until_block > head.tail_until_block;
            head.tail_until_block = head.tail_until_block.max(until_block);
            Ok(later)
        })
    }

    /// The last receipt of a log.
    ///
    /// # Errors
    /// Of the disk.
    pub fn receipt(&self, at: SlotAt) -> Result<Option<(Receipt, [u8; 64])>, StoreError> {
        self.index.receipt(at)
    }

    /// Keeps the peaks of what was given up of a log, which may be another vault's.
    ///
    /// # Errors
    /// Of the disk.
    pub fn save_front(&self, at: SlotAt, front: Range) -> Result<(), StoreError> {
        self.save(move |changes| changes.front(at, &front))
    }

    /// Forgets the peaks of what was given up of another vault's log.
    ///
    /// # Errors
    /// Of the disk.
    pub fn forget_front(&self, at: SlotAt) -> Result<(), StoreError> {
        self.save(move |changes| changes.forget_front(at))
    }

    /// Keeps a named value, such as a block's number.
    ///
    /// # Errors
    /// Of the disk.
    pub fn save_value(&self, name: &str, value: Vec<u8>) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.save(move |changes| changes.value(&name, &value))
    }

    /// Changes a log's head, if `change` says that it did.
    fn change_head(
        &self,
        at: SlotAt,
        change: impl FnOnce(&mut Head, &mut Changes) -> Result<bool, StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let slot = self.slot(at)?;
        self.change(move |writer| {
            let mut head = slot.state().head.clone();
            if slot.state().removed {
                return Err(StoreError::UnknownSlot(at));
            }
            let mut changes = Changes::default();
            if change(&mut head, &mut changes)? {
                changes.head(at, &head);
                writer.write(changes)?;
                slot.state().head = head;
            }
            Ok(())
        })
    }
}
