// SPDX-License-Identifier: Apache-2.0

//! Asks our server, NSD, Knot and BIND the same random questions about the same random zone and compares the answers.
//!
//! `dns_oracle [seed] [queries] [names]`; NSD, Knot and BIND must be installed; they run with their usual settings. Ends
//! with 1 if one of them doesn't load the exported zone, which holds what a hostile owner registers, or if they disagree in a way that isn't listed and explained in [`Allowed`]. All is determined by the seed but the ports.

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use cairn_gateway::dns::{Config, Server, SnapshotHandle};
use common::decode::Response;
use common::model::{reversed, to_wire, Record};
use common::{builder, hostile_names, names, query, Opt, Questions, Rng};

type Failure = Box<dyn std::error::Error>;

/// Links that Knot follows.
const CHAIN_KNOT: usize = 5;

/// Names with odd records, which the other servers load.
const HOSTILE_NAMES: usize = 50;

/// Differences that are meant to be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Allowed {
    /// ANY is answered with one set (RFC 8482), each server choosing which; ours must be one of theirs.
    AnyMinimised,
    /// An alias whose addresses only a resolver knows: SERVFAIL here (nothing is forwarded in this test), and in the file
    /// there is no address to be had.
    AliasUnresolved,
    /// A chain of CNAMEs that loops or has more than 5 links: Knot follows 5, ours 8, NSD more. A resolver goes on by itself.
    CnameChain,
    /// After a CNAME into a delegated zone: the others differ among themselves on what stands in the authority section.
    CnameIntoReferral,
    /// Truncated at another size: only the answers over TCP are compared.
    Truncation,
    /// A record that other servers refuse and the export leaves out: they don't have it.
    LeftOut,
    /// An EDNS version of the future: BADVERS with or without the question echoed.
    BadVersion,
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Allowed::AnyMinimised => "ANY answered with one of the sets",
            Allowed::AliasUnresolved => "ALIAS to where only a resolver can follow: SERVFAIL, not NODATA",
            Allowed::CnameChain => "CNAME loop or chain of more than 5: followed to different lengths",
            Allowed::CnameIntoReferral => "CNAME into a delegated zone: authority section",
            Allowed::Truncation => "truncated by one and not by the other; alike over TCP",
            Allowed::LeftOut => "a record that other servers refuse, and the export leaves out",
            Allowed::BadVersion => "EDNS version: form of BADVERS",
        })
    }
}

/// What of a response is compared. Not compared: additional addresses beyond glue, and NS records beside an answer; both
/// are optional and left out by ours (minimal responses).
#[derive(Debug, PartialEq, Eq)]
struct View {
    rcode: u16,
    authoritative: bool,
    answers: BTreeSet<Record>,
    soa: BTreeSet<Record>,
    referral: BTreeSet<Record>,
    glue: BTreeSet<Record>,
}

impl View {
    fn of(response: &Response) -> View {
        let of_type = |rtype: u16| {
            response.authorities.iter().filter(|record| record.1 == rtype).cloned().collect::<BTreeSet<_>>()
        };
        let is_referral = !response.authorities.iter().any(|record| record.0 == b"\x05cairn\0");
        let referral = if is_referral { of_type(2) } else { BTreeSet::new() };
        let cut = referral.first().map(|record| reversed(&record.0));
        let is_glue = |record: &&Record| {
            matches!(record.1, 1 | 28) && cut.as_ref().is_some_and(|cut| reversed(&record.0).starts_with(cut))
        };
        View {
            rcode: response.rcode,
            authoritative: response.authoritative,
            answers: response.answer_set(),
            soa: of_type(6),
            referral,
            glue: response.additionals.iter().filter(is_glue).cloned().collect(),
        }
    }
}

/// A server that is asked.
struct Peer {
    name: &'static str,
    address: SocketAddr,
    socket: UdpSocket,
    _process: Option<Process>,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Peer {
    fn new(name: &'static str, address: SocketAddr, process: Option<Process>) -> Result<Peer, Failure> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        Ok(Peer { name, address, socket, _process: process })
    }

    fn wait(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        let probe = query(1, "cairn.", 6, None);
        while begun.elapsed() < Duration::from_secs(20) {
            if let Ok(answer) = self.over_udp(&probe) {
                if Response::read(&answer).rcode == 0 {
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("{} did not start to answer", self.name).into())
    }

    fn over_udp(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut answer = vec![0; 65_535];
        self.socket.send(message)?;
        loop {
            let length = self.socket.recv(&mut answer)?;
            if answer[..2] == message[..2] {
                answer.truncate(length);
                return Ok(answer);
            }
        }
    }

    fn over_tcp(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(&[&(message.len() as u16).to_be_bytes(), message].concat())?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }
}

fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn spawn(program: &str, arguments: &[&str], folder: &Path) -> Result<Process, Failure> {
    let log = std::fs::File::create(folder.join(format!("{program}.log")))?;
    let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
    let child = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|error| format!("{program}: {error} (apt-get install nsd knot bind9)"))?;
    Ok(Process(child))
}

fn start_nsd(folder: &Path, zone: &Path) -> Result<Peer, Failure> {
    let (port, at, zone) = (free_port()?, folder.display(), zone.display());
    let conf = folder.join("nsd.conf");
    std::fs::write(
        &conf,
        format!(
            "server:\n  ip-address: 127.0.0.1@{port}\n  username: \"\"\n  zonesdir: \"{at}\"\n  database: \"\"\n  \
             pidfile: \"{at}/nsd.pid\"\n  xfrdfile: \"{at}/xfrd.state\"\n  zonelistfile: \"{at}/zone.list\"\n  \
             xfrdir: \"{at}\"\n  cookie-secret-file: \"\"\n  server-count: 1\n  rrl-ratelimit: 0\n\
             remote-control:\n  control-enable: no\nzone:\n  name: cairn\n  zonefile: \"{zone}\"\n"
        ),
    )?;
    let process = spawn("nsd", &["-d", "-c", &conf.to_string_lossy()], folder)?;
    Peer::new("NSD", ([127, 0, 0, 1], port).into(), Some(process))
}

fn start_knot(folder: &Path, zone: &Path) -> Result<Peer, Failure> {
    let (port, at, zone) = (free_port()?, folder.display(), zone.display());
    let conf = folder.join("knot.conf");
    std::fs::write(
        &conf,
        format!(
            "server:\n  rundir: \"{at}\"\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n\
             log:\n  - target: stderr\n    any: warning\ndatabase:\n  storage: \"{at}\"\n\
             zone:\n  - domain: cairn\n    file: \"{zone}\"\n    storage: \"{at}\"\n    zonefile-sync: -1\n    journal-content: none\n"
        ),
    )?;
    let process = spawn("knotd", &["-c", &conf.to_string_lossy()], folder)?;
    Peer::new("Knot", ([127, 0, 0, 1], port).into(), Some(process))
}

fn start_bind(folder: &Path, zone: &Path) -> Result<Peer, Failure> {
    let (port, at, zone) = (free_port()?, folder.display(), zone.display());
    let conf = folder.join("named.conf");
    std::fs::write(
        &conf,
        format!(
            "options {{\n  directory \"{at}\";\n  pid-file none;\n  lock-file none;\n  session-keyfile \"{at}/session.key\";\n  \
             listen-on port {port} {{ 127.0.0.1; }};\n  listen-on-v6 {{ none; }};\n  recursion no;\n  zero-no-soa-ttl no;\n}};\ncontrols {{ }};\n\
             zone \"cairn\" {{ type primary; file \"{zone}\"; }};\n"
        ),
    )?;
    let process = spawn("named", &["-g", "-n", "1", "-c", &conf.to_string_lossy()], folder)?;
    Peer::new("BIND", ([127, 0, 0, 1], port).into(), Some(process))
}

/// What is left of records when those are taken out that other servers refuse.
fn portable(records: &BTreeSet<Record>) -> BTreeSet<Record> {
    records
        .iter()
        .filter(|record| cairn_gateway::dns::refusal(&record.0, record.1, &record.3).is_none())
        .cloned()
        .collect()
}

/// One comparison: `Ok` if alike or different as allowed.
fn compare(
    ours: &[u8],
    theirs: &[u8],
    message: &[u8],
    us: &Peer,
    peer: &Peer,
    qtype: u16,
    version: u8,
) -> Result<Option<Allowed>, String> {
    // An empty record of type 65280, which stands where others were left out; the decoder takes none that is empty.
    if qtype == 255 && theirs.windows(4).any(|bytes| bytes == [0xff, 0, 0, 1]) {
        return Ok(Some(Allowed::LeftOut));
    }
    let (mut our, mut their) = (Response::read(ours), Response::read(theirs));
    let mut allowed = None;
    if version > 0 {
        return match (our.rcode, their.rcode) {
            (16, 16) if our.question == their.question => Ok(None),
            (16, 16) => Ok(Some(Allowed::BadVersion)),
            codes => Err(format!("BADVERS: {codes:?}")),
        };
    }
    if our.truncated != their.truncated {
        allowed = Some(Allowed::Truncation);
    }
    if our.truncated || their.truncated {
        our = Response::read(&us.over_tcp(message).map_err(|error| error.to_string())?);
        their = Response::read(&peer.over_tcp(message).map_err(|error| error.to_string())?);
    }
    if our.question != their.question || our.id != their.id {
        return Err(format!("echo: {our:?}\n  {}: {their:?}", peer.name));
    }
    let (a, b) = (View::of(&our), View::of(&their));
    if a == b {
        return Ok(allowed);
    }
    let shared = (portable(&a.answers), portable(&a.referral));
    if (&shared.0, &shared.1) != (&a.answers, &a.referral) {
        // All that the others can have, or less where a chain ends at what they don't have.
        let has_rest = b.answers == shared.0 || b.answers.is_subset(&a.answers);
        // Asked for any type, ours gives a set that the others don't have, and they give another one.
        if qtype == 255 && a.rcode == b.rcode || has_rest && (b.referral == shared.1 || shared.1.is_empty()) {
            return Ok(Some(Allowed::LeftOut));
        }
    }
    let link = |view: &View| view.answers.iter().filter(|record| record.1 == 5).count();
    if qtype == 255 && a.rcode == b.rcode && a.authoritative == b.authoritative {
        // NSD picks one set, too, but another one: then it must have ours when asked for it.
        let rtype = a.answers.first().map_or(0, |record| record.1);
        let mut one = message.to_vec();
        let at = 12 + our.question.as_ref().map_or(1, |(name, _)| name.len());
        one[at..at + 2].copy_from_slice(&rtype.to_be_bytes());
        let theirs = peer.over_tcp(&one).map(|answer| View::of(&Response::read(&answer)));
        if a.answers.is_subset(&b.answers) || theirs.is_ok_and(|theirs| theirs.answers == a.answers) {
            return Ok(Some(Allowed::AnyMinimised));
        }
    }
    // What is in the file of an alias: its own type beside the addresses.
    if a.rcode == 2 && b.rcode == 0 && matches!(qtype, 1 | 28) && !b.answers.iter().any(|record| record.1 == qtype) {
        let owner = end_of_chain(&b, &their);
        let alias = query(9, &owner, 65_401, None);
        let known = peer.over_tcp(&alias).map(|answer| Response::read(&answer));
        if known.is_ok_and(|known| known.answers.iter().any(|record| record.1 == 65_401)) {
            return Ok(Some(Allowed::AliasUnresolved));
        }
    }
    let longest = if link(&a) > link(&b) { &a } else { &b };
    let owners: BTreeSet<_> = longest.answers.iter().map(|record| &record.0).collect();
    let is_loop = longest.answers.iter().all(|record| record.1 == 5 && owners.contains(&record.3));
    let one_goes_on = a.answers.is_subset(&b.answers) || b.answers.is_subset(&a.answers);
    // BIND says SERVFAIL at the end of a loop.
    let same_code = a.rcode == b.rcode || is_loop && (a.rcode, b.rcode) == (0, 2);
    if same_code && one_goes_on && link(longest) > 0 && (is_loop || link(longest) > CHAIN_KNOT) {
        return Ok(Some(Allowed::CnameChain));
    }
    let same_answer = a.answers == b.answers && a.rcode == b.rcode;
    if same_answer && link(&a) > 0 && (!a.referral.is_empty() || !b.referral.is_empty()) {
        return Ok(Some(Allowed::CnameIntoReferral));
    }
    Err(format!("ours: {a:?}\n  {}: {b:?}", peer.name))
}

/// Where the chain of CNAMEs in an answer ends, as text.
fn end_of_chain(view: &View, response: &Response) -> String {
    let mut name = response.question.as_ref().map(|(name, _)| to_wire(&reversed(name))).unwrap_or_default();
    for _ in 0..10 {
        match view.answers.iter().find(|record| record.1 == 5 && record.0 == name) {
            Some(record) => name = record.3.clone(),
            None => break,
        }
    }
    let labels: Vec<String> =
        reversed(&name).iter().rev().map(|label| String::from_utf8_lossy(label).into_owned()).collect();
    labels.join(".")
}

async fn run() -> Result<bool, Failure> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut next = |usual: u64| arguments.next().unwrap_or(Ok(usual));
    let (seed, queries, count) = (next(1)?, next(10_000)?, next(400)? as usize);
    let folder = tempfile::tempdir()?;
    let begun = Instant::now();

    let names = names(seed, count);
    let questions = Questions::new(&names);
    let snapshot = builder(&[names, hostile_names(seed, HOSTILE_NAMES)].concat()).snapshot();
    let zone = folder.path().join("cairn.zone");
    let left_out = snapshot.export(std::io::BufWriter::new(std::fs::File::create(&zone)?))?;
    println!("the export leaves out {left_out} records that other servers refuse");
    let mut config = Config::new(folder.path());
    (config.dnssec, config.stale_after) = (false, None);
    config.listen = vec![([127, 0, 0, 1], 0).into()];
    let server = Server::start(config, SnapshotHandle::new(snapshot)).await?;
    let us = Peer::new("ours", server.addresses().plain[0], None)?;
    let peers =
        [start_nsd(folder.path(), &zone)?, start_knot(folder.path(), &zone)?, start_bind(folder.path(), &zone)?];
    for peer in peers.iter().chain([&us]) {
        if let Err(error) = peer.wait() {
            for log in ["nsd.log", "knotd.log", "named.log"] {
                eprintln!("{log}: {}", std::fs::read_to_string(folder.path().join(log)).unwrap_or_default());
            }
            return Err(error);
        }
    }

    let mut rng = Rng(seed ^ 0x0dac1e);
    let mut tallies: BTreeMap<(&str, Option<Allowed>), u64> = BTreeMap::new();
    let (mut codes, mut over_tcp, mut wrong) = (BTreeMap::<u16, u64>::new(), 0u64, 0u64);
    for number in 0..queries {
        let (name, qtype) = questions.next(&mut rng);
        let sizes = [512, 600, 1232, 1400, 4096];
        let opt = (!rng.one_in(3)).then(|| Opt { udp_bytes: sizes[rng.below(sizes.len())], dnssec_ok: rng.one_in(2) });
        let mut message = query(number as u16, &name, qtype, opt);
        let version = u8::from(opt.is_some() && rng.one_in(100));
        if version > 0 {
            let at = message.len() - 5;
            message[at] = version;
        }
        let ours = us.over_udp(&message)?;
        let read = Response::read(&ours);
        *codes.entry(read.rcode).or_default() += 1;
        over_tcp += u64::from(read.truncated);
        for peer in &peers {
            let theirs = peer.over_udp(&message)?;
            match compare(&ours, &theirs, &message, &us, peer, qtype, version) {
                Ok(allowed) => *tallies.entry((peer.name, allowed)).or_default() += 1,
                Err(difference) => {
                    wrong += 1;
                    if wrong <= 20 {
                        println!("DIFFERENT: {name} type {qtype} {opt:?}\n  {difference}");
                    }
                },
            }
        }
    }
    println!("seed {seed}: {queries} queries about {count} names; ours by code {codes:?}, {over_tcp} truncated");
    for ((peer, allowed), tally) in &tallies {
        let what = allowed.map_or("alike".to_string(), |allowed| format!("allowed: {allowed}"));
        println!("{peer:>5} {tally:>6}  {what}");
    }
    println!("{wrong} differences that are not allowed; {:.1} s", begun.elapsed().as_secs_f32());
    server.stop().await;
    Ok(wrong == 0)
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    match runtime.block_on(run()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        },
    }
}
