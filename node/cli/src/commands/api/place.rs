// SPDX-License-Identifier: Apache-2.0

//! The marketplace, and where this machine keeps its keys and books for it.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use cairn_api::market::Market;
use cairn_client::{
    chain::marketplace::{Marketplace, Message, Tried},
    keys::Keypair,
    AccountId,
};
use zeroize::Zeroizing;

use super::{DataDir, PlaceArgs};
use crate::{
    context::{Context, Signer},
    failure::{usage, usage_with_remedy, Result},
    keystore::{make_private_dir, random, read_text, write_new, PRIVATE},
    spend::{spend, Done, Plan},
};

/// A key's file: 0x and 64 digits.
const KEY_LEN_MAX: u64 = 128;

impl PlaceArgs {
    /// The contract.
    pub fn marketplace(&self, context: &Context) -> Result<Marketplace> {
        let named = self.contract.as_ref().or(context.settings.marketplace.value.as_ref());
        let address = named.ok_or_else(|| {
            usage_with_remedy(
                "which marketplace?",
                "give --contract ADDRESS, set CAIRN_MARKETPLACE, or write `marketplace = \"ADDRESS\"` into the configuration",
            )
        })?;
        let (contract, _) = cairn_client::address::from_address(address)?;
        Ok(Marketplace { contract })
    }

    /// The contract, looked at.
    pub async fn open(&self, context: &Context) -> Result<Arc<Market>> {
        let place = self.marketplace(context)?;
        let client = context.client().await?.clone();
        Ok(Arc::new(Market::open(client, place.contract).await?))
    }
}

impl DataDir {
    /// The folder for one side (`provider`, `consumer`) of one account in one marketplace.
    pub fn folder(&self, context: &Context, place: &Marketplace, side: &str, account: &AccountId) -> Result<PathBuf> {
        let folder = self.data.clone().unwrap_or_else(|| {
            let keystore = &context.settings.keystore.value;
            let short = |account: &AccountId| hex::encode(&account.0[..8]);
            let base = keystore.parent().unwrap_or(keystore).join("api");
            base.join(short(&place.contract)).join(format!("{side}-{}", short(account)))
        });
        make_private_dir(&folder)?;
        Ok(folder)
    }
}

/// A key that only this machine has, made when it is first needed. It can lose what it may sign for and no more, and has to
/// sign without anybody typing a passphrase, so it is not encrypted: readable by its owner only.
pub fn hot_key(folder: &std::path::Path, name: &str, make: bool) -> Result<Option<Keypair>> {
    let path = folder.join(name);
    match read_text(&path, KEY_LEN_MAX, "a key") {
        Ok(text) => {
            let text = Zeroizing::new(text);
            let key =
                Keypair::from_secret_uri(text.trim()).with_context(|| format!("{} holds no key", path.display()))?;
            Ok(Some(key))
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && make => {
            let seed = Zeroizing::new(random::<32>()?);
            let text = Zeroizing::new(format!("0x{}\n", hex::encode(seed.as_slice())));
            write_new(&path, text.as_bytes(), PRIVATE).with_context(|| format!("can't write {}", path.display()))?;
            Ok(Some(Keypair::from_secret_uri(text.trim())?))
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
    }
}

/// Tries a message out, shows its cost, and carries it out.
pub async fn send(
    context: &Context,
    signer: &Signer,
    market: &Market,
    what: String,
    message: &Message,
) -> Result<(Tried, Done)> {
    let tried = market.attempt(&signer.account, message).await?;
    let token = context.token().await?;
    let needed = tried.needed(market.client().best().await?.existential_deposit()?);
    let mut plan = Plan::new(what, tried.call.clone()).taking(needed);
    if tried.value > 0 {
        plan = plan.detail("value", token.format(tried.value));
    }
    if tried.deposit > 0 {
        plan = plan.detail("storage deposit", token.format(tried.deposit));
    }
    let done = spend(context, signer, plan).await?;
    Ok((tried, done))
}

/// Which API, if there is one of that number.
pub async fn listed(market: &Market, api: u32) -> Result<cairn_client::chain::marketplace::Api> {
    let found = market.client().best().await?.market_api(market.place(), api).await?;
    found.ok_or_else(|| usage(format!("the marketplace has no API {api}; `cairn api list` shows those there are")))
}
