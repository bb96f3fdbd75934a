// SPDX-License-Identifier: Apache-2.0

//! What things cost, as measured: `scripts/weights` writes the files of this module. A pallet that is not here has the
//! SDK's weights, which were measured on the SDK's reference machine.
//!
//! The feature `sdk-solochain-defaults` takes the SDK's for these, too, so that `scripts/bench tps` can compare.

#[cfg(not(feature = "sdk-solochain-defaults"))]
pub mod block_weights;
#[cfg(not(feature = "sdk-solochain-defaults"))]
pub mod extrinsic_weights;
#[cfg(not(feature = "sdk-solochain-defaults"))]
pub mod frame_system;
#[cfg(not(feature = "sdk-solochain-defaults"))]
pub mod frame_system_extensions;
#[cfg(not(feature = "sdk-solochain-defaults"))]
pub mod pallet_balances;
#[cfg(not(feature = "sdk-solochain-defaults"))]
pub mod pallet_names;
#[cfg(not(feature = "sdk-solochain-defaults"))]
pub mod pallet_storage;
#[cfg(not(feature = "sdk-solochain-defaults"))]
pub mod pallet_transaction_payment;
#[cfg(not(feature = "sdk-solochain-defaults"))]
pub mod pallet_vaults;
#[cfg(not(feature = "sdk-solochain-defaults"))]
mod rocksdb_weights;

#[cfg(not(feature = "sdk-solochain-defaults"))]
pub use rocksdb_weights::constants::RocksDbWeight;
#[cfg(feature = "sdk-solochain-defaults")]
pub use sdk_default::*;

/// What a transaction costs before its extensions and its call.
///
/// `benchmark overhead` measures whole signed transactions. Their extensions' time is in it, and they are charged on their
/// own as well, so it is taken out here: in all, a signed remark is charged what it was measured to take, and its accesses
/// to the database.
#[cfg(not(feature = "sdk-solochain-defaults"))]
pub fn base_extrinsic() -> frame_support::weights::Weight {
    use ::frame_system::ExtensionsWeightInfo;
    use ::pallet_transaction_payment::WeightInfo as _;
    type System = frame_system_extensions::WeightInfo<crate::Runtime>;

    let database = RocksDbWeight::get().reads_writes(1, 1);
    let extensions = [
        System::check_non_zero_sender(),
        System::check_spec_version(),
        System::check_tx_version(),
        System::check_genesis(),
        System::check_mortality_immortal_transaction(),
        System::check_nonce().saturating_sub(database),
        System::check_weight(),
        System::weight_reclaim(),
        pallet_transaction_payment::WeightInfo::<crate::Runtime>::charge_transaction_payment(),
    ];
    let measured = extrinsic_weights::ExtrinsicBaseWeight::get();
    extensions.into_iter().fold(measured, |left, extension| left.saturating_sub(extension)).max(MIN_BASE_EXTRINSIC)
}

/// Whatever was measured: decoding a transaction and checking its signature takes some time.
#[cfg(not(feature = "sdk-solochain-defaults"))]
const MIN_BASE_EXTRINSIC: frame_support::weights::Weight =
    frame_support::weights::Weight::from_parts(50 * frame_support::weights::constants::WEIGHT_REF_TIME_PER_MICROS, 0);

#[cfg(feature = "sdk-solochain-defaults")]
mod sdk_default {
    pub mod block_weights {
        pub use frame_support::weights::constants::BlockExecutionWeight;
    }
    pub mod extrinsic_weights {
        pub use frame_support::weights::constants::ExtrinsicBaseWeight;
    }
    pub mod frame_system {
        pub use frame_system::weights::SubstrateWeight as WeightInfo;
    }
    pub mod frame_system_extensions {
        pub use frame_system::SubstrateExtensionsWeight as WeightInfo;
    }
    pub mod pallet_balances {
        pub use pallet_balances::weights::SubstrateWeight as WeightInfo;
    }
    pub mod pallet_transaction_payment {
        pub use pallet_transaction_payment::weights::SubstrateWeight as WeightInfo;
    }
    pub use frame_support::weights::constants::RocksDbWeight;

    pub fn base_extrinsic() -> frame_support::weights::Weight {
        extrinsic_weights::ExtrinsicBaseWeight::get()
    }
}
