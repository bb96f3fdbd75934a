// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Remembers the last slot that this node made a block for.
//!
//! A validator whose clock was ahead makes blocks for slots to come. When the clock is put right, these slots come again, and a node
//! that has started anew meanwhile knows nothing of them: a second block for a slot is a fault that the stake is slashed for.
//!
//! # Correctness
//! The number is on disk before a block leaves this node, and no block for it or an earlier one leaves after that. What is made
//! by another node with the same keys is unknown here: keys belong to one node.

use sp_consensus_babe::Slot;
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The file's name, beside the folder of the keys.
const FILE: &str = "last-slot";

/// See the module.
pub struct OwnSlots {
    /// Where the number is kept; nowhere for keys that are in memory only.
    path: Option<PathBuf>,
    last: Mutex<Option<Slot>>,
}

impl OwnSlots {
    /// Reads what is known; `keys` is the folder of the keys.
    ///
    /// # Errors
    /// The file can't be read, or has something else in it.
    pub fn open(keys: Option<&Path>) -> Result<Self, String> {
        let path = keys.and_then(Path::parent).map(|folder| folder.join(FILE));
        let last = match path.as_deref().map(fs::read_to_string) {
            Some(Ok(text)) => {
                let number = text.trim().parse::<u64>();
                let path = path.as_deref().unwrap_or(Path::new(FILE)).display();
                Some(number.map(Slot::from).map_err(|_| {
                    format!("{path} should have the number of a slot: remove the file, at least one epoch after this node has stopped")
                })?)
            },
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => {
                let path = path.as_deref().unwrap_or(Path::new(FILE)).display();
                return Err(format!("{path} can't be read: {error}"));
            },
            Some(Err(_)) | None => None,
        };
        Ok(OwnSlots { path, last: Mutex::new(last) })
    }

    /// Says that a block for this slot is about to leave the node.
    ///
    /// # Errors
    /// One for this slot or a later one did before, or that can't be noted: the block must not leave.
    pub fn claim(&self, slot: Slot) -> Result<(), String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.filter(|last| *last >= slot) {
            let (slot, last) = (*slot, *last);
            return Err(format!(
                "this node made a block for slot {last} before, and makes none for slot {slot}: was its clock ahead? It goes on by itself \
                 after slot {last}"
            ));
        }
        if let Some(path) = &self.path {
            write(path, slot).map_err(|error| format!("{} can't be written: {error}", path.display()))?;
        }
        *last = Some(slot);
        Ok(())
    }
}

/// Replaces the file, durably.
fn write(path: &Path, slot: Slot) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(format!("{}\n", *slot).as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_slot_is_claimed_twice_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keystore");
        let open = || OwnSlots::open(Some(&keys)).unwrap();
        let slots = open();
        slots.claim(7.into()).unwrap();
        slots.claim(9.into()).unwrap();
        for again in [9, 8, 7, 0] {
            assert!(slots.claim(again.into()).unwrap_err().contains("slot 9"));
        }
        let slots = open();
        assert!(slots.claim(9.into()).unwrap_err().contains("slot 9"));
        slots.claim(10.into()).unwrap();
        assert!(open().claim(10.into()).is_err());
    }

    #[test]
    fn keys_in_memory_have_no_file() {
        let slots = OwnSlots::open(None).unwrap();
        slots.claim(3.into()).unwrap();
        assert!(slots.claim(3.into()).is_err());
    }

    #[test]
    fn a_file_with_something_else_is_refused_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "many").unwrap();
        let error = OwnSlots::open(Some(&folder.path().join("keystore"))).err().unwrap();
        assert!(error.contains(FILE) && error.contains("remove the file"), "{error}");
    }

    #[test]
    fn what_can_not_be_noted_is_not_claimed() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("gone").join("keystore");
        let slots = OwnSlots::open(Some(&keys)).unwrap();
        assert!(slots.claim(3.into()).unwrap_err().contains("can't be written"));
        fs::create_dir(folder.path().join("gone")).unwrap();
        slots.claim(3.into()).unwrap();
    }
}
