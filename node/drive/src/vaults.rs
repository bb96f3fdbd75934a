// SPDX-License-Identifier: Apache-2.0

//! The vaults of a drive: a connection to each, made when it is first needed and again when it is lost; and how each fares.

use std::{
    sync::{
        atomic::{AtomicU32, AtomicU64, Ordering},
        Arc, Mutex, PoisonError,
    },
    time::{Duration, Instant},
};

use cairn_wire::{Connection, Timeouts, WireError};
use futures::future::BoxFuture;

use crate::chain::{DriveState, VaultPlace};

/// How long a vault that couldn't be reached isn't tried again, and one that failed is the last to be asked; that doubles with each
/// failure in a row, up to [`REST_DOUBLINGS_MAX`] times.
const REST: Duration = Duration::from_secs(5);
const REST_DOUBLINGS_MAX: u32 = 4;
/// Reads of fewer bytes say how far a vault is, and not how quick.
pub(crate) const PACE_BYTES_MIN: u64 = 256 << 10;
/// How long vaults that answered before are waited for when none answers any more.
const OUTAGE_MAX: Duration = Duration::from_secs(90);
/// Weight of the newest measurement in the mean, as one part in so many.
const MEAN_PARTS: u64 = 4;

/// Makes connections to vaults.
pub trait Network: Send + Sync {
    /// Connects to a vault; whoever answers is it, by its service key.
    fn connect(&self, vault: &VaultPlace) -> BoxFuture<'_, Result<Connection, WireError>>;

    /// How long a transfer that has begun waits when no vault answers any more: an outage of the line, most likely.
    fn outage_max(&self) -> Duration {
        OUTAGE_MAX
    }
}

/// TCP, to the addresses that vaults registered.
#[derive(Clone, Debug)]
pub struct Tcp {
    /// Hash of the chain's first block.
    pub genesis: [u8; 32],
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl Network for Tcp {
    fn connect(&self, vault: &VaultPlace) -> BoxFuture<'_, Result<Connection, WireError>> {
        let vault = vault.clone();
        Box::pin(async move {
            let mut last = WireError::Protocol("it has no address on chain");
            for address in &vault.addresses {
                match Connection::connect(address, vault.service_key, self.genesis, self.timeouts).await {
                    Ok(connection) => return Ok(connection),
                    Err(error) => last = error,
                }
            }
            Err(last)
        })
    }
}

/// Something that went wrong with a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The slot.
    pub slot: u8,
    /// Its vault's account.
    pub vault: [u8; 32],
    /// What went wrong.
    pub reason: String,
}

/// The vaults of a drive, by slot.
pub struct Vaults {
    network: Arc<dyn Network>,
    slots: Vec<Option<Slot>>,
    failures: Mutex<Vec<Failure>>,
    /// When a vault gave something the last time.
    answered: Mutex<Option<Instant>>,
}

struct Slot {
    place: VaultPlace,
    connection: tokio::sync::Mutex<Link>,
    /// Mean milliseconds for a MiB read.
    pace_ms: AtomicU64,
    /// Reads that are open.
    open: AtomicU32,
    /// Failures since the last success.
    failed: AtomicU32,
    /// When the last of them was.
    failed_at: Mutex<Option<Instant>>,
}

impl Slot {
    /// Whether its last answer was a failure, and not long ago.
    fn is_failing(&self) -> bool {
        let failed = self.failed.load(Ordering::Relaxed);
        let rest = REST * (1 << failed.saturating_sub(1).min(REST_DOUBLINGS_MAX));
        let at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        failed > 0 && at.is_none_or(|at| at.elapsed() < rest)
    }
}

#[derive(Default)]
struct Link {
    connection: Option<Connection>,
    failed: Option<(Instant, WireError)>,
}

impl Vaults {
    /// Those of a drive. Nothing is connected yet.
    pub fn new(network: Arc<dyn Network>, drive: &DriveState) -> Self {
        let slot = |place: &VaultPlace| Slot {
            place: place.clone(),
            connection: tokio::sync::Mutex::default(),
            pace_ms: AtomicU64::new(0),
            open: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            failed_at: Mutex::default(),
        };
        let slots = drive.slots.iter().map(|place| place.vault.as_ref().map(slot)).collect();
        Vaults { network, slots, failures: Mutex::default(), answered: Mutex::default() }
    }

    /// The vault of a slot, if it has one.
    pub fn place(&self, slot: u8) -> Option<&VaultPlace> {
        self.slot(slot).map(|slot| &slot.place)
    }

    fn slot(&self, slot: u8) -> Option<&Slot> {
        self.slots.get(usize::from(slot))?.as_ref()
    }

    /// A connection to the vault of a slot.
    ///
    /// # Errors
    /// Why there is none; for some seconds the same again, so that a vault that is down costs no time for each shard.
    pub async fn connection(&self, slot: u8) -> Result<Connection, WireError> {
        let Some(slot) = self.slot(slot) else { return Err(WireError::Protocol("the slot has no vault")) };
        let mut link = slot.connection.lock().await;
        if let Some(connection) = link.connection.as_ref().filter(|connection| connection.ended().is_none()) {
            return Ok(connection.clone());
        }
        link.connection = None;
        if let Some((since, error)) = link.failed.as_ref().filter(|(since, _)| since.elapsed() < REST) {
            let _ = since;
            return Err(error.clone());
        }
        match self.network.connect(&slot.place).await {
            Ok(connection) => {
                link.failed = None;
                link.connection = Some(connection.clone());
                Ok(connection)
            },
            Err(error) => {
                link.failed = Some((Instant::now(), error.clone()));
                Err(error)
            },
        }
    }

    /// Slots that have a vault, the best to read from first: those that answer, that have little to do, and are quick.
    pub fn by_promise(&self) -> Vec<u8> {
        let mut order: Vec<(bool, u64, u8)> = Vec::new();
        for (index, slot) in self.slots.iter().enumerate() {
            let (Some(slot), Ok(index)) = (slot, u8::try_from(index)) else { continue };
            let pace = slot.pace_ms.load(Ordering::Relaxed).max(1);
            let open = u64::from(slot.open.load(Ordering::Relaxed));
            let failed = u64::from(slot.failed.load(Ordering::Relaxed).min(20));
            // Who fails comes last, however quick it was, or whatever it would be: nothing may be known of it.
            order.push((slot.is_failing(), (pace * (open + 1)) << failed, index));
        }
        order.sort_unstable();
        order.into_iter().map(|(_, _, slot)| slot).collect()
    }

    /// Whether the vault's last answer was a failure, and not long ago.
    pub(crate) fn is_failing(&self, slot: u8) -> bool {
        self.slot(slot).is_some_and(Slot::is_failing)
    }

    /// Whether vaults answered, and not so long ago that nobody would wait for them any more.
    pub(crate) fn is_outage(&self) -> bool {
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.is_some_and(|at| at.elapsed() < self.network.outage_max())
    }

    /// The mean milliseconds for a MiB, of the vaults that were read from; `None` before that.
    pub fn pace_ms(&self) -> Option<u64> {
        let paces: Vec<u64> =
            self.slots.iter().flatten().map(|slot| slot.pace_ms.load(Ordering::Relaxed)).filter(|ms| *ms > 0).collect();
        let count = paces.len() as u64;
        (count > 0).then(|| paces.iter().sum::<u64>() / count)
    }

    /// Notes that a read begins; it ends when what is returned is dropped.
    pub(crate) fn reading(&self, slot: u8) -> Reading<'_> {
        let open = self.slot(slot).map(|slot| &slot.open);
        if let Some(open) = open {
            open.fetch_add(1, Ordering::Relaxed);
        }
        Reading { open }
    }

    /// Notes that a vault gave so many bytes in a time.
    pub(crate) fn gave(&self, slot: u8, bytes: usize, took: Duration) {
        let Some(slot) = self.slot(slot) else { return };
        slot.failed.store(0, Ordering::Relaxed);
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        if (bytes as u64) < PACE_BYTES_MIN {
            return;
        }
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).min(600_000);
        let ms = (took_ms << 20).checked_div(bytes as u64).unwrap_or(took_ms).max(1);
        let before = slot.pace_ms.load(Ordering::Relaxed);
        let mean = if before == 0 { ms } else { (before * (MEAN_PARTS - 1) + ms) / MEAN_PARTS };
        slot.pace_ms.store(mean.max(1), Ordering::Relaxed);
    }

    /// Notes that a vault didn't do what it should. Each vault's first few failures are kept for the report.
    pub(crate) fn failed(&self, slot: u8, reason: impl Into<String>) {
        let Some(found) = self.slot(slot) else { return };
        found.failed.fetch_add(1, Ordering::Relaxed);
        *found.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let failure = Failure { slot, vault: found.place.account, reason: reason.into() };
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.iter().filter(|known| known.slot == slot).count() < 3 && !failures.contains(&failure) {
            failures.push(failure);
        }
    }

    /// What went wrong so far.
    pub fn failures(&self) -> Vec<Failure> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What went wrong so far, as a text.
    pub(crate) fn failures_text(&self) -> String {
        let failures = self.failures();
        if failures.is_empty() {
            return "no vault failed".into();
        }
        failures.iter().map(|f| format!("slot {}: {}", f.slot, f.reason)).collect::<Vec<_>>().join("; ")
    }
}

/// A read that is open.
pub(crate) struct Reading<'a> {
    open: Option<&'a AtomicU32>,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Some(open) = self.open {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
