// SPDX-License-Identifier: Apache-2.0

//! A chain in memory: the real runtime with its hooks, without consensus around it.

use crate::*;
use codec::Encode;
use frame_support::traits::{OnFinalize, OnIdle, OnInitialize, TryState, TryStateSelect};
use frame_support::weights::Weight;
use sp_consensus_babe::digests::{PreDigest, SecondaryPlainPreDigest};
use sp_runtime::{Digest, DigestItem};

/// `patch` laid over `base`, as chain specifications do it.
fn merge(base: &mut serde_json::Value, patch: serde_json::Value) {
    match (base, patch) {
        (serde_json::Value::Object(base), serde_json::Value::Object(patch)) => {
            for (key, value) in patch {
                merge(base.entry(key).or_insert(serde_json::Value::Null), value);
            }
        },
        (base, patch) => *base = patch,
    }
}

/// The genesis state of a preset.
pub fn from_preset(preset: &str) -> sp_io::TestExternalities {
    let patch = crate::genesis::get_preset(&preset.into()).expect("a preset of that name");
    from_patch(serde_json::from_slice(&patch).expect("presets are JSON")).expect("presets build")
}

/// The genesis state of a patch over the defaults.
pub fn from_patch(patch: serde_json::Value) -> Result<sp_io::TestExternalities, String> {
    use frame_support::genesis_builder_helper::{build_state, get_preset};
    let default = get_preset::<RuntimeGenesisConfig>(&None, |_| None).expect("the default genesis");
    let mut genesis = serde_json::from_slice(&default).expect("the default genesis is JSON");
    merge(&mut genesis, patch);
    let mut ext = sp_io::TestExternalities::default();
    ext.execute_with(|| build_state::<RuntimeGenesisConfig>(genesis.to_string().into_bytes()))?;
    Ok(ext)
}

/// Runs `test` on the development chain from its first block on, and checks every invariant at its end.
pub fn run(preset: &str, test: impl FnOnce()) {
    from_preset(preset).execute_with(|| {
        next_block();
        test();
        check_invariants();
    });
}

/// Ends the block under way (if any) and starts the next, with its hooks and inherent.
pub fn next_block() {
    let number = System::block_number() + 1;
    let parent = if number == 1 { Hash::zero() } else { end_block() };
    let slot = sp_consensus_babe::Slot::from(1_000 + u64::from(number));
    let claim = PreDigest::SecondaryPlain(SecondaryPlainPreDigest { authority_index: 0, slot });
    let digest = Digest { logs: vec![DigestItem::PreRuntime(sp_consensus_babe::BABE_ENGINE_ID, claim.encode())] };
    System::reset_events();
    System::initialize(&number, &parent, &digest);
    AllPalletsWithSystem::on_initialize(number);
    let now = *slot * constants::time::MILLISECS_PER_BLOCK;
    Timestamp::set(RuntimeOrigin::none(), now).expect("the inherent is valid");
}

fn end_block() -> Hash {
    let number = System::block_number();
    AllPalletsWithSystem::on_idle(number, Weight::MAX);
    AllPalletsWithSystem::on_finalize(number);
    System::finalize().hash()
}

/// Starts blocks until `number` is under way.
pub fn run_to(number: BlockNumber) {
    while System::block_number() < number {
        next_block();
    }
}

/// Every pallet's own invariants, and ours over all of them.
pub fn check_invariants() {
    AllPalletsWithSystem::try_state(System::block_number(), TryStateSelect::All)
        .expect("every pallet's invariants hold");
    let held: Balance =
        frame_system::Account::<Runtime>::iter().map(|(_, account)| account.data.free + account.data.reserved).sum();
    assert_eq!(held, Balances::total_issuance(), "every planck issued is on an account");
}
