// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! `cairn-node building-speed`: how fast this machine builds a block out of given transactions, with nothing else going
//! on. `scripts/bench tps` sets its figure beside what a node that takes the same transactions over RPC sustains.
//!
//! A block is begun on the genesis block, as BABE would begin it, and filled until it is full or the transactions are
//! used up. Nothing is imported, so every round starts from the same state; the median round is reported.

use crate::service::{components::Components, Client};
use cairn_runtime::{opaque::Block, Hash};
use codec::{Decode, Encode};
use sc_block_builder::{BlockBuilder, BlockBuilderApi, BlockBuilderBuilder};
use sc_cli::{CliConfiguration, Error, ImportParams, Result, SharedParams};
use sc_service::Configuration;
use sp_api::{Core, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use sp_consensus_babe::{
    digests::{PreDigest, SecondaryPlainPreDigest},
    BABE_ENGINE_ID,
};
use sp_inherents::{InherentData, InherentDataProvider};
use sp_runtime::{Digest, DigestItem, OpaqueExtrinsic};
use std::{path::PathBuf, time::Instant};

/// Measures how fast blocks can be built.
#[derive(Debug, clap::Args)]
pub struct BuildingSpeedCmd {
    /// File with a signed transaction a line, in hexadecimal; each must be valid right after genesis
    #[arg(long, value_name = "FILE")]
    transactions: PathBuf,

    /// Blocks to build; the median is reported
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=100))]
    rounds: u8,

    #[clap(flatten)]
    shared: SharedParams,

    // As the node's: how large the cache over the state is, and how the runtime is executed.
    #[clap(flatten)]
    import: ImportParams,
}

impl CliConfiguration for BuildingSpeedCmd {
    fn shared_params(&self) -> &SharedParams {
        &self.shared
    }

    fn import_params(&self) -> Option<&ImportParams> {
        Some(&self.import)
    }
}

/// One built block.
struct Round {
    transactions: usize,
    seconds: f64,
    /// What another node does before it can build on the block.
    executing_seconds: f64,
}

impl BuildingSpeedCmd {
    /// Prints a JSON object: transactions in a block, seconds to build it, their quotient, and seconds to execute the
    /// block as an importing node does.
    pub fn run(&self, config: &Configuration) -> Result<()> {
        let transactions = self.read()?;
        let (components, _task_manager) = Components::new(config)?;
        let client = &components.client;
        let slot_millis = sc_consensus_babe::configuration(&**client)?.slot_duration;
        let mut rounds = Vec::new();
        // The first fills caches and is not counted.
        for _ in 0..=self.rounds {
            rounds.push(build(client, slot_millis, &transactions)?);
        }
        rounds.remove(0);
        rounds.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        let median = &rounds[rounds.len() / 2];
        let report = serde_json::json!({
            "transactions": median.transactions,
            "seconds": median.seconds,
            "executing_seconds": median.executing_seconds,
            "transfers_per_second": median.transactions as f64 / median.seconds,
        });
        println!("{report}");
        Ok(())
    }

    fn read(&self) -> Result<Vec<OpaqueExtrinsic>> {
        let text = std::fs::read_to_string(&self.transactions)
            .map_err(|error| Error::Input(format!("can't read {}: {error}", self.transactions.display())))?;
        text.lines()
            .enumerate()
            .map(|(index, line)| {
                let invalid = |why: String| Error::Input(format!("line {} is no transaction: {why}", index + 1));
                let bytes =
                    hex::decode(line.trim().trim_start_matches("0x")).map_err(|error| invalid(error.to_string()))?;
                OpaqueExtrinsic::decode(&mut &bytes[..]).map_err(|error| invalid(error.to_string()))
            })
            .collect()
    }
}

/// Builds one block on genesis, in the first slot of the Unix epoch that is not zero.
fn build(client: &Client, slot_millis: u64, transactions: &[OpaqueExtrinsic]) -> Result<Round> {
    let genesis: Hash = client.info().genesis_hash;
    let claim = PreDigest::SecondaryPlain(SecondaryPlainPreDigest { authority_index: 0, slot: 1.into() });
    let digest = Digest { logs: vec![DigestItem::PreRuntime(BABE_ENGINE_ID, claim.encode())] };

    let started = Instant::now();
    let mut block = BlockBuilderBuilder::<Block, Client>::new(client)
        .on_parent_block(genesis)
        .with_parent_block_number(0)
        .with_inherent_digests(digest)
        .build()?;
    for inherent in inherents(client, genesis, slot_millis)? {
        block.push(inherent)?;
    }
    let transactions = fill(&mut block, transactions)?;
    let built = block.build()?.block;
    let seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    client.runtime_api().execute_block(genesis, built.into()).map_err(sp_blockchain::Error::from)?;
    Ok(Round { transactions, seconds, executing_seconds: started.elapsed().as_secs_f64() })
}

/// What the runtime makes of the time. It is asked over a state of its own, so that the block under way is untouched.
fn inherents(client: &Client, parent: Hash, timestamp_millis: u64) -> Result<Vec<OpaqueExtrinsic>> {
    let data = inherent_data(timestamp_millis)?;
    Ok(client.runtime_api().inherent_extrinsics(parent, data).map_err(sp_blockchain::Error::from)?)
}

/// Inherent data of a block made at this time.
pub fn inherent_data(timestamp_millis: u64) -> Result<InherentData> {
    let mut data = InherentData::new();
    let timestamp = sp_timestamp::InherentDataProvider::new(timestamp_millis.into());
    futures::executor::block_on(timestamp.provide_inherent_data(&mut data))
        .map_err(|error| format!("can't make the timestamp inherent: {error:?}"))?;
    Ok(data)
}

/// Pushes transactions until the block is full; returns how many went in.
fn fill(block: &mut BlockBuilder<'_, Block, Client>, transactions: &[OpaqueExtrinsic]) -> Result<usize> {
    use sp_blockchain::{ApplyExtrinsicFailed::Validity, Error::ApplyExtrinsicFailed};
    for (count, transaction) in transactions.iter().enumerate() {
        match block.push(transaction.clone()) {
            Ok(()) => {},
            Err(ApplyExtrinsicFailed(Validity(error))) if error.exhausted_resources() => return Ok(count),
            Err(error) => return Err(Error::Input(format!("transaction {} is refused: {error}", count + 1))),
        }
    }
    Ok(transactions.len())
}
