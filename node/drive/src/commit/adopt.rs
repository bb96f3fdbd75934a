// SPDX-License-Identifier: Apache-2.0

//! Taking over what vaults have signed for and nobody has committed.
//!
//! # Correctness
//! Receipts are asked for only once three quarters of the vaults have all of a commit. So there is a tail that three quarters
//! can have, together with those that have signed for nothing; the one with which the most vaults that keep something
//! agree is taken. No single vault is believed: a stripe counts as it comes out of `k` shards, coded anew.

use bytes::Bytes;
use cairn_primitives::storage::{shard_id, ShardId, ShardSize, SlotAt};

use super::{log::Log, Failed};
use crate::{
    drive::Drive,
    erasure::decode_stripe,
    upload::fan::{Fan, Kept, Stripe},
    DriveError,
};

/// What a slot's vault says that its log has behind what is committed.
struct Claim {
    slot: u8,
    leaves: Vec<(ShardId, ShardSize)>,
    /// So many of them it has signed for.
    kept: usize,
}

/// Sends the stripes that some vaults keep, so that all have the same.
pub(super) async fn tail(drive: &Drive, fan: &mut Fan, log: &mut Log, kept: &[Kept]) -> Result<(), Failed> {
    let first = log.next();
    let mut claims = Vec::new();
    for slot in 0..drive.state.coding.slots() {
        let kept = kept.iter().find(|kept| kept.slot == slot).map_or(0, |kept| kept.leaves.saturating_sub(first));
        claims.extend(claim(drive, slot, first, kept).await);
    }
    claims.retain(|claim| !claim.leaves.is_empty());
    // Those that keep the most are asked first.
    claims.sort_by_key(|claim| std::cmp::Reverse(claim.kept));
    let Some((sources, count)) = choose(drive, &claims, first).await? else { return Ok(()) };
    for index in 0..count {
        let unreadable = || unreadable(drive, first + index as u64, sources.len());
        let (size, data) = data(drive, &sources, first, index).await.ok_or_else(unreadable)?;
        let room = fan.room(size).await?;
        let stripe = Stripe::coded(drive.state.coding, data, Some(room)).map_err(DriveError::from)?;
        log.append(&stripe)?;
        fan.push(stripe).await?;
    }
    Ok(())
}

/// From which slots to take the tail, and how many stripes it has; none if nobody keeps anything.
async fn choose<'a>(drive: &Drive, claims: &'a [Claim], first: u64) -> Result<Option<(Vec<&'a Claim>, usize)>, Failed> {
    let keeping = claims.iter().take_while(|claim| claim.kept > 0).count();
    let mut best: Option<(usize, usize, Vec<&Claim>)> = None;
    for start in 0..keeping {
        let count = claims[start].kept;
        let in_turn = claims[start..].iter().chain(&claims[..start]).filter(|claim| claim.leaves.len() >= count);
        let sources: Vec<&Claim> = in_turn.take(drive.state.coding.data().into()).collect();
        let mut agree = 0;
        for claim in claims.iter().filter(|claim| claim.kept > 0 && claim.kept <= count) {
            agree += usize::from(agrees(drive, &sources, first, claim).await);
        }
        if agree > 0 && best.as_ref().is_none_or(|(most, longest, _)| (agree, count) > (*most, *longest)) {
            best = Some((agree, count, sources));
        }
    }
    match best {
        Some((_, count, sources)) => Ok(Some((sources, count))),
        // A few that keep what is nowhere whole any more are left behind, and catch up.
        None if keeping > usize::from(drive.state.coding.slots() - drive.state.coding.signatures_min()) => {
            Err(unreadable(drive, first, keeping))
        },
        None => Ok(None),
    }
}

/// Whether what a slot keeps ends with the stripe that `sources` have there. The end of a commit is its root page, which no other
/// commit has.
async fn agrees(drive: &Drive, sources: &[&Claim], first: u64, claim: &Claim) -> bool {
    let index = claim.kept - 1;
    let Some((_, data)) = data(drive, sources, first, index).await else { return false };
    let Ok(stripe) = Stripe::coded(drive.state.coding, data, None) else { return false };
    claim.leaves.get(index).is_some_and(|(id, _)| id == stripe.id(claim.slot))
}

/// What a slot's vault says of its log from shard `first` on, if it can be asked.
async fn claim(drive: &Drive, slot: u8, first: u64, kept: u64) -> Option<Claim> {
    let at = SlotAt { drive: drive.state.id, slot };
    let connection = drive.vaults.connection(slot).await.ok()?;
    let end = connection.status(at).await.ok()?.end.leaves;
    let mut leaves = Vec::new();
    while first + (leaves.len() as u64) < end {
        let next = first + leaves.len() as u64;
        let count = u32::try_from(end - next).unwrap_or(u32::MAX);
        leaves.extend(connection.leaves(at, next, count).await.ok()?);
    }
    let kept = usize::try_from(kept).ok()?;
    (kept <= leaves.len()).then_some(Claim { slot, leaves, kept })
}

/// A stripe's data, from the sources' shards.
async fn data(drive: &Drive, sources: &[&Claim], first: u64, index: usize) -> Option<(ShardSize, Bytes)> {
    let (_, size) = *sources.first()?.leaves.get(index)?;
    let mut shards: Vec<(u8, Bytes)> = Vec::new();
    for source in sources {
        let (id, _) = source.leaves.get(index)?;
        let at = SlotAt { drive: drive.state.id, slot: source.slot };
        let connection = drive.vaults.connection(source.slot).await.ok()?;
        let shard = connection.read(at, first + index as u64, 1).await.ok()?.into_iter().next()?;
        if shard_id(&shard) != *id {
            return None;
        }
        shards.push((source.slot, shard));
    }
    let present: Vec<(u8, &[u8])> = shards.iter().map(|(slot, shard)| (*slot, &shard[..])).collect();
    Some((size, decode_stripe(drive.state.coding, &present).ok()?.into()))
}

fn unreadable(drive: &Drive, stripe: u64, got: usize) -> Failed {
    let failures = drive.vaults.failures_text();
    DriveError::Unreadable { stripe, got, needed: drive.state.coding.data(), failures }.into()
}
