// SPDX-License-Identifier: Apache-2.0

use alloc::vec::Vec;

use blake3::{
    hazmat::{merge_subtrees_non_root, merge_subtrees_root, ChainingValue, HasherExt, Mode},
    Hasher,
};
use codec::{Decode, DecodeWithMemTracking, Encode, Input, MaxEncodedLen};
use scale_info::TypeInfo;

/// Bytes of a unit: what capacity, liability and pay are counted in.
pub const UNIT_BYTES: usize = 4096;
/// Bytes of a chunk, the leaf of BLAKE3's tree: what one proof shows.
pub const CHUNK_BYTES: usize = 1024;
/// Chunks in a unit.
pub const CHUNKS_PER_UNIT: u64 = (UNIT_BYTES / CHUNK_BYTES) as u64;

/// BLAKE3 hash of a shard's bytes.
pub type ShardId = [u8; 32];

/// How long a shard may be.
///
/// # Correctness
/// All lengths are powers of two chunks, so that BLAKE3's tree over a shard is perfect and each chunk equally deep.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, TypeInfo, MaxEncodedLen)]
#[repr(u8)]
pub enum ShardSize {
    /// 4 KiB.
    K4 = 1,
    /// 16 KiB.
    K16 = 4,
    /// 64 KiB.
    K64 = 16,
    /// 256 KiB.
    K256 = 64,
}

impl ShardSize {
    /// All of them, from the shortest.
    pub const ALL: [ShardSize; 4] = [ShardSize::K4, ShardSize::K16, ShardSize::K64, ShardSize::K256];

    /// The size of so many units.
    pub fn from_units(units: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.units() == units)
    }

    /// The size of so many bytes.
    pub fn from_bytes(bytes: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.bytes() == bytes)
    }

    /// In units of 4,096 bytes.
    pub const fn units(self) -> u64 {
        self as u64
    }

    /// In bytes.
    pub const fn bytes(self) -> usize {
        self as usize * UNIT_BYTES
    }

    /// In chunks of 1,024 bytes.
    pub const fn chunks(self) -> u64 {
        self.units() * CHUNKS_PER_UNIT
    }

    /// Levels of BLAKE3's tree above the chunks: 2, 4, 6 or 8.
    pub const fn levels(self) -> usize {
        self.chunks().trailing_zeros() as usize
    }
}

impl Encode for ShardSize {
    fn size_hint(&self) -> usize {
        1
    }

    fn encode_to<T: codec::Output + ?Sized>(&self, to: &mut T) {
        (*self as u8).encode_to(to);
    }
}

impl codec::EncodeLike for ShardSize {}

impl Decode for ShardSize {
    fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
        Self::from_units(u8::decode(input)?.into()).ok_or_else(|| "a shard has 1, 4, 16 or 64 units".into())
    }
}

impl DecodeWithMemTracking for ShardSize {}

/// How a drive's stripes are coded: `k` data shards and three times as many of parity, four full copies' worth in all.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen, Default,
)]
pub enum Coding {
    /// Four whole copies; any three may be lost.
    #[default]
    K1,
    /// 2 of 8.
    K2,
    /// 4 of 16.
    K4,
    /// 8 of 32.
    K8,
}

impl Coding {
    /// Shards that are enough to read a stripe.
    pub const fn data(self) -> u8 {
        1 << self as u8
    }

    /// Shards of a stripe, and slots of a drive: `4 * k`.
    pub const fn slots(self) -> u8 {
        4 * self.data()
    }

    /// Slots whose vaults must have signed a checkpoint: three quarters, rounded up.
    pub const fn signatures_min(self) -> u8 {
        3 * self.data()
    }
}

/// The id of a shard. Any length is hashed; only those of [`ShardSize`] can be part of a log.
pub fn shard_id(bytes: &[u8]) -> ShardId {
    *blake3::hash(bytes).as_bytes()
}

fn subtree(bytes: &[u8], first_chunk: u64) -> ChainingValue {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(first_chunk * CHUNK_BYTES as u64);
    hasher.update(bytes).finalize_non_root()
}

/// The chaining values beside the way from a chunk up to the shard's id. `None` if `bytes` are no shard or lack the chunk.
pub(super) fn path_of(bytes: &[u8], chunk: u64) -> Option<Vec<ChainingValue>> {
    let size = ShardSize::from_bytes(bytes.len()).filter(|size| chunk < size.chunks())?;
    let sibling = |level: usize| {
        let first = ((chunk >> level) ^ 1) << level;
        let at = first as usize * CHUNK_BYTES;
        subtree(&bytes[at..at + (CHUNK_BYTES << level)], first)
    };
    Some((0..size.levels()).map(sibling).collect())
}

/// The id of the shard of this size that has `data` as the chunk with this number, if the path is right.
pub(super) fn id_above(
    data: &[u8; CHUNK_BYTES],
    chunk: u64,
    size: ShardSize,
    path: &[ChainingValue],
) -> Option<ShardId> {
    let (top, below) = path.split_last()?;
    if path.len() != size.levels() || chunk >= size.chunks() {
        return None;
    }
    let in_order = |level: usize, own: ChainingValue, sibling: &ChainingValue| match chunk >> level & 1 {
        0 => (own, *sibling),
        _ => (*sibling, own),
    };
    let mut value = subtree(data, chunk);
    for (level, sibling) in below.iter().enumerate() {
        let (left, right) = in_order(level, value, sibling);
        value = merge_subtrees_non_root(&left, &right, Mode::Hash);
    }
    let (left, right) = in_order(below.len(), value, top);
    Some(*merge_subtrees_root(&left, &right, Mode::Hash).as_bytes())
}
