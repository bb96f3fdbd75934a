// SPDX-License-Identifier: Apache-2.0

//! The vault's folder: its service key, its lock, its store.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use cairn_wire::{ServiceKey, WireError};
use nix::fcntl::{Flock, FlockArg};
use zeroize::Zeroizing;

/// File of the service key: 64 hex digits.
pub const KEY_FILE: &str = "service-key";
/// File that is locked while a vault runs.
pub const LOCK_FILE: &str = "lock";
/// Folder of what is stored.
pub const STORE_FOLDER: &str = "store";

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Another vault runs with it.
    #[error("{0} is in use by another vault: give each a folder of its own")]
    InUse(PathBuf),
    /// Others can read the key.
    #[error("{0} can be read by others: chmod 600 it, and give the vault a new key if somebody may have")]
    Exposed(PathBuf),
    /// The key's file holds no key.
    #[error("{0} holds no key (64 hex digits)")]
    NoKey(PathBuf),
    /// A key can't be made.
    #[error(transparent)]
    Key(#[from] WireError),
    /// The system refuses.
    #[error("{path}: {source}")]
    Io {
        /// What is refused.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A vault's folder, locked for one process.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: Flock<File>,
}

impl DataFolder {
    /// Makes the folder if need be, and locks it.
    ///
    /// # Errors
    /// [`DataError::InUse`], [`DataError::Io`].
    pub fn lock(path: &Path) -> Result<Self, DataError> {
        make_folder(path)?;
        let lock = path.join(LOCK_FILE);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock);
        let file = file.map_err(failed(&lock))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(DataFolder { path: path.into(), _lock: lock }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(DataError::InUse(path.into())),
            Err((_, error)) => Err(failed(&lock)(error.into())),
        }
    }

    /// Where the store is.
    pub fn store(&self) -> PathBuf {
        self.path.join(STORE_FOLDER)
    }

    /// The service key.
    ///
    /// # Errors
    /// As [`open_key`].
    pub fn key(&self) -> Result<ServiceKey, DataError> {
        open_key(&self.path)
    }
}

/// The service key in a vault's folder; makes one, and the folder, if there is none.
///
/// # Errors
/// [`DataError::Exposed`], [`DataError::NoKey`], [`DataError::Io`].
pub fn open_key(folder: &Path) -> Result<ServiceKey, DataError> {
    make_folder(folder)?;
    let path = folder.join(KEY_FILE);
    match File::open(&path) {
        Ok(file) => read_key(&path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(folder, &path),
        Err(error) => Err(failed(&path)(error)),
    }
}

fn read_key(path: &Path, file: File) -> Result<ServiceKey, DataError> {
    let mode = file.metadata().map_err(failed(path))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(DataError::Exposed(path.into()));
    }
    let mut text = Zeroizing::new(String::with_capacity(128));
    file.take(128).read_to_string(&mut text).map_err(failed(path))?;
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut secret[..]).map_err(|_| DataError::NoKey(path.into()))?;
    Ok(ServiceKey::from_secret(secret)?)
}

fn make_key(folder: &Path, path: &Path) -> Result<ServiceKey, DataError> {
    let key = ServiceKey::generate()?;
    let text = Zeroizing::new(hex::encode(key.secret()) + "\n");
    // Whole or not at all: a key that was registered and is half written would be lost.
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(failed(&new))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed(&new))?;
    fs::rename(&new, path).map_err(failed(path))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
    Ok(key)
}

fn make_folder(path: &Path) -> Result<(), DataError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed(path))
}

/// What a vault's folder takes up, and what its disk has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Bytes of the logs, holes left out.
    pub stored_bytes: u64,
    /// Bytes that are free.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// What a vault's folder takes up, if it is there; nothing before the vault has run. Can be asked while it runs.
pub fn disk(folder: &Path) -> Option<Disk> {
    let logs = fs::read_dir(folder.join(STORE_FOLDER).join("logs")).into_iter().flatten();
    let sizes = logs.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.blocks().saturating_mul(512)));
    let room = nix::sys::statvfs::statvfs(folder).ok()?;
    Some(Disk {
        stored_bytes: sizes.sum(),
        free_bytes: room.blocks_available().saturating_mul(room.fragment_size()),
        total_bytes: room.blocks().saturating_mul(room.fragment_size()),
    })
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> DataError {
    let path = path.to_owned();
    move |source| DataError::Io { path, source }
}
