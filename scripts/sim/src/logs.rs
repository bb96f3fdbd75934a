// SPDX-License-Identifier: Apache-2.0

//! Logs without bytes: all shards of all logs are the same 4 KiB, so that the tree over any number of them needs one node a
//! height, and the real proof of any chunk is made in microseconds.
//!
//! Every proof is as long as one of a log of that many different shards, and the chain's verifier accepts it.

use std::sync::OnceLock;

use cairn_primitives::storage::{shard_id, ChunkProof, Node, Range, ShardSize, CHUNKS_PER_UNIT};

/// Heights of trees that are needed: 2^40 shards are the most that a vault can offer.
const HEIGHTS: usize = 41;

struct Shards {
    bytes: Vec<u8>,
    nodes: Vec<Node>,
}

fn shards() -> &'static Shards {
    static SHARDS: OnceLock<Shards> = OnceLock::new();
    SHARDS.get_or_init(|| {
        let bytes = vec![0x5a; ShardSize::K4.bytes()];
        let mut nodes = vec![Node::leaf(&shard_id(&bytes), ShardSize::K4)];
        while nodes.len() < HEIGHTS {
            let below = nodes[nodes.len() - 1];
            nodes.push(Node::above(&below, &below).expect("2^40 shards have fewer than 2^64 units"));
        }
        Shards { bytes, nodes }
    })
}

fn range(units: u64) -> Range {
    let heights = (0..HEIGHTS).rev().filter(|height| units >> height & 1 == 1);
    let peaks: Vec<Node> = heights.map(|height| shards().nodes[height]).collect();
    let peaks = peaks.try_into().expect("there are 41 peaks at most");
    Range::from_peaks(units, peaks).expect("there is a peak for each bit of the number of leaves")
}

/// The root of a log of so many units.
pub fn root(units: u64) -> [u8; 32] {
    range(units).root()
}

/// The proof of a chunk of a log of so many units.
pub fn prove(units: u64, chunk: u64) -> ChunkProof {
    let leaf = chunk / CHUNKS_PER_UNIT;
    let node = |at: cairn_primitives::storage::NodeAt| shards().nodes.get(usize::from(at.height)).copied();
    ChunkProof::new(&range(units), chunk, leaf, leaf, &shards().bytes, node)
        .expect("the chunk is in the log, and all nodes are known")
}

/// Bytes of an encoded proof of a log of so many units, at most.
pub fn proof_bytes(units: u64) -> u64 {
    let (peaks, height) = (u64::from(units.count_ones()), u64::from(units.checked_ilog2().unwrap_or(0)));
    let within = ShardSize::K4.levels() as u64 * 32;
    1 + 1024 + 1 + within + 16 + 2 + 40 * (peaks + height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::Encode;

    #[test]
    fn the_chains_verifier_accepts_each_proof_and_its_length_is_known() {
        for units in [1u64, 2, 3, 7, 64, 1_000, 123_457, 1 << 30] {
            let root = root(units);
            for chunk in [0, 1, units * CHUNKS_PER_UNIT / 3, units * CHUNKS_PER_UNIT - 1] {
                let proof = prove(units, chunk);
                assert_eq!(proof.verify(&root, units, chunk), Ok(()), "{units} {chunk}");
                assert!(proof.verify(&root, units + 1, chunk).is_err());
                assert!(proof.encoded_size() as u64 <= proof_bytes(units));
            }
            let longest = prove(units, 0).encoded_size() as u64;
            assert_eq!(longest, proof_bytes(units));
        }
    }

    #[test]
    fn the_root_is_that_of_a_range_that_was_appended_to() {
        let mut appended = Range::default();
        for units in 1..40u64 {
            assert!(appended.append(shards().nodes[0], |_, _| {}));
            assert_eq!(root(units), appended.root());
        }
    }
}
