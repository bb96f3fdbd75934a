// SPDX-License-Identifier: Apache-2.0

//! Where the bytes of shards are.

use std::{
    cell::RefCell,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use cairn_primitives::storage::{SlotAt, UNIT_BYTES};
use nix::{
    fcntl::{fallocate, FallocateFlags},
    libc::{EINVAL, O_DIRECT},
};

/// Writes of at least so many bytes go past the page cache. Many small ones are better gathered there until they are made safe
/// together.
const DIRECT_BYTES_MIN: usize = 128 << 10;
/// Bytes that are written past the page cache at once.
const DIRECT_BYTES: usize = 1 << 20;

thread_local! {
    /// What goes past the page cache has to begin at a page in memory, too.
    static PAGES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

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

    /// The same log, for writes past the page cache; `None` where the file system has no such thing.
    fn open_direct(&self, at: SlotAt) -> Option<File> {
        OpenOptions::new().write(true).custom_flags(O_DIRECT).open(self.path(at)).ok()
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
        Ok(Arc::new(LocalLog { direct: self.open_direct(at), file }))
    }

    fn open(&self, at: SlotAt) -> io::Result<Arc<dyn BulkLog>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(at))?;
        Ok(Arc::new(LocalLog { direct: self.open_direct(at), file }))
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

struct LocalLog {
    file: File,
    direct: Option<File>,
}

impl LocalLog {
    /// Writes past the page cache: what a vault takes in is not read soon, and in the page cache it would cost a copy, push out
    /// what is read, and be written in the end all the same.
    fn write_direct(direct: &File, from: &[u8], mut offset: u64) -> io::Result<()> {
        PAGES.with_borrow_mut(|pages| {
            pages.resize(DIRECT_BYTES + UNIT_BYTES, 0);
            let start = pages.as_ptr().align_offset(UNIT_BYTES);
            for piece in from.chunks(DIRECT_BYTES) {
                let page = &mut pages[start..start + piece.len()];
                page.copy_from_slice(piece);
                direct.write_all_at(page, offset)?;
                offset += piece.len() as u64;
            }
            Ok(())
        })
    }
}

impl BulkLog for LocalLog {
    fn read(&self, to: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(to, offset)
    }

    fn write(&self, from: &[u8], offset: u64) -> io::Result<()> {
        let whole = from.len().is_multiple_of(UNIT_BYTES) && offset.is_multiple_of(UNIT_BYTES as u64);
        if let (Some(direct), true) = (&self.direct, whole && from.len() >= DIRECT_BYTES_MIN) {
            match Self::write_direct(direct, from, offset) {
                // A file system that wants more than pages.
                Err(error) if error.raw_os_error() == Some(EINVAL) => {},
                result => return result,
            }
        }
        self.file.write_all_at(from, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn forget(&self, offset: u64, bytes: u64) -> io::Result<()> {
        give_back(&self.file, offset, bytes)
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

#[cfg(test)]
mod tests {
    use super::*;

    const AT: SlotAt = SlotAt { drive: 7, slot: 1 };

    /// Sizes around all bounds, each with other bytes.
    fn pieces() -> Vec<Vec<u8>> {
        let sizes =
            [UNIT_BYTES, DIRECT_BYTES_MIN - UNIT_BYTES, DIRECT_BYTES_MIN, DIRECT_BYTES, DIRECT_BYTES + UNIT_BYTES];
        sizes.iter().enumerate().map(|(index, size)| (0..*size).map(|at| (at * 31 + index) as u8).collect()).collect()
    }

    fn written_reads_back(log: &dyn BulkLog) {
        let (mut offset, all) = (0, pieces());
        for piece in &all {
            log.write(piece, offset).expect("there is room");
            offset += piece.len() as u64;
        }
        log.sync().expect("it is a disk");
        assert_eq!(log.length().expect("it is open"), offset);
        let mut back = vec![0; usize::try_from(offset).expect("small")];
        log.read(&mut back, 0).expect("it was written");
        assert!(back == all.concat(), "other bytes came back");
        // Over what is there, some of it in the page cache.
        let again = vec![9; DIRECT_BYTES];
        log.write(&again, UNIT_BYTES as u64).expect("there is room");
        log.read(&mut back, 0).expect("it was written");
        let after = UNIT_BYTES + again.len();
        assert!(back[UNIT_BYTES..after] == again && back[after..] == all.concat()[after..]);
    }

    #[test]
    fn large_and_small_writes_read_back() {
        let folder = tempfile::tempdir().expect("a disk");
        let disk = LocalDisk::new(folder.path()).expect("a disk");
        written_reads_back(&*disk.create(AT).expect("there is room"));
        written_reads_back(&*disk.open(AT).expect("it is there"));
    }

    #[test]
    fn without_direct_writes_it_is_the_same() {
        let folder = tempfile::tempdir().expect("a disk");
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(folder.path().join("log"));
        written_reads_back(&LocalLog { file: file.expect("there is room"), direct: None });
    }

    #[test]
    fn what_is_no_whole_page_is_written_too() {
        let folder = tempfile::tempdir().expect("a disk");
        let disk = LocalDisk::new(folder.path()).expect("a disk");
        let log = disk.create(AT).expect("there is room");
        let odd = vec![5; DIRECT_BYTES_MIN + 1];
        log.write(&odd, 3).expect("there is room");
        let mut back = vec![0; odd.len()];
        log.read(&mut back, 3).expect("it was written");
        assert!(back == odd);
    }
}
