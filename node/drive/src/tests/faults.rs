// SPDX-License-Identifier: Apache-2.0

//! Vaults that fail, lie, or are slow; writers that are faster.

use std::{
    sync::{atomic::Ordering, Arc, Mutex},
    time::{Duration, Instant},
};

use cairn_primitives::storage::Coding;

use super::world::{noise, plan, Fault, World};
use crate::{upload::Event, DriveError};

const CODINGS: [Coding; 3] = [Coding::K1, Coding::K2, Coding::K4];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_k_honest_vaults_are_enough_to_read() {
    for coding in CODINGS {
        for fault in [Fault::Down, Fault::Corrupt, Fault::Drops(1)] {
            let world = World::new(coding);
            let content = noise(1, 2_500_000);
            world.put(&[("file", content.clone())]).await;
            // The first slots fail: those with the data.
            let failing = usize::from(coding.slots() - coding.data());
            world.vaults[..failing].iter().for_each(|vault| vault.set(fault));
            assert!(world.get("file").await.expect("readable") == content, "{coding:?} {fault:?}");
            world.vaults[failing].set(fault);
            let error = world.get("file").await.expect_err("one too few");
            assert!(matches!(error, DriveError::Unreadable { .. }), "{coding:?} {fault:?}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_vault_costs_little_time() {
    let world = World::new(Coding::K2);
    let content = noise(1, 6_000_000);
    world.put(&[("file", content.clone())]).await;
    world.vaults[0].set(Fault::Silent);
    let start = Instant::now();
    assert!(world.get("file").await.expect("readable") == content);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_said_which_vault_gave_something_else() {
    let world = World::new(Coding::K1);
    world.put(&[("file", noise(1, 4_000_000))]).await;
    world.vaults[2].set(Fault::Corrupt);
    let drive = world.open().await;
    super::world::read_file(drive.contents(), "file", None).await.expect("readable");
    let failures = drive.vaults().failures();
    assert!(failures.iter().all(|failure| failure.slot == 2), "{failures:?}");
    assert!(failures.iter().any(|failure| failure.reason.contains("isn't the one")), "{failures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarter_of_the_vaults_may_fail_while_writing() {
    for fault in [Fault::Down, Fault::Full, Fault::Lies] {
        for coding in [Coding::K1, Coding::K2] {
            let world = World::new(coding);
            let failing = usize::from(coding.slots() - coding.signatures_min());
            world.vaults[..failing].iter().for_each(|vault| vault.set(fault));
            let done = world.put(&[("file", noise(1, 1_000_000))]).await;
            assert_eq!(done.behind, (0..failing as u8).collect::<Vec<_>>(), "{coding:?} {fault:?}");
            assert!(world.get("file").await.expect("readable") == noise(1, 1_000_000));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_more_is_too_many_and_the_same_command_goes_on() {
    let world = World::new(Coding::K1);
    world.vaults[..2].iter().for_each(|vault| vault.set(Fault::Full));
    let error = world.commit(plan(&[("file", noise(1, 3_000_000))])).await.expect_err("too few");
    assert!(matches!(error, DriveError::TooFewVaults { needed: 3, .. }), "{error}");
    assert_eq!((world.chain.state().version, world.journals_left()), (0, 1));
    world.vaults[..2].iter().for_each(|vault| vault.set(Fault::None));
    world.put(&[("file", noise(1, 3_000_000))]).await;
    assert_eq!(world.journals_left(), 0);
    // Nothing was sent twice but the manifest, whose encryption is new each time.
    for vault in &world.vaults {
        let sent = vault.appended.load(Ordering::Relaxed);
        assert!(sent < 3_000_000 + 64 * 4096, "{sent}");
    }
    assert!(world.get("file").await.expect("readable") == noise(1, 3_000_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_are_made_again() {
    let world = World::new(Coding::K1);
    world.vaults.iter().for_each(|vault| vault.set(Fault::Drops(4)));
    let done = world.put(&[("file", noise(1, 20_000_000))]).await;
    assert!(done.behind.is_empty(), "{done:?}");
    world.vaults.iter().for_each(|vault| vault.set(Fault::None));
    assert!(world.get("file").await.expect("readable") == noise(1, 20_000_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slowest_do_not_hold_up_the_others_for_long() {
    let mut world = World::new(Coding::K1);
    world.vaults[3].set(Fault::Slow(Duration::from_secs(60)));
    let left = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&left);
    world.writer.on_event = Arc::new(move |event| {
        if let Event::Left { slot, .. } = event {
            noted.lock().expect("no panic").push(slot);
        }
    });
    let start = Instant::now();
    let done = world.put(&[("file", noise(1, 2_000_000))]).await;
    assert_eq!((done.behind, &left.lock().expect("no panic")[..]), (vec![3], &[3][..]));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_writer_may_be_faster_and_nothing_is_lost() {
    let world = Arc::new(World::new(Coding::K1));
    world.put(&[("old", noise(1, 1000))]).await;
    // While this commit is at its checkpoint, another one is made from beginning to end.
    let (other, handle) = (Arc::clone(&world), tokio::runtime::Handle::current());
    *world.chain.before.lock().expect("no panic") = Some(Box::new(move |_| {
        let other = Arc::clone(&other);
        let done = std::thread::scope(|scope| {
            scope.spawn(|| handle.block_on(other.put(&[("theirs", noise(2, 5000))]))).join().expect("no panic")
        });
        assert_eq!(done.version, 2);
    }));
    let done = world.put(&[("ours", noise(3, 700_000))]).await;
    assert_eq!(done.version, 3);
    for (name, seed, bytes) in [("old", 1, 1000), ("theirs", 2, 5000), ("ours", 3, 700_000)] {
        assert!(world.get(name).await.expect("there") == noise(seed, bytes), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_can_not_read_is_told_so() {
    let world = World::new(Coding::K1);
    world.put(&[("file", noise(1, 10))]).await;
    let state = world.chain.state();
    let key = crate::keys::DriveKey::of_owner(&[99; 64], &super::world::GENESIS, 5, 0).expect("a key");
    let access = crate::Access { key, may_write: false };
    let error = crate::Drive::open(&world.session, state, access).await.map(|_| ()).expect_err("another's key");
    assert!(matches!(error, DriveError::Sealed(_)) && error.remedy().is_some(), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turned_key_reads_the_old_and_writes_the_new() {
    let world = World::new(Coding::K1);
    world.put(&[("old", noise(1, 10))]).await;
    world.chain.change(|drive| drive.key_generation = 1);
    world.put(&[("new", noise(2, 10))]).await;
    assert!(world.get("old").await.is_ok() && world.get("new").await.is_ok());
    let old = crate::keys::DriveKey::of_owner(&super::world::SECRET, &super::world::GENESIS, 5, 0).expect("a key");
    let access = crate::Access { key: old, may_write: false };
    let error = crate::Drive::open(&world.session, world.chain.state(), access).await.map(|_| ()).expect_err("turned");
    assert!(error.to_string().contains("share it again"), "{error}");
}
