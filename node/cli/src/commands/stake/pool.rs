// SPDX-License-Identifier: Apache-2.0

//! `cairn stake pool`: staking together with others.

use cairn_client::{
    chain::pools::{self, Pool, PoolMember, PoolState},
    AccountId, Call, View,
};
use clap::Subcommand;
use serde_json::json;

use super::roles::{addresses, candidates, check_quota};
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
    /// Choose the validators that a pool nominates from the next era on
    #[command(after_help = "Example:\n  cairn stake pool nominate 5GNJ… 5HpG… --account alice")]
    Nominate {
        /// Validators: addresses or stored names; `cairn stake validators` lists them
        #[arg(required = true)]
        validators: Vec<String>,
        /// Number of the pool [default: the account's own]
        #[arg(long, value_name = "POOL")]
        pool: Option<u32>,
    },
    /// Close a pool for good: its members can only leave
    #[command(after_help = CLOSE_HELP)]
    Close {
        /// Number of the pool [default: the account's own]
        pool: Option<u32>,
    },
    /// Show an account's part in its pool
    Status {
        /// Stored name or address [default: the account that signs]
        who: Option<String>,
    },
    /// Collect rewards
    Claim,
    /// Begin to take everything out; `withdraw` some eras later
    Leave {
        /// Let this member leave instead: anybody may, once the pool is being closed
        #[arg(long, value_name = "WHO")]
        member: Option<String>,
    },
    /// Take out what has finished unbonding
    Withdraw {
        /// Withdraw for this member instead: anybody may, once the pool is being closed
        #[arg(long, value_name = "WHO")]
        member: Option<String>,
    },
}

const CLOSE_HELP: &str = "\
Who made the pool leaves it last: close it, wait until all others have left and withdrawn (--member does it for those
who don't), then leave and withdraw.

Example:
  cairn stake pool close --account alice
  cairn stake pool leave --member 5FHn… --account alice";

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::List => list(context).await,
        Command::Join { pool, amount } => join(context, pool, &amount.text()).await,
        Command::Create { amount, nominate } => create(context, &amount.text(), &nominate).await,
        Command::Nominate { validators, pool } => nominate(context, &validators, pool).await,
        Command::Close { pool } => close(context, pool).await,
        Command::Status { who } => status(context, who.as_deref()).await,
        Command::Claim => claim(context).await,
        Command::Leave { member } => leave(context, member.as_deref()).await,
        Command::Withdraw { member } => withdraw(context, member.as_deref()).await,
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
    check_in_none(&view, &signer.account).await?;
    let state = existing(&view, pool).await?.state;
    if state != PoolState::Open {
        let reason = format!("pool {pool} is {} and takes no members", state.name());
        return Err(refused("NominationPools::NotOpen", reason, "`cairn stake pool list` shows those that are open"));
    }
    let plan = Plan::new(format!("join pool {pool} with {}", token.format(amount)), pools::join(amount, pool));
    let done = spend(context, &signer, plan.holding(amount)).await?;
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
    check_in_none(&view, &signer.account).await?;
    check_quota(&view, amount, nominate.len()).await?;
    let targets = candidates(context, &view, nominate, &[]).await?;
    // If somebody else makes a pool first, the nomination fails and with it the whole transaction: nothing is lost.
    let pool = view.last_pool_id().await?.saturating_add(1);
    let create = pools::create(amount, &signer.account);
    let call = if targets.is_empty() { create } else { Call::batch([create, pools::nominate(pool, &targets)]) };
    // The pool's account for rewards is opened with the existential deposit.
    let deposit = view.existential_deposit()?;
    let plan = Plan::new(format!("make a pool with {}", token.format(amount)), call)
        .holding(amount)
        .taking(deposit)
        .detail("deposit", format!("{} to open the pool's account", token.format(deposit)));
    let done = spend(context, &signer, plan).await?;
    let created =
        done.receipt.as_ref().and_then(|receipt| receipt.event("NominationPools", "Created")?.number("pool_id"));
    let text = created.map_or_else(|| "made a pool".to_string(), |id| format!("made pool {id}"));
    Ok(done
        .report(&text, json!({ "pool": created.and_then(|id| u64::try_from(id).ok()), "amount": token.json(amount) })))
}

async fn nominate(context: &Context, validators: &[String], pool: Option<u32>) -> Result<Report> {
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let (id, pool) = named_or_own(&view, &signer.account, pool).await?;
    if !pool.roles.may_nominate(&signer.account) {
        return Err(not_allowed("NominationPools::NotNominator", id, "choose its validators"));
    }
    let stash = view.pool_stash(id).await?;
    let at_stake = view.ledger(&stash).await?.map_or(0, |ledger| ledger.active);
    check_quota(&view, at_stake, validators.len()).await?;
    let nominated = view.nominations(&stash).await?.map(|nominations| nominations.targets).unwrap_or_default();
    let targets = candidates(context, &view, validators, &nominated).await?;
    let what = format!("let pool {id} nominate {} validators", targets.len());
    let done = spend(context, &signer, Plan::new(what, pools::nominate(id, &targets))).await?;
    let addresses = addresses(context, &targets).await?;
    let text = format!("pool {id} nominates {}; it takes effect in the next era", addresses.join(", "));
    Ok(done.report(&text, json!({ "pool": id, "validators": addresses })))
}

async fn close(context: &Context, pool: Option<u32>) -> Result<Report> {
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let (id, pool) = named_or_own(&view, &signer.account, pool).await?;
    if pool.state == PoolState::Destroying {
        let reason = format!("pool {id} is being closed already");
        return Err(refused("NominationPools::CanNotChangeState", reason, "`cairn stake pool leave` comes next"));
    }
    if !pool.roles.may_close(&signer.account) {
        return Err(not_allowed("NominationPools::CanNotChangeState", id, "close it"));
    }
    let what = format!("close pool {id} for good; its {} members can then only leave", pool.member_counter);
    let done = spend(context, &signer, Plan::new(what, pools::close(id))).await?;
    Ok(done.report(&format!("pool {id} is being closed: its members can only leave"), json!({ "pool": id })))
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

async fn leave(context: &Context, who: Option<&str>) -> Result<Report> {
    let signer = context.signer().await?;
    let account = subject(context, &signer.account, who).await?;
    let view = context.client().await?.best().await?;
    let member = member(&view, &account).await?;
    let id = member.pool_id;
    if member.points == 0 {
        return Err(refused(
            "NominationPools::NothingToUnbond",
            "everything is unbonding",
            "`cairn stake pool withdraw` when it is free",
        ));
    }
    let pool = existing(&view, id).await?;
    check_leave(&pool, id, &member, &account, &signer.account)?;
    let mut call = pools::unbond(&account, member.points);
    if account == pool.roles.depositor && pool.roles.may_nominate(&signer.account) {
        // A pool that nominates must keep the least that nominating takes.
        call = Call::batch([pools::chill(id), call]);
    }
    let era = view.current_era().await?.saturating_add(view.bonding_eras()?);
    let what = format!("take everything{} out of pool {id}, free in era {era}", of(who));
    let done = spend(context, &signer, Plan::new(what, call)).await?;
    Ok(done.report(
        &format!("leaving pool {id}: `cairn stake pool withdraw` in era {era}"),
        json!({ "pool": id, "free_at_era": era }),
    ))
}

/// Whether an account may leave: the one who made the pool goes last, and others are sent away only when it closes.
fn check_leave(pool: &Pool, id: u32, member: &PoolMember, account: &AccountId, signer: &AccountId) -> Result<()> {
    let closing = pool.state == PoolState::Destroying;
    if account == &pool.roles.depositor {
        if !closing {
            return Err(refused(
                "NominationPools::DepositorLeavesLast",
                format!("who made pool {id} leaves it last, and it is {}", pool.state.name()),
                "`cairn stake pool close` first",
            ));
        }
        if pool.member_counter > 1 || pool.points != member.points {
            return Err(refused(
                "NominationPools::DepositorLeavesLast",
                format!("who made pool {id} leaves it last, and {} others are in it", pool.member_counter.max(1) - 1),
                "wait until they have left and withdrawn; `--member WHO` does it for them",
            ));
        }
    }
    if account != signer && !closing {
        return Err(refused(
            "NominationPools::NotKickerOrDestroying",
            format!("pool {id} is {}: its members leave by themselves", pool.state.name()),
            "only from a pool that is being closed others can be sent away",
        ));
    }
    Ok(())
}

async fn withdraw(context: &Context, who: Option<&str>) -> Result<Report> {
    let signer = context.signer().await?;
    let account = subject(context, &signer.account, who).await?;
    let view = context.client().await?.best().await?;
    let member = member(&view, &account).await?;
    let id = member.pool_id;
    let era = view.current_era().await?;
    if !member.unbonding_eras.iter().any(|(at, _)| *at <= era) {
        return Err(refused(
            "NominationPools::NothingToWithdraw",
            "nothing is free yet",
            "`cairn stake pool status` shows what is free when",
        ));
    }
    // The pool's stake is slashed, not the member's.
    let spans = view.slashing_spans(&view.pool_stash(id).await?).await?;
    let what = format!("withdraw what is free{} from pool {id}", of(who));
    let done = spend(context, &signer, Plan::new(what, pools::withdraw_unbonded(&account, spans))).await?;
    let paid =
        done.receipt.as_ref().and_then(|receipt| receipt.event("NominationPools", "Withdrawn")?.number("balance"));
    let token = context.token().await?;
    let text = paid.map_or_else(|| "withdrew".to_string(), |paid| format!("withdrew {}", token.format(paid)));
    Ok(done.report(&text, json!({ "pool": id, "withdrawn": paid.map(|paid| token.json(paid)) })))
}

/// The member a command is about: another than the signing account if one is named.
async fn subject(context: &Context, signer: &AccountId, who: Option<&str>) -> Result<AccountId> {
    match who {
        Some(who) => context.resolve(who).await,
        None => Ok(*signer),
    }
}

fn of(who: Option<&str>) -> String {
    who.map(|who| format!(" of {who}")).unwrap_or_default()
}

/// The pool that is named, or else the one that the account is in.
async fn named_or_own(view: &View, account: &AccountId, pool: Option<u32>) -> Result<(u32, Pool)> {
    let id = match pool {
        Some(id) => id,
        None => member(view, account).await?.pool_id,
    };
    Ok((id, existing(view, id).await?))
}

async fn existing(view: &View, id: u32) -> Result<Pool> {
    view.pool(id).await?.ok_or_else(|| {
        let reason = format!("there is no pool {id}");
        refused("NominationPools::PoolNotFound", reason, "`cairn stake pool list` shows those there are")
    })
}

async fn check_in_none(view: &View, account: &AccountId) -> Result<()> {
    match view.pool_member(account).await? {
        None => Ok(()),
        Some(member) => Err(refused(
            "NominationPools::AccountBelongsToOtherPool",
            format!("this account is in pool {}", member.pool_id),
            "`cairn stake pool leave` and `withdraw` come first, or use another account",
        )),
    }
}

fn not_allowed(code: &str, pool: u32, what: &str) -> anyhow::Error {
    refused(code, format!("this account may not {what}: others run pool {pool}"), "sign with an account that runs it")
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

#[cfg(test)]
mod tests {
    use cairn_client::chain::pools::PoolRoles;

    use super::*;
    use crate::failure::Shown;

    #[test]
    fn the_one_who_made_a_pool_leaves_last_and_others_are_sent_away_only_when_it_closes() {
        let (maker, other) = (AccountId::from([1; 32]), AccountId::from([2; 32]));
        let roles = PoolRoles { depositor: maker, root: None, nominator: None, bouncer: None };
        let member = PoolMember { pool_id: 7, points: 10, unbonding_eras: Vec::new() };
        let check = |state, member_counter, points, account: &AccountId, signer: &AccountId| {
            let pool = Pool { member_counter, points, roles: roles.clone(), state };
            check_leave(&pool, 7, &member, account, signer).map_err(|error| Shown::new(&error).code)
        };
        let last = Err("NominationPools::DepositorLeavesLast".to_string());
        let kick = Err("NominationPools::NotKickerOrDestroying".to_string());
        for (state, members, points, account, signer, expected) in [
            (PoolState::Open, 1, 10, &maker, &maker, last.clone()),
            (PoolState::Blocked, 1, 10, &maker, &maker, last.clone()),
            (PoolState::Destroying, 2, 20, &maker, &maker, last.clone()),
            (PoolState::Destroying, 2, 10, &maker, &maker, last.clone()),
            (PoolState::Destroying, 1, 20, &maker, &maker, last),
            (PoolState::Destroying, 1, 10, &maker, &maker, Ok(())),
            (PoolState::Open, 2, 20, &other, &other, Ok(())),
            (PoolState::Blocked, 2, 20, &other, &other, Ok(())),
            (PoolState::Open, 2, 20, &other, &maker, kick.clone()),
            (PoolState::Blocked, 2, 20, &other, &maker, kick),
            (PoolState::Destroying, 2, 20, &other, &maker, Ok(())),
        ] {
            assert_eq!(check(state, members, points, account, signer), expected, "{state:?} {members} {points}");
        }
    }
}
