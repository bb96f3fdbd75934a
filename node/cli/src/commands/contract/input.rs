// SPDX-License-Identifier: Apache-2.0

//! What a contract is given: bytes, or names and JSON.

use cairn_client::{
    address::{from_address, to_address},
    AccountId,
};
use cairn_contract::abi::{self, Abi, Addresses, Callable, Kind};
use clap::Args;
use serde_json::Value;

use super::bundle::Bundle;
use crate::{
    amount::Token,
    failure::{usage, usage_with_remedy, Result},
};

/// Longer inputs don't fit a block.
const HEX_LEN_MAX: usize = 4 * 1024 * 1024;

/// What a contract is given.
#[derive(Args, Debug)]
pub struct InputArgs {
    /// Arguments in JSON: an object by name, or a list in their order. Or SCALE-encoded, in hex
    #[arg(long, value_name = "JSON", conflicts_with_all = ["data", "arg"], allow_hyphen_values = true)]
    args: Option<String>,
    /// An argument; once for each, in their order. Text needs no quotes
    #[arg(long, value_name = "VALUE", conflicts_with = "data", allow_hyphen_values = true)]
    arg: Vec<String>,
    /// Whole input in hex: selector and arguments
    #[arg(long, value_name = "HEX")]
    data: Option<String>,
    /// Coins to send along
    #[arg(long, value_name = "AMOUNT")]
    value: Option<String>,
}

/// Accounts as this chain writes them.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// What addresses begin with.
    pub prefix: u16,
}

impl Addresses for Chain {
    fn parse(&self, text: &str) -> Option<[u8; 32]> {
        from_address(text).ok().map(|(account, _)| account.0)
    }

    fn format(&self, account: &[u8; 32]) -> String {
        to_address(&AccountId::from(*account), self.prefix)
    }
}

/// What is called, by its name in the bundle.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    pub bundle: &'a Bundle,
    pub kind: Kind,
    pub name: &'a str,
}

impl<'a> Named<'a> {
    /// With its types, if the bundle has them.
    pub fn callable(&self) -> Result<(&'a Abi, &'a Callable)> {
        let abi = self.bundle.abi()?;
        let callable = abi.callable(self.kind, self.name).map_err(|error| usage(error.to_string()))?;
        Ok((abi, callable))
    }
}

impl InputArgs {
    /// The whole input.
    ///
    /// # Errors
    /// A usage error if it is not given, or does not fit what is called.
    pub fn data(&self, named: Option<Named<'_>>, chain: Chain) -> Result<Vec<u8>> {
        if let Some(data) = &self.data {
            return parse_hex(data);
        }
        let Some(named) = named else {
            return Err(usage("give the input with --data, or a bundle and the name of what is called"));
        };
        let encoded = self.args.as_deref().filter(|text| text.starts_with("0x"));
        let nothing = self.args.is_none() && self.arg.is_empty();
        // Without types, bytes and nothing at all can still be given.
        if encoded.is_some() || (nothing && named.bundle.abi().is_err()) {
            let mut data = named.bundle.selector(named.kind, named.name)?.to_vec();
            data.extend(encoded.map(parse_hex).transpose()?.unwrap_or_default());
            return Ok(data);
        }
        let (abi, callable) = named.callable()?;
        let args = self.json(abi, callable)?;
        abi.encode(callable, &args, &chain).map_err(|error| {
            usage_with_remedy(error.to_string(), format!("it is called like this: {}", abi.signature(callable)))
        })
    }

    fn json(&self, abi: &Abi, callable: &Callable) -> Result<abi::Args> {
        let Some(text) = &self.args else {
            let read = |(place, text): (usize, &String)| {
                let json = serde_json::from_str(text).ok().filter(|_| !abi.takes_text(callable, place));
                json.unwrap_or_else(|| Value::from(text.as_str()))
            };
            return Ok(abi::Args::Ordered(self.arg.iter().enumerate().map(read).collect()));
        };
        match serde_json::from_str(text) {
            Ok(Value::Object(named)) => Ok(abi::Args::Named(named)),
            Ok(Value::Array(list)) => Ok(abi::Args::Ordered(list)),
            Ok(_) => Err(usage(r#"--args takes an object ({"to": "5G…", "value": 1}), a list, or bytes (0x…)"#)),
            Err(error) => Err(usage(format!("--args is not JSON: {error}"))),
        }
    }

    /// The coins to send along.
    pub fn value(&self, token: &Token) -> Result<u128> {
        self.value.as_deref().map_or(Ok(0), |text| token.parse(text))
    }
}

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
