// SPDX-License-Identifier: Apache-2.0

//! The provider's proxy: stands before an HTTP server that knows nothing of all this, and sells it call by call.
//!
//! # Correctness
//! - Nothing reaches the upstream that isn't a request of the OpenAPI document and paid for.
//! - What is charged for is answered: a call costs nothing if the server behind fails (5xx), takes no more calls (429), gives no
//!   answer, or gives one after the consumer's patience has ended. A consumer that goes away before that pays: the work was done.
//! - See [`crate::ledger`] for what survives a kill.

mod access;
mod forward;
mod metrics;
mod redeem;
mod sample;
mod sessions;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use cairn_client::{
    address::{to_address, DEFAULT_SS58_PREFIX},
    chain::marketplace::{price_at, Api},
    keys::Keypair,
    AccountId,
};
use hyper::{
    body::Incoming,
    header::{HeaderValue, ALLOW, CONTENT_TYPE, RETRY_AFTER},
    Request, Response, StatusCode,
};
use tokio::sync::Notify;

pub use metrics::Counts as Metrics;
pub use redeem::Policy;

use self::{access::Caller, sample::Sample, sessions::Sessions};
use crate::{
    http::{Body, Endpoint, Service},
    ledger::{Ledger, Refusal, Terms, USE_PERIOD},
    market::{now_ms, Market},
    openapi::{Document, RequestError},
    wire::{BadgeAccount, Offer, OfferAccount, Pay, Wanted, CONTROL, OFFER_KIND, REFUSED},
};

/// How often the listing is read again: the price, the status.
const LISTING_PERIOD: Duration = Duration::from_secs(30);

/// What a provider serves.
pub struct Config {
    /// Number of the API in the marketplace.
    pub api: u32,
    /// The OpenAPI document, as published.
    pub document: Bytes,
    /// Operations that are sold; all, if there are none.
    pub only: Vec<String>,
    /// The server behind.
    pub upstream: Endpoint,
    /// Signs answers; the listing has its public key.
    pub answer_key: Keypair,
    /// Folder of the books.
    pub data: PathBuf,
    /// Bytes of a request's body.
    pub body_bytes_max: usize,
    /// The most that is delivered and not redeemed, for each consumer, in plancks.
    pub exposure_max: u128,
    /// Calls a second of each consumer.
    pub calls_per_second: u32,
    /// How long the upstream may take.
    pub upstream_timeout: Duration,
}

/// Why a provider can't serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The chain can't be asked, or the contract is none.
    #[error(transparent)]
    Chain(#[from] cairn_client::Error),
    /// The document can't be used.
    #[error("the OpenAPI document can't be used: {0}")]
    Document(#[from] crate::openapi::DocumentError),
    /// The listing is another one.
    #[error("{0}")]
    Listing(String),
    /// The books can't be opened.
    #[error("the books can't be opened: {0}")]
    Books(#[from] std::io::Error),
}

/// A provider's proxy.
pub struct Provider {
    market: Arc<Market>,
    config: Config,
    document: Arc<Document>,
    /// The marketplace's number of each of the document's operations.
    methods: Vec<u16>,
    listing: RwLock<Listing>,
    ledger: Ledger,
    sessions: Sessions,
    metrics: Metrics,
    sample: Sample,
    redeem_now: Notify,
    name: String,
    account: [u8; 32],
    /// Nobody else writes these books.
    _lock: std::fs::File,
}

#[derive(Clone, Copy)]
struct Listing {
    terms: Terms,
    next_price: Option<(u128, u64)>,
}

impl Provider {
    /// Opens the books, and checks that the marketplace lists what is served.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(market: Arc<Market>, config: Config) -> Result<Arc<Self>, StartError> {
        let listed = market.api(config.api).await?;
        let listed = listed.ok_or_else(|| StartError::Listing(format!("the marketplace has no API {}", config.api)))?;
        let sold = |name: &str| config.only.is_empty() || config.only.iter().any(|only| only == name);
        let document = Arc::new(Document::read_selected(&config.document, |name| {
            sold(name) && listed.methods.iter().any(|method| method.name == name)
        })?);
        let methods = methods(&document, &listed).map_err(StartError::Listing)?;
        if listed.listing.openapi_hash != *blake3::hash(&config.document).as_bytes() {
            let reason = "the marketplace lists another OpenAPI document; publish this one first";
            return Err(StartError::Listing(reason.into()));
        }
        if listed.answer_key != config.answer_key.account_id().0 {
            return Err(StartError::Listing("the marketplace lists another answer key; publish this one first".into()));
        }
        std::fs::create_dir_all(&config.data)?;
        let lock = crate::journal::lock(&config.data)?;
        let ledger = Ledger::open(&config.data.join("vouchers.journal"))?;
        let listing = RwLock::new(Listing::new(&config, &listed));
        Ok(Arc::new(Self {
            document,
            methods,
            listing,
            ledger,
            sessions: Sessions::default(),
            metrics: Metrics::default(),
            sample: Sample::default(),
            redeem_now: Notify::new(),
            name: listed.name,
            account: listed.provider,
            _lock: lock,
            market,
            config,
        }))
    }

    /// What must go on beside the listener: writes what calls used, follows the listing. Ends when it is dropped.
    pub async fn keep_up(self: Arc<Self>) {
        let (mut uses, mut listing) = (tokio::time::interval(USE_PERIOD), tokio::time::interval(LISTING_PERIOD));
        loop {
            tokio::select! {
                _ = uses.tick() => {
                    self.ledger.write_uses();
                    self.ledger.shorten().await;
                },
                _ = listing.tick() => match self.market.api(self.config.api).await {
                    Ok(Some(listed)) => {
                        let mut now = self.listing.write().unwrap_or_else(PoisonError::into_inner);
                        *now = Listing::new(&self.config, &listed);
                    },
                    Ok(None) => {},
                    Err(error) => tracing::warn!(%error, "the listing can't be read; the last one holds"),
                },
            }
        }
    }

    /// The books.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What was counted, as Prometheus reads it.
    pub fn render_metrics(&self) -> String {
        self.metrics.render(&self.ledger.accounts())
    }

    /// Everything is written; to be called when no more requests come.
    pub fn stop(&self) {
        self.ledger.write_uses();
    }

    fn terms(&self) -> Terms {
        let listing = *self.listing.read().unwrap_or_else(PoisonError::into_inner);
        let unit_price = match listing.next_price {
            None => listing.terms.unit_price,
            next => price_at(listing.terms.unit_price, next, now_ms()),
        };
        Terms { unit_price, ..listing.terms }
    }

    fn address(account: [u8; 32]) -> String {
        to_address(&AccountId(account), DEFAULT_SS58_PREFIX)
    }

    fn offer(&self, wanted: Wanted, message: String, units: u64, account: Option<OfferAccount>) -> Offer {
        let terms = self.terms();
        Offer {
            kind: OFFER_KIND.into(),
            wanted,
            message,
            genesis: format!("0x{}", hex::encode(self.market.genesis())),
            contract: Self::address(self.market.contract()),
            api: self.config.api,
            name: self.name.clone(),
            provider: Self::address(self.account),
            unit_price: terms.unit_price.to_string(),
            units,
            price: terms.unit_price.saturating_mul(units.into()).to_string(),
            free_units: terms.free_units,
            ahead_max: terms.exposure_max.to_string(),
            pay: Pay {
                scheme: "cairn-voucher/v1".into(),
                signer: "sr25519, by a key that the consumer authorised in the contract".into(),
                steps: vec![
                    "deposit coins in the contract and authorise a signer".into(),
                    format!(
                        "POST {CONTROL}pay with cairn-session (32 hex digits, made up), cairn-open and cairn-voucher"
                    ),
                    "call with the same cairn-session until the credit is used up, then send a voucher over more"
                        .into(),
                ],
            },
            account,
        }
    }

    /// What is answered for a refusal, with what the session's consumer has to know.
    fn refuse(&self, refusal: &Refusal, units: u64, account: Option<&crate::ledger::Account>) -> Response<Body> {
        let wanted = match refusal {
            Refusal::Rate { .. } | Refusal::Door => {
                let mut response = refused(error(StatusCode::TOO_MANY_REQUESTS, &refusal.to_string()));
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                self.metrics.limited.add();
                return response;
            },
            Refusal::Disk | Refusal::Busy | Refusal::Chain | Refusal::NotActive => {
                return refused(error(StatusCode::SERVICE_UNAVAILABLE, &refusal.to_string()));
            },
            Refusal::Credit { .. } => Wanted::Credit,
            Refusal::Exposure => {
                self.redeem_now.notify_one();
                Wanted::Patience
            },
            Refusal::Badge(_) => Wanted::Badge,
            Refusal::NoSigner | Refusal::Epoch { .. } => Wanted::Session,
            _ => Wanted::Voucher,
        };
        self.metrics.offers.add();
        let account = account.map(offer_account);
        refused(json(StatusCode::PAYMENT_REQUIRED, &self.offer(wanted, refusal.to_string(), units, account)))
    }

    async fn handle(&self, request: Request<Incoming>, from: SocketAddr) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if let Some(control) = parts.uri.path().strip_prefix(CONTROL) {
            return self.control(control, &parts, from).await;
        }
        let found = self.document.find(parts.method.as_str(), parts.uri.path(), parts.uri.query(), &parts.headers);
        let operation = match found {
            Ok(operation) => operation,
            Err(reason) => {
                self.metrics.invalid.add();
                return request_error(&reason);
            },
        };
        let caller = match self.caller(&parts.headers, from).await {
            Ok(caller) => caller,
            Err(refused) => return self.refused(refused, operation.units),
        };
        self.forward(operation, &caller, parts, body).await
    }

    /// `offer`, `openapi` and `pay`.
    async fn control(&self, what: &str, parts: &hyper::http::request::Parts, from: SocketAddr) -> Response<Body> {
        match (parts.method.as_str(), what) {
            ("GET", "offer") => {
                let offer = self.offer(Wanted::Session, "this is what calls cost".into(), 0, None);
                json(StatusCode::OK, &offer)
            },
            ("GET", "openapi") => {
                let mut response = Response::new(Body::whole(self.config.document.clone()));
                let kind = HeaderValue::from_static("application/openapi");
                response.headers_mut().insert(CONTENT_TYPE, kind);
                response
            },
            ("POST", "pay") => match self.caller(&parts.headers, from).await {
                Ok(Caller { badge: Some(badge), .. }) => {
                    let left = BadgeAccount {
                        units_max: badge.units_max,
                        left: badge.left(),
                        expires_at_ms: badge.expires_at_ms,
                    };
                    json(StatusCode::OK, &left)
                },
                Ok(caller) => json(StatusCode::OK, &offer_account(&caller.account)),
                Err(refused) => self.refused(refused, 0),
            },
            _ => error(StatusCode::NOT_FOUND, "the proxy itself answers GET offer, GET openapi and POST pay"),
        }
    }
}

impl Service for Provider {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, from: SocketAddr) -> Response<Body> {
        let started = Instant::now();
        let response = self.handle(request, from).await;
        self.metrics.answered(response.status(), started.elapsed());
        response
    }
}

impl Listing {
    fn new(config: &Config, listed: &Api) -> Self {
        let terms = Terms {
            unit_price: listed.unit_price,
            free_units: listed.listing.free_units,
            exposure_max: config.exposure_max,
            calls_per_second: config.calls_per_second,
        };
        Self { terms, next_price: listed.next_price }
    }
}

/// The marketplace's number of each operation: methods there are never changed, so one that differs has to get another name.
fn methods(document: &Document, listed: &Api) -> Result<Vec<u16>, String> {
    let number = |operation: &crate::openapi::Operation| {
        let position = listed.methods.iter().position(|method| method.name == operation.name);
        let position = position
            .ok_or_else(|| format!("the marketplace doesn't list `{}`; publish the document first", operation.name))?;
        let method = &listed.methods[position];
        if (u64::from(method.units), method.deterministic) != (operation.units, operation.deterministic) {
            return Err(format!(
                "the marketplace lists `{}` with {} units, deterministic: {}; a method never changes: give it another operationId",
                operation.name, method.units, method.deterministic
            ));
        }
        u16::try_from(position).map_err(|_| "the marketplace lists too many methods".into())
    };
    document.operations().iter().map(number).collect()
}

fn offer_account(account: &crate::ledger::Account) -> OfferAccount {
    let counts = account.counts();
    OfferAccount {
        epoch: account.who().epoch,
        value: counts.value.to_string(),
        spent: counts.spent.to_string(),
        calls: counts.calls,
        units: counts.units,
        plan: account.plan_left(now_ms()).map(|left| crate::wire::OfferPlan {
            units: left.units,
            left: left.left,
            until_ms: left.until_ms,
        }),
        voucher: counts.best.map(|(voucher, signature)| crate::wire::write_signed(&voucher, &signature)),
    }
}

/// Says that the proxy itself answers, and not the server behind it.
fn refused(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(REFUSED, HeaderValue::from_static("1"));
    response
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Response<Body> {
    // Texts and numbers: nothing that can't be written.
    let mut response = Response::new(Body::whole(serde_json::to_vec(value).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An error of a proxy's own.
pub(crate) fn error(status: StatusCode, message: &str) -> Response<Body> {
    json(status, &serde_json::json!({ "error": message }))
}

fn request_error(reason: &RequestError) -> Response<Body> {
    let status = match reason {
        RequestError::NoPath => StatusCode::NOT_FOUND,
        RequestError::NoMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
        RequestError::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        RequestError::Violation(_) => StatusCode::BAD_REQUEST,
    };
    let mut response = refused(error(status, &reason.to_string()));
    if let RequestError::NoMethod(methods) = reason {
        if let Ok(methods) = HeaderValue::from_str(methods) {
            response.headers_mut().insert(ALLOW, methods);
        }
    }
    response
}
