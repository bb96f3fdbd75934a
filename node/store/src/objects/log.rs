// SPDX-License-Identifier: Apache-2.0

//! One log in segments.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
};

use cairn_primitives::storage::SlotAt;
use object_store::ObjectStoreExt;

use super::{Shared, Work};
use crate::{bulk::give_back, BulkLog};

/// Ending of a file that is being fetched.
const FETCHING: &str = "fetching";

pub(crate) struct ObjectLog {
    shared: Arc<Shared>,
    at: SlotAt,
    me: Weak<ObjectLog>,
    state: Mutex<State>,
    /// Told when an upload ends.
    idle: Condvar,
}

#[derive(Default)]
struct State {
    /// Segments that are here; never none.
    parts: BTreeMap<u64, Part>,
    /// Segments that the uploading threads were told of.
    offered: BTreeSet<u64>,
    /// Segments that are on their way: one upload of each at a time, or an older one could be the last to arrive.
    uploading: BTreeSet<u64>,
    /// The log was removed.
    retired: bool,
}

impl State {
    fn last(&self) -> u64 {
        self.parts.last_key_value().map_or(0, |(segment, _)| *segment)
    }
}

struct Part {
    file: Arc<File>,
    /// Counts beginnings and ends of writes.
    changed: u64,
    /// What of these is safe.
    synced: u64,
    /// Writes that are under way.
    writers: u32,
}

impl Part {
    fn new(file: File) -> Self {
        Part { file: Arc::new(file), changed: 0, synced: 0, writers: 0 }
    }

    fn is_still(&self) -> bool {
        self.writers == 0 && self.changed == self.synced
    }
}

/// One segment's share of a part of the log.
struct Piece {
    segment: u64,
    offset: u64,
    bytes: std::ops::Range<usize>,
}

impl ObjectLog {
    /// Makes an empty log.
    pub fn create(shared: Arc<Shared>, at: SlotAt, last: u64) -> io::Result<Arc<Self>> {
        fs::create_dir_all(shared.folder(at))?;
        let log = Self::with(shared, at, BTreeMap::new());
        let part = log.new_part(last)?;
        log.state().parts.insert(last, part);
        Ok(log)
    }

    /// Opens a log.
    ///
    /// # Errors
    /// `NotFound` if there is none here.
    pub fn open(shared: Arc<Shared>, at: SlotAt) -> io::Result<Arc<Self>> {
        let mut parts = BTreeMap::new();
        for entry in fs::read_dir(shared.folder(at))? {
            let path = entry?.path();
            if path.extension().is_some() {
                // It was being fetched.
                fs::remove_file(&path)?;
                continue;
            }
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(segment) = name.and_then(|name| u64::from_str_radix(name, 16).ok()) {
                parts.insert(segment, Part::new(OpenOptions::new().read(true).write(true).open(&path)?));
            }
        }
        match parts.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(Self::with(shared, at, parts)),
        }
    }

    fn with(shared: Arc<Shared>, at: SlotAt, parts: BTreeMap<u64, Part>) -> Arc<Self> {
        let state = Mutex::new(State { parts, ..State::default() });
        Arc::new_cyclic(|me| ObjectLog { shared, at, me: me.clone(), state, idle: Condvar::new() })
    }

    /// Has what can be uploaded uploaded.
    pub fn offer(&self) {
        self.offer_of(&mut self.state());
    }

    /// Ends all uploads: none is under way any more, and none begins.
    pub fn retire(&self) {
        let mut state = self.state();
        state.retired = true;
        while !state.uploading.is_empty() {
            state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Segments that are here.
    #[cfg(test)]
    pub fn local_count(&self) -> usize {
        self.state().parts.len()
    }

    /// Uploads a segment, unless it changes, is the last, or is on its way already.
    ///
    /// # Errors
    /// Of the store or the disk: the segment stays here.
    pub fn upload(&self, segment: u64) -> io::Result<()> {
        let (file, changed) = {
            let mut state = self.state();
            state.offered.remove(&segment);
            let last = state.last();
            if state.retired || segment >= last || state.uploading.contains(&segment) {
                return Ok(());
            }
            let Some(part) = state.parts.get(&segment).filter(|part| part.is_still()) else {
                return Ok(());
            };
            let begun = (Arc::clone(&part.file), part.changed);
            state.uploading.insert(segment);
            begun
        };
        let sent = self.send(segment, &file);
        let mut state = self.state();
        state.uploading.remove(&segment);
        self.idle.notify_all();
        sent?;
        let last = state.last();
        match state.parts.get(&segment) {
            // It was given up meanwhile.
            None => {
                let _ = self.shared.work.send(Work::Delete(self.at, segment));
            },
            Some(part) if segment < last && part.changed == changed && part.writers == 0 => {
                state.parts.remove(&segment);
                fs::remove_file(self.path(segment))?;
            },
            Some(_) => self.offer_of(&mut state),
        }
        Ok(())
    }

    fn send(&self, segment: u64, file: &File) -> io::Result<()> {
        let mut bytes = vec![0; self.shared.segment_bytes as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {},
                Err(error) => return Err(error),
            }
        }
        let key = self.shared.key(self.at, segment);
        self.shared.wait(self.shared.store.put(&key, bytes.into())).map(drop)
    }

    fn offer_of(&self, state: &mut State) {
        let last = state.last();
        let State { parts, offered, uploading, retired } = state;
        let Some(me) = self.me.upgrade().filter(|_| !*retired) else { return };
        for (segment, part) in parts.range(..last) {
            // What is on its way is looked at again when it has arrived.
            if part.is_still() && !uploading.contains(segment) && offered.insert(*segment) {
                let _ = self.shared.work.send(Work::Upload(Arc::clone(&me), *segment));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.shared.folder(self.at).join(format!("{segment:016x}"))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(self.shared.folder(self.at))?.sync_all()
    }

    /// A new file; whatever was there before is gone.
    fn new_part(&self, segment: u64) -> io::Result<Part> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).open(self.path(segment))?;
        file.sync_all()?;
        self.sync_folder()?;
        Ok(Part::new(file))
    }

    /// A segment's file; it is fetched, or made if it comes behind the last.
    fn part<'a>(&self, state: &'a mut State, segment: u64) -> io::Result<&'a mut Part> {
        if !state.parts.contains_key(&segment) {
            let part = match segment > state.last() {
                true => self.new_part(segment)?,
                false => self.fetch(segment)?,
            };
            state.parts.insert(segment, part);
        }
        state.parts.get_mut(&segment).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn fetch(&self, segment: u64) -> io::Result<Part> {
        let (path, partial) = (self.path(segment), self.path(segment).with_extension(FETCHING));
        let bytes = self.shared.fetch(self.at, segment, 0..self.shared.segment_bytes)?.unwrap_or_default();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&partial)?;
        file.write_all_at(&bytes, 0)?;
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        self.sync_folder()?;
        Ok(Part::new(file))
    }

    fn pieces(&self, offset: u64, bytes: usize) -> io::Result<Vec<Piece>> {
        let length = self.shared.segment_bytes;
        let end = offset.checked_add(bytes as u64).ok_or(io::ErrorKind::InvalidInput)?;
        let (mut pieces, mut from) = (Vec::new(), offset);
        while from < end {
            let to = end.min((from / length + 1).saturating_mul(length));
            let bytes = (from - offset) as usize..(to - offset) as usize;
            pieces.push(Piece { segment: from / length, offset: from % length, bytes });
            from = to;
        }
        Ok(pieces)
    }
}

impl BulkLog for ObjectLog {
    fn read(&self, to: &mut [u8], offset: u64) -> io::Result<()> {
        for Piece { segment, offset, bytes } in self.pieces(offset, to.len())? {
            let to = &mut to[bytes];
            let (file, last) = {
                let state = self.state();
                (state.parts.get(&segment).map(|part| Arc::clone(&part.file)), state.last())
            };
            match file {
                Some(file) => file.read_exact_at(to, offset)?,
                None if segment > last => return Err(io::ErrorKind::UnexpectedEof.into()),
                None => {
                    let found = self.shared.fetch(self.at, segment, offset..offset + to.len() as u64)?;
                    let found = found.filter(|found| found.len() == to.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
                    to.copy_from_slice(&found);
                },
            }
        }
        Ok(())
    }

    fn write(&self, from: &[u8], offset: u64) -> io::Result<()> {
        for Piece { segment, offset, bytes } in self.pieces(offset, from.len())? {
            let file = {
                let mut state = self.state();
                let part = self.part(&mut state, segment)?;
                (part.changed, part.writers) = (part.changed + 1, part.writers + 1);
                Arc::clone(&part.file)
            };
            let written = file.write_all_at(&from[bytes], offset);
            if let Some(part) = self.state().parts.get_mut(&segment).filter(|part| Arc::ptr_eq(&part.file, &file)) {
                (part.changed, part.writers) = (part.changed + 1, part.writers.saturating_sub(1));
            }
            written?;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let unsafe_parts: Vec<(u64, Arc<File>, u64)> = {
            let state = self.state();
            let parts = state.parts.iter().filter(|(_, part)| part.changed > part.synced);
            parts.map(|(segment, part)| (*segment, Arc::clone(&part.file), part.changed)).collect()
        };
        for (_, file, _) in &unsafe_parts {
            file.sync_data()?;
        }
        let mut state = self.state();
        for (segment, file, changed) in unsafe_parts {
            if let Some(part) = state.parts.get_mut(&segment).filter(|part| Arc::ptr_eq(&part.file, &file)) {
                part.synced = part.synced.max(changed);
            }
        }
        self.offer_of(&mut state);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let state = self.state();
        let bytes = match state.parts.last_key_value() {
            Some((_, part)) => part.file.metadata()?.len(),
            None => 0,
        };
        Ok(state.last().saturating_mul(self.shared.segment_bytes).saturating_add(bytes))
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        let (segment, rest) = (bytes / self.shared.segment_bytes, bytes % self.shared.segment_bytes);
        let mut state = self.state();
        let last = state.last();
        if segment < last && rest == 0 && !state.parts.contains_key(&segment) {
            // Nothing of it is needed.
            let part = self.new_part(segment)?;
            state.parts.insert(segment, part);
        }
        let part = self.part(&mut state, segment)?;
        part.changed += 1;
        let file = Arc::clone(&part.file);
        // From the end on: a log that is interrupted here is longer than it should be, not torn.
        while let Some(beyond) = state.parts.last_key_value().map(|(beyond, _)| *beyond).filter(|it| *it > segment) {
            fs::remove_file(self.path(beyond))?;
            state.parts.remove(&beyond);
        }
        file.set_len(rest)?;
        if segment > last {
            // A log that begins far behind its front has nothing before.
            if let Some(empty) = state.parts.get(&last).map(|part| part.file.metadata()).transpose()? {
                if empty.len() == 0 {
                    fs::remove_file(self.path(last))?;
                    state.parts.remove(&last);
                }
            }
        }
        self.sync_folder()
    }

    fn forget(&self, offset: u64, bytes: u64) -> io::Result<()> {
        let (length, end) = (self.shared.segment_bytes, offset.saturating_add(bytes));
        let mut state = self.state();
        let whole = offset / length..(end / length).min(state.last());
        for segment in whole {
            if state.parts.remove(&segment).is_some() {
                fs::remove_file(self.path(segment))?;
            }
            let _ = self.shared.work.send(Work::Delete(self.at, segment));
        }
        let segment = end / length;
        let start = offset.max(segment.saturating_mul(length));
        if let Some(part) = state.parts.get_mut(&segment) {
            give_back(&part.file, start % length, end.saturating_sub(start))?;
        }
        Ok(())
    }
}
