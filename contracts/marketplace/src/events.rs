// SPDX-License-Identifier: Apache-2.0

//! What the marketplace tells the world. None of the fields is a topic: each topic is one more entry in the state's index.

use ink::{prelude::string::String, primitives::AccountId};

use crate::{Balance, Bytes32, Status};

/// Defines events: an event and its fields on each line.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty),* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            #[ink::event]
            pub struct $name { $(pub $field: $ty,)* }
        )*
    };
}

events! {
    /// An API was listed.
    ApiRegistered { api: u32, provider: AccountId, name: String }
    /// A listing changed.
    ApiUpdated { api: u32 }
    /// An API has this many methods now.
    MethodsAdded { api: u32, methods: u32 }
    /// A price will change, or has changed.
    PriceChanged { api: u32, old: Balance, new: Balance, from_ms: u64 }
    /// Answers are signed by another key.
    AnswerKeyChanged { api: u32, old: Bytes32, new: Bytes32 }
    /// An API was paused, resumed or retired.
    StatusChanged { api: u32, old: Status, new: Status }
    /// The bond was raised.
    BondAdded { api: u32, amount: Balance, bond: Balance }
    /// The bond went back to the provider.
    BondReturned { api: u32, amount: Balance }
    /// A provider contradicted itself and lost its bond.
    ConflictProven { api: u32, reporter: AccountId, reward: Balance, to_treasury: Balance }
    /// A plan is offered.
    PlanAdded { api: u32, plan: u16 }
    /// A plan takes no more subscriptions.
    PlanClosed { api: u32, plan: u16 }
    /// One more period of a plan was paid.
    Subscribed { api: u32, consumer: AccountId, plan: u16, ends_ms: u64, held: Balance }
    /// A provider was paid what a subscription has earned.
    Collected { api: u32, consumer: AccountId, provider: AccountId, amount: Balance }
    /// A subscription ended early.
    SubscriptionCancelled { api: u32, consumer: AccountId, refund: Balance }
    /// A balance rose.
    Deposited { consumer: AccountId, amount: Balance, balance: Balance }
    /// Coins will leave a balance.
    WithdrawRequested { consumer: AccountId, amount: Balance, ready_at_ms: u64 }
    /// Coins have left a balance.
    Withdrawn { consumer: AccountId, amount: Balance }
    /// A key may sign vouchers.
    SignerAuthorized {
        consumer: AccountId, signer: Bytes32, epoch: u32, cap: Balance, expires_at_ms: u64, provider: Option<AccountId>
    }
    /// A key may spend more, or longer.
    SignerExtended { consumer: AccountId, signer: Bytes32, cap: Balance, expires_at_ms: u64 }
    /// A key will not pay any more.
    SignerRevoked { consumer: AccountId, signer: Bytes32, closes_at_ms: u64 }
    /// A closed authorisation was removed.
    SignerRemoved { consumer: AccountId, signer: Bytes32, returned: Balance }
    /// A voucher was paid.
    Redeemed {
        api: u32, consumer: AccountId, provider: AccountId, epoch: u32, calls: u64, units: u64, amount: Balance, due: Balance
    }
    /// A consumer rated an API.
    Rated { api: u32, consumer: AccountId, stars: u8, weight: u128 }
    /// One side attested how calls went.
    Attested { api: u32, by: AccountId, calls: u64, failed: u64, latency_ms: u64 }
}
