// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The JSON-RPC methods that this node adds to those of `sc-service`.
//!
//! `sc-service` itself serves `author_*`, `chain_*`, `state_*`, `childstate_*`, `offchain_*`, `system_*` and the new
//! specification's `chainHead_v1_*`, `chainSpec_v1_*`, `transaction_v1_*` and `transactionWatch_v1_*`; `archive_v1_*` only where
//! both states and blocks are kept (`--state-pruning archive --blocks-pruning archive`). Here follow account nonces and
//! dry runs, fees, BABE, GRANDPA, the light client's starting point and block statistics.
//!
//! A method that is unsafe to offer to strangers (`system_dryRun`, `babe_epochAuthorship`, `dev_getBlockStats`) refuses
//! them itself: `sc-service` marks each connection as safe or not, by `--rpc-methods` and the address it came in on.

use crate::service::{Backend, Client, SelectChain, TransactionPool};
use cairn_runtime::{opaque::Block, AccountId, Balance, BlockNumber, Hash, Nonce};
use jsonrpsee::RpcModule;
use sc_consensus_babe::BabeWorkerHandle;
use sc_consensus_grandpa::{FinalityProofProvider, GrandpaJustificationStream, SharedAuthoritySet, SharedVoterState};
use sc_rpc::SubscriptionTaskExecutor;
use sp_keystore::KeystorePtr;
use std::{error::Error, sync::Arc};

/// What BABE's methods answer from.
#[derive(Clone)]
pub struct BabeDeps {
    pub worker: BabeWorkerHandle<Block>,
    pub keystore: KeystorePtr,
}

/// What GRANDPA's methods answer from.
#[derive(Clone)]
pub struct GrandpaDeps {
    pub voter_state: SharedVoterState,
    pub authority_set: SharedAuthoritySet<Hash, BlockNumber>,
    pub justifications: GrandpaJustificationStream<Block>,
    pub finality_proofs: Arc<FinalityProofProvider<Backend, Block>>,
}

/// What the methods of this module answer from.
pub struct Deps {
    pub client: Arc<Client>,
    pub transaction_pool: Arc<TransactionPool>,
    pub select_chain: SelectChain,
    pub chain_spec: Box<dyn sc_chain_spec::ChainSpec>,
    pub babe: BabeDeps,
    pub grandpa: GrandpaDeps,
}

impl Deps {
    /// Makes the module. Called once per server; `executor` runs its subscriptions.
    ///
    /// # Errors
    /// When the chain specification lacks the `lightSyncState` extension, or two methods have one name: both are bugs of
    /// this crate.
    pub fn build(&self, executor: SubscriptionTaskExecutor) -> Result<RpcModule<()>, Box<dyn Error + Send + Sync>> {
        let mut module = RpcModule::new(());
        self.add_accounts(&mut module)?;
        self.add_consensus(&mut module, executor)?;
        Ok(module)
    }

    fn add_accounts(&self, module: &mut RpcModule<()>) -> Result<(), Box<dyn Error + Send + Sync>> {
        use pallet_transaction_payment::RuntimeDispatchInfo;
        use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
        use sc_rpc::dev::{Dev, DevApiServer};
        use substrate_frame_rpc_system::{System, SystemApiServer};

        let system = System::<TransactionPool, Client, Block>::new(self.client.clone(), self.transaction_pool.clone());
        module.merge(SystemApiServer::<Hash, AccountId, Nonce>::into_rpc(system))?;

        let payment = TransactionPayment::<Client, Block>::new(self.client.clone());
        module.merge(TransactionPaymentApiServer::<Hash, RuntimeDispatchInfo<Balance>>::into_rpc(payment))?;

        module.merge(Dev::<Block, Client>::new(self.client.clone()).into_rpc())?;
        Ok(())
    }

    fn add_consensus(
        &self,
        module: &mut RpcModule<()>,
        executor: SubscriptionTaskExecutor,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        use sc_consensus_babe_rpc::{Babe, BabeApiServer};
        use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
        use sc_sync_state_rpc::{SyncState, SyncStateApiServer};

        let babe = self.babe.clone();
        module.merge(
            Babe::new(self.client.clone(), babe.worker.clone(), babe.keystore, self.select_chain.clone()).into_rpc(),
        )?;

        let grandpa = self.grandpa.clone();
        module.merge(
            Grandpa::new(
                executor,
                grandpa.authority_set.clone(),
                grandpa.voter_state,
                grandpa.justifications,
                grandpa.finality_proofs,
            )
            .into_rpc(),
        )?;

        let sync_state = SyncState::<Block, Client>::new(
            self.chain_spec.cloned_box(),
            self.client.clone(),
            grandpa.authority_set,
            babe.worker,
        )?;
        module.merge(sync_state.into_rpc())?;
        Ok(())
    }
}
