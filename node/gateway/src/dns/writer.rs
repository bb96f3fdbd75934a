// SPDX-License-Identifier: Apache-2.0

//! Writing a response: header, echoed question, record sets, OPT.
//!
//! # Correctness
//! Whatever is written, [`Writer::finish`] leaves a message that keeps its limit: one that grew over it is cut down to its
//! question, with TC set.

use super::query::{flags, Edns, Query};
use super::wire::{rtype, CLASS_IN, HEADER_BYTES, UDP_BYTES_MAX};

/// Bytes of an OPT record without options.
pub const OPT_BYTES: usize = 11;
/// The option that says why (RFC 8914), and its length.
const EXTENDED_ERROR: [u8; 4] = [0, 15, 0, 2];

/// Why an answer failed (RFC 8914), for people who look into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedError {
    /// The chain's head is too old to answer from.
    NotReady = 14,
    /// Nobody could be asked for the addresses of an alias.
    NoReachableAuthority = 22,
    /// No upstream answered.
    NetworkError = 23,
}

/// An OPT record without options, as a response to a client that sent one ends with.
pub fn opt(edns: Edns, rcode: u16) -> [u8; OPT_BYTES] {
    let dnssec_ok = if edns.dnssec_ok { 0x80 } else { 0 };
    let [size_high, size_low] = (UDP_BYTES_MAX as u16).to_be_bytes();
    let [type_high, type_low] = rtype::OPT.to_be_bytes();
    [0, type_high, type_low, size_high, size_low, (rcode >> 4) as u8, 0, dnssec_ok, 0, 0, 0]
}
/// Offsets from here on don't fit into a compression pointer.
const POINTER_END: usize = 0x4000;

/// Parts of a message, in their order.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Section {
    Answer = 0,
    Authority = 1,
    Additional = 2,
}

/// The name a record is written for.
#[derive(Clone, Copy)]
pub enum Owner<'n> {
    /// A name in the message already, at this offset.
    At(usize),
    /// Uncompressed wire form.
    Wire(&'n [u8]),
}

/// A response that is being written.
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
    limit: usize,
    counts: [u16; 3],
    section: Section,
    ttl_min: u32,
    question_end: usize,
    extended_error: Option<ExtendedError>,
}

impl<'o> Writer<'o> {
    /// Begins a response to `query`, which came as `message`, of at most `limit` bytes.
    pub fn new(out: &'o mut Vec<u8>, message: &[u8], query: &Query, limit: usize) -> Self {
        out.clear();
        out.extend_from_slice(&message[..query.question_end]);
        let limit = limit - if query.edns.is_some() { OPT_BYTES } else { 0 };
        let (counts, question_end) = ([0; 3], query.question_end);
        let section = Section::Answer;
        Writer { out, limit, counts, section, ttl_min: u32::MAX, question_end, extended_error: None }
    }

    /// From now on records go into `section`; never back to an earlier one.
    pub fn section(&mut self, section: Section) {
        debug_assert!(section as usize >= self.section as usize);
        self.section = section;
    }

    /// Says why the answer fails, to a client with EDNS. For answers without records, which have room for it.
    pub fn explain(&mut self, error: ExtendedError) {
        self.extended_error = Some(error);
    }

    /// Where the next record will begin.
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// The bytes so far.
    pub fn written(&self) -> &[u8] {
        self.out
    }

    /// Whether what was written is over the limit.
    pub fn is_over(&self) -> bool {
        self.out.len() > self.limit
    }

    /// How many records were written into `section`.
    pub fn count(&self, section: Section) -> u16 {
        self.counts[section as usize]
    }

    /// Takes back all records.
    pub fn clear(&mut self) {
        self.out.truncate(self.question_end);
        self.counts = [0; 3];
    }

    /// Takes back the current section's last `records`, which began at `position`.
    pub fn take_back(&mut self, position: usize, records: u16) {
        self.out.truncate(position);
        self.counts[self.section as usize] -= records;
    }

    /// Writes one record; returns where it begins.
    pub fn record(&mut self, owner: Owner<'_>, rtype: u16, ttl_seconds: u32, data: &[u8]) -> usize {
        let at = self.out.len();
        match owner {
            Owner::At(offset) if offset < POINTER_END => {
                self.out.extend_from_slice(&(0xc000 | offset as u16).to_be_bytes());
            },
            Owner::At(offset) => {
                let end = name_end(self.out, offset);
                self.out.extend_from_within(offset..end);
            },
            Owner::Wire(name) => self.out.extend_from_slice(name),
        }
        let mut fixed = [0; 10];
        fixed[..2].copy_from_slice(&rtype.to_be_bytes());
        fixed[2..4].copy_from_slice(&CLASS_IN.to_be_bytes());
        fixed[4..8].copy_from_slice(&ttl_seconds.to_be_bytes());
        fixed[8..].copy_from_slice(&(data.len() as u16).to_be_bytes());
        self.out.extend_from_slice(&fixed);
        self.out.extend_from_slice(data);
        self.counts[self.section as usize] += 1;
        if self.section != Section::Additional {
            self.ttl_min = self.ttl_min.min(ttl_seconds);
        }
        at
    }

    /// Lowest time to live of answer and authority; `None` if there are no records.
    pub fn ttl_min(&self) -> Option<u32> {
        (self.counts[0] + self.counts[1] > 0).then_some(self.ttl_min)
    }

    /// Completes the message; returns whether it had to be truncated.
    pub fn finish(self, query: &Query, header_flags: u16, rcode: u16) -> bool {
        let truncated = self.is_over();
        let counts = if truncated { [0; 3] } else { self.counts };
        if truncated {
            self.out.truncate(self.question_end);
        }
        let additional = counts[2] + u16::from(query.edns.is_some());
        if let Some(edns) = query.edns {
            self.out.extend_from_slice(&opt(edns, rcode));
            if let Some(error) = self.extended_error {
                let option = [&EXTENDED_ERROR[..], &(error as u16).to_be_bytes()].concat();
                let length_at = self.out.len() - 2;
                self.out[length_at..].copy_from_slice(&(option.len() as u16).to_be_bytes());
                self.out.extend_from_slice(&option);
            }
        }
        let kept = query.flags & (flags::RECURSION_DESIRED | flags::CHECKING_DISABLED);
        let truncated_flag = if truncated { flags::TRUNCATED } else { 0 };
        let words = [
            query.id,
            flags::RESPONSE | kept | header_flags | truncated_flag | (rcode & 15),
            1,
            counts[0],
            counts[1],
            additional,
        ];
        for (place, word) in self.out[..HEADER_BYTES].chunks_exact_mut(2).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        truncated
    }
}

/// The end of the uncompressed name at `at`.
fn name_end(message: &[u8], mut at: usize) -> usize {
    while message[at] != 0 {
        at += 1 + usize::from(message[at]);
    }
    at + 1
}

/// A response without records to a message that could not be read: id, operation and what can be echoed.
pub fn bare(out: &mut Vec<u8>, message: &[u8], question_end: Option<usize>, rcode: u16) {
    out.clear();
    out.extend_from_slice(&message[..question_end.unwrap_or(HEADER_BYTES)]);
    let asked = u16::from_be_bytes([message[2], message[3]]);
    let kept = asked & (flags::OPCODE | flags::RECURSION_DESIRED);
    out[2..4].copy_from_slice(&(flags::RESPONSE | kept | (rcode & 15)).to_be_bytes());
    out[4..12].fill(0);
    out[5] = u8::from(question_end.is_some());
}
