// SPDX-License-Identifier: Apache-2.0

//! Names outside the zone, and why answers fail.

use super::*;

#[test]
fn names_that_mean_nothing_outside_are_answered_here_and_never_forwarded() {
    let forwards = Responder { aliases: Some(AliasCache::new(10)), ..Responder::default() };
    for (name, qtype, rcode, zone) in [
        ("abcdef.onion", rr::A, 3, "onion"),
        ("x.onion", rr::TXT, 3, "onion"),
        ("printer.local", rr::A, 3, "local"),
        ("a.b.test", rr::A, 3, "test"),
        ("x.invalid", rr::A, 3, "invalid"),
        ("x.alt", rr::A, 3, "alt"),
        ("router.home.arpa", rr::A, 3, "home.arpa"),
        ("home.arpa", rr::A, 0, "home.arpa"),
        ("7.1.168.192.in-addr.arpa", 12, 3, "168.192.in-addr.arpa"),
        ("1.0.0.0.d.f.ip6.arpa", 12, 3, "d.f.ip6.arpa"),
        ("localhost", rr::MX, 0, "localhost"),
    ] {
        let message = query(1, name, qtype, Some(Opt { udp_bytes: 1232, dnssec_ok: false }));
        let (outcome, out) = ask_with(&forwards, &message, Transport::Udp);
        let response = Response::read(&out);
        assert!(matches!(outcome, Outcome::Reply(_)), "{name}: {outcome:?}");
        assert_eq!((response.rcode, response.answers.len()), (rcode, 0), "{name}");
        assert_eq!((&response.authorities[0].0, response.authorities[0].1), (&wire(zone), SOA), "{name}");
        assert_eq!(response.edns, Some((0, false)), "{name}");
    }
    for (name, qtype, data) in
        [("localhost", rr::A, vec![127, 0, 0, 1]), ("a.LOCALHOST", rr::AAAA, [vec![0; 15], vec![1]].concat())]
    {
        let (_, out) = ask_with(&forwards, &query(1, name, qtype, None), Transport::Udp);
        assert_eq!(Response::read(&out).data(qtype), [data], "{name}");
    }
    for name in ["onion.example", "8.8.8.8.in-addr.arpa", "1.0.32.172.in-addr.arpa", "localhost.example", "example"] {
        let (outcome, _) = ask_with(&forwards, &query(1, name, rr::A, None), Transport::Udp);
        assert!(matches!(outcome, Outcome::Forward), "{name}");
    }
    // Without upstreams all that is outside is refused alike.
    assert_eq!(ask("x.onion", rr::A).rcode, 5);
}

#[test]
fn any_class_is_answered_within_the_zone() {
    let mut message = query(1, "blog.cairn", rr::A, None);
    let at = message.len() - 1;
    message[at] = 255;
    let (_, out) = ask_with(&Responder::default(), &message, Transport::Udp);
    assert_eq!(Response::read(&out).data(rr::A).len(), 2);
    let mut outside = query(1, "example.org", rr::A, None);
    let at = outside.len() - 1;
    outside[at] = 255;
    let (_, out) = ask_with(&Responder::default(), &outside, Transport::Udp);
    assert_eq!(Response::read(&out).rcode, 5);
}

#[test]
fn a_failure_says_why() {
    let opt = Some(Opt { udp_bytes: 1232, dnssec_ok: true });
    // NSEC and so on are not asked for here: the OPT is the message's last record, with one option of six bytes.
    let why = |out: &[u8]| (out[out.len() - 8..out.len() - 6] == [0, 6]).then(|| out[out.len() - 1]);
    let (outcome, out) = ask_with(&Responder::default(), &query(1, "out.alias.cairn", rr::A, opt), Transport::Udp);
    assert!(matches!(outcome, Outcome::Reply(Reply { rcode: 2, .. })));
    assert_eq!(why(&out), Some(22), "nobody can be asked");
    let stale = Responder { stale_seconds: Some(60), ..Responder::default() };
    let mut out = Vec::new();
    stale.answer(&sample(), HEAD_TIME + 61, &query(1, "blog.cairn", rr::A, opt), Transport::Udp, &mut out);
    assert_eq!((Response::read(&out).rcode, why(&out)), (2, Some(14)), "the head is too old");
}
