// SPDX-License-Identifier: Apache-2.0

//! A wallet that several keys open together: a payment is made once enough owners have agreed to it.

#![cfg_attr(not(feature = "std"), no_std, no_main)]

#[ink::contract]
mod multisig {
    use ink::{prelude::vec::Vec, storage::Mapping};

    const OWNERS_MAX: usize = 16;

    #[ink(storage)]
    pub struct Multisig {
        owners: Vec<AccountId>,
        threshold: u32,
        payments: Mapping<u32, Payment>,
        next: u32,
    }

    /// A payment that waits for owners to agree.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[ink::scale_derive(Encode, Decode, TypeInfo)]
    #[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
    pub struct Payment {
        pub to: AccountId,
        pub amount: Balance,
        pub agreed: Vec<AccountId>,
    }

    /// Why the wallet refuses.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[ink::scale_derive(Encode, Decode, TypeInfo)]
    pub enum Error {
        /// There are no owners, more than 16, or one twice.
        BadOwners,
        /// Nobody or more than all of them would have to agree.
        BadThreshold,
        /// The caller is no owner.
        NotOwner,
        /// There is no such payment, or it was made.
        NoSuchPayment,
        /// The caller has agreed before.
        AgreedBefore,
        /// There is not enough in the wallet, or the account can't take it.
        TransferFailed,
        /// All numbers are used up.
        TooMany,
    }

    #[ink(event)]
    pub struct Paid {
        pub payment: u32,
        pub to: AccountId,
        pub amount: Balance,
    }

    impl Multisig {
        /// Makes a wallet. Coins sent along, or sent to its address later, are its own.
        #[ink(constructor, payable)]
        pub fn new(owners: Vec<AccountId>, threshold: u32) -> Result<Self, Error> {
            let twice = owners.iter().enumerate().any(|(at, owner)| owners.iter().take(at).any(|other| other == owner));
            if owners.is_empty() || owners.len() > OWNERS_MAX || twice {
                return Err(Error::BadOwners);
            }
            if threshold == 0 || owners.len() < threshold as usize {
                return Err(Error::BadThreshold);
            }
            Ok(Self { owners, threshold, payments: Mapping::new(), next: 0 })
        }

        /// Proposes a payment and agrees to it. Answers its number.
        #[ink(message)]
        pub fn propose(&mut self, to: AccountId, amount: Balance) -> Result<u32, Error> {
            self.check_owner()?;
            let number = self.next;
            self.next = number.checked_add(1).ok_or(Error::TooMany)?;
            self.payments.insert(number, &Payment { to, amount, agreed: Vec::new() });
            self.agree(number)?;
            Ok(number)
        }

        /// Agrees to a payment, which is made if that is enough. Answers whether it was.
        #[ink(message)]
        pub fn agree(&mut self, number: u32) -> Result<bool, Error> {
            let caller = self.check_owner()?;
            let mut payment = self.payments.get(number).ok_or(Error::NoSuchPayment)?;
            if payment.agreed.contains(&caller) {
                return Err(Error::AgreedBefore);
            }
            payment.agreed.push(caller);
            if payment.agreed.len() < self.threshold as usize {
                self.payments.insert(number, &payment);
                return Ok(false);
            }
            let Payment { to, amount, .. } = payment;
            // Gone before the money is, so that it can't be made twice.
            self.payments.remove(number);
            self.env().transfer(to, amount).map_err(|_| Error::TransferFailed)?;
            self.env().emit_event(Paid { payment: number, to, amount });
            Ok(true)
        }

        /// A payment that waits.
        #[ink(message)]
        pub fn payment(&self, number: u32) -> Option<Payment> {
            self.payments.get(number)
        }

        /// Who may agree, and how many of them must.
        #[ink(message)]
        pub fn owners(&self) -> (Vec<AccountId>, u32) {
            (self.owners.clone(), self.threshold)
        }

        fn check_owner(&self) -> Result<AccountId, Error> {
            let caller = self.env().caller();
            if self.owners.contains(&caller) {
                Ok(caller)
            } else {
                Err(Error::NotOwner)
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use ink::env::{test, DefaultEnvironment};

        fn call_as(who: AccountId) {
            test::set_caller::<DefaultEnvironment>(who);
        }

        #[ink::test]
        fn two_of_three_pay_once() {
            let accounts = test::default_accounts::<DefaultEnvironment>();
            let owners = Vec::from([accounts.alice, accounts.bob, accounts.charlie]);
            let mut wallet = Multisig::new(owners.clone(), 2).expect("good");
            test::set_callee::<DefaultEnvironment>(accounts.frank);
            test::set_account_balance::<DefaultEnvironment>(accounts.frank, 10_000_000);
            test::set_account_balance::<DefaultEnvironment>(accounts.eve, 1_000_000);
            call_as(accounts.eve);
            assert_eq!(wallet.propose(accounts.eve, 60), Err(Error::NotOwner));
            call_as(accounts.alice);
            assert_eq!(wallet.propose(accounts.eve, 60), Ok(0));
            assert_eq!(wallet.agree(0), Err(Error::AgreedBefore));
            assert_eq!(wallet.payment(0).expect("waits").agreed, [accounts.alice]);
            call_as(accounts.bob);
            assert_eq!(wallet.agree(1), Err(Error::NoSuchPayment));
            assert_eq!(wallet.agree(0), Ok(true));
            assert_eq!(test::get_account_balance::<DefaultEnvironment>(accounts.eve), Ok(1_000_060));
            assert_eq!(wallet.agree(0), Err(Error::NoSuchPayment));
            assert_eq!(wallet.owners(), (owners, 2));
        }

        #[ink::test]
        fn owners_and_threshold_have_to_make_sense() {
            let accounts = test::default_accounts::<DefaultEnvironment>();
            let new = |owners: &[AccountId], threshold| Multisig::new(owners.to_vec(), threshold).err();
            assert_eq!(new(&[], 1), Some(Error::BadOwners));
            assert_eq!(new(&[accounts.bob, accounts.bob], 1), Some(Error::BadOwners));
            assert_eq!(new(&[accounts.bob; 17], 1), Some(Error::BadOwners));
            assert_eq!(new(&[accounts.bob], 0), Some(Error::BadThreshold));
            assert_eq!(new(&[accounts.bob], 2), Some(Error::BadThreshold));
        }
    }
}
