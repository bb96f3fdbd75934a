// SPDX-License-Identifier: Apache-2.0

//! Frames: `header length u32 LE || body length u32 LE || header || body`.

use bytes::Bytes;
use cairn_buffers::Buffer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::WireError;

/// Longest header.
pub const HEADER_BYTES_MAX: usize = 64 << 10;
/// Longest body.
pub const BODY_BYTES_MAX: usize = 4 << 20;

/// How long the rest of a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lengths {
    /// Bytes of the header.
    pub header: usize,
    /// Bytes of the body.
    pub body: usize,
}

impl Lengths {
    /// What the first eight bytes of a frame say.
    ///
    /// # Errors
    /// [`WireError::Protocol`] if they are more than a frame may have.
    pub fn parse(bytes: [u8; 8]) -> Result<Self, WireError> {
        let [h0, h1, h2, h3, b0, b1, b2, b3] = bytes;
        let header = u32::from_le_bytes([h0, h1, h2, h3]) as usize;
        let body = u32::from_le_bytes([b0, b1, b2, b3]) as usize;
        if header == 0 || header > HEADER_BYTES_MAX || body > BODY_BYTES_MAX {
            return Err(WireError::Protocol("a frame is longer than allowed, or has no header"));
        }
        Ok(Lengths { header, body })
    }
}

/// Reads how long the next frame is; `None` if the stream has ended between two frames. Nothing is kept in memory yet.
///
/// # Errors
/// [`WireError::Protocol`] for a frame that is too long, [`WireError::Closed`] if the stream fails or ends.
pub async fn read_lengths<R: AsyncRead + Unpin>(reader: &mut R) -> Result<Option<Lengths>, WireError> {
    let mut first = [0u8; 8];
    match reader.read(&mut first[..1]).await.map_err(WireError::closed)? {
        0 => return Ok(None),
        _ => reader.read_exact(&mut first[1..]).await.map_err(WireError::closed)?,
    };
    Lengths::parse(first).map(Some)
}

/// Reads a frame's header, or else its body, once its length is known and found good.
///
/// # Errors
/// [`WireError::Closed`] if the stream fails or ends.
pub async fn read_bytes<R: AsyncRead + Unpin>(reader: &mut R, length: usize) -> Result<Bytes, WireError> {
    let mut bytes = Buffer::new(length);
    reader.read_exact(&mut bytes).await.map_err(WireError::closed)?;
    Ok(bytes.freeze())
}

/// Reads over so many bytes without keeping them.
///
/// # Errors
/// [`WireError::Closed`] if the stream fails or ends.
pub async fn skip<R: AsyncRead + Unpin>(reader: &mut R, length: usize) -> Result<(), WireError> {
    let mut limited = reader.take(length as u64);
    let skipped = tokio::io::copy(&mut limited, &mut tokio::io::sink()).await.map_err(WireError::closed)?;
    match skipped == length as u64 {
        true => Ok(()),
        false => Err(WireError::closed(std::io::ErrorKind::UnexpectedEof.into())),
    }
}

/// Writes a frame; the body may come in parts. The stream isn't flushed.
///
/// # Errors
/// [`WireError::Protocol`] (and nothing is written) for a frame that is too long, [`WireError::Closed`] if the stream fails.
pub async fn write<W: AsyncWrite + Unpin>(writer: &mut W, header: &[u8], body: &[Bytes]) -> Result<(), WireError> {
    let length: usize = body.iter().map(Bytes::len).sum();
    let mut first = [0u8; 8];
    first[..4].copy_from_slice(&u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes());
    first[4..].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    Lengths::parse(first)?;
    writer.write_all(&first).await.map_err(WireError::closed)?;
    writer.write_all(header).await.map_err(WireError::closed)?;
    for part in body {
        writer.write_all(part).await.map_err(WireError::closed)?;
    }
    Ok(())
}
