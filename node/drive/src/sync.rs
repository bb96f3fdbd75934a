// SPDX-License-Identifier: Apache-2.0

//! What differs between a folder on disk and a directory of a drive.
//!
//! Size and time are compared first; where the sizes agree and the times don't, the content decides, by the file's commitment:
//! a file that was only touched is not sent again, and its time and mode follow. Symbolic links and special files are left out, and
//! counted.
//!
//! # Correctness
//! What can't be looked at is neither copied nor taken for something that isn't there: whatever the other side has of it stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{
    download::to_ms,
    frame::Commitment,
    manifest::{Entry, FileEntry, Tree, ENTRIES_MAX},
    path::DrivePath,
    upload::LeftOut,
    DriveError,
};

/// Permission bits that are compared: a drive says nothing of whose a file is.
const MODE_MASK: u16 = 0o777;

/// A file on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Where.
    pub path: PathBuf,
    /// Its bytes.
    pub size: u64,
    /// When it was changed last, in milliseconds since 1970.
    pub modified_ms: i64,
    /// Permission bits.
    pub mode: u16,
}

/// What a folder holds, by path below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalTree {
    /// Files.
    pub files: BTreeMap<DrivePath, LocalFile>,
    /// Folders.
    pub folders: Vec<DrivePath>,
    /// What was left out: links, devices, sockets, unfinished downloads.
    pub skipped: Vec<PathBuf>,
    /// What can't be read, or has a name that no path in a drive can have.
    pub left_out: Vec<LeftOut>,
    /// Places of which nobody knows what is there, with all that is below them: left out, or excluded.
    pub unseen: BTreeSet<DrivePath>,
}

impl LocalTree {
    /// Whether nobody knows what is at a place: nothing follows from its not being there.
    pub fn is_unseen(&self, path: &DrivePath) -> bool {
        if self.unseen.is_empty() {
            return false;
        }
        let mut at = Some(path.clone());
        while let Some(place) = at.filter(|place| !place.is_top()) {
            if self.unseen.contains(&place) {
                return true;
            }
            at = place.parent();
        }
        false
    }
}

/// Names of our own unfinished downloads.
fn is_part(name: &str) -> bool {
    name.starts_with(".cairn-") && name.ends_with(".part")
}

/// A file on disk, if it is an ordinary one.
///
/// # Errors
/// Those of the disk.
pub fn local_file(path: &Path) -> Result<Option<LocalFile>, DriveError> {
    let read = || {
        let metadata = fs::metadata(path)?;
        let file = LocalFile {
            path: path.into(),
            size: metadata.len(),
            modified_ms: to_ms(metadata.modified()?),
            mode: (metadata.permissions().mode() & 0o777) as u16,
        };
        Ok(metadata.is_file().then_some(file))
    };
    read().map_err(DriveError::io(path.display().to_string()))
}

/// Everything below a folder.
///
/// # Errors
/// The folder itself can't be read; more is in it than a drive can have. What else can't be read is left out.
pub fn scan(folder: &Path) -> Result<LocalTree, DriveError> {
    scan_without(folder, &|_| false)
}

/// The same without what is excluded, and all that is below that.
///
/// # Errors
/// As [`scan`].
pub fn scan_without(folder: &Path, excluded: &dyn Fn(&DrivePath) -> bool) -> Result<LocalTree, DriveError> {
    let mut found = LocalTree::default();
    let mut open = vec![(folder.to_path_buf(), DrivePath::top())];
    while let Some((at, below)) = open.pop() {
        let entries = match fs::read_dir(&at) {
            Ok(entries) => entries,
            Err(error) if below.is_top() => {
                return Err(DriveError::Io { what: at.display().to_string(), error });
            },
            Err(error) => {
                found.leave_out(at, Some(&below), &error);
                continue;
            },
        };
        for entry in entries {
            match entry {
                Ok(entry) => found.add(&entry, &below, excluded, &mut open),
                Err(error) => found.leave_out(at.clone(), Some(&below), &error),
            }
            if found.files.len() + found.folders.len() > ENTRIES_MAX {
                return Err(crate::manifest::TreeError::TooMany.into());
            }
        }
    }
    found.folders.sort();
    Ok(found)
}

impl LocalTree {
    fn leave_out(&mut self, path: PathBuf, place: Option<&DrivePath>, reason: &dyn std::fmt::Display) {
        self.unseen.extend(place.cloned());
        self.left_out.push(LeftOut { path, reason: reason.to_string() });
    }

    /// Adds what a folder has; folders in it come to what is open.
    fn add(
        &mut self,
        entry: &fs::DirEntry,
        below: &DrivePath,
        excluded: &dyn Fn(&DrivePath) -> bool,
        open: &mut Vec<(PathBuf, DrivePath)>,
    ) {
        let path = entry.path();
        let Some(name) = entry.file_name().to_str().map(String::from) else {
            return self.leave_out(path, None, &"its name is not UTF-8; rename it");
        };
        let place = match below.join(&name) {
            Ok(place) => place,
            Err(error) => return self.leave_out(path, None, &error),
        };
        if excluded(&place) {
            self.unseen.insert(place);
            return;
        }
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => return self.leave_out(path, Some(&place), &error),
        };
        if is_part(&name) && kind.is_file() {
            self.skipped.push(path);
            return;
        }
        if kind.is_dir() {
            self.folders.push(place.clone());
            open.push((path, place));
        } else if kind.is_file() {
            match local_file(&path) {
                Ok(Some(file)) => {
                    self.files.insert(place, file);
                },
                Ok(None) => self.skipped.push(path),
                // It came and went: it isn't there.
                Err(DriveError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {},
                Err(error) => self.leave_out(path, Some(&place), &error),
            }
        } else {
            self.skipped.push(path);
        }
    }
}

/// What to do so that one side becomes like the other. Paths are relative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Files to copy.
    pub copy: Vec<DrivePath>,
    /// Files with the same content, and another time or mode.
    pub touch: Vec<DrivePath>,
    /// Directories to make.
    pub make: Vec<DrivePath>,
    /// What only the target has, deepest first.
    pub extra: Vec<DrivePath>,
    /// Files that are alike.
    pub same: usize,
}

impl Difference {
    /// Adds what a later comparison found; what was alike then is what is alike.
    pub fn add(&mut self, later: &Difference) {
        for (all, more) in [
            (&mut self.copy, &later.copy),
            (&mut self.touch, &later.touch),
            (&mut self.make, &later.make),
            (&mut self.extra, &later.extra),
        ] {
            let known: BTreeSet<DrivePath> = all.iter().cloned().collect();
            all.extend(more.iter().filter(|path| !known.contains(path)).cloned());
        }
        self.same = later.same;
    }

    /// Leaves out what is excluded; directories of it stay.
    pub fn exclude(&mut self, excluded: &dyn Fn(&DrivePath) -> bool) {
        for paths in [&mut self.copy, &mut self.touch, &mut self.make] {
            paths.retain(|path| !excluded(path));
        }
        self.keep(excluded);
    }

    /// Removes nothing that is to be kept, nor what that lies in.
    fn keep(&mut self, kept: &dyn Fn(&DrivePath) -> bool) {
        let mut above = BTreeSet::new();
        for path in self.extra.iter().filter(|path| kept(path)) {
            let mut at = path.parent();
            while let Some(parent) = at.filter(|parent| !parent.is_top()) {
                at = parent.parent();
                above.insert(parent);
            }
        }
        self.extra.retain(|path| !kept(path) && !above.contains(path));
    }
}

/// How a file on disk and one of a drive compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// In all.
    Same,
    /// The content is the same; time or mode isn't.
    Touched,
    /// The content isn't the same.
    Different,
}

/// What of two files is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compare {
    /// Size and time; the content where the sizes agree and the times don't.
    #[default]
    Quick,
    /// The content, wherever the sizes agree.
    Content,
}

/// Whether a file on disk and one of a drive are alike.
///
/// # Errors
/// Those of the disk.
pub fn alike(local: &LocalFile, stored: &FileEntry, compare: Compare) -> Result<Likeness, DriveError> {
    if local.size != stored.size {
        return Ok(Likeness::Different);
    }
    let same_time = local.modified_ms == stored.modified_ms;
    if !same_time || compare == Compare::Content {
        let read = |path: &Path| Commitment::of_reader(File::open(path)?, &stored.key);
        let read = read(&local.path).map_err(DriveError::io(local.path.display().to_string()))?;
        if read != stored.commitment {
            return Ok(Likeness::Different);
        }
    }
    let same_mode = local.mode & MODE_MASK == stored.mode & MODE_MASK;
    Ok(if same_time && same_mode { Likeness::Same } else { Likeness::Touched })
}

/// What to do for the directory `at` of a drive to become like a folder. What can't be read is left out of both.
///
/// # Errors
/// A path is too long.
pub fn to_drive(
    local: &mut LocalTree,
    tree: &Tree,
    at: &DrivePath,
    compare: Compare,
) -> Result<Difference, DriveError> {
    let mut difference = Difference::default();
    let mut unread = Vec::new();
    for (path, file) in &local.files {
        let Some(Entry::File(stored)) = tree.get(&at.join(path.as_str())?) else {
            difference.copy.push(path.clone());
            continue;
        };
        match alike(file, stored, compare) {
            Ok(Likeness::Same) => difference.same += 1,
            Ok(Likeness::Touched) => difference.touch.push(path.clone()),
            Ok(Likeness::Different) => difference.copy.push(path.clone()),
            Err(error) => unread.push((path.clone(), file.path.clone(), error)),
        }
    }
    for (place, path, error) in unread {
        local.files.remove(&place);
        local.leave_out(path, Some(&place), &error);
    }
    for path in &local.folders {
        if !tree.is_directory(&at.join(path.as_str())?) {
            difference.make.push(path.clone());
        }
    }
    for (path, entry) in tree.below(at) {
        let path = relative(at, path)?;
        let there = match entry {
            Entry::File(_) => local.files.contains_key(&path),
            Entry::Directory { .. } => local.folders.binary_search(&path).is_ok(),
        };
        if !there {
            difference.extra.push(path);
        }
    }
    difference.extra.reverse();
    difference.keep(&|path| local.is_unseen(path));
    Ok(difference)
}

/// What to do for a folder to become like the directory `at` of a drive. Where the folder can't be looked at, nothing.
///
/// # Errors
/// A path is too long.
pub fn to_local(local: &LocalTree, tree: &Tree, at: &DrivePath, compare: Compare) -> Result<Difference, DriveError> {
    let mut difference = Difference::default();
    let mut wanted = BTreeMap::new();
    for (path, entry) in tree.below(at) {
        let path = relative(at, path)?;
        if local.is_unseen(&path) {
            continue;
        }
        match entry {
            Entry::File(stored) => match local.files.get(&path) {
                // What can't be read is replaced.
                Some(file) => match alike(file, stored, compare).unwrap_or(Likeness::Different) {
                    Likeness::Same => difference.same += 1,
                    Likeness::Touched => difference.touch.push(path.clone()),
                    Likeness::Different => difference.copy.push(path.clone()),
                },
                None => difference.copy.push(path.clone()),
            },
            Entry::Directory { .. } if local.folders.binary_search(&path).is_err() => {
                difference.make.push(path.clone())
            },
            Entry::Directory { .. } => {},
        }
        wanted.insert(path, entry.file().is_some());
    }
    let extra = |path: &DrivePath, is_file: bool| wanted.get(path) != Some(&is_file);
    difference.extra.extend(local.files.keys().filter(|path| extra(path, true)).cloned());
    difference.extra.extend(local.folders.iter().filter(|path| extra(path, false)).cloned());
    difference.extra.sort();
    difference.extra.reverse();
    difference.keep(&|path| local.is_unseen(path));
    Ok(difference)
}

fn relative(at: &DrivePath, path: &DrivePath) -> Result<DrivePath, DriveError> {
    Ok(DrivePath::parse(at.relative(path).unwrap_or_default())?)
}

#[cfg(test)]
mod tests;
