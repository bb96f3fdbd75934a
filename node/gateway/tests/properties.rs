// SPDX-License-Identifier: Apache-2.0

//! Random zones and random packets, against a plain model and an independent decoder.

mod common;

use cairn_gateway::dns::{Outcome, Responder, Signer, Transport};
use common::decode::Response;
use common::model::{Model, Record};
use common::{builder, names, query, wire, Opt, Questions, Rng, HEAD_TIME};
use proptest::prelude::*;
use std::collections::BTreeSet;

const NAMES: usize = 12;

fn signer() -> Signer {
    let folder = tempfile::tempdir().unwrap();
    Signer::open(folder.path(), 1000).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is asked of whatever zone, the answer over a stream is the model's.
    #[test]
    fn answers_are_those_of_the_model(seed: u64) {
        let names = names(seed, NAMES);
        let (snapshot, model) = (builder(&names).snapshot(), Model::new(&names));
        let responder = Responder::default();
        let (questions, mut rng, mut out) = (Questions::new(&names), Rng(seed ^ 1), Vec::new());
        for id in 0..100 {
            let (name, qtype) = questions.next(&mut rng);
            if matches!(qtype, 6 | 255) {
                continue;
            }
            let message = query(id, &name, qtype, None);
            let outcome = responder.answer(&snapshot, HEAD_TIME, &message, Transport::Stream, &mut out);
            prop_assert!(matches!(outcome, Outcome::Reply(_)));
            let (response, expected) = (Response::read(&out), model.answer(&wire(&name), qtype));
            let asked = format!("{name} {qtype}: {response:?}");
            prop_assert_eq!(response.rcode, expected.rcode, "{}", asked);
            prop_assert_eq!(response.authoritative, expected.authoritative, "{}", asked);
            prop_assert_eq!(response.answer_set(), expected.answers, "{}", asked);
            prop_assert_eq!(response.answers.len(), response.answer_set().len(), "{}", asked);
            let referral: BTreeSet<Record> = response.authority(2).into_iter().cloned().collect();
            prop_assert_eq!(referral, expected.referral, "{}", asked);
            prop_assert_eq!(response.authority(6).len(), usize::from(expected.is_negative), "{}", asked);
        }
    }

    /// Every response parses, echoes id and question in their case, and keeps its limit; a truncated one is empty.
    #[test]
    fn responses_parse_and_keep_their_limits(seed: u64) {
        let names = names(seed, NAMES);
        let snapshot = builder(&names).snapshot();
        let responder = Responder { signer: Some(signer()), ..Responder::default() };
        let (questions, mut rng, mut out) = (Questions::new(&names), Rng(seed ^ 2), Vec::new());
        for id in 0..60 {
            let (name, qtype) = questions.next(&mut rng);
            let sizes = [0, 511, 512, 800, 1232, 4096, 65535];
            let opt = (!rng.one_in(4))
                .then(|| Opt { udp_bytes: sizes[rng.below(sizes.len())], dnssec_ok: rng.one_in(2) });
            let message = query(id, &name, qtype, opt);
            let outcome = responder.answer(&snapshot, HEAD_TIME, &message, Transport::Udp, &mut out);
            let Outcome::Reply(reply) = outcome else { panic!("{outcome:?}") };
            let limit = opt.map_or(512, |opt| usize::from(opt.udp_bytes).clamp(512, 1232));
            prop_assert!(out.len() <= limit);
            let response = Response::read(&out);
            prop_assert_eq!(response.id, id);
            prop_assert_eq!(&out[12..message.len() - if opt.is_some() { 11 } else { 0 }],
                &message[12..message.len() - if opt.is_some() { 11 } else { 0 }]);
            prop_assert_eq!(response.edns, opt.map(|opt| (0, opt.dnssec_ok)));
            prop_assert_eq!(response.truncated, reply.truncated);
            if response.truncated {
                prop_assert!(response.answers.is_empty() && response.authorities.is_empty());
                responder.answer(&snapshot, HEAD_TIME, &message, Transport::Stream, &mut out);
                let whole = Response::read(&out);
                prop_assert!(!whole.truncated && out.len() > limit);
            }
        }
    }

    /// Hostile bytes get FORMERR, NOTIMP or another short refusal, or nothing; never a panic.
    #[test]
    fn hostile_packets_do_no_harm(seed: u64, random in proptest::collection::vec(any::<u8>(), 0..600)) {
        let names = names(seed, 3);
        let snapshot = builder(&names).snapshot();
        let responder = Responder { signer: Some(signer()), ..Responder::default() };
        let (questions, mut rng) = (Questions::new(&names), Rng(seed ^ 3));
        let mut packets = vec![random];
        for _ in 0..40 {
            let (name, qtype) = questions.next(&mut rng);
            let opt = rng.one_in(2).then_some(Opt { udp_bytes: 1232, dnssec_ok: true });
            let good = query(1, &name, qtype, opt);
            let mut bad = good.clone();
            match rng.below(4) {
                0 => bad.truncate(rng.below(bad.len())),
                1 => bad.extend(rng.clone().bytes(1 + rng.below(30))),
                2 => {
                    let at = rng.below(bad.len());
                    bad[at] = rng.next() as u8;
                },
                _ => {
                    // A pointer to itself, to the header, or forward.
                    let at = 12 + rng.below(bad.len() - 13);
                    bad[at] = 0xc0;
                    bad[at + 1] = [at as u8, 0, 12, 200][rng.below(4)];
                },
            }
            packets.push(bad);
        }
        let mut out = Vec::new();
        for packet in packets {
            match responder.answer(&snapshot, HEAD_TIME, &packet, Transport::Udp, &mut out) {
                Outcome::Ignore => prop_assert!(packet.len() < 12 || packet[2] & 0x80 != 0),
                Outcome::Reply(_) => {
                    prop_assert!(out.len() <= 1232);
                    prop_assert_eq!(&out[..2], &packet[..2]);
                    let _ = Response::read(&out);
                },
                other => panic!("{other:?}"),
            }
        }
    }

    /// A message cut short anywhere is malformed.
    #[test]
    fn a_cut_message_is_malformed(seed: u64) {
        let (name, qtype) = Questions::new(&names(seed, 3)).next(&mut Rng(seed));
        let good = query(1, &name, qtype, Some(Opt { udp_bytes: 1232, dnssec_ok: false }));
        let snapshot = builder(&[]).snapshot();
        let mut out = Vec::new();
        for cut in 0..good.len() {
            match Responder::default().answer(&snapshot, HEAD_TIME, &good[..cut], Transport::Udp, &mut out) {
                Outcome::Ignore => prop_assert!(cut < 12),
                Outcome::Reply(reply) => prop_assert_eq!(reply.rcode, 1),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Changes one by one lead to the same zone as all at once.
    #[test]
    fn incremental_changes_lead_to_the_same_zone(seed: u64) {
        let (before, after) = (names(seed, NAMES), names(seed ^ 7, NAMES));
        let mut changed = builder(&before);
        let old = changed.snapshot();
        let mut old_text = Vec::new();
        old.export(&mut old_text).unwrap();
        let mut rng = Rng(seed);
        for (label, _) in &before {
            if rng.one_in(3) {
                changed.remove(label);
            }
        }
        for (label, entry) in &after {
            changed.set(label, entry);
        }
        let (mut one, mut other, mut still) = (Vec::new(), Vec::new(), Vec::new());
        changed.snapshot().export(&mut one).unwrap();
        builder(&after).snapshot().export(&mut other).unwrap();
        prop_assert_eq!(String::from_utf8(one), String::from_utf8(other));
        old.export(&mut still).unwrap();
        prop_assert_eq!(old_text, still);
        prop_assert_eq!(changed.snapshot().names(), builder(&after).snapshot().names());
        for (label, _) in &after {
            changed.remove(label);
        }
        prop_assert_eq!(changed.snapshot().names(), 0);
    }
}
