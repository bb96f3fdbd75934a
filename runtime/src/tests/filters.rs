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
fn bond_for(account: AccountId) -> RuntimeCall {
    pallet_staking::Call::bond { value: CRN, payee: RewardDestination::Account(account) }.into()
}
fn restake_rewards() -> RuntimeCall {
    pallet_staking::Call::set_payee { payee: RewardDestination::Staked }.into()
}
fn of_one_signatory(call: RuntimeCall) -> RuntimeCall {
    pallet_multisig::Call::as_multi_threshold_1 { other_signatories: vec![Bob.to_account_id()], call: Box::new(call) }
        .into()
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
        (set_payee(), vec![Any]),
        (bond_for(Bob.to_account_id()), vec![Any]),
        (restake_rewards(), vec![Any, NonTransfer, Staking]),
        // What an account of several signatories does is not filtered: its coins could go anywhere.
        (of_one_signatory(transfer()), vec![Any]),
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

/// Calls that name an account, or may, and that some proxy type lets through: each with the reason why nobody is favoured by it.
/// A call that is not here, of a pallet that comes later or of a later version, fails the test until somebody has thought about it.
const SORTED: [(&str, &str); 44] = [
    ("ConvictionVoting::delegate", "votes are lent, and taken back at any time; no coin moves"),
    ("ConvictionVoting::remove_other_vote", "tidies up; everybody may do it"),
    ("ConvictionVoting::unlock", "frees the coins of the account named, for that account"),
    ("Identity::add_registrar", "for root alone"),
    ("Identity::add_username_authority", "for root alone"),
    ("Identity::kill_identity", "for root alone"),
    ("Identity::provide_judgement", "a registrar's own work; the fee comes to the caller"),
    ("Identity::remove_sub", "the deposit comes back to the caller"),
    ("Identity::remove_username_authority", "for root alone"),
    ("Identity::rename_sub", "changes a name"),
    ("Identity::set_username_for", "a username authority's own work"),
    ("Multisig::cancel_as_multi", "the deposit comes back to the caller"),
    ("Multisig::poke_deposit", "the deposit is made what it should be"),
    ("Names::purge_commitment", "what has ended goes, and its deposit to whose it was; everybody may do it"),
    ("NominationPools::apply_slash", "what was slashed is carried out; everybody may do it"),
    ("NominationPools::bond_extra_other", "a member's rewards go to the member's own stake"),
    ("NominationPools::claim_payout_other", "a member's rewards go to the member"),
    ("NominationPools::migrate_delegation", "a change of storage; everybody may do it"),
    ("NominationPools::nominate", "what the proxy is for: nominating, of a pool that the caller runs"),
    ("NominationPools::unbond", "a member's stake stays the member's"),
    ("NominationPools::withdraw_unbonded", "a member's stake comes back to the member"),
    ("Proxy::reject_announcement", "what the proxy is for: refusing"),
    ("Referenda::submit", "what the proxy is for: proposing, which others decide on"),
    ("Staking::bond", "without an account named as payee; that is another line of `favours_somebody`"),
    ("Staking::chill_other", "takes out who has too little at stake; everybody may do it"),
    ("Staking::deprecate_controller_batch", "for root alone"),
    ("Staking::force_apply_min_commission", "a rule carried out; everybody may do it"),
    ("Staking::force_unstake", "for root alone"),
    ("Staking::kick", "a validator's own nominators are turned away"),
    ("Staking::manual_slash", "for root alone"),
    ("Staking::migrate_currency", "a change of storage; everybody may do it"),
    ("Staking::nominate", "what the proxy is for: nominating"),
    ("Staking::payout_stakers", "rewards go where they belong; everybody may do it"),
    ("Staking::payout_stakers_by_page", "rewards go where they belong; everybody may do it"),
    ("Staking::reap_stash", "tidies up; everybody may do it"),
    ("Staking::restore_ledger", "for root alone"),
    ("Staking::set_invulnerables", "for root alone"),
    ("Staking::set_payee", "without an account named; that is another line of `favours_somebody`"),
    ("Utility::dispatch_as", "for root alone"),
    ("Utility::dispatch_as_fallible", "for root alone"),
    ("Vesting::vest_other", "frees coins for whose they are; everybody may do it"),
    ("VoterList::put_in_front_of", "the order of a list"),
    ("VoterList::put_in_front_of_other", "the order of a list"),
    ("VoterList::rebag", "the order of a list"),
];

/// Whether a type has an account in it. What is a call is filtered by itself.
fn names_an_account(types: &scale_info::PortableRegistry, id: u32, seen: &mut Vec<u32>) -> bool {
    use scale_info::{form::PortableForm, Field, TypeDef};
    if seen.contains(&id) {
        return false;
    }
    seen.push(id);
    let ty = types.resolve(id).expect("the metadata has its types");
    match ty.path.segments.last().map(String::as_str) {
        Some("AccountId32") => return true,
        Some("RuntimeCall") => return false,
        _ => {},
    }
    let mut any =
        |fields: &[Field<PortableForm>]| fields.iter().any(|field| names_an_account(types, field.ty.id, seen));
    match &ty.type_def {
        TypeDef::Composite(composite) => any(&composite.fields),
        TypeDef::Variant(variants) => variants.variants.iter().any(|variant| any(&variant.fields)),
        TypeDef::Sequence(sequence) => names_an_account(types, sequence.type_param.id, seen),
        TypeDef::Array(array) => names_an_account(types, array.type_param.id, seen),
        TypeDef::Tuple(tuple) => tuple.fields.iter().any(|field| names_an_account(types, field.id, seen)),
        TypeDef::Compact(_) | TypeDef::Primitive(_) | TypeDef::BitSequence(_) => false,
    }
}

#[test]
fn each_call_that_names_an_account_is_sorted_before_a_proxy_may_make_it() {
    use codec::Decode;
    use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
    let opaque = sp_io::TestExternalities::default()
        .execute_with(|| Runtime::metadata_at_version(15))
        .expect("metadata version 15 is provided");
    let metadata = RuntimeMetadataPrefixed::decode(&mut &opaque[..]).expect("metadata decodes").1;
    let RuntimeMetadata::V15(metadata) = metadata else { panic!("version 15 was asked for") };
    let limited = [
        ProxyType::NonTransfer,
        ProxyType::Governance,
        ProxyType::Staking,
        ProxyType::CancelProxy,
        ProxyType::Names,
        ProxyType::Vault,
    ];
    let mut passing = std::collections::BTreeSet::new();
    for pallet in &metadata.pallets {
        let Some(calls) = &pallet.calls else { continue };
        let calls = metadata.types.resolve(calls.ty.id).expect("the metadata has its types");
        let scale_info::TypeDef::Variant(calls) = &calls.type_def else { panic!("calls are variants") };
        for call in &calls.variants {
            let name = format!("{}::{}", pallet.name, call.name);
            let mut fields = call.fields.iter();
            if !fields.any(|field| names_an_account(&metadata.types, field.ty.id, &mut Vec::new())) {
                continue;
            }
            // Zeros are the emptiest call of each kind: no payee, nobody in a list.
            let mut bytes = vec![pallet.index, call.index];
            bytes.extend([0; 4096]);
            let Ok(emptiest) = RuntimeCall::decode(&mut &bytes[..]) else {
                panic!("{name} can't be tried: make one by hand in this test");
            };
            if limited.iter().any(|proxy| proxy.filter(&emptiest)) {
                passing.insert(name);
            }
        }
    }
    let sorted: std::collections::BTreeSet<_> = SORTED.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(passing, sorted, "left: what passes; right: what was sorted");
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
