// SPDX-License-Identifier: Apache-2.0

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// How a vault runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the key and of everything that is stored.
    pub data: PathBuf,
    /// Where drives and other vaults reach it.
    pub listen: Vec<SocketAddr>,
    /// Where the status page and the metrics are; nowhere if none.
    pub status: Option<SocketAddr>,
    /// Bytes of the disk that stay free.
    pub reserve_bytes: u64,
    /// The store's index, or all of its logs, may be gone: the operator knows, and the vault takes what it had from the others.
    pub accept_loss: bool,
    /// Where shards are kept as objects, like `s3://bucket/prefix`; none: in the folder.
    pub objects: Option<String>,
    /// What others may take of it.
    pub limits: Limits,
    /// How often things are done.
    pub pace: Pace,
}

impl Config {
    /// The usual, for this folder.
    pub fn new(data: PathBuf) -> Self {
        let store = cairn_store::Options::default();
        Config {
            data,
            listen: Vec::new(),
            status: None,
            reserve_bytes: store.reserve_bytes,
            accept_loss: false,
            objects: None,
            limits: Limits::default(),
            pace: Pace::default(),
        }
    }
}

/// What others may take of a vault.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections from one address (one /64 of IPv6). Addresses of this machine are not limited.
    pub connections_per_address: usize,
    /// Bytes of shards in memory: on their way to the disk, or out.
    pub bytes_in_flight: usize,
    /// Bytes of shards in memory for one connection.
    pub bytes_per_connection: usize,
    /// Bytes a second that one address may read, on average.
    pub read_bytes_per_second: u64,
    /// Bytes that it may read at once after a pause.
    pub read_bytes_burst: u64,
    /// For a handshake and a greeting.
    pub handshake: Duration,
    /// For the next request.
    pub idle: Duration,
    /// For the bytes of a request, or of an answer, to be moved.
    pub transfer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 1024,
            connections_per_address: 64,
            bytes_in_flight: 64 << 20,
            bytes_per_connection: 16 << 20,
            read_bytes_per_second: 32 << 20,
            read_bytes_burst: 512 << 20,
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(300),
            transfer: Duration::from_secs(60),
        }
    }
}

/// How often things are done.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two looks at the chain.
    pub poll: Duration,
    /// Between two questions to other vaults, on average; none: so that each of their slots is asked for once in a period.
    pub watch: Option<Duration>,
    /// Between a question that failed and the next try.
    pub watch_retry: Duration,
    /// In which everything is read once.
    pub scrub_period: Duration,
    /// Before a failed repair is tried again.
    pub repair_retry: Duration,
    /// For how long nobody may ask for anything before the vault looks whether anybody could.
    pub unreached_max: Duration,
    /// Blocks for which shards are kept after their slot was lost; none: a period.
    pub lost_grace_blocks: Option<u32>,
    /// Blocks for which what was never committed is kept after the last ticket for it.
    pub tail_grace_blocks: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            poll: Duration::from_millis(700),
            watch: None,
            watch_retry: Duration::from_secs(60),
            scrub_period: Duration::from_secs(30 * 24 * 3600),
            repair_retry: Duration::from_secs(15),
            unreached_max: Duration::from_secs(3600),
            lost_grace_blocks: None,
            tail_grace_blocks: 600,
        }
    }
}
