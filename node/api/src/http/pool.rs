// SPDX-License-Identifier: Apache-2.0

//! Connections to one base URL, used again and again.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hyper::{
    body::{Body as _, Incoming},
    client::conn::http1::{handshake, SendRequest},
    header::{HeaderValue, HOST},
    Method, Request, Response, Uri,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{lookup_host, TcpStream},
    time::timeout,
};
use tokio_rustls::{
    rustls::{
        pki_types::{pem::PemObject, CertificateDer, ServerName},
        ClientConfig, RootCertStore,
    },
    TlsConnector,
};

use super::{Body, Reach};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that are kept.
const KEPT_MAX: usize = 256;
/// Connections that weren't used for this long are dropped: the other end is about to do the same, most servers after 5 s.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// A base URL: `http://127.0.0.1:8080/v1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Base {
    /// Whether it is `https`.
    pub tls: bool,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// What stands before every path; empty or `/…` without a slash at its end.
    pub path: String,
}

impl Base {
    /// Reads a base URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = |reason: &str| format!("`{url:.200}` is no base URL: {reason}");
        let uri: Uri = url.parse().map_err(|_| wrong("write it like http://127.0.0.1:8080/v1"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong("it must begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a name and a password don't belong there"));
        }
        if uri.query().is_some() {
            return Err(wrong("it may have no query"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_string();
        if host.is_empty() {
            return Err(wrong("it has no host"));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { tls, host, port, path: uri.path().trim_end_matches('/').into() })
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (false, 80) | (true, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl std::fmt::Display for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority(), self.path)
    }
}

/// Whose certificates are believed.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Those that the system believes, and those in a PEM file.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn new(more: Option<&Path>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        // A system without any: every https endpoint is refused then, and the error says so.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = more {
            let wrong = |reason: String| format!("{} holds no certificates: {reason}", path.display());
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
        }
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no connection: the request was not sent.
    #[error("can't connect to {at}: {reason}")]
    Connect {
        /// Where to.
        at: String,
        /// Why not.
        reason: String,
    },
    /// It was sent, and the connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    /// It was sent, and nothing came back in time.
    #[error("no answer within {} s", .0.as_secs())]
    Slow(Duration),
}

impl SendError {
    /// Whether the other end can't have seen the request.
    pub fn unsent(&self) -> bool {
        matches!(self, SendError::Connect { .. })
    }
}

struct Kept {
    sender: SendRequest<Body>,
    used: Instant,
}

/// One base URL, with connections to it.
pub struct Endpoint {
    base: Base,
    host: HeaderValue,
    tls: Tls,
    reach: Reach,
    kept: Mutex<Vec<Kept>>,
}

impl Endpoint {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// The host can't stand in a header.
    pub fn new(base: Base, tls: Tls) -> Result<Self, String> {
        Self::within(base, tls, Reach::Anywhere)
    }

    /// One that connects only to addresses within a reach, whatever its name resolves to.
    ///
    /// # Errors
    /// The host can't stand in a header.
    pub fn within(base: Base, tls: Tls, reach: Reach) -> Result<Self, String> {
        let host = HeaderValue::from_str(&base.authority()).map_err(|error| error.to_string())?;
        Ok(Self { base, host, tls, reach, kept: Mutex::default() })
    }

    /// The base URL.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// The address of a path and query below the base URL, as it is sent.
    ///
    /// # Errors
    /// It is not a path.
    pub fn target(&self, path_and_query: &str) -> Result<Uri, String> {
        if self.base.path.is_empty() {
            return path_and_query.parse().map_err(|_| "it is not a path".to_string());
        }
        format!("{}{path_and_query}", self.base.path).parse().map_err(|_| "it is not a path".to_string())
    }

    /// Sends a request whose URI is from [`Self::target`], and returns once the response's headers are there.
    ///
    /// A kept connection may turn out to be closed, also by a server that had begun to read: a request that may be repeated
    /// and has no body is sent once more on a new one.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, mut request: Request<Body>, patience: Duration) -> Result<Response<Incoming>, SendError> {
        request.headers_mut().insert(HOST, self.host.clone());
        while let Some(mut sender) = self.take() {
            let spare = copy(&request);
            match timeout(patience, sender.try_send_request(request)).await {
                Err(_) => return Err(SendError::Slow(patience)),
                Ok(Ok(response)) => {
                    self.keep(sender);
                    return Ok(response);
                },
                Ok(Err(mut error)) => match (error.take_message(), spare) {
                    // It was closed meanwhile: the request comes back unsent.
                    (Some(unsent), _) => request = unsent,
                    (None, Some(spare)) if !error.error().is_parse() => {
                        request = spare;
                        break;
                    },
                    _ => return Err(error.into_error().into()),
                },
            }
        }
        let mut sender = self.connect().await?;
        let response =
            timeout(patience, sender.send_request(request)).await.map_err(|_| SendError::Slow(patience))??;
        self.keep(sender);
        Ok(response)
    }

    /// A connection on which nothing is under way.
    fn take(&self) -> Option<SendRequest<Body>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let position = kept.iter().rposition(|kept| kept.sender.is_ready() && kept.used.elapsed() < IDLE_MAX)?;
        Some(kept.swap_remove(position).sender)
    }

    /// Keeps a connection, which is ready again once the response's body has come.
    fn keep(&self, sender: SendRequest<Body>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.retain(|kept| !kept.sender.is_closed() && kept.used.elapsed() < IDLE_MAX);
        }
        if kept.len() < KEPT_MAX {
            kept.push(Kept { sender, used: Instant::now() });
        }
    }

    async fn connect(&self) -> Result<SendRequest<Body>, SendError> {
        let failed = |reason: String| SendError::Connect { at: self.base.to_string(), reason };
        let connecting = async {
            let found = lookup_host((self.base.host.as_str(), self.base.port)).await.map_err(|e| e.to_string())?;
            // What was looked at is what is connected to: a name can't lead elsewhere in between.
            let addresses: Vec<SocketAddr> = found.filter(|address| self.reach.has(address.ip())).collect();
            if addresses.is_empty() {
                let reason = "it is on this machine or in a private network; allow that with --allow-local";
                return Err(reason.to_string());
            }
            let stream = TcpStream::connect(&addresses[..]).await.map_err(|e| e.to_string())?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            if !self.base.tls {
                return self.shake_hands(TokioIo::new(stream)).await;
            }
            let name = ServerName::try_from(self.base.host.clone()).map_err(|error| error.to_string())?;
            let stream = TlsConnector::from(self.tls.0.clone()).connect(name, stream).await;
            self.shake_hands(TokioIo::new(stream.map_err(|error| error.to_string())?)).await
        };
        let connected = timeout(CONNECT_TIMEOUT, connecting).await;
        connected
            .unwrap_or_else(|_| Err(format!("it took longer than {} s", CONNECT_TIMEOUT.as_secs())))
            .map_err(failed)
    }

    async fn shake_hands<S>(&self, stream: S) -> Result<SendRequest<Body>, String>
    where
        S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(stream).await.map_err(|error| error.to_string())?;
        // How it ends is seen at the requests.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

/// A request that may be sent twice: its method says so, and it has no body.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let repeatable = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !repeatable || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(Body::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server that answers the first request of each connection, and closes at the second one.
    async fn closes_at_the_second() -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("has one");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    let _ = stream.read(&mut buffer).await;
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                    let _ = stream.read(&mut buffer).await;
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn a_kept_connection_that_closes_is_no_failure_of_what_may_be_repeated() {
        let address = closes_at_the_second().await;
        let base = Base::parse(&format!("http://{address}")).expect("valid");
        let endpoint = Endpoint::new(base, Tls::new(None).expect("certificates")).expect("valid");
        let send = |method: Method, body: Body| {
            let mut request = Request::new(body);
            *request.method_mut() = method;
            *request.uri_mut() = endpoint.target("/x").expect("a path");
            endpoint.send(request, Duration::from_secs(10))
        };
        for _ in 0..6 {
            let response = send(Method::GET, Body::empty()).await.expect("is repeated");
            crate::http::collect(response.into_body(), 10).await.expect("whole");
        }
        let broken = send(Method::POST, Body::whole("x")).await;
        assert!(matches!(broken, Err(SendError::Broken(_)) | Ok(_)), "never twice");
    }

    #[tokio::test]
    async fn what_is_out_of_reach_is_not_connected_to() {
        let address = closes_at_the_second().await;
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
            let base = Base::parse(&format!("http://{host}:{}", address.port())).expect("valid");
            let endpoint = Endpoint::within(base, Tls::new(None).expect("certificates"), Reach::Public).expect("valid");
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = endpoint.target("/x").expect("a path");
            let refused = endpoint.send(request, Duration::from_secs(10)).await.expect_err("out of reach");
            assert!(refused.unsent() && refused.to_string().contains("--allow-local"), "{refused}");
        }
    }

    #[test]
    fn base_urls_are_read_and_written() {
        for (text, shown) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1"),
            ("https://example.com", "https://example.com"),
            ("https://example.com:8443/a/b", "https://example.com:8443/a/b"),
            ("http://[::1]:80/", "http://[::1]"),
        ] {
            let base = Base::parse(text).expect(text);
            assert_eq!(base.to_string(), shown);
            assert_eq!(Base::parse(shown).expect("own text"), base);
        }
        for wrong in ["", "127.0.0.1:80", "ftp://a", "http://", "http://a?b", "http://u:p@a", "http://a b", "/a"] {
            assert!(Base::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Base::parse("http://[::1]:1").expect("valid").is_loopback());
        assert!(!Base::parse("http://192.0.2.1").expect("valid").is_loopback());
    }
}
