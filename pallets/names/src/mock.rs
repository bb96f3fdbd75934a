// SPDX-License-Identifier: Apache-2.0

//! A chain with days of 10 blocks and years of 400, where a coin is a unit.

use crate as pallet_names;
use crate::{CommitmentHash, LabelBytes, Records};
use cairn_primitives::names::{commitment_hash, records_hash, rr, Label, Rdata, RelativeName, RrSet, Zone};
use frame_support::{
    assert_ok, derive_impl, parameter_types,
    traits::{ConstU32, ConstU64, Hooks},
    weights::Weight,
};
use frame_system::EnsureRoot;
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage};

pub type AccountId = AccountId32;
type Block = frame_system::mocking::MockBlock<Test>;

frame_support::construct_runtime!(
    pub enum Test { System: frame_system, Balances: pallet_balances, Names: pallet_names }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
    type AccountId = AccountId;
    type Lookup = IdentityLookup<AccountId>;
    type AccountData = pallet_balances::AccountData<u64>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type AccountStore = System;
    type RuntimeHoldReason = RuntimeHoldReason;
}

pub const DAY: u64 = 10;
pub const GRACE: u64 = 28 * DAY;
pub const YEAR: u64 = 400;
pub const AGE_MIN: u64 = 3;
pub const AGE_MAX: u64 = 30;
/// Price a year of a label of 5 bytes and more.
pub const PRICE: u64 = 10;
pub const COMMITMENT_DEPOSIT: u64 = 7;
pub const ZONE_BASE: u64 = 100;
pub const ENTRY: u64 = 50;
/// What each of the accounts 1 to 9 has at first.
pub const ENDOWMENT: u64 = 10_000_000;

parameter_types! {
    pub static PricePerYear: u64 = PRICE;
    pub Treasury: AccountId = account(99);
}

impl pallet_names::Config for Test {
    type RuntimeHoldReason = RuntimeHoldReason;
    type NativeBalance = Balances;
    type GovernanceOrigin = EnsureRoot<AccountId>;
    type Treasury = Treasury;
    type PricePerYear = PricePerYear;
    type CommitmentDeposit = ConstU64<COMMITMENT_DEPOSIT>;
    type ZoneDepositBase = ConstU64<ZONE_BASE>;
    type ZoneDepositPerByte = ConstU64<1>;
    type EntryDeposit = ConstU64<ENTRY>;
    type CommitmentsMax = ConstU32<4>;
    type CommitmentAgeMinBlocks = ConstU64<AGE_MIN>;
    type CommitmentAgeMaxBlocks = ConstU64<AGE_MAX>;
    type YearBlocks = ConstU64<YEAR>;
    type GraceBlocks = ConstU64<GRACE>;
    type PremiumHalvingBlocks = ConstU64<DAY>;
    type PurgesPerBlockMax = ConstU32<3>;
    type WeightInfo = ();
}

pub fn account(number: u8) -> AccountId {
    AccountId::new([number; 32])
}

pub const ALICE: u8 = 1;
pub const BOB: u8 = 2;
pub const CAROL: u8 = 3;

pub fn signed(number: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(number))
}

pub fn bytes(label: &str) -> LabelBytes {
    label.as_bytes().to_vec().try_into().unwrap()
}

pub fn label(text: &str) -> Label {
    text.parse().unwrap()
}

pub fn rrset(name: &str, rtype: u16, data: &[&[u8]]) -> RrSet {
    let rdata: Vec<Rdata> = data.iter().map(|data| data.to_vec().try_into().unwrap()).collect();
    RrSet { name: RelativeName::parse(name).unwrap(), rtype, ttl_seconds: 300, rdata: rdata.try_into().unwrap() }
}

/// An address record: 9 + 2 + 4 bytes, and its name's.
pub fn a(name: &str) -> RrSet {
    rrset(name, rr::A, &[&[192, 0, 2, 7]])
}

pub fn records(sets: &[RrSet]) -> Records {
    sets.to_vec().try_into().unwrap()
}

pub fn hash(who: u8, name: &str, years: u8, sets: &[RrSet]) -> CommitmentHash {
    let zone = Zone::from_sets(sets.to_vec()).unwrap_or_default();
    let genesis = System::block_hash(0).0;
    commitment_hash(&genesis, &label(name), &account(who), years, &[7; 32], &records_hash(&zone))
}

pub fn register_call(
    who: u8,
    name: &str,
    years: u8,
    sets: &[RrSet],
    max_price: u64,
) -> frame_support::dispatch::DispatchResult {
    Names::register(signed(who), bytes(name), years, [7; 32], records(sets), max_price)
}

/// Commits, waits, and leaves the registration to do.
pub fn commit(who: u8, name: &str, years: u8, sets: &[RrSet]) {
    assert_ok!(Names::commit(signed(who), hash(who, name, years, sets)));
    run_by(AGE_MIN);
}

/// Commits, waits and registers.
pub fn register_with(who: u8, name: &str, years: u8, sets: &[RrSet]) {
    commit(who, name, years, sets);
    assert_ok!(register_call(who, name, years, sets, u64::MAX));
}

pub fn register(who: u8, name: &str) {
    register_with(who, name, 1, &[]);
}

/// Goes to a block without running what lies between: nothing may depend on it.
pub fn jump_to(block: u64) {
    System::set_block_number(block);
}

pub fn run_by(blocks: u64) {
    jump_to(System::block_number() + blocks);
}

pub fn idle() -> Weight {
    Names::on_idle(System::block_number(), Weight::MAX)
}

pub fn expires_at(name: &str) -> u64 {
    crate::Names::<Test>::get(label(name)).unwrap().expires_at
}

pub fn held(who: u8, reason: pallet_names::HoldReason) -> u64 {
    use frame_support::traits::fungible::InspectHold;
    Balances::balance_on_hold(&reason.into(), &account(who))
}

#[derive(Default)]
pub struct ExtBuilder;

impl ExtBuilder {
    pub fn build(self) -> sp_io::TestExternalities {
        let balances = (1..=9).map(|number| (account(number), ENDOWMENT)).chain([(account(99), 1)]).collect();
        let genesis = RuntimeGenesisConfig {
            balances: pallet_balances::GenesisConfig { balances, ..Default::default() },
            ..Default::default()
        };
        let mut ext: sp_io::TestExternalities = genesis.build_storage().expect("genesis is valid").into();
        ext.execute_with(|| System::set_block_number(1));
        ext
    }

    /// Runs a test, and the invariants after it: money is what there was, and all of the pallet's.
    pub fn build_and_execute(self, test: impl FnOnce()) {
        self.build().execute_with(|| {
            let issuance = Balances::total_issuance();
            test();
            Names::do_try_state().expect("invariants hold");
            <Balances as Hooks<u64>>::try_state(System::block_number()).expect("balances' invariants hold");
            assert_eq!(Balances::total_issuance(), issuance);
        });
    }
}
