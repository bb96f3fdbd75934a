// SPDX-License-Identifier: Apache-2.0

//! Cargo, and the compiler that compiles contracts.

use std::{
    env, fs,
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
    /// ink!, if it is written in it.
    pub ink: Option<Ink>,
    /// The packages of this machine's own files that are compiled with it, by name.
    pub local: Vec<String>,
    /// Whether it has the feature `std`.
    pub has_std: bool,
}

/// The ink! that a crate is written in.
#[derive(Clone, Debug)]
pub(crate) struct Ink {
    pub version: String,
    /// As a manifest names that very source: `version = "=5.1.1"`, or a path, or a commit.
    pub dependency: String,
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
    /// Where it was got; none for a folder of this machine.
    source: Option<String>,
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
        let ink = packages.iter().find(|package| package.name == "ink").map(Package::as_ink);
        let own = packages.iter().filter(|package| package.source.is_none());
        let local = own.map(|package| package.name.clone()).collect();
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
            local,
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
        krate.forget_others(&target.join(TARGET).join("release"))?;
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

impl Package {
    /// The same ink!, for a manifest of another crate: two copies of it would not know of each other's events.
    fn as_ink(&self) -> Ink {
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let git = self.source.as_deref().and_then(|source| source.strip_prefix("git+"));
        let git = git.and_then(|source| source.rsplit_once('#')).map(|(url, commit)| (url.split('?').next(), commit));
        let folder = self.manifest_path.parent().unwrap_or(Path::new("/")).to_string_lossy();
        let dependency = match (&self.source, git) {
            (None, _) => format!("path = {}", quoted(&folder)),
            (Some(_), Some((Some(url), commit))) => format!("git = {}, rev = {}", quoted(url), quoted(commit)),
            _ => format!("version = {}", quoted(&format!("={}", self.version))),
        };
        Ink { version: self.version.clone(), dependency }
    }
}

impl Crate {
    /// A short name of the folder that the crate is in: two folders may have crates of one name.
    pub(crate) fn place(&self) -> String {
        let hash = sp_crypto_hashing::blake2_256(self.manifest.to_string_lossy().as_bytes());
        hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Has Cargo compile again what it made last of crates of the same names in another folder: it tells them apart by name and
    /// version only, and takes files that are older than that for unchanged.
    fn forget_others(&self, made: &Path) -> Result<(), Error> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |error: std::io::Error| Error::File { path, reason: error.to_string() }
        };
        let places = made.join("contract-places");
        fs::create_dir_all(&places).map_err(failed(&places))?;
        let here = self.workspace.to_string_lossy();
        for name in &self.local {
            let note = places.join(name);
            if fs::read_to_string(&note).is_ok_and(|place| place == here) {
                continue;
            }
            let prints = made.join(".fingerprint");
            for entry in fs::read_dir(&prints).into_iter().flatten().flatten() {
                let is_its =
                    entry.file_name().to_str().and_then(|entry| entry.rsplit_once('-')).map(|(of, _)| of == name);
                if is_its == Some(true) {
                    fs::remove_dir_all(entry.path()).map_err(failed(&entry.path()))?;
                }
            }
            fs::write(&note, here.as_bytes()).map_err(failed(&note))?;
        }
        Ok(())
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
