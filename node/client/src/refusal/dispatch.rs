// SPDX-License-Identifier: Apache-2.0

//! Errors of the runtime, from their bytes to names and words.

use codec::Decode;
use subxt::Metadata;

use super::{remedies, Refusal, Stage};
use crate::error::Retry;

/// `sp_runtime::DispatchError` as it lies in events and in the answers of dry runs.
///
/// Decoded by hand because a dry run's answer goes on after it: only the bytes that belong to it are taken.
#[derive(Clone, Debug, PartialEq, Eq, Decode)]
pub enum DispatchError {
    /// Without further information.
    Other,
    /// Something referred to doesn't exist.
    CannotLookup,
    /// The origin may not do this.
    BadOrigin,
    /// An error that a pallet defines.
    Module {
        /// The pallet.
        index: u8,
        /// Its error; the first byte is the variant.
        error: [u8; 4],
    },
    /// The account is still in use.
    ConsumerRemaining,
    /// The account can't exist yet.
    NoProviders,
    /// The account is used by too many.
    TooManyConsumers,
    /// About funds.
    Token(u8),
    /// Overflow and the like.
    Arithmetic(u8),
    /// About nested transactions.
    Transactional(u8),
    /// Resources exhausted.
    Exhausted,
    /// The state is corrupt.
    Corruption,
    /// Not available now.
    Unavailable,
    /// Root may not do this.
    RootNotAllowed,
    /// About a proof.
    Trie(u8),
}

/// `TokenError`'s variants in their order, with their meaning.
const TOKEN: [(&str, &str); 10] = [
    ("FundsUnavailable", "the funds are not available"),
    ("OnlyProvider", "this part of the balance keeps the account alive and can't be moved"),
    ("BelowMinimum", "the receiving account would end up below the existential deposit and can't exist with that"),
    ("CannotCreate", "the account can't be created"),
    ("UnknownAsset", "there is no such asset"),
    ("Frozen", "the funds are frozen"),
    ("Unsupported", "the asset doesn't support this"),
    ("CannotCreateHold", "the account can't be created for a held balance"),
    ("NotExpendable", "this would close the account"),
    ("Blocked", "the account can't receive this"),
];

const ARITHMETIC: [&str; 3] = ["Underflow", "Overflow", "DivisionByZero"];

impl DispatchError {
    /// The error in words, by the names in the runtime's metadata.
    pub(crate) fn explain(&self, metadata: &Metadata, stage: Stage) -> Refusal {
        let (code, reason) = self.name_and_reason(metadata);
        let remedy = remedies::for_code(&code).map(Into::into);
        Refusal { code, reason, remedy, stage, retry: Retry::Never }
    }

    fn name_and_reason(&self, metadata: &Metadata) -> (String, String) {
        let fixed = |name: &str, reason: &str| (name.to_string(), reason.to_string());
        match self {
            DispatchError::Module { index, error } => module(*index, error[0], metadata),
            DispatchError::Token(variant) => match TOKEN.get(usize::from(*variant)) {
                Some((name, reason)) => (format!("Token::{name}"), reason.to_string()),
                None => (format!("Token::{variant}"), "a token error this program doesn't know".into()),
            },
            DispatchError::Arithmetic(variant) => {
                let name = ARITHMETIC.get(usize::from(*variant)).copied().unwrap_or("Unknown");
                (format!("Arithmetic::{name}"), "a number is too big, too small, or divided by zero".into())
            },
            DispatchError::Transactional(_) => fixed("Transactional", "calls are nested too deeply"),
            DispatchError::Other => fixed("Other", "the runtime gave no reason"),
            DispatchError::CannotLookup => fixed("CannotLookup", "something that the call refers to doesn't exist"),
            DispatchError::BadOrigin => fixed("BadOrigin", "this account may not make this call"),
            DispatchError::ConsumerRemaining => {
                fixed("ConsumerRemaining", "the account is still used (staking, deposits) and can't be closed")
            },
            DispatchError::NoProviders => fixed("NoProviders", "the account doesn't exist yet: it holds nothing"),
            DispatchError::TooManyConsumers => fixed("TooManyConsumers", "the account is used by too many things"),
            DispatchError::Exhausted => fixed("Exhausted", "the call needs more than a block can give"),
            DispatchError::Corruption => fixed("Corruption", "the chain's state is corrupt"),
            DispatchError::Unavailable => fixed("Unavailable", "something needed isn't available at the moment"),
            DispatchError::RootNotAllowed => fixed("RootNotAllowed", "root may not make this call"),
            DispatchError::Trie(_) => fixed("Trie", "a storage proof is wrong"),
        }
    }
}

fn module(pallet_index: u8, error_index: u8, metadata: &Metadata) -> (String, String) {
    let unknown = || {
        let reason = "an error that the runtime's metadata doesn't name";
        (format!("Module::{pallet_index}::{error_index}"), reason.into())
    };
    let Some(pallet) = metadata.pallet_by_error_index(pallet_index) else { return unknown() };
    let Some(variant) = pallet.error_variant_by_index(error_index) else { return unknown() };
    let docs = variant.docs.join(" ");
    let docs = docs.split_whitespace().collect::<Vec<_>>().join(" ");
    let reason = if docs.is_empty() { "the pallet says no more about it".to_string() } else { docs };
    (format!("{}::{}", pallet.name(), variant.name), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_bytes_are_taken() {
        let mut input = &[3u8, 6, 2, 0, 0, 0, 0xaa, 0xbb][..];
        let error = DispatchError::decode(&mut input).expect("valid");
        assert_eq!(error, DispatchError::Module { index: 6, error: [2, 0, 0, 0] });
        assert_eq!(input, [0xaa, 0xbb]);
    }

    #[test]
    fn variants_are_at_the_runtimes_indices() {
        for (bytes, expected) in [
            (&[0u8][..], DispatchError::Other),
            (&[2], DispatchError::BadOrigin),
            (&[7, 2], DispatchError::Token(2)),
            (&[8, 1], DispatchError::Arithmetic(1)),
            (&[13], DispatchError::RootNotAllowed),
            (&[14, 0], DispatchError::Trie(0)),
        ] {
            assert_eq!(DispatchError::decode(&mut &bytes[..]).expect("valid"), expected);
        }
        assert!(DispatchError::decode(&mut &[15u8][..]).is_err());
        assert!(DispatchError::decode(&mut &[3u8, 1][..]).is_err());
    }
}
