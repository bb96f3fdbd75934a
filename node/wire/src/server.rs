// SPDX-License-Identifier: Apache-2.0

//! A vault's end of a connection.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    frame::{self, Lengths},
    message, Answer, Request, WireError,
};

/// Reads the next request with its number and body; `None` once the client has closed the connection.
///
/// A server that limits its memory calls [`frame::read_lengths`] and [`read_after`] instead, and waits in between until it has
/// room. A body is read only if the request goes with it.
///
/// # Errors
/// [`WireError::Protocol`] for what is no request, [`WireError::Closed`] if the stream fails.
pub async fn read<R: AsyncRead + Unpin>(reader: &mut R) -> Result<Option<(u32, Request, Bytes)>, WireError> {
    match frame::read_lengths(reader).await? {
        Some(lengths) => read_after(reader, lengths).await.map(Some),
        None => Ok(None),
    }
}

/// Reads a request whose lengths are read already.
///
/// # Errors
/// As [`read`].
pub async fn read_after<R: AsyncRead + Unpin>(
    reader: &mut R,
    lengths: Lengths,
) -> Result<(u32, Request, Bytes), WireError> {
    let header = frame::read_bytes(reader, lengths.header).await?;
    let (id, request) = message::decode(&header).ok_or(WireError::Protocol("this is no request"))?;
    let expected = match &request {
        Request::Append { sizes, .. } => sizes.iter().map(|size| size.bytes()).sum(),
        _ => 0,
    };
    if lengths.body != expected {
        return Err(WireError::Protocol("the body isn't what the request says"));
    }
    let body = frame::read_bytes(reader, lengths.body).await?;
    Ok((id, request, body))
}

/// Writes an answer to request `id`; the stream isn't flushed.
///
/// # Errors
/// As [`frame::write`].
pub async fn write<W: AsyncWrite + Unpin>(
    writer: &mut W,
    id: u32,
    answer: &Answer,
    body: &[Bytes],
) -> Result<(), WireError> {
    frame::write(writer, &message::encode(id, answer), body).await
}
