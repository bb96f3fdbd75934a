// SPDX-License-Identifier: Apache-2.0

//! What both sides say of an API, weighed by what was paid. Nothing here knows of a chain.

use crate::{registry::LATENCY_MS_MAX, Balance, Error, Result};

const STARS_MAX: u8 = 5;
/// Calls whose reports are summed up before old ones fade. Each is ten minutes at most, so no sum overflows.
const REPORTED_CALLS_MAX: u64 = 1 << 40;

/// Sums over calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub struct Report {
    pub calls: u64,
    /// Of them, those without a valid answer.
    pub failed: u64,
    /// Sum of the latencies, in milliseconds.
    pub latency_ms: u64,
}

/// What is known of how an API serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub struct Quality {
    /// Calls that were paid by vouchers.
    pub calls: u64,
    /// Units that were paid by vouchers.
    pub units: u64,
    /// What was paid by vouchers.
    pub value: Balance,
    /// What consumers attest.
    pub by_consumers: Report,
    /// What the provider attests.
    pub by_provider: Report,
    /// Sum of stars, each times its weight.
    pub stars_weighted: u128,
    /// Sum of the weights: what the raters paid.
    pub stars_weight: u128,
}

/// What one consumer paid, attested and rated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub struct Patron {
    pub calls: u64,
    pub value: Balance,
    /// Calls that it has attested so far.
    pub attested_calls: u64,
    /// Its rating, or 0.
    pub stars: u8,
    /// What the rating weighs.
    pub stars_weight: u128,
}

impl Report {
    fn check(&self) -> Result<()> {
        let latency_max = self.calls.saturating_mul(LATENCY_MS_MAX.into());
        if self.calls == 0 || self.failed > self.calls || self.latency_ms > latency_max {
            return Err(Error::BadReport);
        }
        Ok(())
    }

    fn add(&mut self, more: &Self) {
        // Old words fade before a sum is full: a full one would never change again.
        while self.calls.saturating_add(more.calls) > REPORTED_CALLS_MAX && self.calls > 0 {
            self.calls /= 2;
            self.failed /= 2;
            self.latency_ms /= 2;
        }
        self.calls = self.calls.saturating_add(more.calls);
        self.failed = self.failed.saturating_add(more.failed);
        self.latency_ms = self.latency_ms.saturating_add(more.latency_ms);
    }
}

impl Quality {
    /// Notes what a voucher paid. A voucher may tell of any number of calls, and of free ones: only as many count as units were
    /// paid for at the API's price, so that words weigh what was paid.
    pub fn add_paid(&mut self, patron: &mut Patron, calls: u64, units: u64, value: Balance, unit_price: Balance) {
        let paid_units = u64::try_from(value.checked_div(unit_price).unwrap_or(0)).unwrap_or(u64::MAX);
        let units = units.min(paid_units);
        let calls = calls.min(units);
        self.calls = self.calls.saturating_add(calls);
        self.units = self.units.saturating_add(units);
        self.value = self.value.saturating_add(value);
        patron.calls = patron.calls.saturating_add(calls);
        patron.value = patron.value.saturating_add(value);
    }

    /// A provider's report.
    pub fn attest_as_provider(&mut self, report: &Report) -> Result<()> {
        report.check()?;
        if self.by_provider.calls.saturating_add(report.calls) > self.calls {
            return Err(Error::BadReport);
        }
        self.by_provider.add(report);
        Ok(())
    }

    /// A consumer's report.
    pub fn attest_as_patron(&mut self, patron: &mut Patron, report: &Report) -> Result<()> {
        report.check()?;
        if patron.value == 0 {
            return Err(Error::NotCustomer);
        }
        let attested = patron.attested_calls.saturating_add(report.calls);
        if attested > patron.calls {
            return Err(Error::BadReport);
        }
        patron.attested_calls = attested;
        self.by_consumers.add(report);
        Ok(())
    }

    /// A rating takes the place of the same consumer's last one. Answers its weight.
    pub fn rate(&mut self, patron: &mut Patron, stars: u8) -> Result<u128> {
        if !(1..=STARS_MAX).contains(&stars) {
            return Err(Error::BadStars);
        }
        if patron.value == 0 {
            return Err(Error::NotCustomer);
        }
        let weighted = |stars: u8, weight: u128| u128::from(stars).saturating_mul(weight);
        self.stars_weighted = self.stars_weighted.saturating_sub(weighted(patron.stars, patron.stars_weight));
        self.stars_weight = self.stars_weight.saturating_sub(patron.stars_weight);
        (patron.stars, patron.stars_weight) = (stars, patron.value);
        self.stars_weighted = self.stars_weighted.saturating_add(weighted(stars, patron.value));
        self.stars_weight = self.stars_weight.saturating_add(patron.value);
        Ok(patron.value)
    }
}
