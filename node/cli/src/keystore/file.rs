// SPDX-License-Identifier: Apache-2.0

//! The file of one account: polkadot-js' JSON, version 3, which every Substrate wallet imports and exports.
//!
//! `encoded` is base64 of
//! `salt[32] ‖ N[4] ‖ p[4] ‖ r[4] ‖ nonce[24] ‖ xsalsa20-poly1305(scrypt(passphrase), PKCS#8-like key)`, numbers little-endian;
//! the key is `header[16] ‖ secret[64] ‖ divider[5] ‖ public key[32]`.
//! Source: <https://github.com/polkadot-js/common> (`packages/keyring/src/pair/encode.ts`, `packages/util-crypto/src/json`).
//!
//! # Correctness
//! scrypt's cost is chosen by the file, so a file from outside could ask for days and all memory: only the parameters
//! that polkadot-js itself allows are accepted, at most 128 MiB.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{engine::general_purpose::STANDARD as BASE64, Engine as _};
use cairn_client::{
    address::{from_address, to_address, DEFAULT_SS58_PREFIX},
    keys::{Keypair, EXPANDED_SECRET_LEN},
    AccountId,
};
use crypto_secretbox::{
    aead::{Aead, KeyInit},
    Key, Nonce, XSalsa20Poly1305,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::random;
use crate::failure::{failed, usage, usage_with_remedy, Result};

/// A file that is bigger is no account.
pub const FILE_LEN_MAX: u64 = 64 * 1024;

const SALT_LEN: usize = 32;
const NONCE_LEN: usize = 24;
const PARAMS_LEN: usize = SALT_LEN + 12;
const HEADER: [u8; 16] = [48, 83, 2, 1, 1, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
const DIVIDER: [u8; 5] = [161, 35, 3, 33, 0];
const PLAIN_LEN: usize = HEADER.len() + EXPANDED_SECRET_LEN + DIVIDER.len() + 32;
const TAG_LEN: usize = 16;
const VERSION: &str = "3";

/// The cost of turning a passphrase into a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScryptParams {
    log_n: u8,
    p: u32,
    r: u32,
}

impl ScryptParams {
    /// 128 MiB and a third of a second: what OWASP recommends and present wallets accept.
    pub const STRONG: Self = Self { log_n: 17, p: 1, r: 8 };
    /// 32 MiB: the only one that wallets of before 2025 accept.
    pub const COMPATIBLE: Self = Self { log_n: 15, p: 1, r: 8 };
    /// All that polkadot-js accepts.
    const ALLOWED: [Self; 6] = [
        Self { log_n: 13, p: 10, r: 8 },
        Self { log_n: 14, p: 5, r: 8 },
        Self { log_n: 15, p: 3, r: 8 },
        Self::COMPATIBLE,
        Self { log_n: 16, p: 2, r: 8 },
        Self::STRONG,
    ];

    fn from_file(n: u32, p: u32, r: u32) -> Result<Self> {
        let allowed = Self::ALLOWED.into_iter().find(|known| (1u32 << known.log_n, known.p, known.r) == (n, p, r));
        allowed.ok_or_else(|| {
            usage(format!("its scrypt parameters (N {n}, p {p}, r {r}) are none that wallets use; it may be hostile"))
        })
    }

    fn derive(self, passphrase: &str, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
        let mut key = Zeroizing::new([0u8; 32]);
        let params = scrypt::Params::new(self.log_n, self.r, self.p, key.len())?;
        scrypt::scrypt(passphrase.as_bytes(), salt, &params, key.as_mut_slice())?;
        Ok(key)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Json {
    encoded: String,
    encoding: Encoding,
    address: String,
    #[serde(default)]
    meta: Meta,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Encoding {
    content: Vec<String>,
    #[serde(rename = "type")]
    kind: Vec<String>,
    version: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    #[serde(default)]
    genesis_hash: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    when_created: Option<u64>,
}

/// An account's file, encrypted.
#[derive(Clone, Debug)]
pub struct AccountFile {
    json: Json,
    account: AccountId,
}

impl AccountFile {
    /// Encrypts a key pair.
    pub fn encrypt(key: &Keypair, passphrase: &str, name: &str, params: ScryptParams) -> Result<Self> {
        let account = key.account_id();
        let secret = Zeroizing::new(key.to_expanded_secret());
        let mut plain = Zeroizing::new(Vec::with_capacity(PLAIN_LEN));
        for part in [&HEADER[..], secret.as_slice(), &DIVIDER, &account.0] {
            plain.extend_from_slice(part);
        }
        let (salt, nonce) = (random::<SALT_LEN>()?, random::<NONCE_LEN>()?);
        let derived = params.derive(passphrase, &salt)?;
        let cipher = XSalsa20Poly1305::new(Key::from_slice(derived.as_slice()));
        let sealed = cipher
            .encrypt(Nonce::from_slice(&nonce), plain.as_slice())
            .map_err(|_| failed("the key could not be encrypted", "try again"))?;
        let mut encoded = salt.to_vec();
        for number in [1u32 << params.log_n, params.p, params.r] {
            encoded.extend_from_slice(&number.to_le_bytes());
        }
        encoded.extend_from_slice(&nonce);
        encoded.extend_from_slice(&sealed);
        let encoding = Encoding {
            content: vec!["pkcs8".into(), "sr25519".into()],
            kind: vec!["scrypt".into(), "xsalsa20-poly1305".into()],
            version: VERSION.into(),
        };
        let meta = Meta { genesis_hash: None, name: Some(name.into()), when_created: Some(now_ms()) };
        let address = to_address(&account, DEFAULT_SS58_PREFIX);
        Ok(Self { json: Json { encoded: BASE64.encode(encoded), encoding, address, meta }, account })
    }

    /// Reads a file without decrypting it.
    ///
    /// # Errors
    /// A usage error if it is not an account that this program can use.
    pub fn from_json(text: &str) -> Result<Self> {
        if text.len() as u64 > FILE_LEN_MAX {
            return Err(usage("it is too big to be an account"));
        }
        let json: Json =
            serde_json::from_str(text).map_err(|error| usage(format!("it is not an account file: {error}")))?;
        let has = |list: &[String], item: &str| list.iter().any(|other| other == item);
        let Encoding { content, kind, version } = &json.encoding;
        if version != VERSION || !has(kind, "scrypt") || !has(kind, "xsalsa20-poly1305") || !has(content, "pkcs8") {
            return Err(usage_with_remedy(
                "its encryption is of an old or unknown kind",
                "export it again from a present version of the wallet it comes from",
            ));
        }
        if !has(content, "sr25519") {
            return Err(usage(format!(
                "it holds a key of another kind ({}); only sr25519 is supported",
                content.join(", ")
            )));
        }
        let (account, _) = from_address(&json.address)?;
        Ok(Self { json, account })
    }

    /// Decrypts the key pair.
    ///
    /// # Errors
    /// A usage error for a wrong passphrase, or a file that was tampered with.
    pub fn decrypt(&self, passphrase: &str) -> Result<Keypair> {
        let encoded = BASE64.decode(&self.json.encoded).map_err(|_| usage("it is damaged: not base64"))?;
        if encoded.len() != PARAMS_LEN + NONCE_LEN + PLAIN_LEN + TAG_LEN {
            return Err(usage("it is damaged: its length is wrong"));
        }
        let (head, sealed) = encoded.split_at(PARAMS_LEN + NONCE_LEN);
        let (params, nonce) = head.split_at(PARAMS_LEN);
        let (salt, numbers) = params.split_at(SALT_LEN);
        let number = |index: usize| u32::from_le_bytes(std::array::from_fn(|byte| numbers[4 * index + byte]));
        let derived = ScryptParams::from_file(number(0), number(1), number(2))?.derive(passphrase, salt)?;
        let cipher = XSalsa20Poly1305::new(Key::from_slice(derived.as_slice()));
        let plain = cipher.decrypt(Nonce::from_slice(nonce), sealed).map(Zeroizing::new).map_err(|_| {
            usage_with_remedy("the passphrase is wrong", "if you are sure of it, the file was changed: use your backup")
        })?;
        self.read_plain(&plain)
    }

    fn read_plain(&self, plain: &[u8]) -> Result<Keypair> {
        let damaged = || usage("it is damaged: what it holds is not a key");
        let rest = plain.strip_prefix(&HEADER).ok_or_else(damaged)?;
        let (secret, rest) = rest.split_at_checked(EXPANDED_SECRET_LEN).ok_or_else(damaged)?;
        let public = rest.strip_prefix(&DIVIDER).ok_or_else(damaged)?;
        let key = Keypair::from_expanded_secret(secret)?;
        if key.account_id().0 != *public || key.account_id() != self.account {
            return Err(usage("it is damaged: its key belongs to another address"));
        }
        Ok(key)
    }

    /// The account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// When it was made, in milliseconds since 1970, if it says so.
    pub fn created_ms(&self) -> Option<u64> {
        self.json.meta.when_created
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists only: nothing that can't be written.
        serde_json::to_string_pretty(&self.json).unwrap_or_default()
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
