// SPDX-License-Identifier: Apache-2.0

//! Whether anybody reaches this vault.
//!
//! A vault that answers every challenge may still be of no use to anybody: its address may have changed, or lie behind a firewall. The chain
//! doesn't see that, and its operator wouldn't either. The others of its groups ask for something every now and then. If for an hour nobody
//! has, the vault tries the addresses that the chain names for it, and if none of them leads here its operator is told.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Arc,
    },
    time::Duration,
};

use cairn_client::chain::vaults::Vault as VaultInfo;
use cairn_wire::{Connection, Timeouts};
use tokio::time::Instant;

use crate::{
    known::Known,
    metrics::{set, Metrics},
    Chain, ChainError,
};

/// How long an address is given to answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Whether one of a vault's addresses leads to it: the first that does, or why each doesn't.
///
/// # Errors
/// What became of each address.
pub async fn reach(vault: &VaultInfo, genesis: [u8; 32]) -> Result<String, Vec<(String, String)>> {
    let mut failures = Vec::new();
    for address in &vault.addresses {
        let shown = String::from_utf8_lossy(address).into_owned();
        let connecting = Connection::connect(&shown, vault.service_key, genesis, Timeouts::default());
        let reason = match tokio::time::timeout(ANSWER_MAX, connecting).await {
            Ok(Ok(_)) => return Ok(shown),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("nobody answered within {} s", ANSWER_MAX.as_secs()),
        };
        failures.push((shown, reason));
    }
    Err(failures)
}

/// When somebody else asked this vault for something the last time.
pub(crate) struct Reached {
    started: Instant,
    /// Milliseconds after that.
    last_ms: AtomicU64,
    told: AtomicBool,
}

impl Default for Reached {
    fn default() -> Self {
        Reached { started: Instant::now(), last_ms: AtomicU64::new(0), told: AtomicBool::new(false) }
    }
}

impl Reached {
    /// Somebody asked for something.
    pub fn note(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now, Ordering::Relaxed);
    }

    /// For how long nobody has.
    pub fn ago(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }
}

/// Looks now and then whether anybody could reach the vault.
pub(crate) struct Lookout {
    pub chain: Arc<dyn Chain>,
    pub known: Arc<Known>,
    pub metrics: Arc<Metrics>,
    pub reached: Arc<Reached>,
    /// For how long nobody may come.
    pub after: Duration,
}

impl Lookout {
    /// Looks once; tells the operator when it begins and when it is over.
    pub async fn look(&self) -> Result<(), ChainError> {
        let ago = self.reached.ago();
        set(&self.metrics.reached_seconds_ago, ago.as_secs());
        // Who has no slot isn't asked for anything.
        if ago < self.after || self.known.slots().is_empty() {
            if self.reached.told.swap(false, Ordering::Relaxed) {
                tracing::info!("this vault is reached again");
            }
            set(&self.metrics.unreachable, 0);
            return Ok(());
        }
        let Some(vault) = self.chain.vault(self.chain.account()).await? else { return Ok(()) };
        match reach(&vault, self.chain.genesis()).await {
            Ok(_) => {
                self.reached.told.store(false, Ordering::Relaxed);
                set(&self.metrics.unreachable, 0);
            },
            Err(failures) => {
                set(&self.metrics.unreachable, 1);
                if !self.reached.told.swap(true, Ordering::Relaxed) {
                    let why: Vec<String> = failures.iter().map(|(at, why)| format!("{at}: {why}")).collect();
                    tracing::error!(
                        minutes = ago.as_secs() / 60,
                        addresses = why.join("; "),
                        "nobody has reached this vault for an hour, and its addresses don't lead here: open the way to it, or name others by `cairn vault update --address`"
                    );
                }
            },
        }
        Ok(())
    }
}
