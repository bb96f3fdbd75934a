// SPDX-License-Identifier: Apache-2.0

//! A disk in memory. What is written is lost at a loss of power, wholly or in part, unless it was made safe.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
        Arc, Mutex,
    },
    time::Duration,
};

use cairn_primitives::storage::SlotAt;

use crate::{Bulk, BulkLog};

/// Bytes that are lost or kept together.
const BLOCK: usize = 512;

pub struct Disk {
    files: Mutex<BTreeMap<SlotAt, Arc<File>>>,
    pub free: AtomicU64,
    /// Bytes that can be written before the disk says that it is full.
    pub until_full: Arc<AtomicU64>,
    pub fail_sync: Arc<AtomicBool>,
    pub syncs: Arc<AtomicU64>,
    pub sync_ms: Arc<AtomicU64>,
}

impl Default for Disk {
    fn default() -> Self {
        Disk {
            files: Mutex::default(),
            free: AtomicU64::new(u64::MAX),
            until_full: Arc::new(AtomicU64::new(u64::MAX)),
            fail_sync: Arc::default(),
            syncs: Arc::default(),
            sync_ms: Arc::default(),
        }
    }
}

struct File {
    now: Mutex<Vec<u8>>,
    safe: Mutex<Vec<u8>>,
    until_full: Arc<AtomicU64>,
    fail_sync: Arc<AtomicBool>,
    syncs: Arc<AtomicU64>,
    sync_ms: Arc<AtomicU64>,
}

impl Disk {
    /// The power goes: of what isn't safe each block is kept if `keep` says so.
    pub fn power_cut(&self, mut keep: impl FnMut() -> bool) {
        for file in self.files.lock().unwrap().values() {
            let (mut now, mut safe) = (file.now.lock().unwrap(), file.safe.lock().unwrap());
            let length = if keep() { now.len() } else { safe.len() };
            let mut after = safe.clone();
            after.resize(length, 0);
            for from in (0..length.min(now.len())).step_by(BLOCK) {
                let to = (from + BLOCK).min(length).min(now.len());
                if keep() {
                    after[from..to].copy_from_slice(&now[from..to]);
                }
            }
            *now = after.clone();
            *safe = after;
        }
    }

    /// A byte flips.
    pub fn rot(&self, at: SlotAt, offset: usize) {
        self.files.lock().unwrap()[&at].now.lock().unwrap()[offset] ^= 1;
    }

    /// The file ends earlier.
    pub fn shorten(&self, at: SlotAt, bytes: usize) {
        self.files.lock().unwrap()[&at].now.lock().unwrap().truncate(bytes);
    }

    pub fn lose(&self, at: SlotAt) {
        self.files.lock().unwrap().remove(&at);
    }

    pub fn bytes(&self, at: SlotAt) -> Option<Vec<u8>> {
        Some(self.files.lock().unwrap().get(&at)?.now.lock().unwrap().clone())
    }
}

impl Bulk for Arc<Disk> {
    fn create(&self, at: SlotAt) -> io::Result<Arc<dyn BulkLog>> {
        let file = Arc::new(File {
            now: Mutex::default(),
            safe: Mutex::default(),
            until_full: Arc::clone(&self.until_full),
            fail_sync: Arc::clone(&self.fail_sync),
            syncs: Arc::clone(&self.syncs),
            sync_ms: Arc::clone(&self.sync_ms),
        });
        self.files.lock().unwrap().insert(at, Arc::clone(&file));
        Ok(file)
    }

    fn open(&self, at: SlotAt) -> io::Result<Arc<dyn BulkLog>> {
        let files = self.files.lock().unwrap();
        Ok(files.get(&at).cloned().ok_or(io::ErrorKind::NotFound)?)
    }

    fn remove(&self, at: SlotAt) -> io::Result<()> {
        self.files.lock().unwrap().remove(&at);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<SlotAt>> {
        Ok(self.files.lock().unwrap().keys().copied().collect())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.free.load(SeqCst))
    }

    fn total_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl BulkLog for File {
    fn read(&self, to: &mut [u8], offset: u64) -> io::Result<()> {
        let now = self.now.lock().unwrap();
        let from = now.get(offset as usize..offset as usize + to.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        to.copy_from_slice(from);
        Ok(())
    }

    fn write(&self, from: &[u8], offset: u64) -> io::Result<()> {
        let fits = (self.until_full.load(SeqCst) as usize).min(from.len());
        let (mut now, end) = (self.now.lock().unwrap(), offset as usize + fits);
        if now.len() < end {
            now.resize(end, 0);
        }
        now[offset as usize..end].copy_from_slice(&from[..fits]);
        if fits < from.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.until_full.fetch_sub(fits as u64, SeqCst);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, SeqCst);
        std::thread::sleep(Duration::from_millis(self.sync_ms.load(SeqCst)));
        if self.fail_sync.load(SeqCst) {
            return Err(io::Error::other("the disk is on fire"));
        }
        let now = self.now.lock().unwrap().clone();
        *self.safe.lock().unwrap() = now;
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.now.lock().unwrap().len() as u64)
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.now.lock().unwrap().resize(bytes as usize, 0);
        Ok(())
    }

    fn forget(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.now.lock().unwrap()[offset as usize..(offset + bytes) as usize].fill(0);
        Ok(())
    }
}
