// SPDX-License-Identifier: Apache-2.0

//! What holds in every state between two calls.

use crate::{
    Config, HoldReason, Members, Pallet, Places, Rows, RowsUsed, ServiceKeys, VaultAddresses, Vaults,
    CAPACITY_UNITS_MAX, FORGIVEN_MAX,
};
use alloc::collections::BTreeMap;
use frame_support::{
    ensure,
    sp_runtime::TryRuntimeError,
    traits::{fungible::hold::Inspect, Get},
};

type Check = Result<(), TryRuntimeError>;

impl<T: Config> Pallet<T> {
    /// Checks all invariants; each is described at its check.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn do_try_state() -> Check {
        Self::check_vaults()?;
        Self::check_keys()?;
        Self::check_places()?;
        Self::check_index()?;
        Self::check_bonds()
    }

    /// Invariant 1: a vault offers something, no more than can be, and has addresses; nobody else has. What was forgiven
    /// is no miss, and not more than may be.
    fn check_vaults() -> Check {
        for (who, vault) in Vaults::<T>::iter() {
            ensure!((1..=CAPACITY_UNITS_MAX).contains(&vault.capacity_units), "a vault's capacity is out of bounds");
            ensure!(vault.reserved_units <= vault.capacity_units, "a vault has reserved more than it offers");
            ensure!(vault.slots > 0 || vault.reserved_units == 0, "units are reserved without a slot");
            ensure!(!VaultAddresses::<T>::get(&who).is_empty(), "a vault has no address");
            ensure!(vault.missed_history & vault.forgiven_history == 0, "a turn was forgiven and counts as missed");
            ensure!(vault.forgiven_history.count_ones() <= FORGIVEN_MAX, "a vault was forgiven too often");
        }
        let addresses = VaultAddresses::<T>::iter_keys().count();
        ensure!(addresses == Vaults::<T>::iter_keys().count(), "addresses belong to no vault");
        Ok(())
    }

    /// Invariant 2: each vault's service key points to it, and none to nobody.
    fn check_keys() -> Check {
        for (who, vault) in Vaults::<T>::iter() {
            ensure!(ServiceKeys::<T>::get(vault.service_key) == Some(who), "a service key is another's");
        }
        ensure!(ServiceKeys::<T>::iter().count() == Vaults::<T>::iter_keys().count(), "a service key is nobody's");
        Ok(())
    }

    /// Invariant 3: each vault has its turn once a period, at its place.
    fn check_places() -> Check {
        let mut found = 0usize;
        for (place, vaults) in Places::<T>::iter() {
            ensure!(place < T::PeriodBlocks::get().max(1), "a place is outside of the period");
            ensure!(!vaults.is_empty(), "a place has an entry and no vaults");
            for who in vaults {
                let vault = Vaults::<T>::get(&who).ok_or("a place is taken by nobody")?;
                ensure!(vault.place_block == place, "a vault has two places");
                found = found.saturating_add(1);
            }
        }
        ensure!(found == Vaults::<T>::iter_keys().count(), "a vault has no place");
        Ok(())
    }

    /// Invariant 4: the index has each vault that can be drawn once, in its classes, without gaps, and counts them.
    fn check_index() -> Check {
        let mut counts: BTreeMap<(u8, u8), u32> = BTreeMap::new();
        for (who, vault) in Vaults::<T>::iter() {
            let classes = vault.position.map(|position| (position.ask_class, position.room_class));
            ensure!(classes == Self::classes_of(&vault), "a vault is in the wrong class");
            let Some(position) = vault.position else { continue };
            let key = (position.ask_class, position.room_class, position.index);
            ensure!(Members::<T>::get(key) == Some(who), "a vault is not where it says");
            let count = counts.entry((position.ask_class, position.room_class)).or_default();
            *count = count.saturating_add(1);
        }
        let members: usize = counts.values().map(|count| *count as usize).sum();
        ensure!(Members::<T>::iter().count() == members, "the index has who can't be drawn");
        let mut used = 0u64;
        for (ask_class, row) in Rows::<T>::iter() {
            used |= 1 << ask_class;
            for (room_class, count) in (0u8..).zip(row.0) {
                let counted = counts.remove(&(ask_class, room_class)).unwrap_or(0);
                ensure!(counted == count, "a class is miscounted");
            }
        }
        ensure!(counts.is_empty() && used == RowsUsed::<T>::get(), "a class is not counted");
        for position in Vaults::<T>::iter_values().filter_map(|vault| vault.position) {
            let row = Rows::<T>::get(position.ask_class);
            let count = row.0.get(usize::from(position.room_class)).copied().unwrap_or(0);
            ensure!(position.index < count, "a class has a gap");
        }
        Ok(())
    }

    /// Invariant 5: what is held of an account is its vault's bond; of nobody else is anything held.
    fn check_bonds() -> Check {
        for who in frame_system::Account::<T>::iter_keys() {
            let bond = Vaults::<T>::get(&who).map_or(0, |vault| vault.bond);
            let held = T::NativeBalance::balance_on_hold(&HoldReason::Bond.into(), &who);
            ensure!(bond == held, "what is held is not the bond");
        }
        for (who, vault) in Vaults::<T>::iter() {
            let exists = vault.bond == 0 || frame_system::Account::<T>::contains_key(&who);
            ensure!(exists, "a bond is of an account that does not exist");
        }
        Ok(())
    }
}
