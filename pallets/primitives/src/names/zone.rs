// SPDX-License-Identifier: Apache-2.0

use super::{rdata::rr, RelativeName, RrSet};
use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, Input, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Records in a zone.
pub const ZONE_RECORDS_MAX: u32 = 64;
/// Record sets in a zone: each has a record.
pub const ZONE_SETS_MAX: u32 = ZONE_RECORDS_MAX;
/// Bytes in a zone, as [`Zone::bytes`] counts them.
pub const ZONE_BYTES_MAX: u32 = 4_096;

/// Record sets of a zone to be, in any order, not yet checked.
pub type RrSets = BoundedVec<RrSet, ConstU32<ZONE_SETS_MAX>>;

/// All records of a name: sorted by name (canonical order) and type, one set each.
///
/// # Correctness
/// A `Zone` always satisfies [`Zone::check`]: every way to make or to change one ends with it, decoding as well.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, TypeInfo)]
pub struct Zone(RrSets);

/// The rule that a zone would break.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ZoneError {
    /// A record's data are not of its type's form.
    RecordInvalid,
    /// A name within a record's data is not absolute, not in lower case, or not a name.
    NameInvalid,
    /// A type that a zone doesn't hold.
    TypeUnknown,
    /// The same record twice in a set.
    RecordDuplicate,
    /// A set without records.
    RrSetEmpty,
    /// More records than a set of this type has.
    RrSetFull,
    /// Two sets of one name and type.
    RrSetDuplicate,
    /// The sets are not in order (of data that were encoded by other means than [`Zone`]).
    NotSorted,
    /// `CNAME` beside other types, or at the apex.
    CnameConflict,
    /// `ALIAS` beside `A` or `AAAA`, which it stands for.
    AliasConflict,
    /// `NS` at the apex, whose name servers are those of `.cairn`.
    NsAtApex,
    /// `NS` at a wildcard.
    NsAtWildcard,
    /// At a name with `NS` anything but `DS`, `A` and `AAAA`, or below one anything but `A` and `AAAA`.
    BelowDelegation,
    /// `DS` at a name without `NS`.
    DsWithoutNs,
    /// Time to live out of [`super::TTL_SECONDS_MIN`] to [`super::TTL_SECONDS_MAX`].
    TtlOutOfRange,
    /// More than [`ZONE_RECORDS_MAX`] records or [`ZONE_BYTES_MAX`] bytes.
    ZoneFull,
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RecordInvalid => "a record's data are not of its type's form",
            Self::NameInvalid => {
                "a name in a record's data has labels of a-z, 0-9, '-' and '_' only, and '*' as its first at most"
            },
            Self::TypeUnknown => "a zone does not hold records of this type",
            Self::RecordDuplicate => "the same record stands twice",
            Self::RrSetEmpty => "a record set has no record",
            Self::RrSetFull => "a name has one record of this type",
            Self::RrSetDuplicate => "two record sets of one name and type",
            Self::NotSorted => "the record sets are not in order",
            Self::CnameConflict => "CNAME stands alone at its name, and not at the apex (use ALIAS there)",
            Self::AliasConflict => "ALIAS stands for A and AAAA: not beside them",
            Self::NsAtApex => "the name servers of the apex are those of .cairn: NS stands below it",
            Self::NsAtWildcard => "NS does not stand at a wildcard",
            Self::BelowDelegation => "at a name with NS stand only DS, A and AAAA, below it only A and AAAA",
            Self::DsWithoutNs => "DS stands only where NS does",
            Self::TtlOutOfRange => "the time to live is 60 to 604800 seconds",
            Self::ZoneFull => "a zone holds at most 64 records and 4096 bytes",
        })
    }
}

impl core::error::Error for ZoneError {}

impl Zone {
    /// A zone of these sets, which may come in any order.
    ///
    /// # Errors
    /// The first rule that is broken; `ZoneFull` for more than [`ZONE_SETS_MAX`] sets.
    pub fn from_sets(sets: Vec<RrSet>) -> Result<Self, ZoneError> {
        let mut sets = RrSets::try_from(sets).map_err(|_| ZoneError::ZoneFull)?;
        sets.sort_by(|a, b| (&a.name, a.rtype).cmp(&(&b.name, b.rtype)));
        let zone = Self(sets);
        zone.check()?;
        Ok(zone)
    }

    /// Whether the sets make a zone that can be served.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), ZoneError> {
        let (mut records, mut bytes) = (0u32, 0u32);
        for set in &self.0 {
            set.check()?;
            records = records.saturating_add(set.records());
            bytes = bytes.saturating_add(set.bytes());
        }
        for pair in self.0.windows(2) {
            let [before, after] = pair else { continue };
            match (&before.name, before.rtype).cmp(&(&after.name, after.rtype)) {
                core::cmp::Ordering::Less => {},
                core::cmp::Ordering::Equal => return Err(ZoneError::RrSetDuplicate),
                core::cmp::Ordering::Greater => return Err(ZoneError::NotSorted),
            }
        }
        // Sorted from here on: a name's sets are neighbours, and so are the names below one.
        let mut delegation: Option<&RelativeName> = None;
        for sets in self.0.chunk_by(|a, b| a.name == b.name) {
            let Some(first) = sets.first() else { continue };
            let name = &first.name;
            Self::check_name(name, sets)?;
            if let Some(cut) = delegation.filter(|cut| name.is_at_or_below(cut)) {
                let glue = |set: &RrSet| matches!(set.rtype, rr::A | rr::AAAA);
                if name.is_wildcard() || !sets.iter().all(glue) {
                    return Err(ZoneError::BelowDelegation);
                }
                delegation = Some(cut);
            } else {
                delegation = sets.iter().any(|set| set.rtype == rr::NS).then_some(name);
            }
        }
        if records > ZONE_RECORDS_MAX || bytes > ZONE_BYTES_MAX {
            return Err(ZoneError::ZoneFull);
        }
        Ok(())
    }

    /// The rules for the types at one name.
    fn check_name(name: &RelativeName, sets: &[RrSet]) -> Result<(), ZoneError> {
        let has = |rtype: u16| sets.iter().any(|set| set.rtype == rtype);
        if has(rr::CNAME) && (sets.len() > 1 || name.is_apex()) {
            return Err(ZoneError::CnameConflict);
        }
        if has(rr::ALIAS) && (has(rr::A) || has(rr::AAAA)) {
            return Err(ZoneError::AliasConflict);
        }
        if has(rr::NS) {
            if name.is_apex() {
                return Err(ZoneError::NsAtApex);
            }
            if name.is_wildcard() {
                return Err(ZoneError::NsAtWildcard);
            }
            if !sets.iter().all(|set| matches!(set.rtype, rr::NS | rr::DS | rr::A | rr::AAAA)) {
                return Err(ZoneError::BelowDelegation);
            }
        } else if has(rr::DS) {
            return Err(ZoneError::DsWithoutNs);
        }
        Ok(())
    }

    /// Puts in a set, in place of the one of its name and type if there is one.
    ///
    /// # Errors
    /// The rule that the zone would break; the zone is then as it was.
    pub fn set(&mut self, set: RrSet) -> Result<(), ZoneError> {
        let mut changed = self.clone();
        match changed.position(&set.name, set.rtype) {
            Ok(at) => {
                if let Some(place) = changed.0.get_mut(at) {
                    *place = set;
                }
            },
            Err(at) => changed.0.try_insert(at, set).map_err(|_| ZoneError::ZoneFull)?,
        }
        changed.check()?;
        *self = changed;
        Ok(())
    }

    /// Takes out the set of this name and type, and says whether there was one. With `NS` goes the `DS` of its name,
    /// which means nothing without it.
    pub fn clear(&mut self, name: &RelativeName, rtype: u16) -> bool {
        let Ok(at) = self.position(name, rtype) else { return false };
        self.0.remove(at);
        if rtype == rr::NS {
            self.0.retain(|set| set.name != *name || set.rtype != rr::DS);
        }
        true
    }

    /// The set of this name and type.
    pub fn get(&self, name: &RelativeName, rtype: u16) -> Option<&RrSet> {
        self.0.get(self.position(name, rtype).ok()?)
    }

    fn position(&self, name: &RelativeName, rtype: u16) -> Result<usize, usize> {
        self.0.binary_search_by(|set| (&set.name, set.rtype).cmp(&(name, rtype)))
    }

    /// All sets, by name and type.
    pub fn rrsets(&self) -> &[RrSet] {
        &self.0
    }

    /// All names that have records, each once, in canonical order.
    pub fn names(&self) -> impl Iterator<Item = &RelativeName> {
        self.0.chunk_by(|a, b| a.name == b.name).filter_map(|sets| sets.first().map(|set| &set.name))
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of records; at most [`ZONE_RECORDS_MAX`].
    pub fn records(&self) -> u32 {
        self.0.iter().map(RrSet::records).sum()
    }

    /// What the records take, as [`RrSet::bytes`] counts; at most [`ZONE_BYTES_MAX`]. The SCALE encoding is at most 2
    /// bytes longer.
    pub fn bytes(&self) -> u32 {
        self.0.iter().map(RrSet::bytes).sum()
    }
}

impl Decode for Zone {
    fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
        let zone = Self(RrSets::decode(input)?);
        zone.check().map_err(|_| codec::Error::from("not a valid zone"))?;
        Ok(zone)
    }
}

impl DecodeWithMemTracking for Zone {}

impl MaxEncodedLen for Zone {
    fn max_encoded_len() -> usize {
        // The number of sets takes 2 bytes at most (64 and more would need them).
        ZONE_BYTES_MAX as usize + 2
    }
}
