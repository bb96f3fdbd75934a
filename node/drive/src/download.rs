// SPDX-License-Identifier: Apache-2.0

//! Files of a drive to files on disk.
//!
//! # Correctness
//! A file appears under its name when it is whole, checked and on disk, and not before: it is written beside it under a name
//! that follows from its content and its own name, so that an interrupted download goes on where it was. Whoever writes there has
//! a lock on it until it has its name.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        mpsc::{sync_channel, SyncSender},
        Arc,
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::{stream::StreamExt, FutureExt};
use tokio::task::JoinHandle;

use crate::{
    contents::Contents,
    frame::{fill, Commitment, FRAME_BYTES},
    manifest::FileEntry,
    DriveError,
};

/// Told how many bytes of plaintext have arrived.
pub type OnBytes = Arc<dyn Fn(u64) + Send + Sync>;

/// A file to get.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// How to call it in an error.
    pub name: String,
    /// What it is.
    pub file: FileEntry,
    /// Where to.
    pub to: PathBuf,
}

/// Files of at most so many bytes are got several at a time: for them it is the disk's waiting that takes time.
const SMALL_BYTES: u64 = 1 << 20;
/// So many.
const SMALL_AT_ONCE: usize = 16;
/// So many of them are sent to the disk one after the other: the first takes the others' entries along, where each alone would wait
/// for the disk. They are open meanwhile.
const SYNC_AT_ONCE: usize = 128;
/// Whenever so many bytes of a file have come they are sent to the disk, while more come: else it would stand still until the end,
/// and all be waited for then.
const SYNC_BYTES: u64 = 32 << 20;

/// How often a part is opened anew that got its name just when it was opened.
const PART_TRIES_MAX: usize = 16;

/// Writes files, each as [`download`] does, in an order of its own.
///
/// # Errors
/// As [`download`]; the files before the one that failed are there.
pub async fn download_all(
    contents: &Arc<Contents>,
    mut wanted: Vec<Wanted>,
    on_bytes: OnBytes,
) -> Result<(), DriveError> {
    // In the order in which they lie, so that those that share a stripe come together.
    wanted.sort_by_key(|wanted| (wanted.file.stripe, wanted.file.offset));
    let mut folders: Vec<PathBuf> =
        wanted.iter().filter_map(|wanted| Some(wanted.to.parent()?.to_path_buf())).collect();
    folders.sort();
    folders.dedup();
    let (small, large): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|wanted| wanted.file.size <= SMALL_BYTES);
    let get = |wanted: Wanted| {
        let (contents, on_bytes) = (Arc::clone(contents), Arc::clone(&on_bytes));
        let got = async move { write(&contents, &wanted.name, &wanted.file, &wanted.to, on_bytes).await };
        got.boxed()
    };
    let mut getting = futures::stream::iter(small).map(get).buffer_unordered(SMALL_AT_ONCE).fuse();
    let mut last = Ok(());
    let mut finishing: Option<JoinHandle<Result<(), DriveError>>> = None;
    loop {
        let mut written = Vec::with_capacity(SYNC_AT_ONCE);
        while last.is_ok() && written.len() < SYNC_AT_ONCE {
            match getting.next().await {
                Some(Ok(file)) => written.push(file),
                Some(Err(error)) => last = Err(error),
                None => break,
            }
        }
        if let Some(finishing) = finishing.take() {
            finishing.await??;
        }
        if written.is_empty() {
            break;
        }
        finishing = Some(tokio::task::spawn_blocking(move || finish(written)));
    }
    last?;
    for wanted in large {
        let written = get(wanted).await?;
        tokio::task::spawn_blocking(move || finish(vec![written])).await??;
    }
    for folder in folders {
        let inside = folder.join("file");
        sync_parent(&inside).map_err(DriveError::io(folder.display().to_string()))?;
    }
    Ok(())
}

/// Writes a file to `to`, over one that is there.
///
/// # Errors
/// [`DriveError::Damaged`] if the content isn't the stored one; [`DriveError::Unreadable`]; [`DriveError::Getting`] if another
/// download to the same place is under way; those of the disk.
pub async fn download(
    contents: &Contents,
    name: &str,
    file: &FileEntry,
    to: &Path,
    on_bytes: OnBytes,
) -> Result<(), DriveError> {
    let written = write(contents, name, file, to, on_bytes).await?;
    tokio::task::spawn_blocking(move || finish(vec![written])).await??;
    sync_parent(to).map_err(DriveError::io(to.display().to_string()))
}

/// A file that is whole and checked, not under its name yet.
struct Written {
    part: PartFile,
    to: PathBuf,
    size: u64,
    mode: u16,
    modified_ms: i64,
}

/// Gives files their names, once they are on disk; that they have them lasts once their folders are.
fn finish(files: Vec<Written>) -> Result<(), DriveError> {
    for file in &files {
        let prepared = file.part.file.set_permissions(Permissions::from_mode(u32::from(file.mode) & 0o777));
        let prepared = prepared.and_then(|()| file.part.file.set_modified(from_ms(file.modified_ms)));
        prepared.map_err(DriveError::io(file.to.display().to_string()))?;
    }
    for file in files {
        let named = file.part.file.sync_all().and_then(|()| file.part.rename(&file.to, file.size));
        named.map_err(DriveError::io(file.to.display().to_string()))?;
    }
    Ok(())
}

/// Writes a file beside its place.
async fn write(
    contents: &Contents,
    name: &str,
    file: &FileEntry,
    to: &Path,
    on_bytes: OnBytes,
) -> Result<Written, DriveError> {
    let part = PartFile::open(to, file)?;
    if !attempt(contents, name, file, &part, Arc::clone(&on_bytes)).await? {
        // What was there from an earlier download was something else: everything anew.
        part.file.set_len(0).map_err(DriveError::io(part.shown()))?;
        if !attempt(contents, name, file, &part, on_bytes).await? {
            let _ = fs::remove_file(&part.path);
            return Err(DriveError::Damaged { name: name.into() });
        }
    }
    Ok(Written { part, to: to.to_path_buf(), size: file.size, mode: file.mode, modified_ms: file.modified_ms })
}

/// Gets what is missing of a file; whether it then is the stored one.
async fn attempt(
    contents: &Contents,
    name: &str,
    file: &FileEntry,
    part: &PartFile,
    on_bytes: OnBytes,
) -> Result<bool, DriveError> {
    let shown = part.shown();
    let (mut out, known) = part.resume(file.size).map_err(DriveError::io(shown.clone()))?;
    on_bytes(known.size());
    let from = known.size();
    let (syncing, sync) = if file.size - from > SYNC_BYTES {
        let (syncing, sync) = sync_behind(&part.file).map_err(DriveError::io(shown.clone()))?;
        (Some(syncing), Some(sync))
    } else {
        (None, None)
    };
    let mut unsynced = 0;
    let sink = move |bytes: &[u8]| {
        out.write_all(bytes)?;
        unsynced += bytes.len() as u64;
        if let Some(sync) = sync.as_ref().filter(|_| unsynced >= SYNC_BYTES) {
            unsynced = 0;
            // Full is when the disk is behind: it gets what has come meanwhile with the next.
            let _ = sync.try_send(());
        }
        on_bytes(bytes.len() as u64);
        Ok(())
    };
    let read = contents.copy(name, file, from..file.size, known, sink).await.map_err(|error| match error {
        DriveError::Io { error, .. } => {
            DriveError::Io { what: format!("{shown}, which the same command goes on with"), error }
        },
        error => error,
    })?;
    if let Some(syncing) = syncing {
        syncing.await?.map_err(DriveError::io(shown))?;
    }
    Ok(read.finish(&file.key) == file.commitment)
}

/// Sends a file to the disk each time it is told to, until nobody can tell it any more.
///
/// # Correctness
/// The system tells a failed write once: so what this gives counts, not only what the last sync of all gives.
fn sync_behind(part: &File) -> io::Result<(JoinHandle<io::Result<()>>, SyncSender<()>)> {
    let file = part.try_clone()?;
    let (sync, told) = sync_channel::<()>(1);
    let syncing = tokio::task::spawn_blocking(move || told.iter().try_for_each(|()| file.sync_data()));
    Ok((syncing, sync))
}

/// An unfinished download, beside its place.
///
/// # Correctness
/// The file is locked as long as this exists: one download at a time writes to it, in whatever process. A part is named after its
/// content and the name that it is to have, so downloads to different places have nothing in common.
struct PartFile {
    path: PathBuf,
    file: File,
}

impl PartFile {
    /// Opens the part of a file that is to be at `to`, and locks it.
    ///
    /// # Errors
    /// [`DriveError::Getting`] if another download writes to it; those of the disk.
    fn open(to: &Path, file: &FileEntry) -> Result<Self, DriveError> {
        let path = part_path(to, file);
        let failed = |error: io::Error| DriveError::Io { what: path.display().to_string(), error };
        for _ in 0..PART_TRIES_MAX {
            let opened = part_options().create(true).truncate(false).open(&path).map_err(failed)?;
            match opened.try_lock() {
                Ok(()) => {},
                Err(TryLockError::WouldBlock) => return Err(DriveError::Getting { to: to.display().to_string() }),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    return Self::unshared(&path).map_err(failed);
                },
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            let part = PartFile { path: path.clone(), file: opened };
            // Whoever had the lock before may have given the file its name meanwhile.
            if part.is_in_place().map_err(failed)? {
                return Ok(part);
            }
        }
        Err(DriveError::Getting { to: to.display().to_string() })
    }

    /// A part that no other download can have; nobody goes on with it. For file systems without locks.
    fn unshared(path: &Path) -> io::Result<Self> {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
        let path = path.with_extension(format!("{}-{nanos}.part", std::process::id()));
        let file = part_options().create_new(true).open(&path)?;
        Ok(PartFile { path, file })
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Whether the file that is open is the one that has the part's name.
    fn is_in_place(&self) -> io::Result<bool> {
        let named = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            named => named?,
        };
        let open = self.file.metadata()?;
        Ok((named.dev(), named.ino()) == (open.dev(), open.ino()))
    }

    /// A handle behind the last whole frame, and what is before that.
    fn resume(&self, size: u64) -> io::Result<(File, Commitment)> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        let there = file.metadata()?.len().min(size) / FRAME_BYTES as u64;
        let mut known = Commitment::default();
        let mut frame = vec![0; FRAME_BYTES];
        for _ in 0..there {
            if fill(&mut Read::by_ref(&mut file), &mut frame)? < FRAME_BYTES {
                break;
            }
            known.add(*blake3::hash(&frame).as_bytes(), FRAME_BYTES);
        }
        file.set_len(known.size())?;
        file.seek(SeekFrom::Start(known.size()))?;
        Ok((file, known))
    }

    /// Gives the file its name, if it still is what was written.
    fn rename(&self, to: &Path, size: u64) -> io::Result<()> {
        if !self.is_in_place()? || self.file.metadata()?.len() != size {
            let changed = "another program changed the file while it was got; get it again";
            return Err(io::Error::other(changed));
        }
        fs::rename(&self.path, to)
    }
}

/// A part is nobody else's business, and a symbolic link in its place isn't followed.
fn part_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
    options
}

pub(crate) fn part_path(to: &Path, file: &FileEntry) -> PathBuf {
    let mut name = blake3::Hasher::new();
    name.update(&file.commitment).update(to.file_name().unwrap_or_default().as_encoded_bytes());
    to.with_file_name(format!(".cairn-{}.part", hex::encode(&name.finalize().as_bytes()[..10])))
}

/// Bytes that are free where a file or folder is, or is to be; `None` if that isn't known.
pub fn free_bytes(at: &Path) -> Option<u64> {
    let there = at.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let room = nix::sys::statvfs::statvfs(there).ok()?;
    Some(room.blocks_available().saturating_mul(room.fragment_size()))
}

/// Makes a rename in a file's directory last.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Milliseconds since 1970 as the system's time.
pub fn from_ms(ms: i64) -> SystemTime {
    let duration = Duration::from_millis(ms.unsigned_abs());
    let time = if ms < 0 { UNIX_EPOCH.checked_sub(duration) } else { UNIX_EPOCH.checked_add(duration) };
    time.unwrap_or(UNIX_EPOCH)
}

/// The system's time as milliseconds since 1970.
pub fn to_ms(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}
