// SPDX-License-Identifier: Apache-2.0

//! One name's records as one block of bytes, laid out so that answering copies from it and nothing else.
//!
//! ```text
//! block   = expires_block i64, label length u8, label, nodes u32, nodes * (offset u32 from this count), nodes
//! node    = name length u8, name (wire form below the label, without the root byte), flags u8, sets u8, sets
//! set     = type u16, ttl u32, records u8, bytes u16, records * (length u16, data)
//! ```
//! Nodes are sorted by the bytes of their names and contain the empty non-terminals; sets are sorted by type, records
//! by their bytes (DNSSEC's canonical order). All numbers are big-endian.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::wire::{rtype, NAME_BYTES_MAX, ZONE_NAME};

/// A node where authority ends.
const CUT: u8 = 1;
const BEFORE_LABEL: usize = 9;

/// One record set of the input: its time to live in seconds and its records.
type Set = (u32, BTreeSet<Vec<u8>>);
/// The input of [`compile`]: sets by name below the label (wire form without the root byte) and type.
pub type Tree = BTreeMap<Vec<u8>, BTreeMap<u16, Set>>;

/// One name with its records.
#[derive(Clone)]
pub struct Compiled(Arc<[u8]>);

/// Puts `tree` into a block. `None` if nothing in it can be served. A name without sets exists without records.
///
/// Left out: names that would be longer than 255 bytes; NS and DS at a wildcard (undefined, RFC 4592, section 4.2);
/// below a cut everything but addresses; at a cut everything but NS, DS and addresses.
pub fn compile(label: &[u8], expires_block: i64, tree: &Tree) -> Option<Compiled> {
    let below_max = NAME_BYTES_MAX - ZONE_NAME.len() - if label.is_empty() { 0 } else { 1 + label.len() };
    let mut tree = tree.clone();
    let bare: BTreeSet<Vec<u8>> =
        tree.iter().filter(|(_, sets)| sets.is_empty()).map(|(name, _)| name.clone()).collect();
    for (name, sets) in &mut tree {
        if name.starts_with(b"\x01*") {
            sets.retain(|rtype, _| !matches!(*rtype, rtype::NS | rtype::DS));
        }
    }
    // The label's own node is a cut, too, if it has NS; the zone's apex is none.
    let cuts: BTreeSet<Vec<u8>> = tree
        .iter()
        .filter(|(name, sets)| sets.contains_key(&rtype::NS) && !(name.is_empty() && label.is_empty()))
        .map(|(name, _)| name.clone())
        .collect();
    for (name, sets) in &mut tree {
        if above(name).any(|above| cuts.contains(above)) {
            sets.retain(|rtype, _| matches!(*rtype, rtype::A | rtype::AAAA));
        } else if cuts.contains(name) {
            sets.retain(|rtype, _| matches!(*rtype, rtype::NS | rtype::DS | rtype::A | rtype::AAAA));
        }
    }
    tree.retain(|name, sets| name.len() <= below_max && (!sets.is_empty() || bare.contains(name)));
    if tree.values().all(BTreeMap::is_empty) {
        return None;
    }
    for name in tree.keys().cloned().collect::<Vec<_>>() {
        for above in above(&name) {
            tree.entry(above.to_vec()).or_default();
        }
    }

    let mut nodes = Vec::new();
    let mut offsets = Vec::with_capacity(tree.len());
    for (name, sets) in &tree {
        offsets.push(nodes.len());
        nodes.push(name.len() as u8);
        nodes.extend_from_slice(name);
        nodes.push(if cuts.contains(name) { CUT } else { 0 });
        nodes.push(sets.len() as u8);
        for (rtype, (ttl_seconds, records)) in sets {
            nodes.extend_from_slice(&rtype.to_be_bytes());
            nodes.extend_from_slice(&ttl_seconds.to_be_bytes());
            nodes.push(records.len() as u8);
            let bytes: usize = records.iter().map(|data| 2 + data.len()).sum();
            nodes.extend_from_slice(&(bytes as u16).to_be_bytes());
            for data in records {
                nodes.extend_from_slice(&(data.len() as u16).to_be_bytes());
                nodes.extend_from_slice(data);
            }
        }
    }
    let mut block = Vec::with_capacity(BEFORE_LABEL + label.len() + 4 + offsets.len() * 4 + nodes.len());
    block.extend_from_slice(&expires_block.to_be_bytes());
    block.push(label.len() as u8);
    block.extend_from_slice(label);
    block.extend_from_slice(&(offsets.len() as u32).to_be_bytes());
    let first = 4 + offsets.len() * 4;
    for offset in &offsets {
        block.extend_from_slice(&((first + offset) as u32).to_be_bytes());
    }
    block.extend_from_slice(&nodes);
    Some(Compiled(block.into()))
}

/// The names above `name`, up to the empty one; all in wire form without the root byte.
fn above(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(name), |name| Some(&name[1 + usize::from(*name.first()?)..])).skip(1)
}

fn short(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl Compiled {
    /// The block in which the registration ends.
    pub fn expires_block(&self) -> i64 {
        i64::from_be_bytes(self.0[..8].try_into().expect("a block begins with 8 bytes of that"))
    }

    /// The registered label; empty for the zone's apex.
    pub fn label(&self) -> &[u8] {
        &self.0[BEFORE_LABEL..BEFORE_LABEL + usize::from(self.0[BEFORE_LABEL - 1])]
    }

    /// Bytes this name takes, those that count references included.
    pub fn bytes(&self) -> usize {
        self.0.len() + 2 * std::mem::size_of::<usize>()
    }

    fn body(&self) -> &[u8] {
        &self.0[BEFORE_LABEL + usize::from(self.0[BEFORE_LABEL - 1])..]
    }

    /// All nodes, sorted by name.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = Node<'_>> {
        let body = self.body();
        (0..long(body, 0) as usize).map(move |index| Node::at(body, index))
    }

    /// The node with this name below the label (wire form without the root byte, lower case).
    pub fn node(&self, name: &[u8]) -> Option<Node<'_>> {
        let body = self.body();
        let (mut low, mut high) = (0, long(body, 0) as usize);
        while low < high {
            let middle = (low + high) / 2;
            let node = Node::at(body, middle);
            match node.name().cmp(name) {
                std::cmp::Ordering::Equal => return Some(node),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// A name within a block, with its record sets.
#[derive(Clone, Copy)]
pub struct Node<'a>(&'a [u8]);

impl<'a> Node<'a> {
    fn at(body: &'a [u8], index: usize) -> Self {
        Node(&body[long(body, 4 + 4 * index) as usize..])
    }

    /// The name below the label, in wire form without the root byte.
    pub fn name(self) -> &'a [u8] {
        &self.0[1..1 + usize::from(self.0[0])]
    }

    /// Whether authority ends here.
    pub fn is_cut(self) -> bool {
        self.0[1 + usize::from(self.0[0])] & CUT != 0
    }

    /// The record sets, sorted by type; none for an empty non-terminal.
    pub fn sets(self) -> Sets<'a> {
        let at = 2 + usize::from(self.0[0]);
        Sets { left: self.0[at], rest: &self.0[at + 1..] }
    }

    /// The set of this type.
    pub fn set(self, rtype: u16) -> Option<SetView<'a>> {
        self.sets().find(|set| set.rtype == rtype)
    }
}

/// Iterates over a node's record sets.
#[derive(Clone)]
pub struct Sets<'a> {
    left: u8,
    rest: &'a [u8],
}

impl<'a> Iterator for Sets<'a> {
    type Item = SetView<'a>;

    fn next(&mut self) -> Option<SetView<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (bytes, count) = (short(self.rest, 7), self.rest[6]);
        let set = SetView {
            rtype: short(self.rest, 0) as u16,
            ttl_seconds: long(self.rest, 2),
            records: Records { left: count, rest: &self.rest[9..9 + bytes] },
        };
        self.rest = &self.rest[9 + bytes..];
        Some(set)
    }
}

/// A record set.
#[derive(Clone)]
pub struct SetView<'a> {
    /// The records' type.
    pub rtype: u16,
    /// Their time to live as the owner set it.
    pub ttl_seconds: u32,
    /// Their data, in canonical order.
    pub records: Records<'a>,
}

/// Iterates over the data of a set's records.
#[derive(Clone)]
pub struct Records<'a> {
    left: u8,
    rest: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let (data, rest) = self.rest[2..].split_at(short(self.rest, 0));
        self.rest = rest;
        Some(data)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Records<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    type Sets<'a> = &'a [(&'a [u8], u16, &'a [&'a [u8]])];

    fn tree(sets: Sets<'_>) -> Tree {
        let mut tree = Tree::new();
        for (name, rtype, records) in sets {
            let records = records.iter().map(|data| data.to_vec()).collect();
            tree.entry(name.to_vec()).or_default().insert(*rtype, (300, records));
        }
        tree
    }

    #[test]
    fn what_goes_in_comes_out_in_canonical_order() {
        let tree = tree(&[
            (b"", rtype::A, &[&[9, 9, 9, 9], &[1, 1, 1, 1]]),
            (b"", rtype::TXT, &[b"\x02hi"]),
            (b"\x01b\x01a", rtype::AAAA, &[&[7; 16]]),
        ]);
        let block = compile(b"blog", -5, &tree).unwrap();
        assert_eq!((block.label(), block.expires_block()), (&b"blog"[..], -5));
        let names: Vec<_> = block.nodes().map(|node| node.name().to_vec()).collect();
        assert_eq!(names, [b"".to_vec(), b"\x01a".to_vec(), b"\x01b\x01a".to_vec()]);
        assert_eq!(block.node(b"\x01a").unwrap().sets().count(), 0, "an empty non-terminal");
        let apex = block.node(b"").unwrap();
        assert_eq!(apex.sets().map(|set| (set.rtype, set.ttl_seconds)).collect::<Vec<_>>(), [(1, 300), (16, 300)]);
        let a: Vec<_> = apex.set(rtype::A).unwrap().records.collect();
        assert_eq!(a, [[1, 1, 1, 1], [9, 9, 9, 9]]);
        assert!(block.node(b"\x01c").is_none() && apex.set(rtype::MX).is_none());
    }

    #[test]
    fn nothing_to_serve_makes_no_block() {
        assert!(compile(b"blog", 1, &Tree::new()).is_none());
        let long = [&b"\x3f"[..], &[b'a'; 63]].concat().repeat(3);
        assert!(compile(&[b'x'; 63], 1, &tree(&[(&long, rtype::A, &[&[1, 1, 1, 1]])])).is_none());
    }

    #[test]
    fn below_a_cut_only_glue_is_kept() {
        let block = compile(
            b"blog",
            1,
            &tree(&[
                (b"\x01d", rtype::NS, &[b"\x02ns\0"]),
                (b"\x01d", rtype::TXT, &[b"\x01x"]),
                (b"\x02ns\x01d", rtype::A, &[&[1, 1, 1, 1]]),
                (b"\x02ns\x01d", rtype::TXT, &[b"\x01x"]),
                (b"\x02xd", rtype::TXT, &[b"\x01x"]),
                (b"\x01*", rtype::NS, &[b"\x02ns\0"]),
            ]),
        )
        .unwrap();
        assert!(block.node(b"\x01*").is_none(), "a wildcard delegates nothing");
        let types = |name: &[u8]| block.node(name).unwrap().sets().map(|set| set.rtype).collect::<Vec<_>>();
        assert_eq!(types(b"\x01d"), [rtype::NS]);
        assert_eq!(types(b"\x02ns\x01d"), [rtype::A]);
        assert_eq!(types(b"\x02xd"), [rtype::TXT]);
        assert!(block.node(b"\x01d").unwrap().is_cut() && !block.node(b"\x02ns\x01d").unwrap().is_cut());
    }

    #[test]
    fn a_name_without_sets_exists_beside_others() {
        let mut tree = tree(&[(b"\x01*", rtype::A, &[&[1, 1, 1, 1]])]);
        tree.entry(b"\x01s".to_vec()).or_default();
        let block = compile(b"blog", 1, &tree).unwrap();
        assert_eq!(block.node(b"\x01s").unwrap().sets().count(), 0);
        tree.remove(&b"\x01*"[..]);
        assert!(compile(b"blog", 1, &tree).is_none(), "alone it is nothing to serve");
    }

    #[test]
    fn names_above_go_by_labels() {
        assert_eq!(above(b"\x01c\x02ba").collect::<Vec<_>>(), [&b"\x02ba"[..], b""]);
        assert_eq!(above(b"").count(), 0);
    }
}
