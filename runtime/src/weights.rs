// SPDX-License-Identifier: Apache-2.0

//! What things cost, as measured: `scripts/weights` writes the files of this module. A pallet that is not here has the
//! SDK's weights, which were measured on the SDK's reference machine.
//!
//! The feature `sdk-default-weights` takes the SDK's for these, too, so that `scripts/bench tps` can compare.

#[cfg(not(feature = "sdk-default-weights"))]
pub mod block_weights;
#[cfg(not(feature = "sdk-default-weights"))]
pub mod extrinsic_weights;
#[cfg(not(feature = "sdk-default-weights"))]
pub mod frame_system;
#[cfg(not(feature = "sdk-default-weights"))]
pub mod frame_system_extensions;
#[cfg(not(feature = "sdk-default-weights"))]
pub mod pallet_balances;
#[cfg(not(feature = "sdk-default-weights"))]
pub mod pallet_transaction_payment;
#[cfg(not(feature = "sdk-default-weights"))]
mod rocksdb_weights;

#[cfg(not(feature = "sdk-default-weights"))]
pub use rocksdb_weights::constants::RocksDbWeight;
#[cfg(feature = "sdk-default-weights")]
pub use sdk_default::*;

#[cfg(feature = "sdk-default-weights")]
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
}
