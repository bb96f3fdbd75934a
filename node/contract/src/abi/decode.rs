// SPDX-License-Identifier: Apache-2.0

use std::cell::Cell;

use codec::{Compact, Decode};
use serde_json::{Map, Value};

use super::{
    types::{Array, Def, Field, Fields, Inner, Types, Variants},
    AbiError, Addresses, DEPTH_MAX,
};

/// Values in one answer: types without bytes could be repeated without end.
const VALUES_MAX: usize = 256 * 1024;

/// From SCALE to JSON.
pub(super) struct Decoder<'a> {
    types: &'a Types,
    addresses: &'a dyn Addresses,
    /// Values that may still come.
    left: Cell<usize>,
}

fn bad(reason: impl Into<String>) -> AbiError {
    AbiError::Answer(reason.into())
}

fn take<'i>(input: &mut &'i [u8], length: usize) -> Result<&'i [u8], AbiError> {
    let (taken, rest) = input.split_at_checked(length).ok_or_else(|| bad("it ends early"))?;
    *input = rest;
    Ok(taken)
}

impl<'a> Decoder<'a> {
    pub fn new(types: &'a Types, addresses: &'a dyn Addresses) -> Self {
        Self { types, addresses, left: Cell::new(VALUES_MAX) }
    }

    /// Reads a value that takes all of the bytes.
    pub fn whole(&self, id: u32, mut input: &[u8]) -> Result<Value, AbiError> {
        let value = self.value(id, &mut input, DEPTH_MAX)?;
        if input.is_empty() {
            Ok(value)
        } else {
            Err(bad(format!("{} bytes too many", input.len())))
        }
    }

    /// Reads a value of type `id`.
    pub fn value(&self, id: u32, input: &mut &[u8], depth: usize) -> Result<Value, AbiError> {
        let ty = self.types.get(id).ok_or_else(|| bad(format!("there is no type {id}")))?;
        let depth = depth.checked_sub(1).ok_or_else(|| bad("types are nested too deeply"))?;
        self.left.set(self.left.get().checked_sub(1).ok_or_else(|| bad("it has too many values"))?);
        if self.types.is_account(id) {
            let account: [u8; 32] = take(input, 32)?.try_into().map_err(|_| bad("no account"))?;
            return Ok(self.addresses.format(&account).into());
        }
        if let Some(some) = self.types.option(id) {
            return match take(input, 1)? {
                [0] => Ok(Value::Null),
                [1] => {
                    let value = self.value(some, input, depth)?;
                    Ok(if self.types.is_option(some) { object("Some", value) } else { value })
                },
                _ => Err(bad("an option is neither")),
            };
        }
        match &ty.def {
            Def::Primitive(name) => primitive(name, input),
            Def::Composite(Fields { fields }) => self.fields(fields, input, depth),
            Def::Variant(Variants { variants }) => {
                let index = take(input, 1)?.first().copied().unwrap_or_default();
                let variant = variants
                    .iter()
                    .find(|variant| variant.index == index)
                    .ok_or_else(|| bad(format!("there is no variant {index}")))?;
                if variant.fields.is_empty() {
                    return Ok(variant.name.clone().into());
                }
                Ok(object(&variant.name, self.fields(&variant.fields, input, depth)?))
            },
            Def::Sequence(Inner { ty }) => {
                let length = Compact::<u32>::decode(input).map_err(|_| bad("a list has no length"))?.0 as usize;
                self.list(*ty, length, input, depth)
            },
            Def::Array(Array { len, ty }) => self.list(*ty, *len as usize, input, depth),
            Def::Tuple(types) if types.is_empty() => Ok(Value::Null),
            Def::Tuple(types) => {
                types.iter().map(|ty| self.value(*ty, input, depth)).collect::<Result<Vec<_>, _>>().map(Value::Array)
            },
            Def::Compact(_) => {
                let number = Compact::<u128>::decode(input).map_err(|_| bad("a number is cut"))?.0;
                Ok(number.to_string().into())
            },
            Def::BitSequence(_) => Err(bad("bit sequences are not supported")),
        }
    }

    fn list(&self, ty: u32, length: usize, input: &mut &[u8], depth: usize) -> Result<Value, AbiError> {
        if self.types.is_bytes(ty) {
            return Ok(format!("0x{}", hex::encode(take(input, length)?)).into());
        }
        (0..length).map(|_| self.value(ty, input, depth)).collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    fn fields(&self, fields: &[Field], input: &mut &[u8], depth: usize) -> Result<Value, AbiError> {
        match fields {
            [] => Ok(Value::Null),
            [Field { name: None, ty }] => self.value(*ty, input, depth),
            [Field { name: Some(_), .. }, ..] => {
                let mut object = Map::new();
                for field in fields {
                    let name = field.name.clone().unwrap_or_default();
                    object.insert(name, self.value(field.ty, input, depth)?);
                }
                Ok(object.into())
            },
            _ => fields
                .iter()
                .map(|field| self.value(field.ty, input, depth))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::Array),
        }
    }
}

fn object(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_string(), value)]))
}

fn number<const BYTES: usize>(input: &mut &[u8]) -> Result<[u8; BYTES], AbiError> {
    take(input, BYTES)?.try_into().map_err(|_| bad("a number is cut"))
}

fn primitive(name: &str, input: &mut &[u8]) -> Result<Value, AbiError> {
    Ok(match name {
        "bool" => match take(input, 1)? {
            [0] => false.into(),
            [1] => true.into(),
            _ => return Err(bad("a bool is neither")),
        },
        "str" => {
            let length = Compact::<u32>::decode(input).map_err(|_| bad("a text has no length"))?.0;
            let bytes = take(input, length as usize)?;
            std::str::from_utf8(bytes).map_err(|_| bad("a text is not UTF-8"))?.into()
        },
        "u8" => u8::from_le_bytes(number(input)?).into(),
        "u16" => u16::from_le_bytes(number(input)?).into(),
        "u32" => u32::from_le_bytes(number(input)?).into(),
        "u64" => u64::from_le_bytes(number(input)?).to_string().into(),
        "u128" => u128::from_le_bytes(number(input)?).to_string().into(),
        "i8" => i8::from_le_bytes(number(input)?).into(),
        "i16" => i16::from_le_bytes(number(input)?).into(),
        "i32" => i32::from_le_bytes(number(input)?).into(),
        "i64" => i64::from_le_bytes(number(input)?).to_string().into(),
        "i128" => i128::from_le_bytes(number(input)?).to_string().into(),
        _ => return Err(bad(format!("{name} is not supported"))),
    })
}
