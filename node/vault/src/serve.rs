// SPDX-License-Identifier: Apache-2.0

//! The server: connections, within limits.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use cairn_store::Store;
use cairn_wire::ServiceKey;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch, Semaphore},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    known::Known,
    metrics::{add, set, Metrics},
    reach::Reached,
    Chain, Limits,
};

mod connection;
mod limits;
mod requests;
mod tickets;

pub(crate) use limits::Guests;
pub(crate) use requests::settle_committed;
pub(crate) use tickets::held_slot;

/// Questions to the chain for tickets at a time.
const TICKETS_AT_ONCE: usize = 8;
/// Requests that use the disk at a time.
const DISK_AT_ONCE: usize = 32;
/// How long connections may take to end when the server stops.
const STOP_MAX: Duration = Duration::from_secs(10);

/// What all connections share.
pub(crate) struct Shared {
    pub limits: Limits,
    pub chain: Arc<dyn Chain>,
    pub known: Arc<Known>,
    pub store: Arc<Store>,
    pub key: Arc<ServiceKey>,
    pub metrics: Arc<Metrics>,
    pub guests: Guests,
    pub reached: Arc<Reached>,
    /// KiB of shards that may be in memory.
    pub memory: Arc<Semaphore>,
    pub disk: Arc<Semaphore>,
    pub tickets: Semaphore,
    /// Told of damaged shards.
    pub damaged: mpsc::Sender<(cairn_client::chain::storage::SlotAt, u64)>,
}

impl Shared {
    #[allow(clippy::too_many_arguments)] // The parts of a vault, once.
    pub fn new(
        limits: Limits,
        chain: Arc<dyn Chain>,
        known: Arc<Known>,
        store: Arc<Store>,
        key: Arc<ServiceKey>,
        metrics: Arc<Metrics>,
        damaged: mpsc::Sender<(cairn_client::chain::storage::SlotAt, u64)>,
    ) -> Self {
        Shared {
            guests: Guests::new(limits),
            reached: Arc::default(),
            memory: Arc::new(Semaphore::new(limits.bytes_in_flight.max(2 * cairn_wire::frame::BODY_BYTES_MAX) >> 10)),
            disk: Arc::new(Semaphore::new(DISK_AT_ONCE)),
            tickets: Semaphore::new(TICKETS_AT_ONCE),
            limits,
            chain,
            known,
            store,
            key,
            metrics,
            damaged,
        }
    }
}

/// Accepts connections until it is stopped.
pub(crate) struct Server {
    addresses: Vec<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// The address that can't be listened at, and why.
    pub async fn start(
        shared: Arc<Shared>,
        tls: TlsAcceptor,
        listen: &[SocketAddr],
        stop: watch::Receiver<bool>,
    ) -> Result<Self, (SocketAddr, std::io::Error)> {
        let mut listeners = Vec::new();
        for address in listen {
            listeners.push(TcpListener::bind(address).await.map_err(|error| (*address, error))?);
        }
        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let accept = |listener| tokio::spawn(accept(Arc::clone(&shared), tls.clone(), listener, stop.clone()));
        Ok(Server { addresses, tasks: listeners.into_iter().map(accept).collect() })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits until it has ended; it was told to.
    pub async fn ended(self) {
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

async fn accept(shared: Arc<Shared>, tls: TlsAcceptor, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {},
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let Some(guest) = shared.guests.admit(peer.ip()) else {
                        // Closed at once: there is no room, not even for an explanation.
                        add(&shared.metrics.connections_refused_total, 1);
                        continue;
                    };
                    let (shared, tls, stop) = (Arc::clone(&shared), tls.clone(), stop.clone());
                    connections.spawn(async move {
                        let _guest = guest;
                        greet(shared, tls, stream, peer.ip(), stop).await;
                    });
                },
                // Out of files, most likely: not to be tried again at once.
                Err(error) => {
                    tracing::debug!(%error, "no connection could be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                },
            },
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(STOP_MAX, all).await.is_err() {
        tracing::debug!(open = connections.len(), "connections that didn't end in time were cut");
    }
}

async fn greet(shared: Arc<Shared>, tls: TlsAcceptor, stream: TcpStream, peer: IpAddr, stop: watch::Receiver<bool>) {
    match timeout(shared.limits.handshake, cairn_wire::tls::accept(&tls, stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(cairn_wire::ALPN) => {
            set(&shared.metrics.connections, shared.guests.count() as u64);
            connection::serve(Arc::clone(&shared), stream, peer, stop).await;
            // This one is still among them.
            set(&shared.metrics.connections, shared.guests.count().saturating_sub(1) as u64);
        },
        _ => add(&shared.metrics.connections_refused_total, 1),
    }
}
