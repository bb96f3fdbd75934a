// SPDX-License-Identifier: Apache-2.0

//! Declarations of the runtime APIs that are Cairn's own: questions that a node answers from its state at a block.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use alloc::vec::Vec;
use cairn_primitives::names::ResolvedName;
use codec::Codec;

sp_api::decl_runtime_apis! {
    /// `.cairn` names.
    pub trait NamesApi<AccountId>
    where
        AccountId: Codec,
    {
        /// Everything a resolver needs of a name; none when the label isn't registered, or its grace is over.
        fn resolve(label: Vec<u8>) -> Option<ResolvedName<AccountId>>;

        /// Keys of the storage values that [`Self::resolve`]'s answer follows from. With a proof of these against a
        /// block's state root the answer, also that there is no such name, needs no trust in who gave it. None at all for
        /// what is not a label.
        fn proof_keys(label: Vec<u8>) -> Vec<Vec<u8>>;

        /// What registering the name for so many years costs now, premium included; none when it can't be registered
        /// or the term is out of bounds.
        fn price(label: Vec<u8>, years: u8) -> Option<u128>;

        /// The label that an account goes by, if the name's zone agrees.
        fn primary_of(account: AccountId) -> Option<Vec<u8>>;
    }
}
