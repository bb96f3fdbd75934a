// SPDX-License-Identifier: Apache-2.0

use crate::{mock::*, Error, Event, Places, ServiceKeys, ASK_MAX, CAPACITY_UNITS_MAX, VAULTS_PER_PLACE_MAX};
use cairn_primitives::storage::VaultStatus;
use frame_support::{assert_noop, assert_ok};

#[test]
fn a_vault_registers_with_a_bond_a_key_and_a_place() {
    ExtBuilder.build_and_execute(|| {
        register(1, 500, 7);
        let found = vault(1);
        assert_eq!((found.status, found.capacity_units, found.ask), (VaultStatus::Probation, 500, 7));
        assert_eq!((found.bond, held(1)), (5_000, 5_000));
        assert_eq!(ServiceKeys::<Test>::get(key(1)), Some(account(1)));
        assert!(Places::<Test>::get(found.place_block).contains(&account(1)));
        let event = Event::Registered {
            who: account(1),
            service_key: key(1),
            capacity_units: 500,
            ask: 7,
            bond: 5_000,
            place_block: found.place_block,
        };
        System::assert_last_event(event.into());
    });
}

#[test]
fn what_a_vault_cannot_be_is_refused() {
    ExtBuilder.build_and_execute(|| {
        register(1, 500, 7);
        assert_noop!(register_with(1, 500, 7, BOND_MIN), Error::<Test>::VaultExists);
        assert_noop!(register_with(2, 0, 7, BOND_MIN), Error::<Test>::CapacityInvalid);
        assert_noop!(register_with(2, CAPACITY_UNITS_MAX + 1, 7, BOND_MIN), Error::<Test>::CapacityInvalid);
        assert_noop!(register_with(2, 500, ASK_MAX + 1, BOND_MIN), Error::<Test>::AskInvalid);
        assert_noop!(register_with(2, 500, 7, BOND_MIN - 1), Error::<Test>::BondTooSmall);
        let as_first = Vaults::register(signed(2), 500, 7, here(), key(1), BOND_MIN);
        assert_noop!(as_first, Error::<Test>::ServiceKeyTaken);
        let poor = register_with(2, 500, 7, ENDOWMENT + 1);
        assert!(poor.is_err());
        assert_ok!(register_with(2, CAPACITY_UNITS_MAX, ASK_MAX, BOND_MIN));
    });
}

#[test]
fn addresses_are_a_host_and_a_port() {
    ExtBuilder.build_and_execute(|| {
        let tried = |all: &[&str]| Vaults::register(signed(1), 5, 7, addresses(all), key(1), BOND_MIN);
        let wrong = [
            "",
            "host",
            "host:",
            ":1",
            "host:0",
            "host:65536",
            "host:+1",
            "ho st:1",
            "h\u{e9}:1",
            "[::1:1",
            "[]:1",
            "::1:1",
            "http://host:1",
            "[12]:1",
        ];
        for address in wrong {
            assert_noop!(tried(&[address]), Error::<Test>::AddressInvalid);
            assert_noop!(tried(&["host:1", address]), Error::<Test>::AddressInvalid);
        }
        assert_noop!(tried(&[]), Error::<Test>::AddressInvalid);
        let not_utf8 = vec![vec![0xff, b':', b'1'].try_into().unwrap()].try_into().unwrap();
        let refused = Vaults::register(signed(1), 5, 7, not_utf8, key(1), BOND_MIN);
        assert_noop!(refused, Error::<Test>::AddressInvalid);
        assert_ok!(tried(&["host:1", "192.0.2.1:65535", "[2001:db8::1]:4000", "a-b.example:80"]));
    });
}

#[test]
fn a_full_place_sends_a_vault_to_the_next_and_a_full_period_away() {
    PeriodBlocks::set(2);
    ExtBuilder.build_and_execute(|| {
        for number in 0..2 * VAULTS_PER_PLACE_MAX {
            assert_ok!(register_with(number, 1, 1, BOND_MIN));
        }
        assert_eq!(Places::<Test>::get(0).len(), VAULTS_PER_PLACE_MAX as usize);
        assert_eq!(Places::<Test>::get(1).len(), VAULTS_PER_PLACE_MAX as usize);
        assert_noop!(register_with(200, 1, 1, BOND_MIN), Error::<Test>::PeriodFull);
        assert_ok!(Vaults::begin_exit(signed(3)));
        assert_ok!(Vaults::finish_exit(signed(3)));
        assert_ok!(register_with(200, 1, 1, BOND_MIN));
    });
}

#[test]
fn places_are_spread_over_the_period() {
    ExtBuilder.build_and_execute(|| {
        for number in 0..200 {
            assert_ok!(register_with(number, 1, 1, BOND_MIN));
        }
        let counts: Vec<usize> = (0..PERIOD).map(|place| Places::<Test>::get(place).len()).collect();
        assert!(counts.iter().all(|count| (2..=22).contains(count)), "{counts:?}");
    });
}

#[test]
fn what_a_vault_offers_can_be_changed() {
    ExtBuilder.build_and_execute(|| {
        register(1, 500, 7);
        register(2, 500, 7);
        assert_ok!(Vaults::reserve(&account(1), 100));
        let update = |capacity, ask, addresses, key| Vaults::update(signed(1), capacity, ask, addresses, key);
        assert_noop!(update(Some(99), None, None, None), Error::<Test>::CapacityInvalid);
        assert_noop!(update(Some(CAPACITY_UNITS_MAX + 1), None, None, None), Error::<Test>::CapacityInvalid);
        assert_noop!(update(None, Some(ASK_MAX + 1), None, None), Error::<Test>::AskInvalid);
        assert_noop!(update(None, None, Some(addresses(&["no"])), None), Error::<Test>::AddressInvalid);
        assert_noop!(update(None, None, None, Some(key(2))), Error::<Test>::ServiceKeyTaken);
        assert_noop!(Vaults::update(signed(3), None, None, None, None), Error::<Test>::VaultUnknown);
        System::reset_events();
        assert_ok!(update(Some(100), Some(9), Some(addresses(&["b:2"])), Some(key(77))));
        let found = vault(1);
        assert_eq!((found.capacity_units, found.ask, found.service_key), (100, 9, key(77)));
        assert_eq!(ServiceKeys::<Test>::get(key(1)), None);
        for event in [
            Event::CapacityChanged { who: account(1), from_units: 500, to_units: 100 },
            Event::AskChanged { who: account(1), from: 7, to: 9 },
            Event::AddressesChanged { who: account(1), from: here(), to: addresses(&["b:2"]) },
            Event::ServiceKeyChanged { who: account(1), from: key(1), to: key(77) },
        ] {
            System::assert_has_event(event.into());
        }
    });
}

#[test]
fn an_exit_waits_for_slots_and_for_the_ledger() {
    ExtBuilder.build_and_execute(|| {
        register(1, 500, 7);
        assert_ok!(Vaults::reserve(&account(1), 100));
        assert_noop!(Vaults::begin_exit(signed(2)), Error::<Test>::VaultUnknown);
        assert_noop!(Vaults::finish_exit(signed(2)), Error::<Test>::VaultUnknown);
        assert_noop!(Vaults::finish_exit(signed(1)), Error::<Test>::NotExiting);
        assert_ok!(Vaults::begin_exit(signed(1)));
        assert_noop!(Vaults::begin_exit(signed(1)), Error::<Test>::Exiting);
        assert_noop!(Vaults::finish_exit(signed(1)), Error::<Test>::SlotsHeld);
        assert_ok!(Vaults::release(&account(1), 100));
        LedgerIsOpen::set(true);
        assert!(Vaults::finish_exit(signed(1)).is_err());
        LedgerIsOpen::set(false);
        assert_ok!(Vaults::finish_exit(signed(1)));
        assert_eq!(held(1), 0);
        assert_eq!(crate::Vaults::<Test>::get(account(1)), None);
        System::assert_last_event(Event::Exited { who: account(1), bond: 5_000 }.into());
        // And may come back.
        register(1, 10, 7);
    });
}

#[test]
fn a_paused_vault_is_not_drawn() {
    ExtBuilder.build_and_execute(|| {
        register(1, 500, 7);
        assert_noop!(Vaults::set_paused(signed(2), true), Error::<Test>::VaultUnknown);
        assert_ok!(Vaults::set_paused(signed(1), true));
        assert_eq!(vault(1).position, None);
        assert_ok!(Vaults::set_paused(signed(1), false));
        assert!(vault(1).position.is_some());
        System::assert_last_event(Event::PausedChanged { who: account(1), from: true, to: false }.into());
    });
}
