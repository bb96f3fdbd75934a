// SPDX-License-Identifier: Apache-2.0

//! Every transaction goes the same way: its cost is shown and checked against the account, somebody at a terminal is
//! asked, the key is unlocked, the transaction is submitted, and its end is waited for.

use cairn_client::{chain::accounts::Balance, Call, Progress as Step, Receipt};
use serde_json::{json, Value};

use crate::{
    amount::Token,
    context::{Context, Signer},
    failure::{refused, usage, Result},
    interrupt::OnItsWay,
    output::{fields, Progress, Report},
};

/// A transaction that is about to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it does, in words that follow "Going to": `send 1.5 CRN to 5Gr…`.
    pub what: String,
    /// The call.
    pub call: Call,
    /// What leaves the free balance besides the fee, in the smallest units. Must not be frozen.
    pub amount: u128,
    /// What is held besides: stake, some deposits. May be frozen: coins that vest or are locked by a vote.
    pub held: u128,
    /// The account may be closed by it.
    pub may_close: bool,
    /// Further costs to show: deposits, gas.
    pub details: Vec<(&'static str, String)>,
    /// Whether to go on was asked before: this is a further step of it.
    pub asked: bool,
}

impl Plan {
    /// A transaction that costs its fee only.
    pub fn new(what: impl Into<String>, call: Call) -> Self {
        Self { what: what.into(), call, amount: 0, held: 0, may_close: false, details: Vec::new(), asked: false }
    }

    /// It takes this much from the free balance besides its fee.
    pub fn taking(mut self, amount: u128) -> Self {
        self.amount = amount;
        self
    }

    /// It puts this much on hold besides.
    pub fn holding(mut self, amount: u128) -> Self {
        self.held = amount;
        self
    }

    /// Nobody is asked whether to go on: that was done before.
    pub fn asked(mut self) -> Self {
        self.asked = true;
        self
    }

    /// Shows a further line.
    pub fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }
}

/// What became of a transaction.
#[derive(Clone, Debug)]
pub struct Done {
    /// Hash of the transaction, `0x…`.
    pub hash: String,
    /// Where it is and what it did; `None` if it wasn't waited for.
    pub receipt: Option<Receipt>,
    /// What it should do.
    what: String,
    token: Token,
}

impl Done {
    /// The result for people and programs: what every transaction has, and `extra` on top. `text` says what happened;
    /// it is shown only if that is known.
    pub fn report(&self, text: &str, extra: Value) -> Report {
        let mut json = match &self.receipt {
            None => json!({ "status": "submitted", "transaction": self.hash }),
            Some(receipt) => json!({
                "status": "finalized",
                "transaction": self.hash,
                "block": { "number": receipt.block_number, "hash": format!("{:?}", receipt.block_hash) },
                "fee": receipt.fee.map(|fee| self.token.json(fee)),
                "events": receipt.events.iter().map(event_json).collect::<Vec<_>>(),
            }),
        };
        if let (Some(json), Value::Object(extra)) = (json.as_object_mut(), extra) {
            json.extend(extra);
        }
        let mut rows = vec![("transaction", self.hash.clone())];
        match &self.receipt {
            None => rows.push(("status", "submitted, not waited for".into())),
            Some(receipt) => {
                rows.push(("status", format!("finalized in block #{}", receipt.block_number)));
                if let Some(fee) = receipt.fee {
                    rows.push(("fee", self.token.format(fee)));
                }
            },
        }
        let text = match &self.receipt {
            None => format!("submitted, not yet known to have worked: {}", self.what),
            Some(_) => text.into(),
        };
        Report::new(format!("{text}\n{}", fields(rows)), json)
    }
}

/// An event in JSON.
pub fn event_json(event: &cairn_client::Event) -> Value {
    json!({ "pallet": event.pallet, "name": event.name, "fields": event.fields })
}

/// Carries a plan out.
///
/// # Errors
/// Refused if the account can't pay, or if the chain refuses; everything that can be known is checked before the key
/// is unlocked. Failed if it was sent and nobody knows what became of it; the error names it.
pub async fn spend(context: &Context, signer: &Signer, plan: Plan) -> Result<Done> {
    let client = context.client().await?;
    let token = context.token().await?;
    let progress = context.output.progress("computing the fee");
    let fee = client.fee(&signer.account, &plan.call).await?;
    let best = client.best().await?;
    let (balance, minimum) = (best.account(&signer.account).await?.data, best.existential_deposit()?);
    drop(progress);
    check_funds(&balance, minimum, fee, &plan, &token)?;
    // What the chain would refuse costs nobody a fee.
    client.check(&signer.account, &plan.call).await?;
    show_cost(context, signer, &plan, fee, &token);
    if !context.output.confirm("Go on?", context.yes || plan.asked)? {
        return Err(usage("nothing was done"));
    }
    let account = client.account(context.unlock(signer)?);
    let progress = context.output.progress("submitting");
    let on_its_way = OnItsWay::none(context.output.is_json());
    let submitted = account.submit_telling(&plan.call, |hash| on_its_way.is(&format!("{hash:?}"))).await?;
    let hash = format!("{:?}", submitted.hash());
    let what = plan.what;
    if !context.settings.wait.value {
        submitted.taken()?;
        return Ok(Done { hash, receipt: None, what, token });
    }
    progress.step(&format!("submitted {hash}"));
    let receipt = submitted.finalized(|step| show_step(&progress, step)).await?;
    Ok(Done { hash, receipt: Some(receipt), what, token })
}

/// Whether the account can pay; the chain would say so too, but not how much is missing.
fn check_funds(balance: &Balance, minimum: u128, fee: u128, plan: &Plan, token: &Token) -> Result<()> {
    let mut available =
        if plan.may_close { balance.spendable_to_the_last(minimum) } else { balance.spendable(minimum) };
    let mut needed = plan.amount.saturating_add(fee);
    if needed <= available {
        // Frozen coins may be held.
        available = available.max(balance.free.saturating_sub(minimum));
        needed = needed.saturating_add(plan.held);
    }
    if needed <= available {
        return Ok(());
    }
    let code = if fee > available { "Pool::CannotPayFee" } else { "BalanceTooLow" };
    let stays = if plan.may_close || balance.free == 0 {
        String::new()
    } else {
        format!(" ({} must stay in the account)", token.format(minimum))
    };
    let held = match balance.total().saturating_sub(balance.free.min(available.saturating_add(minimum))) {
        0 => String::new(),
        held => format!("; {} are staked, held or locked", token.format(held)),
    };
    Err(refused(
        code,
        format!("{} are needed and {} can be spent{stays}{held}", token.format(needed), token.format(available)),
        format!("send at least {} to the account, or use a smaller amount", token.format(needed - available)),
    ))
}

fn show_cost(context: &Context, signer: &Signer, plan: &Plan, fee: u128, token: &Token) {
    let mut rows = vec![("from", signer.name.clone()), ("fee", format!("about {}", token.format(fee)))];
    rows.extend(plan.details.iter().cloned());
    let text = format!("Going to {}\n{}", plan.what, fields(rows));
    context.output.before_asking(text.trim_end(), !context.yes && !plan.asked);
}

fn show_step(progress: &Progress, step: Step) {
    match step {
        Step::Ready => progress.step("in the transaction pool"),
        Step::InBlock { number, .. } => progress.step(&format!("in block #{number}, waiting for its finality")),
        Step::Retracted => progress.step("its block was replaced, waiting for another"),
        Step::Searching { last_block } => {
            progress.step(&format!("searching the finalized blocks up to #{last_block} for it"));
        },
        _ => {},
    }
}

#[cfg(test)]
mod tests {
    use cairn_client::chain::accounts::transfer_keep_alive;

    use super::*;
    use crate::failure::{Exit, Shown};

    const TOKEN: fn() -> Token = || Token { symbol: "CRN".into(), decimals: 0 };

    #[test]
    fn what_was_not_waited_for_is_not_said_to_have_happened() {
        let done = Done { hash: "0x12".into(), receipt: None, what: "send 1 CRN to Bob".into(), token: TOKEN() };
        let report = done.report("sent 1 CRN to Bob", json!({ "amount": 1 }));
        assert!(report.text.starts_with("submitted, not yet known to have worked: send 1 CRN to Bob\n"));
        assert!(!report.text.contains("sent"), "{}", report.text);
        assert_eq!((&report.json["status"], &report.json["amount"]), (&"submitted".into(), &1.into()));
    }

    #[test]
    fn frozen_coins_can_be_staked_but_pay_no_fee() {
        let plan = |held| Plan::new("test", transfer_keep_alive(&[0; 32].into(), 0)).holding(held);
        let check = |free, reserved, frozen, held| {
            check_funds(&Balance { free, reserved, frozen }, 10, 5, &plan(held), &TOKEN())
        };
        check(100, 0, 90, 85).expect("10 are liquid, 5 are the fee, 10 stay");
        assert!(check(100, 0, 90, 86).is_err());
        check(100, 0, 95, 80).expect("exactly the fee is liquid");
        let error = check(100, 0, 96, 1).expect_err("only 4 are liquid");
        assert_eq!(Shown::new(&error).code, "Pool::CannotPayFee");
        check(100, 90, 90, 85).expect("what is held counts towards what is frozen");
        check(100, 0, 0, 85).expect("nothing is frozen");
        assert!(check(100, 0, 0, u128::MAX).is_err(), "no overflow");
    }

    fn check(free: u128, reserved: u128, amount: u128, fee: u128, may_close: bool) -> Result<()> {
        let mut plan = Plan::new("test", transfer_keep_alive(&[0; 32].into(), 0)).taking(amount);
        plan.may_close = may_close;
        check_funds(&Balance { free, reserved, frozen: 0 }, 10, fee, &plan, &TOKEN())
    }

    #[test]
    fn exactly_enough_is_enough() {
        check(100, 0, 85, 5, false).expect("100 - 10 = 85 + 5");
        check(100, 0, 95, 5, true).expect("may be closed");
        assert!(check(100, 0, 86, 5, false).is_err());
        assert!(check(100, 0, 96, 5, true).is_err());
        assert!(check(u128::MAX, 0, u128::MAX, u128::MAX, false).is_err(), "no overflow");
    }

    #[test]
    fn the_error_says_how_much_is_missing() {
        let shown = Shown::new(&check(20, 7, 30, 5, false).expect_err("too little"));
        assert_eq!((shown.exit, shown.code.as_str()), (Exit::Refused, "BalanceTooLow"));
        assert!(shown.message.contains("35 CRN are needed and 10 CRN can be spent"), "{}", shown.message);
        assert!(shown.message.contains("7 CRN are staked, held or locked"), "{}", shown.message);
        assert!(shown.remedy.expect("has one").contains("25 CRN"));
        assert_eq!(Shown::new(&check(0, 0, 0, 5, false).expect_err("empty")).code, "Pool::CannotPayFee");
    }
}
