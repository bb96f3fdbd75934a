// SPDX-License-Identifier: Apache-2.0

//! The one thread that changes the index: it makes many appends safe at a time.
//!
//! # Correctness
//! Jobs are done in the order in which they came, and an append's job comes while its slot's state is locked: so for each slot
//! the order of jobs is that of its log. An append is acknowledged only if its epoch is still the slot's when its bytes are on
//! disk; a failure or a cut begins a new epoch.

use std::{
    collections::HashMap,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
        Arc,
    },
};

use cairn_primitives::storage::{Node, NodeAt, Range, SlotAt};

use crate::{
    index::{Changes, Index},
    slot::Slot,
    BulkLog, Leaf, StoreError,
};

/// Appends that are made safe together, at most.
const APPENDS_MAX: usize = 256;

/// Tells who asked.
pub(crate) type Reply<T> = Box<dyn FnOnce(Result<T, StoreError>) + Send>;

/// Shards that are written, and not safe yet.
pub(crate) struct Append {
    pub slot: Arc<Slot>,
    pub epoch: u64,
    pub log: Arc<dyn BulkLog>,
    pub leaves: Vec<(u64, Leaf)>,
    pub nodes: Vec<(NodeAt, Node)>,
    /// The log with them.
    pub range: Range,
    pub reply: Reply<Range>,
}

/// What the thread does.
pub(crate) enum Job {
    Append(Box<Append>),
    /// Anything else that changes the index.
    Change(Box<dyn FnOnce(&Writer) + Send>),
}

/// The index, and the right to change it.
pub(crate) struct Writer {
    index: Arc<Index>,
    failed: Arc<AtomicBool>,
}

impl Writer {
    pub fn new(index: Arc<Index>, failed: Arc<AtomicBool>) -> Self {
        Writer { index, failed }
    }

    /// Does jobs until nobody can send any more.
    pub fn run(&self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut appends = Vec::new();
            let mut next = Some(first);
            while let Some(job) = next.take() {
                match job {
                    Job::Append(append) => appends.push(*append),
                    Job::Change(change) => {
                        self.finish(std::mem::take(&mut appends));
                        change(self);
                    },
                }
                if appends.len() < APPENDS_MAX {
                    next = jobs.try_recv().ok();
                }
            }
            self.finish(appends);
        }
    }

    /// Writes changes of the index; returns once they are on disk.
    ///
    /// # Errors
    /// [`StoreError::Failed`] from the first failure on: what the index has is not known any more, so nothing may build on it.
    pub fn write(&self, changes: Changes) -> Result<(), StoreError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(StoreError::Failed);
        }
        self.index.write(changes).map_err(|error| {
            self.failed.store(true, Ordering::Release);
            tracing::error!(%error, "the index can't be written: nothing more is taken until this is started again");
            StoreError::Failed
        })
    }

    fn finish(&self, appends: Vec<Append>) {
        if appends.is_empty() {
            return;
        }
        let failures = sync(&appends);
        let (mut changes, mut heads) = (Changes::default(), HashMap::new());
        let mut outcomes = Vec::with_capacity(appends.len());
        for append in &appends {
            let outcome = match failures.get(&append.slot.at) {
                Some(error) => Err(error.clone()),
                None => record(append, &mut changes, &mut heads),
            };
            outcomes.push(outcome);
        }
        for (at, head) in &heads {
            changes.head(*at, head);
        }
        let written = if heads.is_empty() { Ok(()) } else { self.write(changes) };
        if written.is_ok() {
            // Heads change in this thread only, so these are still what they were built upon.
            for append in &appends {
                if let Some(head) = heads.get(&append.slot.at) {
                    append.slot.state().head = head.clone();
                }
            }
        }
        for (append, outcome) in appends.into_iter().zip(outcomes) {
            let outcome = outcome.and(written.clone()).map(|()| append.range);
            (append.reply)(outcome);
        }
    }
}

/// Makes the bytes safe; which slots' couldn't be.
fn sync(appends: &[Append]) -> HashMap<SlotAt, StoreError> {
    let mut failures = HashMap::new();
    let mut done: Vec<&Arc<dyn BulkLog>> = Vec::new();
    for Append { slot, log, leaves, .. } in appends {
        if leaves.is_empty() || failures.contains_key(&slot.at) || done.iter().any(|other| Arc::ptr_eq(other, log)) {
            continue;
        }
        done.push(log);
        if let Err(error) = log.sync() {
            tracing::error!(drive = slot.at.drive, slot = slot.at.slot, %error, "the disk failed to take shards");
            let mut state = slot.state();
            // The system may have dropped what it couldn't write, and says so once only.
            state.roll_back();
            state.poisoned = true;
            state.log = None;
            failures.insert(slot.at, StoreError::io("shards couldn't be made safe")(error));
        }
    }
    failures
}

fn record(append: &Append, changes: &mut Changes, heads: &mut HashMap<SlotAt, crate::Head>) -> Result<(), StoreError> {
    let at = append.slot.at;
    let state = append.slot.state();
    if state.removed {
        return Err(StoreError::UnknownSlot(at));
    }
    if state.epoch != append.epoch {
        return Err(if state.poisoned { StoreError::Poisoned } else { StoreError::Changed });
    }
    let head = heads.entry(at).or_insert_with(|| state.head.clone());
    head.range = append.range.clone();
    for (number, leaf) in &append.leaves {
        changes.leaf(at, *number, leaf);
    }
    for (place, node) in append.nodes.iter().filter(|(place, _)| place.height > 0) {
        changes.node(at, *place, node);
    }
    Ok(())
}
