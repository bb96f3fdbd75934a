// SPDX-License-Identifier: Apache-2.0

//! A server with a few names, to try clients on: `dns_server FOLDER UDP-TCP TLS HTTPS [UPSTREAM]`.
//!
//! Prints its trust anchor (DS, DNSKEY, and the clause for delv and BIND), writes it to FOLDER/trust-anchor.{ds,conf} and the
//! zone to FOLDER/cairn.zone.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::Path;
use std::time::SystemTime;

use cairn_gateway::dns::{Config, Server, SnapshotBuilder, SnapshotHandle, ZoneSettings};
use common::{entry, label, zone};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, plain, tls, https, upstreams @ ..] = &arguments[..] else {
        return Err("usage: dns_server FOLDER UDP-TCP TLS HTTPS [UPSTREAM]".into());
    };
    let folder = Path::new(folder);
    let mut blog = entry(&[
        " 300 A 192.0.2.7",
        " 300 AAAA 2001:db8::7",
        " 300 TXT \"hello\"",
        "www 300 CNAME blog.cairn.",
        "*.wild 300 A 192.0.2.8",
        "deep.ent 300 A 192.0.2.9",
        "alias 300 ALIAS blog.cairn.",
        "insecure 300 NS ns.insecure.blog.cairn.",
        "ns.insecure 300 A 192.0.2.53",
    ]);
    blog.subzones = vec![(label("sub"), zone(&[" 300 A 192.0.2.10"]))];
    let mut builder = SnapshotBuilder::new(ZoneSettings::default())?;
    builder.head(1, SystemTime::now());
    builder.set(&label("blog"), &blog);
    let snapshot = builder.snapshot();
    std::fs::create_dir_all(folder)?;
    snapshot.export(std::fs::File::create(folder.join("cairn.zone"))?)?;

    let mut config = Config::new(folder);
    config.listen = vec![plain.parse()?];
    config.listen_tls = vec![tls.parse()?];
    config.listen_https = vec![https.parse()?];
    config.upstreams = upstreams.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    config.stale_after = None;
    let server = Server::start(config, SnapshotHandle::new(snapshot)).await?;
    let anchor = server.trust_anchor().expect("DNSSEC is on");
    std::fs::write(folder.join("trust-anchor.ds"), format!("{}\n", anchor.ds))?;
    std::fs::write(folder.join("trust-anchor.conf"), format!("{}\n", anchor.to_bind()))?;
    println!("{}\n{}\n{}\nready", anchor.ds, anchor.dnskey, anchor.to_bind());
    std::future::pending::<()>().await;
    Ok(())
}
