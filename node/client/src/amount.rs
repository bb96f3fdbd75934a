// SPDX-License-Identifier: Apache-2.0

//! Amounts as texts.

use std::fmt;

/// Decimals of the chain's coin: it has 10^12 plancks.
pub const CRN_DECIMALS: u8 = 12;

/// Writes a number of smallest units as a decimal fraction of 10^`decimals` of them, exactly: `1.5`.
pub fn decimal(units: u128, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    let digits = format!("{units:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{whole}{point}{fraction}")
}

/// So many plancks, shown as `1.5 CRN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crn(pub u128);

impl fmt::Display for Crn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} CRN", decimal(self.0, CRN_DECIMALS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_exactly() {
        for (plancks, text) in [
            (0, "0 CRN"),
            (1, "0.000000000001 CRN"),
            (1_500_000_000_000, "1.5 CRN"),
            (30_000_000_000_000, "30 CRN"),
            (u128::MAX, "340282366920938463463374607.431768211455 CRN"),
        ] {
            assert_eq!(Crn(plancks).to_string(), text);
        }
        assert_eq!(decimal(105, 0), "105");
    }
}
