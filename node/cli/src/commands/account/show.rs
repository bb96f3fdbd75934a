// SPDX-License-Identifier: Apache-2.0

//! Showing accounts.

use cairn_client::{
    address::{to_address, DEFAULT_SS58_PREFIX},
    AccountId,
};
use serde_json::{json, Value};

use crate::{
    amount::Token,
    context::Context,
    failure::{usage, Result},
    output::{fields, table, Report},
};

/// Lists the stored accounts.
pub fn list(context: &Context) -> Result<Report> {
    let (accounts, unreadable) = context.keystore.list()?;
    for problem in &unreadable {
        context.output.warn(problem);
    }
    let address = |account: &AccountId| to_address(account, DEFAULT_SS58_PREFIX);
    let json: Vec<Value> = accounts
        .iter()
        .map(|stored| json!({ "name": stored.name, "address": address(&stored.account), "created_ms": stored.created_ms }))
        .collect();
    let rows: Vec<Vec<String>> =
        accounts.iter().map(|stored| vec![stored.name.clone(), address(&stored.account)]).collect();
    let text = if rows.is_empty() {
        format!("no accounts in {}; `cairn account new NAME` makes one", context.keystore.dir().display())
    } else {
        table(&["name", "address"], &rows)
    };
    Ok(Report::new(text, json!({ "keystore": context.keystore.dir(), "accounts": json })))
}

/// Shows one account.
pub async fn show(context: &Context, who: Option<&str>, offline: bool) -> Result<Report> {
    if offline {
        let name = who.map(Into::into).or_else(|| context.settings.account.value.clone());
        let name = name.ok_or_else(|| usage("name a stored account"))?;
        let account = context.keystore.account(&name)?;
        let rows = identity(&account, Some(&name), to_address(&account, DEFAULT_SS58_PREFIX));
        return Ok(Report::new(fields(rows.clone()), to_json(rows)));
    }
    let account = context.subject(who).await?;
    let view = context.client().await?.finalized().await?;
    let (info, ledger) = tokio::try_join!(view.account(&account), view.ledger(&account))?;
    let token = context.token().await?;
    let minimum = view.existential_deposit()?;
    let name = context.keystore.name_of(&account);
    let mut rows = identity(&account, name.as_deref(), context.address(&account).await?);
    let mut json = to_json(rows.clone());
    let staked = ledger.map_or(0, |ledger| ledger.total);
    let amounts = [
        ("total", info.data.total()),
        ("spendable", info.data.spendable(minimum)),
        ("free", info.data.free),
        ("held", info.data.reserved),
        ("of that staked", staked),
        ("frozen", info.data.frozen),
    ];
    for (label, amount) in amounts {
        rows.push((label, token.format(amount)));
    }
    rows.push(("transactions", info.nonce.to_string()));
    rows.push(("as of", format!("finalized block #{}", view.block_number())));
    extend(&mut json, balances_json(&amounts, &token, info.nonce, view.block_number()));
    Ok(Report::new(fields(rows), json))
}

fn identity(account: &AccountId, name: Option<&str>, address: String) -> Vec<(&'static str, String)> {
    let mut rows = vec![("address", address), ("public key", format!("0x{}", hex::encode(account.0)))];
    if let Some(name) = name {
        rows.insert(0, ("name", name.into()));
    }
    rows
}

fn to_json(rows: Vec<(&str, String)>) -> Value {
    Value::Object(rows.into_iter().map(|(name, value)| (name.replace(' ', "_"), value.into())).collect())
}

fn balances_json(amounts: &[(&str, u128)], token: &Token, nonce: u32, block: u64) -> Value {
    let mut json: serde_json::Map<String, Value> =
        amounts.iter().map(|(label, amount)| (label.replace("of that ", ""), token.json(*amount))).collect();
    json.insert("nonce".into(), nonce.into());
    json.insert("finalized_block".into(), block.into());
    Value::Object(json)
}

fn extend(json: &mut Value, more: Value) {
    if let (Value::Object(json), Value::Object(more)) = (json, more) {
        json.extend(more);
    }
}
