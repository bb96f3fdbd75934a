// SPDX-License-Identifier: Apache-2.0

//! What a commit is to change.

use std::{
    fs::File,
    io::Read,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{file_entry, manifest::check_fits};
use crate::{
    contents::Contents,
    drive::Drive,
    frame::{stored_bytes, Commitment},
    manifest::{Change, Entry, FileEntry, Segment, Tree, TreeError, NOW_MS},
    path::DrivePath,
    upload::{
        produce::{Input, Laid, Source, StoredPieces},
        Journal,
    },
    DriveError,
};

/// Pieces of stored content that are read ahead.
const AHEAD: usize = 16;

/// What a commit is to change. Its steps are taken in order.
#[derive(Debug, Default)]
pub struct Plan {
    /// Names the command: the same bytes for the same command, so that it goes on where an earlier run of it was stopped.
    pub command: Vec<u8>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// The drive's name from now on.
    pub name: Option<String>,
    /// Everything that lies in stripes before this one is laid anew, and older versions are left behind.
    pub compact_before: Option<u64>,
}

/// A step of a commit.
#[derive(Debug)]
pub enum Step {
    /// A file is put.
    Put(Put),
    /// Something else is changed.
    Change(Change),
    /// A link is made to a file, or to everything below a directory.
    Link(DrivePath),
}

/// A file to put.
#[derive(Debug)]
pub struct Put {
    /// Where to.
    pub path: DrivePath,
    /// Its content.
    pub source: PutSource,
    /// Its bytes, if they are known.
    pub size: Option<u64>,
    /// When it was changed last, in milliseconds since 1970; or [`NOW_MS`].
    pub modified_ms: i64,
    /// Permission bits.
    pub mode: u16,
}

/// Where the content of a file comes from.
pub enum PutSource {
    /// A file on disk.
    File(PathBuf),
    /// Bytes at hand.
    Bytes(Bytes),
    /// Anything that can be read once.
    Stream(Option<Box<dyn Read + Send>>),
}

impl std::fmt::Debug for PutSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PutSource::File(path) => write!(f, "File({})", path.display()),
            PutSource::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            PutSource::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl PutSource {
    fn take(&mut self, path: &DrivePath) -> Result<Source, DriveError> {
        match self {
            PutSource::File(path) => Ok(Source::File(path.clone())),
            PutSource::Bytes(bytes) => Ok(Source::Bytes(bytes.clone())),
            PutSource::Stream(stream) => {
                let again = || DriveError::SourceChanged(format!("what was read for {path} can't be read again, and"));
                stream.take().map(Source::Stream).ok_or_else(again)
            },
        }
    }
}

impl Put {
    fn stands(&self, entry: Option<&Entry>, journal: &Journal) -> Result<bool, DriveError> {
        let Some(Entry::File(stored)) = entry else { return Ok(false) };
        let modified_ms = if self.modified_ms == NOW_MS { journal.started_ms() } else { self.modified_ms };
        let alike = stored.key == journal.file_key(&self.path)
            && self.size.is_none_or(|size| size == stored.size)
            && (modified_ms, self.mode & 0o7777) == (stored.modified_ms, stored.mode);
        if !alike {
            return Ok(false);
        }
        let commitment = match &self.source {
            PutSource::File(path) => {
                let read = File::open(path).and_then(|file| Commitment::of_reader(file, &stored.key));
                // What can't be read can't be put again: what the drive has of it is what the command could store.
                let Ok(read) = read else { return Ok(true) };
                read
            },
            PutSource::Bytes(bytes) => {
                Commitment::of_reader(&bytes[..], &stored.key).map_err(DriveError::io("memory"))?
            },
            PutSource::Stream(_) => return Ok(false),
        };
        Ok(commitment == stored.commitment)
    }
}

impl Plan {
    /// What names the command.
    pub fn command(&self) -> Vec<u8> {
        self.command.clone()
    }

    fn puts(&self) -> impl Iterator<Item = &Put> {
        self.steps.iter().filter_map(|step| match step {
            Step::Put(put) => Some(put),
            _ => None,
        })
    }

    /// Files that are laid anew, in the order in which they lie.
    fn moved(&self, tree: &Tree) -> Vec<(DrivePath, FileEntry)> {
        let Some(before) = self.compact_before else { return Vec::new() };
        let moved = |(path, entry): (&DrivePath, &Entry)| match entry {
            Entry::File(file) if file.stripe < before && file.size > 0 => Some((path.clone(), file.clone())),
            _ => None,
        };
        let mut files: Vec<_> = tree.iter().filter_map(moved).collect();
        files.sort_by_key(|(_, file)| (file.stripe, file.offset));
        files
    }

    /// Bytes that are going to be stored, as far as they are known.
    pub(super) fn known_bytes(&self, drive: &Drive) -> u64 {
        let moved = self.moved(drive.contents().tree()).iter().map(|(_, file)| file.stored_bytes()).sum::<u64>();
        let put = self.puts().filter_map(|put| put.size).map(stored_bytes).fold(0, u64::saturating_add);
        moved.saturating_add(put)
    }

    /// Whether the steps can be taken, before anything is sent; and whether they change anything.
    pub(super) fn check(&self, drive: &Drive) -> Result<bool, DriveError> {
        let nothing = Laid { size: 0, commitment: None, stripe: 0, offset: 0, left_out: None };
        let moved = self.moved(drive.contents().tree()).len();
        let count = self.puts().count() + moved;
        let (laid, keys) = (vec![nothing; count], vec![[0; 32]; count]);
        let mut tree = drive.contents().tree().clone();
        let mut segment = Segment::default();
        self.apply(&laid, &keys, 0, &mut tree, &mut segment)?;
        check_fits(drive, &segment, count, &tree, self.compact_before.is_some())?;
        Ok(self.does_more() || !segment.is_empty())
    }

    /// Whether it does something besides what its steps change in the drive.
    pub(super) fn does_more(&self) -> bool {
        let links = self.steps.iter().any(|step| matches!(step, Step::Link(_)));
        links || self.name.is_some() || self.compact_before.is_some()
    }

    /// Whether it only makes room, or needs next to none: what is kept free of a drive is kept for it.
    pub(super) fn only_tidies(&self) -> bool {
        let tidies = |step: &Step| match step {
            Step::Put(_) | Step::Link(_) => false,
            Step::Change(_) => true,
        };
        self.steps.iter().all(tidies)
    }

    /// Whether all that is put and made is in a drive, as an earlier run of the same command put it there: under the journal's
    /// keys, and what the sources have is what was stored. Of a stream nobody knows. Removing, moving and links are named by the
    /// version that they were meant for, so what was committed is what was meant.
    ///
    /// # Errors
    /// A source can't be read.
    pub fn stands(&self, tree: &Tree, journal: &Journal) -> Result<bool, DriveError> {
        for step in &self.steps {
            let stands = match step {
                Step::Put(put) => put.stands(tree.get(&put.path), journal)?,
                Step::Change(Change::MakeDirectory(path, _)) => tree.is_directory(path),
                Step::Change(_) | Step::Link(_) => true,
            };
            if !stands {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// All content to be laid: first what is moved, then what is put.
    pub(super) fn inputs(&mut self, drive: &Drive, journal: &Journal) -> Result<Vec<Input>, DriveError> {
        let moved = self.moved(drive.contents().tree());
        let mut inputs = Vec::with_capacity(moved.len());
        if !moved.is_empty() {
            let (to, pieces) = mpsc::channel(AHEAD);
            let pieces: StoredPieces = Arc::new(Mutex::new(pieces));
            for (path, file) in &moved {
                let source = Source::Stored { pieces: Arc::clone(&pieces), bytes: file.stored_bytes() };
                inputs.push(Input { source, key: file.key, name: path.to_string() });
            }
            tokio::spawn(feed(Arc::clone(&drive.loaded.contents), moved, to));
        }
        for step in &mut self.steps {
            let Step::Put(put) = step else { continue };
            let source = put.source.take(&put.path)?;
            inputs.push(Input { source, key: journal.file_key(&put.path), name: put.path.to_string() });
        }
        Ok(inputs)
    }

    /// Takes the steps. `laid` and `keys` are those of [`Self::inputs`]; `started_ms` is what [`NOW_MS`] stands for.
    pub(super) fn apply(
        &self,
        laid: &[Laid],
        keys: &[[u8; 32]],
        started_ms: i64,
        tree: &mut Tree,
        changed: &mut Segment,
    ) -> Result<(), TreeError> {
        let mut laid = laid.iter().zip(keys);
        for (path, file) in self.moved(tree) {
            let Some((laid, _)) = laid.next() else { break };
            let file = FileEntry { stripe: laid.stripe, offset: laid.offset, ..file };
            tree.apply(Change::Put(path, file), changed)?;
        }
        for step in &self.steps {
            match step {
                Step::Put(put) => {
                    let Some((laid, key)) = laid.next() else { break };
                    if laid.left_out.is_some() {
                        continue;
                    }
                    let mut file = file_entry(laid, put, *key);
                    if file.modified_ms == NOW_MS {
                        file.modified_ms = started_ms;
                    }
                    // They are made now, however old the file is.
                    tree.make_parents(&put.path, started_ms, changed)?;
                    tree.apply(Change::Put(put.path.clone(), file), changed)?;
                },
                Step::Change(Change::MakeDirectory(path, NOW_MS)) => {
                    tree.apply(Change::MakeDirectory(path.clone(), started_ms), changed)?;
                },
                Step::Change(change) => tree.apply(change.clone(), changed)?,
                Step::Link(path) if !tree.is_directory(path) && tree.get(path).is_none() => {
                    return Err(TreeError::Missing(path.clone()));
                },
                Step::Link(_) => {},
            }
        }
        Ok(())
    }
}

/// Reads stored content, file after file.
async fn feed(
    contents: Arc<Contents>,
    files: Vec<(DrivePath, FileEntry)>,
    to: mpsc::Sender<Result<Bytes, DriveError>>,
) {
    for (_, file) in files {
        let (pieces_to, mut pieces) = mpsc::channel(AHEAD);
        let forward = async {
            while let Some(piece) = pieces.recv().await {
                if to.send(Ok(piece)).await.is_err() {
                    break;
                }
            }
        };
        let (read, ()) = futures::join!(contents.stored(&file, 0..file.stored_bytes(), pieces_to), forward);
        if let Err(error) = read {
            // Nobody may take it any more.
            let _ = to.send(Err(error)).await;
            return;
        }
    }
}
