// SPDX-License-Identifier: Apache-2.0

use std::os::unix::fs::PermissionsExt;

use super::*;

fn keystore() -> (tempfile::TempDir, Keystore) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let keystore = Keystore::new(dir.path().join("deep/accounts"));
    (dir, keystore)
}

fn key(uri: &str) -> Keypair {
    Keypair::from_secret_uri(uri).expect("valid")
}

#[test]
fn accounts_are_stored_listed_unlocked_and_removed() {
    let (_dir, keystore) = keystore();
    assert_eq!(keystore.list().expect("no folder yet"), (vec![], vec![]));
    keystore.create("b", &key("//B"), "pass b").expect("stored");
    keystore.create("a", &key("//A"), "pass a").expect("stored");
    let (accounts, unreadable) = keystore.list().expect("readable");
    assert_eq!(accounts.iter().map(|stored| stored.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(unreadable.is_empty());
    assert_eq!(keystore.name_of(&key("//B").account_id()).as_deref(), Some("b"));
    assert_eq!(keystore.unlock("a", "pass a").expect("unlocks").account_id(), key("//A").account_id());
    assert!(keystore.unlock("a", "pass b").is_err());
    keystore.remove("a").expect("removed");
    assert!(!keystore.contains("a") && keystore.contains("b"));
}

#[test]
fn only_the_owner_can_read_them() {
    let (_dir, keystore) = keystore();
    let path = keystore.create("a", &key("//A"), "pass").expect("stored");
    let mode = |path: &Path| fs::metadata(path).expect("exists").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(keystore.dir()), 0o700);
}

#[test]
fn nothing_is_overwritten_and_nothing_is_left_behind() {
    let (_dir, keystore) = keystore();
    let path = keystore.create("a", &key("//A"), "pass").expect("stored");
    let before = fs::read(&path).expect("readable");
    let error = keystore.create("a", &key("//B"), "pass").expect_err("taken");
    assert!(error.to_string().contains("never overwritten"));
    assert_eq!(write_new(&path, b"other", PRIVATE).expect_err("taken").kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).expect("readable"), before);
    assert_eq!(fs::read_dir(keystore.dir()).expect("readable").count(), 1);
}

/// FAT answers "operation not permitted", others "not supported".
#[test]
fn files_are_written_where_there_are_no_links() {
    let dir = tempfile::tempdir().expect("temporary folder");
    for (name, kind) in [("a", ErrorKind::PermissionDenied), ("b", ErrorKind::Unsupported)] {
        let path = dir.path().join(name);
        let no_links = |_: &Path, _: &Path| Err(std::io::Error::from(kind));
        write_new_with(&path, b"first", PRIVATE, no_links).expect("written in place");
        assert_eq!(fs::metadata(&path).expect("exists").permissions().mode() & 0o777, 0o600);
        let error = write_new_with(&path, b"second", PRIVATE, no_links).expect_err("taken");
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("readable"), b"first");
    }
    assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 2, "nothing is left behind");
}

#[test]
fn a_file_is_replaced_as_a_whole_or_not_at_all() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("file");
    for content in [&b"first"[..], b"second"] {
        replace(&path, content, PUBLIC).expect("written");
        assert_eq!(fs::read(&path).expect("readable"), content);
    }
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).expect("writable");
    replace(&folder, b"third", PUBLIC).expect_err("a folder is not replaced");
    assert!(folder.is_dir());
    assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 2, "nothing is left behind");
}

#[test]
fn names_can_not_leave_the_folder() {
    for bad in ["", ".", "..", "../a", "a/b", "/a", "-a", ".a", "A", "a b", "a\0", "ä", "a\n", &"a".repeat(33)] {
        assert!(check_name(bad).is_err(), "{bad:?}");
    }
    for good in ["a", "0", "a.b-c_d", &"a".repeat(32)] {
        check_name(good).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
}

#[test]
fn damaged_files_are_reported_and_do_not_hide_the_others() {
    let (_dir, keystore) = keystore();
    keystore.create("a", &key("//A"), "pass").expect("stored");
    fs::write(keystore.dir().join("damaged.json"), "{").expect("writable");
    fs::write(keystore.dir().join("note.txt"), "not an account").expect("writable");
    fs::write(keystore.dir().join("huge.json"), vec![b' '; FILE_LEN_MAX as usize + 1]).expect("writable");
    let (accounts, unreadable) = keystore.list().expect("readable");
    assert_eq!((accounts.len(), unreadable.len()), (1, 2), "{unreadable:?}");
}

#[test]
fn a_missing_account_is_a_usage_error_with_a_remedy() {
    let (_dir, keystore) = keystore();
    let shown = crate::failure::Shown::new(&keystore.account("nobody").expect_err("missing"));
    assert_eq!(shown.exit, crate::failure::Exit::Usage);
    assert!(shown.remedy.is_some());
}
