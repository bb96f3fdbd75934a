// SPDX-License-Identifier: Apache-2.0

//! Records on a disk, one after the other.
//!
//! A record is `length[4] ‖ check[8] ‖ payload`: little-endian, and the start of the payload's blake3 hash.
//!
//! # Correctness
//! - A record that [`Writer::append`] has returned for survives a kill and a loss of power.
//! - What a kill left half-written at the end is cut off; damage anywhere else is an error, never skipped.
//! - Rewriting puts the whole new file in the old one's place, or nothing.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc, Arc,
    },
    thread::JoinHandle,
};

use tokio::sync::oneshot;

/// Bytes of a record.
const RECORD_BYTES_MAX: usize = 1 << 16;
/// Bytes of a file that is read. Rewriting, when it is opened and whenever it is long, keeps it far below.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// A file is long that has grown by so many bytes, and to twice its size, since it was written anew.
const GROWTH_BYTES: u64 = 16 << 20;
/// Bytes before a payload.
const HEAD: usize = 12;

/// Takes the books in a folder: they are free again when what is returned is dropped, or the process ends however.
///
/// # Errors
/// Of the system, or another process has them.
pub fn lock(dir: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(dir.join("lock"))?;
    file.try_lock().map_err(|error| {
        let text =
            format!("another process uses the books in {}: {error}; stop it, or give another --data", dir.display());
        io::Error::new(io::ErrorKind::WouldBlock, text)
    })?;
    // What whoever had them before said of itself.
    file.set_len(0)?;
    Ok(file)
}

/// Bytes that a process may say of itself.
const SAID_BYTES_MAX: u64 = 1024;

/// What the process that has the books in a folder says of itself, in the file that it has locked: so what one that was killed had
/// said is never taken for another's. `None` if no process has the books, or the process says nothing.
///
/// # Errors
/// Of the system.
pub fn holder(dir: &Path) -> io::Result<Option<String>> {
    let mut file = match File::open(dir.join("lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => return Ok(None),
        Err(std::fs::TryLockError::WouldBlock) => {},
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
    }
    let mut said = String::new();
    (&mut file).take(SAID_BYTES_MAX).read_to_string(&mut said)?;
    Ok(Some(said).filter(|said| !said.is_empty()))
}

/// Reads all records of a file, oldest first; none if there is no file. Cuts a half-written end off.
///
/// # Errors
/// Of the system; `InvalidData` for a file that is damaged or not such a file.
pub fn read(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    load(path, true)
}

/// The same without changing the file, which another process may be writing: what looks half-written may be whole in a moment.
///
/// # Errors
/// As [`read`].
pub fn peek(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    load(path, false)
}

fn load(path: &Path, cut: bool) -> io::Result<Vec<Vec<u8>>> {
    let mut file = match OpenOptions::new().read(true).write(cut).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() > FILE_BYTES_MAX {
        return Err(damaged(path, 0, "it is too big"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let (mut records, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match record(&bytes[at..]) {
            Some(payload) => {
                at += HEAD + payload.len();
                records.push(payload.to_vec());
            },
            None if torn(&bytes[at..]) => {
                if cut {
                    file.set_len(at as u64)?;
                    file.sync_all()?;
                }
                break;
            },
            None => return Err(damaged(path, at, "a record is not what was written")),
        }
    }
    Ok(records)
}

fn record(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (check, rest) = rest.split_first_chunk::<8>()?;
    let payload = rest.get(..u32::from_le_bytes(*length) as usize)?;
    (payload.len() <= RECORD_BYTES_MAX && check_of(payload) == *check && !payload.is_empty()).then_some(payload)
}

/// Whether this is what is left of one last record: there is nothing behind it.
fn torn(bytes: &[u8]) -> bool {
    if bytes.iter().all(|byte| *byte == 0) {
        return true;
    }
    let Some((length, _)) = bytes.split_first_chunk::<4>() else { return true };
    let length = u32::from_le_bytes(*length) as usize;
    length <= RECORD_BYTES_MAX && bytes.len() <= HEAD + length
}

fn check_of(payload: &[u8]) -> [u8; 8] {
    let mut check = [0; 8];
    check.copy_from_slice(&blake3::hash(payload).as_bytes()[..8]);
    check
}

fn damaged(path: &Path, at: usize, reason: &str) -> io::Error {
    let text = format!("{} is damaged at byte {at}: {reason}; restore it from a backup", path.display());
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn write_record(to: &mut Vec<u8>, payload: &[u8]) {
    debug_assert!(!payload.is_empty() && payload.len() <= RECORD_BYTES_MAX);
    to.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    to.extend_from_slice(&check_of(payload));
    to.extend_from_slice(payload);
}

/// Puts a whole new file in an old one's place, or nothing; only its owner can read it. When this returns it survives a loss of
/// power.
///
/// # Errors
/// Of the system.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(dir)?.sync_all()
}

enum Job {
    /// One record to write, and whom to tell once it is durable.
    Append(Vec<u8>, Option<oneshot::Sender<io::Result<()>>>),
    /// All that a new file begins with.
    Anew(Vec<u8>),
}

/// Bytes of the file now, and when it was written anew.
#[derive(Debug, Default)]
struct Length {
    now: AtomicU64,
    anew: AtomicU64,
}

/// Appends from any number of tasks: a thread of its own writes what is there at once, and syncs once for all of it.
pub struct Writer {
    jobs: Option<mpsc::SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    length: Arc<Length>,
}

impl Writer {
    /// Begins a file anew with these records, in the place of whatever is there, and appends to it from then on.
    ///
    /// # Errors
    /// Of the system.
    pub fn rewrite(path: &Path, records: impl IntoIterator<Item = Vec<u8>>) -> io::Result<Self> {
        let length = Arc::<Length>::default();
        let mut target = Target { path: path.into(), file: None, length: length.clone() };
        target.begin(&whole(records))?;
        let (jobs, queue) = mpsc::sync_channel(1024);
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || write_all(target, &queue))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), length })
    }

    /// Whether it is time for [`Self::begin_anew`].
    pub fn is_long(&self) -> bool {
        let (now, anew) = (self.length.now.load(Ordering::Relaxed), self.length.anew.load(Ordering::Relaxed));
        now.saturating_sub(anew) > GROWTH_BYTES.max(anew)
    }

    /// Begins the file anew with these records, which say all that those say that were given before; what is given later follows
    /// them. As long as the new file isn't whole the old one is in its place.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn begin_anew(&self, records: impl IntoIterator<Item = Vec<u8>>) -> io::Result<()> {
        self.send(Job::Anew(whole(records)))
    }

    /// Appends a record, and returns once it is durable.
    ///
    /// # Errors
    /// Of the system: it may or may not be there. After one failed write all further ones fail, too.
    pub async fn append(&self, payload: Vec<u8>) -> io::Result<()> {
        let (done, wait) = oneshot::channel();
        self.send(Job::Append(payload, Some(done)))?;
        wait.await.unwrap_or_else(|_| Err(io::Error::other("the journal's writer has ended")))
    }

    /// Appends a record without waiting: a kill doesn't lose it, a loss of power may.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn note(&self, payload: Vec<u8>) -> io::Result<()> {
        self.send(Job::Append(payload, None))
    }

    fn send(&self, job: Job) -> io::Result<()> {
        let jobs = self.jobs.as_ref().ok_or_else(|| io::Error::other("the journal is closed"))?;
        jobs.send(job).map_err(|_| io::Error::other("the journal's writer has ended"))
    }
}

impl Drop for Writer {
    /// Everything is written before it ends.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn whole(records: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    records.into_iter().for_each(|payload| write_record(&mut bytes, &payload));
    bytes
}

/// The file that is written.
struct Target {
    path: PathBuf,
    file: Option<File>,
    length: Arc<Length>,
}

impl Target {
    fn begin(&mut self, bytes: &[u8]) -> io::Result<()> {
        replace(&self.path, bytes)?;
        self.file = Some(OpenOptions::new().append(true).open(&self.path)?);
        self.length.now.store(bytes.len() as u64, Ordering::Relaxed);
        self.length.anew.store(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8], durable: bool) -> io::Result<()> {
        let file = self.file.as_mut().ok_or_else(|| io::Error::other("the journal is closed"))?;
        file.write_all(bytes)?;
        self.length.now.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if durable {
            file.sync_data()?;
        }
        Ok(())
    }
}

fn write_all(mut target: Target, queue: &mpsc::Receiver<Job>) {
    let mut failed: Option<String> = None;
    while let Ok(first) = queue.recv() {
        let mut jobs = std::iter::once(first).chain(queue.try_iter()).peekable();
        while jobs.peek().is_some() {
            // What was given before a new beginning is in the old file first: whoever waits for it has it there.
            let (mut bytes, mut waiting, mut anew) = (Vec::new(), Vec::new(), None);
            for job in jobs.by_ref() {
                match job {
                    Job::Append(payload, done) => {
                        write_record(&mut bytes, &payload);
                        waiting.extend(done);
                    },
                    Job::Anew(records) => {
                        anew = Some(records);
                        break;
                    },
                }
            }
            if failed.is_none() {
                let written = target.append(&bytes, !waiting.is_empty());
                let written = written.and_then(|()| anew.map_or(Ok(()), |records| target.begin(&records)));
                // What a failed write left behind is not known: nothing may be written after it.
                failed = written.err().map(|error| error.to_string());
                if let Some(reason) = &failed {
                    tracing::error!(reason, "the journal can't be written; nothing more is acknowledged");
                }
            }
            for done in waiting {
                let result = failed.as_ref().map_or(Ok(()), |reason| Err(io::Error::other(reason.clone())));
                let _ = done.send(result);
            }
        }
    }
    if let Some(file) = target.file {
        let _ = file.sync_data();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(records: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        records.iter().for_each(|payload| write_record(&mut bytes, payload));
        bytes
    }

    #[test]
    fn what_the_holder_of_books_says_is_known_as_long_as_it_has_them() {
        use std::os::unix::fs::FileExt;
        let dir = tempfile::tempdir().expect("temporary folder");
        assert_eq!(holder(dir.path()).expect("no books yet"), None);
        let held = lock(dir.path()).expect("nobody has them");
        assert_eq!(holder(dir.path()).expect("it can be read"), None, "it says nothing");
        held.write_all_at(b"http://127.0.0.1:9970", 0).expect("written");
        assert_eq!(holder(dir.path()).expect("it can be read").as_deref(), Some("http://127.0.0.1:9970"));
        assert_eq!(lock(dir.path()).expect_err("they are taken").kind(), io::ErrorKind::WouldBlock);
        drop(held);
        assert_eq!(holder(dir.path()).expect("it can be read"), None, "whoever said so is gone");
        let _next = lock(dir.path()).expect("free again");
        assert_eq!(holder(dir.path()).expect("it can be read"), None, "the next one has said nothing");
    }

    #[tokio::test]
    async fn what_was_appended_is_there_again() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("journal");
        assert!(read(&path).expect("none yet").is_empty());
        let writer = Writer::rewrite(&path, [b"first".to_vec()]).expect("writable");
        writer.append(b"second".to_vec()).await.expect("written");
        writer.note(b"third".to_vec()).expect("queued");
        drop(writer);
        assert_eq!(read(&path).expect("whole"), [b"first".to_vec(), b"second".to_vec(), b"third".to_vec()]);
        drop(Writer::rewrite(&path, [b"only".to_vec()]).expect("writable"));
        assert_eq!(read(&path).expect("whole"), [b"only".to_vec()]);
    }

    #[tokio::test]
    async fn a_new_beginning_takes_the_place_of_what_was_before_it_and_of_nothing_after() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("journal");
        let writer = Writer::rewrite(&path, [b"first".to_vec()]).expect("writable");
        for _ in 0..GROWTH_BYTES / RECORD_BYTES_MAX as u64 {
            assert!(!writer.is_long());
            writer.append(vec![7; RECORD_BYTES_MAX]).await.expect("written");
        }
        assert!(writer.is_long());
        writer.note(b"before".to_vec()).expect("queued");
        writer.begin_anew([b"whole".to_vec()]).expect("queued");
        writer.append(b"after".to_vec()).await.expect("written");
        assert!(!writer.is_long());
        assert_eq!(peek(&path).expect("whole"), [b"whole".to_vec(), b"after".to_vec()]);
        drop(writer);
        assert_eq!(read(&path).expect("whole"), [b"whole".to_vec(), b"after".to_vec()]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_torn_end_is_cut_off_and_nothing_else(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..6),
            cut in 0usize..300,
        ) {
            let dir = tempfile::tempdir().expect("temporary folder");
            let path = dir.path().join("journal");
            let bytes = written(&records);
            let cut = cut.min(bytes.len());
            fs::write(&path, &bytes[..cut]).expect("writable");
            let seen = peek(&path).expect("a torn end is no damage");
            prop_assert_eq!(fs::metadata(&path).expect("there").len() as usize, cut, "somebody may be writing it");
            let found = read(&path).expect("a torn end is no damage");
            prop_assert_eq!(seen, found.clone());
            prop_assert_eq!(&found[..], &records[..found.len()]);
            let whole = written(&found).len();
            prop_assert!(whole <= cut);
            prop_assert!(found.len() == records.len() || written(&records[..=found.len()]).len() > cut);
            prop_assert_eq!(fs::metadata(&path).expect("there").len() as usize, whole);
        }

        #[test]
        fn a_changed_byte_is_found(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 2..6),
            at in any::<prop::sample::Index>(),
            change in 1u8..,
        ) {
            let dir = tempfile::tempdir().expect("temporary folder");
            let path = dir.path().join("journal");
            let mut bytes = written(&records);
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            fs::write(&path, &bytes).expect("writable");
            if let Ok(found) = read(&path) {
                // Only the last record may look torn; a length that was changed may swallow what follows.
                prop_assert!(found.len() < records.len());
                prop_assert_eq!(&found[..], &records[..found.len()]);
            }
        }
    }
}
