// SPDX-License-Identifier: Apache-2.0

//! Whole drives, on vaults and a chain in memory that speak the real protocol and can be made to fail.

mod crash;
mod faults;
mod files;
mod manifest;
mod world;
