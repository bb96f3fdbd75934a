// SPDX-License-Identifier: Apache-2.0

//! Who may use the consumer's endpoint: programs of this machine's user, and web pages of origins that the user allowed.
//!
//! # Correctness
//! A browser sends requests here for any page that it shows. It may leave `Origin` out (images, scripts, frames, navigations),
//! but never the fetch metadata of a page's request, and a page knows no token. So each of these refuses alone: the token, a
//! `Host` that isn't this machine's, an `Origin` or a `Referer` that isn't allowed, and fetch metadata of another site, of a
//! navigation, or of anything but a program's own `fetch`.

use std::fmt;

use hyper::{
    header::{
        HeaderName, HeaderValue, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, REFERER, VARY,
    },
    HeaderMap, Method, Response, StatusCode, Version,
};

use crate::http::Body;

/// The header that may carry the token in the place of the path.
pub const TOKEN_HEADER: &str = "cairn-token";
/// What the token's segment of a path begins with. No API's name has a `_`.
const TOKEN_START: &str = "key_";
/// Bytes of a token.
const TOKEN_BYTES: usize = 16;
/// For how long a browser need not ask again, in seconds.
const PREFLIGHT_SECONDS: u64 = 600;
/// Bytes of the names of headers that a page asks for.
const ASKED_HEADERS_MAX: usize = 2_048;

/// What a program shows to be let in: the first segment of the path, or the header `cairn-token`.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyToken(String);

impl fmt::Debug for ProxyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyToken(...)")
    }
}

impl ProxyToken {
    /// A new one, of 128 random bits.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn make() -> Result<Self, String> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
        Ok(Self(format!("{TOKEN_START}{}", hex::encode(bytes))))
    }

    /// Reads what [`Self::text`] gave.
    pub fn read(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix(TOKEN_START)?;
        let good = digits.len() == 2 * TOKEN_BYTES && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        good.then(|| Self(format!("{TOKEN_START}{digits}")))
    }

    /// As it stands in a path.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Compares in a time that doesn't depend on where they differ.
    fn is(&self, shown: &[u8]) -> bool {
        let own = self.0.as_bytes();
        own.len() == shown.len() && own.iter().zip(shown).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

/// Who may use the endpoint.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// Names by which it may be called, besides this machine's.
    pub hosts: Vec<String>,
    /// Origins of web pages that may call it.
    pub origins: Vec<String>,
    /// What must be shown; none: nothing.
    pub token: Option<ProxyToken>,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the Host is not this machine; allow it with --allow-host")]
    Host,
    #[error("web pages may not spend here; allow a page's origin with --allow-origin")]
    Page,
    #[error("the token is missing or wrong: the base URL is http://ADDRESS:PORT/TOKEN/NAME, and `cairn api url NAME` prints it")]
    Token,
}

/// Somebody who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted<'p> {
    /// Path and query below the token.
    pub rest: &'p str,
    /// What stands before it: with the token, if the path has it.
    pub before: &'p str,
    /// The page's origin, if one asks.
    pub origin: Option<HeaderValue>,
}

impl Gate {
    /// Looks at a request's headers and path (with its query, and a slash at its beginning).
    ///
    /// # Errors
    /// [`Refused`].
    pub fn admit<'p>(&self, headers: &HeaderMap, version: Version, target: &'p str) -> Result<Admitted<'p>, Refused> {
        let origin = self.check_page(headers, version)?;
        let (before, rest) = match target.strip_prefix('/') {
            Some(rest) if rest.starts_with(TOKEN_START) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                target.split_at(1 + end)
            },
            _ => ("", target),
        };
        let Some(token) = &self.token else { return Ok(Admitted { rest, before, origin }) };
        let shown = match before {
            "" => headers.get(TOKEN_HEADER).map(HeaderValue::as_bytes).unwrap_or_default(),
            _ => &before.as_bytes()[1..],
        };
        match token.is(shown) {
            true => Ok(Admitted { rest, before, origin }),
            false => Err(Refused::Token),
        }
    }

    /// The answer to a browser's question whether a page may call; none if this is no such question, or not to be answered.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap, version: Version) -> Option<Response<Body>> {
        let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        let origin = self.check_page(headers, version).ok()??;
        if method != Method::OPTIONS {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, asked.clone());
        if let Some(names) =
            headers.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|names| names.len() <= ASKED_HEADERS_MAX)
        {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        answer.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS.into());
        // Browsers ask before a public page may call this machine.
        if headers.contains_key("access-control-request-private-network") {
            let name = HeaderName::from_static("access-control-allow-private-network");
            answer.insert(name, HeaderValue::from_static("true"));
        }
        allow(answer, &origin);
        Some(response)
    }

    /// The page's origin, if a page asks that may.
    fn check_page(&self, headers: &HeaderMap, version: Version) -> Result<Option<HeaderValue>, Refused> {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        match text(HOST) {
            Some(host) if self.is_host(host) => {},
            // Programs of old send none; no browser is one of them.
            None if version == Version::HTTP_10 => {},
            _ => return Err(Refused::Host),
        }
        let known = |origin: &str| self.origins.iter().any(|known| known == origin);
        let allowed = match text(ORIGIN) {
            None => false,
            Some(origin) if known(origin) => true,
            Some(_) => return Err(Refused::Page),
        };
        let fetch = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let is_page = match fetch("sec-fetch-site") {
            None | Some("none" | "same-origin") => false,
            Some(_) => !allowed,
        };
        let is_shown = fetch("sec-fetch-mode").is_some_and(|mode| !matches!(mode, "cors" | "same-origin" | "no-cors"))
            || fetch("sec-fetch-dest").is_some_and(|what| what != "empty")
            || headers.contains_key("sec-fetch-user");
        let referred = text(REFERER).is_some_and(|page| !origin_of(page).is_some_and(known));
        if is_page || is_shown || referred || headers.get_all(ORIGIN).iter().nth(1).is_some() {
            return Err(Refused::Page);
        }
        Ok(headers.get(ORIGIN).cloned())
    }

    fn is_host(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let local = bare.eq_ignore_ascii_case("localhost")
            || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        local || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(bare) || known.eq_ignore_ascii_case(host))
    }
}

/// `https://a.example:1` of `https://a.example:1/path`.
fn origin_of(url: &str) -> Option<&str> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    Some(&url[..end])
}

/// Lets a page read an answer.
pub fn allow(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "key_000102030405060708090a0b0c0d0e0f";

    fn gate() -> Gate {
        Gate {
            hosts: vec!["proxy.lan".into()],
            origins: vec!["https://mine.example".into()],
            token: ProxyToken::read(TOKEN),
        }
    }

    fn ask(gate: &Gate, headers: &[(&'static str, &str)], target: &str) -> Result<String, Refused> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        gate.admit(&map, Version::HTTP_11, target).map(|admitted| admitted.rest.to_string())
    }

    #[test]
    fn strange_names_of_this_machine_are_refused() {
        let path = format!("/{TOKEN}/a");
        for host in
            ["127.0.0.1:9970", "localhost:9970", "LocalHost", "[::1]:9970", "proxy.lan:9970", "Proxy.LAN", "127.8.8.8"]
        {
            ask(&gate(), &[("host", host)], &path).expect(host);
        }
        for host in ["evil.example:9970", "127.0.0.1.evil.example", "192.0.2.1", "", "localhost.evil:1"] {
            assert_eq!(ask(&gate(), &[("host", host)], &path), Err(Refused::Host), "{host}");
        }
        assert_eq!(ask(&gate(), &[], &path), Err(Refused::Host));
        gate().admit(&HeaderMap::new(), Version::HTTP_10, &path).expect("HTTP/1.0 has no Host");
    }

    #[test]
    fn no_request_of_a_web_page_is_let_in_even_with_the_token() {
        let path = format!("/{TOKEN}/a");
        let host = ("host", "127.0.0.1:9970");
        for headers in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "https://mine.example.evil")],
            &[("origin", "https://mine.example"), ("origin", "https://evil.example")],
            &[("referer", "https://evil.example/")],
            &[("referer", "http://127.0.0.1:9970/page")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
            &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "script")],
            &[("sec-fetch-dest", "iframe")],
            &[("sec-fetch-mode", "websocket")],
            &[("origin", "https://mine.example"), ("referer", "https://evil.example/x")],
        ] {
            let all: Vec<_> = [host].iter().chain(headers).copied().collect();
            assert_eq!(ask(&gate(), &all, &path), Err(Refused::Page), "{headers:?}");
        }
        for headers in [
            &[][..],
            // Node's own fetch.
            &[("sec-fetch-mode", "cors")],
            &[
                ("origin", "https://mine.example"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "cors"),
                ("sec-fetch-dest", "empty"),
                ("referer", "https://mine.example/page?x"),
            ],
        ] {
            let all: Vec<_> = [host].iter().chain(headers).copied().collect();
            assert_eq!(ask(&gate(), &all, &path).as_deref(), Ok("/a"), "{headers:?}");
        }
    }

    #[test]
    fn only_whoever_has_the_token_is_let_in() {
        let host = ("host", "localhost");
        for target in
            ["/", "/weather/now", "/key_/a", "/key_00/a", "/key_000102030405060708090a0b0c0d0e00/a", "/x/key_0001/a"]
        {
            assert_eq!(ask(&gate(), &[host], target), Err(Refused::Token), "{target}");
        }
        assert_eq!(ask(&gate(), &[host], &format!("/{TOKEN}")).as_deref(), Ok(""));
        assert_eq!(ask(&gate(), &[host], &format!("/{TOKEN}/weather/now?a=/b")).as_deref(), Ok("/weather/now?a=/b"));
        assert_eq!(ask(&gate(), &[host, (TOKEN_HEADER, TOKEN)], "/weather").as_deref(), Ok("/weather"));
        assert_eq!(ask(&gate(), &[host, (TOKEN_HEADER, TOKEN)], "/key_ff/weather"), Err(Refused::Token));
        let open = Gate { token: None, ..gate() };
        assert_eq!(ask(&open, &[host], "/weather/now").as_deref(), Ok("/weather/now"));
        let made = ProxyToken::make().expect("random bytes");
        assert_eq!(ProxyToken::read(made.text()), Some(made.clone()));
        assert!(!format!("{made:?}").contains(&made.text()[4..]), "logs don't tell it");
    }

    #[test]
    fn the_proxy_itself_answers_the_questions_of_browsers() {
        let ask = |origin: &'static str, method: Method| {
            let mut headers = HeaderMap::new();
            for (name, value) in [
                ("host", "127.0.0.1:9970"),
                ("origin", origin),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "content-type,x-a"),
                ("access-control-request-private-network", "true"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "cors"),
                ("sec-fetch-dest", "empty"),
            ] {
                headers.insert(name, value.parse().expect("a value"));
            }
            gate().preflight(&method, &headers, Version::HTTP_11)
        };
        let answer = ask("https://mine.example", Method::OPTIONS).expect("is answered");
        for (name, value) in [
            ("access-control-allow-origin", "https://mine.example"),
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-headers", "content-type,x-a"),
            ("access-control-allow-private-network", "true"),
            ("vary", "Origin"),
        ] {
            assert_eq!(answer.headers()[name], value);
        }
        assert!(!answer.headers().contains_key("access-control-allow-credentials"));
        assert!(
            ask("https://evil.example", Method::OPTIONS).is_none()
                && ask("https://mine.example", Method::GET).is_none()
        );
    }
}
