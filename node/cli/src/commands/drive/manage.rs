// SPDX-License-Identifier: Apache-2.0

//! Paying for drives, sizing and ending them.

use cairn_client::chain::storage::{self, rate_per_block, Drive, UNIT_BYTES};
use cairn_drive::{keys::SealingKey, Witnessed};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    create::{check_name, wait_for_group},
    place::{find, StateDir},
};
use crate::{
    context::Context,
    failure::{refused, usage, usage_with_remedy, Result},
    output::Report,
    size,
    spend::{spend, Plan},
};

/// A drive as the best block shows it.
pub async fn on_chain(context: &Context, id: u64) -> Result<Drive> {
    let found = context.client().await?.best().await?.drive(id).await?;
    found.ok_or_else(|| {
        refused(
            "Storage::DriveUnknown",
            format!("there is no drive {id}, or no more"),
            "`cairn drive list` shows the drives",
        )
    })
}

/// Pays into a drive's escrow.
pub async fn top_up(context: &Context, drive: &str, amount: &str, state: &StateDir) -> Result<Report> {
    let id = find(context, Some(drive), state).await?;
    let token = context.token().await?;
    let amount = token.parse(amount)?;
    if amount == 0 {
        return Err(usage("nothing would be paid: give an amount above 0"));
    }
    let signer = context.signer().await?;
    let before = on_chain(context, id).await?;
    let plan = Plan::new(format!("pay {} for drive {id}", token.format(amount)), storage::top_up(id, amount))
        .taking(amount)
        .detail("escrow before", token.format(before.escrow));
    let done = spend(context, &signer, plan).await?;
    let escrow = done.receipt.as_ref().and_then(|receipt| receipt.event("Storage", "ToppedUp")?.number("to"));
    let json = json!({ "drive": id, "amount": token.json(amount), "escrow": escrow.map(|escrow| token.json(escrow)) });
    Ok(done.report(&format!("paid {} for drive {id}", token.format(amount)), json))
}

/// Changes how much a drive may hold.
pub async fn resize(context: &Context, drive: &str, capacity: &str, state: &StateDir) -> Result<Report> {
    let id = find(context, Some(drive), state).await?;
    let before = on_chain(context, id).await?;
    let units = size::parse_bytes(capacity)? / (UNIT_BYTES as u64 * u64::from(before.coding.data()));
    let held = before.units - before.trimmed_units;
    if units < held {
        return Err(refused(
            "Storage::CapacityInvalid",
            format!("drive {id} holds {} in each slot", size::format_units(held)),
            "`cairn drive trim` gives up old versions",
        ));
    }
    let token = context.token().await?;
    let signer = context.signer().await?;
    let terms = context.client().await?.best().await?.storage_terms().await?;
    let full = rate_per_block(before.price, units, terms.period_blocks).saturating_mul(before.coding.slots().into());
    let per_period = full.saturating_mul(terms.period_blocks.into());
    let plan = Plan::new(format!("let drive {id} hold {capacity}"), storage::resize(id, units))
        .detail("cost when full", format!("{} in {} blocks", token.format(per_period), terms.period_blocks));
    let done = spend(context, &signer, plan).await?;
    let json = json!({ "drive": id, "from_units": before.capacity_units, "to_units": units });
    Ok(done.report(&format!("drive {id} may hold {capacity}"), json))
}

/// Has the vaults of slots replaced, before anything is stored.
pub async fn redraw(context: &Context, drive: &str, slots: &[u8], state: &StateDir) -> Result<Report> {
    let id = find(context, Some(drive), state).await?;
    let before = on_chain(context, id).await?;
    if before.version > 0 {
        return Err(refused(
            "Storage::DriveCommitted",
            format!("drive {id} holds something already"),
            "the chain itself replaces vaults that are behind with what is stored: `cairn drive status` shows them",
        ));
    }
    let count = before.coding.slots();
    if let Some(slot) = slots.iter().find(|slot| **slot >= count) {
        return Err(usage(format!("drive {id} has no slot {slot}: its slots are 0 to {}", count - 1)));
    }
    let signer = context.signer().await?;
    let plan = Plan::new(format!("have {} vaults of drive {id} replaced", slots.len()), storage::redraw(id, slots));
    let done = spend(context, &signer, plan).await?;
    if done.receipt.is_some() {
        wait_for_group(context.client().await?, id, before.coding).await?;
    }
    let text = format!("drive {id} has other vaults in {} slots: `cairn drive status {id}` shows them", slots.len());
    Ok(done.report(&text, json!({ "drive": id, "slots": slots })))
}

/// Ends a drive.
pub async fn close(context: &Context, drive: &str, state: &StateDir) -> Result<Report> {
    let id = find(context, Some(drive), state).await?;
    let before = on_chain(context, id).await?;
    let token = context.token().await?;
    let signer = context.signer().await?;
    let question = format!("End drive {id}? Everything in it is gone then.");
    if !context.output.confirm(&question, context.yes)? {
        return Err(usage("nothing was done"));
    }
    let plan = Plan::new(format!("end drive {id}"), storage::close(id))
        .asked()
        .detail("comes back", token.format(before.escrow.saturating_add(before.deposit)));
    let done = spend(context, &signer, plan).await?;
    if done.receipt.is_some() {
        state.registry(&context.client().await?.genesis_hash().0)?.forget(id)?;
    }
    Ok(done.report(&format!("drive {id} has ended"), json!({ "drive": id, "escrow": token.json(before.escrow) })))
}

/// Says which drive `drive:` means.
pub async fn default(context: &Context, drive: &str, state: &StateDir) -> Result<Report> {
    let id = find(context, Some(drive), state).await?;
    let signer = context.signer().await?;
    let owner = on_chain(context, id).await?.owner;
    let whose = match owner == signer.account {
        true => String::new(),
        false => format!(", which is {}'s", context.address(&owner).await?),
    };
    state.registry(&context.client().await?.genesis_hash().0)?.set_default(&signer.account.0, id)?;
    Ok(Report::new(format!("`drive:` is drive {id}{whose} for {}", signer.name), json!({ "drive": id })))
}

/// Calls a drive of somebody else by a name.
pub async fn add(context: &Context, id: u64, name: &str, state: &StateDir) -> Result<Report> {
    check_name(name)?;
    let drive = on_chain(context, id).await?;
    let signer = context.signer().await?;
    if drive.owner == signer.account {
        return Err(usage(format!("drive {id} is {}'s own, and has the name that it was made with", signer.name)));
    }
    let client = context.client().await?;
    let mut registry = state.registry(&client.genesis_hash().0)?;
    let others = registry.by_name(name).into_iter().chain(registry.added_by_name(name));
    if let Some(other) = others.filter(|other| *other != id).min() {
        return Err(usage_with_remedy(
            format!("drive {other} is called {name} already"),
            format!("choose another name; or `cairn drive forget {other}`"),
        ));
    }
    registry.add(id, name)?;
    let owner = context.address(&drive.owner).await?;
    let json = json!({ "drive": id, "name": name, "owner": owner });
    Ok(Report::new(format!("`{name}:` is drive {id}, which is {owner}'s"), json))
}

/// Forgets what is known of a drive here.
pub async fn forget(context: &Context, id: u64, key_generation: Option<u32>, state: &StateDir) -> Result<Report> {
    let mut registry = state.registry(&context.client().await?.genesis_hash().0)?;
    match key_generation {
        Some(key_generation) => registry.note_seen(id, Witnessed { version: 0, key_generation })?,
        None => registry.forget(id)?,
    }
    let text = match key_generation {
        Some(generation) => format!("the key of drive {id} is taken to be of generation {generation}"),
        None => format!("what was known of drive {id} is forgotten"),
    };
    Ok(Report::new(text, json!({ "drive": id, "key_generation": key_generation })))
}

/// Publishes the account's sealing key.
pub async fn publish_key(context: &Context) -> Result<Report> {
    let signer = context.signer().await?;
    let key = context.unlock(&signer)?;
    let public = SealingKey::of_account(&Zeroizing::new(key.to_expanded_secret())).public();
    let json =
        json!({ "account": context.address(&signer.account).await?, "key": format!("0x{}", hex::encode(public)) });
    let text = format!("others can share drives with {}", signer.name);
    if context.client().await?.best().await?.sealing_key(&signer.account).await? == Some(public) {
        return Ok(Report::new(format!("{text} already"), json));
    }
    let plan = Plan::new("publish the key that others share their drives with", storage::publish_key(&public));
    let done = spend(context, &signer, plan).await?;
    Ok(done.report(&text, json))
}
