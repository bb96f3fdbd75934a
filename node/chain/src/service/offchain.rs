// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Runs the runtime's off-chain workers after each new best block (`--offchain-worker`; by default on validators).

use super::{network::Network, Shared};
use futures::FutureExt;
use sc_client_api::Backend;
use sc_offchain::{OffchainWorkerOptions, OffchainWorkers};
use sc_service::{Error, Role, TaskManager};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use std::sync::Arc;

/// Starts the workers. They may read the chain, keep data of their own and submit transactions; they may not talk to
/// the Internet: no pallet of ours has to, and an upgrade of the runtime should not gain that power over validators.
pub fn start(shared: &Shared, network: &Network, role: Role, task_manager: &TaskManager) -> Result<(), Error> {
    let workers = OffchainWorkers::new(OffchainWorkerOptions {
        runtime_api_provider: shared.client.clone(),
        keystore: Some(shared.keystore.clone()),
        offchain_db: shared.backend.offchain_storage(),
        transaction_pool: Some(OffchainTransactionPoolFactory::new(shared.transaction_pool.clone())),
        network_provider: Arc::new(network.service.clone()),
        is_validator: role.is_authority(),
        enable_http_requests: false,
        custom_extensions: |_block| Vec::new(),
    })?;
    task_manager.spawn_handle().spawn(
        "offchain-workers-runner",
        "offchain-work",
        workers.run(shared.client.clone(), task_manager.spawn_handle()).boxed(),
    );
    Ok(())
}
