// SPDX-License-Identifier: Apache-2.0

use crate::{ask_class, mock::*, room_class, Dice, Error, Vault, Wanted, ASK_CLASSES, ASK_MAX, CAPACITY_UNITS_MAX};
use cairn_primitives::storage::VaultStatus;
use frame_support::{assert_noop, assert_ok};
use std::collections::BTreeMap;

fn seed(number: u64) -> Dice {
    let mut seed = [3; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    Dice::new(seed)
}

fn wanted<'a>(price: u128, capacity_units: u64, exclude: &'a [AccountId]) -> Wanted<'a, AccountId> {
    Wanted { price, capacity_units, exclude }
}

fn change(number: u32, change: impl FnOnce(&mut Vault)) {
    assert_ok!(Vaults::mutate(&account(number), |vault| {
        change(vault);
        Ok(())
    }));
}

/// How far draws are from what they should be: the sum of squares over what was expected.
fn chi_square(expected: &BTreeMap<AccountId, f64>, found: &BTreeMap<AccountId, u32>) -> f64 {
    assert!(found.keys().all(|who| expected.contains_key(who)), "somebody was drawn who must not be");
    expected
        .iter()
        .map(|(who, expected)| {
            let found = f64::from(found.get(who).copied().unwrap_or(0));
            (found - expected).powi(2) / expected
        })
        .sum()
}

/// The value that a chi-square of so many degrees of freedom exceeds once in some ten thousand times (Wilson, Hilferty).
fn limit(degrees: usize) -> f64 {
    let n = degrees as f64;
    n * (1.0 - 2.0 / (9.0 * n) + 3.72 * (2.0 / (9.0 * n)).sqrt()).powi(3)
}

#[test]
fn classes_cover_all_that_can_be_asked_and_offered() {
    assert_eq!([0, 1, 2, 3, 4, 15, 16].map(ask_class), [0, 1, 1, 1, 2, 2, 3]);
    assert!(ask_class(ASK_MAX) < ASK_CLASSES);
    assert_eq!([0, 1, 2, 3, 4].map(room_class), [None, Some(0), Some(1), Some(1), Some(2)]);
    assert_eq!(room_class(CAPACITY_UNITS_MAX), Some(40));
    assert_eq!(room_class(u64::MAX), Some(40));
}

#[test]
fn a_group_is_of_distinct_vaults_that_qualify() {
    ExtBuilder.build_and_execute(|| {
        for number in 0..8 {
            register(number, 100, 10);
        }
        register(8, 99, 10);
        register(9, 100, 11);
        register(10, 100, 10);
        assert_ok!(Vaults::set_paused(signed(10), true));
        register(11, 100, 10);
        assert_ok!(Vaults::begin_exit(signed(11)));
        let excluded = [account(0), account(1)];
        for number in 0..50 {
            let mut drawn = Vaults::draw_by(seed(number), wanted(10, 100, &excluded), 6).unwrap();
            drawn.sort();
            let mut all: Vec<_> = (2..8).map(account).collect();
            all.sort();
            assert_eq!(drawn, all);
        }
        assert_eq!(Vaults::eligible(&wanted(10, 100, &excluded)), 6);
        assert_eq!(Vaults::eligible(&wanted(10, 100, &[])), 8);
        assert_eq!(Vaults::eligible(&wanted(11, 99, &[])), 10);
        assert_noop!(Vaults::draw_by(seed(0), wanted(10, 100, &excluded), 7), Error::<Test>::NotEnoughVaults);
        assert_noop!(Vaults::draw_by(seed(0), wanted(9, 1, &[]), 1), Error::<Test>::NotEnoughVaults);
    });
}

#[test]
fn the_draw_follows_the_subject_and_the_chains_randomness() {
    ExtBuilder.build_and_execute(|| {
        for number in 0..40 {
            register(number, 100, 10);
        }
        let draw = |subject: u32| Vaults::draw(&subject, wanted(10, 100, &[]), 8).unwrap();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let before = draw(1);
        Seed::set(2);
        assert_ne!(draw(1), before);
        Seed::set(1);
    });
}

/// Draws one of `vaults` (number, room, score in millionths, active) many times, and compares with their weights.
fn ensure_in_proportion(vaults: &[(u32, u64, bool)], misses: &[u32], draws: u32) {
    for (number, room, active) in vaults {
        register(*number, *room, 10);
        change(*number, |vault| {
            if *active {
                vault.status = VaultStatus::Active;
            }
        });
    }
    for number in misses {
        Vaults::note(&account(*number), crate::Cause::Missed);
    }
    // Others that don't qualify are in the way.
    for number in 230..240 {
        register(number, 1_000, 12);
    }
    let weight = |number: u32| Vaults::weight_of(&vault(number)) as f64;
    let sum: f64 = vaults.iter().map(|(number, ..)| weight(*number)).sum();
    let expected: BTreeMap<_, _> =
        vaults.iter().map(|(number, ..)| (account(*number), weight(*number) / sum * f64::from(draws))).collect();
    let mut found = BTreeMap::new();
    for number in 0..draws {
        let drawn = Vaults::draw_by(seed(number.into()), wanted(11, 10, &[]), 1).unwrap();
        *found.entry(drawn[0].clone()).or_insert(0u32) += 1;
    }
    let chi = chi_square(&expected, &found);
    assert!(chi < limit(vaults.len() - 1), "{chi} with {} vaults", vaults.len());
}

#[test]
fn among_few_each_is_drawn_by_room_score_and_status() {
    ExtBuilder.build_and_execute(|| {
        let vaults: Vec<_> = (0..24).map(|number| (number, 20 + 37 * u64::from(number), number % 3 == 0)).collect();
        ensure_in_proportion(&vaults, &[3, 4, 6], 20_000);
    });
}

#[test]
fn among_many_each_is_drawn_by_room_score_and_status() {
    ExtBuilder.build_and_execute(|| {
        let vaults: Vec<_> = (0..120).map(|number| (number, 20 + 37 * u64::from(number), number % 3 != 0)).collect();
        ensure_in_proportion(&vaults, &[3, 4, 6, 60, 61], 60_000);
    });
}

#[test]
fn the_few_that_qualify_among_many_are_found() {
    ExtBuilder.build_and_execute(|| {
        // All are in one class, since 9 and 10 are, but only eight ask little enough.
        for number in 0..200 {
            register(number, 100, if number % 25 == 0 { 9 } else { 10 });
        }
        for number in 0..100 {
            let drawn = Vaults::draw_by(seed(number), wanted(9, 100, &[]), 8).unwrap();
            assert!(drawn.iter().all(|who| crate::Vaults::<Test>::get(who).unwrap().ask == 9));
        }
        assert_eq!(Vaults::eligible(&wanted(9, 100, &[])), 8);
    });
}

#[test]
fn a_cheap_drive_is_not_kept_from_its_vaults_by_dear_ones() {
    ExtBuilder.build_and_execute(|| {
        for number in 0..200 {
            register(number, 1_000, 1_000_000);
        }
        for number in 200..205 {
            register(number, 10, 1);
        }
        for number in 0..100 {
            let drawn = Vaults::draw_by(seed(number), wanted(1, 10, &[]), 5).unwrap();
            assert!(drawn.iter().all(|who| (200..205).any(|number| account(number) == *who)));
        }
    });
}

#[test]
fn a_wide_group_is_drawn_without_replacement() {
    ExtBuilder.build_and_execute(|| {
        for number in 0..100 {
            register(number, 1 << (number % 10 + 4), 10);
        }
        for number in 0..50 {
            let mut drawn = Vaults::draw_by(seed(number), wanted(10, 16, &[account(5)]), 32).unwrap();
            drawn.sort();
            drawn.dedup();
            assert_eq!(drawn.len(), 32);
            assert!(!drawn.contains(&account(5)));
        }
    });
}

/// `scripts/bench draw`: a draw's time shouldn't grow with the vaults that there are.
#[test]
#[ignore = "a measurement, not a test"]
fn what_a_draw_takes_among_many_vaults() {
    const DRAWS: u32 = 2_000;
    crate::mock::PeriodBlocks::set(28_800);
    ExtBuilder.build().execute_with(|| {
        let (mut registered, mut first) = (0, None);
        for vaults in [1_000, 10_000, 100_000] {
            for number in registered..vaults {
                endow(number);
                // Of 17 asks and 2,000 sizes.
                register(number, 100 + u64::from(number % 2_000), 10 + u128::from(number % 17));
            }
            registered = vaults;
            for count in [4, 16] {
                let begun = std::time::Instant::now();
                for number in 0..DRAWS {
                    Vaults::draw_by(seed(number.into()), wanted(18, 150, &[]), count).expect("there are enough");
                }
                let micros = begun.elapsed().as_micros() as f64 / f64::from(DRAWS);
                let ratio = micros / *first.get_or_insert(micros);
                println!("{vaults} vaults, {count} drawn: {micros:.1} us, {ratio:.2} of the first");
            }
        }
    });
}

#[test]
fn dice_are_even() {
    let mut dice = seed(7);
    let mut counts = [0u32; 10];
    for _ in 0..20_000 {
        counts[dice.below_u64(10) as usize] += 1;
    }
    let chi: f64 = counts.iter().map(|count| (f64::from(*count) - 2_000.0).powi(2) / 2_000.0).sum();
    assert!(chi < limit(9), "{chi}");
    assert_eq!(dice.below(0), 0);
    assert_eq!(dice.below(1), 0);
}
