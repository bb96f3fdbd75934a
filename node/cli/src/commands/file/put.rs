// SPDX-License-Identifier: Apache-2.0

//! Putting files into a drive.

use std::path::{Path, PathBuf};

use cairn_drive::{
    manifest::{Change, Tree, NOW_MS},
    sync::{local_file, scan, LocalFile},
    DrivePath, Plan, Put as PutFile, PutSource, Step,
};
use serde_json::json;

use super::{
    carry::{carry, Carry},
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
    let into = to.is_directory || tree.is_directory(&to.path) || sources.len() > 1;
    let mut plan = Plan { command: command(id, sources, &to, into)?, ..Plan::default() };
    let mut skipped = 0;
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
        skipped += add(&mut plan, Path::new(source), &to.path, into, args.recursive, tree)?;
    }
    let count = plan.steps.iter().filter(|step| matches!(step, Step::Put(_))).count();
    let carried = carry(context, opened, plan, &args.state, Carry::putting()).await?;
    if skipped > 0 {
        context.output.warn(&format!("{skipped} symbolic links and special files were left out"));
    }
    let mut json = carried.json(id);
    json["files"] = count.into();
    json["skipped"] = skipped.into();
    let text = format!(
        "stored {count} {}, {}, in version {} of drive {id}",
        if count == 1 { "file" } else { "files" },
        format_bytes(carried.read_bytes),
        carried.committed.version
    );
    Ok(Report::new(text, json!(json)))
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

/// Adds a file, or a folder with what is in it; returns how many things were left out.
fn add(plan: &mut Plan, source: &Path, to: &DrivePath, into: bool, recursive: bool, tree: &Tree) -> Result<usize> {
    let shown = source.display();
    let target = || {
        if !into {
            return Ok(to.clone());
        }
        // `.` and `..` have no name of their own.
        let full = source.canonicalize()?;
        let name = full.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| usage(format!("{shown} has no name that a drive can have")))?;
        to.join(name).map_err(|error| drive_error(error.into()))
    };
    if let Some(file) = local_file(source).map_err(drive_error)? {
        plan.steps.push(put_step(target()?, file));
        return Ok(0);
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
    Ok(local.skipped.len())
}

/// A step that puts a file on this machine.
pub fn put_step(path: DrivePath, file: LocalFile) -> Step {
    let LocalFile { path: from, size, modified_ms, mode } = file;
    Step::Put(PutFile { path, source: PutSource::File(from), size: Some(size), modified_ms, mode })
}
