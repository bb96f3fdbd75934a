// SPDX-License-Identifier: Apache-2.0

//! A transaction on its way: from a node's pool into a finalized block.
//!
//! # Correctness
//! What one node's pool says (dropped, replaced, invalid) is no proof: other pools may hold the transaction. Only the
//! finalized blocks decide, so they are searched whenever the node's reports end without a block. A node that goes away may
//! take the transaction with it: the one in its place is given the same bytes, which can be included once only.

mod search;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use subxt::tx::TransactionStatus;

use self::search::{search, Block, Chain, Finality, Found, Head, Timing, Wanted};
use crate::{
    account::{is_known, Progress as Watch},
    convert::{rpc_error, subxt_error},
    error::Retry,
    event::{self, Event},
    nonce::NonceHandle,
    refusal::{pool_code, Refusal, Stage},
    AccountId, Client, Error, Hash,
};

/// How often it is checked that waiting for the node's reports still makes sense: a connection can die without a sign,
/// and a node can forget.
const CHECK_PERIOD: Duration = Duration::from_secs(30);

/// How far a transaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// In the pool and valid.
    Ready,
    /// Passed on to other nodes.
    Broadcast,
    /// In a block that may still be undone.
    InBlock {
        /// Hash of the block.
        hash: Hash,
        /// Number of the block.
        number: u64,
    },
    /// The block was undone; the transaction waits again.
    Retracted,
    /// The node no longer reports; its blocks are searched instead.
    Searching {
        /// Last block that can hold the transaction.
        last_block: u64,
    },
}

/// A transaction that is in a finalized block and succeeded.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Hash of the transaction.
    pub hash: Hash,
    /// Hash of the block.
    pub block_hash: Hash,
    /// Number of the block.
    pub block_number: u64,
    /// The fee it paid, if the runtime says so.
    pub fee: Option<u128>,
    /// Everything that happened in it, in order.
    pub events: Vec<Event>,
}

impl Receipt {
    /// The first event of this name.
    pub fn event(&self, pallet: &str, name: &str) -> Option<&Event> {
        self.events.iter().find(|event| event.is(pallet, name))
    }

    /// The last event of this name: that of the outermost call, where calls nest.
    pub fn last_event(&self, pallet: &str, name: &str) -> Option<&Event> {
        self.events.iter().rfind(|event| event.is(pallet, name))
    }
}

/// A transaction that was handed to a node.
pub struct Submitted {
    pending: Pending,
    /// The node's reports about it. Apart from the rest, because it can't be shared between threads.
    watch: Option<Watch>,
    /// The refusal of the node that was asked last, if another one may have the transaction all the same.
    doubt: Option<Refusal>,
}

/// A transaction that may be in a pool.
pub(crate) struct Pending {
    pub(crate) client: Client,
    pub(crate) nonces: NonceHandle,
    pub(crate) account: AccountId,
    pub(crate) nonce: u64,
    pub(crate) hash: Hash,
    /// The block its lifetime is counted from.
    pub(crate) birth: u64,
    /// The last block that can hold it.
    pub(crate) last_block: u64,
    /// As a pool takes it.
    pub(crate) encoded: Vec<u8>,
    /// Over which connection it was given to a pool last; see [`Client::connections`].
    pub(crate) offered: AtomicU64,
}

/// How a node's reports ended.
enum Reported {
    Finalized(Hash),
    ThrownOut(Refusal),
    Nothing,
}

impl Submitted {
    pub(crate) fn new(pending: Pending, watch: Option<Watch>, doubt: Option<Refusal>) -> Self {
        Self { pending, watch, doubt }
    }

    /// Hash of the transaction.
    pub fn hash(&self) -> Hash {
        self.pending.hash
    }

    /// The last block that can hold it. Not in it by then, it never will be.
    pub fn last_block(&self) -> u64 {
        self.pending.last_block
    }

    /// Whether a node is known to have taken it.
    ///
    /// # Errors
    /// [`Error::Undecided`] if the connection broke while it was submitted, and the next node refused it: the first may
    /// have taken it. [`Submitted::finalized`] finds out.
    pub fn taken(&self) -> Result<(), Error> {
        match &self.doubt {
            None => Ok(()),
            Some(refusal) => Err(Error::Undecided {
                hash: self.pending.hash,
                last_block: self.pending.last_block,
                cause: Box::new(refusal.clone().into()),
            }),
        }
    }

    /// Waits until the transaction is in a finalized block, and for its success. `on_progress` hears of every step.
    ///
    /// Neither a broken connection nor a pool that drops the transaction ends the waiting: whichever endpoint answers is
    /// given it again, and its blocks are searched, until the lifetime is over.
    ///
    /// # Errors
    /// [`Error::Refused`] if it failed in its block, or is in none and a pool said why; [`Error::Expired`] if it is in
    /// none and nobody said why; [`Error::Undecided`] if no endpoint tells what became of it: it may be included.
    pub async fn finalized(self, mut on_progress: impl FnMut(Progress)) -> Result<Receipt, Error> {
        let Self { pending, watch, doubt } = self;
        let outcome = pending.outcome(watch, doubt, &mut on_progress).await;
        outcome.map_err(|error| error.undecided(pending.hash, pending.last_block))
    }
}

impl Pending {
    /// Hands the same transaction to the next endpoint; why that one refuses it, if it does. It can be included once
    /// only, however often it is submitted.
    ///
    /// A refusal here decides nothing: the first endpoint may have passed the transaction on.
    pub(crate) async fn submit_again(&self) -> Result<Option<Refusal>, Error> {
        match self.client.methods().author_submit_extrinsic(&self.encoded).await.map_err(rpc_error) {
            Ok(_) => Ok(None),
            Err(Error::Refused(refusal)) => Ok((!is_known(&refusal)).then_some(*refusal)),
            Err(error) => Err(error),
        }
    }

    async fn outcome(
        &self,
        watch: Option<Watch>,
        doubt: Option<Refusal>,
        on_progress: &mut impl FnMut(Progress),
    ) -> Result<Receipt, Error> {
        let mut finality = Finality::new(Timing::default());
        let reported = match watch {
            Some(watch) => self.watch(watch, &mut finality, on_progress).await,
            None => Reported::Nothing,
        };
        let refusal = match reported {
            Reported::Finalized(block) => return self.receipt(block).await,
            Reported::ThrownOut(refusal) => Some(refusal),
            Reported::Nothing => doubt,
        };
        on_progress(Progress::Searching { last_block: self.last_block });
        let wanted = Wanted { nonce: self.nonce, first_block: self.birth, last_block: self.last_block };
        let found = search(self, wanted, &mut finality).await?;
        if let Found::In(block) = found {
            return self.receipt(block).await;
        }
        self.nonces.resync();
        Err(match (refusal, found) {
            (Some(refusal), _) => refusal.into(),
            (None, Found::Replaced) => thrown_out("usurped").into(),
            (None, _) => Error::Expired { hash: self.hash, last_block: self.last_block },
        })
    }

    /// Follows the node's reports to their end, or until waiting for them no longer makes sense.
    async fn watch(
        &self,
        mut watch: Watch,
        finality: &mut Finality,
        on_progress: &mut impl FnMut(Progress),
    ) -> Reported {
        let mut checked = Instant::now();
        loop {
            if checked.elapsed() >= CHECK_PERIOD {
                let finalized = self.client.finalized().await.map(|view| view.block_number());
                match finalized {
                    Ok(number) if number <= self.last_block && !finality.stands_still(number) => {},
                    _ => return Reported::Nothing,
                }
                checked = Instant::now();
            }
            let rest = CHECK_PERIOD.saturating_sub(checked.elapsed());
            let status = match tokio::time::timeout(rest, watch.next()).await {
                Ok(Some(Ok(status))) => status,
                Ok(_) => return Reported::Nothing,
                Err(_) => continue,
            };
            match status {
                TransactionStatus::Validated => on_progress(Progress::Ready),
                TransactionStatus::Broadcasted => on_progress(Progress::Broadcast),
                TransactionStatus::NoLongerInBestBlock => on_progress(Progress::Retracted),
                TransactionStatus::InBestBlock(block) => {
                    let hash = block.block_hash();
                    if let Ok(Some(number)) = self.client.block_number(hash).await {
                        on_progress(Progress::InBlock { hash, number });
                    }
                },
                TransactionStatus::InFinalizedBlock(block) => return Reported::Finalized(block.block_hash()),
                // The node stops reporting when finality takes too long; the transaction is in a block all the same.
                TransactionStatus::Dropped { message } if message.contains("Finality timeout") => {
                    return Reported::Nothing
                },
                TransactionStatus::Dropped { message }
                | TransactionStatus::Invalid { message }
                | TransactionStatus::Error { message } => {
                    // The node no longer counts it.
                    self.nonces.resync();
                    return Reported::ThrownOut(thrown_out(&message));
                },
            }
        }
    }

    /// The transaction's place in a block; `None` if the node hasn't got the block.
    async fn index_in(&self, block: Hash) -> Result<Option<Option<u32>>, Error> {
        let block = self.client.methods().chain_get_block(Some(block)).await.map_err(rpc_error)?;
        let Some(details) = block else { return Ok(None) };
        let mine = |bytes: &[u8]| sp_crypto_hashing::blake2_256(bytes) == self.hash.0;
        let index = details.block.extrinsics.iter().position(|extrinsic| mine(&extrinsic.0));
        Ok(Some(index.and_then(|index| u32::try_from(index).ok())))
    }

    /// What happened in the finalized block that holds it.
    async fn receipt(&self, block_hash: Hash) -> Result<Receipt, Error> {
        let index = self.index_in(block_hash).await?.flatten();
        let index = index.ok_or_else(|| Error::malformed("the block lost the transaction"))?;
        let view = self.client.at(block_hash).await?;
        let events = view.at.events().fetch().await.map_err(subxt_error)?;
        let outcome = event::read(&events, index, view.at.metadata_ref())?;
        match outcome.failure {
            Some(refusal) => Err(refusal.into()),
            None => Ok(Receipt {
                hash: self.hash,
                block_hash,
                block_number: view.block_number(),
                fee: outcome.fee,
                events: outcome.events,
            }),
        }
    }
}

impl Chain for Pending {
    fn finalized(&self) -> BoxFuture<'_, Result<Head, Error>> {
        Box::pin(async {
            let view = self.client.finalized().await?;
            let account = view.account(&self.account).await?;
            Ok(Head { number: view.block_number(), nonce: account.nonce.into() })
        })
    }

    fn block(&self, number: u64) -> BoxFuture<'_, Result<Option<Block>, Error>> {
        Box::pin(async move {
            let Some(hash) = self.client.block_hash(number).await? else { return Ok(None) };
            let index = self.index_in(hash).await?;
            Ok(index.map(|index| Block { hash, holds_it: index.is_some() }))
        })
    }

    fn change_endpoint(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.client.change_endpoint())
    }

    fn offer(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let connection = self.client.connections().await;
            if self.offered.swap(connection, Ordering::Relaxed) != connection {
                // Whatever this one says of it, the blocks decide.
                let _ = self.submit_again().await;
            }
        })
    }
}

/// Why a pool that had taken a transaction threw it out. True of the chain once the transaction is known to be in no
/// block.
fn thrown_out(message: &str) -> Refusal {
    let (code, reason, remedy, retry) = if message.contains("usurped") {
        (
            pool_code::USURPED,
            "another transaction with the same nonce took its place",
            "submit again if it is still wanted",
            Retry::Now,
        )
    } else if message.contains("dropped") {
        (
            pool_code::DROPPED,
            "the pool was full and dropped it, and it came into no block",
            "submit again in a minute",
            Retry::After(Duration::from_secs(60)),
        )
    } else {
        (
            pool_code::INVALIDATED,
            "it became invalid while it waited (its funds or its nonce were used otherwise, or its lifetime ended)",
            "check the account and submit again",
            Retry::Now,
        )
    };
    Refusal { code: code.into(), reason: reason.into(), remedy: Some(remedy.into()), stage: Stage::Pool, retry }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_have_three_reasons_to_throw_a_transaction_out() {
        for (message, code) in [
            ("Transaction was usurped by another with the same nonce", pool_code::USURPED),
            ("Transaction was dropped", pool_code::DROPPED),
            ("Transaction is invalid (eg because of a bad nonce, signature etc)", pool_code::INVALIDATED),
        ] {
            let refusal = thrown_out(message);
            assert_eq!((refusal.code.as_str(), refusal.stage), (code, Stage::Pool));
            assert!(refusal.remedy.is_some());
        }
    }

    #[test]
    fn the_outermost_call_emits_the_last_event() {
        let event =
            |name: &str, at: u8| Event { pallet: "P".into(), name: name.into(), fields: at.into(), topics: Vec::new() };
        let events = vec![event("A", 1), event("A", 2), event("B", 3)];
        let hash = Hash::zero();
        let receipt = Receipt { hash, block_hash: hash, block_number: 1, fee: None, events };
        assert_eq!(receipt.event("P", "A").expect("there").fields, 1);
        assert_eq!(receipt.last_event("P", "A").expect("there").fields, 2);
        assert_eq!(receipt.last_event("Q", "A"), None);
    }
}
