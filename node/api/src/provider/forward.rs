// SPDX-License-Identifier: Apache-2.0

//! A call that is paid for, to the upstream and back.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{
    body::{Body as _, Incoming},
    header::{HeaderValue, CONTENT_LENGTH, LOCATION},
    http::request::Parts,
    Request, Response, StatusCode,
};

use super::{access::Caller, error, refused, request_error, Provider};
use crate::{
    http::{
        collect, collect_for, content_length, content_type, has_one_type, strip, strip_request, Base, Body,
        CollectError,
    },
    ledger::{By, Charge, Refusal},
    market::now_ms,
    openapi::{in_turn, Operation, Violation},
    wire::{self, SignedAnswer, SIGNED_BYTES_MAX, SIGN_PATIENCE},
};

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
        // An answer that comes after the consumer has given up is not passed on by it, so it is not charged for.
        let patience = patience(&parts.headers)
            .map_or(self.config.upstream_timeout, |patience| patience.min(self.config.upstream_timeout));
        strip(&mut parts.headers);
        strip_request(&mut parts.headers, self.document.asks_authorization());
        let Ok(uri) = self.config.upstream.target(&target) else {
            under.settle(false);
            return refused(error(StatusCode::BAD_REQUEST, "this is no path"));
        };
        if let Body::Whole(Some(bytes)) = &body {
            parts.headers.insert(CONTENT_LENGTH, bytes.len().into());
        }
        parts.headers.insert(wire::CONSUMER, caller.account.named().clone());
        parts.uri = uri;
        parts.version = hyper::Version::HTTP_11;
        let started = Instant::now();
        let sent = self.config.upstream.send(Request::from_parts(parts, body), patience).await;
        let took = started.elapsed();
        self.metrics.upstream.observe(took);
        let mut response = match sent {
            Ok(response) => response,
            Err(reason) => {
                under.settle(false);
                self.metrics.upstream_failed.add();
                self.sample.upstream_failed(&reason.to_string());
                let text = "the provider's server gave no answer in time; this call costs nothing";
                return refused(error(StatusCode::BAD_GATEWAY, text));
            },
        };
        strip(response.headers_mut());
        keep_within(response.headers_mut(), self.config.upstream.base());
        let status = response.status();
        let failed = status.is_server_error();
        let charged = !failed && status != StatusCode::TOO_MANY_REQUESTS;
        let (mut head, incoming) = response.into_parts();
        let body = match request_hash {
            Some(request_hash) if charged && wire::is_signed(&head.headers) => {
                match self.sign(operation, &mut head, incoming, request_hash, took.as_millis()).await {
                    Ok(body) => body,
                    Err(()) => {
                        under.settle(false);
                        self.metrics.upstream_failed.add();
                        self.sample.upstream_failed("it broke off in the middle of an answer");
                        let text = "the provider's server broke off; this call costs nothing";
                        return refused(error(StatusCode::BAD_GATEWAY, text));
                    },
                }
            },
            _ => Body::Passing(incoming, None),
        };
        under.settle(charged);
        if failed {
            self.metrics.upstream_failed.add();
            self.sample.upstream_failed(status.as_str());
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
        if has_body && !has_one_type(&parts.headers) {
            let two = Violation::new("content-type", "there are two of them");
            return Err(invalid(request_error(&two.into())));
        }
        let schema = self.document.body_schema(operation, kind, has_body);
        let schema = schema.map_err(|reason| invalid(request_error(&reason)))?;
        if !has_body {
            return Ok(Body::empty());
        }
        let most = self.config.body_bytes_max;
        let too_big = || refused(error(StatusCode::PAYLOAD_TOO_LARGE, &format!("a body may have {most} bytes")));
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
                other => refused(error(StatusCode::BAD_REQUEST, &other.to_string())),
            })
        })?;
        if let Some(schema) = schema {
            let (document, kind, checked) = (self.document.clone(), kind.map(String::from), bytes.clone());
            let fits =
                in_turn(bytes.len(), move |effort| document.check_body(schema, kind.as_deref(), &checked, effort));
            fits.await.map_err(|reason| invalid(request_error(&reason.into())))?;
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
        let bytes: Bytes = match collect_for(body, SIGNED_BYTES_MAX, SIGN_PATIENCE).await {
            Ok(bytes) => bytes,
            // What is long, or slow, passes unsigned.
            Err(CollectError::TooBig(first, rest) | CollectError::Slow(first, rest)) => {
                return Ok(Body::Resumed(Some(first), rest));
            },
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
        self.look_at_own(operation, head, &bytes);
        Ok(Body::whole(bytes))
    }

    /// Holds some of the own answers against the document: consumers do, and go elsewhere without a word.
    fn look_at_own(&self, operation: &Operation, head: &hyper::http::response::Parts, body: &Bytes) {
        if !head.status.is_success() || !self.sample.is_due(body.len()) {
            return;
        }
        let fits = self.document.check_response(
            operation,
            head.status.as_u16(),
            content_type(&head.headers),
            Some(body),
            crate::openapi::Effort::Quick,
        );
        if let Err(violation) = fits {
            if !violation.unchecked {
                self.metrics.unfit.add();
                self.sample.unfit(operation, &violation);
            }
        }
    }
}

/// How long the consumer waits for an answer.
fn patience(headers: &hyper::HeaderMap) -> Option<Duration> {
    headers.get(wire::PATIENCE)?.to_str().ok()?.parse().ok().map(Duration::from_millis)
}

/// Tells where the server behind redirects to as consumers see it: below the base URL. Its own address is nobody's business.
fn keep_within(headers: &mut hyper::HeaderMap, upstream: &Base) {
    let Some(place) = headers.get(LOCATION).and_then(|place| place.to_str().ok()) else { return };
    let base = upstream.to_string();
    let own = Base { path: String::new(), ..upstream.clone() }.to_string();
    let below = |path: &str| path.is_empty() || path.starts_with(['/', '?']);
    let kept = if let Some(path) = place.strip_prefix(&base).filter(|path| below(path)) {
        Some(path.to_string())
    } else if let Some(path) = place.strip_prefix(&upstream.path).filter(|path| place.starts_with('/') && below(path)) {
        Some(path.to_string())
    } else if place.starts_with(&own) || (place.starts_with('/') && !place.starts_with("//")) {
        // On that server, and not a part of what is sold.
        headers.remove(LOCATION);
        return;
    } else {
        None
    };
    if let Some(path) = kept {
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        if let Ok(path) = HeaderValue::from_str(&path) {
            headers.insert(LOCATION, path);
        }
    }
}

/// Digits and spaces: nothing that can't be a header.
fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_of_the_server_behind_are_told_as_consumers_see_them() {
        let base = Base::parse("http://127.0.0.1:8080/v1").expect("valid");
        let told = |place: &str| {
            let mut headers = hyper::HeaderMap::new();
            headers.insert(LOCATION, place.parse().expect("a value"));
            keep_within(&mut headers, &base);
            headers.get(LOCATION).map(|place| place.to_str().expect("text").to_string())
        };
        for (place, seen) in [
            ("http://127.0.0.1:8080/v1/pets/1?a=b", Some("/pets/1?a=b")),
            ("http://127.0.0.1:8080/v1", Some("/")),
            ("/v1/pets", Some("/pets")),
            ("http://127.0.0.1:8080/admin", None),
            ("http://127.0.0.1:8080/v10/x", None),
            ("/admin", None),
            ("https://elsewhere.example/x", Some("https://elsewhere.example/x")),
            ("next", Some("next")),
        ] {
            assert_eq!(told(place).as_deref(), seen, "{place}");
        }
    }

    #[test]
    fn a_consumers_patience_is_read() {
        let mut headers = hyper::HeaderMap::new();
        assert_eq!(patience(&headers), None);
        headers.insert(wire::PATIENCE, "1500".parse().expect("a value"));
        assert_eq!(patience(&headers), Some(Duration::from_millis(1500)));
        headers.insert(wire::PATIENCE, "soon".parse().expect("a value"));
        assert_eq!(patience(&headers), None);
    }
}
