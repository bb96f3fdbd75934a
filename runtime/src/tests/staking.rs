// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::configs::Inflation;
use frame_support::traits::Currency;
use pallet_network::NetworkParameters;
use pallet_staking::{EraPayout, RewardDestination, ValidatorPrefs};
use proptest::prelude::*;
use sp_runtime::MultiAddress;

#[test]
fn eras_pass_and_pay_the_validator_and_the_treasury() {
    chain::run("development", || {
        let treasury = Treasury::account_id();
        let before = Balances::free_balance(&treasury);
        chain::run_to(60);
        let era = pallet_staking::CurrentEra::<Runtime>::get().expect("an era");
        assert!(era >= 2, "eras of 20 blocks: after 60 the era is {era}");
        let earned = Balances::free_balance(&treasury) - before;
        assert!(earned > 0, "the treasury has its share");
        let alice = Alice.to_account_id();
        let stake = Balances::total_balance(&alice);
        assert_ok!(Staking::payout_stakers_by_page(signed(Bob), alice.clone(), 0, 0));
        let paid = Balances::total_balance(&alice) - stake;
        assert!(paid > 0, "the validator has earned");
    });
}

#[test]
fn a_fourth_validator_is_elected_and_leaves() {
    chain::run("local_testnet", || {
        let dave = Dave.to_account_id();
        assert_ok!(Staking::bond(signed(Dave), 2_000_000 * CRN, RewardDestination::Staked));
        assert_ok!(Staking::validate(signed(Dave), ValidatorPrefs::default()));
        // Keys are checked for possession by the network tests; here any will do.
        let keys = pallet_session::NextKeys::<Runtime>::get(Alice.to_account_id()).expect("genesis keys");
        pallet_session::NextKeys::<Runtime>::insert(&dave, keys);
        chain::run_to(65);
        assert!(Session::validators().contains(&dave), "elected for a later era");
        assert_ok!(Staking::chill(signed(Dave)));
        chain::run_to(130);
        assert!(!Session::validators().contains(&dave), "gone after it chilled");
        pallet_session::NextKeys::<Runtime>::remove(&dave);
    });
}

/// With the longest bonding duration, a pool and a stake can still be unbonded from in every era of it.
#[test]
fn stake_and_pool_can_be_unbonded_in_every_era_of_the_bonding_duration() {
    chain::from_preset("development").execute_with(|| {
        let parameters =
            NetworkParameters { bonding_duration_eras: 60, slash_defer_duration_eras: 0, ..NetworkParameters::FAST };
        pallet_network::Parameters::<Runtime>::put(parameters);
        chain::next_block();
        let owner = MultiAddress::Id(Alice.to_account_id());
        assert_ok!(NominationPools::create(signed(Alice), 1_000 * CRN, owner.clone(), owner.clone(), owner));
        for name in Sr25519Keyring::well_known().skip(1) {
            assert_ok!(NominationPools::join(signed(name), 1_000 * CRN, 1));
        }
        assert_ok!(Staking::bond(signed(Bob), 1_000 * CRN, RewardDestination::Staked));
        let members: Vec<_> = Sr25519Keyring::well_known().skip(1).collect();
        for era in 1..=60u32 {
            pallet_staking::CurrentEra::<Runtime>::put(era);
            pallet_staking::ActiveEra::<Runtime>::put(pallet_staking::ActiveEraInfo { index: era, start: Some(1) });
            let member = members[era as usize % members.len()];
            assert_ok!(NominationPools::unbond(signed(member), MultiAddress::Id(member.to_account_id()), CRN));
            assert_ok!(Staking::unbond(signed(Bob), CRN));
        }
    });
}

#[test]
fn as_many_payouts_as_the_client_puts_together_fit_a_transaction() {
    let payout =
        RuntimeCall::Staking(pallet_staking::Call::payout_stakers { validator_stash: Alice.to_account_id(), era: 0 });
    let batch = RuntimeCall::Utility(pallet_utility::Call::batch_all { calls: vec![payout; 3] });
    let info = frame_support::dispatch::GetDispatchInfo::get_dispatch_info(&batch);
    let limit = configs::BlockWeights::get().get(info.class).max_extrinsic.expect("normal calls are limited");
    assert!(info.call_weight.all_lte(limit), "{:?} of {limit:?}", info.call_weight);
}

#[test]
fn bag_thresholds_rise() {
    let thresholds = <configs::BagThresholds as frame_support::traits::Get<&[u64]>>::get();
    assert!(thresholds.windows(2).all(|pair| pair[0] < pair[1]));
}

proptest! {
    #[test]
    fn a_year_of_eras_stays_within_the_promised_inflation(
        issuance in 1_000_000 * CRN..1_000_000_000_000 * CRN,
        staked in 0u32..=1_000,
        era_hours in 1u64..24,
    ) {
        sp_io::TestExternalities::default().execute_with(|| {
            let staked = issuance / 1_000 * Balance::from(staked);
            let (stakers, treasury) = Inflation::era_payout(staked, issuance, era_hours * 3_600_000);
            let year = (stakers + treasury) * Balance::from(8_766 / era_hours + 1);
            // 8% for stakers, and the treasury's 15% of all that is issued.
            prop_assert!(year <= issuance / 1_000 * 96, "{year} of {issuance}");
            prop_assert!(stakers > 0);
            Ok(())
        })?;
    }

    #[test]
    fn a_stalled_chain_does_not_pay_for_the_stall(days in 1u64..10_000) {
        sp_io::TestExternalities::default().execute_with(|| {
            let payout = |millis| Inflation::era_payout(500 * CRN, 1_000 * CRN, millis);
            prop_assert_eq!(payout(days * 86_400_000), payout(86_400_000));
            Ok(())
        })?;
    }
}
