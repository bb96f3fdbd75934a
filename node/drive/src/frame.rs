// SPDX-License-Identifier: Apache-2.0

//! Encryption of files, in frames of 64 KiB, so that a part of a file can be read without the rest.
//!
//! ```text
//! frame      nonce (12 bytes) || ciphertext (1 to 65,536 bytes) || tag (16 bytes)
//! nonce      first 12 bytes of BLAKE3-keyed(nonce key, frame number u64 || last u8 || BLAKE3(plaintext))
//! ciphertext AES-256-GCM with the content key; associated data: frame number u64 || last u8
//! commitment BLAKE3-derive(key || size u64 || BLAKE3(plaintext) of every frame)
//! ```
//! All frames but the last are full; an empty file has none. Every file has a random key of its own, from which the content
//! key and the nonce key are derived.
//!
//! # Correctness
//! - The nonce follows from the frame's content. Plain counters would be as good for a file that is encrypted once; but an
//!   upload that goes on after a crash encrypts its sources again under the same key, and these may have changed in the
//!   meantime. With counters two contents would then share key and nonce, which gives both away. So: another content, another
//!   nonce; and the same content is the same ciphertext, of which nothing has to be sent again.
//! - GCM doesn't commit to its key: one ciphertext may open under two keys. Here it may not: the opened frame's nonce must
//!   come out again, and a file's commitment binds its key to its whole plaintext.
//! - Number and last frame are authenticated: frames can't be swapped, repeated or cut off.

use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM, NONCE_LEN};
use zeroize::Zeroizing;

/// Bytes of a file in a frame; the last may have fewer.
pub const FRAME_BYTES: usize = 64 << 10;
/// Bytes that a frame is longer than what it holds.
pub const OVERHEAD_BYTES: usize = NONCE_LEN + TAG_BYTES;
/// Bytes of a full frame as it is stored.
pub const STORED_FRAME_BYTES: usize = FRAME_BYTES + OVERHEAD_BYTES;
/// Bytes of a file at most: 2^53, what every program that shows sizes can count.
pub const FILE_BYTES_MAX: u64 = 1 << 53;

const TAG_BYTES: usize = 16;
const CONTENT_CONTEXT: &str = "cairn/drive/content-key/v1";
const NONCE_CONTEXT: &str = "cairn/drive/content-nonce/v1";
const COMMITMENT_CONTEXT: &str = "cairn/drive/commitment/v1";

/// Frames of a file with so many bytes.
pub fn frames(size: u64) -> u64 {
    size.div_ceil(FRAME_BYTES as u64)
}

/// Bytes that a file takes as it is stored.
pub fn stored_bytes(size: u64) -> u64 {
    size + frames(size) * OVERHEAD_BYTES as u64
}

/// A frame that isn't the file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame {index} doesn't belong to the file")]
pub struct FrameError {
    /// Which.
    pub index: u64,
}

/// Encrypts and decrypts one file.
pub struct FileCipher {
    content: LessSafeKey,
    nonce: Zeroizing<[u8; 32]>,
}

impl FileCipher {
    /// For a file's key.
    pub fn new(key: &[u8; 32]) -> Self {
        let content = Zeroizing::new(blake3::derive_key(CONTENT_CONTEXT, key));
        let nonce = Zeroizing::new(blake3::derive_key(NONCE_CONTEXT, key));
        let content = UnboundKey::new(&AES_256_GCM, &*content).expect("because the key has the cipher's 32 bytes");
        FileCipher { content: LessSafeKey::new(content), nonce }
    }

    /// Encrypts the plaintext that fills `frame` between nonce and tag, whose room is there already, in place. Returns the
    /// plaintext's hash.
    ///
    /// # Errors
    /// [`FrameError`] if it is empty or longer than a frame.
    pub fn seal(&self, index: u64, last: bool, frame: &mut [u8]) -> Result<[u8; 32], FrameError> {
        if frame.len() <= OVERHEAD_BYTES || frame.len() > STORED_FRAME_BYTES {
            return Err(FrameError { index });
        }
        let (room, rest) = frame.split_at_mut(NONCE_LEN);
        let (plain, tag_room) = rest.split_at_mut(rest.len() - TAG_BYTES);
        let hash = *blake3::hash(plain).as_bytes();
        let nonce = self.nonce(index, last, &hash);
        room.copy_from_slice(&nonce);
        let (nonce, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(bound(index, last)));
        let tag = self.content.seal_in_place_separate_tag(nonce, aad, plain).map_err(|_| FrameError { index })?;
        tag_room.copy_from_slice(tag.as_ref());
        Ok(hash)
    }

    /// Decrypts a stored frame in place. Returns the plaintext and its hash.
    ///
    /// # Errors
    /// [`FrameError`] if it isn't this frame of this file.
    pub fn open<'a>(
        &self,
        index: u64,
        last: bool,
        frame: &'a mut [u8],
    ) -> Result<(&'a mut [u8], [u8; 32]), FrameError> {
        let wrong = FrameError { index };
        let (nonce, sealed) = frame.split_at_mut_checked(NONCE_LEN).ok_or(wrong)?;
        let nonce: [u8; NONCE_LEN] = (&*nonce).try_into().map_err(|_| wrong)?;
        let opened =
            self.content.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(bound(index, last)), sealed);
        let plain = opened.map_err(|_| wrong)?;
        let hash = *blake3::hash(plain).as_bytes();
        if self.nonce(index, last, &hash) != nonce {
            return Err(wrong);
        }
        Ok((plain, hash))
    }

    fn nonce(&self, index: u64, last: bool, hash: &[u8; 32]) -> [u8; NONCE_LEN] {
        let mut bytes = [0; 9 + 32];
        bytes[..9].copy_from_slice(&bound(index, last));
        bytes[9..].copy_from_slice(hash);
        let full = blake3::keyed_hash(&self.nonce, &bytes);
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&full.as_bytes()[..NONCE_LEN]);
        nonce
    }
}

fn bound(index: u64, last: bool) -> [u8; 9] {
    let mut bytes = [last.into(); 9];
    bytes[..8].copy_from_slice(&index.to_le_bytes());
    bytes
}

/// Binds a file's key to its plaintext; frames are added in their order.
#[derive(Clone, Debug, Default)]
pub struct Commitment {
    frames: Vec<[u8; 32]>,
    size: u64,
}

impl Commitment {
    /// Adds the next frame: its plaintext's hash and length.
    pub fn add(&mut self, hash: [u8; 32], bytes: usize) {
        self.frames.push(hash);
        self.size += bytes as u64;
    }

    /// Bytes added so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The commitment to what was added, under a file's key.
    pub fn finish(&self, key: &[u8; 32]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(COMMITMENT_CONTEXT);
        hasher.update(key).update(&self.size.to_le_bytes());
        self.frames.iter().for_each(|hash| {
            hasher.update(hash);
        });
        *hasher.finalize().as_bytes()
    }

    /// The commitment to everything that a reader gives, under a file's key: whether a file is the one that is stored.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn of_reader(mut reader: impl std::io::Read, key: &[u8; 32]) -> std::io::Result<[u8; 32]> {
        let mut frame = vec![0; FRAME_BYTES];
        let mut all = Commitment::default();
        loop {
            match fill(&mut reader, &mut frame)? {
                0 => return Ok(all.finish(key)),
                bytes => all.add(*blake3::hash(&frame[..bytes]).as_bytes(), bytes),
            }
        }
    }
}

/// Reads until the buffer is full or the source ends; returns the bytes read.
pub(crate) fn fill(reader: &mut impl std::io::Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {},
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 32] = [9; 32];

    fn sealed(key: &[u8; 32], index: u64, last: bool, plain: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; plain.len() + OVERHEAD_BYTES];
        frame[NONCE_LEN..NONCE_LEN + plain.len()].copy_from_slice(plain);
        FileCipher::new(key).seal(index, last, &mut frame).expect("fits");
        frame
    }

    fn opens(key: &[u8; 32], index: u64, last: bool, frame: &[u8]) -> Option<Vec<u8>> {
        let mut frame = frame.to_vec();
        FileCipher::new(key).open(index, last, &mut frame).ok().map(|(plain, _)| plain.to_vec())
    }

    #[test]
    fn frames_open_in_their_place_alone() {
        let frame = sealed(&KEY, 3, false, b"content");
        assert_eq!(opens(&KEY, 3, false, &frame).as_deref(), Some(&b"content"[..]));
        assert_eq!(opens(&KEY, 4, false, &frame), None, "elsewhere in the file");
        assert_eq!(opens(&KEY, 3, true, &frame), None, "as the file's end");
        assert_eq!(opens(&[8; 32], 3, false, &frame), None, "in another file");
        for position in 0..frame.len() {
            let mut changed = frame.clone();
            changed[position] ^= 0x80;
            assert_eq!(opens(&KEY, 3, false, &changed), None, "byte {position}");
        }
        for length in 0..frame.len() {
            assert_eq!(opens(&KEY, 3, false, &frame[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn another_content_never_meets_the_same_nonce() {
        let frames = [
            sealed(&KEY, 0, false, b"one"),
            sealed(&KEY, 0, false, b"two"),
            sealed(&KEY, 1, false, b"one"),
            sealed(&KEY, 0, true, b"one"),
            sealed(&[8; 32], 0, false, b"one"),
        ];
        for (i, a) in frames.iter().enumerate() {
            for b in &frames[..i] {
                assert_ne!(a[..NONCE_LEN], b[..NONCE_LEN]);
            }
        }
        assert_eq!(frames[0], sealed(&KEY, 0, false, b"one"), "the same content is the same ciphertext");
    }

    #[test]
    fn lengths_at_the_boundaries() {
        let frame = FRAME_BYTES as u64;
        for (size, count) in [(0, 0), (1, 1), (frame - 1, 1), (frame, 1), (frame + 1, 2), (3 * frame, 3)] {
            assert_eq!(frames(size), count, "{size}");
            assert_eq!(stored_bytes(size), size + count * 28, "{size}");
        }
        let cipher = FileCipher::new(&KEY);
        assert!(cipher.seal(0, true, &mut [0; OVERHEAD_BYTES]).is_err(), "empty");
        assert!(cipher.seal(0, true, &mut vec![0; STORED_FRAME_BYTES + 1]).is_err(), "too long");
        cipher.seal(0, true, &mut vec![0; STORED_FRAME_BYTES]).expect("full");
        cipher.seal(0, true, &mut [0; OVERHEAD_BYTES + 1]).expect("a byte");
    }

    #[test]
    fn a_commitment_names_key_and_content() {
        let of = |key: &[u8; 32], content: &[u8]| Commitment::of_reader(content, key).expect("in memory");
        let content = vec![5; FRAME_BYTES + 1];
        let own = of(&KEY, &content);
        assert_eq!(own, of(&KEY, &content));
        for (key, content) in
            [(&[8; 32], &content[..]), (&KEY, &content[1..]), (&KEY, &[]), (&KEY, &[&content[1..], &[6]].concat())]
        {
            assert_ne!(own, of(key, content));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn what_is_sealed_opens(plain in prop::collection::vec(any::<u8>(), 1..2000), index: u64, last: bool) {
            let frame = sealed(&KEY, index, last, &plain);
            prop_assert_eq!(opens(&KEY, index, last, &frame), Some(plain));
        }
    }
}
