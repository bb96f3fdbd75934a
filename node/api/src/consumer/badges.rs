// SPDX-License-Identifier: Apache-2.0

//! The badges that this machine's signer has signed: a file of one line each. What providers say that users have used is
//! believed up to what was allowed here, and no further.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use cairn_voucher::Badge;
use serde::{Deserialize, Serialize};

/// The file in a consumer's folder.
const FILE: &str = "badges.jsonl";
/// Bytes of it that are read: some 20,000 badges.
const FILE_BYTES_MAX: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
struct Line {
    api: u32,
    epoch: u32,
    user: String,
    units_max: u64,
    expires_at_ms: u64,
}

/// Notes a badge, before it is signed.
///
/// # Errors
/// Of the system, or there are too many: then it must not be given out.
pub fn note(folder: &Path, badge: &Badge) -> io::Result<()> {
    let Badge { api, epoch, units_max, expires_at_ms, .. } = *badge;
    let line = Line { api, epoch, user: hex::encode(badge.user), units_max, expires_at_ms };
    let mut text = serde_json::to_string(&line).map_err(io::Error::other)?;
    text.push('\n');
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(folder.join(FILE))?;
    if file.metadata()?.len().saturating_add(text.len() as u64) > FILE_BYTES_MAX {
        return Err(io::Error::other("too many badges were signed here; authorise another signer in another --data"));
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Units that users may use in all at an API, in one authorisation of the signer. What can't be read allows nothing.
pub(super) fn allowed(folder: &Path, api: u32, epoch: u32) -> u64 {
    let mut text = String::new();
    let read = File::open(folder.join(FILE)).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
    if read.is_err() {
        return 0;
    }
    let mut users = HashMap::<String, u64>::new();
    for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
        if (line.api, line.epoch) == (api, epoch) {
            let units = users.entry(line.user).or_default();
            *units = line.units_max.max(*units);
        }
    }
    users.values().fold(0, |sum, units| sum.saturating_add(*units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_badges_are_totals_and_others_add_up() {
        let dir = tempfile::tempdir().expect("temporary folder");
        assert_eq!(allowed(dir.path(), 1, 1), 0);
        let badge = |user: u8, api, epoch, units_max| Badge {
            genesis: [0; 32],
            contract: [0; 32],
            consumer: [0; 32],
            signer: [0; 32],
            user: [user; 32],
            api,
            epoch,
            units_max,
            expires_at_ms: 0,
        };
        for (user, api, epoch, units) in
            [(1, 1, 1, 5), (1, 1, 1, 9), (1, 1, 1, 2), (2, 1, 1, 10), (2, 2, 1, 50), (2, 1, 2, 70)]
        {
            note(dir.path(), &badge(user, api, epoch, units)).expect("written");
        }
        std::fs::OpenOptions::new()
            .append(true)
            .open(dir.path().join(FILE))
            .and_then(|mut file| file.write_all(b"{torn"))
            .expect("written");
        assert_eq!((allowed(dir.path(), 1, 1), allowed(dir.path(), 2, 1), allowed(dir.path(), 1, 2)), (19, 50, 70));
        note(dir.path(), &badge(3, 1, 1, u64::MAX)).expect("written");
    }
}
