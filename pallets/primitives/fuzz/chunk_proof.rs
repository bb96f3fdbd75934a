// SPDX-License-Identifier: Apache-2.0

//! Whatever decodes as a proof is refused for a log that it wasn't made for, and changing a good one is noticed.

#![no_main]

use std::sync::OnceLock;

use cairn_primitives::storage::{shard_id, ChunkProof, Node, NodeAt, Range, ShardSize, CHUNKS_PER_UNIT, UNIT_BYTES};
use codec::{Decode, Encode};
use libfuzzer_sys::fuzz_target;

const SHARDS: u64 = 13;

struct Log {
    range: Range,
    /// A proof of each unit's first chunk, encoded.
    proofs: Vec<Vec<u8>>,
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let shard = |number: u64| vec![number as u8; UNIT_BYTES];
        let (mut range, mut nodes) = (Range::default(), std::collections::HashMap::<NodeAt, Node>::new());
        for number in 0..SHARDS {
            let leaf = Node::leaf(&shard_id(&shard(number)), ShardSize::K4);
            assert!(range.append(leaf, |at, node| {
                nodes.insert(at, node);
            }));
        }
        let prove = |number| {
            let node = |at: NodeAt| nodes.get(&at).copied();
            let proof = ChunkProof::new(&range, number * CHUNKS_PER_UNIT, number, number, &shard(number), node);
            proof.expect("the chunk is there").encode()
        };
        Log { proofs: (0..SHARDS).map(prove).collect(), range }
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let Log { range, proofs } = log();
    let (root, units) = (range.root(), range.units());
    let chunk = u64::from(*choice) % SHARDS * CHUNKS_PER_UNIT;
    if let Ok(proof) = ChunkProof::decode(&mut &bytes[..]) {
        if proof.verify(&root, units, chunk).is_ok() {
            assert_eq!(proof.encode(), proofs[(chunk / CHUNKS_PER_UNIT) as usize]);
        }
    }
    // The same bytes as changes: place and mask, in threes.
    let mut changed = proofs[(chunk / CHUNKS_PER_UNIT) as usize].clone();
    for change in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % changed.len();
        changed[at] ^= change[2];
    }
    if let Ok(proof) = ChunkProof::decode(&mut &changed[..]) {
        let same = proof.encode() == proofs[(chunk / CHUNKS_PER_UNIT) as usize];
        assert_eq!(proof.verify(&root, units, chunk).is_ok(), same);
    }
});
