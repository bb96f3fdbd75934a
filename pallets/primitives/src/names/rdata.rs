// SPDX-License-Identifier: Apache-2.0

//! The types of records that a zone holds, and the form of each one's data.
//!
//! Data are DNS wire data as they stand in a message, with names uncompressed, absolute, in lower case, and made of
//! `[a-z0-9_-]`, where the first label may be `*`. Stricter than DNS on purpose: what passes here can be printed, signed and served without another look.

use super::name::is_label_text;

/// Bytes of one record's data.
pub const RDATA_BYTES_MAX: u32 = 1_024;

/// Bytes of an absolute name with its root byte (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 255;

/// Numbers of record types.
pub mod rr {
    /// IPv4 address (RFC 1035).
    pub const A: u16 = 1;
    /// Name server of a delegated zone (RFC 1035).
    pub const NS: u16 = 2;
    /// Canonical name (RFC 1035).
    pub const CNAME: u16 = 5;
    /// Mail exchange (RFC 1035, RFC 7505).
    pub const MX: u16 = 15;
    /// Text (RFC 1035).
    pub const TXT: u16 = 16;
    /// IPv6 address (RFC 3596).
    pub const AAAA: u16 = 28;
    /// Location of a service (RFC 2782).
    pub const SRV: u16 = 33;
    /// Delegation signer (RFC 4034).
    pub const DS: u16 = 43;
    /// Certificate association (RFC 6698).
    pub const TLSA: u16 = 52;
    /// Service binding (RFC 9460).
    pub const SVCB: u16 = 64;
    /// Service binding for HTTPS (RFC 9460).
    pub const HTTPS: u16 = 65;
    /// Which authorities may certify (RFC 8659).
    pub const CAA: u16 = 257;
    /// Private: a site in a drive. 32 bytes of drive id, then the length and the bytes of a path in UTF-8.
    pub const SITE: u16 = 65_281;
    /// Private: a hidden service's 32-byte key.
    pub const ONION: u16 = 65_282;
    /// Private: a 32-byte account of the chain.
    pub const ACCOUNT: u16 = 65_283;
    /// Private: a vault's 32-byte account.
    pub const VAULT: u16 = 65_284;
    /// Private: addresses are those of another name, looked up by the server.
    pub const ALIAS: u16 = 65_401;

    /// All types with their mnemonics.
    pub const ALL: [(u16, &str); 17] = [
        (A, "A"),
        (NS, "NS"),
        (CNAME, "CNAME"),
        (MX, "MX"),
        (TXT, "TXT"),
        (AAAA, "AAAA"),
        (SRV, "SRV"),
        (DS, "DS"),
        (TLSA, "TLSA"),
        (SVCB, "SVCB"),
        (HTTPS, "HTTPS"),
        (CAA, "CAA"),
        (SITE, "SITE"),
        (ONION, "ONION"),
        (ACCOUNT, "ACCOUNT"),
        (VAULT, "VAULT"),
        (ALIAS, "ALIAS"),
    ];

    /// Whether a zone may hold records of this type.
    pub fn is_known(rtype: u16) -> bool {
        mnemonic(rtype).is_some()
    }

    /// Whether only servers of `.cairn` know this type.
    pub fn is_private(rtype: u16) -> bool {
        (65_280..=65_534).contains(&rtype)
    }

    /// The type's name.
    pub fn mnemonic(rtype: u16) -> Option<&'static str> {
        ALL.iter().find(|(number, _)| *number == rtype).map(|(_, name)| *name)
    }

    /// The type of this name, in upper or lower case.
    pub fn from_mnemonic(name: &str) -> Option<u16> {
        ALL.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(number, _)| *number)
    }
}

/// Why data are not those of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RdataError {
    /// Not one of [`rr`].
    TypeUnknown,
    /// A name in the data is not absolute, not in lower case, or not a name.
    NameInvalid,
    /// More than [`RDATA_BYTES_MAX`] bytes.
    TooLong,
    /// Anything else about the form.
    Malformed,
}

impl core::fmt::Display for RdataError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::TypeUnknown => "not a type of record that a zone holds",
            Self::NameInvalid => {
                "a name in the data has labels of a-z, 0-9, '-' and '_' only (Unicode in punycode, as xn--...); '*' may stand for the first"
            },
            Self::TooLong => "the data have more than 1024 bytes",
            Self::Malformed => "the data are not of the type's form",
        })
    }
}

impl core::error::Error for RdataError {}

type Checked = Result<(), RdataError>;

fn ensure(holds: bool) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(RdataError::Malformed)
    }
}

/// Whether `data` are those of a record of type `rtype`.
///
/// # Errors
/// `TypeUnknown`, `NameInvalid` or `Malformed`.
pub fn check(rtype: u16, data: &[u8]) -> Result<(), RdataError> {
    if data.len() > RDATA_BYTES_MAX as usize {
        return Err(RdataError::TooLong);
    }
    match rtype {
        rr::A => ensure(data.len() == 4),
        rr::AAAA => ensure(data.len() == 16),
        rr::NS | rr::CNAME | rr::ALIAS => host(data),
        rr::MX => mx(data),
        rr::TXT => txt(data),
        rr::SRV => srv(data),
        rr::DS => ds(data),
        rr::TLSA => tlsa(data),
        rr::SVCB | rr::HTTPS => svcb(data),
        rr::CAA => caa(data),
        rr::SITE => site(data),
        rr::ONION | rr::ACCOUNT | rr::VAULT => ensure(data.len() == 32),
        _ => Err(RdataError::TypeUnknown),
    }
}

/// Reads data from the front.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], RdataError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(RdataError::Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    pub fn u8(&mut self) -> Result<u8, RdataError> {
        self.take(1)?.first().copied().ok_or(RdataError::Malformed)
    }

    pub fn u16(&mut self) -> Result<u16, RdataError> {
        Ok(u16::from_be_bytes([self.u8()?, self.u8()?]))
    }

    /// Bytes after their length in one byte.
    pub fn string(&mut self) -> Result<&'a [u8], RdataError> {
        let length = self.u8()?;
        self.take(length.into())
    }

    /// An absolute name with its root byte. `*` as its first label is a literal asterisk: a CNAME to the records that stand
    /// at a wildcard is what DANE does with it.
    pub fn name(&mut self) -> Result<&'a [u8], RdataError> {
        let start = self.0;
        let mut length = 0usize;
        loop {
            let label = self.string().map_err(|_| RdataError::NameInvalid)?;
            let is_wildcard = length == 0 && label == b"*";
            length += 1 + label.len();
            if label.len() > 63 || length > NAME_BYTES_MAX || !(is_label_text(label) || is_wildcard) {
                return Err(RdataError::NameInvalid);
            }
            if label.is_empty() {
                return start.get(..length).ok_or(RdataError::NameInvalid);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }
}

/// A name other than the root, and nothing after it.
fn host(data: &[u8]) -> Checked {
    let mut reader = Reader(data);
    let name = reader.name()?;
    ensure(reader.is_empty())?;
    if name.len() > 1 {
        Ok(())
    } else {
        Err(RdataError::NameInvalid)
    }
}

/// Preference and host; the root with preference 0 says "no mail" (RFC 7505).
fn mx(data: &[u8]) -> Checked {
    let mut reader = Reader(data);
    let preference = reader.u16()?;
    let name = reader.name()?;
    ensure(reader.is_empty() && (name.len() > 1 || preference == 0))
}

/// One or more strings.
fn txt(data: &[u8]) -> Checked {
    let mut reader = Reader(data);
    ensure(!reader.is_empty())?;
    while !reader.is_empty() {
        reader.string()?;
    }
    Ok(())
}

/// Priority, weight, port and host; the root says "no such service".
fn srv(data: &[u8]) -> Checked {
    let mut reader = Reader(data);
    reader.take(6)?;
    reader.name()?;
    ensure(reader.is_empty())
}

/// Key tag, algorithm, digest type (SHA-1, SHA-256 or SHA-384) and a digest of its length.
fn ds(data: &[u8]) -> Checked {
    let mut reader = Reader(data);
    reader.u16()?;
    ensure(reader.u8()? != 0)?;
    let digest_bytes = match reader.u8()? {
        1 => 20,
        2 => 32,
        4 => 48,
        _ => return Err(RdataError::Malformed),
    };
    ensure(reader.rest().len() == digest_bytes)
}

/// Usage, selector, matching type and data of that type's length.
fn tlsa(data: &[u8]) -> Checked {
    let mut reader = Reader(data);
    let (usage, selector, matching) = (reader.u8()?, reader.u8()?, reader.u8()?);
    ensure(usage <= 3 && selector <= 1)?;
    let association = reader.rest();
    match matching {
        0 => ensure(!association.is_empty()),
        1 => ensure(association.len() == 32),
        2 => ensure(association.len() == 64),
        _ => Err(RdataError::Malformed),
    }
}

/// Flags (only "critical"), a tag of 1 to 15 lower-case letters and digits, and a value.
fn caa(data: &[u8]) -> Checked {
    let mut reader = Reader(data);
    ensure(matches!(reader.u8()?, 0 | 128))?;
    let tag = reader.string()?;
    ensure((1..=15).contains(&tag.len()))?;
    ensure(tag.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9')))
}

/// A drive's id and a path without control characters.
fn site(data: &[u8]) -> Checked {
    let mut reader = Reader(data);
    reader.take(32)?;
    let path = core::str::from_utf8(reader.string()?).map_err(|_| RdataError::Malformed)?;
    ensure(reader.is_empty() && !path.chars().any(char::is_control))
}

/// Numbers of service parameters (RFC 9460, 14.3.2).
pub(crate) mod svc {
    pub const MANDATORY: u16 = 0;
    pub const ALPN: u16 = 1;
    pub const NO_DEFAULT_ALPN: u16 = 2;
    pub const PORT: u16 = 3;
    pub const IPV4HINT: u16 = 4;
    pub const ECH: u16 = 5;
    pub const IPV6HINT: u16 = 6;
    /// Template of a DNS-over-HTTPS resolver's address (RFC 9461).
    #[cfg(feature = "std")]
    pub const DOHPATH: u16 = 7;
    /// The service speaks Oblivious HTTP (RFC 9540); has no value.
    #[cfg(feature = "std")]
    pub const OHTTP: u16 = 8;
    /// Groups for the key exchange of TLS, each a 16-bit number.
    #[cfg(feature = "std")]
    pub const TLS_SUPPORTED_GROUPS: u16 = 9;
    /// "Invalid key", never used.
    pub const RESERVED: u16 = 65_535;
}

/// Priority, target, and parameters in strictly rising order; none in alias mode (priority 0).
fn svcb(data: &[u8]) -> Checked {
    let mut reader = Reader(data);
    let priority = reader.u16()?;
    reader.name()?;
    ensure(priority > 0 || reader.is_empty())?;
    let parameters = reader.0;
    let mut before: Option<u16> = None;
    let mut has_alpn = false;
    while !reader.is_empty() {
        let key = reader.u16()?;
        let length = reader.u16()?;
        let value = reader.take(length.into())?;
        ensure(before.is_none_or(|before| before < key) && key != svc::RESERVED)?;
        before = Some(key);
        has_alpn |= key == svc::ALPN;
        svcb_value(key, value, parameters, has_alpn)?;
    }
    Ok(())
}

fn svcb_value(key: u16, value: &[u8], parameters: &[u8], has_alpn: bool) -> Checked {
    match key {
        svc::MANDATORY => svcb_mandatory(value, parameters),
        svc::ALPN => {
            let mut reader = Reader(value);
            ensure(!reader.is_empty())?;
            while !reader.is_empty() {
                ensure(!reader.string()?.is_empty())?;
            }
            Ok(())
        },
        svc::NO_DEFAULT_ALPN => ensure(value.is_empty() && has_alpn),
        svc::PORT => ensure(value.len() == 2),
        svc::IPV4HINT => ensure(!value.is_empty() && value.len().is_multiple_of(4)),
        svc::IPV6HINT => ensure(!value.is_empty() && value.len().is_multiple_of(16)),
        svc::ECH => ensure(!value.is_empty()),
        _ => Ok(()),
    }
}

/// Keys in strictly rising order, not `mandatory` itself, each of which is among the parameters.
fn svcb_mandatory(value: &[u8], parameters: &[u8]) -> Checked {
    let mut keys = Reader(value);
    // Both lists rise: one walk over the parameters finds all keys.
    let mut present = Reader(parameters);
    ensure(!keys.is_empty())?;
    let mut before = svc::MANDATORY;
    while !keys.is_empty() {
        let key = keys.u16()?;
        ensure(before < key)?;
        before = key;
        loop {
            let found = present.u16()?;
            let length = present.u16()?;
            present.take(length.into())?;
            ensure(found <= key)?;
            if found == key {
                break;
            }
        }
    }
    Ok(())
}
