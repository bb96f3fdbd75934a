// SPDX-License-Identifier: Apache-2.0

//! Weights of the calls and hooks.
//!
//! Counted by hand from the storage that each touches, with generous times: for tests. A runtime has its own, measured from
//! the benchmarks.

use frame_support::weights::{constants::RocksDbWeight, Weight};

/// What the calls and the hook take.
pub trait WeightInfo {
    /// A drive of `s` slots, where there are many vaults.
    fn create_drive(s: u32) -> Weight;
    /// The group of a new drive of `s` slots, drawn from many vaults.
    fn draw_group(s: u32) -> Weight;
    /// `s` slots of a drive without a version, each with a successor.
    fn redraw(s: u32) -> Weight;
    /// `s` slots of as many drives.
    fn decline_slots(s: u32) -> Weight;
    /// `s` reports of as many drives, each of which makes a slot behind.
    fn report_unserved(s: u32) -> Weight;
    /// One drive, that is queued anew.
    fn top_up() -> Weight;
    /// A drive of `s` slots, each with a successor.
    fn resize(s: u32) -> Weight;
    /// A drive of `s` slots, all signed for, each moved to another class.
    fn checkpoint(s: u32) -> Weight;
    /// A drive of `s` slots, each moved to another class, with a challenge and a dispute.
    fn trim(s: u32) -> Weight;
    /// One drive.
    fn set_visibility() -> Weight;
    /// A new grant.
    fn grant() -> Weight;
    /// One grant.
    fn revoke() -> Weight;
    /// `g` grants.
    fn rekey(g: u32) -> Weight;
    /// A drive with grants.
    fn transfer_drive() -> Weight;
    /// A drive of `s` slots, each with a vault that has a challenge, a dispute and a successor, and `g` grants.
    fn end_drive(s: u32, g: u32) -> Weight;
    /// A new key.
    fn publish_key() -> Weight;
    /// One key.
    fn withdraw_key() -> Weight;
    /// `p` proofs of as many slots, all wrong.
    fn prove(p: u32) -> Weight;
    /// A slot taken over from one that leaves.
    fn restore() -> Weight;
    /// `s` slots.
    fn leave_slots(s: u32) -> Weight;
    /// A dispute by a member of the widest group.
    fn dispute() -> Weight;
    /// One answer.
    fn answer_dispute() -> Weight;
    /// A block in which nothing is to be done.
    fn block_base() -> Weight;
    /// A drive that is looked at and queued again.
    fn warn_drive() -> Weight;
    /// A dispute that nobody answered.
    fn lose_dispute() -> Weight;
    /// A vault that missed, and whose former miss is judged.
    fn miss() -> Weight;
    /// A vault's turn, with `p` targets.
    fn turn(p: u32) -> Weight;
    /// One slot of an ejected vault.
    fn evict() -> Weight;
    /// One slot in a repair queue whose successor is late.
    fn look() -> Weight;
    /// A successor drawn in the widest group, from many vaults.
    fn draw_successor() -> Weight;
}

const fn micros(micros: u64, proof_bytes: u64) -> Weight {
    Weight::from_parts(micros.saturating_mul(1_000_000), proof_bytes)
}

fn db(reads: u64, writes: u64) -> Weight {
    RocksDbWeight::get().reads_writes(reads, writes)
}

fn times(weight: Weight, times: u32) -> Weight {
    weight.saturating_mul(times.into())
}

/// By hand.
impl WeightInfo for () {
    fn create_drive(s: u32) -> Weight {
        let each = micros(10, 1_000).saturating_add(db(1, 1));
        micros(300, 60_000).saturating_add(db(60, 12)).saturating_add(times(each, s))
    }
    fn draw_group(s: u32) -> Weight {
        let each = micros(150, 12_000).saturating_add(db(24, 6));
        micros(1_200, 200_000).saturating_add(db(710, 14)).saturating_add(times(each, s))
    }
    fn redraw(s: u32) -> Weight {
        let each = micros(100, 10_000).saturating_add(db(12, 12));
        micros(60, 8_000).saturating_add(db(5, 5)).saturating_add(times(each, s))
    }
    fn decline_slots(s: u32) -> Weight {
        let each = micros(100, 10_000).saturating_add(db(12, 12));
        micros(20, 2_000).saturating_add(db(1, 1)).saturating_add(times(each, s))
    }
    fn report_unserved(s: u32) -> Weight {
        let each = micros(100, 10_000).saturating_add(db(12, 10));
        micros(20, 2_000).saturating_add(db(1, 1)).saturating_add(times(each, s))
    }
    fn top_up() -> Weight {
        micros(120, 20_000).saturating_add(db(30, 8))
    }
    fn resize(s: u32) -> Weight {
        let each = micros(60, 6_000).saturating_add(db(9, 8));
        micros(60, 8_000).saturating_add(db(3, 2)).saturating_add(times(each, s))
    }
    fn checkpoint(s: u32) -> Weight {
        let each = micros(220, 12_000).saturating_add(db(11, 11));
        micros(150, 20_000).saturating_add(db(30, 6)).saturating_add(times(each, s))
    }
    fn trim(s: u32) -> Weight {
        let each = micros(100, 10_000).saturating_add(db(10, 10));
        micros(60, 10_000).saturating_add(db(4, 3)).saturating_add(times(each, s))
    }
    fn set_visibility() -> Weight {
        micros(40, 4_000).saturating_add(db(2, 1))
    }
    fn grant() -> Weight {
        micros(80, 10_000).saturating_add(db(5, 5))
    }
    fn revoke() -> Weight {
        micros(80, 10_000).saturating_add(db(5, 5))
    }
    fn rekey(g: u32) -> Weight {
        let each = micros(15, 1_500).saturating_add(db(1, 1));
        micros(40, 4_000).saturating_add(db(2, 0)).saturating_add(times(each, g))
    }
    fn transfer_drive() -> Weight {
        micros(150, 12_000).saturating_add(db(10, 10))
    }
    fn end_drive(s: u32, g: u32) -> Weight {
        let each = micros(300, 16_000).saturating_add(db(22, 22));
        let grants = micros(20, 2_000).saturating_add(db(1, 2));
        let base = micros(200, 20_000).saturating_add(db(12, 12));
        base.saturating_add(times(each, s)).saturating_add(times(grants, g))
    }
    fn publish_key() -> Weight {
        micros(60, 6_000).saturating_add(db(3, 3))
    }
    fn withdraw_key() -> Weight {
        micros(60, 6_000).saturating_add(db(3, 3))
    }
    fn prove(p: u32) -> Weight {
        let each = micros(350, 24_000).saturating_add(db(24, 24));
        micros(150, 12_000).saturating_add(db(10, 9)).saturating_add(times(each, p))
    }
    fn restore() -> Weight {
        micros(500, 40_000).saturating_add(db(40, 30))
    }
    fn leave_slots(s: u32) -> Weight {
        let each = micros(40, 4_000).saturating_add(db(3, 3));
        micros(20, 2_000).saturating_add(db(1, 1)).saturating_add(times(each, s))
    }
    fn dispute() -> Weight {
        micros(150, 12_000).saturating_add(db(70, 7))
    }
    fn answer_dispute() -> Weight {
        micros(250, 16_000).saturating_add(db(14, 14))
    }
    fn block_base() -> Weight {
        micros(40, 12_000).saturating_add(db(11, 3))
    }
    fn warn_drive() -> Weight {
        micros(80, 30_000).saturating_add(db(28, 4))
    }
    fn lose_dispute() -> Weight {
        micros(400, 30_000).saturating_add(db(34, 30))
    }
    fn miss() -> Weight {
        micros(250, 24_000).saturating_add(db(20, 18))
    }
    fn turn(p: u32) -> Weight {
        let each = micros(40, 4_000).saturating_add(db(4, 0));
        micros(80, 8_000).saturating_add(db(6, 5)).saturating_add(times(each, p))
    }
    fn evict() -> Weight {
        micros(250, 20_000).saturating_add(db(22, 20))
    }
    fn look() -> Weight {
        micros(80, 10_000).saturating_add(db(12, 10))
    }
    fn draw_successor() -> Weight {
        micros(1_200, 200_000).saturating_add(db(800, 6))
    }
}
