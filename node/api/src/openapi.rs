// SPDX-License-Identifier: Apache-2.0

//! OpenAPI documents (3.0 and 3.1), read with bounds, and what they say of requests and responses.
//!
//! A document comes from whoever publishes an API, so it is as hostile as its worst author: its length, depth, number of
//! nodes, operations, schemas and patterns are bounded, references stay within it, and nothing of it is read by recursion that
//! the author can make deep. Whatever would constrain requests in a way that this reader doesn't know makes its operation one
//! that is left out, and named, rather than one that is not checked. Checking a request or an answer costs a bounded number of
//! steps ([`Effort`]); what may take long is done on a thread of its own ([`in_turn`]).
//!
//! Three extensions are known: `x-cairn-units` of an operation (compute units that one call takes, 1 if not given),
//! `x-cairn-deterministic` of an operation (the same request has the same answer, from every honest provider), and
//! `x-cairn-encoded-slash` of a parameter in the path (its value may hold `%2F`: the server behind takes that for a part of it).

mod compile;
mod document;
mod in_turn;
mod parameter;
mod pattern;
mod request;
mod router;
mod schema;
mod text;
mod tree;
mod validate;

pub use document::{Body, Document, LeftOut, Operation, METHOD_NAME_BYTES_MAX, UNITS_MAX};
pub use in_turn::in_turn;
pub use parameter::{Parameter, Place, Style};
pub use request::{is_json, RequestError};
pub use schema::{SchemaId, Schemas};
pub use validate::{check_json, Violation};

/// Bytes of a document.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// Nesting of a document.
pub const DEPTH_MAX: usize = 64;
/// Scalars, lists and maps of a document.
pub const NODES_MAX: usize = 100_000;
/// Operations of a document: as many methods as the marketplace lists for one API.
pub const OPERATIONS_MAX: usize = 64;
/// Segments of a path.
pub const SEGMENTS_MAX: usize = 32;
/// Steps of one check of a value against a schema: some 160 ms of one core.
pub const CHECK_STEPS_MAX: usize = 4_000_000;
/// Steps of one check on a thread that serves others, too: less than a millisecond.
pub const QUICK_STEPS_MAX: usize = 20_000;

/// How much a check may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// So little that nobody notices.
    Quick,
    /// As much as there is for one check.
    Whole,
}

impl Effort {
    fn steps(self) -> usize {
        match self {
            Effort::Quick => QUICK_STEPS_MAX,
            Effort::Whole => CHECK_STEPS_MAX,
        }
    }
}

/// Which way a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the provider: what is `readOnly` need not be there.
    Request,
    /// From the provider: what is `writeOnly` need not be there.
    Response,
}

/// Why a document can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Too long, too deep or too much of something.
    #[error("the document has more than {most} {what}; make it smaller")]
    TooBig {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        most: usize,
    },
    /// Neither YAML nor JSON.
    #[error("the document is neither YAML nor JSON: {0}")]
    Syntax(String),
    /// Something in it is not as OpenAPI has it, or not supported.
    #[error("{at}: {reason}")]
    Invalid {
        /// Where: a JSON pointer.
        at: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// No operation is left.
    #[error("none of the document's operations can be used: {}", left_out(.0))]
    NothingLeft(Vec<LeftOut>),
}

impl DocumentError {
    fn at(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { at: at.into(), reason: reason.into() }
    }
}

/// The first few of them, in words.
fn left_out(all: &[LeftOut]) -> String {
    const SHOWN: usize = 3;
    let mut shown: Vec<String> = all.iter().take(SHOWN).map(LeftOut::to_string).collect();
    if all.len() > SHOWN {
        shown.push(format!("and {} more", all.len() - SHOWN));
    }
    shown.join("; ")
}

#[cfg(test)]
mod tests;
