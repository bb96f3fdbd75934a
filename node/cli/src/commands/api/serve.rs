// SPDX-License-Identifier: Apache-2.0

//! The provider's daemon.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use cairn_api::{
    http::{self, Base, Endpoint, Limits, Tls},
    metrics::Metrics,
    provider::{Config, Policy, Provider},
};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch};
use tokio_rustls::{
    rustls::{
        pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer},
        ServerConfig,
    },
    TlsAcceptor,
};

use super::{publish::publish, Serve};
use crate::{
    context::Context,
    failure::{failed, usage, Result},
    interrupt::asked_to_end,
    output::Report,
    size::parse_bytes,
};

/// Lists an API and serves it until it is interrupted.
pub async fn serve(context: &Context, mut args: Serve) -> Result<Report> {
    context.output.log()?;
    let upstream = Base::parse(&args.upstream).map_err(usage)?;
    let tls = Tls::new(args.ca.as_deref()).map_err(usage)?;
    let acceptor = match (&args.tls_cert, &args.tls_key) {
        (Some(chain), Some(key)) => Some(acceptor(chain, key)?),
        _ => None,
    };
    let token = context.token().await?;
    let exposure_max = token.parse(&args.exposure)?;
    let body_bytes_max = usize::try_from(parse_bytes(&args.body_max)?)?;
    // Before anything is paid for a listing that could not be served.
    let listener = listen(args.listen).await?;
    if args.publish.endpoint.is_empty() {
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        args.publish.endpoint = vec![format!("{scheme}://{}", listener.local_addr()?)];
    }
    let published = publish(context, &args.publish).await?;
    context.output.note(&published.report().text);
    let config = Config {
        api: published.api,
        document: published.document.clone(),
        only: published.operations.clone(),
        upstream: Endpoint::new(upstream, tls).map_err(usage)?,
        answer_key: published.answer_key.clone(),
        data: published.folder.join(published.api.to_string()),
        body_bytes_max,
        exposure_max,
        calls_per_second: args.rate,
        upstream_timeout: Duration::from_secs(args.upstream_timeout),
    };
    let policy = Policy {
        every: Duration::from_secs(args.redeem_after.clamp(1, 15)),
        fee_multiple: args.redeem_fees.into(),
        wait_max: Duration::from_secs(args.redeem_after),
        ..Policy::default()
    };
    let account = published.market.client().account(context.unlock(&published.signer)?);
    let provider = start(&published.market, config).await?;
    let (stop, stopping) = watch::channel(false);
    let metrics = match args.metrics {
        Some(address) => Some(serve_metrics(address, provider.clone(), stopping.clone()).await?),
        None => None,
    };
    context.output.note(&format!("API        {} `{}`", published.api, published.name));
    context.output.note(&format!("listening  {}", listener.local_addr()?));
    context.output.note(&format!("upstream   {}", args.upstream));
    let serving = tokio::spawn(http::serve(listener, acceptor, Limits::default(), provider.clone(), stopping));
    let keeping_up = tokio::spawn(provider.clone().keep_up());
    let redeeming = tokio::spawn(provider.clone().redeem_always(account, policy));
    let stopped = asked_to_end().await;
    stop.send_replace(true);
    let _ = serving.await;
    if let Some(metrics) = metrics {
        let _ = metrics.await;
    }
    for task in [keeping_up, redeeming] {
        task.abort();
        let _ = task.await;
    }
    provider.stop();
    stopped?;
    Ok(Report::new("stopped", json!({ "status": "stopped", "api": published.api })))
}

/// Starts a provider's proxy.
pub async fn start(market: &Arc<cairn_api::market::Market>, config: Config) -> Result<Arc<Provider>> {
    use cairn_api::provider::StartError;
    Provider::start(market.clone(), config).await.map_err(|error| match error {
        StartError::Chain(error) => error.into(),
        other => failed(other.to_string(), "`cairn api show` tells what is listed"),
    })
}

/// Listens, or says what to do.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        failed(
            format!("can't listen on {address}: {error}"),
            "choose another with --listen; ports below 1024 need a privilege",
        )
    })
}

async fn serve_metrics(
    address: SocketAddr,
    provider: Arc<Provider>,
    stop: watch::Receiver<bool>,
) -> Result<tokio::task::JoinHandle<()>> {
    let listener = listen(address).await?;
    let page = Arc::new(Metrics(move || provider.render_metrics()));
    Ok(tokio::spawn(http::serve(listener, None, metrics_limits(), page, stop)))
}

/// Whoever reads metrics is one, or a few.
pub fn metrics_limits() -> Limits {
    Limits { connections_max: 16, idle: Duration::from_secs(30), ..Limits::default() }
}

fn acceptor(chain: &Path, key: &Path) -> Result<TlsAcceptor> {
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| usage(format!("{} holds no certificates: {error}", chain.display())))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| usage(format!("{} holds no private key: {error}", key.display())))?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .context("the certificate and its key don't fit together")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
