// SPDX-License-Identifier: Apache-2.0

//! The marketplace's proxies: an API is sold call by call, and bought as if it were a base URL. DESIGN.md argues for it.
//!
//! | module | what |
//! | --- | --- |
//! | [`provider`] | stands before an HTTP server: checks, counts, signs, redeems |
//! | [`consumer`] | stands behind a program: picks providers, pays ahead within caps, checks answers, fails over |
//! | [`wire`] | what both say to each other |
//! | [`ledger`] | a provider's books: vouchers and what calls used of them |
//! | [`plan`] | a plan's units, period by period |
//! | [`journal`] | records on a disk |
//! | [`market`] | the contract, through `cairn-client` |
//! | [`openapi`] | documents, read with bounds, and requests and answers against them |
//! | [`http`] | a listener with limits, and connections that are used again |
//! | [`metrics`] | counters |

pub mod consumer;
pub mod http;
pub mod journal;
pub mod ledger;
pub mod market;
pub mod metrics;
pub mod openapi;
pub mod plan;
pub mod provider;
pub mod wire;

/// The hash by which the marketplace knows an OpenAPI document.
pub fn document_hash(document: &[u8]) -> blake3::Hash {
    blake3::hash(document)
}
