// SPDX-License-Identifier: Apache-2.0

//! Accounts that act together, for one another, in batches, or under a name.

use super::system::RootOrigin;
use crate::{
    constants::{currency::deposit, time::DAYS},
    Balances, OriginCaller, Runtime, RuntimeCall, RuntimeEvent, Signature, System,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::traits::{ConstU128, ConstU32, InstanceFilter};
use scale_info::TypeInfo;
use sp_runtime::traits::{BlakeTwo256, Verify};

impl pallet_utility::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type PalletsOrigin = OriginCaller;
    type WeightInfo = pallet_utility::weights::SubstrateWeight<Runtime>;
}

/// What a proxy may do for its principal.
#[derive(
    Copy,
    Clone,
    Default,
    Eq,
    PartialEq,
    Ord,
    PartialOrd,
    Encode,
    Decode,
    DecodeWithMemTracking,
    Debug,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum ProxyType {
    /// Everything.
    #[default]
    Any,
    /// Everything that leaves coins, issued assets and property where they are.
    NonTransfer,
    /// Voting, referenda and the treasury.
    Governance,
    /// Validating and nominating, session keys, pools; not where rewards go, nor who runs a pool.
    Staking,
    /// Refusing announced proxy calls.
    CancelProxy,
    /// Registering and renewing names and what they point to; not giving them away.
    Names,
    /// What a vault's daemon does: proving, rebuilding, disputing, leaving and declining slots, reporting. For a key that lies on the vault's machine
    /// while the bond's key doesn't.
    Vault,
}

/// A name is property: whoever may not move property may not do these.
fn gives_a_name_away(call: &pallet_names::Call<Runtime>) -> bool {
    use pallet_names::Call::{
        accept_transfer, force_reserve, propose_transfer, release, set_manager, set_subdomain_owner,
    };
    matches!(
        call,
        propose_transfer { .. }
            | release { .. }
            | accept_transfer { .. }
            | force_reserve { .. }
            // Who manages a name, or owns a part of it, decides what it points to, also once the proxy is gone.
            | set_manager { .. }
            | set_subdomain_owner { .. }
    )
}

/// Whether a call names somebody who gets coins of the caller's, now or later, or power over what the caller keeps: where
/// rewards go, who runs a pool and takes its commission, whose deposit the caller pays, who is paid as registrar. Only who may
/// do everything may do these. A test holds all calls that name an account against what each proxy type lets through.
fn favours_somebody(call: &RuntimeCall) -> bool {
    use pallet_identity::Call as Identity;
    use pallet_nomination_pools::Call as Pools;
    use pallet_staking::{Call as Staking, RewardDestination::Account};
    use pallet_treasury::Call as Treasury;
    match call {
        RuntimeCall::Staking(call) => matches!(
            call,
            Staking::bond { payee: Account(_), .. }
                | Staking::set_payee { payee: Account(_) }
                | Staking::update_payee { .. }
        ),
        RuntimeCall::NominationPools(call) => matches!(
            call,
            Pools::create { .. }
                | Pools::create_with_pool_id { .. }
                | Pools::update_roles { .. }
                | Pools::set_commission { .. }
                | Pools::set_commission_claim_permission { .. }
        ),
        RuntimeCall::Identity(call) => matches!(
            call,
            // The caller pays a deposit that the other account can take with it.
            Identity::add_sub { .. }
                | Identity::set_subs { .. }
                // A registrar names its fee.
                | Identity::request_judgement { .. }
                | Identity::set_account_id { .. }
        ),
        RuntimeCall::Treasury(call) => matches!(call, Treasury::spend { .. } | Treasury::spend_local { .. }),
        _ => false,
    }
}

impl InstanceFilter<RuntimeCall> for ProxyType {
    fn filter(&self, call: &RuntimeCall) -> bool {
        match self {
            ProxyType::Any => true,
            _ if favours_somebody(call) => false,
            ProxyType::NonTransfer => matches!(
                call,
                RuntimeCall::System(..)
                    | RuntimeCall::Session(..)
                    | RuntimeCall::Staking(..)
                    | RuntimeCall::VoterList(..)
                    | RuntimeCall::Preimage(..)
                    | RuntimeCall::ConvictionVoting(..)
                    | RuntimeCall::Referenda(..)
                    | RuntimeCall::Treasury(..)
                    | RuntimeCall::Utility(..)
                    // Taking part in what an account of several does is to move that account's coins.
                    | RuntimeCall::Multisig(pallet_multisig::Call::cancel_as_multi { .. })
                    | RuntimeCall::Multisig(pallet_multisig::Call::poke_deposit { .. })
                    | RuntimeCall::Identity(..)
                    | RuntimeCall::Vesting(pallet_vesting::Call::vest { .. })
                    | RuntimeCall::Vesting(pallet_vesting::Call::vest_other { .. })
            ),
            ProxyType::Governance => matches!(
                call,
                RuntimeCall::Preimage(..)
                    | RuntimeCall::ConvictionVoting(..)
                    | RuntimeCall::Referenda(..)
                    | RuntimeCall::Treasury(..)
                    | RuntimeCall::Utility(..)
            ),
            ProxyType::Staking => matches!(
                call,
                RuntimeCall::Staking(..)
                    | RuntimeCall::Session(..)
                    | RuntimeCall::VoterList(..)
                    | RuntimeCall::NominationPools(..)
                    | RuntimeCall::Utility(..)
            ),
            ProxyType::Names => match call {
                RuntimeCall::Names(call) => !gives_a_name_away(call),
                other => matches!(other, RuntimeCall::Utility(..)),
            },
            ProxyType::Vault => matches!(
                call,
                RuntimeCall::Storage(
                    pallet_storage::Call::prove { .. }
                        | pallet_storage::Call::restore { .. }
                        | pallet_storage::Call::leave_slots { .. }
                        | pallet_storage::Call::decline_slots { .. }
                        | pallet_storage::Call::report_unserved { .. }
                        | pallet_storage::Call::dispute { .. }
                        | pallet_storage::Call::answer_dispute { .. }
                ) | RuntimeCall::Vaults(pallet_vaults::Call::set_paused { .. })
            ),
            ProxyType::CancelProxy => {
                matches!(call, RuntimeCall::Proxy(pallet_proxy::Call::reject_announcement { .. }))
            },
        }
    }

    fn is_superset(&self, other: &Self) -> bool {
        match (self, other) {
            (this, that) if this == that => true,
            (ProxyType::Any, _) => true,
            (_, ProxyType::Any) => false,
            (ProxyType::NonTransfer, ProxyType::Governance) => true,
            _ => false,
        }
    }
}

impl pallet_proxy::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type Currency = Balances;
    type ProxyType = ProxyType;
    type ProxyDepositBase = ConstU128<{ deposit(1, 8) }>;
    type ProxyDepositFactor = ConstU128<{ deposit(0, 37) }>;
    type MaxProxies = ConstU32<32>;
    type WeightInfo = pallet_proxy::weights::SubstrateWeight<Runtime>;
    type MaxPending = ConstU32<32>;
    type CallHasher = BlakeTwo256;
    type AnnouncementDepositBase = ConstU128<{ deposit(1, 8) }>;
    type AnnouncementDepositFactor = ConstU128<{ deposit(0, 68) }>;
    type BlockNumberProvider = System;
}

impl pallet_multisig::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type Currency = Balances;
    type DepositBase = ConstU128<{ deposit(1, 88) }>;
    type DepositFactor = ConstU128<{ deposit(0, 32) }>;
    type MaxSignatories = ConstU32<100>;
    type WeightInfo = pallet_multisig::weights::SubstrateWeight<Runtime>;
    type BlockNumberProvider = System;
}

impl pallet_identity::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type Currency = Balances;
    type BasicDeposit = ConstU128<{ deposit(1, 17) }>;
    type ByteDeposit = ConstU128<{ deposit(0, 1) }>;
    type UsernameDeposit = ConstU128<{ deposit(0, 32) }>;
    type SubAccountDeposit = ConstU128<{ deposit(1, 53) }>;
    type MaxSubAccounts = ConstU32<100>;
    type IdentityInformation = pallet_identity::legacy::IdentityInfo<ConstU32<16>>;
    type MaxRegistrars = ConstU32<20>;
    type Slashed = super::staking::ToTreasury;
    type ForceOrigin = RootOrigin;
    type RegistrarOrigin = RootOrigin;
    type OffchainSignature = Signature;
    type SigningPublicKey = <Signature as Verify>::Signer;
    type UsernameAuthorityOrigin = RootOrigin;
    type PendingUsernameExpiration = ConstU32<{ 7 * DAYS }>;
    type UsernameGracePeriod = ConstU32<{ 30 * DAYS }>;
    type MaxSuffixLength = ConstU32<7>;
    type MaxUsernameLength = ConstU32<32>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = ();
    type WeightInfo = pallet_identity::weights::SubstrateWeight<Runtime>;
}
