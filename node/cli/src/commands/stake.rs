// SPDX-License-Identifier: Apache-2.0

//! `cairn stake`: nominated proof of stake.

mod bonding;
mod pool;
mod rewards;
mod roles;
mod status;

use clap::Subcommand;

use super::AmountArgs;
use crate::{context::Context, failure::Result, output::Report};

/// Stake coins.
#[derive(Debug, Subcommand)]
#[command(after_help = STAKE_HELP)]
pub enum Command {
    /// Put coins at stake for the first time
    #[command(after_help = "Example:\n  cairn stake bond 1000 --account alice")]
    Bond {
        #[command(flatten)]
        amount: AmountArgs,
    },
    /// Add to what is at stake
    #[command(after_help = "Example:\n  cairn stake bond-more 250.5 --account alice")]
    BondMore {
        #[command(flatten)]
        amount: AmountArgs,
    },
    /// Offer to validate from the next era on
    #[command(after_help = VALIDATE_HELP)]
    Validate {
        /// RPC address of the validator's own node: lets it make new session keys, and sets them
        #[arg(long, value_name = "URL")]
        node_url: Option<String>,
        /// Share of the rewards kept before they are divided, like 5% [default: as before, at first the chain's minimum]
        #[arg(long, value_name = "SHARE")]
        commission: Option<String>,
        /// Take no new nominators from now on
        #[arg(long)]
        blocked: bool,
        /// Take new nominators again
        #[arg(long, conflicts_with = "blocked")]
        open: bool,
    },
    /// Nominate validators from the next era on
    #[command(after_help = "Example:\n  cairn stake nominate 5GNJ… 5HpG… --account alice")]
    Nominate {
        /// Validators: addresses or stored names; `cairn stake validators` lists them
        #[arg(required = true)]
        validators: Vec<String>,
    },
    /// Stop validating or nominating from the next era on
    Chill {
        /// Remove the session keys too, and get their deposit back; possible once the account validates no more
        #[arg(long)]
        purge_keys: bool,
    },
    /// Begin to take coins out; they are free some eras later
    #[command(
        after_help = "Examples:\n  cairn stake unbond 100 --account alice\n  cairn stake unbond --all --account alice"
    )]
    Unbond {
        /// Amount in whole coins: 1.5, 1.5CRN or 1.5 CRN
        #[arg(required_unless_present = "all")]
        amount: Option<String>,
        /// The coin's symbol, if it is not part of the amount
        symbol: Option<String>,
        /// Everything; stops validating or nominating too
        #[arg(long, conflicts_with = "amount")]
        all: bool,
    },
    /// Take out what has finished unbonding
    Withdraw,
    /// Show an account's stake: what is bonded, what unlocks when, its role, its rewards
    #[command(after_help = "Examples:\n  cairn stake status alice\n  cairn stake status 5Grw… --json")]
    Status {
        /// Stored name or address [default: the account that signs]
        who: Option<String>,
    },
    /// Pay out rewards that wait: one's own and those of one's nominators; anyone may do it for any validator
    #[command(
        after_help = "Examples:\n  cairn stake payout --account alice\n  cairn stake payout --validator 5GNJ… --era 12 --account bob"
    )]
    Payout {
        /// Validator [default: the account itself, or the validators it nominates]
        #[arg(long, value_name = "WHO")]
        validator: Option<String>,
        /// Era [default: all that wait]
        #[arg(long, value_name = "N")]
        era: Option<u32>,
    },
    /// List the validators and candidates
    Validators,
    /// Stake together with others
    #[command(subcommand)]
    Pool(pool::Command),
}

const STAKE_HELP: &str = "\
The way in: bond, then validate or nominate. The way out: chill, unbond, wait, withdraw.";

const VALIDATE_HELP: &str = "\
The validator's node makes its session keys itself, in its own keystore, when it is asked through its own RPC address.
Without --node-url the keys set before are kept; commission and openness stay too unless they are given.

Example:
  cairn stake validate --node-url ws://127.0.0.1:9945 --commission 5% --account alice";

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Bond { amount } => Box::pin(bonding::bond(context, &amount.text())).await,
        Command::BondMore { amount } => Box::pin(bonding::bond_more(context, &amount.text())).await,
        Command::Validate { node_url, commission, blocked, open } => {
            let blocked = (blocked || open).then_some(blocked);
            roles::validate(context, node_url, commission.as_deref(), blocked).await
        },
        Command::Nominate { validators } => Box::pin(roles::nominate(context, &validators)).await,
        Command::Chill { purge_keys } => Box::pin(roles::chill(context, purge_keys)).await,
        Command::Unbond { amount, symbol, all: _ } => {
            let amount = amount.map(|amount| format!("{amount} {}", symbol.unwrap_or_default()));
            bonding::unbond(context, amount.as_deref()).await
        },
        Command::Withdraw => Box::pin(bonding::withdraw(context)).await,
        Command::Status { who } => Box::pin(status::status(context, who.as_deref())).await,
        Command::Payout { validator, era } => Box::pin(rewards::payout(context, validator.as_deref(), era)).await,
        Command::Validators => Box::pin(status::validators(context)).await,
        Command::Pool(command) => Box::pin(pool::run(context, command)).await,
    }
}
