// SPDX-License-Identifier: Apache-2.0

use crate::{
    price_factor, BalanceOf, Commitment, CommitmentCounts, CommitmentHash, Commitments, Config, Error, Event,
    ExpiryKey, ExpiryQueue, HoldReason, LabelBytes, Names, NextGeneration, Pallet, Phase, Records, Registration,
    RegistrationOf, Reservation, Reserved, SubdomainLists, WeightInfo, Zones, OPEN_LABEL_BYTES_MIN, PREMIUM_HALVINGS,
    PREMIUM_YEARS, TERM_YEARS_MAX,
};
use cairn_primitives::names::{commitment_hash, records_hash, Label, Zone, ZoneKey};
use frame_support::{
    pallet_prelude::*,
    sp_runtime::{
        traits::{CheckedDiv, UniqueSaturatedInto, Zero},
        Perbill, Saturating,
    },
    weights::WeightMeter,
};
use frame_system::pallet_prelude::BlockNumberFor;

impl<T: Config> Pallet<T> {
    pub(crate) fn now() -> BlockNumberFor<T> {
        frame_system::Pallet::<T>::block_number()
    }

    pub(crate) fn label(bytes: &LabelBytes) -> Result<Label, Error<T>> {
        Label::try_from(bytes.as_slice()).map_err(|_| Error::<T>::LabelInvalid)
    }

    pub(crate) fn expiry_key(at: BlockNumberFor<T>) -> ExpiryKey {
        UniqueSaturatedInto::<u64>::unique_saturated_into(at).to_be_bytes()
    }

    /// First block after grace.
    pub(crate) fn grace_until(registration: &RegistrationOf<T>) -> BlockNumberFor<T> {
        registration.expires_at.saturating_add(T::GraceBlocks::get())
    }

    /// Where a registration is in its life: the one place that compares block numbers.
    pub(crate) fn phase(registration: &RegistrationOf<T>, now: BlockNumberFor<T>) -> Phase<BlockNumberFor<T>> {
        let grace_until = Self::grace_until(registration);
        if now < registration.expires_at {
            Phase::Active
        } else if now < grace_until {
            Phase::Grace
        } else {
            let since = now.saturating_sub(grace_until);
            if since < T::PremiumHalvingBlocks::get().saturating_mul(PREMIUM_HALVINGS.into()) {
                Phase::Premium(since)
            } else {
                Phase::Over
            }
        }
    }

    /// A registration within its term: what can be changed.
    pub(crate) fn active(label: &Label) -> Result<RegistrationOf<T>, Error<T>> {
        let registration = Names::<T>::get(label).ok_or(Error::<T>::NameNotFound)?;
        match Self::phase(&registration, Self::now()) {
            Phase::Active => Ok(registration),
            Phase::Grace => Err(Error::<T>::InGrace),
            Phase::Premium(_) | Phase::Over => Err(Error::<T>::NameNotFound),
        }
    }

    /// Stores a registration of which something changed that a resolver answers.
    pub(crate) fn put_changed(label: &Label, mut registration: RegistrationOf<T>) {
        // A resolver compares versions for being another, so that they may wrap.
        registration.version = registration.version.wrapping_add(1);
        Names::<T>::insert(label, &registration);
        Self::deposit_event(Event::ZoneChanged { label: label.clone(), version: registration.version });
    }

    /// What `years` of a label cost, without premium. Saturates: nobody can pay that.
    pub(crate) fn term_price(label: &Label, years: u8) -> BalanceOf<T> {
        T::PricePerYear::get().saturating_mul(price_factor(label).into()).saturating_mul(u32::from(years).into())
    }

    /// What a label costs on top so many blocks after the end of grace: [`PREMIUM_YEARS`] yearly prices at first, half as
    /// much a day later and so on, falling evenly within each day; nothing after [`PREMIUM_HALVINGS`] days.
    pub(crate) fn premium(label: &Label, since: BlockNumberFor<T>) -> BalanceOf<T> {
        let halving = T::PremiumHalvingBlocks::get();
        let Some(halvings) = since.checked_div(&halving) else { return Zero::zero() };
        let into = since.saturating_sub(halvings.saturating_mul(halving));
        let halvings: u32 = halvings.unique_saturated_into();
        if halvings >= PREMIUM_HALVINGS {
            return Zero::zero();
        }
        let start = Self::term_price(label, 1).saturating_mul(PREMIUM_YEARS.into()) / (1u32 << halvings).into();
        let fall = start / 2u32.into();
        let (into, halving): (u64, u64) = (into.unique_saturated_into(), halving.unique_saturated_into());
        start.saturating_sub(Perbill::from_rational(into, halving).mul_floor(fall))
    }

    pub(crate) fn do_commit(who: T::AccountId, hash: CommitmentHash) -> DispatchResult {
        ensure!(!Commitments::<T>::contains_key(&who, hash), Error::<T>::CommitmentExists);
        let count = CommitmentCounts::<T>::get(&who);
        ensure!(count < T::CommitmentsMax::get(), Error::<T>::TooManyCommitments);
        let deposit = T::CommitmentDeposit::get();
        Self::hold(HoldReason::Commitment, &who, deposit)?;
        CommitmentCounts::<T>::insert(&who, count.saturating_add(1));
        Commitments::<T>::insert(&who, hash, Commitment { committed_at: Self::now(), deposit });
        Self::deposit_event(Event::Committed { who, hash });
        Ok(())
    }

    fn age(commitment: &Commitment<BalanceOf<T>, BlockNumberFor<T>>) -> BlockNumberFor<T> {
        Self::now().saturating_sub(commitment.committed_at)
    }

    fn remove_commitment(who: &T::AccountId, hash: &CommitmentHash, deposit: BalanceOf<T>) -> DispatchResult {
        Commitments::<T>::remove(who, hash);
        CommitmentCounts::<T>::mutate_exists(who, |count| {
            *count = count.and_then(|count| count.checked_sub(1)).filter(|count| *count > 0);
        });
        Self::give_back(HoldReason::Commitment, who, deposit)
    }

    pub(crate) fn do_purge_commitment(who: T::AccountId, hash: CommitmentHash) -> DispatchResult {
        let commitment = Commitments::<T>::get(&who, hash).ok_or(Error::<T>::CommitmentMissing)?;
        ensure!(Self::age(&commitment) > T::CommitmentAgeMaxBlocks::get(), Error::<T>::CommitmentOpen);
        Self::remove_commitment(&who, &hash, commitment.deposit)?;
        Self::deposit_event(Event::CommitmentPurged { who, hash });
        Ok(())
    }

    /// Hash of block 0, which is never forgotten.
    pub(crate) fn genesis() -> [u8; 32] {
        let hash = frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero());
        let mut genesis = [0; 32];
        for (to, from) in genesis.iter_mut().zip(hash.as_ref()) {
            *to = *from;
        }
        genesis
    }

    /// Whether `who` may register a label, as far as governance says.
    pub(crate) fn ensure_open(label: &Label, who: Option<&T::AccountId>) -> Result<(), Error<T>> {
        match Reserved::<T>::get(label) {
            Some(Reservation::For(account)) if who.is_none_or(|who| *who == account) => Ok(()),
            Some(_) => Err(Error::<T>::LabelReserved),
            None if label.as_bytes().len() < OPEN_LABEL_BYTES_MIN => Err(Error::<T>::LabelShort),
            None => Ok(()),
        }
    }

    pub(crate) fn ensure_term(years: u8) -> Result<(), Error<T>> {
        ensure!(years > 0, Error::<T>::TermEmpty);
        ensure!(years <= TERM_YEARS_MAX, Error::<T>::TermTooLong);
        Ok(())
    }

    /// The premium a name costs now.
    ///
    /// # Errors
    /// `NotAvailable` or `InGrace` when it can't be registered.
    pub(crate) fn premium_now(
        label: &Label,
        registration: Option<&RegistrationOf<T>>,
    ) -> Result<BalanceOf<T>, Error<T>> {
        match registration.map(|registration| Self::phase(registration, Self::now())) {
            Some(Phase::Active) => Err(Error::<T>::NotAvailable),
            Some(Phase::Grace) => Err(Error::<T>::InGrace),
            Some(Phase::Premium(since)) => Ok(Self::premium(label, since)),
            Some(Phase::Over) | None => Ok(Zero::zero()),
        }
    }

    pub(crate) fn do_register(
        who: T::AccountId,
        label: LabelBytes,
        years: u8,
        salt: [u8; 32],
        records: Records,
        max_price: BalanceOf<T>,
    ) -> DispatchResult {
        let label = Self::label(&label)?;
        Self::ensure_term(years)?;
        let zone = Zone::from_sets(records.into_inner()).map_err(Error::<T>::from)?;

        let hash = commitment_hash(&Self::genesis(), &label, &who, years, &salt, &records_hash(&zone));
        let commitment = Commitments::<T>::get(&who, hash).ok_or(Error::<T>::CommitmentMissing)?;
        ensure!(Self::age(&commitment) >= T::CommitmentAgeMinBlocks::get(), Error::<T>::CommitmentTooNew);
        ensure!(Self::age(&commitment) <= T::CommitmentAgeMaxBlocks::get(), Error::<T>::CommitmentTooOld);

        Self::ensure_open(&label, Some(&who))?;
        let former = Names::<T>::get(&label);
        let premium = Self::premium_now(&label, former.as_ref())?;
        let price = Self::term_price(&label, years).saturating_add(premium);
        ensure!(price <= max_price, Error::<T>::PriceAboveMax);

        Self::remove_commitment(&who, &hash, commitment.deposit)?;
        if let Some(former) = former {
            let owner = Self::end(&label, former)?;
            Self::deposit_event(Event::Purged { label: label.clone(), owner });
        }
        Self::pay(&who, price)?;

        let generation = NextGeneration::<T>::get();
        NextGeneration::<T>::put(generation.checked_add(1).ok_or(Error::<T>::GenerationsExhausted)?);
        let zone_deposit = Self::zone_deposit(&zone);
        Self::hold(HoldReason::Zone, &who, zone_deposit)?;
        let now = Self::now();
        let expires_at = now.saturating_add(T::YearBlocks::get().saturating_mul(u32::from(years).into()));
        Self::put_zone(ZoneKey { label: label.clone(), subdomain: None }, &zone);
        ExpiryQueue::<T>::insert(Self::expiry_key(expires_at), &label, ());
        Self::deposit_event(Event::Registered { label: label.clone(), owner: who.clone(), expires_at, price });
        Self::put_changed(
            &label,
            Registration {
                owner: who,
                manager: None,
                pending_transfer: None,
                registered_at: now,
                expires_at,
                generation,
                version: 0,
                zone_deposit,
                subdomains: 0,
            },
        );
        Ok(())
    }

    pub(crate) fn do_renew(who: T::AccountId, label: LabelBytes, years: u8, max_price: BalanceOf<T>) -> DispatchResult {
        let label = Self::label(&label)?;
        Self::ensure_term(years)?;
        let mut registration = Names::<T>::get(&label).ok_or(Error::<T>::NameNotFound)?;
        let now = Self::now();
        match Self::phase(&registration, now) {
            Phase::Active => {},
            Phase::Grace => ensure!(registration.owner == who, Error::<T>::InGrace),
            Phase::Premium(_) | Phase::Over => return Err(Error::<T>::NameNotFound.into()),
        }
        let year = T::YearBlocks::get();
        let expired_at = registration.expires_at;
        let expires_at = expired_at.saturating_add(year.saturating_mul(u32::from(years).into()));
        let furthest = now.saturating_add(year.saturating_mul(u32::from(TERM_YEARS_MAX).into()));
        ensure!(expires_at <= furthest, Error::<T>::TermTooLong);
        let price = Self::term_price(&label, years);
        ensure!(price <= max_price, Error::<T>::PriceAboveMax);
        Self::pay(&who, price)?;
        ExpiryQueue::<T>::remove(Self::expiry_key(expired_at), &label);
        ExpiryQueue::<T>::insert(Self::expiry_key(expires_at), &label, ());
        registration.expires_at = expires_at;
        Self::deposit_event(Event::Renewed { label: label.clone(), by: who, expired_at, expires_at, price });
        Self::put_changed(&label, registration);
        Ok(())
    }

    pub(crate) fn do_release(who: T::AccountId, label: LabelBytes) -> DispatchResult {
        let label = Self::label(&label)?;
        let registration = Names::<T>::get(&label).ok_or(Error::<T>::NameNotFound)?;
        // Not after grace: the premium is not the former owner's to lift.
        let phase = Self::phase(&registration, Self::now());
        ensure!(matches!(phase, Phase::Active | Phase::Grace), Error::<T>::NameNotFound);
        ensure!(registration.owner == who, Error::<T>::NotAuthorized);
        let owner = Self::end(&label, registration)?;
        Self::deposit_event(Event::Released { label, owner });
        Ok(())
    }

    pub(crate) fn do_purge_expired(label: LabelBytes) -> DispatchResult {
        let label = Self::label(&label)?;
        let mut registration = Names::<T>::get(&label).ok_or(Error::<T>::NameNotFound)?;
        let owner = match Self::phase(&registration, Self::now()) {
            Phase::Active | Phase::Grace => return Err(Error::<T>::NotOver.into()),
            Phase::Over => Self::end(&label, registration)?,
            Phase::Premium(_) => {
                let key = ZoneKey { label: label.clone(), subdomain: None };
                ensure!(Zones::<T>::contains_key(&key), Error::<T>::NothingToPurge);
                Zones::<T>::remove(&key);
                Self::give_back(HoldReason::Zone, &registration.owner, registration.zone_deposit)?;
                registration.zone_deposit = Zero::zero();
                let owner = registration.owner.clone();
                Self::put_changed(&label, registration);
                owner
            },
        };
        Self::deposit_event(Event::Purged { label, owner });
        Ok(())
    }

    /// Removes a registration and its zone, and says whose it was. What is left of its subdomains is dead.
    pub(crate) fn end(label: &Label, registration: RegistrationOf<T>) -> Result<T::AccountId, DispatchError> {
        Self::give_back(HoldReason::Zone, &registration.owner, registration.zone_deposit)?;
        Zones::<T>::remove(ZoneKey { label: label.clone(), subdomain: None });
        SubdomainLists::<T>::remove(label);
        ExpiryQueue::<T>::remove(Self::expiry_key(registration.expires_at), label);
        Names::<T>::remove(label);
        let version = registration.version.wrapping_add(1);
        Self::deposit_event(Event::ZoneChanged { label: label.clone(), version });
        Ok(registration.owner)
    }

    /// Removes what is over, premium included, from the front of the queue: at most [`Config::PurgesPerBlockMax`]
    /// registrations, as `limit` allows. Returns what it used.
    pub(crate) fn do_purge_due(now: BlockNumberFor<T>, limit: Weight) -> Weight {
        let mut meter = WeightMeter::with_limit(limit);
        if meter.try_consume(T::WeightInfo::on_idle_base()).is_err() {
            return meter.consumed();
        }
        for _ in 0..T::PurgesPerBlockMax::get() {
            if !meter.can_consume(T::WeightInfo::on_idle_purge()) {
                break;
            }
            let Some((key, label)) = ExpiryQueue::<T>::iter_keys().next() else { break };
            let registration = Names::<T>::get(&label);
            if registration.as_ref().is_some_and(|found| Self::phase(found, now) != Phase::Over) {
                break;
            }
            meter.consume(T::WeightInfo::on_idle_purge());
            // Out of the queue first: whatever happens below, the next one has its turn.
            ExpiryQueue::<T>::remove(key, &label);
            let Some(registration) = registration else {
                frame_support::defensive!("the queue holds what is registered");
                continue;
            };
            match Self::end(&label, registration) {
                Ok(owner) => Self::deposit_event(Event::Purged { label, owner }),
                Err(_) => {
                    frame_support::defensive!("what is held can be given back");
                },
            }
        }
        meter.consumed()
    }

    pub(crate) fn do_force_reserve(
        label: LabelBytes,
        reservation: Option<Reservation<T::AccountId>>,
    ) -> DispatchResult {
        let label = Self::label(&label)?;
        let from = Reserved::<T>::get(&label);
        Reserved::<T>::set(&label, reservation.clone());
        Self::deposit_event(Event::ReservationChanged { label, from, to: reservation });
        Ok(())
    }
}
