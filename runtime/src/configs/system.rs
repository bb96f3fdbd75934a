// SPDX-License-Identifier: Apache-2.0

//! Blocks, time, upgrades.

use crate::{
    constants::{block, currency::CRN, time},
    weights, AccountId, Babe, Balance, Block, BlockNumber, Hash, MultiBlockMigrations, Nonce, PalletInfo, Runtime,
    RuntimeCall, RuntimeEvent, RuntimeOrigin, RuntimeTask, VERSION,
};
use frame_support::{
    derive_impl,
    dispatch::DispatchClass,
    dynamic_params::{dynamic_pallet_params, dynamic_params},
    parameter_types,
    traits::{ConstU16, ConstU32, ConstU64, EnsureOriginWithArg, Everything, OriginTrait},
    weights::Weight,
};
use frame_system::EnsureRoot;
use sp_runtime::{traits::BlakeTwo256, Perbill};
use sp_version::RuntimeVersion;

parameter_types! {
    pub const BlockHashCount: BlockNumber = 4_096;
    pub const Version: RuntimeVersion = VERSION;

    /// A block's bytes: users' transactions have as much of them as of its execution time.
    pub BlockLength: frame_system::limits::BlockLength = frame_system::limits::BlockLength::builder()
        .max_length(block::MAXIMUM_BLOCK_LENGTH)
        .modify_max_length_for_class(DispatchClass::Normal, |length| {
            *length = block::NORMAL_DISPATCH_RATIO * block::MAXIMUM_BLOCK_LENGTH
        })
        .build();

    /// A block's execution time, by class.
    pub BlockWeights: frame_system::limits::BlockWeights = frame_system::limits::BlockWeights::builder()
        .base_block(weights::block_weights::BlockExecutionWeight::get())
        .for_class(DispatchClass::all(), |weights| {
            weights.base_extrinsic = weights::base_extrinsic();
        })
        .for_class(DispatchClass::Normal, |weights| {
            weights.max_total = Some(block::NORMAL_DISPATCH_RATIO * block::MAXIMUM_BLOCK_WEIGHT);
        })
        .for_class(DispatchClass::Operational, |weights| {
            weights.max_total = Some(block::MAXIMUM_BLOCK_WEIGHT);
            // Operational calls can always go into a block that users have filled.
            weights.reserved = Some(block::MAXIMUM_BLOCK_WEIGHT - block::NORMAL_DISPATCH_RATIO * block::MAXIMUM_BLOCK_WEIGHT);
        })
        .avg_block_initialization(block::AVERAGE_ON_INITIALIZE_RATIO)
        .build_or_panic();
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type BaseCallFilter = Everything;
    type Block = Block;
    type BlockWeights = BlockWeights;
    type BlockLength = BlockLength;
    type AccountId = AccountId;
    type Nonce = Nonce;
    type Hash = Hash;
    type Hashing = BlakeTwo256;
    type Lookup = sp_runtime::traits::AccountIdLookup<AccountId, ()>;
    type BlockHashCount = BlockHashCount;
    type DbWeight = weights::RocksDbWeight;
    type Version = Version;
    type AccountData = pallet_balances::AccountData<Balance>;
    type SystemWeightInfo = weights::frame_system::WeightInfo<Runtime>;
    type ExtensionsWeightInfo = weights::frame_system_extensions::WeightInfo<Runtime>;
    // 42: shown by every wallet for a chain that has not registered a prefix of its own.
    type SS58Prefix = ConstU16<42>;
    type MaxConsumers = ConstU32<64>;
    type SingleBlockMigrations =
        (pallet_vaults::migrations::v2::MigrateV1ToV2<Runtime>, pallet_storage::migrations::v2::MigrateV1ToV2<Runtime>);
    type MultiBlockMigrator = MultiBlockMigrations;
}

impl pallet_network::Config for Runtime {}

impl pallet_timestamp::Config for Runtime {
    type Moment = u64;
    type OnTimestampSet = Babe;
    type MinimumPeriod = ConstU64<{ time::MILLISECS_PER_BLOCK / 2 }>;
    type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Runtime>;
}

/// What governance may turn without a runtime upgrade.
#[dynamic_params(RuntimeParameters, pallet_parameters::Parameters::<Runtime>)]
pub mod parameters {
    use super::*;

    /// The coin's issuance.
    #[dynamic_pallet_params]
    #[codec(index = 0)]
    pub mod inflation {
        /// Share of what is paid out each era that goes to the treasury.
        #[codec(index = 0)]
        pub static TreasuryShare: Perbill = Perbill::from_percent(15);
        /// Yearly inflation when nothing is staked.
        #[codec(index = 1)]
        pub static MinimumRate: Perbill = Perbill::from_parts(25_000_000);
        /// Yearly inflation at the ideal stake.
        #[codec(index = 2)]
        pub static MaximumRate: Perbill = Perbill::from_percent(8);
        /// The share of all coins that should be staked.
        #[codec(index = 3)]
        pub static IdealStake: Perbill = Perbill::from_percent(50);
    }

    /// Names under `.cairn`.
    #[dynamic_pallet_params]
    #[codec(index = 1)]
    pub mod names {
        /// What a label of 5 bytes and more costs a year; shorter ones cost 32 and 128 times as much.
        #[codec(index = 0)]
        pub static PricePerYear: Balance = 5 * CRN;
    }
}

/// Parameters are turned by a vote, and never to values that break what uses them: their users clamp.
pub struct ParametersOrigin;
impl EnsureOriginWithArg<RuntimeOrigin, RuntimeParametersKey> for ParametersOrigin {
    type Success = ();

    fn try_origin(origin: RuntimeOrigin, _key: &RuntimeParametersKey) -> Result<(), RuntimeOrigin> {
        match origin.as_system_ref() {
            Some(frame_system::RawOrigin::Root) => Ok(()),
            _ => Err(origin),
        }
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn try_successful_origin(_key: &RuntimeParametersKey) -> Result<RuntimeOrigin, ()> {
        Ok(RuntimeOrigin::root())
    }
}

#[cfg(feature = "runtime-benchmarks")]
impl Default for RuntimeParameters {
    fn default() -> Self {
        RuntimeParameters::Inflation(parameters::inflation::Parameters::TreasuryShare(
            parameters::inflation::TreasuryShare,
            Some(Perbill::from_percent(15)),
        ))
    }
}

impl pallet_parameters::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeParameters = RuntimeParameters;
    type AdminOrigin = ParametersOrigin;
    type WeightInfo = ();
}

parameter_types! {
    pub MbmServiceWeight: Weight = Perbill::from_percent(80) * BlockWeights::get().max_block;
}

impl pallet_migrations::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    #[cfg(not(feature = "runtime-benchmarks"))]
    type Migrations = ();
    #[cfg(feature = "runtime-benchmarks")]
    type Migrations = pallet_migrations::mock_helpers::MockedMigrations;
    type CursorMaxLen = ConstU32<65_536>;
    type IdentifierMaxLen = ConstU32<256>;
    type MigrationStatusHandler = ();
    type FailedMigrationHandler = frame_support::migrations::FreezeChainOnFailedMigration;
    type MaxServiceWeight = MbmServiceWeight;
    type WeightInfo = pallet_migrations::weights::SubstrateWeight<Runtime>;
}

impl pallet_sudo::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type WeightInfo = pallet_sudo::weights::SubstrateWeight<Runtime>;
}

/// Root, spelled once for the settings that need an origin type.
pub(super) type RootOrigin = EnsureRoot<AccountId>;
