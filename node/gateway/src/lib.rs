// SPDX-License-Identifier: Apache-2.0

//! The gateway between Cairn and the old Internet.
//!
//! - [`dns`]: an authoritative DNS server for `.cairn` over UDP, TCP, TLS and HTTPS.

pub mod dns;
