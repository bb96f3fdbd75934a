// SPDX-License-Identifier: Apache-2.0

//! What drives and vaults say to each other: messages, frames, and who is at the other end. `DESIGN.md` beside this crate is
//! the protocol's specification.
//!
//! - [`Request`] and [`Answer`]: the messages; [`Refusal`] says why a vault doesn't do what it was asked.
//! - [`frame`]: a message and the bytes that go with it, on any stream.
//! - [`tls`]: TLS 1.3 with a key that the chain names, and no authorities.
//! - [`Connection`]: a client's end, with many requests at a time.
//! - [`server`]: a vault's end: reads requests, writes answers; what they mean is the vault's affair.
//!
//! # Correctness
//! Every length is checked before memory is taken for it, everything is decoded to its last byte, and no bytes from the
//! other end make this crate panic. What a [`Connection`] hands out was said by the owner of the service key that it was
//! given; receipts are checked against that key. Shards, leaves and proofs are not checked here: a caller checks them
//! against the root that it has from the chain.

pub mod frame;
pub mod message;
pub mod server;
pub mod tls;

mod activity;
mod connection;
mod error;

pub use connection::{Appending, Connection, LogEnd, Status, Timeouts};
pub use error::WireError;
pub use message::{Answer, Refusal, RefusalCode, Request};
pub use tls::ServiceKey;

/// The version of the protocol that this is.
pub const VERSION: u16 = 2;
/// The protocol's name in the TLS handshake.
pub const ALPN: &[u8] = b"cairn-storage/1";
/// Requests that a connection may have open.
pub const OPEN_REQUESTS_MAX: usize = 64;

#[cfg(test)]
mod tests;
