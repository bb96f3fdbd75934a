// SPDX-License-Identifier: Apache-2.0

//! What is known about an API, and its rules. Nothing here knows of a chain.

use ink::{
    prelude::{string::String, vec::Vec},
    primitives::AccountId,
};

use crate::{quality::Quality, Balance, Bytes32, Error, Result};

const NAME_LEN_MAX: usize = 64;
const ENDPOINTS_MAX: usize = 8;
const ENDPOINT_LEN_MAX: usize = 256;
const TAGS_MAX: usize = 8;
const TAG_LEN_MAX: usize = 32;
const DOCUMENT_LEN_MAX: usize = 256;
const CAIRN_NAME_LEN_MAX: usize = 128;
const METHODS_MAX: usize = 64;
const METHOD_NAME_LEN_MAX: usize = 96;
const METHOD_UNITS_MAX: u32 = 1_000_000;
const BPS_MAX: u16 = 10_000;
/// Nobody waits longer for an answer.
pub const LATENCY_MS_MAX: u32 = 600_000;

/// What a provider promises. Nothing is enforced by it; it is what `Quality` is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub struct Sla {
    /// 95 of 100 answers come within this time.
    pub p95_ms: u32,
    /// Share of calls that succeed, in 1/10,000.
    pub availability_bps: u16,
}

/// What a provider tells of its API, and may change at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub struct Listing {
    /// A `.cairn` name that the provider says is its own. To be checked at the name's zone.
    pub cairn_name: Option<String>,
    /// BLAKE3 of the OpenAPI document.
    pub openapi_hash: Bytes32,
    /// Where the document is: a drive and path, or a URL.
    pub document: String,
    /// Where the API is: URLs, `.cairn` names or hidden services.
    pub endpoints: Vec<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Units that each consumer has for nothing, in all.
    pub free_units: u64,
    /// What is promised.
    pub sla: Sla,
}

/// Something that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub struct Method {
    /// As the OpenAPI document has it: `GET /names/{name}`.
    pub name: String,
    /// What a call costs, in units.
    pub units: u32,
    /// The same request always has the same response. Two signed answers that differ cost the bond.
    pub deterministic: bool,
}

/// What is needed to list an API.
#[derive(Clone, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub struct NewApi {
    /// Several providers may offer an API of the same name.
    pub name: String,
    /// What is told of it.
    pub listing: Listing,
    /// What can be called.
    pub methods: Vec<Method>,
    /// Price of a unit, in plancks.
    pub unit_price: Balance,
    /// Public key (sr25519) that signs answers.
    pub answer_key: Bytes32,
}

/// Whether an API can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub enum Status {
    /// It can.
    Active,
    /// Not for now.
    Paused,
    /// Never again.
    Retired {
        /// Since when, in milliseconds since 1970.
        at_ms: u64,
    },
}

/// What redemptions and disputes need of an API: short, since each of them reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub struct Terms {
    /// Who is paid.
    pub provider: AccountId,
    /// Its name.
    pub name: String,
    /// Whether it can be called.
    pub status: Status,
    /// Price of a unit, in plancks.
    pub unit_price: Balance,
    /// The next price, and from when it holds.
    pub next_price: Option<(Balance, u64)>,
    /// What the provider loses when it contradicts itself.
    pub bond: Balance,
    /// Public key that signs answers.
    pub answer_key: Bytes32,
    /// The key before, and until when it is liable.
    pub old_answer_key: Option<(Bytes32, u64)>,
}

/// Everything about an API.
#[derive(Clone, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub struct Api {
    pub provider: AccountId,
    pub name: String,
    pub status: Status,
    pub unit_price: Balance,
    pub next_price: Option<(Balance, u64)>,
    pub bond: Balance,
    pub answer_key: Bytes32,
    pub old_answer_key: Option<(Bytes32, u64)>,
    pub listing: Listing,
    pub methods: Vec<Method>,
}

/// What a list shows of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub struct Brief {
    pub api: u32,
    pub provider: AccountId,
    pub name: String,
    pub status: Status,
    pub unit_price: Balance,
    pub next_price: Option<(Balance, u64)>,
    pub bond: Balance,
    pub quality: Quality,
}

impl NewApi {
    pub fn check(&self) -> Result<()> {
        let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.';
        if self.name.is_empty() || self.name.len() > NAME_LEN_MAX || !self.name.bytes().all(fits) {
            return Err(Error::BadName);
        }
        self.listing.check()?;
        check_methods(&[], &self.methods)
    }
}

impl Listing {
    pub fn check(&self) -> Result<()> {
        let all = |list: &[String], most: usize, len_max: usize| {
            list.len() <= most && list.iter().all(|text| !text.is_empty() && text.len() <= len_max)
        };
        if !all(&self.endpoints, ENDPOINTS_MAX, ENDPOINT_LEN_MAX)
            || !all(&self.tags, TAGS_MAX, TAG_LEN_MAX)
            || self.document.len() > DOCUMENT_LEN_MAX
            || self.cairn_name.as_ref().is_some_and(|name| name.len() > CAIRN_NAME_LEN_MAX)
        {
            return Err(Error::ListingTooLong);
        }
        if self.sla.availability_bps > BPS_MAX || self.sla.p95_ms > LATENCY_MS_MAX {
            return Err(Error::BadSla);
        }
        Ok(())
    }
}

/// Whether methods can be added to those there are.
pub fn check_methods(present: &[Method], more: &[Method]) -> Result<()> {
    if present.len().saturating_add(more.len()) > METHODS_MAX {
        return Err(Error::TooManyMethods);
    }
    let fits = |method: &Method| {
        !method.name.is_empty()
            && method.name.len() <= METHOD_NAME_LEN_MAX
            && (1..=METHOD_UNITS_MAX).contains(&method.units)
    };
    if more.iter().all(fits) {
        Ok(())
    } else {
        Err(Error::BadMethod)
    }
}

impl Terms {
    pub fn is_retired(&self) -> bool {
        matches!(self.status, Status::Retired { .. })
    }

    pub fn check_not_retired(&self) -> Result<()> {
        if self.is_retired() {
            return Err(Error::Retired);
        }
        Ok(())
    }

    /// Makes the next price the present one, once its time has come.
    pub fn advance(&mut self, now: u64) {
        if let Some((price, from)) = self.next_price {
            if from <= now {
                (self.unit_price, self.next_price) = (price, None);
            }
        }
    }

    /// A lower price holds at once, a higher one after a notice. Answers from when.
    pub fn set_price(&mut self, price: Balance, now: u64, notice_ms: u64) -> Result<u64> {
        self.check_not_retired()?;
        self.advance(now);
        if price <= self.unit_price {
            (self.unit_price, self.next_price) = (price, None);
            return Ok(now);
        }
        let from = now.saturating_add(notice_ms);
        self.next_price = Some((price, from));
        Ok(from)
    }

    /// Replaces the answer key. The old one stays liable for a while.
    pub fn set_answer_key(&mut self, key: Bytes32, now: u64, liable_ms: u64) -> Result<Bytes32> {
        self.check_not_retired()?;
        if self.old_answer_key.is_some_and(|(_, until)| until > now) {
            return Err(Error::KeyChangedLately);
        }
        let old = core::mem::replace(&mut self.answer_key, key);
        self.old_answer_key = Some((old, now.saturating_add(liable_ms)));
        Ok(old)
    }

    /// Whether a key's word binds the provider.
    pub fn is_liable(&self, key: &Bytes32, now: u64) -> bool {
        self.answer_key == *key || self.old_answer_key.is_some_and(|(old, until)| old == *key && until > now)
    }
}
