// SPDX-License-Identifier: Apache-2.0

//! Logs whose bytes are objects: in S3, Google Cloud Storage, Azure, or what speaks like them.
//!
//! A log is cut into segments of equal length. The last one is a file of this machine; those before it become objects, whole,
//! and their files go. So every acknowledged byte is safe here before it is anywhere else, an object is written once in its
//! life, and room is needed here for what isn't uploaded yet.
//!
//! ```text
//! FOLDER/DRIVE-SLOT/SEGMENT      a segment that is here: the last one always; numbers in 16 hexadecimal digits
//! PREFIX/DRIVE-SLOT/SEGMENT      the same segment as an object
//! ```
//!
//! # Correctness
//! - A segment that is both here and an object is what it is here: a file goes only once the object has its bytes.
//! - The log ends where its last file ends: so that file stays.
//! - A segment that is to be changed is fetched first, and uploaded again after.
//! - What can't be fetched is an error, never damage: only an object that is not there, or too short, reads as the end of the log.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{mpsc, Arc, Mutex, PoisonError, Weak},
    thread::JoinHandle,
    time::Duration,
};

use cairn_primitives::storage::SlotAt;
use futures::StreamExt;
use object_store::{path::Path as Key, ObjectStore, ObjectStoreExt};

use crate::{Bulk, BulkLog, LocalDisk};
use log::ObjectLog;

mod log;

/// Bytes of a segment.
pub const SEGMENT_BYTES: u64 = 8 << 20;
/// Uploads at the same time.
const UPLOADS_AT_ONCE: usize = 4;
/// The first wait after an upload that failed; it doubles.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Why a store of objects can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectsError {
    /// The address is none.
    #[error(
        "{url:?} is no address of a store of objects: it is like s3://bucket/prefix, gs://, az:// or file:///folder"
    )]
    Address {
        /// What was given, without what may be secret.
        url: String,
    },
    /// The store can't be set up, or doesn't answer.
    #[error("the store of objects can't be used: {0}; check its address, the network, and the credentials in the environment")]
    Store(#[from] object_store::Error),
    /// The folder on this machine can't be used.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What the logs share.
pub(crate) struct Shared {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    folder: PathBuf,
    segment_bytes: u64,
    runtime: tokio::runtime::Handle,
    work: mpsc::Sender<Work>,
    /// Nothing is begun any more, and what is under way ends.
    closed: tokio::sync::watch::Sender<bool>,
}

/// What the uploading threads are told.
pub(crate) enum Work {
    Upload(Arc<ObjectLog>, u64),
    Delete(SlotAt, u64),
    Stop,
}

impl Shared {
    fn key(&self, at: SlotAt, segment: u64) -> Key {
        self.keys(at).join(format!("{segment:016x}"))
    }

    fn keys(&self, at: SlotAt) -> Key {
        self.prefix.clone().join(log_name(at))
    }

    fn folder(&self, at: SlotAt) -> PathBuf {
        self.folder.join(log_name(at))
    }

    fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Waits for the store, but not beyond the end of the process's use of it.
    fn wait<T>(&self, work: impl std::future::Future<Output = object_store::Result<T>>) -> io::Result<T> {
        let mut closed = self.closed.subscribe();
        self.runtime.block_on(async {
            tokio::select! {
                done = work => done.map_err(remote),
                _ = closed.wait_for(|closed| *closed) => Err(io::Error::other("the store of objects is closed")),
            }
        })
    }

    /// A part of a segment's object; `None` if there is none.
    fn fetch(&self, at: SlotAt, segment: u64, range: std::ops::Range<u64>) -> io::Result<Option<bytes::Bytes>> {
        let key = self.key(at, segment);
        self.wait(async {
            match self.store.get_range(&key, range).await {
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                found => found.map(Some),
            }
        })
    }

    fn delete(&self, at: SlotAt, segment: u64) -> io::Result<()> {
        let key = self.key(at, segment);
        self.wait(async {
            match self.store.delete(&key).await {
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                done => done,
            }
        })
    }
}

fn remote(error: object_store::Error) -> io::Error {
    io::Error::other(format!("the store of objects: {error}"))
}

fn log_name(at: SlotAt) -> String {
    format!("{}-{}", at.drive, at.slot)
}

fn log_named(name: &str) -> Option<SlotAt> {
    let (drive, slot) = name.split_once('-')?;
    let at = SlotAt { drive: drive.parse().ok()?, slot: slot.parse().ok()? };
    (log_name(at) == name).then_some(at)
}

/// A store of objects, and a folder of this machine for what isn't there yet.
pub struct ObjectDisk {
    shared: Arc<Shared>,
    local: LocalDisk,
    logs: Mutex<HashMap<SlotAt, Weak<ObjectLog>>>,
    workers: Vec<JoinHandle<()>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for ObjectDisk {
    fn drop(&mut self) {
        // What is under way is uploaded again after the next start.
        self.shared.closed.send_replace(true);
        for _ in &self.workers {
            let _ = self.shared.work.send(Work::Stop);
        }
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
        // Waiting for this one is not allowed in every thread.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl ObjectDisk {
    /// Uses the store at an address, like `s3://bucket/prefix`. Credentials and the like are taken from the environment: see
    /// `object_store`'s builders for the names (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT`, ...).
    ///
    /// # Errors
    /// If the address is none, or the store or the folder can't be used.
    pub fn open(url: &str, folder: &Path) -> Result<Self, ObjectsError> {
        let parsed = url::Url::parse(url).map_err(|_| ObjectsError::Address { url: shown(url) })?;
        // One provider of cryptography in a process; another may have been faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let environment = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (store, prefix) = object_store::parse_url_opts(&parsed, environment)?;
        let store: Arc<dyn ObjectStore> = match parsed.scheme() {
            // A file goes only once its object is safe.
            "file" => Arc::new(object_store::local::LocalFileSystem::new().with_fsync(true)),
            _ => store.into(),
        };
        Self::with_store(store, prefix, folder, SEGMENT_BYTES)
    }

    /// Uses a store. The length of segments is for the store's life.
    ///
    /// # Errors
    /// If the folder can't be used, or the store doesn't answer.
    pub fn with_store(
        store: Arc<dyn ObjectStore>,
        prefix: Key,
        folder: &Path,
        segment_bytes: u64,
    ) -> Result<Self, ObjectsError> {
        let local = LocalDisk::new(folder)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("store-objects")
            .enable_all()
            .build()?;
        let (work, todo) = mpsc::channel();
        let shared = Arc::new(Shared {
            store,
            prefix,
            folder: folder.into(),
            segment_bytes: segment_bytes.max(1),
            runtime: runtime.handle().clone(),
            work,
            closed: tokio::sync::watch::Sender::new(false),
        });
        let todo = Arc::new(Mutex::new(todo));
        let mut disk =
            ObjectDisk { shared, local, logs: Mutex::default(), workers: Vec::new(), runtime: Some(runtime) };
        for number in 0..UPLOADS_AT_ONCE {
            let (shared, todo) = (Arc::downgrade(&disk.shared), Arc::clone(&todo));
            let worker = std::thread::Builder::new().name(format!("store-upload-{number}"));
            disk.workers.push(worker.spawn(move || work_off(&shared, &todo))?);
        }
        // Whether it answers at all is told now rather than in the middle of something.
        disk.remote_logs()?;
        Ok(disk)
    }

    fn remote_logs(&self) -> Result<HashSet<SlotAt>, object_store::Error> {
        let Shared { store, prefix, runtime, .. } = &*self.shared;
        let listed = runtime.block_on(store.list_with_delimiter(Some(prefix)))?;
        Ok(listed.common_prefixes.iter().filter_map(|key| log_named(key.filename()?)).collect())
    }

    fn logs(&self) -> std::sync::MutexGuard<'_, HashMap<SlotAt, Weak<ObjectLog>>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Segments that are here and can be uploaded.
    #[cfg(test)]
    pub(crate) fn waiting(&self, at: SlotAt) -> usize {
        self.logs().get(&at).and_then(Weak::upgrade).map_or(0, |log| log.local_count().saturating_sub(1))
    }
}

impl Bulk for ObjectDisk {
    fn create(&self, at: SlotAt) -> io::Result<Arc<dyn BulkLog>> {
        self.remove(at)?;
        let log = ObjectLog::create(Arc::clone(&self.shared), at, 0)?;
        fs::File::open(&self.shared.folder)?.sync_all()?;
        self.logs().insert(at, Arc::downgrade(&log));
        Ok(log)
    }

    fn create_again(&self, at: SlotAt, bytes: u64) -> io::Result<Arc<dyn BulkLog>> {
        // Its objects stay: only what wasn't one yet is gone.
        let log = ObjectLog::create(Arc::clone(&self.shared), at, bytes / self.shared.segment_bytes)?;
        fs::File::open(&self.shared.folder)?.sync_all()?;
        self.logs().insert(at, Arc::downgrade(&log));
        Ok(log)
    }

    fn open(&self, at: SlotAt) -> io::Result<Arc<dyn BulkLog>> {
        let mut logs = self.logs();
        if let Some(log) = logs.get(&at).and_then(Weak::upgrade) {
            return Ok(log);
        }
        let log = ObjectLog::open(Arc::clone(&self.shared), at)?;
        logs.insert(at, Arc::downgrade(&log));
        log.offer();
        logs.retain(|_, log| log.strong_count() > 0);
        Ok(log)
    }

    fn remove(&self, at: SlotAt) -> io::Result<()> {
        if let Some(log) = self.logs().remove(&at).and_then(|log| log.upgrade()) {
            log.retire();
        }
        let keys = self.shared.keys(at);
        self.shared.wait(async {
            let mut found = self.shared.store.list(Some(&keys));
            while let Some(object) = found.next().await {
                match self.shared.store.delete(&object?.location).await {
                    Err(object_store::Error::NotFound { .. }) | Ok(()) => {},
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })?;
        match fs::remove_dir_all(self.shared.folder(at)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::File::open(&self.shared.folder)?.sync_all(),
        }
    }

    fn list(&self) -> io::Result<Vec<SlotAt>> {
        let mut found = self.remote_logs().map_err(remote)?;
        for entry in fs::read_dir(&self.shared.folder)? {
            found.extend(entry?.file_name().to_str().and_then(log_named));
        }
        Ok(found.into_iter().collect())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.local.free_bytes()
    }

    fn total_bytes(&self) -> io::Result<u64> {
        self.local.total_bytes()
    }
}

/// Uploads and deletes, until it is told to stop.
fn work_off(shared: &Weak<Shared>, todo: &Mutex<mpsc::Receiver<Work>>) {
    loop {
        let next = todo.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let (Ok(work), Some(shared)) = (next, shared.upgrade()) else { return };
        let mut retry = RETRY_MIN;
        while !shared.is_closed() {
            let done = match &work {
                Work::Upload(log, segment) => log.upload(*segment),
                Work::Delete(at, segment) => shared.delete(*at, *segment),
                Work::Stop => return,
            };
            let Err(error) = done else { break };
            if retry == RETRY_MIN && !shared.is_closed() {
                tracing::warn!(%error, "an object can't be written; it is tried again");
            }
            let mut closed = shared.closed.subscribe();
            shared.runtime.block_on(async {
                let _ = tokio::time::timeout(retry, closed.wait_for(|closed| *closed)).await;
            });
            retry = (retry * 2).min(RETRY_MAX);
        }
        if shared.is_closed() {
            return;
        }
    }
}

/// An address as it can be shown: without a password.
pub(crate) fn shown(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://{rest}"),
        None => url.into(),
    }
}
