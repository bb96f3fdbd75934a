// SPDX-License-Identifier: Apache-2.0

//! What has to survive a crash for an upload to go on: the seed that its files' keys follow from, and the head that it was
//! about to commit.
//!
//! # Correctness
//! - A journal is on disk before the first byte is sent, and a head is in it before the checkpoint is. So after a crash either
//!   the chain has that head, and what was uploaded is committed, or the same stripes are made again from the same seed.
//! - That a head was committed doesn't say that the command is done: sources may be others by now. See
//!   [`Plan::stands`](crate::Plan::stands).
//! - One process at a time has a command's journal.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use cairn_primitives::storage::DriveId;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    download::{sync_parent, to_ms},
    keys::random,
    path::DrivePath,
    DriveError,
};

const FORMAT: u32 = 1;
/// A journal has some 300 bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// How long a journal is kept of a command that nobody runs again. What it spared was cut from the vaults' logs long before.
const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const KEY_CONTEXT: &str = "cairn/drive/file-key/v1";
const OTHER_KEY_CONTEXT: &str = "cairn/drive/other-key/v1";

/// A journal of an upload.
#[derive(Debug)]
pub struct Journal {
    file: PathBuf,
    stored: Stored,
    /// What was about to be committed is of this run.
    of_this_run: bool,
    _lock: Lock,
}

/// Held while a process has a command's journal.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// `None` if another process has it.
    fn take(path: PathBuf) -> std::io::Result<Option<Self>> {
        loop {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            match file.try_lock() {
                Ok(()) => {},
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever had it before has removed it perhaps, and another made a new one.
            let now = fs::metadata(&path).map(|found| (found.dev(), found.ino()));
            let ours = file.metadata()?;
            if now.is_ok_and(|now| now == (ours.dev(), ours.ino())) {
                return Ok(Some(Lock { path, _file: file }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still held, so that nobody's is removed who took it since.
        let _ = fs::remove_file(&self.path);
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    genesis: String,
    drive: DriveId,
    /// Names the command.
    command: String,
    seed: String,
    /// When the command was first run, in milliseconds since 1970.
    started_ms: i64,
    /// What was about to be committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    committing: Option<Committing>,
}

/// What was about to be committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committing {
    /// The version that it makes.
    pub version: u64,
    /// The head, in hex.
    pub head: String,
    /// What the command tells once it is committed.
    pub outcome: Vec<String>,
}

/// What a journal calls a command.
fn name(command: &[u8]) -> String {
    blake3::hash(command).to_hex()[..32].to_string()
}

/// Where the journal of a command is.
fn file(folder: &Path, genesis: &str, drive: DriveId, command: &str) -> PathBuf {
    folder.join(format!("{}-{drive}-{}.json", &genesis[..8], &command[..16]))
}

impl Stored {
    /// For a command that begins now.
    fn new(genesis: String, drive: DriveId, command: String) -> Result<Self, DriveError> {
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
        let (seed, started_ms) = (hex::encode(*seed), to_ms(SystemTime::now()));
        Ok(Stored { format: FORMAT, genesis, drive, command, seed, started_ms, committing: None })
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "journal of drive {}", self.drive)
    }
}

impl Journal {
    /// The journal of a command, from an earlier run that didn't end, or a new one. `command` names what is done, so that
    /// only the same command goes on with it.
    ///
    /// # Errors
    /// [`DriveError::Running`] if another process is at the same command; [`DriveError::Journal`] if there is one that can't be
    /// read.
    pub fn open(folder: &Path, genesis: &[u8; 32], drive: DriveId, command: &[u8]) -> Result<(Self, bool), DriveError> {
        let command = name(command);
        let genesis = hex::encode(genesis);
        let file = file(folder, &genesis, drive, &command);
        let io = || DriveError::io(file.display().to_string());
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io())?;
        forget_old(folder).map_err(io())?;
        let lock = Lock::take(file.with_extension("lock")).map_err(io())?.ok_or(DriveError::Running)?;
        let wrong = |reason: String| DriveError::Journal { file: file.display().to_string(), reason };
        if let Some(text) = read(&file).map_err(|error| wrong(error.to_string()))? {
            let stored: Stored = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
            if stored.format != FORMAT
                || stored.genesis != genesis
                || stored.drive != drive
                || stored.command != command
            {
                return Err(wrong("it is of another program version or drive".into()));
            }
            return Ok((Journal { file, stored, of_this_run: false, _lock: lock }, true));
        }
        let stored = Stored::new(genesis, drive, command)?;
        let journal = Journal { file, stored, of_this_run: false, _lock: lock };
        journal.store()?;
        Ok((journal, false))
    }

    /// Whether an earlier run of a command left its journal.
    pub fn is_left(folder: &Path, genesis: &[u8; 32], drive: DriveId, command: &[u8]) -> bool {
        file(folder, &hex::encode(genesis), drive, &name(command)).exists()
    }

    /// Begins anew: what the earlier run did is committed, and the command means something else by now. A finished upload's keys
    /// serve no other.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn renew(&mut self) -> Result<(), DriveError> {
        let Stored { genesis, drive, command, .. } = &self.stored;
        self.stored = Stored::new(genesis.clone(), *drive, command.clone())?;
        self.store()
    }

    /// The key of a file that is put to a path.
    pub fn file_key(&self, path: &DrivePath) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(KEY_CONTEXT);
        hasher.update(self.stored.seed.as_bytes()).update(path.as_str().as_bytes());
        *hasher.finalize().as_bytes()
    }

    /// When the command was first run, in milliseconds since 1970: it makes the same again when it goes on.
    pub fn started_ms(&self) -> i64 {
        self.stored.started_ms
    }

    /// Notes what is about to be committed.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn committing(&mut self, version: u64, head: &[u8], outcome: Vec<String>) -> Result<(), DriveError> {
        self.stored.committing = Some(Committing { version, head: hex::encode(head), outcome });
        self.of_this_run = true;
        self.store()
    }

    /// Whether what was about to be committed is what this run made, not an earlier one.
    pub fn is_of_this_run(&self) -> bool {
        self.of_this_run
    }

    /// What was about to be committed.
    pub fn was_committing(&self) -> Option<&Committing> {
        self.stored.committing.as_ref()
    }

    /// A key for something else than a file, by its purpose.
    pub fn other_key(&self, purpose: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(OTHER_KEY_CONTEXT);
        hasher.update(self.stored.seed.as_bytes()).update(purpose.as_bytes());
        *hasher.finalize().as_bytes()
    }

    /// The upload is done.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn remove(self) -> Result<(), DriveError> {
        let removed = fs::remove_file(&self.file).and_then(|()| sync_parent(&self.file));
        removed.map_err(DriveError::io(self.file.display().to_string()))
    }

    fn store(&self) -> Result<(), DriveError> {
        let write = || {
            let fresh = self.file.with_extension("new");
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(Zeroizing::new(serde_json::to_string_pretty(&self.stored)?).as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, &self.file)?;
            sync_parent(&self.file)
        };
        write().map_err(DriveError::io(self.file.display().to_string()))
    }
}

/// Removes what commands left that nobody ran again.
fn forget_old(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Another process may remove it meanwhile.
        let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) else { continue };
        if !modified.elapsed().is_ok_and(|age| age > KEPT_FOR) {
            continue;
        }
        // Unless one has been at it for as long. The lock itself goes when it is let go.
        if let Ok(Some(_lock)) = Lock::take(entry.path().with_extension("lock")) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

fn read(path: &Path) -> std::io::Result<Option<Zeroizing<String>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENESIS: [u8; 32] = [1; 32];

    fn open(folder: &Path, command: &[u8]) -> (Journal, bool) {
        Journal::open(folder, &GENESIS, 3, command).expect("opens")
    }

    #[test]
    fn the_same_command_goes_on_and_another_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = DrivePath::parse("a").expect("a path");
        let (mut first, went_on) = open(folder.path(), b"put a");
        assert!(!went_on && first.was_committing().is_none());
        first.committing(5, b"head", vec!["told".into()]).expect("stored");
        assert!(matches!(Journal::open(folder.path(), &GENESIS, 3, b"put a"), Err(DriveError::Running)));
        assert!(first.is_of_this_run());
        let first_key = first.file_key(&path);
        drop(first);
        let (again, went_on) = open(folder.path(), b"put a");
        assert!(went_on && !again.is_of_this_run());
        assert_eq!(again.file_key(&path), first_key);
        let noted = again.was_committing().expect("noted");
        assert_eq!((noted.version, &noted.head, &noted.outcome[..]), (5, &hex::encode("head"), &["told".into()][..]));
        let (other, went_on) = open(folder.path(), b"put b");
        assert!(!went_on);
        assert_ne!(other.file_key(&path), first_key);
        again.remove().expect("removed");
        let (anew, went_on) = open(folder.path(), b"put a");
        assert!(!went_on);
        assert_ne!(anew.file_key(&path), first_key, "a finished upload's keys serve no other");
        drop((other, anew));
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 2, "two journals, and no locks");
    }

    #[test]
    fn a_journal_that_is_renewed_has_other_keys_and_nothing_to_commit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = DrivePath::parse("a").expect("a path");
        let (mut journal, _) = open(folder.path(), b"put a");
        journal.committing(5, b"head", Vec::new()).expect("stored");
        let key = journal.file_key(&path);
        journal.renew().expect("stored");
        let renewed = journal.file_key(&path);
        drop(journal);
        let (journal, went_on) = open(folder.path(), b"put a");
        assert!(went_on && journal.was_committing().is_none());
        assert!(renewed != key && renewed == journal.file_key(&path));
    }

    #[test]
    fn what_nobody_went_on_with_for_a_month_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, _) = open(folder.path(), b"put a");
        let file = journal.file.clone();
        drop(journal);
        let age = |age: Duration| {
            let file = OpenOptions::new().write(true).open(&file).expect("there");
            file.set_modified(SystemTime::now() - age).expect("set");
        };
        age(KEPT_FOR - Duration::from_secs(3600));
        let _ = open(folder.path(), b"put b");
        assert!(file.exists());
        let held = open(folder.path(), b"put a");
        age(KEPT_FOR + Duration::from_secs(3600));
        let _ = open(folder.path(), b"put b");
        assert!(file.exists(), "somebody is at it");
        drop(held);
        let _ = open(folder.path(), b"put b");
        assert!(!file.exists());
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1, "the other journal, and no locks");
    }

    #[test]
    fn a_broken_journal_is_said_to_be_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, _) = open(folder.path(), b"put a");
        let file = journal.file.clone();
        drop(journal);
        for broken in ["", "{", "{\"format\":2}", "[]"] {
            fs::write(&file, broken).expect("written");
            let error = Journal::open(folder.path(), &GENESIS, 3, b"put a").expect_err("broken");
            assert!(matches!(error, DriveError::Journal { .. }) && error.remedy().is_some(), "{error}");
        }
    }

    #[test]
    fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("uploads");
        let (journal, _) = open(&below, b"put a");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(
            (mode(&journal.file), mode(&journal.file.with_extension("lock")), mode(&below)),
            (0o600, 0o600, 0o700)
        );
        assert!(!format!("{journal:?}").contains(journal.stored.seed.as_str()));
    }
}
