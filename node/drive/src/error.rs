// SPDX-License-Identifier: Apache-2.0

use cairn_primitives::storage::DriveId;

use crate::{
    chain::ChainError,
    erasure::ErasureError,
    keys::KeyError,
    manifest::{ManifestError, TreeError},
    page::SealedError,
    path::PathError,
};

/// Why something with a drive didn't work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriveError {
    /// There is no drive with this number, or no more.
    #[error(
        "there is no drive {0}, or no more: a drive ends when it is closed, or when what was paid for it is used up"
    )]
    NoDrive(DriveId),
    /// The chain couldn't be asked, or refused.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// There is no key to read with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A part of the manifest can't be decrypted.
    #[error("the drive's manifest can't be read: {0}")]
    Sealed(#[from] SealedError),
    /// A part of the manifest is not what it has to be.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The change can't be made.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A path is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// What is in a local folder can't be in a drive.
    #[error("in {folder}: {error}")]
    LocalName {
        /// The folder.
        folder: String,
        /// What is wrong with a name in it.
        #[source]
        error: PathError,
    },
    /// Shards can't be made or decoded.
    #[error(transparent)]
    Erasure(#[from] ErasureError),
    /// Too few vaults give what they hold.
    #[error("stripe {stripe} can't be read: {needed} of the drive's slots are needed and {got} gave it; {failures}")]
    Unreadable {
        /// The first stripe that was asked for.
        stripe: u64,
        /// Slots that gave it.
        got: usize,
        /// Slots that are needed.
        needed: u8,
        /// What went wrong, slot by slot.
        failures: String,
    },
    /// Too few vaults took what was sent.
    #[error("{got} of {slots} vaults have it all, and {needed} must; {failures}")]
    TooFewVaults {
        /// Vaults that signed for it.
        got: usize,
        /// Vaults that must.
        needed: u8,
        /// Vaults of the drive.
        slots: u8,
        /// What went wrong, slot by slot.
        failures: String,
    },
    /// Another writer was faster, again and again.
    #[error("the drive was changed by others each time, {attempts} times in a row")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// It doesn't fit.
    #[error("{} are needed, and the drive has room for {} more", mib(*.needed_bytes), mib(*.free_bytes))]
    NoRoom {
        /// Bytes that are needed, of data.
        needed_bytes: u64,
        /// Bytes that are free, without what is kept for removing and trimming.
        free_bytes: u64,
    },
    /// What was paid for the drive isn't enough for what it would hold.
    #[error("the drive would cost {needed} plancks a period, and {escrow} are left of what was paid for it")]
    EscrowTooSmall {
        /// Plancks that are left.
        escrow: u128,
        /// Plancks that the chain asks for.
        needed: u128,
    },
    /// A stored file's content isn't what its entry says.
    #[error("what the vaults hold of {name} isn't what was stored")]
    Damaged {
        /// The file.
        name: String,
    },
    /// A range that the file doesn't have.
    #[error("the file has {size} bytes")]
    NoSuchRange {
        /// Its bytes.
        size: u64,
    },
    /// A local file.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it didn't work.
        #[source]
        error: std::io::Error,
    },
    /// A journal of an upload.
    #[error("the journal of an upload, {file}, can't be used: {reason}")]
    Journal {
        /// Which.
        file: String,
        /// Why not.
        reason: String,
    },
    /// Another process is at the same command.
    #[error("the same command is running already, in another process")]
    Running,
    /// Another download writes to the same place.
    #[error("{to} is being got already, by another command")]
    Getting {
        /// Where to.
        to: String,
    },
    /// A version that doesn't exist, or no more.
    #[error("version {version} of the drive isn't there: the oldest is {oldest}, the newest {newest}")]
    NoVersion {
        /// The version that was asked for.
        version: u64,
        /// The oldest that is there.
        oldest: u64,
        /// The newest.
        newest: u64,
    },
    /// A link that is none.
    #[error("this is no link to files in a drive: {0}")]
    Link(&'static str),
    /// A link to what is gone.
    #[error("the link is dead: drive {drive} {why}")]
    DeadLink {
        /// Where it leads to.
        drive: DriveId,
        /// What became of it.
        why: String,
    },
    /// A source that doesn't give what it said.
    #[error("{0} changed while it was read; run the command again")]
    SourceChanged(String),
    /// A task of this program ended unexpectedly.
    #[error("a part of this program failed: {0}")]
    Task(String),
}

impl DriveError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| DriveError::Io { what, error }
    }

    /// What to do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            DriveError::NoDrive(_) => "`cairn drive list` shows the drives that there are",
            DriveError::Unreadable { .. } => "try again; `cairn drive status` shows how its vaults fare",
            DriveError::TooFewVaults { .. } => {
                "run the same command again: it goes on where this one ended; `cairn drive status` shows the vaults"
            },
            DriveError::Contended { .. } => "run the command again when the others are done",
            DriveError::NoRoom { .. } => {
                "`cairn rm` what isn't needed, and `cairn drive trim` gives up old versions, and what was removed: a little room is kept \
                 for these two; `cairn drive resize` makes more"
            },
            DriveError::EscrowTooSmall { .. } => "`cairn drive top-up` pays for more; then run the command again",
            DriveError::Damaged { .. } => "`cairn versions` shows older versions; `--version` gets one",
            DriveError::Getting { .. } => "wait until the other command has ended; then run this one again if it is still to be done",
            DriveError::Running => "wait until it has ended; then run it again if it is still to be done",
            DriveError::Journal { .. } => "remove the file to begin anew",
            DriveError::NoVersion { .. } => "`cairn versions` lists them",
            DriveError::Key(KeyError::NotHanded) => {
                "its former owner has to tell you what was in it; `cairn drive close` ends it, and its escrow comes back"
            },
            DriveError::DeadLink { .. } => "ask whoever gave it to you for a new link: `cairn share --link` makes one",
            DriveError::Sealed(_) => "use the account that owns the drive, or that it is shared with",
            _ => return None,
        })
    }
}

impl From<tokio::task::JoinError> for DriveError {
    fn from(error: tokio::task::JoinError) -> Self {
        DriveError::Task(error.to_string())
    }
}

/// Bytes in MiB, with two places if they are few: never less than they are.
fn mib(bytes: u64) -> String {
    let hundredths = (u128::from(bytes) * 100).div_ceil(1 << 20);
    match hundredths {
        0..10_000 => format!("{}.{:02} MiB", hundredths / 100, hundredths % 100),
        _ => format!("{} MiB", hundredths.div_ceil(100)),
    }
}
