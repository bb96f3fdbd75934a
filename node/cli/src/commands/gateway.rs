// SPDX-License-Identifier: Apache-2.0

//! `cairn gateway`: the daemon that answers for Cairn in the protocols of the old Internet.

use std::{
    io::Write,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use anyhow::Context as _;
use cairn_client::{Client, LightSpecification, SPECIFICATION_BYTES_MAX};
use cairn_gateway::dns::{
    self, CertificateFiles, Config, Feed, HostNames, Nameserver, SnapshotBuilder, SnapshotHandle, ZoneSettings,
};
use clap::{Args, Subcommand};
use serde_json::json;
use tokio::signal::unix::{signal, SignalKind};

use crate::{
    context::Context,
    failure::{failed, usage, usage_with_remedy, Result},
    interrupt::asked_to_end,
    keystore::read_text,
    output::Report,
};

/// Port for DNS unless another is given. 53 takes a privilege, and 5353 is that of multicast DNS, which desktops use.
const DNS_PORT: u16 = 5300;

/// Answer for names over DNS.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, after_help = HELP)]
pub struct Command {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print what a validating resolver trusts: the DS and DNSKEY records of this gateway's key
    TrustAnchor {
        #[command(flatten)]
        data: DataDir,
    },
    /// Write all names of the last finalized block as a master file, for other servers
    #[command(after_help = EXPORT_HELP)]
    ExportZone {
        /// File to write, or - for standard output
        #[arg(default_value = "-")]
        file: PathBuf,
        /// Keep addresses and MX at names like _x and a_b: BIND then loads the file with `check-names primary ignore;` only
        #[arg(long)]
        any_host_name: bool,
        #[command(flatten)]
        zone: ZoneArgs,
    },
}

#[derive(Args, Debug)]
struct DataDir {
    /// Folder of the DNSSEC key and the certificate [default: beside the accounts]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct ZoneArgs {
    /// Trust no node: verify everything with a light client that starts from this raw chain specification
    #[arg(long, value_name = "CHAIN_SPEC")]
    light: Option<PathBuf>,
    /// A node that the light client meets, besides those in the specification
    #[arg(long, value_name = "MULTIADDR", requires = "light")]
    bootnode: Vec<String>,
    /// Addresses at which the world finds this server, in the zone's own records [default: 127.0.0.1 and ::1]
    #[arg(long, value_name = "IP")]
    public: Vec<IpAddr>,
    /// Leave out addresses of this machine and of private networks, so that a name that anybody registered can't lead a
    /// browser to your own devices
    #[arg(long)]
    filter_private: bool,
}

#[derive(Args, Debug)]
struct Serve {
    /// Listen for DNS over UDP and TCP [default: 127.0.0.1:5300]
    #[arg(long, value_name = "ADDRESS:PORT")]
    dns: Vec<SocketAddr>,
    /// Listen for DNS over TLS
    #[arg(long, value_name = "ADDRESS:PORT")]
    dot: Vec<SocketAddr>,
    /// Listen for DNS over HTTPS, at the path /dns-query
    #[arg(long, value_name = "ADDRESS:PORT")]
    doh: Vec<SocketAddr>,
    /// Listen for DNS over plain HTTP, for a proxy on this machine
    #[arg(long, value_name = "ADDRESS:PORT")]
    doh_plain: Vec<SocketAddr>,
    /// Certificate chain in PEM, for TLS and HTTPS [default: one that is made, and signed by itself]. When the files change
    /// they are read again, and at once on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Names in a certificate that is made
    #[arg(long, value_name = "NAME")]
    tls_name: Vec<String>,
    /// Resolver that is asked for names outside .cairn [default: these are refused]. With several, the next is asked when
    /// one is slow or fails
    #[arg(long, value_name = "ADDRESS:PORT")]
    forward: Vec<SocketAddr>,
    /// Don't sign answers
    #[arg(long)]
    no_dnssec: bool,
    /// Answers over UDP to one network a second, from which on some are left out; 0 for no limit
    #[arg(long, value_name = "N")]
    rate_limit: Option<u32>,
    /// Fail when the last finalized block is older than this
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    stale_after: u64,
    /// Serve Prometheus metrics at this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
    #[command(flatten)]
    zone: ZoneArgs,
    #[command(flatten)]
    data: DataDir,
}

const HELP: &str = "\
Runs until it is interrupted. Everything is answered from finalized blocks. What they are the node at --url says, or with
--light nobody needs to be believed: signatures of the validators and proofs are verified here, and any node may send them.
Logs go to standard error; RUST_LOG says how much (warn, info, debug).

Examples:
  cairn gateway --dns 127.0.0.1:5300
  cairn gateway --dns 192.0.2.1:53 --dot 192.0.2.1:853 --doh 192.0.2.1:443 --public 192.0.2.1
  cairn gateway --dns 127.0.0.1:53 --forward 9.9.9.9:53     (for this machine: whoever can ask it can have it ask others)
  cairn-node export-chain-spec --chain local --raw >local.json && cairn gateway --light local.json
  dig @127.0.0.1 -p 5300 blog.cairn
  cairn gateway trust-anchor

How to make a machine use it for .cairn (systemd-resolved, Unbound, dnsmasq, BIND): node/gateway/USING.md";

const EXPORT_HELP: &str = "\
NSD, Knot and BIND load the file, whatever is registered: records that one of them refuses are left out, and a remark in the
file names each. These are addresses and MX at names that are no host names (_x, a_b), NS, MX, SRV, SVCB and HTTPS that lead
to such names, and service bindings with parameters beyond RFC 9460. The file is complete when it appears under its name.

Example:
  cairn gateway export-zone cairn.zone";

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<Report> {
    match command.verb {
        None => Box::pin(serve(context, command.serve)).await,
        Some(Verb::TrustAnchor { data }) => trust_anchor(context, &data),
        Some(Verb::ExportZone { file, any_host_name, zone }) => {
            let host_names = if any_host_name { HostNames::OrAny } else { HostNames::Only };
            export(context, &file, host_names, &zone).await
        },
    }
}

impl DataDir {
    fn path(&self, context: &Context) -> PathBuf {
        let beside = || {
            let keystore = &context.settings.keystore.value;
            keystore.parent().unwrap_or(keystore).join("gateway")
        };
        self.data.clone().unwrap_or_else(beside)
    }
}

impl ZoneArgs {
    /// The node at --url, or a light client.
    async fn client(&self, context: &Context) -> Result<Client> {
        let Some(path) = &self.light else { return Ok(context.client().await?.clone()) };
        let json = read_text(path, SPECIFICATION_BYTES_MAX as u64, "a chain specification")
            .with_context(|| format!("can't read {}", path.display()))?;
        let _progress = context.output.progress("following finality to the present");
        Ok(Client::light(LightSpecification::new(&json, &self.bootnode)?).await?)
    }

    async fn settings(&self, client: &Client) -> Result<ZoneSettings> {
        let block_time = client.finalized().await?.block_time()?;
        let mut settings = ZoneSettings { block_time, filter_local: self.filter_private, ..ZoneSettings::default() };
        if !self.public.is_empty() {
            settings.nameservers = vec![Nameserver { name: "ns.cairn".into(), addresses: self.public.clone() }];
        }
        Ok(settings)
    }
}

/// A handle that follows the chain from now on.
async fn feed(context: &Context, zone: &ZoneArgs) -> Result<(SnapshotHandle, Feed)> {
    let client = zone.client(context).await?;
    let builder = SnapshotBuilder::new(zone.settings(&client).await?).map_err(|error| usage(error.to_string()))?;
    let handle = SnapshotHandle::new(builder.snapshot());
    let feed = Feed::start(client, builder, handle.clone()).await?;
    Ok((handle, feed))
}

async fn serve(context: &Context, args: Serve) -> Result<Report> {
    let config = args.config(context)?;
    context.output.log()?;
    let progress = context.output.progress("loading the names");
    let (handle, feed) = feed(context, &args.zone).await?;
    let names = handle.load().names();
    let server = dns::Server::start(config, handle).await.map_err(|error| {
        failed(
            error.to_string(),
            "choose other addresses with --dns, --dot and --doh; ports below 1024 need a privilege",
        )
    })?;
    drop(progress);
    let addresses = server.addresses().clone();
    for (what, addresses) in
        [("dns", addresses.plain), ("dot", addresses.tls), ("doh", addresses.https), ("doh-plain", addresses.http)]
    {
        for address in addresses {
            context.output.note(&format!("{what:9}  {address}"));
        }
    }
    context.output.note(&format!("answering for {names} names with records"));
    let server = Arc::new(server);
    let reloading = tokio::spawn(reload_on_hangup(Arc::downgrade(&server))?);
    let metrics = match args.metrics {
        Some(address) => Some(tokio::spawn(serve_metrics(address, Arc::downgrade(&server)).await?)),
        None => None,
    };
    let following = tokio::spawn(feed.run());
    let stopped = asked_to_end().await;
    following.abort();
    reloading.abort();
    let _ = reloading.await;
    if let Some(metrics) = metrics {
        metrics.abort();
        let _ = metrics.await;
    }
    if let Some(server) = Arc::into_inner(server) {
        server.stop().await;
    }
    stopped?;
    Ok(Report::new("stopped", json!({ "status": "stopped" })))
}

/// Reads the certificate again at each SIGHUP, which ends a program that doesn't listen for it.
fn reload_on_hangup(server: Weak<dns::Server>) -> Result<impl std::future::Future<Output = ()>> {
    let mut hangups = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangups.recv().await.is_some() {
            let Some(server) = server.upgrade() else { return };
            // Reads two files.
            let _ = tokio::task::spawn_blocking(move || server.reload_certificate()).await;
        }
    })
}

impl Serve {
    fn config(&self, context: &Context) -> Result<Config> {
        let mut config = Config::new(self.data.path(context));
        config.listen = self.dns.clone();
        if self.dns.is_empty() {
            config.listen = vec![SocketAddr::from(([127, 0, 0, 1], DNS_PORT))];
        }
        config.listen_tls = self.dot.clone();
        config.listen_https = self.doh.clone();
        config.listen_http = self.doh_plain.clone();
        if let Some(address) = self.doh_plain.iter().find(|address| !address.ip().is_loopback()) {
            return Err(usage_with_remedy(
                format!("--doh-plain {address}: questions would be readable by everybody on the way"),
                "use --doh, or an address of this machine and a proxy",
            ));
        }
        if let (Some(chain), Some(key)) = (&self.tls_cert, &self.tls_key) {
            config.certificate = Some(CertificateFiles { chain: chain.clone(), key: key.clone() });
        }
        if !self.tls_name.is_empty() {
            config.certificate_names = self.tls_name.clone();
        }
        config.upstreams = self.forward.clone();
        config.filter_local = self.zone.filter_private;
        config.dnssec = !self.no_dnssec;
        config.stale_after = Some(Duration::from_secs(self.stale_after));
        match self.rate_limit {
            None => {},
            Some(0) => config.rate_limit = None,
            Some(responses) => {
                let mut limit = config.rate_limit.take().unwrap_or_default();
                limit.responses_per_second = responses;
                config.rate_limit = Some(limit);
            },
        }
        Ok(config)
    }
}

/// Serves metrics to whoever asks; anything but one small request is cut off.
async fn serve_metrics(
    address: SocketAddr,
    server: Weak<dns::Server>,
) -> Result<impl std::future::Future<Output = ()>> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("can't listen on {address} for metrics"))?;
    Ok(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Some(text) = server.upgrade().map(|server| server.render_metrics()) else { return };
            let answer = async move {
                let mut request = [0u8; 1024];
                if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        text.len()
                    );
                    let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
                }
            };
            // One at a time: whoever is slow makes the others wait, for two seconds at most.
            let _ = tokio::time::timeout(Duration::from_secs(2), answer).await;
        }
    })
}

fn trust_anchor(context: &Context, data: &DataDir) -> Result<Report> {
    let folder = data.path(context);
    if !folder.join(dns::KEY_FILE).exists() {
        return Err(failed(
            format!("{} holds no key of a gateway", folder.display()),
            "start the gateway first, or give its folder with --data",
        ));
    }
    let signer = dns::Signer::open(&folder, 0)
        .map_err(|error| failed(error.to_string(), "give the gateway's folder with --data"))?;
    let anchor = signer.trust_anchor();
    let bind = anchor.to_bind();
    let text = format!("{}\n{}\n{bind}", anchor.ds, anchor.dnskey);
    Ok(Report::new(text, json!({ "ds": anchor.ds, "dnskey": anchor.dnskey, "bind": bind })))
}

async fn export(context: &Context, file: &Path, host_names: HostNames, zone: &ZoneArgs) -> Result<Report> {
    let (handle, _) = feed(context, zone).await?;
    let snapshot = handle.load().clone();
    let (block, names) = (snapshot.head_number(), snapshot.names());
    let mut bytes = Vec::new();
    let left_out = snapshot.export_with(&mut bytes, host_names)?;
    if left_out > 0 {
        context
            .output
            .note(&format!("left out {left_out} records that other servers refuse; remarks in the file name them"));
    }
    let mut json = json!({ "names": names, "finalized_block": block, "left_out": left_out });
    if file == Path::new("-") {
        std::io::stdout().lock().write_all(&bytes)?;
        return Ok(Report::new("", json));
    }
    write_whole(file, &bytes).with_context(|| format!("can't write {}", file.display()))?;
    json["file"] = file.display().to_string().into();
    Ok(Report::new(format!("wrote {names} names of block #{block} to {}", file.display()), json))
}

/// Writes a file that other programs read: they find the old one or the new one, never a part.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // What is no plain file (a pipe, a terminal) can't be replaced; a link stays one.
    if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        return std::fs::write(path, bytes);
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let written = std::fs::File::create(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&new, path)).inspect_err(|_| {
        // The error that is told is the first one.
        let _ = std::fs::remove_file(&new);
    })
}
