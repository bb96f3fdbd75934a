// SPDX-License-Identifier: Apache-2.0

//! Values against schemas.
//!
//! # Correctness
//! A check takes at most [`CHECK_STEPS_MAX`] steps, whatever the schema and the value: past that the value is refused. Patterns
//! run in time linear in the text.

use serde_json::Value;

use super::{
    schema::{Additional, Schema, SchemaId, Schemas, Types},
    CHECK_STEPS_MAX, DEPTH_MAX,
};

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct Violation {
    /// Where: `query parameter limit`, `body/items/3`.
    pub at: String,
    /// What is wrong.
    pub reason: String,
}

impl Violation {
    pub(crate) fn new(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { at: at.into(), reason: reason.into() }
    }
}

/// Checks a value; `at` names it in the error.
///
/// # Errors
/// The first violation that is found.
pub fn check_json(schemas: &Schemas, schema: SchemaId, value: &Value, at: &str) -> Result<(), Violation> {
    let mut check = Check { schemas, steps: 0 };
    let mut path = Vec::new();
    check.value(schema, value, &mut path, 0).map_err(|reason| {
        let mut whole = at.to_string();
        for part in path {
            whole.push('/');
            whole.push_str(&part);
        }
        Violation::new(whole.chars().take(200).collect::<String>(), reason)
    })
}

struct Check<'s> {
    schemas: &'s Schemas,
    steps: u32,
}

type Path = Vec<String>;

impl Check<'_> {
    fn step(&mut self, count: usize) -> Result<(), String> {
        self.steps = self.steps.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        if self.steps > CHECK_STEPS_MAX {
            return Err("it is too big to be checked".into());
        }
        Ok(())
    }

    fn value(&mut self, id: SchemaId, value: &Value, path: &mut Path, depth: usize) -> Result<(), String> {
        self.step(1)?;
        // A schema may hold itself without a step down the value.
        if depth > 4 * DEPTH_MAX {
            return Err("it nests too deeply to be checked".into());
        }
        let schema = self.schemas.get(id);
        if schema.never {
            return Err("nothing is allowed here".into());
        }
        check_type(schema.types, value)?;
        if let Some(values) = &schema.values {
            self.step(values.len())?;
            if !values.iter().any(|allowed| same(allowed, value)) {
                return Err("it is none of the values allowed".into());
            }
        }
        match value {
            Value::Number(number) => check_number(schema, number.as_f64().unwrap_or(f64::NAN))?,
            Value::String(text) => {
                self.step(text.len() / 64)?;
                check_text(schema, text)?;
            },
            Value::Array(items) => self.items(schema, items, path, depth)?,
            Value::Object(map) => self.properties(schema, map, path, depth)?,
            Value::Null | Value::Bool(_) => {},
        }
        for part in &schema.all_of {
            self.value(*part, value, path, depth + 1)?;
        }
        if !schema.any_of.is_empty() && self.fitting(&schema.any_of, value, 1, depth)? == 0 {
            return Err("it fits none of the forms allowed".into());
        }
        if !schema.one_of.is_empty() && self.fitting(&schema.one_of, value, 2, depth)? != 1 {
            return Err("it must fit exactly one of the forms allowed".into());
        }
        if let Some(not) = schema.not {
            if self.fitting(&[not], value, 1, depth)? > 0 {
                return Err("it has a form that is not allowed".into());
            }
        }
        Ok(())
    }

    /// How many of the schemas a value fits; counts no further than `enough`.
    fn fitting(&mut self, schemas: &[SchemaId], value: &Value, enough: usize, depth: usize) -> Result<usize, String> {
        let mut count = 0;
        for schema in schemas {
            let fits = self.value(*schema, value, &mut Vec::new(), depth + 1).is_ok();
            // A check that ran out of steps says nothing of the value.
            self.step(0)?;
            if fits {
                count += 1;
                if count == enough {
                    break;
                }
            }
        }
        Ok(count)
    }

    fn items(&mut self, schema: &Schema, items: &[Value], path: &mut Path, depth: usize) -> Result<(), String> {
        check_count(items.len(), schema.item_count, "items")?;
        if schema.unique {
            self.step(items.len().saturating_mul(items.len()) / 8)?;
            if items.iter().enumerate().any(|(index, item)| items[..index].iter().any(|other| same(other, item))) {
                return Err("its items must differ from each other".into());
            }
        }
        if let Some(of) = schema.items {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                self.value(of, item, path, depth + 1)?;
                path.pop();
            }
        }
        Ok(())
    }

    fn properties(
        &mut self,
        schema: &Schema,
        map: &serde_json::Map<String, Value>,
        path: &mut Path,
        depth: usize,
    ) -> Result<(), String> {
        check_count(map.len(), schema.property_count, "properties")?;
        self.step(schema.required.len())?;
        if let Some(missing) = schema.required.iter().find(|name| !map.contains_key(*name)) {
            return Err(format!("`{missing}` is missing"));
        }
        for (name, value) in map {
            let of = match (schema.properties.get(name), schema.additional) {
                (Some(id), _) => *id,
                (None, Additional::Of(id)) => id,
                (None, Additional::Any) => continue,
                (None, Additional::None) => {
                    return Err(format!("`{}` is not expected", name.chars().take(64).collect::<String>()))
                },
            };
            path.push(name.chars().take(64).collect());
            self.value(of, value, path, depth + 1)?;
            path.pop();
        }
        Ok(())
    }
}

/// JSON has one kind of number: 1 and 1.0 are the same.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        _ => a == b,
    }
}

fn check_type(types: Types, value: &Value) -> Result<(), String> {
    let fits = match value {
        Value::Null => Types::NULL,
        Value::Bool(_) => Types::BOOLEAN,
        Value::Number(_) if types.has(Types::NUMBER) => Types::NUMBER,
        Value::Number(number) if number.is_f64() && number.as_f64().is_some_and(|float| float.fract() != 0.0) => {
            Types::NUMBER
        },
        Value::Number(_) => Types::INTEGER,
        Value::String(_) => Types::STRING,
        Value::Array(_) => Types::ARRAY,
        Value::Object(_) => Types::OBJECT,
    };
    if types.any() || types.has(fits) {
        return Ok(());
    }
    const NAMES: [(Types, &str); 7] = [
        (Types::NULL, "null"),
        (Types::BOOLEAN, "boolean"),
        (Types::INTEGER, "integer"),
        (Types::NUMBER, "number"),
        (Types::STRING, "string"),
        (Types::ARRAY, "array"),
        (Types::OBJECT, "object"),
    ];
    let names: Vec<_> = NAMES.iter().filter(|(one, _)| types.has(*one)).map(|(_, name)| *name).collect();
    Err(format!("it must be of the type {}", names.join(" or ")))
}

fn check_number(schema: &Schema, number: f64) -> Result<(), String> {
    if let Some((least, exclusive)) = schema.minimum {
        if number < least || (exclusive && number == least) {
            return Err(format!("it must be {} {least}", if exclusive { "more than" } else { "at least" }));
        }
    }
    if let Some((most, exclusive)) = schema.maximum {
        if number > most || (exclusive && number == most) {
            return Err(format!("it must be {} {most}", if exclusive { "less than" } else { "at most" }));
        }
    }
    if let Some(step) = schema.multiple_of {
        let quotient = number / step;
        if (quotient - quotient.round()).abs() > 1e-9 * quotient.abs().max(1.0) {
            return Err(format!("it must be a multiple of {step}"));
        }
    }
    Ok(())
}

fn check_text(schema: &Schema, text: &str) -> Result<(), String> {
    if schema.length != (None, None) {
        check_count(text.chars().count(), schema.length, "characters")?;
    }
    match &schema.pattern {
        Some(pattern) if !pattern.is_match(text) => Err(format!("it must match {}", pattern.as_str())),
        _ => Ok(()),
    }
}

fn check_count(count: usize, (least, most): (Option<u64>, Option<u64>), what: &str) -> Result<(), String> {
    let count = count as u64;
    if least.is_some_and(|least| count < least) {
        return Err(format!("it must have at least {} {what}", least.unwrap_or_default()));
    }
    if most.is_some_and(|most| count > most) {
        return Err(format!("it must have at most {} {what}", most.unwrap_or_default()));
    }
    Ok(())
}
