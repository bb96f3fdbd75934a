// SPDX-License-Identifier: Apache-2.0

//! What pays for calls.

use cairn_api::market::now_ms;
use serde_json::json;

use super::{
    place::{hot_key, send},
    proxy::SIGNER_KEY,
    Fund, PlaceArgs,
};
use crate::{
    context::Context,
    failure::{usage, Result},
    output::{fields, Report},
};

const DAY_MS: u64 = 86_400_000;

/// Deposits, and authorises this machine's key.
pub async fn fund(context: &Context, args: &Fund) -> Result<Report> {
    let market = args.place.open(context).await?;
    let signer = context.signer().await?;
    let token = context.token().await?;
    let place = market.place();
    let folder = args.data.folder(context, place, "consumer", &signer.account)?;
    let key = hot_key(&folder, SIGNER_KEY, !args.revoke && !args.close)?
        .ok_or_else(|| usage("this machine has no key that could be revoked or closed"))?
        .account_id()
        .0;
    if args.revoke {
        let what = "take this machine's permission to spend back".to_string();
        let (tried, done) = send(context, &signer, &market, what, &place.revoke_signer(key)).await?;
        let until_ms: u64 = tried.read()?;
        let text =
            format!("revoked: vouchers signed before are paid for {} s more", until_ms.saturating_sub(now_ms()) / 1000);
        return Ok(done.report(&text, json!({ "pays_until_ms": until_ms })));
    }
    if args.close {
        let what = "close this machine's authorisation, which has ended".to_string();
        let message = place.close_signer(&signer.account, key);
        let (tried, done) = send(context, &signer, &market, what, &message).await?;
        let returned: u128 = tried.read()?;
        let text = format!("closed; {} came back to the balance", token.format(returned));
        return Ok(done.report(&text, json!({ "returned": token.json(returned) })));
    }
    let cap = token.parse(&args.cap)?;
    if let Some(text) = &args.deposit {
        let amount = token.parse(text)?;
        let what = format!("deposit {} in the marketplace", token.format(amount));
        send(context, &signer, &market, what, &place.deposit(amount)).await?;
    }
    let view = market.client().best().await?;
    let known = view.market_signer(place, &signer.account, key).await?;
    let expires_at_ms = now_ms().saturating_add(u64::from(args.days) * DAY_MS);
    let usable = known.filter(|known| !known.revoked && known.closes_at_ms > now_ms());
    let message = match usable {
        Some(known) => place.extend_signer(key, known.cap.max(cap), known.closes_at_ms.max(expires_at_ms)),
        None => {
            if known.is_some() {
                let what = "close the authorisation that has ended".to_string();
                send(context, &signer, &market, what, &place.close_signer(&signer.account, key)).await?;
            }
            place.authorize_signer(key, cap, expires_at_ms, None)
        },
    };
    let what = format!("let this machine spend up to {} for {} days", token.format(cap), args.days);
    let (_, done) = send(context, &signer, &market, what, &message).await?;
    let view = market.client().best().await?;
    let account = view.market_account(place, &signer.account).await?;
    let rows = [
        ("balance", token.format(account.balance)),
        ("cap", token.format(cap)),
        ("for", format!("{} days", args.days)),
    ];
    let text = format!("this machine may spend\n{}", fields(rows));
    Ok(done.report(
        text.trim_end(),
        json!({
            "balance": token.json(account.balance),
            "cap": token.json(cap),
            "signer": format!("0x{}", hex::encode(key)),
            "expires_at_ms": expires_at_ms,
        }),
    ))
}

/// Asks for coins back, or takes those that have thawed.
pub async fn withdraw(context: &Context, amount: Option<&str>, place: &PlaceArgs) -> Result<Report> {
    let market = place.open(context).await?;
    let signer = context.signer().await?;
    let token = context.token().await?;
    let Some(text) = amount else {
        let what = "take what has thawed".to_string();
        let (tried, done) = send(context, &signer, &market, what, &market.place().withdraw()).await?;
        let came: u128 = tried.read()?;
        return Ok(done.report(&format!("took {}", token.format(came)), json!({ "amount": token.json(came) })));
    };
    let amount = token.parse(text)?;
    let what = format!("ask for {} back", token.format(amount));
    let (tried, done) = send(context, &signer, &market, what, &market.place().request_withdraw(amount)).await?;
    let ready_ms: u64 = tried.read()?;
    let seconds = ready_ms.saturating_sub(now_ms()) / 1000;
    let text = format!("{} can be taken in {seconds} s: `cairn api withdraw`", token.format(amount));
    Ok(done.report(&text, json!({ "amount": token.json(amount), "ready_at_ms": ready_ms })))
}
