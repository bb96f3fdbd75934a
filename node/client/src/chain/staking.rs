// SPDX-License-Identifier: Apache-2.0

//! Nominated proof of stake.

use subxt::ext::{scale_decode::DecodeAsType, scale_value::Value};

use crate::{
    call::{arg, Call},
    AccountId, Error, View,
};

/// Parts in a billion, as the runtime counts shares.
pub const PERBILL: u32 = 1_000_000_000;
/// Payouts that fit into one transaction. The chain weighs each for a whole page of 512 nominators, about 0.27 s of
/// execution, and takes transactions of up to some 1.2 s; this leaves room for a weight that grows.
pub const PAYOUTS_PER_TRANSACTION_MAX: usize = 3;
/// More validator candidates than this are not listed.
const VALIDATORS_LISTED_MAX: usize = 5_000;
/// Eras for which slashes are looked for.
const ERAS_SLASHING_MAX: usize = 256;
/// Pages of nominators of one validator that are looked through.
const EXPOSURE_PAGES_MAX: u32 = 64;

/// What an account has staked, in the smallest units.
#[derive(Clone, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct Ledger {
    /// The account whose coins these are.
    pub stash: AccountId,
    /// Active and unlocking together.
    pub total: u128,
    /// At stake.
    pub active: u128,
    /// On its way out, oldest first.
    pub unlocking: Vec<Unlocking>,
}

/// Coins that become free at an era.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct Unlocking {
    /// How much.
    pub value: u128,
    /// From this era on it can be withdrawn.
    pub era: u32,
}

impl Ledger {
    /// What can be withdrawn in the given era.
    pub fn withdrawable(&self, era: u32) -> u128 {
        self.unlocking.iter().filter(|chunk| chunk.era <= era).fold(0, |sum, chunk| sum.saturating_add(chunk.value))
    }
}

/// What a validator asks of its nominators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct ValidatorPrefs {
    /// Its share of the rewards before they are divided, in [`PERBILL`].
    pub commission: u32,
    /// Whether it takes no new nominators.
    pub blocked: bool,
}

/// Whom an account nominates.
#[derive(Clone, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct Nominations {
    /// The validators.
    pub targets: Vec<AccountId>,
    /// The era it was decided in.
    pub submitted_in: u32,
}

/// What stands behind a validator in an era.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct Exposure {
    /// All of it.
    pub total: u128,
    /// The validator's own part.
    pub own: u128,
    /// How many nominators.
    pub nominator_count: u32,
    /// In how many pages they are kept.
    pub page_count: u32,
}

/// One nominator's stake behind a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct IndividualExposure {
    /// The nominator.
    pub who: AccountId,
    /// Its stake.
    pub value: u128,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub(super) struct ExposurePage {
    others: Vec<IndividualExposure>,
}

/// How the points of an era are distributed.
#[derive(Clone, Debug, Default, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct RewardPoints {
    /// All points.
    pub total: u32,
    /// By validator.
    pub individual: Vec<(AccountId, u32)>,
}

/// Where an account's rewards go.
#[derive(Clone, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub enum RewardDestination {
    /// To the stake.
    Staked,
    /// To the account, free.
    Stash,
    /// No longer used.
    Controller,
    /// To another account.
    Account(AccountId),
    /// Nowhere.
    None,
}

/// A slash that is decided and not carried out yet: governance may cancel it until then. In the smallest units.
#[derive(Clone, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct PendingSlash {
    /// The validator at fault.
    pub validator: AccountId,
    /// What the validator loses.
    pub own: u128,
    /// Its nominators, and what each loses.
    pub others: Vec<(AccountId, u128)>,
}

/// The least that one must put at stake, in the smallest units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minimums {
    /// To nominate.
    pub nominator_bond: u128,
    /// To validate.
    pub validator_bond: u128,
    /// A validator's commission, in [`PERBILL`].
    pub commission: u32,
}

impl View {
    /// What an account has staked; `None` if it has bonded nothing.
    pub async fn ledger(&self, stash: &AccountId) -> Result<Option<Ledger>, Error> {
        // The ledger is kept by the controller, which is the stash itself unless it was set up long ago.
        let Some(controller) = self.get::<_, AccountId>("Staking", "Bonded", (*stash,)).await? else {
            return Ok(None);
        };
        self.get("Staking", "Ledger", (controller,)).await
    }

    /// Where an account's rewards go; `None` if it has bonded nothing.
    pub async fn payee(&self, stash: &AccountId) -> Result<Option<RewardDestination>, Error> {
        self.get("Staking", "Payee", (*stash,)).await
    }

    /// A validator candidate's preferences; `None` if the account is none.
    pub async fn validator_prefs(&self, stash: &AccountId) -> Result<Option<ValidatorPrefs>, Error> {
        // The map has a default, so a value alone doesn't mean that the account is in it.
        let address = subxt::storage::DynamicAddress::<(AccountId,), ValidatorPrefs>::new("Staking", "Validators");
        let entry = self.at.storage().entry(address).map_err(crate::convert::subxt_error)?;
        let key = entry.fetch_key((*stash,)).map_err(crate::convert::subxt_error)?;
        match self.at.storage().fetch_raw(key).await {
            Ok(_) => self.get("Staking", "Validators", (*stash,)).await,
            Err(subxt::error::StorageError::NoValueFound) => Ok(None),
            Err(error) => Err(crate::convert::subxt_error(error)),
        }
    }

    /// A validator's preferences as they were in an era.
    pub async fn era_validator_prefs(&self, era: u32, validator: &AccountId) -> Result<ValidatorPrefs, Error> {
        self.value("Staking", "ErasValidatorPrefs", (era, *validator)).await
    }

    /// All validator candidates with their preferences.
    pub async fn validator_candidates(&self) -> Result<Vec<(AccountId, ValidatorPrefs)>, Error> {
        let found: Vec<((AccountId,), ValidatorPrefs)> =
            self.entries("Staking", "Validators", (), VALIDATORS_LISTED_MAX).await?;
        Ok(found.into_iter().map(|((who,), prefs)| (who, prefs)).collect())
    }

    /// Whom an account nominates; `None` if nobody.
    pub async fn nominations(&self, stash: &AccountId) -> Result<Option<Nominations>, Error> {
        self.get("Staking", "Nominators", (*stash,)).await
    }

    /// What stands behind each validator of an era.
    pub async fn era_exposures(&self, era: u32) -> Result<Vec<(AccountId, Exposure)>, Error> {
        let found: Vec<((u32, AccountId), Exposure)> =
            self.entries("Staking", "ErasStakersOverview", (era,), VALIDATORS_LISTED_MAX).await?;
        Ok(found.into_iter().map(|((_, who), exposure)| (who, exposure)).collect())
    }

    /// What stands behind one validator in an era; `None` if it didn't validate in it.
    pub async fn exposure(&self, era: u32, validator: &AccountId) -> Result<Option<Exposure>, Error> {
        self.get("Staking", "ErasStakersOverview", (era, *validator)).await
    }

    /// An account's stake behind a validator in an era.
    pub async fn nominated_stake(&self, era: u32, validator: &AccountId, nominator: &AccountId) -> Result<u128, Error> {
        let Some(exposure) = self.exposure(era, validator).await? else { return Ok(0) };
        for page in 0..exposure.page_count.min(EXPOSURE_PAGES_MAX) {
            let found: Option<ExposurePage> = self.get("Staking", "ErasStakersPaged", (era, *validator, page)).await?;
            let others = found.map(|page| page.others).unwrap_or_default();
            if let Some(stake) = others.iter().find(|other| other.who == *nominator) {
                return Ok(stake.value);
            }
        }
        Ok(0)
    }

    /// Slashes that will be carried out, by the era in which that is.
    pub async fn pending_slashes(&self) -> Result<Vec<(u32, Vec<PendingSlash>)>, Error> {
        let entries =
            self.entries::<(u32,), _, Vec<PendingSlash>>("Staking", "UnappliedSlashes", (), ERAS_SLASHING_MAX);
        Ok(entries.await?.into_iter().map(|((era,), slashes)| (era, slashes)).collect())
    }

    /// Whether a validator of this session was disabled for a fault: it makes no blocks until the era ends.
    pub async fn is_disabled(&self, validator: &AccountId) -> Result<bool, Error> {
        let disabled: Vec<(u32, u32)> = self.get("Session", "DisabledValidators", ()).await?.unwrap_or_default();
        let index = self.validators().await?.iter().position(|who| who == validator);
        Ok(index.is_some_and(|index| disabled.iter().any(|(number, _)| *number as usize == index)))
    }

    /// How many nominators of a validator are paid: the election takes no more, those with the most at stake.
    pub fn nominators_max(&self) -> Result<u32, Error> {
        self.constant("Staking", "MaxExposurePageSize")
    }

    /// All that an era pays out; `None` while it runs.
    pub async fn era_reward(&self, era: u32) -> Result<Option<u128>, Error> {
        self.get("Staking", "ErasValidatorReward", (era,)).await
    }

    /// How the points of an era are distributed.
    pub async fn era_points(&self, era: u32) -> Result<RewardPoints, Error> {
        self.value("Staking", "ErasRewardPoints", (era,)).await
    }

    /// How many validators an account with this much at stake may nominate.
    pub async fn nominations_quota(&self, at_stake: u128) -> Result<u32, Error> {
        self.api("StakingApi", "nominations_quota", (at_stake,)).await
    }

    /// Whether an ended era's rewards of a validator and its nominators wait to be paid out.
    ///
    /// Read from storage: the runtime API for it overlooks validators without nominators.
    pub async fn has_pending_rewards(&self, era: u32, validator: &AccountId) -> Result<bool, Error> {
        let Some(exposure) = self.exposure(era, validator).await? else { return Ok(false) };
        let own_page = u32::from(exposure.own > 0);
        let claimed: Vec<u32> = self.value("Staking", "ClaimedRewards", (era, *validator)).await?;
        Ok(claimed.len() < exposure.page_count.max(own_page) as usize)
    }

    /// For how many eras rewards can be paid out.
    pub fn history_depth(&self) -> Result<u32, Error> {
        self.constant("Staking", "HistoryDepth")
    }

    /// How many eras unbonding takes.
    pub fn bonding_eras(&self) -> Result<u32, Error> {
        self.constant("Staking", "BondingDuration")
    }

    /// How many validators the chain wants.
    pub async fn validator_count(&self) -> Result<u32, Error> {
        self.value("Staking", "ValidatorCount", ()).await
    }

    /// How many slashing spans an account has: needed to clear the last traces of its stake.
    pub async fn slashing_spans(&self, stash: &AccountId) -> Result<u32, Error> {
        #[derive(DecodeAsType)]
        #[decode_as_type(crate_path = "subxt::ext::scale_decode")]
        struct Spans {
            prior: Vec<u32>,
        }
        let spans: Option<Spans> = self.get("Staking", "SlashingSpans", (*stash,)).await?;
        Ok(spans.map_or(0, |spans| u32::try_from(spans.prior.len()).unwrap_or(u32::MAX).saturating_add(1)))
    }

    /// The least that one must put at stake.
    pub async fn staking_minimums(&self) -> Result<Minimums, Error> {
        let (nominator_bond, validator_bond, commission) = futures::try_join!(
            self.value("Staking", "MinNominatorBond", ()),
            self.value("Staking", "MinValidatorBond", ()),
            self.value("Staking", "MinCommission", ()),
        )?;
        Ok(Minimums { nominator_bond, validator_bond, commission })
    }
}

/// Puts coins of the signing account at stake; rewards are added to them.
pub fn bond(value: u128) -> Call {
    let payee = Value::unnamed_variant("Staked", []);
    Call::new("Staking", "bond", [("value", Value::u128(value)), ("payee", payee)])
}

/// Adds to what is at stake, at most what is free.
pub fn bond_extra(max_additional: u128) -> Call {
    Call::new("Staking", "bond_extra", [("max_additional", Value::u128(max_additional))])
}

/// Begins to take coins out.
pub fn unbond(value: u128) -> Call {
    Call::new("Staking", "unbond", [("value", Value::u128(value))])
}

/// Takes out what has finished unbonding.
pub fn withdraw_unbonded(slashing_spans: u32) -> Call {
    Call::new("Staking", "withdraw_unbonded", [("num_slashing_spans", Value::u128(slashing_spans.into()))])
}

/// Offers to validate from the next era on. `commission` in [`PERBILL`].
pub fn validate(commission: u32, blocked: bool) -> Call {
    let prefs =
        Value::named_composite([("commission", Value::u128(commission.into())), ("blocked", Value::bool(blocked))]);
    Call::new("Staking", "validate", [("prefs", prefs)])
}

/// Nominates validators from the next era on.
pub fn nominate(targets: &[AccountId]) -> Call {
    let targets = Value::unnamed_composite(targets.iter().map(arg::address));
    Call::new("Staking", "nominate", [("targets", targets)])
}

/// Stops validating or nominating from the next era on.
pub fn chill() -> Call {
    Call::new("Staking", "chill", [])
}

/// Pays an era's rewards of a validator and its nominators out. Anyone may.
pub fn payout(validator: &AccountId, era: u32) -> Call {
    Call::new(
        "Staking",
        "payout_stakers",
        [("validator_stash", arg::account(validator)), ("era", Value::u128(era.into()))],
    )
}

/// Sends all further rewards to another account, or back to the stake.
pub fn set_payee(destination: &RewardDestination) -> Call {
    let payee = match destination {
        RewardDestination::Staked => Value::unnamed_variant("Staked", []),
        RewardDestination::Stash | RewardDestination::Controller => Value::unnamed_variant("Stash", []),
        RewardDestination::Account(account) => Value::unnamed_variant("Account", [arg::account(account)]),
        RewardDestination::None => Value::unnamed_variant("None", []),
    };
    Call::new("Staking", "set_payee", [("payee", payee)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_due_can_be_withdrawn() {
        let chunk = |value, era| Unlocking { value, era };
        let unlocking = vec![chunk(1, 3), chunk(10, 4), chunk(100, 5)];
        let ledger = Ledger { stash: [0; 32].into(), total: 111, active: 0, unlocking };
        for (era, expected) in [(0, 0), (2, 0), (3, 1), (4, 11), (5, 111), (u32::MAX, 111)] {
            assert_eq!(ledger.withdrawable(era), expected);
        }
    }
}
