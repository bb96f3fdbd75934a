// SPDX-License-Identifier: Apache-2.0

//! The marketplace contract as the proxies use it.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use cairn_client::{
    chain::marketplace::{Api, Marketplace, Message, Standing, Subscription, Tried},
    Account, AccountId, Client, Error, Receipt, Refusal,
};
use cairn_voucher::Bytes32;
use tokio::time::Instant;

/// The deposit for what the contract remembers of a consumer is lent: it comes back once the signer's authorisation has ended.
/// That it is away counts as this part of it.
const LENT_PART: u128 = 10;
/// How long a standing is believed. A block takes 3 s, and what backs a voucher leaves after a thaw of a second at the least;
/// what isn't redeemed is bounded besides.
const STANDING_TTL: Duration = Duration::from_secs(12);
/// Standings that are kept.
const STANDINGS_MAX: usize = 10_000;

/// By consumer, signer and API: when it was read, and what.
type Standings = HashMap<(Bytes32, Bytes32, u32), (Instant, Option<Standing>)>;

/// One marketplace on one chain.
pub struct Market {
    client: Client,
    place: Marketplace,
    genesis: Bytes32,
    thaw_ms: u64,
    standings: Mutex<Standings>,
}

impl Market {
    /// Looks at the contract.
    ///
    /// # Errors
    /// There is none at this account, or it is for another chain.
    pub async fn open(client: Client, contract: AccountId) -> Result<Self, Error> {
        let place = Marketplace { contract };
        let settings = client.finalized().await?.market_settings(&place).await?;
        let genesis = client.genesis_hash().0;
        if settings.genesis != genesis {
            let reason = "this marketplace was made for another chain, so nothing could be redeemed in it";
            let remedy =
                "make one with this chain's genesis hash (`cairn chain status`), or give another with --contract";
            return Err(Refusal::foreseen("Marketplace::WrongChain", reason, remedy).into());
        }
        Ok(Self { client, place, genesis, thaw_ms: settings.thaw_ms, standings: Mutex::default() })
    }

    /// The chain.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The contract.
    pub fn place(&self) -> &Marketplace {
        &self.place
    }

    /// The contract's account.
    pub fn contract(&self) -> Bytes32 {
        self.place.contract.0
    }

    /// Hash of the chain's block 0.
    pub fn genesis(&self) -> Bytes32 {
        self.genesis
    }

    /// How long withdrawals and revocations wait, in milliseconds.
    pub fn thaw_ms(&self) -> u64 {
        self.thaw_ms
    }

    /// One API at the last finalized block.
    pub async fn api(&self, api: u32) -> Result<Option<Api>, Error> {
        self.client.finalized().await?.market_api(&self.place, api).await
    }

    /// What finalized state says of a signer; at most [`STANDING_TTL`] old, and new if `fresh`.
    pub async fn standing(
        &self,
        consumer: Bytes32,
        signer: Bytes32,
        api: u32,
        fresh: bool,
    ) -> Result<Option<Standing>, Error> {
        let key = (consumer, signer, api);
        if let Some((at, standing)) = self.standings.lock().unwrap_or_else(|e| e.into_inner()).get(&key) {
            if !fresh && at.elapsed() < STANDING_TTL {
                return Ok(*standing);
            }
        }
        let view = self.client.finalized().await?;
        let standing = view.market_standing(&self.place, &AccountId(consumer), signer, api).await?;
        let mut standings = self.standings.lock().unwrap_or_else(|e| e.into_inner());
        if standings.len() >= STANDINGS_MAX {
            standings.retain(|_, (at, _)| at.elapsed() < STANDING_TTL);
        }
        if standings.len() < STANDINGS_MAX {
            standings.insert(key, (Instant::now(), standing));
        }
        Ok(standing)
    }

    /// What finalized state says that a consumer has in the contract, in plancks.
    pub async fn balance(&self, consumer: Bytes32) -> Result<u128, Error> {
        Ok(self.client.finalized().await?.market_account(&self.place, &AccountId(consumer)).await?.balance)
    }

    /// What finalized state says of a consumer's plan.
    pub async fn subscription(&self, consumer: Bytes32, api: u32) -> Result<Option<Subscription>, Error> {
        self.client.finalized().await?.market_subscription(&self.place, api, &AccountId(consumer)).await
    }

    /// Tries a message out at the best block.
    pub async fn attempt(&self, account: &AccountId, message: &Message) -> Result<Tried, Error> {
        self.client.best().await?.try_message(account, &self.place, message).await
    }

    /// What redeeming a voucher costs whoever does it: the fee, and what the deposit counts for.
    pub async fn redeem_cost(&self, account: &AccountId, tried: &Tried) -> Result<u128, Error> {
        Ok(self.client.fee(account, &tried.call).await?.saturating_add(tried.deposit / LENT_PART))
    }

    /// Tries a message out, submits it and waits for finality.
    pub async fn submit(&self, account: &Account, message: &Message) -> Result<(Tried, Receipt), Error> {
        let tried = self.attempt(&account.id(), message).await?;
        let receipt = account.submit(&tried.call).await?.finalized(|_| {}).await?;
        Ok((tried, receipt))
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
