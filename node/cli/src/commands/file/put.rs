// SPDX-License-Identifier: Apache-2.0

//! Putting files into a drive.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use cairn_drive::{
    manifest::{Change, Tree, NOW_MS},
    sync::{local_file, scan, LocalFile},
    upload::Journal,
    DrivePath, Plan, Put as PutFile, PutSource, Step,
};
use serde_json::json;

use super::{
    carry::{carry, journals, Carry},
    Put,
};
use crate::{
    commands::drive::place::{drive_error, find, open, Place},
    context::Context,
    failure::{usage, usage_with_remedy, Result},
    output::Report,
    size::format_bytes,
};

/// Puts files and folders into a drive.
pub async fn put(context: &Context, args: Put) -> Result<Report> {
    let Some((to, sources)) = args.paths.split_last() else { return Err(usage("what shall be put?")) };
    let to = Place::parse(to)?;
    let id = find(context, to.drive.as_deref(), &args.state).await?;
    let opened = open(context, id, &args.state).await?;
    let tree = opened.drive.contents().tree();
    let into = to.is_directory || sources.len() > 1 || {
        // An interrupted run of this command may have made the directory: it goes on where it was, and not one deeper.
        let made = || {
            let (journals, genesis) = (journals(&args.state)?, opened.session.chain.genesis());
            Ok::<_, anyhow::Error>(Journal::is_left(&journals, &genesis, id, &command(id, sources, &to, false)?))
        };
        tree.is_directory(&to.path) && !made()?
    };
    let mut plan = Plan { command: command(id, sources, &to, into)?, ..Plan::default() };
    let mut skipped = Vec::new();
    for source in sources {
        if source == "-" {
            if into {
                return Err(usage_with_remedy(
                    "what comes from standard input needs a name",
                    "write the whole path: drive:/path/name",
                ));
            }
            let source = PutSource::Stream(Some(Box::new(std::io::stdin())));
            let modified_ms = NOW_MS;
            plan.steps.push(Step::Put(PutFile { path: to.path.clone(), source, size: None, modified_ms, mode: 0o644 }));
            continue;
        }
        skipped.extend(add(&mut plan, Path::new(source), &to.path, into, args.recursive, tree)?);
    }
    let count = different(&plan)?;
    let carried = carry(context, opened, plan, &args.state, Carry::putting()).await?;
    if let Some(text) = left_out(&skipped) {
        context.output.warn(&text);
    }
    let mut json = carried.json(id);
    json["files"] = count.into();
    json["skipped"] = json!(names(&skipped));
    let files = format!("{count} {}", if count == 1 { "file" } else { "files" });
    let version = format!("in version {} of drive {id}", carried.committed.version);
    let text = if carried.committed.was_done && count == 0 {
        format!("there was nothing to store, {version}")
    } else if carried.committed.was_done {
        format!("an earlier run of this command had stored {files} already, {version}")
    } else {
        format!("stored {files}, {}, {version}", format_bytes(carried.read_bytes))
    };
    Ok(Report::new(text, json))
}

/// How many files are put, each at a place of its own: whatever came second would be all that is there.
fn different(plan: &Plan) -> Result<usize> {
    let mut places = HashMap::new();
    for step in &plan.steps {
        let Step::Put(put) = step else { continue };
        if let Some(other) = places.insert(&put.path, &put.source) {
            let shown = |source: &PutSource| match source {
                PutSource::File(path) => path.display().to_string(),
                _ => "what comes from standard input".into(),
            };
            return Err(usage_with_remedy(
                format!("{} and {} would both be {}", shown(other), shown(&put.source), put.path),
                "put them one by one, each to a path of its own",
            ));
        }
    }
    Ok(places.len())
}

/// Paths, for people and programs.
pub fn names(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}

/// What to say of what can't be in a drive: the first of it by name.
pub fn left_out(skipped: &[PathBuf]) -> Option<String> {
    let first = names(&skipped[..skipped.len().min(5)]);
    let more = if skipped.len() > first.len() { ", ..." } else { "" };
    (!first.is_empty()).then(|| {
        format!(
            "left out, since they are symbolic links or special files ({}): {}{more}",
            skipped.len(),
            first.join(", ")
        )
    })
}

/// What names the command: the same sources, as they are called from anywhere, to the same place.
fn command(drive: u64, sources: &[String], to: &Place, into: bool) -> Result<Vec<u8>> {
    let absolute = |source: &String| match source.as_str() {
        "-" => Ok(PathBuf::from("-")),
        path => std::path::absolute(path),
    };
    let sources: Vec<PathBuf> = sources.iter().map(absolute).collect::<std::io::Result<_>>()?;
    Ok(format!("put {drive} {sources:?} {} {into}", to.path).into_bytes())
}

/// Adds a file, or a folder with what is in it; returns what was left out.
fn add(
    plan: &mut Plan,
    source: &Path,
    to: &DrivePath,
    into: bool,
    recursive: bool,
    tree: &Tree,
) -> Result<Vec<PathBuf>> {
    let shown = source.display();
    let target = || {
        if !into {
            return Ok(to.clone());
        }
        // `.` and `..` have no name of their own. A link has: what it leads to may be called anything.
        let full = if source.file_name().is_some() { source.to_path_buf() } else { source.canonicalize()? };
        let name = full.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| usage(format!("{shown} has no name that a drive can have")))?;
        to.join(name).map_err(|error| drive_error(error.into()))
    };
    if let Some(file) = local_file(source).map_err(drive_error)? {
        plan.steps.push(put_step(target()?, file));
        return Ok(Vec::new());
    }
    if !source.is_dir() {
        return Err(usage(format!("{shown} is no ordinary file")));
    }
    if !recursive {
        return Err(usage_with_remedy(format!("{shown} is a folder"), "give -r to put it with everything in it"));
    }
    let (target, local) = (target()?, scan(source).map_err(drive_error)?);
    let below = |path: &DrivePath| target.join(path.as_str()).map_err(|error| drive_error(error.into()));
    if !tree.is_directory(&target) {
        plan.steps.push(Step::Change(Change::MakeDirectory(target.clone(), NOW_MS)));
    }
    for folder in &local.folders {
        plan.steps.push(Step::Change(Change::MakeDirectory(below(folder)?, NOW_MS)));
    }
    for (path, file) in local.files {
        plan.steps.push(put_step(below(&path)?, file));
    }
    Ok(local.skipped)
}

/// A step that puts a file on this machine.
pub fn put_step(path: DrivePath, file: LocalFile) -> Step {
    let LocalFile { path: from, size, modified_ms, mode } = file;
    Step::Put(PutFile { path, source: PutSource::File(from), size: Some(size), modified_ms, mode })
}
