// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::constants::currency::EXISTENTIAL_DEPOSIT;
use frame_support::{
    dispatch::{DispatchInfo, GetDispatchInfo, PostDispatchInfo},
    traits::fungible::Inspect,
};
use frame_system::ExtensionsWeightInfo;
use pallet_transaction_payment::WeightInfo as _;
use sp_runtime::traits::{DispatchTransaction, TransactionExtension};

fn transfer(value: Balance) -> RuntimeCall {
    RuntimeCall::Balances(BalancesCall::transfer_keep_alive { dest: Bob.to_account_id().into(), value })
}

/// Applies a call with its payment, as a block does.
fn pay(who: Sr25519Keyring, tip: Balance, call: RuntimeCall) -> Balance {
    let before = Balances::total_issuance();
    let info: DispatchInfo = call.get_dispatch_info();
    let extension = pallet_transaction_payment::ChargeTransactionPayment::<Runtime>::from(tip);
    let info = DispatchInfo { extension_weight: extension.weight(&call), ..info };
    let result = extension.dispatch_transaction(signed(who), call, &info, 150, 0);
    let _: PostDispatchInfo = result.expect("valid").expect("applied");
    before - Balances::total_issuance()
}

#[test]
fn fees_are_burned_and_tips_go_to_the_author() {
    chain::run("development", || {
        // Alice makes every block of this chain.
        let author = Balances::total_balance(&Alice.to_account_id());
        let burned = pay(Charlie, 5 * CRN, transfer(CRN));
        assert!(burned > 0 && burned < CRN, "{burned} plancks burned");
        assert_eq!(Balances::total_balance(&Alice.to_account_id()), author + 5 * CRN);
    });
}

#[test]
fn a_transfer_costs_between_a_ten_thousandth_and_a_hundredth_of_a_coin() {
    chain::run("development", || {
        let fee = pay(Charlie, 0, transfer(CRN));
        assert!((CRN / 10_000..CRN / 100).contains(&fee), "a transfer costs {fee} plancks");
    });
}

#[test]
fn an_account_below_the_existential_deposit_is_not_made() {
    chain::run("development", || {
        let nobody: AccountId = [7; 32].into();
        let origin = signed(Alice);
        assert_noop!(
            Balances::transfer_keep_alive(origin.clone(), nobody.clone().into(), EXISTENTIAL_DEPOSIT - 1),
            sp_runtime::TokenError::BelowMinimum
        );
        assert_ok!(Balances::transfer_keep_alive(origin, nobody.clone().into(), EXISTENTIAL_DEPOSIT));
        assert_eq!(Balances::free_balance(&nobody), EXISTENTIAL_DEPOSIT);
        assert_eq!(<Balances as Inspect<AccountId>>::minimum_balance(), EXISTENTIAL_DEPOSIT);
    });
}

/// Database accesses come on top of what was measured.
#[test]
fn a_signed_remark_is_charged_no_less_than_it_was_measured_to_take() {
    let remark = RuntimeCall::System(frame_system::Call::remark { remark: vec![] });
    let extensions = [
        <Runtime as frame_system::Config>::ExtensionsWeightInfo::check_nonce(),
        <Runtime as frame_system::Config>::ExtensionsWeightInfo::check_weight(),
        <Runtime as frame_system::Config>::ExtensionsWeightInfo::weight_reclaim(),
        <Runtime as frame_system::Config>::ExtensionsWeightInfo::check_genesis(),
        <Runtime as frame_system::Config>::ExtensionsWeightInfo::check_mortality_immortal_transaction(),
        <Runtime as frame_system::Config>::ExtensionsWeightInfo::check_non_zero_sender(),
        <Runtime as frame_system::Config>::ExtensionsWeightInfo::check_spec_version(),
        <Runtime as frame_system::Config>::ExtensionsWeightInfo::check_tx_version(),
        <Runtime as pallet_transaction_payment::Config>::WeightInfo::charge_transaction_payment(),
    ];
    let class = configs::BlockWeights::get();
    let mut charged = class.get(frame_support::dispatch::DispatchClass::Normal).base_extrinsic;
    charged += remark.get_dispatch_info().call_weight;
    extensions.into_iter().for_each(|extension| charged += extension);
    let database = <Runtime as frame_system::Config>::DbWeight::get().reads_writes(1, 1);
    let measured = weights::extrinsic_weights::ExtrinsicBaseWeight::get();
    assert!(charged.all_gte(measured + database), "{charged:?}, measured {measured:?}");
}
