// SPDX-License-Identifier: Apache-2.0

//! OpenAPI documents (3.0 and 3.1), read with bounds, and what they say of requests and responses.
//!
//! A document comes from whoever publishes an API, so it is as hostile as its worst author: its length, depth, number of
//! nodes, operations and schemas are bounded, references stay within it, and whatever would constrain requests in a way that
//! this reader doesn't know is refused rather than ignored. Checking a request costs a bounded number of steps.
//!
//! Two extensions of an operation are known: `x-cairn-units` (compute units that one call takes, 1 if not given) and
//! `x-cairn-deterministic` (the same request has the same answer, from every honest provider).

mod document;
mod request;
mod router;
mod schema;
mod tree;
mod validate;

pub use document::{Body, Document, Operation, Parameter, Place, UNITS_MAX};
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
/// Steps of one check of a value against a schema.
pub const CHECK_STEPS_MAX: u32 = 200_000;

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
}

impl DocumentError {
    fn at(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { at: at.into(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests;
