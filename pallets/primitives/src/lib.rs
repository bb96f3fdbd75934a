// SPDX-License-Identifier: Apache-2.0

//! Types and checks that the chain and the machines around it share.
//!
//! # Correctness
//! Whatever of a type from here was decoded is valid: decoding checks what construction checks. So a reader of the chain
//! or of the network never meets a value that the rules exclude, and nothing here panics, whatever the bytes.
//!
//! - [`names`]: labels, records and zones of `.cairn` names.
//! - [`storage`]: shards, their logs, and proofs of chunks.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod names;
pub mod storage;
