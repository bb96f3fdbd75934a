// SPDX-License-Identifier: Apache-2.0

//! Schemas, compiled: references are indices, so recursion costs nothing until a value recurses.

use std::collections::{BTreeMap, HashMap};

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::DocumentError;

/// Compiled size of a pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 16;
/// References that lead to references.
const REFERENCES_MAX: usize = 16;

/// A schema of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SchemaId(u32);

/// All schemas of one document.
#[derive(Debug, Default)]
pub struct Schemas {
    list: Vec<Schema>,
}

impl Schemas {
    /// One of them.
    pub fn get(&self, id: SchemaId) -> &Schema {
        &self.list[id.0 as usize]
    }
}

/// Which of JSON's types a value may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Types(u8);

impl Types {
    /// `null`.
    pub const NULL: Self = Self(1);
    /// `true` and `false`.
    pub const BOOLEAN: Self = Self(2);
    /// Numbers without a fraction.
    pub const INTEGER: Self = Self(4);
    /// All numbers.
    pub const NUMBER: Self = Self(8);
    /// Texts.
    pub const STRING: Self = Self(16);
    /// Lists.
    pub const ARRAY: Self = Self(32);
    /// Maps.
    pub const OBJECT: Self = Self(64);

    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => return None,
        })
    }

    /// Whether nothing is said of the type.
    pub fn any(self) -> bool {
        self.0 == 0
    }

    /// Whether one of the other's types is among these.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What an object may have besides its named properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Additional {
    /// Anything.
    #[default]
    Any,
    /// Nothing.
    None,
    /// What fits a schema.
    Of(SchemaId),
}

/// What a value must be like. Lengths count characters, items or properties; `None` is no bound.
#[derive(Debug, Default)]
pub struct Schema {
    pub(super) never: bool,
    pub(super) types: Types,
    pub(super) values: Option<Vec<Value>>,
    pub(super) minimum: Option<(f64, bool)>,
    pub(super) maximum: Option<(f64, bool)>,
    pub(super) multiple_of: Option<f64>,
    pub(super) length: (Option<u64>, Option<u64>),
    pub(super) pattern: Option<Regex>,
    pub(super) items: Option<SchemaId>,
    pub(super) item_count: (Option<u64>, Option<u64>),
    pub(super) unique: bool,
    pub(super) properties: BTreeMap<String, SchemaId>,
    pub(super) required: Vec<String>,
    pub(super) additional: Additional,
    pub(super) property_count: (Option<u64>, Option<u64>),
    pub(super) all_of: Vec<SchemaId>,
    pub(super) any_of: Vec<SchemaId>,
    pub(super) one_of: Vec<SchemaId>,
    pub(super) not: Option<SchemaId>,
}

impl Schema {
    /// The types that a value may have.
    pub fn types(&self) -> Types {
        self.types
    }

    /// The schema of a list's items.
    pub fn items(&self) -> Option<SchemaId> {
        self.items
    }
}

/// Says something of a value without constraining it, or only in ways that are no business of a proxy.
const ANNOTATIONS: &[&str] = &[
    "$comment",
    "title",
    "description",
    "default",
    "example",
    "examples",
    "format",
    "deprecated",
    "readOnly",
    "writeOnly",
    "xml",
    "externalDocs",
    "discriminator",
    "contentMediaType",
    "contentEncoding",
    "$id",
    "$schema",
    "$defs",
    "definitions",
];

/// Compiles the schemas of one document.
pub struct Compiler<'d> {
    root: &'d Value,
    schemas: Schemas,
    /// What was compiled, or is being compiled, by its JSON pointer.
    known: HashMap<String, SchemaId>,
}

impl<'d> Compiler<'d> {
    pub fn new(root: &'d Value) -> Self {
        Self { root, schemas: Schemas::default(), known: HashMap::new() }
    }

    pub fn done(self) -> Schemas {
        self.schemas
    }

    /// The value that a `$ref` leads to, or the value itself; and its pointer.
    pub fn follow(&self, mut value: &'d Value, mut at: String) -> Result<(&'d Value, String), DocumentError> {
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = value.get("$ref") else { return Ok((value, at)) };
            let pointer = reference.as_str().and_then(|text| text.strip_prefix('#')).ok_or_else(|| {
                DocumentError::at(
                    &at,
                    "a $ref must stay within the document: #/components/…; copy what it names into it",
                )
            })?;
            value = self
                .root
                .pointer(pointer)
                .ok_or_else(|| DocumentError::at(&at, format!("there is nothing at #{pointer}")))?;
            at = pointer.to_string();
        }
        Err(DocumentError::at(at, "references lead to references again and again"))
    }

    /// Compiles one schema with all that it names.
    pub fn compile(&mut self, value: &'d Value, at: String) -> Result<SchemaId, DocumentError> {
        if let Some(id) = self.known.get(&at) {
            return Ok(*id);
        }
        if value.get("$ref").is_some() {
            // What stands beside a $ref is ignored, as in OpenAPI 3.0.
            let (target, pointer) = self.follow(value, at.clone())?;
            let id = self.compile(target, pointer)?;
            self.known.insert(at, id);
            return Ok(id);
        }
        let number = u32::try_from(self.schemas.list.len())
            .map_err(|_| DocumentError::TooBig { what: "schemas", most: u32::MAX as usize })?;
        let id = SchemaId(number);
        self.schemas.list.push(Schema::default());
        self.known.insert(at.clone(), id);
        let schema = match value {
            Value::Bool(allowed) => Schema { never: !allowed, ..Schema::default() },
            Value::Object(map) => self.object(map, &at)?,
            _ => return Err(DocumentError::at(at, "a schema must be a map")),
        };
        self.schemas.list[number as usize] = schema;
        Ok(id)
    }

    fn object(&mut self, map: &'d Map<String, Value>, at: &str) -> Result<Schema, DocumentError> {
        let mut schema = Schema::default();
        let (mut nullable, mut exclusive) = (false, (false, false));
        for (key, value) in map {
            let here = || format!("{at}/{}", escaped(key));
            let wrong = |reason: &str| DocumentError::at(here(), reason);
            let count = || value.as_u64().ok_or_else(|| wrong("a count must be a whole number from 0 on"));
            let number = || value.as_f64().ok_or_else(|| wrong("it must be a number"));
            let flag = || value.as_bool().ok_or_else(|| wrong("it must be true or false"));
            match key.as_str() {
                "type" => schema.types = types(value).ok_or_else(|| wrong("it is no type of JSON"))?,
                "nullable" => nullable = flag()?,
                "enum" => {
                    let values = value.as_array().ok_or_else(|| wrong("it must be a list"))?;
                    schema.values = Some(values.clone());
                },
                "const" => schema.values = Some(vec![value.clone()]),
                "minimum" => schema.minimum = Some((number()?, false)),
                "maximum" => schema.maximum = Some((number()?, false)),
                // 3.0 has a flag beside the bound, 3.1 the bound itself.
                "exclusiveMinimum" if value.is_boolean() => exclusive.0 = flag()?,
                "exclusiveMaximum" if value.is_boolean() => exclusive.1 = flag()?,
                "exclusiveMinimum" => schema.minimum = Some((number()?, true)),
                "exclusiveMaximum" => schema.maximum = Some((number()?, true)),
                "multipleOf" => {
                    let step = number()?;
                    if step <= 0.0 {
                        return Err(wrong("it must be more than 0"));
                    }
                    schema.multiple_of = Some(step);
                },
                "minLength" => schema.length.0 = Some(count()?),
                "maxLength" => schema.length.1 = Some(count()?),
                "pattern" => schema.pattern = Some(pattern(value).map_err(|reason| wrong(&reason))?),
                "minItems" => schema.item_count.0 = Some(count()?),
                "maxItems" => schema.item_count.1 = Some(count()?),
                "uniqueItems" => schema.unique = flag()?,
                "items" => schema.items = Some(self.compile(value, here())?),
                "minProperties" => schema.property_count.0 = Some(count()?),
                "maxProperties" => schema.property_count.1 = Some(count()?),
                "properties" => {
                    for (name, value) in value.as_object().ok_or_else(|| wrong("it must be a map"))? {
                        let id = self.compile(value, format!("{}/{}", here(), escaped(name)))?;
                        schema.properties.insert(name.clone(), id);
                    }
                },
                "required" => {
                    let names = value.as_array().ok_or_else(|| wrong("it must be a list of names"))?;
                    for name in names {
                        schema.required.push(name.as_str().ok_or_else(|| wrong("it must be a list of names"))?.into());
                    }
                },
                "additionalProperties" => {
                    schema.additional = match value {
                        Value::Bool(true) => Additional::Any,
                        Value::Bool(false) => Additional::None,
                        other => Additional::Of(self.compile(other, here())?),
                    };
                },
                "allOf" => schema.all_of = self.list(value, here())?,
                "anyOf" => schema.any_of = self.list(value, here())?,
                "oneOf" => schema.one_of = self.list(value, here())?,
                "not" => schema.not = Some(self.compile(value, here())?),
                other if ANNOTATIONS.contains(&other) || other.starts_with("x-") => {},
                _ => {
                    return Err(wrong(
                        "this keyword is not supported; leave it out, so that nobody counts on its being checked",
                    ))
                },
            }
        }
        if nullable && !schema.types.any() {
            schema.types = schema.types.with(Types::NULL);
        }
        for (flag, bound) in [(exclusive.0, &mut schema.minimum), (exclusive.1, &mut schema.maximum)] {
            if let (true, Some(bound)) = (flag, bound) {
                bound.1 = true;
            }
        }
        Ok(schema)
    }

    fn list(&mut self, value: &'d Value, at: String) -> Result<Vec<SchemaId>, DocumentError> {
        let list = value.as_array().filter(|list| !list.is_empty());
        let list = list.ok_or_else(|| DocumentError::at(&at, "it must be a list that is not empty"))?;
        list.iter().enumerate().map(|(index, value)| self.compile(value, format!("{at}/{index}"))).collect()
    }
}

fn types(value: &Value) -> Option<Types> {
    match value {
        Value::String(name) => Types::of(name),
        Value::Array(names) if !names.is_empty() => {
            names.iter().try_fold(Types::default(), |types, name| Some(types.with(Types::of(name.as_str()?)?)))
        },
        _ => None,
    }
}

fn pattern(value: &Value) -> Result<Regex, String> {
    let text = value.as_str().ok_or("a pattern must be a text")?;
    RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX).build().map_err(|error| {
        let reason: String = error.to_string().lines().last().unwrap_or_default().chars().take(200).collect();
        format!("this pattern can't be used ({reason}); look-around and references back are not supported")
    })
}

/// A part of a JSON pointer.
pub fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
