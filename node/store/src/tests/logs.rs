// SPDX-License-Identifier: Apache-2.0

//! What a log does on a disk that works.

use std::sync::atomic::Ordering::SeqCst;

use cairn_primitives::storage::Receipt;

use super::*;
use crate::LocalDisk;

#[test]
fn shards_of_every_size_are_kept_and_proven() {
    let mut bench = Bench::with_log();
    let shards: Vec<_> = (0..9).map(|number| shard(ShardSize::ALL[number % 4], number as u64)).collect();
    let end = bench.append(0, &shards[..4]).expect("they are taken");
    assert_eq!(end, range_of(&shards[..4]));
    bench.append(4, &shards[4..]).expect("they are taken");
    check(bench.store(), AT, &shards, 0);
    bench.restart();
    check(bench.store(), AT, &shards, 0);
}

#[test]
fn bytes_that_are_not_of_the_sizes_are_refused() {
    let bench = Bench::with_log();
    for size in ShardSize::ALL {
        for length in [0, 1, size.bytes() - 1, size.bytes() + 1, 2 * size.bytes()] {
            let refused = bench.store().append(AT, 0, &[size], &vec![0; length]);
            assert!(matches!(refused, Err(StoreError::Differs)), "{length} for {size:?}");
        }
    }
    assert_eq!(bench.store().head(AT).expect("the log").range, Range::default());
    bench.append(0, &[shard(ShardSize::K256, 1)]).expect("the right length is taken");
}

#[test]
fn a_gap_is_told_and_a_log_that_is_not_there_too() {
    let bench = Bench::with_log();
    bench.append(0, &small(2)).expect("they are taken");
    assert!(matches!(bench.append(3, &small(1)), Err(StoreError::Gap { leaves: 2 })));
    assert!(matches!(bench.store().append(OTHER, 0, &[], &[]), Err(StoreError::UnknownSlot(OTHER))));
    assert!(matches!(bench.store().create(AT, Range::default()), Err(StoreError::Exists(AT))));
    assert!(matches!(bench.store().read(AT, 2, 1, 0), Err(StoreError::Missing)));
    assert!(matches!(bench.store().leaves(AT, u64::MAX, 1), Err(StoreError::Missing)));
}

#[test]
fn the_tail_is_written_anew_and_what_is_committed_is_not() {
    let mut bench = Bench::with_log();
    let mut shards = small(6);
    bench.append(0, &shards).expect("they are taken");
    bench.store().commit(AT, 3).expect("a shard ends there");
    let others = [shard(ShardSize::K16, 100), shard(ShardSize::K4, 101)];
    bench.append(4, &others).expect("the tail is free");
    shards.truncate(4);
    shards.extend(others);
    check(bench.store(), AT, &shards, 0);
    assert!(matches!(bench.append(2, &small(1)), Err(StoreError::Kept { leaves: 3 })));
    assert!(matches!(bench.store().cut(AT, 2), Err(StoreError::Kept { leaves: 3 })));
    bench.restart();
    check(bench.store(), AT, &shards, 0);
    // No shards only cut.
    assert_eq!(bench.append(3, &[]).expect("it is cut"), range_of(&shards[..3]));
    check(bench.store(), AT, &shards[..3], 0);
}

#[test]
fn older_lengths_are_proven_against_their_own_roots() {
    let bench = Bench::with_log();
    let shards: Vec<_> = (0..13).map(|number| shard(ShardSize::ALL[number % 3], number as u64)).collect();
    bench.append(0, &shards).expect("they are taken");
    let mut ends = vec![0];
    for count in 1..=shards.len() {
        let older = range_of(&shards[..count]);
        ends.push(older.units());
        assert_eq!(bench.store().prefix(AT, older.units()).expect("a shard ends there"), older);
        for chunk in [0, older.units() * CHUNKS_PER_UNIT - 1] {
            let proof = bench.store().prove(AT, older.units(), chunk).expect("it is there");
            assert_eq!(proof.verify(&older.root(), older.units(), chunk), Ok(()));
        }
    }
    for units in (0..=range_of(&shards).units()).filter(|units| !ends.contains(units)) {
        assert!(matches!(bench.store().prefix(AT, units), Err(StoreError::NotAnEnd)), "{units}");
        assert!(matches!(bench.store().commit(AT, units), Err(StoreError::NotAnEnd)));
    }
    assert!(matches!(bench.store().prefix(AT, 1000), Err(StoreError::Missing)));
}

#[test]
fn what_is_given_up_makes_room_and_the_rest_is_still_proven() {
    for trimmed in 0..=11usize {
        let mut bench = Bench::with_log();
        let shards: Vec<_> = (0..11).map(|number| shard(ShardSize::ALL[number % 2], number as u64)).collect();
        bench.append(0, &shards).expect("they are taken");
        let units = range_of(&shards[..trimmed]).units();
        bench.store().trim(AT, units).expect("nothing is committed, so nothing is given up");
        assert_eq!(bench.store().head(AT).expect("the log").trimmed_leaves, 0);
        bench.store().commit(AT, range_of(&shards).units()).expect("its end");
        // Not at a shard's end: the whole shards before it.
        bench.store().trim(AT, units + u64::from(trimmed < 11 && trimmed % 2 == 1)).expect("it is committed");
        bench.restart();
        check(bench.store(), AT, &shards, trimmed);
        let bytes = bench.disk.bytes(AT).expect("the file");
        assert!(bytes[..units as usize * 4096].iter().all(|byte| *byte == 0));
        let front = bench.store().front(AT, units).expect("its own");
        assert_eq!(front, range_of(&shards[..trimmed]));
        if trimmed > 0 {
            assert!(matches!(bench.store().front(AT, units - 1), Err(StoreError::Missing)));
        }
        // Another vault goes on from the peaks alone.
        bench.store().create(OTHER, front).expect("there is none");
        for (number, shard) in shards.iter().enumerate().skip(trimmed) {
            let size = ShardSize::from_bytes(shard.len()).expect("a shard");
            bench.store().append(OTHER, number as u64, &[size], shard).expect("it follows");
        }
        bench.restart();
        check(bench.store(), OTHER, &shards, trimmed);
    }
}

#[test]
fn reading_gives_what_fits_and_at_least_one() {
    let bench = Bench::with_log();
    let shards = [shard(ShardSize::K4, 1), shard(ShardSize::K4, 2), shard(ShardSize::K16, 3), shard(ShardSize::K4, 4)];
    bench.append(0, &shards).expect("they are taken");
    let read = |first, count, bytes| bench.store().read(AT, first, count, bytes).expect("it is there").sizes.len();
    assert_eq!(read(0, 1, usize::MAX), 1);
    assert_eq!(read(0, 100, usize::MAX), 4);
    assert_eq!(read(0, 100, 8192), 2);
    assert_eq!(read(0, 100, 8191), 1);
    assert_eq!(read(2, 2, 0), 1);
    assert_eq!(read(0, 3, 24576), 3);
    let leaves = bench.store().leaves(AT, 1, 2).expect("they are there");
    assert_eq!(leaves.iter().map(|leaf| leaf.id).collect::<Vec<_>>(), [shard_id(&shards[1]), shard_id(&shards[2])]);
    assert_eq!(leaves[1].units_before, 2);
}

#[test]
fn a_removed_log_leaves_nothing_behind() {
    let mut bench = Bench::with_log();
    bench.append(0, &small(5)).expect("they are taken");
    let receipt = Receipt { at: AT, version: 1, root: range_of(&small(5)).root(), units: 5, until_block: 9 };
    bench.store().seal(receipt, [7; 64]).expect("it is what the log is");
    assert_eq!(bench.store().receipt(AT).expect("readable"), Some((receipt, [7; 64])));
    bench.store().remove(AT).expect("it is there");
    assert!(bench.store().head(AT).is_none() && bench.disk.bytes(AT).is_none());
    assert!(matches!(bench.store().remove(AT), Err(StoreError::UnknownSlot(AT))));
    bench.restart();
    assert!(bench.store().slots().is_empty());
    assert_eq!(bench.store().receipt(AT).expect("readable"), None);
    bench.store().create(AT, Range::default()).expect("it can come back");
    check(bench.store(), AT, &[], 0);
    bench.append(0, &small(1)).expect("and is empty");
    check(bench.store(), AT, &small(1), 0);
}

#[test]
fn what_a_receipt_promised_is_kept_until_the_drive_has_moved_on() {
    let mut bench = Bench::with_log();
    bench.append(0, &small(5)).expect("they are taken");
    let range = range_of(&small(5));
    let receipt = |units, root| Receipt { at: AT, version: 3, root, units, until_block: 90 };
    for wrong in [receipt(4, range.root()), receipt(5, [0; 32]), receipt(4, range_of(&small(4)).root())] {
        assert!(matches!(bench.store().seal(wrong, [0; 64]), Err(StoreError::Changed)));
    }
    bench.append(3, &small(5)[3..]).expect("nothing is promised yet");
    bench.store().seal(receipt(5, range.root()), [0; 64]).expect("it is what the log is");
    bench.restart();
    bench.store().unseal(AT, 2, 90).expect("the drive isn't there yet");
    assert!(matches!(bench.append(4, &[]), Err(StoreError::Kept { leaves: 5 })));
    bench.append(5, &[shard(ShardSize::K4, 9)]).expect("more can follow");
    bench.store().unseal(AT, 3, 50).expect("the drive is there");
    assert_eq!(bench.append(2, &[]).expect("nothing is promised any more").leaves(), 2);

    // A promise that nobody made use of ends with its last block; one that is given again lasts as long as the longer one.
    let range = range_of(&small(5));
    bench.append(2, &small(5)[2..]).expect("nothing is promised yet");
    let again = |until_block| Receipt { version: 4, until_block, ..receipt(5, range.root()) };
    bench.store().seal(again(95), [0; 64]).expect("it is what the log is");
    bench.store().seal(again(93), [0; 64]).expect("it still is");
    bench.restart();
    bench.store().unseal(AT, 3, 95).expect("its last block may have it");
    assert!(matches!(bench.append(4, &[]), Err(StoreError::Kept { leaves: 5 })));
    bench.store().unseal(AT, 3, 96).expect("no block can any more");
    assert_eq!(bench.append(2, &[]).expect("nothing is promised any more").leaves(), 2);
}

#[test]
fn a_log_may_have_so_many_units_and_no_more() {
    let bench = Bench::with_log();
    bench.append(0, &small(3)).expect("they are taken");
    let append = |first, size: ShardSize, units_max| {
        let (sender, result) = std::sync::mpsc::channel();
        let reply = Box::new(move |result: Result<Range, StoreError>| sender.send(result).expect("it is heard"));
        bench.store().append_then(AT, first, &[size], &shard(size, 1), units_max, reply);
        result.recv().expect("a reply")
    };
    assert!(matches!(append(3, ShardSize::K4, 3), Err(StoreError::NoRoom { units_max: 3 })));
    assert!(matches!(append(3, ShardSize::K16, 6), Err(StoreError::NoRoom { units_max: 6 })));
    assert_eq!(append(3, ShardSize::K16, 7).expect("it fits").units(), 7);
    assert_eq!(append(3, ShardSize::K4, 4).expect("cut, it fits").units(), 4);
}

#[test]
fn a_settled_log_has_what_was_given_to_it_before() {
    let bench = Bench::with_log();
    bench.disk.sync_ms.store(20, SeqCst);
    bench.store().append_then(AT, 0, &[ShardSize::K4], &small(1)[0], u64::MAX, Box::new(|_| ()));
    assert_eq!(bench.store().settle(AT).expect("the log").range, range_of(&small(1)));
    bench.store().expect_writes(AT, 70).expect("the log");
    bench.store().expect_writes(AT, 60).expect("the log");
    assert_eq!(bench.store().head(AT).expect("the log").tail_until_block, 70);
}

#[test]
fn values_and_fronts_survive() {
    let mut bench = Bench::new();
    let front = range_of(&small(5));
    bench.store().save_value("cursor", vec![1, 2, 3]).expect("kept");
    bench.store().save_front(OTHER, front.clone()).expect("kept");
    bench.restart();
    assert_eq!(bench.store().value("cursor").expect("readable"), Some(vec![1, 2, 3]));
    assert_eq!(bench.store().front(OTHER, 5).expect("known"), front);
    assert!(matches!(bench.store().front(OTHER, 4), Err(StoreError::Missing)), "that is more than was asked for");
    bench.store().forget_front(OTHER).expect("forgotten");
    assert!(matches!(bench.store().front(OTHER, 5), Err(StoreError::Missing)));
}

#[test]
fn many_appends_are_made_safe_together() {
    let bench = Bench::with_log();
    bench.disk.sync_ms.store(20, SeqCst);
    let before = bench.disk.syncs.load(SeqCst);
    let (sender, replies) = std::sync::mpsc::channel();
    let shards = small(60);
    for (number, shard) in shards.iter().enumerate() {
        let sender = sender.clone();
        let reply = Box::new(move |result: Result<Range, StoreError>| sender.send(result).expect("it is heard"));
        bench.store().append_then(AT, number as u64, &[ShardSize::K4], shard, u64::MAX, reply);
    }
    for number in 1..=60 {
        assert_eq!(replies.recv().expect("a reply").expect("it is safe").leaves(), number);
    }
    let syncs = bench.disk.syncs.load(SeqCst) - before;
    assert!(syncs < 20, "{syncs} for 60 appends");
    check(bench.store(), AT, &shards, 0);
}

#[test]
fn proving_looks_at_few_entries_however_long_the_log() {
    let bench = Bench::with_log();
    let zeros = vec![0u8; 1024 * ShardSize::K4.bytes()];
    let mut leaves = 0;
    let mut lookups = Vec::new();
    for goal in [1u64 << 10, 1 << 15] {
        while leaves < goal {
            bench.store().append(AT, leaves, &[ShardSize::K4; 1024], &zeros).expect("they are taken");
            leaves += 1024;
        }
        let before = bench.store().lookups();
        bench.store().prove(AT, leaves, leaves * 2 + 1).expect("it is there");
        bench.store().prove(AT, leaves - 1, leaves + 1).expect("it is there");
        lookups.push(bench.store().lookups() - before);
    }
    // Per level: one node on the way down, and its sibling; for the shorter length its peaks too.
    assert!(lookups[0] <= 2 * 4 * 10 && lookups[1] <= 2 * 4 * 15, "{lookups:?}");
}

#[test]
fn two_stores_can_not_share_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = Store::open(folder.path(), Options::default()).expect("it opens");
    assert!(matches!(Store::open(folder.path(), Options::default()), Err(StoreError::Index(_))));
}

#[test]
fn the_files_of_this_machine_do_as_they_should() {
    let folder = tempfile::tempdir().expect("a folder");
    let shards = small(300);
    {
        let store = Store::open(folder.path(), Options { reserve_bytes: 0, ..Options::default() }).expect("it opens");
        store.create(AT, Range::default()).expect("there is none");
        store.append(AT, 0, &[ShardSize::K4; 300], &shards.concat()).expect("they are taken");
        store.commit(AT, 300).expect("its end");
        store.trim(AT, 128).expect("it is committed");
        let (free, total) = store.room().expect("known");
        assert!(free < total);
    }
    let path = folder.path().join("logs/7-3.log");
    let metadata = std::fs::metadata(&path).expect("the file");
    assert_eq!(metadata.len(), 300 * 4096, "everything keeps its place");
    use std::os::unix::fs::MetadataExt;
    assert!(metadata.blocks() * 512 < 300 * 4096, "the room was given back");
    std::fs::write(folder.path().join("logs/9-9.log"), b"left over").expect("writable");
    std::fs::write(folder.path().join("logs/readme"), b"no log").expect("writable");
    let store = Store::open(folder.path(), Options::default()).expect("it opens");
    check(&store, AT, &shards, 128);
    assert!(!folder.path().join("logs/9-9.log").exists() && folder.path().join("logs/readme").exists());
    store.remove(AT).expect("it is there");
    assert!(!path.exists());
    let bulk = LocalDisk::new(&folder.path().join("logs")).expect("a folder");
    assert_eq!(crate::Bulk::list(&bulk).expect("readable"), []);
}
