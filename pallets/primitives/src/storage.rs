// SPDX-License-Identifier: Apache-2.0

//! What drives are made of, and what proves that a vault has its part: shards, their logs, proofs of single chunks, and the
//! statements that vaults and writers sign. Chain, vaults, clients and fuzzers use this one verifier.
//!
//! # Format
//! All numbers are little-endian; `||` concatenates; `H` is BLAKE3 with 32 bytes of output.
//!
//! ```text
//! unit       4,096 bytes: what is counted and paid for
//! chunk      1,024 bytes: what a proof shows
//! shard      1, 4, 16 or 64 units of bytes; its id is H(bytes)
//! leaf       H(0x00 || shard id || units u64), with the shard's units
//! inner      H(0x01 || left hash || left units u64 || right hash || right units u64), with the sum of units
//! root       H(0x02 || leaves u64 || units u64 || peaks), each peak as hash || units u64, the tallest first
//! ```
//! A slot's log of `n` shards is a Merkle mountain range: its peaks are perfect trees over 2^h leaves, one for each bit of `n`, in
//! the order of the log. The chain keeps `(root, units)` of a slot.
//!
//! A proof of chunk `c` of a log ([`ChunkProof`]) is the SCALE encoding of
//!
//! ```text
//! size       u8: units of the shard (1, 4, 16, 64)
//! data       1,024 bytes
//! within     Vec<[u8; 32]>: BLAKE3 chaining values from the chunk up to the shard's id, 2, 4, 6 or 8 of them
//! leaves     u64: shards in the log
//! leaf       u64: which of them holds the chunk
//! path       Vec<(hash, units u64)>: siblings from the leaf up to its peak
//! peaks      Vec<(hash, units u64)>: all peaks
//! ```
//! # Correctness
//! For a root and a chunk number at most one leaf, one chunk of it and one set of bytes verify, unless BLAKE3 collides: the
//! root binds the number of leaves, with that the heights of all peaks, and with them the length of every path and the side
//! of every sibling; sums show that the units before the leaf are those before the chunk. Shards are longer than any other
//! input of the hash, and leaves, inner nodes and roots begin with different bytes, so that none can pose as another.

mod info;
mod pay;
mod proof;
mod range;
mod shard;
mod statement;

pub use info::{
    ChallengeInfo, DisputeInfo, DriveInfo, GrantInfo, Head, HeldSlot, Role, SealedKey, SlotInfo, SlotState, Successor,
    Target, Terms, VaultInfo, VaultStatus, Visibility, ADDRESSES_MAX, ADDRESS_BYTES_MAX, HEAD_BYTES_MAX,
    SEALED_BYTES_MAX, SLOTS_MAX,
};
pub use pay::{rate_per_block, UNITS_PER_GIB};
pub use proof::{ChunkProof, ProofError};
pub use range::{Node, NodeAt, Range, LEAVES_MAX, PEAKS_MAX};
pub use shard::{shard_id, Coding, ShardId, ShardSize, CHUNKS_PER_UNIT, CHUNK_BYTES, UNIT_BYTES};
pub use statement::{challenge_id, restore_chunk, Receipt, SlotAt, Ticket};

/// Identifies a drive; the chain counts them.
pub type DriveId = u64;

#[cfg(test)]
mod tests;
