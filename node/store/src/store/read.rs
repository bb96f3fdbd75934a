// SPDX-License-Identifier: Apache-2.0

//! Reading and proving.

use std::io::ErrorKind;

use bounded_collections::BoundedVec;
use bytes::Bytes;
use cairn_buffers::Buffer;
use cairn_primitives::storage::{
    shard_id, ChunkProof, Node, NodeAt, Range, ShardId, ShardSize, SlotAt, CHUNKS_PER_UNIT,
};

use super::{places, Store};
use crate::{index::Index, BulkLog, Leaf, StoreError};

/// Leaves that are looked up at a time.
const LEAVES_AT_ONCE: usize = 1024;

/// Shards, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shards {
    /// Their sizes.
    pub sizes: Vec<ShardSize>,
    /// Their bytes.
    pub bytes: Bytes,
}

/// What a look through a part of a log showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Where to go on; the log's number of shards once all of it was seen.
    pub next_leaf: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Shards whose bytes are not theirs any more.
    pub damaged: Vec<u64>,
}

impl Store {
    /// Reads shards from `first_leaf` on: at most `count`, and at most `bytes_max` bytes, but at least one.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the first isn't there, [`StoreError::Rot`] if it is damaged. Ends before a later one that is
    /// damaged.
    pub fn read(&self, at: SlotAt, first_leaf: u64, count: u32, bytes_max: usize) -> Result<Shards, StoreError> {
        let leaves = self.leaves(at, first_leaf, count)?;
        let log = self.log_of(&self.slot(at)?)?;
        let mut bytes = 0usize;
        let fitting = leaves.iter().enumerate().take_while(|(number, leaf)| {
            bytes += leaf.size.bytes();
            *number == 0 || bytes <= bytes_max
        });
        let leaves: Vec<_> = fitting.map(|(_, leaf)| *leaf).collect();
        let mut sizes = Vec::with_capacity(leaves.len());
        let mut buffer = Buffer::new(leaves.iter().map(|leaf| leaf.size.bytes()).sum());
        let first = leaves.first().ok_or(StoreError::Missing)?;
        let whole = read_at(&*log, &mut buffer, first.offset())?;
        let mut good = 0;
        for (number, leaf) in leaves.iter().enumerate() {
            let shard = &buffer[good..good + leaf.size.bytes()];
            if !whole || shard_id(shard) != leaf.id {
                if number == 0 {
                    return Err(self.damaged_or_gone(at, first_leaf, leaf));
                }
                break;
            }
            good += leaf.size.bytes();
            sizes.push(leaf.size);
        }
        buffer.truncate(good);
        Ok(Shards { sizes, bytes: buffer.freeze() })
    }

    /// Ids and places of shards from `first_leaf` on: at most `count`, at least one.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the first isn't there.
    pub fn leaves(&self, at: SlotAt, first_leaf: u64, count: u32) -> Result<Vec<Leaf>, StoreError> {
        let head = self.head(at).ok_or(StoreError::UnknownSlot(at))?;
        if first_leaf < head.trimmed_leaves || first_leaf >= head.range.leaves() {
            return Err(StoreError::Missing);
        }
        let there = head.range.leaves() - first_leaf;
        let count = there.min(count.into()).min(LEAVES_AT_ONCE as u64);
        let leaves = self.index.leaves(at, first_leaf, count as usize)?;
        if leaves.is_empty() && count > 0 {
            return Err(StoreError::Missing);
        }
        Ok(leaves)
    }

    /// The beginning of a log that has so many units.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the log is shorter, or that part was given up; [`StoreError::NotAnEnd`] if no shard ends there.
    pub fn prefix(&self, at: SlotAt, units: u64) -> Result<Range, StoreError> {
        let head = self.head(at).ok_or(StoreError::UnknownSlot(at))?;
        if units == head.range.units() {
            return Ok(head.range);
        }
        if units > head.range.units() || units < head.trimmed_units {
            return Err(StoreError::Missing);
        }
        let (leaves, before) = locate(&self.index, at, &head.range, units)?;
        if before != units {
            return Err(StoreError::NotAnEnd);
        }
        range_of(&self.index, at, leaves)
    }

    /// The beginning of a log that has so many shards.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the log is shorter, or that part was given up.
    pub fn prefix_of_leaves(&self, at: SlotAt, leaves: u64) -> Result<Range, StoreError> {
        let head = self.head(at).ok_or(StoreError::UnknownSlot(at))?;
        match leaves {
            _ if leaves == head.range.leaves() => Ok(head.range),
            _ if leaves > head.range.leaves() || leaves < head.trimmed_leaves => Err(StoreError::Missing),
            _ => range_of(&self.index, at, leaves),
        }
    }

    /// Proves a chunk of the log's first `units` units. The proof isn't checked here.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the chunk isn't there, or was given up; [`StoreError::Rot`] if its shard is damaged;
    /// [`StoreError::NotAnEnd`] as [`Self::prefix`].
    pub fn prove(&self, at: SlotAt, units: u64, chunk: u64) -> Result<ChunkProof, StoreError> {
        let range = self.prefix(at, units)?;
        let unit = chunk / CHUNKS_PER_UNIT;
        let trimmed = self.head(at).ok_or(StoreError::UnknownSlot(at))?.trimmed_units;
        if unit >= units || unit < trimmed {
            return Err(StoreError::Missing);
        }
        let (leaf, before) = locate(&self.index, at, &range, unit)?;
        let shard = self.read(at, leaf, 1, 0)?;
        let mut failure = None;
        let node = |place: NodeAt| match self.index.node(at, place) {
            Ok(node) => node,
            Err(error) => {
                failure = Some(error);
                None
            },
        };
        let proof = ChunkProof::new(&range, chunk, leaf, before, &shard.bytes, node);
        proof.ok_or_else(|| failure.unwrap_or(StoreError::Missing))
    }

    /// The peaks of all whole shards in the first `units` units of a log: of this store's own, or of another vault's as it was
    /// told.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it isn't known.
    pub fn front(&self, at: SlotAt, units: u64) -> Result<Range, StoreError> {
        let Some(head) = self.head(at) else {
            return self.index.front(at)?.filter(|front| front.units() <= units).ok_or(StoreError::Missing);
        };
        match units >= head.range.units() {
            true => Ok(head.range),
            false => self.prefix_of_leaves(at, locate(&self.index, at, &head.range, units)?.0),
        }
    }

    /// Reads shards from `first_leaf` on, about `bytes_max` bytes of them, and says which are damaged.
    ///
    /// # Errors
    /// [`StoreError::UnknownSlot`], and those of the disk.
    pub fn scrub(&self, at: SlotAt, first_leaf: u64, bytes_max: u64) -> Result<Scrubbed, StoreError> {
        let head = self.head(at).ok_or(StoreError::UnknownSlot(at))?;
        let first_leaf = first_leaf.max(head.trimmed_leaves);
        let mut scrubbed = Scrubbed { next_leaf: first_leaf, ..Scrubbed::default() };
        if first_leaf >= head.range.leaves() {
            return Ok(scrubbed);
        }
        let log = self.log_of(&self.slot(at)?)?;
        let mut buffer = vec![0; ShardSize::K256.bytes()];
        for leaf in self.leaves(at, first_leaf, LEAVES_AT_ONCE as u32)? {
            let shard = &mut buffer[..leaf.size.bytes()];
            if !read_at(&*log, shard, leaf.offset())? || shard_id(shard) != leaf.id {
                match self.damaged_or_gone(at, scrubbed.next_leaf, &leaf) {
                    StoreError::Rot { leaf } => scrubbed.damaged.push(leaf),
                    StoreError::Missing => {},
                    error => return Err(error),
                }
            }
            scrubbed.next_leaf += 1;
            scrubbed.bytes += leaf.size.bytes() as u64;
            if scrubbed.bytes >= bytes_max {
                break;
            }
        }
        Ok(scrubbed)
    }

    /// Entries of the index that were looked up so far.
    #[cfg(test)]
    pub(crate) fn lookups(&self) -> u64 {
        self.index.lookups.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Why the bytes of a shard are not the shard: it is damaged, unless it was cut or given up while it was read.
    fn damaged_or_gone(&self, at: SlotAt, number: u64, read: &Leaf) -> StoreError {
        let there = match self.head(at) {
            Some(head) => head.trimmed_leaves <= number && number < head.range.leaves(),
            None => false,
        };
        match self.index.leaf(at, number) {
            Err(error) => error,
            Ok(Some(leaf)) if there && leaf == *read => StoreError::Rot { leaf: number },
            Ok(_) => StoreError::Missing,
        }
    }
}

/// Reads; `false` if the log's file ends before that, or the disk can't read it: a damaged place is no reason to stop.
fn read_at(log: &dyn BulkLog, to: &mut [u8], offset: u64) -> Result<bool, StoreError> {
    match log.read(to, offset) {
        Ok(()) => Ok(true),
        // EIO is what a disk says of a sector that it can't read.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof || error.raw_os_error() == Some(EIO) => Ok(false),
        Err(error) => Err(StoreError::io("shards")(error)),
    }
}

const EIO: i32 = nix::errno::Errno::EIO as i32;

/// The shard of a log that has this unit, and the units before it. Goes down from a peak: one or two nodes a level.
pub(super) fn locate(index: &Index, at: SlotAt, range: &Range, unit: u64) -> Result<(u64, u64), StoreError> {
    let mut before = 0;
    for (place, peak) in places(range.leaves()).zip(range.peaks()) {
        if unit >= before + peak.units {
            before += peak.units;
            continue;
        }
        let NodeAt { mut height, index: mut number } = place;
        while height > 0 {
            height -= 1;
            number *= 2;
            let left = node(index, at, NodeAt { height, index: number })?;
            if unit >= before + left.units {
                before += left.units;
                number += 1;
            }
        }
        return Ok((number, before));
    }
    Err(StoreError::Missing)
}

/// The log's first `leaves` shards.
pub(super) fn range_of(index: &Index, at: SlotAt, leaves: u64) -> Result<Range, StoreError> {
    let peaks = places(leaves).map(|place| node(index, at, place)).collect::<Result<Vec<_>, _>>()?;
    let peaks = BoundedVec::try_from(peaks).map_err(|_| StoreError::Missing)?;
    Range::from_peaks(leaves, peaks).ok_or_else(|| StoreError::Index("its nodes don't fit each other".into()))
}

fn node(index: &Index, at: SlotAt, place: NodeAt) -> Result<Node, StoreError> {
    index.node(at, place)?.ok_or(StoreError::Missing)
}

/// Ids of shards, as they are told to others.
impl From<Leaf> for (ShardId, ShardSize) {
    fn from(leaf: Leaf) -> Self {
        (leaf.id, leaf.size)
    }
}
