// SPDX-License-Identifier: Apache-2.0

//! Records: who changes them, what is refused, what is held.

use crate::{mock::*, Error, Event, HoldReason, Names as Stored, Zones};
use cairn_primitives::names::{rr, RelativeName, RrSet, ZoneKey};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::TokenError;

const HOST: &[u8] = b"\x01a\x07example\x00";

fn set(who: u8, rrset: RrSet) -> frame_support::dispatch::DispatchResult {
    Names::set_rrset(signed(who), bytes("blogs"), None, rrset)
}

fn zone() -> cairn_primitives::names::Zone {
    Zones::<Test>::get(ZoneKey { label: label("blogs"), subdomain: None })
}

#[test]
fn owner_and_manager_change_records() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        assert_ok!(Names::set_manager(signed(ALICE), bytes("blogs"), Some(account(BOB))));
        assert_ok!(set(ALICE, a("@")));
        assert_ok!(set(BOB, a("w")));
        assert_noop!(set(CAROL, a("w")), Error::<Test>::NotAuthorized);
        assert_eq!(zone().rrsets(), [a("@"), a("w")]);
        // Whoever changes them, the owner's deposit pays.
        assert_eq!(held(ALICE, HoldReason::Zone), ZONE_BASE + 15 + 17);
        assert_eq!(held(BOB, HoldReason::Zone), 0);
        assert_eq!(Stored::<Test>::get(label("blogs")).unwrap().version, 3);
        System::assert_last_event(Event::ZoneChanged { label: label("blogs"), version: 3 }.into());
    });
}

#[test]
fn what_is_cleared_is_given_back() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[a("@"), a("w")]);
        let clear = |name: &str, rtype| {
            Names::clear_rrset(signed(ALICE), bytes("blogs"), None, RelativeName::parse(name).unwrap(), rtype)
        };
        assert_noop!(clear("w", rr::AAAA), Error::<Test>::RrSetMissing);
        assert_ok!(clear("w", rr::A));
        assert_eq!(held(ALICE, HoldReason::Zone), ZONE_BASE + 15);
        assert_ok!(clear("@", rr::A));
        assert_eq!(held(ALICE, HoldReason::Zone), 0);
        assert_eq!(Zones::<Test>::iter().count(), 0);
        assert_noop!(clear("@", rr::A), Error::<Test>::RrSetMissing);
    });
}

#[test]
fn a_zone_is_replaced_as_a_whole() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[a("@"), a("w")]);
        let replace = |sets: &[RrSet]| Names::replace_zone(signed(ALICE), bytes("blogs"), None, records(sets));
        assert_ok!(replace(&[a("z"), a("b")]));
        assert_eq!(zone().rrsets(), [a("b"), a("z")]);
        assert_noop!(replace(&[a("b"), a("b")]), Error::<Test>::RrSetDuplicate);
        assert_ok!(replace(&[]));
        assert_eq!(held(ALICE, HoldReason::Zone), 0);
    });
}

#[test]
fn each_broken_rule_has_its_error() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[a("w"), rrset("n", rr::NS, &[HOST])]);
        let mut quick = a("@");
        quick.ttl_seconds = 59;
        let many: Vec<Vec<u8>> = (0..5u8).map(|at| [vec![at], vec![0; 999]].concat()).collect();
        let many: Vec<&[u8]> = many.iter().map(|data| &data[..]).collect();
        for (sets, error) in [
            (rrset("@", rr::A, &[&[1]]), Error::<Test>::RecordInvalid),
            (rrset("@", rr::MX, &[b"\x00\x01\x01A\x00"]), Error::<Test>::RecordNameInvalid),
            (rrset("@", 6, &[b""]), Error::<Test>::RecordTypeUnknown),
            (rrset("@", rr::A, &[&[1; 4], &[1; 4]]), Error::<Test>::RecordDuplicate),
            (rrset("@", rr::A, &[]), Error::<Test>::RrSetEmpty),
            (rrset("x", rr::CNAME, &[HOST, b"\x01b\x00"]), Error::<Test>::RrSetFull),
            (rrset("w", rr::CNAME, &[HOST]), Error::<Test>::CnameConflict),
            (rrset("@", rr::CNAME, &[HOST]), Error::<Test>::CnameConflict),
            (rrset("w", rr::ALIAS, &[HOST]), Error::<Test>::AliasConflict),
            (rrset("@", rr::NS, &[HOST]), Error::<Test>::NsAtApex),
            (rrset("*", rr::NS, &[HOST]), Error::<Test>::NsAtWildcard),
            (rrset("x.n", rr::TXT, &[b"\x00"]), Error::<Test>::BelowDelegation),
            (rrset("w", rr::DS, &[&[&[1u8, 1, 13, 1][..], &[0; 20]].concat()]), Error::<Test>::DsWithoutNs),
            (quick, Error::<Test>::TtlOutOfRange),
            (rrset("@", rr::TXT, &many), Error::<Test>::ZoneFull),
        ] {
            assert_noop!(set(ALICE, sets), error);
        }
    });
}

#[test]
fn the_sixty_fifth_record_is_refused() {
    ExtBuilder.build_and_execute(|| {
        let sets: Vec<RrSet> = (0..64).map(|at| a(&format!("h{at}"))).collect();
        register_with(ALICE, "blogs", 1, &sets);
        assert_noop!(set(ALICE, a("@")), Error::<Test>::ZoneFull);
        assert_ok!(set(ALICE, rrset("h0", rr::A, &[&[1; 4]])));
    });
}

#[test]
fn records_need_their_deposit() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        // All but a few coins leave.
        let left = ENDOWMENT - PRICE - 50;
        assert_ok!(Balances::transfer_allow_death(signed(ALICE), account(BOB), left));
        assert_noop!(set(ALICE, a("@")), TokenError::FundsUnavailable);
        assert!(zone().is_empty());
    });
}

#[test]
fn changed_deposits_apply_from_the_next_change_on() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[a("@")]);
        // As if a zone had been stored when deposits were higher.
        let mut registration = Stored::<Test>::get(label("blogs")).unwrap();
        assert_ok!(Names::hold(HoldReason::Zone, &account(ALICE), 1_000));
        registration.zone_deposit += 1_000;
        Stored::<Test>::insert(label("blogs"), registration);
        Names::do_try_state().unwrap();
        assert_ok!(set(ALICE, a("w")));
        assert_eq!(held(ALICE, HoldReason::Zone), ZONE_BASE + 15 + 17);
    });
}

#[test]
fn only_registered_names_have_records() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(set(ALICE, a("@")), Error::<Test>::NameNotFound);
        assert_noop!(Names::set_rrset(signed(ALICE), bytes("Blogs"), None, a("@")), Error::<Test>::LabelInvalid);
        register(ALICE, "blogs");
        assert_noop!(
            Names::set_rrset(signed(ALICE), bytes("blogs"), Some(bytes("_x")), a("@")),
            Error::<Test>::LabelInvalid
        );
    });
}
