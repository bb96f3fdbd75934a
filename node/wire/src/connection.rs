// SPDX-License-Identifier: Apache-2.0

//! A client's end of a connection: many requests at a time over one stream.
//!
//! # Correctness
//! A request keeps its number and its place among the open ones until it is answered, also if nobody waits for the answer any
//! more; so an answer never goes to another request, and the vault never has more open than it allows. Requests are sent in
//! the order in which they took their place.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use cairn_primitives::storage::{ChunkProof, Range, Receipt, ShardId, ShardSize, SlotAt, Ticket};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter},
    net::TcpStream,
    sync::{mpsc, oneshot, OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
    time::{timeout, Instant},
};

use crate::{
    activity::{Activity, Tracked},
    frame::{self, BODY_BYTES_MAX},
    message::{self, LEAVES_MAX},
    tls, Answer, Request, WireError, OPEN_REQUESTS_MAX, VERSION,
};

/// Bytes that small frames are gathered in before they are sent.
const BUFFER_BYTES: usize = 32 << 10;

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, its handshake and its greeting.
    pub connect: Duration,
    /// For an answer while nothing at all moves on the connection.
    pub silence: Duration,
    /// For an answer in all.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(20),
            answer: Duration::from_secs(300),
        }
    }
}

/// Where a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// Shards in it.
    pub leaves: u64,
    /// Units in it.
    pub units: u64,
}

/// How far a log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its end; everything up to there is safe.
    pub end: LogEnd,
    /// Units that the vault knows to be committed on chain.
    pub committed_units: u64,
}

/// A connection to a vault. Cheap to clone; ends when the last clone is gone.
#[derive(Clone, Debug)]
pub struct Connection {
    shared: Arc<Shared>,
    queue: mpsc::UnboundedSender<(Vec<u8>, Vec<Bytes>)>,
    _tasks: Arc<Tasks>,
}

#[derive(Debug)]
struct Shared {
    vault: [u8; 32],
    service_key: [u8; 32],
    genesis: [u8; 32],
    timeouts: Timeouts,
    places: Arc<Semaphore>,
    open: Mutex<Open>,
    activity: Activity,
}

#[derive(Debug, Default)]
struct Open {
    next: u32,
    waiting: HashMap<u32, Waiting>,
    ended: Option<WireError>,
}

#[derive(Debug)]
struct Waiting {
    answer: oneshot::Sender<Result<(Answer, Bytes), WireError>>,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Tasks([AbortHandle; 2]);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// An answer that is on its way.
#[derive(Debug)]
struct Pending {
    what: &'static str,
    answer: oneshot::Receiver<Result<(Answer, Bytes), WireError>>,
    since: Instant,
    shared: Arc<Shared>,
}

/// Shards that are on their way; see [`Connection::send_append`].
#[derive(Debug)]
pub struct Appending(Pending);

impl Appending {
    /// Waits until they are safe.
    ///
    /// # Errors
    /// Why they are not known to be.
    pub async fn done(self) -> Result<LogEnd, WireError> {
        match self.0.plain().await? {
            Answer::Appended { leaves, units } => Ok(LogEnd { leaves, units }),
            _ => Err(UNFIT),
        }
    }
}

const UNFIT: WireError = WireError::Protocol("the answer doesn't fit the request");

impl Connection {
    /// Connects to the vault with this service key at `host:port`.
    ///
    /// # Errors
    /// [`WireError::Unreachable`] or [`WireError::Timeout`] if nobody answers, [`WireError::Impostor`] if it is another
    /// one, [`WireError::Refused`] if it serves another chain or protocol.
    pub async fn connect(
        address: &str,
        service_key: [u8; 32],
        genesis: [u8; 32],
        timeouts: Timeouts,
    ) -> Result<Self, WireError> {
        let connecting = async {
            let unreachable =
                |error: io::Error| WireError::Unreachable { address: address.into(), reason: Arc::new(error) };
            let stream = TcpStream::connect(address).await.map_err(unreachable)?;
            let stream =
                tls::connect(tls::client_config(service_key)?, stream).await.map_err(|error| match error.kind() {
                    io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                        WireError::Impostor { address: address.into(), reason: Arc::new(error) }
                    },
                    _ => unreachable(error),
                })?;
            if stream.get_ref().1.alpn_protocol() != Some(crate::ALPN) {
                return Err(WireError::Protocol("it speaks another protocol"));
            }
            Self::over(stream, service_key, genesis, timeouts).await
        };
        let late = |_| WireError::Timeout { what: "a connection", after: timeouts.connect };
        timeout(timeouts.connect, connecting).await.map_err(late)?
    }

    /// Speaks over a stream that is connected to the vault already, and safe: for tests and tunnels.
    ///
    /// # Errors
    /// [`WireError::Refused`] if the vault serves another chain or protocol, and whatever ends a connection.
    pub async fn over<S>(
        stream: S,
        service_key: [u8; 32],
        genesis: [u8; 32],
        timeouts: Timeouts,
    ) -> Result<Self, WireError>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let activity = Activity::default();
        let (mut reader, writer) = tokio::io::split(Tracked::new(stream, activity.clone()));
        let mut writer = BufWriter::with_capacity(BUFFER_BYTES, writer);
        let hello = Request::Hello { version: VERSION, genesis };
        frame::write(&mut writer, &message::encode(0, &hello), &[]).await?;
        writer.flush().await.map_err(WireError::closed)?;
        let ended = WireError::closed(io::ErrorKind::UnexpectedEof.into());
        let (id, answer, _) = read_answer(&mut reader).await?.ok_or(ended)?;
        let vault = match (id, answer) {
            (0, Answer::Hello { vault, version: VERSION }) => vault,
            (0, Answer::Refused(refusal)) => return Err(WireError::Refused(refusal)),
            _ => return Err(UNFIT),
        };
        let open = Mutex::new(Open { next: 1, ..Open::default() });
        let places = Arc::new(Semaphore::new(OPEN_REQUESTS_MAX));
        let shared = Arc::new(Shared { vault, service_key, genesis, timeouts, places, open, activity });
        let (queue, outgoing) = mpsc::unbounded_channel();
        let reading = tokio::spawn(read_all(reader, Arc::clone(&shared))).abort_handle();
        let writing = tokio::spawn(write_all(writer, outgoing, Arc::clone(&shared))).abort_handle();
        Ok(Connection { shared, queue, _tasks: Arc::new(Tasks([reading, writing])) })
    }

    /// The account that the vault says is its own.
    pub fn vault(&self) -> [u8; 32] {
        self.shared.vault
    }

    /// Why the connection has ended, if it has.
    pub fn ended(&self) -> Option<WireError> {
        self.shared.open().ended.clone()
    }

    /// How far a slot's log goes.
    ///
    /// # Errors
    /// [`RefusalCode::UnknownSlot`](crate::RefusalCode::UnknownSlot) if the vault has no such slot.
    pub async fn status(&self, at: SlotAt) -> Result<Status, WireError> {
        match self.ask("the state of a log", Request::Status { at }).await? {
            Answer::Status { leaves, units, committed_units } => {
                Ok(Status { end: LogEnd { leaves, units }, committed_units })
            },
            _ => Err(UNFIT),
        }
    }

    /// Shows a ticket; from then on this connection may write to its slot.
    ///
    /// # Errors
    /// [`RefusalCode::BadTicket`](crate::RefusalCode::BadTicket), [`RefusalCode::Stale`](crate::RefusalCode::Stale),
    /// [`RefusalCode::UnknownSlot`](crate::RefusalCode::UnknownSlot).
    pub async fn open(&self, ticket: Ticket, signer: [u8; 32], signature: [u8; 64]) -> Result<LogEnd, WireError> {
        match self.ask("a ticket", Request::Open { ticket, signer, signature }).await? {
            Answer::Opened { leaves, units } => Ok(LogEnd { leaves, units }),
            _ => Err(UNFIT),
        }
    }

    /// Sends shards that follow shard `first_leaf - 1`, and waits until they are safe.
    ///
    /// # Errors
    /// As [`Self::send_append`] and [`Appending::done`].
    pub async fn append(&self, at: SlotAt, first_leaf: u64, shards: Vec<Bytes>) -> Result<LogEnd, WireError> {
        self.send_append(at, first_leaf, shards).await?.done().await
    }

    /// Sends shards without waiting until they are safe: the next ones can be sent meanwhile. They go out in the order of the
    /// calls. No shards at all cut the log at `first_leaf`.
    ///
    /// # Errors
    /// [`WireError::Protocol`] if they are more than one message takes (4 MiB or 1,024 shards), or no shards.
    pub async fn send_append(&self, at: SlotAt, first_leaf: u64, shards: Vec<Bytes>) -> Result<Appending, WireError> {
        let sizes: Option<Vec<_>> = shards.iter().map(|shard| ShardSize::from_bytes(shard.len())).collect();
        let sizes = sizes.ok_or(WireError::Protocol("a shard has 4, 16, 64 or 256 KiB"))?;
        let fits = shards.iter().map(Bytes::len).sum::<usize>() <= BODY_BYTES_MAX;
        let sizes = sizes.try_into().ok().filter(|_| fits).ok_or(WireError::Protocol("too many shards at once"))?;
        self.send("an append", Request::Append { at, first_leaf, sizes }, shards).await.map(Appending)
    }

    /// Asks for a receipt over the whole log, which has `leaves` shards and this root, to be committed until a block; the
    /// signature is checked.
    ///
    /// # Errors
    /// [`WireError::Protocol`] if it is not a receipt of this vault for this slot and chain.
    pub async fn seal(
        &self,
        at: SlotAt,
        leaves: u64,
        root: [u8; 32],
        until_block: u32,
    ) -> Result<(Receipt, [u8; 64]), WireError> {
        match self.ask("a receipt", Request::Seal { at, leaves, root, until_block }).await? {
            Answer::Sealed { receipt, signature } => {
                let signed = receipt.to_sign(&self.shared.genesis);
                if receipt.at != at || !tls::verify(&self.shared.service_key, &signed, &signature) {
                    return Err(WireError::Protocol("the receipt is not signed by the vault, or for another slot"));
                }
                Ok((receipt, signature))
            },
            _ => Err(UNFIT),
        }
    }

    /// Asks for `count` shards from `first_leaf` on; gives at least one, and perhaps fewer. They are not checked.
    ///
    /// # Errors
    /// [`RefusalCode::Missing`](crate::RefusalCode::Missing) if the first isn't there.
    pub async fn read(&self, at: SlotAt, first_leaf: u64, count: u32) -> Result<Vec<Bytes>, WireError> {
        let count = count.clamp(1, LEAVES_MAX);
        let pending = self.send("shards", Request::Read { at, first_leaf, count }, Vec::new()).await?;
        match pending.wait().await? {
            (Answer::Read { sizes }, body) if !sizes.is_empty() && sizes.len() <= count as usize => {
                message::split(&sizes, body).ok_or(UNFIT)
            },
            _ => Err(UNFIT),
        }
    }

    /// Asks for ids and sizes of `count` shards from `first_leaf` on; gives at least one, and perhaps fewer.
    ///
    /// # Errors
    /// [`RefusalCode::Missing`](crate::RefusalCode::Missing) if the first isn't there.
    pub async fn leaves(
        &self,
        at: SlotAt,
        first_leaf: u64,
        count: u32,
    ) -> Result<Vec<(ShardId, ShardSize)>, WireError> {
        let count = count.clamp(1, LEAVES_MAX);
        match self.ask("ids of shards", Request::Leaves { at, first_leaf, count }).await? {
            Answer::Leaves { leaves } if !leaves.is_empty() && leaves.len() <= count as usize => {
                Ok(leaves.into_inner())
            },
            _ => Err(UNFIT),
        }
    }

    /// Asks for a proof of a chunk of the log's first `units` units. It is not checked.
    ///
    /// # Errors
    /// [`RefusalCode::Missing`](crate::RefusalCode::Missing) if it can't be proven.
    pub async fn prove(&self, at: SlotAt, units: u64, chunk: u64) -> Result<ChunkProof, WireError> {
        match self.ask("a proof", Request::Prove { at, units, chunk }).await? {
            Answer::Proof(proof) => Ok(proof),
            _ => Err(UNFIT),
        }
    }

    /// Asks for the peaks of all whole shards in the first `units` units of a log. They are not checked: a root that is made on
    /// top of them is.
    ///
    /// # Errors
    /// [`RefusalCode::Missing`](crate::RefusalCode::Missing) if the vault doesn't know.
    pub async fn front(&self, at: SlotAt, units: u64) -> Result<Range, WireError> {
        match self.ask("the front of a log", Request::Front { at, units }).await? {
            Answer::Front(range) if range.units() <= units => Ok(range),
            _ => Err(UNFIT),
        }
    }

    async fn ask(&self, what: &'static str, request: Request) -> Result<Answer, WireError> {
        self.send(what, request, Vec::new()).await?.plain().await
    }

    async fn send(&self, what: &'static str, request: Request, body: Vec<Bytes>) -> Result<Pending, WireError> {
        let wait = self.shared.timeouts.answer;
        let place = timeout(wait, Arc::clone(&self.shared.places).acquire_owned());
        let place = place.await.map_err(|_| WireError::Timeout { what, after: wait })?;
        let ended = || WireError::closed(io::ErrorKind::BrokenPipe.into());
        let place = place.map_err(|_| self.ended().unwrap_or_else(ended))?;
        let (answer, waiting) = oneshot::channel();
        let since = Instant::now();
        {
            // Numbered and queued in one go, so that the order is kept.
            let mut open = self.shared.open();
            if let Some(error) = &open.ended {
                return Err(error.clone());
            }
            let id = open.next;
            open.next = open.next.wrapping_add(1);
            if open.waiting.contains_key(&id) {
                return Err(WireError::Protocol("a request is open since four billion requests"));
            }
            open.waiting.insert(id, Waiting { answer, _place: place });
            self.queue.send((message::encode(id, &request), body)).map_err(|_| ended())?;
        }
        Ok(Pending { what, answer: waiting, since, shared: Arc::clone(&self.shared) })
    }
}

impl Pending {
    /// An answer without a body.
    async fn plain(self) -> Result<Answer, WireError> {
        match self.wait().await? {
            (answer, body) if body.is_empty() => Ok(answer),
            _ => Err(UNFIT),
        }
    }

    async fn wait(mut self) -> Result<(Answer, Bytes), WireError> {
        let Timeouts { silence, answer: at_most, .. } = self.shared.timeouts;
        loop {
            let quiet_from = self.shared.activity.last().max(self.since);
            let until = (quiet_from + silence).min(self.since + at_most);
            match tokio::time::timeout_at(until, &mut self.answer).await {
                Ok(Ok(Ok((Answer::Refused(refusal), _)))) => return Err(WireError::Refused(refusal)),
                Ok(Ok(result)) => return result,
                Ok(Err(_)) => return Err(WireError::closed(io::ErrorKind::ConnectionAborted.into())),
                Err(_) => {
                    let now = Instant::now();
                    let silent = self.shared.activity.last().max(self.since) + silence <= now;
                    if silent || self.since + at_most <= now {
                        return Err(WireError::Timeout { what: self.what, after: now - self.since });
                    }
                },
            }
        }
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection for everybody who waits.
    fn end(&self, error: WireError) {
        let waiting = {
            let mut open = self.open();
            open.ended.get_or_insert_with(|| error.clone());
            std::mem::take(&mut open.waiting)
        };
        self.places.close();
        for (_, waiting) in waiting {
            let _ = waiting.answer.send(Err(error.clone()));
        }
    }
}

async fn read_answer<R: AsyncRead + Unpin>(reader: &mut R) -> Result<Option<(u32, Answer, Bytes)>, WireError> {
    let Some(lengths) = frame::read_lengths(reader).await? else { return Ok(None) };
    let header = frame::read_bytes(reader, lengths.header).await?;
    let (id, answer) = message::decode(&header).ok_or(WireError::Protocol("this is no answer"))?;
    let expected = match &answer {
        Answer::Read { sizes } => sizes.iter().map(|size| size.bytes()).sum(),
        _ => 0,
    };
    if lengths.body != expected {
        return Err(WireError::Protocol("the body isn't what the answer says"));
    }
    Ok(Some((id, answer, frame::read_bytes(reader, lengths.body).await?)))
}

async fn read_all<R: AsyncRead + Unpin>(mut reader: R, shared: Arc<Shared>) {
    let error = loop {
        match read_answer(&mut reader).await {
            Ok(Some((id, answer, body))) => match shared.open().waiting.remove(&id) {
                Some(waiting) => {
                    // Nobody may be waiting any more.
                    let _ = waiting.answer.send(Ok((answer, body)));
                },
                None => break WireError::Protocol("this answers no request"),
            },
            Ok(None) => break WireError::closed(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => break error,
        }
    };
    shared.end(error);
}

async fn write_all<W: AsyncWrite + Unpin>(
    mut writer: BufWriter<W>,
    mut queue: mpsc::UnboundedReceiver<(Vec<u8>, Vec<Bytes>)>,
    shared: Arc<Shared>,
) {
    while let Some((header, body)) = queue.recv().await {
        let written = async {
            frame::write(&mut writer, &header, &body).await?;
            if queue.is_empty() {
                writer.flush().await.map_err(WireError::closed)?;
            }
            Ok(())
        };
        if let Err(error) = written.await {
            return shared.end(error);
        }
    }
}
