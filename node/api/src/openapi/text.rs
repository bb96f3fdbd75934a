// SPDX-License-Identifier: Apache-2.0

//! Texts of parameters and forms, read as the values that their schemas have in mind. A text may be several values (`1` is a
//! number and a text): it is good if one of them is.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    check_json,
    parameter::{Parameter, Style},
    request::decoded,
    schema::{Schema, SchemaId, Schemas, Types},
    Direction, Effort, Violation,
};

/// Values of one parameter.
pub(super) const VALUES_MAX: usize = 256;
/// Schemas that are looked at to learn what a text may be.
const LOOKED_AT_MAX: usize = 64;

/// What a schema says of the form of its values, through all that it is combined of.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    types: Types,
    /// Some part says nothing of the type.
    any: bool,
    items: Option<SchemaId>,
    object: Option<SchemaId>,
}

impl Shape {
    fn of(schemas: &Schemas, id: SchemaId) -> Self {
        let mut shape = Self::default();
        let (mut next, mut looked) = (vec![id], 0);
        while let Some(id) = next.pop() {
            looked += 1;
            if looked > LOOKED_AT_MAX {
                break;
            }
            let schema: &Schema = schemas.get(id);
            let types = schema.types();
            shape.types = shape.types.with(types);
            shape.items = shape.items.or(schema.items());
            if types.has(Types::OBJECT) || !schema.properties.is_empty() {
                shape.object = shape.object.or(Some(id));
            }
            let before = next.len();
            next.extend(schema.parts());
            shape.any |= types.any() && next.len() == before;
        }
        shape
    }

    fn is_list(&self) -> bool {
        self.types.has(Types::ARRAY)
    }

    fn is_map(&self) -> bool {
        self.object.is_some() && !self.is_list()
    }
}

/// Where texts are checked.
pub(super) struct Texts<'s> {
    pub schemas: &'s Schemas,
    pub at: &'s str,
}

impl Texts<'_> {
    fn check(&self, id: SchemaId, value: &Value) -> Result<(), Violation> {
        check_json(self.schemas, id, value, self.at, Direction::Request, Effort::Quick)
    }

    /// Checks the raw texts of a parameter.
    pub fn parameter(&self, parameter: &Parameter, raw: &[&str], query: bool) -> Result<(), Violation> {
        let bad = || Violation::new(self.at, "it is not well escaped");
        let texts = raw.iter().map(|text| decoded(text, query)).collect::<Option<Vec<_>>>().ok_or_else(bad)?;
        let Some(id) = parameter.schema else { return Ok(()) };
        if parameter.allow_empty && texts.iter().all(|text| text.is_empty()) {
            return Ok(());
        }
        let shape = Shape::of(self.schemas, id);
        if parameter.style == Style::Json {
            return match texts.as_slice() {
                [one] => {
                    self.check(id, &serde_json::from_str(one).map_err(|_| Violation::new(self.at, "it is not JSON"))?)
                },
                _ => Err(Violation::new(self.at, "it is there more than once")),
            };
        }
        let mut first = None;
        if shape.is_list() {
            match self.list(id, &shape, parameter.style, raw, &texts, query) {
                Ok(()) => return Ok(()),
                Err(violation) => first = Some(violation),
            }
        }
        match (texts.as_slice(), first) {
            ([one], first) => {
                let only_list = shape.types == Types::ARRAY && !shape.any;
                match (first, only_list) {
                    (Some(first), true) => Err(first),
                    (first, _) => self.scalar(id, &shape, one).map_err(|other| first.unwrap_or(other)),
                }
            },
            (_, Some(first)) => Err(first),
            (_, None) => Err(Violation::new(self.at, "it is there more than once")),
        }
    }

    fn list(
        &self,
        id: SchemaId,
        shape: &Shape,
        style: Style,
        raw: &[&str],
        texts: &[Cow<'_, str>],
        query: bool,
    ) -> Result<(), Violation> {
        let read = |items: Vec<Cow<'_, str>>| {
            if items.len() > VALUES_MAX {
                return Err(Violation::new(self.at, "it has too many values"));
            }
            let items = items.iter().map(|text| self.item(shape.items, text)).collect();
            self.check(id, &Value::Array(items))
        };
        let Style::Separated(separator) = style else { return read(texts.to_vec()) };
        let (Some(raw), Some(text)) = (raw.first(), texts.first()) else { return read(Vec::new()) };
        // An encoded separator is a part of a value; some programs encode all of them.
        let parts = raw.split(separator).take(VALUES_MAX + 1).map(|part| decoded(part, query));
        match parts.collect::<Option<Vec<_>>>().map(&read) {
            Some(Ok(())) => Ok(()),
            _ => read(text.split(separator).take(VALUES_MAX + 1).map(Cow::Borrowed).collect()),
        }
    }

    fn scalar(&self, id: SchemaId, shape: &Shape, text: &str) -> Result<(), Violation> {
        let mut first = None;
        for value in candidates(shape, text) {
            match self.check(id, &value) {
                Ok(()) => return Ok(()),
                Err(violation) => first = first.or(Some(violation)),
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// A text as the value that its schema has in mind.
    fn item(&self, id: Option<SchemaId>, text: &str) -> Value {
        let Some(id) = id else { return Value::String(text.into()) };
        let mut candidates = candidates(&Shape::of(self.schemas, id), text);
        let good = candidates.iter().position(|value| self.check(id, value).is_ok());
        candidates.swap_remove(good.unwrap_or(0))
    }

    /// Checks a map whose properties are texts: those of one parameter, or a form.
    pub fn map(&self, id: SchemaId, pairs: &[(Cow<'_, str>, Cow<'_, str>)]) -> Result<(), Violation> {
        let shape = Shape::of(self.schemas, id);
        let properties = shape.object.map(|object| &self.schemas.get(object).properties);
        let mut map = Map::new();
        for (name, text) in pairs {
            let of = properties.and_then(|properties| properties.get(name.as_ref())).copied();
            let is_list = of.is_some_and(|of| Shape::of(self.schemas, of).is_list());
            let items = of.and_then(|of| Shape::of(self.schemas, of).items);
            match map.get_mut(name.as_ref()) {
                Some(Value::Array(list)) if is_list && list.len() < VALUES_MAX => list.push(self.item(items, text)),
                Some(_) => {
                    return Err(Violation::new(self.at, format!("`{name:.64}` is there too many times")));
                },
                None if is_list => {
                    map.insert(name.to_string(), Value::Array(vec![self.item(items, text)]));
                },
                None => {
                    map.insert(name.to_string(), self.item(of, text));
                },
            }
        }
        self.check(id, &Value::Object(map))
    }
}

/// Whether a parameter is a map whose properties stand in the query by themselves.
pub(super) fn is_map(schemas: &Schemas, parameter: &Parameter) -> bool {
    parameter.schema.is_some_and(|id| Shape::of(schemas, id).is_map())
}

/// Whether a map has a property of this name, or any.
pub(super) fn has_property(schemas: &Schemas, id: SchemaId, name: &str) -> bool {
    let Some(object) = Shape::of(schemas, id).object else { return false };
    let schema = schemas.get(object);
    schema.properties.contains_key(name)
        || (schema.properties.is_empty() && schema.additional != super::schema::Additional::None)
}

/// The values that a text may be, the likeliest first; never none.
fn candidates(shape: &Shape, text: &str) -> Vec<Value> {
    let has = |types: Types| shape.any || shape.types.has(types);
    let mut found = Vec::new();
    if has(Types::INTEGER) || has(Types::NUMBER) {
        found.extend(serde_json::from_str::<serde_json::Number>(text).ok().map(Value::Number));
    }
    if has(Types::BOOLEAN) {
        found.extend(matches!(text, "true" | "false").then(|| Value::Bool(text == "true")));
    }
    if found.is_empty() || has(Types::STRING) {
        found.push(Value::String(text.into()));
    }
    found
}
