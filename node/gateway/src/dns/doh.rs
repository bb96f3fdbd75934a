// SPDX-License-Identifier: Apache-2.0

//! DNS over HTTPS (RFC 8484): `GET /dns-query?dns=...` and `POST /dns-query`, over HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Poll};
use std::time::Duration;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderValue, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{sleep, Instant, Sleep};

use super::connections::Activity;
use super::context::{unix_seconds, Context};
use super::metrics::Via;
use super::respond::Outcome;
use super::stream::{Limits, QUERY_BYTES_MAX};

/// The path of the resolver.
pub const PATH: &str = "/dns-query";
const MESSAGE_TYPE: &str = "application/dns-message";
/// Characters of padding at the end of a query in a path: two of them, escaped, and what rounding leaves.
const PADDING_CHARS_MAX: usize = 8;
const HEADER_BYTES_MAX: u32 = 16 << 10;

/// Serves a connection until it ends, is idle or the server stops.
pub async fn serve<S>(
    context: Arc<Context>,
    stream: S,
    limits: Limits,
    activity: Arc<Activity>,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let (context, activity) = (Arc::clone(&context), Arc::clone(&activity));
        async move { Ok::<_, Infallible>(respond(&context, &activity, request).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.idle).max_buf_size(HEADER_BYTES_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.pipelined_max as u32)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(None);
    let connection = builder.serve_connection(TokioIo::new(WhileActive::new(stream, limits.idle)), service);
    let mut connection = std::pin::pin!(connection);
    // How a connection ends is the client's affair.
    tokio::select! {
        _ = connection.as_mut() => {},
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        },
    }
}

async fn respond(context: &Context, activity: &Arc<Activity>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let message = match read_message(request).await {
        Ok(message) => message,
        Err(status) => return plain(status),
    };
    activity.queried();
    let mut out = Vec::new();
    let outcome = context.answer(&context.snapshots.load(), unix_seconds(), &message, Via::Https, &mut out);
    let reply = match outcome {
        Outcome::Ignore => return plain(StatusCode::BAD_REQUEST),
        Outcome::Reply(reply) => reply,
        open => {
            let _waiting = activity.wait();
            context.complete(open, &message, Via::Https, &mut out).await
        },
    };
    let mut response = Response::new(Full::new(out.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MESSAGE_TYPE));
    if let Ok(value) = HeaderValue::try_from(format!("max-age={}", reply.ttl_seconds)) {
        headers.insert(CACHE_CONTROL, value);
    }
    response
}

/// The query in a request, or the status that says what is wrong with it.
async fn read_message(request: Request<Incoming>) -> Result<Bytes, StatusCode> {
    if request.uri().path() != PATH {
        return Err(StatusCode::NOT_FOUND);
    }
    match *request.method() {
        // HEAD is a GET whose body the library leaves out (RFC 9110, 9.3.2).
        Method::GET | Method::HEAD => {
            let query = request.uri().query().unwrap_or_default();
            let text = query.split('&').find_map(|pair| pair.strip_prefix("dns=")).ok_or(StatusCode::BAD_REQUEST)?;
            if text.len() > QUERY_BYTES_MAX * 4 / 3 + PADDING_CHARS_MAX {
                return Err(StatusCode::URI_TOO_LONG);
            }
            // Clients that take the value for text write the padding as %3D.
            from_base64url(&text.replace("%3D", "=").replace("%3d", "="))
                .map(Bytes::from)
                .ok_or(StatusCode::BAD_REQUEST)
        },
        Method::POST => {
            if !request.headers().get(CONTENT_TYPE).is_some_and(is_message_type) {
                return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
            let body = Limited::new(request.into_body(), QUERY_BYTES_MAX);
            Ok(body.collect().await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?.to_bytes())
        },
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// Whether a Content-Type is that of DNS messages: in any case, with or without parameters (RFC 9110, 8.3.1).
fn is_message_type(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(MESSAGE_TYPE)
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(format!("{reason}\n"))));
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }
    response
}

/// Base64url without padding; padding is put up with.
fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// A stream that fails when nothing was read or written for a while.
struct WhileActive<S> {
    stream: S,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
}

impl<S> WhileActive<S> {
    fn new(stream: S, idle: Duration) -> Self {
        WhileActive { stream, idle, deadline: Box::pin(sleep(idle)) }
    }

    /// Pushes the deadline back if something happened, and fails at the deadline if not.
    fn track<T>(&mut self, cx: &mut std::task::Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.deadline.as_mut().reset(Instant::now() + self.idle);
            return result;
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WhileActive<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.track(cx, result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WhileActive<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.track(cx, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_is_read_strictly() {
        assert_eq!(from_base64url("AAABAAABAAAAAAAAA3d3dw").unwrap(), b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x03www");
        assert_eq!(from_base64url("_-8=").unwrap(), [0xff, 0xef]);
        assert!(from_base64url("").unwrap().is_empty());
        for bad in ["A", "AB", "A+A", "AA/", "AAAA A", "AAAAA"] {
            assert_eq!(from_base64url(bad), None, "{bad}");
        }
    }
}
