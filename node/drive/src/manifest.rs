// SPDX-License-Identifier: Apache-2.0

//! What a drive holds: names, places and keys of files, and the ids of the stripes they lie in.
//!
//! - [`Head`]: on chain; names the root page.
//! - [`Root`]: a page a version; names the levels and the version before.
//! - [`Segment`]: what changed, as a sorted list; a level is one.
//! - [`Tree`]: everything at one version: the levels applied in their order.
//! - [`StripeRun`], [`Table`]: ids of the shards of content.
//!
//! # Correctness
//! Everything that is decoded here may come from somebody who holds the key and means harm: lengths are bounded before memory
//! is taken, order and form are checked, and what doesn't fit is refused as a whole.

mod levels;
mod root;
mod segment;
mod stripes;
mod tree;

pub use levels::{merged_levels, LEVELS_MAX};
pub use root::{Head, Index, LevelRef, Part, Ranges, Root, RootParts, NAME_BYTES_MAX};
pub use segment::{DecodeBudget, Entry, FileEntry, Segment, ENTRIES_MAX, PATH_BYTES_SUM_MAX, SEGMENT_BYTES_MAX};
pub use stripes::{ids_per_stripe, runs_of_part, StripeRun, Table, RUN_IDS_MAX};
pub use tree::{Change, Tree, TreeError, NOW_MS};

/// Why bytes are no part of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the drive's manifest is broken: {0}")]
pub struct ManifestError(pub &'static str);

impl From<codec::Error> for ManifestError {
    fn from(_: codec::Error) -> Self {
        ManifestError("a part of it can't be decoded")
    }
}

#[cfg(test)]
mod tests;
