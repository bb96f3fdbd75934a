// SPDX-License-Identifier: Apache-2.0

//! Changing the records of a name.

use std::path::Path;

use cairn_client::{
    chain::names::{self, rr, Label, RelativeName, Zone, TLD},
    AccountId, View,
};
use serde_json::json;

use super::{
    label::Place,
    price::not_registered,
    records::{rrset, type_name, type_number, zone_of_file},
};
use crate::{
    context::{Context, Signer},
    failure::{refused, usage, Result},
    output::Report,
    spend::{spend, Plan},
};

/// A zone on the chain, and a place in it.
struct Target {
    label: Label,
    /// The delegated subdomain whose zone it is.
    subdomain: Option<Label>,
    /// Below the zone's apex.
    name: RelativeName,
    zone: Zone,
    /// Who owns the name; the deposit for its own zone is this account's.
    owner: AccountId,
}

/// Finds the zone that a place is in: that of the delegated subdomain, if there is one, or the name's own.
async fn target(view: &View, place: &Place) -> Result<Target> {
    let found = view.resolve_name(&place.label).await?.ok_or_else(|| not_registered(&place.label))?;
    for resolved in &found.zones {
        let Some(subdomain) = &resolved.subdomain else { continue };
        if place.below.top_label() == Some(subdomain.as_bytes()) {
            let text = place.below.to_string();
            let below = text.strip_suffix(subdomain.as_str()).unwrap_or_default();
            let name = RelativeName::parse(below.trim_end_matches('.')).map_err(|error| usage(error.to_string()))?;
            let (label, zone) = (place.label.clone(), resolved.zone.clone());
            return Ok(Target { label, subdomain: Some(subdomain.clone()), name, zone, owner: found.owner });
        }
    }
    let owner = found.owner;
    let own = found.zones.into_iter().find(|resolved| resolved.subdomain.is_none());
    let zone = own.map(|resolved| resolved.zone).unwrap_or_default();
    Ok(Target { label: place.label.clone(), subdomain: None, name: place.below.clone(), zone, owner })
}

impl Target {
    fn shown(&self) -> String {
        let below = if self.name.is_apex() { String::new() } else { self.name.to_string() };
        [below, self.subdomain.as_ref().map(Label::to_string).unwrap_or_default()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .chain([format!("{}.{TLD}", self.label)])
            .collect::<Vec<_>>()
            .join(".")
    }

    /// What is held more of the signer for `zone` than for the present one. A manager's changes are the owner's to pay.
    fn more_held(&self, view: &View, signer: &Signer, zone: &Zone) -> Result<u128> {
        if self.subdomain.is_none() && self.owner != signer.account {
            return Ok(0);
        }
        Ok(view.records_deposit(zone)?.saturating_sub(view.records_deposit(&self.zone)?))
    }
}

/// In `ACCOUNT` records, accounts may be given as everywhere: addresses, stored names, development keys.
async fn accounts(context: &Context, rtype: &str, data: &[String]) -> Result<Vec<String>> {
    if type_number(rtype)? != rr::ACCOUNT {
        return Ok(data.to_vec());
    }
    let mut keys = Vec::new();
    for text in data {
        let is_key = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        keys.push(if is_key { text.clone() } else { hex::encode(context.resolve(text).await?.0) });
    }
    Ok(keys)
}

/// Sets all records of a type at a name.
pub async fn set(context: &Context, name: &str, rtype: &str, data: &[String], ttl_seconds: u32) -> Result<Report> {
    let place = Place::parse(name)?;
    let token = context.token().await?;
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let target = target(&view, &place).await?;
    let set = rrset(&target.name, rtype, &accounts(context, rtype, data).await?, ttl_seconds)?;
    let mut after = target.zone.clone();
    after.set(set.clone()).map_err(|error| refused("Names::RecordInvalid", error.to_string(), "change the records"))?;
    let shown = target.shown();
    let held = target.more_held(&view, &signer, &after)?;
    let call = names::set_rrset(&target.label, target.subdomain.as_ref(), &set);
    let plan = Plan::new(format!("set {} of {shown}", type_name(set.rtype)), call)
        .holding(held)
        .detail("further deposit", token.format(held));
    let done = spend(context, &signer, plan).await?;
    let json =
        json!({ "name": shown, "type": type_name(set.rtype), "records": set.rdata.len(), "held": token.json(held) });
    Ok(done.report(&format!("set {} of {shown}", type_name(set.rtype)), json))
}

/// Removes all records of a type at a name.
pub async fn clear(context: &Context, name: &str, rtype: &str) -> Result<Report> {
    let place = Place::parse(name)?;
    let rtype = type_number(rtype)?;
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let target = target(&view, &place).await?;
    let shown = target.shown();
    let type_name = type_name(rtype);
    if target.zone.get(&target.name, rtype).is_none() {
        return Err(refused(
            "Names::RrSetMissing",
            format!("{shown} has no {type_name} records"),
            format!("`cairn name show {}` shows those there are", target.label),
        ));
    }
    let call = names::clear_rrset(&target.label, target.subdomain.as_ref(), &target.name, rtype);
    let done = spend(context, &signer, Plan::new(format!("remove {type_name} of {shown}"), call)).await?;
    Ok(done.report(&format!("removed {type_name} of {shown}"), json!({ "name": shown, "type": type_name })))
}

/// Replaces all records of a name.
pub async fn replace(context: &Context, name: &str, file: &Path) -> Result<Report> {
    let place = Place::parse(name)?;
    let token = context.token().await?;
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let target = target(&view, &place).await?;
    if !target.name.is_apex() {
        return Err(usage(format!("{} has no zone of its own", target.shown())));
    }
    let origin = match &target.subdomain {
        Some(subdomain) => format!("{subdomain}.{}", target.label),
        None => target.label.to_string(),
    };
    let zone = zone_of_file(&origin, file)?;
    let shown = target.shown();
    let held = target.more_held(&view, &signer, &zone)?;
    let call = names::replace_zone(&target.label, target.subdomain.as_ref(), &zone);
    let what = format!("replace the {} records of {shown} by {}", target.zone.records(), zone.records());
    let plan = Plan::new(what, call).holding(held).detail("further deposit", token.format(held));
    let done = spend(context, &signer, plan).await?;
    let json = json!({ "name": shown, "records": zone.records(), "held": token.json(held) });
    Ok(done.report(&format!("{shown} has {} records now", zone.records()), json))
}
