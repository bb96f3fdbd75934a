// SPDX-License-Identifier: Apache-2.0

//! The index: one RocksDB.
//!
//! ```text
//! h slot                    Head
//! l slot, leaf u64          Leaf
//! n slot, height, index u64 Node, of heights above 0; of height 0 only where the leaf was given up
//! r slot                    the last receipt and its signature
//! f slot                    Range: peaks of what was given up of a log that another vault has
//! v name                    a named value
//! x slot                    its log is being removed
//! ```
//! Numbers in keys are big-endian, so that a slot's leaves lie in order.

use std::path::Path;

use cairn_primitives::storage::{Node, NodeAt, Range, Receipt, SlotAt};
use codec::{Decode, DecodeAll, Encode};
use rocksdb::{
    BlockBasedOptions, Cache, DBRecoveryMode, Direction, IteratorMode, Options, WriteBatch, WriteOptions, DB,
};

use crate::{Head, Leaf, StoreError};

const HEAD: u8 = b'h';
const LEAF: u8 = b'l';
const NODE: u8 = b'n';
const RECEIPT: u8 = b'r';
const FRONT: u8 = b'f';
const VALUE: u8 = b'v';
const REMOVING: u8 = b'x';
/// Bytes of writes that are kept in memory before they go to a table; twice that at most.
const BUFFER_BYTES: usize = 8 << 20;

pub(crate) struct Index {
    db: DB,
    /// Entries that were looked up.
    #[cfg(test)]
    pub lookups: std::sync::atomic::AtomicU64,
}

impl Index {
    pub fn open(folder: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        let mut tables = BlockBasedOptions::default();
        tables.set_block_cache(&Cache::new_lru_cache(cache_bytes));
        // Everything that grows with the index is inside the cache's bound.
        tables.set_cache_index_and_filter_blocks(true);
        tables.set_pin_l0_filter_and_index_blocks_in_cache(true);
        tables.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&tables);
        options.set_write_buffer_size(BUFFER_BYTES);
        options.set_max_write_buffer_number(2);
        options.set_max_total_wal_size(4 * BUFFER_BYTES as u64);
        options.set_max_open_files(128);
        options.set_max_background_jobs(2);
        options.set_keep_log_file_num(2);
        // A write that was under way may be torn; anything else that is damaged is told, not skipped.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        let db = DB::open(&options, folder)?;
        Ok(Index {
            db,
            #[cfg(test)]
            lookups: Default::default(),
        })
    }

    /// Writes; returns once it is on disk.
    pub fn write(&self, changes: Changes) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.write_opt(changes.0, &options)?)
    }

    fn get<T: Decode>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        #[cfg(test)]
        self.lookups.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let Some(bytes) = self.db.get_pinned(key)? else { return Ok(None) };
        let value = T::decode_all(&mut &bytes[..]);
        value.map(Some).map_err(|error| StoreError::Index(format!("an entry can't be read: {error}")))
    }

    pub fn leaf(&self, at: SlotAt, leaf: u64) -> Result<Option<Leaf>, StoreError> {
        self.get(&numbered(LEAF, at, leaf))
    }

    /// Leaves in order, at most `count`; ends before the first that is not there.
    pub fn leaves(&self, at: SlotAt, first: u64, count: usize) -> Result<Vec<Leaf>, StoreError> {
        let start = numbered(LEAF, at, first);
        let mut found = Vec::with_capacity(count.min(1024));
        for entry in self.db.iterator(IteratorMode::From(&start, Direction::Forward)).take(count) {
            let (key, value) = entry?;
            let Some(number) = first.checked_add(found.len() as u64) else { break };
            if *key != numbered(LEAF, at, number) {
                break;
            }
            let leaf = Leaf::decode_all(&mut &value[..]);
            found.push(leaf.map_err(|error| StoreError::Index(format!("an entry can't be read: {error}")))?);
        }
        Ok(found)
    }

    pub fn node(&self, at: SlotAt, node: NodeAt) -> Result<Option<Node>, StoreError> {
        if node.height == 0 {
            if let Some(leaf) = self.leaf(at, node.index)? {
                return Ok(Some(Node::leaf(&leaf.id, leaf.size)));
            }
        }
        self.get(&node_key(at, node))
    }

    pub fn heads(&self) -> Result<Vec<(SlotAt, Head)>, StoreError> {
        let mut found = Vec::new();
        for entry in self.db.iterator(IteratorMode::From(&[HEAD], Direction::Forward)) {
            let (key, value) = entry?;
            let Some(at) = key.strip_prefix(&[HEAD]).and_then(slot_of) else { break };
            let head = Head::decode_all(&mut &value[..])
                .map_err(|error| StoreError::Index(format!("the head of a log can't be read: {error}")))?;
            found.push((at, head));
        }
        Ok(found)
    }

    /// Logs whose removal was begun; it may have been interrupted.
    pub fn removing(&self) -> Result<Vec<SlotAt>, StoreError> {
        let mut found = Vec::new();
        for entry in self.db.iterator(IteratorMode::From(&[REMOVING], Direction::Forward)) {
            let (key, _) = entry?;
            let Some(at) = key.strip_prefix(&[REMOVING]).and_then(slot_of) else { break };
            found.push(at);
        }
        Ok(found)
    }

    pub fn receipt(&self, at: SlotAt) -> Result<Option<(Receipt, [u8; 64])>, StoreError> {
        self.get(&slot_key(RECEIPT, at))
    }

    pub fn front(&self, at: SlotAt) -> Result<Option<Range>, StoreError> {
        self.get(&slot_key(FRONT, at))
    }

    pub fn value(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.db.get(value_key(name))?)
    }
}

/// Changes that are made together.
#[derive(Default)]
pub(crate) struct Changes(WriteBatch);

impl Changes {
    pub fn head(&mut self, at: SlotAt, head: &Head) {
        self.0.put(slot_key(HEAD, at), head.encode());
    }

    pub fn leaf(&mut self, at: SlotAt, number: u64, leaf: &Leaf) {
        self.0.put(numbered(LEAF, at, number), leaf.encode());
    }

    pub fn node(&mut self, at: SlotAt, place: NodeAt, node: &Node) {
        self.0.put(node_key(at, place), node.encode());
    }

    pub fn receipt(&mut self, receipt: &Receipt, signature: &[u8; 64]) {
        self.0.put(slot_key(RECEIPT, receipt.at), (receipt, signature).encode());
    }

    pub fn front(&mut self, at: SlotAt, front: &Range) {
        self.0.put(slot_key(FRONT, at), front.encode());
    }

    pub fn value(&mut self, name: &str, value: &[u8]) {
        self.0.put(value_key(name), value);
    }

    /// Forgets leaves, and the nodes over them, from a leaf on.
    pub fn forget_from(&mut self, at: SlotAt, leaf: u64) {
        self.0.delete_range(numbered(LEAF, at, leaf), numbered(LEAF, at, u64::MAX));
        for height in 0..64u8 {
            // The first node of this height that isn't complete without them.
            let first = NodeAt { height, index: leaf >> height };
            self.0.delete_range(node_key(at, first), node_key(at, NodeAt { height, index: u64::MAX }));
        }
    }

    /// Forgets the first `leaves` leaves and the nodes over them, except for the peaks over all of them.
    pub fn forget_before(&mut self, at: SlotAt, leaves: u64) {
        for height in 0..64u8 {
            let complete = leaves >> height;
            let end = complete - (complete & 1);
            if end == 0 {
                continue;
            }
            let (from, to) = (NodeAt { height, index: 0 }, NodeAt { height, index: end });
            self.0.delete_range(node_key(at, from), node_key(at, to));
            if height == 0 {
                self.0.delete_range(numbered(LEAF, at, 0), numbered(LEAF, at, end));
            }
        }
    }

    /// Forgets a log.
    pub fn forget(&mut self, at: SlotAt) {
        self.forget_from(at, 0);
        self.0.delete(slot_key(HEAD, at));
        self.0.delete(slot_key(RECEIPT, at));
        self.removed(at);
    }

    /// Notes that a log's bytes are about to be removed: nothing else may remove bytes that the index doesn't know.
    pub fn removing(&mut self, at: SlotAt) {
        self.0.put(slot_key(REMOVING, at), []);
    }

    /// Its bytes are removed, or it is there again.
    pub fn removed(&mut self, at: SlotAt) {
        self.0.delete(slot_key(REMOVING, at));
    }

    pub fn forget_front(&mut self, at: SlotAt) {
        self.0.delete(slot_key(FRONT, at));
    }
}

fn slot_key(kind: u8, at: SlotAt) -> Vec<u8> {
    let mut key = Vec::with_capacity(19);
    key.push(kind);
    key.extend(at.drive.to_be_bytes());
    key.push(at.slot);
    key
}

fn slot_of(bytes: &[u8]) -> Option<SlotAt> {
    let (drive, slot) = bytes.split_first_chunk()?;
    let [slot] = *slot else { return None };
    Some(SlotAt { drive: u64::from_be_bytes(*drive), slot })
}

fn numbered(kind: u8, at: SlotAt, number: u64) -> Vec<u8> {
    let mut key = slot_key(kind, at);
    key.extend(number.to_be_bytes());
    key
}

fn node_key(at: SlotAt, node: NodeAt) -> Vec<u8> {
    let mut key = slot_key(NODE, at);
    key.push(node.height);
    key.extend(node.index.to_be_bytes());
    key
}

fn value_key(name: &str) -> Vec<u8> {
    [&[VALUE], name.as_bytes()].concat()
}
