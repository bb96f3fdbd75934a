// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The peer-to-peer network: block and transaction exchange, full and warp sync, light-client requests, and the protocol
//! that GRANDPA's votes travel on.

use super::{components::GrandpaLink, warp::Warp, Shared};
use cairn_runtime::{opaque::Block, Hash};
use sc_consensus::DefaultImportQueue;
use sc_consensus_grandpa::warp_proof::NetworkProvider;
use sc_network::{
    config::FullNetworkConfiguration, service::traits::NetworkService, types::ProtocolName, NetworkBackend,
    NotificationService,
};
use sc_network_sync::SyncingService;
use sc_service::{BuildNetworkParams, Configuration, Error, TaskManager, WarpSyncConfig};
use sc_utils::mpsc::TracingUnboundedSender;
use sp_blockchain::HeaderBackend;
use std::sync::Arc;

/// Handles of a running network.
pub struct Network {
    pub service: Arc<dyn NetworkService>,
    pub sync: Arc<SyncingService<Block>>,
    pub system_rpc_tx: TracingUnboundedSender<sc_rpc::system::Request<Block>>,
    pub tx_handler_controller: sc_network_transactions::TransactionsHandlerController<Hash>,
    pub grandpa: GrandpaProtocol,
}

/// GRANDPA's end of the network.
pub struct GrandpaProtocol {
    pub name: ProtocolName,
    pub notifications: Box<dyn NotificationService>,
}

/// Starts the network and block sync.
pub fn start<Net: NetworkBackend<Block, Hash>>(
    config: &Configuration,
    shared: &Shared,
    grandpa_link: &GrandpaLink,
    import_queue: DefaultImportQueue<Block>,
    task_manager: &TaskManager,
) -> Result<Network, Error> {
    let metrics = Net::register_notification_metrics(shared.registry.as_ref());
    let mut net_config = FullNetworkConfiguration::<Block, Hash, Net>::new(&config.network, shared.registry.clone());

    let genesis_hash = shared.client.info().genesis_hash;
    let name = sc_consensus_grandpa::protocol_standard_name(&genesis_hash, &config.chain_spec);
    let (grandpa_config, notifications) = sc_consensus_grandpa::grandpa_peers_set_config::<Block, Net>(
        name.clone(),
        metrics.clone(),
        net_config.peer_store_handle(),
    );
    // A protocol that is offered and whose handle is then dropped, as nobody takes part, would cost every connection.
    if !config.disable_grandpa {
        net_config.add_notification_protocol(grandpa_config);
    }

    let warp_sync = Arc::new(Warp(NetworkProvider::new(
        shared.backend.clone(),
        grandpa_link.shared_authority_set().clone(),
        Vec::new(), // No authority set was ever replaced by hand on a Cairn chain.
    )));

    let (service, system_rpc_tx, tx_handler_controller, sync, _bitswap) =
        sc_service::build_network(BuildNetworkParams {
            config,
            net_config,
            client: shared.client.clone(),
            transaction_pool: shared.transaction_pool.clone(),
            spawn_handle: task_manager.spawn_handle(),
            spawn_essential_handle: task_manager.spawn_essential_handle(),
            import_queue,
            block_announce_validator_builder: None,
            warp_sync_config: Some(WarpSyncConfig::WithProvider(warp_sync)),
            block_relay: None,
            metrics,
            gap_sync_body_policy: None,
        })?;

    let grandpa = GrandpaProtocol { name, notifications };
    Ok(Network { service, sync, system_rpc_tx, tx_handler_controller, grandpa })
}
