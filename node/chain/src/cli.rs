// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Flags and subcommands. All but the storage monitor's are the SDK's own, so that what operators know, and the tools
//! that they have, work here too.

use clap::CommandFactory;
use sc_cli::{CryptoScheme, KeySubcommand, RunCmd};
use sc_storage_monitor::StorageMonitorParams;
use std::ffi::OsString;

/// The whole command line: a node is run unless a subcommand is given.
#[derive(Debug, clap::Parser)]
pub struct Cli {
    #[command(subcommand)]
    pub subcommand: Option<Subcommand>,

    #[clap(flatten)]
    pub run: RunCmd,

    #[clap(flatten)]
    pub storage_monitor: StorageMonitorParams,
}

#[derive(Debug, clap::Subcommand)]
#[allow(clippy::large_enum_variant)] // Built once per process.
pub enum Subcommand {
    /// Make, show and store account, session and node keys
    #[command(subcommand)]
    #[command(mut_subcommand("generate-node-key", require_chain_for_key_directory))]
    #[command(mut_subcommand("insert", |command| command.mut_arg("suri", |argument| argument.value_parser(secret_uri))
        .mut_arg("key_type", |argument| argument.value_parser(SESSION_KEYS.map(|(key_type, _)| key_type)))))]
    #[command(mut_subcommand("inspect", |command| command.mut_arg("uri", |argument| argument.value_parser(secret_uri))))]
    Key(KeySubcommand),

    /// Write a chain specification to standard output (see also `export-chain-spec`)
    BuildSpec(sc_cli::BuildSpecCmd),

    /// Write a chain specification to a file or to standard output, in plain or in raw form
    ExportChainSpec(sc_cli::ExportChainSpecCmd),

    /// Execute a block of the database again
    CheckBlock(sc_cli::CheckBlockCmd),

    /// Write blocks of the database to a file
    ExportBlocks(sc_cli::ExportBlocksCmd),

    /// Write the state of a block as the genesis of a new raw chain specification
    ExportState(sc_cli::ExportStateCmd),

    /// Import blocks from a file
    ImportBlocks(sc_cli::ImportBlocksCmd),

    /// Remove the chain's database; keys stay
    PurgeChain(sc_cli::PurgeChainCmd),

    /// Remove the newest blocks that are not finalized
    Revert(sc_cli::RevertCmd),

    /// Show best and finalized block of the database
    ChainInfo(sc_cli::ChainInfoCmd),

    /// Measure how fast this machine builds a block out of given transactions
    BuildingSpeed(crate::building::BuildingSpeedCmd),

    /// Measure weights and this machine
    #[cfg(feature = "benchmark")]
    #[command(subcommand)]
    Benchmark(frame_benchmarking_cli::BenchmarkCmd),

    /// Measure weights and this machine (not in this build: needs the feature `benchmark`)
    #[cfg(not(feature = "benchmark"))]
    Benchmark(AbsentBenchmark),
}

/// Takes whatever follows `benchmark`, so that the answer is which feature is missing rather than a usage error.
#[cfg(not(feature = "benchmark"))]
#[derive(Debug, clap::Args)]
pub struct AbsentBenchmark {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _arguments: Vec<OsString>,
}

/// Only a chain's id says where below a base path its node key belongs; and this binary has no default chain.
fn require_chain_for_key_directory(command: clap::Command) -> clap::Command {
    command
        .mut_arg("base_path", |argument| argument.requires("chain"))
        .mut_arg("default_base_path", |argument| argument.requires("chain"))
}

/// The types of keys that this chain's sessions have, and their cryptography.
const SESSION_KEYS: [(&str, CryptoScheme); 3] =
    [("babe", CryptoScheme::Sr25519), ("gran", CryptoScheme::Ed25519), ("audi", CryptoScheme::Sr25519)];

/// Whether `key insert` is told the scheme that its key type has: the SDK stores any, and the node then has no key that it can use.
///
/// # Errors
/// The scheme it should be.
pub fn check_scheme(arguments: impl IntoIterator<Item = OsString>) -> Result<(), String> {
    let Ok(matches) = Cli::command().try_get_matches_from(arguments) else { return Ok(()) };
    let insert = matches.subcommand_matches("key").and_then(|key| key.subcommand_matches("insert"));
    let Some(insert) = insert else { return Ok(()) };
    let (key_type, scheme) = (insert.get_one::<String>("key_type"), insert.get_one::<CryptoScheme>("scheme"));
    match SESSION_KEYS.iter().find(|(known, _)| key_type.is_some_and(|key_type| key_type == known)) {
        Some((key_type, right)) if scheme.is_some_and(|scheme| scheme != right) => {
            let right = format!("{right:?}").to_lowercase();
            Err(format!("a key of the type {key_type} has another scheme: give --scheme {right}"))
        },
        _ => Ok(()),
    }
}

/// Where a path is given that has no file, the SDK derives a key from the development phrase by it: one that everybody can make.
fn secret_uri(text: &str) -> Result<String, String> {
    let is_path = text.contains('/') && !text.contains(' ') && !text.starts_with("//") && !text.starts_with("0x");
    if is_path && !std::path::Path::new(text).is_file() {
        return Err("there is no such file; development keys are written with two slashes, like //Alice".into());
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn parse(arguments: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(arguments.split_whitespace())
    }

    #[test]
    fn definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_subcommand_a_node_is_run() {
        let cli = parse("cairn-node --validator --chain local --alice").unwrap();
        assert!(cli.subcommand.is_none());
        assert!(cli.run.validator && cli.run.alice);
    }

    #[test]
    fn a_key_has_the_scheme_of_its_type() {
        let check = |scheme: &str, key_type: &str| {
            let text =
                format!("cairn-node key insert --chain local --scheme {scheme} --key-type {key_type} --suri //Alice");
            parse(&text).map_err(|error| error.to_string())?;
            check_scheme(text.split_whitespace().map(OsString::from))
        };
        for (scheme, key_type) in [("sr25519", "babe"), ("ed25519", "gran"), ("Ed25519", "gran"), ("sr25519", "audi")] {
            check(scheme, key_type).unwrap();
        }
        assert!(check("sr25519", "gran").unwrap_err().contains("--scheme ed25519"));
        assert!(check("ecdsa", "babe").unwrap_err().contains("--scheme sr25519"));
        assert!(check("ed25519", "grandpa").unwrap_err().contains("gran"));
        assert_eq!(check_scheme(["cairn-node".into(), "--dev".into()]), Ok(()));
    }

    #[test]
    fn a_path_without_a_file_is_no_key() {
        let insert = "cairn-node key insert --chain local --scheme sr25519 --key-type babe --suri";
        for wrong in ["/nonexistent/babe.txt", "keys/babe.txt", "./babe.txt", "/Alice"] {
            let error = parse(&format!("{insert} {wrong}")).unwrap_err().to_string();
            assert!(error.contains("there is no such file"), "{error}");
            parse(&format!("cairn-node key inspect {wrong}")).unwrap_err();
        }
        for right in ["//Alice", "//Alice//babe/0", "0x0101//a", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
            parse(&format!("{insert} {right}")).unwrap();
            parse(&format!("cairn-node key inspect {right}")).unwrap();
        }
        let phrase = [
            "cairn-node",
            "key",
            "inspect",
            "bottom drive obey lake curtain smoke basket hold race lonely fit walk//a/b",
        ];
        Cli::try_parse_from(phrase).unwrap();
    }

    #[test]
    fn storage_monitor_is_on_by_default_and_can_be_set() {
        assert_eq!(parse("cairn-node --dev").unwrap().storage_monitor.threshold, 1024);
        let cli = parse("cairn-node --dev --db-storage-threshold 7 --db-storage-polling-period 2").unwrap();
        assert_eq!((cli.storage_monitor.threshold, cli.storage_monitor.polling_period), (7, 2));
    }

    #[test]
    fn node_key_into_a_base_path_needs_a_chain() {
        assert!(parse("cairn-node key generate-node-key").is_ok());
        assert!(parse("cairn-node key generate-node-key --file key").is_ok());
        assert!(parse("cairn-node key generate-node-key --base-path d").is_err());
        assert!(parse("cairn-node key generate-node-key --default-base-path").is_err());
        assert!(parse("cairn-node key generate-node-key --base-path d --chain local").is_ok());
    }

    #[cfg(not(feature = "benchmark"))]
    #[test]
    fn benchmark_parses_whatever_follows() {
        let cli = parse("cairn-node benchmark pallet --chain dev --pallet *").unwrap();
        assert!(matches!(cli.subcommand, Some(Subcommand::Benchmark(_))));
    }
}
