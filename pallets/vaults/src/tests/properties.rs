// SPDX-License-Identifier: Apache-2.0

//! Random sequences of calls and of what storage does with vaults: the invariants hold after each, a call that fails changes
//! nothing, and money is conserved.

use crate::{mock::*, Call, Cause, Wanted};
use frame_support::assert_storage_noop;
use proptest::{collection::vec, prelude::*, sample::select};
use sp_runtime::traits::Dispatchable;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Call(Call<Test>),
    Reserve(u64),
    Release,
    Slash(u128),
    Note(Cause),
    Turn(bool),
    Eject,
    Draw { price: u128, capacity_units: u64, count: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let units = || select(&[0u64, 1, 7, 64, 65, 300, 1_000, 1 << 41][..]);
    let ask = || select(&[0u128, 1, 3, 4, 100, 1 << 94, 1 << 95][..]);
    let amount = || select(&[0u128, 10, 700, 5_000, 20_000_000_000][..]);
    let cause = select(
        &[
            Cause::Proven,
            Cause::Missed,
            Cause::ProofInvalid,
            Cause::AccusationRight,
            Cause::DisputeLost,
            Cause::Unsigned(2),
            Cause::Restored,
        ][..],
    );
    prop_oneof![
        4 => (units(), ask(), 0u32..6, amount()).prop_map(|(capacity_units, ask, number, bond)| {
            Step::Call(Call::register { capacity_units, ask, addresses: here(), service_key: key(number), bond })
        }),
        3 => (prop::option::of(units()), prop::option::of(ask()), prop::option::of(0u32..6)).prop_map(
            |(capacity_units, ask, number)| {
                let service_key = number.map(key);
                Step::Call(Call::update { capacity_units, ask, addresses: None, service_key })
            }
        ),
        1 => any::<bool>().prop_map(|paused| Step::Call(Call::set_paused { paused })),
        2 => amount().prop_map(|amount| Step::Call(Call::bond_more { amount })),
        2 => amount().prop_map(|amount| Step::Call(Call::unbond { amount })),
        1 => Just(Step::Call(Call::begin_exit {})),
        2 => Just(Step::Call(Call::finish_exit {})),
        4 => units().prop_map(Step::Reserve),
        3 => Just(Step::Release),
        1 => amount().prop_map(Step::Slash),
        3 => cause.prop_map(Step::Note),
        2 => any::<bool>().prop_map(Step::Turn),
        1 => Just(Step::Eject),
        2 => (ask(), units(), 1u32..5)
            .prop_map(|(price, capacity_units, count)| Step::Draw { price, capacity_units, count }),
    ]
}

fn cases() -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(wanted.unwrap_or(64))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_is_done_the_invariants_hold(steps in vec((step(), 0u32..5), 1..120)) {
        ExtBuilder.build_and_execute(|| {
            let mut slots: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
            for (step, who) in steps {
                let id = account(who);
                match step {
                    Step::Call(call) => {
                        let before = sp_io::storage::root(sp_runtime::StateVersion::V1);
                        let done = RuntimeCall::Vaults(call).dispatch(signed(who)).is_ok();
                        let same = before == sp_io::storage::root(sp_runtime::StateVersion::V1);
                        assert!(done || same, "a call that failed changed something");
                    },
                    Step::Reserve(units) => {
                        let room = crate::Vaults::<Test>::get(&id).map(|vault| Vaults::room(&vault));
                        let reserved = Vaults::reserve(&id, units).is_ok();
                        assert_eq!(reserved, room.is_some_and(|room| room >= units));
                        if reserved {
                            slots.entry(who).or_default().push(units);
                        }
                    },
                    Step::Release => {
                        if let Some(units) = slots.get_mut(&who).and_then(Vec::pop) {
                            Vaults::release(&id, units).unwrap();
                        }
                    },
                    Step::Slash(amount) => {
                        let bond = crate::Vaults::<Test>::get(&id).map_or(0, |vault| vault.bond);
                        assert_eq!(Vaults::slash(&id, amount, &account(99)), amount.min(bond));
                    },
                    Step::Note(cause) => {
                        Vaults::note(&id, cause);
                    },
                    Step::Turn(missed) => {
                        Vaults::record_turn(&id, missed);
                    },
                    Step::Eject => {
                        Vaults::eject(&id);
                    },
                    Step::Draw { price, capacity_units, count } => {
                        let exclude = [id];
                        let wanted = Wanted { price, capacity_units, exclude: &exclude };
                        assert_storage_noop!({
                            let eligible = Vaults::eligible(&wanted);
                            let drawn = Vaults::draw(&1, wanted, count);
                            assert_eq!(drawn.is_ok(), eligible >= count, "{eligible} for {count}");
                            for who in drawn.unwrap_or_default() {
                                let vault = crate::Vaults::<Test>::get(&who).unwrap();
                                assert!(!exclude.contains(&who) && vault.ask <= price);
                                assert!(Vaults::room(&vault) >= capacity_units);
                            }
                        });
                    },
                }
                let reserved = |who: &u32| slots.get(who).map_or(0, |units| units.iter().sum());
                for number in 0..5 {
                    if let Some(vault) = crate::Vaults::<Test>::get(account(number)) {
                        assert_eq!(vault.reserved_units, reserved(&number));
                    }
                }
                Vaults::do_try_state().unwrap();
            }
        });
    }
}
