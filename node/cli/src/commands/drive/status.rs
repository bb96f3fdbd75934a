// SPDX-License-Identifier: Apache-2.0

//! How drives and their vaults fare.

use std::time::Duration;

use cairn_client::{
    chain::storage::{Drive, Role, Slot, SlotState, Visibility, UNIT_BYTES},
    View,
};
use serde_json::{json, Value};

use super::{
    create::format_coding,
    manage::on_chain,
    place::{find, StateDir},
};
use crate::{
    amount::Token,
    commands::chain::human,
    context::Context,
    failure::Result,
    output::{fields, table, Report},
    size::format_bytes,
};

/// Data that so many units of each slot hold.
fn data_bytes(drive: &Drive, units: u64) -> u64 {
    units.saturating_mul(UNIT_BYTES as u64).saturating_mul(drive.coding.data().into())
}

/// Lists the drives of an account.
pub async fn list(context: &Context, state: &StateDir) -> Result<Report> {
    let signer = context.signer().await?;
    let client = context.client().await?;
    let view = client.best().await?;
    let registry = state.registry(&client.genesis_hash().0)?;
    let own = view.drives_of(&signer.account).await?;
    // The grant of a drive that was given to the account holds its former owner's key, and shares nothing.
    let mut granted = view.granted_to(&signer.account).await?;
    granted.retain(|id| !own.contains(id));
    let (mut rows, mut list) = (Vec::new(), Vec::new());
    for (id, is_own) in own.into_iter().map(|id| (id, true)).chain(granted.into_iter().map(|id| (id, false))) {
        let Some(drive) = view.drive(id).await? else { continue };
        let name = if is_own { registry.name(id) } else { registry.added(id) }.unwrap_or_default();
        let owner = context.address(&drive.owner).await?;
        let used = data_bytes(&drive, drive.units - drive.trimmed_units);
        let capacity = data_bytes(&drive, drive.capacity_units);
        let healthy = drive.slots.iter().filter(|slot| slot.state == SlotState::Healthy).count();
        rows.push(vec![
            id.to_string(),
            name.into(),
            format_coding(drive.coding),
            format!("{} of {}", format_bytes(used), format_bytes(capacity)),
            format!("{healthy} of {}", drive.slots.len()),
            ends(&drive, view.block_number_u32(), view.block_time()?),
            if is_own { "own".into() } else { format!("{owner}'s") },
        ]);
        list.push(json!({
            "drive": id, "name": name, "own": is_own, "owner": owner, "coding": format_coding(drive.coding), "version": drive.version,
            "used_bytes": used, "capacity_bytes": capacity, "healthy_slots": healthy, "dry_block": drive.dry_block,
        }));
    }
    let text = if rows.is_empty() {
        format!("{} has no drive: `cairn drive create --capacity 1GiB` makes one", signer.name)
    } else {
        table(&["drive", "name", "coding", "used", "healthy", "paid for", ""], &rows)
    };
    Ok(Report::new(text, json!({ "drives": list })))
}

/// For how long a drive is paid for.
fn ends(drive: &Drive, now: u32, block_time: std::time::Duration) -> String {
    match drive.dry_block {
        Some(block) => human(block_time.saturating_mul(block.saturating_sub(now))),
        None => "costs nothing yet".into(),
    }
}

/// Shows a drive.
pub async fn status(context: &Context, drive: Option<&str>, state: &StateDir) -> Result<Report> {
    let id = find(context, drive, state).await?;
    let drive = on_chain(context, id).await?;
    let client = context.client().await?;
    let view = client.best().await?;
    let token = context.token().await?;
    let terms = view.storage_terms().await?;
    let registry = state.registry(&client.genesis_hash().0)?;
    let (now, block_time) = (view.block_number_u32(), view.block_time()?);
    let name = registry.added(id).or(registry.name(id)).unwrap_or_default();
    let owner = context.address(&drive.owner).await?;
    let held = drive.units - drive.trimmed_units;
    let per_period = drive.rate_per_block.saturating_mul(terms.period_blocks.into());
    let rows = vec![
        ("drive", if name.is_empty() { id.to_string() } else { format!("{id}, {name}") }),
        ("owner", owner.clone()),
        (
            "coding",
            format!(
                "{}: any {} of {} slots are enough",
                format_coding(drive.coding),
                drive.coding.data(),
                drive.slots.len()
            ),
        ),
        (
            "used",
            format!(
                "{} of {}",
                format_bytes(data_bytes(&drive, held)),
                format_bytes(data_bytes(&drive, drive.capacity_units))
            ),
        ),
        ("version", drive.version.to_string()),
        (
            "readable by",
            match drive.visibility {
                Visibility::Public(_) => "everybody".into(),
                Visibility::Private => "its owner, and whom it is shared with".into(),
            },
        ),
        (
            "cost",
            format!(
                "{} in {} blocks ({})",
                token.format(per_period),
                terms.period_blocks,
                human(block_time.saturating_mul(terms.period_blocks))
            ),
        ),
        ("paid so far", token.format(drive.spent)),
        ("escrow", token.format(drive.escrow)),
        ("paid for", ends(&drive, now, block_time)),
        ("deposit", token.format(drive.deposit)),
    ];
    let mut grants = view.grants_of(id).await?;
    grants.retain(|(account, _)| *account != drive.owner);
    let (mut shared, mut shared_json) = (Vec::new(), Vec::new());
    for (account, grant) in &grants {
        let address = context.address(account).await?;
        let (role, may) = match grant.role {
            Role::Reader => ("reader", "reads"),
            Role::Writer => ("writer", "reads and writes"),
        };
        let until = match grant.until_block {
            Some(block) if block < now => format!("ended with block #{block}"),
            Some(block) => format!("until block #{block}"),
            None => String::new(),
        };
        shared.push(vec![address.clone(), may.into(), until]);
        shared_json.push(json!({ "account": address, "role": role, "until_block": grant.until_block }));
    }
    let reached = reached(context, &view, &drive).await?;
    let (mut slots, mut slots_json) = (Vec::new(), Vec::new());
    for (number, slot) in drive.slots.iter().enumerate() {
        let vault = context.address_of(slot.vault.as_ref()).await?;
        slots.push(vec![
            number.to_string(),
            slot_state(slot).into(),
            slot.proven_block.map_or("never".into(), |block| ago(block, now, block_time)),
            reached[number].map_or("", |reached| if reached { "yes" } else { "no" }).into(),
            vault.clone().unwrap_or_else(|| "nobody".into()),
        ]);
        slots_json.push(slot_json(number, slot, vault.as_deref(), reached[number]));
    }
    let mut text = format!("{}\n{}", fields(rows), table(&["slot", "state", "last proof", "reached", "vault"], &slots));
    if !shared.is_empty() {
        text += "\n";
        text += &table(&["shared with", "which", ""], &shared);
    }
    let json = json!({
        "drive": id, "name": name, "owner": owner, "coding": format_coding(drive.coding), "version": drive.version,
        "units": drive.units, "trimmed_units": drive.trimmed_units, "capacity_units": drive.capacity_units,
        "public": matches!(drive.visibility, Visibility::Public(_)), "key_generation": drive.key_generation,
        "price": token.json(drive.price), "escrow": token.json(drive.escrow), "deposit": token.json(drive.deposit),
        "cost_per_period": token.json(per_period), "cost_so_far": token.json(drive.spent), "dry_block": drive.dry_block,
        "cost_ahead": ahead(&drive, now, &token), "slots": slots_json, "shared_with": shared_json,
    });
    Ok(Report::new(text, json))
}

/// What the drive will have paid when its escrow ends, if nothing changes.
fn ahead(drive: &Drive, now: u32, token: &Token) -> Value {
    let blocks = drive.dry_block.map_or(0, |block| block.saturating_sub(now));
    token.json(drive.rate_per_block.saturating_mul(blocks.into()).min(drive.escrow))
}

fn ago(block: u32, now: u32, block_time: std::time::Duration) -> String {
    format!("#{block}, {} ago", human(block_time.saturating_mul(now.saturating_sub(block))))
}

fn slot_state(slot: &Slot) -> &'static str {
    match (slot.state, slot.disputed, slot.leaving, &slot.successor) {
        (_, true, _, _) => "disputed",
        (SlotState::Empty, _, _, Some(_)) => "being rebuilt",
        (SlotState::Empty, _, _, None) => "empty",
        (SlotState::Behind, _, _, _) => "behind",
        (SlotState::Healthy, _, true, _) => "healthy, leaving",
        (SlotState::Healthy, _, false, _) => "healthy",
    }
}

/// How long a vault is given to answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Whether each slot's vault answers, from here; nothing of a slot without one. All are asked at the same time.
async fn reached(context: &Context, view: &View, drive: &Drive) -> Result<Vec<Option<bool>>> {
    let genesis = context.client().await?.genesis_hash().0;
    let asked = drive.slots.iter().map(|slot| async {
        let Some(account) = &slot.vault else { return Ok(None) };
        let Some(vault) = view.vault(account).await? else { return Ok(Some(false)) };
        let reached = tokio::time::timeout(ANSWER_MAX, cairn_vault::reach(&vault, genesis)).await;
        Ok::<_, cairn_client::Error>(Some(matches!(reached, Ok(Ok(_)))))
    });
    Ok(futures::future::try_join_all(asked).await?)
}

fn slot_json(number: usize, slot: &Slot, vault: Option<&str>, reached: Option<bool>) -> Value {
    json!({
        "slot": number, "vault": vault, "state": slot_state(slot), "proven_block": slot.proven_block,
        "leaving": slot.leaving, "disputed": slot.disputed, "reached": reached,
        "root": format!("0x{}", hex::encode(slot.root)),
    })
}
