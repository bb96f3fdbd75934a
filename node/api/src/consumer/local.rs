// SPDX-License-Identifier: Apache-2.0

//! The consumer's own HTTP endpoint: `http://127.0.0.1:PORT/TOKEN/NAME/path?query`.
//!
//! It spends money for whoever is let in, so [`Gate`] lets in programs, and web pages of allowed origins only. No answer runs as
//! a page of this machine: each says that it is to be sandboxed, and what it is must not be guessed. Redirects stay below the
//! API's base URL, or don't pass: the place is told in [`LOCATION_TOLD`] then, for programs that want to go there.

use std::{net::SocketAddr, sync::Arc};

use hyper::{
    body::{Body as _, Incoming},
    header::{HeaderName, HeaderValue, ALLOW, CONTENT_SECURITY_POLICY, HOST, LOCATION, X_CONTENT_TYPE_OPTIONS},
    Request, Response, StatusCode,
};

use super::{
    gate::{allow, Gate, Refused, TOKEN_HEADER},
    Call, CallBody, CallError, Consumer,
};
use crate::{
    http::{collect, strip, Body, CollectError, Service},
    provider::error,
};

/// Longest body that is held, so that the call can go to another provider.
const HELD_BYTES_MAX: usize = 1 << 20;
/// Tells where an answer would redirect to, if that is not below the API's base URL.
pub const LOCATION_TOLD: HeaderName = HeaderName::from_static("cairn-location");

/// The endpoint.
pub struct Local {
    /// What it calls through.
    pub consumer: Arc<Consumer>,
    /// Who may use it.
    pub gate: Gate,
}

impl Service for Local {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _: SocketAddr) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if let Some(response) = self.gate.preflight(&parts.method, &parts.headers, parts.version) {
            return response;
        }
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_string();
        let (mut response, origin) = match self.gate.admit(&parts.headers, parts.version, &target) {
            Ok(admitted) => {
                let response = self.call(admitted.before, admitted.rest, parts, body).await;
                (response, admitted.origin)
            },
            Err(reason) => (error(refusal(reason), &reason.to_string()), None),
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(origin) = &origin {
            allow(headers, origin);
        }
        response
    }
}

impl Local {
    /// `rest`: path and query below what admits.
    async fn call(
        &self,
        before: &str,
        rest: &str,
        mut parts: hyper::http::request::Parts,
        body: Incoming,
    ) -> Response<Body> {
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        if rest.is_empty() {
            let mut response = Response::new(Body::whole(format!("{:#}\n", self.consumer.status())));
            let kind = HeaderValue::from_static("application/json");
            response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
            return response;
        }
        let split = rest.find(['/', '?']).unwrap_or(rest.len());
        let name = rest[..split].to_string();
        let target = match &rest[split..] {
            path if path.starts_with('/') => path.to_string(),
            query => format!("/{query}"),
        };
        strip(&mut parts.headers);
        parts.headers.remove(HOST);
        parts.headers.remove(TOKEN_HEADER);
        let body = if body.is_end_stream() {
            CallBody::Whole(Default::default())
        } else {
            match collect(body, HELD_BYTES_MAX).await {
                Ok(bytes) => CallBody::Whole(bytes),
                Err(CollectError::TooBig(first, rest) | CollectError::Slow(first, rest)) => {
                    CallBody::Passing(Some(first), rest)
                },
                Err(other) => return error(StatusCode::BAD_REQUEST, &other.to_string()),
            }
        };
        let call = Call { method: parts.method, target, headers: parts.headers, body };
        match self.consumer.call(&name, call).await {
            Ok(mut response) => {
                keep_within(response.headers_mut(), &format!("{before}/{name}"));
                response
            },
            Err(reason) => {
                let mut response = error(status(&reason), &reason.to_string());
                if let CallError::Request(crate::openapi::RequestError::NoMethod(methods)) = &reason {
                    if let Ok(methods) = HeaderValue::from_str(methods) {
                        response.headers_mut().insert(ALLOW, methods);
                    }
                }
                response
            },
        }
    }
}

/// Keeps a redirect below an API's base URL, or takes it out.
fn keep_within(headers: &mut hyper::HeaderMap, base: &str) {
    let Some(place) = headers.remove(LOCATION) else { return };
    // Programs read `%2e` as a dot, and go up where two of them stand.
    let climbs = |place: &str| place.contains("..") || place.to_ascii_lowercase().contains("%2e");
    let within = place.to_str().ok().filter(|place| !climbs(place)).and_then(|place| match place {
        // Relative to the host, but not another host.
        path if path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/\\") => {
            Some(format!("{base}{path}"))
        },
        // Relative to what was asked for.
        other if !other.contains([':', '\\']) && !other.starts_with('/') => Some(other.to_string()),
        _ => None,
    });
    match within.and_then(|within| HeaderValue::from_str(&within).ok()) {
        Some(within) => drop(headers.insert(LOCATION, within)),
        None => drop(headers.insert(LOCATION_TOLD, place)),
    }
}

fn refusal(reason: Refused) -> StatusCode {
    match reason {
        Refused::Token => StatusCode::UNAUTHORIZED,
        Refused::Host | Refused::Page => StatusCode::FORBIDDEN,
    }
}

fn status(reason: &CallError) -> StatusCode {
    use crate::openapi::RequestError;
    match reason {
        CallError::NoSuchApi(_) | CallError::Request(RequestError::NoPath) => StatusCode::NOT_FOUND,
        CallError::Request(RequestError::NoMethod(_)) => StatusCode::METHOD_NOT_ALLOWED,
        CallError::Request(RequestError::MediaType(_)) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        CallError::Request(RequestError::Violation(_)) => StatusCode::BAD_REQUEST,
        CallError::Cap(_) => StatusCode::PAYMENT_REQUIRED,
        CallError::Failed(_) => StatusCode::BAD_GATEWAY,
        CallError::Chain(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_below_the_api_or_are_only_told() {
        let kept = |place: &str| {
            let mut headers = hyper::HeaderMap::new();
            headers.insert(LOCATION, place.parse().expect("a value"));
            keep_within(&mut headers, "/key_1/pets");
            let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().expect("text").to_string());
            (text(&LOCATION), text(&LOCATION_TOLD))
        };
        assert_eq!(kept("/list?a=1"), (Some("/key_1/pets/list?a=1".into()), None));
        assert_eq!(kept("next"), (Some("next".into()), None));
        for elsewhere in [
            "http://127.0.0.1:24080/x",
            "https://evil.example/",
            "//evil.example/x",
            "/\\evil.example",
            "javascript:1",
            "../../other/x",
            "/a/../../x",
            "/%2E%2e/x",
        ] {
            assert_eq!(kept(elsewhere), (None, Some(elsewhere.to_string())), "{elsewhere}");
        }
    }
}
