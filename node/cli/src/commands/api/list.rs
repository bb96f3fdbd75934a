// SPDX-License-Identifier: Apache-2.0

//! What is offered.

use cairn_api::market::now_ms;
use cairn_client::{
    chain::marketplace::{price_at, Brief, Quality, Status},
    AccountId,
};
use serde_json::{json, Value};

use super::{place::listed, PlaceArgs};
use crate::{
    context::Context,
    failure::Result,
    output::{fields, table, Report},
};

/// APIs that are listed at most.
const LISTED_MAX: u32 = 1000;

/// Lists offers.
pub async fn list(context: &Context, name: Option<&str>, place: &PlaceArgs) -> Result<Report> {
    let market = place.open(context).await?;
    let token = context.token().await?;
    let view = market.client().best().await?;
    let found = match name {
        Some(name) => view.market_offers(market.place(), name).await?,
        None => view.market_apis(market.place(), 0, LISTED_MAX).await?,
    };
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    for Brief { api, provider, name, status, unit_price, next_price, bond, quality } in found {
        let provider = context.address(&AccountId(provider)).await?;
        let price = price_at(unit_price, next_price, now_ms());
        rows.push(vec![
            api.to_string(),
            name.clone(),
            status_text(status).into(),
            token.format(price),
            quality.calls.to_string(),
            stars(&quality),
            token.format(bond),
            provider.clone(),
        ]);
        json.push(json!({
            "api": api, "name": name, "status": status_text(status), "unit_price": token.json(price), "bond": token.json(bond),
            "quality": quality_json(&quality), "provider": provider,
        }));
    }
    let header = ["api", "name", "status", "price a unit", "calls paid", "stars", "bond", "provider"];
    Ok(Report::new(table(&header, &rows), Value::Array(json)))
}

/// Shows one.
pub async fn show(context: &Context, api: u32, place: &PlaceArgs) -> Result<Report> {
    let market = place.open(context).await?;
    let token = context.token().await?;
    let found = listed(&market, api).await?;
    let quality = market.client().best().await?.market_quality(market.place(), api).await?.unwrap_or_default();
    let provider = context.address(&found.provider()).await?;
    let price = price_at(found.unit_price, found.next_price, now_ms());
    let mut rows = vec![
        ("name", found.name.clone()),
        ("provider", provider.clone()),
        ("status", status_text(found.status).into()),
        ("price", format!("{} a unit", token.format(price))),
    ];
    if let Some((next, from_ms)) = found.next_price.filter(|(_, from_ms)| *from_ms > now_ms()) {
        let seconds = from_ms.saturating_sub(now_ms()) / 1000;
        rows.push(("price next", format!("{} a unit, in {seconds} s", token.format(next))));
    }
    rows.extend([
        ("free units", found.listing.free_units.to_string()),
        ("bond", token.format(found.bond)),
        (
            "promises",
            format!(
                "95% within {} ms, {}.{:02}% of the time",
                found.listing.sla.p95_ms,
                found.listing.sla.availability_bps / 100,
                found.listing.sla.availability_bps % 100
            ),
        ),
        ("endpoints", found.listing.endpoints.join(", ")),
        (
            "document",
            if found.listing.document.is_empty() { "at its endpoints".into() } else { found.listing.document.clone() },
        ),
        ("hash", format!("0x{}", hex::encode(found.listing.openapi_hash))),
        ("calls paid", quality.calls.to_string()),
        ("earned", token.format(quality.value)),
        ("stars", stars(&quality)),
    ]);
    let methods: Vec<Vec<String>> = found
        .methods
        .iter()
        .map(|method| {
            let kind = if method.deterministic { "deterministic" } else { "" };
            vec![
                method.name.clone(),
                method.units.to_string(),
                token.format(price.saturating_mul(method.units.into())),
                kind.into(),
            ]
        })
        .collect();
    let json = json!({
        "api": api, "name": found.name, "provider": provider, "status": status_text(found.status),
        "unit_price": token.json(price), "free_units": found.listing.free_units, "bond": token.json(found.bond),
        "endpoints": found.listing.endpoints, "document": found.listing.document,
        "openapi_hash": format!("0x{}", hex::encode(found.listing.openapi_hash)),
        "tags": found.listing.tags, "cairn_name": found.listing.cairn_name,
        "sla": { "p95_ms": found.listing.sla.p95_ms, "availability_bps": found.listing.sla.availability_bps },
        "quality": quality_json(&quality),
        "methods": found.methods.iter().map(|method| json!({
            "name": method.name, "units": method.units, "deterministic": method.deterministic,
        })).collect::<Vec<_>>(),
    });
    let text = format!("{}\n{}", fields(rows), table(&["method", "units", "price a call", ""], &methods));
    Ok(Report::new(text, json))
}

fn status_text(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Paused => "paused",
        Status::Retired { .. } => "retired",
    }
}

fn stars(quality: &Quality) -> String {
    quality.stars().map_or_else(|| "-".into(), |stars| format!("{stars:.1}"))
}

fn quality_json(quality: &Quality) -> Value {
    json!({
        "calls": quality.calls, "units": quality.units, "value": quality.value.to_string(), "stars": quality.stars(),
        "by_consumers": { "calls": quality.by_consumers.calls, "failed": quality.by_consumers.failed },
    })
}
