// SPDX-License-Identifier: Apache-2.0

//! Claims that a chunk can't be read, and what becomes of them.

use crate::{
    slot_key, Config, Dispute, Disputes, DisputesDue, Drive, Drives, Duty, Error, Event, HeldSlots, HoldReason, Pallet,
    Report, Slot, SlotCause, Slots, Unreached, UnreachedSlots, Unserved, BEHIND_GRACE_DIVISOR, BOUNTY_DEPOSITS_MAX,
    BOUNTY_PPM, DISPUTE_BLOCKS_TRIED_MAX, LEAVES_MAX, UNREACHED_PERIODS,
};
use cairn_primitives::storage::{ChunkProof, SlotAt, SlotState, Target, CHUNKS_PER_UNIT};
use frame_support::pallet_prelude::*;
use pallet_vaults::{Cause, Pallet as Vaults};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_dispute(who: T::AccountId, at: SlotAt, chunk: u64) -> DispatchResult {
        let drive = Self::drive_of(at.drive)?;
        let mut slot = Slots::<T>::get(at).ok_or(Error::<T>::SlotUnknown)?;
        ensure!(drive.owner == who || Self::is_member(&who, at, drive.coding.slots()), Error::<T>::NotMember);
        ensure!(slot.state == SlotState::Healthy, Error::<T>::SlotNotLiable);
        let accused = slot.vault.clone().ok_or(Error::<T>::SlotNotLiable)?;
        ensure!(!slot.disputed, Error::<T>::DisputeOpen);
        let unit = chunk / CHUNKS_PER_UNIT;
        ensure!(unit >= drive.trimmed_units && unit < drive.units, Error::<T>::ChunkOutside);

        let deposit = T::DisputeDeposit::get();
        Self::hold(HoldReason::Dispute, &who, deposit)?;
        let first = Self::now().saturating_add(T::DisputeBlocks::get());
        let mut blocks = (0..DISPUTE_BLOCKS_TRIED_MAX).map(|step| first.saturating_add(step));
        let due_block = blocks
            .find(|block| DisputesDue::<T>::try_mutate(block, |disputes| disputes.try_push(at)).is_ok())
            .ok_or(Error::<T>::QueueFull)?;
        let target = Target { at, root: slot.root, units: drive.units, chunk };
        Disputes::<T>::insert(at, Dispute { accuser: who.clone(), target, due_block, deposit });
        slot.disputed = true;
        Slots::<T>::insert(at, slot);
        Self::deposit_event(Event::Disputed { at, accuser: who, accused, chunk, due_block });
        Ok(())
    }

    pub(crate) fn do_answer_dispute(who: T::AccountId, at: SlotAt, proof: ChunkProof) -> DispatchResult {
        let mut slot = Slots::<T>::get(at).ok_or(Error::<T>::SlotUnknown)?;
        let dispute = Disputes::<T>::get(at).ok_or(Error::<T>::DisputeUnknown)?;
        ensure!(slot.vault.as_ref() == Some(&who), Error::<T>::NotHolder);
        let Target { root, units, chunk, .. } = dispute.target;
        ensure!(proof.verify(&root, units, chunk).is_ok(), Error::<T>::ProofInvalid);

        Disputes::<T>::remove(at);
        slot.disputed = false;
        slot.proven_block = Some(Self::now());
        Slots::<T>::insert(at, slot);
        // Whether the accused refused before, or the accuser lied, nobody can tell: neither gains or loses by it. What the
        // answer costs the chain the accuser has paid with the call that asked for it.
        Self::give_back(HoldReason::Dispute, &dispute.accuser, dispute.deposit);
        Self::deposit_event(Event::DisputeAnswered { at, accuser: dispute.accuser, accused: who });
        Ok(())
    }

    /// Notes that vaults of the caller's groups serve nobody. Where as many of a group say so as a checkpoint needs, the slot is
    /// behind: its vault isn't paid, can't show that it is back before a grace is over, and then another is drawn.
    ///
    /// # Correctness
    /// It takes `3k` of the other `4k - 1` vaults, and concerns this one slot: who wants to harm a vault has to have nearly all
    /// of a group that the chain drew. It costs neither score nor bond, and whoever says so nothing.
    pub(crate) fn do_report_unserved(
        who: T::AccountId,
        reports: BoundedVec<Report, ConstU32<LEAVES_MAX>>,
    ) -> DispatchResult {
        for Report { at, by } in reports {
            let mut drive = Self::drive_of(at.drive)?;
            let mut slot = Slots::<T>::get(at).ok_or(Error::<T>::SlotUnknown)?;
            let own = Slots::<T>::get(SlotAt { drive: at.drive, slot: by }).ok_or(Error::<T>::SlotUnknown)?;
            let is_member = own.vault.as_ref() == Some(&who) && own.state == SlotState::Healthy && by != at.slot;
            ensure!(is_member, Error::<T>::NotMember);
            ensure!(slot.place.is_some(), Error::<T>::SlotNotLiable);
            let accused = slot.vault.clone().ok_or(Error::<T>::SlotNotLiable)?;
            let now = Self::now();
            if now.saturating_sub(slot.unserved.since) >= Self::period() {
                slot.unserved = Unserved { by: 0, since: now };
            }
            let bit = 1u32.checked_shl(by.into()).unwrap_or(0);
            ensure!(slot.unserved.by & bit == 0, Error::<T>::AlreadyReported);
            slot.unserved.by |= bit;
            let reports = slot.unserved.by.count_ones() as u8;
            Self::deposit_event(Event::ReportedUnserved { at, vault: accused.clone(), by: who.clone(), reports });
            if reports >= drive.coding.signatures_min() {
                Self::settle_drive(&mut drive);
                Self::leave_behind(at, &mut drive, &mut slot, &accused);
                Drives::<T>::insert(at.drive, drive);
            }
            Slots::<T>::insert(at, slot);
        }
        Ok(())
    }

    /// Makes a slot behind, of a drive that is settled, for a grace at least.
    fn leave_behind(
        at: SlotAt,
        drive: &mut Drive<T::AccountId>,
        slot: &mut Slot<T::AccountId>,
        accused: &T::AccountId,
    ) {
        let (now, duty) = (Self::now(), drive.duty(Self::period()));
        Self::turn_duty(at, accused, slot, duty, Duty::default());
        drive.rate = drive.rate.saturating_sub(duty.rate);
        slot.behind_block = Some(now);
        slot.not_before = now.saturating_add(Self::period() / BEHIND_GRACE_DIVISOR);
        slot.unserved = Unserved::default();
        let memory = Self::period().saturating_mul(UNREACHED_PERIODS);
        let before = UnreachedSlots::<T>::get(at).filter(|before| now.saturating_sub(before.block) < memory);
        let times = before.map_or(0, |before| before.times).saturating_add(1);
        UnreachedSlots::<T>::insert(at, Unreached { block: now, times });
        Self::turn_state(at, slot, SlotState::Behind, SlotCause::Unserved, &mut drive.healthy);
        drive.decide_refill();
        Self::enqueue_repair(at, drive, slot);
    }

    /// Whether the vault of a slot can't show any more that it is back: it was behind before because it served nobody, and is so
    /// again.
    ///
    /// # Correctness
    /// Else a vault that serves nobody would lose a quarter of a period's pay each time that all of its group say so, and no more.
    pub(crate) fn is_forfeited(at: SlotAt, slot: &Slot<T::AccountId>) -> bool {
        let again = |unreached: Unreached| unreached.times > 1 && slot.behind_block == Some(unreached.block);
        UnreachedSlots::<T>::get(at).is_some_and(again)
    }

    /// Decides the disputes whose time is over. Gives how many.
    pub(crate) fn do_disputes_due(now: u32) -> u32 {
        // Answers are taken in the last block, so it is the one after that decides.
        let Some(due_block) = now.checked_sub(1) else { return 0 };
        let mut decided = 0u32;
        for at in DisputesDue::<T>::take(due_block) {
            // A dispute that was settled may have been followed by another.
            let lapsed = Disputes::<T>::get(at).filter(|dispute| dispute.due_block == due_block);
            if let Some(dispute) = lapsed {
                Self::lose_dispute(at, dispute);
                decided = decided.saturating_add(1);
            }
        }
        decided
    }

    fn lose_dispute(at: SlotAt, dispute: Dispute<T::AccountId>) {
        let Some(mut slot) = Slots::<T>::get(at) else { return };
        Disputes::<T>::remove(at);
        slot.disputed = false;
        let accused = slot.vault.clone();
        Slots::<T>::insert(at, slot);
        Self::give_back(HoldReason::Dispute, &dispute.accuser, dispute.deposit);
        let Some(accused) = accused else { return };
        let slashed = Self::punish(at, &accused, SlotCause::DisputeLost);
        let most = dispute.deposit.saturating_mul(BOUNTY_DEPOSITS_MAX);
        let bounty = Self::pay_from_reserve(&dispute.accuser, Self::part(slashed, BOUNTY_PPM).min(most));
        Self::eject_if(Vaults::<T>::note(&accused, Cause::DisputeLost), &accused);
        Vaults::<T>::note(&dispute.accuser, Cause::AccusationRight);
        Self::deposit_event(Event::DisputeLost { at, accuser: dispute.accuser, accused, slashed, bounty });
    }

    /// Whether a vault has, or is rebuilding, a slot of the drive.
    fn is_member(who: &T::AccountId, at: SlotAt, slots: u8) -> bool {
        (0..slots).any(|slot| HeldSlots::<T>::contains_key(who, slot_key(SlotAt { drive: at.drive, slot })))
    }
}
