// SPDX-License-Identifier: Apache-2.0

use super::*;
use frame_support::traits::fungible::NativeOrWithId::{Native, WithId};

/// An issued coin gets a pool against CRN, and somebody buys it there.
#[test]
fn an_issued_coin_swaps_against_crn() {
    chain::run("development", || {
        let (alice, bob) = (Alice.to_account_id(), Bob.to_account_id());
        let (native, issued) = (|| Box::new(Native), || Box::new(WithId(7)));
        assert_ok!(Assets::create(signed(Alice), codec::Compact(7), alice.clone().into(), 10));
        assert_ok!(Assets::mint(signed(Alice), codec::Compact(7), alice.clone().into(), 1_000_000));
        assert_ok!(AssetConversion::create_pool(signed(Alice), native(), issued()));
        assert_ok!(AssetConversion::add_liquidity(
            signed(Alice),
            native(),
            issued(),
            1_000 * CRN,
            500_000,
            1,
            1,
            alice.clone()
        ));
        let before = Balances::free_balance(&bob);
        let path = vec![native(), issued()];
        assert_ok!(AssetConversion::swap_exact_tokens_for_tokens(signed(Bob), path, 100 * CRN, 1, bob.clone(), true));
        // x * y = k, less 0.3%: 500,000 * 99.7 / 1,099.7.
        assert_eq!(Assets::balance(7, &bob), 45_330);
        assert_eq!(before - Balances::free_balance(&bob), 100 * CRN);
    });
}
