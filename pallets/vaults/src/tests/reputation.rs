// SPDX-License-Identifier: Apache-2.0

use crate::{mock::*, Cause, Event, Reputation, FORGIVEN_MAX, HISTORY_TURNS, ONE_PPM, PROBATION_TURNS};
use cairn_primitives::storage::VaultStatus;
use frame_support::assert_ok;

fn prove(number: u32, turns: u32) {
    for _ in 0..turns {
        Vaults::record_turn(&account(number), false);
        Vaults::note(&account(number), Cause::Proven);
    }
}

#[test]
fn a_score_is_the_share_of_right_among_all_with_older_events_fading() {
    let mut reputation = Reputation::default();
    assert_eq!(reputation.score_ppm(), 1_000_000);
    reputation = reputation.after(Cause::Missed);
    // 4.75 of 5.75.
    assert_eq!((reputation.alpha_ppm, reputation.beta_ppm), (4_750_000, 1_000_000));
    assert_eq!(reputation.score_ppm(), 826_086);
    for _ in 0..200 {
        reputation = reputation.after(Cause::Proven);
    }
    assert!(reputation.score_ppm() > 999_000);
    assert!(reputation.alpha_ppm <= 20 * ONE_PPM);
    assert_eq!(Reputation { alpha_ppm: 0, beta_ppm: 0 }.score_ppm(), 0);
}

#[test]
fn many_small_events_do_not_wash_out_a_large_one() {
    let failed = (0..100).fold(Reputation::default(), |reputation, _| reputation.after(Cause::Proven));
    let failed = failed.after(Cause::DisputeLost);
    let small = (0..10).fold(failed, |reputation, _| reputation.after(Cause::AccusationRight));
    let one = failed.after(Cause::Proven);
    assert!(small.score_ppm().abs_diff(one.score_ppm()) < 2_000);
}

#[test]
fn a_proven_vault_becomes_active_and_weighs_four_times_as_much() {
    ExtBuilder.build_and_execute(|| {
        register(1, 400, 7);
        prove(1, PROBATION_TURNS - 1);
        assert_eq!(vault(1).status, VaultStatus::Probation);
        assert_eq!(Vaults::weight_of(&vault(1)), 100 * 1_000_000);
        prove(1, 1);
        assert_eq!(vault(1).status, VaultStatus::Active);
        assert_eq!(Vaults::weight_of(&vault(1)), 400 * 1_000_000);
        let (from, to) = (VaultStatus::Probation, VaultStatus::Active);
        System::assert_has_event(Event::StatusChanged { who: account(1), from, to }.into());
    });
}

#[test]
fn a_bad_score_suspends_until_proofs_bring_it_back() {
    ExtBuilder.build_and_execute(|| {
        register(1, 400, 7);
        assert!(!Vaults::note(&account(1), Cause::Missed));
        assert_eq!(vault(1).status, VaultStatus::Probation);
        Vaults::note(&account(1), Cause::Missed);
        assert_eq!((vault(1).status, vault(1).position), (VaultStatus::Suspended, None));
        prove(1, 30);
        assert_eq!(vault(1).status, VaultStatus::Active);
        assert!(vault(1).position.is_some());
    });
}

#[test]
fn one_suspended_on_probation_comes_back_to_probation() {
    ExtBuilder.build_and_execute(|| {
        register(1, 400, 7);
        Vaults::note(&account(1), Cause::Missed);
        Vaults::note(&account(1), Cause::Missed);
        for _ in 0..20 {
            Vaults::note(&account(1), Cause::Restored);
        }
        assert_eq!(vault(1).status, VaultStatus::Probation);
    });
}

#[test]
fn each_change_of_a_score_is_told_with_its_cause() {
    ExtBuilder.build_and_execute(|| {
        register(1, 400, 7);
        for cause in [Cause::Missed, Cause::Proven, Cause::ProofInvalid] {
            let from_ppm = vault(1).reputation.score_ppm();
            System::reset_events();
            Vaults::note(&account(1), cause);
            let to_ppm = vault(1).reputation.score_ppm();
            assert_ne!(from_ppm, to_ppm);
            System::assert_has_event(Event::ScoreChanged { who: account(1), from_ppm, to_ppm, cause }.into());
        }
        // Who is no vault has no score.
        System::reset_events();
        assert!(!Vaults::note(&account(2), Cause::Unsigned(0)));
        assert!(System::events().is_empty());
    });
}

#[test]
fn a_score_that_is_low_after_enough_turns_says_that_the_vault_is_to_go() {
    ExtBuilder.build_and_execute(|| {
        register(1, 400, 7);
        assert!(!Vaults::note(&account(1), Cause::ProofInvalid), "too few turns to judge by");
        prove(1, PROBATION_TURNS);
        assert!(!Vaults::note(&account(1), Cause::ProofInvalid));
        assert!((0..5).any(|_| Vaults::note(&account(1), Cause::ProofInvalid)));
        assert!(Vaults::eject(&account(1)));
        assert!(!Vaults::eject(&account(1)), "only once");
        assert!(!Vaults::note(&account(1), Cause::ProofInvalid), "it went");
        assert_eq!((vault(1).status, vault(1).position), (VaultStatus::Ejected, None));
        assert!(!Vaults::eject(&account(2)));
    });
}

#[test]
fn three_misses_in_a_row_are_too_many() {
    ExtBuilder.build_and_execute(|| {
        register(1, 400, 7);
        let miss = || Vaults::record_turn(&account(1), true);
        assert!(!miss() && !miss());
        assert!(!Vaults::record_turn(&account(1), false));
        assert!(!miss() && !miss() && miss());
        assert_eq!((vault(1).turns, vault(1).missed_history, vault(1).missed_in_row), (6, 0b110111, 3));
    });
}

#[test]
fn more_than_a_fifth_of_misses_are_too_many_unless_forgiven() {
    ExtBuilder.build_and_execute(|| {
        register(1, 400, 7);
        let turn = |missed| {
            Vaults::record_turn(&account(1), missed);
        };
        for number in 0..9 {
            turn(number % 3 == 0);
        }
        assert!(!Vaults::misses_too_often(&vault(1)), "too few turns to judge by");
        turn(false);
        assert!(Vaults::misses_too_often(&vault(1)), "3 of 10");
        // Its first miss was in its first turn.
        assert!(Vaults::forgive_turn(&account(1), 1));
        assert_eq!(vault(1).missed_history.count_ones(), 2);
        assert!(!Vaults::misses_too_often(&vault(1)), "2 of 10");
        for _ in 0..30 {
            turn(false);
        }
        assert_eq!(vault(1).missed_history, 0, "older turns are forgotten");
        Vaults::forgive_turn(&account(1), 1);
        assert_eq!((vault(1).missed_history, vault(1).forgiven_history), (0, 0));
    });
}

#[test]
fn a_fifth_of_the_last_turns_is_forgiven_and_no_more_until_they_are_forgotten() {
    ExtBuilder.build_and_execute(|| {
        register(1, 400, 7);
        for turn in 1..=HISTORY_TURNS {
            Vaults::record_turn(&account(1), turn % 2 == 0);
            if turn % 2 == 0 {
                assert_eq!(Vaults::forgive_turn(&account(1), turn), turn <= 2 * FORGIVEN_MAX, "turn {turn}");
            }
        }
        assert_eq!(vault(1).forgiven_history.count_ones(), FORGIVEN_MAX);
        assert_eq!(vault(1).missed_history.count_ones(), HISTORY_TURNS / 2 - FORGIVEN_MAX);
        // The first that was forgiven was the second turn.
        Vaults::record_turn(&account(1), false);
        Vaults::record_turn(&account(1), true);
        assert!(Vaults::forgive_turn(&account(1), HISTORY_TURNS + 2));
        assert!(!Vaults::forgive_turn(&account(2), 1), "there is no such vault");
    });
}

#[test]
fn one_whose_ejection_was_forgiven_is_back_on_probation_if_its_score_allows() {
    ExtBuilder.build_and_execute(|| {
        register(1, 400, 7);
        assert!(!Vaults::readmit(&account(1)), "it wasn't ejected");
        (0..3).for_each(|_| {
            Vaults::record_turn(&account(1), true);
        });
        assert!(Vaults::eject(&account(1)));
        assert!(vault(1).position.is_none());
        assert!(Vaults::readmit(&account(1)));
        assert_eq!((vault(1).status, vault(1).missed_in_row), (VaultStatus::Probation, 0));
        assert!(vault(1).position.is_some(), "it can be drawn again");
        Vaults::note(&account(1), Cause::ProofInvalid);
        assert!(Vaults::eject(&account(1)));
        assert!(!Vaults::readmit(&account(1)));
        assert_eq!(vault(1).status, VaultStatus::Ejected);
        assert!(!Vaults::readmit(&account(2)), "there is no such vault");
    });
}

#[test]
fn an_exiting_vault_stays_one_whatever_its_score() {
    ExtBuilder.build_and_execute(|| {
        register(1, 400, 7);
        assert_ok!(Vaults::begin_exit(signed(1)));
        Vaults::note(&account(1), Cause::ProofInvalid);
        prove(1, 40);
        assert_eq!(vault(1).status, VaultStatus::Exiting);
    });
}
