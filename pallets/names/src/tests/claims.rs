// SPDX-License-Identifier: Apache-2.0

//! From commitment to registration.

use crate::{mock::*, Commitments, Error, Event, HoldReason, Names as Stored, NextGeneration, Reservation};
use cairn_primitives::names::rr;
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{ArithmeticError, DispatchError, TokenError};

#[test]
fn a_name_is_claimed_in_two_steps() {
    ExtBuilder.build_and_execute(|| {
        let claim = hash(ALICE, "blogs", 2, &[a("@")]);
        assert_ok!(Names::commit(signed(ALICE), claim));
        System::assert_last_event(Event::Committed { who: account(ALICE), hash: claim }.into());
        assert_eq!(held(ALICE, HoldReason::Commitment), COMMITMENT_DEPOSIT);
        run_by(AGE_MIN);
        assert_ok!(register_call(ALICE, "blogs", 2, &[a("@")], 2 * PRICE));

        let now = System::block_number();
        let registration = Stored::<Test>::get(label("blogs")).unwrap();
        assert_eq!(registration.owner, account(ALICE));
        assert_eq!((registration.registered_at, registration.expires_at), (now, now + 2 * YEAR));
        assert_eq!((registration.generation, registration.version), (0, 1));
        assert_eq!(held(ALICE, HoldReason::Commitment), 0);
        // One address at the apex: 9 and 2 + 4 bytes.
        assert_eq!(held(ALICE, HoldReason::Zone), ZONE_BASE + 15);
        assert_eq!(Balances::free_balance(account(99)), 1 + 2 * PRICE);
        assert_eq!(Commitments::<Test>::iter().count(), 0);
        System::assert_has_event(
            Event::Registered {
                label: label("blogs"),
                owner: account(ALICE),
                expires_at: now + 2 * YEAR,
                price: 2 * PRICE,
            }
            .into(),
        );
        System::assert_last_event(Event::ZoneChanged { label: label("blogs"), version: 1 }.into());
    });
}

#[test]
fn a_copied_claim_is_nobodys() {
    ExtBuilder.build_and_execute(|| {
        commit(ALICE, "blogs", 1, &[]);
        // Bob sees Alice's registration on its way and sends the same: his commitment would be another.
        assert_noop!(register_call(BOB, "blogs", 1, &[], u64::MAX), Error::<Test>::CommitmentMissing);
        // He commits to it now, in the same block: Alice is there first.
        assert_ok!(Names::commit(signed(BOB), hash(BOB, "blogs", 1, &[])));
        assert_noop!(register_call(BOB, "blogs", 1, &[], u64::MAX), Error::<Test>::CommitmentTooNew);
        assert_ok!(register_call(ALICE, "blogs", 1, &[], u64::MAX));
        run_by(AGE_MIN);
        assert_noop!(register_call(BOB, "blogs", 1, &[], u64::MAX), Error::<Test>::NotAvailable);
    });
}

#[test]
fn a_copied_commitment_keeps_nobody_from_the_name() {
    ExtBuilder.build_and_execute(|| {
        // Bob copies the hash and is in the chain first.
        let claim = hash(ALICE, "blogs", 1, &[]);
        assert_ok!(Names::commit(signed(BOB), claim));
        assert_ok!(Names::commit(signed(ALICE), claim));
        run_by(AGE_MIN);
        assert_noop!(register_call(BOB, "blogs", 1, &[], u64::MAX), Error::<Test>::CommitmentMissing);
        assert_ok!(register_call(ALICE, "blogs", 1, &[], u64::MAX));
    });
}

#[test]
fn what_was_committed_to_is_what_is_registered() {
    ExtBuilder.build_and_execute(|| {
        commit(ALICE, "blogs", 1, &[a("@")]);
        let missing: DispatchError = Error::<Test>::CommitmentMissing.into();
        assert_noop!(register_call(ALICE, "shops", 1, &[a("@")], u64::MAX), missing);
        assert_noop!(register_call(ALICE, "blogs", 2, &[a("@")], u64::MAX), missing);
        assert_noop!(register_call(ALICE, "blogs", 1, &[], u64::MAX), missing);
        let other_salt = Names::register(signed(ALICE), bytes("blogs"), 1, [8; 32], records(&[a("@")]), u64::MAX);
        assert_eq!(other_salt, Err(missing));
        assert_ok!(register_call(ALICE, "blogs", 1, &[a("@")], u64::MAX));
        // And serves once.
        assert_noop!(register_call(ALICE, "blogs", 1, &[a("@")], u64::MAX), missing);
    });
}

#[test]
fn a_commitment_serves_between_its_two_ages() {
    ExtBuilder.build_and_execute(|| {
        let made_at = System::block_number();
        assert_ok!(Names::commit(signed(ALICE), hash(ALICE, "blogs", 1, &[])));
        jump_to(made_at + AGE_MIN - 1);
        assert_noop!(register_call(ALICE, "blogs", 1, &[], u64::MAX), Error::<Test>::CommitmentTooNew);
        jump_to(made_at + AGE_MAX + 1);
        assert_noop!(register_call(ALICE, "blogs", 1, &[], u64::MAX), Error::<Test>::CommitmentTooOld);
        jump_to(made_at + AGE_MAX);
        assert_ok!(register_call(ALICE, "blogs", 1, &[], u64::MAX));
    });
}

#[test]
fn the_same_commitment_is_made_once() {
    ExtBuilder.build_and_execute(|| {
        assert_ok!(Names::commit(signed(ALICE), [1; 32]));
        assert_noop!(Names::commit(signed(ALICE), [1; 32]), Error::<Test>::CommitmentExists);
    });
}

#[test]
fn an_account_has_few_open_commitments() {
    ExtBuilder.build_and_execute(|| {
        for number in 0..4 {
            assert_ok!(Names::commit(signed(ALICE), [number; 32]));
        }
        assert_noop!(Names::commit(signed(ALICE), [9; 32]), Error::<Test>::TooManyCommitments);
        assert_ok!(Names::commit(signed(BOB), [9; 32]));
    });
}

#[test]
fn an_old_commitment_is_purged_by_anyone() {
    ExtBuilder.build_and_execute(|| {
        assert_ok!(Names::commit(signed(ALICE), [1; 32]));
        run_by(AGE_MAX);
        let purge = || Names::purge_commitment(signed(BOB), account(ALICE), [1; 32]);
        assert_noop!(purge(), Error::<Test>::CommitmentOpen);
        run_by(1);
        assert_ok!(purge());
        assert_eq!(held(ALICE, HoldReason::Commitment), 0);
        System::assert_last_event(Event::CommitmentPurged { who: account(ALICE), hash: [1; 32] }.into());
        assert_noop!(purge(), Error::<Test>::CommitmentMissing);
    });
}

#[test]
fn a_commitment_needs_its_deposit() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(Names::commit(signed(77), [1; 32]), TokenError::FundsUnavailable);
    });
}

#[test]
fn labels_must_be_labels() {
    ExtBuilder.build_and_execute(|| {
        for wrong in ["", "Blog", "-blog", "blog-", "b--log", "b.log", "xn--a--b"] {
            assert_noop!(register_call_raw(wrong), Error::<Test>::LabelInvalid);
        }
    });
}

fn register_call_raw(name: &str) -> frame_support::dispatch::DispatchResult {
    Names::register(signed(ALICE), bytes(name), 1, [7; 32], records(&[]), u64::MAX)
}

#[test]
fn terms_are_of_one_to_ten_years() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(register_call(ALICE, "blogs", 0, &[], u64::MAX), Error::<Test>::TermEmpty);
        assert_noop!(register_call(ALICE, "blogs", 11, &[], u64::MAX), Error::<Test>::TermTooLong);
        register_with(ALICE, "blogs", 10, &[]);
    });
}

#[test]
fn short_labels_cost_more() {
    ExtBuilder.build_and_execute(|| {
        for (name, factor) in [("abc", 128), ("abcd", 32), ("abcde", 1), ("abcdefghijkl", 1)] {
            let price = 3 * PRICE * factor;
            assert_eq!(Names::price(name.as_bytes(), 3), Some(price));
            commit(ALICE, name, 3, &[]);
            assert_noop!(register_call(ALICE, name, 3, &[], price - 1), Error::<Test>::PriceAboveMax);
            let before = Balances::free_balance(account(99));
            assert_ok!(register_call(ALICE, name, 3, &[], price));
            assert_eq!(Balances::free_balance(account(99)) - before, price);
        }
    });
}

#[test]
fn a_price_that_overflows_is_nobodys_to_pay() {
    ExtBuilder.build_and_execute(|| {
        PricePerYear::set(u64::MAX / 2);
        commit(ALICE, "abc", 10, &[]);
        assert_noop!(register_call(ALICE, "abc", 10, &[], u64::MAX), ArithmeticError::Underflow);
    });
}

#[test]
fn labels_of_two_bytes_are_for_whom_they_were_reserved() {
    ExtBuilder.build_and_execute(|| {
        commit(ALICE, "ab", 1, &[]);
        commit(BOB, "ab", 1, &[]);
        assert_noop!(register_call(ALICE, "ab", 1, &[], u64::MAX), Error::<Test>::LabelShort);
        assert_eq!(Names::price(b"ab", 1), None);
        let reservation = Some(Reservation::For(account(ALICE)));
        assert_ok!(Names::force_reserve(RuntimeOrigin::root(), bytes("ab"), reservation));
        assert_eq!(Names::price(b"ab", 1), Some(128 * PRICE));
        assert_noop!(register_call(BOB, "ab", 1, &[], u64::MAX), Error::<Test>::LabelReserved);
        assert_ok!(register_call(ALICE, "ab", 1, &[], u64::MAX));
    });
}

#[test]
fn a_name_that_is_had_is_not_available() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        commit(BOB, "blogs", 1, &[]);
        assert_noop!(register_call(BOB, "blogs", 1, &[], u64::MAX), Error::<Test>::NotAvailable);
        assert_noop!(register_call(ALICE, "blogs", 1, &[], u64::MAX), Error::<Test>::CommitmentMissing);
        assert_eq!(Names::price(b"blogs", 1), None);
    });
}

#[test]
fn records_are_checked_before_anything_is_paid() {
    ExtBuilder.build_and_execute(|| {
        let sets = [a("w"), rrset("w", rr::CNAME, &[b"\x01a\x00"])];
        commit(ALICE, "blogs", 1, &sets);
        assert_noop!(register_call(ALICE, "blogs", 1, &sets, u64::MAX), Error::<Test>::CnameConflict);
    });
}

#[test]
fn records_in_any_order_are_the_same_claim() {
    ExtBuilder.build_and_execute(|| {
        commit(ALICE, "blogs", 1, &[a("@"), a("w")]);
        assert_ok!(register_call(ALICE, "blogs", 1, &[a("w"), a("@")], u64::MAX));
    });
}

#[test]
fn numbers_of_registrations_do_not_repeat() {
    ExtBuilder.build_and_execute(|| {
        NextGeneration::<Test>::put(u32::MAX);
        commit(ALICE, "blogs", 1, &[]);
        assert_noop!(register_call(ALICE, "blogs", 1, &[], u64::MAX), Error::<Test>::GenerationsExhausted);
    });
}
