// SPDX-License-Identifier: Apache-2.0

//! Eve: a stranger with vaults and drives of her own, who tries to harm others or to gain. She knows the rules, and everything that
//! the chain says; what a block will draw she doesn't know.

use std::collections::BTreeMap;

use cairn_primitives::storage::{rate_per_block, Coding, DriveId, SlotAt, SlotState, VaultStatus, Visibility};
use frame_support::{storage::with_storage_layer, traits::fungible::Inspect, BoundedVec};
use pallet_storage::{Books, Challenges, Drives, NextDrive, Reserve, Slots};

use super::{watch::QUESTIONS_PER_SLOT, Bytes, Machine, World};
use crate::{
    logs,
    runtime::{account, signed, Balances, Runtime, Storage, CRN, OWNERS},
    schedule::Happening,
};

/// Eve's first account; those before it are hers, too, each for as many drives as one can have.
const EVE: u32 = OWNERS - 1;
const DRIVES_OF_ACCOUNT: usize = pallet_storage::DRIVES_MAX as usize;
/// What owners pay for a GiB and day in the middle, and what nearly all vaults ask more than.
const PRICE: u128 = CRN * 15 / 1_000;
const PRICE_BELOW_ALL: u128 = CRN / 1_000;
/// Of her vaults: units, as many as vaults have in the middle.
const CAPACITY: u64 = 2_000 << 18;

/// She makes drives in so many steps, so many blocks apart: groups are drawn a few in each block.
const RUSH_STEPS: u32 = 50;
const RUSH_BLOCKS: u32 = 30;

/// What Eve does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attack {
    /// Drives of eight false roots each, that no vault can show anything of.
    FalseRoots,
    /// Thousands of drives that end in the block in which drives of others end.
    FullBlocks,
    /// Drives at a price at which only her vaults keep them, which then lose them.
    NoCandidates,
    /// Drives at a high price, faults of her own vaults, and the bonus for whoever restores them.
    OwnFaults,
    /// Vaults that prove everything to the chain and give nothing to anybody.
    ServesNobody,
    /// Vaults that sign no checkpoint.
    NeverSigns,
    /// Vaults with so many percent of all capacity, that do nothing wrong yet.
    Share(u8),
}

impl Attack {
    /// All that she does.
    pub const ALL: [Attack; 6] = [
        Attack::FalseRoots,
        Attack::FullBlocks,
        Attack::NoCandidates,
        Attack::OwnFaults,
        Attack::ServesNobody,
        Attack::NeverSigns,
    ];
}

/// What Eve has, and what became of it.
#[derive(Clone, Debug, Default)]
pub struct Eve {
    pub vaults: Vec<u32>,
    pub drives: Vec<DriveId>,
    /// Coins that her accounts were given.
    pub given: u128,
    /// What she paid into drives.
    pub tied: u128,
    /// Calls that she paid fees for, or that cost none because they were right.
    pub calls: u64,
    pub ejected: u32,
    /// Of her vaults, in the end.
    pub suspended: u32,
    /// What she has more in the end than she was given, without fees: less, if negative.
    pub gain: i128,
    /// What her vaults earned, and an honest vault of the same capacity.
    pub earned: u128,
    pub earned_by_honest: u128,
    /// Drives of others, by shards needed and how many of their slots are hers.
    pub holds: BTreeMap<(u8, u8), u64>,
}

impl World {
    pub(crate) fn begin_attack(&mut self) {
        if self.attack.is_some() {
            self.schedule.put(2, Happening::Attacks(0));
        }
    }

    /// One step: at first her vaults, before anybody's drives; then what she does after the drives of others were made.
    pub(crate) fn attacks(&mut self, step: u32) {
        let Some(attack) = self.attack else { return };
        let next = match (attack, step) {
            (_, 0) => {
                self.give(EVE, 1_000_000 * CRN);
                let (vaults, ask) = match attack {
                    Attack::FalseRoots | Attack::FullBlocks => (0, 0),
                    Attack::NoCandidates => (8, PRICE_BELOW_ALL),
                    _ => (self.params.vaults / 10, CRN / 100),
                };
                let capacity = match attack {
                    Attack::Share(percent) => {
                        let all: u64 = self.machines.iter().map(|machine| machine.capacity_units).sum();
                        all * u64::from(percent) / u64::from(100 - percent) / u64::from(vaults)
                    },
                    _ => CAPACITY,
                };
                (0..vaults).for_each(|_| self.her_vault(capacity, ask));
                self.first
            },
            (Attack::FalseRoots, 1) => {
                (0..self.params.drives / 9).for_each(|_| self.her_drive(Coding::K8, PRICE, self.params.blocks(60.0)));
                self.now + self.params.hours(6.0)
            },
            // A K8 drive needs 24 of 32 signatures.
            (Attack::FalseRoots, 2) => self.commit_hers(&(0..8).collect::<Vec<u8>>()),
            (Attack::FullBlocks, 1..=RUSH_STEPS) => {
                // All of them are to end in the block in which the drives of others do that were made in the middle of the filling.
                let dry = self.first / 2 + self.params.blocks(self.params.paid_days.into());
                // A drive pays from its first checkpoint on.
                let blocks = dry.saturating_sub(self.first + RUSH_STEPS * RUSH_BLOCKS);
                (0..self.params.drives / 25).for_each(|_| self.her_drive(Coding::K1, PRICE, blocks));
                self.now + RUSH_BLOCKS
            },
            (Attack::FullBlocks, _) => self.commit_hers(&[]),
            (Attack::NoCandidates, 1) => {
                let drives = self.params.drives / 20;
                (0..drives).for_each(|_| self.her_drive(Coding::K1, PRICE_BELOW_ALL, self.params.blocks(60.0)));
                self.now + self.params.hours(6.0)
            },
            (Attack::OwnFaults, 1) => {
                // A period's pay for a slot of one unit is as much of the reserve as one bonus can be.
                let price = (Reserve::<Runtime>::get() / 8) << 18;
                let drives = self.params.drives / 40;
                (0..drives).for_each(|_| self.her_drive(Coding::K1, price.max(PRICE), self.params.blocks(2.0)));
                self.now + self.params.hours(6.0)
            },
            (Attack::NoCandidates | Attack::OwnFaults, 2) => self.commit_hers(&[]),
            (Attack::ServesNobody, _) => {
                // She doesn't answer, so that she is asked again and again.
                let steps_a_day = 24.0;
                for vault in self.eve.vaults.clone() {
                    let liable: u32 = Books::<Runtime>::get(account(vault)).classes.0.iter().sum();
                    let asked = (f64::from(liable) * QUESTIONS_PER_SLOT / steps_a_day).ceil() as u32;
                    (0..asked).for_each(|_| self.report_a_slot(vault));
                }
                self.now + self.params.hours(24.0 / steps_a_day)
            },
            _ => return,
        };
        self.schedule.put(next.max(self.now + 1), Happening::Attacks(step + 1));
    }

    fn give(&mut self, who: u32, coins: u128) {
        self.fund(who, coins);
        self.eve.given += coins;
    }

    fn her_vault(&mut self, capacity: u64, ask: u128) {
        self.eve.vaults.push(self.machines.len() as u32);
        self.eve.given += self.register(capacity, ask);
        self.machines.push(Machine { eves: true, ..Machine::new(self.now, capacity, ask) });
    }

    /// A drive of one unit, paid for so many blocks.
    fn her_drive(&mut self, coding: Coding, price: u128, blocks: u32) {
        let id = NextDrive::<Runtime>::get();
        let period = self.params.day_blocks;
        let rate = rate_per_block(price, 1, period) * u128::from(coding.slots());
        let escrow = rate * u128::from(blocks.max(period)) * 100 / 98 + 100;
        self.eve.calls += 1;
        let by = EVE - (self.eve.drives.len() / DRIVES_OF_ACCOUNT) as u32;
        if self.eve.drives.len().is_multiple_of(DRIVES_OF_ACCOUNT) && by != EVE {
            self.give(by, 1_000 * CRN);
        }
        Storage::create_drive(signed(by), coding, 1, price, escrow, Visibility::Private).expect("she can pay for it");
        self.drives.push(Bytes { needed: coding.data(), eves: true, forgotten: true, ..Bytes::default() });
        self.eve.drives.push(id);
        self.eve.tied += escrow;
    }

    /// Her drives' first checkpoints: the vaults of these slots don't sign, and what is said of their roots is false.
    fn commit_hers(&mut self, without: &[u8]) -> u32 {
        for id in self.eve.drives.clone() {
            let Some(drive) = Drives::<Runtime>::get(id).filter(|drive| drive.version == 0 && !drive.forming) else {
                continue;
            };
            let slots = 0..drive.coding.slots();
            let root = |slot: u8| if without.contains(&slot) { [slot + 1; 32] } else { logs::root(1) };
            let roots = BoundedVec::truncate_from(slots.clone().map(root).collect());
            let signatures: Vec<_> = slots.map(|slot| (!without.contains(&slot)).then_some([0; 64])).collect();
            for (slot, signed) in signatures.iter().enumerate() {
                self.drives[id as usize].intact |= u32::from(signed.is_some()) << slot;
            }
            let head = b"head".to_vec().try_into().expect("it is short");
            let signatures = BoundedVec::truncate_from(signatures);
            let done = with_storage_layer(|| {
                Storage::checkpoint_with(drive.owner.clone(), id, 0, 1, u32::MAX, roots, signatures, head, |_, _, _| {
                    Ok(())
                })
            });
            done.expect("as many have signed as must");
            self.eve.calls += 1;
        }
        self.now + 1
    }

    /// Whether a vault shows something wrong when it is asked.
    pub(crate) fn shows_wrong(&self, vault: u32) -> bool {
        let begun = || self.eve.drives.iter().any(|id| self.drives[*id as usize].intact > 0);
        let hers = || self.eve.vaults.iter().position(|one| *one == vault);
        match self.attack {
            Some(Attack::NoCandidates) => begun() && hers().is_some(),
            // The others are there for the bonus.
            Some(Attack::OwnFaults) => begun() && hers().is_some_and(|index| index % 2 == 0),
            _ => false,
        }
    }

    /// Whether a vault signs what it is given.
    pub(crate) fn signs(&self, vault: u32) -> bool {
        let machine = &self.machines[vault as usize];
        machine.up() && !(machine.eves && self.attack == Some(Attack::NeverSigns))
    }

    /// Every second owner whose vaults don't all sign has those that don't replaced before the first checkpoint, as often as that is free.
    pub(crate) fn redraws(&mut self, owner: u32, id: DriveId) -> bool {
        if self.eve.vaults.is_empty() || id.is_multiple_of(2) {
            return false;
        }
        let slots = 0..4 * self.drives[id as usize].needed;
        let silent: Vec<u8> = slots
            .filter(|slot| {
                let holder = Self::holder(SlotAt { drive: id, slot: *slot });
                holder.is_some_and(|(vault, state)| state == SlotState::Healthy && !self.signs(vault))
            })
            .collect();
        let redrawn =
            !silent.is_empty() && Storage::redraw(signed(owner), id, BoundedVec::truncate_from(silent)).is_ok();
        self.figures.redrawn += u64::from(redrawn);
        redrawn
    }

    pub(crate) fn finish_attack(&mut self) {
        let accounts = self.eve.drives.len().div_ceil(DRIVES_OF_ACCOUNT).max(1) as u32;
        let mut has: u128 = (0..accounts).map(|index| Balances::total_balance(&account(EVE - index))).sum();
        for id in &self.eve.drives {
            let Some(mut drive) = Drives::<Runtime>::get(id) else { continue };
            let owed = drive.rate * u128::from(self.now.saturating_sub(drive.since));
            drive.escrow = drive.escrow.saturating_sub(owed);
            has += drive.escrow;
        }
        let income = |vault: u32| {
            let book = Books::<Runtime>::get(account(vault));
            let stake = Challenges::<Runtime>::get(account(vault)).map_or(0, |open| open.at_stake);
            let pending = book.pending + book.rate * u128::from(self.now.saturating_sub(book.since)) + stake;
            (book.paid + pending, pending)
        };
        for vault in &self.eve.vaults {
            let (earned, pending) = income(*vault);
            has += Balances::total_balance(&account(*vault)) + pending;
            self.eve.earned += earned;
            let status = pallet_vaults::Vaults::<Runtime>::get(account(*vault)).map(|vault| vault.status);
            self.eve.suspended += u32::from(status == Some(VaultStatus::Suspended));
        }
        let honest = (0u32..).zip(&self.machines).filter(|(_, machine)| !machine.eves && !machine.left);
        let (mut earned, mut units) = (0u128, 0u128);
        for (vault, machine) in honest {
            earned += income(vault).0;
            units += u128::from(machine.capacity_units);
        }
        self.eve.earned_by_honest = earned * u128::from(CAPACITY) / units.max(1);
        let due = |at: &SlotAt| Drives::<Runtime>::get(at.drive).is_some_and(|drive| drive.refilling);
        let since = self.missing.iter().filter(|(at, _)| due(at)).map(|(_, since)| self.now - since);
        self.figures.longest_due = since.max().unwrap_or(0);
        for (id, bytes) in (0u64..).zip(&self.drives).filter(|(_, bytes)| !bytes.eves && !bytes.ended) {
            *self.eve.holds.entry((bytes.needed, self.held_by_eve(id))).or_default() += 1;
        }
        self.eve.gain = has as i128 - self.eve.given as i128;
    }

    /// How many of a drive's slots are held by her vaults.
    fn held_by_eve(&self, id: DriveId) -> u8 {
        let slots = 0..4 * self.drives[id as usize].needed;
        let of = |slot: u8| Slots::<Runtime>::get(SlotAt { drive: id, slot }).and_then(|slot| slot.vault);
        slots.filter_map(of).filter(|who| self.machines[crate::runtime::number(who) as usize].eves).count() as u8
    }
}
