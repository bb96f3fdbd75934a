// SPDX-License-Identifier: Apache-2.0

//! The vaults that a new drive is given, and those that an owner has replaced before the first checkpoint.
//!
//! # Correctness
//! A group is drawn at the beginning of a block, by randomness that nobody knew while the block before was made
//! ([`Config::TurnRandomness`](crate::Config::TurnRandomness)): whoever orders the transactions that ask for a drive, or that
//! change who can be drawn, doesn't know what will be drawn by.

use crate::{
    slot_key, Config, Drive, Drives, EndCause, Error, FormingDrives, FormingSpan, HeldSlots, Pallet, Slot, SlotCause,
    Slots, Span, GROUP_SLOTS_PER_BLOCK, REDRAWS_PER_SLOT,
};
use cairn_primitives::storage::{DriveId, SlotAt, SlotState, SLOTS_MAX};
use frame_support::pallet_prelude::*;
use pallet_vaults::{Pallet as Vaults, Wanted};

impl<T: Config> Pallet<T> {
    /// Queues a drive for the next draw of groups. The drive is for the caller to store.
    pub(crate) fn enqueue_group(id: DriveId, drive: &mut Drive<T::AccountId>) {
        drive.forming = true;
        let end = FormingSpan::<T>::mutate(Span::push);
        FormingDrives::<T>::insert(end, id);
    }

    /// Draws the groups of the drives that wait for one, the first first. Gives how many drives were looked at, and for how many
    /// slots a vault was drawn or not found.
    pub(crate) fn do_groups() -> (u32, u32) {
        let mut span = FormingSpan::<T>::get();
        let (mut looked_at, mut slots) = (0u32, 0u32);
        // Drives that ended meanwhile cost a look.
        while span.entries() > 0 && looked_at < GROUP_SLOTS_PER_BLOCK {
            let Some(id) = FormingDrives::<T>::get(span.first) else {
                frame_support::defensive!("the queue of groups has a gap");
                break;
            };
            let drive = Drives::<T>::get(id);
            let most = drive.as_ref().map_or(0, |drive| drive.coding.slots());
            if slots > 0 && slots.saturating_add(most.into()) > GROUP_SLOTS_PER_BLOCK {
                break;
            }
            FormingDrives::<T>::remove(span.first);
            span.first = span.first.saturating_add(1);
            looked_at = looked_at.saturating_add(1);
            if let Some(drive) = drive {
                slots = slots.saturating_add(Self::draw_group(id, drive));
            }
        }
        if looked_at > 0 {
            FormingSpan::<T>::put(span);
        }
        (looked_at, slots)
    }

    /// Draws vaults for all slots of a drive that have none. Gives how many these are.
    pub(crate) fn draw_group(id: DriveId, mut drive: Drive<T::AccountId>) -> u32 {
        drive.forming = false;
        let is_new = drive.redrawn == 0;
        let all = (0..drive.coding.slots()).map(|slot| SlotAt { drive: id, slot });
        let all: alloc::vec::Vec<_> = all.filter_map(|at| Some((at, Slots::<T>::get(at)?))).collect();
        let mut exclude: alloc::vec::Vec<T::AccountId> = alloc::vec::Vec::new();
        for (_, slot) in &all {
            exclude.extend(slot.vault.clone());
            exclude.extend(slot.successor.as_ref().map(|successor| successor.vault.clone()));
            exclude.extend(slot.former.clone());
        }
        let lacking: alloc::vec::Vec<_> = all.into_iter().filter(|(_, slot)| slot.vault.is_none()).collect();
        let count = lacking.len() as u32;
        let wanted = Wanted { price: drive.price, capacity_units: drive.capacity_units, exclude: &exclude };
        let drawn = Vaults::<T>::draw(&(b"storage/group", id), wanted, count).unwrap_or_default();
        if drawn.len() < lacking.len() && is_new {
            Self::refund_reserve(&drive);
            Self::end_drive(id, drive, EndCause::NotEnoughVaults);
            return count;
        }
        let mut drawn = drawn.into_iter();
        for (at, mut slot) in lacking {
            match drawn.next().filter(|vault| Vaults::<T>::reserve(vault, drive.capacity_units).is_ok()) {
                Some(vault) => Self::give_slot(at, &mut drive, &mut slot, vault),
                // The queues of repairs go on trying.
                None => {
                    slot.former = None;
                    Self::enqueue_repair(at, &drive, &mut slot);
                },
            }
            Slots::<T>::insert(at, slot);
        }
        drive.decide_refill();
        Drives::<T>::insert(id, drive);
        count
    }

    /// Gives an empty slot of an empty log to a vault that has reserved room for it.
    fn give_slot(at: SlotAt, drive: &mut Drive<T::AccountId>, slot: &mut Slot<T::AccountId>, vault: T::AccountId) {
        HeldSlots::<T>::insert(&vault, slot_key(at), false);
        slot.settle();
        slot.vault = Some(vault);
        slot.state = SlotState::Healthy;
        drive.healthy = drive.healthy.saturating_add(1);
        Self::tell_change(at, slot, None, SlotState::Empty, SlotCause::Drawn);
    }

    /// Has vaults that signed nothing replaced, as long as the drive has no version. Gives how many.
    pub(crate) fn do_redraw(
        who: T::AccountId,
        id: DriveId,
        slots: BoundedVec<u8, ConstU32<SLOTS_MAX>>,
    ) -> Result<u32, DispatchError> {
        let mut drive = Self::owned_drive(&who, id)?;
        ensure!(drive.version == 0, Error::<T>::DriveCommitted);
        ensure!(!drive.forming, Error::<T>::GroupForming);
        ensure!(!slots.is_empty(), Error::<T>::SlotUnknown);
        let redrawn = u32::from(drive.redrawn).saturating_add(slots.len() as u32);
        let most = u32::from(drive.coding.slots()).saturating_mul(REDRAWS_PER_SLOT);
        ensure!(redrawn <= most, Error::<T>::RedrawsSpent);
        Self::settle_drive(&mut drive);
        for slot_number in &slots {
            let at = SlotAt { drive: id, slot: *slot_number };
            let mut slot = Slots::<T>::get(at).ok_or(Error::<T>::SlotUnknown)?;
            // One that is named twice has no vault the second time.
            let former = slot.vault.clone().ok_or(Error::<T>::SlotNotLiable)?;
            let from_state = slot.state;
            Self::remove_holder(at, &mut drive, &mut slot);
            Self::remove_successor(at, &drive, &mut slot);
            Self::tell_change(at, &slot, Some(former.clone()), from_state, SlotCause::Redrawn);
            slot.former = Some(former);
            Slots::<T>::insert(at, slot);
        }
        drive.redrawn = redrawn as u8;
        Self::enqueue_group(id, &mut drive);
        Drives::<T>::insert(id, drive);
        Ok(slots.len() as u32)
    }
}
