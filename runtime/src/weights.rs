// SPDX-License-Identifier: Apache-2.0

//! What things cost, as measured. `scripts/weights` writes the files of this module again.

pub mod block_weights {
    pub use frame_support::weights::constants::BlockExecutionWeight;
}
pub mod extrinsic_weights {
    pub use frame_support::weights::constants::ExtrinsicBaseWeight;
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
