// SPDX-License-Identifier: Apache-2.0

use cairn_primitives::storage::{Coding, ShardSize};
use codec::{DecodeAll, Encode};
use proptest::prelude::*;

use super::*;
use crate::{page::PageRef, path::DrivePath};

fn path(text: &str) -> DrivePath {
    DrivePath::parse(text).expect("a path")
}

fn file(size: u64) -> FileEntry {
    FileEntry { size, modified_ms: -5, mode: 0o640, key: [1; 32], commitment: [2; 32], stripe: 77, offset: 4095 }
}

fn page_at(stripe: u64) -> PageRef {
    PageRef { stripe, size: ShardSize::K4, id: [7; 32] }
}

fn segment() -> Segment {
    let mut segment = Segment::default();
    let directory = Entry::Directory { modified_ms: 9, mode: 0o755 };
    segment.entries.insert(path("a"), Some(directory));
    segment.entries.insert(path("a/long name"), Some(Entry::File(file(1 << 40))));
    segment.entries.insert(path("a/long neck"), None);
    segment.entries.insert(path("ä"), Some(Entry::File(file(0))));
    segment.tables.push(Table::Here(StripeRun { first: 5, size: ShardSize::K16, ids: vec![[3; 32]; 3] }));
    segment.tables.push(Table::Apart { first: 8, end: 1 << 40, units: 1 << 46, page: page_at(3) });
    segment
}

#[test]
fn segments_come_back() {
    let bytes = segment().to_bytes(Coding::K1).expect("short");
    assert_eq!(Segment::from_bytes(&bytes, Coding::K1).expect("ours"), segment());
    let empty = Segment::default();
    assert_eq!(Segment::from_bytes(&empty.to_bytes(Coding::K8).expect("short"), Coding::K8), Ok(empty));
}

/// Drives that exist must stay readable.
#[test]
fn the_format_is_fixed() {
    let bytes = segment().to_bytes(Coding::K1).expect("short");
    assert_eq!(blake3::hash(&bytes).to_hex()[..16], *"929766d4b3cf824b");
    let head = Head { generation: 3, key_name: [4; 8], root: page_at(9) };
    let hex = "01030000000404040404040404090000000000000001";
    assert_eq!(hex::encode(head.to_bytes()), hex.to_string() + &"07".repeat(32));
    assert_eq!(Head::from_bytes(&head.to_bytes()), Ok(head));
}

#[test]
fn what_is_out_of_form_is_refused() {
    let good = segment().to_bytes(Coding::K1).expect("short");
    for end in 0..good.len() {
        assert!(Segment::from_bytes(&good[..end], Coding::K1).is_err(), "cut at {end}");
    }
    assert!(Segment::from_bytes(&[&good[..], &[0]].concat(), Coding::K1).is_err(), "something follows");
    assert!(Segment::from_bytes(&good, Coding::K2).is_err(), "of another coding");

    let entry = |shared: u32, rest: &[u8]| {
        let mut bytes = codec::Compact(shared).encode();
        rest.encode_to(&mut bytes);
        bytes.push(0);
        bytes
    };
    let with = |entries: &[Vec<u8>]| {
        let mut bytes = vec![1, 0, 0];
        codec::Compact(entries.len() as u32).encode_to(&mut bytes);
        entries.iter().for_each(|entry| bytes.extend_from_slice(entry));
        Segment::from_bytes(&bytes, Coding::K1)
    };
    with(&[entry(0, b"a"), entry(1, b"b"), entry(1, b"c")]).expect("in order");
    for wrong in [
        vec![entry(0, b"b"), entry(0, b"a")],
        vec![entry(0, b"a"), entry(1, b"")],
        vec![entry(1, b"a")],
        vec![entry(0, b"")],
        vec![entry(0, b"..")],
        vec![entry(0, b"/a")],
        vec![entry(0, b"a/../b")],
        vec![entry(0, b"a\0")],
        vec![entry(0, &[0xff])],
        vec![entry(0, &[b'a'; 300])],
        vec![entry(0, &b"a/".repeat(3000))],
    ] {
        assert!(with(&wrong).is_err(), "{wrong:?}");
    }
    // A count that no bytes follow takes no memory.
    assert!(Segment::from_bytes(&[1, 0, 0, 2, 0, 64, 0], Coding::K1).is_err());
    assert!(Segment::from_bytes(&[1, 0, 2, 0, 64, 0], Coding::K1).is_err());
}

/// Entries whose paths share all but a few bytes: a few bytes each in the encoded form, and the whole path in memory.
fn bomb(entries: usize) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0];
    codec::Compact(entries as u32).encode_to(&mut bytes);
    let name = "n".repeat(250);
    let common = format!("{name}/").repeat(16);
    for number in 0..entries {
        let shared = if number == 0 { 0 } else { common.len() };
        codec::Compact(shared as u32).encode_to(&mut bytes);
        format!("{}{number:07}", &common[shared..]).into_bytes().encode_to(&mut bytes);
        bytes.push(0);
    }
    bytes
}

#[test]
fn a_manifest_whose_paths_take_far_more_memory_than_bytes_is_refused_while_it_is_decoded() {
    let most = PATH_BYTES_SUM_MAX / (16 * 251 + 7);
    let good = bomb(most);
    assert!(good.len() < 1 << 20);
    let decoded = Segment::from_bytes(&good, Coding::K1).expect("just what is allowed");
    assert!(decoded.path_bytes() <= PATH_BYTES_SUM_MAX && decoded.to_bytes(Coding::K1).is_ok());
    let error = Segment::from_bytes(&bomb(most + 1), Coding::K1).expect_err("too much");
    assert!(error.to_string().contains("memory"), "{error}");

    // Each level is allowed, and all of them aren't.
    let mut budget = DecodeBudget::levels();
    let results: Vec<bool> = (0..4).map(|_| Segment::decode(&good, Coding::K1, &mut budget).is_ok()).collect();
    assert_eq!(results, [true, true, false, false]);

    let mut wide = Segment::default();
    wide.entries.extend(
        (0..=most).map(|number| (path(&format!("{}{number:07}", format!("{}/", "n".repeat(250)).repeat(16))), None)),
    );
    assert!(wide.to_bytes(Coding::K1).is_err(), "what nobody would read isn't written");
}

#[test]
fn trees_in_which_something_lies_nowhere_are_refused() {
    let mut orphan = Segment::default();
    orphan.entries.insert(path("a/b"), Some(Entry::File(file(1))));
    assert!(Tree::from_segments([&orphan]).is_err());
    orphan.entries.insert(path("a"), Some(Entry::File(file(1))));
    assert!(Tree::from_segments([&orphan]).is_err(), "below a file");
    orphan.entries.insert(path("a"), Some(Entry::Directory { modified_ms: 0, mode: 0 }));
    Tree::from_segments([&orphan]).expect("whole");
    let mut gone = Segment::default();
    gone.entries.insert(path("a"), None);
    assert!(Tree::from_segments([&orphan, &gone]).is_err(), "its directory is gone");
}

#[test]
fn children_are_those_of_the_directory_itself() {
    let mut tree = Tree::default();
    let mut changed = Segment::default();
    for name in ["a/x", "a/y/z", "a.txt", "a!/q", "b", "c/d/e/f"] {
        tree.apply(Change::Put(path(name), file(1)), &mut changed).expect("fits");
    }
    let children = |of: &str| -> Vec<String> {
        tree.children(&path(of)).expect("there").iter().map(|(path, _)| path.to_string()).collect()
    };
    assert_eq!(children(""), ["/a", "/a!", "/a.txt", "/b", "/c"]);
    assert_eq!(children("a"), ["/a/x", "/a/y"]);
    assert_eq!(children("c"), ["/c/d"]);
    assert!(tree.children(&path("b")).is_err() && tree.children(&path("nope")).is_err());
    assert_eq!(Tree::from_segments([&changed]), Ok(tree));
}

#[test]
fn runs_join_and_are_found_again() {
    for coding in [Coding::K1, Coding::K2] {
        let per_stripe = ids_per_stripe(coding);
        let ids = |stripe: u64| vec![[stripe as u8; 32]; per_stripe];
        let mut runs = Vec::new();
        for (stripe, size) in [(3, ShardSize::K64), (4, ShardSize::K64), (5, ShardSize::K4), (7, ShardSize::K4)] {
            StripeRun::push(&mut runs, stripe, size, &ids(stripe), coding);
        }
        assert_eq!(
            runs.iter().map(|run| (run.first, run.stripes(coding))).collect::<Vec<_>>(),
            [(3, 2), (5, 1), (7, 1)]
        );
        assert_eq!(runs[0].ids_of(4, coding), Some(&ids(4)[..]));
        assert_eq!((runs[0].ids_of(2, coding), runs[0].ids_of(5, coding)), (None, None));
        assert_eq!(Vec::<StripeRun>::decode_all(&mut &runs.encode()[..]), Ok(runs.clone()));
        assert!(runs_of_part(&runs[..2].encode(), 3..6, 33, coding).is_ok());
        for (covers, units) in [(3..7, 33), (2..6, 33), (3..6, 32)] {
            assert!(runs_of_part(&runs[..2].encode(), covers, units, coding).is_err());
        }
        assert!(runs_of_part(&runs.encode(), 3..8, 34, coding).is_err(), "a stripe is missing");
    }
    assert!(StripeRun { first: 0, size: ShardSize::K4, ids: vec![[0; 32]; 7] }.check(Coding::K2).is_err());
    assert!(StripeRun { first: u64::MAX, size: ShardSize::K4, ids: vec![[0; 32]] }.check(Coding::K1).is_err());
}

fn arbitrary_change() -> impl Strategy<Value = Change> {
    let name = || "[a-c](/[a-c]){0,3}".prop_map(|text| path(&text));
    prop_oneof![
        4 => (name(), 0u64..5).prop_map(|(path, size)| Change::Put(path, file(size))),
        1 => name().prop_map(|path| Change::MakeDirectory(path, 1)),
        2 => (name(), any::<bool>()).prop_map(|(path, recursive)| Change::Remove { path, recursive }),
        2 => (name(), name()).prop_map(|(from, to)| Change::Move { from, to }),
        1 => (name(), 0u8..4).prop_map(|(path, other)| {
            Change::Touch { path, commitment: [other; 32], modified_ms: 3, mode: 0o600 }
        }),
    ]
}

proptest! {
    /// However changes are spread over segments, the tree that is read back is the one that was written.
    #[test]
    fn segments_add_up_to_the_tree(commits in prop::collection::vec(prop::collection::vec(arbitrary_change(), 0..12), 0..12)) {
        let mut tree = Tree::default();
        let mut segments = Vec::new();
        for changes in commits {
            let mut changed = Segment::default();
            for change in changes {
                let before = tree.clone();
                if tree.apply(change, &mut changed).is_err() {
                    prop_assert_eq!(&tree, &before, "a refused change changes nothing");
                }
            }
            let bytes = changed.to_bytes(Coding::K1).expect("short");
            segments.push(Segment::from_bytes(&bytes, Coding::K1).expect("ours"));
        }
        prop_assert_eq!(&Tree::from_segments(&segments), &Ok(tree.clone()));
        // Merged, the same.
        let merged = segments.into_iter().fold(Segment::default(), |mut all, segment| { all.apply(segment); all });
        prop_assert_eq!(Tree::from_segments([&merged]), Ok(tree));
    }

    #[test]
    fn any_bytes_are_refused_or_come_back(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for coding in [Coding::K1, Coding::K2] {
            if let Ok(segment) = Segment::from_bytes(&bytes, coding) {
                let again = segment.to_bytes(coding).expect("short");
                prop_assert_eq!(Segment::from_bytes(&again, coding).expect("ours"), segment);
            }
            let _ = Root::from_bytes(&bytes, 5, coding);
        }
        let _ = Head::from_bytes(&bytes);
    }

    #[test]
    fn a_turned_bit_is_refused_or_read_as_something_well_formed(position in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = segment().to_bytes(Coding::K1).expect("short");
        let position = position.index(bytes.len());
        bytes[position] ^= 1 << bit;
        if let Ok(read) = Segment::from_bytes(&bytes, Coding::K1) {
            prop_assert!(read.to_bytes(Coding::K1).is_ok());
        }
    }
}
