// SPDX-License-Identifier: Apache-2.0

//! Misses that were the network's fault.

use crate::{mock::*, worst_stretch, Event, Tally, SAMPLE_VAULTS, SAMPLE_VAULTS_PERIOD};
use cairn_primitives::storage::{Coding, VaultStatus};
use frame_support::assert_ok;
use std::collections::BTreeSet;

/// A drive of 60 units with its four vaults, and two vaults more.
fn setup() -> (u64, u32) {
    register(6);
    let id = create(ALICE, Coding::K1);
    commit(ALICE, id, 60);
    (id, holder(id, 0))
}

#[test]
fn when_a_third_of_all_miss_timeouts_are_forgiven() {
    ExtBuilder.build_and_execute(|| {
        let (id, vault) = setup();
        let out: Vec<u32> = (0..2).map(|number| holder(id, number)).collect();
        let bonds: Vec<_> = out.iter().map(|vault| mock_vault(*vault).bond).collect();
        // Two of four miss in the same calendar period.
        run_proving(PERIOD - now() % PERIOD - 1, &[]);
        run_proving(PERIOD + DEADLINE, &out);
        assert!(out.iter().all(|vault| mock_vault(*vault).missed_history == 1));
        run_proving(2 * PERIOD, &[]);
        for (vault, bond) in out.iter().zip(bonds) {
            let found = mock_vault(*vault);
            assert_eq!((found.bond, found.missed_history), (bond, 0));
            assert_eq!(found.reputation.score_ppm(), 1_000_000);
        }
        assert!(mock_vault(vault).slots > 0);
    });
}

fn mock_vault(number: u32) -> pallet_vaults::Vault {
    crate::mock::vault(number)
}

/// Runs so many blocks, in which all vaults answer their challenges but these; gives the events.
fn run_telling(blocks: u32, but: &[u32]) -> Vec<Event<Test>> {
    let mut all = Vec::new();
    for _ in 0..blocks {
        run_proving(1, but);
        all.extend(events());
    }
    all
}

#[test]
fn three_misses_in_a_row_empty_slots_in_an_outage_too_but_cost_nothing_and_the_vault_is_back() {
    ExtBuilder.build_and_execute(|| {
        let (id, vault) = setup();
        let all: Vec<u32> = (0..4).map(|number| holder(id, number)).collect();
        run_telling(3 * PERIOD + DEADLINE + 1, &all);
        assert_eq!(drive(id).healthy, 0);
        let found = mock_vault(vault);
        assert_eq!((found.status, found.slots, found.position), (VaultStatus::Ejected, 0, None));
        // Once it is back it may be drawn, and relieved again: it rebuilds nothing here.
        let mut back: BTreeSet<u32> = BTreeSet::new();
        for _ in 0..PERIOD {
            run_telling(1, &[]);
            back.extend(all.iter().filter(|vault| mock_vault(**vault).status == VaultStatus::Probation));
        }
        for vault in all {
            let found = mock_vault(vault);
            assert!(back.contains(&vault));
            assert_eq!((found.bond, found.missed_history, found.missed_in_row), (BOND, 0, 0), "each was forgiven");
            assert_eq!(found.forgiven_history.count_ones(), 3);
        }
    });
}

#[test]
fn one_that_meant_to_leave_is_not_back_after_an_outage() {
    ExtBuilder.build_and_execute(|| {
        let (_, vault) = setup();
        assert_ok!(Vaults::begin_exit(signed(vault)));
        run_by(4 * PERIOD + DEADLINE);
        assert_eq!((mock_vault(vault).status, mock_vault(vault).slots), (VaultStatus::Ejected, 0));
        run_by(PERIOD);
        assert_eq!((mock_vault(vault).status, mock_vault(vault).bond), (VaultStatus::Ejected, BOND));
        assert_ok!(Vaults::finish_exit(signed(vault)));
    });
}

#[test]
fn one_that_is_still_being_emptied_is_back_when_that_is_done() {
    ExtBuilder.build_and_execute(|| {
        let (_, vault) = setup();
        Storage::eject_if(true, &account(vault));
        Storage::readmit(&account(vault));
        assert_eq!(mock_vault(vault).status, VaultStatus::Ejected);
        run_by(1);
        assert_eq!((mock_vault(vault).status, mock_vault(vault).slots), (VaultStatus::Probation, 0));
        assert!(!book(vault).readmitted);
    });
}

/// So many vaults, most of which have slots.
fn setup_many(count: u32) {
    register(count);
    for _ in 0..count / 4 {
        let id = create(BOB, Coding::K1);
        commit(BOB, id, 4);
    }
    run_telling(PERIOD, &[]);
}

/// How many misses were judged, and how many of them slashed.
fn judged(events: &[Event<Test>]) -> (usize, usize) {
    let slashes = events.iter().filter_map(|event| match event {
        Event::MissJudged { slashed, .. } => Some(*slashed),
        _ => None,
    });
    let slashes: Vec<_> = slashes.collect();
    (slashes.len(), slashes.iter().filter(|slashed| **slashed > 0).count())
}

#[test]
fn an_outage_of_a_third_of_a_period_is_forgiven_though_few_missed_in_all() {
    ExtBuilder.build_and_execute(|| {
        setup_many(80);
        let everybody: Vec<u32> = (VAULTS..VAULTS + 80).collect();
        // Turns of the first three blocks can't be answered in time.
        let mut events = run_telling(DEADLINE + 3, &everybody);
        events.extend(run_telling(PERIOD, &[]));
        let challenged = events.iter().filter(|event| matches!(event, Event::Challenged { .. })).count();
        events.extend(run_telling(PERIOD, &[]));
        let (misses, slashed) = judged(&events);
        assert!(misses >= 4 && misses * 4 < challenged, "{misses} of {challenged}");
        assert_eq!(slashed, 0);
    });
}

#[test]
fn a_miss_at_another_time_than_the_outage_is_not_forgiven() {
    ExtBuilder.build_and_execute(|| {
        setup_many(80);
        let everybody: Vec<u32> = (VAULTS..VAULTS + 80).collect();
        let outage = now();
        run_telling(DEADLINE + 3, &everybody);
        // One more is away for a turn that is half a period later.
        let late = everybody.iter().find(|vault| {
            let place = mock_vault(**vault).place_block;
            book(**vault).liable_units > 0 && (place + PERIOD - outage % PERIOD) % PERIOD == PERIOD / 2
        });
        let late = *late.unwrap();
        run_telling(PERIOD, &[late]);
        let bond = mock_vault(late).bond;
        let (misses, slashed) = judged(&run_telling(PERIOD + DEADLINE, &[]));
        assert!(misses > 1);
        assert_eq!((slashed, mock_vault(late).bond), (1, bond - bond / 100));
    });
}

#[test]
fn who_stages_outages_is_forgiven_a_fifth_of_the_turns_and_is_thrown_out_like_others() {
    ExtBuilder.build_and_execute(|| {
        let (id, _) = setup();
        let staging: Vec<u32> = (0..2).map(|number| holder(id, number)).collect();
        let first = mock_vault(staging[0]).bond;
        let (mut forgiven, mut times) = (0, 0);
        while mock_vault(staging[0]).status != VaultStatus::Ejected {
            // Two of four miss every other turn.
            let mut events = run_telling(PERIOD + DEADLINE, &staging);
            events.extend(run_telling(PERIOD - DEADLINE, &[]));
            let (misses, slashed) = judged(&events);
            forgiven += misses - slashed;
            times += 1;
            assert!(times < 15, "it should have been ejected");
        }
        // Of each of the two, at most six.
        assert!((8..=12).contains(&forgiven), "{forgiven}");
        assert!(mock_vault(staging[0]).bond < first - first / 100);
    });
}

#[test]
fn one_in_three_is_no_outage_and_more_is() {
    let tally = |challenged, missed| Tally { challenged, missed };
    assert!(!tally(0, 0).is_outage());
    assert!(!tally(3, 1).is_outage());
    assert!(tally(4, 2).is_outage() && tally(1, 1).is_outage() && tally(5, 2).is_outage());
    assert!(!tally(100_000, 33_333).is_outage() && tally(100_000, 33_334).is_outage());
}

#[test]
fn too_few_vaults_show_nothing() {
    let tally = |challenged, missed| Tally { challenged, missed };
    let worst = |windows: &[Tally], at| worst_stretch(windows, at, 4);
    assert_eq!(worst(&[], 0), None);
    // Three in a period, or eleven in less than one.
    assert_eq!(worst(&[tally(1, 1), tally(1, 1), tally(1, 1), tally(0, 0)], 1), None);
    assert_eq!(worst(&[tally(4, 4), tally(4, 4), tally(3, 3)], 1), None);
    assert_eq!(worst(&[tally(1, 1), tally(1, 0), tally(1, 0), tally(1, 1)], 1), Some(tally(4, 2)));
    assert_eq!(worst(&[tally(12, 5), tally(1, 0)], 0), Some(tally(12, 5)));
    // What touches the window counts, what is beyond doesn't.
    let windows = [tally(12, 9), tally(20, 8), tally(12, 0), tally(12, 1), tally(12, 12)];
    assert_eq!(worst(&windows, 2), Some(tally(20, 8)));
    assert_eq!(worst(&windows, 3), Some(tally(12, 12)));
}

/// By its definition.
fn worst_of_all(windows: &[Tally], at: usize, period: usize) -> Option<(u32, u32)> {
    let sum = |range: core::ops::Range<usize>| {
        let part = &windows[range];
        let challenged: u32 = part.iter().map(|tally| tally.challenged).sum();
        (challenged, part.iter().map(|tally| tally.missed).sum::<u32>())
    };
    let ends = (0..windows.len()).flat_map(|begin| (begin + 1..=windows.len()).map(move |end| begin..end));
    let near = ends.filter(|range| range.len() <= period && range.start <= at + 1 && range.end >= at);
    let telling = near.filter(|range| {
        let (with, without) = (sum(range.clone()).0, sum(range.start..range.end - 1).0);
        let shortest = with >= SAMPLE_VAULTS && without < SAMPLE_VAULTS;
        shortest || (range.len() == period && with >= SAMPLE_VAULTS_PERIOD)
    });
    telling.map(sum).max_by(|one, other| (one.1 * other.0).cmp(&(other.1 * one.0)))
}

proptest::proptest! {
    #[test]
    fn the_worst_stretch_is_the_worst_of_those_that_tell(
        counts in proptest::collection::vec((0u32..9, 0u32..9), 0..24),
        at in 0usize..24,
        period in 1usize..9,
    ) {
        let tally = |(one, other): (u32, u32)| Tally { challenged: one.max(other), missed: one.min(other) };
        let windows: Vec<_> = counts.into_iter().map(tally).collect();
        let (found, wanted) = (worst_stretch(&windows, at, period), worst_of_all(&windows, at, period));
        assert_eq!(found.is_some(), wanted.is_some());
        if let (Some(found), Some((challenged, missed))) = (found, wanted) {
            assert_eq!(found.missed * challenged, missed * found.challenged, "{found:?}");
        }
    }

    #[test]
    fn one_vault_alone_is_never_an_outage_where_there_are_groups(
        challenged in proptest::collection::vec(0u32..4, 20),
        at in 0usize..20,
    ) {
        // The same vaults in three periods, and one missed once.
        let mut windows: Vec<_> = challenged.iter().map(|challenged| Tally { challenged: *challenged, missed: 0 }).collect();
        windows[at].challenged += 1;
        let mut windows = windows.repeat(3);
        windows[20 + at].missed = 1;
        let worst = worst_stretch(&windows[..40 + at], 20 + at, 20);
        assert!(!worst.is_some_and(|worst| worst.is_outage()));
    }

    #[test]
    fn when_half_of_all_are_away_for_three_windows_all_of_these_are_forgiven(
        pairs in 6u32..40,
        at in 21usize..38,
        length in 3usize..20,
        of in 0usize..20,
    ) {
        let mut windows = vec![Tally { challenged: 2 * pairs, missed: 0 }; 60];
        windows[at..at + length].iter_mut().for_each(|window| window.missed = pairs);
        let worst = worst_stretch(&windows, at + of % length, 20).unwrap();
        assert!(worst.is_outage());
    }
}
