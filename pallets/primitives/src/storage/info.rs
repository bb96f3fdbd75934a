// SPDX-License-Identifier: Apache-2.0

//! What the chain tells of vaults and drives (`StorageApi`), and the types that it stores and tells alike.

use alloc::vec::Vec;

use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use super::{challenge_id, Coding, DriveId, SlotAt};

/// Slots of the widest coding.
pub const SLOTS_MAX: u32 = 32;
/// Network addresses of a vault at most.
pub const ADDRESSES_MAX: u32 = 4;
/// Bytes of a network address (`host:port`) at most.
pub const ADDRESS_BYTES_MAX: u32 = 128;
/// Bytes of a drive's head at most.
pub const HEAD_BYTES_MAX: u32 = 128;
/// Bytes of a key sealed to an account at most.
pub const SEALED_BYTES_MAX: u32 = 256;

/// Where the newest record of a drive's manifest is, and what authenticates it; the chain doesn't look into it.
pub type Head = BoundedVec<u8, ConstU32<HEAD_BYTES_MAX>>;
/// A drive's key, sealed to an account.
pub type SealedKey = BoundedVec<u8, ConstU32<SEALED_BYTES_MAX>>;

/// How far a vault is trusted. Only [`Probation`](Self::Probation) and [`Active`](Self::Active) get new slots.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen, Default,
)]
pub enum VaultStatus {
    /// New: draws fewer slots.
    #[default]
    Probation,
    /// Proven.
    Active,
    /// Its score is too low for new slots; proofs bring it back.
    Suspended,
    /// On its way out, in order.
    Exiting,
    /// Thrown out; its slots are given to others.
    Ejected,
}

/// Who may read a drive.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen, Default,
)]
pub enum Visibility {
    /// Who has the key.
    #[default]
    Private,
    /// Everybody: this is the key.
    Public([u8; 32]),
}

/// What a grant allows.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Role {
    /// To read.
    Reader,
    /// To read and write.
    Writer,
}

/// Where a slot stands.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen, Default,
)]
pub enum SlotState {
    /// No vault is liable for it.
    #[default]
    Empty,
    /// A vault is liable for its log and is paid for it.
    Healthy,
    /// Its vault didn't accept the last checkpoint: not liable and not paid until it catches up.
    Behind,
}

/// A vault that is rebuilding a slot.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Successor<AccountId> {
    /// The vault.
    pub vault: AccountId,
    /// Last block in which it can take over.
    pub due_block: u32,
}

/// A slot of a drive.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SlotInfo<AccountId> {
    /// Whose it is.
    pub vault: Option<AccountId>,
    /// Where it stands.
    pub state: SlotState,
    /// Root of its log at the drive's version, whether its vault has accepted it or not.
    pub root: [u8; 32],
    /// Who is rebuilding it.
    pub successor: Option<Successor<AccountId>>,
    /// Its vault has asked to be relieved of it.
    pub leaving: bool,
    /// Block of the last proof of a chunk of it, or of its vault's acceptance.
    pub proven_block: Option<u32>,
    /// Somebody claims that it can't be read.
    pub disputed: bool,
    /// So many of its group's other vaults said within a period that its vault serves nobody.
    pub unserved: u8,
    /// Block since which it is behind.
    pub behind_block: Option<u32>,
    /// Before this block its vault, if it is behind, can't show that it is back.
    pub not_before: u32,
}

/// A drive, as it stands at a block.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct DriveInfo<AccountId> {
    /// Its number.
    pub id: DriveId,
    /// Whose it is.
    pub owner: AccountId,
    /// How it is coded.
    pub coding: Coding,
    /// Units that each slot's log may have, those given up not counted.
    pub capacity_units: u64,
    /// Plancks for a GiB of a slot and a period.
    pub price: u128,
    /// Who may read it.
    pub visibility: Visibility,
    /// Counts checkpoints; 0 before the first.
    pub version: u64,
    /// Units of each slot's log, those given up included.
    pub units: u64,
    /// Units at the front of each log that were given up.
    pub trimmed_units: u64,
    /// Where its manifest is.
    pub head: Vec<u8>,
    /// Counts the changes of its key.
    pub key_generation: u32,
    /// Plancks left to pay for it.
    pub escrow: u128,
    /// Plancks that it has paid so far.
    pub spent: u128,
    /// Plancks that it pays in each block.
    pub rate_per_block: u128,
    /// Block in which the escrow ends, and the drive with it, if nothing changes.
    pub dry_block: Option<u32>,
    /// Plancks held from the owner for its entries on chain.
    pub deposit: u128,
    /// Block in which it was made.
    pub created_block: u32,
    /// Slots that have no vault are given one by the next block.
    pub forming: bool,
    /// Its slots, in order.
    pub slots: Vec<SlotInfo<AccountId>>,
}

/// A vault, as it stands at a block.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct VaultInfo<AccountId> {
    /// Whose it is.
    pub account: AccountId,
    /// How far it is trusted.
    pub status: VaultStatus,
    /// It asked for no new slots.
    pub paused: bool,
    /// Ed25519 key that it is known by on the network, and signs receipts with.
    pub service_key: [u8; 32],
    /// Where it is reached, as `host:port`.
    pub addresses: Vec<Vec<u8>>,
    /// Units that it offers.
    pub capacity_units: u64,
    /// Units that the capacities of its drives add up to.
    pub reserved_units: u64,
    /// Units that it is liable for.
    pub liable_units: u64,
    /// Slots that it has, or is rebuilding.
    pub slots: u32,
    /// Plancks for a GiB and a period, at least.
    pub ask: u128,
    /// Plancks that it has at stake.
    pub bond: u128,
    /// Plancks of the bond that can't be taken back now.
    pub bond_required: u128,
    /// Score in millionths.
    pub score_ppm: u32,
    /// Its place in a period, in blocks from the period's start.
    pub place_block: u32,
    /// Block of its next challenge.
    pub next_turn_block: u32,
    /// Proofs missed, one after the other.
    pub missed_in_row: u8,
    /// Its last 30 turns, the newest in bit 0: 1 is a miss.
    pub missed_history: u32,
    /// Turns so far.
    pub turns: u32,
    /// Plancks that it earns in each block.
    pub rate_per_block: u128,
    /// Plancks earned since its last turn, and to be had with its next proof.
    pub pending: u128,
    /// Plancks paid to it so far.
    pub paid: u128,
}

/// One chunk to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Target {
    /// Of which log.
    pub at: SlotAt,
    /// The log's root when the challenge was fixed.
    pub root: [u8; 32],
    /// The log's units then.
    pub units: u64,
    /// The chunk's number.
    pub chunk: u64,
}

/// A vault's open challenge.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ChallengeInfo {
    /// Block in which it was fixed.
    pub turn_block: u32,
    /// Last block in which it can be answered.
    pub due_block: u32,
    /// Plancks to be had for it.
    pub at_stake: u128,
    /// What to show, in this order.
    pub targets: Vec<Target>,
}

impl ChallengeInfo {
    /// What an answer names: see [`challenge_id`].
    pub fn id(&self) -> [u8; 32] {
        challenge_id(self.turn_block, &self.targets)
    }
}

/// A claim that a chunk can't be read.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct DisputeInfo<AccountId> {
    /// Who claims it.
    pub accuser: AccountId,
    /// What the accused has to show.
    pub target: Target,
    /// Last block in which it can.
    pub due_block: u32,
    /// Plancks that the accuser has at stake.
    pub deposit: u128,
}

/// A grant of a drive's key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct GrantInfo {
    /// What it allows.
    pub role: Role,
    /// Last block in which it does; for ever if none.
    pub until_block: Option<u32>,
    /// The drive's key, sealed to the account.
    pub sealed: SealedKey,
    /// Which of the drive's keys that is.
    pub key_generation: u32,
}

/// A slot as its vault has to do with it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct HeldSlot {
    /// Which.
    pub at: SlotAt,
    /// Whether the vault is its successor, and not its holder.
    pub successor: bool,
    /// Where the slot stands.
    pub state: SlotState,
    /// The drive's version.
    pub version: u64,
    /// Root of the slot's log at that version.
    pub root: [u8; 32],
    /// Units of the log.
    pub units: u64,
    /// Units at its front that were given up.
    pub trimmed_units: u64,
    /// Units that the log may have, those given up not counted.
    pub capacity_units: u64,
    /// Somebody claims that it can't be read.
    pub disputed: bool,
    /// Of a holder, so many of its group's other vaults said within a period that it serves nobody.
    pub unserved: u8,
    /// Block since which the slot is behind.
    pub behind_block: Option<u32>,
    /// Before this block a holder that is behind can't show that it is back.
    pub not_before: u32,
    /// Last block in which a successor can take over.
    pub due_block: Option<u32>,
}

/// What storage costs and how fast its periods run on this network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Terms {
    /// Blocks of a proof period.
    pub period_blocks: u32,
    /// Blocks in which a challenge has to be answered.
    pub deadline_blocks: u32,
    /// Chunks of a challenge.
    pub proofs: u32,
    /// Plancks at stake for each unit of reserved capacity.
    pub bond_per_unit: u128,
    /// Plancks of bond with which a vault can register.
    pub bond_min: u128,
    /// Plancks held for a drive, and for each slot of it.
    pub drive_deposit: u128,
    /// The part of a drive's deposit that comes with each slot.
    pub slot_deposit: u128,
    /// Plancks held for a grant.
    pub grant_deposit: u128,
    /// Plancks held for a dispute.
    pub dispute_deposit: u128,
    /// Blocks in which a dispute has to be answered.
    pub dispute_blocks: u32,
    /// Blocks in which a successor has to take over.
    pub restore_blocks: u32,
    /// Millionths of what is paid into an escrow that go to the repair reserve.
    pub reserve_ppm: u32,
}
