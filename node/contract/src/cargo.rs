// SPDX-License-Identifier: Apache-2.0

//! Cargo, and the compiler that compiles contracts.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::build::Error;

const TARGET: &str = "wasm32v1-none";
/// Names the toolchain for contracts, if it is not the usual one.
const TOOLCHAIN_VARIABLE: &str = "CONTRACT_BUILD_TOOLCHAIN";
/// What would change how things are compiled, or which compiler it is.
const FOREIGN: &[&str] = &[
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_TARGET",
];
/// The profile that contracts have: small before fast, and an overflow is a trap.
const PROFILE: &[(&str, &str)] = &[
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "z"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "false"),
    ("CARGO_PROFILE_RELEASE_INCREMENTAL", "false"),
];
const RUSTFLAGS: &str = "-Clink-arg=-zstack-size=65536 -Clink-arg=--import-memory -Ctarget-cpu=mvp -Zunstable-options \
                         -Cpanic=immediate-abort";

/// Cargo with one toolchain.
#[derive(Clone, Debug)]
pub(crate) struct Cargo {
    toolchain: Option<String>,
    /// As `rustc --version` says.
    pub compiler: String,
}

/// A crate, as `cargo metadata` describes it.
#[derive(Clone, Debug)]
pub(crate) struct Crate {
    pub name: String,
    pub version: String,
    pub authors: Vec<String>,
    pub manifest: PathBuf,
    /// The library's name: that of the module that is compiled.
    pub library: String,
    /// Where Cargo puts what it makes.
    pub target: PathBuf,
    /// Where `Cargo.lock` is.
    pub workspace: PathBuf,
    /// The version of ink!, if it is written in it.
    pub ink: Option<String>,
    /// Whether it has the feature `std`.
    pub has_std: bool,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    authors: Vec<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    #[serde(default)]
    dependencies: Vec<Dependency>,
    #[serde(default)]
    features: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

impl Cargo {
    /// The usual toolchain, for what runs on this machine.
    pub(crate) fn host() -> Result<Self, Error> {
        Self::of(None)
    }

    /// A toolchain that has the source of `core`, which contracts are compiled with.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn with_source() -> Result<Self, Error> {
        let other = env::var(TOOLCHAIN_VARIABLE).ok().filter(|name| !name.is_empty());
        for toolchain in std::iter::once(None).chain(other.map(Some)) {
            let sysroot = run(rustc(toolchain.as_deref()).args(["--print", "sysroot"]))?;
            if Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file() {
                return Self::of(toolchain);
            }
        }
        Err(Error::NoSource)
    }

    fn of(toolchain: Option<String>) -> Result<Self, Error> {
        let compiler = run(rustc(toolchain.as_deref()).arg("--version"))?.trim().to_string();
        Ok(Self { toolchain, compiler })
    }

    pub(crate) fn command(&self) -> Command {
        // Not what the variable CARGO names: that one has its toolchain fixed.
        let mut command = Command::new("cargo");
        clean(&mut command);
        if let Some(toolchain) = &self.toolchain {
            command.arg(format!("+{toolchain}"));
        }
        command
    }

    /// Reads a crate's manifest.
    ///
    /// # Errors
    /// Cargo can't, or it has no library.
    pub(crate) fn read(&self, manifest: &Path) -> Result<Crate, Error> {
        let unusable = |reason: String| Error::Crate { manifest: manifest.to_path_buf(), reason };
        let manifest = manifest.canonicalize().map_err(|error| unusable(error.to_string()))?;
        let mut command = self.command();
        command.args(["metadata", "--format-version", "1", "--manifest-path"]).arg(&manifest);
        let metadata: Metadata =
            serde_json::from_str(&run(&mut command)?).map_err(|error| unusable(error.to_string()))?;
        let Metadata { packages, target_directory, workspace_root } = metadata;
        let ink = packages.iter().find(|package| package.name == "ink").map(|package| package.version.clone());
        let package = packages
            .into_iter()
            .find(|package| package.manifest_path == manifest)
            .ok_or_else(|| unusable("it is a workspace: name the folder of one contract".into()))?;
        let is_library = |target: &&Target| {
            target.kind.iter().any(|kind| matches!(kind.as_str(), "lib" | "rlib" | "cdylib" | "staticlib"))
        };
        let library = package.targets.iter().find(is_library).ok_or_else(|| {
            unusable("it has no library: a contract is a library crate (src/lib.rs, or [lib] with a path)".into())
        })?;
        Ok(Crate {
            library: library.name.replace('-', "_"),
            ink: ink.filter(|_| package.dependencies.iter().any(|dependency| dependency.name == "ink")),
            has_std: package.features.contains_key("std"),
            name: package.name,
            version: package.version,
            authors: package.authors,
            manifest,
            target: target_directory,
            workspace: workspace_root,
        })
    }

    /// Compiles a crate to a module, and answers where that is.
    ///
    /// # Errors
    /// It does not compile; the compiler has said why on the standard error stream.
    pub(crate) fn compile(&self, krate: &Crate, locked: bool) -> Result<PathBuf, Error> {
        // A folder of its own: what is compiled with a copy of `core` must not be mixed with the runtime's.
        let target = krate.target.join("contract");
        let mut command = self.command();
        command.args(["rustc", "--release", "--no-default-features", "--lib", "--crate-type", "cdylib"]);
        command.args(["--target", TARGET, "-Zbuild-std=core,alloc", "--manifest-path"]).arg(&krate.manifest);
        command.arg("--target-dir").arg(&target).env("RUSTC_BOOTSTRAP", "1").envs(PROFILE.iter().copied());
        command.env("CARGO_TARGET_WASM32V1_NONE_RUSTFLAGS", RUSTFLAGS);
        if locked {
            command.arg("--locked");
        }
        watch(&mut command)?;
        Ok(target.join(TARGET).join("release").join(format!("{}.wasm", krate.library)))
    }
}

fn rustc(toolchain: Option<&str>) -> Command {
    let mut command = Command::new("rustc");
    clean(&mut command);
    if let Some(toolchain) = toolchain {
        command.arg(format!("+{toolchain}"));
    }
    command
}

fn clean(command: &mut Command) {
    for name in FOREIGN {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
}

fn shown(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// Runs a command for what it prints.
pub(crate) fn run(command: &mut Command) -> Result<String, Error> {
    let program = shown(command);
    let done = command.output().map_err(|error| Error::Tool { program: program.clone(), reason: error.to_string() })?;
    if !done.status.success() {
        let reason = String::from_utf8_lossy(&done.stderr).trim().to_string();
        return Err(Error::Tool { program, reason });
    }
    String::from_utf8(done.stdout).map_err(|error| Error::Tool { program, reason: error.to_string() })
}

/// Runs a command whose messages go to the user.
pub(crate) fn watch(command: &mut Command) -> Result<(), Error> {
    let program = shown(command);
    // The standard output stream is the caller's.
    let status =
        command.stdout(Stdio::null()).status().map_err(|error| Error::Tool { program, reason: error.to_string() })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Compile)
    }
}
