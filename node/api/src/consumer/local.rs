// SPDX-License-Identifier: Apache-2.0

//! The consumer's own HTTP endpoint: `http://127.0.0.1:PORT/NAME/path?query`.
//!
//! It spends money for whoever can reach it. So it listens on this machine only unless told otherwise, and doesn't let web
//! pages use it: a page that a browser shows can send requests to this machine, with an `Origin` that gives it away, or by a
//! name of its own that leads here, which the `Host` gives away.

use std::{net::SocketAddr, sync::Arc};

use hyper::{
    body::{Body as _, Incoming},
    header::{HOST, ORIGIN},
    Request, Response, StatusCode,
};

use super::{Call, CallBody, CallError, Consumer};
use crate::{
    http::{collect, strip, Body, CollectError, Service},
    provider::error,
};

/// Longest body that is held, so that the call can go to another provider.
const HELD_BYTES_MAX: usize = 1 << 20;

/// Who may use the endpoint.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// Names by which it may be called, besides this machine's.
    pub hosts: Vec<String>,
    /// Origins of web pages that may call it.
    pub origins: Vec<String>,
}

impl Gate {
    fn check(&self, request: &Request<Incoming>) -> Result<(), &'static str> {
        let text = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
        self.check_texts(text(HOST), text(ORIGIN))
    }

    fn check_texts(&self, host: Option<&str>, origin: Option<&str>) -> Result<(), &'static str> {
        let host = host.unwrap_or_default();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let local = name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if !local && !self.hosts.iter().any(|known| known == name || known == host) {
            return Err("the Host is not this machine; allow it with --allow-host");
        }
        match origin {
            Some(origin) if !self.origins.iter().any(|known| known == origin) => {
                Err("web pages may not spend here; allow this one with --allow-origin")
            },
            _ => Ok(()),
        }
    }
}

/// The endpoint.
pub struct Local {
    /// What it calls through.
    pub consumer: Arc<Consumer>,
    /// Who may use it.
    pub gate: Gate,
}

impl Service for Local {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _: SocketAddr) -> Response<Body> {
        if let Err(reason) = self.gate.check(&request) {
            return error(StatusCode::FORBIDDEN, reason);
        }
        let (mut parts, body) = request.into_parts();
        let Some(rest) = parts.uri.path_and_query().map(|target| target.as_str()).and_then(|t| t.strip_prefix('/'))
        else {
            return error(StatusCode::BAD_REQUEST, "call /NAME/path");
        };
        if rest.is_empty() {
            let mut response = Response::new(Body::whole(format!("{:#}\n", self.consumer.status())));
            let kind = hyper::header::HeaderValue::from_static("application/json");
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
        parts.headers.remove(ORIGIN);
        let body = if body.is_end_stream() {
            CallBody::Whole(Default::default())
        } else {
            match collect(body, HELD_BYTES_MAX).await {
                Ok(bytes) => CallBody::Whole(bytes),
                Err(CollectError::TooBig(first, rest)) => CallBody::Passing(Some(first), rest),
                Err(other) => return error(StatusCode::BAD_REQUEST, &other.to_string()),
            }
        };
        let call = Call { method: parts.method, target, headers: parts.headers, body };
        match self.consumer.call(&name, call).await {
            Ok(response) => response,
            Err(reason) => error(status(&reason), &reason.to_string()),
        }
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
    fn web_pages_and_strange_names_are_kept_out() {
        let gate = Gate { hosts: vec!["proxy.lan".into()], origins: vec!["https://mine.example".into()] };
        for host in ["127.0.0.1:9970", "localhost:9970", "[::1]:9970", "localhost", "proxy.lan:9970"] {
            gate.check_texts(Some(host), None).expect(host);
        }
        for host in ["evil.example:9970", "127.0.0.1.evil.example", "192.0.2.1", "", "localhost.evil:1"] {
            assert!(gate.check_texts(Some(host), None).is_err(), "{host}");
        }
        assert!(gate.check_texts(None, None).is_err());
        assert!(gate.check_texts(Some("localhost"), Some("https://evil.example")).is_err());
        assert!(gate.check_texts(Some("localhost"), Some("null")).is_err());
        gate.check_texts(Some("localhost"), Some("https://mine.example")).expect("allowed");
    }
}
