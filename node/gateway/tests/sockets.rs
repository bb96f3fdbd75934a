// SPDX-License-Identifier: Apache-2.0

//! A running server over real sockets.

mod common;

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
    config.upstream_timeout = Duration::from_millis(300);
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
    client(move || {
        let mut stream = connect_tls(addresses.tls[0], &at, b"dot");
        stream.write_all(&framed(&query(1, "big.blog.cairn", rr::TXT, None))).unwrap();
        assert_eq!(read_framed(&mut stream).unwrap().answers.len(), 8);

        let message = query(0, "blog.cairn", rr::A, None);
        let get = format!("GET /dns-query?dns={} HTTP/1.1", URL_SAFE_NO_PAD.encode(&message));
        let post = "POST /dns-query HTTP/1.1\r\nContent-Type: application/dns-message";
        for (head, body) in [(&get[..], &b""[..]), (post, &message[..])] {
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
        let long = vec![0; 5000];
        let bad: [(&str, &[u8], u16); 7] = [
            ("GET /other HTTP/1.1", b"", 404),
            ("GET /dns-query HTTP/1.1", b"", 400),
            ("GET /dns-query?dns=*** HTTP/1.1", b"", 400),
            ("PUT /dns-query HTTP/1.1", b"", 405),
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

/// A resolver that knows `host.example` and tries to be confusing about it.
fn upstream() -> SocketAddr {
    let (socket, listener) = loop {
        let socket = UdpSocket::bind(LOCAL).unwrap();
        if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()) {
            break (socket, listener);
        }
    };
    let address = socket.local_addr().unwrap();
    let answer = |query: &[u8]| {
        let mut answer = query[..12].to_vec();
        let end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
        answer.extend_from_slice(&query[12..end]);
        (answer[2], answer[3], answer[11]) = (0x81, 0x80, 0);
        let is_host = query[12..].to_ascii_lowercase().starts_with(&wire("host.example"));
        if is_host && query[end - 3] == 1 {
            answer[7] = 1;
            answer.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x64\0\x04\xcb\x00\x71\x07");
        } else if !is_host {
            answer[3] = 0x83;
        }
        answer
    };
    std::thread::spawn(move || {
        let mut message = [0; 1024];
        while let Ok((length, client)) = socket.recv_from(&mut message) {
            let query = &message[..length];
            if query[12..].starts_with(b"\x04dead") {
                continue;
            }
            let mut good = answer(query);
            // Somebody who guesses ids comes first, then one with another question, then the answer.
            let mut forged = good.clone();
            forged[0] ^= 1;
            *forged.last_mut().unwrap() = 66;
            let _ = socket.send_to(&forged, client);
            let mut other = good.clone();
            other[13] = b'x';
            let _ = socket.send_to(&other, client);
            if query[12..].starts_with(b"\x03tcp") {
                good[2] |= 2;
            }
            let _ = socket.send_to(&good, client);
        }
    });
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut length = [0; 2];
            if stream.read_exact(&mut length).is_ok() {
                let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
                let _ = stream.read_exact(&mut message);
                let _ = stream.write_all(&framed(&answer(&message)));
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn with_upstreams_outside_names_are_forwarded_aliases_resolved_and_cnames_followed() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    let silent = UdpSocket::bind(LOCAL).unwrap();
    config.upstreams = vec![silent.local_addr().unwrap(), upstream()];
    let server = Server::start(config, handle()).await.unwrap();
    let address = server.addresses().plain[0];
    client(move || {
        for opt in [None, Some(Opt { udp_bytes: 1232, dnssec_ok: true })] {
            let forwarded = udp(address, &query(5, "HOST.example", rr::A, opt)).unwrap();
            assert_eq!((forwarded.id, forwarded.rcode, forwarded.recursion_available), (5, 0, true));
            assert_eq!(forwarded.data(rr::A), [[203, 0, 113, 7]]);
            let (name, _) = forwarded.question.unwrap();
            assert!(name.starts_with(b"\x04HOST"), "the client's own case");
        }
        assert_eq!(udp(address, &query(5, "tcp.example", rr::A, None)).unwrap().rcode, 3);
        assert_eq!(udp(address, &query(5, "dead.example", rr::A, None)).unwrap().rcode, 2);

        let alias = udp(address, &query(6, "alias.blog.cairn", rr::A, None)).unwrap();
        assert_eq!(alias.answers, [(wire("alias.blog.cairn"), rr::A, alias.answers[0].2, vec![203, 0, 113, 7])]);
        assert!(alias.authoritative && (90..=100).contains(&alias.answers[0].2));
        assert_eq!(udp(address, &query(6, "dead.blog.cairn", rr::A, None)).unwrap().rcode, 2);
        let begun = Instant::now();
        assert_eq!(udp(address, &query(6, "dead.blog.cairn", rr::A, None)).unwrap().rcode, 2);
        assert!(begun.elapsed() < Duration::from_millis(600), "a failure is remembered");
        let nothing = udp(address, &query(6, "alias.blog.cairn", rr::AAAA, None)).unwrap();
        assert_eq!((nothing.rcode, nothing.answers.len()), (0, 0));

        let mut stream = connect(address);
        stream
            .write_all(&framed(&query(7, "www.blog.cairn", rr::A, Some(Opt { udp_bytes: 1232, dnssec_ok: true }))))
            .unwrap();
        // Who validates gets what can be validated, and follows by itself.
        let signed = read_framed(&mut stream).unwrap();
        assert_eq!((signed.data(rr::CNAME).len(), signed.data(rr::A).len()), (1, 0));
        assert_eq!(signed.edns, Some((0, true)));
        stream.write_all(&framed(&query(7, "www.blog.cairn", rr::A, None))).unwrap();
        let chased = read_framed(&mut stream).unwrap();
        assert_eq!((chased.data(rr::CNAME).len(), chased.data(rr::A)), (1, vec![vec![203, 0, 113, 7]]));
        let over_udp = udp(address, &query(7, "www.blog.cairn", rr::A, None)).unwrap();
        assert_eq!(over_udp.answers.len(), 2);
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_limited_and_idle_ones_closed() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    (config.connections_max, config.idle_timeout) = (2, Duration::from_secs(1));
    let server = Server::start(config, handle()).await.unwrap();
    let address = server.addresses().plain[0];
    client(move || {
        let message = framed(&query(1, "blog.cairn", rr::A, None));
        let mut taken: Vec<TcpStream> = (0..2).map(|_| connect(address)).collect();
        for stream in &mut taken {
            stream.write_all(&message).unwrap();
            assert_eq!(read_framed(stream).unwrap().rcode, 0);
        }
        let mut third = connect(address);
        let _ = third.write_all(&message);
        assert!(read_framed(&mut third).is_err(), "turned away");
        for stream in &mut taken {
            assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "closed for being idle");
        }
        let mut fourth = connect(address);
        fourth.write_all(&message).unwrap();
        assert_eq!(read_framed(&mut fourth).unwrap().rcode, 0);
    })
    .await;
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
