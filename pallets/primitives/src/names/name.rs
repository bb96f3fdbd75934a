// SPDX-License-Identifier: Apache-2.0

use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, Input, MaxEncodedLen};
use core::{cmp::Ordering, fmt, str::FromStr};
use scale_info::TypeInfo;

/// Labels of the longest relative name.
pub const RELATIVE_LABELS_MAX: usize = 4;

/// Bytes of the longest relative name in wire form. With the longest label and the longest delegated subdomain above it
/// (64 bytes each), `cairn` (6) and the root (1) it makes 255, the most that DNS allows: so every name that can be
/// stored can be asked for.
pub const RELATIVE_NAME_BYTES_MAX: u32 = 255 - 64 - 64 - 6 - 1;

/// A name below a zone's apex, in DNS wire form without the root byte: `b""` is the apex, `b"\x03www"` is `www`.
///
/// At most [`RELATIVE_LABELS_MAX`] labels of 1 to 63 bytes of `[a-z0-9_-]`; the leftmost may be `*` instead. At most
/// [`RELATIVE_NAME_BYTES_MAX`] in all. The order is DNSSEC's canonical one (RFC 4034, 6.1): by labels from the right, so
/// that a name is followed by all that is below it.
#[derive(Clone, PartialEq, Eq, Default, Encode, TypeInfo, MaxEncodedLen)]
pub struct RelativeName(Wire);

type Wire = BoundedVec<u8, ConstU32<RELATIVE_NAME_BYTES_MAX>>;

/// Why something is not a [`RelativeName`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NameError {
    /// An empty label, or one that promises more bytes than there are.
    LabelLengthInvalid,
    /// A byte other than `a` to `z`, `0` to `9`, `_` and `-`; or `*` that isn't the whole leftmost label.
    ByteInvalid,
    /// More than [`RELATIVE_LABELS_MAX`] labels.
    TooManyLabels,
    /// More than [`RELATIVE_NAME_BYTES_MAX`] bytes.
    TooLong,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LabelLengthInvalid => f.write_str("each label of a name has 1 to 63 characters"),
            Self::ByteInvalid => {
                f.write_str("a name is made of a-z, 0-9, '_' and '-'; '*' may stand for the leftmost label")
            },
            Self::TooManyLabels => write!(f, "a name has at most {RELATIVE_LABELS_MAX} labels below the zone"),
            Self::TooLong => write!(f, "a name has at most {RELATIVE_NAME_BYTES_MAX} bytes below the zone"),
        }
    }
}

impl core::error::Error for NameError {}

/// Whether a label's bytes are those of DNS host and service names, in lower case.
pub(crate) fn is_label_text(label: &[u8]) -> bool {
    label.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

impl RelativeName {
    /// The zone's own name.
    pub fn apex() -> Self {
        Self::default()
    }

    /// From wire form without the root byte.
    ///
    /// # Errors
    /// The rule that `wire` breaks.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        Self::check(wire)?;
        BoundedVec::try_from(wire.to_vec()).map(Self).map_err(|_| NameError::TooLong)
    }

    /// From text as in `www.a`; the empty text and `@` are the apex. Upper case is refused.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut wire = Wire::new();
        if !matches!(text, "" | "@") {
            for label in text.split('.') {
                let length = u8::try_from(label.len()).map_err(|_| NameError::LabelLengthInvalid)?;
                wire.try_push(length).map_err(|_| NameError::TooLong)?;
                wire.try_extend(label.bytes()).map_err(|()| NameError::TooLong)?;
            }
        }
        Self::check(&wire)?;
        Ok(Self(wire))
    }

    fn check(wire: &[u8]) -> Result<(), NameError> {
        if wire.len() > RELATIVE_NAME_BYTES_MAX as usize {
            return Err(NameError::TooLong);
        }
        let (mut rest, mut count) = (wire, 0);
        while let Some((length, after)) = rest.split_first() {
            let length = usize::from(*length);
            if length == 0 || length > 63 || length > after.len() {
                return Err(NameError::LabelLengthInvalid);
            }
            let (label, after) = after.split_at(length);
            if !(is_label_text(label) || count == 0 && label == b"*") {
                return Err(NameError::ByteInvalid);
            }
            count += 1;
            if count > RELATIVE_LABELS_MAX {
                return Err(NameError::TooManyLabels);
            }
            rest = after;
        }
        Ok(())
    }

    /// The wire form without the root byte.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the zone's own name.
    pub fn is_apex(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the leftmost label is `*`.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }

    /// The labels from the leftmost on.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest: &[u8] = &self.0;
        core::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let (label, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            Some(label)
        })
    }

    /// The label next to the apex: `a` of `www.a`; none at the apex.
    pub fn top_label(&self) -> Option<&[u8]> {
        self.labels().last()
    }

    /// Whether this is `other` or a name below it. Every name is at or below the apex.
    pub fn is_at_or_below(&self, other: &Self) -> bool {
        let mut rest: &[u8] = &self.0;
        loop {
            if rest == other.as_wire() {
                return true;
            }
            let Some((length, after)) = rest.split_first() else { return false };
            let Some(after) = after.get(usize::from(*length)..) else { return false };
            rest = after;
        }
    }

    fn labels_from_right(&self) -> impl Iterator<Item = &[u8]> {
        let mut labels: [&[u8]; RELATIVE_LABELS_MAX] = [&[]; RELATIVE_LABELS_MAX];
        let mut count = 0;
        for (slot, label) in labels.iter_mut().zip(self.labels()) {
            *slot = label;
            count += 1;
        }
        labels.into_iter().take(count).rev()
    }
}

impl Ord for RelativeName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.labels_from_right().cmp(other.labels_from_right())
    }
}

impl PartialOrd for RelativeName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl core::hash::Hash for RelativeName {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.as_wire().hash(state);
    }
}

impl FromStr for RelativeName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl Decode for RelativeName {
    fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
        let wire = Wire::decode(input)?;
        Self::check(&wire).map_err(|_| codec::Error::from("not a relative name"))?;
        Ok(Self(wire))
    }
}

impl DecodeWithMemTracking for RelativeName {}

/// As text: `www.a`, and `@` for the apex.
impl fmt::Display for RelativeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_apex() {
            return f.write_str("@");
        }
        for (at, label) in self.labels().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            f.write_str(core::str::from_utf8(label).unwrap_or_default())?;
        }
        Ok(())
    }
}

impl fmt::Debug for RelativeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelativeName({self})")
    }
}
