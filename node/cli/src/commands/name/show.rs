// SPDX-License-Identifier: Apache-2.0

//! Looking at names.

use std::time::Duration;

use cairn_client::{
    chain::names::{text, Label, Resolved, ResolvedZone, Zone, TLD},
    View,
};
use serde_json::{json, Value};

use super::{
    difference::absolute,
    label::{shown, unicode, Place},
    price::not_registered,
};
use crate::{
    commands::chain::human,
    context::Context,
    failure::{usage_with_remedy, Result},
    output::{fields, table, Report},
};

/// Shows a name, or a subdomain that has an owner of its own, as it is in the last finalized block.
pub async fn show(context: &Context, name: &str, zone_file: bool) -> Result<Report> {
    let place = Place::parse(name)?;
    let label = &place.label;
    let view = context.client().await?.finalized().await?;
    let (found, registration) = view.name(label).await?.ok_or_else(|| not_registered(label))?;
    let mut zones = zones_of(&place, &found)?;
    if zone_file && place.below.is_apex() {
        let all = zones.len();
        zones.retain(|zone| zone.subdomain.is_none());
        if zones.len() < all {
            context
                .output
                .note("subdomains that have owners of their own are not in the file: each is a zone of its own");
        }
    }
    let now = view.block_number_u32();
    let owner = context.address(&found.owner).await?;
    let manager = context.address_of(registration.manager.as_ref()).await?;
    let offered_to = context.address_of(registration.pending_transfer.as_ref()).await?;
    let mut rows = vec![("name", shown(label)), ("owner", owner.clone())];
    rows.extend(manager.clone().map(|manager| ("manager", manager)));
    rows.extend(offered_to.clone().map(|offered_to| ("offered to", offered_to)));
    rows.push(("expires", remaining(&view, now, found.expires_at_block)?));
    if now >= found.expires_at_block {
        rows.push(("in grace until", remaining(&view, now, found.grace_until_block)?));
    }
    let (mut text, mut file, mut list) = (fields(rows), String::new(), Vec::new());
    for resolved in zones {
        let origin = match &resolved.subdomain {
            Some(subdomain) => format!("{subdomain}.{label}.{TLD}."),
            None => format!("{label}.{TLD}."),
        };
        let delegation = match &resolved.subdomain {
            Some(subdomain) => view.delegation(label, subdomain).await?,
            None => None,
        };
        let owner = context.address_of(delegation.as_ref().map(|delegation| &delegation.owner)).await?;
        let records = records(&origin, &resolved.zone);
        if let Some(owner) = &owner {
            text.push('\n');
            text.push_str(&fields([("subdomain", origin.clone()), ("owner", owner.clone())]));
        }
        if !records.is_empty() {
            let cells: Vec<Vec<String>> =
                records.iter().map(|(name, ttl, record)| vec![name.clone(), ttl.to_string(), record.clone()]).collect();
            text.push('\n');
            text.push_str(&table(&["record of", "ttl", "is"], &cells));
        }
        let records: Vec<Value> = records
            .iter()
            .map(|(name, ttl, record)| {
                let (rtype, data) = record.split_once(' ').unwrap_or((record, ""));
                json!({ "name": name.trim_end_matches('.'), "ttl": ttl, "type": rtype, "data": data })
            })
            .collect();
        file.push_str(&format!("$ORIGIN {origin}\n{}", text::format_zone(&resolved.zone, &origin)));
        list.push(json!({ "zone": origin.trim_end_matches('.'), "owner": owner, "records": records }));
    }
    let mut json = json!({
        "name": label.as_str(),
        "unicode": unicode(label).ok().flatten(),
        "owner": owner,
        "manager": manager,
        "offered_to": offered_to,
        "expires_at_block": found.expires_at_block,
        "grace_until_block": found.grace_until_block,
        "finalized_block": now,
        "zones": list,
    });
    if zone_file {
        json["zone_file"] = file.clone().into();
        return Ok(Report::new(file, json));
    }
    Ok(Report::new(text, json))
}

/// The zones that a place has: a name's own and those of its subdomains, or one subdomain's. For a file that is read back
/// it is one zone.
fn zones_of<'z>(place: &Place, found: &'z Resolved) -> Result<Vec<&'z ResolvedZone>> {
    if place.below.is_apex() {
        return Ok(found.zones.iter().collect());
    }
    let is_it =
        |zone: &&ResolvedZone| zone.subdomain.as_ref().is_some_and(|label| place.below.to_string() == label.as_str());
    let own: Vec<_> = found.zones.iter().filter(is_it).collect();
    if own.is_empty() {
        let name = format!("{}.{TLD}", place.label);
        return Err(usage_with_remedy(
            format!("{}.{name} has no owner of its own", place.below),
            format!("`cairn name show {name}` shows all records of {name}, those of {} among them", place.below),
        ));
    }
    Ok(own)
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
        let name = absolute(&set.name, origin);
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
            shown(label),
            remaining(&view, now, registration.expires_at)?,
            if is_primary { "primary".into() } else { String::new() },
        ]);
        list.push(json!({
            "name": label.as_str(), "expires_at_block": registration.expires_at, "primary": is_primary,
        }));
    }
    let address = context.address(&owner).await?;
    let text = if rows.is_empty() {
        format!("{address} has no names; subdomains that were given to it are not listed")
    } else {
        table(&["name", "expires", ""], &rows)
    };
    Ok(Report::new(text, json!({ "owner": address, "finalized_block": now, "names": list })))
}
