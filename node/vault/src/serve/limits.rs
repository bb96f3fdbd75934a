// SPDX-License-Identifier: Apache-2.0

//! What one address may have and take.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::Limits;

/// Addresses whose reading is remembered; with more, those that haven't read for longest are forgotten.
const REMEMBERED_MAX: usize = 16_384;

/// Who is connected, and how much they have read.
#[derive(Clone)]
pub(crate) struct Guests(Arc<Inner>);

struct Inner {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    all: usize,
    connections: HashMap<IpAddr, usize>,
    reads: HashMap<IpAddr, Bucket>,
}

/// Bytes that may still be read, as of an instant.
struct Bucket {
    bytes: u64,
    at: Instant,
}

/// A place for a connection.
pub(crate) struct Guest {
    inner: Arc<Inner>,
    address: IpAddr,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut state = lock(&self.inner);
        state.all = state.all.saturating_sub(1);
        if let Some(count) = state.connections.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                state.connections.remove(&self.address);
            }
        }
    }
}

fn lock(inner: &Inner) -> MutexGuard<'_, State> {
    inner.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whom an address stands for: with IPv6 one customer usually has a /64.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        },
        v4 => v4,
    }
}

impl Guests {
    pub fn new(limits: Limits) -> Self {
        Guests(Arc::new(Inner { limits, state: Mutex::default() }))
    }

    /// A place for a connection from this address, if there is one.
    pub fn admit(&self, address: IpAddr) -> Option<Guest> {
        let Limits { connections, connections_per_address, .. } = self.0.limits;
        let own = address.to_canonical().is_loopback();
        let address = whose(address);
        let mut state = lock(&self.0);
        let here = state.connections.get(&address).copied().unwrap_or(0);
        if state.all >= connections || (!own && here >= connections_per_address) {
            return None;
        }
        state.all += 1;
        state.connections.insert(address, here + 1);
        Some(Guest { inner: Arc::clone(&self.0), address })
    }

    /// Connections that are open.
    pub fn count(&self) -> usize {
        lock(&self.0).all
    }

    /// Whether an address may read so many bytes now; else after how long.
    pub fn read(&self, address: IpAddr, bytes: u64) -> Result<(), Duration> {
        self.read_at(address, bytes, Instant::now())
    }

    fn read_at(&self, address: IpAddr, bytes: u64, now: Instant) -> Result<(), Duration> {
        if address.to_canonical().is_loopback() {
            return Ok(());
        }
        let Limits { read_bytes_per_second: rate, read_bytes_burst: burst, .. } = self.0.limits;
        let rate = rate.max(1);
        let filled = |bucket: &Bucket| {
            let gained = now.saturating_duration_since(bucket.at).as_millis() * u128::from(rate) / 1000;
            bucket.bytes.saturating_add(u64::try_from(gained).unwrap_or(u64::MAX)).min(burst)
        };
        let address = whose(address);
        let mut state = lock(&self.0);
        if state.reads.len() >= REMEMBERED_MAX && !state.reads.contains_key(&address) {
            // Full buckets say nothing. If all have read lately, the half that did so longest ago goes.
            state.reads.retain(|_, bucket| filled(bucket) < burst);
            if state.reads.len() >= REMEMBERED_MAX {
                let mut times: Vec<_> = state.reads.values().map(|bucket| bucket.at).collect();
                let (_, middle, _) = times.select_nth_unstable(REMEMBERED_MAX / 2);
                let middle = *middle;
                state.reads.retain(|_, bucket| bucket.at > middle);
            }
        }
        let bucket = state.reads.entry(address).or_insert(Bucket { bytes: burst, at: now });
        let available = filled(bucket);
        // Whoever may read anything may read one whole answer: else large shards could never be read at a small rate.
        if available == 0 || (available < bytes && available < burst.min(cairn_wire::frame::BODY_BYTES_MAX as u64)) {
            let missing = bytes.min(burst).saturating_sub(available).max(1);
            return Err(Duration::from_millis((missing.saturating_mul(1000) / rate).max(1)));
        }
        *bucket = Bucket { bytes: available.saturating_sub(bytes), at: now };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guests() -> Guests {
        Guests::new(Limits {
            connections: 5,
            connections_per_address: 2,
            read_bytes_per_second: 1000,
            read_bytes_burst: 10_000,
            ..Limits::default()
        })
    }

    fn v4(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn an_address_has_its_share_of_the_places_and_no_more() {
        let guests = guests();
        let one = guests.admit(v4(1)).expect("there is room");
        let _two = guests.admit(v4(1)).expect("there is room");
        assert!(guests.admit(v4(1)).is_none());
        assert!(guests.admit("::ffff:192.0.2.1".parse().expect("an address")).is_none(), "the same in other words");
        drop(one);
        let _three = guests.admit(v4(1)).expect("one has gone");
        let six: Vec<_> = (1..=3).filter_map(|host| guests.admit(format!("2001:db8::{host}").parse().ok()?)).collect();
        assert_eq!(six.len(), 2, "a /64 is one address");
        let _five = guests.admit(v4(2)).expect("there is room");
        assert!(guests.admit(v4(3)).is_none(), "all places are taken");
        drop(six);
        assert_eq!(guests.count(), 3);
        let own: Vec<_> = (0..4).filter_map(|_| guests.admit([127, 0, 0, 1].into())).collect();
        assert_eq!(own.len(), 2, "this machine is limited by the sum only");
    }

    #[test]
    fn reading_is_limited_on_average_and_recovers() {
        let guests = guests();
        let start = Instant::now();
        let read = |address, bytes, ms| guests.read_at(address, bytes, start + Duration::from_millis(ms));
        assert_eq!(read(v4(1), 10_000, 0), Ok(()));
        assert_eq!(read(v4(1), 500, 0), Err(Duration::from_millis(500)));
        assert_eq!(read(v4(2), 500, 0), Ok(()), "others are not concerned");
        assert_eq!(read([127, 0, 0, 1].into(), u64::MAX, 0), Ok(()));
        assert_eq!(read(v4(1), 500, 500), Ok(()));
        assert_eq!(read(v4(1), 20_000, 3_600_000), Ok(()), "a full bucket gives any one answer");
        assert!(read(v4(1), 1, 3_600_000).is_err());
    }

    #[test]
    fn many_addresses_take_bounded_memory() {
        let guests = guests();
        let start = Instant::now();
        for number in 0..3 * REMEMBERED_MAX as u32 {
            let now = start + Duration::from_micros(10 * u64::from(number));
            let [a, b, c, d] = (number + 0x0100_0000).to_be_bytes();
            assert_eq!(guests.read_at([a, b, c, d].into(), 1, now), Ok(()));
        }
        assert!(lock(&guests.0).reads.len() <= REMEMBERED_MAX);
    }
}
