// SPDX-License-Identifier: Apache-2.0

//! Plans, and what this machine tells the marketplace of others: ratings, attested calls, proofs.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::Context as _;
use cairn_api::{
    consumer::{
        conflict::{read_proof, PROOF_BYTES_MAX},
        picker::Tally,
        seen::{self, Seen},
    },
    market::{now_ms, Market},
    plan::Left,
};
use cairn_client::{
    chain::marketplace::{NewPlan, QualityReport, Subscription},
    AccountId,
};
use serde_json::{json, Value};

use super::{
    manage,
    place::{listed, send},
    DataDir, PlaceArgs, Plans,
};
use crate::{
    context::Context,
    failure::{has_code, refused, usage, usage_with_remedy, Result},
    keystore::{read_text, replace, PRIVATE},
    output::{table, Report},
};

const DAY_MS: u64 = 86_400_000;

/// Lists plans, adds one, or subscribes to one.
pub async fn plans(context: &Context, args: &Plans) -> Result<Report> {
    let market = args.place.open(context).await?;
    let token = context.token().await?;
    let (api, place) = (args.api, market.place());
    listed(&market, api).await?;
    if let Some(plan) = args.close {
        return manage::close_plan(context, api, plan, &args.place).await;
    }
    if args.cancel {
        return manage::cancel_subscription(context, api, &args.place).await;
    }
    if let Some(plan) = args.subscribe {
        let signer = context.signer().await?;
        let offered = market.client().best().await?.market_plans(place, api).await?;
        let Some(bought) = offered.get(usize::from(plan)) else {
            return Err(usage_with_remedy(
                format!("API {api} has no plan {plan}"),
                format!("`cairn api plans {api}` lists its plans"),
            ));
        };
        let what = format!(
            "buy a period of plan {plan} of API {api}: {} units in {} days for {}",
            bought.units,
            bought.period_ms as f64 / DAY_MS as f64,
            token.format(bought.price)
        );
        let (tried, done) = send(context, &signer, &market, what, &place.subscribe(api, plan)).await?;
        let ends_ms: u64 = tried.read()?;
        return Ok(done
            .report(&format!("subscribed to plan {plan} of API {api}"), json!({ "plan": plan, "ends_ms": ends_ms })));
    }
    if let Some(name) = &args.add {
        let (Some(price), Some(units)) = (&args.price, args.units) else {
            return Err(usage("give --price and --units"));
        };
        let signer = context.signer().await?;
        let plan =
            NewPlan { name: name.clone(), price: token.parse(price)?, period_ms: u64::from(args.days) * DAY_MS, units };
        let what = format!("offer the plan `{name}` for API {api}");
        let (tried, done) = send(context, &signer, &market, what, &place.add_plan(api, &plan)).await?;
        let number: u16 = tried.read()?;
        return Ok(done.report(&format!("plan {number} of API {api} is offered"), json!({ "plan": number })));
    }
    let view = market.client().best().await?;
    let plans = view.market_plans(place, api).await?;
    let mine = match context.settings.account.value {
        Some(_) => {
            let account = context.signer().await?.account;
            let folder = args.data.folder(context, place, "consumer", &account)?;
            view.market_subscription(place, api, &account).await?.map(|paid| (paid, seen(&folder, api)))
        },
        None => None,
    };
    let rows: Vec<Vec<String>> = plans
        .iter()
        .enumerate()
        .map(|(number, plan)| {
            let status = if plan.open { "open" } else { "closed" };
            let days = format!("{} days", plan.period_ms as f64 / DAY_MS as f64);
            vec![
                number.to_string(),
                plan.name.clone(),
                token.format(plan.price),
                days,
                plan.units.to_string(),
                status.into(),
            ]
        })
        .collect();
    let json = plans
        .iter()
        .enumerate()
        .map(|(number, plan)| {
            json!({ "plan": number, "name": plan.name, "price": token.json(plan.price), "period_ms": plan.period_ms,
                    "units": plan.units, "open": plan.open })
        })
        .collect();
    let mut text = table(&["plan", "name", "price", "period", "units", "status"], &rows);
    let mut subscription = Value::Null;
    if let Some((paid, seen)) = mine {
        let left = seen.plan_left(&paid, now_ms());
        subscription = json!({
            "plan": paid.plan, "began_ms": paid.began_ms, "ends_ms": paid.ends_ms, "units": paid.units,
            "left": left.map(|left| left.left), "until_ms": left.map(|left| left.until_ms),
        });
        text = format!("{text}\n{}", left_text(&paid, left));
    }
    Ok(Report::new(text, json!({ "plans": Value::Array(json), "subscription": subscription })))
}

/// What this machine has seen of an API; nothing, where it can't be read.
fn seen(folder: &Path, api: u32) -> Seen {
    seen::read(folder).unwrap_or_default().remove(&api).unwrap_or_default()
}

fn left_text(paid: &Subscription, left: Option<Left>) -> String {
    let Some(left) = left else { return format!("plan {}: it has ended", paid.plan) };
    let seconds = left.until_ms.saturating_sub(now_ms()) / 1000;
    format!(
        "plan {}: {} of {} units are left for {seconds} s, as far as this machine knows; it is paid for {} s more",
        paid.plan,
        left.left,
        left.units,
        paid.ends_ms.saturating_sub(now_ms()) / 1000
    )
}

/// Rates an API.
pub async fn rate(context: &Context, api: u32, stars: u8, place: &PlaceArgs) -> Result<Report> {
    let market = place.open(context).await?;
    let signer = context.signer().await?;
    let what = format!("rate API {api} with {stars} stars");
    let (_, done) = send(context, &signer, &market, what, &market.place().rate(api, stars)).await?;
    Ok(done.report(&format!("rated API {api}"), json!({ "api": api, "stars": stars })))
}

/// Attests what this machine has seen of an API since the last time, as far as the calls were paid for.
pub async fn attest(context: &Context, api: u32, place: &PlaceArgs, data: &DataDir) -> Result<Report> {
    let market = place.open(context).await?;
    listed(&market, api).await?;
    let signer = context.signer().await?;
    let folder = data.folder(context, market.place(), "consumer", &signer.account)?;
    let mut attested = Attested::read(&folder)?;
    let before = attested.0.get(&api).copied().unwrap_or_default();
    let new = since(&seen(&folder, api).tally, &before);
    if new.calls == 0 {
        return Err(usage(format!("this machine has made no calls of API {api} that are not attested")));
    }
    let patron = market.client().best().await?.market_patron(market.place(), api, &signer.account).await?;
    let Some(report) = reported(&new, patron.calls.saturating_sub(patron.attested_calls)) else {
        return Err(usage_with_remedy(
            "no calls are paid for that were not attested already",
            "calls count once the provider has redeemed their vouchers (those that a plan pays for don't): try again later",
        ));
    };
    let what = format!("attest {} calls of API {api}, {} of them failed", report.calls, report.failed);
    let quality = QualityReport { calls: report.calls, failed: report.failed, latency_ms: report.latency_ms };
    let (_, done) = send(context, &signer, &market, what, &market.place().attest(api, &quality)).await?;
    let sum = Tally {
        calls: before.calls.saturating_add(report.calls),
        failed: before.failed.saturating_add(report.failed),
        latency_ms: before.latency_ms.saturating_add(report.latency_ms),
    };
    attested.0.insert(api, sum);
    attested.write(&folder)?;
    let text = format!("attested {} calls of API {api}, {} of them failed", report.calls, report.failed);
    let json = json!({ "api": api, "calls": report.calls, "failed": report.failed, "latency_ms": report.latency_ms });
    Ok(done.report(&text, json))
}

fn since(now: &Tally, before: &Tally) -> Tally {
    Tally {
        calls: now.calls.saturating_sub(before.calls),
        failed: now.failed.saturating_sub(before.failed),
        latency_ms: now.latency_ms.saturating_sub(before.latency_ms),
    }
}

/// What of new calls is reported where only so many may be: as large a part of the failures, and of the time.
fn reported(new: &Tally, most: u64) -> Option<Tally> {
    let calls = new.calls.min(most);
    if calls == 0 {
        return None;
    }
    let part = |of: u64| u64::try_from(u128::from(of) * u128::from(calls) / u128::from(new.calls)).unwrap_or(u64::MAX);
    Some(Tally { calls, failed: part(new.failed).min(calls), latency_ms: part(new.latency_ms) })
}

/// What was attested so far, by API.
#[derive(Default)]
struct Attested(BTreeMap<u32, Tally>);

impl Attested {
    const FILE: &str = "attested.json";
    const LEN_MAX: u64 = 1 << 20;

    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(Self::FILE);
        match read_text(&path, Self::LEN_MAX, "a list of what was attested") {
            Ok(text) => {
                let found = serde_json::from_str(&text);
                Ok(Self(found.with_context(|| {
                    format!("{} is damaged: remove it, and calls are attested anew", path.display())
                })?))
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
        }
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(Self::FILE);
        replace(&path, &serde_json::to_vec(&self.0)?, PRIVATE)
            .with_context(|| format!("can't write {}", path.display()))
    }
}

/// Shows a proof to the marketplace.
pub async fn report(context: &Context, file: &Path) -> Result<Report> {
    let text = read_text(file, PROOF_BYTES_MAX, "a proof").with_context(|| format!("can't read {}", file.display()))?;
    let [first, second] =
        read_proof(text.as_bytes()).map_err(|reason| usage(format!("{}: {reason}", file.display())))?;
    let api = first.answer.api;
    let market = Arc::new(Market::open(context.client().await?.clone(), AccountId(first.answer.contract)).await?);
    let signer = context.signer().await?;
    let token = context.token().await?;
    let message =
        market.place().report_conflict((&first.answer, &first.signature), (&second.answer, &second.signature));
    let what = format!("show that the provider of API {api} contradicted itself");
    let sent = send(context, &signer, &market, what, &message).await;
    let (tried, done) = sent.map_err(|error| match has_code(&error, "Marketplace::NothingDue") {
        true => refused(
            "Marketplace::NothingDue",
            format!("API {api} has no bond any more: somebody else was quicker, or it was withdrawn"),
            "nothing can be claimed",
        ),
        false => error,
    })?;
    let reward: u128 = tried.read()?;
    let text = format!("the bond of API {api} is gone; {} of it came to you", token.format(reward));
    Ok(done.report(&text, json!({ "api": api, "reward": token.json(reward) })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_calls_are_reported_than_were_paid_for() {
        let new = Tally { calls: 10, failed: 3, latency_ms: 1_000 };
        assert_eq!(reported(&new, 100), Some(new));
        assert_eq!(reported(&new, 5), Some(Tally { calls: 5, failed: 1, latency_ms: 500 }));
        assert_eq!(reported(&new, 0), None);
        assert_eq!(reported(&Tally::default(), 5), None);
        let huge = Tally { calls: u64::MAX, failed: u64::MAX, latency_ms: u64::MAX };
        assert_eq!(reported(&huge, 7), Some(Tally { calls: 7, failed: 7, latency_ms: 7 }));
        let done = reported(&new, 5).expect("some");
        assert_eq!(since(&new, &done), Tally { calls: 5, failed: 2, latency_ms: 500 }, "the rest is for later");
        assert_eq!(since(&Tally::default(), &new), Tally::default(), "books that began anew");
    }
}
