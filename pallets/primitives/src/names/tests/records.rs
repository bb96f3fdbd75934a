// SPDX-License-Identifier: Apache-2.0

use super::generate;
use crate::names::{
    rdata::{check, RdataError},
    rr,
};
use proptest::prelude::*;

const HOST: &[u8] = b"\x01a\x07example\x00";

fn with(head: &[u8], tail: &[u8]) -> Vec<u8> {
    [head, tail].concat()
}

#[track_caller]
fn malformed(rtype: u16, data: &[u8]) {
    assert_eq!(check(rtype, data), Err(RdataError::Malformed), "{data:?}");
}

#[track_caller]
fn name_invalid(rtype: u16, data: &[u8]) {
    assert_eq!(check(rtype, data), Err(RdataError::NameInvalid), "{data:?}");
}

#[test]
fn types_that_zones_do_not_hold_are_refused() {
    for rtype in [0, 6, 12, 46, 47, 255, 65_280, 65_535] {
        assert_eq!(check(rtype, &[0; 4]), Err(RdataError::TypeUnknown));
    }
}

#[test]
fn addresses_have_their_length() {
    for (rtype, length) in [(rr::A, 4), (rr::AAAA, 16), (rr::ONION, 32), (rr::ACCOUNT, 32), (rr::VAULT, 32)] {
        assert_eq!(check(rtype, &vec![7; length]), Ok(()));
        malformed(rtype, &vec![7; length - 1]);
        malformed(rtype, &vec![7; length + 1]);
    }
}

#[test]
fn names_are_absolute_lower_case_and_alone() {
    for rtype in [rr::NS, rr::CNAME, rr::ALIAS] {
        assert_eq!(check(rtype, HOST), Ok(()));
        name_invalid(rtype, b"");
        name_invalid(rtype, b"\x00");
        name_invalid(rtype, b"\x01a");
        name_invalid(rtype, b"\x01A\x00");
        // A wildcard's own records may be pointed to; anywhere else `*` is no letter of a name.
        assert_eq!(check(rtype, b"\x01*\x04_tcp\x01a\x00"), Ok(()));
        name_invalid(rtype, b"\x01a\x01*\x00");
        name_invalid(rtype, b"\x02*a\x00");
        name_invalid(rtype, b"\x01*\x01*\x00");
        name_invalid(rtype, b"\xc0\x0c");
        name_invalid(rtype, b"\x05a\x00");
        malformed(rtype, &with(HOST, b"x"));
    }
    // 255 bytes are a name, 256 are not.
    let long = |last: usize| {
        let mut wire = Vec::new();
        for length in [63, 63, 63, last] {
            wire.push(length as u8);
            wire.extend(vec![b'a'; length]);
        }
        wire.push(0);
        wire
    };
    assert_eq!(long(61).len(), 255);
    assert_eq!(check(rr::CNAME, &long(61)), Ok(()));
    name_invalid(rr::CNAME, &long(62));
    name_invalid(rr::CNAME, &with(&with(&[64], &[b'a'; 64]), &[0]));
}

#[test]
fn mx_and_srv_have_their_numbers() {
    assert_eq!(check(rr::MX, &with(&[0, 10], HOST)), Ok(()));
    assert_eq!(check(rr::MX, &[0, 0, 0]), Ok(()));
    malformed(rr::MX, &[0, 1, 0]);
    malformed(rr::MX, &[0]);
    assert_eq!(check(rr::SRV, &with(&[0; 6], HOST)), Ok(()));
    assert_eq!(check(rr::SRV, &[0; 7]), Ok(()));
    malformed(rr::SRV, &[0; 5]);
    malformed(rr::SRV, &with(&with(&[0; 6], HOST), &[0]));
}

#[test]
fn txt_is_whole_strings() {
    assert_eq!(check(rr::TXT, b"\x02hi\x00"), Ok(()));
    malformed(rr::TXT, b"");
    malformed(rr::TXT, b"\x03hi");
    assert_eq!(check(rr::TXT, &[0; 1024]), Ok(()));
    assert_eq!(check(rr::TXT, &[0; 1025]), Err(RdataError::TooLong));
}

#[test]
fn ds_and_tlsa_have_digests_of_their_length() {
    for (kind, length) in [(1, 20), (2, 32), (4, 48)] {
        assert_eq!(check(rr::DS, &with(&[1, 1, 13, kind], &vec![0; length])), Ok(()));
        malformed(rr::DS, &with(&[1, 1, 13, kind], &vec![0; length + 1]));
    }
    malformed(rr::DS, &with(&[1, 1, 13, 3], &[0; 32]));
    malformed(rr::DS, &with(&[1, 1, 0, 2], &[0; 32]));
    for (matching, length) in [(0, 1), (1, 32), (2, 64)] {
        assert_eq!(check(rr::TLSA, &with(&[3, 1, matching], &vec![0; length])), Ok(()));
        malformed(rr::TLSA, &with(&[3, 1, matching], &vec![0; length - 1]));
    }
    malformed(rr::TLSA, &with(&[4, 1, 1], &[0; 32]));
    malformed(rr::TLSA, &with(&[3, 2, 1], &[0; 32]));
    malformed(rr::TLSA, &with(&[3, 1, 3], &[0; 32]));
}

#[test]
fn caa_has_a_plain_tag() {
    assert_eq!(check(rr::CAA, b"\x00\x05issueca.example"), Ok(()));
    assert_eq!(check(rr::CAA, b"\x80\x05issue"), Ok(()));
    malformed(rr::CAA, b"\x01\x05issue");
    malformed(rr::CAA, b"\x00\x05Issue");
    malformed(rr::CAA, b"\x00\x00");
    malformed(rr::CAA, b"\x00\x06issue");
    malformed(rr::CAA, &with(b"\x00\x10", &[b'a'; 16]));
}

#[test]
fn site_has_a_printable_path() {
    assert_eq!(check(rr::SITE, &with(&[1; 32], b"\x06/b\xc3\xbcch")), Ok(()));
    assert_eq!(check(rr::SITE, &with(&[1; 32], b"\x00")), Ok(()));
    malformed(rr::SITE, &[1; 32]);
    malformed(rr::SITE, &with(&[1; 32], b"\x01\xff"));
    malformed(rr::SITE, &with(&[1; 32], b"\x01\n"));
    malformed(rr::SITE, &with(&[1; 32], b"\x01ab"));
}

fn svcb(priority: u16, parameters: &[(u16, &[u8])]) -> Vec<u8> {
    let mut data = priority.to_be_bytes().to_vec();
    data.push(0);
    for (key, value) in parameters {
        data.extend(key.to_be_bytes());
        data.extend((value.len() as u16).to_be_bytes());
        data.extend(*value);
    }
    data
}

#[test]
fn service_parameters_are_in_order_and_in_form() {
    for rtype in [rr::SVCB, rr::HTTPS] {
        assert_eq!(check(rtype, &svcb(0, &[])), Ok(()));
        assert_eq!(check(rtype, &svcb(1, &[(1, b"\x02h2"), (2, b""), (3, b"\x01\xbb"), (4, &[1; 8])])), Ok(()));
        assert_eq!(check(rtype, &svcb(1, &[(0, b"\x00\x01\x00\x03"), (1, b"\x02h2"), (3, b"\x01\xbb")])), Ok(()));
        assert_eq!(check(rtype, &svcb(1, &[(5, b"e"), (6, &[1; 16]), (7, b""), (65_534, b"x")])), Ok(()));
        for wrong in [
            svcb(0, &[(3, b"\x01\xbb")]),
            svcb(1, &[(3, b"\x01\xbb"), (1, b"\x02h2")]),
            svcb(1, &[(3, b"\x01\xbb"), (3, b"\x01\xbb")]),
            svcb(1, &[(1, b"")]),
            svcb(1, &[(1, b"\x00")]),
            svcb(1, &[(1, b"\x03h2")]),
            svcb(1, &[(2, b"")]),
            svcb(1, &[(1, b"\x02h2"), (2, b"x")]),
            svcb(1, &[(3, b"\x01")]),
            svcb(1, &[(4, &[1; 5])]),
            svcb(1, &[(4, b"")]),
            svcb(1, &[(5, b"")]),
            svcb(1, &[(6, &[1; 15])]),
            svcb(1, &[(65_535, b"")]),
            svcb(1, &[(0, b"")]),
            svcb(1, &[(0, b"\x00")]),
            svcb(1, &[(0, b"\x00\x00")]),
            svcb(1, &[(0, b"\x00\x03")]),
            svcb(1, &[(0, b"\x00\x03\x00\x01"), (1, b"\x02h2"), (3, b"\x01\xbb")]),
            svcb(1, &[(0, b"\x00\x03\x00\x03"), (3, b"\x01\xbb")]),
        ] {
            malformed(rtype, &wrong);
        }
        malformed(rtype, &svcb(1, &[(3, b"\x01\xbb")])[..6]);
    }
}

proptest! {
    #[test]
    fn checking_never_panics(
        rtype in prop::sample::select(&rr::ALL[..]), data in prop::collection::vec(any::<u8>(), 0..1100)
    ) {
        let _ = check(rtype.0, &data);
    }

    /// Cutting a valid record short or changing a byte never panics either.
    #[test]
    fn checking_almost_valid_data_never_panics(
        (rtype, mut data) in generate::record(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        prop_assert_eq!(check(rtype, &data), Ok(()));
        let at = at.index(data.len());
        let _ = check(rtype, &data[..at]);
        data[at] = byte;
        let _ = check(rtype, &data);
    }
}
