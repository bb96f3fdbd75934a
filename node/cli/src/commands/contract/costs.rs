// SPDX-License-Identifier: Apache-2.0

//! Gas and deposits: what a trial needed, and what the user allows.

use cairn_client::{
    chain::contracts::{DryRun, StorageDeposit, Weight},
    Call,
};
use clap::Args;
use serde_json::{json, Value};

use crate::{
    amount::Token,
    failure::{refused, Result},
    spend::Plan,
};

/// Part of the gas and of the deposit that is allowed on top of what the trial needed: the state may change meanwhile.
const MARGIN_PERCENT: u64 = 15;

/// Limits, and whether anything is done at all.
#[derive(Args, Debug)]
pub struct Caps {
    /// Only try it out: nothing is signed or paid
    #[arg(long)]
    pub dry_run: bool,
    /// Most execution time to pay for, in picoseconds [default: what the trial needed and 15%]
    #[arg(long, value_name = "N")]
    gas: Option<u64>,
    /// Most proof size to pay for, in bytes [default: what the trial needed and 15%]
    #[arg(long, value_name = "N")]
    proof_size: Option<u64>,
    /// Most deposit for storage [default: what the trial needed and 15%]
    #[arg(long, value_name = "AMOUNT")]
    deposit_limit: Option<String>,
}

impl Caps {
    /// The limit for the gas.
    ///
    /// # Errors
    /// Refused if the user's own limit is below what is needed.
    pub fn weight(&self, needed: Weight) -> Result<Weight> {
        let margin = needed.with_margin(MARGIN_PERCENT);
        let limit = Weight {
            ref_time: self.gas.unwrap_or(margin.ref_time),
            proof_size: self.proof_size.unwrap_or(margin.proof_size),
        };
        for (option, limit, needed, unit) in [
            ("--gas", limit.ref_time, needed.ref_time, "ps"),
            ("--proof-size", limit.proof_size, needed.proof_size, "bytes"),
        ] {
            if limit < needed {
                let reason = format!("the trial needed {needed} {unit}, and {option} allows {limit}");
                return Err(refused("Contracts::OutOfGas", reason, "allow more"));
            }
        }
        Ok(limit)
    }

    /// The limit for the deposit.
    ///
    /// # Errors
    /// Refused if the user's own limit is below what is needed.
    pub fn deposit(&self, needed: u128, token: &Token) -> Result<u128> {
        let Some(text) = &self.deposit_limit else {
            return Ok(needed.saturating_add(needed / 100 * u128::from(MARGIN_PERCENT)));
        };
        let limit = token.parse(text)?;
        if limit < needed {
            return Err(refused(
                "Contracts::StorageDepositLimitExhausted",
                format!("the deposit is {}, and --deposit-limit allows {}", token.format(needed), token.format(limit)),
                "allow more",
            ));
        }
        Ok(limit)
    }
}

/// A transaction with the costs that its trial found.
pub fn plan<T>(what: String, call: Call, value: u128, trial: &DryRun<T>, token: &Token) -> Plan {
    let mut plan = Plan::new(what, call);
    if value > 0 {
        plan = plan.detail("value", token.format(value));
    }
    plan.details.extend(costs(trial, token));
    plan
}

/// What the account must be able to spend besides the fee. The chain wants the whole limit for the deposit to be there,
/// and an existential deposit more that it may give to a new account.
pub fn funds_needed(value: u128, deposit_limit: u128, existential_deposit: u128) -> u128 {
    let spare = if deposit_limit > 0 { existential_deposit } else { 0 };
    value.saturating_add(deposit_limit).saturating_add(spare)
}

/// Gas and deposit, for people.
pub fn costs<T>(trial: &DryRun<T>, token: &Token) -> Vec<(&'static str, String)> {
    let Weight { ref_time, proof_size } = trial.gas_required;
    let deposit = match trial.storage_deposit {
        StorageDeposit::Charge(amount) => token.format(amount),
        StorageDeposit::Refund(amount) => format!("{} back", token.format(amount)),
    };
    vec![("gas", format!("{ref_time} ps, {proof_size} bytes")), ("deposit", deposit)]
}

/// The same for programs.
pub fn trial_json<T>(trial: &DryRun<T>, token: &Token) -> Value {
    let (kind, amount) = match trial.storage_deposit {
        StorageDeposit::Charge(amount) => ("charge", amount),
        StorageDeposit::Refund(amount) => ("refund", amount),
    };
    json!({
        "gas": { "ref_time": trial.gas_required.ref_time, "proof_size": trial.gas_required.proof_size },
        "deposit": { "kind": kind, "amount": token.json(amount) },
        "debug_message": trial.debug_message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Shown;

    fn caps(gas: Option<u64>, proof_size: Option<u64>) -> Caps {
        Caps { dry_run: false, gas, proof_size, deposit_limit: None }
    }

    #[test]
    fn gas_below_what_the_trial_needed_is_refused() {
        let needed = Weight { ref_time: 100, proof_size: 20 };
        let weight = |ref_time, proof_size| Weight { ref_time, proof_size };
        assert_eq!(caps(None, None).weight(needed).expect("with a margin"), weight(115, 23));
        assert_eq!(caps(Some(100), Some(20)).weight(needed).expect("exactly enough"), weight(100, 20));
        for (gas, proof_size, option) in [(Some(99), None, "--gas"), (None, Some(19), "--proof-size")] {
            let shown = Shown::new(&caps(gas, proof_size).weight(needed).expect_err("too little"));
            assert_eq!(shown.code, "Contracts::OutOfGas");
            assert!(shown.message.contains(option), "{}", shown.message);
        }
    }

    #[test]
    fn the_whole_limit_must_be_there_and_an_account_more() {
        assert_eq!(funds_needed(5, 100, 7), 112);
        assert_eq!(funds_needed(5, 0, 7), 5, "no deposit, no account");
        assert_eq!(funds_needed(u128::MAX, u128::MAX, 7), u128::MAX);
    }
}
