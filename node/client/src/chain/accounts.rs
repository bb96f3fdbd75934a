// SPDX-License-Identifier: Apache-2.0

//! Accounts and the coins they hold.

use subxt::ext::{scale_decode::DecodeAsType, scale_value::Value};

use crate::{
    call::{arg, Call},
    AccountId, Error, View,
};

/// An account as the chain holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct AccountInfo {
    /// Transactions it has made.
    pub nonce: u32,
    /// Its coins.
    pub data: Balance,
}

/// The coins of an account, in the smallest units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct Balance {
    /// Not held for anything. Part of it may be frozen.
    pub free: u128,
    /// Held: staked, deposits.
    pub reserved: u128,
    /// `free + reserved` may not drop below this.
    pub frozen: u128,
}

impl Balance {
    /// All coins of the account.
    pub fn total(&self) -> u128 {
        self.free.saturating_add(self.reserved)
    }

    /// What can be sent while the account stays alive.
    ///
    /// # Correctness
    /// Mirrors `pallet_balances`' `reducible_balance` with `Preservation::Preserve`: held coins count towards what is
    /// frozen, and the existential deposit stays free.
    pub fn spendable(&self, existential_deposit: u128) -> u128 {
        let untouchable = self.frozen.saturating_sub(self.reserved).max(existential_deposit);
        self.free.saturating_sub(untouchable)
    }

    /// What can be sent if the account may be closed by it. Held coins keep it open.
    pub fn spendable_to_the_last(&self, existential_deposit: u128) -> u128 {
        if self.reserved > 0 || self.frozen > 0 {
            self.spendable(existential_deposit)
        } else {
            self.free
        }
    }
}

impl View {
    /// An account; all zero if it doesn't exist.
    pub async fn account(&self, account: &AccountId) -> Result<AccountInfo, Error> {
        self.value("System", "Account", (*account,)).await
    }

    /// An account that holds less than this doesn't exist.
    pub fn existential_deposit(&self) -> Result<u128, Error> {
        self.constant("Balances", "ExistentialDeposit")
    }

    /// All coins there are.
    pub async fn total_issuance(&self) -> Result<u128, Error> {
        self.value("Balances", "TotalIssuance", ()).await
    }
}

/// Sends coins; refused if it would close the sending account.
pub fn transfer_keep_alive(dest: &AccountId, value: u128) -> Call {
    Call::new("Balances", "transfer_keep_alive", [("dest", arg::address(dest)), ("value", Value::u128(value))])
}

/// Sends coins; what remains of the sending account below the existential deposit is lost.
pub fn transfer_allow_death(dest: &AccountId, value: u128) -> Call {
    Call::new("Balances", "transfer_allow_death", [("dest", arg::address(dest)), ("value", Value::u128(value))])
}

/// Sends all coins that can be sent.
pub fn transfer_all(dest: &AccountId, keep_alive: bool) -> Call {
    Call::new("Balances", "transfer_all", [("dest", arg::address(dest)), ("keep_alive", Value::bool(keep_alive))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spendable_leaves_what_must_stay() {
        let ed = 10;
        for (free, reserved, frozen, expected, to_the_last) in [
            (100, 0, 0, 90, 100),
            (10, 0, 0, 0, 10),
            (9, 0, 0, 0, 9),
            (100, 0, 40, 60, 60),
            (100, 0, 5, 90, 90),
            (100, 50, 40, 90, 90),
            (100, 30, 45, 85, 85),
            (100, 0, 200, 0, 0),
            (0, 0, 0, 0, 0),
            (u128::MAX, u128::MAX, u128::MAX, u128::MAX - 10, u128::MAX - 10),
        ] {
            let balance = Balance { free, reserved, frozen };
            assert_eq!(balance.spendable(ed), expected, "{balance:?}");
            assert_eq!(balance.spendable_to_the_last(ed), to_the_last, "{balance:?}");
        }
    }
}
