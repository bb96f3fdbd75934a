// SPDX-License-Identifier: Apache-2.0

//! Where the bytes of shards are.

use std::{
    cell::RefCell,
    fs::{self, File, OpenOptions},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
};

use cairn_primitives::storage::{SlotAt, UNIT_BYTES};
use nix::{
    fcntl::{fallocate, FallocateFlags},
    libc::{EINVAL, O_DIRECT},
};

/// Reads and writes of at least so many bytes go past the page cache. Many small writes are better gathered there until they are
/// made safe together.
const DIRECT_BYTES_MIN: usize = 128 << 10;
/// Bytes that are moved past the page cache at once, if they don't begin at a page in memory.
const DIRECT_BYTES: usize = 1 << 20;
/// Pieces of logs of which it is known whether they were read lately: together 4 GiB.
const RECENT_PLACES: usize = 32_768;
/// Bytes of such a piece.
const RECENT_BYTES: u64 = DIRECT_BYTES_MIN as u64;

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
    /// Makes a log of `bytes` again of which [`open`](Self::open) found none. What is left of it elsewhere stays; the rest reads as
    /// the end of the log, or as zeros.
    ///
    /// # Errors
    /// Of the system.
    fn create_again(&self, at: SlotAt, bytes: u64) -> io::Result<Arc<dyn BulkLog>> {
        let _ = bytes;
        self.create(at)
    }
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

/// What was read lately. What is read once goes past the page cache; what is read again is worth a place in it.
#[derive(Debug)]
struct Recent(Vec<AtomicU64>);

impl Default for Recent {
    fn default() -> Self {
        Recent((0..RECENT_PLACES).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Recent {
    /// Notes that a part of a log is read; whether its beginning was noted before. A piece is read with the part that has its
    /// middle: so parts that follow on one another have none in common. One that falls on another's place takes it: then that one is
    /// read past the page cache once more.
    fn note(&self, at: SlotAt, offset: u64, bytes: usize) -> bool {
        let after = |place: u64| place.saturating_add(RECENT_BYTES / 2) / RECENT_BYTES;
        let (first, end) = (after(offset), after(offset.saturating_add(bytes as u64)));
        let mut again = false;
        for piece in first..end.min(first.saturating_add(RECENT_PLACES as u64)) {
            let mut hasher = DefaultHasher::new();
            (at.drive, at.slot, piece).hash(&mut hasher);
            let mark = hasher.finish();
            let Some(place) = self.0.get(mark as usize % RECENT_PLACES) else { continue };
            again |= place.swap(mark, Ordering::Relaxed) == mark && piece == first;
        }
        again
    }
}

/// A folder of this machine, with a file for each log.
#[derive(Debug)]
pub struct LocalDisk {
    folder: PathBuf,
    recent: Arc<Recent>,
}

impl LocalDisk {
    /// Uses a folder; makes it if need be.
    ///
    /// # Errors
    /// Of the system.
    pub fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(LocalDisk { folder: folder.into(), recent: Arc::default() })
    }

    fn path(&self, at: SlotAt) -> PathBuf {
        self.folder.join(format!("{}-{}.log", at.drive, at.slot))
    }

    /// A log with the same file for what goes past the page cache, where the file system has such a thing.
    fn log(&self, at: SlotAt, file: File) -> Arc<dyn BulkLog> {
        let direct = OpenOptions::new().read(true).write(true).custom_flags(O_DIRECT).open(self.path(at)).ok();
        Arc::new(LocalLog { at, file, direct, recent: Arc::clone(&self.recent) })
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
        Ok(self.log(at, file))
    }

    fn open(&self, at: SlotAt) -> io::Result<Arc<dyn BulkLog>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(at))?;
        Ok(self.log(at, file))
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
    at: SlotAt,
    file: File,
    direct: Option<File>,
    recent: Arc<Recent>,
}

impl LocalLog {
    /// Writes past the page cache: what a vault takes in is not read soon, and in the page cache it would cost a copy, push out
    /// what is read, and be written in the end all the same.
    fn write_direct(direct: &File, from: &[u8], mut offset: u64) -> io::Result<()> {
        // What was read from the network into one piece mostly begins at a page.
        if from.as_ptr().align_offset(UNIT_BYTES) == 0 {
            return direct.write_all_at(from, offset);
        }
        with_page(|page| {
            for piece in from.chunks(DIRECT_BYTES) {
                let page = &mut page[..piece.len()];
                page.copy_from_slice(piece);
                direct.write_all_at(page, offset)?;
                offset += piece.len() as u64;
            }
            Ok(())
        })
    }

    /// Reads past the page cache: a page of it costs more to find and fill than the read.
    fn read_direct(direct: &File, to: &mut [u8], mut offset: u64) -> io::Result<()> {
        if to.as_ptr().align_offset(UNIT_BYTES) == 0 {
            return direct.read_exact_at(to, offset);
        }
        with_page(|page| {
            for piece in to.chunks_mut(DIRECT_BYTES) {
                let page = &mut page[..piece.len()];
                direct.read_exact_at(page, offset)?;
                piece.copy_from_slice(page);
                offset += piece.len() as u64;
            }
            Ok(())
        })
    }

    /// The file that a part is moved by past the page cache, if it can be.
    fn direct(&self, bytes: usize, offset: u64) -> Option<&File> {
        let whole = bytes.is_multiple_of(UNIT_BYTES) && offset.is_multiple_of(UNIT_BYTES as u64);
        self.direct.as_ref().filter(|_| whole && bytes >= DIRECT_BYTES_MIN)
    }
}

/// Bytes that begin at a page in memory, for what goes past the page cache.
fn with_page<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    PAGES.with_borrow_mut(|pages| {
        pages.resize(DIRECT_BYTES + UNIT_BYTES, 0);
        let start = pages.as_ptr().align_offset(UNIT_BYTES);
        work(&mut pages[start..start + DIRECT_BYTES])
    })
}

/// A file system may want more than whole pages.
fn wants_more<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.raw_os_error() == Some(EINVAL))
}

impl BulkLog for LocalLog {
    fn read(&self, to: &mut [u8], offset: u64) -> io::Result<()> {
        let again = || self.recent.note(self.at, offset, to.len());
        if let Some(direct) = self.direct(to.len(), offset).filter(|_| !again()) {
            let result = Self::read_direct(direct, to, offset);
            if !wants_more(&result) {
                return result;
            }
        }
        self.file.read_exact_at(to, offset)
    }

    fn write(&self, from: &[u8], offset: u64) -> io::Result<()> {
        if let Some(direct) = self.direct(from.len(), offset) {
            let result = Self::write_direct(direct, from, offset);
            if !wants_more(&result) {
                return result;
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
        let file = file.expect("there is room");
        written_reads_back(&LocalLog { at: AT, file, direct: None, recent: Arc::default() });
    }

    #[test]
    fn what_is_read_again_is_known_and_the_same() {
        let recent = Recent::default();
        let piece = RECENT_BYTES as usize;
        assert!(!recent.note(AT, 0, 4 * piece), "nothing was read");
        assert!(recent.note(AT, 0, 4 * piece) && recent.note(AT, 3 * RECENT_BYTES, piece));
        assert!(!recent.note(AT, 4 * RECENT_BYTES, piece), "that lies behind it");
        let unaligned = |number: u64| 100 * RECENT_BYTES + 4096 + number * 5 * RECENT_BYTES / 4;
        assert!((0..9).all(|number| !recent.note(AT, unaligned(number), 5 * piece / 4)), "they follow on one another");
        assert!((0..9).all(|number| recent.note(AT, unaligned(number), 5 * piece / 4)));
        assert!(!recent.note(SlotAt { drive: 8, ..AT }, 0, piece), "that is another log");
        assert!(!recent.note(AT, u64::MAX - 5, usize::MAX), "more than there can be does no harm");

        let folder = tempfile::tempdir().expect("a disk");
        let log = LocalDisk::new(folder.path()).expect("a disk").create(AT).expect("there is room");
        log.write(&vec![3; DIRECT_BYTES], 0).expect("there is room");
        // By turns past the page cache and through it, at places in memory that are whole pages and that aren't.
        for (round, shift) in [(1u8, 0), (2, 1), (3, 7), (4, 0)] {
            let mut back = vec![0; DIRECT_BYTES + shift];
            log.read(&mut back[shift..], 0).expect("it was written");
            let expected = if round == 1 { 3 } else { round - 1 };
            assert!(back[shift..].iter().all(|byte| *byte == expected), "round {round}");
            log.write(&vec![round; DIRECT_BYTES], 0).expect("there is room");
        }
        let mut beyond = vec![0; DIRECT_BYTES];
        let error = log.read(&mut beyond, DIRECT_BYTES as u64 / 2).expect_err("it ends before that");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
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
