// SPDX-License-Identifier: Apache-2.0

//! Making a folder and a directory of a drive alike.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use cairn_drive::{
    download::Wanted,
    manifest::{Change, Entry, NOW_MS},
    sync::{scan, to_drive, to_local, Difference, LocalTree},
    DrivePath, Plan, Step,
};
use serde_json::{json, Value};

use super::{
    carry::{carry, note_failures, Carry, Meter},
    get::get_all,
    put::{left_out, names, put_step},
    Sync,
};
use crate::{
    commands::drive::place::{drive_error, find, open, Opened, Place},
    context::Context,
    failure::{failed, usage, usage_with_remedy, Result},
    output::Report,
};

/// Makes the second like the first.
pub async fn sync(context: &Context, args: Sync) -> Result<Report> {
    let (from, to) = (Place::read(&args.from)?, Place::read(&args.to)?);
    match (from, to) {
        (None, Some(place)) => up(context, &args, place).await,
        (Some(place), None) => down(context, &args, place).await,
        _ => Err(usage_with_remedy(
            "one of the two must be a folder on this machine, and the other a path in a drive",
            "write `cairn sync FOLDER drive:/path` or `cairn sync drive:/path FOLDER`",
        )),
    }
}

fn scan_folder(folder: &Path) -> Result<LocalTree> {
    if !folder.is_dir() {
        return Err(usage(format!("{} is no folder", folder.display())));
    }
    scan(folder).map_err(drive_error)
}

/// How often a folder and a directory are compared, while others write to the drive.
const COMPARED_MAX: usize = 5;

async fn up(context: &Context, args: &Sync, place: Place) -> Result<Report> {
    let id = find(context, place.drive.as_deref(), &args.state).await?;
    let mut done = Difference::default();
    for _ in 0..COMPARED_MAX {
        match up_once(context, args, &place, id, &mut done).await? {
            (report, false) => return Ok(report),
            (_, true) => context.output.note("another writer changed the drive meanwhile; comparing again"),
        }
    }
    Err(failed(
        format!("others write to drive {id} all the time: it isn't known to be like {}", args.from),
        "run it again when they have done",
    ))
}

/// Compares, and does what that asks for, besides what was `done` before; with the report comes whether somebody else's version came
/// between the two.
async fn up_once(
    context: &Context,
    args: &Sync,
    place: &Place,
    id: u64,
    done: &mut Difference,
) -> Result<(Report, bool)> {
    let folder = Path::new(&args.from);
    let opened = open(context, id, &args.state).await?;
    let mut local = scan_folder(folder)?;
    let difference = to_drive(&local, opened.drive.contents().tree(), &place.path).map_err(drive_error)?;
    let skipped = std::mem::take(&mut local.skipped);
    let changes =
        !difference.copy.is_empty() || !difference.make.is_empty() || args.delete && !difference.extra.is_empty();
    done.add(&difference);
    if args.dry_run || !changes {
        return Ok((report(id, done, args, &skipped, None), false));
    }
    let below = |path: &DrivePath| place.path.join(path.as_str()).map_err(|error| drive_error(error.into()));
    let command = format!("sync {id} {:?} {} {}", std::path::absolute(folder)?, place.path, args.delete);
    let mut plan = Plan { command: command.into_bytes(), ..Plan::default() };
    if args.delete {
        for path in &difference.extra {
            plan.steps.push(Step::Change(Change::Remove { path: below(path)?, recursive: false }));
        }
    } else {
        replaced(&difference, &local, &opened, &place.path)?;
    }
    for path in &difference.make {
        plan.steps.push(Step::Change(Change::MakeDirectory(below(path)?, NOW_MS)));
    }
    for path in &difference.copy {
        if let Some(file) = local.files.remove(path) {
            plan.steps.push(put_step(below(path)?, file));
        }
    }
    let carried = carry(context, opened, plan, &args.state, Carry::putting()).await?;
    Ok((report(id, done, args, &skipped, Some(carried.json(id))), carried.on_others))
}

/// A folder where the drive has a file, or a file where it has a directory, needs `--delete`: something has to go for it.
fn replaced(difference: &Difference, local: &LocalTree, opened: &Opened, at: &DrivePath) -> Result<()> {
    let tree = opened.drive.contents().tree();
    for path in difference.copy.iter().chain(&difference.make) {
        let stored = at.join(path.as_str()).ok().and_then(|path| tree.get(&path));
        let is_file = local.files.contains_key(path);
        if stored.is_some_and(|entry| matches!(entry, Entry::File(_)) != is_file) {
            return Err(usage_with_remedy(
                format!("{path} is a file on one side and a folder on the other"),
                "give --delete to replace it",
            ));
        }
    }
    Ok(())
}

/// What is a link here, or no file at all, isn't written through and isn't replaced: what it leads to is somebody else's.
fn nothing_through_links(difference: &Difference, local: &LocalTree, folder: &Path) -> Result<()> {
    for path in difference.copy.iter().chain(&difference.make) {
        let to = folder.join(path.as_str());
        if let Some(link) = local.skipped.iter().find(|link| to.starts_with(link)) {
            return Err(usage_with_remedy(
                format!("{} would be written, but {} is a symbolic link or special file", to.display(), link.display()),
                "remove it, or sync to another folder",
            ));
        }
    }
    Ok(())
}

async fn down(context: &Context, args: &Sync, place: Place) -> Result<Report> {
    let folder = Path::new(&args.to);
    let id = find(context, place.drive.as_deref(), &args.state).await?;
    let opened = open(context, id, &args.state).await?;
    let contents = opened.drive.contents();
    let tree = contents.tree();
    if !tree.is_directory(&place.path) {
        return Err(usage(format!("{} is no directory in drive {id}", place.path)));
    }
    if !folder.exists() && !args.dry_run {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let local = if folder.exists() { scan_folder(folder)? } else { LocalTree::default() };
    let difference = to_local(&local, tree, &place.path).map_err(drive_error)?;
    nothing_through_links(&difference, &local, folder)?;
    if args.dry_run {
        return Ok(report(id, &difference, args, &local.skipped, None));
    }
    if args.delete {
        if !difference.extra.is_empty() {
            let question = format!("Remove {} files and folders in {}?", difference.extra.len(), folder.display());
            if !context.output.confirm(&question, context.yes)? {
                return Err(usage("nothing was done"));
            }
        }
        // The deepest come first.
        for path in &difference.extra {
            let gone = folder.join(path.as_str());
            if local.files.contains_key(path) {
                fs::remove_file(&gone)?;
            } else if let Err(error) = fs::remove_dir(&gone) {
                // Something that was left out of the comparison is in it: a link, a socket.
                context.output.warn(&format!("{} stays: {error}", gone.display()));
            }
        }
    }
    for path in &difference.make {
        let made = folder.join(path.as_str());
        fs::create_dir_all(&made).with_context(|| made.display().to_string())?;
    }
    let mut files = Vec::new();
    for path in &difference.copy {
        let stored = place.path.join(path.as_str()).map_err(|error| drive_error(error.into()))?;
        let file = tree.file(&stored).map_err(|error| drive_error(error.into()))?.clone();
        files.push(Wanted { name: stored.to_string(), file, to: folder.join(path.as_str()) });
    }
    let meter = Meter::new(context, "getting", files.iter().map(|wanted| wanted.file.size).sum());
    let result = get_all(contents, files, &meter).await;
    meter.finish();
    note_failures(context, contents.reader().vaults());
    result.map_err(drive_error)?;
    Ok(report(id, &difference, args, &local.skipped, Some(json!({ "drive": id }))))
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn report(drive: u64, difference: &Difference, args: &Sync, skipped: &[PathBuf], done: Option<Value>) -> Report {
    let removed = if args.delete { difference.extra.len() } else { 0 };
    let Difference { copy, make, same, .. } = difference;
    let mut text = format!(
        "{}{} copied, {} made, {removed} removed; {same} {} alike",
        if args.dry_run { "would be: " } else { "" },
        counted(copy.len(), "file"),
        counted(make.len(), "folder"),
        if *same == 1 { "was" } else { "were" }
    );
    if !args.delete && !difference.extra.is_empty() {
        text += &format!("\n{} are only in {}; --delete removes them", difference.extra.len(), args.to);
    }
    if let Some(left_out) = left_out(skipped) {
        text += "\n";
        text += &left_out;
    }
    let list = |paths: &[DrivePath]| paths.iter().map(|path| path.as_str().to_string()).collect::<Vec<_>>();
    let mut json = done.unwrap_or_else(|| json!({ "drive": drive }));
    json["copied"] = json!(list(copy));
    json["made"] = json!(list(make));
    json["removed"] = json!(if args.delete { list(&difference.extra) } else { Vec::new() });
    json["alike"] = json!(same);
    json["skipped"] = json!(names(skipped));
    json["dry_run"] = json!(args.dry_run);
    Report::new(text, json)
}
