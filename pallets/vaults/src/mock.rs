// SPDX-License-Identifier: Apache-2.0

//! A chain with periods of 20 blocks, where a planck is a unit and a reserved unit takes 10 plancks of bond.

use crate as pallet_vaults;
use crate::{Addresses, Balance, Vault};
use frame_support::{
    assert_ok, derive_impl, parameter_types,
    traits::{fungible::InspectHold, Hooks, Randomness},
};
use sp_runtime::{
    traits::{BlakeTwo256, Hash, IdentityLookup},
    AccountId32, BuildStorage, DispatchResult,
};

pub type AccountId = AccountId32;
type Block = frame_system::mocking::MockBlock<Test>;
type HashOf = <Test as frame_system::Config>::Hash;

frame_support::construct_runtime!(
    pub enum Test { System: frame_system, Balances: pallet_balances, Vaults: pallet_vaults }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
    type AccountId = AccountId;
    type Lookup = IdentityLookup<AccountId>;
    type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Balance;
    type AccountStore = System;
    type RuntimeHoldReason = RuntimeHoldReason;
    type ExistentialDeposit = ExistentialDeposit;
}

pub const PERIOD: u32 = 20;
pub const BOND_PER_UNIT: Balance = 10;
pub const BOND_MIN: Balance = 1_000;
/// What each of the accounts 0 to 255 has at first.
pub const ENDOWMENT: Balance = 1_000_000_000;

parameter_types! {
    pub ExistentialDeposit: Balance = 1;
    pub static PeriodBlocks: u32 = PERIOD;
    pub static Seed: u64 = 1;
    pub static LedgerIsOpen: bool = false;
    pub BondPerUnit: Balance = BOND_PER_UNIT;
    pub BondMin: Balance = BOND_MIN;
}

/// As a test wants it.
pub struct Seeded;
impl Randomness<HashOf, u64> for Seeded {
    fn random(subject: &[u8]) -> (HashOf, u64) {
        (BlakeTwo256::hash_of(&(Seed::get(), subject)), 0)
    }
}

/// Refuses as long as a test wants.
pub struct MockLedger;
impl crate::Ledger<AccountId> for MockLedger {
    fn close(_: &AccountId) -> DispatchResult {
        if LedgerIsOpen::get() {
            return Err("the ledger is open".into());
        }
        Ok(())
    }
}

impl pallet_vaults::Config for Test {
    type RuntimeHoldReason = RuntimeHoldReason;
    type NativeBalance = Balances;
    type Randomness = Seeded;
    type PeriodBlocks = PeriodBlocks;
    type BondPerUnit = BondPerUnit;
    type BondMin = BondMin;
    type Ledger = MockLedger;
    type WeightInfo = ();
}

pub fn account(number: u32) -> AccountId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[31] = 1;
    AccountId::new(bytes)
}

/// Gives an account beyond those of the genesis what a vault needs.
pub fn endow(number: u32) {
    let _ = <Balances as frame_support::traits::fungible::Mutate<_>>::mint_into(&account(number), ENDOWMENT);
}

pub fn signed(number: u32) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(number))
}

pub fn key(number: u32) -> [u8; 32] {
    let mut key = [9; 32];
    key[..4].copy_from_slice(&number.to_le_bytes());
    key
}

pub fn addresses(all: &[&str]) -> Addresses {
    let all: Vec<_> = all.iter().map(|address| address.as_bytes().to_vec().try_into().unwrap()).collect();
    all.try_into().unwrap()
}

pub fn here() -> Addresses {
    addresses(&["vault.example:4000"])
}

pub fn register_with(number: u32, capacity_units: u64, ask: Balance, bond: Balance) -> DispatchResult {
    Vaults::register(signed(number), capacity_units, ask, here(), key(number), bond)
}

/// A vault with room for just so many units.
pub fn register(number: u32, capacity_units: u64, ask: Balance) {
    let bond = BOND_MIN.max(BOND_PER_UNIT * Balance::from(capacity_units));
    assert_ok!(register_with(number, capacity_units, ask, bond));
}

pub fn vault(number: u32) -> Vault {
    crate::Vaults::<Test>::get(account(number)).unwrap()
}

pub fn held(number: u32) -> Balance {
    Balances::balance_on_hold(&pallet_vaults::HoldReason::Bond.into(), &account(number))
}

#[derive(Default)]
pub struct ExtBuilder;

impl ExtBuilder {
    pub fn build(self) -> sp_io::TestExternalities {
        let balances = (0..=255).map(|number| (account(number), ENDOWMENT)).collect();
        let genesis = RuntimeGenesisConfig {
            balances: pallet_balances::GenesisConfig { balances, ..Default::default() },
            ..Default::default()
        };
        let mut ext: sp_io::TestExternalities = genesis.build_storage().expect("genesis is valid").into();
        ext.execute_with(|| System::set_block_number(1));
        ext
    }

    /// Runs a test, and the invariants after it: money is what there was.
    pub fn build_and_execute(self, test: impl FnOnce()) {
        self.build().execute_with(|| {
            let issuance = Balances::total_issuance();
            test();
            Vaults::do_try_state().expect("invariants hold");
            <Balances as Hooks<u64>>::try_state(System::block_number()).expect("balances' invariants hold");
            assert_eq!(Balances::total_issuance(), issuance);
        });
    }
}
