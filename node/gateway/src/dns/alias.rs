// SPDX-License-Identifier: Apache-2.0

//! ALIAS: addresses taken from another name. Within the zone they come from the snapshot; from outside through the
//! forwarder, whose answers are kept in a small bounded cache.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::compiled::Records;
use super::lookup::{lookup, Found};
use super::snapshot::{Snapshot, TtlCap, NEGATIVE_TTL_SECONDS};
use super::wire::{rtype, NameBuf};

/// Links of CNAME and ALIAS that are followed.
pub const LINKS_MAX: usize = 8;
/// How long a failure to find addresses is remembered.
pub const FAILURE_SECONDS: u64 = 5;
/// Longest time for which addresses from outside are kept.
pub const ADDRESSES_SECONDS_MAX: u32 = 3600;
/// Most addresses kept for one name.
pub const ADDRESSES_MAX: usize = 16;

/// What was learnt from outside about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Learnt {
    /// Address data, sorted; none if the name has none.
    Addresses(Arc<[Box<[u8]>]>),
    /// It could not be found out.
    Failed,
}

/// Bounded cache of addresses of names outside the zone.
pub struct AliasCache {
    generation_max: usize,
    generations: Mutex<[Names; 2]>,
}

/// What is kept by name (wire form) and type.
type Names = HashMap<(Box<[u8]>, u16), Kept>;

#[derive(Clone)]
struct Kept {
    learnt: Learnt,
    until: u64,
}

impl AliasCache {
    /// A cache of at most `names_max` entries.
    pub fn new(names_max: usize) -> Self {
        AliasCache { generation_max: (names_max / 2).max(1), generations: Mutex::default() }
    }

    /// What is known of `name`, and for how many seconds it still holds.
    pub fn get(&self, name: &NameBuf, qtype: u16, now: u64) -> Option<(Learnt, u32)> {
        let key = (name.wire().into(), qtype);
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = generations.iter().find_map(|names| names.get(&key))?;
        let left = kept.until.checked_sub(now).filter(|left| *left > 0)?;
        Some((kept.learnt.clone(), u32::try_from(left).unwrap_or(u32::MAX)))
    }

    /// Remembers what was learnt for `seconds`, at least one.
    pub fn put(&self, name: &NameBuf, qtype: u16, learnt: Learnt, seconds: u64, now: u64) {
        let key = (name.wire().into(), qtype);
        let [young, old] = &mut *self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if young.len() >= self.generation_max && !young.contains_key(&key) {
            *old = std::mem::take(young);
        }
        young.insert(key, Kept { learnt, until: now + seconds.max(1) });
    }
}

/// Where an ALIAS led.
pub enum Resolved<'s> {
    /// Addresses from the snapshot.
    Inside(Records<'s>, u32),
    /// Addresses from the cache, at least one.
    Outside(Arc<[Box<[u8]>]>, u32),
    /// There are none.
    Nothing,
    /// It could not be found out.
    Failed,
    /// The forwarder has to ask for this name first.
    Unknown(Box<NameBuf>),
}

/// Follows an ALIAS to `target` for addresses of type `qtype`.
pub fn resolve<'s>(
    snapshot: &'s Snapshot,
    cache: Option<&AliasCache>,
    target: &[u8],
    qtype: u16,
    ttl_seconds: u32,
    now: u64,
) -> Resolved<'s> {
    let (Some(mut name), mut ttl) = (NameBuf::read(target), ttl_seconds) else { return Resolved::Failed };
    for _ in 0..LINKS_MAX {
        match lookup(snapshot, &name, false) {
            Found::Outside => return outside(cache, name, qtype, ttl, now),
            // Whom to ask there is a resolver's business, and none knows this zone.
            Found::Cut { .. } => return Resolved::Failed,
            Found::Missing { .. } => return Resolved::Nothing,
            Found::Node { node, cap: TtlCap(cap), .. } => {
                if let Some(set) = node.set(qtype) {
                    return Resolved::Inside(set.records, ttl.min(set.ttl_seconds).min(cap));
                }
                let Some(mut link) = node.set(rtype::CNAME).or_else(|| node.set(rtype::ALIAS)) else {
                    return Resolved::Nothing;
                };
                ttl = ttl.min(link.ttl_seconds).min(cap);
                match link.records.next().and_then(NameBuf::read) {
                    Some(next) => name = next,
                    None => return Resolved::Failed,
                }
            },
        }
    }
    Resolved::Failed
}

fn outside<'s>(cache: Option<&AliasCache>, name: NameBuf, qtype: u16, ttl: u32, now: u64) -> Resolved<'s> {
    let Some(cache) = cache else { return Resolved::Failed };
    match cache.get(&name, qtype, now) {
        None => Resolved::Unknown(Box::new(name)),
        Some((Learnt::Failed, _)) => Resolved::Failed,
        Some((Learnt::Addresses(none), _)) if none.is_empty() => Resolved::Nothing,
        Some((Learnt::Addresses(addresses), left)) => Resolved::Outside(addresses, ttl.min(left)),
    }
}

impl Learnt {
    /// How long to remember this, if the records found hold for `ttl_seconds`.
    pub fn seconds(&self, ttl_seconds: u32) -> u64 {
        match self {
            Learnt::Failed => FAILURE_SECONDS,
            Learnt::Addresses(none) if none.is_empty() => u64::from(NEGATIVE_TTL_SECONDS),
            Learnt::Addresses(_) => u64::from(ttl_seconds.min(ADDRESSES_SECONDS_MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded_and_forgets_in_time() {
        let cache = AliasCache::new(10);
        let name = |number: usize| NameBuf::parse(&format!("n{number}.example")).unwrap();
        let learnt = Learnt::Addresses([Box::from([1, 2, 3, 4])].into());
        for number in 0..100 {
            cache.put(&name(number), rtype::A, learnt.clone(), 30, 1000);
        }
        let kept = |now| (0..100).filter(|number| cache.get(&name(*number), rtype::A, now).is_some()).count();
        assert!((5..=10).contains(&kept(1000)), "{}", kept(1000));
        assert_eq!(cache.get(&name(99), rtype::A, 1010), Some((learnt, 20)));
        assert_eq!(cache.get(&name(99), rtype::AAAA, 1010), None);
        assert_eq!(kept(1030), 0);
    }
}
