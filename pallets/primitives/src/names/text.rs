// SPDX-License-Identifier: Apache-2.0

//! Records as people write them: the presentation form of master files.
//!
//! `A 192.0.2.7`, `MX 10 mail.example.`, `TXT "v=spf1 -all"`, `HTTPS 1 . alpn=h2,h3 port=443`, and for the private types
//! `SITE <hex> "/path"`, `ONION <hex>`, `ACCOUNT <hex>`, `VAULT <hex>`, `ALIAS host.example.`. Any type may also be written
//! in the form of RFC 3597, `TYPE65282 \# 32 <hex>`, which servers that don't know a type read as well.
//!
//! Names are absolute: they end with a dot; [`parse_record_below`] takes single labels, too, as master files have them. What [`format_record`] gives, [`parse_record`] reads back to the same data.

mod format;
mod parse;
#[cfg(test)]
mod tests;

pub use format::{format_generic, format_portable, format_rdata, format_record, format_zone};
pub use parse::{parse_rdata, parse_record, parse_record_below};

use super::RdataError;
use std::fmt;

/// Names of service parameters.
const SVC_KEYS: [(u16, &str); 7] =
    [(0, "mandatory"), (1, "alpn"), (2, "no-default-alpn"), (3, "port"), (4, "ipv4hint"), (5, "ech"), (6, "ipv6hint")];

/// Why a text is not a record.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TextError {
    /// The first word is not a type.
    TypeUnknown(String),
    /// Fewer words than the type has fields; the first that is missing.
    FieldMissing(&'static str),
    /// A word after the last field.
    FieldExtra(String),
    /// A word is not what this field holds.
    FieldInvalid {
        /// The field.
        field: &'static str,
        /// The word.
        word: String,
    },
    /// A quote that doesn't end, or a backslash with nothing after it.
    QuoteUnclosed,
    /// A name without the dot at its end.
    NameRelative(String),
    /// All fields could be read, but the record isn't one that a zone holds.
    RecordInvalid(RdataError),
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TypeUnknown(word) => write!(f, "'{word}' is not a type of record"),
            Self::FieldMissing(field) => write!(f, "the {field} is missing"),
            Self::FieldExtra(word) => write!(f, "nothing stands after the last field, but '{word}' does"),
            Self::FieldInvalid { field, word } => write!(f, "'{word}' is not a valid {field}"),
            Self::QuoteUnclosed => f.write_str("a quote or an escape is not finished"),
            Self::NameRelative(word) => {
                write!(f, "'{word}' has no dot at its end: a host's name is written in full, as in 'mail.example.'")
            },
            Self::RecordInvalid(error) => write!(f, "not a valid record: {error}"),
        }
    }
}

impl std::error::Error for TextError {}

impl From<RdataError> for TextError {
    fn from(error: RdataError) -> Self {
        Self::RecordInvalid(error)
    }
}
