// SPDX-License-Identifier: Apache-2.0

//! What requests mean.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use cairn_client::chain::{storage::SlotAt, vaults::HeldSlot};
use cairn_primitives::storage::{Receipt, Ticket};
use cairn_store::{Head, StoreError};
use cairn_wire::{
    frame::BODY_BYTES_MAX,
    message::{LeafList, Sizes, LEAVES_MAX},
    Answer, Refusal, RefusalCode, Request,
};

use super::{tickets::RECEIPT_BLOCKS_MAX, Shared};
use crate::metrics::add;

/// Bytes that an answer without shards counts for, where reading is limited.
const SMALL_ANSWER_BYTES: u64 = 4096;

/// An answer, and the shards that go with it.
pub(super) type Reply = (Answer, Vec<Bytes>);

pub(super) fn refused(code: RefusalCode, text: &str) -> Answer {
    Answer::Refused(Refusal::new(code, text))
}

/// What a receipt is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seal {
    pub at: SlotAt,
    pub leaves: u64,
    pub root: [u8; 32],
    pub until_block: u32,
}

/// Permission to write, on one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    ticket: Ticket,
}

impl Session {
    /// Whether the ticket still serves; the slot as it is known now.
    pub fn check(&self, shared: &Shared) -> Result<HeldSlot, Refusal> {
        let Some(slot) = shared.known.slot(self.ticket.at) else {
            return Err(Refusal::new(RefusalCode::UnknownSlot, ""));
        };
        if slot.version.checked_add(1) != Some(self.ticket.version) {
            return Err(Refusal::new(RefusalCode::Stale { version: slot.version }, ""));
        }
        if self.ticket.until_block < shared.known.block() {
            return Err(Refusal::new(RefusalCode::NotOpen, "the ticket has run out"));
        }
        Ok(slot)
    }

    /// Whether shards may be written from this one on; the units that the log may have.
    pub fn check_append(&self, shared: &Shared, first_leaf: u64) -> Result<u64, Refusal> {
        let slot = self.check(shared)?;
        if first_leaf < self.ticket.first_stripe {
            return Err(Refusal::new(
                RefusalCode::Kept { leaves: self.ticket.first_stripe },
                "the ticket begins later",
            ));
        }
        Ok(slot.trimmed_units.saturating_add(slot.capacity_units))
    }

    pub fn version(&self) -> u64 {
        self.ticket.version
    }
}

/// Opens a slot for writing: the ticket is checked, and the log is brought to what the chain says is committed.
pub(super) async fn open(
    shared: &Arc<Shared>,
    ticket: Ticket,
    signer: [u8; 32],
    signature: [u8; 64],
) -> Result<(Session, Answer), Answer> {
    // Before the drive is read: the version that it has then is the one of this block, or a later one.
    let settled_block = shared.known.block();
    let Ok(_turn) = shared.tickets.acquire().await else { return Err(refused(RefusalCode::Internal, "")) };
    let checked = super::tickets::check(&*shared.chain, &ticket, signer, &signature).await;
    let (slot, block) = checked.map_err(Answer::Refused)?;
    shared.known.learn(slot.clone(), block);
    let store = Arc::clone(&shared.store);
    let prepared = blocking(shared, move || {
        let head = match store.head(slot.at) {
            Some(head) => head,
            None if slot.units == 0 => {
                match store.create(slot.at, Default::default()) {
                    // The keeper may have made it meanwhile.
                    Ok(()) | Err(StoreError::Exists(_)) => {},
                    Err(error) => return Err(error),
                }
                store.head(slot.at).ok_or(StoreError::UnknownSlot(slot.at))?
            },
            None => return Err(StoreError::Gap { leaves: 0 }),
        };
        let head = settle_committed(&store, &slot, settled_block, head)?;
        store.expect_writes(slot.at, ticket.until_block)?;
        Ok(head)
    });
    let head = prepared.await.map_err(|error| refuse_store(shared, ticket.at, &error))?;
    if ticket.first_stripe < head.committed_leaves {
        return Err(refused(RefusalCode::Kept { leaves: head.committed_leaves }, "the ticket begins before that"));
    }
    Ok((Session { ticket }, Answer::Opened { leaves: head.range.leaves(), units: head.range.units() }))
}

/// Notes what is committed on chain, if the log has it. The slot is as it was at a final block that is `block` or a later one.
///
/// # Errors
/// [`StoreError::Gap`] if the log is shorter than that, or another one: it has to catch up first.
pub(crate) fn settle_committed(
    store: &cairn_store::Store,
    slot: &HeldSlot,
    block: u32,
    head: Head,
) -> Result<Head, StoreError> {
    let at = slot.at;
    store.unseal(at, slot.version, block)?;
    if slot.units > head.committed_units || (slot.units == head.committed_units && slot.units > head.range.units()) {
        let behind = StoreError::Gap { leaves: head.range.leaves() };
        match store.prefix(at, slot.units) {
            Ok(range) if range.root() == slot.root => store.commit(at, slot.units)?,
            Ok(_) | Err(StoreError::Missing | StoreError::NotAnEnd) => return Err(behind),
            Err(error) => return Err(error),
        }
    }
    store.head(at).ok_or(StoreError::UnknownSlot(at))
}

/// Everything that needs no permission.
pub(super) async fn answer(shared: &Arc<Shared>, peer: IpAddr, request: Request) -> Reply {
    // How much is read isn't known before, and is counted after.
    let cost = if matches!(request, Request::Read { .. }) { 1 } else { SMALL_ANSWER_BYTES };
    let limited = |wait: std::time::Duration| {
        add(&shared.metrics.reads_limited_total, 1);
        let retry_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        (refused(RefusalCode::RateLimited { retry_ms }, ""), Vec::new())
    };
    if let Err(wait) = shared.guests.read(peer, cost) {
        return limited(wait);
    }
    let (store, known) = (Arc::clone(&shared.store), Arc::clone(&shared.known));
    let at = match &request {
        Request::Status { at }
        | Request::Read { at, .. }
        | Request::Leaves { at, .. }
        | Request::Prove { at, .. }
        | Request::Front { at, .. } => *at,
        _ => return (refused(RefusalCode::Unsupported, ""), Vec::new()),
    };
    let done = blocking(shared, move || match request {
        Request::Status { at } => match store.head(at) {
            Some(Head { range, committed_units, .. }) => {
                Ok((Answer::Status { leaves: range.leaves(), units: range.units(), committed_units }, Vec::new()))
            },
            None if known.slot(at).is_some() => {
                Ok((Answer::Status { leaves: 0, units: 0, committed_units: 0 }, Vec::new()))
            },
            None => Err(StoreError::UnknownSlot(at)),
        },
        Request::Read { at, first_leaf, count } => {
            let shards = store.read(at, first_leaf, count.clamp(1, LEAVES_MAX), BODY_BYTES_MAX)?;
            let sizes = Sizes::try_from(shards.sizes).map_err(|_| StoreError::Missing)?;
            Ok((Answer::Read { sizes }, vec![shards.bytes]))
        },
        Request::Leaves { at, first_leaf, count } => {
            let leaves = store.leaves(at, first_leaf, count.clamp(1, LEAVES_MAX))?;
            let leaves: Vec<_> = leaves.into_iter().map(Into::into).collect();
            let leaves = LeafList::try_from(leaves).map_err(|_| StoreError::Missing)?;
            Ok((Answer::Leaves { leaves }, Vec::new()))
        },
        Request::Prove { at, units, chunk } => Ok((Answer::Proof(store.prove(at, units, chunk)?), Vec::new())),
        Request::Front { at, units } => Ok((Answer::Front(store.front(at, units)?), Vec::new())),
        _ => Err(StoreError::Missing),
    });
    match done.await {
        Ok((answer, body)) => {
            let bytes: usize = body.iter().map(Bytes::len).sum();
            if bytes > 0 {
                add(&shared.metrics.bytes_given_total, bytes as u64);
                if let Err(wait) = shared.guests.read(peer, bytes as u64) {
                    return limited(wait);
                }
            }
            (answer, body)
        },
        Err(error) => (refuse_store(shared, at, &error), Vec::new()),
    }
}

/// Signs for a log, once all that was sent before is safe.
pub(super) async fn seal(shared: &Arc<Shared>, session: Session, asked: Seal) -> Answer {
    if let Err(refusal) = session.check(shared) {
        return Answer::Refused(refusal);
    }
    let Seal { at, leaves, root, until_block } = asked;
    let block = shared.known.block();
    if until_block < block || until_block - block > RECEIPT_BLOCKS_MAX {
        let last = block.saturating_add(RECEIPT_BLOCKS_MAX);
        let text = format!("a receipt must last until a block between {block} and {last}");
        return refused(RefusalCode::BadTicket, &text);
    }
    let (store, key, genesis) = (Arc::clone(&shared.store), Arc::clone(&shared.key), shared.chain.genesis());
    let sealed = blocking(shared, move || {
        let Head { range, .. } = store.settle(at)?;
        // Another writer's shards are nothing to be signed for at this one's word.
        if range.leaves() != leaves || range.root() != root {
            return Err(StoreError::Gap { leaves: range.leaves() });
        }
        let receipt = Receipt { at, version: session.version(), root, units: range.units(), until_block };
        let signature = key.sign(&receipt.to_sign(&genesis));
        // Kept before it is told: from then on this vault may be liable.
        store.seal(receipt, signature)?;
        Ok((receipt, signature))
    });
    match sealed.await {
        Ok((receipt, signature)) => {
            add(&shared.metrics.receipts_total, 1);
            Answer::Sealed { receipt, signature }
        },
        Err(error) => refuse_store(shared, at, &error),
    }
}

/// Does something with the disk, when it is its turn.
pub(super) async fn blocking<T: Send + 'static>(
    shared: &Shared,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let turn = Arc::clone(&shared.disk).acquire_owned().await.map_err(|_| StoreError::Failed)?;
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    done.await.unwrap_or(Err(StoreError::Failed))
}

/// What a client is told of the store's troubles.
pub(super) fn refuse_store(shared: &Shared, at: SlotAt, error: &StoreError) -> Answer {
    match error {
        StoreError::UnknownSlot(_) => refused(RefusalCode::UnknownSlot, ""),
        StoreError::Gap { leaves } => refused(RefusalCode::Gap { leaves: *leaves }, ""),
        StoreError::Kept { leaves } => refused(RefusalCode::Kept { leaves: *leaves }, ""),
        StoreError::NoRoom { .. } | StoreError::LogFull => refused(RefusalCode::NoRoom, ""),
        StoreError::Missing => refused(RefusalCode::Missing, ""),
        StoreError::NotAnEnd => refused(RefusalCode::Missing, "no shard ends there"),
        StoreError::DiskFull { .. } => refused(RefusalCode::DiskFull, ""),
        StoreError::Changed => refused(RefusalCode::Internal, "the log was changed by another connection"),
        StoreError::Differs => refused(RefusalCode::TooMany, "the shards are not of these sizes"),
        StoreError::Rot { leaf } => {
            // If more are found than can be noted, the scrubber finds the others again.
            let _ = shared.damaged.try_send((at, *leaf));
            refused(RefusalCode::Internal, "the shard is damaged, and is being repaired")
        },
        StoreError::Poisoned => {
            let store = Arc::clone(&shared.store);
            tokio::task::spawn_blocking(move || match store.reopen(at) {
                Ok(damaged) => tracing::info!(drive = at.drive, slot = at.slot, ?damaged, "a log was opened again"),
                Err(error) => tracing::error!(drive = at.drive, slot = at.slot, %error, "a log can't be opened again"),
            });
            refused(RefusalCode::Internal, "the disk failed; the log is being opened again")
        },
        error => {
            tracing::error!(drive = at.drive, slot = at.slot, %error, "the store failed");
            refused(RefusalCode::Internal, "the store failed")
        },
    }
}
