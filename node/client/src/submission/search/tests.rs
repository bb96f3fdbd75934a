// SPDX-License-Identifier: Apache-2.0

use std::sync::Mutex;

use super::*;

const WANTED: Wanted = Wanted { nonce: 5, first_block: 10, last_block: 20 };

/// What the fake chain answers, one after the other; the last answer stays.
struct Fake {
    heads: Mutex<Vec<Head>>,
    /// The block that holds the transaction.
    holder: Option<u64>,
    /// How often a block is missing before it is there.
    missing: Mutex<u32>,
    looked_at: Mutex<Vec<u64>>,
    changes: Mutex<usize>,
    offers: Mutex<usize>,
}

fn fake(heads: &[(u64, u64)], holder: Option<u64>) -> Fake {
    let heads = heads.iter().map(|(number, nonce)| Head { number: *number, nonce: *nonce }).collect();
    Fake {
        heads: Mutex::new(heads),
        holder,
        missing: Mutex::new(0),
        looked_at: Mutex::default(),
        changes: Mutex::default(),
        offers: Mutex::default(),
    }
}

fn hash(number: u64) -> Hash {
    Hash::repeat_byte(number as u8)
}

impl Chain for Fake {
    fn finalized(&self) -> BoxFuture<'_, Result<Head, Error>> {
        let mut heads = self.heads.lock().expect("not poisoned");
        let head = if heads.len() > 1 { heads.remove(0) } else { heads[0] };
        Box::pin(async move { Ok(head) })
    }

    fn block(&self, number: u64) -> BoxFuture<'_, Result<Option<Block>, Error>> {
        let mut missing = self.missing.lock().expect("not poisoned");
        let block = if *missing > 0 {
            *missing -= 1;
            None
        } else {
            self.looked_at.lock().expect("not poisoned").push(number);
            Some(Block { hash: hash(number), holds_it: self.holder == Some(number) })
        };
        Box::pin(async move { Ok(block) })
    }

    fn change_endpoint(&self) -> BoxFuture<'_, ()> {
        *self.changes.lock().expect("not poisoned") += 1;
        Box::pin(async {})
    }

    fn offer(&self) -> BoxFuture<'_, ()> {
        *self.offers.lock().expect("not poisoned") += 1;
        Box::pin(async {})
    }
}

fn finality(standstill_ms: u64, give_up_ms: u64) -> Finality {
    Finality::new(Timing {
        pause: Duration::from_millis(1),
        standstill: Duration::from_millis(standstill_ms),
        give_up: Duration::from_millis(give_up_ms),
    })
}

async fn find(fake: &Fake) -> Result<Found, Error> {
    search(fake, WANTED, &mut finality(60_000, 60_000)).await
}

#[tokio::test]
async fn every_block_of_the_lifetime_is_looked_at_once() {
    let fake = fake(&[(8, 5), (12, 5), (12, 5), (19, 5), (30, 5)], None);
    assert_eq!(find(&fake).await.expect("decided"), Found::Expired);
    assert_eq!(*fake.looked_at.lock().expect("not poisoned"), (10..=20).collect::<Vec<_>>());
    assert_eq!(*fake.offers.lock().expect("not poisoned"), 4, "as long as a block could still hold it");
}

#[tokio::test]
async fn it_is_found_in_the_first_and_in_the_last_block_of_its_lifetime() {
    for holder in [10, 15, 20] {
        let fake = fake(&[(9, 5), (15, 5), (25, 6)], Some(holder));
        assert_eq!(find(&fake).await.expect("decided"), Found::In(hash(holder)));
    }
    let outside = fake(&[(25, 5)], Some(21));
    assert_eq!(find(&outside).await.expect("decided"), Found::Expired);
}

#[tokio::test]
async fn a_used_nonce_ends_the_search_only_once_all_blocks_are_looked_at() {
    let replaced = fake(&[(9, 5), (12, 5), (14, 6)], None);
    assert_eq!(find(&replaced).await.expect("decided"), Found::Replaced);
    assert_eq!(*replaced.looked_at.lock().expect("not poisoned"), (10..=14).collect::<Vec<_>>());
    let included = fake(&[(12, 5), (14, 6)], Some(14));
    assert_eq!(find(&included).await.expect("decided"), Found::In(hash(14)), "it used the nonce itself");
}

#[tokio::test]
async fn a_block_that_is_missing_for_a_while_is_not_passed_over() {
    let late = fake(&[(25, 5)], Some(10));
    *late.missing.lock().expect("not poisoned") = MISSING_MAX;
    assert_eq!(find(&late).await.expect("decided"), Found::In(hash(10)));
    let gone = fake(&[(25, 5)], Some(10));
    *gone.missing.lock().expect("not poisoned") = MISSING_MAX + 1;
    assert!(find(&gone).await.is_err());
}

#[tokio::test]
async fn a_node_that_stands_still_is_left_and_the_search_ends_when_all_do() {
    let fake = fake(&[(12, 5)], None);
    let error = search(&fake, WANTED, &mut finality(100, 2_000)).await.expect_err("stands still");
    assert!(matches!(error, Error::Stalled { finalized: 12, .. }), "{error}");
    let changes = *fake.changes.lock().expect("not poisoned");
    assert!((1..=20).contains(&changes), "{changes}");
}

#[test]
fn finality_that_moves_does_not_stand_still() {
    let mut finality = finality(500, 60_000);
    for number in 1..5 {
        std::thread::sleep(Duration::from_millis(150));
        assert!(!finality.stands_still(number), "{number}");
    }
    std::thread::sleep(Duration::from_millis(500));
    assert!(finality.stands_still(4));
    assert!(!finality.stands_still(5));
}
