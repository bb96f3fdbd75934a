// SPDX-License-Identifier: Apache-2.0

//! Vaults and drives.
//!
//! Prices are for a GiB (262,144 units) of one slot and a proof period, which is a day in production. Periods are part of a
//! network's genesis; deadlines follow from them.

use crate::{
    constants::currency::{deposit, CRN},
    Balance, Balances, BlockNumber, Hash, Runtime, RuntimeHoldReason, System,
};
use alloc::vec::Vec;
use cairn_primitives::storage::UNITS_PER_GIB;
use codec::Encode;
use frame_support::{
    parameter_types,
    traits::{ConstU128, ConstU32, Get, Randomness},
    PalletId,
};
use pallet_babe::{ParentBlockRandomness, RandomnessFromOneEpochAgo};
use pallet_network::{StoragePeriodBlocks, StorageProofs};
use sp_consensus_babe::{digests::PreDigest, BABE_ENGINE_ID};

/// At stake for each GiB of a slot: at a hundredth of a coin a day, more than three months' pay. A vault that drops a slot
/// loses more than it could have earned in the time in which it is found out.
const BOND_PER_GIB: Balance = CRN;

parameter_types! {
    pub const StoragePot: PalletId = PalletId(*b"crn/stor");
}

/// A part of a storage period, and at least so many blocks: on networks with short periods a daemon, too, needs time to
/// see a block, to read from a disk, and to get a transaction into a block.
pub struct PartOfPeriod<const DIVISOR: u32, const BLOCKS_MIN: u32>;
impl<const DIVISOR: u32, const BLOCKS_MIN: u32> Get<u32> for PartOfPeriod<DIVISOR, BLOCKS_MIN> {
    fn get() -> u32 {
        (StoragePeriodBlocks::<Runtime>::get() / DIVISOR).max(BLOCKS_MIN)
    }
}

/// What groups and challenges are drawn by, at the beginning of a block: the VRF outputs of that block and of its parent together.
///
/// An author knows the outputs of its own slots from the epoch's begin on, and nobody else's before a block shows it. While
/// the parent was made, this block's was known to its author alone, and the parent's to the parent's: only who makes two blocks one
/// after the other could choose the parent's transactions by what they make of the draw (with a tenth of the stake in one block of a
/// hundred; of one output alone it was one in ten). An author can withhold its block, but not choose its output. The randomness of
/// an epoch would be known for an hour, in which a vault could add drives of its own until a challenge falls on what it has, or move
/// others in the index until a group is its own. A block whose parent has no output (there is none on this chain) falls
/// back to the epoch's.
pub struct TurnRandomness;
impl Randomness<Hash, BlockNumber> for TurnRandomness {
    fn random(subject: &[u8]) -> (Hash, BlockNumber) {
        let subject = (own_vrf_output(), subject).encode();
        match ParentBlockRandomness::<Runtime>::random(&subject) {
            (Some(hash), block) => (hash, block),
            (None, _) => RandomnessFromOneEpochAgo::<Runtime>::random(&subject),
        }
    }
}

/// The VRF output of the block that is being made, from its header: whoever imports the block has checked it. Nothing
/// outside of a block.
fn own_vrf_output() -> Option<Vec<u8>> {
    let digest = System::digest();
    let mut claims = digest.logs().iter().filter_map(|log| log.pre_runtime_try_to::<PreDigest>(&BABE_ENGINE_ID));
    claims.find_map(|claim| Some(claim.vrf_signature()?.pre_output.encode()))
}

impl pallet_vaults::Config for Runtime {
    type RuntimeHoldReason = RuntimeHoldReason;
    type NativeBalance = Balances;
    type Randomness = TurnRandomness;
    type PeriodBlocks = StoragePeriodBlocks<Runtime>;
    type BondPerUnit = ConstU128<{ BOND_PER_GIB / UNITS_PER_GIB as Balance }>;
    type BondMin = ConstU128<{ 10 * CRN }>;
    type Ledger = crate::Storage;
    // The variant with the SDK's weights has none for a pallet that is not the SDK's.
    #[cfg(feature = "sdk-solochain-defaults")]
    type WeightInfo = ();
    #[cfg(not(feature = "sdk-solochain-defaults"))]
    type WeightInfo = crate::weights::pallet_vaults::WeightInfo<Runtime>;
}

impl pallet_storage::Config for Runtime {
    type TurnRandomness = TurnRandomness;
    type PotId = StoragePot;
    type Proofs = StorageProofs<Runtime>;
    type DeadlineBlocks = PartOfPeriod<8, 6>;
    type DriveDeposit = ConstU128<{ deposit(1, 300) }>;
    type SlotDeposit = ConstU128<{ deposit(2, 250) }>;
    type GrantDeposit = ConstU128<{ deposit(1, 350) }>;
    type DisputeDeposit = ConstU128<CRN>;
    type DisputeBlocks = PartOfPeriod<8, 8>;
    type RestoreBlocks = PartOfPeriod<2, 40>;
    type ReservePpm = ConstU32<20_000>;
    // The variant with the SDK's weights has none for a pallet that is not the SDK's.
    #[cfg(feature = "sdk-solochain-defaults")]
    type WeightInfo = ();
    #[cfg(not(feature = "sdk-solochain-defaults"))]
    type WeightInfo = crate::weights::pallet_storage::WeightInfo<Runtime>;
}
