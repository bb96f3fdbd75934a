// SPDX-License-Identifier: Apache-2.0

//! What consumers and providers of the marketplace sign: byte formats shared by the contract and the proxies.
//!
//! | type | who signs | what for |
//! | --- | --- | --- |
//! | [`Voucher`] | a consumer's authorised signer | pays a provider: the contract redeems it |
//! | [`Answer`] | a provider's answer key | binds a provider to what it answered: two that conflict cost it its bond |
//! | [`Badge`] | a consumer's authorised signer | lets a user of the consumer spend up to a limit; never seen by the contract |
//!
//! # What is signed
//! Every type has one form. All numbers are little-endian and of fixed width, so that SCALE and these bytes are the same:
//!
//! ```text
//! domain ‖ genesis ‖ the other fields in the order of their declaration
//! ```
//!
//! `domain` names purpose and version, `genesis` the chain, `contract` the marketplace: what was signed for one of them serves
//! no other. Vouchers and badges are signed by people's wallets too. A wallet signs bytes only between `<Bytes>` and
//! `</Bytes>` (so that nobody can be made to sign a transaction as if it were a message), so that is the form for everybody:
//! [`Voucher::signed_bytes`], [`Badge::signed_bytes`]. A page hands [`Voucher::bytes`] to the wallet, which wraps them. Answers
//! are signed by machines, and not wrapped.
//!
//! Signatures are sr25519 over these bytes, with the signing context `substrate`.
//!
//! # A voucher, byte by byte
//!
//! | offset | length | |
//! | --- | --- | --- |
//! | 0 | 7 | `<Bytes>` |
//! | 7 | 16 | `cairn/voucher/v1` |
//! | 23 | 32 | genesis: hash of the chain's block 0 |
//! | 55 | 32 | contract: the marketplace's account |
//! | 87 | 32 | consumer: whose balance pays |
//! | 119 | 32 | signer: public key of who signs, as authorised by the consumer |
//! | 151 | 32 | provider: who is paid |
//! | 183 | 4 | api: number of the API in the marketplace |
//! | 187 | 4 | epoch: of the signer's authorisation |
//! | 191 | 8 | calls since the epoch began |
//! | 199 | 8 | units since the epoch began |
//! | 207 | 16 | value since the epoch began, in plancks |
//! | 223 | 8 | `</Bytes>` |
//!
//! `calls`, `units` and `value` are totals, not differences: a voucher replaces all that came before it for the same consumer,
//! epoch and API. Redeeming one twice, or one that is older, pays nothing.
//!
//! `vectors.json` beside this crate has examples with signatures.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

mod answer;
mod badge;
mod voucher;
mod writer;

pub use answer::Answer;
pub use badge::Badge;
pub use voucher::Voucher;

/// An account, a public key or a hash.
pub type Bytes32 = [u8; 32];
/// An sr25519 signature.
pub type Signature = [u8; 64];

/// What a wallet puts before bytes that it signs.
pub const WRAP_START: &[u8; 7] = b"<Bytes>";
/// What a wallet puts behind them.
pub const WRAP_END: &[u8; 8] = b"</Bytes>";
/// The signing context of all signatures here, for libraries that ask for one.
pub const SIGNING_CONTEXT: &[u8] = b"substrate";

#[cfg(test)]
mod tests;
