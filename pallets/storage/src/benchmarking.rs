// SPDX-License-Identifier: Apache-2.0

//! Each call, and each thing that a block may begin with, in its worst case: the widest groups, vaults with more than one
//! slot in a class of liabilities (so that others have to move), and dear vaults in the way of the draw.

use super::*;
use alloc::{boxed::Box, vec, vec::Vec};
use cairn_primitives::storage::{
    restore_chunk, shard_id, ChunkProof, Coding, DriveId, Node, NodeAt, Range, Receipt, Role, SealedKey, ShardSize,
    SlotAt, SlotState, Successor, Target, Visibility, CHUNKS_PER_UNIT, SEALED_BYTES_MAX, SLOTS_MAX,
};
use codec::Encode;
use frame_benchmarking::v2::*;
use frame_support::{traits::Get, BoundedVec};
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};
use pallet_vaults::benchmarking::{registered, rich, ASK};

/// Units of a drive's capacity here.
const CAPACITY: u64 = 1 << 16;
/// Vaults in the way of a draw.
const IN_THE_WAY: u32 = 220;
/// A log of so many shards of 64 units, one with bytes, the others only with ids.
const LEAVES: u64 = 512;
const UNITS: u64 = LEAVES * 64;

/// The narrowest coding with at least so many slots.
fn coding(slots: u32) -> Coding {
    let all = [Coding::K1, Coding::K2, Coding::K4, Coding::K8];
    all.into_iter().find(|coding| u32::from(coding.slots()) >= slots).unwrap_or(Coding::K8)
}

fn id_of_keys() -> [u8; 4] {
    *b"bnch"
}

/// As many vaults as a drive of this coding needs, with keys that can sign.
fn vaults<T: Config>(coding: Coding) -> Vec<T::AccountId> {
    (0..u32::from(coding.slots()))
        .map(|index| registered::<T>(index, ASK, sp_io::crypto::ed25519_generate(id_of_keys().into(), None).0))
        .collect()
}

/// Vaults that ask a little too much, in the same class.
fn dear<T: Config>(count: u32) {
    for index in 0..count {
        let mut key = [0xde; 32];
        key[..4].copy_from_slice(&index.to_le_bytes());
        registered::<T>(10_000 + index, ASK + 1, key);
    }
}

fn owner<T: Config>() -> T::AccountId {
    rich::<T>("owner", 0)
}

fn escrow<T: Config>(coding: Coding) -> pallet_vaults::Balance {
    Pallet::<T>::escrow_min(coding.slots(), CAPACITY, ASK).saturating_mul(8).saturating_add(1 << 60)
}

fn created<T: Config>(owner: &T::AccountId, coding: Coding) -> DriveId {
    let id = NextDrive::<T>::get();
    let escrow = escrow::<T>(coding);
    Pallet::<T>::do_create_drive(owner.clone(), coding, CAPACITY, ASK, escrow, Visibility::Private)
        .expect("there are just enough vaults");
    Pallet::<T>::do_groups();
    id
}

/// The shard that has bytes: the first, of the longest size.
fn bytes() -> Vec<u8> {
    vec![7; ShardSize::K256.bytes()]
}

struct Log {
    range: Range,
    nodes: Vec<(NodeAt, Node)>,
}

impl Log {
    fn new(leaves: u64) -> Self {
        let (mut range, mut nodes) = (Range::default(), Vec::new());
        let first = shard_id(&bytes());
        for leaf in 0..leaves {
            let id = if leaf == 0 { first } else { [leaf as u8; 32] };
            range.append(Node::leaf(&id, ShardSize::K256), |at, node| nodes.push((at, node)));
        }
        Log { range, nodes }
    }

    fn prove(&self, chunk: u64) -> ChunkProof {
        let node = |at: NodeAt| self.nodes.iter().find(|(place, _)| *place == at).map(|(_, node)| *node);
        ChunkProof::new(&self.range, chunk, 0, 0, &bytes(), node).expect("the chunk is in the first shard")
    }
}

fn signatures<T: Config>(id: DriveId, root: [u8; 32], units: u64) -> Signatures {
    let drive = Drives::<T>::get(id).expect("it was made");
    let genesis = Pallet::<T>::genesis();
    let of = |slot: u8| {
        let at = SlotAt { drive: id, slot };
        let vault = Slots::<T>::get(at)?.vault?;
        let key = pallet_vaults::Vaults::<T>::get(vault)?.service_key;
        let message = Receipt { at, version: drive.version + 1, root, units, until_block: u32::MAX }.to_sign(&genesis);
        sp_io::crypto::ed25519_sign(id_of_keys().into(), &key.into(), &message).map(|signature| signature.0)
    };
    BoundedVec::truncate_from((0..drive.coding.slots()).map(of).collect())
}

fn roots(coding: Coding, root: [u8; 32]) -> Roots {
    BoundedVec::truncate_from(vec![root; usize::from(coding.slots())])
}

/// Commits logs of so many shards, the same in all slots.
fn committed<T: Config>(owner: &T::AccountId, id: DriveId, leaves: u64) {
    let drive = Drives::<T>::get(id).expect("it was made");
    let range = Log::new(leaves).range;
    let (root, units) = (range.root(), range.units());
    let (roots, signed) = (roots(drive.coding, root), signatures::<T>(id, root, units));
    Pallet::<T>::do_checkpoint(owner.clone(), id, drive.version, units, u32::MAX, roots, signed, Default::default())
        .expect("all have signed");
}

/// A drive in each of whose vaults' lists another one comes after it.
fn two<T: Config>(owner: &T::AccountId, coding: Coding) -> DriveId {
    vaults::<T>(coding);
    let (id, other) = (created::<T>(owner, coding), created::<T>(owner, coding));
    committed::<T>(owner, id, LEAVES);
    committed::<T>(owner, other, LEAVES);
    id
}

fn slot_at<T: Config>(id: DriveId, slot: u8) -> (SlotAt, Slot<T::AccountId>) {
    let at = SlotAt { drive: id, slot };
    (at, Slots::<T>::get(at).expect("the drive has it"))
}

fn holder<T: Config>(id: DriveId, slot: u8) -> T::AccountId {
    slot_at::<T>(id, slot).1.vault.expect("nobody lost it")
}

fn advance<T: Config>(blocks: u32) {
    let now = frame_system::Pallet::<T>::block_number();
    frame_system::Pallet::<T>::set_block_number(now + BlockNumberFor::<T>::from(blocks));
}

/// An open challenge about the first chunk of one slot of each of these drives.
fn challenged<T: Config>(who: &T::AccountId, ids: &[DriveId]) {
    let now = Pallet::<T>::now();
    let target = |id: &DriveId| {
        let (root, units) = (Log::new(LEAVES).range.root(), UNITS);
        let slots = Drives::<T>::get(id).map_or(0, |drive| drive.coding.slots());
        let slot = (0..slots).find(|slot| holder::<T>(*id, *slot) == *who).expect("it is in the group");
        Target { at: SlotAt { drive: *id, slot }, root, units, chunk: 0 }
    };
    let targets = BoundedVec::truncate_from(ids.iter().map(target).collect());
    let due_block = now + Pallet::<T>::deadline();
    Challenges::<T>::insert(who, Challenge { turn_block: now, due_block, at_stake: 0, targets });
}

/// Disputes about each slot, and a challenge of each vault.
fn troubled<T: Config>(owner: &T::AccountId, id: DriveId) {
    let slots = Drives::<T>::get(id).expect("it was made").coding.slots();
    for slot in 0..slots {
        Pallet::<T>::do_dispute(owner.clone(), SlotAt { drive: id, slot }, 0).expect("the owner is rich");
        challenged::<T>(&holder::<T>(id, slot), &[id]);
    }
}

fn sealed() -> SealedKey {
    BoundedVec::truncate_from(vec![7; SEALED_BYTES_MAX as usize])
}

fn granted<T: Config>(owner: &T::AccountId, id: DriveId, count: u32) -> Vec<T::AccountId> {
    let accounts: Vec<T::AccountId> = (0..count).map(|index| account("reader", index, 0)).collect();
    for who in &accounts {
        Pallet::<T>::do_grant(owner.clone(), id, who.clone(), Role::Writer, None, sealed()).expect("the owner is rich");
    }
    accounts
}

/// Makes a vault, that has nothing to do with the drive yet, a slot's successor.
fn succeeded<T: Config>(at: SlotAt, index: u32) -> T::AccountId {
    let vault = registered::<T>(index, ASK, sp_io::crypto::ed25519_generate(id_of_keys().into(), None).0);
    pallet_vaults::Pallet::<T>::reserve(&vault, CAPACITY).expect("it has room");
    HeldSlots::<T>::insert(&vault, slot_key(at), true);
    Slots::<T>::mutate(at, |slot| {
        if let Some(slot) = slot {
            let due_block = Pallet::<T>::now() + T::RestoreBlocks::get();
            slot.successor = Some(Successor { vault: vault.clone(), due_block });
        }
    });
    vault
}

/// What a vault shows that has rebuilt a slot.
fn restore_proof<T: Config>(who: &T::AccountId, at: SlotAt) -> (ChunkProof, [u8; 32]) {
    // All shards have the same bytes here, so that any chunk can be shown.
    let (mut range, mut nodes) = (Range::default(), Vec::new());
    let id = shard_id(&bytes());
    for _ in 0..LEAVES {
        range.append(Node::leaf(&id, ShardSize::K256), |at, node| nodes.push((at, node)));
    }
    let root = range.root();
    let account = Pallet::<T>::first_32(&who.encode());
    let chunk = restore_chunk(&Pallet::<T>::genesis(), at, &account, &root, 0, UNITS).expect("there are units");
    let leaf = chunk / CHUNKS_PER_UNIT / 64;
    let node = |at: NodeAt| nodes.iter().find(|(place, _)| *place == at).map(|(_, node)| *node);
    let proof = ChunkProof::new(&range, chunk, leaf, leaf * 64, &bytes(), node).expect("all shards are known");
    (proof, root)
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn create_drive(s: Linear<4, SLOTS_MAX>) {
        let (who, coding) = (owner::<T>(), coding(s));
        vaults::<T>(coding);
        dear::<T>(IN_THE_WAY);
        let escrow = escrow::<T>(coding);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), coding, CAPACITY, ASK, escrow, Visibility::Public([1; 32]));
        assert_eq!(Drives::<T>::get(0).map(|drive| drive.forming), Some(true));
    }

    #[benchmark]
    fn draw_group(s: Linear<4, SLOTS_MAX>) {
        let (who, coding) = (owner::<T>(), coding(s));
        vaults::<T>(coding);
        dear::<T>(IN_THE_WAY);
        let escrow = escrow::<T>(coding);
        Pallet::<T>::do_create_drive(who, coding, CAPACITY, ASK, escrow, Visibility::Private)
            .expect("there are enough");
        #[block]
        {
            Pallet::<T>::do_groups();
        }
        assert_eq!(Drives::<T>::get(0).map(|drive| drive.healthy), Some(coding.slots()));
    }

    #[benchmark]
    fn redraw(s: Linear<1, SLOTS_MAX>) {
        let who = owner::<T>();
        vaults::<T>(Coding::K8);
        let id = created::<T>(&who, Coding::K8);
        for slot in 0..s {
            succeeded::<T>(SlotAt { drive: id, slot: slot as u8 }, 1_000 + slot);
        }
        #[extrinsic_call]
        _(RawOrigin::Signed(who), id, BoundedVec::truncate_from((0..s as u8).collect()));
        assert_eq!(Drives::<T>::get(id).map(|drive| u32::from(drive.healthy)), Some(SLOTS_MAX - s));
    }

    #[benchmark]
    fn top_up() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K1);
        let before = Drives::<T>::get(id).expect("it was made").escrow;
        advance::<T>(1);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), id, 1 << 62);
        assert!(Drives::<T>::get(id).expect("it was made").escrow > before);
    }

    #[benchmark]
    fn resize(s: Linear<4, SLOTS_MAX>) {
        let who = owner::<T>();
        let id = two::<T>(&who, coding(s));
        for slot in 0..coding(s).slots() {
            succeeded::<T>(SlotAt { drive: id, slot }, 1_000 + u32::from(slot));
        }
        #[extrinsic_call]
        _(RawOrigin::Signed(who), id, CAPACITY / 2);
        assert_eq!(Drives::<T>::get(id).map(|drive| drive.capacity_units), Some(CAPACITY / 2));
    }

    #[benchmark]
    fn checkpoint(s: Linear<4, SLOTS_MAX>) {
        let (who, coding) = (owner::<T>(), coding(s));
        let id = two::<T>(&who, coding);
        let range = Log::new(2 * LEAVES).range;
        let (root, units) = (range.root(), range.units());
        let signed = signatures::<T>(id, root, units);
        let head = BoundedVec::truncate_from(vec![7; 128]);
        for slot in 0..coding.slots() {
            succeeded::<T>(SlotAt { drive: id, slot }, 1_000 + u32::from(slot));
        }
        advance::<T>(1);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), id, 1, units, u32::MAX, roots(coding, root), signed, head);
        assert_eq!(Drives::<T>::get(id).map(|drive| (drive.version, drive.units)), Some((2, units)));
    }

    #[benchmark]
    fn trim(s: Linear<4, SLOTS_MAX>) {
        let who = owner::<T>();
        let id = two::<T>(&who, coding(s));
        troubled::<T>(&who, id);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), id, 1, UNITS - 1);
        assert_eq!(Drives::<T>::get(id).map(|drive| drive.live_units()), Some(1));
        assert!(!slot_at::<T>(id, 0).1.disputed);
    }

    #[benchmark]
    fn set_visibility() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K1);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), id, Visibility::Public([3; 32]));
        assert_eq!(Drives::<T>::get(id).map(|drive| drive.visibility), Some(Visibility::Public([3; 32])));
    }

    #[benchmark]
    fn grant() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K1);
        let reader: T::AccountId = account("reader", 0, 0);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), id, reader.clone(), Role::Writer, Some(u32::MAX), sealed());
        assert!(Grants::<T>::contains_key(id, reader));
    }

    #[benchmark]
    fn revoke() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K1);
        let all = granted::<T>(&who, id, GRANTS_MAX);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), id, all[0].clone());
        assert!(!Grants::<T>::contains_key(id, &all[0]));
    }

    #[benchmark]
    fn rekey(g: Linear<0, GRANTS_MAX>) {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K1);
        let all = granted::<T>(&who, id, GRANTS_MAX);
        let keys: Vec<_> = all.into_iter().take(g as usize).map(|account| (account, sealed())).collect();
        Drives::<T>::mutate(id, |drive| {
            if let Some(drive) = drive {
                drive.key_generation = 9;
            }
        });
        #[extrinsic_call]
        _(RawOrigin::Signed(who), id, BoundedVec::truncate_from(keys));
        let renewed = Grants::<T>::iter_prefix(id).filter(|(_, found)| found.info.key_generation == 9).count();
        assert_eq!(renewed, g as usize);
    }

    #[benchmark]
    fn transfer_drive() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K1);
        granted::<T>(&who, id, 1);
        let to = rich::<T>("other", 0);
        #[extrinsic_call]
        _(RawOrigin::Signed(who), id, to.clone());
        assert_eq!(Drives::<T>::get(id).map(|drive| drive.owner), Some(to));
    }

    #[benchmark]
    fn end_drive(s: Linear<4, SLOTS_MAX>, g: Linear<0, GRANTS_MAX>) {
        let who = owner::<T>();
        let id = two::<T>(&who, coding(s));
        granted::<T>(&who, id, g);
        troubled::<T>(&who, id);
        for slot in 0..coding(s).slots() {
            succeeded::<T>(SlotAt { drive: id, slot }, 1_000 + u32::from(slot));
        }
        advance::<T>(1);
        #[block]
        {
            Pallet::<T>::do_close(who, id).expect("the owner closes it");
        }
        assert!(!Drives::<T>::contains_key(id));
    }

    #[benchmark]
    fn publish_key() {
        let who = owner::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), [1; 32]);
        assert_eq!(SealingKeys::<T>::get(who).map(|published| published.key), Some([1; 32]));
    }

    #[benchmark]
    fn withdraw_key() {
        let who = owner::<T>();
        Pallet::<T>::do_publish_key(who.clone(), [1; 32]).expect("the owner is rich");
        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()));
        assert!(!SealingKeys::<T>::contains_key(who));
    }

    #[benchmark]
    fn prove(p: Linear<0, PROOFS_MAX>) {
        let who = owner::<T>();
        let mut ids = vec![two::<T>(&who, Coding::K1)];
        while (ids.len() as u32) < p {
            let id = created::<T>(&who, Coding::K1);
            committed::<T>(&who, id, LEAVES);
            ids.push(id);
        }
        ids.truncate(p as usize);
        let vault = holder::<T>(0, 0);
        challenged::<T>(&vault, &ids);
        for id in &ids {
            let slot = (0..4).find(|slot| holder::<T>(*id, *slot) == vault).expect("it is in the group");
            Pallet::<T>::do_dispute(who.clone(), SlotAt { drive: *id, slot }, 0).expect("the owner is rich");
        }
        let wrong = Log::new(LEAVES).prove(1);
        let challenge = Challenges::<T>::get(&vault).expect("it was made").id();
        advance::<T>(1);
        #[extrinsic_call]
        _(RawOrigin::Signed(vault.clone()), challenge, BoundedVec::truncate_from(vec![wrong; p as usize]));
        let lost = ids.iter().filter(|id| (0..4).any(|slot| slot_at::<T>(**id, slot).1.vault.is_none())).count();
        assert_eq!(lost, p as usize);
    }

    #[benchmark]
    fn restore() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K8);
        let at = SlotAt { drive: id, slot: 0 };
        troubled::<T>(&who, id);
        let former = holder::<T>(id, 0);
        let vault = succeeded::<T>(at, 1_000);
        let (proof, root) = restore_proof::<T>(&vault, at);
        Slots::<T>::mutate(at, |slot| {
            if let Some(slot) = slot {
                slot.root = root;
                slot.leaving = true;
            }
        });
        advance::<T>(1);
        #[extrinsic_call]
        _(RawOrigin::Signed(vault.clone()), id, 0, Some(Box::new(proof)));
        assert_eq!(slot_at::<T>(id, 0).1.vault, Some(vault));
        assert!(!HeldSlots::<T>::contains_key(former, slot_key(at)));
    }

    #[benchmark]
    fn leave_slots(s: Linear<0, LEAVES_MAX>) {
        let who = owner::<T>();
        vaults::<T>(Coding::K1);
        let ids: Vec<_> = (0..s).map(|_| created::<T>(&who, Coding::K1)).collect();
        let vault = pallet_vaults::Vaults::<T>::iter_keys().next().expect("there are four");
        let slot_of = |id: &DriveId| (0..4).find(|slot| holder::<T>(*id, *slot) == vault).expect("it is in all");
        let all: Vec<SlotAt> = ids.iter().map(|id| SlotAt { drive: *id, slot: slot_of(id) }).collect();
        #[extrinsic_call]
        _(RawOrigin::Signed(vault), BoundedVec::truncate_from(all.clone()));
        assert!(all.iter().all(|at| Slots::<T>::get(at).is_some_and(|slot| slot.leaving && slot.queued)));
    }

    #[benchmark]
    fn decline_slots(s: Linear<1, LEAVES_MAX>) {
        let who = owner::<T>();
        vaults::<T>(Coding::K1);
        let ids: Vec<_> = (0..s).map(|_| created::<T>(&who, Coding::K1)).collect();
        let vault = pallet_vaults::Vaults::<T>::iter_keys().next().expect("there are four");
        let slot_of = |id: &DriveId| (0..4).find(|slot| holder::<T>(*id, *slot) == vault).expect("it is in all");
        let all: Vec<SlotAt> = ids.iter().map(|id| SlotAt { drive: *id, slot: slot_of(id) }).collect();
        #[extrinsic_call]
        _(RawOrigin::Signed(vault), BoundedVec::truncate_from(all.clone()));
        assert!(all.iter().all(|at| Slots::<T>::get(at).is_some_and(|slot| slot.vault.is_none() && slot.queued)));
    }

    #[benchmark]
    fn report_unserved(s: Linear<1, LEAVES_MAX>) {
        let who = owner::<T>();
        vaults::<T>(Coding::K1);
        let ids: Vec<_> = (0..s).map(|_| created::<T>(&who, Coding::K1)).collect();
        ids.iter().for_each(|id| committed::<T>(&who, *id, LEAVES));
        let vault = pallet_vaults::Vaults::<T>::iter_keys().next().expect("there are four");
        let slot_of = |id: &DriveId| (0..4u8).find(|slot| holder::<T>(*id, *slot) == vault).expect("it is in all");
        let reports: Vec<Report> = ids
            .iter()
            .map(|id| {
                let by = slot_of(id);
                let at = SlotAt { drive: *id, slot: (by + 1) % 4 };
                // All others have said so.
                let others = 0b1111 & !(1 << by | 1 << at.slot);
                Slots::<T>::mutate(at, |slot| {
                    if let Some(slot) = slot {
                        slot.unserved = Unserved { by: others, since: Pallet::<T>::now() };
                    }
                });
                Report { at, by }
            })
            .collect();
        advance::<T>(1);
        #[extrinsic_call]
        _(RawOrigin::Signed(vault), BoundedVec::truncate_from(reports.clone()));
        let is_behind =
            |report: &Report| Slots::<T>::get(report.at).is_some_and(|slot| slot.state == SlotState::Behind);
        assert!(reports.iter().all(is_behind));
    }

    #[benchmark]
    fn dispute() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K8);
        // The accuser is found last; all blocks but the last that is tried have their fill.
        let accuser = holder::<T>(id, 31);
        let first = Pallet::<T>::now() + T::DisputeBlocks::get();
        let full = vec![SlotAt { drive: id, slot: 5 }; DISPUTES_PER_BLOCK_MAX as usize];
        for step in 0..DISPUTE_BLOCKS_TRIED_MAX - 1 {
            DisputesDue::<T>::insert(first + step, BoundedVec::truncate_from(full.clone()));
        }
        #[extrinsic_call]
        _(RawOrigin::Signed(accuser), id, 0, 0);
        assert!(Disputes::<T>::contains_key(SlotAt { drive: id, slot: 0 }));
    }

    #[benchmark]
    fn answer_dispute() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K8);
        let (accused, accuser) = (holder::<T>(id, 0), holder::<T>(id, 31));
        let at = SlotAt { drive: id, slot: 0 };
        Pallet::<T>::do_dispute(accuser, at, 0).expect("vaults are rich");
        let proof = Log::new(LEAVES).prove(0);
        #[extrinsic_call]
        _(RawOrigin::Signed(accused), id, 0, Box::new(proof));
        assert!(!Disputes::<T>::contains_key(at));
    }

    #[benchmark]
    fn block_base() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K1);
        // No vault has its turn or its deadline.
        let taken: Vec<u32> = pallet_vaults::Places::<T>::iter_keys().collect();
        taken.into_iter().for_each(pallet_vaults::Places::<T>::remove);
        advance::<T>(1);
        #[block]
        {
            Pallet::<T>::do_block();
        }
        assert!(Drives::<T>::contains_key(id));
    }

    #[benchmark]
    fn warn_drive() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K1);
        let mut drive = Drives::<T>::get(id).expect("it was made");
        let queued = drive.queued_block.take().expect("it pays");
        Pallet::<T>::leave_endings(id, queued);
        advance::<T>(1);
        let now = Pallet::<T>::now();
        Pallet::<T>::settle_drive(&mut drive);
        // Half a period is left, it found no room before, and again all blocks that are tried have their fill.
        let left = (T::PeriodBlocks::get() / 2).max(4);
        drive.escrow = drive.rate * pallet_vaults::Balance::from(left);
        drive.queued_block = Some(QUEUED_LATE);
        Drives::<T>::insert(id, drive);
        LateDrives::<T>::insert(0, id);
        LateSpan::<T>::put(Span { first: 0, end: 1 });
        let full = vec![u64::MAX; ENDINGS_PER_BLOCK_MAX as usize];
        for block in now + 1..=now + left {
            Endings::<T>::insert(block, BoundedVec::truncate_from(full.clone()));
        }
        #[block]
        {
            Pallet::<T>::do_endings(now);
        }
        assert!(Drives::<T>::get(id).is_some_and(|drive| drive.warned && drive.queued_block == Some(QUEUED_LATE)));
        assert_eq!(LateSpan::<T>::get().first, 1);
    }

    #[benchmark]
    fn lose_dispute() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K8);
        let (at, accused) = (SlotAt { drive: id, slot: 0 }, holder::<T>(id, 0));
        Pallet::<T>::do_dispute(holder::<T>(id, 31), at, 0).expect("vaults are rich");
        challenged::<T>(&accused, &[id]);
        let due_block = Disputes::<T>::get(at).expect("it was made").due_block;
        advance::<T>(due_block + 1 - Pallet::<T>::now());
        #[block]
        {
            Pallet::<T>::do_disputes_due(due_block + 1);
        }
        assert_eq!(slot_at::<T>(id, 0).1.state, SlotState::Empty);
    }

    #[benchmark]
    fn miss() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K1);
        let vault = holder::<T>(id, 0);
        for _ in 0..3 {
            pallet_vaults::Pallet::<T>::record_turn(&vault, true);
        }
        let open = Miss { turn_block: 0, turn: 1, ejecting: true, ejected: false };
        Books::<T>::mutate(&vault, |book| book.miss = Some(open));
        (0..2).for_each(|row| Tallies::<T>::insert(row, Windows([Tally { challenged: 100, missed: 1 }; WINDOWS_MAX])));
        advance::<T>(1);
        challenged::<T>(&vault, &[id]);
        let turn_block = Pallet::<T>::now();
        advance::<T>(Pallet::<T>::deadline() + 1);
        #[block]
        {
            Pallet::<T>::do_deadline(&vault, turn_block);
        }
        let book = Books::<T>::get(&vault);
        assert_eq!(book.miss.map(|noted| noted.turn_block), Some(turn_block));
        assert!(book.evicting);
    }

    #[benchmark]
    fn turn(p: Linear<0, PROOFS_MAX>) {
        let who = owner::<T>();
        two::<T>(&who, Coding::K1);
        for _ in 0..14 {
            let id = created::<T>(&who, Coding::K1);
            committed::<T>(&who, id, LEAVES);
        }
        let vault = holder::<T>(0, 0);
        advance::<T>(1);
        let now = Pallet::<T>::now();
        #[block]
        {
            Pallet::<T>::do_turn(&vault, now, p);
        }
        assert_eq!(Challenges::<T>::get(vault).map(|challenge| challenge.targets.len()), Some(p as usize));
    }

    #[benchmark]
    fn evict() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K1);
        troubled::<T>(&who, id);
        let vault = holder::<T>(id, 0);
        // Only this one is left to be emptied.
        let other = id + 1;
        let slot = (0..4).find(|slot| holder::<T>(other, *slot) == vault).expect("it is in both");
        Pallet::<T>::punish(SlotAt { drive: other, slot }, &vault, SlotCause::ProofWrong);
        Pallet::<T>::eject_if(true, &vault);
        advance::<T>(1);
        #[block]
        {
            Pallet::<T>::do_evictions();
        }
        assert_eq!(slot_at::<T>(id, 0).1.vault, None);
    }

    #[benchmark]
    fn look() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K1);
        let vault = holder::<T>(id, 0);
        Pallet::<T>::punish(SlotAt { drive: id, slot: 0 }, &vault, SlotCause::ProofWrong);
        let late = succeeded::<T>(SlotAt { drive: id, slot: 0 }, 1_000);
        advance::<T>(T::RestoreBlocks::get() + 1);
        let at = Pallet::<T>::next_repair(Queue::Vacant).expect("it is queued");
        #[block]
        {
            Pallet::<T>::look_at(at, false);
        }
        assert!(!HeldSlots::<T>::contains_key(late, slot_key(at)));
        assert!(slot_at::<T>(id, 0).1.queued);
    }

    #[benchmark]
    fn draw_successor() {
        let who = owner::<T>();
        let id = two::<T>(&who, Coding::K8);
        dear::<T>(IN_THE_WAY);
        registered::<T>(1_000, ASK, [9; 32]);
        let at = SlotAt { drive: id, slot: 0 };
        let (drive, mut slot) = (Drives::<T>::get(id).expect("it was made"), slot_at::<T>(id, 0).1);
        #[block]
        {
            Pallet::<T>::draw_successor(at, &drive, &mut slot);
        }
        assert!(slot.successor.is_some());
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::ExtBuilder.build_with_keys(), crate::mock::Test);
}
