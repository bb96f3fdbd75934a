// SPDX-License-Identifier: Apache-2.0

//! The pot: escrows, pay, and the reserve; and when drives run dry.
//!
//! # Correctness
//! Coins move in and out of the pot only together with the entry that says whose they are.

use crate::{
    Book, Books, Config, Drive, Drives, EndCause, Endings, Error, Event, HoldReason, LateDrives, LateSpan, Pallet,
    Reserve, ReserveDebt, Span, ENDINGS_LATE_PER_BLOCK, ENDINGS_PER_BLOCK, ENDINGS_PER_BLOCK_MAX, QUEUED_LATE,
};
use cairn_primitives::storage::DriveId;
use codec::Encode;
use frame_support::{
    pallet_prelude::*,
    sp_runtime::{
        traits::{AccountIdConversion, Zero},
        SaturatedConversion,
    },
    traits::{
        fungible::{hold::Mutate as _, Inspect as _, Mutate as _},
        tokens::{Precision, Preservation},
        Randomness,
    },
};
use frame_system::pallet_prelude::BlockNumberFor;
use pallet_vaults::{Balance, Dice, ONE_PPM};

/// Blocks that are tried for a drive's end: the one wanted, and earlier ones, twice as far away each time.
const ENDINGS_TRIED_NEAR: u32 = 4;
/// Then any between now and the one wanted: of drives that many owners paid for alike, the near ones have their fill.
const ENDINGS_TRIED_ANYWHERE: u64 = 8;
/// Then the one wanted and those before it, beyond their fill.
const ENDINGS_TRIED_BEYOND: u32 = 8;
/// A drive that found no room so few blocks before its end isn't looked for room again.
const ENDINGS_SOON: u32 = 64;

impl<T: Config> Pallet<T> {
    /// Whose account all coins are in that are neither free nor held.
    pub fn pot() -> T::AccountId {
        T::PotId::get().into_account_truncating()
    }

    /// The number of this block.
    pub(crate) fn now() -> u32 {
        frame_system::Pallet::<T>::block_number().saturated_into()
    }

    /// Blocks of a period; never 0.
    pub(crate) fn period() -> u32 {
        T::PeriodBlocks::get().max(1)
    }

    /// Hash of block 0, which is never forgotten.
    pub(crate) fn genesis() -> [u8; 32] {
        let hash = frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero());
        Self::first_32(hash.as_ref())
    }

    /// The first 32 bytes.
    pub(crate) fn first_32(bytes: &[u8]) -> [u8; 32] {
        let mut first = [0; 32];
        for (to, from) in first.iter_mut().zip(bytes) {
            *to = *from;
        }
        first
    }

    /// So many millionths of an amount.
    pub(crate) fn part(amount: Balance, ppm: Balance) -> Balance {
        let one = Balance::from(ONE_PPM);
        let rest = (amount % one).saturating_mul(ppm) / one;
        (amount / one).saturating_mul(ppm).saturating_add(rest)
    }

    pub(crate) fn endow_pot() {
        let (pot, least) = (Self::pot(), T::NativeBalance::minimum_balance());
        if T::NativeBalance::balance(&pot) < least {
            let _ = T::NativeBalance::mint_into(&pot, least).inspect_err(|_| {
                frame_support::defensive!("the pot could not be given its existential deposit");
            });
        }
    }

    pub(crate) fn hold(reason: HoldReason, who: &T::AccountId, amount: Balance) -> DispatchResult {
        if amount == 0 {
            return Ok(());
        }
        T::NativeBalance::hold(&reason.into(), who, amount)
    }

    /// Gives back what was held. That it is there is an invariant; if some were gone the rest would be given back, so that
    /// a fault elsewhere can't keep a drive from ending.
    pub(crate) fn give_back(reason: HoldReason, who: &T::AccountId, amount: Balance) -> Balance {
        if amount == 0 {
            return 0;
        }
        let given = T::NativeBalance::release(&reason.into(), who, amount, Precision::BestEffort).unwrap_or(0);
        if given < amount {
            frame_support::defensive!("less was on hold than was held");
        }
        given
    }

    /// Takes an amount into the pot, and says how much of it is the drive's: the rest is the reserve's.
    pub(crate) fn pay_in(who: &T::AccountId, amount: Balance) -> Result<Balance, DispatchError> {
        if amount == 0 {
            return Ok(0);
        }
        T::NativeBalance::transfer(who, &Self::pot(), amount, Preservation::Preserve)?;
        let kept_back = Self::part(amount, T::ReservePpm::get().into());
        Self::add_to_reserve(kept_back);
        Ok(amount.saturating_sub(kept_back))
    }

    /// Gives an owner back what the reserve took of a drive's escrow: nothing came of it.
    pub(crate) fn refund_reserve(drive: &Drive<T::AccountId>) {
        let ppm = Balance::from(T::ReservePpm::get());
        let left = Balance::from(ONE_PPM).saturating_sub(ppm).max(1);
        // What is left of `x` is `x * left / ONE_PPM`, rounded up: so this is never more than was taken.
        let taken =
            (drive.escrow / left).saturating_mul(ppm).saturating_add((drive.escrow % left).saturating_mul(ppm) / left);
        Self::pay_from_reserve(&drive.owner, taken);
    }

    /// Pays from the pot; says whether that was possible. An account that would have less than the existential deposit
    /// can't be paid.
    pub(crate) fn pay_out(who: &T::AccountId, amount: Balance) -> bool {
        amount == 0 || T::NativeBalance::transfer(&Self::pot(), who, amount, Preservation::Preserve).is_ok()
    }

    /// What comes in pays the reserve's debt first.
    pub(crate) fn add_to_reserve(amount: Balance) {
        let repaid = ReserveDebt::<T>::get().min(amount);
        if repaid > 0 {
            ReserveDebt::<T>::mutate(|owed| *owed = owed.saturating_sub(repaid));
        }
        Self::change_reserve(|reserve| reserve.saturating_add(amount.saturating_sub(repaid)));
    }

    /// Pays up to `amount` from the reserve, and says how much that was.
    pub(crate) fn pay_from_reserve(who: &T::AccountId, amount: Balance) -> Balance {
        let amount = amount.min(Reserve::<T>::get());
        if amount == 0 || !Self::pay_out(who, amount) {
            return 0;
        }
        Self::change_reserve(|reserve| reserve.saturating_sub(amount));
        amount
    }

    fn change_reserve(change: impl FnOnce(Balance) -> Balance) {
        let from = Reserve::<T>::get();
        let to = change(from);
        if from != to {
            Reserve::<T>::put(to);
            Self::deposit_event(Event::ReserveChanged { from, to });
        }
    }

    /// Slashes up to `amount` of a vault's bond for the reserve, and says how much that was.
    pub(crate) fn slash(who: &T::AccountId, amount: Balance) -> Balance {
        let slashed = pallet_vaults::Pallet::<T>::slash(who, amount, &Self::pot());
        Self::add_to_reserve(slashed);
        slashed
    }

    /// What a drive's escrow must have when it is made, or grows: what a period of its whole capacity costs. So nobody
    /// reserves room without tying up as much money.
    pub(crate) fn escrow_min(slots: u8, capacity_units: u64, price: Balance) -> Balance {
        let period = Self::period();
        cairn_primitives::storage::rate_per_block(price, capacity_units, period)
            .saturating_mul(slots.into())
            .saturating_mul(period.into())
    }

    /// Takes what a drive owes up to now out of its escrow. From here on its rate may change.
    ///
    /// What a drive that waited for its end in [`LateDrives`] owes beyond its escrow, its vaults have earned: the reserve pays
    /// that, now or from what comes in next. The reserve has had a part of what each drive paid.
    pub(crate) fn settle_drive(drive: &mut Drive<T::AccountId>) {
        let unpaid = Self::take_from_escrow(drive);
        let debt = unpaid.saturating_sub(Reserve::<T>::get());
        Self::change_reserve(|reserve| reserve.saturating_sub(unpaid));
        if debt > 0 {
            ReserveDebt::<T>::mutate(|owed| *owed = owed.saturating_add(debt));
        }
    }

    /// Takes what a drive owes up to now out of its escrow, and gives what that doesn't pay for.
    pub(crate) fn take_from_escrow(drive: &mut Drive<T::AccountId>) -> Balance {
        let now = Self::now();
        let owed = drive.rate.saturating_mul(now.saturating_sub(drive.since).into());
        let paid = owed.min(drive.escrow);
        drive.escrow = drive.escrow.saturating_sub(paid);
        drive.spent = drive.spent.saturating_add(paid);
        drive.since = now;
        owed.saturating_sub(paid)
    }

    /// Adds what a vault earned up to now to what it has pending. From here on its rate may change.
    pub(crate) fn settle_book(book: &mut Book) {
        let now = Self::now();
        let earned = book.rate.saturating_mul(now.saturating_sub(book.since).into());
        book.pending = book.pending.saturating_add(earned);
        book.since = now;
    }

    /// Changes a vault's book, settled.
    pub(crate) fn with_book<R>(who: &T::AccountId, change: impl FnOnce(&mut Book) -> R) -> R {
        let mut book = Books::<T>::get(who);
        Self::settle_book(&mut book);
        let result = change(&mut book);
        Books::<T>::insert(who, book);
        result
    }

    /// Sees to it that a drive is looked at no later than it runs dry, and a period before to warn its owner; warns at once
    /// if it is less. Its rate and escrow are as they will be stored. Where no block until then has room, the drive is queued
    /// in [`LateDrives`]: it may end a little late, and never early.
    ///
    /// # Errors
    /// `EscrowTooSmall` if it is dry now.
    pub(crate) fn enqueue_ending(id: DriveId, drive: &mut Drive<T::AccountId>) -> Result<(), Error<T>> {
        let (now, period) = (Self::now(), Self::period());
        // A drive that pays nothing has no end; an entry that it has is found to be void.
        let Some(dry) = drive.dry_block() else { return Ok(()) };
        ensure!(dry > now, Error::<T>::EscrowTooSmall);
        if let Some(warning) = dry.checked_sub(period).filter(|block| *block > now) {
            drive.warned = false;
            if Self::enqueue_ending_by(id, drive, now, warning) {
                return Ok(());
            }
            // Better told too early than not at all.
        }
        if !core::mem::replace(&mut drive.warned, true) {
            let owner = drive.owner.clone();
            Self::deposit_event(Event::DriveRunsDry { drive: id, owner, dry_block: dry });
        }
        if !Self::enqueue_ending_by(id, drive, now, dry) {
            Self::enqueue_late(id, drive);
        }
        Ok(())
    }

    fn enqueue_late(id: DriveId, drive: &mut Drive<T::AccountId>) {
        match drive.queued_block.replace(QUEUED_LATE) {
            Some(QUEUED_LATE) => return,
            Some(before) => Self::leave_endings(id, before),
            None => {},
        }
        Self::push_late(id);
    }

    fn push_late(id: DriveId) {
        let number = LateSpan::<T>::mutate(Span::push);
        LateDrives::<T>::insert(number, id);
    }

    /// Takes drives off the queue of those that found no room in any block, the first first.
    fn take_late(most: u32) -> alloc::vec::Vec<DriveId> {
        let mut span = LateSpan::<T>::get();
        let mut taken = alloc::vec::Vec::new();
        while span.entries() > 0 && (taken.len() as u32) < most {
            let Some(id) = LateDrives::<T>::take(span.first) else {
                frame_support::defensive!("the queue of late drives has a gap");
                break;
            };
            span.first = span.first.saturating_add(1);
            taken.push(id);
        }
        if !taken.is_empty() {
            LateSpan::<T>::put(span);
        }
        taken
    }

    /// Finds a block with room from behind `now` up to `target`, as late as can be. Says whether there was one.
    ///
    /// # Correctness
    /// Which blocks are tried nobody knows before, so that nobody can fill just these. Where all of them have their fill
    /// ([`ENDINGS_PER_BLOCK`]), the drive goes beyond it, where strangers' drives don't come as long as they find room elsewhere.
    fn enqueue_ending_by(id: DriveId, drive: &mut Drive<T::AccountId>, now: u32, target: u32) -> bool {
        // An entry before that is good enough: the drive is queued again when it is found to have time.
        if drive.queued_block.is_some_and(|block| block <= target && block > now) {
            return true;
        }
        let back = |step: u32| if step == 0 { 0 } else { 1u32.checked_shl(step.saturating_sub(1)).unwrap_or(u32::MAX) };
        let near =
            (0..ENDINGS_TRIED_NEAR).map_while(|step| target.checked_sub(back(step)).filter(|block| *block > now));
        let (hash, _) = T::TurnRandomness::random(&(b"storage/ending", id, target).encode());
        let mut dice = Dice::new(Self::first_32(hash.as_ref()));
        let anywhere = (0..ENDINGS_TRIED_ANYWHERE).map(|_| {
            // Below the target, which has 32 bits.
            let back = dice.below_u64(target.saturating_sub(now).into()) as u32;
            target.saturating_sub(back)
        });
        let beyond = (0..ENDINGS_TRIED_BEYOND).map_while(|step| target.checked_sub(step).filter(|block| *block > now));
        let tries = near.chain(anywhere).map(|block| (block, ENDINGS_PER_BLOCK));
        for (block, fill) in tries.chain(beyond.map(|block| (block, ENDINGS_PER_BLOCK_MAX))) {
            let entered = Endings::<T>::try_mutate(block, |drives| match drives.len() < fill as usize {
                true => drives.try_push(id).map_err(drop),
                false => Err(()),
            });
            if entered.is_ok() {
                if let Some(before) = drive.queued_block.replace(block) {
                    Self::leave_endings(id, before);
                }
                return true;
            }
        }
        false
    }

    pub(crate) fn leave_endings(id: DriveId, block: u32) {
        Endings::<T>::mutate_exists(block, |drives| {
            if let Some(list) = drives {
                list.retain(|drive| *drive != id);
                if list.is_empty() {
                    *drives = None;
                }
            }
        });
    }

    /// Ends the drives that are dry, and warns owners; gives the number of slots and grants of those that ended, and how
    /// many drives were looked at.
    pub(crate) fn do_endings(now: u32) -> (u32, u32, u32) {
        let due = Endings::<T>::take(now);
        // Those that wait for room have places of their own, and those that this block's have left.
        let places = ENDINGS_PER_BLOCK_MAX.saturating_sub(due.len() as u32).saturating_add(ENDINGS_LATE_PER_BLOCK);
        let late = Self::take_late(places);
        let (mut slots, mut grants) = (0u32, 0u32);
        let looked_at = (due.len() as u32).saturating_add(late.len() as u32);
        let due = due.into_iter().map(|id| (id, now)).chain(late.into_iter().map(|id| (id, QUEUED_LATE)));
        for (id, queued) in due {
            // The entries of drives that ended, or were queued elsewhere since, are void.
            let drive = Drives::<T>::get(id).filter(|drive| drive.queued_block == Some(queued));
            let Some(mut drive) = drive else { continue };
            // There was no room up to its end, and there is hardly any now.
            let soon = drive.dry_block().is_some_and(|dry| dry > now && dry <= now.saturating_add(ENDINGS_SOON));
            if queued == QUEUED_LATE && drive.warned && soon {
                Self::push_late(id);
                continue;
            }
            drive.queued_block = None;
            // Only a drive that is dry can't be queued.
            match Self::enqueue_ending(id, &mut drive) {
                Ok(()) => Drives::<T>::insert(id, drive),
                Err(_) => {
                    let ended = Self::end_drive(id, drive, EndCause::RanDry);
                    slots = slots.saturating_add(ended.0);
                    grants = grants.saturating_add(ended.1);
                },
            }
        }
        (slots, grants, looked_at)
    }
}
