// SPDX-License-Identifier: Apache-2.0

//! The prover: answers challenges, and disputes against this vault.
//!
//! # Correctness
//! It looks at the node's best block, so that it is early, and knows nothing but what the chain says there: after a pause of any
//! length it goes on with what is open. The best block may be undone: an answer names the challenge that it is an answer to, is
//! refused in the place of another, and costs nothing there but its fee; what is open now is answered at once. A proof that
//! doesn't verify here is never sent: it would cost the slot, a missed challenge costs far less.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cairn_client::chain::{
    storage::{ChunkProof, SlotAt, Target},
    vaults::Challenge,
};
use cairn_store::{Store, StoreError};
use futures::stream::{FuturesUnordered, StreamExt};

use crate::{
    known::Known,
    metrics::{add, set, Metrics},
    rebuild::Rebuilder,
    Action, Chain, ChainError,
};

/// Answers to challenges at most that wait until they are final.
const ANSWERS_AT_ONCE: usize = 64;

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
    challenge: Option<[u8; 32]>,
    disputes: Vec<Target>,
    open: Option<Challenge>,
}

pub(crate) struct Prover {
    pub chain: Arc<dyn Chain>,
    pub known: Arc<Known>,
    pub store: Arc<Store>,
    pub rebuilder: Arc<Rebuilder>,
    pub metrics: Arc<Metrics>,
    /// How often the chain is asked.
    pub poll: Duration,
    /// For how long what was refused isn't sent again: in the same block it would cost a fee each time.
    pub after_refusal: Duration,
    pub answered: Mutex<Answered>,
}

impl Prover {
    /// Answers the open challenge, if there is one that wasn't answered, and waits until that is final. If meanwhile another
    /// one is open in the best block - a block was undone, or finality takes long - that is answered, too.
    pub async fn prove(&self) -> Result<(), ProveError> {
        let mut open = self.look().await?;
        let (mut sent, mut answers) = (Vec::new(), FuturesUnordered::new());
        let (mut result, mut wait) = (Ok(()), self.poll);
        loop {
            let fresh = open.take().map(|challenge| (challenge.id(), challenge));
            // It may be open for some blocks after the answer was sent, where the best block is not the one that has it.
            let fresh = fresh.filter(|(id, _)| !sent.contains(id) && self.answered().challenge != Some(*id));
            if let Some((id, challenge)) = fresh.filter(|_| sent.len() < ANSWERS_AT_ONCE) {
                sent.push(id);
                answers.push(async move { (challenge.turn_block, id, self.answer(id, &challenge).await) });
            }
            tokio::select! {
                answered = answers.next() => {
                    let Some((turn_block, id, answered)) = answered else { return result };
                    sent.retain(|other| *other != id);
                    wait = if answered.is_ok() { self.poll } else { self.after_refusal };
                    match &answered {
                        Ok(()) => {
                            add(&self.metrics.challenges_proven_total, 1);
                            self.answered().challenge = Some(id);
                            tracing::debug!(turn_block, "a challenge was answered");
                        },
                        // No fault of this vault's: what was asked in its place is looked for.
                        Err(ProveError::Chain(error)) if error.is_past_challenge() => {
                            add(&self.metrics.challenges_past_total, 1);
                            tracing::info!(turn_block, "a challenge was answered that isn't the chain's any more");
                        },
                        Err(_) => add(&self.metrics.challenges_failed_total, 1),
                    }
                    result = answered;
                },
                () = tokio::time::sleep(wait) => {
                    wait = self.poll;
                    // Who can't be asked now is asked again.
                    open = self.look().await.unwrap_or(None);
                },
            }
        }
    }

    /// The challenge that is open in the best block.
    async fn look(&self) -> Result<Option<Challenge>, ProveError> {
        let challenge = self.chain.challenge().await.inspect_err(|_| add(&self.metrics.chain_errors_total, 1))?;
        set(&self.metrics.challenge_open, challenge.is_some().into());
        self.answered().open = challenge.clone();
        Ok(challenge)
    }

    async fn answer(&self, id: [u8; 32], challenge: &Challenge) -> Result<(), ProveError> {
        let mut proofs = Vec::with_capacity(challenge.targets.len());
        for target in &challenge.targets {
            proofs.push(self.show(target).await?);
        }
        Ok(self.chain.submit(Action::Prove { challenge: id, proofs }).await?)
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
        let done = answered.challenge == Some(challenge.id());
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
