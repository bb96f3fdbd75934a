// SPDX-License-Identifier: Apache-2.0

//! Our part of the DNS benchmark (`scripts/e2e/dns/bench`).
//!
//! - `dns_bench_server serve ADDRESS NAMES FOLDER`: serves a zone of NAMES generated names, without a rate limit and
//!   without DNSSEC (NSD and Knot serve it unsigned); writes `cairn.zone` and `queries.txt` (dnsperf's format) into FOLDER
//!   and says what the zone takes and how long a block's changes take.
//! - `dns_bench_server latency ADDRESS QUERIES`: asks one question after the other and says how long answers take.

#[path = "../tests/common/mod.rs"]
mod common;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use cairn_gateway::dns::{Config, Server, SnapshotBuilder, SnapshotHandle, ZoneSettings};
use common::{entry, label, query, Rng};

type Failure = Box<dyn std::error::Error>;

const SEED: u64 = 42;
const QUERIES: usize = 200_000;
const LATENCY_QUERIES: usize = 20_000;
/// Names that change in a block, for the measurement.
const CHANGED: usize = 10;

fn name(number: usize) -> String {
    format!("name-{number}")
}

fn records(number: usize) -> cairn_gateway::dns::NameEntry {
    let (a, b) = (number / 250 % 250, number % 250 + 1);
    entry(&[
        &format!(" 3600 A 198.51.{a}.{b}"),
        &format!(" 3600 AAAA 2001:db8::{a:x}:{b:x}"),
        &format!(" 3600 MX 10 mail.{}.cairn.", name(number)),
        " 3600 TXT \"v=spf1 mx -all\"",
        &format!("www 3600 CNAME {}.cairn.", name(number)),
    ])
}

fn write_queries(path: &Path, names: usize) -> Result<(), Failure> {
    let mut rng = Rng(SEED);
    let mut file = BufWriter::new(File::create(path)?);
    for _ in 0..QUERIES {
        let name = name(rng.below(names));
        match rng.below(20) {
            0..=10 => writeln!(file, "{name}.cairn A")?,
            11..=12 => writeln!(file, "{name}.cairn AAAA")?,
            13..=14 => writeln!(file, "www.{name}.cairn A")?,
            15 => writeln!(file, "{name}.cairn MX")?,
            16 => writeln!(file, "{name}.cairn TXT")?,
            17 => writeln!(file, "{name}.cairn CAA")?,
            18 => writeln!(file, "absent.{name}.cairn A")?,
            _ => writeln!(file, "missing-{}.cairn A", rng.below(names))?,
        }
    }
    Ok(file.flush()?)
}

async fn serve(address: SocketAddr, names: usize, folder: &Path) -> Result<(), Failure> {
    let mut builder = SnapshotBuilder::new(ZoneSettings::default())?;
    builder.head(1_000_000, SystemTime::now());
    let begun = Instant::now();
    for number in 0..names {
        builder.set(&label(&name(number)), &records(number));
    }
    let built = begun.elapsed();
    let handle = SnapshotHandle::new(builder.snapshot());
    let entries: Vec<_> = (0..CHANGED).map(|at| (label(&name(at * names / CHANGED)), records(at))).collect();
    let begun = Instant::now();
    builder.head(1_000_001, SystemTime::now());
    for (label, entry) in &entries {
        builder.set(label, entry);
    }
    handle.store(builder.snapshot());
    let changed = begun.elapsed();
    let snapshot = builder.snapshot();
    snapshot.export(BufWriter::new(File::create(folder.join("cairn.zone"))?))?;
    write_queries(&folder.join("queries.txt"), names)?;
    println!(
        "zone: {names} names of 5 records, {} bytes each with tables; built in {:.2} s; a block that changes {CHANGED} of \
         them is visible after {:.3} ms",
        snapshot.bytes() / names,
        built.as_secs_f32(),
        changed.as_secs_f32() * 1000.0
    );
    let mut config = Config::new(folder);
    (config.listen, config.dnssec, config.rate_limit, config.stale_after) = (vec![address], false, None, None);
    config.udp_threads = std::env::var("UDP_THREADS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let server = Server::start(config, handle).await?;
    println!("ready on {}", server.addresses().plain[0]);
    std::future::pending::<()>().await;
    Ok(())
}

fn latency(address: SocketAddr, queries: &Path) -> Result<(), Failure> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    let text = std::fs::read_to_string(queries)?;
    let mut times = Vec::with_capacity(LATENCY_QUERIES);
    let mut answer = [0; 2048];
    for (id, line) in text.lines().take(LATENCY_QUERIES).enumerate() {
        let message = query(id as u16, line.split(' ').next().unwrap_or_default(), 1, None);
        let begun = Instant::now();
        socket.send(&message)?;
        socket.recv(&mut answer)?;
        times.push(begun.elapsed());
    }
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    println!("p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us", at(0.5), at(0.99), at(0.999));
    Ok(())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address, names, folder] => {
            let threads: usize = std::env::var("TCP_THREADS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
            runtime.block_on(serve(address.parse()?, names.parse()?, Path::new(folder)))
        },
        ["latency", address, queries] => latency(address.parse()?, Path::new(queries)),
        _ => Err("usage: dns_bench_server serve ADDRESS NAMES FOLDER | latency ADDRESS QUERIES".into()),
    }
}
