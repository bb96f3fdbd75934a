// SPDX-License-Identifier: Apache-2.0

//! Drives: made, paid for, given away, ended.

use crate::{
    Config, Drive, Drives, EndCause, Error, Event, GrantedTo, Grants, HoldReason, NextDrive, OwnerDriveCounts,
    OwnerDrives, Pallet, Slot, Slots, DRIVES_MAX, GRANTS_MAX,
};
use cairn_primitives::storage::{Coding, DriveId, Head, Range, Role, SlotAt, Visibility};
use frame_support::{
    pallet_prelude::*,
    traits::{
        fungible::hold::Mutate as _,
        tokens::{Fortitude, Precision, Restriction},
    },
};
use pallet_vaults::{Balance, Pallet as Vaults, Wanted, ASK_MAX, CAPACITY_UNITS_MAX};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_create_drive(
        who: T::AccountId,
        coding: Coding,
        capacity_units: u64,
        price: Balance,
        escrow: Balance,
        visibility: Visibility,
    ) -> DispatchResult {
        ensure!((1..=CAPACITY_UNITS_MAX).contains(&capacity_units), Error::<T>::CapacityInvalid);
        ensure!(price <= ASK_MAX, Error::<T>::PriceTooHigh);
        let count = coding.slots();
        let deposit = T::SlotDeposit::get().saturating_mul(count.into()).saturating_add(T::DriveDeposit::get());
        let id = NextDrive::<T>::mutate(|next| core::mem::replace(next, next.saturating_add(1)));
        Self::add_to_owner(&who, id)?;
        Self::hold(HoldReason::Drive, &who, deposit)?;
        let escrow = Self::pay_in(&who, escrow)?;
        ensure!(escrow >= Self::escrow_min(count, capacity_units, price), Error::<T>::EscrowTooSmall);
        // Whether there are enough is known once they are drawn; that there may be is seen at once.
        let wanted = Wanted { price, capacity_units, exclude: &[] };
        Vaults::<T>::ensure_may_draw(&wanted, count.into())?;

        let (now, root) = (Self::now(), Range::default().root());
        for slot in 0..count {
            Slots::<T>::insert(SlotAt { drive: id, slot }, Slot::new(root));
        }
        let mut drive = Drive {
            owner: who.clone(),
            coding,
            capacity_units,
            price,
            visibility,
            version: 0,
            units: 0,
            trimmed_units: 0,
            head: Head::default(),
            key_generation: 0,
            escrow,
            rate: 0,
            since: now,
            spent: 0,
            deposit,
            created_block: now,
            queued_block: None,
            warned: false,
            healthy: 0,
            refilling: true,
            forming: false,
            redrawn: 0,
            grants: 0,
            grant_deposits: 0,
        };
        Self::enqueue_group(id, &mut drive);
        Drives::<T>::insert(id, drive);
        Self::deposit_event(Event::DriveCreated { drive: id, owner: who, coding, capacity_units, price, escrow });
        Ok(())
    }

    pub(crate) fn do_top_up(who: T::AccountId, id: DriveId, amount: Balance) -> DispatchResult {
        let mut drive = Self::drive_of(id)?;
        ensure!(amount > 0, Error::<T>::AmountZero);
        Self::settle_drive(&mut drive);
        let from = drive.escrow;
        drive.escrow = from.saturating_add(Self::pay_in(&who, amount)?);
        Self::enqueue_ending(id, &mut drive)?;
        let to = drive.escrow;
        Drives::<T>::insert(id, drive);
        Self::deposit_event(Event::ToppedUp { drive: id, by: who, from, to });
        Ok(())
    }

    /// Gives the number of slots.
    pub(crate) fn do_resize(who: T::AccountId, id: DriveId, to_units: u64) -> Result<u32, DispatchError> {
        let mut drive = Self::owned_drive(&who, id)?;
        let least = drive.live_units().max(1);
        ensure!((least..=CAPACITY_UNITS_MAX).contains(&to_units), Error::<T>::CapacityInvalid);
        Self::settle_drive(&mut drive);
        let from_units = core::mem::replace(&mut drive.capacity_units, to_units);
        let slots = drive.coding.slots();
        let affordable = drive.escrow >= Self::escrow_min(slots, to_units, drive.price);
        ensure!(to_units <= from_units || affordable, Error::<T>::EscrowTooSmall);
        for slot in 0..slots {
            let slot = Slots::<T>::get(SlotAt { drive: id, slot }).ok_or(Error::<T>::SlotUnknown)?;
            for vault in slot.vault.iter().chain(slot.successor.iter().map(|successor| &successor.vault)) {
                Vaults::<T>::resize_slot(vault, from_units, to_units)?;
            }
        }
        Drives::<T>::insert(id, drive);
        Self::deposit_event(Event::Resized { drive: id, from_units, to_units });
        Ok(slots.into())
    }

    pub(crate) fn do_set_visibility(who: T::AccountId, id: DriveId, to: Visibility) -> DispatchResult {
        let mut drive = Self::owned_drive(&who, id)?;
        let from = core::mem::replace(&mut drive.visibility, to);
        Drives::<T>::insert(id, drive);
        Self::deposit_event(Event::VisibilityChanged { drive: id, from, to });
        Ok(())
    }

    pub(crate) fn do_transfer_drive(who: T::AccountId, id: DriveId, to: T::AccountId) -> DispatchResult {
        let mut drive = Self::owned_drive(&who, id)?;
        ensure!(who != to, Error::<T>::AlreadyOwner);
        Self::move_hold(HoldReason::Drive, &who, &to, drive.deposit)?;
        Self::move_hold(HoldReason::Grant, &who, &to, drive.grant_deposits)?;
        Self::take_from_owner(&who, id);
        Self::add_to_owner(&to, id)?;
        drive.owner = to.clone();
        // What the new owner writes is under a key of its own.
        let from_generation = drive.key_generation;
        let to_generation = from_generation.saturating_add(1);
        drive.key_generation = to_generation;
        Drives::<T>::insert(id, drive);
        Self::deposit_event(Event::DriveTransferred { drive: id, from: who, to, from_generation, to_generation });
        Ok(())
    }

    /// Gives the numbers of slots and grants.
    pub(crate) fn do_close(who: T::AccountId, id: DriveId) -> Result<(u32, u32), DispatchError> {
        let drive = Self::owned_drive(&who, id)?;
        Ok(Self::end_drive(id, drive, EndCause::Closed))
    }

    /// Removes a drive: its vaults are free of it, and paid up to this block; its owner gets back what is left. Gives the
    /// numbers of slots and grants.
    pub(crate) fn end_drive(id: DriveId, mut drive: Drive<T::AccountId>, cause: EndCause) -> (u32, u32) {
        Self::settle_drive(&mut drive);
        let slots = drive.coding.slots();
        for slot in 0..slots {
            let at = SlotAt { drive: id, slot };
            let Some(mut slot) = Slots::<T>::take(at) else { continue };
            Self::remove_holder(at, &mut drive, &mut slot);
            Self::remove_successor(at, &drive, &mut slot);
        }
        let grantees: alloc::vec::Vec<_> = Grants::<T>::iter_key_prefix(id).take(GRANTS_MAX as usize).collect();
        for account in &grantees {
            Grants::<T>::remove(id, account);
            GrantedTo::<T>::remove(account, id.to_be_bytes());
        }
        if let Some(block) = drive.queued_block {
            Self::leave_endings(id, block);
        }
        Self::take_from_owner(&drive.owner, id);
        Drives::<T>::remove(id);
        Self::give_back(HoldReason::Drive, &drive.owner, drive.deposit);
        Self::give_back(HoldReason::Grant, &drive.owner, drive.grant_deposits);
        let refund = if Self::pay_out(&drive.owner, drive.escrow) {
            drive.escrow
        } else {
            // The owner's account is gone, and this little can't make it anew.
            Self::add_to_reserve(drive.escrow);
            0
        };
        Self::deposit_event(Event::DriveEnded { drive: id, owner: drive.owner, cause, refund });
        (slots.into(), grantees.len() as u32)
    }

    pub(crate) fn drive_of(id: DriveId) -> Result<Drive<T::AccountId>, Error<T>> {
        Drives::<T>::get(id).ok_or(Error::<T>::DriveUnknown)
    }

    pub(crate) fn owned_drive(who: &T::AccountId, id: DriveId) -> Result<Drive<T::AccountId>, Error<T>> {
        let drive = Self::drive_of(id)?;
        ensure!(drive.owner == *who, Error::<T>::NotOwner);
        Ok(drive)
    }

    /// A drive that an account may write to: its owner's, or one that it has a writer's grant of.
    pub(crate) fn writable_drive(who: &T::AccountId, id: DriveId) -> Result<Drive<T::AccountId>, Error<T>> {
        let drive = Self::drive_of(id)?;
        let granted = || {
            Grants::<T>::get(id, who).is_some_and(|grant| {
                grant.info.role == Role::Writer && grant.info.until_block.is_none_or(|until| until >= Self::now())
            })
        };
        ensure!(drive.owner == *who || granted(), Error::<T>::NotWriter);
        Ok(drive)
    }

    fn add_to_owner(who: &T::AccountId, id: DriveId) -> Result<(), Error<T>> {
        let count = OwnerDriveCounts::<T>::get(who);
        ensure!(count < DRIVES_MAX, Error::<T>::TooManyDrives);
        OwnerDriveCounts::<T>::insert(who, count.saturating_add(1));
        OwnerDrives::<T>::insert(who, id.to_be_bytes(), ());
        Ok(())
    }

    fn take_from_owner(who: &T::AccountId, id: DriveId) {
        OwnerDrives::<T>::remove(who, id.to_be_bytes());
        OwnerDriveCounts::<T>::mutate_exists(who, |count| {
            *count = count.and_then(|count| count.checked_sub(1)).filter(|count| *count > 0);
        });
    }

    /// Moves what is held of one account to another, held of it.
    fn move_hold(reason: HoldReason, from: &T::AccountId, to: &T::AccountId, amount: Balance) -> DispatchResult {
        if amount == 0 {
            return Ok(());
        }
        T::NativeBalance::transfer_on_hold(
            &reason.into(),
            from,
            to,
            amount,
            Precision::Exact,
            Restriction::OnHold,
            Fortitude::Polite,
        )?;
        Ok(())
    }
}
