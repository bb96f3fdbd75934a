// SPDX-License-Identifier: Apache-2.0

//! A chain with periods of 20 blocks. Shards have one unit each, and their bytes follow from where they are: so every log,
//! and every proof of it, can be made from its slot and length. At [`PRICE`] a unit costs 3 plancks a block.

use crate as pallet_storage;
use crate::{Drive, Roots, Signatures, Slot};
use cairn_primitives::storage::{
    restore_chunk, shard_id, ChunkProof, Coding, DriveId, Node, NodeAt, Range, Receipt, Role, ShardSize, SlotAt,
    Visibility, CHUNKS_PER_UNIT,
};
use frame_support::{
    assert_ok, derive_impl, parameter_types,
    traits::{fungible::InspectHold, Hooks, Randomness},
    PalletId,
};
use pallet_vaults::{Addresses, Balance};
use sp_core::{ed25519, Pair};
use sp_runtime::{
    traits::{BlakeTwo256, Hash, IdentityLookup},
    AccountId32, BuildStorage, DispatchResult,
};
use std::collections::BTreeMap;

pub type AccountId = AccountId32;
type Block = frame_system::mocking::MockBlock<Test>;
type HashOf = <Test as frame_system::Config>::Hash;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Vaults: pallet_vaults,
        Storage: pallet_storage,
    }
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
pub const DEADLINE: u32 = 5;
pub const PROOFS: u32 = 4;
pub const BOND_PER_UNIT: Balance = 1_000;
/// 3 plancks for a unit and block.
pub const PRICE: Balance = 3 * (1 << 18) * PERIOD as Balance;
pub const RATE: Balance = 3;
pub const CAPACITY: u64 = 64;
/// What a vault of these tests has at stake.
pub const BOND: Balance = 1_000_000;
pub const ED: Balance = 5;
pub const DISPUTE_DEPOSIT: Balance = 500;
pub const DISPUTE_BLOCKS: u32 = 6;
pub const RESTORE_BLOCKS: u32 = 8;
pub const DRIVE_DEPOSIT: Balance = 1_000;
pub const SLOT_DEPOSIT: Balance = 10;
pub const GRANT_DEPOSIT: Balance = 70;
/// What each account has at first.
pub const ENDOWMENT: Balance = 1_000_000_000;
/// Accounts of vaults begin here.
pub const VAULTS: u32 = 1_000;

parameter_types! {
    pub ExistentialDeposit: Balance = ED;
    pub PeriodBlocks: u32 = PERIOD;
    pub static Seed: u64 = 1;
    pub BondPerUnit: Balance = BOND_PER_UNIT;
    pub BondMin: Balance = 1_000;
    pub PotId: PalletId = PalletId(*b"crn/stor");
    pub static ProofCount: u32 = PROOFS;
    pub Deadline: u32 = DEADLINE;
    pub DriveDeposit: Balance = DRIVE_DEPOSIT;
    pub SlotDeposit: Balance = SLOT_DEPOSIT;
    pub GrantDeposit: Balance = GRANT_DEPOSIT;
    pub DisputeDeposit: Balance = DISPUTE_DEPOSIT;
    pub DisputeBlocks: u32 = DISPUTE_BLOCKS;
    pub RestoreBlocks: u32 = RESTORE_BLOCKS;
    pub static ReservePpm: u32 = 20_000;
}

/// As a test wants it, and another in each block.
pub struct Seeded;
impl Randomness<HashOf, u64> for Seeded {
    fn random(subject: &[u8]) -> (HashOf, u64) {
        (BlakeTwo256::hash_of(&(Seed::get(), System::block_number(), subject)), 0)
    }
}

impl pallet_vaults::Config for Test {
    type RuntimeHoldReason = RuntimeHoldReason;
    type NativeBalance = Balances;
    type Randomness = Seeded;
    type PeriodBlocks = PeriodBlocks;
    type BondPerUnit = BondPerUnit;
    type BondMin = BondMin;
    type Ledger = Storage;
    type WeightInfo = ();
}

impl pallet_storage::Config for Test {
    type TurnRandomness = Seeded;
    type PotId = PotId;
    type Proofs = ProofCount;
    type DeadlineBlocks = Deadline;
    type DriveDeposit = DriveDeposit;
    type SlotDeposit = SlotDeposit;
    type GrantDeposit = GrantDeposit;
    type DisputeDeposit = DisputeDeposit;
    type DisputeBlocks = DisputeBlocks;
    type RestoreBlocks = RestoreBlocks;
    type ReservePpm = ReservePpm;
    type WeightInfo = ();
}

pub const ALICE: u32 = 1;
pub const BOB: u32 = 2;
pub const CAROL: u32 = 3;

pub fn account(number: u32) -> AccountId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[31] = 1;
    AccountId::new(bytes)
}

pub fn number(account: &AccountId) -> u32 {
    let bytes: &[u8; 32] = account.as_ref();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

pub fn signed(number: u32) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(number))
}

pub fn pair(number: u32) -> ed25519::Pair {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    ed25519::Pair::from_seed(&seed)
}

/// Registers vault number `VAULTS + index`.
pub fn register_with(index: u32, capacity_units: u64, bond: Balance) {
    let addresses: Addresses = vec![b"vault.example:4000".to_vec().try_into().unwrap()].try_into().unwrap();
    let who = VAULTS + index;
    let key = pair(who).public().0;
    assert_ok!(Vaults::register(signed(who), capacity_units, PRICE, addresses, key, bond));
}

/// Registers so many vaults, each with room for many drives.
pub fn register(count: u32) {
    (0..count).for_each(|index| register_with(index, 1_000, BOND));
}

pub fn at(drive: DriveId, slot: u8) -> SlotAt {
    SlotAt { drive, slot }
}

pub fn slot(drive: DriveId, number: u8) -> Slot<AccountId> {
    crate::Slots::<Test>::get(at(drive, number)).unwrap()
}

pub fn drive(id: DriveId) -> Drive<AccountId> {
    crate::Drives::<Test>::get(id).unwrap()
}

/// Number of the vault that has a slot.
pub fn holder(id: DriveId, slot_number: u8) -> u32 {
    number(&slot(id, slot_number).vault.unwrap())
}

pub fn vault(number: u32) -> pallet_vaults::Vault {
    pallet_vaults::Vaults::<Test>::get(account(number)).unwrap()
}

pub fn book(number: u32) -> crate::Book {
    let mut book = crate::Books::<Test>::get(account(number));
    Storage::settle_book(&mut book);
    book
}

pub fn reserve() -> Balance {
    crate::Reserve::<Test>::get()
}

pub fn free(number: u32) -> Balance {
    Balances::free_balance(account(number))
}

pub fn held(number: u32, reason: pallet_storage::HoldReason) -> Balance {
    Balances::balance_on_hold(&reason.into(), &account(number))
}

/// What has to be paid in for an escrow of so much.
pub fn gross(net: Balance) -> Balance {
    net * 1_000_000 / (1_000_000 - Balance::from(ReservePpm::get())) + 1
}

/// Makes a drive with an escrow for so many periods of its whole capacity.
pub fn create_for(owner: u32, coding: Coding, capacity_units: u64, periods: Balance) -> DriveId {
    let id = crate::NextDrive::<Test>::get();
    let escrow = gross(Storage::escrow_min(coding.slots(), capacity_units, PRICE) * periods);
    assert_ok!(Storage::create_drive(signed(owner), coding, capacity_units, PRICE, escrow, Visibility::Private));
    draw_groups();
    id
}

/// What the next block begins with.
pub fn draw_groups() {
    Storage::do_groups();
}

pub fn create(owner: u32, coding: Coding) -> DriveId {
    create_for(owner, coding, CAPACITY, 50)
}

/// A log whose shards follow from its place.
pub struct Log {
    pub at: SlotAt,
    pub range: Range,
    nodes: BTreeMap<NodeAt, Node>,
}

/// Slots of a drive coded 1/4 have copies of one another.
pub fn shard(at: SlotAt, leaf: u64) -> Vec<u8> {
    let copies = crate::Drives::<Test>::get(at.drive).is_some_and(|drive| drive.coding == Coding::K1);
    let slot = if copies { 0 } else { at.slot };
    let seed = BlakeTwo256::hash_of(&(at.drive, slot, leaf)).0;
    seed.iter().copied().cycle().take(ShardSize::K4.bytes()).collect()
}

impl Log {
    pub fn new(at: SlotAt, units: u64) -> Self {
        let (mut range, mut nodes) = (Range::default(), BTreeMap::new());
        for leaf in 0..units {
            let node = Node::leaf(&shard_id(&shard(at, leaf)), ShardSize::K4);
            assert!(range.append(node, |at, node| {
                nodes.insert(at, node);
            }));
        }
        Log { at, range, nodes }
    }

    pub fn prove(&self, chunk: u64) -> ChunkProof {
        let leaf = chunk / CHUNKS_PER_UNIT;
        let bytes = shard(self.at, leaf);
        ChunkProof::new(&self.range, chunk, leaf, leaf, &bytes, |at| self.nodes.get(&at).copied()).unwrap()
    }
}

pub fn root(at: SlotAt, units: u64) -> [u8; 32] {
    Log::new(at, units).range.root()
}

pub fn proof(at: SlotAt, units: u64, chunk: u64) -> ChunkProof {
    Log::new(at, units).prove(chunk)
}

pub fn genesis() -> [u8; 32] {
    Storage::genesis()
}

/// Until which block vaults sign here: a test that is about it signs otherwise.
pub const UNTIL_BLOCK: u32 = u32::MAX;

/// What a vault signs for a log of so many units, for the drive's next version.
pub fn receipt(at: SlotAt, units: u64) -> Receipt {
    Receipt { at, version: drive(at.drive).version + 1, root: root(at, units), units, until_block: UNTIL_BLOCK }
}

pub fn sign(vault: u32, receipt: Receipt, genesis: &[u8; 32]) -> [u8; 64] {
    pair(vault).sign(&receipt.to_sign(genesis)).0
}

pub fn roots(id: DriveId, units: u64) -> Roots {
    let slots = drive(id).coding.slots();
    (0..slots).map(|slot| root(at(id, slot), units)).collect::<Vec<_>>().try_into().unwrap()
}

/// Signatures of all vaults that there are, but of these slots.
pub fn signatures(id: DriveId, units: u64, without: &[u8]) -> Signatures {
    let slots = drive(id).coding.slots();
    let of = |slot_number: u8| {
        let vault = slot(id, slot_number).vault.filter(|_| !without.contains(&slot_number))?;
        Some(sign(number(&vault), receipt(at(id, slot_number), units), &genesis()))
    };
    (0..slots).map(of).collect::<Vec<_>>().try_into().unwrap()
}

pub fn checkpoint_without(who: u32, id: DriveId, units: u64, without: &[u8]) -> DispatchResult {
    let (roots, signatures) = (roots(id, units), signatures(id, units, without));
    let head = b"head".to_vec().try_into().unwrap();
    Storage::checkpoint(signed(who), id, drive(id).version, units, UNTIL_BLOCK, roots, signatures, head)
}

pub fn commit(who: u32, id: DriveId, units: u64) {
    assert_ok!(checkpoint_without(who, id, units, &[]));
}

/// What a vault with all its bytes would show of its open challenge.
pub fn proofs_of(number: u32) -> Vec<ChunkProof> {
    let challenge = crate::Challenges::<Test>::get(account(number)).unwrap();
    challenge.targets.iter().map(|target| proof(target.at, target.units, target.chunk)).collect()
}

pub fn prove_with(number: u32, proofs: Vec<ChunkProof>) -> frame_support::dispatch::DispatchResultWithPostInfo {
    let challenge = crate::Challenges::<Test>::get(account(number)).map_or([0; 32], |challenge| challenge.id());
    Storage::prove(signed(number), challenge, proofs.try_into().unwrap())
}

pub fn prove(number: u32) {
    assert_ok!(prove_with(number, proofs_of(number)));
}

/// What a vault that rebuilt a slot shows.
pub fn restore_proof(number: u32, at: SlotAt) -> Option<ChunkProof> {
    let drive = drive(at.drive);
    let slot = crate::Slots::<Test>::get(at).unwrap();
    let who: [u8; 32] = account(number).into();
    let chunk = restore_chunk(&genesis(), at, &who, &slot.root, drive.trimmed_units, drive.units)?;
    Some(proof(at, drive.units, chunk))
}

pub fn restore(number: u32, at: SlotAt) -> frame_support::dispatch::DispatchResultWithPostInfo {
    Storage::restore(signed(number), at.drive, at.slot, restore_proof(number, at).map(Box::new))
}

pub fn grant(owner: u32, id: DriveId, to: u32, role: Role) {
    let sealed = vec![1; 100].try_into().unwrap();
    assert_ok!(Storage::grant(signed(owner), id, account(to), role, None, sealed));
}

pub fn now() -> u32 {
    System::block_number() as u32
}

/// Begins the next block.
pub fn next_block() {
    System::set_block_number(System::block_number() + 1);
    System::reset_events();
    Storage::on_initialize(System::block_number());
}

pub fn run_to(block: u32) {
    while now() < block {
        next_block();
    }
}

pub fn run_by(blocks: u32) {
    run_to(now() + blocks);
}

/// Runs so many blocks, in which all vaults answer their challenges but these.
pub fn run_proving(blocks: u32, but: &[u32]) {
    for _ in 0..blocks {
        next_block();
        let all: Vec<u32> = crate::Challenges::<Test>::iter_keys().map(|who| number(&who)).collect();
        all.into_iter().filter(|who| !but.contains(who)).for_each(prove);
    }
}

/// Runs to the block in which a vault has its next turn.
pub fn run_to_turn(number: u32) {
    run_to(Storage::next_turn(vault(number).place_block));
}

/// Runs to a vault's next turn, all others proving.
pub fn run_proving_to_turn(number: u32) {
    let blocks = Storage::next_turn(vault(number).place_block) - now();
    run_proving(blocks, &[number]);
}

pub fn events() -> Vec<crate::Event<Test>> {
    let of_storage = |record: frame_system::EventRecord<RuntimeEvent, HashOf>| match record.event {
        RuntimeEvent::Storage(event) => Some(event),
        _ => None,
    };
    System::events().into_iter().filter_map(of_storage).collect()
}

#[derive(Default)]
pub struct ExtBuilder;

impl ExtBuilder {
    pub fn build(self) -> sp_io::TestExternalities {
        let all = (1..10).chain(VAULTS..VAULTS + 200);
        let balances = all.map(|number| (account(number), ENDOWMENT)).collect();
        let genesis = RuntimeGenesisConfig {
            balances: pallet_balances::GenesisConfig { balances, ..Default::default() },
            ..Default::default()
        };
        let mut ext: sp_io::TestExternalities = genesis.build_storage().expect("genesis is valid").into();
        ext.execute_with(|| System::set_block_number(1));
        ext
    }

    /// With a store of keys, in which benchmarks make vaults' keys.
    #[cfg(feature = "runtime-benchmarks")]
    pub fn build_with_keys(self) -> sp_io::TestExternalities {
        let mut ext = self.build();
        ext.register_extension(sp_keystore::KeystoreExt::new(sp_keystore::testing::MemoryKeystore::new()));
        ext
    }

    /// Runs a test, and the invariants after it: money is what there was, and the pot has just what it owes.
    pub fn build_and_execute(self, test: impl FnOnce()) {
        self.build().execute_with(|| {
            let issuance = Balances::total_issuance();
            test();
            check();
            assert_eq!(Balances::total_issuance(), issuance);
        });
    }
}

/// All invariants, and that the pot has not a planck more than it owes.
pub fn check() {
    Vaults::do_try_state().expect("the vaults' invariants hold");
    Storage::do_try_state().expect("the invariants hold");
    <Balances as Hooks<u64>>::try_state(System::block_number()).expect("balances' invariants hold");
    assert_eq!(Balances::free_balance(Storage::pot()), Storage::owed_by_pot() + ED);
}
