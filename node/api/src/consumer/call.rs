// SPDX-License-Identifier: Apache-2.0

//! One call: to the best provider, and to the next one when that fails.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::{
    body::Incoming,
    header::{HeaderValue, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, RANGE},
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
    http::{collect, content_type, has_one_type, hold, strip, strip_request, strip_response, Body},
    openapi::{in_turn, Document, Effort, Operation, RequestError, Violation},
    wire::{self, read_offer, Wanted, OFFER_BYTES_MAX},
};

/// Providers that one call is tried with.
const PROVIDERS_MAX: usize = 4;
/// Rounds of paying or waiting at one provider.
const ROUNDS_MAX: usize = 5;
/// Rounds of waiting at one provider that takes no more calls.
const LIMITED_ROUNDS_MAX: usize = 3;
/// How much longer an answer is waited for than the provider was told: in time it says itself that it gives up, and charges
/// nothing.
const LATE: Duration = Duration::from_secs(1);
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
    /// A beginning, and the rest as it comes: goes to one provider only, once.
    Passing(Option<Bytes>, Incoming),
    /// It went to a provider: it can't be sent again.
    Gone,
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
    /// Nothing was done: the call can go to another one, whatever its method.
    unsent: bool,
    /// It is the consumer's own cap.
    cap: Option<super::budget::OverCap>,
    /// What the server behind answered: the caller gets it if nobody answers better.
    response: Option<Response<Body>>,
}

impl Failed {
    fn unsent(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), unsent: true, cap: None, response: None }
    }

    fn sent(reason: impl Into<String>) -> Self {
        Self { unsent: false, ..Self::unsent(reason) }
    }

    fn with(self, response: Response<Body>) -> Self {
        Self { response: Some(response), ..self }
    }
}

/// Why an answer is not passed on.
enum Bad {
    /// It isn't what the document promises.
    Garbage(String),
    /// It broke off.
    Broken(String),
    /// It is signed wrongly, or not at all.
    Untrue(String),
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
        let (mut not_so, mut over, mut last) = (None, None, None);
        let (documents, mut reasons) = self.documents(&sellers).await;
        let mut ready: Vec<(Arc<Seller>, Arc<Document>, usize)> = Vec::new();
        for (seller, document) in documents {
            match find(&document, &call).await {
                Ok(operation) => ready.push((seller, document, operation)),
                Err(reason) => not_so = Some(reason),
            }
        }
        if let (true, Some(reason)) = (ready.is_empty(), not_so) {
            return Err(reason.into());
        }
        for index in self.ordered(&ready) {
            let (seller, document, operation) = &ready[index];
            // Answers that are compared must be signed: two that contradict each other are proof then.
            let compared = self.is_compared(&document.operations()[*operation], &call);
            match self.attempt(seller, document, *operation, &mut call, compared).await {
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
                    last = failed.response.or(last);
                    reasons.push(format!("API {}: {}", seller.number, failed.reason));
                    if !failed.unsent && !call.method.is_idempotent() {
                        reasons.push("it may have been done all the same, so no other provider was asked".into());
                        break;
                    }
                    if matches!(call.body, CallBody::Gone) {
                        reasons.push(
                            "its body is too long to be kept, so no other provider was asked; send it again".into(),
                        );
                        break;
                    }
                },
            }
        }
        match (last, over) {
            (Some(response), _) => return Ok(response),
            (None, Some(cap)) => return Err(cap.into()),
            (None, None) => {},
        }
        if reasons.is_empty() {
            let now = Instant::now();
            let rest_of = |seller: &Arc<Seller>| {
                let score = seller.score();
                let of_operations = score.avoided_operations(now).map(|(_, rest)| rest).min();
                score.avoided_for(now).or(of_operations)
            };
            let rest = sellers.iter().filter_map(rest_of).min().unwrap_or_default();
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
                    avoided: score.avoids(*operation as u16, Instant::now()),
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
        document: &Arc<Document>,
        operation: usize,
        call: &mut Call,
        signed: bool,
    ) -> Result<Answer, Failed> {
        let known = &document.operations()[operation];
        let price = seller.unit_price().saturating_mul(known.units.into());
        let attested = signed || self.chance() * f64::from(self.config.attest_every) < 1.0;
        if matches!(call.body, CallBody::Passing(..)) {
            // A body that can be sent only once must not end at a session that is not there any more.
            self.look_at_session(seller).await.map_err(|error| self.unpaid(seller, error))?;
        }
        let mut denied = 0;
        for round in 0..ROUNDS_MAX {
            let hold = self.hold(seller, price, known.units).await.map_err(|error| self.unpaid(seller, error))?;
            let request = match self.request(seller, document, known, call, &hold, attested) {
                Ok(request) => request,
                Err(reason) => {
                    seller.settle(hold, false);
                    return Err(Failed::sent(reason));
                },
            };
            let started = Instant::now();
            let sent = seller.endpoint(hold.endpoint).send(request, self.config.patience + LATE).await;
            let response = match sent {
                Ok(response) => response,
                Err(error) => {
                    seller.settle(hold, false);
                    seller.failed();
                    let failed = if error.unsent() { Failed::unsent } else { Failed::sent };
                    return Err(failed(error.to_string()));
                },
            };
            // The provider's own word, and not that of the server behind it.
            let refused = response.headers().contains_key(wire::REFUSED);
            match response.status() {
                StatusCode::PAYMENT_REQUIRED if refused => {
                    seller.settle(hold, false);
                    self.metrics.offers.add();
                    let wanted = self.read_402(seller, &hold, response).await?;
                    if matches!(call.body, CallBody::Gone) {
                        return Err(Failed::unsent("it wanted to be paid first; try again"));
                    }
                    match wanted {
                        Wanted::Patience => tokio::time::sleep(Duration::from_millis(200 << round)).await,
                        Wanted::Credit => denied += 1,
                        _ => {},
                    }
                },
                StatusCode::TOO_MANY_REQUESTS if refused => {
                    seller.settle(hold, false);
                    let failed = || Failed::unsent("it takes no more calls now");
                    if round + 1 >= LIMITED_ROUNDS_MAX || matches!(call.body, CallBody::Gone) {
                        return Err(failed().with(passed(response)));
                    }
                    tokio::time::sleep(Duration::from_millis(100 << round)).await;
                },
                StatusCode::TOO_MANY_REQUESTS => {
                    seller.settle(hold, false);
                    let failed = Failed::unsent("its server takes no more calls now");
                    return Err(failed.with(passed(response)));
                },
                status if status.is_server_error() => {
                    seller.settle(hold, false);
                    seller.failed();
                    return Err(Failed::sent(format!("it answers {status}")).with(passed(response)));
                },
                _ => {
                    if let Some(Ok((left, until_ms))) =
                        response.headers().get(wire::PLAN).map(|v| wire::read_plan(v.as_bytes()))
                    {
                        seller.heard_of_plan(left, until_ms);
                    }
                    let took = started.elapsed();
                    let looked = self.look(seller, document, known, call, attested, took, response).await;
                    // It was asked, and will count it.
                    seller.settle(hold, true);
                    return looked
                        .inspect(|_| seller.score().answered(started.elapsed()))
                        .map_err(|bad| self.bad(seller, known, bad));
                },
            }
        }
        // Each time, own books said that there is credit.
        if denied >= ROUNDS_MAX {
            seller.score().was_garbage(Instant::now());
            self.metrics.garbage.add();
        } else {
            seller.failed();
        }
        Err(Failed::unsent("it wants to be paid again and again"))
    }

    fn unpaid(&self, seller: &Seller, error: PayError) -> Failed {
        match &error {
            PayError::Cap(_) => {},
            PayError::Untrue(reason) => {
                self.metrics.garbage.add();
                tracing::warn!(api = seller.number, reason, "a provider's account is not true: it is avoided");
                seller.score().was_garbage(Instant::now());
            },
            PayError::Unreachable(_) | PayError::Refused(_) => seller.failed(),
        }
        error.into()
    }

    fn bad(&self, seller: &Seller, operation: &Operation, bad: Bad) -> Failed {
        let now = Instant::now();
        match bad {
            Bad::Broken(reason) => {
                seller.failed();
                Failed::sent(format!("its answer broke off: {reason}"))
            },
            Bad::Garbage(reason) | Bad::Untrue(reason) if seller.score().avoids(operation.index, now) => {
                // Several that were under way are one.
                Failed::sent(format!("its answer is not what its document promises: {reason}"))
            },
            Bad::Garbage(reason) => {
                self.metrics.garbage.add();
                let name = &operation.name;
                tracing::warn!(api = seller.number, operation = %name, reason, "an answer is garbage: the operation is avoided");
                seller.score().operation_was_garbage(operation.index, now);
                Failed::sent(format!("its answer is not what its document promises: {reason}"))
            },
            Bad::Untrue(reason) => {
                self.metrics.garbage.add();
                tracing::warn!(
                    api = seller.number,
                    reason,
                    "a provider's answer is not signed as it must be: it is avoided"
                );
                seller.score().was_garbage(now);
                Failed::sent(format!("its answer is not signed as it must be: {reason}"))
            },
        }
    }

    async fn read_402(&self, seller: &Seller, hold: &Hold, response: Response<Incoming>) -> Result<Wanted, Failed> {
        let body = collect(response.into_body(), OFFER_BYTES_MAX).await.map_err(|e| Failed::unsent(e.to_string()))?;
        let offer = read_offer(&body).map_err(Failed::unsent)?;
        self.asked_to_pay(seller, hold, &offer).map_err(|error| self.unpaid(seller, error))?;
        Ok(offer.wanted)
    }

    fn request(
        &self,
        seller: &Seller,
        document: &Document,
        operation: &Operation,
        call: &mut Call,
        hold: &Hold,
        attested: bool,
    ) -> Result<Request<Body>, String> {
        let mut headers = call.headers.clone();
        strip_request(&mut headers, document.asks_authorization());
        let body = match &mut call.body {
            CallBody::Whole(bytes) if bytes.is_empty() => Body::empty(),
            CallBody::Whole(bytes) => {
                headers.insert(CONTENT_LENGTH, bytes.len().into());
                Body::whole(bytes.clone())
            },
            body => match std::mem::replace(body, CallBody::Gone) {
                CallBody::Passing(first, rest) => Body::Resumed(first, rest),
                _ => return Err("its body was sent before and can't be sent again".into()),
            },
        };
        let mut request = Request::new(body);
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = seller.endpoint(hold.endpoint).target(&call.target)?;
        // What is compressed can't be held against the document.
        if operation.answers_json && headers.contains_key(ACCEPT_ENCODING) {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let token = HeaderValue::from_str(&hex::encode(hold.token)).map_err(|error| error.to_string())?;
        headers.insert(wire::SESSION, token);
        headers.insert(wire::ATTEST, HeaderValue::from_static(if attested { "1" } else { "0" }));
        headers.insert(wire::PATIENCE, self.patience.clone());
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Looks at an answer as far as it is short enough, and passes it on.
    #[allow(clippy::too_many_arguments, reason = "all that an answer is held against")]
    async fn look(
        &self,
        seller: &Seller,
        document: &Arc<Document>,
        operation: &Operation,
        call: &Call,
        attested: bool,
        took: Duration,
        response: Response<Incoming>,
    ) -> Result<Answer, Bad> {
        let (mut head, body) = response.into_parts();
        let word = head.headers.get(wire::ANSWER).cloned();
        strip(&mut head.headers);
        strip_response(&mut head.headers);
        let kind = content_type(&head.headers).map(ToString::to_string);
        let status = head.status.as_u16();
        // A part of what the document describes, or what is compressed though it was not to be, can't be held against it.
        let as_described = head.status != StatusCode::PARTIAL_CONTENT || !call.headers.contains_key(RANGE);
        let plain = head.headers.get(CONTENT_ENCODING).is_none_or(|coding| coding == "identity");
        let checked = head.status.is_success() && as_described;
        let signed = attested && wire::is_signed(&head.headers);
        let is_json = kind.as_deref().is_some_and(crate::openapi::is_json);
        if !is_json && !signed {
            if checked {
                let fits = document.check_response(operation, status, kind.as_deref(), None, Effort::Quick);
                fits.map_err(|error| Bad::Garbage(error.to_string()))?;
            }
            let response = Response::from_parts(head, Body::Passing(body, None));
            return Ok(Answer { response, whole: None, word: None });
        }
        let (body, whole) = hold(body, LOOKED_AT_BYTES_MAX).await.map_err(|error| Bad::Broken(error.to_string()))?;
        if checked && call.method != Method::HEAD {
            let looked_at = whole.clone().filter(|_| plain);
            let fits = check(document, operation.index, status, kind.as_deref(), looked_at).await;
            match fits {
                Err(violation) if violation.unchecked => self.metrics.unchecked.add(),
                Err(violation) => return Err(Bad::Garbage(violation.to_string())),
                Ok(()) => {},
            }
        }
        let mut checked = None;
        // Whoever takes long to answer may have given up holding the answer for its signature.
        let excused = word.is_none() && took >= wire::SIGN_PATIENCE;
        if let (true, false, Some(bytes), CallBody::Whole(request)) = (signed, excused, &whole, &call.body) {
            let request = wire::request_hash(call.method.as_str(), &call.target, content_type(&call.headers), request);
            let found = self.check_word(seller, operation, word.as_ref(), request, status, kind.as_deref(), bytes);
            checked = Some(found.map_err(Bad::Untrue)?);
            self.metrics.verified.add();
        }
        Ok(Answer { response: Response::from_parts(head, body), whole, word: checked })
    }
}

/// Holds an answer against the document, off this thread if that takes long.
pub(super) async fn check(
    document: &Arc<Document>,
    operation: u16,
    status: u16,
    kind: Option<&str>,
    body: Option<Bytes>,
) -> Result<(), Violation> {
    let (document, kind) = (document.clone(), kind.map(String::from));
    in_turn(body.as_ref().map_or(0, Bytes::len), move |effort| {
        let operation = &document.operations()[usize::from(operation)];
        document.check_response(operation, status, kind.as_deref(), body.as_deref(), effort)
    })
    .await
}

/// An answer that is passed on without being looked at.
fn passed(response: Response<Incoming>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    strip(&mut head.headers);
    strip_response(&mut head.headers);
    Response::from_parts(head, Body::Passing(body, None))
}

/// The operation that is called, if the request is as the document has it.
pub(super) async fn find(document: &Arc<Document>, call: &Call) -> Result<usize, RequestError> {
    let (path, query) = match call.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (call.target.as_str(), None),
    };
    let operation = document.find(call.method.as_str(), path, query, &call.headers)?;
    let body = match &call.body {
        CallBody::Whole(bytes) => Some(bytes).filter(|bytes| !bytes.is_empty()),
        CallBody::Passing(..) | CallBody::Gone => None,
    };
    let has_body = body.is_some() || !matches!(call.body, CallBody::Whole(_));
    if has_body && !has_one_type(&call.headers) {
        return Err(Violation::new("content-type", "there are two of them").into());
    }
    let kind = content_type(&call.headers);
    let schema = document.body_schema(operation, kind, has_body)?;
    if let (Some(schema), Some(bytes)) = (schema, body) {
        let (document, kind, bytes) = (document.clone(), kind.map(String::from), bytes.clone());
        in_turn(bytes.len(), move |effort| document.check_body(schema, kind.as_deref(), &bytes, effort)).await?;
    }
    Ok(usize::from(operation.index))
}
