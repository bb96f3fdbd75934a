// SPDX-License-Identifier: Apache-2.0

//! Who makes blocks and finalizes them, and what happens to those who cheat.
//!
//! There is no `im-online`: its heartbeats cost a transaction per validator and session and punished whole data-centre
//! outages; the relay chains dropped it. A validator that is away earns no era points, which is its punishment, and one
//! that cheats is disabled at once and slashed.

use crate::{
    configs::staking::MaxNominatorsRewardedPerValidator,
    constants::{currency, time},
    AccountId, Babe, Balances, Historical, Offences, Runtime, RuntimeCall, RuntimeEvent, Session, SessionKeys, Staking,
    UncheckedExtrinsic,
};
use frame_support::{
    parameter_types,
    traits::{ConstU128, ConstU32, ConstU64},
};
use sp_runtime::traits::{ConvertInto, OpaqueKeys};

/// More authorities than this never take part: GRANDPA's votes grow with their number.
pub const MAX_AUTHORITIES: u32 = 1_000;

parameter_types! {
    /// Equivocations can be reported for as long as the stake behind them is bonded.
    pub ReportLongevity: u64 = u64::from(pallet_network::Parameters::<Runtime>::get().bonding_duration_eras)
        * u64::from(pallet_network::Parameters::<Runtime>::get().sessions_per_era)
        * u64::from(pallet_network::Parameters::<Runtime>::get().epoch_duration_blocks);
    pub MaxSetIdSessionEntries: u64 = u64::from(pallet_network::Parameters::<Runtime>::get().bonding_duration_eras)
        * u64::from(pallet_network::Parameters::<Runtime>::get().sessions_per_era);
}

impl pallet_babe::Config for Runtime {
    type EpochDuration = pallet_network::EpochDurationBlocks<Runtime>;
    type ExpectedBlockTime = ConstU64<{ time::MILLISECS_PER_BLOCK }>;
    // Session decides, so that validator sets and epochs change together.
    type EpochChangeTrigger = pallet_babe::ExternalTrigger;
    type DisabledValidators = Session;
    type WeightInfo = ();
    type MaxAuthorities = ConstU32<MAX_AUTHORITIES>;
    type MaxNominators = MaxNominatorsRewardedPerValidator;
    type KeyOwnerProof = sp_session::MembershipProof;
    type EquivocationReportSystem = pallet_babe::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = ConstU32<MAX_AUTHORITIES>;
    type MaxNominators = MaxNominatorsRewardedPerValidator;
    type MaxSetIdSessionEntries = MaxSetIdSessionEntries;
    type KeyOwnerProof = sp_session::MembershipProof;
    type EquivocationReportSystem =
        pallet_grandpa::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}

impl pallet_authorship::Config for Runtime {
    type FindAuthor = pallet_session::FindAccountFromAuthorIndex<Self, Babe>;
    type EventHandler = Staking;
}

impl pallet_session::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId;
    type ValidatorIdOf = ConvertInto;
    type ShouldEndSession = Babe;
    type NextSessionRotation = Babe;
    type SessionManager = pallet_session::historical::NoteHistoricalRoot<Self, Staking>;
    type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
    type Keys = SessionKeys;
    type DisablingStrategy = pallet_session::disabling::UpToLimitWithReEnablingDisablingStrategy;
    type WeightInfo = pallet_session::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    // Three keys and their owner's entries.
    type KeyDeposit = ConstU128<{ currency::deposit(4, 3 * 64 + 96) }>;
}

impl pallet_session::historical::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    // Staking looks exposures up by itself: offences need only name the validator.
    type FullIdentification = ();
    type FullIdentificationOf = pallet_staking::UnitIdentificationOf<Self>;
}

impl pallet_offences::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type IdentificationTuple = pallet_session::historical::IdentificationTuple<Self>;
    type OnOffenceHandler = Staking;
}

impl pallet_authority_discovery::Config for Runtime {
    type MaxAuthorities = ConstU32<MAX_AUTHORITIES>;
}

/// Equivocation reports are submitted by validators' nodes as unsigned transactions.
impl<C> frame_system::offchain::CreateTransactionBase<C> for Runtime
where
    RuntimeCall: From<C>,
{
    type Extrinsic = UncheckedExtrinsic;
    type RuntimeCall = RuntimeCall;
}

impl<C> frame_system::offchain::CreateBare<C> for Runtime
where
    RuntimeCall: From<C>,
{
    fn create_bare(call: RuntimeCall) -> UncheckedExtrinsic {
        UncheckedExtrinsic::new_bare(call)
    }
}
