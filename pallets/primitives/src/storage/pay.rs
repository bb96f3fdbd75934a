// SPDX-License-Identifier: Apache-2.0

/// Units of 4 KiB in a GiB: what prices are given for.
pub const UNITS_PER_GIB: u64 = 1 << 18;

/// What a slot earns and its drive pays in each block, in plancks, at `price` plancks for a GiB and period.
///
/// A whole number, at least 1 where there is anything to be paid: so what drives pay and what vaults earn are the same sums,
/// whatever the order in which they are taken.
pub fn rate_per_block(price: u128, units: u64, period_blocks: u32) -> u128 {
    if units == 0 || price == 0 {
        return 0;
    }
    let divisor = u128::from(UNITS_PER_GIB) * u128::from(period_blocks.max(1));
    (price.saturating_mul(units.into()) / divisor).max(1)
}
