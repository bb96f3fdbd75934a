// SPDX-License-Identifier: Apache-2.0

//! What can go wrong between a program and the chain.
//!
//! Every failure is an [`Error`]. [`Error::kind`] says whose turn it is to act, [`Error::retry`] whether the same
//! request can succeed later; a program decides by these two and shows the text to its user.

use std::time::Duration;

use crate::{refusal::Refusal, Hash};

/// Any failure of this library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// None of the endpoints answered.
    #[error("no node could be reached: {0}")]
    Unreachable(Unreachable),

    /// The chain (its transaction pool or its runtime) said no.
    #[error(transparent)]
    Refused(Box<Refusal>),

    /// The transaction was accepted by a node but in no block when its lifetime ended. It can't be included any more.
    #[error("transaction {hash:?} was in no block when its lifetime ended at block {last_block}")]
    Expired {
        /// Hash of the transaction.
        hash: Hash,
        /// Last block that could have held it.
        last_block: u64,
    },

    /// A node may have the transaction, and then no node could be asked what became of it. Sending another one in its
    /// place may do the same thing twice.
    #[error("transaction {hash:?} may still be included, up to block {last_block}: {cause}")]
    Undecided {
        /// Hash of the transaction.
        hash: Hash,
        /// Last block that can hold it.
        last_block: u64,
        /// Why nobody knows.
        cause: Box<Error>,
    },

    /// The nodes that were asked finalize no further blocks.
    #[error("no block after #{finalized} was finalized for {} s", waited.as_secs())]
    Stalled {
        /// The last finalized block.
        finalized: u64,
        /// For how long.
        waited: Duration,
    },

    /// The node answered a request with an error of its own.
    #[error("the node answered with error {code}: {message}")]
    Rpc {
        /// JSON-RPC error code.
        code: i32,
        /// The node's message, with its details where it gave any.
        message: String,
    },

    /// The runtime of this chain doesn't have what this program expects.
    #[error("this chain's runtime does not fit this program: {0}")]
    Incompatible(String),

    /// The node sent something that can't be understood.
    #[error("the node's answer can't be understood: {0}")]
    Malformed(String),

    /// The caller's input makes no sense on any chain.
    #[error("invalid {what}: {reason}")]
    Invalid {
        /// What was invalid: "address", "recovery phrase".
        what: &'static str,
        /// Why. Never holds a secret.
        reason: String,
    },
}

/// Whose turn it is after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No endpoint answers: check the address, the network, the node.
    Unreachable,
    /// The chain refuses: change what is asked.
    Refused,
    /// The input is wrong: correct it.
    Invalid,
    /// Anything else.
    Failed,
}

/// Whether the same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// It fails again unless something is changed.
    Never,
    /// It may succeed at once.
    Now,
    /// It may succeed once this much time has passed.
    After(Duration),
}

impl Error {
    /// Whose turn it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Unreachable(_) => ErrorKind::Unreachable,
            Error::Refused(_) => ErrorKind::Refused,
            Error::Invalid { .. } => ErrorKind::Invalid,
            Error::Expired { .. }
            | Error::Undecided { .. }
            | Error::Stalled { .. }
            | Error::Rpc { .. }
            | Error::Incompatible(_)
            | Error::Malformed(_) => ErrorKind::Failed,
        }
    }

    /// Whether to try the same request again.
    pub fn retry(&self) -> Retry {
        match self {
            Error::Unreachable(_) => Retry::After(Duration::from_secs(3)),
            Error::Refused(refusal) => refusal.retry,
            Error::Expired { .. } => Retry::Now,
            Error::Stalled { .. } => Retry::After(Duration::from_secs(60)),
            Error::Undecided { .. }
            | Error::Rpc { .. }
            | Error::Incompatible(_)
            | Error::Malformed(_)
            | Error::Invalid { .. } => Retry::Never,
        }
    }

    /// What the user can do about it, where that is known.
    pub fn remedy(&self) -> Option<&str> {
        match self {
            Error::Refused(refusal) => refusal.remedy.as_deref(),
            Error::Unreachable(_) => Some("check the address and that the node runs and serves RPC there"),
            Error::Expired { .. } => Some("submit it again; check first that the chain makes blocks"),
            Error::Undecided { .. } => Some(
                "look for it before sending again: for its hash in the blocks, or at the account's nonce and balance",
            ),
            Error::Stalled { .. } => Some("use another node; if all stand still, the chain waits for its validators"),
            Error::Incompatible(_) => Some("use the release of this program that belongs to the chain's runtime"),
            Error::Rpc { .. } | Error::Malformed(_) | Error::Invalid { .. } => None,
        }
    }

    /// A short stable name for programs: `Unreachable`, `Balances::Expendability`, `Rpc`.
    pub fn code(&self) -> &str {
        match self {
            Error::Unreachable(_) => "Unreachable",
            Error::Refused(refusal) => &refusal.code,
            Error::Expired { .. } => "Expired",
            Error::Undecided { .. } => "Undecided",
            Error::Stalled { .. } => "Stalled",
            Error::Rpc { .. } => "Rpc",
            Error::Incompatible(_) => "Incompatible",
            Error::Malformed(_) => "Malformed",
            Error::Invalid { .. } => "Invalid",
        }
    }

    /// The same error once a node may have a transaction: unless the chain itself decided, nobody knows what became of
    /// it.
    pub(crate) fn undecided(self, hash: Hash, last_block: u64) -> Self {
        match self {
            decided @ (Error::Refused(_) | Error::Expired { .. } | Error::Undecided { .. }) => decided,
            cause => Error::Undecided { hash, last_block, cause: Box::new(cause) },
        }
    }

    pub(crate) fn invalid(what: &'static str, reason: impl ToString) -> Self {
        Error::Invalid { what, reason: reason.to_string() }
    }

    /// An answer that makes no sense.
    pub fn malformed(reason: impl ToString) -> Self {
        Error::Malformed(reason.to_string())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(Box::new(refusal))
    }
}

/// The endpoints that were tried, each with the reason why it didn't serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreachable {
    /// URL and reason, in the order tried.
    pub attempts: Vec<(String, String)>,
}

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (url, reason)) in self.attempts.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{url} ({reason})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Unreachable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreachable_names_every_endpoint_with_its_reason() {
        let error = Error::Unreachable(Unreachable {
            attempts: vec![("ws://a:1".into(), "refused".into()), ("ws://b:2".into(), "timed out".into())],
        });
        assert_eq!(error.to_string(), "no node could be reached: ws://a:1 (refused); ws://b:2 (timed out)");
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(matches!(error.retry(), Retry::After(_)));
    }

    #[test]
    fn a_transaction_that_was_sent_keeps_its_hash_through_every_error() {
        let hash = Hash::repeat_byte(7);
        for cause in
            [Error::Unreachable(Unreachable::default()), Error::malformed("x"), Error::Incompatible("x".into())]
        {
            let text = cause.to_string();
            let error = cause.undecided(hash, 64);
            assert_eq!((error.kind(), error.retry(), error.code()), (ErrorKind::Failed, Retry::Never, "Undecided"));
            let shown = error.to_string();
            assert!(shown.contains(&format!("{hash:?}")) && shown.contains("64") && shown.contains(&text), "{shown}");
            assert!(error.remedy().expect("has one").contains("before sending again"));
            assert_eq!(error.undecided(Hash::zero(), 1).to_string(), shown, "the first one counts");
        }
        let decided = Error::from(Refusal::foreseen("A::B", "x", "y")).undecided(hash, 64);
        assert_eq!(decided.kind(), ErrorKind::Refused);
        assert!(matches!(Error::Expired { hash, last_block: 1 }.undecided(hash, 64), Error::Expired { .. }));
    }

    #[test]
    fn expired_may_be_submitted_again_at_once() {
        let error = Error::Expired { hash: Hash::zero(), last_block: 7 };
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Failed, Retry::Now));
    }
}
