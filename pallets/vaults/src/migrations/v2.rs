// SPDX-License-Identifier: Apache-2.0

//! Vaults count the slots that they never signed for.
//!
//! # Correctness
//! All vaults change within one block, since the hook of the same block reads them: some 30 us each.

use crate::{Balance, Config, Pallet, Position, Reputation, Vault, Vaults};
use cairn_primitives::storage::VaultStatus;
use codec::{Decode, Encode};
use frame_support::{
    migrations::VersionedMigration, pallet_prelude::*, traits::UncheckedOnRuntimeUpgrade, weights::Weight,
};

/// A vault of version 1.
#[derive(Encode, Decode)]
pub struct OldVault {
    status: VaultStatus,
    paused: bool,
    service_key: [u8; 32],
    capacity_units: u64,
    reserved_units: u64,
    slots: u32,
    ask: Balance,
    bond: Balance,
    place_block: u32,
    reputation: Reputation,
    turns: u32,
    missed_history: u32,
    forgiven_history: u32,
    missed_in_row: u8,
    position: Option<Position>,
}

impl From<OldVault> for Vault {
    fn from(old: OldVault) -> Self {
        Vault {
            status: old.status,
            paused: old.paused,
            service_key: old.service_key,
            capacity_units: old.capacity_units,
            reserved_units: old.reserved_units,
            slots: old.slots,
            ask: old.ask,
            bond: old.bond,
            place_block: old.place_block,
            reputation: old.reputation,
            turns: old.turns,
            missed_history: old.missed_history,
            forgiven_history: old.forgiven_history,
            missed_in_row: old.missed_in_row,
            unsigned_in_row: 0,
            position: old.position,
        }
    }
}

/// What changes; [`MigrateV1ToV2`] sees to it that this is done once.
pub struct Migration<T>(core::marker::PhantomData<T>);

impl<T: Config> UncheckedOnRuntimeUpgrade for Migration<T> {
    fn on_runtime_upgrade() -> Weight {
        let mut changed = 0u64;
        Vaults::<T>::translate::<OldVault, _>(|_, old| {
            changed = changed.saturating_add(1);
            Some(old.into())
        });
        T::DbWeight::get().reads_writes(changed, changed)
    }
}

/// From version 1 to version 2.
pub type MigrateV1ToV2<T> = VersionedMigration<1, 2, Migration<T>, Pallet<T>, <T as frame_system::Config>::DbWeight>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock::*;
    use frame_support::{
        storage::unhashed,
        traits::{OnRuntimeUpgrade, StorageVersion},
    };

    #[test]
    fn vaults_of_version_1_are_what_they_were() {
        ExtBuilder.build_and_execute(|| {
            (1..4).for_each(|number| register(number, 400, 7));
            let before: Vec<_> = crate::Vaults::<Test>::iter().collect();
            for (who, vault) in before.clone() {
                let old = OldVault {
                    status: vault.status,
                    paused: vault.paused,
                    service_key: vault.service_key,
                    capacity_units: vault.capacity_units,
                    reserved_units: vault.reserved_units,
                    slots: vault.slots,
                    ask: vault.ask,
                    bond: vault.bond,
                    place_block: vault.place_block,
                    reputation: vault.reputation,
                    turns: vault.turns,
                    missed_history: vault.missed_history,
                    forgiven_history: vault.forgiven_history,
                    missed_in_row: vault.missed_in_row,
                    position: vault.position,
                };
                unhashed::put_raw(&crate::Vaults::<Test>::hashed_key_for(who), &old.encode());
            }
            StorageVersion::new(1).put::<Pallet<Test>>();
            MigrateV1ToV2::<Test>::on_runtime_upgrade();
            assert_eq!(crate::Vaults::<Test>::iter().collect::<Vec<_>>(), before);
        });
    }
}
