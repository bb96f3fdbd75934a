// SPDX-License-Identifier: Apache-2.0

//! Response rate limiting: a spoofed address can't be flooded through this server.
//!
//! Each network (/24 of IPv4, /56 of IPv6) may take so many UDP responses a second. Above that they are dropped, but for
//! every second one, which is answered with TC and nothing else: a real client then comes over TCP.
//!
//! # Correctness
//! The table has a fixed size and is shared by all threads without locks. A place holds a tag of its network and the time
//! up to which the network has used up its rate (GCRA). Two networks that meet at a place share it while both are busy.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Places in the table; 8 bytes each.
const PLACES: usize = 1 << 16;
const TIME_BITS: u32 = 48;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

/// Settings of the rate limit.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// UDP responses a second for each network, 1 to 1,000,000.
    pub responses_per_second: u32,
    /// How many seconds' worth may come at once.
    pub burst_seconds: u32,
    /// Of the responses over the limit, every so-manyth is sent truncated instead of dropped; 0 for none.
    pub slip: u32,
    /// Whether the machine itself is exempt. The system lets nobody else use its loopback addresses.
    pub loopback_exempt: bool,
}

impl Default for RateLimit {
    fn default() -> Self {
        RateLimit { responses_per_second: 200, burst_seconds: 5, slip: 2, loopback_exempt: true }
    }
}

/// What to do with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it.
    Send,
    /// Send it truncated.
    Slip,
    /// Send nothing.
    Drop,
}

/// The limiter.
pub struct Limiter {
    settings: RateLimit,
    interval_micros: u64,
    burst_micros: u64,
    table: Box<[AtomicU64]>,
    hasher: RandomState,
    over: AtomicU32,
}

impl Limiter {
    /// A limiter with an empty table.
    pub fn new(settings: RateLimit) -> Self {
        let interval_micros = 1_000_000 / u64::from(settings.responses_per_second.clamp(1, 1_000_000));
        Limiter {
            interval_micros,
            burst_micros: u64::from(settings.burst_seconds.max(1)) * 1_000_000,
            settings,
            table: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            over: AtomicU32::new(0),
        }
    }

    /// Counts a response to `client`; `micros` is a clock that only goes forward.
    pub fn check(&self, client: IpAddr, micros: u64) -> Verdict {
        if self.settings.loopback_exempt && client.to_canonical().is_loopback() {
            return Verdict::Send;
        }
        let hash = self.hasher.hash_one(network(client));
        let (tag, now) = (hash >> TIME_BITS, micros & TIME_MASK);
        let first = hash as usize % PLACES;
        let places = [&self.table[first], &self.table[first ^ 1]];
        let busy_until = |value: u64| value & TIME_MASK;
        let own = places.iter().find(|place| place.load(Ordering::Relaxed) >> TIME_BITS == tag);
        let place = own.copied().unwrap_or_else(|| {
            let [one, other] = places.map(|place| busy_until(place.load(Ordering::Relaxed)));
            places[usize::from(other < one)]
        });
        let mut allowed = false;
        // Another thread may come between: then again, from what it left.
        let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |value| {
            let begin = busy_until(value).max(now);
            allowed = begin + self.interval_micros <= now + self.burst_micros;
            allowed.then_some(tag << TIME_BITS | ((begin + self.interval_micros) & TIME_MASK))
        });
        if allowed {
            return Verdict::Send;
        }
        match self.settings.slip {
            0 => Verdict::Drop,
            slip if self.over.fetch_add(1, Ordering::Relaxed).is_multiple_of(slip) => Verdict::Slip,
            _ => Verdict::Drop,
        }
    }
}

/// The network of an address as a number: its first 24 or 56 bits, and which kind it is.
pub fn network(client: IpAddr) -> (bool, u64) {
    match client.to_canonical() {
        IpAddr::V4(v4) => (false, u64::from(v4.to_bits() >> 8)),
        IpAddr::V6(v6) => (true, (v6.to_bits() >> 72) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(slip: u32) -> Limiter {
        Limiter::new(RateLimit { responses_per_second: 100, burst_seconds: 1, slip, loopback_exempt: true })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_gets_its_burst_and_then_its_rate() {
        let limiter = limiter(0);
        let sent =
            |micros, tries| (0..tries).filter(|_| limiter.check(ip("192.0.2.1"), micros) == Verdict::Send).count();
        assert_eq!(sent(5_000_000, 1000), 100);
        assert_eq!(sent(5_500_000, 1000), 50);
        assert_eq!(sent(60_000_000, 1000), 100);
    }

    #[test]
    fn a_network_is_a_24_or_a_56() {
        let limiter = limiter(0);
        let drain = |client: &str| (0..1000).filter(|_| limiter.check(ip(client), 1) == Verdict::Send).count();
        assert_eq!(drain("192.0.2.1"), 100);
        assert_eq!(drain("192.0.2.254"), 0);
        assert_eq!(drain("::ffff:192.0.2.9"), 0);
        assert_eq!(drain("192.0.3.1"), 100);
        assert_eq!(drain("2001:db8:1:ff00::1"), 100);
        assert_eq!(drain("2001:db8:1:ffff::1"), 0);
        assert_eq!(drain("2001:db8:1:fe00::1"), 100);
    }

    #[test]
    fn every_second_one_over_the_limit_slips() {
        let limiter = limiter(2);
        let verdicts: Vec<_> = (0..300).map(|_| limiter.check(ip("192.0.2.1"), 1)).collect();
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Slip).count(), 100);
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Drop).count(), 100);
    }

    #[test]
    fn the_machine_itself_is_exempt() {
        let limiter = limiter(0);
        assert!((0..1000).all(|_| limiter.check(ip("127.0.0.1"), 1) == Verdict::Send));
        assert!((0..1000).all(|_| limiter.check(ip("::1"), 1) == Verdict::Send));
    }

    #[test]
    fn many_spoofed_networks_take_no_more_memory_and_stop_nobody_else_for_long() {
        let limiter = limiter(0);
        for number in 0..200_000u32 {
            limiter.check(IpAddr::V4((number << 8 | 1 << 31).into()), 1_000_000);
        }
        let sent = (0..200).filter(|_| limiter.check(ip("198.51.100.1"), 3_000_000) == Verdict::Send).count();
        assert_eq!(sent, 100);
    }
}
