// SPDX-License-Identifier: Apache-2.0

//! Registering a name: commit, wait, register.

use std::time::Duration;

use cairn_client::{
    chain::names::{self, Commitment, Label, Reservation, Zone, TLD},
    Call,
};
use serde_json::json;

use super::{
    label::{look_alike, shown, unicode, Place as Named},
    pending::{Pending, Place},
    price::{counted, limit, wrong_years},
    records::RecordArgs,
};
use crate::{
    commands::chain::human,
    context::{Context, Signer},
    failure::{failed, refused, usage, usage_with_remedy, Result},
    keystore::random,
    output::Report,
    spend::{spend, Plan},
};

/// How often the chain is looked at while a commitment ripens.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Blocks that the registration is sent after the commitment is old enough, so that a block made on a fork that lags by
/// one takes it too.
const MARGIN_BLOCKS: u32 = 1;
/// A year that is shorter than this is none of the calendar.
const SHORTEST_YEAR: Duration = Duration::from_secs(360 * 86_400);

/// Registers a name, or goes on where that was stopped.
pub async fn register(
    context: &Context,
    name: &str,
    years: Option<u8>,
    max_price: Option<&str>,
    records: &RecordArgs,
    restart: bool,
) -> Result<Report> {
    let label = Named::label(name)?;
    unicode(&label)?;
    if let Some(warning) = look_alike(&label) {
        context.output.warn(&warning);
    }
    if !context.settings.wait.value {
        return Err(usage("--no-wait has no sense here: registering is two transactions with a wait between them"));
    }
    let token = context.token().await?;
    let signer = context.signer().await?;
    let client = context.client().await?;
    let genesis = client.genesis_hash();
    let place = Place::new(&context.settings.keystore.value, &genesis, &label, &signer.account);
    let begun = if restart { None } else { place.load()? };
    let resumed = begun.is_some();
    let (pending, zone) = match begun {
        Some(pending) => go_on(&label, pending, years, records)?,
        None => {
            let read = records.zone(&label)?;
            for note in &read.notes {
                context.output.note(note);
            }
            let zone = read.zone;
            let mut pending = Pending::new(&genesis, &label, &signer.account, years.unwrap_or(1), random()?, &zone);
            pending.set_max_price(max_price);
            (pending, zone)
        },
    };
    let years = pending.years();
    let salt = pending.salt().ok_or_else(|| usage("the salt is broken"))?;

    let view = client.best().await?;
    if let Some(found) = view.resolve_name(&label).await? {
        if found.owner == signer.account {
            // What the best block says may still be undone.
            let sure = client.finalized().await?.resolve_name(&label).await?;
            if sure.is_some_and(|found| found.owner == signer.account) {
                place.forget()?;
                if resumed {
                    // The run before was stopped between the registration and the news of it.
                    let json = json!({
                        "status": "finalized", "name": label.as_str(),
                        "owner": context.address(&signer.account).await?, "years": years,
                        "expires_at_block": found.expires_at_block, "records": zone.records(),
                    });
                    return Ok(Report::new(format!("{label}.{TLD} was registered by an earlier run of this"), json));
                }
            }
            return Err(refused(
                "Names::NotAvailable",
                format!("{label}.{TLD} is yours already"),
                format!("`cairn name show {label}` shows it"),
            ));
        }
        let owner = context.address(&found.owner).await?;
        return Err(refused("Names::NotAvailable", format!("{label}.{TLD} belongs to {owner}"), "choose another name"));
    }
    match view.reservation(&label).await? {
        Some(Reservation::For(account)) if account == signer.account => {},
        Some(_) => {
            return Err(refused("Names::LabelReserved", format!("{label}.{TLD} is kept back"), "choose another name"));
        },
        None => {},
    }
    let price = view.name_price(&label, years).await?.ok_or_else(|| wrong_years(&label, years))?;
    let max_price = limit(&token, price, max_price.or(pending.max_price()))?;
    let records_deposit = view.records_deposit(&zone)?;
    let age = view.commitment_age()?;
    let hash = names::commitment_hash(&genesis, &label, &signer.account, years, &salt, &zone);
    let commitments = view.commitments(&signer.account).await?;
    let now = view.block_number_u32();
    let (over, open): (Vec<_>, Vec<_>) = commitments.into_iter().partition(|(_, found)| found.is_over(age, now));
    let committed = open.iter().any(|(found, _)| *found == hash);

    let wait = view.block_time()?.saturating_mul(age.min_blocks.saturating_add(MARGIN_BLOCKS));
    let what = format!("register {label}.{TLD} for {} ({} from now)", counted(years), human(wait));
    if !committed {
        // Durable before anything is sent: without its salt a commitment is worth nothing.
        place.store(&pending)?;
        let deposit = view.commitment_deposit()?;
        // Those that have become too old stand in the way of no more than 16, and of this one if it was among them.
        let calls = over.iter().map(|(old, _)| names::purge_commitment(&signer.account, old));
        let call = Call::batch(calls.chain([names::commit(&hash)]));
        let plan = Plan::new(format!("{what}; first, commit to it"), call)
            // What the registration takes must be there, or committing would be for nothing. By then the commitment's own
            // deposit is free again.
            .taking(price)
            .holding(deposit.max(records_deposit))
            .detail("price", token.format(price))
            .detail("deposit for the records", token.format(records_deposit))
            .detail("deposit until then", token.format(deposit));
        spend(context, &signer, plan).await?;
    } else {
        context.output.note(&format!("{label}.{TLD} is committed to already; going on"));
    }

    ripe(context, &signer, &hash).await?;
    let plan = Plan::new(what, names::register(&label, years, &salt, &zone, max_price))
        .taking(price)
        .holding(records_deposit)
        .detail("price", token.format(price))
        .detail("deposit for the records", token.format(records_deposit));
    // Asked before, unless this is where an earlier run was stopped.
    let plan = if committed { plan } else { plan.asked() };
    let done = spend(context, &signer, plan).await?;
    place.forget()?;
    let until = done.receipt.as_ref().and_then(|receipt| receipt.event("Names", "Registered")?.number("expires_at"));
    let json = json!({
        "name": label.as_str(), "owner": context.address(&signer.account).await?, "years": years,
        "price": token.json(price), "expires_at_block": until, "records": zone.records(),
    });
    let mut text = format!("registered {} for {}", shown(&label), counted(years));
    if let (Some(until), Some(receipt)) = (until, &done.receipt) {
        let blocks = until.saturating_sub(receipt.block_number.into());
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        text.push_str(&term(view.block_time()?.saturating_mul(blocks), years));
    }
    Ok(done.report(&text, json))
}

/// How long a registration lasts, where that isn't what its years say: those of test networks are shorter.
fn term(lasts: Duration, years: u8) -> String {
    let year = lasts / u32::from(years.max(1));
    if year < SHORTEST_YEAR {
        format!(", which end in {} (a year of this network lasts {})", human(lasts), human(year))
    } else {
        String::new()
    }
}

/// What was begun, if it is what is asked for now.
fn go_on(label: &Label, pending: Pending, years: Option<u8>, records: &RecordArgs) -> Result<(Pending, Zone)> {
    let zone = pending.zone().ok_or_else(|| usage("the records are broken"))?;
    let other = || {
        usage_with_remedy(
            format!("{label}.{TLD} was begun to be registered with other years or records"),
            format!("`cairn name register {label}` goes on with those; --restart begins anew"),
        )
    };
    if years.is_some_and(|years| years != pending.years()) {
        return Err(other());
    }
    if !records.is_empty() && records.zone(label)?.zone != zone {
        return Err(other());
    }
    Ok((pending, zone))
}

/// Waits until a commitment is old enough.
async fn ripe(context: &Context, signer: &Signer, hash: &[u8; 32]) -> Result<()> {
    let client = context.client().await?;
    let progress = context.output.progress("waiting for the commitment to be old enough");
    let mut said = None;
    loop {
        let view = client.best().await?;
        let age = view.commitment_age()?;
        let now = view.block_number_u32();
        let Some(Commitment { committed_at: made_at }) = view.commitment(&signer.account, hash).await? else {
            return Err(failed(
                "the commitment is not on the chain any more",
                "run the command again: it commits anew",
            ));
        };
        let ripe_at = made_at.saturating_add(age.min_blocks).saturating_add(MARGIN_BLOCKS);
        // A transaction that is sent now is in the next block at the earliest.
        if now.saturating_add(1) >= ripe_at {
            return Ok(());
        }
        let left = ripe_at - now - 1;
        if said != Some(left) {
            progress.step(&format!(
                "committed in block #{made_at}; {left} blocks until it can be registered ({})",
                human(view.block_time()?.saturating_mul(left))
            ));
            said = Some(left);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Takes back the signer's commitments that have become too old to serve.
pub async fn purge(context: &Context) -> Result<Report> {
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let (age, now) = (view.commitment_age()?, view.block_number_u32());
    let commitments = view.commitments(&signer.account).await?;
    let open = commitments.iter().filter(|(_, found)| !found.is_over(age, now)).count();
    let over: Vec<_> = commitments.into_iter().filter(|(_, found)| found.is_over(age, now)).collect();
    let json = json!({ "purged": over.len(), "open": open });
    if over.is_empty() {
        return Ok(Report::new(format!("no commitment is too old; {open} are open"), json));
    }
    let calls = over.iter().map(|(hash, _)| names::purge_commitment(&signer.account, hash));
    let what = format!("take back {} commitments that are too old", over.len());
    let done = spend(context, &signer, Plan::new(what, Call::batch(calls))).await?;
    Ok(done.report(&format!("took back {} commitments; {open} are open", over.len()), json))
}
