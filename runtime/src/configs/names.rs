// SPDX-License-Identifier: Apache-2.0

//! Names under `.cairn`.

use super::{governance::TreasuryAccountId, system::parameters::names, system::RootOrigin};
use crate::{
    constants::{
        currency::{deposit, CRN, MILLI_CRN},
        time::{DAYS, MINUTES},
    },
    Balance, Balances, Runtime, RuntimeHoldReason,
};
use frame_support::{parameter_types, traits::ConstU128, traits::ConstU32, traits::Get};
use pallet_network::NamesPeriod;

/// What a label of 5 bytes and more costs a year at most, whatever governance sets.
const PRICE_PER_YEAR_MAX: Balance = 1_000_000 * CRN;

parameter_types! {
    /// What a label of 5 bytes and more costs a year: never free, or names would be hoarded.
    pub PricePerYear: Balance = names::PricePerYear::get().clamp(MILLI_CRN, PRICE_PER_YEAR_MAX);
}

/// More than grace has, however fast a network's years are.
pub struct YearBlocks;
impl Get<u32> for YearBlocks {
    fn get() -> u32 {
        NamesPeriod::<Runtime, { 365 * DAYS }>::get().max(GraceBlocks::get().saturating_add(1))
    }
}

type GraceBlocks = NamesPeriod<Runtime, { 28 * DAYS }>;
type CommitmentAgeMinBlocks = NamesPeriod<Runtime, MINUTES>;

/// More than the age from which a commitment serves, by enough blocks to use it.
pub struct CommitmentAgeMaxBlocks;
impl Get<u32> for CommitmentAgeMaxBlocks {
    fn get() -> u32 {
        NamesPeriod::<Runtime, DAYS>::get().max(CommitmentAgeMinBlocks::get().saturating_add(20))
    }
}

impl pallet_names::Config for Runtime {
    type RuntimeHoldReason = RuntimeHoldReason;
    type NativeBalance = Balances;
    type GovernanceOrigin = RootOrigin;
    type Treasury = TreasuryAccountId;
    type PricePerYear = PricePerYear;
    type CommitmentDeposit = ConstU128<{ deposit(1, 80) }>;
    type ZoneDepositBase = ConstU128<{ deposit(1, 64) }>;
    type ZoneDepositPerByte = ConstU128<{ deposit(0, 1) }>;
    type EntryDeposit = ConstU128<{ deposit(1, 200) }>;
    type CommitmentsMax = ConstU32<16>;
    type CommitmentAgeMinBlocks = CommitmentAgeMinBlocks;
    type CommitmentAgeMaxBlocks = CommitmentAgeMaxBlocks;
    type YearBlocks = YearBlocks;
    type GraceBlocks = GraceBlocks;
    type PremiumHalvingBlocks = NamesPeriod<Runtime, DAYS>;
    type PurgesPerBlockMax = ConstU32<10>;
    // The variant with the SDK's weights has none for a pallet that is not the SDK's.
    #[cfg(feature = "sdk-solochain-defaults")]
    type WeightInfo = ();
    #[cfg(not(feature = "sdk-solochain-defaults"))]
    type WeightInfo = crate::weights::pallet_names::WeightInfo<Runtime>;
}
