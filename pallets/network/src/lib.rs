// SPDX-License-Identifier: Apache-2.0

//! # Network: parameters fixed at genesis
//!
//! One runtime serves development, local and production networks. What differs between them is how long things take:
//! an epoch is an hour in production and half a minute in development, where a person wants to watch an election. These
//! durations are not constants of the code, they are part of a network's genesis state and stay as they are for the
//! network's life: no call changes them (a migration in a runtime upgrade could).
//!
//! ## Properties
//! - Without a genesis entry the production values hold ([`NetworkParameters::PRODUCTION`]).
//! - The stored parameters always satisfy [`NetworkParameters::check`]; a genesis that does not is refused.
//! - There are no calls, events or errors.
//!
//! Other pallets read single values through [`EpochDurationBlocks`], [`SessionsPerEra`], [`BondingDurationEras`],
//! [`SlashDeferDurationEras`], [`NamesPeriod`], [`StoragePeriodBlocks`], [`StorageProofs`] and [`Period`], which are `Get`s: each
//! costs one storage read, charged once a block by this pallet's `on_initialize` (later reads in the same block are served from the overlay).

#![cfg_attr(not(feature = "std"), no_std)]

pub use pallet::*;
pub use types::NetworkParameters;

mod types;

#[cfg(test)]
mod tests;

use core::marker::PhantomData;
use frame_support::traits::Get;

#[frame_support::pallet]
pub mod pallet {
    use super::types::NetworkParameters;
    use core::marker::PhantomData;
    use frame_support::{pallet_prelude::*, sp_runtime::TryRuntimeError};
    use frame_system::pallet_prelude::BlockNumberFor;

    #[pallet::config]
    pub trait Config: frame_system::Config {}

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    /// The parameters of this network.
    #[pallet::storage]
    pub type Parameters<T> = StorageValue<_, NetworkParameters, ValueQuery>;

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// What this network runs with; production values when left out.
        pub parameters: NetworkParameters,
        #[serde(skip)]
        pub _config: PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            if let Err(why) = self.parameters.check() {
                panic!("genesis `network.parameters`: {why}");
            }
            Parameters::<T>::put(&self.parameters);
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            // BABE asks for the epoch's length in every block.
            T::DbWeight::get().reads(1)
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), TryRuntimeError> {
            Self::do_try_state()
        }
    }

    impl<T: Config> Pallet<T> {
        /// Invariant 1: the stored parameters are possible ones.
        pub fn do_try_state() -> Result<(), TryRuntimeError> {
            Parameters::<T>::get().check().map_err(Into::into)
        }
    }
}

/// Blocks in a BABE epoch, which is also a session.
pub struct EpochDurationBlocks<T>(PhantomData<T>);
impl<T: Config> Get<u64> for EpochDurationBlocks<T> {
    fn get() -> u64 {
        Parameters::<T>::get().epoch_duration_blocks.into()
    }
}

/// Sessions in a staking era.
pub struct SessionsPerEra<T>(PhantomData<T>);
impl<T: Config> Get<u32> for SessionsPerEra<T> {
    fn get() -> u32 {
        Parameters::<T>::get().sessions_per_era
    }
}

/// Eras for which unbonded stake stays locked and slashable.
pub struct BondingDurationEras<T>(PhantomData<T>);
impl<T: Config> Get<u32> for BondingDurationEras<T> {
    fn get() -> u32 {
        Parameters::<T>::get().bonding_duration_eras
    }
}

/// Eras between an offence and its slash, in which governance may cancel it.
pub struct SlashDeferDurationEras<T>(PhantomData<T>);
impl<T: Config> Get<u32> for SlashDeferDurationEras<T> {
    fn get() -> u32 {
        Parameters::<T>::get().slash_defer_duration_eras
    }
}

/// A period of names that takes `BLOCKS` in production, and less on a network whose years are shorter; never less than 1.
pub struct NamesPeriod<T, const BLOCKS: u32>(PhantomData<T>);
impl<T: Config, const BLOCKS: u32> Get<u32> for NamesPeriod<T, BLOCKS> {
    fn get() -> u32 {
        BLOCKS.checked_div(Parameters::<T>::get().names_speedup).unwrap_or(BLOCKS).max(1)
    }
}

/// Blocks of a proof period of storage.
pub struct StoragePeriodBlocks<T>(PhantomData<T>);
impl<T: Config> Get<u32> for StoragePeriodBlocks<T> {
    fn get() -> u32 {
        Parameters::<T>::get().storage_period_blocks
    }
}

/// Chunks that a vault has to show in a period.
pub struct StorageProofs<T>(PhantomData<T>);
impl<T: Config> Get<u32> for StorageProofs<T> {
    fn get() -> u32 {
        Parameters::<T>::get().storage_proofs
    }
}

/// A period of governance that takes `BLOCKS` in production, and less on a network that runs its periods faster.
pub struct Period<T, const BLOCKS: u32>(PhantomData<T>);
impl<T: Config, const BLOCKS: u32> Get<u32> for Period<T, BLOCKS> {
    fn get() -> u32 {
        Parameters::<T>::get().shorten(BLOCKS)
    }
}
