// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The `benchmark` command: it measures what `scripts/weights` turns into the runtime's weights.

use crate::{
    building::inherent_data,
    cli::Cli,
    service::{components::Components, Backend, Client},
};
use cairn_runtime::{
    opaque::Block, AccountId, BalancesCall, Hash, Runtime, RuntimeCall, SignedPayload, SystemCall, TxExtension,
    UncheckedExtrinsic, VERSION,
};
use codec::Encode;
use frame_benchmarking_cli::{BenchmarkCmd, ExtrinsicBuilder, ExtrinsicFactory, SUBSTRATE_REFERENCE_HARDWARE};
use kvdb_rocksdb::DatabaseConfig;
use sc_cli::{Result, SubstrateCli};
use sc_service::{Configuration, DatabaseSource};
use sp_blockchain::HeaderBackend;
use sp_core::Pair;
use sp_database::{ColumnId, Database};
use sp_keyring::Sr25519Keyring;
use sp_runtime::{generic::Era, traits::HashingFor, MultiSignature, OpaqueExtrinsic};
use sp_state_machine::Storage;
use sp_trie::{prefixed_key, DBValue};
use std::sync::Arc;

/// Runs the measurement that `command` names.
///
/// `pallet` and `overhead` measure the runtime of the chain specification, or the one that `--runtime` names.
pub fn run(cli: &Cli, command: &BenchmarkCmd) -> Result<()> {
    let runner = cli.create_runner(command)?;
    runner.sync_run(|mut config| match command {
        BenchmarkCmd::Pallet(command) => {
            let spec = command.runtime.is_none().then_some(config.chain_spec);
            command.run_with_spec::<HashingFor<Block>, ()>(spec)
        },
        BenchmarkCmd::Overhead(command) => {
            let spec = command.params.runtime.is_none().then_some(config.chain_spec);
            command.run_with_default_builder_and_spec::<Block, ()>(spec)
        },
        BenchmarkCmd::Machine(command) => command.run(&config, SUBSTRATE_REFERENCE_HARDWARE.clone()),
        BenchmarkCmd::Block(command) => {
            let (components, _task_manager) = Components::new(&config)?;
            command.run(components.client.clone())
        },
        BenchmarkCmd::Storage(command) => {
            let state = StateColumn::open(&mut config)?;
            let (components, _task_manager) = Components::new(&config)?;
            let database = (state.0.clone(), STATE_COLUMN);
            command.run::<Block, Backend, Client>(config, components.client, database, Arc::new(state), None)
        },
        BenchmarkCmd::Extrinsic(command) => {
            let (components, _task_manager) = Components::new(&config)?;
            let client = components.client.clone();
            let extrinsics = ExtrinsicFactory(vec![
                Box::new(Signed::remark(&client)),
                Box::new(Signed::transfer_keep_alive(&client)),
            ]);
            // In slot 0.
            command.run(client, inherent_data(0)?, Vec::new(), &extrinsics)
        },
    })
}

/// The column of the node's database that holds the state's trie, below all of the client's caches.
struct StateColumn(Arc<dyn Database<Hash>>);

/// Where `sc-client-db` keeps the state.
const STATE_COLUMN: ColumnId = 1;

impl StateColumn {
    /// Opens the RocksDB that `config` names, and makes `config` use it through this handle.
    fn open(config: &mut Configuration) -> Result<Self> {
        /// As many as `sc-client-db` opens; it keeps to those it knows.
        const COLUMNS: u32 = 13;

        let DatabaseSource::RocksDb { path, .. } = &config.database else {
            return Err("this command measures RocksDB: run it with --db rocksdb".into());
        };
        let new = !path.exists();
        std::fs::create_dir_all(path)?;
        let database = kvdb_rocksdb::Database::open(&DatabaseConfig::with_columns(COLUMNS), path)?;
        let database = sp_database::as_database(database);
        config.database = DatabaseSource::Custom { db: database.clone(), require_create_flag: new };
        Ok(Self(database))
    }
}

impl Storage<HashingFor<Block>> for StateColumn {
    fn get(&self, key: &Hash, prefix: (&[u8], Option<u8>)) -> std::result::Result<Option<DBValue>, String> {
        Ok(self.0.get(STATE_COLUMN, &prefixed_key::<HashingFor<Block>>(key, prefix)))
    }
}

/// Makes transactions with one call, signed by Alice, valid in the first block.
struct Signed {
    genesis_hash: Hash,
    pallet: &'static str,
    extrinsic: &'static str,
    call: RuntimeCall,
}

impl Signed {
    fn remark(client: &Arc<Client>) -> Self {
        Self {
            genesis_hash: client.info().genesis_hash,
            pallet: "system",
            extrinsic: "remark",
            call: SystemCall::remark { remark: Vec::new() }.into(),
        }
    }

    /// To an account that exists, of what any account may hold.
    fn transfer_keep_alive(client: &Arc<Client>) -> Self {
        let dest: AccountId = Sr25519Keyring::Bob.to_account_id();
        let value = cairn_runtime::constants::currency::EXISTENTIAL_DEPOSIT;
        Self {
            genesis_hash: client.info().genesis_hash,
            pallet: "balances",
            extrinsic: "transfer_keep_alive",
            call: BalancesCall::transfer_keep_alive { dest: dest.into(), value }.into(),
        }
    }
}

impl ExtrinsicBuilder for Signed {
    fn pallet(&self) -> &str {
        self.pallet
    }

    fn extrinsic(&self) -> &str {
        self.extrinsic
    }

    fn build(&self, nonce: u32) -> std::result::Result<OpaqueExtrinsic, &'static str> {
        let extension: TxExtension = (
            frame_system::CheckNonZeroSender::<Runtime>::new(),
            frame_system::CheckSpecVersion::<Runtime>::new(),
            frame_system::CheckTxVersion::<Runtime>::new(),
            frame_system::CheckGenesis::<Runtime>::new(),
            frame_system::CheckEra::<Runtime>::from(Era::Immortal),
            frame_system::CheckNonce::<Runtime>::from(nonce),
            frame_system::CheckWeight::<Runtime>::new(),
            pallet_transaction_payment::ChargeTransactionPayment::<Runtime>::from(0),
            frame_metadata_hash_extension::CheckMetadataHash::<Runtime>::new(false),
            frame_system::WeightReclaim::<Runtime>::new(),
        );
        // What each extension adds to the signed bytes, in their order.
        let implicit = (
            (),
            VERSION.spec_version,
            VERSION.transaction_version,
            self.genesis_hash,
            self.genesis_hash,
            (),
            (),
            (),
            None,
            (),
        );
        let signer = Sr25519Keyring::Alice;
        let payload = SignedPayload::from_raw(self.call.clone(), extension.clone(), implicit);
        let signature = payload.using_encoded(|bytes| signer.pair().sign(bytes));
        let transaction = UncheckedExtrinsic::new_signed(
            self.call.clone(),
            signer.to_account_id().into(),
            MultiSignature::Sr25519(signature),
            extension,
        );
        Ok(transaction.into())
    }
}
