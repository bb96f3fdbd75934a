// SPDX-License-Identifier: Apache-2.0

//! Changing the records of a name.

use std::path::PathBuf;

use cairn_client::{
    chain::names::{self, rr, Label, RelativeName, RrSet, Zone, TLD},
    AccountId, View,
};
use serde_json::json;

use super::{
    difference::{absolute, Difference},
    label::Place,
    price::not_registered,
    read::{rrset, shown, type_name, type_number},
    records::zone_of_file,
};
use crate::{
    context::{Context, Signer},
    failure::{refused, usage, usage_with_remedy, Result},
    output::Report,
    spend::{spend, Plan},
};

/// A zone of this many records or more isn't cut to less than half without --shrink: a file that was written in part looks
/// like that.
const GUARDED_RECORDS_MIN: u32 = 10;

/// A zone on the chain, and a place in it.
pub struct Target {
    pub label: Label,
    /// The delegated subdomain whose zone it is.
    pub subdomain: Option<Label>,
    /// Below the zone's apex.
    pub name: RelativeName,
    pub zone: Zone,
    /// Who owns the name; the deposit for its own zone is this account's.
    owner: AccountId,
    /// Subdomains of the name that have owners of their own.
    delegated: Vec<Label>,
}

/// Finds the zone that a place is in: that of the delegated subdomain, if there is one, or the name's own.
pub async fn target(view: &View, place: &Place) -> Result<Target> {
    let found = view.resolve_name(&place.label).await?.ok_or_else(|| not_registered(&place.label))?;
    let delegated: Vec<Label> = found.zones.iter().filter_map(|resolved| resolved.subdomain.clone()).collect();
    for resolved in &found.zones {
        let Some(subdomain) = &resolved.subdomain else { continue };
        if place.below.top_label() == Some(subdomain.as_bytes()) {
            let text = place.below.to_string();
            let below = text.strip_suffix(subdomain.as_str()).unwrap_or_default();
            let name = RelativeName::parse(below.trim_end_matches('.')).map_err(|error| usage(error.to_string()))?;
            let (label, zone) = (place.label.clone(), resolved.zone.clone());
            let (subdomain, owner) = (Some(subdomain.clone()), found.owner);
            return Ok(Target { label, subdomain, name, zone, owner, delegated: Vec::new() });
        }
    }
    let owner = found.owner;
    let own = found.zones.into_iter().find(|resolved| resolved.subdomain.is_none());
    let zone = own.map(|resolved| resolved.zone).unwrap_or_default();
    Ok(Target { label: place.label.clone(), subdomain: None, name: place.below.clone(), zone, owner, delegated })
}

impl Target {
    /// The zone's own name, without `.cairn`.
    fn zone_name(&self) -> String {
        match &self.subdomain {
            Some(subdomain) => format!("{subdomain}.{}", self.label),
            None => self.label.to_string(),
        }
    }

    /// The zone's own name, absolute.
    pub fn origin(&self) -> String {
        format!("{}.{TLD}.", self.zone_name())
    }

    /// The place as text.
    pub fn shown(&self) -> String {
        absolute(&self.name, &self.origin()).trim_end_matches('.').to_string()
    }

    /// No record may stand at or below a subdomain that has an owner of its own.
    fn check_delegated(&self, zone: &Zone) -> Result<()> {
        for set in zone.rrsets() {
            let delegated = self.delegated.iter().find(|label| set.name.top_label() == Some(label.as_bytes()));
            if let Some(delegated) = delegated {
                let origin = self.origin();
                let (place, below) = (absolute(&set.name, &origin), format!("{delegated}.{origin}"));
                return Err(refused(
                    "Names::DelegatedHere",
                    format!(
                        "{place} {}: {below} has an owner of its own, who sets all records there",
                        type_name(set.rtype)
                    ),
                    "leave the record out; `cairn name subdomain --revoke` takes the subdomain back",
                ));
            }
        }
        Ok(())
    }

    /// What is held more of the signer for `zone` than for the present one. A manager's changes are the owner's to pay.
    pub fn more_held(&self, view: &View, signer: &Signer, zone: &Zone) -> Result<u128> {
        if self.subdomain.is_none() && self.owner != signer.account {
            return Ok(0);
        }
        Ok(view.records_deposit(zone)?.saturating_sub(view.records_deposit(&self.zone)?))
    }
}

/// In `ACCOUNT` records, accounts may be given as everywhere: addresses, stored names, development keys.
pub async fn accounts(context: &Context, rtype: &str, data: &[String]) -> Result<Vec<String>> {
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
    let view = context.client().await?.best().await?;
    let target = target(&view, &place).await?;
    let set = rrset(&target.name, rtype, &accounts(context, rtype, data).await?, ttl_seconds)?;
    put(context, &view, &target, set, "set").await
}

/// Puts a set in the place of the one of its name and type, if there is one; `verb` is the command's.
pub async fn put(context: &Context, view: &View, target: &Target, set: RrSet, verb: &str) -> Result<Report> {
    let (token, signer) = (context.token().await?, context.signer().await?);
    let (place, type_name) = (target.shown(), type_name(set.rtype));
    let mut after = target.zone.clone();
    after.set(set.clone()).map_err(|error| {
        refused("Names::RecordInvalid", format!("{place} {type_name}: {error}"), "change the records")
    })?;
    target.check_delegated(&after)?;
    if set.rtype == rr::ALIAS && !set.rdata.iter().all(|target| target.ends_with(b"\x05cairn\0")) {
        context.output.note(
            "an ALIAS to a name outside .cairn has addresses only at gateways that ask other resolvers (--forward); at others it fails",
        );
    }
    context.output.before_asking(&Difference::new(&target.origin(), &target.zone, &after).text(), !context.yes);
    let held = target.more_held(view, &signer, &after)?;
    let call = names::set_rrset(&target.label, target.subdomain.as_ref(), &set);
    let plan = Plan::new(format!("set {type_name} of {place}"), call)
        .holding(held)
        .detail("further deposit", token.format(held));
    let done = spend(context, &signer, plan).await?;
    let data = shown(&set);
    let json = json!({
        "name": place, "type": type_name, "ttl": set.ttl_seconds, "records": set.rdata.len(), "data": data,
        "held": token.json(held),
    });
    let stored: String = data.iter().map(|data| format!("\n  {} {type_name} {data}", set.ttl_seconds)).collect();
    Ok(done.report(&format!("{verb} {type_name} of {place}; it has now{stored}"), json))
}

/// Removes all records of a type at a name.
pub async fn clear(context: &Context, name: &str, rtype: &str) -> Result<Report> {
    let place = Place::parse(name)?;
    let rtype = type_number(rtype)?;
    let view = context.client().await?.best().await?;
    let target = target(&view, &place).await?;
    take_out(context, &target, rtype).await
}

/// Removes the set of a type at the target.
pub async fn take_out(context: &Context, target: &Target, rtype: u16) -> Result<Report> {
    let signer = context.signer().await?;
    let (place, type_name) = (target.shown(), type_name(rtype));
    if target.zone.get(&target.name, rtype).is_none() {
        return Err(refused(
            "Names::RrSetMissing",
            format!("{place} has no {type_name} records"),
            format!("`cairn name show {}` shows those there are", target.label),
        ));
    }
    let mut after = target.zone.clone();
    after.clear(&target.name, rtype);
    context.output.before_asking(&Difference::new(&target.origin(), &target.zone, &after).text(), !context.yes);
    let call = names::clear_rrset(&target.label, target.subdomain.as_ref(), &target.name, rtype);
    let done = spend(context, &signer, Plan::new(format!("remove {type_name} of {place}"), call)).await?;
    Ok(done.report(&format!("removed {type_name} of {place}"), json!({ "name": place, "type": type_name })))
}

/// How a zone is replaced.
#[derive(Clone, Debug, clap::Args)]
pub struct ReplaceArgs {
    /// Master file with its records, or - for standard input
    file: PathBuf,
    /// Show what would be removed and added, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove all records: a file without records is refused otherwise
    #[arg(long)]
    empty: bool,
    /// Leave less than half of the records of a name that has 10 or more, without being asked
    #[arg(long)]
    shrink: bool,
    /// Leave out what the file has of types that names here can't have
    #[arg(long)]
    skip_unsupported: bool,
}

/// Replaces all records of a name.
pub async fn replace(context: &Context, name: &str, args: &ReplaceArgs) -> Result<Report> {
    let place = Place::parse(name)?;
    let view = context.client().await?.best().await?;
    let target = target(&view, &place).await?;
    let shown = target.shown();
    if !target.name.is_apex() {
        return Err(usage_with_remedy(
            format!("{shown} has no zone of its own"),
            format!("give {}.{TLD}, with the records of {shown} in its file", target.zone_name()),
        ));
    }
    let read = zone_of_file(&target.zone_name(), &args.file, args.skip_unsupported)?;
    for note in &read.notes {
        context.output.note(note);
    }
    let zone = read.zone;
    let (before, now) = (target.zone.records(), zone.records());
    if zone.is_empty() && !args.empty {
        return Err(usage_with_remedy(
            format!("{} has no records, and {shown} has {before}: nothing was changed", args.file.display()),
            "give --empty to remove all records",
        ));
    }
    target.check_delegated(&zone)?;
    let difference = Difference::new(&target.origin(), &target.zone, &zone);
    let mut json = difference.json();
    (json["name"], json["records"]) = (shown.clone().into(), now.into());
    if difference.is_empty() {
        json["status"] = "unchanged".into();
        return Ok(Report::new(format!("{shown} has just these {now} records: nothing to do"), json));
    }
    if args.dry_run {
        json["status"] = "dry run".into();
        return Ok(Report::new(format!("{}\nnothing was sent: this was a dry run", difference.text()), json));
    }
    if context.yes && !args.shrink && !args.empty && before >= GUARDED_RECORDS_MIN && now < before.div_ceil(2) {
        return Err(usage_with_remedy(
            format!("{} has {now} records, and {shown} has {before}: nothing was changed", args.file.display()),
            "give --shrink if the file is complete; --dry-run shows the difference",
        ));
    }
    let (token, signer) = (context.token().await?, context.signer().await?);
    context.output.before_asking(&difference.text(), !context.yes);
    let held = target.more_held(&view, &signer, &zone)?;
    json["held"] = token.json(held);
    let call = names::replace_zone(&target.label, target.subdomain.as_ref(), &zone);
    let plan = Plan::new(format!("replace the {before} records of {shown} by {now}"), call)
        .holding(held)
        .detail("further deposit", token.format(held));
    let done = spend(context, &signer, plan).await?;
    Ok(done.report(&format!("{shown} has {now} records now"), json))
}
