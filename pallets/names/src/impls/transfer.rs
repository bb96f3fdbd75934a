// SPDX-License-Identifier: Apache-2.0

use crate::{
    Config, Error, Event, HoldReason, LabelBytes, Names, Pallet, PrimaryName, PrimaryNames, SubdomainLists, Subdomains,
};
use frame_support::pallet_prelude::*;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_propose_transfer(
        who: T::AccountId,
        label: LabelBytes,
        to: Option<T::AccountId>,
    ) -> DispatchResult {
        let label = Self::label(&label)?;
        let mut registration = Self::active(&label)?;
        ensure!(registration.owner == who, Error::<T>::NotAuthorized);
        let from = core::mem::replace(&mut registration.pending_transfer, to.clone());
        Names::<T>::insert(&label, registration);
        Self::deposit_event(Event::TransferProposed { label, from, to });
        Ok(())
    }

    /// Returns the number of delegated subdomains.
    pub(crate) fn do_accept_transfer(who: T::AccountId, label: LabelBytes) -> Result<u32, DispatchError> {
        let label = Self::label(&label)?;
        let mut registration = Self::active(&label)?;
        let to = registration.pending_transfer.take().ok_or(Error::<T>::TransferMissing)?;
        ensure!(to == who, Error::<T>::NotAuthorized);
        let from = core::mem::replace(&mut registration.owner, to.clone());
        registration.manager = None;

        // What was held of the former owner is, in the same amount, held of the new one.
        let shift = |reason: HoldReason, amount| {
            Self::give_back(reason, &from, amount).and_then(|()| Self::hold(reason, &to, amount))
        };
        shift(HoldReason::Zone, registration.zone_deposit)?;
        let subdomains = SubdomainLists::<T>::get(&label);
        for subdomain in &subdomains {
            if let Some(mut info) = Subdomains::<T>::get((&label, subdomain)) {
                shift(HoldReason::Subdomain, info.deposit)?;
                info.payer = to.clone();
                Subdomains::<T>::insert((&label, subdomain), info);
            }
        }
        Self::deposit_event(Event::Transferred { label: label.clone(), from, to });
        // The owner is part of what resolving gives.
        Self::put_changed(&label, registration);
        Ok(subdomains.len() as u32)
    }

    pub(crate) fn do_set_manager(
        who: T::AccountId,
        label: LabelBytes,
        manager: Option<T::AccountId>,
    ) -> DispatchResult {
        let label = Self::label(&label)?;
        let mut registration = Self::active(&label)?;
        ensure!(registration.owner == who, Error::<T>::NotAuthorized);
        let from = core::mem::replace(&mut registration.manager, manager.clone());
        Names::<T>::insert(&label, registration);
        Self::deposit_event(Event::ManagerChanged { label, from, to: manager });
        Ok(())
    }

    pub(crate) fn do_set_primary(who: T::AccountId, label: Option<LabelBytes>) -> DispatchResult {
        let former = PrimaryNames::<T>::get(&who);
        let from = former.as_ref().map(|former| former.label.clone());
        let to = label.as_ref().map(Self::label).transpose()?;
        match &to {
            Some(label) => {
                let registration = Self::active(label)?;
                ensure!(Self::zone_names_account(label, &who), Error::<T>::PrimaryMismatch);
                let deposit = match former {
                    Some(former) => former.deposit,
                    None => {
                        let deposit = T::EntryDeposit::get();
                        Self::hold(HoldReason::PrimaryName, &who, deposit)?;
                        deposit
                    },
                };
                let name = PrimaryName { label: label.clone(), generation: registration.generation, deposit };
                PrimaryNames::<T>::insert(&who, name);
            },
            None => {
                if let Some(former) = former {
                    Self::give_back(HoldReason::PrimaryName, &who, former.deposit)?;
                }
                PrimaryNames::<T>::remove(&who);
            },
        }
        Self::deposit_event(Event::PrimaryNameChanged { who, from, to });
        Ok(())
    }
}
