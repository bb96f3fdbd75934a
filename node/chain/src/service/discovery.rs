// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Authority discovery: validators publish their addresses, signed, in the network's hash table, and every node looks
//! up those of the current and the next validators. Votes then need fewer hops, and a validator that starts anew finds
//! its peers without help.

use super::Shared;
use futures::StreamExt;
use sc_authority_discovery::WorkerConfig;
use sc_network::{multiaddr::Multiaddr, service::traits::NetworkService, Event, NetworkEventStream};
use sc_service::{Configuration, Role, TaskManager};
use std::{path::PathBuf, sync::Arc};

/// What authority discovery takes from the node's configuration.
pub struct Settings {
    role: Role,
    publish_non_global_ips: bool,
    public_addresses: Vec<Multiaddr>,
    persisted_cache_directory: Option<PathBuf>,
}

impl Settings {
    pub fn new(config: &Configuration) -> Self {
        Self {
            role: config.role,
            publish_non_global_ips: config.network.allow_non_globals_in_dht,
            public_addresses: config.network.public_addresses.clone(),
            persisted_cache_directory: config.network.net_config_path.clone(),
        }
    }
}

/// Starts the worker.
pub fn start(settings: Settings, shared: &Shared, network: &Arc<dyn NetworkService>, task_manager: &TaskManager) {
    let role = if settings.role.is_authority() {
        sc_authority_discovery::Role::PublishAndDiscover(shared.keystore.clone())
    } else {
        sc_authority_discovery::Role::Discover
    };
    let events = network.event_stream("authority-discovery").filter_map(|event| async move {
        match event {
            Event::Dht(event) => Some(event),
            _ => None,
        }
    });
    let (worker, _service) = sc_authority_discovery::new_worker_and_service_with_config(
        WorkerConfig {
            publish_non_global_ips: settings.publish_non_global_ips,
            public_addresses: settings.public_addresses,
            // No node of this chain is older than signed records.
            strict_record_validation: true,
            persisted_cache_directory: settings.persisted_cache_directory,
            ..Default::default()
        },
        shared.client.clone(),
        Arc::new(network.clone()),
        Box::pin(events),
        role,
        shared.registry.clone(),
        task_manager.spawn_handle(),
    );
    task_manager.spawn_handle().spawn("authority-discovery-worker", Some("authority-discovery"), worker.run());
}
