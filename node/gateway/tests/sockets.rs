// SPDX-License-Identifier: Apache-2.0

//! A running server over real sockets.

mod common;
#[path = "sockets/forwarding.rs"]
mod forwarding;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;
use cairn_gateway::dns::{Config, RateLimit, Server, SnapshotHandle, StartError, Via, CERTIFICATE_FILE};
use cairn_primitives::names::rr;
use common::decode::Response;
use common::{builder, entry, label, query, wire, Opt};
use tokio_rustls::rustls::pki_types::{pem::PemObject, CertificateDer, ServerName};
use tokio_rustls::rustls::{crypto, ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const PATIENCE: Duration = Duration::from_secs(5);

fn handle() -> SnapshotHandle {
    let text: Vec<String> = (0..8).map(|n| format!("\"{}\"", n.to_string().repeat(200))).collect();
    let blog = entry(&[
        " 300 A 192.0.2.1",
        &format!("big 300 TXT {}", text.join("|")),
        "alias 300 ALIAS host.example.",
        "dead 300 ALIAS dead.example.",
        "www 300 CNAME host.example.",
    ]);
    SnapshotHandle::new(builder(&[(label("blog"), blog)]).snapshot())
}

fn config(folder: &Path) -> Config {
    let mut config = Config::new(folder);
    (config.listen, config.stale_after, config.udp_threads) = (vec![LOCAL], None, 2);
    (config.upstream_timeout, config.upstream_patience) = (Duration::from_millis(300), Duration::from_millis(600));
    config
}

fn udp(server: SocketAddr, message: &[u8]) -> Option<Response> {
    let socket = UdpSocket::bind(LOCAL).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket.connect(server).unwrap();
    socket.send(message).unwrap();
    let mut answer = [0; 2048];
    let length = socket.recv(&mut answer).ok()?;
    Some(Response::read(&answer[..length]))
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

fn read_framed(stream: &mut impl Read) -> std::io::Result<Response> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    Ok(Response::read(&answer))
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn connect_tls(server: SocketAddr, folder: &Path, protocol: &[u8]) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join(CERTIFICATE_FILE)).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), connect(server))
}

/// Sends an HTTP/1.1 request and reads status line, headers and body.
fn http(stream: &mut (impl Read + Write), head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let request = format!("{head}\r\nHost: localhost\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(&[request.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let split = answer.windows(4).position(|part| part == b"\r\n\r\n").expect("a complete head");
    (String::from_utf8(answer[..split].to_vec()).unwrap().to_lowercase(), answer[split + 4..].to_vec())
}

/// Runs blocking client code beside the server.
async fn client<T: Send + 'static>(code: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(code).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn udp_and_tcp_answer_and_truncated_ones_come_over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(config(folder.path()), handle()).await.unwrap();
    let address = server.addresses().plain[0];
    client(move || {
        assert_eq!(udp(address, &query(1, "blog.cairn", rr::A, None)).unwrap().data(rr::A), [[192, 0, 2, 1]]);
        assert_eq!(udp(address, &query(1, "no.cairn", rr::A, None)).unwrap().rcode, 3);
        let big = query(2, "big.blog.cairn", rr::TXT, None);
        assert!(udp(address, &big).unwrap().truncated);
        // Pipelined, and in pieces.
        let mut stream = connect(address);
        let both = [framed(&big), framed(&query(3, "blog.cairn", rr::A, None))].concat();
        for piece in both.chunks(7) {
            stream.write_all(piece).unwrap();
        }
        assert_eq!(read_framed(&mut stream).unwrap().answers.len(), 8);
        assert_eq!(read_framed(&mut stream).unwrap().id, 3);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "closed in order");
        // No query: the connection is closed.
        for rubbish in [framed(&[0; 5]), vec![0xff; 100]] {
            let mut stream = connect(address);
            stream.write_all(&rubbish).unwrap();
            assert!(read_framed(&mut stream).is_err());
        }
    })
    .await;
    assert_eq!(server.metrics().responses(Via::Udp, 0), 2);
    assert_eq!(server.metrics().responses(Via::Tcp, 0), 2);
    assert!(server.render_metrics().contains("cairn_dns_truncated_total 1\n"));
    server.stop().await;
    assert!(client(move || udp(address, &query(1, "blog.cairn", rr::A, None))).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_snapshot_answers_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let snapshots = handle();
    let server = Server::start(config(folder.path()), snapshots.clone()).await.unwrap();
    let address = server.addresses().plain[0];
    snapshots.store(builder(&[(label("new"), entry(&[" 60 A 192.0.2.9"]))]).snapshot());
    let codes = client(move || {
        ["new.cairn", "blog.cairn"].map(|name| udp(address, &query(1, name, rr::A, None)).unwrap().rcode)
    });
    assert_eq!(codes.await, [0, 3]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_https_answer_with_a_certificate_that_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    (config.listen_tls, config.listen_https, config.listen_http) = (vec![LOCAL], vec![LOCAL], vec![LOCAL]);
    let server = Server::start(config.clone(), handle()).await.unwrap();
    let certificate = std::fs::read(folder.path().join(CERTIFICATE_FILE)).unwrap();
    let key = folder.path().join("dns-tls-key.pem");
    assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    let (addresses, at) = (server.addresses().clone(), folder.path().to_owned());
    let at_folder = at.clone();
    client(move || {
        let mut stream = connect_tls(addresses.tls[0], &at, b"dot");
        stream.write_all(&framed(&query(1, "big.blog.cairn", rr::TXT, None))).unwrap();
        assert_eq!(read_framed(&mut stream).unwrap().answers.len(), 8);

        let message = query(0, "blog.cairn", rr::A, None);
        let get = format!("GET /dns-query?dns={} HTTP/1.1", URL_SAFE_NO_PAD.encode(&message));
        let post = "POST /dns-query HTTP/1.1\r\nContent-Type: application/dns-message";
        // Types are told apart without regard to case, and may have parameters; padding may be there, and escaped.
        let post_with_parameter = "POST /dns-query HTTP/1.1\r\nContent-Type: Application/DNS-Message; charset=utf-8";
        let get_padded = get.replace(" HTTP", "%3D%3d HTTP");
        let heads = [(&get[..], &b""[..]), (&get_padded, b""), (post, &message[..]), (post_with_parameter, &message)];
        for (head, body) in heads {
            for tls in [true, false] {
                let (head, answer) = match tls {
                    true => http(&mut connect_tls(addresses.https[0], &at, b"http/1.1"), head, body),
                    false => http(&mut connect(addresses.http[0]), head, body),
                };
                assert!(head.starts_with("http/1.1 200") && head.contains("content-type: application/dns-message"));
                assert!(head.contains("cache-control: max-age=300"), "{head}");
                assert_eq!(Response::read(&answer).data(rr::A), [[192, 0, 2, 1]]);
            }
        }
        let (head, body) = http(&mut connect(addresses.http[0]), &get.replace("GET", "HEAD"), b"");
        assert!(head.starts_with("http/1.1 200") && body.is_empty(), "{head}");
        // Whoever pads gets padded answers, all of one length.
        let lengths = ["blog.cairn", "a-longer-name-than-that.cairn"].map(|name| {
            let mut padded = query(0, name, rr::A, Some(Opt { udp_bytes: 1232, dnssec_ok: false }));
            let at = padded.len() - 1;
            padded[at] = 8;
            padded.extend_from_slice(&[0, 12, 0, 4, 0, 0, 0, 0]);
            let (head, answer) = http(&mut connect_tls(addresses.https[0], &at_folder, b"http/1.1"), post, &padded);
            assert!(head.starts_with("http/1.1 200"), "{head}");
            assert_eq!(Response::read(&answer).edns, Some((0, false)));
            answer.len()
        });
        assert_eq!(lengths, [468, 468]);
        let long = vec![0; 5000];
        let bad: [(&str, &[u8], u16); 8] = [
            ("GET /other HTTP/1.1", b"", 404),
            ("GET /dns-query HTTP/1.1", b"", 400),
            ("GET /dns-query?dns=*** HTTP/1.1", b"", 400),
            ("PUT /dns-query HTTP/1.1", b"", 405),
            ("HEAD /dns-query HTTP/1.1", b"", 400),
            ("POST /dns-query HTTP/1.1\r\nContent-Type: text/plain", &message, 415),
            (post, &long, 413),
            (post, b"short", 400),
        ];
        for (head, body, status) in bad {
            let (answer, _) = http(&mut connect(addresses.http[0]), head, body);
            assert!(answer.starts_with(&format!("http/1.1 {status}")), "{head}: {answer}");
        }
    })
    .await;
    server.stop().await;
    let again = Server::start(config, handle()).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join(CERTIFICATE_FILE)).unwrap(), certificate);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_idle_connection_makes_room_and_idle_ones_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    (config.connections_max, config.idle_timeout) = (2, Duration::from_secs(1));
    let server = Server::start(config, handle()).await.unwrap();
    let address = server.addresses().plain[0];
    client(move || {
        let message = framed(&query(1, "blog.cairn", rr::A, None));
        let ask = |stream: &mut TcpStream| {
            stream.write_all(&message).unwrap();
            assert_eq!(read_framed(stream).unwrap().rcode, 0);
        };
        // The first one asks again after the second: then the second is the longest idle.
        let mut taken: Vec<TcpStream> = (0..2).map(|_| connect(address)).collect();
        taken.iter_mut().for_each(ask);
        std::thread::sleep(Duration::from_millis(20));
        ask(&mut taken[0]);
        let mut third = connect(address);
        ask(&mut third);
        assert!(matches!(taken[1].read(&mut [0; 1]), Ok(0) | Err(_)), "ended to make room");
        ask(&mut taken[0]);
        for stream in [&mut taken[0], &mut third] {
            assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "closed for being idle");
        }
        // However many are open and ask nothing, whoever comes is answered.
        let idle: Vec<TcpStream> = (0..20).map(|_| connect(address)).collect();
        ask(&mut connect(address));
        drop(idle);
    })
    .await;
    assert_eq!(server.metrics().connections_refused.get(), 0);
    assert!(server.metrics().connections_evicted.get() >= 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_a_bad_message_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(config(folder.path()), handle()).await.unwrap();
    let address = server.addresses().plain[0];
    client(move || {
        let good = framed(&query(9, "blog.cairn", rr::A, None));
        let mut response = query(9, "blog.cairn", rr::A, None);
        response[2] |= 0x80;
        for bad in [framed(b""), framed(&[0; 5]), framed(&response), vec![0xff; 40]] {
            let mut stream = connect(address);
            stream.write_all(&[&good[..], &good, &bad].concat()).unwrap();
            assert_eq!(read_framed(&mut stream).unwrap().id, 9, "{bad:?}");
            assert_eq!(read_framed(&mut stream).unwrap().id, 9, "{bad:?}");
            assert!(read_framed(&mut stream).is_err(), "closed after that");
        }
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_served_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.listen_tls = vec![LOCAL];
    let server = Server::start(config.clone(), handle()).await.unwrap();
    let (address, at) = (server.addresses().tls[0], folder.path().to_owned());
    let served = move || {
        let mut stream = connect_tls(address, &at, b"dot");
        stream.write_all(&framed(&query(1, "blog.cairn", rr::A, None))).is_ok() && read_framed(&mut stream).is_ok()
    };
    assert!(client(served.clone()).await);
    // Another certificate and key, as made by another server.
    let other = tempfile::tempdir().unwrap();
    let mut make = Config::new(other.path());
    (make.listen_tls, make.stale_after) = (vec![LOCAL], None);
    Server::start(make, handle()).await.unwrap().stop().await;
    let (certificate, key) = (CERTIFICATE_FILE, "dns-tls-key.pem");
    // Only one of the files was replaced: they don't belong together, and the old pair goes on.
    let old = std::fs::read(folder.path().join(certificate)).unwrap();
    std::fs::copy(other.path().join(certificate), folder.path().join(certificate)).unwrap();
    server.reload_certificate();
    assert!(!client(served.clone()).await, "the client trusts the new one already, and the old one is served");
    std::fs::write(folder.path().join(certificate), &old).unwrap();
    assert!(client(served.clone()).await);
    std::fs::copy(other.path().join(certificate), folder.path().join(certificate)).unwrap();
    std::fs::copy(other.path().join(key), folder.path().join(key)).unwrap();
    server.reload_certificate();
    assert!(client(served.clone()).await, "both were replaced");
    std::fs::write(folder.path().join(certificate), "no certificate").unwrap();
    server.reload_certificate();
    std::fs::copy(other.path().join(certificate), folder.path().join(certificate)).unwrap();
    assert!(client(served).await, "what was good is still served");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn udp_responses_are_rate_limited_with_a_way_out_over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.rate_limit = Some(RateLimit { responses_per_second: 10, burst_seconds: 1, slip: 2, loopback_exempt: false });
    let server = Server::start(config, handle()).await.unwrap();
    let address = server.addresses().plain[0];
    let (whole, slipped, silent, seconds) = client(move || {
        let begun = Instant::now();
        let socket = UdpSocket::bind(LOCAL).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        for id in 0..50 {
            socket.send_to(&query(id, "blog.cairn", rr::A, None), address).unwrap();
        }
        let (mut whole, mut slipped, mut answer) = (0, 0, [0; 600]);
        while let Ok(length) = socket.recv(&mut answer) {
            match Response::read(&answer[..length]).truncated {
                true => slipped += 1,
                false => whole += 1,
            }
        }
        (whole, slipped, 50 - whole - slipped, begun.elapsed().as_secs_f64())
    })
    .await;
    assert!(whole >= 10 && f64::from(whole) <= 11.0 + 10.0 * seconds, "{whole} in {seconds} s");
    assert!(slipped >= 1 && silent >= 1, "{slipped} {silent}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(config(folder.path()), handle()).await.unwrap();
    assert!(server.trust_anchor().unwrap().ds.starts_with("cairn. IN DS "));
    let mut taken = config(folder.path());
    taken.listen = server.addresses().plain.clone();
    let error = Server::start(taken, handle()).await.err().unwrap();
    assert!(matches!(error, StartError::Listen { protocol: "TCP", .. }), "{error}");
    let mut looped = config(folder.path());
    looped.listen = vec![([0, 0, 0, 0], 53_535).into()];
    looped.upstreams = vec![([9, 9, 9, 9], 53).into(), ([127, 0, 0, 1], 53_535).into()];
    let error = Server::start(looped, handle()).await.err().unwrap();
    assert!(matches!(error, StartError::ForwardsToItself(_)), "{error}");
    let mut open = config(folder.path());
    open.listen_http = vec![([0, 0, 0, 0], 0).into()];
    assert!(matches!(Server::start(open, handle()).await.err().unwrap(), StartError::HttpNotLoopback(_)));
    let mut no_certificate = config(folder.path());
    no_certificate.listen_tls = vec![LOCAL];
    let nowhere = folder.path().join("nowhere.pem");
    no_certificate.certificate = Some(cairn_gateway::dns::CertificateFiles { chain: nowhere.clone(), key: nowhere });
    let error = Server::start(no_certificate, handle()).await.err().unwrap();
    assert!(matches!(error, StartError::Certificate(_)) && error.to_string().contains("nowhere.pem"));
    server.stop().await;
}
