// SPDX-License-Identifier: Apache-2.0

//! Reserved labels.

use crate::{mock::*, Error, Event, GenesisConfig, Reservation, Reserved, RESERVED_LABELS};
use cairn_primitives::names::Label;
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;

#[test]
fn labels_reserved_at_genesis_are_nobodys() {
    ExtBuilder.build_and_execute(|| {
        assert_eq!(Reserved::<Test>::iter().count(), RESERVED_LABELS.len());
        assert_eq!(GenesisConfig::<Test>::default().reserved.len(), RESERVED_LABELS.len());
        commit(ALICE, "localhost", 1, &[]);
        assert_noop!(register_call(ALICE, "localhost", 1, &[], u64::MAX), Error::<Test>::LabelReserved);
        assert_eq!(Names::price(b"localhost", 1), None);
    });
}

#[test]
fn reserved_labels_are_labels_in_order() {
    assert!(RESERVED_LABELS.iter().all(|text| text.parse::<Label>().is_ok()));
    assert!(RESERVED_LABELS.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn governance_reserves_and_frees() {
    ExtBuilder.build_and_execute(|| {
        let reserve = |origin, to| Names::force_reserve(origin, bytes("blogs"), to);
        let for_alice = Some(Reservation::For(account(ALICE)));
        assert_noop!(reserve(signed(ALICE), for_alice.clone()), DispatchError::BadOrigin);
        assert_noop!(Names::force_reserve(RuntimeOrigin::root(), bytes("-"), None), Error::<Test>::LabelInvalid);
        assert_ok!(reserve(RuntimeOrigin::root(), Some(Reservation::Nobody)));
        commit(ALICE, "blogs", 1, &[]);
        assert_noop!(register_call(ALICE, "blogs", 1, &[], u64::MAX), Error::<Test>::LabelReserved);
        assert_ok!(reserve(RuntimeOrigin::root(), for_alice.clone()));
        System::assert_last_event(
            Event::ReservationChanged { label: label("blogs"), from: Some(Reservation::Nobody), to: for_alice }.into(),
        );
        commit(BOB, "blogs", 1, &[]);
        assert_noop!(register_call(BOB, "blogs", 1, &[], u64::MAX), Error::<Test>::LabelReserved);
        assert_ok!(reserve(RuntimeOrigin::root(), None));
        assert_ok!(register_call(BOB, "blogs", 1, &[], u64::MAX));
    });
}

#[test]
fn a_reservation_takes_nothing_from_who_has_the_name() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        assert_ok!(Names::force_reserve(RuntimeOrigin::root(), bytes("blogs"), Some(Reservation::Nobody)));
        assert_ok!(Names::renew(signed(ALICE), bytes("blogs"), 1, PRICE));
        assert_ok!(Names::set_rrset(signed(ALICE), bytes("blogs"), None, a("@")));
        assert_ok!(Names::release(signed(ALICE), bytes("blogs")));
        commit(ALICE, "blogs", 1, &[]);
        assert_noop!(register_call(ALICE, "blogs", 1, &[], u64::MAX), Error::<Test>::LabelReserved);
    });
}
