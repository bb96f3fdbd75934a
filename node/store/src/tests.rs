// SPDX-License-Identifier: Apache-2.0

//! Logs against a model in memory, with a disk that loses, fails and fills up.

use std::sync::Arc;

use cairn_primitives::storage::{shard_id, Node, Range, ShardSize, SlotAt, CHUNKS_PER_UNIT, CHUNK_BYTES};

use crate::{Options, Store, StoreError};

mod disk;
mod faults;
mod logs;
mod model;
mod objects;

use disk::Disk;

const AT: SlotAt = SlotAt { drive: 7, slot: 3 };
const OTHER: SlotAt = SlotAt { drive: 7, slot: 4 };

/// A store on a disk that tests can break.
struct Bench {
    folder: tempfile::TempDir,
    disk: Arc<Disk>,
    store: Option<Store>,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Bench { folder: tempfile::tempdir().expect("a folder"), disk: Arc::default(), store: None };
        bench.restart();
        bench
    }

    /// With a log.
    fn with_log() -> Self {
        let bench = Self::new();
        bench.store().create(AT, Range::default()).expect("there is none");
        bench
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is open")
    }

    fn restart(&mut self) {
        self.try_restart(false).expect("it opens");
    }

    fn try_restart(&mut self, accept_loss: bool) -> Result<(), StoreError> {
        self.store = None;
        let options = Options { reserve_bytes: 1000, accept_loss, ..Options::default() };
        let bulk = Box::new(Arc::clone(&self.disk));
        self.store = Some(Store::with_bulk(self.folder.path(), bulk, options)?);
        Ok(())
    }

    fn append(&self, first: u64, shards: &[Vec<u8>]) -> Result<Range, StoreError> {
        let sizes: Vec<_> = shards.iter().map(|shard| ShardSize::from_bytes(shard.len()).expect("a shard")).collect();
        self.store().append(AT, first, &sizes, &shards.concat())
    }
}

/// A shard of its own bytes.
fn shard(size: ShardSize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; size.bytes()];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn small(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|seed| shard(ShardSize::K4, seed)).collect()
}

fn range_of(shards: &[Vec<u8>]) -> Range {
    let mut range = Range::default();
    for shard in shards {
        let size = ShardSize::from_bytes(shard.len()).expect("a shard");
        assert!(range.append(Node::leaf(&shard_id(shard), size), |_, _| ()));
    }
    range
}

/// That the log is these shards, from `trimmed` on: all that can be asked of it agrees.
fn check(store: &Store, at: SlotAt, shards: &[Vec<u8>], trimmed: usize) {
    let head = store.head(at).expect("the log is there");
    let whole = range_of(shards);
    assert_eq!(head.range, whole);
    assert_eq!(head.trimmed_leaves, trimmed as u64);
    for (number, shard) in shards.iter().enumerate() {
        let read = store.read(at, number as u64, 1, 0);
        if number < trimmed {
            assert!(matches!(read, Err(StoreError::Missing)), "{number}");
        } else {
            let read = read.expect("it is there");
            assert!(read.bytes == *shard && read.sizes.len() == 1, "shard {number}");
        }
    }
    let (mut before, bytes) = (0, shards.concat());
    for (number, shard) in shards.iter().enumerate() {
        let units = (shard.len() / cairn_primitives::storage::UNIT_BYTES) as u64;
        let chunks = before * CHUNKS_PER_UNIT..(before + units) * CHUNKS_PER_UNIT;
        for chunk in [chunks.start, chunks.end - 1] {
            let proof = store.prove(at, whole.units(), chunk);
            if number < trimmed {
                assert!(matches!(proof, Err(StoreError::Missing)));
                continue;
            }
            let proof = proof.expect("it is there");
            assert_eq!(proof.verify(&whole.root(), whole.units(), chunk), Ok(()));
            let from = chunk as usize * CHUNK_BYTES;
            assert_eq!(proof.data()[..], bytes[from..from + CHUNK_BYTES]);
        }
        before += units;
    }
    let beyond = store.prove(at, whole.units(), whole.units() * CHUNKS_PER_UNIT);
    assert!(matches!(beyond, Err(StoreError::Missing)));
}
