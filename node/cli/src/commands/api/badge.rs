// SPDX-License-Identifier: Apache-2.0

//! Badges for a consumer's users.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use cairn_api::{
    consumer::{badges, User, UserError},
    market::{now_ms, Market},
    wire::{read_badge_file, write_signed, Badge, BadgeFile, BADGE_KIND},
};
use cairn_client::{
    address::{from_address, to_address, DEFAULT_SS58_PREFIX},
    keys::Keypair,
    AccountId,
};
use serde_json::json;

use super::{
    place::{hot_key, listed},
    proxy::SIGNER_KEY,
    Badge as Args, Spending,
};
use crate::{
    context::Context,
    failure::{failed, refused, usage, usage_with_remedy, Result},
    keystore::{read_text, write_new, PRIVATE},
    output::Report,
};

const DAY_MS: u64 = 86_400_000;
/// Bytes of a badge's file.
const BADGE_LEN_MAX: u64 = 4096;

/// Makes a user's key, or signs a badge for one.
pub async fn badge(context: &Context, args: &Args) -> Result<Report> {
    if let Some(path) = &args.new_key {
        let (folder, name) = place_of(path)?;
        if path.exists() {
            return Err(usage(format!("{} is there already", path.display())));
        }
        let key = hot_key(folder, name, true)?.ok_or_else(|| usage("no key was made"))?;
        let user = format!("0x{}", hex::encode(key.account_id().0));
        return Ok(Report::new(
            format!("public key  {user}"),
            json!({ "user": user, "file": path.display().to_string() }),
        ));
    }
    let (Some(api), Some(user), Some(units)) = (args.api, &args.user, args.units) else {
        return Err(usage("give --api, --user and --units"));
    };
    let user = public_key(user)?;
    let market = args.place.open(context).await?;
    let account = context.signer().await?.account;
    let found = listed(&market, api).await?;
    let folder = args.data.folder(context, market.place(), "consumer", &account)?;
    let unfunded =
        |reason: &str| usage_with_remedy(reason, "`cairn api fund` with the same account and --data authorises one");
    let key = hot_key(&folder, SIGNER_KEY, false)?.ok_or_else(|| unfunded("this machine has no key that may sign"))?;
    let signer = key.account_id().0;
    let known = market.client().best().await?.market_signer(market.place(), &account, signer).await?;
    let usable = known.filter(|known| !known.revoked && known.closes_at_ms > now_ms());
    let known = usable.ok_or_else(|| unfunded("the key of this machine is not authorised, or not any more"))?;
    if known.provider.is_some_and(|only| only != found.provider) {
        return Err(usage("the key of this machine may pay another provider only"));
    }
    let badge = Badge {
        genesis: market.genesis(),
        contract: market.contract(),
        consumer: account.0,
        signer,
        user,
        api,
        epoch: known.epoch,
        units_max: units,
        expires_at_ms: now_ms().saturating_add(u64::from(args.days) * DAY_MS).min(known.closes_at_ms),
    };
    // Noted first: what users use is believed only as far as this says.
    badges::note(&folder, &badge).with_context(|| format!("can't note the badge in {}", folder.display()))?;
    let file = BadgeFile {
        kind: BADGE_KIND.into(),
        badge: write_signed(&badge, &key.sign(&badge.signed_bytes())),
        contract: to_address(&market.place().contract, DEFAULT_SS58_PREFIX),
        api,
        name: found.name,
        user: format!("0x{}", hex::encode(user)),
        units,
        expires_at_ms: badge.expires_at_ms,
    };
    let json = serde_json::to_value(&file)?;
    let text = format!("{json:#}\n");
    let Some(path) = &args.out else { return Ok(Report::new(text, json)) };
    write_new(path, text.as_bytes(), PRIVATE).with_context(|| format!("can't write {}", path.display()))?;
    let days = badge.expires_at_ms.saturating_sub(now_ms()) / DAY_MS;
    Ok(Report::new(format!("{}: {units} units of API {api} for {days} days", path.display()), json))
}

/// Whoever has a badge and its key.
pub async fn user(context: &Context, badge: &Path, key: &Path, spending: &Spending) -> Result<User> {
    let text = read_text(badge, BADGE_LEN_MAX, "a badge").with_context(|| format!("can't read {}", badge.display()))?;
    let wrong = |reason: String| usage(format!("{}: {reason}", badge.display()));
    let (_, what, signature) = read_badge_file(text.as_bytes()).map_err(wrong)?;
    let (folder, name) = place_of(key)?;
    let found: Option<Keypair> = hot_key(folder, name, false)?;
    let found = found.ok_or_else(|| {
        usage_with_remedy(format!("there is no {}", key.display()), "`cairn api badge --new-key FILE` makes one")
    })?;
    let client = context.client().await?.clone();
    let market = Arc::new(Market::open(client, AccountId(what.contract)).await?);
    let patience = Duration::from_secs(spending.patience.max(1));
    User::open(market, (what, signature), found, spending.way()?, patience).await.map_err(explain)
}

/// What a user's failure means.
pub fn explain(error: UserError) -> anyhow::Error {
    match error {
        UserError::Chain(error) => error.into(),
        UserError::Badge(_) => usage_with_remedy(error.to_string(), "ask whoever gave it for another"),
        UserError::Request(_) => usage(error.to_string()),
        UserError::Refused(_) => {
            refused("Api::Badge", error.to_string(), "ask whoever gave the badge: its plan or credit, or another badge")
        },
        other => failed(other.to_string(), "`cairn api show N` tells of the provider; RUST_LOG=debug tells more"),
    }
}

/// Folder and name of a key's file.
fn place_of(path: &Path) -> Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| usage("this names no file"))?;
    Ok((path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")), name))
}

fn public_key(text: &str) -> Result<[u8; 32]> {
    let wrong = || usage(format!("`{text}` is no public key: give 0x and 64 hex digits, or an address"));
    match text.strip_prefix("0x") {
        Some(digits) => {
            let mut key = [0; 32];
            hex::decode_to_slice(digits, &mut key).map_err(|_| wrong())?;
            Ok(key)
        },
        None => Ok(from_address(text).map_err(|_| wrong())?.0 .0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_keys_or_addresses() {
        let alice = Keypair::from_secret_uri("//Alice").expect("valid").account_id();
        assert_eq!(public_key(&format!("0x{}", hex::encode(alice.0))).expect("a key"), alice.0);
        assert_eq!(public_key(&to_address(&alice, DEFAULT_SS58_PREFIX)).expect("an address"), alice.0);
        for wrong in ["", "0x", "0x00", "alice", &"00".repeat(32)] {
            assert!(public_key(wrong).is_err(), "{wrong}");
        }
    }
}
