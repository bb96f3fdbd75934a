// SPDX-License-Identifier: Apache-2.0

//! Votes of coin holders, and what they decide: upgrades, parameters, the treasury.

use super::system::{BlockWeights, RootOrigin};
use crate::{
    constants::{
        currency::{deposit, CRN},
        time::{DAYS, HOURS, MINUTES},
    },
    AccountId, Balance, Balances, BlockNumber, OriginCaller, Preimage, Referenda, Runtime, RuntimeCall, RuntimeEvent,
    RuntimeHoldReason, RuntimeOrigin, Scheduler, System, Treasury,
};
use alloc::borrow::Cow;
use core::cmp::Ordering;
use frame_support::{
    parameter_types,
    traits::{
        fungible::HoldConsideration,
        tokens::{PayFromAccount, UnityAssetBalanceConversion},
        ConstU128, ConstU32, EitherOf, LinearStoragePrice, PrivilegeCmp,
    },
    weights::Weight,
    PalletId,
};
use frame_system::{EnsureRootWithSuccess, EnsureSigned};
use pallet_network::Period;
use pallet_referenda::{Curve, Track, TrackInfo};
use sp_runtime::{str_array, traits::IdentityLookup, FixedI64, Perbill, Permill};

/// Origins that only a referendum of their own track gives.
#[frame_support::pallet]
pub mod origins {
    use crate::{constants::currency::CRN, Balance};
    use frame_support::pallet_prelude::*;

    #[pallet::config]
    pub trait Config: frame_system::Config {}

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::origin]
    #[derive(Clone, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Debug)]
    pub enum Origin {
        /// May spend from the treasury, within [`TREASURER_LIMIT`] a proposal.
        Treasurer,
        /// May cancel and kill referenda that do harm.
        ReferendumCanceller,
    }

    /// What a treasurer's vote may spend at a time.
    pub const TREASURER_LIMIT: Balance = 100_000 * CRN;

    macro_rules! ensure_origin {
        ($(#[$doc:meta])* $name:ident, $origin:ident, $success:ty, $value:expr) => {
            $(#[$doc])*
            pub struct $name;
            impl<O: OriginTrait + From<Origin>> EnsureOrigin<O> for $name
            where
                for<'a> &'a O::PalletsOrigin: TryInto<&'a Origin>,
            {
                type Success = $success;

                fn try_origin(o: O) -> Result<Self::Success, O> {
                    let passes = matches!(o.caller().try_into(), Ok(Origin::$origin));
                    if passes { Ok($value) } else { Err(o) }
                }

                #[cfg(feature = "runtime-benchmarks")]
                fn try_successful_origin() -> Result<O, ()> {
                    Ok(O::from(Origin::$origin))
                }
            }
        };
    }

    ensure_origin!(
        /// Passes for a treasurer's referendum, with what it may spend.
        Treasurer, Treasurer, Balance, TREASURER_LIMIT
    );
    ensure_origin!(
        /// Passes for a canceller's referendum.
        ReferendumCanceller, ReferendumCanceller, (), ()
    );
}

impl origins::Config for Runtime {}

parameter_types! {
    pub const PreimageHoldReason: RuntimeHoldReason =
        RuntimeHoldReason::Preimage(pallet_preimage::HoldReason::Preimage);
    pub const PreimageBaseDeposit: Balance = deposit(2, 64);
    pub const PreimageByteDeposit: Balance = deposit(0, 1);
    pub MaximumSchedulerWeight: Weight = Perbill::from_percent(80) * BlockWeights::get().max_block;
}

impl pallet_preimage::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_preimage::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    type ManagerOrigin = RootOrigin;
    type Consideration = HoldConsideration<
        AccountId,
        Balances,
        PreimageHoldReason,
        LinearStoragePrice<PreimageBaseDeposit, PreimageByteDeposit, Balance>,
    >;
}

/// Root may act for every origin, every other one only for itself.
pub struct RootOverAll;
impl PrivilegeCmp<OriginCaller> for RootOverAll {
    fn cmp_privilege(left: &OriginCaller, right: &OriginCaller) -> Option<Ordering> {
        match (left, right) {
            (left, right) if left == right => Some(Ordering::Equal),
            (OriginCaller::system(frame_system::RawOrigin::Root), _) => Some(Ordering::Greater),
            _ => None,
        }
    }
}

impl pallet_scheduler::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeOrigin = RuntimeOrigin;
    type PalletsOrigin = OriginCaller;
    type RuntimeCall = RuntimeCall;
    type MaximumWeight = MaximumSchedulerWeight;
    type ScheduleOrigin = RootOrigin;
    type OriginPrivilegeCmp = RootOverAll;
    type MaxScheduledPerBlock = ConstU32<50>;
    type WeightInfo = pallet_scheduler::weights::SubstrateWeight<Runtime>;
    type Preimages = Preimage;
    type BlockNumberProvider = System;
}

impl pallet_conviction_voting::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_conviction_voting::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    type Polls = Referenda;
    type MaxTurnout = frame_support::traits::TotalIssuanceOf<Balances, AccountId>;
    type MaxVotes = ConstU32<512>;
    type VoteLockingPeriod = Period<Runtime, { 7 * DAYS }>;
    type BlockNumberProvider = System;
    type VotingHooks = ();
}

/// The tracks of referenda: what may be decided, and how hard it is.
///
/// | track | decides | decision | confirm | enactment | approval | support |
/// | --- | --- | --- | --- | --- | --- | --- |
/// | 0 root | everything, runtime upgrades among it | 14 d | 1 d | 1 d | 100% falling to 50% | 50% falling to 0 |
/// | 1 treasurer | spending up to 100,000 CRN | 14 d | 12 h | 1 d | 100% falling to 50% | 25% falling to 0 |
/// | 2 canceller | stopping a referendum | 7 d | 3 h | 10 min | 100% falling to 50% | 10% falling to 0 |
///
/// Support falls slowly and never all the way before the end, so that a vote nobody saw does not pass early. A network's
/// `governance_speedup` divides all periods.
pub struct Tracks;

const fn percent(x: u128) -> FixedI64 {
    FixedI64::from_rational(x, 100)
}

const APPROVAL_ROOT: Curve = Curve::make_reciprocal(4, 14, percent(80), percent(50), percent(100));
const SUPPORT_ROOT: Curve = Curve::make_linear(14, 14, percent(0), percent(50));
const APPROVAL_TREASURER: Curve = Curve::make_reciprocal(4, 14, percent(80), percent(50), percent(100));
const SUPPORT_TREASURER: Curve = Curve::make_linear(14, 14, percent(0), percent(25));
const APPROVAL_CANCELLER: Curve = Curve::make_linear(7, 7, percent(50), percent(100));
const SUPPORT_CANCELLER: Curve = Curve::make_reciprocal(1, 7, percent(1), percent(0), percent(10));

const TRACKS: [Track<u16, Balance, BlockNumber>; 3] = [
    Track {
        id: 0,
        info: TrackInfo {
            name: str_array("root"),
            max_deciding: 1,
            decision_deposit: 100_000 * CRN,
            prepare_period: 2 * HOURS,
            decision_period: 14 * DAYS,
            confirm_period: DAYS,
            min_enactment_period: DAYS,
            min_approval: APPROVAL_ROOT,
            min_support: SUPPORT_ROOT,
        },
    },
    Track {
        id: 1,
        info: TrackInfo {
            name: str_array("treasurer"),
            max_deciding: 10,
            decision_deposit: 1_000 * CRN,
            prepare_period: 2 * HOURS,
            decision_period: 14 * DAYS,
            confirm_period: 12 * HOURS,
            min_enactment_period: DAYS,
            min_approval: APPROVAL_TREASURER,
            min_support: SUPPORT_TREASURER,
        },
    },
    Track {
        id: 2,
        info: TrackInfo {
            name: str_array("canceller"),
            max_deciding: 100,
            decision_deposit: 10_000 * CRN,
            prepare_period: 30 * MINUTES,
            decision_period: 7 * DAYS,
            confirm_period: 3 * HOURS,
            min_enactment_period: 10 * MINUTES,
            min_approval: APPROVAL_CANCELLER,
            min_support: SUPPORT_CANCELLER,
        },
    },
];

impl pallet_referenda::TracksInfo<Balance, BlockNumber> for Tracks {
    type Id = u16;
    type RuntimeOrigin = OriginCaller;

    fn tracks() -> impl Iterator<Item = Cow<'static, Track<Self::Id, Balance, BlockNumber>>> {
        let network = pallet_network::Parameters::<Runtime>::get();
        TRACKS.into_iter().map(move |mut track| {
            let info = &mut track.info;
            for period in [
                &mut info.prepare_period,
                &mut info.decision_period,
                &mut info.confirm_period,
                &mut info.min_enactment_period,
            ] {
                *period = network.shorten(*period);
            }
            Cow::Owned(track)
        })
    }

    fn track_for(origin: &Self::RuntimeOrigin) -> Result<Self::Id, ()> {
        match origin {
            OriginCaller::system(frame_system::RawOrigin::Root) => Ok(0),
            OriginCaller::Origins(origins::Origin::Treasurer) => Ok(1),
            OriginCaller::Origins(origins::Origin::ReferendumCanceller) => Ok(2),
            _ => Err(()),
        }
    }
}

impl pallet_referenda::Config for Runtime {
    type RuntimeCall = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_referenda::weights::SubstrateWeight<Runtime>;
    type Scheduler = Scheduler;
    type Currency = Balances;
    type SubmitOrigin = frame_support::traits::AsEnsureOriginWithArg<EnsureSigned<AccountId>>;
    type CancelOrigin = EitherOf<RootOrigin, origins::ReferendumCanceller>;
    type KillOrigin = EitherOf<RootOrigin, origins::ReferendumCanceller>;
    type Slash = super::staking::ToTreasury;
    type Votes = pallet_conviction_voting::VotesOf<Runtime>;
    type Tally = pallet_conviction_voting::TallyOf<Runtime>;
    type SubmissionDeposit = ConstU128<{ 10 * CRN }>;
    type MaxQueued = ConstU32<100>;
    type UndecidingTimeout = Period<Runtime, { 14 * DAYS }>;
    type AlarmInterval = ConstU32<1>;
    type Tracks = Tracks;
    type Preimages = Preimage;
    type BlockNumberProvider = System;
}

parameter_types! {
    pub const TreasuryPalletId: PalletId = PalletId(*b"cairn/tr");
    pub TreasuryAccountId: AccountId = Treasury::account_id();
    pub const MaxBalance: Balance = Balance::MAX;
    /// Nothing is burned from the treasury: its income is what votes set.
    pub const Burn: Permill = Permill::zero();
}

impl pallet_treasury::Config for Runtime {
    type Currency = Balances;
    type RejectOrigin = RootOrigin;
    type RuntimeEvent = RuntimeEvent;
    type SpendPeriod = Period<Runtime, { 7 * DAYS }>;
    type Burn = Burn;
    type PalletId = TreasuryPalletId;
    type BurnDestination = ();
    type WeightInfo = pallet_treasury::weights::SubstrateWeight<Runtime>;
    type SpendFunds = ();
    type MaxApprovals = ConstU32<100>;
    type SpendOrigin = EitherOf<EnsureRootWithSuccess<AccountId, MaxBalance>, origins::Treasurer>;
    type AssetKind = ();
    type Beneficiary = AccountId;
    type BeneficiaryLookup = IdentityLookup<AccountId>;
    type Paymaster = PayFromAccount<Balances, TreasuryAccountId>;
    type BalanceConverter = UnityAssetBalanceConversion;
    type PayoutPeriod = Period<Runtime, { 30 * DAYS }>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
    type BlockNumberProvider = System;
}
