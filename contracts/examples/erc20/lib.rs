// SPDX-License-Identifier: Apache-2.0

//! A token in the manner of ERC-20: a fixed supply, transfers, and allowances.

#![cfg_attr(not(feature = "std"), no_std, no_main)]

#[ink::contract]
mod erc20 {
    use ink::storage::Mapping;

    #[ink(storage)]
    pub struct Erc20 {
        total_supply: Balance,
        balances: Mapping<AccountId, Balance>,
        /// By owner and spender.
        allowances: Mapping<(AccountId, AccountId), Balance>,
    }

    /// Why the token refuses.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[ink::scale_derive(Encode, Decode, TypeInfo)]
    pub enum Error {
        /// The owner has less than that.
        InsufficientBalance,
        /// The owner allowed less than that.
        InsufficientAllowance,
    }

    #[ink(event)]
    pub struct Transfer {
        /// `None` when the tokens are new.
        pub from: Option<AccountId>,
        pub to: AccountId,
        pub value: Balance,
    }

    #[ink(event)]
    pub struct Approval {
        pub owner: AccountId,
        pub spender: AccountId,
        pub value: Balance,
    }

    impl Erc20 {
        /// Gives the whole supply to who makes it.
        #[ink(constructor)]
        pub fn new(total_supply: Balance) -> Self {
            let maker = Self::env().caller();
            let mut balances = Mapping::new();
            balances.insert(maker, &total_supply);
            Self::env().emit_event(Transfer { from: None, to: maker, value: total_supply });
            Self { total_supply, balances, allowances: Mapping::new() }
        }

        /// How many tokens there are.
        #[ink(message)]
        pub fn total_supply(&self) -> Balance {
            self.total_supply
        }

        /// How many an account has.
        #[ink(message)]
        pub fn balance_of(&self, owner: AccountId) -> Balance {
            self.balances.get(owner).unwrap_or_default()
        }

        /// How many `spender` may take from `owner`.
        #[ink(message)]
        pub fn allowance(&self, owner: AccountId, spender: AccountId) -> Balance {
            self.allowances.get((owner, spender)).unwrap_or_default()
        }

        /// Sends the caller's tokens.
        #[ink(message)]
        pub fn transfer(&mut self, to: AccountId, value: Balance) -> Result<(), Error> {
            self.move_tokens(self.env().caller(), to, value)
        }

        /// Lets `spender` take this many of the caller's tokens. It replaces what was allowed before.
        #[ink(message)]
        pub fn approve(&mut self, spender: AccountId, value: Balance) -> Result<(), Error> {
            let owner = self.env().caller();
            self.allowances.insert((owner, spender), &value);
            self.env().emit_event(Approval { owner, spender, value });
            Ok(())
        }

        /// Sends tokens of an owner who allowed it.
        #[ink(message)]
        pub fn transfer_from(&mut self, from: AccountId, to: AccountId, value: Balance) -> Result<(), Error> {
            let spender = self.env().caller();
            let left = self.allowance(from, spender).checked_sub(value).ok_or(Error::InsufficientAllowance)?;
            self.move_tokens(from, to, value)?;
            self.allowances.insert((from, spender), &left);
            Ok(())
        }

        fn move_tokens(&mut self, from: AccountId, to: AccountId, value: Balance) -> Result<(), Error> {
            let left = self.balance_of(from).checked_sub(value).ok_or(Error::InsufficientBalance)?;
            // Written before the other side is read: who sends to itself must not gain.
            self.balances.insert(from, &left);
            // No sum of balances exceeds the supply.
            let more = self.balance_of(to).saturating_add(value);
            self.balances.insert(to, &more);
            self.env().emit_event(Transfer { from: Some(from), to, value });
            Ok(())
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use ink::env::{test, DefaultEnvironment};

        #[ink::test]
        fn tokens_move_and_are_never_made() {
            let accounts = test::default_accounts::<DefaultEnvironment>();
            test::set_caller::<DefaultEnvironment>(accounts.alice);
            let mut token = Erc20::new(100);
            assert_eq!(token.transfer(accounts.bob, 101), Err(Error::InsufficientBalance));
            assert_eq!(token.transfer(accounts.bob, 30), Ok(()));
            assert_eq!(token.transfer(accounts.alice, 70), Ok(()), "to itself");
            assert_eq!((token.balance_of(accounts.alice), token.balance_of(accounts.bob)), (70, 30));
            assert_eq!(token.total_supply(), 100);
        }

        #[ink::test]
        fn spenders_take_what_was_allowed() {
            let accounts = test::default_accounts::<DefaultEnvironment>();
            test::set_caller::<DefaultEnvironment>(accounts.alice);
            let mut token = Erc20::new(100);
            token.approve(accounts.bob, 120).expect("always");
            test::set_caller::<DefaultEnvironment>(accounts.bob);
            let take = |token: &mut Erc20, value| token.transfer_from(accounts.alice, accounts.charlie, value);
            assert_eq!(take(&mut token, 121), Err(Error::InsufficientAllowance));
            assert_eq!(take(&mut token, 110), Err(Error::InsufficientBalance));
            assert_eq!(token.allowance(accounts.alice, accounts.bob), 120);
            assert_eq!(take(&mut token, 60), Ok(()));
            assert_eq!(token.allowance(accounts.alice, accounts.bob), 60);
            assert_eq!(token.balance_of(accounts.charlie), 60);
        }
    }
}
