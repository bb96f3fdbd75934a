// SPDX-License-Identifier: Apache-2.0

//! What differs between a folder on disk and a directory of a drive.
//!
//! Size and time are compared first; where the sizes agree and the times don't, the content decides, by the file's commitment:
//! a file that was only touched is not sent again. Symbolic links and special files are left out, and counted.

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
    DriveError,
};

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
    /// What was left out: links, devices, sockets.
    pub skipped: Vec<PathBuf>,
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
/// Those of the disk; a name that no path in a drive can have.
pub fn scan(folder: &Path) -> Result<LocalTree, DriveError> {
    let mut found = LocalTree::default();
    let mut open = vec![(folder.to_path_buf(), DrivePath::top())];
    while let Some((at, below)) = open.pop() {
        let shown = at.display().to_string();
        let entries = fs::read_dir(&at).map_err(DriveError::io(shown.clone()))?;
        for entry in entries {
            let entry = entry.map_err(DriveError::io(shown.clone()))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(DriveError::io(path.display().to_string()))?;
            let Some(name) = entry.file_name().to_str().map(String::from) else {
                let error = std::io::Error::other("its name is not UTF-8; rename it");
                return Err(DriveError::Io { what: path.display().to_string(), error });
            };
            if is_part(&name) {
                continue;
            }
            let place = || below.join(&name).map_err(|error| DriveError::LocalName { folder: shown.clone(), error });
            if kind.is_dir() {
                let place = place()?;
                found.folders.push(place.clone());
                open.push((path, place));
            } else if kind.is_file() {
                if let Some(file) = local_file(&path)? {
                    found.files.insert(place()?, file);
                }
            } else {
                found.skipped.push(path);
            }
            if found.files.len() + found.folders.len() > ENTRIES_MAX {
                return Err(crate::manifest::TreeError::TooMany.into());
            }
        }
    }
    found.folders.sort();
    Ok(found)
}

/// What to do so that one side becomes like the other. Paths are relative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Files to copy.
    pub copy: Vec<DrivePath>,
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
        for (all, more) in
            [(&mut self.copy, &later.copy), (&mut self.make, &later.make), (&mut self.extra, &later.extra)]
        {
            let known: BTreeSet<DrivePath> = all.iter().cloned().collect();
            all.extend(more.iter().filter(|path| !known.contains(path)).cloned());
        }
        self.same = later.same;
    }
}

/// Whether a file on disk and one of a drive are alike.
///
/// # Errors
/// Those of the disk.
pub fn alike(local: &LocalFile, stored: &FileEntry) -> Result<bool, DriveError> {
    if local.size != stored.size {
        return Ok(false);
    }
    if local.modified_ms == stored.modified_ms {
        return Ok(true);
    }
    let read = |path: &Path| Commitment::of_reader(File::open(path)?, &stored.key);
    Ok(read(&local.path).map_err(DriveError::io(local.path.display().to_string()))? == stored.commitment)
}

/// What to do for the directory `at` of a drive to become like a folder.
///
/// # Errors
/// Those of the disk.
pub fn to_drive(local: &LocalTree, tree: &Tree, at: &DrivePath) -> Result<Difference, DriveError> {
    let mut difference = Difference::default();
    for (path, file) in &local.files {
        match tree.get(&at.join(path.as_str())?) {
            Some(Entry::File(stored)) if alike(file, stored)? => difference.same += 1,
            _ => difference.copy.push(path.clone()),
        }
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
    Ok(difference)
}

/// What to do for a folder to become like the directory `at` of a drive.
///
/// # Errors
/// Those of the disk.
pub fn to_local(local: &LocalTree, tree: &Tree, at: &DrivePath) -> Result<Difference, DriveError> {
    let mut difference = Difference::default();
    let mut wanted = BTreeMap::new();
    for (path, entry) in tree.below(at) {
        let path = relative(at, path)?;
        match entry {
            Entry::File(stored) => match local.files.get(&path) {
                Some(file) if alike(file, stored)? => difference.same += 1,
                _ => difference.copy.push(path.clone()),
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
    Ok(difference)
}

fn relative(at: &DrivePath, path: &DrivePath) -> Result<DrivePath, DriveError> {
    Ok(DrivePath::parse(at.relative(path).unwrap_or_default())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Change, Segment};

    fn path(text: &str) -> DrivePath {
        DrivePath::parse(text).expect("a path")
    }

    fn stored(content: &[u8], modified_ms: i64) -> FileEntry {
        let key = [8; 32];
        let commitment = Commitment::of_reader(content, &key).expect("in memory");
        FileEntry { size: content.len() as u64, modified_ms, mode: 0o644, key, commitment, stripe: 0, offset: 0 }
    }

    #[test]
    fn a_name_that_no_drive_has_is_told_with_its_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("made");
        fs::write(inner.join("a\nb"), b"").expect("written");
        let error = scan(folder.path()).expect_err("a line break").to_string();
        assert!(error.contains(&*inner.to_string_lossy()) && error.contains("control character"), "{error}");
    }

    #[test]
    fn both_directions_see_what_differs() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, content: &[u8]| {
            let to = folder.path().join(name);
            fs::create_dir_all(to.parent().expect("below")).expect("made");
            fs::write(&to, content).expect("written");
            local_file(&to).expect("there").expect("a file").modified_ms
        };
        let same_ms = write("same", b"1");
        write("touched", b"2");
        write("changed", b"3");
        write("longer", b"44");
        write("sub/new", b"5");
        write(".cairn-00.part", b"unfinished");
        fs::create_dir(folder.path().join("empty")).expect("made");
        std::os::unix::fs::symlink("same", folder.path().join("link")).expect("made");

        let (mut tree, mut changed) = (Tree::default(), Segment::default());
        for (name, file) in [
            ("in/same", stored(b"1", same_ms)),
            ("in/touched", stored(b"2", 1)),
            ("in/changed", stored(b"x", 1)),
            ("in/longer", stored(b"4", 1)),
            ("in/gone/deep", stored(b"6", 1)),
            ("outside", stored(b"7", 1)),
        ] {
            tree.apply(Change::Put(path(name), file), &mut changed).expect("fits");
        }
        let local = scan(folder.path()).expect("there");
        assert_eq!(local.skipped.len(), 1);
        let paths = |list: &[&str]| list.iter().map(|text| path(text)).collect::<Vec<_>>();

        let up = to_drive(&local, &tree, &path("in")).expect("compared");
        assert_eq!(up.copy, paths(&["changed", "longer", "sub/new"]));
        assert_eq!(up.make, paths(&["empty", "sub"]));
        assert_eq!((up.extra, up.same), (paths(&["gone/deep", "gone"]), 2));

        let down = to_local(&local, &tree, &path("in")).expect("compared");
        assert_eq!(down.copy, paths(&["changed", "gone/deep", "longer"]));
        assert_eq!((down.make, down.same), (paths(&["gone"]), 2));
        assert_eq!(down.extra, paths(&["sub/new", "sub", "empty"]));
    }
}
