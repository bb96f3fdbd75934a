// SPDX-License-Identifier: Apache-2.0

//! Asking, without a transaction.

use std::path::Path;

use cairn_client::AccountId;
use cairn_contract::abi::Kind;
use serde_json::{json, Value};

use super::{
    answer,
    bundle::Bundle,
    costs::{costs, trial_json},
    input::{Chain, InputArgs, Named},
    send::{explain, explain_nobody},
    Target,
};
use crate::{
    context::Context,
    failure::{usage_with_remedy, Result},
    output::{fields, table, Report},
};

/// Who asks, where nobody is named.
const NOBODY: [u8; 32] = [0; 32];

/// Calls a message and throws away what it changed.
pub async fn read(context: &Context, target: &Target, input: &InputArgs) -> Result<Report> {
    let asks = match &context.settings.account.value {
        Some(_) => Some(context.signer().await?.account),
        None => None,
    };
    let origin = asks.unwrap_or(AccountId::from(NOBODY));
    let token = context.token().await?;
    let chain = Chain { prefix: context.client().await?.properties().await?.ss58_prefix };
    let bundle = target.bundle()?;
    let named = bundle.as_ref().zip(target.message()).map(|(bundle, name)| Named { bundle, kind: Kind::Message, name });
    let data = input.data(named, chain)?;
    let contract = context.resolve(&target.contract).await?;
    let view = context.client().await?.best().await?;
    let trial = view.dry_call(&origin, &contract, input.value(&token)?, &data).await?;
    let returned = match (trial.result.clone(), asks) {
        (Ok(returned), _) => returned,
        (Err(refusal), None) => return Err(explain_nobody(refusal, &trial.debug_message)),
        (Err(refusal), Some(account)) => {
            return Err(explain(&view, &account, &token, refusal, &trial.debug_message).await?);
        },
    };
    let said = answer::read(&returned, named, chain)?;
    let json = json!({
        "contract": context.address(&contract).await?,
        "answer": said.bytes,
        "value": said.value,
        "trial": trial_json(&trial, &token),
    });
    let text =
        if context.output.is_quiet() { said.text } else { format!("{}\n{}", said.text, fields(costs(&trial, &token))) };
    Ok(Report::new(text, json))
}

/// What the chain knows of a contract, or what a bundle can be asked.
pub async fn info(context: &Context, what: &str) -> Result<Report> {
    if Path::new(what).is_file() {
        return interface(&Bundle::load(Path::new(what))?);
    }
    let account = context.resolve(what).await?;
    let token = context.token().await?;
    let view = context.client().await?.best().await?;
    let address = context.address(&account).await?;
    let contract = view.contract(&account).await?.ok_or_else(|| {
        usage_with_remedy(format!("{address} is no contract on this chain"), "check the address, and --url")
    })?;
    let hash = format!("{:?}", contract.code_hash);
    let code = view.contract_code(&contract.code_hash).await?;
    let balance = view.account(&account).await?.data;
    let deposit = contract
        .storage_base_deposit
        .saturating_add(contract.storage_byte_deposit)
        .saturating_add(contract.storage_item_deposit);
    let mut rows = vec![
        ("contract", address.clone()),
        ("code hash", hash.clone()),
        ("balance", token.format(balance.free)),
        ("stored", format!("{} bytes in {} entries", contract.storage_bytes, contract.storage_items)),
        ("deposit", format!("{} (paid by who stored it, back when it is removed)", token.format(deposit))),
    ];
    let mut json = json!({
        "contract": address,
        "code_hash": hash,
        "balance": token.json(balance.free),
        "storage": { "bytes": contract.storage_bytes, "items": contract.storage_items, "deposit": token.json(deposit) },
    });
    if let Some(code) = code {
        let owner = context.address(&code.owner).await?;
        rows.push((
            "code",
            format!("{} bytes, uploaded by {owner}, used by {} contracts", code.code_len, code.refcount),
        ));
        json["code"] = json!({
            "length": code.code_len, "owner": owner, "contracts": code.refcount, "deposit": token.json(code.deposit),
        });
    }
    Ok(Report::new(fields(rows), json))
}

fn interface(bundle: &Bundle) -> Result<Report> {
    let abi = bundle.abi()?;
    let mut rows = Vec::new();
    let mut json = json!({ "constructors": [], "messages": [] });
    for (kind, key) in [(Kind::Constructor, "constructors"), (Kind::Message, "messages")] {
        let mut list = Vec::new();
        for callable in abi.callables(kind) {
            let what = match (kind, callable.payable, callable.mutates) {
                (Kind::Constructor, false, _) => "make",
                (Kind::Constructor, true, _) => "make, takes coins",
                (_, true, _) => "call, takes coins",
                (_, false, true) => "call",
                (_, false, false) => "read",
            };
            let (signature, docs) = (abi.signature(callable), abi.docs(callable));
            list.push(json!({
                "name": callable.label, "signature": signature, "payable": callable.payable,
                "mutates": callable.mutates || kind == Kind::Constructor, "docs": docs,
            }));
            rows.push(vec![what.to_string(), signature, docs]);
        }
        json[key] = Value::from(list);
    }
    Ok(Report::new(table(&["", "name", "what it does"], &rows), json))
}
