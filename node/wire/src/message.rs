// SPDX-License-Identifier: Apache-2.0

//! The messages. Each is the SCALE encoding of its number and the enum below; the bytes of shards go beside it, in the frame's
//! body.

use bounded_collections::{BoundedVec, ConstU32};
use cairn_primitives::storage::{ChunkProof, Range, Receipt, ShardId, ShardSize, SlotAt, Ticket};
use codec::{Decode, DecodeAll, Encode};

/// Leaves of a log that one message may name.
pub const LEAVES_MAX: u32 = 1024;
/// Bytes of a refusal's text.
pub const TEXT_BYTES_MAX: u32 = 256;

/// Sizes of consecutive shards.
pub type Sizes = BoundedVec<ShardSize, ConstU32<LEAVES_MAX>>;
/// Ids and sizes of consecutive shards.
pub type LeafList = BoundedVec<(ShardId, ShardSize), ConstU32<LEAVES_MAX>>;

/// What a client asks of a vault.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Request {
    /// The first on every connection; answered by [`Answer::Hello`].
    Hello {
        /// [`VERSION`](crate::VERSION).
        version: u16,
        /// Hash of the first block of the chain that is meant.
        genesis: [u8; 32],
    },
    /// How far a slot's log goes; answered by [`Answer::Status`].
    Status {
        /// Which slot.
        at: SlotAt,
    },
    /// Asks to write; answered by [`Answer::Opened`]. Holds for this connection.
    Open {
        /// What may be written.
        ticket: Ticket,
        /// Account that signed it.
        signer: [u8; 32],
        /// Its sr25519 signature of [`Ticket::to_sign`].
        signature: [u8; 64],
    },
    /// Appends the shards in the body; answered by [`Answer::Appended`] once they are safe.
    ///
    /// If the log is longer than `first_leaf`, it is cut there first: so no shards at all only cut it. What is committed,
    /// and what comes before the ticket's first stripe, isn't cut.
    Append {
        /// To which log.
        at: SlotAt,
        /// The first shard's number in the log.
        first_leaf: u64,
        /// Sizes of the shards.
        sizes: Sizes,
    },
    /// Asks for a receipt over the whole log; answered by [`Answer::Sealed`], or [`RefusalCode::Gap`] if it is another one.
    Seal {
        /// Of which log.
        at: SlotAt,
        /// How many shards it has.
        leaves: u64,
        /// Root of its range: another writer's shards may be there by now.
        root: [u8; 32],
        /// Last block in which it is to be committed.
        until_block: u32,
    },
    /// Asks for shards; answered by [`Answer::Read`].
    Read {
        /// Of which log.
        at: SlotAt,
        /// The first shard's number.
        first_leaf: u64,
        /// How many, at most.
        count: u32,
    },
    /// Asks for ids of shards; answered by [`Answer::Leaves`].
    Leaves {
        /// Of which log.
        at: SlotAt,
        /// The first shard's number.
        first_leaf: u64,
        /// How many, at most.
        count: u32,
    },
    /// Asks for a proof; answered by [`Answer::Proof`].
    Prove {
        /// Of which log.
        at: SlotAt,
        /// Units of the log as it is meant: a beginning of it that ends with a shard.
        units: u64,
        /// Which chunk.
        chunk: u64,
    },
    /// Asks for the peaks of all whole shards in the first units of a log, which are given up or about to be; answered by
    /// [`Answer::Front`]. A vault tells them of its own slots, and of those of its drives' other slots what it learnt: without
    /// them a log can't be rebuilt once its front is gone.
    Front {
        /// Of which log.
        at: SlotAt,
        /// How many units at its front.
        units: u64,
    },
}

/// What a vault answers.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[allow(clippy::large_enum_variant)] // A proof; one at a time.
pub enum Answer {
    /// To [`Request::Hello`].
    Hello {
        /// The vault's account.
        vault: [u8; 32],
        /// The version that it speaks.
        version: u16,
    },
    /// To [`Request::Status`].
    Status {
        /// Shards in the log.
        leaves: u64,
        /// Units in the log, what isn't committed yet included.
        units: u64,
        /// Units that are committed on chain, as far as the vault knows.
        committed_units: u64,
    },
    /// To [`Request::Open`].
    Opened {
        /// Shards in the log.
        leaves: u64,
        /// Units in the log.
        units: u64,
    },
    /// To [`Request::Append`]: everything up to there is safe.
    Appended {
        /// Shards in the log after it.
        leaves: u64,
        /// Units in the log after it.
        units: u64,
    },
    /// To [`Request::Seal`].
    Sealed {
        /// What is signed.
        receipt: Receipt,
        /// The service key's Ed25519 signature of [`Receipt::to_sign`].
        signature: [u8; 64],
    },
    /// To [`Request::Read`]; the body has the shards: at least one, and perhaps fewer than were asked for.
    Read {
        /// Their sizes.
        sizes: Sizes,
    },
    /// To [`Request::Leaves`]: at least one, and perhaps fewer than were asked for.
    Leaves {
        /// Ids and sizes.
        leaves: LeafList,
    },
    /// To [`Request::Prove`].
    Proof(ChunkProof),
    /// To [`Request::Front`].
    Front(Range),
    /// To anything.
    Refused(Refusal),
}

/// Why a vault doesn't do what it was asked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    text: BoundedVec<u8, ConstU32<TEXT_BYTES_MAX>>,
}

/// Why a vault doesn't do what it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[non_exhaustive]
pub enum RefusalCode {
    /// The slot isn't this vault's.
    UnknownSlot,
    /// No ticket was shown on this connection, or it has run out.
    NotOpen,
    /// The ticket is for something else, is signed by somebody else, or lasts too long.
    BadTicket,
    /// The drive is at another version.
    Stale {
        /// At this one.
        version: u64,
    },
    /// The drive's capacity is used up.
    NoRoom,
    /// The vault's disk is full. What is stored is safe.
    DiskFull,
    /// Shards are missing before those that were sent.
    Gap {
        /// Shards in the log.
        leaves: u64,
    },
    /// The vault doesn't have what was asked for, or no more.
    Missing,
    /// More was asked for than one message, or one connection, may ask for.
    TooMany,
    /// More than a peer may ask for in a time.
    RateLimited {
        /// Milliseconds after which to ask again.
        retry_ms: u32,
    },
    /// The vault serves another chain.
    WrongChain,
    /// The vault doesn't speak this version of the protocol, or not this request.
    Unsupported,
    /// The vault has a problem of its own.
    Internal,
    /// So many shards can't be cut: they are committed, or a receipt for them was given which may still be used.
    Kept {
        /// Shards that stay.
        leaves: u64,
    },
}

impl Refusal {
    /// A refusal; a text that is too long is cut.
    pub fn new(code: RefusalCode, text: &str) -> Self {
        let mut end = text.len().min(TEXT_BYTES_MAX as usize);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Refusal { code, text: BoundedVec::truncate_from(text.as_bytes()[..end].to_vec()) }
    }

    /// What the vault says about it. It is not to be believed, but safe to be shown: one line without control characters.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    /// Whether the same request may succeed later, with nothing else changed.
    pub fn is_temporary(&self) -> bool {
        matches!(self.code, RefusalCode::RateLimited { .. } | RefusalCode::DiskFull | RefusalCode::Internal)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            RefusalCode::UnknownSlot => f.write_str("the slot isn't this vault's"),
            RefusalCode::NotOpen => f.write_str("no ticket to write was shown, or it has run out"),
            RefusalCode::BadTicket => f.write_str("the ticket doesn't allow it"),
            RefusalCode::Stale { version } => write!(f, "the drive is at version {version}"),
            RefusalCode::NoRoom => f.write_str("the drive's capacity is used up"),
            RefusalCode::DiskFull => f.write_str("the vault's disk is full"),
            RefusalCode::Gap { leaves } => write!(f, "the log ends at shard {leaves}"),
            RefusalCode::Missing => f.write_str("the vault doesn't have it"),
            RefusalCode::TooMany => f.write_str("more than one message may ask for"),
            RefusalCode::RateLimited { retry_ms } => write!(f, "too much at a time; again in {retry_ms} ms"),
            RefusalCode::WrongChain => f.write_str("the vault serves another chain"),
            RefusalCode::Unsupported => f.write_str("the vault doesn't know this request"),
            RefusalCode::Internal => f.write_str("the vault has a problem"),
            RefusalCode::Kept { leaves } => {
                write!(f, "the first {leaves} shards are committed, or promised by a receipt")
            },
        }?;
        match self.text() {
            text if text.is_empty() => Ok(()),
            text => write!(f, ": {text}"),
        }
    }
}

/// The header of a frame: a message and the number that a request and its answer share.
pub fn encode<M: Encode>(id: u32, message: &M) -> Vec<u8> {
    (id, message).encode()
}

/// The message in a frame's header, and its number. `None` if it is none, or something follows it.
pub fn decode<M: Decode>(header: &[u8]) -> Option<(u32, M)> {
    <(u32, M)>::decode_all(&mut &header[..]).ok()
}

/// Splits a body into shards of these sizes. `None` if it is longer or shorter than they are.
pub fn split(sizes: &[ShardSize], mut body: bytes::Bytes) -> Option<Vec<bytes::Bytes>> {
    let total: usize = sizes.iter().map(|size| size.bytes()).sum();
    (total == body.len()).then(|| sizes.iter().map(|size| body.split_to(size.bytes())).collect())
}
