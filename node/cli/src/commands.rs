// SPDX-License-Identifier: Apache-2.0

//! The commands, one module per noun.

pub mod account;
pub mod api;
pub mod chain;
pub mod config;
pub mod contract;
pub mod drive;
pub mod file;
pub mod gateway;
pub mod name;
pub mod stake;
pub mod vault;

use crate::{args::Noun, context::Context, failure::Result, output::Report};

/// Runs a command.
pub async fn run(context: &Context, noun: Noun) -> Result<Report> {
    match noun {
        Noun::Account(command) => Box::pin(account::run(context, command)).await,
        Noun::Chain(command) => Box::pin(chain::run(context, command)).await,
        Noun::Stake(command) => Box::pin(stake::run(context, command)).await,
        Noun::Contract(command) => Box::pin(contract::run(context, command)).await,
        Noun::Name(command) => Box::pin(name::run(context, command)).await,
        Noun::Vault(command) => Box::pin(vault::run(context, command)).await,
        Noun::Drive(command) => Box::pin(drive::run(context, command)).await,
        Noun::Put(args) => Box::pin(file::run(context, file::Command::Put(args))).await,
        Noun::Get(args) => Box::pin(file::run(context, file::Command::Get(args))).await,
        Noun::Cat(args) => Box::pin(file::run(context, file::Command::Cat(args))).await,
        Noun::Ls(args) => Box::pin(file::run(context, file::Command::Ls(args))).await,
        Noun::Rm(args) => Box::pin(file::run(context, file::Command::Rm(args))).await,
        Noun::Mv(args) => Box::pin(file::run(context, file::Command::Mv(args))).await,
        Noun::Mkdir(args) => Box::pin(file::run(context, file::Command::Mkdir(args))).await,
        Noun::Sync(args) => Box::pin(file::run(context, file::Command::Sync(args))).await,
        Noun::Share(args) => Box::pin(file::run(context, file::Command::Share(args))).await,
        Noun::Unshare(args) => Box::pin(file::run(context, file::Command::Unshare(args))).await,
        Noun::Versions(args) => Box::pin(file::run(context, file::Command::Versions(args))).await,
        Noun::Gateway(command) => Box::pin(gateway::run(context, *command)).await,
        Noun::Api(command) => Box::pin(api::run(context, *command)).await,
        Noun::Config(command) => config::run(context, command),
    }
}

/// An amount with its coin's symbol as a second word, if it was written so.
#[derive(Clone, Debug, clap::Args)]
pub struct AmountArgs {
    /// Amount in whole coins: 1.5, 1.5CRN or 1.5 CRN
    #[arg(value_name = "AMOUNT")]
    amount: String,
    /// The coin's symbol, if it is not part of the amount
    #[arg(value_name = "SYMBOL")]
    symbol: Option<String>,
}

impl AmountArgs {
    /// As one text.
    pub fn text(&self) -> String {
        match &self.symbol {
            Some(symbol) => format!("{} {symbol}", self.amount),
            None => self.amount.clone(),
        }
    }
}
