// SPDX-License-Identifier: Apache-2.0

//! HTTP/1.1 as both proxies speak it: a listener with limits, and connections to one base URL that are used again.

mod body;
mod pool;
mod reach;
mod server;

pub use body::{collect, collect_for, hold, text_response, Body, CollectError};
pub use pool::{Base, Endpoint, SendError, Tls};
pub use reach::{is_public, Reach};
pub use server::{serve, Limits, Service};

use hyper::{
    header::{HeaderName, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST},
    HeaderMap,
};

/// Leaves only what is about the message: no headers of the connection, none that `connection` names, none of ours.
pub fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    // A caller can't have the headers removed that say how long the body is.
    for name in named.iter().filter(|name| **name != CONTENT_LENGTH && **name != HOST) {
        headers.remove(name);
    }
    remove_if(headers, |name| {
        matches!(
            name,
            "connection"
                | "keep-alive"
                | "proxy-authenticate"
                | "proxy-authorization"
                | "proxy-connection"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
        ) || name.starts_with("cairn-")
    });
}

/// Removes what says who or where a caller is, or makes a server behind take the request for another: none of it is in a
/// document. Cookies never pass: to a cookie jar, all APIs behind one proxy are one server. `authorization` passes where the
/// document asks for it.
pub fn strip_request(headers: &mut HeaderMap, authorization: bool) {
    remove_if(headers, |name| match name {
        "authorization" => !authorization,
        "cookie" | "cookie2" | "referer" | "origin" | "forwarded" | "via" | "x-real-ip" | "x-client-ip"
        | "true-client-ip" => true,
        "x-original-url" | "x-rewrite-url" | "x-original-method" => true,
        "x-http-method-override" | "x-http-method" | "x-method-override" => true,
        other => ["sec-", "x-forwarded-", "access-control-"].iter().any(|start| other.starts_with(start)),
    });
}

/// Removes what an answer could make a browser, or a cookie jar, do to this machine's other servers.
pub fn strip_response(headers: &mut HeaderMap) {
    remove_if(headers, |name| match name {
        "set-cookie" | "set-cookie2" | "www-authenticate" | "refresh" | "alt-svc" | "clear-site-data" => true,
        "strict-transport-security" | "public-key-pins" | "service-worker-allowed" | "origin-agent-cluster" => true,
        "report-to" | "reporting-endpoints" | "nel" | "sourcemap" | "timing-allow-origin" | "permissions-policy" => {
            true
        },
        other => {
            ["access-control-", "content-security-policy", "cross-origin-"].iter().any(|start| other.starts_with(start))
        },
    });
}

fn remove_if(headers: &mut HeaderMap, bad: impl Fn(&str) -> bool) {
    // Nearly always none, and then nothing is allocated.
    let found: Vec<HeaderName> = headers.keys().filter(|name| bad(name.as_str())).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// A message's content type, if it is plain text.
pub fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
}

/// Whether a message has at most one content type.
pub fn has_one_type(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).iter().nth(1).is_none()
}

/// The length that a message says its body has.
pub fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_connection_is_passed_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-private, content-length"),
            ("connection", "x-other"),
            ("x-private", "1"),
            ("x-other", "1"),
            ("proxy-connection", "close"),
            ("content-length", "3"),
            ("keep-alive", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("cairn-session", "secret"),
            ("accept", "*/*"),
        ] {
            headers.append(name, value.parse().expect("a value"));
        }
        strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "content-length"]);
    }

    fn left(names: &[&'static str], strip: impl Fn(&mut HeaderMap)) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.append(*name, "1".parse().expect("a value"));
        }
        strip(&mut headers);
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn nothing_that_tells_of_a_caller_or_of_another_request_is_passed_on() {
        let bad = [
            "cookie",
            "referer",
            "origin",
            "sec-fetch-site",
            "sec-ch-ua",
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-real-ip",
            "x-original-url",
            "x-rewrite-url",
            "x-http-method-override",
            "access-control-request-method",
            "authorization",
        ];
        assert!(left(&bad, |headers| strip_request(headers, false)).is_empty());
        assert_eq!(left(&bad, |headers| strip_request(headers, true)), ["authorization"]);
        assert_eq!(left(&["accept", "x-api-key", "range"], |headers| strip_request(headers, false)).len(), 3);
    }

    #[test]
    fn no_answer_tells_a_browser_what_to_do_with_this_machine() {
        let bad = [
            "set-cookie",
            "access-control-allow-origin",
            "access-control-allow-credentials",
            "content-security-policy",
            "content-security-policy-report-only",
            "clear-site-data",
            "alt-svc",
            "strict-transport-security",
            "refresh",
            "service-worker-allowed",
            "www-authenticate",
            "cross-origin-resource-policy",
            "report-to",
            "nel",
        ];
        assert!(left(&bad, strip_response).is_empty());
        assert_eq!(left(&["content-type", "link", "etag", "retry-after"], strip_response).len(), 4);
    }
}
