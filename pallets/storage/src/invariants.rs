// SPDX-License-Identifier: Apache-2.0

//! What holds in every state between two calls.

use crate::{
    slot_key, slot_of, Book, Books, Challenges, Classes, Config, Disputes, DisputesDue, Drive, Drives, Endings,
    EvictionSpan, Evictions, FormingDrives, FormingSpan, GrantedTo, Grants, HeldSlots, HoldReason, LateDrives,
    LateSpan, LiableSlots, NextDrive, OwnerDriveCounts, OwnerDrives, Pallet, Queue, RepairQueue, RepairSpans, Reserve,
    ReserveDebt, SealingKeys, Slot, Slots, Tallies, UnreachedSlots, Windows, CLASSES, QUEUED_LATE,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use cairn_primitives::storage::{DriveId, SlotAt, SlotState};
use codec::Encode;
use frame_support::{
    ensure,
    sp_runtime::TryRuntimeError,
    traits::fungible::{hold::Inspect as _, Inspect as _},
};
use pallet_vaults::Balance;

type Check = Result<(), TryRuntimeError>;

impl<T: Config> Pallet<T> {
    /// Checks all invariants; each is described at its check.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn do_try_state() -> Check {
        Self::check_drives()?;
        Self::check_slots()?;
        Self::check_owners()?;
        Self::check_books()?;
        Self::check_reservations()?;
        Self::check_endings()?;
        Self::check_disputes()?;
        Self::check_queues()?;
        Self::check_pot()?;
        Self::check_holds()?;
        Self::check_tallies()
    }

    fn slots_of_drive(id: u64, drive: &Drive<T::AccountId>) -> Result<Vec<Slot<T::AccountId>>, TryRuntimeError> {
        let slots = (0..drive.coding.slots()).map(|slot| Slots::<T>::get(SlotAt { drive: id, slot }));
        slots.collect::<Option<_>>().ok_or_else(|| "a drive lacks a slot".into())
    }

    /// Invariant 1: a drive's units are within its capacity, it counts its healthy slots, pays for just these, and has
    /// not paid more than it had.
    fn check_drives() -> Check {
        let (mut slots, period, now) = (0usize, Self::period(), Self::now());
        for (id, drive) in Drives::<T>::iter() {
            ensure!(id < NextDrive::<T>::get(), "a drive's number is yet to come");
            ensure!(drive.trimmed_units <= drive.units, "a drive gave up more than it has");
            ensure!(drive.live_units() <= drive.capacity_units, "a drive has more than its capacity");
            let of_drive = Self::slots_of_drive(id, &drive)?;
            slots = slots.saturating_add(of_drive.len());
            let healthy = of_drive.iter().filter(|slot| slot.state == SlotState::Healthy).count();
            ensure!(healthy == usize::from(drive.healthy), "a drive's healthy slots are miscounted");
            let lacks = drive.healthy < drive.coding.slots() || drive.forming;
            let few = drive.healthy <= drive.coding.signatures_min();
            ensure!(
                drive.refilling <= lacks && few <= drive.refilling,
                "a drive is refilled for nothing, or not when it must be"
            );
            let rate = drive.slot_rate(period).saturating_mul(drive.healthy.into());
            ensure!(rate == drive.rate, "a drive pays something else than its slots cost");
            let owed = drive.rate.saturating_mul(now.saturating_sub(drive.since).into());
            let late = drive.queued_block == Some(QUEUED_LATE);
            ensure!(owed <= drive.escrow || late, "a drive owes more than it has");
        }
        ensure!(slots == Slots::<T>::iter_keys().count(), "a slot is of no drive");
        let held = |at: &SlotAt| Slots::<T>::get(at).is_some_and(|slot| slot.vault.is_some());
        ensure!(
            UnreachedSlots::<T>::iter_keys().all(|at| held(&at)),
            "a slot is remembered as not served that nobody has"
        );
        Ok(())
    }

    /// Invariant 2: a slot's state, vault, and what goes with them agree; its vault is liable for it if it is healthy with
    /// something in it, and is in its drive once.
    fn check_slots() -> Check {
        for (id, drive) in Drives::<T>::iter() {
            let mut members: Vec<T::AccountId> = Vec::new();
            for (number, slot) in (0u8..).zip(Self::slots_of_drive(id, &drive)?) {
                let at = SlotAt { drive: id, slot: number };
                ensure!(slot.vault.is_none() == (slot.state == SlotState::Empty), "an empty slot has a vault");
                ensure!(slot.behind_block.is_some() == (slot.state == SlotState::Behind), "a slot is behind or not");
                ensure!(!slot.leaving || slot.vault.is_some(), "nobody leaves a slot");
                let waits = slot.state != SlotState::Healthy || slot.leaving;
                ensure!(!waits || slot.queued || drive.forming, "a slot that needs a vault is in no queue");
                ensure!(slot.proven_block.is_none() || slot.vault.is_some(), "nobody has proven a slot");
                let proven = slot.state == SlotState::Healthy && slot.proven_block.is_some();
                ensure!(slot.accepted || !proven || drive.units == 0, "a slot was proven and never accepted");
                ensure!(slot.vault.is_none() || slot.bounty == 0, "a slot that has a vault has a bounty");
                let rests = slot.not_before > 0 || slot.failures > 0;
                ensure!(!rests || slot.state != SlotState::Healthy || slot.leaving, "a slot that is well rests");
                let outside = if drive.coding.slots() < 32 { !0u32 << drive.coding.slots() } else { 0 };
                ensure!(slot.unserved.by & (outside | 1 << number) == 0, "a slot is reported by who can't");
                let liable = slot.state == SlotState::Healthy && drive.live_units() > 0;
                ensure!(liable == slot.place.is_some(), "a slot's liability is not as its state");
                if let (Some(vault), Some(place)) = (&slot.vault, slot.place) {
                    let listed = LiableSlots::<T>::get(vault, (place.class, place.index));
                    ensure!(listed == Some(at), "a slot is not where it says");
                    let class = pallet_vaults::room_class(drive.live_units());
                    ensure!(class == Some(place.class), "a slot is in the wrong class");
                }
                ensure!(slot.disputed == Disputes::<T>::contains_key(at), "a slot's dispute is unknown to it");
                members.extend(slot.vault);
                members.extend(slot.successor.map(|successor| successor.vault));
            }
            let all = members.len();
            members.sort();
            members.dedup();
            ensure!(members.len() == all, "a vault is in a drive twice");
        }
        Ok(())
    }

    /// Invariant 3: each drive is listed with its owner, each grant with its account, and counted.
    fn check_owners() -> Check {
        let mut counts: BTreeMap<T::AccountId, u32> = BTreeMap::new();
        for (id, drive) in Drives::<T>::iter() {
            ensure!(OwnerDrives::<T>::contains_key(&drive.owner, id.to_be_bytes()), "a drive is not its owner's");
            let count = counts.entry(drive.owner).or_default();
            *count = count.saturating_add(1);
            let grants = Grants::<T>::iter_prefix(id).count();
            ensure!(grants == drive.grants as usize, "a drive's grants are miscounted");
            let held = Grants::<T>::iter_prefix(id).fold(0u128, |sum, (_, grant)| sum.saturating_add(grant.deposit));
            ensure!(held == drive.grant_deposits, "a drive's grants are held for wrongly");
        }
        ensure!(OwnerDrives::<T>::iter_keys().count() == Drives::<T>::iter_keys().count(), "an owner lists too many");
        ensure!(counts == OwnerDriveCounts::<T>::iter().collect(), "an owner's drives are miscounted");
        for (id, account, _) in Grants::<T>::iter() {
            ensure!(Drives::<T>::contains_key(id), "a grant is of no drive");
            ensure!(GrantedTo::<T>::contains_key(account, id.to_be_bytes()), "a grant is not listed");
        }
        ensure!(Grants::<T>::iter_keys().count() == GrantedTo::<T>::iter_keys().count(), "a list has grants too many");
        Ok(())
    }

    /// Invariant 4: a vault's book says what its slots sum up to, and its lists have just these.
    fn check_books() -> Check {
        let mut sums: BTreeMap<T::AccountId, Book> = BTreeMap::new();
        let mut listed = 0usize;
        for (at, slot) in Slots::<T>::iter() {
            let (Some(vault), Some(place)) = (slot.vault, slot.place) else { continue };
            let drive = Drives::<T>::get(at.drive).ok_or("a slot is of no drive")?;
            let duty = drive.duty(Self::period());
            let book = sums.entry(vault).or_default();
            book.rate = book.rate.saturating_add(duty.rate);
            book.liable_units = book.liable_units.saturating_add(duty.units);
            if let Some(count) = book.classes.0.get_mut(usize::from(place.class)) {
                *count = count.saturating_add(1);
            }
            listed = listed.saturating_add(1);
        }
        for (who, book) in Books::<T>::iter() {
            let sum = sums.remove(&who).unwrap_or_default();
            ensure!(sum.rate == book.rate, "a vault earns something else than its slots cost");
            ensure!(sum.liable_units == book.liable_units, "a vault's liable units are miscounted");
            ensure!(sum.classes == book.classes, "a vault's classes are miscounted");
            let free = book.rate == 0 && book.pending == 0 && book.liable_units == 0;
            ensure!(free || pallet_vaults::Vaults::<T>::contains_key(&who), "a book is nobody's");
        }
        ensure!(sums.is_empty(), "a vault that is liable has no book");
        ensure!(LiableSlots::<T>::iter_keys().count() == listed, "a list has what nobody is liable for");
        for (who, (class, index), _) in LiableSlots::<T>::iter() {
            let Classes(counts): Classes = Books::<T>::get(&who).classes;
            ensure!(usize::from(class) < CLASSES, "there is no such class");
            ensure!(counts.get(usize::from(class)).is_some_and(|count| index < *count), "a class has a gap");
        }
        Ok(())
    }

    /// Invariant 5: what vaults have reserved, and how many slots they have, is what drives have of them.
    fn check_reservations() -> Check {
        let mut sums: BTreeMap<T::AccountId, (u64, u32)> = BTreeMap::new();
        let mut held = 0usize;
        for (at, slot) in Slots::<T>::iter() {
            let capacity = Drives::<T>::get(at.drive).map_or(0, |drive| drive.capacity_units);
            let holder = slot.vault.map(|vault| (vault, false));
            let successor = slot.successor.map(|successor| (successor.vault, true));
            for (vault, succeeding) in holder.into_iter().chain(successor) {
                let entry = HeldSlots::<T>::get(&vault, slot_key(at));
                ensure!(entry == Some(succeeding), "a vault's slot is not listed");
                let sum = sums.entry(vault).or_default();
                *sum = (sum.0.saturating_add(capacity), sum.1.saturating_add(1));
                held = held.saturating_add(1);
            }
        }
        for (_, key, _) in HeldSlots::<T>::iter() {
            ensure!(Slots::<T>::contains_key(slot_of(key)), "a vault has a slot that there isn't");
        }
        ensure!(HeldSlots::<T>::iter_keys().count() == held, "a vault lists a slot that it doesn't have");
        for (who, vault) in pallet_vaults::Vaults::<T>::iter() {
            let (units, slots) = sums.remove(&who).unwrap_or_default();
            ensure!(vault.reserved_units == units, "a vault's reserved units are miscounted");
            ensure!(vault.slots == slots, "a vault's slots are miscounted");
        }
        ensure!(sums.is_empty(), "a slot is held by who has no vault");
        Ok(())
    }

    /// Invariant 6: a drive that pays is looked at no later than it runs dry, and listed at just one block; or it waits in the
    /// queue of those that no block had room for.
    fn check_endings() -> Check {
        let mut listed = 0usize;
        for (block, drives) in Endings::<T>::iter() {
            ensure!(!drives.is_empty() && block > Self::now(), "a block that is over has drives to end");
            for id in drives {
                let queued = Drives::<T>::get(id).and_then(|drive| drive.queued_block);
                ensure!(queued == Some(block), "a drive is listed where it does not say");
                listed = listed.saturating_add(1);
            }
        }
        let span = LateSpan::<T>::get();
        ensure!(LateDrives::<T>::iter().count() as u64 == span.entries(), "the queue of late drives is miscounted");
        ensure!(
            LateDrives::<T>::iter_keys().all(|number| (span.first..span.end).contains(&number)),
            "a late drive is outside of its queue"
        );
        let late: BTreeSet<DriveId> = LateDrives::<T>::iter_values().collect();
        let mut queued = 0usize;
        for (id, drive) in Drives::<T>::iter() {
            if drive.queued_block == Some(QUEUED_LATE) {
                ensure!(late.contains(&id), "a late drive is not in the queue of these");
                continue;
            }
            queued = queued.saturating_add(usize::from(drive.queued_block.is_some()));
            if let Some(dry) = drive.dry_block() {
                ensure!(drive.queued_block.is_some_and(|block| block <= dry), "a drive would outlive its escrow");
            }
        }
        ensure!(queued == listed, "a drive is not listed where it says");
        Ok(())
    }

    /// Invariant 7: a dispute is about a slot that is liable, and will be decided; a challenge is a vault's, and about
    /// slots of its own.
    fn check_disputes() -> Check {
        for (at, dispute) in Disputes::<T>::iter() {
            let slot = Slots::<T>::get(at).ok_or("a dispute is about no slot")?;
            ensure!(slot.disputed && slot.vault.is_some(), "a dispute is about nobody");
            ensure!(dispute.due_block >= Self::now(), "a dispute is overdue");
            ensure!(DisputesDue::<T>::get(dispute.due_block).contains(&at), "a dispute will not be decided");
        }
        for (who, challenge) in Challenges::<T>::iter() {
            ensure!(pallet_vaults::Vaults::<T>::contains_key(&who), "a challenge is nobody's");
            ensure!(challenge.due_block >= Self::now(), "a challenge is overdue");
            for target in &challenge.targets {
                let slot = Slots::<T>::get(target.at).ok_or("a challenge is about no slot")?;
                ensure!(slot.vault.as_ref() == Some(&who), "a challenge is about another's slot");
            }
        }
        Ok(())
    }

    /// Invariant 8: queues have no gaps, and each slot that says that it is in one is in one, once.
    fn check_queues() -> Check {
        let mut entries: Vec<SlotAt> = Vec::new();
        for queue in Queue::ALL {
            let span = RepairSpans::<T>::get(queue);
            for number in span.first..span.end {
                entries.push(RepairQueue::<T>::get((queue, number)).ok_or("a repair queue has a gap")?);
            }
        }
        ensure!(RepairQueue::<T>::iter_keys().count() == entries.len(), "a repair queue has more than its extent");
        entries.retain(|at| Slots::<T>::contains_key(at));
        let queued = Slots::<T>::iter().filter(|(_, slot)| slot.queued).map(|(at, _)| at);
        let mut queued: Vec<SlotAt> = queued.collect();
        queued.sort();
        entries.sort();
        ensure!(queued == entries, "a slot is not in the queue that it says");

        let span = FormingSpan::<T>::get();
        ensure!(FormingDrives::<T>::iter_keys().count() as u64 == span.entries(), "the queue of groups is off");
        let mut waiting: Vec<u64> = (span.first..span.end).filter_map(FormingDrives::<T>::get).collect();
        waiting.retain(|id| Drives::<T>::contains_key(id));
        waiting.sort();
        let mut forming: Vec<u64> = Drives::<T>::iter().filter(|(_, drive)| drive.forming).map(|(id, _)| id).collect();
        forming.sort();
        ensure!(waiting == forming, "a drive waits for a group and isn't queued, or is and doesn't");

        let span = EvictionSpan::<T>::get();
        ensure!(Evictions::<T>::iter_keys().count() as u64 == span.entries(), "the queue of ejected vaults is off");
        for number in span.first..span.end {
            let who = Evictions::<T>::get(number).ok_or("the queue of ejected vaults has a gap")?;
            ensure!(Books::<T>::get(&who).evicting, "a vault is not told that it is being emptied");
        }
        let evicting = Books::<T>::iter_values().filter(|book| book.evicting).count() as u64;
        ensure!(evicting == span.entries(), "a vault waits for nothing to be emptied");
        Ok(())
    }

    /// What the pot owes, as of this block: escrows, what vaults have pending and at stake, and the reserve.
    pub(crate) fn owed_by_pot() -> Balance {
        let (mut owed, mut unpaid) = (Reserve::<T>::get(), 0u128);
        for mut drive in Drives::<T>::iter_values() {
            unpaid = unpaid.saturating_add(Self::take_from_escrow(&mut drive));
            owed = owed.saturating_add(drive.escrow);
        }
        for mut book in Books::<T>::iter_values() {
            Self::settle_book(&mut book);
            owed = owed.saturating_add(book.pending);
        }
        let owed = Challenges::<T>::iter_values().fold(owed, |owed, challenge| owed.saturating_add(challenge.at_stake));
        // What late drives owe beyond their escrows the reserve pays, or is going to.
        owed.saturating_sub(unpaid).saturating_sub(ReserveDebt::<T>::get())
    }

    /// Invariant 9: the pot has what it owes, and its own existential deposit. It may have more: anyone may give to it.
    fn check_pot() -> Check {
        let has = T::NativeBalance::balance(&Self::pot());
        let needed = Self::owed_by_pot().saturating_add(T::NativeBalance::minimum_balance());
        ensure!(has >= needed, "the pot has less than it owes");
        ensure!(Reserve::<T>::get() == 0 || ReserveDebt::<T>::get() == 0, "the reserve has coins, and owes some");
        Ok(())
    }

    /// Invariant 10: what is held of each account, for each reason, is what the storage says; of nobody else is anything
    /// held.
    fn check_holds() -> Check {
        let mut held: BTreeMap<(T::AccountId, Vec<u8>), Balance> = BTreeMap::new();
        let mut add = |who: T::AccountId, reason: HoldReason, amount: Balance| {
            let sum = held.entry((who, reason.encode())).or_default();
            *sum = sum.saturating_add(amount);
        };
        for drive in Drives::<T>::iter_values() {
            add(drive.owner.clone(), HoldReason::Drive, drive.deposit);
            add(drive.owner, HoldReason::Grant, drive.grant_deposits);
        }
        for dispute in Disputes::<T>::iter_values() {
            add(dispute.accuser, HoldReason::Dispute, dispute.deposit);
        }
        for (who, published) in SealingKeys::<T>::iter() {
            add(who, HoldReason::SealingKey, published.deposit);
        }
        let reasons = [HoldReason::Drive, HoldReason::Grant, HoldReason::Dispute, HoldReason::SealingKey];
        for who in frame_system::Account::<T>::iter_keys() {
            for reason in reasons {
                let said = held.remove(&(who.clone(), reason.encode())).unwrap_or(0);
                let is = T::NativeBalance::balance_on_hold(&reason.into(), &who);
                ensure!(said == is, "what is held is not what the storage says");
            }
        }
        ensure!(held.values().all(|amount| *amount == 0), "something is held of an account that does not exist");
        Ok(())
    }

    /// Invariant 11: no window has more misses than challenges; a vault that waits to be back is being emptied.
    fn check_tallies() -> Check {
        for (_, Windows(tallies)) in Tallies::<T>::iter() {
            ensure!(tallies.iter().all(|tally| tally.missed <= tally.challenged), "more missed than were challenged");
        }
        for book in Books::<T>::iter_values() {
            ensure!(book.evicting || !book.readmitted, "a vault waits for nothing to be back");
        }
        Ok(())
    }
}
