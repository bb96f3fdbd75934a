// SPDX-License-Identifier: Apache-2.0

use std::time::Duration;

use bytes::Bytes;
use cairn_primitives::storage::{Range, Receipt, ShardSize, SlotAt, Ticket};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    frame::{self, Lengths, BODY_BYTES_MAX, HEADER_BYTES_MAX},
    message, server, tls, Answer, Connection, LogEnd, Refusal, RefusalCode, Request, ServiceKey, Timeouts, WireError,
    OPEN_REQUESTS_MAX, VERSION,
};

const GENESIS: [u8; 32] = [3; 32];
const AT: SlotAt = SlotAt { drive: 1, slot: 2 };

fn quick() -> Timeouts {
    Timeouts { connect: Duration::from_secs(5), silence: Duration::from_millis(300), answer: Duration::from_secs(5) }
}

/// A client, and the stream at whose other end it is, after the greeting.
async fn greeted(key: &ServiceKey) -> (Connection, DuplexStream) {
    let (client, mut vault) = tokio::io::duplex(1 << 16);
    let greeting = async {
        let (id, request, _) = server::read(&mut vault).await.unwrap().unwrap();
        assert_eq!(request, Request::Hello { version: VERSION, genesis: GENESIS });
        server::write(&mut vault, id, &Answer::Hello { vault: [7; 32], version: VERSION }, &[]).await.unwrap();
    };
    let connecting = Connection::over(client, key.public(), GENESIS, quick());
    let (connection, ()) = tokio::join!(connecting, greeting);
    (connection.unwrap(), vault)
}

async fn next(vault: &mut DuplexStream) -> (u32, Request, Bytes) {
    server::read(vault).await.unwrap().unwrap()
}

#[tokio::test]
async fn answers_find_their_requests_in_any_order() {
    let key = ServiceKey::generate().unwrap();
    let (connection, mut vault) = greeted(&key).await;
    assert_eq!(connection.vault(), [7; 32]);
    let serving = async {
        let mut requests = Vec::new();
        for _ in 0..3 {
            requests.push(next(&mut vault).await);
        }
        for (id, request, _) in requests.into_iter().rev() {
            let Request::Read { first_leaf, .. } = request else { panic!("{request:?}") };
            let sizes = vec![ShardSize::K4].try_into().unwrap();
            let shard = Bytes::from(vec![first_leaf as u8; 4096]);
            server::write(&mut vault, id, &Answer::Read { sizes }, &[shard]).await.unwrap();
        }
    };
    let (a, b, c, ()) =
        tokio::join!(connection.read(AT, 1, 1), connection.read(AT, 2, 1), connection.read(AT, 3, 1), serving);
    for (first, shards) in (1u8..).zip([a, b, c]) {
        assert_eq!(shards.unwrap(), [vec![first; 4096]]);
    }
}

#[tokio::test]
async fn shards_go_out_in_the_order_of_the_calls_before_any_is_safe() {
    let key = ServiceKey::generate().unwrap();
    let (connection, mut vault) = greeted(&key).await;
    let mut waiting = Vec::new();
    for number in 0..5u8 {
        let shard = Bytes::from(vec![number; ShardSize::K4.bytes()]);
        waiting.push(connection.send_append(AT, number.into(), vec![shard]).await.unwrap());
    }
    for number in 0..5u8 {
        let (id, request, body) = next(&mut vault).await;
        let Request::Append { first_leaf, sizes, .. } = request else { panic!("{request:?}") };
        assert_eq!((first_leaf, &message::split(&sizes, body).unwrap()[0][..]), (number.into(), &[number; 4096][..]));
        let leaves = u64::from(number) + 1;
        server::write(&mut vault, id, &Answer::Appended { leaves, units: leaves }, &[]).await.unwrap();
    }
    for (number, appending) in (1u64..).zip(waiting) {
        assert_eq!(appending.done().await.unwrap(), LogEnd { leaves: number, units: number });
    }
    for wrong in [vec![Bytes::from_static(&[0; 100])], vec![Bytes::from(vec![0; 262_144]); 17]] {
        assert!(matches!(connection.send_append(AT, 0, wrong).await, Err(WireError::Protocol(_))));
    }
}

#[tokio::test]
async fn an_abandoned_request_keeps_its_place_until_it_is_answered() {
    let key = ServiceKey::generate().unwrap();
    let (connection, mut vault) = greeted(&key).await;
    let mut ids = Vec::new();
    for _ in 0..OPEN_REQUESTS_MAX {
        let asking = connection.status(AT);
        let heard = async { ids.push(next(&mut vault).await.0) };
        // Dropped once the request is out.
        tokio::select! { _ = asking => panic!("nobody answers"), () = heard => {} }
    }
    let more = tokio::time::timeout(Duration::from_millis(50), connection.status(AT)).await;
    assert!(more.is_err(), "all places are taken");
    let late = Answer::Status { leaves: 9, units: 9, committed_units: 9 };
    server::write(&mut vault, ids[3], &late, &[]).await.unwrap();
    let serving = async {
        let (id, ..) = next(&mut vault).await;
        assert!(!ids.contains(&id));
        let answer = Answer::Status { leaves: 1, units: 2, committed_units: 0 };
        server::write(&mut vault, id, &answer, &[]).await.unwrap();
    };
    let (status, ()) = tokio::join!(connection.status(AT), serving);
    assert_eq!(status.unwrap().end, LogEnd { leaves: 1, units: 2 });
}

#[tokio::test]
async fn silence_is_noticed_and_what_moves_is_waited_for() {
    let key = ServiceKey::generate().unwrap();
    let (connection, mut vault) = greeted(&key).await;
    assert!(matches!(connection.status(AT).await, Err(WireError::Timeout { .. })));
    let serving = async {
        next(&mut vault).await;
        let (id, ..) = next(&mut vault).await;
        let sizes = vec![ShardSize::K4].try_into().unwrap();
        let mut bytes = Vec::new();
        server::write(&mut bytes, id, &Answer::Read { sizes }, &[Bytes::from_static(&[5; 4096])]).await.unwrap();
        // Slower than the limit for silence, but never silent for so long.
        for part in bytes.chunks(bytes.len() / 5) {
            vault.write_all(part).await.unwrap();
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
    };
    let (shards, ()) = tokio::join!(connection.read(AT, 0, 1), serving);
    assert_eq!(shards.unwrap(), [vec![5; 4096]]);
}

#[tokio::test]
async fn a_vault_that_breaks_the_protocol_is_left() {
    let key = ServiceKey::generate().unwrap();
    let shard = [Bytes::from_static(&[1; 4096])];
    let one: message::Sizes = vec![ShardSize::K4].try_into().unwrap();
    let none: message::Sizes = Default::default();
    let appended = Answer::Appended { leaves: 1, units: 1 };
    let read = |sizes: &message::Sizes| Answer::Read { sizes: sizes.clone() };
    // Another request's number, a body that the header doesn't tell of or the other way round, nothing where something was
    // asked for, more than was asked for, an answer to something else.
    let two: message::Sizes = vec![ShardSize::K4; 2].try_into().unwrap();
    let double = [Bytes::from_static(&[1; 8192])];
    for (number, answer, body) in [
        (77, read(&one), &shard[..]),
        (0, read(&one), &[]),
        (0, appended.clone(), &shard[..]),
        (0, read(&none), &[]),
        (0, read(&two), &double[..]),
        (0, appended, &[]),
    ] {
        let (connection, mut vault) = greeted(&key).await;
        let serving = async {
            let (id, ..) = next(&mut vault).await;
            let _ = server::write(&mut vault, id + number, &answer, body).await;
        };
        let (result, ()) = tokio::join!(connection.read(AT, 0, 1), serving);
        assert!(matches!(result, Err(WireError::Protocol(_))), "{answer:?}: {result:?}");
    }
    let (connection, mut vault) = greeted(&key).await;
    vault.write_all(&[0xff; 8]).await.unwrap();
    let result = connection.status(AT).await;
    assert!(matches!(result, Err(WireError::Protocol(_))), "{result:?}");
    assert!(connection.ended().is_some() && connection.status(AT).await.is_err());
}

#[tokio::test]
async fn a_connection_that_ends_tells_all_who_wait() {
    let key = ServiceKey::generate().unwrap();
    let (connection, vault) = greeted(&key).await;
    let ending = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(vault);
    };
    let (a, b, ()) = tokio::join!(connection.status(AT), connection.leaves(AT, 0, 1), ending);
    assert!(matches!(a, Err(WireError::Closed(_))) && matches!(b, Err(WireError::Closed(_))));
    let error = connection.status(AT).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
}

#[tokio::test]
async fn receipts_are_the_vaults_own_and_for_the_slot_that_was_asked_for() {
    let key = ServiceKey::generate().unwrap();
    let other = ServiceKey::generate().unwrap();
    let receipt = Receipt { at: AT, version: 1, root: [1; 32], units: 9, until_block: 7 };
    let elsewhere = Receipt { at: SlotAt { drive: 1, slot: 3 }, ..receipt };
    for (receipt, signature, good) in [
        (receipt, key.sign(&receipt.to_sign(&GENESIS)), true),
        (receipt, other.sign(&receipt.to_sign(&GENESIS)), false),
        (receipt, key.sign(&receipt.to_sign(&[0; 32])), false),
        (elsewhere, key.sign(&elsewhere.to_sign(&GENESIS)), false),
    ] {
        let (connection, mut vault) = greeted(&key).await;
        let serving = async {
            let (id, ..) = next(&mut vault).await;
            server::write(&mut vault, id, &Answer::Sealed { receipt, signature }, &[]).await.unwrap();
        };
        let (sealed, ()) = tokio::join!(connection.seal(AT, 5, [0; 32], 7), serving);
        assert_eq!(sealed.is_ok(), good);
    }
}

#[tokio::test]
async fn only_the_owner_of_the_key_is_spoken_to_over_tls() {
    let (key, other) = (ServiceKey::generate().unwrap(), ServiceKey::generate().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let acceptor = TlsAcceptor::from(tls::server_config(&key).unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let protocol = stream.get_ref().1.protocol_version();
            assert_eq!(protocol, Some(tokio_rustls::rustls::ProtocolVersion::TLSv1_3));
            let suite = stream.get_ref().1.negotiated_cipher_suite().expect("negotiated").suite();
            assert_eq!(suite, tokio_rustls::rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
            let Ok(Some((id, _, _))) = server::read(&mut stream).await else { continue };
            let answer = Answer::Hello { vault: [7; 32], version: VERSION };
            server::write(&mut stream, id, &answer, &[]).await.unwrap();
            stream.flush().await.unwrap();
            let _ = stream.read(&mut [0]).await;
        }
    });
    let connect = |public| Connection::connect(&address, public, GENESIS, quick());
    connect(key.public()).await.expect("it is the owner");
    assert!(matches!(connect(other.public()).await, Err(WireError::Impostor { .. })));
    serving.abort();
    let _ = serving.await;
    assert!(matches!(connect(key.public()).await, Err(WireError::Unreachable { .. })));
}

#[test]
fn a_service_key_is_its_secret() {
    let key = ServiceKey::generate().unwrap();
    let again = ServiceKey::from_secret((*key.secret()).into()).unwrap();
    assert_eq!(key.public(), again.public());
    assert!(tls::verify(&key.public(), b"message", &again.sign(b"message")));
    assert!(!tls::verify(&key.public(), b"massage", &again.sign(b"message")));
    let shown = format!("{key:?}");
    assert!(!shown.contains(&format!("{:?}", key.secret())));
}

#[tokio::test]
async fn frames_at_the_limits_are_read_and_longer_ones_refused() {
    let lengths = |header: usize, body: usize| {
        let mut first = [0; 8];
        first[..4].copy_from_slice(&(header as u32).to_le_bytes());
        first[4..].copy_from_slice(&(body as u32).to_le_bytes());
        Lengths::parse(first)
    };
    let most = Lengths { header: HEADER_BYTES_MAX, body: BODY_BYTES_MAX };
    assert_eq!(lengths(HEADER_BYTES_MAX, BODY_BYTES_MAX).unwrap(), most);
    assert!(lengths(1, 0).is_ok());
    for (header, body) in [(0, 0), (0, 1), (HEADER_BYTES_MAX + 1, 0), (1, BODY_BYTES_MAX + 1), (1 << 31, 1 << 31)] {
        assert!(lengths(header, body).is_err(), "{header} {body}");
    }
    let body = Bytes::from(vec![9; BODY_BYTES_MAX]);
    let mut stream = Vec::new();
    frame::write(&mut stream, &[1, 2, 3], &[body.slice(..5), body.slice(5..)]).await.unwrap();
    let mut reader = &stream[..];
    let read = frame::read_lengths(&mut reader).await.unwrap().unwrap();
    assert_eq!(frame::read_bytes(&mut reader, read.header).await.unwrap(), &[1, 2, 3][..]);
    assert_eq!(frame::read_bytes(&mut reader, read.body).await.unwrap(), body);
    assert_eq!(frame::read_lengths(&mut reader).await.unwrap(), None);
    let too_long = frame::write(&mut Vec::new(), &[1], &[body, Bytes::from_static(&[0])]).await;
    assert!(matches!(too_long, Err(WireError::Protocol(_))));
    // A stream that ends in the middle of anything.
    for cut in [1, 7, 8, 10, 11, 100] {
        let mut reader = &stream[..cut];
        let ended = async {
            let lengths = frame::read_lengths(&mut reader).await?.unwrap();
            frame::skip(&mut reader, lengths.header).await?;
            frame::skip(&mut reader, lengths.body).await
        };
        assert!(matches!(ended.await, Err(WireError::Closed(_))), "{cut}");
    }
}

#[tokio::test]
async fn a_body_that_the_request_does_not_tell_of_is_not_read() {
    let append = Request::Append { at: AT, first_leaf: 0, sizes: vec![ShardSize::K4].try_into().unwrap() };
    for (request, body) in [(append, 4097), (Request::Status { at: AT }, 1)] {
        let mut stream = Vec::new();
        let body = Bytes::from(vec![0; body]);
        frame::write(&mut stream, &message::encode(1, &request), &[body]).await.unwrap();
        assert!(matches!(server::read(&mut &stream[..]).await, Err(WireError::Protocol(_))), "{request:?}");
    }
}

#[test]
fn refusals_are_short_and_safe_to_be_shown() {
    let long = "ä".repeat(300);
    let refusal = Refusal::new(RefusalCode::NoRoom, &long);
    assert_eq!(refusal.text(), "ä".repeat(128));
    let evil = Refusal::new(RefusalCode::Missing, "a\u{1b}[31m\nb\u{7f}");
    assert_eq!(evil.to_string(), "the vault doesn't have it: a [31m b ");
    let temporary = WireError::Refused(Refusal::new(RefusalCode::RateLimited { retry_ms: 5 }, ""));
    assert!(temporary.is_temporary() && temporary.refusal() == Some(RefusalCode::RateLimited { retry_ms: 5 }));
    assert!(!WireError::Refused(evil).is_temporary());
}

fn request() -> impl Strategy<Value = Request> {
    let at = (any::<u64>(), any::<u8>()).prop_map(|(drive, slot)| SlotAt { drive, slot });
    (0u8..9, at, any::<u64>(), any::<u32>(), any::<[u8; 32]>()).prop_map(
        |(kind, at, number, count, bytes)| match kind {
            0 => Request::Hello { version: count as u16, genesis: bytes },
            1 => Request::Status { at },
            2 => Request::Open {
                ticket: Ticket { at, version: number, first_stripe: number ^ 1, until_block: count },
                signer: bytes,
                signature: [bytes[0]; 64],
            },
            3 => {
                let sizes = vec![ShardSize::ALL[count as usize % 4]; number as usize % 1025];
                Request::Append { at, first_leaf: number, sizes: sizes.try_into().unwrap() }
            },
            4 => Request::Seal { at, leaves: number, root: bytes, until_block: number as u32 },
            5 => Request::Read { at, first_leaf: number, count },
            6 => Request::Leaves { at, first_leaf: number, count },
            7 => Request::Prove { at, units: number, chunk: number ^ 3 },
            _ => Request::Front { at, units: number },
        },
    )
}

proptest! {
    #[test]
    fn requests_are_read_as_they_were_written(id in any::<u32>(), request in request()) {
        let header = message::encode(id, &request);
        prop_assert!(header.len() <= HEADER_BYTES_MAX);
        prop_assert_eq!(message::decode(&header), Some((id, request)));
        let longer = [&header[..], &[0]].concat();
        prop_assert_eq!(message::decode::<Request>(&longer), None);
        prop_assert_eq!(message::decode::<Request>(&header[..header.len() - 1]), None);
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        if let Some((id, answer)) = message::decode::<Answer>(&bytes) {
            prop_assert_eq!(message::encode(id, &answer), bytes.clone());
        }
        if let Some((id, request)) = message::decode::<Request>(&bytes) {
            prop_assert_eq!(message::encode(id, &request), bytes);
        }
    }
}

#[test]
fn the_largest_messages_fit_their_frames() {
    let leaves = vec![([0; 32], ShardSize::K4); message::LEAVES_MAX as usize].try_into().unwrap();
    assert!(message::encode(1, &Answer::Leaves { leaves }).len() <= HEADER_BYTES_MAX);
    assert!(message::encode(1, &Answer::Front(Range::default())).len() <= HEADER_BYTES_MAX);
    let many = vec![([0; 32], ShardSize::K4); message::LEAVES_MAX as usize + 1];
    // Its number, its kind, and a list that is too long.
    let too_many = codec::Encode::encode(&(1u32, 7u8, many));
    assert_eq!(message::decode::<Answer>(&too_many), None);
}
