// SPDX-License-Identifier: Apache-2.0

//! What the runtime API answers.

use crate::{BalanceOf, Config, Names, Pallet, Phase, PrimaryNames, SubdomainLists, Zones};
use alloc::vec::Vec;
use cairn_primitives::names::{rr, Label, RelativeName, ResolvedName, ResolvedZone, ZoneKey};
use codec::Encode;
use frame_support::sp_runtime::{traits::UniqueSaturatedInto, Saturating};

/// Names that are given at once.
pub const NAMES_PER_PAGE_MAX: u32 = 256;
/// Bytes after which a page ends. A single name has a quarter of this at most: 65 zones of 4 KiB.
const PAGE_BYTES: usize = 1024 * 1024;

impl<T: Config> Pallet<T> {
    /// Everything a resolver needs of a name; none when the label isn't registered, or its grace is over.
    pub fn resolve(label: &[u8]) -> Option<ResolvedName<T::AccountId>> {
        let label = Label::try_from(label).ok()?;
        let registration = Names::<T>::get(&label)?;
        if !matches!(Self::phase(&registration, Self::now()), Phase::Active | Phase::Grace) {
            return None;
        }
        let zones = Self::zone_keys(label)
            .map(|key| ResolvedZone { zone: Zones::<T>::get(&key), subdomain: key.subdomain })
            .collect();
        Some(ResolvedName {
            expires_at_block: registration.expires_at.unique_saturated_into(),
            grace_until_block: Self::grace_until(&registration).unique_saturated_into(),
            owner: registration.owner,
            generation: registration.generation,
            version: registration.version,
            zones,
        })
    }

    /// Keys of the storage values that [`Self::resolve`]'s answer follows from, absent ones as well: the registration,
    /// the list of its delegated subdomains, the name's zone and theirs. None at all for what is not a label.
    pub fn proof_keys(label: &[u8]) -> Vec<Vec<u8>> {
        let Ok(label) = Label::try_from(label) else { return Vec::new() };
        let mut keys = alloc::vec![Names::<T>::hashed_key_for(&label), SubdomainLists::<T>::hashed_key_for(&label)];
        keys.extend(Self::zone_keys(label).map(Zones::<T>::hashed_key_for));
        keys
    }

    /// The name's own zone and those of its delegated subdomains.
    fn zone_keys(label: Label) -> impl Iterator<Item = ZoneKey> {
        let subdomains = SubdomainLists::<T>::get(&label).into_iter().map(Some);
        core::iter::once(None).chain(subdomains).map(move |subdomain| ZoneKey { label: label.clone(), subdomain })
    }

    /// What registering a name for so many years costs now, premium included; none when it can't be registered by
    /// anyone, or the term is out of bounds.
    pub fn price(label: &[u8], years: u8) -> Option<BalanceOf<T>> {
        let label = Label::try_from(label).ok()?;
        Self::ensure_term(years).ok()?;
        Self::ensure_open(&label, None).ok()?;
        let premium = Self::premium_now(&label, Names::<T>::get(&label).as_ref()).ok()?;
        Some(Self::term_price(&label, years).saturating_add(premium))
    }

    /// What renewing a name for so many years costs; none when there is no such name, or the term is out of bounds.
    pub fn renewal_price(label: &[u8], years: u8) -> Option<BalanceOf<T>> {
        let label = Label::try_from(label).ok()?;
        Self::ensure_term(years).ok()?;
        let registration = Names::<T>::get(&label)?;
        matches!(Self::phase(&registration, Self::now()), Phase::Active | Phase::Grace)
            .then(|| Self::term_price(&label, years))
    }

    /// Names from behind `after` on, in the order of the state, each with what [`Self::resolve`] gives: at most `limit` of
    /// them, at most [`NAMES_PER_PAGE_MAX`], and no more once they take a megabyte. Empty after the last.
    pub fn names_after(after: Option<&[u8]>, limit: u32) -> Vec<(Label, Option<ResolvedName<T::AccountId>>)> {
        let limit = limit.min(NAMES_PER_PAGE_MAX) as usize;
        let names = match after {
            None => Names::<T>::iter_keys(),
            Some(after) => match Label::try_from(after) {
                Ok(after) => Names::<T>::iter_keys_from(Names::<T>::hashed_key_for(&after)),
                Err(_) => return Vec::new(),
            },
        };
        let mut page = Vec::new();
        let mut bytes = 0;
        for label in names.take(limit) {
            let resolved = Self::resolve(label.as_bytes());
            bytes += resolved.encoded_size();
            page.push((label, resolved));
            if bytes >= PAGE_BYTES {
                break;
            }
        }
        page
    }

    /// The label that an account goes by: the account says so, and under the same registration, still within its term,
    /// the name's zone says so, too.
    pub fn primary_of(who: &T::AccountId) -> Option<Label> {
        let primary = PrimaryNames::<T>::get(who)?;
        let registration = Self::active(&primary.label).ok()?;
        let holds = registration.generation == primary.generation && Self::zone_names_account(&primary.label, who);
        holds.then_some(primary.label)
    }

    /// Whether a name's zone has an `ACCOUNT` record of `who` at its apex.
    pub(crate) fn zone_names_account(label: &Label, who: &T::AccountId) -> bool {
        let zone = Zones::<T>::get(ZoneKey { label: label.clone(), subdomain: None });
        let set = zone.get(&RelativeName::apex(), rr::ACCOUNT);
        who.using_encoded(|account| set.is_some_and(|set| set.rdata.iter().any(|data| data[..] == *account)))
    }
}
