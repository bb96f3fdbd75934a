// SPDX-License-Identifier: Apache-2.0

//! Bytes on the command line.

use crate::failure::{usage, Result};

/// Longer inputs don't fit a block.
const HEX_LEN_MAX: usize = 4 * 1024 * 1024;

/// Reads `0x…`.
///
/// # Errors
/// A usage error for anything else.
pub fn parse_hex(text: &str) -> Result<Vec<u8>> {
    let digits = text.strip_prefix("0x").ok_or_else(|| usage("bytes are written in hex, beginning with 0x"))?;
    if digits.len() > HEX_LEN_MAX {
        return Err(usage("that is more than fits a block"));
    }
    hex::decode(digits).map_err(|error| usage(format!("these bytes are not hex: {error}")))
}

/// Reads a hash.
///
/// # Errors
/// A usage error for anything but `0x` and 64 hex digits.
pub fn parse_hash(text: &str) -> Result<[u8; 32]> {
    parse_hex(text)?.try_into().map_err(|_| usage("a hash has 32 bytes: 0x and 64 hex digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prefixed_hex_is_bytes() {
        assert_eq!(parse_hex("0x").expect("empty"), Vec::<u8>::new());
        assert_eq!(parse_hex("0x00fF").expect("two bytes"), [0, 255]);
        for wrong in ["", "00", "0x0", "0xgg", "0X00", "0x 00", " 0x00", "0xé"] {
            assert!(parse_hex(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hashes_have_their_length() {
        assert_eq!(parse_hash(&format!("0x{}", "07".repeat(32))).expect("a hash"), [7; 32]);
        for length in [0, 31, 33] {
            assert!(parse_hash(&format!("0x{}", "07".repeat(length))).is_err());
        }
    }
}
