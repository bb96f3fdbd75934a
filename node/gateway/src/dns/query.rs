// SPDX-License-Identifier: Apache-2.0

//! Reading a query, strictly: one question without compression, at most one OPT, nothing after the last record.

use super::padding::PADDING;
use super::wire::{rtype, u16_at, u32_at, NameBuf, HEADER_BYTES};

/// Bits of the header's second word.
pub mod flags {
    #![allow(missing_docs)]
    pub const RESPONSE: u16 = 0x8000;
    pub const OPCODE: u16 = 0x7800;
    pub const AUTHORITATIVE: u16 = 0x0400;
    pub const TRUNCATED: u16 = 0x0200;
    pub const RECURSION_DESIRED: u16 = 0x0100;
    pub const RECURSION_AVAILABLE: u16 = 0x0080;
    pub const AUTHENTIC_DATA: u16 = 0x0020;
    pub const CHECKING_DISABLED: u16 = 0x0010;
}

/// Most additional records that are looked at; a query has an OPT and nothing else.
const ADDITIONAL_MAX: u16 = 1;

/// What the client said about itself in its OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// Largest UDP answer the client takes.
    pub udp_bytes: u16,
    /// Must be 0; anything else is answered with BADVERS.
    pub version: u8,
    /// Whether signatures are wanted.
    pub dnssec_ok: bool,
    /// Whether there was a padding option.
    pub padded: bool,
}

/// A query that was read without complaint.
#[derive(Clone, Debug)]
pub struct Query {
    /// Echoed.
    pub id: u16,
    /// The header's second word as it came.
    pub flags: u16,
    /// The name in lower case.
    pub name: NameBuf,
    /// The type asked for.
    pub qtype: u16,
    /// The class asked for.
    pub qclass: u16,
    /// Where the question ends in the message.
    pub question_end: usize,
    /// The OPT record, if there was one.
    pub edns: Option<Edns>,
}

/// Why no [`Query`] came of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Not even a header, or a response: nothing is answered.
    Ignore,
    /// Another operation than a query.
    NotImplemented {
        /// Where a well-formed question ends.
        question_end: Option<usize>,
    },
    /// Malformed.
    FormErr {
        /// Where a well-formed question ends.
        question_end: Option<usize>,
    },
}

impl Query {
    /// Reads `message`.
    ///
    /// # Errors
    /// Says what is to be answered instead; see [`Unreadable`].
    pub fn read(message: &[u8]) -> Result<Query, Unreadable> {
        let header = message.get(..HEADER_BYTES).ok_or(Unreadable::Ignore)?;
        let word = |at| u16_at(header, at).ok_or(Unreadable::Ignore);
        let (id, flags) = (word(0)?, word(2)?);
        if flags & self::flags::RESPONSE != 0 {
            return Err(Unreadable::Ignore);
        }
        let question = if word(4)? == 1 { read_question(message) } else { None };
        let question_end = question.as_ref().map(|(.., end)| *end);
        if flags & self::flags::OPCODE != 0 {
            return Err(Unreadable::NotImplemented { question_end });
        }
        let malformed = || Unreadable::FormErr { question_end };
        let (name, qtype, qclass, end) = question.ok_or_else(malformed)?;
        if qtype == rtype::OPT || word(6)? != 0 || word(8)? != 0 || word(10)? > ADDITIONAL_MAX {
            return Err(malformed());
        }
        let (edns, after) = match word(10)? {
            0 => (None, end),
            _ => read_opt(message, end).map(|(edns, after)| (Some(edns), after)).ok_or_else(malformed)?,
        };
        if after != message.len() {
            return Err(malformed());
        }
        Ok(Query { id, flags, name, qtype, qclass, question_end: end, edns })
    }

    /// Whether signatures are wanted.
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// Whether the client wants to know if an answer is authentic (RFC 6840, 5.7).
    pub fn wants_authentic(&self) -> bool {
        self.flags & flags::AUTHENTIC_DATA != 0 || self.dnssec_ok()
    }

    /// Whether the client asks for what lies outside this server's zone, too.
    pub fn recursion_desired(&self) -> bool {
        self.flags & flags::RECURSION_DESIRED != 0
    }
}

fn read_question(message: &[u8]) -> Option<(NameBuf, u16, u16, usize)> {
    let name = NameBuf::read(message.get(HEADER_BYTES..)?)?;
    let at = HEADER_BYTES + name.wire().len();
    Some((name, u16_at(message, at)?, u16_at(message, at + 2)?, at + 4))
}

/// Reads the OPT record at `at`: root name, type 41, size as class, version and flags as TTL, options.
fn read_opt(message: &[u8], at: usize) -> Option<(Edns, usize)> {
    if *message.get(at)? != 0 || u16_at(message, at + 1)? != rtype::OPT {
        return None;
    }
    let udp_bytes = u16_at(message, at + 3)?;
    let ttl = u32_at(message, at + 5)?;
    let length = usize::from(u16_at(message, at + 9)?);
    let mut options = message.get(at + 11..at + 11 + length)?;
    let mut padded = false;
    while !options.is_empty() {
        padded |= u16_at(options, 0)? == PADDING;
        let value = usize::from(u16_at(options, 2)?);
        options = options.get(4 + value..)?;
    }
    let edns = Edns { udp_bytes, version: (ttl >> 16) as u8, dnssec_ok: ttl & 0x8000 != 0, padded };
    Some((edns, at + 11 + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x01A\x05cairn\0\0\x01\0\x01";

    fn with_opt(opt: &[u8]) -> Vec<u8> {
        let mut message = PLAIN.to_vec();
        message[11] = 1;
        message.extend_from_slice(opt);
        message
    }

    #[test]
    fn a_plain_query_is_read() {
        let query = Query::read(PLAIN).unwrap();
        assert_eq!((query.id, query.qtype, query.qclass, query.edns), (0x1234, 1, 1, None));
        assert_eq!((query.name.to_string().as_str(), query.question_end), ("a.cairn.", PLAIN.len()));
        assert!(query.recursion_desired() && !query.dnssec_ok());
    }

    #[test]
    fn an_opt_is_read() {
        let query = Query::read(&with_opt(b"\0\0\x29\x04\xd0\0\0\x80\0\0\x06\0\x0a\0\x02ab")).unwrap();
        assert_eq!(query.edns, Some(Edns { udp_bytes: 1232, version: 0, dnssec_ok: true, padded: false }));
    }

    #[test]
    fn padding_is_noticed() {
        let query = Query::read(&with_opt(b"\0\0\x29\x04\xd0\0\0\0\0\0\x07\0\x0c\0\x03\0\0\0")).unwrap();
        assert!(query.edns.unwrap().padded);
    }

    #[test]
    fn malformed_messages_are_told_from_ignored_ones() {
        assert_eq!(Query::read(&PLAIN[..11]).unwrap_err(), Unreadable::Ignore);
        let mut response = PLAIN.to_vec();
        response[2] |= 0x80;
        assert_eq!(Query::read(&response).unwrap_err(), Unreadable::Ignore);
        for cut in 12..PLAIN.len() {
            assert_eq!(Query::read(&PLAIN[..cut]).unwrap_err(), Unreadable::FormErr { question_end: None });
        }
        let end = Some(PLAIN.len());
        for bad in [
            with_opt(b""),
            with_opt(b"\0\0\x29\x04\xd0\0\0\x80\0\0\x06\0\x0a\0\x09ab"),
            with_opt(b"\0\0\x29\x04\xd0\0\0\x80\0\0\x03\0\x0a\0"),
            with_opt(b"\x01a\0\0\x29\x04\xd0\0\0\x80\0\0\0"),
            with_opt(b"\0\0\x01\0\x01\0\0\0\0\0\x04aaaa"),
            with_opt(b"\0\0\x29\x04\xd0\0\0\x80\0\0\0x"),
            [PLAIN, b"x"].concat(),
        ] {
            assert_eq!(Query::read(&bad).unwrap_err(), Unreadable::FormErr { question_end: end }, "{bad:?}");
        }
        for (at, value) in [(5, 0), (5, 2), (7, 1), (9, 1), (11, 2)] {
            let mut bad = PLAIN.to_vec();
            bad[at] = value;
            assert!(matches!(Query::read(&bad), Err(Unreadable::FormErr { .. })));
        }
        let mut pointer = PLAIN.to_vec();
        pointer[12] = 0xc0;
        assert_eq!(Query::read(&pointer).unwrap_err(), Unreadable::FormErr { question_end: None });
    }

    #[test]
    fn other_operations_are_not_implemented() {
        for opcode in 1..16u8 {
            let mut other = PLAIN.to_vec();
            other[2] = opcode << 3;
            assert_eq!(
                Query::read(&other).unwrap_err(),
                Unreadable::NotImplemented { question_end: Some(PLAIN.len()) }
            );
        }
    }
}
