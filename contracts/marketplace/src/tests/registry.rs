// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::Status;

#[ink::test]
fn a_registered_api_is_found_by_number_and_by_name() {
    let mut bench = Bench::new();
    assert_eq!(bench.api(), 0);
    assert_eq!(bench.pay(stranger(), BOND + 1, |market| market.register_api(new_api())), Ok(1));
    let other = NewApi { name: "maps".into(), ..new_api() };
    assert_eq!(bench.pay(provider(), BOND, |market| market.register_api(other)), Ok(2));
    assert_eq!(bench.market.api_count(), 3);
    let api = bench.market.api(1).expect("registered");
    assert_eq!((api.provider, api.bond, api.status), (stranger(), BOND + 1, Status::Active));
    assert_eq!((api.listing, api.methods), (listing(), new_api().methods));
    assert_eq!(bench.market.api(3), None);
    let numbers = |list: Vec<crate::registry::Brief>| list.iter().map(|brief| brief.api).collect::<Vec<_>>();
    assert_eq!(numbers(bench.market.offers("weather".into(), 0, 9)), [0, 1]);
    assert_eq!(numbers(bench.market.offers("weather".into(), 1, 9)), [1]);
    assert!(numbers(bench.market.offers("none".into(), 0, 9)).is_empty());
    assert_eq!(numbers(bench.market.apis(0, 2)), [0, 1]);
    assert_eq!(numbers(bench.market.apis(2, u32::MAX)), [2]);
    assert!(numbers(bench.market.apis(u32::MAX, u32::MAX)).is_empty());
}

#[ink::test]
fn lists_have_at_most_32_entries() {
    let mut bench = Bench::new();
    for _ in 0..33 {
        bench.api();
    }
    assert_eq!(bench.market.apis(0, u32::MAX).len(), 32);
    assert_eq!(bench.market.offers("weather".into(), 0, u32::MAX).len(), 32);
}

#[ink::test]
fn what_is_too_long_or_wrong_is_not_listed() {
    let mut bench = Bench::new();
    let mut register = |api: NewApi| bench.pay(provider(), BOND, |market| market.register_api(api)).err();
    let with = |change: fn(&mut NewApi)| {
        let mut api = new_api();
        change(&mut api);
        api
    };
    for name in ["", "Upper", "under_score", "späce", &"x".repeat(65)] {
        assert_eq!(register(NewApi { name: name.into(), ..new_api() }), Some(Error::BadName), "{name}");
    }
    assert_eq!(register(NewApi { name: "a-1.b".repeat(12), ..new_api() }), None);
    let long: [fn(&mut NewApi); 8] = [
        |api| api.listing.endpoints = vec!["x".into(); 9],
        |api| api.listing.endpoints = vec!["x".repeat(257)],
        |api| api.listing.endpoints = vec![String::new()],
        |api| api.listing.tags = vec!["x".into(); 9],
        |api| api.listing.tags = vec!["x".repeat(33)],
        |api| api.listing.document = "x".repeat(257),
        |api| api.listing.cairn_name = Some("x".repeat(129)),
        |api| api.listing.tags = vec![String::new()],
    ];
    for change in long {
        assert_eq!(register(with(change)), Some(Error::ListingTooLong));
    }
    assert_eq!(register(with(|api| api.listing.sla.availability_bps = 10_001)), Some(Error::BadSla));
    assert_eq!(register(with(|api| api.listing.sla.p95_ms = 600_001)), Some(Error::BadSla));
    assert_eq!(register(with(|api| api.methods = vec![method("x", true); 65])), Some(Error::TooManyMethods));
    for (name, units) in [("", 1), (&"x".repeat(97)[..], 1), ("x", 0), ("x", 1_000_001)] {
        let methods = vec![Method { name: name.into(), units, deterministic: false }];
        assert_eq!(register(NewApi { methods, ..new_api() }), Some(Error::BadMethod));
    }
    assert_eq!(register(with(|api| api.methods = vec![method("x", true); 64])), None);
    let short = bench.pay(provider(), BOND - 1, |market| market.register_api(new_api()));
    assert_eq!(short, Err(Error::BondTooSmall));
}

#[ink::test]
fn only_the_provider_changes_its_api() {
    let mut bench = Bench::new();
    let api = bench.api();
    macro_rules! refused {
        ($($message:ident($($arg:expr),*)),*) => {$(
            assert_eq!(bench.call(stranger(), |market| market.$message(api $(, $arg)*)).err(), Some(Error::NotProvider));
            assert_eq!(bench.call(provider(), |market| market.$message(9 $(, $arg)*)).err(), Some(Error::NoSuchApi));
        )*};
    }
    let plan = || crate::plans::NewPlan { name: "p".into(), price: 1, period_ms: 60_000, units: 1 };
    refused!(
        update_api(listing()),
        add_methods(vec![]),
        set_price(1),
        set_answer_key([0; 32]),
        pause_api(),
        resume_api(),
        retire_api(),
        withdraw_bond(),
        add_bond(),
        add_plan(plan()),
        close_plan(0)
    );
}

#[ink::test]
fn listings_are_replaced_and_methods_only_added() {
    let mut bench = Bench::new();
    let api = bench.api();
    let changed = Listing { document: "drive:abc/openapi.json".into(), ..listing() };
    bench.call(provider(), |market| market.update_api(api, changed.clone())).expect("fits");
    assert_eq!(bench.market.api(api).expect("listed").listing, changed);
    let long = Listing { document: "x".repeat(257), ..listing() };
    assert_eq!(bench.call(provider(), |market| market.update_api(api, long)), Err(Error::ListingTooLong));
    bench.call(provider(), |market| market.add_methods(api, vec![method("POST /", false); 62])).expect("64 in all");
    assert_eq!(bench.market.api(api).expect("listed").methods[1], method("GET /now", false));
    let one = vec![method("one more", false)];
    assert_eq!(bench.call(provider(), |market| market.add_methods(api, one)), Err(Error::TooManyMethods));
}

#[ink::test]
fn higher_prices_are_told_ahead_and_lower_ones_hold_at_once() {
    let mut bench = Bench::new();
    let api = bench.api();
    let price = |bench: &Bench| {
        let api = bench.market.api(0).expect("listed");
        (api.unit_price, api.next_price)
    };
    let from = bench.now + THAW;
    assert_eq!(bench.call(provider(), |market| market.set_price(api, 9)), Ok(from));
    assert_eq!(price(&bench), (5, Some((9, from))));
    bench.wait(THAW - 1);
    assert_eq!(price(&bench).0, 5);
    bench.wait(1);
    assert_eq!(price(&bench), (9, None));
    assert_eq!(bench.call(provider(), |market| market.set_price(api, 3)), Ok(bench.now));
    assert_eq!(price(&bench), (3, None));
    // A lower price takes a higher one back that was to come.
    bench.call(provider(), |market| market.set_price(api, 8)).expect("told ahead");
    bench.call(provider(), |market| market.set_price(api, 2)).expect("at once");
    bench.wait(2 * THAW);
    assert_eq!(price(&bench), (2, None));
}

#[ink::test]
fn an_api_pauses_resumes_and_retires_once() {
    let mut bench = Bench::new();
    let api = bench.api();
    assert_eq!(bench.call(provider(), |market| market.resume_api(api)), Err(Error::NotPaused));
    bench.call(provider(), |market| market.pause_api(api)).expect("active");
    assert_eq!(bench.call(provider(), |market| market.pause_api(api)), Err(Error::NotActive));
    bench.call(provider(), |market| market.resume_api(api)).expect("paused");
    assert_eq!(bench.call(provider(), |market| market.withdraw_bond(api)), Err(Error::NotRetired));
    bench.pay(provider(), 50, |market| market.add_bond(api)).expect("not retired");
    let at = bench.now;
    assert_eq!(bench.call(provider(), |market| market.retire_api(api)), Ok(at + THAW));
    assert_eq!(bench.market.api(api).expect("listed").status, Status::Retired { at_ms: at });
    let gone = Some(Error::Retired);
    assert_eq!(bench.call(provider(), |market| market.retire_api(api)).err(), gone);
    assert_eq!(bench.call(provider(), |market| market.update_api(api, listing())).err(), gone);
    assert_eq!(bench.call(provider(), |market| market.add_methods(api, vec![])).err(), gone);
    assert_eq!(bench.call(provider(), |market| market.set_price(api, 1)).err(), gone);
    assert_eq!(bench.call(provider(), |market| market.set_answer_key(api, [0; 32])).err(), gone);
    assert_eq!(bench.pay(provider(), 1, |market| market.add_bond(api)).err(), gone);
    assert_eq!(bench.call(provider(), |market| market.resume_api(api)), Err(Error::NotPaused));
    bench.wait(THAW - 1);
    assert_eq!(bench.call(provider(), |market| market.withdraw_bond(api)), Err(Error::Thawing));
    bench.wait(1);
    let before = bench.has(provider());
    assert_eq!(bench.call(provider(), |market| market.withdraw_bond(api)), Ok(BOND + 50));
    assert_eq!(bench.has(provider()), before + BOND + 50);
    assert_eq!(bench.call(provider(), |market| market.withdraw_bond(api)), Err(Error::NothingDue));
}

#[ink::test]
fn an_old_answer_key_stays_liable() {
    let mut bench = Bench::new();
    let api = bench.api();
    let until = bench.now + THAW;
    bench.call(provider(), |market| market.set_answer_key(api, [8; 32])).expect("first change");
    let shown = bench.market.api(api).expect("listed");
    assert_eq!((shown.answer_key, shown.old_answer_key), ([8; 32], Some((keypair(9).public.to_bytes(), until))));
    assert_eq!(bench.call(provider(), |market| market.set_answer_key(api, [7; 32])), Err(Error::KeyChangedLately));
    bench.wait(THAW);
    assert_eq!(bench.call(provider(), |market| market.set_answer_key(api, [7; 32])), Ok(()));
}
