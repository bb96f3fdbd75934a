// SPDX-License-Identifier: Apache-2.0

//! `cairn drive`: make drives, pay for them, see how their vaults fare. Files are the business of [`super::file`].

mod create;
pub mod manage;
pub mod place;
mod registry;
mod status;
mod transfer;
mod trim;

use clap::Subcommand;

use crate::{context::Context, failure::Result, output::Report};
use place::StateDir;

/// Storage of one's own.
#[derive(Debug, Subcommand)]
#[command(after_help = DRIVE_HELP)]
pub enum Command {
    /// Make a drive: the chain draws vaults for it
    #[command(after_help = CREATE_HELP)]
    Create(create::Create),
    /// List the drives of an account, and those shared with it
    List {
        #[command(flatten)]
        state: StateDir,
    },
    /// Show a drive: room, cost, and each slot's vault
    #[command(after_help = "Examples:\n  cairn drive status --account alice\n  cairn drive status 7 --json")]
    Status {
        /// Name or number [default: the account's only drive]
        drive: Option<String>,
        #[command(flatten)]
        state: StateDir,
    },
    /// Pay for more of a drive's time; anybody may
    #[command(after_help = "Example:\n  cairn drive top-up 7 100 --account alice")]
    TopUp {
        /// Name or number
        drive: String,
        #[command(flatten)]
        amount: super::AmountArgs,
        #[command(flatten)]
        state: StateDir,
    },
    /// Change how much a drive may hold
    #[command(after_help = "Example:\n  cairn drive resize 7 --capacity 20GiB --account alice")]
    Resize {
        /// Name or number
        drive: String,
        /// What it may hold, like 20GiB
        #[arg(long, value_name = "SIZE")]
        capacity: String,
        #[command(flatten)]
        state: StateDir,
    },
    /// Have vaults replaced that take nothing, before anything is stored: free of charge
    #[command(after_help = REDRAW_HELP)]
    Redraw {
        /// Name or number
        drive: String,
        /// Numbers of the slots whose vaults are to be replaced; `cairn drive status` shows them
        #[arg(required = true)]
        slots: Vec<u8>,
        #[command(flatten)]
        state: StateDir,
    },
    /// Give up old versions, and what only they hold; what is live is moved on where need be
    #[command(after_help = TRIM_HELP)]
    Trim {
        /// Name or number [default: the account's only drive]
        drive: Option<String>,
        /// Give up as much as possible, whatever has to be moved
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        state: StateDir,
    },
    /// Give a drive to another account, with its escrow and deposits
    #[command(after_help = TRANSFER_HELP)]
    Transfer {
        /// Name or number
        drive: String,
        /// Whose it shall be: stored name or address
        #[arg(long, value_name = "ACCOUNT")]
        to: String,
        #[command(flatten)]
        state: StateDir,
    },
    /// End a drive; what is left of its escrow comes back, and what it holds is gone
    Close {
        /// Name or number
        drive: String,
        #[command(flatten)]
        state: StateDir,
    },
    /// Say which drive `drive:` means
    #[command(after_help = "Example:\n  cairn drive default photos --account alice")]
    Default {
        /// Name or number
        drive: String,
        #[command(flatten)]
        state: StateDir,
    },
    /// Call a drive that somebody shares with you by a name of your own
    #[command(after_help = ADD_HELP)]
    Add {
        /// Its number
        drive: u64,
        /// What to call it
        name: String,
        #[command(flatten)]
        state: StateDir,
    },
    /// Forget what this machine knows of a drive: its name, and how far it was
    #[command(after_help = FORGET_HELP)]
    Forget {
        /// Its number
        drive: u64,
        /// Take this for the generation that its key has by now
        #[arg(long, value_name = "N")]
        key_generation: Option<u32>,
        #[command(flatten)]
        state: StateDir,
    },
    /// Publish the key that others need to share their drives with this account
    PublishKey,
}

const DRIVE_HELP: &str = "\
A path in a drive is written `drive:/path` for the account's only (or default) drive, `NAME:/path`, or `7:/path` by number.
`cairn put`, `get`, `ls`, `sync` and `share` work with files.";

const CREATE_HELP: &str = "\
A coding K/N keeps each byte in N vaults of which any K are enough: 1/4 keeps four copies, 4/16 survives the loss of any
twelve vaults. All of them take four times the room of the data.

Examples:
  cairn drive create photos --capacity 10GiB --account alice
  cairn drive create archive --capacity 1TiB --coding 4/16 --days 90 --account alice
  cairn drive create --capacity 1GiB --price 0.5 --escrow 200 --account alice";

const REDRAW_HELP: &str = "\
The chain drew the drive's vaults, and three quarters of them must take what is stored. If some never do, the first `cairn put` fails and
names them. The chain then draws others in their place, in its next block; three times for each slot at the most.

Example:
  cairn drive redraw photos 0 2 --account alice";

const TRANSFER_HELP: &str = "\
The new owner first runs `cairn share accept` once: the key of what is there is sealed to it, and its recovery phrase alone opens
the drive from then on. What it writes is under a key of its own, which the former owner doesn't have; what was there before
the former owner can read as long as the drive isn't trimmed of it. Accounts that it was shared with can read what was there, and
what is written later once the new owner has shared it with them anew.

Example:
  cairn drive transfer photos --to bob --account alice";

const ADD_HELP: &str = "\
Anybody can share a drive with you, and call it what they like. So `drive:` and names mean your own drives; what others share is meant by its
number, or by the name that you give it here.

Example:
  cairn drive add 7 annes --account alice";

const FORGET_HELP: &str = "\
This machine notes how far each drive was, and of which generation its key: a node that shows less is behind, or lies. Forget that if the
chain was begun anew. --key-generation is for a key that was turned many times since this machine last saw the drive.

Example:
  cairn drive forget 7";

const TRIM_HELP: &str = "\
Older versions can't be read any more. Links that were made before end, also those to files that stay: these are moved, and a link
leads to where a file was. `cairn share --link` makes new ones.

Example:
  cairn drive trim photos --account alice";

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Create(create) => Box::pin(create::create(context, create)).await,
        Command::List { state } => Box::pin(status::list(context, &state)).await,
        Command::Status { drive, state } => Box::pin(status::status(context, drive.as_deref(), &state)).await,
        Command::TopUp { drive, amount, state } => {
            Box::pin(manage::top_up(context, &drive, &amount.text(), &state)).await
        },
        Command::Resize { drive, capacity, state } => {
            Box::pin(manage::resize(context, &drive, &capacity, &state)).await
        },
        Command::Redraw { drive, slots, state } => Box::pin(manage::redraw(context, &drive, &slots, &state)).await,
        Command::Trim { drive, all, state } => Box::pin(trim::trim(context, drive.as_deref(), all, &state)).await,
        Command::Transfer { drive, to, state } => Box::pin(transfer::transfer(context, &drive, &to, &state)).await,
        Command::Close { drive, state } => Box::pin(manage::close(context, &drive, &state)).await,
        Command::Default { drive, state } => Box::pin(manage::default(context, &drive, &state)).await,
        Command::Add { drive, name, state } => Box::pin(manage::add(context, drive, &name, &state)).await,
        Command::Forget { drive, key_generation, state } => {
            manage::forget(context, drive, key_generation, &state).await
        },
        Command::PublishKey => Box::pin(manage::publish_key(context)).await,
    }
}
