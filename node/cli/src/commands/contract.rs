// SPDX-License-Identifier: Apache-2.0

//! `cairn contract`: smart contracts. Every transaction is tried out first: its gas, its deposit and its failure are
//! known before anything is paid.

mod build;
mod bundle;
mod input;

use std::path::PathBuf;

use cairn_client::chain::contracts::{self, Code, DryRun, StorageDeposit, Weight};
use clap::{Args, Subcommand};
use serde_json::{json, Value};

use crate::{
    amount::Token,
    context::Context,
    failure::{refused, usage, Result},
    output::{fields, Report},
    spend::{spend, Done, Plan},
};
use bundle::{Bundle, Kind};
use input::{parse_hash, parse_hex};

/// Part of the gas and of the deposit that is allowed on top of what the trial needed: the state may change meanwhile.
const MARGIN_PERCENT: u64 = 15;
/// Bytes of a salt that is made up.
const SALT_LEN: usize = 8;

/// Smart contracts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build a contract's crate: a .contract bundle that the chain takes
    #[command(after_help = build::HELP)]
    Build(build::BuildArgs),
    /// Upload a contract's code without making a contract of it
    #[command(after_help = "Example:\n  cairn contract upload marketplace.contract --account alice")]
    Upload {
        /// A .contract bundle or a .wasm file
        file: PathBuf,
        #[command(flatten)]
        caps: Caps,
    },
    /// Make a contract
    #[command(after_help = INSTANTIATE_HELP)]
    Instantiate {
        /// A .contract bundle or a .wasm file
        #[arg(required_unless_present = "code_hash")]
        file: Option<PathBuf>,
        /// Make it of code that was uploaded before
        #[arg(long, value_name = "HASH")]
        code_hash: Option<String>,
        /// Constructor, by its name in the bundle
        #[arg(long, default_value = "new", value_name = "NAME", conflicts_with = "data")]
        constructor: String,
        #[command(flatten)]
        input: InputArgs,
        /// Salt, in hex: another one gives another address [default: random]
        #[arg(long, value_name = "HEX")]
        salt: Option<String>,
        #[command(flatten)]
        caps: Caps,
    },
    /// Call a contract
    #[command(after_help = CALL_HELP)]
    Call {
        /// Address of the contract
        contract: String,
        /// Message, by its name in the bundle
        #[arg(long, value_name = "NAME", requires = "bundle", conflicts_with = "data")]
        message: Option<String>,
        /// The contract's .contract bundle
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        #[command(flatten)]
        input: InputArgs,
        #[command(flatten)]
        caps: Caps,
    },
}

/// What a contract is given.
#[derive(Args, Debug)]
pub struct InputArgs {
    /// Arguments, SCALE-encoded in hex, in their order
    #[arg(long, value_name = "HEX", conflicts_with = "data")]
    args: Option<String>,
    /// Whole input in hex: selector and arguments
    #[arg(long, value_name = "HEX")]
    data: Option<String>,
    /// Coins to send along
    #[arg(long, value_name = "AMOUNT")]
    value: Option<String>,
}

/// Limits, and whether anything is done at all.
#[derive(Args, Debug)]
pub struct Caps {
    /// Only try it out: nothing is signed or paid
    #[arg(long)]
    dry_run: bool,
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

const INSTANTIATE_HELP: &str = "\
Arguments are given SCALE-encoded in hex for now; encoding them from JSON comes in a later release.

Examples:
  cairn contract instantiate flipper.contract --args 0x01 --account alice
  cairn contract instantiate --code-hash 0x… --data 0x9bae9d5e01 --account alice";

const CALL_HELP: &str = "\
Arguments are given SCALE-encoded in hex for now; encoding them from JSON comes in a later release. Messages that only
read are called with --dry-run, which costs nothing and shows the answer.

Examples:
  cairn contract call 5Cx… --message get --bundle flipper.contract --dry-run --account alice
  cairn contract call 5Cx… --message flip --bundle flipper.contract --account alice
  cairn contract call 5Cx… --data 0x633aa551 --value 1.5 --account alice";

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Build(args) => build::run(context, args).await,
        Command::Upload { file, caps } => upload(context, Bundle::load(&file)?, &caps).await,
        Command::Instantiate { file, code_hash, constructor, input, salt, caps } => {
            let bundle = file.as_deref().map(Bundle::load).transpose()?;
            let code = match (&bundle, code_hash) {
                (_, Some(hash)) => Code::Existing(parse_hash(&hash)?),
                (Some(bundle), None) => Code::Upload(bundle.code()?.to_vec()),
                (None, None) => return Err(usage("give a file or --code-hash")),
            };
            let data = input.data(bundle.as_ref(), Kind::Constructor, Some(&constructor))?;
            instantiate(context, code, &data, &input, salt.as_deref(), &caps).await
        },
        Command::Call { contract, message, bundle, input, caps } => {
            let bundle = bundle.as_deref().map(Bundle::load).transpose()?;
            let data = input.data(bundle.as_ref(), Kind::Message, message.as_deref())?;
            call(context, &contract, &data, &input, &caps).await
        },
    }
}

impl InputArgs {
    /// The whole input.
    fn data(&self, bundle: Option<&Bundle>, kind: Kind, name: Option<&str>) -> Result<Vec<u8>> {
        if let Some(data) = &self.data {
            return parse_hex(data);
        }
        let (Some(bundle), Some(name)) = (bundle, name) else {
            return Err(usage("give the input with --data, or a bundle and the name of what is called"));
        };
        let mut data = bundle.selector(kind, name)?.to_vec();
        if let Some(args) = &self.args {
            data.extend(parse_hex(args)?);
        }
        Ok(data)
    }

    fn value(&self, token: &Token) -> Result<u128> {
        self.value.as_deref().map_or(Ok(0), |text| token.parse(text))
    }
}

async fn upload(context: &Context, bundle: Bundle, caps: &Caps) -> Result<Report> {
    let signer = context.signer().await?;
    let token = context.token().await?;
    let code = bundle.code()?;
    let view = context.client().await?.best().await?;
    let uploaded = view.dry_upload(&signer.account, code).await?.map_err(cairn_client::Error::from)?;
    let hash = format!("{:?}", uploaded.code_hash);
    let deposit = token.format(uploaded.deposit);
    let json = json!({ "code_hash": hash, "deposit": token.json(uploaded.deposit), "length": code.len() });
    if caps.dry_run {
        let rows = [("code hash", hash), ("deposit", deposit), ("length", format!("{} bytes", code.len()))];
        return Ok(Report::new(fields(rows), json));
    }
    let limit = caps.deposit(uploaded.deposit, &token)?;
    let plan = Plan::new(format!("upload {} bytes of code", code.len()), contracts::upload_code(code, Some(limit)))
        .holding(uploaded.deposit)
        .detail("deposit", deposit);
    let done = spend(context, &signer, plan).await?;
    Ok(done.report(&format!("uploaded code {hash}"), json))
}

async fn instantiate(
    context: &Context,
    code: Code,
    data: &[u8],
    input: &InputArgs,
    salt: Option<&str>,
    caps: &Caps,
) -> Result<Report> {
    let signer = context.signer().await?;
    let token = context.token().await?;
    let value = input.value(&token)?;
    let salt = match salt {
        Some(text) => parse_hex(text)?,
        None => crate::keystore::random::<SALT_LEN>()?.to_vec(),
    };
    let view = context.client().await?.best().await?;
    let trial = view.dry_instantiate(&signer.account, value, code.clone(), data, &salt).await?;
    let result = trial.result.clone().map_err(|refusal| with_debug(refusal, &trial.debug_message))?;
    check_revert(&result.returned)?;
    let address = context.address(&result.account).await?;
    let json = json!({ "contract": address, "trial": trial_json(&trial, &token), "salt": format!("0x{}", hex::encode(&salt)) });
    if caps.dry_run {
        let rows = costs(&trial, &token).into_iter().chain([("address", address.clone())]);
        return Ok(Report::new(fields(rows), json));
    }
    let gas = caps.weight(trial.gas_required)?;
    let limit = caps.deposit(trial.storage_deposit.charge(), &token)?;
    let call = contracts::instantiate(value, gas, Some(limit), &code, data, &salt);
    let needed = funds_needed(value, limit, view.existential_deposit()?);
    let plan = plan(format!("make the contract {address}"), call, value, &trial, &token).taking(needed);
    let done = spend(context, &signer, plan).await?;
    // A constructor may make further contracts, before its own is done.
    let made =
        done.receipt.as_ref().and_then(|receipt| receipt.last_event("Contracts", "Instantiated")?.account("contract"));
    let address = match made {
        Some(account) => context.address(&account).await?,
        None => address,
    };
    Ok(done.report(&format!("made the contract {address}"), merge(json, json!({ "contract": address }))))
}

async fn call(context: &Context, contract: &str, data: &[u8], input: &InputArgs, caps: &Caps) -> Result<Report> {
    let signer = context.signer().await?;
    let token = context.token().await?;
    let value = input.value(&token)?;
    let contract = context.resolve(contract).await?;
    let view = context.client().await?.best().await?;
    let trial = view.dry_call(&signer.account, &contract, value, data).await?;
    let returned = trial.result.clone().map_err(|refusal| with_debug(refusal, &trial.debug_message))?;
    let answer = format!("0x{}", hex::encode(&returned.data));
    let address = context.address(&contract).await?;
    let json = json!({
        "contract": address,
        "answer": answer,
        "reverted": returned.reverted,
        "trial": trial_json(&trial, &token),
    });
    if caps.dry_run {
        let reverted = if returned.reverted { "yes: the contract refuses" } else { "no" };
        let rows = costs(&trial, &token).into_iter().chain([("answer", answer), ("reverted", reverted.into())]);
        return Ok(Report::new(fields(rows), json));
    }
    check_revert(&returned)?;
    let gas = caps.weight(trial.gas_required)?;
    let limit = caps.deposit(trial.storage_deposit.charge(), &token)?;
    let call = contracts::call(&contract, value, gas, Some(limit), data);
    let needed = funds_needed(value, limit, view.existential_deposit()?);
    let plan = plan(format!("call {address}"), call, value, &trial, &token).taking(needed);
    let done = spend(context, &signer, plan).await?;
    let text = format!("called {address}{}", emitted(&done));
    Ok(done.report(&text, json))
}

fn plan<T>(what: String, call: cairn_client::Call, value: u128, trial: &DryRun<T>, token: &Token) -> Plan {
    let mut plan = Plan::new(what, call);
    if value > 0 {
        plan = plan.detail("value", token.format(value));
    }
    plan.details.extend(costs(trial, token));
    plan
}

/// What the account must be able to spend besides the fee. The chain wants the whole limit for the deposit to be there,
/// and an existential deposit more that it may give to a new account.
fn funds_needed(value: u128, deposit_limit: u128, existential_deposit: u128) -> u128 {
    let spare = if deposit_limit > 0 { existential_deposit } else { 0 };
    value.saturating_add(deposit_limit).saturating_add(spare)
}

/// The contract's own answer "no": everything would be undone, and the fee still paid.
fn check_revert(returned: &contracts::Returned) -> Result<()> {
    if returned.reverted {
        let reason = format!("the contract refuses, and answers 0x{}", hex::encode(&returned.data));
        return Err(refused("Contracts::ContractReverted", reason, "check the message, its arguments and the value"));
    }
    Ok(())
}

fn with_debug(refusal: cairn_client::Refusal, debug_message: &str) -> anyhow::Error {
    let error = anyhow::Error::from(cairn_client::Error::from(refusal));
    match debug_message.trim() {
        "" => error,
        text => error.context(text.chars().filter(|c| !c.is_control()).take(500).collect::<String>()),
    }
}

fn costs<T>(trial: &DryRun<T>, token: &Token) -> Vec<(&'static str, String)> {
    let Weight { ref_time, proof_size } = trial.gas_required;
    let deposit = match trial.storage_deposit {
        StorageDeposit::Charge(amount) => token.format(amount),
        StorageDeposit::Refund(amount) => format!("{} back", token.format(amount)),
    };
    vec![("gas", format!("{ref_time} ps, {proof_size} bytes")), ("deposit", deposit)]
}

fn trial_json<T>(trial: &DryRun<T>, token: &Token) -> Value {
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

/// The events that contracts emitted.
fn emitted(done: &Done) -> String {
    let events = done.receipt.iter().flat_map(|receipt| &receipt.events);
    let events = events.filter(|event| event.is("Contracts", "ContractEmitted"));
    events.map(|event| format!("\n  event 0x{}", hex::encode(event.bytes("data").unwrap_or_default()))).collect()
}

impl Caps {
    /// The limit for the gas.
    ///
    /// # Errors
    /// Refused if the user's own limit is below what is needed.
    fn weight(&self, needed: Weight) -> Result<Weight> {
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
    fn deposit(&self, needed: u128, token: &Token) -> Result<u128> {
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

fn merge(mut json: Value, more: Value) -> Value {
    if let (Value::Object(json), Value::Object(more)) = (&mut json, more) {
        json.extend(more);
    }
    json
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
