// SPDX-License-Identifier: Apache-2.0

//! `.cairn` names: what a label is, what a zone may hold, and how a claim to a name is hidden until it is made.
//!
//! A name's records are a [`Zone`], stored as validated DNS wire data: what is in the state can be served as it is.
//!
//! # Correctness
//! Decoding a [`Zone`] applies [`Zone::check`]. A rule made stricter in a later runtime therefore needs a migration of the
//! zones in the state: one that is no longer valid would no longer decode.

mod commitment;
mod label;
mod name;
pub mod rdata;
mod record;
mod resolved;
#[cfg(feature = "std")]
pub mod text;
mod zone;

pub use commitment::{commitment_hash, records_hash, COMMITMENT_PURPOSE};
pub use label::{Label, LabelError, LABEL_BYTES_MAX};
pub use name::{NameError, RelativeName, RELATIVE_LABELS_MAX, RELATIVE_NAME_BYTES_MAX};
pub use rdata::{rr, RdataError, RDATA_BYTES_MAX};
pub use record::{Rdata, RrSet, RRSET_RECORDS_MAX, TTL_SECONDS_MAX, TTL_SECONDS_MIN};
pub use resolved::{ResolvedName, ResolvedZone, ZoneKey, SUBDOMAINS_MAX};
pub use zone::{RrSets, Zone, ZoneError, ZONE_BYTES_MAX, ZONE_RECORDS_MAX, ZONE_SETS_MAX};

/// The top-level domain that all names are below.
pub const TLD: &str = "cairn";

#[cfg(test)]
mod tests;
