// SPDX-License-Identifier: Apache-2.0

//! The contract's errors, in its own order, with what to do about them.

use crate::refusal::Refusal;

/// Name, reason and remedy of each.
const ERRORS: &[(&str, &str, &str)] = &[
    ("BadSettings", "the thaw is shorter than a second or longer than 90 days", "give another thaw"),
    ("NoSuchApi", "there is no API of that number", "`cairn api list` shows those there are"),
    ("NotProvider", "only the provider of the API may do this", "sign with the account that registered it"),
    ("BondTooSmall", "the bond is less than the marketplace asks for", "give a bigger --bond"),
    ("BadName", "a name has 1 to 64 of the characters `a-z 0-9 - .`", "choose another name"),
    ("ListingTooLong", "an entry of the listing is too long, or there are too many", "shorten the listing: fewer endpoints or tags"),
    ("TooManyMethods", "An API has at most 64 methods", "split the API in two"),
    ("BadMethod", "a method's name is empty or longer than 96 bytes, or it costs no units or more than a million", "correct the operation in the OpenAPI document"),
    ("BadSla", "the availability is over 10,000 basis points, or the latency over ten minutes", "promise something that can be kept"),
    ("Retired", "the API is retired", "register it anew"),
    ("NotRetired", "the API is not retired yet", "retire it first"),
    ("NotActive", "the API is paused or retired", "use another offer of the same name"),
    ("NotPaused", "the API is not paused", "nothing needs to be done"),
    ("KeyChangedLately", "the answer key was changed less than a thaw ago, and the one before is still liable", "wait for the thaw"),
    ("Thawing", "the time to wait is not over", "try again when the thaw is over"),
    ("NothingDue", "there is nothing to pay or to do", "nothing needs to be done"),
    ("TransferFailed", "an account did not take the payment: it does not exist, and the payment is too small to make it", "send that account an existential deposit first"),
    ("TooManyPlans", "An API has at most 16 plans", "close plans instead of adding more"),
    ("BadPlan", "a plan's name is empty or longer than 64 bytes, or its period is shorter than a minute or longer than 400 days", "correct the plan"),
    ("NoSuchPlan", "there is no plan of that number", "`cairn api plans` shows those there are"),
    ("PlanClosed", "the plan takes no more subscriptions", "choose another plan"),
    ("OtherPlan", "another plan of this API is paid for", "let it end, or cancel it"),
    ("TooFarAhead", "more than 24 periods would be paid for", "subscribe again later"),
    ("NotSubscribed", "there is no subscription", "nothing needs to be done"),
    ("NothingSent", "no coins were sent along", "send coins along"),
    ("BalanceTooLow", "the balance in the marketplace is too low", "`cairn api fund` deposits more"),
    ("SignerActive", "the signer still pays", "extend it, or revoke it and wait"),
    ("NoSuchSigner", "there is no such signer", "`cairn api fund` authorises one"),
    ("SignerClosed", "the signer pays no more: it has expired, or was revoked a thaw ago", "`cairn api fund` authorises another"),
    ("SignerRevoked", "the signer was revoked", "`cairn api fund` authorises another"),
    ("BadExpiry", "the expiry is in the past, or earlier than before", "give a later time"),
    ("CapLowered", "a cap can't be lowered", "revoke the signer instead"),
    ("EpochsExhausted", "the consumer has used up its four billion epochs", "use another account"),
    ("WrongChain", "it was signed for another chain", "use a node of that chain"),
    ("WrongContract", "it was signed for another contract", "give that contract with --contract"),
    ("WrongProvider", "the API's provider is another, or the signer pays another one only", "send it to the right one"),
    ("WrongEpoch", "it was signed for another authorisation of this signer", "open a new session"),
    ("CapReached", "all of the signer's cap is spent", "`cairn api fund` raises the cap"),
    ("BadSignature", "the signature is not the signer's over these bytes", "sign again with the right key"),
    ("BadStars", "ratings have 1 to 5 stars", "give 1 to 5"),
    ("NotCustomer", "who did not pay for calls has no say", "call it first, and let the provider redeem"),
    ("BadReport", "the report has no calls, more failures than calls, more than ten minutes a call, or more calls than were paid for", "report what was paid for"),
    ("NoConflict", "the two answers do not contradict each other", "nothing can be claimed"),
    ("NoSuchMethod", "there is no method of that number", "check the method"),
    ("NotDeterministic", "the method may answer differently each time", "nothing can be claimed"),
    ("NotAnswerKey", "the key is not one that answers for the API, or no longer", "check the key"),
];

/// What an error of the contract means.
pub(super) fn explain(error: &[u8]) -> Refusal {
    let known = error.first().and_then(|index| ERRORS.get(usize::from(*index)));
    match known {
        Some((name, reason, remedy)) => Refusal::foreseen(format!("Marketplace::{name}"), *reason, *remedy),
        None => Refusal::foreseen(
            "Marketplace::Unknown",
            format!("the contract refuses for a reason that this program doesn't know ({})", hex::encode(error)),
            "use the release of this program that belongs to the contract",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_in_the_contracts_order() {
        let source = include_str!("../../../../../contracts/marketplace/src/error.rs");
        let body = source.split_once("pub enum Error {").expect("the enum").1.split_once("\n}").expect("its end").0;
        let names = body.lines().map(str::trim).filter_map(|line| line.strip_suffix(','));
        assert!(names.eq(ERRORS.iter().map(|(name, _, _)| *name)), "as contracts/marketplace/src/error.rs has them");
    }

    #[test]
    fn what_is_not_known_is_said_to_be_unknown() {
        assert_eq!(explain(&[0]).code, "Marketplace::BadSettings");
        assert_eq!(explain(&[250]).code, "Marketplace::Unknown");
        assert_eq!(explain(&[]).code, "Marketplace::Unknown");
    }
}
