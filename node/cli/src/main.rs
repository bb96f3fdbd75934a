// SPDX-License-Identifier: Apache-2.0

//! The `cairn` command: everything a user of Cairn does.

mod amount;
mod args;
mod commands;
mod config;
mod context;
mod failure;
mod interrupt;
mod keystore;
mod output;
mod secrets;
mod size;
mod spend;

use std::{num::NonZero, process::ExitCode};

use clap::Parser;

use crate::{
    args::Cli,
    context::Context,
    failure::{Exit, Result, Shown},
    output::to_stderr,
};

/// Shards and frames are blocks of hundreds of KiB: the system's allocator gives each back to the kernel and takes it anew, page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage_error(&error),
    };
    let json = cli.global.json;
    match run(cli) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            let shown = Shown::new(&error);
            to_stderr(&if json { shown.json().to_string() } else { shown.text() });
            ExitCode::from(shown.exit as u8)
        },
    }
}

/// Sets how many threads the runtime has, instead of what is chosen here.
const WORKERS_VARIABLE: &str = "TOKIO_WORKER_THREADS";

fn run(cli: Cli) -> Result<Exit> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if cli.noun.moves_files() && std::env::var_os(WORKERS_VARIABLE).is_none() {
        builder.worker_threads(workers(std::thread::available_parallelism().map_or(1, NonZero::get)));
    }
    let runtime = builder.enable_all().build()?;
    let context = Context::new(&cli.global)?;
    let report = runtime.block_on(commands::run(&context, cli.noun))?;
    context.output.report(&report)?;
    Ok(report.exit)
}

/// Threads for the network of what moves files, of so many cores.
///
/// Files are read, sealed, coded, hashed and written on threads of their own. As many more as there are cores for the network
/// only wake one another for each frame. A marketplace proxy does everything on these threads, so it takes the runtime's
/// default, one a core.
fn workers(cores: usize) -> usize {
    cores.div_ceil(2)
}

/// The parser's own errors: help and version are none.
fn usage_error(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if json && error.use_stderr() {
        let text = error.render().to_string();
        let message = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        let shown = Shown { exit: Exit::Usage, code: "usage".into(), message: message.into(), remedy: None };
        to_stderr(&shown.json().to_string());
    } else {
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}
