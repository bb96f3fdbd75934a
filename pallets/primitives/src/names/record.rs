// SPDX-License-Identifier: Apache-2.0

use super::{
    rdata::{self, rr, RdataError, RDATA_BYTES_MAX},
    zone::ZoneError,
    RelativeName,
};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Records of one set.
pub const RRSET_RECORDS_MAX: u32 = 8;
/// The shortest time that others may keep a record.
pub const TTL_SECONDS_MIN: u32 = 60;
/// The longest time that others may keep a record: a week.
pub const TTL_SECONDS_MAX: u32 = 604_800;

/// What a set takes of its zone's bytes beside its name and its records: the lengths of name and list, type and TTL.
const SET_BYTES: u32 = 2 + 2 + 4 + 1;
/// What a record takes of its zone's bytes beside its data: its length.
const RECORD_BYTES: u32 = 2;

/// One record's data in DNS wire form: uncompressed; names in it absolute and in lower case.
pub type Rdata = BoundedVec<u8, ConstU32<RDATA_BYTES_MAX>>;

/// All records of one type at one name.
///
/// What was decoded is bounded and its name is valid; whether its records are, [`RrSet::check`] says. (A call takes sets
/// like this, so that it can answer with the rule that is broken. In a [`super::Zone`] all sets are valid.)
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct RrSet {
    /// Where, below the zone's apex.
    pub name: RelativeName,
    /// Which type: one of [`rr`].
    pub rtype: u16,
    /// How long others may keep it: [`TTL_SECONDS_MIN`] to [`TTL_SECONDS_MAX`].
    pub ttl_seconds: u32,
    /// 1 to [`RRSET_RECORDS_MAX`] records, no two alike.
    pub rdata: BoundedVec<Rdata, ConstU32<RRSET_RECORDS_MAX>>,
}

impl RrSet {
    /// Whether the set is valid by itself.
    ///
    /// # Errors
    /// `TypeUnknown`, `TtlOutOfRange`, `RrSetEmpty`, `RrSetFull` (more than one record of a type of which a name has one),
    /// `RecordInvalid`, `NameInvalid`, `RecordDuplicate`.
    pub fn check(&self) -> Result<(), ZoneError> {
        if !rr::is_known(self.rtype) {
            return Err(ZoneError::TypeUnknown);
        }
        if !(TTL_SECONDS_MIN..=TTL_SECONDS_MAX).contains(&self.ttl_seconds) {
            return Err(ZoneError::TtlOutOfRange);
        }
        if self.rdata.is_empty() {
            return Err(ZoneError::RrSetEmpty);
        }
        if self.rdata.len() > 1 && matches!(self.rtype, rr::CNAME | rr::ALIAS) {
            return Err(ZoneError::RrSetFull);
        }
        for (at, data) in self.rdata.iter().enumerate() {
            rdata::check(self.rtype, data).map_err(|error| match error {
                RdataError::TypeUnknown => ZoneError::TypeUnknown,
                RdataError::NameInvalid => ZoneError::NameInvalid,
                RdataError::Malformed | RdataError::TooLong => ZoneError::RecordInvalid,
            })?;
            if self.rdata.iter().take(at).any(|other| other == data) {
                return Err(ZoneError::RecordDuplicate);
            }
        }
        Ok(())
    }

    /// Number of records.
    pub fn records(&self) -> u32 {
        self.rdata.len() as u32
    }

    /// What the set counts towards [`super::ZONE_BYTES_MAX`]: its name's bytes and 9 more, and for each record its bytes
    /// and 2 more. Never less than its SCALE encoding.
    pub fn bytes(&self) -> u32 {
        let records: u32 = self.rdata.iter().map(|data| data.len() as u32 + RECORD_BYTES).sum();
        SET_BYTES + self.name.as_wire().len() as u32 + records
    }
}
