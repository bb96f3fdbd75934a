// SPDX-License-Identifier: Apache-2.0

//! A list of changes, sorted by path; each path shares its beginning with the one before.

use std::collections::BTreeMap;

use cairn_primitives::storage::Coding;
use codec::{Compact, Decode, Encode, Input};

use super::{ManifestError, Table};
use crate::{
    erasure,
    frame::{stored_bytes, FILE_BYTES_MAX},
    path::{DrivePath, PATH_BYTES_MAX},
};

/// Bytes of an encoded segment at most; with 100 bytes a file, some 650,000 files.
pub const SEGMENT_BYTES_MAX: usize = 64 << 20;
/// Entries of a segment, and of a tree, at most.
pub const ENTRIES_MAX: usize = 1 << 20;
/// Bytes of all paths of a segment, and of a tree, at most. Paths share their beginnings in the encoded form, and don't in memory.
pub const PATH_BYTES_SUM_MAX: usize = 128 << 20;
/// How many times as much all levels of a manifest may have together as one segment: each level is more than twice as large as the next,
/// so together they have less than twice what the largest has.
const LEVELS_FACTOR: usize = 2;
/// Tables of a segment at most.
const TABLES_MAX: u32 = 1 << 20;
/// Bytes of a stripe's data at most: eight shards of 256 KiB.
const STRIPE_BYTES_MAX: u32 = 8 << 18;
/// Permission bits.
const MODE_MAX: u16 = 0o7777;
const FORMAT: u8 = 1;

const REMOVED: u8 = 0;
const DIRECTORY: u8 = 1;
const FILE: u8 = 2;

/// A file.
#[derive(Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its bytes.
    pub size: u64,
    /// When it was last changed, in milliseconds since 1970.
    pub modified_ms: i64,
    /// Permission bits, as on Unix.
    pub mode: u16,
    /// The key that it is encrypted under.
    pub key: [u8; 32],
    /// Binds the key to the content; see [`frame`](crate::frame).
    pub commitment: [u8; 32],
    /// The stripe in which it begins. From there on it lies in consecutive stripes: a commit writes each file in one piece.
    pub stripe: u64,
    /// Where in that stripe's data.
    pub offset: u32,
}

impl std::fmt::Debug for FileEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileEntry({} bytes at {}+{})", self.size, self.stripe, self.offset)
    }
}

impl FileEntry {
    /// Bytes that it takes in stripes.
    pub fn stored_bytes(&self) -> u64 {
        stored_bytes(self.size)
    }
}

/// Something with a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// A directory.
    Directory {
        /// When it was made, in milliseconds since 1970.
        modified_ms: i64,
        /// Permission bits.
        mode: u16,
    },
    /// A file.
    File(FileEntry),
}

impl Entry {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&FileEntry> {
        match self {
            Entry::File(file) => Some(file),
            Entry::Directory { .. } => None,
        }
    }
}

/// What the segments that are decoded together may take in memory.
///
/// # Correctness
/// Whoever wrote a manifest may be anybody: of a public drive, of a link, of a drive that was shared. What is decoded is counted before
/// memory is taken for it, over all segments of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeBudget {
    path_bytes: usize,
    entries: usize,
}

impl DecodeBudget {
    /// For a segment alone, as behind a link.
    pub const fn one() -> Self {
        DecodeBudget { path_bytes: PATH_BYTES_SUM_MAX, entries: ENTRIES_MAX }
    }

    /// For all levels of a manifest together.
    pub const fn levels() -> Self {
        DecodeBudget { path_bytes: LEVELS_FACTOR * PATH_BYTES_SUM_MAX, entries: LEVELS_FACTOR * ENTRIES_MAX }
    }

    fn take(&mut self, path_bytes: usize) -> Result<(), ManifestError> {
        let path_bytes = self.path_bytes.checked_sub(path_bytes);
        let (Some(path_bytes), Some(entries)) = (path_bytes, self.entries.checked_sub(1)) else {
            return Err(ManifestError("its list of files takes more memory than a drive's may"));
        };
        *self = DecodeBudget { path_bytes, entries };
        Ok(())
    }

    /// Whether segments with so many bytes of paths and entries in all are within it.
    pub fn allows(&self, path_bytes: usize, entries: usize) -> bool {
        path_bytes <= self.path_bytes && entries <= self.entries
    }
}

/// What changed: entries that are there now, or are gone; and ids of the stripes that came with them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Segment {
    /// By path; `None` is gone.
    pub entries: BTreeMap<DrivePath, Option<Entry>>,
    /// Ids of content.
    pub tables: Vec<Table>,
}

impl Segment {
    /// Adds later changes.
    pub fn apply(&mut self, later: Segment) {
        self.entries.extend(later.entries);
        self.tables.extend(later.tables);
    }

    /// Bytes of all of its paths.
    pub fn path_bytes(&self) -> usize {
        self.entries.keys().map(|path| path.as_str().len()).sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.tables.is_empty()
    }

    /// The encoded form.
    ///
    /// # Errors
    /// If it is longer than [`SEGMENT_BYTES_MAX`], or would not be decoded for its [`DecodeBudget`].
    pub fn to_bytes(&self, coding: Coding) -> Result<Vec<u8>, ManifestError> {
        let mut bytes = vec![FORMAT, erasure::codec(coding)];
        self.tables.encode_to(&mut bytes);
        Compact(self.entries.len() as u32).encode_to(&mut bytes);
        let mut before = "";
        for (path, entry) in &self.entries {
            let path = path.as_str();
            let shared = before.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
            Compact(shared as u32).encode_to(&mut bytes);
            path.as_bytes()[shared..].encode_to(&mut bytes);
            encode_entry(entry.as_ref(), &mut bytes);
            before = path;
        }
        if bytes.len() > SEGMENT_BYTES_MAX || !DecodeBudget::one().allows(self.path_bytes(), self.entries.len()) {
            return Err(ManifestError("the drive would hold more files than a manifest takes; use a second drive"));
        }
        Ok(bytes)
    }

    /// Reads the encoded form of a segment that stands alone.
    ///
    /// # Errors
    /// [`ManifestError`] for anything that [`Self::to_bytes`] doesn't make.
    pub fn from_bytes(bytes: &[u8], coding: Coding) -> Result<Self, ManifestError> {
        Self::decode(bytes, coding, &mut DecodeBudget::one())
    }

    /// The same for one of several; `budget` is what all of them may take, and less by this one afterwards.
    ///
    /// # Errors
    /// As [`Self::from_bytes`].
    pub fn decode(mut bytes: &[u8], coding: Coding, budget: &mut DecodeBudget) -> Result<Self, ManifestError> {
        let mut own = DecodeBudget::one();
        if bytes.len() > SEGMENT_BYTES_MAX {
            return Err(ManifestError("a part of it is too long"));
        }
        let input = &mut bytes;
        match <(u8, u8)>::decode(input)? {
            (FORMAT, codec) if codec == erasure::codec(coding) => {},
            (FORMAT, _) => return Err(ManifestError("its stripes are coded in a way that this program doesn't know")),
            _ => return Err(ManifestError("it is of a format that this program doesn't know; use a newer one")),
        }
        let count = Compact::<u32>::decode(input)?.0;
        if count > TABLES_MAX {
            return Err(ManifestError("it has too many tables"));
        }
        let mut tables = Vec::new();
        for _ in 0..count {
            let table = Table::decode(input)?;
            table.check(coding)?;
            tables.push(table);
        }
        let count = Compact::<u32>::decode(input)?.0;
        if count as usize > ENTRIES_MAX {
            return Err(ManifestError("it has too many entries"));
        }
        let mut entries = BTreeMap::new();
        let mut before = Vec::new();
        for _ in 0..count {
            let shared = Compact::<u32>::decode(input)?.0 as usize;
            let rest = Compact::<u32>::decode(input)?.0 as usize;
            if shared > before.len() || rest > PATH_BYTES_MAX - shared.min(PATH_BYTES_MAX) {
                return Err(ManifestError("a path in it is too long"));
            }
            own.take(shared + rest)?;
            budget.take(shared + rest)?;
            let mut path = before[..shared].to_vec();
            path.resize(shared + rest, 0);
            input.read(&mut path[shared..])?;
            if path <= before {
                return Err(ManifestError("its paths are out of order"));
            }
            let text = std::str::from_utf8(&path).map_err(|_| ManifestError("a path in it is not UTF-8"))?;
            let parsed = DrivePath::from_normal(text).map_err(|_| ManifestError("a path in it is not allowed"))?;
            entries.insert(parsed, decode_entry(input)?);
            before = path;
        }
        if !input.is_empty() {
            return Err(ManifestError("something follows it"));
        }
        Ok(Segment { entries, tables })
    }
}

fn encode_entry(entry: Option<&Entry>, to: &mut Vec<u8>) {
    match entry {
        None => to.push(REMOVED),
        Some(Entry::Directory { modified_ms, mode }) => {
            to.push(DIRECTORY);
            (modified_ms, mode).encode_to(to);
        },
        Some(Entry::File(file)) => {
            to.push(FILE);
            (Compact(file.size), file.modified_ms, file.mode, file.key, file.commitment).encode_to(to);
            (Compact(file.stripe), Compact(file.offset)).encode_to(to);
        },
    }
}

fn decode_entry(input: &mut &[u8]) -> Result<Option<Entry>, ManifestError> {
    let mode_of = |mode: u16| if mode <= MODE_MAX { Ok(mode) } else { Err(ManifestError("a mode in it is none")) };
    match u8::decode(input)? {
        REMOVED => Ok(None),
        DIRECTORY => {
            let (modified_ms, mode) = <(i64, u16)>::decode(input)?;
            Ok(Some(Entry::Directory { modified_ms, mode: mode_of(mode)? }))
        },
        FILE => {
            let (Compact(size), modified_ms, mode, key, commitment) =
                <(Compact<u64>, i64, u16, [u8; 32], [u8; 32])>::decode(input)?;
            let (Compact(stripe), Compact(offset)) = <(Compact<u64>, Compact<u32>)>::decode(input)?;
            if size > FILE_BYTES_MAX || offset >= STRIPE_BYTES_MAX {
                return Err(ManifestError("a file in it is too large, or lies nowhere"));
            }
            let mode = mode_of(mode)?;
            Ok(Some(Entry::File(FileEntry { size, modified_ms, mode, key, commitment, stripe, offset })))
        },
        _ => Err(ManifestError("it has an entry of a kind that this program doesn't know; use a newer one")),
    }
}
