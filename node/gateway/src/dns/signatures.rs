// SPDX-License-Identifier: Apache-2.0

//! Bounded cache of signatures, so that hot answers are signed once a day.
//!
//! Two generations a shard: when the young one is full it becomes the old one, and what is used again moves back. Random
//! questions can push out what nobody asks for, not what is asked for all the time.
//!
//! # Correctness
//! An entry is found by a hash and used only if the bytes it signs are the same.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::dnssec::SIGNATURE_REFRESH_SECONDS;

const SHARDS: usize = 64;

/// A signature with its times, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// From when it is valid.
    pub begins: u32,
    /// Until when it is valid.
    pub expires: u32,
    /// When it was made.
    pub made: u64,
    /// What the key made.
    pub bytes: [u8; 64],
}

struct Entry {
    signed: Box<[u8]>,
    signature: Signature,
}

#[derive(Default)]
struct Shard {
    young: HashMap<u64, Entry>,
    old: HashMap<u64, Entry>,
}

/// The cache.
pub struct SignatureCache {
    shards: Vec<Mutex<Shard>>,
    generation_max: usize,
    hasher: RandomState,
    made: AtomicU64,
    found: AtomicU64,
}

impl SignatureCache {
    /// A cache of at most about `signatures_max` entries (at least one a shard and generation).
    pub fn new(signatures_max: usize) -> Self {
        SignatureCache {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            generation_max: (signatures_max / SHARDS / 2).max(1),
            hasher: RandomState::new(),
            made: AtomicU64::new(0),
            found: AtomicU64::new(0),
        }
    }

    /// The signature of `signed`, made by `make` if there is none or if it is due for a new one.
    pub fn get_or_make(&self, signed: &[u8], now: u64, make: impl FnOnce(&[u8]) -> Signature) -> Signature {
        let hash = self.hasher.hash_one(signed);
        let shard = &self.shards[(hash >> 32) as usize % SHARDS];
        let lock = || shard.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut shard = lock();
            if let Some(entry) = shard.young.get(&hash).filter(|entry| entry.is_for(signed, now)) {
                self.found.fetch_add(1, Ordering::Relaxed);
                return entry.signature;
            }
            if let Some(entry) = shard.old.remove(&hash).filter(|entry| entry.is_for(signed, now)) {
                self.found.fetch_add(1, Ordering::Relaxed);
                let signature = entry.signature;
                shard.put(hash, entry, self.generation_max);
                return signature;
            }
        }
        let signature = make(signed);
        self.made.fetch_add(1, Ordering::Relaxed);
        lock().put(hash, Entry { signed: signed.into(), signature }, self.generation_max);
        signature
    }

    /// Signatures made and signatures found.
    pub fn counts(&self) -> (u64, u64) {
        (self.made.load(Ordering::Relaxed), self.found.load(Ordering::Relaxed))
    }
}

impl Entry {
    fn is_for(&self, signed: &[u8], now: u64) -> bool {
        // A clock that was set back makes signatures anew, too.
        let age = now.checked_sub(self.signature.made);
        age.is_some_and(|age| age <= SIGNATURE_REFRESH_SECONDS) && *self.signed == *signed
    }
}

impl Shard {
    fn put(&mut self, hash: u64, entry: Entry, generation_max: usize) {
        if self.young.len() >= generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(made: u64) -> Signature {
        Signature { begins: 0, expires: 0, made, bytes: [made as u8; 64] }
    }

    #[test]
    fn the_cache_stays_bounded_and_keeps_what_is_used() {
        let cache = SignatureCache::new(SHARDS * 4);
        for number in 0..10_000u32 {
            cache.get_or_make(&number.to_be_bytes(), 5, |_| signature(5));
            cache.get_or_make(b"hot", 5, |_| signature(5));
        }
        let entries: usize = cache
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.lock().unwrap();
                shard.young.len() + shard.old.len()
            })
            .sum();
        assert!(entries <= SHARDS * 4, "{entries}");
        assert_eq!(cache.counts().0, 10_001, "the hot one was made once");
    }

    #[test]
    fn an_entry_is_used_for_a_day() {
        let cache = SignatureCache::new(100);
        let made = |now| cache.get_or_make(b"set", now, |_| signature(now)).made;
        assert_eq!(made(1000), 1000);
        assert_eq!(made(1000 + SIGNATURE_REFRESH_SECONDS), 1000);
        assert_eq!(made(1001 + SIGNATURE_REFRESH_SECONDS), 1001 + SIGNATURE_REFRESH_SECONDS);
        assert_eq!(made(999), 999);
    }
}
