// SPDX-License-Identifier: Apache-2.0

//! What contracts say: answers, their own errors, and events.

use cairn_client::{chain::contracts::Returned, AccountId, Receipt};
use cairn_contract::abi::{Abi, Answer, Kind};
use serde_json::{json, Value};

use super::input::{Chain, Named};
use crate::failure::{failed, refused, Result};

/// A contract's answer, for people and for programs.
#[derive(Clone, Debug)]
pub struct Said {
    /// In words of its metadata, or in hex.
    pub text: String,
    /// Decoded; `None` without metadata.
    pub value: Option<Value>,
    /// As the contract gave it.
    pub bytes: String,
}

/// Reads an answer.
///
/// # Errors
/// Refused if the contract undoes everything; the error has its own words. Failed if the answer does not fit the metadata.
pub fn read(returned: &Returned, named: Option<Named<'_>>, chain: Chain) -> Result<Said> {
    let bytes = format!("0x{}", hex::encode(&returned.data));
    // A message of ink! always answers something, unless the contract ends itself in it.
    let is_message = named.as_ref().is_some_and(|named| matches!(named.kind, Kind::Message));
    if is_message && returned.data.is_empty() && !returned.reverted {
        return Ok(Said { text: "nothing: the contract ends itself".into(), value: None, bytes });
    }
    let callable = named.and_then(|named| Some((named.kind, named.callable().ok()?)));
    let answer = match callable {
        Some((kind, (abi, callable))) => match abi.decode(kind, callable, &returned.data, &chain) {
            Ok(answer) => Some(answer),
            // An error that undoes everything is worth more than complaining about its form.
            Err(_) if returned.reverted => None,
            Err(error) => return Err(failed(error.to_string(), "use the bundle that the contract was made of")),
        },
        None => None,
    };
    match answer {
        Some(Answer::Refused(error)) => Err(refuses(&one_line(&error))),
        _ if returned.reverted => Err(refuses(&bytes)),
        Some(Answer::Done(value)) => Ok(Said { text: shown(&value), value: Some(value), bytes }),
        None => Ok(Said { text: bytes.clone(), value: None, bytes }),
    }
}

/// The contract's own answer "no": everything would be undone, and the fee still paid.
fn refuses(reason: &str) -> anyhow::Error {
    refused(
        "Contracts::ContractReverted",
        format!("the contract refuses, and answers {reason}"),
        "check the message, its arguments and the value; `cairn contract info BUNDLE` shows what it takes",
    )
}

fn one_line(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) | Value::Array(_) => format!("{value:#}"),
        other => one_line(other),
    }
}

/// The events that contracts emitted: text for people, and a list for programs.
pub fn events(receipt: Option<&Receipt>, own: &AccountId, abi: Option<&Abi>, chain: Chain) -> (String, Value) {
    let mut text = String::new();
    let mut list = Vec::new();
    let all = receipt.into_iter().flat_map(|receipt| &receipt.events);
    for event in all.filter(|event| event.is("Contracts", "ContractEmitted")) {
        let data = event.bytes("data").unwrap_or_default();
        // Other contracts' events are not in this one's metadata.
        let abi = abi.filter(|_| event.account("contract").as_ref() == Some(own));
        match abi.and_then(|abi| abi.event(&event.topics, &data, &chain)) {
            Some((name, fields)) => {
                text.push_str(&format!("\n  event {name} {fields}"));
                list.push(json!({ "name": name, "fields": fields }));
            },
            None => {
                let data = format!("0x{}", hex::encode(data));
                text.push_str(&format!("\n  event {data}"));
                list.push(json!({ "data": data }));
            },
        }
    }
    (text, list.into())
}
