// SPDX-License-Identifier: Apache-2.0

//! Slots that need a vault: queued, given to a successor, restored.
//!
//! Four queues, first in, first out, of which each block looks at a few entries. What is not yet to be done goes to the end
//! of a queue again, so that nothing has to be found by a block number: a successor's time, a grace that ends, a draw that
//! failed for want of vaults are all noticed when the entry comes up.
//!
//! # Correctness
//! - Nobody is punished for not having restored a slot: a root that no vault ever accepted may be no log at all, and a log may be
//!   too long for a vault's line. What a successor loses is the slot.
//! - A slot for which this failed rests, alone, for longer each time; and each queue has its share of a block's draws. So what
//!   can't be done never takes the place of what can.

use crate::{
    slot_key, Config, Drive, Drives, Duty, Error, Event, HeldSlots, Pallet, Queue, RepairQueue, RepairSpans, Slot,
    SlotCause, Slots, Span, BEHIND_GRACE_DIVISOR, DRAWS_PER_BLOCK, DRAW_SHARES, FAILURES_DOUBTFUL, LEAVES_MAX,
    LOOKS_AT_WAITING_MAX, LOOKS_PER_BLOCK, PAUSE_DIVISOR, PAUSE_PERIODS_MAX, RESTORE_UNITS_PER_BLOCK,
    WAITING_ROUND_DIVISOR,
};
use cairn_primitives::storage::{restore_chunk, ChunkProof, SlotAt, SlotState, Successor};
use codec::Encode;
use frame_support::pallet_prelude::*;
use pallet_vaults::{Cause, Pallet as Vaults, Wanted};

/// What looking at a slot found.
enum Found {
    /// It has a vault, and nothing is to be done.
    Done,
    /// There is nothing to be done yet.
    Wait,
    /// It needs a successor.
    Draw,
}

impl<T: Config> Pallet<T> {
    /// Puts a slot into a queue, unless it is in one. The slot is for the caller to store.
    pub(crate) fn enqueue_repair(at: SlotAt, drive: &Drive<T::AccountId>, slot: &mut Slot<T::AccountId>) {
        if core::mem::replace(&mut slot.queued, true) {
            return;
        }
        let queue = match Self::need(drive, slot) {
            Found::Draw if !slot.accepted || slot.failures >= FAILURES_DOUBTFUL => Queue::Doubtful,
            Found::Draw if drive.healthy < drive.coding.signatures_min() => Queue::Urgent,
            Found::Draw => Queue::Vacant,
            Found::Wait | Found::Done => Queue::Waiting,
        };
        let end = RepairSpans::<T>::mutate(queue, Span::push);
        RepairQueue::<T>::insert((queue, end), at);
    }

    pub(crate) fn next_repair(queue: Queue) -> Option<SlotAt> {
        let mut span = RepairSpans::<T>::get(queue);
        if span.entries() == 0 {
            return None;
        }
        let at = RepairQueue::<T>::take((queue, span.first));
        span.first = span.first.saturating_add(1);
        RepairSpans::<T>::insert(queue, span);
        at
    }

    /// Gives how many slots were looked at, and how many successors were drawn or not found.
    pub(crate) fn do_repairs() -> (u32, u32) {
        let (mut looks, mut draws) = (0u32, 0u32);
        let waiting = RepairSpans::<T>::get(Queue::Waiting).entries();
        let mut left = DRAW_SHARES.map(|_| LOOKS_PER_BLOCK);
        for rest in [false, true] {
            for ((queue, share), left) in DRAW_SHARES.into_iter().zip(&mut left) {
                let mut more = if rest { DRAWS_PER_BLOCK.saturating_sub(draws) } else { share };
                while *left > 0 && more > 0 {
                    let Some(at) = Self::next_repair(queue) else { break };
                    *left = left.saturating_sub(1);
                    looks = looks.saturating_add(1);
                    let drew = u32::from(Self::look_at(at, true));
                    (more, draws) = (more.saturating_sub(drew), draws.saturating_add(drew));
                }
            }
        }
        // What was put there in this block is looked at in another.
        for _ in 0..waiting.min(Self::looks_at_waiting(waiting).into()) {
            let Some(at) = Self::next_repair(Queue::Waiting) else { break };
            looks = looks.saturating_add(1);
            draws = draws.saturating_add(u32::from(Self::look_at(at, draws < DRAWS_PER_BLOCK)));
        }
        (looks, draws)
    }

    /// How many of so many waiting slots a block looks at.
    fn looks_at_waiting(entries: u64) -> u32 {
        let round = u64::from(Self::period() / WAITING_ROUND_DIVISOR).max(1);
        let looks = u32::try_from(entries.div_ceil(round)).unwrap_or(u32::MAX);
        looks.clamp(LOOKS_PER_BLOCK, LOOKS_AT_WAITING_MAX)
    }

    /// Notes that a slot was not taken over, or that nobody was found to do that: it rests, for longer each time.
    pub(crate) fn fail(slot: &mut Slot<T::AccountId>) {
        let period = Self::period();
        let first = (period / PAUSE_DIVISOR).max(1);
        let pause = first.saturating_mul(1u32.checked_shl(slot.failures.into()).unwrap_or(u32::MAX));
        slot.failures = slot.failures.saturating_add(1);
        slot.not_before = Self::now().saturating_add(pause.min(period.saturating_mul(PAUSE_PERIODS_MAX)));
    }

    /// Does what there is to be done about a slot. Says whether that was a draw, which it is only if it may be.
    pub(crate) fn look_at(at: SlotAt, may_draw: bool) -> bool {
        // The drive may have ended.
        let (Some(drive), Some(mut slot)) = (Drives::<T>::get(at.drive), Slots::<T>::get(at)) else { return false };
        slot.queued = false;
        let late = slot.successor.as_ref().filter(|successor| successor.due_block < Self::now());
        if let Some(vault) = late.map(|successor| successor.vault.clone()) {
            Self::remove_successor(at, &drive, &mut slot);
            Self::fail(&mut slot);
            slot.former = Some(vault);
        }
        let drew = match Self::need(&drive, &slot) {
            Found::Done => {
                Slots::<T>::insert(at, slot);
                return false;
            },
            Found::Draw if may_draw => {
                Self::draw_successor(at, &drive, &mut slot);
                true
            },
            Found::Draw | Found::Wait => false,
        };
        Self::enqueue_repair(at, &drive, &mut slot);
        Slots::<T>::insert(at, slot);
        drew
    }

    fn need(drive: &Drive<T::AccountId>, slot: &Slot<T::AccountId>) -> Found {
        if slot.state == SlotState::Healthy && !slot.leaving {
            return Found::Done;
        }
        let grace = Self::period() / BEHIND_GRACE_DIVISOR;
        let in_grace = slot.behind_block.is_some_and(|since| Self::now().saturating_sub(since) <= grace);
        let rests = Self::now() < slot.not_before;
        if slot.successor.is_some() || rests || (!slot.leaving && (in_grace || !drive.refilling)) {
            return Found::Wait;
        }
        Found::Draw
    }

    pub(crate) fn draw_successor(at: SlotAt, drive: &Drive<T::AccountId>, slot: &mut Slot<T::AccountId>) {
        let mut exclude: alloc::vec::Vec<T::AccountId> = slot.former.take().into_iter().collect();
        for other in 0..drive.coding.slots() {
            if let Some(other) = Slots::<T>::get(SlotAt { drive: at.drive, slot: other }) {
                exclude.extend(other.vault);
                exclude.extend(other.successor.map(|successor| successor.vault));
            }
        }
        let wanted = Wanted { price: drive.price, capacity_units: drive.capacity_units, exclude: &exclude };
        let drawn = Vaults::<T>::draw(&(b"storage/repair", at), wanted, 1).ok().and_then(|mut drawn| drawn.pop());
        let Some(vault) = drawn.filter(|vault| Vaults::<T>::reserve(vault, drive.capacity_units).is_ok()) else {
            return Self::fail(slot);
        };
        let due_block = Self::now().saturating_add(Self::restore_blocks(drive));
        HeldSlots::<T>::insert(&vault, slot_key(at), true);
        slot.successor = Some(Successor { vault: vault.clone(), due_block });
        let to = Some(vault);
        Self::deposit_event(Event::SuccessorChanged { at, from: None, to, due_block: Some(due_block) });
    }

    /// Blocks that a successor has: more where there is more to be rebuilt.
    fn restore_blocks(drive: &Drive<T::AccountId>) -> u32 {
        let more = u32::try_from(drive.live_units() / RESTORE_UNITS_PER_BLOCK).unwrap_or(u32::MAX);
        T::RestoreBlocks::get().saturating_add(more)
    }

    pub(crate) fn do_restore(who: T::AccountId, at: SlotAt, proof: Option<ChunkProof>) -> DispatchResult {
        let mut drive = Self::drive_of(at.drive)?;
        let mut slot = Slots::<T>::get(at).ok_or(Error::<T>::SlotUnknown)?;
        let catching_up = slot.vault.as_ref() == Some(&who) && slot.state == SlotState::Behind;
        let succeeding = slot.successor.as_ref().filter(|successor| successor.vault == who);
        ensure!(catching_up || succeeding.is_some(), Error::<T>::NothingToRestore);
        let late = succeeding.is_some_and(|successor| successor.due_block < Self::now());
        ensure!(!late, Error::<T>::RestoreLate);
        // Who is behind because it served nobody isn't back at once.
        ensure!(!catching_up || !Self::is_forfeited(at, &slot), Error::<T>::RestoreForfeited);
        ensure!(!catching_up || Self::now() >= slot.not_before, Error::<T>::RestoreEarly);

        let account = Self::first_32(&who.encode());
        let genesis = Self::genesis();
        let chunk = restore_chunk(&genesis, at, &account, &slot.root, drive.trimmed_units, drive.units);
        if let Some(chunk) = chunk {
            let proof = proof.ok_or(Error::<T>::ProofMissing)?;
            ensure!(proof.verify(&slot.root, drive.units, chunk).is_ok(), Error::<T>::ProofInvalid);
        }

        Self::settle_drive(&mut drive);
        let (former, former_state) = (slot.vault.clone(), slot.state);
        // Who had the slot for a version at least, and neither took what was written nor declined.
        let silent = former.clone().filter(|_| !catching_up && !slot.leaving && slot.proven_block.is_none());
        let (was_empty, bounty) = (former.is_none(), slot.bounty);
        let duty = drive.duty(Self::period());
        if !catching_up {
            Self::remove_holder(at, &mut drive, &mut slot);
            slot.successor = None;
            slot.vault = Some(who.clone());
            HeldSlots::<T>::insert(&who, slot_key(at), false);
        } else {
            Self::dismiss_successor(at, &drive, &mut slot);
        }
        slot.state = SlotState::Healthy;
        slot.settle();
        slot.accepted = true;
        slot.proven_block = Some(Self::now());
        Self::turn_duty(at, &who, &mut slot, Duty::default(), duty);
        drive.healthy = drive.healthy.saturating_add(1);
        drive.decide_refill();
        drive.rate = drive.rate.saturating_add(duty.rate);
        Self::enqueue_ending(at.drive, &mut drive)?;
        let cause = if catching_up { SlotCause::CaughtUp } else { SlotCause::Restored };
        Self::tell_change(at, &slot, former, former_state, cause);
        if slot.leaving {
            Self::enqueue_repair(at, &drive, &mut slot);
        }
        Slots::<T>::insert(at, slot);
        Drives::<T>::insert(at.drive, drive);
        if !catching_up {
            Vaults::<T>::note(&who, Cause::Restored);
        }
        if let Some(silent) = silent {
            Vaults::<T>::note_unsigned(&silent);
        }
        // For a slot that somebody left in order there is no bonus: two of one mind could pass it to and fro. And never more
        // than a part of what its loss brought in: the drive's owner chose the price.
        if was_empty {
            let bonus = duty.rate.saturating_mul(Self::period().into()).min(bounty);
            let amount = Self::pay_from_reserve(&who, bonus);
            if amount > 0 {
                Self::deposit_event(Event::BonusPaid { at, vault: who, amount });
            }
        }
        Ok(())
    }

    /// Gives up slots that the caller is drawn to rebuild, or has and isn't liable for. That is no fault.
    pub(crate) fn do_decline_slots(
        who: T::AccountId,
        slots: BoundedVec<SlotAt, ConstU32<LEAVES_MAX>>,
    ) -> DispatchResult {
        for at in slots {
            let mut slot = Slots::<T>::get(at).ok_or(Error::<T>::SlotUnknown)?;
            let mut drive = Self::drive_of(at.drive)?;
            if slot.successor.as_ref().is_some_and(|successor| successor.vault == who) {
                // The slot's entry in the queue draws another.
                Self::remove_successor(at, &drive, &mut slot);
                Self::fail(&mut slot);
            } else {
                ensure!(slot.vault.as_ref() == Some(&who), Error::<T>::NotHolder);
                ensure!(slot.place.is_none(), Error::<T>::SlotLiable);
                ensure!(!slot.disputed, Error::<T>::DisputeOpen);
                ensure!(!Self::is_challenged(&who, at), Error::<T>::ChallengeOpen);
                Self::settle_drive(&mut drive);
                Self::vacate(at, &mut drive, &mut slot, SlotCause::Declined);
                Drives::<T>::insert(at.drive, drive);
            }
            slot.former = Some(who.clone());
            Slots::<T>::insert(at, slot);
        }
        Ok(())
    }

    pub(crate) fn do_leave_slots(who: T::AccountId, slots: BoundedVec<SlotAt, ConstU32<LEAVES_MAX>>) -> DispatchResult {
        for at in slots {
            let mut slot = Slots::<T>::get(at).ok_or(Error::<T>::SlotUnknown)?;
            ensure!(slot.vault.as_ref() == Some(&who), Error::<T>::NotHolder);
            ensure!(!slot.leaving, Error::<T>::AlreadyLeaving);
            // Whoever is asked for something answers first: leaving is no way out of having lost it.
            ensure!(!slot.disputed, Error::<T>::DisputeOpen);
            ensure!(!Self::is_challenged(&who, at), Error::<T>::ChallengeOpen);
            let drive = Self::drive_of(at.drive)?;
            slot.leaving = true;
            Self::enqueue_repair(at, &drive, &mut slot);
            Slots::<T>::insert(at, slot);
            Self::deposit_event(Event::LeaveAsked { at, vault: who.clone() });
        }
        Ok(())
    }
}
