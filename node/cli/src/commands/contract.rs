// SPDX-License-Identifier: Apache-2.0

//! `cairn contract`: smart contracts. Every transaction is tried out first: its gas, its deposit and its failure are
//! known before anything is paid.

mod answer;
mod build;
mod bundle;
mod costs;
mod input;
mod look;
mod send;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{context::Context, failure::Result, output::Report};
use bundle::Bundle;
use costs::Caps;
use input::InputArgs;

/// Smart contracts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Begin a contract of your own: a crate with a small contract that works, and its tests
    #[command(after_help = build::NEW_HELP)]
    New {
        /// The contract's name: small letters, digits, - and _
        name: String,
        /// Folder to make [default: the name, in this folder]
        #[arg(long, value_name = "FOLDER")]
        path: Option<PathBuf>,
    },
    /// Build a contract's crate: a .contract bundle that the chain takes
    #[command(after_help = build::HELP)]
    Build(build::BuildArgs),
    /// Upload a contract's code without making a contract of it
    #[command(after_help = "Example:\n  cairn contract upload marketplace.contract --account alice")]
    Upload {
        /// A .contract bundle or a .wasm file
        file: PathBuf,
        #[command(flatten)]
        caps: Caps,
    },
    /// Make a contract
    #[command(after_help = INSTANTIATE_HELP)]
    Instantiate(InstantiateArgs),
    /// Call a contract: a transaction
    #[command(after_help = CALL_HELP)]
    Call {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        input: InputArgs,
        #[command(flatten)]
        caps: Caps,
    },
    /// Ask a contract something: costs nothing and changes nothing
    #[command(after_help = READ_HELP)]
    Read {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        input: InputArgs,
    },
    /// Show what the chain knows of a contract, or what a bundle can be asked
    #[command(after_help = "Examples:\n  cairn contract info 5Cx…\n  cairn contract info marketplace.contract")]
    Info {
        /// Address of a contract, or a .contract bundle
        what: String,
    },
    /// Remove code that no contract is made of, and get its deposit back
    #[command(after_help = "Example:\n  cairn contract remove 0x… --account alice")]
    Remove {
        /// Hash of the code
        code_hash: String,
    },
}

/// What to make a contract of.
#[derive(Args, Debug)]
pub struct InstantiateArgs {
    /// A .contract bundle or a .wasm file
    #[arg(required_unless_present = "code_hash")]
    file: Option<PathBuf>,
    /// Make it of code that was uploaded before
    #[arg(long, value_name = "HASH")]
    code_hash: Option<String>,
    /// Constructor, by its name in the bundle
    #[arg(long, default_value = "new", value_name = "NAME", conflicts_with = "data")]
    constructor: String,
    #[command(flatten)]
    input: InputArgs,
    /// Salt, in hex: another one gives another address [default: random]
    #[arg(long, value_name = "HEX")]
    salt: Option<String>,
    #[command(flatten)]
    caps: Caps,
}

/// What to call.
#[derive(Args, Debug)]
pub struct Target {
    /// Address of the contract
    contract: String,
    /// Message, by its name in the bundle
    #[arg(value_name = "MESSAGE", requires = "bundle", conflicts_with_all = ["data", "message_option"])]
    message: Option<String>,
    /// The same as MESSAGE
    #[arg(long = "message", id = "message_option", value_name = "NAME", requires = "bundle", conflicts_with = "data")]
    message_option: Option<String>,
    /// The contract's .contract bundle
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

impl Target {
    fn message(&self) -> Option<&str> {
        self.message.as_deref().or(self.message_option.as_deref())
    }

    fn bundle(&self) -> Result<Option<Bundle>> {
        self.bundle.as_deref().map(Bundle::load).transpose()
    }
}

const INSTANTIATE_HELP: &str = "\
Amounts inside arguments are in plancks (1 CRN is 1_000_000_000_000), accounts are addresses, bytes are 0x and hex.

Examples:
  cairn contract instantiate flipper.contract --arg true --account alice
  cairn contract instantiate erc20.contract --args '{\"total_supply\": \"1_000_000\"}' --account alice
  cairn contract instantiate --code-hash 0x… --data 0x9bae9d5e01 --account alice";

const CALL_HELP: &str = "\
Amounts inside arguments are in plancks (1 CRN is 1_000_000_000_000), accounts are addresses, bytes are 0x and hex.

Examples:
  cairn contract call 5Cx… flip --bundle flipper.contract --account alice
  cairn contract call 5Cx… transfer --bundle erc20.contract --args '{\"to\": \"5Gr…\", \"value\": 1}' --account alice
  cairn contract call 5Cx… tip --arg 'thank you' --value 1.5 --bundle tip_jar.contract --account alice
  cairn contract call 5Cx… --data 0x633aa551 --account alice";

const READ_HELP: &str = "\
Examples:
  cairn contract read 5Cx… get --bundle flipper.contract
  cairn contract read 5Cx… balance_of --arg 5Gr… --bundle erc20.contract";

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::New { name, path } => build::new(&name, path.as_deref()),
        Command::Build(args) => Box::pin(build::run(context, args)).await,
        Command::Upload { file, caps } => Box::pin(send::upload(context, &Bundle::load(&file)?, &caps)).await,
        Command::Instantiate(args) => Box::pin(send::instantiate(context, args)).await,
        Command::Call { target, input, caps } => Box::pin(send::call(context, &target, &input, &caps)).await,
        Command::Read { target, input } => Box::pin(look::read(context, &target, &input)).await,
        Command::Info { what } => Box::pin(look::info(context, &what)).await,
        Command::Remove { code_hash } => Box::pin(send::remove(context, &code_hash)).await,
    }
}
