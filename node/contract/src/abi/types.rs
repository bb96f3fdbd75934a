// SPDX-License-Identifier: Apache-2.0

//! The table of types in the metadata.

use serde::Deserialize;
use serde_json::Value;

use super::AbiError;

/// More types than any contract has.
const TYPES_MAX: usize = 10_000;
/// Names of types are cut for people.
const NAME_DEPTH: usize = 4;
const NAME_TUPLE_MAX: usize = 8;

#[derive(Clone, Debug, Deserialize)]
struct Entry {
    id: u32,
    #[serde(rename = "type")]
    ty: Type,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Type {
    #[serde(default)]
    path: Vec<String>,
    pub def: Def,
}

/// How a type is built up.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Def {
    Primitive(String),
    Composite(Fields),
    Variant(Variants),
    Sequence(Inner),
    Array(Array),
    Tuple(Vec<u32>),
    Compact(Inner),
    #[serde(rename = "bitsequence")]
    BitSequence(serde::de::IgnoredAny),
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Fields {
    #[serde(default)]
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Field {
    pub name: Option<String>,
    #[serde(rename = "type")]
    pub ty: u32,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Variants {
    #[serde(default)]
    pub variants: Vec<Variant>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Variant {
    pub name: String,
    pub index: u8,
    #[serde(default)]
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Inner {
    #[serde(rename = "type")]
    pub ty: u32,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Array {
    pub len: u32,
    #[serde(rename = "type")]
    pub ty: u32,
}

/// All types, by number.
#[derive(Clone, Debug)]
pub(super) struct Types(Vec<Type>);

impl Types {
    pub fn parse(types: &Value) -> Result<Self, AbiError> {
        let bad = |reason: String| AbiError::Metadata(reason);
        let entries = Vec::<Entry>::deserialize(types).map_err(|error| bad(error.to_string()))?;
        if entries.len() > TYPES_MAX {
            return Err(bad("it has too many types".into()));
        }
        // Numbers are places in the list.
        if entries.iter().enumerate().any(|(place, entry)| entry.id as usize != place) {
            return Err(bad("its types are not numbered in order".into()));
        }
        Ok(Self(entries.into_iter().map(|entry| entry.ty).collect()))
    }

    pub fn get(&self, id: u32) -> Option<&Type> {
        self.0.get(id as usize)
    }

    pub fn is_bytes(&self, element: u32) -> bool {
        matches!(self.get(element).map(|ty| &ty.def), Some(Def::Primitive(name)) if name == "u8")
    }

    pub fn is_text(&self, id: u32) -> bool {
        matches!(self.get(id).map(|ty| &ty.def), Some(Def::Primitive(name)) if name == "str")
    }

    /// An account: ink!'s `AccountId`.
    pub fn is_account(&self, id: u32) -> bool {
        self.get(id).and_then(|ty| ty.path.last()).is_some_and(|name| name == "AccountId")
    }

    pub fn is_option(&self, id: u32) -> bool {
        self.option(id).is_some()
    }

    /// What is in an option.
    pub fn option(&self, id: u32) -> Option<u32> {
        let ty = self.get(id)?;
        match &ty.def {
            Def::Variant(Variants { variants }) if ty.path == ["Option"] => {
                variants.iter().find(|variant| variant.name == "Some")?.fields.first().map(|field| field.ty)
            },
            _ => None,
        }
    }

    /// What is in a result.
    pub fn result(&self, id: u32) -> Option<(u32, u32)> {
        let ty = self.get(id)?;
        match &ty.def {
            Def::Variant(Variants { variants }) if ty.path == ["Result"] => {
                let field = |name: &str| {
                    variants.iter().find(|variant| variant.name == name)?.fields.first().map(|field| field.ty)
                };
                Some((field("Ok")?, field("Err")?))
            },
            _ => None,
        }
    }

    /// A type's name for people.
    pub fn name(&self, id: u32) -> String {
        self.name_to(id, NAME_DEPTH)
    }

    fn name_to(&self, id: u32, depth: usize) -> String {
        let Some(ty) = self.get(id).filter(|_| depth > 0) else { return "…".into() };
        let inner = |id: u32| self.name_to(id, depth.saturating_sub(1));
        if let Some(some) = self.option(id) {
            return format!("Option<{}>", inner(some));
        }
        match &ty.def {
            Def::Primitive(name) => name.clone(),
            Def::Sequence(Inner { ty }) => format!("Vec<{}>", inner(*ty)),
            Def::Array(Array { len, ty }) => format!("[{}; {len}]", inner(*ty)),
            Def::Tuple(list) if list.len() > NAME_TUPLE_MAX => "(…)".into(),
            Def::Tuple(list) => format!("({})", list.iter().map(|ty| inner(*ty)).collect::<Vec<_>>().join(", ")),
            Def::Compact(Inner { ty }) => inner(*ty),
            Def::BitSequence(_) => "bits".into(),
            Def::Composite(_) | Def::Variant(_) => ty.path.last().cloned().unwrap_or_else(|| "…".into()),
        }
    }
}
