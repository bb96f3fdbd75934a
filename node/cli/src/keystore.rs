// SPDX-License-Identifier: Apache-2.0

//! The folder that holds the user's accounts, one encrypted file each.
//!
//! # Correctness
//! - A file is there completely or not at all: it is written beside its place, made durable, and then linked into it.
//!   On file systems without links (FAT) it is written in its place: a power cut just then may leave part of it.
//! - A file is never overwritten: linking fails if the name is taken, also when another process takes it meanwhile, and
//!   so does writing in place.
//! - Files are readable by their owner only, and so is the folder if this program makes it.

mod file;

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use cairn_client::{keys::Keypair, AccountId};

pub use file::{AccountFile, ScryptParams, FILE_LEN_MAX};

use crate::failure::{failed, usage, usage_with_remedy, Result};

const NAME_LEN_MAX: usize = 32;
/// A folder with more files than this is not a keystore.
const ACCOUNTS_MAX: usize = 10_000;
const EXTENSION: &str = "json";

/// A stored account as it is listed; its key stays encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAccount {
    /// The name it is stored under.
    pub name: String,
    /// The account.
    pub account: AccountId,
    /// When it was stored, in milliseconds since 1970, if the file says so.
    pub created_ms: Option<u64>,
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Keystore {
    dir: PathBuf,
}

impl Keystore {
    /// A keystore in this folder, which need not exist yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where an account of this name is stored.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        Ok(self.dir.join(format!("{name}.{EXTENSION}")))
    }

    /// Whether there is an account of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.path(name).is_ok_and(|path| path.exists())
    }

    /// Encrypts a key pair and stores it.
    ///
    /// # Errors
    /// A usage error if the name is taken.
    pub fn create(&self, name: &str, key: &Keypair, passphrase: &str) -> Result<PathBuf> {
        let path = self.path(name)?;
        if path.exists() {
            return Err(taken(name));
        }
        let file = AccountFile::encrypt(key, passphrase, name, ScryptParams::STRONG)?;
        make_private_dir(&self.dir)?;
        write_new(&path, file.to_json().as_bytes(), PRIVATE).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => taken(name),
            _ => anyhow::Error::new(error).context(format!("can't write {}", path.display())),
        })?;
        Ok(path)
    }

    /// Decrypts a stored key pair.
    pub fn unlock(&self, name: &str, passphrase: &str) -> Result<Keypair> {
        self.load(name)?.decrypt(passphrase).with_context(|| format!("account `{name}`"))
    }

    /// A stored account's file, still encrypted.
    pub fn load(&self, name: &str) -> Result<AccountFile> {
        let path = self.path(name)?;
        let text = read_text(&path, FILE_LEN_MAX, "an account").map_err(|error| match error.kind() {
            ErrorKind::NotFound => usage_with_remedy(
                format!("there is no stored account `{name}`"),
                "`cairn account list` shows those there are; `cairn account new` makes one",
            ),
            _ => anyhow::Error::new(error).context(format!("can't read {}", path.display())),
        })?;
        AccountFile::from_json(&text).with_context(|| path.display().to_string())
    }

    /// The account of this name.
    pub fn account(&self, name: &str) -> Result<AccountId> {
        Ok(self.load(name)?.account())
    }

    /// All stored accounts by name, and the files that look like accounts but can't be read.
    pub fn list(&self) -> Result<(Vec<StoredAccount>, Vec<String>)> {
        let (mut accounts, mut unreadable) = (Vec::new(), Vec::new());
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((accounts, unreadable)),
            Err(error) => return Err(error).with_context(|| format!("can't read {}", self.dir.display())),
        };
        for entry in entries.take(ACCOUNTS_MAX) {
            let path = entry?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_string();
            if path.extension().is_none_or(|extension| extension != EXTENSION) || check_name(&name).is_err() {
                continue;
            }
            match self.load(&name) {
                Ok(file) => {
                    accounts.push(StoredAccount { account: file.account(), created_ms: file.created_ms(), name })
                },
                Err(error) => unreadable.push(format!("{error:#}")),
            }
        }
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((accounts, unreadable))
    }

    /// The name that an account is stored under.
    pub fn name_of(&self, account: &AccountId) -> Option<String> {
        let (accounts, _) = self.list().ok()?;
        accounts.into_iter().find(|stored| stored.account == *account).map(|stored| stored.name)
    }

    /// Deletes a stored account.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        fs::remove_file(&path).with_context(|| format!("can't remove {}", path.display()))?;
        sync_dir(&self.dir).with_context(|| format!("can't sync {}", self.dir.display()))
    }
}

fn taken(name: &str) -> anyhow::Error {
    usage_with_remedy(
        format!("there is an account `{name}` already; stored accounts are never overwritten"),
        "choose another name, or remove the old one with `cairn account remove`",
    )
}

/// Names are plain file names that no shell and no file system changes.
///
/// # Errors
/// A usage error for any other name.
pub fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.len() <= NAME_LEN_MAX && name.starts_with(first) && name.chars().all(plain) {
        Ok(())
    } else {
        Err(usage(format!(
            "an account's name has up to {NAME_LEN_MAX} characters of a-z, 0-9, `-`, `_` and `.`, and begins with a letter or digit"
        )))
    }
}

/// Reads a text file of at most `length_max` bytes; a longer one is too big to be `what`.
pub fn read_text(path: &Path, length_max: u64, what: &str) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    let mut file = File::open(path)?.take(length_max + 1);
    file.read_to_string(&mut text)?;
    if text.len() as u64 > length_max {
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, format!("it is too big to be {what}")));
    }
    Ok(text)
}

/// Makes a folder that only its owner may look into, if it isn't there.
pub fn make_private_dir(dir: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("can't make the folder {}", dir.display()))
}

/// Mode of files that only their owner may read.
pub const PRIVATE: u32 = 0o600;
/// Mode of files that anybody may read.
pub const PUBLIC: u32 = 0o644;

/// Writes a file completely and durably; fails if it exists.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    write_new_with(path, bytes, mode, |from, to| fs::hard_link(from, to))
}

/// `link` puts the finished file in its place, and fails if there is one already.
fn write_new_with(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    link: impl FnOnce(&Path, &Path) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let (dir, temporary) = beside(path)?;
    let linked = write_durably(&temporary, bytes, mode).map(|()| link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    match linked? {
        Ok(()) => removed?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
        // No links here.
        Err(_) => {
            removed?;
            write_durably(path, bytes, mode)?;
        },
    }
    sync_dir(dir)
}

/// Writes a file completely and durably in the place of one that may exist: that one stays until the new one is whole.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let (dir, temporary) = beside(path)?;
    let replaced = write_durably(&temporary, bytes, mode).and_then(|()| fs::rename(&temporary, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    replaced?;
    sync_dir(dir)
}

/// The folder of a file, and a name in it that nobody uses.
fn beside(path: &Path) -> std::io::Result<(&Path, PathBuf)> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut random = [0u8; 8];
    getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok((dir, dir.join(format!(".cairn-{}.tmp", hex::encode(random)))))
}

/// Writes a file that must not exist yet; leaves nothing behind if that fails.
fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Randomness from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| failed(format!("the system gives no randomness: {error}"), "check the system"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
