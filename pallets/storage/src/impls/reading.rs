// SPDX-License-Identifier: Apache-2.0

//! What the runtime API answers. None of it is used in a block.

use crate::{
    slot_key, slot_of, Book, Books, Challenges, Config, Disputes, Drives, GrantedTo, Grants, HeldSlots, OwnerDrives,
    Pallet, Queue, RepairSpans, Reserve, SealingKeys, Slot, Slots, DRIVES_MAX, GRANTS_MAX,
};
use alloc::vec::Vec;
use cairn_primitives::storage::{
    ChallengeInfo, DisputeInfo, DriveId, DriveInfo, GrantInfo, HeldSlot, SlotAt, SlotInfo, Terms, VaultInfo,
};
use frame_support::traits::Get;
use pallet_vaults::{Balance, Pallet as Vaults, Wanted};

/// Entries of a list that one answer has at most.
pub const PAGE_MAX: u32 = 256;

impl<T: Config> Pallet<T> {
    /// What storage costs here, and how fast its periods run.
    pub fn api_terms() -> Terms {
        Terms {
            period_blocks: Self::period(),
            deadline_blocks: Self::deadline(),
            proofs: T::Proofs::get().min(crate::PROOFS_MAX),
            bond_per_unit: T::BondPerUnit::get(),
            bond_min: T::BondMin::get(),
            drive_deposit: T::DriveDeposit::get(),
            slot_deposit: T::SlotDeposit::get(),
            grant_deposit: T::GrantDeposit::get(),
            dispute_deposit: T::DisputeDeposit::get(),
            dispute_blocks: T::DisputeBlocks::get(),
            restore_blocks: T::RestoreBlocks::get(),
            reserve_ppm: T::ReservePpm::get(),
        }
    }

    /// A vault; none if the account has none.
    pub fn api_vault(account: &T::AccountId) -> Option<VaultInfo<T::AccountId>> {
        let mut info = Vaults::<T>::info(account)?;
        let mut book: Book = Books::<T>::get(account);
        Self::settle_book(&mut book);
        info.liable_units = book.liable_units;
        info.rate_per_block = book.rate;
        info.pending = book.pending;
        info.paid = book.paid;
        info.next_turn_block = Self::next_turn(info.place_block);
        Some(info)
    }

    /// Vaults from behind `after` on, in the state's order.
    pub fn api_vaults_after(after: Option<&T::AccountId>, limit: u32) -> Vec<VaultInfo<T::AccountId>> {
        let keys = match after {
            Some(after) => {
                let key = pallet_vaults::Vaults::<T>::hashed_key_for(after);
                pallet_vaults::Vaults::<T>::iter_keys_from(key)
            },
            None => pallet_vaults::Vaults::<T>::iter_keys(),
        };
        keys.take(limit.min(PAGE_MAX) as usize).filter_map(|who| Self::api_vault(&who)).collect()
    }

    /// How many vaults could take a slot of so many units at this price now.
    pub fn api_eligible_vaults(price: Balance, capacity_units: u64) -> u32 {
        Vaults::<T>::eligible(&Wanted { price, capacity_units, exclude: &[] })
    }

    /// A drive; none if there is none with that number.
    pub fn api_drive(id: DriveId) -> Option<DriveInfo<T::AccountId>> {
        let mut drive = Drives::<T>::get(id)?;
        Self::take_from_escrow(&mut drive);
        let all = (0..drive.coding.slots()).map(|slot| SlotAt { drive: id, slot });
        let all = all.filter_map(|at| Some((at, Slots::<T>::get(at)?)));
        let slots = all.map(|(at, slot)| SlotInfo {
            not_before: Self::earliest(at, &slot),
            vault: slot.vault,
            state: slot.state,
            root: slot.root,
            successor: slot.successor,
            leaving: slot.leaving,
            proven_block: slot.proven_block,
            disputed: slot.disputed,
            unserved: slot.unserved.by.count_ones() as u8,
            behind_block: slot.behind_block,
        });
        let (slots, dry_block) = (slots.collect(), drive.dry_block());
        Some(DriveInfo {
            id,
            owner: drive.owner,
            coding: drive.coding,
            capacity_units: drive.capacity_units,
            price: drive.price,
            visibility: drive.visibility,
            version: drive.version,
            units: drive.units,
            trimmed_units: drive.trimmed_units,
            head: drive.head.into_inner(),
            key_generation: drive.key_generation,
            escrow: drive.escrow,
            spent: drive.spent,
            rate_per_block: drive.rate,
            dry_block,
            deposit: drive.deposit.saturating_add(drive.grant_deposits),
            created_block: drive.created_block,
            forming: drive.forming,
            slots,
        })
    }

    /// Numbers of an account's drives, in order.
    pub fn api_drives_of(owner: &T::AccountId) -> Vec<DriveId> {
        OwnerDrives::<T>::iter_key_prefix(owner).take(DRIVES_MAX as usize).map(DriveId::from_be_bytes).collect()
    }

    /// Slots that a vault has or is rebuilding, in order, from behind `after` on.
    pub fn api_slots_of(vault: &T::AccountId, after: Option<SlotAt>, limit: u32) -> Vec<HeldSlot> {
        let entries = match after {
            Some(after) => {
                let key = HeldSlots::<T>::hashed_key_for(vault, slot_key(after));
                HeldSlots::<T>::iter_prefix_from(vault, key)
            },
            None => HeldSlots::<T>::iter_prefix(vault),
        };
        let held = entries.take(limit.min(PAGE_MAX) as usize).filter_map(|(key, successor)| {
            let at = slot_of(key);
            let (drive, slot) = (Drives::<T>::get(at.drive)?, Slots::<T>::get(at)?);
            let not_before = if successor { slot.not_before } else { Self::earliest(at, &slot) };
            let due_block = slot.successor.filter(|_| successor).map(|successor| successor.due_block);
            Some(HeldSlot {
                at,
                successor,
                state: slot.state,
                version: drive.version,
                root: slot.root,
                units: drive.units,
                trimmed_units: drive.trimmed_units,
                capacity_units: drive.capacity_units,
                disputed: slot.disputed && !successor,
                unserved: if successor { 0 } else { slot.unserved.by.count_ones() as u8 },
                behind_block: slot.behind_block,
                not_before,
                due_block,
            })
        });
        held.collect()
    }

    /// Block in which a slot's vault can show that it is back: `u32::MAX` if it never can.
    fn earliest(at: SlotAt, slot: &Slot<T::AccountId>) -> u32 {
        if Self::is_forfeited(at, slot) {
            u32::MAX
        } else {
            slot.not_before
        }
    }

    /// What a vault has to show now.
    pub fn api_challenge(vault: &T::AccountId) -> Option<ChallengeInfo> {
        let challenge = Challenges::<T>::get(vault)?;
        Some(ChallengeInfo {
            turn_block: challenge.turn_block,
            due_block: challenge.due_block,
            at_stake: challenge.at_stake,
            targets: challenge.targets.into_inner(),
        })
    }

    /// The open claim that a slot can't be read.
    pub fn api_dispute(at: SlotAt) -> Option<DisputeInfo<T::AccountId>> {
        let dispute = Disputes::<T>::get(at)?;
        Some(DisputeInfo {
            accuser: dispute.accuser,
            target: dispute.target,
            due_block: dispute.due_block,
            deposit: dispute.deposit,
        })
    }

    /// What an account was granted of a drive.
    pub fn api_grant(drive: DriveId, account: &T::AccountId) -> Option<GrantInfo> {
        Grants::<T>::get(drive, account).map(|grant| grant.info)
    }

    /// To whom a drive was granted.
    pub fn api_grants_of(drive: DriveId) -> Vec<(T::AccountId, GrantInfo)> {
        let grants = Grants::<T>::iter_prefix(drive).take(GRANTS_MAX as usize);
        grants.map(|(account, grant)| (account, grant.info)).collect()
    }

    /// Drives of others that were granted to an account, in order.
    pub fn api_granted_to(account: &T::AccountId) -> Vec<DriveId> {
        GrantedTo::<T>::iter_key_prefix(account).take(PAGE_MAX as usize).map(DriveId::from_be_bytes).collect()
    }

    /// The X25519 key that an account published.
    pub fn api_sealing_key(account: &T::AccountId) -> Option<[u8; 32]> {
        SealingKeys::<T>::get(account).map(|published| published.key)
    }

    /// Plancks in the repair reserve, and slots that wait for a new vault.
    pub fn api_repair() -> (Balance, u32) {
        let waiting: u64 = Queue::ALL.iter().map(|queue| RepairSpans::<T>::get(queue).entries()).sum();
        (Reserve::<T>::get(), u32::try_from(waiting).unwrap_or(u32::MAX))
    }

    /// The first block after this one in which a vault with this place has its turn.
    pub(crate) fn next_turn(place_block: u32) -> u32 {
        let (now, period) = (Self::now(), Self::period());
        let this_period = (now / period).saturating_mul(period).saturating_add(place_block);
        if this_period > now {
            this_period
        } else {
            this_period.saturating_add(period)
        }
    }
}
