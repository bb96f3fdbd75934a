// SPDX-License-Identifier: Apache-2.0

//! That challenges are uniform over all that a vault is liable for, and find what is missing as often as theory says.

use crate::mock::*;
use cairn_primitives::storage::{Coding, CHUNKS_PER_UNIT};
use pallet_vaults::Dice;
use std::collections::BTreeMap;

/// Drives of these units (each a drive's live part, behind what was given up); all are kept by the same vaults.
fn setup(all: &[(u64, u64)]) -> Vec<u64> {
    (0..4).for_each(|index| register_with(index, 1_000_000, ENDOWMENT / 2));
    let of = |(trimmed, live): &(u64, u64)| {
        let id = create_for(ALICE, Coding::K1, live + trimmed, 1);
        commit(ALICE, id, trimmed + live);
        if *trimmed > 0 {
            Storage::trim(signed(ALICE), id, 1, *trimmed).unwrap();
        }
        id
    };
    all.iter().map(of).collect()
}

fn dice(number: u64) -> Dice {
    let mut seed = [8; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    Dice::new(seed)
}

#[test]
fn each_unit_is_drawn_as_often_as_any_other_whatever_drive_it_is_in() {
    ExtBuilder.build_and_execute(|| {
        let all = [(0, 1), (0, 2), (5, 3), (0, 17), (40, 31), (3, 32), (0, 50), (10, 64)];
        let ids = setup(&all);
        let units: u64 = all.iter().map(|(_, live)| live).sum();
        assert_eq!(book(VAULTS).liable_units, units);
        let draws = 100 * units as u32;
        let mut counts: BTreeMap<(u64, u64), u32> = BTreeMap::new();
        let mut chunks = [0u32; CHUNKS_PER_UNIT as usize];
        for number in 0..draws / 16 {
            let targets = Storage::draw_targets(&mut dice(number.into()), &account(VAULTS), 16);
            assert_eq!(targets.len(), 16);
            for target in targets {
                let drive = drive(target.at.drive);
                assert_eq!((target.root, target.units), (slot(target.at.drive, target.at.slot).root, drive.units));
                assert_eq!(holder(target.at.drive, target.at.slot), VAULTS);
                *counts.entry((target.at.drive, target.chunk / CHUNKS_PER_UNIT)).or_default() += 1;
                chunks[(target.chunk % CHUNKS_PER_UNIT) as usize] += 1;
            }
        }
        // Only what is there and not given up, and all of it.
        assert_eq!(counts.len() as u64, units);
        for (id, (trimmed, live)) in ids.iter().zip(all) {
            assert!((trimmed..trimmed + live).all(|unit| counts.contains_key(&(*id, unit))));
        }
        let chi = |counts: &mut dyn Iterator<Item = u32>, expected: f64| -> f64 {
            counts.map(|count| (f64::from(count) - expected).powi(2) / expected).sum()
        };
        let drawn = f64::from(draws / 16 * 16);
        let of_units = chi(&mut counts.values().copied(), drawn / units as f64);
        assert!(of_units < limit(units as f64 - 1.0), "{of_units}");
        let of_chunks = chi(&mut chunks.iter().copied(), drawn / 4.0);
        assert!(of_chunks < limit(3.0), "{of_chunks}");
    });
}

/// The value that a chi-square of so many degrees of freedom exceeds once in some ten thousand times (Wilson, Hilferty).
fn limit(degrees: f64) -> f64 {
    degrees * (1.0 - 2.0 / (9.0 * degrees) + 3.72 * (2.0 / (9.0 * degrees)).sqrt()).powi(3)
}

#[test]
fn what_is_missing_is_found_as_often_as_theory_says() {
    ExtBuilder.build_and_execute(|| {
        let ids = setup(&[(0, 60), (7, 40), (0, 33), (0, 60), (0, 7)]);
        let live = |id: u64| drive(id).trimmed_units..drive(id).units;
        let all: Vec<(u64, u64)> = ids.iter().flat_map(|id| live(*id).map(move |unit| (*id, unit))).collect();
        assert_eq!(all.len(), 200);
        for (missing_percent, turns) in [(1u32, 4_000u32), (10, 2_000), (50, 1_000)] {
            // Every 100th unit, every 10th, every other.
            let step = 100 / missing_percent as usize;
            let missing: Vec<_> = all.iter().skip(step / 2).step_by(step).collect();
            assert_eq!(missing.len() * 100, all.len() * missing_percent as usize);
            for proofs in [4, 16] {
                let caught = (0..turns).filter(|turn| {
                    let seed = u64::from(turn * 100 + missing_percent) << 8 | u64::from(proofs);
                    let targets = Storage::draw_targets(&mut dice(seed), &account(VAULTS), proofs);
                    targets.iter().any(|target| missing.contains(&&(target.at.drive, target.chunk / CHUNKS_PER_UNIT)))
                });
                let share = caught.count() as f64 / f64::from(turns);
                let theory = 1.0 - (1.0 - f64::from(missing_percent) / 100.0).powi(proofs as i32);
                // Four standard deviations.
                let tolerance = 4.0 * (theory * (1.0 - theory) / f64::from(turns)).sqrt();
                assert!((share - theory).abs() <= tolerance, "{missing_percent}% of {proofs}: {share}, not {theory}");
            }
        }
    });
}

#[test]
fn a_loss_of_a_hundredth_is_found_within_thirty_periods() {
    // 16 chunks a period: 0.99^(16 * 30) are left unfound.
    let unfound = 0.99f64.powi(16 * 30);
    assert!(unfound < 0.01, "{unfound}");
    ExtBuilder.build_and_execute(|| {
        let ids = setup(&[(0, 60), (0, 40)]);
        let missing = (ids[1], 20u64);
        let found = (0..300u64).filter(|run| {
            (0..30).any(|period| {
                let targets = Storage::draw_targets(&mut dice(run * 1_000 + period), &account(VAULTS), 16);
                targets.iter().any(|target| (target.at.drive, target.chunk / CHUNKS_PER_UNIT) == missing)
            })
        });
        assert!(found.count() >= 293);
    });
}
