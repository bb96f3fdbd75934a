// SPDX-License-Identifier: Apache-2.0

use std::{sync::Arc, time::Duration};

use crate::{Refusal, RefusalCode};

/// Why something asked of a vault wasn't done.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// No connection came about.
    #[error("{address} can't be reached: {reason}")]
    Unreachable {
        /// Where to.
        address: String,
        /// Why not.
        reason: Arc<std::io::Error>,
    },
    /// Whoever answers there doesn't have the key that the chain names for the vault.
    #[error("{address} isn't the vault that the chain names: {reason}")]
    Impostor {
        /// Where.
        address: String,
        /// What the handshake said.
        reason: Arc<std::io::Error>,
    },
    /// The connection has ended.
    #[error("the connection has ended: {0}")]
    Closed(Arc<std::io::Error>),
    /// There was no answer in time.
    #[error("no answer to {what} within {} ms", .after.as_millis())]
    Timeout {
        /// What was asked.
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The other end breaks the protocol.
    #[error("the other end breaks the protocol: {0}")]
    Protocol(&'static str),
    /// A key or certificate can't be used.
    #[error("the service key can't be used: {0}")]
    Key(String),
    /// The vault refuses.
    #[error("refused: {0}")]
    Refused(Refusal),
}

impl WireError {
    pub(crate) fn closed(reason: std::io::Error) -> Self {
        WireError::Closed(Arc::new(reason))
    }

    /// Why the vault refuses, if that is what happened.
    pub fn refusal(&self) -> Option<RefusalCode> {
        match self {
            WireError::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }

    /// Whether the same may succeed later with nothing else changed: on a new connection, unless the vault refused.
    pub fn is_temporary(&self) -> bool {
        match self {
            WireError::Unreachable { .. } | WireError::Closed(_) | WireError::Timeout { .. } => true,
            WireError::Refused(refusal) => refusal.is_temporary(),
            WireError::Impostor { .. } | WireError::Protocol(_) | WireError::Key(_) => false,
        }
    }
}
