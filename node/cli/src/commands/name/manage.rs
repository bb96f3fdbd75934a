// SPDX-License-Identifier: Apache-2.0

//! Who has a name.

use cairn_client::chain::names::{self, TLD};
use serde_json::json;

use super::{label::Place, price::not_registered};
use crate::{
    context::Context,
    failure::{refused, usage, Result},
    output::Report,
    spend::{spend, Plan},
};

/// Offers a name to another account, or takes the offer back.
pub async fn transfer(context: &Context, name: &str, to: Option<&str>) -> Result<Report> {
    let label = Place::label(name)?;
    let signer = context.signer().await?;
    let receiver = context.resolve_any(to).await?;
    let shown = context.address_of(receiver.as_ref()).await?;
    let (what, text) = match &shown {
        Some(shown) => (
            format!("offer {label}.{TLD} to {shown}, who has it once it accepts"),
            format!("offered {label}.{TLD} to {shown}: `cairn name accept {label}` takes it"),
        ),
        None => (format!("take back the offer of {label}.{TLD}"), format!("{label}.{TLD} is offered to nobody")),
    };
    let done = spend(context, &signer, Plan::new(what, names::propose_transfer(&label, receiver.as_ref()))).await?;
    Ok(done.report(&text, json!({ "name": label.as_str(), "to": shown })))
}

/// Accepts a name that was offered.
pub async fn accept(context: &Context, name: &str) -> Result<Report> {
    let label = Place::label(name)?;
    let token = context.token().await?;
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let (found, registration) = view.name(&label).await?.ok_or_else(|| not_registered(&label))?;
    if registration.pending_transfer != Some(signer.account) {
        return Err(refused(
            "Names::NotAuthorized",
            format!("{label}.{TLD} is not offered to {}", context.address(&signer.account).await?),
            format!("its owner offers it with `cairn name transfer {label} ADDRESS`"),
        ));
    }
    // What is held of the former owner: for the name's own records, and for each subdomain with an owner of its own.
    let delegations = found.zones.len().saturating_sub(1);
    let held = view
        .entry_deposit()?
        .saturating_mul(u128::try_from(delegations).unwrap_or(u128::MAX))
        .saturating_add(registration.zone_deposit);
    let plan = Plan::new(format!("accept {label}.{TLD}"), names::accept_transfer(&label))
        .holding(held)
        .detail("deposits", token.format(held));
    let done = spend(context, &signer, plan).await?;
    let json = json!({ "name": label.as_str(), "owner": context.address(&signer.account).await? });
    Ok(done.report(&format!("{label}.{TLD} is yours"), json))
}

/// Names an account that may set the records, or nobody.
pub async fn manager(context: &Context, name: &str, manager: Option<&str>) -> Result<Report> {
    let label = Place::label(name)?;
    let signer = context.signer().await?;
    let manager = context.resolve_any(manager).await?;
    let shown = context.address_of(manager.as_ref()).await?;
    let text = match &shown {
        Some(shown) => format!("{shown} may set the records of {label}.{TLD}"),
        None => format!("nobody but its owner may set the records of {label}.{TLD}"),
    };
    let done = spend(context, &signer, Plan::new(text.clone(), names::set_manager(&label, manager.as_ref()))).await?;
    Ok(done.report(&text, json!({ "name": label.as_str(), "manager": shown })))
}

/// Gives a name up.
pub async fn release(context: &Context, name: &str) -> Result<Report> {
    let label = Place::label(name)?;
    let signer = context.signer().await?;
    let question = format!("Give up {label}.{TLD}? Anybody may have it then.");
    if !context.output.confirm(&question, context.yes)? {
        return Err(usage("nothing was done"));
    }
    let done =
        spend(context, &signer, Plan::new(format!("give up {label}.{TLD}"), names::release(&label)).asked()).await?;
    Ok(done.report(&format!("{label}.{TLD} is anybody's"), json!({ "name": label.as_str() })))
}

/// Says which name the account goes by.
pub async fn primary(context: &Context, name: Option<&str>) -> Result<Report> {
    let label = name.map(Place::label).transpose()?;
    let signer = context.signer().await?;
    let address = context.address(&signer.account).await?;
    let text = match &label {
        Some(label) => format!("{address} goes by {label}.{TLD}"),
        None => format!("{address} goes by no name"),
    };
    let (view, token) = (context.client().await?.best().await?, context.token().await?);
    let has_one = view.has_primary_name(&signer.account).await?;
    let held = if label.is_some() && !has_one { view.entry_deposit()? } else { 0 };
    let plan =
        Plan::new(text.clone(), names::set_primary(label.as_ref())).holding(held).detail("deposit", token.format(held));
    let done = spend(context, &signer, plan).await?;
    let json = json!({ "account": address, "name": label.as_ref().map(|label| label.as_str()) });
    Ok(done.report(&text, json))
}

/// Gives a subdomain to another account, or takes it back.
pub async fn subdomain(context: &Context, name: &str, owner: Option<&str>) -> Result<Report> {
    let (label, subdomain) = Place::subdomain(name)?;
    let signer = context.signer().await?;
    let shown_name = format!("{subdomain}.{label}.{TLD}");
    let receiver = context.resolve_any(owner).await?;
    let owner = context.address_of(receiver.as_ref()).await?;
    let (call, text) = match (&receiver, &owner) {
        (Some(receiver), Some(owner)) => {
            (names::set_subdomain_owner(&label, &subdomain, receiver), format!("{shown_name} belongs to {owner} now"))
        },
        _ => (
            names::revoke_subdomain(&label, &subdomain),
            format!("{shown_name} belongs to the owner of {label}.{TLD} again"),
        ),
    };
    let (view, token) = (context.client().await?.best().await?, context.token().await?);
    let found = view.resolve_name(&label).await?.ok_or_else(|| not_registered(&label))?;
    let is_new = !found.zones.iter().any(|zone| zone.subdomain.as_ref() == Some(&subdomain));
    // The owner's, also when the manager calls.
    let held = if owner.is_some() && is_new && found.owner == signer.account { view.entry_deposit()? } else { 0 };
    let plan = Plan::new(text.clone(), call).holding(held).detail("deposit", token.format(held));
    let done = spend(context, &signer, plan).await?;
    Ok(done.report(&text, json!({ "name": shown_name, "owner": owner })))
}
