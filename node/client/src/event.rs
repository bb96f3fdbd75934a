// SPDX-License-Identifier: Apache-2.0

//! Events of a transaction, decoded by the runtime's metadata.

use codec::Decode;
use subxt::{
    events::{Events, Phase},
    ext::scale_value::{Composite, Primitive, Value, ValueDef},
    Metadata,
};

use crate::{
    config::CairnConfig,
    convert::subxt_error,
    refusal::{DispatchError, Refusal, Stage},
    AccountId, Error,
};

/// Numbers above this lose digits in JSON readers that use doubles; they are written as text.
const JSON_SAFE_INTEGER_MAX: u128 = (1 << 53) - 1;

/// An event that a transaction caused.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Pallet that emitted it.
    pub pallet: String,
    /// Its name.
    pub name: String,
    /// Its fields by name: bytes and lists of small numbers as `0x…`, big numbers as decimal text.
    pub fields: serde_json::Value,
    /// What it is found by; contracts' events begin with the hash of their own name.
    pub topics: Vec<[u8; 32]>,
}

impl Event {
    /// Whether it is this event.
    pub fn is(&self, pallet: &str, name: &str) -> bool {
        self.pallet == pallet && self.name == name
    }

    /// A field that holds an account.
    pub fn account(&self, field: &str) -> Option<AccountId> {
        let text = self.fields.get(field)?.as_str()?.strip_prefix("0x")?;
        let bytes: [u8; 32] = hex::decode(text).ok()?.try_into().ok()?;
        Some(bytes.into())
    }

    /// A field that holds bytes or a hash.
    pub fn bytes(&self, field: &str) -> Option<Vec<u8>> {
        match self.fields.get(field)? {
            serde_json::Value::String(text) => hex::decode(text.strip_prefix("0x")?).ok(),
            serde_json::Value::Number(byte) => Some(vec![u8::try_from(byte.as_u64()?).ok()?]),
            serde_json::Value::Array(list) if list.is_empty() => Some(Vec::new()),
            _ => None,
        }
    }

    /// A field that holds a balance or another number.
    pub fn number(&self, field: &str) -> Option<u128> {
        match self.fields.get(field)? {
            serde_json::Value::Number(number) => number.as_u64().map(u128::from),
            serde_json::Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// What the events of a transaction say about it.
pub(crate) struct Outcome {
    pub(crate) events: Vec<Event>,
    /// Set if the transaction failed in its block.
    pub(crate) failure: Option<Refusal>,
    pub(crate) fee: Option<u128>,
}

/// Reads the events that the transaction at `index` of a block caused.
pub(crate) fn read(events: &Events<CairnConfig>, index: u32, metadata: &Metadata) -> Result<Outcome, Error> {
    let mut outcome = Outcome { events: Vec::new(), failure: None, fee: None };
    for event in events.iter() {
        let event = event.map_err(subxt_error)?;
        if event.phase() != Phase::ApplyExtrinsic(index) {
            continue;
        }
        let (pallet, name) = (event.pallet_name(), event.event_name());
        if (pallet, name) == ("System", "ExtrinsicFailed") {
            let error = DispatchError::decode(&mut event.field_bytes()).map_err(Error::malformed)?;
            outcome.failure = Some(error.explain(metadata, Stage::Block));
        }
        let fields: Composite<()> = event.decode_fields_unchecked_as().map_err(subxt_error)?;
        let topics = event.topics().iter().map(|topic| topic.0).collect();
        let event = Event { pallet: pallet.into(), name: name.into(), fields: composite_to_json(&fields), topics };
        if event.is("TransactionPayment", "TransactionFeePaid") {
            outcome.fee = event.number("actual_fee");
        }
        outcome.events.push(event);
    }
    Ok(outcome)
}

fn value_to_json(value: &Value<()>) -> serde_json::Value {
    use serde_json::Value as Json;
    match &value.value {
        ValueDef::Composite(composite) => composite_to_json(composite),
        ValueDef::Variant(variant) if variant.values.is_empty() => match variant.name.as_str() {
            "None" => Json::Null,
            name => name.into(),
        },
        ValueDef::Variant(variant) => match (variant.name.as_str(), &variant.values) {
            ("Some", Composite::Unnamed(values)) if values.len() == 1 => value_to_json(&values[0]),
            (name, values) => {
                let mut map = serde_json::Map::new();
                map.insert(name.into(), composite_to_json(values));
                Json::Object(map)
            },
        },
        ValueDef::BitSequence(bits) => bits.iter().map(|bit| if bit { '1' } else { '0' }).collect::<String>().into(),
        ValueDef::Primitive(primitive) => primitive_to_json(primitive),
    }
}

fn primitive_to_json(primitive: &Primitive) -> serde_json::Value {
    match primitive {
        Primitive::Bool(value) => (*value).into(),
        Primitive::Char(value) => value.to_string().into(),
        Primitive::String(value) => value.as_str().into(),
        Primitive::U128(value) if *value <= JSON_SAFE_INTEGER_MAX => (*value as u64).into(),
        Primitive::U128(value) => value.to_string().into(),
        Primitive::I128(value) => match i64::try_from(*value) {
            Ok(small) if small.unsigned_abs() as u128 <= JSON_SAFE_INTEGER_MAX => small.into(),
            _ => value.to_string().into(),
        },
        Primitive::U256(bytes) | Primitive::I256(bytes) => format!("0x{}", hex::encode(bytes)).into(),
    }
}

fn composite_to_json(composite: &Composite<()>) -> serde_json::Value {
    match composite {
        Composite::Named(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), value_to_json(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        // A newtype is what it wraps: `AccountId32([u8; 32])`, `Perbill(u32)`. So is a list of one.
        Composite::Unnamed(values) if values.len() == 1 => value_to_json(&values[0]),
        Composite::Unnamed(values) => match bytes(values) {
            Some(bytes) => format!("0x{}", hex::encode(bytes)).into(),
            None => values.iter().map(value_to_json).collect::<Vec<_>>().into(),
        },
    }
}

/// The bytes, if the values are bytes. An empty list may be anything.
fn bytes(values: &[Value<()>]) -> Option<Vec<u8>> {
    if values.is_empty() {
        return None;
    }
    values
        .iter()
        .map(|value| match value.value {
            ValueDef::Primitive(Primitive::U128(byte)) => u8::try_from(byte).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_the_json_that_users_expect() {
        let account = Value::unnamed_composite([Value::from_bytes([1u8; 32])]);
        let fields = Composite::named([
            ("who".to_string(), account),
            ("amount".to_string(), Value::u128(u128::MAX)),
            ("small".to_string(), Value::u128(7)),
            ("negative".to_string(), Value::i128(-3)),
            ("some".to_string(), Value::unnamed_variant("Some", [Value::u128(1)])),
            ("none".to_string(), Value::unnamed_variant("None", [])),
            ("unit".to_string(), Value::unnamed_variant("Staked", [])),
            ("empty".to_string(), Value::unnamed_composite([])),
        ]);
        let json = composite_to_json(&fields);
        let event = Event { pallet: "P".into(), name: "N".into(), fields: json.clone(), topics: Vec::new() };
        assert_eq!(event.account("who"), Some([1u8; 32].into()));
        assert_eq!(event.number("amount"), Some(u128::MAX));
        assert_eq!(event.number("small"), Some(7));
        assert_eq!(json["negative"], -3);
        assert_eq!(
            (&json["some"], &json["none"], &json["unit"]),
            (&1.into(), &serde_json::Value::Null, &"Staked".into())
        );
        assert_eq!(json["empty"], serde_json::json!([]));
    }

    #[test]
    fn a_field_of_the_wrong_kind_is_none() {
        let event = Event {
            pallet: "P".into(),
            name: "N".into(),
            fields: serde_json::json!({"a": "0x12", "b": true}),
            topics: Vec::new(),
        };
        assert_eq!((event.account("a"), event.account("x"), event.number("b")), (None, None, None));
        assert_eq!(event.bytes("a"), Some(vec![0x12]));
    }

    #[test]
    fn byte_fields_of_every_length_are_read() {
        for length in [0usize, 1, 2, 32, 300] {
            let data: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let fields = Composite::named([("data".to_string(), Value::from_bytes(&data))]);
            let event =
                Event { pallet: "P".into(), name: "N".into(), fields: composite_to_json(&fields), topics: Vec::new() };
            assert_eq!(event.bytes("data"), Some(data));
        }
    }
}
