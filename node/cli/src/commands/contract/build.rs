// SPDX-License-Identifier: Apache-2.0

//! `cairn contract new` and `build`: from nothing to a bundle that the chain takes.

use std::path::{Path, PathBuf};

use cairn_contract::build::{build, Error, Options};
use clap::Args;
use serde_json::json;

use crate::{
    context::Context,
    failure::{failed, usage_with_remedy, Result},
    output::{fields, Report},
};

pub const HELP: &str = "\
Writes NAME.contract (code and metadata), NAME.wasm and NAME.json. What the chain would refuse is refused here, with the
place and the remedy. Binaryen's wasm-opt is used if there is one (on the path, or named by WASM_OPT): it makes code about
a third shorter, and deposits with it.

Examples:
  cairn contract build
  cairn contract build contracts/tip-jar --out .";

pub const NEW_HELP: &str = "\
Then, in its folder: `cargo test`, and `cairn contract build`.

Examples:
  cairn contract new my-jar
  cairn contract new my-jar --path contracts/my-jar";

/// Makes a crate to begin with.
pub fn new(name: &str, path: Option<&Path>) -> Result<Report> {
    let folder = cairn_contract::new::new(name, path).map_err(|error| match error {
        Error::Name { .. } => usage_with_remedy(error.to_string(), "choose another name"),
        _ => failed(error.to_string(), "name another folder by --path"),
    })?;
    let folder = folder.display().to_string();
    let rows =
        [("contract", name.into()), ("folder", folder.clone()), ("next", format!("cairn contract build {folder}"))];
    Ok(Report::new(fields(rows), json!({ "name": name, "folder": folder })))
}

/// What to build.
#[derive(Args, Debug)]
pub struct BuildArgs {
    /// The contract's folder, or its Cargo.toml
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Folder for the files [default: `contract` in Cargo's target folder]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Binaryen's wasm-opt
    #[arg(long, value_name = "FILE")]
    wasm_opt: Option<PathBuf>,
    /// Fail when Cargo.lock would have to change
    #[arg(long)]
    locked: bool,
}

/// Builds it.
pub async fn run(context: &Context, args: BuildArgs) -> Result<Report> {
    let BuildArgs { path, out, wasm_opt, locked } = args;
    let options = Options { path, out, wasm_opt, locked };
    let progress = context.output.progress("building");
    let built = tokio::task::block_in_place(|| build(&options, &mut |text| progress.step(text)));
    drop(progress);
    let built = built.map_err(|error| {
        let message = error.to_string();
        match (&error, error.remedy()) {
            (Error::Compile | Error::Tool { .. } | Error::File { .. }, remedy) => {
                failed(message, remedy.unwrap_or_else(|| "mend that, then build again".into()))
            },
            (_, remedy) => usage_with_remedy(message, remedy.unwrap_or_else(|| "mend that, then build again".into())),
        }
    })?;
    if !built.optimised {
        context
            .output
            .note("no wasm-opt was found: the code is longer than it has to be (npm install --global binaryen)");
    }
    let hash = format!("0x{}", hex::encode(built.code_hash));
    let bundle = built.bundle.display().to_string();
    let json = json!({
        "name": built.name,
        "bundle": bundle,
        "code": built.code.display().to_string(),
        "metadata": built.metadata.display().to_string(),
        "code_hash": hash,
        "length": built.code_len,
        "length_before": built.raw_len,
        "optimised": built.optimised,
    });
    let length = format!("{} bytes", built.code_len);
    let rows = [("contract", built.name), ("bundle", bundle), ("length", length), ("code hash", hash)];
    Ok(Report::new(fields(rows), json))
}
