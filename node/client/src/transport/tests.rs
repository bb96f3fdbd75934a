// SPDX-License-Identifier: Apache-2.0

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
    sync::Mutex as StdMutex,
};

use super::*;

/// What a fake endpoint does with requests.
#[derive(Clone)]
struct Endpoint {
    genesis: u8,
    /// Answers this many requests before its connection breaks; the genesis check counts.
    requests_left: Arc<AtomicUsize>,
    served: Arc<StdMutex<Vec<String>>>,
    /// Takes requests, and doesn't answer.
    hangs: bool,
}

impl Endpoint {
    fn new(genesis: u8, requests: usize) -> Self {
        Self { genesis, requests_left: Arc::new(AtomicUsize::new(requests)), served: Arc::default(), hangs: false }
    }

    fn served(&self) -> Vec<String> {
        self.served.lock().expect("not poisoned").clone()
    }
}

impl RpcClientT for Endpoint {
    fn request_raw<'a>(&'a self, method: &'a str, _: Option<Box<RawValue>>) -> RawRpcFuture<'a, Box<RawValue>> {
        Box::pin(async move {
            self.served.lock().expect("not poisoned").push(method.to_string());
            if self.hangs && method != "chain_getBlockHash" {
                return futures::future::pending().await;
            }
            let left = self.requests_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            if left.is_err() {
                return Err(RpcError::Client("connection reset".into()));
            }
            let answer = match method {
                "chain_getBlockHash" => format!("\"0x{}\"", hex::encode([self.genesis; 32])),
                "refuse" => {
                    return Err(RpcError::User(subxt::rpcs::UserError { code: 7, message: "no".into(), data: None }))
                },
                // The connection breaks with the request, and can be made again.
                "break" | "author_break" => return Err(RpcError::Client("connection reset".into())),
                _ => format!("\"{}\"", self.genesis),
            };
            Ok(RawValue::from_string(answer).expect("valid JSON"))
        })
    }

    fn subscribe_raw<'a>(
        &'a self,
        _: &'a str,
        _: Option<Box<RawValue>>,
        _: &'a str,
    ) -> RawRpcFuture<'a, RawRpcSubscription> {
        Box::pin(async { Err(RpcError::Client("connection reset".into())) })
    }
}

struct Net(HashMap<String, Endpoint>);

impl Connect for Net {
    fn connect<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<RpcClient, String>> {
        let endpoint = self.0.get(url).cloned();
        Box::pin(async move { endpoint.map(RpcClient::new).ok_or_else(|| "connection refused".to_string()) })
    }
}

fn transport(urls: &[&str], endpoints: &[(&str, &Endpoint)]) -> Transport {
    let net = Net(endpoints.iter().map(|(url, endpoint)| (url.to_string(), (*endpoint).clone())).collect());
    let urls = urls.iter().map(|url| url.to_string()).collect();
    Transport(Arc::new(Failover::new(urls, net, Duration::ZERO)))
}

/// Two endpoints, of which the first takes requests and doesn't answer.
fn with_one_that_hangs() -> (Transport, Endpoint) {
    let (mut hanging, other) = (Endpoint::new(1, 99), Endpoint::new(1, 99));
    hanging.hangs = true;
    let net = Net([("a".to_string(), hanging), ("b".to_string(), other.clone())].into());
    let mut failover = Failover::new(vec!["a".into(), "b".into()], net, Duration::ZERO);
    failover.silent = Duration::from_millis(100);
    (Transport(Arc::new(failover)), other)
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_given_up_for_another() {
    let (transport, other) = with_one_that_hangs();
    ask(&transport, "x").await.expect("b answers");
    assert_eq!(transport.0.url().await.as_deref(), Some("b"));
    assert_eq!(other.served(), ["chain_getBlockHash", "x"]);
}

#[tokio::test]
async fn a_submission_to_an_endpoint_that_hangs_is_not_sent_to_another() {
    let (transport, other) = with_one_that_hangs();
    let error = ask(&transport, "author_submitExtrinsic").await.expect_err("nobody answers").to_string();
    assert!(error.contains("silent for 0.1 s"), "{error}");
    assert!(other.served().is_empty());
}

async fn ask(transport: &Transport, method: &str) -> Result<String, RpcError> {
    transport.request_raw(method, None).await.map(|answer| answer.get().to_string())
}

#[tokio::test]
async fn the_next_endpoint_takes_over_when_one_fails() {
    let (a, b) = (Endpoint::new(1, 2), Endpoint::new(1, 99));
    let transport = transport(&["a", "b"], &[("a", &a), ("b", &b)]);
    ask(&transport, "x").await.expect("a answers");
    assert_eq!(transport.0.url().await.as_deref(), Some("a"));
    ask(&transport, "y").await.expect("b answers");
    assert_eq!(transport.0.url().await.as_deref(), Some("b"));
    assert_eq!(b.served(), ["chain_getBlockHash", "y"]);
}

#[tokio::test]
async fn an_endpoint_that_refuses_connections_is_passed_over() {
    let b = Endpoint::new(1, 99);
    let transport = transport(&["a", "b"], &[("b", &b)]);
    ask(&transport, "x").await.expect("b answers");
}

#[tokio::test]
async fn an_endpoint_of_another_chain_is_not_used() {
    let (a, b) = (Endpoint::new(1, 2), Endpoint::new(2, 99));
    let transport = transport(&["a", "b"], &[("a", &a), ("b", &b)]);
    ask(&transport, "x").await.expect("a answers");
    let error = ask(&transport, "y").await.expect_err("only another chain is left").to_string();
    assert!(error.contains("another chain"), "{error}");
    assert_eq!(b.served(), ["chain_getBlockHash"]);
}

#[tokio::test]
async fn submissions_are_sent_once_only() {
    let (a, b) = (Endpoint::new(1, 1), Endpoint::new(1, 99));
    let transport = transport(&["a", "b"], &[("a", &a), ("b", &b)]);
    ask(&transport, "author_submitExtrinsic").await.expect_err("a broke");
    assert_eq!(a.served(), ["chain_getBlockHash", "author_submitExtrinsic"]);
    assert!(b.served().is_empty());
    ask(&transport, "x").await.expect("b answers afterwards");
}

#[tokio::test]
async fn a_refusal_is_not_a_broken_connection() {
    let a = Endpoint::new(1, 99);
    let transport = transport(&["a"], &[("a", &a)]);
    assert!(matches!(ask(&transport, "refuse").await, Err(RpcError::User(_))));
    assert_eq!(a.served(), ["chain_getBlockHash", "refuse"]);
    assert_eq!(transport.0.url().await.as_deref(), Some("a"));
}

#[tokio::test]
async fn all_endpoints_are_named_when_none_serves() {
    let transport = transport(&["a", "b"], &[]);
    let error = ask(&transport, "x").await.expect_err("nobody there");
    let RpcError::Client(cause) = error else { panic!("wrong kind") };
    let cause = cause.downcast_ref::<Unreachable>().expect("typed").to_string();
    assert_eq!(cause, "a (connection refused); b (connection refused)");
}

#[tokio::test]
async fn requests_give_up_after_some_attempts() {
    let sent = |endpoint: &Endpoint, method: &str| endpoint.served().iter().filter(|served| *served == method).count();
    let (a, b) = (Endpoint::new(1, usize::MAX), Endpoint::new(1, usize::MAX));
    let transport = transport(&["a", "b"], &[("a", &a), ("b", &b)]);
    ask(&transport, "break").await.expect_err("breaks every connection");
    assert_eq!(sent(&a, "break") + sent(&b, "break"), ATTEMPTS_MAX);
    assert!(sent(&a, "break") > 0 && sent(&b, "break") > 0, "the endpoints take turns");
    ask(&transport, "author_break").await.expect_err("breaks every connection");
    assert_eq!(sent(&a, "author_break") + sent(&b, "author_break"), 1);
}

#[tokio::test]
async fn an_endpoint_of_no_use_is_left_for_another_if_there_is_one() {
    let (a, b) = (Endpoint::new(1, 99), Endpoint::new(1, 99));
    let both = transport(&["a", "b"], &[("a", &a), ("b", &b)]);
    for expected in ["a", "b", "a"] {
        ask(&both, "x").await.expect("answers");
        assert_eq!(both.0.url().await.as_deref(), Some(expected));
        both.0.change_endpoint().await;
    }
    let alone = transport(&["a"], &[("a", &a)]);
    ask(&alone, "x").await.expect("answers");
    alone.0.change_endpoint().await;
    assert_eq!(alone.0.url().await.as_deref(), Some("a"), "it stays connected");
}

#[test]
fn urls_are_checked() {
    for good in ["ws://127.0.0.1:9944", "wss://rpc.example.org", "ws://[::1]:9944/path", "ws://[::1]", "wss://u:p@h:1"]
    {
        check_url(good).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for bad in [
        "",
        "127.0.0.1:9944",
        "http://127.0.0.1:9944",
        "https://h",
        "ws://",
        "ws://:9944",
        "ws://h:0",
        "ws://h:65536",
        "ws://h:x",
        "ws://h h:1",
        "ftp://h",
    ] {
        assert_eq!(check_url(bad).expect_err(bad).kind(), crate::ErrorKind::Invalid);
    }
}

#[test]
fn an_endpoint_elsewhere_without_encryption_is_exposed() {
    for (url, exposed) in [
        ("ws://127.0.0.1:9944", false),
        ("ws://127.9.9.9", false),
        ("ws://localhost:9944/path", false),
        ("ws://node.localhost:9944", false),
        ("ws://[::1]:9944", false),
        ("ws://[::ffff:127.0.0.1]:9944", false),
        ("wss://rpc.example.org", false),
        ("ws://rpc.example.org:9944", true),
        ("ws://localhost.example.org", true),
        ("ws://192.168.1.7:9944", true),
        ("ws://[2001:db8::1]:9944", true),
    ] {
        assert_eq!(is_exposed(url), exposed, "{url}");
    }
}
