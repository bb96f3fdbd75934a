// SPDX-License-Identifier: Apache-2.0

//! Everything that somebody might try with a voucher.

use super::*;

#[ink::test]
fn a_voucher_pays_the_provider_what_was_not_paid_yet() {
    let mut bench = Bench::new();
    let epoch = bench.ready(1_000, 1_000);
    let before = bench.has(provider());
    assert_eq!(bench.redeem(bench.voucher(epoch, 100)), Ok(100));
    assert_eq!(bench.redeem(bench.voucher(epoch, 250)), Ok(150));
    assert_eq!(bench.has(provider()), before + 250);
    let paid = bench.market.paid(consumer(), epoch, 0);
    assert_eq!((paid.calls, paid.units, paid.value), (50, 50, 250));
    let quality = bench.market.quality(0).expect("listed");
    assert_eq!((quality.calls, quality.units, quality.value), (50, 50, 250));
    assert_eq!(bench.market.account(consumer()).balance, 750);
}

#[ink::test]
fn anybody_may_send_it_and_the_provider_is_paid() {
    let mut bench = Bench::new();
    let voucher = {
        let epoch = bench.ready(1_000, 1_000);
        bench.voucher(epoch, 100)
    };
    let signature = sign(&keypair(1), &voucher.signed_bytes());
    let (theirs, mine) = (bench.has(provider()), bench.has(stranger()));
    assert_eq!(bench.call(stranger(), |market| market.redeem(voucher, signature)), Ok(100));
    assert_eq!((bench.has(provider()), bench.has(stranger())), (theirs + 100, mine));
}

#[ink::test]
fn replays_and_older_vouchers_pay_nothing() {
    let mut bench = Bench::new();
    let epoch = bench.ready(1_000, 1_000);
    let (old, new) = (bench.voucher(epoch, 100), bench.voucher(epoch, 200));
    assert_eq!(bench.redeem(new), Ok(200));
    assert_eq!(bench.redeem(new), Err(Error::NothingDue));
    assert_eq!(bench.redeem(old), Err(Error::NothingDue));
    assert_eq!(bench.redeem(bench.voucher(epoch, 0)), Err(Error::NothingDue));
}

#[ink::test]
fn vouchers_for_another_chain_contract_or_provider_are_refused() {
    let mut bench = Bench::new();
    let epoch = bench.ready(1_000, 1_000);
    let good = bench.voucher(epoch, 100);
    bench.pay(stranger(), BOND, |market| market.register_api(new_api())).expect("API 1");
    for (voucher, error) in [
        (Voucher { genesis: [0; 32], ..good }, Error::WrongChain),
        (Voucher { contract: [0; 32], ..good }, Error::WrongContract),
        (Voucher { provider: [3; 32], ..good }, Error::WrongProvider),
        (Voucher { api: 1, ..good }, Error::WrongProvider),
        (Voucher { api: 2, ..good }, Error::NoSuchApi),
        (Voucher { consumer: [3; 32], ..good }, Error::NoSuchSigner),
        (Voucher { signer: [3; 32], ..good }, Error::NoSuchSigner),
        (Voucher { epoch: epoch + 1, ..good }, Error::WrongEpoch),
        (Voucher { epoch: 0, ..good }, Error::WrongEpoch),
    ] {
        assert_eq!(bench.redeem(voucher), Err(error));
    }
    assert_eq!(bench.redeem(good), Ok(100));
}

#[ink::test]
fn only_the_signers_signature_over_these_very_bytes_counts() {
    let mut bench = Bench::new();
    let epoch = bench.ready(1_000, 1_000);
    let voucher = bench.voucher(epoch, 100);
    let good = sign(&keypair(1), &voucher.signed_bytes());
    let mut flipped = good;
    flipped[5] ^= 1;
    for signature in [
        sign(&keypair(2), &voucher.signed_bytes()),
        sign(&keypair(1), &voucher.bytes()),
        sign(&keypair(1), &bench.voucher(epoch, 101).signed_bytes()),
        flipped,
        [0; 64],
    ] {
        assert_eq!(bench.call(provider(), |market| market.redeem(voucher, signature)), Err(Error::BadSignature));
    }
    let raised = Voucher { value: 900, ..voucher };
    assert_eq!(bench.call(provider(), |market| market.redeem(raised, good)), Err(Error::BadSignature));
    assert_eq!(bench.call(provider(), |market| market.redeem(voucher, good)), Ok(100));
}

#[ink::test]
fn the_shared_vectors_signatures_verify_here_too() {
    let vectors = include_str!("../../../voucher/vectors.json");
    let bench = Bench::new();
    let field = |name: &str| {
        let at = vectors.find(&format!("\"{name}\"")).expect("there") + name.len() + 2;
        let text: String = vectors[at..].chars().skip_while(|c| *c != 'x').skip(1).take_while(|c| *c != '"').collect();
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex")).collect::<Vec<u8>>()
    };
    // The first object of each name is the answer's: keys are in order.
    let (key, message, signature) = (field("key"), field("signed_bytes"), field("signature"));
    let (key, signature) = (key.try_into().expect("32 bytes"), signature.try_into().expect("64 bytes"));
    assert_eq!(bench.market.env().sr25519_verify(&signature, &message, &key), Ok(()));
}

#[ink::test]
fn no_more_than_the_cap_is_paid() {
    let mut bench = Bench::new();
    let epoch = bench.ready(1_000, 150);
    assert_eq!(bench.redeem(bench.voucher(epoch, 100)), Ok(100));
    assert_eq!(bench.redeem(bench.voucher(epoch, 400)), Ok(50), "what the cap leaves");
    assert_eq!(bench.redeem(bench.voucher(epoch, 500)), Err(Error::CapReached));
    let expires = bench.now + 100_000;
    let key = keypair(1).public.to_bytes();
    bench.call(consumer(), |market| market.extend_signer(key, 300, expires)).expect("higher");
    assert_eq!(bench.redeem(bench.voucher(epoch, 500)), Ok(150), "the rest stayed due");
}

#[ink::test]
fn the_cap_counts_over_all_providers() {
    let mut bench = Bench::new();
    let epoch = bench.ready(1_000, 150);
    bench.pay(stranger(), BOND, |market| market.register_api(new_api())).expect("API 1");
    let other = Voucher { api: 1, provider: [3; 32], ..bench.voucher(epoch, 100) };
    assert_eq!(bench.redeem(bench.voucher(epoch, 100)), Ok(100));
    assert_eq!(bench.redeem(other), Ok(50));
    assert_eq!(bench.market.paid(consumer(), epoch, 1).value, 50);
}

#[ink::test]
fn what_the_balance_lacks_stays_due() {
    let mut bench = Bench::new();
    let epoch = bench.ready(60, 1_000);
    let voucher = bench.voucher(epoch, 100);
    assert_eq!(bench.redeem(voucher), Ok(60));
    assert_eq!(bench.redeem(voucher), Err(Error::BalanceTooLow));
    bench.pay(consumer(), 500, |market| market.deposit()).expect("coins");
    assert_eq!(bench.redeem(voucher), Ok(40));
    assert_eq!(bench.market.paid(consumer(), epoch, 0).calls, 20, "calls count once");
    assert_eq!(bench.market.quality(0).expect("listed").calls, 12, "as far as the first payment went");
}

#[ink::test]
fn expired_and_revoked_signers_pay_nothing() {
    let mut bench = Bench::new();
    let epoch = bench.ready(1_000, 1_000);
    bench.wait(99_999);
    assert_eq!(bench.redeem(bench.voucher(epoch, 10)), Ok(10), "to the last millisecond");
    bench.wait(1);
    assert_eq!(bench.redeem(bench.voucher(epoch, 20)), Err(Error::SignerClosed));
    let epoch = bench.authorize(1_000, None);
    let key = keypair(1).public.to_bytes();
    bench.call(consumer(), |market| market.revoke_signer(key)).expect("active");
    bench.wait(THAW - 1);
    assert_eq!(bench.redeem(bench.voucher(epoch, 10)), Ok(10), "during the thaw");
    bench.wait(1);
    assert_eq!(bench.redeem(bench.voucher(epoch, 20)), Err(Error::SignerClosed));
}

#[ink::test]
fn a_withdrawal_can_not_outrun_a_voucher() {
    let mut bench = Bench::new();
    let epoch = bench.ready(100, 100);
    bench.call(consumer(), |market| market.request_withdraw(100)).expect("all of it");
    bench.wait(THAW - 1);
    assert_eq!(bench.redeem(bench.voucher(epoch, 70)), Ok(70), "from what is on its way out");
    bench.wait(1);
    assert_eq!(bench.call(consumer(), |market| market.withdraw()), Ok(30), "what is left of it");
    assert_eq!(bench.redeem(bench.voucher(epoch, 80)), Err(Error::BalanceTooLow));
    // Nothing left at all is no withdrawal.
    bench.pay(consumer(), 10, |market| market.deposit()).expect("coins");
    bench.call(consumer(), |market| market.request_withdraw(10)).expect("there");
    assert_eq!(bench.redeem(bench.voucher(epoch, 80)), Ok(10));
    bench.wait(THAW);
    assert_eq!(bench.call(consumer(), |market| market.withdraw()), Err(Error::NothingDue));
}

#[ink::test]
fn a_signer_for_one_provider_pays_no_other_and_needs_no_balance() {
    let mut bench = Bench::new();
    bench.api();
    bench.pay(stranger(), BOND, |market| market.register_api(new_api())).expect("API 1");
    bench.pay(consumer(), 100, |market| market.deposit()).expect("coins");
    let epoch = bench.authorize(80, Some(provider()));
    bench.call(consumer(), |market| market.request_withdraw(20)).expect("the rest");
    bench.wait(THAW);
    bench.call(consumer(), |market| market.withdraw()).expect("the rest");
    let other = Voucher { api: 1, provider: [3; 32], ..bench.voucher(epoch, 50) };
    assert_eq!(bench.redeem(other), Err(Error::WrongProvider));
    assert_eq!(bench.redeem(bench.voucher(epoch, 50)), Ok(50));
    assert_eq!(bench.redeem(bench.voucher(epoch, 90)), Ok(30));
}

#[ink::test]
fn paused_and_retired_apis_are_still_paid() {
    let mut bench = Bench::new();
    let epoch = bench.ready(100, 100);
    bench.call(provider(), |market| market.pause_api(0)).expect("active");
    assert_eq!(bench.redeem(bench.voucher(epoch, 10)), Ok(10));
    bench.call(provider(), |market| market.retire_api(0)).expect("not retired");
    assert_eq!(bench.redeem(bench.voucher(epoch, 20)), Ok(10));
}

#[ink::test]
fn the_largest_numbers_do_no_harm() {
    let mut bench = Bench::new();
    let epoch = bench.ready(100, Balance::MAX);
    let most = Voucher { calls: u64::MAX, units: u64::MAX, value: Balance::MAX, ..bench.voucher(epoch, 0) };
    assert_eq!(bench.redeem(most), Ok(100));
    bench.pay(consumer(), 50, |market| market.deposit()).expect("coins");
    assert_eq!(bench.redeem(most), Ok(50));
    assert_eq!(bench.market.quality(0).expect("listed").calls, 20, "as many as were paid for");
}
