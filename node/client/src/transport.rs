// SPDX-License-Identifier: Apache-2.0

//! One connection over several endpoints: the first that answers serves until it fails, then the next takes over.
//!
//! # Correctness
//! - An endpoint of another chain is never used: the genesis hash of the first connection binds all later ones.
//! - A request that changes something (a submission) is never sent twice by this module. Whether it arrived is for the
//!   caller to find out: only it knows what arriving looks like.
//! - Where there are several endpoints, one that is silent for [`SILENT_MAX`] is given up as one that fails.
//! - A request is tried at most [`ATTEMPTS_MAX`] times, and reconnecting ends after the patience given to
//!   [`Failover::new`]: every call comes back.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use subxt::rpcs::{
    client::{RawRpcFuture, RawRpcSubscription, RawValue, RpcClientT},
    Error as RpcError, RpcClient,
};
use tokio::{sync::Mutex, time};

use crate::{error::Unreachable, Hash};

mod light;
pub use light::{LightSpecification, SPECIFICATION_BYTES_MAX};

/// How often one request is sent before its failure is the caller's.
const ATTEMPTS_MAX: usize = 3;
/// How long one endpoint may take to answer the first time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an endpoint may be silent to a request, where there is another. The slowest answers take some seconds; a machine that
/// hangs keeps its connections for ever.
const SILENT_MAX: Duration = Duration::from_secs(20);
/// Pause between two rounds over all endpoints.
const ROUND_PAUSE: Duration = Duration::from_secs(1);

/// Makes connections; a fake one in tests.
pub(crate) trait Connect: Send + Sync + 'static {
    /// Connects to one URL; the reason if that fails.
    fn connect<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<RpcClient, String>>;
}

/// WebSocket connections.
pub(crate) struct WebSocket;

impl Connect for WebSocket {
    fn connect<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<RpcClient, String>> {
        Box::pin(async move { RpcClient::from_insecure_url(url).await.map_err(|error| root_cause(&error)) })
    }
}

/// The last cause in an error's chain: "connection refused" rather than four layers around it.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(RpcError::Client(inner)) = error.downcast_ref::<RpcError>() {
        return root_cause(inner.as_ref());
    }
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    match cause.downcast_ref::<std::io::Error>() {
        Some(io) => io.kind().to_string(),
        None => cause.to_string(),
    }
}

/// The connection in use.
struct Current {
    client: RpcClient,
    endpoint: usize,
    /// Counts connections, so that a failure of an old one doesn't end a new one.
    generation: u64,
}

#[derive(Default)]
struct State {
    current: Option<Current>,
    /// Endpoint that the next connection tries first.
    next: usize,
    generation: u64,
}

/// See the module's documentation.
pub(crate) struct Failover {
    urls: Vec<String>,
    connector: Box<dyn Connect>,
    genesis: OnceLock<Hash>,
    patience: Duration,
    /// [`SILENT_MAX`]; less in tests.
    silent: Duration,
    state: Mutex<State>,
}

/// Shared handle to a [`Failover`], usable as an RPC client.
#[derive(Clone)]
pub(crate) struct Transport(pub(crate) Arc<Failover>);

impl Failover {
    /// `patience`: how long a lost connection is tried to be made again before a request fails. The first connection
    /// is tried for one round only.
    pub(crate) fn new(urls: Vec<String>, connector: impl Connect, patience: Duration) -> Self {
        Self {
            urls,
            connector: Box::new(connector),
            genesis: OnceLock::new(),
            patience,
            silent: SILENT_MAX,
            state: Mutex::new(State::default()),
        }
    }

    /// The URL in use, if connected.
    pub(crate) async fn url(&self) -> Option<String> {
        self.state.lock().await.current.as_ref().map(|current| self.urls[current.endpoint].clone())
    }

    /// The connection in use, made now if there is none.
    async fn connection(&self) -> Result<(RpcClient, u64), Unreachable> {
        let mut state = self.state.lock().await;
        if let Some(current) = &state.current {
            return Ok((current.client.clone(), current.generation));
        }
        let patience = if state.generation == 0 { Duration::ZERO } else { self.patience };
        let deadline = Instant::now() + patience;
        loop {
            let failed = match self.round(state.next).await {
                Ok((client, endpoint)) => {
                    state.generation += 1;
                    let generation = state.generation;
                    state.current = Some(Current { client: client.clone(), endpoint, generation });
                    return Ok((client, generation));
                },
                Err(failed) => failed,
            };
            if Instant::now() + ROUND_PAUSE > deadline {
                return Err(failed);
            }
            time::sleep(ROUND_PAUSE).await;
        }
    }

    /// Tries each endpoint once, beginning with `first`.
    async fn round(&self, first: usize) -> Result<(RpcClient, usize), Unreachable> {
        let mut failed = Unreachable::default();
        for step in 0..self.urls.len() {
            let endpoint = (first + step) % self.urls.len();
            let url = &self.urls[endpoint];
            let attempt = time::timeout(CONNECT_TIMEOUT, self.checked_connect(url)).await;
            match attempt.unwrap_or_else(|_| Err("timed out".into())) {
                Ok(client) => return Ok((client, endpoint)),
                Err(reason) => failed.attempts.push((url.clone(), reason)),
            }
        }
        Err(failed)
    }

    /// Connects, and makes sure that it is the same chain as before.
    async fn checked_connect(&self, url: &str) -> Result<RpcClient, String> {
        let client = self.connector.connect(url).await?;
        let params = subxt::rpcs::client::rpc_params![0u32];
        let genesis: Option<Hash> =
            client.request("chain_getBlockHash", params).await.map_err(|error| root_cause(&error))?;
        let genesis = genesis.ok_or("it knows no genesis block")?;
        let expected = *self.genesis.get_or_init(|| genesis);
        if genesis == expected {
            Ok(client)
        } else {
            Err(format!("another chain: genesis {genesis:?} instead of {expected:?}"))
        }
    }

    /// Gives up a connection that failed, unless it was replaced already.
    async fn lost(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if let Some(current) = state.current.take_if(|current| current.generation == generation) {
            state.next = (current.endpoint + 1) % self.urls.len();
            let (node, next) = (authority(&self.urls[current.endpoint]), authority(&self.urls[state.next]));
            tracing::warn!(node, next, "the connection to a node is lost");
        }
    }

    /// Counts the connections so far. Another number is another node, or the same one after it was away: its pool may not
    /// have what the last one's had.
    pub(crate) async fn generation(&self) -> u64 {
        self.state.lock().await.generation
    }

    /// Gives up a connection that works, for another endpoint's. Does nothing if there is no other.
    pub(crate) async fn change_endpoint(&self) {
        if self.urls.len() < 2 {
            return;
        }
        let mut state = self.state.lock().await;
        if let Some(current) = state.current.take() {
            state.next = (current.endpoint + 1) % self.urls.len();
        }
    }

    async fn request(&self, method: &str, params: Option<Box<RawValue>>) -> Result<Box<RawValue>, RpcError> {
        let attempts = if changes_something(method) { 1 } else { ATTEMPTS_MAX };
        let mut attempt = 1;
        loop {
            let (client, generation) = self.connection().await.map_err(unreachable)?;
            match self.answer(client.request_raw(method, params.clone())).await {
                Err(error) if is_lost(&error) => {
                    self.lost(generation).await;
                    if attempt >= attempts {
                        return Err(self.failed(error).await);
                    }
                    attempt += 1;
                },
                answer => return answer,
            }
        }
    }

    /// Waits for an answer, as long as it is worth.
    async fn answer<T>(&self, asked: impl Future<Output = Result<T, RpcError>>) -> Result<T, RpcError> {
        if self.urls.len() < 2 {
            return asked.await;
        }
        let silent = || format!("it was silent for {} s", self.silent.as_secs_f64());
        time::timeout(self.silent, asked).await.unwrap_or_else(|_| Err(RpcError::Client(silent().into())))
    }

    async fn subscribe(
        &self,
        method: &str,
        params: Option<Box<RawValue>>,
        unsubscribe: &str,
    ) -> Result<RawRpcSubscription, RpcError> {
        let (client, generation) = self.connection().await.map_err(unreachable)?;
        match self.answer(client.subscribe_raw(method, params, unsubscribe)).await {
            Err(error) if is_lost(&error) => {
                self.lost(generation).await;
                Err(self.failed(error).await)
            },
            answer => answer,
        }
    }

    /// What a request's caller is told after its last attempt.
    async fn failed(&self, error: RpcError) -> RpcError {
        let url = self.url().await.unwrap_or_else(|| self.urls.join(", "));
        unreachable(Unreachable { attempts: vec![(url, root_cause(&error))] })
    }
}

/// Wraps the cause so that [`crate::convert`] finds it again inside subxt's errors.
fn unreachable(cause: Unreachable) -> RpcError {
    RpcError::Client(Box::new(cause))
}

/// Whether the connection failed, rather than the request.
fn is_lost(error: &RpcError) -> bool {
    matches!(error, RpcError::Client(_) | RpcError::DisconnectedWillReconnect(_))
}

/// Requests that must not be sent twice without the caller knowing.
fn changes_something(method: &str) -> bool {
    method.starts_with("author_")
        && !matches!(method, "author_pendingExtrinsics" | "author_hasKey" | "author_hasSessionKeys")
}

impl RpcClientT for Transport {
    fn request_raw<'a>(&'a self, method: &'a str, params: Option<Box<RawValue>>) -> RawRpcFuture<'a, Box<RawValue>> {
        Box::pin(self.0.request(method, params))
    }

    fn subscribe_raw<'a>(
        &'a self,
        sub: &'a str,
        params: Option<Box<RawValue>>,
        unsub: &'a str,
    ) -> RawRpcFuture<'a, RawRpcSubscription> {
        Box::pin(self.0.subscribe(sub, params, unsub))
    }
}

/// Host and port of a URL. What else is in it may be a secret.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// Checks an endpoint's URL before anything is tried with it.
///
/// # Errors
/// [`crate::Error::Invalid`] if it isn't a WebSocket URL with a host.
pub fn check_url(url: &str) -> Result<(), crate::Error> {
    let invalid = |reason: &str| crate::Error::invalid("endpoint", format!("`{url}`: {reason}"));
    let rest = match url.split_once("://") {
        Some(("ws" | "wss", rest)) => rest,
        Some(("http" | "https", _)) => return Err(invalid("use ws:// or wss://; nodes serve both on one port")),
        _ => return Err(invalid("an endpoint looks like ws://127.0.0.1:9944 or wss://rpc.example.org")),
    };
    let host_port = authority(rest);
    let (host, port) = match host_port.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (host_port, None),
    };
    if host.is_empty() || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(invalid("it names no host"));
    }
    match port.map(str::parse::<u16>) {
        None => Ok(()),
        Some(Ok(port)) if port > 0 => Ok(()),
        Some(_) => Err(invalid("its port is not between 1 and 65535")),
    }
}

/// Whether whoever is on the way to an endpoint can read and change what goes there: it isn't encrypted, and leaves this machine.
pub fn is_exposed(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("ws://") else { return false };
    let host_port = authority(rest);
    let host = match host_port.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => host_port,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |address: std::net::IpAddr| address.to_canonical().is_loopback();
    let is_name = host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    !is_name && !host.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests;
