// SPDX-License-Identifier: Apache-2.0

//! What vaults have at stake.

use crate::{Balance, BondCause, Config, Error, Event, HoldReason, Pallet, Vault};
use frame_support::{
    pallet_prelude::*,
    traits::{
        fungible::hold::Mutate as _,
        tokens::{Fortitude, Precision, Restriction},
    },
};

impl<T: Config> Pallet<T> {
    /// Units for which the vault could take another slot: by what it offers, and by its bond.
    pub fn room(vault: &Vault) -> u64 {
        let offered = vault.capacity_units.saturating_sub(vault.reserved_units);
        let bonded = vault.bond.checked_div(T::BondPerUnit::get()).unwrap_or(Balance::MAX);
        let bonded = bonded.saturating_sub(vault.reserved_units.into());
        u64::try_from(bonded).map_or(offered, |bonded| bonded.min(offered))
    }

    /// What of the bond can't be taken back now.
    pub fn bond_required(vault: &Vault) -> Balance {
        Self::bond_for(vault.reserved_units).max(T::BondMin::get())
    }

    /// What is at stake for so many reserved units.
    pub fn bond_for(units: u64) -> Balance {
        T::BondPerUnit::get().saturating_mul(units.into())
    }

    pub(crate) fn do_bond_more(who: T::AccountId, amount: Balance) -> DispatchResult {
        Self::mutate(&who, |vault| {
            Self::hold_bond(&who, amount)?;
            Self::turn_bond(&who, vault, vault.bond.saturating_add(amount), BondCause::Added);
            Ok(())
        })
    }

    pub(crate) fn do_unbond(who: T::AccountId, amount: Balance) -> DispatchResult {
        Self::mutate(&who, |vault| {
            let left = vault.bond.checked_sub(amount).ok_or(Error::<T>::BondTooSmall)?;
            ensure!(left >= Self::bond_required(vault), Error::<T>::BondTooSmall);
            Self::release_bond(&who, amount)?;
            Self::turn_bond(&who, vault, left, BondCause::Taken);
            Ok(())
        })
    }

    /// Moves up to `amount` of a vault's bond to `to`, and says how much that was: no more than there is.
    pub fn slash(who: &T::AccountId, amount: Balance, to: &T::AccountId) -> Balance {
        let slashed = Self::mutate(who, |vault| {
            let amount = amount.min(vault.bond);
            if amount == 0 {
                return Ok(0);
            }
            let slashed = T::NativeBalance::transfer_on_hold(
                &HoldReason::Bond.into(),
                who,
                to,
                amount,
                Precision::BestEffort,
                Restriction::Free,
                Fortitude::Force,
            )?;
            Self::turn_bond(who, vault, vault.bond.saturating_sub(slashed), BondCause::Slashed);
            Ok(slashed)
        });
        slashed.unwrap_or(0)
    }

    fn turn_bond(who: &T::AccountId, vault: &mut Vault, to: Balance, cause: BondCause) {
        let from = core::mem::replace(&mut vault.bond, to);
        Self::deposit_event(Event::BondChanged { who: who.clone(), from, to, cause });
    }

    pub(crate) fn hold_bond(who: &T::AccountId, amount: Balance) -> DispatchResult {
        T::NativeBalance::hold(&HoldReason::Bond.into(), who, amount)
    }

    /// Gives back what was held. That it is there is an invariant; if some were gone the rest would be given back.
    pub(crate) fn release_bond(who: &T::AccountId, amount: Balance) -> DispatchResult {
        let given = T::NativeBalance::release(&HoldReason::Bond.into(), who, amount, Precision::BestEffort)?;
        if given < amount {
            frame_support::defensive!("less was on hold than the bond");
        }
        Ok(())
    }
}
