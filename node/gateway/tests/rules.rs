// SPDX-License-Identifier: Apache-2.0

//! One test for each rule of answering.

mod common;
#[path = "rules/export.rs"]
mod export;
#[path = "rules/outside.rs"]
mod outside;

use cairn_gateway::dns::{
    AliasCache, NameEntry, Nameserver, Outcome, Reply, Responder, SettingsError, Snapshot, SnapshotBuilder, Transport,
    ZoneSettings,
};
use cairn_primitives::names::{rr, Label, Zone};
use common::decode::Response;
use common::{builder, entry, label, query, wire, zone, Opt, HEAD_NUMBER, HEAD_TIME};
use std::sync::Arc;
use std::time::Duration;

const SOA: u16 = 6;

fn sample() -> Arc<Snapshot> {
    let mut blog = entry(&[
        " 300 A 192.0.2.1|192.0.2.2",
        " 300 AAAA 2001:db8::1",
        " 300 MX 10 mail.blog.cairn.",
        "www 300 CNAME blog.cairn.",
        "out 300 CNAME host.example.",
        "l1 300 CNAME l2.blog.cairn.",
        "l2 300 CNAME l1.blog.cairn.",
        "gone 300 CNAME nothing.cairn.",
        "*.w 300 TXT \"wild\"",
        "real.w 300 A 192.0.2.9",
        "deep.ent 300 A 192.0.2.3",
        "d 300 NS ns.d.blog.cairn.|ns.example.",
        "d 300 DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000",
        "ns.d 300 A 192.0.2.53",
        "ns.d 300 AAAA 2001:db8::53",
        "sub 300 A 192.0.2.66",
        "x.sub 300 A 192.0.2.66",
    ]);
    blog.subzones = vec![(label("sub"), zone(&[" 300 A 192.0.2.77", "y 300 A 192.0.2.78"]))];
    let mut wild = entry(&[" 300 A 192.0.2.1", "* 300 A 192.0.2.2"]);
    wild.subzones = vec![(label("theirs"), Zone::default())];
    let alias = entry(&[
        " 300 ALIAS www.blog.cairn.",
        "out 300 ALIAS host.example.",
        "cut 300 ALIAS x.d.blog.cairn.",
        "none 300 ALIAS nothing.cairn.",
        "loop 300 ALIAS loop.alias.cairn.",
        "short 90 ALIAS blog.cairn.",
    ]);
    let big = entry(&[&format!(
        " 300 TXT {}",
        (0..8).map(|n| format!("\"{}\"", n.to_string().repeat(150))).collect::<Vec<_>>().join("|")
    )]);
    builder(&[(label("blog"), blog), (label("alias"), alias), (label("big"), big), (label("wild"), wild)]).snapshot()
}

fn ask_with(responder: &Responder, message: &[u8], transport: Transport) -> (Outcome, Vec<u8>) {
    let mut out = vec![0xee; 7];
    let outcome = responder.answer(&sample(), HEAD_TIME, message, transport, &mut out);
    (outcome, out)
}

fn ask(name: &str, qtype: u16) -> Response {
    let (outcome, out) = ask_with(&Responder::default(), &query(7, name, qtype, None), Transport::Stream);
    assert!(matches!(outcome, Outcome::Reply(_)));
    Response::read(&out)
}

fn targets(response: &Response, rtype: u16) -> Vec<Vec<u8>> {
    response.authority(rtype).iter().map(|record| record.3.clone()).collect()
}

#[test]
fn records_are_answered_with_authority() {
    let response = ask("blog.cairn", rr::A);
    assert_eq!((response.rcode, response.authoritative, response.recursion_available), (0, true, false));
    assert_eq!(response.data(rr::A), [[192, 0, 2, 1], [192, 0, 2, 2]]);
    assert!(response.authorities.is_empty() && response.additionals.is_empty());
}

#[test]
fn a_wildcard_does_not_speak_for_a_subdomain_of_another_owner() {
    assert_eq!(ask("any.wild.cairn", rr::A).data(rr::A), [[192, 0, 2, 2]]);
    assert_eq!(ask("a.b.wild.cairn", rr::A).data(rr::A), [[192, 0, 2, 2]]);
    let theirs = ask("theirs.wild.cairn", rr::A);
    assert_eq!((theirs.rcode, theirs.answers.len()), (0, 0), "it exists, without records");
    let below = ask("www.theirs.wild.cairn", rr::A);
    assert_eq!((below.rcode, below.answers.len()), (3, 0));
    let mut exported = Vec::new();
    sample().export(&mut exported).unwrap();
    let exported = String::from_utf8(exported).unwrap();
    assert!(exported.contains("theirs.wild.cairn. 60 IN TYPE65280 \\# 0\n"), "{exported}");
}

#[test]
fn case_doesnt_matter_and_is_echoed() {
    let message = query(0xabcd, "bLOg.CaIRn", rr::A, None);
    let (_, out) = ask_with(&Responder::default(), &message, Transport::Udp);
    assert_eq!(out[12..message.len()], message[12..]);
    assert_eq!((out[0], out[1]), (0xab, 0xcd));
    assert_eq!(Response::read(&out).answers.len(), 2);
}

#[test]
fn a_missing_type_is_nodata_and_a_missing_name_is_nxdomain() {
    for (name, qtype, rcode) in [("blog.cairn", rr::TXT, 0), ("no.blog.cairn", rr::A, 3), ("no.cairn", rr::A, 3)] {
        let response = ask(name, qtype);
        assert_eq!((response.rcode, response.authoritative, response.answers.len()), (rcode, true, 0), "{name}");
        let soa = targets(&response, SOA).remove(0);
        assert_eq!(soa[soa.len() - 20..soa.len() - 16], HEAD_NUMBER.to_be_bytes(), "the serial is the block");
        assert_eq!(response.authorities[0].2, 60);
    }
}

#[test]
fn an_empty_non_terminal_exists() {
    assert_eq!(ask("ent.blog.cairn", rr::A).rcode, 0);
    assert_eq!(ask("w.blog.cairn", rr::A).rcode, 0);
    assert_eq!(ask("x.ent.blog.cairn", rr::A).rcode, 3);
}

#[test]
fn a_wildcard_stands_in_for_what_does_not_exist() {
    for name in ["any.w.blog.cairn", "a.b.c.w.blog.cairn", "*.w.blog.cairn"] {
        let response = ask(name, rr::TXT);
        assert_eq!(response.answers, [(wire(name), rr::TXT, 300, b"\x04wild".to_vec())]);
        assert_eq!(ask(name, rr::A).rcode, 0, "the wildcard has no such type");
    }
    assert_eq!(ask("real.w.blog.cairn", rr::TXT).answers.len(), 0, "an existing name hides it");
    assert_eq!(ask("below.real.w.blog.cairn", rr::TXT).rcode, 3, "and so for what is below");
}

#[test]
fn cnames_are_followed_within_the_zone() {
    let response = ask("www.blog.cairn", rr::A);
    assert_eq!((response.data(rr::CNAME).len(), response.data(rr::A).len()), (1, 2));
    assert_eq!(ask("www.blog.cairn", rr::CNAME).answers.len(), 1);
    let response = ask("gone.blog.cairn", rr::A);
    assert_eq!((response.rcode, response.answers.len(), targets(&response, SOA).len()), (3, 1, 1));
    let response = ask("out.blog.cairn", rr::A);
    assert_eq!((response.rcode, response.answers.len(), response.authorities.len()), (0, 1, 0));
}

#[test]
fn loops_of_cnames_end() {
    let response = ask("l1.blog.cairn", rr::A);
    assert_eq!((response.rcode, response.data(rr::CNAME).len()), (0, 2));
}

#[test]
fn an_alias_is_resolved_here() {
    let response = ask("alias.cairn", rr::A);
    let owner = wire("alias.cairn");
    assert_eq!(
        response.answers.iter().map(|record| (&record.0, record.1)).collect::<Vec<_>>(),
        [(&owner, 1), (&owner, 1)]
    );
    assert_eq!(ask("alias.cairn", rr::AAAA).answers.len(), 1);
    assert_eq!(ask("alias.cairn", rr::MX).answers.len(), 0);
    assert_eq!(ask("alias.cairn", rr::ALIAS).answers.len(), 1);
    assert_eq!(ask("short.alias.cairn", rr::A).answers[0].2, 90, "the lowest time to live on the way");
    let none = ask("none.alias.cairn", rr::A);
    assert_eq!((none.rcode, none.answers.len(), targets(&none, SOA).len()), (0, 0, 1));
    for failing in ["out.alias.cairn", "cut.alias.cairn", "loop.alias.cairn"] {
        let response = ask(failing, rr::A);
        assert_eq!((response.rcode, response.authoritative, response.answers.len()), (2, false, 0), "{failing}");
    }
}

#[test]
fn with_upstreams_outside_names_are_open() {
    let responder = Responder { aliases: Some(AliasCache::new(10)), ..Responder::default() };
    let outcome = |name| ask_with(&responder, &query(1, name, rr::A, None), Transport::Udp);
    let (forward, out) = outcome("host.example");
    assert!(matches!(forward, Outcome::Forward));
    assert_eq!(Response::read(&out).rcode, 2, "what to say if that fails");
    assert!(matches!(outcome("out.alias.cairn").0, Outcome::Learn(name, rr::A) if name.to_string() == "host.example."));
    let (chase, out) = outcome("out.blog.cairn");
    assert!(matches!(chase, Outcome::Chase(name, rr::A) if name.to_string() == "host.example."));
    assert!(Response::read(&out).recursion_available);

    let mut without_rd = query(1, "host.example", rr::A, None);
    without_rd[2] = 0;
    assert!(matches!(ask_with(&responder, &without_rd, Transport::Udp).0, Outcome::Reply(Reply { rcode: 5, .. })));
}

#[test]
fn a_delegation_is_a_referral_with_glue() {
    for (name, qtype) in
        [("d.blog.cairn", rr::A), ("x.y.d.blog.cairn", rr::TXT), ("d.blog.cairn", rr::NS), ("x.d.blog.cairn", rr::DS)]
    {
        let response = ask(name, qtype);
        assert_eq!((response.rcode, response.authoritative, response.answers.len()), (0, false, 0), "{name}");
        assert_eq!(targets(&response, rr::NS).len(), 2);
        assert_eq!(response.authorities[0].0, wire("d.blog.cairn"));
        let glue: Vec<_> = response.additionals.iter().map(|record| (record.0.clone(), record.1)).collect();
        assert_eq!(glue, [(wire("ns.d.blog.cairn"), rr::A), (wire("ns.d.blog.cairn"), rr::AAAA)]);
    }
    let ds = ask("d.blog.cairn", rr::DS);
    assert_eq!((ds.authoritative, ds.answers.len()), (true, 1), "DS is the parent's");
}

#[test]
fn a_subdomain_with_its_own_zone_hides_its_parents() {
    assert_eq!(ask("sub.blog.cairn", rr::A).data(rr::A), [[192, 0, 2, 77]]);
    assert_eq!(ask("y.sub.blog.cairn", rr::A).data(rr::A), [[192, 0, 2, 78]]);
    assert_eq!(ask("x.sub.blog.cairn", rr::A).rcode, 3);
}

#[test]
fn the_apex_has_soa_ns_and_its_servers_address() {
    assert_eq!(ask("cairn", SOA).answers.len(), 1);
    assert_eq!(ask("cairn", rr::NS).data(rr::NS), [wire("ns.cairn")]);
    assert_eq!(ask("ns.cairn", rr::A).data(rr::A), [[127, 0, 0, 1]]);
    assert_eq!(ask("cairn", rr::A).rcode, 0);
    assert_eq!(ask("cairn", rr::DS).rcode, 0, "the root would have it");
}

#[test]
fn any_is_answered_with_one_set() {
    let response = ask("blog.cairn", 255);
    assert_eq!(response.answers.len(), 2);
    assert!(response.answers.iter().all(|record| record.1 == rr::A));
    assert_eq!(ask("ent.blog.cairn", 255).answers.len(), 0);
    assert_eq!(ask("no.cairn", 255).rcode, 3);
    assert_eq!(ask("www.blog.cairn", 255).data(rr::CNAME).len(), 1);
}

#[test]
fn what_is_not_ours_is_refused() {
    for (name, qtype) in
        [("example.org", rr::A), (".", rr::NS), ("cairn.example", rr::A), ("cairn", 252), ("cairn", 251)]
    {
        let response = ask(name, qtype);
        assert_eq!((response.rcode, response.authoritative), (5, false), "{name} {qtype}");
    }
    let mut chaos = query(1, "version.bind", rr::TXT, None);
    let last = chaos.len() - 1;
    for class in [3, 4, 255, 254] {
        chaos[last] = class;
        assert!(matches!(
            ask_with(&Responder::default(), &chaos, Transport::Udp).0,
            Outcome::Reply(Reply { rcode: 5, .. })
        ));
    }
}

#[test]
fn other_operations_and_malformed_messages_have_their_codes() {
    for (byte, value, rcode) in [(2, 0x28, 4), (2, 0x10, 4), (5, 0, 1), (5, 2, 1), (7, 1, 1)] {
        let mut message = query(9, "blog.cairn", rr::A, None);
        message[byte] = value;
        let (_, out) = ask_with(&Responder::default(), &message, Transport::Udp);
        let response = Response::read(&out);
        assert_eq!((response.id, response.rcode), (9, rcode), "{byte} {value}");
    }
    let (outcome, out) = ask_with(&Responder::default(), &[0; 11], Transport::Udp);
    assert!(matches!(outcome, Outcome::Ignore) && out.is_empty());
}

#[test]
fn edns_versions_of_the_future_get_badvers() {
    let mut message = query(1, "blog.cairn", rr::A, Some(Opt { udp_bytes: 1232, dnssec_ok: true }));
    let at = message.len() - 5;
    message[at] = 1;
    let (_, out) = ask_with(&Responder::default(), &message, Transport::Udp);
    let response = Response::read(&out);
    assert_eq!((response.rcode, response.edns, response.answers.len()), (16, Some((0, true)), 0));
}

#[test]
fn answers_over_udp_keep_the_clients_size_and_ours() {
    let sizes = [(None, 512), (Some(100), 512), (Some(700), 700), (Some(1232), 1232), (Some(4096), 1232)];
    for (udp_bytes, limit) in sizes {
        let opt = udp_bytes.map(|udp_bytes| Opt { udp_bytes, dnssec_ok: false });
        let message = query(1, "big.cairn", rr::TXT, opt);
        let (_, out) = ask_with(&Responder::default(), &message, Transport::Udp);
        let response = Response::read(&out);
        assert!(out.len() <= limit && response.truncated && response.answers.is_empty());
        let (_, out) = ask_with(&Responder::default(), &message, Transport::Stream);
        assert_eq!((Response::read(&out).truncated, Response::read(&out).answers.len()), (false, 8));
    }
}

#[test]
fn a_stale_head_answers_nothing() {
    let responder = Responder { stale_seconds: Some(900), ..Responder::default() };
    let (snapshot, mut out) = (sample(), Vec::new());
    let mut rcode = |now: u64, name: &str| {
        responder.answer(&snapshot, now, &query(1, name, rr::A, None), Transport::Udp, &mut out);
        Response::read(&out).rcode
    };
    assert_eq!(rcode(HEAD_TIME + 900, "blog.cairn"), 0);
    assert_eq!(rcode(HEAD_TIME + 901, "blog.cairn"), 2);
    assert_eq!(rcode(HEAD_TIME + 901, "nothing.cairn"), 2);
    assert_eq!(rcode(HEAD_TIME + 901, "example.org"), 5);
}

#[test]
fn the_time_to_live_is_bounded_by_the_expiry() {
    const DAY: i64 = 86_400;
    for (expires_in_seconds, expected) in [
        (1_000_000, Some(5000)),
        (5001, Some(5000)),
        (4998, Some(4998)),
        (61, Some(60)),
        (60, Some(60)),
        (3, Some(60)),
        (0, Some(60)),
        (-3, Some(60)),
        (-7 * DAY, Some(60)),
        (-7 * DAY - 3, None),
        (i64::MIN, None),
        (i64::MAX, Some(5000)),
    ] {
        let names = [(label("blog"), NameEntry { expires_in_seconds, ..entry(&[" 5000 A 192.0.2.1"]) })];
        let mut out = Vec::new();
        Responder::default().answer(
            &builder(&names).snapshot(),
            HEAD_TIME,
            &query(1, "blog.cairn", 1, None),
            Transport::Udp,
            &mut out,
        );
        let response = Response::read(&out);
        assert_eq!(response.answers.first().map(|record| record.2), expected, "{expires_in_seconds}");
        assert_eq!(response.rcode, if expected.is_some() { 0 } else { 3 });
    }
}

#[test]
fn a_name_ages_with_the_head() {
    let names = [(label("blog"), NameEntry { expires_in_seconds: 3000, ..entry(&[" 5000 A 192.0.2.1"]) })];
    let mut builder = builder(&names);
    let mut ttl = |blocks: u32| {
        builder.head(HEAD_NUMBER + blocks, std::time::UNIX_EPOCH + Duration::from_secs(HEAD_TIME));
        let mut out = Vec::new();
        Responder::default().answer(
            &builder.snapshot(),
            HEAD_TIME,
            &query(1, "blog.cairn", 1, None),
            Transport::Udp,
            &mut out,
        );
        Response::read(&out).answers.first().map(|record| record.2)
    };
    assert_eq!([ttl(0), ttl(100), ttl(990), ttl(1000)], [Some(3000), Some(2700), Some(60), Some(60)]);
    assert_eq!([ttl(1000 + 201_600), ttl(1001 + 201_600)], [Some(60), None]);
}

#[test]
fn a_name_without_records_does_not_exist() {
    let mut builder = builder(&[(label("blog"), entry(&[" 300 A 192.0.2.1"]))]);
    assert_eq!(builder.snapshot().names(), 1);
    builder.set(&label("blog"), &entry(&[]));
    assert_eq!(builder.snapshot().names(), 0);
    builder.set(&label("blog"), &entry(&[" 300 A 192.0.2.1"]));
    builder.clear();
    assert_eq!((builder.snapshot().names(), builder.snapshot().head_number()), (0, HEAD_NUMBER));
}

#[test]
fn the_name_servers_own_name_cannot_be_taken() {
    let builder = builder(&[(label("ns"), entry(&[" 300 A 203.0.113.1"]))]);
    let mut out = Vec::new();
    Responder::default().answer(
        &builder.snapshot(),
        HEAD_TIME,
        &query(1, "ns.cairn", 1, None),
        Transport::Udp,
        &mut out,
    );
    assert_eq!(Response::read(&out).data(rr::A), [[127, 0, 0, 1]]);
}

#[test]
fn settings_that_make_no_zone_are_refused() {
    let server = |name: &str, addresses: &[&str]| Nameserver {
        name: name.into(),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
    };
    let error = |nameservers| SnapshotBuilder::new(ZoneSettings { nameservers, ..ZoneSettings::default() }).err();
    assert_eq!(error(vec![]), Some(SettingsError::NoNameserver));
    assert_eq!(error(vec![server("ns.cairn", &[])]), Some(SettingsError::NoAddress("ns.cairn".into())));
    assert_eq!(error(vec![server("a..b", &["192.0.2.1"])]), Some(SettingsError::NameInvalid("a..b".into())));
    assert_eq!(error(vec![server("a.ns.cairn", &["192.0.2.1"])]), Some(SettingsError::TooDeep("a.ns.cairn".into())));
    assert_eq!(error(vec![server("ns.example", &[]), server("ns.cairn", &["192.0.2.1", "2001:db8::1"])]), None);
    let settings = ZoneSettings { block_time: Duration::ZERO, ..ZoneSettings::default() };
    assert_eq!(SnapshotBuilder::new(settings).err(), Some(SettingsError::NoBlockTime));
}

#[test]
fn names_take_little_memory() {
    let names: Vec<(Label, NameEntry)> =
        (0..20_000).map(|n| (label(&format!("name{n}")), entry(&[" 300 A 192.0.2.1"]))).collect();
    let snapshot = builder(&names).snapshot();
    assert!(snapshot.bytes() / snapshot.names() < 160, "{}", snapshot.bytes() / snapshot.names());
}
