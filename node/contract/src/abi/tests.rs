// SPDX-License-Identifier: Apache-2.0

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Addresses for tests: `@` and the first byte.
struct At;
impl Addresses for At {
    fn parse(&self, text: &str) -> Option<[u8; 32]> {
        Some([text.strip_prefix('@')?.parse().ok()?; 32])
    }
    fn format(&self, account: &[u8; 32]) -> String {
        format!("@{}", account[0])
    }
}

/// Types 0 to 20, and messages with one argument of each interesting one, which they return.
fn abi() -> Abi {
    let path = |path: &[&str], def: Value| json!({ "path": path, "def": def });
    let types = [
        json!({ "def": { "primitive": "u8" } }),
        json!({ "def": { "array": { "len": 32, "type": 0 } } }),
        path(&["ink_primitives", "types", "AccountId"], json!({ "composite": { "fields": [{ "type": 1 }] } })),
        json!({ "def": { "primitive": "u128" } }),
        json!({ "def": { "primitive": "str" } }),
        json!({ "def": { "sequence": { "type": 0 } } }),
        path(
            &["Option"],
            json!({ "variant": { "variants": [{ "name": "None", "index": 0 }, { "name": "Some", "fields": [{ "type": 3 }], "index": 1 }] } }),
        ),
        path(
            &["Option"],
            json!({ "variant": { "variants": [{ "name": "None", "index": 0 }, { "name": "Some", "fields": [{ "type": 6 }], "index": 1 }] } }),
        ),
        path(
            &["x", "Pair"],
            json!({ "composite": { "fields": [{ "name": "a", "type": 3 }, { "name": "b", "type": 6 }] } }),
        ),
        path(
            &["x", "Shape"],
            json!({ "variant": { "variants": [{ "name": "Dot", "index": 0 }, { "name": "Box", "fields": [{ "name": "w", "type": 3 }], "index": 5 }] } }),
        ),
        json!({ "def": { "tuple": [3, 4] } }),
        json!({ "def": { "sequence": { "type": 8 } } }),
        json!({ "def": { "primitive": "i16" } }),
        json!({ "def": { "tuple": [] } }),
        path(&["x", "Error"], json!({ "variant": { "variants": [{ "name": "TooBad", "index": 3 }] } })),
        path(
            &["Result"],
            json!({ "variant": { "variants": [{ "name": "Ok", "fields": [{ "type": 3 }], "index": 0 }, { "name": "Err", "fields": [{ "type": 14 }], "index": 1 }] } }),
        ),
        path(
            &["ink_primitives", "LangError"],
            json!({ "variant": { "variants": [{ "name": "CouldNotReadInput", "index": 1 }] } }),
        ),
        path(
            &["Result"],
            json!({ "variant": { "variants": [{ "name": "Ok", "fields": [{ "type": 15 }], "index": 0 }, { "name": "Err", "fields": [{ "type": 16 }], "index": 1 }] } }),
        ),
        json!({ "def": { "compact": { "type": 3 } } }),
        json!({ "def": { "primitive": "bool" } }),
        // A type that holds itself: nobody can write one, and a hostile file can.
        json!({ "def": { "tuple": [20, 20] } }),
    ];
    let types: Vec<Value> = types.into_iter().enumerate().map(|(id, ty)| json!({ "id": id, "type": ty })).collect();
    let echo = |id: u32| json!({ "label": format!("echo{id}"), "selector": "0x01020304", "args": [{ "label": "it", "type": { "type": id } }], "returnType": { "type": id } });
    let mut messages: Vec<Value> = (0..21).map(echo).collect();
    messages.push(json!({ "label": "two", "selector": "0x05060708", "args": [{ "label": "to", "type": { "type": 2 } }, { "label": "more", "type": { "type": 6 } }], "returnType": { "type": 17 } }));
    let event = json!({ "label": "Moved", "signature_topic": format!("0x{}", "07".repeat(32)), "args": [{ "label": "to", "type": { "type": 2 } }, { "label": "value", "type": { "type": 3 } }] });
    Abi::parse(&json!({ "version": 5, "types": types, "spec": { "messages": messages, "events": [event] } }))
        .expect("valid")
}

fn echo(abi: &Abi, id: u32, value: Value) -> Result<(Vec<u8>, Value), AbiError> {
    let message = abi.callable(Kind::Message, &format!("echo{id}"))?;
    let bytes = abi.encode(message, &Args::Ordered(vec![value]), &At)?;
    assert_eq!(bytes[..4], [1, 2, 3, 4]);
    let bytes = bytes[4..].to_vec();
    match abi.decode(Kind::Message, message, &bytes, &At)? {
        Answer::Done(value) => Ok((bytes, value)),
        Answer::Refused(error) => Ok((bytes, json!({ "refused": error }))),
    }
}

#[test]
fn values_go_there_and_come_back() {
    let abi = abi();
    let big = u128::MAX.to_string();
    for (id, value, bytes) in [
        (0, json!(255), vec![255]),
        (2, json!("@7"), vec![7; 32]),
        (3, json!(big), vec![255; 16]),
        (4, json!("hé"), vec![12, b'h', 0xc3, 0xa9]),
        (5, json!("0x0102"), vec![8, 1, 2]),
        (6, json!(null), vec![0]),
        (6, json!("5"), [vec![1, 5], vec![0; 15]].concat()),
        (7, json!({ "Some": null }), vec![1, 0]),
        (8, json!({ "a": "1", "b": null }), [vec![1], vec![0; 15], vec![0]].concat()),
        (9, json!("Dot"), vec![0]),
        (9, json!({ "Box": { "w": "2" } }), [vec![5, 2], vec![0; 15]].concat()),
        (10, json!(["3", "x"]), [vec![3], vec![0; 15], vec![4, b'x']].concat()),
        (11, json!([]), vec![0]),
        (12, json!(-2), vec![0xfe, 0xff]),
        (13, json!(null), vec![]),
        (18, json!("64"), vec![1, 1]),
        (19, json!(true), vec![1]),
    ] {
        assert_eq!(echo(&abi, id, value.clone()), Ok((bytes, value)), "type {id}");
    }
    assert_eq!(echo(&abi, 3, json!("1_000")).expect("digits").1, json!("1000"));
    assert_eq!(echo(&abi, 2, json!(format!("0x{}", "09".repeat(32)))).expect("hex").1, json!("@9"));
    assert_eq!(echo(&abi, 5, json!([1, 2])).expect("a list").1, json!("0x0102"));
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    let abi = abi();
    for (id, value, words) in [
        (0, json!(256), "from 0 to 255"),
        (0, json!(1.5), "whole number"),
        (0, json!(-1), "from 0 to 255"),
        (2, json!("nobody"), "is no address"),
        (1, json!("0x01"), "1 bytes, and 32"),
        (5, json!("01"), "beginning with 0x"),
        (8, json!({ "b": 1 }), "it: the field `a` is missing"),
        (8, json!({ "a": 1, "c": 1 }), "no field `c`"),
        (8, json!({ "a": 1, "b": "x" }), "it.b: "),
        (9, json!("Circle"), "there are Dot, Box"),
        (10, json!([1]), "1 entries, and 2"),
        (11, json!([{ "a": 1 }, { "a": {} }]), "it[1].a: "),
        (12, json!(40_000), "16 bits"),
        (13, json!(1), "null is wanted"),
        (19, json!("true"), "true or false"),
        (20, json!([[], []]), "entries"),
    ] {
        let error = echo(&abi, id, value).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn arguments_go_by_name_or_in_order() {
    let abi = abi();
    let two = abi.callable(Kind::Message, "two").expect("known");
    assert_eq!(abi.signature(two), "two(to: AccountId, more: Option<u128>) -> u128");
    let encode = |args: Value| {
        let args = match args {
            Value::Object(named) => Args::Named(named),
            Value::Array(list) => Args::Ordered(list),
            other => panic!("{other}"),
        };
        abi.encode(two, &args, &At)
    };
    let expected = encode(json!(["@1", null])).expect("fits");
    assert_eq!(encode(json!({ "more": null, "to": "@1" })), Ok(expected.clone()));
    assert_eq!(encode(json!({ "to": "@1" })), Ok(expected), "options may be left out");
    for (args, words) in [
        (json!(["@1"]), "1 arguments are given, it takes 2"),
        (json!({}), "`to` is missing"),
        (json!({ "to": "@1", "x": 1 }), "no argument `x`"),
    ] {
        assert!(encode(args).expect_err(words).to_string().contains(words));
    }
    assert!(abi.callable(Kind::Message, "three").expect_err("unknown").to_string().contains("echo0, "));
}

#[test]
fn errors_of_the_contract_are_told_from_answers() {
    let abi = abi();
    let two = abi.callable(Kind::Message, "two").expect("known");
    let five = [&[0, 0, 5][..], &[0; 15]].concat();
    assert_eq!(abi.decode(Kind::Message, two, &five, &At), Ok(Answer::Done(json!("5"))));
    assert_eq!(abi.decode(Kind::Message, two, &[0, 1, 3], &At), Ok(Answer::Refused(json!("TooBad"))));
    assert_eq!(abi.decode(Kind::Message, two, &[1, 1], &At), Ok(Answer::Refused(json!("CouldNotReadInput"))));
    assert_eq!(abi.decode(Kind::Constructor, two, &[0, 0], &At), Ok(Answer::Done(Value::Null)));
    assert_eq!(abi.decode(Kind::Constructor, two, &[0, 1, 3], &At), Ok(Answer::Refused(json!("TooBad"))));
    for wrong in [&[][..], &[0], &[0, 0, 5], &[0, 1, 9], &[2], &[0, 1, 3, 0]] {
        assert!(matches!(abi.decode(Kind::Message, two, wrong, &At), Err(AbiError::Answer(_))), "{wrong:?}");
    }
}

#[test]
fn events_are_known_by_their_topic() {
    let abi = abi();
    let data = [vec![1; 32], vec![2], vec![0; 15]].concat();
    let event = ("Moved".to_string(), json!({ "to": "@1", "value": "2" }));
    assert_eq!(abi.event(&[[7; 32], [9; 32]], &data, &At), Some(event));
    assert_eq!(abi.event(&[[8; 32]], &data, &At), None);
    assert_eq!(abi.event(&[], &data, &At), None);
    assert_eq!(abi.event(&[[7; 32]], &data[1..], &At), None);
}

#[test]
fn metadata_that_is_not_inks_is_refused() {
    for wrong in [
        json!({}),
        json!({ "version": 4, "spec": {}, "types": [] }),
        json!({ "version": 5, "spec": {}, "types": [{ "id": 1, "type": { "def": { "primitive": "u8" } } }] }),
        json!({ "version": 5, "spec": 1, "types": [] }),
        json!({ "version": 5, "spec": {} }),
        json!({ "version": 5, "spec": {}, "types": [{ "id": 0, "type": { "def": { "magic": 1 } } }] }),
    ] {
        assert!(matches!(Abi::parse(&wrong), Err(AbiError::Metadata(_))), "{wrong}");
    }
}

#[test]
fn types_that_hold_themselves_come_to_an_end() {
    let abi = abi();
    let message = abi.callable(Kind::Message, "echo20").expect("known");
    assert!(abi.decode(Kind::Message, message, &[0; 64], &At).is_err());
    assert!(abi.signature(message).contains('…'));
}

proptest! {
    #[test]
    fn any_answer_is_answered(id in 0u32..21, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let abi = abi();
        let message = abi.callable(Kind::Message, &format!("echo{id}")).expect("known");
        if let Ok(Answer::Done(value)) = abi.decode(Kind::Message, message, &bytes, &At) {
            // What could be read can be written, and is read the same again.
            if id != 1 && id != 2 && id != 17 && id != 15 {
                prop_assert_eq!(echo(&abi, id, value.clone()).expect("was read").1, value);
            }
        }
    }

    #[test]
    fn numbers_survive(number in any::<u128>(), small in any::<i16>()) {
        let abi = abi();
        prop_assert_eq!(echo(&abi, 3, json!(number.to_string())).expect("fits").1, json!(number.to_string()));
        prop_assert_eq!(echo(&abi, 12, json!(small)).expect("fits").1, json!(small));
    }
}
