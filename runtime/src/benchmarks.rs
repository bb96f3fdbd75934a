// SPDX-License-Identifier: Apache-2.0

//! Which benchmarks this runtime runs, and on what terms. `scripts/weights` runs them.

use crate::{
    AccountId, AllPalletsWithSystem, Authorship, Balances, Names, Runtime, Storage, System, TransactionPayment, Vaults,
};
use alloc::{string::String, vec::Vec};
use codec::Encode;
use frame_benchmarking::{account, baseline::Pallet as BaselineBench, BenchmarkBatch, BenchmarkConfig, BenchmarkList};
use frame_support::traits::{StorageInfo, StorageInfoTrait, WhitelistedStorageKeys};
use frame_system_benchmarking::{extensions::Pallet as SystemExtensionsBench, Pallet as SystemBench};
use sp_consensus_babe::{
    digests::{PreDigest, SecondaryPlainPreDigest},
    BABE_ENGINE_ID,
};
use sp_keyring::Sr25519Keyring;
use sp_runtime::DigestItem;
use sp_storage::TrackedStorageKey;

frame_benchmarking::define_benchmarks!(
    [frame_benchmarking, BaselineBench::<Runtime>]
    [frame_system, SystemBench::<Runtime>]
    [frame_system_extensions, SystemExtensionsBench::<Runtime>]
    [pallet_balances, Balances]
    [pallet_names, Names]
    [pallet_storage, Storage]
    [pallet_transaction_payment, TransactionPayment]
    [pallet_vaults, Vaults]
);

impl frame_benchmarking::baseline::Config for Runtime {}
impl frame_system_benchmarking::Config for Runtime {}
impl pallet_transaction_payment::BenchmarkConfig for Runtime {
    /// The tip goes to an author, as it does in every real block.
    fn setup_benchmark_environment() {
        let claim = PreDigest::SecondaryPlain(SecondaryPlainPreDigest { authority_index: 0, slot: 1.into() });
        System::deposit_log(DigestItem::PreRuntime(BABE_ENGINE_ID, claim.encode()));
        assert!(Authorship::author().is_some(), "the preset has a validator");
    }
}

/// The benchmarks there are.
pub fn metadata(extra: bool) -> (Vec<BenchmarkList>, Vec<StorageInfo>) {
    let mut list = Vec::<BenchmarkList>::new();
    list_benchmarks!(list, extra);
    (list, AllPalletsWithSystem::storage_info())
}

/// Runs one.
pub fn dispatch(config: BenchmarkConfig) -> Result<Vec<BenchmarkBatch>, String> {
    let whitelist = whitelist(&config.pallet);
    let mut batches = Vec::<BenchmarkBatch>::new();
    let params = (&config, &whitelist);
    add_benchmarks!(params, batches);
    Ok(batches)
}

/// Storage keys whose access is not charged to what is measured, since something else has paid for it.
///
/// The SDK's default weights lack the last two, and so charge the sender's account twice and the genesis hash in every
/// transaction as if it were read from disk each time. Time spent on a listed key is still part of the measurement;
/// only the database's flat price for a first access is not added.
///
/// The SDK's own benchmark of a mortal transaction lists the hash of its birth block, too. Where all transactions of a
/// block name different ones, that leaves at most 4,096 reads of recent keys unpaid, which is some 3% of a block's time.
fn whitelist(pallet: &[u8]) -> Vec<TrackedStorageKey> {
    let mut keys = AllPalletsWithSystem::whitelisted_storage_keys();
    // One key for all transactions of a block: read from disk once, with the block's own first accesses.
    keys.push(frame_system::BlockHash::<Runtime>::hashed_key_for(0).into());
    if pallet == b"pallet_transaction_payment" {
        // `CheckNonce` comes before the payment, reads and writes the sender's account, and pays for that.
        let sender = account("caller", 0, 0);
        keys.push(frame_system::Account::<Runtime>::hashed_key_for::<AccountId>(sender).into());
        // All tips of a block go to one author.
        let author = Sr25519Keyring::Alice.to_account_id();
        keys.push(frame_system::Account::<Runtime>::hashed_key_for::<AccountId>(author).into());
    }
    keys
}
