// SPDX-License-Identifier: Apache-2.0

//! Books that are written anew while they are used.

use super::*;

/// Each voucher is a little better than the one before; the books are written anew all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn books_that_are_written_anew_lose_no_voucher() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (ledger, account) = opened(dir.path()).await;
    let ledger = Arc::new(ledger);
    let anew = {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            loop {
                ledger.write_anew().await;
                tokio::task::yield_now().await;
            }
        })
    };
    for value in 1..=100 {
        let (paid, signature) = voucher(value);
        ledger.pay(&account, &paid, &signature, &standing(), None, 0).await.expect("is good");
        let survived = Ledger::read(ledger.path()).expect("whole");
        assert_eq!(survived.accounts[&who()].best, Some((paid, signature)), "it was acknowledged");
    }
    anew.abort();
}

#[tokio::test]
async fn a_voucher_that_is_quicker_than_the_record_of_its_account_is_kept() {
    let (paid, signature) = voucher(ONE);
    let records = [Record::Voucher(paid, signature), Record::Opened(who(), Counts::default())];
    let books = Books::of(Path::new("books"), records.map(|record| record.encode()).to_vec()).expect("whole");
    assert_eq!(books.accounts[&who()].best, Some((paid, signature)));
}
