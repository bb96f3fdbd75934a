// SPDX-License-Identifier: Apache-2.0

//! The attacks in a small world: as `scripts/sim/run --attacks` runs them in a larger one.

use cairn_sim::{attacks, params::Params, world::Attack};

fn small() -> Params {
    Params { vaults: 60, drives: 450, days: 12, day_blocks: 720, ..attacks::params(1) }
}

#[test]
fn false_roots_harm_nobody_else() {
    let found = attacks::attack(Attack::FalseRoots, &small()).expect("it lives");
    found.sound().expect("nobody is harmed");
    assert!(found.eve.drives.len() >= 40 && found.figures.successors_changed > 100, "it was an attack");
}

#[test]
fn no_drive_ends_early_whatever_else_ends_in_its_block() {
    let found = attacks::attack(Attack::FullBlocks, &small()).expect("it lives");
    found.sound().expect("nobody is harmed");
    assert!(found.figures.waited > 200, "blocks were full: {}", found.figures.waited);
    assert!(found.figures.ended["run dry"] >= 400, "{:?}", found.figures.ended);
}

#[test]
fn slots_that_nobody_can_be_drawn_for_keep_no_other_from_repair() {
    let found = attacks::attack(Attack::NoCandidates, &small()).expect("it lives");
    found.sound().expect("nobody is harmed");
    assert!(found.eve.ejected > 0 && found.figures.restored > 50, "{:?} {}", found.eve, found.figures.restored);
}

#[test]
fn faults_of_ones_own_vaults_gain_nothing() {
    let found = attacks::attack(Attack::OwnFaults, &small()).expect("it lives");
    found.sound().expect("nobody is harmed");
    assert!(found.eve.ejected > 0, "{:?}", found.eve);
}

#[test]
fn who_serves_nobody_earns_less() {
    let found = attacks::attack(Attack::ServesNobody, &Params { days: 24, ..small() }).expect("it lives");
    found.sound().expect("nobody is harmed");
    let honest = found.honest_income();
    assert!(found.eve.earned * 2 < honest, "{} of {honest}", found.eve.earned);
    assert!(found.figures.unserved > 20, "{}", found.figures.unserved);
}

#[test]
fn who_never_signs_is_suspended_and_owners_go_on() {
    let found = attacks::attack(Attack::NeverSigns, &small()).expect("it lives");
    assert_eq!((found.honest_punished(), found.figures.lost, found.figures.ended_early), (0, 0, 0));
    assert!(
        found.eve.suspended == 6 && found.figures.redrawn > 20,
        "{} {}",
        found.eve.suspended,
        found.figures.redrawn
    );
    assert_eq!(found.eve.earned, 0, "nothing was ever signed for");
}

#[test]
fn a_share_of_all_capacity_holds_what_chance_gives() {
    let params = Params { drives: 3_000, days: 1, wide: 0.0, ..small() };
    let (_, eve) = cairn_sim::check::attacked(&params, Some(Attack::Share(30))).expect("it lives");
    let share = attacks::Share { percent: 30, eve };
    let (found, computed) = (share.part(1, 2).0, attacks::binomial_tail(4, 2, 0.3));
    assert!((found - computed).abs() < 0.06, "{found} {computed}");
}
