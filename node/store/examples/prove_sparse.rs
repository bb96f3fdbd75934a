// SPDX-License-Identifier: Apache-2.0

//! How long a vault needs to show chunks of a long log: a log of zeros, which a sparse file holds, so that a disk of a few
//! gigabytes is enough for a tebibyte. The index is as long as for any other bytes. `scripts/bench proofs` runs it.
//!
//! `prove_sparse FOLDER GIB`: prints what the index takes, and the times of single proofs and of 16 as a turn wants them. Chunks
//! are drawn with a fixed seed; each proof is verified.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use cairn_primitives::storage::{ChunkProof, Range, ShardSize, SlotAt, CHUNKS_PER_UNIT};
use cairn_store::{Bulk, BulkLog, LocalDisk, Options, Store};

type Error = Box<dyn std::error::Error + Send + Sync>;

const AT: SlotAt = SlotAt { drive: 1, slot: 0 };
/// Shards that are appended at once.
const BATCH: usize = 64;
const PROOFS: usize = 2_000;
/// Proofs in a turn.
const TURN: usize = 16;

/// A disk that makes the file longer instead of writing zeros.
struct Sparse(LocalDisk);

struct SparseLog(Arc<dyn BulkLog>);

impl Bulk for Sparse {
    fn create(&self, at: SlotAt) -> io::Result<Arc<dyn BulkLog>> {
        Ok(Arc::new(SparseLog(self.0.create(at)?)))
    }
    fn open(&self, at: SlotAt) -> io::Result<Arc<dyn BulkLog>> {
        Ok(Arc::new(SparseLog(self.0.open(at)?)))
    }
    fn remove(&self, at: SlotAt) -> io::Result<()> {
        self.0.remove(at)
    }
    fn list(&self) -> io::Result<Vec<SlotAt>> {
        self.0.list()
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.0.free_bytes()
    }
    fn total_bytes(&self) -> io::Result<u64> {
        self.0.total_bytes()
    }
}

impl BulkLog for SparseLog {
    fn read(&self, to: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read(to, offset)
    }
    fn write(&self, from: &[u8], offset: u64) -> io::Result<()> {
        let end = offset + from.len() as u64;
        self.0.set_length(end.max(self.0.length()?))
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }
    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.0.set_length(bytes)
    }
    fn forget(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.0.forget(offset, bytes)
    }
}

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(gib)) = (arguments.next(), arguments.next()) else {
        return Err("usage: prove_sparse FOLDER GIB".into());
    };
    let (folder, gib): (&Path, u64) = (Path::new(&folder), gib.parse()?);
    let store = open(folder)?;
    store.create(AT, Range::default())?;
    let shards = gib * ((1 << 30) / ShardSize::K256.bytes() as u64);
    let begun = Instant::now();
    let (sizes, zeros) = (vec![ShardSize::K256; BATCH], vec![0; BATCH * ShardSize::K256.bytes()]);
    for first in (0..shards).step_by(BATCH) {
        let count = usize::try_from(shards - first)?.min(BATCH);
        store.append(AT, first, &sizes[..count], &zeros[..count * ShardSize::K256.bytes()])?;
    }
    println!("{gib} GiB in {shards} shards: taken in {:.0} s", begun.elapsed().as_secs_f64());
    // As after a start: nothing is in memory.
    drop(store);
    let store = open(folder)?;
    let range = store.head(AT).ok_or("the log is gone")?.range;
    let (root, units) = (range.root(), range.units());
    println!("index: {:.0} MB", folder_bytes(&folder.join("index"))? as f64 / 1e6);

    let mut times: Vec<Duration> = Vec::with_capacity(PROOFS);
    let mut bytes = 0;
    for number in 0..PROOFS {
        let chunk = drawn(number) % (units * CHUNKS_PER_UNIT);
        let begun = Instant::now();
        let proof: ChunkProof = store.prove(AT, units, chunk)?;
        times.push(begun.elapsed());
        proof.verify(&root, units, chunk).map_err(|error| format!("{error:?}"))?;
        bytes = bytes.max(codec::Encode::encoded_size(&proof));
    }
    let mut turns: Vec<Duration> = times.chunks(TURN).map(|turn| turn.iter().sum()).collect();
    times.sort();
    turns.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let at = |times: &[Duration], percent: usize| ms(times[(times.len() - 1) * percent / 100]);
    println!("a proof: {bytes} bytes at most; p50 {:.2} ms, p99 {:.2} ms", at(&times, 50), at(&times, 99));
    println!("a turn of {TURN}: p50 {:.1} ms, p99 {:.1} ms", at(&turns, 50), at(&turns, 99));
    println!("memory: {} MiB", resident_mib()?);
    Ok(())
}

fn open(folder: &Path) -> Result<Store, Error> {
    let disk = Sparse(LocalDisk::new(&folder.join("logs"))?);
    Ok(Store::with_bulk(folder, Box::new(disk), Options { reserve_bytes: 0, ..Options::default() })?)
}

fn drawn(number: usize) -> u64 {
    let hash = blake3::hash(&number.to_le_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight of 32 bytes"))
}

fn folder_bytes(folder: &Path) -> io::Result<u64> {
    std::fs::read_dir(folder)?.map(|entry| entry?.metadata().map(|metadata| metadata.len())).sum()
}

/// Most memory that the process had.
fn resident_mib() -> Result<u64, Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}
