// SPDX-License-Identifier: Apache-2.0

//! The prover: answers challenges, and disputes against this vault.
//!
//! # Correctness
//! It looks at the node's best block, so that it is early, and knows nothing but what the chain says there: after a pause of any
//! length it goes on with what is open. A proof that doesn't verify here is never sent: it would cost the slot, a missed
//! challenge costs far less.

use std::sync::{Arc, Mutex, PoisonError};

use cairn_client::chain::{
    storage::{ChunkProof, SlotAt, Target},
    vaults::Challenge,
};
use cairn_store::{Store, StoreError};

use crate::{
    known::Known,
    metrics::{add, set, Metrics},
    rebuild::Rebuilder,
    Action, Chain, ChainError,
};

/// Why a challenge or dispute isn't answered now.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ProveError {
    /// The chain doesn't answer, or refuses.
    #[error("the chain: {0}")]
    Chain(#[from] ChainError),
    /// A chunk can't be shown.
    #[error("chunk {chunk} of slot {} of drive {}: {reason}", .at.slot, .at.drive)]
    Chunk {
        /// Of which log.
        at: SlotAt,
        /// Which.
        chunk: u64,
        /// Why not.
        reason: String,
    },
}

/// What was answered last, and what is open.
#[derive(Default)]
pub(crate) struct Answered {
    turn_block: Option<u32>,
    disputes: Vec<Target>,
    open: Option<Challenge>,
}

pub(crate) struct Prover {
    pub chain: Arc<dyn Chain>,
    pub known: Arc<Known>,
    pub store: Arc<Store>,
    pub rebuilder: Arc<Rebuilder>,
    pub metrics: Arc<Metrics>,
    pub answered: Mutex<Answered>,
}

impl Prover {
    /// Answers the open challenge, if there is one that wasn't answered.
    pub async fn prove(&self) -> Result<(), ProveError> {
        let challenge = self.chain.challenge().await.inspect_err(|_| add(&self.metrics.chain_errors_total, 1))?;
        set(&self.metrics.challenge_open, challenge.is_some().into());
        self.answered().open = challenge.clone();
        let Some(challenge) = challenge else { return Ok(()) };
        // It may be open for some blocks after the answer was sent, where the best block is not the one that has it.
        if self.answered().turn_block == Some(challenge.turn_block) {
            return Ok(());
        }
        let result = self.answer(&challenge).await;
        match &result {
            Ok(()) => {
                add(&self.metrics.challenges_proven_total, 1);
                self.answered().turn_block = Some(challenge.turn_block);
                tracing::debug!(turn_block = challenge.turn_block, "a challenge was answered");
            },
            Err(_) => add(&self.metrics.challenges_failed_total, 1),
        }
        result
    }

    async fn answer(&self, challenge: &Challenge) -> Result<(), ProveError> {
        let mut proofs = Vec::with_capacity(challenge.targets.len());
        for target in &challenge.targets {
            proofs.push(self.show(target).await?);
        }
        Ok(self.chain.submit(Action::Prove { turn_block: challenge.turn_block, proofs }).await?)
    }

    /// Answers all disputes against this vault.
    pub async fn answer_disputes(&self) -> Result<(), ProveError> {
        let mut failure = Ok(());
        for slot in self.known.slots().into_iter().filter(|slot| slot.disputed && !slot.successor) {
            let Some(dispute) = self.chain.dispute(slot.at).await? else { continue };
            if self.answered().disputes.contains(&dispute.target) {
                continue;
            }
            let answered = async {
                let proof = self.show(&dispute.target).await?;
                Ok::<_, ProveError>(self.chain.submit(Action::AnswerDispute { at: slot.at, proof }).await?)
            };
            match answered.await {
                Ok(()) => {
                    add(&self.metrics.disputes_answered_total, 1);
                    let mut answered = self.answered();
                    // As many as can matter: one a slot, and only while it is open.
                    answered.disputes.retain(|target| target.at != slot.at);
                    answered.disputes.push(dispute.target);
                },
                Err(error) => {
                    add(&self.metrics.disputes_failed_total, 1);
                    failure = Err(error);
                },
            }
        }
        let disputed: Vec<_> =
            self.known.slots().into_iter().filter(|slot| slot.disputed).map(|slot| slot.at).collect();
        self.answered().disputes.retain(|target| disputed.contains(&target.at));
        failure
    }

    /// The challenge that was open when it was last looked, and whether it was answered.
    pub fn open(&self) -> Option<(Challenge, bool)> {
        let answered = self.answered();
        let challenge = answered.open.clone()?;
        let done = answered.turn_block == Some(challenge.turn_block);
        Some((challenge, done))
    }

    /// A proof that verifies; a damaged shard is repaired first.
    async fn show(&self, target: &Target) -> Result<ChunkProof, ProveError> {
        let Target { at, root, units, chunk } = *target;
        let failed = |reason: String| ProveError::Chunk { at, chunk, reason };
        let mut shown = self.proof(target).await;
        if let Err(StoreError::Rot { leaf }) = shown {
            add(&self.metrics.damaged_total, 1);
            self.rebuilder.repair_leaf(at, leaf).await.map_err(|error| failed(error.to_string()))?;
            add(&self.metrics.repaired_total, 1);
            shown = self.proof(target).await;
        }
        let proof = shown.map_err(|error| failed(error.to_string()))?;
        match proof.verify(&root, units, chunk) {
            Ok(()) => Ok(proof),
            Err(error) => Err(failed(format!("this vault's own proof is wrong: {error:?}"))),
        }
    }

    async fn proof(&self, target: &Target) -> Result<ChunkProof, StoreError> {
        let (store, Target { at, units, chunk, .. }) = (Arc::clone(&self.store), *target);
        let proving = tokio::task::spawn_blocking(move || store.prove(at, units, chunk));
        proving.await.unwrap_or(Err(StoreError::Failed))
    }

    fn answered(&self) -> std::sync::MutexGuard<'_, Answered> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
