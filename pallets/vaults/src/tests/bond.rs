// SPDX-License-Identifier: Apache-2.0

use crate::{mock::*, BondCause, Error, Event};
use frame_support::{assert_noop, assert_ok};

#[test]
fn room_is_what_is_offered_and_bonded() {
    ExtBuilder.build_and_execute(|| {
        // Offers 500 units, with a bond for 120.
        assert_ok!(register_with(1, 500, 7, 1_200));
        assert_eq!(Vaults::room(&vault(1)), 120);
        assert_noop!(Vaults::reserve(&account(1), 121), Error::<Test>::NoRoom);
        assert_ok!(Vaults::reserve(&account(1), 100));
        assert_eq!(Vaults::room(&vault(1)), 20);
        assert_noop!(Vaults::reserve(&account(1), 21), Error::<Test>::NoRoom);
        assert_ok!(Vaults::bond_more(signed(1), 10_000));
        assert_eq!(Vaults::room(&vault(1)), 400);
        assert_noop!(Vaults::reserve(&account(1), 401), Error::<Test>::NoRoom);
        assert_noop!(Vaults::reserve(&account(2), 1), Error::<Test>::VaultUnknown);
        assert_noop!(Vaults::release(&account(2), 1), Error::<Test>::VaultUnknown);
    });
}

#[test]
fn a_capacity_without_a_bond_is_not_drawn() {
    ExtBuilder.build_and_execute(|| {
        assert_ok!(register_with(1, crate::CAPACITY_UNITS_MAX, 7, BOND_MIN));
        assert_eq!(Vaults::room(&vault(1)), 100);
        let wanted = |capacity_units| crate::Wanted { price: 7, capacity_units, exclude: &[] };
        assert_eq!(Vaults::eligible(&wanted(100)), 1);
        assert_eq!(Vaults::eligible(&wanted(101)), 0);
        assert_noop!(Vaults::draw(&0, wanted(101), 1), Error::<Test>::NotEnoughVaults);
    });
}

#[test]
fn slots_can_grow_as_far_as_there_is_room() {
    ExtBuilder.build_and_execute(|| {
        register(1, 100, 7);
        assert_ok!(Vaults::reserve(&account(1), 60));
        assert_noop!(Vaults::resize_slot(&account(1), 60, 101), Error::<Test>::NoRoom);
        assert_ok!(Vaults::resize_slot(&account(1), 60, 100));
        assert_eq!(vault(1).position, None);
        assert_ok!(Vaults::resize_slot(&account(1), 100, 10));
        assert_eq!((vault(1).reserved_units, vault(1).slots), (10, 1));
    });
}

#[test]
fn a_bond_that_is_needed_cannot_be_taken_back() {
    ExtBuilder.build_and_execute(|| {
        assert_ok!(register_with(1, 500, 7, 3_000));
        assert_ok!(Vaults::reserve(&account(1), 150));
        assert_noop!(Vaults::unbond(signed(1), 1_501), Error::<Test>::BondTooSmall);
        assert_noop!(Vaults::unbond(signed(1), 3_001), Error::<Test>::BondTooSmall);
        assert_ok!(Vaults::unbond(signed(1), 1_500));
        assert_eq!((vault(1).bond, held(1)), (1_500, 1_500));
        let event = Event::BondChanged { who: account(1), from: 3_000, to: 1_500, cause: BondCause::Taken };
        System::assert_last_event(event.into());
        assert_ok!(Vaults::release(&account(1), 150));
        assert_noop!(Vaults::unbond(signed(1), 501), Error::<Test>::BondTooSmall);
        assert_ok!(Vaults::unbond(signed(1), 500));
        assert_noop!(Vaults::unbond(signed(2), 0), Error::<Test>::VaultUnknown);
        assert_noop!(Vaults::bond_more(signed(2), 1), Error::<Test>::VaultUnknown);
        assert!(Vaults::bond_more(signed(1), ENDOWMENT).is_err());
    });
}

#[test]
fn a_slash_takes_what_there_is_and_moves_it() {
    ExtBuilder.build_and_execute(|| {
        register(1, 500, 7);
        let before = Balances::free_balance(account(9));
        assert_eq!(Vaults::slash(&account(1), 2_000, &account(9)), 2_000);
        assert_eq!((vault(1).bond, held(1)), (3_000, 3_000));
        assert_eq!(Vaults::room(&vault(1)), 300);
        assert_eq!(Vaults::slash(&account(1), 5_000, &account(9)), 3_000);
        assert_eq!(Vaults::slash(&account(1), 5_000, &account(9)), 0);
        assert_eq!(Vaults::slash(&account(2), 5_000, &account(9)), 0);
        assert_eq!(Balances::free_balance(account(9)), before + 5_000);
        assert_eq!(vault(1).position, None);
    });
}
