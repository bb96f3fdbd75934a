// SPDX-License-Identifier: Apache-2.0

//! One connection.
//!
//! # Correctness
//! Appends and seals of a connection are done in the order in which they came, by one task; everything else may overtake.
//! Memory for a body is taken from the vault's budget before the first byte of it is read.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use cairn_client::chain::storage::SlotAt;
use cairn_primitives::storage::ShardSize;
use cairn_wire::{
    frame::{self, BODY_BYTES_MAX},
    server, Answer, Refusal, RefusalCode, Request, WireError, OPEN_REQUESTS_MAX, VERSION,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter},
    sync::{mpsc, watch, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    requests::{self, refuse_store, refused, Session},
    Shared,
};
use crate::metrics::add;

/// Slots that a connection may have open for writing.
const SESSIONS_MAX: usize = 64;
/// Bytes in which small answers are gathered.
const BUFFER_BYTES: usize = 32 << 10;
/// How long answers that are being made may take when the client has closed its end, or the vault stops.
const LAST_ANSWERS_MAX: Duration = Duration::from_secs(5);

/// An answer on its way out, with what it takes up until it is sent.
struct Outgoing {
    id: u32,
    answer: Answer,
    body: Vec<Bytes>,
    _place: Option<OwnedSemaphorePermit>,
    _memory: Memory,
}

/// Parts of the budgets of the vault and of the connection.
type Memory = Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>;

/// What is done in order.
enum Write {
    Append {
        id: u32,
        place: OwnedSemaphorePermit,
        memory: Memory,
        at: SlotAt,
        first_leaf: u64,
        sizes: Vec<ShardSize>,
        body: Bytes,
        units_max: u64,
    },
    Seal {
        id: u32,
        place: OwnedSemaphorePermit,
        session: Session,
        asked: requests::Seal,
    },
}

/// Serves a connection until it ends, breaks a rule, is idle, or the vault stops.
pub(super) async fn serve<S>(shared: Arc<Shared>, stream: S, peer: IpAddr, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    let (answers, outgoing) = mpsc::unbounded_channel();
    let writer = BufWriter::with_capacity(BUFFER_BYTES, writer);
    let mut writing = tokio::spawn(write_all(writer, outgoing, shared.limits.transfer));
    let (writes, queue) = mpsc::channel(4);
    let in_order = tokio::spawn(write_in_order(Arc::clone(&shared), queue, answers.clone()));
    let guest = Guest {
        places: Arc::new(Semaphore::new(OPEN_REQUESTS_MAX)),
        memory: Arc::new(Semaphore::new(shared.limits.bytes_per_connection.max(2 * BODY_BYTES_MAX) >> 10)),
        sessions: HashMap::new(),
        shared,
        peer,
        answers,
        writes,
    };
    let broken = tokio::select! {
        result = guest.read_all(reader) => result.err(),
        _ = &mut writing => return in_order.abort(),
        _ = stop.changed() => None,
    };
    if let Some(error) = broken {
        tracing::debug!(%peer, %error, "a connection ended");
    }
    // What is being written is finished and told, unless nobody listens.
    let last = async {
        let _ = in_order.await;
        let _ = (&mut writing).await;
    };
    if timeout(LAST_ANSWERS_MAX, last).await.is_err() {
        writing.abort();
    }
}

struct Guest {
    shared: Arc<Shared>,
    peer: IpAddr,
    places: Arc<Semaphore>,
    /// KiB of shards in memory for this connection.
    memory: Arc<Semaphore>,
    sessions: HashMap<SlotAt, Session>,
    answers: mpsc::UnboundedSender<Outgoing>,
    writes: mpsc::Sender<Write>,
}

impl Guest {
    async fn read_all<R: AsyncRead + Unpin>(mut self, mut reader: R) -> Result<(), WireError> {
        self.greet(&mut reader).await?;
        loop {
            let lengths = timed(self.shared.limits.idle, "a request", frame::read_lengths(&mut reader)).await?;
            let Some(lengths) = lengths else { return Ok(()) };
            let transfer = self.shared.limits.transfer;
            let (id, request) = timed(transfer, "a request", server::read_request(&mut reader, lengths)).await?;
            add(&self.shared.metrics.requests_total, 1);
            self.shared.reached.note();
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
                // Whoever does this doesn't keep to the protocol.
                self.tell(id, refused(RefusalCode::TooMany, "too many requests are open"), None);
                return Err(WireError::Protocol("too many requests are open"));
            };
            match request {
                Request::Hello { .. } => {
                    self.tell(id, refused(RefusalCode::Unsupported, "once is enough"), Some(place));
                },
                Request::Open { ticket, signer, signature } => {
                    let full = self.sessions.len() >= SESSIONS_MAX && !self.sessions.contains_key(&ticket.at);
                    let answer = match requests::open(&self.shared, ticket, signer, signature).await {
                        _ if full => refused(RefusalCode::TooMany, "too many slots are open on this connection"),
                        Ok((session, answer)) => {
                            self.sessions.insert(ticket.at, session);
                            answer
                        },
                        Err(answer) => answer,
                    };
                    self.tell(id, answer, Some(place));
                },
                Request::Append { at, first_leaf, sizes } => {
                    let may = match self.sessions.get(&at) {
                        Some(session) => session.check_append(&self.shared, first_leaf),
                        None => Err(Refusal::new(RefusalCode::NotOpen, "")),
                    };
                    match may {
                        Err(refusal) => {
                            self.tell(id, Answer::Refused(refusal), Some(place));
                            timed(transfer, "shards", frame::skip(&mut reader, lengths.body)).await?;
                        },
                        Ok(units_max) => {
                            let memory = self.reserve(lengths.body).await?;
                            let body = timed(transfer, "shards", frame::read_bytes(&mut reader, lengths.body)).await?;
                            let sizes = sizes.into_inner();
                            let write = Write::Append { id, place, memory, at, first_leaf, sizes, body, units_max };
                            self.write(write).await?;
                        },
                    }
                },
                Request::Seal { at, leaves, root, until_block } => match self.sessions.get(&at).copied() {
                    Some(session) => {
                        let asked = requests::Seal { at, leaves, root, until_block };
                        self.write(Write::Seal { id, place, session, asked }).await?;
                    },
                    None => self.tell(id, refused(RefusalCode::NotOpen, ""), Some(place)),
                },
                request => self.answer(id, request, place).await?,
            }
        }
    }

    /// The first request must be a greeting for this chain.
    async fn greet<R: AsyncRead + Unpin>(&self, reader: &mut R) -> Result<(), WireError> {
        let first = timed(self.shared.limits.handshake, "a greeting", server::read(reader)).await?;
        let answer = match &first {
            Some((_, Request::Hello { genesis, .. }, _)) if *genesis != self.shared.chain.genesis() => {
                refused(RefusalCode::WrongChain, "")
            },
            Some((_, Request::Hello { version: VERSION, .. }, _)) => {
                Answer::Hello { vault: self.shared.chain.account().0, version: VERSION }
            },
            Some((_, Request::Hello { .. }, _)) => refused(RefusalCode::Unsupported, "this is version 1"),
            _ => return Err(WireError::Protocol("the first request must be a greeting")),
        };
        let welcome = matches!(answer, Answer::Hello { .. });
        if let Some((id, ..)) = first {
            self.tell(id, answer, None);
        }
        match welcome {
            true => Ok(()),
            false => Err(WireError::Protocol("another chain, or another version of the protocol")),
        }
    }

    /// Answers what needs no permission, beside other requests.
    async fn answer(&self, id: u32, request: Request, place: OwnedSemaphorePermit) -> Result<(), WireError> {
        let memory = match &request {
            Request::Read { count, .. } => {
                let bytes = (*count).clamp(1, 1024) as usize * ShardSize::K256.bytes();
                self.reserve(bytes.min(BODY_BYTES_MAX)).await?
            },
            _ => None,
        };
        let (shared, peer, answers) = (Arc::clone(&self.shared), self.peer, self.answers.clone());
        tokio::spawn(async move {
            let (answer, body) = requests::answer(&shared, peer, request).await;
            count_refusal(&shared, &answer);
            let _ = answers.send(Outgoing { id, answer, body, _place: Some(place), _memory: memory });
        });
        Ok(())
    }

    /// Waits until there is room for so many bytes.
    async fn reserve(&self, bytes: usize) -> Result<Memory, WireError> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let reserving = async {
            let own = Arc::clone(&self.memory).acquire_many_owned(kib).await.ok()?;
            let all = Arc::clone(&self.shared.memory).acquire_many_owned(kib).await.ok()?;
            Some((own, all))
        };
        // Others may hold all of it, but not for longer than a transfer.
        timed(2 * self.shared.limits.transfer, "memory", async { Ok(reserving.await) }).await
    }

    async fn write(&self, write: Write) -> Result<(), WireError> {
        self.writes.send(write).await.map_err(|_| WireError::Protocol("the connection is ending"))
    }

    fn tell(&self, id: u32, answer: Answer, place: Option<OwnedSemaphorePermit>) {
        count_refusal(&self.shared, &answer);
        let _ = self.answers.send(Outgoing { id, answer, body: Vec::new(), _place: place, _memory: None });
    }
}

fn count_refusal(shared: &Shared, answer: &Answer) {
    if matches!(answer, Answer::Refused(_)) {
        add(&shared.metrics.requests_refused_total, 1);
    }
}

async fn write_in_order(
    shared: Arc<Shared>,
    mut queue: mpsc::Receiver<Write>,
    answers: mpsc::UnboundedSender<Outgoing>,
) {
    while let Some(write) = queue.recv().await {
        match write {
            Write::Append { id, place, memory, at, first_leaf, sizes, body, units_max } => {
                let (answers, telling) = (answers.clone(), Arc::clone(&shared));
                let bytes = body.len() as u64;
                let reply = move |result: Result<cairn_primitives::storage::Range, cairn_store::StoreError>| {
                    let answer = match result {
                        Ok(range) => {
                            add(&telling.metrics.bytes_taken_total, bytes);
                            Answer::Appended { leaves: range.leaves(), units: range.units() }
                        },
                        Err(error) => refuse_store(&telling, at, &error),
                    };
                    count_refusal(&telling, &answer);
                    let out = Outgoing { id, answer, body: Vec::new(), _place: Some(place), _memory: memory };
                    let _ = answers.send(out);
                };
                let (store, runtime) = (Arc::clone(&shared.store), tokio::runtime::Handle::current());
                // The next is begun when this is written, not when it is safe.
                let begun = requests::blocking(&shared, move || {
                    let reply = Box::new(move |result| {
                        // Called by the store's own thread.
                        let _inside = runtime.enter();
                        reply(result);
                    });
                    store.append_then(at, first_leaf, &sizes, &body, units_max, reply);
                    Ok(())
                });
                let _ = begun.await;
            },
            Write::Seal { id, place, session, asked } => {
                let answer = requests::seal(&shared, session, asked).await;
                count_refusal(&shared, &answer);
                let _ = answers.send(Outgoing { id, answer, body: Vec::new(), _place: Some(place), _memory: None });
            },
        }
    }
}

async fn write_all<W: AsyncWrite + Unpin>(
    mut writer: BufWriter<W>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    transfer: Duration,
) {
    while let Some(out) = outgoing.recv().await {
        let written = async {
            server::write(&mut writer, out.id, &out.answer, &out.body).await?;
            if outgoing.is_empty() {
                writer.flush().await.map_err(|error| WireError::Closed(Arc::new(error)))?;
            }
            Ok::<(), WireError>(())
        };
        // Whoever doesn't read doesn't keep others' memory.
        if !matches!(timeout(transfer, written).await, Ok(Ok(()))) {
            return;
        }
    }
    let _ = timeout(transfer, writer.shutdown()).await;
}

async fn timed<T>(
    limit: Duration,
    what: &'static str,
    work: impl std::future::Future<Output = Result<T, WireError>>,
) -> Result<T, WireError> {
    timeout(limit, work).await.unwrap_or(Err(WireError::Timeout { what, after: limit }))
}
