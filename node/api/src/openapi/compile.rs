// SPDX-License-Identifier: Apache-2.0

//! From a document's tree to its schemas.
//!
//! # Correctness
//! - **No recursion**: what a schema names is put on a list, and compiled when its turn comes. A chain of references as long as
//!   the document takes no more of the stack than a single one.
//! - A schema is known by where it stands in the tree, not by a text: memory is linear in the document.
//! - What can't be used makes the schemas around it unusable, and nothing else: [`Compiler::done`] says which.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    pattern::Patterns,
    request::decoded,
    schema::{escaped, Additional, Schema, SchemaId, Schemas, Types, Values},
    validate::{same, size},
};

/// References that lead to references.
const REFERENCES_MAX: usize = 16;
/// Schemas of a document.
const SCHEMAS_MAX: usize = 50_000;
/// Problems that are told in words; those after them are only counted.
const TOLD_MAX: usize = 1_000;
/// Characters of a place that an error shows.
const PLACE_SHOWN: usize = 200;

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
    "xml",
    "externalDocs",
    "discriminator",
    "contentMediaType",
    "contentEncoding",
    "contentSchema",
    "$anchor",
    "$id",
    "$schema",
    "$defs",
    "definitions",
];

/// Where something stands in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At(u32);

/// The document itself.
pub const ROOT: At = At(0);

#[derive(Clone, Copy, Debug)]
enum Part<'d> {
    Key(&'d str),
    Index(usize),
    /// A whole pointer, of a reference.
    Pointer(&'d str),
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub at: String,
    pub reason: String,
}

/// Compiles the schemas of one document.
pub struct Compiler<'d> {
    root: &'d Value,
    /// Of each place: the one around it, and the last part.
    places: Vec<(At, Part<'d>)>,
    schemas: Vec<Schema>,
    /// What was compiled, or is going to be, by its place in memory: the tree doesn't change.
    known: HashMap<*const Value, SchemaId>,
    pending: Vec<(SchemaId, &'d Value, At)>,
    problems: HashMap<SchemaId, Arc<Problem>>,
    patterns: Patterns,
    /// OpenAPI 3.1: keywords beside a reference count.
    beside: bool,
}

impl<'d> Compiler<'d> {
    pub fn new(root: &'d Value, beside: bool) -> Self {
        Self {
            root,
            places: vec![(ROOT, Part::Pointer(""))],
            schemas: Vec::new(),
            known: HashMap::new(),
            pending: Vec::new(),
            problems: HashMap::new(),
            patterns: Patterns::default(),
            beside,
        }
    }

    /// A place below another.
    pub fn below(&mut self, at: At, key: &'d str) -> At {
        self.place(at, Part::Key(key))
    }

    /// The place of a list's item.
    pub fn item(&mut self, at: At, index: usize) -> At {
        self.place(at, Part::Index(index))
    }

    fn place(&mut self, at: At, part: Part<'d>) -> At {
        // Fewer than the document's values and their parts: far from 2^32.
        let number = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push((at, part));
        At(number)
    }

    /// A problem at a place.
    pub fn problem(&self, mut at: At, reason: impl Into<String>) -> Problem {
        let mut parts = Vec::new();
        while at != ROOT {
            let (around, part) = self.places[at.0 as usize];
            at = around;
            match part {
                Part::Key(key) => {
                    parts.push(format!("/{}", escaped(&key.chars().take(PLACE_SHOWN).collect::<String>())))
                },
                Part::Index(index) => parts.push(format!("/{index}")),
                Part::Pointer(pointer) => {
                    parts.push(pointer.chars().take(PLACE_SHOWN).collect());
                    break;
                },
            }
        }
        let whole: String = parts.iter().rev().flat_map(|part| part.chars()).take(PLACE_SHOWN).collect();
        Problem { at: whole, reason: reason.into() }
    }

    /// The value that a `$ref` leads to, or the value itself; and where it is.
    pub fn follow(&mut self, value: &'d Value, at: At) -> Result<(&'d Value, At), Problem> {
        self.follow_while(value, at, |value| value.get("$ref").is_some())
    }

    fn follow_while(
        &mut self,
        mut value: &'d Value,
        mut at: At,
        refers: impl Fn(&Value) -> bool,
    ) -> Result<(&'d Value, At), Problem> {
        for _ in 0..REFERENCES_MAX {
            match value.get("$ref") {
                Some(reference) if refers(value) => (value, at) = self.target(reference, at)?,
                _ => return Ok((value, at)),
            }
        }
        Err(self.problem(at, "references lead to references again and again"))
    }

    /// What a reference names.
    fn target(&mut self, reference: &'d Value, at: At) -> Result<(&'d Value, At), Problem> {
        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#')).ok_or_else(|| {
            self.problem(at, "a $ref must stay within the document: #/components/…; copy what it names into it")
        })?;
        // A reference is a URI: its fragment may be percent-encoded.
        let found = self.root.pointer(pointer).or_else(|| self.root.pointer(&decoded(pointer, false)?));
        match found {
            Some(found) => Ok((found, self.place(ROOT, Part::Pointer(pointer)))),
            None => {
                let shown: String = pointer.chars().take(PLACE_SHOWN).collect();
                Err(self.problem(at, format!("there is nothing at #{shown}")))
            },
        }
    }

    /// Compiles one schema with all that it names.
    pub fn compile(&mut self, value: &'d Value, at: At) -> SchemaId {
        let id = self.reserve(value, at);
        while let Some((id, value, at)) = self.pending.pop() {
            match self.schema(value, at) {
                Ok(schema) => self.schemas[id.index()] = schema,
                Err(problem) => self.note(id, problem),
            }
        }
        id
    }

    /// A schema that is compiled when its turn comes.
    fn reserve(&mut self, value: &'d Value, at: At) -> SchemaId {
        let (mut value, mut at) = (value, at);
        let beside = self.beside;
        let refers = |value: &Value| value.get("$ref").is_some() && !(beside && has_more_than_a_reference(value));
        let mut broken = None;
        if refers(value) {
            match self.follow_while(value, at, refers) {
                Ok(found) => (value, at) = found,
                Err(problem) => broken = Some(problem),
            }
        }
        if let Some(id) = self.known.get(&std::ptr::from_ref(value)) {
            return *id;
        }
        if self.schemas.len() >= SCHEMAS_MAX {
            // The last one stands for all that have no room.
            let last = SchemaId(u32::try_from(self.schemas.len() - 1).unwrap_or(u32::MAX));
            self.note(
                last,
                Problem { at: String::new(), reason: format!("a document may have {SCHEMAS_MAX} schemas") },
            );
            return last;
        }
        let id = SchemaId(u32::try_from(self.schemas.len()).unwrap_or(u32::MAX));
        self.schemas.push(Schema::default());
        self.known.insert(std::ptr::from_ref(value), id);
        match broken {
            Some(problem) => self.note(id, problem),
            None => self.pending.push((id, value, at)),
        }
        id
    }

    fn note(&mut self, id: SchemaId, problem: Problem) {
        let problem = match self.problems.len() {
            ..TOLD_MAX => problem,
            _ => Problem { at: String::new(), reason: "it can't be used, as too many others".into() },
        };
        self.problems.entry(id).or_insert_with(|| Arc::new(problem));
    }

    /// The schemas, and of each that can't be used why: it has a problem itself, or leads to one that has.
    pub fn done(self) -> (Schemas, HashMap<SchemaId, Arc<Problem>>) {
        let Self { schemas, mut problems, .. } = self;
        if !problems.is_empty() {
            let mut around: HashMap<SchemaId, Vec<SchemaId>> = HashMap::new();
            for (number, schema) in schemas.iter().enumerate() {
                let id = SchemaId(u32::try_from(number).unwrap_or(u32::MAX));
                for child in schema.children() {
                    around.entry(child).or_default().push(id);
                }
            }
            let mut next: Vec<SchemaId> = problems.keys().copied().collect();
            next.sort_by_key(|id| id.0);
            while let Some(id) = next.pop() {
                let Some(problem) = problems.get(&id).cloned() else { continue };
                for outer in around.get(&id).into_iter().flatten() {
                    if !problems.contains_key(outer) {
                        problems.insert(*outer, problem.clone());
                        next.push(*outer);
                    }
                }
            }
        }
        (Schemas { list: schemas }, problems)
    }

    fn schema(&mut self, value: &'d Value, at: At) -> Result<Schema, Problem> {
        match value {
            Value::Bool(allowed) => Ok(Schema { never: !allowed, ..Schema::default() }),
            Value::Object(map) => self.object(map, at),
            _ => Err(self.problem(at, "a schema must be a map")),
        }
    }

    fn object(&mut self, map: &'d Map<String, Value>, at: At) -> Result<Schema, Problem> {
        let mut schema = Schema::default();
        let (mut nullable, mut exclusive, mut counted) = (false, (false, false), (1, None));
        for (key, value) in map {
            let here = self.below(at, key);
            let read = Read { value };
            let done = match key.as_str() {
                "type" => types(value).map(|types| schema.types = types).ok_or("it is no type of JSON"),
                "nullable" => read.flag().map(|flag| nullable = flag),
                "enum" => read.list().map(|list| narrow(&mut schema, list.to_vec())),
                "const" => {
                    narrow(&mut schema, vec![value.clone()]);
                    Ok(())
                },
                // 3.0 has a flag beside the bound, 3.1 the bound itself.
                "exclusiveMinimum" if value.is_boolean() => read.flag().map(|flag| exclusive.0 = flag),
                "exclusiveMaximum" if value.is_boolean() => read.flag().map(|flag| exclusive.1 = flag),
                "minimum" => read.number().map(|least| at_least(&mut schema.minimum, least, false)),
                "exclusiveMinimum" => read.number().map(|least| at_least(&mut schema.minimum, least, true)),
                "maximum" => read.number().map(|most| at_most(&mut schema.maximum, most, false)),
                "exclusiveMaximum" => read.number().map(|most| at_most(&mut schema.maximum, most, true)),
                "multipleOf" => match read.number() {
                    Ok(step) if step > 0.0 => {
                        schema.rare().multiple_of = Some(step);
                        Ok(())
                    },
                    _ => Err("it must be a number over 0"),
                },
                "minLength" => read.count().map(|count| schema.length.0 = Some(count)),
                "maxLength" => read.count().map(|count| schema.length.1 = Some(count)),
                "minItems" => read.count().map(|count| schema.item_count.0 = Some(count)),
                "maxItems" => read.count().map(|count| schema.item_count.1 = Some(count)),
                "minProperties" => read.count().map(|count| schema.property_count.0 = Some(count)),
                "maxProperties" => read.count().map(|count| schema.property_count.1 = Some(count)),
                "minContains" => read.count().map(|count| counted.0 = count),
                "maxContains" => read.count().map(|count| counted.1 = Some(count)),
                "uniqueItems" => read.flag().map(|flag| schema.unique = flag),
                "readOnly" => read.flag().map(|flag| schema.read_only = flag),
                "writeOnly" => read.flag().map(|flag| schema.write_only = flag),
                "required" => read.names().map(|names| schema.required = names),
                "pattern" => {
                    let compiled = value.as_str().ok_or_else(|| "a pattern must be a text".to_string());
                    let compiled = compiled.and_then(|text| self.patterns.compile(text));
                    schema.pattern = Some(compiled.map_err(|reason| self.problem(here, reason))?);
                    Ok(())
                },
                // Only a minimum and a maximum that go with `contains`.
                "unevaluatedProperties" | "unevaluatedItems" if value == &Value::Bool(true) => Ok(()),
                other if ANNOTATIONS.contains(&other) || other.starts_with("x-") => Ok(()),
                _ => self.nested(&mut schema, key, value, here)?,
            };
            done.map_err(|reason| self.problem(here, reason))?;
        }
        if let Some(contains) = schema.rare.as_mut().and_then(|rare| rare.contains.as_mut()) {
            (contains.1, contains.2) = counted;
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

    /// Keywords that hold schemas.
    fn nested(
        &mut self,
        schema: &mut Schema,
        key: &str,
        value: &'d Value,
        here: At,
    ) -> Result<Result<(), &'static str>, Problem> {
        match key {
            "$ref" => {
                let (target, at) = self.target(value, here)?;
                let id = self.reserve(target, at);
                schema.all_of.push(id);
            },
            "items" => schema.items = Some(self.reserve(value, here)),
            "not" => schema.rare().not = Some(self.reserve(value, here)),
            "propertyNames" => schema.rare().property_names = Some(self.reserve(value, here)),
            "contains" => schema.rare().contains = Some((self.reserve(value, here), 1, None)),
            "if" => schema.rare().condition = Some(self.reserve(value, here)),
            "then" => schema.rare().then = Some(self.reserve(value, here)),
            "else" => schema.rare().otherwise = Some(self.reserve(value, here)),
            "allOf" => {
                let list = self.list(value, here)?;
                schema.all_of.extend(list);
            },
            "anyOf" => schema.any_of = self.list(value, here)?,
            "oneOf" => schema.one_of = self.list(value, here)?,
            "prefixItems" => schema.rare().prefix_items = self.list(value, here)?,
            "additionalProperties" => {
                schema.additional = match value {
                    Value::Bool(true) => Additional::Any,
                    Value::Bool(false) => Additional::None,
                    other => Additional::Of(self.reserve(other, here)),
                };
            },
            "properties" => {
                for (name, value) in self.map(value, here)? {
                    let at = self.below(here, name);
                    let id = self.reserve(value, at);
                    schema.properties.insert(name.clone(), id);
                }
            },
            "patternProperties" => {
                for (name, value) in self.map(value, here)? {
                    let at = self.below(here, name);
                    let pattern = self.patterns.compile(name).map_err(|reason| self.problem(at, reason))?;
                    let id = self.reserve(value, at);
                    schema.rare().pattern_properties.push((pattern, id));
                }
            },
            "dependentSchemas" => {
                for (name, value) in self.map(value, here)? {
                    let at = self.below(here, name);
                    let id = self.reserve(value, at);
                    schema.rare().dependent_schemas.push((name.clone(), id));
                }
            },
            "dependentRequired" => {
                for (name, value) in self.map(value, here)? {
                    let names = Read { value }.names().map_err(|reason| self.problem(here, reason))?;
                    schema.rare().dependent_required.push((name.clone(), names));
                }
            },
            _ => {
                let reason = "this keyword is not supported; leave it out, so that nobody counts on its being checked";
                return Ok(Err(reason));
            },
        }
        Ok(Ok(()))
    }

    fn map(&self, value: &'d Value, at: At) -> Result<&'d Map<String, Value>, Problem> {
        value.as_object().ok_or_else(|| self.problem(at, "it must be a map"))
    }

    fn list(&mut self, value: &'d Value, at: At) -> Result<Vec<SchemaId>, Problem> {
        let list = value.as_array().filter(|list| !list.is_empty());
        let list = list.ok_or_else(|| self.problem(at, "it must be a list that is not empty"))?;
        let mut found = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            let at = self.item(at, index);
            found.push(self.reserve(value, at));
        }
        Ok(found)
    }
}

/// Whether a schema says more beside its reference than what only people read.
fn has_more_than_a_reference(value: &Value) -> bool {
    let only_read = |key: &str| key == "$ref" || ANNOTATIONS.contains(&key) || key.starts_with("x-");
    value.as_object().is_some_and(|map| map.keys().any(|key| !only_read(key)))
}

/// A keyword's value.
struct Read<'d> {
    value: &'d Value,
}

impl<'d> Read<'d> {
    fn count(&self) -> Result<u64, &'static str> {
        // 3.0 documents write 5.0, too.
        let whole = self.value.as_f64().filter(|number| *number >= 0.0 && number.fract() == 0.0);
        self.value.as_u64().or(whole.map(|number| number as u64)).ok_or("a count must be a whole number from 0 on")
    }

    fn number(&self) -> Result<f64, &'static str> {
        self.value.as_f64().ok_or("it must be a number")
    }

    fn flag(&self) -> Result<bool, &'static str> {
        self.value.as_bool().ok_or("it must be true or false")
    }

    fn list(&self) -> Result<&'d Vec<Value>, &'static str> {
        self.value.as_array().ok_or("it must be a list")
    }

    fn names(&self) -> Result<Vec<String>, &'static str> {
        let names = self.value.as_array().ok_or("it must be a list of names")?;
        names.iter().map(|name| name.as_str().map(Into::into).ok_or("it must be a list of names")).collect()
    }
}

/// `enum` and `const` beside each other: what both allow.
fn narrow(schema: &mut Schema, list: Vec<Value>) {
    let list = match schema.values.take() {
        None => list,
        Some(before) => before.list.into_iter().filter(|value| list.iter().any(|other| same(value, other))).collect(),
    };
    let steps = list.iter().map(size).sum();
    schema.values = Some(Values { list, steps });
}

/// The stricter one of two lower bounds.
fn at_least(bound: &mut Option<(f64, bool)>, least: f64, exclusive: bool) {
    *bound = Some(match *bound {
        Some((before, was)) if before > least || (before == least && was) => (before, was),
        _ => (least, exclusive),
    });
}

/// The stricter one of two upper bounds.
fn at_most(bound: &mut Option<(f64, bool)>, most: f64, exclusive: bool) {
    *bound = Some(match *bound {
        Some((before, was)) if before < most || (before == most && was) => (before, was),
        _ => (most, exclusive),
    });
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
