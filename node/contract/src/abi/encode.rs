// SPDX-License-Identifier: Apache-2.0

use codec::{Compact, Encode};
use serde_json::{Map, Value};

use super::{
    types::{Array, Def, Field, Fields, Inner, Types, Variants},
    AbiError, Addresses,
};

type Done = Result<(), AbiError>;

/// From JSON to SCALE.
pub(super) struct Encoder<'a> {
    pub types: &'a Types,
    pub addresses: &'a dyn Addresses,
}

fn wrong(path: &str, reason: impl Into<String>) -> AbiError {
    AbiError::Value { path: path.into(), reason: reason.into() }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "true or false".into(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {:?}", text.chars().take(40).collect::<String>()),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(_) => "an object".into(),
    }
}

impl Encoder<'_> {
    /// Appends a value of type `id`. `path` says where it is.
    pub fn value(&self, id: u32, value: &Value, path: &str, depth: usize, out: &mut Vec<u8>) -> Done {
        let Some(ty) = self.types.get(id) else {
            return Err(AbiError::Metadata(format!("there is no type {id}")));
        };
        let Some(depth) = depth.checked_sub(1) else {
            return Err(wrong(path, "its type is nested too deeply"));
        };
        if self.types.is_account(id) {
            return self.account(value, path, out);
        }
        if let Some(some) = self.types.option(id) {
            return self.option(some, value, path, depth, out);
        }
        match &ty.def {
            Def::Primitive(name) => primitive(name, value, path, out),
            Def::Composite(Fields { fields }) => self.fields(fields, value, path, depth, out),
            Def::Variant(variants) => self.variant(variants, value, path, depth, out),
            Def::Sequence(Inner { ty }) => {
                if self.types.is_bytes(*ty) {
                    if let Some(bytes) = hex_bytes(value, path)? {
                        bytes.encode_to(out);
                        return Ok(());
                    }
                }
                let list = list(value, path)?;
                let length = u32::try_from(list.len()).map_err(|_| wrong(path, "it is too long"))?;
                Compact(length).encode_to(out);
                self.list(list.iter().map(|item| (*ty, item)), path, depth, out)
            },
            Def::Array(Array { len, ty }) => {
                if self.types.is_bytes(*ty) {
                    if let Some(bytes) = hex_bytes(value, path)? {
                        if bytes.len() != *len as usize {
                            return Err(wrong(path, format!("it has {} bytes, and {len} are wanted", bytes.len())));
                        }
                        out.extend(bytes);
                        return Ok(());
                    }
                }
                let list = exactly(list(value, path)?, *len as usize, path)?;
                self.list(list.iter().map(|item| (*ty, item)), path, depth, out)
            },
            Def::Tuple(types) if types.is_empty() => match value {
                Value::Null => Ok(()),
                Value::Array(list) if list.is_empty() => Ok(()),
                _ => Err(wrong(path, format!("null is wanted, not {}", kind(value)))),
            },
            Def::Tuple(types) => {
                let list = exactly(list(value, path)?, types.len(), path)?;
                self.list(types.iter().copied().zip(list), path, depth, out)
            },
            Def::Compact(Inner { ty }) => match self.types.get(*ty).map(|ty| &ty.def) {
                Some(Def::Primitive(name)) if name.starts_with('u') => {
                    let bits = bits(name).ok_or_else(|| AbiError::Metadata(format!("unknown type {name}")))?;
                    Compact(unsigned(value, bits, path)?).encode_to(out);
                    Ok(())
                },
                _ => Err(wrong(path, "compact values other than numbers are not supported: use --data")),
            },
            Def::BitSequence(_) => Err(wrong(path, "bit sequences are not supported: use --data")),
        }
    }

    fn account(&self, value: &Value, path: &str, out: &mut Vec<u8>) -> Done {
        let text = value.as_str().ok_or_else(|| wrong(path, format!("an address is wanted, not {}", kind(value))))?;
        let bytes = match text.strip_prefix("0x") {
            Some(digits) => hex::decode(digits).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()),
            None => self.addresses.parse(text),
        };
        out.extend(bytes.ok_or_else(|| wrong(path, format!("{} is no address", kind(value))))?);
        Ok(())
    }

    fn option(&self, some: u32, value: &Value, path: &str, depth: usize, out: &mut Vec<u8>) -> Done {
        if value.is_null() || value == "None" {
            out.push(0);
            return Ok(());
        }
        out.push(1);
        // Where options are nested, null can't tell which of them it is.
        let inner = value.as_object().filter(|object| object.len() == 1).and_then(|object| object.get("Some"));
        self.value(some, inner.unwrap_or(value), path, depth, out)
    }

    fn list<'v>(
        &self,
        items: impl Iterator<Item = (u32, &'v Value)>,
        path: &str,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Done {
        for (index, (ty, item)) in items.enumerate() {
            self.value(ty, item, &format!("{path}[{index}]"), depth, out)?;
        }
        Ok(())
    }

    fn fields(&self, fields: &[Field], value: &Value, path: &str, depth: usize, out: &mut Vec<u8>) -> Done {
        match fields {
            [] => Ok(()),
            [Field { name: None, ty }] => self.value(*ty, value, path, depth, out),
            [Field { name: Some(_), .. }, ..] => {
                let object = value.as_object().ok_or_else(|| {
                    let names: Vec<&str> = fields.iter().filter_map(|field| field.name.as_deref()).collect();
                    wrong(path, format!("an object with {} is wanted, not {}", names.join(", "), kind(value)))
                })?;
                self.named(fields, object, path, depth, out)
            },
            _ => {
                let list = exactly(list(value, path)?, fields.len(), path)?;
                self.list(fields.iter().map(|field| field.ty).zip(list), path, depth, out)
            },
        }
    }

    fn named(
        &self,
        fields: &[Field],
        object: &Map<String, Value>,
        path: &str,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Done {
        if let Some(name) = object.keys().find(|name| !fields.iter().any(|field| field.name.as_ref() == Some(*name))) {
            return Err(wrong(path, format!("it has no field `{name}`")));
        }
        for field in fields {
            let name = field.name.as_deref().unwrap_or_default();
            let absent = self.types.is_option(field.ty).then_some(&Value::Null);
            let value =
                object.get(name).or(absent).ok_or_else(|| wrong(path, format!("the field `{name}` is missing")))?;
            self.value(field.ty, value, &format!("{path}.{name}"), depth, out)?;
        }
        Ok(())
    }

    fn variant(
        &self,
        Variants { variants }: &Variants,
        value: &Value,
        path: &str,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Done {
        let none = Value::Null;
        let (name, inner) = match value {
            Value::String(name) => (name, &none),
            Value::Object(object) if object.len() == 1 => {
                object.iter().next().ok_or_else(|| wrong(path, "it is empty"))?
            },
            _ => return Err(wrong(path, format!("\"Name\" or {{\"Name\": …}} is wanted, not {}", kind(value)))),
        };
        let variant = variants.iter().find(|variant| variant.name == *name).ok_or_else(|| {
            let known: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
            wrong(path, format!("there is no `{name}`: there are {}", known.join(", ")))
        })?;
        out.push(variant.index);
        self.fields(&variant.fields, inner, &format!("{path}.{name}"), depth, out)
    }
}

fn list<'v>(value: &'v Value, path: &str) -> Result<&'v [Value], AbiError> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| wrong(path, format!("a list is wanted, not {}", kind(value))))
}

fn exactly<'v>(list: &'v [Value], length: usize, path: &str) -> Result<&'v [Value], AbiError> {
    if list.len() == length {
        Ok(list)
    } else {
        Err(wrong(path, format!("it has {} entries, and {length} are wanted", list.len())))
    }
}

/// Bytes written as text; `None` if it is no text.
fn hex_bytes(value: &Value, path: &str) -> Result<Option<Vec<u8>>, AbiError> {
    let Some(text) = value.as_str() else { return Ok(None) };
    let digits = text.strip_prefix("0x").ok_or_else(|| wrong(path, "bytes are written in hex, beginning with 0x"))?;
    hex::decode(digits).map(Some).map_err(|error| wrong(path, format!("these bytes are not hex: {error}")))
}

fn bits(name: &str) -> Option<u32> {
    name.get(1..)?.parse().ok().filter(|bits| matches!(bits, 8 | 16 | 32 | 64 | 128))
}

fn digits(value: &Value, path: &str) -> Result<String, AbiError> {
    match value {
        Value::Number(number) if number.is_u64() || number.is_i64() => Ok(number.to_string()),
        Value::String(text) => Ok(text.replace('_', "")),
        _ => Err(wrong(path, format!("a whole number is wanted, not {}", kind(value)))),
    }
}

fn unsigned(value: &Value, bits: u32, path: &str) -> Result<u128, AbiError> {
    let most = if bits >= 128 { u128::MAX } else { (1u128 << bits) - 1 };
    let number = digits(value, path)?.parse::<u128>().ok().filter(|number| *number <= most);
    number.ok_or_else(|| wrong(path, format!("a whole number from 0 to {most} is wanted, not {}", kind(value))))
}

fn signed(value: &Value, bits: u32, path: &str) -> Result<i128, AbiError> {
    let most = i128::MAX >> 128u32.saturating_sub(bits);
    let number = digits(value, path)?.parse::<i128>().ok().filter(|number| (-most - 1..=most).contains(number));
    number.ok_or_else(|| wrong(path, format!("a whole number of {bits} bits is wanted, not {}", kind(value))))
}

fn primitive(name: &str, value: &Value, path: &str, out: &mut Vec<u8>) -> Done {
    match name {
        "bool" => {
            let flag =
                value.as_bool().ok_or_else(|| wrong(path, format!("true or false is wanted, not {}", kind(value))))?;
            out.push(flag.into());
        },
        "str" => {
            let text = value.as_str().ok_or_else(|| wrong(path, format!("text is wanted, not {}", kind(value))))?;
            text.encode_to(out);
        },
        _ => {
            let bits = bits(name).ok_or_else(|| wrong(path, format!("{name} is not supported: use --data")))?;
            let bytes = if name.starts_with('u') {
                unsigned(value, bits, path)?.to_le_bytes()
            } else {
                signed(value, bits, path)?.to_le_bytes()
            };
            out.extend(bytes.iter().take((bits / 8) as usize));
        },
    }
    Ok(())
}
