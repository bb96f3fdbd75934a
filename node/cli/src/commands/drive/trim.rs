// SPDX-License-Identifier: Apache-2.0

//! Giving up old versions: what is live and lies in front is laid anew, then the logs' fronts are dropped.

use cairn_client::chain::storage::{self, UNIT_BYTES};
use cairn_drive::{Drive, Plan as Changes, Version};
use serde_json::json;

use super::place::{drive_error, find, open, StateDir};
use crate::{
    commands::file::carry::{carry, Carry},
    context::Context,
    failure::{refused, usage, Result},
    output::Report,
    size::format_bytes,
    spend::{spend, Plan},
};

/// Where the logs may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    stripe: u64,
    units: u64,
}

/// Gives up old versions.
pub async fn trim(context: &Context, named: Option<&str>, all: bool, state: &StateDir) -> Result<Report> {
    let id = find(context, named, state).await?;
    let opened = open(context, id, state).await?;
    let drive = &opened.drive;
    let versions = drive.versions().await.map_err(drive_error)?;
    let state_now = drive.state();
    let free = (state_now.capacity_units + state_now.trimmed_units).saturating_sub(state_now.units);
    let room = data_bytes(drive, free);
    // What there is no room to move can't be given up; a little of it may be, and then there is more room.
    let Some(cut) = choose(drive, &versions, all, room).or_else(|| choose(drive, &versions, all, u64::MAX)) else {
        return Ok(Report::new(format!("drive {id} has nothing to give up"), json!({ "drive": id, "freed_bytes": 0 })));
    };
    let moved = live_before(drive, cut);
    let freed = data_bytes(drive, cut.units - drive.state().trimmed_units);
    if moved > room {
        let capacity = data_bytes(drive, state_now.capacity_units).saturating_add(moved - room);
        return Err(refused(
            "Storage::CapacityExceeded",
            format!(
                "files of {} are moved before what lies in front of them is given up, and drive {id} has room for {}",
                format_bytes(moved),
                format_bytes(room)
            ),
            format!(
                "for the time of it make room: `cairn drive resize --capacity` to somewhat more than {}, trim, and resize again",
                format_bytes(capacity)
            ),
        ));
    }
    let question = format!(
        "Give up {} of drive {id}, with all versions but the newest, and links made so far? {} are moved on.",
        format_bytes(freed),
        format_bytes(moved)
    );
    if !context.output.confirm(&question, context.yes)? {
        return Err(usage("nothing was done"));
    }
    let plan = Changes {
        command: format!("trim {} {}", drive.state().version, cut.stripe).into_bytes(),
        compact_before: Some(cut.stripe),
        ..Changes::default()
    };
    let signer = context.signer().await?;
    let committed = carry(context, opened, plan, state, Carry::moving()).await?.committed;
    let what = format!("give up {} of drive {id}", format_bytes(freed));
    let plan = Plan::new(what.clone(), storage::trim(id, committed.version, cut.units)).asked();
    let done = spend(context, &signer, plan).await?;
    let json = json!({ "drive": id, "freed_bytes": freed, "moved_bytes": moved, "version": committed.version });
    Ok(done.report(&format!("gave up {} of drive {id}", format_bytes(freed)), json))
}

fn data_bytes(drive: &Drive, units: u64) -> u64 {
    units.saturating_mul(UNIT_BYTES as u64).saturating_mul(drive.state().coding.data().into())
}

/// Bytes of live files that begin before a cut.
fn live_before(drive: &Drive, cut: Cut) -> u64 {
    let files = drive.contents().tree().iter().filter_map(|(_, entry)| entry.file());
    files.filter(|file| file.stripe < cut.stripe).map(|file| file.stored_bytes()).sum()
}

/// The cut that frees the most for what it moves, of those that move no more than there is room for. Only where a version begins is it
/// known how long the logs were.
fn choose(drive: &Drive, versions: &[Version], all: bool, room: u64) -> Option<Cut> {
    let newest = versions.first()?;
    let end = Cut { stripe: newest.root.stripe + 1, units: drive.state().units };
    let trimmed = drive.state().trimmed_units;
    if all {
        return Some(end).filter(|cut| cut.units > trimmed);
    }
    let cuts = versions.iter().map(|version| Cut { stripe: version.first_stripe, units: version.units_before });
    let gain = |cut: &Cut| {
        let moved = live_before(drive, *cut);
        if moved > room {
            return None;
        }
        let freed = data_bytes(drive, cut.units.saturating_sub(trimmed));
        freed.checked_sub(moved.saturating_mul(2)).filter(|gain| *gain > 0)
    };
    cuts.chain([end]).filter_map(|cut| Some((gain(&cut)?, cut))).max_by_key(|(gain, _)| *gain).map(|(_, cut)| cut)
}
