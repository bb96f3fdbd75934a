// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! BABE gives each slot to one or several validators, who make a block on the best chain they know. GRANDPA then lets
//! the validators vote on chains, and what two thirds of them voted for is final.
//!
//! The two fail apart: with a third of the validators or more gone, blocks go on and only finality waits. A validator
//! then makes blocks ever more slowly (see [`backoff`]), and after the others return finality catches up with all of
//! them at once.

use super::{
    components::{Consensus, GrandpaLink},
    network::GrandpaProtocol,
    Shared,
};
use cairn_runtime::{opaque::Block, BlockNumber, Hash};
use sc_chain_spec::ChainType;
use sc_consensus_babe::{BabeParams, SlotProportion};
use sc_consensus_grandpa::{GrandpaParams, SharedVoterState, ThreeQuartersOfTheUnfinalizedChain, VotingRulesBuilder};
use sc_consensus_slots::BackoffAuthoringOnFinalizedHeadLagging;
use sc_network::service::traits::NetworkService;
use sc_network_sync::SyncingService;
use sc_service::{Configuration, Error, Role, TaskManager};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_consensus_babe::{
    inherents::{BabeCreateInherentDataProviders, InherentDataProvider},
    SlotDuration,
};
use std::{sync::Arc, time::Duration};

/// Share of a slot that may be spent on making its block; the rest is for sending it to the others and for their own
/// execution of it before the next slot begins.
///
/// Of this time BABE and the proposer keep some 12% for sealing, so that transactions are added during about 59% of a
/// slot. A block's weight limit must stay below that, or full blocks would end by the clock.
const BLOCK_PROPOSAL_SLOT_PORTION: f32 = 2.0 / 3.0;

/// Backing off leaves at least this many blocks in each epoch, so that sessions, elections and BABE's randomness go on
/// while finality waits.
const BACKOFF_BLOCKS_PER_EPOCH_MIN: u64 = 4;

/// Expected time for a vote to reach all validators; a round of GRANDPA takes a few of these.
const GRANDPA_GOSSIP_DURATION: Duration = Duration::from_millis(333);

/// On live chains a proof of finality is stored every so many blocks, and at each change of authorities. Such a proof
/// holds a signature of two thirds of the validators, and stays on disk for good.
const JUSTIFICATION_PERIOD_BLOCKS: u32 = 512;

/// The same for development and local chains, which have few validators and are looked at when they are minutes old:
/// before the first proof exists, nobody can warp-sync.
const JUSTIFICATION_PERIOD_BLOCKS_TEST: u32 = 16;

/// How often a proof of finality is stored. It is no rule of consensus: nodes may differ.
pub fn justification_period_blocks(chain_type: ChainType) -> u32 {
    match chain_type {
        ChainType::Development | ChainType::Local => JUSTIFICATION_PERIOD_BLOCKS_TEST,
        ChainType::Live | ChainType::Custom(_) => JUSTIFICATION_PERIOD_BLOCKS,
    }
}

/// What a block says about its time: the timestamp and the slot. Authors put it in, importers check it.
pub fn inherent_data_providers(slot_duration: SlotDuration) -> BabeCreateInherentDataProviders<Block> {
    Arc::new(move |_parent: Hash, ()| async move {
        let timestamp = sp_timestamp::InherentDataProvider::from_system_time();
        let slot = InherentDataProvider::from_timestamp_and_slot_duration(*timestamp, slot_duration);
        Ok((slot, timestamp))
    })
}

/// What part this node takes in consensus.
pub struct Participation {
    role: Role,
    /// Take part in GRANDPA, or follow it (`--no-grandpa` does neither).
    grandpa: bool,
    force_authoring: bool,
    node_name: String,
    justification_period_blocks: u32,
}

impl Participation {
    pub fn new(config: &Configuration) -> Self {
        Self {
            role: config.role,
            grandpa: !config.disable_grandpa,
            force_authoring: config.force_authoring,
            node_name: config.network.node_name.clone(),
            justification_period_blocks: justification_period_blocks(config.chain_spec.chain_type()),
        }
    }
}

/// How block production slows down while finality lags.
///
/// From 50 unfinalized blocks on, a validator waits for one more slot per two further blocks before it builds on the
/// head, up to 100 slots: the chain goes on, but what a returning validator has to fetch, and what could still be
/// reverted, stays small. In short epochs the wait is cut down for the sake of [`BACKOFF_BLOCKS_PER_EPOCH_MIN`].
fn backoff(epoch_slots: u64) -> BackoffAuthoringOnFinalizedHeadLagging<BlockNumber> {
    let default = BackoffAuthoringOnFinalizedHeadLagging::<BlockNumber>::default();
    // Who waits for n slots builds in the one after them.
    let slots_max = (epoch_slots / BACKOFF_BLOCKS_PER_EPOCH_MIN).saturating_sub(1);
    let slots_max = BlockNumber::try_from(slots_max).unwrap_or(BlockNumber::MAX);
    BackoffAuthoringOnFinalizedHeadLagging { max_interval: default.max_interval.min(slots_max), ..default }
}

/// The other nodes, as consensus sees them.
pub struct Peers {
    pub network: Arc<dyn NetworkService>,
    pub sync: Arc<SyncingService<Block>>,
    pub grandpa: GrandpaProtocol,
}

/// Starts this node's part in consensus. Following the chain needs none of it but the voter.
pub fn start(
    participation: Participation,
    consensus: Consensus,
    shared: &Shared,
    peers: Peers,
    task_manager: &TaskManager,
) -> Result<(), Error> {
    let Consensus { select_chain, block_import, babe_link, grandpa_link, grandpa_voter_state, .. } = consensus;
    if participation.role.is_authority() {
        let proposer = sc_basic_authorship::ProposerFactory::new(
            task_manager.spawn_handle(),
            shared.client.clone(),
            shared.transaction_pool.clone(),
            shared.registry.as_ref(),
            shared.telemetry.clone(),
        );
        let slot_duration = babe_link.config().slot_duration();
        let epoch_slots = babe_link.config().epoch_length;
        let babe = sc_consensus_babe::start_babe(BabeParams {
            keystore: shared.keystore.clone(),
            client: shared.client.clone(),
            select_chain,
            env: proposer,
            block_import,
            sync_oracle: peers.sync.clone(),
            justification_sync_link: peers.sync.clone(),
            create_inherent_data_providers: inherent_data_providers(slot_duration),
            force_authoring: participation.force_authoring,
            backoff_authoring_blocks: Some(backoff(epoch_slots)),
            babe_link,
            block_proposal_slot_portion: SlotProportion::new(BLOCK_PROPOSAL_SLOT_PORTION),
            // After slots without a block a longer proposal is welcome: whatever held them up must get through.
            max_block_proposal_slot_portion: None,
            telemetry: shared.telemetry.clone(),
        })?;
        task_manager.spawn_essential_handle().spawn_blocking("babe-proposer", Some("block-authoring"), babe);
    }
    if participation.grandpa {
        start_grandpa(participation, shared, peers, grandpa_link, grandpa_voter_state, task_manager)?;
    }
    Ok(())
}

/// Starts GRANDPA.
///
/// A full node runs the same voter without keys: it follows each round and casts no vote. (The SDK has a lighter
/// observer too, which it doesn't recommend: with many of them, votes would reach fewer peers.)
fn start_grandpa(
    participation: Participation,
    shared: &Shared,
    peers: Peers,
    link: GrandpaLink,
    shared_voter_state: SharedVoterState,
    task_manager: &TaskManager,
) -> Result<(), Error> {
    let config = sc_consensus_grandpa::Config {
        gossip_duration: GRANDPA_GOSSIP_DURATION,
        justification_generation_period: participation.justification_period_blocks,
        observer_enabled: false,
        local_role: participation.role,
        name: Some(participation.node_name),
        keystore: participation.role.is_authority().then(|| shared.keystore.clone()),
        telemetry: shared.telemetry.clone(),
        protocol_name: peers.grandpa.name,
    };
    let voter = sc_consensus_grandpa::run_grandpa_voter(GrandpaParams {
        config,
        link,
        network: peers.network,
        sync: peers.sync,
        notification_service: peers.grandpa.notifications,
        // The best block is voted for at once. The SDK's default votes two behind it, which is two slots more in all that waits
        // for finality. Validators that don't see the same best block vote for two children of one parent: then the parent
        // becomes final, which is all that votes for it would have done, and the next round, a second later, sees more. What is
        // final is as safe either way.
        voting_rule: VotingRulesBuilder::new().add(ThreeQuartersOfTheUnfinalizedChain).build(),
        prometheus_registry: shared.registry.clone(),
        shared_voter_state,
        telemetry: shared.telemetry.clone(),
        offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(shared.transaction_pool.clone()),
    })?;
    // Without finality the node would be of no use, so if the voter ends, so does the node.
    task_manager.spawn_essential_handle().spawn_blocking("grandpa-voter", None, voter);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sc_consensus_slots::BackoffAuthoringBlocksStrategy;

    /// Lets one slot after the other pass with finality at block 0, and returns the slots in which blocks were made.
    fn slots_with_blocks(epoch_slots: u64, slots: u64) -> Vec<u64> {
        let strategy = backoff(epoch_slots);
        let (mut head_number, mut made) = (0, vec![0]);
        for slot in 1..=slots {
            let head_slot = made[made.len() - 1];
            if !strategy.should_backoff(head_number, head_slot.into(), 0, slot.into(), "test") {
                head_number += 1;
                made.push(slot);
            }
        }
        made
    }

    #[test]
    fn blocks_come_in_every_slot_until_finality_lags() {
        assert_eq!(slots_with_blocks(600, 50).len(), 51);
    }

    #[test]
    fn blocks_go_on_in_every_epoch_however_long_finality_waits() {
        for epoch_slots in [10, 20, 200, 600, 2400] {
            let made = slots_with_blocks(epoch_slots, 40_000);
            for epoch in 0..(40_000 / epoch_slots) {
                let slots = epoch * epoch_slots..(epoch + 1) * epoch_slots;
                let blocks = made.iter().filter(|slot| slots.contains(slot)).count();
                let enough = blocks as u64 >= BACKOFF_BLOCKS_PER_EPOCH_MIN;
                assert!(enough, "{blocks} blocks in epoch {epoch} of {epoch_slots} slots");
            }
        }
    }

    #[test]
    fn long_epochs_keep_the_default_backoff() {
        assert_eq!(backoff(2400).max_interval, BackoffAuthoringOnFinalizedHeadLagging::<u32>::default().max_interval);
    }
}
