// SPDX-License-Identifier: Apache-2.0

//! Sources to stripes: reads, encrypts, and cuts.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
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
        let mut laid = Vec::with_capacity(inputs.len());
        for input in inputs {
            let start = packer.written;
            let (size, commitment) = match input.source {
                Source::Stored { pieces, bytes } => {
                    packer.copy(&pieces, bytes, &input.name)?;
                    (0, None)
                },
                source => {
                    let (size, commitment) = packer.encrypt(source, &input.key, &input.name)?;
                    (size, Some(commitment))
                },
            };
            laid.push((start, size, commitment));
        }
        let (full, sizes) = packer.finish()?;
        let (coding, first) = (self.coding, self.first_stripe);
        let place = |(start, size, commitment): (u64, u64, Option<[u8; 32]>)| {
            let (stripe, offset) = place(start, first, full, &sizes, coding);
            Laid { size, commitment, stripe, offset }
        };
        Ok(laid.into_iter().map(place).collect())
    }

    fn send(&self, data: Bytes, size: ShardSize) -> Result<(), DriveError> {
        let kib = memory_kib(size, self.coding);
        let memory = Arc::clone(&self.memory);
        let permit = self.runtime.block_on(memory.acquire_many_owned(kib)).map_err(|_| stopped())?;
        self.to.blocking_send(RawStripe { data, permit }).map_err(|_| stopped())
    }
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
    fn encrypt(&mut self, source: Source, key: &[u8; 32], name: &str) -> Result<(u64, [u8; 32]), DriveError> {
        match source {
            Source::File(path) => {
                let read = DriveError::io(path.display().to_string());
                let (file, before) = match File::open(&path).and_then(|file| Ok((file.metadata()?, file))) {
                    Ok((metadata, file)) => (file, metadata),
                    Err(error) => return Err(read(error)),
                };
                let shown = path.display().to_string();
                let result = self.encrypt_reader(&file, key, name)?;
                let after = file.metadata().map_err(DriveError::io(shown.clone()))?;
                let same = after.len() == before.len() && after.modified().ok() == before.modified().ok();
                // A file that is written to meanwhile would be stored as it never was.
                if !same || result.0 != after.len() && after.is_file() && after.len() > 0 {
                    return Err(DriveError::SourceChanged(shown));
                }
                Ok(result)
            },
            Source::Bytes(bytes) => self.encrypt_reader(&bytes[..], key, name),
            Source::Stream(stream) => self.encrypt_reader(stream, key, name),
            Source::Stored { .. } => Err(DriveError::Task("stored content isn't encrypted again".into())),
        }
    }

    fn encrypt_reader(
        &mut self,
        mut reader: impl Read,
        key: &[u8; 32],
        name: &str,
    ) -> Result<(u64, [u8; 32]), DriveError> {
        let failed = |error: io::Error| DriveError::Io { what: name.into(), error };
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
        Ok((commitment.size(), commitment.finish(key)))
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
