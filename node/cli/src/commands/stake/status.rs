// SPDX-License-Identifier: Apache-2.0

//! Who has staked what, and what comes of it.

use std::{collections::HashMap, time::Duration};

use cairn_client::{
    chain::staking::{Exposure, Ledger, RewardDestination},
    AccountId, View,
};
use serde_json::{json, Value};

use super::rewards;
use crate::{
    amount::{format_percent, Token},
    commands::chain::human,
    context::Context,
    failure::Result,
    output::{fields, table, Report},
};

/// A validator that has made no block in this part of an era is not working.
const SILENT_DIVISOR: u32 = 3;

/// What an account does with its stake.
struct Role {
    name: &'static str,
    detail: String,
    json: Value,
}

/// Shows an account's stake.
pub async fn status(context: &Context, who: Option<&str>) -> Result<Report> {
    let account = context.subject(who).await?;
    let address = context.address(&account).await?;
    let view = context.client().await?.finalized().await?;
    let token = context.token().await?;
    let Some(ledger) = view.ledger(&account).await? else {
        let text = fields([("account", address.clone()), ("stake", "nothing is bonded".into())]);
        return Ok(Report::new(text, json!({ "account": address, "bonded": null, "role": "none" })));
    };
    let (era, current_era) = (view.active_era().await?.map_or(0, |era| era.index), view.current_era().await?);
    let role = role(context, &view, &account, era, &token).await?;
    let (unlocking, unlocking_json) = unlocking(&view, &ledger, current_era, &token).await?;
    let payee = payee(context, &view, &account).await?;
    let progress = context.output.progress("looking for rewards that wait");
    let waiting = rewards::pending(&view, rewards::Whose::Account(&account)).await?;
    let mut expected = 0u128;
    for pending in &waiting {
        expected = expected.saturating_add(rewards::share(&view, pending, &account).await?);
    }
    drop(progress);
    let rewards_text = match waiting.len() {
        0 => "none wait".into(),
        n => format!("about {} in {n} payouts that wait; `cairn stake payout`", token.format(expected)),
    };
    let mut rows =
        vec![("account", address.clone()), ("at stake", token.format(ledger.active)), ("role", role.name.into())];
    if !role.detail.is_empty() {
        rows.push(("", role.detail));
    }
    rows.extend(unlocking);
    rows.push(("rewards go", payee.clone()));
    rows.push(("rewards", rewards_text));
    let faults = faults(&view, &account, &token).await?;
    rows.extend(faults.iter().map(|fault| ("WARNING", fault.clone())));
    rows.push(("active era", era.to_string()));
    let json = json!({
        "account": address,
        "bonded": { "active": token.json(ledger.active), "total": token.json(ledger.total), "unlocking": unlocking_json },
        "withdrawable": token.json(ledger.withdrawable(current_era)),
        "role": role.name,
        "role_details": role.json,
        "rewards_to": payee,
        "rewards_pending": { "payouts": waiting.len(), "about": token.json(expected) },
        "warnings": faults,
        "active_era": era,
        "finalized_block": view.block_number(),
    });
    Ok(Report::new(fields(rows), json))
}

/// What a staker has to know at once: a validator that was disabled or makes no blocks, and slashes that will be carried out.
async fn faults(view: &View, account: &AccountId, token: &Token) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for (era, slashes) in view.pending_slashes().await? {
        for slash in slashes {
            let of_nominator = slash.others.iter().find(|(who, _)| who == account).map(|(_, amount)| *amount);
            let amount = if slash.validator == *account { Some(slash.own) } else { of_nominator };
            if let Some(amount) = amount.filter(|amount| *amount > 0) {
                faults.push(format!(
                    "{} will be slashed in era {era}: a referendum of the canceller track can stop that before",
                    token.format(amount)
                ));
            }
        }
    }
    if !view.validators().await?.contains(account) {
        return Ok(faults);
    }
    if view.is_disabled(account).await? {
        faults.push(
            "this validator is DISABLED for a fault, and makes no blocks until the era ends. Two nodes with the same keys are the \
             usual cause: stop one of them"
                .into(),
        );
    }
    let Some(active) = view.active_era().await? else { return Ok(faults) };
    let begun = active.start.map(Duration::from_millis).unwrap_or_default();
    let passed = Duration::from_millis(view.timestamp_ms().await?).saturating_sub(begun);
    let points = view.era_points(active.index).await?;
    let earned = points.individual.iter().any(|(who, points)| who == account && *points > 0);
    if !earned && passed > view.era_length()? / SILENT_DIVISOR {
        faults.push(format!(
            "this validator has made NO BLOCK in this era, {} after it began: is the node running and synchronised, and are the session \
             keys of its keystore the registered ones? `cairn stake validate --node-url` makes and registers new ones",
            human(passed)
        ));
    }
    Ok(faults)
}

async fn role(context: &Context, view: &View, account: &AccountId, era: u32, token: &Token) -> Result<Role> {
    if let Some(prefs) = view.validator_prefs(account).await? {
        let exposure = view.exposure(era, account).await?;
        let keys = view.session_keys(account).await?.is_some();
        let in_session = view.validators().await?.contains(account);
        let backing = match exposure {
            Some(exposure) => backing_text(&exposure, token),
            None => "waiting to be elected".into(),
        };
        let keys_text = if keys { "" } else { "; HAS SET NO SESSION KEYS" };
        let name = if exposure.is_some() || in_session { "active validator" } else { "waiting validator" };
        return Ok(Role {
            name,
            detail: format!("commission {}, {backing}{keys_text}", format_percent(prefs.commission)),
            json: json!({
                "commission": format_percent(prefs.commission),
                "blocked": prefs.blocked,
                "session_keys_set": keys,
                "in_current_session": in_session,
                "exposure": exposure.map(|exposure| exposure_json(&exposure, token)),
            }),
        });
    }
    let still_active = view.exposure(era, account).await?.is_some();
    let Some(nominations) = view.nominations(account).await? else {
        let detail = if still_active { "validates until the era ends" } else { "" };
        let name = if still_active { "leaving validator" } else { "none" };
        return Ok(Role { name, detail: detail.into(), json: Value::Null });
    };
    let (mut lines, mut targets, mut backed) = (Vec::new(), Vec::new(), false);
    for target in &nominations.targets {
        let stake = view.nominated_stake(era, target, account).await?;
        backed |= stake > 0;
        let address = context.address(target).await?;
        let share =
            if stake > 0 { format!(" with {}", token.format(stake)) } else { " (not with this stake now)".into() };
        lines.push(format!("{address}{share}"));
        targets.push(json!({ "validator": address, "stake": token.json(stake) }));
    }
    let name = if backed { "active nominator" } else { "waiting nominator" };
    Ok(Role { name, detail: format!("backs {}", lines.join(", ")), json: json!({ "nominates": targets }) })
}

fn backing_text(exposure: &Exposure, token: &Token) -> String {
    format!(
        "backed by {} ({} its own, {} nominators)",
        token.format(exposure.total),
        token.format(exposure.own),
        exposure.nominator_count
    )
}

fn exposure_json(exposure: &Exposure, token: &Token) -> Value {
    json!({ "total": token.json(exposure.total), "own": token.json(exposure.own), "nominators": exposure.nominator_count })
}

/// What unlocks when, in lines and in JSON.
async fn unlocking(
    view: &View,
    ledger: &Ledger,
    era: u32,
    token: &Token,
) -> Result<(Vec<(&'static str, String)>, Vec<Value>)> {
    // A new era is planned one session before the active one ends: the wait shown is too long by at most that.
    let length = view.era_length()?;
    let begun = view.active_era().await?.filter(|active| active.index == era).and_then(|active| active.start);
    let passed = match begun {
        Some(start) => Duration::from_millis(view.timestamp_ms().await?.saturating_sub(start)),
        None => Duration::ZERO,
    };
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    for chunk in &ledger.unlocking {
        let eras = chunk.era.saturating_sub(era);
        let wait = length.saturating_mul(eras).saturating_sub(passed);
        let when = if eras == 0 {
            "free: `cairn stake withdraw`".into()
        } else {
            format!("free in about {} (era {})", human(wait), chunk.era)
        };
        rows.push(("unlocking", format!("{}, {when}", token.format(chunk.value))));
        json.push(json!({ "amount": token.json(chunk.value), "era": chunk.era, "eras_left": eras }));
    }
    Ok((rows, json))
}

async fn payee(context: &Context, view: &View, account: &AccountId) -> Result<String> {
    Ok(match view.payee(account).await? {
        None => "to nobody".into(),
        Some(RewardDestination::Staked) => "to the stake".into(),
        Some(RewardDestination::Stash | RewardDestination::Controller) => "to the account".into(),
        Some(RewardDestination::Account(other)) => format!("to {}", context.address(&other).await?),
        Some(RewardDestination::None) => "nowhere".into(),
    })
}

/// Lists validators and candidates.
pub async fn validators(context: &Context) -> Result<Report> {
    let view = context.client().await?.finalized().await?;
    let token = context.token().await?;
    let era = view.active_era().await?.map_or(0, |era| era.index);
    let most = view.nominators_max()?;
    let (candidates, exposures) = tokio::try_join!(view.validator_candidates(), view.era_exposures(era))?;
    let exposures: HashMap<[u8; 32], Exposure> =
        exposures.into_iter().map(|(who, exposure)| (who.0, exposure)).collect();
    let mut listed: Vec<_> = candidates.iter().map(|(who, prefs)| (who, prefs, exposures.get(&who.0))).collect();
    listed.sort_by_key(|(_, _, exposure)| std::cmp::Reverse(exposure.map_or(0, |exposure| exposure.total)));
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    for (who, prefs, exposure) in listed {
        let address = context.address(who).await?;
        let amount = |value: Option<u128>| value.map_or_else(|| "-".into(), |value| token.format(value));
        let is_full = exposure.is_some_and(|exposure| exposure.nominator_count >= most);
        let state = if exposure.is_some() { "active" } else { "waiting" };
        rows.push(vec![
            address.clone(),
            state.into(),
            amount(exposure.map(|exposure| exposure.total)),
            amount(exposure.map(|exposure| exposure.own)),
            exposure.map_or_else(
                || "-".into(),
                |exposure| format!("{}{}", exposure.nominator_count, if is_full { " (full)" } else { "" }),
            ),
            format_percent(prefs.commission),
            if prefs.blocked { "no" } else { "yes" }.into(),
        ]);
        json.push(json!({
            "validator": address,
            "state": state,
            "exposure": exposure.map(|exposure| exposure_json(exposure, &token)),
            "commission": format_percent(prefs.commission),
            "takes_nominators": !prefs.blocked,
            "is_full": is_full,
        }));
    }
    let header = ["validator", "state", "stake", "own", "nominators", "commission", "open"];
    let mut text = table(&header, &rows) + &format!("era {era}, {} candidates\n", rows.len());
    if rows.iter().any(|row| row.iter().any(|cell| cell.ends_with("(full)"))) {
        text.push_str(&format!("full: only the {most} nominators with the most at stake earn with such a validator\n"));
    }
    Ok(Report::new(text, json!({ "active_era": era, "validators": json })))
}
