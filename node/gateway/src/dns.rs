// SPDX-License-Identifier: Apache-2.0

//! An authoritative DNS server for `.cairn`, answering from an immutable snapshot in memory.
//!
//! - [`SnapshotBuilder`] takes names as the chain has them and makes a [`Snapshot`] after each finalized block.
//! - [`SnapshotHandle`] is where the current one is put; a [`Server`] answers from it over UDP, TCP, TLS and HTTPS.
//! - [`Responder`] is the heart: one pure function from a query's bytes to the response's. Every transport calls it.
//! - [`Snapshot::export`] writes the zone as a master file.
//!
//! # Correctness
//! Queries never wait for the chain, and a snapshot never changes: an answer is from one finalized block. When the head
//! has become too old, answers fail instead of being wrong. Whatever bytes come, nothing panics, every table is bounded,
//! and peers can't make the log grow. DESIGN.md beside this crate argues for how it is done.
//!
//! # Non-goals
//! Recursion: names outside `.cairn` are forwarded to a resolver or refused, and a subdomain that is delegated to other
//! name servers is answered with a referral.

mod address;
mod alias;
mod compiled;
mod config;
mod connections;
mod context;
mod denial;
mod dnssec;
mod doh;
mod export;
mod feed;
mod forward;
mod lookup;
mod metrics;
mod padding;
mod portable;
mod query;
mod rate;
mod respond;
mod server;
mod signatures;
mod snapshot;
mod special;
mod stream;
mod tls;
mod udp;
#[cfg(target_os = "linux")]
mod udp_any;
mod wire;
mod writer;

pub use alias::AliasCache;
pub use config::{CertificateFiles, Config};
pub use dnssec::{KeyError, Signer, TrustAnchor, KEY_FILE};
pub use export::HostNames;
pub use feed::Feed;
pub use metrics::{Counter, Metrics, Via};
pub use portable::{refusal, Unportable};
pub use rate::RateLimit;
pub use respond::{Outcome, Reply, Responder, Transport};
pub use server::{Addresses, Server, StartError};
pub use snapshot::{
    NameEntry, Nameserver, SettingsError, Snapshot, SnapshotBuilder, SnapshotHandle, ZoneSettings, GRACE_SECONDS,
    NEGATIVE_TTL_SECONDS, TTL_SECONDS_MIN,
};
pub use tls::{CertificateError, CERTIFICATE_FILE};
pub use wire::NameBuf;
