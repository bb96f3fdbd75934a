// SPDX-License-Identifier: Apache-2.0

//! What to do about the refusals that users meet most. The pallets' own documentation says what went wrong; this says
//! what comes next.

/// The remedy for an error by its name, where there is one worth saying.
pub(super) fn for_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "Balances::InsufficientBalance" | "Token::FundsUnavailable" => {
            "use a smaller amount, or fund the account first"
        },
        "Balances::Expendability" | "Token::NotExpendable" => {
            "leave at least the existential deposit in the account, or say that it may be closed"
        },
        "Balances::ExistentialDeposit" | "Token::BelowMinimum" | "Token::CannotCreate" => {
            "send at least the existential deposit to an account that doesn't exist yet"
        },
        "Balances::LiquidityRestrictions" | "Token::Frozen" => {
            "the funds are staked, vesting or locked by a vote: unlock them first"
        },
        "Balances::VestingBalance" => "part of the balance is still vesting: use a smaller amount",
        "Staking::NotController" | "Staking::NotStash" => "bond some funds with this account first",
        "Staking::AlreadyBonded" => "this account has bonded already: add to its bond instead",
        "Staking::InsufficientBond" => "bond more, or stop validating or nominating before taking bond away",
        "Staking::NoMoreChunks" => "withdraw what has finished unbonding, then unbond again",
        "Staking::NoUnlockChunk" => "nothing is unbonding",
        "Staking::CommissionTooLow" => "ask for at least the chain's minimum commission",
        "Staking::TooManyValidators" => "the chain takes no more validator candidates at present",
        "Staking::TooManyTargets" => "nominate fewer validators",
        "Staking::BadTarget" => "one of the nominated accounts is not a validator or takes no new nominators",
        "Staking::AlreadyClaimed" => "this era's reward was paid out already",
        "Staking::InvalidEraToReward" => "rewards are paid out for finished eras only, and not for ones long past",
        "Staking::Restricted" => "this account stakes through a pool and can't stake directly",
        "Session::InvalidProof" => "let the validator's own node make the keys for this very account",
        "Session::NoAssociatedValidatorId" => "bond with this account first",
        "Session::DuplicatedKey" => "another validator uses these keys: let the node make new ones",
        "Session::NoKeys" => "this account has set no session keys",
        "NominationPools::MinimumBondNotMet" => "put in at least the pool's minimum",
        "NominationPools::AccountBelongsToOtherPool" => "leave the other pool first",
        "NominationPools::PoolNotFound" => "check the pool's number",
        "NominationPools::PoolMemberNotFound" => "this account is in no pool",
        "Names::CommitmentMissing" => {
            "commit first, to just this name, term, salt and records: `cairn name register` does it all"
        },
        "Names::CommitmentTooNew" => "wait until the commitment is old enough, then register again",
        "Names::CommitmentTooOld" => "commit anew: `cairn name register --restart`",
        "Names::TooManyCommitments" => "use the open commitments, or purge those that are too old",
        "Names::NotAvailable" => "choose another name",
        "Names::InGrace" => "the owner may still renew it: wait until that time is over, or choose another name",
        "Names::LabelInvalid" => "names have a-z, 0-9 and hyphens inside, 3 to 63 of them",
        "Names::LabelShort" => "names of 1 and 2 letters are given by a vote: choose a longer one",
        "Names::LabelReserved" => "choose another name",
        "Names::PriceAboveMax" => "look at the price again, and allow it with --max-price",
        "Names::TermTooLong" => "a name can be held for 10 years at most from now: give fewer years",
        "Names::NameNotFound" => "register it first: `cairn name register`",
        "Names::NotAuthorized" => "sign with the account that owns or manages the name",
        "Names::DelegatedHere" => "that subdomain has an owner of its own: ask them, or take it back first",
        "Names::PrimaryMismatch" => "set the name's ACCOUNT record to this account first",
        "Names::TransferMissing" => "the owner offers it first: `cairn name transfer`",
        "Names::ZoneFull" => "remove records that are no longer needed",
        "Vaults::NotEnoughVaults" => {
            "offer a higher --price, ask for less --capacity or a narrower --coding, or wait for more vaults: `cairn vault list`"
        },
        "Storage::VersionStale" => "another device has written meanwhile: run the command again",
        "Storage::ReceiptsExpired" => "it came too late: run the command again",
        "Storage::DriveUnknown" => "check the drive's number: `cairn drive list`",
        "Storage::NotOwner" => "sign with the drive's owner",
        "Storage::NotWriter" => "sign with the drive's owner, or ask them for a grant to write",
        "Storage::EscrowTooSmall" => "pay in more: `cairn drive top-up`, or `--escrow` when the drive is made",
        "Storage::CapacityExceeded" => "make room: `cairn drive resize`, or `cairn drive trim`",
        "Storage::KeyUnknown" => "the other account publishes its key first: `cairn share accept`",
        "Vaults::BondTooSmall" => "put more at stake: `cairn vault register --bond`, or offer less capacity",
        "Contracts::OutOfGas" => "allow more gas",
        "Contracts::StorageDepositLimitExhausted" => "allow a larger storage deposit",
        "Contracts::StorageDepositNotEnoughFunds" => "fund the account: it can't cover the storage deposit",
        "Contracts::ContractNotFound" => "check the contract's address",
        "Contracts::CodeNotFound" => "upload the code first",
        "Contracts::CodeRejected" => "build it with a compiler that this chain's contracts engine accepts (ink! 5)",
        "Contracts::CodeTooLarge" => "build it in release mode and optimise it for size",
        "Contracts::DuplicateContract" => "use another salt",
        "Contracts::ContractTrapped" => "the contract panicked: check the message and its arguments",
        "Contracts::DecodingFailed" => "check the encoding of the arguments",
        _ => return None,
    })
}
