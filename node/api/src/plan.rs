// SPDX-License-Identifier: Apache-2.0

//! A plan's units: so many in every period, counted alike by provider and consumer.
//!
//! # Correctness
//! - No period's units are had twice: a period that was left is never gone back to, whatever the clock does, and a subscription
//!   that was replaced neither.
//! - Periods are counted by the provider's clock, from `began_ms` (a block's time). Where two clocks differ, whoever's is
//!   ahead is in the new period while the other is in the old. So that a call at the edge is no matter of luck, the next
//!   period may be begun [`EDGE_MS`] early, once the old one's units don't suffice. All periods together give what was paid for.

use cairn_client::chain::marketplace::Subscription;
use codec::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// How early a period's units may be used: as far as clocks that are set over a network, and a block's time, differ.
pub const EDGE_MS: u64 = 5_000;

/// What is used of a plan, in one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct PlanUse {
    /// Which subscription: when it began, in milliseconds since 1970.
    pub began_ms: u64,
    /// Number of the period in it, from 0.
    pub period: u64,
    /// Units.
    pub used: u64,
}

/// Units that were taken from a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    began_ms: u64,
    period: u64,
    units: u64,
}

/// What is left of the period that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Units of a period.
    pub units: u64,
    /// Those not used.
    pub left: u64,
    /// When the period ends, in milliseconds since 1970.
    pub until_ms: u64,
}

/// Which period a time is in; none once the subscription has ended. Before its beginning, by another clock, is the first.
fn period_at(of: &Subscription, now_ms: u64) -> Option<u64> {
    (now_ms < of.ends_ms).then(|| now_ms.saturating_sub(of.began_ms).checked_div(of.period_ms))?
}

fn until_ms(of: &Subscription, period: u64) -> u64 {
    of.period_ms.saturating_mul(period.saturating_add(1)).saturating_add(of.began_ms)
}

impl PlanUse {
    /// Goes on to the period that runs. False if there is none.
    fn turn(&mut self, of: &Subscription, now_ms: u64) -> bool {
        let Some(period) = period_at(of, now_ms) else { return false };
        if of.began_ms < self.began_ms {
            return false;
        }
        if of.began_ms > self.began_ms || period > self.period {
            *self = Self { began_ms: of.began_ms, period, used: 0 };
        }
        true
    }

    /// Takes a call's units, all of them or none.
    pub fn charge(&mut self, of: &Subscription, units: u64, now_ms: u64) -> Option<Slot> {
        if !self.turn(of, now_ms) {
            return None;
        }
        if units > of.units.saturating_sub(self.used) {
            let next = self.period.checked_add(1);
            if units > of.units || period_at(of, now_ms.saturating_add(EDGE_MS)) != next {
                return None;
            }
            (self.period, self.used) = (next?, 0);
        }
        self.used = self.used.saturating_add(units);
        Some(Slot { began_ms: self.began_ms, period: self.period, units })
    }

    /// Gives back what a call took that was not answered.
    pub fn give_back(&mut self, slot: Slot) {
        if (slot.began_ms, slot.period) == (self.began_ms, self.period) {
            self.used = self.used.saturating_sub(slot.units);
        }
    }

    /// What is left now, if a period runs.
    pub fn left(&self, of: &Subscription, now_ms: u64) -> Option<Left> {
        let mut then = *self;
        if !then.turn(of, now_ms) {
            return None;
        }
        let left = of.units.saturating_sub(then.used);
        Some(Left { units: of.units, left, until_ms: until_ms(of, then.period) })
    }

    /// Takes over what the other side has counted, where it is more than what was counted here: others may use the plan, too.
    /// Nothing is believed of periods that can't have begun.
    pub fn heard(&mut self, of: &Subscription, left: u64, until: u64, now_ms: u64) {
        if !self.turn(of, now_ms) {
            return;
        }
        let last = period_at(of, now_ms.saturating_add(EDGE_MS)).unwrap_or(self.period);
        let Some(period) = (self.period..=last.max(self.period)).find(|period| until_ms(of, *period) == until) else {
            return;
        };
        let before = if period == self.period { self.used } else { 0 };
        (self.period, self.used) = (period, before.max(of.units.saturating_sub(left)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERIOD: u64 = 60_000;
    const BEGAN: u64 = 1_000_000;

    fn plan(periods: u64) -> Subscription {
        Subscription {
            plan: 0,
            began_ms: BEGAN,
            ends_ms: BEGAN + periods * PERIOD,
            units: 10,
            period_ms: PERIOD,
            held: 0,
            collected_ms: BEGAN,
        }
    }

    #[test]
    fn each_period_has_its_units_and_no_more() {
        let (plan, mut used) = (plan(2), PlanUse::default());
        assert!(used.charge(&plan, 11, BEGAN).is_none(), "more than a period has");
        assert!(used.charge(&plan, 7, BEGAN).is_some());
        assert!(used.charge(&plan, 4, BEGAN + 1).is_none(), "calls are not split");
        assert!(used.charge(&plan, 3, BEGAN + 2).is_some());
        assert!(used.charge(&plan, 1, BEGAN + PERIOD - EDGE_MS - 1).is_none());
        let next = BEGAN + PERIOD;
        assert_eq!(used.left(&plan, next), Some(Left { units: 10, left: 10, until_ms: next + PERIOD }));
        assert!(used.charge(&plan, 10, next).is_some(), "a new period");
        assert!(used.charge(&plan, 1, next + PERIOD - 1).is_none());
        assert!(used.charge(&plan, 1, next + PERIOD).is_none(), "the end");
        assert_eq!(used.left(&plan, next + PERIOD), None);
    }

    #[test]
    fn what_was_not_answered_is_given_back_to_its_own_period() {
        let (plan, mut used) = (plan(2), PlanUse::default());
        let slot = used.charge(&plan, 10, BEGAN).expect("fits");
        used.give_back(slot);
        let slot = used.charge(&plan, 10, BEGAN).expect("was given back");
        assert!(used.charge(&plan, 4, BEGAN + PERIOD).is_some());
        used.give_back(slot);
        assert_eq!(used.used, 4, "nothing is carried into another period");
    }

    #[test]
    fn clocks_that_differ_at_an_edge_cost_nothing_and_give_nothing() {
        let (plan, mut used) = (plan(2), PlanUse::default());
        assert!(used.charge(&plan, 10, BEGAN).is_some());
        let edge = BEGAN + PERIOD;
        assert!(used.charge(&plan, 6, edge - EDGE_MS).is_some(), "of the next one, a little early");
        assert!(used.charge(&plan, 5, edge - 1).is_none() && used.charge(&plan, 5, edge).is_none(), "and not again");
        assert!(used.charge(&plan, 4, edge - 1).is_some());
        assert!(used.charge(&plan, 1, edge + PERIOD - 1).is_none(), "there is no third");
        let mut first = PlanUse::default();
        assert!(first.charge(&plan, 10, 0).is_some(), "a clock that is behind the block");
        assert!(first.charge(&plan, 1, BEGAN).is_none());
    }

    #[test]
    fn another_subscription_begins_anew_and_an_older_one_is_none() {
        let (old, mut used) = (plan(1), PlanUse::default());
        assert!(used.charge(&old, 10, BEGAN).is_some());
        let new = Subscription { began_ms: old.ends_ms, ends_ms: old.ends_ms + PERIOD, ..old };
        assert!(used.charge(&new, 10, new.began_ms).is_some());
        assert!(used.charge(&Subscription { ends_ms: u64::MAX, ..old }, 1, new.began_ms).is_none());
    }

    #[test]
    fn the_other_side_can_only_say_that_less_is_left() {
        let (plan, mut used) = (plan(3), PlanUse::default());
        used.charge(&plan, 4, BEGAN).expect("fits");
        used.heard(&plan, 9, BEGAN + PERIOD, BEGAN);
        assert_eq!(used.used, 4);
        used.heard(&plan, 2, BEGAN + PERIOD, BEGAN);
        assert_eq!(used.used, 8);
        used.heard(&plan, 0, BEGAN + 2 * PERIOD, BEGAN);
        used.heard(&plan, 0, u64::MAX, BEGAN);
        assert_eq!((used.period, used.used), (0, 8), "that period can't have begun");
        used.heard(&plan, 7, BEGAN + 2 * PERIOD, BEGAN + PERIOD - EDGE_MS);
        assert_eq!((used.period, used.used), (1, 3), "its clock is ahead");
    }

    proptest! {
        #[test]
        fn no_clock_gets_more_than_was_paid_for(
            steps in prop::collection::vec((1u64..12, 0u64..4 * PERIOD, any::<bool>()), 0..200), periods in 1u64..4,
        ) {
            let (plan, mut used) = (plan(periods), PlanUse::default());
            let mut taken = std::collections::HashMap::<u64, u64>::new();
            for (units, at, answered) in steps {
                let before = used;
                let Some(slot) = used.charge(&plan, units, BEGAN - PERIOD / 2 + at) else { continue };
                if answered {
                    *taken.entry(slot.period).or_default() += units;
                } else {
                    used.give_back(slot);
                    prop_assert!(used.period >= before.period);
                }
            }
            prop_assert!(taken.iter().all(|(period, units)| *period < periods && *units <= plan.units), "{:?}", taken);
        }

        #[test]
        fn nothing_on_chain_makes_it_panic(
            began_ms: u64, ends_ms: u64, period_ms: u64, units: u64, now: u64, call: u64, left: u64, until: u64, used: u64, period: u64,
        ) {
            let plan = Subscription { plan: 0, began_ms, ends_ms, units, period_ms, held: 0, collected_ms: 0 };
            let mut state = PlanUse { began_ms, period, used };
            if let Some(slot) = state.charge(&plan, call, now) {
                state.give_back(slot);
            }
            state.heard(&plan, left, until, now);
            let _ = state.left(&plan, now);
        }
    }
}
