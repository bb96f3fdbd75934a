// SPDX-License-Identifier: Apache-2.0

//! What nobody can foresee.

use ring::rand::{SecureRandom, SystemRandom};

/// A number below `end`; 0 if that is 0. Even enough: `end` is far below 2^64.
pub(crate) fn below(end: u64) -> u64 {
    let mut bytes = [0; 8];
    // Without randomness the choice is foreseeable, and the vault goes on.
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes).checked_rem(end).unwrap_or(0)
}

/// Puts things into any order.
pub(crate) fn shuffle<T>(things: &mut [T]) {
    for end in (1..things.len()).rev() {
        things.swap(end, below(end as u64 + 1) as usize);
    }
}
