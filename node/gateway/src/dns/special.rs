// SPDX-License-Identifier: Apache-2.0

//! Names that no resolver outside may be asked for: they mean something on this machine or in this network only, or
//! nothing anywhere. Asking others would tell them what somebody does here (an onion service's name, say), and could let
//! them answer for it.
//!
//! Sources: RFC 6761 (test, localhost, invalid), RFC 6762 (local), RFC 7686 (onion), RFC 8375 (home.arpa), RFC 9476 (alt),
//! RFC 6303 and RFC 7793 (reverse names of private, loopback, link-local, shared and documentation addresses).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::query::Query;
use super::respond::Reply;
use super::wire::{rcode, rtype, NameBuf, HEADER_BYTES};
use super::writer::{Owner, Section, Writer};

/// What is answered for such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// There is no such name. The number says from which label on the name is the zone that is answered for here.
    Missing(usize),
    /// The zone's own name, which exists without records of the type asked for; or `localhost`, in other types.
    Empty(usize),
    /// This machine.
    Localhost(IpAddr),
}

/// Hexadecimal digits of an IPv6 address.
const DIGITS_V6: usize = 32;

/// Time to live of these answers.
const TTL_SECONDS: u32 = 10_800;
/// SOA of these zones, as RFC 6303 has it: server and contact lead nowhere; serial, refresh, retry, expire, minimum.
const SOA: &[u8] =
    b"\x09localhost\0\x06nobody\x07invalid\0\0\0\0\x01\0\0\x0e\x10\0\0\x04\xb0\0\x09\x3a\x80\0\0\x2a\x30";

/// Top-level names that mean nothing in the DNS.
const TOPS: [&[u8]; 5] = [b"onion", b"local", b"test", b"invalid", b"alt"];

/// What to answer for a name outside the zone; `None` if a resolver may be asked.
pub fn special(name: &NameBuf, qtype: u16) -> Option<Special> {
    let count = name.count();
    let top = name.label(count.checked_sub(1)?);
    if TOPS.contains(&top) {
        return Some(Special::Missing(count - 1));
    }
    if top == b"localhost" {
        return Some(match qtype {
            rtype::A => Special::Localhost(Ipv4Addr::LOCALHOST.into()),
            rtype::AAAA => Special::Localhost(Ipv6Addr::LOCALHOST.into()),
            _ => Special::Empty(count - 1),
        });
    }
    if top != b"arpa" {
        return None;
    }
    let zone = match name.label(count.checked_sub(2)?) {
        b"home" => count - 2,
        b"in-addr" => reverse_v4(name)?,
        b"ip6" => reverse_v6(name)?,
        _ => return None,
    };
    match (zone, qtype) {
        // Whether the zone is signed is its parent's to say.
        (0, rtype::DS) => None,
        (0, _) => Some(Special::Empty(0)),
        (zone, _) => Some(Special::Missing(zone)),
    }
}

/// Writes the answer, with these header flags.
pub fn answer(special: Special, mut writer: Writer<'_>, query: &Query, header_flags: u16) -> Reply {
    let (code, zone) = match special {
        Special::Localhost(address) => {
            let data = match address {
                IpAddr::V4(v4) => v4.octets().to_vec(),
                IpAddr::V6(v6) => v6.octets().to_vec(),
            };
            writer.record(Owner::At(HEADER_BYTES), query.qtype, TTL_SECONDS, &data);
            (rcode::NOERROR, None)
        },
        Special::Empty(zone) => (rcode::NOERROR, Some(zone)),
        Special::Missing(zone) => (rcode::NXDOMAIN, Some(zone)),
    };
    if let Some(zone) = zone {
        writer.section(Section::Authority);
        writer.record(Owner::At(HEADER_BYTES + query.name.start(zone)), rtype::SOA, TTL_SECONDS, SOA);
    }
    let truncated = writer.finish(query, header_flags, code);
    Reply { rcode: code, truncated, ttl_seconds: TTL_SECONDS }
}

/// From which label on the reverse name of an IPv4 address is one of those zones.
fn reverse_v4(name: &NameBuf) -> Option<usize> {
    let labels = name.count() - 2;
    let octet = |number: usize| -> Option<u8> {
        std::str::from_utf8(name.label(labels.checked_sub(number)?)).ok()?.parse().ok()
    };
    let zone_labels = match (octet(1)?, octet(2), octet(3), octet(4)) {
        (0 | 10 | 127, ..) => 1,
        (100, Some(64..=127), ..) | (169, Some(254), ..) | (172, Some(16..=31), ..) | (192, Some(168), ..) => 2,
        (192, Some(0), Some(2), _) | (198, Some(51), Some(100), _) | (203, Some(0), Some(113), _) => 3,
        (255, Some(255), Some(255), Some(255)) => 4,
        _ => return None,
    };
    Some(labels - zone_labels)
}

/// The same for IPv6, where a label is a hexadecimal digit.
fn reverse_v6(name: &NameBuf) -> Option<usize> {
    let labels = name.count() - 2;
    let mut digits = Vec::with_capacity(DIGITS_V6);
    for label in (0..labels).rev().take(DIGITS_V6) {
        let [digit] = name.label(label) else { break };
        digits.push(*digit);
    }
    let is_one_of = |zones: &[&[u8]]| zones.iter().any(|zone| digits.starts_with(zone));
    let zone_labels = if is_one_of(&[b"fd"]) {
        2
    } else if is_one_of(&[b"fe8", b"fe9", b"fea", b"feb"]) {
        3
    } else if is_one_of(&[b"20010db8"]) {
        8
    } else if let Some((b'0' | b'1', zeros)) = digits.split_last().filter(|_| digits.len() == DIGITS_V6) {
        zeros.iter().all(|digit| *digit == b'0').then_some(DIGITS_V6)?
    } else {
        return None;
    };
    Some(labels - zone_labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(text: &str) -> Option<String> {
        let name = NameBuf::parse(text).expect("tests write valid names");
        match special(&name, rtype::TXT)? {
            Special::Missing(at) | Special::Empty(at) => {
                Some(NameBuf::read(name.suffix(at)).expect("a suffix is a name").to_string())
            },
            Special::Localhost(_) => None,
        }
    }

    #[test]
    fn names_that_nobody_outside_may_be_asked_for() {
        for (name, expected) in [
            ("abcdef.onion", "onion."),
            ("ONION", "onion."),
            ("printer.local", "local."),
            ("a.b.test", "test."),
            ("x.invalid", "invalid."),
            ("x.alt", "alt."),
            ("a.localhost", "localhost."),
            ("router.home.arpa", "home.arpa."),
            ("home.arpa", "home.arpa."),
            ("1.2.3.10.in-addr.arpa", "10.in-addr.arpa."),
            ("10.in-addr.arpa", "10.in-addr.arpa."),
            ("1.0.16.172.in-addr.arpa", "16.172.in-addr.arpa."),
            ("1.0.31.172.in-addr.arpa", "31.172.in-addr.arpa."),
            ("7.1.168.192.in-addr.arpa", "168.192.in-addr.arpa."),
            ("1.0.0.127.in-addr.arpa", "127.in-addr.arpa."),
            ("1.1.254.169.in-addr.arpa", "254.169.in-addr.arpa."),
            ("1.0.64.100.in-addr.arpa", "64.100.in-addr.arpa."),
            ("1.2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa."),
            ("255.255.255.255.in-addr.arpa", "255.255.255.255.in-addr.arpa."),
            ("1.0.0.0.d.f.ip6.arpa", "d.f.ip6.arpa."),
            ("1.0.8.e.f.ip6.arpa", "8.e.f.ip6.arpa."),
            ("0.8.b.d.0.1.0.0.2.ip6.arpa", "8.b.d.0.1.0.0.2.ip6.arpa."),
        ] {
            assert_eq!(zone(name).as_deref(), Some(expected), "{name}");
        }
        let one = format!("1.{}ip6.arpa", "0.".repeat(31));
        assert_eq!(zone(&one), Some(format!("{one}.")), "::1");
    }

    #[test]
    fn all_others_are_asked_for() {
        for name in [
            "example.org",
            "onion.example",
            "localhost.example",
            "arpa",
            "in-addr.arpa",
            "172.in-addr.arpa",
            "1.0.15.172.in-addr.arpa",
            "1.0.32.172.in-addr.arpa",
            "192.in-addr.arpa",
            "100.in-addr.arpa",
            "8.8.8.8.in-addr.arpa",
            "x.10.example",
            "x.in-addr.arpa",
            "300.in-addr.arpa",
            "f.ip6.arpa",
            "0.ip6.arpa",
            "8.b.d.1.1.0.0.2.ip6.arpa",
            "xx.ip6.arpa",
            "1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.8.8.8.4.0.6.2.ip6.arpa",
            ".",
        ] {
            assert_eq!(zone(name), None, "{name}");
        }
        let apex = NameBuf::parse("10.in-addr.arpa").expect("valid");
        assert_eq!(special(&apex, rtype::DS), None);
    }

    #[test]
    fn localhost_is_this_machine() {
        let name = NameBuf::parse("a.localhost").expect("valid");
        assert_eq!(special(&name, rtype::A), Some(Special::Localhost(Ipv4Addr::LOCALHOST.into())));
        assert_eq!(special(&name, rtype::AAAA), Some(Special::Localhost(Ipv6Addr::LOCALHOST.into())));
        assert_eq!(special(&name, rtype::MX), Some(Special::Empty(1)));
    }
}
