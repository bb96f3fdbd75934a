// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The parts of a node that need no network. The subcommands that work on the database use them too.

use super::{
    consensus,
    equivocations::Reporting,
    genesis::{self, Genesis},
    own_slots::OwnSlots,
    Backend, Client, SelectChain, TransactionPool,
};
use cairn_runtime::{opaque::Block, RuntimeApi};
use sc_consensus::DefaultImportQueue;
use sc_consensus_babe::{BabeBlockImport, BabeLink, BabeWorkerHandle, ImportQueueParams};
use sc_consensus_grandpa::{GrandpaBlockImport, GrandpaPruningFilter, LinkHalf, SharedVoterState};
use sc_service::{Configuration, Error, KeystoreContainer, TaskManager};
use sc_telemetry::{Telemetry, TelemetryHandle, TelemetryWorker};
use sc_transaction_pool_api::{OffchainTransactionPoolFactory, RejectAllTxPool};
use sp_consensus_babe::inherents::BabeCreateInherentDataProviders;
use std::sync::Arc;

/// Checks GRANDPA's justifications, then hands the block to the client.
pub type GrandpaImport = GrandpaBlockImport<Backend, Block, Client, SelectChain>;

/// Every block goes through here: BABE's rules, then GRANDPA's, then execution.
pub type BlockImport =
    Reporting<BabeBlockImport<Block, Client, GrandpaImport, BabeCreateInherentDataProviders<Block>, SelectChain>>;

/// GRANDPA's half that the voter runs on.
pub type GrandpaLink = LinkHalf<Block, Client, SelectChain>;

/// See the module.
pub struct Components {
    pub client: Arc<Client>,
    pub backend: Arc<Backend>,
    pub keystore_container: KeystoreContainer,
    pub transaction_pool: Arc<TransactionPool>,
    pub import_queue: DefaultImportQueue<Block>,
    pub consensus: Consensus,
    pub telemetry: Option<Telemetry>,
}

/// What block import, the RPC methods, the authoring of blocks and the voter have in common.
pub struct Consensus {
    pub select_chain: SelectChain,
    pub block_import: BlockImport,
    pub babe_link: BabeLink<Block>,
    pub babe_worker: BabeWorkerHandle<Block>,
    pub grandpa_link: GrandpaLink,
    pub grandpa_voter_state: SharedVoterState,
}

impl Components {
    /// Opens the database (and writes the genesis block into a new one) and builds what works on it.
    ///
    /// Some parts have a task that ends, and takes the node with it, when the part is dropped: keep all of them for as
    /// long as the task manager.
    pub fn new(config: &Configuration) -> Result<(Self, TaskManager), Error> {
        let telemetry = new_telemetry(config)?;
        let executor = genesis::executor(&config.executor, config.base_path.path());
        let mut database = config.db_config();
        // Who prunes old blocks still keeps those that prove a change of authorities: others warp-sync from them.
        database.pruning_filters = vec![Arc::new(GrandpaPruningFilter)];
        let backend = sc_service::new_db_backend(database)?;
        let genesis = Genesis { config, backend: backend.clone(), executor: executor.clone() };
        let (client, backend, keystore_container, task_manager) =
            sc_service::new_full_parts_with_genesis_builder::<Block, RuntimeApi, _, _>(
                config,
                telemetry.as_ref().map(|(_, telemetry)| telemetry.handle()),
                executor,
                backend,
                genesis,
                false,
            )?;
        let client = Arc::new(client);
        let telemetry = telemetry.map(|(worker, telemetry)| {
            task_manager.spawn_handle().spawn("telemetry", None, worker.run());
            telemetry
        });
        let transaction_pool = new_transaction_pool(config, &client, &task_manager);
        let (consensus, import_queue) = new_consensus(
            config,
            client.clone(),
            SelectChain::new(backend.clone()),
            OffchainTransactionPoolFactory::new(transaction_pool.clone()),
            telemetry.as_ref().map(|telemetry| telemetry.handle()),
            &task_manager,
        )?;
        let components =
            Self { client, backend, keystore_container, transaction_pool, import_queue, consensus, telemetry };
        Ok((components, task_manager))
    }
}

/// Chains the checks that every block goes through, and starts the queue in front of them.
///
/// `reports` is where a validator that signs two blocks for one slot is reported to the chain.
fn new_consensus(
    config: &Configuration,
    client: Arc<Client>,
    select_chain: SelectChain,
    reports: OffchainTransactionPoolFactory<Block>,
    telemetry: Option<TelemetryHandle>,
    task_manager: &TaskManager,
) -> Result<(Consensus, DefaultImportQueue<Block>), Error> {
    let (grandpa_import, grandpa_link) = sc_consensus_grandpa::block_import(
        client.clone(),
        consensus::justification_period_blocks(config.chain_spec.chain_type()),
        &client,
        select_chain.clone(),
        telemetry.clone(),
    )?;
    let babe_config = sc_consensus_babe::configuration(&*client)?;
    let slot_duration = babe_config.slot_duration();
    let (babe_import, babe_link) = sc_consensus_babe::block_import(
        babe_config,
        grandpa_import.clone(),
        client.clone(),
        consensus::inherent_data_providers(slot_duration),
        select_chain.clone(),
        // Its own reports are void (see the module of `Reporting`).
        OffchainTransactionPoolFactory::new(RejectAllTxPool::default()),
    )?;
    let own_slots = OwnSlots::open(config.keystore.path()).map_err(Error::Other)?;
    let block_import = Reporting::new(babe_import, client.clone(), select_chain.clone(), reports, own_slots);
    let (import_queue, babe_worker) = sc_consensus_babe::import_queue(ImportQueueParams {
        link: babe_link.clone(),
        block_import: block_import.clone(),
        justification_import: Some(Box::new(grandpa_import)),
        client,
        slot_duration,
        spawner: &task_manager.spawn_essential_handle(),
        registry: config.prometheus_registry(),
        telemetry,
    })?;
    let consensus = Consensus {
        select_chain,
        block_import,
        babe_link,
        babe_worker,
        grandpa_link,
        grandpa_voter_state: SharedVoterState::empty(),
    };
    Ok((consensus, import_queue))
}

/// A connection to the telemetry servers of the command line or the chain specification, if there are any.
fn new_telemetry(config: &Configuration) -> Result<Option<(TelemetryWorker, Telemetry)>, Error> {
    /// Messages that may wait for the worker; beyond it they are dropped.
    const BUFFER_MESSAGES: usize = 16;

    let Some(endpoints) = config.telemetry_endpoints.clone().filter(|list| !list.is_empty()) else {
        return Ok(None);
    };
    let worker = TelemetryWorker::new(BUFFER_MESSAGES)?;
    let telemetry = worker.handle().new_telemetry(endpoints);
    Ok(Some((worker, telemetry)))
}

fn new_transaction_pool(
    config: &Configuration,
    client: &Arc<Client>,
    task_manager: &TaskManager,
) -> Arc<TransactionPool> {
    let pool = sc_transaction_pool::Builder::new(
        task_manager.spawn_essential_handle(),
        client.clone(),
        config.role.is_authority().into(),
    )
    .with_options(config.transaction_pool.clone())
    .with_prometheus(config.prometheus_registry())
    .build();
    Arc::new(pool)
}
