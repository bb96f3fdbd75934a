// SPDX-License-Identifier: Apache-2.0

//! A transaction on its way: from a node's pool into a finalized block.

use std::time::Duration;

use subxt::tx::TransactionStatus;

use crate::{
    account::{Context, Progress as Watch},
    convert::{rpc_error, subxt_error},
    error::Retry,
    event::{self, Event},
    nonce::NonceHandle,
    refusal::{pool_code, Refusal, Stage},
    Client, Error, Hash,
};

/// When the node has reported nothing for this long, it is asked whether it is still there: a connection can die
/// without a sign.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks at the finalized chain when the node doesn't report by itself.
const SCAN_PAUSE: Duration = Duration::from_secs(2);

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
}

/// A transaction that a node's pool has taken.
pub struct Submitted {
    client: Client,
    nonces: NonceHandle,
    hash: Hash,
    birth: u64,
    last_block: u64,
    watch: Option<Watch>,
}

impl Submitted {
    pub(crate) fn new(
        client: Client,
        nonces: NonceHandle,
        hash: Hash,
        context: &Context,
        watch: Option<Watch>,
    ) -> Self {
        Self { client, nonces, hash, birth: context.birth.0, last_block: context.last_block(), watch }
    }

    /// Hash of the transaction.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The last block that can hold it. Not in it by then, it never will be.
    pub fn last_block(&self) -> u64 {
        self.last_block
    }

    /// Waits until the transaction is in a finalized block, and for its success. `on_progress` hears of every step.
    ///
    /// A broken connection doesn't end the waiting: the blocks are searched for the transaction through whichever
    /// endpoint answers, until its lifetime is over.
    ///
    /// # Errors
    /// [`Error::Refused`] if it failed in its block or was thrown out of the pool, [`Error::Expired`] if its lifetime
    /// ended first, [`Error::Unreachable`] if no endpoint answers any more: it may then still be included.
    pub async fn finalized(mut self, mut on_progress: impl FnMut(Progress)) -> Result<Receipt, Error> {
        let block = match self.watch.take() {
            Some(watch) => self.watch(watch, &mut on_progress).await?,
            None => None,
        };
        let block = match block {
            Some(block) => block,
            None => {
                on_progress(Progress::Searching { last_block: self.last_block });
                self.search().await?
            },
        };
        let index = self.index_in(block).await?.ok_or_else(|| Error::malformed("the block lost the transaction"))?;
        self.receipt(block, index).await
    }

    /// Follows the node's reports; `None` if they end without a result.
    async fn watch(&self, mut watch: Watch, on_progress: &mut impl FnMut(Progress)) -> Result<Option<Hash>, Error> {
        loop {
            let status = match tokio::time::timeout(SILENCE_MAX, watch.next()).await {
                Ok(Some(Ok(status))) => status,
                Ok(_) => return Ok(None),
                Err(_) if self.client.finalized().await.is_ok() => continue,
                Err(_) => return Ok(None),
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
                TransactionStatus::InFinalizedBlock(block) => return Ok(Some(block.block_hash())),
                // The node stops reporting when finality takes too long; the transaction is in a block all the same.
                TransactionStatus::Dropped { message } if message.contains("Finality timeout") => return Ok(None),
                TransactionStatus::Dropped { message }
                | TransactionStatus::Invalid { message }
                | TransactionStatus::Error { message } => return Err(self.thrown_out(&message)),
            }
        }
    }

    /// The pool has taken it and then thrown it out.
    fn thrown_out(&self, message: &str) -> Error {
        self.nonces.resync();
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
                "the pool was full and dropped it",
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
            .into()
    }

    /// Searches the finalized blocks for the transaction.
    async fn search(&self) -> Result<Hash, Error> {
        let mut next = self.birth;
        loop {
            let finalized = self.client.finalized().await?.block_number();
            while next <= finalized.min(self.last_block) {
                if let Some(hash) = self.client.block_hash(next).await? {
                    if self.index_in(hash).await?.is_some() {
                        return Ok(hash);
                    }
                }
                next += 1;
            }
            if next > self.last_block {
                self.nonces.resync();
                return Err(Error::Expired { hash: self.hash, last_block: self.last_block });
            }
            tokio::time::sleep(SCAN_PAUSE).await;
        }
    }

    /// The transaction's place in a block.
    async fn index_in(&self, block: Hash) -> Result<Option<u32>, Error> {
        let block = self.client.methods().chain_get_block(Some(block)).await.map_err(rpc_error)?;
        let extrinsics = block.map(|details| details.block.extrinsics).unwrap_or_default();
        let mine = |bytes: &[u8]| sp_crypto_hashing::blake2_256(bytes) == self.hash.0;
        Ok(extrinsics.iter().position(|extrinsic| mine(&extrinsic.0)).and_then(|index| u32::try_from(index).ok()))
    }

    async fn receipt(&self, block_hash: Hash, index: u32) -> Result<Receipt, Error> {
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
