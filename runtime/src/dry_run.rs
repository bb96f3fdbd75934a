// SPDX-License-Identifier: Apache-2.0

//! What a call would do in the next block, for whoever is about to pay for it.

use super::{constants::time::MILLISECS_PER_BLOCK, AccountId, Runtime, RuntimeCall, RuntimeOrigin, System};
use crate::configs::BlockWeights;
use frame_support::dispatch::GetDispatchInfo;
use sp_runtime::{traits::Dispatchable, DispatchError, DispatchResult};

/// Runs `call` as if the next block began with it; sudo's calls are refused. The caller must drop what it leaves in the state.
pub fn dry_run(signer: AccountId, call: RuntimeCall) -> DispatchResult {
    let info = call.get_dispatch_info();
    let limit = BlockWeights::get().get(info.class).max_extrinsic;
    if limit.is_some_and(|limit| info.total_weight().any_gt(limit)) {
        return Err(DispatchError::Exhausted);
    }
    begin_next_block();
    // Nobody has proven to be `signer`, and sudo may name any weight for what it runs.
    pallet_sudo::Key::<Runtime>::kill();
    call.dispatch(RuntimeOrigin::signed(signer)).map(drop).map_err(|refused| refused.error)
}

/// Number and time of the next block. Its parent's hash is not in the state: what stands in its place is written there again.
fn begin_next_block() {
    let number = System::block_number();
    let hash = System::block_hash(number);
    System::initialize(&number.saturating_add(1), &hash, &Default::default());
    pallet_timestamp::Now::<Runtime>::mutate(|now| *now = now.saturating_add(MILLISECS_PER_BLOCK));
}
