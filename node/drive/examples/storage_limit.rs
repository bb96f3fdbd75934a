// SPDX-License-Identifier: Apache-2.0

//! What a machine can do at best: a plain program that encrypts and hashes a file once and writes four copies of it, each
//! safely on disk, and then reads one copy back, checks, decrypts and writes it. No network, no chain, no manifest.
//! `scripts/bench storage` compares with it.
//!
//! `storage_limit SOURCE FOLDER`: prints `put SECONDS` and `get SECONDS`.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
    sync::mpsc::sync_channel,
    sync::Arc,
    thread,
    time::Instant,
};

use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM};

const FRAME: usize = 64 << 10;
const TAG: usize = 16;
/// Frames that go from thread to thread at once, and that are hashed as one shard.
const FRAMES: usize = 4;
const COPIES: usize = 4;
/// Blocks that wait for a writer at most.
const QUEUE: usize = 64;

type Error = Box<dyn std::error::Error + Send + Sync>;

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

fn put(source: &Path, folder: &Path) -> Result<Vec<[u8; 32]>, Error> {
    let mut writers = Vec::new();
    for copy in 0..COPIES {
        let (sender, blocks) = sync_channel::<Arc<Vec<u8>>>(QUEUE);
        let path = folder.join(format!("copy{copy}"));
        let write = move || -> std::io::Result<()> {
            let mut file = File::create(path)?;
            for block in blocks {
                file.write_all(&block)?;
            }
            file.sync_data()
        };
        writers.push((sender, thread::spawn(write)));
    }
    let (key, mut file, mut ids) = (key(), File::open(source)?, Vec::new());
    let mut frame = 0;
    loop {
        let mut block = Vec::with_capacity(FRAMES * (FRAME + TAG));
        let mut plain = vec![0; FRAME];
        let mut ended = false;
        for _ in 0..FRAMES {
            let filled = fill(&mut file, &mut plain)?;
            if filled == 0 {
                ended = true;
                break;
            }
            let tag = key.seal_in_place_separate_tag(nonce(frame), Aad::empty(), &mut plain[..filled]);
            block.extend_from_slice(&plain[..filled]);
            block.extend_from_slice(tag.map_err(|_| "it can't be encrypted")?.as_ref());
            frame += 1;
        }
        if !block.is_empty() {
            ids.push(*blake3::hash(&block).as_bytes());
            let block = Arc::new(block);
            for (sender, _) in &writers {
                sender.send(block.clone())?;
            }
        }
        if ended {
            break;
        }
    }
    for (sender, writer) in writers {
        drop(sender);
        writer.join().map_err(|_| "a writer panicked")??;
    }
    Ok(ids)
}

fn get(folder: &Path, ids: &[[u8; 32]]) -> Result<(), Error> {
    let (key, mut file) = (key(), File::open(folder.join("copy1"))?);
    let mut to = File::create(folder.join("read"))?;
    let mut block = vec![0; FRAMES * (FRAME + TAG)];
    let mut frame = 0;
    for id in ids {
        let filled = fill(&mut file, &mut block)?;
        if blake3::hash(&block[..filled]).as_bytes() != id {
            return Err("the copy is not what was written".into());
        }
        for sealed in block[..filled].chunks_mut(FRAME + TAG) {
            let plain = key.open_in_place(nonce(frame), Aad::empty(), sealed).map_err(|_| "it can't be decrypted")?;
            to.write_all(plain)?;
            frame += 1;
        }
    }
    to.sync_data()?;
    Ok(())
}

fn main() -> Result<(), Error> {
    let mut args = std::env::args_os().skip(1);
    let (Some(source), Some(folder)) = (args.next(), args.next()) else {
        return Err("usage: storage_limit SOURCE FOLDER".into());
    };
    let (source, folder) = (Path::new(&source), Path::new(&folder));
    let start = Instant::now();
    let ids = put(source, folder)?;
    println!("put {:.3}", start.elapsed().as_secs_f64());
    let start = Instant::now();
    get(folder, &ids)?;
    println!("get {:.3}", start.elapsed().as_secs_f64());
    Ok(())
}
