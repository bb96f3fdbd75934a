// SPDX-License-Identifier: Apache-2.0

//! Who is registered, and with what.

use crate::{
    Addresses, Balance, Config, Error, Event, Ledger, Pallet, Places, Reputation, ServiceKeys, Vault, VaultAddresses,
    Vaults, ASK_MAX, CAPACITY_UNITS_MAX, PLACES_TRIED_MAX,
};
use cairn_primitives::storage::VaultStatus;
use codec::Encode;
use frame_support::{
    pallet_prelude::*,
    sp_runtime::traits::{BlakeTwo256, Hash},
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_register(
        who: T::AccountId,
        capacity_units: u64,
        ask: Balance,
        addresses: Addresses,
        service_key: [u8; 32],
        bond: Balance,
    ) -> DispatchResult {
        ensure!(!Vaults::<T>::contains_key(&who), Error::<T>::VaultExists);
        ensure!((1..=CAPACITY_UNITS_MAX).contains(&capacity_units), Error::<T>::CapacityInvalid);
        ensure!(ask <= ASK_MAX, Error::<T>::AskInvalid);
        Self::ensure_addresses(&addresses)?;
        ensure!(bond >= T::BondMin::get(), Error::<T>::BondTooSmall);
        ensure!(!ServiceKeys::<T>::contains_key(service_key), Error::<T>::ServiceKeyTaken);

        let place_block = Self::take_place(&who)?;
        Self::hold_bond(&who, bond)?;
        ServiceKeys::<T>::insert(service_key, &who);
        VaultAddresses::<T>::insert(&who, addresses);
        let mut vault = Vault {
            status: VaultStatus::Probation,
            paused: false,
            service_key,
            capacity_units,
            reserved_units: 0,
            slots: 0,
            ask,
            bond,
            place_block,
            reputation: Reputation::default(),
            turns: 0,
            missed_history: 0,
            forgiven_history: 0,
            missed_in_row: 0,
            unsigned_in_row: 0,
            position: None,
        };
        Self::reindex(&who, &mut vault);
        Vaults::<T>::insert(&who, vault);
        Self::deposit_event(Event::Registered { who, service_key, capacity_units, ask, bond, place_block });
        Ok(())
    }

    pub(crate) fn do_update(
        who: T::AccountId,
        capacity_units: Option<u64>,
        ask: Option<Balance>,
        addresses: Option<Addresses>,
        service_key: Option<[u8; 32]>,
    ) -> DispatchResult {
        Self::mutate(&who, |vault| {
            if let Some(to_units) = capacity_units.filter(|units| *units != vault.capacity_units) {
                let least = vault.reserved_units.max(1);
                ensure!((least..=CAPACITY_UNITS_MAX).contains(&to_units), Error::<T>::CapacityInvalid);
                let from_units = core::mem::replace(&mut vault.capacity_units, to_units);
                Self::deposit_event(Event::CapacityChanged { who: who.clone(), from_units, to_units });
            }
            if let Some(to) = ask.filter(|ask| *ask != vault.ask) {
                ensure!(to <= ASK_MAX, Error::<T>::AskInvalid);
                let from = core::mem::replace(&mut vault.ask, to);
                Self::deposit_event(Event::AskChanged { who: who.clone(), from, to });
            }
            if let Some(to) = addresses {
                Self::ensure_addresses(&to)?;
                let from = VaultAddresses::<T>::get(&who);
                VaultAddresses::<T>::insert(&who, &to);
                Self::deposit_event(Event::AddressesChanged { who: who.clone(), from, to });
            }
            if let Some(to) = service_key.filter(|key| *key != vault.service_key) {
                ensure!(!ServiceKeys::<T>::contains_key(to), Error::<T>::ServiceKeyTaken);
                let from = core::mem::replace(&mut vault.service_key, to);
                ServiceKeys::<T>::remove(from);
                ServiceKeys::<T>::insert(to, &who);
                Self::deposit_event(Event::ServiceKeyChanged { who: who.clone(), from, to });
            }
            Ok(())
        })
    }

    pub(crate) fn do_set_paused(who: T::AccountId, paused: bool) -> DispatchResult {
        Self::mutate(&who, |vault| {
            let from = core::mem::replace(&mut vault.paused, paused);
            Self::deposit_event(Event::PausedChanged { who: who.clone(), from, to: paused });
            Ok(())
        })
    }

    pub(crate) fn do_begin_exit(who: T::AccountId) -> DispatchResult {
        Self::mutate(&who, |vault| {
            ensure!(!Self::is_out(vault), Error::<T>::Exiting);
            Self::turn_status(&who, vault, VaultStatus::Exiting);
            Ok(())
        })
    }

    pub(crate) fn do_finish_exit(who: T::AccountId) -> DispatchResult {
        let vault = Vaults::<T>::get(&who).ok_or(Error::<T>::VaultUnknown)?;
        ensure!(Self::is_out(&vault), Error::<T>::NotExiting);
        ensure!(vault.slots == 0, Error::<T>::SlotsHeld);
        T::Ledger::close(&who)?;

        // What the ledger did may have changed the vault.
        let vault = Vaults::<T>::take(&who).ok_or(Error::<T>::VaultUnknown)?;
        Self::leave_index(&vault);
        VaultAddresses::<T>::remove(&who);
        ServiceKeys::<T>::remove(vault.service_key);
        Self::free_place(&who, vault.place_block);
        Self::release_bond(&who, vault.bond)?;
        Self::deposit_event(Event::Exited { who, bond: vault.bond });
        Ok(())
    }

    /// Whether a vault is on its way out, or thrown out.
    pub(crate) fn is_out(vault: &Vault) -> bool {
        matches!(vault.status, VaultStatus::Exiting | VaultStatus::Ejected)
    }

    /// Changes a vault, and its place in the index with it.
    pub(crate) fn mutate<R>(
        who: &T::AccountId,
        change: impl FnOnce(&mut Vault) -> Result<R, DispatchError>,
    ) -> Result<R, DispatchError> {
        let mut vault = Vaults::<T>::get(who).ok_or(Error::<T>::VaultUnknown)?;
        let result = change(&mut vault)?;
        Self::reindex(who, &mut vault);
        Vaults::<T>::insert(who, vault);
        Ok(result)
    }

    /// The first place with room from where the account's hash points to.
    fn take_place(who: &T::AccountId) -> Result<u32, Error<T>> {
        let (period, first) = (T::PeriodBlocks::get().max(1), Self::first_place(who));
        for step in 0..PLACES_TRIED_MAX.min(period) {
            // Both are below the period, which is at most 2^32 - 1.
            let place = ((u64::from(first) + u64::from(step)) % u64::from(period)) as u32;
            let taken = Places::<T>::try_mutate(place, |vaults| vaults.try_push(who.clone()));
            if taken.is_ok() {
                return Ok(place);
            }
        }
        Err(Error::<T>::PeriodFull)
    }

    /// Where an account's hash points to in the period.
    pub(crate) fn first_place(who: &T::AccountId) -> u32 {
        let hash = BlakeTwo256::hash(&(b"vaults/place", who).encode());
        let number = hash.as_bytes().iter().take(4).fold(0u32, |number, byte| number << 8 | u32::from(*byte));
        number % T::PeriodBlocks::get().max(1)
    }

    fn free_place(who: &T::AccountId, place: u32) {
        Places::<T>::mutate_exists(place, |vaults| {
            if let Some(list) = vaults {
                list.retain(|vault| vault != who);
                if list.is_empty() {
                    *vaults = None;
                }
            }
        });
    }

    fn ensure_addresses(addresses: &Addresses) -> Result<(), Error<T>> {
        let sound = !addresses.is_empty() && addresses.iter().all(|address| is_address(address));
        sound.then_some(()).ok_or(Error::<T>::AddressInvalid)
    }
}

/// Whether this is `host:port`: a name or an IPv4 address, or an IPv6 address in brackets, and a port that isn't 0.
fn is_address(bytes: &[u8]) -> bool {
    let Some((host, port)) = core::str::from_utf8(bytes).ok().and_then(|text| text.rsplit_once(':')) else {
        return false;
    };
    let port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|inner| {
            inner.contains(':') && inner.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        }),
        None => {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
            !host.is_empty() && host.bytes().all(known)
        },
    };
    host && port
}
