// SPDX-License-Identifier: Apache-2.0

//! The keeper: brings the store to what the chain says of this vault's slots.
//!
//! At each finalized block: new slots get a log; what is committed is noted; a slot that is behind, or that this vault is to take
//! over, is rebuilt and restored; what the drive gave up is given up; tails that nobody committed are cut; and logs of slots
//! that went to others are removed, after a grace.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cairn_client::chain::{
    storage::{SlotAt, SlotState},
    vaults::{HeldSlot, Vault as VaultInfo},
};
use cairn_primitives::storage::{restore_chunk, UNIT_BYTES};
use cairn_store::{Store, StoreError};
use codec::{DecodeAll, Encode};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    known::Known,
    metrics::{add, set, Metrics},
    rebuild::{RebuildError, Rebuilder},
    serve::settle_committed,
    Action, Chain, ChainError, Held, Pace,
};

/// Slots that are rebuilt at a time.
const REBUILDS_AT_ONCE: usize = 2;
/// The value that says since when slots are lost.
const LOST: &str = "lost";
/// Of the time for a repair, the last part in which a slot that can't be rebuilt is declined.
const DECLINE_DIVISOR: u32 = 4;
/// Of a period, the part after which a slot that is behind gets a successor.
const GRACE_DIVISOR: u32 = 4;
/// Longest pause between two tries of a repair.
const PAUSE_MAX: Duration = Duration::from_secs(600);

pub(crate) struct Keeper {
    pub chain: Arc<dyn Chain>,
    pub known: Arc<Known>,
    pub store: Arc<Store>,
    pub rebuilder: Arc<Rebuilder>,
    pub metrics: Arc<Metrics>,
    pub pace: Pace,
    /// Slots that something is being done for.
    pub busy: Mutex<HashMap<SlotAt, Try>>,
    pub turns: Arc<Semaphore>,
    /// What the chain said of this vault last.
    pub standing: Mutex<Option<Standing>>,
}

/// What tells whether a vault does what it is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    turns: u32,
    missed_history: u32,
    bond: u128,
}

impl Standing {
    fn of(vault: &VaultInfo) -> Self {
        Standing { turns: vault.turns, missed_history: vault.missed_history, bond: vault.bond }
    }

    /// How many turns are misses that were none, or weren't, at an earlier time.
    fn missed_since(&self, before: &Standing) -> u32 {
        let turns = self.turns.saturating_sub(before.turns);
        (self.missed_history & !before.missed_history.checked_shl(turns).unwrap_or_default()).count_ones()
    }
}

/// Something that is being done for a slot, or that failed.
pub(crate) struct Try {
    running: bool,
    /// Not before this.
    next: Instant,
    failures: u32,
}

/// What a slot needs that takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Shards from others, and then perhaps to be restored.
    Rebuild,
    /// To tell the chain that all is there.
    Restore,
    /// The drive gave up a part.
    Trim,
}

/// How many slots are rebuilt at a time.
pub(crate) fn turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(REBUILDS_AT_ONCE))
}

impl Keeper {
    /// Looks at the chain, if it has finalized a block since; whether it had.
    pub async fn keep(self: &Arc<Self>) -> Result<bool, ChainError> {
        let count_error = |_: &ChainError| add(&self.metrics.chain_errors_total, 1);
        let block = self.chain.finalized_block().await.inspect_err(count_error)?;
        if block <= self.known.block() && block > 0 {
            // Repairs that failed before are tried again all the same.
            self.tend(&self.known.slots(), self.known.block()).await;
            return Ok(false);
        }
        let held = self.chain.held().await.inspect_err(count_error)?;
        self.known.replace(&held);
        set(&self.metrics.finalized_block, held.block.into());
        set(&self.metrics.slots, held.slots.len() as u64);
        if let Some(vault) = self.chain.vault(self.chain.account()).await.inspect_err(count_error)? {
            self.note_standing(&vault);
        }
        self.tend(&held.slots, held.block).await;
        self.let_go(&held).await;
        Ok(true)
    }

    /// Says what an operator has to know: nothing else in this program sees that an answer came too late, or not at all.
    fn note_standing(&self, vault: &VaultInfo) {
        let now = Standing::of(vault);
        let before = self.standing.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        set(&self.metrics.score_ppm, vault.score_ppm.into());
        set(&self.metrics.proofs_missed_in_row, vault.missed_in_row.into());
        let Some(before) = before else { return };
        let missed = now.missed_since(&before);
        if missed > 0 {
            add(&self.metrics.proofs_missed_total, missed.into());
            let in_row = vault.missed_in_row;
            tracing::warn!(
                missed,
                in_row,
                "a proof was missed: were the machine, its line and its node there, and in time?"
            );
        }
        if now.bond < before.bond {
            let plancks = before.bond - now.bond;
            tracing::warn!(
                plancks,
                left = now.bond,
                "the bond has become less: a slash, unless its owner took it back"
            );
        }
    }

    /// Does for all slots what can be done at once, and begins what takes time.
    async fn tend(self: &Arc<Self>, slots: &[HeldSlot], block: u32) {
        let (store, slots, pace) = (Arc::clone(&self.store), slots.to_vec(), self.pace);
        let work = tokio::task::spawn_blocking(move || {
            let mut needs = Vec::new();
            let mut bytes = 0u64;
            for slot in slots {
                match settle(&store, &slot, block, &pace) {
                    Ok(Some(need)) => needs.push((slot, need)),
                    Ok(None) => {},
                    Err(error) => {
                        tracing::warn!(drive = slot.at.drive, slot = slot.at.slot, %error, "a slot can't be looked after");
                    },
                }
            }
            for at in store.slots() {
                let head = store.head(at).unwrap_or_default();
                bytes += head.range.units().saturating_sub(head.trimmed_units).saturating_mul(UNIT_BYTES as u64);
            }
            let free = store.room().map_or(0, |(free, _)| free);
            (needs, bytes, free)
        });
        let Ok((needs, bytes, free)) = work.await else { return };
        set(&self.metrics.stored_bytes, bytes);
        set(&self.metrics.free_bytes, free);
        for (slot, need) in needs {
            self.begin(slot, need);
        }
    }

    /// Begins something, unless it is under way or failed a moment ago.
    fn begin(self: &Arc<Self>, slot: HeldSlot, need: Need) {
        let now = Instant::now();
        let mut busy = self.busy();
        let entry = busy.entry(slot.at).or_insert(Try { running: false, next: now, failures: 0 });
        if entry.running || entry.next > now {
            return;
        }
        entry.running = true;
        drop(busy);
        let keeper = Arc::clone(self);
        tokio::spawn(async move {
            let at = slot.at;
            let Ok(_turn) = keeper.turns.acquire().await else { return };
            let result = match need {
                Need::Rebuild => keeper.rebuild(&slot).await,
                Need::Restore => keeper.restore(&slot).await,
                Need::Trim => keeper.trim(&slot).await,
            };
            let mut busy;
            match result {
                Ok(()) => {
                    busy = keeper.busy();
                    busy.remove(&at);
                },
                Err(error) if keeper.declines(&slot, &error).await => {
                    busy = keeper.busy();
                    busy.remove(&at);
                },
                Err(error) => {
                    busy = keeper.busy();
                    add(&keeper.metrics.rebuilds_failed_total, 1);
                    if let Some(entry) = busy.get_mut(&at) {
                        entry.running = false;
                        let pause = keeper.pace.repair_retry.saturating_mul(1 << entry.failures.min(6)).min(PAUSE_MAX);
                        entry.next = Instant::now() + pause;
                        entry.failures += 1;
                        if entry.failures == 1 {
                            tracing::warn!(drive = at.drive, slot = at.slot, %error, ?need, "it will be tried again");
                        }
                    }
                },
            }
        });
    }

    async fn rebuild(&self, slot: &HeldSlot) -> Result<(), RebuildError> {
        let drive = self.rebuilder.rebuild(slot.at).await?;
        add(&self.metrics.rebuilt_total, 1);
        tracing::info!(drive = slot.at.drive, slot = slot.at.slot, version = drive.version, "a slot was rebuilt");
        let now = crate::serve::held_slot(&drive, slot.at, self.chain.account()).ok_or(RebuildError::Gone)?;
        match now.successor || now.state == SlotState::Behind {
            true => self.restore(&now).await,
            false => Ok(()),
        }
    }

    /// Gives a slot up that this vault can't rebuild, and says whether it did: at once where the writer's shards don't belong
    /// together, or the slot goes to another; and as its successor, or as a vault that never had it, before the time is over. That is no fault, while having
    /// done nothing is.
    async fn declines(&self, slot: &HeldSlot, error: &RebuildError) -> bool {
        let at = slot.at;
        let Ok(terms) = self.chain.terms().await else { return false };
        let Ok(Some(drive)) = self.chain.drive(at.drive).await else { return false };
        let Some(now) = crate::serve::held_slot(&drive, at, self.chain.account()) else { return false };
        let never_had = drive.slots.get(usize::from(at.slot)).is_some_and(|slot| slot.proven_block.is_none());
        let last = match (now.due_block.filter(|_| now.successor), now.behind_block.filter(|_| never_had)) {
            (Some(due), _) => due.saturating_sub(terms.restore_blocks / DECLINE_DIVISOR),
            (None, Some(since)) => {
                let grace = terms.period_blocks / GRACE_DIVISOR;
                since.saturating_add(grace).saturating_sub(grace / DECLINE_DIVISOR)
            },
            (None, None) if now.state == SlotState::Behind => u32::MAX,
            (None, None) => return false,
        };
        let hopeless = matches!(error, RebuildError::Uncodable | RebuildError::Forfeited);
        if !hopeless && self.known.block() < last {
            return false;
        }
        match self.chain.submit(Action::Decline { at }).await {
            Ok(()) => {
                tracing::warn!(drive = at.drive, slot = at.slot, %error, "a slot was declined");
                true
            },
            Err(error) => {
                tracing::debug!(drive = at.drive, slot = at.slot, %error, "a slot can't be declined");
                false
            },
        }
    }

    /// Shows the chain that the log is there.
    async fn restore(&self, slot: &HeldSlot) -> Result<(), RebuildError> {
        let HeldSlot { at, root, units, trimmed_units, not_before, .. } = *slot;
        if not_before == u32::MAX && !slot.successor {
            return Err(RebuildError::Forfeited);
        }
        if not_before > self.known.block() && !slot.successor {
            return Err(RebuildError::TooEarly(not_before));
        }
        let account = self.chain.account().0;
        let proof = match restore_chunk(&self.chain.genesis(), at, &account, &root, trimmed_units, units) {
            None => None,
            Some(chunk) => {
                let store = Arc::clone(&self.store);
                let proving = tokio::task::spawn_blocking(move || store.prove(at, units, chunk));
                let proof = proving.await.unwrap_or(Err(StoreError::Failed))?;
                if proof.verify(&root, units, chunk).is_err() {
                    return Err(RebuildError::Other);
                }
                Some(proof)
            },
        };
        self.chain.submit(Action::Restore { at, proof }).await?;
        tracing::info!(drive = at.drive, slot = at.slot, "a slot was restored");
        Ok(())
    }

    /// Gives up what the drive gave up, when nothing that is open asks for it any more.
    async fn trim(&self, slot: &HeldSlot) -> Result<(), RebuildError> {
        let (at, units) = (slot.at, slot.trimmed_units);
        let first_chunk = units.saturating_mul(cairn_primitives::storage::CHUNKS_PER_UNIT);
        let challenged = self.chain.challenge().await?.is_some_and(|challenge| {
            challenge.targets.iter().any(|target| target.at == at && target.chunk < first_chunk)
        });
        let disputed = match slot.disputed {
            true => self.chain.dispute(at).await?.is_some_and(|dispute| dispute.target.chunk < first_chunk),
            false => false,
        };
        if challenged || disputed {
            return Ok(());
        }
        let drive = self.chain.drive(at.drive).await?.ok_or(RebuildError::Gone)?;
        self.rebuilder.learn_fronts(&drive, at).await;
        let store = Arc::clone(&self.store);
        let trimming = tokio::task::spawn_blocking(move || store.trim(at, units));
        Ok(trimming.await.unwrap_or(Err(StoreError::Failed))?)
    }

    /// Removes logs of slots that this vault hasn't had for a while.
    async fn let_go(&self, held: &Held) {
        let grace = match self.pace.lost_grace_blocks {
            Some(blocks) => blocks,
            None => match self.chain.terms().await {
                Ok(terms) => terms.period_blocks,
                Err(_) => return,
            },
        };
        let (store, block) = (Arc::clone(&self.store), held.block);
        let kept: Vec<_> = held.slots.iter().map(|slot| slot.at).collect();
        let work = tokio::task::spawn_blocking(move || remove_lost(&store, &kept, block, grace));
        if let Ok(Err(error)) = work.await {
            tracing::warn!(%error, "logs of lost slots can't be removed");
        }
    }

    fn busy(&self) -> MutexGuard<'_, HashMap<SlotAt, Try>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does for a slot what needs nobody else; what it needs besides.
fn settle(store: &Store, slot: &HeldSlot, block: u32, pace: &Pace) -> Result<Option<Need>, StoreError> {
    let at = slot.at;
    let Some(head) = store.head(at) else {
        if slot.units > slot.trimmed_units || slot.trimmed_units > 0 {
            return Ok(Some(Need::Rebuild));
        }
        store.create(at, Default::default())?;
        return Ok(slot.successor.then_some(Need::Restore));
    };
    let head = match settle_committed(store, slot, block, head) {
        Ok(head) => head,
        Err(StoreError::Gap { .. }) => return Ok(Some(Need::Rebuild)),
        Err(error) => return Err(error),
    };
    if slot.successor || slot.state == SlotState::Behind {
        return Ok(Some(Need::Restore));
    }
    if slot.trimmed_units > head.trimmed_units && trims(store, slot, head.trimmed_units)? {
        return Ok(Some(Need::Trim));
    }
    let stale = head.tail_until_block.saturating_add(pace.tail_grace_blocks) < block;
    if stale && head.range.leaves() > head.kept_leaves() {
        store.cut(at, head.kept_leaves())?;
    }
    Ok(None)
}

/// Whether a whole shard more can be given up.
fn trims(store: &Store, slot: &HeldSlot, trimmed_units: u64) -> Result<bool, StoreError> {
    let head = store.head(slot.at).ok_or(StoreError::UnknownSlot(slot.at))?;
    match store.leaves(slot.at, head.trimmed_leaves, 1) {
        Ok(first) => Ok(first.first().is_some_and(|leaf| trimmed_units + leaf.size.units() <= slot.trimmed_units)),
        Err(StoreError::Missing) => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_lost(store: &Store, kept: &[SlotAt], block: u32, grace: u32) -> Result<(), StoreError> {
    let known = store.value(LOST)?.unwrap_or_default();
    let before: BTreeMap<SlotAt, u32> = BTreeMap::decode_all(&mut &known[..]).unwrap_or_default();
    let mut lost = BTreeMap::new();
    for at in store.slots().into_iter().filter(|at| !kept.contains(at)) {
        let since = before.get(&at).copied().unwrap_or(block);
        if block.saturating_sub(since) < grace {
            lost.insert(at, since);
            continue;
        }
        store.remove(at)?;
        tracing::info!(drive = at.drive, slot = at.slot, "a log was removed: the slot is another vault's, or no more");
        if !kept.iter().any(|kept| kept.drive == at.drive) {
            for slot in 0..cairn_primitives::storage::SLOTS_MAX as u8 {
                let other = SlotAt { drive: at.drive, slot };
                if store.front(other, u64::MAX).is_ok() {
                    store.forget_front(other)?;
                }
            }
        }
    }
    if lost != before {
        store.save_value(LOST, lost.encode())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missed_turn_is_told_of_once() {
        let standing = |turns, missed_history| Standing { turns, missed_history, bond: 1 };
        for (before, after, missed) in [
            (standing(5, 0b00), standing(5, 0b00), 0),
            (standing(5, 0b00), standing(6, 0b01), 1),
            (standing(6, 0b01), standing(7, 0b10), 0),
            (standing(6, 0b01), standing(8, 0b111), 2),
            // What is judged after its turn.
            (standing(6, 0b00), standing(6, 0b01), 1),
            (standing(6, 0b01), standing(6, 0b00), 0),
            (standing(6, 0b01), standing(60, 0b11), 2),
        ] {
            assert_eq!(after.missed_since(&before), missed, "{before:?} {after:?}");
        }
    }
}
