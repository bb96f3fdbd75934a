// SPDX-License-Identifier: Apache-2.0

//! Stake, elections, pools, issuance.

use super::system::{parameters::inflation, RootOrigin};
use crate::{
    AccountId, Balance, Balances, DelegatedStaking, NominationPools, Runtime, RuntimeEvent, RuntimeFreezeReason,
    RuntimeHoldReason, Session, Staking, System, Timestamp, Treasury, VoterList,
};
use frame_election_provider_support::{
    bounds::{ElectionBounds, ElectionBoundsBuilder},
    onchain, SequentialPhragmen, VoteWeight,
};
use frame_support::{
    parameter_types,
    traits::{tokens::imbalance::ResolveTo, ConstU32, ConstU8, Get, Nothing},
    PalletId,
};
use pallet_staking::UseValidatorsMap;
use sp_core::U256;
use sp_runtime::{
    traits::{Convert, Saturating},
    FixedU128, Perbill,
};
use sp_staking::{currency_to_vote::U128CurrencyToVote, EraIndex};

/// Validators that may be elected at most.
///
/// An election runs whole in one block, at the start of an era's last session, and takes about as many steps as winners
/// times votes: with 16 votes of each of [`MAX_ELECTION_VOTERS`], 4 million, which is a third of a second at the pace
/// that the SDK's own measurement shows. More validators want an election over several blocks.
pub const MAX_VALIDATORS: u32 = 100;
/// Candidates there may be. More would make every election fail, so genesis sets this as the most that may declare
/// themselves (`MaxValidatorsCount`), and governance must not raise that beyond it.
pub const MAX_ELECTION_TARGETS: u32 = 600;
/// Voters that an election looks at. They come from the bags list: those with most stake are in it.
pub const MAX_ELECTION_VOTERS: u32 = 2_500;

parameter_types! {
    pub ElectionLimits: ElectionBounds = ElectionBoundsBuilder::default()
        .voters_count(MAX_ELECTION_VOTERS.into())
        .targets_count(MAX_ELECTION_TARGETS.into())
        .build();
    /// Where a validator's stake is stored and paid out by pages of this many nominators.
    pub const MaxNominatorsRewardedPerValidator: u32 = 512;
    /// Eras for which rewards can be claimed: 28 days in production, and longer than unbonding anywhere.
    pub const HistoryDepth: EraIndex = 112;
}

/// The election, computed on chain.
///
/// A solochain's voter set is small enough to be solved in the block itself; the off-chain miners of the multi-phase
/// pallet would add deposits, signed phases and a fallback that is this one.
pub struct OnChainElection;
impl onchain::Config for OnChainElection {
    type Sort = frame_support::traits::ConstBool<true>;
    type System = Runtime;
    type Solver = SequentialPhragmen<AccountId, Perbill>;
    type DataProvider = Staking;
    type WeightInfo = frame_election_provider_support::weights::SubstrateWeight<Runtime>;
    type MaxWinnersPerPage = ConstU32<MAX_VALIDATORS>;
    // Equivocation reports are priced for this many. Those with least stake are dropped.
    type MaxBackersPerWinner = MaxNominatorsRewardedPerValidator;
    type Bounds = ElectionLimits;
}

/// New coins: for stakers by how much is staked, plus the treasury's share.
///
/// The curve is the field's (W3F's NPoS): from `MinimumRate` with nothing staked it rises linearly to `MaximumRate` at
/// the ideal stake, then falls fast (halving every 5%), so that coins beyond what security needs stay in use. 50%
/// ideal and 8% at most give stakers 16% a year at the ideal point, and the total at most
/// `MaximumRate / (1 - TreasuryShare)`, 9.4%.
pub struct Inflation;
impl pallet_staking::EraPayout<Balance> for Inflation {
    fn era_payout(total_staked: Balance, total_issuance: Balance, era_millis: u64) -> (Balance, Balance) {
        const MILLIS_PER_YEAR: u64 = 1_000 * 3_600 * 24 * 36_525 / 100;
        // Whatever governance sets, a year's inflation stays within a tenth and the shares are shares.
        let maximum = inflation::MaximumRate::get().min(Perbill::from_percent(10));
        let minimum = inflation::MinimumRate::get().min(maximum);
        let ideal = inflation::IdealStake::get().clamp(Perbill::from_percent(10), Perbill::from_percent(90));
        let treasury = inflation::TreasuryShare::get().min(Perbill::from_percent(50));

        let staked = Perbill::from_rational(total_staked, total_issuance);
        let slope = pallet_staking_reward_fn::compute_inflation(staked, ideal, Perbill::from_percent(5));
        let yearly = minimum.saturating_add(Perbill::from_parts(slope.mul_floor((maximum - minimum).deconstruct())));
        // An era that a stalled chain drew out pays for a day at most.
        let era = Perbill::from_rational(era_millis.min(24 * 3_600 * 1_000), MILLIS_PER_YEAR);
        let stakers = era * (yearly * total_issuance);
        let remainder =
            Perbill::from_rational(treasury.deconstruct(), (Perbill::one() - treasury).deconstruct().max(1));
        (stakers, remainder * stakers)
    }
}

impl pallet_staking::Config for Runtime {
    type OldCurrency = Balances;
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type CurrencyBalance = Balance;
    type UnixTime = Timestamp;
    type CurrencyToVote = U128CurrencyToVote;
    type ElectionProvider = onchain::OnChainExecution<OnChainElection>;
    type GenesisElectionProvider = onchain::OnChainExecution<OnChainElection>;
    type NominationsQuota = pallet_staking::FixedNominationsQuota<16>;
    type HistoryDepth = HistoryDepth;
    type RewardRemainder = ResolveTo<TreasuryAccount, Balances>;
    type RuntimeEvent = RuntimeEvent;
    // Slashed stake pays for what the community does, rather than whoever is left.
    type Slash = ResolveTo<TreasuryAccount, Balances>;
    type Reward = ();
    type SessionsPerEra = pallet_network::SessionsPerEra<Runtime>;
    type BondingDuration = pallet_network::BondingDurationEras<Runtime>;
    type SlashDeferDuration = pallet_network::SlashDeferDurationEras<Runtime>;
    type AdminOrigin = RootOrigin;
    type SessionInterface = Self;
    type EraPayout = Inflation;
    type NextNewSession = Session;
    type MaxExposurePageSize = MaxNominatorsRewardedPerValidator;
    type MaxValidatorSet = ConstU32<MAX_VALIDATORS>;
    type VoterList = VoterList;
    type TargetList = UseValidatorsMap<Self>;
    // One for each era of the longest bonding duration that `NetworkParameters::check` lets through, and some to spare.
    type MaxUnlockingChunks = ConstU32<64>;
    type MaxControllersInDeprecationBatch = ConstU32<1>;
    type EventListeners = (NominationPools, DelegatedStaking);
    type Filter = Nothing;
    type BenchmarkingConfig = StakingBenchmarks;
    type WeightInfo = pallet_staking::weights::SubstrateWeight<Runtime>;
}

/// Benchmarks at the size of the elections above.
pub struct StakingBenchmarks;
impl pallet_staking::BenchmarkingConfig for StakingBenchmarks {
    type MaxNominators = ConstU32<1_000>;
    type MaxValidators = ConstU32<1_000>;
}

/// To the treasury's account, for pallets that still speak of `Currency`.
pub struct ToTreasury;
impl frame_support::traits::OnUnbalanced<pallet_balances::NegativeImbalance<Runtime>> for ToTreasury {
    fn on_nonzero_unbalanced(amount: pallet_balances::NegativeImbalance<Runtime>) {
        use frame_support::traits::Currency;
        Balances::resolve_creating(&Treasury::account_id(), amount);
    }
}

const BAGS: usize = 60;
const THRESHOLDS: [VoteWeight; BAGS] = bag_thresholds();

/// Bags grow by three tenths each, from 10^12 votes to 4 x 10^18: within a bag, stakes are alike enough that their order
/// does not matter. A vote is a planck while less than 36.9 million CRN exist, and n plancks from n x 18.4 million on.
const fn bag_thresholds() -> [VoteWeight; BAGS] {
    let mut thresholds = [0; BAGS];
    let mut value = crate::constants::currency::CRN;
    let mut i = 0;
    while i < BAGS - 1 {
        thresholds[i] = value as VoteWeight;
        value = value / 10 * 13;
        i += 1;
    }
    thresholds[BAGS - 1] = VoteWeight::MAX;
    thresholds
}

parameter_types! {
    pub const BagThresholds: &'static [VoteWeight] = &THRESHOLDS;
}

impl pallet_bags_list::Config<pallet_bags_list::Instance1> for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_bags_list::weights::SubstrateWeight<Runtime>;
    type ScoreProvider = Staking;
    type BagThresholds = BagThresholds;
    type MaxAutoRebagPerBlock = ConstU32<5>;
    type Score = VoteWeight;
}

parameter_types! {
    pub const PoolsPalletId: PalletId = PalletId(*b"cairn/np");
    pub const DelegatedStakingPalletId: PalletId = PalletId(*b"cairn/ds");
    pub const DelegatedSlashReward: Perbill = Perbill::from_percent(1);
    /// Of a pool: one for each era of the bonding duration, and four more before old ones are merged.
    pub MaxUnbondingPools: u32 =
        pallet_network::Parameters::<Runtime>::get().bonding_duration_eras.saturating_add(4);
}

/// Balances as 256-bit numbers, for the pools' arithmetic.
pub struct BalanceU256;
impl Convert<Balance, U256> for BalanceU256 {
    fn convert(balance: Balance) -> U256 {
        balance.into()
    }
}
impl Convert<U256, Balance> for BalanceU256 {
    fn convert(number: U256) -> Balance {
        number.try_into().unwrap_or(Balance::MAX)
    }
}

impl pallet_nomination_pools::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_nomination_pools::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type RewardCounter = FixedU128;
    type PalletId = PoolsPalletId;
    type MaxPointsToBalance = ConstU8<10>;
    type MaxUnbonding = ConstU32<8>;
    type BalanceToU256 = BalanceU256;
    type U256ToBalance = BalanceU256;
    type StakeAdapter = pallet_nomination_pools::adapter::DelegateStake<Self, Staking, DelegatedStaking>;
    type MaxUnbondingPools = MaxUnbondingPools;
    type MaxMetadataLen = ConstU32<256>;
    type AdminOrigin = RootOrigin;
    type BlockNumberProvider = System;
    type Filter = Nothing;
}

impl pallet_delegated_staking::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type PalletId = DelegatedStakingPalletId;
    type Currency = Balances;
    type OnSlash = ResolveTo<TreasuryAccount, Balances>;
    type SlashRewardFraction = DelegatedSlashReward;
    type RuntimeHoldReason = RuntimeHoldReason;
    type CoreStaking = Staking;
}

/// The treasury's account.
pub struct TreasuryAccount;
impl sp_runtime::traits::TypedGet for TreasuryAccount {
    type Type = AccountId;
    fn get() -> AccountId {
        Treasury::account_id()
    }
}
