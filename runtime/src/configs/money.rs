// SPDX-License-Identifier: Apache-2.0

//! CRN, fees, vesting.

use crate::{
    constants::currency, weights, AccountId, Authorship, Balance, Balances, Runtime, RuntimeEvent, RuntimeFreezeReason,
    RuntimeHoldReason, System,
};
use frame_support::{
    parameter_types,
    traits::{fungible, ConstU128, ConstU32, ConstU8, Imbalance, OnUnbalanced, VariantCountOf, WithdrawReasons},
    weights::{Weight, WeightToFee as WeightToFeeT},
};
use pallet_transaction_payment::{FungibleAdapter, Multiplier, TargetedFeeAdjustment};
use sp_runtime::{
    traits::{Bounded, ConvertInto},
    FixedPointNumber, Perquintill,
};

impl pallet_balances::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeHoldReason = RuntimeHoldReason;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type WeightInfo = weights::pallet_balances::WeightInfo<Runtime>;
    type Balance = Balance;
    type DustRemoval = ();
    type ExistentialDeposit = ConstU128<{ currency::EXISTENTIAL_DEPOSIT }>;
    type AccountStore = System;
    type ReserveIdentifier = [u8; 8];
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxLocks = ConstU32<50>;
    type MaxReserves = ConstU32<50>;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
    type DoneSlashHandler = ();
}

/// Plancks for a picosecond of execution: an hour of a validator's whole execution time costs 14,400 CRN, a transfer
/// about a thousandth of a coin.
pub const PLANCK_PER_PICOSECOND: Balance = 4;
/// Plancks for a byte of a transaction, which every node keeps: a megabyte costs 1 CRN.
pub const PLANCK_PER_BYTE: Balance = currency::MICRO_CRN;

/// Execution time to fee. Proof size is not charged: nobody validates this chain by proofs.
pub struct WeightToFee;
impl WeightToFeeT for WeightToFee {
    type Balance = Balance;

    fn weight_to_fee(weight: &Weight) -> Balance {
        Balance::from(weight.ref_time()).saturating_mul(PLANCK_PER_PICOSECOND)
    }
}

/// Bytes to fee.
pub struct LengthToFee;
impl WeightToFeeT for LengthToFee {
    type Balance = Balance;

    fn weight_to_fee(bytes: &Weight) -> Balance {
        Balance::from(bytes.ref_time()).saturating_mul(PLANCK_PER_BYTE)
    }
}

/// Fees are burned, tips go to the block's author.
///
/// An author who earned the fees could fill his own blocks for free and drive the fee multiplier up; burning takes that
/// away, and writes one value a block where a share for the treasury would write an account a transaction. The treasury
/// has its share of the issuance instead.
pub struct BurnFeesTipAuthor;
impl OnUnbalanced<fungible::Credit<AccountId, Balances>> for BurnFeesTipAuthor {
    fn on_unbalanceds(mut fees_then_tips: impl Iterator<Item = fungible::Credit<AccountId, Balances>>) {
        drop(fees_then_tips.next());
        if let Some(tip) = fees_then_tips.next() {
            if let (Some(author), false) = (Authorship::author(), tip.peek() == 0) {
                // A tip below the existential deposit to an author without an account is burned.
                let _ = <Balances as fungible::Balanced<AccountId>>::resolve(&author, tip);
            }
        }
    }
}

parameter_types! {
    /// Blocks a quarter full leave the multiplier as it is.
    pub const TargetBlockFullness: Perquintill = Perquintill::from_percent(25);
    /// Full blocks double it in about an hour and a half.
    pub AdjustmentVariable: Multiplier = Multiplier::saturating_from_rational(1, 2_000);
    /// It never falls below the base fee: spam on an empty chain pays for what it uses.
    pub MinimumMultiplier: Multiplier = Multiplier::saturating_from_integer(1);
    pub MaximumMultiplier: Multiplier = Bounded::max_value();
}

impl pallet_transaction_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type OnChargeTransaction = FungibleAdapter<Balances, BurnFeesTipAuthor>;
    type OperationalFeeMultiplier = ConstU8<5>;
    type WeightToFee = WeightToFee;
    type LengthToFee = LengthToFee;
    type FeeMultiplierUpdate =
        TargetedFeeAdjustment<Runtime, TargetBlockFullness, AdjustmentVariable, MinimumMultiplier, MaximumMultiplier>;
    type WeightInfo = weights::pallet_transaction_payment::WeightInfo<Runtime>;
}

parameter_types! {
    /// Vesting coins can vote and be staked, but not move or pay fees beyond what has vested.
    pub UnvestedFundsAllowedWithdrawReasons: WithdrawReasons =
        WithdrawReasons::except(WithdrawReasons::TRANSFER | WithdrawReasons::RESERVE);
}

impl pallet_vesting::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type Currency = Balances;
    type BlockNumberToBalance = ConvertInto;
    type MinVestedTransfer = ConstU128<{ currency::CRN }>;
    type WeightInfo = pallet_vesting::weights::SubstrateWeight<Runtime>;
    type UnvestedFundsAllowedWithdrawReasons = UnvestedFundsAllowedWithdrawReasons;
    type BlockNumberProvider = System;
    const MAX_VESTING_SCHEDULES: u32 = 28;
}

/// What a weight costs now, with the multiplier: contracts charge their storage and gas by it.
pub type WeightPrice = pallet_transaction_payment::Pallet<Runtime>;
