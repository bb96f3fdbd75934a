// SPDX-License-Identifier: Apache-2.0

//! What the pallet stores.

use crate::Config;
use cairn_primitives::names::{Label, RrSet, ZONE_SETS_MAX};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
    traits::{fungible::Inspect, ConstU32},
    BoundedVec,
};
use frame_system::pallet_prelude::BlockNumberFor;
use scale_info::TypeInfo;

/// Amounts of the native coin.
pub type BalanceOf<T> = <<T as Config>::NativeBalance as Inspect<<T as frame_system::Config>::AccountId>>::Balance;
/// A name's registration.
pub type RegistrationOf<T> = Registration<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;
/// A subdomain's delegation.
pub type SubdomainInfoOf<T> = SubdomainInfo<<T as frame_system::Config>::AccountId, BalanceOf<T>>;
/// A commitment.
pub type CommitmentOf<T> = Commitment<BalanceOf<T>, BlockNumberFor<T>>;
/// A primary name.
pub type PrimaryNameOf<T> = PrimaryName<BalanceOf<T>>;

/// Bytes that may be a label; the call says `LabelInvalid` when they aren't.
pub type LabelBytes = BoundedVec<u8, ConstU32<{ cairn_primitives::names::LABEL_BYTES_MAX }>>;
/// Record sets that may make a zone; the call says which rule they break when they don't.
pub type Records = BoundedVec<RrSet, ConstU32<ZONE_SETS_MAX>>;
/// Hash that hides a claim: [`cairn_primitives::names::commitment_hash`].
pub type CommitmentHash = [u8; 32];
/// Key of the expiry queue: the block of expiry, big-endian, so that keys are in the order of blocks.
pub type ExpiryKey = [u8; 8];

/// Years of the longest term.
pub const TERM_YEARS_MAX: u8 = 10;
/// Labels shorter than this are registered only by whom governance reserved them for.
pub const OPEN_LABEL_BYTES_MIN: usize = 3;
/// Premium at the end of grace, in yearly prices.
pub const PREMIUM_YEARS: u32 = 10_000;
/// After so many halvings the premium is gone.
pub const PREMIUM_HALVINGS: u32 = 14;

/// How many times the base price a label costs a year.
pub fn price_factor(label: &Label) -> u32 {
    match label.as_bytes().len() {
        0..=3 => 128,
        4 => 32,
        _ => 1,
    }
}

/// A claim to some name that isn't revealed yet.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Commitment<Balance, BlockNumber> {
    /// Block in which it was made.
    pub committed_at: BlockNumber,
    /// Held of its account.
    pub deposit: Balance,
}

/// Who has a name, and until when.
///
/// Correct only together with the current block: an entry may outlive what it says (see the pallet's documentation).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Registration<AccountId, Balance, BlockNumber> {
    /// May do everything; of it `zone_deposit` is held, and the deposits of the name's delegations.
    pub owner: AccountId,
    /// May change records and delegations, too.
    pub manager: Option<AccountId>,
    /// Becomes the owner by accepting.
    pub pending_transfer: Option<AccountId>,
    /// First block of the registration.
    pub registered_at: BlockNumber,
    /// First block after the term.
    pub expires_at: BlockNumber,
    /// Number of this registration, unique on the chain: what hangs on another is dead.
    pub generation: u32,
    /// One more with every change of what a resolver would answer.
    pub version: u32,
    /// Held of the owner for the name's own zone.
    pub zone_deposit: Balance,
    /// Number of delegated subdomains.
    pub subdomains: u32,
}

/// A subdomain that has an owner and a zone of its own.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct SubdomainInfo<AccountId, Balance> {
    /// May change the subdomain's records; of it `zone_deposit` is held.
    pub owner: AccountId,
    /// The registration by which it was delegated. When that is over, the subdomain is dead.
    pub generation: u32,
    /// Of whom `deposit` is held: while the registration lasts, the name's owner.
    pub payer: AccountId,
    /// For this entry.
    pub deposit: Balance,
    /// For the subdomain's zone.
    pub zone_deposit: Balance,
}

/// The name that an account goes by, as the account says; the zone must say so as well.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct PrimaryName<Balance> {
    /// The name.
    pub label: Label,
    /// The registration that it was chosen under.
    pub generation: u32,
    /// Held of the account.
    pub deposit: Balance,
}

/// Who may register a reserved label.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub enum Reservation<AccountId> {
    /// Nobody.
    Nobody,
    /// This account alone, on the terms that hold for everyone.
    For(AccountId),
}

/// Where a registration is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase<BlockNumber> {
    /// Within its term.
    Active,
    /// Expired; only the owner may renew.
    Grace,
    /// Over, and the name can be had at a premium, which falls since so many blocks.
    Premium(BlockNumber),
    /// Over, and so is the premium.
    Over,
}

/// Labels that nobody can register unless governance changes it: names that resolvers, browsers and operating systems treat
/// in their own ways (RFC 6761, RFC 6762, RFC 8375), names of the protocols around name resolution that would turn
/// misconfigured machines' traffic to whoever had them, and this chain's own.
pub const RESERVED_LABELS: [&str; 32] = [
    "alt",
    "arpa",
    "autoconfig",
    "autodiscover",
    "broadcasthost",
    "cairn",
    "corp",
    "domain",
    "example",
    "gateway",
    "home",
    "internal",
    "intranet",
    "invalid",
    "isatap",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "mail",
    "nic",
    "onion",
    "private",
    "registry",
    "relay",
    "root",
    "test",
    "vault",
    "whois",
    "wpad",
    "www",
    "xn--0zwm56d",
];
