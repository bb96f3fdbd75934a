// SPDX-License-Identifier: Apache-2.0

//! What nodes, wallets, light clients and tools may ask of the runtime.

use super::{
    genesis, AccountId, AssetConversion, AuthorityDiscovery, Babe, Balance, Block, BlockNumber, Contracts, Executive,
    Grandpa, Hash, Historical, InherentDataExt, Names, Nfts, NominationPools, Nonce, Runtime, RuntimeCall,
    RuntimeEvent, RuntimeGenesisConfig, SessionKeys, Staking, Storage, System, TransactionPayment, VERSION,
};
use crate::configs::BlockWeights;
use alloc::vec::Vec;
use cairn_primitives::storage::{
    ChallengeInfo, DisputeInfo, DriveId, DriveInfo, GrantInfo, HeldSlot, SlotAt, Terms, VaultInfo,
};
use codec::Encode;
use frame_support::{
    genesis_builder_helper::{build_state, get_preset},
    traits::{fungible::NativeOrWithId, Get, KeyOwnerProofSystem},
    weights::Weight,
};
use frame_system::EventRecord;
use pallet_grandpa::AuthorityId as GrandpaId;
use sp_api::impl_runtime_apis;
use sp_authority_discovery::AuthorityId as AuthorityDiscoveryId;
use sp_core::{crypto::KeyTypeId, OpaqueMetadata};
use sp_runtime::{
    traits::{Block as BlockT, NumberFor},
    transaction_validity::{TransactionSource, TransactionValidity},
    ApplyExtrinsicResult, DispatchError,
};
use sp_session::OpaqueGeneratedSessionKeys;
use sp_version::RuntimeVersion;

type Events = EventRecord<RuntimeEvent, Hash>;

/// What a trial of a contract may use: whoever asks a node for it pays nothing.
fn gas_at_most_a_block(wanted: Option<Weight>) -> Weight {
    let most = BlockWeights::get().max_block;
    wanted.map_or(most, |wanted| wanted.min(most))
}

impl_runtime_apis! {
    impl sp_api::Core<Block> for Runtime {
        fn version() -> RuntimeVersion {
            VERSION
        }

        fn execute_block(block: <Block as BlockT>::LazyBlock) {
            Executive::execute_block(block)
        }

        fn initialize_block(header: &<Block as BlockT>::Header) -> sp_runtime::ExtrinsicInclusionMode {
            Executive::initialize_block(header)
        }
    }

    impl sp_api::Metadata<Block> for Runtime {
        fn metadata() -> OpaqueMetadata {
            OpaqueMetadata::new(Runtime::metadata().into())
        }

        fn metadata_at_version(version: u32) -> Option<OpaqueMetadata> {
            Runtime::metadata_at_version(version)
        }

        fn metadata_versions() -> Vec<u32> {
            Runtime::metadata_versions()
        }
    }

    impl frame_support::view_functions::runtime_api::RuntimeViewFunction<Block> for Runtime {
        fn execute_view_function(
            id: frame_support::view_functions::ViewFunctionId,
            input: Vec<u8>,
        ) -> Result<Vec<u8>, frame_support::view_functions::ViewFunctionDispatchError> {
            Runtime::execute_view_function(id, input)
        }
    }

    impl sp_block_builder::BlockBuilder<Block> for Runtime {
        fn apply_extrinsic(extrinsic: <Block as BlockT>::Extrinsic) -> ApplyExtrinsicResult {
            Executive::apply_extrinsic(extrinsic)
        }

        fn finalize_block() -> <Block as BlockT>::Header {
            Executive::finalize_block()
        }

        fn inherent_extrinsics(data: sp_inherents::InherentData) -> Vec<<Block as BlockT>::Extrinsic> {
            data.create_extrinsics()
        }

        fn check_inherents(
            block: <Block as BlockT>::LazyBlock,
            data: sp_inherents::InherentData,
        ) -> sp_inherents::CheckInherentsResult {
            data.check_extrinsics(&block)
        }
    }

    impl sp_transaction_pool::runtime_api::TaggedTransactionQueue<Block> for Runtime {
        fn validate_transaction(
            source: TransactionSource,
            tx: <Block as BlockT>::Extrinsic,
            block_hash: <Block as BlockT>::Hash,
        ) -> TransactionValidity {
            Executive::validate_transaction(source, tx, block_hash)
        }
    }

    impl sp_offchain::OffchainWorkerApi<Block> for Runtime {
        fn offchain_worker(header: &<Block as BlockT>::Header) {
            Executive::offchain_worker(header)
        }
    }

    impl sp_consensus_babe::BabeApi<Block> for Runtime {
        fn configuration() -> sp_consensus_babe::BabeConfiguration {
            let epoch_config = Babe::epoch_config().unwrap_or(genesis::BABE_EPOCH_CONFIG);
            sp_consensus_babe::BabeConfiguration {
                slot_duration: Babe::slot_duration(),
                epoch_length: <Runtime as pallet_babe::Config>::EpochDuration::get(),
                c: epoch_config.c,
                authorities: Babe::authorities().to_vec(),
                randomness: Babe::randomness(),
                allowed_slots: epoch_config.allowed_slots,
            }
        }

        fn current_epoch_start() -> sp_consensus_babe::Slot {
            Babe::current_epoch_start()
        }

        fn current_epoch() -> sp_consensus_babe::Epoch {
            Babe::current_epoch()
        }

        fn next_epoch() -> sp_consensus_babe::Epoch {
            Babe::next_epoch()
        }

        fn generate_key_ownership_proof(
            _slot: sp_consensus_babe::Slot,
            authority_id: sp_consensus_babe::AuthorityId,
        ) -> Option<sp_consensus_babe::OpaqueKeyOwnershipProof> {
            Historical::prove((sp_consensus_babe::KEY_TYPE, authority_id))
                .map(|proof| sp_consensus_babe::OpaqueKeyOwnershipProof::new(proof.encode()))
        }

        fn submit_report_equivocation_unsigned_extrinsic(
            equivocation_proof: sp_consensus_babe::EquivocationProof<<Block as BlockT>::Header>,
            key_owner_proof: sp_consensus_babe::OpaqueKeyOwnershipProof,
        ) -> Option<()> {
            Babe::submit_unsigned_equivocation_report(equivocation_proof, key_owner_proof.decode()?)
        }
    }

    impl sp_consensus_grandpa::GrandpaApi<Block> for Runtime {
        fn grandpa_authorities() -> sp_consensus_grandpa::AuthorityList {
            Grandpa::grandpa_authorities()
        }

        fn current_set_id() -> sp_consensus_grandpa::SetId {
            pallet_grandpa::CurrentSetId::<Runtime>::get()
        }

        fn submit_report_equivocation_unsigned_extrinsic(
            equivocation_proof: sp_consensus_grandpa::EquivocationProof<<Block as BlockT>::Hash, NumberFor<Block>>,
            key_owner_proof: sp_consensus_grandpa::OpaqueKeyOwnershipProof,
        ) -> Option<()> {
            Grandpa::submit_unsigned_equivocation_report(equivocation_proof, key_owner_proof.decode()?)
        }

        fn generate_key_ownership_proof(
            _set_id: sp_consensus_grandpa::SetId,
            authority_id: GrandpaId,
        ) -> Option<sp_consensus_grandpa::OpaqueKeyOwnershipProof> {
            Historical::prove((sp_consensus_grandpa::KEY_TYPE, authority_id))
                .map(|proof| sp_consensus_grandpa::OpaqueKeyOwnershipProof::new(proof.encode()))
        }
    }

    impl sp_authority_discovery::AuthorityDiscoveryApi<Block> for Runtime {
        fn authorities() -> Vec<AuthorityDiscoveryId> {
            AuthorityDiscovery::authorities()
        }
    }

    impl sp_session::SessionKeys<Block> for Runtime {
        fn generate_session_keys(owner: Vec<u8>, seed: Option<Vec<u8>>) -> OpaqueGeneratedSessionKeys {
            SessionKeys::generate(&owner, seed).into()
        }

        fn decode_session_keys(encoded: Vec<u8>) -> Option<Vec<(Vec<u8>, KeyTypeId)>> {
            SessionKeys::decode_into_raw_public_keys(&encoded)
        }
    }

    impl frame_system_rpc_runtime_api::AccountNonceApi<Block, AccountId, Nonce> for Runtime {
        fn account_nonce(account: AccountId) -> Nonce {
            System::account_nonce(account)
        }
    }

    impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentApi<Block, Balance> for Runtime {
        fn query_info(
            uxt: <Block as BlockT>::Extrinsic,
            len: u32,
        ) -> pallet_transaction_payment_rpc_runtime_api::RuntimeDispatchInfo<Balance> {
            TransactionPayment::query_info(uxt, len)
        }

        fn query_fee_details(
            uxt: <Block as BlockT>::Extrinsic,
            len: u32,
        ) -> pallet_transaction_payment::FeeDetails<Balance> {
            TransactionPayment::query_fee_details(uxt, len)
        }

        fn query_weight_to_fee(weight: Weight) -> Balance {
            TransactionPayment::weight_to_fee(weight)
        }

        fn query_length_to_fee(length: u32) -> Balance {
            TransactionPayment::length_to_fee(length)
        }
    }

    impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentCallApi<Block, Balance, RuntimeCall>
        for Runtime
    {
        fn query_call_info(
            call: RuntimeCall,
            len: u32,
        ) -> pallet_transaction_payment::RuntimeDispatchInfo<Balance> {
            TransactionPayment::query_call_info(call, len)
        }

        fn query_call_fee_details(call: RuntimeCall, len: u32) -> pallet_transaction_payment::FeeDetails<Balance> {
            TransactionPayment::query_call_fee_details(call, len)
        }

        fn query_weight_to_fee(weight: Weight) -> Balance {
            TransactionPayment::weight_to_fee(weight)
        }

        fn query_length_to_fee(length: u32) -> Balance {
            TransactionPayment::length_to_fee(length)
        }
    }

    impl pallet_staking_runtime_api::StakingApi<Block, Balance, AccountId> for Runtime {
        fn nominations_quota(balance: Balance) -> u32 {
            Staking::api_nominations_quota(balance)
        }

        fn eras_stakers_page_count(era: sp_staking::EraIndex, account: AccountId) -> sp_staking::Page {
            Staking::api_eras_stakers_page_count(era, account)
        }

        fn pending_rewards(era: sp_staking::EraIndex, account: AccountId) -> bool {
            Staking::api_pending_rewards(era, account)
        }
    }

    impl pallet_nomination_pools_runtime_api::NominationPoolsApi<Block, AccountId, Balance> for Runtime {
        fn pending_rewards(who: AccountId) -> Balance {
            NominationPools::api_pending_rewards(who).unwrap_or_default()
        }

        fn points_to_balance(pool_id: pallet_nomination_pools::PoolId, points: Balance) -> Balance {
            NominationPools::api_points_to_balance(pool_id, points)
        }

        fn balance_to_points(pool_id: pallet_nomination_pools::PoolId, new_funds: Balance) -> Balance {
            NominationPools::api_balance_to_points(pool_id, new_funds)
        }

        fn pool_pending_slash(pool_id: pallet_nomination_pools::PoolId) -> Balance {
            NominationPools::api_pool_pending_slash(pool_id)
        }

        fn member_pending_slash(member: AccountId) -> Balance {
            NominationPools::api_member_pending_slash(member)
        }

        fn pool_needs_delegate_migration(pool_id: pallet_nomination_pools::PoolId) -> bool {
            NominationPools::api_pool_needs_delegate_migration(pool_id)
        }

        fn member_needs_delegate_migration(member: AccountId) -> bool {
            NominationPools::api_member_needs_delegate_migration(member)
        }

        fn member_total_balance(member: AccountId) -> Balance {
            NominationPools::api_member_total_balance(member)
        }

        fn pool_balance(pool_id: pallet_nomination_pools::PoolId) -> Balance {
            NominationPools::api_pool_balance(pool_id)
        }

        fn pool_accounts(pool_id: pallet_nomination_pools::PoolId) -> (AccountId, AccountId) {
            NominationPools::api_pool_accounts(pool_id)
        }
    }

    impl pallet_asset_conversion::AssetConversionApi<Block, Balance, NativeOrWithId<u32>> for Runtime {
        fn quote_price_exact_tokens_for_tokens(
            from: NativeOrWithId<u32>,
            to: NativeOrWithId<u32>,
            amount: Balance,
            include_fee: bool,
        ) -> Option<Balance> {
            AssetConversion::quote_price_exact_tokens_for_tokens(from, to, amount, include_fee)
        }

        fn quote_price_tokens_for_exact_tokens(
            from: NativeOrWithId<u32>,
            to: NativeOrWithId<u32>,
            amount: Balance,
            include_fee: bool,
        ) -> Option<Balance> {
            AssetConversion::quote_price_tokens_for_exact_tokens(from, to, amount, include_fee)
        }

        fn get_reserves(first: NativeOrWithId<u32>, second: NativeOrWithId<u32>) -> Option<(Balance, Balance)> {
            AssetConversion::get_reserves(first, second).ok()
        }
    }

    impl pallet_nfts_runtime_api::NftsApi<Block, AccountId, u32, u32> for Runtime {
        fn owner(collection: u32, item: u32) -> Option<AccountId> {
            <Nfts as frame_support::traits::nonfungibles_v2::Inspect<AccountId>>::owner(&collection, &item)
        }

        fn collection_owner(collection: u32) -> Option<AccountId> {
            Nfts::collection_owner(collection)
        }

        fn attribute(collection: u32, item: u32, key: Vec<u8>) -> Option<Vec<u8>> {
            <Nfts as frame_support::traits::nonfungibles_v2::Inspect<AccountId>>::attribute(&collection, &item, &key)
        }

        fn custom_attribute(account: AccountId, collection: u32, item: u32, key: Vec<u8>) -> Option<Vec<u8>> {
            <Nfts as frame_support::traits::nonfungibles_v2::Inspect<AccountId>>::custom_attribute(
                &account,
                &collection,
                &item,
                &key,
            )
        }

        fn system_attribute(collection: u32, item: Option<u32>, key: Vec<u8>) -> Option<Vec<u8>> {
            <Nfts as frame_support::traits::nonfungibles_v2::Inspect<AccountId>>::system_attribute(
                &collection,
                item.as_ref(),
                &key,
            )
        }

        fn collection_attribute(collection: u32, key: Vec<u8>) -> Option<Vec<u8>> {
            <Nfts as frame_support::traits::nonfungibles_v2::Inspect<AccountId>>::collection_attribute(
                &collection,
                &key,
            )
        }
    }

    impl pallet_contracts::ContractsApi<Block, AccountId, Balance, BlockNumber, Hash, Events> for Runtime {
        fn call(
            origin: AccountId,
            dest: AccountId,
            value: Balance,
            gas_limit: Option<Weight>,
            storage_deposit_limit: Option<Balance>,
            input_data: Vec<u8>,
        ) -> pallet_contracts::ContractExecResult<Balance, Events> {
            Contracts::bare_call(
                origin,
                dest,
                value,
                gas_at_most_a_block(gas_limit),
                storage_deposit_limit,
                input_data,
                pallet_contracts::DebugInfo::UnsafeDebug,
                pallet_contracts::CollectEvents::UnsafeCollect,
                pallet_contracts::Determinism::Enforced,
            )
        }

        fn instantiate(
            origin: AccountId,
            value: Balance,
            gas_limit: Option<Weight>,
            storage_deposit_limit: Option<Balance>,
            code: pallet_contracts::Code<Hash>,
            data: Vec<u8>,
            salt: Vec<u8>,
        ) -> pallet_contracts::ContractInstantiateResult<AccountId, Balance, Events> {
            Contracts::bare_instantiate(
                origin,
                value,
                gas_at_most_a_block(gas_limit),
                storage_deposit_limit,
                code,
                data,
                salt,
                pallet_contracts::DebugInfo::UnsafeDebug,
                pallet_contracts::CollectEvents::UnsafeCollect,
            )
        }

        fn upload_code(
            origin: AccountId,
            code: Vec<u8>,
            storage_deposit_limit: Option<Balance>,
            determinism: pallet_contracts::Determinism,
        ) -> pallet_contracts::CodeUploadResult<Hash, Balance> {
            Contracts::bare_upload_code(origin, code, storage_deposit_limit, determinism)
        }

        fn get_storage(address: AccountId, key: Vec<u8>) -> pallet_contracts::GetStorageResult {
            Contracts::get_storage(address, key)
        }
    }

    impl cairn_runtime_api::DispatchApi<Block, AccountId, RuntimeCall> for Runtime {
        fn dry_run(signer: AccountId, call: RuntimeCall) -> Result<(), DispatchError> {
            super::dry_run::dry_run(signer, call)
        }
    }

    impl cairn_runtime_api::NamesApi<Block, AccountId> for Runtime {
        fn resolve(label: Vec<u8>) -> Option<cairn_primitives::names::ResolvedName<AccountId>> {
            Names::resolve(&label)
        }

        fn proof_keys(label: Vec<u8>) -> Vec<Vec<u8>> {
            Names::proof_keys(&label)
        }

        fn price(label: Vec<u8>, years: u8) -> Option<Balance> {
            Names::price(&label, years)
        }

        fn renewal_price(label: Vec<u8>, years: u8) -> Option<Balance> {
            Names::renewal_price(&label, years)
        }

        fn names_after(
            after: Option<Vec<u8>>,
            limit: u32,
        ) -> Vec<(cairn_primitives::names::Label, Option<cairn_primitives::names::ResolvedName<AccountId>>)> {
            Names::names_after(after.as_deref(), limit)
        }

        fn primary_of(account: AccountId) -> Option<Vec<u8>> {
            Names::primary_of(&account).map(|label| label.as_bytes().to_vec())
        }
    }

    impl cairn_runtime_api::StorageApi<Block, AccountId> for Runtime {
        fn terms() -> Terms {
            Storage::api_terms()
        }

        fn vault(account: AccountId) -> Option<VaultInfo<AccountId>> {
            Storage::api_vault(&account)
        }

        fn vaults_after(after: Option<AccountId>, limit: u32) -> Vec<VaultInfo<AccountId>> {
            Storage::api_vaults_after(after.as_ref(), limit)
        }

        fn eligible_vaults(price: Balance, capacity_units: u64) -> u32 {
            Storage::api_eligible_vaults(price, capacity_units)
        }

        fn drive(id: DriveId) -> Option<DriveInfo<AccountId>> {
            Storage::api_drive(id)
        }

        fn drives_of(owner: AccountId) -> Vec<DriveId> {
            Storage::api_drives_of(&owner)
        }

        fn slots_of(vault: AccountId, after: Option<SlotAt>, limit: u32) -> Vec<HeldSlot> {
            Storage::api_slots_of(&vault, after, limit)
        }

        fn challenge(vault: AccountId) -> Option<ChallengeInfo> {
            Storage::api_challenge(&vault)
        }

        fn dispute(at: SlotAt) -> Option<DisputeInfo<AccountId>> {
            Storage::api_dispute(at)
        }

        fn grant(drive: DriveId, account: AccountId) -> Option<GrantInfo> {
            Storage::api_grant(drive, &account)
        }

        fn grants_of(drive: DriveId) -> Vec<(AccountId, GrantInfo)> {
            Storage::api_grants_of(drive)
        }

        fn granted_to(account: AccountId) -> Vec<DriveId> {
            Storage::api_granted_to(&account)
        }

        fn sealing_key(account: AccountId) -> Option<[u8; 32]> {
            Storage::api_sealing_key(&account)
        }

        fn repair() -> (Balance, u32) {
            Storage::api_repair()
        }
    }

    impl sp_genesis_builder::GenesisBuilder<Block> for Runtime {
        fn build_state(config: Vec<u8>) -> sp_genesis_builder::Result {
            build_state::<RuntimeGenesisConfig>(config)
        }

        fn get_preset(id: &Option<sp_genesis_builder::PresetId>) -> Option<Vec<u8>> {
            get_preset::<RuntimeGenesisConfig>(id, genesis::get_preset)
        }

        fn preset_names() -> Vec<sp_genesis_builder::PresetId> {
            genesis::preset_names()
        }
    }

    #[cfg(feature = "runtime-benchmarks")]
    impl frame_benchmarking::Benchmark<Block> for Runtime {
        fn benchmark_metadata(
            extra: bool,
        ) -> (Vec<frame_benchmarking::BenchmarkList>, Vec<frame_support::traits::StorageInfo>) {
            crate::benchmarks::metadata(extra)
        }

        fn dispatch_benchmark(
            config: frame_benchmarking::BenchmarkConfig,
        ) -> Result<Vec<frame_benchmarking::BenchmarkBatch>, alloc::string::String> {
            crate::benchmarks::dispatch(config)
        }
    }

    #[cfg(feature = "try-runtime")]
    impl frame_try_runtime::TryRuntime<Block> for Runtime {
        fn on_runtime_upgrade(checks: frame_try_runtime::UpgradeCheckSelect) -> (Weight, Weight) {
            let weight = Executive::try_runtime_upgrade(checks).expect("every migration passes its own checks");
            (weight, BlockWeights::get().max_block)
        }

        fn execute_block(
            block: <Block as BlockT>::LazyBlock,
            state_root_check: bool,
            signature_check: bool,
            select: frame_try_runtime::TryStateSelect,
        ) -> Weight {
            Executive::try_execute_block(block, state_root_check, signature_check, select)
                .expect("the block executes and the invariants hold")
        }
    }
}
