// SPDX-License-Identifier: Apache-2.0

use super::{Label, Zone};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Delegated subdomains of one name.
pub const SUBDOMAINS_MAX: u32 = 64;

/// Which zone: a name's own, or that of a subdomain of it which has its own owner.
#[derive(
    Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct ZoneKey {
    /// `blog` of `blog.cairn`.
    pub label: Label,
    /// `shop` of `shop.blog.cairn`; none for the name's own zone.
    pub subdomain: Option<Label>,
}

/// One zone of a name.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ResolvedZone {
    /// The delegated subdomain that it is the zone of; none for the name's own.
    pub subdomain: Option<Label>,
    /// Its records.
    pub zone: Zone,
}

/// All that a resolver needs of a name.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ResolvedName<AccountId> {
    /// Who owns the name.
    pub owner: AccountId,
    /// First block in which the registration is expired, and in grace.
    pub expires_at_block: u32,
    /// First block in which the registration is over.
    pub grace_until_block: u32,
    /// Number of the registration, unique on the chain: another one means that the name changed hands by a new
    /// registration.
    pub generation: u32,
    /// Counts the changes of this registration's zones.
    pub version: u32,
    /// The name's own zone first, then those of its delegated subdomains.
    pub zones: Vec<ResolvedZone>,
}
