// SPDX-License-Identifier: Apache-2.0

//! Weights of the calls.
//!
//! Counted by hand from the storage that each call touches, with generous times: for tests. A runtime has its own, measured
//! from the benchmarks.

use frame_support::weights::{constants::RocksDbWeight, Weight};

/// What the calls take.
pub trait WeightInfo {
    /// A vault that finds its place at the last try.
    fn register() -> Weight;
    /// All that can be changed, with another vault moved in the index.
    fn update() -> Weight;
    /// One vault, another moved in the index.
    fn set_paused() -> Weight;
    /// One vault, another moved in the index.
    fn bond_more() -> Weight;
    /// One vault, another moved in the index.
    fn unbond() -> Weight;
    /// One vault, another moved in the index.
    fn begin_exit() -> Weight;
    /// One vault at a full place.
    fn finish_exit() -> Weight;
}

const fn micros(micros: u64, proof_bytes: u64) -> Weight {
    Weight::from_parts(micros.saturating_mul(1_000_000), proof_bytes)
}

fn db(reads: u64, writes: u64) -> Weight {
    RocksDbWeight::get().reads_writes(reads, writes)
}

/// By hand.
impl WeightInfo for () {
    fn register() -> Weight {
        micros(400, 200_000).saturating_add(db(134, 9))
    }
    fn update() -> Weight {
        micros(120, 20_000).saturating_add(db(9, 10))
    }
    fn set_paused() -> Weight {
        micros(60, 10_000).saturating_add(db(6, 6))
    }
    fn bond_more() -> Weight {
        micros(100, 12_000).saturating_add(db(10, 10))
    }
    fn unbond() -> Weight {
        micros(100, 12_000).saturating_add(db(10, 10))
    }
    fn begin_exit() -> Weight {
        micros(60, 10_000).saturating_add(db(6, 6))
    }
    fn finish_exit() -> Weight {
        micros(200, 20_000).saturating_add(db(12, 12))
    }
}
