// SPDX-License-Identifier: Apache-2.0

//! Memory for shards on their way from a disk or a peer to another, used again and again.
//!
//! What is allocated in one thread and freed in another, a mebibyte at a time and a gibibyte a second, goes back to the system and
//! comes anew: the kernel then clears as many pages as bytes are moved. Here it is kept for the next, up to [`KEPT_BYTES_MAX`].
//!
//! # Correctness
//! A [`Buffer`] that has just been taken holds anything, other shards perhaps: whoever takes it fills what is given on.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

/// Bytes that are kept while nobody has them, at most.
pub const KEPT_BYTES_MAX: usize = 32 << 20;
/// Buffers of fewer bytes are left to the allocator.
const BYTES_MIN: usize = 128 << 10;
/// As are those of more.
const BYTES_MAX: usize = 4 << 20;
/// Powers of two from the least to the most.
const CLASSES: usize = (BYTES_MAX / BYTES_MIN).trailing_zeros() as usize + 1;

static KEPT: Mutex<Kept> = Mutex::new(Kept::NONE);

struct Kept {
    bytes: usize,
    /// The last one that came is the first to go: it is likely to be in a core's cache.
    classes: [Vec<Vec<u8>>; CLASSES],
}

impl Kept {
    const NONE: Self = Kept { bytes: 0, classes: [const { Vec::new() }; CLASSES] };

    fn take(&mut self, class: usize) -> Option<Vec<u8>> {
        let taken = self.classes.get_mut(class)?.pop()?;
        self.bytes -= taken.len();
        Some(taken)
    }

    fn give(&mut self, bytes: Vec<u8>) {
        let Some(class) = class_of(bytes.len()).and_then(|class| self.classes.get_mut(class)) else { return };
        if self.bytes + bytes.len() <= KEPT_BYTES_MAX {
            self.bytes += bytes.len();
            class.push(bytes);
        }
    }
}

/// Which class serves so many bytes, if one does.
fn class_of(bytes: usize) -> Option<usize> {
    let rounded = (BYTES_MIN..=BYTES_MAX).contains(&bytes).then(|| bytes.next_power_of_two())?;
    Some((rounded / BYTES_MIN).trailing_zeros() as usize)
}

fn kept<T>(work: impl FnOnce(&mut Kept) -> T) -> T {
    work(&mut KEPT.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Memory of a fixed length, for its holder alone.
#[derive(Debug)]
pub struct Buffer {
    /// As long as its class.
    bytes: Vec<u8>,
    length: usize,
}

impl Buffer {
    /// So many bytes, **which may be anything**.
    pub fn new(length: usize) -> Self {
        let class = class_of(length);
        let bytes = class.and_then(|class| kept(|kept| kept.take(class)));
        Buffer { bytes: bytes.unwrap_or_else(|| vec![0; class.map_or(length, |class| BYTES_MIN << class)]), length }
    }

    /// Leaves off what is behind so many bytes.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Its bytes, to be shared. Once nobody has a part of them any more the memory is kept for another.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if class_of(bytes.len()).is_some() {
            kept(|kept| kept.give(bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_go_to_the_least_class_that_has_room() {
        let lengths =
            [0, 1, BYTES_MIN - 1, BYTES_MIN, BYTES_MIN + 1, 256 << 10, BYTES_MAX - 1, BYTES_MAX, BYTES_MAX + 1];
        let classes = lengths.map(class_of);
        assert_eq!(classes, [None, None, None, Some(0), Some(1), Some(1), Some(5), Some(5), None]);
    }

    #[test]
    fn memory_comes_back_when_the_last_part_is_gone() {
        let mut pool = Kept::NONE;
        let first = vec![7u8; BYTES_MIN];
        let place = first.as_ptr();
        pool.give(first);
        assert_eq!((pool.bytes, pool.take(0).map(|bytes| bytes.as_ptr())), (BYTES_MIN, Some(place)));
        assert_eq!((pool.bytes, pool.take(0)), (0, None));

        let mut buffer = Buffer::new(3 << 20);
        buffer.fill(5);
        buffer[1] = 6;
        let frozen = buffer.freeze();
        let part = frozen.slice(1..3);
        drop(frozen);
        // It isn't anybody else's while a part of it is held.
        let others: Vec<_> = (0..16).map(|_| Buffer::new(3 << 20)).collect();
        others.into_iter().for_each(|mut other| other.fill(0));
        assert_eq!(&part[..], [6, 5]);
    }

    #[test]
    fn no_more_is_kept_than_allowed() {
        let mut pool = Kept::NONE;
        for _ in 0..20 {
            pool.give(vec![0; BYTES_MAX]);
        }
        assert_eq!(pool.bytes, KEPT_BYTES_MAX);
        pool.give(vec![0; BYTES_MIN]);
        assert_eq!(pool.bytes, KEPT_BYTES_MAX);
        pool.take(CLASSES - 1);
        pool.give(vec![0; BYTES_MIN]);
        assert_eq!(pool.bytes, KEPT_BYTES_MAX - BYTES_MAX + BYTES_MIN);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever is taken, cut and given back, in whatever order: a buffer has its length, and its bytes are its own.
        #[test]
        fn buffers_are_as_long_as_asked_and_apart(steps in prop::collection::vec((0usize..5 << 20, any::<bool>()), 1..24)) {
            let mut held: Vec<(u8, Bytes)> = Vec::new();
            for (number, (length, drop_one)) in steps.into_iter().enumerate() {
                let mark = number as u8;
                let mut buffer = Buffer::new(length);
                prop_assert_eq!(buffer.len(), length);
                buffer.fill(mark);
                buffer.truncate(length / 2 + 1);
                prop_assert_eq!(buffer.len(), length.min(length / 2 + 1));
                held.push((mark, buffer.freeze()));
                if drop_one {
                    held.remove(held.len() / 2);
                }
                prop_assert!(held.iter().all(|(mark, bytes)| bytes.iter().all(|byte| byte == mark)));
            }
        }
    }
}
