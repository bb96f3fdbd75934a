// SPDX-License-Identifier: Apache-2.0

use super::{
    super::{
        rdata::{self, rr, svc, RdataError, Reader},
        Zone,
    },
    SVC_KEYS, SVC_NAMED_MAX,
};
use base64::{engine::general_purpose::STANDARD, Engine as _};
use std::{
    fmt::Write,
    net::{Ipv4Addr, Ipv6Addr},
};

/// A record with its type: `A 192.0.2.7`.
///
/// # Errors
/// `data` are not those of a record of this type.
pub fn format_record(rtype: u16, data: &[u8]) -> Result<String, RdataError> {
    let name = rr::mnemonic(rtype).ok_or(RdataError::TypeUnknown)?;
    Ok(format!("{name} {}", format_rdata(rtype, data)?))
}

/// A record in the form that every server reads: `TYPE65282 \# 32 <hex>` (RFC 3597).
pub fn format_generic(rtype: u16, data: &[u8]) -> String {
    let gap = if data.is_empty() { "" } else { " " };
    format!("TYPE{rtype} \\# {}{gap}{}", data.len(), hex::encode(data))
}

/// The data of a record, without its type: `192.0.2.7`.
///
/// # Errors
/// `data` are not those of a record of this type.
pub fn format_rdata(rtype: u16, data: &[u8]) -> Result<String, RdataError> {
    rdata::check(rtype, data)?;
    let mut r = Reader(data);
    Ok(match rtype {
        rr::A => ipv4(data),
        rr::AAAA => ipv6(data),
        rr::NS | rr::CNAME | rr::ALIAS => name(r.name()?),
        rr::MX => format!("{} {}", r.u16()?, name(r.name()?)),
        rr::SRV => format!("{} {} {} {}", r.u16()?, r.u16()?, r.u16()?, name(r.name()?)),
        rr::TXT => {
            let mut strings = Vec::new();
            while !r.is_empty() {
                strings.push(quoted(r.string()?));
            }
            strings.join(" ")
        },
        rr::DS => format!("{} {} {} {}", r.u16()?, r.u8()?, r.u8()?, hex::encode(r.rest())),
        rr::TLSA => format!("{} {} {} {}", r.u8()?, r.u8()?, r.u8()?, hex::encode(r.rest())),
        rr::CAA => {
            let (flags, tag) = (r.u8()?, r.string()?);
            format!("{flags} {} {}", String::from_utf8_lossy(tag), quoted(r.rest()))
        },
        rr::SVCB | rr::HTTPS => svcb(r)?,
        rr::SITE => {
            let drive = hex::encode(r.take(32)?);
            let path = String::from_utf8_lossy(r.string()?).replace('\\', "\\\\").replace('"', "\\\"");
            format!("{drive} \"{path}\"")
        },
        _ => hex::encode(data),
    })
}

/// A record that every server reads: types that only `.cairn` knows are in the form of [`format_generic`], and so are data
/// that are not of their type's form.
pub fn format_portable(rtype: u16, data: &[u8]) -> String {
    match format_record(rtype, data) {
        Ok(record) if !rr::is_private(rtype) => record,
        _ => format_generic(rtype, data),
    }
}

/// A zone as lines of a master file below `origin` (absolute, as in `blog.cairn.`), with
/// records as of [`format_portable`], so that other servers load the file.
pub fn format_zone(zone: &Zone, origin: &str) -> String {
    let mut lines = String::new();
    for set in zone.rrsets() {
        let owner = if set.name.is_apex() { origin.to_owned() } else { format!("{}.{origin}", set.name) };
        for data in &set.rdata {
            // Writing to a String does not fail.
            let _ = writeln!(lines, "{owner} {} IN {}", set.ttl_seconds, format_portable(set.rtype, data));
        }
    }
    lines
}

fn ipv4(data: &[u8]) -> String {
    <[u8; 4]>::try_from(data).map(Ipv4Addr::from).unwrap_or(Ipv4Addr::UNSPECIFIED).to_string()
}

fn ipv6(data: &[u8]) -> String {
    <[u8; 16]>::try_from(data).map(Ipv6Addr::from).unwrap_or(Ipv6Addr::UNSPECIFIED).to_string()
}

/// An absolute name that was checked: its labels are plain text.
fn name(wire: &[u8]) -> String {
    let mut reader = Reader(wire);
    let mut text = String::new();
    while let Ok(label) = reader.string() {
        if label.is_empty() {
            break;
        }
        text.push_str(&String::from_utf8_lossy(label));
        text.push('.');
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

/// A character string: printable ASCII as it is, the rest by number (RFC 1035, 5.1).
fn quoted(data: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in data {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            },
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "\\{byte:03}");
            },
        }
    }
    text.push('"');
    text
}

fn svcb(mut r: Reader<'_>) -> Result<String, RdataError> {
    let mut text = format!("{} {}", r.u16()?, name(r.name()?));
    while !r.is_empty() {
        let key = r.u16()?;
        let length = r.u16()?;
        let value = r.take(length.into())?;
        let _ = write!(text, " {}", svc_parameter(key, value)?);
    }
    Ok(text)
}

fn svc_key(key: u16) -> String {
    let named = SVC_KEYS.iter().find(|(number, _)| *number == key && key <= SVC_NAMED_MAX);
    named.map_or_else(|| format!("key{key}"), |(_, name)| (*name).into())
}

fn svc_parameter(key: u16, value: &[u8]) -> Result<String, RdataError> {
    let mut r = Reader(value);
    let mut words = Vec::new();
    match key {
        svc::MANDATORY => {
            while !r.is_empty() {
                words.push(svc_key(r.u16()?));
            }
        },
        svc::ALPN => {
            while !r.is_empty() {
                let id = r.string()?;
                if !id.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"' | b'\\')) {
                    // Escapes within lists are read differently from server to server; this form is not.
                    return Ok(format!("key{key}={}", quoted(value)));
                }
                words.push(String::from_utf8_lossy(id).into_owned());
            }
        },
        svc::NO_DEFAULT_ALPN => return Ok(svc_key(key)),
        svc::PORT => words.push(r.u16()?.to_string()),
        svc::IPV4HINT => words.extend(value.chunks(4).map(ipv4)),
        svc::IPV6HINT => words.extend(value.chunks(16).map(ipv6)),
        svc::ECH => words.push(STANDARD.encode(value)),
        _ if value.is_empty() => return Ok(svc_key(key)),
        _ => return Ok(format!("{}={}", svc_key(key), quoted(value))),
    }
    Ok(format!("{}={}", svc_key(key), words.join(",")))
}
