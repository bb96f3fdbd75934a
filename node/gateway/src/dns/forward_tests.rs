// SPDX-License-Identifier: Apache-2.0

use super::*;

fn name(text: &str) -> NameBuf {
    NameBuf::parse(text).unwrap()
}

/// An answer to a question for `www.example.` with the answer records given, each with its owner.
fn answer(qtype: u16, records: &[(&[u8], u16, u32, &[u8])]) -> Vec<u8> {
    let mut message = vec![0, 7, 0x81, 0x80, 0, 1, 0, records.len() as u8, 0, 0, 0, 0];
    message.extend_from_slice(name("www.example").wire());
    message.extend_from_slice(&qtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    for (owner, rtype, ttl_seconds, data) in records {
        message.extend_from_slice(owner);
        message.extend_from_slice(&rtype.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        message.extend_from_slice(&ttl_seconds.to_be_bytes());
        message.extend_from_slice(&(data.len() as u16).to_be_bytes());
        message.extend_from_slice(data);
    }
    message
}

#[test]
fn a_chain_is_followed_within_an_answer_and_nothing_else_is_taken() {
    let message = answer(
        rtype::A,
        &[
            (b"\x05other\0", rtype::A, 9, &[9, 9, 9, 9]),
            (b"\x03cdn\xc0\x10", rtype::A, 30, &[1, 1, 1, 1]),
            (b"\xc0\x0c", rtype::CNAME, 60, b"\x03cdn\xc0\x10"),
            (b"\x03cdn\xc0\x10", rtype::TXT, 30, b"\x01x"),
        ],
    );
    let found = read_answer(&message, &name("www.example"), rtype::A).unwrap();
    let records: Vec<_> = found.records.iter().map(|r| (r.owner.to_string(), r.rtype, r.data.clone())).collect();
    assert_eq!(
        records,
        [
            ("www.example.".to_string(), rtype::CNAME, b"\x03cdn\x07example\0".to_vec()),
            ("cdn.example.".to_string(), rtype::A, vec![1, 1, 1, 1]),
        ]
    );
    assert_eq!(ttl_min(&message), 9);
}

#[test]
fn loops_and_malformed_answers_end() {
    let looped = answer(rtype::A, &[(b"\xc0\x0c", rtype::CNAME, 60, b"\xc0\x0c")]);
    assert_eq!(read_answer(&looped, &name("www.example"), rtype::A).unwrap().records.len(), 1);
    let good = answer(rtype::MX, &[(b"\xc0\x0c", rtype::MX, 60, b"\0\x0a\x02mx\xc0\x10")]);
    let found = read_answer(&good, &name("www.example"), rtype::MX).unwrap();
    assert_eq!(found.records[0].data, b"\0\x0a\x02mx\x07example\0");
    for cut in 0..good.len() {
        assert!(read_answer(&good[..cut], &name("www.example"), rtype::MX).is_none());
        ttl_min(&good[..cut]);
    }
    let trailing = answer(rtype::CNAME, &[(b"\xc0\x0c", rtype::CNAME, 60, b"\xc0\x10x")]);
    assert!(read_answer(&trailing, &name("www.example"), rtype::CNAME).is_none());
}

#[test]
fn an_answer_must_match_its_question() {
    let question = [name("www.example").wire(), &[0, 1, 0, 1]].concat();
    let query = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &question[..]].concat();
    let good = answer(rtype::A, &[]);
    assert!(is_answer(&good, &query, &question));
    let mut upper = good.clone();
    upper[13] = b'W';
    assert!(is_answer(&upper, &query, &question));
    for (at, value) in [(1, 8), (2, 1), (2, 0xf9), (5, 2), (13, b'x'), (good.len() - 3, 2)] {
        let mut bad = good.clone();
        bad[at] = value;
        assert!(!is_answer(&bad, &query, &question), "{at}");
    }
    assert!(!is_answer(&good[..good.len() - 1], &query, &question));
}

#[test]
fn an_error_without_a_question_is_a_refusal_and_nothing_else() {
    let question = [name("www.example").wire(), &[0, 1, 0, 1]].concat();
    let query = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &question[..]].concat();
    let header = |id: u8, code: u8, questions: u8| [0, id, 0x81, 0x80 | code, 0, questions, 0, 0, 0, 0, 0, 0];
    for code in [1, 2, 4, 5] {
        assert!(matches!(said(&header(7, code, 0), &query, &question), Some(Said::Failure(None))), "{code}");
        assert!(said(&header(8, code, 0), &query, &question).is_none(), "another id");
        assert!(said(&header(7, code, 1), &query, &question).is_none(), "another question");
    }
    assert!(said(&header(7, 0, 0), &query, &question).is_none(), "no answer without its question");
    assert!(said(&header(7, 3, 0), &query, &question).is_none(), "no denial without its question");
    let mut refused = answer(rtype::A, &[]);
    refused[3] |= 5;
    assert!(matches!(said(&refused, &query, &question), Some(Said::Failure(Some(_)))));
    assert!(matches!(said(&answer(rtype::A, &[]), &query, &question), Some(Said::Answer(_))));
    assert!(said(&[0, 7, 0x81], &query, &question).is_none());
}
