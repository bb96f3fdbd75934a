// SPDX-License-Identifier: Apache-2.0

//! What this crate needs of the chain. [`ChainError`] tells the refusals that it does something about from all others.

use cairn_primitives::storage::{Coding, DriveId, Role, Visibility};
use futures::future::BoxFuture;

/// A vault, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultPlace {
    /// Its account.
    pub account: [u8; 32],
    /// Ed25519 key that it is known by.
    pub service_key: [u8; 32],
    /// Where it is reached, as `host:port`.
    pub addresses: Vec<String>,
}

/// A slot of a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotPlace {
    /// Who holds it; none if nobody does.
    pub vault: Option<VaultPlace>,
    /// Its vault has accepted the drive's version.
    pub healthy: bool,
    /// Root of its log at the drive's version.
    pub root: [u8; 32],
}

/// A drive at a finalized block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveState {
    /// Its number.
    pub id: DriveId,
    /// Whose it is.
    pub owner: [u8; 32],
    /// How it is coded.
    pub coding: Coding,
    /// Units that each slot's log may have, those given up not counted.
    pub capacity_units: u64,
    /// Counts checkpoints.
    pub version: u64,
    /// Units of each slot's log.
    pub units: u64,
    /// Units at its front that were given up.
    pub trimmed_units: u64,
    /// Where its manifest is.
    pub head: Vec<u8>,
    /// Counts the changes of its key.
    pub key_generation: u32,
    /// Who may read it.
    pub visibility: Visibility,
    /// Its slots, in order.
    pub slots: Vec<SlotPlace>,
    /// The block in which what was paid for it ends, and the drive with it, if nothing changes.
    pub dry_block: Option<u32>,
    /// The block that shows it so.
    pub block: u32,
}

/// What an account was granted of a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantState {
    /// What it allows.
    pub role: Role,
    /// Last block in which it does.
    pub until_block: Option<u32>,
    /// The drive's key, sealed to the account.
    pub sealed: Vec<u8>,
}

/// What a checkpoint commits a drive to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The drive.
    pub drive: DriveId,
    /// The version that it follows.
    pub expected_version: u64,
    /// Units of each slot's log.
    pub units: u64,
    /// Last block in which what was signed serves.
    pub until_block: u32,
    /// Root of each slot's log.
    pub roots: Vec<[u8; 32]>,
    /// What each slot's vault signed, if it did.
    pub signatures: Vec<Option<[u8; 64]>>,
    /// Where the manifest is.
    pub head: Vec<u8>,
}

/// What was paid for a drive isn't enough for what it is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// Plancks that are left.
    pub escrow: u128,
    /// Plancks that the chain asks for.
    pub needed: u128,
}

/// Why the chain couldn't be asked, or refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The drive is at another version than was expected: somebody else changed it meanwhile.
    #[error("the drive was changed by another writer meanwhile")]
    VersionMoved,
    /// The last block of the vaults' receipts is over.
    #[error("the vaults' receipts have ended before the chain took them")]
    ReceiptsExpired,
    /// A slot whose vault has signed has another now, or none, or its vault another key.
    #[error("a slot of the drive has changed hands meanwhile")]
    GroupMoved,
    /// Anything else.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// The chain, as this crate uses it. What is read is finalized.
pub trait Chain: Send + Sync {
    /// Hash of the first block.
    fn genesis(&self) -> [u8; 32];

    /// A drive; none if there is none with that number.
    fn drive(&self, id: DriveId) -> BoxFuture<'_, Result<Option<DriveState>, ChainError>>;

    /// What an account was granted of a drive.
    fn grant(&self, id: DriveId, account: [u8; 32]) -> BoxFuture<'_, Result<Option<GrantState>, ChainError>>;

    /// What is missing for a drive's logs to have so many units: the chain takes nothing on that isn't paid for a period. Nothing is
    /// missing of a drive that doesn't become dearer.
    fn shortfall(&self, id: DriveId, units: u64) -> BoxFuture<'_, Result<Option<Shortfall>, ChainError>>;

    /// Checkpoints a drive, and waits until that is final.
    ///
    /// # Errors
    /// [`ChainError::VersionMoved`] if the drive isn't at the expected version, [`ChainError::ReceiptsExpired`] if it came too
    /// late, [`ChainError::GroupMoved`] if a signature isn't of the vault that has the slot by now.
    fn checkpoint(&self, commit: Commit) -> BoxFuture<'_, Result<(), ChainError>>;
}

/// Who writes: signs the tickets that vaults ask for.
pub trait Signer: Send + Sync {
    /// Its account.
    fn account(&self) -> [u8; 32];

    /// Signs as the account.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}
