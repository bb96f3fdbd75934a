// SPDX-License-Identifier: Apache-2.0

//! Names of drives on this machine, and which of them is meant by `drive:`. A drive carries its name in its manifest; this file
//! saves looking there each time, and holds the name of a drive that has nothing in it yet.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use cairn_drive::Witnessed;
use serde::{Deserialize, Serialize};

use crate::{
    failure::{usage_with_remedy, Result},
    keystore::{replace, PRIVATE},
};

/// A registry that is bigger is none.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Names of drives, by chain.
#[derive(Debug)]
pub struct Registry {
    file: PathBuf,
    chain: String,
    stored: Stored,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored(BTreeMap<String, Chain>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Chain {
    #[serde(default)]
    names: BTreeMap<u64, String>,
    /// By account.
    #[serde(default)]
    default: BTreeMap<String, u64>,
    /// Names that the user gave to drives of others: what they call them themselves counts for nothing here.
    #[serde(default)]
    added: BTreeMap<u64, String>,
    /// How far drives are known to have been.
    #[serde(default)]
    seen: BTreeMap<u64, Seen>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Seen {
    version: u64,
    key_generation: u32,
}

impl Registry {
    /// Reads it.
    pub fn load(folder: &Path, genesis: &[u8; 32]) -> Result<Self> {
        let file = folder.join("drives.json");
        let stored = read(&file)?;
        Ok(Registry { file, chain: hex::encode(genesis), stored })
    }

    fn chain(&self) -> Option<&Chain> {
        self.stored.0.get(&self.chain)
    }

    /// The drives with this name that are known here.
    pub fn by_name(&self, name: &str) -> Vec<u64> {
        let names = self.chain().into_iter().flat_map(|chain| &chain.names);
        names.filter(|(_, known)| *known == name).map(|(id, _)| *id).collect()
    }

    /// The name of a drive, if it is known here.
    pub fn name(&self, drive: u64) -> Option<&str> {
        self.chain()?.names.get(&drive).map(String::as_str)
    }

    /// The drives of others that the user calls so.
    pub fn added_by_name(&self, name: &str) -> Vec<u64> {
        let added = self.chain().into_iter().flat_map(|chain| &chain.added);
        added.filter(|(_, known)| *known == name).map(|(id, _)| *id).collect()
    }

    /// What the user calls a drive of somebody else.
    pub fn added(&self, drive: u64) -> Option<&str> {
        self.chain()?.added.get(&drive).map(String::as_str)
    }

    /// Notes what the user calls a drive of somebody else.
    pub fn add(&mut self, drive: u64, name: &str) -> Result<()> {
        self.change(|chain| {
            chain.added.insert(drive, name.into());
        })
    }

    /// How far a drive is known to have been.
    pub fn seen(&self, drive: u64) -> Witnessed {
        let seen = self.chain().and_then(|chain| chain.seen.get(&drive)).copied().unwrap_or_default();
        Witnessed { version: seen.version, key_generation: seen.key_generation }
    }

    /// Notes how far a drive is; what is noted never goes back.
    pub fn note_seen(&mut self, drive: u64, now: Witnessed) -> Result<()> {
        if self.seen(drive).and(now) == self.seen(drive) {
            return Ok(());
        }
        self.change(|chain| {
            let seen = chain.seen.entry(drive).or_default();
            seen.version = seen.version.max(now.version);
            seen.key_generation = seen.key_generation.max(now.key_generation);
        })
    }

    /// What an account means by `drive:`, if that was said.
    pub fn default(&self, account: &[u8; 32]) -> Option<u64> {
        self.chain()?.default.get(&hex::encode(account)).copied()
    }

    /// Notes a drive's name.
    pub fn set_name(&mut self, drive: u64, name: &str) -> Result<()> {
        if self.name(drive) == Some(name) {
            return Ok(());
        }
        self.change(|chain| {
            chain.names.insert(drive, name.into());
        })
    }

    /// Notes what an account means by `drive:`.
    pub fn set_default(&mut self, account: &[u8; 32], drive: u64) -> Result<()> {
        self.change(|chain| {
            chain.default.insert(hex::encode(account), drive);
        })
    }

    /// Forgets a drive that is no more, or of which what is known isn't true.
    pub fn forget(&mut self, drive: u64) -> Result<()> {
        self.change(|chain| {
            chain.names.remove(&drive);
            chain.added.remove(&drive);
            chain.seen.remove(&drive);
            chain.default.retain(|_, default| *default != drive);
        })
    }

    /// Changes what is on disk now: other commands may have changed it since it was read, and wait until this is done.
    fn change(&mut self, change: impl FnOnce(&mut Chain)) -> Result<()> {
        let folder = self.file.parent().unwrap_or(Path::new(".")).to_path_buf();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let mut lock = fs::OpenOptions::new();
        let lock = lock.write(true).create(true).truncate(false).mode(0o600).open(folder.join("drives.lock"))?;
        lock.lock()?;
        let mut stored = read(&self.file)?;
        change(stored.0.entry(self.chain.clone()).or_default());
        replace(&self.file, serde_json::to_string_pretty(&stored)?.as_bytes(), PRIVATE)?;
        self.stored = stored;
        Ok(())
    }
}

fn read(file: &Path) -> Result<Stored> {
    let broken = |reason: String| {
        usage_with_remedy(
            format!("{}: {reason}", file.display()),
            "remove the file; names are found again in the drives",
        )
    };
    match fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Stored::default()),
        Err(error) => Err(broken(error.to_string())),
        Ok(metadata) if metadata.len() > FILE_BYTES_MAX => Err(broken("it is too big".into())),
        Ok(_) => {
            let text = fs::read_to_string(file).map_err(|error| broken(error.to_string()))?;
            serde_json::from_str(&text).map_err(|error| broken(error.to_string()))
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_at_the_same_time_lose_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            for drive in 0..16 {
                let folder = folder.path();
                scope.spawn(move || {
                    let mut registry = Registry::load(folder, &[1; 32]).expect("loads");
                    registry.set_name(drive, &format!("drive {drive}")).expect("stored");
                });
            }
        });
        let registry = Registry::load(folder.path(), &[1; 32]).expect("loads");
        assert!((0..16).all(|drive| registry.name(drive) == Some(&format!("drive {drive}"))));
    }

    #[test]
    fn names_and_the_default_are_kept_by_chain() {
        let folder = tempfile::tempdir().expect("a folder");
        let load = |genesis: u8| Registry::load(folder.path(), &[genesis; 32]).expect("loads");
        let mut registry = load(1);
        registry.set_name(7, "photos").expect("stored");
        registry.set_name(8, "photos").expect("stored");
        registry.set_default(&[5; 32], 8).expect("stored");
        let again = load(1);
        assert_eq!(
            (again.by_name("photos"), again.name(7), again.default(&[5; 32])),
            (vec![7, 8], Some("photos"), Some(8))
        );
        assert!(load(2).by_name("photos").is_empty());
        registry.forget(8).expect("stored");
        let again = load(1);
        assert_eq!((again.by_name("photos"), again.default(&[5; 32])), (vec![7], None));
        let mut registry = load(1);
        registry.add(9, "theirs").expect("stored");
        for (version, key_generation) in [(5, 1), (3, 2), (4, 0)] {
            registry.note_seen(9, Witnessed { version, key_generation }).expect("stored");
        }
        let again = load(1);
        assert_eq!((again.added(9), again.added_by_name("theirs")), (Some("theirs"), vec![9]));
        assert!(again.by_name("theirs").is_empty(), "it is no drive of one's own");
        assert_eq!(again.seen(9), Witnessed { version: 5, key_generation: 2 }, "neither goes back");
        assert_eq!((load(2).seen(9), again.seen(7)), (Witnessed::default(), Witnessed::default()));
        registry.forget(9).expect("stored");
        assert_eq!((load(1).seen(9), load(1).added(9)), (Witnessed::default(), None));
        fs::write(folder.path().join("drives.json"), "{").expect("written");
        assert!(Registry::load(folder.path(), &[1; 32]).is_err());
    }
}
