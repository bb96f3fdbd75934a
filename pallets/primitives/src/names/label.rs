// SPDX-License-Identifier: Apache-2.0

use alloc::string::String;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, Input, MaxEncodedLen};
use core::{fmt, str::FromStr};
use scale_info::TypeInfo;

/// Bytes of the longest label (RFC 1035, 2.3.4).
pub const LABEL_BYTES_MAX: u32 = 63;

/// The one label that is registered: `blog` of `blog.cairn`.
///
/// `[a-z0-9-]`, 1 to [`LABEL_BYTES_MAX`] bytes, no hyphen at an edge; `--` only as bytes 3 and 4 of a label that starts
/// with `xn--` (RFC 5891, 4.2.3.1). Unicode is written in punycode; whether the punycode itself is well formed is the
/// client's to check.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Encode, TypeInfo, MaxEncodedLen)]
pub struct Label(BoundedVec<u8, ConstU32<LABEL_BYTES_MAX>>);

/// Why bytes are not a [`Label`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LabelError {
    /// There are none.
    Empty,
    /// More than [`LABEL_BYTES_MAX`].
    TooLong,
    /// A byte other than `a` to `z`, `0` to `9` and `-`.
    ByteInvalid,
    /// The first or the last byte is a hyphen.
    HyphenAtEdge,
    /// `--` elsewhere than in a leading `xn--`.
    HyphensInRow,
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a label has at least one character",
            Self::TooLong => "a label has at most 63 characters",
            Self::ByteInvalid => "a label is made of a-z, 0-9 and '-' (Unicode in punycode, as xn--...)",
            Self::HyphenAtEdge => "a label does not begin or end with '-'",
            Self::HyphensInRow => "'--' stands only in a leading 'xn--'",
        })
    }
}

impl core::error::Error for LabelError {}

impl Label {
    /// The label's bytes, all ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn check(bytes: &[u8]) -> Result<(), LabelError> {
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return Err(LabelError::Empty) };
        if bytes.len() > LABEL_BYTES_MAX as usize {
            return Err(LabelError::TooLong);
        }
        if !bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            return Err(LabelError::ByteInvalid);
        }
        if *first == b'-' || *last == b'-' {
            return Err(LabelError::HyphenAtEdge);
        }
        let punycode = bytes.starts_with(b"xn--");
        if bytes.windows(2).enumerate().any(|(at, pair)| pair == b"--" && !(punycode && at == 2)) {
            return Err(LabelError::HyphensInRow);
        }
        Ok(())
    }
}

impl TryFrom<&[u8]> for Label {
    type Error = LabelError;

    fn try_from(bytes: &[u8]) -> Result<Self, LabelError> {
        Self::check(bytes)?;
        BoundedVec::try_from(bytes.to_vec()).map(Self).map_err(|_| LabelError::TooLong)
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        text.as_bytes().try_into()
    }
}

impl Decode for Label {
    fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
        let bytes = BoundedVec::decode(input)?;
        Self::check(&bytes).map_err(|_| codec::Error::from("not a label"))?;
        Ok(Self(bytes))
    }
}

impl DecodeWithMemTracking for Label {}

impl core::hash::Hash for Label {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({})", self.as_str())
    }
}

impl serde::Serialize for Label {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Label {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
