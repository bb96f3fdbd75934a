// SPDX-License-Identifier: Apache-2.0

//! The pot: escrows, pay, and the reserve; and when drives run dry.
//!
//! # Correctness
//! Coins move in and out of the pot only together with the entry that says whose they are.

use crate::{
    Book, Books, Config, Drive, Drives, EndCause, Endings, Error, Event, HoldReason, Pallet, Reserve,
    ENDINGS_PER_BLOCK, ENDINGS_PER_BLOCK_MAX,
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
const ENDINGS_TRIED_BEYOND: u32 = 64;

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

    pub(crate) fn add_to_reserve(amount: Balance) {
        Self::change_reserve(|reserve| reserve.saturating_add(amount));
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
    pub(crate) fn settle_drive(drive: &mut Drive<T::AccountId>) {
        let now = Self::now();
        let owed = drive.rate.saturating_mul(now.saturating_sub(drive.since).into());
        if owed > drive.escrow {
            frame_support::defensive!("a drive outlived its escrow");
        }
        drive.escrow = drive.escrow.saturating_sub(owed);
        drive.spent = drive.spent.saturating_add(owed);
        drive.since = now;
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
    /// if it is less. Its rate and escrow are as they will be stored.
    ///
    /// # Errors
    /// `EscrowTooSmall` if it is dry now; `QueueFull`.
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
        Self::enqueue_ending_by(id, drive, now, dry).then_some(()).ok_or(Error::<T>::QueueFull)
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
        let (mut slots, mut grants, looked_at) = (0u32, 0u32, due.len() as u32);
        for id in due {
            let Some(mut drive) = Drives::<T>::get(id) else { continue };
            drive.queued_block = None;
            let cause = match drive.dry_block() {
                Some(dry) if dry <= now => Some(EndCause::RanDry),
                Some(_) => Self::enqueue_ending(id, &mut drive).is_err().then_some(EndCause::QueueFull),
                None => None,
            };
            match cause {
                Some(cause) => {
                    let ended = Self::end_drive(id, drive, cause);
                    slots = slots.saturating_add(ended.0);
                    grants = grants.saturating_add(ended.1);
                },
                None => Drives::<T>::insert(id, drive),
            }
        }
        (slots, grants, looked_at)
    }
}
