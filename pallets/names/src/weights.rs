// SPDX-License-Identifier: Apache-2.0

//! Weights of the calls.
//!
//! Counted by hand from the storage that each call touches, with generous times: for tests. A runtime has its own, measured
//! from the benchmarks.

use frame_support::weights::{constants::RocksDbWeight, Weight};

/// What the calls and the hook take.
pub trait WeightInfo {
    /// One commitment.
    fn commit() -> Weight;
    /// A zone of `r` records and `b` bytes.
    fn register(r: u32, b: u32) -> Weight;
    /// One renewal.
    fn renew() -> Weight;
    /// One set into a full zone.
    fn set_rrset() -> Weight;
    /// One set out of a full zone.
    fn clear_rrset() -> Weight;
    /// `r` records of `b` bytes in place of a full zone.
    fn replace_zone(r: u32, b: u32) -> Weight;
    /// A dead delegation with a zone in the way, 63 others there.
    fn set_subdomain_owner() -> Weight;
    /// One of 64, with a zone.
    fn revoke_subdomain() -> Weight;
    /// One of 64 of a registration that is over, with a zone.
    fn purge_subdomain() -> Weight;
    /// One offer.
    fn propose_transfer() -> Weight;
    /// A name with `s` delegations.
    fn accept_transfer(s: u32) -> Weight;
    /// One manager.
    fn set_manager() -> Weight;
    /// A name with a full zone.
    fn set_primary() -> Weight;
    /// A name with a full zone and 64 delegations.
    fn release() -> Weight;
    /// One commitment.
    fn purge_commitment() -> Weight;
    /// A name with a full zone and 64 delegations.
    fn purge_expired() -> Weight;
    /// One reservation.
    fn force_reserve() -> Weight;
    /// Looking at the queue.
    fn on_idle_base() -> Weight;
    /// Looking at the queue and removing one registration with a full zone.
    fn on_idle_purge() -> Weight;
}

const fn micros(micros: u64, proof_bytes: u64) -> Weight {
    Weight::from_parts(micros.saturating_mul(1_000_000), proof_bytes)
}

fn db(reads: u64, writes: u64) -> Weight {
    RocksDbWeight::get().reads_writes(reads, writes)
}

/// By hand.
impl WeightInfo for () {
    fn commit() -> Weight {
        micros(60, 4_000).saturating_add(db(4, 3))
    }
    fn register(r: u32, b: u32) -> Weight {
        micros(200, 30_000)
            .saturating_add(micros(2, 0).saturating_mul(r.into()))
            .saturating_add(Weight::from_parts(40_000, 0).saturating_mul(b.into()))
            .saturating_add(db(14, 14))
    }
    fn renew() -> Weight {
        micros(90, 10_000).saturating_add(db(5, 5))
    }
    fn set_rrset() -> Weight {
        micros(400, 20_000).saturating_add(db(6, 4))
    }
    fn clear_rrset() -> Weight {
        micros(400, 20_000).saturating_add(db(6, 4))
    }
    fn replace_zone(r: u32, b: u32) -> Weight {
        micros(300, 20_000)
            .saturating_add(micros(2, 0).saturating_mul(r.into()))
            .saturating_add(Weight::from_parts(40_000, 0).saturating_mul(b.into()))
            .saturating_add(db(6, 4))
    }
    fn set_subdomain_owner() -> Weight {
        micros(350, 30_000).saturating_add(db(9, 8))
    }
    fn revoke_subdomain() -> Weight {
        micros(200, 20_000).saturating_add(db(8, 7))
    }
    fn purge_subdomain() -> Weight {
        micros(200, 20_000).saturating_add(db(8, 7))
    }
    fn propose_transfer() -> Weight {
        micros(30, 4_000).saturating_add(db(2, 1))
    }
    fn accept_transfer(s: u32) -> Weight {
        micros(150, 20_000)
            .saturating_add(micros(120, 4_000).saturating_mul(s.into()))
            .saturating_add(db(6, 5))
            .saturating_add(db(1, 1).saturating_mul(s.into()))
    }
    fn set_manager() -> Weight {
        micros(30, 4_000).saturating_add(db(2, 1))
    }
    fn set_primary() -> Weight {
        micros(300, 20_000).saturating_add(db(6, 3))
    }
    fn release() -> Weight {
        micros(120, 20_000).saturating_add(db(5, 6))
    }
    fn purge_commitment() -> Weight {
        micros(60, 4_000).saturating_add(db(4, 4))
    }
    fn purge_expired() -> Weight {
        micros(120, 20_000).saturating_add(db(6, 6))
    }
    fn force_reserve() -> Weight {
        micros(20, 4_000).saturating_add(db(1, 1))
    }
    fn on_idle_base() -> Weight {
        micros(20, 8_000).saturating_add(db(3, 0))
    }
    fn on_idle_purge() -> Weight {
        micros(150, 20_000).saturating_add(db(8, 6))
    }
}
