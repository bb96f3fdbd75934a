// SPDX-License-Identifier: Apache-2.0

//! The watcher: asks the other vaults of its groups, at random times, for random chunks that they must have.
//!
//! # Correctness
//! - A vault is accused only if it failed several times over a while, and still has the slot, while others could be reached: what
//!   looks like their failure may be this vault's own line.
//! - One that is silent is never accused: an answer to a dispute needs no line to this vault, and a machine that is away for some
//!   hours has lost nothing; what it misses of its own turns the chain sees by itself. Once it was silent for a whole period, in
//!   which it was asked again and again, it is *reported*: where nearly all of a group do so, it is paid no longer.
//! - One that refuses, or shows what is wrong, is reported and accused. If it then shows the chain what it didn't show this vault,
//!   the accusation has cost nothing but a fee; it is accused again only a period later, and twice as late each further time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cairn_client::{
    chain::storage::{Drive, SlotAt, SlotState},
    AccountId,
};
use cairn_primitives::storage::CHUNKS_PER_UNIT;
use cairn_wire::WireError;

use crate::{
    known::Known,
    metrics::{add, set, Metrics},
    peers::{patiently, PeerError, Peers},
    random, Action, Chain, ChainError, Pace,
};

/// How often a chunk is asked for before it is disputed.
const TRIES: u32 = 4;
/// Shortest pause between two questions.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// Longest, also where a period is long and there is nobody to be asked.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// A silent vault is asked so many times in a period.
const SILENT_ASKED: u32 = 24;
/// So many of them at a time.
const SILENT_AT_ONCE: usize = 8;
/// Silent vaults that are remembered; others are not accused.
const SILENT_MAX: usize = 4096;

/// A vault that doesn't answer.
pub(crate) struct Silent {
    /// A slot that it has.
    at: SlotAt,
    since_block: u32,
    asked_block: u32,
}

/// A vault that this vault has accused.
pub(crate) struct Accused {
    /// Of which slot.
    at: SlotAt,
    block: u32,
    /// So many accusations in a row were answered.
    answered: u32,
}

pub(crate) struct Watcher {
    pub chain: Arc<dyn Chain>,
    pub known: Arc<Known>,
    pub peers: Peers,
    pub metrics: Arc<Metrics>,
    pub pace: Pace,
    pub silent: Mutex<HashMap<[u8; 32], Silent>>,
    /// Blocks in which slots were reported.
    pub reported: Mutex<HashMap<SlotAt, u32>>,
    pub accused: Mutex<HashMap<[u8; 32], Accused>>,
}

/// Something that another vault must have.
struct Sample {
    at: SlotAt,
    vault: AccountId,
    root: [u8; 32],
    units: u64,
    chunk: u64,
    /// Number of the slot that this vault has in the same drive.
    by: u8,
}

impl Watcher {
    /// How long to wait until the next question: random, so that nobody can be ready for it.
    pub async fn pause(&self) -> Duration {
        let mean = match self.pace.watch {
            Some(mean) => mean,
            None => match self.chain.terms().await {
                Ok(terms) => {
                    let period = self.chain.block_time().saturating_mul(terms.period_blocks);
                    // Each slot has at least three others; most drives have few.
                    let others = self.known.slots().len().saturating_mul(3).max(1);
                    (period / u32::try_from(others).unwrap_or(u32::MAX)).clamp(PAUSE_MIN, PAUSE_MAX)
                },
                Err(_) => PAUSE_MAX,
            },
        };
        let mean_ms = u64::try_from(mean.as_millis()).unwrap_or(u64::MAX / 2);
        Duration::from_millis(random::below(mean_ms.saturating_mul(2).max(1)))
    }

    /// Asks one vault for one chunk; reports and disputes it if that fails again and again.
    pub async fn watch(&self) -> Result<(), ChainError> {
        let watched = self.watch_one().await;
        set(&self.metrics.silent_vaults, self.silent().len() as u64);
        watched
    }

    async fn watch_one(&self) -> Result<(), ChainError> {
        self.ask_silent().await?;
        let Some(sample) = self.sample().await? else { return Ok(()) };
        add(&self.metrics.watches_total, 1);
        let mut silent = false;
        for attempt in 1..=TRIES {
            let Err(reason) = self.ask(&sample).await else {
                self.silent().remove(&sample.vault.0);
                return Ok(());
            };
            silent = reason.is_silence();
            if attempt == 1 {
                add(&self.metrics.watches_failed_total, 1);
                tracing::debug!(vault = %sample.vault, drive = sample.at.drive, %reason, "a chunk wasn't shown");
            }
            if attempt < TRIES {
                tokio::time::sleep(self.pace.watch_retry).await;
            }
            // What was asked for may not be what it has to have any more.
            if !self.still(&sample).await? {
                return Ok(());
            }
        }
        if silent && !self.silent_long_enough(&sample).await? {
            return Ok(());
        }
        if !self.others_answer(&sample).await? {
            return Ok(());
        }
        self.report(&sample).await?;
        if silent || self.chain.dispute(sample.at).await?.is_some() || !self.may_accuse(&sample).await? {
            return Ok(());
        }
        self.chain.submit(Action::Dispute { at: sample.at, chunk: sample.chunk }).await?;
        self.note_accusation(&sample);
        add(&self.metrics.disputes_opened_total, 1);
        tracing::warn!(vault = %sample.vault, drive = sample.at.drive, slot = sample.at.slot, "a vault was accused");
        Ok(())
    }

    /// Tells the chain that a vault serves nobody: once a period for each slot.
    async fn report(&self, sample: &Sample) -> Result<(), ChainError> {
        let (now, period) = (self.known.block(), self.chain.terms().await?.period_blocks);
        let is_new = {
            let mut reported = lock(&self.reported);
            reported.retain(|_, block| now.saturating_sub(*block) < period);
            reported.len() < SILENT_MAX && !reported.contains_key(&sample.at)
        };
        if !is_new {
            return Ok(());
        }
        self.chain.submit(Action::Report { at: sample.at, by: sample.by }).await?;
        lock(&self.reported).insert(sample.at, now);
        add(&self.metrics.reports_total, 1);
        tracing::info!(vault = %sample.vault, drive = sample.at.drive, slot = sample.at.slot, "a vault was reported: it serves nothing");
        Ok(())
    }

    /// Whether a vault may be accused: not again soon, if it answered before.
    async fn may_accuse(&self, sample: &Sample) -> Result<bool, ChainError> {
        let Some((at, block, answered)) =
            lock(&self.accused).get(&sample.vault.0).map(|accused| (accused.at, accused.block, accused.answered))
        else {
            return Ok(true);
        };
        if self.chain.dispute(at).await?.is_some() {
            return Ok(false);
        }
        let drive = self.chain.drive(at.drive).await?;
        let slot = drive.as_ref().and_then(|drive| drive.slots.get(usize::from(at.slot)));
        if slot.is_some_and(|slot| slot.vault == Some(sample.vault)) {
            let period = self.chain.terms().await?.period_blocks;
            let pause = period.saturating_mul(1u32.checked_shl(answered).unwrap_or(u32::MAX));
            return Ok(self.known.block().saturating_sub(block) >= pause);
        }
        // It lost what it was accused of.
        lock(&self.accused).remove(&sample.vault.0);
        Ok(true)
    }

    fn note_accusation(&self, sample: &Sample) {
        let block = self.known.block();
        let mut accused = lock(&self.accused);
        if accused.len() >= SILENT_MAX && !accused.contains_key(&sample.vault.0) {
            accused.clear();
        }
        let answered = accused.get(&sample.vault.0).map_or(0, |before| before.answered.saturating_add(1));
        accused.insert(sample.vault.0, Accused { at: sample.at, block, answered });
    }

    fn silent(&self) -> MutexGuard<'_, HashMap<[u8; 32], Silent>> {
        lock(&self.silent)
    }

    /// Notes that a vault is silent; says whether it was for a period.
    async fn silent_long_enough(&self, sample: &Sample) -> Result<bool, ChainError> {
        let (now, period) = (self.known.block(), self.chain.terms().await?.period_blocks);
        let mut silent = self.silent();
        if silent.len() >= SILENT_MAX && !silent.contains_key(&sample.vault.0) {
            return Ok(false);
        }
        let found = silent.entry(sample.vault.0);
        let found = found.or_insert(Silent { at: sample.at, since_block: now, asked_block: now });
        found.asked_block = now;
        Ok(now.saturating_sub(found.since_block) >= period)
    }

    /// Asks vaults again that were silent: an answer of any kind ends that.
    async fn ask_silent(&self) -> Result<(), ChainError> {
        if self.silent().is_empty() {
            return Ok(());
        }
        let (now, pause) = (self.known.block(), self.chain.terms().await?.period_blocks / SILENT_ASKED);
        let due: Vec<([u8; 32], SlotAt)> = {
            let mut silent = self.silent();
            let due = silent.iter_mut().filter(|(_, one)| now.saturating_sub(one.asked_block) > pause);
            let due = due.take(SILENT_AT_ONCE).map(|(vault, one)| {
                one.asked_block = now;
                (*vault, one.at)
            });
            due.collect()
        };
        for (vault, at) in due {
            let answered = match self.peers.connect(&AccountId(vault)).await {
                Ok(connection) => matches!(connection.status(at).await, Ok(_) | Err(WireError::Refused(_))),
                // It is no vault any more.
                Err(PeerError::NoAddress) => true,
                Err(_) => false,
            };
            if answered {
                self.silent().remove(&vault);
            }
        }
        Ok(())
    }

    /// A chunk of another vault of one of this vault's groups, any of them.
    async fn sample(&self) -> Result<Option<Sample>, ChainError> {
        let mut slots = self.known.slots();
        slots.retain(|slot| !slot.successor && slot.state == SlotState::Healthy && slot.units > slot.trimmed_units);
        let Some(slot) = slots.get(random::below(slots.len() as u64) as usize) else { return Ok(None) };
        let Some(drive) = self.chain.drive(slot.at.drive).await? else { return Ok(None) };
        let others = others(&drive, self.chain.account());
        let Some((number, vault, root)) = others.get(random::below(others.len() as u64) as usize) else {
            return Ok(None);
        };
        let first = drive.trimmed_units.saturating_mul(CHUNKS_PER_UNIT);
        let chunks = drive.units.saturating_mul(CHUNKS_PER_UNIT).saturating_sub(first);
        Ok((chunks > 0).then(|| Sample {
            at: SlotAt { drive: drive.id, slot: *number },
            vault: *vault,
            root: *root,
            units: drive.units,
            chunk: first + random::below(chunks),
            by: slot.at.slot,
        }))
    }

    async fn ask(&self, sample: &Sample) -> Result<(), PeerError> {
        let connection = self.peers.connect(&sample.vault).await?;
        let proof = patiently(|| connection.prove(sample.at, sample.units, sample.chunk)).await?;
        let shown = proof.verify(&sample.root, sample.units, sample.chunk);
        shown.map_err(|_| cairn_wire::WireError::Protocol("the proof is wrong").into())
    }

    /// Whether the vault still has to have it.
    async fn still(&self, sample: &Sample) -> Result<bool, ChainError> {
        let Some(drive) = self.chain.drive(sample.at.drive).await? else { return Ok(false) };
        let Some(slot) = drive.slots.get(usize::from(sample.at.slot)) else { return Ok(false) };
        let given_up = drive.trimmed_units.saturating_mul(CHUNKS_PER_UNIT);
        Ok(slot.vault == Some(sample.vault)
            && slot.state == SlotState::Healthy
            && drive.units >= sample.units
            && given_up <= sample.chunk)
    }

    /// Whether any other vault of the group can be reached.
    async fn others_answer(&self, sample: &Sample) -> Result<bool, ChainError> {
        let Some(drive) = self.chain.drive(sample.at.drive).await? else { return Ok(false) };
        for (slot, vault, _) in others(&drive, self.chain.account()) {
            if vault == sample.vault {
                continue;
            }
            let there = SlotAt { drive: drive.id, slot };
            if let Ok(connection) = self.peers.connect(&vault).await {
                if connection.status(there).await.is_ok() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Slots of a drive that other vaults are liable for.
fn others(drive: &Drive, own: AccountId) -> Vec<(u8, AccountId, [u8; 32])> {
    (0u8..)
        .zip(&drive.slots)
        .filter(|(_, slot)| slot.state == SlotState::Healthy && !slot.disputed)
        .filter_map(|(number, slot)| Some((number, slot.vault.filter(|vault| *vault != own)?, slot.root)))
        .collect()
}
