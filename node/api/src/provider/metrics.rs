// SPDX-License-Identifier: Apache-2.0

//! What a provider counts.

use std::{sync::Arc, time::Duration};

use hyper::StatusCode;

use crate::{
    ledger::Account,
    metrics::{Counter, Histogram, Page},
};

/// What is counted since the start.
#[derive(Debug, Default)]
pub struct Counts {
    pub(super) good: Counter,
    pub(super) bad: Counter,
    pub(super) failed: Counter,
    pub(super) offers: Counter,
    pub(super) invalid: Counter,
    pub(super) limited: Counter,
    pub(super) sessions: Counter,
    pub(super) vouchers: Counter,
    pub(super) vouchers_refused: Counter,
    pub(super) upstream_failed: Counter,
    pub(super) plan_calls: Counter,
    pub(super) signed: Counter,
    pub(super) unfit: Counter,
    pub(super) redemptions: Counter,
    pub(super) redemptions_failed: Counter,
    pub(super) whole: Histogram,
    pub(super) upstream: Histogram,
}

impl Counts {
    pub(super) fn answered(&self, status: StatusCode, took: Duration) {
        match status.as_u16() {
            ..400 => self.good.add(),
            400..500 => self.bad.add(),
            _ => self.failed.add(),
        }
        self.whole.observe(took);
    }

    pub(super) fn render(&self, accounts: &[Arc<Account>]) -> String {
        let (mut spent, mut due, mut redeemed, mut exposed) = (0u128, 0u128, 0u128, 0u128);
        for counts in accounts.iter().map(|account| account.counts()) {
            spent = spent.saturating_add(counts.spent);
            due = due.saturating_add(counts.due());
            redeemed = redeemed.saturating_add(counts.redeemed);
            exposed = exposed.saturating_add(counts.spent.saturating_sub(counts.redeemed));
        }
        let answers = [("good", &self.good), ("refused", &self.bad), ("failed", &self.failed)];
        Page::default()
            .labelled("cairn_api_answers_total", "Answers, by kind", "kind", &answers)
            .number("cairn_api_offers_total", "counter", "Answers that asked for payment", self.offers.get())
            .number("cairn_api_invalid_total", "counter", "Requests that the document doesn't have", self.invalid.get())
            .number("cairn_api_limited_total", "counter", "Requests over the rate", self.limited.get())
            .number("cairn_api_sessions_total", "counter", "Sessions opened", self.sessions.get())
            .number("cairn_api_vouchers_total", "counter", "Vouchers taken", self.vouchers.get())
            .number("cairn_api_vouchers_refused_total", "counter", "Vouchers refused", self.vouchers_refused.get())
            .number(
                "cairn_api_upstream_failed_total",
                "counter",
                "Calls the upstream failed",
                self.upstream_failed.get(),
            )
            .number("cairn_api_plan_calls_total", "counter", "Calls that a plan paid for", self.plan_calls.get())
            .number("cairn_api_signed_total", "counter", "Answers signed", self.signed.get())
            .number(
                "cairn_api_unfit_total",
                "counter",
                "Own answers, of those looked at, that the document doesn't allow: consumers refuse them",
                self.unfit.get(),
            )
            .number("cairn_api_redemptions_total", "counter", "Vouchers redeemed", self.redemptions.get())
            .number(
                "cairn_api_redemptions_failed_total",
                "counter",
                "Redemptions that failed",
                self.redemptions_failed.get(),
            )
            .number("cairn_api_consumers", "gauge", "Accounts in the books", accounts.len())
            .number("cairn_api_used_plancks", "gauge", "What calls have used", spent)
            .number("cairn_api_due_plancks", "gauge", "What vouchers would still be paid", due)
            .number("cairn_api_redeemed_plancks", "gauge", "What was redeemed", redeemed)
            .number("cairn_api_exposed_plancks", "gauge", "What was delivered and not redeemed", exposed)
            .histogram("cairn_api_answer_seconds", "Whole answers", &self.whole)
            .histogram("cairn_api_upstream_seconds", "The upstream's answers", &self.upstream)
            .text()
    }
}
