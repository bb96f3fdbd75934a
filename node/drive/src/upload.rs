// SPDX-License-Identifier: Apache-2.0

//! Stripes on their way to the vaults.
//!
//! ```text
//! sources -> encrypt, cut into stripes -> code, hash -> one queue a slot -> append, acknowledged -> receipts
//!            one thread                   two threads    bounded together by bytes
//! ```
//! # Correctness
//! - Memory is bounded by bytes: a stripe takes its share before it is made and gives it back when every vault that still
//!   takes part has acknowledged it.
//! - What is sent is a function of the sources and the journal's seed. So after a crash the same stripes come out again, and
//!   those whose ids a vault has already aren't sent to it.
//! - A vault's receipt counts if it names exactly the root and the length that were computed here.

pub(crate) mod fan;
pub(crate) mod journal;
pub(crate) mod layout;
pub(crate) mod produce;
mod slot;

pub use journal::Journal;
pub use produce::LeftOut;

/// What an upload tells of its progress.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// So many bytes of sources are to be read, as far as that is known.
    Total {
        /// Bytes.
        bytes: u64,
    },
    /// So many more bytes of sources were read and encrypted.
    Read {
        /// Bytes.
        bytes: u64,
    },
    /// A vault has more on disk.
    Stored {
        /// Its slot.
        slot: u8,
        /// Bytes.
        bytes: u64,
        /// They were there from an earlier run, and were not sent.
        known: bool,
    },
    /// A vault has signed for everything.
    Signed {
        /// Its slot.
        slot: u8,
    },
    /// A vault doesn't take part any more; it catches up by itself later.
    Left {
        /// Its slot.
        slot: u8,
        /// Why.
        reason: String,
    },
    /// The checkpoint is on its way.
    Checkpoint,
    /// Vaults keep stripes that they have signed for and nobody has committed yet; whether somebody does is waited for.
    LeftBehind {
        /// How many.
        stripes: u64,
    },
    /// Somebody else changed the drive: everything is done again on top of that.
    Again,
}

/// Told what happens, from any thread.
pub type OnEvent = std::sync::Arc<dyn Fn(Event) + Send + Sync>;
