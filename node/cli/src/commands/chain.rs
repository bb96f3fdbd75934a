// SPDX-License-Identifier: Apache-2.0

//! `cairn chain`: the chain and the node.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cairn_client::{chain::clock::EpochProgress, Client, View};
use clap::Subcommand;
use serde_json::json;

use crate::{
    context::Context,
    failure::{usage, Result},
    keystore::{replace, write_new, PUBLIC},
    output::{fields, Report},
};

/// Blocks over which the block time is measured.
const BLOCK_TIME_WINDOW_BLOCKS: u64 = 20;

/// The chain and the node.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show where the chain is and how the node does
    #[command(after_help = "Example:\n  cairn chain status --url ws://127.0.0.1:9944 --json")]
    Status,
    /// Write the runtime's metadata to a file, as the runtime gives it
    #[command(after_help = "Example:\n  cairn chain metadata --output metadata.scale --version 15")]
    Metadata {
        /// File to write
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// Version of the metadata's format [default: the highest stable one]
        #[arg(long, value_name = "N")]
        version: Option<u32>,
        /// Replace the file if it exists
        #[arg(long)]
        overwrite: bool,
    },
}

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Status => Box::pin(status(context)).await,
        Command::Metadata { output, version, overwrite } => {
            Box::pin(metadata(context, output, version, overwrite)).await
        },
    }
}

async fn status(context: &Context) -> Result<Report> {
    let client = context.client().await?;
    let (node, chain_type, best, finalized) =
        tokio::try_join!(client.node_status(), client.chain_type(), client.best(), client.finalized())?;
    let (epoch, era, validators, wanted) =
        tokio::try_join!(best.epoch(), best.active_era(), best.validators(), best.validator_count())?;
    let block_time = observed_block_time(client, &best).await?;
    let target = best.block_time()?;
    let age = block_age(&best).await?;
    let era_length = best.era_length()?;
    let era_text = match era.and_then(|era| Some((era.index, era.start?))) {
        None => "not begun".into(),
        Some((index, start)) => {
            let passed = Duration::from_millis(best.timestamp_ms().await?.saturating_sub(start));
            format!("{index}, {} of about {} passed", human(passed), human(era_length))
        },
    };
    let block_time_text = match block_time {
        Some(observed) => format!("{:.1} s observed, {:.1} s intended", observed.as_secs_f64(), target.as_secs_f64()),
        None => format!("{:.1} s intended", target.as_secs_f64()),
    };
    let text = fields([
        ("chain", format!("{} ({})", node.chain, chain_type.name())),
        ("genesis", format!("{:?}", client.genesis_hash())),
        ("node", format!("{} {}", node.name, node.version)),
        ("endpoint", client.url().await.unwrap_or_default()),
        ("runtime", format!("{} {}", node.spec_name, node.spec_version)),
        ("best block", format!("#{} {:?}, {} old", best.block_number(), best.block_hash(), human(age))),
        ("finalized", format!("#{} {:?}", finalized.block_number(), finalized.block_hash())),
        ("peers", node.peers.to_string()),
        ("syncing", if node.is_syncing { "yes" } else { "no" }.into()),
        ("epoch", epoch_text(&epoch)),
        ("era", era_text),
        ("validators", format!("{} active, {wanted} wanted", validators.len())),
        ("block time", block_time_text),
    ]);
    let json = json!({
        "chain": node.chain,
        "chain_type": chain_type.name(),
        "genesis": format!("{:?}", client.genesis_hash()),
        "node": { "name": node.name, "version": node.version },
        "endpoint": client.url().await,
        "runtime": { "name": node.spec_name, "version": node.spec_version },
        "best": { "number": best.block_number(), "hash": format!("{:?}", best.block_hash()), "age_ms": age.as_millis() as u64 },
        "finalized": { "number": finalized.block_number(), "hash": format!("{:?}", finalized.block_hash()) },
        "peers": node.peers,
        "syncing": node.is_syncing,
        "epoch": { "index": epoch.index, "slots_passed": epoch.slots_passed, "slots": epoch.slots },
        "era": era.map(|era| json!({ "index": era.index, "start_ms": era.start })),
        "era_length_ms": era_length.as_millis() as u64,
        "validators": { "active": validators.len(), "wanted": wanted },
        "block_time_ms": { "observed": block_time.map(|time| time.as_millis() as u64), "intended": target.as_millis() as u64 },
    });
    Ok(Report::new(text, json))
}

fn epoch_text(epoch: &EpochProgress) -> String {
    format!("{}, slot {} of {}", epoch.index, epoch.slots_passed, epoch.slots)
}

/// The mean time between the last blocks, if there are any.
async fn observed_block_time(client: &Client, best: &View) -> Result<Option<Duration>> {
    // Block 0 has no time.
    let window = best.block_number().saturating_sub(1).min(BLOCK_TIME_WINDOW_BLOCKS);
    if window == 0 {
        return Ok(None);
    }
    let Some(hash) = client.block_hash(best.block_number() - window).await? else { return Ok(None) };
    // A node without old state (just synced by warp sync) can't tell.
    let Ok(earlier) = client.at(hash).await else { return Ok(None) };
    let (from, to) = (earlier.timestamp_ms().await?, best.timestamp_ms().await?);
    Ok(Some(Duration::from_millis(to.saturating_sub(from) / window)))
}

async fn block_age(best: &View) -> Result<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(now.saturating_sub(Duration::from_millis(best.timestamp_ms().await?)))
}

/// A length of time in words, roughly.
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

async fn metadata(context: &Context, output: PathBuf, version: Option<u32>, overwrite: bool) -> Result<Report> {
    let view = context.client().await?.finalized().await?;
    let version = match version {
        Some(version) => version,
        None => view.metadata_versions().await?.last().copied().ok_or_else(|| usage("the runtime has no metadata"))?,
    };
    let bytes = view.metadata(version).await?;
    let written = if overwrite { replace(&output, &bytes, PUBLIC) } else { write_new(&output, &bytes, PUBLIC) };
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            usage(format!("{} exists already; --overwrite replaces it", output.display()))
        },
        _ => anyhow::Error::new(error).context(format!("can't write {}", output.display())),
    })?;
    let text = format!(
        "{}: metadata version {version} of runtime {}, {} bytes",
        output.display(),
        view.spec_version(),
        bytes.len()
    );
    let json = json!({
        "file": output,
        "metadata_version": version,
        "spec_version": view.spec_version(),
        "length": bytes.len(),
    });
    Ok(Report::new(text, json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_roughly() {
        for (seconds, text) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 days")]
        {
            assert_eq!(human(Duration::from_secs(seconds)), text);
        }
    }
}
