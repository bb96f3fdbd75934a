// SPDX-License-Identifier: Apache-2.0

//! The sr25519 key pairs that sign transactions.
//!
//! Keys come from a recovery phrase (BIP-39 words, Substrate's derivation), from a secret URI (`phrase//path`), or from
//! the expanded secret that wallet files hold. The derivations are those of every Substrate wallet.
//!
//! # Correctness
//! A secret is wiped from memory when its [`Keypair`] or [`Phrase`] is dropped, and no `Debug` output or error of this
//! module holds one.

use std::{fmt, str::FromStr};

use schnorrkel::{derive::Derivation, ExpansionMode, MiniSecretKey, SecretKey};
use subxt_signer::{bip39::Mnemonic, DeriveJunction, ExposeSecret, SecretString, SecretUri};

use crate::{error::Error, AccountId};

/// Length of an expanded secret.
pub const EXPANDED_SECRET_LEN: usize = 64;
/// Longest text that is looked at as a secret URI.
const SECRET_URI_LEN_MAX: usize = 1024;
/// The context of all signatures of Substrate chains.
const SIGNING_CONTEXT: &[u8] = b"substrate";

/// A key pair that can sign for an account.
#[derive(Clone)]
pub struct Keypair(schnorrkel::Keypair);

impl Keypair {
    /// The key pair of a secret URI: `words`, `words//hard/soft///password`, `0x` and 32 bytes in hex, or `//Alice` for
    /// the well-known development keys.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is none of these; the reason doesn't repeat the text.
    pub fn from_secret_uri(text: &str) -> Result<Self, Error> {
        if text.len() > SECRET_URI_LEN_MAX {
            return Err(Error::invalid("recovery phrase", "it is far too long"));
        }
        if text.is_empty() {
            // The format would take it for the phrase of the development keys, which everybody knows.
            return Err(Error::invalid("recovery phrase", "it is empty"));
        }
        let uri = SecretUri::from_str(text)
            .map_err(|_| Error::invalid("recovery phrase", "it must be words, optionally followed by //path"))?;
        let password = uri.password.as_ref().map_or("", |password| password.expose_secret());
        let mut secret = mini_secret(uri.phrase.expose_secret(), password)?.expand(ExpansionMode::Ed25519);
        for junction in uri.junctions {
            secret = match junction {
                DeriveJunction::Soft(code) => secret.derived_key_simple(schnorrkel::derive::ChainCode(code), []).0,
                DeriveJunction::Hard(code) => secret
                    .hard_derive_mini_secret_key(Some(schnorrkel::derive::ChainCode(code)), b"")
                    .0
                    .expand(ExpansionMode::Ed25519),
            };
        }
        Ok(Self(secret.to_keypair()))
    }

    /// The key pair of an expanded secret as wallet files hold it (ed25519 form).
    ///
    /// # Errors
    /// [`Error::Invalid`] if the bytes are no such secret.
    pub fn from_expanded_secret(bytes: &[u8]) -> Result<Self, Error> {
        let secret = SecretKey::from_ed25519_bytes(bytes)
            .map_err(|_| Error::invalid("secret key", "it is not an sr25519 key"))?;
        Ok(Self(secret.to_keypair()))
    }

    /// The expanded secret in the form of wallet files. The caller wipes it.
    pub fn to_expanded_secret(&self) -> [u8; EXPANDED_SECRET_LEN] {
        self.0.secret.to_ed25519_bytes()
    }

    /// The account that this key pair signs for.
    pub fn account_id(&self) -> AccountId {
        AccountId::from(self.0.public.to_bytes())
    }

    /// Signs a message the way Substrate chains expect it.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign_simple(SIGNING_CONTEXT, message).to_bytes()
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keypair({})", self.account_id())
    }
}

fn mini_secret(phrase: &str, password: &str) -> Result<MiniSecretKey, Error> {
    if let Some(seed) = phrase.strip_prefix("0x") {
        let mut bytes = [0u8; 32];
        hex::decode_to_slice(seed, &mut bytes)
            .map_err(|_| Error::invalid("seed", "it must be 0x and 64 hex digits"))?;
        return MiniSecretKey::from_bytes(&bytes).map_err(|_| Error::invalid("seed", "it is not a key"));
    }
    // bip39's own messages name the position and never the word.
    let mnemonic = Mnemonic::from_str(phrase)
        .map_err(|error| Error::invalid("recovery phrase", format!("it is not a BIP-39 phrase: {error}")))?;
    let (entropy, len) = mnemonic.to_entropy_array();
    substrate_bip39::mini_secret_from_entropy(&entropy[..len], password)
        .map_err(|_| Error::invalid("recovery phrase", "its length is wrong"))
}

/// A recovery phrase, wiped on drop.
pub struct Phrase(SecretString);

/// How many words a new phrase has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhraseLength {
    /// 128 bits.
    Words12,
    /// 256 bits.
    Words24,
}

impl PhraseLength {
    /// Bytes of randomness that such a phrase holds.
    pub fn entropy_len(self) -> usize {
        match self {
            PhraseLength::Words12 => 16,
            PhraseLength::Words24 => 32,
        }
    }
}

impl Phrase {
    /// The phrase that writes down the given randomness (16 bytes for 12 words, 32 for 24).
    ///
    /// # Errors
    /// [`Error::Invalid`] for another length.
    pub fn from_entropy(entropy: &[u8]) -> Result<Self, Error> {
        let mnemonic =
            Mnemonic::from_entropy(entropy).map_err(|error| Error::invalid("randomness", error.to_string()))?;
        Ok(Self(SecretString::from(mnemonic.to_string())))
    }

    /// The words. Not to be logged.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl subxt::tx::Signer<crate::config::CairnConfig> for Keypair {
    fn account_id(&self) -> AccountId {
        Keypair::account_id(self)
    }

    fn sign(&self, payload: &[u8]) -> subxt::utils::MultiSignature {
        subxt::utils::MultiSignature::Sr25519(Keypair::sign(self, payload))
    }
}

/// Verifies a signature made by [`Keypair::sign`].
pub fn verify(account: &AccountId, message: &[u8], signature: &[u8; 64]) -> bool {
    let (Ok(public), Ok(signature)) =
        (schnorrkel::PublicKey::from_bytes(&account.0), schnorrkel::Signature::from_bytes(signature))
    else {
        return false;
    };
    public.verify_simple(SIGNING_CONTEXT, message, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signer that other Substrate programs use must agree on every form of secret.
    #[test]
    fn derivation_agrees_with_other_wallets() {
        let words = subxt_signer::DEV_PHRASE;
        let seed = format!("0x{}", "17".repeat(32));
        for uri in [
            "//Alice".to_string(),
            "//Bob//stash".to_string(),
            words.to_string(),
            format!("{words}//hard/soft//7/0007"),
            format!("{words}/soft///password"),
            seed.clone(),
            format!("{seed}//x"),
        ] {
            let theirs = subxt_signer::sr25519::Keypair::from_uri(&uri.parse().expect("valid URI")).expect("valid");
            let ours = Keypair::from_secret_uri(&uri).expect("valid");
            assert_eq!(ours.account_id().0, theirs.public_key().0, "{uri}");
        }
    }

    #[test]
    fn expanded_secrets_round_trip_and_sign() {
        let alice = Keypair::from_secret_uri("//Alice").expect("valid");
        let again = Keypair::from_expanded_secret(&alice.to_expanded_secret()).expect("valid");
        assert_eq!(alice.account_id(), again.account_id());
        let signature = again.sign(b"message");
        assert!(verify(&alice.account_id(), b"message", &signature));
        assert!(!verify(&alice.account_id(), b"massage", &signature));
    }

    #[test]
    fn errors_never_repeat_the_secret() {
        let wrong = "bottom drive obey lake curtain smoke basket hold race lonely fit xylophonix";
        for text in [wrong, "0x1234secret", "one two", &"word ".repeat(300), "", "a\u{0}b"] {
            let Err(error) = Keypair::from_secret_uri(text) else { continue };
            let shown = format!("{error} {error:?}");
            for word in ["xylophonix", "secret1", "1234secret", "bottom", "word word"] {
                assert!(!shown.contains(word), "{shown}");
            }
        }
        assert!(Keypair::from_secret_uri(wrong).is_err());
    }

    #[test]
    fn phrases_have_the_words_asked_for() {
        for (length, words) in [(PhraseLength::Words12, 12), (PhraseLength::Words24, 24)] {
            let phrase = Phrase::from_entropy(&vec![7; length.entropy_len()]).expect("valid length");
            assert_eq!(phrase.expose().split(' ').count(), words);
            Keypair::from_secret_uri(phrase.expose()).expect("usable");
        }
        assert!(Phrase::from_entropy(&[0; 15]).is_err());
    }

    #[test]
    fn debug_shows_the_account_only() {
        let shown = format!("{:?}", Keypair::from_secret_uri("//Alice").expect("valid"));
        assert_eq!(shown, "Keypair(5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY)");
    }
}
