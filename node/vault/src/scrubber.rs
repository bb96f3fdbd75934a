// SPDX-License-Identifier: Apache-2.0

//! The scrubber: reads everything in a month, and repairs what is damaged from the other vaults of the group.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cairn_client::chain::storage::SlotAt;
use cairn_primitives::storage::UNIT_BYTES;
use cairn_store::{Store, StoreError};
use codec::{DecodeAll, Encode};
use tokio::{sync::Notify, time::Instant};

use crate::{
    metrics::{add, Metrics},
    rebuild::Rebuilder,
    Pace,
};

/// Bytes that are read at a time.
const STEP_BYTES: u64 = 4 << 20;
/// Shortest and longest pause between two steps.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(600));
/// The value that says where it stopped.
const CURSOR: &str = "scrubbed";
/// Before a repair that failed is tried again.
pub(crate) const REPAIR_PAUSE: Duration = Duration::from_secs(600);
/// Failed repairs that are remembered.
const FAILED_MAX: usize = 4096;

pub(crate) struct Scrubber {
    pub store: Arc<Store>,
    pub rebuilder: Arc<Rebuilder>,
    pub metrics: Arc<Metrics>,
    pub pace: Pace,
    /// Repairs that failed, and when.
    pub failed: Mutex<HashMap<(SlotAt, u64), Instant>>,
    /// Told when everything is to be read now.
    pub hurry: Notify,
}

impl Scrubber {
    /// Reads the next part; how long to wait until the one after it.
    pub async fn scrub(&self) -> Result<Duration, StoreError> {
        let store = Arc::clone(&self.store);
        let step = tokio::task::spawn_blocking(move || step(&store));
        let (at, bytes, damaged, all) = step.await.unwrap_or(Err(StoreError::Failed))?;
        add(&self.metrics.scrubbed_bytes_total, bytes);
        if let Some(at) = at {
            for leaf in damaged {
                add(&self.metrics.damaged_total, 1);
                self.repair(at, leaf).await;
            }
        }
        // So much of the period as was read of all.
        let part = bytes.max(1) as f64 / all.max(STEP_BYTES) as f64;
        Ok(self.pace.scrub_period.mul_f64(part.min(1.0)).clamp(PAUSE.0, PAUSE.1))
    }

    /// Whether shards are known to be lost, so that everything is to be read at once.
    pub fn lost_shards(&self) -> bool {
        self.store.lost_shards().unwrap_or_default()
    }

    /// Reads everything, and repairs what is damaged, also what couldn't be repaired a moment ago.
    pub async fn scrub_all(&self) -> Result<(), StoreError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clear();
        for at in self.store.slots() {
            let mut leaf = 0;
            while self.store.head(at).is_some_and(|head| leaf < head.range.leaves()) {
                let store = Arc::clone(&self.store);
                let reading = tokio::task::spawn_blocking(move || store.scrub(at, leaf, STEP_BYTES));
                let scrubbed = match reading.await.unwrap_or(Err(StoreError::Failed)) {
                    // It was removed or cut meanwhile.
                    Err(StoreError::UnknownSlot(_) | StoreError::Missing) => break,
                    result => result?,
                };
                add(&self.metrics.scrubbed_bytes_total, scrubbed.bytes);
                for damaged in scrubbed.damaged {
                    add(&self.metrics.damaged_total, 1);
                    self.repair(at, damaged).await;
                }
                leaf = scrubbed.next_leaf.max(leaf + 1);
            }
        }
        if self.lost_shards() && self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.store.mended()?;
            tracing::info!("all shards that were lost are back");
        }
        Ok(())
    }

    /// Repairs a shard, unless that failed a while ago.
    pub async fn repair(&self, at: SlotAt, leaf: u64) {
        let now = Instant::now();
        {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.retain(|_, since| now.saturating_duration_since(*since) < REPAIR_PAUSE);
            if failed.contains_key(&(at, leaf)) || failed.len() >= FAILED_MAX {
                return;
            }
            // Noted before: two that find the same don't repair it twice.
            failed.insert((at, leaf), now);
        }
        // Of a log that is lost there are thousands: that it is was told when the store was opened, and is told when all are back.
        let many = self.lost_shards();
        match self.rebuilder.repair_leaf(at, leaf).await {
            Ok(()) => {
                add(&self.metrics.repaired_total, 1);
                match many {
                    true => tracing::debug!(drive = at.drive, slot = at.slot, leaf, "a lost shard is back"),
                    false => tracing::info!(drive = at.drive, slot = at.slot, leaf, "a damaged shard was repaired"),
                }
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).remove(&(at, leaf));
            },
            Err(error) if many => {
                tracing::debug!(drive = at.drive, slot = at.slot, leaf, %error, "a lost shard isn't back yet");
            },
            Err(error) => {
                tracing::error!(drive = at.drive, slot = at.slot, leaf, %error, "a damaged shard can't be repaired now");
            },
        }
    }
}

/// Where, bytes read, what is damaged, and bytes that there are in all.
type Step = (Option<SlotAt>, u64, Vec<u64>, u64);

fn step(store: &Store) -> Result<Step, StoreError> {
    let slots = store.slots();
    let stored = |at: &SlotAt| {
        let head = store.head(*at).unwrap_or_default();
        head.range.units().saturating_sub(head.trimmed_units).saturating_mul(UNIT_BYTES as u64)
    };
    let all = slots.iter().map(stored).sum();
    let cursor = store.value(CURSOR)?.unwrap_or_default();
    let (slot, leaf) = <(SlotAt, u64)>::decode_all(&mut &cursor[..]).unwrap_or((SlotAt { drive: 0, slot: 0 }, 0));
    // From where it stopped, or else from the next log on, or else from the first.
    let next = slots.iter().find(|at| **at >= slot).or_else(|| slots.first());
    let Some(at) = next.copied() else { return Ok((None, 0, Vec::new(), all)) };
    let from = if at == slot { leaf } else { 0 };
    let scrubbed = match store.scrub(at, from, STEP_BYTES) {
        // It was removed meanwhile.
        Err(StoreError::UnknownSlot(_) | StoreError::Missing) => return Ok((None, 0, Vec::new(), all)),
        result => result?,
    };
    let end = store.head(at).map_or(0, |head| head.range.leaves());
    let after = match scrubbed.next_leaf >= end {
        true => (slots.iter().find(|other| **other > at).copied().unwrap_or(SlotAt { drive: 0, slot: 0 }), 0),
        false => (at, scrubbed.next_leaf),
    };
    store.save_value(CURSOR, after.encode())?;
    Ok((Some(at), scrubbed.bytes, scrubbed.damaged, all))
}
