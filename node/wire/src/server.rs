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
/// A server that limits what it takes calls [`frame::read_lengths`], [`read_request`], and then [`frame::read_bytes`] or
/// [`frame::skip`] for the body.
///
/// # Errors
/// [`WireError::Protocol`] for what is no request, [`WireError::Closed`] if the stream fails.
pub async fn read<R: AsyncRead + Unpin>(reader: &mut R) -> Result<Option<(u32, Request, Bytes)>, WireError> {
    let Some(lengths) = frame::read_lengths(reader).await? else { return Ok(None) };
    let (id, request) = read_request(reader, lengths).await?;
    let body = frame::read_bytes(reader, lengths.body).await?;
    Ok(Some((id, request, body)))
}

/// Reads a request, whose frame has these lengths; its body comes next on the stream, and is as long as the request says.
///
/// # Errors
/// As [`read`].
pub async fn read_request<R: AsyncRead + Unpin>(reader: &mut R, lengths: Lengths) -> Result<(u32, Request), WireError> {
    let header = frame::read_bytes(reader, lengths.header).await?;
    let (id, request) = message::decode(&header).ok_or(WireError::Protocol("this is no request"))?;
    let expected = match &request {
        Request::Append { sizes, .. } => sizes.iter().map(|size| size.bytes()).sum(),
        _ => 0,
    };
    if lengths.body != expected {
        return Err(WireError::Protocol("the body isn't what the request says"));
    }
    Ok((id, request))
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
