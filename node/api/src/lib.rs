// SPDX-License-Identifier: Apache-2.0

//! The marketplace's proxies.

pub mod http;
pub mod journal;
pub mod ledger;
pub mod market;
pub mod openapi;
pub mod wire;
