// SPDX-License-Identifier: Apache-2.0

//! Random sequences of messages. [`Bench::pay`] checks after each that every coin is somebody's.

use proptest::prelude::*;

use super::*;
use crate::plans::NewPlan;

#[derive(Clone, Debug)]
enum Step {
    Deposit(u8, u16),
    RequestWithdraw(u8, u16),
    Withdraw(u8),
    Authorize { who: u8, key: u8, cap: u16, only: bool, lasts: u16 },
    Extend { who: u8, key: u8, more: u16 },
    Revoke(u8, u8),
    Close(u8, u8),
    Redeem { who: u8, key: u8, epoch: u8, value: u16 },
    Forget { who: u8, epoch: u8 },
    Subscribe(u8),
    Cancel(u8),
    Collect(u8),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let (who, key) = (2u8..4, 1u8..3);
    prop_oneof![
        (who.clone(), any::<u16>()).prop_map(|(w, v)| Step::Deposit(w, v)),
        (who.clone(), any::<u16>()).prop_map(|(w, v)| Step::RequestWithdraw(w, v)),
        who.clone().prop_map(Step::Withdraw),
        (who.clone(), key.clone(), any::<u16>(), any::<bool>(), any::<u16>())
            .prop_map(|(who, key, cap, only, lasts)| Step::Authorize { who, key, cap, only, lasts }),
        (who.clone(), key.clone(), any::<u16>()).prop_map(|(who, key, more)| Step::Extend { who, key, more }),
        (who.clone(), key.clone()).prop_map(|(w, k)| Step::Revoke(w, k)),
        (who.clone(), key.clone()).prop_map(|(w, k)| Step::Close(w, k)),
        (who.clone(), key.clone(), 0u8..6, any::<u16>()).prop_map(|(who, key, epoch, value)| Step::Redeem {
            who,
            key,
            epoch,
            value
        }),
        (who.clone(), 0u8..6).prop_map(|(who, epoch)| Step::Forget { who, epoch }),
        who.clone().prop_map(Step::Subscribe),
        who.clone().prop_map(Step::Cancel),
        who.prop_map(Step::Collect),
        any::<u16>().prop_map(Step::Wait),
    ]
}

fn run(bench: &mut Bench, step: &Step) {
    let key = |seed: u8| keypair(seed).public.to_bytes();
    // Refusals are part of it: what counts is checked by the bench.
    let _ = match *step {
        Step::Deposit(who, value) => bench.pay(account(who), value.into(), |m| m.deposit().map(drop)),
        Step::RequestWithdraw(who, value) => bench.call(account(who), |m| m.request_withdraw(value.into()).map(drop)),
        Step::Withdraw(who) => bench.call(account(who), |m| m.withdraw().map(drop)),
        Step::Authorize { who, key: seed, cap, only, lasts } => {
            let (expires, only) = (bench.now + u64::from(lasts), only.then(provider));
            bench.call(account(who), |m| m.authorize_signer(key(seed), cap.into(), expires, only).map(drop))
        },
        Step::Extend { who, key: seed, more } => {
            let Some(signer) = bench.market.signer(account(who), key(seed)) else { return };
            let (cap, expires) = (signer.cap + Balance::from(more), signer.closes_at_ms + u64::from(more));
            bench.call(account(who), |m| m.extend_signer(key(seed), cap, expires))
        },
        Step::Revoke(who, seed) => bench.call(account(who), |m| m.revoke_signer(key(seed)).map(drop)),
        Step::Close(who, seed) => bench.call(provider(), |m| m.close_signer(account(who), key(seed)).map(drop)),
        Step::Redeem { who, key: seed, epoch, value } => {
            let voucher =
                Voucher { consumer: [who; 32], signer: key(seed), ..bench.voucher(epoch.into(), value.into()) };
            let signature = sign(&keypair(seed), &voucher.signed_bytes());
            let before = bench.market.paid(account(who), epoch.into(), 0).value;
            let result = bench.call(provider(), |m| m.redeem(voucher, signature));
            let paid = bench.market.paid(account(who), epoch.into(), 0).value;
            assert_eq!(paid, before + result.unwrap_or(0));
            assert!(paid <= before.max(value.into()), "no voucher pays more than its value");
            result.map(drop)
        },
        Step::Forget { who, epoch } => bench.call(provider(), |m| m.forget_paid(account(who), epoch.into(), 0)),
        Step::Subscribe(who) => bench.call(account(who), |m| m.subscribe(0, 0).map(drop)),
        Step::Cancel(who) => bench.call(account(who), |m| m.cancel_subscription(0).map(drop)),
        Step::Collect(who) => bench.call(provider(), |m| m.collect(0, account(who)).map(drop)),
        Step::Wait(ms) => {
            bench.wait(ms.into());
            Ok(())
        },
    };
    for who in [2, 3] {
        for seed in [1, 2] {
            if let Some(signer) = bench.market.signer(account(who), key(seed)) {
                assert!(signer.spent <= signer.cap, "no signer spends more than its cap");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn money_is_conserved_and_caps_hold(steps in prop::collection::vec(step(), 1..60)) {
        ink::env::test::run_test::<DefaultEnvironment, _>(|_| {
            let mut bench = Bench::new();
            bench.api();
            let plan = NewPlan { name: "p".into(), price: 333, period_ms: 70_001, units: 1 };
            bench.call(provider(), |market| market.add_plan(0, plan)).expect("fits");
            for step in &steps {
                run(&mut bench, step);
            }
            // In the end everybody gets out what is theirs, but for the bond.
            bench.wait(10_000_000);
            for who in [2, 3] {
                let _ = bench.call(provider(), |m| m.collect(0, account(who)));
                for seed in [1, 2] {
                    let key = keypair(seed).public.to_bytes();
                    let _ = bench.call(provider(), |m| m.close_signer(account(who), key));
                }
                let balance = bench.market.account(account(who)).balance;
                bench.call(account(who), |m| m.request_withdraw(balance)).expect("all of it");
                bench.wait(THAW);
                let out = bench.call(account(who), |m| m.withdraw());
                assert_eq!(out.unwrap_or(0), balance);
            }
            assert_eq!(bench.market.solvency().owed, BOND);
            Ok(())
        }).expect("runs");
    }
}
