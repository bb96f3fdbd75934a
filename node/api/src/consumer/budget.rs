// SPDX-License-Identifier: Apache-2.0

//! What may be spent, and what was promised so far, kept over restarts.
//!
//! Money leaves by voucher, so what is counted is what vouchers promise, not what calls have used: the caps hold even against
//! a provider that takes what it was paid ahead and answers nothing.
//!
//! # Correctness
//! - A promise is on the disk before it is signed, so a kill can't make the same coins be promised twice.
//! - What calls used is written once a second. After a kill the rest of what was promised by then may have been used: so much
//!   is believed of a provider's count ([`Trust::forgiven`]), and after an end in order nothing.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Mutex, PoisonError},
};

use cairn_client::Crn;
use codec::{Decode, DecodeAll, Encode};

use crate::journal;

const DAY_MS: u64 = 86_400_000;

/// The most that may be spent, in plancks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// On one call.
    pub call: u128,
    /// On one day (UTC).
    pub day: u128,
    /// In all, since the books began.
    pub total: u128,
}

/// Which cap is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OverCap {
    /// The call's.
    #[error("the call costs {}, and the cap for one call is {}; raise --cap-call", Crn(*price), Crn(*cap))]
    Call {
        /// What it costs.
        price: u128,
        /// The cap.
        cap: u128,
    },
    /// The day's.
    #[error("today's cap of {} is reached; raise --cap-day, or wait for tomorrow (UTC)", Crn(*cap))]
    Day {
        /// The cap.
        cap: u128,
    },
    /// That for all.
    #[error("the cap of {} for all is reached; raise --cap-total", Crn(*cap))]
    Total {
        /// The cap.
        cap: u128,
    },
    /// The books can't be written.
    #[error("the books can't be written; nothing is spent")]
    Disk,
}

/// To whom something was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ToWhom {
    /// Number of the API.
    pub api: u32,
    /// Number of the signer's authorisation.
    pub epoch: u32,
}

/// What was promised to one, and what calls used of it when that was written, in plancks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Promised {
    /// Promised in all.
    pub value: u128,
    /// Used of that.
    pub spent: u128,
    /// Calls.
    pub calls: u64,
    /// Units.
    pub units: u64,
}

/// What was promised to a provider, and how far its count differs from this machine's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Trust {
    /// By this machine's own count.
    pub promised: Promised,
    /// What the provider counts beyond that, in plancks: so much was let pass in all.
    pub conceded: u128,
    /// What may be missing in this machine's own count, in plancks: it was killed, or its books were lost.
    pub forgiven: u128,
}

impl Trust {
    /// What is promised, and used by nobody's count.
    pub fn credit(&self) -> u128 {
        self.promised.value.saturating_sub(self.promised.spent).saturating_sub(self.conceded)
    }

    /// After a kill: all that was promised may have been used.
    fn forgive(&mut self) {
        self.forgiven = self.forgiven.saturating_add(self.credit());
    }
}

#[derive(Debug, Encode, Decode)]
enum Record {
    /// All there is, at the file's beginning.
    State { total: u128, day: u64, of_day: u128, promised: Vec<(ToWhom, Promised)> },
    /// A promise over `more` plancks more than before.
    Promise { to: ToWhom, promised: Promised, more: u128, day: u64 },
    /// What calls have used.
    Used { to: ToWhom, trust: Trust },
    /// The books were opened.
    Started,
    /// They were closed in order: nothing is missing.
    Stopped,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    total: u128,
    day: u64,
    of_day: u128,
    trust: BTreeMap<ToWhom, Trust>,
    /// Something was written after the books were opened, and they were not closed.
    open: bool,
}

impl State {
    fn apply(&mut self, record: Record) {
        self.open = !matches!(record, Record::Started | Record::Stopped);
        match record {
            Record::State { total, day, of_day, promised } => {
                let trust = |(to, promised)| (to, Trust { promised, ..Trust::default() });
                *self = Self { total, day, of_day, trust: promised.into_iter().map(trust).collect(), open: true };
            },
            Record::Promise { to, promised, more, day } => {
                if day != self.day {
                    (self.day, self.of_day) = (day, 0);
                }
                self.total = self.total.saturating_add(more);
                self.of_day = self.of_day.saturating_add(more);
                self.trust.entry(to).or_default().promised = promised;
            },
            Record::Used { to, trust } => drop(self.trust.insert(to, trust)),
            Record::Started | Record::Stopped => {},
        }
    }

    /// All that it says.
    fn records(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let promised = self.trust.iter().map(|(to, trust)| (*to, trust.promised)).collect();
        let whole = Record::State { total: self.total, day: self.day, of_day: self.of_day, promised };
        let used = self.trust.iter().map(|(to, trust)| Record::Used { to: *to, trust: *trust });
        std::iter::once(whole).chain(used).map(|record| record.encode())
    }

    /// What may still be promised on a day.
    fn left(&self, caps: &Caps, day: u64) -> (u128, OverCap) {
        // A clock that went back opens no new day.
        let of_day = if day > self.day { 0 } else { self.of_day };
        let (day_left, total_left) = (caps.day.saturating_sub(of_day), caps.total.saturating_sub(self.total));
        if total_left < day_left {
            (total_left, OverCap::Total { cap: caps.total })
        } else {
            (day_left, OverCap::Day { cap: caps.day })
        }
    }
}

/// What was spent, to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// In all.
    pub total: u128,
    /// Today (UTC).
    pub today: u128,
}

/// The books of one consumer's proxy.
pub struct Budget {
    caps: Caps,
    state: Mutex<State>,
    journal: journal::Writer,
    promising: tokio::sync::Mutex<()>,
}

impl Budget {
    /// Opens the books.
    ///
    /// # Errors
    /// Of the system, or the file is damaged.
    pub fn open(path: &Path, caps: Caps) -> io::Result<Self> {
        let mut state = State::default();
        for payload in journal::read(path)? {
            let unknown =
                |_| io::Error::new(io::ErrorKind::InvalidData, format!("{} is of another version", path.display()));
            state.apply(Record::decode_all(&mut &payload[..]).map_err(unknown)?);
        }
        if state.open {
            state.trust.values_mut().for_each(Trust::forgive);
        }
        let records = state.records().chain([Record::Started.encode()]);
        let journal = journal::Writer::rewrite(path, records)?;
        Ok(Self { caps, state: Mutex::new(state), journal, promising: tokio::sync::Mutex::default() })
    }

    /// Writes the books anew where they have grown long: what calls use is noted for as long as the proxy runs.
    pub async fn shorten(&self) {
        if self.journal.is_long() {
            self.write_anew().await;
        }
    }

    async fn write_anew(&self) {
        // A promise that is on the disk and not in the state would be lost.
        let _none_on_its_way = self.promising.lock().await;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.journal.begin_anew(state.records()) {
            tracing::error!(%error, "the books can't be written anew");
        }
    }

    /// The caps.
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// What was promised to one, and what it counts.
    pub fn trust(&self, to: ToWhom) -> Trust {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.trust.get(&to).copied().unwrap_or_default()
    }

    /// Notes what calls have used, if that is something new.
    pub fn note(&self, to: ToWhom, trust: Trust) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.trust.get(&to).copied().unwrap_or_default();
        // A promise that is being written is not undone by what was read before it.
        let value = before.promised.value.max(trust.promised.value);
        let trust = Trust { promised: Promised { value, ..trust.promised }, ..trust };
        if before == trust {
            return;
        }
        let record = Record::Used { to, trust };
        match self.journal.note(record.encode()) {
            Ok(()) => state.apply(record),
            Err(error) => tracing::error!(%error, "what calls have used can't be written"),
        }
    }

    /// Closes the books in order: what was noted is all that was used.
    pub fn close(&self) {
        if let Err(error) = self.journal.note(Record::Stopped.encode()) {
            tracing::error!(%error, "the books can't be closed");
        }
    }

    /// What was spent.
    pub fn spent(&self, now_ms: u64) -> Spent {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Spent { total: state.total, today: if now_ms / DAY_MS > state.day { 0 } else { state.of_day } }
    }

    /// Checks the price of one call.
    ///
    /// # Errors
    /// [`OverCap::Call`].
    pub fn check_call(&self, price: u128) -> Result<(), OverCap> {
        if price > self.caps.call {
            return Err(OverCap::Call { price, cap: self.caps.call });
        }
        Ok(())
    }

    /// Promises `wanted` plancks more, or less if the caps leave less, but at least `needed`. Returns what is promised in all
    /// now, which is on the disk.
    ///
    /// # Errors
    /// The caps don't leave `needed`, or the books can't be written: nothing may be signed.
    pub async fn promise(
        &self,
        to: ToWhom,
        used: Promised,
        needed: u128,
        wanted: u128,
        now_ms: u64,
    ) -> Result<Promised, OverCap> {
        let _one_at_a_time = self.promising.lock().await;
        let (more, promised, day) = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let day = (now_ms / DAY_MS).max(state.day);
            let (left, over) = state.left(&self.caps, day);
            if left < needed {
                return Err(over);
            }
            let more = wanted.max(needed).min(left);
            let value = used.value.max(state.trust.get(&to).map_or(0, |trust| trust.promised.value));
            (more, Promised { value: value.saturating_add(more), ..used }, day)
        };
        let record = Record::Promise { to, promised, more, day };
        self.journal.append(record.encode()).await.map_err(|error| {
            tracing::error!(%error, "the books can't be written");
            OverCap::Disk
        })?;
        self.state.lock().unwrap_or_else(PoisonError::into_inner).apply(record);
        Ok(promised)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TO: ToWhom = ToWhom { api: 1, epoch: 1 };

    #[tokio::test]
    async fn caps_hold_over_restarts_and_days() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("books");
        let caps = Caps { call: 10, day: 100, total: 150 };
        let used = Promised::default();
        let budget = Budget::open(&path, caps).expect("opens");
        assert_eq!(budget.promise(TO, used, 10, 60, 0).await.expect("within").value, 60);
        drop(budget);
        let budget = Budget::open(&path, caps).expect("opens");
        let used = budget.trust(TO).promised;
        assert_eq!(used.value, 60);
        assert_eq!(budget.promise(TO, used, 10, 60, 0).await.expect("less than wanted").value, 100);
        let used = budget.trust(TO).promised;
        assert_eq!(budget.promise(TO, used, 1, 1, DAY_MS - 1).await, Err(OverCap::Day { cap: 100 }));
        assert_eq!(budget.promise(TO, used, 1, 80, DAY_MS).await.expect("a new day").value, 150);
        let used = budget.trust(TO).promised;
        assert_eq!(budget.promise(TO, used, 1, 1, 2 * DAY_MS).await, Err(OverCap::Total { cap: 150 }));
        assert_eq!(budget.promise(TO, used, 1, 1, 0).await, Err(OverCap::Total { cap: 150 }), "clocks may go back");
        assert!(budget.check_call(10).is_ok() && budget.check_call(11).is_err());
    }

    const CAPS: Caps = Caps { call: 1000, day: 1000, total: 1000 };

    /// Books in which 60 are promised, 40 of them spent, and 5 conceded.
    async fn used(path: &Path) -> (Budget, Promised) {
        let budget = Budget::open(path, CAPS).expect("opens");
        let promised = budget.promise(TO, Promised::default(), 10, 60, 0).await.expect("within");
        budget.note(TO, Trust { promised: Promised { spent: 40, ..promised }, conceded: 5, forgiven: 0 });
        (budget, promised)
    }

    #[tokio::test]
    async fn only_a_kill_leaves_something_to_be_forgiven() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("books");
        let (budget, promised) = used(&path).await;
        budget.close();
        drop(budget);
        let budget = Budget::open(&path, CAPS).expect("opens");
        let trust = budget.trust(TO);
        assert_eq!((trust.promised.spent, trust.conceded, trust.forgiven, trust.credit()), (40, 5, 0, 15));
        drop(budget);
        // Killed before anything was used: nothing is missing.
        let budget = Budget::open(&path, CAPS).expect("opens");
        assert_eq!(budget.trust(TO), trust);
        budget.note(TO, Trust { promised: Promised { spent: 50, ..promised }, ..trust });
        drop(budget);
        let after = Budget::open(&path, CAPS).expect("opens").trust(TO);
        assert_eq!((after.promised.spent, after.forgiven), (50, 5), "the rest may have been used");
    }

    #[tokio::test]
    async fn books_that_are_written_anew_say_the_same() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("books");
        let (budget, promised) = used(&path).await;
        budget.write_anew().await;
        budget.note(TO, Trust { promised: Promised { spent: 45, ..promised }, conceded: 5, forgiven: 0 });
        drop(budget);
        let killed = Budget::open(&path, CAPS).expect("opens");
        assert_eq!((killed.trust(TO).promised.spent, killed.trust(TO).forgiven), (45, 10), "nothing closed them");
        assert_eq!(killed.spent(0), Spent { total: 60, today: 60 });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn no_sequence_of_promises_gets_over_a_cap(
            steps in prop::collection::vec((0u32..3, 1u128..30, 0u128..60, 0u64..4, 0u8..4), 1..30),
            day in 1u128..100, total in 1u128..200,
        ) {
            let dir = tempfile::tempdir().expect("temporary folder");
            let path = dir.path().join("books");
            let caps = Caps { call: u128::MAX, day, total };
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
            runtime.block_on(async {
                let mut budget = Budget::open(&path, caps).expect("opens");
                let (mut sum, mut days) = (0u128, std::collections::HashMap::<u64, u128>::new());
                let mut latest = 0;
                for (api, needed, wanted, when, before) in steps {
                    if before == 1 {
                        budget.write_anew().await;
                    }
                    if before == 0 {
                        drop(budget);
                        budget = Budget::open(&path, caps).expect("opens");
                    }
                    let to = ToWhom { api, epoch: 1 };
                    let before = budget.trust(to).promised;
                    if let Ok(after) = budget.promise(to, before, needed, wanted, when * DAY_MS).await {
                        let more = after.value - before.value;
                        prop_assert!(more >= needed);
                        latest = latest.max(when);
                        sum += more;
                        *days.entry(latest).or_default() += more;
                    }
                    prop_assert!(sum <= total);
                    prop_assert!(days.values().all(|of_day| *of_day <= day));
                }
                Ok(())
            })?;
        }
    }
}
