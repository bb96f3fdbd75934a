// SPDX-License-Identifier: Apache-2.0

//! What was begun for a name, on disk before anything of it is on the chain.
//!
//! # Correctness
//! A commitment can only be used with its salt. So the file is durable before the commitment is sent, and goes only after
//! the registration is final, or when the user begins anew.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use cairn_client::{
    chain::names::{self, Label, Zone},
    AccountId, Hash,
};
use serde::{Deserialize, Serialize};

use crate::{
    failure::{failed, Result},
    keystore::{make_private_dir, read_text, replace, PRIVATE},
};

/// A file longer than this is none of ours: a zone in hex and a few fields.
const FILE_LEN_MAX: u64 = 64 * 1024;

/// A registration under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    genesis: String,
    label: String,
    owner: String,
    years: u8,
    /// Whoever has it can tell which name the commitment is for, and nothing else: it only serves the owner.
    salt: String,
    /// SCALE, in hex.
    zone: String,
    /// As it was given.
    #[serde(default)]
    max_price: Option<String>,
}

/// Where it is kept.
pub struct Place {
    path: PathBuf,
}

impl Place {
    /// The file for a name on a chain, beside the folder of the accounts.
    pub fn new(keystore: &Path, genesis: &Hash, label: &Label, owner: &AccountId) -> Self {
        let dir = keystore.parent().unwrap_or(keystore).join("names");
        let chain = &hex::encode(genesis.0)[..16];
        let owner = &hex::encode(owner.0)[..16];
        Self { path: dir.join(format!("{chain}-{label}-{owner}.json")) }
    }

    /// What was begun.
    ///
    /// # Errors
    /// Failed if the file can't be read or isn't one: it is not thrown away, for its salt may be the only one.
    pub fn load(&self) -> Result<Option<Pending>> {
        let shown = self.path.display();
        let text = match read_text(&self.path, FILE_LEN_MAX, "a registration under way") {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == ErrorKind::FileTooLarge => return Err(self.broken(&error.to_string())),
            read => read.with_context(|| format!("can't read {shown}"))?,
        };
        let pending: Pending = serde_json::from_str(&text).map_err(|error| self.broken(&error.to_string()))?;
        if pending.salt().is_none() || pending.zone().is_none() {
            return Err(self.broken("its salt or its records are not what was written"));
        }
        Ok(Some(pending))
    }

    fn broken(&self, why: &str) -> anyhow::Error {
        failed(
            format!("{} holds what was begun for this name, and is broken: {why}", self.path.display()),
            "mend it, or begin anew with --restart",
        )
    }

    /// Writes it, durably.
    pub fn store(&self, pending: &Pending) -> Result<()> {
        let text = serde_json::to_string_pretty(pending)?;
        let dir = self.path.parent().unwrap_or(Path::new("."));
        make_private_dir(dir)?;
        replace(&self.path, text.as_bytes(), PRIVATE).with_context(|| format!("can't write {}", self.path.display()))
    }

    /// Removes it.
    pub fn forget(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("can't remove {}", self.path.display()))
            },
            _ => Ok(()),
        }
    }
}

impl Pending {
    /// A registration that begins now.
    pub fn new(genesis: &Hash, label: &Label, owner: &AccountId, years: u8, salt: [u8; 32], zone: &Zone) -> Self {
        Self {
            genesis: hex::encode(genesis.0),
            label: label.to_string(),
            owner: hex::encode(owner.0),
            years,
            salt: hex::encode(salt),
            zone: hex::encode(names::encode_zone(zone)),
            max_price: None,
        }
    }

    /// Remembers the most that it may cost.
    pub fn set_max_price(&mut self, max_price: Option<&str>) {
        self.max_price = max_price.map(str::to_string);
    }

    /// The most that it may cost, as it was given.
    pub fn max_price(&self) -> Option<&str> {
        self.max_price.as_deref()
    }

    /// Years it is for.
    pub fn years(&self) -> u8 {
        self.years
    }

    /// The salt.
    pub fn salt(&self) -> Option<[u8; 32]> {
        hex::decode(&self.salt).ok()?.try_into().ok()
    }

    /// The records.
    pub fn zone(&self) -> Option<Zone> {
        names::decode_zone(&hex::decode(&self.zone).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dir: &Path) -> Place {
        let label = Label::try_from(&b"blog"[..]).expect("valid");
        Place::new(&dir.join("accounts"), &Hash::from([7; 32]), &label, &[1; 32].into())
    }

    #[test]
    fn what_was_begun_is_found_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let place = place(dir.path());
        assert_eq!(place.load().expect("readable"), None);
        let label = Label::try_from(&b"blog"[..]).expect("valid");
        let pending = Pending::new(&Hash::from([7; 32]), &label, &[1; 32].into(), 2, [9; 32], &Zone::default());
        place.store(&pending).expect("written");
        assert_eq!(place.load().expect("readable"), Some(pending.clone()));
        assert_eq!((pending.salt(), pending.zone()), (Some([9; 32]), Some(Zone::default())));
        place.store(&pending).expect("written again");
        place.forget().expect("removed");
        place.forget().expect("nothing to remove");
        assert_eq!(place.load().expect("readable"), None);
    }

    #[test]
    fn a_broken_file_is_not_thrown_away() {
        let dir = tempfile::tempdir().expect("a folder");
        let place = place(dir.path());
        fs::create_dir_all(dir.path().join("names")).expect("made");
        for text in
            ["", "{}", "{\"genesis\":\"\",\"label\":\"\",\"owner\":\"\",\"years\":1,\"salt\":\"00\",\"zone\":\"00\"}"]
        {
            fs::write(&place.path, text).expect("written");
            let error = place.load().expect_err("broken").to_string();
            assert!(error.contains("broken"), "{error}");
            assert!(place.path.exists());
        }
    }
}
