// SPDX-License-Identifier: Apache-2.0

//! What this program knows of the chain's pallets: typed reads as methods of [`View`](crate::View), and calls as
//! functions that make a [`Call`](crate::Call). One module per concern.

pub mod accounts;
pub mod clock;
pub mod contracts;
pub mod marketplace;
pub mod names;
pub mod pools;
pub mod session;
pub mod staking;
pub mod storage;
pub mod vaults;

#[cfg(test)]
mod metadata_tests;
