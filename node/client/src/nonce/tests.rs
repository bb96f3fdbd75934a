// SPDX-License-Identifier: Apache-2.0

use std::sync::{
    atomic::{AtomicU64, AtomicUsize, Ordering},
    Arc,
};

use super::*;
use crate::error::{ErrorKind, Unreachable};

/// A node that answers what the test sets.
#[derive(Clone, Default)]
struct Node {
    next: Arc<AtomicU64>,
    down: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Node {
    fn set(&self, next: u64) {
        self.next.store(next, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl NonceSource for Node {
    fn next_nonce(&self) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(async {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let failing = self.down.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            match failing {
                Ok(_) => Err(Error::Unreachable(Unreachable { attempts: vec![("a".into(), "gone".into())] })),
                Err(_) => Ok(self.next.load(Ordering::SeqCst)),
            }
        })
    }
}

const NEVER: Duration = Duration::from_secs(3600);

fn actor(next: u64, timing: Timing) -> (Node, NonceHandle) {
    let node = Node::default();
    node.set(next);
    (node.clone(), NonceHandle::with_timing(node, timing))
}

fn steady(next: u64) -> (Node, NonceHandle) {
    actor(next, Timing { refresh: NEVER, lag: NEVER })
}

#[tokio::test]
async fn nonces_are_counted_without_asking_again() {
    let (node, handle) = steady(7);
    for expected in 7..30 {
        let lease = handle.lease().await.expect("node answers");
        assert_eq!(lease.nonce(), expected);
        lease.accepted();
    }
    assert_eq!(node.asked(), 1);
}

#[tokio::test]
async fn holders_at_the_same_time_never_share_a_nonce() {
    let (_, handle) = steady(0);
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move {
                let lease = handle.lease().await.expect("node answers");
                tokio::task::yield_now().await;
                let nonce = lease.nonce();
                lease.accepted();
                nonce
            })
        })
        .collect();
    let mut nonces = Vec::new();
    for task in tasks {
        nonces.push(task.await.expect("no panic"));
    }
    nonces.sort_unstable();
    assert_eq!(nonces, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dropped_lease_is_leased_again_before_any_higher_one() {
    let (_, handle) = steady(10);
    let (a, b, c) =
        (handle.lease().await.expect("a"), handle.lease().await.expect("b"), handle.lease().await.expect("c"));
    assert_eq!((a.nonce(), b.nonce(), c.nonce()), (10, 11, 12));
    c.accepted();
    drop(b);
    drop(a);
    for expected in [10, 11, 13] {
        let lease = handle.lease().await.expect("node answers");
        assert_eq!(lease.nonce(), expected);
        lease.accepted();
    }
}

#[tokio::test]
async fn an_unknown_outcome_waits_for_all_leases_and_then_asks_the_node() {
    let (node, handle) = steady(5);
    let (a, b) = (handle.lease().await.expect("a"), handle.lease().await.expect("b"));
    node.set(6);
    a.unknown();
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.lease().await.expect("node answers").nonce() }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished(), "the node can't know about b");
    assert_eq!(node.asked(), 1);
    node.set(7);
    b.accepted();
    assert_eq!(waiting.await.expect("no panic"), 7);
    assert_eq!(node.asked(), 2);
}

#[tokio::test]
async fn a_transaction_lost_from_the_pool_brings_the_count_back() {
    let (node, handle) = steady(3);
    handle.lease().await.expect("node answers").accepted();
    node.set(3);
    handle.resync();
    assert_eq!(handle.lease().await.expect("node answers").nonce(), 3);
}

#[tokio::test]
async fn what_other_programs_submit_is_noticed_after_a_pause() {
    let (node, handle) = actor(1, Timing { refresh: Duration::from_millis(20), lag: NEVER });
    handle.lease().await.expect("node answers").accepted();
    node.set(9);
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(handle.lease().await.expect("node answers").nonce(), 9);
}

#[tokio::test]
async fn a_node_that_lags_is_believed_only_after_a_while() {
    let (node, handle) = actor(1, Timing { refresh: Duration::from_millis(10), lag: Duration::from_millis(300) });
    for _ in 0..3 {
        handle.lease().await.expect("node answers").accepted();
    }
    node.set(1);
    tokio::time::sleep(Duration::from_millis(30)).await;
    let lease = handle.lease().await.expect("node answers");
    assert_eq!(lease.nonce(), 4, "its pool may be empty after a change of endpoint");
    drop(lease);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(handle.lease().await.expect("node answers").nonce(), 1);
}

#[tokio::test]
async fn everybody_who_waits_learns_that_the_node_is_gone_and_it_heals() {
    let (node, handle) = steady(2);
    node.down.store(1, Ordering::SeqCst);
    let error = handle.lease().await.expect_err("node is down");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(handle.lease().await.expect("node is back").nonce(), 2);
}

#[tokio::test]
async fn a_caller_that_gave_up_waiting_costs_no_nonce() {
    let (_, handle) = steady(0);
    let (reply, answer) = oneshot::channel();
    drop(answer);
    handle.messages.send(Message::Lease(reply)).expect("actor runs");
    assert_eq!(handle.lease().await.expect("node answers").nonce(), 0);
}

/// Random sequences against the model: the nonces that were accepted are 0, 1, 2, ... without gap or repetition once
/// everything is settled.
#[tokio::test]
async fn accepted_nonces_have_no_gaps_whatever_happens() {
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..50 {
        let (_, handle) = steady(0);
        let mut held = Vec::new();
        let mut accepted = BTreeSet::new();
        for _ in 0..60 {
            match random() % 3 {
                0 => held.push(handle.lease().await.expect("node answers")),
                step => {
                    let Some(index) = (!held.is_empty()).then(|| random() as usize % held.len()) else { continue };
                    let lease = held.swap_remove(index);
                    if step == 1 {
                        assert!(accepted.insert(lease.nonce()), "leased twice");
                        lease.accepted();
                    }
                },
            }
        }
        held.clear();
        let highest = accepted.last().copied();
        while highest.is_some_and(|highest| accepted.len() as u64 <= highest) {
            let lease = handle.lease().await.expect("node answers");
            assert!(accepted.insert(lease.nonce()), "leased twice");
            lease.accepted();
        }
        assert!(accepted.iter().copied().eq(0..accepted.len() as u64));
    }
}
