// SPDX-License-Identifier: Apache-2.0

//! Putting files into a drive.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use cairn_drive::{
    manifest::{Change, Tree, NOW_MS},
    sync::{local_file, scan_without, LocalFile, LocalTree},
    upload::{Journal, LeftOut},
    DrivePath, Plan, Put as PutFile, PutSource, Step,
};
use serde_json::json;

use super::{
    carry::{carry, journals, Carry},
    exclude::Exclude,
    Put,
};
use crate::{
    commands::drive::place::{drive_error, find, open, Place},
    context::Context,
    failure::{failed, usage, usage_with_remedy, Result},
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
    let exclude = Exclude::new(&args.excluded.patterns)?;
    let adding = Adding { to: &to.path, into, recursive: args.recursive, tree, exclude: &exclude };
    let (mut skipped, mut left_out) = (Vec::new(), Vec::new());
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
        let local = adding.add(&mut plan, Path::new(source))?;
        skipped.extend(local.skipped);
        left_out.extend(local.left_out);
    }
    let wanted = different(&plan)?;
    let mut carried = carry(context, opened, plan, &args.state, Carry::putting()).await?;
    let count = wanted - carried.committed.left_out.len();
    left_out.append(&mut carried.committed.left_out);
    tell_left_out(context, &skipped, &left_out);
    if carried.committed.was_done && count == 0 && !left_out.is_empty() {
        let first = &left_out[0];
        return Err(failed(
            format!("nothing was stored: {}: {}", first.path.display(), first.reason),
            "see that this account of the machine may read it, and that nothing writes to it meanwhile",
        ));
    }
    let mut json = carried.json(id);
    json["files"] = count.into();
    json["skipped"] = json!(names(&skipped));
    json["left_out"] = left_out_json(&left_out);
    let files = format!("{count} {}", if count == 1 { "file" } else { "files" });
    let version = format!("in version {} of drive {id}", carried.committed.version);
    let text = if carried.committed.was_done && count == 0 {
        format!("there was nothing to store, {version}")
    } else if carried.committed.was_done {
        format!("an earlier run of this command had stored {files} already, {version}")
    } else {
        format!("stored {files}, {}, {version}", format_bytes(carried.read_bytes))
    };
    let text = match left_out.len() {
        0 => text,
        left => format!("{text}; {left} left out"),
    };
    Ok(Report::new(text, json).partly(!left_out.is_empty()))
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

/// Names everything that isn't stored, each on a line of its own.
pub fn tell_left_out(context: &Context, skipped: &[PathBuf], left_out: &[LeftOut]) {
    for path in skipped {
        let what = "a symbolic link, special file or unfinished download";
        context.output.note(&format!("left out: {} is {what}", path.display()));
    }
    for left in left_out {
        context.output.warn(&format!("left out: {}: {}", left.path.display(), left.reason));
    }
}

/// The same for programs.
pub fn left_out_json(left_out: &[LeftOut]) -> serde_json::Value {
    left_out.iter().map(|left| json!({ "path": left.path.display().to_string(), "reason": left.reason })).collect()
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

/// Where sources are put, and how.
struct Adding<'a> {
    to: &'a DrivePath,
    into: bool,
    recursive: bool,
    tree: &'a Tree,
    exclude: &'a Exclude,
}

impl Adding<'_> {
    fn target(&self, source: &Path) -> Result<DrivePath> {
        if !self.into {
            return Ok(self.to.clone());
        }
        // `.` and `..` have no name of their own. A link has: what it leads to may be called anything.
        let full = if source.file_name().is_some() { source.to_path_buf() } else { source.canonicalize()? };
        let name = full.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| usage(format!("{} has no name that a drive can have", source.display())))?;
        self.to.join(name).map_err(|error| drive_error(error.into()))
    }

    /// Adds a file, or a folder with what is in it; in what is returned there is what was left out.
    fn add(&self, plan: &mut Plan, source: &Path) -> Result<LocalTree> {
        let shown = source.display();
        if let Some(file) = local_file(source).map_err(drive_error)? {
            plan.steps.push(put_step(self.target(source)?, file));
            return Ok(LocalTree::default());
        }
        if !source.is_dir() {
            return Err(usage(format!("{shown} is no ordinary file")));
        }
        if !self.recursive {
            return Err(usage_with_remedy(format!("{shown} is a folder"), "give -r to put it with everything in it"));
        }
        let mut local = scan_without(source, &|path| self.exclude.has(path)).map_err(drive_error)?;
        let target = self.target(source)?;
        // A path that is too long where it is put is left out as a name that is.
        let (folders, files) = (std::mem::take(&mut local.folders), std::mem::take(&mut local.files));
        let mut below = |path: &DrivePath, local_path: PathBuf| match target.join(path.as_str()) {
            Ok(path) => Some(path),
            Err(error) => {
                local.left_out.push(LeftOut { path: local_path, reason: error.to_string() });
                None
            },
        };
        if !self.tree.is_directory(&target) {
            plan.steps.push(Step::Change(Change::MakeDirectory(target.clone(), NOW_MS)));
        }
        for folder in folders {
            if let Some(path) = below(&folder, source.join(folder.as_str())) {
                plan.steps.push(Step::Change(Change::MakeDirectory(path, NOW_MS)));
            }
        }
        for (path, file) in files {
            if let Some(path) = below(&path, file.path.clone()) {
                plan.steps.push(put_step(path, file));
            }
        }
        Ok(local)
    }
}

/// A step that puts a file on this machine.
pub fn put_step(path: DrivePath, file: LocalFile) -> Step {
    let LocalFile { path: from, size, modified_ms, mode } = file;
    Step::Put(PutFile { path, source: PutSource::File(from), size: Some(size), modified_ms, mode })
}
