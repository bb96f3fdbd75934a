// SPDX-License-Identifier: Apache-2.0

//! Taking over what vaults have signed for and nobody has committed.
//!
//! # Correctness
//! Receipts are asked for only once three quarters of the vaults have all of a commit. So there is a tail that three quarters
//! can have, together with those that have signed for nothing; the one with which the most vaults that keep something
//! agree is taken. No single vault is believed: a stripe counts as it comes out of `k` shards, coded anew, if the one that is
//! kept is among them and more than `k` vaults have theirs of it. Vaults that have signed for nothing may have anything by
//! now, also one writer's shards up to some place and another's behind it, so that holds for each stripe, not only for the
//! last.

use std::collections::HashMap;

use bytes::Bytes;
use cairn_primitives::storage::{shard_id, ShardId, ShardSize, SlotAt};

use super::{log::Log, Failed};
use crate::{
    drive::Drive,
    erasure::decode_stripe,
    upload::fan::{Fan, Kept, Stripe},
    DriveError,
};

/// Shards that a vault may have behind what is committed; of one with more nothing is taken over. At 256 KiB each that is 64 GiB.
const CLAIM_LEAVES_MAX: u32 = 1 << 18;

/// What a slot's vault says that its log has behind what is committed.
struct Claim {
    slot: u8,
    leaves: Vec<(ShardId, ShardSize)>,
    /// So many of them it has signed for.
    kept: usize,
}

/// The vaults' claims, those that keep the most first.
struct Tails<'a> {
    drive: &'a Drive,
    /// The shard at which they begin.
    first: u64,
    claims: Vec<Claim>,
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
    claims.sort_by_key(|claim| std::cmp::Reverse(claim.kept));
    let tails = Tails { drive, first, claims };
    let Some(keeper) = tails.choose().await? else { return Ok(()) };
    for index in 0..keeper.kept {
        // It was whole a moment ago: another writer is putting something else there, or a vault went away.
        let stripe = tails.stripe(keeper, index).await.ok_or(Failed::Overtaken)?;
        let room = fan.room(stripe.size).await?;
        let stripe = stripe.holding(room);
        log.append(&stripe)?;
        fan.push(stripe).await?;
    }
    Ok(())
}

impl Tails<'_> {
    /// Whose tail is taken; none if nobody keeps anything.
    async fn choose(&self) -> Result<Option<&Claim>, Failed> {
        let keepers = || self.claims.iter().take_while(|claim| claim.kept > 0);
        let mut in_turn = Vec::new();
        for keeper in keepers() {
            let mut agree = 0;
            for claim in keepers().filter(|claim| claim.kept <= keeper.kept) {
                agree += usize::from(self.agrees(keeper, claim).await);
            }
            in_turn.push((agree, keeper));
        }
        // The order is kept among equals: the longest first.
        in_turn.sort_by_key(|(agree, _)| std::cmp::Reverse(*agree));
        for (_, keeper) in in_turn.into_iter().filter(|(agree, _)| *agree > 0) {
            if self.is_whole(keeper).await {
                return Ok(Some(keeper));
            }
        }
        let coding = self.drive.state.coding;
        match keepers().count() {
            // A few that keep what is nowhere whole any more are left behind, and catch up.
            few if few <= usize::from(coding.slots() - coding.signatures_min()) => Ok(None),
            got => {
                let failures = self.drive.vaults.failures_text();
                Err(DriveError::Unreadable { stripe: self.first, got, needed: coding.data(), failures }.into())
            },
        }
    }

    /// Whether what a slot keeps ends with the stripe that a keeper has there. The end of a commit is its root page, which no
    /// other commit has.
    async fn agrees(&self, keeper: &Claim, claim: &Claim) -> bool {
        let index = claim.kept - 1;
        let Some(stripe) = self.stripe(keeper, index).await else { return false };
        claim.leaves.get(index).is_some_and(|(id, _)| id == stripe.id(claim.slot))
    }

    /// Whether all that a keeper keeps can be had.
    async fn is_whole(&self, keeper: &Claim) -> bool {
        for index in 0..keeper.kept {
            if self.stripe(keeper, index).await.is_none() {
                return false;
            }
        }
        true
    }

    /// The stripe of which a keeper has a shard, if more than `k` vaults have theirs of it: then no other has been mixed in.
    async fn stripe(&self, keeper: &Claim, index: usize) -> Option<Stripe> {
        let coding = self.drive.state.coding;
        let (others_needed, own) = (usize::from(coding.data()) - 1, keeper.leaves.get(index)?);
        let alike = |claim: &&Claim| claim.leaves.get(index).is_some_and(|(_, size)| *size == own.1);
        let others: Vec<&Claim> = self.claims.iter().filter(|claim| claim.slot != keeper.slot).filter(alike).collect();
        let mut read = HashMap::new();
        for start in 0..others.len().max(1) {
            let in_turn = others.iter().skip(start).chain(others.iter().take(start));
            let mut shards = Vec::new();
            for claim in std::iter::once(&keeper).chain(in_turn) {
                let shard = match read.get(&claim.slot) {
                    Some(known) => Option::clone(known),
                    None => {
                        let shard = self.shard(claim, index).await;
                        read.insert(claim.slot, shard.clone());
                        shard
                    },
                };
                match shard {
                    Some(shard) => shards.push((claim.slot, shard)),
                    None if claim.slot == keeper.slot => return None,
                    None => {},
                }
                if shards.len() > others_needed {
                    break;
                }
            }
            let present: Vec<(u8, &[u8])> = shards.iter().map(|(slot, shard)| (*slot, &shard[..])).collect();
            let data = decode_stripe(coding, &present).ok()?;
            let stripe = Stripe::coded(coding, data.into(), None).ok()?;
            let has = |claim: &&&Claim| claim.leaves.get(index).is_some_and(|(id, _)| id == stripe.id(claim.slot));
            // One copy alone is its own proof.
            if others_needed == 0 || others.iter().filter(has).count() > others_needed {
                return Some(stripe);
            }
        }
        None
    }

    /// A shard as its vault says that it is.
    async fn shard(&self, claim: &Claim, index: usize) -> Option<Bytes> {
        let (id, _) = claim.leaves.get(index)?;
        let at = SlotAt { drive: self.drive.state.id, slot: claim.slot };
        let connection = self.drive.vaults.connection(claim.slot).await.ok()?;
        let shard = connection.read(at, self.first + index as u64, 1).await.ok()?.into_iter().next()?;
        (shard_id(&shard) == *id).then_some(shard)
    }
}

/// What a slot's vault says of its log from shard `first` on, if it can be asked.
async fn claim(drive: &Drive, slot: u8, first: u64, kept: u64) -> Option<Claim> {
    let at = SlotAt { drive: drive.state.id, slot };
    let connection = drive.vaults.connection(slot).await.ok()?;
    let behind = connection.status(at).await.ok()?.end.leaves.saturating_sub(first);
    let count = u32::try_from(behind).ok().filter(|count| *count <= CLAIM_LEAVES_MAX)?;
    let mut leaves = Vec::new();
    while let Some(left) = count.checked_sub(leaves.len() as u32).filter(|left| *left > 0) {
        leaves.extend(connection.leaves(at, first + leaves.len() as u64, left).await.ok()?);
    }
    let kept = usize::try_from(kept).ok()?;
    (kept <= leaves.len()).then_some(Claim { slot, leaves, kept })
}
