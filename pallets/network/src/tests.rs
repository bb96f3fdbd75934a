// SPDX-License-Identifier: Apache-2.0

use crate as pallet_network;
use crate::{NetworkParameters, Period};
use frame_support::{derive_impl, traits::Get};
use sp_runtime::BuildStorage;

type Block = frame_system::mocking::MockBlock<Test>;

frame_support::construct_runtime!(
    pub enum Test { System: frame_system, Network: pallet_network }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

impl pallet_network::Config for Test {}

fn with_parameters(parameters: NetworkParameters, test: impl FnOnce()) {
    let genesis = RuntimeGenesisConfig {
        network: pallet_network::GenesisConfig { parameters, ..Default::default() },
        ..Default::default()
    };
    sp_io::TestExternalities::new(genesis.build_storage().expect("parameters are valid")).execute_with(|| {
        test();
        Network::do_try_state().expect("invariants hold");
    });
}

#[test]
fn production_values_hold_without_genesis() {
    sp_io::TestExternalities::default().execute_with(|| {
        assert_eq!(pallet_network::Parameters::<Test>::get(), NetworkParameters::PRODUCTION);
        assert_eq!(<Period<Test, 100> as Get<u32>>::get(), 100);
    });
}

#[test]
fn genesis_values_are_what_the_getters_give() {
    with_parameters(NetworkParameters::FAST, || {
        assert_eq!(crate::EpochDurationBlocks::<Test>::get(), 10);
        assert_eq!(crate::SessionsPerEra::<Test>::get(), 2);
        assert_eq!(crate::BondingDurationEras::<Test>::get(), 3);
        assert_eq!(crate::SlashDeferDurationEras::<Test>::get(), 0);
        assert_eq!(crate::StoragePeriodBlocks::<Test>::get(), 20);
        assert_eq!(crate::StorageProofs::<Test>::get(), 4);
        assert_eq!(<Period<Test, 403_200> as Get<u32>>::get(), 20);
        assert_eq!(<Period<Test, 1> as Get<u32>>::get(), 1, "a period is never empty");
    });
}

#[test]
fn every_bound_is_checked() {
    let good = NetworkParameters::PRODUCTION;
    assert_eq!(good.check(), Ok(()));
    assert_eq!(NetworkParameters::FAST.check(), Ok(()));
    for edge in [
        NetworkParameters { epoch_duration_blocks: 4, ..good.clone() },
        NetworkParameters { epoch_duration_blocks: 28_800, sessions_per_era: 100, ..good.clone() },
        NetworkParameters { bonding_duration_eras: 1, slash_defer_duration_eras: 0, ..good.clone() },
        NetworkParameters { bonding_duration_eras: 60, slash_defer_duration_eras: 59, ..good.clone() },
        NetworkParameters { storage_period_blocks: 16, storage_proofs: 1, ..good.clone() },
        NetworkParameters { storage_period_blocks: 201_600, storage_proofs: 16, ..good.clone() },
    ] {
        assert_eq!(edge.check(), Ok(()), "{edge:?}");
    }
    for (bad, field) in [
        (NetworkParameters { epoch_duration_blocks: 3, ..good.clone() }, "epochDurationBlocks"),
        (NetworkParameters { sessions_per_era: 0, ..good.clone() }, "sessionsPerEra"),
        (NetworkParameters { bonding_duration_eras: 0, ..good.clone() }, "bondingDurationEras"),
        (NetworkParameters { slash_defer_duration_eras: 56, ..good.clone() }, "slashDeferDurationEras"),
        (NetworkParameters { epoch_duration_blocks: 28_801, ..good.clone() }, "epochDurationBlocks"),
        (NetworkParameters { sessions_per_era: 101, ..good.clone() }, "sessionsPerEra"),
        (NetworkParameters { bonding_duration_eras: 61, ..good.clone() }, "bondingDurationEras"),
        (
            NetworkParameters { bonding_duration_eras: 5, slash_defer_duration_eras: 5, ..good.clone() },
            "slashDeferDurationEras",
        ),
        (NetworkParameters { governance_speedup: 0, ..good.clone() }, "governanceSpeedup"),
        (NetworkParameters { storage_period_blocks: 15, ..good.clone() }, "storagePeriodBlocks"),
        (NetworkParameters { storage_period_blocks: 201_601, ..good.clone() }, "storagePeriodBlocks"),
        (NetworkParameters { storage_proofs: 0, ..good.clone() }, "storageProofs"),
        (NetworkParameters { storage_proofs: 17, ..good.clone() }, "storageProofs"),
    ] {
        let why = bad.check().expect_err("out of bounds");
        assert!(why.starts_with(field), "{why}");
    }
}

#[test]
#[should_panic(expected = "sessionsPerEra must be at least 1")]
fn a_genesis_out_of_bounds_is_refused() {
    with_parameters(NetworkParameters { sessions_per_era: 0, ..NetworkParameters::PRODUCTION }, || ());
}

#[test]
fn genesis_json_takes_part_of_the_fields_and_refuses_unknown_ones() {
    let part: NetworkParameters = serde_json::from_str(r#"{"epochDurationBlocks": 20}"#).unwrap();
    assert_eq!(part, NetworkParameters { epoch_duration_blocks: 20, ..NetworkParameters::PRODUCTION });
    assert!(serde_json::from_str::<NetworkParameters>(r#"{"epochLength": 20}"#).is_err());
}
