// SPDX-License-Identifier: Apache-2.0

//! Getting files out of a drive, or out of what a link names.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use cairn_drive::{
    download::{download_all, free_bytes, from_ms, Wanted},
    live,
    manifest::Entry,
    share::{Lead, Link, SCHEME},
    sync::{alike, local_file, Compare, Likeness, LocalFile},
    Contents, DriveError, DrivePath,
};
use serde_json::json;

use super::{
    carry::{note_failures, Meter},
    change::meant,
    Cat, Get,
};
use crate::{
    commands::drive::place::{drive_error, find, open, Place, StateDir},
    context::Context,
    failure::{usage, usage_with_remedy, Result},
    output::Report,
    secrets,
    size::format_bytes,
};

/// What is read from, and where in it.
pub struct Source {
    /// The files.
    pub contents: Arc<Contents>,
    /// The path.
    pub path: DrivePath,
    /// The drive.
    pub drive: u64,
    /// Where the link leads to, if it is one.
    lead: Option<Lead>,
}

impl Source {
    /// Why it can't be read.
    fn error(&self, error: DriveError) -> anyhow::Error {
        drive_error(match &self.lead {
            Some(lead) => lead.explain(error),
            None => error,
        })
    }
}

/// Opens a drive at a version, or what a link names.
pub async fn source(context: &Context, text: &str, version: Option<u64>, state: &StateDir) -> Result<Source> {
    // On the command line everybody on the machine sees a link, key and all.
    let kept = match text.strip_prefix('@') {
        Some("-") => Some(secrets::from_stdin()?),
        Some(path) => Some(secrets::from_file(Path::new(path), &context.output)?),
        None => None,
    };
    if text.starts_with(SCHEME) || kept.is_some() {
        let text = kept.as_ref().map_or(text, |kept| kept.trim());
        let link = Link::from_text(text).map_err(drive_error)?;
        if version.is_some() {
            return Err(usage("a link has one version"));
        }
        let session = live::session(context.client().await?, None);
        let (contents, lead) = link.open(&session).await.map_err(drive_error)?;
        // A link to one file is that file.
        let entries: Vec<_> = contents.tree().iter().take(2).map(|(path, entry)| (path.clone(), entry)).collect();
        let path = match &entries[..] {
            [(path, Entry::File(_))] => path.clone(),
            _ => DrivePath::top(),
        };
        return Ok(Source { path, drive: link.drive, contents: Arc::new(contents), lead: Some(lead) });
    }
    let place = Place::parse(text)?;
    let id = find(context, place.drive.as_deref(), state).await?;
    let opened = open(context, id, state).await?;
    let contents = match version {
        Some(version) => opened.drive.at_version(version).await.map_err(drive_error)?,
        None => Arc::clone(opened.drive.contents()),
    };
    meant(&place, contents.tree())?;
    Ok(Source { contents, path: place.path, drive: id, lead: None })
}

/// Gets a file, or a directory with everything in it.
pub async fn get(context: &Context, args: Get) -> Result<Report> {
    let source = source(context, &args.source, args.version, &args.state).await?;
    let Source { contents, path, drive, .. } = &source;
    let tree = contents.tree();
    if args.destination == Path::new("-") {
        return print(&source, None).await;
    }
    let mut files: Vec<Wanted> = Vec::new();
    let mut folders = Vec::new();
    let mut begun = None;
    if tree.is_directory(path) {
        if !args.recursive {
            return Err(usage_with_remedy(format!("{path} is a directory"), "give -r to get it with everything in it"));
        }
        let mark = Mark::of(&args);
        let top = match path.name() {
            // An interrupted run of this command may have made the folder: this one goes on there, and not one deeper.
            Some(name) if args.destination.is_dir() && !mark.is_in(&args.destination) => args.destination.join(name),
            Some(_) => {
                begun = Some(mark);
                args.destination.clone()
            },
            None => args.destination.clone(),
        };
        folders.push(top.clone());
        for (below, entry) in tree.below(path) {
            let to = top.join(path.relative(below).unwrap_or_default());
            match entry {
                Entry::File(file) => files.push(Wanted { name: below.to_string(), file: file.clone(), to }),
                Entry::Directory { .. } => folders.push(to),
            }
        }
    } else {
        let file = tree.file(path).map_err(|error| drive_error(error.into()))?.clone();
        let name = path.name().unwrap_or_default();
        let to = if args.destination.is_dir() { args.destination.join(name) } else { args.destination.clone() };
        if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
            return Err(usage_with_remedy(format!("{} is no folder", folder.display()), "make it first"));
        }
        files.push(Wanted { name: path.to_string(), file, to });
    }
    if let Some(top) = folders.first().filter(|top| top.exists() && !top.is_dir()) {
        return Err(usage_with_remedy(format!("{} is no folder", top.display()), "name another place, or remove it"));
    }
    // What leads to `top` itself is the user's own way there.
    folders.iter().skip(1).try_for_each(|to| check_place(to, false))?;
    files.iter().try_for_each(|wanted| check_place(&wanted.to, true))?;
    for folder in &folders {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    if let Some(mark) = &begun {
        mark.make(&args.destination)?;
    }
    let all = files.len();
    let files = tokio::task::spawn_blocking(move || missing(files)).await?.map_err(drive_error)?;
    let total: u64 = files.iter().map(|wanted| wanted.file.size).sum();
    warn_of_room(context, &args.destination, total);
    let meter = Meter::new(context, "getting", total);
    let count = files.len();
    let result = get_all(contents, files, &meter).await;
    meter.finish();
    note_failures(context, contents.reader().vaults());
    result.map_err(|error| source.error(error))?;
    if let Some(mark) = &begun {
        mark.remove(&args.destination)?;
    }
    let there = match all - count {
        0 => String::new(),
        there => format!("; {there} {} there already", if there == 1 { "was" } else { "were" }),
    };
    let text = format!("got {count} {}, {}{there}", if count == 1 { "file" } else { "files" }, format_bytes(total));
    let json = json!({
        "drive": drive, "files": count, "bytes": total, "there_already": all - count,
        "failures": contents.reader().vaults().failures().iter().map(|failure| {
            json!({ "slot": failure.slot, "reason": failure.reason })
        }).collect::<Vec<_>>(),
    });
    Ok(Report::new(text, json))
}

/// Warns of what most likely won't fit; what an earlier run left is counted twice.
pub fn warn_of_room(context: &Context, to: &Path, bytes: u64) {
    if let Some(free) = free_bytes(to).filter(|free| *free < bytes) {
        context.output.warn(&format!(
            "{} are to be got, and {} are free at {}; make room there: the same command goes on",
            format_bytes(bytes),
            format_bytes(free),
            to.display()
        ));
    }
}

/// A file in a folder that a `get -r` has made and not filled yet: it says that this is what the command's words mean.
struct Mark(String);

impl Mark {
    /// Of what a command gets. Nobody learns a link from it.
    fn of(args: &Get) -> Self {
        let mut words = blake3::Hasher::new_derive_key("cairn/cli/get-mark/v1");
        for word in [args.source.as_str(), &args.version.map(|version| version.to_string()).unwrap_or_default()] {
            words.update(&(word.len() as u64).to_le_bytes()).update(word.as_bytes());
        }
        Mark(format!(".cairn-{}.part", hex::encode(&words.finalize().as_bytes()[..10])))
    }

    fn path(&self, folder: &Path) -> PathBuf {
        folder.join(&self.0)
    }

    fn is_in(&self, folder: &Path) -> bool {
        self.path(folder).symlink_metadata().is_ok_and(|mark| mark.is_file())
    }

    fn make(&self, folder: &Path) -> Result<()> {
        let path = self.path(folder);
        let made = fs::OpenOptions::new().write(true).create_new(true).open(&path);
        match made {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(error).with_context(|| path.display().to_string())
            },
            _ => Ok(()),
        }
    }

    fn remove(&self, folder: &Path) -> Result<()> {
        let path = self.path(folder);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| path.display().to_string())
            },
            _ => Ok(()),
        }
    }
}

/// Those of the files that aren't there with the same content; the others get the right time and mode.
fn missing(wanted: Vec<Wanted>) -> Result<Vec<Wanted>, DriveError> {
    let mut missing = Vec::new();
    for wanted in wanted {
        let there = match wanted.to.symlink_metadata() {
            Ok(there) if there.is_file() && there.len() == wanted.file.size => local_file(&wanted.to).ok().flatten(),
            _ => None,
        };
        // What can't be read is replaced, if it can be.
        let likeness = there.map(|there| (alike(&there, &wanted.file, Compare::Content), there));
        match likeness {
            Some((Ok(Likeness::Same), _)) => {},
            Some((Ok(Likeness::Touched), there)) => touch(&there, wanted.file.modified_ms, wanted.file.mode)?,
            _ => missing.push(wanted),
        }
    }
    Ok(missing)
}

/// Gives a file of this machine another time and mode.
pub fn touch(file: &LocalFile, modified_ms: i64, mode: u16) -> Result<(), DriveError> {
    let set = || {
        let opened = fs::File::open(&file.path).or_else(|error| match error.kind() {
            // One's own file, that not even its owner may read.
            std::io::ErrorKind::PermissionDenied => {
                fs::set_permissions(&file.path, fs::Permissions::from_mode(0o600))?;
                fs::File::open(&file.path)
            },
            _ => Err(error),
        })?;
        opened.set_modified(from_ms(modified_ms))?;
        opened.set_permissions(fs::Permissions::from_mode(u32::from(mode) & 0o777))
    };
    set().map_err(|error| DriveError::Io { what: file.path.display().to_string(), error })
}

/// What is a link there, or no file at all, isn't written through and isn't replaced: what it leads to is somebody else's. Nor is a folder
/// by a file, or a file by a folder.
fn check_place(to: &Path, as_file: bool) -> Result<()> {
    let Ok(there) = to.symlink_metadata() else { return Ok(()) };
    let what = match (there.is_file(), there.is_dir()) {
        (true, _) if as_file => return Ok(()),
        (_, true) if !as_file => return Ok(()),
        (true, _) => "a file, where a folder is to be made",
        (_, true) => "a folder, where a file is to be written",
        _ => "a symbolic link or special file, and isn't replaced",
    };
    Err(usage_with_remedy(
        format!("{} is {what}", to.display()),
        "name another place, or remove it; `-` is standard output",
    ))
}

/// Gets files.
pub async fn get_all(contents: &Arc<Contents>, files: Vec<Wanted>, meter: &Meter) -> Result<(), DriveError> {
    let meter = meter.clone();
    download_all(contents, files, Arc::new(move |bytes| meter.add(bytes))).await
}

/// Shows a file, or a part of it.
pub async fn cat(context: &Context, args: Cat) -> Result<Report> {
    let source = source(context, &args.source, args.version, &args.state).await?;
    let report = print(&source, args.range.as_deref()).await?;
    note_failures(context, source.contents.reader().vaults());
    Ok(report)
}

/// Writes a file to standard output.
async fn print(source: &Source, range: Option<&str>) -> Result<Report> {
    let Source { contents, path, .. } = source;
    let file = contents.tree().file(path).map_err(|error| drive_error(error.into()))?.clone();
    let whole = range.is_none();
    let range = match range {
        Some(text) => parse_range(text, file.size)?,
        None => 0..file.size,
    };
    let sink = |bytes: &[u8]| std::io::stdout().lock().write_all(bytes);
    let read = contents.copy(&path.to_string(), &file, range, Default::default(), sink).await;
    let read = match read {
        Ok(read) => read,
        // Who read has had enough, as `head` does.
        Err(DriveError::Io { error, .. }) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(nothing()),
        Err(error) => return Err(source.error(error)),
    };
    if whole && read.finish(&file.key) != file.commitment {
        return Err(drive_error(DriveError::Damaged { name: path.to_string() }));
    }
    std::io::stdout().lock().flush()?;
    Ok(nothing())
}

/// The content is the result.
fn nothing() -> Report {
    Report::written()
}

/// Reads `A-B`, `A-` or `-B`: the bytes from A to B, both included, as HTTP means it; `-B` are the last B bytes.
fn parse_range(text: &str, size: u64) -> Result<std::ops::Range<u64>> {
    let wrong = || usage(format!("`{text}` is no range of {size} bytes: write A-B, A- or -B"));
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let range = match text.split_once('-').ok_or_else(wrong)? {
        ("", "") => return Err(wrong()),
        ("", last) => size.saturating_sub(number(last)?)..size,
        (from, "") => number(from)?..size,
        (from, to) => number(from)?..number(to)?.saturating_add(1).min(size),
    };
    if range.start > range.end {
        return Err(wrong());
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use cairn_drive::manifest::FileEntry;

    use super::*;

    #[test]
    fn a_mark_is_of_its_command_alone_and_is_there_until_it_is_removed() {
        let of = |source: &str, version: Option<u64>| {
            let destination = PathBuf::from("out");
            Mark::of(&Get { source: source.into(), destination, recursive: true, version, state: StateDir::default() })
        };
        let (mark, folder) = (of("d:/a", None), tempfile::tempdir().expect("a folder"));
        assert!(!mark.is_in(folder.path()));
        mark.make(folder.path()).expect("made");
        mark.make(folder.path()).expect("made already");
        assert!(mark.is_in(folder.path()) && of("d:/a", None).is_in(folder.path()));
        for other in [of("d:/b", None), of("d:/a", Some(1)), of("", None)] {
            assert!(!other.is_in(folder.path()));
        }
        mark.remove(folder.path()).expect("removed");
        mark.remove(folder.path()).expect("removed already");
        assert!(!mark.is_in(folder.path()));
    }

    #[test]
    fn what_is_there_with_the_same_content_is_not_got_again_and_what_is_damaged_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let entry = |content: &[u8], modified_ms: i64| {
            let key = [8; 32];
            let commitment = cairn_drive::frame::Commitment::of_reader(content, &key).expect("in memory");
            let size = content.len() as u64;
            FileEntry { size, modified_ms, mode: 0o600, key, commitment, stripe: 0, offset: 0 }
        };
        let wanted = |name: &str, content: &[u8], there: Option<&[u8]>| {
            let to = folder.path().join(name);
            if let Some(there) = there {
                fs::write(&to, there).expect("written");
                // As after a download whose content was damaged: size and time are right.
                touch(&local_file(&to).expect("there").expect("a file"), 5_000, 0o600).expect("touched");
            }
            Wanted { name: name.into(), file: entry(content, 5_000), to }
        };
        let all = vec![
            wanted("same", b"12345", Some(b"12345")),
            wanted("damaged", b"12345", Some(b"1\x00\x00\x00\x35")),
            wanted("new", b"12345", None),
        ];
        let left: Vec<String> = missing(all).expect("readable").into_iter().map(|wanted| wanted.name).collect();
        assert_eq!(left, ["damaged", "new"]);
        let mut touched = wanted("same", b"12345", None);
        touched.file.modified_ms = 9_000;
        assert!(missing(vec![touched]).expect("readable").is_empty());
        let after = local_file(&folder.path().join("same")).expect("there").expect("a file");
        assert_eq!((after.modified_ms, after.mode), (9_000, 0o600));
    }

    #[test]
    fn ranges_are_read_as_they_are_meant() {
        for (text, range) in
            [("0-10", 0..11), ("5-", 5..100), ("-7", 93..100), ("-1000", 0..100), ("90-1000", 90..100), ("3-3", 3..4)]
        {
            assert_eq!(parse_range(text, 100).expect(text), range);
        }
        for text in ["", "-", "5", "10-5", "101-", "a-b", "1-2-3", "200-300"] {
            assert!(parse_range(text, 100).is_err(), "{text}");
        }
    }
}
