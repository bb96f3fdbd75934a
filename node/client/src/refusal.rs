// SPDX-License-Identifier: Apache-2.0

//! What a chain means when it refuses: the transaction pool's codes and the runtime's dispatch errors, in words,
//! each with what to do about it.

mod dispatch;
mod pool;
mod remedies;

pub use dispatch::DispatchError;
pub(crate) use pool::{classify as classify_pool_error, pool_code};

use crate::error::Retry;

/// Where a transaction was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Before it was sent: this program could tell that the chain would refuse.
    Check,
    /// At a node's transaction pool. Nothing was charged.
    Pool,
    /// In a block. The fee was charged, everything else was rolled back.
    Block,
}

/// A refusal by the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
#[non_exhaustive]
pub struct Refusal {
    /// Stable name: `Staking::InsufficientBond`, `Pool::CannotPayFee`, `Token::BelowMinimum`.
    pub code: String,
    /// What it means, one sentence.
    pub reason: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// Where it was refused.
    pub stage: Stage,
    /// Whether the same request may succeed later.
    pub retry: Retry,
}

impl Refusal {
    /// A refusal that this side foresees; saves the fee of learning it from the chain.
    pub fn foreseen(code: impl Into<String>, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            reason: reason.into(),
            remedy: Some(remedy.into()),
            stage: Stage::Check,
            retry: Retry::Never,
        }
    }
}
