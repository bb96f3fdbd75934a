// SPDX-License-Identifier: Apache-2.0

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ident,)+) => {
        /// What a vault has done so far, and how it stands.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[doc = $doc])+ pub $name: AtomicU64,)+
        }

        impl Metrics {
            /// Names, values and meanings.
            fn all(&self) -> Vec<(&'static str, &'static str, &'static str, u64)> {
                vec![$((
                    concat!("cairn_vault_", stringify!($name)),
                    stringify!($kind),
                    concat!($($doc),+),
                    self.$name.load(Relaxed),
                ),)+]
            }
        }
    };
}

metrics! {
    /// Connections that are open.
    connections: gauge,
    /// Connections that were refused: too many, or no handshake.
    connections_refused_total: counter,
    /// Seconds since somebody else asked this vault for something.
    reached_seconds_ago: gauge,
    /// Whether nobody has for an hour, and this vault's own addresses don't lead to it.
    unreachable: gauge,
    /// Requests.
    requests_total: counter,
    /// Requests that were refused.
    requests_refused_total: counter,
    /// Reads that were put off: too much at a time from one address.
    reads_limited_total: counter,
    /// Bytes of shards that were taken.
    bytes_taken_total: counter,
    /// Bytes of shards that were given.
    bytes_given_total: counter,
    /// Receipts that were signed.
    receipts_total: counter,
    /// Last finalized block that was looked at.
    finalized_block: gauge,
    /// Slots that the chain gives to this vault.
    slots: gauge,
    /// Bytes of all logs, those given up left out.
    stored_bytes: gauge,
    /// Bytes of the disk that can still be filled.
    free_bytes: gauge,
    /// Whether a challenge is open.
    challenge_open: gauge,
    /// Challenges that were answered.
    challenges_proven_total: counter,
    /// Challenges that couldn't be answered when it was tried; the same one counts each time.
    challenges_failed_total: counter,
    /// Answers that came when the challenge wasn't the chain's any more: its block was undone, or its time over.
    challenges_past_total: counter,
    /// Turns of proving that the chain counts as missed, since this vault was started.
    proofs_missed_total: counter,
    /// Turns that were missed one after the other, up to now.
    proofs_missed_in_row: gauge,
    /// This vault's score, in millionths.
    score_ppm: gauge,
    /// Disputes against this vault that were answered.
    disputes_answered_total: counter,
    /// Disputes against this vault that couldn't be answered when it was tried.
    disputes_failed_total: counter,
    /// Chunks that other vaults were asked for.
    watches_total: counter,
    /// Chunks that other vaults didn't show, at the first try.
    watches_failed_total: counter,
    /// Vaults that gave no answer when they were asked last.
    silent_vaults: gauge,
    /// Disputes that this vault opened.
    disputes_opened_total: counter,
    /// Slots of other vaults that this vault reported: they showed it nothing.
    reports_total: counter,
    /// Slots that were rebuilt, or have caught up.
    rebuilt_total: counter,
    /// Rebuildings that failed and will be tried again.
    rebuilds_failed_total: counter,
    /// Bytes that were fetched from other vaults for repair.
    repair_bytes_total: counter,
    /// Bytes that were read to look for damage.
    scrubbed_bytes_total: counter,
    /// Damaged shards that were found.
    damaged_total: counter,
    /// Damaged shards that were repaired.
    repaired_total: counter,
    /// Questions that the chain didn't answer.
    chain_errors_total: counter,
}

impl Metrics {
    /// In the text format of Prometheus.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, kind, meaning, value) in self.all() {
            let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}\n{name} {value}", meaning.trim());
        }
        text
    }

    /// As a map of names without their prefix.
    pub(crate) fn json(&self) -> serde_json::Value {
        let entry =
            |(name, _, _, value): (&str, _, _, u64)| (name.trim_start_matches("cairn_vault_").into(), value.into());
        serde_json::Value::Object(self.all().into_iter().map(entry).collect())
    }
}

/// Adds to a count.
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Relaxed);
}

/// Sets a gauge.
pub(crate) fn set(gauge: &AtomicU64, value: u64) {
    gauge.store(value, Relaxed);
}
