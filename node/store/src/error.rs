// SPDX-License-Identifier: Apache-2.0

use std::{io, sync::Arc};

use cairn_primitives::storage::SlotAt;

use crate::ObjectsError;

/// Why the store didn't do it. What is stored is as it was.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such log.
    #[error("there is no log of slot {} of drive {}", .0.slot, .0.drive)]
    UnknownSlot(SlotAt),
    /// There is such a log already.
    #[error("there is a log of slot {} of drive {} already", .0.slot, .0.drive)]
    Exists(SlotAt),
    /// Shards are missing before those that were given.
    #[error("the log ends at shard {leaves}")]
    Gap {
        /// Shards in the log.
        leaves: u64,
    },
    /// What is committed, or was promised by a receipt, can't be cut.
    #[error("the first {leaves} shards are committed, or were promised by a receipt")]
    Kept {
        /// Shards that can't be cut.
        leaves: u64,
    },
    /// The log would be longer than it may be.
    #[error("the log may have {units_max} units")]
    NoRoom {
        /// What it may have.
        units_max: u64,
    },
    /// The log doesn't have it, or no more.
    #[error("the log doesn't have it, or no more")]
    Missing,
    /// The bytes on the disk are not the shard's any more.
    #[error("shard {leaf} is damaged")]
    Rot {
        /// Which.
        leaf: u64,
    },
    /// The bytes are not the shards that they should be.
    #[error("the bytes are not what they should be")]
    Differs,
    /// No log can be longer.
    #[error("no log can be longer")]
    LogFull,
    /// Units at which no shard ends.
    #[error("no shard ends there")]
    NotAnEnd,
    /// Too little room would be left on the disk.
    #[error("the disk is full ({free_bytes} bytes are free, {reserve_bytes} stay so): make room on it")]
    DiskFull {
        /// Free now.
        free_bytes: u64,
        /// What always stays free.
        reserve_bytes: u64,
    },
    /// The log changed while this waited; ask where it ends, and go on from there.
    #[error("the log was changed meanwhile")]
    Changed,
    /// The disk didn't take what was written; the log has to be opened again.
    #[error("the disk failed while writing this log: it has to be opened again")]
    Poisoned,
    /// The index can't be written; nothing more is taken.
    #[error("the index can't be written: check the disk, and start again")]
    Failed,
    /// There are logs that the index doesn't know: it was lost, or is an older one.
    #[error("{logs} logs of shards are there that the index doesn't know: it was lost, or another one is in its place; nothing was removed")]
    IndexLost {
        /// How many.
        logs: usize,
    },
    /// Of all the logs that the index knows none is there: most likely their disk isn't.
    #[error("the index knows {logs} logs of shards, and none of them is there; nothing was made anew")]
    LogsLost {
        /// How many.
        logs: usize,
    },
    /// The shards are somewhere else than the store was opened for.
    #[error("the shards of this store are {0}")]
    Elsewhere(String),
    /// The store of objects can't be used.
    #[error(transparent)]
    Objects(Arc<ObjectsError>),
    /// A file can't be used.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// The index can't be used.
    #[error("the index: {0}")]
    Index(String),
}

impl StoreError {
    /// Wraps an error of the system.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> StoreError {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                StoreError::DiskFull { free_bytes: 0, reserve_bytes: 0 }
            },
            _ => StoreError::Io { what, source: Arc::new(source) },
        }
    }
}

impl From<rocksdb::Error> for StoreError {
    fn from(error: rocksdb::Error) -> Self {
        StoreError::Index(error.into_string())
    }
}
