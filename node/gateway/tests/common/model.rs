// SPDX-License-Identifier: Apache-2.0

//! What RFC 1034 says, written down as plainly as possible: a map of names to sets, walked label by label.

use std::collections::{BTreeMap, BTreeSet};

use cairn_gateway::dns::NameEntry;
use cairn_primitives::names::{rr, Label};

/// Labels from the right, so that a name's descendants follow it.
pub type Name = Vec<Vec<u8>>;
/// Time to live, and data.
type Set = (u32, BTreeSet<Vec<u8>>);

pub struct Model {
    names: BTreeMap<Name, BTreeMap<u16, Set>>,
}

/// A record: owner in wire form, type, time to live, data.
pub type Record = (Vec<u8>, u16, u32, Vec<u8>);

#[derive(Debug, PartialEq, Eq)]
pub struct Expected {
    pub rcode: u16,
    pub authoritative: bool,
    pub answers: BTreeSet<Record>,
    /// NS records of a referral.
    pub referral: BTreeSet<Record>,
    /// Whether the authority section holds the SOA.
    pub is_negative: bool,
}

pub fn reversed(wire: &[u8]) -> Name {
    let mut labels = Vec::new();
    let mut at = 0;
    while wire[at] != 0 {
        labels.push(wire[at + 1..at + 1 + usize::from(wire[at])].to_ascii_lowercase());
        at += 1 + usize::from(wire[at]);
    }
    labels.reverse();
    labels
}

pub fn to_wire(name: &Name) -> Vec<u8> {
    let mut wire: Vec<u8> =
        name.iter().rev().flat_map(|label| [vec![label.len() as u8], label.clone()].concat()).collect();
    wire.push(0);
    wire
}

impl Model {
    /// The zone of these names. The apex and the name server have only NS and addresses: tests of SOA are elsewhere.
    pub fn new(names: &[(Label, NameEntry)]) -> Self {
        let mut model = Model { names: BTreeMap::new() };
        let zone = vec![b"cairn".to_vec()];
        let ns = [zone.clone(), vec![b"ns".to_vec()]].concat();
        model.put(zone.clone(), rr::NS, 3600, &to_wire(&ns));
        model.put(ns.clone(), rr::A, 3600, &[127, 0, 0, 1]);
        model.put(ns, rr::AAAA, 3600, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        for (label, entry) in names {
            let seconds = entry.expires_in_seconds / 3 * 3;
            if seconds < -7 * 86_400 {
                continue;
            }
            let cap = if seconds < 60 { 60 } else { u32::try_from(seconds).unwrap_or(u32::MAX) };
            let apex = [zone.clone(), vec![label.as_bytes().to_vec()]].concat();
            let hidden: Vec<&[u8]> = entry.subzones.iter().map(|(label, _)| label.as_bytes()).collect();
            let mut zones = vec![(apex.clone(), &entry.zone)];
            let wildcard = entry.zone.names().any(|name| name.as_wire() == b"\x01*");
            for (sub, subzone) in &entry.subzones {
                if wildcard {
                    model.names.entry([apex.clone(), vec![sub.as_bytes().to_vec()]].concat()).or_default();
                }
                zones.push(([apex.clone(), vec![sub.as_bytes().to_vec()]].concat(), subzone));
            }
            for (number, (above, zone)) in zones.iter().enumerate() {
                for set in zone.rrsets() {
                    let below = reversed(&[set.name.as_wire(), b"\0"].concat());
                    if number == 0 && below.first().is_some_and(|top| hidden.contains(&&top[..])) {
                        continue;
                    }
                    for data in &set.rdata {
                        model.put([above.clone(), below.clone()].concat(), set.rtype, set.ttl_seconds.min(cap), data);
                    }
                }
            }
        }
        model
    }

    fn put(&mut self, name: Name, rtype: u16, ttl_seconds: u32, data: &[u8]) {
        let sets = self.names.entry(name).or_default();
        sets.entry(rtype).or_insert((ttl_seconds, BTreeSet::new())).1.insert(data.to_vec());
    }

    /// All names with records.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.iter().filter(|(_, sets)| !sets.is_empty()).map(|(name, _)| name)
    }

    /// The types of a name's records; below a cut and for addresses at one: none.
    pub fn types_at(&self, name: &Name) -> BTreeSet<u16> {
        let is_cut = name.len() > 1 && self.sets(name).contains_key(&rr::NS);
        let own = |rtype: &u16| !is_cut || matches!(*rtype, rr::NS | rr::DS);
        self.sets(name).into_keys().filter(own).collect()
    }

    fn exists(&self, name: &Name) -> bool {
        self.names.range(name.clone()..).next().is_some_and(|(other, _)| other.starts_with(name))
    }

    fn sets(&self, name: &Name) -> BTreeMap<u16, Set> {
        self.names.get(name).cloned().unwrap_or_default()
    }

    fn cut(&self, name: &Name, qtype: u16) -> Option<Name> {
        let mut cuts = (2..=name.len()).map(|depth| name[..depth].to_vec());
        cuts.find(|above| self.sets(above).contains_key(&rr::NS) && !(above == name && qtype == rr::DS))
    }

    /// The sets at a name, those of a wildcard included; `None` if it doesn't exist.
    fn found(&self, name: &Name) -> Option<BTreeMap<u16, Set>> {
        if self.exists(name) {
            return Some(self.sets(name));
        }
        let encloser = (0..name.len()).rev().map(|depth| name[..depth].to_vec()).find(|above| self.exists(above))?;
        let wildcard = [encloser, vec![b"*".to_vec()]].concat();
        self.exists(&wildcard).then(|| self.sets(&wildcard))
    }

    /// What is to be answered to a question within the zone, for a type other than ANY and SOA.
    pub fn answer(&self, qname: &[u8], qtype: u16) -> Expected {
        let mut name = reversed(qname);
        let mut expected = Expected {
            rcode: 0,
            authoritative: true,
            answers: BTreeSet::new(),
            referral: BTreeSet::new(),
            is_negative: false,
        };
        let mut seen = vec![name.clone()];
        loop {
            if name.first().is_none_or(|top| top != b"cairn") {
                return expected;
            }
            if let Some(cut) = self.cut(&name, qtype) {
                let (ttl, servers) = self.sets(&cut)[&rr::NS].clone();
                expected.referral = servers.into_iter().map(|data| (to_wire(&cut), rr::NS, ttl, data)).collect();
                expected.authoritative = seen.len() > 1;
                return expected;
            }
            let Some(sets) = self.found(&name) else {
                (expected.rcode, expected.is_negative) = (3, true);
                return expected;
            };
            let mut put = |rtype: u16, (ttl, records): &Set| {
                expected.answers.extend(records.iter().map(|data| (to_wire(&name), rtype, *ttl, data.clone())));
            };
            if let Some(set) = sets.get(&qtype) {
                put(qtype, set);
                return expected;
            }
            if let Some(set) = sets.get(&rr::CNAME) {
                put(rr::CNAME, set);
                name = reversed(set.1.first().expect("a set has a record"));
                if seen.contains(&name) || seen.len() > 8 {
                    return expected;
                }
                seen.push(name.clone());
                continue;
            }
            if let (true, Some(alias)) = (matches!(qtype, rr::A | rr::AAAA), sets.get(&rr::ALIAS)) {
                match self.alias(alias, qtype) {
                    Ok(Some(set)) => put(qtype, &set),
                    Ok(None) => expected.is_negative = true,
                    Err(()) => {
                        expected.answers.clear();
                        (expected.rcode, expected.authoritative) = (2, false);
                    },
                }
                return expected;
            }
            expected.is_negative = true;
            return expected;
        }
    }

    /// Addresses that an alias leads to; an error if that can't be known here.
    fn alias(&self, alias: &Set, qtype: u16) -> Result<Option<Set>, ()> {
        let (mut ttl, mut target) = (alias.0, alias.1.first().expect("a set has a record").clone());
        for _ in 0..8 {
            let name = reversed(&target);
            if name.first().is_none_or(|top| top != b"cairn") || self.cut(&name, qtype).is_some() {
                return Err(());
            }
            let Some(sets) = self.found(&name) else { return Ok(None) };
            if let Some(set) = sets.get(&qtype) {
                return Ok(Some((ttl.min(set.0), set.1.clone())));
            }
            let Some(link) = sets.get(&rr::CNAME).or_else(|| sets.get(&rr::ALIAS)) else { return Ok(None) };
            ttl = ttl.min(link.0);
            target = link.1.first().expect("a set has a record").clone();
        }
        Err(())
    }
}
