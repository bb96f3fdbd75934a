// SPDX-License-Identifier: Apache-2.0

//! All slots of an upload: stripes go to all of them; the slowest quarter doesn't hold up the rest.

use std::{
    sync::{atomic::Ordering, Arc},
    time::{Duration, Instant},
};

use bytes::Bytes;
use cairn_primitives::storage::{shard_id, Coding, Receipt, ShardId, ShardSize, SlotAt, Ticket};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::{
    sync::{mpsc, OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};

use super::{
    slot::{Left, Order, Progress, SlotTask},
    Event, OnEvent,
};
use crate::{
    chain::{DriveState, Signer},
    erasure::{encode_stripe, replicate, stripe_size, ErasureError},
    manifest::ids_per_stripe,
    vaults::Vaults,
    DriveError,
};

/// Memory that stripes may take together, in KiB.
pub(crate) const MEMORY_KIB: usize = 96 << 10;
/// A slot that has less than this part of the memory waiting keeps up.
const KEEPS_UP_PART: usize = 8;
/// For how long a few slots may hold up the others.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked whether enough vaults have everything.
const HAS_ALL_EVERY: Duration = Duration::from_millis(5);
/// How long the slowest are waited for once enough have signed: a quarter of what it took so far, within these.
const GRACE_MIN: Duration = Duration::from_secs(3);
const GRACE_MAX: Duration = Duration::from_secs(30);

/// A stripe on its way.
#[derive(Debug)]
pub(crate) struct Stripe {
    pub size: ShardSize,
    /// One a slot.
    shards: Vec<Bytes>,
    /// One a slot, or one for all.
    pub ids: Vec<ShardId>,
    _memory: Option<OwnedSemaphorePermit>,
}

impl Stripe {
    /// Codes and hashes a stripe's data; takes a while.
    pub fn coded(coding: Coding, data: Bytes, memory: Option<OwnedSemaphorePermit>) -> Result<Self, ErasureError> {
        let size = stripe_size(coding, data.len())?;
        let shards = encode_stripe(coding, data)?;
        let ids = shards.iter().take(ids_per_stripe(coding)).map(|shard| shard_id(shard)).collect();
        Ok(Stripe { size, shards, ids, _memory: memory })
    }

    /// A page: all shards are equal to it.
    pub fn page(coding: Coding, page: Bytes) -> Result<Self, ErasureError> {
        let wrong = ErasureError::NoStripe { bytes: page.len(), data: coding.data() };
        let size = ShardSize::from_bytes(page.len()).ok_or(wrong)?;
        let id = shard_id(&page);
        let shards = replicate(coding, page)?;
        Ok(Stripe { size, shards, ids: vec![id], _memory: None })
    }

    /// The same, with its share of the memory.
    pub fn holding(self, memory: OwnedSemaphorePermit) -> Self {
        Stripe { _memory: Some(memory), ..self }
    }

    /// The id of a slot's shard.
    pub fn id(&self, slot: u8) -> &ShardId {
        self.ids.get(usize::from(slot)).unwrap_or(&self.ids[0])
    }

    /// A slot's shard.
    pub fn shard(&self, slot: u8) -> &Bytes {
        &self.shards[usize::from(slot)]
    }
}

/// An upload's slots.
pub(crate) struct Fan {
    coding: Coding,
    slots: Vec<Slot>,
    memory: Arc<Semaphore>,
    vaults: Arc<Vaults>,
    on_event: OnEvent,
    started: Instant,
    /// Since when a few slots hold up the others.
    held_up: Option<Instant>,
    looked: Instant,
    /// What some vaults keep, which isn't this.
    kept: Vec<Kept>,
    /// The lowest slot that has a vault: see [`Self::first_receipt`].
    lowest: u8,
    /// What others left behind is taken over; nobody else is waited for.
    pub takes_over: bool,
    /// Some vault has another writer's shards in the place of this upload's.
    overtaken: bool,
}

/// A vault keeps so many shards, which aren't those of an upload: it has signed for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub slot: u8,
    /// Shards of its log that stay.
    pub leaves: u64,
}

struct Slot {
    number: u8,
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<Result<(Receipt, [u8; 64]), Left>>,
    progress: Arc<Progress>,
}

impl Slot {
    /// Whether its vault has everything that was sent.
    fn has_all(&self) -> bool {
        self.progress.backlog.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fan {
    /// Starts a task for each slot that has a vault.
    pub fn start(
        drive: &DriveState,
        ticket: Ticket,
        genesis: [u8; 32],
        signer: &Arc<dyn Signer>,
        vaults: &Arc<Vaults>,
        on_event: &OnEvent,
    ) -> Self {
        let with_vault = (0..drive.coding.slots()).filter(|slot| vaults.place(*slot).is_some());
        let slots = with_vault.map(|number| {
            let (orders, receiver) = mpsc::unbounded_channel();
            let progress = Arc::new(Progress::default());
            let at = SlotAt { drive: drive.id, slot: number };
            let task = SlotTask {
                at,
                vaults: Arc::clone(vaults),
                signer: Arc::clone(signer),
                genesis,
                ticket: Ticket { at, ..ticket },
                orders: receiver,
                progress: Arc::clone(&progress),
                on_event: Arc::clone(on_event),
                pending: Default::default(),
                acked: ticket.first_stripe,
                seal: None,
            };
            Slot { number, orders, task: tokio::spawn(task.run()), progress }
        });
        let slots: Vec<Slot> = slots.collect();
        Fan {
            coding: drive.coding,
            lowest: slots.iter().map(|slot| slot.number).min().unwrap_or(0),
            takes_over: false,
            slots,
            memory: Arc::new(Semaphore::new(MEMORY_KIB)),
            vaults: Arc::clone(vaults),
            on_event: Arc::clone(on_event),
            started: Instant::now(),
            held_up: None,
            looked: Instant::now(),
            kept: Vec::new(),
            overtaken: false,
        }
    }

    /// What stripes take their share of.
    pub fn memory(&self) -> &Arc<Semaphore> {
        &self.memory
    }

    /// Sends a stripe to all slots that still take part.
    ///
    /// # Errors
    /// [`Failed::Error`] as soon as too few do; [`Failed::Stale`] if that is because the drive was changed meanwhile.
    pub async fn push(&mut self, stripe: Stripe) -> Result<(), Failed> {
        let stripe = Arc::new(stripe);
        for slot in &self.slots {
            slot.progress.backlog.fetch_add(stripe.size.bytes(), Ordering::Relaxed);
            // A task that has ended is found below.
            let _ = slot.orders.send(Order::Append(Arc::clone(&stripe)));
        }
        self.drop_ended().await
    }

    /// Looks after the slots while nothing is to be sent: those that have ended, and a few that hold up all.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub async fn look(&mut self) -> Result<(), Failed> {
        self.drop_ended().await?;
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.looked = Instant::now();
        // Full is when the largest stripe finds no room.
        let full = self.memory.available_permits() < super::produce::memory_kib(ShardSize::K256, self.coding) as usize;
        let budget = MEMORY_KIB * 1024 / if self.coding == Coding::K1 { 1 } else { usize::from(self.coding.slots()) };
        let keeps_up = |slot: &Slot| slot.progress.backlog.load(Ordering::Relaxed) < budget / KEEPS_UP_PART;
        let quick = self.slots.iter().filter(|slot| keeps_up(slot)).count();
        if !full || quick < usize::from(self.coding.signatures_min()) {
            self.held_up = None;
            return Ok(());
        }
        if self.held_up.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
            return Ok(());
        }
        self.held_up = None;
        let (stay, slow): (Vec<Slot>, Vec<Slot>) = self.slots.drain(..).partition(keeps_up);
        self.slots = stay;
        for slot in slow {
            self.note_left(slot.number, "it is much slower than the others");
        }
        Ok(())
    }

    /// Memory for a stripe of this size, once there is some.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub async fn room(&mut self, size: ShardSize) -> Result<OwnedSemaphorePermit, Failed> {
        let kib = super::produce::memory_kib(size, self.coding);
        loop {
            let room = Arc::clone(&self.memory).acquire_many_owned(kib);
            if let Ok(permit) = tokio::time::timeout(LOOK_EVERY, room).await {
                return permit.map_err(|error| Failed::Error(DriveError::Task(error.to_string())));
            }
            self.look().await?;
        }
    }

    async fn drop_ended(&mut self) -> Result<(), Failed> {
        let mut index = 0;
        while index < self.slots.len() {
            if !self.slots[index].task.is_finished() {
                index += 1;
                continue;
            }
            let mut slot = self.slots.swap_remove(index);
            let left = match (&mut slot.task).await {
                Ok(Err(left)) => left,
                Ok(Ok(_)) => Left::new("it signed too early"),
                Err(error) => Left::new(error.to_string()),
            };
            self.take_leave(slot.number, &left)?;
            // Another writer has its receipt: it is further.
            if left.kept.is_some() && slot.number == self.lowest && !self.takes_over {
                return Err(Failed::Kept(self.kept.clone()));
            }
        }
        self.enough(self.slots.len())
    }

    /// Notes that a slot takes part no more, and why.
    fn take_leave(&mut self, slot: u8, left: &Left) -> Result<(), Failed> {
        self.kept.extend(left.kept.map(|leaves| Kept { slot, leaves }));
        self.overtaken |= left.overtaken;
        self.note_left(slot, &left.reason);
        if left.stale {
            return Err(Failed::Stale);
        }
        Ok(())
    }

    fn note_left(&self, slot: u8, reason: &str) {
        self.vaults.failed(slot, reason);
        (self.on_event)(Event::Left { slot, reason: reason.into() });
    }

    fn enough(&self, got: usize) -> Result<(), Failed> {
        let needed = self.coding.signatures_min();
        if got >= usize::from(needed) {
            return Ok(());
        }
        if !self.kept.is_empty() {
            return Err(Failed::Kept(self.kept.clone()));
        }
        if self.overtaken {
            return Err(Failed::Overtaken);
        }
        let failures = self.vaults.failures_text();
        Err(Failed::Error(DriveError::TooFewVaults { got, needed, slots: self.coding.slots(), failures }))
    }

    /// Asks all slots for their receipts; gives those that come in time, by slot.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub async fn receipts(
        &mut self,
        leaves: u64,
        expected: impl Fn(u8) -> Receipt,
    ) -> Result<Vec<Option<[u8; 64]>>, Failed> {
        // Nobody signs before enough have everything: or a few could have signed for what the others never get, and have to
        // keep it.
        while self.slots.iter().filter(|slot| slot.has_all()).count() < usize::from(self.coding.signatures_min()) {
            self.look().await?;
            tokio::time::sleep(HAS_ALL_EVERY).await;
        }
        let mut signatures = vec![None; usize::from(self.coding.slots())];
        let (first, signature) = self.first_receipt(leaves, &expected).await?;
        signatures[usize::from(first)] = Some(signature);
        for slot in &self.slots {
            let _ = slot.orders.send(Order::Seal(expected(slot.number), leaves));
        }
        let mut slots = std::mem::take(&mut self.slots);
        let mut running: FuturesUnordered<_> =
            slots.iter_mut().map(|slot| async move { (slot.number, (&mut slot.task).await) }).collect();
        let needed = usize::from(self.coding.signatures_min());
        let mut signed = 1;
        let mut until: Option<tokio::time::Instant> = None;
        loop {
            let next = match until {
                Some(until) => match tokio::time::timeout_at(until, running.next()).await {
                    Ok(next) => next,
                    Err(_) => break,
                },
                None => running.next().await,
            };
            let Some((number, result)) = next else { break };
            match result {
                Ok(Ok((_, signature))) => {
                    signatures[usize::from(number)] = Some(signature);
                    signed += 1;
                },
                Ok(Err(left)) => self.take_leave(number, &left)?,
                Err(error) => self.note_left(number, &error.to_string()),
            }
            if signed >= needed {
                let grace = (self.started.elapsed() / 4).clamp(GRACE_MIN, GRACE_MAX);
                until.get_or_insert(tokio::time::Instant::now() + grace);
            }
        }
        drop(running);
        for slot in slots.iter().filter(|slot| signatures[usize::from(slot.number)].is_none()) {
            if !slot.task.is_finished() {
                self.note_left(slot.number, "it was not done in time");
            }
        }
        self.enough(signed)?;
        Ok(signatures)
    }

    /// The receipt of the lowest slot, before any other is asked for: of several writers at the same time one gets it, and nobody
    /// signs for the others. Else each might have the receipts of some vaults, and none of enough; and those vaults would keep what
    /// they signed for.
    async fn first_receipt(
        &mut self,
        leaves: u64,
        expected: &impl Fn(u8) -> Receipt,
    ) -> Result<(u8, [u8; 64]), Failed> {
        let since = Instant::now();
        loop {
            self.drop_ended().await?;
            let slots = || self.slots.iter().enumerate();
            let lowest = slots().min_by_key(|(_, slot)| slot.number).filter(|(_, slot)| slot.has_all());
            let ready = || slots().filter(|(_, slot)| slot.has_all()).min_by_key(|(_, slot)| slot.number);
            let chosen = lowest.or_else(|| ready().filter(|_| since.elapsed() > PATIENCE));
            let Some((index, _)) = chosen else {
                tokio::time::sleep(HAS_ALL_EVERY).await;
                continue;
            };
            let mut slot = self.slots.swap_remove(index);
            let _ = slot.orders.send(Order::Seal(expected(slot.number), leaves));
            let left = match tokio::time::timeout(GRACE_MAX, &mut slot.task).await {
                Ok(Ok(Ok((_, signature)))) => return Ok((slot.number, signature)),
                Ok(Ok(Err(left))) => left,
                Ok(Err(error)) => Left::new(error.to_string()),
                Err(_) => Left::new("it was not done in time"),
            };
            self.take_leave(slot.number, &left)?;
            match left {
                Left { kept: Some(_), .. } => return Err(Failed::Kept(self.kept.clone())),
                Left { overtaken: true, .. } => return Err(Failed::Overtaken),
                // Away, or slow: the next one decides.
                _ => {},
            }
        }
    }
}

/// Why an upload can't go on.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The drive was changed by another writer meanwhile, or the receipts have ended.
    Stale,
    /// Too many vaults keep something else than this upload.
    Kept(Vec<Kept>),
    /// Another writer is writing at the same time, and is further.
    Overtaken,
    /// Anything else.
    Error(DriveError),
}
