// SPDX-License-Identifier: Apache-2.0

//! Bodies: held whole, or passed on as they come.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    header::{HeaderValue, CONTENT_TYPE},
    Response, StatusCode,
};

/// How long a body that is collected may take.
const COLLECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A message's body.
pub enum Body {
    /// All of it.
    Whole(Option<Bytes>),
    /// As it comes; what it holds on to is let go at its end.
    Passing(Incoming, Option<Arc<dyn Send + Sync>>),
    /// A beginning that was read already, and the rest as it comes.
    Resumed(Option<Bytes>, Incoming),
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self::Whole(None)
    }

    /// These bytes.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Body::Whole(bytes) => {
                Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(|b| Ok(Frame::data(b))))
            },
            Body::Passing(incoming, _) => Pin::new(incoming).poll_frame(cx),
            Body::Resumed(first, incoming) => match first.take().filter(|bytes| !bytes.is_empty()) {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => Pin::new(incoming).poll_frame(cx),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Body::Passing(incoming, _) => incoming.is_end_stream(),
            Body::Resumed(first, incoming) => first.is_none() && incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Body::Passing(incoming, _) => incoming.size_hint(),
            Body::Resumed(first, incoming) => {
                let (first, rest) = (first.as_ref().map_or(0, |bytes| bytes.len() as u64), incoming.size_hint());
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(first));
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper.saturating_add(first));
                }
                hint
            },
        }
    }
}

/// Why a body was not collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// It has more bytes than were allowed; these were read, and the rest comes after them.
    #[error("the body is too big")]
    TooBig(Bytes, Incoming),
    /// It ended before it was complete.
    #[error("the body broke off: {0}")]
    Broken(#[from] hyper::Error),
    /// It took too long; these bytes were read, and the rest comes after them.
    #[error("the body took too long")]
    Slow(Bytes, Incoming),
}

/// Holds a body of at most `bytes_max` bytes to be looked at; one that is longer, or too slow, passes as it comes.
///
/// # Errors
/// It is broken.
pub async fn hold(body: Incoming, bytes_max: usize) -> Result<(Body, Option<Bytes>), CollectError> {
    match collect(body, bytes_max).await {
        Ok(bytes) => Ok((Body::whole(bytes.clone()), Some(bytes))),
        Err(CollectError::TooBig(first, rest) | CollectError::Slow(first, rest)) => {
            Ok((Body::Resumed(Some(first), rest), None))
        },
        Err(other) => Err(other),
    }
}

/// Reads a whole body of at most `bytes_max` bytes.
///
/// # Errors
/// It is too big, too slow or broken.
pub async fn collect(body: Incoming, bytes_max: usize) -> Result<Bytes, CollectError> {
    collect_for(body, bytes_max, COLLECT_TIMEOUT).await
}

/// The same, with another patience.
///
/// # Errors
/// As [`collect`].
pub async fn collect_for(mut body: Incoming, bytes_max: usize, patience: Duration) -> Result<Bytes, CollectError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let (mut first, mut all) = (Bytes::new(), None::<BytesMut>);
    let read = async {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            // One frame is not copied.
            if first.is_empty() && all.is_none() {
                first = data;
            } else {
                all.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(&data);
            }
            if all.as_ref().map_or(first.len(), BytesMut::len) > bytes_max {
                return Ok(true);
            }
        }
        Ok::<_, hyper::Error>(false)
    };
    let read = tokio::time::timeout(patience, read).await;
    let bytes = all.map_or(first, BytesMut::freeze);
    match read {
        Ok(Ok(false)) => Ok(bytes),
        Ok(Ok(true)) => Err(CollectError::TooBig(bytes, body)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(CollectError::Slow(bytes, body)),
    }
}

/// A short answer in plain text.
pub fn text_response(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::whole(format!("{text}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
