// SPDX-License-Identifier: Apache-2.0

//! # Names: who owns which `.cairn` name, until when, and what its zone holds
//!
//! ## A name's life
//! 1. **Claim.** [`Call::commit`] stores a hash that hides label, owner, term and records. Once it is old enough, the same
//!    account calls [`Call::register`] with what was hidden. A claim seen at this point can't be copied: the hash binds its
//!    owner, and a new commitment would have to grow old first.
//! 2. **Term.** The owner (or a manager of the owner's choice) changes records; anyone may pay for more years.
//! 3. **Grace.** After the term nothing can be changed, and only the owner can renew.
//! 4. **Premium.** After grace the registration is over for good. Anyone may register the name anew, at first for
//!    [`PREMIUM_YEARS`] yearly prices on top, which halve with every day and are gone after [`PREMIUM_HALVINGS`]: so a
//!    name goes to whom it is worth most, not to whose machine was quickest in the first block.
//!
//! ## Zones
//! All records of a name are one storage value ([`Zones`]), a [`Zone`] that can be served as it is: each rule is
//! checked in the call, with one error each. A subdomain can be delegated to another account ([`Subdomains`]); it then has
//! its own zone, which its owner pays for, until it is revoked or the registration above it is over.
//!
//! ## Money
//! Prices go to [`Config::Treasury`]. Everything stored is paid for by a hold ([`HoldReason`]) that comes back when it
//! is removed: commitments and zones, delegations, primary names. The stored amounts are what was held, so that changed
//! deposits apply to what is stored from then on.
//!
//! ## Properties
//! - Who owns a name at a block depends on that block's number and on [`Names`] alone: not on the expiry queue having run,
//!   nor on anyone having purged.
//! - Everything held for a reason of this pallet is accounted for in its storage, to the unit.
//! - Every zone in the state is valid, and none is empty.
//! - Everything is bounded: commitments by account, records by zone, delegations by name, work by block.
//! - Each change of what a resolver would answer is a [`Event::ZoneChanged`].
//!
//! `invariants.rs` checks what of this can be seen in a state. `DESIGN.md` says why things are as they are, and what is
//! not defended.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

mod impls {
    mod holds;
    mod reading;
    mod registration;
    mod subdomains;
    mod transfer;
    mod zones;
}
#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod invariants;
pub mod migrations;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod types;
pub mod weights;

use cairn_primitives::names::Zone;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use cairn_primitives::names::{Label, RelativeName, RrSet, ZoneError, ZoneKey, SUBDOMAINS_MAX};
    use frame_support::{
        pallet_prelude::*,
        sp_runtime::traits::Zero,
        traits::fungible::{hold, Inspect, Mutate},
    };
    use frame_system::pallet_prelude::*;

    /// Version of the storage's layout; see [`crate::migrations`].
    pub const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The runtime's hold reasons.
        type RuntimeHoldReason: From<HoldReason>;

        /// The native coin: prices and deposits.
        type NativeBalance: Inspect<Self::AccountId>
            + Mutate<Self::AccountId>
            + hold::Inspect<Self::AccountId, Reason = Self::RuntimeHoldReason>
            + hold::Mutate<Self::AccountId, Reason = Self::RuntimeHoldReason>;

        /// Who reserves labels, the short ones among them.
        type GovernanceOrigin: EnsureOrigin<Self::RuntimeOrigin>;

        /// Where prices go. The account should exist, or a price below the existential deposit can't be paid.
        type Treasury: Get<Self::AccountId>;

        /// What a label of 5 bytes and more costs a year; shorter ones cost [`price_factor`] times as much.
        type PricePerYear: Get<BalanceOf<Self>>;

        /// Held for an open commitment.
        #[pallet::constant]
        type CommitmentDeposit: Get<BalanceOf<Self>>;

        /// Held for a zone that isn't empty.
        #[pallet::constant]
        type ZoneDepositBase: Get<BalanceOf<Self>>;

        /// Held for each byte of a zone, as [`Zone::bytes`] counts them.
        #[pallet::constant]
        type ZoneDepositPerByte: Get<BalanceOf<Self>>;

        /// Held for a delegation, and for a primary name.
        #[pallet::constant]
        type EntryDeposit: Get<BalanceOf<Self>>;

        /// Open commitments of one account.
        #[pallet::constant]
        type CommitmentsMax: Get<u32>;

        /// Blocks between commitment and registration at least (a minute): what a copier would be behind.
        #[pallet::constant]
        type CommitmentAgeMinBlocks: Get<BlockNumberFor<Self>>;

        /// Blocks for which a commitment serves (a day).
        #[pallet::constant]
        type CommitmentAgeMaxBlocks: Get<BlockNumberFor<Self>>;

        /// Blocks in a year; more than grace has.
        #[pallet::constant]
        type YearBlocks: Get<BlockNumberFor<Self>>;

        /// Blocks of grace (28 days).
        #[pallet::constant]
        type GraceBlocks: Get<BlockNumberFor<Self>>;

        /// Blocks in which the premium halves (a day); at least 1.
        #[pallet::constant]
        type PremiumHalvingBlocks: Get<BlockNumberFor<Self>>;

        /// Registrations that a block removes at most.
        #[pallet::constant]
        type PurgesPerBlockMax: Get<u32>;

        /// Weights of the calls.
        type WeightInfo: WeightInfo;
    }

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What is held for what.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// An open commitment.
        Commitment,
        /// The records of a name or of a delegated subdomain.
        Zone,
        /// A delegation.
        Subdomain,
        /// A primary name.
        PrimaryName,
    }

    /// Who has which name, until when. An entry stays until it is purged; the block number says what it is worth.
    #[pallet::storage]
    pub type Names<T: Config> = StorageMap<_, Blake2_128Concat, Label, RegistrationOf<T>>;

    /// The records of names and of delegated subdomains; no entry means no records.
    #[pallet::storage]
    pub type Zones<T: Config> = StorageMap<_, Blake2_128Concat, ZoneKey, Zone, ValueQuery>;

    /// Delegated subdomains: of a label, this one. Dead ones, too, until they are purged.
    #[pallet::storage]
    pub type Subdomains<T: Config> = StorageMap<_, Blake2_128Concat, (Label, Label), SubdomainInfoOf<T>>;

    /// The delegated subdomains of each registration, sorted.
    #[pallet::storage]
    pub type SubdomainLists<T: Config> =
        StorageMap<_, Blake2_128Concat, Label, BoundedVec<Label, ConstU32<SUBDOMAINS_MAX>>, ValueQuery>;

    /// Open commitments.
    #[pallet::storage]
    pub type Commitments<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Blake2_128Concat, CommitmentHash, CommitmentOf<T>>;

    /// Number of open commitments of each account.
    #[pallet::storage]
    pub type CommitmentCounts<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u32, ValueQuery>;

    /// All registrations by block of expiry. Keys are big-endian and unhashed, so that the first key is the first due.
    #[pallet::storage]
    pub type ExpiryQueue<T: Config> = StorageDoubleMap<_, Identity, ExpiryKey, Blake2_128Concat, Label, ()>;

    /// The name that each account goes by. Valid only if the zone agrees: read it by [`Pallet::primary_of`].
    #[pallet::storage]
    pub type PrimaryNames<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, PrimaryNameOf<T>>;

    /// Labels that governance keeps back.
    #[pallet::storage]
    pub type Reserved<T: Config> = StorageMap<_, Blake2_128Concat, Label, Reservation<T::AccountId>>;

    /// Number of the next registration.
    #[pallet::storage]
    pub type NextGeneration<T: Config> = StorageValue<_, u32, ValueQuery>;

    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// Labels that nobody may register; [`RESERVED_LABELS`] when left out.
        pub reserved: alloc::vec::Vec<Label>,
        #[serde(skip)]
        pub _config: core::marker::PhantomData<T>,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            let reserved = RESERVED_LABELS.iter().filter_map(|label| label.parse().ok()).collect();
            Self { reserved, _config: Default::default() }
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            for label in &self.reserved {
                Reserved::<T>::insert(label, Reservation::Nobody);
            }
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A commitment was made.
        Committed { who: T::AccountId, hash: CommitmentHash },
        /// A commitment too old to serve was removed, its deposit given back.
        CommitmentPurged { who: T::AccountId, hash: CommitmentHash },
        /// A name was registered, for `price` in all.
        Registered { label: Label, owner: T::AccountId, expires_at: BlockNumberFor<T>, price: BalanceOf<T> },
        /// More years were paid.
        Renewed {
            label: Label,
            by: T::AccountId,
            expired_at: BlockNumberFor<T>,
            expires_at: BlockNumberFor<T>,
            price: BalanceOf<T>,
        },
        /// What a resolver answers for a name is no longer what it was.
        ZoneChanged { label: Label, version: u32 },
        /// A subdomain has a new owner.
        SubdomainOwnerChanged { label: Label, subdomain: Label, from: Option<T::AccountId>, to: Option<T::AccountId> },
        /// What was left of a dead subdomain was removed, its deposits given back.
        SubdomainPurged { label: Label, subdomain: Label, owner: T::AccountId },
        /// The owner offers the name to an account, or (none) no longer does.
        TransferProposed { label: Label, from: Option<T::AccountId>, to: Option<T::AccountId> },
        /// A name has a new owner.
        Transferred { label: Label, from: T::AccountId, to: T::AccountId },
        /// A name has another manager, or none.
        ManagerChanged { label: Label, from: Option<T::AccountId>, to: Option<T::AccountId> },
        /// An account goes by another name, or by none.
        PrimaryNameChanged { who: T::AccountId, from: Option<Label>, to: Option<Label> },
        /// The owner gave the name up.
        Released { label: Label, owner: T::AccountId },
        /// What was left of a registration that is over was removed, its deposits given back.
        Purged { label: Label, owner: T::AccountId },
        /// Who may register a label changed.
        ReservationChanged {
            label: Label,
            from: Option<Reservation<T::AccountId>>,
            to: Option<Reservation<T::AccountId>>,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// Not `[a-z0-9-]`, of 1 to 63 bytes, no hyphen at an edge, `--` only in a leading `xn--`.
        LabelInvalid,
        /// Labels of 1 and 2 bytes are registered only by whom governance reserved them for.
        LabelShort,
        /// The label is reserved, not for this account.
        LabelReserved,
        /// Somebody has the name.
        NotAvailable,
        /// The name is in grace: its owner may renew or release it, and nothing else can be done.
        InGrace,
        /// There is no such registration, or it is over.
        NameNotFound,
        /// Not what this account may do with this name.
        NotAuthorized,
        /// The account has made this commitment already.
        CommitmentExists,
        /// The account has [`Config::CommitmentsMax`] open commitments.
        TooManyCommitments,
        /// The account has no commitment to just this label, term, salt and records.
        CommitmentMissing,
        /// The commitment is younger than [`Config::CommitmentAgeMinBlocks`].
        CommitmentTooNew,
        /// The commitment is older than [`Config::CommitmentAgeMaxBlocks`].
        CommitmentTooOld,
        /// The commitment may still serve, so it can't be purged.
        CommitmentOpen,
        /// No years.
        TermEmpty,
        /// More than [`TERM_YEARS_MAX`] years, or an expiry further than that from now.
        TermTooLong,
        /// It costs more than the caller's `max_price`.
        PriceAboveMax,
        /// A record's data are not of its type's form.
        RecordInvalid,
        /// A name in a record's data is not an absolute name in lower case.
        RecordNameInvalid,
        /// A zone does not hold records of this type.
        RecordTypeUnknown,
        /// The same record twice in a set.
        RecordDuplicate,
        /// A record set without records.
        RrSetEmpty,
        /// More records than a set of this type has.
        RrSetFull,
        /// Two record sets of one name and type.
        RrSetDuplicate,
        /// There is no record set of this name and type.
        RrSetMissing,
        /// `CNAME` beside other types or at the apex.
        CnameConflict,
        /// `ALIAS` beside `A` or `AAAA`.
        AliasConflict,
        /// `NS` at the apex.
        NsAtApex,
        /// `NS` at a wildcard.
        NsAtWildcard,
        /// At or below a name with `NS` something that isn't for the delegation.
        BelowDelegation,
        /// `DS` without `NS`.
        DsWithoutNs,
        /// A time to live out of 60 to 604,800 seconds.
        TtlOutOfRange,
        /// More than 64 records or 4,096 bytes.
        ZoneFull,
        /// A name is at or below a delegated subdomain, whose records are in a zone of its own.
        DelegatedHere,
        /// There is no such delegation.
        SubdomainNotFound,
        /// The subdomain has this owner already.
        SubdomainUnchanged,
        /// The name's zone has records at or below the subdomain; clear them first.
        SubdomainHasRecords,
        /// The name has 64 delegations.
        TooManySubdomains,
        /// The subdomain is alive: it can be revoked, not purged.
        SubdomainAlive,
        /// The name isn't offered to anyone.
        TransferMissing,
        /// The name's zone has no `ACCOUNT` record of this account at its apex.
        PrimaryMismatch,
        /// The registration isn't over.
        NotOver,
        /// All that can be purged before the premium's end has been.
        NothingToPurge,
        /// There are no more numbers for registrations.
        GenerationsExhausted,
    }

    impl<T> From<ZoneError> for Error<T> {
        fn from(error: ZoneError) -> Self {
            match error {
                ZoneError::NameInvalid => Self::RecordNameInvalid,
                ZoneError::TypeUnknown => Self::RecordTypeUnknown,
                ZoneError::RecordDuplicate => Self::RecordDuplicate,
                ZoneError::RrSetEmpty => Self::RrSetEmpty,
                ZoneError::RrSetFull => Self::RrSetFull,
                ZoneError::RrSetDuplicate => Self::RrSetDuplicate,
                ZoneError::CnameConflict => Self::CnameConflict,
                ZoneError::AliasConflict => Self::AliasConflict,
                ZoneError::NsAtApex => Self::NsAtApex,
                ZoneError::NsAtWildcard => Self::NsAtWildcard,
                ZoneError::BelowDelegation => Self::BelowDelegation,
                ZoneError::DsWithoutNs => Self::DsWithoutNs,
                ZoneError::TtlOutOfRange => Self::TtlOutOfRange,
                ZoneError::ZoneFull => Self::ZoneFull,
                // `NotSorted` can't be: sets are sorted before they are checked.
                _ => Self::RecordInvalid,
            }
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Removes registrations whose premium is over, the earliest first.
        fn on_idle(now: BlockNumberFor<T>, limit: Weight) -> Weight {
            Self::do_purge_due(now, limit)
        }

        fn integrity_test() {
            assert!(T::YearBlocks::get() > T::GraceBlocks::get(), "a year renewed in grace must end after now");
            assert!(!T::PremiumHalvingBlocks::get().is_zero(), "the premium must halve");
            assert!(
                T::CommitmentAgeMinBlocks::get() < T::CommitmentAgeMaxBlocks::get(),
                "a commitment must become old enough before it becomes too old"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), frame_support::sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Hides a claim to a name behind `hash` ([`cairn_primitives::names::commitment_hash`]), which
        /// [`Self::register`] reveals.
        ///
        /// # Errors
        /// `CommitmentExists`, `TooManyCommitments`; too little to hold.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::commit())]
        pub fn commit(origin: OriginFor<T>, hash: CommitmentHash) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_commit(who, hash)
        }

        /// Registers the name that a commitment of the caller was for, with `records` as its zone, for at most
        /// `max_price` in all. The commitment and its deposit are done with.
        ///
        /// # Errors
        /// `LabelInvalid`, `LabelShort`, `LabelReserved`, `TermEmpty`, `TermTooLong`, `CommitmentMissing`,
        /// `CommitmentTooNew`, `CommitmentTooOld`, `NotAvailable`, `InGrace`, `PriceAboveMax`; what is wrong with the
        /// records; too little to pay or to hold.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::register(records_in(records), bytes_in(records)))]
        pub fn register(
            origin: OriginFor<T>,
            label: LabelBytes,
            years: u8,
            salt: [u8; 32],
            records: Records,
            max_price: BalanceOf<T>,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_register(who, label, years, salt, records, max_price)
        }

        /// Pays for `years` more: anyone during the term, the owner alone in grace. They begin where the term ends.
        ///
        /// # Errors
        /// `LabelInvalid`, `TermEmpty`, `NameNotFound`, `InGrace`, `TermTooLong`, `PriceAboveMax`; too little to pay.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::renew())]
        pub fn renew(origin: OriginFor<T>, label: LabelBytes, years: u8, max_price: BalanceOf<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_renew(who, label, years, max_price)
        }

        /// Puts a record set into a zone, in place of the one of its name and type. The zone of the name is the owner's
        /// and the manager's to change, that of a delegated subdomain its owner's.
        ///
        /// # Errors
        /// `LabelInvalid`, `NameNotFound`, `InGrace`, `SubdomainNotFound`, `NotAuthorized`, `DelegatedHere`; the rule that
        /// the zone would break; too little to hold.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::set_rrset())]
        pub fn set_rrset(
            origin: OriginFor<T>,
            label: LabelBytes,
            subdomain: Option<LabelBytes>,
            rrset: RrSet,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_change_zone(who, label, subdomain, |zone| zone.set(rrset).map_err(Error::<T>::from))
        }

        /// Takes a record set out of a zone (and `DS` along with `NS`).
        ///
        /// # Errors
        /// As of [`Self::set_rrset`], and `RrSetMissing`.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::clear_rrset())]
        pub fn clear_rrset(
            origin: OriginFor<T>,
            label: LabelBytes,
            subdomain: Option<LabelBytes>,
            name: RelativeName,
            rtype: u16,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_change_zone(who, label, subdomain, |zone| {
                ensure!(zone.clear(&name, rtype), Error::<T>::RrSetMissing);
                Ok(())
            })
        }

        /// Puts `records` in the place of all that a zone holds; none clears it.
        ///
        /// # Errors
        /// As of [`Self::set_rrset`].
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::replace_zone(records_in(records), bytes_in(records)))]
        pub fn replace_zone(
            origin: OriginFor<T>,
            label: LabelBytes,
            subdomain: Option<LabelBytes>,
            records: Records,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_change_zone(who, label, subdomain, |zone| {
                *zone = Zone::from_sets(records.into_inner())?;
                Ok(())
            })
        }

        /// Gives a subdomain an owner and a zone of its own. One that has another owner gets the new one with an empty
        /// zone. The name's owner pays its deposit, even when the manager calls.
        ///
        /// # Errors
        /// `LabelInvalid`, `NameNotFound`, `InGrace`, `NotAuthorized`, `SubdomainUnchanged`, `SubdomainHasRecords`,
        /// `TooManySubdomains`; too little to hold.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::set_subdomain_owner())]
        pub fn set_subdomain_owner(
            origin: OriginFor<T>,
            label: LabelBytes,
            subdomain: LabelBytes,
            owner: T::AccountId,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_set_subdomain_owner(who, label, subdomain, owner)
        }

        /// Ends a delegation and removes its zone; by the name's owner or manager, or by the subdomain's owner.
        ///
        /// # Errors
        /// `LabelInvalid`, `NameNotFound`, `InGrace`, `SubdomainNotFound`, `NotAuthorized`.
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::revoke_subdomain())]
        pub fn revoke_subdomain(origin: OriginFor<T>, label: LabelBytes, subdomain: LabelBytes) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_revoke_subdomain(who, label, subdomain)
        }

        /// Removes what is left of a subdomain whose registration is over, and gives the deposits back to whoever paid.
        /// Anyone may.
        ///
        /// # Errors
        /// `LabelInvalid`, `SubdomainNotFound`, `SubdomainAlive`.
        #[pallet::call_index(8)]
        #[pallet::weight(T::WeightInfo::purge_subdomain())]
        pub fn purge_subdomain(origin: OriginFor<T>, label: LabelBytes, subdomain: LabelBytes) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_purge_subdomain(label, subdomain)
        }

        /// Offers the name to an account, which becomes its owner by accepting; none withdraws the offer.
        ///
        /// # Errors
        /// `LabelInvalid`, `NameNotFound`, `InGrace`, `NotAuthorized`.
        #[pallet::call_index(9)]
        #[pallet::weight(T::WeightInfo::propose_transfer())]
        pub fn propose_transfer(origin: OriginFor<T>, label: LabelBytes, to: Option<T::AccountId>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_propose_transfer(who, label, to)
        }

        /// Takes over a name that was offered. Its records and delegations stay as they are, their deposits move to the
        /// new owner, and it has no manager.
        ///
        /// # Errors
        /// `LabelInvalid`, `NameNotFound`, `InGrace`, `TransferMissing`, `NotAuthorized`; too little to hold.
        #[pallet::call_index(10)]
        #[pallet::weight(T::WeightInfo::accept_transfer(SUBDOMAINS_MAX))]
        pub fn accept_transfer(origin: OriginFor<T>, label: LabelBytes) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            let subdomains = Self::do_accept_transfer(who, label)?;
            Ok(Some(T::WeightInfo::accept_transfer(subdomains)).into())
        }

        /// Makes an account the name's manager, who may change records and delegations; none for no manager.
        ///
        /// # Errors
        /// `LabelInvalid`, `NameNotFound`, `InGrace`, `NotAuthorized`.
        #[pallet::call_index(11)]
        #[pallet::weight(T::WeightInfo::set_manager())]
        pub fn set_manager(origin: OriginFor<T>, label: LabelBytes, manager: Option<T::AccountId>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_set_manager(who, label, manager)
        }

        /// Sets the name that the caller goes by. The name's zone must have an `ACCOUNT` record of the caller at its apex
        /// now, and whenever the primary name is read.
        ///
        /// # Errors
        /// `LabelInvalid`, `NameNotFound`, `InGrace`, `PrimaryMismatch`; too little to hold.
        #[pallet::call_index(12)]
        #[pallet::weight(T::WeightInfo::set_primary())]
        pub fn set_primary(origin: OriginFor<T>, label: Option<LabelBytes>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_set_primary(who, label)
        }

        /// Gives a name up: its zone is removed, its deposits come back, and anyone may register it at its price.
        /// Delegated subdomains are dead from then on.
        ///
        /// # Errors
        /// `LabelInvalid`, `NameNotFound`, `NotAuthorized`.
        #[pallet::call_index(13)]
        #[pallet::weight(T::WeightInfo::release())]
        pub fn release(origin: OriginFor<T>, label: LabelBytes) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_release(who, label)
        }

        /// Removes a commitment that is too old to serve and gives its deposit back. Anyone may.
        ///
        /// # Errors
        /// `CommitmentMissing`, `CommitmentOpen`.
        #[pallet::call_index(14)]
        #[pallet::weight(T::WeightInfo::purge_commitment())]
        pub fn purge_commitment(origin: OriginFor<T>, owner: T::AccountId, hash: CommitmentHash) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_purge_commitment(owner, hash)
        }

        /// Removes the zone of a registration that is over, and the registration itself once its premium is, and gives
        /// the deposits back. Anyone may; the expiry queue does the same in time.
        ///
        /// # Errors
        /// `LabelInvalid`, `NameNotFound`, `NotOver`, `NothingToPurge`.
        #[pallet::call_index(15)]
        #[pallet::weight(T::WeightInfo::purge_expired())]
        pub fn purge_expired(origin: OriginFor<T>, label: LabelBytes) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_purge_expired(label)
        }

        /// Sets who may register a label: nobody, one account, or (none) everyone. A registration there is stays as it is
        /// and can be renewed.
        ///
        /// # Errors
        /// `LabelInvalid`; an origin other than [`Config::GovernanceOrigin`].
        #[pallet::call_index(16)]
        #[pallet::weight(T::WeightInfo::force_reserve())]
        pub fn force_reserve(
            origin: OriginFor<T>,
            label: LabelBytes,
            reservation: Option<Reservation<T::AccountId>>,
        ) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Self::do_force_reserve(label, reservation)
        }
    }

    /// Records of a zone to be, for the weight.
    fn records_in(records: &Records) -> u32 {
        records.iter().fold(0, |sum, set| sum.saturating_add(set.records()))
    }

    /// Bytes of a zone to be, for the weight.
    fn bytes_in(records: &Records) -> u32 {
        records.iter().fold(0, |sum, set| sum.saturating_add(set.bytes()))
    }
}
