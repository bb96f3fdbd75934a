// SPDX-License-Identifier: Apache-2.0

//! A process that appends is killed at any moment; what it had said to be safe is there.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use cairn_primitives::storage::{Range, ShardSize, SlotAt};
use cairn_store::{Options, Store};

const AT: SlotAt = SlotAt { drive: 1, slot: 0 };
const FOLDER: &str = "CAIRN_KILL_TEST_FOLDER";

fn shard(number: u64) -> Vec<u8> {
    let mut bytes = vec![0; ShardSize::K4.bytes()];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn open(folder: &Path) -> Store {
    Store::open(folder, Options { reserve_bytes: 0, ..Options::default() }).expect("it opens")
}

/// What the killed process does; nothing when the test is run by itself.
#[test]
fn child_that_appends() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = open(Path::new(&folder));
    if store.head(AT).is_none() {
        store.create(AT, Range::default()).expect("there is none");
    }
    for number in store.head(AT).expect("the log").range.leaves().. {
        let end = store.append(AT, number, &[ShardSize::K4], &shard(number)).expect("it is taken");
        println!("safe {}", end.leaves());
    }
}

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut safe = 0u64;
    for round in 1..=5u64 {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "child_that_appends", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let goal = safe + 7 * round;
        while safe < goal {
            let line = lines.next().expect("it goes on").expect("text");
            // The test program's own words may stand before it.
            if let Some((_, number)) = line.rsplit_once("safe ") {
                safe = number.parse().expect("a number");
            }
        }
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        let store = open(folder.path());
        let end = store.head(AT).expect("the log").range;
        assert!(end.leaves() >= safe, "{} of {safe} are there", end.leaves());
        for number in 0..end.leaves() {
            assert_eq!(store.read(AT, number, 1, 0).expect("it is there").bytes, shard(number));
        }
        safe = end.leaves();
    }
}
