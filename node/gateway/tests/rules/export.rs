// SPDX-License-Identifier: Apache-2.0

//! What is left out: of the zone where one's own machines are filtered, of exports what other servers refuse.

use super::*;
use cairn_gateway::dns::HostNames;

#[test]
fn with_the_filter_no_name_leads_to_ones_own_machines() {
    let rebinding = entry(&[
        " 60 A 127.0.0.1|192.0.2.7",
        " 60 AAAA fd00::1",
        "lan 60 A 192.168.1.1",
        "svc 60 HTTPS 1 . ipv4hint=10.0.0.1|2 . alpn=h2",
        "ok 60 AAAA 2001:db8::1",
    ]);
    let settings = ZoneSettings { filter_local: true, ..ZoneSettings::default() };
    let mut builder = SnapshotBuilder::new(settings).expect("valid settings");
    builder.head(HEAD_NUMBER, std::time::UNIX_EPOCH + Duration::from_secs(HEAD_TIME));
    builder.set(&label("rebind"), &rebinding);
    let snapshot = builder.snapshot();
    let ask = |name: &str, rtype: u16| {
        let mut out = Vec::new();
        Responder::default().answer(&snapshot, HEAD_TIME, &query(1, name, rtype, None), Transport::Udp, &mut out);
        Response::read(&out)
    };
    assert_eq!(ask("rebind.cairn", rr::A).data(rr::A), [[192, 0, 2, 7]]);
    assert_eq!(ask("rebind.cairn", rr::AAAA).answers.len(), 0);
    assert_eq!(ask("lan.rebind.cairn", rr::A).answers.len(), 0);
    assert_eq!(ask("svc.rebind.cairn", rr::HTTPS).answers.len(), 1);
    assert_eq!(ask("ok.rebind.cairn", rr::AAAA).answers.len(), 1);
    // The zone's own name servers are where they are.
    assert_eq!(ask("ns.cairn", rr::A).data(rr::A), [[127, 0, 0, 1]]);
}

#[test]
fn what_other_servers_refuse_is_left_out_of_an_export_and_named() {
    let hostile = entry(&[
        " 60 A 192.0.2.1",
        " 60 HTTPS 1 . key7|2 . alpn=h2",
        "_under 60 A 192.0.2.2",
        "*._tcp 60 AAAA 2001:db8::1",
        "_under.alias 60 ALIAS hostile.cairn.",
        "mx 60 MX 10 _m.example.|20 m.example.",
        "lost 60 NS _ns.example.",
        "lost 60 DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000",
        "ns.lost 60 A 192.0.2.3",
        "half 60 NS _ns.example.|ns.half.hostile.cairn.",
        "ns.half 60 A 192.0.2.4",
        "_srv._tcp 60 SRV 0 0 443 hostile.cairn.",
    ]);
    let snapshot = builder(&[(label("hostile"), hostile)]).snapshot();
    let export = |host_names| {
        let mut text = Vec::new();
        let left_out = snapshot.export_with(&mut text, host_names).expect("memory takes all");
        (left_out, String::from_utf8(text).expect("ASCII"))
    };
    let (left_out, text) = export(HostNames::Only);
    let records: Vec<&str> = text.lines().filter(|line| !line.starts_with(';')).collect();
    assert!(records[0].starts_with("cairn. 60 IN SOA "), "{text}");
    let has = |record: &str| records.contains(&record);
    for record in [
        "hostile.cairn. 60 IN A 192.0.2.1",
        "hostile.cairn. 60 IN HTTPS 2 . alpn=h2",
        "_under.hostile.cairn. 60 IN TYPE65280 \\# 0",
        "*._tcp.hostile.cairn. 60 IN TYPE65280 \\# 0",
        "mx.hostile.cairn. 60 IN MX 20 m.example.",
        "lost.hostile.cairn. 60 IN TYPE65280 \\# 0",
        "half.hostile.cairn. 60 IN NS ns.half.hostile.cairn.",
        "ns.half.hostile.cairn. 60 IN A 192.0.2.4",
        "_srv._tcp.hostile.cairn. 60 IN SRV 0 0 443 hostile.cairn.",
    ] {
        assert!(has(record), "{record}\n{text}");
    }
    assert!(
        !records.iter().any(|line| line.contains("key7") || line.contains("_m.") || line.contains("_ns.")),
        "{text}"
    );
    assert!(!records.iter().any(|line| line.starts_with("ns.lost.") || line.contains(" DS ")), "{text}");
    assert!(!has("_under.alias.hostile.cairn. 60 IN A 192.0.2.1"), "{text}");
    let remarks = text.lines().filter(|line| line.starts_with("; left out, ")).count();
    assert_eq!((left_out, remarks), (9, 9), "{text}");
    let (left_out, text) = export(HostNames::OrAny);
    assert_eq!(left_out, 1, "only the service parameter");
    assert!(
        text.contains("check-names primary ignore") && text.contains("\n_under.hostile.cairn. 60 IN A 192.0.2.2\n"),
        "{text}"
    );
}
