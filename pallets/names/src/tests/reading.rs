// SPDX-License-Identifier: Apache-2.0

//! What the runtime API answers, and what proves it.

use crate::mock::*;
use cairn_primitives::names::{Zone, ZoneKey};
use codec::Decode;
use frame_support::assert_ok;

#[test]
fn resolving_gives_all_zones_of_a_name() {
    ExtBuilder.build_and_execute(|| {
        register_with(ALICE, "blogs", 1, &[a("@")]);
        for (subdomain, owner) in [("shop", BOB), ("mail", CAROL)] {
            assert_ok!(Names::set_subdomain_owner(signed(ALICE), bytes("blogs"), bytes(subdomain), account(owner)));
        }
        assert_ok!(Names::set_rrset(signed(BOB), bytes("blogs"), Some(bytes("shop")), a("w")));
        let resolved = Names::resolve(b"blogs").unwrap();
        let expires = expires_at("blogs") as u32;
        assert_eq!(resolved.owner, account(ALICE));
        assert_eq!((resolved.expires_at_block, resolved.grace_until_block), (expires, expires + GRACE as u32));
        assert_eq!((resolved.generation, resolved.version), (0, 4));
        let zones: Vec<_> = resolved.zones.iter().map(|zone| (zone.subdomain.clone(), zone.zone.records())).collect();
        assert_eq!(zones, [(None, 1), (Some(label("mail")), 0), (Some(label("shop")), 1)]);
    });
}

#[test]
fn names_resolve_until_grace_is_over() {
    ExtBuilder.build_and_execute(|| {
        assert_eq!(Names::resolve(b"blogs"), None);
        assert_eq!(Names::resolve(b"-"), None);
        register(ALICE, "blogs");
        let over = expires_at("blogs") + GRACE;
        jump_to(over - 1);
        assert!(Names::resolve(b"blogs").is_some());
        jump_to(over);
        assert_eq!(Names::resolve(b"blogs"), None);
    });
}

#[test]
fn the_proofs_keys_are_those_the_answer_is_read_from() {
    ExtBuilder.build_and_execute(|| {
        assert_eq!(Names::proof_keys(b"not a label"), Vec::<Vec<u8>>::new());
        // Of a name that isn't there: three keys without values.
        let absent = Names::proof_keys(b"blogs");
        assert_eq!(absent.len(), 3);
        assert!(absent.iter().all(|key| sp_io::storage::get(key).is_none()));

        register_with(ALICE, "blogs", 1, &[a("@")]);
        assert_ok!(Names::set_subdomain_owner(signed(ALICE), bytes("blogs"), bytes("shop"), account(BOB)));
        assert_ok!(Names::set_rrset(signed(BOB), bytes("blogs"), Some(bytes("shop")), a("w")));
        let keys = Names::proof_keys(b"blogs");
        let values: Vec<_> = keys.iter().map(|key| sp_io::storage::get(key).expect("has a value")).collect();
        let registration = crate::RegistrationOf::<Test>::decode(&mut &values[0][..]).unwrap();
        assert_eq!(registration.owner, account(ALICE));
        let zones: Vec<Zone> = values[2..].iter().map(|value| Zone::decode(&mut &value[..]).unwrap()).collect();
        let resolved: Vec<Zone> = Names::resolve(b"blogs").unwrap().zones.into_iter().map(|zone| zone.zone).collect();
        assert_eq!(zones, resolved);
        let key = ZoneKey { label: label("blogs"), subdomain: Some(label("shop")) };
        assert_eq!(keys[3], crate::Zones::<Test>::hashed_key_for(key));
    });
}

#[test]
fn there_is_a_price_for_what_can_be_registered() {
    ExtBuilder.build_and_execute(|| {
        assert_eq!(Names::price(b"blogs", 10), Some(10 * PRICE));
        for (name, years) in [(&b"blogs"[..], 0), (b"blogs", 11), (b"ab", 1), (b"B", 1), (b"localhost", 1)] {
            assert_eq!(Names::price(name, years), None);
        }
    });
}

#[test]
fn all_names_are_given_page_by_page() {
    ExtBuilder.build_and_execute(|| {
        for name in ["alpha", "bravo", "gamma"] {
            register(ALICE, name);
        }
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = Names::names_after(after.as_deref(), 2);
            let Some((last, _)) = page.last() else { break };
            assert!(page.len() <= 2);
            after = Some(last.as_bytes().to_vec());
            found.extend(page);
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let labels: Vec<_> = found.iter().map(|(label, _)| label.as_str().to_string()).collect();
        assert_eq!(labels, ["alpha", "bravo", "gamma"]);
        assert!(found.iter().all(|(label, resolved)| *resolved == Names::resolve(label.as_bytes())));
        assert_eq!(Names::names_after(Some(b"not a label"), 2), vec![]);
        jump_to(expires_at("gamma") + GRACE);
        assert!(Names::names_after(None, u32::MAX).iter().all(|(_, resolved)| resolved.is_none()), "over");
    });
}

#[test]
fn renewing_has_a_price_for_as_long_as_there_is_something_to_renew() {
    ExtBuilder.build_and_execute(|| {
        assert_eq!(Names::renewal_price(b"blogs", 1), None);
        register(ALICE, "blogs");
        assert_eq!(Names::renewal_price(b"blogs", 3), Some(3 * PRICE));
        assert_eq!((Names::renewal_price(b"blogs", 0), Names::renewal_price(b"blogs", 11)), (None, None));
        jump_to(expires_at("blogs"));
        assert_eq!(Names::renewal_price(b"blogs", 1), Some(PRICE), "in grace");
        jump_to(expires_at("blogs") + GRACE);
        assert_eq!(Names::renewal_price(b"blogs", 1), None);
    });
}
