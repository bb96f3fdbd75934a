// SPDX-License-Identifier: Apache-2.0

//! Appending.

use std::sync::{atomic::Ordering, mpsc, Arc};

use cairn_primitives::storage::{shard_id, Node, Range, ShardSize, SlotAt};

use super::Store;
use crate::{
    commit::{Append, Job, Reply},
    Leaf, StoreError,
};

impl Store {
    /// Appends shards, and waits until they are safe. Gives the log's new end.
    ///
    /// # Errors
    /// As [`Self::append_then`].
    pub fn append(&self, at: SlotAt, first_leaf: u64, sizes: &[ShardSize], bytes: &[u8]) -> Result<Range, StoreError> {
        let (sender, result) = mpsc::sync_channel(1);
        let reply: Reply<Range> = Box::new(move |result| {
            let _ = sender.send(result);
        });
        self.append_then(at, first_leaf, sizes, bytes, u64::MAX, reply);
        result.recv().unwrap_or(Err(StoreError::Failed))
    }

    /// Writes the shards `bytes` as shards `first_leaf..` of a log, and has `reply` called with the log's new end once they are
    /// safe. If the log is longer, it is cut there first; it may have `units_max` units after that. Calls for one log are to be
    /// made one after the other; they need not wait for replies.
    ///
    /// # Errors
    /// To `reply`: [`StoreError::Gap`] if shards are missing before them, [`StoreError::Kept`] if what is committed or promised
    /// would be cut, [`StoreError::NoRoom`], [`StoreError::Differs`] if `bytes` are not of these sizes,
    /// [`StoreError::DiskFull`], [`StoreError::Changed`] if the log was cut meanwhile, [`StoreError::Poisoned`] if it has to be
    /// opened again.
    pub fn append_then(
        &self,
        at: SlotAt,
        first_leaf: u64,
        sizes: &[ShardSize],
        bytes: &[u8],
        units_max: u64,
        reply: Reply<Range>,
    ) {
        let mut reply = Some(reply);
        if let Err(error) = self.begin_append(at, first_leaf, sizes, bytes, units_max, &mut reply) {
            if let Some(reply) = reply {
                reply(Err(error));
            }
        }
    }

    fn begin_append(
        &self,
        at: SlotAt,
        first_leaf: u64,
        sizes: &[ShardSize],
        bytes: &[u8],
        units_max: u64,
        reply: &mut Option<Reply<Range>>,
    ) -> Result<(), StoreError> {
        if sizes.iter().map(|size| size.bytes()).sum::<usize>() != bytes.len() {
            return Err(StoreError::Differs);
        }
        if self.failed.load(Ordering::Acquire) {
            return Err(StoreError::Failed);
        }
        self.make_room(bytes.len() as u64)?;
        let mut rest = bytes;
        let ids: Vec<_> = sizes
            .iter()
            .map(|size| {
                let (shard, after) = rest.split_at(size.bytes());
                rest = after;
                shard_id(shard)
            })
            .collect();
        let slot = self.slot(at)?;
        let written = slot.state().written.leaves();
        if first_leaf < written {
            self.cut(at, first_leaf)?;
        }
        let log = self.log_of(&slot)?;
        let mut state = slot.state();
        if state.removed {
            return Err(StoreError::UnknownSlot(at));
        }
        if state.poisoned {
            return Err(StoreError::Poisoned);
        }
        let end = state.written.leaves();
        if first_leaf > end {
            return Err(StoreError::Gap { leaves: end });
        }
        if first_leaf < end {
            // Somebody else appended after the cut.
            return Err(StoreError::Changed);
        }
        let mut range = state.written.clone();
        let (mut leaves, mut nodes) = (Vec::with_capacity(sizes.len()), Vec::with_capacity(2 * sizes.len()));
        for (id, size) in ids.into_iter().zip(sizes) {
            let leaf = Leaf { id, size: *size, units_before: range.units() };
            leaves.push((range.leaves(), leaf));
            if !range.append(Node::leaf(&id, *size), |place, node| nodes.push((place, node))) {
                return Err(StoreError::LogFull);
            }
        }
        if range.units() > units_max && !leaves.is_empty() {
            return Err(StoreError::NoRoom { units_max });
        }
        if let Some((_, first)) = leaves.first() {
            // If this fails, what was written is behind the log's end, and of no account.
            log.write(bytes, first.offset()).map_err(StoreError::io("shards"))?;
        }
        state.written = range.clone();
        let Some(reply) = reply.take() else { return Ok(()) };
        let append = Append { slot: Arc::clone(&slot), epoch: state.epoch, log, leaves, nodes, range, reply };
        // Sent while the state is locked: see `commit`.
        self.send(Job::Append(Box::new(append)))
    }
}
