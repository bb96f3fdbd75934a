// SPDX-License-Identifier: Apache-2.0

use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use super::{
    range::{Node, NodeAt, Range, PEAKS_MAX},
    shard::{id_above, path_of},
    ShardSize, CHUNKS_PER_UNIT, CHUNK_BYTES,
};

/// Levels in the tree of the longest shard.
const LEVELS_MAX: u32 = 8;

/// That a log has certain bytes at a certain place. See the module's format.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct ChunkProof {
    size: ShardSize,
    data: [u8; CHUNK_BYTES],
    within: BoundedVec<[u8; 32], ConstU32<LEVELS_MAX>>,
    leaves: u64,
    leaf: u64,
    path: BoundedVec<Node, ConstU32<PEAKS_MAX>>,
    peaks: BoundedVec<Node, ConstU32<PEAKS_MAX>>,
}

/// Why a proof shows nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[non_exhaustive]
pub enum ProofError {
    /// The log ends before this chunk.
    ChunkOutside,
    /// The peaks are not those of the root.
    RootDiffers,
    /// The leaf is not below its peak, or not in the log.
    LeafDiffers,
    /// The leaf holds other chunks.
    ChunkElsewhere,
    /// The bytes are not those of the shard.
    DataDiffers,
}

impl ChunkProof {
    /// Proves chunk `chunk` of the log `range`, in the shard `bytes` with number `leaf`, before which the log has
    /// `units_before` units. `node` gives the log's complete nodes.
    ///
    /// `None` if the chunk is not in that shard, or a node is missing.
    pub fn new(
        range: &Range,
        chunk: u64,
        leaf: u64,
        units_before: u64,
        bytes: &[u8],
        mut node: impl FnMut(NodeAt) -> Option<Node>,
    ) -> Option<Self> {
        let size = ShardSize::from_bytes(bytes.len())?;
        let in_shard = chunk.checked_sub(units_before.checked_mul(CHUNKS_PER_UNIT)?)?;
        let within = path_of(bytes, in_shard)?.try_into().ok()?;
        let at = in_shard as usize * CHUNK_BYTES;
        let mut path = BoundedVec::new();
        for sibling in range.siblings(leaf)? {
            path.try_push(node(sibling)?).ok()?;
        }
        let peaks = range.peaks().to_vec().try_into().ok()?;
        let data = bytes[at..at + CHUNK_BYTES].try_into().ok()?;
        Some(ChunkProof { size, data, within, leaves: range.leaves(), leaf, path, peaks })
    }

    /// Checks that the log with this root and so many units has [`data`](Self::data) as its chunk `chunk`.
    ///
    /// # Errors
    /// Which part doesn't fit.
    pub fn verify(&self, root: &[u8; 32], units: u64, chunk: u64) -> Result<(), ProofError> {
        let unit = chunk / CHUNKS_PER_UNIT;
        if unit >= units {
            return Err(ProofError::ChunkOutside);
        }
        let range = Range::from_peaks(self.leaves, self.peaks.clone()).ok_or(ProofError::RootDiffers)?;
        if range.root() != *root || range.units() != units {
            return Err(ProofError::RootDiffers);
        }
        let (peak, height, first) = Range::peak_over(self.leaves, self.leaf).ok_or(ProofError::LeafDiffers)?;
        if self.path.len() != usize::from(height) {
            return Err(ProofError::LeafDiffers);
        }
        let below = self.leaf - first;
        let on_left = |level: usize| below >> level & 1 == 1;
        // First where the leaf lies, which says which of its chunks this is; the sums are believed once the root agrees.
        let peaks_before = self.peaks[..peak].iter().map(|peak| peak.units);
        let path_before = self.path.iter().enumerate().filter(|(level, _)| on_left(*level)).map(|(_, node)| node.units);
        let before = peaks_before.chain(path_before).try_fold(0u64, u64::checked_add).ok_or(ProofError::LeafDiffers)?;
        let units_in = unit.checked_sub(before).filter(|unit| *unit < self.size.units());
        let units_in = units_in.ok_or(ProofError::ChunkElsewhere)?;
        let in_shard = units_in * CHUNKS_PER_UNIT + chunk % CHUNKS_PER_UNIT;

        let id = id_above(&self.data, in_shard, self.size, &self.within).ok_or(ProofError::DataDiffers)?;
        let mut node = Node::leaf(&id, self.size);
        for (level, sibling) in self.path.iter().enumerate() {
            let (left, right) = if on_left(level) { (sibling, &node) } else { (&node, sibling) };
            node = Node::above(left, right).ok_or(ProofError::LeafDiffers)?;
        }
        match self.peaks.get(peak) {
            Some(committed) if *committed == node => Ok(()),
            Some(_) => Err(ProofError::DataDiffers),
            None => Err(ProofError::LeafDiffers),
        }
    }

    /// Units of the shard.
    pub fn size(&self) -> ShardSize {
        self.size
    }

    /// Chaining values from the chunk up to the shard's id.
    pub fn within(&self) -> &[[u8; 32]] {
        &self.within
    }

    /// Shards in the log.
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The shard that holds the chunk.
    pub fn leaf(&self) -> u64 {
        self.leaf
    }

    /// Siblings from the leaf up to its peak.
    pub fn path(&self) -> &[Node] {
        &self.path
    }

    /// All peaks of the log.
    pub fn peaks(&self) -> &[Node] {
        &self.peaks
    }

    /// The bytes of the chunk.
    pub fn data(&self) -> &[u8; CHUNK_BYTES] {
        &self.data
    }
}
