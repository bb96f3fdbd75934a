// SPDX-License-Identifier: Apache-2.0

//! What a log does when the disk doesn't.

use std::sync::atomic::Ordering::SeqCst;

use proptest::prelude::*;

use super::*;

#[test]
fn what_was_never_acknowledged_is_cut_off() {
    let mut bench = Bench::with_log();
    bench.append(0, &small(3)).expect("they are taken");
    // As if a crash had come between the bytes and the index.
    bench.store = None;
    let log = crate::Bulk::open(&bench.disk, AT).expect("the file");
    log.write(&[9; 5000], 3 * 4096).expect("written");
    bench.restart();
    assert_eq!(bench.disk.bytes(AT).expect("the file").len(), 3 * 4096);
    check(bench.store(), AT, &small(3), 0);
}

#[test]
fn a_disk_that_fails_to_sync_acknowledges_nothing_and_the_log_is_opened_again() {
    let bench = Bench::with_log();
    let shards = small(8);
    bench.append(0, &shards[..2]).expect("they are taken");
    bench.disk.fail_sync.store(true, SeqCst);
    assert!(matches!(bench.append(2, &shards[2..4]), Err(StoreError::Io { .. })));
    bench.disk.fail_sync.store(false, SeqCst);
    // The system says it once; what it dropped it doesn't say.
    bench.disk.power_cut(|| false);
    assert!(matches!(bench.append(2, &shards[2..4]), Err(StoreError::Poisoned)));
    check(bench.store(), AT, &shards[..2], 0);
    assert_eq!(bench.store().reopen(AT).expect("the disk works again"), [0u64; 0]);
    bench.append(2, &shards[2..]).expect("they are taken");
    check(bench.store(), AT, &shards, 0);
}

#[test]
fn all_that_waits_behind_a_failure_fails_with_it() {
    let bench = Bench::with_log();
    bench.disk.fail_sync.store(true, SeqCst);
    bench.disk.sync_ms.store(30, SeqCst);
    let (sender, replies) = std::sync::mpsc::channel();
    for (number, shard) in small(5).iter().enumerate() {
        let sender = sender.clone();
        let reply = Box::new(move |result: Result<Range, StoreError>| sender.send(result).expect("it is heard"));
        bench.store().append_then(AT, number as u64, &[ShardSize::K4], shard, u64::MAX, reply);
    }
    drop(sender);
    let results: Vec<_> = replies.iter().collect();
    assert!(results.len() == 5 && results.iter().all(Result::is_err), "{results:?}");
    assert_eq!(bench.store().head(AT).expect("the log").range, Range::default());
}

#[test]
fn a_full_disk_refuses_and_hurts_nothing() {
    let bench = Bench::with_log();
    bench.append(0, &small(2)).expect("they are taken");
    bench.disk.free.store(1000 + 4095, SeqCst);
    let refused = bench.append(2, &small(1));
    assert!(matches!(refused, Err(StoreError::DiskFull { free_bytes: 5095, reserve_bytes: 1000 })), "{refused:?}");
    bench.disk.free.store(1000 + 4096, SeqCst);
    // Others fill it meanwhile.
    bench.disk.until_full.store(4095, SeqCst);
    let again = bench.append(2, &[shard(ShardSize::K4, 2)]);
    assert!(matches!(again, Err(StoreError::DiskFull { .. })), "{again:?}");
    check(bench.store(), AT, &small(2), 0);
    bench.disk.until_full.store(u64::MAX, SeqCst);
    bench.append(2, &[shard(ShardSize::K4, 2)]).expect("there is room again");
    check(bench.store(), AT, &small(3), 0);
}

#[test]
fn rot_is_found_never_served_and_repaired_with_the_right_bytes_only() {
    let bench = Bench::with_log();
    let shards: Vec<_> = (0..6).map(|number| shard(ShardSize::ALL[number % 2], number as u64)).collect();
    bench.append(0, &shards).expect("they are taken");
    let offset: usize = shards[..3].iter().map(Vec::len).sum();
    bench.disk.rot(AT, offset + 77);
    let units = range_of(&shards).units();
    let scrubbed = bench.store().scrub(AT, 0, u64::MAX).expect("readable");
    assert_eq!((scrubbed.next_leaf, &scrubbed.damaged[..]), (6, &[3][..]));
    assert_eq!(scrubbed.bytes, units * 4096);
    assert!(matches!(bench.store().read(AT, 3, 1, 0), Err(StoreError::Rot { leaf: 3 })));
    assert_eq!(bench.store().read(AT, 1, 5, usize::MAX).expect("those before it").sizes.len(), 2);
    let chunk = offset as u64 / CHUNK_BYTES as u64;
    assert!(matches!(bench.store().prove(AT, units, chunk), Err(StoreError::Rot { leaf: 3 })));
    for wrong in [shard(ShardSize::K16, 99), shard(ShardSize::K4, 3), Vec::new(), shards[4].clone()] {
        assert!(matches!(bench.store().rewrite(AT, 3, &wrong), Err(StoreError::Differs)));
    }
    assert!(matches!(bench.store().rewrite(AT, 6, &shards[3]), Err(StoreError::Missing)));
    bench.store().rewrite(AT, 3, &shards[3]).expect("it belongs there");
    check(bench.store(), AT, &shards, 0);
    assert!(bench.store().scrub(AT, 0, u64::MAX).expect("readable").damaged.is_empty());
}

#[test]
fn scrubbing_goes_on_where_it_stopped() {
    let bench = Bench::with_log();
    bench.append(0, &small(10)).expect("they are taken");
    let first = bench.store().scrub(AT, 0, 3 * 4096).expect("readable");
    assert_eq!((first.next_leaf, first.bytes), (3, 3 * 4096));
    let rest = bench.store().scrub(AT, first.next_leaf, u64::MAX).expect("readable");
    assert_eq!((rest.next_leaf, rest.bytes), (10, 7 * 4096));
    assert_eq!(bench.store().scrub(AT, 10, u64::MAX).expect("nothing is left").bytes, 0);
}

#[test]
fn a_short_or_lost_file_is_damage_that_can_be_repaired() {
    for lost in [false, true] {
        let mut bench = Bench::with_log();
        let shards = small(5);
        bench.append(0, &shards).expect("they are taken");
        // Another log is there all the time.
        bench.store().create(OTHER, Range::default()).expect("there is none");
        let sizes = vec![ShardSize::K4; shards.len()];
        bench.store().append(OTHER, 0, &sizes, &shards.concat()).expect("they are taken");
        bench.restart();
        assert!(!bench.store().lost_shards().expect("readable"));
        match lost {
            true => bench.disk.lose(AT),
            false => bench.disk.shorten(AT, 2 * 4096 + 10),
        }
        // Who starts it a second time finds a log that is as long as ever.
        for _ in 0..2 {
            bench.restart();
            assert!(bench.store().lost_shards().expect("readable"));
        }
        let damaged = bench.store().scrub(AT, 0, u64::MAX).expect("readable").damaged;
        assert_eq!(damaged, if lost { vec![0, 1, 2, 3, 4] } else { vec![2, 3, 4] });
        for leaf in damaged {
            bench.store().rewrite(AT, leaf, &shards[leaf as usize]).expect("it belongs there");
        }
        bench.store().mended().expect("it is noted");
        assert!(!bench.store().lost_shards().expect("readable"));
        check(bench.store(), AT, &shards, 0);
    }
}

/// What operators do with a broken index: they move it away, or put an older copy in its place.
#[test]
fn a_store_without_its_index_or_with_an_older_one_keeps_every_log_until_the_loss_is_accepted() {
    for older in [false, true] {
        let mut bench = Bench::new();
        if older {
            bench.store().create(OTHER, Range::default()).expect("there is none");
        }
        bench.store = None;
        let (index, copy) = (bench.folder.path().join("index"), bench.folder.path().join("copy"));
        copy_folder(&index, &copy);
        bench.restart();
        bench.store().create(AT, Range::default()).expect("there is none");
        bench.append(0, &small(5)).expect("they are taken");
        let bytes = bench.disk.bytes(AT);
        bench.store = None;
        std::fs::remove_dir_all(&index).expect("it was there");
        if older {
            copy_folder(&copy, &index);
        }
        for _ in 0..2 {
            assert!(matches!(bench.try_restart(false), Err(StoreError::IndexLost { logs: 1 })), "older: {older}");
            assert_eq!(bench.disk.bytes(AT), bytes, "nothing is removed or changed");
        }
        bench.try_restart(true).expect("it is what the operator wants");
        assert_eq!((bench.disk.bytes(AT), bench.store().head(AT)), (None, None));
    }
}

/// As when the disk of the logs isn't mounted.
#[test]
fn a_store_of_which_all_logs_are_gone_makes_none_anew_until_the_loss_is_accepted() {
    let mut bench = Bench::with_log();
    bench.append(0, &small(5)).expect("they are taken");
    bench.store = None;
    bench.disk.lose(AT);
    for _ in 0..2 {
        assert!(matches!(bench.try_restart(false), Err(StoreError::LogsLost { logs: 1 })));
        assert_eq!(bench.disk.bytes(AT), None, "nothing is made");
    }
    bench.try_restart(true).expect("it is what the operator wants");
    assert!(bench.store().lost_shards().expect("readable"));
}

#[test]
fn interrupted_makings_and_removals_are_ended_at_the_next_start() {
    let mut bench = Bench::with_log();
    bench.append(0, &small(5)).expect("they are taken");
    let bytes = bench.disk.bytes(AT).expect("it is there");
    bench.store().remove(AT).expect("it is there");
    bench.store = None;
    // The file is still there, as after a kill between the two; and one that was only just made.
    crate::Bulk::create(&bench.disk, AT).and_then(|log| log.write(&bytes, 0)).expect("there is room");
    crate::Bulk::create(&bench.disk, OTHER).expect("there is room");
    bench.restart();
    assert_eq!((bench.disk.bytes(AT), bench.disk.bytes(OTHER)), (None, None));
    // A log of the same slot that came later isn't removed for that.
    bench.store().create(AT, range_of(&small(3))).expect("there is none");
    bench.restart();
    assert_eq!(bench.store().head(AT).map(|head| head.range.leaves()), Some(3));
    assert!(!bench.store().lost_shards().expect("readable"));
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("there is room");
    for entry in std::fs::read_dir(from).expect("it is there").flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("there is room");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever of the unsafe blocks a loss of power keeps: all that was acknowledged is there, and the log goes on.
    #[test]
    fn no_loss_of_power_costs_what_was_acknowledged(
        counts in prop::collection::vec(1u64..6, 1..6),
        torn in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut bench = Bench::with_log();
        let (mut shards, mut state) = (Vec::new(), seed | 1);
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for count in counts {
            let new: Vec<_> = (0..count).map(|_| shard(ShardSize::ALL[random() as usize % 2], random())).collect();
            bench.append(shards.len() as u64, &new).expect("they are taken");
            shards.extend(new);
            if torn {
                // On its way when the power goes.
                let log = crate::Bulk::open(&bench.disk, AT).expect("the file");
                let end = bench.disk.bytes(AT).expect("the file").len() as u64;
                log.write(&shard(ShardSize::K16, random()), end).expect("written");
            }
            bench.store = None;
            bench.disk.power_cut(|| random() % 2 == 0);
            bench.restart();
            check(bench.store(), AT, &shards, 0);
        }
    }
}
