// SPDX-License-Identifier: Apache-2.0

//! What was seen of providers, kept over restarts: a file that is written now and then. No money depends on it, so one that is
//! damaged or gone is no reason not to start.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
    time::{Duration, Instant},
};

use cairn_client::chain::marketplace::Subscription;
use serde::{Deserialize, Serialize};

use super::picker::{Score, Tally};
use crate::{journal::replace, plan::PlanUse};

/// The file in a consumer's folder.
pub const SEEN_FILE: &str = "seen.json";
/// APIs that are remembered.
const APIS_MAX: usize = 2_000;
/// Bytes of a file that is read.
const FILE_BYTES_MAX: u64 = 2 << 20;
/// The form of the file.
const VERSION: u32 = 1;

/// What was seen of the provider of one API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// [`Score::good`].
    pub good: f64,
    /// [`Score::latency_ms`].
    pub latency_ms: f64,
    /// [`Score::garbage`].
    pub garbage: u32,
    /// [`Score::calls`].
    pub calls: u64,
    /// It answered garbage, and is not asked until then, in milliseconds since 1970.
    pub avoided_until_ms: Option<u64>,
    /// The same of single operations, by their numbers in the document.
    #[serde(default)]
    pub avoided_operations: BTreeMap<u16, u64>,
    /// All calls, as they are attested on chain.
    pub tally: Tally,
    /// What is used of the plan.
    pub plan: PlanUse,
    /// When this was written last, in milliseconds since 1970.
    pub at_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct Whole {
    version: u32,
    apis: BTreeMap<u32, Seen>,
}

impl Seen {
    /// Of a score as it is now.
    pub(super) fn of(score: &Score, plan: PlanUse, now: Instant, now_ms: u64) -> Self {
        Self {
            good: score.good,
            latency_ms: score.latency_ms,
            garbage: score.garbage,
            calls: score.calls,
            avoided_until_ms: score.avoided_for(now).map(|rest| now_ms.saturating_add(millis(rest))),
            avoided_operations: score
                .avoided_operations(now)
                .map(|(operation, rest)| (operation, now_ms.saturating_add(millis(rest))))
                .collect(),
            tally: score.tally,
            plan,
            at_ms: now_ms,
        }
    }

    /// Puts it into a score that begins. Whatever the file says stays within what can be.
    pub(super) fn restore(&self, score: &mut Score, now: Instant, now_ms: u64) {
        if self.good.is_finite() && self.latency_ms.is_finite() {
            (score.good, score.latency_ms) = (self.good.clamp(0.0, 1.0), self.latency_ms.clamp(0.0, 600_000.0));
        }
        (score.garbage, score.calls, score.tally) = (self.garbage, self.calls, self.tally);
        let rest = self.avoided_until_ms.map_or(0, |until| until.saturating_sub(now_ms));
        score.avoid_for(now, Duration::from_millis(rest));
        for (operation, until) in &self.avoided_operations {
            score.avoid_operation(*operation, now, Duration::from_millis(until.saturating_sub(now_ms)));
        }
    }

    /// What is left of a plan that the chain tells of, as far as this machine knows.
    pub fn plan_left(&self, of: &Subscription, now_ms: u64) -> Option<crate::plan::Left> {
        self.plan.left(of, now_ms)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Reads what was seen; nothing if there is no file.
///
/// # Errors
/// Of the system, or the file is none of these.
pub fn read(folder: &Path) -> io::Result<BTreeMap<u32, Seen>> {
    let file = match File::open(folder.join(SEEN_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    let wrong = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason.to_string());
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong("it is too big"));
    }
    let whole: Whole = serde_json::from_slice(&bytes).map_err(|error| wrong(&error.to_string()))?;
    if whole.version != VERSION {
        return Err(wrong("it is of another version"));
    }
    Ok(whole.apis.into_iter().take(APIS_MAX).collect())
}

/// Writes what was seen, in the place of what was there. Of too many, those seen last are kept.
///
/// # Errors
/// Of the system.
pub(super) fn write(folder: &Path, apis: &BTreeMap<u32, Seen>) -> io::Result<()> {
    let mut kept: Vec<(u32, Seen)> = apis.iter().map(|(api, seen)| (*api, seen.clone())).collect();
    kept.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.at_ms));
    kept.truncate(APIS_MAX);
    let whole = Whole { version: VERSION, apis: kept.into_iter().collect() };
    replace(&folder.join(SEEN_FILE), &serde_json::to_vec(&whole).map_err(io::Error::other)?)
}

#[cfg(test)]
mod tests {
    use cairn_client::chain::marketplace::Quality;
    use proptest::prelude::*;

    use std::fs;

    use super::{super::picker::AVOIDED, *};

    #[test]
    fn what_was_seen_is_there_again() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let (now, now_ms) = (Instant::now(), 1_000_000_000_000);
        assert!(read(dir.path()).expect("none yet").is_empty());
        let mut score = Score::new(&Quality::default());
        score.answered(Duration::from_millis(40));
        score.was_garbage(now);
        let used = PlanUse { began_ms: 7, period: 1, used: 3 };
        let seen = Seen::of(&score, used, now, now_ms);
        write(dir.path(), &BTreeMap::from([(9, seen.clone())])).expect("written");
        let found = read(dir.path()).expect("whole")[&9].clone();
        assert_eq!(found, seen);
        // An hour later the pause is over; half of it later it isn't.
        let mut again = Score::new(&Quality::default());
        let half = AVOIDED / 2;
        found.restore(&mut again, now, now_ms + u64::try_from(half.as_millis()).expect("short"));
        let second = Duration::from_secs(1);
        assert!(again.is_avoided(now + half - second) && !again.is_avoided(now + half + second));
        assert_eq!((again.good, again.calls, again.garbage, again.tally), (score.good, 2, 1, score.tally));
        let mut again = Score::new(&Quality::default());
        found.restore(&mut again, now, now_ms + 3_600_000);
        assert!(!again.is_avoided(now));
        assert_eq!(found.plan, used);
    }

    #[test]
    fn a_file_that_says_nonsense_says_nothing() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for text in ["", "{", "[]", r#"{"version":2,"apis":{}}"#, r#"{"version":1,"apis":{"-1":{}}}"#] {
            fs::write(dir.path().join(SEEN_FILE), text).expect("written");
            assert!(read(dir.path()).is_err(), "{text}");
        }
        fs::write(dir.path().join(SEEN_FILE), vec![b' '; FILE_BYTES_MAX as usize + 1]).expect("written");
        assert!(read(dir.path()).expect_err("big").to_string().contains("too big"));
    }

    #[test]
    fn the_file_is_bounded() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let many = (0..APIS_MAX as u32 + 50).map(|api| (api, Seen { at_ms: api.into(), ..Seen::default() }));
        write(dir.path(), &many.collect()).expect("written");
        let found = read(dir.path()).expect("whole");
        assert_eq!((found.len(), found.keys().next()), (APIS_MAX, Some(&50)), "the oldest are gone");
    }

    proptest! {
        #[test]
        fn no_file_makes_a_score_impossible(good: f64, latency_ms: f64, garbage: u32, calls: u64, until: u64, now_ms: u64) {
            let seen = Seen { good, latency_ms, garbage, calls, avoided_until_ms: Some(until), ..Seen::default() };
            let (now, mut score) = (Instant::now(), Score::new(&Quality::default()));
            seen.restore(&mut score, now, now_ms);
            prop_assert!(score.quality().is_finite() && score.quality() > 0.0);
            prop_assert!(!score.is_avoided(now + Duration::from_secs(3 * 86_400)), "nobody is avoided for ever");
        }
    }
}
