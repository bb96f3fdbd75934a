// SPDX-License-Identifier: Apache-2.0

//! `cairn stake pool`: staking together with others.

use cairn_client::{
    chain::pools::{self, PoolMember},
    AccountId, Call, View,
};
use clap::Subcommand;
use serde_json::json;

use super::roles::candidates;
use crate::{
    commands::AmountArgs,
    context::Context,
    failure::{refused, Result},
    output::{fields, table, Report},
    spend::{spend, Plan},
};

/// Stake together with others.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the pools
    List,
    /// Join a pool
    #[command(after_help = "Example:\n  cairn stake pool join 3 50 --account alice")]
    Join {
        /// Number of the pool
        pool: u32,
        #[command(flatten)]
        amount: AmountArgs,
    },
    /// Make a pool that the signing account runs
    #[command(after_help = "Example:\n  cairn stake pool create 100 --nominate 5GNJ… --account alice")]
    Create {
        #[command(flatten)]
        amount: AmountArgs,
        /// Validators that the pool nominates; give it several times
        #[arg(long, value_name = "WHO")]
        nominate: Vec<String>,
    },
    /// Show an account's part in its pool
    Status {
        /// Stored name or address [default: the account that signs]
        who: Option<String>,
    },
    /// Collect rewards
    Claim,
    /// Begin to take everything out; `withdraw` some eras later
    Leave,
    /// Take out what has finished unbonding
    Withdraw,
}

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::List => list(context).await,
        Command::Join { pool, amount } => join(context, pool, &amount.text()).await,
        Command::Create { amount, nominate } => create(context, &amount.text(), &nominate).await,
        Command::Status { who } => status(context, who.as_deref()).await,
        Command::Claim => claim(context).await,
        Command::Leave => leave(context).await,
        Command::Withdraw => withdraw(context).await,
    }
}

async fn list(context: &Context) -> Result<Report> {
    let view = context.client().await?.finalized().await?;
    let token = context.token().await?;
    let mut pools = view.pools().await?;
    pools.sort_by_key(|(id, _)| *id);
    let rows: Vec<Vec<String>> = pools
        .iter()
        .map(|(id, pool)| {
            vec![id.to_string(), pool.state.name().into(), pool.member_counter.to_string(), token.format(pool.points)]
        })
        .collect();
    let json: Vec<_> = pools
        .iter()
        .map(|(id, pool)| json!({ "id": id, "state": pool.state.name(), "members": pool.member_counter, "shares": pool.points.to_string() }))
        .collect();
    let text = if rows.is_empty() {
        "there are no pools".into()
    } else {
        table(&["pool", "state", "members", "shares"], &rows)
    };
    Ok(Report::new(text, json!({ "pools": json })))
}

async fn join(context: &Context, pool: u32, amount: &str) -> Result<Report> {
    let token = context.token().await?;
    let amount = token.parse(amount)?;
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let (least, _) = view.pool_minimums().await?;
    if amount < least {
        let reason = format!("joining takes at least {}", token.format(least));
        return Err(refused("NominationPools::MinimumBondNotMet", reason, "put more in"));
    }
    if view.pool(pool).await?.is_none() {
        let reason = format!("there is no pool {pool}");
        return Err(refused("NominationPools::PoolNotFound", reason, "`cairn stake pool list` shows those there are"));
    }
    let plan = Plan::new(format!("join pool {pool} with {}", token.format(amount)), pools::join(amount, pool));
    let done = spend(context, &signer, plan.taking(amount)).await?;
    Ok(done.report(
        &format!("joined pool {pool} with {}", token.format(amount)),
        json!({ "pool": pool, "amount": token.json(amount) }),
    ))
}

async fn create(context: &Context, amount: &str, nominate: &[String]) -> Result<Report> {
    let token = context.token().await?;
    let amount = token.parse(amount)?;
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let (_, least) = view.pool_minimums().await?;
    if amount < least {
        let reason = format!("making a pool takes at least {}", token.format(least));
        return Err(refused("NominationPools::MinimumBondNotMet", reason, "put more in"));
    }
    let targets = candidates(context, &view, nominate).await?;
    // If somebody else makes a pool first, the nomination fails and with it the whole transaction: nothing is lost.
    let pool = view.last_pool_id().await?.saturating_add(1);
    let create = pools::create(amount, &signer.account);
    let call = if targets.is_empty() { create } else { Call::batch([create, pools::nominate(pool, &targets)]) };
    // The pool's account for rewards is opened with the existential deposit.
    let deposit = view.existential_deposit()?;
    let plan = Plan::new(format!("make a pool with {}", token.format(amount)), call)
        .taking(amount.saturating_add(deposit))
        .detail("deposit", format!("{} to open the pool's account", token.format(deposit)));
    let done = spend(context, &signer, plan).await?;
    let created =
        done.receipt.as_ref().and_then(|receipt| receipt.event("NominationPools", "Created")?.number("pool_id"));
    let text = created.map_or_else(|| "made a pool".to_string(), |id| format!("made pool {id}"));
    Ok(done
        .report(&text, json!({ "pool": created.and_then(|id| u64::try_from(id).ok()), "amount": token.json(amount) })))
}

async fn status(context: &Context, who: Option<&str>) -> Result<Report> {
    let account = context.subject(who).await?;
    let address = context.address(&account).await?;
    let view = context.client().await?.finalized().await?;
    let token = context.token().await?;
    let Some(member) = view.pool_member(&account).await? else {
        let text = fields([("account", address.clone()), ("pool", "in none".into())]);
        return Ok(Report::new(text, json!({ "account": address, "pool": null })));
    };
    let (pool, balance, rewards) = tokio::try_join!(
        view.pool(member.pool_id),
        view.pool_member_balance(&account),
        view.pool_pending_rewards(&account)
    )?;
    let era = view.current_era().await?;
    let mut rows = vec![
        ("account", address.clone()),
        ("pool", format!("{} ({})", member.pool_id, pool.as_ref().map_or("gone", |pool| pool.state.name()))),
        ("in the pool", token.format(balance)),
        ("rewards", format!("{}; `cairn stake pool claim`", token.format(rewards))),
    ];
    for (at, points) in &member.unbonding_eras {
        let when = if *at <= era {
            "free: `cairn stake pool withdraw`".into()
        } else {
            format!("free in era {at}, this is {era}")
        };
        rows.push(("unlocking", format!("{points} shares, {when}")));
    }
    let json = json!({
        "account": address,
        "pool": member.pool_id,
        "shares": member.points.to_string(),
        "balance": token.json(balance),
        "rewards": token.json(rewards),
        "unlocking": member.unbonding_eras.iter().map(|(era, points)| json!({ "era": era, "shares": points.to_string() })).collect::<Vec<_>>(),
        "current_era": era,
    });
    Ok(Report::new(fields(rows), json))
}

async fn claim(context: &Context) -> Result<Report> {
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    member(&view, &signer.account).await?;
    let token = context.token().await?;
    let rewards = view.pool_pending_rewards(&signer.account).await?;
    if rewards == 0 {
        return Err(refused("NominationPools::NothingToClaim", "no rewards wait", "they do after an era has ended"));
    }
    let plan = Plan::new(format!("collect about {}", token.format(rewards)), pools::claim_payout());
    let done = spend(context, &signer, plan).await?;
    let paid = done.receipt.as_ref().and_then(|receipt| receipt.event("NominationPools", "PaidOut")?.number("payout"));
    let text = format!("collected {}", token.format(paid.unwrap_or(rewards)));
    Ok(done.report(&text, json!({ "collected": paid.map(|paid| token.json(paid)) })))
}

async fn leave(context: &Context) -> Result<Report> {
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let member = member(&view, &signer.account).await?;
    if member.points == 0 {
        return Err(refused(
            "NominationPools::NothingToUnbond",
            "everything is unbonding",
            "`cairn stake pool withdraw` when it is free",
        ));
    }
    let era = view.current_era().await?.saturating_add(view.bonding_eras()?);
    let what = format!("take everything out of pool {}, free in era {era}", member.pool_id);
    let done = spend(context, &signer, Plan::new(what, pools::unbond(&signer.account, member.points))).await?;
    Ok(done.report(
        &format!("leaving pool {}: `cairn stake pool withdraw` in era {era}", member.pool_id),
        json!({ "pool": member.pool_id, "free_at_era": era }),
    ))
}

async fn withdraw(context: &Context) -> Result<Report> {
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let member = member(&view, &signer.account).await?;
    let era = view.current_era().await?;
    if !member.unbonding_eras.iter().any(|(at, _)| *at <= era) {
        return Err(refused(
            "NominationPools::NothingToWithdraw",
            "nothing is free yet",
            "`cairn stake pool status` shows what is free when",
        ));
    }
    let spans = view.slashing_spans(&signer.account).await?;
    let plan =
        Plan::new(format!("withdraw from pool {}", member.pool_id), pools::withdraw_unbonded(&signer.account, spans));
    let done = spend(context, &signer, plan).await?;
    Ok(done.report("withdrew", json!({ "pool": member.pool_id })))
}

async fn member(view: &View, account: &AccountId) -> Result<PoolMember> {
    view.pool_member(account).await?.ok_or_else(|| {
        refused(
            "NominationPools::PoolMemberNotFound",
            "this account is in no pool",
            "`cairn stake pool join` comes first",
        )
    })
}
