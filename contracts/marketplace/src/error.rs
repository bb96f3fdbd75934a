// SPDX-License-Identifier: Apache-2.0

/// Why the marketplace refuses. After any of these nothing has changed, and coins sent along have come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub enum Error {
    /// The thaw is shorter than a second or longer than 90 days.
    BadSettings,
    /// There is no API of that number.
    NoSuchApi,
    /// Only the provider of the API may do this.
    NotProvider,
    /// The bond is less than the marketplace asks for.
    BondTooSmall,
    /// A name has 1 to 64 of the characters `a-z 0-9 - .`.
    BadName,
    /// An entry of the listing is too long, or there are too many.
    ListingTooLong,
    /// An API has at most 64 methods.
    TooManyMethods,
    /// A method's name is empty or longer than 96 bytes, or it costs no units or more than a million.
    BadMethod,
    /// The availability is over 10,000 basis points, or the latency over ten minutes.
    BadSla,
    /// The API is retired.
    Retired,
    /// The API is not retired yet.
    NotRetired,
    /// The API is paused or retired.
    NotActive,
    /// The API is not paused.
    NotPaused,
    /// The answer key was changed less than a thaw ago, and the one before is still liable.
    KeyChangedLately,
    /// The time to wait is not over.
    Thawing,
    /// There is nothing to pay or to do.
    NothingDue,
    /// An account did not take the payment: it does not exist, and the payment is too small to make it.
    TransferFailed,
    /// An API has at most 16 plans.
    TooManyPlans,
    /// A plan's name is empty or longer than 64 bytes, or its period is shorter than a minute or longer than 400 days.
    BadPlan,
    /// There is no plan of that number.
    NoSuchPlan,
    /// The plan takes no more subscriptions.
    PlanClosed,
    /// Another plan of this API is paid for: let it end; cancelling gives back what has not begun.
    OtherPlan,
    /// More than 24 periods would be paid for.
    TooFarAhead,
    /// There is no subscription.
    NotSubscribed,
    /// No coins were sent along.
    NothingSent,
    /// The balance in the marketplace is too low: deposit more.
    BalanceTooLow,
    /// The signer still pays: extend it, or revoke it and wait.
    SignerActive,
    /// There is no such signer.
    NoSuchSigner,
    /// The signer pays no more: it has expired, or was revoked a thaw ago.
    SignerClosed,
    /// The signer was revoked.
    SignerRevoked,
    /// The expiry is in the past, or earlier than before.
    BadExpiry,
    /// A cap can't be lowered: revoke the signer instead.
    CapLowered,
    /// The consumer has used up its four billion epochs.
    EpochsExhausted,
    /// It was signed for another chain.
    WrongChain,
    /// It was signed for another contract.
    WrongContract,
    /// The API's provider is another, or the signer pays another one only.
    WrongProvider,
    /// It was signed for another authorisation of this signer.
    WrongEpoch,
    /// All of the signer's cap is spent.
    CapReached,
    /// The signature is not the signer's over these bytes.
    BadSignature,
    /// Ratings have 1 to 5 stars.
    BadStars,
    /// Who did not pay for calls has no say.
    NotCustomer,
    /// The report has no calls, more failures than calls, more than ten minutes a call, or more calls than were paid for.
    BadReport,
    /// The two answers do not contradict each other.
    NoConflict,
    /// There is no method of that number.
    NoSuchMethod,
    /// The method may answer differently each time.
    NotDeterministic,
    /// The key is not one that answers for the API, or no longer.
    NotAnswerKey,
}

/// Results of all messages.
pub type Result<T> = core::result::Result<T, Error>;
