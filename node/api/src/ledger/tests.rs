// SPDX-License-Identifier: Apache-2.0

use cairn_client::{
    chain::marketplace::{Paid, Signer},
    keys::Keypair,
};
use proptest::prelude::*;

use super::{account::Charge, *};

const ONE: u128 = 1_000;

fn key() -> Keypair {
    Keypair::from_secret_uri("//Consumer").expect("valid")
}

fn who() -> Who {
    Who { consumer: [1; 32], signer: key().account_id().0, epoch: 3 }
}

fn voucher(value: u128) -> (Voucher, Signature) {
    let voucher = Voucher {
        genesis: [8; 32],
        contract: [9; 32],
        consumer: who().consumer,
        signer: who().signer,
        provider: [2; 32],
        api: 7,
        epoch: who().epoch,
        calls: 0,
        units: 0,
        value,
    };
    (voucher, key().sign(&voucher.signed_bytes()))
}

fn standing() -> Standing {
    let signer = Signer {
        epoch: 3,
        cap: 100 * ONE,
        spent: 0,
        closes_at_ms: 10_000_000,
        revoked: false,
        provider: None,
        set_aside: 0,
    };
    Standing {
        signer,
        paid: Paid::default(),
        redeemable: 100 * ONE,
        thawing: 0,
        thaws_at_ms: 0,
        api_status: Status::Active,
        api_provider: [2; 32],
    }
}

fn terms() -> Terms {
    Terms { unit_price: ONE, free_units: 0, exposure_max: 50 * ONE, calls_per_second: 1_000_000 }
}

async fn opened(dir: &Path) -> (Ledger, Arc<Account>) {
    let ledger = Ledger::open(&dir.join("books")).expect("opens");
    let account = ledger.account(who(), &standing()).await.expect("has room");
    (ledger, account)
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_promised() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (ledger, account) = opened(dir.path()).await;
    assert_eq!(account.charge(2, &terms()), Err(Refusal::Credit { missing: 2 * ONE }));
    let (paid, signature) = voucher(2 * ONE);
    ledger.pay(&account, &paid, &signature, &standing(), 0).await.expect("is good");
    let charge = account.charge(2, &terms()).expect("is promised");
    account.settle(charge, true);
    assert_eq!(account.charge(1, &terms()), Err(Refusal::Credit { missing: ONE }));
    // The same voucher again, and an older one: fine, and worth nothing.
    ledger.pay(&account, &paid, &signature, &standing(), 0).await.expect("is no better");
    let (older, signature) = voucher(ONE);
    ledger.pay(&account, &older, &signature, &standing(), 0).await.expect("is no better");
    assert_eq!(account.credit(), 0);
}

#[tokio::test]
async fn every_bad_voucher_is_refused_for_its_reason() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (ledger, account) = opened(dir.path()).await;
    let (paid, signature) = voucher(ONE);
    let (_, of_another) = voucher(2 * ONE);
    let with = |change: fn(&mut Standing)| {
        let mut standing = standing();
        change(&mut standing);
        standing
    };
    for (standing, signature, refusal) in [
        (standing(), of_another, Refusal::Signature),
        (with(|s| s.signer.epoch = 4), signature, Refusal::Epoch { now: 4 }),
        (with(|s| s.signer.revoked = true), signature, Refusal::Closing),
        (with(|s| s.signer.closes_at_ms = CLOSING_MS), signature, Refusal::Closing),
        (with(|s| s.api_status = Status::Paused), signature, Refusal::NotActive),
        (with(|s| s.redeemable = ONE - 1), signature, Refusal::NotBacked { redeemable: ONE - 1 }),
    ] {
        assert_eq!(ledger.pay(&account, &paid, &signature, &standing, 0).await, Err(refusal));
        assert_eq!(account.counts().value, 0);
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("books");
    let (ledger, account) = opened(dir.path()).await;
    let (paid, signature) = voucher(9 * ONE);
    ledger.pay(&account, &paid, &signature, &standing(), 0).await.expect("is good");
    // A kill now: what is on the disk is all there is.
    let survived = Ledger::read(&path).expect("whole");
    assert_eq!(survived[&who()].best, Some((paid, signature)));
    let charge = account.charge(4, &terms()).expect("is promised");
    account.settle(charge, true);
    ledger.write_uses();
    ledger.redeemed(&account, 5 * ONE).await.expect("written");
    drop(ledger);
    let counts = Ledger::open(&path).expect("opens").accounts()[0].counts();
    assert_eq!((counts.value, counts.spent, counts.redeemed), (9 * ONE, 4 * ONE, 5 * ONE));
    assert_eq!((counts.calls, counts.units, counts.due()), (1, 4, 4 * ONE));
}

#[tokio::test]
async fn what_was_redeemed_before_the_books_began_is_used_up() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let ledger = Ledger::open(&dir.path().join("books")).expect("opens");
    let paid = Paid { signer: who().signer, calls: 5, units: 6, value: 7 * ONE };
    let account = ledger.account(who(), &Standing { paid, ..standing() }).await.expect("has room");
    assert_eq!(account.credit(), 0);
    assert_eq!(account.counts().calls, 5);
}

#[tokio::test]
async fn free_units_are_had_once_whatever_the_signer() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (ledger, account) = opened(dir.path()).await;
    let terms = Terms { free_units: 3, ..terms() };
    let charge = account.charge(3, &terms).expect("free");
    assert_eq!(charge, Charge { price: 0, units: 3, free: true });
    account.settle(charge, false);
    let charge = account.charge(2, &terms).expect("was given back");
    account.settle(charge, true);
    let next = ledger.account(Who { epoch: 4, ..who() }, &standing()).await.expect("has room");
    assert!(next.charge(2, &terms).is_err(), "one is left");
    next.charge(1, &terms).expect("free");
}

#[test]
fn the_rate_is_bounded() {
    let account = Account::new(who(), Counts { value: u128::MAX, ..Counts::default() });
    let terms = Terms { calls_per_second: 0, exposure_max: u128::MAX, ..terms() };
    account.charge(1, &terms).expect("the first");
    assert_eq!(account.charge(1, &terms), Err(Refusal::Rate { per_second: 0 }));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pay(u128),
    Call(u64, bool),
    Redeem,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u128..60).prop_map(Step::Pay),
        (1u64..20, any::<bool>()).prop_map(|(units, answered)| Step::Call(units, answered)),
        Just(Step::Redeem),
    ]
}

proptest! {
    #[test]
    fn the_books_always_balance(steps in prop::collection::vec(step(), 0..80), free_units in 0u64..30, exposure in 0u128..40) {
        let terms = Terms { free_units, exposure_max: exposure * ONE, ..terms() };
        let mut counts = Counts::default();
        let (mut promised, mut answered_units, mut answered_price) = (0u128, 0u64, 0u128);
        for step in steps {
            match step {
                Step::Pay(value) => {
                    let before = counts.value;
                    let mut paid = voucher(0).0;
                    paid.value = value * ONE;
                    counts.promise(paid, [0; 64]);
                    promised = promised.max(value * ONE);
                    prop_assert!(counts.value >= before, "a promise is never taken back");
                },
                Step::Call(units, answered) => {
                    let before = counts.clone();
                    match counts.charge(units, &terms) {
                        Ok(charge) => {
                            counts.settle(charge, answered);
                            if answered {
                                answered_units += units;
                                answered_price += charge.price;
                                prop_assert!(charge.free || charge.price == u128::from(units) * ONE);
                            } else {
                                prop_assert_eq!(&counts, &before, "what was not answered costs nothing");
                            }
                        },
                        Err(_) => prop_assert_eq!(&counts, &before),
                    }
                },
                Step::Redeem => counts.redeemed = counts.redeemed.max(counts.value),
            }
            prop_assert_eq!(counts.value, promised, "the same voucher never counts twice");
            prop_assert_eq!(counts.spent, answered_price);
            prop_assert_eq!(counts.units, answered_units);
            prop_assert!(counts.spent <= counts.value);
            prop_assert!(counts.free_units <= free_units);
            prop_assert!(counts.spent.saturating_sub(counts.redeemed) <= terms.exposure_max);
        }
    }
}
