// SPDX-License-Identifier: Apache-2.0

//! Drives: what vaults are liable for, proven, paid and repaired.

#![cfg_attr(not(feature = "std"), no_std)]
