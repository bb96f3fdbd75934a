// SPDX-License-Identifier: Apache-2.0

//! Balances, signers and what vouchers pay. Nothing here knows of a chain.

use cairn_voucher::Voucher;
use ink::primitives::AccountId;

use crate::{Balance, Bytes32, Error, Result, Status};

/// What a consumer has here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub struct Account {
    /// Coins, those that are on their way out included. What is set aside for signers is not in it.
    pub balance: Balance,
    /// Part of it that was asked back.
    pub thawing: Balance,
    /// From when that can be had.
    pub thaws_at_ms: u64,
    /// Number of the next authorisation. The first is 1.
    pub next_epoch: u32,
}

/// A key that a consumer authorised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub struct Signer {
    /// Number of the authorisation, which its vouchers name.
    pub epoch: u32,
    /// Most that it may spend in all.
    pub cap: Balance,
    /// What it has spent.
    pub spent: Balance,
    /// Its vouchers are redeemed before this time.
    pub closes_at_ms: u64,
    /// The consumer took it back.
    pub revoked: bool,
    /// Pays only this provider, and what it may spend is set aside.
    pub provider: Option<AccountId>,
    /// What is set aside and not spent.
    pub set_aside: Balance,
}

/// What was paid for one API in one epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub struct Paid {
    /// Whose vouchers.
    pub signer: Bytes32,
    /// Calls of the latest voucher.
    pub calls: u64,
    /// Units of the latest voucher.
    pub units: u64,
    /// What was paid.
    pub value: Balance,
}

/// What a provider has to know before it trusts a voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub struct Standing {
    pub signer: Signer,
    pub paid: Paid,
    /// Most that one more voucher can be paid now.
    pub redeemable: Balance,
    /// Part of the consumer's balance that is on its way out.
    pub thawing: Balance,
    pub thaws_at_ms: u64,
    pub api_status: Status,
    pub api_provider: AccountId,
}

/// What a redemption pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// To the provider.
    pub amount: Balance,
    /// Was promised and could not be paid.
    pub due: Balance,
    /// Of it, what comes from the account's balance (the rest was set aside).
    pub from_balance: bool,
    /// New calls.
    pub calls: u64,
    /// New units.
    pub units: u64,
}

impl Account {
    /// The number of a new authorisation.
    pub fn take_epoch(&mut self) -> Result<u32> {
        let epoch = self.next_epoch.max(1);
        self.next_epoch = epoch.checked_add(1).ok_or(Error::EpochsExhausted)?;
        Ok(epoch)
    }

    /// Takes from the balance.
    pub fn take(&mut self, amount: Balance) -> Result<()> {
        self.balance = self.balance.checked_sub(amount).ok_or(Error::BalanceTooLow)?;
        Ok(())
    }

    pub fn request_withdraw(&mut self, amount: Balance, ready_at_ms: u64) -> Result<()> {
        if amount > self.balance {
            return Err(Error::BalanceTooLow);
        }
        (self.thawing, self.thaws_at_ms) = (amount, ready_at_ms);
        Ok(())
    }

    /// Takes out what was requested, or what vouchers have left of it.
    pub fn withdraw(&mut self, now: u64) -> Result<Balance> {
        if self.thawing == 0 {
            return Err(Error::NothingDue);
        }
        if now < self.thaws_at_ms {
            return Err(Error::Thawing);
        }
        let amount = self.thawing.min(self.balance);
        (self.thawing, self.thaws_at_ms) = (0, 0);
        self.take(amount)?;
        if amount == 0 {
            return Err(Error::NothingDue);
        }
        Ok(amount)
    }
}

impl Signer {
    pub fn is_closed(&self, now: u64) -> bool {
        now >= self.closes_at_ms
    }

    /// Authorises a key.
    pub fn open(
        account: &mut Account,
        cap: Balance,
        expires_at_ms: u64,
        provider: Option<AccountId>,
        now: u64,
    ) -> Result<Self> {
        if expires_at_ms <= now {
            return Err(Error::BadExpiry);
        }
        let set_aside = if provider.is_some() { cap } else { 0 };
        account.take(set_aside)?;
        let epoch = account.take_epoch()?;
        Ok(Self { epoch, cap, spent: 0, closes_at_ms: expires_at_ms, revoked: false, provider, set_aside })
    }

    /// Raises cap and expiry.
    pub fn extend(&mut self, account: &mut Account, cap: Balance, expires_at_ms: u64, now: u64) -> Result<()> {
        if self.revoked {
            return Err(Error::SignerRevoked);
        }
        if self.is_closed(now) {
            return Err(Error::SignerClosed);
        }
        if expires_at_ms < self.closes_at_ms {
            return Err(Error::BadExpiry);
        }
        let more = cap.checked_sub(self.cap).ok_or(Error::CapLowered)?;
        if self.provider.is_some() {
            account.take(more)?;
            self.set_aside = self.set_aside.saturating_add(more);
        }
        (self.cap, self.closes_at_ms) = (cap, expires_at_ms);
        Ok(())
    }

    /// Takes the authorisation back. Answers until when it still pays.
    pub fn revoke(&mut self, now: u64, thaw_ms: u64) -> Result<u64> {
        if self.revoked {
            return Err(Error::SignerRevoked);
        }
        if self.is_closed(now) {
            return Err(Error::SignerClosed);
        }
        self.revoked = true;
        self.closes_at_ms = self.closes_at_ms.min(now.saturating_add(thaw_ms));
        Ok(self.closes_at_ms)
    }

    /// Most that can be paid now.
    pub fn redeemable(&self, account: &Account, now: u64) -> Balance {
        if self.is_closed(now) {
            return 0;
        }
        let backed = if self.provider.is_some() { self.set_aside } else { account.balance };
        backed.min(self.cap.saturating_sub(self.spent))
    }
}

/// Pays what a voucher promises beyond what was paid. The signature was not looked at.
///
/// # Errors
/// `WrongProvider`, `WrongEpoch`, `SignerClosed`, `NothingDue`, `CapReached`, `BalanceTooLow`. Nothing has changed then.
pub fn redeem(
    voucher: &Voucher,
    signer: &mut Signer,
    account: &mut Account,
    paid: &mut Paid,
    now: u64,
) -> Result<Redemption> {
    if signer.provider.is_some_and(|only| only != AccountId::from(voucher.provider)) {
        return Err(Error::WrongProvider);
    }
    if voucher.epoch != signer.epoch {
        return Err(Error::WrongEpoch);
    }
    if signer.is_closed(now) {
        return Err(Error::SignerClosed);
    }
    let owed = voucher.value.saturating_sub(paid.value);
    if owed == 0 {
        return Err(Error::NothingDue);
    }
    if signer.spent >= signer.cap {
        return Err(Error::CapReached);
    }
    let amount = owed.min(signer.redeemable(account, now));
    if amount == 0 {
        return Err(Error::BalanceTooLow);
    }
    let from_balance = signer.provider.is_none();
    if from_balance {
        account.take(amount)?;
    } else {
        signer.set_aside = signer.set_aside.saturating_sub(amount);
    }
    // None of these can overflow: spent <= cap, and what is paid <= the voucher's value.
    signer.spent = signer.spent.saturating_add(amount);
    let calls = voucher.calls.saturating_sub(paid.calls);
    let units = voucher.units.saturating_sub(paid.units);
    *paid = Paid {
        signer: voucher.signer,
        calls: paid.calls.max(voucher.calls),
        units: paid.units.max(voucher.units),
        value: paid.value.saturating_add(amount),
    };
    Ok(Redemption { amount, due: owed.saturating_sub(amount), from_balance, calls, units })
}
