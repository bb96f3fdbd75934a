// SPDX-License-Identifier: Apache-2.0

//! Vaults and drives on the whole runtime: what daemons and owners would do, by calls that pay their fees.
//!
//! Shards have one unit each, and their bytes follow from where they are: so every log, and every proof of it, can be made from
//! its slot and length.

use super::*;
use cairn_primitives::storage::{
    restore_chunk, shard_id, ChunkProof, Coding, DriveId, Node, NodeAt, Range, Receipt, ShardSize, SlotAt, SlotState,
    Visibility, CHUNKS_PER_UNIT, UNITS_PER_GIB,
};
use frame_support::{
    dispatch::{DispatchResultWithPostInfo, GetDispatchInfo, PostDispatchInfo},
    traits::tokens::{Fortitude, Precision, Preservation},
};
use pallet_storage::{Challenges, Drive, Drives, Slot, Slots};
use sp_core::{ed25519, Get, Pair};
use sp_runtime::traits::{BlakeTwo256, Dispatchable, Hash as _};
use std::collections::BTreeMap;

/// A vault's ask and a drive's price: plancks for a GiB and period.
pub const PRICE: Balance = CRN / 100;
/// What each vault has at stake.
pub const BOND: Balance = 10 * CRN;
/// Units that each vault offers.
const CAPACITY: u64 = 1_000;
/// What everybody has.
const ENDOWMENT: Balance = 10_000 * CRN;
/// Bytes of a transaction beside its call.
const AROUND_CALL_BYTES: u32 = 110;
/// Until which block vaults sign.
const UNTIL_BLOCK: u32 = u32::MAX;

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

fn pair(number: u32) -> ed25519::Pair {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    ed25519::Pair::from_seed(&seed)
}

/// Gives an account coins, and so many.
pub fn endow(who: u32) {
    assert_ok!(Balances::force_set_balance(RuntimeOrigin::root(), account(who).into(), ENDOWMENT));
}

/// All that an account has, held or free.
pub fn wealth(who: u32) -> Balance {
    use frame_support::traits::fungible::Inspect;
    <Balances as Inspect<AccountId>>::total_balance(&account(who))
}

/// A call, for which its fee is paid.
pub fn send(who: u32, call: impl Into<RuntimeCall>) -> DispatchResultWithPostInfo {
    use frame_support::traits::fungible::Balanced;
    let call = call.into();
    let (info, length) = (call.get_dispatch_info(), codec::Encode::encoded_size(&call) as u32 + AROUND_CALL_BYTES);
    let done = call.dispatch(RuntimeOrigin::signed(account(who)));
    let post: PostDispatchInfo = match &done {
        Ok(post) => *post,
        Err(error) => error.post_info,
    };
    let fee = TransactionPayment::compute_actual_fee(length, &info, &post, 0);
    let paid = <Balances as Balanced<AccountId>>::withdraw(
        &account(who),
        fee,
        Precision::Exact,
        Preservation::Preserve,
        Fortitude::Polite,
    );
    drop(paid.expect("everybody here can pay"));
    done
}

/// Registers a vault.
pub fn register(who: u32, ask: Balance) {
    endow(who);
    let addresses = vec![b"vault.example:4000".to_vec().try_into().unwrap()].try_into().unwrap();
    let call = pallet_vaults::Call::register {
        capacity_units: CAPACITY,
        ask,
        addresses,
        service_key: pair(who).public().0,
        bond: BOND,
    };
    assert_ok!(send(who, call));
}

pub fn vault(who: u32) -> pallet_vaults::Vault {
    pallet_vaults::Vaults::<Runtime>::get(account(who)).unwrap()
}

pub fn drive(id: DriveId) -> Drive<AccountId> {
    Drives::<Runtime>::get(id).unwrap_or_else(|| panic!("drive {id} has ended"))
}

pub fn slot(at: SlotAt) -> Slot<AccountId> {
    Slots::<Runtime>::get(at).unwrap()
}

pub fn holder(id: DriveId, slot_number: u8) -> Option<u32> {
    slot(SlotAt { drive: id, slot: slot_number }).vault.map(|vault| number(&vault))
}

pub fn period() -> u32 {
    pallet_network::StoragePeriodBlocks::<Runtime>::get()
}

/// Makes a drive that is paid for so many periods; its group is drawn in the next block.
pub fn create_at(owner: u32, coding: Coding, units: u64, periods: u32, price: Balance) -> DriveId {
    let id = pallet_storage::NextDrive::<Runtime>::get();
    let of_slot = units as Balance * price * Balance::from(period());
    // A planck more for each slot and block than the price comes to, and the reserve's fiftieth.
    let escrow = (of_slot / UNITS_PER_GIB as Balance / Balance::from(period()) + 1) * Balance::from(period());
    let escrow = escrow * Balance::from(coding.slots()) * Balance::from(periods) * 103 / 100;
    let call = pallet_storage::Call::create_drive {
        coding,
        capacity_units: units,
        price,
        escrow,
        visibility: Visibility::Private,
    };
    assert_ok!(send(owner, call));
    id
}

pub fn create(owner: u32, coding: Coding, units: u64, periods: u32) -> DriveId {
    create_at(owner, coding, units, periods, PRICE)
}

/// Slots of a drive coded 1/4 have copies of one another.
fn shard(at: SlotAt, leaf: u64) -> Vec<u8> {
    let copies = Drives::<Runtime>::get(at.drive).is_some_and(|drive| drive.coding == Coding::K1);
    let of_slot = if copies { 0 } else { at.slot };
    let seed = BlakeTwo256::hash_of(&(at.drive, of_slot, leaf)).0;
    seed.iter().copied().cycle().take(ShardSize::K4.bytes()).collect()
}

struct Log {
    at: SlotAt,
    range: Range,
    nodes: BTreeMap<NodeAt, Node>,
}

impl Log {
    fn new(at: SlotAt, units: u64) -> Self {
        let (mut range, mut nodes) = (Range::default(), BTreeMap::new());
        for leaf in 0..units {
            let node = Node::leaf(&shard_id(&shard(at, leaf)), ShardSize::K4);
            assert!(range.append(node, |at, node| {
                nodes.insert(at, node);
            }));
        }
        Log { at, range, nodes }
    }

    fn prove(&self, chunk: u64) -> ChunkProof {
        let leaf = chunk / CHUNKS_PER_UNIT;
        let bytes = shard(self.at, leaf);
        ChunkProof::new(&self.range, chunk, leaf, leaf, &bytes, |at| self.nodes.get(&at).copied()).unwrap()
    }
}

fn genesis() -> [u8; 32] {
    System::block_hash(0).0
}

/// Commits so many units, signed by all vaults but those of these slots; `false_roots`: what is said of these is no log.
pub fn checkpoint(
    owner: u32,
    id: DriveId,
    units: u64,
    unsigned: &[u8],
    false_roots: bool,
) -> DispatchResultWithPostInfo {
    let drive = drive(id);
    let (mut roots, mut signatures) = (Vec::new(), Vec::new());
    for slot_number in 0..drive.coding.slots() {
        let at = SlotAt { drive: id, slot: slot_number };
        let root = Log::new(at, units).range.root();
        let signs = !unsigned.contains(&slot_number);
        let receipt = Receipt { at, version: drive.version + 1, root, units, until_block: UNTIL_BLOCK };
        let by = holder(id, slot_number).filter(|_| signs);
        signatures.push(by.map(|vault| pair(vault).sign(&receipt.to_sign(&genesis())).0));
        roots.push(if false_roots && !signs { [0xee; 32] } else { root });
    }
    let call = pallet_storage::Call::checkpoint {
        drive: id,
        expected_version: drive.version,
        units,
        until_block: UNTIL_BLOCK,
        roots: roots.try_into().unwrap(),
        signatures: signatures.try_into().unwrap(),
        head: b"head".to_vec().try_into().unwrap(),
    };
    send(owner, call)
}

/// Answers a vault's open challenge: with what it has, or with what it hasn't.
fn prove(who: u32, right: bool) {
    let challenge = Challenges::<Runtime>::get(account(who)).unwrap();
    let proofs = challenge.targets.iter().map(|target| {
        let elsewhere = SlotAt { drive: target.at.drive + 1_000_000, ..target.at };
        Log::new(if right { target.at } else { elsewhere }, target.units).prove(target.chunk)
    });
    let proofs = proofs.collect::<Vec<_>>().try_into().unwrap();
    let done = send(who, pallet_storage::Call::prove { challenge: challenge.id(), proofs });
    assert!(done.is_ok(), "{done:?}");
}

fn restore(who: u32, at: SlotAt) -> DispatchResultWithPostInfo {
    let (drive, slot) = (drive(at.drive), slot(at));
    let key: [u8; 32] = account(who).into();
    let chunk = restore_chunk(&genesis(), at, &key, &slot.root, drive.trimmed_units, drive.units);
    let proof = chunk.map(|chunk| Box::new(Log::new(at, drive.units).prove(chunk)));
    send(who, pallet_storage::Call::restore { drive: at.drive, slot: at.slot, proof })
}

/// Shows the chain what a vault was accused of not showing.
pub fn answer(who: u32, at: SlotAt) -> DispatchResultWithPostInfo {
    let proof = Box::new(Log::new(at, drive(at.drive).units).prove(0));
    send(who, pallet_storage::Call::answer_dispute { drive: at.drive, slot: at.slot, proof })
}

/// How vaults behave.
#[derive(Clone, Copy)]
pub struct Play<'a> {
    /// These show something wrong at their turns.
    pub wrong: &'a [u32],
    /// These catch up with nothing and rebuild nothing.
    pub lazy: &'a [u32],
}

/// Everybody does all that it can.
pub const HONEST: Play<'static> = Play { wrong: &[], lazy: &[] };

/// Lets so many blocks pass, in which vaults prove, catch up and rebuild.
pub fn live(blocks: u32, play: Play<'_>) {
    live_and_see(blocks, play, || ());
}

/// The same; `see` is called at the end of each block.
pub fn live_and_see(blocks: u32, play: Play<'_>, mut see: impl FnMut()) {
    for _ in 0..blocks {
        chain::next_block();
        let challenged: Vec<u32> = Challenges::<Runtime>::iter_keys().map(|who| number(&who)).collect();
        challenged.into_iter().for_each(|who| prove(who, !play.wrong.contains(&who)));
        let duties: Vec<(SlotAt, u32)> = Slots::<Runtime>::iter()
            .flat_map(|(at, slot)| {
                let behind = slot.vault.filter(|_| slot.state == SlotState::Behind);
                let all = slot.successor.map(|successor| successor.vault).into_iter().chain(behind);
                all.map(move |vault| (at, number(&vault))).collect::<Vec<_>>()
            })
            .collect();
        for (at, who) in duties.into_iter().filter(|(_, who)| !play.lazy.contains(who)) {
            // What has a false root nobody can show: the proof is of the shards that there are. An honest vault doesn't send it.
            if slot(at).root != [0xee; 32] {
                let _ = restore(who, at);
            }
        }
        see();
    }
}

/// What storage told of in the block under way.
pub fn told() -> Vec<pallet_storage::Event<Runtime>> {
    let of_storage = |record: frame_system::EventRecord<RuntimeEvent, _>| match record.event {
        RuntimeEvent::Storage(event) => Some(event),
        _ => None,
    };
    System::events().into_iter().filter_map(of_storage).collect()
}
