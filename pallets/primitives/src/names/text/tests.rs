// SPDX-License-Identifier: Apache-2.0

use super::{
    format_generic, format_rdata, format_record, format_zone, parse_rdata, parse_record, parse_record_below, TextError,
};
use crate::names::{rr, tests::generate, RdataError, RelativeName, RrSet, Zone};
use hex_literal::hex;
use proptest::prelude::*;

#[test]
fn records_read_as_people_write_them() {
    for (text, rtype, data) in [
        ("A 192.0.2.7", rr::A, &[192, 0, 2, 7][..]),
        ("  aaaa  2001:db8::1 ", rr::AAAA, &hex!("20010db8000000000000000000000001")),
        ("CNAME Blog.Example.", rr::CNAME, b"\x04blog\x07example\x00"),
        ("MX 10 mail.example.", rr::MX, b"\x00\x0a\x04mail\x07example\x00"),
        ("MX 0 .", rr::MX, b"\x00\x00\x00"),
        ("TXT \"v=spf1 -all\" two", rr::TXT, b"\x0bv=spf1 -all\x03two"),
        (r#"TXT "a\"b\\c\009" """#, rr::TXT, b"\x06a\"b\\c\x09\x00"),
        ("SRV 1 2 443 a.b.", rr::SRV, b"\x00\x01\x00\x02\x01\xbb\x01a\x01b\x00"),
        ("CAA 0 issue \"ca.example\"", rr::CAA, b"\x00\x05issueca.example"),
        ("HTTPS 0 pool.example.", rr::HTTPS, b"\x00\x00\x04pool\x07example\x00"),
        (
            "HTTPS 1 . port=443 alpn=\"h2,h3\" mandatory=port,alpn",
            rr::HTTPS,
            b"\x00\x01\x00\x00\x00\x00\x04\x00\x01\x00\x03\x00\x01\x00\x06\x02h2\x02h3\x00\x03\x00\x02\x01\xbb",
        ),
        (
            "SVCB 16 a. alpn=h2 no-default-alpn ech=AQI= key700=hi",
            rr::SVCB,
            b"\x00\x10\x01a\x00\x00\x01\x00\x03\x02h2\x00\x02\x00\x00\x00\x05\x00\x02\x01\x02\x02\xbc\x00\x02hi",
        ),
        (
            "SVCB 1 . ipv4hint=192.0.2.1,192.0.2.2",
            rr::SVCB,
            b"\x00\x01\x00\x00\x04\x00\x08\xc0\x00\x02\x01\xc0\x00\x02\x02",
        ),
        ("ALIAS host.example.", rr::ALIAS, b"\x04host\x07example\x00"),
        // Tags are told apart without regard to case.
        ("CAA 128 issueWild \";\"", rr::CAA, b"\x80\x09issuewild;"),
        (
            "HTTPS 1 . dohpath=/dns-query{?dns} ohttp tls-supported-groups=29,4588",
            rr::HTTPS,
            b"\x00\x01\x00\x00\x07\x00\x10/dns-query{?dns}\x00\x08\x00\x00\x00\x09\x00\x04\x00\x1d\x11\xec",
        ),
        ("CNAME *._tcp.blog.cairn.", rr::CNAME, b"\x01*\x04_tcp\x04blog\x05cairn\x00"),
        (r"TYPE1 \# 4 c0000207", rr::A, &[192, 0, 2, 7]),
        (r"A \# 4 c000 0207", rr::A, &[192, 0, 2, 7]),
    ] {
        assert_eq!(parse_record(text), Ok((rtype, data.to_vec())), "{text}");
    }
    let key = "0x".to_owned() + &"ab".repeat(32);
    for (name, rtype) in [("ONION", rr::ONION), ("ACCOUNT", rr::ACCOUNT), ("VAULT", rr::VAULT)] {
        assert_eq!(parse_record(&format!("{name} {key}")), Ok((rtype, vec![0xab; 32])));
    }
    let site = parse_record(&format!("SITE {key} \"/my site/ü\"")).unwrap();
    assert_eq!(site, (rr::SITE, [&[0xab; 32][..], b"\x0b/my site/\xc3\xbc"].concat()));
}

#[test]
fn mistakes_are_named() {
    let invalid = |field, word: &str| TextError::FieldInvalid { field, word: word.into() };
    for (text, error) in [
        ("", TextError::TypeUnknown("".into())),
        ("SOA .", TextError::TypeUnknown("SOA".into())),
        ("TYPE6 .", TextError::TypeUnknown("TYPE6".into())),
        ("A", TextError::FieldMissing("IPv4 address")),
        ("A 192.0.2", invalid("IPv4 address", "192.0.2")),
        ("A 192.0.2.1 x", TextError::FieldExtra("x".into())),
        ("CNAME blog.example", TextError::NameRelative("blog.example".into())),
        ("CNAME a..", invalid("host", "a..")),
        ("CNAME .", TextError::RecordInvalid(RdataError::NameInvalid)),
        ("MX 70000 a.", invalid("preference", "70000")),
        ("MX +10 a.", invalid("preference", "+10")),
        // An escaped dot is a dot within a label (RFC 1035, 5.1): another name than the one that it looks like.
        (r"CNAME b\046c.example.", TextError::NameEscaped("b.c.example.".into())),
        (r"MX 10 b\.c.example.", TextError::NameEscaped("b.c.example.".into())),
        ("CNAME bücher.example.", TextError::RecordInvalid(RdataError::NameInvalid)),
        ("CNAME a.*.example.", TextError::RecordInvalid(RdataError::NameInvalid)),
        ("CNAME a*.example.", TextError::RecordInvalid(RdataError::NameInvalid)),
        ("HTTPS 1 . dohpath=/q", invalid("service parameter", "dohpath=/q")),
        ("HTTPS 1 . ohttp=1", invalid("service parameter", "ohttp=1")),
        ("TXT \"open", TextError::QuoteUnclosed),
        ("TXT a\\", TextError::QuoteUnclosed),
        ("TXT a\\25", TextError::QuoteUnclosed),
        ("TXT \\256", invalid("escape", "\\256")),
        ("ONION 0xzz", invalid("key in hexadecimal", "0xzz")),
        ("ONION abc", invalid("key in hexadecimal", "abc")),
        ("ONION ab", TextError::RecordInvalid(RdataError::Malformed)),
        ("HTTPS 1 . port=x", invalid("service parameter", "port=x")),
        ("HTTPS 1 . nothing=x", invalid("service parameter", "nothing")),
        ("HTTPS 1 . ech=AQ", invalid("service parameter", "ech=AQ")),
        ("HTTPS 1 . port=1 port=1", TextError::RecordInvalid(RdataError::Malformed)),
        (r"A \# 3 c0000207", invalid("length", "3")),
    ] {
        assert_eq!(parse_record(text), Err(error), "{text}");
    }
}

#[test]
fn a_long_text_is_split_into_strings_that_readers_join() {
    for length in [0, 255, 256, 510, 700] {
        let text = "k".repeat(length);
        let (_, data) = parse_record(&format!("TXT \"{text}\"")).unwrap();
        let (mut joined, mut rest) = (Vec::new(), &data[..]);
        while let Some((count, after)) = rest.split_first() {
            let (string, after) = after.split_at(usize::from(*count));
            joined.extend_from_slice(string);
            rest = after;
        }
        assert_eq!(joined, text.as_bytes());
        assert_eq!(data.len(), length + length.div_ceil(255).max(1));
    }
    let too_long = parse_record(&format!("TXT \"{}\"", "k".repeat(1_100)));
    assert_eq!(too_long, Err(TextError::RecordInvalid(RdataError::TooLong)));
}

#[test]
fn errors_are_short_and_on_one_line() {
    for text in
        [format!("A {}", "9".repeat(5_000)), "SSHFP\t1 1 ab".into(), format!("A \"x\ny\"{}", " z".repeat(3_000))]
    {
        let shown = parse_record(&text).unwrap_err().to_string();
        assert!(shown.len() < 200 && !shown.contains(char::is_control), "{shown:?}");
    }
    let other = parse_record("SSHFP 1 1 ab").unwrap_err().to_string();
    assert_eq!(other, "'SSHFP' is a type of record that names here can't have");
}

#[test]
fn in_a_master_file_single_labels_are_below_the_origin() {
    let read = |text| parse_record_below(text, "blog.cairn.");
    for (short, long) in [
        ("CNAME www", "CNAME www.blog.cairn."),
        ("MX 10 @", "MX 10 blog.cairn."),
        ("SRV 0 5 443 a", "SRV 0 5 443 a.blog.cairn."),
        ("HTTPS 1 .", "HTTPS 1 ."),
        ("CNAME host.example.", "CNAME host.example."),
        ("TXT @", "TXT @"),
    ] {
        assert_eq!(read(short), parse_record(long), "{short}");
    }
    assert_eq!(parse_record_below("MX 10 host.example", "."), parse_record("MX 10 host.example."));
    assert_eq!(read("CNAME host.example"), Err(TextError::NameRelative("host.example".into())));
    assert_eq!(parse_record("CNAME @"), Err(TextError::NameRelative("@".into())));
}

#[test]
fn a_zone_is_lines_that_every_server_loads() {
    let set = |name: &str, text: &str| {
        let (rtype, data) = parse_record(text).unwrap();
        let rdata = vec![data.try_into().unwrap()].try_into().unwrap();
        RrSet { name: RelativeName::parse(name).unwrap(), rtype, ttl_seconds: 300, rdata }
    };
    let onion = format!("ONION {}", "ab".repeat(32));
    let zone = Zone::from_sets(vec![set("@", "A 192.0.2.7"), set("*.w", "TXT \"x\""), set("@", &onion)]).unwrap();
    assert_eq!(
        format_zone(&zone, "blog.cairn."),
        format!(
            "blog.cairn. 300 IN A 192.0.2.7\nblog.cairn. 300 IN TYPE65282 \\# 32 {}\n*.w.blog.cairn. 300 IN TXT \"x\"\n",
            "ab".repeat(32)
        )
    );
}

#[test]
fn data_of_another_type_are_not_printed() {
    assert_eq!(format_record(rr::A, &[1]), Err(RdataError::Malformed));
    assert_eq!(format_rdata(6, &[]), Err(RdataError::TypeUnknown));
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(( rtype, data) in generate::record()) {
        let text = format_record(rtype, &data).unwrap();
        prop_assert!(!text.contains('\n'));
        prop_assert_eq!(parse_record(&text), Ok((rtype, data.clone())), "{}", text);
        prop_assert_eq!(parse_record(&format_generic(rtype, &data)), Ok((rtype, data)));
    }

    #[test]
    fn reading_never_panics_and_gives_valid_data(
        (rtype, _) in prop::sample::select(&rr::ALL[..]), text in "([0-9a-z.=,\"\\\\#: ]|\\PC){0,60}"
    ) {
        if let Ok(data) = parse_rdata(rtype, &text) {
            prop_assert!(format_rdata(rtype, &data).is_ok());
        }
        let _ = parse_record(&text);
    }
}
