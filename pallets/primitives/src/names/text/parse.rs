// SPDX-License-Identifier: Apache-2.0

use super::{
    super::rdata::{self, rr, svc},
    TextError, SVC_KEYS,
};
use base64::{engine::general_purpose::STANDARD_NO_PAD, Engine as _};
use std::{
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Reads a record with its type: `A 192.0.2.7`. Returns the type and the data, which a zone accepts.
///
/// # Errors
/// What is wrong, with the word that is.
pub fn parse_record(text: &str) -> Result<(u16, Vec<u8>), TextError> {
    record(text, None)
}

/// Reads a record as a master file has it: in its data `@` is `origin`, and a single label is below it. `origin` ends with
/// a dot. A name of several labels still has to: `example.org` is hardly ever meant to be below something.
///
/// # Errors
/// What is wrong, with the word that is.
pub fn parse_record_below(text: &str, origin: &str) -> Result<(u16, Vec<u8>), TextError> {
    record(text, Some(origin))
}

fn record(text: &str, origin: Option<&str>) -> Result<(u16, Vec<u8>), TextError> {
    let text = text.trim();
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rtype = rr::from_mnemonic(first)
        .or_else(|| first.strip_prefix("TYPE")?.parse().ok().filter(|rtype| rr::is_known(*rtype)))
        .ok_or_else(|| TextError::TypeUnknown(first.into()))?;
    Ok((rtype, rdata_of(rtype, rest, origin)?))
}

/// Reads a record's data without its type: `192.0.2.7`. What it returns is valid.
///
/// # Errors
/// What is wrong, with the word that is.
pub fn parse_rdata(rtype: u16, text: &str) -> Result<Vec<u8>, TextError> {
    rdata_of(rtype, text, None)
}

fn rdata_of(rtype: u16, text: &str, origin: Option<&str>) -> Result<Vec<u8>, TextError> {
    let data = match text.trim_start().strip_prefix("\\#") {
        Some(rest) => generic(&mut Words::split(rest, None)?)?,
        None => fields(rtype, &mut Words::split(text, origin)?)?,
    };
    rdata::check(rtype, &data)?;
    Ok(data)
}

/// A word of a record, its escapes resolved.
struct Word {
    bytes: Vec<u8>,
    /// Whether there was an escape in it: in a name, an escaped dot is another one than a plain one.
    has_escape: bool,
}

/// The words of a record.
struct Words<'a> {
    words: std::vec::IntoIter<Word>,
    /// What a name of one label is below.
    origin: Option<&'a str>,
}

impl<'a> Words<'a> {
    fn split(text: &str, origin: Option<&'a str>) -> Result<Self, TextError> {
        let (mut words, mut bytes) = (Vec::new(), text.bytes().peekable());
        while let Some(byte) = bytes.peek() {
            if byte.is_ascii_whitespace() {
                bytes.next();
                continue;
            }
            let all_quoted = *byte == b'"';
            let (mut word, mut in_quotes, mut has_escape) = (Vec::new(), false, false);
            while let Some(byte) = bytes.next_if(|byte| in_quotes || !byte.is_ascii_whitespace()) {
                match byte {
                    b'"' => {
                        in_quotes = !in_quotes;
                        if all_quoted && !in_quotes {
                            break;
                        }
                    },
                    b'\\' => {
                        has_escape = true;
                        word.push(escape(&mut bytes)?);
                    },
                    _ => word.push(byte),
                }
            }
            if in_quotes {
                return Err(TextError::QuoteUnclosed);
            }
            words.push(Word { bytes: word, has_escape });
        }
        Ok(Self { words: words.into_iter(), origin })
    }

    fn bytes(&mut self, field: &'static str) -> Result<Vec<u8>, TextError> {
        self.words.next().map(|word| word.bytes).ok_or(TextError::FieldMissing(field))
    }

    fn text(&mut self, field: &'static str) -> Result<String, TextError> {
        self.bytes(field).map(|word| String::from_utf8_lossy(&word).into_owned())
    }

    fn parse<T: FromStr>(&mut self, field: &'static str) -> Result<T, TextError> {
        let word = self.text(field)?;
        // Rust reads "+10" as a number, master files don't.
        let parsed = if word.starts_with('+') { None } else { word.parse().ok() };
        parsed.ok_or(TextError::FieldInvalid { field, word })
    }

    /// The rest of the words as one hexadecimal number; `0x` may stand before it.
    fn hex(&mut self, field: &'static str) -> Result<Vec<u8>, TextError> {
        let mut word = self.text(field)?;
        for more in self.words.by_ref() {
            word.push_str(&String::from_utf8_lossy(&more.bytes));
        }
        hex(&word).ok_or(TextError::FieldInvalid { field, word })
    }

    fn name(&mut self, field: &'static str) -> Result<Vec<u8>, TextError> {
        let word = self.words.next().ok_or(TextError::FieldMissing(field))?;
        let has_escape = word.has_escape;
        let word = String::from_utf8_lossy(&word.bytes).into_owned();
        if has_escape {
            return Err(TextError::NameEscaped(word));
        }
        if word == "." {
            return Ok(vec![0]);
        }
        let word = match self.origin {
            Some(origin) if word == "@" => origin.to_string(),
            Some(".") if !word.ends_with('.') => format!("{word}."),
            Some(origin) if !word.contains('.') => format!("{word}.{origin}"),
            _ => word,
        };
        let Some(relative) = word.strip_suffix('.') else { return Err(TextError::NameRelative(word)) };
        let mut wire = Vec::new();
        for label in relative.split('.') {
            match u8::try_from(label.len()) {
                Ok(length @ 1..=63) => wire.push(length),
                _ => return Err(TextError::FieldInvalid { field, word }),
            }
            wire.extend(label.to_ascii_lowercase().bytes());
        }
        wire.push(0);
        Ok(wire)
    }

    fn end(&mut self) -> Result<(), TextError> {
        match self.words.next() {
            Some(word) => Err(TextError::FieldExtra(String::from_utf8_lossy(&word.bytes).into_owned())),
            None => Ok(()),
        }
    }
}

/// What a backslash stands for: a byte by three decimal digits, or the next character.
fn escape(bytes: &mut impl Iterator<Item = u8>) -> Result<u8, TextError> {
    let first = bytes.next().ok_or(TextError::QuoteUnclosed)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u32::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit).ok_or(TextError::QuoteUnclosed)?;
        value = value * 10 + u32::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| TextError::FieldInvalid { field: "escape", word: format!("\\{value}") })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()
}

/// `\# <bytes> <hex>` after the `\#`.
fn generic(words: &mut Words<'_>) -> Result<Vec<u8>, TextError> {
    let length: usize = words.parse("length")?;
    let data = if length == 0 { Vec::new() } else { words.hex("data in hexadecimal")? };
    match words.words.next() {
        Some(word) => Err(TextError::FieldExtra(String::from_utf8_lossy(&word.bytes).into_owned())),
        None if data.len() == length => Ok(data),
        None => Err(TextError::FieldInvalid { field: "length", word: length.to_string() }),
    }
}

fn fields(rtype: u16, words: &mut Words<'_>) -> Result<Vec<u8>, TextError> {
    let mut data = Vec::new();
    match rtype {
        rr::A => data.extend(words.parse::<Ipv4Addr>("IPv4 address")?.octets()),
        rr::AAAA => data.extend(words.parse::<Ipv6Addr>("IPv6 address")?.octets()),
        rr::NS | rr::CNAME | rr::ALIAS => data = words.name("host")?,
        rr::MX => {
            data.extend(words.parse::<u16>("preference")?.to_be_bytes());
            data.extend(words.name("mail host")?);
        },
        rr::SRV => {
            for field in ["priority", "weight", "port"] {
                data.extend(words.parse::<u16>(field)?.to_be_bytes());
            }
            data.extend(words.name("host")?);
        },
        rr::TXT => {
            push_text(&mut data, &words.bytes("text")?);
            for string in words.words.by_ref() {
                push_text(&mut data, &string.bytes);
            }
        },
        rr::DS => {
            data.extend(words.parse::<u16>("key tag")?.to_be_bytes());
            data.push(words.parse("algorithm")?);
            data.push(words.parse("digest type")?);
            data.extend(words.hex("digest in hexadecimal")?);
        },
        rr::TLSA => {
            for field in ["usage", "selector", "matching type"] {
                data.push(words.parse(field)?);
            }
            data.extend(words.hex("data in hexadecimal")?);
        },
        rr::CAA => {
            let flags: u8 = words.parse("flags")?;
            if !matches!(flags, 0 | 128) {
                let field = "number of flags: 0, or 128 for an authority that must understand the tag";
                return Err(TextError::FieldInvalid { field, word: flags.to_string() });
            }
            data.push(flags);
            // Tags are told apart without regard to case (RFC 8659, 4.1).
            push_string(&mut data, "tag", &words.bytes("tag")?.to_ascii_lowercase())?;
            data.extend(words.bytes("value")?);
        },
        rr::SVCB | rr::HTTPS => svcb(&mut data, words)?,
        rr::SITE => {
            let word = words.text("drive id in hexadecimal")?;
            let drive =
                hex(&word).ok_or(TextError::FieldInvalid { field: "drive id in hexadecimal", word: word.clone() })?;
            data.extend(drive);
            let path = words.words.next().map(|word| word.bytes).unwrap_or_default();
            push_string(&mut data, "path", &path)?;
        },
        _ => data = words.hex("key in hexadecimal")?,
    }
    words.end()?;
    Ok(data)
}

/// A text as one string, or as several where it has more than 255 bytes: readers join them (RFC 7208, 3.3; RFC 6376, 3.6.2.2).
fn push_text(data: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    loop {
        let (string, after) = rest.split_at(rest.len().min(usize::from(u8::MAX)));
        data.push(u8::try_from(string.len()).unwrap_or(u8::MAX));
        data.extend(string);
        rest = after;
        if rest.is_empty() {
            return;
        }
    }
}

fn push_string(data: &mut Vec<u8>, field: &'static str, string: &[u8]) -> Result<(), TextError> {
    let length = u8::try_from(string.len())
        .map_err(|_| TextError::FieldInvalid { field, word: String::from_utf8_lossy(string).into_owned() })?;
    data.push(length);
    data.extend(string);
    Ok(())
}

fn svcb(data: &mut Vec<u8>, words: &mut Words<'_>) -> Result<(), TextError> {
    data.extend(words.parse::<u16>("priority")?.to_be_bytes());
    data.extend(words.name("target")?);
    let mut parameters = Vec::new();
    for Word { bytes: word, .. } in words.words.by_ref() {
        let at = word.iter().position(|byte| *byte == b'=').unwrap_or(word.len());
        let (name, value) = word.split_at(at);
        let name = String::from_utf8_lossy(name);
        let key = svc_key(&name)
            .ok_or_else(|| TextError::FieldInvalid { field: "service parameter", word: name.clone().into() })?;
        let value = value.get(1..).unwrap_or_default();
        let value = if name.starts_with("key") { Some(value.to_vec()) } else { svc_value(key, value) };
        let value = value.ok_or_else(|| TextError::FieldInvalid {
            field: "service parameter",
            word: String::from_utf8_lossy(&word).into_owned(),
        })?;
        parameters.push((key, value));
    }
    // In any order in text, in rising order on the wire; one that stands twice is refused with the record.
    parameters.sort();
    for (key, value) in parameters {
        let length = u16::try_from(value.len()).map_err(|_| rdata::RdataError::Malformed)?;
        data.extend(key.to_be_bytes());
        data.extend(length.to_be_bytes());
        data.extend(value);
    }
    Ok(())
}

fn svc_key(name: &str) -> Option<u16> {
    match SVC_KEYS.iter().find(|(_, known)| *known == name) {
        Some((number, _)) => Some(*number),
        None => name.strip_prefix("key")?.parse().ok(),
    }
}

fn svc_value(key: u16, value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    let words = || text.split(',');
    let mut wire = Vec::new();
    match key {
        svc::MANDATORY => {
            let mut keys = words().map(svc_key).collect::<Option<Vec<_>>>()?;
            keys.sort_unstable();
            wire.extend(keys.into_iter().flat_map(u16::to_be_bytes));
        },
        svc::ALPN => {
            for id in words() {
                if id.contains('\\') {
                    return None;
                }
                push_string(&mut wire, "protocol", id.as_bytes()).ok()?;
            }
        },
        svc::NO_DEFAULT_ALPN if value.is_empty() => {},
        svc::PORT => wire.extend(text.parse::<u16>().ok()?.to_be_bytes()),
        svc::IPV4HINT => {
            for address in words() {
                wire.extend(address.parse::<Ipv4Addr>().ok()?.octets());
            }
        },
        svc::IPV6HINT => {
            for address in words() {
                wire.extend(address.parse::<Ipv6Addr>().ok()?.octets());
            }
        },
        svc::ECH => wire = base64(text)?,
        // A template that holds the variable `dns` (RFC 9461, 5).
        svc::DOHPATH if text.starts_with('/') && text.contains("{?dns") => wire.extend(value),
        svc::OHTTP if value.is_empty() => {},
        svc::TLS_SUPPORTED_GROUPS => {
            for group in words() {
                wire.extend(group.parse::<u16>().ok()?.to_be_bytes());
            }
        },
        _ => return None,
    }
    Some(wire)
}

/// Base64 with its padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4).then(|| STANDARD_NO_PAD.decode(digits).ok()).flatten()
}
