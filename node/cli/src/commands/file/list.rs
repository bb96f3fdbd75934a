// SPDX-License-Identifier: Apache-2.0

//! What is in a drive, and its versions.

use cairn_drive::{
    download::from_ms,
    manifest::{Entry, TreeError},
    DrivePath,
};
use serde_json::{json, Value};

use super::{
    get::{source, Source},
    Ls, Versions,
};
use crate::{
    commands::drive::place::{drive_error, find, open, Place},
    context::Context,
    failure::Result,
    output::{table, Report},
    size::format_bytes,
};

/// Lists a directory, or one file.
pub async fn ls(context: &Context, args: Ls) -> Result<Report> {
    let Source { contents, path, drive, .. } = source(context, &args.source, args.version, &args.state).await?;
    let tree = contents.tree();
    let mut entries: Vec<(String, &Entry)> = Vec::new();
    // A link to one file names it by its path.
    if let Some(entry @ Entry::File(_)) = tree.get(&path) {
        entries.push((path.name().unwrap_or_default().into(), entry));
    } else if args.recursive {
        if !tree.is_directory(&path) {
            return Err(drive_error(TreeError::Missing(path).into()));
        }
        entries.extend(tree.below(&path).map(|(below, entry)| (relative(&path, below), entry)));
    } else {
        let children = tree.children(&path).map_err(|error| drive_error(error.into()))?;
        entries.extend(children.into_iter().map(|(below, entry)| (relative(&path, below), entry)));
    }
    let text = if args.long {
        let rows: Vec<Vec<String>> = entries.iter().map(|(name, entry)| long(name, entry)).collect();
        if rows.is_empty() {
            String::new()
        } else {
            table(&["mode", "size", "changed (UTC)", "name"], &rows)
        }
    } else {
        entries.iter().map(|(name, entry)| shown(name, entry) + "\n").collect()
    };
    let list: Vec<Value> = entries.iter().map(|(name, entry)| entry_json(name, entry)).collect();
    Ok(Report::new(text, json!({ "drive": drive, "path": path.to_string(), "entries": list })))
}

fn relative(at: &DrivePath, path: &DrivePath) -> String {
    at.relative(path).unwrap_or_default().into()
}

/// Directories end with a slash.
fn shown(name: &str, entry: &Entry) -> String {
    match entry {
        Entry::File(_) => name.into(),
        Entry::Directory { .. } => format!("{name}/"),
    }
}

fn long(name: &str, entry: &Entry) -> Vec<String> {
    let (mode, size, modified_ms) = match entry {
        Entry::File(file) => (format!("-{}", mode_text(file.mode)), file.size.to_string(), file.modified_ms),
        Entry::Directory { modified_ms, mode } => (format!("d{}", mode_text(*mode)), String::new(), *modified_ms),
    };
    vec![mode, size, time_text(modified_ms), shown(name, entry)]
}

fn entry_json(name: &str, entry: &Entry) -> Value {
    match entry {
        Entry::File(file) => json!({
            "name": name, "type": "file", "size": file.size, "modified_ms": file.modified_ms,
            "mode": format!("{:03o}", file.mode),
        }),
        Entry::Directory { modified_ms, mode } => {
            json!({ "name": name, "type": "directory", "modified_ms": modified_ms, "mode": format!("{mode:03o}") })
        },
    }
}

fn mode_text(mode: u16) -> String {
    (0..9).rev().map(|bit| if mode >> bit & 1 == 1 { ['x', 'w', 'r'][bit % 3] } else { '-' }).collect()
}

/// A time as `2026-11-24 06:30:05`, in UTC.
pub fn time_text(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    // The calendar has no use for times that `from_ms` can't tell.
    let _ = from_ms(ms);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Year, month and day of a day counted from 1970, in the Gregorian calendar: 400 years have 146,097 days. Years are counted
/// from March here, so that the leap day is their last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Lists the versions of a drive.
pub async fn versions(context: &Context, args: Versions) -> Result<Report> {
    let place = Place::of_drive(&args.place)?;
    let id = find(context, place.drive.as_deref(), &args.state).await?;
    let opened = open(context, id, &args.state).await?;
    let versions = opened.drive.versions().await.map_err(drive_error)?;
    let data = |units: u64| units * 4096 * u64::from(opened.drive.state().coding.data());
    let mut until = opened.drive.state().units;
    let (mut rows, mut list) = (Vec::new(), Vec::new());
    for version in &versions {
        let added = data(until.saturating_sub(version.units_before));
        until = version.units_before;
        let made_ms = i64::try_from(version.time_ms).unwrap_or(i64::MAX);
        rows.push(vec![version.version.to_string(), time_text(made_ms), format_bytes(added)]);
        list.push(json!({ "version": version.version, "time_ms": version.time_ms, "added_bytes": added }));
    }
    let text = if rows.is_empty() {
        format!("drive {id} has nothing in it yet")
    } else {
        table(&["version", "made (UTC)", "added"], &rows)
    };
    Ok(Report::new(text, json!({ "drive": id, "versions": list })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00"),
            (-1000, "1969-12-31 23:59:59"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (951_868_799_999, "2000-02-29 23:59:59"),
            (1_709_164_800_000, "2024-02-29 00:00:00"),
            (4_107_542_400_000, "2100-03-01 00:00:00"),
            (1_795_502_405_000, "2026-11-24 06:40:05"),
        ] {
            assert_eq!(time_text(ms), text);
        }
        time_text(i64::MAX);
        time_text(i64::MIN);
    }

    #[test]
    fn modes_are_shown_as_everywhere() {
        assert_eq!((mode_text(0o644), mode_text(0o755)), ("rw-r--r--".into(), "rwxr-xr-x".into()));
    }
}
