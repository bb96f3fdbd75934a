// SPDX-License-Identifier: Apache-2.0

//! Sources to stripes: reads, encrypts, and cuts.

use std::{
    fs::{Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use cairn_buffers::Buffer;
use cairn_primitives::storage::{Coding, ShardSize};
use tokio::sync::{mpsc, OwnedSemaphorePermit, Semaphore};

use super::{
    layout::{full_stripe_bytes, place, stripe_bytes, tail},
    Event, OnEvent,
};
use crate::{
    frame::{fill, Commitment, FileCipher, FILE_BYTES_MAX, FRAME_BYTES, OVERHEAD_BYTES},
    DriveError,
};

/// How often a file that is changed while it is read is read in all.
const READS_MAX: usize = 2;
/// After how many frames of a file it is looked whether it was changed: it is given up after 16 MiB, however long it is.
const LOOK_FRAMES: u64 = 256;

/// Memory is counted in KiB: a semaphore counts to 2^32 at most.
const KIB: usize = 1024;

/// Pieces of stored content, shared by the sources that it is for.
pub type StoredPieces = Arc<Mutex<mpsc::Receiver<Result<Bytes, DriveError>>>>;

/// Where content comes from.
pub enum Source {
    /// A file on disk.
    File(PathBuf),
    /// Bytes at hand.
    Bytes(Bytes),
    /// Anything that can be read once.
    Stream(Box<dyn Read + Send>),
    /// Content that is stored already, as it is stored; it is laid anew without being decrypted.
    Stored {
        /// Its pieces, in order; those of the next source follow.
        pieces: StoredPieces,
        /// Bytes it must come to.
        bytes: u64,
    },
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::File(path) => write!(f, "File({})", path.display()),
            Source::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Source::Stream(_) => f.write_str("Stream"),
            Source::Stored { bytes, .. } => write!(f, "Stored({bytes})"),
        }
    }
}

/// A source, and the key to encrypt it under.
#[derive(Debug)]
pub(crate) struct Input {
    pub source: Source,
    pub key: [u8; 32],
    /// How to name it in an error.
    pub name: String,
}

/// What became of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Laid {
    /// Bytes of plaintext.
    pub size: u64,
    /// `None` for content that was stored already.
    pub commitment: Option<[u8; 32]>,
    pub stripe: u64,
    pub offset: u32,
    /// Why it was left out, if it was.
    pub left_out: Option<LeftOut>,
}

/// What can't be read, or doesn't hold still: the others don't wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The file or folder on this machine.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// A stripe's data, and its share of the memory.
#[derive(Debug)]
pub(crate) struct RawStripe {
    pub data: Bytes,
    pub permit: OwnedSemaphorePermit,
}

/// Memory that a stripe takes with all its shards, in KiB.
pub(crate) fn memory_kib(size: ShardSize, coding: Coding) -> u32 {
    let shards = if coding == Coding::K1 { 1 } else { usize::from(coding.slots()) };
    (size.bytes() * shards / KIB) as u32
}

/// Makes stripes of inputs, in a thread of its own.
pub(crate) struct Producer {
    pub coding: Coding,
    pub first_stripe: u64,
    pub memory: Arc<Semaphore>,
    pub runtime: tokio::runtime::Handle,
    pub to: mpsc::Sender<RawStripe>,
    pub on_event: OnEvent,
}

/// Nobody takes the stripes any more; whoever stopped knows why.
fn stopped() -> DriveError {
    DriveError::Task("the upload was stopped".into())
}

impl Producer {
    /// Reads all inputs, one after the other; returns where each lies.
    pub fn run(self, inputs: Vec<Input>) -> Result<Vec<Laid>, DriveError> {
        let mut packer =
            Packer { buffer: Buffer::new(full_stripe_bytes(self.coding)), filled: 0, full: 0, written: 0, out: &self };
        let mut written = Vec::with_capacity(inputs.len());
        for input in inputs {
            written.push(match input.source {
                Source::Stored { pieces, bytes } => {
                    let start = packer.written;
                    packer.copy(&pieces, bytes, &input.name)?;
                    Written { start, size: 0, commitment: None, left_out: None }
                },
                Source::File(path) => packer.encrypt_file(&path, &input.key)?,
                Source::Bytes(bytes) => packer.encrypt(&bytes[..], &input.key, &input.name, || Ok(true))?,
                Source::Stream(stream) => packer.encrypt(stream, &input.key, &input.name, || Ok(true))?,
            });
        }
        let (full, sizes) = packer.finish()?;
        let (coding, first) = (self.coding, self.first_stripe);
        let place = |written: Written| {
            let (stripe, offset) = place(written.start, first, full, &sizes, coding);
            let Written { size, commitment, left_out, .. } = written;
            Laid { size, commitment, stripe, offset, left_out }
        };
        Ok(written.into_iter().map(place).collect())
    }

    fn send(&self, data: Bytes, size: ShardSize) -> Result<(), DriveError> {
        let kib = memory_kib(size, self.coding);
        let memory = Arc::clone(&self.memory);
        let permit = self.runtime.block_on(memory.acquire_many_owned(kib)).map_err(|_| stopped())?;
        self.to.blocking_send(RawStripe { data, permit }).map_err(|_| stopped())
    }
}

/// Where a source was written to.
struct Written {
    start: u64,
    size: u64,
    commitment: Option<[u8; 32]>,
    left_out: Option<LeftOut>,
}

struct Packer<'a> {
    /// The stripe that is being filled, and how far it is.
    buffer: Buffer,
    filled: usize,
    full: u64,
    written: u64,
    out: &'a Producer,
}

impl Packer<'_> {
    /// Encrypts a file; one that can't be read, or is changed each time, is left out. What was written of it stays, if it was sent
    /// already: nothing leads there, and trimming removes it.
    fn encrypt_file(&mut self, path: &Path, key: &[u8; 32]) -> Result<Written, DriveError> {
        let mut reason = String::new();
        for _ in 0..READS_MAX {
            let before = (self.full, self.filled, self.written);
            match self.try_file(path, key) {
                Err(DriveError::SourceChanged(_)) => reason = "it was changed each time while it was read".into(),
                Err(DriveError::Io { error, .. }) => {
                    self.take_back(before);
                    reason = error.to_string();
                    break;
                },
                done => return done,
            }
            self.take_back(before);
        }
        let left_out = Some(LeftOut { path: path.into(), reason });
        Ok(Written { start: self.written, size: 0, commitment: None, left_out })
    }

    /// Forgets what was written since, if none of it was sent.
    fn take_back(&mut self, (full, filled, written): (u64, usize, u64)) {
        if self.full == full {
            (self.filled, self.written) = (filled, written);
        }
    }

    fn try_file(&mut self, path: &Path, key: &[u8; 32]) -> Result<Written, DriveError> {
        let shown = path.display().to_string();
        // It may have become something that is waited for, such as a pipe.
        let nonblocking = nix::libc::O_NONBLOCK;
        let opened = OpenOptions::new().read(true).custom_flags(nonblocking).open(path);
        let file = opened.map_err(DriveError::io(shown.clone()))?;
        let before = file.metadata().map_err(DriveError::io(shown.clone()))?;
        if !before.is_file() {
            let error = io::Error::other("it is no ordinary file any more");
            return Err(DriveError::Io { what: shown, error });
        }
        let same = || Ok(is_same(&before, &file.metadata()?));
        let written = self.encrypt(&file, key, &shown, same)?;
        let after = file.metadata().map_err(DriveError::io(shown.clone()))?;
        // A file that is written to meanwhile would be stored as it never was.
        if !is_same(&before, &after) || written.size != after.len() && after.len() > 0 {
            return Err(DriveError::SourceChanged(shown));
        }
        Ok(written)
    }

    /// Encrypts what a reader gives, as long as it is the `same`.
    fn encrypt(
        &mut self,
        mut reader: impl Read,
        key: &[u8; 32],
        name: &str,
        same: impl Fn() -> io::Result<bool>,
    ) -> Result<Written, DriveError> {
        let failed = |error: io::Error| DriveError::Io { what: name.into(), error };
        let start = self.written;
        let cipher = FileCipher::new(key);
        let mut commitment = Commitment::default();
        // Whether a frame is the last shows when the next is looked for.
        let room = OVERHEAD_BYTES + FRAME_BYTES;
        let nonce_bytes = OVERHEAD_BYTES - 16;
        let (mut frame, mut ahead) = (vec![0; room], vec![0; room]);
        let mut filled = fill(&mut reader, &mut frame[nonce_bytes..nonce_bytes + FRAME_BYTES]).map_err(failed)?;
        let mut index = 0;
        while filled > 0 {
            let next = if filled < FRAME_BYTES {
                0
            } else {
                fill(&mut reader, &mut ahead[nonce_bytes..nonce_bytes + FRAME_BYTES]).map_err(failed)?
            };
            if index % LOOK_FRAMES == LOOK_FRAMES - 1 && !same().map_err(failed)? {
                return Err(DriveError::SourceChanged(name.into()));
            }
            let sealed = &mut frame[..filled + OVERHEAD_BYTES];
            let hash = cipher.seal(index, next == 0, sealed).map_err(|error| DriveError::Task(error.to_string()))?;
            commitment.add(hash, filled);
            if commitment.size() > FILE_BYTES_MAX {
                return Err(DriveError::Task(format!("{name} is too long for a drive")));
            }
            self.write(&frame[..filled + OVERHEAD_BYTES])?;
            (self.out.on_event)(Event::Read { bytes: filled as u64 });
            std::mem::swap(&mut frame, &mut ahead);
            (filled, index) = (next, index + 1);
        }
        Ok(Written { start, size: commitment.size(), commitment: Some(commitment.finish(key)), left_out: None })
    }

    fn copy(&mut self, pieces: &StoredPieces, bytes: u64, name: &str) -> Result<(), DriveError> {
        let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let damaged = || DriveError::Damaged { name: name.into() };
        let mut left = bytes;
        while left > 0 {
            let piece = pieces.blocking_recv().ok_or_else(damaged)??;
            left = left.checked_sub(piece.len() as u64).ok_or_else(damaged)?;
            self.write(&piece)?;
            (self.out.on_event)(Event::Read { bytes: piece.len() as u64 });
        }
        Ok(())
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), DriveError> {
        let full = full_stripe_bytes(self.out.coding);
        self.written += bytes.len() as u64;
        while !bytes.is_empty() {
            let taken = bytes.len().min(full - self.filled);
            let (now, later) = bytes.split_at(taken);
            self.buffer[self.filled..self.filled + taken].copy_from_slice(now);
            (bytes, self.filled) = (later, self.filled + taken);
            if self.filled == full {
                let data = std::mem::replace(&mut self.buffer, Buffer::new(full)).freeze();
                self.out.send(data, ShardSize::K256)?;
                (self.full, self.filled) = (self.full + 1, 0);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(u64, Vec<ShardSize>), DriveError> {
        let sizes = tail(self.filled, self.out.coding);
        let total: usize = sizes.iter().map(|size| stripe_bytes(*size, self.out.coding)).sum();
        self.buffer.truncate(total);
        // The buffer held something else before.
        self.buffer[self.filled..].fill(0);
        let mut rest = self.buffer.freeze();
        for size in &sizes {
            self.out.send(rest.split_to(stripe_bytes(*size, self.out.coding)), *size)?;
        }
        Ok((self.full, sizes))
    }
}

/// Whether nobody wrote to a file between two looks.
fn is_same(before: &Metadata, after: &Metadata) -> bool {
    before.len() == after.len() && before.modified().ok() == after.modified().ok()
}
