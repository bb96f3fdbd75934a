// SPDX-License-Identifier: Apache-2.0

//! What time does to a registration: renewal, grace, premium, purge. Blocks in between are not run unless said.

use crate::{mock::*, Error, Event, ExpiryQueue, HoldReason, Names as Stored, WeightInfo, Zones};
use frame_support::{assert_noop, assert_ok, traits::Hooks, weights::Weight};
use sp_runtime::DispatchError;

/// Yearly price times 10,000.
const PREMIUM: u64 = PRICE * 10_000;

#[test]
fn anyone_renews_within_the_term() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        let expired_at = expires_at("blogs");
        jump_to(expired_at - 1);
        assert_ok!(Names::renew(signed(BOB), bytes("blogs"), 2, 2 * PRICE));
        assert_eq!(expires_at("blogs"), expired_at + 2 * YEAR);
        assert_eq!(Balances::free_balance(account(BOB)), ENDOWMENT - 2 * PRICE);
        System::assert_has_event(
            Event::Renewed {
                label: label("blogs"),
                by: account(BOB),
                expired_at,
                expires_at: expired_at + 2 * YEAR,
                price: 2 * PRICE,
            }
            .into(),
        );
        System::assert_last_event(Event::ZoneChanged { label: label("blogs"), version: 2 }.into());
    });
}

#[test]
fn only_the_owner_renews_in_grace() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        let expired_at = expires_at("blogs");
        assert_ok!(Names::set_manager(signed(ALICE), bytes("blogs"), Some(account(CAROL))));
        for block in [expired_at, expired_at + GRACE - 1] {
            jump_to(block);
            for other in [BOB, CAROL] {
                let renew = Names::renew(signed(other), bytes("blogs"), 1, u64::MAX);
                assert_eq!(renew, Err(Error::<Test>::InGrace.into()));
            }
        }
        assert_ok!(Names::renew(signed(ALICE), bytes("blogs"), 1, PRICE));
        // The years begin where the term ended: grace is no present.
        assert_eq!(expires_at("blogs"), expired_at + YEAR);
    });
}

#[test]
fn after_grace_nobody_renews() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        jump_to(expires_at("blogs") + GRACE);
        assert_noop!(Names::renew(signed(ALICE), bytes("blogs"), 1, u64::MAX), Error::<Test>::NameNotFound);
    });
}

#[test]
fn a_renewal_has_its_bounds() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        let renew = |years, max_price| Names::renew(signed(ALICE), bytes("blogs"), years, max_price);
        assert_noop!(renew(0, u64::MAX), Error::<Test>::TermEmpty);
        assert_noop!(renew(11, u64::MAX), Error::<Test>::TermTooLong);
        // Ten years from now at most, one of which is paid for.
        assert_noop!(renew(10, u64::MAX), Error::<Test>::TermTooLong);
        assert_noop!(renew(9, 9 * PRICE - 1), Error::<Test>::PriceAboveMax);
        assert_ok!(renew(9, 9 * PRICE));
        assert_noop!(renew(1, u64::MAX), Error::<Test>::TermTooLong);
        run_by(YEAR);
        assert_ok!(renew(1, u64::MAX));
        assert_noop!(Names::renew(signed(ALICE), bytes("other"), 1, u64::MAX), Error::<Test>::NameNotFound);
    });
}

#[test]
fn nothing_changes_in_grace() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[a("@")]);
        jump_to(expires_at("blogs"));
        let (blogs, in_grace) = (bytes("blogs"), DispatchError::from(Error::<Test>::InGrace));
        let alice = || signed(ALICE);
        assert_noop!(Names::set_rrset(alice(), blogs.clone(), None, a("w")), in_grace);
        assert_noop!(Names::clear_rrset(alice(), blogs.clone(), None, a("@").name, 1), in_grace);
        assert_noop!(Names::replace_zone(alice(), blogs.clone(), None, records(&[])), in_grace);
        assert_noop!(Names::set_subdomain_owner(alice(), blogs.clone(), bytes("shop"), account(BOB)), in_grace);
        assert_noop!(Names::revoke_subdomain(alice(), blogs.clone(), bytes("shop")), in_grace);
        assert_noop!(Names::propose_transfer(alice(), blogs.clone(), Some(account(BOB))), in_grace);
        assert_noop!(Names::set_manager(alice(), blogs.clone(), Some(account(BOB))), in_grace);
        assert_noop!(Names::set_primary(alice(), Some(blogs.clone())), in_grace);
        let accept = Names::accept_transfer(signed(BOB), blogs.clone()).map_err(|error| error.error);
        assert_eq!(accept, Err(in_grace));
        // It still resolves, and can be given up.
        assert_eq!(Names::resolve(b"blogs").unwrap().zones[0].zone.records(), 1);
        assert_ok!(Names::release(alice(), blogs));
    });
}

#[test]
fn sniping_at_expiry_fails() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        let expires = expires_at("blogs");
        // With a commitment as old as it must be, in the very block of expiry.
        jump_to(expires - AGE_MIN);
        assert_ok!(Names::commit(signed(BOB), hash(BOB, "blogs", 1, &[])));
        jump_to(expires);
        assert_noop!(register_call(BOB, "blogs", 1, &[], u64::MAX), Error::<Test>::InGrace);
        assert_eq!(Names::price(b"blogs", 1), None);
        // And in the very block after grace: the price is out of reach.
        jump_to(expires + GRACE - AGE_MIN);
        assert_ok!(Names::commit(signed(CAROL), hash(CAROL, "blogs", 1, &[])));
        jump_to(expires + GRACE - 1);
        assert_noop!(register_call(CAROL, "blogs", 1, &[], u64::MAX), Error::<Test>::CommitmentTooNew);
        jump_to(expires + GRACE);
        assert_noop!(register_call(CAROL, "blogs", 1, &[], 1_000 * PRICE), Error::<Test>::PriceAboveMax);
        assert_eq!(Names::price(b"blogs", 1), Some(PRICE + PREMIUM));
        assert_ok!(register_call(CAROL, "blogs", 1, &[], PRICE + PREMIUM));
    });
}

#[test]
fn the_premium_halves_each_day_and_falls_evenly_within_it() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        let over = expires_at("blogs") + GRACE;
        let mut before = u64::MAX;
        for day in 0..14 {
            jump_to(over + day * DAY);
            assert_eq!(Names::price(b"blogs", 1), Some(PRICE + (PREMIUM >> day)), "day {day}");
            jump_to(over + day * DAY + DAY / 2);
            let middle = (PREMIUM >> day) - (PREMIUM >> day) / 4;
            assert!(Names::price(b"blogs", 1).unwrap().abs_diff(PRICE + middle) <= 1, "day {day}");
        }
        for block in 0..=14 * DAY {
            jump_to(over + block);
            let price = Names::price(b"blogs", 1).unwrap();
            assert!(price <= before);
            before = price;
        }
        // The premium is gone.
        assert_eq!(before, PRICE);
    });
}

#[test]
fn purging_does_not_lift_the_premium() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[a("@")]);
        let over = expires_at("blogs") + GRACE;
        let purge = || Names::purge_expired(signed(BOB), bytes("blogs"));
        assert_noop!(purge(), Error::<Test>::NotOver);
        jump_to(over - 1);
        assert_noop!(purge(), Error::<Test>::NotOver);
        jump_to(over);
        assert_eq!(Names::resolve(b"blogs"), None);
        assert_ok!(purge());
        assert_eq!(held(ALICE, HoldReason::Zone), 0);
        assert_eq!(Zones::<Test>::iter().count(), 0);
        assert_noop!(purge(), Error::<Test>::NothingToPurge);
        assert_noop!(Names::release(signed(ALICE), bytes("blogs")), Error::<Test>::NameNotFound);
        assert_eq!(Names::price(b"blogs", 1), Some(PRICE + PREMIUM));
        jump_to(over + 14 * DAY - 1);
        assert_noop!(purge(), Error::<Test>::NothingToPurge);
        jump_to(over + 14 * DAY);
        assert_ok!(purge());
        System::assert_last_event(Event::Purged { label: label("blogs"), owner: account(ALICE) }.into());
        assert_noop!(purge(), Error::<Test>::NameNotFound);
        assert_eq!(Names::price(b"blogs", 1), Some(PRICE));
    });
}

#[test]
fn nothing_depends_on_the_queue_having_run() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[a("@")]);
        assert_ok!(Names::set_manager(signed(ALICE), bytes("blogs"), Some(account(CAROL))));
        // Years later, without one block run between.
        jump_to(expires_at("blogs") + 5 * YEAR);
        assert_eq!(Names::resolve(b"blogs"), None);
        assert_noop!(Names::set_rrset(signed(ALICE), bytes("blogs"), None, a("w")), Error::<Test>::NameNotFound);
        register(BOB, "blogs");
        assert_eq!(held(ALICE, HoldReason::Zone), 0);
        let resolved = Names::resolve(b"blogs").unwrap();
        assert_eq!((resolved.owner, resolved.generation), (account(BOB), 1));
        assert!(resolved.zones[0].zone.is_empty());
        assert_eq!(Stored::<Test>::get(label("blogs")).unwrap().manager, None);
    });
}

#[test]
fn the_queue_removes_a_few_in_each_block_the_earliest_first() {
    ExtBuilder.build_and_execute(|| {
        for name in ["first", "second", "third", "fourth", "fifth"] {
            register_with(ALICE, name, 1, &[a("@")]);
        }
        assert_ok!(Names::renew(signed(BOB), bytes("second"), 1, PRICE));
        jump_to(expires_at("fifth") + GRACE + 14 * DAY);
        idle();
        let left = |count: usize| {
            assert_eq!(Stored::<Test>::iter().count(), count);
            assert_eq!(ExpiryQueue::<Test>::iter().count(), count);
            Names::do_try_state().unwrap();
        };
        left(2);
        assert!(Stored::<Test>::contains_key(label("fifth")));
        idle();
        left(1);
        assert!(Stored::<Test>::contains_key(label("second")));
        assert_eq!(held(ALICE, HoldReason::Zone), ZONE_BASE + 15);
        idle();
        left(1);
    });
}

#[test]
fn the_queue_waits_for_the_end_of_the_premium() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        let over = expires_at("blogs") + GRACE + 14 * DAY;
        jump_to(over - 1);
        assert_eq!(idle(), <() as WeightInfo>::on_idle_base());
        assert_eq!(Stored::<Test>::iter().count(), 1);
        jump_to(over);
        let weight = <() as WeightInfo>::on_idle_base() + <() as WeightInfo>::on_idle_purge();
        assert_eq!(idle(), weight);
        assert_eq!(Stored::<Test>::iter().count(), 0);
    });
}

#[test]
fn the_queue_stays_within_its_weight() {
    ExtBuilder.build_and_execute(|| {
        for name in ["first", "second"] {
            register(ALICE, name);
        }
        jump_to(expires_at("second") + GRACE + 14 * DAY);
        let now = System::block_number();
        assert_eq!(Names::on_idle(now, Weight::zero()), Weight::zero());
        let base = <() as WeightInfo>::on_idle_base();
        assert_eq!(Names::on_idle(now, base), base);
        assert_eq!(Stored::<Test>::iter().count(), 2);
        let one = base + <() as WeightInfo>::on_idle_purge();
        assert_eq!(Names::on_idle(now, one), one);
        assert_eq!(Stored::<Test>::iter().count(), 1);
    });
}

#[test]
fn a_released_name_is_free_at_once() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[a("@")]);
        assert_noop!(Names::release(signed(BOB), bytes("blogs")), Error::<Test>::NotAuthorized);
        assert_noop!(Names::release(signed(ALICE), bytes("other")), Error::<Test>::NameNotFound);
        assert_ok!(Names::release(signed(ALICE), bytes("blogs")));
        System::assert_has_event(Event::ZoneChanged { label: label("blogs"), version: 2 }.into());
        System::assert_last_event(Event::Released { label: label("blogs"), owner: account(ALICE) }.into());
        assert_eq!(held(ALICE, HoldReason::Zone), 0);
        assert_eq!(Names::price(b"blogs", 1), Some(PRICE));
        register(BOB, "blogs");
    });
}
