// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! `cairn-node`: the Cairn validator and full node.
//!
//! | module | holds |
//! | --- | --- |
//! | [`cli`] | the flags and subcommands |
//! | [`command`] | what each subcommand does |
//! | [`chain_spec`] | the chains that the binary knows by name |
//! | [`service`] | a running node: client, consensus, network, workers |
//! | [`rpc`] | the JSON-RPC methods that this node adds to the standard ones |
//! | `benchmarking` | the `benchmark` command, only with the feature `benchmark` |
//!
//! All rules of the chain are in the runtime; this crate only carries them out: it moves blocks, votes and
//! transactions, and keeps them on disk.

#[cfg(feature = "benchmark")]
mod benchmarking;
mod building;
mod chain_spec;
mod cli;
mod command;
mod rpc;
mod service;

use std::{error::Error, process::ExitCode};

/// Quicker than the system's where many threads allocate.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match command::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  caused by: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        },
    }
}
