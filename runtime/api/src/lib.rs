// SPDX-License-Identifier: Apache-2.0

//! Declarations of the runtime APIs that are Cairn's own: questions that a node answers from its state at a block.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use alloc::vec::Vec;
use cairn_primitives::{
    names::{Label, ResolvedName},
    storage::{ChallengeInfo, DisputeInfo, DriveId, DriveInfo, GrantInfo, HeldSlot, SlotAt, Terms, VaultInfo},
};
use codec::Codec;
use sp_runtime::DispatchError;

sp_api::decl_runtime_apis! {
    /// What calls would do.
    pub trait DispatchApi<AccountId, Call>
    where
        AccountId: Codec,
        Call: Codec,
    {
        /// How `call`, signed by `signer`, would end in the next block if it was the first there. Its fee is left out, and
        /// nothing of it stays. `Exhausted` if it is too heavy for a block; it isn't run then. Sudo's calls are refused: they name any
        /// weight for what they run.
        fn dry_run(signer: AccountId, call: Call) -> Result<(), DispatchError>;
    }

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

        /// What renewing a registered name for so many years costs now; none when there is no such name or the years are
        /// out of bounds.
        fn renewal_price(label: Vec<u8>, years: u8) -> Option<u128>;

        /// At most `limit` (and at most 256) names from behind `after` on, in the state's order, each with what
        /// [`Self::resolve`] gives. Empty after the last.
        fn names_after(after: Option<Vec<u8>>, limit: u32) -> Vec<(Label, Option<ResolvedName<AccountId>>)>;

        /// The label that an account goes by, if the name's zone agrees.
        fn primary_of(account: AccountId) -> Option<Vec<u8>>;
    }

    /// Drives and the vaults that keep them. Lists have at most 256 entries a call; the next ones come after the last.
    pub trait StorageApi<AccountId>
    where
        AccountId: Codec,
    {
        /// What storage costs here, and how fast its periods run.
        fn terms() -> Terms;

        /// A vault; none if the account has none.
        fn vault(account: AccountId) -> Option<VaultInfo<AccountId>>;

        /// Vaults from behind `after` on, in the state's order.
        fn vaults_after(after: Option<AccountId>, limit: u32) -> Vec<VaultInfo<AccountId>>;

        /// How many vaults could take a slot of so many units at this price now.
        fn eligible_vaults(price: u128, capacity_units: u64) -> u32;

        /// A drive; none if there is none with that number.
        fn drive(id: DriveId) -> Option<DriveInfo<AccountId>>;

        /// Numbers of an account's drives.
        fn drives_of(owner: AccountId) -> Vec<DriveId>;

        /// Slots that a vault has or is rebuilding, in order, from behind `after` on.
        fn slots_of(vault: AccountId, after: Option<SlotAt>, limit: u32) -> Vec<HeldSlot>;

        /// What a vault has to show now.
        fn challenge(vault: AccountId) -> Option<ChallengeInfo>;

        /// Open claims that a slot can't be read.
        fn dispute(at: SlotAt) -> Option<DisputeInfo<AccountId>>;

        /// What an account was granted of a drive.
        fn grant(drive: DriveId, account: AccountId) -> Option<GrantInfo>;

        /// To whom a drive was granted.
        fn grants_of(drive: DriveId) -> Vec<(AccountId, GrantInfo)>;

        /// Drives of others that were granted to an account.
        fn granted_to(account: AccountId) -> Vec<DriveId>;

        /// The X25519 key that an account published, for others to seal keys to it.
        fn sealing_key(account: AccountId) -> Option<[u8; 32]>;

        /// Plancks in the repair reserve, and slots that wait for a new vault.
        fn repair() -> (u128, u32);
    }
}
