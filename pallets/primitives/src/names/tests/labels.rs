// SPDX-License-Identifier: Apache-2.0

use crate::names::{commitment_hash, records_hash, Label, LabelError, NameError, RelativeName, Zone};
use codec::{Decode, Encode};
use proptest::prelude::*;

fn name(text: &str) -> RelativeName {
    RelativeName::parse(text).unwrap()
}

#[test]
fn labels_follow_dns_and_idna() {
    for text in ["a", "0", "blog", "a-b", "xn--bcher-kva", "123", &"a".repeat(63)] {
        assert_eq!(text.parse::<Label>().unwrap().to_string(), text);
    }
    for (text, error) in [
        ("", LabelError::Empty),
        (&*"a".repeat(64), LabelError::TooLong),
        ("Blog", LabelError::ByteInvalid),
        ("b.c", LabelError::ByteInvalid),
        ("a_b", LabelError::ByteInvalid),
        ("bücher", LabelError::ByteInvalid),
        ("-a", LabelError::HyphenAtEdge),
        ("a-", LabelError::HyphenAtEdge),
        ("xn--", LabelError::HyphenAtEdge),
        ("a--b", LabelError::HyphensInRow),
        ("ab--c", LabelError::HyphensInRow),
        ("xn--a--b", LabelError::HyphensInRow),
        ("xn---b", LabelError::HyphensInRow),
    ] {
        assert_eq!(text.parse::<Label>(), Err(error), "{text}");
        assert!(Label::decode(&mut &text.as_bytes().encode()[..]).is_err(), "{text}");
    }
}

#[test]
fn a_label_is_a_string_in_json() {
    let label: Label = serde_json::from_str("\"blog\"").unwrap();
    assert_eq!(serde_json::to_string(&label).unwrap(), "\"blog\"");
    assert!(serde_json::from_str::<Label>("\"-\"").is_err());
}

#[test]
fn relative_names_follow_the_rules() {
    for text in ["@", "www", "*", "*.a", "_443._tcp.www", "a.b.c.d", "-"] {
        assert_eq!(name(text).to_string(), text);
    }
    assert!(name("").is_apex());
    let longest = format!("{}.{}", "a".repeat(63), "b".repeat(55));
    assert_eq!(name(&longest).as_wire().len(), 120);
    for (text, error) in [
        ("a.b.c.d.e", NameError::TooManyLabels),
        ("a..b", NameError::LabelLengthInvalid),
        (".", NameError::LabelLengthInvalid),
        (&*"a".repeat(64), NameError::LabelLengthInvalid),
        ("a.*", NameError::ByteInvalid),
        ("**", NameError::ByteInvalid),
        ("a*", NameError::ByteInvalid),
        ("WWW", NameError::ByteInvalid),
        ("a b", NameError::ByteInvalid),
        (&*format!("{}.{}", "a".repeat(63), "b".repeat(56)), NameError::TooLong),
    ] {
        assert_eq!(RelativeName::parse(text), Err(error), "{text}");
    }
    assert_eq!(RelativeName::from_wire(b"\x03ww"), Err(NameError::LabelLengthInvalid));
    assert_eq!(RelativeName::from_wire(b"\x03www\x00"), Err(NameError::LabelLengthInvalid));
}

#[test]
fn canonical_order_puts_a_name_before_all_below_it() {
    let sorted = ["@", "*", "a", "*.a", "b.a", "z.b.a", "c.a", "a-b", "b", "a.b"].map(name);
    assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn below_is_by_whole_labels() {
    assert!(name("a.b").is_at_or_below(&name("b")));
    assert!(name("b").is_at_or_below(&name("b")));
    assert!(name("b").is_at_or_below(&name("@")));
    assert!(!name("ab").is_at_or_below(&name("b")));
    assert!(!name("b").is_at_or_below(&name("a.b")));
    // The wire form of "\x01b" occurs within a label here, not at a label's start.
    assert!(!name("a1b").is_at_or_below(&name("1b")));
    assert_eq!(name("x.y.shop").top_label(), Some(&b"shop"[..]));
    assert_eq!(name("@").top_label(), None);
}

#[test]
fn a_commitment_binds_each_of_its_parts() {
    let (blog, shop) = ("blog".parse::<Label>().unwrap(), "shop".parse::<Label>().unwrap());
    let empty = records_hash(&Zone::default());
    let hash = commitment_hash(&[1; 32], &blog, &[2u8; 32], 1, &[3; 32], &empty);
    for other in [
        commitment_hash(&[9; 32], &blog, &[2u8; 32], 1, &[3; 32], &empty),
        commitment_hash(&[1; 32], &shop, &[2u8; 32], 1, &[3; 32], &empty),
        commitment_hash(&[1; 32], &blog, &[9u8; 32], 1, &[3; 32], &empty),
        commitment_hash(&[1; 32], &blog, &[2u8; 32], 2, &[3; 32], &empty),
        commitment_hash(&[1; 32], &blog, &[2u8; 32], 1, &[9; 32], &empty),
        commitment_hash(&[1; 32], &blog, &[2u8; 32], 1, &[3; 32], &[9; 32]),
    ] {
        assert_ne!(hash, other);
    }
}

#[test]
fn a_commitment_is_hashed_as_documented() {
    // The preimage by hand: compact lengths before the purpose (15) and the label (4).
    let mut preimage = vec![15 << 2];
    preimage.extend(b"names/commit/v1");
    preimage.extend([1; 32]);
    preimage.push(4 << 2);
    preimage.extend(b"blog");
    preimage.extend([2; 32]);
    preimage.push(5);
    preimage.extend([3; 32]);
    preimage.extend([4; 32]);
    let hash = commitment_hash(&[1; 32], &"blog".parse().unwrap(), &[2u8; 32], 5, &[3; 32], &[4; 32]);
    assert_eq!(hash, sp_crypto_hashing::blake2_256(&preimage));
}

proptest! {
    #[test]
    fn only_valid_labels_decode(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(label) = Label::decode(&mut &bytes[..]) {
            prop_assert_eq!(Label::try_from(label.as_bytes()), Ok(label));
        }
    }

    #[test]
    fn labels_survive_encoding(text in "[a-z0-9]([a-z0-9]{0,61}[a-z0-9])?") {
        let label: Label = text.parse().unwrap();
        prop_assert_eq!(Label::decode(&mut &label.encode()[..]), Ok(label));
    }

    #[test]
    fn only_valid_names_decode(bytes in prop::collection::vec(prop_oneof![0u8..8, b'a'..b'e', Just(b'*'), any::<u8>()], 0..40)) {
        if let Ok(name) = RelativeName::decode(&mut &bytes[..]) {
            prop_assert_eq!(RelativeName::from_wire(name.as_wire()), Ok(name.clone()));
            prop_assert_eq!(RelativeName::parse(&name.to_string()), Ok(name));
        }
    }

    #[test]
    fn names_order_as_their_labels_from_the_right(
        a in super::generate::relative_name(), b in super::generate::relative_name()
    ) {
        let reversed = |name: &RelativeName| {
            let mut labels: Vec<Vec<u8>> = name.labels().map(<[u8]>::to_vec).collect();
            labels.reverse();
            labels
        };
        prop_assert_eq!(a.cmp(&b), reversed(&a).cmp(&reversed(&b)));
        prop_assert_eq!(a.is_at_or_below(&b), reversed(&a).starts_with(&reversed(&b)));
    }
}
