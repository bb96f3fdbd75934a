// SPDX-License-Identifier: Apache-2.0

//! The status page and the metrics, for whoever runs this vault: HTTP on an address of this machine.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use cairn_client::chain::storage::SlotState;
use http_body_util::Full;
use hyper::{
    body::Incoming,
    header::{HeaderValue, ALLOW, CONTENT_TYPE},
    service::service_fn,
    Method, Request, Response, StatusCode,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use serde_json::{json, Value};
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::timeout};

use crate::{known::Known, metrics::Metrics, prover::Prover, scrubber::Scrubber, Chain};

/// Connections at a time.
const CONNECTIONS_MAX: usize = 16;
/// How long a connection may last.
const CONNECTION_MAX: Duration = Duration::from_secs(30);
/// A header that orders must have.
const ORDER_HEADER: &str = "x-cairn-order";
/// Slots that are listed.
const SLOTS_MAX: usize = 1000;

/// What the page shows.
pub(crate) struct Status {
    pub chain: Arc<dyn Chain>,
    pub known: Arc<Known>,
    pub metrics: Arc<Metrics>,
    pub prover: Arc<Prover>,
    pub scrubber: Arc<Scrubber>,
}

/// Serves the page until the vault stops.
pub(crate) async fn serve(listener: TcpListener, status: Arc<Status>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted: std::io::Result<(_, SocketAddr)> = tokio::select! {
            _ = stop.changed() => return,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let status = Arc::clone(&status);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let status = Arc::clone(&status);
                async move { Ok::<_, Infallible>(respond(&status, &request)) }
            });
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10)).keep_alive(false);
            // How a connection ends is the client's affair.
            let _ = timeout(CONNECTION_MAX, builder.serve_connection(TokioIo::new(stream), service)).await;
        });
    }
}

fn respond(status: &Status, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if (request.method(), request.uri().path()) == (&Method::POST, "/scrub") {
        // A page that a browser shows can't send this header here without being asked whether it may.
        if !request.headers().contains_key(ORDER_HEADER) {
            let text = format!("give the header {ORDER_HEADER}\n");
            return plain(StatusCode::FORBIDDEN, "text/plain", text);
        }
        status.scrubber.hurry.notify_one();
        return plain(StatusCode::ACCEPTED, "text/plain", "everything is being read\n".into());
    }
    if *request.method() != Method::GET {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".into());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => plain(StatusCode::OK, "text/plain; version=0.0.4", status.metrics.render()),
        "/status" => plain(StatusCode::OK, "application/json", status.json().to_string() + "\n"),
        "/" => plain(StatusCode::OK, "text/html; charset=utf-8", status.page()),
        _ => plain(StatusCode::NOT_FOUND, "text/plain", "there are /, /status and /metrics\n".into()),
    }
}

fn plain(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

impl Status {
    fn json(&self) -> Value {
        let slots = self.known.slots().into_iter().take(SLOTS_MAX).map(|slot| {
            json!({
                "drive": slot.at.drive,
                "slot": slot.at.slot,
                "state": state(slot.successor, slot.state),
                "version": slot.version,
                "units": slot.units,
                "trimmed_units": slot.trimmed_units,
                "capacity_units": slot.capacity_units,
                "disputed": slot.disputed,
                "due_block": slot.due_block,
            })
        });
        let challenge = self.prover.open().map(|(challenge, answered)| {
            json!({
                "turn_block": challenge.turn_block,
                "due_block": challenge.due_block,
                "chunks": challenge.targets.len(),
                "answered": answered,
            })
        });
        json!({
            "account": self.chain.account().to_string(),
            "finalized_block": self.known.block(),
            "challenge": challenge,
            "slots": slots.collect::<Vec<_>>(),
            "counters": self.metrics.json(),
        })
    }

    fn page(&self) -> String {
        let row = |(name, value): (&String, &Value)| format!("<tr><td>{name}</td><td>{value}</td></tr>\n");
        let counters: String = self.metrics.json().as_object().into_iter().flatten().map(row).collect();
        let slot = |slot: cairn_client::chain::vaults::HeldSlot| {
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{} of {}</td></tr>\n",
                slot.at.drive,
                slot.at.slot,
                state(slot.successor, slot.state),
                slot.version,
                slot.units.saturating_sub(slot.trimmed_units),
                slot.capacity_units,
            )
        };
        let slots: String = self.known.slots().into_iter().take(SLOTS_MAX).map(slot).collect();
        let challenge = match self.prover.open() {
            Some((challenge, true)) => format!("challenge of block {}: answered", challenge.turn_block),
            Some((challenge, false)) => {
                format!("challenge of block {}: due in {}", challenge.turn_block, challenge.due_block)
            },
            None => "no challenge is open".into(),
        };
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>vault</title>\n\
             <style>body{{font:15px sans-serif;margin:2em}}td{{padding:0 1em 0 0}}</style>\n\
             <h1>Vault {}</h1><p>Finalized block {}; {challenge}.</p>\n\
             <h2>Slots</h2><table><tr><th>drive<th>slot<th>state<th>version<th>units</tr>\n{slots}</table>\n\
             <h2>Counters</h2><table>\n{counters}</table></html>\n",
            self.chain.account(),
            self.known.block(),
        )
    }
}

fn state(successor: bool, state: SlotState) -> &'static str {
    match (successor, state) {
        (true, _) => "rebuilding",
        (false, SlotState::Healthy) => "healthy",
        (false, SlotState::Behind) => "behind",
        (false, SlotState::Empty) => "empty",
    }
}
