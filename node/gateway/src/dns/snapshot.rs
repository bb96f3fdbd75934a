// SPDX-License-Identifier: Apache-2.0

//! What the server answers from: an immutable picture of all names, shared between versions.
//!
//! Names live in a fixed number of shards. A change copies the shard it falls into (one reference per name in it) and
//! nothing else, so that a block which changes ten names among 100,000 costs microseconds.
//!
//! # Correctness
//! A [`Snapshot`] never changes; whoever holds one answers consistently from one finalized block. Shards are chosen by
//! a keyed hash: nobody can register names that fall into one.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use cairn_primitives::names::{Label, Zone};
use hashbrown::HashTable;

use super::address::is_local_record;
use super::compiled::{compile, Compiled, Tree};
use super::wire::{rtype, NameBuf};

/// Shards of names. At a million names a changed name copies some 250 references.
const SHARDS: usize = 4096;
/// Time to live of the zone's own NS and address records.
const APEX_TTL_SECONDS: u32 = 3600;
/// Time to live of SOA, and with it of negative answers: a name is found soon after it was registered.
pub const NEGATIVE_TTL_SECONDS: u32 = 60;
/// Lowest time to live that a nearing expiry imposes, and the one in grace.
pub const TTL_SECONDS_MIN: u32 = 60;
/// How long an expired name is still answered.
pub const GRACE_SECONDS: i64 = 7 * 24 * 3600;

/// A name as the chain has it, at the head given before.
#[derive(Clone, Debug)]
pub struct NameEntry {
    /// Until the registration ends, at the head; negative once it has ended.
    pub expires_in_seconds: i64,
    /// The records of the name itself.
    pub zone: Zone,
    /// Subdomains with an owner of their own; they hide what `zone` has at and below them.
    pub subzones: Vec<(Label, Zone)>,
}

/// One of the zone's name servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nameserver {
    /// Its host name, such as `ns.cairn`.
    pub name: String,
    /// Its addresses; needed if the name is in `.cairn`, where it then takes the place of a registered name.
    pub addresses: Vec<IpAddr>,
}

/// What is said about the zone itself.
#[derive(Clone, Debug)]
pub struct ZoneSettings {
    /// The name servers; at least one.
    pub nameservers: Vec<Nameserver>,
    /// The contact, as a domain name (`hostmaster.cairn` for hostmaster@cairn).
    pub contact: String,
    /// Time between two blocks; turns blocks until expiry into seconds.
    pub block_time: Duration,
    /// Whether records that lead to this machine or a private network are left out: addresses, and service bindings with
    /// such hints.
    pub filter_local: bool,
}

impl Default for ZoneSettings {
    fn default() -> Self {
        ZoneSettings {
            nameservers: vec![Nameserver {
                name: "ns.cairn".into(),
                addresses: vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])],
            }],
            contact: "hostmaster.cairn".into(),
            block_time: Duration::from_secs(3),
            filter_local: false,
        }
    }
}

/// What is wrong with [`ZoneSettings`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A host name that is none.
    #[error("{0:?} is no host name: give something like ns.cairn or ns.example.org")]
    NameInvalid(String),
    /// No name server.
    #[error("the zone has no name server: give at least one")]
    NoNameserver,
    /// A name server within the zone that nobody could find.
    #[error("name server {0} lies in .cairn and has no address: give one")]
    NoAddress(String),
    /// A name server within the zone must be directly below it.
    #[error("name server {0} lies in .cairn, but not directly below it: take a name like ns.cairn")]
    TooDeep(String),
    /// Blocks without a time.
    #[error("the time between blocks is zero")]
    NoBlockTime,
}

/// Immutable picture of the zone at one finalized block.
#[derive(Clone)]
pub struct Snapshot {
    head_number: u32,
    head_time: u64,
    block_millis: i64,
    names: usize,
    bytes: usize,
    hasher: RandomState,
    shards: Arc<[Arc<HashTable<Compiled>>]>,
    /// The apex (first, with the empty label) and the name servers' own names.
    fixed: Arc<[Compiled]>,
}

/// How often a name may be cached, and whether it is still answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtlCap(pub u32);

impl Snapshot {
    /// Number of the finalized block; the zone's serial.
    pub fn head_number(&self) -> u32 {
        self.head_number
    }

    /// That block's time, in seconds since 1970.
    pub fn head_time(&self) -> u64 {
        self.head_time
    }

    /// How many names have records.
    pub fn names(&self) -> usize {
        self.names
    }

    /// Bytes that the names take, tables included.
    pub fn bytes(&self) -> usize {
        let tables: usize = self.shards.iter().map(|shard| shard.allocation_size()).sum();
        self.bytes + tables + self.shards.len() * std::mem::size_of::<Arc<()>>()
    }

    /// The apex's records.
    pub(super) fn apex(&self) -> &Compiled {
        &self.fixed[0]
    }

    /// The records of a registered label, unless it expired more than [`GRACE_SECONDS`] ago; with the TTL's cap.
    pub(super) fn get(&self, label: &[u8]) -> Option<(&Compiled, TtlCap)> {
        if let Some(own) = self.fixed[1..].iter().find(|own| own.label() == label) {
            return Some((own, TtlCap(u32::MAX)));
        }
        let hash = self.hasher.hash_one(label);
        let name = self.shards[shard_of(hash)].find(hash, |name| name.label() == label)?;
        Some((name, self.ttl_cap(name.expires_block())?))
    }

    /// All names that are answered, in no order; the name servers' own included, the apex not.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Compiled, TtlCap)> {
        let own = self.fixed[1..].iter().map(|own| (own, TtlCap(u32::MAX)));
        own.chain(
            self.shards
                .iter()
                .flat_map(|shard| shard.iter())
                .filter(|name| !self.fixed[1..].iter().any(|own| own.label() == name.label()))
                .filter_map(|name| Some((name, self.ttl_cap(name.expires_block())?))),
        )
    }

    fn ttl_cap(&self, expires_block: i64) -> Option<TtlCap> {
        let blocks = expires_block.saturating_sub(i64::from(self.head_number));
        let seconds = blocks.saturating_mul(self.block_millis) / 1000;
        if seconds < -GRACE_SECONDS {
            return None;
        }
        Some(TtlCap(u32::try_from(seconds.max(0)).unwrap_or(u32::MAX).max(TTL_SECONDS_MIN)))
    }
}

/// Hash tables take the low bits of a hash for the place and the top seven for the tag: shards go by others.
fn shard_of(hash: u64) -> usize {
    (hash >> 40) as usize % SHARDS
}

/// Makes snapshots, each from the one before.
#[derive(Clone)]
pub struct SnapshotBuilder {
    next: Snapshot,
    settings: ZoneSettings,
}

impl SnapshotBuilder {
    /// A builder with no names and head 0.
    ///
    /// # Errors
    /// [`SettingsError`], if the settings make no zone.
    pub fn new(settings: ZoneSettings) -> Result<Self, SettingsError> {
        let block_millis = i64::try_from(settings.block_time.as_millis()).unwrap_or(i64::MAX);
        if block_millis == 0 {
            return Err(SettingsError::NoBlockTime);
        }
        let fixed = fixed_names(&settings, 0)?;
        let shards = (0..SHARDS).map(|_| Arc::new(HashTable::new())).collect();
        let hasher = RandomState::new();
        let next = Snapshot { head_number: 0, head_time: 0, block_millis, names: 0, bytes: 0, hasher, shards, fixed };
        Ok(SnapshotBuilder { next, settings })
    }

    /// Moves to a finalized block; its changes follow through [`set`](Self::set) and [`remove`](Self::remove).
    pub fn head(&mut self, number: u32, time: SystemTime) {
        self.next.head_number = number;
        self.next.head_time = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.next.fixed = fixed_names(&self.settings, number).expect("the settings were checked in new");
    }

    /// Sets or replaces a name, as it is at the head given before.
    pub fn set(&mut self, label: &Label, entry: &NameEntry) {
        let blocks = entry.expires_in_seconds.saturating_mul(1000) / self.next.block_millis;
        let expires_block = i64::from(self.next.head_number).saturating_add(blocks);
        match compile(label.as_bytes(), expires_block, &tree_of(entry, self.settings.filter_local)) {
            Some(name) => self.put(name),
            None => self.remove(label),
        }
    }

    fn put(&mut self, name: Compiled) {
        let hasher = self.next.hasher.clone();
        let hash = hasher.hash_one(name.label());
        self.next.bytes += name.bytes();
        let shard = Arc::make_mut(&mut Arc::make_mut(&mut self.next.shards)[shard_of(hash)]);
        match shard.find_mut(hash, |old| old.label() == name.label()) {
            Some(old) => {
                self.next.bytes -= old.bytes();
                *old = name;
            },
            None => {
                self.next.names += 1;
                shard.insert_unique(hash, name, |name| hasher.hash_one(name.label()));
            },
        }
    }

    /// Removes a name: it was released, purged, or has no records any more.
    pub fn remove(&mut self, label: &Label) {
        let hash = self.next.hasher.hash_one(label.as_bytes());
        if self.next.shards[shard_of(hash)].find(hash, |name| name.label() == label.as_bytes()).is_none() {
            return;
        }
        let shard = Arc::make_mut(&mut Arc::make_mut(&mut self.next.shards)[shard_of(hash)]);
        if let Ok(found) = shard.find_entry(hash, |name| name.label() == label.as_bytes()) {
            let (old, _) = found.remove();
            self.next.bytes -= old.bytes();
            self.next.names -= 1;
        }
    }

    /// Removes all names; for a feed that has to begin again.
    pub fn clear(&mut self) {
        self.next.shards = (0..SHARDS).map(|_| Arc::new(HashTable::new())).collect();
        (self.next.names, self.next.bytes) = (0, 0);
    }

    /// The snapshot of what was given so far; shares all that the next one doesn't change.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(self.next.clone())
    }
}

/// The snapshot that answers, to be swapped while queries are being answered.
#[derive(Clone)]
pub struct SnapshotHandle(Arc<ArcSwap<Snapshot>>);

impl SnapshotHandle {
    /// A handle that begins with this snapshot.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        SnapshotHandle(Arc::new(ArcSwap::new(snapshot)))
    }

    /// Answers from `snapshot` from now on.
    pub fn store(&self, snapshot: Arc<Snapshot>) {
        self.0.store(snapshot);
    }

    /// The snapshot that answers now.
    pub fn load(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.0.load()
    }
}

/// The sets of an entry by name below its label.
fn tree_of(entry: &NameEntry, filter_local: bool) -> Tree {
    let hidden: BTreeSet<&[u8]> = entry.subzones.iter().map(|(label, _)| label.as_bytes()).collect();
    let mut tree = Tree::new();
    for set in entry.zone.rrsets() {
        let top = set.name.labels().last();
        if top.is_none_or(|label| !hidden.contains(label)) {
            insert(&mut tree, set.name.as_wire().to_vec(), set);
        }
    }
    let wildcard = entry.zone.rrsets().iter().any(|set| set.name.as_wire() == b"\x01*");
    for (label, zone) in &entry.subzones {
        let above = [&[label.as_bytes().len() as u8], label.as_bytes()].concat();
        if wildcard {
            // It exists, with or without records, so that the parent's wildcard doesn't speak for it.
            tree.entry(above.clone()).or_default();
        }
        for set in zone.rrsets() {
            insert(&mut tree, [set.name.as_wire(), &above].concat(), set);
        }
    }
    if filter_local {
        leave_out_local(&mut tree);
    }
    tree
}

/// Takes out records that lead to local addresses. The names stay: they exist without them.
fn leave_out_local(tree: &mut Tree) {
    for sets in tree.values_mut() {
        for (rtype, (_, records)) in sets.iter_mut() {
            records.retain(|data| !is_local_record(*rtype, data));
        }
        sets.retain(|_, (_, records)| !records.is_empty());
    }
}

fn insert(tree: &mut Tree, name: Vec<u8>, set: &cairn_primitives::names::RrSet) {
    let records = set.rdata.iter().map(|data| data.to_vec()).collect();
    tree.entry(name).or_default().insert(set.rtype, (set.ttl_seconds, records));
}

/// The apex and the name servers' own names.
fn fixed_names(settings: &ZoneSettings, serial: u32) -> Result<Arc<[Compiled]>, SettingsError> {
    let parse = |text: &str| NameBuf::parse(text).ok_or_else(|| SettingsError::NameInvalid(text.into()));
    let contact = parse(&settings.contact)?;
    let mut fixed: Vec<(Vec<u8>, Tree)> = vec![(Vec::new(), Tree::new())];
    let mut targets = Vec::new();
    for server in &settings.nameservers {
        let name = parse(&server.name)?;
        targets.push(name.wire().to_vec());
        if !name.is_in_zone() {
            continue;
        }
        if name.count() != 2 {
            return Err(SettingsError::TooDeep(server.name.clone()));
        }
        if server.addresses.is_empty() {
            return Err(SettingsError::NoAddress(server.name.clone()));
        }
        let mut tree = Tree::new();
        for address in &server.addresses {
            let (rtype, data) = match address {
                IpAddr::V4(v4) => (rtype::A, v4.octets().to_vec()),
                IpAddr::V6(v6) => (rtype::AAAA, v6.octets().to_vec()),
            };
            let sets = tree.entry(Vec::new()).or_default();
            sets.entry(rtype).or_insert((APEX_TTL_SECONDS, Default::default())).1.insert(data);
        }
        fixed.push((name.label(0).to_vec(), tree));
    }
    let primary = targets.first().ok_or(SettingsError::NoNameserver)?;
    let mut soa = [primary, contact.wire()].concat();
    // Serial, refresh, retry, expire, minimum.
    for number in [serial, 60, 60, 7 * 24 * 3600, NEGATIVE_TTL_SECONDS] {
        soa.extend_from_slice(&number.to_be_bytes());
    }
    let apex = fixed[0].1.entry(Vec::new()).or_default();
    apex.insert(rtype::SOA, (NEGATIVE_TTL_SECONDS, [soa].into()));
    apex.insert(rtype::NS, (APEX_TTL_SECONDS, targets.into_iter().collect()));
    let compiled = fixed
        .iter()
        .map(|(label, tree)| compile(label, i64::MAX, tree).expect("each of these has records under a name that fits"));
    Ok(compiled.collect())
}
