// SPDX-License-Identifier: Apache-2.0

//! Schemas, compiled: references are indices, so recursion costs nothing until a value recurses.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::pattern::Pattern;

/// A schema of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SchemaId(pub(super) u32);

impl SchemaId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// All schemas of one document.
#[derive(Debug, Default)]
pub struct Schemas {
    pub(super) list: Vec<Schema>,
}

impl Schemas {
    /// One of them.
    pub fn get(&self, id: SchemaId) -> &Schema {
        &self.list[id.index()]
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

    pub(super) fn of(name: &str) -> Option<Self> {
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

    /// These and the other's.
    pub fn with(self, other: Self) -> Self {
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
    pub(super) values: Option<Values>,
    pub(super) minimum: Option<(f64, bool)>,
    pub(super) maximum: Option<(f64, bool)>,
    pub(super) length: (Option<u64>, Option<u64>),
    pub(super) pattern: Option<Arc<Pattern>>,
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
    /// Only answers have it.
    pub(super) read_only: bool,
    /// Only requests have it.
    pub(super) write_only: bool,
    /// What few schemas have.
    pub(super) rare: Option<Box<Rare>>,
}

/// Values, one of which a value must be.
#[derive(Debug)]
pub(super) struct Values {
    pub list: Vec<Value>,
    /// Steps that comparing with all of them takes.
    pub steps: usize,
}

/// What few schemas have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    pub multiple_of: Option<f64>,
    pub not: Option<SchemaId>,
    pub prefix_items: Vec<SchemaId>,
    /// Items of this form, at least and at most so many.
    pub contains: Option<(SchemaId, u64, Option<u64>)>,
    pub pattern_properties: Vec<(Arc<Pattern>, SchemaId)>,
    pub property_names: Option<SchemaId>,
    pub dependent_required: Vec<(String, Vec<String>)>,
    pub dependent_schemas: Vec<(String, SchemaId)>,
    pub condition: Option<SchemaId>,
    pub then: Option<SchemaId>,
    pub otherwise: Option<SchemaId>,
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

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The schemas that it is combined of, for the same value.
    pub(super) fn parts(&self) -> impl Iterator<Item = SchemaId> + '_ {
        self.all_of.iter().chain(&self.any_of).chain(&self.one_of).copied()
    }

    /// All schemas that it names.
    pub(super) fn children(&self) -> Vec<SchemaId> {
        let mut found: Vec<SchemaId> =
            self.parts().chain(self.items).chain(self.properties.values().copied()).collect();
        if let Additional::Of(id) = self.additional {
            found.push(id);
        }
        if let Some(rare) = &self.rare {
            found.extend(rare.prefix_items.iter().copied());
            found.extend(rare.pattern_properties.iter().map(|(_, id)| *id));
            found.extend(rare.dependent_schemas.iter().map(|(_, id)| *id));
            found.extend(rare.contains.map(|(id, ..)| id));
            let single = [rare.not, rare.property_names, rare.condition, rare.then, rare.otherwise];
            found.extend(single.into_iter().flatten());
        }
        found
    }
}

/// A part of a JSON pointer.
pub fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
