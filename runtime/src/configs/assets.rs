// SPDX-License-Identifier: Apache-2.0

//! Coins that anyone issues, the exchange between them and CRN, and unique property.

use super::system::RootOrigin;
use crate::{
    constants::{
        currency::{deposit, CRN},
        time::DAYS,
    },
    AccountId, Assets, Balance, Balances, PoolAssets, Runtime, RuntimeEvent, Signature, System,
};
use alloc::vec::Vec;
use frame_support::{
    parameter_types,
    traits::{
        fungible::{NativeFromLeft, NativeOrWithId, UnionOf},
        tokens::imbalance::ResolveAssetTo,
        AsEnsureOriginWithArg, ConstU128, ConstU32, SortedMembers,
    },
    PalletId,
};
use frame_system::{EnsureSigned, EnsureSignedBy};
use pallet_asset_conversion::{Ascending, Chain, WithFirstAsset};
use pallet_assets::{Instance1, Instance2};
use pallet_nfts::PalletFeatures;
use sp_runtime::{
    traits::{AccountIdConversion, Verify},
    Permill,
};

/// The number of an issued asset.
pub type AssetId = u32;

/// Coins issued by users.
impl pallet_assets::Config<Instance1> for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type Balance = Balance;
    type RemoveItemsLimit = ConstU32<1_000>;
    type AssetId = AssetId;
    type AssetIdParameter = codec::Compact<AssetId>;
    type ReserveData = ();
    type Currency = Balances;
    type CreateOrigin = AsEnsureOriginWithArg<EnsureSigned<AccountId>>;
    type ForceOrigin = RootOrigin;
    type AssetDeposit = ConstU128<{ 10 * CRN }>;
    type AssetAccountDeposit = ConstU128<{ deposit(1, 18) }>;
    type MetadataDepositBase = ConstU128<{ deposit(1, 68) }>;
    type MetadataDepositPerByte = ConstU128<{ deposit(0, 1) }>;
    type ApprovalDeposit = ConstU128<{ deposit(1, 16) }>;
    type StringLimit = ConstU32<50>;
    type Freezer = ();
    type Holder = ();
    type Extra = ();
    type CallbackHandle = ();
    type AssetIdAllocator = ();
    type WeightInfo = pallet_assets::weights::SubstrateWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
}

parameter_types! {
    pub const AssetConversionPalletId: PalletId = PalletId(*b"cairn/ac");
    pub const Native: NativeOrWithId<AssetId> = NativeOrWithId::Native;
    /// A liquidity provider's cut of each swap: 0.3%, as constant-product exchanges have it.
    pub const LpFee: Permill = Permill::from_parts(3_000);
    pub const MaxSwapFee: Permill = Permill::from_percent(1);
    pub const LiquidityWithdrawalFee: Permill = Permill::zero();
}

/// The exchange itself, as an account.
pub struct AssetConversionAccount;
impl SortedMembers<AccountId> for AssetConversionAccount {
    fn sorted_members() -> Vec<AccountId> {
        alloc::vec![AssetConversionPalletId::get().into_account_truncating()]
    }
}

/// Shares in the exchange's pools: only the exchange creates them, and their accounts cost no deposit.
impl pallet_assets::Config<Instance2> for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type Balance = Balance;
    type RemoveItemsLimit = ConstU32<1_000>;
    type AssetId = AssetId;
    type AssetIdParameter = AssetId;
    type ReserveData = ();
    type Currency = Balances;
    type CreateOrigin = AsEnsureOriginWithArg<EnsureSignedBy<AssetConversionAccount, AccountId>>;
    type ForceOrigin = RootOrigin;
    type AssetDeposit = ConstU128<0>;
    type AssetAccountDeposit = ConstU128<0>;
    type MetadataDepositBase = ConstU128<0>;
    type MetadataDepositPerByte = ConstU128<0>;
    type ApprovalDeposit = ConstU128<{ deposit(1, 16) }>;
    type StringLimit = ConstU32<50>;
    type Freezer = ();
    type Holder = ();
    type Extra = ();
    type CallbackHandle = ();
    type AssetIdAllocator = ();
    type WeightInfo = pallet_assets::weights::SubstrateWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
}

/// CRN and issued assets behind one interface.
pub type NativeAndAssets = UnionOf<Balances, Assets, NativeFromLeft, NativeOrWithId<AssetId>, AccountId>;

impl pallet_asset_conversion::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type Balance = Balance;
    type HigherPrecisionBalance = sp_core::U256;
    type AssetKind = NativeOrWithId<AssetId>;
    type Assets = NativeAndAssets;
    type PoolId = (Self::AssetKind, Self::AssetKind);
    // Pools against CRN, and between two issued assets.
    type PoolLocator = Chain<
        WithFirstAsset<Native, AccountId, NativeOrWithId<AssetId>, PoolIdToAccount>,
        Ascending<AccountId, NativeOrWithId<AssetId>, PoolIdToAccount>,
    >;
    type PoolAssetId = AssetId;
    type PoolAssets = PoolAssets;
    type LPFee = LpFee;
    type AdminOrigin = RootOrigin;
    type MaxSwapFee = MaxSwapFee;
    type PoolSetupFee = ConstU128<{ 10 * CRN }>;
    type PoolSetupFeeAsset = Native;
    type PoolSetupFeeTarget = ResolveAssetTo<super::staking::TreasuryAccount, NativeAndAssets>;
    type LiquidityWithdrawalFee = LiquidityWithdrawalFee;
    type MintMinLiquidity = ConstU128<100>;
    type MaxSwapPathLength = ConstU32<4>;
    type PalletId = AssetConversionPalletId;
    type WeightInfo = pallet_asset_conversion::weights::SubstrateWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
}

/// A pool's account, by its two assets.
pub type PoolIdToAccount = pallet_asset_conversion::AccountIdConverter<
    AssetConversionPalletId,
    (NativeOrWithId<AssetId>, NativeOrWithId<AssetId>),
>;

parameter_types! {
    pub Features: PalletFeatures = PalletFeatures::all_enabled();
}

impl pallet_nfts::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type CollectionId = u32;
    type ItemId = u32;
    type Currency = Balances;
    type ForceOrigin = RootOrigin;
    type CreateOrigin = AsEnsureOriginWithArg<EnsureSigned<AccountId>>;
    type Locker = ();
    type CollectionDeposit = ConstU128<{ 10 * CRN }>;
    type ItemDeposit = ConstU128<{ deposit(1, 164) }>;
    type MetadataDepositBase = ConstU128<{ deposit(1, 129) }>;
    type AttributeDepositBase = ConstU128<{ deposit(1, 0) }>;
    type DepositPerByte = ConstU128<{ deposit(0, 1) }>;
    type StringLimit = ConstU32<256>;
    type KeyLimit = ConstU32<64>;
    type ValueLimit = ConstU32<256>;
    type ApprovalsLimit = ConstU32<20>;
    type ItemAttributesApprovalsLimit = ConstU32<30>;
    type MaxTips = ConstU32<10>;
    type MaxDeadlineDuration = ConstU32<{ 360 * DAYS }>;
    type MaxAttributesPerCall = ConstU32<10>;
    type Features = Features;
    type OffchainSignature = Signature;
    type OffchainPublic = <Signature as Verify>::Signer;
    #[cfg(feature = "runtime-benchmarks")]
    type Helper = ();
    type WeightInfo = pallet_nfts::weights::SubstrateWeight<Runtime>;
    type BlockNumberProvider = System;
}
