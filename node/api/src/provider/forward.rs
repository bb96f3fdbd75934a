// SPDX-License-Identifier: Apache-2.0

//! A call that is paid for, to the upstream and back.

use std::time::Instant;

use bytes::Bytes;
use hyper::{
    body::{Body as _, Incoming},
    header::{HeaderValue, CONTENT_LENGTH},
    http::request::Parts,
    Request, Response, StatusCode,
};

use super::{access::Caller, error, request_error, Provider};
use crate::{
    http::{collect, content_length, content_type, strip, Body, CollectError},
    ledger::{By, Charge, Refusal},
    market::now_ms,
    openapi::Operation,
    wire::{self, SignedAnswer},
};

/// Longest response that is signed. Longer ones pass as they come, unsigned.
const SIGNED_BYTES_MAX: usize = 1 << 20;

/// Charges for a call that its consumer left in the middle.
struct Under<'a> {
    caller: &'a Caller,
    charge: Option<Charge>,
}

impl Under<'_> {
    fn settle(&mut self, answered: bool) {
        if let Some(charge) = self.charge.take() {
            if let (Some(badge), false) = (&self.caller.badge, answered) {
                badge.give_back(charge.units);
            }
            self.caller.account.settle(charge, answered);
        }
    }
}

impl Drop for Under<'_> {
    fn drop(&mut self) {
        self.settle(true);
    }
}

impl Provider {
    pub(super) async fn forward(
        &self,
        operation: &Operation,
        caller: &Caller,
        mut parts: Parts,
        body: Incoming,
    ) -> Response<Body> {
        let signed = parts.headers.get(wire::ATTEST).is_none_or(|value| value != "0");
        let body = match self.read_body(operation, &parts, body, signed).await {
            Ok(body) => body,
            Err(response) => return *response,
        };
        self.keep_known(caller).await;
        let charge = match self.charge(caller, operation.units).await {
            Ok(charge) => charge,
            Err(refusal) => return self.refuse(&refusal, operation.units, caller.shown()),
        };
        let mut under = Under { caller, charge: Some(charge) };
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_string();
        let request_hash = match (&body, signed) {
            (Body::Whole(bytes), true) => {
                let bytes = bytes.as_deref().unwrap_or_default();
                Some(wire::request_hash(parts.method.as_str(), &target, content_type(&parts.headers), bytes))
            },
            _ => None,
        };
        strip(&mut parts.headers);
        let Ok(uri) = self.config.upstream.target(&target) else {
            under.settle(false);
            return error(StatusCode::BAD_REQUEST, "this is no path");
        };
        if let Body::Whole(Some(bytes)) = &body {
            parts.headers.insert(CONTENT_LENGTH, bytes.len().into());
        }
        parts.uri = uri;
        parts.version = hyper::Version::HTTP_11;
        let started = Instant::now();
        let sent = self.config.upstream.send(Request::from_parts(parts, body), self.config.upstream_timeout).await;
        let took = started.elapsed();
        self.metrics.upstream.observe(took);
        let mut response = match sent {
            Ok(response) => response,
            Err(reason) => {
                under.settle(false);
                self.metrics.upstream_failed.add();
                tracing::debug!(%reason, "the upstream gave no answer");
                return error(StatusCode::BAD_GATEWAY, "the provider's server gave no answer; this call costs nothing");
            },
        };
        strip(response.headers_mut());
        let failed = response.status().is_server_error();
        let (mut head, incoming) = response.into_parts();
        let body = match request_hash {
            Some(request_hash) if !failed => {
                match self.sign(operation, &mut head, incoming, request_hash, took.as_millis()).await {
                    Ok(body) => body,
                    Err(()) => {
                        under.settle(false);
                        self.metrics.upstream_failed.add();
                        return error(
                            StatusCode::BAD_GATEWAY,
                            "the provider's server broke off; this call costs nothing",
                        );
                    },
                }
            },
            _ => Body::Passing(incoming, None),
        };
        under.settle(!failed);
        if failed {
            self.metrics.upstream_failed.add();
        }
        match &caller.badge {
            Some(badge) => drop(head.headers.insert(wire::BADGE_LEFT, text(&badge.left().to_string()))),
            None => {
                head.headers.insert(wire::CREDIT, text(&caller.account.credit().to_string()));
                if let Some(left) = caller.account.plan_left(now_ms()) {
                    head.headers.insert(wire::PLAN, text(&wire::write_plan(&left)));
                }
            },
        }
        Response::from_parts(head, body)
    }

    /// Takes what a call costs, from the badge's units and from the account.
    async fn charge(&self, caller: &Caller, units: u64) -> Result<Charge, Refusal> {
        let account = &caller.account;
        if let Some(badge) = &caller.badge {
            if !account.signer_is_good() {
                return Err(Refusal::Badge("its signer may not sign any more"));
            }
            badge.charge(units, now_ms())?;
        }
        let mut charged = account.charge(units, &self.terms(), now_ms());
        if matches!(charged, Err(Refusal::Credit { .. })) && self.look_for_plan(account).await {
            charged = account.charge(units, &self.terms(), now_ms());
        }
        match (&charged, &caller.badge) {
            (Ok(charge), _) if matches!(charge.by, By::Plan(_)) => self.metrics.plan_calls.add(),
            (Err(_), Some(badge)) => badge.give_back(units),
            _ => {},
        }
        charged
    }

    /// The request's body, checked if it is JSON; passed on as it comes if nobody has to look at it.
    async fn read_body(
        &self,
        operation: &Operation,
        parts: &Parts,
        body: Incoming,
        signed: bool,
    ) -> Result<Body, Box<Response<Body>>> {
        let invalid = |response: Response<Body>| {
            self.metrics.invalid.add();
            Box::new(response)
        };
        let kind = content_type(&parts.headers);
        let has_body = !body.is_end_stream();
        let schema = self.document.body_schema(operation, kind, has_body);
        let schema = schema.map_err(|reason| invalid(request_error(&reason)))?;
        if !has_body {
            return Ok(Body::empty());
        }
        let most = self.config.body_bytes_max;
        let too_big = || error(StatusCode::PAYLOAD_TOO_LARGE, &format!("a body may have {most} bytes"));
        let length = content_length(&parts.headers);
        if length.is_some_and(|length| length > most as u64) {
            return Err(invalid(too_big()));
        }
        // What says how long it is can't be longer.
        if schema.is_none() && length.is_some() && !signed {
            return Ok(Body::Passing(body, None));
        }
        let bytes = collect(body, most).await.map_err(|reason| {
            invalid(match reason {
                CollectError::TooBig(..) => too_big(),
                other => error(StatusCode::BAD_REQUEST, &other.to_string()),
            })
        })?;
        if let Some(schema) = schema {
            self.document.check_body(schema, &bytes).map_err(|reason| invalid(request_error(&reason.into())))?;
        }
        Ok(Body::Whole(Some(bytes)))
    }

    async fn sign(
        &self,
        operation: &Operation,
        head: &mut hyper::http::response::Parts,
        body: Incoming,
        request: [u8; 32],
        latency_ms: u128,
    ) -> Result<Body, ()> {
        let bytes: Bytes = match collect(body, SIGNED_BYTES_MAX).await {
            Ok(bytes) => bytes,
            Err(CollectError::TooBig(first, rest)) => return Ok(Body::Resumed(Some(first), rest)),
            Err(_) => return Err(()),
        };
        let response = wire::response_hash(head.status.as_u16(), content_type(&head.headers), &bytes);
        let answer = SignedAnswer {
            method: self.methods[usize::from(operation.index)],
            latency_ms: u32::try_from(latency_ms).unwrap_or(u32::MAX),
            at_ms: now_ms(),
        };
        let key = &self.config.answer_key;
        let (genesis, contract) = (self.market.genesis(), self.market.contract());
        let whole = answer.whole(genesis, contract, key.account_id().0, self.config.api, request, response);
        let text = wire::write_signed(&answer, &key.sign(&whole.bytes()));
        if let Ok(value) = HeaderValue::from_str(&text) {
            head.headers.insert(wire::ANSWER, value);
        }
        self.metrics.signed.add();
        Ok(Body::whole(bytes))
    }
}

/// Digits and spaces: nothing that can't be a header.
fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static("0"))
}
