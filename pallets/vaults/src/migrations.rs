// SPDX-License-Identifier: Apache-2.0

//! Migrations of this pallet's storage, one module for each version. Version 1 is the first.

pub mod v2;
