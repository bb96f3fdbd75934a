// SPDX-License-Identifier: Apache-2.0

//! Rewards that wait to be paid out.

use cairn_client::{
    chain::staking::{self, PAYOUTS_PER_TRANSACTION_MAX},
    AccountId, Call, View,
};
use futures::{StreamExt, TryStreamExt};
use serde_json::{json, Value};

use crate::{
    amount::Token,
    context::{Context, Signer},
    failure::{has_code, refused, Result},
    output::Report,
    spend::{spend, Done, Plan},
};

/// Questions to the node at a time.
const QUESTIONS_AT_ONCE: usize = 16;

/// An era's rewards of a validator that wait to be paid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The validator.
    pub validator: AccountId,
    /// The era.
    pub era: u32,
}

/// Whose rewards are looked for.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// Those that an account has a part in: as validator, or by its stake behind one in that era, whomever it nominates by now.
    Account(&'a AccountId),
    /// Those of a validator and its nominators.
    Validator(&'a AccountId),
}

/// The rewards that wait, of all eras that can still be paid out, oldest first.
pub async fn pending(view: &View, whose: Whose<'_>) -> Result<Vec<Pending>> {
    let Some(active) = view.active_era().await? else { return Ok(Vec::new()) };
    let depth = view.history_depth()?;
    let mut found = Vec::new();
    for era in active.index.saturating_sub(depth)..active.index {
        found.extend(pending_in(view, whose, era).await?);
    }
    Ok(found)
}

/// The rewards that wait in an era that has ended.
async fn pending_in(view: &View, whose: Whose<'_>, era: u32) -> Result<Vec<Pending>> {
    // Without a point there is nothing to pay, and the payout would still cost its fee.
    let points = view.era_points(era).await?.individual.into_iter().filter(|(_, points)| *points > 0);
    let earners: Vec<AccountId> = points
        .map(|(validator, _)| validator)
        .filter(|validator| match whose {
            Whose::Account(_) => true,
            Whose::Validator(wanted) => wanted == validator,
        })
        .collect();
    let asked = futures::stream::iter(earners).map(|validator| async move {
        if !view.has_pending_rewards(era, &validator).await? {
            return Ok::<_, anyhow::Error>(None);
        }
        let takes_part = match whose {
            Whose::Account(account) if *account != validator => {
                view.nominated_stake(era, &validator, account).await? > 0
            },
            Whose::Account(_) | Whose::Validator(_) => true,
        };
        Ok(takes_part.then_some(Pending { validator, era }))
    });
    let found: Vec<Option<Pending>> = asked.buffered(QUESTIONS_AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// About what an account gets from a waiting reward: its part of the validator's part of the era.
pub async fn share(view: &View, pending: &Pending, account: &AccountId) -> Result<u128> {
    let Pending { validator, era } = pending;
    let (reward, points, exposure, prefs) = tokio::try_join!(
        view.era_reward(*era),
        view.era_points(*era),
        view.exposure(*era, validator),
        view.era_validator_prefs(*era, validator),
    )?;
    let own_points = points.individual.iter().find(|(who, _)| who == validator).map_or(0, |(_, points)| *points);
    let (Some(reward), Some(exposure)) = (reward, exposure) else { return Ok(0) };
    let part = scaled(reward, own_points.into(), points.total.into());
    let commission = scaled(part, prefs.commission.into(), staking::PERBILL.into());
    let stake =
        if account == validator { exposure.own } else { view.nominated_stake(*era, validator, account).await? };
    let from_stake = scaled(part - commission, stake, exposure.total);
    Ok(if account == validator { commission.saturating_add(from_stake) } else { from_stake })
}

/// `value * part / whole` for `part <= whole`, rounded down. Where the product doesn't fit, the last bits of part and
/// whole are left out.
fn scaled(value: u128, part: u128, whole: u128) -> u128 {
    let (mut part, mut whole) = (part.min(whole), whole);
    loop {
        if let Some(product) = value.checked_mul(part) {
            return product.checked_div(whole).unwrap_or(0);
        }
        part >>= 1;
        whole >>= 1;
    }
}

/// Pays rewards out.
pub async fn payout(context: &Context, validator: Option<&str>, era: Option<u32>) -> Result<Report> {
    let signer = context.signer().await?;
    let view = context.client().await?.best().await?;
    let validator = match validator {
        Some(name) => Some(context.resolve(name).await?),
        None => None,
    };
    let whose = validator.as_ref().map_or(Whose::Account(&signer.account), Whose::Validator);
    let progress = context.output.progress("looking for rewards that wait");
    let found = match era {
        Some(era) => {
            check_ended(&view, era).await?;
            pending_in(&view, whose, era).await?
        },
        None => pending(&view, whose).await?,
    };
    drop(progress);
    if found.is_empty() {
        return Err(refused(
            "Staking::NothingToPay",
            "no rewards wait to be paid out",
            "they do after an era has ended in which this account was a validator, or had stake behind one",
        ));
    }
    let mut now = &found[..found.len().min(PAYOUTS_PER_TRANSACTION_MAX)];
    let done = match pay(context, &signer, now).await {
        Err(error) if now.len() > 1 && has_code(&error, "Pool::TooHeavy") => {
            context.output.note("these are too heavy for one transaction: the first of them goes alone");
            now = &found[..1];
            pay(context, &signer, now).await?
        },
        result => result?,
    };
    let token = context.token().await?;
    let paid = done.receipt.as_ref().map(|receipt| paid(&receipt.events, &token));
    let rest = found.len() - now.len();
    let more = if rest > 0 { format!("; {rest} more wait: run it again") } else { String::new() };
    let json = json!({
        "eras": now.iter().map(|pending| pending.era).collect::<Vec<_>>(),
        "paid": paid,
        "waiting": rest,
    });
    Ok(done.report(&format!("paid out the rewards of {}{more}", eras(now)), json))
}

async fn pay(context: &Context, signer: &Signer, payouts: &[Pending]) -> Result<Done> {
    let calls = payouts.iter().map(|pending| staking::payout(&pending.validator, pending.era));
    let plan = Plan::new(format!("pay out the rewards of {}", eras(payouts)), Call::batch(calls));
    spend(context, signer, plan).await
}

/// `era 4, 5`: each once, though several validators may have rewards in it.
fn eras(payouts: &[Pending]) -> String {
    let mut eras: Vec<u32> = payouts.iter().map(|pending| pending.era).collect();
    eras.dedup();
    format!("era {}", eras.iter().map(u32::to_string).collect::<Vec<_>>().join(", "))
}

async fn check_ended(view: &View, era: u32) -> Result<()> {
    let active = view.active_era().await?.map_or(0, |active| active.index);
    if era < active {
        return Ok(());
    }
    Err(refused(
        "Staking::InvalidEraToReward",
        format!("era {era} has not ended; this is era {active}"),
        "wait until it has",
    ))
}

fn paid(events: &[cairn_client::Event], token: &Token) -> Vec<Value> {
    let rewards = events.iter().filter(|event| event.is("Staking", "Rewarded"));
    rewards
        .filter_map(|event| {
            let who =
                cairn_client::address::to_address(&event.account("stash")?, cairn_client::address::DEFAULT_SS58_PREFIX);
            Some(json!({ "to": who, "amount": token.json(event.number("amount")?) }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eras_are_named_once() {
        let pending = |validator, era| Pending { validator: [validator; 32].into(), era };
        assert_eq!(eras(&[pending(1, 4)]), "era 4");
        assert_eq!(eras(&[pending(1, 4), pending(2, 4), pending(1, 5)]), "era 4, 5");
    }

    #[test]
    fn parts_are_rounded_down_and_never_more_than_the_whole() {
        for (value, part, whole, expected) in [
            (100, 1, 3, 33),
            (100, 3, 3, 100),
            (100, 5, 3, 100),
            (100, 1, 0, 0),
            (0, 1, 2, 0),
            (u128::MAX, 1, 1, u128::MAX),
            (u128::MAX, 0, u128::MAX, 0),
            (u128::MAX, u128::MAX, u128::MAX, u128::MAX),
        ] {
            assert_eq!(scaled(value, part, whole), expected, "{value} * {part} / {whole}");
        }
        for shift in 0..127 {
            let half = scaled(u128::MAX, 1 << shift, 1 << (shift + 1));
            let near = u128::MAX / 2 - (u128::MAX >> 32)..=u128::MAX / 2;
            assert!(near.contains(&half), "{shift}");
        }
    }
}
