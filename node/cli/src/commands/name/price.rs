// SPDX-License-Identifier: Apache-2.0

//! What names cost.

use cairn_client::chain::names::{self, Label};
use serde_json::json;

use super::label::{self, Place};
use crate::{
    amount::Token,
    context::Context,
    failure::{refused, usage, Result},
    output::{fields, Report},
    spend::{spend, Plan},
};

/// Years that a name can be had for at most.
const YEARS_MAX: u8 = 10;

/// Shows what a name costs.
pub async fn price(context: &Context, name: &str, years: u8) -> Result<Report> {
    let label = Place::label(name)?;
    let unicode = label::unicode(&label)?;
    if let Some(warning) = label::look_alike(&label) {
        context.output.warn(&warning);
    }
    let token = context.token().await?;
    let view = context.client().await?.best().await?;
    if !(1..=YEARS_MAX).contains(&years) {
        return Err(wrong_years(&label, years));
    }
    let price = view.name_price(&label, years).await?;
    let taken = view.resolve_name(&label).await?.is_some();
    let shown = price.map_or_else(|| "not for sale".to_string(), |price| token.format(price));
    let rows = [
        ("name", label::shown(&label)),
        ("years", years.to_string()),
        ("price", shown),
        ("free", if taken || price.is_none() { "no" } else { "yes" }.into()),
    ];
    let json = json!({
        "name": label.as_str(), "unicode": unicode, "years": years, "price": price.map(|price| token.json(price)),
        "free": !taken && price.is_some(),
    });
    Ok(Report::new(fields(rows), json))
}

/// Adds years to a name.
pub async fn renew(context: &Context, name: &str, years: u8, max_price: Option<&str>) -> Result<Report> {
    let label = Place::label(name)?;
    let token = context.token().await?;
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let before = view.resolve_name(&label).await?.ok_or_else(|| not_registered(&label))?;
    let price = view.renewal_price(&label, years).await?.ok_or_else(|| wrong_years(&label, years))?;
    let max_price = limit(&token, price, max_price)?;
    let plan = Plan::new(format!("renew {label}.cairn for {}", counted(years)), names::renew(&label, years, max_price))
        .taking(price)
        .detail("price", token.format(price));
    let done = spend(context, &signer, plan).await?;
    let until = done.receipt.as_ref().and_then(|receipt| receipt.event("Names", "Renewed")?.number("expires_at"));
    let json = json!({
        "name": label.as_str(), "years": years, "price": token.json(price),
        "expired_at_block": before.expires_at_block, "expires_at_block": until,
    });
    Ok(done.report(&format!("renewed {label}.cairn for {}", counted(years)), json))
}

/// The price the buyer agrees to: what was given, or what it costs now.
///
/// # Errors
/// Refused if it costs more now than was given.
pub fn limit(token: &Token, price: u128, given: Option<&str>) -> Result<u128> {
    let Some(given) = given else { return Ok(price) };
    let given = token.parse(given)?;
    if price > given {
        return Err(refused(
            "Names::PriceAboveMax",
            format!("it costs {}", token.format(price)),
            format!("wait, or give --max-price {}", token.format(price)),
        ));
    }
    Ok(given)
}

/// `1 year`, `2 years`.
pub fn counted(years: u8) -> String {
    if years == 1 {
        "1 year".into()
    } else {
        format!("{years} years")
    }
}

/// The chain names no price.
pub fn wrong_years(label: &Label, years: u8) -> anyhow::Error {
    usage(format!("{label}.cairn can't be had for {}: it is 1 to {YEARS_MAX} years in all, and labels of 1 or 2 bytes and reserved ones are governance's to give", counted(years)))
}

/// There is no such name.
pub fn not_registered(label: &Label) -> anyhow::Error {
    refused(
        "Names::NameNotFound",
        format!("{label}.cairn is not registered"),
        format!("`cairn name register {label}` registers it"),
    )
}
