// SPDX-License-Identifier: Apache-2.0

//! The whole zone as a master file that NSD, Knot and BIND load.
//!
//! - Records of private types are written as `TYPE65281 \# ...` (RFC 3597).
//! - An ALIAS is written as such, and beside it the addresses it has at the moment, if its target lies within the zone.
//!   Addresses of targets outside are left out: another server can't keep them up to date.
//! - A subdomain of an owner of its own that has no records yet gets an empty record of the private type 65280 where its
//!   parent has a wildcard, which would speak for it otherwise.
//! - Times to live are those of the head, nearing expiries taken into account.
//! - There are no signatures: sign the file with a key of your own where that is wanted.

use std::io::{self, Write};

use cairn_primitives::names::text::format_portable;

use super::alias::{resolve, Resolved};
use super::compiled::{Compiled, Node};
use super::snapshot::{Snapshot, TtlCap, NEGATIVE_TTL_SECONDS};
use super::wire::{name_to_text, rtype, u32_at, NameBuf, ZONE_NAME};

impl Snapshot {
    /// Writes the zone as a master file, names in alphabetical order.
    ///
    /// # Errors
    /// What writing to `to` gives.
    pub fn export(&self, mut to: impl Write) -> io::Result<()> {
        writeln!(to, "; {} names at block {}", self.names(), self.head_number())?;
        let apex = self.apex();
        for node in apex.nodes() {
            self.write_node(&mut to, apex, node, TtlCap(u32::MAX))?;
        }
        let mut names: Vec<_> = self.iter().collect();
        names.sort_by(|(a, _), (b, _)| a.label().cmp(b.label()));
        for (name, cap) in names {
            for node in name.nodes() {
                self.write_node(&mut to, name, node, cap)?;
            }
        }
        to.flush()
    }

    fn write_node(&self, to: &mut impl Write, name: &Compiled, node: Node<'_>, TtlCap(cap): TtlCap) -> io::Result<()> {
        let mut owner = node.name().to_vec();
        if !name.label().is_empty() {
            owner.push(name.label().len() as u8);
            owner.extend_from_slice(name.label());
        }
        owner.extend_from_slice(ZONE_NAME);
        let owner = name_to_text(&owner);
        let is_above = |other: Node<'_>| other.name() != node.name() && other.name().ends_with(node.name());
        if node.sets().next().is_none() && !name.nodes().any(is_above) {
            writeln!(to, "{owner} {} IN TYPE65280 \\# 0", NEGATIVE_TTL_SECONDS.min(cap))?;
        }
        for set in node.sets() {
            for data in set.records.clone() {
                writeln!(to, "{owner} {} IN {}", set.ttl_seconds.min(cap), record_text(set.rtype, data))?;
            }
            if set.rtype != rtype::ALIAS {
                continue;
            }
            let target = set.records.clone().next().unwrap_or_default();
            for address in [rtype::A, rtype::AAAA] {
                let found = resolve(self, None, target, address, set.ttl_seconds.min(cap), 0);
                if let Resolved::Inside(records, ttl) = found {
                    for data in records {
                        writeln!(to, "{owner} {ttl} IN {}", record_text(address, data))?;
                    }
                }
            }
        }
        Ok(())
    }
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
