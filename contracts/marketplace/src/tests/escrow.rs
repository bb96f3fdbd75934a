// SPDX-License-Identifier: Apache-2.0

use super::*;

const KEY: fn() -> Bytes32 = || keypair(1).public.to_bytes();

#[ink::test]
fn what_was_deposited_comes_back_after_a_thaw() {
    let mut bench = Bench::new();
    assert_eq!(bench.call(consumer(), |market| market.deposit()), Err(Error::NothingSent));
    assert_eq!(bench.pay(consumer(), 60, |market| market.deposit()), Ok(60));
    assert_eq!(bench.pay(consumer(), 40, |market| market.deposit()), Ok(100));
    assert_eq!(bench.call(consumer(), |market| market.withdraw()), Err(Error::NothingDue));
    assert_eq!(bench.call(consumer(), |market| market.request_withdraw(101)), Err(Error::BalanceTooLow));
    let ready = bench.now + THAW;
    assert_eq!(bench.call(consumer(), |market| market.request_withdraw(70)), Ok(ready));
    bench.wait(THAW - 1);
    assert_eq!(bench.call(consumer(), |market| market.withdraw()), Err(Error::Thawing));
    bench.wait(1);
    let before = bench.has(consumer());
    assert_eq!(bench.call(consumer(), |market| market.withdraw()), Ok(70));
    assert_eq!(bench.has(consumer()), before + 70);
    assert_eq!(bench.market.account(consumer()).balance, 30);
    assert_eq!(bench.call(consumer(), |market| market.withdraw()), Err(Error::NothingDue));
}

#[ink::test]
fn a_new_request_starts_the_thaw_again_and_0_takes_it_back() {
    let mut bench = Bench::new();
    bench.pay(consumer(), 100, |market| market.deposit()).expect("coins");
    bench.call(consumer(), |market| market.request_withdraw(10)).expect("there");
    bench.wait(THAW);
    bench.call(consumer(), |market| market.request_withdraw(20)).expect("there");
    assert_eq!(bench.call(consumer(), |market| market.withdraw()), Err(Error::Thawing));
    bench.call(consumer(), |market| market.request_withdraw(0)).expect("always");
    bench.wait(THAW);
    assert_eq!(bench.call(consumer(), |market| market.withdraw()), Err(Error::NothingDue));
}

#[ink::test]
fn what_is_set_aside_for_one_provider_is_out_of_reach() {
    let mut bench = Bench::new();
    bench.api();
    bench.pay(consumer(), 100, |market| market.deposit()).expect("coins");
    let expires = bench.now + 50_000;
    let open = |market: &mut Marketplace, cap| market.authorize_signer(KEY(), cap, expires, Some(provider()));
    assert_eq!(bench.call(consumer(), |market| open(market, 101)), Err(Error::BalanceTooLow));
    assert_eq!(bench.call(consumer(), |market| open(market, 80)), Ok(1));
    assert_eq!(bench.market.account(consumer()).balance, 20);
    assert_eq!(bench.call(consumer(), |market| market.request_withdraw(21)), Err(Error::BalanceTooLow));
    let more = bench.call(consumer(), |market| market.extend_signer(KEY(), 101, expires));
    assert_eq!(more, Err(Error::BalanceTooLow));
    bench.call(consumer(), |market| market.extend_signer(KEY(), 90, expires)).expect("10 more are there");
    assert_eq!(bench.market.signer(consumer(), KEY()).expect("open").set_aside, 90);
    assert_eq!(bench.redeem(bench.voucher(1, 30)), Ok(30));
    assert_eq!(bench.call(stranger(), |market| market.close_signer(consumer(), KEY())), Err(Error::SignerActive));
    bench.wait(50_000);
    assert_eq!(bench.call(stranger(), |market| market.close_signer(consumer(), KEY())), Ok(60));
    assert_eq!(bench.market.account(consumer()).balance, 70);
    assert_eq!(bench.market.signer(consumer(), KEY()), None);
    assert_eq!(bench.call(stranger(), |market| market.close_signer(consumer(), KEY())), Err(Error::NoSuchSigner));
}

#[ink::test]
fn a_signer_is_authorised_again_only_when_closed_and_gets_a_new_epoch() {
    let mut bench = Bench::new();
    bench.pay(consumer(), 100, |market| market.deposit()).expect("coins");
    let past = bench.now;
    let none = bench.call(consumer(), |market| market.authorize_signer(KEY(), 10, past, None));
    assert_eq!(none, Err(Error::BadExpiry));
    assert_eq!(bench.authorize(80, Some(provider())), 1);
    let expires = bench.now + 200_000;
    let again = bench.call(consumer(), |market| market.authorize_signer(KEY(), 10, expires, None));
    assert_eq!(again, Err(Error::SignerActive));
    bench.wait(100_000);
    // What was set aside is back before the next cap is.
    assert_eq!(bench.authorize(100, Some(provider())), 2);
    assert_eq!(bench.market.account(consumer()).balance, 0);
}

#[ink::test]
fn caps_and_expiries_only_rise() {
    let mut bench = Bench::new();
    let extend =
        |bench: &mut Bench, cap, expires| bench.call(consumer(), |market| market.extend_signer(KEY(), cap, expires));
    assert_eq!(extend(&mut bench, 1, 1), Err(Error::NoSuchSigner));
    bench.authorize(50, None);
    let expires = bench.now + 100_000;
    assert_eq!(extend(&mut bench, 49, expires), Err(Error::CapLowered));
    assert_eq!(extend(&mut bench, 50, expires - 1), Err(Error::BadExpiry));
    assert_eq!(extend(&mut bench, 51, expires + 1), Ok(()));
    bench.wait(100_001);
    assert_eq!(extend(&mut bench, 60, expires + 9), Err(Error::SignerClosed));
}

#[ink::test]
fn a_revoked_signer_pays_until_the_thaw_is_over() {
    let mut bench = Bench::new();
    let revoke = |bench: &mut Bench| bench.call(consumer(), |market| market.revoke_signer(KEY()));
    assert_eq!(revoke(&mut bench), Err(Error::NoSuchSigner));
    bench.authorize(50, None);
    let closes = bench.now + THAW;
    assert_eq!(revoke(&mut bench), Ok(closes));
    assert_eq!(revoke(&mut bench), Err(Error::SignerRevoked));
    let longer = bench.call(consumer(), |market| market.extend_signer(KEY(), 60, closes + 1));
    assert_eq!(longer, Err(Error::SignerRevoked));
    assert_eq!(bench.market.signer(consumer(), KEY()).expect("open").closes_at_ms, closes);
    bench.wait(THAW);
    // Revoking never lengthens.
    bench.authorize(50, None);
    bench.wait(95_000);
    assert_eq!(revoke(&mut bench), Ok(bench.now + 5_000));
    bench.wait(5_000);
    bench.authorize(50, None);
    bench.wait(100_000);
    assert_eq!(revoke(&mut bench), Err(Error::SignerClosed));
}

#[ink::test]
fn what_was_paid_is_forgotten_only_when_it_can_not_be_paid_again() {
    let mut bench = Bench::new();
    let epoch = bench.ready(100, 100);
    let forget = |bench: &mut Bench| bench.call(stranger(), |market| market.forget_paid(consumer(), epoch, 0));
    assert_eq!(forget(&mut bench), Err(Error::NothingDue));
    let voucher = bench.voucher(epoch, 40);
    assert_eq!(bench.redeem(voucher), Ok(40));
    assert_eq!(forget(&mut bench), Err(Error::SignerActive));
    bench.wait(100_000);
    assert_eq!(forget(&mut bench), Ok(()));
    assert_eq!(bench.market.paid(consumer(), epoch, 0).value, 0);
    assert_eq!(bench.redeem(voucher), Err(Error::SignerClosed));
    assert_eq!(bench.authorize(100, None), epoch + 1);
    assert_eq!(bench.redeem(voucher), Err(Error::WrongEpoch), "an old epoch is never paid again");
}

#[ink::test]
fn standing_tells_what_can_be_redeemed() {
    let mut bench = Bench::new();
    assert_eq!(bench.market.standing(consumer(), KEY(), 0), None);
    let epoch = bench.ready(100, 70);
    let standing = bench.market.standing(consumer(), KEY(), 0).expect("both are there");
    assert_eq!((standing.redeemable, standing.api_provider), (70, provider()));
    bench.redeem(bench.voucher(epoch, 60)).expect("backed");
    bench.call(consumer(), |market| market.request_withdraw(25)).expect("there");
    let standing = bench.market.standing(consumer(), KEY(), 0).expect("both are there");
    assert_eq!((standing.redeemable, standing.paid.value, standing.thawing), (10, 60, 25));
    bench.wait(100_000);
    assert_eq!(bench.market.standing(consumer(), KEY(), 0).expect("there").redeemable, 0);
    bench.authorize(10, Some(stranger()));
    assert_eq!(bench.market.standing(consumer(), KEY(), 0).expect("there").redeemable, 0, "it pays another");
}
