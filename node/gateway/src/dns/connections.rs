// SPDX-License-Identifier: Apache-2.0

//! Who is connected, over all stream transports: bounded in all and by network.
//!
//! # Correctness
//! When there is no room for a newcomer, the connection that has been idle longest goes (RFC 7766, 6.2.3), so that
//! whoever holds connections open and asks nothing can't keep others out. It is taken from the network that has the most
//! connections: somebody who opens many at a high rate pushes out their own. Only complete queries count as activity; a
//! client that sends a byte now and then is idle. Connections whose queries wait for an upstream stay.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use super::rate::network;

type Network = (bool, u64);

/// All connections.
pub struct Connections {
    max: usize,
    per_network_max: usize,
    begun: Instant,
    open: Mutex<Open>,
    /// Told when the last connection has ended.
    all_ended: Notify,
}

#[derive(Default)]
struct Open {
    next: u64,
    places: HashMap<u64, (Network, Arc<Activity>)>,
    networks: HashMap<Network, usize>,
}

/// What a connection does.
pub struct Activity {
    begun: Instant,
    /// When the last complete query came, or the connection; milliseconds since `begun`.
    last_millis: AtomicU64,
    /// Queries that wait for an upstream.
    waiting: AtomicUsize,
    /// Told when the connection has to make room.
    evicted: Notify,
}

impl Activity {
    fn new(begun: Instant) -> Self {
        let (last_millis, waiting) = (AtomicU64::new(millis(begun)), AtomicUsize::new(0));
        Activity { begun, last_millis, waiting, evicted: Notify::new() }
    }

    /// A complete query came.
    pub fn queried(&self) {
        self.last_millis.store(millis(self.begun), Ordering::Relaxed);
    }

    /// A query waits for an upstream until this is dropped.
    pub fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(self))
    }

    fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A query that waits for an upstream.
pub struct Waiting(Arc<Activity>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.queried();
    }
}

/// A connection's place; given back when dropped.
pub struct Place {
    connections: Arc<Connections>,
    id: u64,
    activity: Arc<Activity>,
}

impl Place {
    /// What this connection does.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Returns when the connection has to make room for another.
    pub async fn evicted(&self) {
        self.activity.evicted.notified().await;
    }
}

impl Connections {
    /// At most `max` at the same time, and `per_network_max` from a /24 or /56.
    pub fn new(max: usize, per_network_max: usize) -> Self {
        let (open, all_ended) = (Mutex::default(), Notify::new());
        Connections { max, per_network_max, begun: Instant::now(), open, all_ended }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a newcomer; `None` if all others are busy.
    pub fn enter(self: &Arc<Self>, client: IpAddr) -> Option<Place> {
        let network = network(client);
        let mut open = self.open();
        let own = open.networks.get(&network).copied().unwrap_or(0);
        // The machine itself may be a proxy for everybody.
        if own >= self.per_network_max && !client.to_canonical().is_loopback() {
            open.evict(Some(network))?;
        } else if open.places.len() >= self.max {
            open.evict(None)?;
        }
        let id = open.next;
        open.next += 1;
        let activity = Arc::new(Activity::new(self.begun));
        open.places.insert(id, (network, Arc::clone(&activity)));
        *open.networks.entry(network).or_default() += 1;
        Some(Place { connections: Arc::clone(self), id, activity })
    }

    /// Waits until all have ended, for so long at most.
    pub async fn wait_for_all(&self, limit: Duration) {
        let all = async {
            loop {
                let ended = self.all_ended.notified();
                if self.open().places.is_empty() {
                    return;
                }
                ended.await;
            }
        };
        let _ = timeout(limit, all).await;
    }
}

impl Open {
    /// Ends the longest idle connection of `within`, or of the network that has the most connections; `None` if none is
    /// idle.
    fn evict(&mut self, within: Option<Network>) -> Option<()> {
        let idle = self
            .places
            .iter()
            .filter(|(_, (network, activity))| within.is_none_or(|within| *network == within) && activity.is_idle());
        let connected = |network: &Network| self.networks.get(network).copied().unwrap_or(0);
        let (id, _) = idle.min_by_key(|(id, (network, activity))| {
            (Reverse(connected(network)), activity.last_millis.load(Ordering::Relaxed), **id)
        })?;
        let id = *id;
        let activity = self.leave(id)?;
        activity.evicted.notify_one();
        Some(())
    }

    fn leave(&mut self, id: u64) -> Option<Arc<Activity>> {
        let (network, activity) = self.places.remove(&id)?;
        if let Some(count) = self.networks.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.networks.remove(&network);
            }
        }
        Some(activity)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.leave(self.id);
        if open.places.is_empty() {
            self.connections.all_ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    async fn is_evicted(place: &Place) -> bool {
        timeout(Duration::ZERO, place.evicted()).await.is_ok()
    }

    /// Sets when the last query came.
    fn at(place: &Place, millis: u64) {
        place.activity.last_millis.store(millis, Ordering::Relaxed);
    }

    #[tokio::test]
    async fn the_longest_idle_of_the_biggest_network_goes() {
        let connections = Arc::new(Connections::new(4, 100));
        let enter = |client: &str| connections.enter(ip(client)).expect("there is room");
        let honest = enter("192.0.2.1");
        let flood: Vec<_> = (1..4).map(|host| enter(&format!("198.51.100.{host}"))).collect();
        at(&honest, 0);
        for (place, millis) in flood.iter().zip([30, 10, 20]) {
            at(place, millis);
        }
        let newcomer = enter("203.0.113.1");
        assert!(is_evicted(&flood[1]).await, "the longest idle of three");
        assert!(!is_evicted(&honest).await && !is_evicted(&flood[0]).await && !is_evicted(&newcomer).await);
        // An evicted connection's place is given back once.
        drop(flood);
        let open = connections.open();
        assert_eq!((open.places.len(), open.networks.len()), (2, 2));
    }

    #[tokio::test]
    async fn a_network_over_its_limit_pushes_out_its_own() {
        let connections = Arc::new(Connections::new(100, 2));
        let others = connections.enter(ip("192.0.2.1")).expect("there is room");
        at(&others, 0);
        let places: Vec<_> = (0..3).filter_map(|_| connections.enter(ip("198.51.100.1"))).collect();
        assert_eq!(places.len(), 3);
        assert!(is_evicted(&places[0]).await && !is_evicted(&others).await);
        // The machine itself may be a proxy.
        assert_eq!((0..9).filter_map(|_| connections.enter(ip("127.0.0.1"))).collect::<Vec<_>>().len(), 9);
    }

    #[tokio::test]
    async fn queries_that_wait_keep_their_connection() {
        let connections = Arc::new(Connections::new(2, 2));
        let busy: Vec<_> = (0..2).filter_map(|_| connections.enter(ip("192.0.2.1"))).collect();
        let waiting: Vec<_> = busy.iter().map(|place| place.activity().wait()).collect();
        assert!(connections.enter(ip("198.51.100.1")).is_none(), "all are busy");
        drop(waiting);
        assert!(connections.enter(ip("198.51.100.1")).is_some());
    }

    #[tokio::test]
    async fn the_end_of_all_is_waited_for() {
        let connections = Arc::new(Connections::new(2, 2));
        connections.wait_for_all(Duration::from_secs(60)).await;
        let place = connections.enter(ip("192.0.2.1")).expect("there is room");
        let waiting = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.wait_for_all(Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(place);
        waiting.await.expect("it ends");
    }
}
