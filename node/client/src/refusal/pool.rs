// SPDX-License-Identifier: Apache-2.0

//! The transaction pool's answers (`author_*` error codes of the node).

use std::time::Duration;

use super::{Refusal, Stage};
use crate::error::Retry;

/// Base of the codes that concern authorship and the pool.
const AUTHOR: i32 = 1000;
const BAD_FORMAT: i32 = AUTHOR + 1;
const VERIFICATION: i32 = AUTHOR + 2;
const INVALID: i32 = AUTHOR + 10;
const UNKNOWN_VALIDITY: i32 = AUTHOR + 11;
const BANNED: i32 = AUTHOR + 12;
const ALREADY_IMPORTED: i32 = AUTHOR + 13;
const LOW_PRIORITY: i32 = AUTHOR + 14;
const CYCLE: i32 = AUTHOR + 15;
const DROPPED: i32 = AUTHOR + 16;
const UNACTIONABLE: i32 = AUTHOR + 18;
const FUTURE_REFUSED: i32 = AUTHOR + 21;

/// The names of the pool's refusals that this library acts on.
pub(crate) mod pool_code {
    /// The nonce was used before.
    pub(crate) const STALE: &str = "Pool::StaleNonce";
    /// No block takes it.
    pub(crate) const TOO_HEAVY: &str = "Pool::TooHeavy";
    /// Another transaction of the same account and nonce waits in the pool.
    pub(crate) const NONCE_TAKEN: &str = "Pool::NonceTaken";
    /// The nonce is ahead of the account's.
    pub(crate) const FUTURE: &str = "Pool::FutureNonce";
    /// The very same transaction waits in the pool.
    pub(crate) const ALREADY_KNOWN: &str = "Pool::AlreadyKnown";
    /// The node has seen this very transaction: it was refused there, or is in a block.
    pub(crate) const BANNED: &str = "Pool::Banned";
    /// The signature is of another runtime or chain state.
    pub(crate) const BAD_SIGNATURE: &str = "Pool::BadSignature";
    /// The node can't decode it: encoded for another runtime.
    pub(crate) const BAD_FORMAT: &str = "Pool::BadFormat";
    /// Its lifetime is over.
    pub(crate) const EXPIRED: &str = "Pool::Expired";
    /// Accepted, then replaced by another.
    pub(crate) const USURPED: &str = "Pool::Usurped";
    /// Accepted, then dropped for lack of space.
    pub(crate) const DROPPED: &str = "Pool::Dropped";
    /// Accepted, then found invalid.
    pub(crate) const INVALIDATED: &str = "Pool::Invalidated";
}
use pool_code::{ALREADY_KNOWN, NONCE_TAKEN, STALE};

/// What a pool error means; `None` when the code isn't the pool's.
pub(crate) fn classify(code: i32, message: &str, data: Option<&str>) -> Option<Refusal> {
    let detail = data.unwrap_or_default();
    let soon = Retry::After(Duration::from_secs(6));
    let (name, reason, remedy, retry) = match code {
        INVALID => return Some(invalid(detail)),
        BAD_FORMAT | VERIFICATION => (
            pool_code::BAD_FORMAT,
            "the node can't decode the transaction",
            "the runtime was probably upgraded just now: try again, or use the program's release that fits the chain",
            Retry::Now,
        ),
        UNKNOWN_VALIDITY => (
            "Pool::UnknownValidity",
            "the node can't tell whether the transaction is valid",
            "try again in a moment",
            soon,
        ),
        BANNED => (
            pool_code::BANNED,
            "the node has seen this very transaction a moment ago and doesn't look at it again for a while",
            "wait half an hour, or submit it through another node",
            Retry::After(Duration::from_secs(1800)),
        ),
        ALREADY_IMPORTED => {
            (ALREADY_KNOWN, "this transaction waits in the pool already", "wait for it to be included", soon)
        },
        LOW_PRIORITY => (
            NONCE_TAKEN,
            "another transaction of this account with the same nonce waits in the pool",
            "wait until it is included, or submit again",
            Retry::Now,
        ),
        CYCLE => ("Pool::Cycle", "the transaction depends on itself", "submit again", Retry::Now),
        DROPPED => (
            "Pool::Full",
            "the node's transaction pool is full",
            "try again in a minute",
            Retry::After(Duration::from_secs(60)),
        ),
        UNACTIONABLE => (
            "Pool::Unactionable",
            "this node neither makes blocks nor passes transactions on",
            "submit through another node",
            Retry::Never,
        ),
        FUTURE_REFUSED => (pool_code::FUTURE, "the nonce is too far ahead", "submit again", Retry::Now),
        code if (AUTHOR..AUTHOR + 40).contains(&code) => ("Pool::Other", message, "see the node's log", Retry::Never),
        _ => return None,
    };
    Some(Refusal {
        code: name.into(),
        reason: with_detail(reason, detail, code),
        remedy: Some(remedy.into()),
        stage: Stage::Pool,
        retry,
    })
}

/// `InvalidTransaction`, which the node passes on as the text of its variant.
fn invalid(detail: &str) -> Refusal {
    let (code, reason, remedy, retry) = if detail.contains("pay some fees") {
        (
            "Pool::CannotPayFee",
            "the account can't pay the transaction's fee",
            "send it some funds first, or sign with an account that has them",
            Retry::Never,
        )
    } else if detail.contains("outdated") {
        (
            STALE,
            "the transaction's nonce was used already",
            "submit again; another program may use this account",
            Retry::Now,
        )
    } else if detail.contains("valid in the future") {
        (pool_code::FUTURE, "the transaction's nonce is ahead of the account's", "submit again", Retry::Now)
    } else if detail.contains("bad signature") {
        (
            pool_code::BAD_SIGNATURE,
            "the signature doesn't fit the transaction",
            "the runtime was probably upgraded or the chain reorganised just now: submit again; if that doesn't help, the node that \
             was asked serves another runtime's metadata or coin than the chain has: ask another node",
            Retry::Now,
        )
    } else if detail.contains("ancient birth block") {
        (pool_code::EXPIRED, "the transaction's lifetime is over", "submit again", Retry::Now)
    } else if detail.contains("exhaust the block limits") {
        (pool_code::TOO_HEAVY, "the transaction is too big or too heavy for a block", "split it up", Retry::Never)
    } else if detail.contains("call is not expected") {
        (
            "Pool::CallNotAllowed",
            "the chain doesn't allow this call from this account (at present)",
            "check which calls the chain's rules allow",
            Retry::Never,
        )
    } else if detail.contains("Invalid signing address") {
        ("Pool::BadSigner", "the signing account is not allowed", "sign with another account", Retry::Never)
    } else {
        ("Pool::Invalid", "the transaction is invalid", "see the reason given", Retry::Never)
    };
    let reason = if code == "Pool::Invalid" { with_detail(reason, detail, INVALID) } else { reason.into() };
    Refusal { code: code.into(), reason, remedy: Some(remedy.into()), stage: Stage::Pool, retry }
}

fn with_detail(reason: &str, detail: &str, code: i32) -> String {
    // The pool's own details of these repeat the reason or hold a hash nobody asked for.
    let quiet = [ALREADY_IMPORTED, LOW_PRIORITY, DROPPED, UNACTIONABLE].contains(&code);
    if detail.is_empty() || quiet {
        reason.into()
    } else {
        format!("{reason} ({detail})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poor_account_is_told_so() {
        let data = "Inability to pay some fees (e.g. account balance too low)";
        let refusal = classify(1010, "Invalid Transaction", Some(data)).expect("1010 is the pool's");
        assert_eq!((refusal.code.as_str(), refusal.retry), ("Pool::CannotPayFee", Retry::Never));
    }

    #[test]
    fn nonce_troubles_may_be_retried_at_once() {
        for (code, data, name) in [
            (1010, "Transaction is outdated", STALE),
            (
                1014,
                "The transaction has too low priority to replace another transaction already in the pool.",
                NONCE_TAKEN,
            ),
            (1010, "Transaction will be valid in the future", "Pool::FutureNonce"),
        ] {
            let refusal = classify(code, "", Some(data)).expect("the pool's");
            assert_eq!((refusal.code.as_str(), refusal.retry), (name, Retry::Now));
        }
    }

    #[test]
    fn every_code_of_the_pool_has_a_reason_and_others_have_none() {
        for code in 1000..1040 {
            let refusal = classify(code, "message", None).expect("the pool's");
            assert!(!refusal.reason.is_empty() && refusal.stage == Stage::Pool);
        }
        for code in [-32601, -32000, 999, 1040, 4003] {
            assert!(classify(code, "message", None).is_none());
        }
    }

    #[test]
    fn unknown_reasons_are_passed_on() {
        let refusal = classify(1010, "Invalid Transaction", Some("Custom error: 7")).expect("the pool's");
        assert!(refusal.reason.contains("Custom error: 7"));
    }
}
