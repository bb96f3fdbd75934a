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
