// SPDX-License-Identifier: Apache-2.0

//! Looking at names.

use std::time::Duration;

use cairn_client::{
    chain::names::{text, Label, Zone, TLD},
    View,
};
use serde_json::{json, Value};

use super::{label::Place, price::not_registered};
use crate::{
    commands::chain::human,
    context::Context,
    failure::Result,
    output::{fields, table, Report},
};

/// Shows a name as it is in the last finalized block.
pub async fn show(context: &Context, name: &str) -> Result<Report> {
    let label = Place::label(name)?;
    let view = context.client().await?.finalized().await?;
    let registration = view.registration(&label).await?.ok_or_else(|| not_registered(&label))?;
    let found = view.resolve_name(&label).await?.ok_or_else(|| not_registered(&label))?;
    let now = u32::try_from(view.block_number()).unwrap_or(u32::MAX);
    let mut rows = vec![("name", format!("{label}.{TLD}")), ("owner", context.address(&found.owner).await?)];
    if let Some(manager) = &registration.manager {
        rows.push(("manager", context.address(manager).await?));
    }
    if let Some(offered) = &registration.pending_transfer {
        rows.push(("offered to", context.address(offered).await?));
    }
    rows.push(("expires", remaining(&view, now, found.expires_at_block)?));
    if now >= found.expires_at_block {
        rows.push(("in grace until", remaining(&view, now, found.grace_until_block)?));
    }
    let mut text = fields(rows);
    let mut zones = Vec::new();
    for resolved in &found.zones {
        let origin = match &resolved.subdomain {
            Some(subdomain) => format!("{subdomain}.{label}.{TLD}"),
            None => format!("{label}.{TLD}"),
        };
        let records = records(&origin, &resolved.zone);
        if !records.is_empty() {
            let cells: Vec<Vec<String>> =
                records.iter().map(|(name, ttl, record)| vec![name.clone(), ttl.to_string(), record.clone()]).collect();
            text.push('\n');
            text.push_str(&table(&["record of", "ttl", "is"], &cells));
        }
        let list: Vec<Value> = records
            .iter()
            .map(|(name, ttl, record)| {
                let (rtype, data) = record.split_once(' ').unwrap_or((record, ""));
                json!({ "name": name, "ttl": ttl, "type": rtype, "data": data })
            })
            .collect();
        zones.push(json!({ "zone": origin, "records": list }));
    }
    let address = |account: Option<cairn_client::AccountId>| async move {
        Ok::<_, anyhow::Error>(match account {
            Some(account) => Some(context.address(&account).await?),
            None => None,
        })
    };
    let json = json!({
        "name": label.as_str(),
        "owner": context.address(&found.owner).await?,
        "manager": address(registration.manager).await?,
        "offered_to": address(registration.pending_transfer).await?,
        "expires_at_block": found.expires_at_block,
        "grace_until_block": found.grace_until_block,
        "finalized_block": now,
        "zones": zones,
    });
    Ok(Report::new(text, json))
}

/// `block #120 (in 3 days)`.
fn remaining(view: &View, now: u32, block: u32) -> Result<String> {
    let time = |blocks: u32| -> Result<Duration> { Ok(view.block_time()?.saturating_mul(blocks)) };
    Ok(if block > now {
        format!("block #{block}, in {}", human(time(block - now)?))
    } else {
        format!("block #{block}, {} ago", human(time(now - block)?))
    })
}

/// Name, time to live and text of each record.
fn records(origin: &str, zone: &Zone) -> Vec<(String, u32, String)> {
    let mut found = Vec::new();
    for set in zone.rrsets() {
        let name = if set.name.is_apex() { origin.to_string() } else { format!("{}.{origin}", set.name) };
        for data in &set.rdata {
            let text = text::format_record(set.rtype, data).unwrap_or_else(|_| text::format_generic(set.rtype, data));
            found.push((name.clone(), set.ttl_seconds, text));
        }
    }
    found
}

/// Lists an account's names.
pub async fn list(context: &Context, owner: Option<&str>) -> Result<Report> {
    let owner = context.subject(owner).await?;
    let view = context.client().await?.finalized().await?;
    let now = u32::try_from(view.block_number()).unwrap_or(u32::MAX);
    let primary: Option<Label> = view.primary_name(&owner).await?;
    let mut names = view.names_of(&owner).await?;
    names.sort_by(|a, b| a.0.cmp(&b.0));
    let mut rows = Vec::new();
    let mut list = Vec::new();
    for (label, registration) in &names {
        let is_primary = primary.as_ref() == Some(label);
        rows.push(vec![
            format!("{label}.{TLD}"),
            remaining(&view, now, registration.expires_at)?,
            if is_primary { "primary".into() } else { String::new() },
        ]);
        list.push(json!({
            "name": label.as_str(), "expires_at_block": registration.expires_at, "primary": is_primary,
        }));
    }
    let address = context.address(&owner).await?;
    let text = if rows.is_empty() { format!("{address} has no names") } else { table(&["name", "expires", ""], &rows) };
    Ok(Report::new(text, json!({ "owner": address, "finalized_block": now, "names": list })))
}
