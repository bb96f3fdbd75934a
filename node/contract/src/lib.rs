// SPDX-License-Identifier: Apache-2.0

//! Builds contracts: from a crate (ink! 5, or plain Rust) to a `.contract` bundle that the chain takes.
//!
//! Today's Rust compiler writes modules that `pallet-contracts` refuses: its precompiled `core` copies memory with
//! instructions that came after the pallet, and the linker exports more than the two entry points. So a build takes these
//! steps, each of which can be used alone:
//!
//! 1. [`build`] compiles the crate together with `core` and `alloc` for the first version of WebAssembly;
//! 2. [`check_code`] looks for instructions that the chain refuses, and says in which function they are;
//! 3. [`strip`] keeps the exports `call` and `deploy`, caps the memory, drops custom sections;
//! 4. Binaryen's `wasm-opt` makes it smaller, if there is one ([`build::Options::wasm_opt`]);
//! 5. [`check`] holds the result against all rules of the chain, with the interpreter that the chain has;
//! 6. for ink! contracts a small program is built that contains the contract and prints its metadata;
//! 7. code and metadata go into one file, [`bundle`].
//!
//! [`new`](new::new) makes a crate to begin with.
//!
//! # Correctness
//! Modules come from anywhere: [`check`], [`check_code`] and [`strip`] answer every sequence of bytes with a result, and take
//! time linear in its length.

pub mod abi;
pub mod build;
pub mod bundle;
mod cargo;
mod check;
mod host;
mod metadata;
mod names;
pub mod new;
mod optimise;
mod refusal;
mod strip;

pub use build::build;
pub use check::{check, check_code};
pub use refusal::Refusal;
pub use strip::strip;

/// Most bytes of a contract's code that the chain takes.
pub const CODE_LEN_MAX: usize = 123 * 1024;
/// Most memory that a contract may have, in pages of 64 KiB.
pub const MEMORY_PAGES_MAX: u32 = 16;
/// Longest module that is looked at: what the compiler writes is longer than what is left of it.
pub const RAW_LEN_MAX: usize = 16 * 1024 * 1024;
/// The two functions that a contract exports.
pub const ENTRY_POINTS: [&str; 2] = ["call", "deploy"];
