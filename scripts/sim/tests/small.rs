// SPDX-License-Identifier: Apache-2.0

//! The simulator's own check, as CI runs it.

use cairn_sim::{check, params::Params};

#[test]
fn nobody_is_slashed_wrongly_no_coin_is_made_and_both_states_are_the_same() {
    let figures = check::compare(&Params::small()).expect("a small world is sound");
    // It was a world in which something happened.
    assert!(figures.proven > 500, "{}", figures.proven);
    assert!(
        figures.restored > 100 && figures.reports > 10 && figures.ejected > 0,
        "{} {}",
        figures.restored,
        figures.reports
    );
    assert!(figures.disks_failed > 0 && figures.vanished > 0 && figures.left_in_order > 0);
    assert!(figures.ended.len() >= 2, "{:?}", figures.ended);
}

/// Some of these vaults are up for a moment between two outages within one deadline, too short to see that they are asked.
#[test]
fn whoever_could_not_have_shown_it_was_not_slashed_wrongly() {
    let params = Params { days: 20, outage_day: 0, up: 0.5, down_minutes: 10.0, ..Params::small() };
    let (figures, _) = check::live(&params, cairn_sim::world::Evidence::Known, |_, _| {}).expect("it lives");
    check::sound(&figures).expect("nobody was");
    assert!(figures.punished.len() > 3, "many were slashed rightly: {:?}", figures.punished);
}

#[test]
fn a_seed_gives_the_same_year_and_another_another() {
    let params = Params { days: 5, outage_day: 2, ..Params::small() };
    let live = |params: &Params| check::live(params, cairn_sim::world::Evidence::Known, |_, _| {}).unwrap();
    let (first, again) = (live(&params), live(&params));
    assert!(first.0 == again.0 && first.1 == again.1);
    let other = live(&Params { seed: 2, ..params });
    assert!(first.0 != other.0 && first.1 != other.1);
}
