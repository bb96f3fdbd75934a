// SPDX-License-Identifier: Apache-2.0

//! Subdomains with owners of their own.

use crate::{mock::*, Error, Event, HoldReason, Names as Stored, SubdomainLists, Subdomains, Zones};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use sp_runtime::TokenError;

fn delegate(who: u8, subdomain: &str, owner: u8) -> DispatchResult {
    Names::set_subdomain_owner(signed(who), bytes("blogs"), bytes(subdomain), account(owner))
}

fn set_below(who: u8, subdomain: &str, name: &str) -> DispatchResult {
    Names::set_rrset(signed(who), bytes("blogs"), Some(bytes(subdomain)), a(name))
}

fn revoke(who: u8, subdomain: &str) -> DispatchResult {
    Names::revoke_subdomain(signed(who), bytes("blogs"), bytes(subdomain))
}

fn purge(subdomain: &str) -> DispatchResult {
    Names::purge_subdomain(signed(9), bytes("blogs"), bytes(subdomain))
}

#[test]
fn a_subdomains_owner_has_its_zone() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        assert_ok!(delegate(ALICE, "shop", BOB));
        System::assert_has_event(
            Event::SubdomainOwnerChanged {
                label: label("blogs"),
                subdomain: label("shop"),
                from: None,
                to: Some(account(BOB)),
            }
            .into(),
        );
        assert_ok!(set_below(BOB, "shop", "www"));
        assert_noop!(set_below(ALICE, "shop", "www"), Error::<Test>::NotAuthorized);
        assert_noop!(set_below(BOB, "other", "www"), Error::<Test>::SubdomainNotFound);
        assert_noop!(Names::set_rrset(signed(BOB), bytes("blogs"), None, a("w")), Error::<Test>::NotAuthorized);
        // Each pays for what is theirs.
        assert_eq!(held(ALICE, HoldReason::Subdomain), ENTRY);
        assert_eq!((held(ALICE, HoldReason::Zone), held(BOB, HoldReason::Zone)), (0, ZONE_BASE + 15 + 4));
        System::assert_last_event(Event::ZoneChanged { label: label("blogs"), version: 3 }.into());
    });
}

#[test]
fn names_zone_and_subdomains_zone_do_not_overlap() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[a("x.shop"), a("shops"), a("shop.w")]);
        assert_noop!(delegate(ALICE, "shop", BOB), Error::<Test>::SubdomainHasRecords);
        assert_ok!(Names::clear_rrset(signed(ALICE), bytes("blogs"), None, a("x.shop").name, 1));
        assert_ok!(delegate(ALICE, "shop", BOB));
        for name in ["shop", "*.shop", "a.b.c.shop"] {
            let set = Names::set_rrset(signed(ALICE), bytes("blogs"), None, a(name));
            assert_eq!(set, Err(Error::<Test>::DelegatedHere.into()));
        }
        let replace = Names::replace_zone(signed(ALICE), bytes("blogs"), None, records(&[a("shop")]));
        assert_eq!(replace, Err(Error::<Test>::DelegatedHere.into()));
        assert_ok!(Names::set_rrset(signed(ALICE), bytes("blogs"), None, a("*")));
        assert_ok!(revoke(ALICE, "shop"));
        assert_ok!(Names::set_rrset(signed(ALICE), bytes("blogs"), None, a("shop")));
    });
}

#[test]
fn owner_and_manager_delegate() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        assert_noop!(delegate(BOB, "shop", BOB), Error::<Test>::NotAuthorized);
        assert_ok!(Names::set_manager(signed(ALICE), bytes("blogs"), Some(account(BOB))));
        assert_ok!(delegate(BOB, "shop", CAROL));
        assert_eq!((held(ALICE, HoldReason::Subdomain), held(BOB, HoldReason::Subdomain)), (ENTRY, 0));
        assert_noop!(delegate(ALICE, "shop", CAROL), Error::<Test>::SubdomainUnchanged);
    });
}

#[test]
fn another_owner_starts_with_an_empty_zone() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        assert_ok!(delegate(ALICE, "shop", BOB));
        assert_ok!(set_below(BOB, "shop", "www"));
        assert_ok!(delegate(ALICE, "shop", CAROL));
        assert_eq!(held(BOB, HoldReason::Zone), 0);
        assert_eq!(Zones::<Test>::iter().count(), 0);
        assert_eq!(held(ALICE, HoldReason::Subdomain), ENTRY);
        assert_noop!(set_below(BOB, "shop", "www"), Error::<Test>::NotAuthorized);
        assert_ok!(set_below(CAROL, "shop", "www"));
    });
}

#[test]
fn a_revoked_subdomain_gives_everything_back() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        assert_noop!(revoke(ALICE, "shop"), Error::<Test>::SubdomainNotFound);
        for by in [ALICE, BOB] {
            assert_ok!(delegate(ALICE, "shop", BOB));
            assert_ok!(set_below(BOB, "shop", "www"));
            assert_noop!(revoke(CAROL, "shop"), Error::<Test>::NotAuthorized);
            assert_ok!(revoke(by, "shop"));
            assert_eq!((held(ALICE, HoldReason::Subdomain), held(BOB, HoldReason::Zone)), (0, 0));
            assert_eq!((Subdomains::<Test>::iter().count(), SubdomainLists::<Test>::iter().count()), (0, 0));
            assert_eq!(Stored::<Test>::get(label("blogs")).unwrap().subdomains, 0);
        }
    });
}

#[test]
fn a_name_has_few_subdomains() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        for number in 0..64 {
            assert_ok!(delegate(ALICE, &format!("s{number}"), BOB));
        }
        assert_noop!(delegate(ALICE, "another", BOB), Error::<Test>::TooManySubdomains);
        assert_ok!(revoke(ALICE, "s5"));
        assert_ok!(delegate(ALICE, "another", BOB));
        assert_eq!(Names::resolve(b"blogs").unwrap().zones.len(), 65);
    });
}

#[test]
fn a_delegation_needs_its_deposit() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        assert_ok!(Balances::transfer_allow_death(signed(ALICE), account(BOB), ENDOWMENT - PRICE - ENTRY));
        assert_noop!(delegate(ALICE, "shop", BOB), TokenError::FundsUnavailable);
    });
}

#[test]
fn subdomains_die_with_the_registration() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        assert_ok!(delegate(ALICE, "shop", BOB));
        assert_ok!(delegate(ALICE, "mail", CAROL));
        assert_ok!(set_below(BOB, "shop", "www"));
        assert_noop!(purge("shop"), Error::<Test>::SubdomainAlive);
        assert_ok!(Names::release(signed(ALICE), bytes("blogs")));
        Names::do_try_state().unwrap();
        assert_noop!(set_below(BOB, "shop", "www"), Error::<Test>::NameNotFound);

        // Under another registration they stay dead.
        register(9, "blogs");
        assert_eq!(Names::resolve(b"blogs").unwrap().zones.len(), 1);
        assert_noop!(set_below(BOB, "shop", "www"), Error::<Test>::SubdomainNotFound);
        assert_noop!(revoke(9, "shop"), Error::<Test>::SubdomainNotFound);
        Names::do_try_state().unwrap();
        // Anyone may clear what is left, and whoever paid is paid back.
        assert_ok!(purge("shop"));
        assert_eq!(held(BOB, HoldReason::Zone), 0);
        assert_eq!(held(ALICE, HoldReason::Subdomain), ENTRY);
        System::assert_last_event(
            Event::SubdomainPurged { label: label("blogs"), subdomain: label("shop"), owner: account(BOB) }.into(),
        );
        assert_noop!(purge("shop"), Error::<Test>::SubdomainNotFound);
        // Or it is cleared by delegating anew.
        assert_ok!(delegate(9, "mail", BOB));
        assert_eq!((held(ALICE, HoldReason::Subdomain), held(9, HoldReason::Subdomain)), (0, ENTRY));
    });
}

#[test]
fn subdomains_of_a_registration_that_is_over_are_purged_before_it_is() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        assert_ok!(delegate(ALICE, "shop", BOB));
        assert_ok!(delegate(ALICE, "mail", BOB));
        assert_ok!(set_below(BOB, "shop", "www"));
        let expires = expires_at("blogs");
        jump_to(expires + GRACE - 1);
        assert_noop!(purge("shop"), Error::<Test>::SubdomainAlive);
        jump_to(expires + GRACE);
        assert_ok!(purge("shop"));
        assert_eq!(held(BOB, HoldReason::Zone), 0);
        assert_eq!(Stored::<Test>::get(label("blogs")).unwrap().subdomains, 1);
        Names::do_try_state().unwrap();
        jump_to(expires + GRACE + 14 * DAY);
        idle();
        assert_ok!(purge("mail"));
        assert_eq!(held(ALICE, HoldReason::Subdomain), 0);
    });
}
