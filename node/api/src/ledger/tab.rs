// SPDX-License-Identifier: Apache-2.0

//! What one consumer owes and uses, over all of its signers: authorising another key costs a transaction, and must buy nothing
//! besides.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        Mutex, MutexGuard, PoisonError,
    },
    time::Instant,
};

use super::{Refusal, Terms};

/// One consumer, whatever its signers.
#[derive(Debug, Default)]
pub struct Tab {
    inside: Mutex<TabInside>,
    /// Accounts of its signers.
    accounts: AtomicUsize,
    /// One voucher of a consumer is taken after the other: together they must be backed.
    pub(super) paying: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
pub(super) struct TabInside {
    /// Units that were had for nothing.
    pub free_units: u64,
    /// What was delivered and not redeemed, in plancks.
    pub exposed: u128,
    /// Calls that may be made now; up to a second's.
    calls_left: f64,
    refilled: Instant,
}

impl Default for TabInside {
    fn default() -> Self {
        Self { free_units: 0, exposed: 0, calls_left: 1.0, refilled: Instant::now() }
    }
}

impl Tab {
    pub(super) fn inside(&self) -> MutexGuard<'_, TabInside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn one_more(&self) {
        self.accounts.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether more than one signer has an account.
    pub(super) fn is_shared(&self) -> bool {
        self.accounts.load(Ordering::Relaxed) > 1
    }

    /// What was delivered and not redeemed, in plancks.
    pub fn exposed(&self) -> u128 {
        self.inside().exposed
    }
}

impl TabInside {
    /// Whether one more call may be made now.
    pub fn check_rate(&mut self, terms: &Terms) -> Result<(), Refusal> {
        let now = Instant::now();
        let per_second = f64::from(terms.calls_per_second);
        let refill = now.duration_since(self.refilled).as_secs_f64() * per_second;
        self.calls_left = (self.calls_left + refill).min(per_second.max(1.0));
        self.refilled = now;
        match self.calls_left < 1.0 {
            true => Err(Refusal::Rate { per_second: terms.calls_per_second }),
            false => Ok(()),
        }
    }

    /// One call is made.
    pub fn take_call(&mut self) {
        self.calls_left -= 1.0;
    }

    /// A part of what is exposed has changed.
    pub fn expose(&mut self, before: u128, after: u128) {
        self.exposed = self.exposed.saturating_sub(before).saturating_add(after);
    }
}
