// SPDX-License-Identifier: Apache-2.0

//! Settings of a server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::rate::RateLimit;

/// Where a server listens, and its limits.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses for UDP and TCP. Port 0 takes a free one, the same for both.
    pub listen: Vec<SocketAddr>,
    /// Addresses for DNS over TLS (usually port 853).
    pub listen_tls: Vec<SocketAddr>,
    /// Addresses for DNS over HTTPS (usually port 443).
    pub listen_https: Vec<SocketAddr>,
    /// Addresses for DNS over plain HTTP, behind a proxy on the same machine: loopback only.
    pub listen_http: Vec<SocketAddr>,
    /// Where the DNSSEC key and the self-signed certificate are kept.
    pub data_folder: PathBuf,
    /// Certificate chain and private key in PEM; without them a self-signed certificate is made.
    pub certificate: Option<CertificateFiles>,
    /// Names in a certificate that is made here.
    pub certificate_names: Vec<String>,
    /// Whether answers are signed for those who ask for it.
    pub dnssec: bool,
    /// Most signatures kept; some 400 bytes each.
    pub signatures_max: usize,
    /// Resolvers that are asked for names outside `.cairn`, in this order; none turns that off.
    pub upstreams: Vec<SocketAddr>,
    /// Most questions to upstreams at the same time; more fail at once.
    pub upstream_queries_max: usize,
    /// How long to wait for one upstream before the next is asked, too.
    pub upstream_timeout: Duration,
    /// How long to wait once all upstreams were asked: a resolver that has to look a name up itself takes seconds.
    pub upstream_patience: Duration,
    /// Whether local addresses are left out of what ALIAS and CNAME lead to outside the zone; see
    /// [`ZoneSettings::filter_local`](super::ZoneSettings::filter_local) for what is in the zone.
    pub filter_local: bool,
    /// Most names outside `.cairn` whose addresses are kept for aliases.
    pub aliases_max: usize,
    /// Age of the chain's head from which on answers fail; `None` for never.
    pub stale_after: Option<Duration>,
    /// Response rate limit for UDP; `None` for none.
    pub rate_limit: Option<RateLimit>,
    /// Threads (and sockets) for each UDP address.
    pub udp_threads: usize,
    /// Most connections at the same time, over all stream transports.
    pub connections_max: usize,
    /// Most connections of one network (/24 or /56) at the same time.
    pub connections_per_network_max: usize,
    /// A connection on which nothing comes for this long is closed.
    pub idle_timeout: Duration,
    /// Most queries of one connection that wait for an upstream.
    pub pipelined_max: usize,
}

/// A certificate of one's own.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// PEM file with the chain, the server's own certificate first.
    pub chain: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

impl Config {
    /// The usual settings: nothing is listened on and nothing forwarded; state is kept in `data_folder`.
    pub fn new(data_folder: impl Into<PathBuf>) -> Self {
        Config {
            listen: Vec::new(),
            listen_tls: Vec::new(),
            listen_https: Vec::new(),
            listen_http: Vec::new(),
            data_folder: data_folder.into(),
            certificate: None,
            certificate_names: vec!["localhost".into()],
            dnssec: true,
            signatures_max: 65_536,
            upstreams: Vec::new(),
            upstream_queries_max: 512,
            upstream_timeout: Duration::from_millis(1500),
            upstream_patience: Duration::from_secs(5),
            filter_local: false,
            aliases_max: 4096,
            stale_after: Some(Duration::from_secs(15 * 60)),
            rate_limit: Some(RateLimit::default()),
            udp_threads: std::thread::available_parallelism().map_or(1, |count| count.get()),
            connections_max: 1024,
            connections_per_network_max: 128,
            idle_timeout: Duration::from_secs(10),
            pipelined_max: 32,
        }
    }
}
