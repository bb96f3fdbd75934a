// SPDX-License-Identifier: Apache-2.0

//! Amounts of coins, as people write them and as the chain counts them. Exact: no floating point anywhere.

use crate::failure::{usage, Result};

/// Longer texts are not amounts.
const TEXT_LEN_MAX: usize = 80;

/// The chain's coin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// `CRN`.
    pub symbol: String,
    /// One coin is ten to this many of its smallest units. At most 30.
    pub decimals: u8,
}

impl Token {
    /// Reads `1.5`, `1.5CRN` or `1.5 CRN` as a number of smallest units.
    ///
    /// # Errors
    /// Usage errors for anything that is not exactly a number of smallest units.
    pub fn parse(&self, text: &str) -> Result<u128> {
        let wrong = |reason: String| usage(format!("`{}` is not an amount: {reason}", shortened(text)));
        if text.len() > TEXT_LEN_MAX {
            return Err(wrong("it is too long".into()));
        }
        let text = text.trim();
        let split = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
        let (number, symbol) = (text[..split].trim_end(), &text[split..]);
        if !symbol.is_empty() && !symbol.eq_ignore_ascii_case(&self.symbol) {
            return Err(wrong(format!("this chain's coin is {}, not {symbol}", self.symbol)));
        }
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return Err(wrong("digits must follow the point".into())),
            Some((whole, fraction)) => (whole, fraction),
            None => (number, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(wrong(format!("write it like 1.5 or 1.5{}", self.symbol)));
        }
        self.units(whole, fraction).map_err(wrong)
    }

    fn units(&self, whole: &str, fraction: &str) -> std::result::Result<u128, String> {
        let decimals = usize::from(self.decimals);
        let (fraction, beyond) = fraction.split_at(fraction.len().min(decimals));
        if beyond.bytes().any(|digit| digit != b'0') {
            return Err(format!("{} has {decimals} decimal places", self.symbol));
        }
        let digits = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', decimals - fraction.len()));
        digits
            .map(|digit| u128::from(digit - b'0'))
            .try_fold(0u128, |sum, digit| sum.checked_mul(10)?.checked_add(digit))
            .ok_or_else(|| "it is more than there can be".into())
    }

    /// Writes a number of smallest units with the coin's symbol, exactly: `1.5 CRN`.
    pub fn format(&self, units: u128) -> String {
        format!("{} {}", cairn_client::decimal(units, self.decimals), self.symbol)
    }

    /// An amount in JSON: exact units as text, since JSON readers lose digits of big numbers.
    pub fn json(&self, units: u128) -> serde_json::Value {
        serde_json::json!({ "units": units.to_string(), "text": self.format(units) })
    }
}

/// Reads a share like `5%` or `2.5%` as parts in a billion.
///
/// # Errors
/// Usage errors for anything that is not a share between 0 and 100 percent with at most seven decimal places.
pub fn parse_percent(text: &str) -> Result<u32> {
    let percent = Token { symbol: "%".into(), decimals: 7 };
    let wrong = || usage(format!("`{}` is not a share: write it like 5% or 2.5%", shortened(text)));
    let number = text.trim().strip_suffix('%').ok_or_else(wrong)?;
    let parts = percent.parse(number).map_err(|_| wrong())?;
    u32::try_from(parts).ok().filter(|parts| *parts <= 1_000_000_000).ok_or_else(wrong)
}

/// Writes parts in a billion as a share: `2.5%`.
pub fn format_percent(parts: u32) -> String {
    let percent = Token { symbol: String::new(), decimals: 7 };
    format!("{}%", percent.format(parts.into()).trim_end())
}

fn shortened(text: &str) -> String {
    text.chars().take(TEXT_LEN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: u128 = 1_000_000_000_000;

    fn crn() -> Token {
        Token { symbol: "CRN".into(), decimals: 12 }
    }

    #[test]
    fn amounts_are_read_in_every_form() {
        for (text, units) in [
            ("0", 0),
            ("1", ONE),
            ("1.5", 3 * ONE / 2),
            ("1.5CRN", 3 * ONE / 2),
            ("1.5 CRN", 3 * ONE / 2),
            (" 1.5  crn ", 3 * ONE / 2),
            ("007", 7 * ONE),
            ("0.000000000001", 1),
            ("1.0000000000010000", ONE + 1),
            ("340282366920938463463374607.431768211455", u128::MAX),
        ] {
            assert_eq!(crn().parse(text).unwrap_or_else(|error| panic!("{text}: {error}")), units);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            " ",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "1_000",
            "1 000",
            "0x10",
            "1..5",
            "1.5.5",
            "CRN",
            "1 DOT",
            "1 CRN CRN",
            "1CRN2",
            "0.0000000000001",
            "340282366920938463463374607.431768211456",
            "１",
            "٣",
            "1.٣",
            "1\u{0}",
            "99999999999999999999999999999999999999999999999999999999999999999999999999999999999999",
        ] {
            let error = crn().parse(text).expect_err(text);
            assert!(error.to_string().contains("is not an amount"), "{error}");
        }
    }

    #[test]
    fn what_is_written_reads_back_exactly() {
        let mut seed = 88_172_645_463_325_252u64;
        let mut random = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for decimals in [0u8, 1, 6, 12, 18, 30] {
            let token = Token { symbol: "CRN".into(), decimals };
            for edge in [0, 1, 9, 10, u128::MAX, u128::MAX - 1, 10u128.pow(u32::from(decimals))] {
                assert_eq!(token.parse(&token.format(edge)).expect("own text"), edge);
            }
            for _ in 0..2_000 {
                let wide = (u128::from(random()) << 64 | u128::from(random())) >> (random() % 128);
                assert_eq!(token.parse(&token.format(wide)).expect("own text"), wide);
            }
        }
    }

    #[test]
    fn amounts_are_written_plainly() {
        for (units, text) in [
            (0, "0 CRN"),
            (1, "0.000000000001 CRN"),
            (ONE, "1 CRN"),
            (10 * ONE + ONE / 10, "10.1 CRN"),
            (u128::MAX, "340282366920938463463374607.431768211455 CRN"),
        ] {
            assert_eq!(crn().format(units), text);
        }
    }

    #[test]
    fn shares_are_exact() {
        for (text, parts) in
            [("0%", 0), ("5%", 50_000_000), ("2.5%", 25_000_000), ("100%", 1_000_000_000), ("0.0000001%", 1)]
        {
            assert_eq!(parse_percent(text).expect(text), parts);
            assert_eq!(format_percent(parts), text);
        }
        for text in
            ["5", "%", "-1%", "100.0000001%", "101%", "0.00000001%", "5%%", "99999999999999999999999999%", "five%"]
        {
            assert!(parse_percent(text).is_err(), "{text}");
        }
    }
}
