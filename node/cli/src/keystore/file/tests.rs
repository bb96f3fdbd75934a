// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::failure::{Exit, Shown};

/// Exported by polkadot-js itself, passphrase `whoisalice`.
const ALICE: &str = r#"{
  "encoded": "DumgApKCTqoCty1OZW/8WS+sgo6RdpHhCwAkA2IoDBMAgAAAAQAAAAgAAAB6IG/q24EeVf0JqWqcBd5m2tKq5BlyY84IQ8oamLn9DZe9Ouhgunr7i36J1XxUnTI801axqL/ym1gil0U8440Qvj0lFVKwGuxq38zuifgoj0B3Yru0CI6QKEvQPU5xxj4MpyxdSxP+2PnTzYao0HDH0fulaGvlAYXfqtU89xrx2/z9z7IjSwS3oDFPXRQ9kAdDebtyCVreZ9Otw9v3",
  "encoding": {"content": ["pkcs8", "sr25519"], "type": ["scrypt", "xsalsa20-poly1305"], "version": "3"},
  "address": "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
  "meta": {"genesisHash": "", "name": "Alice", "whenCreated": 1718265838755}
}"#;

fn key() -> Keypair {
    Keypair::from_secret_uri("//Test//key").expect("valid")
}

fn encrypted() -> AccountFile {
    AccountFile::encrypt(&key(), "correct horse", "test", ScryptParams::COMPATIBLE).expect("encrypts")
}

fn refused(file: &str, passphrase: &str) -> String {
    let result = AccountFile::from_json(file).and_then(|file| file.decrypt(passphrase).map(|_| ()));
    let shown = Shown::new(&result.expect_err("must be refused"));
    assert_eq!(shown.exit, Exit::Usage);
    shown.message
}

#[test]
fn keys_round_trip() {
    let file = AccountFile::from_json(&encrypted().to_json()).expect("own file");
    let again = file.decrypt("correct horse").expect("right passphrase");
    assert_eq!(again.account_id(), key().account_id());
    assert_eq!(again.to_expanded_secret(), key().to_expanded_secret());
}

#[test]
fn other_programs_read_our_files() {
    for params in [ScryptParams::COMPATIBLE, ScryptParams::STRONG] {
        let file = AccountFile::encrypt(&key(), "päss wörd 🪨", "test", params).expect("encrypts");
        let theirs =
            subxt_signer::polkadot_js_compat::decrypt_json(&file.to_json(), "päss wörd 🪨").expect("compatible");
        assert_eq!(theirs.public_key().0, key().account_id().0);
    }
}

#[test]
fn we_read_files_of_other_programs() {
    let file = AccountFile::from_json(ALICE).expect("valid");
    let alice = Keypair::from_secret_uri("//Alice").expect("valid");
    assert_eq!(file.account(), alice.account_id());
    assert_eq!(file.decrypt("whoisalice").expect("right passphrase").account_id(), alice.account_id());
    assert_eq!(file.created_ms(), Some(1_718_265_838_755));
}

#[test]
fn a_wrong_passphrase_is_told() {
    for wrong in ["", "whoisbob", "whoisalice "] {
        assert!(refused(ALICE, wrong).contains("passphrase is wrong"));
    }
}

#[test]
fn two_encryptions_of_one_key_share_nothing() {
    let (a, b) = (encrypted().json.encoded, encrypted().json.encoded);
    assert_ne!(a[..40], b[..40]);
    assert_ne!(a[100..], b[100..]);
}

/// Any byte that is changed, wherever it is, is noticed; no plaintext of a changed file is used.
#[test]
fn tampering_is_noticed() {
    let file = encrypted();
    let encoded = BASE64.decode(&file.json.encoded).expect("own base64");
    // The salt, each scrypt number, the nonce, the ciphertext's beginning and end.
    for position in [0, 31, 32, 33, 36, 40, 44, 67, 68, encoded.len() - 1] {
        let mut changed = encoded.clone();
        changed[position] ^= 1;
        let mut json = file.json.clone();
        json.encoded = BASE64.encode(&changed);
        let text = serde_json::to_string(&json).expect("JSON");
        refused(&text, "correct horse");
    }
}

#[test]
fn another_address_is_noticed() {
    let mut json = encrypted().json;
    json.address = to_address(&AccountId::from([7; 32]), DEFAULT_SS58_PREFIX);
    let text = serde_json::to_string(&json).expect("JSON");
    assert!(refused(&text, "correct horse").contains("another address"));
}

#[test]
fn lengths_at_the_limits_are_refused() {
    let file = encrypted();
    let encoded = BASE64.decode(&file.json.encoded).expect("own base64");
    for length in [0, 1, 43, 44, 67, 68, 69, 83, 84, encoded.len() - 1] {
        let mut json = file.json.clone();
        json.encoded = BASE64.encode(&encoded[..length]);
        refused(&serde_json::to_string(&json).expect("JSON"), "correct horse");
    }
    let mut json = file.json.clone();
    json.encoded = BASE64.encode([&encoded[..], &[0]].concat());
    refused(&serde_json::to_string(&json).expect("JSON"), "correct horse");
}

/// A file may not choose its own cost: this returns at once instead of taking all memory.
#[test]
fn hostile_scrypt_parameters_are_refused() {
    let file = encrypted();
    let encoded = BASE64.decode(&file.json.encoded).expect("own base64");
    let started = std::time::Instant::now();
    for (n, p, r) in [
        (1u32 << 31, 1u32, 8u32),
        (1 << 24, 1, 8),
        (1 << 15, u32::MAX, 8),
        (1 << 15, 1, u32::MAX),
        (1 << 18, 1, 8),
        (1 << 17, 2, 8),
        (1 << 15, 1, 1),
        (2, 1, 1),
        (1 << 15 | 1, 1, 8),
        (0, 0, 0),
    ] {
        let mut changed = encoded.clone();
        for (index, number) in [n, p, r].into_iter().enumerate() {
            changed[32 + 4 * index..36 + 4 * index].copy_from_slice(&number.to_le_bytes());
        }
        let mut json = file.json.clone();
        json.encoded = BASE64.encode(&changed);
        let message = refused(&serde_json::to_string(&json).expect("JSON"), "correct horse");
        assert!(message.contains("scrypt"), "{message}");
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(1));
}

#[test]
fn all_parameters_of_polkadot_js_are_known() {
    for params in ScryptParams::ALLOWED {
        let found = ScryptParams::from_file(1 << params.log_n, params.p, params.r).expect("allowed");
        assert_eq!(found, params);
        assert!((128u64 * u64::from(params.r)) << params.log_n <= 128 << 20, "memory");
    }
}

#[test]
fn other_kinds_of_files_are_refused_with_their_reason() {
    for (from, to, reason) in [
        ("\"3\"", "\"2\"", "encryption"),
        ("xsalsa20-poly1305", "none", "encryption"),
        ("\"sr25519\"", "\"ed25519\"", "ed25519"),
        ("5Grwva", "5Grwvb", "address"),
        ("\"encoded\"", "\"enc\"", "not an account file"),
        ("DumgApKC", "!!!!!!!!", "base64"),
    ] {
        let message = refused(&ALICE.replace(from, to), "whoisalice");
        assert!(message.contains(reason), "{message}");
    }
    for text in ["", "{}", "[]", "null", "\u{0}", "{\"encoded\":1}"] {
        refused(text, "x");
    }
    refused(&" ".repeat(FILE_LEN_MAX as usize + 1), "x");
}
