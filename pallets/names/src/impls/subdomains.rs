// SPDX-License-Identifier: Apache-2.0

use crate::{
    Config, Error, Event, HoldReason, LabelBytes, Names, Pallet, Phase, RegistrationOf, SubdomainInfo, SubdomainInfoOf,
    SubdomainLists, Subdomains, Zones,
};
use cairn_primitives::names::{Label, ZoneKey};
use frame_support::{pallet_prelude::*, sp_runtime::traits::Zero};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_set_subdomain_owner(
        who: T::AccountId,
        label: LabelBytes,
        subdomain: LabelBytes,
        owner: T::AccountId,
    ) -> DispatchResult {
        let (label, subdomain) = (Self::label(&label)?, Self::label(&subdomain)?);
        let mut registration = Self::active(&label)?;
        Self::ensure_editor(&registration, &who)?;
        let from = match Subdomains::<T>::get((&label, &subdomain)) {
            Some(mut info) if info.generation == registration.generation => {
                ensure!(info.owner != owner, Error::<T>::SubdomainUnchanged);
                Self::remove_subdomain_zone(&label, &subdomain, &info)?;
                info.zone_deposit = Zero::zero();
                let from = core::mem::replace(&mut info.owner, owner.clone());
                Subdomains::<T>::insert((&label, &subdomain), info);
                Some(from)
            },
            former => {
                if let Some(dead) = former {
                    Self::remove_subdomain(&label, &subdomain, dead)?;
                }
                Self::add_subdomain(&label, &subdomain, &mut registration, owner.clone())?;
                None
            },
        };
        let event = Event::SubdomainOwnerChanged { label: label.clone(), subdomain, from, to: Some(owner) };
        Self::deposit_event(event);
        Self::put_changed(&label, registration);
        Ok(())
    }

    fn add_subdomain(
        label: &Label,
        subdomain: &Label,
        registration: &mut RegistrationOf<T>,
        owner: T::AccountId,
    ) -> DispatchResult {
        let zone = Zones::<T>::get(ZoneKey { label: label.clone(), subdomain: None });
        let in_the_way = zone.names().any(|name| name.top_label() == Some(subdomain.as_bytes()));
        ensure!(!in_the_way, Error::<T>::SubdomainHasRecords);
        SubdomainLists::<T>::try_mutate(label, |list| {
            let at = list.binary_search(subdomain).unwrap_or_else(|at| at);
            list.try_insert(at, subdomain.clone()).map_err(|_| Error::<T>::TooManySubdomains)
        })?;
        registration.subdomains = registration.subdomains.saturating_add(1);
        let deposit = T::EntryDeposit::get();
        let payer = registration.owner.clone();
        Self::hold(HoldReason::Subdomain, &payer, deposit)?;
        let info =
            SubdomainInfo { owner, generation: registration.generation, payer, deposit, zone_deposit: Zero::zero() };
        Subdomains::<T>::insert((label, subdomain), info);
        Ok(())
    }

    pub(crate) fn do_revoke_subdomain(who: T::AccountId, label: LabelBytes, subdomain: LabelBytes) -> DispatchResult {
        let (label, subdomain) = (Self::label(&label)?, Self::label(&subdomain)?);
        let mut registration = Self::active(&label)?;
        let info = Self::delegation(&label, &subdomain, &registration)?;
        if info.owner != who {
            Self::ensure_editor(&registration, &who)?;
        }
        let from = Some(info.owner.clone());
        Self::unlist(&label, &subdomain, &mut registration);
        Self::remove_subdomain(&label, &subdomain, info)?;
        Self::deposit_event(Event::SubdomainOwnerChanged { label: label.clone(), subdomain, from, to: None });
        Self::put_changed(&label, registration);
        Ok(())
    }

    pub(crate) fn do_purge_subdomain(label: LabelBytes, subdomain: LabelBytes) -> DispatchResult {
        let (label, subdomain) = (Self::label(&label)?, Self::label(&subdomain)?);
        let info = Subdomains::<T>::get((&label, &subdomain)).ok_or(Error::<T>::SubdomainNotFound)?;
        if let Some(mut registration) = Names::<T>::get(&label).filter(|found| found.generation == info.generation) {
            // Its own registration is still stored, but may be over.
            let phase = Self::phase(&registration, Self::now());
            ensure!(matches!(phase, Phase::Premium(_) | Phase::Over), Error::<T>::SubdomainAlive);
            Self::unlist(&label, &subdomain, &mut registration);
            Names::<T>::insert(&label, registration);
        }
        let owner = info.owner.clone();
        Self::remove_subdomain(&label, &subdomain, info)?;
        Self::deposit_event(Event::SubdomainPurged { label, subdomain, owner });
        Ok(())
    }

    /// Takes a subdomain off its registration's list.
    fn unlist(label: &Label, subdomain: &Label, registration: &mut RegistrationOf<T>) {
        SubdomainLists::<T>::mutate_exists(label, |stored| {
            let Some(list) = stored else { return };
            if let Ok(at) = list.binary_search(subdomain) {
                list.remove(at);
            }
            if list.is_empty() {
                *stored = None;
            }
        });
        registration.subdomains = registration.subdomains.saturating_sub(1);
    }

    fn remove_subdomain_zone(label: &Label, subdomain: &Label, info: &SubdomainInfoOf<T>) -> DispatchResult {
        Self::give_back(HoldReason::Zone, &info.owner, info.zone_deposit)?;
        Zones::<T>::remove(ZoneKey { label: label.clone(), subdomain: Some(subdomain.clone()) });
        Ok(())
    }

    /// Removes a delegation and its zone, and gives both deposits back to whoever paid.
    fn remove_subdomain(label: &Label, subdomain: &Label, info: SubdomainInfoOf<T>) -> DispatchResult {
        Self::remove_subdomain_zone(label, subdomain, &info)?;
        Self::give_back(HoldReason::Subdomain, &info.payer, info.deposit)?;
        Subdomains::<T>::remove((label, subdomain));
        Ok(())
    }
}
