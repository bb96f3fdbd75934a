// SPDX-License-Identifier: Apache-2.0

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc, Arc, Mutex, PoisonError, RwLock,
    },
    thread::JoinHandle,
};

use cairn_primitives::storage::{shard_id, Node, NodeAt, Range, Receipt, ShardSize, SlotAt};

use crate::{
    commit::{Append, Job, Reply, Writer},
    index::{Changes, Index},
    slot::Slot,
    Bulk, BulkLog, Head, Leaf, LocalDisk, StoreError,
};

mod read;

pub use read::{Scrubbed, Shards};

/// Logs whose files stay open.
const OPEN_LOGS_MAX: usize = 256;
/// Bytes at a log's end that are read after the disk failed.
const VERIFIED_BYTES: u64 = 64 << 20;

/// How a store behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of the disk that stay free.
    pub reserve_bytes: u64,
    /// Bytes of memory for the index.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { reserve_bytes: 256 << 20, cache_bytes: 32 << 20 }
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
        let bulk = LocalDisk::new(&folder.join("logs")).map_err(StoreError::io("the folder of the logs"))?;
        Self::with_bulk(folder, Box::new(bulk), options)
    }

    /// Opens a store whose index is in a folder, and whose bytes are somewhere else.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn with_bulk(folder: &Path, bulk: Box<dyn Bulk>, options: Options) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(StoreError::io("the store's folder"))?;
        let index = Arc::new(Index::open(&folder.join("index"), options.cache_bytes)?);
        let mut slots = BTreeMap::new();
        for (at, head) in index.heads()? {
            recover(&*bulk, at, &head)?;
            slots.insert(at, Arc::new(Slot::new(at, head)));
        }
        for at in bulk.list().map_err(StoreError::io("the list of logs"))? {
            if !slots.contains_key(&at) {
                // Its removal, or its making, was interrupted.
                bulk.remove(at).map_err(StoreError::io("a log without an entry"))?;
            }
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
        log.set_length(head.bytes()).map_err(StoreError::io("a new log"))?;
        let made = head.clone();
        self.change(move |writer| {
            let mut changes = Changes::default();
            changes.forget(at);
            for (place, node) in places(made.range.leaves()).zip(made.range.peaks()) {
                changes.node(at, place, node);
            }
            changes.head(at, &made);
            writer.write(changes)
        })?;
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
            writer.write(changes)?;
            let mut state = slot.state();
            (state.removed, state.log) = (true, None);
            Ok(())
        })?;
        self.slots.write().unwrap_or_else(PoisonError::into_inner).remove(&at);
        self.bulk.remove(at).map_err(StoreError::io("a removed log"))
    }

    /// Appends shards, and waits until they are safe. Gives the log's new end.
    ///
    /// # Errors
    /// As [`Self::append_then`].
    pub fn append(&self, at: SlotAt, first_leaf: u64, sizes: &[ShardSize], bytes: &[u8]) -> Result<Range, StoreError> {
        let (sender, result) = mpsc::sync_channel(1);
        let reply: Reply<Range> = Box::new(move |result| {
            let _ = sender.send(result);
        });
        self.append_then(at, first_leaf, sizes, bytes, u64::MAX, reply);
        result.recv().unwrap_or(Err(StoreError::Failed))
    }

    /// Writes the shards `bytes` as shards `first_leaf..` of a log, and has `reply` called with the log's new end once they are
    /// safe. If the log is longer, it is cut there first; it may have `units_max` units after that. Calls for one log are to be
    /// made one after the other; they need not wait for replies.
    ///
    /// # Errors
    /// To `reply`: [`StoreError::Gap`] if shards are missing before them, [`StoreError::Kept`] if what is committed or promised
    /// would be cut, [`StoreError::NoRoom`], [`StoreError::Differs`] if `bytes` are not of these sizes,
    /// [`StoreError::DiskFull`], [`StoreError::Changed`] if the log was cut meanwhile, [`StoreError::Poisoned`] if it has to be
    /// opened again.
    pub fn append_then(
        &self,
        at: SlotAt,
        first_leaf: u64,
        sizes: &[ShardSize],
        bytes: &[u8],
        units_max: u64,
        reply: Reply<Range>,
    ) {
        let mut reply = Some(reply);
        if let Err(error) = self.begin_append(at, first_leaf, sizes, bytes, units_max, &mut reply) {
            if let Some(reply) = reply {
                reply(Err(error));
            }
        }
    }

    fn begin_append(
        &self,
        at: SlotAt,
        first_leaf: u64,
        sizes: &[ShardSize],
        bytes: &[u8],
        units_max: u64,
        reply: &mut Option<Reply<Range>>,
    ) -> Result<(), StoreError> {
        if sizes.iter().map(|size| size.bytes()).sum::<usize>() != bytes.len() {
            return Err(StoreError::Differs);
        }
        if self.failed.load(Ordering::Acquire) {
            return Err(StoreError::Failed);
        }
        self.make_room(bytes.len() as u64)?;
        let mut rest = bytes;
        let ids: Vec<_> = sizes
            .iter()
            .map(|size| {
                let (shard, after) = rest.split_at(size.bytes());
                rest = after;
                shard_id(shard)
            })
            .collect();
        let slot = self.slot(at)?;
        let written = slot.state().written.leaves();
        if first_leaf < written {
            self.cut(at, first_leaf)?;
        }
        let log = self.log_of(&slot)?;
        let mut state = slot.state();
        if state.removed {
            return Err(StoreError::UnknownSlot(at));
        }
        if state.poisoned {
            return Err(StoreError::Poisoned);
        }
        let end = state.written.leaves();
        if first_leaf > end {
            return Err(StoreError::Gap { leaves: end });
        }
        if first_leaf < end {
            // Somebody else appended after the cut.
            return Err(StoreError::Changed);
        }
        let mut range = state.written.clone();
        let (mut leaves, mut nodes) = (Vec::with_capacity(sizes.len()), Vec::with_capacity(2 * sizes.len()));
        for (id, size) in ids.into_iter().zip(sizes) {
            let leaf = Leaf { id, size: *size, units_before: range.units() };
            leaves.push((range.leaves(), leaf));
            if !range.append(Node::leaf(&id, *size), |place, node| nodes.push((place, node))) {
                return Err(StoreError::LogFull);
            }
        }
        if range.units() > units_max && !leaves.is_empty() {
            return Err(StoreError::NoRoom { units_max });
        }
        if let Some((_, first)) = leaves.first() {
            // If this fails, what was written is behind the log's end, and of no account.
            log.write(bytes, first.offset()).map_err(StoreError::io("shards"))?;
        }
        state.written = range.clone();
        let Some(reply) = reply.take() else { return Ok(()) };
        let append = Append { slot: Arc::clone(&slot), epoch: state.epoch, log, leaves, nodes, range, reply };
        // Sent while the state is locked: see `commit`.
        self.send(Job::Append(Box::new(append)))
    }

    /// Cuts a log so that it has `leaves` shards; what is committed or promised can't be cut. Does nothing if it isn't longer.
    ///
    /// # Errors
    /// [`StoreError::Kept`].
    pub fn cut(&self, at: SlotAt, leaves: u64) -> Result<(), StoreError> {
        let (slot, index) = (self.slot(at)?, Arc::clone(&self.index));
        self.change(move |writer| {
            let head = slot.state().head.clone();
            if leaves < head.kept_leaves() {
                return Err(StoreError::Kept { leaves: head.kept_leaves() });
            }
            if leaves < head.range.leaves() {
                let range = read::range_of(&index, at, leaves)?;
                let cut = Head { range, ..head };
                let mut changes = Changes::default();
                changes.forget_from(at, leaves);
                changes.head(at, &cut);
                // On disk before anything is written over what was cut.
                writer.write(changes)?;
                let mut state = slot.state();
                state.head = cut;
                state.roll_back();
            } else {
                let mut state = slot.state();
                if leaves < state.written.leaves() {
                    state.roll_back();
                }
            }
            Ok(())
        })
    }

    /// Notes that the log's first `units` units are committed on chain: they are never cut again.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the log is shorter, [`StoreError::NotAnEnd`] if no shard ends there.
    pub fn commit(&self, at: SlotAt, units: u64) -> Result<(), StoreError> {
        let leaves = self.prefix(at, units)?.leaves();
        self.change_head(at, move |head, _| {
            if leaves > head.range.leaves() {
                return Err(StoreError::Changed);
            }
            let further = leaves > head.committed_leaves;
            if further {
                (head.committed_leaves, head.committed_units) = (leaves, units);
            }
            Ok(further)
        })
    }

    /// Gives up the log's front: all whole shards in its first `units` units, as far as they are committed. Their room is given
    /// back; everything behind them keeps its place, and can still be proven.
    ///
    /// # Errors
    /// [`StoreError::UnknownSlot`], and those of the disk.
    pub fn trim(&self, at: SlotAt, units: u64) -> Result<(), StoreError> {
        let (slot, index) = (self.slot(at)?, Arc::clone(&self.index));
        let head = slot.state().head.clone();
        let units = units.min(head.committed_units);
        if units <= head.trimmed_units {
            return Ok(());
        }
        let (leaves, before) = match units == head.range.units() {
            true => (head.range.leaves(), units),
            false => read::locate(&index, at, &head.range, units)?,
        };
        let log = self.log_of(&slot)?;
        self.change(move |writer| {
            let mut now = slot.state().head.clone();
            let was = now.trimmed_units;
            if leaves <= now.trimmed_leaves || leaves > now.committed_leaves {
                return Ok(());
            }
            (now.trimmed_leaves, now.trimmed_units) = (leaves, before);
            let mut changes = Changes::default();
            changes.forget_before(at, leaves);
            changes.head(at, &now);
            writer.write(changes)?;
            slot.state().head = now;
            let unit = cairn_primitives::storage::UNIT_BYTES as u64;
            log.forget(was * unit, (before - was) * unit).map_err(StoreError::io("room couldn't be given back"))
        })
    }

    /// Puts a shard back in its place; nothing but the bytes that belong there is taken.
    ///
    /// # Errors
    /// [`StoreError::Differs`] if they don't, [`StoreError::Missing`] if the log doesn't have the shard, or no more.
    pub fn rewrite(&self, at: SlotAt, leaf: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let slot = self.slot(at)?;
        let log = self.log_of(&slot)?;
        {
            // Locked, so that the place isn't given to another shard meanwhile.
            let state = slot.state();
            if state.removed || leaf < state.head.trimmed_leaves || leaf >= state.head.range.leaves() {
                return Err(StoreError::Missing);
            }
            let known = self.index.leaf(at, leaf)?.ok_or(StoreError::Missing)?;
            if shard_id(bytes) != known.id {
                return Err(StoreError::Differs);
            }
            log.write(bytes, known.offset()).map_err(StoreError::io("a shard"))?;
        }
        log.sync().map_err(StoreError::io("a shard couldn't be made safe"))
    }

    /// Opens a log again after its disk failed, and reads its end: which shards are damaged there.
    ///
    /// # Errors
    /// Of the disk, if it still fails.
    pub fn reopen(&self, at: SlotAt) -> Result<Vec<u64>, StoreError> {
        let slot = self.slot(at)?;
        let head = {
            let mut state = slot.state();
            state.log = None;
            state.head.clone()
        };
        recover(&*self.bulk, at, &head)?;
        let log = self.log_of(&slot)?;
        log.sync().map_err(StoreError::io("the log"))?;
        let unit = cairn_primitives::storage::UNIT_BYTES as u64;
        let from = head.range.units().saturating_sub(VERIFIED_BYTES / unit).max(head.trimmed_units);
        let mut damaged = Vec::new();
        if from < head.range.units() {
            let (mut next, _) = read::locate(&self.index, at, &head.range, from)?;
            while next < head.range.leaves() {
                let scrubbed = self.scrub(at, next, VERIFIED_BYTES)?;
                damaged.extend(scrubbed.damaged);
                next = scrubbed.next_leaf.max(next + 1);
            }
        }
        slot.state().poisoned = false;
        Ok(damaged)
    }

    /// Where a log ends once all that was given to it before is safe, or has failed.
    ///
    /// # Errors
    /// [`StoreError::UnknownSlot`], [`StoreError::Poisoned`].
    pub fn settle(&self, at: SlotAt) -> Result<Head, StoreError> {
        let slot = self.slot(at)?;
        self.change(move |_| {
            let state = slot.state();
            match (state.removed, state.poisoned) {
                (true, _) => Err(StoreError::UnknownSlot(at)),
                (_, true) => Err(StoreError::Poisoned),
                _ => Ok(state.head.clone()),
            }
        })
    }

    /// Promises a log to be kept as it is, for the drive's version `version`, and keeps the receipt that says so.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the log isn't what the receipt says.
    pub fn seal(&self, receipt: Receipt, signature: [u8; 64], version: u64) -> Result<(), StoreError> {
        self.change_head(receipt.at, move |head, changes| {
            if (head.range.units(), head.range.root()) != (receipt.units, receipt.root) {
                return Err(StoreError::Changed);
            }
            head.sealed_leaves = head.range.leaves();
            head.sealed_version = head.sealed_version.max(version);
            changes.receipt(&receipt, &signature);
            Ok(true)
        })
    }

    /// Ends the promise of [`Self::seal`] once the drive is at the version that was meant, or at a later one.
    ///
    /// # Errors
    /// [`StoreError::UnknownSlot`], and those of the disk.
    pub fn unseal(&self, at: SlotAt, version: u64) -> Result<(), StoreError> {
        self.change_head(at, move |head, _| {
            let ends = head.sealed_leaves > 0 && head.sealed_version <= version;
            if ends {
                head.sealed_leaves = 0;
            }
            Ok(ends)
        })
    }

    /// Notes until which block somebody may write to a log's tail.
    ///
    /// # Errors
    /// [`StoreError::UnknownSlot`], and those of the disk.
    pub fn expect_writes(&self, at: SlotAt, until_block: u32) -> Result<(), StoreError> {
        self.change_head(at, move |head, _| {
            let later = until_block > head.tail_until_block;
            head.tail_until_block = head.tail_until_block.max(until_block);
            Ok(later)
        })
    }

    /// The last receipt of a log.
    ///
    /// # Errors
    /// Of the disk.
    pub fn receipt(&self, at: SlotAt) -> Result<Option<(Receipt, [u8; 64])>, StoreError> {
        self.index.receipt(at)
    }

    /// Keeps the peaks of what was given up of a log, which may be another vault's.
    ///
    /// # Errors
    /// Of the disk.
    pub fn save_front(&self, at: SlotAt, front: Range) -> Result<(), StoreError> {
        self.save(move |changes| changes.front(at, &front))
    }

    /// Forgets the peaks of what was given up of another vault's log.
    ///
    /// # Errors
    /// Of the disk.
    pub fn forget_front(&self, at: SlotAt) -> Result<(), StoreError> {
        self.save(move |changes| changes.forget_front(at))
    }

    /// Keeps a named value, such as a block's number.
    ///
    /// # Errors
    /// Of the disk.
    pub fn save_value(&self, name: &str, value: Vec<u8>) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.save(move |changes| changes.value(&name, &value))
    }

    /// A named value.
    ///
    /// # Errors
    /// Of the disk.
    pub fn value(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.index.value(name)
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

    /// Changes a log's head, if `change` says that it did.
    fn change_head(
        &self,
        at: SlotAt,
        change: impl FnOnce(&mut Head, &mut Changes) -> Result<bool, StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let slot = self.slot(at)?;
        self.change(move |writer| {
            let mut head = slot.state().head.clone();
            if slot.state().removed {
                return Err(StoreError::UnknownSlot(at));
            }
            let mut changes = Changes::default();
            if change(&mut head, &mut changes)? {
                changes.head(at, &head);
                writer.write(changes)?;
                slot.state().head = head;
            }
            Ok(())
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

/// Makes a log as long as its index says.
fn recover(bulk: &dyn Bulk, at: SlotAt, head: &Head) -> Result<(), StoreError> {
    let log = match bulk.open(at) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            tracing::error!(drive = at.drive, slot = at.slot, "a log's file is gone; its shards have to be repaired");
            bulk.create(at)
        },
        opened => opened,
    };
    let log = log.map_err(StoreError::io("a log"))?;
    let (length, bytes) = (log.length().map_err(StoreError::io("a log's length"))?, head.bytes());
    if length < bytes {
        tracing::error!(drive = at.drive, slot = at.slot, length, bytes, "a log's file is short: shards are lost");
    }
    if length != bytes {
        log.set_length(bytes).map_err(StoreError::io("a log's length"))?;
        log.sync().map_err(StoreError::io("a log's length"))?;
    }
    Ok(())
}
