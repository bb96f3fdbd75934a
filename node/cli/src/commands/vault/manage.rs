// SPDX-License-Identifier: Apache-2.0

//! Becoming a vault, changing it, leaving.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use cairn_client::{
    chain::{
        storage::{leave_slots, SlotAt, Terms, UNIT_BYTES},
        vaults::{self, Vault, VaultStatus, ADDRESSES_MAX, ADDRESS_BYTES_MAX},
    },
    AccountId, Call, View,
};
use serde_json::json;

use super::{DataDir, Offer, Update};
use crate::{
    context::Context,
    failure::{failed, refused, usage, usage_with_remedy, Result},
    output::Report,
    size::{format_bytes, format_units, parse_units},
    spend::{spend, Plan},
};

/// Slots that one call can leave.
const LEAVE_MAX: usize = 64;

/// Makes the account a vault.
pub async fn register(context: &Context, offer: &Offer, bond: &str, data: &DataDir) -> Result<Report> {
    let token = context.token().await?;
    let (capacity, ask) = (parse_units(&offer.capacity)?, token.parse(&offer.ask)?);
    check_addresses(&offer.address)?;
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    if view.vault(&signer.account).await?.is_some() {
        return Err(refused(
            "Vaults::VaultExists",
            "this account is a vault already",
            "`cairn vault update` changes it",
        ));
    }
    let terms = view.storage_terms().await?;
    let least = least_bond(&terms, capacity);
    let bond = match bond.trim() {
        "auto" => least,
        text => token.parse(text)?,
    };
    if bond < terms.bond_min {
        return Err(refused(
            "Vaults::BondTooSmall",
            format!("the least bond is {}", token.format(terms.bond_min)),
            "bond more, or give --bond auto",
        ));
    }
    if bond < least {
        context.output.warn(&format!(
            "all of the capacity takes a bond of {}: with {} a part of it stays unused",
            token.format(least),
            token.format(bond)
        ));
    }
    let folder = data.path(context);
    let key = open_key(&folder)?;
    warn_of_disk(context, &folder, capacity);
    warn_of_addresses(context, &offer.address).await;
    let what = format!(
        "offer {} for {} a GiB and period, with {} at stake",
        format_units(capacity),
        token.format(ask),
        token.format(bond)
    );
    let call = vaults::register(capacity, ask, &offer.address, &key, bond);
    let plan = Plan::new(what, call).holding(bond).detail("service key", hex::encode(key));
    let done = spend(context, &signer, plan).await?;
    let json = json!({
        "capacity_units": capacity,
        "ask": token.json(ask),
        "bond": token.json(bond),
        "addresses": offer.address,
        "service_key": hex::encode(key),
        "data": folder.display().to_string(),
    });
    Ok(done.report("registered; `cairn vault run` keeps what drives bring", json))
}

/// How long an address is given to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Warns of addresses that others can't reach, as far as that can be seen from here.
async fn warn_of_addresses(context: &Context, addresses: &[String]) {
    for address in addresses {
        let found: Vec<SocketAddr> = match tokio::net::lookup_host(address).await {
            Ok(found) => found.collect(),
            Err(error) => {
                context.output.warn(&format!("{address} leads nowhere: {error}; drives would not find the vault"));
                continue;
            },
        };
        if !found.is_empty() && found.iter().all(|at| is_private(at.ip())) {
            context.output.warn(&format!(
                "{address} is an address of a private network: nobody outside of it reaches the vault there"
            ));
        }
        let connecting = tokio::net::TcpStream::connect(&found[..]);
        if !matches!(tokio::time::timeout(ANSWER_MAX, connecting).await, Ok(Ok(_))) {
            context.output.warn(&format!(
                "nobody answers at {address}: once `cairn vault run` runs, see in `cairn vault status` whether it is reached there"
            ));
        }
    }
}

/// Whether an address means something only within a network, or a machine.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let is_shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || is_shared
        },
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Warns of a capacity that the vault's disk doesn't have.
fn warn_of_disk(context: &Context, folder: &Path, capacity_units: u64) {
    let room = cairn_vault::disk(folder).map(|disk| disk.free_bytes.saturating_add(disk.stored_bytes));
    let Some(room) = room.filter(|room| capacity_units.saturating_mul(UNIT_BYTES as u64) > *room) else { return };
    context.output.warn(&format!(
        "{} are offered, and the disk below {} has room for {}: once it is full the vault takes no more, and the drives' \
         owners have paid for it (if its data go to an object store, this is no matter)",
        format_units(capacity_units),
        folder.display(),
        format_bytes(room)
    ));
}

/// Changes what is given.
pub async fn update(context: &Context, update: &Update) -> Result<Report> {
    let token = context.token().await?;
    let capacity = update.capacity.as_deref().map(parse_units).transpose()?;
    let ask = update.ask.as_deref().map(|text| token.parse(text)).transpose()?;
    let bond_more = update.bond_more.as_deref().map(|text| token.parse(text)).transpose()?;
    let unbond = update.unbond.as_deref().map(|text| token.parse(text)).transpose()?;
    let addresses = (!update.address.is_empty()).then_some(&update.address[..]);
    addresses.map_or(Ok(()), check_addresses)?;
    let key = match update.new_key {
        true => Some(open_key(&update.data.path(context))?),
        false => None,
    };
    if let Some(addresses) = addresses {
        warn_of_addresses(context, addresses).await;
    }
    let signer = context.signer().await?;
    let vault = own_vault(&context.client().await?.best().await?, &signer.account).await?;
    let mut calls = Vec::new();
    let mut changes = Vec::new();
    if let Some(amount) = bond_more {
        calls.push(vaults::bond_more(amount));
        changes.push(format!("{} more at stake", token.format(amount)));
    }
    if let Some(units) = capacity {
        warn_of_disk(context, &update.data.path(context), units);
        changes.push(format!("capacity {}", format_units(units)));
    }
    if let Some(ask) = ask {
        changes.push(format!("ask {} a GiB and period", token.format(ask)));
    }
    if let Some(addresses) = addresses {
        changes.push(format!("addresses {}", addresses.join(", ")));
    }
    if let Some(key) = &key {
        changes.push(format!("service key {}", hex::encode(key)));
    }
    if capacity.is_some() || ask.is_some() || addresses.is_some() || key.is_some() {
        calls.push(vaults::update(capacity, ask, addresses, key.as_ref()));
    }
    if let Some(amount) = unbond {
        let free = vault.bond.saturating_sub(vault.bond_required);
        if amount > free {
            return Err(refused(
                "Vaults::BondTooSmall",
                format!("{} of the bond can be taken back now", token.format(free)),
                "take less, or `cairn vault exit`",
            ));
        }
        calls.push(vaults::unbond(amount));
        changes.push(format!("{} of the bond back", token.format(amount)));
    }
    let call = match calls.len() {
        0 => return Err(usage_with_remedy("nothing is to be changed", "give --capacity, --ask, --address, ...")),
        1 => calls.remove(0),
        _ => Call::batch(calls),
    };
    let plan = Plan::new(format!("change the vault: {}", changes.join("; ")), call).holding(bond_more.unwrap_or(0));
    let done = spend(context, &signer, plan).await?;
    Ok(done.report("changed", json!({ "changes": changes })))
}

/// Takes no new slots, or takes them again.
pub async fn pause(context: &Context, paused: bool) -> Result<Report> {
    let signer = context.signer().await?;
    let vault = own_vault(&context.client().await?.best().await?, &signer.account).await?;
    let text = if paused { "take no new slots" } else { "take new slots again" };
    if vault.paused == paused {
        return Ok(Report::new(format!("nothing to do: it is set to {text}"), json!({ "paused": paused })));
    }
    let done = spend(context, &signer, Plan::new(text, vaults::set_paused(paused))).await?;
    Ok(done.report(if paused { "it takes no new slots" } else { "it takes new slots" }, json!({ "paused": paused })))
}

/// Begins to leave, or ends it.
pub async fn exit(context: &Context) -> Result<Report> {
    let token = context.token().await?;
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let vault = own_vault(&view, &signer.account).await?;
    let leaving = matches!(vault.status, VaultStatus::Exiting | VaultStatus::Ejected);
    let mut calls = Vec::new();
    if !leaving {
        calls.push(vaults::begin_exit());
    }
    if vault.slots == 0 {
        calls.push(vaults::finish_exit());
        let bond = token.format(vault.bond);
        let plan = Plan::new(format!("end the vault; its bond of {bond} comes back"), batch(calls));
        let done = spend(context, &signer, plan).await?;
        return Ok(done.report(&format!("ended; {bond} are free"), json!({ "exit": "finished", "slots": 0 })));
    }
    let staying = staying_slots(&view, &signer.account).await?;
    if staying.is_empty() && leaving {
        let text = format!("{} slots wait for others to take them over: keep the vault running", vault.slots);
        return Ok(Report::new(text, json!({ "exit": "under way", "slots": vault.slots })));
    }
    calls.extend(staying.chunks(LEAVE_MAX).map(leave_slots));
    let count = vault.slots;
    let plan = Plan::new(format!("leave: {count} slots are to be taken over by others"), batch(calls));
    let done = spend(context, &signer, plan).await?;
    let text = format!("leaving {count} slots: keep the vault running, and `cairn vault exit` again once it has none");
    Ok(done.report(&text, json!({ "exit": "begun", "slots": count })))
}

/// Slots of a vault that no successor was asked for yet.
async fn staying_slots(view: &View, account: &AccountId) -> Result<Vec<SlotAt>> {
    let mut staying = Vec::new();
    for slot in view.all_slots_of(account).await?.into_iter().filter(|slot| !slot.successor) {
        let drive = view.drive(slot.at.drive).await?;
        let leaving = drive.and_then(|drive| drive.slots.get(usize::from(slot.at.slot)).map(|slot| slot.leaving));
        if leaving == Some(false) {
            staying.push(slot.at);
        }
    }
    Ok(staying)
}

fn batch(mut calls: Vec<Call>) -> Call {
    match calls.len() {
        1 => calls.remove(0),
        _ => Call::batch(calls),
    }
}

/// The bond that so much capacity takes.
fn least_bond(terms: &Terms, capacity_units: u64) -> u128 {
    terms.bond_per_unit.saturating_mul(capacity_units.into()).max(terms.bond_min)
}

/// The account's vault.
///
/// # Errors
/// Refused if it has none.
async fn own_vault(view: &View, account: &AccountId) -> Result<Vault> {
    view.vault(account).await?.ok_or_else(|| {
        refused("Vaults::VaultUnknown", "this account is no vault", "`cairn vault register` makes it one")
    })
}

/// The public part of the key in a vault's folder, which is made if need be.
fn open_key(folder: &std::path::Path) -> Result<[u8; 32]> {
    let key = cairn_vault::open_key(folder).map_err(|error| failed(error.to_string(), "see --data"))?;
    Ok(key.public())
}

fn check_addresses(addresses: &[String]) -> Result<()> {
    if addresses.len() > ADDRESSES_MAX as usize {
        return Err(usage(format!("at most {ADDRESSES_MAX} addresses can be given")));
    }
    for address in addresses {
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        if address.len() > ADDRESS_BYTES_MAX as usize || !matches!(port, Some(Ok(1..))) {
            return Err(usage_with_remedy(
                format!("`{address}` is not an address"),
                "write it like vault.example.org:9960 or 192.0.2.1:9960",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_only_a_network_knows_are_private() {
        for (address, private) in [
            ("10.1.2.3", true),
            ("192.168.0.1", true),
            ("172.16.0.1", true),
            ("127.0.0.1", true),
            ("169.254.1.1", true),
            ("100.64.0.1", true),
            ("0.0.0.0", true),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("::ffff:10.0.0.1", true),
            ("8.8.8.8", false),
            ("100.63.0.1", false),
            ("172.32.0.1", false),
            ("2a00::1", false),
        ] {
            assert_eq!(is_private(address.parse().expect(address)), private, "{address}");
        }
    }

    #[test]
    fn addresses_have_a_host_and_a_port() {
        let check = |address: &str| check_addresses(&[address.to_string()]);
        for good in ["a:1", "192.0.2.1:9960", "[2001:db8::1]:65535", "vault.example.org:9960"] {
            check(good).expect(good);
        }
        for bad in ["", "a", ":1", "a:", "a:0", "a:65536", "a:b", &format!("{}:1", "a".repeat(127))] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check_addresses(&vec!["a:1".to_string(); 5]).is_err());
    }

    #[test]
    fn the_bond_covers_the_capacity() {
        let terms = Terms {
            period_blocks: 1,
            deadline_blocks: 1,
            proofs: 1,
            bond_per_unit: 3,
            bond_min: 100,
            drive_deposit: 0,
            slot_deposit: 0,
            grant_deposit: 0,
            dispute_deposit: 0,
            dispute_blocks: 1,
            restore_blocks: 1,
            reserve_ppm: 0,
        };
        assert_eq!(least_bond(&terms, 1), 100);
        assert_eq!(least_bond(&terms, 1000), 3000);
        assert_eq!(least_bond(&terms, u64::MAX), 3 * u128::from(u64::MAX));
    }
}
