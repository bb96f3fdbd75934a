// SPDX-License-Identifier: Apache-2.0

//! What a machine can do at best: a plain program that encrypts a file once, cuts it into shards of 256 KiB, hashes each, and
//! writes them into as many files as a drive of this coding has vaults, each safely on disk: four copies for 1/4, sixteen files of
//! coded shards for 4/16; and then reads the data back from as many as are needed, checks, decrypts and writes it: once from
//! the disk, once from memory. No network, no chain, no manifest. `scripts/bench storage` compares with it.
//!
//! `storage_limit SOURCE FOLDER [DATA_SHARDS]`: prints `put SECONDS`, `get SECONDS` (from the disk) and `get-again SECONDS`.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
    sync::mpsc::{sync_channel, SyncSender},
    thread::{self, JoinHandle},
    time::Instant,
};

use bytes::Bytes;
use cairn_drive::erasure::encode_stripe;
use cairn_primitives::storage::Coding;
use nix::fcntl::{posix_fadvise, PosixFadviseAdvice};
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM};

const FRAME: usize = 64 << 10;
const TAG: usize = 16;
const SHARD: usize = 256 << 10;
/// Shards that wait for all writers together at most.
const QUEUE: usize = 256;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Id = [u8; 32];

fn key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("32 bytes are a key"))
}

fn nonce(frame: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&frame.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Fills the buffer as far as the file goes.
fn fill(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Writes what it is sent, and makes it safe at the end.
fn writer(path: &Path, queue: usize) -> (SyncSender<Bytes>, JoinHandle<std::io::Result<()>>) {
    let (sender, shards) = sync_channel::<Bytes>(queue);
    let path = path.to_path_buf();
    let write = move || {
        let mut file = File::create(path)?;
        for shard in shards {
            file.write_all(&shard)?;
        }
        file.sync_data()
    };
    (sender, thread::spawn(write))
}

/// Encrypts in one thread and codes in this one; gives the ids of the data shards.
fn put(source: &Path, folder: &Path, coding: Coding) -> Result<Vec<Id>, Error> {
    let (k, files) = (usize::from(coding.data()), usize::from(coding.slots()));
    let writers: Vec<_> =
        (0..files).map(|number| writer(&folder.join(format!("shards{number}")), QUEUE / files)).collect();
    let (key, mut file) = (key(), File::open(source)?);
    let (to, stripes) = sync_channel::<Vec<u8>>(2);
    let encrypting = thread::spawn(move || -> Result<(), Error> {
        let (mut frame, mut plain) = (0, vec![0; FRAME]);
        let mut stripe = Vec::with_capacity(k * SHARD + FRAME);
        loop {
            let filled = fill(&mut file, &mut plain)?;
            if filled == 0 {
                stripe.resize(k * SHARD, 0);
                return Ok(to.send(stripe)?);
            }
            let tag = key.seal_in_place_separate_tag(nonce(frame), Aad::empty(), &mut plain[..filled]);
            stripe.extend_from_slice(&plain[..filled]);
            stripe.extend_from_slice(tag.map_err(|_| "it can't be encrypted")?.as_ref());
            frame += 1;
            if stripe.len() >= k * SHARD {
                let rest = stripe.split_off(k * SHARD);
                to.send(std::mem::replace(&mut stripe, rest))?;
            }
        }
    });
    let mut data_ids = Vec::new();
    for stripe in stripes {
        let shards = encode_stripe(coding, stripe.into())?;
        // Copies are hashed once.
        let different = if k == 1 { 1 } else { files };
        let ids: Vec<Id> = shards.iter().take(different).map(|shard| *blake3::hash(shard).as_bytes()).collect();
        data_ids.extend_from_slice(&ids[..k]);
        for ((sender, _), shard) in writers.iter().zip(shards) {
            sender.send(shard)?;
        }
    }
    encrypting.join().map_err(|_| "encrypting panicked")??;
    for (sender, writer) in writers {
        drop(sender);
        writer.join().map_err(|_| "a writer panicked")??;
    }
    Ok(data_ids)
}

fn get(folder: &Path, ids: &[Id], bytes: u64, k: usize) -> Result<(), Error> {
    let open = |number| File::open(folder.join(format!("shards{number}")));
    let mut files = (0..k).map(open).collect::<Result<Vec<_>, _>>()?;
    let mut to = File::create(folder.join("read"))?;
    let (key, mut frame, mut left) = (key(), 0, bytes);
    let (mut shard, mut pending) = (vec![0; SHARD], Vec::with_capacity(SHARD + FRAME + TAG));
    for (number, id) in ids.iter().enumerate() {
        fill(&mut files[number % k], &mut shard)?;
        if blake3::hash(&shard).as_bytes() != id {
            return Err("the shard is not what was written".into());
        }
        pending.extend_from_slice(&shard);
        let mut done = 0;
        while left > 0 {
            let stored = FRAME.min(usize::try_from(left)?) + TAG;
            if pending.len() - done < stored {
                break;
            }
            let sealed = &mut pending[done..done + stored];
            let plain = key.open_in_place(nonce(frame), Aad::empty(), sealed).map_err(|_| "it can't be decrypted")?;
            to.write_all(plain)?;
            left -= plain.len() as u64;
            (frame, done) = (frame + 1, done + stored);
        }
        pending.drain(..done);
    }
    if left > 0 {
        return Err("a part of it is missing".into());
    }
    Ok(to.sync_data()?)
}

/// Takes the shards out of memory: they are on the disk.
fn forget(folder: &Path, k: usize) -> Result<(), Error> {
    for number in 0..k {
        let file = File::open(folder.join(format!("shards{number}")))?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    let usage = "usage: storage_limit SOURCE FOLDER [DATA_SHARDS]";
    let mut args = std::env::args_os().skip(1);
    let (Some(source), Some(folder)) = (args.next(), args.next()) else {
        return Err(usage.into());
    };
    let k: u8 = args.next().map_or(Ok(1), |k| k.to_string_lossy().parse())?;
    let coding = [Coding::K1, Coding::K2, Coding::K4, Coding::K8].into_iter().find(|coding| coding.data() == k);
    let coding = coding.ok_or(usage)?;
    let (source, folder) = (Path::new(&source), Path::new(&folder));
    let start = Instant::now();
    let ids = put(source, folder, coding)?;
    println!("put {:.3}", start.elapsed().as_secs_f64());
    for name in ["get", "get-again"] {
        // The first time takes the shards into memory.
        if name == "get" {
            forget(folder, k.into())?;
        }
        let start = Instant::now();
        get(folder, &ids, source.metadata()?.len(), k.into())?;
        println!("{name} {:.3}", start.elapsed().as_secs_f64());
        if std::fs::read(source)? != std::fs::read(folder.join("read"))? {
            return Err("it came back as something else".into());
        }
        std::fs::remove_file(folder.join("read"))?;
        // Nothing of it is left for the next to wait for.
        nix::unistd::sync();
    }
    Ok(())
}
