// SPDX-License-Identifier: Apache-2.0

//! Any bytes as a query, against a zone that has one of everything: no panic, and the answer keeps its promises.

#![no_main]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use cairn_gateway::dns::{
    AliasCache, NameEntry, Outcome, Responder, Signer, Snapshot, SnapshotBuilder, Transport, ZoneSettings,
};
use cairn_primitives::names::{rr, text::parse_rdata, Label, RelativeName, RrSet, Zone};
use libfuzzer_sys::fuzz_target;

const NOW: u64 = 1_800_000_000;

fn zone(lines: &[(&str, u16, &str)]) -> Zone {
    let sets = lines.iter().map(|(name, rtype, text)| RrSet {
        name: RelativeName::parse(name).expect("a name"),
        rtype: *rtype,
        ttl_seconds: 300,
        rdata: vec![parse_rdata(*rtype, text).expect("a record").try_into().expect("short")].try_into().expect("few"),
    });
    Zone::from_sets(sets.collect()).expect("a zone")
}

fn set_up() -> &'static (Arc<Snapshot>, [Responder; 2]) {
    static STATE: OnceLock<(Arc<Snapshot>, [Responder; 2])> = OnceLock::new();
    STATE.get_or_init(|| {
        let mut builder = SnapshotBuilder::new(ZoneSettings::default()).expect("settings");
        builder.head(1, UNIX_EPOCH + Duration::from_secs(NOW));
        let a = zone(&[
            ("", rr::A, "192.0.2.1"),
            ("", rr::TXT, "\"text\""),
            ("w", rr::CNAME, "a.cairn."),
            ("l", rr::CNAME, "m.a.cairn."),
            ("m", rr::CNAME, "l.a.cairn."),
            ("o", rr::CNAME, "o.example."),
            ("*.x", rr::AAAA, "2001:db8::1"),
            ("e.f", rr::MX, "10 a.cairn."),
            ("d", rr::NS, "n.d.a.cairn."),
            ("n.d", rr::A, "192.0.2.2"),
            ("i", rr::ALIAS, "a.cairn."),
            ("j", rr::ALIAS, "o.example."),
        ]);
        let subzones = vec![(Label::try_from(&b"s"[..]).expect("a label"), zone(&[("*", rr::A, "192.0.2.3")]))];
        let label = Label::try_from(&b"a"[..]).expect("a label");
        builder.set(&label, &NameEntry { expires_in_seconds: 1000, zone: a, subzones });
        let folder = std::env::temp_dir().join(format!("cairn-fuzz-{}", std::process::id()));
        let signer = Some(Signer::open(&folder, 1000).expect("a key"));
        let _ = std::fs::remove_dir_all(folder);
        let signing = Responder { signer, aliases: Some(AliasCache::new(10)), stale_seconds: None };
        (builder.snapshot(), [Responder::default(), signing])
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, message)) = data.split_first() else { return };
    let (snapshot, responders) = set_up();
    let transport = if choice & 1 == 0 { Transport::Udp } else { Transport::Stream };
    let mut out = Vec::new();
    let outcome = responders[usize::from(choice >> 1 & 1)].answer(snapshot, NOW, message, transport, &mut out);
    if !matches!(outcome, Outcome::Ignore) {
        assert!(out.len() >= 12 && out[..2] == message[..2] && out[2] & 0x80 != 0);
        assert!(out.len() <= if transport == Transport::Udp { 1232 } else { 65_535 });
    }
});
