// SPDX-License-Identifier: Apache-2.0

//! The pallets put together as the real runtime does, natively: `pallet-storage` and `pallet-vaults` unchanged, with the
//! amounts of `runtime/src/configs/storage.rs`, the SDK's balances, and randomness from a seed.

use cairn_primitives::storage::UNITS_PER_GIB;
use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, Get, Randomness},
    PalletId,
};
use pallet_vaults::Balance;
use sp_core::{ed25519, Pair};
use sp_runtime::{
    traits::{BlakeTwo256, Hash, IdentityLookup},
    AccountId32, BuildStorage,
};

/// Plancks of a coin.
pub const CRN: Balance = 1_000_000_000_000;
/// Accounts of owners begin here, those of vaults at 0.
pub const OWNERS: u32 = 1 << 30;
/// The account that new ones get their coins from.
pub const FAUCET: u32 = u32::MAX;
/// Picoseconds of weight that a block may hold.
pub const BLOCK_WEIGHT: u64 = 1_500_000_000_000;
/// Bytes of a transaction beside its call: signature, account, nonce, era, tip, the call's number.
pub const ENVELOPE_BYTES: u64 = 110;
/// What a transaction weighs beside its call, in picoseconds: the base that was measured, and its nonce in the database.
pub const ENVELOPE_WEIGHT: u64 = 280_000_000;

pub type AccountId = AccountId32;
type Block = frame_system::mocking::MockBlock<Runtime>;
type HashOf = <Runtime as frame_system::Config>::Hash;

frame_support::construct_runtime!(
    pub enum Runtime {
        System: frame_system,
        Balances: pallet_balances,
        Vaults: pallet_vaults,
        Storage: pallet_storage,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Runtime {
    type Block = Block;
    type AccountId = AccountId;
    type Lookup = IdentityLookup<AccountId>;
    type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Runtime {
    type Balance = Balance;
    type AccountStore = System;
    type RuntimeHoldReason = RuntimeHoldReason;
    type ExistentialDeposit = ExistentialDeposit;
}

const fn deposit(items: u32, bytes: u32) -> Balance {
    items as Balance * 20 * MILLI_CRN + bytes as Balance * (MILLI_CRN / 10)
}
const MILLI_CRN: Balance = CRN / 1_000;

parameter_types! {
    pub const ExistentialDeposit: Balance = MILLI_CRN;
    pub const BondPerUnit: Balance = CRN / UNITS_PER_GIB as Balance;
    pub const BondMin: Balance = 10 * CRN;
    pub const PotId: PalletId = PalletId(*b"crn/stor");
    pub const DriveDeposit: Balance = deposit(1, 300);
    pub const SlotDeposit: Balance = deposit(2, 250);
    pub const GrantDeposit: Balance = deposit(1, 350);
    pub const DisputeDeposit: Balance = CRN;
    /// Blocks of a day, which is the period.
    pub static PeriodBlocks: u32 = 28_800;
    pub static Seed: u64 = 1;
}

/// A part of the period.
pub struct PartOfPeriod<const DIVISOR: u32, const BLOCKS_MIN: u32>;
impl<const DIVISOR: u32, const BLOCKS_MIN: u32> Get<u32> for PartOfPeriod<DIVISOR, BLOCKS_MIN> {
    fn get() -> u32 {
        (PeriodBlocks::get() / DIVISOR).max(BLOCKS_MIN)
    }
}

/// Another in each block, from the seed.
pub struct Seeded;
impl Randomness<HashOf, u64> for Seeded {
    fn random(subject: &[u8]) -> (HashOf, u64) {
        (BlakeTwo256::hash_of(&(Seed::get(), System::block_number(), subject)), 0)
    }
}

impl pallet_vaults::Config for Runtime {
    type RuntimeHoldReason = RuntimeHoldReason;
    type NativeBalance = Balances;
    type Randomness = Seeded;
    type PeriodBlocks = PeriodBlocks;
    type BondPerUnit = BondPerUnit;
    type BondMin = BondMin;
    type Ledger = Storage;
    type WeightInfo = ();
}

impl pallet_storage::Config for Runtime {
    type TurnRandomness = Seeded;
    type PotId = PotId;
    type Proofs = ConstU32<16>;
    type DeadlineBlocks = PartOfPeriod<8, 6>;
    type DriveDeposit = DriveDeposit;
    type SlotDeposit = SlotDeposit;
    type GrantDeposit = GrantDeposit;
    type DisputeDeposit = DisputeDeposit;
    type DisputeBlocks = PartOfPeriod<8, 8>;
    type RestoreBlocks = PartOfPeriod<2, 40>;
    type ReservePpm = ConstU32<20_000>;
    type WeightInfo = ();
}

/// The account of a number.
pub fn account(number: u32) -> AccountId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[31] = 1;
    AccountId::new(bytes)
}

/// The number of an account.
pub fn number(account: &AccountId) -> u32 {
    let bytes: &[u8; 32] = account.as_ref();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// As who a call is made.
pub fn signed(number: u32) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(number))
}

/// The service key of a vault.
pub fn service_key(number: u32) -> ed25519::Pair {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    ed25519::Pair::from_seed(&seed)
}

/// A state in which the faucet has all coins.
pub fn genesis() -> sp_storage::Storage {
    let balances = vec![(account(FAUCET), 1_000_000_000_000 * CRN)];
    let genesis = RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig { balances, ..Default::default() },
        ..Default::default()
    };
    genesis.build_storage().expect("the genesis is valid")
}

/// Hash of block 0.
pub fn genesis_hash() -> [u8; 32] {
    System::block_hash(0).0
}
