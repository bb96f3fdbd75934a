// SPDX-License-Identifier: Apache-2.0

//! One call: to the best provider, and to the next one when that fails.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::{
    body::Incoming,
    header::{HeaderValue, CONTENT_LENGTH},
    HeaderMap, Method, Request, Response, StatusCode,
};

use super::{
    conflict::Word,
    pay::PayError,
    picker::{order, Candidate},
    seller::{Hold, Seller},
    Consumer,
};
use crate::{
    http::{collect, content_type, hold, strip, Body},
    openapi::{Document, Operation, RequestError},
    wire::{self, read_offer, Wanted, OFFER_BYTES_MAX},
};

/// Providers that one call is tried with.
const PROVIDERS_MAX: usize = 4;
/// Rounds of paying or waiting at one provider.
const ROUNDS_MAX: usize = 5;
/// Longest answer that is looked at before it is passed on. Longer ones pass as they come.
pub(super) const LOOKED_AT_BYTES_MAX: usize = 1 << 20;

/// What is called.
pub struct Call {
    /// HTTP method.
    pub method: Method,
    /// Path and query below the API's base URL.
    pub target: String,
    /// Headers, those of the connection taken out.
    pub headers: HeaderMap,
    /// The body: held whole, a call can be tried again.
    pub body: CallBody,
}

/// A call's body.
pub enum CallBody {
    /// All of it.
    Whole(Bytes),
    /// A beginning, and the rest as it comes: goes to one provider only.
    Passing(Option<Bytes>, Incoming),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The marketplace has no such API.
    #[error("nobody offers an API called `{0}` now; `cairn api list` shows those there are")]
    NoSuchApi(String),
    /// No provider has such an operation.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The caps are in the way.
    #[error(transparent)]
    Cap(#[from] super::budget::OverCap),
    /// All providers failed, or are left alone because they did before.
    #[error("no provider gave a good answer: {0}")]
    Failed(String),
    /// The chain can't be asked.
    #[error("the marketplace can't be read: {0}")]
    Chain(#[from] cairn_client::Error),
}

/// How one provider failed.
pub(super) struct Failed {
    reason: String,
    /// Nothing reached it: the call can go to another one, whatever its method.
    unsent: bool,
    /// It is the consumer's own cap.
    cap: Option<super::budget::OverCap>,
}

impl Failed {
    fn unsent(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), unsent: true, cap: None }
    }

    fn sent(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), unsent: false, cap: None }
    }
}

impl From<PayError> for Failed {
    fn from(error: PayError) -> Self {
        let reason = error.to_string();
        let cap = match error {
            PayError::Cap(cap) => Some(cap),
            _ => None,
        };
        Self { cap, ..Self::unsent(reason) }
    }
}

/// An answer that was looked at.
pub(super) struct Answer {
    pub response: Response<Body>,
    /// Its body, if it was short enough to be looked at.
    pub whole: Option<Bytes>,
    /// The provider's word for it, if it was asked to sign.
    pub word: Option<Word>,
}

impl Consumer {
    /// Makes a call.
    ///
    /// # Errors
    /// [`CallError`]; nothing was paid for what was not answered.
    pub async fn call(self: &Arc<Self>, name: &str, mut call: Call) -> Result<Response<Body>, CallError> {
        let started = Instant::now();
        let sellers = self.sellers(name).await?;
        if sellers.is_empty() {
            return Err(CallError::NoSuchApi(name.chars().take(64).collect()));
        }
        let (mut reasons, mut not_so, mut over) = (Vec::new(), None, None);
        let mut ready: Vec<(Arc<Seller>, Arc<Document>, usize)> = Vec::new();
        for seller in sellers.iter().filter(|seller| !seller.score().is_avoided(Instant::now())) {
            let document = match seller.document(&self.config.tls).await {
                Ok(document) => document.clone(),
                Err(reason) => {
                    seller.failed();
                    reasons.push(format!("API {}: {reason}", seller.number));
                    continue;
                },
            };
            match find(&document, &call) {
                Ok(operation) => ready.push((seller.clone(), document, operation)),
                Err(reason) => not_so = Some(reason),
            }
        }
        if let (true, Some(reason)) = (ready.is_empty(), not_so) {
            return Err(reason.into());
        }
        for index in self.ordered(&ready) {
            let (seller, document, operation) = &ready[index];
            let operation = &document.operations()[*operation];
            let is_whole = matches!(call.body, CallBody::Whole(_));
            // Answers that are compared must be signed: two that contradict each other are proof then.
            let compared = self.is_compared(operation, &call);
            match self.attempt(seller, document, operation, &mut call, compared).await {
                Ok(answer) => {
                    self.metrics.answered(started.elapsed());
                    if compared {
                        self.cross_check_later(name, seller, &call, &answer);
                    }
                    return Ok(answer.response);
                },
                Err(failed) => {
                    self.metrics.failures.add();
                    over = over.or(failed.cap);
                    reasons.push(format!("API {}: {}", seller.number, failed.reason));
                    if !failed.unsent && !call.method.is_idempotent() {
                        reasons.push("it may have been done all the same, so no other provider was asked".into());
                        break;
                    }
                    if !is_whole && !failed.unsent {
                        break;
                    }
                },
            }
        }
        if let Some(cap) = over {
            return Err(cap.into());
        }
        if reasons.is_empty() {
            let now = Instant::now();
            let rest = sellers.iter().filter_map(|seller| seller.score().avoided_for(now)).min().unwrap_or_default();
            reasons.push(format!(
                "all of them answered garbage lately, and the first is asked again in {} s",
                rest.as_secs() + 1
            ));
        }
        Err(CallError::Failed(reasons.join("; ")))
    }

    fn ordered(&self, ready: &[(Arc<Seller>, Arc<Document>, usize)]) -> Vec<usize> {
        let candidates: Vec<Candidate> = ready
            .iter()
            .map(|(seller, document, operation)| {
                let units = document.operations()[*operation].units;
                // What a plan covers costs nothing more.
                let covered = seller.is_covered(units);
                let score = seller.score();
                Candidate {
                    price: if covered { 0 } else { seller.unit_price().saturating_mul(units.into()) },
                    quality: score.quality(),
                    avoided: score.is_avoided(Instant::now()),
                    resting: score.is_resting(Instant::now()),
                }
            })
            .collect();
        let mut order = order(&candidates, self.chance());
        order.truncate(PROVIDERS_MAX);
        order
    }

    pub(super) async fn attempt(
        &self,
        seller: &Seller,
        document: &Document,
        operation: &Operation,
        call: &mut Call,
        signed: bool,
    ) -> Result<Answer, Failed> {
        let price = seller.unit_price().saturating_mul(operation.units.into());
        let attested = signed || self.chance() * f64::from(self.config.attest_every) < 1.0;
        for round in 0..ROUNDS_MAX {
            let hold = self.hold(seller, price, operation.units).await.map_err(|error| {
                match &error {
                    PayError::Cap(_) => {},
                    PayError::Untrue(_) => seller.score().was_garbage(Instant::now()),
                    PayError::Unreachable(_) | PayError::Refused(_) => seller.failed(),
                }
                Failed::from(error)
            })?;
            let request = match self.request(seller, call, &hold.token, attested) {
                Ok(request) => request,
                Err(reason) => {
                    seller.settle(hold, false);
                    return Err(Failed::unsent(reason));
                },
            };
            let started = Instant::now();
            let response = match seller.endpoint().send(request, self.config.patience).await {
                Ok(response) => response,
                Err(error) => {
                    seller.settle(hold, false);
                    seller.failed();
                    let failed = if error.unsent() { Failed::unsent } else { Failed::sent };
                    return Err(failed(error.to_string()));
                },
            };
            match response.status() {
                StatusCode::PAYMENT_REQUIRED => {
                    seller.settle(hold, false);
                    self.metrics.offers.add();
                    let wait = self.read_402(seller, &hold, response).await?;
                    if wait {
                        tokio::time::sleep(Duration::from_millis(200 << round)).await;
                    }
                    if !matches!(call.body, CallBody::Whole(_)) {
                        return Err(Failed::sent("it wanted to be paid first; try again"));
                    }
                },
                StatusCode::TOO_MANY_REQUESTS => {
                    seller.settle(hold, false);
                    if round + 1 == ROUNDS_MAX {
                        return Err(Failed::unsent("it takes no more calls now"));
                    }
                    tokio::time::sleep(Duration::from_millis(100 << round)).await;
                },
                status if status.is_server_error() => {
                    seller.settle(hold, false);
                    seller.failed();
                    return Err(Failed::sent(format!("it answers {status}")));
                },
                _ => {
                    if let Some(Ok((left, until_ms))) =
                        response.headers().get(wire::PLAN).map(|v| wire::read_plan(v.as_bytes()))
                    {
                        seller.heard_of_plan(left, until_ms);
                    }
                    let looked = self.look(seller, document, operation, call, attested, response).await;
                    // It was asked, and will count it.
                    seller.settle(hold, true);
                    return match looked {
                        Ok(answer) => {
                            seller.score().answered(started.elapsed());
                            Ok(answer)
                        },
                        Err(reason) => {
                            self.metrics.garbage.add();
                            tracing::warn!(
                                api = seller.number,
                                reason,
                                "a provider's answer is garbage: it is avoided"
                            );
                            seller.score().was_garbage(Instant::now());
                            Err(Failed::sent(format!("its answer is not what its document promises: {reason}")))
                        },
                    };
                },
            }
        }
        seller.failed();
        Err(Failed::unsent("it wants to be paid again and again"))
    }

    async fn read_402(&self, seller: &Seller, hold: &Hold, response: Response<Incoming>) -> Result<bool, Failed> {
        let body = collect(response.into_body(), OFFER_BYTES_MAX).await.map_err(|e| Failed::unsent(e.to_string()))?;
        let offer = read_offer(&body).map_err(Failed::unsent)?;
        match self.asked_to_pay(seller, hold, &offer) {
            Ok(()) => Ok(offer.wanted == Wanted::Patience),
            Err(error) => {
                match error {
                    PayError::Untrue(_) => seller.score().was_garbage(Instant::now()),
                    _ => seller.failed(),
                }
                Err(error.into())
            },
        }
    }

    fn request(
        &self,
        seller: &Seller,
        call: &mut Call,
        token: &wire::Token,
        attested: bool,
    ) -> Result<Request<Body>, String> {
        let body = match &mut call.body {
            CallBody::Whole(bytes) if bytes.is_empty() => Body::empty(),
            CallBody::Whole(bytes) => Body::whole(bytes.clone()),
            passing => match std::mem::replace(passing, CallBody::Whole(Bytes::new())) {
                CallBody::Passing(first, rest) => Body::Resumed(first, rest),
                CallBody::Whole(_) => Body::empty(),
            },
        };
        let mut request = Request::new(body);
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = seller.endpoint().target(&call.target)?;
        *request.headers_mut() = call.headers.clone();
        let headers = request.headers_mut();
        let token = HeaderValue::from_str(&hex::encode(token)).map_err(|error| error.to_string())?;
        headers.insert(wire::SESSION, token);
        headers.insert(wire::ATTEST, HeaderValue::from_static(if attested { "1" } else { "0" }));
        if let CallBody::Whole(bytes) = &call.body {
            if !bytes.is_empty() {
                headers.insert(CONTENT_LENGTH, bytes.len().into());
            }
        }
        Ok(request)
    }

    /// Looks at an answer as far as it is short enough, and passes it on.
    async fn look(
        &self,
        seller: &Seller,
        document: &Document,
        operation: &Operation,
        call: &Call,
        attested: bool,
        response: Response<Incoming>,
    ) -> Result<Answer, String> {
        let (mut head, body) = response.into_parts();
        let word = head.headers.get(wire::ANSWER).cloned();
        strip(&mut head.headers);
        let kind = content_type(&head.headers).map(ToString::to_string);
        let good = head.status.is_success();
        let is_json = kind.as_deref().is_some_and(crate::openapi::is_json);
        let status = head.status.as_u16();
        if !is_json && !attested {
            if good {
                document.check_response(operation, status, kind.as_deref(), None).map_err(|error| error.to_string())?;
            }
            return Ok(Answer {
                response: Response::from_parts(head, Body::Passing(body, None)),
                whole: None,
                word: None,
            });
        }
        let (body, whole) = hold(body, LOOKED_AT_BYTES_MAX).await.map_err(|error| error.to_string())?;
        if good && call.method != Method::HEAD {
            let checked = document.check_response(operation, status, kind.as_deref(), whole.as_deref());
            checked.map_err(|error| error.to_string())?;
        }
        let mut checked = None;
        if let (true, Some(bytes), CallBody::Whole(request)) = (attested, &whole, &call.body) {
            let request = wire::request_hash(call.method.as_str(), &call.target, content_type(&call.headers), request);
            checked =
                Some(self.check_word(seller, operation, word.as_ref(), request, status, kind.as_deref(), bytes)?);
            self.metrics.verified.add();
        }
        Ok(Answer { response: Response::from_parts(head, body), whole, word: checked })
    }
}

pub(super) fn find(document: &Document, call: &Call) -> Result<usize, RequestError> {
    let (path, query) = match call.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (call.target.as_str(), None),
    };
    let operation = document.find(call.method.as_str(), path, query, &call.headers)?;
    let body = match &call.body {
        CallBody::Whole(bytes) => Some(bytes).filter(|bytes| !bytes.is_empty()),
        CallBody::Passing(..) => None,
    };
    let has_body = body.is_some() || matches!(call.body, CallBody::Passing(..));
    let schema = document.body_schema(operation, content_type(&call.headers), has_body)?;
    if let (Some(schema), Some(bytes)) = (schema, body) {
        document.check_body(schema, bytes).map_err(RequestError::from)?;
    }
    Ok(usize::from(operation.index))
}
