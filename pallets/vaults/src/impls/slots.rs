// SPDX-License-Identifier: Apache-2.0

//! What drives reserve of vaults.

use crate::{Config, Error, Pallet, Vault, VaultAddresses, Vaults};
use alloc::vec::Vec;
use cairn_primitives::storage::VaultInfo;
use frame_support::pallet_prelude::*;

impl<T: Config> Pallet<T> {
    /// Takes room for one more slot of so many units.
    ///
    /// # Errors
    /// `VaultUnknown`, `NoRoom`.
    pub fn reserve(who: &T::AccountId, units: u64) -> DispatchResult {
        Self::mutate(who, |vault| {
            ensure!(Self::room(vault) >= units, Error::<T>::NoRoom);
            vault.reserved_units = vault.reserved_units.saturating_add(units);
            vault.slots = vault.slots.saturating_add(1);
            Ok(())
        })
    }

    /// Gives back what [`Self::reserve`] took.
    ///
    /// # Errors
    /// `VaultUnknown`.
    pub fn release(who: &T::AccountId, units: u64) -> DispatchResult {
        Self::mutate(who, |vault| {
            vault.reserved_units = vault.reserved_units.saturating_sub(units);
            vault.slots = vault.slots.saturating_sub(1);
            Ok(())
        })
    }

    /// Makes a slot's room `to_units`.
    ///
    /// # Errors
    /// `VaultUnknown`, `NoRoom`.
    pub fn resize_slot(who: &T::AccountId, from_units: u64, to_units: u64) -> DispatchResult {
        Self::mutate(who, |vault| {
            let more = to_units.saturating_sub(from_units);
            ensure!(Self::room(vault) >= more, Error::<T>::NoRoom);
            vault.reserved_units = vault.reserved_units.saturating_sub(from_units).saturating_add(to_units);
            Ok(())
        })
    }

    /// What this pallet knows of a vault; what it earns and is liable for are left at nothing.
    pub fn info(who: &T::AccountId) -> Option<VaultInfo<T::AccountId>> {
        Vaults::<T>::get(who).map(|vault| Self::info_of(who, &vault))
    }

    fn info_of(who: &T::AccountId, vault: &Vault) -> VaultInfo<T::AccountId> {
        let addresses: Vec<Vec<u8>> =
            VaultAddresses::<T>::get(who).into_iter().map(|address| address.into_inner()).collect();
        VaultInfo {
            account: who.clone(),
            status: vault.status,
            paused: vault.paused,
            service_key: vault.service_key,
            addresses,
            capacity_units: vault.capacity_units,
            reserved_units: vault.reserved_units,
            liable_units: 0,
            slots: vault.slots,
            ask: vault.ask,
            bond: vault.bond,
            bond_required: Self::bond_required(vault),
            score_ppm: vault.reputation.score_ppm(),
            place_block: vault.place_block,
            next_turn_block: 0,
            missed_in_row: vault.missed_in_row,
            missed_history: vault.missed_history,
            turns: vault.turns,
            rate_per_block: 0,
            pending: 0,
            paid: 0,
        }
    }
}
