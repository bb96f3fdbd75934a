// SPDX-License-Identifier: Apache-2.0

//! A drive's keys, and how they are handed to others.
//!
//! # Correctness
//! - A drive's key follows from its owner's secret, the chain and the drive's number; nothing has to be kept.
//! - Generations run along a backward hash chain: with the key of one generation all earlier ones are known, and no later
//!   one. Taking a reader's access away turns the key forward: what is written from then on is closed to it, what it could
//!   read before stays so.
//! - A drive that was handed to another owner has keys of several owners, each for the generations since it was theirs. The
//!   transfer turns the key: what the new owner writes is under a key of its own from the first byte on, and the former owner's
//!   last key, sealed to the new one, opens what was there.
//! - Secrets are wiped when they are dropped, and no `Debug` shows one.

use std::fmt;

use cairn_primitives::storage::DriveId;
use codec::{Decode, Encode};
use hpke::{
    aead::AesGcm256, kdf::HkdfSha256, kem::X25519HkdfSha256, Deserializable, Kem, OpModeR, OpModeS, Serializable,
};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Generations of a drive's key. So many revocations a drive can have, and no more.
pub const GENERATIONS_MAX: u32 = 4096;
/// Bytes of an account's expanded secret.
pub const ACCOUNT_SECRET_BYTES: usize = 64;
/// Bytes of a sealed key of one owner.
pub const SEALED_BYTES: usize = SEALED_OVERHEAD + KEY_BYTES;
/// Owners whose keys one can have at a time.
pub const OWNERS_MAX: usize = 5;

const KEY_BYTES: usize = 4 + 32;
const SEALED_OVERHEAD: usize = 1 + 32 + 16;
const SEALED_FORMAT: u8 = 1;
/// Of a key with keys of former owners.
const SEALED_MANY_FORMAT: u8 = 2;
const ROOT_CONTEXT: &str = "cairn/drive/root-key/v1";
const STEP_CONTEXT: &str = "cairn/drive/key-generation/v1";
const SEALING_CONTEXT: &str = "cairn/drive/sealing-key/v1";
const NAME_CONTEXT: &str = "cairn/drive/key-name/v1";
const GRANT_INFO: &str = "cairn/drive/grant/v1";

/// Why there is no such key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A key of a later generation than the one at hand.
    #[error(
        "the key at hand is of generation {have}, and {wanted} is needed: ask the drive's owner to share it again"
    )]
    Later {
        /// What is at hand.
        have: u32,
        /// What is needed.
        wanted: u32,
    },
    /// More than [`GENERATIONS_MAX`].
    #[error("generation {0} doesn't exist: a drive's key can be turned 4,096 times; move to a new drive")]
    NoGeneration(u32),
    /// The sealed key is for somebody else, for another drive, or broken.
    #[error("the sealed key can't be opened with this account: ask the drive's owner to share it again")]
    NotForUs,
    /// The account owns the drive, and can't open the key that was to come with it.
    #[error("this account owns the drive, and no key that opens what is in it came with it")]
    NotHanded,
    /// There are as many owners' keys as can be handed on.
    #[error(
        "the drive had {} owners, and the keys of no more can be handed on: make a new drive and copy what is in it",
        OWNERS_MAX
    )]
    TooManyOwners,
    /// The account's published key is none.
    #[error("the key that the account published is none: it has to publish another")]
    NoSealingKey,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
}

/// Random bytes.
///
/// # Errors
/// [`KeyError::NoRandomness`] if the operating system has none.
pub fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
    Ok(bytes)
}

/// A key of a drive; with it everything of its generation and of earlier ones can be read.
///
/// # Correctness
/// `former` are the last keys of former owners, the newest first, their generations falling and all below this one's.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct DriveKey {
    generation: u32,
    key: [u8; 32],
    former: Vec<(u32, [u8; 32])>,
}

impl DriveKey {
    /// The owner's key of a generation.
    ///
    /// # Errors
    /// [`KeyError::NoGeneration`] if there is none.
    pub fn of_owner(
        secret: &[u8; ACCOUNT_SECRET_BYTES],
        genesis: &[u8; 32],
        drive: DriveId,
        generation: u32,
    ) -> Result<Self, KeyError> {
        let mut hasher = blake3::Hasher::new_derive_key(ROOT_CONTEXT);
        hasher.update(secret).update(genesis).update(&drive.to_le_bytes());
        let newest = DriveKey { generation: GENERATIONS_MAX, key: *hasher.finalize().as_bytes(), former: Vec::new() };
        if generation >= GENERATIONS_MAX {
            return Err(KeyError::NoGeneration(generation));
        }
        newest.at(generation)
    }

    /// A key as it was published or handed over.
    ///
    /// # Errors
    /// [`KeyError::NoGeneration`] if there is no such generation.
    pub fn from_parts(generation: u32, key: [u8; 32]) -> Result<Self, KeyError> {
        if generation >= GENERATIONS_MAX {
            return Err(KeyError::NoGeneration(generation));
        }
        Ok(DriveKey { generation, key, former: Vec::new() })
    }

    /// The owner's key with what a former owner handed over, which opens what was there before.
    ///
    /// # Errors
    /// [`KeyError::NotHanded`] if that isn't a key of an earlier generation: it would be the former owner's, and known to it, that
    /// is written under.
    pub fn after(mut self, handed: &DriveKey) -> Result<Self, KeyError> {
        if handed.generation >= self.generation {
            return Err(KeyError::NotHanded);
        }
        self.former = handed.all().collect();
        Ok(self)
    }

    /// The key of this or an earlier generation.
    ///
    /// # Errors
    /// [`KeyError::Later`] for a later one.
    pub fn at(&self, generation: u32) -> Result<Self, KeyError> {
        if generation > self.generation {
            return Err(KeyError::Later { have: self.generation, wanted: generation });
        }
        let of_owner = self.all().enumerate().filter(|(_, (newest, _))| *newest >= generation).last();
        let (index, (newest, mut key)) = of_owner.expect("because its own generation is late enough");
        for _ in generation..newest {
            let later = Zeroizing::new(key);
            key = blake3::derive_key(STEP_CONTEXT, &*later);
        }
        let former = self.former.get(index..).unwrap_or_default().to_vec();
        let found = DriveKey { generation, key, former };
        key.zeroize();
        Ok(found)
    }

    /// This key and those of former owners, the newest first.
    fn all(&self) -> impl Iterator<Item = (u32, [u8; 32])> + '_ {
        [(self.generation, self.key)].into_iter().chain(self.former.iter().copied())
    }

    /// It opens what former owners wrote, too.
    pub fn has_former(&self) -> bool {
        !self.former.is_empty()
    }

    /// Which of the drive's keys it is.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The key itself: for whom it is to be published to, and for nobody else.
    pub fn expose(&self) -> &[u8; 32] {
        &self.key
    }

    /// A few bytes by which the holder of a key knows it, and from which nobody learns it.
    pub fn name(&self) -> [u8; 8] {
        let mut name = [0; 8];
        name.copy_from_slice(&blake3::derive_key(NAME_CONTEXT, &self.key)[..8]);
        name
    }
}

impl fmt::Debug for DriveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DriveKey(generation {})", self.generation)
    }
}

/// Opens what was sealed to an account; its public half is published on chain.
pub struct SealingKey {
    secret: <X25519HkdfSha256 as Kem>::PrivateKey,
    public: [u8; 32],
}

impl SealingKey {
    /// An account's sealing key.
    pub fn of_account(secret: &[u8; ACCOUNT_SECRET_BYTES]) -> Self {
        let material = Zeroizing::new(blake3::derive_key(SEALING_CONTEXT, secret));
        let (secret, public) = X25519HkdfSha256::derive_keypair(&*material);
        SealingKey { secret, public: public.to_bytes().into() }
    }

    /// What is published.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Opens a drive's key that was sealed to this account.
    ///
    /// # Errors
    /// [`KeyError::NotForUs`] if it wasn't, or was changed.
    pub fn open(
        &self,
        account: &[u8; 32],
        genesis: &[u8; 32],
        drive: DriveId,
        sealed: &[u8],
    ) -> Result<DriveKey, KeyError> {
        let (format, rest) = sealed.split_first().ok_or(KeyError::NotForUs)?;
        let (encapped, ciphertext) = rest.split_at_checked(32).ok_or(KeyError::NotForUs)?;
        let encapped = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapped).map_err(|_| KeyError::NotForUs)?;
        let plain = hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.secret,
            &encapped,
            &info(genesis, drive),
            ciphertext,
            account,
        );
        let plain = Zeroizing::new(plain.map_err(|_| KeyError::NotForUs)?);
        let (keys, rest) = plain.as_chunks::<KEY_BYTES>();
        let fits = match *format {
            SEALED_FORMAT => keys.len() == 1,
            SEALED_MANY_FORMAT => (2..=OWNERS_MAX).contains(&keys.len()),
            _ => false,
        };
        if !fits || !rest.is_empty() {
            return Err(KeyError::NotForUs);
        }
        // From the oldest to the newest.
        let mut found: Option<DriveKey> = None;
        for bytes in keys.iter().rev() {
            let (generation, key) = Decode::decode(&mut &bytes[..]).map_err(|_| KeyError::NotForUs)?;
            let next = DriveKey::from_parts(generation, key)?;
            found = Some(match found {
                Some(former) => next.after(&former).map_err(|_| KeyError::NotForUs)?,
                None => next,
            });
        }
        found.ok_or(KeyError::NotForUs)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", hex::encode(self.public))
    }
}

/// Seals a drive's key to an account that published `public`.
///
/// # Errors
/// [`KeyError::NoSealingKey`] if that is no key, [`KeyError::TooManyOwners`] if it doesn't fit.
pub fn seal(
    key: &DriveKey,
    account: &[u8; 32],
    public: &[u8; 32],
    genesis: &[u8; 32],
    drive: DriveId,
) -> Result<Vec<u8>, KeyError> {
    let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(public).map_err(|_| KeyError::NoSealingKey)?;
    let format = if key.has_former() { SEALED_MANY_FORMAT } else { SEALED_FORMAT };
    let mut plain = Zeroizing::new(Vec::with_capacity(OWNERS_MAX * KEY_BYTES));
    for one in key.all() {
        if plain.len() >= OWNERS_MAX * KEY_BYTES {
            return Err(KeyError::TooManyOwners);
        }
        one.encode_to(&mut *plain);
    }
    let (encapped, ciphertext) = hpke::single_shot_seal::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        &info(genesis, drive),
        &plain,
        account,
    )
    .map_err(|_| KeyError::NoSealingKey)?;
    let mut sealed = Vec::with_capacity(SEALED_OVERHEAD + plain.len());
    sealed.push(format);
    sealed.extend_from_slice(&encapped.to_bytes());
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

fn info(genesis: &[u8; 32], drive: DriveId) -> Vec<u8> {
    (GRANT_INFO, genesis, drive).encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 64] = [7; 64];
    const GENESIS: [u8; 32] = [1; 32];

    fn key(generation: u32) -> DriveKey {
        DriveKey::of_owner(&SECRET, &GENESIS, 5, generation).expect("a generation")
    }

    #[test]
    fn earlier_generations_follow_from_later_ones_and_not_the_other_way_round() {
        let later = key(9);
        for generation in 0..=9 {
            assert_eq!(later.at(generation).expect("earlier"), key(generation));
        }
        assert_eq!(later.at(10), Err(KeyError::Later { have: 9, wanted: 10 }));
        assert_ne!(key(3).expose(), key(4).expose());
        assert!(DriveKey::of_owner(&SECRET, &GENESIS, 5, GENERATIONS_MAX).is_err());
        assert!(DriveKey::from_parts(GENERATIONS_MAX, [0; 32]).is_err());
        key(GENERATIONS_MAX - 1);
    }

    #[test]
    fn every_drive_and_chain_has_its_own_key() {
        let own = key(0);
        let other = |secret: [u8; 64], genesis, drive| DriveKey::of_owner(&secret, &genesis, drive, 0).expect("first");
        assert_eq!(other(SECRET, GENESIS, 5), own);
        for other in [other(SECRET, GENESIS, 6), other(SECRET, [2; 32], 5), other([8; 64], GENESIS, 5)] {
            assert_ne!(other.expose(), own.expose());
            assert_ne!(other.name(), own.name());
        }
    }

    /// Drives that exist must stay readable: the derivation never changes.
    #[test]
    fn the_derivation_is_fixed() {
        assert_eq!(hex::encode(key(0).expose()), "0d8ddad31e975f877dc0300d0b59410cc6cec3e52fb0af7ea7a8f75092f7c638");
        assert_eq!(
            hex::encode(SealingKey::of_account(&SECRET).public()),
            "2d23e8cf6884069f5d7105eed24db1ddd97951f0cc55e308571d92153e1c2922"
        );
    }

    #[test]
    fn a_sealed_key_opens_for_its_account_alone() {
        let (bob, eve) = (SealingKey::of_account(&[2; 64]), SealingKey::of_account(&[3; 64]));
        let sealed = seal(&key(4), &[2; 32], &bob.public(), &GENESIS, 5).expect("sealed");
        assert_eq!(sealed.len(), SEALED_BYTES);
        assert_eq!(bob.open(&[2; 32], &GENESIS, 5, &sealed).expect("for Bob"), key(4));
        assert_eq!(eve.open(&[2; 32], &GENESIS, 5, &sealed), Err(KeyError::NotForUs));
        assert_eq!(bob.open(&[3; 32], &GENESIS, 5, &sealed), Err(KeyError::NotForUs), "another account");
        assert_eq!(bob.open(&[2; 32], &[9; 32], 5, &sealed), Err(KeyError::NotForUs), "another chain");
        assert_eq!(bob.open(&[2; 32], &GENESIS, 6, &sealed), Err(KeyError::NotForUs), "another drive");
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(bob.open(&[2; 32], &GENESIS, 5, &changed), Err(KeyError::NotForUs), "byte {position}");
        }
        assert_eq!(bob.open(&[2; 32], &GENESIS, 5, &sealed[..SEALED_BYTES - 1]), Err(KeyError::NotForUs));
        assert!(seal(&key(4), &[2; 32], &[0; 32], &GENESIS, 5).is_err(), "the neutral point is no key");
    }

    /// Alice's drive, handed to Bob at generation 3, and to Carol at generation 6.
    fn handed() -> (DriveKey, DriveKey, DriveKey) {
        let of =
            |secret: [u8; 64], generation| DriveKey::of_owner(&secret, &GENESIS, 5, generation).expect("a generation");
        let alices = of([1; 64], 3);
        let bobs = of([2; 64], 6).after(&alices).expect("later");
        let carols = of([3; 64], 9).after(&bobs).expect("later");
        (alices, bobs, carols)
    }

    #[test]
    fn each_generation_has_the_key_of_who_owned_the_drive_then() {
        let (alices, bobs, carols) = handed();
        for generation in 0..=9 {
            let found = carols.at(generation).expect("earlier");
            let of = match generation {
                0..=3 => alices.at(generation),
                4..=6 => bobs.at(generation),
                _ => DriveKey::of_owner(&[3; 64], &GENESIS, 5, generation),
            };
            let of = of.expect("earlier");
            assert_eq!((found.expose(), found.name()), (of.expose(), of.name()), "{generation}");
            assert_eq!(found.has_former(), generation > 3);
            for earlier in 0..=generation {
                assert_eq!(found.at(earlier), carols.at(earlier), "{earlier} from {generation}");
            }
        }
        assert_eq!(carols.at(10), Err(KeyError::Later { have: 9, wanted: 10 }));
        assert!(alices.at(4).is_err(), "who gave it away can't read what is written then");
    }

    #[test]
    fn nobody_is_made_to_write_under_a_key_that_another_knows() {
        let (alices, bobs, _) = handed();
        for generation in [0, 3] {
            let new = DriveKey::of_owner(&[4; 64], &GENESIS, 5, generation).expect("a generation");
            assert_eq!(new.after(&alices), Err(KeyError::NotHanded));
        }
        let new = DriveKey::of_owner(&[4; 64], &GENESIS, 5, 5).expect("a generation");
        assert_eq!(new.after(&bobs), Err(KeyError::NotHanded));
    }

    #[test]
    fn keys_of_former_owners_are_sealed_along_up_to_a_number() {
        let carol = SealingKey::of_account(&[3; 64]);
        let sealed = |key: &DriveKey| seal(key, &[2; 32], &carol.public(), &GENESIS, 5);
        let (_, _, mut key) = handed();
        let mut owners = 3;
        while let Ok(bytes) = sealed(&key) {
            assert!(bytes.len() <= cairn_primitives::storage::SEALED_BYTES_MAX as usize);
            assert_eq!(carol.open(&[2; 32], &GENESIS, 5, &bytes).expect("for Carol"), key);
            for position in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[position] ^= 3;
                assert_eq!(carol.open(&[2; 32], &GENESIS, 5, &changed), Err(KeyError::NotForUs), "byte {position}");
            }
            owners += 1;
            let next = DriveKey::of_owner(&[owners; 64], &GENESIS, 5, 9 + u32::from(owners)).expect("a generation");
            key = next.after(&key).expect("later");
        }
        assert_eq!((usize::from(owners), sealed(&key)), (OWNERS_MAX + 1, Err(KeyError::TooManyOwners)));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", key(3)), "DriveKey(generation 3)");
        assert!(!format!("{:?}", SealingKey::of_account(&SECRET)).contains("07070707"));
    }
}
