// SPDX-License-Identifier: Apache-2.0

//! Getting files out of a drive, or out of what a link names.

use std::{fs, io::Write, path::Path, sync::Arc};

use anyhow::Context as _;
use cairn_drive::{
    download::{download_all, Wanted},
    live,
    manifest::Entry,
    share::{Lead, Link, SCHEME},
    Contents, DriveError, DrivePath,
};
use serde_json::json;

use super::{
    carry::{note_failures, Meter},
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
    if tree.is_directory(path) {
        if !args.recursive {
            return Err(usage_with_remedy(format!("{path} is a directory"), "give -r to get it with everything in it"));
        }
        let top = match path.name() {
            Some(name) if args.destination.is_dir() => args.destination.join(name),
            _ => args.destination.clone(),
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
    // What leads to `top` itself is the user's own way there.
    for to in folders.iter().skip(1).chain(files.iter().map(|wanted| &wanted.to)) {
        check_place(to)?;
    }
    let total: u64 = files.iter().map(|wanted| wanted.file.size).sum();
    let meter = Meter::new(context, "getting", total);
    for folder in folders {
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    let count = files.len();
    let result = get_all(contents, files, &meter).await;
    meter.finish();
    note_failures(context, contents.reader().vaults());
    result.map_err(|error| source.error(error))?;
    let text = format!("got {count} {}, {}", if count == 1 { "file" } else { "files" }, format_bytes(total));
    let json = json!({
        "drive": drive, "files": count, "bytes": total,
        "failures": contents.reader().vaults().failures().iter().map(|failure| {
            json!({ "slot": failure.slot, "reason": failure.reason })
        }).collect::<Vec<_>>(),
    });
    Ok(Report::new(text, json))
}

/// What is a link there, or no file at all, isn't written through and isn't replaced: what it leads to is somebody else's.
fn check_place(to: &Path) -> Result<()> {
    let Ok(there) = to.symlink_metadata() else { return Ok(()) };
    if there.is_file() || there.is_dir() {
        return Ok(());
    }
    Err(usage_with_remedy(
        format!("{} is a symbolic link or special file, and isn't replaced", to.display()),
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
    use super::*;

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
