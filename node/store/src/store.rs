// SPDX-License-Identifier: Apache-2.0

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc, Arc, Mutex, PoisonError, RwLock,
    },
    thread::JoinHandle,
};

use cairn_primitives::storage::{NodeAt, Range, SlotAt, UNIT_BYTES};

use crate::{
    commit::{Job, Writer},
    index::{Changes, Index},
    slot::Slot,
    Bulk, BulkLog, Head, LocalDisk, ObjectDisk, StoreError,
};

mod append;
mod change;
mod read;

pub use read::{Scrubbed, Shards};

/// Where the logs are, in the store's folder.
const LOGS_FOLDER: &str = "logs";
/// Where what isn't an object yet is.
const TAILS_FOLDER: &str = "tails";
/// File that says where the objects are.
const OBJECTS_FILE: &str = "objects";
/// The value that says that shards are lost.
const LOST: &str = "lost-shards";
/// Logs whose files stay open.
const OPEN_LOGS_MAX: usize = 256;

/// How a store behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of the disk that stay free.
    pub reserve_bytes: u64,
    /// Bytes of memory for the index.
    pub cache_bytes: usize,
    /// Opens a store that has lost its index, or all of its logs: what the index doesn't know is removed, what is gone is made anew.
    /// Only the operator can know that this is right.
    pub accept_loss: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { reserve_bytes: 256 << 20, cache_bytes: 32 << 20, accept_loss: false }
    }
}

/// The logs of a vault. All calls wait for the disk.
pub struct Store {
    bulk: Box<dyn Bulk>,
    index: Arc<Index>,
    options: Options,
    slots: RwLock<BTreeMap<SlotAt, Arc<Slot>>>,
    /// Which logs were opened, the longest ago first.
    opened: Mutex<VecDeque<SlotAt>>,
    failed: Arc<AtomicBool>,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for Store {
    fn drop(&mut self) {
        // What was begun is finished.
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Store {
    /// Opens the store in a folder of this machine, or makes it.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Index`] if it can't be used, also if another process has it open.
    pub fn open(folder: &Path, options: Options) -> Result<Self, StoreError> {
        if let Ok(url) = std::fs::read_to_string(folder.join(OBJECTS_FILE)) {
            return Err(StoreError::Elsewhere(format!("objects of {}: it has to be opened with that", url.trim())));
        }
        let bulk = LocalDisk::new(&folder.join(LOGS_FOLDER)).map_err(StoreError::io("the folder of the logs"))?;
        Self::with_bulk(folder, Box::new(bulk), options)
    }

    /// Opens the store whose shards' bytes are objects at an address, or makes it; see [`ObjectDisk`]. Its index, and what
    /// isn't uploaded yet, are in a folder of this machine.
    ///
    /// # Errors
    /// As [`Self::open`]; [`StoreError::Objects`]; [`StoreError::Elsewhere`] if the store is another's or this disk's.
    pub fn open_objects(folder: &Path, url: &str, options: Options) -> Result<Self, StoreError> {
        let file = folder.join(OBJECTS_FILE);
        let url_shown = crate::objects::shown(url);
        match std::fs::read_to_string(&file) {
            Ok(known) if known.trim() != url_shown => {
                return Err(StoreError::Elsewhere(format!("objects of {}, not of {url_shown}", known.trim())));
            },
            Ok(_) => {},
            Err(_) if folder.join("index").exists() => {
                return Err(StoreError::Elsewhere(format!(
                    "in {}: a vault that is to keep objects begins with an empty folder",
                    folder.join(LOGS_FOLDER).display()
                )));
            },
            Err(_) => {},
        }
        let disk =
            ObjectDisk::open(url, &folder.join(TAILS_FOLDER)).map_err(|error| StoreError::Objects(error.into()))?;
        std::fs::write(&file, url_shown + "\n").map_err(StoreError::io("the note of where the objects are"))?;
        Self::with_bulk(folder, Box::new(disk), options)
    }

    /// Opens a store whose index is in a folder, and whose bytes are somewhere else.
    ///
    /// # Errors
    /// As [`Self::open`]; [`StoreError::IndexLost`] and [`StoreError::LogsLost`], unless the loss is accepted.
    pub fn with_bulk(folder: &Path, bulk: Box<dyn Bulk>, options: Options) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(StoreError::io("the store's folder"))?;
        let index = Arc::new(Index::open(&folder.join("index"), options.cache_bytes)?);
        let heads = index.heads()?;
        finish_removals(&*bulk, &index, &heads)?;
        check_losses(&*bulk, &heads, options.accept_loss)?;
        let mut slots = BTreeMap::new();
        for (at, head) in heads {
            recover(&*bulk, &index, at, &head)?;
            slots.insert(at, Arc::new(Slot::new(at, head)));
        }
        let failed = Arc::new(AtomicBool::new(false));
        let (sender, jobs) = mpsc::channel();
        let writer = Writer::new(Arc::clone(&index), Arc::clone(&failed));
        let writer = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(&jobs))
            .map_err(StoreError::io("a thread"))?;
        Ok(Store {
            bulk,
            index,
            options,
            slots: RwLock::new(slots),
            opened: Mutex::default(),
            failed,
            jobs: Some(sender),
            writer: Some(writer),
        })
    }

    /// All logs.
    pub fn slots(&self) -> Vec<SlotAt> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// How far a log goes; `None` if there is none.
    pub fn head(&self, at: SlotAt) -> Option<Head> {
        Some(self.slot(at).ok()?.state().head.clone())
    }

    /// Makes a log. It begins with `front`, of which only the peaks are known; usually that is empty.
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub fn create(&self, at: SlotAt, front: Range) -> Result<(), StoreError> {
        if self.slot(at).is_ok() {
            return Err(StoreError::Exists(at));
        }
        self.make_room(0)?;
        let log = self.bulk.create(at).map_err(StoreError::io("a new log"))?;
        let head = Head {
            committed_leaves: front.leaves(),
            committed_units: front.units(),
            trimmed_leaves: front.leaves(),
            trimmed_units: front.units(),
            range: front,
            ..Head::default()
        };
        let (made, bytes) = (head.clone(), head.bytes());
        self.change(move |writer| {
            let mut changes = Changes::default();
            changes.forget(at);
            for (place, node) in places(made.range.leaves()).zip(made.range.peaks()) {
                changes.node(at, place, node);
            }
            changes.head(at, &made);
            writer.write(changes)
        })?;
        // After the index knows it: until then it is empty, and can be removed without a loss if this is interrupted.
        log.set_length(bytes).map_err(StoreError::io("a new log"))?;
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.insert(at, Arc::new(Slot::new(at, head)));
        Ok(())
    }

    /// Removes a log and its bytes.
    ///
    /// # Errors
    /// [`StoreError::UnknownSlot`].
    pub fn remove(&self, at: SlotAt) -> Result<(), StoreError> {
        let slot = self.slot(at)?;
        self.change(move |writer| {
            let mut changes = Changes::default();
            changes.forget(at);
            changes.removing(at);
            writer.write(changes)?;
            let mut state = slot.state();
            (state.removed, state.log) = (true, None);
            Ok(())
        })?;
        self.slots.write().unwrap_or_else(PoisonError::into_inner).remove(&at);
        self.bulk.remove(at).map_err(StoreError::io("a removed log"))
    }

    /// A named value.
    ///
    /// # Errors
    /// Of the disk.
    pub fn value(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.index.value(name)
    }

    /// Whether a log came back shorter than its index says, and [`Self::mended`] hasn't been said since: what is missing reads as
    /// zeros, and has to be looked for.
    ///
    /// # Errors
    /// Of the disk.
    pub fn lost_shards(&self) -> Result<bool, StoreError> {
        Ok(self.index.value(LOST)?.is_some_and(|value| !value.is_empty()))
    }

    /// All shards that were lost are back.
    ///
    /// # Errors
    /// Of the disk.
    pub fn mended(&self) -> Result<(), StoreError> {
        self.save_value(LOST, Vec::new())
    }

    /// Bytes of the disk that can still be filled, and all that it has.
    ///
    /// # Errors
    /// Of the disk.
    pub fn room(&self) -> Result<(u64, u64), StoreError> {
        let free = self.bulk.free_bytes().map_err(StoreError::io("the free room"))?;
        let total = self.bulk.total_bytes().map_err(StoreError::io("the disk's size"))?;
        Ok((free.saturating_sub(self.options.reserve_bytes), total))
    }

    /// Whether the index failed: nothing more is taken then.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn slot(&self, at: SlotAt) -> Result<Arc<Slot>, StoreError> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.get(&at).cloned().ok_or(StoreError::UnknownSlot(at))
    }

    /// The bytes of a log; closes the one that was opened longest ago if there are too many.
    fn log_of(&self, slot: &Arc<Slot>) -> Result<Arc<dyn BulkLog>, StoreError> {
        if let Some(log) = &slot.state().log {
            return Ok(Arc::clone(log));
        }
        let opened = self.bulk.open(slot.at).map_err(StoreError::io("a log"))?;
        let log = Arc::clone(slot.state().log.get_or_insert(opened));
        let oldest = {
            let mut order = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            order.push_back(slot.at);
            if order.len() > OPEN_LOGS_MAX {
                order.pop_front()
            } else {
                None
            }
        };
        if let Some(oldest) = oldest.filter(|oldest| *oldest != slot.at).and_then(|oldest| self.slot(oldest).ok()) {
            oldest.state().log = None;
        }
        Ok(log)
    }

    fn make_room(&self, bytes: u64) -> Result<(), StoreError> {
        let free_bytes = self.bulk.free_bytes().map_err(StoreError::io("the free room"))?;
        let reserve_bytes = self.options.reserve_bytes;
        match free_bytes < reserve_bytes.saturating_add(bytes) {
            true => Err(StoreError::DiskFull { free_bytes, reserve_bytes }),
            false => Ok(()),
        }
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.as_ref().ok_or(StoreError::Failed)?;
        jobs.send(job).map_err(|_| StoreError::Failed)
    }

    fn save(&self, change: impl FnOnce(&mut Changes) + Send + 'static) -> Result<(), StoreError> {
        self.change(move |writer| {
            let mut changes = Changes::default();
            change(&mut changes);
            writer.write(changes)
        })
    }

    /// Has the writer's thread do something, and waits for it.
    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, result) = mpsc::sync_channel(1);
        self.send(Job::Change(Box::new(move |writer| {
            let _ = sender.send(change(writer));
        })))?;
        result.recv().unwrap_or(Err(StoreError::Failed))
    }
}

/// Which nodes the peaks of a log are, the tallest first.
fn places(leaves: u64) -> impl Iterator<Item = NodeAt> {
    let heights = (0..64u8).rev().filter(move |height| leaves >> height & 1 == 1);
    heights.map(move |height| NodeAt { height, index: (leaves >> height) - 1 })
}

/// Ends removals of logs that were interrupted.
fn finish_removals(bulk: &dyn Bulk, index: &Index, heads: &[(SlotAt, Head)]) -> Result<(), StoreError> {
    let removing = index.removing()?;
    if removing.is_empty() {
        return Ok(());
    }
    let mut changes = Changes::default();
    for at in removing {
        if heads.iter().all(|(known, _)| *known != at) {
            bulk.remove(at).map_err(StoreError::io("a removed log"))?;
        }
        changes.removed(at);
    }
    index.write(changes)
}

/// Whether index and logs belong together, before anything is made or removed.
///
/// # Correctness
/// Bytes that the index doesn't know are removed only if they are fewer than a shard has, as of a log whose making was interrupted, or if
/// the operator accepts their loss. An index that was lost, or set back to an older one, must not cost the shards: they may be the last copies.
fn check_losses(bulk: &dyn Bulk, heads: &[(SlotAt, Head)], accepted: bool) -> Result<(), StoreError> {
    let known: BTreeSet<SlotAt> = heads.iter().map(|(at, _)| *at).collect();
    let there: BTreeSet<SlotAt> = bulk.list().map_err(StoreError::io("the list of logs"))?.into_iter().collect();
    let is_empty = |at: SlotAt| bulk.open(at).and_then(|log| log.length()).is_ok_and(|bytes| bytes < UNIT_BYTES as u64);
    let (empty, unknown): (Vec<SlotAt>, Vec<SlotAt>) = there.difference(&known).partition(|at| is_empty(**at));
    if !unknown.is_empty() && !accepted {
        return Err(StoreError::IndexLost { logs: unknown.len() });
    }
    let wanted: Vec<SlotAt> = heads.iter().filter(|(_, head)| head.has_shards()).map(|(at, _)| *at).collect();
    if !wanted.is_empty() && !accepted && wanted.iter().all(|at| !there.contains(at)) {
        return Err(StoreError::LogsLost { logs: wanted.len() });
    }
    for at in unknown.into_iter().chain(empty) {
        if accepted {
            tracing::warn!(drive = at.drive, slot = at.slot, "a log that the index doesn't know is removed");
        }
        bulk.remove(at).map_err(StoreError::io("a log without an entry"))?;
    }
    Ok(())
}

/// Makes a log as long as its index says.
fn recover(bulk: &dyn Bulk, index: &Index, at: SlotAt, head: &Head) -> Result<(), StoreError> {
    let log = match bulk.open(at) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            tracing::error!(drive = at.drive, slot = at.slot, "a log's file is gone; its shards have to be repaired");
            bulk.create_again(at, head.bytes())
        },
        opened => opened,
    };
    let log = log.map_err(StoreError::io("a log"))?;
    let (length, bytes) = (log.length().map_err(StoreError::io("a log's length"))?, head.bytes());
    if length < bytes && head.has_shards() {
        tracing::error!(drive = at.drive, slot = at.slot, length, bytes, "a log's file is short: shards are lost");
        // Noted first: once it is as long as ever, nobody can see it.
        let mut changes = Changes::default();
        changes.value(LOST, &[1]);
        index.write(changes)?;
    }
    if length != bytes {
        log.set_length(bytes).map_err(StoreError::io("a log's length"))?;
        log.sync().map_err(StoreError::io("a log's length"))?;
    }
    Ok(())
}
