// SPDX-License-Identifier: Apache-2.0

//! DNS over TCP and over TLS: messages with a length in front, pipelined (RFC 7766, RFC 7858).

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connections::Activity;
use super::context::{unix_seconds, Context};
use super::metrics::Via;
use super::respond::Outcome;

/// Longest query taken; a connection with a longer one is closed.
pub const QUERY_BYTES_MAX: usize = 4096;
/// Answers are collected up to this size before they are written.
const WRITE_BYTES: usize = 64 << 10;
/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;

/// Limits of a connection.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Closed when nothing comes, or nothing can be written, for this long.
    pub idle: Duration,
    /// Most queries that wait for an upstream.
    pub pipelined_max: usize,
}

/// Serves a connection until it ends, is idle, misbehaves or the server stops.
pub async fn serve<S>(
    context: Arc<Context>,
    mut stream: S,
    via: Via,
    limits: Limits,
    activity: Arc<Activity>,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut inbox = BytesMut::with_capacity(READ_BYTES);
    let mut outbox = Vec::new();
    let mut out = Vec::new();
    let mut open: JoinSet<Vec<u8>> = JoinSet::new();
    let (mut ending, mut misbehaved) = (false, false);
    loop {
        while !misbehaved {
            let Ok(taken) = take_message(&mut inbox) else {
                misbehaved = true;
                break;
            };
            let Some(message) = taken else { break };
            activity.queried();
            let outcome = context.answer(&context.snapshots.load(), unix_seconds(), &message, via, &mut out);
            match outcome {
                Outcome::Ignore => misbehaved = true,
                Outcome::Reply(_) => put_message(&mut outbox, &out),
                waits => {
                    if open.len() >= limits.pipelined_max {
                        if let Some(Ok(answer)) = open.join_next().await {
                            put_message(&mut outbox, &answer);
                        }
                    }
                    let (context, mut out, waiting) = (Arc::clone(&context), out.clone(), activity.wait());
                    open.spawn(async move {
                        context.complete(waits, &message, via, &mut out).await;
                        drop(waiting);
                        out
                    });
                },
            }
            if outbox.len() >= WRITE_BYTES {
                write(&mut stream, &mut outbox, limits.idle).await?;
            }
        }
        write(&mut stream, &mut outbox, limits.idle).await?;
        // What was asked before a message that is none is answered before the connection is closed.
        ending |= misbehaved;
        if ending && open.is_empty() {
            return stream.shutdown().await;
        }
        inbox.reserve(READ_BYTES);
        tokio::select! {
            read = timeout(limits.idle, stream.read_buf(&mut inbox)), if !ending => match read {
                Ok(Ok(0)) => ending = true,
                Ok(read) => {
                    read?;
                },
                // Queries that wait for an upstream keep a connection alive; they have a time limit of their own.
                Err(_) => ending = true,
            },
            Some(answer) = open.join_next(), if !open.is_empty() => {
                if let Ok(answer) = answer {
                    put_message(&mut outbox, &answer);
                }
            },
            _ = stop.changed(), if !ending => ending = true,
        }
    }
}

/// Takes a complete message off the front.
fn take_message(inbox: &mut BytesMut) -> std::io::Result<Option<BytesMut>> {
    let Some(length) = inbox.first_chunk::<2>().map(|prefix| usize::from(u16::from_be_bytes(*prefix))) else {
        return Ok(None);
    };
    if length > QUERY_BYTES_MAX {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    if inbox.len() < 2 + length {
        return Ok(None);
    }
    inbox.advance(2);
    Ok(Some(inbox.split_to(length)))
}

fn put_message(outbox: &mut Vec<u8>, message: &[u8]) {
    outbox.extend_from_slice(&(message.len() as u16).to_be_bytes());
    outbox.extend_from_slice(message);
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, outbox: &mut Vec<u8>, limit: Duration) -> std::io::Result<()> {
    if !outbox.is_empty() {
        timeout(limit, async {
            stream.write_all(outbox).await?;
            stream.flush().await
        })
        .await
        .map_err(|_| std::io::ErrorKind::TimedOut)??;
        outbox.clear();
    }
    Ok(())
}
