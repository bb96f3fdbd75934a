// SPDX-License-Identifier: Apache-2.0

//! Transactions about contracts.

use cairn_client::{
    chain::contracts::{self, Code},
    AccountId, Refusal, View,
};
use cairn_contract::abi::Kind;
use serde_json::{json, Value};

use super::{
    answer,
    bundle::Bundle,
    costs::{costs, funds_needed, plan, trial_json, Caps},
    input::{parse_hash, parse_hex, Chain, InputArgs, Named},
    InstantiateArgs, Target,
};
use crate::{
    amount::Token,
    context::Context,
    failure::{refused, usage, Result},
    output::{fields, Report},
    spend::{spend, Plan},
};

/// Bytes of a salt that is made up.
const SALT_LEN: usize = 8;

async fn chain(context: &Context) -> Result<Chain> {
    Ok(Chain { prefix: context.client().await?.properties().await?.ss58_prefix })
}

/// Holds code against the chain's rules here, where the reason can be told.
fn check_code(code: &[u8]) -> Result<()> {
    cairn_contract::check(code)
        .map_err(|refusal| refused("Contracts::CodeRejected", refusal.to_string(), refusal.remedy))
}

/// Uploads code.
pub async fn upload(context: &Context, bundle: &Bundle, caps: &Caps) -> Result<Report> {
    let code = bundle.code()?;
    check_code(code)?;
    let signer = context.signer().await?;
    let token = context.token().await?;
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

/// Makes a contract.
pub async fn instantiate(context: &Context, args: InstantiateArgs) -> Result<Report> {
    let InstantiateArgs { file, code_hash, constructor, input, salt, caps } = args;
    let bundle = file.as_deref().map(Bundle::load).transpose()?;
    let code = match (&bundle, code_hash) {
        (_, Some(hash)) => Code::Existing(parse_hash(&hash)?),
        (Some(bundle), None) => {
            check_code(bundle.code()?)?;
            Code::Upload(bundle.code()?.to_vec())
        },
        (None, None) => return Err(usage("give a file or --code-hash")),
    };
    let salt = match salt {
        Some(text) => parse_hex(&text)?,
        None => crate::keystore::random::<SALT_LEN>()?.to_vec(),
    };
    let named = bundle.as_ref().map(|bundle| Named { bundle, kind: Kind::Constructor, name: &constructor });
    let chain = chain(context).await?;
    let data = input.data(named, chain)?;
    let signer = context.signer().await?;
    let token = context.token().await?;
    let value = input.value(&token)?;
    let view = context.client().await?.best().await?;
    let trial = view.dry_instantiate(&signer.account, value, code.clone(), &data, &salt).await?;
    let result = match trial.result.clone() {
        Ok(result) => result,
        Err(refusal) => return Err(explain(&view, &signer.account, &token, refusal, &trial.debug_message).await?),
    };
    answer::read(&result.returned, named, chain)?;
    let address = context.address(&result.account).await?;
    let json = json!({ "contract": address, "trial": trial_json(&trial, &token), "salt": format!("0x{}", hex::encode(&salt)) });
    if caps.dry_run {
        let rows = costs(&trial, &token).into_iter().chain([("address", address.clone())]);
        return Ok(Report::new(fields(rows), json));
    }
    let gas = caps.weight(trial.gas_required)?;
    let limit = caps.deposit(trial.storage_deposit.charge(), &token)?;
    let call = contracts::instantiate(value, gas, Some(limit), &code, &data, &salt);
    let needed = funds_needed(value, limit, view.existential_deposit()?);
    let plan = plan(format!("make the contract {address}"), call, value, &trial, &token).taking(needed);
    let done = spend(context, &signer, plan).await?;
    // A constructor may make further contracts, before its own is done.
    let made =
        done.receipt.as_ref().and_then(|receipt| receipt.last_event("Contracts", "Instantiated")?.account("contract"));
    let account = made.unwrap_or(result.account);
    let address = context.address(&account).await?;
    let abi = bundle.as_ref().and_then(|bundle| bundle.abi().ok());
    let (shown, emitted) = answer::events(done.receipt.as_ref(), &account, abi, chain);
    let text = format!("made the contract {address}{shown}");
    Ok(done.report(&text, merge(json, json!({ "contract": address, "contract_events": emitted }))))
}

/// Calls a contract.
pub async fn call(context: &Context, target: &Target, input: &InputArgs, caps: &Caps) -> Result<Report> {
    let bundle = target.bundle()?;
    let named = bundle.as_ref().zip(target.message()).map(|(bundle, name)| Named { bundle, kind: Kind::Message, name });
    // Names are looked at before a node is asked.
    if let Some(named) = named.filter(|named| named.bundle.abi().is_err()) {
        named.bundle.selector(named.kind, named.name)?;
    }
    let chain = chain(context).await?;
    let data = input.data(named, chain)?;
    let signer = context.signer().await?;
    let token = context.token().await?;
    let value = input.value(&token)?;
    let contract = context.resolve(&target.contract).await?;
    let view = context.client().await?.best().await?;
    let trial = view.dry_call(&signer.account, &contract, value, &data).await?;
    let returned = match trial.result.clone() {
        Ok(returned) => returned,
        Err(refusal) => return Err(explain(&view, &signer.account, &token, refusal, &trial.debug_message).await?),
    };
    let address = context.address(&contract).await?;
    let said = answer::read(&returned, named, chain)?;
    let json = json!({
        "contract": address,
        "answer": said.bytes,
        "value": said.value,
        "reverted": returned.reverted,
        "trial": trial_json(&trial, &token),
    });
    if caps.dry_run {
        let rows = costs(&trial, &token).into_iter().chain([("answer", said.text)]);
        return Ok(Report::new(fields(rows), json));
    }
    let gas = caps.weight(trial.gas_required)?;
    let limit = caps.deposit(trial.storage_deposit.charge(), &token)?;
    let call = contracts::call(&contract, value, gas, Some(limit), &data);
    let needed = funds_needed(value, limit, view.existential_deposit()?);
    let plan = plan(format!("call {address}"), call, value, &trial, &token).taking(needed);
    let done = spend(context, &signer, plan).await?;
    let abi = bundle.as_ref().and_then(|bundle| bundle.abi().ok());
    let (shown, emitted) = answer::events(done.receipt.as_ref(), &contract, abi, chain);
    // What the trial answered: transactions have no answer.
    let answered = said.value.filter(|value| !value.is_null()).map(|_| format!("\n  answer {}", said.text));
    let text = format!("called {address}{}{shown}", answered.unwrap_or_default());
    Ok(done.report(&text, merge(json, json!({ "contract_events": emitted }))))
}

/// Removes code.
pub async fn remove(context: &Context, code_hash: &str) -> Result<Report> {
    let hash = parse_hash(code_hash)?.into();
    let signer = context.signer().await?;
    let token = context.token().await?;
    let view = context.client().await?.best().await?;
    let code = view.contract_code(&hash).await?.ok_or_else(|| {
        refused("Contracts::CodeNotFound", "there is no such code on this chain", "check the hash, and --url")
    })?;
    if code.refcount > 0 {
        let reason = format!("{} contracts are made of this code", code.refcount);
        return Err(refused("Contracts::CodeInUse", reason, "code stays as long as contracts need it"));
    }
    if code.owner != signer.account {
        let owner = context.address(&code.owner).await?;
        let reason = format!("{owner} uploaded it, and only that account may remove it");
        return Err(refused("System::BadOrigin", reason, "sign with that account"));
    }
    let back = token.format(code.deposit);
    let plan = Plan::new(format!("remove {} bytes of code", code.code_len), contracts::remove_code(&hash))
        .detail("deposit", format!("{back} back"));
    let done = spend(context, &signer, plan).await?;
    Ok(done.report(
        &format!("removed code {hash:?}"),
        json!({ "code_hash": code_hash, "refund": token.json(code.deposit) }),
    ))
}

/// What the pallet complains of where an account hasn't the coins for what it asks for.
const MONEY: [&str; 3] =
    ["Contracts::StorageDepositLimitExhausted", "Contracts::StorageDepositNotEnoughFunds", "Contracts::TransferFailed"];

/// Why asking failed, where no account is named that asks: such a one has no coins.
pub fn explain_nobody(refusal: Refusal, debug_message: &str) -> anyhow::Error {
    if !MONEY.contains(&refusal.code.as_str()) {
        return with_debug(refusal, debug_message);
    }
    refused(
        &refusal.code,
        "the message stores something or sends coins, and no account is named that could pay for that",
        "name one that has coins with --account; nothing is sent, and nothing is paid",
    )
}

/// Why a trial failed. Without money the pallet complains of limits that nobody set, or of a transfer.
pub async fn explain(
    view: &View,
    account: &AccountId,
    token: &Token,
    refusal: Refusal,
    debug_message: &str,
) -> Result<anyhow::Error> {
    if !MONEY.contains(&refusal.code.as_str()) {
        return Ok(with_debug(refusal, debug_message));
    }
    let spendable = view.account(account).await?.data.spendable(view.existential_deposit()?);
    Ok(refused(
        "BalanceTooLow",
        format!(
            "the coins to send and the deposit for storage are more than can be spent: {} are there ({})",
            token.format(spendable),
            refusal.code
        ),
        "fund the account, send less, or store less (a deposit is 100 CRN at most)",
    ))
}

/// A refusal with what the contract printed before it.
pub fn with_debug(refusal: cairn_client::Refusal, debug_message: &str) -> anyhow::Error {
    let error = anyhow::Error::from(cairn_client::Error::from(refusal));
    match debug_message.trim() {
        "" => error,
        text => error.context(text.chars().filter(|c| !c.is_control()).take(500).collect::<String>()),
    }
}

fn merge(mut json: Value, more: Value) -> Value {
    if let (Value::Object(json), Value::Object(more)) = (&mut json, more) {
        json.extend(more);
    }
    json
}
