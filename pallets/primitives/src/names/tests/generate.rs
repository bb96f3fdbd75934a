// SPDX-License-Identifier: Apache-2.0

//! Random valid values.

use crate::names::{rr, Rdata, RelativeName, RrSet, Zone};
use proptest::{collection::vec, prelude::*, sample::select};

pub fn relative_name() -> impl Strategy<Value = RelativeName> {
    let label = select(&["a", "b", "www", "_tcp", "_443", "x-1"][..]);
    (any::<bool>(), vec(label, 0..=3)).prop_map(|(wildcard, mut labels)| {
        if wildcard {
            labels.insert(0, "*");
        }
        RelativeName::parse(&labels.join(".")).unwrap()
    })
}

fn host() -> impl Strategy<Value = Vec<u8>> {
    let labels = (prop::bool::weighted(0.1), vec("[a-z0-9_-]{1,12}", 1..5));
    labels.prop_map(|(wildcard, labels)| {
        let mut wire = if wildcard { b"\x01*".to_vec() } else { Vec::new() };
        for label in labels {
            wire.push(label.len() as u8);
            wire.extend(label.bytes());
        }
        wire.push(0);
        wire
    })
}

fn target() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => host(), 1 => Just(vec![0])]
}

fn joined(parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.concat()
}

fn string(bytes: Vec<u8>) -> Vec<u8> {
    let mut string = vec![bytes.len() as u8];
    string.extend(bytes);
    string
}

fn svcb() -> impl Strategy<Value = Vec<u8>> {
    let alpn = prop::option::of(vec(vec(any::<u8>(), 1..6), 1..4));
    let alpn_plain = prop::option::of(vec("[a-z0-9/.]{1,5}".prop_map(String::into_bytes), 1..4));
    let values = (
        prop_oneof![alpn, alpn_plain],
        any::<bool>(),
        prop::option::of(any::<u16>()),
        vec(any::<[u8; 4]>(), 0..3),
        vec(any::<u8>(), 0..20),
        vec(any::<[u8; 16]>(), 0..3),
        prop::option::of((7u16..65_535, vec(any::<u8>(), 0..10))),
        any::<u8>(),
    );
    (1u16.., target(), values).prop_map(
        |(priority, target, (alpn, no_default, port, v4, ech, v6, other, mandatory))| {
            let mut parameters: Vec<(u16, Vec<u8>)> = Vec::new();
            if let Some(ids) = alpn {
                parameters.push((1, ids.into_iter().flat_map(string).collect()));
                if no_default {
                    parameters.push((2, vec![]));
                }
            }
            parameters.extend(port.map(|port| (3, port.to_be_bytes().to_vec())));
            parameters.extend((!v4.is_empty()).then(|| (4, v4.concat())));
            parameters.extend((!ech.is_empty()).then_some((5, ech)));
            parameters.extend((!v6.is_empty()).then(|| (6, v6.concat())));
            parameters.extend(other);
            let needed: Vec<u8> = parameters
                .iter()
                .enumerate()
                .filter(|(at, _)| mandatory >> (at % 8) & 1 == 1)
                .flat_map(|(_, (key, _))| key.to_be_bytes())
                .collect();
            if !needed.is_empty() {
                parameters.insert(0, (0, needed));
            }
            let mut data = priority.to_be_bytes().to_vec();
            data.extend(target);
            for (key, value) in parameters {
                data.extend(key.to_be_bytes());
                data.extend((value.len() as u16).to_be_bytes());
                data.extend(value);
            }
            data
        },
    )
}

/// Valid data of a type.
pub fn rdata(rtype: u16) -> BoxedStrategy<Vec<u8>> {
    match rtype {
        rr::A => any::<[u8; 4]>().prop_map(Vec::from).boxed(),
        rr::AAAA => any::<[u8; 16]>().prop_map(Vec::from).boxed(),
        rr::NS | rr::CNAME | rr::ALIAS => host().boxed(),
        rr::MX => (any::<[u8; 2]>(), host()).prop_map(|(p, h)| joined(vec![p.into(), h])).boxed(),
        rr::SRV => (any::<[u8; 6]>(), target()).prop_map(|(p, h)| joined(vec![p.into(), h])).boxed(),
        rr::TXT => vec(vec(any::<u8>(), 0..=255), 1..4)
            .prop_map(|strings| strings.into_iter().flat_map(string).collect())
            .boxed(),
        rr::DS => (any::<u16>(), 1u8.., select(&[(1u8, 20usize), (2, 32), (4, 48)][..]), any::<[u8; 48]>())
            .prop_map(|(tag, algorithm, (kind, length), digest)| {
                joined(vec![tag.to_be_bytes().into(), vec![algorithm, kind], digest[..length].to_vec()])
            })
            .boxed(),
        rr::TLSA => (0u8..4, 0u8..2, select(&[(0u8, 7usize), (1, 32), (2, 64)][..]), vec(any::<u8>(), 64))
            .prop_map(|(usage, selector, (kind, length), data)| {
                joined(vec![vec![usage, selector, kind], data[..length].to_vec()])
            })
            .boxed(),
        rr::CAA => (select(&[0u8, 128][..]), "[a-z0-9]{1,15}", vec(any::<u8>(), 0..300))
            .prop_map(|(flags, tag, value)| joined(vec![vec![flags], string(tag.into()), value]))
            .boxed(),
        rr::SVCB | rr::HTTPS => svcb().boxed(),
        rr::SITE => (any::<[u8; 32]>(), "[^\\pC]{0,60}")
            .prop_map(|(drive, path)| joined(vec![drive.into(), string(path.into_bytes())]))
            .boxed(),
        _ => any::<[u8; 32]>().prop_map(Vec::from).boxed(),
    }
}

/// A type and valid data of it.
pub fn record() -> impl Strategy<Value = (u16, Vec<u8>)> {
    select(&rr::ALL[..]).prop_flat_map(|(rtype, _)| (Just(rtype), rdata(rtype)))
}

/// A set whose records are valid, though a zone may refuse where it stands.
pub fn rrset() -> impl Strategy<Value = RrSet> {
    (relative_name(), select(&rr::ALL[..]), 60u32..=604_800)
        .prop_flat_map(|(name, (rtype, _), ttl_seconds)| (Just((name, rtype, ttl_seconds)), vec(rdata(rtype), 1..4)))
        .prop_map(|((name, rtype, ttl_seconds), data)| {
            let rdata: Vec<Rdata> = data.into_iter().map(|data| data.try_into().unwrap()).collect();
            RrSet { name, rtype, ttl_seconds, rdata: rdata.try_into().unwrap() }
        })
}

/// A valid zone: what was accepted of random sets.
pub fn zone() -> impl Strategy<Value = Zone> {
    vec(rrset(), 0..30).prop_map(|sets| {
        let mut zone = Zone::default();
        for set in sets {
            let _ = zone.set(set);
        }
        zone
    })
}
