// SPDX-License-Identifier: Apache-2.0

//! Files to stripes and back: encryption, coding, manifest, sharing. `DESIGN.md` beside this crate argues for the format and
//! specifies it byte by byte.
//!
//! - [`Drive`]: a drive as it stands on chain; [`Contents`] is what is in it, and gives files' bytes.
//! - [`commit`]: changes a drive: any number of files in one checkpoint.
//! - [`download`]: a file of a drive to a file on disk.
//! - [`Chain`], [`Signer`], [`Network`]: what this crate needs of the world; [`live`] has them for the real one.
//! - [`share`]: links; [`sync`]: what differs between a folder and a drive.
//! - [`erasure`]: shards of a stripe, and a lost one from others; vaults rebuild with it.
//!
//! # Correctness
//! - Everything that is read is authenticated from the head on chain: the head names the root page's id, pages name ids of
//!   other pages and of stripes, and a shard without the right id is none. No vault has to be trusted, nor, for what a drive
//!   holds, anybody else who has its key.
//! - Vaults see ciphertext. The key never leaves this process but sealed to whom it is given, or published by its owner.
//! - A commit is all or nothing, follows exactly the version that it was computed from, and survives a crash at any point.

pub mod chain;
pub mod commit;
pub mod download;
pub mod erasure;
pub mod frame;
pub mod keys;
pub mod live;
pub mod manifest;
pub mod page;
pub mod path;
pub mod read;
pub mod share;
pub mod sync;
pub mod upload;
pub mod vaults;

mod contents;
mod drive;
mod error;

pub use chain::{Chain, ChainError, DriveState, Signer};
pub use commit::{commit, Committed, Plan, Put, PutSource, Step, Writer};
pub use contents::Contents;
pub use drive::{find, owner_key, Access, Drive, Session, Untrue, Version, Witnessed, KEY_JUMP_MAX};
pub use error::DriveError;
pub use path::DrivePath;
pub use vaults::{Network, Tcp, Vaults};

#[cfg(test)]
mod tests;
