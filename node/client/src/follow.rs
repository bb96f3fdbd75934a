// SPDX-License-Identifier: Apache-2.0

//! Following the finalized chain, block by block.

use std::{collections::VecDeque, time::Duration};

use codec::Encode;
use subxt::{config::RpcConfigFor, rpcs::client::RpcSubscription};

use crate::{
    config::CairnConfig,
    convert::{rpc_error, subxt_error},
    Client, Error, Hash, View,
};

type Header = <RpcConfigFor<CairnConfig> as subxt::rpcs::RpcConfig>::Header;

/// A node that says nothing for this long is asked anew: finality may have stood still, or the connection.
const SILENCE_MAX: Duration = Duration::from_secs(12);

/// A finalized block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalizedBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
}

/// The finalized blocks after a given one, each once and in order.
///
/// # Correctness
/// Each block that is given out is the parent of the next: what a node leaves out of its reports, or what was missed while
/// not connected, is found by going back from a finalized block to the last one that was given out. A node whose finalized
/// chain doesn't hold that one is not followed. Nothing is asked by number, which a light client could not verify.
pub struct Finalized {
    client: Client,
    subscription: Option<RpcSubscription<Header>>,
    /// The last that was given out.
    last: FinalizedBlock,
    /// More unseen blocks than this are not gone through.
    most: u64,
    /// Finalized, known, and not yet given out.
    waiting: VecDeque<FinalizedBlock>,
}

impl Client {
    /// Follows the finalized chain from behind the block `after`, which is finalized; gives up when more than `most` blocks
    /// were missed.
    pub fn follow_finalized(&self, after: FinalizedBlock, most: u64) -> Finalized {
        Finalized { client: self.clone(), subscription: None, last: after, most, waiting: VecDeque::new() }
    }
}

impl Finalized {
    /// The next block; waits for it. `None` if more than the most were missed: begin anew, from the present.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when no endpoint answers. It can be called again.
    pub async fn next(&mut self) -> Result<Option<FinalizedBlock>, Error> {
        loop {
            if let Some(block) = self.waiting.pop_front() {
                self.last = block;
                return Ok(Some(block));
            }
            let Some(head) = self.learn().await? else { continue };
            let Some(missed) = head.number.checked_sub(self.last.number).filter(|missed| *missed > 0) else { continue };
            if missed > self.most {
                return Ok(None);
            }
            self.waiting = self.back_from(&head).await?;
        }
    }

    /// The blocks behind the last that was given out, up to the one of `head`.
    async fn back_from(&mut self, head: &Header) -> Result<VecDeque<FinalizedBlock>, Error> {
        let mut path = VecDeque::from([block_of(head)]);
        let mut parent = FinalizedBlock { number: head.number.saturating_sub(1), hash: head.parent_hash };
        while parent.number > self.last.number {
            let header = self.header(parent.hash).await?.filter(|header| header.number == parent.number);
            let header = header
                .ok_or_else(|| Error::malformed(format!("the node lacks the finalized block #{}", parent.number)))?;
            path.push_front(parent);
            parent = FinalizedBlock { number: parent.number.saturating_sub(1), hash: header.parent_hash };
        }
        if parent == self.last {
            Ok(path)
        } else {
            let number = parent.number;
            Err(Error::malformed(format!("the node has finalized another block #{number} than the one that is known")))
        }
    }

    /// Hears what is finalized now, from the node's reports or else by asking.
    async fn learn(&mut self) -> Result<Option<Header>, Error> {
        if self.subscription.is_none() {
            let methods = self.client.methods();
            self.subscription = Some(methods.chain_subscribe_finalized_heads().await.map_err(rpc_error)?);
        }
        let Some(subscription) = self.subscription.as_mut() else { return Ok(None) };
        match tokio::time::timeout(SILENCE_MAX, subscription.next()).await {
            Ok(Some(Ok(header))) => Ok(Some(header)),
            Ok(Some(Err(_)) | None) => {
                self.subscription = None;
                let head = self.ask().await?;
                // A node that ends subscriptions at once must not be asked without pause.
                tokio::time::sleep(Duration::from_millis(200)).await;
                Ok(Some(head))
            },
            Err(_) => {
                let head = self.ask().await?;
                if head.number > self.last.number {
                    // It was finalized, and not reported.
                    self.subscription = None;
                }
                Ok(Some(head))
            },
        }
    }

    async fn ask(&mut self) -> Result<Header, Error> {
        let hash = self.client.methods().chain_get_finalized_head().await.map_err(rpc_error)?;
        let header = self.header(hash).await?;
        header.ok_or_else(|| Error::malformed("the node lacks the block that it has finalized"))
    }

    async fn header(&mut self, hash: Hash) -> Result<Option<Header>, Error> {
        self.client.methods().chain_get_header(Some(hash)).await.map_err(rpc_error)
    }
}

/// The block with this header.
fn block_of(header: &Header) -> FinalizedBlock {
    FinalizedBlock { number: header.number, hash: Hash::from(sp_crypto_hashing::blake2_256(&header.encode())) }
}

impl View {
    /// Fields of the events with this name that the block caused, SCALE-encoded.
    pub(crate) async fn events_named(&self, pallet: &str, name: &str) -> Result<Vec<Vec<u8>>, Error> {
        let events = self.at.events().fetch().await.map_err(subxt_error)?;
        let mut found = Vec::new();
        for event in events.iter() {
            let event = event.map_err(subxt_error)?;
            if (event.pallet_name(), event.event_name()) == (pallet, name) {
                found.push(event.field_bytes().to_vec());
            }
        }
        Ok(found)
    }
}
