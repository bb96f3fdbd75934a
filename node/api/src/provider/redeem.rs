// SPDX-License-Identifier: Apache-2.0

//! Vouchers into coins, when that is worth its fee.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use cairn_client::Error;

use super::Provider;
use crate::ledger::{Account, Counts, Who};

/// A signer that closes within this time is redeemed whatever else, in milliseconds.
const CLOSING_MS: u64 = 15 * 60_000;
/// Refusals after which a signer's vouchers are never paid.
const PAYS_NO_MORE: [&str; 3] = ["Marketplace::SignerClosed", "Marketplace::NoSuchSigner", "Marketplace::WrongEpoch"];

/// When a voucher is redeemed. Money in plancks.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How often that is looked at.
    pub every: Duration,
    /// It is due this many times the fee.
    pub fee_multiple: u128,
    /// It is due at all for this long, and more than the fee.
    pub wait_max: Duration,
    /// At least this much.
    pub value_min: u128,
}

impl Default for Policy {
    fn default() -> Self {
        Self { every: Duration::from_secs(15), fee_multiple: 20, wait_max: Duration::from_secs(3600), value_min: 0 }
    }
}

/// Whether to redeem now. `exposed`: more than half of what may be delivered without being redeemed was.
fn worth_it(policy: &Policy, due: u128, fee: u128, waited: Duration, exposed: bool) -> bool {
    if due <= fee || due < policy.value_min {
        return false;
    }
    exposed || waited >= policy.wait_max || due >= fee.saturating_mul(policy.fee_multiple)
}

impl Provider {
    /// Redeems vouchers whenever they are worth it; ends when it is dropped. A redemption that is under way then goes on, and
    /// is found in the chain's state at the next start.
    pub async fn redeem_always(self: Arc<Self>, account: cairn_client::Account, policy: Policy) {
        let mut since: HashMap<Who, Instant> = HashMap::new();
        loop {
            let _ = tokio::time::timeout(policy.every, self.redeem_now.notified()).await;
            for consumer in self.ledger.accounts() {
                let counts = consumer.counts();
                if counts.due() == 0 || consumer.is_closed() {
                    since.remove(&consumer.who());
                    continue;
                }
                let waited = since.entry(consumer.who()).or_insert_with(Instant::now).elapsed();
                match self.redeem(&account, &consumer, &counts, &policy, waited).await {
                    Ok(true) => drop(since.remove(&consumer.who())),
                    Ok(false) => {},
                    Err(error) => {
                        self.metrics.redemptions_failed.add();
                        tracing::warn!(%error, "a voucher was not redeemed; it is tried again");
                    },
                }
            }
        }
    }

    /// Redeems all that is due, whatever it costs beside it; the plancks that came.
    ///
    /// # Errors
    /// Of the chain.
    pub async fn redeem_all(&self, account: &cairn_client::Account) -> Result<u128, Error> {
        let policy = Policy { fee_multiple: 1, ..Policy::default() };
        let mut came = 0u128;
        for consumer in self.ledger.accounts() {
            let counts = consumer.counts();
            if counts.due() > 0 && self.redeem(account, &consumer, &counts, &policy, policy.wait_max).await? {
                came = came.saturating_add(consumer.counts().redeemed.saturating_sub(counts.redeemed));
            }
        }
        Ok(came)
    }

    async fn redeem(
        &self,
        account: &cairn_client::Account,
        consumer: &Account,
        counts: &Counts,
        policy: &Policy,
        waited: Duration,
    ) -> Result<bool, Error> {
        let Some((voucher, signature)) = &counts.best else { return Ok(false) };
        let message = self.market.place().redeem(voucher, signature);
        let tried = match self.market.attempt(&account.id(), &message).await {
            Ok(tried) => tried,
            Err(Error::Refused(refusal)) if refusal.code == "Marketplace::NothingDue" => {
                self.look(consumer).await;
                return Ok(true);
            },
            Err(Error::Refused(refusal)) if PAYS_NO_MORE.contains(&refusal.code.as_str()) => {
                tracing::warn!(reason = %refusal.reason, plancks = counts.due(), "a voucher can't be redeemed any more");
                consumer.close();
                return Ok(true);
            },
            Err(error) => return Err(error),
        };
        let fee = self.market.redeem_cost(&account.id(), &tried).await?;
        // All signers of a consumer together; and one that is about to close is redeemed while it pays.
        let exposed = consumer.tab().exposed() > self.config.exposure_max / 2
            || consumer.closes_within(CLOSING_MS, crate::market::now_ms());
        let amount: u128 = tried.read()?;
        if !worth_it(policy, amount, fee, waited, exposed) {
            return Ok(false);
        }
        let receipt = account.submit(&tried.call).await?.finalized(|_| {}).await?;
        self.metrics.redemptions.add();
        tracing::info!(plancks = amount, block = receipt.block_number, "redeemed a voucher");
        self.look(consumer).await;
        Ok(true)
    }

    /// Takes over what finalized state says was redeemed.
    async fn look(&self, consumer: &Account) {
        if let Ok(standing) = self.fresh_standing(consumer.who()).await {
            if standing.signer.epoch == consumer.who().epoch {
                let _ = self.ledger.redeemed(consumer, standing.paid.value).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_redeemed_for_less_than_its_fee() {
        let policy = Policy::default();
        let hour = Duration::from_secs(3600);
        for (due, fee, waited, exposed, worth) in [
            (10, 10, hour, true, false),
            (11, 10, hour, false, true),
            (11, 10, Duration::ZERO, true, true),
            (199, 10, Duration::ZERO, false, false),
            (200, 10, Duration::ZERO, false, true),
            (0, 0, hour, true, false),
            (u128::MAX, u128::MAX - 1, Duration::ZERO, false, true),
        ] {
            assert_eq!(worth_it(&policy, due, fee, waited, exposed), worth, "{due} for {fee}");
        }
        let least = Policy { value_min: 1_000, ..policy };
        assert!(!worth_it(&least, 999, 1, hour, true));
    }
}
