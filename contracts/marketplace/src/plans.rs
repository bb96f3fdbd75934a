// SPDX-License-Identifier: Apache-2.0

//! Plans: units for a time, paid ahead, and earned by the provider as the time passes. Nothing here knows of a chain.

use ink::prelude::string::String;

use crate::{Balance, Error, Result};

pub const PLANS_MAX: usize = 16;
const NAME_LEN_MAX: usize = 64;
const PERIOD_MS_MIN: u64 = 60_000;
const PERIOD_MS_MAX: u64 = 400 * 24 * 3_600_000;
const PERIODS_AHEAD_MAX: u64 = 24;

/// A plan to be offered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub struct NewPlan {
    pub name: String,
    /// Of one period, in plancks.
    pub price: Balance,
    pub period_ms: u64,
    /// Units in each period.
    pub units: u64,
}

/// A plan of an API. It never changes but for being closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub struct Plan {
    pub name: String,
    pub price: Balance,
    pub period_ms: u64,
    pub units: u64,
    /// Whether it takes subscriptions.
    pub open: bool,
}

/// What a consumer paid ahead for an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub struct Subscription {
    /// Number of the plan.
    pub plan: u16,
    /// Periods are counted from here.
    pub began_ms: u64,
    pub ends_ms: u64,
    /// Units in each period.
    pub units: u64,
    pub period_ms: u64,
    /// Paid ahead and not earned before `collected_ms`.
    pub held: Balance,
    /// Up to when the provider was paid.
    pub collected_ms: u64,
}

impl NewPlan {
    pub fn check(self) -> Result<Plan> {
        let Self { name, price, period_ms, units } = self;
        if name.is_empty() || name.len() > NAME_LEN_MAX || !(PERIOD_MS_MIN..=PERIOD_MS_MAX).contains(&period_ms) {
            return Err(Error::BadPlan);
        }
        Ok(Plan { name, price, period_ms, units, open: true })
    }
}

impl Subscription {
    /// Begins now, with nothing paid.
    pub fn begin(number: u16, plan: &Plan, now: u64) -> Self {
        let Plan { units, period_ms, .. } = *plan;
        Self { plan: number, began_ms: now, ends_ms: now, units, period_ms, held: 0, collected_ms: now }
    }

    pub fn has_ended(&self, now: u64) -> bool {
        now >= self.ends_ms
    }

    /// Pays for one more period.
    pub fn renew(&mut self, price: Balance, now: u64) -> Result<()> {
        let ends = self.ends_ms.saturating_add(self.period_ms);
        if ends.saturating_sub(now) > self.period_ms.saturating_mul(PERIODS_AHEAD_MAX) {
            return Err(Error::TooFarAhead);
        }
        self.held = self.held.checked_add(price).ok_or(Error::BalanceTooLow)?;
        self.ends_ms = ends;
        Ok(())
    }

    /// Gives the periods up that have not begun. Answers what is given back for them. The one that runs stays: all of its
    /// units may have been used by now.
    pub fn cut(&mut self, now: u64) -> Balance {
        let begun = now.saturating_sub(self.began_ms).checked_div(self.period_ms).unwrap_or(0);
        let ends = self.period_ms.saturating_mul(begun.saturating_add(1)).saturating_add(self.began_ms);
        let whole = Balance::from(self.ends_ms.saturating_sub(self.collected_ms));
        let cut = Balance::from(self.ends_ms.saturating_sub(ends));
        if cut == 0 || whole == 0 {
            return 0;
        }
        let refund = part(self.held, cut, whole);
        self.held = self.held.saturating_sub(refund);
        self.ends_ms = ends;
        refund
    }

    /// Takes out what the provider has earned until now.
    pub fn earn(&mut self, now: u64) -> Balance {
        let until = now.min(self.ends_ms);
        let elapsed = Balance::from(until.saturating_sub(self.collected_ms));
        let whole = Balance::from(self.ends_ms.saturating_sub(self.collected_ms));
        if elapsed == 0 || whole == 0 {
            return 0;
        }
        let earned = part(self.held, elapsed, whole);
        self.held = self.held.saturating_sub(earned);
        self.collected_ms = until;
        earned
    }
}

/// `held * part / whole`, in steps that can't overflow: times are below 2^64. `whole` is not 0.
fn part(held: Balance, part: Balance, whole: Balance) -> Balance {
    let parts = held.checked_div(whole).unwrap_or(0).saturating_mul(part);
    let rest = held.checked_rem(whole).unwrap_or(0).saturating_mul(part).checked_div(whole).unwrap_or(0);
    parts.saturating_add(rest).min(held)
}
