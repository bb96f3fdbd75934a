// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::plans::NewPlan;

const PERIOD: u64 = 100_000;

fn plan() -> NewPlan {
    NewPlan { name: "monthly".into(), price: 1_000, period_ms: PERIOD, units: 50 }
}

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.api();
    assert_eq!(bench.call(provider(), |market| market.add_plan(0, plan())), Ok(0));
    bench.pay(consumer(), 100_000, |market| market.deposit()).expect("coins");
    bench
}

#[ink::test]
fn plans_have_bounds() {
    let mut bench = bench();
    let mut add = |plan: NewPlan| bench.call(provider(), |market| market.add_plan(0, plan)).err();
    for wrong in [
        NewPlan { name: String::new(), ..plan() },
        NewPlan { name: "x".repeat(65), ..plan() },
        NewPlan { period_ms: 59_999, ..plan() },
        NewPlan { period_ms: 400 * 24 * 3_600_000 + 1, ..plan() },
    ] {
        assert_eq!(add(wrong), Some(Error::BadPlan));
    }
    (1..16).for_each(|_| assert_eq!(add(plan()), None));
    assert_eq!(add(plan()), Some(Error::TooManyPlans));
    assert_eq!(bench.market.plans(0).len(), 16);
    assert_eq!(bench.call(provider(), |market| market.close_plan(0, 16)), Err(Error::NoSuchPlan));
    bench.call(provider(), |market| market.retire_api(0)).expect("active");
    assert_eq!(bench.call(provider(), |market| market.add_plan(0, plan())), Err(Error::Retired));
}

#[ink::test]
fn a_provider_earns_a_subscription_as_time_passes() {
    let mut bench = bench();
    let start = bench.now;
    assert_eq!(bench.call(consumer(), |market| market.subscribe(0, 0)), Ok(start + PERIOD));
    assert_eq!(bench.market.account(consumer()).balance, 99_000);
    assert_eq!(bench.call(stranger(), |market| market.collect(0, consumer())), Err(Error::NothingDue));
    bench.wait(PERIOD / 4);
    let before = bench.has(provider());
    assert_eq!(bench.call(stranger(), |market| market.collect(0, consumer())), Ok(250));
    // One more period joins the one that runs.
    assert_eq!(bench.call(consumer(), |market| market.subscribe(0, 0)), Ok(start + 2 * PERIOD));
    bench.wait(3 * PERIOD);
    assert_eq!(bench.call(stranger(), |market| market.collect(0, consumer())), Ok(1_750));
    assert_eq!(bench.has(provider()), before + 2_000);
    assert_eq!(bench.market.subscription(0, consumer()), None);
    assert_eq!(bench.call(stranger(), |market| market.collect(0, consumer())), Err(Error::NotSubscribed));
}

#[ink::test]
fn cancelling_gives_back_the_periods_that_have_not_begun() {
    let mut bench = bench();
    let cancel = |bench: &mut Bench| bench.call(consumer(), |market| market.cancel_subscription(0));
    assert_eq!(cancel(&mut bench), Err(Error::NotSubscribed));
    bench.call(consumer(), |market| market.subscribe(0, 0)).expect("open");
    let start = bench.now;
    bench.wait(PERIOD / 10);
    assert_eq!(cancel(&mut bench), Err(Error::NothingDue), "its units may all have been used");
    for _ in 0..2 {
        bench.call(consumer(), |market| market.subscribe(0, 0)).expect("open");
    }
    let before = bench.has(provider());
    assert_eq!(cancel(&mut bench), Ok(2_000));
    assert_eq!((bench.has(provider()), bench.market.account(consumer()).balance), (before + 100, 99_000));
    let subscription = bench.market.subscription(0, consumer()).expect("goes on");
    assert_eq!((subscription.ends_ms, subscription.held), (start + PERIOD, 900));
    assert_eq!(cancel(&mut bench), Err(Error::NothingDue));
    // Whoever subscribes again goes on with the same period: no units anew.
    assert_eq!(bench.call(consumer(), |market| market.subscribe(0, 0)), Ok(start + 2 * PERIOD));
    assert_eq!(bench.market.subscription(0, consumer()).expect("goes on").began_ms, start);
    bench.wait(PERIOD);
    assert_eq!(cancel(&mut bench), Err(Error::NothingDue), "the second one has begun");
    bench.wait(PERIOD);
    assert_eq!(cancel(&mut bench), Err(Error::NothingDue), "it has ended");
    assert_eq!(bench.call(stranger(), |market| market.collect(0, consumer())), Ok(1_900));
}

#[ink::test]
fn an_ended_subscription_is_settled_by_the_next() {
    let mut bench = bench();
    bench.call(provider(), |market| market.add_plan(0, NewPlan { price: 7, ..plan() })).expect("fits");
    bench.call(consumer(), |market| market.subscribe(0, 0)).expect("open");
    assert_eq!(bench.call(consumer(), |market| market.subscribe(0, 1)), Err(Error::OtherPlan));
    bench.wait(PERIOD);
    let before = bench.has(provider());
    assert_eq!(bench.call(consumer(), |market| market.subscribe(0, 1)), Ok(bench.now + PERIOD));
    assert_eq!(bench.has(provider()), before + 1_000);
    let subscription = bench.market.subscription(0, consumer()).expect("new");
    assert_eq!((subscription.plan, subscription.held, subscription.began_ms), (1, 7, bench.now));
}

#[ink::test]
fn what_can_not_be_subscribed_to() {
    let mut bench = bench();
    let subscribe = |bench: &mut Bench, who, api, plan| bench.call(who, |market| market.subscribe(api, plan)).err();
    assert_eq!(subscribe(&mut bench, consumer(), 1, 0), Some(Error::NoSuchApi));
    assert_eq!(subscribe(&mut bench, consumer(), 0, 1), Some(Error::NoSuchPlan));
    assert_eq!(subscribe(&mut bench, stranger(), 0, 0), Some(Error::BalanceTooLow));
    (0..24).for_each(|_| assert_eq!(subscribe(&mut bench, consumer(), 0, 0), None));
    assert_eq!(subscribe(&mut bench, consumer(), 0, 0), Some(Error::TooFarAhead));
    bench.call(provider(), |market| market.close_plan(0, 0)).expect("its own");
    assert_eq!(subscribe(&mut bench, consumer(), 0, 0), Some(Error::PlanClosed));
    bench.call(provider(), |market| market.pause_api(0)).expect("active");
    assert_eq!(subscribe(&mut bench, consumer(), 0, 0), Some(Error::NotActive));
}
