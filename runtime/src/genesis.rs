// SPDX-License-Identifier: Apache-2.0

//! Genesis presets, which chain specifications start from.
//!
//! - `development`: Alice alone, fast periods, sudo.
//! - `local_testnet`: Alice, Bob and Charlie, fast periods, sudo; a fourth validator has room to join.
//!
//! A production genesis has production periods (the default of `network.parameters`), its own validators and holders
//! and no `sudo` key: `chain-spec/README.md` shows how one is made.

use crate::{
    constants::{currency::CRN, time::PRIMARY_PROBABILITY},
    AccountId, BabeConfig, Balance, BalancesConfig, NetworkConfig, NominationPoolsConfig, RuntimeGenesisConfig,
    SessionConfig, SessionKeys, StakingConfig, SudoConfig,
};
use alloc::{vec, vec::Vec};
use frame_support::build_struct_json_patch;
use pallet_network::NetworkParameters;
use pallet_staking::{Forcing, StakerStatus};
use sp_consensus_babe::{AllowedSlots, BabeEpochConfiguration};
use sp_genesis_builder::{PresetId, DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::Perbill;

/// How BABE gives out slots.
pub const BABE_EPOCH_CONFIG: BabeEpochConfiguration = BabeEpochConfiguration {
    c: PRIMARY_PROBABILITY,
    // VRF outputs of secondary slots, too, go into the randomness.
    allowed_slots: AllowedSlots::PrimaryAndSecondaryVRFSlots,
};

/// What each well-known account starts with.
const ENDOWMENT: Balance = 10_000_000 * CRN;
/// What each genesis validator stakes of it.
const STAKE: Balance = 1_000_000 * CRN;
/// What a validator must stake at least on test networks.
const MIN_VALIDATOR_BOND: Balance = 1_000 * CRN;
/// What a nominator must stake at least on test networks.
const MIN_NOMINATOR_BOND: Balance = 10 * CRN;

fn session_keys(name: Sr25519Keyring, ed25519: Ed25519Keyring) -> SessionKeys {
    SessionKeys {
        grandpa: ed25519.public().into(),
        babe: name.public().into(),
        authority_discovery: name.public().into(),
    }
}

fn test_network(validators: &[(Sr25519Keyring, Ed25519Keyring)], validator_count: u32) -> serde_json::Value {
    let stash = |name: &Sr25519Keyring| name.to_account_id();
    let endowed: Vec<AccountId> = Sr25519Keyring::well_known().map(|name| name.to_account_id()).collect();
    build_struct_json_patch!(RuntimeGenesisConfig {
        network: NetworkConfig { parameters: NetworkParameters::FAST },
        balances: BalancesConfig { balances: endowed.into_iter().map(|who| (who, ENDOWMENT)).collect() },
        session: SessionConfig {
            keys: validators
                .iter()
                .map(|(name, ed25519)| (stash(name), stash(name), session_keys(*name, *ed25519)))
                .collect::<Vec<_>>(),
        },
        babe: BabeConfig { epoch_config: BABE_EPOCH_CONFIG },
        staking: StakingConfig {
            validator_count,
            minimum_validator_count: 1,
            force_era: Forcing::NotForcing,
            slash_reward_fraction: Perbill::from_percent(10),
            min_nominator_bond: MIN_NOMINATOR_BOND,
            min_validator_bond: MIN_VALIDATOR_BOND,
            max_validator_count: Some(crate::configs::MAX_ELECTION_TARGETS),
            stakers: validators
                .iter()
                .map(|(name, _)| (stash(name), stash(name), STAKE, StakerStatus::<AccountId>::Validator))
                .collect::<Vec<_>>(),
        },
        nomination_pools: NominationPoolsConfig { min_create_bond: 100 * CRN, min_join_bond: CRN },
        sudo: SudoConfig { key: Some(stash(&Sr25519Keyring::Alice)) },
    })
}

/// The preset of that name, as a JSON patch of the default genesis.
pub fn get_preset(id: &PresetId) -> Option<Vec<u8>> {
    use Ed25519Keyring as Ed;
    use Sr25519Keyring as Sr;
    let patch = match id.as_ref() {
        DEV_RUNTIME_PRESET => test_network(&[(Sr::Alice, Ed::Alice)], 4),
        LOCAL_TESTNET_RUNTIME_PRESET => {
            test_network(&[(Sr::Alice, Ed::Alice), (Sr::Bob, Ed::Bob), (Sr::Charlie, Ed::Charlie)], 4)
        },
        _ => return None,
    };
    Some(serde_json::to_vec(&patch).expect("a JSON value made of strings, numbers and lists can be written; qed"))
}

/// The presets there are.
pub fn preset_names() -> Vec<PresetId> {
    vec![PresetId::from(DEV_RUNTIME_PRESET), PresetId::from(LOCAL_TESTNET_RUNTIME_PRESET)]
}
