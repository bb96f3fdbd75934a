// SPDX-License-Identifier: Apache-2.0

//! The chain's state in memory, for pallets that run natively: a table for each storage item, without a trie over them.
//!
//! # Correctness
//! Gives what `sp_io::TestExternalities` would; [`crate::check`] runs the same year in both and compares every key. There
//! are no child tries and no roots. What is changed within transactions is undone in the reverse order.

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    hash::{BuildHasherDefault, Hasher},
    ops::Bound,
};

use hashbrown::HashMap;
use sp_externalities::{Error, Extension, ExtensionStore, Externalities, MultiRemovalResults};
use sp_storage::{ChildInfo, StateVersion, Storage, TrackedStorageKey};

/// Bytes of the prefix that names a storage item.
const PREFIX: usize = 32;

/// Takes the first eight bytes and the last: keys begin with a hash, and those of one double map end with another.
#[derive(Default)]
pub struct Ends(u64);

impl Hasher for Ends {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (mut first, mut last) = ([0; 8], [0; 8]);
        let taken = bytes.len().min(8);
        first[..taken].copy_from_slice(&bytes[..taken]);
        last[..taken].copy_from_slice(&bytes[bytes.len() - taken..]);
        let mixed = (self.0 ^ u64::from_le_bytes(first)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = (mixed ^ (mixed >> 29) ^ u64::from_le_bytes(last)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        self.0 ^= self.0 >> 32;
    }

    fn write_usize(&mut self, _length: usize) {}
}

type Bytes = Box<[u8]>;
type Hashed = HashMap<Bytes, Bytes, BuildHasherDefault<Ends>>;

/// The entries of one storage item, keys without the item's prefix.
enum Table {
    Hashed(Hashed),
    /// Where the next key is asked for.
    Ordered(BTreeMap<Bytes, Bytes>),
}

impl Table {
    fn get(&self, key: &[u8]) -> Option<&Bytes> {
        match self {
            Table::Hashed(table) => table.get(key),
            Table::Ordered(table) => table.get(key),
        }
    }

    fn put(&mut self, key: &[u8], value: Option<Bytes>) -> Option<Bytes> {
        match (self, value) {
            (Table::Hashed(table), None) => table.remove(key),
            (Table::Ordered(table), None) => table.remove(key),
            (Table::Hashed(table), Some(value)) => match table.get_mut(key) {
                Some(old) => Some(std::mem::replace(old, value)),
                None => table.insert(key.into(), value),
            },
            (Table::Ordered(table), Some(value)) => match table.get_mut(key) {
                Some(old) => Some(std::mem::replace(old, value)),
                None => table.insert(key.into(), value),
            },
        }
    }
}

/// A list that is appended to: its SCALE encoding, the count apart.
#[derive(Clone, Copy, Default)]
struct Length {
    count: u32,
    bytes: usize,
}

/// What to do to get back to where a transaction began.
enum Undo {
    Put { table: usize, key: Bytes, value: Option<Bytes> },
    Cut(Length),
    Whole { length: Length, bytes: Vec<u8> },
}

/// See the module.
pub struct State {
    prefixes: HashMap<[u8; PREFIX], usize, BuildHasherDefault<Ends>>,
    tables: Vec<Table>,
    ordered: Vec<[u8; PREFIX]>,
    /// The one list that is appended to, the block's events, and its key.
    list_key: Vec<u8>,
    list: Vec<u8>,
    list_count: u32,
    undo: Vec<Undo>,
    transactions: Vec<usize>,
}

impl State {
    /// A state with these entries. Only items with a prefix in `ordered` can be iterated; `list_key` is the key of the list
    /// that is appended to.
    pub fn new(genesis: Storage, ordered: Vec<[u8; PREFIX]>, list_key: Vec<u8>) -> Self {
        let mut state = State {
            prefixes: HashMap::default(),
            tables: Vec::new(),
            ordered,
            list_key,
            list: Vec::new(),
            list_count: 0,
            undo: Vec::new(),
            transactions: Vec::new(),
        };
        genesis.top.into_iter().for_each(|(key, value)| state.place_storage(key, Some(value)));
        state
    }

    /// Keys and values of storage items, by key.
    pub fn entries(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (prefix, table) in self.prefixes.iter().filter(|(prefix, _)| prefix[0] != b':') {
            let mut add = |key: &Bytes, value: &Bytes| all.push(([&prefix[..], key].concat(), value.to_vec()));
            match &self.tables[*table] {
                Table::Hashed(table) => table.iter().for_each(|(key, value)| add(key, value)),
                Table::Ordered(table) => table.iter().for_each(|(key, value)| add(key, value)),
            }
        }
        all.sort();
        all
    }

    /// The values of one storage item, in no order.
    pub fn values(&self, prefix: &[u8; PREFIX]) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        match self.prefixes.get(prefix).map(|table| &self.tables[*table]) {
            Some(Table::Hashed(table)) => Box::new(table.values().map(|value| &**value)),
            Some(Table::Ordered(table)) => Box::new(table.values().map(|value| &**value)),
            None => Box::new(std::iter::empty()),
        }
    }

    fn split(key: &[u8]) -> ([u8; PREFIX], &[u8]) {
        match key.split_first_chunk::<PREFIX>() {
            Some((prefix, rest)) => (*prefix, rest),
            // Well-known keys such as `:code` are shorter.
            None => {
                let mut prefix = [0; PREFIX];
                prefix[..key.len()].copy_from_slice(key);
                (prefix, &[])
            },
        }
    }

    fn put(&mut self, key: &[u8], value: Option<Bytes>) {
        let (prefix, rest) = Self::split(key);
        let table = match self.prefixes.get(&prefix) {
            Some(table) => *table,
            None => {
                self.tables.push(match self.ordered.contains(&prefix) {
                    true => Table::Ordered(BTreeMap::new()),
                    false => Table::Hashed(HashMap::default()),
                });
                self.prefixes.insert(prefix, self.tables.len() - 1);
                self.tables.len() - 1
            },
        };
        let old = self.tables[table].put(rest, value);
        if !self.transactions.is_empty() {
            self.undo.push(Undo::Put { table, key: rest.into(), value: old });
        }
    }

    fn list_encoded(&self) -> Option<Vec<u8>> {
        if self.list_count == 0 {
            return None;
        }
        let mut encoded = codec::Encode::encode(&codec::Compact(self.list_count));
        encoded.extend_from_slice(&self.list);
        Some(encoded)
    }

    fn length(&self) -> Length {
        Length { count: self.list_count, bytes: self.list.len() }
    }
}

impl Externalities for State {
    fn storage(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        if key == self.list_key {
            return self.list_encoded();
        }
        let (prefix, rest) = Self::split(key);
        let table = self.prefixes.get(&prefix)?;
        self.tables[*table].get(rest).map(|value| value.to_vec())
    }

    fn exists_storage(&mut self, key: &[u8]) -> bool {
        if key == self.list_key {
            return self.list_count > 0;
        }
        let (prefix, rest) = Self::split(key);
        self.prefixes.get(&prefix).is_some_and(|table| self.tables[*table].get(rest).is_some())
    }

    fn place_storage(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        if key == self.list_key {
            assert!(value.is_none(), "the list of events is appended to or removed, never set");
            let length = self.length();
            let bytes = std::mem::take(&mut self.list);
            self.list_count = 0;
            if !self.transactions.is_empty() {
                self.undo.push(Undo::Whole { length, bytes });
            }
            return;
        }
        self.put(&key, value.map(Vec::into_boxed_slice));
    }

    fn storage_append(&mut self, key: Vec<u8>, value: Vec<u8>) {
        assert!(key == self.list_key, "only the list of events is appended to");
        if !self.transactions.is_empty() {
            self.undo.push(Undo::Cut(self.length()));
        }
        self.list.extend_from_slice(&value);
        self.list_count += 1;
    }

    fn next_storage_key(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let (prefix, rest) = Self::split(key);
        match self.prefixes.get(&prefix).map(|table| &self.tables[*table])? {
            Table::Ordered(table) => {
                let after = (Bound::Excluded(rest), Bound::Unbounded);
                table.range::<[u8], _>(after).next().map(|(key, _)| [&prefix[..], key].concat())
            },
            Table::Hashed(table) => {
                assert!(table.is_empty(), "a storage item is iterated that is kept without order");
                None
            },
        }
    }

    fn storage_start_transaction(&mut self) {
        self.transactions.push(self.undo.len());
    }

    fn storage_rollback_transaction(&mut self) -> Result<(), ()> {
        let from = self.transactions.pop().ok_or(())?;
        for undo in self.undo.drain(from..).rev() {
            match undo {
                Undo::Put { table, key, value } => {
                    self.tables[table].put(&key, value);
                },
                Undo::Cut(length) => {
                    self.list.truncate(length.bytes);
                    self.list_count = length.count;
                },
                Undo::Whole { length, bytes } => {
                    self.list = bytes;
                    self.list_count = length.count;
                },
            }
        }
        Ok(())
    }

    fn storage_commit_transaction(&mut self) -> Result<(), ()> {
        self.transactions.pop().ok_or(())?;
        if self.transactions.is_empty() {
            self.undo.clear();
        }
        Ok(())
    }

    fn storage_hash(&mut self, _key: &[u8]) -> Option<Vec<u8>> {
        unreachable!("pallets don't ask for hashes of values")
    }

    fn storage_root(&mut self, _version: StateVersion) -> Vec<u8> {
        unreachable!("there is no trie here")
    }

    fn clear_prefix(&mut self, prefix: &[u8], _limit: Option<u32>, _cursor: Option<&[u8]>) -> MultiRemovalResults {
        // Asked of the events' topics alone, of which there are none.
        let (prefix, _) = Self::split(prefix);
        assert!(!self.prefixes.contains_key(&prefix), "pallets remove entries one by one");
        MultiRemovalResults { maybe_cursor: None, backend: 0, unique: 0, loops: 0 }
    }

    fn set_offchain_storage(&mut self, _key: &[u8], _value: Option<&[u8]>) {
        unreachable!("pallets here have no off-chain workers")
    }

    fn child_storage_hash(&mut self, _child: &ChildInfo, _key: &[u8]) -> Option<Vec<u8>> {
        unreachable!("there are no child tries here")
    }

    fn child_storage(&mut self, _child: &ChildInfo, _key: &[u8]) -> Option<Vec<u8>> {
        unreachable!("there are no child tries here")
    }

    fn next_child_storage_key(&mut self, _child: &ChildInfo, _key: &[u8]) -> Option<Vec<u8>> {
        unreachable!("there are no child tries here")
    }

    fn kill_child_storage(
        &mut self,
        _child: &ChildInfo,
        _limit: Option<u32>,
        _cursor: Option<&[u8]>,
    ) -> MultiRemovalResults {
        unreachable!("there are no child tries here")
    }

    fn clear_child_prefix(
        &mut self,
        _child: &ChildInfo,
        _prefix: &[u8],
        _limit: Option<u32>,
        _cursor: Option<&[u8]>,
    ) -> MultiRemovalResults {
        unreachable!("there are no child tries here")
    }

    fn place_child_storage(&mut self, _child: &ChildInfo, _key: Vec<u8>, _value: Option<Vec<u8>>) {
        unreachable!("there are no child tries here")
    }

    fn child_storage_root(&mut self, _child: &ChildInfo, _version: StateVersion) -> Vec<u8> {
        unreachable!("there are no child tries here")
    }

    fn wipe(&mut self) {
        unreachable!("for the SDK's benchmarks")
    }

    fn commit(&mut self) {
        unreachable!("for the SDK's benchmarks")
    }

    fn read_write_count(&self) -> (u32, u32, u32, u32) {
        unreachable!("for the SDK's benchmarks")
    }

    fn reset_read_write_count(&mut self) {
        unreachable!("for the SDK's benchmarks")
    }

    fn get_whitelist(&self) -> Vec<TrackedStorageKey> {
        unreachable!("for the SDK's benchmarks")
    }

    fn set_whitelist(&mut self, _new: Vec<TrackedStorageKey>) {
        unreachable!("for the SDK's benchmarks")
    }

    fn get_read_and_written_keys(&self) -> Vec<(Vec<u8>, u32, u32, bool)> {
        unreachable!("for the SDK's benchmarks")
    }
}

impl ExtensionStore for State {
    fn extension_by_type_id(&mut self, _type_id: TypeId) -> Option<&mut dyn Any> {
        None
    }

    fn register_extension_with_type_id(&mut self, _type_id: TypeId, _new: Box<dyn Extension>) -> Result<(), Error> {
        Err(Error::ExtensionsAreNotSupported)
    }

    fn deregister_extension_by_type_id(&mut self, _type_id: TypeId) -> Result<(), Error> {
        Err(Error::ExtensionsAreNotSupported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(prefix: u8, rest: &[u8]) -> Vec<u8> {
        [&[prefix; PREFIX][..], rest].concat()
    }

    fn state() -> State {
        State::new(Storage::default(), vec![[1; PREFIX]], key(9, &[]))
    }

    #[test]
    fn a_transaction_that_is_rolled_back_leaves_nothing() {
        let mut state = state();
        state.set_storage(key(1, b"a"), vec![1]);
        state.set_storage(key(2, b"b"), vec![2]);
        state.storage_append(key(9, &[]), vec![7]);
        let before = (state.entries(), state.storage(&key(9, &[])));
        state.storage_start_transaction();
        state.set_storage(key(1, b"a"), vec![3]);
        state.storage_start_transaction();
        state.clear_storage(&key(2, b"b"));
        state.storage_append(key(9, &[]), vec![8]);
        state.storage_commit_transaction().unwrap();
        assert_eq!(state.storage(&key(9, &[])), Some(vec![8, 7, 8]));
        state.clear_storage(&key(9, &[]));
        state.set_storage(key(2, b"c"), vec![4]);
        state.storage_rollback_transaction().unwrap();
        assert_eq!((state.entries(), state.storage(&key(9, &[]))), before);
        assert!(state.storage_rollback_transaction().is_err());
    }

    #[test]
    fn keys_of_an_ordered_item_follow_each_other() {
        let mut state = state();
        for rest in [&b"b"[..], b"a", b"ab"] {
            state.set_storage(key(1, rest), vec![0]);
        }
        assert_eq!(state.next_storage_key(&key(1, b"")), Some(key(1, b"a")));
        assert_eq!(state.next_storage_key(&key(1, b"a")), Some(key(1, b"ab")));
        assert_eq!(state.next_storage_key(&key(1, b"b")), None);
    }

    #[test]
    #[should_panic(expected = "without order")]
    fn an_item_without_order_is_not_iterated() {
        let mut state = state();
        state.set_storage(key(2, b"a"), vec![0]);
        state.next_storage_key(&key(2, b""));
    }
}
