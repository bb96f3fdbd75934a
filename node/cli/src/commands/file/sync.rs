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
    sync::{scan_without, to_drive, to_local, Compare, Difference, LocalTree},
    upload::LeftOut,
    Contents, DrivePath, Plan, Step,
};
use serde_json::{json, Value};

use super::{
    carry::{carry, note_failures, Carry, Meter},
    exclude::Exclude,
    get::{get_all, touch, warn_of_room},
    put::{left_out_json, names, put_step, tell_left_out},
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

fn scan_folder(folder: &Path, exclude: &Exclude) -> Result<LocalTree> {
    if !folder.is_dir() {
        return Err(usage(format!("{} is no folder", folder.display())));
    }
    scan_without(folder, &|path| exclude.has(path)).map_err(drive_error)
}

fn compare(args: &Sync) -> Compare {
    if args.checksum {
        Compare::Content
    } else {
        Compare::Quick
    }
}

/// So many files and folders are removed from a drive without a question, if they are not more than half of what is there.
const REMOVED_UNASKED: usize = 10;

/// Asks before much is removed from a drive: a folder that is empty may be a disk that isn't mounted.
fn check_removal(context: &Context, args: &Sync, extra: usize, there: usize, local: &LocalTree) -> Result<()> {
    check_max(args, extra)?;
    let is_empty = local.files.is_empty() && local.folders.is_empty();
    let question = if extra > 0 && is_empty {
        format!("{} is empty. Remove all {} files and folders in {}?", args.from, extra, args.to)
    } else if extra > REMOVED_UNASKED && extra > there / 2 {
        format!("Remove {extra} of the {there} files and folders in {}?", args.to)
    } else {
        return Ok(());
    };
    match context.output.confirm(&question, context.yes)? {
        true => Ok(()),
        false => Err(usage("nothing was done")),
    }
}

/// Whether no more would be removed than the user allows.
fn check_max(args: &Sync, extra: usize) -> Result<()> {
    match args.max_delete.filter(|max| extra > *max) {
        None => Ok(()),
        Some(max) => Err(usage_with_remedy(
            format!("nothing was done: {extra} files and folders would be removed, and --max-delete allows {max}"),
            "--dry-run --json names them; give a larger --max-delete if that is right",
        )),
    }
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
    let exclude = Exclude::new(&args.excluded.patterns)?;
    let mut local = scan_folder(folder, &exclude)?;
    let tree = opened.drive.contents().tree();
    let mut difference = to_drive(&mut local, tree, &place.path, compare(args)).map_err(drive_error)?;
    difference.exclude(&|path| exclude.has(path));
    let outcome =
        Outcome { skipped: std::mem::take(&mut local.skipped), left_out: std::mem::take(&mut local.left_out) };
    let removes = args.delete && !difference.extra.is_empty();
    let changes = !difference.copy.is_empty() || !difference.touch.is_empty() || !difference.make.is_empty() || removes;
    done.add(&difference);
    if args.dry_run || !changes {
        tell_left_out(context, &outcome.skipped, &outcome.left_out);
        return Ok((report(id, done, args, &outcome, None), false));
    }
    if removes {
        let there = tree.below(&place.path).count();
        check_removal(context, args, difference.extra.len(), there, &local)?;
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
    for path in &difference.touch {
        let (path, file) = (below(path)?, &local.files[path]);
        let stored = tree.file(&path).map_err(|error| drive_error(error.into()))?;
        let (modified_ms, mode) = (file.modified_ms, file.mode);
        plan.steps.push(Step::Change(Change::Touch { path, commitment: stored.commitment, modified_ms, mode }));
    }
    for path in &difference.copy {
        if let Some(file) = local.files.remove(path) {
            plan.steps.push(put_step(below(path)?, file));
        }
    }
    let mut outcome = outcome;
    let mut carried = carry(context, opened, plan, &args.state, Carry::putting()).await?;
    outcome.left_out.append(&mut carried.committed.left_out);
    if !carried.on_others {
        tell_left_out(context, &outcome.skipped, &outcome.left_out);
    }
    done.copy.retain(|path| outcome.left_out.iter().all(|left| left.path != folder.join(path.as_str())));
    Ok((report(id, done, args, &outcome, Some(carried.json(id))), carried.on_others))
}

/// What was left out, and why.
#[derive(Default)]
struct Outcome {
    skipped: Vec<PathBuf>,
    left_out: Vec<LeftOut>,
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
    let exclude = Exclude::new(&args.excluded.patterns)?;
    let local = if folder.exists() { scan_folder(folder, &exclude)? } else { LocalTree::default() };
    let mut difference = to_local(&local, tree, &place.path, compare(args)).map_err(drive_error)?;
    difference.exclude(&|path| exclude.has(path));
    nothing_through_links(&difference, &local, folder)?;
    let outcome = Outcome { left_out: local.left_out.clone(), skipped: local.skipped.clone() };
    if args.dry_run {
        return Ok(report(id, &difference, args, &outcome, None));
    }
    let (replaced, gone) = replaced_here(&difference, args)?;
    if args.delete && !difference.extra.is_empty() {
        check_max(args, difference.extra.len())?;
        let question = format!("Remove {} files and folders in {}?", difference.extra.len(), folder.display());
        if !context.output.confirm(&question, context.yes)? {
            return Err(usage("nothing was done"));
        }
    }
    let down = Down { context, contents, at: &place.path, folder, local: &local };
    // What another thing is in the place of comes last but one, and what only this machine has goes when all else is there.
    let in_the_way = |path: &DrivePath| replaced.iter().any(|root| root.relative(path).is_some());
    let (later, first): (Vec<_>, Vec<_>) = difference.copy.iter().partition(|path| in_the_way(path));
    let (make_later, make_first): (Vec<_>, Vec<_>) = difference.make.iter().partition(|path| in_the_way(path));
    down.get(&make_first, &first).await?;
    down.remove(difference.extra.iter().filter(|path| in_the_way(path)))?;
    down.get(&make_later, &later).await?;
    for path in &difference.touch {
        let stored = down.stored(path)?;
        touch(&local.files[path], stored.modified_ms, stored.mode).map_err(drive_error)?;
    }
    down.remove(gone.iter().filter(|path| !in_the_way(path)))?;
    tell_left_out(context, &[], &outcome.left_out);
    Ok(report(id, &difference, args, &outcome, Some(json!({ "drive": id }))))
}

/// Files that are in the place of directories of the drive, or folders in that of files; and what is to be removed. Without `--delete`
/// nothing may go, so there must be none of the first.
fn replaced_here(difference: &Difference, args: &Sync) -> Result<(Vec<DrivePath>, Vec<DrivePath>)> {
    let wanted: std::collections::BTreeSet<&DrivePath> = difference.copy.iter().chain(&difference.make).collect();
    let replaced: Vec<DrivePath> = difference.extra.iter().filter(|path| wanted.contains(path)).cloned().collect();
    match replaced.first() {
        Some(path) if !args.delete => Err(usage_with_remedy(
            format!("{path} is a file on one side and a folder on the other"),
            "give --delete to replace it",
        )),
        _ => Ok((replaced, if args.delete { difference.extra.clone() } else { Vec::new() })),
    }
}

/// A folder that becomes like a directory of a drive.
struct Down<'a> {
    context: &'a Context,
    contents: &'a std::sync::Arc<Contents>,
    at: &'a DrivePath,
    folder: &'a Path,
    local: &'a LocalTree,
}

impl Down<'_> {
    fn stored(&self, path: &DrivePath) -> Result<cairn_drive::manifest::FileEntry> {
        let stored = self.at.join(path.as_str()).map_err(|error| drive_error(error.into()))?;
        Ok(self.contents.tree().file(&stored).map_err(|error| drive_error(error.into()))?.clone())
    }

    /// Makes folders and gets files.
    async fn get(&self, make: &[&DrivePath], copy: &[&DrivePath]) -> Result<()> {
        for path in make {
            let made = self.folder.join(path.as_str());
            fs::create_dir_all(&made).with_context(|| made.display().to_string())?;
        }
        let mut files = Vec::new();
        for path in copy {
            let name = self.at.join(path.as_str()).map_err(|error| drive_error(error.into()))?.to_string();
            files.push(Wanted { name, file: self.stored(path)?, to: self.folder.join(path.as_str()) });
        }
        if files.is_empty() {
            return Ok(());
        }
        let total = files.iter().map(|wanted| wanted.file.size).sum();
        warn_of_room(self.context, self.folder, total);
        let meter = Meter::new(self.context, "getting", total);
        let result = get_all(self.contents, files, &meter).await;
        meter.finish();
        note_failures(self.context, self.contents.reader().vaults());
        result.map_err(drive_error)
    }

    /// Removes files and folders of this machine; the deepest come first.
    fn remove<'b>(&self, paths: impl Iterator<Item = &'b DrivePath>) -> Result<()> {
        for path in paths {
            let gone = self.folder.join(path.as_str());
            if self.local.files.contains_key(path) {
                fs::remove_file(&gone).with_context(|| gone.display().to_string())?;
            } else if let Err(error) = fs::remove_dir(&gone) {
                // Something that was left out of the comparison is in it: a link, a socket.
                self.context.output.warn(&format!("{} stays: {error}", gone.display()));
            }
        }
        Ok(())
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn report(drive: u64, difference: &Difference, args: &Sync, outcome: &Outcome, done: Option<Value>) -> Report {
    let removed = if args.delete { difference.extra.len() } else { 0 };
    let Difference { copy, touch, make, same, .. } = difference;
    let touched = match touch.len() {
        0 => String::new(),
        count => format!("{count} given the other's time and mode, "),
    };
    let mut text = format!(
        "{}{} copied, {touched}{} made, {removed} removed; {same} {} alike",
        if args.dry_run { "would be: " } else { "" },
        counted(copy.len(), "file"),
        counted(make.len(), "folder"),
        if *same == 1 { "was" } else { "were" }
    );
    if !args.delete && !difference.extra.is_empty() {
        text += &format!("\n{} are only in {}; --delete removes them", difference.extra.len(), args.to);
    }
    if !outcome.left_out.is_empty() {
        text += &format!("\n{} left out", outcome.left_out.len());
    }
    let list = |paths: &[DrivePath]| paths.iter().map(|path| path.as_str().to_string()).collect::<Vec<_>>();
    let mut json = done.unwrap_or_else(|| json!({ "drive": drive }));
    json["copied"] = json!(list(copy));
    json["touched"] = json!(list(touch));
    json["made"] = json!(list(make));
    json["removed"] = json!(if args.delete { list(&difference.extra) } else { Vec::new() });
    json["alike"] = json!(same);
    json["skipped"] = json!(names(&outcome.skipped));
    json["left_out"] = left_out_json(&outcome.left_out);
    json["dry_run"] = json!(args.dry_run);
    Report::new(text, json).partly(!outcome.left_out.is_empty())
}
