// SPDX-License-Identifier: Apache-2.0

//! Uploads that are stopped at any point.

use std::{
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
    time::Duration,
};

use cairn_primitives::storage::Coding;

use super::world::{noise, path, plan, World};
use crate::{
    manifest::{Change, NOW_MS},
    Plan, Put, PutSource, Step,
};

/// The upload is dropped when its n-th event comes, whatever that is; then the same command is run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_was_stopped_anywhere_goes_on() {
    let files = || [("a", noise(1, 1_500_000)), ("b/c", noise(2, 70_000)), ("b/d", noise(3, 9))];
    let total: u64 = files().iter().map(|(_, content)| content.len() as u64).sum();
    for coding in [Coding::K1, Coding::K2] {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..25 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let stop_at = seed % 60;
            let mut world = World::new(coding);
            let (seen, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(tokio::sync::Notify::new()));
            let (counted, stopping) = (Arc::clone(&seen), Arc::clone(&stop));
            world.writer.on_event = Arc::new(move |_| {
                if counted.fetch_add(1, Ordering::Relaxed) == stop_at {
                    stopping.notify_one();
                }
            });
            tokio::select! {
                biased;
                () = stop.notified() => {},
                done = world.commit(plan(&files())) => { done.expect("committed"); },
            }
            // What is on its way to a vault may still arrive.
            tokio::time::sleep(Duration::from_millis(seed % 20)).await;
            world.writer.on_event = Arc::new(|_| {});
            world.put(&files()).await;
            let context = format!("{coding:?}, stopped at {stop_at}");
            assert!(world.chain.state().version <= 2, "{context}");
            assert_eq!(world.journals_left(), 0, "{context}");
            for (name, content) in files() {
                assert!(world.get(name).await.expect("there") == content, "{name}: {context}");
            }
            if world.chain.state().version == 1 {
                let slots = u64::from(coding.slots());
                let coded = total / u64::from(coding.data()) * slots;
                let sent = world.appended();
                // Content once; the manifest, and what was on its way when it was stopped, perhaps twice.
                assert!(sent <= 2 * coded, "{sent} bytes for {coded}: {context}");
            }
        }
    }
}

/// A command that is dropped once so many vaults have signed.
async fn stopped_when_signed(world: &mut World, files: &[(&str, Vec<u8>)], signatures: u64) {
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopping = Arc::clone(&stop);
    let signed = AtomicU64::new(0);
    world.writer.on_event = Arc::new(move |event| {
        let is_signed = matches!(event, crate::upload::Event::Signed { .. });
        if is_signed && signed.fetch_add(1, Ordering::Relaxed) + 1 == signatures {
            stopping.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = stop.notified() => {},
        _ = world.commit(plan(files)) => panic!("stopped before"),
    }
    // What is on its way to a vault may still arrive.
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// What the vaults had acknowledged isn't sent again: stopped just before the checkpoint, only the manifest is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_not_sent_again() {
    let mut world = World::new(Coding::K1);
    let files = [("file", noise(1, 6_000_000))];
    stopped_when_signed(&mut world, &files, 3).await;
    assert_eq!(world.chain.state().version, 0);
    let before = world.appended();
    world.writer.on_event = Arc::new(|_| {});
    world.put(&files).await;
    let again = world.appended() - before;
    assert!(again <= 4 * 2_000_000, "{again} bytes were sent again");
    assert!(world.get("file").await.expect("there") == noise(1, 6_000_000));
}

/// The checkpoint was made, and nobody heard of it: it isn't made twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_whose_answer_was_lost_is_found_again() {
    let world = World::new(Coding::K1);
    *world.chain.lose_answer.lock().expect("no panic") = true;
    world.commit(plan(&[("file", noise(1, 100))])).await.expect_err("lost");
    assert_eq!((world.chain.state().version, world.journals_left()), (1, 1));
    let done = world.put(&[("file", noise(1, 100))]).await;
    assert!(done.was_done && done.version == 1);
    assert_eq!((world.chain.checkpoints.load(Ordering::Relaxed), world.journals_left()), (1, 0));

    // Also if others wrote since.
    *world.chain.lose_answer.lock().expect("no panic") = true;
    world.commit(plan(&[("second", noise(2, 100))])).await.expect_err("lost");
    world.put(&[("third", noise(3, 100))]).await;
    let done = world.put(&[("second", noise(2, 100))]).await;
    assert!(done.was_done && done.version == 2);
    assert_eq!(world.chain.state().version, 3);
}

/// The source changed between the runs: what is stored is what it is now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_changed_since_is_stored_as_it_is_now() {
    let mut world = World::new(Coding::K1);
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopping = Arc::clone(&stop);
    world.writer.on_event = Arc::new(move |event| {
        if matches!(event, crate::upload::Event::Stored { .. }) {
            stopping.notify_one();
        }
    });
    let mut content = noise(1, 2_000_000);
    tokio::select! {
        biased;
        () = stop.notified() => {},
        _ = world.commit(plan(&[("file", content.clone())])) => {},
    }
    content[1_000_000] ^= 1;
    world.writer.on_event = Arc::new(|_| {});
    world.put(&[("file", content.clone())]).await;
    assert!(world.get("file").await.expect("there") == content);
}

/// The checkpoint was made, and the command ended before it knew. The same words mean something else once a source is another, or
/// what was stored has gone: then they are carried out, and nothing is said to be done that isn't.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_of_a_command_that_was_done_are_a_new_command_when_they_mean_something_else() {
    let world = World::new(Coding::K1);
    let lost = async |files: &[(&str, Vec<u8>)]| {
        *world.chain.lose_answer.lock().expect("no panic") = true;
        world.commit(plan(files)).await.expect_err("lost");
        assert_eq!(world.journals_left(), 1);
    };
    // Another content, as long.
    lost(&[("report", noise(1, 100)), ("same", noise(2, 50))]).await;
    let done = world.put(&[("report", noise(3, 100)), ("same", noise(2, 50))]).await;
    assert!(!done.was_done && done.version == 2);
    assert!(world.get("report").await.expect("there") == noise(3, 100));
    let keys = async |name: &str| world.open().await.contents().tree().file(&path(name)).expect("there").key;
    let key = keys("report").await;

    // Removed by another command, or stored over.
    for other in [Change::Remove { path: path("report"), recursive: false }, Change::MakeDirectory(path("x"), NOW_MS)] {
        let removed = matches!(other, Change::Remove { .. });
        lost(&[("report", noise(4, 100))]).await;
        let words = world.chain.state().version.to_le_bytes().to_vec();
        let steps = vec![Step::Change(other)];
        world.commit(Plan { command: words, steps, ..Plan::default() }).await.expect("changed");
        let done = world.put(&[("report", noise(4, 100))]).await;
        assert_eq!(done.was_done, !removed);
        assert!(world.get("report").await.expect("there") == noise(4, 100));
    }
    assert_ne!(keys("report").await, key, "a finished upload's keys serve no other");

    // What is read once can't be compared.
    let stream = |seed| {
        let source = PutSource::Stream(Some(Box::new(std::io::Cursor::new(noise(seed, 3_000)))));
        let put = Put { path: path("piped"), source, size: None, modified_ms: NOW_MS, mode: 0o644 };
        Plan { command: b"put -".to_vec(), steps: vec![Step::Put(put)], ..Plan::default() }
    };
    *world.chain.lose_answer.lock().expect("no panic") = true;
    world.commit(stream(5)).await.expect_err("lost");
    assert!(!world.commit(stream(6)).await.expect("stored").was_done);
    assert!(world.get("piped").await.expect("there") == noise(6, 3_000));
    assert_eq!(world.journals_left(), 0);
}

/// A command whose vaults have signed is given up; other commands find their way past what it left, and so does it later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_vaults_signed_for_and_nobody_committed_stands_in_nobodys_way() {
    for coding in [Coding::K1, Coding::K2, Coding::K4] {
        let world = World::new(coding);
        world.put(&[("old", noise(9, 5_000))]).await;
        // The checkpoint is never made.
        let files = [("given-up", noise(1, 900_000))];
        world.vaults[0].set(super::world::Fault::Full);
        *world.chain.refuse.lock().expect("no panic") = true;
        world.commit(plan(&files)).await.expect_err("refused");
        world.vaults[0].set(super::world::Fault::None);
        *world.chain.refuse.lock().expect("no panic") = false;
        assert_eq!((world.chain.state().version, world.journals_left()), (1, 1), "{coding:?}");

        let done = world.put(&[("other", noise(2, 70_000))]).await;
        assert_eq!((done.version, done.behind.len()), (2, 0), "{coding:?}: also the one that lacked it has it");
        assert!(world.get("other").await.expect("there") == noise(2, 70_000));
        assert!(world.get("given-up").await.is_err());
        let done = world.put(&files).await;
        assert_eq!((done.version, world.journals_left()), (3, 0), "{coding:?}");
        for (name, content) in [("old", noise(9, 5_000)), ("other", noise(2, 70_000)), ("given-up", noise(1, 900_000))]
        {
            assert!(world.get(name).await.expect("there") == content, "{name}");
        }
    }
}

/// Receipts end: then nothing is waited for and nothing taken into the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_committed_in_time_takes_no_room() {
    let mut world = World::new(Coding::K1);
    world.put(&[("old", noise(9, 5_000))]).await;
    let units = world.chain.state().units;
    *world.chain.refuse.lock().expect("no panic") = true;
    world.commit(plan(&[("given-up", noise(1, 900_000))])).await.expect_err("refused");
    *world.chain.refuse.lock().expect("no panic") = false;
    world.chain.change(|state| state.block += 10_000);
    let left_behind = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&left_behind);
    world.writer.on_event = Arc::new(move |event| {
        if matches!(event, crate::upload::Event::LeftBehind { .. }) {
            counting.fetch_add(1, Ordering::Relaxed);
        }
    });
    world.put(&[("other", noise(2, 5_000))]).await;
    assert_eq!(left_behind.load(Ordering::Relaxed), 0);
    let grown = world.chain.state().units - units;
    assert!(grown < 100, "{grown} units: 900 kB were left behind");
    assert!(world.get("other").await.expect("there") == noise(2, 5_000));
}

/// The chain takes receipts too late: new ones are asked for, over what is stored already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_that_ended_are_asked_for_again() {
    let world = World::new(Coding::K1);
    *world.chain.before.lock().expect("no panic") = Some(Box::new(|chain| chain.change(|state| state.block += 10_000)));
    let content = noise(1, 900_000);
    let done = world.put(&[("file", content.clone())]).await;
    assert_eq!((done.version, world.journals_left()), (1, 0));
    let appended = world.vaults[0].appended.load(Ordering::Relaxed);
    assert!(appended < 1_500_000, "{appended} bytes: what was there was sent again");
    assert!(world.get("file").await.expect("there") == content);
}

/// However many vaults had signed when a command was given up: another one gets through, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_given_up_while_vaults_sign_never_block_a_drive() {
    for coding in [Coding::K1, Coding::K2] {
        let mut world = World::new(coding);
        let mut seed = 7u64;
        for round in 0..12u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let stop_at = (seed >> 33) % u64::from(coding.slots());
            let (stop, signed) = (Arc::new(tokio::sync::Notify::new()), AtomicU64::new(0));
            let stopping = Arc::clone(&stop);
            world.writer.on_event = Arc::new(move |event| {
                let is_signed = matches!(event, crate::upload::Event::Signed { .. });
                if is_signed && signed.fetch_add(1, Ordering::Relaxed) == stop_at {
                    stopping.notify_one();
                }
            });
            let name = format!("given-up-{round}");
            tokio::select! {
                biased;
                () = stop.notified() => {},
                done = world.commit(plan(&[(&name, noise(round, 300_000))])) => { done.expect("committed"); },
            }
            world.catch_up();
            world.writer.on_event = Arc::new(|_| {});
            // Every third time another one follows that is given up too.
            if round % 3 > 0 {
                world.put(&[(&format!("done-{round}"), noise(100 + round, 5_000))]).await;
            }
        }
        world.put(&[("last", noise(1, 10))]).await;
        for round in (0..12u64).filter(|round| round % 3 > 0) {
            let read = world.get(&format!("done-{round}")).await.expect("there");
            assert!(read == noise(100 + round, 5_000), "{coding:?} {round}");
        }
    }
}

/// One vault has signed for a commit that was given up, and others have other things in its place by now: some nothing, some
/// another writer's, some another writer's shards with its own behind them. What is committed then is either what that vault keeps,
/// or without it; it never is a mixture.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_mixed_is_not_taken_over() {
    use cairn_primitives::storage::SlotAt;

    use super::world::{Fault, Vault, DRIVE};

    for (coding, mixed) in [(Coding::K1, 2), (Coding::K2, 3), (Coding::K4, 5), (Coding::K4, 7), (Coding::K4, 15)] {
        let mut world = World::new(coding);
        let files = [("given-up", noise(1, 3_000_000))];
        world.vaults.iter().skip(1).for_each(|vault| vault.set(Fault::Unsigned));
        stopped_when_signed(&mut world, &files, 1).await;
        world.vaults.iter().for_each(|vault| vault.set(Fault::None));
        let at = |slot: usize| SlotAt { drive: DRIVE, slot: slot as u8 };
        let log_of =
            |vault: &Vault, slot| vault.logs.lock().expect("no panic").get(&at(slot)).cloned().unwrap_or_default();
        let logs: Vec<_> = world.vaults.iter().enumerate().map(|(slot, vault)| log_of(vault, slot)).collect();
        let kept = logs[0].clone();
        // Once the next command has found that the first vault keeps something, the others have what they are to have.
        let (vaults, once) = (world.vaults.clone(), std::sync::Once::new());
        world.writer.others_wait = Duration::from_millis(600);
        world.writer.on_event = Arc::new(move |event| {
            if !matches!(event, crate::upload::Event::LeftBehind { .. }) {
                return;
            }
            once.call_once(|| {
                let (vaults, mut logs) = (vaults.clone(), logs.clone());
                std::thread::spawn(move || {
                    // What was on its way is there, and nothing more comes for a while.
                    std::thread::sleep(Duration::from_millis(200));
                    for (slot, log) in logs.iter_mut().enumerate().skip(1) {
                        if slot <= mixed {
                            log[0] = noise(100 + slot as u64, log[0].len()).into();
                        }
                        vaults[slot].logs.lock().expect("no panic").insert(at(slot), log.clone());
                    }
                });
            });
        });
        world.put(&[("next", noise(2, 70_000))]).await;
        let log = log_of(&world.vaults[0], 0);
        let context = format!("{coding:?}, {mixed} mixed");
        assert_eq!(log[..kept.len()], kept, "{context}: it keeps what it signed for");
        // Without the vaults that may lack something when the first signs.
        let left = usize::from(coding.signatures_min()) - mixed.min(usize::from(coding.signatures_min()));
        if left > usize::from(coding.data()) || coding == Coding::K1 {
            assert!(world.chain.has_committed(0, &log), "{context}: all have what it keeps");
        } else {
            assert!(!world.chain.has_committed(0, &log), "{context}: it is left behind");
            world.catch_up();
        }
        world.put(&files).await;
        for (name, content) in [("next", noise(2, 70_000)), ("given-up", noise(1, 3_000_000))] {
            assert!(world.get(name).await.expect("there") == content, "{name}: {context}");
        }
    }
}
