// SPDX-License-Identifier: Apache-2.0

//! What is put comes back.

use std::sync::{atomic::Ordering, Arc};

use cairn_primitives::storage::Coding;

use super::world::{noise, path, plan, put_step, read_file, World};
use crate::{
    download::download,
    frame::FRAME_BYTES,
    manifest::{Change, Entry, TreeError},
    DriveError, Plan, Step,
};

const CODINGS: [Coding; 4] = [Coding::K1, Coding::K2, Coding::K4, Coding::K8];

fn changes(command: &str, changes: Vec<Change>) -> Plan {
    let steps = changes.into_iter().map(Step::Change).collect();
    Plan { command: command.into(), steps, ..Plan::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_every_length_come_back_in_every_coding() {
    for coding in CODINGS {
        let world = World::new(coding);
        let lengths = [0, 1, 4095, 4096, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3_000_000];
        let files: Vec<(String, Vec<u8>)> =
            lengths.iter().map(|length| (format!("dir/{length}"), noise(*length as u64, *length))).collect();
        let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, content)| (&name[..], content.clone())).collect();
        let done = world.put(&files).await;
        assert_eq!((done.version, done.was_done, done.behind.len()), (1, false, 0));
        assert_eq!(world.chain.checkpoints.load(Ordering::Relaxed), 1, "one checkpoint for all");
        for (name, content) in &files {
            assert!(world.get(name).await.expect("there") == *content, "{coding:?} {name}");
        }
        assert_eq!(world.journals_left(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_range_of_a_file_can_be_read_alone() {
    for coding in [Coding::K1, Coding::K4] {
        let world = World::new(coding);
        let content = noise(1, 5_000_000);
        world.put(&[("other", noise(2, 777)), ("file", content.clone())]).await;
        let drive = world.open().await;
        let before: u64 = world.vaults.iter().map(|vault| vault.read.load(Ordering::Relaxed)).sum();
        for range in [0..0, 0..1, 1..65_536, 65_535..65_537, 1_000_000..1_000_001, 4_999_999..5_000_000] {
            let read = read_file(drive.contents(), "file", Some(range.clone())).await.expect("there");
            assert!(read == content[range.start as usize..range.end as usize], "{range:?}");
        }
        let after: u64 = world.vaults.iter().map(|vault| vault.read.load(Ordering::Relaxed)).sum();
        assert!(after - before < 8_000_000, "a byte doesn't cost a file: {} read", after - before);
        let error = read_file(drive.contents(), "file", Some(0..5_000_001)).await.expect_err("too far");
        assert!(matches!(error, DriveError::NoSuchRange { size: 5_000_000 }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_files_are_one_checkpoint() {
    let world = World::new(Coding::K1);
    let files: Vec<(String, Vec<u8>)> =
        (0..10_000).map(|i| (format!("many/{:02}/{i}", i % 100), noise(i, (i % 300) as usize))).collect();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, content)| (&name[..], content.clone())).collect();
    world.put(&files).await;
    assert_eq!(world.chain.checkpoints.load(Ordering::Relaxed), 1);
    let drive = world.open().await;
    assert_eq!(drive.contents().tree().len(), 10_000 + 101);
    for (name, content) in files.iter().step_by(997) {
        assert!(read_file(drive.contents(), name, None).await.expect("there") == *content, "{name}");
    }
    // A small change costs little, however much is there.
    let before = world.appended();
    world.put(&[("one/more", b"content".to_vec())]).await;
    let cost = world.appended() - before;
    assert!(cost <= 4 * 3 * 4096, "{cost} bytes for a small file");
    assert_eq!(world.open().await.contents().tree().len(), 10_103);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_commits_add_up_and_old_versions_stay() {
    for coding in [Coding::K1, Coding::K2] {
        let world = World::new(coding);
        for i in 0..60u64 {
            let name = format!("f{}", i % 7);
            world.put(&[(&name, noise(i, 100 + i as usize)), (&format!("only/{i}"), noise(i, 10))]).await;
        }
        let drive = world.open().await;
        assert_eq!(drive.contents().tree().len(), 7 + 1 + 60);
        let versions = drive.versions().await.expect("there");
        assert_eq!(versions.iter().map(|v| v.version).collect::<Vec<_>>(), (1..=60).rev().collect::<Vec<_>>());
        for version in [1, 7, 8, 30, 59, 60] {
            let contents = drive.at_version(version).await.expect("there");
            for i in 0..7u64.min(version) {
                let newest = (0..version).rev().find(|k| k % 7 == i).expect("put once");
                let read = read_file(&contents, &format!("f{i}"), None).await.expect("there");
                assert!(read == noise(newest, 100 + newest as usize), "f{i} at {version}");
            }
            assert!(contents.tree().file(&path(&format!("only/{version}"))).is_err(), "not yet there");
        }
        assert!(matches!(drive.at_version(61).await, Err(DriveError::NoVersion { newest: 60, oldest: 1, .. })));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_nothing_makes_no_version() {
    let world = World::new(Coding::K1);
    let make = |number: u8| changes(&format!("mkdir {number}"), vec![Change::MakeDirectory(path("a/b"), 1)]);
    let first = world.commit(make(1)).await.expect("committed");
    assert_eq!((first.version, first.was_done), (1, false));
    let appended = world.appended();
    let second = world.commit(make(2)).await.expect("nothing to do");
    assert_eq!((second.version, second.was_done, second.units), (1, true, (first.units.1, first.units.1)));
    assert_eq!((world.appended(), world.open().await.state().version), (appended, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_as_old_as_itself_and_not_as_what_is_put_there() {
    let world = World::new(Coding::K1);
    world.put(&[("new/file", b"old".to_vec())]).await;
    let drive = world.open().await;
    let tree = drive.contents().tree();
    assert!(matches!(tree.get(&path("new/file")), Some(Entry::File(file)) if file.modified_ms == 7));
    let year_2020_ms = 1_577_836_800_000;
    assert!(
        matches!(tree.get(&path("new")), Some(Entry::Directory { modified_ms, .. }) if *modified_ms > year_2020_ms)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn things_are_moved_and_removed() {
    let world = World::new(Coding::K1);
    world.put(&[("a/b/one", b"1".to_vec()), ("a/b/two", b"2".to_vec()), ("a.txt", b"3".to_vec())]).await;
    let to = |from: &str, to: &str| Change::Move { from: path(from), to: path(to) };
    let plan = changes("mv", vec![to("a/b", "x/y"), to("a.txt", "x"), Change::MakeDirectory(path("new/dir"), 1)]);
    world.commit(plan).await.expect("committed");
    assert_eq!(world.get("x/y/one").await.expect("moved"), b"1");
    assert_eq!(world.get("x/a.txt").await.expect("moved into the directory"), b"3");
    let drive = world.open().await;
    let tree = drive.contents().tree();
    let names =
        |of: &str| tree.children(&path(of)).expect("there").iter().map(|(p, _)| p.to_string()).collect::<Vec<_>>();
    assert_eq!(names(""), ["/a", "/new", "/x"]);
    assert_eq!(names("x"), ["/x/a.txt", "/x/y"]);
    assert!(names("a").is_empty());

    let remove = |name: &str, recursive| changes("rm", vec![Change::Remove { path: path(name), recursive }]);
    let error = world.commit(remove("x", false)).await.expect_err("full");
    assert!(matches!(error, DriveError::Tree(TreeError::NotEmpty(_))), "{error}");
    let error = world.commit(remove("nothing", true)).await.expect_err("missing");
    assert!(matches!(error, DriveError::Tree(TreeError::Missing(_))), "{error}");
    world.commit(remove("x", true)).await.expect("committed");
    assert!(world.get("x/y/one").await.is_err());
    assert_eq!(world.journals_left(), 0, "what can't be done leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_drive_says_so_before_anything_is_sent_and_room_is_kept_for_removing() {
    let world = World::new(Coding::K1);
    world.chain.change(|drive| drive.capacity_units = 100);
    let error = world.commit(plan(&[("big", noise(0, 500_000))])).await.expect_err("too big");
    assert!(matches!(error, DriveError::NoRoom { free_bytes, .. } if free_bytes == 75 * 4096), "{error}");
    assert!(error.to_string().contains("0.30 MiB more"), "{error}");
    assert_eq!(world.appended(), 0);
    world.put(&[("small", noise(0, 200_000))]).await;
    // What can be stored is stored until nothing can; then it can be removed, one by one, and moved.
    let mut stored = 0;
    loop {
        match world.commit(plan(&[(&format!("file {stored}"), noise(stored, 5_000))])).await {
            Ok(_) => stored += 1,
            Err(error) => break assert!(matches!(error, DriveError::NoRoom { .. }), "{error}"),
        }
    }
    assert!(stored > 0);
    let remove = Change::Remove { path: path("small"), recursive: false };
    world.commit(changes("rm", vec![remove])).await.expect("there is room for that");
    let to = Change::Move { from: path("file 0"), to: path("moved") };
    world.commit(changes("mv", vec![to])).await.expect("there is room for that");
    // What is moved on when a drive is trimmed may take it as well.
    let cut = world.open().await.versions().await.expect("there")[0].first_stripe;
    let before = world.open().await.state().units;
    let trim = Plan { command: b"trim".to_vec(), compact_before: Some(cut), ..Plan::default() };
    let error = world.commit(trim).await.err();
    assert!(error.is_none_or(|error| matches!(error, DriveError::NoRoom { .. })) && before <= 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_paid_for_is_told_before_the_first_byte_and_blocks_nothing() {
    let world = World::new(Coding::K1);
    world.put(&[("first", noise(1, 100_000))]).await;
    let before = world.appended();
    world.chain.paid_units.store(60, Ordering::Relaxed);
    let error = world.commit(plan(&[("big", noise(2, 400_000))])).await.expect_err("not paid for");
    assert!(matches!(error, DriveError::EscrowTooSmall { escrow: 60, .. }), "{error}");
    assert_eq!((world.appended(), world.journals_left()), (before, 0));
    // Of a stream nobody knows how long it is: it is sent, and nobody signs for it.
    let stream = || {
        let source = crate::PutSource::Stream(Some(Box::new(std::io::Cursor::new(noise(3, 400_000)))));
        let put = crate::Put { path: path("stream"), source, size: None, modified_ms: 7, mode: 0o644 };
        Plan { command: b"stream".to_vec(), steps: vec![Step::Put(put)], ..Plan::default() }
    };
    let error = world.commit(stream()).await.expect_err("not paid for");
    assert!(matches!(error, DriveError::EscrowTooSmall { .. }), "{error}");
    let small = world.put(&[("small", noise(4, 1_000))]).await;
    assert!(small.units.1 < 60, "nothing of what was refused is taken over: {small:?}");
}

/// Paths share their beginnings where they lie, and not in a reader's memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_files_that_no_reader_would_take_is_refused_before_anything_is_sent() {
    let world = World::new(Coding::K1);
    let long = format!("{}/", "n".repeat(250)).repeat(16);
    let count = crate::manifest::PATH_BYTES_SUM_MAX / long.len() + 1;
    let make = |number: usize| Change::MakeDirectory(path(&format!("{long}{number}")), 1);
    let mut steps = vec![put_step("file", noise(1, 100_000))];
    steps.extend((0..count).map(|number| Step::Change(make(number))));
    let error =
        world.commit(Plan { command: b"too many".to_vec(), steps, ..Plan::default() }).await.expect_err("too long");
    assert!(matches!(error, DriveError::Tree(TreeError::ListTooLong)), "{error}");
    assert!(error.to_string().contains("second drive") && !error.to_string().contains("broken"), "{error}");
    assert_eq!((world.appended(), world.journals_left()), (0, 0));
}

/// A file that is written to all the time, one that nobody may read, one that is gone by now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_read_is_left_out_and_named_and_the_rest_is_stored() {
    let world = World::new(Coding::K1);
    let folder = world.folder.path().join("sources");
    std::fs::create_dir(&folder).expect("made");
    let file = |name: &str, content: &[u8]| {
        std::fs::write(folder.join(name), content).expect("written");
        folder.join(name)
    };
    let (good, busy, later) =
        (file("a", &noise(1, 300_000)), file("b", &noise(2, 900_000)), file("c", &noise(3, 70_000)));
    let step = |source: &std::path::Path| {
        let name = source.file_name().expect("has one").to_string_lossy().into_owned();
        let source = crate::PutSource::File(source.to_path_buf());
        Step::Put(crate::Put { path: path(&name), source, size: Some(1), modified_ms: 7, mode: 0o644 })
    };
    let steps = vec![step(&good), step(&busy), step(&folder.join("gone")), step(&folder), step(&later)];
    let mut world = world;
    let written = std::sync::atomic::AtomicU64::new(0);
    // Whenever the busy one is read, it is written to.
    let target = busy.clone();
    world.writer.on_event = Arc::new(move |event| {
        if let crate::upload::Event::Read { .. } = event {
            let count = written.fetch_add(1, Ordering::Relaxed);
            let content = noise(100 + count, 900_000 + count as usize);
            std::fs::write(&target, content).expect("written");
        }
    });
    let plan = Plan { command: b"put".to_vec(), steps, ..Plan::default() };
    let done = world.commit(plan).await.expect("committed");
    let left: Vec<_> = done.left_out.iter().map(|left| left.path.clone()).collect();
    assert_eq!(left, [busy, folder.join("gone"), folder.clone()]);
    assert!(done.left_out[0].reason.contains("changed") && done.left_out.iter().all(|left| !left.reason.is_empty()));
    assert_eq!(world.get("a").await.expect("there"), noise(1, 300_000));
    assert_eq!(world.get("c").await.expect("there"), noise(3, 70_000));
    assert!(world.get("b").await.is_err() && world.get("gone").await.is_err());

    // Nothing but such: no version is made.
    let plan = Plan { command: b"again".to_vec(), steps: vec![step(&folder.join("gone"))], ..Plan::default() };
    let nothing = world.commit(plan).await.expect("nothing is done");
    assert_eq!((nothing.version, nothing.was_done, nothing.left_out.len()), (1, true, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_keeps_what_is_live_and_drops_the_rest() {
    for coding in [Coding::K1, Coding::K4] {
        let world = World::new(coding);
        world.put(&[("stays", noise(1, 300_000)), ("goes", noise(2, 900_000))]).await;
        world.put(&[("new", noise(3, 5_000)), ("empty", Vec::new())]).await;
        let remove = Change::Remove { path: path("goes"), recursive: false };
        world.commit(changes("rm goes", vec![remove])).await.expect("removed");
        let cut = world.open().await.versions().await.expect("there")[0].clone();
        let plan = Plan {
            command: b"trim".to_vec(),
            compact_before: Some(cut.first_stripe),
            name: Some("tidy".into()),
            ..Plan::default()
        };
        let done = world.commit(plan).await.expect("compacted");
        world.put(&[("later", noise(4, 10))]).await;
        // From here on the vaults have nothing of what was before.
        world.chain.change(|drive| drive.trimmed_units = cut.units_before);
        for vault in &world.vaults {
            for log in vault.logs.lock().expect("no panic").values_mut() {
                for shard in &mut log[..cut.first_stripe as usize] {
                    *shard = vec![0; shard.len()].into();
                }
            }
        }
        assert!(done.units.1 > done.units.0);
        let drive = world.open().await;
        assert_eq!((drive.name(), drive.versions().await.expect("there").len()), ("tidy".into(), 2));
        assert!(read_file(drive.contents(), "stays", None).await.expect("there") == noise(1, 300_000));
        assert!(read_file(drive.contents(), "new", None).await.expect("there") == noise(3, 5_000));
        assert!(read_file(drive.contents(), "empty", None).await.expect("there").is_empty());
        assert!(world.get("stays").await.expect("there") == noise(1, 300_000));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_are_whole_or_not_there_and_go_on() {
    let world = World::new(Coding::K1);
    let content = noise(1, 1_000_000);
    world.put(&[("file", content.clone())]).await;
    let drive = world.open().await;
    let file = drive.contents().tree().file(&path("file")).expect("there").clone();
    let to = world.folder.path().join("out");
    let part = crate::download::part_path(&to, &file);
    let quiet: crate::download::OnBytes = Arc::new(|_| {});
    let get = || download(drive.contents(), "file", &file, &to, Arc::clone(&quiet));

    // An earlier download got some frames, and a piece of the next.
    std::fs::write(&part, &content[..5 * FRAME_BYTES + 5]).expect("written");
    let before: u64 = world.vaults.iter().map(|vault| vault.read.load(Ordering::Relaxed)).sum();
    get().await.expect("downloaded");
    let read = world.vaults.iter().map(|vault| vault.read.load(Ordering::Relaxed)).sum::<u64>() - before;
    assert!(std::fs::read(&to).expect("there") == content && !part.exists());
    assert!(read < 750_000, "{read} bytes were read, of which some were there");
    let metadata = std::fs::metadata(&to).expect("there");
    assert_eq!(crate::download::to_ms(metadata.modified().expect("a time")), 7);

    // What an earlier download left is something else.
    std::fs::write(&part, vec![1; 4 * FRAME_BYTES]).expect("written");
    get().await.expect("downloaded all the same");
    assert!(std::fs::read(&to).expect("there") == content && !part.exists());

    world.vaults.iter().for_each(|vault| vault.set(super::world::Fault::Corrupt));
    std::fs::write(&to, b"old").expect("written");
    get().await.expect_err("no vault gives it");
    assert_eq!(std::fs::read(&to).expect("there"), b"old", "what was there stays");
}

/// Two commands get the same file into the same folder, and one is killed just when it has opened what the other writes to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_downloads_of_one_file_never_write_to_the_same_part() {
    let world = World::new(Coding::K1);
    let content = noise(1, 5_000_000);
    world.put(&[("file", content.clone())]).await;
    let drive = world.open().await;
    let file = drive.contents().tree().file(&path("file")).expect("there").clone();
    let (to, other) = (world.folder.path().join("out"), world.folder.path().join("other name"));
    let second = std::sync::Mutex::new(None);
    let (contents, handle) = (Arc::clone(drive.contents()), tokio::runtime::Handle::current());
    let (again, same, elsewhere) = (file.clone(), to.clone(), other.clone());
    // In the middle of the first download the same begins again, and one to another name.
    let in_the_middle: crate::download::OnBytes = Arc::new(move |bytes| {
        let mut second = second.lock().expect("no panic");
        if second.is_none() && bytes > 0 {
            let quiet: crate::download::OnBytes = Arc::new(|_| {});
            let got = |to: &std::path::Path| handle.block_on(download(&contents, "file", &again, to, quiet.clone()));
            assert!(matches!(got(&same), Err(DriveError::Getting { .. })));
            got(&elsewhere).expect("it has nothing to do with the first");
            *second = Some(());
        }
    });
    download(drive.contents(), "file", &file, &to, in_the_middle).await.expect("downloaded");
    assert!(std::fs::read(&to).expect("there") == content && std::fs::read(&other).expect("there") == content);
    let left = std::fs::read_dir(world.folder.path()).expect("there").flatten();
    assert!(left.filter(|entry| entry.file_name().to_string_lossy().ends_with(".part")).count() == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_another_program_takes_away_or_shortens_is_never_given_its_name() {
    let world = World::new(Coding::K1);
    world.put(&[("file", noise(1, 3_000_000))]).await;
    let drive = world.open().await;
    let file = drive.contents().tree().file(&path("file")).expect("there").clone();
    let to = world.folder.path().join("out");
    let part = crate::download::part_path(&to, &file);
    let replace = |part: &std::path::Path| {
        let _ = std::fs::remove_file(part);
        std::fs::write(part, b"something else").expect("written");
    };
    let shorten = |part: &std::path::Path| {
        std::fs::File::options().write(true).open(part).and_then(|file| file.set_len(7)).expect("shortened");
    };
    let harms: [fn(&std::path::Path); 2] = [replace, shorten];
    for harm in harms {
        let at = part.clone();
        let (seen, total) = (std::sync::atomic::AtomicU64::new(0), file.size);
        let at_the_end: crate::download::OnBytes = Arc::new(move |bytes| {
            if seen.fetch_add(bytes, Ordering::Relaxed) + bytes == total {
                harm(&at);
            }
        });
        let error = download(drive.contents(), "file", &file, &to, at_the_end).await.expect_err("harmed");
        assert!(error.to_string().contains("another program"), "{error}");
        assert!(!to.exists());
        let _ = std::fs::remove_file(&part);
    }
    assert!(crate::download::free_bytes(&to.join("not/there")).is_some_and(|free| free > 0));
    std::os::unix::fs::symlink("/etc/passwd", &part).expect("made");
    let quiet: crate::download::OnBytes = Arc::new(|_| {});
    download(drive.contents(), "file", &file, &to, quiet).await.expect_err("no link is followed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_that_is_full_of_small_changes_stays_cheap() {
    let world = World::new(Coding::K8);
    let before = world.appended();
    for i in 0..5u64 {
        let steps = vec![put_step(&format!("f{i}"), noise(i, 100))];
        world.commit(Plan { command: vec![i as u8], steps, ..Plan::default() }).await.expect("committed");
    }
    let each = (world.appended() - before) / 5;
    // Content, ranges and the root page: three stripes of the shortest shards, and now and then a level.
    assert!(each <= 5 * 32 * 4096, "{each} bytes each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_opens_what_it_names_and_nothing_else() {
    for coding in [Coding::K1, Coding::K4] {
        let world = World::new(coding);
        let big = noise(1, 3_000_000);
        world
            .put(&[("secret", noise(9, 50)), ("a/one", big.clone()), ("a/b/two", noise(2, 70)), ("z", noise(3, 7))])
            .await;
        let plan = Plan {
            command: b"share".to_vec(),
            steps: vec![Step::Link(path("a")), Step::Link(path("z"))],
            ..Plan::default()
        };
        let links = world.commit(plan).await.expect("committed").links;
        // Later changes don't reach a link.
        world.put(&[("a/one", noise(5, 10))]).await;
        let texts: Vec<String> = links.iter().map(crate::share::Link::to_text).collect();
        let open = |text: &str| crate::share::Link::from_text(text).expect("a link");
        let (contents, _) = open(&texts[0]).open(&world.session).await.expect("opens");
        let names: Vec<String> = contents.tree().iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(names, ["/b", "/b/two", "/one"]);
        assert!(read_file(&contents, "one", None).await.expect("there") == big);
        assert!(read_file(&contents, "b/two", None).await.expect("there") == noise(2, 70));
        let (contents, lead) = open(&texts[1]).open(&world.session).await.expect("opens");
        assert!(read_file(&contents, "z", None).await.expect("there") == noise(3, 7));
        let wrong = texts[0].split_once('#').expect("has one").0.to_string() + "#" + &"00".repeat(32);
        let error = open(&wrong).open(&world.session).await.map(|_| ()).expect_err("another key");
        assert!(matches!(error, DriveError::Sealed(_)), "{error}");

        // When the vaults have it no more, it depends on whether the drive was trimmed.
        world.vaults.iter().for_each(|vault| vault.set(super::world::Fault::Corrupt));
        let error = open(&texts[1]).open(&world.session).await.map(|_| ()).expect_err("nobody has it");
        assert!(matches!(lead.explain(error), DriveError::Unreadable { .. }));
        world.chain.change(|drive| drive.trimmed_units = 1);
        let error = open(&texts[1]).open(&world.session).await.map(|_| ()).expect_err("nobody has it");
        assert!(matches!(error, DriveError::DeadLink { drive: 5, .. }), "{error}");
        assert!(error.to_string().contains("trimmed") && error.remedy().is_some_and(|text| text.contains("new link")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_files_that_share_a_stripe_are_read_once() {
    let world = World::new(Coding::K1);
    let files: Vec<(String, Vec<u8>)> = (0..500).map(|i| (format!("many/{i}"), noise(i, 900))).collect();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, content)| (&name[..], content.clone())).collect();
    world.put(&files).await;
    let drive = world.open().await;
    let wanted = drive.contents().tree().below(&path("many")).map(|(place, entry)| crate::download::Wanted {
        name: place.to_string(),
        file: entry.file().expect("a file").clone(),
        to: world.folder.path().join(place.name().expect("has one")),
    });
    let wanted: Vec<_> = wanted.collect();
    let before: u64 = world.vaults.iter().map(|vault| vault.read.load(Ordering::Relaxed)).sum();
    crate::download::download_all(drive.contents(), wanted, Arc::new(|_| {})).await.expect("downloaded");
    let read = world.vaults.iter().map(|vault| vault.read.load(Ordering::Relaxed)).sum::<u64>() - before;
    assert!(read < 4 * 500 * 1_000, "{read} bytes for 450,000");
    for (name, content) in files {
        assert!(std::fs::read(world.folder.path().join(&name[5..])).expect("there") == content, "{name}");
    }
}
