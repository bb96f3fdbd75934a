// SPDX-License-Identifier: Apache-2.0

//! Where the bytes of shards are.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use cairn_primitives::storage::SlotAt;
use nix::fcntl::{fallocate, FallocateFlags};

/// Where the bytes of shards are: one log a slot.
///
/// # Correctness
/// What [`BulkLog::sync`] has returned for survives a loss of power; a log that [`create`](Self::create) has returned for does,
/// too.
pub trait Bulk: Send + Sync + 'static {
    /// Makes an empty log; whatever was there before is gone.
    ///
    /// # Errors
    /// Of the system.
    fn create(&self, at: SlotAt) -> io::Result<Arc<dyn BulkLog>>;
    /// Opens a log.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    fn open(&self, at: SlotAt) -> io::Result<Arc<dyn BulkLog>>;
    /// Removes a log, if it is there.
    ///
    /// # Errors
    /// Of the system.
    fn remove(&self, at: SlotAt) -> io::Result<()>;
    /// All logs that are there.
    ///
    /// # Errors
    /// Of the system.
    fn list(&self) -> io::Result<Vec<SlotAt>>;
    /// Bytes that can still be written.
    ///
    /// # Errors
    /// Of the system.
    fn free_bytes(&self) -> io::Result<u64>;
    /// Bytes in all.
    ///
    /// # Errors
    /// Of the system.
    fn total_bytes(&self) -> io::Result<u64>;
}

/// The bytes of one log.
pub trait BulkLog: Send + Sync {
    /// Fills `to` from the log.
    ///
    /// # Errors
    /// `UnexpectedEof` if it ends before that.
    fn read(&self, to: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `from`.
    ///
    /// # Errors
    /// Of the system; an unknown part of it may be written.
    fn write(&self, from: &[u8], offset: u64) -> io::Result<()>;
    /// Returns once everything written is safe.
    ///
    /// # Errors
    /// Of the system; then what was written since the last time may be lost, also if a later call succeeds.
    fn sync(&self) -> io::Result<()>;
    /// Bytes in it.
    ///
    /// # Errors
    /// Of the system.
    fn length(&self) -> io::Result<u64>;
    /// Cuts it, or fills it up with zeros.
    ///
    /// # Errors
    /// Of the system.
    fn set_length(&self, bytes: u64) -> io::Result<()>;
    /// Gives back the room of a part; nobody reads there any more, nor before it.
    ///
    /// # Errors
    /// Of the system.
    fn forget(&self, offset: u64, bytes: u64) -> io::Result<()>;
}

/// A folder of this machine, with a file for each log.
#[derive(Debug)]
pub struct LocalDisk {
    folder: PathBuf,
}

impl LocalDisk {
    /// Uses a folder; makes it if need be.
    ///
    /// # Errors
    /// Of the system.
    pub fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(LocalDisk { folder: folder.into() })
    }

    fn path(&self, at: SlotAt) -> PathBuf {
        self.folder.join(format!("{}-{}.log", at.drive, at.slot))
    }

    /// Makes the folder's own entries safe.
    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn statistics(&self) -> io::Result<nix::sys::statvfs::Statvfs> {
        Ok(nix::sys::statvfs::statvfs(&self.folder)?)
    }
}

impl Bulk for LocalDisk {
    fn create(&self, at: SlotAt) -> io::Result<Arc<dyn BulkLog>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.path(at))?;
        file.sync_all()?;
        self.sync_folder()?;
        Ok(Arc::new(LocalLog(file)))
    }

    fn open(&self, at: SlotAt) -> io::Result<Arc<dyn BulkLog>> {
        Ok(Arc::new(LocalLog(OpenOptions::new().read(true).write(true).open(self.path(at))?)))
    }

    fn remove(&self, at: SlotAt) -> io::Result<()> {
        match fs::remove_file(self.path(at)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.sync_folder(),
        }
    }

    fn list(&self) -> io::Result<Vec<SlotAt>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let parts = name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|name| name.split_once('-'));
            let Some((drive, slot)) = parts else { continue };
            if let (Ok(drive), Ok(slot)) = (drive.parse(), slot.parse()) {
                found.push(SlotAt { drive, slot });
            }
        }
        Ok(found)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let found = self.statistics()?;
        Ok(found.blocks_available().saturating_mul(found.fragment_size()))
    }

    fn total_bytes(&self) -> io::Result<u64> {
        let found = self.statistics()?;
        Ok(found.blocks().saturating_mul(found.fragment_size()))
    }
}

struct LocalLog(File);

impl BulkLog for LocalLog {
    fn read(&self, to: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(to, offset)
    }

    fn write(&self, from: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(from, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn forget(&self, offset: u64, bytes: u64) -> io::Result<()> {
        give_back(&self.0, offset, bytes)
    }
}

/// Makes a hole in a file.
pub(crate) fn give_back(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    let (Ok(offset), Ok(bytes)) = (offset.try_into(), bytes.try_into()) else { return Ok(()) };
    if bytes == 0 {
        return Ok(());
    }
    let keep = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    match fallocate(file, keep, offset, bytes) {
        // A file system without holes keeps the bytes; that costs room and nothing else.
        Err(nix::errno::Errno::EOPNOTSUPP) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
