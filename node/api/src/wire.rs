// SPDX-License-Identifier: Apache-2.0

//! What consumer and provider proxies say to each other, in HTTP headers and one JSON document.
//!
//! | header | from | what |
//! | --- | --- | --- |
//! | [`SESSION`] | consumer | 32 hex digits that it made up: a bearer token for this session |
//! | [`OPEN`] | consumer | [`Opening`] and its signature: opens that session |
//! | [`VOUCHER`] | consumer | a voucher and its signature: pays ahead |
//! | [`BADGE`] | a consumer's user | a badge and its signature: opens the session on the consumer's account, up to the badge's units |
//! | [`ATTEST`] | consumer | `0`: the answer need not be signed |
//! | [`CREDIT`] | provider | plancks that are paid and not used, after this call |
//! | [`PLAN`] | provider | `LEFT UNTIL_MS`: units that are left of the plan's period after this call, and when that ends |
//! | [`BADGE_LEFT`] | provider | to a badge's user, in the place of the two above: units that are left of it after this call |
//! | [`ANSWER`] | provider | [`SignedAnswer`]: what it answered, and its signature |
//! | [`PATIENCE`] | consumer | milliseconds after which it waits no longer: an answer that begins later costs nothing |
//! | [`REFUSED`] | provider | `1`: the proxy itself answers, and not the server behind it |
//! | [`CONSUMER`] | provider | to the server behind: the account that pays, `0x` and 64 hex digits |
//!
//! All binary values are base64url without padding. [`Offer`] is the body of a 402.
//!
//! # A badge
//! A badge is a consumer's permission for one of its own users, who has a key (sr25519) and no account. The header is the 184
//! bytes of `SCALE(Badge)` and the signer's signature over `cairn_voucher::Badge::signed_bytes`:
//!
//! | offset | length | |
//! | --- | --- | --- |
//! | 0 | 32 | genesis |
//! | 32 | 32 | contract |
//! | 64 | 32 | consumer: whose plan and credit pay |
//! | 96 | 32 | signer: authorised by the consumer |
//! | 128 | 32 | user: public key |
//! | 160 | 4 | api |
//! | 164 | 4 | epoch: of the signer's authorisation |
//! | 168 | 8 | units_max: most units in all, as a total over all badges of this user in this epoch |
//! | 176 | 8 | expires_at_ms |
//! | 184 | 64 | the signature |
//!
//! It comes with an [`Opening`] of the same consumer, epoch and API that the *user* signed (`signer` is the user's key there): who
//! has seen a badge can't use it. A badge's session takes no vouchers, and is told nothing of the consumer's account. What its
//! holder keeps in a file is [`BadgeFile`].

use std::time::Duration;

use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine as _};
pub use cairn_voucher::Badge;
use cairn_voucher::{Answer, Bytes32, Signature, Voucher};
use codec::{Decode, DecodeAll, Encode};
use hyper::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::{
    http::{content_length, content_type},
    openapi::is_json,
};

/// See the module's table.
pub const SESSION: &str = "cairn-session";
/// See the module's table.
pub const OPEN: &str = "cairn-open";
/// See the module's table.
pub const VOUCHER: &str = "cairn-voucher";
/// See the module's table.
pub const BADGE: &str = "cairn-badge";
/// See the module's table.
pub const BADGE_LEFT: &str = "cairn-badge-left";
/// See the module's table.
pub const ATTEST: &str = "cairn-attest";
/// See the module's table.
pub const CREDIT: &str = "cairn-credit";
/// See the module's table.
pub const PLAN: &str = "cairn-plan";
/// See the module's table.
pub const ANSWER: &str = "cairn-answer";

/// See the module's table.
pub const PATIENCE: &str = "cairn-patience";
/// See the module's table.
pub const REFUSED: &str = "cairn-refused";
/// See the module's table.
pub const CONSUMER: &str = "cairn-consumer";

/// Longest answer that is signed, in bytes.
pub const SIGNED_BYTES_MAX: usize = 1 << 20;
/// How long an answer's body is held to be signed. A slower one passes as it comes, unsigned.
pub const SIGN_PATIENCE: Duration = Duration::from_secs(2);

/// Whether an answer with these headers is signed where that is asked for: JSON, and what says that it is short. Streams are
/// not: signing would hold them back.
pub fn is_signed(headers: &HeaderMap) -> bool {
    content_type(headers).is_some_and(is_json)
        || content_length(headers).is_some_and(|length| length <= SIGNED_BYTES_MAX as u64)
}

/// Where a provider answers for itself, below its base URL: `offer`, `openapi`, `pay`.
pub const CONTROL: &str = "/.well-known/cairn/";

/// Longest value of any of these headers.
const HEADER_BYTES_MAX: usize = 1024;
/// Bytes of an offer that a consumer reads.
pub const OFFER_BYTES_MAX: usize = 16 << 10;
/// How far a consumer's clock may be off when it opens a session, in milliseconds.
pub const CLOCK_SKEW_MS: u64 = 120_000;

/// A session's token.
pub type Token = [u8; 16];

/// Why a header can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header {0} is not well formed")]
pub struct HeaderError(pub &'static str);

/// "Whoever shows the token with this hash speaks for me, from now on": what a session is opened with. Vouchers become public
/// when they are redeemed, so that a voucher alone must open nothing.
///
/// Signed by the consumer's signer: `cairn/session/v1 ‖ genesis ‖ contract ‖ SCALE(body)`, wrapped in `<Bytes>…</Bytes>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Opening {
    /// Whose balance pays.
    pub consumer: Bytes32,
    /// The key that signs this and the vouchers; with a badge, the user's.
    pub signer: Bytes32,
    /// Number of the signer's authorisation.
    pub epoch: u32,
    /// The provider.
    pub provider: Bytes32,
    /// Number of the API.
    pub api: u32,
    /// blake3 of the token.
    pub token_hash: Bytes32,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

impl Opening {
    /// What is signed.
    pub fn signed_bytes(&self, genesis: &Bytes32, contract: &Bytes32) -> Vec<u8> {
        let mut bytes = cairn_voucher::WRAP_START.to_vec();
        bytes.extend_from_slice(b"cairn/session/v1");
        bytes.extend_from_slice(genesis);
        bytes.extend_from_slice(contract);
        self.encode_to(&mut bytes);
        bytes.extend_from_slice(cairn_voucher::WRAP_END);
        bytes
    }
}

/// Writes a header [`PLAN`].
pub fn write_plan(left: &crate::plan::Left) -> String {
    format!("{} {}", left.left, left.until_ms)
}

/// Reads a header [`PLAN`]: units that are left, and until when.
pub fn read_plan(text: &[u8]) -> Result<(u64, u64), HeaderError> {
    let wrong = || HeaderError(PLAN);
    let (left, until_ms) = std::str::from_utf8(text).ok().and_then(|text| text.split_once(' ')).ok_or_else(wrong)?;
    let number = |text: &str| u64::try_from(read_amount(text)?).ok();
    Ok((number(left).ok_or_else(wrong)?, number(until_ms).ok_or_else(wrong)?))
}

/// The hash by which a token is known.
pub fn token_hash(token: &Token) -> Bytes32 {
    *blake3::hash(token).as_bytes()
}

/// Writes a value with its signature.
pub fn write_signed(value: &impl Encode, signature: &Signature) -> String {
    let mut bytes = value.encode();
    bytes.extend_from_slice(signature);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_signed<T: DecodeAll>(header: &'static str, text: &[u8]) -> Result<(T, Signature), HeaderError> {
    let wrong = HeaderError(header);
    if text.len() > HEADER_BYTES_MAX {
        return Err(wrong);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong)?;
    let (mut body, signature) = bytes.split_last_chunk::<64>().ok_or(wrong)?;
    Ok((T::decode_all(&mut body).map_err(|_| wrong)?, *signature))
}

/// Reads a header [`VOUCHER`].
pub fn read_voucher(text: &[u8]) -> Result<(Voucher, Signature), HeaderError> {
    read_signed(VOUCHER, text)
}

/// Reads a header [`BADGE`].
pub fn read_badge(text: &[u8]) -> Result<(Badge, Signature), HeaderError> {
    read_signed(BADGE, text)
}

/// Reads a header [`OPEN`].
pub fn read_opening(text: &[u8]) -> Result<(Opening, Signature), HeaderError> {
    read_signed(OPEN, text)
}

/// Reads a header [`SESSION`].
pub fn read_token(text: &[u8]) -> Result<Token, HeaderError> {
    let mut token = [0; 16];
    hex::decode_to_slice(text, &mut token).map_err(|_| HeaderError(SESSION))?;
    Ok(token)
}

/// A provider's word for one answer, without what the consumer knows itself. The signature is over
/// [`cairn_voucher::Answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignedAnswer {
    /// The method's number.
    pub method: u16,
    /// What the provider took, in milliseconds.
    pub latency_ms: u32,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// Reads a header [`ANSWER`].
pub fn read_answer(text: &[u8]) -> Result<(SignedAnswer, Signature), HeaderError> {
    read_signed(ANSWER, text)
}

impl SignedAnswer {
    /// What was signed.
    pub fn whole(
        &self,
        genesis: Bytes32,
        contract: Bytes32,
        key: Bytes32,
        api: u32,
        request: Bytes32,
        response: Bytes32,
    ) -> Answer {
        let Self { method, latency_ms, at_ms } = *self;
        Answer { genesis, contract, key, api, method, request, response, latency_ms, at_ms }
    }
}

/// Hash of all of a request that its answer may depend on. `target`: path and query below the provider's base URL.
pub fn request_hash(method: &str, target: &str, content_type: Option<&str>, body: &[u8]) -> Bytes32 {
    let mut hasher = blake3::Hasher::new();
    for part in [method, target, content_type.unwrap_or_default()] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    *hasher.update(body).finalize().as_bytes()
}

/// Hash of a response.
pub fn response_hash(status: u16, content_type: Option<&str>, body: &[u8]) -> Bytes32 {
    let kind = content_type.unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&status.to_le_bytes()).update(&(kind.len() as u64).to_le_bytes()).update(kind.as_bytes());
    *hasher.update(body).finalize().as_bytes()
}

/// Why a provider wants something before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Wanted {
    /// There is no session, or the provider has forgotten it: open one.
    Session,
    /// What was paid is used up: send a voucher over more.
    Credit,
    /// The voucher was not accepted; the message says why.
    Voucher,
    /// Too much is not redeemed yet: wait a little.
    Patience,
    /// The badge is no good, or no longer; the message says why. Whoever gave it has to give another.
    Badge,
}

/// The body of a 402: what a call costs, and how to pay. Amounts are plancks, as texts: JSON readers lose digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// `cairn-offer/v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is wanted.
    pub wanted: Wanted,
    /// The same in words.
    pub message: String,
    /// Hash of the chain's block 0, `0x…`.
    pub genesis: String,
    /// The marketplace's account, as an address.
    pub contract: String,
    /// Number of the API.
    pub api: u32,
    /// Its name.
    pub name: String,
    /// Who is paid, as an address.
    pub provider: String,
    /// Price of a unit.
    pub unit_price: String,
    /// Units of this call; 0 where none was asked for.
    pub units: u64,
    /// Price of this call.
    pub price: String,
    /// Units that a consumer has for nothing.
    pub free_units: u64,
    /// The most that may be paid ahead.
    pub ahead_max: String,
    /// How to pay.
    pub pay: Pay,
    /// What the provider knows of the session's consumer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<OfferAccount>,
}

/// How to pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pay {
    /// `cairn-voucher/v1`.
    pub scheme: String,
    /// Who has to sign: `sr25519`, by a key that the consumer authorised in the contract.
    pub signer: String,
    /// The steps, in words.
    pub steps: Vec<String>,
}

/// What a provider knows of a consumer, in its signer's epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferAccount {
    /// Number of the signer's authorisation.
    pub epoch: u32,
    /// What vouchers have promised so far.
    pub value: String,
    /// What calls have used of it.
    pub spent: String,
    /// Calls that were answered.
    pub calls: u64,
    /// Units of those.
    pub units: u64,
    /// What is left of its plan.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plan: Option<OfferPlan>,
    /// The best voucher, as in the header: the consumer checks its own signature before it believes `value`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub voucher: Option<String>,
}

/// A badge in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadgeFile {
    /// `cairn-badge/v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The header. All else is in it, and written beside it for people.
    pub badge: String,
    /// The marketplace's account, as an address.
    pub contract: String,
    /// Number of the API.
    pub api: u32,
    /// Its name.
    pub name: String,
    /// The user's public key, `0x…`.
    pub user: String,
    /// Most units in all.
    pub units: u64,
    /// Until when, in milliseconds since 1970.
    pub expires_at_ms: u64,
}

/// Type of a badge's file.
pub const BADGE_KIND: &str = "cairn-badge/v1";

/// Reads a badge from a file.
///
/// # Errors
/// It is none.
pub fn read_badge_file(bytes: &[u8]) -> Result<(BadgeFile, Badge, Signature), String> {
    let file: BadgeFile = serde_json::from_slice(bytes).map_err(|error| format!("it is no badge: {error}"))?;
    if file.kind != BADGE_KIND {
        return Err(format!("it is a badge of another kind than {BADGE_KIND}"));
    }
    let (badge, signature) = read_badge(file.badge.as_bytes()).map_err(|error| error.to_string())?;
    Ok((file, badge, signature))
}

/// What a badge's user is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadgeAccount {
    /// Most units in all.
    pub units_max: u64,
    /// Those not used.
    pub left: u64,
    /// Until when, in milliseconds since 1970.
    pub expires_at_ms: u64,
}

/// What a provider knows of a consumer's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferPlan {
    /// Units of each period.
    pub units: u64,
    /// Those left in the one that runs.
    pub left: u64,
    /// When that ends, in milliseconds since 1970.
    pub until_ms: u64,
}

/// Type of an offer.
pub const OFFER_KIND: &str = "cairn-offer/v1";

/// Reads an offer.
///
/// # Errors
/// It is none, or too long.
pub fn read_offer(body: &[u8]) -> Result<Offer, String> {
    if body.len() > OFFER_BYTES_MAX {
        return Err(format!("an offer has at most {OFFER_BYTES_MAX} bytes"));
    }
    let offer: Offer = serde_json::from_slice(body).map_err(|error| format!("it is no offer: {error}"))?;
    if offer.kind != OFFER_KIND {
        return Err(format!("it is an offer of another kind than {OFFER_KIND}"));
    }
    Ok(offer)
}

/// Reads an amount of plancks.
pub fn read_amount(text: &str) -> Option<u128> {
    let plain = !text.is_empty() && text.len() <= 39 && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opening() -> Opening {
        Opening {
            consumer: [1; 32],
            signer: [2; 32],
            epoch: 3,
            provider: [4; 32],
            api: 5,
            token_hash: [6; 32],
            at_ms: 7,
        }
    }

    #[test]
    fn headers_read_back() {
        let (read, signature) = read_opening(write_signed(&opening(), &[9; 64]).as_bytes()).expect("own text");
        assert_eq!((read, signature), (opening(), [9; 64]));
        assert_eq!(read_token(b"000102030405060708090a0b0c0d0e0f").expect("hex")[15], 15);
        for wrong in ["", "00", "zz0102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0f00"] {
            assert!(read_token(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn badges_read_back_as_the_table_says() {
        let badge = Badge {
            genesis: [1; 32],
            contract: [2; 32],
            consumer: [3; 32],
            signer: [4; 32],
            user: [5; 32],
            api: 6,
            epoch: 7,
            units_max: 8,
            expires_at_ms: 9,
        };
        let text = write_signed(&badge, &[10; 64]);
        assert_eq!(read_badge(text.as_bytes()), Ok((badge, [10; 64])));
        let bytes = URL_SAFE_NO_PAD.decode(&text).expect("own text");
        assert_eq!(bytes.len(), 184 + 64);
        for (at, value) in
            [(0, 1), (32, 2), (64, 3), (96, 4), (128, 5), (160, 6), (164, 7), (168, 8), (176, 9), (184, 10)]
        {
            assert_eq!(bytes[at], value, "byte {at}");
        }
        assert!(read_opening(text.as_bytes()).is_err() && read_voucher(text.as_bytes()).is_err());
        let file = BadgeFile {
            kind: BADGE_KIND.into(),
            badge: text,
            contract: "c".into(),
            api: 6,
            name: "n".into(),
            user: "u".into(),
            units: 8,
            expires_at_ms: 9,
        };
        let bytes = serde_json::to_vec(&file).expect("JSON");
        assert_eq!(read_badge_file(&bytes), Ok((file.clone(), badge, [10; 64])));
        for wrong in [BadgeFile { kind: "x".into(), ..file.clone() }, BadgeFile { badge: "AAAA".into(), ..file }] {
            assert!(read_badge_file(&serde_json::to_vec(&wrong).expect("JSON")).is_err());
        }
    }

    #[test]
    fn what_is_left_of_a_plan_reads_back() {
        let left = crate::plan::Left { units: 9, left: 7, until_ms: u64::MAX };
        assert_eq!(read_plan(write_plan(&left).as_bytes()), Ok((7, u64::MAX)));
        for wrong in ["", "7", "7 ", " 7", "7  8", "7 8 9", "-7 8", "7 18446744073709551616", "a b"] {
            assert!(read_plan(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_opening_is_bound_to_chain_and_contract() {
        let bytes = opening().signed_bytes(&[1; 32], &[2; 32]);
        assert_ne!(bytes, opening().signed_bytes(&[3; 32], &[2; 32]));
        assert_ne!(bytes, opening().signed_bytes(&[1; 32], &[3; 32]));
        assert!(bytes.starts_with(b"<Bytes>cairn/session/v1") && bytes.ends_with(b"</Bytes>"));
    }

    #[test]
    fn the_parts_of_a_request_can_not_be_shifted_into_each_other() {
        let hash = request_hash("GET", "/a", None, b"");
        for other in [
            request_hash("GE", "T/a", None, b""),
            request_hash("GET", "/", Some("a"), b""),
            request_hash("GET", "/a", None, b"x"),
        ] {
            assert_ne!(hash, other);
        }
        assert_ne!(response_hash(200, Some("a"), b"b"), response_hash(200, Some("ab"), b""));
    }

    #[test]
    fn amounts_are_digits_only() {
        assert_eq!(read_amount("340282366920938463463374607431768211455"), Some(u128::MAX));
        for wrong in ["", "-1", "+1", "1.5", " 1", "340282366920938463463374607431768211456", "1e3"] {
            assert_eq!(read_amount(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = (read_voucher(&bytes), read_opening(&bytes), read_answer(&bytes), read_token(&bytes), read_offer(&bytes), read_plan(&bytes));
            let _ = (read_badge(&bytes), read_badge_file(&bytes));
        }

        #[test]
        fn vouchers_read_back(api: u32, epoch: u32, calls: u64, units: u64, value: u128, signature in any::<[u8; 32]>()) {
            let voucher = Voucher {
                genesis: [1; 32], contract: [2; 32], consumer: [3; 32], signer: [4; 32], provider: [5; 32],
                api, epoch, calls, units, value,
            };
            let mut both = [0; 64];
            both[..32].copy_from_slice(&signature);
            let text = write_signed(&voucher, &both);
            prop_assert_eq!(read_voucher(text.as_bytes()), Ok((voucher, both)));
            prop_assert!(read_voucher(&text.as_bytes()[1..]).is_err());
            prop_assert!(read_opening(text.as_bytes()).is_err(), "one kind is not the other");
        }
    }
}
