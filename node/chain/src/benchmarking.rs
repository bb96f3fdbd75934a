// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The `benchmark` command: it measures what `scripts/weights` turns into the runtime's weights.

use crate::{
    cli::Cli,
    service::{components::Components, Client},
};
use cairn_runtime::{
    opaque::Block, AccountId, BalancesCall, Hash, Runtime, RuntimeCall, SignedPayload, SystemCall, TxExtension,
    UncheckedExtrinsic, VERSION,
};
use codec::Encode;
use frame_benchmarking_cli::{BenchmarkCmd, ExtrinsicBuilder, ExtrinsicFactory, SUBSTRATE_REFERENCE_HARDWARE};
use sc_cli::{Result, SubstrateCli};
use sp_blockchain::HeaderBackend;
use sp_core::Pair;
use sp_inherents::{InherentData, InherentDataProvider};
use sp_keyring::Sr25519Keyring;
use sp_runtime::{generic::Era, traits::HashingFor, MultiSignature, OpaqueExtrinsic};
use std::{sync::Arc, time::Duration};

/// Runs the measurement that `command` names.
///
/// `pallet` and `overhead` measure the runtime of the chain specification, or the one that `--runtime` names.
pub fn run(cli: &Cli, command: &BenchmarkCmd) -> Result<()> {
    let runner = cli.create_runner(command)?;
    runner.sync_run(|config| match command {
        BenchmarkCmd::Pallet(command) => {
            let spec = command.runtime.is_none().then_some(config.chain_spec);
            command.run_with_spec::<HashingFor<Block>, ()>(spec)
        },
        BenchmarkCmd::Overhead(command) => {
            let spec = command.params.runtime.is_none().then_some(config.chain_spec);
            command.run_with_default_builder_and_spec::<Block, ()>(spec)
        },
        BenchmarkCmd::Machine(command) => command.run(&config, SUBSTRATE_REFERENCE_HARDWARE.clone()),
        BenchmarkCmd::Block(command) => command.run(Components::new(&config)?.client),
        BenchmarkCmd::Storage(command) => {
            let Components { client, backend, .. } = Components::new(&config)?;
            let (database, storage) = (backend.expose_db(), backend.expose_storage());
            let trie_cache = backend.expose_shared_trie_cache();
            command.run(config, client, database, storage, trie_cache)
        },
        BenchmarkCmd::Extrinsic(command) => {
            let client = Components::new(&config)?.client;
            let extrinsics = ExtrinsicFactory(vec![
                Box::new(Signed::remark(&client)),
                Box::new(Signed::transfer_keep_alive(&client)),
            ]);
            command.run(client, first_block_inherents()?, Vec::new(), &extrinsics)
        },
    })
}

/// Inherent data of a block in slot 0.
fn first_block_inherents() -> Result<InherentData> {
    let mut data = InherentData::new();
    let timestamp = sp_timestamp::InherentDataProvider::new(Duration::ZERO.into());
    futures::executor::block_on(timestamp.provide_inherent_data(&mut data))
        .map_err(|error| format!("can't make the timestamp inherent: {error:?}"))?;
    Ok(data)
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
