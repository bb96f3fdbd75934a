// SPDX-License-Identifier: Apache-2.0

//! What is signed. Each statement names its purpose and the chain, so that it serves for nothing else and nowhere else.

use alloc::vec::Vec;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use super::{DriveId, Target, CHUNKS_PER_UNIT};

const RECEIPT: &str = "storage/receipt/v1";
const TICKET: &str = "storage/ticket/v1";
const RESTORE: &str = "storage/restore/v1";
const CHALLENGE: &str = "storage/challenge/v1";

/// One place of a drive, held by one vault at a time.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct SlotAt {
    /// The drive.
    pub drive: DriveId,
    /// From 0; below [`Coding::slots`](super::Coding::slots).
    pub slot: u8,
}

/// What a vault says once it has a log safely on disk, and what makes it liable for the log once a checkpoint has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Receipt {
    /// Where.
    pub at: SlotAt,
    /// The version that the log is to be committed as: the vault is free again once the drive has reached it.
    pub version: u64,
    /// The log's root, which binds its number of shards.
    pub root: [u8; 32],
    /// The log's units.
    pub units: u64,
    /// Last block in which the log may be committed: the vault is free again once that one is final.
    pub until_block: u32,
}

impl Receipt {
    /// The bytes that the vault's service key signs: `SCALE("storage/receipt/v1", genesis, receipt)`.
    pub fn to_sign(&self, genesis: &[u8; 32]) -> Vec<u8> {
        (RECEIPT, genesis, self).encode()
    }
}

/// With what an owner or writer has one vault take shards. It names the slot, so that a vault that was shown one can't write
/// to the others with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub struct Ticket {
    /// Where is written to.
    pub at: SlotAt,
    /// The version that is being built: one more than the drive has on chain.
    pub version: u64,
    /// Number of the first stripe that may be written, which is also the first that may be written anew.
    pub first_stripe: u64,
    /// Last block in which it serves.
    pub until_block: u32,
}

impl Ticket {
    /// The bytes that the writer signs: `SCALE("storage/ticket/v1", genesis, ticket)`.
    pub fn to_sign(&self, genesis: &[u8; 32]) -> Vec<u8> {
        (TICKET, genesis, self).encode()
    }
}

/// Names a challenge: `BLAKE3(SCALE("storage/challenge/v1", turn_block, targets))`. Two blocks of one number draw different
/// challenges, so an answer names what it is an answer to: in the place of the other block it is refused and costs nothing.
pub fn challenge_id(turn_block: u32, targets: &[Target]) -> [u8; 32] {
    *blake3::hash(&(CHALLENGE, turn_block, targets).encode()).as_bytes()
}

/// The chunk that a vault shows when it takes over, or has caught up with, a slot whose log has this root and units, of
/// which the first `trimmed_units` are given up. `None` if nothing is left to show.
pub fn restore_chunk(
    genesis: &[u8; 32],
    at: SlotAt,
    vault: &[u8; 32],
    root: &[u8; 32],
    trimmed_units: u64,
    units: u64,
) -> Option<u64> {
    let chunks = units.checked_sub(trimmed_units)?.checked_mul(CHUNKS_PER_UNIT)?;
    let hash = blake3::hash(&(RESTORE, genesis, at, vault, root).encode());
    let drawn = u64::from_le_bytes(hash.as_bytes()[..8].try_into().ok()?);
    Some(trimmed_units * CHUNKS_PER_UNIT + drawn.checked_rem(chunks)?)
}
