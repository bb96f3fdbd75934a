// SPDX-License-Identifier: Apache-2.0

//! Everything in a drive at one version.

use std::{
    collections::{btree_map, BTreeMap},
    ops::Bound,
};

use super::{segment::ENTRIES_MAX, Entry, FileEntry, ManifestError, Segment};
use crate::path::{DrivePath, PathError};

/// Everything in a drive at one version.
///
/// # Correctness
/// What has a parent lies in a directory: each entry's parent is a directory with an entry of its own, or the drive's top.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    entries: BTreeMap<DrivePath, Entry>,
}

/// Why a change can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Nothing is there.
    #[error("there is no {0} in the drive")]
    Missing(DrivePath),
    /// A directory is there, where a file has to be.
    #[error("{0} is a directory")]
    IsDirectory(DrivePath),
    /// A file is there, where a directory has to be.
    #[error("{0} is a file, not a directory")]
    IsFile(DrivePath),
    /// Something is there already.
    #[error("{0} is there already")]
    Exists(DrivePath),
    /// Files are in it.
    #[error("{0} is not empty; -r removes what is in it too")]
    NotEmpty(DrivePath),
    /// A directory can't be moved below itself.
    #[error("{0} can't be moved into itself")]
    IntoItself(DrivePath),
    /// A path is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The list of all that is in the drive would be longer than a segment, or take more memory than a reader allows.
    #[error(
        "the drive would hold more files than its list takes: 64 MiB with names, keys and places, some 600,000 files; use a second drive"
    )]
    ListTooLong,
    /// More than [`ENTRIES_MAX`].
    #[error("the drive would have more than {ENTRIES_MAX} entries; use a second drive")]
    TooMany,
}

/// Stands for the time at which a command was first run: a command that goes on after a crash has to make the same again.
pub const NOW_MS: i64 = i64::MIN;

/// Something to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A file is put, over one that may be there; directories above it are made.
    Put(DrivePath, FileEntry),
    /// A file gets another time and other permissions, if it still is the one with this commitment.
    Touch {
        /// Which.
        path: DrivePath,
        /// What it must be.
        commitment: [u8; 32],
        /// When it was changed last, in milliseconds since 1970.
        modified_ms: i64,
        /// Permission bits.
        mode: u16,
    },
    /// A directory is made, and those above it.
    MakeDirectory(DrivePath, i64),
    /// A file or an empty directory is removed; with all that is in it if `recursive`.
    Remove {
        /// What.
        path: DrivePath,
        /// With all that is in it.
        recursive: bool,
    },
    /// Something is moved, over a file that may be there.
    Move {
        /// From where.
        from: DrivePath,
        /// To where.
        to: DrivePath,
    },
}

impl Tree {
    /// What segments, from the oldest, add up to.
    ///
    /// # Errors
    /// [`ManifestError`] if something lies in what is no directory.
    pub fn from_segments<'a>(segments: impl IntoIterator<Item = &'a Segment>) -> Result<Self, ManifestError> {
        let mut entries = BTreeMap::new();
        for segment in segments {
            for (path, entry) in &segment.entries {
                match entry {
                    Some(entry) => entries.insert(path.clone(), entry.clone()),
                    None => entries.remove(path),
                };
            }
            if entries.len() > ENTRIES_MAX {
                return Err(ManifestError("it has too many entries"));
            }
        }
        for path in entries.keys() {
            let parent = path.parent().ok_or(ManifestError("its top is an entry"))?;
            if !parent.is_top() && !matches!(entries.get(&parent), Some(Entry::Directory { .. })) {
                return Err(ManifestError("something in it lies in no directory"));
            }
        }
        Ok(Tree { entries })
    }

    /// The entry at a path.
    pub fn get(&self, path: &DrivePath) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The file at a path.
    ///
    /// # Errors
    /// [`TreeError::Missing`], [`TreeError::IsDirectory`].
    pub fn file(&self, path: &DrivePath) -> Result<&FileEntry, TreeError> {
        match self.get(path) {
            Some(Entry::File(file)) => Ok(file),
            Some(Entry::Directory { .. }) => Err(TreeError::IsDirectory(path.clone())),
            None if path.is_top() => Err(TreeError::IsDirectory(path.clone())),
            None => Err(TreeError::Missing(path.clone())),
        }
    }

    /// Whether a path is a directory; the top is one.
    pub fn is_directory(&self, path: &DrivePath) -> bool {
        path.is_top() || matches!(self.get(path), Some(Entry::Directory { .. }))
    }

    /// Everything, in the order of paths.
    pub fn iter(&self) -> btree_map::Iter<'_, DrivePath, Entry> {
        self.entries.iter()
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the drive is empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Everything below a path, in the order of paths; the path's own entry is not among it.
    pub fn below(&self, path: &DrivePath) -> impl Iterator<Item = (&DrivePath, &Entry)> + use<'_> {
        let (from, to) = path.bounds_below();
        self.entries.range((Bound::Included(from), to.map_or(Bound::Unbounded, Bound::Excluded)))
    }

    /// What is in a directory itself, without what is in the directories there.
    ///
    /// # Errors
    /// [`TreeError::Missing`], [`TreeError::IsFile`].
    pub fn children(&self, path: &DrivePath) -> Result<Vec<(&DrivePath, &Entry)>, TreeError> {
        match self.get(path) {
            Some(Entry::File(_)) => return Err(TreeError::IsFile(path.clone())),
            None if !path.is_top() => return Err(TreeError::Missing(path.clone())),
            _ => {},
        }
        let (mut from, to) = path.bounds_below();
        let to = to.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = Vec::new();
        loop {
            let range = (Bound::Included(from), to.clone());
            let Some((child, entry)) = self.next_child(path, range) else { return Ok(found) };
            found.push((child, entry));
            // A name that begins with the directory's, such as `a.txt` beside `a/`, comes before what is in it.
            from = DrivePath::after(child);
        }
    }

    fn next_child(
        &self,
        of: &DrivePath,
        mut range: (Bound<DrivePath>, Bound<DrivePath>),
    ) -> Option<(&DrivePath, &Entry)> {
        loop {
            let (path, entry) = self.entries.range(range.clone()).next()?;
            let rest = of.relative(path)?;
            match rest.find('/') {
                None => return Some((path, entry)),
                // Within a directory that was met before: behind it.
                Some(_) => {
                    let name = rest.split('/').next().unwrap_or(rest);
                    let (_, behind) = of.join(name).ok()?.bounds_below();
                    range.0 = Bound::Included(behind?);
                },
            }
        }
    }

    /// Makes a change, and notes in `changed` what is to be written.
    ///
    /// # Errors
    /// See [`TreeError`]; nothing is changed then.
    pub fn apply(&mut self, change: Change, changed: &mut Segment) -> Result<(), TreeError> {
        match change {
            Change::Put(path, file) => {
                if self.is_directory(&path) {
                    return Err(TreeError::IsDirectory(path));
                }
                self.make_parents(&path, file.modified_ms, changed)?;
                self.set(path, Entry::File(file), changed)
            },
            Change::Touch { path, commitment, modified_ms, mode } => match self.get(&path) {
                Some(Entry::File(file)) if file.commitment == commitment => {
                    let file = FileEntry { modified_ms, mode, ..file.clone() };
                    self.set(path, Entry::File(file), changed)
                },
                // Another writer has put something else there: that has a time of its own.
                _ => Ok(()),
            },
            Change::MakeDirectory(path, now_ms) => {
                if self.is_directory(&path) {
                    return Ok(());
                }
                if self.get(&path).is_some() {
                    return Err(TreeError::IsFile(path));
                }
                self.make_parents(&path, now_ms, changed)?;
                self.set(path, Entry::Directory { modified_ms: now_ms, mode: 0o755 }, changed)
            },
            Change::Remove { path, recursive } => self.remove(&path, recursive, changed),
            Change::Move { from, to } => self.move_to(&from, to, changed),
        }
    }

    /// Makes the directories that a path is in, those that are missing.
    ///
    /// # Errors
    /// [`TreeError::IsFile`], [`TreeError::TooMany`].
    pub(crate) fn make_parents(
        &mut self,
        path: &DrivePath,
        now_ms: i64,
        changed: &mut Segment,
    ) -> Result<(), TreeError> {
        let mut missing = Vec::new();
        let mut at = path.parent();
        while let Some(parent) = at.filter(|parent| !parent.is_top()) {
            match self.get(&parent) {
                Some(Entry::Directory { .. }) => break,
                Some(Entry::File(_)) => return Err(TreeError::IsFile(parent)),
                None => {
                    at = parent.parent();
                    missing.push(parent);
                },
            }
        }
        for parent in missing {
            self.set(parent, Entry::Directory { modified_ms: now_ms, mode: 0o755 }, changed)?;
        }
        Ok(())
    }

    fn set(&mut self, path: DrivePath, entry: Entry, changed: &mut Segment) -> Result<(), TreeError> {
        if self.entries.len() >= ENTRIES_MAX && !self.entries.contains_key(&path) {
            return Err(TreeError::TooMany);
        }
        self.entries.insert(path.clone(), entry.clone());
        changed.entries.insert(path, Some(entry));
        Ok(())
    }

    fn unset(&mut self, path: &DrivePath, changed: &mut Segment) -> Option<Entry> {
        changed.entries.insert(path.clone(), None);
        self.entries.remove(path)
    }

    fn remove(&mut self, path: &DrivePath, recursive: bool, changed: &mut Segment) -> Result<(), TreeError> {
        if !path.is_top() && self.get(path).is_none() {
            return Err(TreeError::Missing(path.clone()));
        }
        let inside: Vec<DrivePath> = self.below(path).map(|(path, _)| path.clone()).collect();
        if !inside.is_empty() && !recursive {
            return Err(TreeError::NotEmpty(path.clone()));
        }
        for inner in inside {
            self.unset(&inner, changed);
        }
        if !path.is_top() {
            self.unset(path, changed);
        }
        Ok(())
    }

    fn move_to(&mut self, from: &DrivePath, to: DrivePath, changed: &mut Segment) -> Result<(), TreeError> {
        let entry = self.get(from).ok_or_else(|| TreeError::Missing(from.clone()))?.clone();
        let modified_ms = match &entry {
            Entry::File(file) => file.modified_ms,
            Entry::Directory { modified_ms, .. } => *modified_ms,
        };
        // As `mv`: what goes to a directory goes into it.
        let to = if self.is_directory(&to) { to.join(from.name().unwrap_or_default())? } else { to };
        if *from == to {
            return Ok(());
        }
        if from.relative(&to).is_some() {
            return Err(TreeError::IntoItself(from.clone()));
        }
        match (&entry, self.get(&to)) {
            (_, None) | (Entry::File(_), Some(Entry::File(_))) => {},
            (_, Some(_)) => return Err(TreeError::Exists(to)),
        }
        let inside: Vec<DrivePath> = self.below(from).map(|(path, _)| path.clone()).collect();
        let places: Vec<DrivePath> =
            inside.iter().map(|inner| to.join(from.relative(inner).unwrap_or_default())).collect::<Result<_, _>>()?;
        self.make_parents(&to, modified_ms, changed)?;
        for (inner, place) in inside.iter().zip(places) {
            if let Some(entry) = self.unset(inner, changed) {
                self.set(place, entry, changed)?;
            }
        }
        self.unset(from, changed);
        self.set(to, entry, changed)
    }
}
