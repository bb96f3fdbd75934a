// SPDX-License-Identifier: Apache-2.0

//! Zones, names and queries made from a seed; shared by tests and examples.
#![allow(dead_code)]

pub mod decode;
pub mod model;

use cairn_gateway::dns::{NameBuf, NameEntry, SnapshotBuilder, ZoneSettings};
use cairn_primitives::names::{rr, Label, RelativeName, RrSet, Zone};
use std::time::{Duration, UNIX_EPOCH};

/// The time of the head in tests.
pub const HEAD_TIME: u64 = 1_800_000_000;
/// The number of the head in tests.
pub const HEAD_NUMBER: u32 = 7_000_000;

/// A random number generator that gives the same numbers everywhere (splitmix64).
#[derive(Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// A name in wire form.
pub fn wire(text: &str) -> Vec<u8> {
    NameBuf::parse(text).expect("tests write valid names").wire().to_vec()
}

pub fn label(text: &str) -> Label {
    Label::try_from(text.as_bytes()).expect("tests write valid labels")
}

pub fn set(name: &str, rtype: u16, ttl_seconds: u32, records: &[Vec<u8>]) -> RrSet {
    let records: Vec<_> = records.iter().map(|data| data.clone().try_into().expect("records are short")).collect();
    let name = RelativeName::parse(name).expect("tests write valid names");
    RrSet { name, rtype, ttl_seconds, rdata: records.try_into().expect("at most eight records") }
}

/// A record set from text: `www 300 A 192.0.2.1`, several data separated by `|`.
pub fn parse_set(line: &str) -> RrSet {
    let mut words = line.splitn(4, ' ');
    let mut next = || words.next().expect("a line has four words");
    let (name, ttl, kind, data) = (next(), next(), next(), next());
    let rtype = rr::from_mnemonic(kind).expect("a known type");
    let records: Vec<Vec<u8>> = data
        .split('|')
        .map(|text| cairn_primitives::names::text::parse_rdata(rtype, text).unwrap_or_else(|e| panic!("{line}: {e}")))
        .collect();
    set(name, rtype, ttl.parse().expect("a number"), &records)
}

/// A zone from lines as of [`parse_set`].
pub fn zone(lines: &[&str]) -> Zone {
    Zone::from_sets(lines.iter().map(|line| parse_set(line)).collect()).unwrap_or_else(|e| panic!("{lines:?}: {e}"))
}

pub fn entry(lines: &[&str]) -> NameEntry {
    NameEntry { expires_in_seconds: 1 << 30, zone: zone(lines), subzones: Vec::new() }
}

/// A builder with these names at the usual head.
pub fn builder(names: &[(Label, NameEntry)]) -> SnapshotBuilder {
    let mut builder = SnapshotBuilder::new(ZoneSettings::default()).expect("the usual settings are valid");
    builder.head(HEAD_NUMBER, UNIX_EPOCH + Duration::from_secs(HEAD_TIME));
    for (label, entry) in names {
        builder.set(label, entry);
    }
    builder
}

const LABELS: [&str; 10] = ["a", "b", "www", "mail", "x-1", "_tcp", "_443", "ns", "a_b", "-x-"];
const TYPES: [u16; 18] = [
    rr::A,
    rr::A,
    rr::AAAA,
    rr::CNAME,
    rr::CNAME,
    rr::TXT,
    rr::SRV,
    rr::MX,
    rr::NS,
    rr::DS,
    rr::TLSA,
    rr::CAA,
    rr::SVCB,
    rr::HTTPS,
    rr::ALIAS,
    rr::SITE,
    rr::ONION,
    rr::ACCOUNT,
];

/// The label of name number `number`.
pub fn registered(number: usize) -> String {
    match number % 4 {
        0 => format!("n{number}"),
        1 => format!("shop-{number}"),
        2 => format!("xn--{number}-abc"),
        _ => format!("{number}blog"),
    }
}

/// `count` random names that refer to each other, and one with chains and loops of CNAMEs.
pub fn names(seed: u64, count: usize) -> Vec<(Label, NameEntry)> {
    let mut rng = Rng(seed);
    let mut chains: Vec<RrSet> = (0..11)
        .map(|link| set(&format!("c{link}"), rr::CNAME, 300, &[wire(&format!("c{}.chains.cairn", link + 1))]))
        .collect();
    for (from, to) in [("l0", "l1"), ("l1", "l2"), ("l2", "l0"), ("in", "l1"), ("self", "self"), ("*", "l0")] {
        chains.push(set(from, rr::CNAME, 300, &[wire(&format!("{to}.chains.cairn"))]));
    }
    chains.push(set("c11", rr::A, 300, &[vec![192, 0, 2, 1]]));
    let zone = Zone::from_sets(chains).expect("a valid zone");
    let chains = (label("chains"), NameEntry { expires_in_seconds: 1 << 30, zone, subzones: Vec::new() });
    (0..count)
        .map(|number| {
            let zone = random_zone(&mut rng, count);
            let subzones = match rng.below(4) {
                0 => vec![(label(rng.pick(&["sub", "www", "mail"])), random_zone(&mut rng, count))],
                _ => Vec::new(),
            };
            // Some near their end, some in grace, some dead.
            let expires_in_seconds = match rng.below(10) {
                0 => rng.below(4000) as i64 * 3,
                1 => -(rng.below(14 * 86_400) as i64),
                _ => 10_000_000 + rng.below(1_000_000_000) as i64,
            };
            (label(&registered(number)), NameEntry { expires_in_seconds, zone, subzones })
        })
        .chain([chains])
        .collect()
}

/// A random name below a registered one, as text.
pub fn relative(rng: &mut Rng) -> String {
    let depth = rng.below(4);
    let mut labels: Vec<&str> = (0..depth).map(|_| rng.pick(&LABELS)).collect();
    if depth > 0 && rng.one_in(4) {
        labels[0] = "*";
    }
    labels.join(".")
}

fn random_zone(rng: &mut Rng, count: usize) -> Zone {
    let mut zone = Zone::from_sets(Vec::new()).expect("the empty zone is valid");
    for _ in 0..rng.below(16) {
        let (name, rtype) = (relative(rng), TYPES[rng.below(TYPES.len())]);
        let records = match rtype {
            rr::CNAME | rr::ALIAS => 1,
            _ => 1 + rng.below(8),
        };
        let mut records: Vec<_> = (0..records).map(|_| random_data(rng, rtype, count)).collect();
        records.sort();
        records.dedup();
        // What breaks a rule of zones stays out.
        let _ = zone.set(set(&name, rtype, 60 + rng.below(100_000) as u32, &records));
    }
    zone
}

/// A host name within the zone or outside.
fn target(rng: &mut Rng, count: usize) -> Vec<u8> {
    if rng.one_in(6) {
        return wire(rng.pick(&["host.example.net.", "x.example.", "_h.example.", "x-.example.", "192.0.2.1."]));
    }
    let below = match rng.below(3) {
        0 => relative(rng).replace("*.", "").replace('*', "b"),
        _ => rng.pick(&["", "www", "a", "b"]).to_owned(),
    };
    let dot = if below.is_empty() { "" } else { "." };
    wire(&format!("{below}{dot}{}.cairn", registered(rng.below(count))))
}

fn random_data(rng: &mut Rng, rtype: u16, count: usize) -> Vec<u8> {
    let number = |rng: &mut Rng| (rng.below(100) as u16).to_be_bytes().to_vec();
    match rtype {
        rr::A => vec![192, 0, 2, rng.below(256) as u8],
        rr::AAAA => [vec![0x20, 1, 0xd, 0xb8], rng.bytes(12)].concat(),
        rr::NS | rr::CNAME | rr::ALIAS => target(rng, count),
        rr::MX => [number(rng), target(rng, count)].concat(),
        rr::SRV => [number(rng), number(rng), number(rng), target(rng, count)].concat(),
        rr::TXT => {
            let strings = 1 + rng.below(3);
            (0..strings)
                .flat_map(|_| {
                    let length = if rng.one_in(2) { 100 } else { rng.below(20) };
                    let mut string = vec![length as u8];
                    string.extend(rng.bytes(length));
                    string
                })
                .collect()
        },
        rr::DS => [number(rng), vec![13, 2], rng.bytes(32)].concat(),
        rr::TLSA => [vec![3, 1, 1], rng.bytes(32)].concat(),
        rr::CAA if rng.one_in(2) => {
            let bytes = rng.below(300);
            [b"\x80\x03abc".to_vec(), rng.bytes(bytes)].concat()
        },
        rr::CAA => [b"\0\x05issueca.example".to_vec(), vec![b'a' + rng.below(26) as u8]].concat(),
        rr::SVCB | rr::HTTPS if rng.one_in(5) => [vec![0, 0], target(rng, count)].concat(),
        rr::SVCB | rr::HTTPS => {
            [vec![0, 1 + rng.below(9) as u8], target(rng, count), service_parameters(rng, false)].concat()
        },
        rr::SITE => [rng.bytes(32), b"\x05/blog".to_vec()].concat(),
        _ => rng.bytes(32),
    }
}

/// Names whose records are as odd as the chain takes them, to be loaded by other servers and not to be asked for: not every
/// decoder reads them.
pub fn hostile_names(seed: u64, count: usize) -> Vec<(Label, NameEntry)> {
    let mut rng = Rng(seed ^ 0x0dd);
    let owners = ["", "_a", "a_b", "-a", "a-", "*", "*._a", "_._", "---", "0"];
    (0..count)
        .map(|number| {
            let mut zone = Zone::from_sets(Vec::new()).expect("the empty zone is valid");
            for _ in 0..20 {
                let (owner, rtype) = (owners[rng.below(owners.len())], TYPES[rng.below(TYPES.len())]);
                let data = match rtype {
                    rr::SVCB | rr::HTTPS => {
                        [vec![0, 1], target(&mut rng, 9), service_parameters(&mut rng, true)].concat()
                    },
                    rr::TXT => [vec![255], rng.bytes(255), b"\x05\\\";\n(".to_vec()].concat(),
                    rr::CAA => {
                        let bytes = rng.below(1000);
                        [b"\x80\x0f0abcdefghijklmn".to_vec(), rng.bytes(bytes)].concat()
                    },
                    rr::TLSA => [vec![0, 0, 0], rng.bytes(7)].concat(),
                    rr::DS => [vec![0, 0, 255, 1], rng.bytes(20)].concat(),
                    _ => random_data(&mut rng, rtype, 9),
                };
                // What breaks a rule of zones stays out.
                let _ = zone.set(set(owner, rtype, 60, &[data]));
            }
            let entry = NameEntry { expires_in_seconds: 1 << 30, zone, subzones: Vec::new() };
            (label(&format!("hostile-{number}")), entry)
        })
        .collect()
}

/// Service parameters that the chain takes: known ones in odd forms, and some that servers have not heard of or take in
/// one form only. Hostile ones are not text.
fn service_parameters(rng: &mut Rng, hostile: bool) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut put = |key: u16, value: &[u8]| {
        wire.extend_from_slice(&key.to_be_bytes());
        wire.extend_from_slice(&(value.len() as u16).to_be_bytes());
        wire.extend_from_slice(value);
    };
    if rng.one_in(4) {
        put(0, &[0, 1]);
    }
    match rng.below(4) {
        0 => put(1, b"\x05a,b\"\\\x02h2"),
        1 if hostile => put(1, b"\x01\0\x03\xff;("),
        _ => put(1, b"\x02h2"),
    }
    if rng.one_in(4) {
        put(2, b"");
    }
    if rng.one_in(2) {
        put(3, &[0, rng.below(256) as u8]);
    }
    if rng.one_in(2) {
        put(4, &[192, 0, 2, 1, 192, 0, 2, 2]);
    }
    if rng.one_in(4) {
        let bytes = 1 + rng.below(40);
        put(5, &rng.bytes(bytes));
    }
    if rng.one_in(4) {
        put(6, &rng.bytes(16));
    }
    if rng.one_in(3) {
        let key = [7, 8, 9, 10, 700, 65_534][rng.below(6)];
        let bytes = rng.below(5);
        put(key, &rng.bytes(bytes));
    }
    wire
}

/// Makes questions that are likely to hit something in a zone.
pub struct Questions {
    owners: Vec<String>,
    count: usize,
}

impl Questions {
    pub fn new(names: &[(Label, NameEntry)]) -> Self {
        let mut owners = Vec::new();
        for (label, entry) in names {
            let below = entry.subzones.iter().map(|(sub, zone)| (format!("{sub}.{label}"), zone));
            for (apex, zone) in below.chain([(label.to_string(), &entry.zone)]) {
                for name in zone.names() {
                    owners.push(if name.is_apex() {
                        format!("{apex}.cairn.")
                    } else {
                        format!("{name}.{apex}.cairn.")
                    });
                }
            }
        }
        Questions { owners, count: names.len() }
    }

    /// Name as text, and type.
    pub fn next(&self, rng: &mut Rng) -> (String, u16) {
        let types = [1, 1, 1, 1, 28, 28, 5, 16, 16, 15, 33, 2, 43, 6, 52, 257, 64, 65, 65281, 65282, 65401, 255, 99];
        let qtype = types[rng.below(types.len())];
        let mut name = match rng.below(40) {
            29 => format!("{}.chains.cairn.", rng.pick(&["c0", "c2", "c3", "c4", "c8", "l0", "l1", "in", "self", "*"])),
            0 => rng.pick(&["cairn.", "ns.cairn.", "x.ns.cairn.", "a.b.nothing.cairn."]).to_owned(),
            1..=24 if !self.owners.is_empty() => self.owners[rng.below(self.owners.len())].clone(),
            25..=28 => format!("miss{}.cairn.", rng.below(1000)),
            _ => {
                let below = relative(rng);
                let dot = if below.is_empty() { "" } else { "." };
                format!("{below}{dot}{}.cairn.", registered(rng.below(self.count + 1)))
            },
        };
        match rng.below(10) {
            0 => name = format!("{}.{name}", rng.pick(&["q", "zz.y", "*", "sub"])),
            // Mostly what a wildcard stands in for.
            1..=4 => name = name.replace('*', rng.pick(&["w", "w.v", "www"])),
            _ => {},
        }
        if rng.one_in(3) {
            let flip: Vec<bool> = name.chars().map(|_| rng.one_in(2)).collect();
            name = name.chars().zip(flip).map(|(c, upper)| if upper { c.to_ascii_uppercase() } else { c }).collect();
        }
        (name, qtype)
    }
}

/// What a client says about itself: nothing, or its UDP size and whether it wants signatures.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    pub udp_bytes: u16,
    pub dnssec_ok: bool,
}

/// A query's bytes. The name keeps its case.
pub fn query(id: u16, name: &str, qtype: u16, opt: Option<Opt>) -> Vec<u8> {
    let mut message = [id.to_be_bytes(), [1, 0], [0, 1], [0, 0], [0, 0], [0, opt.is_some().into()]].concat();
    for label in name.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&qtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    if let Some(opt) = opt {
        let [high, low] = opt.udp_bytes.to_be_bytes();
        message.extend_from_slice(&[0, 0, 41, high, low, 0, 0, if opt.dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
    }
    message
}
