// SPDX-License-Identifier: Apache-2.0

//! Following the finalized chain, block by block.

use std::time::Duration;

use subxt::{config::RpcConfigFor, rpcs::client::RpcSubscription, SubstrateConfig};

use crate::{
    convert::{rpc_error, subxt_error},
    Client, Error, Hash, View,
};

type Header = <RpcConfigFor<SubstrateConfig> as subxt::rpcs::RpcConfig>::Header;

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
/// Numbers are consecutive: what a node leaves out or what was missed while not connected is fetched by number. A block
/// is only given out if the node says that it, or one after it, is finalized.
pub struct Finalized {
    client: Client,
    subscription: Option<RpcSubscription<Header>>,
    /// The last that was given out.
    last: u64,
    /// The last that is known to be finalized.
    known: u64,
}

impl Client {
    /// Follows the finalized chain from behind the block `after`.
    pub fn follow_finalized(&self, after: u64) -> Finalized {
        Finalized { client: self.clone(), subscription: None, last: after, known: after }
    }
}

impl Finalized {
    /// How many finalized blocks wait to be given out.
    pub fn behind(&self) -> u64 {
        self.known.saturating_sub(self.last)
    }

    /// The next block; waits for it.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when no endpoint answers. It can be called again.
    pub async fn next(&mut self) -> Result<FinalizedBlock, Error> {
        while self.known <= self.last {
            self.learn().await?;
        }
        let number = self.last.saturating_add(1);
        // Who answers now may be another node than the one that reported.
        let finalized = finalized_number(&self.client).await?;
        if finalized < number {
            (self.subscription, self.known) = (None, self.last.max(finalized));
            return Err(Error::malformed(format!("the node has finalized #{finalized} only, another had #{number}")));
        }
        let hash = self.client.block_hash(number).await?;
        let hash = hash.ok_or_else(|| Error::malformed(format!("the node lacks the finalized block #{number}")))?;
        self.last = number;
        Ok(FinalizedBlock { number, hash })
    }

    /// Hears what is finalized now, from the node's reports or else by asking.
    async fn learn(&mut self) -> Result<(), Error> {
        if self.subscription.is_none() {
            let methods = self.client.methods();
            self.subscription = Some(methods.chain_subscribe_finalized_heads().await.map_err(rpc_error)?);
        }
        let Some(subscription) = self.subscription.as_mut() else { return Ok(()) };
        match tokio::time::timeout(SILENCE_MAX, subscription.next()).await {
            Ok(Some(Ok(header))) => self.known = self.known.max(header.number),
            Ok(Some(Err(_)) | None) => {
                self.subscription = None;
                self.ask().await?;
                // A node that ends subscriptions at once must not be asked without pause.
                tokio::time::sleep(Duration::from_millis(200)).await;
            },
            Err(_) => {
                let before = self.known;
                self.ask().await?;
                if self.known > before {
                    // It was finalized, and not reported.
                    self.subscription = None;
                }
            },
        }
        Ok(())
    }

    async fn ask(&mut self) -> Result<(), Error> {
        self.known = self.known.max(finalized_number(&self.client).await?);
        Ok(())
    }
}

async fn finalized_number(client: &Client) -> Result<u64, Error> {
    let hash = client.methods().chain_get_finalized_head().await.map_err(rpc_error)?;
    let number = client.block_number(hash).await?;
    number.ok_or_else(|| Error::malformed("the node lacks the block that it has finalized"))
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
