// SPDX-License-Identifier: Apache-2.0

//! What one address may have and take.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
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

/// Networks that an address lies in, by the length of their prefix: of IPv6 and of IPv4. Whoever is given one has all that lies in it: one
/// machine may have the first, and some get a /48, or a /24 of IPv4, for little money.
const NETWORKS: [(u32, u32); 4] = [(64, 32), (56, 24), (48, 16), (32, 8)];
/// The part of all places that each of these may have; the first has what one address may.
const PARTS: [usize; 4] = [usize::MAX, 8, 4, 2];

#[derive(Default)]
struct State {
    all: usize,
    /// By network, and the length of its prefix.
    connections: HashMap<(u32, IpAddr), usize>,
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
    networks: [(u32, IpAddr); NETWORKS.len()],
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut state = lock(&self.inner);
        state.all = state.all.saturating_sub(1);
        for network in &self.networks {
            if let Some(count) = state.connections.get_mut(network) {
                *count -= 1;
                if *count == 0 {
                    state.connections.remove(network);
                }
            }
        }
    }
}

fn lock(inner: &Inner) -> MutexGuard<'_, State> {
    inner.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The networks that an address lies in, the smallest first. Lengths are those of IPv6, so that none of them is another's.
fn networks(address: IpAddr) -> [(u32, IpAddr); NETWORKS.len()] {
    let address = address.to_canonical();
    NETWORKS.map(|(six, four)| match address {
        IpAddr::V6(v6) => (six, Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << (128 - six))).into()),
        IpAddr::V4(v4) => (six, Ipv4Addr::from_bits(v4.to_bits() & (u32::MAX << (32 - four))).into()),
    })
}

/// Whom an address stands for: with IPv6 one customer usually has a /64.
fn whose(address: IpAddr) -> IpAddr {
    networks(address)[0].1
}

impl Guests {
    pub fn new(limits: Limits) -> Self {
        Guests(Arc::new(Inner { limits, state: Mutex::default() }))
    }

    /// A place for a connection from this address, if there is one.
    pub fn admit(&self, address: IpAddr) -> Option<Guest> {
        let Limits { connections, connections_per_address, .. } = self.0.limits;
        let own = address.to_canonical().is_loopback();
        let networks = networks(address);
        let mut state = lock(&self.0);
        let has_room = |index: usize| {
            // Each network has room for two of those in it, at least.
            let share = (connections / PARTS[index]).max(connections_per_address << index);
            state.connections.get(&networks[index]).copied().unwrap_or(0) < share
        };
        if state.all >= connections || (!own && !(0..NETWORKS.len()).all(has_room)) {
            return None;
        }
        state.all += 1;
        for network in networks {
            *state.connections.entry(network).or_default() += 1;
        }
        Some(Guest { inner: Arc::clone(&self.0), networks })
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

    /// For a few coins a month one has a /48 of IPv6, or a /24 of IPv4.
    #[test]
    fn no_network_takes_the_places_of_all_others() {
        let full = Limits::default();
        let taken = |of: &dyn Fn(u32) -> IpAddr| {
            let guests = Guests::new(full);
            let kept: Vec<_> = (0..20_000).filter_map(|number| guests.admit(of(number))).collect();
            (kept.len(), guests)
        };
        let six = |number: u32, bits: u32| -> IpAddr {
            let base = 0x2001_0db8_u128 << 96;
            Ipv6Addr::from_bits(base | u128::from(number) << (128 - bits)).into()
        };
        type Numbered<'a> = &'a dyn Fn(u32) -> IpAddr;
        let cases: [(&str, usize, Numbered<'_>); 7] = [
            ("a /64", 64, &|number| six(number, 128)),
            ("networks of a /56", 128, &|number| six(number % 256, 64)),
            ("networks of a /48", 256, &|number| six(number % 65_536, 64)),
            ("networks of a /32", 512, &|number| six(number % 65_536, 48)),
            ("an address", 64, &|_| v4(1)),
            ("a /24", 128, &|number| v4(number as u8)),
            ("a /16", 256, &|number| Ipv4Addr::from_bits(0xc0a8_0000 | number & 0xffff).into()),
        ];
        for (what, most, of) in cases {
            let (count, guests) = taken(of);
            assert_eq!(count, most, "{what}");
            assert!(
                guests.admit([203, 0, 113, 9].into()).is_some()
                    && guests.admit("2a00::1".parse().expect("one")).is_some()
            );
            drop(guests);
        }
        // Places come back, in each of the networks.
        let guests = Guests::new(full);
        for _ in 0..3 {
            let kept: Vec<_> = (0..1000).filter_map(|number| guests.admit(v4(number as u8))).collect();
            assert_eq!(kept.len(), 128);
        }
        assert!(lock(&guests.0).connections.is_empty());
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
