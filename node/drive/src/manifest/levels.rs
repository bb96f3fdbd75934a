// SPDX-License-Identifier: Apache-2.0

//! When levels are merged.
//!
//! A commit writes what changed, and never everything; a reader wants few parts to read. Both hold if the levels' sizes fall
//! geometrically: the newest changes are merged with every level before them that is at most twice as large as what is
//! merged already. Then each level is more than twice as large as the next, so that there are at most
//! `log2(manifest / smallest)` of them, and a change is written again only when it moves to a level of a size that is at
//! least half as large again: `O(log(manifest))` times in all.

/// Levels of a manifest at most.
pub const LEVELS_MAX: usize = 40;

/// How many of the levels, from the newest, are merged with the newest changes. `bytes` are the levels' sizes, from the
/// oldest.
pub fn merged_levels(bytes: &[u32], newest: usize) -> usize {
    let mut sum = newest as u64;
    let mut merged = 0;
    for level in bytes.iter().rev() {
        if u64::from(*level) > 2 * sum && bytes.len() - merged < LEVELS_MAX {
            break;
        }
        sum += u64::from(*level);
        merged += 1;
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is written: few levels, and little is written again.
        #[test]
        fn levels_stay_few_and_little_is_written_again(changes in prop::collection::vec(100u32..50_000, 1..600)) {
            let mut levels: Vec<u32> = Vec::new();
            let (mut written, mut total) = (0u64, 0u64);
            for change in changes {
                let merged = merged_levels(&levels, change as usize);
                let sum = levels.drain(levels.len() - merged..).sum::<u32>() + change;
                levels.push(sum);
                written += u64::from(sum);
                total += u64::from(change);
                for pair in levels.windows(2) {
                    prop_assert!(pair[0] > 2 * pair[1], "{levels:?}");
                }
            }
            let log = 64 - (total / 100).leading_zeros();
            prop_assert!(levels.len() <= log as usize + 1);
            prop_assert!(written <= total * u64::from(2 * log + 2), "{written} of {total}");
        }
    }

    #[test]
    fn there_are_never_more_than_the_most() {
        let levels: Vec<u32> = (0..LEVELS_MAX as u32).map(|i| u32::MAX >> (i * 3 / 4)).collect();
        assert!(merged_levels(&levels, 1) >= 1);
    }
}
