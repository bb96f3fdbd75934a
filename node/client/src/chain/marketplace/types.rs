// SPDX-License-Identifier: Apache-2.0

//! The marketplace's types, field by field as its DESIGN.md lists them. Money in plancks, times in milliseconds since 1970,
//! shares in basis points.

use codec::{Decode, Encode};

use crate::AccountId;

/// An account as the contract writes it.
pub type Account32 = [u8; 32];

/// What an API promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Sla {
    /// Nineteen of twenty calls take no longer, in milliseconds.
    pub p95_ms: u32,
    /// Share of the time that it can be reached.
    pub availability_bps: u16,
}

/// A method that can be called.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Method {
    /// Its name: the document's `operationId`.
    pub name: String,
    /// Compute units that one call takes.
    pub units: u32,
    /// The same request has the same answer.
    pub deterministic: bool,
}

/// What can be changed of an API at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Listing {
    /// A `.cairn` name that the API claims.
    pub cairn_name: Option<String>,
    /// Hash (blake3) of the OpenAPI document.
    pub openapi_hash: [u8; 32],
    /// Where the document is: a link into a drive, or a URL.
    pub document: String,
    /// Base URLs.
    pub endpoints: Vec<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Units that each consumer has for nothing.
    pub free_units: u64,
    /// What it promises.
    pub sla: Sla,
}

/// An API that is to be listed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewApi {
    /// Its name; several providers may offer one.
    pub name: String,
    /// What can be changed later.
    pub listing: Listing,
    /// What can be called.
    pub methods: Vec<Method>,
    /// Price of a unit.
    pub unit_price: u128,
    /// Public key that answers are signed with.
    pub answer_key: [u8; 32],
}

/// Whether an API can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Status {
    /// It can.
    Active,
    /// Not now.
    Paused,
    /// Never again.
    Retired {
        /// Since when.
        at_ms: u64,
    },
}

/// An API that is listed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Api {
    /// Who is paid.
    pub provider: Account32,
    /// Its name.
    pub name: String,
    /// Whether it can be called.
    pub status: Status,
    /// Price of a unit.
    pub unit_price: u128,
    /// A price that comes, and when.
    pub next_price: Option<(u128, u64)>,
    /// What is at stake.
    pub bond: u128,
    /// Public key that answers are signed with.
    pub answer_key: [u8; 32],
    /// The key before, and until when it is liable.
    pub old_answer_key: Option<([u8; 32], u64)>,
    /// What can be changed at any time.
    pub listing: Listing,
    /// What can be called.
    pub methods: Vec<Method>,
}

/// An API in a list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Brief {
    /// Its number.
    pub api: u32,
    /// Who is paid.
    pub provider: Account32,
    /// Its name.
    pub name: String,
    /// Whether it can be called.
    pub status: Status,
    /// Price of a unit.
    pub unit_price: u128,
    /// A price that comes, and when.
    pub next_price: Option<(u128, u64)>,
    /// What is at stake.
    pub bond: u128,
    /// What was paid, attested and rated.
    pub quality: Quality,
}

/// The price of a unit that holds now; a raise that has come due is not yet in `unit_price`.
pub fn price_at(unit_price: u128, next_price: Option<(u128, u64)>, now_ms: u64) -> u128 {
    match next_price {
        Some((next, from_ms)) if now_ms >= from_ms => next,
        _ => unit_price,
    }
}

/// A plan that is to be offered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewPlan {
    /// Its name.
    pub name: String,
    /// Price of a period.
    pub price: u128,
    /// Length of a period, in milliseconds.
    pub period_ms: u64,
    /// Units in a period.
    pub units: u64,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MarketPlan {
    /// Its name.
    pub name: String,
    /// Price of a period.
    pub price: u128,
    /// Length of a period, in milliseconds.
    pub period_ms: u64,
    /// Units in a period.
    pub units: u64,
    /// Whether it can be had.
    pub open: bool,
}

/// A consumer's subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Subscription {
    /// Number of the plan.
    pub plan: u16,
    /// When the first period began.
    pub began_ms: u64,
    /// When the last one ends.
    pub ends_ms: u64,
    /// Units in a period.
    pub units: u64,
    /// Length of a period, in milliseconds.
    pub period_ms: u64,
    /// What is not yet the provider's.
    pub held: u128,
    /// Until when the provider was paid.
    pub collected_ms: u64,
}

/// What a consumer has in the marketplace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct MarketAccount {
    /// What is there, without what was set aside.
    pub balance: u128,
    /// What is on its way out.
    pub thawing: u128,
    /// When that can be taken.
    pub thaws_at_ms: u64,
    /// Number of the next authorisation.
    pub next_epoch: u32,
}

/// A key that may sign vouchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Signer {
    /// Number of the authorisation.
    pub epoch: u32,
    /// The most it may pay in all.
    pub cap: u128,
    /// What it has paid.
    pub spent: u128,
    /// Nothing is redeemed from then on.
    pub closes_at_ms: u64,
    /// The consumer has taken the permission back.
    pub revoked: bool,
    /// The one provider that it may pay.
    pub provider: Option<Account32>,
    /// What was set aside for that one.
    pub set_aside: u128,
}

/// What was paid in one epoch for one API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Paid {
    /// The key that signed.
    pub signer: [u8; 32],
    /// Calls.
    pub calls: u64,
    /// Units.
    pub units: u64,
    /// Coins.
    pub value: u128,
}

/// All that a provider has to know before it trusts a voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Standing {
    /// The key that signs.
    pub signer: Signer,
    /// What was paid in the signer's epoch.
    pub paid: Paid,
    /// The most that one more voucher can be paid now.
    pub redeemable: u128,
    /// What of the consumer's money is on its way out.
    pub thawing: u128,
    /// When that can be taken.
    pub thaws_at_ms: u64,
    /// Whether the API can be called.
    pub api_status: Status,
    /// Who is paid.
    pub api_provider: Account32,
}

/// What one side attests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct QualityReport {
    /// Calls.
    pub calls: u64,
    /// Those that failed.
    pub failed: u64,
    /// Sum of what they took, in milliseconds.
    pub latency_ms: u64,
}

/// What was paid, attested and rated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Quality {
    /// Calls that were paid for.
    pub calls: u64,
    /// Units that were paid for.
    pub units: u64,
    /// Coins that were paid.
    pub value: u128,
    /// What consumers attest.
    pub by_consumers: QualityReport,
    /// What the provider attests.
    pub by_provider: QualityReport,
    /// Stars times their weights, summed.
    pub stars_weighted: u128,
    /// Sum of the weights.
    pub stars_weight: u128,
}

/// What one consumer paid, attested and rated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Patron {
    /// Calls that were paid for.
    pub calls: u64,
    /// Coins that were paid.
    pub value: u128,
    /// Calls that were attested.
    pub attested_calls: u64,
    /// The rating, or 0.
    pub stars: u8,
    /// What it weighs.
    pub stars_weight: u128,
}

impl Quality {
    /// The mean rating, 1 to 5, if there is one.
    pub fn stars(&self) -> Option<f64> {
        (self.stars_weight > 0).then(|| self.stars_weighted as f64 / self.stars_weight as f64)
    }
}

/// How a marketplace was set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MarketSettings {
    /// Hash of the chain's block 0.
    pub genesis: [u8; 32],
    /// Who gets what is slashed.
    pub treasury: Account32,
    /// How long withdrawals and revocations wait, in milliseconds.
    pub thaw_ms: u64,
    /// The least bond of an API.
    pub bond_min: u128,
}

impl Api {
    /// Who is paid.
    pub fn provider(&self) -> AccountId {
        AccountId(self.provider)
    }
}
