// SPDX-License-Identifier: Apache-2.0

//! A listener with limits, which stops in order.

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{body::Incoming, server::conn::http1, service::service_fn, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::{watch, Semaphore},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::Body;

/// How long requests under way may take once the listener stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a listener puts up with.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time; further ones wait to be accepted.
    pub connections_max: usize,
    /// How long a request's headers may take, and how long a connection may do nothing.
    pub idle: Duration,
    /// Bytes of a request's headers.
    pub header_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections_max: 4096, idle: Duration::from_secs(60), header_bytes_max: 32 << 10 }
    }
}

/// Answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers one.
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        from: SocketAddr,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// Serves until `stop` becomes true, then lets what is under way end.
pub async fn serve<S: Service>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    service: Arc<S>,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            () = stopped(&mut stop) => break,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // No more file descriptors, or a connection that was gone at once.
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            },
        };
        let _ = stream.set_nodelay(true);
        let (service, tls, stop) = (service.clone(), tls.clone(), stop.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(TokioIo::new(stream), from, limits, service, stop).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                        connection(TokioIo::new(stream), from, limits, service, stop).await;
                    }
                },
            }
            drop(place);
        });
    }
    let all = u32::try_from(limits.connections_max).unwrap_or(u32::MAX);
    let _ = timeout(STOP_TIMEOUT, places.acquire_many(all)).await;
}

/// Returns once everything is to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn connection<S: Service, T>(
    stream: T,
    from: SocketAddr,
    limits: Limits,
    service: Arc<S>,
    mut stop: watch::Receiver<bool>,
) where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request, from).await) }
    });
    let mut connection = std::pin::pin!(http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(limits.header_bytes_max)
        .serve_connection(stream, answer));
    // How a connection ends is the client's affair.
    tokio::select! {
        _ = connection.as_mut() => {},
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        },
    }
}
