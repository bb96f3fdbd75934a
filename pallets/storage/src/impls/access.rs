// SPDX-License-Identifier: Apache-2.0

//! Who may read and write a drive, and the keys that this is sealed with.

use crate::{
    Config, Drives, Error, Event, Grant, GrantedTo, Grants, HoldReason, Pallet, PublishedKey, SealingKeys, GRANTS_MAX,
};
use cairn_primitives::storage::{DriveId, GrantInfo, Role, SealedKey};
use frame_support::pallet_prelude::*;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_grant(
        who: T::AccountId,
        id: DriveId,
        account: T::AccountId,
        role: Role,
        until_block: Option<u32>,
        sealed: SealedKey,
    ) -> DispatchResult {
        let mut drive = Self::owned_drive(&who, id)?;
        ensure!(until_block.is_none_or(|until| until >= Self::now()), Error::<T>::GrantExpired);
        let former = Grants::<T>::get(id, &account);
        let from = former.as_ref().map(|grant| grant.info.role);
        let deposit = match former {
            Some(grant) => grant.deposit,
            None => {
                ensure!(drive.grants < GRANTS_MAX, Error::<T>::TooManyGrants);
                let deposit = T::GrantDeposit::get();
                Self::hold(HoldReason::Grant, &who, deposit)?;
                drive.grants = drive.grants.saturating_add(1);
                drive.grant_deposits = drive.grant_deposits.saturating_add(deposit);
                deposit
            },
        };
        let key_generation = drive.key_generation;
        let info = GrantInfo { role, until_block, sealed, key_generation };
        Grants::<T>::insert(id, &account, Grant { info, deposit });
        GrantedTo::<T>::insert(&account, id.to_be_bytes(), ());
        Drives::<T>::insert(id, drive);
        Self::deposit_event(Event::Granted { drive: id, account, from, to: role, until_block, key_generation });
        Ok(())
    }

    pub(crate) fn do_revoke(who: T::AccountId, id: DriveId, account: T::AccountId) -> DispatchResult {
        let mut drive = Self::drive_of(id)?;
        ensure!(drive.owner == who || account == who, Error::<T>::NotOwner);
        let grant = Grants::<T>::take(id, &account).ok_or(Error::<T>::GrantUnknown)?;
        GrantedTo::<T>::remove(&account, id.to_be_bytes());
        Self::give_back(HoldReason::Grant, &drive.owner, grant.deposit);
        drive.grants = drive.grants.saturating_sub(1);
        drive.grant_deposits = drive.grant_deposits.saturating_sub(grant.deposit);
        let from_generation = drive.key_generation;
        let to_generation = from_generation.saturating_add(u32::from(drive.owner == who));
        drive.key_generation = to_generation;
        Drives::<T>::insert(id, drive);
        Self::deposit_event(Event::Revoked { drive: id, account, from_generation, to_generation });
        Ok(())
    }

    pub(crate) fn do_rekey(
        who: T::AccountId,
        id: DriveId,
        all: BoundedVec<(T::AccountId, SealedKey), ConstU32<GRANTS_MAX>>,
    ) -> DispatchResult {
        let drive = Self::owned_drive(&who, id)?;
        for (account, sealed) in all {
            let mut grant = Grants::<T>::get(id, &account).ok_or(Error::<T>::GrantUnknown)?;
            let from_generation = core::mem::replace(&mut grant.info.key_generation, drive.key_generation);
            grant.info.sealed = sealed;
            Grants::<T>::insert(id, &account, grant);
            let to_generation = drive.key_generation;
            Self::deposit_event(Event::Rekeyed { drive: id, account, from_generation, to_generation });
        }
        Ok(())
    }

    pub(crate) fn do_publish_key(who: T::AccountId, key: [u8; 32]) -> DispatchResult {
        let former = SealingKeys::<T>::get(&who);
        let deposit = match former {
            Some(former) => former.deposit,
            None => {
                Self::hold(HoldReason::SealingKey, &who, T::GrantDeposit::get())?;
                T::GrantDeposit::get()
            },
        };
        SealingKeys::<T>::insert(&who, PublishedKey { key, deposit });
        let from = former.map(|former| former.key);
        Self::deposit_event(Event::SealingKeyChanged { who, from, to: Some(key) });
        Ok(())
    }

    pub(crate) fn do_withdraw_key(who: T::AccountId) -> DispatchResult {
        let former = SealingKeys::<T>::take(&who).ok_or(Error::<T>::KeyUnknown)?;
        Self::give_back(HoldReason::SealingKey, &who, former.deposit);
        Self::deposit_event(Event::SealingKeyChanged { who, from: Some(former.key), to: None });
        Ok(())
    }
}
