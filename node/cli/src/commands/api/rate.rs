// SPDX-License-Identifier: Apache-2.0

//! Plans and ratings.

use cairn_client::chain::marketplace::NewPlan;
use serde_json::{json, Value};

use super::{
    place::{listed, send},
    PlaceArgs, Plans,
};
use crate::{
    context::Context,
    failure::{usage, Result},
    output::{table, Report},
};

const DAY_MS: u64 = 86_400_000;

/// Lists plans, adds one, or subscribes to one.
pub async fn plans(context: &Context, args: &Plans) -> Result<Report> {
    let market = args.place.open(context).await?;
    let token = context.token().await?;
    let (api, place) = (args.api, market.place());
    listed(&market, api).await?;
    if let Some(plan) = args.subscribe {
        let signer = context.signer().await?;
        let what = format!("buy a period of plan {plan} of API {api}");
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
    let plans = market.client().best().await?.market_plans(place, api).await?;
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
    Ok(Report::new(table(&["plan", "name", "price", "period", "units", "status"], &rows), Value::Array(json)))
}

/// Rates an API.
pub async fn rate(context: &Context, api: u32, stars: u8, place: &PlaceArgs) -> Result<Report> {
    let market = place.open(context).await?;
    let signer = context.signer().await?;
    let what = format!("rate API {api} with {stars} stars");
    let (_, done) = send(context, &signer, &market, what, &market.place().rate(api, stars)).await?;
    Ok(done.report(&format!("rated API {api}"), json!({ "api": api, "stars": stars })))
}
