// SPDX-License-Identifier: Apache-2.0

//! Sessions and top-ups: how much is paid ahead, and how far a provider's count is believed.
//!
//! # Correctness
//! This machine's own books decide ([`Trust`]). What a provider counts beyond them is let pass up to one step **in all**, over
//! all sessions and restarts; that never makes a step bigger, and takes its place: [`Trust::hear`], [`Steps::wanted`].

use cairn_voucher::Voucher;
use hyper::{Method, Request, StatusCode};

use super::{
    badges,
    budget::{OverCap, Promised, ToWhom, Trust},
    seller::{Hold, Seller},
    Consumer, CALL_TIMEOUT,
};
use crate::{
    http::{collect, Body},
    ledger::{verify, By},
    market::now_ms,
    wire::{self, Offer, OfferAccount, Opening, Wanted, CONTROL, OFFER_BYTES_MAX},
};

/// Times that paying is tried before a call is given up.
const ROUNDS_MAX: usize = 4;

/// How much is paid ahead, in plancks.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// The first step.
    pub min: u128,
    /// No step is more.
    pub max: u128,
}

impl Steps {
    /// The next step: as much as was delivered already, so that a provider that runs away takes no more than it gave.
    pub(super) fn next(&self, delivered: u128, needed: u128) -> u128 {
        delivered.clamp(self.min, self.max.max(self.min)).max(needed)
    }

    /// How much to promise now. What was let pass beyond this machine's count was paid ahead already.
    fn wanted(&self, trust: &Trust, missing: u128) -> u128 {
        let beyond = trust.conceded.saturating_sub(trust.forgiven);
        self.next(trust.promised.spent, 0).saturating_sub(beyond).max(missing)
    }
}

/// What a provider says of a consumer's account, in plancks.
#[derive(Clone, Copy, Debug)]
struct Claim {
    value: u128,
    spent: u128,
    calls: u64,
    units: u64,
}

impl Trust {
    /// Takes over what a provider counts, as far as it can be true: no further from this machine's own count than one step in
    /// all, what a kill may have kept from being written, and what users with badges may have used.
    fn hear(&mut self, claim: &Claim, steps: &Steps, by_users: u128) -> Result<(), &'static str> {
        if claim.spent > claim.value {
            return Err("it counts more as used than was promised");
        }
        let known = self.promised.value;
        // The books were lost: the voucher, which was checked, is all that is known. What is used of it says the provider, and
        // steps begin anew.
        if claim.value > known {
            let Claim { value, spent, calls, units } = *claim;
            self.promised = Promised { value, spent: 0, calls, units };
            (self.conceded, self.forgiven) = (spent, value);
            return Ok(());
        }
        let beyond = claim.spent.saturating_sub(self.promised.spent);
        if beyond > self.conceded {
            let step = steps.next(self.promised.spent, 0);
            if beyond > step.saturating_add(self.forgiven).saturating_add(by_users) {
                return Err("it counts more calls than were made");
            }
            self.conceded = beyond;
        }
        Ok(())
    }
}

/// Why a call was not paid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayError {
    /// A cap of this consumer's own.
    #[error(transparent)]
    Cap(#[from] OverCap),
    /// The provider can't be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The provider doesn't take it.
    #[error("the provider doesn't take payment: {0}")]
    Refused(String),
    /// The provider claims what isn't so.
    #[error("the provider's account is not true: {0}")]
    Untrue(String),
}

impl Consumer {
    /// Sets the price of a call aside; opens a session and pays ahead first where that is needed.
    pub(super) async fn hold(&self, seller: &Seller, price: u128, units: u64) -> Result<Hold, PayError> {
        // What is free, or a plan's, needs no cap.
        let cap = self.budget.check_call(price);
        if let Some(hold) = seller.hold(price, units, cap.is_ok()) {
            return Ok(hold);
        }
        let _one_at_a_time = seller.paying.lock().await;
        for _ in 0..ROUNDS_MAX {
            if let Some(hold) = seller.hold(price, units, cap.is_ok()) {
                return Ok(hold);
            }
            let covered = seller.is_covered(units);
            if !covered {
                cap?;
            }
            let at = seller.current();
            let (has_session, credit) = {
                let purse = seller.purse();
                (purse.token(at).is_some(), purse.trust.credit())
            };
            let missing = if covered { 0 } else { price.saturating_sub(credit) };
            // A session first: it tells what was paid and used before.
            self.pay(seller, at, if has_session { missing } else { 0 }).await?;
        }
        Err(PayError::Refused("it wants to be paid again and again".into()))
    }

    /// Looks whether the session at an endpoint is still open, for a call whose body can be sent only once.
    pub(super) async fn look_at_session(&self, seller: &Seller) -> Result<(), PayError> {
        let _one_at_a_time = seller.paying.lock().await;
        let at = seller.current();
        match self.pay(seller, at, 0).await {
            Err(PayError::Refused(_)) if seller.purse().token(at).is_none() => self.pay(seller, at, 0).await,
            done => done,
        }
    }

    /// Opens a session at an endpoint if there is none, and promises at least `missing` plancks more (0: nothing).
    async fn pay(&self, seller: &Seller, at: usize, missing: u128) -> Result<(), PayError> {
        let authority = self.authority();
        let to = ToWhom { api: seller.number, epoch: authority.epoch };
        let trust = seller.purse().trust;
        let mut promised = trust.promised;
        // What was promised and not heard of since is promised all the same: it is sent again, and not more.
        let before = promised.value;
        promised.value = before.max(self.budget.trust(to).promised.value);
        let missing = missing.saturating_sub(promised.value - before);
        if missing > 0 {
            let wanted = self.config.steps.wanted(&trust, missing);
            promised = self.budget.promise(to, promised, missing, wanted, now_ms()).await?;
        }
        let known = seller.purse().token(at);
        let token = match known {
            Some(token) => token,
            None => {
                let mut token = [0; 16];
                getrandom::fill(&mut token).map_err(|error| PayError::Unreachable(error.to_string()))?;
                token
            },
        };
        let opening = Opening {
            consumer: self.config.consumer.0,
            signer: authority.signer,
            epoch: authority.epoch,
            provider: seller.listed.provider,
            api: seller.number,
            token_hash: wire::token_hash(&token),
            at_ms: now_ms(),
        };
        let (genesis, contract) = (self.market.genesis(), self.market.contract());
        let signed = self.config.signer.sign(&opening.signed_bytes(&genesis, &contract));
        let endpoint = seller.endpoint(at);
        let mut request = Request::builder()
            .method(Method::POST)
            .header(wire::SESSION, hex::encode(token))
            .header(wire::OPEN, wire::write_signed(&opening, &signed));
        if promised.value > 0 {
            let voucher = self.voucher(seller, &promised);
            let signature = self.config.signer.sign(&voucher.signed_bytes());
            request = request.header(wire::VOUCHER, wire::write_signed(&voucher, &signature));
        }
        let unreachable = |reason: String| PayError::Unreachable(reason);
        let uri = endpoint.target(&format!("{CONTROL}pay")).map_err(unreachable)?;
        let request = request.uri(uri).body(Body::empty()).map_err(|error| unreachable(error.to_string()))?;
        let response = endpoint.send(request, CALL_TIMEOUT).await.map_err(|error| unreachable(error.to_string()))?;
        let status = response.status();
        let body =
            collect(response.into_body(), OFFER_BYTES_MAX).await.map_err(|error| unreachable(error.to_string()))?;
        match status {
            StatusCode::OK => {
                let account: OfferAccount =
                    serde_json::from_slice(&body).map_err(|e| PayError::Refused(e.to_string()))?;
                self.believe(seller, &account, promised.value)?;
                if wire::read_amount(&account.value).is_none_or(|value| value < promised.value) {
                    return Err(PayError::Untrue("it took a voucher and doesn't count it".into()));
                }
                seller.purse().set_token(at, Some(token));
                self.metrics.payments.add();
                Ok(())
            },
            StatusCode::PAYMENT_REQUIRED => {
                // What was promised stays promised: the provider has the voucher, or may have.
                let raise = |trust: &mut Trust| trust.promised.value = trust.promised.value.max(promised.value);
                raise(&mut seller.purse().trust);
                let offer = wire::read_offer(&body).map_err(PayError::Refused)?;
                if offer.wanted == Wanted::Session {
                    seller.purse().set_token(at, None);
                    self.refresh_authority().await;
                }
                Err(PayError::Refused(shortened(&offer.message)))
            },
            status if status.is_server_error() => Err(unreachable(format!("{status} {}", shown(&body)))),
            status => Err(PayError::Refused(format!("{status} {}", shown(&body)))),
        }
    }

    fn voucher(&self, seller: &Seller, promised: &Promised) -> Voucher {
        let authority = self.authority();
        Voucher {
            genesis: self.market.genesis(),
            contract: self.market.contract(),
            consumer: self.config.consumer.0,
            signer: authority.signer,
            provider: seller.listed.provider,
            api: seller.number,
            epoch: authority.epoch,
            calls: promised.calls,
            units: promised.units,
            value: promised.value,
        }
    }

    /// What a provider answered 402 with; afterwards the call may be tried again.
    pub(super) fn asked_to_pay(&self, seller: &Seller, hold: &Hold, offer: &Offer) -> Result<(), PayError> {
        match offer.wanted {
            Wanted::Session => {
                seller.purse().set_token(hold.endpoint, None);
                Ok(())
            },
            Wanted::Credit => {
                seller.purse().free_units = 0;
                let account = offer.account.as_ref().ok_or_else(|| PayError::Refused("it names no account".into()))?;
                self.believe(seller, account, 0)?;
                // It lacks a voucher that it should have: the session is opened anew, with it.
                if wire::read_amount(&account.value).is_some_and(|value| value < hold.promised) {
                    seller.purse().set_token(hold.endpoint, None);
                }
                if matches!(hold.by, By::Plan(_)) && seller.is_covered(hold.units) {
                    tracing::info!(
                        api = seller.number,
                        "the provider doesn't count this on the plan: vouchers pay for now"
                    );
                    seller.plan_denied();
                }
                Ok(())
            },
            Wanted::Patience => Ok(()),
            Wanted::Voucher | Wanted::Badge => Err(PayError::Refused(shortened(&offer.message))),
        }
    }

    /// Takes over a provider's account as far as it can be true: what was promised only with our own signature under it, and
    /// what was used as [`Trust::hear`] allows.
    fn believe(&self, seller: &Seller, account: &OfferAccount, promised: u128) -> Result<(), PayError> {
        let untrue = |what: &str| PayError::Untrue(what.into());
        let amount = |text: &str| wire::read_amount(text).ok_or_else(|| untrue("it holds no amount"));
        let claim = Claim {
            value: amount(&account.value)?,
            spent: amount(&account.spent)?,
            calls: account.calls,
            units: account.units,
        };
        let mut trust = seller.purse().trust;
        trust.promised.value = trust.promised.value.max(promised);
        if claim.value > trust.promised.value {
            let text =
                account.voucher.as_deref().ok_or_else(|| untrue("more is promised than was, without a voucher"))?;
            let (voucher, signature) =
                wire::read_voucher(text.as_bytes()).map_err(|_| untrue("its voucher can't be read"))?;
            let ours = self.voucher(seller, &trust.promised);
            let same =
                (voucher.signer, voucher.provider, voucher.api, voucher.epoch, voucher.contract, voucher.genesis)
                    == (ours.signer, ours.provider, ours.api, ours.epoch, ours.contract, ours.genesis);
            if !same || voucher.value != claim.value || !verify(&voucher.signer, &voucher.signed_bytes(), &signature) {
                return Err(untrue("its voucher is not ours"));
            }
        }
        if let Some(plan) = &account.plan {
            seller.heard_of_plan(plan.left, plan.until_ms);
        }
        // Users with badges call without passing here.
        let beyond = claim.spent.saturating_sub(trust.promised.spent);
        let by_users = match beyond > trust.conceded {
            true => badges::allowed(&self.config.data, seller.number, self.authority().epoch),
            false => 0,
        };
        let by_users = seller.unit_price().saturating_mul(by_users.into());
        let mut purse = seller.purse();
        purse.trust.promised.value = purse.trust.promised.value.max(promised);
        purse.trust.hear(&claim, &self.config.steps, by_users).map_err(untrue)
    }
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

fn shown(body: &[u8]) -> String {
    shortened(&String::from_utf8_lossy(body))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A 402 at each call, each time with all of the last step as used: every call cost a step, which doubled each time.
    #[test]
    fn a_step_for_each_402_is_not_paid() {
        let (steps, price) = (Steps { min: 10_000, max: 1_000_000 }, 100);
        let mut trust = Trust::default();
        let mut calls = 0;
        for _ in 0..100 {
            if trust.credit() < price {
                let missing = price - trust.credit();
                trust.promised.value += steps.wanted(&trust, missing);
            }
            trust.promised.spent += price;
            calls += 1;
            let value = trust.promised.value;
            if trust.hear(&Claim { value, spent: value, calls: 0, units: 0 }, &steps, 0).is_err() {
                break;
            }
        }
        assert!(trust.promised.value <= 2 * steps.min + calls * price, "{} for {calls} calls", trust.promised.value);
        assert!(calls <= 3 || trust.promised.value - trust.promised.spent <= steps.min + price);
    }

    #[test]
    fn lost_books_begin_with_the_smallest_step() {
        let steps = Steps { min: 10, max: 1_000 };
        let mut trust = Trust::default();
        trust.hear(&Claim { value: 500, spent: 480, calls: 7, units: 7 }, &steps, 0).expect("nothing is known");
        assert_eq!((trust.credit(), steps.wanted(&trust, 5)), (20, 10));
        trust.hear(&Claim { value: 500, spent: 501, calls: 7, units: 7 }, &steps, 0).expect_err("more than there is");
    }

    proptest! {
        #[test]
        fn nobody_is_paid_further_ahead_than_it_has_delivered(
            min in 1u128..1_000, more in 0u128..1_000_000, delivered in 0u128..10_000_000, needed in 0u128..5_000,
        ) {
            let steps = Steps { min, max: min + more };
            let step = steps.next(delivered, needed);
            prop_assert!(step >= needed);
            prop_assert!(step <= delivered.max(min).max(needed));
            prop_assert!(step <= steps.max.max(needed));
        }

        /// A provider answers, or not, and says whatever it likes of what was used, at every call and over kills and restarts.
        #[test]
        fn whatever_a_provider_counts_it_gets_two_steps_more_than_it_delivered(
            acts in prop::collection::vec((0u8..4, 0u128..4_000), 1..200), price in 1u128..20,
        ) {
            let steps = Steps { min: 100, max: 1_000 };
            let mut trust = Trust::default();
            let mut forgiven = 0;
            for (act, lie) in acts {
                match act {
                    // A call that it answers, paid ahead first where that is needed.
                    0 | 1 => {
                        if trust.credit() < price {
                            let missing = price - trust.credit();
                            trust.promised.value += steps.wanted(&trust, missing);
                        }
                        trust.promised.spent += price;
                        // One that it doesn't answer costs nothing.
                        if act == 1 {
                            trust.promised.spent -= price;
                        }
                    },
                    2 => {
                        let value = trust.promised.value;
                        let claim = Claim { value, spent: (trust.promised.spent + lie).min(value), calls: 0, units: 0 };
                        let before = trust;
                        if trust.hear(&claim, &steps, 0).is_err() {
                            prop_assert_eq!(trust, before);
                        }
                    },
                    _ => {
                        forgiven += trust.credit();
                        trust.forgiven += trust.credit();
                    },
                }
                let step = steps.next(trust.promised.spent, 0);
                let ahead = trust.promised.value - trust.promised.spent;
                prop_assert!(trust.conceded <= step + forgiven);
                prop_assert!(ahead <= 2 * step + forgiven + 2 * price, "{ahead} ahead with {step} and {forgiven}");
            }
        }
    }
}
