// SPDX-License-Identifier: Apache-2.0

//! Which units vaults are liable for: lists by class of units, without gaps, from which a unit is drawn uniformly at a cost
//! that doesn't depend on how many drives a vault has.

use crate::{
    slot_key, Challenges, Config, Dispute, Disputes, Drive, Drives, Duty, Event, HeldSlots, HoldReason, LiablePlace,
    LiableSlots, Pallet, Slot, SlotCause, Slots, UnreachedSlots, Unserved, BONUS_PPM, CLASSES,
};
use cairn_primitives::storage::{SlotAt, SlotState, Target, CHUNKS_PER_UNIT};
use frame_support::defensive;
use pallet_vaults::{Balance, Dice};

/// Draws of a slot before the last is taken as it is. Each is kept with a probability of at least a half.
const TRIES: u32 = 64;

impl<T: Config> Pallet<T> {
    /// Makes a vault liable for `to` instead of `from` by one slot, and pays it accordingly from this block on.
    pub(crate) fn turn_duty(at: SlotAt, who: &T::AccountId, slot: &mut Slot<T::AccountId>, from: Duty, to: Duty) {
        Self::with_book(who, |book| {
            book.rate = book.rate.saturating_sub(from.rate).saturating_add(to.rate);
            book.liable_units = book.liable_units.saturating_sub(from.units).saturating_add(to.units);
            let class = class_of(to.units);
            if class == slot.place.map(|place| place.class) {
                return;
            }
            if let Some(place) = slot.place.take() {
                let count = book.classes.0.get_mut(usize::from(place.class));
                let last = count.map(|count| {
                    *count = count.saturating_sub(1);
                    *count
                });
                Self::leave_list(who, place, last.unwrap_or(0));
            }
            let Some(class) = class else { return };
            let Some(count) = book.classes.0.get_mut(usize::from(class)) else { return };
            let index = *count;
            *count = count.saturating_add(1);
            LiableSlots::<T>::insert(who, (class, index), at);
            slot.place = Some(LiablePlace { class, index });
        });
    }

    /// Takes an entry out, and puts the last of its class into the gap. That is a slot of another drive, since a vault has
    /// one of each at most.
    fn leave_list(who: &T::AccountId, place: LiablePlace, last: u32) {
        let Some(moved) = LiableSlots::<T>::take(who, (place.class, last)) else {
            defensive!("a class of liabilities has a gap");
            return;
        };
        if last != place.index {
            Slots::<T>::mutate(moved, |slot| {
                if let Some(slot) = slot {
                    slot.place = Some(place);
                }
            });
            LiableSlots::<T>::insert(who, (place.class, place.index), moved);
        }
    }

    /// Draws `count` chunks, each uniform over all that a vault is liable for.
    pub fn draw_targets(dice: &mut Dice, who: &T::AccountId, count: u32) -> alloc::vec::Vec<Target> {
        let classes = crate::Books::<T>::get(who).classes;
        (0..count).filter_map(|_| Self::draw_target(dice, who, &classes.0)).collect()
    }

    fn draw_target(dice: &mut Dice, who: &T::AccountId, classes: &[u32; CLASSES]) -> Option<Target> {
        let weight = |class: usize, count: u32| u128::from(count) << (class + 1);
        let sum =
            classes.iter().enumerate().fold(0u128, |sum, (class, count)| sum.saturating_add(weight(class, *count)));
        for tried in 1..=TRIES {
            let mut number = dice.below(sum);
            let class = classes.iter().enumerate().find(|(class, count)| {
                let weight = weight(*class, **count);
                let here = number < weight;
                if !here {
                    number = number.saturating_sub(weight);
                }
                here
            });
            let (class, count) = class?;
            let index = dice.below_u64(u64::from(*count)) as u32;
            let at = LiableSlots::<T>::get(who, (class as u8, index))?;
            let drive = Drives::<T>::get(at.drive)?;
            let live = drive.live_units();
            // A slot of `live` units stands for as many of its class's bound, so each unit is drawn alike.
            let unit = dice.below_u64(1 << (class + 1));
            let unit = match (unit < live, tried == TRIES) {
                (true, _) => unit,
                (false, true) => dice.below_u64(live),
                (false, false) => continue,
            };
            let slot = Slots::<T>::get(at)?;
            let unit = drive.trimmed_units.saturating_add(unit);
            let chunk = unit.saturating_mul(CHUNKS_PER_UNIT).saturating_add(dice.below_u64(CHUNKS_PER_UNIT));
            return Some(Target { at, root: slot.root, units: drive.units, chunk });
        }
        None
    }

    /// Takes out of a vault's open challenge what it no longer has to show of a slot: chunks below `before`, or all.
    pub(crate) fn excuse(who: &T::AccountId, at: SlotAt, before: Option<u64>) {
        let Some(mut challenge) = Challenges::<T>::get(who) else { return };
        let all = challenge.targets.len();
        let excused = |target: &Target| target.at == at && before.is_none_or(|before| target.chunk < before);
        challenge.targets.retain(|target| !excused(target));
        if challenge.targets.len() < all {
            Challenges::<T>::insert(who, challenge);
        }
    }

    /// Ends a dispute about which there is nothing left to show.
    pub(crate) fn void_dispute(at: SlotAt, slot: &mut Slot<T::AccountId>) {
        if !core::mem::take(&mut slot.disputed) {
            return;
        }
        if let Some(Dispute { accuser, deposit, .. }) = Disputes::<T>::take(at) {
            Self::give_back(HoldReason::Dispute, &accuser, deposit);
            Self::deposit_event(Event::DisputeVoided { at, accuser });
        }
    }

    /// Takes a slot from its vault. The drive is settled; it and the slot are for the caller to store.
    pub(crate) fn remove_holder(at: SlotAt, drive: &mut Drive<T::AccountId>, slot: &mut Slot<T::AccountId>) {
        let Some(who) = slot.vault.take() else { return };
        if slot.state == SlotState::Healthy {
            let duty = drive.duty(Self::period());
            Self::turn_duty(at, &who, slot, duty, Duty::default());
            drive.rate = drive.rate.saturating_sub(duty.rate);
            drive.healthy = drive.healthy.saturating_sub(1);
            drive.decide_refill();
        }
        slot.state = SlotState::Empty;
        slot.leaving = false;
        slot.behind_block = None;
        slot.proven_block = None;
        slot.unserved = Unserved::default();
        UnreachedSlots::<T>::remove(at);
        Self::void_dispute(at, slot);
        Self::excuse(&who, at, None);
        Self::release_slot(at, &who, drive.capacity_units);
    }

    /// Takes a slot from whoever is rebuilding it.
    pub(crate) fn remove_successor(at: SlotAt, drive: &Drive<T::AccountId>, slot: &mut Slot<T::AccountId>) {
        if let Some(successor) = slot.successor.take() {
            Self::release_slot(at, &successor.vault, drive.capacity_units);
            let from = Some(successor.vault);
            Self::deposit_event(Event::SuccessorChanged { at, from, to: None, due_block: None });
        }
    }

    /// Takes a slot that has a healthy vault again from whoever is rebuilding it, unless its vault wants to leave it.
    pub(crate) fn dismiss_successor(at: SlotAt, drive: &Drive<T::AccountId>, slot: &mut Slot<T::AccountId>) {
        if !slot.leaving {
            Self::remove_successor(at, drive, slot);
        }
    }

    /// Whether a vault has something to show of a slot now.
    pub(crate) fn is_challenged(who: &T::AccountId, at: SlotAt) -> bool {
        Challenges::<T>::get(who).is_some_and(|challenge| challenge.targets.iter().any(|target| target.at == at))
    }

    fn release_slot(at: SlotAt, who: &T::AccountId, capacity_units: u64) {
        HeldSlots::<T>::remove(who, slot_key(at));
        if pallet_vaults::Pallet::<T>::release(who, capacity_units).is_err() {
            defensive!("a slot was held by nobody");
        }
    }

    /// Takes a slot from its vault, tells of it, and queues it for a successor.
    pub(crate) fn vacate(at: SlotAt, drive: &mut Drive<T::AccountId>, slot: &mut Slot<T::AccountId>, cause: SlotCause) {
        let (from, from_state) = (slot.vault.clone(), slot.state);
        Self::remove_holder(at, drive, slot);
        Self::tell_change(at, slot, from, from_state, cause);
        Self::enqueue_repair(at, drive, slot);
    }

    pub(crate) fn tell_change(
        at: SlotAt,
        slot: &Slot<T::AccountId>,
        from: Option<T::AccountId>,
        from_state: SlotState,
        cause: SlotCause,
    ) {
        let (to, to_state) = (slot.vault.clone(), slot.state);
        Self::deposit_event(Event::SlotChanged { at, from, from_state, to, to_state, cause });
    }

    /// Slashes a vault's bond for one slot, and takes the slot from it. Says how much was slashed; nothing if the slot
    /// is no longer the vault's. A part of that is for whoever restores the slot.
    pub(crate) fn punish(at: SlotAt, who: &T::AccountId, cause: SlotCause) -> Balance {
        let (Some(mut drive), Some(mut slot)) = (Drives::<T>::get(at.drive), Slots::<T>::get(at)) else { return 0 };
        if slot.vault.as_ref() != Some(who) {
            return 0;
        }
        Self::settle_drive(&mut drive);
        Self::vacate(at, &mut drive, &mut slot, cause);
        let slashed = Self::slash(who, pallet_vaults::Pallet::<T>::bond_for(drive.capacity_units));
        slot.bounty = Self::part(slashed, BONUS_PPM);
        Slots::<T>::insert(at, slot);
        Drives::<T>::insert(at.drive, drive);
        slashed
    }
}

fn class_of(units: u64) -> Option<u8> {
    pallet_vaults::room_class(units)
}
