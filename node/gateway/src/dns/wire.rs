// SPDX-License-Identifier: Apache-2.0

//! The parts of the DNS wire format that every other module needs: names, numbers, and reading without panics.

use std::fmt;

/// Bytes of a message's header.
pub const HEADER_BYTES: usize = 12;
/// Largest UDP message this server sends or asks for: fits into IPv6's minimum MTU (DNS flag day 2020).
pub const UDP_BYTES_MAX: usize = 1232;
/// Largest UDP message for a client without EDNS (RFC 1035).
pub const UDP_BYTES_PLAIN: usize = 512;
/// Largest message over a stream: its length prefix has 16 bits.
pub const STREAM_BYTES_MAX: usize = 65_535;
/// Longest name in wire form, root byte included.
pub const NAME_BYTES_MAX: usize = 255;
/// The class of the Internet.
pub const CLASS_IN: u16 = 1;
/// Any class; this server has one.
pub const CLASS_ANY: u16 = 255;
/// The zone's name in wire form.
pub const ZONE_NAME: &[u8] = b"\x05cairn\0";

/// Record and query types.
pub mod rtype {
    #![allow(missing_docs)]
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const MX: u16 = 15;
    #[cfg(test)]
    pub const TXT: u16 = 16;
    pub const AAAA: u16 = 28;
    pub const SRV: u16 = 33;
    pub const OPT: u16 = 41;
    pub const DS: u16 = 43;
    pub const RRSIG: u16 = 46;
    pub const NSEC: u16 = 47;
    pub const DNSKEY: u16 = 48;
    pub const IXFR: u16 = 251;
    pub const AXFR: u16 = 252;
    pub const ANY: u16 = 255;
    /// Private: an address alias, resolved by this server.
    pub const ALIAS: u16 = 65401;
}

/// Response codes; the ones over 15 need EDNS.
pub mod rcode {
    #![allow(missing_docs)]
    pub const NOERROR: u16 = 0;
    pub const FORMERR: u16 = 1;
    pub const SERVFAIL: u16 = 2;
    pub const NXDOMAIN: u16 = 3;
    pub const NOTIMP: u16 = 4;
    pub const REFUSED: u16 = 5;
    pub const BADVERS: u16 = 16;
}

/// The 16-bit number at `at`, if it is there.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// The 32-bit number at `at`, if it is there.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A name in lower-case wire form, with the place of each label; lives on the stack.
///
/// # Correctness
/// `wire[..len]` is a valid name that ends in the root byte; `starts[i]` is where label `i` begins, and
/// `starts[count]` is the place of the root byte.
#[derive(Clone)]
pub struct NameBuf {
    wire: [u8; NAME_BYTES_MAX],
    len: u8,
    starts: [u8; 128],
    count: u8,
}

impl NameBuf {
    fn empty() -> Self {
        NameBuf { wire: [0; NAME_BYTES_MAX], len: 0, starts: [0; 128], count: 0 }
    }

    /// Reads an uncompressed name at the beginning of `bytes`; `None` if it is cut short, too long or has a pointer.
    pub fn read(bytes: &[u8]) -> Option<NameBuf> {
        let mut name = NameBuf::empty();
        let mut at = 0;
        loop {
            let length = usize::from(*bytes.get(at)?);
            if length > 63 {
                return None;
            }
            if !name.push(bytes.get(at + 1..at + 1 + length)?) {
                return None;
            }
            if length == 0 {
                return Some(name);
            }
            at += 1 + length;
        }
    }

    /// Reads a name at `at` in `message`, following compression; returns it with the place after it.
    ///
    /// # Correctness
    /// Every pointer must lead to before the place where the labels so far began, so that it ends.
    pub fn read_compressed(message: &[u8], mut at: usize) -> Option<(NameBuf, usize)> {
        let mut name = NameBuf::empty();
        let mut after = None;
        let mut floor = at;
        loop {
            let length = usize::from(*message.get(at)?);
            match length {
                0..=63 => {
                    if !name.push(message.get(at + 1..at + 1 + length)?) {
                        return None;
                    }
                    at += 1 + length;
                    if length == 0 {
                        return Some((name, after.unwrap_or(at)));
                    }
                },
                192..=255 => {
                    let target = usize::from(u16_at(message, at)? & 0x3fff);
                    after.get_or_insert(at + 2);
                    if target >= floor {
                        return None;
                    }
                    floor = target;
                    at = target;
                },
                _ => return None,
            }
        }
    }

    /// Reads text such as `www.example.`; the last dot may be missing. No escapes.
    pub fn parse(text: &str) -> Option<NameBuf> {
        let mut name = NameBuf::empty();
        let text = text.strip_suffix('.').unwrap_or(text);
        if !text.is_empty() {
            for label in text.split('.') {
                if label.is_empty() || label.len() > 63 || !name.push(label.as_bytes()) {
                    return None;
                }
            }
        }
        name.push(b"").then_some(name)
    }

    /// Appends a label, the empty one being the end; false if the name gets too long.
    fn push(&mut self, label: &[u8]) -> bool {
        let at = usize::from(self.len);
        let end = at + 1 + label.len();
        let room = if label.is_empty() { NAME_BYTES_MAX } else { NAME_BYTES_MAX - 1 };
        if end > room {
            return false;
        }
        self.starts[usize::from(self.count)] = at as u8;
        self.wire[at] = label.len() as u8;
        for (to, from) in self.wire[at + 1..end].iter_mut().zip(label) {
            *to = from.to_ascii_lowercase();
        }
        self.len = end as u8;
        if !label.is_empty() {
            self.count += 1;
        }
        true
    }

    /// The whole name, root byte included.
    pub fn wire(&self) -> &[u8] {
        &self.wire[..usize::from(self.len)]
    }

    /// How many labels, the root not counted.
    pub fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// Where label `index` begins; for `index == count()` the place of the root byte.
    pub fn start(&self, index: usize) -> usize {
        usize::from(self.starts[index])
    }

    /// Label `index` from the left.
    pub fn label(&self, index: usize) -> &[u8] {
        &self.wire[self.start(index) + 1..self.start(index + 1)]
    }

    /// The name from label `index` on.
    pub fn suffix(&self, index: usize) -> &[u8] {
        &self.wire()[self.start(index)..]
    }

    /// Whether this is `cairn.` or below it.
    pub fn is_in_zone(&self) -> bool {
        self.count > 0 && self.suffix(self.count() - 1) == ZONE_NAME
    }
}

impl PartialEq for NameBuf {
    fn eq(&self, other: &Self) -> bool {
        self.wire() == other.wire()
    }
}

impl Eq for NameBuf {}

impl fmt::Debug for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name_to_text(self.wire()))
    }
}

/// A name in wire form as master-file text, absolute, with escapes where they are needed.
pub fn name_to_text(wire: &[u8]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while let Some(&length) = wire.get(at) {
        if length == 0 {
            break;
        }
        let end = (at + 1 + usize::from(length)).min(wire.len());
        for &byte in &wire[at + 1..end] {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'*' => text.push(char::from(byte)),
                b'!'..=b'~' => text.extend(['\\', char::from(byte)]),
                _ => text.push_str(&format!("\\{byte:03}")),
            }
        }
        text.push('.');
        at = end;
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_lowered() {
        let name = NameBuf::read(b"\x03wWw\x05CaIrN\0rest").unwrap();
        assert_eq!(name.to_string(), "www.cairn.");
        assert_eq!((name.count(), name.label(0), name.suffix(1)), (2, &b"www"[..], ZONE_NAME));
        assert!(name.is_in_zone());
        assert_eq!(NameBuf::parse("www.cairn").unwrap(), name);
        assert!(!NameBuf::parse("cairn.example.").unwrap().is_in_zone());
        assert!(!NameBuf::parse(".").unwrap().is_in_zone());
        assert!(NameBuf::parse("cairn").unwrap().is_in_zone());
    }

    #[test]
    fn a_name_has_at_most_255_bytes() {
        let mut wire = Vec::new();
        for _ in 0..3 {
            wire.push(63);
            wire.extend([b'a'; 63]);
        }
        let mut fits = wire.clone();
        fits.push(61);
        fits.extend([b'a'; 61]);
        fits.push(0);
        assert_eq!(NameBuf::read(&fits).unwrap().wire().len(), 255);
        wire.push(62);
        wire.extend([b'a'; 62]);
        wire.push(0);
        assert!(NameBuf::read(&wire).is_none());
        assert_eq!(NameBuf::read(&[b"\x01a".repeat(127), vec![0]].concat()).unwrap().count(), 127);
        assert!(NameBuf::read(&[b"\x01a".repeat(128), vec![0]].concat()).is_none());
    }

    #[test]
    fn compression_loops_end() {
        let message = b"\xc0\x00\x01a\xc0\x02\x01b\x00\x01c\xc0\x06";
        assert!(NameBuf::read_compressed(message, 0).is_none());
        assert!(NameBuf::read_compressed(message, 2).is_none());
        let (name, after) = NameBuf::read_compressed(message, 9).unwrap();
        assert_eq!((name.to_string().as_str(), after), ("c.b.", 13));
        assert!(NameBuf::read(message).is_none());
        assert!(NameBuf::read_compressed(message, 99).is_none());
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(name_to_text(b"\x04a.\x00\\\x01*\0"), "a\\.\\000\\\\.*.");
        assert_eq!(name_to_text(b"\0"), ".");
    }
}
