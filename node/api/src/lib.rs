// SPDX-License-Identifier: Apache-2.0

//! The marketplace's proxies.

pub mod consumer;
pub mod http;
pub mod journal;
pub mod ledger;
pub mod market;
pub mod metrics;
pub mod openapi;
pub mod provider;
pub mod wire;

/// The hash by which the marketplace knows an OpenAPI document.
pub fn document_hash(document: &[u8]) -> blake3::Hash {
    blake3::hash(document)
}
