// SPDX-License-Identifier: Apache-2.0

//! # Vaults: who keeps shards, what they have at stake, how far they are trusted, and who is drawn
//!
//! ## A vault's life
//! 1. **Registered** ([`Call::register`]): an account offers capacity at a price, says where it is reached and by which key
//!    it is known there, and puts up a bond. It gets a fixed place in the proof period, spread by a hash of its account.
//! 2. **Probation**: it is drawn as if it had a quarter of its room. After [`PROBATION_TURNS`] turns with a good score it is
//!    **active**; with a bad one **suspended** (no new slots) until proofs have brought it back.
//! 3. **Exiting** ([`Call::begin_exit`]): no new slots; it asks for successors for those it has, and stays liable for each
//!    until one has taken over. Without slots it leaves ([`Call::finish_exit`]), and the bond is free.
//! 4. **Ejected**, by the chain's rules alone: its slots are given to others; then it may leave. What was ejected in an
//!    outage that is forgiven after all is back on probation, without slots.
//!
//! ## Bond
//! A hold on the vault's account. A slot in a drive of capacity `c` takes `c` units of what the vault offers *and*
//! `c * BondPerUnit` of its bond, whether there are bytes in it or not: [`Pallet::room`] is the lesser of both, and no slot is
//! given beyond it. What is offered without a bond is not drawn.
//!
//! ## The draw
//! [`Pallet::draw`] picks distinct vaults whose ask is at most the price and that have room, each in proportion to its
//! room, its score and its status, at a cost that doesn't depend on how many vaults there are. `DESIGN.md` of
//! `pallet-storage` says how and why.
//!
//! ## Properties
//! - What is held of an account is its vault's bond; of nobody else is anything held.
//! - A service key has one vault. A vault has one place; a place has at most [`VAULTS_PER_PLACE_MAX`] vaults.
//! - In the index are exactly those vaults that can be drawn, each in the classes of its ask and its room.
//! - Each change of a score is an event with old, new and cause.
//!
//! `invariants.rs` checks what of this can be seen in a state.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub use dice::Dice;
pub use impls::{
    draw::{Wanted, SCANNED_MAX},
    reputation::FORGIVEN_MAX,
};
pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

mod impls {
    mod bond;
    pub(crate) mod draw;
    mod index;
    mod registry;
    pub(crate) mod reputation;
    mod slots;
}
#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
mod dice;
mod invariants;
pub mod migrations;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod types;
pub mod weights;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use cairn_primitives::storage::VaultStatus;
    use frame_support::{
        pallet_prelude::*,
        traits::{
            fungible::{hold, Inspect, Mutate},
            Randomness,
        },
    };
    use frame_system::pallet_prelude::*;

    /// Version of the storage's layout; see [`crate::migrations`].
    pub const STORAGE_VERSION: StorageVersion = StorageVersion::new(2);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The runtime's hold reasons.
        type RuntimeHoldReason: From<HoldReason>;

        /// The native coin: bonds, pay, deposits.
        type NativeBalance: Inspect<Self::AccountId, Balance = Balance>
            + Mutate<Self::AccountId>
            + hold::Inspect<Self::AccountId, Reason = Self::RuntimeHoldReason>
            + hold::Mutate<Self::AccountId, Reason = Self::RuntimeHoldReason>;

        /// What groups are drawn by: never anything that one block's author chooses.
        type Randomness: Randomness<Self::Hash, BlockNumberFor<Self>>;

        /// Blocks of a proof period; at least 1, and the same for the network's life.
        type PeriodBlocks: Get<u32>;

        /// Plancks at stake for each unit of reserved capacity.
        type BondPerUnit: Get<Balance>;

        /// Plancks of bond with which a vault can register.
        type BondMin: Get<Balance>;

        /// Who keeps account of what vaults earn.
        type Ledger: Ledger<Self::AccountId>;

        /// Weights of the calls.
        type WeightInfo: WeightInfo;
    }

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What is held for what.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// A vault's bond.
        Bond,
    }

    /// All vaults.
    #[pallet::storage]
    pub type Vaults<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Vault>;

    /// Where each vault is reached.
    #[pallet::storage]
    pub type VaultAddresses<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Addresses, ValueQuery>;

    /// Whose a service key is.
    #[pallet::storage]
    pub type ServiceKeys<T: Config> = StorageMap<_, Blake2_128Concat, [u8; 32], T::AccountId>;

    /// The vaults with their turn at each place of the period.
    #[pallet::storage]
    pub type Places<T: Config> =
        StorageMap<_, Twox64Concat, u32, BoundedVec<T::AccountId, ConstU32<VAULTS_PER_PLACE_MAX>>, ValueQuery>;

    /// How many vaults can be drawn, by class of ask and class of room.
    #[pallet::storage]
    pub type Rows<T: Config> = StorageMap<_, Twox64Concat, u8, Row, ValueQuery>;

    /// Classes of asks with vaults in them: bit `c` for class `c`.
    #[pallet::storage]
    pub type RowsUsed<T: Config> = StorageValue<_, u64, ValueQuery>;

    /// The vaults that can be drawn: by class of ask, class of room, and number, without gaps.
    #[pallet::storage]
    pub type Members<T: Config> = StorageMap<_, Twox64Concat, (u8, u8, u32), T::AccountId>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A vault was registered.
        Registered {
            who: T::AccountId,
            service_key: [u8; 32],
            capacity_units: u64,
            ask: Balance,
            bond: Balance,
            place_block: u32,
        },
        /// It offers more, or less.
        CapacityChanged { who: T::AccountId, from_units: u64, to_units: u64 },
        /// It asks more, or less.
        AskChanged { who: T::AccountId, from: Balance, to: Balance },
        /// It is reached elsewhere.
        AddressesChanged { who: T::AccountId, from: Addresses, to: Addresses },
        /// It is known by another key.
        ServiceKeyChanged { who: T::AccountId, from: [u8; 32], to: [u8; 32] },
        /// It wants no new slots, or does again.
        PausedChanged { who: T::AccountId, from: bool, to: bool },
        /// Its bond grew or shrank.
        BondChanged { who: T::AccountId, from: Balance, to: Balance, cause: BondCause },
        /// It is trusted more, or less, or on its way out.
        StatusChanged { who: T::AccountId, from: VaultStatus, to: VaultStatus },
        /// Its score moved; `cause` says why. In millionths.
        ScoreChanged { who: T::AccountId, from_ppm: u32, to_ppm: u32, cause: Cause },
        /// It left; its bond is free.
        Exited { who: T::AccountId, bond: Balance },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The account has a vault.
        VaultExists,
        /// The account has no vault.
        VaultUnknown,
        /// Another vault is known by this key.
        ServiceKeyTaken,
        /// No address, or one that isn't `host:port`.
        AddressInvalid,
        /// A capacity of nothing, of more than [`CAPACITY_UNITS_MAX`], or of less than is reserved.
        CapacityInvalid,
        /// The ask is more than [`ASK_MAX`].
        AskInvalid,
        /// Less than [`Config::BondMin`], or than what the reserved units need.
        BondTooSmall,
        /// All places of the period that were tried have [`VAULTS_PER_PLACE_MAX`] vaults.
        PeriodFull,
        /// The vault is on its way out.
        Exiting,
        /// The vault isn't on its way out: begin with `begin_exit`.
        NotExiting,
        /// The vault has slots: ask for successors, and wait until they have taken over.
        SlotsHeld,
        /// The vault has no room for so many units, by its capacity or by its bond.
        NoRoom,
        /// Fewer vaults than needed ask at most this price and have room.
        NotEnoughVaults,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), frame_support::sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Makes the caller a vault that offers `capacity_units` at `ask` plancks for a GiB and period, reached at
        /// `addresses` under `service_key`, with `bond` held.
        ///
        /// # Errors
        /// `VaultExists`, `CapacityInvalid`, `AskInvalid`, `AddressInvalid`, `BondTooSmall`, `ServiceKeyTaken`,
        /// `PeriodFull`; too little to hold.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::register())]
        pub fn register(
            origin: OriginFor<T>,
            capacity_units: u64,
            ask: Balance,
            addresses: Addresses,
            service_key: [u8; 32],
            bond: Balance,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_register(who, capacity_units, ask, addresses, service_key, bond)
        }

        /// Changes what is given. The price of drives that the vault is in stays what it was.
        ///
        /// # Errors
        /// `VaultUnknown`, `CapacityInvalid`, `AskInvalid`, `AddressInvalid`, `ServiceKeyTaken`.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::update())]
        pub fn update(
            origin: OriginFor<T>,
            capacity_units: Option<u64>,
            ask: Option<Balance>,
            addresses: Option<Addresses>,
            service_key: Option<[u8; 32]>,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_update(who, capacity_units, ask, addresses, service_key)
        }

        /// Says whether the vault wants no new slots.
        ///
        /// # Errors
        /// `VaultUnknown`.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::set_paused())]
        pub fn set_paused(origin: OriginFor<T>, paused: bool) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_set_paused(who, paused)
        }

        /// Adds to the bond.
        ///
        /// # Errors
        /// `VaultUnknown`; too little to hold.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::bond_more())]
        pub fn bond_more(origin: OriginFor<T>, amount: Balance) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_bond_more(who, amount)
        }

        /// Takes from the bond what neither the least bond nor the reserved units need.
        ///
        /// # Errors
        /// `VaultUnknown`, `BondTooSmall`.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::unbond())]
        pub fn unbond(origin: OriginFor<T>, amount: Balance) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_unbond(who, amount)
        }

        /// Announces that the vault leaves: it gets no new slots. For those it has it asks for successors with
        /// `leave_slots` of `pallet-storage`, and it stays liable for each until one has taken over.
        ///
        /// # Errors
        /// `VaultUnknown`, `Exiting`.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::begin_exit())]
        pub fn begin_exit(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_begin_exit(who)
        }

        /// Removes a vault that left or was ejected and has no slots, pays out what it earned, and frees its bond.
        ///
        /// # Errors
        /// `VaultUnknown`, `NotExiting`, `SlotsHeld`; what [`Config::Ledger`] still waits for.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::finish_exit())]
        pub fn finish_exit(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_finish_exit(who)
        }
    }
}
