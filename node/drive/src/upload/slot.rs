// SPDX-License-Identifier: Apache-2.0

//! One slot's part of an upload: appends in order, acknowledgements, the receipt; over a new connection when one is lost.

use std::{
    collections::VecDeque,
    sync::{
        atomic::{AtomicU64, AtomicUsize, Ordering},
        Arc,
    },
    time::Duration,
};

use cairn_primitives::storage::{Receipt, ShardId, ShardSize, SlotAt, Ticket};
use cairn_wire::{Connection, LogEnd, RefusalCode, WireError};
use futures::{
    future::BoxFuture,
    stream::{FuturesOrdered, StreamExt},
    FutureExt,
};
use tokio::sync::mpsc;

use super::{fan::Stripe, Event, OnEvent};
use crate::{chain::Signer, vaults::Vaults};

/// Bytes of shards in one message: large enough that a vault's disk writes in long pieces, small enough to be on its way
/// soon.
const BATCH_BYTES: usize = 2 << 20;
/// With so many a message is sent while others are on their way; with fewer it waits for an answer, or the end, and for more shards
/// meanwhile. Each message costs a vault two waits for its disk.
const BATCH_BYTES_FULL: usize = BATCH_BYTES - ShardSize::K256.bytes() + 1;
/// Shards in one message.
const BATCH_SHARDS: usize = 1024;
/// Bytes that may be on their way to one vault.
const IN_FLIGHT_BYTES: usize = 16 << 20;
/// How often a vault is tried again without any progress.
const RETRIES_MAX: u32 = 6;
/// The first wait before that; it doubles.
const RETRY: Duration = Duration::from_millis(300);

/// What a slot's task is told.
pub(crate) enum Order {
    /// One more stripe.
    Append(Arc<Stripe>),
    /// That was all: a receipt is wanted for it.
    Seal(Receipt, u64),
}

/// Why a slot doesn't take part any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub reason: String,
    /// The vault says that the drive is at another version.
    pub stale: bool,
    /// The vault keeps so many shards that it has signed for, and they aren't these.
    pub kept: Option<u64>,
    /// The vault had these shards, and has another writer's in their place.
    pub overtaken: bool,
}

impl Left {
    pub fn new(reason: impl Into<String>) -> Self {
        Left { reason: reason.into(), stale: false, kept: None, overtaken: false }
    }
}

/// What is known of a slot from outside its task.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Bytes that were queued and aren't acknowledged.
    pub backlog: AtomicUsize,
    /// Bytes that were sent and acknowledged, those known before not counted.
    pub sent: AtomicU64,
}

pub(crate) struct SlotTask {
    pub at: SlotAt,
    pub vaults: Arc<Vaults>,
    pub signer: Arc<dyn Signer>,
    pub genesis: [u8; 32],
    pub ticket: Ticket,
    pub orders: mpsc::UnboundedReceiver<Order>,
    pub progress: Arc<Progress>,
    pub on_event: OnEvent,
    /// Not acknowledged yet, in order; the first is number `acked`.
    pub pending: VecDeque<Arc<Stripe>>,
    pub acked: u64,
    pub seal: Option<(Receipt, u64)>,
}

/// What a vault has behind what is acknowledged: perhaps from an earlier run.
#[derive(Default)]
struct Known {
    /// The next ids, as many as one answer has: all of a long upload's would take too much memory.
    ahead: VecDeque<(ShardId, ShardSize)>,
    /// Where its log ends; nothing is known behind that.
    end: u64,
}

/// What became of shards, how many they were, and their bytes.
type Sent = (Result<LogEnd, WireError>, usize, usize);

enum Stop {
    Leave(Left),
    Retry(String),
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        let reason = error.to_string();
        match error.refusal() {
            Some(RefusalCode::Stale { .. }) => Stop::Leave(Left { stale: true, ..Left::new(reason) }),
            // Another writer cut the log meanwhile; or the ticket has run out.
            Some(RefusalCode::Gap { .. } | RefusalCode::Missing | RefusalCode::NotOpen) => Stop::Retry(reason),
            // Waiting doesn't empty a disk; the others don't wait for it either.
            Some(RefusalCode::DiskFull) => Stop::Leave(Left::new(reason)),
            Some(RefusalCode::Kept { leaves }) => Stop::Leave(Left { kept: Some(leaves), ..Left::new(reason) }),
            _ if error.is_temporary() => Stop::Retry(reason),
            _ => Stop::Leave(Left::new(reason)),
        }
    }
}

fn overtaken() -> Left {
    Left { overtaken: true, ..Left::new("another writer's data took the place of this") }
}

fn leave(reason: impl Into<String>) -> Stop {
    Stop::Leave(Left::new(reason))
}

impl SlotTask {
    /// Runs until the receipt is there, or the slot takes part no more.
    pub async fn run(mut self) -> Result<(Receipt, [u8; 64]), Left> {
        let mut retries = 0;
        loop {
            let before = self.acked;
            let reason = match self.session().await {
                Ok(receipt) => return Ok(receipt),
                Err(Stop::Leave(left)) => return Err(left),
                Err(Stop::Retry(reason)) => reason,
            };
            retries = if self.acked > before { 1 } else { retries + 1 };
            if retries > RETRIES_MAX {
                return Err(Left::new(reason));
            }
            tracing::debug!(slot = self.at.slot, reason, "trying a vault again");
            tokio::time::sleep(RETRY * (1 << (retries - 1))).await;
        }
    }

    async fn session(&mut self) -> Result<(Receipt, [u8; 64]), Stop> {
        let connection = self.vaults.connection(self.at.slot).await?;
        let signature = self.signer.sign(&self.ticket.to_sign(&self.genesis));
        let behind = || leave("it is behind with what is committed already");
        let end = match connection.open(self.ticket, self.signer.account(), signature).await {
            // It catches up from the others, which takes longer than an upload waits.
            Err(error) if matches!(error.refusal(), Some(RefusalCode::Gap { .. })) => return Err(behind()),
            opened => opened?,
        };
        if end.leaves < self.ticket.first_stripe {
            return Err(behind());
        }
        if end.leaves < self.acked {
            return Err(Stop::Leave(overtaken()));
        }
        let mut known = Known { ahead: VecDeque::new(), end: end.leaves };
        let mut in_flight: FuturesOrdered<BoxFuture<'static, Sent>> = FuturesOrdered::new();
        // Stripes of `pending` that are on their way already, and their bytes.
        let (mut sent, mut sent_bytes) = (0, 0);
        loop {
            // What the vault has from an earlier run isn't sent again, up to the first difference.
            while let (0, Some(stripe), true) = (sent, self.pending.front(), self.acked < known.end) {
                if known.ahead.is_empty() {
                    let count = u32::try_from(known.end - self.acked).unwrap_or(u32::MAX);
                    known.ahead = connection.leaves(self.at, self.acked, count).await?.into();
                }
                match known.ahead.pop_front() {
                    Some(leaf) if leaf == (*stripe.id(self.at.slot), stripe.size) => self.acknowledge(1, true),
                    _ => known = Known::default(),
                }
            }
            let room = sent < self.pending.len() && sent_bytes < IN_FLIGHT_BYTES;
            let (count, bytes) = if room { self.batch(sent) } else { (0, 0) };
            if count > 0 && (in_flight.is_empty() || bytes >= BATCH_BYTES_FULL || self.seal.is_some()) {
                let shards =
                    self.pending.range(sent..sent + count).map(|stripe| stripe.shard(self.at.slot).clone()).collect();
                let sending = connection.send_append(self.at, self.acked + sent as u64, shards).await?;
                in_flight.push_back(async move { (sending.done().await, count, bytes) }.boxed());
                (sent, sent_bytes) = (sent + count, sent_bytes + bytes);
                // Whatever was behind is cut off by this.
                known = Known::default();
                continue;
            }
            if self.pending.is_empty() {
                if let Some((expected, leaves)) = self.seal {
                    if self.acked < known.end {
                        connection.append(self.at, leaves, Vec::new()).await?;
                    }
                    return self.sealed(&connection, expected, leaves).await;
                }
            }
            tokio::select! {
                Some((end, count, bytes)) = in_flight.next(), if !in_flight.is_empty() => {
                    let end = end?;
                    if end.leaves < self.acked + count as u64 {
                        return Err(leave("it acknowledged less than it was sent"));
                    }
                    (sent, sent_bytes) = (sent - count, sent_bytes - bytes);
                    self.acknowledge(count, false);
                },
                order = self.orders.recv(), if self.seal.is_none() => match order {
                    Some(Order::Append(stripe)) => self.pending.push_back(stripe),
                    Some(Order::Seal(receipt, leaves)) => self.seal = Some((receipt, leaves)),
                    None => return Err(leave("the upload was stopped")),
                },
                else => return Err(leave("there is nothing left to do")),
            }
        }
    }

    fn batch(&self, from: usize) -> (usize, usize) {
        let (mut count, mut bytes) = (0, 0);
        for stripe in self.pending.range(from..).take(BATCH_SHARDS) {
            if count > 0 && bytes + stripe.size.bytes() > BATCH_BYTES {
                break;
            }
            (count, bytes) = (count + 1, bytes + stripe.size.bytes());
        }
        (count, bytes)
    }

    fn acknowledge(&mut self, count: usize, known: bool) {
        let bytes: usize = self.pending.drain(..count).map(|stripe| stripe.size.bytes()).sum();
        self.acked += count as u64;
        self.progress.backlog.fetch_sub(bytes, Ordering::Relaxed);
        if !known {
            self.progress.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        (self.on_event)(Event::Stored { slot: self.at.slot, bytes: bytes as u64, known });
    }

    async fn sealed(
        &self,
        connection: &Connection,
        expected: Receipt,
        leaves: u64,
    ) -> Result<(Receipt, [u8; 64]), Stop> {
        let (receipt, signature) = match connection.seal(self.at, leaves, expected.root, expected.until_block).await {
            Err(error) if matches!(error.refusal(), Some(RefusalCode::Gap { .. })) => {
                return Err(Stop::Leave(overtaken()))
            },
            sealed => sealed?,
        };
        if receipt != expected {
            return Err(leave("it signed for something else than it was sent"));
        }
        (self.on_event)(Event::Signed { slot: self.at.slot });
        Ok((receipt, signature))
    }
}
