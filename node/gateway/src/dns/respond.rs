// SPDX-License-Identifier: Apache-2.0

//! The heart of the server: from a query's bytes and a snapshot to the response's bytes.
//!
//! # Correctness
//! [`Responder::answer`] never waits, never panics, whatever the bytes, and allocates nothing for unsigned answers
//! beyond what `out` grows by (aliases to outside aside). The same function serves every transport.

use super::alias::{self, AliasCache, Resolved, LINKS_MAX};
use super::compiled::{Node, SetView};
use super::denial::{covering, types_at, Nsec};
use super::dnssec::{Signer, DNSKEY_TTL_SECONDS};
use super::lookup::{exact, lookup, Found};
use super::query::{flags, Query, Unreadable};
use super::snapshot::{Snapshot, TtlCap, NEGATIVE_TTL_SECONDS};
use super::special::{self, special};
use super::wire::{
    rcode, rtype, NameBuf, CLASS_ANY, CLASS_IN, HEADER_BYTES, STREAM_BYTES_MAX, UDP_BYTES_MAX, UDP_BYTES_PLAIN,
};
use super::writer::{bare, ExtendedError, Owner, Section, Writer};

/// How a message came, as far as the answer depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Answers are small.
    Udp,
    /// TCP, DoT or DoH: answers have up to 65,535 bytes.
    Stream,
}

/// What became of a message.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing is to be sent.
    Ignore,
    /// `out` holds the response.
    Reply(Reply),
    /// The question lies outside the zone and is to be forwarded; `out` holds what to send if that fails.
    Forward,
    /// An alias leads to this name outside the zone, whose addresses have to be learnt first; ask again after that.
    /// `out` holds what to send if that fails.
    Learn(Box<NameBuf>, u16),
    /// `out` holds a response that ends with a CNAME to this name outside the zone, and the client wants it followed.
    Chase(Box<NameBuf>, u16),
}

/// About a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its response code.
    pub rcode: u16,
    /// Whether it had to be truncated.
    pub truncated: bool,
    /// How long it may be kept.
    pub ttl_seconds: u32,
}

/// Answers from snapshots.
#[derive(Default)]
pub struct Responder {
    /// Signs, if the client asks for it.
    pub signer: Option<Signer>,
    /// There if names outside the zone can be asked for.
    pub aliases: Option<AliasCache>,
    /// Age of the head in seconds from which on nothing is answered; `None` for never.
    pub stale_seconds: Option<u64>,
}

/// Longest response to `query`.
pub fn limit(query: &Query, transport: Transport) -> usize {
    match (transport, query.edns) {
        (Transport::Stream, _) => STREAM_BYTES_MAX,
        (Transport::Udp, None) => UDP_BYTES_PLAIN,
        (Transport::Udp, Some(edns)) => usize::from(edns.udp_bytes).clamp(UDP_BYTES_PLAIN, UDP_BYTES_MAX),
    }
}

impl Responder {
    /// Answers `message` from `snapshot` into `out`. `now` is in seconds since 1970.
    pub fn answer(
        &self,
        snapshot: &Snapshot,
        now: u64,
        message: &[u8],
        transport: Transport,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let query = match Query::read(message) {
            Ok(query) => query,
            Err(Unreadable::Ignore) => {
                out.clear();
                return Outcome::Ignore;
            },
            Err(Unreadable::NotImplemented { question_end }) => {
                bare(out, message, question_end, rcode::NOTIMP);
                return Outcome::Reply(Reply { rcode: rcode::NOTIMP, truncated: false, ttl_seconds: 0 });
            },
            Err(Unreadable::FormErr { question_end }) => {
                bare(out, message, question_end, rcode::FORMERR);
                return Outcome::Reply(Reply { rcode: rcode::FORMERR, truncated: false, ttl_seconds: 0 });
            },
        };
        let mut simple = |rcode, why: Option<ExtendedError>| {
            let mut writer = Writer::new(out, message, &query, limit(&query, transport));
            if let Some(why) = why {
                writer.explain(why);
            }
            let truncated = writer.finish(&query, self.available(), rcode);
            Reply { rcode, truncated, ttl_seconds: 0 }
        };
        let in_zone = query.name.is_in_zone();
        if query.edns.is_some_and(|edns| edns.version > 0) {
            return Outcome::Reply(simple(rcode::BADVERS, None));
        }
        let has_class = query.qclass == CLASS_IN || query.qclass == CLASS_ANY && in_zone;
        if !has_class || matches!(query.qtype, rtype::AXFR | rtype::IXFR) {
            return Outcome::Reply(simple(rcode::REFUSED, None));
        }
        if !in_zone {
            if self.aliases.is_none() || !query.recursion_desired() {
                return Outcome::Reply(simple(rcode::REFUSED, None));
            }
            if let Some(special) = special(&query.name, query.qtype) {
                let writer = Writer::new(out, message, &query, limit(&query, transport));
                return Outcome::Reply(special::answer(special, writer, &query, self.available()));
            }
            simple(rcode::SERVFAIL, Some(ExtendedError::NetworkError));
            return Outcome::Forward;
        }
        if self.is_stale(snapshot, now) {
            return Outcome::Reply(simple(rcode::SERVFAIL, Some(ExtendedError::NotReady)));
        }
        let writer = Writer::new(out, message, &query, limit(&query, transport));
        let signer = self.signer.as_ref().filter(|_| query.dnssec_ok());
        let (name, chased) = (query.name.clone(), None);
        let composer = Composer {
            responder: self,
            snapshot,
            now,
            query: &query,
            signer,
            writer,
            name,
            base: HEADER_BYTES,
            chased,
        };
        composer.run()
    }

    /// Answers with TC and nothing else, whatever is asked: the client then comes over TCP. Nothing is looked up or signed.
    pub fn slip(&self, message: &[u8], out: &mut Vec<u8>) -> Option<Reply> {
        let Ok(query) = Query::read(message) else { return None };
        let writer = Writer::new(out, message, &query, UDP_BYTES_PLAIN);
        writer.finish(&query, self.available() | flags::TRUNCATED, rcode::NOERROR);
        Some(Reply { rcode: rcode::NOERROR, truncated: true, ttl_seconds: 0 })
    }

    /// The flag that says whether names outside the zone can be asked for.
    pub fn available(&self) -> u16 {
        if self.aliases.is_some() {
            flags::RECURSION_AVAILABLE
        } else {
            0
        }
    }

    /// Whether the chain's head is too old to answer from.
    pub fn is_stale(&self, snapshot: &Snapshot, now: u64) -> bool {
        self.stale_seconds.is_some_and(|seconds| now.saturating_sub(snapshot.head_time()) > seconds)
    }
}

/// A response in the making.
struct Composer<'a, 'o> {
    responder: &'a Responder,
    snapshot: &'a Snapshot,
    now: u64,
    query: &'a Query,
    /// There if the client wants signatures.
    signer: Option<&'a Signer>,
    writer: Writer<'o>,
    /// The name that is being looked up; the question's, or where a CNAME led.
    name: NameBuf,
    /// Where that name is in the message, uncompressed.
    base: usize,
    /// A name outside the zone that a CNAME led to.
    chased: Option<NameBuf>,
}

impl<'a> Composer<'a, '_> {
    fn run(mut self) -> Outcome {
        let (mut links, mut seen) = (0, [0; LINKS_MAX]);
        let (mut code, mut header) = (rcode::NOERROR, flags::AUTHORITATIVE);
        loop {
            match lookup(self.snapshot, &self.name, self.query.qtype == rtype::DS) {
                Found::Outside => {
                    self.chased = Some(self.name.clone());
                    break;
                },
                Found::Missing { next_closer, above, above_is_apex } => {
                    code = rcode::NXDOMAIN;
                    self.missing(next_closer, above, above_is_apex);
                    break;
                },
                Found::Cut { cut, at, cap } => {
                    if links == 0 {
                        header = 0;
                    }
                    self.referral(cut, at, cap);
                    break;
                },
                Found::Node { node, cap, is_apex } => {
                    if let Some(set) = self.asked_set(node) {
                        self.set(self.base, &set, cap);
                        break;
                    }
                    if let Some(mut cname) = node.set(rtype::CNAME).filter(|_| !self.asks_for_own_types()) {
                        let at = self.set(self.base, &cname, cap);
                        let target = cname.records.next().and_then(NameBuf::read);
                        let Some(target) = target.filter(|target| !self.was_seen(target, &seen[..links])) else {
                            break;
                        };
                        if links == LINKS_MAX {
                            break;
                        }
                        seen[links] = at;
                        links += 1;
                        self.name = target;
                        self.base = at;
                        continue;
                    }
                    match self.other(node, cap, is_apex) {
                        Some(Resolved::Failed) => {
                            (code, header) = (rcode::SERVFAIL, 0);
                        },
                        Some(Resolved::Unknown(name)) => {
                            let qtype = self.query.qtype;
                            self.finish(0, rcode::SERVFAIL, true);
                            return Outcome::Learn(name, qtype);
                        },
                        _ => {},
                    }
                    break;
                },
            }
        }
        let chased = self.chased.take();
        let qtype = self.query.qtype;
        // Who validates follows by itself: what is appended here has no signatures.
        let wanted = self.responder.aliases.is_some() && self.query.recursion_desired() && !self.query.dnssec_ok();
        let reply = self.finish(header, code, code == rcode::SERVFAIL);
        match chased {
            Some(name) if wanted && !reply.truncated && qtype != rtype::ANY => Outcome::Chase(Box::new(name), qtype),
            _ => Outcome::Reply(reply),
        }
    }

    /// Whether the question is for the types that may stand beside a CNAME.
    fn asks_for_own_types(&self) -> bool {
        self.responder.signer.is_some() && matches!(self.query.qtype, rtype::NSEC | rtype::RRSIG)
    }

    /// Whether a chain of CNAMEs that leads to `target` was there before; `seen` are the places of its names.
    fn was_seen(&self, target: &NameBuf, seen: &[usize]) -> bool {
        *target == self.query.name || seen.iter().any(|at| self.writer.written()[*at..].starts_with(target.wire()))
    }

    fn finish(self, header: u16, code: u16, without_records: bool) -> Reply {
        let mut writer = self.writer;
        if without_records {
            writer.clear();
            writer.explain(ExtendedError::NoReachableAuthority);
        }
        let ttl_seconds = writer.ttl_min().unwrap_or(0);
        let truncated = writer.finish(self.query, header | self.responder.available(), code);
        Reply { rcode: code, truncated, ttl_seconds }
    }

    /// The node's set that answers the question. ANY is answered with one set (RFC 8482).
    fn asked_set(&self, node: Node<'a>) -> Option<SetView<'a>> {
        match self.query.qtype {
            rtype::ANY => node.sets().next(),
            qtype => node.set(qtype),
        }
    }

    /// Writes a set for the name at `base`, with its signature; returns where the first record's data are.
    fn set(&mut self, base: usize, set: &SetView<'a>, cap: TtlCap) -> usize {
        let ttl = set.ttl_seconds.min(cap.0);
        self.records(base, set.rtype, ttl, set.ttl_seconds, set.records.clone())
    }

    fn records<'r>(
        &mut self,
        base: usize,
        rtype: u16,
        ttl: u32,
        ttl_original: u32,
        records: impl Iterator<Item = &'r [u8]> + Clone,
    ) -> usize {
        let mut first = None;
        for data in records.clone() {
            self.writer.record(Owner::At(base), rtype, ttl, data);
            first.get_or_insert(self.writer.position() - data.len());
        }
        if let Some(signer) = self.signer {
            // `base` is the place of `self.name` or of one of its suffixes.
            let owner = &self.name.wire()[base - self.base..];
            let data = signer.rrsig(owner, rtype, ttl_original, records, self.now);
            self.writer.record(Owner::At(base), rtype::RRSIG, ttl, &data);
        }
        first.unwrap_or(base)
    }

    /// All else that a node can be asked for; an alias that leads nowhere is returned.
    fn other(&mut self, node: Node<'a>, cap: TtlCap, is_apex: bool) -> Option<Resolved<'a>> {
        let qtype = self.query.qtype;
        if let (true, rtype::DNSKEY, Some(signer)) = (is_apex, qtype, self.responder.signer.as_ref()) {
            let key = std::iter::once(signer.dnskey());
            self.records(self.base, rtype::DNSKEY, DNSKEY_TTL_SECONDS, DNSKEY_TTL_SECONDS, key);
            return None;
        }
        if let (rtype::A | rtype::AAAA, Some(mut alias)) = (qtype, node.set(rtype::ALIAS)) {
            let target = alias.records.next().unwrap_or_default();
            let ttl_original = alias.ttl_seconds;
            let ttl = ttl_original.min(cap.0);
            match alias::resolve(self.snapshot, self.responder.aliases.as_ref(), target, qtype, ttl, self.now) {
                Resolved::Inside(records, ttl) => {
                    self.records(self.base, qtype, ttl, ttl_original, records);
                    return None;
                },
                Resolved::Outside(addresses, ttl) => {
                    let records = addresses.iter().map(|data| &data[..]);
                    self.records(self.base, qtype, ttl, ttl_original, records);
                    return None;
                },
                Resolved::Nothing => {},
                unresolved => return Some(unresolved),
            }
        }
        if let (rtype::NSEC, Some(signer)) = (qtype, self.responder.signer.as_ref()) {
            if let Some(nsec) = types_at(self.name.wire(), self.types(node, is_apex)) {
                self.writer.record(Owner::At(self.base), rtype::NSEC, NEGATIVE_TTL_SECONDS, &nsec.data);
                if self.signer.is_some() {
                    let records = std::iter::once(&nsec.data[..]);
                    let data = signer.rrsig(self.name.wire(), rtype::NSEC, NEGATIVE_TTL_SECONDS, records, self.now);
                    self.writer.record(Owner::At(self.base), rtype::RRSIG, NEGATIVE_TTL_SECONDS, &data);
                }
                return None;
            }
        }
        if let (rtype::RRSIG, Some(signer), Some(set)) = (qtype, self.responder.signer.as_ref(), node.sets().next()) {
            let data = signer.rrsig(self.name.wire(), set.rtype, set.ttl_seconds, set.records, self.now);
            self.writer.record(Owner::At(self.base), rtype::RRSIG, set.ttl_seconds.min(cap.0), &data);
            return None;
        }
        self.start_of_authority();
        if self.signer.is_some() {
            let nsec = types_at(self.name.wire(), self.types(node, is_apex));
            self.nsec(nsec, Some(self.base));
        }
        None
    }

    /// The types that a node is said to have, sorted, without the one that was just found missing.
    fn types(&self, node: Node<'a>, is_apex: bool) -> impl Iterator<Item = u16> {
        // Addresses at a cut are glue, not the parent's.
        let own = |rtype: &u16| !node.is_cut() || matches!(*rtype, rtype::NS | rtype::DS);
        let mut types: Vec<u16> = node.sets().map(|set| set.rtype).filter(own).collect();
        if types.contains(&rtype::ALIAS) {
            types.extend([rtype::A, rtype::AAAA]);
            let missing = self.query.qtype;
            types.retain(|rtype| *rtype != missing || missing == rtype::ALIAS);
        }
        if is_apex {
            types.push(rtype::DNSKEY);
        }
        types.extend([rtype::RRSIG, rtype::NSEC]);
        types.sort_unstable();
        types.dedup();
        types.into_iter()
    }

    /// SOA in the authority section, for negative answers.
    fn start_of_authority(&mut self) {
        self.writer.section(Section::Authority);
        let apex = self.base + self.name.start(self.name.count() - 1);
        let node = self.snapshot.apex().node(b"").expect("the apex has a node");
        let soa = node.set(rtype::SOA).expect("the apex has an SOA");
        self.set(apex, &soa, TtlCap(NEGATIVE_TTL_SECONDS));
    }

    /// Writes an NSEC record with its signature; `at` is its owner's place, if that is in the message.
    fn nsec(&mut self, nsec: Option<Nsec>, at: Option<usize>) {
        let (Some(nsec), Some(signer)) = (nsec, self.signer) else { return };
        let owner = at.map_or(Owner::Wire(&nsec.owner), Owner::At);
        let at = self.writer.record(owner, rtype::NSEC, NEGATIVE_TTL_SECONDS, &nsec.data);
        let records = std::iter::once(&nsec.data[..]);
        let data = signer.rrsig(&nsec.owner, rtype::NSEC, NEGATIVE_TTL_SECONDS, records, self.now);
        let owner = if matches!(owner, Owner::At(_)) { owner } else { Owner::At(at) };
        self.writer.record(owner, rtype::RRSIG, NEGATIVE_TTL_SECONDS, &data);
    }

    /// NXDOMAIN: SOA, and proof that neither the name nor a wildcard for it exists.
    fn missing(&mut self, next_closer: usize, above: Node<'a>, above_is_apex: bool) {
        self.start_of_authority();
        if self.signer.is_none() {
            return;
        }
        let parent = self.name.suffix(next_closer + 1).to_vec();
        let types = self.types(above, above_is_apex);
        let missing = covering(self.name.label(next_closer), &parent, types);
        self.nsec(missing, None);
        if self.name.label(next_closer) != b"*" {
            self.nsec(covering(b"*", &parent, std::iter::empty()), None);
        }
    }

    /// NS, DS or the proof that there is none, and addresses of the name servers that lie in this zone.
    fn referral(&mut self, cut: Node<'a>, at: usize, cap: TtlCap) {
        let base = self.base + self.name.start(at);
        self.writer.section(Section::Authority);
        let Some(servers) = cut.set(rtype::NS) else { return };
        let ttl = servers.ttl_seconds.min(cap.0);
        // A delegation is not signed: it is the child's to say.
        for data in servers.records.clone() {
            self.writer.record(Owner::At(base), rtype::NS, ttl, data);
        }
        if self.signer.is_some() {
            match cut.set(rtype::DS) {
                Some(ds) => {
                    self.set(base, &ds, cap);
                },
                None => {
                    self.nsec(types_at(self.name.suffix(at), self.types(cut, false)), Some(base));
                },
            }
        }
        self.writer.section(Section::Additional);
        let below = self.name.suffix(at).to_vec();
        for pass_below in [true, false] {
            for server in servers.records.clone().filter_map(NameBuf::read) {
                let is_below = server.wire().ends_with(&below);
                if is_below == pass_below {
                    self.glue(&server, is_below);
                }
            }
        }
    }

    /// Addresses of a name server. What lies below the cut can't be found otherwise, so that it must fit (RFC 9471).
    fn glue(&mut self, server: &NameBuf, must_fit: bool) {
        let Some((node, TtlCap(cap))) = exact(self.snapshot, server) else { return };
        let (position, before) = (self.writer.position(), self.writer.count(Section::Additional));
        for rtype in [rtype::A, rtype::AAAA] {
            let Some(set) = node.set(rtype) else { continue };
            for data in set.records {
                self.writer.record(Owner::Wire(server.wire()), rtype, set.ttl_seconds.min(cap), data);
            }
        }
        if self.writer.is_over() && !must_fit {
            self.writer.take_back(position, self.writer.count(Section::Additional) - before);
        }
    }
}
