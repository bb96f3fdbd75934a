// SPDX-License-Identifier: Apache-2.0

//! `cairn vault`: offer storage, and run the machine that keeps it.

mod manage;
mod run;
mod scrub;
mod status;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};

use crate::{context::Context, failure::Result, output::Report};

/// Offer storage.
#[derive(Debug, Subcommand)]
#[command(after_help = VAULT_HELP)]
pub enum Command {
    /// Make an account a vault: what it offers, for how much, and where it is reached
    #[command(after_help = REGISTER_HELP)]
    Register {
        #[command(flatten)]
        offer: Offer,
        /// Coins at stake, or `auto` for what the capacity takes
        #[arg(long, value_name = "AMOUNT", default_value = "auto")]
        bond: String,
        #[command(flatten)]
        data: DataDir,
    },
    /// Change what a vault offers, its addresses, its bond or its key
    #[command(after_help = UPDATE_HELP)]
    Update(Box<Update>),
    /// Take no new slots from now on
    #[command(
        after_help = "Examples:\n  cairn vault pause --account alice\n  cairn vault pause --resume --account alice"
    )]
    Pause {
        /// Take new slots again
        #[arg(long)]
        resume: bool,
    },
    /// Leave in order: others take the slots over, then the bond is free
    #[command(after_help = EXIT_HELP)]
    Exit,
    /// Show a vault: earnings, score, next proof, slots, disk
    #[command(after_help = "Examples:\n  cairn vault status --account alice\n  cairn vault status 5Grw… --json")]
    Status {
        /// Stored name or address [default: the account that signs]
        who: Option<String>,
        #[command(flatten)]
        data: DataDir,
    },
    /// Run the vault
    #[command(after_help = RUN_HELP)]
    Run(Box<Run>),
    /// Have a running vault read everything now, and repair what is damaged
    #[command(after_help = "Example:\n  cairn vault scrub --status 127.0.0.1:9961")]
    Scrub {
        /// Where the vault's status page is, as `cairn vault run --status` was told
        #[arg(long, value_name = "ADDRESS:PORT")]
        status: String,
    },
    /// List the vaults
    List {
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: usize,
    },
}

/// What a vault offers.
#[derive(Args, Debug)]
pub struct Offer {
    /// Room for shards, like 10GiB
    #[arg(long, value_name = "SIZE")]
    capacity: String,
    /// Coins for a GiB and a period, at least
    #[arg(long, value_name = "AMOUNT")]
    ask: String,
    /// Where drives reach it; several if there are several ways
    #[arg(long, value_name = "HOST:PORT", required = true)]
    address: Vec<String>,
}

/// What is to be changed.
#[derive(Args, Debug)]
pub struct Update {
    /// Room for shards, like 10GiB
    #[arg(long, value_name = "SIZE")]
    capacity: Option<String>,
    /// Coins for a GiB and a period, at least
    #[arg(long, value_name = "AMOUNT")]
    ask: Option<String>,
    /// Where drives reach it from now on; several if there are several ways
    #[arg(long, value_name = "HOST:PORT")]
    address: Vec<String>,
    /// Register the key that the folder has now
    #[arg(long)]
    new_key: bool,
    /// Coins to put at stake besides
    #[arg(long, value_name = "AMOUNT", conflicts_with = "unbond")]
    bond_more: Option<String>,
    /// Coins to take back of what is not needed of the bond
    #[arg(long, value_name = "AMOUNT")]
    unbond: Option<String>,
    #[command(flatten)]
    data: DataDir,
}

#[derive(Args, Debug)]
pub struct DataDir {
    /// Folder of the vault's key and of everything that is stored [default: beside the accounts]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// How a vault runs.
#[derive(Args, Debug)]
pub struct Run {
    /// Listen for drives and other vaults [default: 0.0.0.0:9960]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,
    /// Serve a status page and Prometheus metrics at this address, for yourself
    #[arg(long, value_name = "ADDRESS:PORT")]
    status: Option<SocketAddr>,
    /// Room on the disk that stays free
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    reserve: String,
    /// Keep shards as objects at this address, like s3://bucket/prefix, gs://, az:// or file:///folder; credentials come from the environment,
    /// see below. What isn't uploaded yet is in the vault's folder
    #[arg(long, value_name = "URL", env = "CAIRN_VAULT_OBJECTS")]
    objects: Option<String>,
    /// Bytes a second that one address may read, on average
    #[arg(long, value_name = "SIZE", default_value = "32MiB")]
    read_limit: String,
    /// Start although the store's index, or all of its logs, are gone: logs that the index doesn't know are removed, and what is missing
    /// is taken from the other vaults. Give this once, and only if they are lost for good
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    data: DataDir,
}

impl DataDir {
    fn path(&self, context: &Context) -> PathBuf {
        let beside = || {
            let keystore = &context.settings.keystore.value;
            keystore.parent().unwrap_or(keystore).join("vault")
        };
        self.data.clone().unwrap_or_else(beside)
    }
}

const VAULT_HELP: &str = "\
The way in: register, then run. The way out: exit, keep running until the slots are taken over, exit again.";

const REGISTER_HELP: &str = "\
The vault's service key is made in its folder; the chain names its public part, so that drives know whom they talk to.
The bond is held, and lost in part for what is not shown when it is asked for.

Example:
  cairn vault register --capacity 100GiB --ask 0.5 --address vault.example.org:9960 --account alice";

const UPDATE_HELP: &str = "\
What isn't given stays as it is. The bond must stay at what the slots take.

Examples:
  cairn vault update --capacity 200GiB --bond-more 100 --account alice
  cairn vault update --address 192.0.2.1:9960 --address vault.example.org:9960 --account alice";

const EXIT_HELP: &str = "\
Keep the vault running: it is liable for its slots until others have taken them over, and it is asked for their shards.
Once it has none left, the same command ends it, and the bond comes back.";

const RUN_HELP: &str = "\
Runs until it is interrupted. The account is unlocked once, at the start: it answers the chain's challenges, which costs
nothing, and takes slots over. The passphrase comes from --passphrase-file, CAIRN_PASSPHRASE, or is asked for.
Logs go to standard error; RUST_LOG says how much (warn, info, debug).

With --objects s3://BUCKET/PREFIX the environment has the rest: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; AWS_REGION; for stores that
aren't Amazon's AWS_ENDPOINT, like https://s3.example.org, and AWS_ALLOW_HTTP=true if that is http://. The key must be allowed
to read, write, list and delete. A vault can be away from its bucket for less than the time that a proof may take.

Examples:
  cairn vault run --listen 0.0.0.0:9960 --status 127.0.0.1:9961 --account alice
  set -a; . /etc/cairn/bucket.env; set +a; cairn vault run --objects s3://shards/alice --account alice";

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Register { offer, bond, data } => Box::pin(manage::register(context, &offer, &bond, &data)).await,
        Command::Update(update) => Box::pin(manage::update(context, &update)).await,
        Command::Pause { resume } => Box::pin(manage::pause(context, !resume)).await,
        Command::Exit => Box::pin(manage::exit(context)).await,
        Command::Status { who, data } => Box::pin(status::status(context, who.as_deref(), &data)).await,
        Command::Run(args) => Box::pin(run::run(context, &args)).await,
        Command::Scrub { status } => Box::pin(scrub::scrub(&status)).await,
        Command::List { limit } => Box::pin(status::list(context, limit)).await,
    }
}
