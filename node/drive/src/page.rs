// SPDX-License-Identifier: Apache-2.0

//! Encryption of the manifest's parts, and pages: the stripes that every vault of a drive holds alike.
//!
//! ```text
//! sealed     magic "CRN1" || key generation u32 || key name (8 bytes) || salt (32) || commitment (32) || ciphertext || tag (16)
//! key, commitment = BLAKE3-derive(drive key || salt), 32 bytes each
//! ciphertext AES-256-GCM, nonce 0; associated data: the 16 bytes before the salt; plaintext: length u32 || bytes || zeros
//! page       a sealed part that is as long as a shard: all shards of its stripe are equal to it
//! ```
//! # Correctness
//! - The salt follows from a secret of the commit and from all that is sealed. So no two contents share a key, and a fixed nonce is
//!   safe; and a commit that is made again after a crash makes the same bytes again: vaults that have signed for them keep
//!   exactly these.
//! - The commitment is checked before anything is decrypted: no sealed part opens under two keys.
//! - A page is known by its stripe, its size and one id ([`PageRef`]), whatever the coding: any single vault can serve it,
//!   and any single shard of it can be checked. Everything else in a drive is found from pages.

use bytes::Bytes;
use cairn_primitives::storage::{ShardId, ShardSize};
use codec::{Decode, Encode};
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM, NONCE_LEN};
use zeroize::Zeroizing;

use crate::keys::{DriveKey, KeyError};

/// Bytes that a sealed part is longer than what it holds, at least.
pub const SEALED_OVERHEAD: usize = HEADER_BYTES + 4 + TAG_BYTES;

const MAGIC: &[u8; 4] = b"CRN1";
const BOUND_BYTES: usize = 16;
const HEADER_BYTES: usize = BOUND_BYTES + 32 + 32;
const TAG_BYTES: usize = 16;
const PART_CONTEXT: &str = "cairn/drive/sealed-part/v1";

/// Where a page is, and what authenticates it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub struct PageRef {
    /// Its stripe.
    pub stripe: u64,
    /// How long it is.
    pub size: ShardSize,
    /// Its hash: the id of each shard of its stripe.
    pub id: ShardId,
}

impl PageRef {
    /// As one word.
    pub fn to_text(&self) -> String {
        format!("{}.{}.{}", self.stripe, self.size.units(), hex::encode(self.id))
    }

    /// Reads what [`Self::to_text`] gives.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (stripe, units, id) = (parts.next()?, parts.next()?, parts.next()?);
        let size = ShardSize::from_units(units.parse().ok()?)?;
        let page = PageRef { stripe: stripe.parse().ok()?, size, id: hex::decode(id).ok()?.try_into().ok()? };
        parts.next().is_none().then_some(page)
    }
}

/// Why a sealed part can't be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealedError {
    /// It is none, or was sealed under a key that isn't the one at hand.
    #[error("it was encrypted under another key, or is broken")]
    WrongKey,
    /// There is no key for it.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It doesn't fit where it has to go.
    #[error("{bytes} bytes don't fit into {room}")]
    TooLong {
        /// Its bytes.
        bytes: usize,
        /// Room there is.
        room: usize,
    },
}

/// Seals a part so that it becomes exactly `length` bytes long. `secret` is the commit's, and random.
///
/// # Errors
/// [`SealedError::TooLong`] if it doesn't fit.
pub fn seal(key: &DriveKey, secret: &[u8; 32], plain: &[u8], length: usize) -> Result<Bytes, SealedError> {
    let room = length.checked_sub(SEALED_OVERHEAD);
    let too_long = SealedError::TooLong { bytes: plain.len(), room: room.unwrap_or(0) };
    let fits = room.is_some_and(|room| plain.len() <= room);
    let counted = u32::try_from(plain.len()).ok().filter(|_| fits).ok_or_else(|| too_long.clone())?;
    let mut hasher = blake3::Hasher::new_keyed(secret);
    hasher.update(&key.generation().to_le_bytes()).update(&key.name()).update(&(length as u64).to_le_bytes());
    let salt = *hasher.update(plain).finalize().as_bytes();
    let (cipher, commitment) = derive(key, &salt);
    let mut sealed = Vec::with_capacity(length);
    sealed.extend_from_slice(MAGIC);
    sealed.extend_from_slice(&key.generation().to_le_bytes());
    sealed.extend_from_slice(&key.name());
    sealed.extend_from_slice(&salt);
    sealed.extend_from_slice(&commitment);
    sealed.extend_from_slice(&counted.to_le_bytes());
    sealed.extend_from_slice(plain);
    sealed.resize(length - TAG_BYTES, 0);
    let (header, body) = sealed.split_at_mut(HEADER_BYTES);
    let (nonce, aad) = (Nonce::assume_unique_for_key([0; NONCE_LEN]), Aad::from(&header[..BOUND_BYTES]));
    let tag = cipher.seal_in_place_separate_tag(nonce, aad, body).map_err(|_| too_long)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed.into())
}

/// Opens a sealed part with the key of its or of a later generation.
///
/// # Errors
/// [`SealedError::WrongKey`] if the key isn't its own; [`KeyError::Later`] if it is of a later generation.
pub fn open(key: &DriveKey, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealedError> {
    let (header, body) = sealed.split_at_checked(HEADER_BYTES).ok_or(SealedError::WrongKey)?;
    let field = |from: usize, to: usize| -> &[u8] { &header[from..to] };
    if field(0, 4) != MAGIC {
        return Err(SealedError::WrongKey);
    }
    let key = key.at(generation_of(sealed).ok_or(SealedError::WrongKey)?)?;
    let salt: [u8; 32] = field(16, 48).try_into().map_err(|_| SealedError::WrongKey)?;
    let (cipher, commitment) = derive(&key, &salt);
    if field(8, 16) != key.name() || field(48, 80) != commitment {
        return Err(SealedError::WrongKey);
    }
    let mut body = Zeroizing::new(body.to_vec());
    let (nonce, aad) = (Nonce::assume_unique_for_key([0; NONCE_LEN]), Aad::from(field(0, BOUND_BYTES)));
    let padded = cipher.open_in_place(nonce, aad, &mut body).map_err(|_| SealedError::WrongKey)?.len();
    body.truncate(padded);
    let (length, rest) = body.split_at_checked(4).ok_or(SealedError::WrongKey)?;
    let length = length.iter().rev().fold(0, |value: usize, byte| value << 8 | usize::from(*byte));
    Ok(Zeroizing::new(rest.get(..length).ok_or(SealedError::WrongKey)?.to_vec()))
}

/// Which generation's key a part says that it is sealed under. That is so if [`open`] opens it.
pub(crate) fn generation_of(sealed: &[u8]) -> Option<u32> {
    let bytes = sealed.get(4..8)?;
    Some(bytes.iter().rev().fold(0, |value: u32, byte| value << 8 | u32::from(*byte)))
}

/// The shortest size of a page that holds so many bytes.
pub fn page_size(plain: usize) -> Option<ShardSize> {
    ShardSize::ALL.into_iter().find(|size| plain + SEALED_OVERHEAD <= size.bytes())
}

/// The single-use key of a part, and its commitment.
fn derive(key: &DriveKey, salt: &[u8; 32]) -> (LessSafeKey, [u8; 32]) {
    let mut both = Zeroizing::new([0; 64]);
    let mut hasher = blake3::Hasher::new_derive_key(PART_CONTEXT);
    hasher.update(key.expose()).update(salt).finalize_xof().fill(&mut *both);
    let cipher = UnboundKey::new(&AES_256_GCM, &both[..32]).expect("because the key has the cipher's 32 bytes");
    let mut commitment = [0; 32];
    commitment.copy_from_slice(&both[32..]);
    (LessSafeKey::new(cipher), commitment)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: [u8; 32] = [4; 32];

    fn key(generation: u32) -> DriveKey {
        DriveKey::of_owner(&[7; 64], &[1; 32], 5, generation).expect("a generation")
    }

    #[test]
    fn parts_open_with_their_key_and_with_later_ones() {
        let sealed = seal(&key(3), &COMMIT, b"a record", 4096).expect("fits");
        assert_eq!(sealed.len(), 4096);
        for generation in [3, 4, 100] {
            assert_eq!(&open(&key(generation), &sealed).expect("ours")[..], b"a record");
        }
        assert_eq!(open(&key(2), &sealed), Err(KeyError::Later { have: 2, wanted: 3 }.into()));
        let other = DriveKey::of_owner(&[7; 64], &[1; 32], 6, 3).expect("another drive's");
        assert_eq!(open(&other, &sealed), Err(SealedError::WrongKey));
    }

    #[test]
    fn changed_and_cut_parts_are_refused() {
        let sealed = seal(&key(0), &COMMIT, b"a record", 256).expect("fits");
        for position in 0..sealed.len() {
            let mut changed = sealed.to_vec();
            changed[position] ^= 1;
            assert!(open(&key(0), &changed).is_err(), "byte {position}");
            assert!(open(&key(0), &sealed[..position]).is_err(), "{position} bytes");
        }
    }

    #[test]
    fn room_is_counted_exactly() {
        for size in ShardSize::ALL {
            let most = size.bytes() - SEALED_OVERHEAD;
            assert_eq!(page_size(most), Some(size));
            let sealed = seal(&key(0), &COMMIT, &vec![1; most], size.bytes()).expect("just fits");
            assert_eq!(open(&key(0), &sealed).expect("ours").len(), most);
            assert!(matches!(
                seal(&key(0), &COMMIT, &vec![1; most + 1], size.bytes()),
                Err(SealedError::TooLong { .. })
            ));
        }
        assert_eq!(page_size(ShardSize::K256.bytes() - SEALED_OVERHEAD + 1), None);
        assert!(seal(&key(0), &COMMIT, b"", SEALED_OVERHEAD - 1).is_err());
    }

    #[test]
    fn equal_parts_look_different_but_for_the_same_commit() {
        let sealed = |secret: u8, plain: &[u8]| seal(&key(0), &[secret; 32], plain, 4096).expect("fits");
        assert_eq!(sealed(1, b"a record"), sealed(1, b"a record"));
        let (one, other) = (sealed(1, b"a record"), sealed(1, b"a recorc"));
        for other in [other, sealed(2, b"a record")] {
            assert_ne!(one[BOUND_BYTES..HEADER_BYTES], other[BOUND_BYTES..HEADER_BYTES], "another key");
        }
    }
}
