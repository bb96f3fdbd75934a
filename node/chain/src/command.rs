// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! What each subcommand does, and what runs without one: a node.

use crate::{
    chain_spec,
    cli::{Cli, Subcommand},
    service::{self, components::Components, Backend, Client},
};
use cairn_runtime::{opaque::Block, BlockNumber};
use futures::Future;
use sc_cli::{CliConfiguration, Error, KeySubcommand, Result, SubstrateCli};
use sc_service::{Configuration, TaskManager};
use std::{pin::Pin, sync::Arc};

impl SubstrateCli for Cli {
    fn impl_name() -> String {
        "Cairn Node".into()
    }

    fn impl_version() -> String {
        env!("SUBSTRATE_CLI_IMPL_VERSION").into()
    }

    fn description() -> String {
        env!("CARGO_PKG_DESCRIPTION").into()
    }

    fn author() -> String {
        env!("CARGO_PKG_AUTHORS").into()
    }

    fn support_url() -> String {
        "file an issue in the repository that this program comes from".into()
    }

    fn copyright_start_year() -> i32 {
        2026
    }

    fn load_spec(&self, id: &str) -> std::result::Result<Box<dyn sc_service::ChainSpec>, String> {
        Ok(Box::new(chain_spec::load(id)?))
    }
}

/// Parses the command line and does what it says.
pub fn run() -> Result<()> {
    let cli = Cli::from_args();
    match &cli.subcommand {
        None => run_node(&cli),
        Some(Subcommand::Key(command)) => run_key(&cli, command),
        Some(Subcommand::BuildSpec(command)) => {
            cli.create_runner(command)?.sync_run(|config| command.run(config.chain_spec, config.network))
        },
        Some(Subcommand::ExportChainSpec(command)) => command.run(cli.load_spec(&command.chain)?),
        Some(Subcommand::PurgeChain(command)) => {
            cli.create_runner(command)?.sync_run(|config| command.run(config.database))
        },
        Some(Subcommand::ChainInfo(command)) => {
            cli.create_runner(command)?.sync_run(|config| command.run::<Block>(&config))
        },
        Some(Subcommand::CheckBlock(command)) => {
            on_database(&cli, command, |parts, _config| Box::pin(command.run(parts.client, parts.import_queue)))
        },
        Some(Subcommand::ImportBlocks(command)) => {
            on_database(&cli, command, |parts, _config| Box::pin(command.run(parts.client, parts.import_queue)))
        },
        Some(Subcommand::ExportBlocks(command)) => {
            on_database(&cli, command, |parts, config| Box::pin(command.run(parts.client, config.database)))
        },
        Some(Subcommand::ExportState(command)) => {
            on_database(&cli, command, |parts, config| Box::pin(command.run(parts.client, config.chain_spec)))
        },
        Some(Subcommand::Revert(command)) => on_database(&cli, command, |parts, _config| {
            Box::pin(command.run(parts.client, parts.backend, Some(Box::new(revert_consensus))))
        }),
        #[cfg(feature = "runtime-benchmarks")]
        Some(Subcommand::Benchmark(command)) => crate::benchmarking::run(&cli, command),
        #[cfg(not(feature = "runtime-benchmarks"))]
        Some(Subcommand::Benchmark(_)) => Err(Error::Input(
            "this binary was built without benchmarks. Build one with `cargo build --release --package cairn-node \
             --features runtime-benchmarks`; it is for measuring only and must not join a network"
                .into(),
        )),
    }
}

fn run_node(cli: &Cli) -> Result<()> {
    cli.create_runner(&cli.run)?.run_node_until_exit(|config| async move {
        service::start(config, &cli.storage_monitor).map_err(Error::Service)
    })
}

fn run_key(cli: &Cli, command: &KeySubcommand) -> Result<()> {
    match command {
        // The command line lets this through without a chain only where no chain is needed: the key goes to a given
        // file or to standard output.
        KeySubcommand::GenerateNodeKey(command) if command.chain.is_none() => command.common.run(),
        command => command.run(cli),
    }
}

type Work<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// What a node holds without its network, less what no subcommand works with.
struct Parts {
    client: Arc<Client>,
    backend: Arc<Backend>,
    import_queue: sc_consensus::DefaultImportQueue<Block>,
}

/// Opens the database of the chosen chain, and runs `work` on it until it is done or a signal comes.
fn on_database<'a, Command: CliConfiguration>(
    cli: &Cli,
    command: &Command,
    work: impl FnOnce(Parts, Configuration) -> Work<'a>,
) -> Result<()> {
    cli.create_runner(command)?.async_run(|config| -> Result<(Work<'a>, TaskManager)> {
        let Components { client, backend, import_queue, task_manager, .. } = Components::new(&config)?;
        Ok((work(Parts { client, backend, import_queue }, config), task_manager))
    })
}

/// Takes back what BABE and GRANDPA noted about the blocks that are going to be removed.
fn revert_consensus(client: Arc<Client>, backend: Arc<Backend>, blocks: BlockNumber) -> Result<()> {
    sc_consensus_babe::revert(client.clone(), backend, blocks)?;
    sc_consensus_grandpa::revert(client, blocks)?;
    Ok(())
}
