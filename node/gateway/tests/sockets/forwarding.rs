// SPDX-License-Identifier: Apache-2.0

//! Asking upstreams: forwarded names, aliases, CNAMEs that lead outside.

use super::*;

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
        // Authentic for whoever wants to know: with AD or DO.
        let wants = query[3] & 0x20 != 0 || query.len() > end + 7 && query[end + 7] & 0x80 != 0;
        (answer[2], answer[3], answer[11]) = (0x81, 0x80 | if wants { 0x20 } else { 0 }, 0);
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
        let (mut message, mut lost) = ([0; 1024], std::collections::HashSet::new());
        while let Ok((length, client)) = socket.recv_from(&mut message) {
            let query = &message[..length];
            if query[12..].starts_with(b"\x04dead") {
                continue;
            }
            // The first datagram is lost.
            if query[12..].starts_with(b"\x04lost") && lost.insert(client) {
                continue;
            }
            // A refusal without the question.
            if query[12..].starts_with(b"\x06refuse") {
                let _ = socket.send_to(&[query[0], query[1], 0x81, 0x85, 0, 0, 0, 0, 0, 0, 0, 0], client);
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
async fn forwarding_sends_again_waits_for_slow_upstreams_and_keeps_what_is_said_of_authenticity() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    (config.upstream_patience, config.upstreams) = (Duration::from_secs(5), vec![upstream()]);
    let server = Server::start(config, handle()).await.unwrap();
    let address = server.addresses().plain[0];
    client(move || {
        assert_eq!(udp(address, &query(5, "lost.example", rr::A, None)).unwrap().rcode, 3, "sent again");
        let begun = Instant::now();
        let refused = udp(address, &query(5, "refuse.example", rr::A, Some(Opt { udp_bytes: 1232, dnssec_ok: false })));
        let refused = refused.unwrap();
        assert_eq!((refused.rcode, refused.edns), (2, Some((0, false))));
        assert!(begun.elapsed() < Duration::from_secs(4), "a refusal without its question is not waited out");
        let authentic = |flag: u8, dnssec_ok: Option<bool>| {
            let opt = dnssec_ok.map(|dnssec_ok| Opt { udp_bytes: 1232, dnssec_ok });
            let mut message = query(5, "host.example", rr::A, opt);
            message[3] |= flag;
            let socket = UdpSocket::bind(LOCAL).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.send_to(&message, address).unwrap();
            let mut answer = [0; 512];
            socket.recv(&mut answer).unwrap();
            answer[3] & 0x20 != 0
        };
        assert!(authentic(0x20, None) && authentic(0, Some(true)) && !authentic(0, Some(false)) && !authentic(0, None));
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upstream_is_still_listened_to_while_the_next_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let slow = UdpSocket::bind(LOCAL).unwrap();
    let silent = UdpSocket::bind(LOCAL).unwrap();
    let mut config = config(folder.path());
    (config.upstream_timeout, config.upstream_patience) = (Duration::from_millis(100), Duration::from_secs(20));
    config.upstreams = vec![slow.local_addr().unwrap(), silent.local_addr().unwrap()];
    let server = Server::start(config, handle()).await.unwrap();
    let address = server.addresses().plain[0];
    client(move || {
        // Answers when the second upstream was asked, and that one never does.
        std::thread::spawn(move || {
            let mut message = [0; 512];
            let (length, client) = slow.recv_from(&mut message).unwrap();
            silent.recv_from(&mut [0; 512]).unwrap();
            let mut answer = message[..length].to_vec();
            (answer[2], answer[3]) = (0x81, 0x83);
            slow.send_to(&answer, client).unwrap();
        });
        let mut stream = connect(address);
        stream.write_all(&framed(&query(5, "slow.example", rr::A, None))).unwrap();
        assert_eq!(read_framed(&mut stream).unwrap().rcode, 3);
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_all_addresses_an_answer_comes_from_the_one_that_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.listen = vec![([0, 0, 0, 0], 0).into()];
    config.upstreams = vec![upstream()];
    let server = Server::start(config, handle()).await.unwrap();
    let port = server.addresses().plain[0].port();
    client(move || {
        for own in [1, 2, 77] {
            // A connected socket takes answers from the address that it asks and from no other.
            let address = SocketAddr::from(([127, 0, 0, own], port));
            assert_eq!(udp(address, &query(1, "blog.cairn", rr::A, None)).unwrap().data(rr::A), [[192, 0, 2, 1]]);
            assert_eq!(udp(address, &query(1, "host.example", rr::A, None)).unwrap().rcode, 0, "forwarded");
        }
    })
    .await;
    server.stop().await;
}
