// SPDX-License-Identifier: Apache-2.0

//! The command line: `cairn <noun> <verb>`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands;

/// Cairn: money, names, storage and traffic without central services.
#[derive(Debug, Parser)]
#[command(name = "cairn", version, max_term_width = 100, propagate_version = true, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub noun: Noun,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 refused by the chain, 4 no node reachable, 5 done but for what is named as left out.

Examples:
  cairn chain status
  cairn account new alice
  cairn account send 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY 1.5 --account alice
  cairn stake status --json

Settings come from the command line, the environment (CAIRN_URL, CAIRN_ACCOUNT, CAIRN_KEYSTORE, CAIRN_CONFIG,
CAIRN_PASSPHRASE, CAIRN_PASSPHRASE_FILE), and ~/.config/cairn/config.toml; `cairn config show` tells which.";

/// Options that every command has.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Common options")]
pub struct GlobalArgs {
    /// Node to talk to; give it several times for failover [default: ws://127.0.0.1:9944]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Vec<String>,
    /// Account that signs: a stored name, or //Alice on development chains
    #[arg(long, global = true, value_name = "NAME")]
    pub account: Option<String>,
    /// Folder of the stored accounts [default: ~/.local/share/cairn/accounts]
    #[arg(long, global = true, value_name = "DIR")]
    pub keystore: Option<PathBuf>,
    /// File whose first line is the passphrase (else CAIRN_PASSPHRASE, else a prompt)
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Configuration file [default: ~/.config/cairn/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON document; errors as JSON on stderr
    #[arg(long, global = true)]
    pub json: bool,
    /// Show no progress and no notes
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Return once a node has taken the transaction, without waiting for finality
    #[arg(long, global = true)]
    pub no_wait: bool,
    /// Don't ask before spending
    #[arg(long, short, global = true)]
    pub yes: bool,
    /// Allow the well-known development keys (//Alice) on any chain
    #[arg(long, global = true)]
    pub allow_dev_keys: bool,
}

/// What a command is about.
#[derive(Debug, Subcommand)]
pub enum Noun {
    /// Keys and coins: make, import, list, show, send
    #[command(subcommand)]
    Account(commands::account::Command),
    /// The chain and the node
    #[command(subcommand)]
    Chain(commands::chain::Command),
    /// Stake coins: validate, nominate, pools, rewards
    #[command(subcommand)]
    Stake(commands::stake::Command),
    /// Smart contracts
    #[command(subcommand)]
    Contract(commands::contract::Command),
    /// Names: register, point somewhere, renew, hand over
    #[command(subcommand)]
    Name(commands::name::Command),
    /// Offer storage: register, run, watch the earnings, leave
    #[command(subcommand)]
    Vault(commands::vault::Command),
    /// Storage of one's own: make drives, pay for them, see how their vaults fare
    #[command(subcommand)]
    Drive(commands::drive::Command),
    /// Put files and folders into a drive
    #[command(after_help = commands::file::PUT_HELP)]
    Put(commands::file::Put),
    /// Get files out of a drive, or what a link names
    #[command(disable_version_flag = true, after_help = commands::file::GET_HELP)]
    Get(commands::file::Get),
    /// Show a file of a drive, or a part of it
    #[command(disable_version_flag = true)]
    Cat(commands::file::Cat),
    /// List what is in a drive
    #[command(disable_version_flag = true)]
    Ls(commands::file::Ls),
    /// Remove files and directories from a drive
    Rm(commands::file::Rm),
    /// Move or rename within a drive
    Mv(commands::file::Mv),
    /// Make directories in a drive
    Mkdir(commands::file::Mkdir),
    /// Make a folder and a directory of a drive alike
    #[command(after_help = commands::file::SYNC_HELP)]
    Sync(commands::file::Sync),
    /// Let others read or write a drive
    #[command(after_help = commands::file::SHARE_HELP)]
    Share(commands::file::Share),
    /// Share a drive no longer
    Unshare(commands::file::Unshare),
    /// List a drive's versions
    Versions(commands::file::Versions),
    /// Answer for names over DNS
    Gateway(Box<commands::gateway::Command>),
    /// The marketplace of APIs: sell calls of one, buy calls of others
    #[command(subcommand)]
    Api(Box<commands::api::Command>),
    /// This program's settings
    #[command(subcommand)]
    Config(commands::config::Command),
}

impl Noun {
    /// Whether files, or their shards, are most of what it does.
    pub fn moves_files(&self) -> bool {
        match self {
            Noun::Vault(_)
            | Noun::Drive(_)
            | Noun::Put(_)
            | Noun::Get(_)
            | Noun::Cat(_)
            | Noun::Ls(_)
            | Noun::Rm(_)
            | Noun::Mv(_)
            | Noun::Mkdir(_)
            | Noun::Sync(_)
            | Noun::Share(_)
            | Noun::Unshare(_)
            | Noun::Versions(_) => true,
            Noun::Account(_)
            | Noun::Chain(_)
            | Noun::Stake(_)
            | Noun::Contract(_)
            | Noun::Name(_)
            | Noun::Gateway(_)
            | Noun::Api(_)
            | Noun::Config(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} of {} has no help", argument.get_id(), command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        let mut command = Cli::command();
        command.build();
        command.get_subcommands().filter(|command| command.get_name() != "help").for_each(check);
    }

    #[test]
    fn common_options_may_stand_anywhere() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).expect(line);
        for line in [
            "cairn --json --url ws://a:1 --url ws://b:2 chain status",
            "cairn chain --json status --url ws://a:1 --url ws://b:2",
            "cairn chain status --url ws://a:1 --json --url ws://b:2",
        ] {
            let cli = parse(line);
            assert!(cli.global.json && cli.global.url.len() == 2, "{line}");
        }
    }

    /// A secret on a command line is in the shell's history and in every process list.
    #[test]
    fn no_option_takes_a_secret() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                let secret = ["passphrase", "password", "phrase", "seed", "secret"].contains(&id);
                assert!(!secret || !argument.get_action().takes_values(), "{id} of {}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn wrong_lines_are_usage_errors() {
        for line in ["cairn", "cairn account", "cairn nonsense", "cairn account send", "cairn chain status --no-such"] {
            let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
