// SPDX-License-Identifier: Apache-2.0

//! Numbers of the chain that people know it by. Each is written here once.

/// Money. CRN has 12 decimals.
pub mod currency {
    use crate::Balance;

    /// The smallest amount.
    pub const PLANCK: Balance = 1;
    /// 10^-6 CRN.
    pub const MICRO_CRN: Balance = 1_000_000 * PLANCK;
    /// 10^-3 CRN.
    pub const MILLI_CRN: Balance = 1_000 * MICRO_CRN;
    /// One coin.
    pub const CRN: Balance = 1_000 * MILLI_CRN;

    /// An account with less than this does not exist. It pays for the state of one account for good: a million empty
    /// accounts cost 1,000 CRN.
    pub const EXISTENTIAL_DEPOSIT: Balance = MILLI_CRN;

    /// What is held for `items` entries with `bytes` in all, for as long as they are kept.
    pub const fn deposit(items: u32, bytes: u32) -> Balance {
        items as Balance * 20 * MILLI_CRN + bytes as Balance * 100 * MICRO_CRN
    }
}

/// Time. ARCHITECTURE.md says how 3 s came about.
pub mod time {
    use crate::BlockNumber;

    /// Milliseconds between BABE slots.
    pub const MILLISECS_PER_BLOCK: u64 = if cfg!(feature = "sdk-solochain-defaults") { 6_000 } else { 3_000 };
    pub const MINUTES: BlockNumber = 60_000 / MILLISECS_PER_BLOCK as BlockNumber;
    pub const HOURS: BlockNumber = 60 * MINUTES;
    pub const DAYS: BlockNumber = 24 * HOURS;

    /// One slot in four has a primary author by lottery (the rest fall to secondary ones, so that no slot is empty):
    /// the usual balance between the number of forks and how hard an author is to foresee.
    pub const PRIMARY_PROBABILITY: (u64, u64) = (1, 4);
}

/// How much fits into a block.
pub mod block {
    use frame_support::weights::{constants::WEIGHT_REF_TIME_PER_MILLIS, Weight};
    use sp_runtime::Perbill;

    /// Execution time of a whole block. An author builds for this long, and every other node executes it for two thirds
    /// as long before the next author can build on it; both, and 500 ms of gossip, must fit into a slot.
    pub const MAXIMUM_BLOCK_WEIGHT: Weight =
        Weight::from_parts(MAXIMUM_BLOCK_MILLIS * WEIGHT_REF_TIME_PER_MILLIS, u64::MAX);
    const MAXIMUM_BLOCK_MILLIS: u64 = if cfg!(feature = "sdk-solochain-defaults") { 2_000 } else { 1_500 };
    /// What users' transactions may take of it; the rest is for hooks, inherents and operational calls.
    pub const NORMAL_DISPATCH_RATIO: Perbill =
        Perbill::from_percent(if cfg!(feature = "sdk-solochain-defaults") { 75 } else { 90 });
    /// Hooks at the start of a block may come to this before it is counted as a fault.
    pub const AVERAGE_ON_INITIALIZE_RATIO: Perbill = Perbill::from_percent(10);
    /// Bytes of a whole block.
    pub const MAXIMUM_BLOCK_LENGTH: u32 = 5 * 1024 * 1024;
}
