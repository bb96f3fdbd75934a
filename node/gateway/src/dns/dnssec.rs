// SPDX-License-Identifier: Apache-2.0

//! Signing answers as they are given: one ECDSA P-256 key (algorithm 13) that signs both the zone and its own DNSKEY.
//!
//! # Correctness
//! Names that a wildcard stands in for are signed as if they existed, so that a signature is over exactly what is in the
//! answer. The key never leaves this module and is kept in a file that only its owner can read.

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use ring::digest::{digest, SHA256};
use ring::rand::SystemRandom;
use ring::signature::{EcdsaKeyPair, KeyPair, ECDSA_P256_SHA256_FIXED_SIGNING};

use super::signatures::{Signature, SignatureCache};
use super::wire::{name_to_text, CLASS_IN, ZONE_NAME};

/// The key's file in the data folder.
pub const KEY_FILE: &str = "dnssec-csk.pk8";
/// How far a validator's clock may be behind.
pub const CLOCK_SLACK_SECONDS: u64 = 3600;
/// How long a signature is valid from when it is made.
pub const SIGNATURE_SECONDS: u64 = 4 * 24 * 3600;
/// A signature older than this is made anew, so that what is given out stays valid for three days.
pub const SIGNATURE_REFRESH_SECONDS: u64 = 24 * 3600;
/// Time to live of the DNSKEY record.
pub const DNSKEY_TTL_SECONDS: u32 = 3600;

const ALGORITHM_ECDSA_P256: u8 = 13;
const DIGEST_SHA256: u8 = 2;
/// Zone key, and entry point for trust.
const KEY_FLAGS: u16 = 257;
const DNSSEC_PROTOCOL: u8 = 3;
/// Bytes of an RRSIG's data: 18 fixed, the signer's name, the signature.
pub const RRSIG_BYTES: usize = 18 + ZONE_NAME.len() + 64;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file can't be read or written.
    #[error("DNSSEC key {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path} holds no ECDSA P-256 key: restore it from a backup, or remove it for a new one (the DS changes)")]
    Invalid {
        /// Which.
        path: String,
    },
    /// Others may read the file.
    #[error(
        "{path} can be read by others (mode {mode:03o}): chmod 600 {path}, and replace the key if it may have leaked"
    )]
    Exposed {
        /// Which.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// No randomness for a new key.
    #[error("the system gives no randomness for a new key")]
    NoRandomness,
}

/// What a validating resolver has to be told to trust this server's zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    /// The DS record as a line of a master file.
    pub ds: String,
    /// The DNSKEY record as a line of a master file.
    pub dnskey: String,
}

impl TrustAnchor {
    /// As a clause of BIND's and delv's `trust-anchors`.
    pub fn to_bind(&self) -> String {
        let mut fields = self.ds.split_whitespace().skip(3);
        let mut next = || fields.next().unwrap_or_default();
        let (tag, algorithm, digest_type) = (next(), next(), next());
        format!("trust-anchors {{ cairn. static-ds {tag} {algorithm} {digest_type} \"{}\"; }};", next())
    }
}

/// Signs record sets.
pub struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    dnskey: Vec<u8>,
    key_tag: u16,
    cache: SignatureCache,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Signer {
    /// The key in `folder`, made there on first use; `signatures_max` bounds the cache of signatures.
    ///
    /// # Errors
    /// [`KeyError`]; its text says what to do.
    pub fn open(folder: &Path, signatures_max: usize) -> Result<Signer, KeyError> {
        let path = folder.join(KEY_FILE);
        let shown = path.display().to_string();
        let file = |source| KeyError::File { path: shown.clone(), source };
        let der = match fs::read(&path) {
            Ok(der) => {
                let mode = fs::metadata(&path).map_err(file)?.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(KeyError::Exposed { path: shown, mode });
                }
                der
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                    .map_err(|_| KeyError::NoRandomness)?;
                write_private(&path, der.as_ref()).map_err(file)?;
                tracing::info!(path = %shown, "made a new DNSSEC key; its DS has to be given to validating resolvers");
                der.as_ref().to_vec()
            },
            Err(error) => return Err(file(error)),
        };
        Signer::from_pkcs8(&der, signatures_max).ok_or(KeyError::Invalid { path: shown })
    }

    /// A signer with this key; `None` if it is no ECDSA P-256 key.
    pub fn from_pkcs8(der: &[u8], signatures_max: usize) -> Option<Signer> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random).ok()?;
        let mut dnskey = KEY_FLAGS.to_be_bytes().to_vec();
        dnskey.extend_from_slice(&[DNSSEC_PROTOCOL, ALGORITHM_ECDSA_P256]);
        // Without the byte that says "uncompressed point".
        dnskey.extend_from_slice(&key.public_key().as_ref()[1..]);
        let key_tag = key_tag(&dnskey);
        Some(Signer { key, random, dnskey, key_tag, cache: SignatureCache::new(signatures_max) })
    }

    /// The data of the zone's DNSKEY record.
    pub fn dnskey(&self) -> &[u8] {
        &self.dnskey
    }

    /// What validating resolvers have to be told.
    pub fn trust_anchor(&self) -> TrustAnchor {
        let zone = name_to_text(ZONE_NAME);
        let hash = digest(&SHA256, &[ZONE_NAME, &self.dnskey].concat());
        let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let key = STANDARD.encode(&self.dnskey[4..]);
        TrustAnchor {
            ds: format!("{zone} IN DS {} {ALGORITHM_ECDSA_P256} {DIGEST_SHA256} {hex}", self.key_tag),
            dnskey: format!("{zone} IN DNSKEY {KEY_FLAGS} {DNSSEC_PROTOCOL} {ALGORITHM_ECDSA_P256} {key}"),
        }
    }

    /// Signatures made and signatures found in the cache since the start.
    pub fn counts(&self) -> (u64, u64) {
        self.cache.counts()
    }

    /// The RRSIG data for a set. `owner` and `records` are in canonical form and order; `now` in seconds since 1970.
    pub fn rrsig<'a>(
        &self,
        owner: &[u8],
        rtype: u16,
        ttl_seconds: u32,
        records: impl Iterator<Item = &'a [u8]> + Clone,
        now: u64,
    ) -> [u8; RRSIG_BYTES] {
        SCRATCH.with_borrow_mut(|scratch| {
            let set = &mut *scratch;
            set.clear();
            for data in records {
                set.extend_from_slice(owner);
                set.extend_from_slice(&rtype.to_be_bytes());
                set.extend_from_slice(&CLASS_IN.to_be_bytes());
                set.extend_from_slice(&ttl_seconds.to_be_bytes());
                set.extend_from_slice(&(data.len() as u16).to_be_bytes());
                set.extend_from_slice(data);
            }
            let mut data = [0; RRSIG_BYTES];
            data[..2].copy_from_slice(&rtype.to_be_bytes());
            data[2] = ALGORITHM_ECDSA_P256;
            data[3] = label_count(owner);
            data[4..8].copy_from_slice(&ttl_seconds.to_be_bytes());
            data[16..18].copy_from_slice(&self.key_tag.to_be_bytes());
            data[18..18 + ZONE_NAME.len()].copy_from_slice(ZONE_NAME);
            let signature = self.cache.get_or_make(set, now, |signed| {
                let expires = (now + SIGNATURE_SECONDS) as u32;
                let begins = now.saturating_sub(CLOCK_SLACK_SECONDS) as u32;
                data[8..12].copy_from_slice(&expires.to_be_bytes());
                data[12..16].copy_from_slice(&begins.to_be_bytes());
                let message = [&data[..18 + ZONE_NAME.len()], signed].concat();
                let made = self.key.sign(&self.random, &message).expect("the system has randomness: the key was made");
                let bytes = made.as_ref().try_into().expect("a P-256 signature has 64 bytes");
                Signature { begins, expires, made: now, bytes }
            });
            data[8..12].copy_from_slice(&signature.expires.to_be_bytes());
            data[12..16].copy_from_slice(&signature.begins.to_be_bytes());
            data[18 + ZONE_NAME.len()..].copy_from_slice(&signature.bytes);
            data
        })
    }
}

/// The RRSIG's count of labels: neither the root nor a leftmost `*` counts.
fn label_count(owner: &[u8]) -> u8 {
    let (mut at, mut count) = (0, 0u8);
    while let Some(&length) = owner.get(at).filter(|length| **length != 0) {
        count += 1;
        at += 1 + usize::from(length);
    }
    count - u8::from(owner.starts_with(b"\x01*"))
}

/// RFC 4034, appendix B.
fn key_tag(dnskey: &[u8]) -> u16 {
    let sum = dnskey
        .iter()
        .enumerate()
        .fold(0u32, |sum, (at, byte)| sum + if at % 2 == 0 { u32::from(*byte) << 8 } else { u32::from(*byte) });
    (sum + (sum >> 16)) as u16
}

/// Writes a file that nobody else can read, whole or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension("partial");
    let _ = fs::remove_file(&partial);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A link fails where the file has come into being meanwhile; renaming would replace it.
    let linked = fs::hard_link(&partial, path);
    fs::remove_file(&partial)?;
    linked
}

#[cfg(test)]
mod tests {
    use super::super::wire::rtype;
    use super::*;
    use ring::signature::{UnparsedPublicKey, ECDSA_P256_SHA256_FIXED};

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn the_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = Signer::open(folder.path(), 10).unwrap().trust_anchor();
        assert_eq!(Signer::open(folder.path(), 10).unwrap().trust_anchor(), first);
        let path = folder.path().join(KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Signer::open(folder.path(), 10), Err(KeyError::Exposed { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"no key").unwrap();
        assert!(matches!(Signer::open(folder.path(), 10), Err(KeyError::Invalid { .. })));
        assert!(matches!(Signer::open(&path, 10), Err(KeyError::File { .. })));
    }

    #[test]
    fn the_trust_anchor_is_text_that_other_programs_read() {
        let folder = tempfile::tempdir().unwrap();
        let anchor = Signer::open(folder.path(), 10).unwrap().trust_anchor();
        let ds: Vec<_> = anchor.ds.split(' ').collect();
        assert_eq!((ds[0], ds[1], ds[2], ds[4], ds[5], ds[6].len()), ("cairn.", "IN", "DS", "13", "2", 64));
        assert!(anchor.dnskey.starts_with("cairn. IN DNSKEY 257 3 13 "));
        assert_eq!(anchor.to_bind(), format!("trust-anchors {{ cairn. static-ds {} 13 2 \"{}\"; }};", ds[3], ds[6]));
    }

    #[test]
    fn signatures_verify_and_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let signer = Signer::open(folder.path(), 100).unwrap();
        let owner = b"\x01*\x01a\x05cairn\0";
        let records: [&[u8]; 2] = [&[1, 1, 1, 1], &[2, 2, 2, 2]];
        let data = signer.rrsig(owner, rtype::A, 300, records.into_iter(), NOW);
        assert_eq!(data[3], 2, "the asterisk doesn't count");
        let mut signed = data[..25].to_vec();
        for record in records {
            signed.extend_from_slice(owner);
            signed.extend_from_slice(&[0, 1, 0, 1, 0, 0, 1, 44, 0, 4]);
            signed.extend_from_slice(record);
        }
        let key = [&[4][..], &signer.dnskey()[4..]].concat();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key).verify(&signed, &data[25..]).unwrap();

        assert_eq!(signer.rrsig(owner, rtype::A, 300, records.into_iter(), NOW + 3600), data);
        assert_eq!(signer.counts(), (1, 1));
        let later = NOW + SIGNATURE_REFRESH_SECONDS + 1;
        assert_ne!(signer.rrsig(owner, rtype::A, 300, records.into_iter(), later), data);
        assert_ne!(signer.rrsig(owner, rtype::A, 301, records.into_iter(), NOW), data);
        assert_eq!(signer.counts(), (3, 1));
    }

    #[test]
    fn the_key_tag_is_that_of_the_rfc() {
        // RFC 6605, section 6.1.
        let key = "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let bits: Vec<u8> = key.bytes().filter_map(|c| digits.iter().position(|d| *d == c)).map(|d| d as u8).collect();
        let bytes: Vec<u8> = bits
            .chunks(4)
            .flat_map(|four| {
                let bits = four.iter().fold(0u32, |bits, six| bits << 6 | u32::from(*six)) << (6 * (4 - four.len()));
                bits.to_be_bytes()[1..four.len()].to_vec()
            })
            .collect();
        assert_eq!(STANDARD.encode(&bytes), key);
        assert_eq!(key_tag(&[&[1, 1, 3, 13][..], &bytes].concat()), 55648);
    }
}
