// SPDX-License-Identifier: Apache-2.0

//! Removing, moving, and making directories.

use cairn_drive::{
    manifest::{Change, Entry, Tree, NOW_MS},
    DrivePath, Plan, Step,
};
use serde_json::json;

use super::{
    carry::{carry, Carry},
    Mkdir, Mv, Rm,
};
use crate::{
    commands::drive::place::{drive_error, find, open, Place, StateDir},
    context::Context,
    failure::{usage, usage_with_remedy, Result},
    output::Report,
};

/// Removes files and directories.
pub async fn rm(context: &Context, args: Rm) -> Result<Report> {
    let places = same_drive(&args.paths)?;
    if places.iter().any(|place| place.path.is_top()) && args.recursive {
        let question = "Remove everything in the drive?";
        if !context.output.confirm(question, context.yes)? {
            return Err(usage("nothing was done"));
        }
    }
    let text = format!("removed {}", args.paths.join(", "));
    let change = Changing { place: &places[0], command: format!("rm {:?}", args.paths), text, state: &args.state };
    let recursive = args.recursive;
    let changes = |tree: &Tree| {
        places.iter().try_for_each(|place| meant(place, tree))?;
        Ok(places.iter().map(|place| Change::Remove { path: place.path.clone(), recursive }).collect())
    };
    change.make(context, changes).await
}

/// Moves a file or a directory.
pub async fn mv(context: &Context, args: Mv) -> Result<Report> {
    let places = same_drive(&[args.from.clone(), args.to.clone()])?;
    let [from, to] = &places[..] else { return Err(usage("from where, and to where?")) };
    let text = format!("moved {} to {}", args.from, args.to);
    let slash = if to.is_directory { "/" } else { "" };
    let command = format!("mv {} {}{slash}", from.path, to.path);
    let change = Changing { place: from, command, text, state: &args.state };
    let changes = |tree: &Tree| {
        meant(from, tree)?;
        Ok(vec![Change::Move { from: from.path.clone(), to: target(from, to, tree)? }])
    };
    change.make(context, changes).await
}

/// Where something is moved to. As for `put`, a slash at the end says that it goes into that directory, which is made if need be.
fn target(from: &Place, to: &Place, tree: &Tree) -> Result<DrivePath> {
    meant(to, tree)?;
    if !to.is_directory || tree.is_directory(&to.path) {
        return Ok(to.path.clone());
    }
    let name = from.path.name().unwrap_or_default();
    to.path.join(name).map_err(|error| drive_error(error.into()))
}

/// Whether a place can be meant: a slash at its end says that it is a directory.
pub fn meant(place: &Place, tree: &Tree) -> Result<()> {
    match place.is_directory && matches!(tree.get(&place.path), Some(Entry::File(_))) {
        true => Err(usage_with_remedy(
            format!("{} is a file, and the slash at the end says that a directory is meant", place.path),
            "leave the slash out, or name a directory",
        )),
        false => Ok(()),
    }
}

/// Makes directories.
pub async fn mkdir(context: &Context, args: Mkdir) -> Result<Report> {
    let places = same_drive(&args.paths)?;
    let text = format!("made {}", args.paths.join(", "));
    let change = Changing { place: &places[0], command: format!("mkdir {:?}", args.paths), text, state: &args.state };
    let changes = places.iter().map(|place| Change::MakeDirectory(place.path.clone(), NOW_MS)).collect();
    change.make(context, |_| Ok(changes)).await
}

/// Places that must be in one drive: a commit changes one.
fn same_drive(paths: &[String]) -> Result<Vec<Place>> {
    let places: Vec<Place> = paths.iter().map(|path| Place::parse(path)).collect::<Result<_>>()?;
    match places.first() {
        Some(first) if places.iter().all(|place| place.drive == first.drive) => Ok(places),
        _ => Err(usage("all paths must be in one drive: files move between drives by `get` and `put`")),
    }
}

/// A command that changes a drive.
struct Changing<'a> {
    place: &'a Place,
    command: String,
    text: String,
    state: &'a StateDir,
}

impl Changing<'_> {
    /// Makes the changes, which follow from what is in the drive.
    async fn make(self, context: &Context, changes: impl FnOnce(&Tree) -> Result<Vec<Change>>) -> Result<Report> {
        let Changing { place, command, text, state } = self;
        let id = find(context, place.drive.as_deref(), state).await?;
        let opened = open(context, id, state).await?;
        let changes = changes(opened.drive.contents().tree())?;
        // The same words mean something else once they are done: the version is part of what is meant.
        let command = format!("{command} {id} {}", opened.drive.state().version).into_bytes();
        let plan = Plan { command, steps: changes.into_iter().map(Step::Change).collect(), ..Plan::default() };
        let carried = carry(context, opened, plan, state, Carry::putting()).await?;
        let mut json = carried.json(id);
        json["done"] = json!(text);
        let already = if carried.committed.was_done { " (there was nothing left to do)" } else { "" };
        Ok(Report::new(format!("{text}, in version {} of drive {id}{already}", carried.committed.version), json))
    }
}

#[cfg(test)]
mod tests {
    use cairn_drive::manifest::{FileEntry, Segment};

    use super::*;

    #[test]
    fn a_slash_at_the_end_means_a_directory() {
        let mut tree = Tree::default();
        let (file, mut changed) = (
            FileEntry { size: 0, modified_ms: 0, mode: 0, key: [0; 32], commitment: [0; 32], stripe: 0, offset: 0 },
            Segment::default(),
        );
        for name in ["small", "b", "dir/inner"] {
            let path = DrivePath::parse(name).expect("a path");
            tree.apply(Change::Put(path, file.clone()), &mut changed).expect("fits");
        }
        let place = |text: &str| Place::parse(text).expect("a place");
        let to = |text: &str| target(&place("0:/b"), &place(text), &tree).map(|path| path.to_string());
        // What exists is gone into by the move itself.
        for (text, path) in
            [("0:/new", "/new"), ("0:/new/", "/new/b"), ("0:/dir/", "/dir"), ("0:/small", "/small"), ("0:/", "/")]
        {
            assert_eq!(to(text).expect(text), path, "{text}");
        }
        for text in ["0:/small/", "0:/dir/inner/"] {
            assert!(to(text).is_err(), "{text}");
        }
        assert!(meant(&place("0:/b/"), &tree).is_err());
    }
}
