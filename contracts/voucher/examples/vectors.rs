// SPDX-License-Identifier: Apache-2.0

//! Prints new vectors: `cargo run --example vectors > voucher/vectors.json`. Signatures are randomised, so every run differs in
//! them, and in nothing else.

use cairn_voucher::{Answer, Badge, Bytes32, Voucher, SIGNING_CONTEXT};
use schnorrkel::{ExpansionMode, Keypair, MiniSecretKey};
use serde_json::json;

fn key(seed: u8) -> Keypair {
    MiniSecretKey::from_bytes(&[seed; 32]).expect("32 bytes").expand_to_keypair(ExpansionMode::Ed25519)
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn signature(key: &Keypair, message: &[u8]) -> String {
    hex(&key.sign_simple(SIGNING_CONTEXT, message).to_bytes())
}

fn voucher(key: &Keypair, voucher: Voucher) -> serde_json::Value {
    let Voucher { genesis, contract, consumer, signer, provider, api, epoch, calls, units, value } = voucher;
    json!({
        "genesis": hex(&genesis), "contract": hex(&contract), "consumer": hex(&consumer), "signer": hex(&signer),
        "provider": hex(&provider), "api": api.to_string(), "epoch": epoch.to_string(), "calls": calls.to_string(),
        "units": units.to_string(), "value": value.to_string(),
        "signed_bytes": hex(&voucher.signed_bytes()), "signature": signature(key, &voucher.signed_bytes()),
    })
}

fn main() {
    let (alice, bob) = (key(1), key(2));
    let signer: Bytes32 = alice.public.to_bytes();
    let (genesis, contract, consumer, provider) = ([0x11; 32], [0x22; 32], [0x33; 32], [0x44; 32]);
    let first = Voucher {
        genesis,
        contract,
        consumer,
        signer,
        provider,
        api: 7,
        epoch: 1,
        calls: 1_000,
        units: 2_500,
        value: 1_500_000_000_000,
    };
    let most = Voucher {
        signer: bob.public.to_bytes(),
        api: u32::MAX,
        epoch: u32::MAX,
        calls: u64::MAX,
        units: u64::MAX,
        value: u128::MAX,
        ..first
    };
    let answer = Answer {
        genesis,
        contract,
        key: bob.public.to_bytes(),
        api: 7,
        method: 3,
        request: [0x55; 32],
        response: [0x66; 32],
        latency_ms: 12,
        at_ms: 1_790_000_000_123,
    };
    let badge = Badge {
        genesis,
        contract,
        consumer,
        signer,
        user: bob.public.to_bytes(),
        api: 7,
        epoch: 1,
        units_max: 10_000,
        expires_at_ms: 1_800_000_000_000,
    };
    let all = json!({
        "vouchers": [voucher(&alice, first), voucher(&bob, most)],
        "answers": [{
            "genesis": hex(&genesis), "contract": hex(&contract), "key": hex(&answer.key), "api": answer.api.to_string(),
            "method": answer.method.to_string(), "request": hex(&answer.request), "response": hex(&answer.response),
            "latency_ms": answer.latency_ms.to_string(), "at_ms": answer.at_ms.to_string(),
            "signed_bytes": hex(&answer.bytes()), "signature": signature(&bob, &answer.bytes()),
        }],
        "badges": [{
            "genesis": hex(&genesis), "contract": hex(&contract), "consumer": hex(&consumer), "signer": hex(&signer),
            "user": hex(&badge.user), "api": badge.api.to_string(), "epoch": badge.epoch.to_string(),
            "units_max": badge.units_max.to_string(), "expires_at_ms": badge.expires_at_ms.to_string(),
            "signed_bytes": hex(&badge.signed_bytes()), "signature": signature(&alice, &badge.signed_bytes()),
        }],
    });
    println!("{all:#}");
}
