// SPDX-License-Identifier: Apache-2.0

//! One consumer's account with a provider.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Arc, Mutex, MutexGuard, PoisonError,
    },
    time::{Duration, Instant},
};

use cairn_client::{chain::marketplace::Subscription, Crn};
use cairn_voucher::{Signature, Voucher};
use codec::{Decode, Encode};
use hyper::header::HeaderValue;

use super::{
    tab::{Tab, TabInside},
    Who,
};
use crate::plan::{Left, PlanUse, Slot};

/// What a provider asks for. Money in plancks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Price of a unit.
    pub unit_price: u128,
    /// Units that each consumer has for nothing.
    pub free_units: u64,
    /// The most that is delivered and not redeemed, for each consumer, over all of its signers.
    pub exposure_max: u128,
    /// Calls a second of each consumer.
    pub calls_per_second: u32,
}

/// Why a provider wants something else first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Less is promised than the call costs.
    #[error("{} more have to be promised by a voucher", Crn(*missing))]
    Credit {
        /// How much is missing.
        missing: u128,
    },
    /// Too much is delivered and not redeemed.
    #[error("too much is delivered and not redeemed yet; it is being redeemed")]
    Exposure,
    /// Too many calls.
    #[error("more than {per_second} calls a second")]
    Rate {
        /// Those that are allowed.
        per_second: u32,
    },
    /// Too many openings and refusals from one network.
    #[error("too many sessions were opened or refused from this address; try again in a moment")]
    Door,
    /// The voucher is for another chain, contract, provider, API or session.
    #[error("the voucher's {0} is another")]
    Other(&'static str),
    /// The signature is wrong.
    #[error("the signature is not the signer's")]
    Signature,
    /// The signer isn't one, in finalized state.
    #[error("the signer is not authorised in finalized state")]
    NoSigner,
    /// The signer was authorised again.
    #[error("the signer's epoch is {now}")]
    Epoch {
        /// The epoch that holds.
        now: u32,
    },
    /// The signer is revoked or about to expire.
    #[error("the signer is revoked or about to expire; authorise it again")]
    Closing,
    /// The API is paused or retired.
    #[error("the API is paused or retired")]
    NotActive,
    /// The consumer's money doesn't cover it.
    #[error("the voucher is not covered: {} can be redeemed; deposit more or raise the cap", Crn(*redeemable))]
    NotBacked {
        /// What can be redeemed.
        redeemable: u128,
    },
    /// A badge is no good.
    #[error("the badge can't be used: {0}; ask whoever gave it for another")]
    Badge(&'static str),
    /// Too many accounts.
    #[error("the provider has too many consumers; try another")]
    Busy,
    /// The disk doesn't take it.
    #[error("the provider can't write its books; try another")]
    Disk,
    /// The chain can't be asked.
    #[error("the provider can't ask the chain just now; try again")]
    Chain,
}

/// What an account amounts to. All totals count from the beginning of the signer's authorisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Counts {
    /// What vouchers have promised, in plancks.
    pub value: u128,
    /// What calls have used of it, in plancks.
    pub spent: u128,
    /// What was redeemed, in plancks.
    pub redeemed: u128,
    /// Calls that were answered.
    pub calls: u64,
    /// Units of those.
    pub units: u64,
    /// Units that were had for nothing.
    pub free_units: u64,
    /// The voucher with the highest value.
    pub best: Option<(Voucher, Signature)>,
}

impl Counts {
    /// Takes a voucher that is better than those before.
    pub(super) fn promise(&mut self, voucher: Voucher, signature: Signature) {
        if voucher.value > self.value {
            self.value = voucher.value;
            self.best = Some((voucher, signature));
        }
    }

    /// What is promised and not used.
    pub fn credit(&self) -> u128 {
        self.value.saturating_sub(self.spent)
    }

    /// What the best voucher would still be paid.
    pub fn due(&self) -> u128 {
        self.best.as_ref().map_or(0, |(voucher, _)| voucher.value.saturating_sub(self.redeemed))
    }

    /// What was delivered and not redeemed. What is promised and not used yet was not delivered: it is no risk.
    pub fn exposed(&self) -> u128 {
        self.spent.saturating_sub(self.redeemed)
    }

    /// Takes free units, or else a plan's, or else the price of a call. Free units and what is exposed are the consumer's,
    /// whatever its signers.
    pub(super) fn charge(
        &mut self,
        units: u64,
        terms: &Terms,
        tab: &mut TabInside,
        plan: impl FnOnce() -> Option<Slot>,
    ) -> Result<Charge, Refusal> {
        let free_after = tab.free_units.saturating_add(units);
        if free_after <= terms.free_units {
            (tab.free_units, self.free_units) = (free_after, free_after);
            return Ok(Charge { price: 0, units, by: By::Free });
        }
        if let Some(slot) = plan() {
            return Ok(Charge { price: 0, units, by: By::Plan(slot) });
        }
        let price = terms.unit_price.saturating_mul(units.into());
        let spent = self.spent.saturating_add(price);
        if spent > self.value {
            return Err(Refusal::Credit { missing: spent - self.value });
        }
        let (before, after) = (self.exposed(), spent.saturating_sub(self.redeemed));
        if tab.exposed.saturating_sub(before).saturating_add(after) > terms.exposure_max {
            return Err(Refusal::Exposure);
        }
        tab.expose(before, after);
        self.spent = spent;
        Ok(Charge { price, units, by: By::Credit })
    }

    /// Counts a call that was answered, or gives back what was taken for one that wasn't. What a plan pays for is counted
    /// there: vouchers tell the chain of calls, and those are not theirs.
    pub(super) fn settle(&mut self, charge: Charge, answered: bool, tab: &mut TabInside) {
        match (charge.by, answered) {
            (By::Plan(_), _) => {},
            (_, true) => {
                self.calls = self.calls.saturating_add(1);
                self.units = self.units.saturating_add(charge.units);
            },
            (By::Free, false) => {
                tab.free_units = tab.free_units.saturating_sub(charge.units);
                self.free_units = tab.free_units;
            },
            (By::Credit, false) => {
                let before = self.exposed();
                self.spent = self.spent.saturating_sub(charge.price);
                tab.expose(before, self.exposed());
            },
        }
    }
}

/// What was taken for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// In plancks.
    pub price: u128,
    /// Units.
    pub units: u64,
    /// From what it was taken.
    pub by: By,
}

/// What pays for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Units that each consumer has for nothing.
    Free,
    /// A plan.
    Plan(Slot),
    /// Vouchers.
    Credit,
}

/// A consumer's plan, whatever its signers.
#[derive(Debug, Default)]
pub struct Plan {
    inside: Mutex<PlanInside>,
    used: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default)]
struct PlanInside {
    /// What finalized state says.
    paid: Option<Subscription>,
    used: PlanUse,
}

impl Plan {
    pub(super) fn new(used: PlanUse) -> Self {
        Self { inside: Mutex::new(PlanInside { paid: None, used }), used: AtomicBool::new(false) }
    }

    fn inside(&self) -> MutexGuard<'_, PlanInside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is used.
    pub fn used(&self) -> PlanUse {
        self.inside().used
    }

    fn charge(&self, units: u64, now_ms: u64) -> Option<Slot> {
        let mut inside = self.inside();
        let paid = inside.paid?;
        let slot = inside.used.charge(&paid, units, now_ms)?;
        drop(inside);
        self.used.store(true, Ordering::Release);
        Some(slot)
    }

    fn give_back(&self, slot: Slot) {
        self.inside().used.give_back(slot);
        self.used.store(true, Ordering::Release);
    }

    /// What is used, if calls have used something since the last time.
    pub(super) fn take_uses(&self) -> Option<PlanUse> {
        self.used.swap(false, Ordering::AcqRel).then(|| self.used())
    }
}

/// When finalized state was last asked about an account's signer and plan.
#[derive(Clone, Copy, Debug, Default)]
struct Looked {
    at: Option<Instant>,
    under_way: bool,
    /// The signer was authorised then.
    signer_good: bool,
}

/// One consumer's account.
pub struct Account {
    who: Who,
    counts: Mutex<Counts>,
    used: AtomicBool,
    plan: Arc<Plan>,
    tab: Arc<Tab>,
    looked: Mutex<Looked>,
    /// Its signer pays no more: what is not redeemed never will be.
    closed: AtomicBool,
    /// When its signer pays no more, as far as is known, in milliseconds since 1970.
    closes_at_ms: AtomicU64,
    /// The consumer, as the server behind is told.
    named: HeaderValue,
}

impl Account {
    pub(super) fn new(who: Who, counts: Counts, plan: Arc<Plan>, tab: Arc<Tab>) -> Self {
        let named = HeaderValue::from_str(&format!("0x{}", hex::encode(who.consumer)));
        let exposed = counts.exposed();
        tab.inside().expose(0, exposed);
        tab.one_more();
        Self {
            who,
            counts: Mutex::new(counts),
            used: AtomicBool::new(false),
            plan,
            tab,
            looked: Mutex::default(),
            closed: AtomicBool::new(false),
            closes_at_ms: AtomicU64::new(u64::MAX),
            named: named.unwrap_or_else(|_| HeaderValue::from_static("")),
        }
    }

    /// The consumer, as a header tells it: `0x` and 64 hex digits.
    pub fn named(&self) -> &HeaderValue {
        &self.named
    }

    /// What is counted for all of the consumer's signers.
    pub fn tab(&self) -> &Arc<Tab> {
        &self.tab
    }

    /// The signer pays no more: nothing of it is a risk any longer, nor backed by anything.
    pub fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            let counts = self.inside();
            self.tab.inside().expose(counts.exposed(), 0);
        }
    }

    /// Whether the signer pays no more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Remembers when the signer pays no more.
    pub(super) fn closes_at(&self, ms: u64) {
        self.closes_at_ms.store(ms, Ordering::Release);
    }

    /// Whether the signer pays no more after so many milliseconds.
    pub fn closes_within(&self, ms: u64, now_ms: u64) -> bool {
        self.closes_at_ms.load(Ordering::Acquire) <= now_ms.saturating_add(ms)
    }

    /// What it has promised and was not paid yet, and could be.
    pub fn promised(&self) -> u128 {
        if self.is_closed() {
            return 0;
        }
        let counts = self.inside();
        counts.value.saturating_sub(counts.redeemed)
    }

    /// Nothing was ever promised or used: nothing is lost if it is forgotten.
    pub(super) fn is_empty(&self) -> bool {
        let counts = self.inside();
        counts.best.is_none() && counts.free_units == 0 && counts.spent == counts.redeemed
    }

    fn looked_now(&self) -> MutexGuard<'_, Looked> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody has asked the chain about signer and plan for this long; whoever is told so asks, and says what came
    /// of it by [`Self::looked`].
    pub fn is_stale(&self, after: Duration) -> bool {
        let mut looked = self.looked_now();
        let stale = !looked.under_way && looked.at.is_none_or(|at| at.elapsed() >= after);
        looked.under_way |= stale;
        stale
    }

    /// What finalized state says: whether the signer is good, and what plan is paid. Nothing, if the chain didn't answer: then
    /// what it said last holds.
    pub fn looked(&self, found: Option<(bool, Option<Subscription>)>) {
        if let Some((_, paid)) = found {
            self.plan.inside().paid = paid;
        }
        let mut looked = self.looked_now();
        looked.under_way = false;
        looked.at = Some(Instant::now());
        if let Some((good, _)) = found {
            looked.signer_good = good;
        }
    }

    /// For how long nobody has asked; none if nobody ever has.
    pub fn looked_before(&self) -> Option<Duration> {
        self.looked_now().at.map(|at| at.elapsed())
    }

    /// Whether the signer was good when it was last looked up.
    pub fn signer_is_good(&self) -> bool {
        self.looked_now().signer_good
    }

    /// Whether a plan is paid.
    pub fn has_plan(&self) -> bool {
        self.plan.inside().paid.is_some()
    }

    /// What is left of the plan, if one runs.
    pub fn plan_left(&self, now_ms: u64) -> Option<Left> {
        let inside = *self.plan.inside();
        inside.used.left(&inside.paid?, now_ms)
    }

    fn inside(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose it is.
    pub fn who(&self) -> Who {
        self.who
    }

    /// What it amounts to now.
    pub fn counts(&self) -> Counts {
        self.inside().clone()
    }

    /// What is promised and not used.
    pub fn credit(&self) -> u128 {
        self.inside().credit()
    }

    pub(super) fn promise(&self, voucher: Voucher, signature: Signature) {
        self.inside().promise(voucher, signature);
    }

    pub(super) fn redeemed(&self, value: u128) {
        let mut counts = self.inside();
        let before = counts.exposed();
        counts.redeemed = counts.redeemed.max(value);
        if !self.is_closed() {
            self.tab.inside().expose(before, counts.exposed());
        }
    }

    /// Takes the price of a call before it is made.
    ///
    /// # Errors
    /// [`Refusal::Credit`], [`Refusal::Exposure`] or [`Refusal::Rate`]; nothing was taken.
    pub fn charge(&self, units: u64, terms: &Terms, now_ms: u64) -> Result<Charge, Refusal> {
        // A key that was revoked must not go on using what another one's money paid for.
        let may_plan = self.signer_is_good();
        let mut counts = self.inside();
        let mut tab = self.tab.inside();
        tab.check_rate(terms)?;
        let plan = || if may_plan { self.plan.charge(units, now_ms) } else { None };
        let charge = counts.charge(units, terms, &mut tab, plan)?;
        tab.take_call();
        drop((counts, tab));
        self.used.store(true, Ordering::Release);
        Ok(charge)
    }

    /// Ends a call: `answered` if it is to be paid.
    pub fn settle(&self, charge: Charge, answered: bool) {
        if let (By::Plan(slot), false) = (charge.by, answered) {
            self.plan.give_back(slot);
        }
        let mut counts = self.inside();
        counts.settle(charge, answered, &mut self.tab.inside());
        drop(counts);
        self.used.store(true, Ordering::Release);
    }

    /// What it amounts to, if calls have used something since the last time.
    pub(super) fn take_uses(&self) -> Option<Counts> {
        self.used.swap(false, Ordering::AcqRel).then(|| self.counts())
    }
}
