// SPDX-License-Identifier: Apache-2.0

//! How a stream of bytes is cut into stripes.

use cairn_primitives::storage::{Coding, ShardSize};

/// The largest stripe's data.
pub fn full_stripe_bytes(coding: Coding) -> usize {
    stripe_bytes(ShardSize::K256, coding)
}

/// Data of a stripe.
pub fn stripe_bytes(size: ShardSize, coding: Coding) -> usize {
    size.bytes() * usize::from(coding.data())
}

/// The sizes of the stripes for the last `bytes` of a stream, fewer than a full stripe: large ones first, so that less than
/// one stripe of the shortest shards is filled up with zeros.
pub fn tail(bytes: usize, coding: Coding) -> Vec<ShardSize> {
    let mut left = bytes;
    let mut sizes = Vec::new();
    while left > 0 {
        let fitting = ShardSize::ALL.into_iter().rev().find(|size| stripe_bytes(*size, coding) <= left);
        let size = fitting.unwrap_or(ShardSize::K4);
        sizes.push(size);
        left = left.saturating_sub(stripe_bytes(size, coding));
    }
    sizes
}

/// Where a byte of a stream lies that begins with stripe `first` and has `full` full stripes before those of `tail`.
pub fn place(at: u64, first: u64, full: u64, tail: &[ShardSize], coding: Coding) -> (u64, u32) {
    let full_bytes = full_stripe_bytes(coding) as u64;
    if at / full_bytes < full {
        return (first + at / full_bytes, (at % full_bytes) as u32);
    }
    let mut left = at - full * full_bytes;
    let mut stripe = first + full;
    for size in tail {
        let bytes = stripe_bytes(*size, coding) as u64;
        if left < bytes {
            break;
        }
        left -= bytes;
        stripe += 1;
    }
    (stripe, left as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_filled_up() {
        for coding in [Coding::K1, Coding::K2, Coding::K4, Coding::K8] {
            let least = stripe_bytes(ShardSize::K4, coding);
            for bytes in [0, 1, least - 1, least, least + 1, 5 * least, 16 * least - 1, full_stripe_bytes(coding) - 1] {
                let sizes = tail(bytes, coding);
                let total: usize = sizes.iter().map(|size| stripe_bytes(*size, coding)).sum();
                assert!(total >= bytes && total < bytes + least, "{coding:?} {bytes}");
                assert!(sizes.len() <= 10, "{coding:?} {bytes}: {sizes:?}");
                assert!(sizes.is_sorted_by(|a, b| a >= b));
            }
        }
    }

    #[test]
    fn every_byte_is_found_again() {
        for coding in [Coding::K1, Coding::K2, Coding::K8] {
            let rest = 5 * stripe_bytes(ShardSize::K16, coding) + 77;
            let sizes = tail(rest, coding);
            let mut start = 0u64;
            let all = [ShardSize::K256; 2].into_iter().chain(sizes.iter().copied()).enumerate();
            for (index, size) in all {
                let bytes = stripe_bytes(size, coding) as u64;
                let stripe = 10 + index as u64;
                assert_eq!(place(start, 10, 2, &sizes, coding), (stripe, 0));
                assert_eq!(place(start + bytes - 1, 10, 2, &sizes, coding), (stripe, (bytes - 1) as u32));
                start += bytes;
            }
        }
    }
}
