// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! A running node, put together from the SDK's parts.
//!
//! | module | holds |
//! | --- | --- |
//! | [`components`] | what needs no network: client and database, keystore, transaction pool, import queue |
//! | [`network`] | the peer-to-peer network with block sync, warp sync and GRANDPA's protocol |
//! | [`warp`] | which headers of a warp proof are stored |
//! | [`consensus`] | BABE (who makes the next block) and GRANDPA (which block is final) |
//! | [`equivocations`] | reporting validators that sign two blocks for one slot |
//! | [`own_slots`] | never making two blocks for one slot |
//! | [`ports`] | ports and folders that are taken |
//! | [`discovery`] | how validators find each other's addresses |
//! | [`offchain`] | the runtime's off-chain workers |
//! | [`storage`] | stopping before the disk is full |
//!
//! # Correctness
//! Tasks without which the node would be a danger to its operator (block import, sync, consensus, the network, the
//! storage monitor) are spawned as essential: when one ends, the whole node stops, with an error and exit code 1.

pub mod components;
mod consensus;
mod discovery;
mod equivocations;
mod genesis;
mod network;
mod offchain;
mod own_slots;
mod ports;
mod storage;
mod warp;

use crate::rpc;
use cairn_runtime::{opaque::Block, Hash, RuntimeApi};
use components::Components;
use consensus::Participation;
use sc_consensus_grandpa::FinalityProofProvider;
use sc_network::{config::NetworkBackendType, Litep2pNetworkBackend, NetworkBackend, NetworkWorker};
use sc_rpc::SubscriptionTaskExecutor;
use sc_service::{Configuration, Error, SpawnTasksParams, TaskManager};
use sc_storage_monitor::StorageMonitorParams;
use sc_telemetry::TelemetryHandle;
use sp_keystore::KeystorePtr;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use substrate_prometheus_endpoint::Registry;

/// Functions that the runtime may call in the node: the SDK's, and no others. A custom one would shut out every
/// light client and every generic tool that executes the runtime.
pub type HostFunctions = sp_io::SubstrateHostFunctions;

/// Runs the runtime's WebAssembly; there is no native runtime in this binary to disagree with it.
pub type Executor = sc_executor::WasmExecutor<HostFunctions>;

/// The chain as this node knows it: blocks, states and runtime calls.
pub type Client = sc_service::TFullClient<Block, RuntimeApi, Executor>;

/// The database below [`Client`].
pub type Backend = sc_service::TFullBackend<Block>;

/// Which head to build on, and which to vote for.
pub type SelectChain = sc_consensus::LongestChain<Backend, Block>;

/// Transactions that wait for a block.
pub type TransactionPool = sc_transaction_pool::TransactionPoolHandle<Block, Client>;

/// What nearly every part of a running node needs.
#[derive(Clone)]
struct Shared {
    client: Arc<Client>,
    backend: Arc<Backend>,
    transaction_pool: Arc<TransactionPool>,
    keystore: KeystorePtr,
    registry: Option<Registry>,
    telemetry: Option<TelemetryHandle>,
}

impl Shared {
    fn new(config: &Configuration, components: &Components) -> Self {
        Self {
            client: components.client.clone(),
            backend: components.backend.clone(),
            transaction_pool: components.transaction_pool.clone(),
            keystore: components.keystore_container.keystore(),
            registry: config.prometheus_registry().cloned(),
            telemetry: components.telemetry.as_ref().map(|telemetry| telemetry.handle()),
        }
    }
}

/// How long a node that has stopped waits for those who still use its database, and how often it looks.
const CLOSE_MAX: Duration = Duration::from_secs(10);
const CLOSE_EVERY: Duration = Duration::from_millis(10);

/// Waits until nobody else uses the database of a node that has stopped, and closes it.
///
/// The SDK runs off-chain workers in threads that it doesn't wait for. One that still reads while the program ends finds
/// RocksDB's locks gone, and the process is aborted.
pub fn close(backend: Arc<Backend>) {
    let until = Instant::now() + CLOSE_MAX;
    while Arc::strong_count(&backend) > 1 && Instant::now() < until {
        std::thread::sleep(CLOSE_EVERY);
    }
    let others = Arc::strong_count(&backend) - 1;
    if others > 0 {
        log::warn!("The database is left open: {others} others use it still");
    }
}

/// Starts a node: a validator or a full node, as the configuration says.
///
/// The node runs for as long as the returned task manager lives, or until one of its essential tasks ends. After it the database
/// is to be closed: see [`close`].
///
/// # Errors
/// When a part can't start: the database is locked or of another chain, an address is taken, the disk is nearly full.
pub fn start(config: Configuration, storage: &StorageMonitorParams) -> Result<(TaskManager, Arc<Backend>), Error> {
    ports::check(&config).map_err(Error::Other)?;
    match config.network.network_backend {
        NetworkBackendType::Litep2p => start_on::<Litep2pNetworkBackend>(config, storage),
        NetworkBackendType::Libp2p => start_on::<NetworkWorker<Block, Hash>>(config, storage),
    }
}

fn start_on<Net: NetworkBackend<Block, Hash>>(
    config: Configuration,
    storage: &StorageMonitorParams,
) -> Result<(TaskManager, Arc<Backend>), Error> {
    let (components, mut task_manager) = Components::new(&config)?;
    // Before anything is downloaded or authored.
    storage::watch(&config, storage, &task_manager)?;

    let shared = Shared::new(&config, &components);
    let rpc = rpc_deps(&config, &components);
    let participation = Participation::new(&config);
    let discovery = discovery::Settings::new(&config);
    let Components { consensus, import_queue, mut telemetry, .. } = components;

    let network = network::start::<Net>(&config, &shared, &consensus.grandpa_link, import_queue, &task_manager)?;
    if config.offchain_worker.enabled {
        offchain::start(&shared, &network, config.role, &task_manager)?;
    }
    sc_service::spawn_tasks(SpawnTasksParams {
        config,
        client: shared.client.clone(),
        backend: shared.backend.clone(),
        task_manager: &mut task_manager,
        keystore: shared.keystore.clone(),
        transaction_pool: shared.transaction_pool.clone(),
        rpc_builder: Box::new(move |executor: SubscriptionTaskExecutor| {
            rpc.build(executor).map_err(Error::Application)
        }),
        network: network.service.clone(),
        system_rpc_tx: network.system_rpc_tx,
        tx_handler_controller: network.tx_handler_controller,
        sync_service: network.sync.clone(),
        telemetry: telemetry.as_mut(),
        tracing_execute_block: None,
    })?;
    // After `spawn_tasks`, which puts the keys of `--alice` and the like into the keystore.
    discovery::start(discovery, &shared, &network.service, &task_manager);
    let peers = consensus::Peers { network: network.service, sync: network.sync, grandpa: network.grandpa };
    consensus::start(participation, consensus, &shared, peers, &task_manager)?;
    Ok((task_manager, shared.backend))
}

fn rpc_deps(config: &Configuration, components: &Components) -> rpc::Deps {
    let consensus = &components.consensus;
    let authority_set = consensus.grandpa_link.shared_authority_set();
    rpc::Deps {
        client: components.client.clone(),
        transaction_pool: components.transaction_pool.clone(),
        select_chain: consensus.select_chain.clone(),
        chain_spec: config.chain_spec.cloned_box(),
        babe: rpc::BabeDeps {
            worker: consensus.babe_worker.clone(),
            keystore: components.keystore_container.keystore(),
        },
        grandpa: rpc::GrandpaDeps {
            voter_state: consensus.grandpa_voter_state.clone(),
            authority_set: authority_set.clone(),
            justifications: consensus.grandpa_link.justification_stream(),
            finality_proofs: FinalityProofProvider::new_for_service(
                components.backend.clone(),
                Some(authority_set.clone()),
            ),
        },
    }
}
