// SPDX-License-Identifier: Apache-2.0

//! Starting and stopping: sockets, threads, tasks.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{watch, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::alias::AliasCache;
use super::config::Config;
use super::connections::{Activity, Connections};
use super::context::Context;
use super::dnssec::{KeyError, Signer, TrustAnchor};
use super::forward::Forwarder;
use super::metrics::{render_one, Metrics, Via};
use super::rate::Limiter;
use super::respond::Responder;
use super::snapshot::SnapshotHandle;
use super::stream::Limits;
use super::tls::{Certificate, CertificateError};
use super::{doh, stream, udp};

/// How long connections may take to end when the server stops.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// Pause after an accept failed (too many open files, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// How often the certificate's files are looked at.
const CERTIFICATE_CHECK: Duration = Duration::from_secs(5);
/// Tries to find a port that is free for both UDP and TCP.
const PORT_TRIES: usize = 20;

/// Why a server doesn't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address can't be listened on.
    #[error("can't listen on {protocol} {address}: {source} (is another server running there? ports below 1024 need CAP_NET_BIND_SERVICE)")]
    Listen {
        /// UDP or TCP.
        protocol: &'static str,
        /// Which.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// DNS over plain HTTP is for a proxy on the same machine.
    #[error("DNS over plain HTTP on {0}: only loopback addresses are allowed; use HTTPS for others")]
    HttpNotLoopback(SocketAddr),
    /// An upstream is this server.
    #[error("forwarding to {0} would lead back to this server, which listens there")]
    ForwardsToItself(SocketAddr),
    /// No DNSSEC key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A thread can't be made.
    #[error("can't start a thread: {0}")]
    Thread(io::Error),
}

/// Where a running server listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// UDP and TCP.
    pub plain: Vec<SocketAddr>,
    /// DNS over TLS.
    pub tls: Vec<SocketAddr>,
    /// DNS over HTTPS.
    pub https: Vec<SocketAddr>,
    /// DNS over plain HTTP.
    pub http: Vec<SocketAddr>,
}

/// A running server. Dropping it stops it without waiting for connections.
pub struct Server {
    context: Arc<Context>,
    addresses: Addresses,
    threads: Vec<JoinHandle<()>>,
    udp_stop: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    listeners: JoinSet<()>,
    connections: Arc<Connections>,
    certificate: Option<Arc<Certificate>>,
}

impl Server {
    /// Starts a server within the current tokio runtime; it answers when this returns.
    ///
    /// # Errors
    /// [`StartError`]; its text says what to do. Nothing is left running.
    pub async fn start(config: Config, snapshots: SnapshotHandle) -> Result<Server, StartError> {
        if let Some(open) = config.listen_http.iter().find(|address| !address.ip().is_loopback()) {
            return Err(StartError::HttpNotLoopback(*open));
        }
        if let Some(own) = config.upstreams.iter().find(|upstream| is_own(upstream, &config.listen)) {
            return Err(StartError::ForwardsToItself(*own));
        }
        let signer = if config.dnssec { Some(Signer::open(&config.data_folder, config.signatures_max)?) } else { None };
        let forwards = !config.upstreams.is_empty();
        let responder = Responder {
            signer,
            aliases: forwards.then(|| AliasCache::new(config.aliases_max)),
            stale_seconds: config.stale_after.map(|age| age.as_secs()),
        };
        let forwarder = forwards.then(|| Forwarder::new(&config));
        let context = Arc::new(Context {
            responder,
            snapshots,
            forwarder,
            metrics: Metrics::default(),
            limiter: config.rate_limit.clone().map(Limiter::new),
            started: Instant::now(),
        });
        let (stop, _) = watch::channel(false);
        let mut server = Server {
            context,
            addresses: Addresses::default(),
            threads: Vec::new(),
            udp_stop: Arc::default(),
            stop,
            listeners: JoinSet::new(),
            connections: Arc::new(Connections::new(config.connections_max, config.connections_per_network_max)),
            certificate: None,
        };
        // Dropping `server` on an error stops what was started.
        server.listen(&config)?;
        tracing::info!(addresses = ?server.addresses, dnssec = config.dnssec, forwards, "DNS server started");
        Ok(server)
    }

    fn listen(&mut self, config: &Config) -> Result<(), StartError> {
        let limits = Limits { idle: config.idle_timeout, pipelined_max: config.pipelined_max.max(1) };
        let waiting = Arc::new(Semaphore::new(config.upstream_queries_max));
        for address in &config.listen {
            let (listener, sockets) = bind_both(*address, config.udp_threads.max(1))?;
            self.addresses.plain.push(local(&listener, *address)?);
            for socket in sockets {
                let worker = udp::Worker {
                    context: Arc::clone(&self.context),
                    socket: Arc::new(socket),
                    stop: Arc::clone(&self.udp_stop),
                    runtime: Handle::current(),
                    waiting: Arc::clone(&waiting),
                };
                let thread = std::thread::Builder::new().name("dns-udp".into()).spawn(move || worker.run());
                self.threads.push(thread.map_err(StartError::Thread)?);
            }
            self.accept(listener, *address, Kind::Tcp, limits)?;
        }
        if config.listen_tls.is_empty() && config.listen_https.is_empty() && config.listen_http.is_empty() {
            return Ok(());
        }
        let encrypted = config.listen_tls.iter().chain(&config.listen_https).next().is_some();
        if encrypted {
            let certificate = Certificate::open(config)?;
            let (dot, https) = certificate.acceptors()?;
            self.watch(Arc::clone(&certificate));
            self.certificate = Some(certificate);
            for address in &config.listen_tls {
                let listener = bind_tcp(*address)?;
                self.addresses.tls.push(local(&listener, *address)?);
                self.accept(listener, *address, Kind::Tls(dot.clone()), limits)?;
            }
            for address in &config.listen_https {
                let listener = bind_tcp(*address)?;
                self.addresses.https.push(local(&listener, *address)?);
                self.accept(listener, *address, Kind::Https(https.clone()), limits)?;
            }
        }
        for address in &config.listen_http {
            let listener = bind_tcp(*address)?;
            self.addresses.http.push(local(&listener, *address)?);
            self.accept(listener, *address, Kind::Http, limits)?;
        }
        Ok(())
    }

    /// Looks at a certificate's files now and then, until the server stops.
    fn watch(&mut self, certificate: Arc<Certificate>) {
        let mut stop = self.stop.subscribe();
        self.listeners.spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(CERTIFICATE_CHECK) => {},
                    _ = stop.changed() => return,
                }
                let certificate = Arc::clone(&certificate);
                let _ = tokio::task::spawn_blocking(move || certificate.refresh(false)).await;
            }
        });
    }

    /// Reads the certificate's files again, at once. What can't be used is logged, and the one before stays.
    pub fn reload_certificate(&self) {
        if let Some(certificate) = &self.certificate {
            certificate.refresh(true);
        }
    }

    fn accept(
        &mut self,
        listener: StdListener,
        address: SocketAddr,
        kind: Kind,
        limits: Limits,
    ) -> Result<(), StartError> {
        let listener = TcpListener::from_std(listener).map_err(|source| StartError::Listen {
            protocol: "TCP",
            address,
            source,
        })?;
        let (context, connections) = (Arc::clone(&self.context), Arc::clone(&self.connections));
        let mut stop = self.stop.subscribe();
        self.listeners.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = stop.changed() => return,
                };
                let Ok((stream, client)) = accepted else {
                    context.metrics.connections_refused.add();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let Some(place) = connections.enter(client.ip()) else {
                    context.metrics.connections_refused.add();
                    continue;
                };
                context.metrics.connections.add();
                let (context, kind, stop) = (Arc::clone(&context), kind.clone(), stop.clone());
                tokio::spawn(async move {
                    let activity = Arc::clone(place.activity());
                    tokio::select! {
                        // How a connection ends is the client's affair.
                        _ = serve(Arc::clone(&context), stream, kind, limits, activity, stop) => {},
                        () = place.evicted() => context.metrics.connections_evicted.add(),
                    }
                    drop(place);
                });
            }
        });
        Ok(())
    }

    /// Where it listens; the ports are the real ones.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What a validating resolver has to be told; `None` without DNSSEC.
    pub fn trust_anchor(&self) -> Option<TrustAnchor> {
        self.context.responder.signer.as_ref().map(Signer::trust_anchor)
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.context.metrics
    }

    /// Counters and gauges in Prometheus' text format.
    pub fn render_metrics(&self) -> String {
        let mut text = self.context.metrics.render();
        let snapshot = self.context.snapshots.load();
        let (made, found) = self.context.responder.signer.as_ref().map_or((0, 0), Signer::counts);
        render_one(&mut text, "signatures_made_total", "counter", made);
        render_one(&mut text, "signatures_cached_total", "counter", found);
        render_one(&mut text, "names", "gauge", snapshot.names() as u64);
        render_one(&mut text, "names_bytes", "gauge", snapshot.bytes() as u64);
        render_one(&mut text, "head_block", "gauge", u64::from(snapshot.head_number()));
        render_one(&mut text, "head_timestamp_seconds", "gauge", snapshot.head_time());
        text
    }

    /// Stops: no new queries are taken, what is being answered is completed (for at most two seconds).
    pub async fn stop(mut self) {
        self.end();
        for thread in std::mem::take(&mut self.threads) {
            // They look every 200 ms; waiting here would block the runtime.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        while self.listeners.join_next().await.is_some() {}
        self.connections.wait_for_all(STOP_GRACE).await;
    }

    fn end(&self) {
        self.udp_stop.store(true, Ordering::Relaxed);
        let _ = self.stop.send(true);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// What is spoken on a connection.
#[derive(Clone)]
enum Kind {
    Tcp,
    Tls(TlsAcceptor),
    Https(TlsAcceptor),
    Http,
}

async fn serve(
    context: Arc<Context>,
    stream: TcpStream,
    kind: Kind,
    limits: Limits,
    activity: Arc<Activity>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    match kind {
        Kind::Tcp => stream::serve(context, stream, Via::Tcp, limits, activity, stop).await?,
        Kind::Tls(acceptor) => {
            let stream = timeout(limits.idle, acceptor.accept(stream)).await.map_err(late)??;
            stream::serve(context, stream, Via::Tls, limits, activity, stop).await?;
        },
        Kind::Https(acceptor) => {
            let stream = timeout(limits.idle, acceptor.accept(stream)).await.map_err(late)??;
            doh::serve(context, stream, limits, activity, stop).await;
        },
        Kind::Http => doh::serve(context, stream, limits, activity, stop).await,
    }
    Ok(())
}

/// Whether a server that listens on `listen` would ask itself at `upstream`.
fn is_own(upstream: &SocketAddr, listen: &[SocketAddr]) -> bool {
    let ip = upstream.ip().to_canonical();
    listen.iter().filter(|own| own.port() == upstream.port() && own.port() != 0).any(|own| {
        let any = own.ip().is_unspecified() && own.is_ipv4() == ip.is_ipv4();
        own.ip().to_canonical() == ip || any && (ip.is_loopback() || ip.is_unspecified() || is_of_this_machine(ip))
    })
}

/// Whether an address is one of this machine's: then a socket can be bound to it.
fn is_of_this_machine(ip: std::net::IpAddr) -> bool {
    std::net::UdpSocket::bind((ip, 0)).is_ok()
}

fn local(listener: &StdListener, address: SocketAddr) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Listen { protocol: "TCP", address, source })
}

fn bind_tcp(address: SocketAddr) -> Result<StdListener, StartError> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Connections of an earlier run may still be closing.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    bind().map_err(|source| StartError::Listen { protocol: "TCP", address, source })
}

/// Binds TCP first: its port can't be shared, so that a second server on the same address is noticed.
fn bind_both(address: SocketAddr, threads: usize) -> Result<(StdListener, Vec<std::net::UdpSocket>), StartError> {
    let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        let listener = bind_tcp(address)?;
        let real = local(&listener, address)?;
        match (0..threads).map(|_| udp::open(real)).collect() {
            Ok(sockets) => return Ok((listener, sockets)),
            Err(source) => {
                tries -= 1;
                if tries == 0 {
                    return Err(StartError::Listen { protocol: "UDP", address: real, source });
                }
            },
        }
    }
}
