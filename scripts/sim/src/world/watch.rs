// SPDX-License-Identifier: Apache-2.0

//! What the group's watchers do, and what the chain's events say: who was slashed, and whether that was right.

use cairn_primitives::storage::{SlotAt, SlotState};
use frame_support::BoundedVec;
use pallet_storage::{
    Books, Drives, Error, Event, LiableSlots, Report, SlotCause, Slots, WeightInfo as StorageWeights,
};

use super::World;
use crate::{
    figures::{Kind, Punished},
    runtime::{account, number, signed, Runtime, RuntimeEvent, Storage, System, ENVELOPE_BYTES},
    schedule::Happening,
};

/// Minutes that a watcher tries for before it reports.
const TRIES_MINUTES: f64 = 3.0;
/// How often each slot is asked for a chunk in a period, by all others of its group together: that is what a vault's pace
/// comes to (`node/vault`: three questions a period for each slot it has).
pub(crate) const QUESTIONS_PER_SLOT: f64 = 3.0;

/// Why a vault did not show something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Why {
    /// It is the attacker's.
    Attacks,
    /// It went for good.
    Gone,
    /// It was down all the time in which it could have.
    Down,
    /// It lacked the bytes, and could not get them from its group.
    Bytes,
    /// None of these: it should have been able to.
    Unexplained,
}

/// What a vault was blamed for last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Blame {
    /// Nothing yet.
    Nothing,
    /// Misses in a row.
    InRow,
    /// Its score, or misses too often.
    TooOften,
    /// Slots that it never signed for.
    Unsigned,
}

impl World {
    /// When a vault that isn't reached will be reported next.
    pub(crate) fn plan_report(&mut self, vault: u32, first: bool) {
        if self.params.report_hours < 0.0 {
            return;
        }
        let slots: u32 = Books::<Runtime>::get(account(vault)).classes.0.iter().sum();
        if slots == 0 {
            return;
        }
        let days = self.of_network.exponential(1.0 / (QUESTIONS_PER_SLOT * f64::from(slots)));
        let wait = match first {
            true => self.params.blocks(self.params.report_hours / 24.0) + self.seconds(60.0 * TRIES_MINUTES),
            false => 0,
        };
        let block = self.now.saturating_add(wait).saturating_add(self.params.blocks(days).max(1));
        self.schedule.put(block, Happening::Reports(vault, self.machines[vault as usize].outages));
    }

    pub(crate) fn reports(&mut self, vault: u32, outage: u32) {
        let machine = &self.machines[vault as usize];
        if machine.left || machine.up() || machine.outages != outage {
            return;
        }
        self.plan_report(vault, false);
        self.report_a_slot(vault);
    }

    /// Another vault of one of its groups, any of them, says that a vault serves nobody.
    pub(crate) fn report_a_slot(&mut self, vault: u32) {
        let Some(at) = self.some_slot(vault) else { return };
        let Some(drive) = Drives::<Runtime>::get(at.drive) else { return };
        let others: Vec<(u8, u32)> = (0..drive.coding.slots())
            .filter(|slot| *slot != at.slot)
            .filter_map(|slot| Some((slot, Self::holder(SlotAt { slot, ..at })?)))
            .filter(|(_, (other, state))| {
                *state == SlotState::Healthy && self.machines[*other as usize].serves(self.attack)
            })
            .map(|(slot, (other, _))| (slot, other))
            .collect();
        // Nobody reports who can't reach another of the group.
        if others.len() < 2 {
            return;
        }
        let (by, reporter) = others[self.of_network.below(others.len() as u64) as usize];
        let reports = BoundedVec::truncate_from(vec![Report { at, by }]);
        match Storage::report_unserved(signed(reporter), reports) {
            Ok(_) => self.figures.reports += 1,
            // It has said so in this period, and wouldn't again.
            Err(error) if error.error == Error::<Runtime>::AlreadyReported.into() => return,
            Err(error) => self.figures.refuse("report_unserved", error.error),
        }
        self.sent(Kind::Report, <() as StorageWeights>::report_unserved(1), ENVELOPE_BYTES + 12);
    }

    /// Any of the slots that a vault is liable for.
    fn some_slot(&mut self, vault: u32) -> Option<SlotAt> {
        let who = account(vault);
        let classes = Books::<Runtime>::get(&who).classes.0;
        let liable: u64 = classes.iter().map(|count| u64::from(*count)).sum();
        if liable == 0 {
            return None;
        }
        let mut left = self.of_network.below(liable) as u32;
        let class = classes.iter().position(|count| match left.checked_sub(*count) {
            Some(rest) => {
                left = rest;
                false
            },
            None => true,
        })?;
        LiableSlots::<Runtime>::get(who, (class as u8, left))
    }

    /// Blocks in a row that a vault must be up for to do what it is asked: as long as it takes to see a block, to read, and to get
    /// a transaction in.
    pub(crate) fn notice(&self) -> u32 {
        self.seconds(120.0) + 3
    }

    /// Why a vault did not show what it was asked for in these blocks, now that they are over.
    fn why(&self, vault: u32, from: u32, to: u32) -> Why {
        let (machine, notice) = (&self.machines[vault as usize], self.notice());
        let was_up = machine.long_until > from + notice;
        let up = was_up || machine.up() && machine.since + notice < to;
        if machine.eves {
            return Why::Attacks;
        }
        if machine.gone {
            return Why::Gone;
        }
        if !up {
            return Why::Down;
        }
        if machine.lacked_block >= from {
            return Why::Bytes;
        }
        Why::Unexplained
    }

    fn punish(&mut self, why: Why, how: Punished, amount: u128) {
        let outage = (self.alive_count - self.up_count) * 3 > self.alive_count;
        self.figures.punish(why, how, amount, outage);
    }

    pub(crate) fn watch_events(&mut self) {
        let events: Vec<RuntimeEvent> = System::read_events_no_consensus().map(|record| record.event).collect();
        for event in events {
            match event {
                RuntimeEvent::Storage(event) => self.watch_event(event),
                RuntimeEvent::Vaults(pallet_vaults::Event::ScoreChanged { who, cause, .. }) => {
                    use pallet_vaults::Cause;
                    let blame = match cause {
                        Cause::Missed => Blame::TooOften,
                        Cause::Unsigned(_) => Blame::Unsigned,
                        _ => continue,
                    };
                    self.machines[number(&who) as usize].blamed = blame;
                },
                _ => {},
            }
        }
    }

    fn watch_event(&mut self, event: Event<Runtime>) {
        match event {
            Event::Challenged { vault, targets, .. } => {
                let vault = number(&vault);
                self.figures.challenged += 1;
                if targets > 0 && self.machines[vault as usize].up() {
                    let soon = 1 + self.of_vaults.below(self.seconds(60.0).max(1).into()) as u32;
                    self.schedule.put(self.now + soon, Happening::Proves(vault));
                }
            },
            Event::Proven { .. } => self.figures.proven += 1,
            Event::PayForfeited { vault, turn_block, missed: true, amount } => {
                let vault = number(&vault);
                let deadline = self.deadline();
                let why = self.why(vault, turn_block, turn_block + deadline);
                self.machines[vault as usize].blamed = Blame::InRow;
                self.misses.insert((vault, turn_block), why);
                self.punish(why, Punished::Pay, amount);
            },
            Event::MissJudged { vault, turn_block, slashed, .. } => {
                let why = self.misses.remove(&(number(&vault), turn_block)).unwrap_or(Why::Unexplained);
                match slashed {
                    0 => self.figures.forgiven += 1,
                    _ => self.punish(why, Punished::Miss, slashed),
                }
            },
            Event::ProofWrong { vault, slashed, .. } => {
                let why = if self.machines[number(&vault) as usize].eves { Why::Attacks } else { Why::Unexplained };
                self.punish(why, Punished::Wrong, slashed);
            },
            Event::VaultEjected { vault, slots } => self.ejected(number(&vault), slots),
            Event::SlotChanged { at, from, from_state, to, to_state, cause } => {
                let to = to.map(|who| number(&who));
                self.slot_changed(at, from.map(|who| number(&who)), from_state, to, to_state, cause);
            },
            Event::SuccessorChanged { at, to: Some(vault), .. } => {
                let vault = number(&vault);
                let block = self.plan_rebuild(vault, at);
                self.schedule.put(block, Happening::Restores(vault, at));
            },
            Event::SuccessorChanged { to: None, .. } => self.figures.successors_changed += 1,
            Event::DriveRunsDry { drive, .. } => {
                self.schedule.put(self.now + 1, Happening::DriveTopUp(drive));
            },
            Event::DriveEnded { drive, cause, refund, .. } => self.drive_ended(drive, cause, refund),
            _ => {},
        }
    }

    fn deadline(&self) -> u32 {
        self.params.day_blocks / 8
    }

    fn ejected(&mut self, vault: u32, slots: u32) {
        let machine = &self.machines[vault as usize];
        if machine.eves {
            self.eve.ejected += 1;
            return;
        }
        let outage = (self.alive_count - self.up_count) * 3 > self.alive_count;
        self.figures.eject(machine.blamed, machine.gone, slots, outage);
        if !machine.gone {
            self.schedule.put(self.now + self.params.hours(1.0), Happening::VaultTidies(vault));
        }
    }

    fn slot_changed(
        &mut self,
        at: SlotAt,
        from: Option<u32>,
        from_state: SlotState,
        to: Option<u32>,
        to_state: SlotState,
        cause: SlotCause,
    ) {
        let now = self.now;
        let Some(bytes) = self.bytes(at.drive) else { return };
        let (needed, eves) = (bytes.needed, bytes.eves);
        match (from_state == SlotState::Healthy, to_state == SlotState::Healthy) {
            (true, false) => bytes.healthy -= 1,
            (false, true) => bytes.healthy += 1,
            _ => {},
        }
        match (to, to_state) {
            (None, _) => {
                self.lose(at);
                if !eves {
                    self.empty.insert(at, now);
                    self.figures.vacated += 1;
                }
            },
            (Some(vault), SlotState::Behind) if cause == SlotCause::Unserved => {
                // It has its bytes, and may show so when a grace is over.
                self.figures.unserved += 1;
                let block = Slots::<Runtime>::get(at).map_or(now, |slot| slot.not_before);
                self.schedule.put(block.max(now + 1), Happening::Restores(vault, at));
            },
            (Some(vault), SlotState::Behind) => {
                self.lose(at);
                self.figures.behind += 1;
                let soon = now + 2 + self.of_vaults.below(self.seconds(300.0).max(1).into()) as u32;
                self.schedule.put(soon, Happening::Restores(vault, at));
            },
            (Some(_), _) => {
                if let Some(since) = self.empty.remove(&at) {
                    self.figures.refilled(needed, now - since);
                }
                if cause == SlotCause::Restored && from.is_some() {
                    self.figures.handed_over += 1;
                }
            },
        }
    }

    fn drive_ended(&mut self, drive: u64, cause: pallet_storage::EndCause, refund: u128) {
        if self.drives[drive as usize].eves {
            self.drives[drive as usize].ended = true;
            return;
        }
        self.figures.end_drive(cause);
        let early = cause == pallet_storage::EndCause::RanDry && refund >= self.drives[drive as usize].rate.max(1);
        self.figures.ended_early += u64::from(early);
        let slots = 4 * self.drives[drive as usize].needed;
        self.drives[drive as usize].ended = true;
        for slot in 0..slots {
            let at = SlotAt { drive, slot };
            self.missing.remove(&at);
            self.empty.remove(&at);
        }
        let days = self.of_drives.exponential(0.5);
        self.schedule.put(self.now + 1 + self.params.blocks(days), Happening::DriveBegins);
    }
}
