// SPDX-License-Identifier: Apache-2.0

//! Signed answers, validated by the rules of RFC 4035 written down a second time.

mod common;

use cairn_gateway::dns::{Responder, Signer, Transport};
use common::decode::Response;
use common::model::{reversed, to_wire, Model, Name, Record};
use common::{builder, names, query, wire, Opt, Questions, Rng, HEAD_TIME};
use proptest::prelude::*;
use ring::signature::{UnparsedPublicKey, ECDSA_P256_SHA256_FIXED};
use std::collections::BTreeSet;

const NAMES: usize = 10;
const OPT: Option<Opt> = Some(Opt { udp_bytes: 1232, dnssec_ok: true });

fn responder() -> Responder {
    let folder = tempfile::tempdir().unwrap();
    Responder { signer: Some(Signer::open(folder.path(), 10_000).unwrap()), ..Responder::default() }
}

/// Checks the signature of the set of `rtype` at `owner` among `records`.
fn verify(records: &[Record], owner: &[u8], rtype: u16, key: &[u8], key_tag: u16) {
    let mut data: Vec<&Vec<u8>> = records.iter().filter(|r| r.0 == owner && r.1 == rtype).map(|r| &r.3).collect();
    data.sort();
    let covers = |r: &&Record| r.0 == owner && r.1 == 46 && r.3[..2] == rtype.to_be_bytes();
    let signatures: Vec<&Record> = records.iter().filter(covers).collect();
    assert_eq!(signatures.len(), 1, "one signature for {owner:?} {rtype}");
    let rrsig = &signatures[0].3;
    let time = |at: usize| u64::from(u32::from_be_bytes(rrsig[at..at + 4].try_into().unwrap()));
    assert!(time(12) + 3600 <= HEAD_TIME && HEAD_TIME + 3 * 86_400 <= time(8));
    assert_eq!((rrsig[2], &rrsig[16..18], &rrsig[18..25]), (13, &key_tag.to_be_bytes()[..], &b"\x05cairn\0"[..]));
    let labels = reversed(owner).len() - usize::from(owner.starts_with(b"\x01*"));
    assert_eq!(usize::from(rrsig[3]), labels);
    let original = &rrsig[4..8];
    let ttl = records.iter().find(|r| r.0 == owner && r.1 == rtype).unwrap().2;
    assert!(ttl <= u32::from_be_bytes(original.try_into().unwrap()) && signatures[0].2 == ttl);
    let mut signed = rrsig[..25].to_vec();
    for data in data {
        signed.extend_from_slice(owner);
        signed.extend_from_slice(&rtype.to_be_bytes());
        signed.extend_from_slice(&[0, 1]);
        signed.extend_from_slice(original);
        signed.extend_from_slice(&(data.len() as u16).to_be_bytes());
        signed.extend_from_slice(data);
    }
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(&signed, &rrsig[25..]).unwrap();
}

/// An NSEC record, taken apart.
struct Nsec {
    owner: Name,
    next: Name,
    types: BTreeSet<u16>,
}

impl Nsec {
    fn read(record: &Record) -> Nsec {
        let data = &record.3;
        let end = data.iter().enumerate().scan(0, |at, _| {
            let here = *at;
            *at += 1 + usize::from(data[here]);
            Some((here, data[here] == 0))
        });
        let end = end.filter(|(_, last)| *last).map(|(at, _)| at + 1).next().unwrap();
        let (mut at, mut types) = (end, BTreeSet::new());
        while at < data.len() {
            let (window, length) = (u16::from(data[at]), usize::from(data[at + 1]));
            assert!((1..=32).contains(&length) && data[at + 1 + length] != 0);
            for bit in 0..length as u16 * 8 {
                if data[at + 2 + usize::from(bit / 8)] & (0x80 >> (bit % 8)) != 0 {
                    types.insert(window << 8 | bit);
                }
            }
            at += 2 + length;
        }
        Nsec { owner: reversed(&record.0), next: reversed(&data[..end]), types }
    }

    /// Names compare label by label from the right: canonical order.
    fn covers(&self, name: &Name) -> bool {
        self.owner < *name && *name < self.next
    }
}

struct Zone {
    responder: Responder,
    key: Vec<u8>,
    key_tag: u16,
}

impl Zone {
    fn new() -> Zone {
        let responder = responder();
        let signer = responder.signer.as_ref().unwrap();
        let anchor = signer.trust_anchor();
        let key_tag = anchor.ds.split(' ').nth(3).unwrap().parse().unwrap();
        Zone { key: [&[4], &signer.dnskey()[4..]].concat(), key_tag, responder }
    }

    fn ask(&self, snapshot: &cairn_gateway::dns::Snapshot, name: &str, qtype: u16) -> Response {
        let mut out = Vec::new();
        self.responder.answer(snapshot, HEAD_TIME, &query(1, name, qtype, OPT), Transport::Stream, &mut out);
        Response::read(&out)
    }

    /// Checks every signature; returns the NSEC records.
    fn validate(&self, response: &Response) -> Vec<Nsec> {
        for section in [&response.answers, &response.authorities] {
            let sets: BTreeSet<(&Vec<u8>, u16)> = section.iter().filter(|r| r.1 != 46).map(|r| (&r.0, r.1)).collect();
            for (owner, rtype) in sets {
                let is_referral = std::ptr::eq(section, &response.authorities) && rtype == 2;
                if is_referral {
                    assert!(!section.iter().any(|r| r.1 == 46 && r.3[..2] == [0, 2]), "a delegation is not signed");
                } else {
                    verify(section, owner, rtype, &self.key, self.key_tag);
                }
            }
        }
        response.authority(47).into_iter().map(Nsec::read).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Every answer to whoever wants signatures can be validated, and what is denied is denied in full and no more.
    #[test]
    fn signed_answers_validate(seed: u64) {
        let names = names(seed, NAMES);
        let (snapshot, model, zone) = (builder(&names).snapshot(), Model::new(&names), Zone::new());
        let (questions, mut rng) = (Questions::new(&names), Rng(seed ^ 5));
        for _ in 0..60 {
            let (name, qtype) = questions.next(&mut rng);
            if matches!(qtype, 6 | 255) {
                continue;
            }
            let response = zone.ask(&snapshot, &name, qtype);
            let expected = model.answer(&wire(&name), qtype);
            prop_assert_eq!(response.rcode, expected.rcode);
            if response.rcode == 2 {
                continue;
            }
            let nsecs = zone.validate(&response);
            // Where the chain of CNAMEs ends; at most as many links as there are records.
            let mut last = reversed(&wire(&name));
            for _ in 0..if qtype == 5 { 0 } else { response.data(5).len() } {
                match response.answers.iter().find(|r| r.1 == 5 && r.0 == to_wire(&last)) {
                    Some(link) => last = reversed(&link.3),
                    None => break,
                }
            }
            let covering = |name: &Name| nsecs.iter().any(|nsec| nsec.covers(name));
            let at = |name: &Name| nsecs.iter().find(|nsec| nsec.owner == *name);
            if response.rcode == 3 {
                prop_assert!(covering(&last), "{name} {last:?}");
                let encloser = (0..last.len()).rev().find(|depth| !covering(&last[..*depth].to_vec())).unwrap();
                let wildcard = [&last[..encloser], &[b"*".to_vec()]].concat();
                prop_assert!(covering(&wildcard), "{name}");
            } else if expected.is_negative {
                let nsec = at(&last).expect("proof of what is at the name");
                prop_assert!(!nsec.types.contains(&qtype) && !nsec.types.contains(&5));
                prop_assert!(nsec.types.contains(&46) && nsec.types.contains(&47));
            } else if let Some(cut) = expected.referral.first() {
                match response.authority(43).is_empty() {
                    true => {
                        let nsec = at(&reversed(&cut.0)).expect("proof that there is no DS");
                        prop_assert_eq!(nsec.types.iter().copied().collect::<Vec<_>>(), [2, 46, 47]);
                    },
                    false => prop_assert!(nsecs.is_empty()),
                }
            }
            for nsec in &nsecs {
                prop_assert!(!model.names().any(|existing| nsec.covers(existing)), "{name}");
                let (here, known) = (model.types_at(&nsec.owner), &nsec.types);
                let bare = [46, 47].into();
                prop_assert!(here.is_subset(known) || !here.is_empty() && known.is_superset(&bare), "{name}");
            }
        }
    }
}

#[test]
fn the_key_signs_itself_at_the_apex() {
    let zone = Zone::new();
    let snapshot = builder(&[]).snapshot();
    for qtype in [48, 6, 2] {
        let response = zone.ask(&snapshot, "cairn", qtype);
        assert_eq!((response.answers.len(), response.answers[0].1), (2, qtype));
        zone.validate(&response);
    }
    let nsecs = zone.validate(&zone.ask(&snapshot, "cairn", 1));
    assert_eq!(nsecs[0].types, [2, 6, 46, 47, 48].into());
}

#[test]
fn signatures_are_only_for_those_who_ask() {
    let zone = Zone::new();
    let snapshot = builder(&[]).snapshot();
    let mut out = Vec::new();
    for opt in [None, Some(Opt { udp_bytes: 1232, dnssec_ok: false })] {
        zone.responder.answer(&snapshot, HEAD_TIME, &query(1, "no.cairn", 1, opt), Transport::Udp, &mut out);
        assert_eq!(Response::read(&out).authorities.len(), 1);
    }
}

#[test]
fn strange_labels_are_denied_as_well() {
    let zone = Zone::new();
    let snapshot = builder(&names(1, 3)).snapshot();
    let full = [b'q'; 63];
    let labels: [&[u8]; 9] = [b"\0", b"\0\0", b"a\0", b"[", b"\xff", &full, &[0xff; 62], b"*", b"a.b"];
    for label in labels {
        let mut message = query(1, "x.cairn", 1, OPT);
        message.splice(12..14, [&[label.len() as u8], label].concat());
        let mut out = Vec::new();
        zone.responder.answer(&snapshot, HEAD_TIME, &message, Transport::Stream, &mut out);
        let response = Response::read(&out);
        let nsecs = zone.validate(&response);
        let name: Name = vec![b"cairn".to_vec(), label.to_vec()];
        assert!(nsecs.iter().any(|nsec| nsec.covers(&name)), "{label:?}");
    }
}

#[test]
fn signed_negative_answers_fit_into_udp() {
    let zone = Zone::new();
    let snapshot = builder(&[]).snapshot();
    let mut out = Vec::new();
    let long = format!("{}.{}.cairn", "a".repeat(60), "b".repeat(60));
    zone.responder.answer(&snapshot, HEAD_TIME, &query(1, &long, 1, OPT), Transport::Udp, &mut out);
    let response = Response::read(&out);
    assert!(!response.truncated && response.authority(46).len() == 3, "{} bytes", out.len());
}
