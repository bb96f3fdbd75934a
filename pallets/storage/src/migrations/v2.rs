// SPDX-License-Identifier: Apache-2.0

//! Drives tell whether they wait for a draw of their group; slots tell whether a vault ever accepted their root, how hard it was to
//! find them a vault, what the reserve pays for restoring them, and who says that their vault serves nobody.
//!
//! # Correctness
//! All drives and slots change within one block, since the hook of the same block reads them: some 30 us each. That suits networks
//! of up to a few ten thousand slots, which is what there is.

use crate::{Config, Drive, Drives, LiablePlace, Pallet, Slot, Slots, Unserved};
use cairn_primitives::storage::{Coding, Head, SlotState, Successor, Visibility};
use codec::{Decode, Encode};
use frame_support::{
    migrations::VersionedMigration, pallet_prelude::*, traits::UncheckedOnRuntimeUpgrade, weights::Weight,
};
use pallet_vaults::Balance;

/// A drive of version 1.
#[derive(Encode, Decode)]
pub struct OldDrive<AccountId> {
    owner: AccountId,
    coding: Coding,
    capacity_units: u64,
    price: Balance,
    visibility: Visibility,
    version: u64,
    units: u64,
    trimmed_units: u64,
    head: Head,
    key_generation: u32,
    escrow: Balance,
    rate: Balance,
    since: u32,
    spent: Balance,
    deposit: Balance,
    created_block: u32,
    queued_block: Option<u32>,
    warned: bool,
    healthy: u8,
    refilling: bool,
    grants: u32,
    grant_deposits: Balance,
}

/// A slot of version 1.
#[derive(Encode, Decode)]
pub struct OldSlot<AccountId> {
    vault: Option<AccountId>,
    state: SlotState,
    root: [u8; 32],
    successor: Option<Successor<AccountId>>,
    leaving: bool,
    proven_block: Option<u32>,
    behind_block: Option<u32>,
    disputed: bool,
    place: Option<LiablePlace>,
    queued: bool,
}

impl<AccountId> From<OldDrive<AccountId>> for Drive<AccountId> {
    fn from(old: OldDrive<AccountId>) -> Self {
        Drive {
            owner: old.owner,
            coding: old.coding,
            capacity_units: old.capacity_units,
            price: old.price,
            visibility: old.visibility,
            version: old.version,
            units: old.units,
            trimmed_units: old.trimmed_units,
            head: old.head,
            key_generation: old.key_generation,
            escrow: old.escrow,
            rate: old.rate,
            since: old.since,
            spent: old.spent,
            deposit: old.deposit,
            created_block: old.created_block,
            queued_block: old.queued_block,
            warned: old.warned,
            healthy: old.healthy,
            refilling: old.refilling,
            forming: false,
            redrawn: 0,
            grants: old.grants,
            grant_deposits: old.grant_deposits,
        }
    }
}

impl<AccountId> From<OldSlot<AccountId>> for Slot<AccountId> {
    fn from(old: OldSlot<AccountId>) -> Self {
        // Of a slot that is healthy a vault has accepted the root. Of others it isn't known; of most it was.
        let accepted = old.state != SlotState::Behind;
        Slot {
            vault: old.vault,
            state: old.state,
            root: old.root,
            successor: old.successor,
            leaving: old.leaving,
            proven_block: old.proven_block,
            behind_block: old.behind_block,
            disputed: old.disputed,
            place: old.place,
            queued: old.queued,
            accepted,
            bounty: 0,
            failures: 0,
            not_before: 0,
            former: None,
            unserved: Unserved::default(),
        }
    }
}

/// What changes; [`MigrateV1ToV2`] sees to it that this is done once.
pub struct Migration<T>(core::marker::PhantomData<T>);

impl<T: Config> UncheckedOnRuntimeUpgrade for Migration<T> {
    fn on_runtime_upgrade() -> Weight {
        let mut changed = 0u64;
        let mut count = || changed = changed.saturating_add(1);
        Drives::<T>::translate::<OldDrive<T::AccountId>, _>(|_, old| {
            count();
            Some(old.into())
        });
        Slots::<T>::translate::<OldSlot<T::AccountId>, _>(|_, old| {
            count();
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
    use frame_support::traits::{GetStorageVersion, OnRuntimeUpgrade, StorageVersion};

    #[test]
    fn drives_and_slots_of_version_1_are_what_they_were() {
        ExtBuilder.build_and_execute(|| {
            register(6);
            let id = create(ALICE, Coding::K1);
            commit(ALICE, id, 20);
            let (drive_before, slot_before) = (drive(id), slot(id, 2));
            frame_support::storage::unhashed::put_raw(
                &Drives::<Test>::hashed_key_for(id),
                &as_version_1(&drive_before),
            );
            for number in 0..4 {
                let old = old_slot(slot(id, number));
                frame_support::storage::unhashed::put_raw(
                    &Slots::<Test>::hashed_key_for(at(id, number)),
                    &old.encode(),
                );
            }
            StorageVersion::new(1).put::<Pallet<Test>>();
            MigrateV1ToV2::<Test>::on_runtime_upgrade();
            assert_eq!(Pallet::<Test>::on_chain_storage_version(), 2);
            assert_eq!((drive(id), slot(id, 2)), (drive_before, slot_before));
            // Once is enough.
            MigrateV1ToV2::<Test>::on_runtime_upgrade();
            check();
        });
    }

    /// A drive without what version 2 added.
    fn as_version_1(drive: &Drive<AccountId>) -> Vec<u8> {
        let drive = drive.clone();
        OldDrive {
            owner: drive.owner,
            coding: drive.coding,
            capacity_units: drive.capacity_units,
            price: drive.price,
            visibility: drive.visibility,
            version: drive.version,
            units: drive.units,
            trimmed_units: drive.trimmed_units,
            head: drive.head,
            key_generation: drive.key_generation,
            escrow: drive.escrow,
            rate: drive.rate,
            since: drive.since,
            spent: drive.spent,
            deposit: drive.deposit,
            created_block: drive.created_block,
            queued_block: drive.queued_block,
            warned: drive.warned,
            healthy: drive.healthy,
            refilling: drive.refilling,
            grants: drive.grants,
            grant_deposits: drive.grant_deposits,
        }
        .encode()
    }

    fn old_slot(slot: Slot<AccountId>) -> OldSlot<AccountId> {
        OldSlot {
            vault: slot.vault,
            state: slot.state,
            root: slot.root,
            successor: slot.successor,
            leaving: slot.leaving,
            proven_block: slot.proven_block,
            behind_block: slot.behind_block,
            disputed: slot.disputed,
            place: slot.place,
            queued: slot.queued,
        }
    }
}
