// SPDX-License-Identifier: Apache-2.0

//! What a dry run says is what happens.

use super::*;
use crate::configs::BlockWeights;
use frame_support::{
    dispatch::{DispatchClass, GetDispatchInfo},
    weights::Weight,
};
use sp_runtime::{traits::Dispatchable, ArithmeticError, BuildStorage, DispatchError, DispatchResult, TokenError};

fn state() -> sp_io::TestExternalities {
    let mut storage = frame_system::GenesisConfig::<Runtime>::default().build_storage().expect("valid");
    pallet_balances::GenesisConfig::<Runtime> {
        balances: vec![(Alice.to_account_id(), 100 * CRN)],
        ..Default::default()
    }
    .assimilate_storage(&mut storage)
    .expect("valid");
    storage.into()
}

fn transfer(value: Balance) -> RuntimeCall {
    pallet_balances::Call::transfer_keep_alive { dest: Bob.to_account_id().into(), value }.into()
}

/// Asks twice, each time from the same state, as nodes do.
fn dry_run(who: Sr25519Keyring, call: &RuntimeCall) -> DispatchResult {
    let asked = state().execute_with(|| crate::dry_run::dry_run(who.to_account_id(), call.clone()));
    let done = state().execute_with(|| call.clone().dispatch(signed(who)).map(drop).map_err(|refused| refused.error));
    if asked != Err(DispatchError::Exhausted) {
        assert_eq!(asked, done);
    }
    asked
}

#[test]
fn it_says_what_would_happen() {
    assert_eq!(dry_run(Alice, &transfer(CRN)), Ok(()));
    assert_eq!(dry_run(Alice, &transfer(1_000 * CRN)), Err(ArithmeticError::Underflow.into()));
    assert_eq!(dry_run(Alice, &transfer(1)), Err(TokenError::BelowMinimum.into()));
    assert!(dry_run(Bob, &transfer(CRN)).is_err());
    let root_only = frame_system::Call::set_heap_pages { pages: 1 }.into();
    assert_eq!(dry_run(Alice, &root_only), Err(DispatchError::BadOrigin));
    let both = pallet_utility::Call::batch_all { calls: vec![transfer(CRN), root_only] }.into();
    assert_eq!(dry_run(Alice, &both), Err(DispatchError::BadOrigin));
    let contract_call = pallet_contracts::Call::remove_code { code_hash: Hash::repeat_byte(1) }.into();
    assert_eq!(dry_run(Alice, &contract_call), Err(pallet_contracts::Error::<Runtime>::CodeNotFound.into()));
}

#[test]
fn what_no_block_takes_is_not_run() {
    let limit = BlockWeights::get().get(DispatchClass::Normal).max_extrinsic.expect("normal calls are limited");
    let call: RuntimeCall = pallet_contracts::Call::call {
        dest: Bob.to_account_id().into(),
        value: 0,
        gas_limit: limit,
        storage_deposit_limit: None,
        data: vec![],
    }
    .into();
    assert!(call.get_dispatch_info().total_weight().any_gt(limit));
    assert_eq!(dry_run(Alice, &call), Err(DispatchError::Exhausted));
}

#[test]
fn nobody_who_asks_has_shown_to_be_sudo() {
    state().execute_with(|| {
        pallet_sudo::Key::<Runtime>::put(Alice.to_account_id());
        let remark = Box::new(frame_system::Call::remark { remark: vec![] }.into());
        let call = pallet_sudo::Call::sudo_unchecked_weight { call: remark, weight: Weight::zero() }.into();
        assert_eq!(
            crate::dry_run::dry_run(Alice.to_account_id(), call),
            Err(pallet_sudo::Error::<Runtime>::RequireSudo.into())
        );
    });
}

#[test]
fn it_runs_in_the_block_after() {
    state().execute_with(|| {
        System::set_block_number(7);
        pallet_timestamp::Now::<Runtime>::put(21_000);
        let next_block = |call: RuntimeCall| crate::dry_run::dry_run(Alice.to_account_id(), call);
        assert_ok!(next_block(transfer(CRN)));
        assert_eq!((System::block_number(), pallet_timestamp::Now::<Runtime>::get()), (8, 24_000));
    });
}
