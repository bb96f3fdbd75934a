// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::{quality::Report, Status};

fn report(calls: u64, failed: u64, latency_ms: u64) -> Report {
    Report { calls, failed, latency_ms }
}

#[ink::test]
fn ratings_weigh_what_was_paid_and_replace_each_other() {
    let mut bench = Bench::new();
    let epoch = bench.ready(1_000, 1_000);
    let rate = |bench: &mut Bench, stars| bench.call(consumer(), |market| market.rate(0, stars));
    assert_eq!(rate(&mut bench, 5), Err(Error::NotCustomer));
    bench.redeem(bench.voucher(epoch, 100)).expect("backed");
    assert_eq!(rate(&mut bench, 0), Err(Error::BadStars));
    assert_eq!(rate(&mut bench, 6), Err(Error::BadStars));
    assert_eq!(bench.call(consumer(), |market| market.rate(9, 5)), Err(Error::NoSuchApi));
    assert_eq!(rate(&mut bench, 5), Ok(()));
    bench.redeem(bench.voucher(epoch, 300)).expect("backed");
    assert_eq!(rate(&mut bench, 2), Ok(()));
    let quality = bench.market.quality(0).expect("listed");
    assert_eq!((quality.stars_weighted, quality.stars_weight), (600, 300));
    assert_eq!(bench.market.patron(0, consumer()).stars, 2);
    assert_eq!(bench.market.quality(9), None);
}

#[ink::test]
fn both_sides_attest_no_more_calls_than_were_paid() {
    let mut bench = Bench::new();
    let epoch = bench.ready(1_000, 1_000);
    let attest = |bench: &mut Bench, who, report| bench.call(who, |market| market.attest(0, report));
    assert_eq!(attest(&mut bench, consumer(), report(1, 0, 1)), Err(Error::NotCustomer));
    assert_eq!(attest(&mut bench, provider(), report(1, 0, 1)), Err(Error::BadReport));
    assert_eq!(bench.call(consumer(), |market| market.attest(9, report(1, 0, 1))), Err(Error::NoSuchApi));
    bench.redeem(bench.voucher(epoch, 100 * PRICE)).expect("backed");
    for wrong in [report(0, 0, 0), report(5, 6, 1), report(1, 0, 600_001), report(101, 0, 1)] {
        assert_eq!(attest(&mut bench, consumer(), wrong), Err(Error::BadReport));
        assert_eq!(attest(&mut bench, provider(), wrong), Err(Error::BadReport));
    }
    assert_eq!(attest(&mut bench, consumer(), report(60, 3, 600)), Ok(()));
    assert_eq!(attest(&mut bench, consumer(), report(41, 0, 1)), Err(Error::BadReport));
    assert_eq!(attest(&mut bench, consumer(), report(40, 1, 400)), Ok(()));
    assert_eq!(attest(&mut bench, provider(), report(100, 0, 900)), Ok(()));
    let quality = bench.market.quality(0).expect("listed");
    assert_eq!((quality.by_consumers, quality.by_provider), (report(100, 4, 1_000), report(100, 0, 900)));
}

/// A voucher over one planck that tells of all calls there can be: it would fill the sums, and no later word would count.
#[ink::test]
fn calls_that_were_not_paid_for_have_no_say() {
    let mut bench = Bench::new();
    let epoch = bench.ready(100_000, 100_000);
    let attest = |bench: &mut Bench, report| bench.call(consumer(), |market| market.attest(0, report));
    let lie = Voucher { calls: u64::MAX, units: u64::MAX, ..bench.voucher(epoch, 1) };
    bench.redeem(lie).expect("backed");
    assert_eq!(attest(&mut bench, report(1, 1, 0)), Err(Error::BadReport), "a planck pays for no unit");
    let lie = Voucher { calls: u64::MAX, units: u64::MAX, ..bench.voucher(epoch, 1 + 7 * PRICE) };
    bench.redeem(lie).expect("backed");
    // Its totals tell of no new calls: nothing is paid for them.
    assert_eq!(attest(&mut bench, report(1, 1, 0)), Err(Error::BadReport));
    let api = bench.api();
    let lie = Voucher { api, calls: u64::MAX, units: u64::MAX, ..bench.voucher(epoch, 7 * PRICE + 4) };
    bench.redeem(lie).expect("backed");
    let quality = bench.market.quality(api).expect("listed");
    assert_eq!((quality.calls, quality.units), (7, 7));
    let attest = |bench: &mut Bench, report| bench.call(consumer(), |market| market.attest(api, report));
    assert_eq!(attest(&mut bench, report(8, 8, 0)), Err(Error::BadReport));
    assert_eq!(attest(&mut bench, report(7, 7, 0)), Ok(()));
    // A voucher that tells of free calls, too, counts as far as it paid.
    let free = Voucher { calls: 9, units: 90, ..bench.voucher(1, 10 * PRICE) };
    let (mut patron, mut of) = (crate::quality::Patron::default(), crate::quality::Quality::default());
    of.add_paid(&mut patron, free.calls, free.units, free.value, PRICE);
    assert_eq!((patron.calls, of.units), (9, 10));
    of.add_paid(&mut patron, 5, 5, 1_000, 0);
    assert_eq!(patron.calls, 9, "what costs nothing weighs nothing");
}

#[ink::test]
fn sums_of_reports_never_fill_up() {
    let (mut quality, mut patron) = (crate::quality::Quality::default(), crate::quality::Patron::default());
    quality.add_paid(&mut patron, u64::MAX, u64::MAX, Balance::MAX, 1);
    for _ in 0..200 {
        let most = 1 << 39;
        quality.attest_as_patron(&mut patron, &report(most, most, 600_000 * most)).expect("paid for");
    }
    let before = quality.by_consumers;
    assert!(before.calls <= 1 << 40 && before.failed == before.calls);
    quality.attest_as_patron(&mut patron, &report(1 << 39, 0, 0)).expect("paid for");
    let after = quality.by_consumers;
    assert!(after.failed < after.calls, "a later word still counts: {after:?}");
}

#[ink::test]
fn who_contradicts_itself_loses_the_bond() {
    let mut bench = Bench::new();
    bench.api();
    let ((a, sa), (b, sb)) = (bench.answer(1), bench.answer(2));
    let (mine, theirs) = (bench.has(stranger()), bench.has(treasury()));
    let show = |market: &mut Marketplace| market.report_conflict(a, sa, b, sb);
    assert_eq!(bench.call(stranger(), show), Ok(BOND / 2));
    assert_eq!((bench.has(stranger()), bench.has(treasury())), (mine + BOND / 2, theirs + BOND / 2));
    let api = bench.market.api(0).expect("listed");
    assert_eq!((api.bond, api.status), (0, Status::Retired { at_ms: bench.now }));
    assert_eq!(bench.call(stranger(), show), Err(Error::NothingDue));
    bench.wait(THAW);
    assert_eq!(bench.call(provider(), |market| market.withdraw_bond(0)), Err(Error::NothingDue));
}

#[ink::test]
fn what_is_no_conflict() {
    let mut bench = Bench::new();
    bench.api();
    let ((a, sa), (b, sb)) = (bench.answer(1), bench.answer(2));
    let signed = |answer: Answer| (answer, sign(&keypair(9), &answer.bytes()));
    let both = |change: fn(Answer) -> Answer| (signed(change(a)), signed(change(b)));
    let (a_now, b_now) = both(|answer| Answer { method: 1, ..answer });
    let (a_far, b_far) = both(|answer| Answer { genesis: [0; 32], ..answer });
    let (a_off, b_off) = both(|answer| Answer { contract: [0; 32], ..answer });
    let (a_api, b_api) = both(|answer| Answer { api: 7, ..answer });
    let (a_none, b_none) = both(|answer| Answer { method: 2, ..answer });
    let other = Answer { key: keypair(8).public.to_bytes(), ..b };
    for (first, second, error) in [
        (a_far, b_far, Error::WrongChain),
        (a_off, b_off, Error::WrongContract),
        (a_api, b_api, Error::NoSuchApi),
        ((a, sa), (a, sa), Error::NoConflict),
        ((a, sa), signed(Answer { request: [1; 32], ..b }), Error::NoConflict),
        (a_none, b_none, Error::NoSuchMethod),
        (a_now, b_now, Error::NotDeterministic),
        ((a, sa), (other, sign(&keypair(8), &other.bytes())), Error::NotAnswerKey),
        ((a, sb), (b, sb), Error::BadSignature),
        ((a, sa), (b, sa), Error::BadSignature),
    ] {
        let shown = bench.call(stranger(), |market| market.report_conflict(first.0, first.1, second.0, second.1));
        assert_eq!(shown, Err(error));
    }
}

#[ink::test]
fn changing_the_key_or_retiring_is_no_way_out() {
    let mut bench = Bench::new();
    bench.api();
    bench.api();
    let ((a, sa), (b, sb)) = (bench.answer(1), bench.answer(2));
    for api in [0, 1] {
        bench.call(provider(), |market| market.set_answer_key(api, [8; 32])).expect("first change");
        bench.call(provider(), |market| market.retire_api(api)).expect("active");
    }
    bench.wait(THAW - 1);
    assert_eq!(bench.call(stranger(), |market| market.report_conflict(a, sa, b, sb)), Ok(BOND / 2));
    bench.wait(1);
    let late = |answer: Answer| {
        let answer = Answer { api: 1, ..answer };
        (answer, sign(&keypair(9), &answer.bytes()))
    };
    let ((a, sa), (b, sb)) = (late(a), late(b));
    assert_eq!(bench.call(stranger(), |market| market.report_conflict(a, sa, b, sb)), Err(Error::NotAnswerKey));
}
