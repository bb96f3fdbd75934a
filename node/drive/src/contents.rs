// SPDX-License-Identifier: Apache-2.0

//! Files at one version of a drive, or of a link: where they lie, and their bytes.

use std::{
    collections::{HashMap, VecDeque},
    io,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use cairn_primitives::storage::{ShardId, UNIT_BYTES};
use futures::{future::BoxFuture, stream::StreamExt, FutureExt};
use tokio::sync::{mpsc, OnceCell};

use crate::{
    frame::{frames, Commitment, FileCipher, FRAME_BYTES, STORED_FRAME_BYTES},
    keys::DriveKey,
    manifest::{runs_of_part, FileEntry, ManifestError, StripeRun, Table, Tree, SEGMENT_BYTES_MAX},
    read::{spans, Span, StripeReader},
    DriveError,
};

/// Bytes of a file that are looked up at a time, so that a file of any length needs little memory.
const WINDOW_BYTES: u64 = 256 << 20;
/// Spans that are kept for files that share their stripes with others; each has 1 MiB of shards at most.
const RECENT_MAX: usize = 12;
/// Parts with tables that are kept in memory.
const PARTS_KEPT: usize = 64;

/// Files at one version.
pub struct Contents {
    tree: Tree,
    /// By their first stripe.
    tables: Vec<Table>,
    key: DriveKey,
    reader: StripeReader,
    parts: Mutex<HashMap<ShardId, Arc<Vec<StripeRun>>>>,
    recent: Mutex<VecDeque<(ShardId, usize, Recent)>>,
}

/// A span that was read a moment ago, or is being read.
type Recent = Arc<OnceCell<Vec<Bytes>>>;

/// A span, and where in the file as it is stored its first byte lies, counted from the beginning of the file's first stripe.
#[derive(Debug)]
struct Located {
    span: Span,
    start: u64,
}

impl Contents {
    /// Puts them together.
    pub fn new(tree: Tree, mut tables: Vec<Table>, key: DriveKey, reader: StripeReader) -> Self {
        let coding = reader.coding();
        tables.sort_by_key(|table| table.covers(coding).start);
        Contents { tree, tables, key, reader, parts: Mutex::default(), recent: Mutex::default() }
    }

    /// Everything by its path.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The tables, by their first stripe.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// What reads stripes.
    pub fn reader(&self) -> &StripeReader {
        &self.reader
    }

    /// Gives the plaintext of a part of a file to `sink`, in order. `known` are the frames before the part, if the caller has
    /// them; what comes back has those that were read added.
    ///
    /// # Errors
    /// [`DriveError::NoSuchRange`] if the file is shorter, [`DriveError::Damaged`] if it can't be decrypted,
    /// [`DriveError::Unreadable`] if too few vaults answer, and those of the sink.
    pub async fn copy(
        &self,
        name: &str,
        file: &FileEntry,
        range: Range<u64>,
        known: Commitment,
        sink: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
    ) -> Result<Commitment, DriveError> {
        if range.start > range.end || range.end > file.size {
            return Err(DriveError::NoSuchRange { size: file.size });
        }
        let first = range.start / FRAME_BYTES as u64;
        let stored =
            first * STORED_FRAME_BYTES as u64..(frames(range.end) * STORED_FRAME_BYTES as u64).min(file.stored_bytes());
        let opening = Opening {
            cipher: FileCipher::new(&file.key),
            frames: frames(file.size),
            next: first,
            range: range.clone(),
            pending: Vec::with_capacity(2 * STORED_FRAME_BYTES),
            commitment: known,
            name: name.into(),
            sink,
        };
        if range.is_empty() {
            return Ok(opening.commitment);
        }
        let (to_thread, from_network) = mpsc::channel::<Bytes>(64);
        let thread = tokio::task::spawn_blocking(move || opening.run(from_network));
        let reading = self.stored(file, stored, to_thread).await;
        let opened = thread.await?;
        // What couldn't be read is cut off in the middle of a frame, which then can't be opened: that is no damage. What can't be
        // written is told first: nobody took what was read.
        match (reading, opened) {
            (Ok(()), opened) => opened,
            (Err(_), Err(unwritten @ DriveError::Io { .. })) => Err(unwritten),
            (Err(unread), _) => Err(unread),
        }
    }

    /// The bytes of a part of a file as they are stored, into a channel; ends early, without an error, if nobody takes them.
    pub(crate) async fn stored(
        &self,
        file: &FileEntry,
        range: Range<u64>,
        to: mpsc::Sender<Bytes>,
    ) -> Result<(), DriveError> {
        let origin = u64::from(file.offset);
        let ahead = (12 / usize::from(self.reader.coding().data())).max(2);
        let mut from = range.start;
        while from < range.end {
            let until = range.end.min(from + WINDOW_BYTES);
            let wanted = origin + from..origin + until;
            let located = self.locate(file.stripe, wanted.clone()).await?;
            let starts: Vec<u64> = located.iter().map(|located| located.start).collect();
            let mut starts = starts.into_iter();
            // Small files lie many to a stripe: what the last ones were in is likely to have the next.
            let is_small = starts.len() <= 2;
            let read = |located: Located| match is_small {
                true => self.recently(located.span),
                false => self.reader.clone().read_owned(located.span),
            };
            let mut reading = futures::stream::iter(located).map(read).buffered(ahead);
            while let (Some(pieces), Some(start)) = (reading.next().await, starts.next()) {
                let mut at = start;
                for piece in pieces? {
                    let (begin, end) = (at, at + piece.len() as u64);
                    at = end;
                    let (keep_from, keep_to) = (begin.max(wanted.start), end.min(wanted.end));
                    if keep_from >= keep_to {
                        continue;
                    }
                    let piece = piece.slice((keep_from - begin) as usize..(keep_to - begin) as usize);
                    if to.send(piece).await.is_err() {
                        return Ok(());
                    }
                }
            }
            from = until;
        }
        Ok(())
    }

    /// A span that may have been read a moment ago.
    fn recently(&self, span: Span) -> BoxFuture<'static, Result<Vec<Bytes>, DriveError>> {
        let (first, stripes) = (span.ids.first().copied().unwrap_or_default(), span.ids.len());
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = recent.iter().find(|(id, count, _)| (*id, *count) == (first, stripes));
        let cell = known.map(|(_, _, cell)| Arc::clone(cell)).unwrap_or_default();
        if known.is_none() {
            if recent.len() >= RECENT_MAX {
                recent.pop_front();
            }
            recent.push_back((first, stripes, Arc::clone(&cell)));
        }
        let reader = self.reader.clone();
        async move { cell.get_or_try_init(|| reader.read_owned(span)).await.cloned() }.boxed()
    }

    /// The spans that hold `wanted`, counted from the beginning of stripe `first`.
    async fn locate(&self, first: u64, wanted: Range<u64>) -> Result<Vec<Located>, DriveError> {
        let coding = self.reader.coding();
        let mut found = Vec::new();
        let (mut stripe, mut position) = (first, 0u64);
        while position < wanted.end {
            let missing = ManifestError("it doesn't say where a part of the file is");
            let index = self.tables.partition_point(|table| table.covers(coding).start <= stripe).checked_sub(1);
            let table = index.and_then(|index| self.tables.get(index)).ok_or(missing.clone())?;
            let covers = table.covers(coding);
            if !covers.contains(&stripe) {
                return Err(missing.into());
            }
            if let Table::Apart { first, end, units, .. } = table {
                let bytes = units.saturating_mul(UNIT_BYTES as u64).saturating_mul(coding.data().into());
                if *first == stripe && position.saturating_add(bytes) <= wanted.start {
                    (stripe, position) = (*end, position + bytes);
                    continue;
                }
            }
            let runs = self.runs(table).await?;
            for run in runs.iter() {
                if run.end(coding) <= stripe {
                    continue;
                }
                let stripe_bytes = (run.size.bytes() * usize::from(coding.data())) as u64;
                let count = run.end(coding) - stripe;
                let end = position.saturating_add(count.saturating_mul(stripe_bytes));
                if end > wanted.start && position < wanted.end {
                    let skipped = wanted.start.saturating_sub(position) / stripe_bytes;
                    let needed = (wanted.end - position).div_ceil(stripe_bytes).min(count);
                    for span in spans(run, stripe + skipped, stripe + needed, coding) {
                        let start = position + (span.first - stripe) * stripe_bytes;
                        found.push(Located { span, start });
                    }
                }
                (stripe, position) = (run.end(coding), end);
            }
        }
        Ok(found)
    }

    /// The runs of a table.
    pub(crate) async fn runs(&self, table: &Table) -> Result<Arc<Vec<StripeRun>>, DriveError> {
        let (covers, units, page) = match table {
            Table::Here(run) => return Ok(Arc::new(vec![run.clone()])),
            Table::Apart { first, end, units, page } => (*first..*end, *units, page),
        };
        let kept = || self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runs) = kept().get(&page.id) {
            return Ok(Arc::clone(runs));
        }
        let bytes = self.reader.part(page, &self.key, SEGMENT_BYTES_MAX).await?;
        let runs = Arc::new(runs_of_part(&bytes, covers, units, self.reader.coding())?);
        let mut kept = kept();
        if kept.len() >= PARTS_KEPT {
            kept.clear();
        }
        kept.insert(page.id, Arc::clone(&runs));
        Ok(runs)
    }

    /// The runs of the stripes that a file lies in, and no others: what a link carries.
    pub(crate) async fn runs_of_file(&self, file: &FileEntry) -> Result<Vec<StripeRun>, DriveError> {
        let origin = u64::from(file.offset);
        if file.size == 0 {
            return Ok(Vec::new());
        }
        let coding = self.reader.coding();
        let located = self.locate(file.stripe, 0..origin + file.stored_bytes()).await?;
        let mut runs = Vec::new();
        for Located { span, .. } in located {
            let per_stripe = crate::manifest::ids_per_stripe(coding);
            for (number, ids) in span.ids.chunks(per_stripe).enumerate() {
                StripeRun::push(&mut runs, span.first + number as u64, span.size, ids, coding);
            }
        }
        Ok(runs)
    }
}

/// Decrypts frames as their bytes come in.
struct Opening<S> {
    cipher: FileCipher,
    frames: u64,
    next: u64,
    range: Range<u64>,
    pending: Vec<u8>,
    commitment: Commitment,
    name: String,
    sink: S,
}

impl<S: FnMut(&[u8]) -> io::Result<()>> Opening<S> {
    fn run(mut self, mut from: mpsc::Receiver<Bytes>) -> Result<Commitment, DriveError> {
        while let Some(piece) = from.blocking_recv() {
            let mut rest = &piece[..];
            while !rest.is_empty() {
                let taken = rest.len().min(STORED_FRAME_BYTES - self.pending.len());
                self.pending.extend_from_slice(&rest[..taken]);
                rest = &rest[taken..];
                if self.pending.len() == STORED_FRAME_BYTES {
                    self.open_pending()?;
                }
            }
        }
        if !self.pending.is_empty() {
            self.open_pending()?;
        }
        Ok(self.commitment)
    }

    fn open_pending(&mut self) -> Result<(), DriveError> {
        let damaged = |_| DriveError::Damaged { name: self.name.clone() };
        let last = self.next + 1 == self.frames;
        let (plain, hash) = self.cipher.open(self.next, last, &mut self.pending).map_err(damaged)?;
        self.commitment.add(hash, plain.len());
        let start = self.next * FRAME_BYTES as u64;
        let from = self.range.start.saturating_sub(start).min(plain.len() as u64) as usize;
        let to = self.range.end.saturating_sub(start).min(plain.len() as u64) as usize;
        (self.sink)(&plain[from..to.max(from)]).map_err(DriveError::io("what was read can't be written"))?;
        self.next += 1;
        self.pending.clear();
        Ok(())
    }
}
