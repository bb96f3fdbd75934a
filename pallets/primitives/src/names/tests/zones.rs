// SPDX-License-Identifier: Apache-2.0

use super::generate;
use crate::names::{
    rr, Rdata, RelativeName, RrSet, Zone, ZoneError, TTL_SECONDS_MAX, TTL_SECONDS_MIN, ZONE_BYTES_MAX, ZONE_RECORDS_MAX,
};
use codec::{Decode, Encode, MaxEncodedLen};
use proptest::prelude::*;

const HOST: &[u8] = b"\x01a\x07example\x00";

fn set(name: &str, rtype: u16, data: &[&[u8]]) -> RrSet {
    let rdata: Vec<Rdata> = data.iter().map(|data| data.to_vec().try_into().unwrap()).collect();
    RrSet { name: RelativeName::parse(name).unwrap(), rtype, ttl_seconds: 300, rdata: rdata.try_into().unwrap() }
}

fn a(name: &str) -> RrSet {
    set(name, rr::A, &[&[192, 0, 2, 7]])
}

fn zone(sets: &[RrSet]) -> Result<Zone, ZoneError> {
    Zone::from_sets(sets.to_vec())
}

fn ds(name: &str) -> RrSet {
    set(name, rr::DS, &[&[&[1u8, 1, 13, 2][..], &[0; 32]].concat()])
}

#[test]
fn sets_are_sorted_whatever_the_order_they_come_in() {
    let zone = zone(&[a("b"), set("@", rr::TXT, &[b"\x00"]), a("a.b"), a("@")]).unwrap();
    let order: Vec<String> = zone.names().map(ToString::to_string).collect();
    assert_eq!(order, ["@", "b", "a.b"]);
    assert_eq!(zone.records(), 4);
    assert_eq!(zone.get(&RelativeName::apex(), rr::A), Some(&a("@")));
    assert_eq!(zone.get(&RelativeName::apex(), rr::AAAA), None);
}

#[test]
fn each_rule_has_its_error() {
    let cname = |name| set(name, rr::CNAME, &[HOST]);
    let ns = |name| set(name, rr::NS, &[HOST]);
    let alias = |name| set(name, rr::ALIAS, &[HOST]);
    let mut short = a("@");
    short.ttl_seconds = TTL_SECONDS_MIN - 1;
    let mut long = a("@");
    long.ttl_seconds = TTL_SECONDS_MAX + 1;
    for (sets, error) in [
        (vec![set("@", rr::A, &[&[1]])], ZoneError::RecordInvalid),
        (vec![set("@", rr::MX, &[b"\x00\x01\x01A\x00"])], ZoneError::NameInvalid),
        (vec![set("@", 6, &[b""])], ZoneError::TypeUnknown),
        (vec![set("@", rr::A, &[&[1; 4], &[2; 4], &[1; 4]])], ZoneError::RecordDuplicate),
        (vec![set("@", rr::A, &[])], ZoneError::RrSetEmpty),
        (vec![set("w", rr::CNAME, &[HOST, b"\x01b\x00"])], ZoneError::RrSetFull),
        (vec![set("w", rr::ALIAS, &[HOST, b"\x01b\x00"])], ZoneError::RrSetFull),
        (vec![a("w"), set("w", rr::A, &[&[1; 4]])], ZoneError::RrSetDuplicate),
        (vec![cname("w"), a("w")], ZoneError::CnameConflict),
        (vec![cname("@")], ZoneError::CnameConflict),
        (vec![alias("@"), a("@")], ZoneError::AliasConflict),
        (vec![alias("@"), set("@", rr::AAAA, &[&[1; 16]])], ZoneError::AliasConflict),
        (vec![ns("@")], ZoneError::NsAtApex),
        (vec![ns("*.w")], ZoneError::NsAtWildcard),
        (vec![ns("w"), set("w", rr::TXT, &[b"\x00"])], ZoneError::BelowDelegation),
        (vec![ns("w"), set("x.y.w", rr::TXT, &[b"\x00"])], ZoneError::BelowDelegation),
        (vec![ns("w"), ns("x.w")], ZoneError::BelowDelegation),
        (vec![ns("w"), a("*.w")], ZoneError::BelowDelegation),
        (vec![ns("w"), a("a.w"), cname("b.w")], ZoneError::BelowDelegation),
        (vec![ds("w")], ZoneError::DsWithoutNs),
        (vec![ns("w"), ds("x")], ZoneError::DsWithoutNs),
        (vec![short], ZoneError::TtlOutOfRange),
        (vec![long], ZoneError::TtlOutOfRange),
    ] {
        assert_eq!(zone(&sets), Err(error), "{sets:?}");
    }
    assert!(zone(&[cname("w"), a("x.w"), a("@"), cname("*")]).is_ok());
    assert!(zone(&[alias("@"), set("@", rr::TXT, &[b"\x00"]), set("@", rr::MX, &[b"\x00\x00\x00"])]).is_ok());
    assert!(zone(&[ns("w"), ds("w"), a("w"), a("x.y.w"), set("w2", rr::TXT, &[b"\x00"])]).is_ok());
}

#[test]
fn unsorted_sets_do_not_decode() {
    assert!(Zone::decode(&mut &vec![a("b"), a("a")].encode()[..]).is_err());
    assert!(Zone::decode(&mut &vec![a("a"), a("a")].encode()[..]).is_err());
    assert!(Zone::decode(&mut &vec![a("a"), a("b")].encode()[..]).is_ok());
}

#[test]
fn the_sixty_fifth_record_is_refused() {
    let full: Vec<RrSet> = (0..8)
        .map(|host| {
            let data: Vec<[u8; 4]> = (0..8).map(|last| [10, 0, 0, last]).collect();
            set(&format!("h{host}"), rr::A, &data.iter().map(|data| &data[..]).collect::<Vec<_>>())
        })
        .collect();
    let mut zone = zone(&full).unwrap();
    assert_eq!(zone.records(), ZONE_RECORDS_MAX);
    let before = zone.clone();
    assert_eq!(zone.set(a("one-more")), Err(ZoneError::ZoneFull));
    assert_eq!(zone, before);
}

#[test]
fn the_byte_over_the_limit_is_refused() {
    // Four texts at the apex take 9 + 4 * (2 + bytes).
    let texts = |last: usize| {
        let data: Vec<Vec<u8>> = [1024, 1024, 1024, last]
            .into_iter()
            .enumerate()
            .map(|(at, length)| {
                let mut text = vec![0; length];
                // Differ by where the first string ends.
                text[0] = at as u8;
                text
            })
            .collect();
        set("@", rr::TXT, &data.iter().map(|data| &data[..]).collect::<Vec<_>>())
    };
    let most = ZONE_BYTES_MAX as usize - 9 - 4 * 2 - 3 * 1024;
    let full = zone(&[texts(most)]).unwrap();
    assert_eq!(full.bytes(), ZONE_BYTES_MAX);
    assert!(full.encode().len() <= Zone::max_encoded_len());
    assert_eq!(zone(&[texts(most + 1)]), Err(ZoneError::ZoneFull));
}

#[test]
fn clearing_ns_takes_its_ds_with_it() {
    let mut zone = zone(&[set("w", rr::NS, &[HOST]), ds("w"), a("w")]).unwrap();
    let name = RelativeName::parse("w").unwrap();
    assert!(zone.clear(&name, rr::NS));
    assert!(!zone.clear(&name, rr::NS));
    assert_eq!(zone.rrsets(), [a("w")]);
}

#[test]
fn a_set_takes_the_place_of_the_one_before() {
    let mut zone = zone(&[a("w")]).unwrap();
    zone.set(set("w", rr::A, &[&[1; 4], &[2; 4]])).unwrap();
    assert_eq!((zone.rrsets().len(), zone.records()), (1, 2));
}

proptest! {
    #[test]
    fn zones_survive_encoding(zone in generate::zone()) {
        prop_assert_eq!(zone.check(), Ok(()));
        let encoded = zone.encode();
        prop_assert!(encoded.len() <= zone.bytes() as usize + 2);
        prop_assert_eq!(Zone::decode(&mut &encoded[..]), Ok(zone.clone()));
        let mut shuffled = zone.rrsets().to_vec();
        shuffled.reverse();
        prop_assert_eq!(Zone::from_sets(shuffled), Ok(zone));
    }

    #[test]
    fn a_zone_stays_valid_whatever_is_set_and_cleared(
        steps in prop::collection::vec((generate::rrset(), prop::bool::weighted(0.3)), 0..60)
    ) {
        let mut zone = Zone::default();
        for (set, clear) in steps {
            let before = zone.clone();
            if clear {
                let had = zone.get(&set.name, set.rtype).is_some();
                prop_assert_eq!(zone.clear(&set.name, set.rtype), had);
                prop_assert_eq!(zone.get(&set.name, set.rtype), None);
            } else if zone.set(set.clone()).is_ok() {
                prop_assert_eq!(zone.get(&set.name, set.rtype), Some(&set));
            } else {
                prop_assert_eq!(&zone, &before);
            }
            prop_assert_eq!(zone.check(), Ok(()));
        }
    }

    #[test]
    fn only_valid_zones_decode(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(zone) = Zone::decode(&mut &bytes[..]) {
            prop_assert_eq!(zone.check(), Ok(()));
        }
    }

    /// From valid encodings with a few bytes changed, which reach deeper than random ones.
    #[test]
    fn only_valid_zones_decode_from_changed_encodings(
        zone in generate::zone(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let mut bytes = zone.encode();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(zone) = Zone::decode(&mut &bytes[..]) {
            prop_assert_eq!(zone.check(), Ok(()));
            prop_assert_eq!(Zone::decode(&mut &zone.encode()[..]), Ok(zone));
        }
    }
}
