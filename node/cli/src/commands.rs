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
        Noun::Account(command) => account::run(context, command).await,
        Noun::Chain(command) => chain::run(context, command).await,
        Noun::Stake(command) => stake::run(context, command).await,
        Noun::Contract(command) => contract::run(context, command).await,
        Noun::Name(command) => name::run(context, command).await,
        Noun::Vault(command) => vault::run(context, command).await,
        Noun::Drive(command) => drive::run(context, command).await,
        Noun::Put(args) => file::run(context, file::Command::Put(args)).await,
        Noun::Get(args) => file::run(context, file::Command::Get(args)).await,
        Noun::Cat(args) => file::run(context, file::Command::Cat(args)).await,
        Noun::Ls(args) => file::run(context, file::Command::Ls(args)).await,
        Noun::Rm(args) => file::run(context, file::Command::Rm(args)).await,
        Noun::Mv(args) => file::run(context, file::Command::Mv(args)).await,
        Noun::Mkdir(args) => file::run(context, file::Command::Mkdir(args)).await,
        Noun::Sync(args) => file::run(context, file::Command::Sync(args)).await,
        Noun::Share(args) => file::run(context, file::Command::Share(args)).await,
        Noun::Unshare(args) => file::run(context, file::Command::Unshare(args)).await,
        Noun::Versions(args) => file::run(context, file::Command::Versions(args)).await,
        Noun::Gateway(command) => gateway::run(context, *command).await,
        Noun::Api(command) => api::run(context, *command).await,
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
