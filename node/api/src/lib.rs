// SPDX-License-Identifier: Apache-2.0

//! The marketplace's proxies.

pub mod openapi;
