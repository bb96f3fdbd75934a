// SPDX-License-Identifier: Apache-2.0

//! The daemon: all parts, started and stopped together.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use cairn_client::chain::vaults::Vault as VaultInfo;
use cairn_store::{Store, StoreError};
use cairn_wire::{Connection, Timeouts, WireError};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, Instant},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    data::{DataError, DataFolder},
    keeper::{turns, Keeper},
    known::Known,
    peers::Peers,
    prover::{ProveError, Prover},
    reach::Lookout,
    rebuild::Rebuilder,
    scrubber::{Scrubber, REPAIR_PAUSE},
    serve::{Server, Shared},
    status::{self, Status},
    watcher::Watcher,
    Chain, ChainError, Config, Metrics,
};

/// Damaged shards that wait to be repaired.
const DAMAGED_MAX: usize = 256;
/// How often it is looked whether anybody reaches the vault: so many times in the time that nobody may come, and as often as this.
const LOOKS: u32 = 4;
const LOOK_MAX: Duration = Duration::from_secs(60);
/// Files that may be open: twice what connections, logs and tables take.
const FILES_WANTED: u64 = 4096;

/// Why a vault doesn't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its folder.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Its store.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// Its key.
    #[error(transparent)]
    Key(#[from] WireError),
    /// The chain doesn't answer.
    #[error("the chain: {0}")]
    Chain(#[from] ChainError),
    /// The account has no vault.
    #[error("the account has no vault: `cairn vault register` makes it one")]
    NotRegistered,
    /// The chain names another key.
    #[error("the chain names another service key for this vault than the folder has: give its own folder with --data, or register this key with `cairn vault update --new-key`")]
    OtherKey,
    /// Another daemon answers at the vault's address, with its key.
    #[error("another daemon runs this vault: one answers at its address with its key, so this folder is a copy")]
    RunsElsewhere,
    /// The store's folder is there, with nothing in it, and the vault has slots: most likely its disk isn't mounted.
    #[error("{folder} is empty, and this vault keeps {slots} slots: its disk is most likely not mounted")]
    StoreEmpty {
        /// The folder.
        folder: std::path::PathBuf,
        /// Slots that the chain says it keeps.
        slots: u32,
    },
    /// An address can't be listened at.
    #[error("can't listen at {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

impl StartError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            StartError::Data(DataError::InUse(_)) => "stop the other, or give this one its own folder by --data",
            StartError::Data(_) => "mend that, or name the vault's own folder by --data",
            StartError::Store(StoreError::Elsewhere(_)) => "give --objects as it was given before, or leave it out if it was not",
            StartError::StoreEmpty { .. } | StartError::Store(StoreError::LogsLost { .. }) => {
                "mount the disk that the shards are on, and start again. If they are lost for good, give --accept-loss once: the vault then takes \
                 what it had from the others of its groups"
            },
            StartError::Store(StoreError::IndexLost { .. }) => {
                "put the index back that belongs to these logs (the folder `store/index`), and start again. If it is lost for good, give \
                 --accept-loss once: these logs are removed then, and the vault takes what it had from the others of its groups. Don't do \
                 that on several vaults at the same time: theirs may be the last copies"
            },
            StartError::Store(_) => {
                "see whether the disk is whole and can be written. If the index is beyond repair, move the folder `store` away and keep \
                 the service key: the vault takes what it had from the others of its groups"
            },
            StartError::Key(_) => "name the vault's own folder by --data, or register a new key with `cairn vault update --new-key`",
            StartError::Chain(_) => "check the node at --url",
            StartError::NotRegistered => "register it, or name another account by --account",
            StartError::OtherKey => "`cairn vault status` shows the key that the chain names",
            StartError::RunsElsewhere => {
                "stop the other and use the folder that was in use last: what each takes in the other lacks, and what is lacking at a \
                 challenge is paid for"
            },
            StartError::Listen { .. } => "name another address by --listen, or stop what listens there",
        }
    }
}

/// How long this vault's own addresses are given to answer before this one listens: that none does is what is usual.
const ELSEWHERE_MAX: Duration = Duration::from_secs(3);

/// Whether somebody answers at one of a vault's addresses with its key. The folder is locked, and nobody listens here yet: so it has
/// another folder.
async fn runs_elsewhere(vault: &VaultInfo, genesis: [u8; 32]) -> bool {
    let answers = vault.addresses.iter().map(|address| {
        Box::pin(async move {
            let Ok(address) = std::str::from_utf8(address) else { return Err(()) };
            Connection::connect(address, vault.service_key, genesis, Timeouts::default()).await.map(drop).map_err(drop)
        })
    });
    // Nothing can be chosen among none.
    !vault.addresses.is_empty()
        && matches!(tokio::time::timeout(ELSEWHERE_MAX, futures::future::select_ok(answers)).await, Ok(Ok(_)))
}

/// Whether a folder is there, and nothing is in it: as where a disk is to be mounted.
fn is_empty_folder(folder: &std::path::Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// How long work at the disk may go on when a vault has stopped, and how often it is looked whether it does.
const CLOSE_MAX: Duration = Duration::from_secs(10);
const CLOSE_EVERY: Duration = Duration::from_millis(5);

/// A vault that runs.
pub struct Vault {
    metrics: Arc<Metrics>,
    addresses: Vec<SocketAddr>,
    status: Option<SocketAddr>,
    server: Server,
    tasks: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    // Last, so that the folder is free when the store is closed.
    store: Arc<Store>,
    _data: DataFolder,
}

impl Vault {
    /// Starts a vault.
    ///
    /// # Errors
    /// [`StartError`]; its text says what to do.
    pub async fn start(config: Config, chain: Arc<dyn Chain>) -> Result<Self, StartError> {
        raise_file_limit();
        let data = DataFolder::lock(&config.data)?;
        let key = Arc::new(data.key()?);
        let registered = chain.vault(chain.account()).await?.ok_or(StartError::NotRegistered)?;
        if registered.service_key != key.public() {
            return Err(StartError::OtherKey);
        }
        // Before the store is opened: both would write to what they share, such as a bucket.
        if runs_elsewhere(&registered, chain.genesis()).await {
            return Err(StartError::RunsElsewhere);
        }
        let accept_loss = config.accept_loss;
        if registered.slots > 0 && !accept_loss && is_empty_folder(&data.store()) {
            return Err(StartError::StoreEmpty { folder: data.store(), slots: registered.slots });
        }
        let options = cairn_store::Options { reserve_bytes: config.reserve_bytes, accept_loss, ..Default::default() };
        let (folder, objects) = (data.store(), config.objects.clone());
        let opening = tokio::task::spawn_blocking(move || match objects {
            Some(url) => Store::open_objects(&folder, &url, options),
            None => Store::open(&folder, options),
        });
        let store = Arc::new(opening.await.unwrap_or(Err(StoreError::Failed))?);
        let tls = TlsAcceptor::from(cairn_wire::tls::server_config(&key)?);

        let (known, metrics) = (Arc::new(Known::default()), Arc::new(Metrics::default()));
        let rebuilder = Arc::new(Rebuilder {
            chain: Arc::clone(&chain),
            store: Arc::clone(&store),
            peers: Peers::new(Arc::clone(&chain)),
            metrics: Arc::clone(&metrics),
            liars: Mutex::default(),
        });
        let poll = config.pace.poll;
        let again = chain.block_time().max(poll);
        let prover = Arc::new(Prover {
            chain: Arc::clone(&chain),
            known: Arc::clone(&known),
            store: Arc::clone(&store),
            rebuilder: Arc::clone(&rebuilder),
            metrics: Arc::clone(&metrics),
            poll,
            after_refusal: again,
            answered: Mutex::default(),
        });
        let keeper = Arc::new(Keeper {
            chain: Arc::clone(&chain),
            known: Arc::clone(&known),
            store: Arc::clone(&store),
            rebuilder: Arc::clone(&rebuilder),
            metrics: Arc::clone(&metrics),
            pace: config.pace,
            busy: Mutex::default(),
            turns: turns(),
            standing: Mutex::default(),
        });
        let watcher = Watcher {
            chain: Arc::clone(&chain),
            known: Arc::clone(&known),
            peers: Peers::new(Arc::clone(&chain)),
            metrics: Arc::clone(&metrics),
            pace: config.pace,
            silent: Mutex::default(),
            reported: Mutex::default(),
            accused: Mutex::default(),
        };
        let scrubber = Arc::new(Scrubber {
            store: Arc::clone(&store),
            rebuilder,
            metrics: Arc::clone(&metrics),
            pace: config.pace,
            failed: Mutex::default(),
            hurry: tokio::sync::Notify::new(),
        });

        // Before the first client: what is known of the slots is what requests are judged by.
        keeper.keep().await?;
        let (stop, stopping) = watch::channel(false);
        let (damaged, repairs) = mpsc::channel(DAMAGED_MAX);
        let shared = Shared::new(
            config.limits,
            Arc::clone(&chain),
            Arc::clone(&known),
            Arc::clone(&store),
            key,
            Arc::clone(&metrics),
            damaged,
        );
        let lookout = Lookout {
            chain: Arc::clone(&chain),
            known: Arc::clone(&known),
            metrics: Arc::clone(&metrics),
            reached: Arc::clone(&shared.reached),
            after: config.pace.unreached_max,
        };
        let server = Server::start(Arc::new(shared), tls, &config.listen, stopping.clone())
            .await
            .map_err(|(address, source)| StartError::Listen { address, source })?;
        let mut tasks = vec![
            tokio::spawn(until(stopping.clone(), {
                let prover = Arc::clone(&prover);
                async move {
                    let mut quiet = Quiet::default();
                    loop {
                        let result = prover.prove().await;
                        // What was refused is not sent again in the same block: it costs a fee each time.
                        sleep(if result.is_ok() { poll } else { again }).await;
                        // That is no fault, and the prover has said so.
                        let is_past = matches!(&result, Err(ProveError::Chain(error)) if error.is_past_challenge());
                        quiet.log("a challenge isn't answered", if is_past { Ok(()) } else { result });
                    }
                }
            })),
            tokio::spawn(until(stopping.clone(), {
                let prover = Arc::clone(&prover);
                async move {
                    let mut quiet = Quiet::default();
                    loop {
                        let result = prover.answer_disputes().await;
                        sleep(if result.is_ok() { poll } else { again }).await;
                        quiet.log("a dispute isn't answered", result);
                    }
                }
            })),
            tokio::spawn(until(stopping.clone(), async move {
                let mut quiet = Quiet::default();
                loop {
                    sleep(poll).await;
                    quiet.log("the chain isn't followed", keeper.keep().await.map(|_| ()));
                }
            })),
            tokio::spawn(until(stopping.clone(), async move {
                let mut quiet = Quiet::default();
                loop {
                    sleep(watcher.pause().await).await;
                    quiet.log("the group isn't watched", watcher.watch().await);
                }
            })),
            tokio::spawn(until(stopping.clone(), async move {
                let mut quiet = Quiet::default();
                loop {
                    sleep((lookout.after / LOOKS).min(LOOK_MAX)).await;
                    quiet.log("it isn't known whether this vault is reached", lookout.look().await);
                }
            })),
            tokio::spawn(until(stopping.clone(), scrub(Arc::clone(&scrubber)))),
            tokio::spawn(until(stopping.clone(), repair(Arc::clone(&scrubber), repairs))),
        ];
        let mut status_address = None;
        if let Some(address) = config.status {
            let listener = TcpListener::bind(address).await;
            let listener = listener.map_err(|source| StartError::Listen { address, source })?;
            status_address = listener.local_addr().ok();
            let status = Arc::new(Status { chain, known, metrics: Arc::clone(&metrics), prover, scrubber });
            tasks.push(tokio::spawn(status::serve(listener, status, stopping)));
        }
        let addresses = server.addresses().to_vec();
        Ok(Vault { metrics, addresses, status: status_address, server, tasks, stop, store, _data: data })
    }

    /// Where drives reach it.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where its status page is.
    pub fn status(&self) -> Option<SocketAddr> {
        self.status
    }

    /// What it has done so far.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// What it keeps.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Stops it: what is being written is finished, everything else is left.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        self.server.ended().await;
        for task in self.tasks {
            let _ = task.await;
        }
        // What is at the disk just now isn't cut off, and has the store until it is done.
        let store = self.store;
        let until = tokio::time::Instant::now() + CLOSE_MAX;
        while Arc::strong_count(&store) > 1 && tokio::time::Instant::now() < until {
            sleep(CLOSE_EVERY).await;
        }
        // Closing waits for the disk.
        let _ = tokio::task::spawn_blocking(move || drop(store)).await;
    }
}

/// Logs, connections and the index's tables are all open files.
fn raise_file_limit() {
    use nix::sys::resource::{getrlimit, setrlimit, Resource::RLIMIT_NOFILE};
    if let Ok((soft, hard)) = getrlimit(RLIMIT_NOFILE) {
        let wanted = FILES_WANTED.min(hard);
        if soft < wanted && setrlimit(RLIMIT_NOFILE, wanted, hard).is_err() {
            tracing::warn!(soft, "few files can be open at a time: raise the limit (ulimit -n)");
        }
    }
}

/// Runs until the vault stops.
async fn until(mut stop: watch::Receiver<bool>, work: impl std::future::Future<Output = ()>) {
    tokio::select! {
        _ = stop.changed() => {},
        () = work => {},
    }
}

async fn scrub(scrubber: Arc<Scrubber>) {
    let mut quiet = Quiet::default();
    let mut not_before = Instant::now();
    loop {
        if Instant::now() >= not_before && scrubber.lost_shards() {
            let began = Instant::now();
            quiet.log("the store can't be read through", scrubber.scrub_all().await);
            // Where the others are away, reading takes a small part of the time until they are back.
            not_before = Instant::now() + REPAIR_PAUSE.max(began.elapsed() * 10);
        }
        let scrubbed = scrubber.scrub().await;
        let pause = scrubbed.as_ref().copied().unwrap_or(Duration::from_secs(60));
        quiet.log("the store can't be read through", scrubbed.map(|_| ()));
        tokio::select! {
            () = sleep(pause) => {},
            () = scrubber.hurry.notified() => quiet.log("the store can't be read through", scrubber.scrub_all().await),
        }
    }
}

async fn repair(scrubber: Arc<Scrubber>, mut repairs: mpsc::Receiver<(cairn_client::chain::storage::SlotAt, u64)>) {
    while let Some((at, leaf)) = repairs.recv().await {
        scrubber.repair(at, leaf).await;
    }
}

/// Logs a failure once, until it is over or another one.
#[derive(Default)]
struct Quiet {
    last: Option<String>,
}

impl Quiet {
    fn log<E: std::fmt::Display>(&mut self, what: &'static str, result: Result<(), E>) {
        match result {
            Ok(()) => self.last = None,
            Err(error) => {
                let text = error.to_string();
                if self.last.as_ref() != Some(&text) {
                    tracing::warn!(%error, "{what}");
                    self.last = Some(text);
                }
            },
        }
    }
}
