// SPDX-License-Identifier: Apache-2.0

//! Vaults: who keeps drives, at what price, how well, and what they have to show.

use subxt::ext::scale_value::Value;

pub use cairn_primitives::storage::{
    ChallengeInfo as Challenge, HeldSlot, VaultStatus, ADDRESSES_MAX, ADDRESS_BYTES_MAX,
};

use crate::{
    call::{arg, Call},
    chain::storage::SlotAt,
    view::decode,
    AccountId, Error, View,
};

/// A vault, as it stands at a block.
pub type Vault = cairn_primitives::storage::VaultInfo<AccountId>;

/// Entries of a list that the runtime gives in one call.
const PAGE: u32 = 256;

impl View {
    /// An account's vault, if it has one.
    pub async fn vault(&self, account: &AccountId) -> Result<Option<Vault>, Error> {
        decode(&self.api_raw("StorageApi_vault", account).await?)
    }

    /// Vaults in an order of the chain's own, at most `limit` (and at most 256) of them, from behind `after` on.
    pub async fn vaults_after(&self, after: Option<&AccountId>, limit: u32) -> Result<Vec<Vault>, Error> {
        decode(&self.api_raw("StorageApi_vaults_after", &(after, limit)).await?)
    }

    /// All vaults, at most `limit` of them.
    pub async fn vaults(&self, limit: usize) -> Result<Vec<Vault>, Error> {
        let mut found: Vec<Vault> = Vec::new();
        while found.len() < limit {
            let page = self.vaults_after(found.last().map(|vault| &vault.account), PAGE).await?;
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Slots that a vault has or is rebuilding, in order, at most `limit` (and at most 256), from behind `after` on.
    pub async fn slots_of(&self, vault: &AccountId, after: Option<SlotAt>, limit: u32) -> Result<Vec<HeldSlot>, Error> {
        decode(&self.api_raw("StorageApi_slots_of", &(vault, after, limit)).await?)
    }

    /// All slots that a vault has or is rebuilding.
    pub async fn all_slots_of(&self, vault: &AccountId) -> Result<Vec<HeldSlot>, Error> {
        let mut found: Vec<HeldSlot> = Vec::new();
        loop {
            let page = self.slots_of(vault, found.last().map(|slot| slot.at), PAGE).await?;
            if page.is_empty() {
                return Ok(found);
            }
            found.extend(page);
        }
    }

    /// What a vault has to show now.
    pub async fn challenge(&self, vault: &AccountId) -> Result<Option<Challenge>, Error> {
        decode(&self.api_raw("StorageApi_challenge", vault).await?)
    }
}

fn addresses_value(addresses: &[String]) -> Value {
    Value::unnamed_composite(addresses.iter().map(|address| arg::bytes(address.as_bytes())).collect::<Vec<_>>())
}

/// Makes the signer's account a vault that offers `capacity_units` for at least `ask` plancks a GiB and period, with
/// `bond` plancks at stake.
pub fn register(capacity_units: u64, ask: u128, addresses: &[String], service_key: &[u8; 32], bond: u128) -> Call {
    Call::new(
        "Vaults",
        "register",
        [
            ("capacity_units", Value::u128(capacity_units.into())),
            ("ask", Value::u128(ask)),
            ("addresses", addresses_value(addresses)),
            ("service_key", arg::bytes(service_key)),
            ("bond", Value::u128(bond)),
        ],
    )
}

/// Changes what is given of a vault.
pub fn update(
    capacity_units: Option<u64>,
    ask: Option<u128>,
    addresses: Option<&[String]>,
    service_key: Option<&[u8; 32]>,
) -> Call {
    Call::new(
        "Vaults",
        "update",
        [
            ("capacity_units", arg::option(capacity_units.map(|units| Value::u128(units.into())))),
            ("ask", arg::option(ask.map(Value::u128))),
            ("addresses", arg::option(addresses.map(addresses_value))),
            ("service_key", arg::option(service_key.map(|key| arg::bytes(key)))),
        ],
    )
}

/// Takes no new slots, or takes them again.
pub fn set_paused(paused: bool) -> Call {
    Call::new("Vaults", "set_paused", [("paused", Value::bool(paused))])
}

/// Puts more at stake.
pub fn bond_more(amount: u128) -> Call {
    Call::new("Vaults", "bond_more", [("amount", Value::u128(amount))])
}

/// Takes back what is not needed of the bond.
pub fn unbond(amount: u128) -> Call {
    Call::new("Vaults", "unbond", [("amount", Value::u128(amount))])
}

/// Announces that the vault ends.
pub fn begin_exit() -> Call {
    Call::new("Vaults", "begin_exit", [])
}

/// Ends a vault that has no slots left; its bond comes back.
pub fn finish_exit() -> Call {
    Call::new("Vaults", "finish_exit", [])
}
