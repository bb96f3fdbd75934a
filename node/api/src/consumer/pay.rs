// SPDX-License-Identifier: Apache-2.0

//! Sessions and top-ups: how much is paid ahead, and to whom it is believed what it has delivered.

use cairn_voucher::Voucher;
use hyper::{Method, Request, StatusCode};

use super::{
    badges,
    budget::{OverCap, Promised, ToWhom},
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
            let (has_session, credit) = {
                let purse = seller.purse();
                (purse.token.is_some(), purse.credit())
            };
            let missing = if covered { 0 } else { price.saturating_sub(credit) };
            // A session first: it tells what was paid and used before.
            self.pay(seller, if has_session { missing } else { 0 }).await?;
        }
        Err(PayError::Refused("it wants to be paid again and again".into()))
    }

    /// Opens a session if there is none, and promises at least `missing` plancks more (0: nothing).
    async fn pay(&self, seller: &Seller, missing: u128) -> Result<(), PayError> {
        let authority = self.authority();
        let to = ToWhom { api: seller.number, epoch: authority.epoch };
        let mut promised = seller.purse().promised;
        // What was promised and not heard of since is promised all the same: it is sent again, and not more.
        let before = promised.value;
        promised.value = before.max(self.budget.promised(to).value);
        let missing = missing.saturating_sub(promised.value - before);
        if missing > 0 {
            let wanted = self.config.steps.next(promised.spent, missing);
            promised = self.budget.promise(to, promised, missing, wanted, now_ms()).await?;
        }
        let known = seller.purse().token;
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
        let endpoint = seller.endpoint();
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
                self.believe(seller, &account, promised)?;
                seller.purse().token = Some(token);
                self.metrics.payments.add();
                Ok(())
            },
            StatusCode::PAYMENT_REQUIRED => {
                // What was promised stays promised: the provider has the voucher, or may have.
                seller.purse().promised.value = promised.value;
                let offer = wire::read_offer(&body).map_err(PayError::Refused)?;
                if offer.wanted == Wanted::Session {
                    seller.purse().token = None;
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
                seller.purse().token = None;
                Ok(())
            },
            Wanted::Credit => {
                seller.purse().free_units = 0;
                let account = offer.account.as_ref().ok_or_else(|| PayError::Refused("it names no account".into()))?;
                let promised = seller.purse().promised;
                self.believe(seller, account, promised)?;
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
    /// what was used no further from our own count than one step.
    fn believe(&self, seller: &Seller, account: &OfferAccount, promised: Promised) -> Result<(), PayError> {
        let untrue = |what: &str| PayError::Untrue(what.into());
        let value = wire::read_amount(&account.value).ok_or_else(|| untrue("no amount"))?;
        let spent = wire::read_amount(&account.spent).ok_or_else(|| untrue("no amount"))?;
        let known = promised.value.max(seller.purse().promised.value);
        if value > known {
            let text =
                account.voucher.as_deref().ok_or_else(|| untrue("more is promised than was, without a voucher"))?;
            let (voucher, signature) =
                wire::read_voucher(text.as_bytes()).map_err(|_| untrue("its voucher is none"))?;
            let ours = self.voucher(seller, &promised);
            let same =
                (voucher.signer, voucher.provider, voucher.api, voucher.epoch, voucher.contract, voucher.genesis)
                    == (ours.signer, ours.provider, ours.api, ours.epoch, ours.contract, ours.genesis);
            if !same || voucher.value != value || !verify(&voucher.signer, &voucher.signed_bytes(), &signature) {
                return Err(untrue("its voucher is not ours"));
            }
        }
        if let Some(plan) = &account.plan {
            seller.heard_of_plan(plan.left, plan.until_ms);
        }
        let value = value.max(known);
        // Books that were lost begin anew with what the provider says; else calls under way make up a difference, and those
        // that a kill kept from being written: a step at the most.
        let lost = known == 0 || value > known;
        let counted = seller.purse().promised.spent;
        let tolerated = self.config.steps.next(counted, 0).saturating_add(counted / 10);
        if !lost && spent > counted.saturating_add(tolerated) {
            // Users with badges call without passing here.
            let users = badges::allowed(&self.config.data, seller.number, self.authority().epoch);
            let by_users = seller.unit_price().saturating_mul(users.into());
            if spent > counted.saturating_add(tolerated).saturating_add(by_users) {
                return Err(untrue("it counts more calls than were made"));
            }
        }
        let mut purse = seller.purse();
        purse.promised.value = value;
        purse.promised.spent = purse.promised.spent.max(spent).min(value);
        purse.promised.calls = purse.promised.calls.max(account.calls);
        purse.promised.units = purse.promised.units.max(account.units);
        Ok(())
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
    }
}
