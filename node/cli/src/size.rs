// SPDX-License-Identifier: Apache-2.0

//! Sizes of data, as people write them and as the chain counts them: in units of 4 KiB.

use cairn_client::chain::storage::UNIT_BYTES;

use crate::failure::{usage, Result};

/// What sizes are written in, the largest first.
const MEASURES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Reads `10GiB`, `1.5 TiB` or `500MB` as a number of bytes.
///
/// # Errors
/// Usage errors for anything that is not a size.
pub fn parse_bytes(text: &str) -> Result<u64> {
    let shown: String = text.chars().take(40).collect();
    let wrong = || usage(format!("`{shown}` is not a size: write it like 10GiB, 1.5TiB or 500MB"));
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, measure) = (text[..split].trim_end(), &text[split..]);
    let known = MEASURES.into_iter().find(|(name, _)| measure.eq_ignore_ascii_case(name));
    let (_, bytes) = known.ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(wrong());
    }
    let parse = |text: &str| text.parse::<u128>().map_err(|_| wrong());
    let parts = 10u128.pow(fraction.len() as u32);
    let all = (parse(whole)? * parts + parse(fraction)?) * u128::from(bytes) / parts;
    u64::try_from(all).map_err(|_| wrong())
}

/// Reads a size as a number of units, rounded down.
///
/// # Errors
/// Usage errors for anything that is not a size, or less than a unit.
pub fn parse_units(text: &str) -> Result<u64> {
    match parse_bytes(text)? / UNIT_BYTES as u64 {
        0 => Err(usage(format!("`{text}` is too little: the least is 4KiB"))),
        units => Ok(units),
    }
}

/// Writes a number of bytes, to about three digits: `1.46 GiB`.
pub fn format_bytes(bytes: u64) -> String {
    let measure = MEASURES[..4].iter().find(|(_, size)| bytes >= *size);
    let Some((name, size)) = measure else { return format!("{bytes} B") };
    let hundredths = u128::from(bytes) * 100 / u128::from(*size);
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    match (whole, rest) {
        (_, 0) => format!("{whole} {name}"),
        (100.., _) => format!("{whole} {name}"),
        (10.., _) if rest >= 10 => format!("{whole}.{} {name}", rest / 10),
        (10.., _) => format!("{whole} {name}"),
        _ if rest % 10 == 0 => format!("{whole}.{} {name}", rest / 10),
        _ => format!("{whole}.{rest:02} {name}"),
    }
}

/// Writes a number of units as a size.
pub fn format_units(units: u64) -> String {
    format_bytes(units.saturating_mul(UNIT_BYTES as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_exactly() {
        for (text, bytes) in [
            ("10GiB", 10 << 30),
            ("1.5 TiB", 3 << 39),
            ("0.5mib", 1 << 19),
            ("500MB", 500_000_000),
            ("4096B", 4096),
            (" 7 KiB ", 7168),
            ("15.999999TiB", 17_592_184_944_904),
        ] {
            assert_eq!(parse_bytes(text).expect(text), bytes, "{text}");
        }
        for text in
            ["", "10", "GiB", "-1GiB", "1,5GiB", "1.GiB", ".5GiB", "1e3GiB", "10 gigs", "99999999999999TiB", "1.2.3GiB"]
        {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        assert_eq!(parse_units("10GiB").expect("a size"), 10 << 18);
        assert!(parse_units("4095B").is_err());
    }

    #[test]
    fn sizes_are_written_shortly() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (1_566_572_544, "1.45 GiB"),
            (10 << 30, "10 GiB"),
            (11_274_289_152, "10.5 GiB"),
            (150 << 20, "150 MiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(format_bytes(bytes), text);
        }
        assert_eq!(format_units(1 << 18), "1 GiB");
    }
}
