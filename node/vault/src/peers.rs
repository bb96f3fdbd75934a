// SPDX-License-Identifier: Apache-2.0

//! Connections to other vaults.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cairn_client::AccountId;
use cairn_wire::{Connection, RefusalCode, Timeouts, WireError};

use crate::{Chain, ChainError};

/// Connections that are kept.
const KEPT_MAX: usize = 64;
/// Longest that a vault is waited for that says when to ask again.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often a vault that puts this one off is asked.
const PUT_OFF_MAX: u32 = 10;

/// Why another vault can't be asked, or doesn't give what it should.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PeerError {
    /// The chain doesn't say who it is.
    #[error("the chain: {0}")]
    Chain(#[from] ChainError),
    /// There is no such vault, or it gives no address.
    #[error("the vault has no address")]
    NoAddress,
    /// It doesn't answer, or not as it should.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl PeerError {
    /// Whether nothing came back that tells of the vault's shards.
    pub fn is_silence(&self) -> bool {
        match self {
            PeerError::Wire(error) => error.is_temporary(),
            PeerError::Chain(_) => true,
            PeerError::NoAddress => false,
        }
    }
}

/// Connections to other vaults, made when they are needed.
pub(crate) struct Peers {
    chain: Arc<dyn Chain>,
    open: Mutex<HashMap<[u8; 32], Connection>>,
}

impl Peers {
    pub fn new(chain: Arc<dyn Chain>) -> Self {
        Peers { chain, open: Mutex::default() }
    }

    /// A connection to a vault.
    pub async fn connect(&self, account: &AccountId) -> Result<Connection, PeerError> {
        if let Some(connection) = self.kept(account) {
            return Ok(connection);
        }
        let vault = self.chain.vault(*account).await?.ok_or(PeerError::NoAddress)?;
        let mut failure = PeerError::NoAddress;
        for address in &vault.addresses {
            let Ok(address) = std::str::from_utf8(address) else { continue };
            let connecting =
                Connection::connect(address, vault.service_key, self.chain.genesis(), Timeouts::default()).await;
            match connecting {
                Ok(connection) => {
                    self.keep(account, &connection);
                    return Ok(connection);
                },
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }

    fn kept(&self, account: &AccountId) -> Option<Connection> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, connection| connection.ended().is_none());
        open.get(&account.0).cloned()
    }

    fn keep(&self, account: &AccountId, connection: &Connection) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= KEPT_MAX {
            let any = open.keys().next().copied();
            any.map(|any| open.remove(&any));
        }
        open.insert(account.0, connection.clone());
    }
}

/// Asks again as long as a vault says when to.
pub(crate) async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, WireError>
where
    F: std::future::Future<Output = Result<T, WireError>>,
{
    for _ in 0..PUT_OFF_MAX {
        let result = ask().await;
        match result.as_ref().map_err(WireError::refusal) {
            Err(Some(RefusalCode::RateLimited { retry_ms })) => {
                tokio::time::sleep(Duration::from_millis(retry_ms.into()).min(PAUSE_MAX)).await;
            },
            _ => return result,
        }
    }
    ask().await
}
