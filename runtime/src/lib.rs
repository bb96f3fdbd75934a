// SPDX-License-Identifier: Apache-2.0

//! The Cairn runtime: which pallets make up the chain's state transition, with what settings.
//!
//! - [`constants`]: money, time, block limits.
//! - [`configs`]: one file per concern, every pallet's settings with their reasons.
//! - `apis`: the runtime APIs that nodes, wallets, light clients and tools call.
//! - [`genesis`]: the presets `development` and `local_testnet`, and what a production genesis starts from.
//! - `weights`: what calls cost, as measured by `scripts/weights`.
//!
//! One blob serves every network; what differs is genesis state (`pallet-network`).

#![cfg_attr(not(feature = "std"), no_std)]
#![recursion_limit = "512"]

extern crate alloc;

mod apis;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarks;
pub mod configs;
pub mod constants;
mod dry_run;
pub mod genesis;
#[cfg(test)]
mod tests;
pub mod weights;

use alloc::vec::Vec;
use sp_runtime::{
    generic, impl_opaque_keys,
    traits::{BlakeTwo256, IdentifyAccount, Verify},
    MultiAddress, MultiSignature,
};
use sp_version::RuntimeVersion;

pub use apis::{RuntimeApi, RUNTIME_API_VERSIONS};
pub use frame_system::Call as SystemCall;
pub use pallet_balances::Call as BalancesCall;

#[cfg(feature = "std")]
include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));

/// A signature of any supported scheme.
pub type Signature = MultiSignature;
/// An account is its public key (or, for pots and multisigs, a hash).
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// An amount in plancks (10^-12 CRN).
pub type Balance = u128;
/// Transactions sent by an account.
pub type Nonce = u32;
/// A block's hash.
pub type Hash = sp_core::H256;
/// A block's height.
pub type BlockNumber = u32;
/// An account as transactions name it.
pub type Address = MultiAddress<AccountId, ()>;
/// A block's header.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// A block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// A block with its justification.
pub type SignedBlock = generic::SignedBlock<Block>;

/// What every signed transaction carries and is checked for, in this order.
///
/// `AuthorizeCall` of newer templates is left out: no call here is authorized without a signature that way.
pub type TxExtension = (
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckEra<Runtime>,
    frame_system::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
    frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
    frame_system::WeightReclaim<Runtime>,
);

/// A transaction as it comes in.
pub type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
/// What a transaction's signature is over.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;

/// Runs blocks.
pub type Executive =
    frame_executive::Executive<Runtime, Block, frame_system::ChainContext<Runtime>, Runtime, AllPalletsWithSystem>;

/// Block types for code that does not look into transactions (the node).
pub mod opaque {
    use super::*;
    pub use sp_runtime::OpaqueExtrinsic as UncheckedExtrinsic;

    pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
    pub type Block = generic::Block<Header, UncheckedExtrinsic>;
    pub type BlockId = generic::BlockId<Block>;
}

impl_opaque_keys! {
    /// The keys a validator works with in a session.
    pub struct SessionKeys {
        pub grandpa: Grandpa,
        pub babe: Babe,
        pub authority_discovery: AuthorityDiscovery,
    }
}

macro_rules! version {
    // The attribute below reads a literal, so the number comes in as a token.
    ($spec_version:tt) => {
        /// Raise `spec_version` with every release whose blocks differ, `transaction_version` when a call or extension
        /// changes its encoding or index.
        #[sp_version::runtime_version]
        pub const VERSION: RuntimeVersion = RuntimeVersion {
            spec_name: alloc::borrow::Cow::Borrowed("cairn"),
            impl_name: alloc::borrow::Cow::Borrowed("cairn-node"),
            authoring_version: 1,
            spec_version: $spec_version,
            impl_version: 0,
            apis: RUNTIME_API_VERSIONS,
            transaction_version: 1,
            system_version: 1,
        };
    };
}

#[cfg(not(feature = "upgrade-rehearsal"))]
version!(100);
#[cfg(feature = "upgrade-rehearsal")]
version!(101);

/// The version of the native build, for the command line.
#[cfg(feature = "std")]
pub fn native_version() -> RuntimeVersion {
    VERSION
}

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    // Core.
    #[runtime::pallet_index(0)]
    pub type System = frame_system::Pallet<Runtime>;
    #[runtime::pallet_index(1)]
    pub type Network = pallet_network::Pallet<Runtime>;
    #[runtime::pallet_index(2)]
    pub type Timestamp = pallet_timestamp::Pallet<Runtime>;
    #[runtime::pallet_index(3)]
    pub type Parameters = pallet_parameters::Pallet<Runtime>;
    #[runtime::pallet_index(4)]
    pub type MultiBlockMigrations = pallet_migrations::Pallet<Runtime>;

    // Money.
    #[runtime::pallet_index(10)]
    pub type Balances = pallet_balances::Pallet<Runtime>;
    #[runtime::pallet_index(11)]
    pub type TransactionPayment = pallet_transaction_payment::Pallet<Runtime>;
    #[runtime::pallet_index(12)]
    pub type Vesting = pallet_vesting::Pallet<Runtime>;

    // Consensus. Babe before Authorship and Session; Staking before Session, whose genesis asks it for validators.
    #[runtime::pallet_index(20)]
    pub type Babe = pallet_babe::Pallet<Runtime>;
    #[runtime::pallet_index(21)]
    pub type Authorship = pallet_authorship::Pallet<Runtime>;
    #[runtime::pallet_index(22)]
    pub type Staking = pallet_staking::Pallet<Runtime>;
    #[runtime::pallet_index(23)]
    pub type Offences = pallet_offences::Pallet<Runtime>;
    #[runtime::pallet_index(24)]
    pub type Historical = pallet_session::historical::Pallet<Runtime>;
    #[runtime::pallet_index(25)]
    pub type Session = pallet_session::Pallet<Runtime>;
    #[runtime::pallet_index(26)]
    pub type Grandpa = pallet_grandpa::Pallet<Runtime>;
    #[runtime::pallet_index(27)]
    pub type AuthorityDiscovery = pallet_authority_discovery::Pallet<Runtime>;
    #[runtime::pallet_index(28)]
    pub type VoterList = pallet_bags_list::Pallet<Runtime, Instance1>;
    #[runtime::pallet_index(29)]
    pub type NominationPools = pallet_nomination_pools::Pallet<Runtime>;
    #[runtime::pallet_index(30)]
    pub type DelegatedStaking = pallet_delegated_staking::Pallet<Runtime>;

    // Governance.
    #[runtime::pallet_index(40)]
    pub type Preimage = pallet_preimage::Pallet<Runtime>;
    #[runtime::pallet_index(41)]
    pub type Scheduler = pallet_scheduler::Pallet<Runtime>;
    #[runtime::pallet_index(42)]
    pub type ConvictionVoting = pallet_conviction_voting::Pallet<Runtime>;
    #[runtime::pallet_index(43)]
    pub type Referenda = pallet_referenda::Pallet<Runtime>;
    #[runtime::pallet_index(44)]
    pub type Origins = configs::governance::origins::Pallet<Runtime>;
    #[runtime::pallet_index(45)]
    pub type Treasury = pallet_treasury::Pallet<Runtime>;
    #[runtime::pallet_index(46)]
    pub type Sudo = pallet_sudo::Pallet<Runtime>;

    // Accounts.
    #[runtime::pallet_index(50)]
    pub type Utility = pallet_utility::Pallet<Runtime>;
    #[runtime::pallet_index(51)]
    pub type Proxy = pallet_proxy::Pallet<Runtime>;
    #[runtime::pallet_index(52)]
    pub type Multisig = pallet_multisig::Pallet<Runtime>;
    #[runtime::pallet_index(53)]
    pub type Identity = pallet_identity::Pallet<Runtime>;

    // Issued coins, their exchange, and property.
    #[runtime::pallet_index(60)]
    pub type Assets = pallet_assets::Pallet<Runtime, Instance1>;
    #[runtime::pallet_index(61)]
    pub type PoolAssets = pallet_assets::Pallet<Runtime, Instance2>;
    #[runtime::pallet_index(62)]
    pub type AssetConversion = pallet_asset_conversion::Pallet<Runtime>;
    #[runtime::pallet_index(63)]
    pub type Nfts = pallet_nfts::Pallet<Runtime>;

    // Contracts.
    #[runtime::pallet_index(70)]
    pub type Contracts = pallet_contracts::Pallet<Runtime>;

    // What replaces central services
    #[runtime::pallet_index(80)]
    pub type Names = pallet_names::Pallet<Runtime>;
    #[runtime::pallet_index(81)]
    pub type Vaults = pallet_vaults::Pallet<Runtime>;
    #[runtime::pallet_index(82)]
    pub type Storage = pallet_storage::Pallet<Runtime>;
}
