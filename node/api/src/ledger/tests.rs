// SPDX-License-Identifier: Apache-2.0

use cairn_client::{
    chain::marketplace::{Paid, Signer, Subscription},
    keys::Keypair,
};
use proptest::prelude::*;

use super::{
    account::{By, Charge},
    *,
};

mod anew;

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

/// A voucher that nobody signed.
fn unsigned() -> Voucher {
    Voucher {
        genesis: [8; 32],
        contract: [9; 32],
        consumer: [1; 32],
        signer: [4; 32],
        provider: [2; 32],
        api: 7,
        epoch: 3,
        calls: 0,
        units: 0,
        value: 0,
    }
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
    assert_eq!(account.charge(2, &terms(), 0), Err(Refusal::Credit { missing: 2 * ONE }));
    let (paid, signature) = voucher(2 * ONE);
    ledger.pay(&account, &paid, &signature, &standing(), None, 0).await.expect("is good");
    let charge = account.charge(2, &terms(), 0).expect("is promised");
    account.settle(charge, true);
    assert_eq!(account.charge(1, &terms(), 0), Err(Refusal::Credit { missing: ONE }));
    // The same voucher again, and an older one: fine, and worth nothing.
    ledger.pay(&account, &paid, &signature, &standing(), None, 0).await.expect("is no better");
    let (older, signature) = voucher(ONE);
    ledger.pay(&account, &older, &signature, &standing(), None, 0).await.expect("is no better");
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
        assert_eq!(ledger.pay(&account, &paid, &signature, &standing, None, 0).await, Err(refusal));
        assert_eq!(account.counts().value, 0);
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("books");
    let (ledger, account) = opened(dir.path()).await;
    let (paid, signature) = voucher(9 * ONE);
    ledger.pay(&account, &paid, &signature, &standing(), None, 0).await.expect("is good");
    // A kill now: what is on the disk is all there is.
    let survived = Ledger::read(&path).expect("whole");
    assert_eq!(survived.accounts[&who()].best, Some((paid, signature)));
    let charge = account.charge(4, &terms(), 0).expect("is promised");
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
    let charge = account.charge(3, &terms, 0).expect("free");
    assert_eq!(charge, Charge { price: 0, units: 3, by: By::Free });
    account.settle(charge, false);
    let charge = account.charge(2, &terms, 0).expect("was given back");
    account.settle(charge, true);
    let next = ledger.account(Who { epoch: 4, ..who() }, &standing()).await.expect("has room");
    assert!(next.charge(2, &terms, 0).is_err(), "one is left");
    next.charge(1, &terms, 0).expect("free");
}

fn subscription(periods: u64) -> Subscription {
    let (began_ms, period_ms) = (1_000_000, 60_000);
    let ends_ms = began_ms + periods * period_ms;
    Subscription { plan: 0, began_ms, ends_ms, units: 10, period_ms, held: 0, collected_ms: began_ms }
}

#[tokio::test]
async fn a_plan_pays_before_vouchers_whatever_the_signer_and_after_a_kill() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("books");
    let (ledger, account) = opened(dir.path()).await;
    let (plan, terms) = (subscription(1), Terms { free_units: 2, ..terms() });
    let now = plan.began_ms;
    let (paid, signature) = voucher(9 * ONE);
    ledger.pay(&account, &paid, &signature, &standing(), None, 0).await.expect("is good");
    account.looked(Some((true, Some(plan))));
    let by = |account: &Account, units| {
        let charge = account.charge(units, &terms, now).expect("is paid");
        account.settle(charge, true);
        charge.by
    };
    assert_eq!(by(&account, 2), By::Free);
    assert!(matches!(by(&account, 4), By::Plan(_)));
    let again = ledger.account(Who { epoch: 4, ..who() }, &standing()).await.expect("has room");
    again.looked(Some((true, Some(plan))));
    assert!(matches!(by(&again, 4), By::Plan(_)), "it is the consumer's");
    assert_eq!(again.charge(3, &terms, now), Err(Refusal::Credit { missing: 3 * ONE }), "two are left for both");
    assert_eq!(by(&account, 3), By::Credit);
    assert_eq!((account.counts().spent, account.counts().calls), (3 * ONE, 2), "the plan's calls are no voucher's");
    assert_eq!(account.plan_left(now).map(|left| left.left), Some(2));
    ledger.write_uses();
    // What is written after it is on the disk, so it is, too.
    ledger.redeemed(&account, 0).await.expect("written");
    // A kill now: all of the file is there, and nothing else.
    let survived = dir.path().join("survived");
    std::fs::copy(&path, &survived).expect("copied");
    let ledger = Ledger::open(&survived).expect("opens");
    // Once more, from what opening wrote.
    drop(ledger);
    let ledger = Ledger::open(&survived).expect("opens");
    let account = ledger.account(who(), &standing()).await.expect("is known");
    assert_eq!(account.plan_left(now), None, "what is paid is the chain's to say");
    account.looked(Some((true, Some(plan))));
    assert_eq!(account.plan_left(now).map(|left| left.left), Some(2));
}

#[tokio::test]
async fn a_signer_that_is_not_good_uses_no_plan() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (_ledger, account) = opened(dir.path()).await;
    let plan = subscription(1);
    let charge = |account: &Account| account.charge(1, &terms(), plan.began_ms).map(|charge| charge.by);
    assert!(account.is_stale(Duration::ZERO), "nobody has asked yet");
    assert!(!account.is_stale(Duration::ZERO), "somebody is asking");
    account.looked(Some((false, Some(plan))));
    assert!(charge(&account).is_err());
    account.looked(Some((true, Some(plan))));
    assert!(matches!(charge(&account), Ok(By::Plan(_))));
    account.looked(None);
    assert!(matches!(charge(&account), Ok(By::Plan(_))), "what the chain said last holds");
    assert!(!account.is_stale(Duration::from_secs(60)));
    account.looked(Some((true, None)));
    assert!(charge(&account).is_err(), "it has ended");
}

fn badge() -> Badge {
    Badge {
        genesis: [8; 32],
        contract: [9; 32],
        consumer: who().consumer,
        signer: who().signer,
        user: [5; 32],
        api: 7,
        epoch: 3,
        units_max: 10,
        expires_at_ms: 1_000,
    }
}

#[test]
fn every_bad_badge_is_refused_for_its_reason() {
    let check = |badge: Badge, signed: &Badge, now_ms| {
        let signature = key().sign(&signed.signed_bytes());
        check_badge(&badge, &signature, (&[8; 32], &[9; 32], 7), &[5; 32], (&who().consumer, 3), now_ms)
    };
    assert_eq!(check(badge(), &badge(), 999), Ok(()));
    let refused = |badge: Badge| {
        check(badge, &badge, 0).map_err(|refusal| match refusal {
            Refusal::Badge(why) => why,
            other => panic!("{other}"),
        })
    };
    for (badge, why) in [
        (Badge { genesis: [0; 32], ..badge() }, "it is for another chain"),
        (Badge { contract: [0; 32], ..badge() }, "it is for another contract"),
        (Badge { api: 8, ..badge() }, "it is for another API"),
        (Badge { user: [0; 32], ..badge() }, "it is another user's"),
        (Badge { consumer: [0; 32], ..badge() }, "it is another consumer's"),
        (Badge { epoch: 4, ..badge() }, "its epoch is another"),
        (Badge { expires_at_ms: 0, ..badge() }, "it has expired"),
        (Badge { signer: [0; 32], ..badge() }, "its signature is not its signer's"),
    ] {
        assert_eq!(refused(badge), Err(why));
    }
    assert_eq!(check(badge(), &badge(), 1_000), Err(Refusal::Badge("it has expired")));
    let more = Badge { units_max: 11, ..badge() };
    assert_eq!(check(more, &badge(), 0), Err(Refusal::Badge("its signature is not its signer's")), "it was changed");
}

#[tokio::test]
async fn a_user_never_uses_more_than_its_badges_say_over_restarts_too() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (ledger, _) = opened(dir.path()).await;
    let open = ledger.badge(who(), &badge()).expect("has room");
    open.charge(7, 0).expect("within");
    assert_eq!(open.charge(4, 0), Err(Refusal::Badge("its units are used up")));
    assert_eq!(open.charge(u64::MAX, 0), Err(Refusal::Badge("its units are used up")));
    open.give_back(2);
    let again = ledger.badge(who(), &badge()).expect("is known");
    again.charge(5, 0).expect("was given back");
    assert_eq!(
        (open.left(), open.charge(1, 0)),
        (0, Err(Refusal::Badge("its units are used up"))),
        "two sessions count as one"
    );
    ledger.write_uses();
    drop(ledger);
    for _ in 0..2 {
        let ledger = Ledger::open(&dir.path().join("books")).expect("opens");
        assert_eq!(ledger.badge(who(), &badge()).expect("is known").left(), 0);
        // A total, as in vouchers: a second badge over more gives the difference.
        let more = ledger.badge(who(), &Badge { units_max: 12, ..badge() }).expect("is known");
        assert_eq!(more.left(), 2);
        assert_eq!(more.charge(1, 1_000), Err(Refusal::Badge("it has expired")));
        let other = ledger.badge(Who { epoch: 4, ..who() }, &badge()).expect("has room");
        assert_eq!(other.left(), 10, "another authorisation");
    }
}

#[tokio::test]
async fn one_consumers_users_don_t_take_all_the_room() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (ledger, _) = opened(dir.path()).await;
    let user = |number: usize| {
        let mut user = [0; 32];
        user[..8].copy_from_slice(&(number as u64).to_le_bytes());
        Badge { user, ..badge() }
    };
    for number in 0..USERS_OF_ONE_MAX {
        ledger.badge(who(), &user(number)).expect("has room");
    }
    assert!(matches!(ledger.badge(who(), &user(USERS_OF_ONE_MAX)), Err(Refusal::Busy)));
    ledger.badge(who(), &user(0)).expect("is known");
    ledger.badge(Who { consumer: [2; 32], ..who() }, &user(0)).expect("is another's");
}

#[test]
fn books_of_another_kind_are_refused_and_older_ones_read() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("books");
    let write = |records: Vec<Vec<u8>>| drop(journal::Writer::rewrite(&path, records).expect("writable"));
    // As releases before plans wrote it.
    let counts = Counts { value: 5, spent: 3, calls: 1, ..Counts::default() };
    write(vec![(0u8, who(), counts.clone()).encode(), (2u8, who(), 4u128, 2u64, 2u64, 0u64).encode()]);
    let books = Ledger::read(&path).expect("is read");
    assert_eq!(books.accounts[&who()], Counts { spent: 4, calls: 2, units: 2, ..counts });
    for unknown in [vec![200u8], vec![4u8, 1], [vec![4u8], ([1u8; 32], PlanUse::default(), 0u8).encode()].concat()] {
        write(vec![unknown]);
        assert!(Ledger::read(&path).expect_err("unknown").to_string().contains("another version"));
    }
}

#[test]
fn the_rate_is_bounded() {
    let account = Account::new(who(), Counts { value: u128::MAX, ..Counts::default() }, Arc::default(), Arc::default());
    let terms = Terms { calls_per_second: 0, exposure_max: u128::MAX, ..terms() };
    account.charge(1, &terms, 0).expect("the first");
    assert_eq!(account.charge(1, &terms, 0), Err(Refusal::Rate { per_second: 0 }));
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
        let (mut counts, mut tab, paid) = (Counts::default(), tab::TabInside::default(), unsigned());
        let (mut promised, mut answered_units, mut answered_price) = (0u128, 0u64, 0u128);
        for step in steps {
            match step {
                Step::Pay(value) => {
                    let before = counts.value;
                    counts.promise(Voucher { value: value * ONE, ..paid }, [0; 64]);
                    promised = promised.max(value * ONE);
                    prop_assert!(counts.value >= before, "a promise is never taken back");
                },
                Step::Call(units, answered) => {
                    let before = counts.clone();
                    match counts.charge(units, &terms, &mut tab, || None) {
                        Ok(charge) => {
                            counts.settle(charge, answered, &mut tab);
                            if answered {
                                answered_units += units;
                                answered_price += charge.price;
                                prop_assert!(charge.by == By::Free || charge.price == u128::from(units) * ONE);
                            } else {
                                prop_assert_eq!(&counts, &before, "what was not answered costs nothing");
                            }
                        },
                        Err(_) => prop_assert_eq!(&counts, &before),
                    }
                },
                Step::Redeem => {
                    let before = counts.exposed();
                    counts.redeemed = counts.redeemed.max(counts.value);
                    tab.expose(before, counts.exposed());
                },
            }
            prop_assert_eq!(counts.value, promised, "the same voucher never counts twice");
            prop_assert_eq!(counts.spent, answered_price);
            prop_assert_eq!(counts.units, answered_units);
            prop_assert!(counts.spent <= counts.value);
            prop_assert!(counts.free_units <= free_units);
            prop_assert_eq!(tab.exposed, counts.exposed());
            prop_assert!(tab.exposed <= terms.exposure_max);
        }
    }
}

fn key_of(seed: u8) -> Keypair {
    Keypair::from_secret_uri(&format!("//Signer{seed}")).expect("valid")
}

/// An account of the same consumer, by another signer.
async fn opened_by(ledger: &Ledger, seed: u8) -> Arc<Account> {
    let who = Who { signer: key_of(seed).account_id().0, ..who() };
    ledger.account(who, &standing()).await.expect("has room")
}

async fn pay_by(
    ledger: &Ledger,
    account: &Account,
    seed: u8,
    value: u128,
    balance: Option<u128>,
) -> Result<(), Refusal> {
    let paid = Voucher { signer: key_of(seed).account_id().0, ..voucher(value).0 };
    let signature = key_of(seed).sign(&paid.signed_bytes());
    ledger.pay(account, &paid, &signature, &standing(), balance, 0).await
}

#[tokio::test]
async fn twenty_signers_of_one_consumer_have_what_one_has() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let ledger = Ledger::open(&dir.path().join("books")).expect("opens");
    let terms = Terms { free_units: 10, exposure_max: 50 * ONE, ..terms() };
    let (mut free, mut credit) = (0, 0);
    let mut accounts = Vec::new();
    for seed in 0..20 {
        accounts.push(opened_by(&ledger, seed).await);
    }
    let balance = 60 * ONE;
    for (seed, account) in accounts.iter().enumerate() {
        let promised: u128 = accounts.iter().map(|account| account.promised()).sum();
        // The balance is 60 calls' worth: what others have promised is not promised again.
        let all = pay_by(&ledger, account, seed as u8, balance, Some(balance)).await;
        assert_eq!(all.is_ok(), promised == 0, "signer {seed}");
        let _ = pay_by(&ledger, account, seed as u8, balance - promised, Some(balance)).await;
        while let Ok(charge) = account.charge(1, &terms, 0) {
            account.settle(charge, true);
            match charge.by {
                By::Free => free += 1,
                _ => credit += 1,
            }
        }
    }
    assert_eq!((free, credit), (10, 50), "ten free units and fifty of exposure for all of them together");
    let promised: u128 = accounts.iter().map(|account| account.promised()).sum();
    assert_eq!(promised, balance, "no more than the balance backs");
    // What is redeemed makes room again, whoever's it was.
    ledger.redeemed(&accounts[0], 60 * ONE).await.expect("written");
    assert_eq!(accounts[0].tab().exposed(), 0);
    ledger.write_uses();
    drop((accounts, ledger));
    let again = Ledger::open(&dir.path().join("books")).expect("opens");
    let account = opened_by(&again, 7).await;
    assert_eq!(
        account.charge(1, &Terms { unit_price: 0, ..terms }, 0).map(|charge| charge.by),
        Ok(By::Credit),
        "no free units"
    );
}

#[tokio::test]
async fn the_rate_is_a_consumers_whatever_its_signers() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let ledger = Ledger::open(&dir.path().join("books")).expect("opens");
    let terms = Terms { free_units: 1_000, calls_per_second: 1, ..terms() };
    let mut made = 0;
    for seed in 0..20 {
        let account = opened_by(&ledger, seed).await;
        made += usize::from(account.charge(1, &terms, 0).is_ok());
    }
    assert!(made <= 2, "{made} calls in a moment");
}

#[tokio::test]
async fn an_authorisation_that_was_replaced_weighs_on_nobody() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (ledger, account) = opened(dir.path()).await;
    let (paid, signature) = voucher(50 * ONE);
    ledger.pay(&account, &paid, &signature, &standing(), None, 0).await.expect("is good");
    while let Ok(charge) = account.charge(1, &terms(), 0) {
        account.settle(charge, true);
    }
    assert_eq!(account.tab().exposed(), 50 * ONE);
    let next = Standing { signer: Signer { epoch: 4, ..standing().signer }, ..standing() };
    let newer = ledger.account(Who { epoch: 4, ..who() }, &next).await.expect("has room");
    assert_eq!((newer.tab().exposed(), account.promised(), account.is_closed()), (0, 0, true));
    assert_eq!(ledger.promised_elsewhere(newer.who()), 0);
}
