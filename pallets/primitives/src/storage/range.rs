// SPDX-License-Identifier: Apache-2.0

use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, Input, MaxEncodedLen};
use scale_info::TypeInfo;

use super::{ShardId, ShardSize};

/// More shards than this a log can't have: at 4 KiB each they would be four exbibytes.
pub const LEAVES_MAX: u64 = 1 << 50;
/// Peaks of the largest log, and the length of its longest path.
pub const PEAKS_MAX: u32 = 50;

const LEAF: u8 = 0;
const INNER: u8 = 1;
const ROOT: u8 = 2;

/// A node of a range: its hash and the units below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Node {
    /// See the module's format.
    pub hash: [u8; 32],
    /// Units of all leaves below.
    pub units: u64,
}

impl Node {
    /// The leaf of a shard.
    pub fn leaf(id: &ShardId, size: ShardSize) -> Self {
        let units = size.units();
        let mut bytes = [LEAF; 1 + 32 + 8];
        bytes[1..33].copy_from_slice(id);
        bytes[33..].copy_from_slice(&units.to_le_bytes());
        Node { hash: *blake3::hash(&bytes).as_bytes(), units }
    }

    /// The node above two; `None` if their units exceed 64 bits.
    pub fn above(left: &Node, right: &Node) -> Option<Self> {
        let mut bytes = [INNER; 1 + 2 * 40];
        left.write((&mut bytes[1..41]).try_into().ok()?);
        right.write((&mut bytes[41..]).try_into().ok()?);
        Some(Node { hash: *blake3::hash(&bytes).as_bytes(), units: left.units.checked_add(right.units)? })
    }

    fn write(&self, to: &mut [u8; 40]) {
        to[..32].copy_from_slice(&self.hash);
        to[32..].copy_from_slice(&self.units.to_le_bytes());
    }
}

/// Which complete node of a range: the one over the leaves `index << height .. (index + 1) << height`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub struct NodeAt {
    /// 0 for leaves.
    pub height: u8,
    /// From the left, among those of this height.
    pub index: u64,
}

/// The peaks of a log: all that is needed to append to it and to know its root.
///
/// # Correctness
/// There is one peak for each bit of `leaves`, each with units below it, and their sum fits into 64 bits; decoding checks it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, TypeInfo, MaxEncodedLen)]
pub struct Range {
    leaves: u64,
    peaks: BoundedVec<Node, ConstU32<PEAKS_MAX>>,
}

impl Decode for Range {
    fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
        let (leaves, peaks) = Decode::decode(input)?;
        Self::from_peaks(leaves, peaks).ok_or_else(|| "these are not the peaks of a range".into())
    }
}

impl DecodeWithMemTracking for Range {}

impl Range {
    /// A range of these peaks, the tallest first, if there can be one.
    pub fn from_peaks(leaves: u64, peaks: BoundedVec<Node, ConstU32<PEAKS_MAX>>) -> Option<Self> {
        let complete = leaves < LEAVES_MAX && peaks.len() == leaves.count_ones() as usize;
        let units = peaks.iter().try_fold(0u64, |sum, peak| sum.checked_add(peak.units));
        let sound = complete && units.is_some() && peaks.iter().all(|peak| peak.units > 0);
        sound.then_some(Range { leaves, peaks })
    }

    /// Shards in the log.
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The peaks, the tallest first.
    pub fn peaks(&self) -> &[Node] {
        &self.peaks
    }

    /// Units in the log.
    pub fn units(&self) -> u64 {
        self.peaks.iter().map(|peak| peak.units).sum()
    }

    /// What the chain keeps of the log, beside the units.
    pub fn root(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[ROOT]).update(&self.leaves.to_le_bytes()).update(&self.units().to_le_bytes());
        for peak in &self.peaks {
            hasher.update(&peak.hash).update(&peak.units.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// Appends a leaf, and tells of every node that is complete with it, the leaf first. `false` (and nothing is changed) if
    /// the log is full.
    pub fn append(&mut self, leaf: Node, mut made: impl FnMut(NodeAt, Node)) -> bool {
        let fits = self.leaves + 1 < LEAVES_MAX && self.units().checked_add(leaf.units).is_some();
        if !fits || leaf.units == 0 {
            return false;
        }
        let (mut node, mut height) = (leaf, 0u8);
        made(NodeAt { height, index: self.leaves }, node);
        while self.leaves >> height & 1 == 1 {
            let (Some(left), above) = (self.peaks.pop(), height + 1) else { break };
            let Some(parent) = Node::above(&left, &node) else { break };
            (node, height) = (parent, above);
            made(NodeAt { height, index: self.leaves >> height }, node);
        }
        self.leaves += 1;
        self.peaks.try_push(node).is_ok()
    }

    /// The peak over a leaf: its place among the peaks, its height, and the first leaf below it.
    pub(super) fn peak_over(leaves: u64, leaf: u64) -> Option<(usize, u8, u64)> {
        if leaf >= leaves {
            return None;
        }
        // The highest bit in which the two differ is the peak's: above it the leaf has all of the log's bits.
        let height = 63 - (leaves ^ leaf).leading_zeros() as u8;
        let first = leaves >> height >> 1 << height << 1;
        Some(((leaves >> height >> 1).count_ones() as usize, height, first))
    }

    /// The nodes beside the way from a leaf up to its peak, from below. `None` if the log lacks the leaf.
    pub fn siblings(&self, leaf: u64) -> Option<impl Iterator<Item = NodeAt>> {
        let (_, height, _) = Self::peak_over(self.leaves, leaf)?;
        Some((0..height).map(move |height| NodeAt { height, index: leaf >> height ^ 1 }))
    }
}
