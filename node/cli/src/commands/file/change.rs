// SPDX-License-Identifier: Apache-2.0

//! Removing, moving, and making directories.

use cairn_drive::{
    manifest::{Change, NOW_MS},
    Plan, Step,
};
use serde_json::json;

use super::{
    carry::{carry, Carry},
    Mkdir, Mv, Rm,
};
use crate::{
    commands::drive::place::{find, open, Place, StateDir},
    context::Context,
    failure::{usage, Result},
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
    let changes =
        places.iter().map(|place| Change::Remove { path: place.path.clone(), recursive: args.recursive }).collect();
    let text = format!("removed {}", args.paths.join(", "));
    change(context, &places[0], changes, &format!("rm {:?}", args.paths), &text, &args.state).await
}

/// Moves a file or a directory.
pub async fn mv(context: &Context, args: Mv) -> Result<Report> {
    let places = same_drive(&[args.from.clone(), args.to.clone()])?;
    let [from, to] = &places[..] else { return Err(usage("from where, and to where?")) };
    let changes = vec![Change::Move { from: from.path.clone(), to: to.path.clone() }];
    let text = format!("moved {} to {}", args.from, args.to);
    change(context, from, changes, &format!("mv {} {}", from.path, to.path), &text, &args.state).await
}

/// Makes directories.
pub async fn mkdir(context: &Context, args: Mkdir) -> Result<Report> {
    let places = same_drive(&args.paths)?;
    let changes = places.iter().map(|place| Change::MakeDirectory(place.path.clone(), NOW_MS)).collect();
    let text = format!("made {}", args.paths.join(", "));
    change(context, &places[0], changes, &format!("mkdir {:?}", args.paths), &text, &args.state).await
}

/// Places that must be in one drive: a commit changes one.
fn same_drive(paths: &[String]) -> Result<Vec<Place>> {
    let places: Vec<Place> = paths.iter().map(|path| Place::parse(path)).collect::<Result<_>>()?;
    match places.first() {
        Some(first) if places.iter().all(|place| place.drive == first.drive) => Ok(places),
        _ => Err(usage("all paths must be in one drive: files move between drives by `get` and `put`")),
    }
}

async fn change(
    context: &Context,
    place: &Place,
    changes: Vec<Change>,
    command: &str,
    text: &str,
    state: &StateDir,
) -> Result<Report> {
    let id = find(context, place.drive.as_deref(), state).await?;
    let opened = open(context, id, state).await?;
    // The same words mean something else once they are done: the version is part of what is meant.
    let command = format!("{command} {id} {}", opened.drive.state().version).into_bytes();
    let plan = Plan { command, steps: changes.into_iter().map(Step::Change).collect(), ..Plan::default() };
    let carried = carry(context, opened, plan, state, Carry::putting()).await?;
    let mut json = carried.json(id);
    json["done"] = json!(text);
    let already = if carried.committed.was_done { " (there was nothing left to do)" } else { "" };
    Ok(Report::new(format!("{text}, in version {} of drive {id}{already}", carried.committed.version), json))
}
