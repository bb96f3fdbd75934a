// SPDX-License-Identifier: Apache-2.0

use codec::Encode;
use frame_support::sp_runtime::traits::{BlakeTwo256, Hash};

/// A stream of numbers that follows from one seed.
///
/// # Correctness
/// Each number takes 128 bits of a hash of seed and count; a remainder below `n` is uniform up to `n / 2^128`.
#[derive(Clone, Debug)]
pub struct Dice {
    seed: [u8; 32],
    thrown: u64,
}

impl Dice {
    /// From randomness that was fixed after whatever the numbers decide on.
    pub fn new(seed: [u8; 32]) -> Self {
        Dice { seed, thrown: 0 }
    }

    /// A uniform number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u128) -> u128 {
        let hash = BlakeTwo256::hash(&(self.seed, self.thrown).encode());
        self.thrown = self.thrown.wrapping_add(1);
        let number = hash.as_bytes().iter().take(16).fold(0u128, |number, byte| number << 8 | u128::from(*byte));
        number.checked_rem(bound).unwrap_or(0)
    }

    /// A uniform number below `bound`; 0 if that is 0.
    pub fn below_u64(&mut self, bound: u64) -> u64 {
        // Less than `bound`.
        self.below(bound.into()) as u64
    }
}
