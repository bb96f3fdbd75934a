// SPDX-License-Identifier: Apache-2.0

//! Nomination pools: staking together.

use subxt::ext::{scale_decode::DecodeAsType, scale_value::Value};

use crate::{
    call::{arg, Call},
    AccountId, Error, View,
};

/// More pools than this are not listed.
const POOLS_LISTED_MAX: usize = 10_000;

/// An account's part in a pool.
#[derive(Clone, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct PoolMember {
    /// The pool.
    pub pool_id: u32,
    /// Shares in the pool that are at stake.
    pub points: u128,
    /// Shares on their way out, by the era in which they are free.
    pub unbonding_eras: Vec<(u32, u128)>,
}

/// A pool.
#[derive(Clone, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct Pool {
    /// How many members.
    pub member_counter: u32,
    /// All shares.
    pub points: u128,
    /// Who runs it.
    pub roles: PoolRoles,
    /// Whether it takes members.
    pub state: PoolState,
}

/// Who runs a pool.
#[derive(Clone, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct PoolRoles {
    /// Made it.
    pub depositor: AccountId,
    /// May do all that the others may.
    pub root: Option<AccountId>,
    /// Chooses the validators.
    pub nominator: Option<AccountId>,
    /// Opens and closes it.
    pub bouncer: Option<AccountId>,
}

impl PoolRoles {
    /// Whether an account may choose the validators.
    pub fn may_nominate(&self, account: &AccountId) -> bool {
        [&self.root, &self.nominator].into_iter().flatten().any(|role| role == account)
    }

    /// Whether an account may close the pool.
    pub fn may_close(&self, account: &AccountId) -> bool {
        [&self.root, &self.bouncer].into_iter().flatten().any(|role| role == account)
    }
}

/// Whether a pool takes members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub enum PoolState {
    /// It does.
    Open,
    /// It doesn't.
    Blocked,
    /// It is being closed.
    Destroying,
}

impl PoolState {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            PoolState::Open => "open",
            PoolState::Blocked => "blocked",
            PoolState::Destroying => "closing",
        }
    }
}

impl View {
    /// An account's part in a pool; `None` if it is in none.
    pub async fn pool_member(&self, account: &AccountId) -> Result<Option<PoolMember>, Error> {
        self.get("NominationPools", "PoolMembers", (*account,)).await
    }

    /// A pool.
    pub async fn pool(&self, id: u32) -> Result<Option<Pool>, Error> {
        self.get("NominationPools", "BondedPools", (id,)).await
    }

    /// All pools.
    pub async fn pools(&self) -> Result<Vec<(u32, Pool)>, Error> {
        let found: Vec<((u32,), Pool)> = self.entries("NominationPools", "BondedPools", (), POOLS_LISTED_MAX).await?;
        Ok(found.into_iter().map(|((id,), pool)| (id, pool)).collect())
    }

    /// Number of the pool that was made last.
    pub async fn last_pool_id(&self) -> Result<u32, Error> {
        self.value("NominationPools", "LastPoolId", ()).await
    }

    /// What a pool member can claim, in the smallest units.
    pub async fn pool_pending_rewards(&self, account: &AccountId) -> Result<u128, Error> {
        self.api("NominationPoolsApi", "pending_rewards", (*account,)).await
    }

    /// What a pool member has in its pool altogether, in the smallest units.
    pub async fn pool_member_balance(&self, account: &AccountId) -> Result<u128, Error> {
        self.api("NominationPoolsApi", "member_total_balance", (*account,)).await
    }

    /// The least to join a pool, and the least to make one.
    ///
    /// # Correctness
    /// Mirrors `pallet_nomination_pools`' `depositor_min_bond`.
    pub async fn pool_minimums(&self) -> Result<(u128, u128), Error> {
        let (join, create, nominate): (u128, u128, u128) = futures::try_join!(
            self.value("NominationPools", "MinJoinBond", ()),
            self.value("NominationPools", "MinCreateBond", ()),
            self.value("Staking", "MinNominatorBond", ()),
        )?;
        Ok((join, create.max(join).max(nominate).max(self.existential_deposit()?)))
    }

    /// The account that a pool stakes with.
    pub async fn pool_stash(&self, id: u32) -> Result<AccountId, Error> {
        let (stash, _rewards): (AccountId, AccountId) = self.api("NominationPoolsApi", "pool_accounts", (id,)).await?;
        Ok(stash)
    }
}

/// Joins a pool.
pub fn join(amount: u128, pool_id: u32) -> Call {
    Call::new("NominationPools", "join", [("amount", Value::u128(amount)), ("pool_id", Value::u128(pool_id.into()))])
}

/// Makes a pool that one account runs.
pub fn create(amount: u128, owner: &AccountId) -> Call {
    let owner = arg::address(owner);
    Call::new(
        "NominationPools",
        "create",
        [("amount", Value::u128(amount)), ("root", owner.clone()), ("nominator", owner.clone()), ("bouncer", owner)],
    )
}

/// Chooses a pool's validators.
pub fn nominate(pool_id: u32, validators: &[AccountId]) -> Call {
    let validators = Value::unnamed_composite(validators.iter().map(arg::account));
    Call::new("NominationPools", "nominate", [("pool_id", Value::u128(pool_id.into())), ("validators", validators)])
}

/// Stops nominating.
pub fn chill(pool_id: u32) -> Call {
    Call::new("NominationPools", "chill", [("pool_id", Value::u128(pool_id.into()))])
}

/// Closes a pool for good: its members can only leave, the one who made it last.
pub fn close(pool_id: u32) -> Call {
    let state = Value::unnamed_variant("Destroying", []);
    Call::new("NominationPools", "set_state", [("pool_id", Value::u128(pool_id.into())), ("state", state)])
}

/// Begins to take shares out of the pool; collects the rewards too.
pub fn unbond(member: &AccountId, points: u128) -> Call {
    Call::new(
        "NominationPools",
        "unbond",
        [("member_account", arg::address(member)), ("unbonding_points", Value::u128(points))],
    )
}

/// Takes out what has finished unbonding.
pub fn withdraw_unbonded(member: &AccountId, slashing_spans: u32) -> Call {
    Call::new(
        "NominationPools",
        "withdraw_unbonded",
        [("member_account", arg::address(member)), ("num_slashing_spans", Value::u128(slashing_spans.into()))],
    )
}

/// Collects the rewards.
pub fn claim_payout() -> Call {
    Call::new("NominationPools", "claim_payout", [])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_its_part_and_root_both() {
        let account = |byte| AccountId::from([byte; 32]);
        let roles = PoolRoles {
            depositor: account(1),
            root: Some(account(2)),
            nominator: Some(account(3)),
            bouncer: Some(account(4)),
        };
        for (who, nominates, closes) in [(1, false, false), (2, true, true), (3, true, false), (4, false, true)] {
            assert_eq!((roles.may_nominate(&account(who)), roles.may_close(&account(who))), (nominates, closes));
        }
    }
}
