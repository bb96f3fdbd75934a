// SPDX-License-Identifier: Apache-2.0

use std::collections::HashMap;

use bounded_collections::BoundedVec;
use codec::{Decode, Encode, MaxEncodedLen};
use proptest::prelude::*;

use super::*;

/// A log with all that a vault keeps of it.
#[derive(Clone, Default)]
struct Log {
    range: Range,
    nodes: HashMap<NodeAt, Node>,
    shards: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.shards.iter().map(|shard| (shard.len(), hex::encode(shard_id(shard))))).finish()
    }
}

impl Log {
    fn of(shards: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut log = Log::default();
        for shard in shards {
            log.push(shard);
        }
        log
    }

    fn push(&mut self, shard: Vec<u8>) {
        let size = ShardSize::from_bytes(shard.len()).expect("a shard's length");
        let Log { range, nodes, shards } = self;
        assert!(range.append(Node::leaf(&shard_id(&shard), size), |at, node| assert_eq!(nodes.insert(at, node), None)));
        shards.push(shard);
    }

    fn prove(&self, chunk: u64) -> ChunkProof {
        let mut before = 0;
        for (leaf, shard) in self.shards.iter().enumerate() {
            let units = ShardSize::from_bytes(shard.len()).expect("a shard's length").units();
            if chunk / CHUNKS_PER_UNIT < before + units {
                let node = |at: NodeAt| self.nodes.get(&at).copied();
                return ChunkProof::new(&self.range, chunk, leaf as u64, before, shard, node)
                    .expect("the chunk is there");
            }
            before += units;
        }
        panic!("the log ends before chunk {chunk}");
    }

    fn verify(&self, proof: &ChunkProof, chunk: u64) -> Result<(), ProofError> {
        proof.verify(&self.range.root(), self.range.units(), chunk)
    }

    fn bytes(&self) -> Vec<u8> {
        self.shards.concat()
    }
}

/// Bytes that differ in every chunk, and between seeds.
fn filled(size: ShardSize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; size.bytes()];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn size() -> impl Strategy<Value = ShardSize> {
    prop_oneof![5 => Just(ShardSize::K4), 3 => Just(ShardSize::K16), 1 => Just(ShardSize::K64), 1 => Just(ShardSize::K256)]
}

fn log() -> impl Strategy<Value = Log> {
    prop::collection::vec((size(), any::<u64>()), 1..24)
        .prop_map(|shards| Log::of(shards.into_iter().map(|(size, seed)| filled(size, seed))))
}

/// A root from the definition, by recursion over all leaves.
fn root_by_definition(leaves: &[Node]) -> [u8; 32] {
    fn tree(leaves: &[Node]) -> Node {
        match leaves {
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len() / 2);
                Node::above(&tree(left), &tree(right)).expect("few units")
            },
        }
    }
    let mut peaks = Vec::new();
    let mut rest = leaves;
    while !rest.is_empty() {
        let (first, others) = rest.split_at(1 << rest.len().ilog2());
        peaks.push(tree(first));
        rest = others;
    }
    let units: u64 = peaks.iter().map(|peak| peak.units).sum();
    let mut bytes = vec![2];
    bytes.extend((leaves.len() as u64).to_le_bytes());
    bytes.extend(units.to_le_bytes());
    for peak in peaks {
        bytes.extend(peak.hash);
        bytes.extend(peak.units.to_le_bytes());
    }
    shard_id(&bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_chunk_of_a_log_is_proven_and_shows_its_bytes(log in log(), at in any::<prop::sample::Index>()) {
        let chunk = at.index(log.range.units() as usize * CHUNKS_PER_UNIT as usize) as u64;
        let proof = log.prove(chunk);
        prop_assert_eq!(log.verify(&proof, chunk), Ok(()));
        let from = chunk as usize * CHUNK_BYTES;
        prop_assert_eq!(&proof.data()[..], &log.bytes()[from..from + CHUNK_BYTES]);
        prop_assert_eq!(&ChunkProof::decode(&mut &proof.encode()[..]).expect("what was encoded"), &proof);
    }

    #[test]
    fn a_proof_serves_for_no_other_chunk_root_or_length(log in log(), at in any::<prop::sample::Index>(), other in any::<u64>()) {
        let chunks = log.range.units() * CHUNKS_PER_UNIT;
        let chunk = at.index(chunks as usize) as u64;
        let proof = log.prove(chunk);
        for wrong in [other % chunks, chunk ^ 1, chunk.wrapping_add(CHUNKS_PER_UNIT), chunk.wrapping_sub(1), other, chunks] {
            prop_assert_eq!(log.verify(&proof, wrong).is_ok(), wrong == chunk);
        }
        let (root, units) = (log.range.root(), log.range.units());
        for wrong in [units + 1, units - 1, 0, u64::MAX] {
            prop_assert!(proof.verify(&root, wrong, chunk).is_err());
        }
        let mut longer = log.clone();
        longer.push(filled(ShardSize::K4, other));
        prop_assert!(longer.verify(&proof, chunk).is_err());
    }

    #[test]
    fn no_changed_byte_of_a_proof_is_accepted(log in log(), at in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let chunk = at.index(log.range.units() as usize * CHUNKS_PER_UNIT as usize) as u64;
        let mut bytes = log.prove(chunk).encode();
        let byte = byte.index(bytes.len());
        bytes[byte] ^= flip;
        if let Ok(changed) = ChunkProof::decode(&mut &bytes[..]) {
            prop_assert!(log.verify(&changed, chunk).is_err(), "byte {}", byte);
        }
    }

    #[test]
    fn roots_are_those_of_the_definition(shards in prop::collection::vec((size(), any::<u64>()), 0..80)) {
        let mut range = Range::default();
        let mut leaves = Vec::new();
        for (size, seed) in shards {
            let leaf = Node::leaf(&shard_id(&seed.to_le_bytes()), size);
            leaves.push(leaf);
            prop_assert!(range.append(leaf, |_, _| ()));
            prop_assert_eq!(range.root(), root_by_definition(&leaves));
            prop_assert_eq!(range.leaves(), leaves.len() as u64);
            prop_assert_eq!(range.units(), leaves.iter().map(|leaf| leaf.units).sum::<u64>());
            prop_assert_eq!(Range::decode(&mut &range.encode()[..]).expect("what was encoded"), range.clone());
        }
    }

    #[test]
    fn any_bytes_decode_to_something_that_verifies_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..4000), chunk in any::<u64>()) {
        if let Ok(proof) = ChunkProof::decode(&mut &bytes[..]) {
            let _ = proof.verify(&[0; 32], chunk, chunk);
            let _ = proof.verify(&[0; 32], u64::MAX, chunk);
        }
        if let Ok(mut range) = Range::decode(&mut &bytes[..]) {
            let _ = (range.root(), range.append(Node { hash: [1; 32], units: u64::MAX }, |_, _| ()));
        }
    }
}

#[test]
fn sizes_are_their_units() {
    for size in ShardSize::ALL {
        assert_eq!(ShardSize::from_units(size.units()), Some(size));
        assert_eq!(ShardSize::from_bytes(size.bytes()), Some(size));
        assert_eq!(1 << size.levels(), size.chunks());
        assert_eq!(ShardSize::decode(&mut &[size.units() as u8][..]), Ok(size));
    }
    for units in [0u8, 2, 3, 5, 63, 65, 255] {
        assert!(ShardSize::decode(&mut &[units][..]).is_err());
    }
    assert_eq!(ShardSize::from_units(1 << 40 | 1), None);
    for (coding, k) in [(Coding::K1, 1), (Coding::K2, 2), (Coding::K4, 4), (Coding::K8, 8)] {
        assert_eq!((coding.data(), coding.slots(), coding.signatures_min()), (k, 4 * k, 3 * k));
    }
}

#[test]
fn all_chunks_of_all_small_logs_verify() {
    for count in 1..=9u64 {
        let log = Log::of((0..count).map(|seed| filled(ShardSize::ALL[(seed % 2) as usize], seed)));
        for chunk in 0..log.range.units() * CHUNKS_PER_UNIT {
            assert_eq!(log.verify(&log.prove(chunk), chunk), Ok(()), "chunk {chunk} of {count} shards");
        }
    }
}

/// A proof in parts, to be put together wrongly.
type Parts = (ShardSize, [u8; CHUNK_BYTES], Vec<[u8; 32]>, u64, u64, Vec<Node>, Vec<Node>);

fn parts(proof: &ChunkProof) -> Parts {
    Decode::decode(&mut &proof.encode()[..]).expect("a proof is its parts")
}

fn whole(parts: &Parts) -> ChunkProof {
    Decode::decode(&mut &parts.encode()[..]).expect("parts are a proof")
}

#[test]
fn forged_shapes_are_refused_with_the_reason() {
    let log = Log::of((0..7).map(|seed| filled(ShardSize::K4, seed)));
    let good = parts(&log.prove(9));
    let refused = |change: fn(&mut Parts)| {
        let mut forged = good.clone();
        change(&mut forged);
        log.verify(&whole(&forged), 9).expect_err("it is forged")
    };
    assert_eq!(log.verify(&whole(&good), 9), Ok(()));
    assert_eq!(refused(|parts| parts.1[5] ^= 1), ProofError::DataDiffers);
    assert_eq!(refused(|parts| parts.2[1][0] ^= 1), ProofError::DataDiffers);
    assert_eq!(refused(|parts| parts.2.push([0; 32])), ProofError::DataDiffers);
    assert_eq!(
        refused(|parts| {
            parts.2.pop();
        }),
        ProofError::DataDiffers
    );
    assert_eq!(refused(|parts| parts.2.clear()), ProofError::DataDiffers);
    assert_eq!(refused(|parts| parts.0 = ShardSize::K16), ProofError::DataDiffers);
    assert_eq!(refused(|parts| parts.3 = 6), ProofError::RootDiffers);
    assert_eq!(refused(|parts| parts.4 = 7), ProofError::LeafDiffers);
    assert_eq!(refused(|parts| parts.4 = 3), ProofError::ChunkElsewhere);
    assert_eq!(
        refused(|parts| {
            parts.5.pop();
        }),
        ProofError::LeafDiffers
    );
    assert_eq!(refused(|parts| parts.5.push(Node { hash: [0; 32], units: 1 })), ProofError::LeafDiffers);
    assert_eq!(refused(|parts| parts.5[0].units += 1), ProofError::DataDiffers);
    assert_eq!(refused(|parts| parts.5[1].units = u64::MAX), ProofError::ChunkElsewhere);
    assert_eq!(refused(|parts| parts.6.reverse()), ProofError::RootDiffers);
    assert_eq!(
        refused(|parts| {
            parts.6.pop();
        }),
        ProofError::RootDiffers
    );
    // Units moved from one peak to the other: the sum is right, the root isn't.
    assert_eq!(
        refused(|parts| {
            parts.6[0].units += 1;
            parts.6[1].units -= 1;
        }),
        ProofError::RootDiffers
    );
    assert_eq!(log.verify(&whole(&good), 28), Err(ProofError::ChunkOutside));
}

#[test]
fn an_inner_node_is_no_leaf_and_a_leaf_no_inner_node() {
    let [a, b] = [0, 1].map(|seed| Node::leaf(&shard_id(&filled(ShardSize::K4, seed)), ShardSize::K4));
    let above = Node::above(&a, &b).expect("few units");
    // The bytes below an inner node, taken for a shard.
    let mut posing = vec![1];
    for node in [a, b] {
        posing.extend(node.hash);
        posing.extend(node.units.to_le_bytes());
    }
    assert_eq!(above.hash, shard_id(&posing), "the format");
    assert_eq!(ShardSize::from_bytes(posing.len()), None, "no shard has such a length");
    // Two peaks of one leaf each, and one peak of two: other roots.
    let of = |leaves, peaks: &[Node]| Range::from_peaks(leaves, BoundedVec::truncate_from(peaks.to_vec()));
    assert!(of(2, &[a, b]).is_none() && of(1, &[above]).is_some());
    assert_ne!(of(2, &[above]).map(|range| range.root()), of(1, &[above]).map(|range| range.root()));
}

#[test]
fn a_range_of_impossible_peaks_is_not_decoded() {
    let peak = |units| Node { hash: [7; 32], units };
    for (leaves, peaks) in [
        (0, vec![peak(1)]),
        (1, vec![]),
        (3, vec![peak(1)]),
        (1, vec![peak(0)]),
        (3, vec![peak(u64::MAX), peak(1)]),
        (LEAVES_MAX, vec![peak(1)]),
    ] {
        assert!(Range::decode(&mut &(leaves, peaks).encode()[..]).is_err());
    }
    let mut full = Range::from_peaks(1, BoundedVec::truncate_from(vec![peak(u64::MAX)])).expect("a peak");
    let before = full.clone();
    assert!(!full.append(peak(1), |_, _| panic!("nothing is made")));
    assert!(!full.append(peak(0), |_, _| panic!("nothing is made")));
    assert_eq!(full, before);
}

#[test]
fn proofs_are_small() {
    // The longest shard in a log of a mebi-shards: what a proof takes at 256 GiB.
    let longest = ShardSize::K256.levels() * 32 + 20 * 40 + CHUNK_BYTES;
    assert!(longest < 2_100, "{longest}");
    assert!(ChunkProof::max_encoded_len() < 5_500);
}

#[test]
fn statements_serve_for_one_purpose_on_one_chain() {
    let receipt = Receipt { at: SlotAt { drive: 1, slot: 2 }, version: 2, root: [3; 32], units: 4, until_block: 5 };
    let ticket = Ticket { at: SlotAt { drive: 1, slot: 2 }, version: 2, first_stripe: 3, until_block: 4 };
    let all =
        [receipt.to_sign(&[0; 32]), receipt.to_sign(&[1; 32]), ticket.to_sign(&[0; 32]), ticket.to_sign(&[1; 32])];
    for (i, one) in all.iter().enumerate() {
        assert!(all[i + 1..].iter().all(|other| other != one && !other.starts_with(one)));
    }
    assert!(all[0].starts_with(b"\x48storage/receipt/v1") && all[2].starts_with(b"\x44storage/ticket/v1"));
}

/// `vectors/storage.json`: what another implementation must reproduce. CAIRN_WRITE_VECTORS=1 writes it anew.
#[test]
fn the_committed_vectors_are_what_the_format_says() {
    let vectors = |count: u64| {
        let sizes = |number: u64| ShardSize::ALL[(number % 4) as usize];
        let log = Log::of((0..count).map(|number| filled(sizes(number), number)));
        let last = log.range.units() * CHUNKS_PER_UNIT - 1;
        let proofs: Vec<_> = [0, last / 2, last]
            .into_iter()
            .map(|chunk| serde_json::json!({ "chunk": chunk, "proof": hex::encode(log.prove(chunk).encode()) }))
            .collect();
        serde_json::json!({
            "shards": (0..count).map(|number| serde_json::json!({
                "seed": number,
                "units": sizes(number).units(),
                "id": hex::encode(shard_id(&log.shards[number as usize])),
            })).collect::<Vec<_>>(),
            "root": hex::encode(log.range.root()),
            "units": log.range.units(),
            "proofs": proofs,
        })
    };
    let at = SlotAt { drive: 7, slot: 3 };
    let receipt = Receipt { at, version: 2, root: [0xab; 32], units: 85, until_block: 900 };
    let ticket = Ticket { at, version: 2, first_stripe: 12, until_block: 1000 };
    let target = |chunk| Target { at, root: [0xab; 32], units: 85, chunk };
    let all = serde_json::json!({
        "about": "shard `seed`: the first bytes of BLAKE3's output for the seed as u64, little-endian; proofs are SCALE-encoded",
        "logs": [vectors(1), vectors(4), vectors(11)],
        "receipt": { "genesis": "00".repeat(32), "drive": 7, "slot": 3, "version": 2, "root": "ab".repeat(32), "units": 85,
            "until_block": 900, "to_sign": hex::encode(receipt.to_sign(&[0; 32])) },
        "ticket": { "genesis": "00".repeat(32), "drive": 7, "slot": 3, "version": 2, "first_stripe": 12, "until_block": 1000,
            "to_sign": hex::encode(ticket.to_sign(&[0; 32])) },
        "challenge": { "turn_block": 800, "drive": 7, "slot": 3, "root": "ab".repeat(32), "units": 85, "chunks": [0, 339],
            "id": hex::encode(challenge_id(800, &[target(0), target(339)])) },
    });
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/storage.json");
    if std::env::var_os("CAIRN_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&all).expect("it is JSON");
        std::fs::write(path, text + "\n").expect("the folder is there");
    }
    let committed = std::fs::read(path).expect("the file is committed");
    let committed: serde_json::Value = serde_json::from_slice(&committed).expect("it is JSON");
    assert!(committed == all, "the format changed: {path}");
}
