// SPDX-License-Identifier: Apache-2.0

//! Transfers, managers and primary names.

use crate::{mock::*, Error, Event, HoldReason, Names as Stored, PrimaryNames};
use cairn_primitives::names::{rr, RrSet};
use frame_support::{
    assert_noop, assert_ok,
    dispatch::{DispatchResult, GetDispatchInfo, PostDispatchInfo},
};
use sp_runtime::{traits::Dispatchable, TokenError};

fn propose(who: u8, to: Option<u8>) -> DispatchResult {
    Names::propose_transfer(signed(who), bytes("blogs"), to.map(account))
}

fn accept(who: u8) -> DispatchResult {
    Names::accept_transfer(signed(who), bytes("blogs")).map(|_| ()).map_err(|error| error.error)
}

fn account_record(who: u8) -> RrSet {
    rrset("@", rr::ACCOUNT, &[&[who; 32]])
}

fn set_primary(who: u8, name: Option<&str>) -> DispatchResult {
    Names::set_primary(signed(who), name.map(bytes))
}

#[test]
fn a_name_changes_hands_when_both_agree() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[a("@")]);
        assert_ok!(Names::set_manager(signed(ALICE), bytes("blogs"), Some(account(CAROL))));
        assert_ok!(Names::set_subdomain_owner(signed(ALICE), bytes("blogs"), bytes("shop"), account(CAROL)));
        assert_noop!(accept(BOB), Error::<Test>::TransferMissing);
        assert_noop!(propose(BOB, Some(BOB)), Error::<Test>::NotAuthorized);
        assert_noop!(propose(CAROL, Some(BOB)), Error::<Test>::NotAuthorized);
        assert_ok!(propose(ALICE, Some(BOB)));
        System::assert_last_event(
            Event::TransferProposed { label: label("blogs"), from: None, to: Some(account(BOB)) }.into(),
        );
        assert_noop!(accept(CAROL), Error::<Test>::NotAuthorized);
        assert_ok!(accept(BOB));

        let registration = Stored::<Test>::get(label("blogs")).unwrap();
        assert_eq!(
            (registration.owner, registration.manager, registration.pending_transfer),
            (account(BOB), None, None)
        );
        // Records and delegations stay, their deposits move.
        assert_eq!(Names::resolve(b"blogs").unwrap().zones.len(), 2);
        assert_eq!((held(ALICE, HoldReason::Zone), held(ALICE, HoldReason::Subdomain)), (0, 0));
        assert_eq!((held(BOB, HoldReason::Zone), held(BOB, HoldReason::Subdomain)), (ZONE_BASE + 15, ENTRY));
        assert_noop!(propose(ALICE, Some(CAROL)), Error::<Test>::NotAuthorized);
        assert_noop!(accept(BOB), Error::<Test>::TransferMissing);
    });
}

#[test]
fn an_offer_can_be_withdrawn_and_changed() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        assert_ok!(propose(ALICE, Some(BOB)));
        assert_ok!(propose(ALICE, None));
        assert_noop!(accept(BOB), Error::<Test>::TransferMissing);
        assert_ok!(propose(ALICE, Some(BOB)));
        assert_ok!(propose(ALICE, Some(CAROL)));
        assert_noop!(accept(BOB), Error::<Test>::NotAuthorized);
        assert_ok!(accept(CAROL));
    });
}

#[test]
fn an_offer_ends_with_the_registration() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        assert_ok!(propose(ALICE, Some(BOB)));
        jump_to(expires_at("blogs") + GRACE);
        assert_noop!(accept(BOB), Error::<Test>::NameNotFound);
        run_by(14 * DAY);
        register(CAROL, "blogs");
        assert_noop!(accept(BOB), Error::<Test>::TransferMissing);
    });
}

#[test]
fn who_accepts_pays_the_deposits() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[a("@")]);
        assert_ok!(propose(ALICE, Some(77)));
        assert_ok!(Balances::transfer_allow_death(signed(BOB), account(77), 10));
        let call = RuntimeCall::Names(crate::Call::accept_transfer { label: bytes("blogs") });
        let result = call.dispatch(signed(77)).map_err(|error| error.error);
        assert_eq!(result, Err(TokenError::FundsUnavailable.into()));
        assert_eq!(Stored::<Test>::get(label("blogs")).unwrap().owner, account(ALICE));
    });
}

#[test]
fn accepting_is_charged_for_the_delegations_there_are() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        assert_ok!(Names::set_subdomain_owner(signed(ALICE), bytes("blogs"), bytes("shop"), account(CAROL)));
        assert_ok!(propose(ALICE, Some(BOB)));
        let call = RuntimeCall::Names(crate::Call::accept_transfer { label: bytes("blogs") });
        let most = call.get_dispatch_info().call_weight;
        let PostDispatchInfo { actual_weight, .. } = call.dispatch(signed(BOB)).unwrap();
        assert!(actual_weight.unwrap().all_lt(most));
    });
}

#[test]
fn only_the_owner_sets_the_manager() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        let set = |who, to: Option<u8>| Names::set_manager(signed(who), bytes("blogs"), to.map(account));
        assert_noop!(set(BOB, Some(BOB)), Error::<Test>::NotAuthorized);
        assert_ok!(set(ALICE, Some(BOB)));
        System::assert_last_event(
            Event::ManagerChanged { label: label("blogs"), from: None, to: Some(account(BOB)) }.into(),
        );
        assert_noop!(set(BOB, Some(CAROL)), Error::<Test>::NotAuthorized);
        assert_noop!(Names::release(signed(BOB), bytes("blogs")), Error::<Test>::NotAuthorized);
        assert_ok!(set(ALICE, None));
        assert_noop!(Names::set_rrset(signed(BOB), bytes("blogs"), None, a("@")), Error::<Test>::NotAuthorized);
    });
}

#[test]
fn a_primary_name_needs_both_directions() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[a("@")]);
        assert_noop!(set_primary(BOB, Some("other")), Error::<Test>::NameNotFound);
        assert_noop!(set_primary(BOB, Some("blogs")), Error::<Test>::PrimaryMismatch);
        assert_ok!(Names::set_rrset(signed(ALICE), bytes("blogs"), None, account_record(BOB)));
        assert_noop!(set_primary(ALICE, Some("blogs")), Error::<Test>::PrimaryMismatch);
        assert_eq!(Names::primary_of(&account(BOB)), None);
        assert_ok!(set_primary(BOB, Some("blogs")));
        System::assert_last_event(
            Event::PrimaryNameChanged { who: account(BOB), from: None, to: Some(label("blogs")) }.into(),
        );
        assert_eq!(Names::primary_of(&account(BOB)), Some(label("blogs")));
        assert_eq!(held(BOB, HoldReason::PrimaryName), ENTRY);

        // The zone no longer agrees: no primary name, until it does again.
        assert_ok!(Names::set_rrset(signed(ALICE), bytes("blogs"), None, account_record(CAROL)));
        assert_eq!(Names::primary_of(&account(BOB)), None);
        assert_ok!(Names::set_rrset(signed(ALICE), bytes("blogs"), None, account_record(BOB)));
        assert_eq!(Names::primary_of(&account(BOB)), Some(label("blogs")));

        assert_ok!(set_primary(BOB, None));
        assert_eq!(held(BOB, HoldReason::PrimaryName), 0);
        assert_eq!(Names::primary_of(&account(BOB)), None);
        assert_ok!(set_primary(BOB, None));
    });
}

#[test]
fn a_primary_name_can_be_changed_for_one_deposit() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[account_record(ALICE)]);
        register_with(ALICE, "shops", 1, &[account_record(ALICE)]);
        assert_ok!(set_primary(ALICE, Some("blogs")));
        assert_ok!(set_primary(ALICE, Some("shops")));
        assert_eq!(held(ALICE, HoldReason::PrimaryName), ENTRY);
        assert_eq!(Names::primary_of(&account(ALICE)), Some(label("shops")));
        assert_eq!(PrimaryNames::<Test>::iter().count(), 1);
    });
}

#[test]
fn a_primary_name_ends_with_its_registration() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[account_record(BOB)]);
        assert_ok!(set_primary(BOB, Some("blogs")));
        jump_to(expires_at("blogs"));
        assert_eq!(Names::primary_of(&account(BOB)), None);
        run_by(GRACE + 14 * DAY);
        // Somebody else has the name now, and points at Bob, who never chose that.
        register_with(CAROL, "blogs", 1, &[account_record(BOB)]);
        assert_eq!(Names::primary_of(&account(BOB)), None);
        assert_ok!(set_primary(BOB, Some("blogs")));
        assert_eq!(Names::primary_of(&account(BOB)), Some(label("blogs")));
    });
}

#[test]
fn a_primary_name_needs_its_deposit() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[account_record(77)]);
        assert_ok!(Balances::transfer_allow_death(signed(BOB), account(77), 10));
        assert_noop!(set_primary(77, Some("blogs")), TokenError::FundsUnavailable);
    });
}
