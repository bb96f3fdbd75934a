// SPDX-License-Identifier: Apache-2.0

//! Reading stripes: from any `k` of a drive's slots, each shard checked by its id.
//!
//! # Correctness
//! Nothing that a vault says is believed: a shard counts if it has the id that the manifest names, and the manifest is
//! authenticated from the head on chain. A vault that gives something else, nothing, or is slow, costs time and no more, as
//! long as `k` others answer.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cairn_primitives::storage::{shard_id, Coding, DriveId, ShardId, ShardSize, SlotAt};
use cairn_wire::{RefusalCode, WireError};
use futures::{
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
    FutureExt,
};

use crate::{
    erasure::decode_stripe,
    keys::DriveKey,
    manifest::{ids_per_stripe, Index, ManifestError, Part, StripeRun},
    page::{self, PageRef},
    vaults::{Vaults, PACE_BYTES_MIN},
    DriveError,
};

/// Bytes of one slot's shards that are read in one piece.
pub const SPAN_BYTES: usize = 1 << 20;
/// How long a vault may be silent before another is asked too, while nothing is known of the vaults' pace.
const PATIENCE: Duration = Duration::from_millis(1500);
/// The same for a read of less than [`PACE_BYTES_MIN`]: to ask two vaults for a page costs next to nothing.
const PATIENCE_SMALL: Duration = Duration::from_millis(400);
/// How often it is looked whether patience is over: others' answers meanwhile say what pace there is.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long it is waited before vaults are asked again that didn't answer, all of them.
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);
/// The least patience: asking two vaults at once for everything would halve the speed of all.
const PATIENCE_MIN: Duration = Duration::from_millis(250);
const PATIENCE_MAX: Duration = Duration::from_secs(8);
/// A vault may take so many times the mean.
const PATIENCE_PACES: u64 = 4;

/// How often a vault that asks for a rest gets one, for one span, and how long at most.
const RESTS_MAX: u32 = 20;
const REST_MAX_MS: u64 = 2_000;

/// Consecutive stripes of one size that are read in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: u64,
    /// Size of their shards.
    pub size: ShardSize,
    /// Ids, stripe by stripe; one a stripe if all its shards are equal.
    pub ids: Vec<ShardId>,
    /// All shards of a stripe are equal.
    pub alike: bool,
}

impl Span {
    fn stripes(&self, coding: Coding) -> usize {
        if self.alike {
            self.ids.len()
        } else {
            self.ids.len() / usize::from(coding.slots())
        }
    }

    fn id(&self, stripe: usize, slot: u8, coding: Coding) -> Option<&ShardId> {
        if self.alike {
            self.ids.get(stripe)
        } else {
            self.ids.get(stripe * usize::from(coding.slots()) + usize::from(slot))
        }
    }
}

/// The spans of a run of stripes, from stripe `from` up to, without, `to`.
pub fn spans(run: &StripeRun, from: u64, to: u64, coding: Coding) -> Vec<Span> {
    let per_stripe = ids_per_stripe(coding);
    let stripes_in_span = (SPAN_BYTES / run.size.bytes()).max(1);
    let (from, to) = (from.max(run.first), to.min(run.end(coding)));
    if from >= to {
        return Vec::new();
    }
    let index = |stripe: u64| usize::try_from(stripe - run.first).unwrap_or(usize::MAX).saturating_mul(per_stripe);
    let ids = run.ids.get(index(from)..index(to)).unwrap_or_default();
    let span = |(number, ids): (usize, &[ShardId])| Span {
        first: from + (number * stripes_in_span) as u64,
        size: run.size,
        ids: ids.to_vec(),
        alike: per_stripe == 1,
    };
    ids.chunks(stripes_in_span * per_stripe).enumerate().map(span).collect()
}

/// Reads a drive's stripes.
#[derive(Clone)]
pub struct StripeReader {
    drive: DriveId,
    coding: Coding,
    vaults: Arc<Vaults>,
}

impl StripeReader {
    /// For a drive and its vaults.
    pub fn new(drive: DriveId, coding: Coding, vaults: Arc<Vaults>) -> Self {
        StripeReader { drive, coding, vaults }
    }

    /// Which drive.
    pub fn drive(&self) -> DriveId {
        self.drive
    }

    /// How the drive is coded.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// The vaults, and how they fare.
    pub fn vaults(&self) -> &Arc<Vaults> {
        &self.vaults
    }

    /// The data of a span's stripes, in order, in pieces.
    ///
    /// # Errors
    /// [`DriveError::Unreadable`] if fewer than `k` slots give it; where all that is wrong is that vaults don't answer any more that
    /// did before, this waits for them first: it is most likely the line that is down.
    pub async fn read(&self, span: &Span) -> Result<Vec<Bytes>, DriveError> {
        let needed = if span.alike { 1 } else { self.coding.data() };
        let mut asking = Asking { waiting: self.order(span), ..Asking::default() };
        let mut asked = FuturesUnordered::new();
        let mut got: Vec<(u8, Vec<Bytes>)> = Vec::new();
        while got.len() < usize::from(needed) {
            while asked.len() + got.len() < usize::from(needed) {
                let Some(slot) = asking.next() else { break };
                asked.push(self.fetch(slot, span));
            }
            if asked.is_empty() {
                if asking.only_silence && self.vaults.is_outage() {
                    tokio::time::sleep(OUTAGE_PAUSE).await;
                    let mut waiting = self.order(span);
                    waiting.retain(|slot| got.iter().all(|(has, _)| has != slot));
                    asking = Asking { waiting, ..Asking::default() };
                    continue;
                }
                return Err(DriveError::Unreadable {
                    stripe: span.first,
                    got: got.len(),
                    needed,
                    failures: self.vaults.failures_text(),
                });
            }
            match tokio::time::timeout(LOOK_EVERY, asked.next()).await {
                Ok(Some((slot, Fetched::Shards(shards)))) => {
                    for late in asking.answered(slot) {
                        // Its read may never end: this one doesn't wait for it, and others shall not ask it.
                        self.vaults.failed(late, "it was silent while another vault answered");
                    }
                    got.push((slot, shards));
                },
                Ok(Some((slot, failed))) => asking.failed(slot, matches!(failed, Fetched::Silence)),
                Ok(None) => {},
                // Somebody is slow: one more is asked, and whoever comes first counts.
                Err(_) if asking.since.elapsed() >= self.patience(span) => {
                    asking.patience_is_over();
                    if let Some(slot) = asking.next() {
                        asked.push(self.fetch(slot, span));
                    }
                },
                Err(_) => {},
            }
        }
        self.decode(span, got)
    }

    /// As [`Self::read`], for several spans at a time.
    pub(crate) fn read_owned(self, span: Span) -> BoxFuture<'static, Result<Vec<Bytes>, DriveError>> {
        async move { self.read(&span).await }.boxed()
    }

    /// Reads a page, and checks it.
    ///
    /// # Errors
    /// [`DriveError::Unreadable`] if no vault gives it.
    pub async fn page(&self, page: &PageRef) -> Result<Bytes, DriveError> {
        let span = Span { first: page.stripe, size: page.size, ids: vec![page.id], alike: true };
        Ok(self.read(&span).await?.swap_remove(0))
    }

    /// Reads and decrypts what a page holds, or names; at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Self::page`], and if it isn't what it has to be.
    pub async fn part(&self, page: &PageRef, key: &DriveKey, limit: usize) -> Result<Vec<u8>, DriveError> {
        let plain = page::open(key, &self.page(page).await?)?;
        match codec::DecodeAll::decode_all(&mut &plain[..]).map_err(ManifestError::from)? {
            Part::Here(bytes) if bytes.len() <= limit => Ok(bytes),
            Part::Here(_) => Err(ManifestError("a part of it is too long").into()),
            Part::Apart(index) => Ok(self.indexed(&index, key, limit).await?),
        }
    }

    /// Reads and decrypts what an index names.
    ///
    /// # Errors
    /// As [`Self::part`].
    pub async fn indexed(&self, index: &Index, key: &DriveKey, limit: usize) -> Result<Vec<u8>, DriveError> {
        index.check(self.coding, limit)?;
        let spans: Vec<Span> = index.runs.iter().flat_map(|run| spans(run, run.first, u64::MAX, self.coding)).collect();
        let mut sealed = Vec::new();
        let mut reading = futures::stream::iter(spans).map(|span| self.clone().read_owned(span)).buffered(4);
        while let Some(pieces) = reading.next().await {
            pieces?.iter().for_each(|piece| sealed.extend_from_slice(piece));
        }
        let plain = page::open(key, &sealed)?;
        if plain.len() > limit {
            return Err(ManifestError("a part of it is too long").into());
        }
        Ok(plain.to_vec())
    }

    /// Slots to ask, in order. Data shards need no decoding, so they come first, unless their vaults fail.
    fn order(&self, span: &Span) -> VecDeque<u8> {
        let mut order = self.vaults.by_promise();
        if !span.alike {
            let data = self.coding.data();
            order.retain(|slot| *slot < self.coding.slots());
            let failing = |slot: u8| self.vaults.is_failing(slot);
            order.sort_by_key(|slot| (failing(*slot), *slot >= data));
        }
        order.into()
    }

    fn patience(&self, span: &Span) -> Duration {
        let bytes = (span.size.bytes() * span.stripes(self.coding)) as u64;
        let usual = self.vaults.pace_ms().map(|ms| Duration::from_millis((ms * PATIENCE_PACES * bytes) >> 20));
        let unknown = if bytes < PACE_BYTES_MIN { PATIENCE_SMALL } else { PATIENCE };
        usual.unwrap_or(unknown).clamp(PATIENCE_MIN, PATIENCE_MAX)
    }

    /// One slot's shards of a span, checked; a failure of its vault is noted.
    async fn fetch(&self, slot: u8, span: &Span) -> (u8, Fetched) {
        let (start, reading) = (Instant::now(), self.vaults.reading(slot));
        let result = self.fetch_checked(slot, span).await;
        drop(reading);
        match result {
            Ok(shards) => {
                self.vaults.gave(slot, shards.iter().map(Bytes::len).sum(), start.elapsed());
                (slot, Fetched::Shards(shards))
            },
            Err(failed) => {
                tracing::debug!(slot, stripe = span.first, reason = failed.reason, "a vault did not give a shard");
                self.vaults.failed(slot, failed.reason);
                (slot, if failed.silent { Fetched::Silence } else { Fetched::Nothing })
            },
        }
    }

    async fn fetch_checked(&self, slot: u8, span: &Span) -> Result<Vec<Bytes>, FetchFailed> {
        let at = SlotAt { drive: self.drive, slot };
        let wanted = span.stripes(self.coding);
        let connection = self.vaults.connection(slot).await.map_err(FetchFailed::of_line)?;
        let mut shards: Vec<Bytes> = Vec::with_capacity(wanted);
        let mut rests = RESTS_MAX;
        while shards.len() < wanted {
            let first = span.first + shards.len() as u64;
            let left = (wanted - shards.len()) as u32;
            let more = match connection.read(at, first, left).await {
                Ok(more) => more,
                Err(error) => match error.refusal() {
                    Some(RefusalCode::RateLimited { retry_ms }) if rests > 0 => {
                        rests -= 1;
                        tokio::time::sleep(Duration::from_millis(u64::from(retry_ms).clamp(50, REST_MAX_MS))).await;
                        continue;
                    },
                    _ => return Err(FetchFailed::of_line(error)),
                },
            };
            for shard in more {
                let too_much = || FetchFailed::of_vault("it gave more than was asked for".into());
                let id = span.id(shards.len(), slot, self.coding).ok_or_else(too_much)?;
                if shard.len() != span.size.bytes() || shard_id(&shard) != *id {
                    let wrong = format!("shard {} isn't the one that was stored", span.first + shards.len() as u64);
                    return Err(FetchFailed::of_vault(wrong));
                }
                shards.push(shard);
            }
        }
        Ok(shards)
    }

    fn decode(&self, span: &Span, mut got: Vec<(u8, Vec<Bytes>)>) -> Result<Vec<Bytes>, DriveError> {
        if span.alike {
            return Ok(got.swap_remove(0).1);
        }
        got.sort_unstable_by_key(|(slot, _)| *slot);
        let all_data = got.iter().enumerate().all(|(index, (slot, _))| index == usize::from(*slot));
        let mut pieces = Vec::new();
        for stripe in 0..span.stripes(self.coding) {
            if all_data {
                pieces.extend(got.iter().filter_map(|(_, shards)| shards.get(stripe).cloned()));
                continue;
            }
            let present: Vec<(u8, &[u8])> =
                got.iter().filter_map(|(slot, shards)| Some((*slot, &shards.get(stripe)?[..]))).collect();
            pieces.push(decode_stripe(self.coding, &present)?.into());
        }
        Ok(pieces)
    }
}

/// What became of asking a slot.
enum Fetched {
    /// What was asked for.
    Shards(Vec<Bytes>),
    /// Nobody answered.
    Silence,
    /// The vault answered, and hasn't got it, or something else.
    Nothing,
}

/// Why a slot gave nothing.
struct FetchFailed {
    reason: String,
    /// It may be the line, not the vault.
    silent: bool,
}

impl FetchFailed {
    fn of_vault(reason: String) -> Self {
        FetchFailed { reason, silent: false }
    }

    fn of_line(error: WireError) -> Self {
        let silent = match &error {
            WireError::Timeout { .. } | WireError::Closed(_) => true,
            // Where a machine says that nobody listens there, the line works.
            WireError::Unreachable { reason, .. } => reason.kind() != std::io::ErrorKind::ConnectionRefused,
            _ => false,
        };
        FetchFailed { silent, reason: error.to_string() }
    }
}

/// Who was asked for a span, and who may be.
struct Asking {
    waiting: VecDeque<u8>,
    /// Those that haven't answered, in the order in which they were asked; and whether their time is over.
    open: Vec<(u8, bool)>,
    /// Since when nobody else was asked.
    since: Instant,
    /// Nobody who was asked gave another answer than none.
    only_silence: bool,
}

impl Default for Asking {
    fn default() -> Self {
        Asking { waiting: VecDeque::new(), open: Vec::new(), since: Instant::now(), only_silence: true }
    }
}

impl Asking {
    fn next(&mut self) -> Option<u8> {
        let slot = self.waiting.pop_front()?;
        self.open.push((slot, false));
        self.since = Instant::now();
        Some(slot)
    }

    fn patience_is_over(&mut self) {
        self.open.iter_mut().for_each(|(_, late)| *late = true);
        self.since = Instant::now();
    }

    /// A slot gave what was asked for; which slots are late by now, that were asked before it. Where the line is slow, they aren't:
    /// then whoever was asked first answers first.
    fn answered(&mut self, slot: u8) -> Vec<u8> {
        let Some(index) = self.open.iter().position(|(open, _)| *open == slot) else { return Vec::new() };
        let before: Vec<(u8, bool)> = self.open.drain(..=index).collect();
        let (late, in_time): (Vec<_>, Vec<_>) = before.into_iter().partition(|(open, late)| *late && *open != slot);
        self.open.splice(0..0, in_time.into_iter().filter(|(open, _)| *open != slot));
        late.into_iter().map(|(slot, _)| slot).collect()
    }

    fn failed(&mut self, slot: u8, silent: bool) {
        self.open.retain(|(open, _)| *open != slot);
        self.only_silence &= silent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_asked_before_and_is_silent_is_late_and_nobody_else() {
        let mut asking = Asking { waiting: [4, 5, 6, 7].into(), ..Asking::default() };
        asking.next();
        asking.next();
        assert!(asking.answered(5).is_empty(), "nobody's time is over");
        asking.patience_is_over();
        asking.next();
        asking.next();
        assert_eq!(asking.answered(6), [4]);
        assert!(asking.answered(7).is_empty(), "once is enough");
        assert_eq!(asking.next(), None);
        assert!(asking.only_silence);
        asking.failed(4, true);
        assert!(asking.only_silence);
        asking.failed(4, false);
        assert!(!asking.only_silence);
    }
}
