// SPDX-License-Identifier: Apache-2.0

//! A tip jar: anyone leaves coins with a note, and the jar's owner takes them out.
//!
//! `cairn contract new` begins a contract of your own with it. What to keep in mind is in the comments.

// On chain there is no standard library; in tests and for the metadata there is.
#![cfg_attr(not(feature = "std"), no_std, no_main)]

#[ink::contract]
mod tip_jar {
    use ink::{prelude::string::String, storage::Mapping};

    /// Everything that is stored has a bound, or somebody will fill it.
    const NOTE_LEN_MAX: usize = 140;

    /// What the contract remembers. Plain fields are read and written together with every call; what is in a `Mapping` is
    /// read one entry at a time. Each stored byte costs whoever stores it a deposit.
    #[ink(storage)]
    pub struct TipJar {
        owner: AccountId,
        tips: u32,
        notes: Mapping<u32, Note>,
    }

    /// What is left with a tip. Types that are stored, or go in or out, say so with this line.
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[ink::scale_derive(Encode, Decode, TypeInfo)]
    #[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
    pub struct Note {
        pub from: AccountId,
        pub amount: Balance,
        pub text: String,
    }

    /// Why the jar refuses. A message that returns `Err` has changed nothing, and the coins sent along are back.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[ink::scale_derive(Encode, Decode, TypeInfo)]
    pub enum Error {
        /// A tip of nothing.
        NothingSent,
        /// The note is longer than 140 bytes.
        NoteTooLong,
        /// Only the owner empties the jar.
        NotOwner,
        /// There is nothing in it.
        Empty,
        /// The owner's account can't take it.
        TransferFailed,
    }

    /// Events tell the world outside what happened; the contract itself can't read them again.
    #[ink(event)]
    pub struct Tipped {
        pub from: AccountId,
        pub amount: Balance,
        pub text: String,
    }

    #[ink(event)]
    pub struct Emptied {
        pub amount: Balance,
    }

    impl TipJar {
        /// Makes an empty jar. Whoever makes it owns it.
        #[ink(constructor)]
        pub fn new() -> Self {
            Self { owner: Self::env().caller(), tips: 0, notes: Mapping::new() }
        }

        /// Leaves a tip: the coins that are sent along. `payable` allows that; other messages refuse coins.
        ///
        /// Answers the tip's number.
        #[ink(message, payable)]
        pub fn tip(&mut self, text: String) -> Result<u32, Error> {
            let (from, amount) = (self.env().caller(), self.env().transferred_value());
            if amount == 0 {
                return Err(Error::NothingSent);
            }
            if text.len() > NOTE_LEN_MAX {
                return Err(Error::NoteTooLong);
            }
            let number = self.tips;
            // Sums are checked: an overflow must be impossible or an error, and is never a wrong number.
            self.tips = number.checked_add(1).ok_or(Error::NoteTooLong)?;
            self.notes.insert(number, &Note { from, amount, text: text.clone() });
            self.env().emit_event(Tipped { from, amount, text });
            Ok(number)
        }

        /// Sends everything in the jar to its owner. Answers how much that was.
        #[ink(message)]
        pub fn empty(&mut self) -> Result<Balance, Error> {
            if self.env().caller() != self.owner {
                return Err(Error::NotOwner);
            }
            let amount = self.in_jar();
            if amount == 0 {
                return Err(Error::Empty);
            }
            self.env().transfer(self.owner, amount).map_err(|_| Error::TransferFailed)?;
            self.env().emit_event(Emptied { amount });
            Ok(amount)
        }

        /// How much is in it, in plancks. Messages with `&self` only read: calling them costs nothing.
        #[ink(message)]
        pub fn in_jar(&self) -> Balance {
            // What can be sent: an account keeps its existential deposit, and that is not in here.
            self.env().balance()
        }

        /// How many tips there were.
        #[ink(message)]
        pub fn tips(&self) -> u32 {
            self.tips
        }

        /// The note of a tip, by its number.
        #[ink(message)]
        pub fn note(&self, number: u32) -> Option<Note> {
            self.notes.get(number)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use ink::{
            codegen::Env,
            env::{test, DefaultEnvironment},
        };

        fn jar() -> (TipJar, test::DefaultAccounts<DefaultEnvironment>) {
            let accounts = test::default_accounts::<DefaultEnvironment>();
            // In tests Alice's account is the contract's, unless told otherwise.
            test::set_callee::<DefaultEnvironment>(accounts.frank);
            test::set_account_balance::<DefaultEnvironment>(accounts.frank, 1_000_000);
            test::set_caller::<DefaultEnvironment>(accounts.alice);
            (TipJar::new(), accounts)
        }

        fn tip(jar: &mut TipJar, from: AccountId, amount: Balance, text: &str) -> Result<u32, Error> {
            test::set_caller::<DefaultEnvironment>(from);
            test::set_value_transferred::<DefaultEnvironment>(amount);
            let contract = ink::env::account_id::<DefaultEnvironment>();
            let before = jar.env().balance();
            test::set_account_balance::<DefaultEnvironment>(contract, before + amount);
            jar.tip(text.into())
        }

        #[ink::test]
        fn tips_are_noted_and_taken_out_by_the_owner() {
            let (mut jar, accounts) = jar();
            let before = jar.in_jar();
            assert_eq!(tip(&mut jar, accounts.bob, 70, "thanks"), Ok(0));
            assert_eq!(tip(&mut jar, accounts.charlie, 30, ""), Ok(1));
            let note = Note { from: accounts.bob, amount: 70, text: "thanks".into() };
            assert_eq!((jar.tips(), jar.note(0), jar.note(2)), (2, Some(note), None));
            assert_eq!(jar.in_jar(), before + 100);
            assert_eq!(jar.empty(), Err(Error::NotOwner));
            test::set_caller::<DefaultEnvironment>(accounts.alice);
            assert_eq!(jar.empty(), Ok(before + 100));
            assert_eq!(jar.empty(), Err(Error::Empty));
        }

        #[ink::test]
        fn tips_of_nothing_and_long_notes_are_refused() {
            let (mut jar, accounts) = jar();
            assert_eq!(tip(&mut jar, accounts.bob, 0, "nothing"), Err(Error::NothingSent));
            assert_eq!(tip(&mut jar, accounts.bob, 1, &"x".repeat(NOTE_LEN_MAX)), Ok(0));
            assert_eq!(tip(&mut jar, accounts.bob, 1, &"x".repeat(NOTE_LEN_MAX + 1)), Err(Error::NoteTooLong));
        }
    }
}
