// SPDX-License-Identifier: Apache-2.0

//! Which records other name servers load.
//!
//! A master file is loaded whole or not at all: one record that a server refuses takes every name of the zone from that
//! server. The rules here are those of the strictest of NSD, Knot and BIND with their usual settings.

use cairn_primitives::names::rr;

use super::wire::{rtype, u16_at, NameBuf};

/// Service parameters up to this one (RFC 9460: `ipv6hint`) have one meaning and one form everywhere. What a server makes
/// of a later one depends on its age: it refuses values of another form from the release on that knows the parameter.
const SVC_KEY_MAX: u16 = 6;
/// The service parameter that lists protocols.
const ALPN: u16 = 1;

/// Why a record stays out of an exported zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unportable {
    /// Addresses and MX at a name that is no host name: BIND refuses them with its usual `check-names`.
    Owner,
    /// NS, MX, SRV or a service binding (not in alias mode) whose target is no host name: the same.
    Target,
    /// A service parameter beyond RFC 9460, or one that servers read differently.
    ServiceParameter,
}

impl Unportable {
    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Unportable::Owner => "addresses and MX stand at host names only: a-z, 0-9, and hyphens inside a label",
            Unportable::Target => {
                "NS, MX, SRV, SVCB and HTTPS lead to host names only: a-z, 0-9, and hyphens inside a label"
            },
            Unportable::ServiceParameter => {
                "servers differ about service parameters beyond RFC 9460, and about escapes in lists"
            },
        }
    }
}

/// Why other servers refuse a record; `None` if they load it. `owner` is absolute, in wire form.
pub fn refusal(owner: &[u8], rtype: u16, data: &[u8]) -> Option<Unportable> {
    if matches!(rtype, rtype::A | rtype::AAAA | rtype::MX) && !is_host(owner.strip_prefix(b"\x01*").unwrap_or(owner)) {
        return Some(Unportable::Owner);
    }
    let target = match rtype {
        rtype::NS => data,
        rtype::MX => data.get(2..)?,
        rtype::SRV => data.get(6..)?,
        rr::SVCB | rr::HTTPS if has_later_parameter(data) => return Some(Unportable::ServiceParameter),
        // Alias mode may lead anywhere, as CNAME may.
        rr::SVCB | rr::HTTPS if data.starts_with(&[0, 0]) => return None,
        rr::SVCB | rr::HTTPS => data.get(2..)?,
        _ => return None,
    };
    let target = NameBuf::read(target)?;
    (!is_host(target.wire())).then_some(Unportable::Target)
}

/// Whether a name in wire form is a host's (RFC 1123, 2.1): letters, digits, and hyphens inside a label. The root is one.
fn is_host(name: &[u8]) -> bool {
    let mut rest = name;
    while let Some((&length, after)) = rest.split_first() {
        let Some((label, after)) = after.split_at_checked(usize::from(length)) else { return false };
        let edges = [label.first(), label.last()].into_iter().flatten();
        if !edges.into_iter().all(u8::is_ascii_alphanumeric)
            || !label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        {
            return false;
        }
        rest = after;
    }
    true
}

/// Whether a service binding has a parameter after [`SVC_KEY_MAX`], or protocols that are not plain; parameters are in rising order.
fn has_later_parameter(data: &[u8]) -> bool {
    let Some(target) = data.get(2..).and_then(NameBuf::read) else { return true };
    let mut at = 2 + target.wire().len();
    while at < data.len() {
        let (Some(key), Some(length)) = (u16_at(data, at), u16_at(data, at + 2)) else { return true };
        let value = data.get(at + 4..at + 4 + usize::from(length)).unwrap_or_default();
        if key > SVC_KEY_MAX || key == ALPN && !is_plain_list(value) {
            return true;
        }
        at += 4 + usize::from(length);
    }
    false
}

/// Whether all strings of a list can be written without escapes: servers read escapes in lists differently.
fn is_plain_list(list: &[u8]) -> bool {
    let mut rest = list;
    while let Some((&length, after)) = rest.split_first() {
        let Some((string, after)) = after.split_at_checked(usize::from(length)) else { return false };
        if !string.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._/+".contains(byte)) {
            return false;
        }
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_primitives::names::text::parse_record;

    fn refused(owner: &str, text: &str) -> Option<Unportable> {
        let (rtype, data) = parse_record(text).expect("tests write valid records");
        refusal(NameBuf::parse(owner).expect("tests write valid names").wire(), rtype, &data)
    }

    #[test]
    fn host_names_are_told_from_others() {
        for owner in ["blog.cairn", "*.blog.cairn", "x-1.blog.cairn", "1.blog.cairn"] {
            for text in ["A 192.0.2.1", "AAAA ::1", "MX 10 a.example.", "MX 0 ."] {
                assert_eq!(refused(owner, text), None, "{owner} {text}");
            }
        }
        for owner in ["_x.blog.cairn", "*._tcp.blog.cairn", "-x.blog.cairn", "x-.blog.cairn", "a_b.blog.cairn"] {
            assert_eq!(refused(owner, "A 192.0.2.1"), Some(Unportable::Owner), "{owner}");
            assert_eq!(refused(owner, "MX 0 ."), Some(Unportable::Owner), "{owner}");
            for text in [
                "TXT a",
                "CNAME _a.example.",
                "SRV 0 0 1 a.example.",
                "NS a.example.",
                "HTTPS 1 .",
                "HTTPS 0 _a.example.",
            ] {
                assert_eq!(refused(owner, text), None, "{owner} {text}");
            }
        }
        for text in [
            "NS _a.example.",
            "MX 1 a-.example.",
            "MX 1 *.example.",
            "SRV 0 0 1 _a.example.",
            "NS *.a.example.",
            "HTTPS 1 _a.example.",
            "SVCB 2 a-.example. alpn=h2",
        ] {
            assert_eq!(refused("a.cairn", text), Some(Unportable::Target), "{text}");
        }
        assert_eq!(refused("a.cairn", "SRV 0 0 1 ."), None);
    }

    #[test]
    fn service_parameters_beyond_the_first_seven_stay_out() {
        assert_eq!(refused("a.cairn", "HTTPS 1 . alpn=h2 port=443 ech=AQI= ipv6hint=::1"), None);
        assert_eq!(refused("a.cairn", "HTTPS 0 pool.example."), None);
        for text in [
            "HTTPS 1 . key7",
            "SVCB 1 . alpn=h2 key7=\"/q{?dns}\"",
            "HTTPS 1 . ohttp",
            "HTTPS 1 . key1=\"\\003a,b\"",
            "HTTPS 1 . key65000=x",
        ] {
            assert_eq!(refused("a.cairn", text), Some(Unportable::ServiceParameter), "{text}");
        }
    }
}
