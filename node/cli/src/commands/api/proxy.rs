// SPDX-License-Identifier: Apache-2.0

//! The consumer's daemon.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use cairn_api::{
    consumer::{budget::Caps, Config, Consumer, Gate, Local, ProxyToken, StartError, Steps, Way},
    http::{self, Limits, Tls},
    journal,
    metrics::Metrics,
};
use serde_json::json;
use tokio::sync::watch;

use super::{
    place::hot_key,
    serve::{listen, metrics_limits},
    DataDir, PlaceArgs, Proxy, Spending,
};
use crate::{
    context::Context,
    failure::{failed, usage, usage_with_remedy, Result},
    interrupt::asked_to_end,
    keystore::{read_text, write_new, PRIVATE},
    output::Report,
};

/// File of the key that signs vouchers.
pub const SIGNER_KEY: &str = "signer.key";
/// File of the token that lets programs in.
const TOKEN_FILE: &str = "proxy.token";
/// Bytes of that file.
const TOKEN_LEN_MAX: u64 = 128;

impl Spending {
    /// How endpoints may be reached.
    pub fn way(&self) -> Result<Way> {
        let tls = Tls::new(self.ca.as_deref()).map_err(usage)?;
        Ok(Way { tls, allow_plain: self.allow_plain, allow_local: self.allow_local })
    }

    /// A proxy that spends like this.
    pub async fn consumer(&self, context: &Context) -> Result<Arc<Consumer>> {
        match self.spender(context).await? {
            Spender::Own(consumer) => Ok(consumer),
            Spender::Running(_) => Err(failed(
                "a proxy with the same account and --data runs already",
                "use that one, stop it, or give another --data",
            )),
        }
    }

    /// Who spends: a proxy in this process, or the one that has the books.
    pub async fn spender(&self, context: &Context) -> Result<Spender> {
        let market = self.place.open(context).await?;
        let account = context.signer().await?.account;
        let token = context.token().await?;
        let data = self.data.folder(context, market.place(), "consumer", &account)?;
        let unfunded = |reason: &str| {
            usage_with_remedy(reason, "run `cairn api fund --deposit AMOUNT` with the same account and --data once")
        };
        let signer = hot_key(&data, SIGNER_KEY, false)?
            .ok_or_else(|| unfunded("this machine has no key that may spend in the marketplace"))?;
        if self.cross_check_every == 0 || self.attest_every == 0 {
            return Err(usage("--cross-check-every and --attest-every count from 1"));
        }
        let config = Config {
            consumer: account,
            signer,
            data: data.clone(),
            caps: Caps {
                call: token.parse(&self.cap_call)?,
                day: token.parse(&self.cap_day)?,
                total: token.parse(&self.cap_total)?,
            },
            steps: Steps { min: token.parse(&self.step_min)?, max: token.parse(&self.step_max)? },
            cross_check_every: self.cross_check_every,
            attest_every: self.attest_every,
            patience: Duration::from_secs(self.patience.max(1)),
            way: self.way()?,
        };
        match Consumer::start(market, config).await {
            Ok(consumer) => Ok(Spender::Own(consumer)),
            Err(StartError::Chain(error)) => Err(error.into()),
            Err(StartError::NoSigner) => Err(unfunded("the key of this machine may not spend in the marketplace")),
            Err(StartError::Books(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                let running = journal::holder(&data).with_context(|| format!("can't read {}", data.display()))?;
                running.map(Spender::Running).ok_or_else(|| failed("another process uses the books", error.to_string()))
            },
            Err(other) => Err(failed(other.to_string(), "see what is wrong with the folder, or give another --data")),
        }
    }
}

/// Who makes calls and pays for them.
pub enum Spender {
    /// This process.
    Own(Arc<Consumer>),
    /// A proxy that runs: its base URL, with its token.
    Running(String),
}

/// The token that lets programs in: made when it is first needed, readable by this user only.
fn proxy_token(data: &Path, make: bool) -> Result<Option<ProxyToken>> {
    let path = data.join(TOKEN_FILE);
    match read_text(&path, TOKEN_LEN_MAX, "a token") {
        Ok(text) => match ProxyToken::read(&text) {
            Some(token) => Ok(Some(token)),
            None => Err(usage_with_remedy(
                format!("{} holds no token", path.display()),
                "remove the file, and the proxy makes another",
            )),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && make => {
            let token = ProxyToken::make().map_err(usage)?;
            write_new(&path, format!("{}\n", token.text()).as_bytes(), PRIVATE)
                .with_context(|| format!("can't write {}", path.display()))?;
            Ok(Some(token))
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
    }
}

/// Prints the base URL of an API at this machine's proxy.
pub async fn url(
    context: &Context,
    name: Option<&str>,
    proxy: SocketAddr,
    place: &PlaceArgs,
    data: &DataDir,
) -> Result<Report> {
    let market = place.marketplace(context)?;
    let account = context.signer().await?.account;
    let data = data.folder(context, &market, "consumer", &account)?;
    let token = proxy_token(&data, false)?.ok_or_else(|| {
        usage_with_remedy(
            "there is no token of a proxy yet",
            "start `cairn api proxy` with the same account and --data once",
        )
    })?;
    let url = format!("http://{proxy}/{}/{}", token.text(), name.unwrap_or_default());
    Ok(Report::new(url.clone(), json!({ "url": url })))
}

/// Serves programs on this machine until it is interrupted.
pub async fn proxy(context: &Context, args: Proxy) -> Result<Report> {
    context.output.log()?;
    if !args.listen.ip().is_loopback() && !args.allow_others {
        return Err(usage_with_remedy(
            format!("--listen {}: whoever reaches it spends your coins", args.listen),
            "use 127.0.0.1, or say --allow-others if that is what you want",
        ));
    }
    let consumer = args.spending.consumer(context).await?;
    let listener = listen(args.listen).await?;
    let (stop, stopping) = watch::channel(false);
    let metrics = match args.metrics {
        Some(address) => {
            let (listener, counted) = (listen(address).await?, consumer.clone());
            let page = Arc::new(Metrics(move || counted.render_metrics()));
            Some(tokio::spawn(http::serve(listener, None, metrics_limits(), page, stopping.clone())))
        },
        None => None,
    };
    let token = match args.without_token {
        true => None,
        false => proxy_token(consumer.data(), true)?,
    };
    let address = listener.local_addr()?;
    // `api call` on this machine goes by this proxy from now on.
    let host = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let shown = token.as_ref().map_or(String::new(), |token| format!("/{}", token.text()));
    consumer.announce(&format!("http://{}{shown}", SocketAddr::new(host, address.port())))?;
    match &token {
        Some(_) => {
            context.output.note(&format!("token      {}", consumer.data().join(TOKEN_FILE).display()));
            context
                .output
                .note(&format!("listening  http://{address}/TOKEN/NAME/path (`cairn api url NAME` prints it)"));
        },
        None => context.output.note(&format!("listening  http://{address}/NAME/path")),
    }
    let gate = Gate { hosts: args.allow_host, origins: args.allow_origin, token };
    let local = Arc::new(Local { consumer: consumer.clone(), gate });
    let serving = tokio::spawn(http::serve(listener, None, Limits::default(), local, stopping));
    let keeping_up = tokio::spawn(consumer.clone().keep_up());
    let stopped = asked_to_end().await;
    stop.send_replace(true);
    let _ = serving.await;
    if let Some(metrics) = metrics {
        let _ = metrics.await;
    }
    keeping_up.abort();
    let _ = keeping_up.await;
    consumer.stop();
    stopped?;
    Ok(Report::new("stopped", json!({ "status": "stopped", "state": consumer.status() })))
}
