// SPDX-License-Identifier: Apache-2.0

//! An own listing's life after it was published, and what ends a subscription.

use cairn_api::market::now_ms;
use serde_json::json;

use super::{
    place::{listed, send},
    PlaceArgs,
};
use crate::{context::Context, failure::Result, output::Report};

/// Pauses or resumes an API.
pub async fn pause(context: &Context, api: u32, pause: bool, place: &PlaceArgs) -> Result<Report> {
    let market = place.open(context).await?;
    listed(&market, api).await?;
    let signer = context.signer().await?;
    let (verb, done) = if pause { ("pause", "paused") } else { ("resume", "resumed") };
    let message = market.place().pause(api, pause);
    let (_, sent) = send(context, &signer, &market, format!("{verb} API {api}"), &message).await?;
    Ok(sent.report(&format!("API {api} is {done}"), json!({ "api": api, "status": done })))
}

/// Ends an API.
pub async fn retire(context: &Context, api: u32, place: &PlaceArgs) -> Result<Report> {
    let market = place.open(context).await?;
    let found = listed(&market, api).await?;
    let signer = context.signer().await?;
    let what = format!("retire API {api} `{}` for good", found.name);
    let (tried, sent) = send(context, &signer, &market, what, &market.place().retire_api(api)).await?;
    let ready_ms: u64 = tried.read()?;
    let seconds = ready_ms.saturating_sub(now_ms()) / 1000;
    let text = format!("API {api} is retired; its bond can be taken in {seconds} s: `cairn api bond {api}`");
    Ok(sent.report(&text, json!({ "api": api, "status": "retired", "bond_ready_at_ms": ready_ms })))
}

/// Takes the bond of a retired API back.
pub async fn bond(context: &Context, api: u32, place: &PlaceArgs) -> Result<Report> {
    let market = place.open(context).await?;
    listed(&market, api).await?;
    let signer = context.signer().await?;
    let token = context.token().await?;
    let what = format!("take the bond of API {api} back");
    let (tried, sent) = send(context, &signer, &market, what, &market.place().withdraw_bond(api)).await?;
    let amount: u128 = tried.read()?;
    Ok(sent.report(&format!("took {}", token.format(amount)), json!({ "api": api, "amount": token.json(amount) })))
}

/// Takes no more subscriptions for a plan.
pub async fn close_plan(context: &Context, api: u32, plan: u16, place: &PlaceArgs) -> Result<Report> {
    let market = place.open(context).await?;
    let signer = context.signer().await?;
    let what = format!("close plan {plan} of API {api}");
    let (_, sent) = send(context, &signer, &market, what, &market.place().close_plan(api, plan)).await?;
    let text = format!("plan {plan} of API {api} is closed; what is paid for goes on");
    Ok(sent.report(&text, json!({ "api": api, "plan": plan, "open": false })))
}

/// Ends the own subscription.
pub async fn cancel_subscription(context: &Context, api: u32, place: &PlaceArgs) -> Result<Report> {
    let market = place.open(context).await?;
    let signer = context.signer().await?;
    let token = context.token().await?;
    let what = format!("cancel the subscription to API {api}");
    let (tried, sent) = send(context, &signer, &market, what, &market.place().cancel_subscription(api)).await?;
    let refund: u128 = tried.read()?;
    let text =
        format!("the subscription ends with the period that runs; {} came back to the balance", token.format(refund));
    Ok(sent.report(&text, json!({ "api": api, "refund": token.json(refund) })))
}
