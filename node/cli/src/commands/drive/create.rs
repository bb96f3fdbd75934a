// SPDX-License-Identifier: Apache-2.0

//! Making a drive.

use std::time::{Duration, Instant};

use cairn_client::{
    chain::{
        storage::{self, rate_per_block, Coding, Terms, Visibility, UNIT_BYTES},
        vaults::VaultStatus,
    },
    Client, View,
};
use cairn_drive::manifest::NAME_BYTES_MAX;
use serde_json::json;

use super::place::StateDir;
use crate::{
    commands::chain::human,
    context::Context,
    failure::{refused, usage, usage_with_remedy, Result},
    output::Report,
    size,
    spend::{spend, Plan},
};

/// Vaults that are looked at for a price.
const VAULTS_MAX: usize = 20_000;
/// How long the draw of a drive's vaults is waited for: some blocks.
const GROUP_WAIT: Duration = Duration::from_secs(60);
/// Millionths in a whole.
const WHOLE_PPM: u128 = 1_000_000;
const DAY_SECONDS: u64 = 86_400;

/// A drive to make.
#[derive(clap::Args, Debug)]
pub struct Create {
    /// What to call it
    name: Option<String>,
    /// What it may hold, like 10GiB
    #[arg(long, value_name = "SIZE")]
    capacity: String,
    /// How each byte is kept: 1/4, 2/8, 4/16 or 8/32
    #[arg(long, value_name = "K/N", default_value = "1/4")]
    coding: String,
    /// Coins for a GiB of a slot and a period [default: the lowest at which there are enough vaults]
    #[arg(long, value_name = "AMOUNT")]
    price: Option<String>,
    /// Coins to pay in
    #[arg(long, value_name = "AMOUNT", conflicts_with = "days")]
    escrow: Option<String>,
    /// Pay in for so many days with the drive full [default: 30]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    days: Option<u32>,
    #[command(flatten)]
    state: StateDir,
}

/// Makes a drive.
pub async fn create(context: &Context, create: Create) -> Result<Report> {
    let coding = parse_coding(&create.coding)?;
    let name = create.name.as_deref().unwrap_or_default();
    check_name(name)?;
    let units = size::parse_bytes(&create.capacity)? / (UNIT_BYTES as u64 * u64::from(coding.data()));
    if units == 0 {
        return Err(usage(format!("`{}` is too little for the coding {}", create.capacity, create.coding)));
    }
    let token = context.token().await?;
    let signer = context.signer().await?;
    let client = context.client().await?;
    let view = client.best().await?;
    check_unused(&create, name, &view, &client.genesis_hash().0).await?;
    let terms = view.storage_terms().await?;
    let price = match &create.price {
        Some(price) => token.parse(price)?,
        None => lowest_price(&view, coding, units).await?,
    };
    let eligible = view.eligible_vaults(price, units).await?;
    if eligible < u32::from(coding.slots()) {
        return Err(refused(
            "Storage::NotEnoughVaults",
            format!(
                "{} vaults are needed, and {eligible} have room for {} at {} a GiB and period",
                coding.slots(),
                size::format_units(units),
                token.format(price)
            ),
            "offer more with --price, ask for less with --capacity, or take a narrower --coding",
        ));
    }
    let rate = rate_per_block(price, units, terms.period_blocks).saturating_mul(coding.slots().into());
    let block_time = view.block_time()?;
    let escrow = match &create.escrow {
        Some(escrow) => token.parse(escrow)?,
        None => {
            let seconds = u64::from(create.days.unwrap_or(30)).saturating_mul(DAY_SECONDS);
            let blocks = u128::from(seconds) * 1000 / block_time.as_millis().max(1);
            escrow_for(rate, blocks.max(u128::from(terms.period_blocks) + 1), &terms)
        },
    };
    let blocks = (escrow - escrow * u128::from(terms.reserve_ppm) / WHOLE_PPM) / rate.max(1);
    if blocks < u128::from(terms.period_blocks) {
        return Err(refused(
            "Storage::EscrowTooSmall",
            format!(
                "an escrow of {} doesn't pay a full drive for the {} blocks between two proofs",
                token.format(escrow),
                terms.period_blocks
            ),
            format!(
                "pay in {} at least, or ask for less with --capacity",
                token.format(escrow_for(rate, terms.period_blocks.into(), &terms))
            ),
        ));
    }
    let reserve = f64::from(terms.reserve_ppm) / 10_000.0;
    let lasts = block_time.saturating_mul(u32::try_from(blocks).unwrap_or(u32::MAX));
    let deposit = terms.drive_deposit.saturating_add(terms.slot_deposit.saturating_mul(coding.slots().into()));
    let shown = if name.is_empty() { String::new() } else { format!(" {name}") };
    let what = format!("make a drive{shown} for {} in {} vaults", create.capacity, coding.slots());
    let call = storage::create_drive(coding, units, price, escrow, Visibility::Private);
    let plan = Plan::new(what, call)
        .taking(escrow)
        .holding(deposit)
        .detail("price", format!("{} for a GiB of a slot and {} blocks", token.format(price), terms.period_blocks))
        .detail(
            "escrow",
            format!(
                "{}, of which {reserve}% go to the reserve that pays for repairs; lasts {} with the drive full, longer with less",
                token.format(escrow),
                human(lasts)
            ),
        )
        .detail("deposit", token.format(deposit));
    let done = spend(context, &signer, plan).await?;
    let created = done.receipt.as_ref().and_then(|receipt| receipt.event("Storage", "DriveCreated")?.number("drive"));
    let id = created.and_then(|id| u64::try_from(id).ok());
    if let Some(id) = id {
        let mut registry = create.state.registry(&client.genesis_hash().0)?;
        // Numbers aren't given twice: what is known of it is of a chain that was begun anew.
        registry.forget(id)?;
        if !name.is_empty() {
            registry.set_name(id, name)?;
        }
    }
    if let Some(id) = id {
        wait_for_group(client, id, coding).await?;
    }
    let json = json!({
        "drive": id, "name": name, "coding": create.coding, "capacity_units": units, "slots": coding.slots(),
        "price": token.json(price), "escrow": token.json(escrow), "deposit": token.json(deposit),
    });
    let number = id.map(|id| id.to_string()).unwrap_or_default();
    Ok(done.report(&format!("made drive {number}{shown}: `cairn put FILE {number}:/` puts a file there"), json))
}

/// Waits until the chain has drawn the drive's vaults, which it does in the block after the one that made the drive.
pub async fn wait_for_group(client: &Client, id: u64, coding: Coding) -> Result<()> {
    let begun = Instant::now();
    loop {
        match client.finalized().await?.drive(id).await? {
            None => {
                return Err(refused(
                    "Vaults::NotEnoughVaults",
                    format!(
                        "fewer than {} vaults were left when they were drawn; the drive is gone, and all that was paid came back",
                        coding.slots()
                    ),
                    "try again, with a higher --price or a smaller --capacity",
                ))
            },
            Some(drive) if !drive.forming => return Ok(()),
            Some(_) if begun.elapsed() > GROUP_WAIT => {
                return Err(anyhow::anyhow!(
                    "drive {id} is made, and its vaults aren't drawn yet: `cairn drive status {id}` shows when they are"
                ))
            },
            Some(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// Whether no drive that lives has the name here: it would name neither.
async fn check_unused(create: &Create, name: &str, view: &View, genesis: &[u8; 32]) -> Result<()> {
    if name.is_empty() {
        return Ok(());
    }
    let mut registry = create.state.registry(genesis)?;
    for id in registry.by_name(name) {
        if view.drive(id).await?.is_some() {
            return Err(usage_with_remedy(
                format!("drive {id} is called {name} already"),
                "choose another name, or none; `cairn drive list` shows the drives",
            ));
        }
        registry.forget(id)?;
    }
    Ok(())
}

/// Reads `1/4`.
pub fn parse_coding(text: &str) -> Result<Coding> {
    let all = [Coding::K1, Coding::K2, Coding::K4, Coding::K8];
    let found = all.into_iter().find(|coding| format_coding(*coding) == text.trim());
    found.ok_or_else(|| usage_with_remedy(format!("`{text}` is no coding"), "there are 1/4, 2/8, 4/16 and 8/32"))
}

/// Writes `1/4`.
pub fn format_coding(coding: Coding) -> String {
    format!("{}/{}", coding.data(), coding.slots())
}

pub fn check_name(name: &str) -> Result<()> {
    let plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' '));
    if name.len() > NAME_BYTES_MAX || !plain || name == "drive" || name.parse::<u64>().is_ok() || name == "cairn" {
        return Err(usage_with_remedy(
            format!("`{name}` can't be a drive's name"),
            "use up to 64 letters, digits, dashes and dots; not a number, `drive` or `cairn`",
        ));
    }
    Ok(())
}

/// The lowest price at which there are enough vaults.
async fn lowest_price(view: &View, coding: Coding, units: u64) -> Result<u128> {
    let mut asks: Vec<u128> = Vec::new();
    for vault in view.vaults(VAULTS_MAX).await? {
        let has_room = vault.capacity_units.saturating_sub(vault.reserved_units) >= units;
        let takes_new = matches!(vault.status, VaultStatus::Probation | VaultStatus::Active) && !vault.paused;
        if has_room && takes_new {
            asks.push(vault.ask);
        }
    }
    asks.sort_unstable();
    let needed = usize::from(coding.slots());
    // Room alone doesn't make a vault eligible: the chain says which price is enough.
    for ask in asks.iter().skip(needed.saturating_sub(1)) {
        if view.eligible_vaults(*ask, units).await? >= u32::from(coding.slots()) {
            return Ok(*ask);
        }
    }
    Err(refused(
        "Storage::NotEnoughVaults",
        format!("{needed} vaults are needed, and {} have room for {}", asks.len(), size::format_units(units)),
        "ask for less with --capacity, take a narrower --coding, or wait for more vaults (`cairn vault list`)",
    ))
}

/// What to pay in so that so many blocks are paid for after the reserve's part.
fn escrow_for(rate: u128, blocks: u128, terms: &Terms) -> u128 {
    let left_ppm = WHOLE_PPM.saturating_sub(terms.reserve_ppm.into()).max(1);
    rate.saturating_mul(blocks).saturating_mul(WHOLE_PPM).div_ceil(left_ppm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_read_as_they_are_written() {
        for coding in [Coding::K1, Coding::K2, Coding::K4, Coding::K8] {
            assert_eq!(parse_coding(&format_coding(coding)).expect("a coding"), coding);
        }
        for text in ["", "4", "1/3", "3/12", "4/1"] {
            assert!(parse_coding(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_can_not_be_taken_for_something_else() {
        for name in ["", "photos", "my drive", "a-b_c.d", "ünï"] {
            check_name(name).expect(name);
        }
        for name in ["7", "drive", "cairn", "a:b", "a/b", "a\nb", &"n".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
