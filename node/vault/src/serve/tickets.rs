// SPDX-License-Identifier: Apache-2.0

//! Who may write.

use cairn_client::{
    chain::{
        storage::{Drive, Role, SlotAt},
        vaults::HeldSlot,
    },
    keys, AccountId,
};
use cairn_primitives::storage::Ticket;
use cairn_wire::{Refusal, RefusalCode};

use crate::{Chain, ChainError};

/// Blocks that a ticket may last at most: two days of six seconds.
pub(crate) const TICKET_BLOCKS_MAX: u32 = 28_800;
/// Blocks that a receipt may last at most: for so long a writer who is gone keeps the others from a log's tail.
pub(crate) const RECEIPT_BLOCKS_MAX: u32 = 1_200;

/// Checks a ticket against the finalized state; the slot that may be written to, and a block at which it is so.
pub(crate) async fn check(
    chain: &dyn Chain,
    ticket: &Ticket,
    signer: [u8; 32],
    signature: &[u8; 64],
) -> Result<(HeldSlot, u32), Refusal> {
    let signer = AccountId::from(signer);
    // First what costs the node nothing.
    if !keys::verify(&signer, &ticket.to_sign(&chain.genesis()), signature) {
        return Err(Refusal::new(RefusalCode::BadTicket, "the signature is not the signer's"));
    }
    let missing = || Refusal::new(RefusalCode::UnknownSlot, "");
    let drive = chain.drive(ticket.at.drive).await.map_err(unknown)?.ok_or_else(missing)?;
    // After the drive was read: so what was read is not newer than this block.
    let block = chain.finalized_block().await.map_err(unknown)?;
    if ticket.until_block < block || ticket.until_block - block > TICKET_BLOCKS_MAX {
        let text =
            format!("it must serve until a block between {block} and {}", block.saturating_add(TICKET_BLOCKS_MAX));
        return Err(Refusal::new(RefusalCode::BadTicket, &text));
    }
    let slot = held_slot(&drive, ticket.at, chain.account()).ok_or_else(missing)?;
    if drive.owner != signer {
        let grant = chain.grant(drive.id, signer).await.map_err(unknown)?;
        let writes = grant
            .is_some_and(|grant| grant.role == Role::Writer && grant.until_block.is_none_or(|until| until >= block));
        if !writes {
            return Err(Refusal::new(RefusalCode::BadTicket, "the signer may not write to the drive"));
        }
    }
    if drive.version.checked_add(1) != Some(ticket.version) {
        return Err(Refusal::new(RefusalCode::Stale { version: drive.version }, ""));
    }
    Ok((slot, block))
}

/// A slot of a drive, if the account has it or is rebuilding it.
pub(crate) fn held_slot(drive: &Drive, at: SlotAt, account: AccountId) -> Option<HeldSlot> {
    let slot = drive.slots.get(usize::from(at.slot))?;
    let successor = slot.successor.as_ref().filter(|successor| successor.vault == account);
    if slot.vault != Some(account) && successor.is_none() {
        return None;
    }
    Some(HeldSlot {
        at,
        successor: slot.vault != Some(account),
        state: slot.state,
        version: drive.version,
        root: slot.root,
        units: drive.units,
        trimmed_units: drive.trimmed_units,
        capacity_units: drive.capacity_units,
        disputed: slot.disputed,
        unserved: if slot.vault == Some(account) { slot.unserved } else { 0 },
        behind_block: slot.behind_block,
        not_before: slot.not_before,
        due_block: successor.map(|successor| successor.due_block),
    })
}

fn unknown(error: ChainError) -> Refusal {
    tracing::debug!(%error, "a ticket couldn't be checked");
    Refusal::new(RefusalCode::Internal, "the chain can't be asked now")
}
