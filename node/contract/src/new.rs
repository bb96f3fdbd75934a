// SPDX-License-Identifier: Apache-2.0

//! The beginning of a contract of one's own: a crate that stands alone, with a contract that works and its tests.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use crate::build::Error;

/// Longest name of a contract.
pub const NAME_LEN_MAX: usize = 64;
/// The version that the contracts here have; no longer maintained upstream, so it is pinned.
const INK: &str = r#"{ version = "=5.1.1", default-features = false }"#;
const SOURCE: &str = include_str!("../../../contracts/tip-jar/lib.rs");
/// Versions of all dependencies that are known to work together. Cargo drops from it what the crate doesn't need.
const LOCK: &str = include_str!("../../../contracts/Cargo.lock");
/// Names that Rust has another use for, so no library can have them.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "ink",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "tests",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Makes the folder of a new contract; answers where it is. `path` is the folder, or else the name in the current one.
///
/// # Errors
/// [`Error::Name`]; [`Error::File`] if the folder is there already and has something in it, or can't be written.
pub fn new(name: &str, path: Option<&Path>) -> Result<PathBuf, Error> {
    check(name)?;
    let folder = path.map_or_else(|| PathBuf::from(name), Path::to_path_buf);
    let failed = |path: &Path, error: std::io::Error| Error::File { path: path.into(), reason: error.to_string() };
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    let mut within = fs::read_dir(&folder).map_err(|error| failed(&folder, error))?;
    if within.next().is_some() {
        let there = std::io::Error::new(ErrorKind::AlreadyExists, "there is something in it already");
        return Err(failed(&folder, there));
    }
    for (file, text) in [
        ("Cargo.toml", manifest(name)),
        ("lib.rs", source(name)),
        ("Cargo.lock", LOCK.into()),
        (".gitignore", "/target\n".into()),
    ] {
        let path = folder.join(file);
        let written = OpenOptions::new().write(true).create_new(true).open(&path);
        written.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| failed(&path, error))?;
    }
    Ok(folder)
}

/// A name that both Cargo and Rust take, with `-` read as `_`.
fn check(name: &str) -> Result<(), Error> {
    let no = |reason| Err(Error::Name { name: name.into(), reason });
    if name.is_empty() || name.len() > NAME_LEN_MAX {
        return no("it has 1 to 64 characters");
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return no("it begins with a small letter");
    }
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_') {
        return no("it has small letters, digits, - and _ only");
    }
    if TAKEN.contains(&module(name).as_str()) {
        return no("Rust has another use for it");
    }
    Ok(())
}

fn module(name: &str) -> String {
    name.replace('-', "_")
}

/// Types keep their names: one that comes from the contract's might be that of another in it.
fn source(name: &str) -> String {
    SOURCE.replace("tip_jar", &module(name))
}

fn manifest(name: &str) -> String {
    format!(
        r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2021"
publish = false

[lib]
path = "lib.rs"

[dependencies]
ink = {INK}

[features]
default = ["std"]
std = ["ink/std"]
# What ink! looks for when one contract calls another.
ink-as-dependency = []

[lints.rust]
unexpected_cfgs = {{ level = "warn", check-cfg = ['cfg(ink_abi, values("ink", "sol", "all"))'] }}

[profile.dev]
debug = false

# It stands alone, also within another workspace's folder.
[workspace]
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_contract_is_the_tip_jar_by_another_name() {
        let place = tempfile::tempdir().unwrap();
        let folder = new("my-2nd_jar", Some(&place.path().join("a/b"))).unwrap();
        let read = |file| fs::read_to_string(folder.join(file)).unwrap();
        assert!(read("Cargo.toml").contains("name = \"my-2nd_jar\"\n"));
        let source = read("lib.rs");
        assert!(source.contains("\nmod my_2nd_jar {\n") && !source.contains("tip_jar"));
        assert_eq!(read("Cargo.lock"), LOCK);
    }

    /// Its lock file has no other one.
    #[test]
    fn it_has_the_version_of_ink_that_contracts_have() {
        assert!(include_str!("../../../contracts/Cargo.toml").contains(&format!("\nink = {INK}\n")));
    }

    #[test]
    fn nothing_is_written_over() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("lib.rs"), "mine").unwrap();
        let error = new("jar", Some(place.path())).unwrap_err().to_string();
        assert!(error.contains("something in it already"), "{error}");
        assert_eq!(fs::read_to_string(place.path().join("lib.rs")).unwrap(), "mine");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_that_no_library_can_have_are_refused_before_anything_is_made() {
        let place = tempfile::tempdir().unwrap();
        let long = "a".repeat(NAME_LEN_MAX + 1);
        for name in [
            "",
            "1st",
            "-jar",
            "_jar",
            "Jar",
            "jär",
            "a b",
            "a/b",
            "../jar",
            "a\"b",
            "ink",
            "self",
            "proc-macro",
            &long,
        ] {
            let folder = place.path().join("new");
            assert!(matches!(new(name, Some(&folder)), Err(Error::Name { .. })), "{name}");
            assert!(!folder.exists());
        }
    }
}
