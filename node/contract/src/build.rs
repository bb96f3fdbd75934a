// SPDX-License-Identifier: Apache-2.0

//! The whole way from a crate to a bundle.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    bundle::{assemble, code_hash, About},
    cargo::Cargo,
    check, check_code, metadata, optimise, strip, Refusal,
};

/// What to build, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The crate's folder, or its `Cargo.toml`.
    pub path: PathBuf,
    /// Where the files go. Without it, `contract` in Cargo's target folder.
    pub out: Option<PathBuf>,
    /// Binaryen's `wasm-opt`. Without it the one that `WASM_OPT` names, or the one on the path; if there is none either, the code stays
    /// as it is.
    pub wasm_opt: Option<PathBuf>,
    /// Fail when `Cargo.lock` would have to change.
    pub locked: bool,
}

/// What was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The crate's name.
    pub name: String,
    /// The bundle: code and metadata.
    pub bundle: PathBuf,
    /// The code alone.
    pub code: PathBuf,
    /// The metadata alone.
    pub metadata: PathBuf,
    /// By which the chain knows the code.
    pub code_hash: [u8; 32],
    /// Length of the code, in bytes.
    pub code_len: usize,
    /// Length before it was made smaller.
    pub raw_len: usize,
    /// Whether `wasm-opt` was there.
    pub optimised: bool,
}

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The toolchain lacks the source of `core`.
    #[error("the Rust toolchain lacks the source of its library, which contracts are compiled with")]
    NoSource,
    /// A program failed.
    #[error("{program} failed: {reason}")]
    Tool {
        /// Which.
        program: String,
        /// What it said.
        reason: String,
    },
    /// The crate does not compile. The compiler has said why.
    #[error("the contract does not compile: the compiler says why above")]
    Compile,
    /// A new contract can't have this name.
    #[error("{name:?} can't be a contract's name: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What names are like.
        reason: &'static str,
    },
    /// The crate is not one that can be a contract.
    #[error("{manifest} is no contract: {reason}", manifest = manifest.display())]
    Crate {
        /// Its manifest.
        manifest: PathBuf,
        /// Why.
        reason: String,
    },
    /// `wasm-opt` failed.
    #[error("{program} failed: {reason}", program = program.display())]
    WasmOpt {
        /// Which one.
        program: PathBuf,
        /// What it said.
        reason: String,
    },
    /// The chain would refuse the code.
    #[error("the chain would refuse {name}: {refusal}")]
    Refused {
        /// The crate's name.
        name: String,
        /// Why.
        refusal: Refusal,
    },
    /// A file can't be read or written.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Error {
    /// What the user can do, if that is known.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Error::NoSource => Some(
                "run scripts/setup, or `rustup component add rust-src`; where rustup can't, set CONTRACT_BUILD_TOOLCHAIN to a toolchain that has it"
                    .into(),
            ),
            Error::Refused { refusal, .. } => Some(refusal.remedy.into()),
            Error::WasmOpt { .. } => Some("name another wasm-opt by --wasm-opt, or leave it out of the path".into()),
            Error::Tool { program, .. } if program == "cargo" || program == "rustc" => {
                Some("contracts are compiled with Rust's toolchain: https://rustup.rs".into())
            },
            _ => None,
        }
    }
}

/// Builds a contract. `step` is told what goes on; the compiler's messages go to the standard error stream.
///
/// # Errors
/// See [`Error`]. Files of an earlier build are left alone then.
pub fn build(options: &Options, step: &mut dyn FnMut(&str)) -> Result<Built, Error> {
    let (host, wasm) = (Cargo::host()?, Cargo::with_source()?);
    let manifest = if options.path.is_dir() { options.path.join("Cargo.toml") } else { options.path.clone() };
    let krate = host.read(&manifest)?;
    step(&format!("compiling {} {}", krate.name, krate.version));
    let compiled = wasm.compile(&krate, options.locked)?;
    let raw = fs::read(&compiled).map_err(file(&compiled))?;
    let refused = |refusal| Error::Refused { name: krate.name.clone(), refusal };
    // Before names are lost: they tell where a refused instruction comes from.
    check_code(&raw).map_err(refused)?;
    let stripped = strip(&raw).map_err(refused)?;
    let wasm_opt = optimise::find(options.wasm_opt.as_deref());
    let code = match &wasm_opt {
        Some(program) => {
            step("making it smaller");
            strip(&optimise::run(program, &stripped)?).map_err(refused)?
        },
        None => stripped.clone(),
    };
    check(&code).map_err(refused)?;
    let metadata = match &krate.ink {
        Some(ink) => {
            step("making its metadata");
            Some(metadata::make(&host, &krate, ink)?)
        },
        None => None,
    };
    let compiler = wasm.compiler.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let about = About {
        name: krate.name.clone(),
        version: krate.version.clone(),
        authors: krate.authors.clone(),
        language: krate.ink.as_ref().map_or_else(|| "Rust".into(), |ink| format!("ink! {}", ink.version)),
        compiler,
        optimised: wasm_opt.is_some(),
    };
    let out = options.out.clone().unwrap_or_else(|| krate.target.join("contract"));
    fs::create_dir_all(&out).map_err(file(&out))?;
    let place = |extension: &str| out.join(format!("{}.{extension}", krate.library));
    let built = Built {
        name: krate.name.clone(),
        bundle: place("contract"),
        code: place("wasm"),
        metadata: place("json"),
        code_hash: code_hash(&code),
        code_len: code.len(),
        raw_len: stripped.len(),
        optimised: wasm_opt.is_some(),
    };
    write(&built.code, &code)?;
    write(&built.metadata, format!("{:#}\n", assemble(&about, &code, false, metadata.as_ref())).as_bytes())?;
    write(&built.bundle, format!("{}\n", assemble(&about, &code, true, metadata.as_ref())).as_bytes())?;
    Ok(built)
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |error| Error::File { path: path.to_path_buf(), reason: error.to_string() }
}

/// Writes a whole file or none.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let new = path.with_extension("new");
    fs::write(&new, bytes).map_err(file(&new))?;
    fs::rename(&new, path).map_err(file(path))
}
