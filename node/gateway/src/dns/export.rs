// SPDX-License-Identifier: Apache-2.0

//! The whole zone as a master file that NSD, Knot and BIND load, whatever is registered.
//!
//! - Records that one of these servers refuses are left out, each with a remark in its place: see [`super::portable`].
//! - Records of private types are written as `TYPE65281 \# ...` (RFC 3597).
//! - An ALIAS is written as such, and beside it the addresses it has at the moment, if its target lies within the zone.
//!   Addresses of targets outside are left out: another server can't keep them up to date.
//! - A name that exists without records gets an empty record of the private type 65280: a subdomain of an owner of its
//!   own whose parent has a wildcard, which would speak for it otherwise; and a name whose records were left out.
//! - Times to live are those of the head, nearing expiries taken into account.
//! - There are no signatures: sign the file with a key of your own where that is wanted.

use std::io::{self, Write};

use cairn_primitives::names::text::format_portable;

use super::alias::{resolve, Resolved};
use super::compiled::{Compiled, Node};
use super::portable::{refusal, Unportable};
use super::snapshot::{Snapshot, TtlCap, NEGATIVE_TTL_SECONDS};
use super::wire::{name_to_text, rtype, u32_at, NameBuf, ZONE_NAME};

/// Which names an exported zone may have addresses at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostNames {
    /// Host names only, as every server loads them.
    #[default]
    Only,
    /// Any: `_x` and `a_b`, too. BIND loads the file with `check-names primary ignore;` only.
    OrAny,
}

impl Snapshot {
    /// Writes the zone as a master file, SOA first, then names in alphabetical order; returns how many records were left
    /// out because other servers refuse them.
    ///
    /// # Errors
    /// What writing to `to` gives.
    pub fn export(&self, to: impl Write) -> io::Result<u64> {
        self.export_with(to, HostNames::Only)
    }

    /// The same, with other owner names.
    ///
    /// # Errors
    /// What writing to `to` gives.
    pub fn export_with(&self, mut to: impl Write, host_names: HostNames) -> io::Result<u64> {
        writeln!(to, "; {} names at block {}", self.names(), self.head_number())?;
        if host_names == HostNames::OrAny {
            writeln!(to, "; BIND loads this file with `check-names primary ignore;` in its options or zone only")?;
        }
        let mut file = File { snapshot: self, to, host_names, left_out: 0 };
        let apex = self.apex();
        for node in apex.nodes() {
            file.node(apex, node, TtlCap(u32::MAX), &[])?;
        }
        let mut names: Vec<_> = self.iter().collect();
        names.sort_by(|(a, _), (b, _)| a.label().cmp(b.label()));
        for (name, cap) in names {
            let lost = file.lost_cuts(name);
            for node in name.nodes() {
                file.node(name, node, cap, &lost)?;
            }
        }
        file.to.flush()?;
        Ok(file.left_out)
    }
}

/// A master file that is being written.
struct File<'s, W> {
    snapshot: &'s Snapshot,
    to: W,
    host_names: HostNames,
    left_out: u64,
}

impl<W: Write> File<'_, W> {
    fn refusal(&self, owner: &[u8], rtype: u16, data: &[u8]) -> Option<Unportable> {
        refusal(owner, rtype, data)
            .filter(|why| self.host_names == HostNames::Only || *why == Unportable::ServiceParameter)
    }

    /// Delegated names none of whose name servers can be written: what is below them has nobody to answer for it.
    fn lost_cuts<'n>(&self, name: &'n Compiled) -> Vec<&'n [u8]> {
        let is_lost = |node: Node<'n>| {
            let owner = absolute(name, node);
            node.set(rtype::NS)
                .is_some_and(|mut set| set.records.all(|ns| self.refusal(&owner, rtype::NS, ns).is_some()))
        };
        name.nodes().filter(|node| node.is_cut() && is_lost(*node)).map(Node::name).collect()
    }

    fn node(&mut self, name: &Compiled, node: Node<'_>, TtlCap(cap): TtlCap, lost: &[&[u8]]) -> io::Result<()> {
        let owner = absolute(name, node);
        let text = name_to_text(&owner);
        let is_lost = lost.iter().any(|cut| is_at_or_below(node.name(), cut));
        let mut written = 0;
        // The SOA comes first in a file.
        let (first, others): (Vec<_>, Vec<_>) = node.sets().partition(|set| set.rtype == rtype::SOA);
        for set in first.into_iter().chain(others) {
            let ttl = set.ttl_seconds.min(cap);
            for data in set.records.clone() {
                written += self.record(&owner, &text, ttl, set.rtype, data, is_lost)?;
            }
            if set.rtype != rtype::ALIAS {
                continue;
            }
            let target = set.records.clone().next().unwrap_or_default();
            for address in [rtype::A, rtype::AAAA] {
                let found = resolve(self.snapshot, None, target, address, ttl, 0);
                if let Resolved::Inside(records, ttl) = found {
                    for data in records {
                        written += self.record(&owner, &text, ttl, address, data, is_lost)?;
                    }
                }
            }
        }
        let has_below =
            || name.nodes().any(|other| other.name() != node.name() && is_at_or_below(other.name(), node.name()));
        let exists_by_itself = lost.contains(&node.name()) || !is_lost && !has_below();
        if written == 0 && exists_by_itself {
            writeln!(self.to, "{text} {} IN TYPE65280 \\# 0", NEGATIVE_TTL_SECONDS.min(cap))?;
        }
        Ok(())
    }

    /// Writes a record, or a remark in its place; returns how many were written.
    fn record(
        &mut self,
        owner: &[u8],
        text: &str,
        ttl: u32,
        rtype: u16,
        data: &[u8],
        is_lost: bool,
    ) -> io::Result<u32> {
        let why = self.refusal(owner, rtype, data).map(Unportable::reason);
        let why = why.or(is_lost.then_some("the name servers of this delegated name were left out"));
        let record = record_text(rtype, data);
        match why {
            None => {
                writeln!(self.to, "{text} {ttl} IN {record}")?;
                Ok(1)
            },
            Some(why) => {
                self.left_out += 1;
                writeln!(self.to, "; left out, {why}: {text} {ttl} IN {record}")?;
                Ok(0)
            },
        }
    }
}

/// A node's whole name in wire form.
fn absolute(name: &Compiled, node: Node<'_>) -> Vec<u8> {
    let mut owner = node.name().to_vec();
    if !name.label().is_empty() {
        owner.push(name.label().len() as u8);
        owner.extend_from_slice(name.label());
    }
    owner.extend_from_slice(ZONE_NAME);
    owner
}

/// Whether a name is `above` or below it; both in wire form without the root byte.
fn is_at_or_below(name: &[u8], above: &[u8]) -> bool {
    let mut rest = name;
    while rest.len() > above.len() {
        let length = rest.first().map_or(0, |length| usize::from(*length));
        rest = rest.get(1 + length..).unwrap_or_default();
    }
    rest == above
}

fn record_text(rtype: u16, data: &[u8]) -> String {
    if rtype == self::rtype::SOA {
        if let Some(text) = soa_text(data) {
            return text;
        }
    }
    format_portable(rtype, data)
}

fn soa_text(data: &[u8]) -> Option<String> {
    let primary = NameBuf::read(data)?;
    let contact = NameBuf::read(&data[primary.wire().len()..])?;
    let numbers = primary.wire().len() + contact.wire().len();
    let mut text = format!("SOA {primary} {contact}");
    for at in 0..5 {
        text.push_str(&format!(" {}", u32_at(data, numbers + 4 * at)?));
    }
    Some(text)
}
