// SPDX-License-Identifier: Apache-2.0

//! Validating, nominating, neither.

use cairn_client::{
    chain::{
        session::{self, SessionKeys},
        staking::{self, ValidatorPrefs},
    },
    AccountId, Call, Client, View,
};
use serde_json::json;

use super::bonding::bonded;
use crate::{
    amount::{format_percent, parse_percent},
    context::Context,
    failure::{failed, refused, usage, usage_with_remedy, Result},
    output::Report,
    spend::{spend, Plan},
};

/// Offers to validate. What isn't given stays as it is.
pub async fn validate(
    context: &Context,
    node_url: Option<String>,
    commission: Option<&str>,
    blocked: Option<bool>,
) -> Result<Report> {
    let signer = context.signer().await?;
    let client = context.client().await?;
    let view = client.best().await?;
    let token = context.token().await?;
    let ledger = bonded(&view, &signer.account).await?;
    let minimums = view.staking_minimums().await?;
    if ledger.active < minimums.validator_bond {
        return Err(refused(
            "Staking::InsufficientBond",
            format!(
                "{} are at stake, and validating takes {}",
                token.format(ledger.active),
                token.format(minimums.validator_bond)
            ),
            "`cairn stake bond-more` adds to it",
        ));
    }
    let commission = commission.map(parse_percent).transpose()?;
    let current = view.validator_prefs(&signer.account).await?;
    let ValidatorPrefs { commission, blocked } = wanted_prefs(current, commission, blocked, minimums.commission);
    if commission < minimums.commission {
        return Err(refused(
            "Staking::CommissionTooLow",
            format!("the least commission on this chain is {}", format_percent(minimums.commission)),
            "ask for at least that",
        ));
    }
    let had_keys = view.session_keys(&signer.account).await?.is_some();
    let keys = match node_url {
        Some(url) => Some(new_keys(context, client, &url, &signer.account).await?),
        None if had_keys => None,
        None => {
            return Err(usage_with_remedy(
                "this account has set no session keys yet",
                "give --node-url with the RPC address of the validator's own node, so that it can make them",
            ))
        },
    };
    let mut plan = plan_validate(&view, keys.as_ref(), commission, blocked)?;
    let deposit = view.session_key_deposit()?;
    if keys.is_some() && !had_keys && deposit > 0 {
        plan = plan.holding(deposit).detail("deposit", format!("{} for the session keys", token.format(deposit)));
    }
    let done = spend(context, &signer, plan).await?;
    let json = json!({
        "validator": context.address(&signer.account).await?,
        "commission": format_percent(commission),
        "blocked": blocked,
        "session_keys": keys.map(|keys| format!("0x{}", hex::encode(keys.keys))),
    });
    Ok(done.report("offered to validate; the next election decides, and it takes effect in the era after it", json))
}

/// What was asked for; for the rest what holds now, or else the default.
fn wanted_prefs(
    current: Option<ValidatorPrefs>,
    commission: Option<u32>,
    blocked: Option<bool>,
    minimum_commission: u32,
) -> ValidatorPrefs {
    let current = current.unwrap_or(ValidatorPrefs { commission: minimum_commission, blocked: false });
    ValidatorPrefs {
        // The chain's minimum may have risen since.
        commission: commission.unwrap_or(current.commission.max(minimum_commission)),
        blocked: blocked.unwrap_or(current.blocked),
    }
}

/// Keys and preferences in one transaction: a validator without keys would be elected and miss its blocks.
fn plan_validate(view: &View, keys: Option<&SessionKeys>, commission: u32, blocked: bool) -> Result<Plan> {
    let validate = staking::validate(commission, blocked);
    let open = if blocked { ", without new nominators" } else { "" };
    let what = format!("offer to validate with a commission of {}{open}", format_percent(commission));
    Ok(match keys {
        Some(keys) => {
            Plan::new(format!("set new session keys and {what}"), Call::batch([view.set_keys(keys)?, validate]))
        },
        None => Plan::new(what, validate),
    })
}

/// Lets the validator's own node make session keys.
async fn new_keys(context: &Context, client: &Client, url: &str, owner: &AccountId) -> Result<SessionKeys> {
    let progress = context.output.progress("asking the validator's node for session keys");
    let node = Client::connect(&[url.to_string()]).await?;
    if node.genesis_hash() != client.genesis_hash() {
        return Err(usage(format!("the node at {url} belongs to another chain")));
    }
    let keys = node.rotate_session_keys(owner).await.map_err(|error| {
        let remedy = format!(
            "run this on the validator's machine, against its local RPC port; it must serve unsafe methods (--rpc-methods unsafe). {}",
            error.remedy().unwrap_or_default()
        );
        failed(format!("the node at {url} made no session keys: {error}"), remedy.trim_end())
    })?;
    drop(progress);
    if !node.has_session_keys(&keys.keys).await? {
        return Err(failed("the node doesn't hold the keys it made", "check the node's keystore"));
    }
    Ok(keys)
}

/// Nominates validators.
pub async fn nominate(context: &Context, validators: &[String]) -> Result<Report> {
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let token = context.token().await?;
    let ledger = bonded(&view, &signer.account).await?;
    let least = view.staking_minimums().await?.nominator_bond;
    if ledger.active < least {
        return Err(refused(
            "Staking::InsufficientBond",
            format!("{} are at stake, and nominating takes {}", token.format(ledger.active), token.format(least)),
            "`cairn stake bond-more` adds to it",
        ));
    }
    check_quota(&view, ledger.active, validators.len()).await?;
    let nominated = view.nominations(&signer.account).await?.map(|nominations| nominations.targets).unwrap_or_default();
    let targets = candidates(context, &view, validators, &nominated).await?;
    let full = full(context, &view, &targets).await?;
    let mut plan = Plan::new(format!("nominate {} validators", targets.len()), staking::nominate(&targets));
    if !full.is_empty() {
        let most = view.nominators_max()?;
        plan = plan.detail(
            "warning",
            format!(
                "{} had {most} nominators in this era, and no more are paid: whoever has less at stake than all of these earns \
                 nothing there",
                full.join(", ")
            ),
        );
    }
    let done = spend(context, &signer, plan).await?;
    let addresses = addresses(context, &targets).await?;
    let text = format!("nominated {}; it takes effect in the next era", addresses.join(", "));
    Ok(done.report(&text, json!({ "validators": addresses })))
}

/// The addresses of the validators that have as many nominators in this era as can be paid.
async fn full(context: &Context, view: &View, validators: &[AccountId]) -> Result<Vec<String>> {
    let era = view.active_era().await?.map_or(0, |era| era.index);
    let most = view.nominators_max()?;
    let mut full = Vec::new();
    for validator in validators {
        if view.exposure(era, validator).await?.is_some_and(|exposure| exposure.nominator_count >= most) {
            full.push(context.address(validator).await?);
        }
    }
    Ok(full)
}

/// The addresses of accounts.
pub async fn addresses(context: &Context, accounts: &[AccountId]) -> Result<Vec<String>> {
    let mut addresses = Vec::new();
    for account in accounts {
        addresses.push(context.address(account).await?);
    }
    Ok(addresses)
}

/// Whether an account with this much at stake may nominate that many.
pub async fn check_quota(view: &View, at_stake: u128, count: usize) -> Result<()> {
    let most = view.nominations_quota(at_stake).await?;
    if count <= most as usize {
        return Ok(());
    }
    Err(refused("Staking::TooManyTargets", format!("at most {most} validators can be nominated"), "name fewer"))
}

/// The accounts behind the names, each of them a validator candidate that takes nominators: new ones, or this one
/// because it is among the `nominated` already.
pub async fn candidates(
    context: &Context,
    view: &View,
    names: &[String],
    nominated: &[AccountId],
) -> Result<Vec<AccountId>> {
    let mut targets = Vec::new();
    for name in names {
        let target = context.resolve(name).await?;
        match view.validator_prefs(&target).await? {
            None => {
                return Err(refused(
                    "Staking::BadTarget",
                    format!("{name} doesn't offer to validate"),
                    "`cairn stake validators` lists those who do",
                ))
            },
            Some(prefs) if prefs.blocked && !nominated.contains(&target) => {
                return Err(refused("Staking::BadTarget", format!("{name} takes no new nominators"), "choose another"))
            },
            Some(_) if targets.contains(&target) => return Err(usage(format!("{name} is named twice"))),
            Some(_) => targets.push(target),
        }
    }
    Ok(targets)
}

/// Stops validating or nominating.
pub async fn chill(context: &Context, purge_keys: bool) -> Result<Report> {
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    if !purge_keys {
        bonded(&view, &signer.account).await?;
        let roles = tokio::try_join!(view.validator_prefs(&signer.account), view.nominations(&signer.account))?;
        if matches!(roles, (None, None)) {
            let text = "nothing was done: this account neither validates nor nominates";
            return Ok(Report::new(text, json!({ "status": "nothing to do" })));
        }
        let done = spend(context, &signer, Plan::new("stop validating or nominating", staking::chill())).await?;
        return Ok(done.report("stopped; it takes effect in the next era, and the coins stay bonded", json!({})));
    }
    check_purge(&view, &signer.account).await?;
    // Who has withdrawn everything has stopped long ago.
    let plan = if view.ledger(&signer.account).await?.is_some() {
        let call = Call::batch([staking::chill(), session::purge_keys()]);
        Plan::new("stop validating or nominating and remove the session keys", call)
    } else {
        Plan::new("remove the session keys", session::purge_keys())
    };
    let done = spend(context, &signer, plan).await?;
    Ok(done.report("stopped and removed the session keys; what is bonded stays bonded", json!({})))
}

/// Whether the session keys can go: a validator whose keys are gone misses its blocks until it is no longer one.
async fn check_purge(view: &View, account: &AccountId) -> Result<()> {
    if view.session_keys(account).await?.is_none() {
        return Err(refused(
            "Session::NoKeys",
            "this account has set no session keys",
            "`cairn stake chill` without --purge-keys",
        ));
    }
    let active = view.active_era().await?.map_or(0, |era| era.index);
    let planned = view.current_era().await?.max(active);
    let mut last = view.validators().await?.contains(account).then_some(active);
    for era in active..=planned {
        if view.exposure(era, account).await?.is_some() {
            last = Some(era);
        }
    }
    match last {
        None => Ok(()),
        Some(era) => Err(refused(
            "Session::StillValidating",
            format!(
                "this account validates until era {era} has ended, and needs its keys for that; this is era {active}"
            ),
            "`cairn stake chill` now, and with --purge-keys after that",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_stays() {
        let prefs = |commission, blocked| ValidatorPrefs { commission, blocked };
        for (current, commission, blocked, expected) in [
            (None, None, None, prefs(10, false)),
            (None, Some(50), Some(true), prefs(50, true)),
            (Some(prefs(30, true)), None, None, prefs(30, true)),
            (Some(prefs(30, true)), Some(50), None, prefs(50, true)),
            (Some(prefs(30, true)), None, Some(false), prefs(30, false)),
            (Some(prefs(5, false)), None, None, prefs(10, false)),
            (Some(prefs(5, false)), Some(7), None, prefs(7, false)),
        ] {
            assert_eq!(wanted_prefs(current, commission, blocked, 10), expected);
        }
    }
}
