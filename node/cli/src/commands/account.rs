// SPDX-License-Identifier: Apache-2.0

//! `cairn account`: keys and coins.

mod keys;
mod send;
mod show;

use std::path::PathBuf;

use clap::Subcommand;

use crate::{context::Context, failure::Result, output::Report};

/// Keys and coins.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new account: a key pair, stored encrypted, and its recovery phrase
    #[command(after_help = NEW_HELP)]
    New {
        /// Name to store it under
        name: String,
        /// Words of the recovery phrase
        #[arg(long, default_value = "12", value_parser = ["12", "24"])]
        words: String,
        /// Write the recovery phrase to this new file instead of showing it
        #[arg(long, value_name = "FILE", conflicts_with = "no_phrase")]
        phrase_file: Option<PathBuf>,
        /// Show no recovery phrase: the stored file is then the only copy of the key
        #[arg(long)]
        no_phrase: bool,
    },
    /// Store an account that exists elsewhere: by its recovery phrase or its wallet file
    #[command(after_help = IMPORT_HELP)]
    Import {
        /// Name to store it under
        name: String,
        /// Read the recovery phrase from this file's first line
        #[arg(long, value_name = "FILE", conflicts_with_all = ["stdin", "wallet_file"])]
        phrase_file: Option<PathBuf>,
        /// Read the recovery phrase from standard input
        #[arg(long, conflicts_with = "wallet_file")]
        stdin: bool,
        /// Import a wallet's JSON file (polkadot-js, Talisman, SubWallet, Nova)
        #[arg(long, value_name = "FILE")]
        wallet_file: Option<PathBuf>,
    },
    /// List the stored accounts
    List,
    /// Show an account: its address, its coins
    #[command(
        after_help = "Examples:\n  cairn account show alice\n  cairn account show 5Grw… --json\n  cairn account show alice --offline"
    )]
    Show {
        /// Stored name or address [default: the account that signs]
        who: Option<String>,
        /// Ask no node: show only what is stored
        #[arg(long)]
        offline: bool,
    },
    /// Send coins
    #[command(after_help = SEND_HELP)]
    Send {
        /// Receiver: an address, or a stored name
        to: String,
        /// Amount in whole coins: 1.5, 1.5CRN or 1.5 CRN
        amount: Option<String>,
        /// The coin's symbol, if it is not part of the amount
        symbol: Option<String>,
        /// Send everything that can be sent, closing the account if nothing else holds it
        #[arg(long, conflicts_with_all = ["amount", "allow_close"])]
        all: bool,
        /// Let the account be closed if less than the existential deposit remains (what remains is lost)
        #[arg(long)]
        allow_close: bool,
    },
    /// Write a stored account's encrypted file, for other wallets or as a backup
    #[command(after_help = "Example:\n  cairn account export alice --output alice-backup.json")]
    Export {
        /// Stored name
        name: String,
        /// File to write; standard output if not given
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Encrypt it again as wallets of before 2025 need it (asks for the passphrase; weaker)
        #[arg(long)]
        compatible: bool,
    },
    /// Delete a stored account. Without its recovery phrase or a backup, its coins are lost
    Remove {
        /// Stored name
        name: String,
    },
}

const NEW_HELP: &str = "\
Whoever has the recovery phrase has the account. It is shown once.

Examples:
  cairn account new alice
  CAIRN_PASSPHRASE=… cairn account new bot --phrase-file bot.phrase";

const IMPORT_HELP: &str = "\
The phrase is 12 to 24 words, optionally followed by a derivation path (words//path), or 0x and a 32-byte seed in hex.
It is asked for, or read from a file or standard input; never given on the command line.

Examples:
  cairn account import alice
  cairn account import alice --phrase-file alice.phrase
  cairn account import alice --wallet-file 5Grw….json";

const SEND_HELP: &str = "\
The fee is shown before anything is sent, and comes on top of the amount.

Examples:
  cairn account send 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty 1.5 --account alice
  cairn account send bob 1.5 CRN --account alice --no-wait
  cairn account send bob --all --account alice
  cairn account send //Bob 10 --account //Alice        (development chains)";

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::New { name, words, phrase_file, no_phrase } => {
            keys::new(context, &name, &words, phrase_file.as_deref(), no_phrase)
        },
        Command::Import { name, phrase_file, stdin, wallet_file } => {
            keys::import(context, &name, keys::Source::from_args(phrase_file, stdin, wallet_file))
        },
        Command::List => show::list(context),
        Command::Show { who, offline } => Box::pin(show::show(context, who.as_deref(), offline)).await,
        Command::Send { to, amount, symbol, all, allow_close } => {
            let amount = amount.map(|amount| format!("{amount} {}", symbol.unwrap_or_default()));
            send::send(context, &to, send::HowMuch::from_args(amount, all, allow_close)?).await
        },
        Command::Export { name, output, compatible } => keys::export(context, &name, output.as_deref(), compatible),
        Command::Remove { name } => keys::remove(context, &name),
    }
}
