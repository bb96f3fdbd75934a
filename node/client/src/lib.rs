// SPDX-License-Identifier: Apache-2.0

//! Everything that is not the chain itself talks to the chain through this crate.
//!
//! - [`Client`]: a connection over one or several endpoints, with failover and reconnection.
//! - [`View`]: the state at one block; the modules of [`chain`] add typed reads.
//! - [`Call`]: something to ask of the runtime; made by the functions in [`chain`].
//! - [`Account`]: signs calls and submits them, any number at the same time; one actor per account counts nonces.
//! - [`Submitted`]: a transaction on its way; [`Submitted::finalized`] waits for its end and tells what happened.
//! - [`Error`]: says whose turn it is ([`Error::kind`]) and whether to try again ([`Error::retry`]).
//!
//! # Correctness
//! What a finalized [`View`] shows is final as far as the node that was asked is honest, unless the client is a light one
//! ([`Client::light`]): that verifies everything against the finality that the validators signed. A dishonest node can
//! lie about balances and fees and withhold transactions. It can't have another call signed than the call that was asked for:
//! calls are encoded by the metadata that the node serves, and that metadata's hash is signed with them (RFC 78), as are the
//! coin's name and decimals. The chain refuses a transaction for metadata that isn't its runtime's.
//!
//! What is signed can't be changed afterwards or replayed on another chain, by any node: keys never leave this process,
//! and a signature binds the call's bytes, the nonce, a lifetime and the genesis hash.

pub mod address;
pub mod chain;
pub mod keys;

mod account;
mod amount;
mod call;
mod client;
mod config;
mod convert;
mod error;
mod event;
mod follow;
mod node;
mod nonce;
mod refusal;
mod submission;
mod transport;
mod view;

pub use account::{Account, LIFETIME_BLOCKS};
pub use amount::{decimal, Crn, CRN_DECIMALS};
pub use call::Call;
pub use client::Client;
pub use error::{Error, ErrorKind, Retry, Unreachable};
pub use event::Event;
pub use follow::{Finalized, FinalizedBlock};
pub use node::{ChainType, NodeStatus, Properties};
pub use refusal::{DispatchError, Refusal, Stage};
pub use submission::{Progress, Receipt, Submitted};
pub use transport::{check_url, is_exposed, LightSpecification, SPECIFICATION_BYTES_MAX};
pub use view::View;

/// Identifies an account: its public key.
pub use subxt::utils::AccountId32 as AccountId;
/// A block's or a transaction's hash.
pub use subxt::utils::H256 as Hash;
