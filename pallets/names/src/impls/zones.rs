// SPDX-License-Identifier: Apache-2.0

use crate::{
    Config, Error, HoldReason, LabelBytes, Pallet, RegistrationOf, SubdomainInfoOf, SubdomainLists, Subdomains, Zones,
};
use cairn_primitives::names::{Label, Zone, ZoneKey};
use frame_support::pallet_prelude::*;

impl<T: Config> Pallet<T> {
    /// Owner and manager may change records and delegations.
    pub(crate) fn ensure_editor(registration: &RegistrationOf<T>, who: &T::AccountId) -> Result<(), Error<T>> {
        let may = registration.owner == *who || registration.manager.as_ref() == Some(who);
        ensure!(may, Error::<T>::NotAuthorized);
        Ok(())
    }

    /// A delegation of this very registration.
    pub(crate) fn delegation(
        label: &Label,
        subdomain: &Label,
        registration: &RegistrationOf<T>,
    ) -> Result<SubdomainInfoOf<T>, Error<T>> {
        Subdomains::<T>::get((label, subdomain))
            .filter(|info| info.generation == registration.generation)
            .ok_or(Error::<T>::SubdomainNotFound)
    }

    pub(crate) fn put_zone(key: ZoneKey, zone: &Zone) {
        if zone.is_empty() {
            Zones::<T>::remove(key);
        } else {
            Zones::<T>::insert(key, zone);
        }
    }

    /// No record of the name's own zone may be at or below a delegated subdomain.
    fn ensure_not_delegated(label: &Label, zone: &Zone) -> Result<(), Error<T>> {
        let delegated = SubdomainLists::<T>::get(label);
        for top in zone.names().filter_map(|name| name.top_label()) {
            let found = delegated.binary_search_by(|subdomain| subdomain.as_bytes().cmp(top));
            ensure!(found.is_err(), Error::<T>::DelegatedHere);
        }
        Ok(())
    }

    /// Changes a name's zone or a delegated subdomain's, and what is held for it.
    pub(crate) fn do_change_zone(
        who: T::AccountId,
        label: LabelBytes,
        subdomain: Option<LabelBytes>,
        change: impl FnOnce(&mut Zone) -> Result<(), Error<T>>,
    ) -> DispatchResult {
        let label = Self::label(&label)?;
        let subdomain = subdomain.as_ref().map(Self::label).transpose()?;
        let mut registration = Self::active(&label)?;
        let key = ZoneKey { label, subdomain };
        match &key.subdomain {
            None => {
                Self::ensure_editor(&registration, &who)?;
                let mut zone = Zones::<T>::get(&key);
                change(&mut zone)?;
                if registration.subdomains > 0 {
                    Self::ensure_not_delegated(&key.label, &zone)?;
                }
                let deposit = Self::zone_deposit(&zone);
                Self::rehold(HoldReason::Zone, &registration.owner, registration.zone_deposit, deposit)?;
                registration.zone_deposit = deposit;
                Self::put_zone(key.clone(), &zone);
            },
            Some(subdomain) => {
                let mut info = Self::delegation(&key.label, subdomain, &registration)?;
                ensure!(info.owner == who, Error::<T>::NotAuthorized);
                let mut zone = Zones::<T>::get(&key);
                change(&mut zone)?;
                let deposit = Self::zone_deposit(&zone);
                Self::rehold(HoldReason::Zone, &info.owner, info.zone_deposit, deposit)?;
                info.zone_deposit = deposit;
                Subdomains::<T>::insert((&key.label, subdomain), info);
                Self::put_zone(key.clone(), &zone);
            },
        }
        Self::put_changed(&key.label, registration);
        Ok(())
    }
}
