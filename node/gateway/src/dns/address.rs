// SPDX-License-Identifier: Apache-2.0

//! Which addresses belong to this machine or its network. A name that anybody can register and that points to one makes a
//! browser take a page from outside for one of the machine's own services (DNS rebinding).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cairn_primitives::names::rr;

use super::wire::{rtype, u16_at, NameBuf};

/// Service parameters that hold addresses (RFC 9460).
const IPV4HINT: u16 = 4;
const IPV6HINT: u16 = 6;

/// Whether an address means this machine, its link or a private network: unspecified, loopback, link-local, private (RFC
/// 1918, RFC 4193), shared (RFC 6598); or an IPv6 form of such an IPv4 address (mapped, NAT64, 6to4).
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_local_v4(v4),
        IpAddr::V6(v6) => is_local_v6(v6),
    }
}

fn is_local_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 0
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || first == 100 && second & 0xc0 == 64
}

fn is_local_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let v4_at = |at: usize| {
        let [a, b] = segments[at].to_be_bytes();
        let [c, d] = segments[at + 1].to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        // Unspecified, loopback, and IPv4 addresses in their oldest form.
        [0, 0, 0, 0, 0, 0, ..] => true,
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_local_v4(v4_at(6)),
        [0x2002, ..] => is_local_v4(v4_at(1)),
        // NAT64 of one's own network, unique local, link-local, site-local.
        [0x64, 0xff9b, 1, ..] => true,
        [first, ..] => first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80 || first & 0xffc0 == 0xfec0,
    }
}

/// Whether a record leads to a local address: A, AAAA, and the hints of SVCB and HTTPS.
pub fn is_local_record(rtype: u16, data: &[u8]) -> bool {
    match rtype {
        rtype::A => <[u8; 4]>::try_from(data).is_ok_and(|octets| is_local(octets.into())),
        rtype::AAAA => <[u8; 16]>::try_from(data).is_ok_and(|octets| is_local(octets.into())),
        rr::SVCB | rr::HTTPS => has_local_hint(data),
        _ => false,
    }
}

fn has_local_hint(data: &[u8]) -> bool {
    let Some(target) = data.get(2..).and_then(NameBuf::read) else { return false };
    let mut at = 2 + target.wire().len();
    while let (Some(key), Some(length)) = (u16_at(data, at), u16_at(data, at + 2)) {
        let value = data.get(at + 4..at + 4 + usize::from(length)).unwrap_or_default();
        let (rtype, bytes) = match key {
            IPV4HINT => (rtype::A, 4),
            IPV6HINT => (rtype::AAAA, 16),
            _ => (0, 1),
        };
        if rtype != 0 && value.chunks(bytes).any(|address| is_local_record(rtype, address)) {
            return true;
        }
        at += 4 + usize::from(length);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_primitives::names::text::parse_record;

    #[test]
    fn local_addresses_are_told_from_those_of_others() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:192.168.1.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
        ] {
            assert!(is_local(text.parse().expect("an address")), "{text}");
        }
        for text in [
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "203.0.113.7",
            "2001:db8::1",
            "::ffff:9.9.9.9",
            "64:ff9b::9.9.9.9",
            "2002:909:909::1",
            "2606:4700::1111",
        ] {
            assert!(!is_local(text.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn records_lead_to_addresses() {
        for (text, local) in [
            ("A 127.0.0.1", true),
            ("A 192.0.2.1", false),
            ("AAAA fd00::1", true),
            ("TXT 127.0.0.1", false),
            ("HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1,10.0.0.1", true),
            ("HTTPS 1 . ipv6hint=::1", true),
            ("SVCB 1 . port=53 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1", false),
            ("HTTPS 0 localhost.", false),
        ] {
            let (rtype, data) = parse_record(text).expect("a record");
            assert_eq!(is_local_record(rtype, &data), local, "{text}");
        }
    }
}
