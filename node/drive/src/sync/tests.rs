// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::manifest::{Change, Segment};

fn path(text: &str) -> DrivePath {
    DrivePath::parse(text).expect("a path")
}

fn stored(content: &[u8], modified_ms: i64) -> FileEntry {
    let key = [8; 32];
    let commitment = Commitment::of_reader(content, &key).expect("in memory");
    FileEntry { size: content.len() as u64, modified_ms, mode: 0o644, key, commitment, stripe: 0, offset: 0 }
}

#[test]
fn names_that_no_drive_has_are_all_left_out_and_told() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("made");
    for name in [&b"a\nb"[..], b"tab\there", b"not utf-8 \xff", b"good"] {
        fs::write(inner.join(std::ffi::OsStr::from_bytes(name)), b"").expect("written");
    }
    let found = scan(folder.path()).expect("the rest is there");
    assert_eq!((found.files.len(), found.left_out.len()), (1, 3), "{found:?}");
    assert!(found.left_out.iter().all(|left| left.path.starts_with(&inner)), "{found:?}");
    assert!(found.left_out.iter().any(|left| left.reason.contains("UTF-8")), "{found:?}");
    assert!(found.left_out.iter().any(|left| left.reason.contains("control character")), "{found:?}");
    scan(&folder.path().join("nothing")).expect_err("what was named must be there");
}

/// A folder that can't be read looks empty: what the drive has of it must not be removed for that.
#[test]
fn what_can_not_be_looked_at_or_is_excluded_is_neither_copied_nor_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("cache/deep")).expect("made");
    fs::write(folder.path().join("cache/deep/x"), b"1").expect("written");
    fs::write(folder.path().join("kept"), b"2").expect("written");
    let (mut tree, mut changed) = (Tree::default(), Segment::default());
    for name in ["in/cache/deep/x", "in/locked/a/b", "in/gone/x", "in/other/cache/y"] {
        tree.apply(Change::Put(path(name), stored(b"old", 1)), &mut changed).expect("fits");
    }
    let excluded = |path: &DrivePath| path.as_str().split('/').any(|name| name == "cache");
    let mut local = scan_without(folder.path(), &excluded).expect("there");
    assert_eq!(local.files.keys().map(DrivePath::as_str).collect::<Vec<_>>(), ["kept"]);
    // As `scan` notes a folder without permission; root can read all.
    local.folders.push(path("locked"));
    local.leave_out(folder.path().join("locked"), Some(&path("locked")), &"no permission");
    local.folders.sort();
    let mut up = to_drive(&mut local, &tree, &path("in"), Compare::Quick).expect("compared");
    up.exclude(&excluded);
    let paths = |list: &[&str]| list.iter().map(|text| path(text)).collect::<Vec<_>>();
    assert_eq!((up.copy, up.extra), (paths(&["kept"]), paths(&["gone/x", "gone"])));

    let mut down = to_local(&local, &Tree::default(), &path(""), Compare::Quick).expect("compared");
    down.exclude(&excluded);
    assert_eq!(down.extra, paths(&["kept"]));
    let mut down = to_local(&local, &tree, &path("in"), Compare::Quick).expect("compared");
    down.exclude(&excluded);
    assert_eq!((down.copy, down.make), (paths(&["gone/x"]), paths(&["gone", "other"])));
}

#[test]
fn time_and_mode_follow_and_the_content_is_read_where_that_is_wanted() {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("file");
    fs::write(&to, b"content").expect("written");
    let local = local_file(&to).expect("there").expect("a file");
    let of = |content: &[u8], modified_ms, mode| FileEntry { mode, ..stored(content, modified_ms) };
    let now = local.modified_ms;
    for (stored, quick, content) in [
        (of(b"content", now, local.mode), Likeness::Same, Likeness::Same),
        (of(b"content", now, local.mode ^ 0o100), Likeness::Touched, Likeness::Touched),
        (of(b"content", now - 1, local.mode), Likeness::Touched, Likeness::Touched),
        (of(b"contend", now - 1, local.mode), Likeness::Different, Likeness::Different),
        (of(b"contend", now, local.mode), Likeness::Same, Likeness::Different),
        (of(b"longer content", now, local.mode), Likeness::Different, Likeness::Different),
    ] {
        assert_eq!(alike(&local, &stored, Compare::Quick).expect("readable"), quick, "{stored:?}");
        assert_eq!(alike(&local, &stored, Compare::Content).expect("readable"), content, "{stored:?}");
    }
}

#[test]
fn both_directions_see_what_differs() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, content: &[u8]| {
        let to = folder.path().join(name);
        fs::create_dir_all(to.parent().expect("below")).expect("made");
        fs::write(&to, content).expect("written");
        fs::set_permissions(&to, fs::Permissions::from_mode(0o644)).expect("set");
        local_file(&to).expect("there").expect("a file").modified_ms
    };
    let same_ms = write("same", b"1");
    write("touched", b"2");
    write("changed", b"3");
    write("longer", b"44");
    write("sub/new", b"5");
    write(".cairn-00.part", b"unfinished");
    fs::create_dir(folder.path().join("empty")).expect("made");
    std::os::unix::fs::symlink("same", folder.path().join("link")).expect("made");

    let (mut tree, mut changed) = (Tree::default(), Segment::default());
    for (name, file) in [
        ("in/same", stored(b"1", same_ms)),
        ("in/touched", stored(b"2", 1)),
        ("in/changed", stored(b"x", 1)),
        ("in/longer", stored(b"4", 1)),
        ("in/gone/deep", stored(b"6", 1)),
        ("outside", stored(b"7", 1)),
    ] {
        tree.apply(Change::Put(path(name), file), &mut changed).expect("fits");
    }
    let mut local = scan(folder.path()).expect("there");
    assert_eq!((local.skipped.len(), local.left_out.len()), (2, 0), "a link, and an unfinished download");
    let paths = |list: &[&str]| list.iter().map(|text| path(text)).collect::<Vec<_>>();

    let up = to_drive(&mut local, &tree, &path("in"), Compare::Quick).expect("compared");
    assert_eq!(up.copy, paths(&["changed", "longer", "sub/new"]));
    assert_eq!(up.make, paths(&["empty", "sub"]));
    assert_eq!((up.extra, up.same, &up.touch), (paths(&["gone/deep", "gone"]), 1, &paths(&["touched"])));

    let down = to_local(&local, &tree, &path("in"), Compare::Quick).expect("compared");
    assert_eq!(down.copy, paths(&["changed", "gone/deep", "longer"]));
    assert_eq!((down.make, down.same, down.touch), (paths(&["gone"]), 1, paths(&["touched"])));
    assert_eq!(down.extra, paths(&["sub/new", "sub", "empty"]));
}
