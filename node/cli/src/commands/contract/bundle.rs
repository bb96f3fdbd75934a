// SPDX-License-Identifier: Apache-2.0

//! Contracts' files: `.wasm`, and the `.contract` bundles of ink! (JSON: code as hex, and the names of what can be
//! called).

use std::{fs::File, io::Read, path::Path};

use cairn_contract::abi::{Abi, Kind};
use serde::Deserialize;

use super::input::parse_hex;
use crate::failure::{usage, usage_with_remedy, Result};

/// A file that is bigger holds no contract: the chain takes far less.
const FILE_LEN_MAX: u64 = 8 * 1024 * 1024;
const WASM_MAGIC: &[u8] = b"\0asm";
const SELECTOR_LEN: usize = 4;

/// A contract's file.
#[derive(Debug)]
pub struct Bundle {
    code: Option<Vec<u8>>,
    spec: Spec,
    /// Types and all, if it has ink! 5's metadata; or why not.
    abi: Result<Abi, String>,
}

#[derive(Debug, Deserialize)]
struct Json {
    source: Source,
    /// Contracts that are not ink!'s have none.
    #[serde(default)]
    spec: Spec,
}

#[derive(Debug, Deserialize)]
struct Source {
    wasm: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Spec {
    #[serde(default)]
    constructors: Vec<Entry>,
    #[serde(default)]
    messages: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    label: String,
    selector: String,
    #[serde(default)]
    args: Vec<serde::de::IgnoredAny>,
}

impl Bundle {
    /// Reads a file.
    ///
    /// # Errors
    /// A usage error if it can't be read or is neither.
    pub fn load(path: &Path) -> Result<Self> {
        let shown = path.display();
        let unreadable = |error: std::io::Error| usage(format!("can't read {shown}: {error}"));
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes));
        if read.map_err(unreadable)? as u64 > FILE_LEN_MAX {
            return Err(usage(format!("{shown} is too big to be a contract")));
        }
        Self::parse(&bytes).map_err(|error| error.context(shown.to_string()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.starts_with(WASM_MAGIC) {
            let abi = Err("it is plain WASM, without metadata".into());
            return Ok(Self { code: Some(bytes.to_vec()), spec: Spec::default(), abi });
        }
        let unreadable = |error: serde_json::Error| usage(format!("it is neither WASM nor a contract bundle: {error}"));
        let whole: serde_json::Value = serde_json::from_slice(bytes).map_err(unreadable)?;
        let json = Json::deserialize(&whole).map_err(unreadable)?;
        let abi = Abi::parse(&whole).map_err(|error| error.to_string());
        let code = json.source.wasm.as_deref().map(parse_hex).transpose()?;
        if code.as_deref().is_some_and(|code| !code.starts_with(WASM_MAGIC)) {
            return Err(usage("the code in it is not WASM"));
        }
        Ok(Self { code, spec: json.spec, abi })
    }

    /// What the contract can be asked, with types.
    ///
    /// # Errors
    /// A usage error if it has no metadata of ink! 5.
    pub fn abi(&self) -> Result<&Abi> {
        self.abi.as_ref().map_err(|reason| {
            usage_with_remedy(
                format!("this file can't encode arguments: {reason}"),
                "use the .contract bundle that `cairn contract build` writes, or give --data",
            )
        })
    }

    /// The code.
    ///
    /// # Errors
    /// A usage error if it holds none (a metadata file).
    pub fn code(&self) -> Result<&[u8]> {
        self.code.as_deref().ok_or_else(|| {
            usage_with_remedy("this file has no code in it", "use the .contract bundle, not the .json metadata")
        })
    }

    /// The selector of a constructor or message.
    ///
    /// # Errors
    /// A usage error if there is none of that name; the text names those there are.
    pub fn selector(&self, kind: Kind, name: &str) -> Result<[u8; SELECTOR_LEN]> {
        let (entries, what) = match kind {
            Kind::Constructor => (&self.spec.constructors, "constructor"),
            Kind::Message => (&self.spec.messages, "message"),
        };
        let entry = entries.iter().find(|entry| entry.label == name).ok_or_else(|| {
            let known: Vec<String> =
                entries.iter().map(|e| format!("{} ({} arguments)", e.label, e.args.len())).collect();
            let remedy = if known.is_empty() {
                "give the input with --data".into()
            } else {
                format!("it has {}", known.join(", "))
            };
            usage_with_remedy(format!("the contract has no {what} `{name}`"), remedy)
        })?;
        parse_hex(&entry.selector)?.try_into().map_err(|_| usage(format!("the selector of `{name}` is not 4 bytes")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLIPPER: &str = r#"{
        "source": {"hash": "0x00", "language": "ink! 5.1.1", "wasm": "0x0061736d01000000"},
        "contract": {"name": "flipper"},
        "spec": {
            "constructors": [{"label": "new", "selector": "0x9bae9d5e", "args": [{"label": "init_value", "type": {}}]}],
            "messages": [{"label": "flip", "selector": "0x633aa551", "args": []}, {"label": "get", "selector": "0x2f"}]
        }
    }"#;

    #[test]
    fn bundles_give_code_and_selectors() {
        let bundle = Bundle::parse(FLIPPER.as_bytes()).expect("valid");
        assert_eq!(bundle.code().expect("has code"), b"\0asm\x01\0\0\0");
        assert_eq!(bundle.selector(Kind::Constructor, "new").expect("known"), [0x9b, 0xae, 0x9d, 0x5e]);
        assert_eq!(bundle.selector(Kind::Message, "flip").expect("known"), [0x63, 0x3a, 0xa5, 0x51]);
    }

    #[test]
    fn unknown_names_are_answered_with_the_known_ones() {
        let bundle = Bundle::parse(FLIPPER.as_bytes()).expect("valid");
        let shown = crate::failure::Shown::new(&bundle.selector(Kind::Message, "new").expect_err("a constructor"));
        assert!(shown.remedy.expect("has one").contains("flip (0 arguments)"));
        assert!(bundle.selector(Kind::Message, "get").is_err(), "its selector is too short");
    }

    #[test]
    fn plain_wasm_has_code_and_no_names() {
        let bundle = Bundle::parse(b"\0asm\x01\0\0\0").expect("valid");
        assert!(bundle.code().is_ok() && bundle.selector(Kind::Message, "flip").is_err());
    }

    #[test]
    fn metadata_has_names_and_no_code() {
        let bundle = Bundle::parse(br#"{"source": {"hash": "0x"}, "spec": {"messages": []}}"#).expect("valid");
        assert!(bundle.code().is_err());
    }

    #[test]
    fn everything_else_is_refused() {
        for bytes in [
            &b""[..],
            b"{",
            b"[]",
            b"{}",
            br#"{"spec": {}}"#,
            br#"{"source": {}, "spec": 1}"#,
            b"\x7fELF",
            b"asm",
            br#"{"source": {"wasm": "0x00"}}"#,
            br#"{"source": {"wasm": "zz"}}"#,
        ] {
            assert!(Bundle::parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
