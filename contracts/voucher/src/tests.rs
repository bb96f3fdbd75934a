// SPDX-License-Identifier: Apache-2.0

use codec::{Decode, DecodeAll, Encode};
use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../vectors.json");

fn vectors(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(VECTORS).expect("the vectors are JSON");
    let list = all[kind].as_array().expect("a list of vectors").clone();
    assert!(!list.is_empty());
    list
}

fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    let text = vector[field].as_str().unwrap_or_else(|| panic!("{field} is a string"));
    hex::decode(text.trim_start_matches("0x")).expect("hex")
}

fn bytes32(vector: &Value, field: &str) -> Bytes32 {
    bytes(vector, field).try_into().expect("32 bytes")
}

/// Numbers are strings: JavaScript's are too short.
fn number<T: std::str::FromStr>(vector: &Value, field: &str) -> T {
    vector[field].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{field} is a number"))
}

fn signed_by(key: &Bytes32, message: &[u8], signature: &[u8]) -> bool {
    let key = schnorrkel::PublicKey::from_bytes(key).expect("a public key");
    let signature = schnorrkel::Signature::from_bytes(signature).expect("a signature");
    key.verify_simple(SIGNING_CONTEXT, message, &signature).is_ok()
}

fn voucher(vector: &Value) -> Voucher {
    Voucher {
        genesis: bytes32(vector, "genesis"),
        contract: bytes32(vector, "contract"),
        consumer: bytes32(vector, "consumer"),
        signer: bytes32(vector, "signer"),
        provider: bytes32(vector, "provider"),
        api: number(vector, "api"),
        epoch: number(vector, "epoch"),
        calls: number(vector, "calls"),
        units: number(vector, "units"),
        value: number(vector, "value"),
    }
}

fn answer(vector: &Value) -> Answer {
    Answer {
        genesis: bytes32(vector, "genesis"),
        contract: bytes32(vector, "contract"),
        key: bytes32(vector, "key"),
        api: number(vector, "api"),
        method: number(vector, "method"),
        request: bytes32(vector, "request"),
        response: bytes32(vector, "response"),
        latency_ms: number(vector, "latency_ms"),
        at_ms: number(vector, "at_ms"),
    }
}

fn badge(vector: &Value) -> Badge {
    Badge {
        genesis: bytes32(vector, "genesis"),
        contract: bytes32(vector, "contract"),
        consumer: bytes32(vector, "consumer"),
        signer: bytes32(vector, "signer"),
        user: bytes32(vector, "user"),
        api: number(vector, "api"),
        epoch: number(vector, "epoch"),
        units_max: number(vector, "units_max"),
        expires_at_ms: number(vector, "expires_at_ms"),
    }
}

fn scale_is<T: Encode + Decode + PartialEq + std::fmt::Debug>(item: &T, domain: &[u8], bytes: &[u8]) {
    assert_eq!([domain, &item.encode()].concat(), bytes);
    assert_eq!(&T::decode_all(&mut &bytes[domain.len()..]).expect("own encoding"), item);
}

#[test]
fn vouchers_are_signed_as_the_vectors_say() {
    for vector in vectors("vouchers") {
        let voucher = voucher(&vector);
        assert_eq!(voucher.signed_bytes(), *bytes(&vector, "signed_bytes"));
        assert_eq!(voucher.signed_bytes(), *[WRAP_START, &voucher.bytes()[..], WRAP_END].concat());
        scale_is(&voucher, Voucher::DOMAIN, &voucher.bytes());
        assert!(signed_by(&voucher.signer, &voucher.signed_bytes(), &bytes(&vector, "signature")));
    }
}

#[test]
fn answers_are_signed_as_the_vectors_say() {
    for vector in vectors("answers") {
        let answer = answer(&vector);
        assert_eq!(answer.bytes(), *bytes(&vector, "signed_bytes"));
        scale_is(&answer, Answer::DOMAIN, &answer.bytes());
        assert!(signed_by(&answer.key, &answer.bytes(), &bytes(&vector, "signature")));
    }
}

#[test]
fn badges_are_signed_as_the_vectors_say() {
    for vector in vectors("badges") {
        let badge = badge(&vector);
        assert_eq!(badge.signed_bytes(), *bytes(&vector, "signed_bytes"));
        assert_eq!(badge.signed_bytes(), *[WRAP_START, &badge.bytes()[..], WRAP_END].concat());
        scale_is(&badge, Badge::DOMAIN, &badge.bytes());
        assert!(signed_by(&badge.signer, &badge.signed_bytes(), &bytes(&vector, "signature")));
    }
}

#[test]
fn a_changed_byte_breaks_every_signature() {
    let vector = &vectors("vouchers")[0];
    let signature = bytes(vector, "signature");
    let (signer, message) = (bytes32(vector, "signer"), voucher(vector).signed_bytes());
    for at in 0..message.len() {
        let mut changed = message;
        changed[at] ^= 1;
        assert!(!signed_by(&signer, &changed, &signature), "byte {at}");
    }
}

#[test]
fn only_another_response_to_the_same_request_conflicts() {
    let first = answer(&vectors("answers")[0]);
    assert!(!first.conflicts_with(&first));
    assert!(!first.conflicts_with(&Answer { latency_ms: 1, at_ms: 1, ..first }));
    let other = Answer { response: [9; 32], key: [8; 32], latency_ms: 3, ..first };
    assert!(first.conflicts_with(&other));
    for unrelated in [
        Answer { genesis: [0; 32], ..other },
        Answer { contract: [0; 32], ..other },
        Answer { api: 99, ..other },
        Answer { method: 99, ..other },
        Answer { request: [0; 32], ..other },
    ] {
        assert!(!first.conflicts_with(&unrelated), "{unrelated:?}");
    }
}
