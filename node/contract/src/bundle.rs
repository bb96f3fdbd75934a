// SPDX-License-Identifier: Apache-2.0

//! Bundles: one JSON file with a contract's code and its metadata. Wallets and libraries for ink! read them.

use serde_json::{json, Map, Value};

/// What is known about a contract besides its code and metadata.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The crate's name.
    pub name: String,
    /// The crate's version.
    pub version: String,
    /// Who wrote it.
    pub authors: Vec<String>,
    /// `ink! 5.1.1`, or `Rust`.
    pub language: String,
    /// `rustc 1.95.0`.
    pub compiler: String,
    /// Whether `wasm-opt` made it smaller.
    pub optimised: bool,
}

/// The hash by which the chain knows code.
pub fn code_hash(code: &[u8]) -> [u8; 32] {
    sp_crypto_hashing::blake2_256(code)
}

/// Puts a bundle together. With `code` it is a `.contract`, without it the `.json` that only describes.
///
/// `metadata` is ink!'s; a contract that is not written in ink! has none.
pub fn assemble(about: &About, code: &[u8], with_code: bool, metadata: Option<&Value>) -> Value {
    let mut source = Map::new();
    source.insert("hash".into(), hex(&code_hash(code)).into());
    source.insert("language".into(), about.language.clone().into());
    source.insert("compiler".into(), about.compiler.clone().into());
    if with_code {
        source.insert("wasm".into(), hex(code).into());
    }
    source.insert("build_info".into(), json!({ "build_mode": "Release", "wasm_opt": about.optimised }));
    let mut bundle = Map::new();
    bundle.insert("source".into(), source.into());
    let contract = json!({ "name": about.name, "version": about.version, "authors": about.authors });
    bundle.insert("contract".into(), contract);
    if let Some(Value::Object(metadata)) = metadata {
        bundle.extend(metadata.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    bundle.into()
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
