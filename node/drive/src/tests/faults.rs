// SPDX-License-Identifier: Apache-2.0

//! Vaults that fail, lie, or are slow; writers that are faster.

use std::{
    sync::{atomic::Ordering, Arc, Mutex},
    time::{Duration, Instant},
};

use cairn_primitives::storage::Coding;

use super::world::{noise, plan, FakeChain, Fault, World};
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

/// However many pieces a file has, the vault that hangs is waited for once, whichever slot it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_hangs_is_waited_for_once_and_not_for_each_piece() {
    for coding in CODINGS {
        let world = World::new(coding);
        world.put(&[("file", noise(1, 40_000_000))]).await;
        for slot in [0, usize::from(coding.data()) - 1] {
            world.vaults.iter().for_each(|vault| vault.set(Fault::None));
            world.vaults[slot].set(Fault::Silent);
            let drive = world.open().await;
            super::world::read_file(drive.contents(), "file", None).await.expect("readable");
            let last = drive.vaults().by_promise().pop();
            assert_eq!(
                last.map(usize::from),
                Some(slot),
                "{coding:?}: what it gave nobody knows, yet it is the last to be asked"
            );
            let failures = drive.vaults().failures();
            assert!(failures.iter().all(|failure| usize::from(failure.slot) == slot), "{failures:?}");
            assert!(failures.iter().any(|failure| failure.reason.contains("silent")), "{failures:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_goes_away_in_the_middle_is_waited_for_and_is_no_damage() {
    let world = World::new(Coding::K1);
    let content = noise(1, 30_000_000);
    world.put(&[("file", content.clone())]).await;
    let open = |session: crate::Session| async move {
        let state = crate::find(&*session.chain, super::world::DRIVE).await.expect("there");
        let key = crate::keys::DriveKey::of_owner(&super::world::SECRET, &super::world::GENESIS, state.id, 0);
        let access = crate::Access { key: key.expect("a key"), may_write: true };
        crate::Drive::open(&session, state, access).await.expect("opens")
    };
    for patient in [false, true] {
        let waits = if patient { Duration::from_secs(60) } else { Duration::ZERO };
        let drive = open(world.patient(waits)).await;
        let vaults = world.vaults.clone();
        let back = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            vaults.iter().for_each(|vault| vault.set(Fault::None));
        });
        // Connections end, and so does each new one, until somebody answers again.
        world.vaults.iter().for_each(|vault| vault.set(Fault::Drops(2)));
        let read = super::world::read_file(drive.contents(), "file", None).await;
        match read {
            Ok(read) => assert!(patient && read == content),
            Err(error) => assert!(!patient && matches!(error, DriveError::Unreadable { .. }), "{error}"),
        }
        back.await.expect("no panic");
    }
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

/// As when a vault is thrown out during an upload, or a block is undone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_loses_its_vault_before_the_checkpoint_is_behind_and_the_rest_is_committed() {
    for coding in [Coding::K1, Coding::K4] {
        let world = World::new(coding);
        world.put(&[("old", noise(1, 1000))]).await;
        *world.chain.before.lock().expect("no panic") = Some(Box::new(|chain: &FakeChain| {
            chain.change(|state| (state.slots[2].vault, state.slots[2].healthy) = (None, false));
        }));
        let done = world.put(&[("new", noise(2, 700_000))]).await;
        assert_eq!((done.version, &done.behind[..]), (2, &[2][..]));
        assert!(world.get("new").await.expect("there") == noise(2, 700_000));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_at_the_same_time_all_get_through() {
    for coding in [Coding::K1, Coding::K4] {
        let mut world = World::new(coding);
        // As in use, longer than a commit takes: who takes over from somebody alive only makes more work.
        world.writer.others_wait = Duration::from_secs(4);
        let world = Arc::new(world);
        for round in 0..5u64 {
            let writers = (0..3u64).map(|writer| {
                let world = Arc::clone(&world);
                async move {
                    let (name, bytes) = (format!("{round}-{writer}"), 1000 + 400_000 * (writer as usize));
                    world.commit(plan(&[(&name, noise(10 * round + writer, bytes))])).await
                }
            });
            // As vaults do, those that were left behind catch up.
            let keeper = tokio::spawn({
                let world = Arc::clone(&world);
                async move {
                    loop {
                        world.catch_up();
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            });
            for done in futures::future::join_all(writers).await {
                done.expect("committed");
            }
            keeper.abort();
        }
        for (round, writer) in (0..5u64).flat_map(|round| (0..3).map(move |writer| (round, writer))) {
            let expected = noise(10 * round + writer, 1000 + 400_000 * (writer as usize));
            assert!(world.get(&format!("{round}-{writer}")).await.expect("there") == expected, "{round}-{writer}");
        }
        assert_eq!(world.open().await.state.version, 15);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_that_was_given_away_is_the_new_owners_with_what_is_in_it() {
    use cairn_primitives::storage::{Role, Visibility};

    use super::world::{read_file, GENESIS, OWNER, SECRET};
    use crate::{
        chain::GrantState,
        keys::{seal, DriveKey, KeyError, SealingKey},
        Access, Drive,
    };

    let (heir, heirs) = ([77; 32], [78; 64]);
    let world = World::new(Coding::K2);
    world.put(&[("old", noise(1, 700_000))]).await;
    let former = DriveKey::of_owner(&SECRET, &GENESIS, 5, 0).expect("a key");
    let public = SealingKey::of_account(&heirs).public();
    let handed = |key: &DriveKey| GrantState {
        role: Role::Reader,
        until_block: Some(1),
        sealed: seal(key, &heir, &public, &GENESIS, 5).expect("sealed"),
    };
    *world.chain.granted.lock().expect("not poisoned") = Some((heir, handed(&former)));
    world.chain.change(|drive| (drive.owner, drive.key_generation) = (heir, 1));
    let access = |account, secret: [u8; 64]| {
        let (chain, state) = (Arc::clone(&world.session.chain), world.chain.state());
        async move { Access::of_account(&*chain, &state, account, Some(&secret)).await }
    };

    // The heir reads what was there, and writes.
    let opened = access(heir, heirs).await.expect("its own");
    assert!(opened.may_write);
    let drive = Drive::open(&world.session, world.chain.state(), opened).await.expect("opens");
    let plan = plan(&[("new", noise(2, 10_000))]);
    crate::commit(&world.session, drive, plan, &world.writer, &world.journals()).await.expect("committed");
    let drive = Drive::open(&world.session, world.chain.state(), access(heir, heirs).await.expect("its own")).await;
    let contents = Arc::clone(drive.expect("opens").contents());
    for (name, seed, bytes) in [("old", 1, 700_000), ("new", 2, 10_000)] {
        assert!(read_file(&contents, name, None).await.expect("readable") == noise(seed, bytes), "{name}");
    }

    // Who gave it away is no reader of it, and its key opens nothing that is new.
    let error = access(OWNER, SECRET).await.expect_err("no more its own");
    assert!(matches!(error, DriveError::Key(KeyError::NotForUs)));
    let mut state = world.chain.state();
    state.visibility = Visibility::Private;
    let error = Drive::open(&world.session, state, Access { key: former, may_write: false }).await.map(|_| ());
    assert!(error.expect_err("the heir's").to_string().contains("generation"));

    // Its own key, sealed to itself, changes nothing.
    let own = DriveKey::of_owner(&heirs, &GENESIS, 5, 1).expect("a key");
    *world.chain.granted.lock().expect("not poisoned") = Some((heir, handed(&own)));
    assert_eq!(access(heir, heirs).await.expect("its own").key, own);

    // A key that the former owner would still know is refused, and one for somebody else is told.
    let known = DriveKey::of_owner(&SECRET, &GENESIS, 5, 1).expect("a key");
    for grant in [handed(&known), GrantState { sealed: vec![1; 85], ..handed(&known) }] {
        *world.chain.granted.lock().expect("not poisoned") = Some((heir, grant));
        let error = access(heir, heirs).await.expect_err("not to be used");
        assert!(matches!(error, DriveError::Key(KeyError::NotHanded)) && error.remedy().is_some(), "{error}");
    }
}
