// SPDX-License-Identifier: Apache-2.0

//! What proxies and contracts may call: a pallet added later must not slip in.

use super::*;
use crate::configs::{ContractCalls, ProxyType};
use frame_support::traits::{Contains, InstanceFilter};
use pallet_staking::RewardDestination;

fn transfer() -> RuntimeCall {
    pallet_balances::Call::transfer_keep_alive { dest: Bob.to_account_id().into(), value: CRN }.into()
}
fn remark() -> RuntimeCall {
    frame_system::Call::remark { remark: vec![] }.into()
}
fn bond() -> RuntimeCall {
    pallet_staking::Call::bond { value: CRN, payee: RewardDestination::Staked }.into()
}
fn set_payee() -> RuntimeCall {
    pallet_staking::Call::set_payee { payee: RewardDestination::Account(Bob.to_account_id()) }.into()
}
fn asset_transfer() -> RuntimeCall {
    RuntimeCall::Assets(pallet_assets::Call::transfer {
        id: codec::Compact(1),
        target: Bob.to_account_id().into(),
        amount: 1,
    })
}
fn unlock_votes() -> RuntimeCall {
    pallet_conviction_voting::Call::unlock { class: 0, target: Bob.to_account_id().into() }.into()
}
fn upload_code() -> RuntimeCall {
    pallet_contracts::Call::upload_code {
        code: vec![],
        storage_deposit_limit: None,
        determinism: pallet_contracts::Determinism::Enforced,
    }
    .into()
}
fn batch(calls: Vec<RuntimeCall>) -> RuntimeCall {
    pallet_utility::Call::batch_all { calls }.into()
}
fn reject_announcement() -> RuntimeCall {
    pallet_proxy::Call::reject_announcement { delegate: Bob.to_account_id().into(), call_hash: Default::default() }
        .into()
}
fn add_proxy() -> RuntimeCall {
    pallet_proxy::Call::add_proxy { delegate: Bob.to_account_id().into(), proxy_type: ProxyType::Any, delay: 0 }.into()
}

#[test]
fn each_proxy_type_lets_through_what_it_says_and_nothing_else() {
    use ProxyType::{Any, CancelProxy, Governance, NonTransfer, Staking};
    let table = [
        (transfer(), vec![Any]),
        (asset_transfer(), vec![Any]),
        (upload_code(), vec![Any]),
        (add_proxy(), vec![Any]),
        (remark(), vec![Any, NonTransfer]),
        (bond(), vec![Any, NonTransfer, Staking]),
        (set_payee(), vec![Any, Staking]),
        (unlock_votes(), vec![Any, NonTransfer, Governance]),
        (batch(vec![]), vec![Any, NonTransfer, Governance, Staking]),
        (reject_announcement(), vec![Any, CancelProxy]),
    ];
    for (call, allowed) in table {
        for proxy in [Any, NonTransfer, Governance, Staking, CancelProxy] {
            assert_eq!(proxy.filter(&call), allowed.contains(&proxy), "{proxy:?} and {call:?}");
        }
    }
}

/// A proxy may make a proxy of a type that it covers. What it covers must let through no more than itself.
#[test]
fn a_proxy_type_covers_only_what_it_could_do_itself() {
    use ProxyType::{Any, CancelProxy, Governance, NonTransfer, Staking};
    let calls =
        [transfer(), asset_transfer(), upload_code(), remark(), bond(), set_payee(), unlock_votes(), batch(vec![])];
    for outer in [Any, NonTransfer, Governance, Staking, CancelProxy] {
        for inner in [Any, NonTransfer, Governance, Staking, CancelProxy] {
            if outer.is_superset(&inner) {
                for call in &calls {
                    assert!(!inner.filter(call) || outer.filter(call), "{outer:?} over {inner:?}: {call:?}");
                }
            }
        }
    }
}

/// A proxy for staking can't move coins by wrapping the transfer in a batch.
#[test]
fn a_batch_is_filtered_through() {
    chain::run("development", || {
        let alice = Alice.to_account_id();
        assert_ok!(Proxy::add_proxy(signed(Alice), Bob.to_account_id().into(), ProxyType::Staking, 0));
        let before = Balances::free_balance(&alice);
        let call = Box::new(batch(vec![transfer()]));
        assert_ok!(Proxy::proxy(signed(Bob), alice.clone().into(), None, call));
        assert_eq!(Balances::free_balance(&alice), before);
    });
}

#[test]
fn contracts_may_move_what_is_theirs_and_nothing_else() {
    for call in [transfer(), asset_transfer()] {
        assert!(ContractCalls::contains(&call), "{call:?}");
    }
    for call in [remark(), bond(), set_payee(), unlock_votes(), upload_code(), add_proxy(), batch(vec![transfer()])] {
        assert!(!ContractCalls::contains(&call), "{call:?}");
    }
}
