// SPDX-License-Identifier: Apache-2.0

//! What an API has earned.

use std::collections::BTreeSet;

use cairn_api::{
    ledger::{Ledger, Who},
    market::{now_ms, Market},
};
use cairn_client::{address::from_address, chain::marketplace::Message, AccountId, Error};
use serde_json::{json, Value};

use super::{
    place::{listed, send},
    DataDir, PlaceArgs,
};
use crate::{
    context::Context,
    failure::{has_code, is_of, usage, Result},
    output::{fields, table, Report},
};

/// Whether so much is more than what redeeming it costs.
async fn worth_it(market: &Market, account: &AccountId, message: &Message, due: u128) -> Result<bool, Error> {
    let tried = market.attempt(account, message).await?;
    Ok(due > market.redeem_cost(account, &tried).await?)
}

/// What plans have earned.
struct Plans<'a> {
    context: &'a Context,
    market: &'a Market,
    api: u32,
    provider: AccountId,
    /// Collect what is more than its fee.
    redeem: bool,
}

/// What plans have earned, in plancks.
#[derive(Default)]
struct Earned {
    collected: u128,
    due: u128,
}

impl Earned {
    fn is_nothing(&self) -> bool {
        (self.collected, self.due) == (0, 0)
    }
}

impl Plans<'_> {
    async fn collect(&self, consumers: &BTreeSet<[u8; 32]>) -> Result<Earned> {
        let Self { context, market, api, provider, redeem } = self;
        let token = context.token().await?;
        let mut earned = Earned::default();
        for consumer in consumers {
            if market.subscription(*consumer, *api).await?.is_none() {
                continue;
            }
            let message = market.place().collect(*api, &AccountId(*consumer));
            // Tried out as the provider: it changes nothing, and tells how much it would be.
            let due: u128 = match market.attempt(provider, &message).await {
                Ok(tried) => tried.read()?,
                Err(Error::Refused(refusal)) if refusal.code == "Marketplace::NothingDue" => 0,
                Err(Error::Refused(refusal)) if refusal.code.starts_with("Marketplace::") => {
                    context.output.note(&format!("what a plan has earned isn't paid: {refusal}"));
                    0
                },
                Err(error) => return Err(error.into()),
            };
            if !redeem || due == 0 {
                earned.due = earned.due.saturating_add(due);
                continue;
            }
            let by = context.signer().await?;
            if !worth_it(market, &by.account, &message, due).await? {
                context.output.note(&format!("collecting {} would cost more: left for later", token.format(due)));
                earned.due = earned.due.saturating_add(due);
                continue;
            }
            let what = format!("collect {} that a plan has earned", token.format(due));
            let (tried, _) = send(context, &by, market, what, &message).await?;
            earned.collected = earned.collected.saturating_add(tried.read::<u128>()?);
        }
        Ok(earned)
    }
}

/// Shows the books of an API, and redeems what is due if asked to.
pub async fn earnings(
    context: &Context,
    api: u32,
    redeem: bool,
    subscribers: &[String],
    place: &PlaceArgs,
    data: &DataDir,
) -> Result<Report> {
    let market = place.open(context).await?;
    let token = context.token().await?;
    let found = listed(&market, api).await?;
    let provider = found.provider();
    let path =
        data.folder(context, market.place(), "provider", &provider)?.join(api.to_string()).join("vouchers.journal");
    let books = Ledger::read(&path)?;
    let mut consumers: BTreeSet<[u8; 32]> = books.plans.keys().copied().collect();
    consumers.extend(books.accounts.keys().map(|who| who.consumer));
    for subscriber in subscribers {
        consumers.insert(from_address(subscriber)?.0 .0);
    }
    let plans = Plans { context, market: &market, api, provider, redeem }.collect(&consumers).await?;
    let mut accounts: Vec<_> = books.accounts.into_iter().collect();
    accounts.sort_by_key(|(who, _)| *who);
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    let (mut due_all, mut redeemed_now) = (0u128, 0u128);
    for (who, counts) in accounts {
        let Who { consumer, signer, epoch } = who;
        let standing = market.standing(consumer, signer, api, true).await?;
        let used = books.plans.get(&consumer).copied().unwrap_or_default();
        let plan = match market.subscription(consumer, api).await? {
            Some(paid) => used.left(&paid, now_ms()),
            None => None,
        };
        let paid = standing.filter(|standing| standing.signer.epoch == epoch).map(|standing| standing.paid.value);
        let redeemed = counts.redeemed.max(paid.unwrap_or(0));
        let mut due = counts.best.as_ref().map_or(0, |(voucher, _)| voucher.value.saturating_sub(redeemed));
        if let (true, true, Some((voucher, signature))) = (redeem, due > 0, &counts.best) {
            let by = context.signer().await?;
            let what = format!("redeem a voucher over {}", token.format(due));
            let message = market.place().redeem(voucher, signature);
            let sent = match worth_it(&market, &by.account, &message, due).await {
                Ok(true) => send(context, &by, &market, what, &message).await.map(Some),
                Ok(false) => {
                    context.output.note(&format!("redeeming {} would cost more: left for later", token.format(due)));
                    Ok(None)
                },
                Err(error) => Err(error.into()),
            };
            match sent {
                Ok(None) => {},
                Ok(Some((tried, _))) => {
                    let came: u128 = tried.read()?;
                    redeemed_now = redeemed_now.saturating_add(came);
                    due = due.saturating_sub(came);
                },
                // The daemon was quicker, in a block that isn't final yet.
                Err(error) if has_code(&error, "Marketplace::NothingDue") => due = 0,
                // One consumer's is no reason to leave those of others: its signer was revoked, say.
                Err(error) if is_of(&error, "Marketplace::") => {
                    context.output.note(&format!("a voucher over {} isn't paid: {error:#}", token.format(due)));
                    due = 0;
                },
                Err(error) => return Err(error),
            }
        }
        due_all = due_all.saturating_add(due);
        let consumer = context.address(&AccountId(consumer)).await?;
        rows.push(vec![
            consumer.clone(),
            counts.calls.to_string(),
            token.format(counts.spent),
            token.format(counts.value),
            token.format(due),
            plan.map_or_else(|| "-".into(), |plan| format!("{} of {}", plan.left, plan.units)),
        ]);
        json.push(json!({
            "consumer": consumer, "epoch": epoch, "calls": counts.calls, "units": counts.units,
            "used": token.json(counts.spent), "promised": token.json(counts.value), "due": token.json(due),
            "plan": plan.map(|plan| json!({ "units": plan.units, "left": plan.left, "until_ms": plan.until_ms })),
        }));
    }
    if rows.is_empty() && plans.is_nothing() && redeem {
        return Err(usage(format!("{} holds no vouchers; give the provider's folder with --data", path.display())));
    }
    let quality = market.client().best().await?.market_quality(market.place(), api).await?.unwrap_or_default();
    let summary = [
        ("redeemed in all", token.format(quality.value)),
        ("redeemed now", token.format(redeemed_now)),
        ("due", token.format(due_all)),
        ("plans collected now", token.format(plans.collected)),
        ("plans due", token.format(plans.due)),
    ];
    let header = ["consumer", "calls", "used", "promised", "due", "plan's units left"];
    let text = format!("{}\n{}", fields(summary), table(&header, &rows));
    let json = json!({
        "api": api, "redeemed": token.json(quality.value), "redeemed_now": token.json(redeemed_now),
        "due": token.json(due_all), "consumers": Value::Array(json),
        "plans": { "collected_now": token.json(plans.collected), "due": token.json(plans.due) },
    });
    Ok(Report::new(text, json))
}
