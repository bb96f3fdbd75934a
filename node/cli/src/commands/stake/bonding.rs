// SPDX-License-Identifier: Apache-2.0

//! Putting coins at stake and taking them out.

use cairn_client::{
    chain::staking::{self, Ledger},
    AccountId, View,
};
use serde_json::json;

use crate::{
    commands::chain::human,
    context::Context,
    failure::{refused, usage, Result},
    output::Report,
    spend::{spend, Plan},
};

/// Puts coins at stake for the first time.
pub async fn bond(context: &Context, amount: &str) -> Result<Report> {
    let token = context.token().await?;
    let amount = token.parse(amount)?;
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    if view.ledger(&signer.account).await?.is_some() {
        return Err(refused(
            "Staking::AlreadyBonded",
            "this account has bonded already",
            "`cairn stake bond-more` adds to it",
        ));
    }
    let least = view.existential_deposit()?;
    if amount < least {
        return Err(refused(
            "Staking::InsufficientBond",
            format!("the least that can be bonded is {}", token.format(least)),
            "bond more",
        ));
    }
    let minimums = view.staking_minimums().await?;
    if amount < minimums.nominator_bond.min(minimums.validator_bond) {
        context.output.warn(&format!(
            "nominating takes {}, validating {}: this is too little for either",
            token.format(minimums.nominator_bond),
            token.format(minimums.validator_bond)
        ));
    }
    let what = format!("bond {}; taking it out again takes {}", token.format(amount), unbonding_time(&view)?);
    let done = spend(context, &signer, Plan::new(what, staking::bond(amount)).holding(amount)).await?;
    Ok(done.report(&format!("bonded {}", token.format(amount)), json!({ "bonded": token.json(amount) })))
}

/// Adds to what is at stake.
pub async fn bond_more(context: &Context, amount: &str) -> Result<Report> {
    let token = context.token().await?;
    let amount = token.parse(amount)?;
    if amount == 0 {
        return Err(usage("the amount is zero"));
    }
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let ledger = bonded(&view, &signer.account).await?;
    let what = format!("add {} to the {} that are at stake", token.format(amount), token.format(ledger.active));
    let done = spend(context, &signer, Plan::new(what, staking::bond_extra(amount)).holding(amount)).await?;
    Ok(done.report(&format!("added {}", token.format(amount)), json!({ "added": token.json(amount) })))
}

/// Begins to take coins out; all of them if no amount is given.
pub async fn unbond(context: &Context, amount: Option<&str>) -> Result<Report> {
    let token = context.token().await?;
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let ledger = bonded(&view, &signer.account).await?;
    let amount = match amount {
        Some(text) => token.parse(text)?,
        None => ledger.active,
    };
    if amount == 0 {
        return Err(usage("there is nothing to unbond"));
    }
    if amount > ledger.active {
        return Err(refused(
            "BalanceTooLow",
            format!("{} are at stake", token.format(ledger.active)),
            "unbond less, or --all",
        ));
    }
    let remaining = ledger.active - amount;
    let chill = check_role(context, &view, &signer.account, remaining).await?;
    let mut call = staking::unbond(amount);
    if chill {
        call = cairn_client::Call::batch([staking::chill(), call]);
    }
    let free_at = view.current_era().await?.saturating_add(view.bonding_eras()?);
    let time = unbonding_time(&view)?;
    let what = format!("unbond {}, free in {time} (era {free_at})", token.format(amount));
    let done = spend(context, &signer, Plan::new(what, call)).await?;
    let text = format!("unbonding {}: `cairn stake withdraw` in {time}", token.format(amount));
    Ok(done.report(&text, json!({ "unbonding": token.json(amount), "free_at_era": free_at })))
}

/// Whether the account must stop validating or nominating before that much is taken out.
async fn check_role(context: &Context, view: &View, account: &AccountId, remaining: u128) -> Result<bool> {
    let (prefs, nominations, minimums) =
        tokio::try_join!(view.validator_prefs(account), view.nominations(account), view.staking_minimums())?;
    let least = match (prefs, nominations) {
        (Some(_), _) => minimums.validator_bond,
        (None, Some(_)) => minimums.nominator_bond,
        (None, None) => return Ok(false),
    };
    if remaining == 0 {
        return Ok(true);
    }
    if remaining < least {
        let token = context.token().await?;
        return Err(refused(
            "Staking::InsufficientBond",
            format!("{} would remain, and this account's role takes {}", token.format(remaining), token.format(least)),
            "leave more, or unbond --all, or `cairn stake chill` first",
        ));
    }
    Ok(false)
}

/// Takes out what has finished unbonding.
pub async fn withdraw(context: &Context) -> Result<Report> {
    let token = context.token().await?;
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let ledger = bonded(&view, &signer.account).await?;
    let era = view.current_era().await?;
    let amount = ledger.withdrawable(era);
    if amount == 0 {
        let reason = match ledger.unlocking.iter().map(|chunk| chunk.era).min() {
            None => "nothing is unbonding".into(),
            Some(first) => format!("the first part is free in era {first}; this is era {era}"),
        };
        return Err(refused("Staking::NothingToWithdraw", reason, "`cairn stake status` shows what is free when"));
    }
    let spans = view.slashing_spans(&signer.account).await?;
    let plan = Plan::new(format!("withdraw {}", token.format(amount)), staking::withdraw_unbonded(spans));
    let done = spend(context, &signer, plan).await?;
    Ok(done.report(&format!("withdrew {}", token.format(amount)), json!({ "withdrawn": token.json(amount) })))
}

/// The account's stake.
///
/// # Errors
/// Refused if it has none.
pub async fn bonded(view: &View, account: &AccountId) -> Result<Ledger> {
    view.ledger(account).await?.ok_or_else(|| {
        refused("Staking::NotStash", "this account has bonded nothing", "`cairn stake bond AMOUNT` comes first")
    })
}

/// How long taking coins out takes, in words.
fn unbonding_time(view: &View) -> Result<String> {
    let eras = view.bonding_eras()?;
    Ok(format!("about {} ({eras} eras)", human(view.era_length()?.saturating_mul(eras))))
}
