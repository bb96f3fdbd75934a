// SPDX-License-Identifier: Apache-2.0

//! What all transports of a server share: answering with counting, and the slow way through an upstream.

use std::net::IpAddr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::forward::{ttl_min, Answer, Forwarder, Question};
use super::metrics::{Metrics, Via};
use super::query::{flags, Query};
use super::rate::{Limiter, Verdict};
use super::respond::{Outcome, Reply, Responder, Transport};
use super::snapshot::{Snapshot, SnapshotHandle};
use super::wire::{rcode, u16_at, NameBuf, CLASS_IN, HEADER_BYTES, UDP_BYTES_PLAIN};
use super::writer::{opt, ExtendedError, Writer, OPT_BYTES};

/// How often an alias may lead to yet another name outside that isn't known.
const LEARN_TRIES: usize = 2;

/// Shared by all transports.
pub struct Context {
    /// Answers.
    pub responder: Responder,
    /// What is answered from.
    pub snapshots: SnapshotHandle,
    /// Asks other resolvers, if that is wanted.
    pub forwarder: Option<Forwarder>,
    /// Counters.
    pub metrics: Metrics,
    /// Bounds UDP responses.
    pub limiter: Option<Limiter>,
    /// When the server was started.
    pub started: Instant,
}

/// Seconds since 1970.
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Context {
    /// Answers `message` at once where that is possible; counts what is complete.
    pub fn answer(&self, snapshot: &Snapshot, now: u64, message: &[u8], via: Via, out: &mut Vec<u8>) -> Outcome {
        let transport = if via == Via::Udp { Transport::Udp } else { Transport::Stream };
        let outcome = self.responder.answer(snapshot, now, message, transport, out);
        if matches!(outcome, Outcome::Reply(_)) {
            pad(message, via, out);
        }
        match &outcome {
            Outcome::Ignore => self.metrics.ignored[via as usize].add(),
            Outcome::Reply(reply) => self.count(via, *reply),
            _ => {},
        }
        outcome
    }

    fn count(&self, via: Via, reply: Reply) {
        self.metrics.response(via, reply.rcode);
        if reply.truncated {
            self.metrics.truncated.add();
        }
    }

    /// Completes, with an upstream's help, what [`Self::answer`] left open; `out` is what that wrote.
    pub async fn complete(&self, outcome: Outcome, message: &[u8], via: Via, out: &mut Vec<u8>) -> Reply {
        let (Some(forwarder), Ok(query)) = (&self.forwarder, Query::read(message)) else {
            return Reply { rcode: rcode::SERVFAIL, truncated: false, ttl_seconds: 0 };
        };
        let reply = match outcome {
            Outcome::Reply(reply) => return reply,
            Outcome::Ignore | Outcome::Forward => self.forward(forwarder, &query, message, via, out).await,
            Outcome::Chase(name, qtype) => {
                self.metrics.forwarded.add();
                let answer = forwarder.records(&name, qtype).await;
                self.append(answer, &query, message, via, out)
            },
            Outcome::Learn(name, qtype) => self.learn(forwarder, *name, qtype, message, via, out).await,
        };
        pad(message, via, out);
        self.count(via, reply);
        reply
    }

    async fn forward(
        &self,
        forwarder: &Forwarder,
        query: &Query,
        message: &[u8],
        via: Via,
        out: &mut Vec<u8>,
    ) -> Reply {
        self.metrics.forwarded.add();
        let echoed = &message[HEADER_BYTES..query.question_end];
        let dnssec_ok = query.edns.map(|edns| edns.dnssec_ok);
        let Some(answer) = forwarder.ask(Question { bytes: echoed, flags: query.flags, dnssec_ok }).await else {
            self.metrics.forward_failed.add();
            return Reply { rcode: rcode::SERVFAIL, truncated: false, ttl_seconds: 0 };
        };
        *out = answer;
        out[..2].copy_from_slice(&query.id.to_be_bytes());
        if !query.wants_authentic() {
            out[3] &= !(flags::AUTHENTIC_DATA as u8);
        }
        out[HEADER_BYTES..query.question_end].copy_from_slice(echoed);
        let truncated = self.fit(query, via, out);
        let rcode = u16_at(out, 2).unwrap_or(0) & 15;
        Reply { rcode, truncated, ttl_seconds: ttl_min(out) }
    }

    /// Appends to a response that ends with a CNAME what an upstream has for its target.
    fn append(&self, answer: Option<Answer>, query: &Query, message: &[u8], via: Via, out: &mut Vec<u8>) -> Reply {
        let answer = answer.filter(|answer| matches!(answer.rcode, rcode::NOERROR | rcode::NXDOMAIN));
        let Some(answer) = answer else {
            self.metrics.forward_failed.add();
            let mut writer = Writer::new(out, message, query, UDP_BYTES_PLAIN);
            writer.explain(ExtendedError::NetworkError);
            writer.finish(query, self.responder.available(), rcode::SERVFAIL);
            return Reply { rcode: rcode::SERVFAIL, truncated: false, ttl_seconds: 0 };
        };
        let opt = if query.edns.is_some() { out.split_off(out.len() - OPT_BYTES) } else { Vec::new() };
        for record in &answer.records {
            out.extend_from_slice(record.owner.wire());
            out.extend_from_slice(&record.rtype.to_be_bytes());
            out.extend_from_slice(&CLASS_IN.to_be_bytes());
            out.extend_from_slice(&record.ttl_seconds.to_be_bytes());
            out.extend_from_slice(&(record.data.len() as u16).to_be_bytes());
            out.extend_from_slice(&record.data);
        }
        out.extend_from_slice(&opt);
        let count = u16_at(out, 6).unwrap_or(0).saturating_add(answer.records.len() as u16);
        out[6..8].copy_from_slice(&count.to_be_bytes());
        out[3] = out[3] & 0xf0 | answer.rcode as u8;
        let truncated = self.fit(query, via, out);
        Reply { rcode: answer.rcode, truncated, ttl_seconds: ttl_min(out) }
    }

    async fn learn(
        &self,
        forwarder: &Forwarder,
        mut name: NameBuf,
        mut qtype: u16,
        message: &[u8],
        via: Via,
        out: &mut Vec<u8>,
    ) -> Reply {
        let failed = Reply { rcode: rcode::SERVFAIL, truncated: false, ttl_seconds: 0 };
        let Some(aliases) = &self.responder.aliases else { return failed };
        for _ in 0..LEARN_TRIES {
            self.metrics.forwarded.add();
            let (learnt, seconds) = forwarder.addresses(&name, qtype).await;
            if learnt == super::alias::Learnt::Failed {
                self.metrics.forward_failed.add();
            }
            let now = unix_seconds();
            aliases.put(&name, qtype, learnt, seconds, now);
            let transport = if via == Via::Udp { Transport::Udp } else { Transport::Stream };
            match self.responder.answer(&self.snapshots.load(), now, message, transport, out) {
                Outcome::Reply(reply) => return reply,
                Outcome::Learn(next, next_type) => (name, qtype) = (*next, next_type),
                _ => break,
            }
        }
        failed
    }

    /// Cuts a response that is too long for the client down to its question; returns whether that was needed.
    fn fit(&self, query: &Query, via: Via, out: &mut Vec<u8>) -> bool {
        let transport = if via == Via::Udp { Transport::Udp } else { Transport::Stream };
        let over = out.len() > super::respond::limit(query, transport);
        if over {
            truncate(query, out);
        }
        over
    }

    /// Whether a message over UDP is to be answered. Asked before an answer is made: whoever is over the limit shall not
    /// have anything looked up, signed or forwarded either.
    pub fn admit(&self, client: IpAddr, message: &[u8]) -> Verdict {
        let Some(limiter) = &self.limiter else { return Verdict::Send };
        // What is no query gets no answer, and counts for nobody.
        if message.len() < HEADER_BYTES || u16_at(message, 2).is_some_and(|word| word & flags::RESPONSE != 0) {
            return Verdict::Send;
        }
        let verdict = limiter.check(client, self.started.elapsed().as_micros() as u64);
        match verdict {
            Verdict::Send => {},
            Verdict::Slip => self.metrics.rate_slipped.add(),
            Verdict::Drop => self.metrics.rate_dropped.add(),
        }
        verdict
    }

    /// Writes the truncated response of a client over the limit; false if there is none.
    pub fn slip(&self, message: &[u8], out: &mut Vec<u8>) -> bool {
        let reply = self.responder.slip(message, out);
        if let Some(reply) = reply {
            self.count(Via::Udp, reply);
        }
        reply.is_some()
    }
}

/// Pads an answer that is encrypted on its way, if the client padded its query.
fn pad(message: &[u8], via: Via, out: &mut Vec<u8>) {
    if matches!(via, Via::Tls | Via::Https) {
        super::padding::pad(Query::read(message).ok().and_then(|query| query.edns), out);
    }
}

/// Leaves a response's header and question, and the OPT that the client is owed (RFC 6891, 6.1.1), with TC set.
fn truncate(query: &Query, out: &mut Vec<u8>) {
    let question = out.get(HEADER_BYTES..).and_then(NameBuf::read).filter(|_| u16_at(out, 4) == Some(1));
    out.truncate(question.map_or(HEADER_BYTES, |name| HEADER_BYTES + name.wire().len() + 4));
    out[2] |= (flags::TRUNCATED >> 8) as u8;
    out[6..12].fill(0);
    if let Some(edns) = query.edns {
        out[11] = 1;
        out.extend_from_slice(&opt(edns, rcode::NOERROR));
    }
}
