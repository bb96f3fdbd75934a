// SPDX-License-Identifier: Apache-2.0

//! Values against schemas.
//!
//! # Correctness
//! A check takes no more steps than its [`Effort`] allows, whatever the schema and the value: past that nothing is known of the
//! value, and the violation says so. A step is some 40 ns of one core; what costs more (patterns, long texts, big `enum`s) takes
//! as many steps as it may take time. It goes no deeper than [`NESTING_MAX`].

use std::hash::{BuildHasher as _, Hash as _, Hasher, RandomState};

use serde_json::Value;

use super::{
    schema::{Additional, Rare, Schema, SchemaId, Schemas, Types},
    Direction, Effort, DEPTH_MAX,
};

/// How deep a check goes: a schema may hold itself without a step down the value.
const NESTING_MAX: usize = 4 * DEPTH_MAX;
/// Bytes of a text that one step reads.
const TEXT_PER_STEP: usize = 64;
/// Characters of a name that an error shows.
const NAME_SHOWN: usize = 64;

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct Violation {
    /// Where: `query parameter limit`, `body/items/3`.
    pub at: String,
    /// What is wrong.
    pub reason: String,
    /// Nothing is wrong as far as it was checked; checking the rest would take too long.
    pub unchecked: bool,
}

impl Violation {
    pub(crate) fn new(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { at: at.into(), reason: reason.into(), unchecked: false }
    }
}

/// Checks a value; `at` names it in the error.
///
/// # Errors
/// The first violation that is found.
pub fn check_json(
    schemas: &Schemas,
    schema: SchemaId,
    value: &Value,
    at: &str,
    direction: Direction,
    effort: Effort,
) -> Result<(), Violation> {
    let mut check = Check { schemas, left: effort.steps(), spent: false, direction };
    let mut path = Vec::new();
    check.value(schema, value, &mut path, 0).map_err(|reason| {
        let mut whole = at.to_string();
        for part in path {
            whole.push('/');
            match part {
                Part::Index(index) => whole.push_str(&index.to_string()),
                Part::Name(name) => whole.extend(name.chars().take(NAME_SHOWN)),
            }
        }
        let at = whole.chars().take(200).collect();
        Violation { at, reason, unchecked: check.spent }
    })
}

struct Check<'s> {
    schemas: &'s Schemas,
    left: usize,
    /// The steps were not enough, or the depth.
    spent: bool,
    direction: Direction,
}

#[derive(Clone, Copy)]
enum Part<'v> {
    Index(usize),
    Name(&'v str),
}

type Path<'v> = Vec<Part<'v>>;
type Map = serde_json::Map<String, Value>;

impl Check<'_> {
    fn step(&mut self, count: usize) -> Result<(), String> {
        match self.left.checked_sub(count) {
            Some(left) => self.left = left,
            None => {
                (self.left, self.spent) = (0, true);
                return Err("it is too big to be checked".into());
            },
        }
        Ok(())
    }

    fn value<'v>(&mut self, id: SchemaId, value: &'v Value, path: &mut Path<'v>, depth: usize) -> Result<(), String> {
        self.step(1)?;
        if depth > NESTING_MAX {
            self.spent = true;
            return Err("it nests too deeply to be checked".into());
        }
        let schemas = self.schemas;
        let schema = schemas.get(id);
        if schema.never {
            return Err("nothing is allowed here".into());
        }
        check_type(schema.types, value)?;
        if let Some(values) = &schema.values {
            self.step(values.steps)?;
            if !values.list.iter().any(|allowed| same(allowed, value)) {
                return Err("it is none of the values allowed".into());
            }
        }
        match value {
            Value::Number(number) => check_number(schema, number.as_f64().unwrap_or(f64::NAN))?,
            Value::String(text) => self.text(schema, text)?,
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
        match &schema.rare {
            Some(rare) => self.conditions(rare, value, path, depth),
            None => Ok(()),
        }
    }

    fn conditions<'v>(
        &mut self,
        rare: &Rare,
        value: &'v Value,
        path: &mut Path<'v>,
        depth: usize,
    ) -> Result<(), String> {
        if let Some(not) = rare.not {
            if self.fitting(&[not], value, 1, depth)? > 0 {
                return Err("it has a form that is not allowed".into());
            }
        }
        for (name, of) in &rare.dependent_schemas {
            self.step(1)?;
            if value.get(name).is_some() {
                self.value(*of, value, path, depth + 1)?;
            }
        }
        if let Some(condition) = rare.condition {
            let holds = self.fitting(&[condition], value, 1, depth)? > 0;
            if let Some(then) = if holds { rare.then } else { rare.otherwise } {
                self.value(then, value, path, depth + 1)?;
            }
        }
        Ok(())
    }

    /// How many of the schemas a value fits; counts no further than `enough`.
    fn fitting(&mut self, schemas: &[SchemaId], value: &Value, enough: usize, depth: usize) -> Result<usize, String> {
        let mut count = 0;
        for schema in schemas {
            let fits = self.value(*schema, value, &mut Vec::new(), depth + 1);
            // A check that could not be ended says nothing of the value.
            if self.spent {
                return Err(fits.err().unwrap_or_else(|| "it is too big to be checked".into()));
            }
            if fits.is_ok() {
                count += 1;
                if count == enough {
                    break;
                }
            }
        }
        Ok(count)
    }

    fn text(&mut self, schema: &Schema, text: &str) -> Result<(), String> {
        if schema.length != (None, None) {
            self.step(text.len() / TEXT_PER_STEP)?;
            check_count(text.chars().count(), schema.length, "characters")?;
        }
        match &schema.pattern {
            Some(pattern) => {
                self.step(pattern.cost(text.len()))?;
                if !pattern.is_match(text) {
                    return Err(format!("it must match {}", pattern.shown()));
                }
                Ok(())
            },
            None => Ok(()),
        }
    }

    fn items<'v>(
        &mut self,
        schema: &Schema,
        items: &'v [Value],
        path: &mut Path<'v>,
        depth: usize,
    ) -> Result<(), String> {
        check_count(items.len(), schema.item_count, "items")?;
        if schema.unique {
            self.check_unique(items)?;
        }
        let rare = schema.rare.as_deref();
        let prefix = rare.map_or(&[][..], |rare| &rare.prefix_items);
        for (index, item) in items.iter().enumerate() {
            let Some(of) = prefix.get(index).copied().or(schema.items) else { break };
            path.push(Part::Index(index));
            self.value(of, item, path, depth + 1)?;
            path.pop();
        }
        if let Some((of, least, most)) = rare.and_then(|rare| rare.contains) {
            let mut count = 0;
            for item in items {
                count += self.fitting(&[of], item, 1, depth)? as u64;
            }
            if count < least || most.is_some_and(|most| count > most) {
                return Err("it has too few or too many items of the form that it must have".into());
            }
        }
        Ok(())
    }

    fn check_unique(&mut self, items: &[Value]) -> Result<(), String> {
        let (random, mut seen) = (RandomState::new(), std::collections::HashSet::new());
        for item in items {
            let mut hasher = random.build_hasher();
            let size = digest(item, &mut hasher);
            self.step(size)?;
            if !seen.insert(hasher.finish()) {
                return Err("its items must differ from each other".into());
            }
        }
        Ok(())
    }

    fn properties<'v>(
        &mut self,
        schema: &Schema,
        map: &'v Map,
        path: &mut Path<'v>,
        depth: usize,
    ) -> Result<(), String> {
        check_count(map.len(), schema.property_count, "properties")?;
        self.step(schema.required.len())?;
        for name in &schema.required {
            if !map.contains_key(name) && !self.is_left_out(schema, name) {
                return Err(format!("`{}` is missing", shown(name)));
            }
        }
        let rare = schema.rare.as_deref();
        let by_pattern = rare.map_or(&[][..], |rare| &rare.pattern_properties);
        if schema.properties.is_empty() && schema.additional == Additional::Any && by_pattern.is_empty() {
            self.step(1)?;
        } else {
            for (name, value) in map {
                self.step(1 + name.len() / TEXT_PER_STEP)?;
                path.push(Part::Name(name));
                let mut known = false;
                if let Some(id) = schema.properties.get(name) {
                    known = true;
                    self.value(*id, value, path, depth + 1)?;
                }
                for (pattern, id) in by_pattern {
                    self.step(pattern.cost(name.len()))?;
                    if pattern.is_match(name) {
                        known = true;
                        self.value(*id, value, path, depth + 1)?;
                    }
                }
                match schema.additional {
                    Additional::Of(id) if !known => self.value(id, value, path, depth + 1)?,
                    Additional::None if !known => {
                        path.pop();
                        return Err(format!("`{}` is not expected", shown(name)));
                    },
                    _ => {},
                }
                path.pop();
            }
        }
        match rare {
            Some(rare) => self.dependent(rare, map, depth),
            None => Ok(()),
        }
    }

    fn dependent(&mut self, rare: &Rare, map: &Map, depth: usize) -> Result<(), String> {
        if let Some(of) = rare.property_names {
            for name in map.keys() {
                let name = Value::String(name.clone());
                self.step(1)?;
                if self.fitting(&[of], &name, 1, depth)? == 0 {
                    return Err("the name of a property is not one of those allowed".into());
                }
            }
        }
        for (name, others) in &rare.dependent_required {
            self.step(1 + others.len())?;
            if !map.contains_key(name) {
                continue;
            }
            if let Some(missing) = others.iter().find(|other| !map.contains_key(*other)) {
                return Err(format!("`{}` is missing beside `{}`", shown(missing), shown(name)));
            }
        }
        Ok(())
    }

    /// Whether a property that is required need not be there: a request has none that are `readOnly`, an answer none that are
    /// `writeOnly`.
    fn is_left_out(&self, schema: &Schema, name: &str) -> bool {
        let Some(id) = schema.properties.get(name) else { return false };
        let of = self.schemas.get(*id);
        match self.direction {
            Direction::Request => of.read_only,
            Direction::Response => of.write_only,
        }
    }
}

fn shown(name: &str) -> String {
    name.chars().take(NAME_SHOWN).collect()
}

/// JSON has one kind of number: 1 and 1.0 are the same.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(name, x)| y.get(name).is_some_and(|y| same(x, y)))
        },
        _ => a == b,
    }
}

/// Steps that reading a value takes.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len() / TEXT_PER_STEP,
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => {
            1 + map.iter().map(|(name, value)| 1 + name.len() / TEXT_PER_STEP + size(value)).sum::<usize>()
        },
        _ => 1,
    }
}

/// Hashes a value so that equal ones have equal hashes; answers the steps that this took.
fn digest(value: &Value, hasher: &mut impl Hasher) -> usize {
    match value {
        Value::Null => hasher.write_u8(0),
        Value::Bool(flag) => (1u8, flag).hash(hasher),
        Value::Number(number) => (2u8, number.as_f64().unwrap_or(f64::NAN).to_bits()).hash(hasher),
        Value::String(text) => (3u8, text).hash(hasher),
        Value::Array(items) => {
            (4u8, items.len()).hash(hasher);
            return 1 + items.iter().map(|item| digest(item, hasher)).sum::<usize>();
        },
        Value::Object(map) => {
            (5u8, map.len()).hash(hasher);
            // In the order of the names, whatever the order of the map.
            let mut names: Vec<&String> = map.keys().collect();
            names.sort_unstable();
            let mut steps = 1;
            for name in names {
                name.hash(hasher);
                steps += 1 + name.len() / TEXT_PER_STEP + map.get(name).map_or(0, |value| digest(value, hasher));
            }
            return steps;
        },
    }
    size(value)
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
    if let Some(step) = schema.rare.as_ref().and_then(|rare| rare.multiple_of) {
        let quotient = number / step;
        if (quotient - quotient.round()).abs() > 1e-9 * quotient.abs().max(1.0) {
            return Err(format!("it must be a multiple of {step}"));
        }
    }
    Ok(())
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
