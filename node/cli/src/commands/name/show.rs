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
    let (found, registration) = view.name(&label).await?.ok_or_else(|| not_registered(&label))?;
    let now = view.block_number_u32();
    let owner = context.address(&found.owner).await?;
    let manager = context.address_of(registration.manager.as_ref()).await?;
    let offered_to = context.address_of(registration.pending_transfer.as_ref()).await?;
    let mut rows = vec![("name", format!("{label}.{TLD}")), ("owner", owner.clone())];
    rows.extend(manager.clone().map(|manager| ("manager", manager)));
    rows.extend(offered_to.clone().map(|offered_to| ("offered to", offered_to)));
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
    let json = json!({
        "name": label.as_str(),
        "owner": owner,
        "manager": manager,
        "offered_to": offered_to,
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
    let now = view.block_number_u32();
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
