// SPDX-License-Identifier: Apache-2.0

use crate::{
    mock::*, EndCause, Error, Event, HoldReason, OwnerDriveCounts, DRIVES_MAX, ENDINGS_PER_BLOCK, ENDINGS_PER_BLOCK_MAX,
};
use cairn_primitives::storage::{Coding, SlotState, Visibility};
use frame_support::{assert_noop, assert_ok};
use pallet_vaults::{ASK_MAX, CAPACITY_UNITS_MAX};

fn create_call(capacity: u64, price: u128, escrow: u128) -> frame_support::dispatch::DispatchResult {
    Storage::create_drive(signed(ALICE), Coding::K1, capacity, price, escrow, Visibility::Private)
}

#[test]
fn a_drive_gets_distinct_vaults_and_takes_room_of_each() {
    ExtBuilder.build_and_execute(|| {
        register(12);
        let before = free(ALICE);
        let id = create(ALICE, Coding::K2);
        let made = drive(id);
        assert_eq!((made.healthy, made.rate, made.version, made.units), (8, 0, 0, 0));
        let deposit = DRIVE_DEPOSIT + 8 * SLOT_DEPOSIT;
        assert_eq!((made.deposit, held(ALICE, HoldReason::Drive)), (deposit, deposit));
        let paid = before - free(ALICE) - deposit;
        assert_eq!(reserve(), paid * 2 / 100);
        assert_eq!(made.escrow, paid - reserve());
        for number in 0..8 {
            let vault = vault(holder(id, number));
            assert_eq!((vault.slots, vault.reserved_units), (1, CAPACITY));
            assert_eq!(slot(id, number).state, SlotState::Healthy);
        }
    });
}

#[test]
fn what_a_drive_cannot_be_is_refused() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let least = gross(Storage::escrow_min(4, CAPACITY, PRICE));
        assert_noop!(create_call(0, PRICE, least), Error::<Test>::CapacityInvalid);
        assert_noop!(create_call(CAPACITY_UNITS_MAX + 1, PRICE, least), Error::<Test>::CapacityInvalid);
        assert_noop!(create_call(CAPACITY, ASK_MAX + 1, least), Error::<Test>::PriceTooHigh);
        assert_noop!(create_call(CAPACITY, PRICE, least - 2), Error::<Test>::EscrowTooSmall);
        assert!(create_call(CAPACITY, PRICE, ENDOWMENT + 1).is_err());
        assert_noop!(create_call(CAPACITY, PRICE - 1, least), pallet_vaults::Error::<Test>::NotEnoughVaults);
        assert_noop!(create_call(1_001, PRICE, least * 20), pallet_vaults::Error::<Test>::NotEnoughVaults);
        let wide = Storage::create_drive(signed(ALICE), Coding::K2, 1, PRICE, least, Visibility::Private);
        assert_noop!(wide, pallet_vaults::Error::<Test>::NotEnoughVaults);
        OwnerDriveCounts::<Test>::insert(account(ALICE), DRIVES_MAX);
        assert_noop!(create_call(CAPACITY, PRICE, least), Error::<Test>::TooManyDrives);
        OwnerDriveCounts::<Test>::remove(account(ALICE));
        assert_ok!(create_call(CAPACITY, PRICE, least));
    });
}

#[test]
fn a_drive_cannot_claim_capacity_that_is_not_bonded() {
    ExtBuilder.build_and_execute(|| {
        // Each offers 1,000 units, with a bond for 100.
        (0..4).for_each(|index| register_with(index, 1_000, 100 * BOND_PER_UNIT));
        let escrow = gross(Storage::escrow_min(4, 101, PRICE));
        assert_noop!(create_call(101, PRICE, escrow), pallet_vaults::Error::<Test>::NotEnoughVaults);
        assert_ok!(create_call(100, PRICE, escrow));
        draw_groups();
        assert_noop!(create_call(1, PRICE, escrow), pallet_vaults::Error::<Test>::NotEnoughVaults);
    });
}

#[test]
fn anyone_can_top_up() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        let before = drive(id).escrow;
        assert_noop!(Storage::top_up(signed(BOB), id, 0), Error::<Test>::AmountZero);
        assert_noop!(Storage::top_up(signed(BOB), id + 1, 10), Error::<Test>::DriveUnknown);
        assert!(Storage::top_up(signed(BOB), id, ENDOWMENT + 1).is_err());
        assert_ok!(Storage::top_up(signed(BOB), id, 1_000));
        assert_eq!(drive(id).escrow, before + 980);
        let event = Event::ToppedUp { drive: id, by: account(BOB), from: before, to: before + 980 };
        System::assert_last_event(event.into());
    });
}

#[test]
fn a_drive_pays_for_what_it_has_and_ends_exactly_when_it_is_dry() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create_for(ALICE, Coding::K1, CAPACITY, 1);
        commit(ALICE, id, 60);
        let (escrow, rate) = (drive(id).escrow, drive(id).rate);
        assert_eq!(rate, 4 * 60 * RATE);
        let dry = now() + (escrow / rate) as u32;
        assert_eq!(Storage::api_drive(id).unwrap().dry_block, Some(dry));
        let (owner, pending) = (free(ALICE), dry - now());
        run_proving(dry - now() - 1, &[]);
        assert!(crate::Drives::<Test>::contains_key(id));
        check();
        next_block();
        assert!(!crate::Drives::<Test>::contains_key(id));
        let refund = escrow - rate * u128::from(pending);
        assert!(refund < rate);
        assert_eq!(free(ALICE), owner + refund + DRIVE_DEPOSIT + 4 * SLOT_DEPOSIT);
        let (owner, cause) = (account(ALICE), EndCause::RanDry);
        System::assert_has_event(Event::DriveEnded { drive: id, owner, cause, refund }.into());
        assert!((0..4).all(|index| vault(VAULTS + index).slots == 0 && book(VAULTS + index).rate == 0));
    });
}

#[test]
fn the_owner_is_told_a_period_before_the_drive_is_dry() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create_for(ALICE, Coding::K1, CAPACITY, 3);
        commit(ALICE, id, 64);
        let dry = Storage::api_drive(id).unwrap().dry_block.unwrap();
        run_proving(dry - PERIOD - now() - 1, &[]);
        assert!(!drive(id).warned);
        next_block();
        let told = Event::DriveRunsDry { drive: id, owner: account(ALICE), dry_block: dry };
        System::assert_has_event(told.into());
        // Paid for longer, it is told again in time.
        assert_ok!(Storage::top_up(signed(ALICE), id, gross(64 * 4 * RATE * 40)));
        let later = Storage::api_drive(id).unwrap().dry_block.unwrap();
        assert!(later >= dry + 40);
        let mut told = 0;
        while crate::Drives::<Test>::contains_key(id) {
            run_proving(1, &[]);
            told += events().iter().filter(|event| matches!(event, Event::DriveRunsDry { .. })).count();
            assert!(now() <= later);
        }
        assert_eq!((told, now()), (1, later));
    });
}

#[test]
fn a_drive_that_has_less_than_a_period_left_says_so_at_once() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create_for(ALICE, Coding::K1, CAPACITY, 1);
        commit(ALICE, id, 64);
        let dry_block = Storage::api_drive(id).unwrap().dry_block.unwrap();
        assert!(dry_block <= now() + PERIOD);
        let told = Event::DriveRunsDry { drive: id, owner: account(ALICE), dry_block };
        System::assert_has_event(told.into());
    });
}

#[test]
fn more_drives_than_a_block_wants_to_end_all_last_until_they_are_dry() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let count = 3 * ENDINGS_PER_BLOCK;
        let ids: Vec<_> = (0..count).map(|_| create_for(ALICE, Coding::K1, 10, 1)).collect();
        ids.iter().for_each(|id| commit(ALICE, *id, 10));
        let dry = Storage::api_drive(ids[0]).unwrap().dry_block.unwrap();
        let mut ended = Vec::new();
        while now() < dry {
            run_proving(1, &[]);
            let now_ended = events().iter().filter(|event| matches!(event, Event::DriveEnded { .. })).count();
            assert!(now_ended <= ENDINGS_PER_BLOCK_MAX as usize);
            if now_ended > 0 {
                ended.push((dry - now(), now_ended));
            }
            check();
        }
        assert_eq!(ended.iter().map(|(_, count)| count).sum::<usize>(), count as usize, "none outlived its escrow");
        assert_eq!(ended, [(0, count as usize)], "none ended a block before");
    });
}

#[test]
fn an_empty_drive_costs_nothing() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        let before = drive(id).escrow;
        run_by(3 * PERIOD);
        assert_eq!(Storage::api_drive(id).unwrap().escrow, before);
        assert_eq!(Storage::api_drive(id).unwrap().dry_block, None);
        assert!(Storage::api_challenge(&account(VAULTS)).is_none());
    });
}

#[test]
fn closing_pays_vaults_up_to_now_and_gives_the_rest_back() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let before = free(ALICE);
        let id = create(ALICE, Coding::K1);
        let kept_back = reserve();
        commit(ALICE, id, 10);
        assert_noop!(Storage::close(signed(BOB), id), Error::<Test>::NotOwner);
        run_by(1);
        let holder = holder(id, 0);
        assert_ok!(Storage::close(signed(ALICE), id));
        assert_noop!(Storage::close(signed(ALICE), id), Error::<Test>::DriveUnknown);
        assert_eq!(free(ALICE), before - kept_back - 4 * 10 * RATE);
        assert_eq!(book(holder).pending, 10 * RATE);
        // Nobody has anything left to show, so it is paid at the next turn.
        let owned = free(holder);
        run_by(PERIOD);
        assert_eq!(free(holder), owned + 10 * RATE);
    });
}

#[test]
fn a_drive_can_grow_as_far_as_its_vaults_have_room_and_shrink_to_what_it_has() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 20);
        assert_noop!(Storage::resize(signed(BOB), id, 30), Error::<Test>::NotOwner);
        assert_noop!(Storage::resize(signed(ALICE), id, 19), Error::<Test>::CapacityInvalid);
        assert_noop!(Storage::resize(signed(ALICE), id, CAPACITY_UNITS_MAX + 1), Error::<Test>::CapacityInvalid);
        assert_noop!(Storage::resize(signed(ALICE), id, 1_001), pallet_vaults::Error::<Test>::NoRoom);
        assert_ok!(Storage::resize(signed(ALICE), id, 1_000));
        assert_eq!(vault(VAULTS).reserved_units, 1_000);
        assert_ok!(Storage::resize(signed(ALICE), id, 20));
        assert_eq!(vault(VAULTS).reserved_units, 20);
        System::assert_last_event(Event::Resized { drive: id, from_units: 1_000, to_units: 20 }.into());
        let poor = create_for(ALICE, Coding::K1, 10, 1);
        assert_noop!(Storage::resize(signed(ALICE), poor, 11), Error::<Test>::EscrowTooSmall);
    });
}

#[test]
fn a_drive_is_given_away_with_its_deposits() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        grant(ALICE, id, CAROL, cairn_primitives::storage::Role::Reader);
        let before = free(BOB);
        assert_noop!(Storage::transfer_drive(signed(BOB), id, account(BOB)), Error::<Test>::NotOwner);
        assert_noop!(Storage::transfer_drive(signed(ALICE), id, account(ALICE)), Error::<Test>::AlreadyOwner);
        OwnerDriveCounts::<Test>::insert(account(BOB), DRIVES_MAX);
        let full = Storage::transfer_drive(signed(ALICE), id, account(BOB));
        assert_noop!(full, Error::<Test>::TooManyDrives);
        OwnerDriveCounts::<Test>::remove(account(BOB));
        assert_ok!(Storage::transfer_drive(signed(ALICE), id, account(BOB)));
        let (from, to) = (account(ALICE), account(BOB));
        let event = Event::DriveTransferred { drive: id, from, to, from_generation: 0, to_generation: 1 };
        System::assert_last_event(event.into());
        assert_eq!((held(ALICE, HoldReason::Drive), held(ALICE, HoldReason::Grant)), (0, 0));
        assert_eq!(held(BOB, HoldReason::Grant), GRANT_DEPOSIT);
        assert_eq!(free(BOB), before, "it cost him nothing");
        assert_eq!(Storage::api_drives_of(&account(BOB)), vec![id]);
        assert!(Storage::api_drives_of(&account(ALICE)).is_empty());
        assert_ok!(Storage::close(signed(BOB), id));
    });
}

#[test]
fn what_was_sealed_to_the_new_owner_stays_and_the_former_one_writes_no_more() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 3);
        grant(ALICE, id, BOB, cairn_primitives::storage::Role::Reader);
        let sealed = Storage::api_grant(id, &account(BOB)).unwrap().sealed;
        assert_ok!(Storage::transfer_drive(signed(ALICE), id, account(BOB)));
        assert_eq!(Storage::api_grant(id, &account(BOB)).unwrap().sealed, sealed);
        assert_eq!((drive(id).key_generation, drive(id).owner), (1, account(BOB)));
        assert_noop!(checkpoint_without(ALICE, id, 4, &[]), Error::<Test>::NotWriter);
        assert_noop!(Storage::trim(signed(ALICE), id, 1, 1), Error::<Test>::NotWriter);
        let back =
            Storage::grant(signed(ALICE), id, account(ALICE), cairn_primitives::storage::Role::Writer, None, sealed);
        assert_noop!(back, Error::<Test>::NotOwner);
        commit(BOB, id, 4);
    });
}

#[test]
fn a_drive_is_published_by_its_owner() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        let public = Visibility::Public([4; 32]);
        assert_noop!(Storage::set_visibility(signed(BOB), id, public), Error::<Test>::NotOwner);
        assert_noop!(Storage::set_visibility(signed(BOB), id + 1, public), Error::<Test>::DriveUnknown);
        assert_ok!(Storage::set_visibility(signed(ALICE), id, public));
        assert_eq!(drive(id).visibility, public);
        let event = Event::VisibilityChanged { drive: id, from: Visibility::Private, to: public };
        System::assert_last_event(event.into());
    });
}

#[test]
fn drives_that_many_pay_for_alike_end_when_they_are_dry_and_not_before() {
    ExtBuilder.build_and_execute(|| {
        (0..8).for_each(|index| register_with(index, 1_000, BOND));
        // All run dry in one block, of which each looks at eight where others have room. A period has room for 160.
        let ids: Vec<u64> = (0..60).map(|_| create_for(ALICE, Coding::K1, 4, 60)).collect();
        ids.iter().for_each(|id| commit(ALICE, *id, 4));
        let dry = drive(ids[0]).dry_block().unwrap();
        assert!(ids.iter().all(|id| drive(*id).dry_block() == Some(dry)));
        run_proving(dry - PERIOD - now(), &[]);
        assert_eq!(crate::Drives::<Test>::iter().count(), 60, "none has ended yet");
        run_proving(PERIOD - 1, &[]);
        assert_eq!(crate::Drives::<Test>::iter().count(), 60, "nor by the block before they are dry");
        // More than one block ends: the others a block late.
        run_proving(2, &[]);
        assert_eq!(crate::Drives::<Test>::iter().count(), 0);
    });
}
