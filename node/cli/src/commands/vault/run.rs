// SPDX-License-Identifier: Apache-2.0

//! The daemon.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use cairn_vault::{ClientChain, Config, Vault};
use serde_json::json;

use super::Run;
use crate::{
    context::Context,
    failure::{failed, Result},
    interrupt::asked_to_end,
    output::Report,
    size::{format_bytes, parse_bytes},
};

/// Where a vault listens if nothing else is said.
const PORT: u16 = 9960;

/// Runs the vault until it is interrupted.
pub async fn run(context: &Context, args: &Run) -> Result<Report> {
    let mut config = Config::new(args.data.path(context));
    config.listen = args.listen.clone();
    if args.listen.is_empty() {
        config.listen = vec![SocketAddr::from(([0, 0, 0, 0], PORT))];
    }
    config.status = args.status;
    config.reserve_bytes = parse_bytes(&args.reserve)?;
    config.objects.clone_from(&args.objects);
    config.accept_loss = args.accept_loss;
    config.limits.read_bytes_per_second = parse_bytes(&args.read_limit)?;
    context.output.log()?;
    let signer = context.signer().await?;
    let client = context.client().await?;
    let account = client.account(context.unlock(&signer)?);
    let chain = ClientChain::new(client.clone(), account)
        .await
        .map_err(|error| failed(error.to_string(), "check the node at --url"))?;
    let progress = context.output.progress("opening the store");
    let vault =
        Vault::start(config, Arc::new(chain)).await.map_err(|error| failed(error.to_string(), error.remedy()))?;
    drop(progress);
    match vault.store().room() {
        Ok((0, total)) => context.output.warn(&format!(
            "this vault can take nothing: less is free of its disk's {} than the reserve (--reserve {})",
            format_bytes(total),
            args.reserve
        )),
        Ok(_) => {},
        Err(error) => context.output.warn(&format!("it isn't known how much is free: {error}")),
    }
    for address in vault.addresses() {
        context.output.note(&format!("vault      {address}"));
    }
    if let Some(address) = vault.status() {
        context.output.note(&format!("status     http://{address}/"));
    }
    context.output.note(&format!("keeping {} logs", vault.store().slots().len()));
    let stopped = tokio::select! {
        stopped = asked_to_end() => stopped,
        () = store_failed(&vault) => Err(failed(
            "the disk didn't take what was written to the store's index, and nothing more is taken",
            "check the disk, and start again; what was acknowledged is there",
        )),
    };
    vault.stop().await;
    stopped?;
    Ok(Report::new("stopped", json!({ "status": "stopped" })))
}

/// How often it is looked whether the store has failed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Until the store takes nothing more: a vault that runs on without it looks alive, and whoever watches over it wouldn't start it again.
async fn store_failed(vault: &Vault) {
    while !vault.store().failed() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
