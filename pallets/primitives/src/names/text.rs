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

use super::{rdata::svc, RdataError};
use std::fmt;

/// Names of service parameters, in order.
const SVC_KEYS: [(u16, &str); 10] = [
    (0, "mandatory"),
    (1, "alpn"),
    (2, "no-default-alpn"),
    (3, "port"),
    (4, "ipv4hint"),
    (5, "ech"),
    (6, "ipv6hint"),
    (svc::DOHPATH, "dohpath"),
    (svc::OHTTP, "ohttp"),
    (svc::TLS_SUPPORTED_GROUPS, "tls-supported-groups"),
];
/// Service parameters up to this one are written by their names, which every server reads; later ones as `key7="..."`.
const SVC_NAMED_MAX: u16 = svc::IPV6HINT;

/// Types that other zones hold and these don't; what a zone file has of them is told from a typing error.
const OTHER_TYPES: [&str; 33] = [
    "AFSDB",
    "APL",
    "CDNSKEY",
    "CDS",
    "CERT",
    "CSYNC",
    "DHCID",
    "DNAME",
    "DNSKEY",
    "EUI48",
    "EUI64",
    "HINFO",
    "HIP",
    "IPSECKEY",
    "KX",
    "LOC",
    "NAPTR",
    "NSEC",
    "NSEC3",
    "NSEC3PARAM",
    "OPENPGPKEY",
    "PTR",
    "RP",
    "RRSIG",
    "SMIMEA",
    "SOA",
    "SPF",
    "SSHFP",
    "URI",
    "WKS",
    "X25",
    "ZONEMD",
    "MINFO",
];

/// Whether `word` is the mnemonic of a type that zones here don't hold, in upper or lower case.
pub fn is_other_type(word: &str) -> bool {
    OTHER_TYPES.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Characters of a word that an error shows.
const SHOWN_MAX: usize = 60;

/// A word as an error shows it: on one line, and not longer than [`SHOWN_MAX`].
fn shown(word: &str) -> String {
    let mut text: String = word.chars().take(SHOWN_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if word.chars().nth(SHOWN_MAX).is_some() {
        text.push_str("...");
    }
    text
}

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
    /// A name with a backslash: what it stands for would be another name.
    NameEscaped(String),
    /// All fields could be read, but the record isn't one that a zone holds.
    RecordInvalid(RdataError),
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TypeUnknown(word) if is_other_type(word) => {
                write!(f, "'{}' is a type of record that names here can't have", shown(word))
            },
            Self::TypeUnknown(word) => write!(f, "'{}' is not a type of record", shown(word)),
            Self::FieldMissing(field) => write!(f, "the {field} is missing"),
            Self::FieldExtra(word) => write!(f, "nothing stands after the last field, but '{}' does", shown(word)),
            Self::FieldInvalid { field, word } => write!(f, "'{}' is not a valid {field}", shown(word)),
            Self::QuoteUnclosed => f.write_str("a quote or an escape is not finished"),
            Self::NameRelative(word) => {
                let word = shown(word);
                write!(f, "'{word}' has no dot at its end: a host's name is written in full, as in 'mail.example.'")
            },
            Self::NameEscaped(word) => {
                write!(f, "the name '{}' has a backslash: names are made of a-z, 0-9, '-' and '_'", shown(word))
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
