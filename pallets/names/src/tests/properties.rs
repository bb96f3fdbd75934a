// SPDX-License-Identifier: Apache-2.0

//! Random sequences of calls, with jumps over every deadline: the invariants hold after each, a call that fails changes
//! nothing, money is conserved, and who has a name is what a plain model says.

use crate::{mock::*, Call, Config, Event, HoldReason, Names as Stored, Phase, Reservation};
use cairn_primitives::names::{rr, RelativeName, RrSet};
use frame_support::{dispatch::GetDispatchInfo, traits::Get};
use proptest::{collection::vec, prelude::*, sample::select};
use sp_io::storage::root as storage_root;
use sp_runtime::{traits::Dispatchable, StateVersion};
use std::collections::BTreeMap;

const NAMES: [&str; 3] = ["blogs", "abcd", "ab"];
const SUBDOMAINS: [&str; 2] = ["shop", "w"];

#[derive(Clone, Debug)]
enum Step {
    /// Commit, wait so many blocks, register.
    Claim {
        name: usize,
        years: u8,
        sets: Vec<RrSet>,
        wait: u64,
        max_price: u64,
    },
    Call(RuntimeCallOf),
    /// Go so many blocks on; run the hook there?
    Jump {
        blocks: u64,
        idle: bool,
    },
}

type RuntimeCallOf = Call<Test>;

/// Mostly the first.
fn name() -> impl Strategy<Value = usize> {
    prop_oneof![8 => Just(0), 3 => Just(1), 1 => Just(2)]
}

/// Who calls: an account, or (none) whoever has the right to just this.
fn caller() -> impl Strategy<Value = Option<u8>> {
    prop::option::weighted(0.4, 1u8..=3)
}

fn rrsets() -> impl Strategy<Value = RrSet> {
    let host: &[u8] = b"\x01a\x07example\x00";
    (select(&["@", "w", "x.w", "shop", "y", "*", "n", "x.n"][..]), 0..16u8).prop_map(move |(name, kind)| match kind {
        0 => rrset(name, rr::CNAME, &[host]),
        1 => rrset(name, rr::NS, &[host]),
        2 => rrset("@", rr::ACCOUNT, &[&[ALICE; 32], &[BOB; 32]]),
        3 => rrset(name, rr::TXT, &[&[0; 500], &[0; 600]]),
        4 => rrset(name, rr::A, &[]),
        _ => a(name),
    })
}

fn call() -> impl Strategy<Value = RuntimeCallOf> {
    let label = || name().prop_map(|name| bytes(NAMES[name]));
    let subdomain = || select(&SUBDOMAINS[..]).prop_map(bytes);
    let zone = move || prop::option::weighted(0.4, subdomain());
    let who = || (1u8..=3).prop_map(account);
    let sets = || vec(rrsets(), 0..3).prop_map(|sets| records(&sets));
    let reservation = prop_oneof![Just(Reservation::Nobody), who().prop_map(Reservation::For)];
    prop_oneof![
        1 => any::<[u8; 32]>().prop_map(|hash| Call::commit { hash }),
        2 => (label(), 0u8..=10, 0u64..20_000)
            .prop_map(|(label, years, max_price)| Call::renew { label, years, max_price }),
        4 => (label(), zone(), rrsets())
            .prop_map(|(label, subdomain, rrset)| Call::set_rrset { label, subdomain, rrset }),
        2 => (label(), zone(), select(&["@", "w"][..]), select(&[rr::A, rr::NS, rr::CNAME][..])).prop_map(
            |(label, subdomain, name, rtype)| Call::clear_rrset {
                label,
                subdomain,
                name: RelativeName::parse(name).unwrap(),
                rtype,
            }
        ),
        2 => (label(), zone(), sets())
            .prop_map(|(label, subdomain, records)| Call::replace_zone { label, subdomain, records }),
        4 => (label(), subdomain(), who())
            .prop_map(|(label, subdomain, owner)| Call::set_subdomain_owner { label, subdomain, owner }),
        2 => (label(), subdomain()).prop_map(|(label, subdomain)| Call::revoke_subdomain { label, subdomain }),
        2 => (label(), subdomain()).prop_map(|(label, subdomain)| Call::purge_subdomain { label, subdomain }),
        2 => (label(), prop::option::of(who())).prop_map(|(label, to)| Call::propose_transfer { label, to }),
        3 => label().prop_map(|label| Call::accept_transfer { label }),
        1 => (label(), prop::option::of(who())).prop_map(|(label, manager)| Call::set_manager { label, manager }),
        2 => prop::option::of(label()).prop_map(|label| Call::set_primary { label }),
        1 => label().prop_map(|label| Call::release { label }),
        2 => label().prop_map(|label| Call::purge_expired { label }),
        1 => (label(), prop::option::of(reservation))
            .prop_map(|(label, reservation)| Call::force_reserve { label, reservation }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let jump = select(&[1, 1, DAY, 3 * DAY, 14 * DAY, AGE_MAX + 1, GRACE, YEAR, 2 * YEAR][..]);
    let years = prop_oneof![1 => Just(0u8), 20 => 1u8..=3];
    let wait = prop_oneof![6 => Just(AGE_MIN), 1 => 0..AGE_MAX + 3];
    let max_price = select(&[100, 10_000, u64::MAX, u64::MAX, u64::MAX][..]);
    prop_oneof![
        3 => (name(), years, vec(rrsets(), 0..3), wait, max_price)
            .prop_map(|(name, years, sets, wait, max_price)| Step::Claim { name, years, sets, wait, max_price }),
        16 => call().prop_map(Step::Call),
        2 => (jump, any::<bool>()).prop_map(|(blocks, idle)| Step::Jump { blocks, idle }),
    ]
}

/// Who has the right to a call, if anyone has.
fn rightful(call: &RuntimeCallOf) -> Option<u8> {
    let number = |account: &AccountId| AsRef::<[u8; 32]>::as_ref(account)[0];
    let stored = |label: &crate::LabelBytes| Stored::<Test>::get(Names::label(label).ok()?);
    match call {
        Call::set_rrset { label, subdomain: Some(subdomain), .. }
        | Call::clear_rrset { label, subdomain: Some(subdomain), .. }
        | Call::replace_zone { label, subdomain: Some(subdomain), .. } => {
            let key = (Names::label(label).ok()?, Names::label(subdomain).ok()?);
            crate::Subdomains::<Test>::get(key).map(|info| number(&info.owner))
        },
        Call::accept_transfer { label } => stored(label)?.pending_transfer.as_ref().map(number),
        Call::renew { label, .. }
        | Call::set_rrset { label, .. }
        | Call::clear_rrset { label, .. }
        | Call::replace_zone { label, .. }
        | Call::set_subdomain_owner { label, .. }
        | Call::revoke_subdomain { label, .. }
        | Call::propose_transfer { label, .. }
        | Call::set_manager { label, .. }
        | Call::release { label } => stored(label).map(|found| number(&found.owner)),
        _ => None,
    }
}

/// Dispatches as a transaction would be, and says whether it was done.
fn dispatch(call: RuntimeCallOf, origin: RuntimeOrigin) -> bool {
    let before = storage_root(StateVersion::V1);
    let call = RuntimeCall::Names(call);
    let most = call.get_dispatch_info().call_weight;
    match call.dispatch(origin) {
        Ok(info) => {
            assert!(info.actual_weight.is_none_or(|actual| actual.all_lte(most)));
            true
        },
        Err(_) => {
            assert_eq!(storage_root(StateVersion::V1), before, "what failed changed the state");
            false
        },
    }
}

/// Who has each name until when, from what was done alone.
#[derive(Default)]
struct Model(BTreeMap<&'static str, (u8, u64)>);

impl Model {
    fn over(&self, name: &str) -> bool {
        self.0.get(name).is_none_or(|(_, expires)| System::block_number() >= expires + GRACE)
    }
}

fn apply(step: Step, caller: Option<u8>, model: &mut Model) {
    let who = caller.or_else(|| if let Step::Call(call) = &step { rightful(call) } else { None }).unwrap_or(CAROL);
    match step {
        Step::Claim { name, years, sets, wait, max_price } => {
            let name = NAMES[name];
            dispatch(Call::commit { hash: hash(who, name, years, &sets) }, signed(who));
            run_by(wait);
            let free = model.over(name);
            let records = records(&sets);
            let call = Call::register { label: bytes(name), years, salt: [7; 32], records, max_price };
            let treasury = Balances::free_balance(account(99));
            let price = Names::price(name.as_bytes(), years);
            if dispatch(call, signed(who)) {
                assert!(free, "a name was registered over its owner's head");
                assert!((AGE_MIN..=AGE_MAX).contains(&wait));
                let paid = Balances::free_balance(account(99)) - treasury;
                assert_eq!(Some(paid), price);
                assert!(paid <= max_price);
                model.0.insert(name, (who, System::block_number() + u64::from(years) * YEAR));
            }
        },
        Step::Call(call) => {
            let origin = if matches!(call, Call::force_reserve { .. }) { RuntimeOrigin::root() } else { signed(who) };
            if dispatch(call.clone(), origin) {
                let text = |label: &crate::LabelBytes| core::str::from_utf8(label).unwrap().to_owned();
                let owner = |name: &str, model: &Model| model.0.get(name).map(|(owner, _)| *owner);
                match call {
                    Call::renew { label, years, .. } => {
                        let name = text(&label);
                        assert!(!model.over(&name));
                        let (owner, expires) = model.0.get_mut(&*name).unwrap();
                        assert!(System::block_number() < *expires || *owner == who, "renewed by another in grace");
                        *expires += u64::from(years) * YEAR;
                    },
                    Call::accept_transfer { label } => model.0.get_mut(&*text(&label)).unwrap().0 = who,
                    Call::release { label } => {
                        assert_eq!(owner(&text(&label), model), Some(who));
                        assert!(!model.over(&text(&label)));
                        model.0.remove(&*text(&label));
                    },
                    Call::propose_transfer { label, .. } | Call::set_manager { label, .. } => {
                        assert_eq!(owner(&text(&label), model), Some(who));
                    },
                    _ => {},
                }
            }
        },
        Step::Jump { blocks, idle: run } => {
            run_by(blocks);
            if run {
                idle();
                for (who, hash, _) in crate::Commitments::<Test>::iter().collect::<Vec<_>>() {
                    let _ = Names::purge_commitment(signed(9), who, hash);
                }
            }
        },
    }
}

fn check(model: &Model) {
    Names::do_try_state().unwrap();
    for name in NAMES {
        let expected = model.0.get(name).filter(|_| !model.over(name));
        let resolved = Names::resolve(name.as_bytes());
        assert_eq!(
            resolved.as_ref().map(|found| (found.owner.clone(), u64::from(found.expires_at_block))),
            expected.map(|(owner, expires)| (account(*owner), *expires)),
        );
        // Nothing that a resolver serves is stored under a registration that isn't there.
        if let Some(resolved) = resolved {
            assert!(resolved.zones.iter().all(|zone| zone.zone.check().is_ok()));
        }
    }
    for who in 1..=4 {
        if let Some(primary) = Names::primary_of(&account(who)) {
            assert!(Names::zone_names_account(&primary, &account(who)));
        }
    }
}

/// Ends everything: all that is held must come back.
fn wind_up() {
    run_by(10 * YEAR + GRACE + 14 * DAY);
    while Stored::<Test>::iter().next().is_some() {
        idle();
    }
    for ((name, subdomain), _) in crate::Subdomains::<Test>::iter().collect::<Vec<_>>() {
        Names::purge_subdomain(signed(9), bytes(name.as_str()), bytes(subdomain.as_str())).unwrap();
    }
    for (who, hash, _) in crate::Commitments::<Test>::iter().collect::<Vec<_>>() {
        Names::purge_commitment(signed(9), who, hash).unwrap();
    }
    for who in 1..=4 {
        Names::set_primary(signed(who), None).unwrap();
        for reason in [HoldReason::Commitment, HoldReason::Zone, HoldReason::Subdomain, HoldReason::PrimaryName] {
            assert_eq!(held(who, reason), 0);
        }
    }
    assert_eq!(crate::Zones::<Test>::iter().count(), 0);
    assert_eq!(crate::SubdomainLists::<Test>::iter().count(), 0);
    assert_eq!(crate::ExpiryQueue::<Test>::iter().count(), 0);
}

/// As many sequences as run in half a minute; more by `PROPTEST_CASES`.
fn cases() -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(wanted.unwrap_or(64))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_is_called_the_invariants_hold(steps in vec((step(), caller()), 1..80)) {
        ExtBuilder.build_and_execute(|| {
            let mut model = Model::default();
            register(ALICE, NAMES[0]);
            model.0.insert(NAMES[0], (ALICE, System::block_number() + YEAR));
            for (step, caller) in steps {
                apply(step, caller, &mut model);
                check(&model);
            }
            wind_up();
        });
    }

    #[test]
    fn the_price_of_a_lapsed_name_never_rises(years in 1u8..=10, blocks in vec(0u64..3 * DAY, 1..40)) {
        ExtBuilder.build_and_execute(|| {
            register(ALICE, "blogs");
            jump_to(expires_at("blogs") + GRACE);
            let mut before = u64::MAX;
            for blocks in blocks {
                let price = Names::price(b"blogs", years).unwrap();
                assert!(price <= before && price >= u64::from(years) * PRICE);
                before = price;
                run_by(blocks);
            }
        });
    }
}

#[test]
fn phases_follow_one_another_without_a_gap() {
    ExtBuilder.build_and_execute(|| {
        register(ALICE, "blogs");
        let registration = Stored::<Test>::get(label("blogs")).unwrap();
        let expires = registration.expires_at;
        let day: u64 = <Test as Config>::PremiumHalvingBlocks::get();
        let phase = |block| Names::phase(&registration, block);
        assert_eq!(phase(expires - 1), Phase::Active);
        assert_eq!(phase(expires), Phase::Grace);
        assert_eq!(phase(expires + GRACE - 1), Phase::Grace);
        assert_eq!(phase(expires + GRACE), Phase::Premium(0));
        assert_eq!(phase(expires + GRACE + 14 * day - 1), Phase::Premium(14 * day - 1));
        assert_eq!(phase(expires + GRACE + 14 * day), Phase::Over);
    });
}

#[test]
fn every_change_of_an_answer_is_told() {
    ExtBuilder.build_and_execute(|| {
        let told = || {
            let count = System::events()
                .iter()
                .filter(|record| matches!(record.event, RuntimeEvent::Names(Event::ZoneChanged { .. })))
                .count();
            System::reset_events();
            count
        };
        let (blogs, alice) = (bytes("blogs"), || signed(ALICE));
        commit(ALICE, "blogs", 1, &[]);
        let calls: Vec<(RuntimeCallOf, u8)> = vec![
            (
                Call::register {
                    label: blogs.clone(),
                    years: 1,
                    salt: [7; 32],
                    records: records(&[]),
                    max_price: u64::MAX,
                },
                ALICE,
            ),
            (Call::renew { label: blogs.clone(), years: 1, max_price: u64::MAX }, BOB),
            (Call::set_rrset { label: blogs.clone(), subdomain: None, rrset: a("@") }, ALICE),
            (Call::clear_rrset { label: blogs.clone(), subdomain: None, name: a("@").name, rtype: rr::A }, ALICE),
            (Call::replace_zone { label: blogs.clone(), subdomain: None, records: records(&[a("w")]) }, ALICE),
            (Call::set_subdomain_owner { label: blogs.clone(), subdomain: bytes("shop"), owner: account(BOB) }, ALICE),
            (Call::set_rrset { label: blogs.clone(), subdomain: Some(bytes("shop")), rrset: a("@") }, BOB),
            (Call::revoke_subdomain { label: blogs.clone(), subdomain: bytes("shop") }, BOB),
        ];
        for (call, who) in calls {
            System::reset_events();
            let before = Names::resolve(b"blogs");
            assert!(dispatch(call.clone(), signed(who)), "{call:?}");
            assert_ne!(Names::resolve(b"blogs"), before, "{call:?}");
            assert_eq!(told(), 1, "{call:?}");
        }
        Names::propose_transfer(alice(), blogs.clone(), Some(account(BOB))).unwrap();
        Names::set_manager(alice(), blogs.clone(), Some(account(BOB))).unwrap();
        assert_eq!(told(), 0);
        Names::accept_transfer(signed(BOB), blogs.clone()).unwrap();
        assert_eq!(told(), 1);
        Names::release(signed(BOB), blogs).unwrap();
        assert_eq!(told(), 1);
    });
}
