// SPDX-License-Identifier: Apache-2.0

//! Vaults: registry, bond, reputation, and the draw of groups.

#![cfg_attr(not(feature = "std"), no_std)]
