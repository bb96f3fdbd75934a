// SPDX-License-Identifier: Apache-2.0

//! How vaults do.

use cairn_client::chain::{
    storage::SlotState,
    vaults::{HeldSlot, Vault, VaultStatus},
};
use serde_json::{json, Value};

use super::DataDir;
use crate::{
    amount::Token,
    commands::chain::human,
    context::Context,
    failure::{refused, Result},
    output::{fields, table, Report},
    size::{format_bytes, format_units},
};

/// Slots that are shown to people.
const SLOTS_SHOWN: usize = 50;
/// Turns that the chain remembers.
const TURNS_REMEMBERED: u32 = 30;

/// Shows a vault.
pub async fn status(context: &Context, who: Option<&str>, data: &DataDir) -> Result<Report> {
    let account = context.subject(who).await?;
    let address = context.address(&account).await?;
    let token = context.token().await?;
    let view = context.client().await?.best().await?;
    let vault = view.vault(&account).await?.ok_or_else(|| {
        refused("Vaults::VaultUnknown", "this account is no vault", "`cairn vault register` makes it one")
    })?;
    let (terms, slots, challenge) =
        tokio::try_join!(view.storage_terms(), view.all_slots_of(&account), view.challenge(&account))?;
    let block = view.block_number_u32();
    let in_time = |until: u32| {
        let blocks = until.saturating_sub(block);
        Ok::<_, anyhow::Error>(format!("#{until}, in about {}", human(view.block_time()?.saturating_mul(blocks))))
    };
    let next = match &challenge {
        Some(open) => {
            format!("open: {} chunks to show until block {}", open.targets.len(), in_time(open.due_block)?)
        },
        None => format!("in block {}", in_time(vault.next_turn_block)?),
    };
    let per_period = vault.rate_per_block.saturating_mul(terms.period_blocks.into());
    let key = hex::encode(vault.service_key);
    let addresses = addresses(&vault);
    let mut rows = vec![
        ("vault", address.clone()),
        ("status", status_text(&vault)),
        ("score", score_text(&vault)),
        ("bond", format!("{}, of which {} are needed", token.format(vault.bond), token.format(vault.bond_required))),
        ("capacity", capacity_text(&vault)),
        ("ask", format!("{} a GiB and period", token.format(vault.ask))),
        ("earns", format!("{} a period for {}", token.format(per_period), format_units(vault.liable_units))),
        ("earned", format!("{} paid, {} with the next proof", token.format(vault.paid), token.format(vault.pending))),
        ("next proof", next),
        ("addresses", addresses.join(", ")),
        ("service key", key.clone()),
    ];
    let reached = cairn_vault::reach(&vault, context.client().await?.genesis_hash().0).await;
    rows.push(("reached", reached_text(&reached)));
    let folder = data.path(context);
    let disk = cairn_vault::disk(&folder);
    if let Some(disk) = &disk {
        let text = format!(
            "{} stored in {}, {} free",
            format_bytes(disk.stored_bytes),
            folder.display(),
            format_bytes(disk.free_bytes)
        );
        rows.push(("disk", text));
    }
    let mut text = fields(rows);
    if !slots.is_empty() {
        let line = |slot: &HeldSlot| {
            vec![
                slot.at.drive.to_string(),
                slot.at.slot.to_string(),
                slot_state(slot).to_string(),
                slot.version.to_string(),
                format_units(slot.units.saturating_sub(slot.trimmed_units)),
                format_units(slot.capacity_units),
            ]
        };
        let lines: Vec<_> = slots.iter().take(SLOTS_SHOWN).map(line).collect();
        text = format!("{text}\n{}", table(&["drive", "slot", "state", "version", "holds", "capacity"], &lines));
        if slots.len() > SLOTS_SHOWN {
            text = format!("{text}\nand {} more (--json shows all)", slots.len() - SLOTS_SHOWN);
        }
    }
    let mut json = vault_json(&vault, &address, &token);
    if let Some(object) = json.as_object_mut() {
        object.insert("earns_per_period".into(), token.json(per_period));
        object.insert("slots_held".into(), slots.iter().map(slot_json).collect());
        object.insert(
            "challenge".into(),
            challenge
                .map(|open| json!({ "turn_block": open.turn_block, "due_block": open.due_block, "chunks": open.targets.len(), "at_stake": token.json(open.at_stake) }))
                .into(),
        );
        object.insert(
            "disk".into(),
            disk.map(|disk| json!({ "stored_bytes": disk.stored_bytes, "free_bytes": disk.free_bytes, "total_bytes": disk.total_bytes })).into(),
        );
        let failures = reached.as_ref().err().into_iter().flatten();
        let failures: Vec<_> = failures.map(|(at, why)| json!({ "address": at, "reason": why })).collect();
        object.insert("reached".into(), json!({ "from_here": reached.is_ok(), "failures": failures }));
        object.insert("block".into(), block.into());
    }
    Ok(Report::new(text, json))
}

/// Whether the vault answers, for who runs it: its proofs are right also where nobody can read from it.
fn reached_text(reached: &Result<String, Vec<(String, String)>>) -> String {
    match reached {
        Ok(address) => format!("from here, at {address}"),
        Err(failures) if failures.is_empty() => "not at all: no address is registered".into(),
        Err(failures) => {
            let why: Vec<String> = failures.iter().map(|(at, why)| format!("{at}: {why}")).collect();
            format!("NOT from here: {}. Is it running, and does the way lead to it?", why.join("; "))
        },
    }
}

/// Lists vaults.
pub async fn list(context: &Context, limit: usize) -> Result<Report> {
    let token = context.token().await?;
    let view = context.client().await?.finalized().await?;
    let vaults = view.vaults(limit).await?;
    let (mut lines, mut json) = (Vec::new(), Vec::new());
    for vault in &vaults {
        let address = context.address(&vault.account).await?;
        lines.push(vec![
            address.clone(),
            status_text(vault),
            format!("{}%", percent(vault.score_ppm)),
            format_units(vault.capacity_units.saturating_sub(vault.reserved_units)),
            format_units(vault.capacity_units),
            token.format(vault.ask),
            vault.slots.to_string(),
        ]);
        json.push(vault_json(vault, &address, &token));
    }
    let heads = ["vault", "status", "score", "free", "capacity", "ask", "slots"];
    let text = match vaults.is_empty() {
        true => "there are no vaults".into(),
        false => table(&heads, &lines),
    };
    Ok(Report::new(text, json!({ "vaults": json, "finalized_block": view.block_number() })))
}

fn vault_json(vault: &Vault, address: &str, token: &Token) -> Value {
    json!({
        "account": address,
        "status": status_name(vault.status),
        "paused": vault.paused,
        "service_key": hex::encode(vault.service_key),
        "addresses": addresses(vault),
        "capacity_units": vault.capacity_units,
        "reserved_units": vault.reserved_units,
        "liable_units": vault.liable_units,
        "slots": vault.slots,
        "ask": token.json(vault.ask),
        "bond": token.json(vault.bond),
        "bond_required": token.json(vault.bond_required),
        "score_ppm": vault.score_ppm,
        "next_turn_block": vault.next_turn_block,
        "turns": vault.turns,
        "missed_in_row": vault.missed_in_row,
        "missed_of_last": missed(vault),
        "pending": token.json(vault.pending),
        "paid": token.json(vault.paid),
    })
}

fn slot_json(slot: &HeldSlot) -> Value {
    json!({
        "drive": slot.at.drive,
        "slot": slot.at.slot,
        "state": slot_state(slot),
        "version": slot.version,
        "units": slot.units,
        "trimmed_units": slot.trimmed_units,
        "capacity_units": slot.capacity_units,
        "disputed": slot.disputed,
        "due_block": slot.due_block,
    })
}

/// Addresses as text, safe to be shown: they are somebody else's words.
fn addresses(vault: &Vault) -> Vec<String> {
    let clean = |address: &Vec<u8>| {
        String::from_utf8_lossy(address).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
    };
    vault.addresses.iter().map(clean).collect()
}

fn status_name(status: VaultStatus) -> &'static str {
    match status {
        VaultStatus::Probation => "probation",
        VaultStatus::Active => "active",
        VaultStatus::Suspended => "suspended",
        VaultStatus::Exiting => "exiting",
        VaultStatus::Ejected => "ejected",
    }
}

fn status_text(vault: &Vault) -> String {
    let paused = if vault.paused { ", takes no new slots" } else { "" };
    format!("{}{paused}", status_name(vault.status))
}

/// The score, and what moved it.
fn score_text(vault: &Vault) -> String {
    let turns = vault.turns.min(TURNS_REMEMBERED);
    let row = match vault.missed_in_row {
        0 => String::new(),
        count => format!(", the last {count} in a row"),
    };
    format!("{}%; {} of the last {turns} proofs were missed{row}", percent(vault.score_ppm), missed(vault))
}

fn missed(vault: &Vault) -> u32 {
    vault.missed_history.count_ones()
}

fn capacity_text(vault: &Vault) -> String {
    format!(
        "{}, of which {} are reserved for drives and {} are in use ({} slots)",
        format_units(vault.capacity_units),
        format_units(vault.reserved_units),
        format_units(vault.liable_units),
        vault.slots
    )
}

/// Millionths as a percentage with two places.
fn percent(ppm: u32) -> String {
    format!("{}.{:02}", ppm / 10_000, ppm % 10_000 / 100)
}

fn slot_state(slot: &HeldSlot) -> &'static str {
    match (slot.successor, slot.state, slot.disputed) {
        (true, ..) => "rebuilding",
        (_, _, true) => "disputed",
        (_, SlotState::Healthy, _) => "healthy",
        (_, SlotState::Behind, _) => "behind",
        (_, SlotState::Empty, _) => "empty",
    }
}
