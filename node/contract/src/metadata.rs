// SPDX-License-Identifier: Apache-2.0

//! A contract's metadata: names, types and selectors, as ink! writes them.
//!
//! The contract's own code makes it, when compiled for this machine. So a program is built that contains the contract and prints
//! what `__ink_generate_metadata` answers.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    build::Error,
    cargo::{run, watch, Cargo, Crate, Ink},
};

const PROGRAM: &str = r#"
extern crate contract;

extern "Rust" {
    fn __ink_generate_metadata() -> ink::metadata::InkProject;
}

fn main() {
    // Defined by #[ink::contract] with this very signature, in this very version of ink!.
    let metadata = unsafe { __ink_generate_metadata() };
    println!("{}", serde_json::to_string(&metadata).expect("metadata is JSON"));
}
"#;

/// Makes the metadata of an ink! contract.
///
/// # Errors
/// The program can't be built or run: the crate lacks the feature `std`, or does not compile with it.
pub(crate) fn make(cargo: &Cargo, krate: &Crate, ink: &Ink) -> Result<Value, Error> {
    if !krate.has_std {
        return Err(Error::Crate {
            manifest: krate.manifest.clone(),
            reason: "an ink! contract needs the feature `std`: [features] std = [\"ink/std\"]".into(),
        });
    }
    let folder = krate.target.join("contract-metadata").join(format!("{}-{}", krate.name, krate.place()));
    let failed = |error: std::io::Error| Error::File { path: folder.clone(), reason: error.to_string() };
    fs::create_dir_all(folder.join("src")).map_err(failed)?;
    write_if_new(&folder.join("Cargo.toml"), &manifest(krate, ink)?)?;
    write_if_new(&folder.join("src/main.rs"), PROGRAM)?;
    // The same versions as the contract's.
    if let Ok(lock) = fs::read_to_string(krate.workspace.join("Cargo.lock")) {
        fs::write(folder.join("Cargo.lock"), lock).map_err(failed)?;
    }
    let mut build = cargo.command();
    build.args(["rustc", "--bin", "contract-metadata", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    // Events are known by what the linker gathers; without this it leaves out what nobody calls.
    build.arg("--target-dir").arg(&krate.target).args(["--", "-Clink-dead-code"]);
    watch(&mut build)?;
    let program = krate.target.join("debug/contract-metadata");
    let text = run(&mut std::process::Command::new(&program))?;
    serde_json::from_str(&text)
        .map_err(|error| Error::Tool { program: program.display().to_string(), reason: error.to_string() })
}

fn manifest(krate: &Crate, ink: &Ink) -> Result<String, Error> {
    let folder = krate.manifest.parent().unwrap_or(Path::new("/"));
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let path = folder.to_str().ok_or_else(|| Error::Crate {
        manifest: krate.manifest.clone(),
        reason: "its path is not text that a manifest can hold".into(),
    })?;
    Ok(format!(
        r#"[package]
name = "contract-metadata"
version = "0.0.0"
edition = "2021"

[dependencies]
contract = {{ package = {name}, path = {path}, default-features = false, features = ["std"] }}
ink = {{ {ink}, default-features = false, features = ["std"] }}
serde_json = "1"

[profile.dev]
debug = false

[workspace]
"#,
        name = quoted(&krate.name),
        path = quoted(path),
        ink = ink.dependency,
    ))
}

/// Writes a file unless it holds that already: Cargo builds again what is newer.
fn write_if_new(path: &Path, text: &str) -> Result<(), Error> {
    if fs::read_to_string(path).is_ok_and(|found| found == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(|error| Error::File { path: path.to_path_buf(), reason: error.to_string() })
}
