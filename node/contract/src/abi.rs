// SPDX-License-Identifier: Apache-2.0

//! What a contract can be asked, and how: JSON to bytes and back, by ink!'s metadata (version 5).
//!
//! | type | JSON in | JSON out |
//! | --- | --- | --- |
//! | integers up to 32 bits | a number, or digits in a string | a number |
//! | wider integers | the same (`_` between digits is fine) | digits in a string |
//! | accounts | an address, or `0x` and 64 hex digits | an address |
//! | bytes (`[u8; N]`, `Vec<u8>`) | `0x…`, or a list of numbers | `0x…` |
//! | structs | an object; a list where fields have no names | the same |
//! | one field without a name | what is in it | the same |
//! | `Option` | `null` or the value; `{"Some": …}` where the value is an option too | the same |
//! | enums | `"Name"` or `{"Name": …}` | the same |
//! | tuples, lists | a list | a list |
//!
//! # Correctness
//! Metadata, arguments and answers come from anywhere: depth, length and number of types are bounded, and nothing here panics.

mod decode;
mod encode;
mod types;

use serde::Deserialize;
use serde_json::{Map, Value};

use types::Types;

/// Types may be nested this deep.
const DEPTH_MAX: usize = 32;

/// How accounts are written.
pub trait Addresses {
    /// Reads an address.
    fn parse(&self, text: &str) -> Option<[u8; 32]>;
    /// Writes an address.
    fn format(&self, account: &[u8; 32]) -> String;
}

/// Why something can't be encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AbiError {
    /// The metadata is not ink!'s.
    #[error("the metadata can't be read: {0}")]
    Metadata(String),
    /// There is no such message or constructor.
    #[error("there is no `{name}`: there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A value does not fit its type.
    #[error("{path}: {reason}")]
    Value {
        /// Where: `new_api.methods[2].units`.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Bytes from the chain are not what the metadata says.
    #[error("the contract's answer is not what its metadata says ({0}): is this bundle that contract's?")]
    Answer(String),
}

/// A constructor or a message.
#[derive(Clone, Debug, Deserialize)]
pub struct Callable {
    /// Its name.
    pub label: String,
    selector: String,
    #[serde(default)]
    args: Vec<Argument>,
    #[serde(default, rename = "returnType")]
    returns: Option<TypeRef>,
    /// It takes coins.
    #[serde(default)]
    pub payable: bool,
    /// It changes something (constructors always do).
    #[serde(default)]
    pub mutates: bool,
    #[serde(default)]
    docs: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Argument {
    label: String,
    #[serde(rename = "type")]
    ty: TypeRef,
}

#[derive(Clone, Debug, Deserialize)]
struct TypeRef {
    #[serde(rename = "type")]
    id: u32,
}

#[derive(Clone, Debug, Deserialize)]
struct Event {
    label: String,
    #[serde(default)]
    args: Vec<Argument>,
    #[serde(default)]
    signature_topic: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Spec {
    #[serde(default)]
    constructors: Vec<Callable>,
    #[serde(default)]
    messages: Vec<Callable>,
    #[serde(default)]
    events: Vec<Event>,
}

/// Which kind of thing is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Makes a contract.
    Constructor,
    /// Asks something of one.
    Message,
}

/// What a contract answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// All went well; `null` if there is nothing to say.
    Done(Value),
    /// The contract refuses, with this error of its own.
    Refused(Value),
}

/// A contract's interface.
#[derive(Clone, Debug)]
pub struct Abi {
    spec: Spec,
    types: Types,
}

/// Arguments of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Args {
    /// By their names.
    Named(Map<String, Value>),
    /// In their order.
    Ordered(Vec<Value>),
}

impl Abi {
    /// Reads the metadata of a bundle.
    ///
    /// # Errors
    /// `Metadata` if it has none, or of another version than 5.
    pub fn parse(bundle: &Value) -> Result<Self, AbiError> {
        let bad = |reason: String| AbiError::Metadata(reason);
        let version = &bundle["version"];
        if version.as_u64() != Some(5) && version.as_str() != Some("5") {
            return Err(bad("it is not of version 5, which ink! 5 writes".into()));
        }
        let spec = Spec::deserialize(&bundle["spec"]).map_err(|error| bad(error.to_string()))?;
        Ok(Self { spec, types: Types::parse(&bundle["types"])? })
    }

    fn list(&self, kind: Kind) -> &[Callable] {
        match kind {
            Kind::Constructor => &self.spec.constructors,
            Kind::Message => &self.spec.messages,
        }
    }

    /// All constructors or messages.
    pub fn callables(&self, kind: Kind) -> impl Iterator<Item = &Callable> {
        self.list(kind).iter()
    }

    /// One of them.
    ///
    /// # Errors
    /// `Unknown`, with the names there are.
    pub fn callable(&self, kind: Kind, name: &str) -> Result<&Callable, AbiError> {
        self.list(kind).iter().find(|callable| callable.label == name).ok_or_else(|| AbiError::Unknown {
            name: name.into(),
            known: self.list(kind).iter().map(|callable| callable.label.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    /// How one is called, for people: `tip(text: str) -> u32`.
    pub fn signature(&self, callable: &Callable) -> String {
        let args: Vec<String> =
            callable.args.iter().map(|arg| format!("{}: {}", arg.label, self.types.name(arg.ty.id))).collect();
        let returns = callable.returns.as_ref().and_then(|ty| self.ok_type(ty.id));
        let returns = returns.map(|id| self.types.name(id)).filter(|name| name != "()");
        let returns = returns.map_or_else(String::new, |name| format!(" -> {name}"));
        format!("{}({}){returns}", callable.label, args.join(", "))
    }

    /// What the metadata says about one, in a line.
    pub fn docs(&self, callable: &Callable) -> String {
        let text = callable.docs.iter().map(|line| line.trim()).take_while(|line| !line.is_empty());
        text.collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(200).collect()
    }

    /// Whether an argument is text: then what people type is not to be read as JSON.
    pub fn takes_text(&self, callable: &Callable, argument: usize) -> bool {
        callable.args.get(argument).is_some_and(|arg| self.types.is_text(arg.ty.id))
    }

    /// The input of a call: selector and arguments.
    ///
    /// # Errors
    /// `Value` for the first argument that is missing, unknown or does not fit.
    pub fn encode(&self, callable: &Callable, args: &Args, addresses: &dyn Addresses) -> Result<Vec<u8>, AbiError> {
        let selector = callable.selector.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
        let mut out = selector
            .filter(|bytes| bytes.len() == 4)
            .ok_or_else(|| AbiError::Metadata(format!("the selector of `{}` is not 4 bytes", callable.label)))?;
        let wrong = |reason: String| AbiError::Value { path: self.signature(callable), reason };
        let values: Vec<&Value> = match args {
            Args::Ordered(values) if values.len() == callable.args.len() => values.iter().collect(),
            Args::Ordered(values) => {
                return Err(wrong(format!("{} arguments are given, it takes {}", values.len(), callable.args.len())))
            },
            Args::Named(values) => {
                if let Some(name) = values.keys().find(|name| !callable.args.iter().any(|arg| arg.label == **name)) {
                    return Err(wrong(format!("it has no argument `{name}`")));
                }
                let find = |arg: &Argument| {
                    // An option may be left out.
                    let absent = self.types.is_option(arg.ty.id).then_some(&Value::Null);
                    values
                        .get(&arg.label)
                        .or(absent)
                        .ok_or_else(|| wrong(format!("the argument `{}` is missing", arg.label)))
                };
                callable.args.iter().map(find).collect::<Result<_, _>>()?
            },
        };
        let encoder = encode::Encoder { types: &self.types, addresses };
        for (arg, value) in callable.args.iter().zip(values) {
            encoder.value(arg.ty.id, value, &arg.label, DEPTH_MAX, &mut out)?;
        }
        Ok(out)
    }

    /// What a call answered.
    ///
    /// # Errors
    /// `Answer` if the bytes don't fit the metadata.
    pub fn decode(
        &self,
        kind: Kind,
        callable: &Callable,
        data: &[u8],
        addresses: &dyn Addresses,
    ) -> Result<Answer, AbiError> {
        // A constructor that can't fail answers as one that can and did not; its metadata leaves that out.
        if kind == Kind::Constructor && matches!(data, [0] | [0, 0]) {
            return Ok(Answer::Done(Value::Null));
        }
        let Some(returns) = &callable.returns else {
            return if data.is_empty() {
                Ok(Answer::Done(Value::Null))
            } else {
                Err(AbiError::Answer("it has no answer".into()))
            };
        };
        let decoder = decode::Decoder::new(&self.types, addresses);
        let mut value = decoder.whole(returns.id, data)?;
        // First ink!'s own result, then the message's.
        let mut id = Some(returns.id);
        for _ in 0..2 {
            let Some((ok, _)) = id.and_then(|id| self.types.result(id)) else { break };
            match unwrap_result(value) {
                Ok(inner) => value = inner,
                Err(error) => return Ok(Answer::Refused(error)),
            }
            id = Some(ok);
        }
        Ok(Answer::Done(value))
    }

    fn ok_type(&self, id: u32) -> Option<u32> {
        let first = self.types.result(id).map_or(id, |(ok, _)| ok);
        Some(self.types.result(first).map_or(first, |(ok, _)| ok))
    }

    /// Reads an event: its name and fields. `None` if it is not one of this contract's.
    pub fn event(&self, topics: &[[u8; 32]], data: &[u8], addresses: &dyn Addresses) -> Option<(String, Value)> {
        let decoder = decode::Decoder::new(&self.types, addresses);
        let signed = |event: &&Event| {
            let topic = event.signature_topic.as_ref().and_then(|topic| hex::decode(topic.strip_prefix("0x")?).ok());
            topic.is_some_and(|topic| topics.first().is_some_and(|first| first[..] == topic[..]))
        };
        let event = self.spec.events.iter().find(signed)?;
        let mut input = data;
        let mut fields = Map::new();
        for arg in &event.args {
            fields.insert(arg.label.clone(), decoder.value(arg.ty.id, &mut input, DEPTH_MAX).ok()?);
        }
        input.is_empty().then(|| (event.label.clone(), fields.into()))
    }
}

fn unwrap_result(value: Value) -> Result<Value, Value> {
    match value {
        Value::Object(mut fields) => match fields.remove("Err") {
            Some(error) => Err(error),
            None => Ok(fields.remove("Ok").unwrap_or(Value::Null)),
        },
        // A variant without fields.
        Value::String(name) if name == "Err" => Err(Value::Null),
        _ => Ok(Value::Null),
    }
}

#[cfg(test)]
mod tests;
