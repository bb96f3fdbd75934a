// SPDX-License-Identifier: Apache-2.0

//! Adding and removing single records. The chain changes whole sets: the set is read, changed and written. Runs on one
//! machine wait for each other (a certificate's hook is run once for each of its names); whoever changes the same set from
//! another machine between reading and writing loses or wins.

use std::{
    fs::{File, TryLockError},
    time::Duration,
};

use anyhow::Context as _;
use cairn_client::chain::names::{Rdata, RrSet};
use serde_json::json;

use super::{
    label::Place,
    read::{rrset, shown, type_name, SET_RECORDS_MAX},
    records::TTL_SECONDS_DEFAULT,
    zone::{accounts, put, take_out, target},
};
use crate::{
    context::Context,
    failure::{refused, usage, Result},
    keystore::make_private_dir,
    output::Report,
};

/// How often it is looked whether another run has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until no other run on this machine changes single records; the next one waits until the file is dropped.
async fn alone(context: &Context) -> Result<File> {
    let keystore = &context.settings.keystore.value;
    let folder = keystore.parent().unwrap_or(keystore).join("names");
    make_private_dir(&folder)?;
    let path = folder.join("edit.lock");
    let shown = path.display();
    let file = File::options().create(true).append(true).open(&path).with_context(|| format!("can't open {shown}"))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOOK_EVERY).await,
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("can't lock {shown}")),
        }
    }
}

/// Adds records of a type at a name to those there are.
pub async fn add(context: &Context, name: &str, rtype: &str, data: &[String], ttl: Option<u32>) -> Result<Report> {
    let place = Place::parse(name)?;
    let _alone = alone(context).await?;
    let view = context.client().await?.best().await?;
    let target = target(&view, &place).await?;
    let given = rrset(&target.name, rtype, &accounts(context, rtype, data).await?, ttl.unwrap_or(TTL_SECONDS_DEFAULT))?;
    let present = target.zone.get(&target.name, given.rtype);
    let Some(set) = merged(present, &given, ttl)? else {
        let (place, type_name) = (target.shown(), type_name(given.rtype));
        let json = json!({ "status": "unchanged", "name": place, "type": type_name, "data": present.map(shown) });
        return Ok(Report::new(format!("{place} has these {type_name} records already"), json));
    };
    put(context, &view, &target, set, "added").await
}

/// The set with all records of both; `None` if it would be as it is.
fn merged(present: Option<&RrSet>, given: &RrSet, ttl: Option<u32>) -> Result<Option<RrSet>> {
    let Some(present) = present else { return Ok(Some(given.clone())) };
    let ttl_seconds = ttl.unwrap_or(present.ttl_seconds);
    let new = given.rdata.iter().filter(|data| !present.rdata.contains(data));
    let all: Vec<Rdata> = present.rdata.iter().chain(new).cloned().collect();
    if all.len() == present.rdata.len() && ttl_seconds == present.ttl_seconds {
        return Ok(None);
    }
    let count = all.len();
    let full = |_| usage(format!("{count} records: a name has at most {SET_RECORDS_MAX} of one type"));
    Ok(Some(RrSet { ttl_seconds, rdata: all.try_into().map_err(full)?, ..present.clone() }))
}

/// Removes records of a type at a name; the others stay.
pub async fn remove(context: &Context, name: &str, rtype: &str, data: &[String]) -> Result<Report> {
    let place = Place::parse(name)?;
    let _alone = alone(context).await?;
    let view = context.client().await?.best().await?;
    let target = target(&view, &place).await?;
    let given = rrset(&target.name, rtype, &accounts(context, rtype, data).await?, TTL_SECONDS_DEFAULT)?;
    let type_name = type_name(given.rtype);
    let present = target.zone.get(&target.name, given.rtype);
    let missing = given.rdata.iter().any(|data| !present.is_some_and(|present| present.rdata.contains(data)));
    let Some(present) = present.filter(|_| !missing) else {
        let there = present.map(shown).unwrap_or_default().join(", ");
        let there = if there.is_empty() { "none".into() } else { there };
        return Err(refused(
            "Names::RrSetMissing",
            format!("{} has no such {type_name} record", target.shown()),
            format!("give one of those there are: {there}"),
        ));
    };
    let left: Vec<Rdata> = present.rdata.iter().filter(|data| !given.rdata.contains(data)).cloned().collect();
    if left.is_empty() {
        return take_out(context, &target, given.rtype).await;
    }
    let rdata = left.try_into().map_err(|_| usage("the set is full"))?;
    let set = RrSet { rdata, ..present.clone() };
    put(context, &view, &target, set, "removed from").await
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_client::chain::names::RelativeName;

    fn set(data: &[&str], ttl_seconds: u32) -> RrSet {
        let data: Vec<String> = data.iter().map(ToString::to_string).collect();
        rrset(&RelativeName::apex(), "TXT", &data, ttl_seconds).expect("valid")
    }

    #[test]
    fn records_are_added_to_those_there_are() {
        let present = set(&["a", "b"], 300);
        let both = merged(Some(&present), &set(&["b", "c"], 3_600), None).expect("fits").expect("changes");
        assert_eq!((shown(&both).join(" "), both.ttl_seconds), ("\"a\" \"b\" \"c\"".into(), 300));
        assert_eq!(merged(Some(&present), &set(&["a"], 3_600), None).expect("fits"), None);
        let slower = merged(Some(&present), &set(&["a"], 900), Some(900)).expect("fits").expect("changes");
        assert_eq!((slower.rdata.len(), slower.ttl_seconds), (2, 900));
        assert_eq!(merged(None, &set(&["a"], 60), None).expect("fits"), Some(set(&["a"], 60)));
        let full = set(&["1", "2", "3", "4", "5", "6", "7", "8"], 60);
        assert!(merged(Some(&full), &set(&["9"], 60), None).is_err());
    }
}
