// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The parts of a node that need no network. The subcommands that work on the database use them too.

use super::{consensus, Backend, Client, HostFunctions, SelectChain, TransactionPool};
use cairn_runtime::{opaque::Block, RuntimeApi};
use sc_consensus::DefaultImportQueue;
use sc_consensus_babe::{BabeBlockImport, BabeLink, BabeWorkerHandle};
use sc_consensus_grandpa::{GrandpaBlockImport, GrandpaPruningFilter, LinkHalf};
use sc_service::{Configuration, Error, KeystoreContainer, TaskManager};
use sc_telemetry::{Telemetry, TelemetryWorker};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_consensus_babe::inherents::BabeCreateInherentDataProviders;
use std::sync::Arc;

/// Checks GRANDPA's justifications, then hands the block to the client.
pub type GrandpaImport = GrandpaBlockImport<Backend, Block, Client, SelectChain>;

/// Every block goes through here: BABE's rules, then GRANDPA's, then execution.
pub type BlockImport =
    BabeBlockImport<Block, Client, GrandpaImport, BabeCreateInherentDataProviders<Block>, SelectChain>;

/// GRANDPA's half that the voter runs on.
pub type GrandpaLink = LinkHalf<Block, Client, SelectChain>;

/// See the module.
pub struct Components {
    pub client: Arc<Client>,
    pub backend: Arc<Backend>,
    pub task_manager: TaskManager,
    pub keystore_container: KeystoreContainer,
    pub select_chain: SelectChain,
    pub import_queue: DefaultImportQueue<Block>,
    pub transaction_pool: Arc<TransactionPool>,
    pub block_import: BlockImport,
    pub grandpa_link: GrandpaLink,
    pub babe_link: BabeLink<Block>,
    pub babe_worker: BabeWorkerHandle<Block>,
    pub telemetry: Option<Telemetry>,
}

impl Components {
    /// Opens the database (and writes the genesis block into a new one) and builds what works on it.
    pub fn new(config: &Configuration) -> Result<Self, Error> {
        let telemetry = new_telemetry(config)?;
        let (client, backend, keystore_container, task_manager) = sc_service::new_full_parts::<Block, RuntimeApi, _>(
            config,
            telemetry.as_ref().map(|(_, telemetry)| telemetry.handle()),
            sc_service::new_wasm_executor::<HostFunctions>(&config.executor),
            // Who prunes old blocks still keeps those that prove a change of authorities: others warp-sync from them.
            vec![Arc::new(GrandpaPruningFilter)],
        )?;
        let client = Arc::new(client);
        let telemetry = telemetry.map(|(worker, telemetry)| {
            task_manager.spawn_handle().spawn("telemetry", None, worker.run());
            telemetry
        });
        let select_chain = SelectChain::new(backend.clone());
        let transaction_pool = new_transaction_pool(config, &client, &task_manager);

        let telemetry_handle = telemetry.as_ref().map(|telemetry| telemetry.handle());
        let (grandpa_import, grandpa_link) = sc_consensus_grandpa::block_import(
            client.clone(),
            consensus::justification_period_blocks(config.chain_spec.chain_type()),
            &client,
            select_chain.clone(),
            telemetry_handle.clone(),
        )?;
        let babe_config = sc_consensus_babe::configuration(&*client)?;
        let slot_duration = babe_config.slot_duration();
        let (block_import, babe_link) = sc_consensus_babe::block_import(
            babe_config,
            grandpa_import.clone(),
            client.clone(),
            consensus::inherent_data_providers(slot_duration),
            select_chain.clone(),
            // Through it, a validator that signs two blocks for one slot is reported to the chain.
            OffchainTransactionPoolFactory::new(transaction_pool.clone()),
        )?;
        let (import_queue, babe_worker) = sc_consensus_babe::import_queue(sc_consensus_babe::ImportQueueParams {
            link: babe_link.clone(),
            block_import: block_import.clone(),
            justification_import: Some(Box::new(grandpa_import)),
            client: client.clone(),
            slot_duration,
            spawner: &task_manager.spawn_essential_handle(),
            registry: config.prometheus_registry(),
            telemetry: telemetry_handle,
        })?;

        Ok(Self {
            client,
            backend,
            task_manager,
            keystore_container,
            select_chain,
            import_queue,
            transaction_pool,
            block_import,
            grandpa_link,
            babe_link,
            babe_worker,
            telemetry,
        })
    }
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
