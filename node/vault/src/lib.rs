// SPDX-License-Identifier: Apache-2.0

//! A vault: keeps shards, proves them, watches its groups, repairs. `DESIGN.md` beside this crate says why it is as it is.
//!
//! - [`Vault`]: the daemon. It is made of
//!   - the server, which takes shards against tickets and gives them to whoever asks;
//!   - the prover, which answers challenges and disputes;
//!   - the keeper, which follows what the chain says of its slots: commits, rebuilds, trims, removes;
//!   - the watcher, which asks the other vaults of its groups for what they must have;
//!   - the scrubber, which reads everything in a month and repairs what is damaged.
//! - [`Chain`]: what the daemon asks of the chain; [`ClientChain`] is the real one.
//!
//! # Correctness
//! - Shards are taken and receipts given only for what the **finalized** state says that this vault has to keep.
//! - Nothing is acknowledged and no receipt is signed before it is on disk, and what a receipt was signed for is not cut until
//!   the drive has moved on.
//! - No proof is sent that this vault hasn't verified itself: a wrong one costs the slot.
//! - What other vaults send is believed only under roots that the chain has.
//! - Nothing from the network makes this crate panic, or take more memory than its limits say.

mod chain;
mod config;
mod data;
mod keeper;
mod known;
mod metrics;
mod peers;
mod prover;
mod random;
mod reach;
mod rebuild;
mod scrubber;
mod serve;
mod status;
mod vault;
mod watcher;

pub use chain::{Action, Answer, Chain, ChainError, ClientChain, Held};
pub use config::{Config, Limits, Pace};
pub use data::{disk, open_key, DataError, DataFolder, Disk, KEY_FILE, LOCK_FILE, STORE_FOLDER};
pub use metrics::Metrics;
pub use reach::reach;
pub use vault::{StartError, Vault};

#[cfg(test)]
mod tests;
