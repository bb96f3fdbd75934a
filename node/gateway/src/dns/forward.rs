// SPDX-License-Identifier: Apache-2.0

//! Asking other resolvers about names outside the zone.
//!
//! # Correctness
//! Every question has a random id and a socket of its own on a random port, connected to the upstream. An answer counts
//! only if its id, its question and the address it comes from are right; everything else is passed over until time is up.
//! A response with the right id, an error and no question is taken for a refusal of this upstream, never for an answer.
//!
//! A datagram that is lost is sent again. An upstream that doesn't answer for a while is not given up: the next one is
//! asked beside it, and the first good answer of any counts.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::{sleep_until, timeout, Instant};

use super::address::is_local_record;
use super::alias::{Learnt, ADDRESSES_MAX};
use super::config::Config;
use super::query::flags;
use super::special::special;
use super::wire::{rcode, rtype, u16_at, u32_at, NameBuf, CLASS_IN, HEADER_BYTES, STREAM_BYTES_MAX, UDP_BYTES_MAX};

/// Records of an upstream's answer that are looked at.
const RECORDS_MAX: u16 = 128;
/// Links of CNAME followed within an upstream's answer.
const LINKS_MAX: usize = 16;

/// Pauses after which a datagram without an answer is sent again.
const RESEND_AFTER: [Duration; 3] =
    [Duration::from_millis(400), Duration::from_millis(800), Duration::from_millis(1600)];

/// Asks upstreams.
pub struct Forwarder {
    upstreams: Vec<SocketAddr>,
    /// How long to wait for one before the next is asked, too.
    timeout: Duration,
    /// How long to wait once all were asked.
    patience: Duration,
    /// Whether local addresses are left out of what names of the zone lead to.
    filter_local: bool,
    under_way: Semaphore,
    random: SystemRandom,
}

/// What to ask: a question and what of the client's wishes goes with it.
pub struct Question<'q> {
    /// Name as the client wrote it, type and class.
    pub bytes: &'q [u8],
    /// RD, AD and CD.
    pub flags: u16,
    /// Whether to send an OPT record, and with DO set.
    pub dnssec_ok: Option<bool>,
}

impl Forwarder {
    /// A forwarder to the upstreams of `config`, at least one.
    pub fn new(config: &Config) -> Self {
        Forwarder {
            upstreams: config.upstreams.clone(),
            timeout: config.upstream_timeout,
            patience: config.upstream_patience,
            filter_local: config.filter_local,
            under_way: Semaphore::new(config.upstream_queries_max),
            random: SystemRandom::new(),
        }
    }

    /// Asks the upstreams in turn; the answer has an id of its own. `None` if none answered, or too many are being asked.
    pub async fn ask(&self, question: Question<'_>) -> Option<Vec<u8>> {
        let _permit = self.under_way.try_acquire().ok()?;
        let mut left = self.upstreams.iter();
        let (mut asked, mut failure) = (FuturesUnordered::new(), None);
        let mut deadline = Instant::now();
        loop {
            if let Some(upstream) = left.next() {
                asked.push(self.ask_one(*upstream, &question));
                let wait = if left.as_slice().is_empty() { self.patience } else { self.timeout };
                deadline = Instant::now() + wait;
            } else if asked.is_empty() || deadline <= Instant::now() {
                return failure;
            }
            tokio::select! {
                Some(said) = asked.next() => match said {
                    Ok(Said::Answer(answer)) => return Some(answer),
                    // One that can't or won't answer: perhaps the next one does.
                    Ok(Said::Failure(answer)) => failure = failure.or(answer),
                    Err(_) => {},
                },
                () = sleep_until(deadline) => {},
            }
        }
    }

    async fn ask_one(&self, upstream: SocketAddr, question: &Question<'_>) -> io::Result<Said> {
        let query = self.query(question).ok_or(io::ErrorKind::Other)?;
        let said = ask_udp(upstream, &query, question.bytes).await?;
        match said {
            Said::Answer(answer) if is_truncated(&answer) => ask_tcp(upstream, &query, question.bytes).await,
            said => Ok(said),
        }
    }

    fn query(&self, question: &Question<'_>) -> Option<Vec<u8>> {
        let mut id = [0; 2];
        self.random.fill(&mut id).ok()?;
        let wanted = question.flags & (flags::RECURSION_DESIRED | flags::AUTHENTIC_DATA | flags::CHECKING_DISABLED);
        let mut query = [id, wanted.to_be_bytes(), [0, 1], [0; 2], [0; 2], [0, 0]].concat();
        query.extend_from_slice(question.bytes);
        if let Some(dnssec_ok) = question.dnssec_ok {
            query[11] = 1;
            let [high, low] = (UDP_BYTES_MAX as u16).to_be_bytes();
            let dnssec_ok = if dnssec_ok { 0x80 } else { 0 };
            query.extend_from_slice(&[0, 0, rtype::OPT as u8, high, low, 0, 0, dnssec_ok, 0, 0, 0]);
        }
        Some(query)
    }

    /// The records that answer for `name`, CNAMEs included, as the upstream gave them.
    pub async fn records(&self, name: &NameBuf, qtype: u16) -> Option<Answer> {
        if special(name, qtype).is_some() {
            return Some(Answer { rcode: rcode::NXDOMAIN, records: Vec::new() });
        }
        let mut bytes = name.wire().to_vec();
        bytes.extend_from_slice(&qtype.to_be_bytes());
        bytes.extend_from_slice(&CLASS_IN.to_be_bytes());
        let question = Question { bytes: &bytes, flags: flags::RECURSION_DESIRED, dnssec_ok: Some(false) };
        let mut answer = read_answer(&self.ask(question).await?, name, qtype)?;
        if self.filter_local {
            answer.records.retain(|record| !is_local_record(record.rtype, &record.data));
        }
        Some(answer)
    }

    /// The addresses of `name`, and for how many seconds to keep them.
    pub async fn addresses(&self, name: &NameBuf, qtype: u16) -> (Learnt, u64) {
        let answer =
            self.records(name, qtype).await.filter(|answer| matches!(answer.rcode, rcode::NOERROR | rcode::NXDOMAIN));
        let Some(answer) = answer else { return (Learnt::Failed, Learnt::Failed.seconds(0)) };
        let bytes = if qtype == rtype::A { 4 } else { 16 };
        let found = answer.records.iter().filter(|record| record.rtype == qtype && record.data.len() == bytes);
        let mut addresses: Vec<Box<[u8]>> = found.map(|record| record.data.clone().into()).collect();
        addresses.sort();
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        let ttl_seconds = answer.records.iter().map(|record| record.ttl_seconds).min().unwrap_or(0);
        let learnt = Learnt::Addresses(addresses.into());
        let seconds = learnt.seconds(ttl_seconds);
        (learnt, seconds)
    }
}

/// An upstream's answer, taken apart.
pub struct Answer {
    /// Its response code.
    pub rcode: u16,
    /// The chain of CNAMEs from the name asked for, and the records at its end.
    pub records: Vec<OutsideRecord>,
}

/// A record in an upstream's answer.
pub struct OutsideRecord {
    /// Whose.
    pub owner: NameBuf,
    /// Of which type.
    pub rtype: u16,
    /// For how long.
    pub ttl_seconds: u32,
    /// Its data, without compression.
    pub data: Vec<u8>,
}

/// What an upstream said.
enum Said {
    /// An answer, whatever is in it.
    Answer(Vec<u8>),
    /// It can't or won't; its response, if that has the question.
    Failure(Option<Vec<u8>>),
}

async fn ask_udp(upstream: SocketAddr, query: &[u8], question: &[u8]) -> io::Result<Said> {
    let any: SocketAddr = if upstream.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(upstream).await?;
    for pause in RESEND_AFTER {
        socket.send(query).await?;
        if let Ok(said) = timeout(pause, receive(&socket, query, question)).await {
            return said;
        }
    }
    socket.send(query).await?;
    receive(&socket, query, question).await
}

async fn receive(socket: &UdpSocket, query: &[u8], question: &[u8]) -> io::Result<Said> {
    let mut answer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut answer).await?;
        if let Some(said) = said(&answer[..length], query, question) {
            return Ok(said);
        }
    }
}

async fn ask_tcp(upstream: SocketAddr, query: &[u8], question: &[u8]) -> io::Result<Said> {
    let mut stream = TcpStream::connect(upstream).await?;
    let length = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let length = usize::from(stream.read_u16().await?);
    let mut answer = vec![0; length.min(STREAM_BYTES_MAX)];
    stream.read_exact(&mut answer).await?;
    said(&answer, query, question).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// What a message says; `None` if it is no response to `query`.
fn said(answer: &[u8], query: &[u8], question: &[u8]) -> Option<Said> {
    let code = u16_at(answer, 2)? & 15;
    let is_failure = matches!(code, rcode::FORMERR | rcode::SERVFAIL | rcode::NOTIMP | rcode::REFUSED);
    if is_answer(answer, query, question) {
        let answer = answer.to_vec();
        return Some(if is_failure { Said::Failure(Some(answer)) } else { Said::Answer(answer) });
    }
    (is_failure && is_response(answer, query) && u16_at(answer, 4) == Some(0)).then_some(Said::Failure(None))
}

/// Whether `answer` has the id of `query` and is a response to this operation.
fn is_response(answer: &[u8], query: &[u8]) -> bool {
    answer.len() >= HEADER_BYTES
        && answer[..2] == query[..2]
        && u16_at(answer, 2).is_some_and(|word| word & flags::RESPONSE != 0 && word & flags::OPCODE == 0)
}

/// Whether `answer` is one to `query`: same id, a response, the same question (letters of either case).
fn is_answer(answer: &[u8], query: &[u8], question: &[u8]) -> bool {
    is_response(answer, query)
        && u16_at(answer, 4) == Some(1)
        && answer
            .get(HEADER_BYTES..HEADER_BYTES + question.len())
            .is_some_and(|echo| echo.eq_ignore_ascii_case(question))
}

fn is_truncated(answer: &[u8]) -> bool {
    u16_at(answer, 2).is_some_and(|word| word & flags::TRUNCATED != 0)
}

/// Takes an answer apart; `None` if it is malformed.
fn read_answer(message: &[u8], name: &NameBuf, qtype: u16) -> Option<Answer> {
    let rcode = u16_at(message, 2)? & 15;
    let mut at = HEADER_BYTES + name.wire().len() + 4;
    let mut all = Vec::new();
    for _ in 0..u16_at(message, 6)?.min(RECORDS_MAX) {
        let (owner, after) = NameBuf::read_compressed(message, at)?;
        let (rtype, class) = (u16_at(message, after)?, u16_at(message, after + 2)?);
        // RFC 2181, section 8: a time to live with the highest bit set is zero.
        let ttl_seconds = u32_at(message, after + 4).map(|ttl| if ttl >> 31 == 1 { 0 } else { ttl })?;
        let begin = after + 10;
        at = begin + usize::from(u16_at(message, after + 8)?);
        let plain = message.get(begin..at)?;
        if class == CLASS_IN && (rtype == qtype || rtype == self::rtype::CNAME) {
            let data = decompress(message, begin, plain, rtype)?;
            all.push(OutsideRecord { owner, rtype, ttl_seconds, data });
        }
    }
    let mut records = Vec::new();
    let mut current = name.clone();
    for _ in 0..LINKS_MAX {
        let (here, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|record| record.owner == current);
        all = rest;
        let target = here.iter().find(|record| record.rtype == rtype::CNAME).and_then(|link| NameBuf::read(&link.data));
        records.extend(here);
        match target {
            Some(target) if qtype != rtype::CNAME => current = target,
            _ => break,
        }
    }
    Some(Answer { rcode, records })
}

/// The data of a record without compression. Only the types of RFC 1035 may have any.
fn decompress(message: &[u8], at: usize, plain: &[u8], rtype: u16) -> Option<Vec<u8>> {
    let name_at = match rtype {
        rtype::CNAME | rtype::NS | 12 => 0,
        rtype::MX => 2,
        rtype::SRV => 6,
        rtype::SOA => {
            let (primary, after) = NameBuf::read_compressed(message, at)?;
            let (contact, after) = NameBuf::read_compressed(message, after)?;
            let numbers = message.get(after..after + 20).filter(|_| after + 20 == at + plain.len())?;
            return Some([primary.wire(), contact.wire(), numbers].concat());
        },
        _ => return Some(plain.to_vec()),
    };
    let (name, after) = NameBuf::read_compressed(message, at + name_at)?;
    if after != at + plain.len() {
        return None;
    }
    Some([plain.get(..name_at)?, name.wire()].concat())
}

/// The lowest time to live in a message's answer and authority sections; 0 if there is none or it is malformed.
pub fn ttl_min(message: &[u8]) -> u32 {
    let read = || {
        let (_, mut at) = NameBuf::read_compressed(message, HEADER_BYTES)?;
        at += 4;
        let mut lowest = None;
        for _ in 0..u32::from(u16_at(message, 6)?) + u32::from(u16_at(message, 8)?) {
            let (_, after) = NameBuf::read_compressed(message, at)?;
            let ttl_seconds = u32_at(message, after + 4)?;
            lowest = Some(lowest.map_or(ttl_seconds, |lowest: u32| lowest.min(ttl_seconds)));
            at = after + 10 + usize::from(u16_at(message, after + 8)?);
        }
        lowest
    };
    read().unwrap_or(0)
}

#[cfg(test)]
#[path = "forward_tests.rs"]
mod tests;
