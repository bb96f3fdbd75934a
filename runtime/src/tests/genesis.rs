// SPDX-License-Identifier: Apache-2.0

use super::*;
use frame_support::traits::Get;
use serde_json::json;

#[test]
fn every_preset_builds_and_satisfies_the_invariants() {
    for preset in crate::genesis::preset_names() {
        chain::run(preset.as_ref(), || {
            assert_eq!(Balances::free_balance(Dave.to_account_id()), 10_000_000 * CRN);
            assert_eq!(pallet_sudo::Key::<Runtime>::get(), Some(Alice.to_account_id()));
            assert_eq!(pallet_staking::MaxValidatorsCount::<Runtime>::get(), Some(configs::MAX_ELECTION_TARGETS));
        });
    }
}

#[test]
fn local_testnet_starts_with_three_validators_and_room_for_a_fourth() {
    chain::run("local_testnet", || {
        let names = [Alice, Bob, Charlie].map(|name| name.to_account_id());
        let mut validators = Session::validators();
        validators.sort();
        let mut expected = names.to_vec();
        expected.sort();
        assert_eq!(validators, expected);
        assert_eq!(pallet_staking::ValidatorCount::<Runtime>::get(), 4);
    });
}

#[test]
fn an_unknown_preset_is_none() {
    assert!(crate::genesis::get_preset(&"staging".into()).is_none());
}

#[test]
fn a_genesis_without_network_parameters_runs_at_production_pace_and_without_sudo() {
    let alice = Alice.to_account_id();
    let patch = json!({ "balances": { "balances": [[alice.to_string(), 1_000u64 * 1_000_000_000]] } });
    chain::from_patch(patch).expect("builds").execute_with(|| {
        assert_eq!(<Runtime as pallet_babe::Config>::EpochDuration::get(), 1_200);
        assert_eq!(<Runtime as pallet_staking::Config>::BondingDuration::get(), 56);
        assert_eq!(pallet_sudo::Key::<Runtime>::get(), None);
        let call = Box::new(RuntimeCall::System(frame_system::Call::remark { remark: vec![] }));
        assert_noop!(Sudo::sudo(signed(Alice), call), pallet_sudo::Error::<Runtime>::RequireSudo);
    });
}

#[test]
fn a_misspelt_genesis_field_is_refused() {
    let error = chain::from_patch(json!({ "network": { "parameters": { "epochBlocks": 10 } } })).unwrap_err();
    assert!(error.contains("epochBlocks"), "{error}");
}

#[test]
fn network_parameters_turn_every_period() {
    chain::run("development", || {
        assert_eq!(<Runtime as pallet_babe::Config>::EpochDuration::get(), 10);
        let root = <configs::governance::Tracks as pallet_referenda::TracksInfo<Balance, BlockNumber>>::info(0)
            .expect("the root track");
        assert_eq!(root.decision_period, 20, "14 days of 3 s blocks, 20,160 times as fast");
        assert_eq!(root.prepare_period, 1);
    });
}

/// scripts/chain-spec says what is too little before the runtime is asked.
#[test]
fn the_script_that_checks_a_genesis_knows_the_existential_deposit() {
    let script = include_str!("../../../scripts/lib/genesis.py").replace('_', "");
    let expected = format!("EXISTENTIALDEPOSIT = {}\n", constants::currency::EXISTENTIAL_DEPOSIT);
    assert!(script.contains(&expected), "scripts/lib/genesis.py has no line {expected}");
}

/// The template that chain-spec/README.md tells people to fill in makes a genesis once it is filled in.
#[test]
fn the_production_template_builds_without_sudo() {
    let template = include_str!("../../../chain-spec/production.template.json");
    let filled = template
        .replace("<address of a holder>", &Bob.to_account_id().to_string())
        .replace("<stash address of validator 1>", &Alice.to_account_id().to_string())
        .replace("<its GRANDPA key, ed25519 address>", &sp_keyring::Ed25519Keyring::Alice.to_account_id().to_string())
        .replace("<its BABE key, sr25519 address>", &Alice.to_account_id().to_string())
        .replace("<its authority discovery key, sr25519 address>", &Alice.to_account_id().to_string());
    let spec: serde_json::Value = serde_json::from_str(&filled).expect("the template is JSON");
    let patch = spec["genesis"]["runtimeGenesis"]["patch"].clone();
    assert!(!patch.to_string().contains('<'), "every placeholder is known here: {patch}");
    chain::from_patch(patch).expect("builds").execute_with(|| {
        chain::next_block();
        assert_eq!(pallet_sudo::Key::<Runtime>::get(), None);
        assert_eq!(Session::validators(), [Alice.to_account_id()]);
        assert!(
            pallet_staking::ErasStakersOverview::<Runtime>::contains_key(0, Alice.to_account_id()),
            "elected, not taken from the session's keys"
        );
        assert_eq!(pallet_staking::MaxValidatorsCount::<Runtime>::get(), Some(configs::MAX_ELECTION_TARGETS));
        chain::check_invariants();
    });
}
