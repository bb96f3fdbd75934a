// SPDX-License-Identifier: Apache-2.0

mod attacks;
mod chain;
mod dry_run;
mod exchange;
mod fees;
mod filters;
mod genesis;
mod invariants;
mod metadata;
mod offences;
mod staking;
mod storage_world;

use crate::{constants::currency::CRN, *};
use frame_support::{assert_noop, assert_ok};
use sp_keyring::Sr25519Keyring::{self, Alice, Bob, Charlie, Dave};

fn signed(who: Sr25519Keyring) -> RuntimeOrigin {
    RuntimeOrigin::signed(who.to_account_id())
}
