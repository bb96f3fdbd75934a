// SPDX-License-Identifier: Apache-2.0

//! One call.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use base64::{engine::general_purpose::STANDARD, Engine as _};
use bytes::Bytes;
use cairn_api::{
    consumer::{Call as ApiCall, CallBody, CallError},
    http::{Base, Body, Endpoint},
};
use http_body_util::BodyExt as _;
use hyper::{
    header::{HeaderName, HeaderValue, CONTENT_TYPE},
    http::uri::PathAndQuery,
    HeaderMap, Method, Request, Response,
};
use serde_json::json;

use super::{badge, proxy::Spender, Call};
use crate::{
    context::Context,
    failure::{failed, refused, usage, usage_with_remedy, Result},
    output::Report,
};

/// Longest body that is read from a file or standard input.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// Providers that a proxy tries, at most, for one call.
const PROVIDERS_TRIED: u32 = 4;
/// Longest answer that `--json` shows.
const SHOWN_BYTES_MAX: usize = 16 << 20;

/// Calls an API once.
pub async fn call(context: &Context, args: Call) -> Result<Report> {
    let call = read(&args)?;
    let response = match (&args.badge, &args.key) {
        (Some(badge), Some(key)) => {
            let user = badge::user(context, badge, key, &args.spending).await?;
            if user.name() != args.name {
                return Err(usage(format!("the badge is for `{}`, not for `{}`", user.name(), args.name)));
            }
            let _progress = context.output.progress("calling");
            user.call(call).await.map_err(badge::explain)?
        },
        _ => {
            let spender = args.spending.spender(context).await?;
            let _progress = context.output.progress("calling");
            match spender {
                Spender::Own(consumer) => {
                    let called = consumer.call(&args.name, call).await.map_err(explain);
                    consumer.stop();
                    called?
                },
                Spender::Running(base) => by_running(context, &base, &args, call).await?,
            }
        },
    };
    let (head, mut body) = response.into_parts();
    let shown = context.output.is_json();
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if !shown {
            std::io::stdout().lock().write_all(&data)?;
        } else if all.len() + data.len() > SHOWN_BYTES_MAX {
            return Err(failed("the answer is too long to be shown in JSON", "leave --json out"));
        } else {
            all.extend_from_slice(&data);
        }
    }
    std::io::stdout().lock().flush()?;
    if !head.status.is_success() && !shown {
        return Err(failed(format!("the answer is {}", head.status), "see what the API's document says of it"));
    }
    if !shown {
        return Ok(Report::written());
    }
    let headers: serde_json::Map<_, _> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    let mut shown = json!({ "status": head.status.as_u16(), "headers": headers });
    match (serde_json::from_slice::<serde_json::Value>(&all), std::str::from_utf8(&all)) {
        (Ok(value), _) => shown["body"] = value,
        (_, Ok(text)) => shown["body"] = json!(text),
        // Bytes that are no text are told as they are.
        _ => shown["body_base64"] = json!(STANDARD.encode(&all)),
    }
    Ok(Report::new("", shown))
}

/// A call that a running proxy makes: this account's books are its own. What it may spend is as it was started with.
async fn by_running(context: &Context, base: &str, args: &Call, call: ApiCall) -> Result<Response<Body>> {
    let unusable =
        |reason: String| failed(format!("the proxy that runs can't be asked: {reason}"), "stop it, and call again");
    context.output.note("a proxy of this account runs: it makes the call, within its own caps");
    let base = Base::parse(&format!("{base}/{}", args.name)).map_err(unusable)?;
    let proxy = Endpoint::new(base, args.spending.way()?.tls).map_err(unusable)?;
    let CallBody::Whole(body) = call.body else { return Err(unusable("the body was read".into())) };
    let mut request = Request::new(Body::whole(body));
    *request.method_mut() = call.method;
    *request.uri_mut() = proxy.target(&call.target).map_err(unusable)?;
    *request.headers_mut() = call.headers;
    // The proxy may try several providers, each for as long as it was told.
    let patience = Duration::from_secs(args.spending.patience.max(1)).saturating_mul(PROVIDERS_TRIED);
    let answer = proxy.send(request, patience).await.map_err(|error| unusable(error.to_string()))?;
    Ok(answer.map(|body| Body::Passing(body, None)))
}

fn read(args: &Call) -> Result<ApiCall> {
    let body = match args.body.as_deref() {
        None => Vec::new(),
        Some("@-") => read_all(std::io::stdin().lock())?,
        Some(text) => match text.strip_prefix('@') {
            Some(path) => {
                read_all(std::fs::File::open(path).map_err(|error| usage(format!("can't read {path}: {error}")))?)?
            },
            None => text.as_bytes().to_vec(),
        },
    };
    let method = match (&args.method, body.is_empty()) {
        (Some(method), _) => {
            method.to_ascii_uppercase().parse().map_err(|_| usage(format!("`{method}` is no method")))?
        },
        (None, true) => Method::GET,
        (None, false) => Method::POST,
    };
    let mut headers = HeaderMap::new();
    for header in &args.header {
        let wrong = || usage(format!("`{header}` is no header: write it like `accept: text/plain`"));
        let (name, value) = header.split_once(':').ok_or_else(wrong)?;
        let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
        headers.append(name, HeaderValue::from_str(value.trim()).map_err(|_| wrong())?);
    }
    if !body.is_empty() && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if !args.target.starts_with('/') {
        return Err(usage("a path begins with /"));
    }
    if let Err(error) = args.target.parse::<PathAndQuery>() {
        let encoded = "write what isn't a letter, a digit or one of /?&=-._~ as % and two hex digits: a space is %20";
        return Err(usage_with_remedy(format!("`{}` is no path: {error}", args.target), encoded));
    }
    Ok(ApiCall { method, target: args.target.clone(), headers, body: CallBody::Whole(Bytes::from(body)) })
}

fn read_all(from: impl std::io::Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(BODY_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BODY_BYTES_MAX {
        return Err(usage("the body is too big"));
    }
    Ok(bytes)
}

fn explain(error: CallError) -> anyhow::Error {
    match error {
        CallError::Chain(error) => error.into(),
        CallError::NoSuchApi(_) | CallError::Request(_) => usage(error.to_string()),
        CallError::Cap(_) => refused("Api::Cap", error.to_string(), "raise the cap if that is what you want"),
        other => {
            failed(other.to_string(), "`cairn api list --name NAME` shows the providers; RUST_LOG=debug tells more")
        },
    }
}
