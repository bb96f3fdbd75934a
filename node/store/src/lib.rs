// SPDX-License-Identifier: Apache-2.0

//! Logs of shards on a disk, and their index. No network, no chain. `DESIGN.md` beside this crate says why it is as it is.
//!
//! - [`Store`]: all logs of a vault: appends, reads, proves, cuts, trims, scrubs.
//! - [`Bulk`]: where the shards' bytes are; [`LocalDisk`] keeps each log in a file of its own, [`ObjectDisk`] in objects of S3 and
//!   its like.
//!
//! # Correctness
//! - A log's end moves only after its bytes and then its index are on disk; who asked for it is told after that.
//! - Bytes at or before a log's end are written again only by [`Store::rewrite`], and only with the shard that belongs there;
//!   where a log is to be written anew, it is cut first, and the cut is on disk before the first byte is.
//! - After a crash each log ends where its index says; what is behind that in the file was never acknowledged, and is cut off.
//! - What is read is checked against its id, so no other bytes are ever handed out.
//! - All changes of the index are made by one thread.

mod bulk;
mod commit;
mod error;
mod index;
mod objects;
mod slot;
mod store;

pub use bulk::{Bulk, BulkLog, LocalDisk};
pub use error::StoreError;
pub use objects::{ObjectDisk, ObjectsError};
pub use slot::{Head, Leaf};
pub use store::{Options, Scrubbed, Shards, Store};

#[cfg(test)]
mod tests;
