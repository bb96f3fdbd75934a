// SPDX-License-Identifier: Apache-2.0

//! What holds in every state between two calls.

use crate::{
    BalanceOf, CommitmentCounts, Commitments, Config, ExpiryQueue, HoldReason, Names, NextGeneration, Pallet,
    PrimaryNames, SubdomainLists, Subdomains, Zones,
};
use alloc::collections::BTreeMap;
use cairn_primitives::names::ZoneKey;
use codec::Encode;
use frame_support::{
    ensure,
    sp_runtime::{traits::Zero, Saturating, TryRuntimeError},
    traits::{fungible::hold::Inspect, Get},
};

type Check = Result<(), TryRuntimeError>;

impl<T: Config> Pallet<T> {
    /// Checks all invariants; each is described at its check.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn do_try_state() -> Check {
        Self::check_registrations()?;
        Self::check_expiry_queue()?;
        Self::check_zones()?;
        Self::check_subdomains()?;
        Self::check_subdomain_lists()?;
        Self::check_commitments()?;
        Self::check_holds()
    }

    /// Invariant 1: a registration ends after it began, its number has been given out, to it alone, and it is in the
    /// expiry queue.
    fn check_registrations() -> Check {
        let mut generations = alloc::collections::BTreeSet::new();
        for (label, registration) in Names::<T>::iter() {
            ensure!(registration.registered_at < registration.expires_at, "a registration ends before it begins");
            ensure!(registration.generation < NextGeneration::<T>::get(), "a registration's number is yet to come");
            ensure!(generations.insert(registration.generation), "two registrations have one number");
            let key = Self::expiry_key(registration.expires_at);
            ensure!(ExpiryQueue::<T>::contains_key(key, &label), "a registration is not in the expiry queue");
        }
        Ok(())
    }

    /// Invariant 2: the expiry queue holds each registration once, and nothing else.
    fn check_expiry_queue() -> Check {
        ensure!(ExpiryQueue::<T>::iter_keys().count() == Names::<T>::iter_keys().count(), "the expiry queue is off");
        let mut before = [0; 8];
        for (key, _) in ExpiryQueue::<T>::iter_keys() {
            ensure!(before <= key, "the expiry queue is not in order");
            before = key;
        }
        Ok(())
    }

    /// Invariant 3: a zone is valid, not empty, and a name's or a delegation's; a deposit for one means that there is one.
    fn check_zones() -> Check {
        let mut zones = 0usize;
        for key in Zones::<T>::iter_keys() {
            let zone = Zones::<T>::try_get(&key).map_err(|()| "a zone does not decode")?;
            ensure!(zone.check().is_ok() && !zone.is_empty(), "a zone is empty or not valid");
            let owned = match &key.subdomain {
                None => Names::<T>::contains_key(&key.label),
                Some(subdomain) => Subdomains::<T>::contains_key((&key.label, subdomain)),
            };
            ensure!(owned, "a zone belongs to nothing");
            zones = zones.saturating_add(1);
        }
        let own = Names::<T>::iter().filter(|(_, registration)| !registration.zone_deposit.is_zero()).count();
        let delegated = Subdomains::<T>::iter().filter(|(_, info)| !info.zone_deposit.is_zero()).count();
        ensure!(own.saturating_add(delegated) <= zones, "a deposit is held for a zone that isn't there");
        Ok(())
    }

    /// Invariant 4: a delegation of a stored registration is on its list, and its payer is the name's owner.
    fn check_subdomains() -> Check {
        for ((label, subdomain), info) in Subdomains::<T>::iter() {
            ensure!(info.generation < NextGeneration::<T>::get(), "a delegation's registration is yet to come");
            let registration = Names::<T>::get(&label).filter(|found| found.generation == info.generation);
            if let Some(registration) = registration {
                ensure!(info.payer == registration.owner, "a delegation is paid by someone else");
                let listed = SubdomainLists::<T>::get(&label).binary_search(&subdomain).is_ok();
                ensure!(listed, "a delegation is not on its list");
            }
        }
        Ok(())
    }

    /// Invariant 5: a list of delegations is a registration's, as long as this one says, not empty, sorted, names only
    /// what is delegated under it, and the name's own zone has no records there.
    fn check_subdomain_lists() -> Check {
        for (label, list) in SubdomainLists::<T>::iter() {
            let registration = Names::<T>::get(&label).ok_or("a list of delegations belongs to nothing")?;
            ensure!(!list.is_empty() && list.windows(2).all(|pair| pair[0] < pair[1]), "a list is not in order");
            let own = Zones::<T>::get(ZoneKey { label: label.clone(), subdomain: None });
            for subdomain in &list {
                let info = Subdomains::<T>::get((&label, subdomain)).ok_or("a listed delegation is missing")?;
                ensure!(info.generation == registration.generation, "a listed delegation is dead");
                let below = own.names().any(|name| name.top_label() == Some(subdomain.as_bytes()));
                ensure!(!below, "a name's own zone has records of a delegated subdomain");
            }
        }
        for (label, registration) in Names::<T>::iter() {
            let listed = SubdomainLists::<T>::get(&label).len() as u32;
            ensure!(listed == registration.subdomains, "a registration miscounts its delegations");
        }
        Ok(())
    }

    /// Invariant 6: open commitments are counted, none of them more than allowed.
    fn check_commitments() -> Check {
        let mut counts = BTreeMap::new();
        for (who, _, _) in Commitments::<T>::iter() {
            let count: &mut u32 = counts.entry(who).or_default();
            *count = count.saturating_add(1);
        }
        let stored: BTreeMap<T::AccountId, u32> = CommitmentCounts::<T>::iter().collect();
        ensure!(counts == stored, "commitments are miscounted");
        ensure!(counts.values().all(|count| *count <= T::CommitmentsMax::get()), "too many commitments");
        Ok(())
    }

    /// Invariant 7: what is held of each account, for each reason, is what the storage says; of nobody else is
    /// anything held.
    fn check_holds() -> Check {
        let mut held: BTreeMap<(T::AccountId, alloc::vec::Vec<u8>), BalanceOf<T>> = BTreeMap::new();
        let mut add = |who: T::AccountId, reason: HoldReason, amount: BalanceOf<T>| {
            let sum = held.entry((who, reason.encode())).or_insert_with(Zero::zero);
            *sum = sum.saturating_add(amount);
        };
        for (who, _, commitment) in Commitments::<T>::iter() {
            add(who, HoldReason::Commitment, commitment.deposit);
        }
        for registration in Names::<T>::iter_values() {
            add(registration.owner, HoldReason::Zone, registration.zone_deposit);
        }
        for info in Subdomains::<T>::iter_values() {
            add(info.owner, HoldReason::Zone, info.zone_deposit);
            add(info.payer, HoldReason::Subdomain, info.deposit);
        }
        for (who, primary) in PrimaryNames::<T>::iter() {
            add(who, HoldReason::PrimaryName, primary.deposit);
        }
        let reasons = [HoldReason::Commitment, HoldReason::Zone, HoldReason::Subdomain, HoldReason::PrimaryName];
        for who in frame_system::Account::<T>::iter_keys() {
            for reason in reasons {
                let said = held.remove(&(who.clone(), reason.encode())).unwrap_or_else(Zero::zero);
                let is = T::NativeBalance::balance_on_hold(&reason.into(), &who);
                ensure!(said == is, "what is held is not what the storage says");
            }
        }
        ensure!(held.values().all(Zero::is_zero), "something is held of an account that does not exist");
        Ok(())
    }
}
