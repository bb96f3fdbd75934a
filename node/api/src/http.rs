// SPDX-License-Identifier: Apache-2.0

//! HTTP/1.1 as both proxies speak it: a listener with limits, and connections to one base URL that are used again.

mod body;
mod pool;
mod server;

pub use body::{collect, hold, text_response, Body, CollectError};
pub use pool::{Base, Endpoint, SendError, Tls};
pub use server::{serve, Limits, Service};

use hyper::{
    header::{
        HeaderName, CONNECTION, CONTENT_TYPE, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
    HeaderMap,
};

/// Headers that are about one connection, and not about the message.
const HOP_BY_HOP: [HeaderName; 7] =
    [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Leaves only what is about the message: no headers of the connection, none that `connection` names, none of ours.
pub fn strip(headers: &mut HeaderMap) {
    if let Some(named) = headers.get(CONNECTION).and_then(|value| value.to_str().ok()) {
        let named: Vec<HeaderName> = named.split(',').filter_map(|name| name.trim().parse().ok()).collect();
        // A caller can't have the headers removed that say how long the body is.
        for name in named.iter().filter(|name| **name != hyper::header::CONTENT_LENGTH && **name != HOST) {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    let own: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().starts_with("cairn-")).cloned().collect();
    for name in own {
        headers.remove(name);
    }
}

/// A message's content type, if it is plain text.
pub fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
}

/// The length that a message says its body has.
pub fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(hyper::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_connection_is_passed_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-private, content-length"),
            ("x-private", "1"),
            ("content-length", "3"),
            ("keep-alive", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("cairn-session", "secret"),
            ("accept", "*/*"),
        ] {
            headers.insert(name, value.parse().expect("a value"));
        }
        strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "content-length"]);
    }
}
