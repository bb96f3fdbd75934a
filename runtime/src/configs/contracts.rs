// SPDX-License-Identifier: Apache-2.0

//! WASM contracts.

use super::money::WeightPrice;
use crate::{
    constants::currency::{deposit, CRN},
    AccountId, Balance, Balances, Runtime, RuntimeCall, RuntimeEvent, RuntimeHoldReason, Timestamp,
};
use frame_support::{
    parameter_types,
    traits::{ConstBool, ConstU128, ConstU32, Contains},
};
use frame_system::EnsureSigned;
use sp_runtime::Perbill;

/// What contracts may call of the chain: moving coins and issued assets that are theirs. An allow-list, since a
/// contract must not be able to do what a later pallet did not think of.
pub struct ContractCalls;
impl Contains<RuntimeCall> for ContractCalls {
    fn contains(call: &RuntimeCall) -> bool {
        matches!(
            call,
            RuntimeCall::Balances(
                pallet_balances::Call::transfer_allow_death { .. }
                    | pallet_balances::Call::transfer_keep_alive { .. }
                    | pallet_balances::Call::transfer_all { .. }
            ) | RuntimeCall::Assets(
                pallet_assets::Call::transfer { .. }
                    | pallet_assets::Call::transfer_keep_alive { .. }
                    | pallet_assets::Call::transfer_approved { .. }
                    | pallet_assets::Call::approve_transfer { .. }
                    | pallet_assets::Call::cancel_approval { .. }
            ) | RuntimeCall::Names(
                // All that the owner of a name does: a contract may own names, sell them and set what they point to.
                pallet_names::Call::commit { .. }
                    | pallet_names::Call::register { .. }
                    | pallet_names::Call::renew { .. }
                    | pallet_names::Call::set_rrset { .. }
                    | pallet_names::Call::clear_rrset { .. }
                    | pallet_names::Call::replace_zone { .. }
                    | pallet_names::Call::set_subdomain_owner { .. }
                    | pallet_names::Call::revoke_subdomain { .. }
                    | pallet_names::Call::propose_transfer { .. }
                    | pallet_names::Call::accept_transfer { .. }
                    | pallet_names::Call::set_manager { .. }
                    | pallet_names::Call::set_primary { .. }
                    | pallet_names::Call::release { .. }
            ) | RuntimeCall::Storage(
                // A contract may own drives: pay for them, let others read and write, close them.
                pallet_storage::Call::create_drive { .. }
                    | pallet_storage::Call::top_up { .. }
                    | pallet_storage::Call::resize { .. }
                    | pallet_storage::Call::set_visibility { .. }
                    | pallet_storage::Call::grant { .. }
                    | pallet_storage::Call::revoke { .. }
                    | pallet_storage::Call::close { .. }
            )
        )
    }
}

parameter_types! {
    pub const DepositPerItem: Balance = deposit(1, 0);
    pub const DepositPerByte: Balance = deposit(0, 1);
    pub Schedule: pallet_contracts::Schedule<Runtime> = pallet_contracts::Schedule {
        limits: pallet_contracts::Limits {
            // What a block of contracts writes (some 210 MiB at most) is in the node's memory before it is on disk. The
            // default is that of the sandbox a relay chain's validators run a parachain in; nodes here are processes of
            // their own.
            validator_runtime_memory: 1024 * 1024 * 1024,
            ..Default::default()
        },
        ..Default::default()
    };
    pub CodeHashLockupDepositPercent: Perbill = Perbill::from_percent(30);
}

impl pallet_contracts::Config for Runtime {
    type Time = Timestamp;
    // Public since the epoch's start: a contract may judge by it only what was committed before the block number that
    // comes with it, best two epochs earlier.
    type Randomness = pallet_babe::RandomnessFromOneEpochAgo<Runtime>;
    type Currency = Balances;
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type RuntimeHoldReason = RuntimeHoldReason;
    type CallFilter = ContractCalls;
    type WeightPrice = WeightPrice;
    type WeightInfo = pallet_contracts::weights::SubstrateWeight<Runtime>;
    type ChainExtension = ();
    type Schedule = Schedule;
    type CallStack = [pallet_contracts::Frame<Self>; 5];
    type DepositPerByte = DepositPerByte;
    type DefaultDepositLimit = ConstU128<{ 100 * CRN }>;
    type DepositPerItem = DepositPerItem;
    type CodeHashLockupDepositPercent = CodeHashLockupDepositPercent;
    type AddressGenerator = pallet_contracts::DefaultAddressGenerator;
    type MaxCodeLen = ConstU32<{ 123 * 1024 }>;
    type MaxStorageKeyLen = ConstU32<128>;
    type MaxTransientStorageSize = ConstU32<{ 1024 * 1024 }>;
    type MaxDelegateDependencies = ConstU32<32>;
    // The interface that contracts see stays the stable one.
    type UnsafeUnstableInterface = ConstBool<false>;
    type MaxDebugBufferLen = ConstU32<{ 2 * 1024 * 1024 }>;
    type UploadOrigin = EnsureSigned<AccountId>;
    type InstantiateOrigin = EnsureSigned<AccountId>;
    type Migrations = ();
    type Debug = ();
    type Environment = ();
    type ApiVersion = ();
    type Xcm = ();
}
