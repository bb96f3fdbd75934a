// SPDX-License-Identifier: Apache-2.0

//! The root page of a version, and the head that names it on chain.

use cairn_primitives::storage::{Coding, DriveId, Range};
use codec::{Decode, DecodeAll, Encode};

use super::{ManifestError, StripeRun, LEVELS_MAX};
use crate::page::PageRef;

/// Bytes of a drive's name at most.
pub const NAME_BYTES_MAX: usize = 64;
const HEAD_FORMAT: u8 = 1;
const ROOT_FORMAT: u8 = 1;
/// Stripes of a part at most: a segment of 64 MiB in stripes of one shard of 256 KiB, and the small ones at its end.
const PART_RUNS_MAX: usize = 16;

/// What the chain keeps of a manifest: 54 bytes.
///
/// ```text
/// head       format u8 (1) || key generation u32 || key name (8 bytes) || root page: stripe u64 || units u8 || id (32 bytes)
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Generation of the key that the root page is encrypted under.
    pub generation: u32,
    /// That key's name.
    pub key_name: [u8; 8],
    /// The root page: the last stripe of its version.
    pub root: PageRef,
}

impl Head {
    /// As the chain keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        (HEAD_FORMAT, self.generation, self.key_name, self.root).encode()
    }

    /// Reads what the chain keeps.
    ///
    /// # Errors
    /// [`ManifestError`] if it isn't of this format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let unknown = ManifestError("its head is of a format that this program doesn't know; use a newer one");
        let (format, generation, key_name, root) =
            <(u8, u32, [u8; 8], PageRef)>::decode_all(&mut &bytes[..]).map_err(|_| unknown.clone())?;
        if format != HEAD_FORMAT {
            return Err(unknown);
        }
        Ok(Head { generation, key_name, root })
    }
}

/// What a page holds.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Part {
    /// The thing itself.
    Here(Vec<u8>),
    /// Where it is: sealed, from the beginning of these stripes on.
    Apart(Index),
}

/// Stripes that hold a sealed part, and their ids.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Index {
    /// In the order in which they hold it.
    pub runs: Vec<StripeRun>,
}

impl Index {
    /// Whether it can be what it says; `limit` are the bytes that the part may have.
    pub fn check(&self, coding: Coding, limit: usize) -> Result<(), ManifestError> {
        if self.runs.is_empty() || self.runs.len() > PART_RUNS_MAX {
            return Err(ManifestError("a part of it lies in no, or too many, stripes"));
        }
        self.runs.iter().try_for_each(|run| run.check(coding))?;
        let bytes = self.runs.iter().map(|run| run.stripes(coding).saturating_mul(run.size.bytes() as u64));
        // A part's last stripe may be filled up.
        let most = limit as u64 + (4 << 20);
        if bytes.fold(0, u64::saturating_add).saturating_mul(coding.data().into()) > most {
            return Err(ManifestError("a part of it is too long"));
        }
        Ok(())
    }
}

/// A level of the manifest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct LevelRef {
    /// Where its segment is.
    pub page: PageRef,
    /// Bytes of the segment.
    pub bytes: u32,
}

/// The ranges of all slots' logs, which the next checkpoint is computed from.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[allow(clippy::large_enum_variant)] // One of them exists at a time.
pub enum Ranges {
    /// All slots' logs are alike: up to, without, the root page.
    Alike(Range),
    /// One a slot, in stripes of their own: up to, without, these.
    Apart(Index),
}

/// The root page of a version.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Root {
    format: u8,
    /// Whose it is: no drive's root page passes for another's.
    pub drive: DriveId,
    /// The version that it made.
    pub version: u64,
    /// When, in milliseconds since 1970, by the writer's clock.
    pub time_ms: u64,
    name: Vec<u8>,
    /// The first stripe of this version: what was there before is older.
    pub first_stripe: u64,
    /// Units of each log before that.
    pub units_before: u64,
    /// The root page of the version before; none if that was given up, or there is none.
    pub previous: Option<PageRef>,
    /// Levels, from the oldest.
    pub levels: Vec<LevelRef>,
    /// The newest changes, as a segment.
    pub newest: Vec<u8>,
    /// What the next checkpoint is computed from.
    pub ranges: Ranges,
}

/// What a new root page says of itself.
#[derive(Clone, Debug)]
pub struct RootParts {
    pub drive: DriveId,
    pub version: u64,
    pub time_ms: u64,
    pub name: String,
    pub first_stripe: u64,
    pub units_before: u64,
    pub previous: Option<PageRef>,
}

impl Root {
    /// A root page without levels.
    pub fn new(parts: RootParts, ranges: Ranges) -> Self {
        let RootParts { drive, version, time_ms, name, first_stripe, units_before, previous } = parts;
        Root {
            format: ROOT_FORMAT,
            drive,
            version,
            time_ms,
            name: name.into_bytes(),
            first_stripe,
            units_before,
            previous,
            levels: Vec::new(),
            newest: Vec::new(),
            ranges,
        }
    }

    /// The drive's name, made safe to show; empty if it has none.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.name).chars().filter(|c| !c.is_control()).collect()
    }

    /// Reads the encoded form.
    ///
    /// # Errors
    /// [`ManifestError`] if it is none, or of another drive.
    pub fn from_bytes(bytes: &[u8], drive: DriveId, coding: Coding) -> Result<Self, ManifestError> {
        if bytes.first() != Some(&ROOT_FORMAT) {
            return Err(ManifestError("its root page is of a format that this program doesn't know; use a newer one"));
        }
        let root = Root::decode_all(&mut &bytes[..])?;
        if root.drive != drive {
            return Err(ManifestError("its root page is another drive's"));
        }
        if root.name.len() > NAME_BYTES_MAX || root.levels.len() > LEVELS_MAX {
            return Err(ManifestError("its root page has too much in it"));
        }
        match (&root.ranges, coding) {
            (Ranges::Alike(_), Coding::K1) => {},
            (Ranges::Apart(index), coding) if coding != Coding::K1 => index.check(coding, 1 << 20)?,
            _ => return Err(ManifestError("its ranges are for another coding")),
        }
        Ok(root)
    }
}
