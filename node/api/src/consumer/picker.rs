// SPDX-License-Identifier: Apache-2.0

//! Which provider a call goes to: the one with the lowest price for its quality.
//!
//! Quality is what was seen here (failures, latency), begun with what the chain tells (ratings, attested failures). It is
//! squared: half as good has to be a quarter of the price. One call in twenty goes to the second best, so that a provider
//! that has become better is found out.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use cairn_client::chain::marketplace::Quality;
use serde::{Deserialize, Serialize};

/// How much the newest call counts.
const WEIGHT: f64 = 0.1;
/// Latency that counts as neither good nor bad, where a provider promises none, in milliseconds.
const LATENCY_MS: f64 = 300.0;
/// For how long garbage is avoided; twice as long each further time.
pub(super) const AVOIDED: Duration = Duration::from_secs(120);
/// Times that this doubles.
const DOUBLINGS_MAX: u32 = 10;
/// For how long one that can't be reached is left alone; twice as long each further time in a row.
const UNREACHABLE: Duration = Duration::from_secs(1);
/// Times that this doubles: a minute.
const UNREACHABLE_DOUBLINGS_MAX: u32 = 6;
/// Operations that are garbage at the same time, from which on all of a provider's are avoided.
const GARBAGE_OPERATIONS_MAX: usize = 3;
/// Part of the calls that go to the second best.
const EXPLORED: f64 = 0.05;

/// Calls as they are attested on chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// In all.
    pub calls: u64,
    /// Those without a good answer.
    pub failed: u64,
    /// Sum of what the others took, in milliseconds.
    pub latency_ms: u64,
}

/// What was seen of one provider.
#[derive(Clone, Debug)]
pub struct Score {
    /// Share of the calls that went well, the newest counting most.
    pub good: f64,
    /// Mean latency, the newest counting most, in milliseconds.
    pub latency_ms: f64,
    /// Answers that were garbage.
    pub garbage: u32,
    /// Failures in a row.
    pub failures: u32,
    /// Calls in all.
    pub calls: u64,
    /// The same, to be attested.
    pub tally: Tally,
    /// For garbage.
    avoided_until: Option<Instant>,
    /// Operations whose answers were garbage: until when each is avoided, and how often that was.
    avoided_operations: HashMap<u16, (Instant, u32)>,
    /// For failures.
    resting_until: Option<Instant>,
}

impl Score {
    /// What the chain tells of a provider. Only consumers' words count: a provider can say anything of itself.
    pub fn new(quality: &Quality) -> Self {
        let attested = quality.by_consumers;
        let failed = if attested.calls == 0 { 0.0 } else { attested.failed as f64 / attested.calls as f64 };
        let stars = quality.stars().map_or(0.9, |stars| (stars / 5.0).clamp(0.2, 1.0));
        let latency_ms = match attested.calls {
            0 => LATENCY_MS,
            calls => attested.latency_ms as f64 / calls as f64,
        };
        Self {
            good: ((1.0 - failed.clamp(0.0, 1.0)) * stars).clamp(0.05, 1.0),
            latency_ms,
            garbage: 0,
            failures: 0,
            calls: 0,
            tally: Tally::default(),
            avoided_until: None,
            avoided_operations: HashMap::new(),
            resting_until: None,
        }
    }

    /// A call went well.
    pub fn answered(&mut self, latency: Duration) {
        let latency_ms = latency.as_secs_f64() * 1000.0;
        // The first one tells more than a guess.
        let weight = if self.calls == 0 { 0.7 } else { WEIGHT };
        self.latency_ms += weight * (latency_ms - self.latency_ms);
        self.good += WEIGHT * (1.0 - self.good);
        self.calls += 1;
        self.failures = 0;
        self.count(0, u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
    }

    fn count(&mut self, failed: u64, latency_ms: u64) {
        let tally = &mut self.tally;
        tally.calls = tally.calls.saturating_add(1);
        tally.failed = tally.failed.saturating_add(failed);
        tally.latency_ms = tally.latency_ms.saturating_add(latency_ms);
    }

    /// A call failed: nothing came, or an error of the provider's. Calls that were under way with one that failed before
    /// count no more: it is the same failure.
    pub fn failed(&mut self, now: Instant) {
        if self.is_resting(now) {
            return;
        }
        self.good += WEIGHT * (0.0 - self.good);
        self.calls += 1;
        self.count(1, 0);
        let pause = UNREACHABLE * 2u32.pow(self.failures.min(UNREACHABLE_DOUBLINGS_MAX));
        self.failures = self.failures.saturating_add(1);
        self.resting_until = Some(now + pause);
    }

    /// A call's answer was not what the document promises, or not what others answer.
    pub fn was_garbage(&mut self, now: Instant) {
        self.good *= 0.3;
        self.calls += 1;
        self.count(1, 0);
        let pause = AVOIDED * 2u32.pow(self.garbage.min(DOUBLINGS_MAX));
        self.garbage = self.garbage.saturating_add(1);
        let until = now + pause;
        self.avoided_until = Some(self.avoided_until.map_or(until, |before| before.max(until)));
    }

    /// An answer of one operation was not what the document promises. That operation is avoided, and the others go on: its
    /// description may be wrong, and the rest right. Whoever answers garbage to several is avoided as a whole.
    pub fn operation_was_garbage(&mut self, operation: u16, now: Instant) {
        self.avoided_operations.retain(|other, (until, _)| *until > now || *other == operation);
        let times = self.avoided_operations.get(&operation).map_or(0, |(_, times)| *times);
        let until = now + AVOIDED * 2u32.pow(times.min(DOUBLINGS_MAX));
        self.avoided_operations.insert(operation, (until, times.saturating_add(1)));
        if self.avoided_operations.len() >= GARBAGE_OPERATIONS_MAX {
            self.was_garbage(now);
            return;
        }
        self.good += WEIGHT * (0.0 - self.good);
        self.calls += 1;
        self.garbage = self.garbage.saturating_add(1);
        self.count(1, 0);
    }

    /// Whether an operation is not asked for now.
    pub fn avoids(&self, operation: u16, now: Instant) -> bool {
        self.is_avoided(now) || self.avoided_operations.get(&operation).is_some_and(|(until, _)| *until > now)
    }

    /// The operations that are avoided, and for how long.
    pub(super) fn avoided_operations(&self, now: Instant) -> impl Iterator<Item = (u16, Duration)> + '_ {
        let rest = move |until: &Instant| until.saturating_duration_since(now);
        let all = self.avoided_operations.iter().map(move |(operation, (until, _))| (*operation, rest(until)));
        all.filter(|(_, rest)| !rest.is_zero())
    }

    /// Doesn't ask it for an operation for this long, or for the longest there is.
    pub(super) fn avoid_operation(&mut self, operation: u16, now: Instant, rest: Duration) {
        let longest = AVOIDED * 2u32.pow(DOUBLINGS_MAX);
        if !rest.is_zero() && self.avoided_operations.len() < GARBAGE_OPERATIONS_MAX {
            self.avoided_operations.insert(operation, (now + rest.min(longest), 1));
        }
    }

    /// Its answers differ from another's, and nobody knows whose are right.
    pub fn doubted(&mut self) {
        self.good *= 0.7;
    }

    /// Whether it answered garbage, and is not asked for now.
    pub fn is_avoided(&self, now: Instant) -> bool {
        self.avoided_until.is_some_and(|until| until > now)
    }

    /// For how long it is not asked, because of garbage.
    pub(super) fn avoided_for(&self, now: Instant) -> Option<Duration> {
        self.avoided_until.map(|until| until.saturating_duration_since(now)).filter(|rest| !rest.is_zero())
    }

    /// Doesn't ask it for this long, or for the longest there is.
    pub(super) fn avoid_for(&mut self, now: Instant, rest: Duration) {
        let longest = AVOIDED * 2u32.pow(DOUBLINGS_MAX);
        self.avoided_until = (!rest.is_zero()).then(|| now + rest.min(longest));
    }

    /// Whether it failed lately, and is asked last for now.
    pub fn is_resting(&self, now: Instant) -> bool {
        self.resting_until.is_some_and(|until| until > now)
    }

    /// From 0 to 1.
    pub fn quality(&self) -> f64 {
        self.good.clamp(0.01, 1.0) * (LATENCY_MS / (LATENCY_MS + self.latency_ms.max(0.0))).clamp(0.05, 1.0)
    }
}

/// Someone a call may go to.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// What the call costs, in plancks.
    pub price: u128,
    /// [`Score::quality`].
    pub quality: f64,
    /// It is not asked for now.
    pub avoided: bool,
    /// It is asked last for now.
    pub resting: bool,
}

/// Whom to ask, best first; those that are avoided are not in it. `chance` is a random number from 0 to 1.
pub fn order(candidates: &[Candidate], chance: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..candidates.len()).filter(|index| !candidates[*index].avoided).collect();
    let cost = |index: &usize| {
        let Candidate { price, quality, .. } = candidates[*index];
        // Where all are free, quality alone decides.
        (price as f64 + 1.0) / (quality * quality).max(f64::MIN_POSITIVE)
    };
    let resting = |index: &usize| candidates[*index].resting;
    order.sort_by(|a, b| resting(a).cmp(&resting(b)).then(cost(a).total_cmp(&cost(b))));
    if order.len() > 1 && chance < EXPLORED && !resting(&order[1]) {
        order.swap(0, 1);
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(price: u128, quality: f64) -> Candidate {
        Candidate { price, quality, avoided: false, resting: false }
    }

    #[test]
    fn price_and_quality_decide() {
        assert_eq!(order(&[candidate(100, 0.5), candidate(50, 0.5)], 1.0), [1, 0]);
        assert_eq!(order(&[candidate(100, 0.9), candidate(50, 0.3)], 1.0), [0, 1]);
        assert_eq!(order(&[candidate(0, 0.3), candidate(0, 0.9)], 1.0), [1, 0]);
        let resting = Candidate { resting: true, ..candidate(1, 1.0) };
        assert_eq!(order(&[resting, candidate(100, 0.5)], 0.0), [1, 0], "last, but asked");
        assert_eq!(order(&[candidate(100, 0.5), candidate(50, 0.5)], 0.0), [0, 1], "now and then the second");
        assert!(order(&[], 0.0).is_empty());
    }

    #[test]
    fn garbage_is_avoided_longer_each_time_and_failures_briefly() {
        let now = Instant::now();
        let mut score = Score::new(&Quality::default());
        let before = score.quality();
        score.failed(now);
        assert!(score.is_resting(now) && !score.is_resting(now + UNREACHABLE) && !score.is_avoided(now));
        score.was_garbage(now);
        assert!(score.is_avoided(now + AVOIDED - UNREACHABLE) && score.quality() < before);
        score.was_garbage(now);
        assert!(score.is_avoided(now + AVOIDED * 2 - UNREACHABLE) && !score.is_avoided(now + AVOIDED * 2));
        for _ in 0..100 {
            score.was_garbage(now);
            score.failed(now);
        }
        assert!(score.quality() > 0.0);
        for _ in 0..200 {
            score.answered(Duration::from_millis(1));
        }
        assert!(score.quality() > before, "it may become good again");
    }

    #[test]
    fn one_operation_that_is_garbage_is_avoided_alone_and_several_take_the_provider_along() {
        let now = Instant::now();
        let mut score = Score::new(&Quality::default());
        score.operation_was_garbage(7, now);
        assert!(score.avoids(7, now) && !score.avoids(8, now) && !score.is_avoided(now));
        assert!(!score.avoids(7, now + AVOIDED));
        score.operation_was_garbage(7, now);
        assert!(score.avoids(7, now + AVOIDED) && score.good > 0.5);
        score.operation_was_garbage(8, now);
        score.operation_was_garbage(9, now);
        assert!(score.is_avoided(now) && score.avoids(1, now));
    }

    #[test]
    fn a_burst_of_failures_is_one() {
        let now = Instant::now();
        let mut score = Score::new(&Quality::default());
        for _ in 0..1000 {
            score.failed(now);
        }
        assert!(score.is_resting(now) && !score.is_resting(now + UNREACHABLE) && !score.is_avoided(now));
        assert!(score.good > 0.7);
    }

    proptest! {
        #[test]
        fn nobody_that_is_avoided_is_asked_and_everybody_else_once(
            all in prop::collection::vec((any::<u128>(), 0.0f64..=1.0, any::<bool>()), 0..20), chance in 0.0f64..=1.0,
        ) {
            let all: Vec<_> = all.into_iter().map(|(price, quality, avoided)| Candidate { price, quality, avoided, resting: price % 3 == 0 }).collect();
            let mut asked = order(&all, chance);
            asked.sort_unstable();
            let expected: Vec<_> = (0..all.len()).filter(|index| !all[*index].avoided).collect();
            prop_assert_eq!(asked, expected);
        }

        #[test]
        fn whoever_gets_cheaper_is_asked_no_later(prices in prop::collection::vec(1u128..1_000_000, 2..10), less in 1u128..1_000_000) {
            let candidates = |prices: &[u128]| prices.iter().map(|price| candidate(*price, 0.5)).collect::<Vec<_>>();
            let place = |prices: &[u128]| order(&candidates(prices), 1.0).iter().position(|index| *index == 0).expect("asked");
            let mut cheaper = prices.clone();
            cheaper[0] = cheaper[0].saturating_sub(less);
            prop_assert!(place(&cheaper) <= place(&prices));
        }
    }
}
