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
use sc_service::Configuration;
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
        Some(Subcommand::ExportChainSpec(command)) => {
            // What the runtime has against a genesis it says in its log.
            sc_cli::LoggerBuilder::new("warn").init()?;
            command.run(cli.load_spec(&command.chain)?)
        },
        Some(Subcommand::PurgeChain(command)) => {
            cli.create_runner(command)?.sync_run(|config| command.run(config.database))
        },
        Some(Subcommand::ChainInfo(command)) => {
            cli.create_runner(command)?.sync_run(|config| command.run::<Block>(&config))
        },
        Some(Subcommand::CheckBlock(command)) => {
            on_import_queue(&cli, command, |client, queue| Box::pin(command.run(client, queue)))
        },
        Some(Subcommand::ImportBlocks(command)) => {
            on_import_queue(&cli, command, |client, queue| Box::pin(command.run(client, queue)))
        },
        Some(Subcommand::ExportBlocks(command)) => {
            on_database(&cli, command, |client, _backend, config| Box::pin(command.run(client, config.database)))
        },
        Some(Subcommand::ExportState(command)) => {
            on_database(&cli, command, |client, _backend, config| Box::pin(command.run(client, config.chain_spec)))
        },
        Some(Subcommand::Revert(command)) => on_database(&cli, command, |client, backend, _config| {
            Box::pin(command.run(client, backend, Some(Box::new(revert_consensus))))
        }),
        Some(Subcommand::BuildingSpeed(command)) => cli.create_runner(command)?.sync_run(|config| command.run(&config)),
        #[cfg(feature = "benchmark")]
        Some(Subcommand::Benchmark(command)) => crate::benchmarking::run(&cli, command),
        #[cfg(not(feature = "benchmark"))]
        Some(Subcommand::Benchmark(_)) => Err(Error::Input(
            "this binary was built without benchmarks. Build one with `cargo build --release --workspace --features \
             cairn-node/benchmark`; `scripts/weights` does, and runs them"
                .into(),
        )),
    }
}

fn run_node(cli: &Cli) -> Result<()> {
    let chosen_port = cli.run.rpc_params.rpc_port.is_some();
    let (hold, held) = std::sync::mpsc::channel();
    let result = cli.create_runner(&cli.run)?.run_node_until_exit(|mut config| async move {
        if chosen_port {
            // Whoever named a port is going to look for the node there, and nowhere else.
            config.rpc.addr.iter_mut().flatten().for_each(|endpoint| endpoint.retry_random_port = false);
        }
        let (task_manager, backend) = service::start(config, &cli.storage_monitor).map_err(Error::Service)?;
        // The other end is below.
        let _ = hold.send(backend);
        Ok(task_manager)
    });
    held.try_iter().for_each(service::close);
    result
}

fn run_key(cli: &Cli, command: &KeySubcommand) -> Result<()> {
    crate::cli::check_scheme(std::env::args_os()).map_err(Error::Input)?;
    match command {
        // The command line lets this through without a chain only where no chain is needed: the key goes to a given
        // file or to standard output.
        KeySubcommand::GenerateNodeKey(command) if command.chain.is_none() => command.common.run(),
        command => command.run(cli),
    }
}

type ImportQueue = sc_consensus::DefaultImportQueue<Block>;
type Work<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// Opens the database of the chosen chain, and runs `work` on it until it is done or a signal comes.
fn on_database<'a, Command: CliConfiguration>(
    cli: &Cli,
    command: &Command,
    work: impl FnOnce(Arc<Client>, Arc<Backend>, Configuration) -> Work<'a>,
) -> Result<()> {
    on_components(cli, command, |components, config| {
        (work(components.client.clone(), components.backend.clone(), config), components)
    })
}

/// The same for work that puts blocks through the import queue.
fn on_import_queue<'a, Command: CliConfiguration>(
    cli: &Cli,
    command: &Command,
    work: impl FnOnce(Arc<Client>, ImportQueue) -> Work<'a>,
) -> Result<()> {
    on_components(cli, command, |components, _config| {
        let Components { client, import_queue, transaction_pool, consensus, .. } = components;
        (work(client, import_queue), (transaction_pool, consensus))
    })
}

/// `work` returns what is to be done and what must not be dropped meanwhile.
fn on_components<'a, Command: CliConfiguration, Kept>(
    cli: &Cli,
    command: &Command,
    work: impl FnOnce(Components, Configuration) -> (Work<'a>, Kept),
) -> Result<()> {
    let mut kept = None;
    let result = cli.create_runner(command)?.async_run(|config| {
        let (components, task_manager) = Components::new(&config)?;
        let (work, parts) = work(components, config);
        kept = Some(parts);
        Ok((work, task_manager))
    });
    drop(kept);
    result
}

/// Takes back what BABE and GRANDPA noted about the blocks that are going to be removed.
fn revert_consensus(client: Arc<Client>, backend: Arc<Backend>, blocks: BlockNumber) -> Result<()> {
    sc_consensus_babe::revert(client.clone(), backend, blocks)?;
    sc_consensus_grandpa::revert(client, blocks)?;
    Ok(())
}
