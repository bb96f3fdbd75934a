// SPDX-License-Identifier: Apache-2.0

//! One actor per account that hands out nonces.
//!
//! A chain takes an account's transactions in the order of their nonces, without gaps. Asking the node for each nonce
//! gives two transactions the same one when both are prepared at the same time, and counting alone goes wrong as soon
//! as a transaction is refused or another program uses the account. So one task per account counts, and everybody who
//! wants to submit holds a [`NonceLease`] from it while doing so.
//!
//! # Correctness
//! - No nonce is leased to two holders at the same time.
//! - A lease that is dropped gives its nonce back, and the lowest free nonce is leased first: a refused transaction
//!   leaves no gap that outlives the next submission.
//! - When a holder doesn't know whether the node took its transaction ([`NonceLease::unknown`]), or a transaction is
//!   lost from the pool ([`NonceHandle::resync`]), the node is asked again; but only once nobody holds a lease, because
//!   the node can't know about those.
//! - The node is believed over the count, except that it may lag behind for [`Timing::lag`]: after a change of
//!   endpoint its pool doesn't hold what was submitted elsewhere a moment ago.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::Error;

/// Where an actor learns the account's next nonce.
pub(crate) trait NonceSource: Send + Sync + 'static {
    /// The next nonce, counting the transactions that wait in the node's pool.
    fn next_nonce(&self) -> BoxFuture<'_, Result<u64, Error>>;
}

/// How long an actor believes what it knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// The count is checked against the node when nothing was leased for this long.
    pub refresh: Duration,
    /// How long the node may lag behind the count before it is believed.
    pub lag: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { refresh: Duration::from_secs(2), lag: Duration::from_secs(60) }
    }
}

/// Handle to an account's actor; the actor ends with its last handle and lease.
#[derive(Clone, Debug)]
pub(crate) struct NonceHandle {
    messages: mpsc::UnboundedSender<Message>,
}

enum Message {
    Lease(oneshot::Sender<Result<u64, Error>>),
    Settle { nonce: u64, outcome: Outcome },
    Resync,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Accepted,
    Unused,
    Unknown,
}

impl NonceHandle {
    /// Starts an actor. Must be called inside a tokio runtime.
    pub(crate) fn start(source: impl NonceSource) -> Self {
        Self::with_timing(source, Timing::default())
    }

    pub(crate) fn with_timing(source: impl NonceSource, timing: Timing) -> Self {
        let (messages, inbox) = mpsc::unbounded_channel();
        tokio::spawn(Actor::new(source, timing).run(inbox));
        Self { messages }
    }

    /// Leases the next nonce.
    ///
    /// # Errors
    /// Those of the node, if it had to be asked.
    pub(crate) async fn lease(&self) -> Result<NonceLease, Error> {
        let (reply, answer) = oneshot::channel();
        let closed = || Error::malformed("the nonce actor has ended");
        self.messages.send(Message::Lease(reply)).map_err(|_| closed())?;
        let nonce = answer.await.map_err(|_| closed())??;
        Ok(NonceLease { nonce, handle: self.clone(), settled: false })
    }

    /// Tells the actor that a transaction which was accepted is gone from the pool.
    pub(crate) fn resync(&self) {
        let _ = self.messages.send(Message::Resync);
    }
}

/// A nonce that nobody else uses meanwhile. Dropping it gives the nonce back.
#[derive(Debug)]
pub(crate) struct NonceLease {
    nonce: u64,
    handle: NonceHandle,
    settled: bool,
}

impl NonceLease {
    /// The nonce.
    pub(crate) fn nonce(&self) -> u64 {
        self.nonce
    }

    /// A node holds a transaction with it now.
    pub(crate) fn accepted(mut self) {
        self.settle(Outcome::Accepted);
    }

    /// It is not known whether a node holds a transaction with it, or the nonce turned out to be wrong.
    pub(crate) fn unknown(mut self) {
        self.settle(Outcome::Unknown);
    }

    fn settle(&mut self, outcome: Outcome) {
        if !self.settled {
            self.settled = true;
            let _ = self.handle.messages.send(Message::Settle { nonce: self.nonce, outcome });
        }
    }
}

impl Drop for NonceLease {
    fn drop(&mut self) {
        self.settle(Outcome::Unused);
    }
}

struct Actor<S> {
    source: S,
    timing: Timing,
    /// The lowest nonce that was never leased; `None` before the node was asked for the first time.
    next: Option<u64>,
    /// Nonces below `next` that were given back.
    free: BTreeSet<u64>,
    leased: BTreeSet<u64>,
    waiting: VecDeque<oneshot::Sender<Result<u64, Error>>>,
    /// The count is known to be wrong.
    resync: bool,
    /// When something was last leased or the node asked.
    last_use: Instant,
    /// Since when the node has been behind the count.
    behind_since: Option<Instant>,
}

impl<S: NonceSource> Actor<S> {
    fn new(source: S, timing: Timing) -> Self {
        Self {
            source,
            timing,
            next: None,
            free: BTreeSet::new(),
            leased: BTreeSet::new(),
            waiting: VecDeque::new(),
            resync: false,
            last_use: Instant::now(),
            behind_since: None,
        }
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) {
        while let Some(message) = inbox.recv().await {
            match message {
                Message::Lease(reply) => self.waiting.push_back(reply),
                Message::Settle { nonce, outcome } => self.settle(nonce, outcome),
                Message::Resync => self.resync = true,
            }
            self.serve().await;
        }
    }

    fn settle(&mut self, nonce: u64, outcome: Outcome) {
        self.leased.remove(&nonce);
        match outcome {
            Outcome::Accepted => {},
            Outcome::Unknown => self.resync = true,
            Outcome::Unused => {
                self.free.insert(nonce);
                self.merge_free();
            },
        }
    }

    /// Free nonces right below `next` need not be remembered one by one.
    fn merge_free(&mut self) {
        while let Some(below) = self.next.and_then(|next| next.checked_sub(1)) {
            if !self.free.remove(&below) {
                break;
            }
            self.next = Some(below);
        }
    }

    async fn serve(&mut self) {
        while !self.waiting.is_empty() {
            if self.needs_node() {
                if !self.leased.is_empty() {
                    return;
                }
                if let Err(error) = self.ask_node().await {
                    self.fail_all(error);
                    return;
                }
            }
            let Some(reply) = self.waiting.pop_front() else { return };
            self.lease_to(reply);
        }
    }

    fn needs_node(&self) -> bool {
        let idle = self.leased.is_empty() && self.last_use.elapsed() >= self.timing.refresh;
        self.next.is_none() || self.resync || idle
    }

    async fn ask_node(&mut self) -> Result<(), Error> {
        let theirs = self.source.next_nonce().await?;
        let ours = self.next.unwrap_or(theirs);
        let now = Instant::now();
        let behind = *self.behind_since.get_or_insert(now);
        let believe = self.resync || theirs >= ours || now.duration_since(behind) >= self.timing.lag;
        if believe {
            self.next = Some(theirs);
            self.free.clear();
            self.behind_since = None;
        }
        self.resync = false;
        self.last_use = now;
        Ok(())
    }

    fn lease_to(&mut self, reply: oneshot::Sender<Result<u64, Error>>) {
        let Some(next) = self.next else { return };
        let nonce = match self.free.pop_first() {
            Some(nonce) => nonce,
            None => {
                self.next = Some(next.saturating_add(1));
                next
            },
        };
        self.last_use = Instant::now();
        match reply.send(Ok(nonce)) {
            Ok(()) => {
                self.leased.insert(nonce);
            },
            Err(_) => {
                // Nobody waits for it any more.
                self.free.insert(nonce);
                self.merge_free();
            },
        }
    }

    /// Everybody who waits is told; the first one gets the error itself, the others its text.
    fn fail_all(&mut self, error: Error) {
        let unreachable = match &error {
            Error::Unreachable(cause) => Some(cause.clone()),
            _ => None,
        };
        let text = error.to_string();
        let mut first = Some(error);
        for reply in self.waiting.drain(..) {
            let again = || match &unreachable {
                Some(cause) => Error::Unreachable(cause.clone()),
                None => Error::malformed(&text),
            };
            let _ = reply.send(Err(first.take().unwrap_or_else(again)));
        }
    }
}

#[cfg(test)]
mod tests;
