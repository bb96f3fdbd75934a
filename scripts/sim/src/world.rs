// SPDX-License-Identifier: Apache-2.0

//! The simulated world: the pallets as they are, and around them machines that go down, disks that fail, operators and
//! owners that come and go.
//!
//! What is modelled here is only what the chain can't see: who is up, which bytes are where, and how long it takes to read
//! them. Everything else is asked of the pallets' storage, and done by their calls.

pub mod eve;
mod machines;
mod owners;
mod watch;

pub use eve::Attack;
pub use watch::{Blame, Why};

use std::collections::BTreeMap;

use cairn_primitives::storage::{DriveId, SlotAt, SlotState};
use frame_support::traits::Hooks;
use pallet_storage::Books;

use crate::{
    figures::{Figures, Kind},
    params::Params,
    random::Random,
    runtime::{account, number, AccountId, Balances, PeriodBlocks, Runtime, Seed, Storage, System, FAUCET},
    schedule::{Happening, Schedule},
};

/// Whether signatures and proofs are made and checked, or known to be right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evidence {
    /// Real calls with real signatures and proofs.
    Checked,
    /// The same rules without checking signatures of checkpoints and proofs of challenges.
    Known,
}

/// A vault's machine, and its operator.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub region: u8,
    /// How many reasons there are for it not to be reached: its own, and its region's.
    pub out: u8,
    /// It was up last before this block, if it is out; since this block, if it isn't.
    pub since: u32,
    /// The block in which it last went out after it had been up for longer than [`World::notice`].
    pub long_until: u32,
    /// Counts its outages.
    pub outages: u32,
    /// It went without notice, with its bytes.
    pub gone: bool,
    /// Its operator wants to leave, since this block.
    pub leaving: Option<u32>,
    /// It has left.
    pub left: bool,
    pub registered_block: u32,
    pub capacity_units: u64,
    pub ask: u128,
    /// Block up to which it is busy rebuilding.
    pub busy_until: u32,
    /// Block in which it last couldn't show something for lack of bytes.
    pub lacked_block: u32,
    /// What it wants to restore when it is up again.
    pub waiting: Vec<SlotAt>,
    /// What the last event about its standing was.
    pub blamed: watch::Blame,
    /// Units of shards that it read to rebuild others.
    pub read_units: u64,
    /// It is the attacker's.
    pub eves: bool,
}

impl Machine {
    /// A machine that is up from this block on.
    pub(crate) fn new(now: u32, capacity_units: u64, ask: u128) -> Self {
        Machine {
            region: u8::MAX,
            out: 0,
            since: now,
            long_until: 0,
            outages: 0,
            gone: false,
            leaving: None,
            left: false,
            registered_block: now,
            capacity_units,
            ask,
            busy_until: 0,
            lacked_block: 0,
            waiting: Vec::new(),
            blamed: watch::Blame::Nothing,
            read_units: 0,
            eves: false,
        }
    }

    pub(crate) fn up(&self) -> bool {
        self.out == 0 && !self.gone
    }

    /// Whether it gives others what they ask for, in a world with this attack.
    pub(crate) fn serves(&self, attack: Option<Attack>) -> bool {
        self.up() && !(self.eves && attack == Some(Attack::ServesNobody))
    }
}

/// What the chain can't know of a drive.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bytes {
    /// Slots whose vault has the log of the last checkpoint: bit for slot.
    pub intact: u32,
    /// Shards that are enough.
    pub needed: u8,
    /// Fewest of its slots that were intact since it had bytes.
    pub fewest: u8,
    /// Slots that are healthy on chain.
    pub healthy: u8,
    /// It has bytes.
    pub written: bool,
    pub lost: bool,
    pub ended: bool,
    /// Its owner no longer pays.
    pub forgotten: bool,
    /// What it pays in a block at most.
    pub rate: u128,
    /// It is the attacker's.
    pub eves: bool,
}

/// See the module.
pub struct World {
    pub(crate) params: Params,
    pub(crate) evidence: Evidence,
    pub(crate) now: u32,
    /// Block in which the year begins.
    pub(crate) first: u32,
    pub(crate) end: u32,
    pub(crate) schedule: Schedule,
    pub(crate) machines: Vec<Machine>,
    pub(crate) drives: Vec<Bytes>,
    pub(crate) regions_out: [u32; 1 + crate::params::REGIONS.len()],
    pub(crate) up_count: u32,
    pub(crate) alive_count: u32,
    pub(crate) owners: u32,
    /// Slots whose bytes are gone, since when.
    pub(crate) missing: BTreeMap<SlotAt, u32>,
    /// Slots that are empty on chain, since when.
    pub(crate) empty: BTreeMap<SlotAt, u32>,
    /// Why vaults missed what they missed.
    pub(crate) misses: BTreeMap<(u32, u32), watch::Why>,
    pub(crate) of_vaults: Random,
    pub(crate) of_drives: Random,
    pub(crate) of_network: Random,
    pub(crate) figures: Figures,
    pub(crate) attack: Option<Attack>,
    pub(crate) eve: eve::Eve,
}

impl World {
    /// A world at block 0. Within its externalities.
    pub fn new(params: Params, evidence: Evidence) -> Self {
        PeriodBlocks::set(params.day_blocks);
        Seed::set(params.seed);
        let first = params.blocks(params.fill_days.into());
        let end = first + params.blocks(params.days.into());
        let seed = params.seed;
        World {
            evidence,
            now: 0,
            first,
            end,
            schedule: Schedule::default(),
            machines: Vec::new(),
            drives: Vec::new(),
            regions_out: Default::default(),
            up_count: 0,
            alive_count: 0,
            owners: 0,
            missing: BTreeMap::new(),
            empty: BTreeMap::new(),
            misses: BTreeMap::new(),
            of_vaults: Random::new(seed, 1),
            of_drives: Random::new(seed, 2),
            of_network: Random::new(seed, 3),
            figures: Figures::new(&params),
            attack: None,
            eve: eve::Eve::default(),
            params,
        }
    }

    /// The same with somebody in it who attacks.
    pub fn attacked(params: Params, attack: Option<Attack>) -> Self {
        World { attack, ..World::new(params, Evidence::Known) }
    }

    /// Lives it through. `tell` is called once a day.
    pub fn run(self, tell: impl FnMut(u32, &Figures)) -> Figures {
        self.live(tell).figures
    }

    /// Lives it through, and gives what it has become.
    pub(crate) fn live(mut self, mut tell: impl FnMut(u32, &Figures)) -> Self {
        let issued = Balances::total_issuance();
        self.begin();
        while self.now < self.end {
            self.block();
            if self.now.is_multiple_of(self.params.day_blocks) {
                self.end_of_day();
                tell(self.now / self.params.day_blocks, &self.figures);
            }
        }
        self.finish(issued);
        self
    }

    fn begin(&mut self) {
        System::set_block_number(1);
        self.now = 1;
        for _ in 0..self.params.vaults {
            self.vault_joins();
        }
        self.begin_outages();
        self.begin_attack();
        let fill = u64::from(self.first.saturating_sub(self.params.blocks(0.1)).max(1));
        for _ in 0..self.params.drives {
            let block = 2 + self.of_drives.below(fill) as u32;
            self.schedule.put(block, Happening::DriveBegins);
        }
    }

    fn block(&mut self) {
        self.now += 1;
        System::set_block_number(self.now.into());
        System::reset_events();
        let weight = Storage::on_initialize(self.now.into()).ref_time();
        self.figures.load.begin_block(weight);
        self.figures.waited = self.figures.waited.max(pallet_storage::LateSpan::<Runtime>::get().entries());
        while let Some(happening) = self.schedule.take(self.now) {
            self.happen(happening);
        }
        if self.now >= self.first {
            self.figures.load.end_block();
        } else {
            self.figures.load.drop_block();
        }
        if System::event_count() > 0 {
            self.watch_events();
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::VaultJoins => self.vault_joins(),
            Happening::VaultDown(vault) => self.vault_down(vault),
            Happening::VaultUp(vault) => self.vault_up(vault),
            Happening::VaultLeaves(vault) => self.vault_leaves(vault),
            Happening::VaultTidies(vault) => self.vault_tidies(vault),
            Happening::Proves(vault) => self.proves(vault),
            Happening::Restores(vault, at) => self.restores(vault, at),
            Happening::DiskFails(vault) => self.disk_fails(vault),
            Happening::LossFound(vault, at) => self.loss_found(vault, at),
            Happening::LossMended(vault, at) => self.loss_mended(vault, at),
            Happening::Reports(vault, outage) => self.reports(vault, outage),
            Happening::RegionDown(region, blocks) => self.region_down(region, blocks),
            Happening::Attacks(step) => self.attacks(step),
            Happening::DriveBegins => self.drive_begins(),
            Happening::DriveGrows(drive) => self.drive_grows(drive),
            Happening::DriveCloses(drive) => self.drive_closes(drive),
            Happening::DriveTopUp(drive) => self.drive_tops_up(drive),
        }
    }

    /// Gives a new account so much.
    pub(crate) fn fund(&self, to: u32, amount: u128) {
        use frame_support::traits::{fungible::Mutate, tokens::Preservation};
        <Balances as Mutate<AccountId>>::transfer(&account(FAUCET), &account(to), amount, Preservation::Preserve)
            .expect("the faucet has all coins that there are");
    }

    /// Counts a transaction of this kind.
    pub(crate) fn sent(&mut self, kind: Kind, weight: frame_support::weights::Weight, bytes: u64) {
        self.figures.load.add(kind, weight.ref_time(), bytes);
    }

    /// The vault that has a slot, and how the chain sees that.
    pub(crate) fn holder(at: SlotAt) -> Option<(u32, SlotState)> {
        let slot = pallet_storage::Slots::<Runtime>::get(at)?;
        Some((number(&slot.vault?), slot.state))
    }

    pub(crate) fn bytes(&mut self, drive: DriveId) -> Option<&mut Bytes> {
        self.drives.get_mut(usize::try_from(drive).ok()?).filter(|bytes| !bytes.ended)
    }

    pub(crate) fn is_intact(&self, at: SlotAt) -> bool {
        self.drives.get(at.drive as usize).is_some_and(|bytes| bytes.intact >> at.slot & 1 == 1)
    }

    /// The bytes of a slot are gone.
    pub(crate) fn lose(&mut self, at: SlotAt) {
        let now = self.now;
        let Some(bytes) = self.bytes(at.drive) else { return };
        let before = bytes.intact;
        bytes.intact &= !(1 << at.slot);
        if !bytes.written || before == bytes.intact {
            return;
        }
        let left = bytes.intact.count_ones() as u8;
        bytes.fewest = bytes.fewest.min(left);
        let lost = left < bytes.needed && !bytes.lost;
        bytes.lost |= lost;
        self.missing.insert(at, now);
        self.figures.lost += u64::from(lost);
    }

    /// The bytes of a slot are there again.
    pub(crate) fn regain(&mut self, at: SlotAt) {
        let now = self.now;
        let Some(bytes) = self.bytes(at.drive) else { return };
        if bytes.lost {
            return;
        }
        bytes.intact |= 1 << at.slot;
        let needed = bytes.needed;
        if let Some(since) = self.missing.remove(&at) {
            self.figures.bytes_back(needed, now - since);
        }
    }

    /// Whether others of a drive, that are up and have their logs, are enough to rebuild a slot from; or its vault gives it.
    pub(crate) fn can_rebuild(&self, at: SlotAt, who: u32) -> bool {
        let Some(bytes) = self.drives.get(at.drive as usize) else { return false };
        let (mut found, slots) = (0, 4 * bytes.needed);
        for slot in 0..slots {
            let other = SlotAt { slot, ..at };
            if bytes.intact >> slot & 1 == 0 {
                continue;
            }
            let Some((vault, _)) = Self::holder(other) else { continue };
            if vault == who || !self.machines[vault as usize].serves(self.attack) {
                continue;
            }
            if other == at {
                return true;
            }
            found += 1;
            if found >= bytes.needed {
                return true;
            }
        }
        false
    }

    fn end_of_day(&mut self) {
        use pallet_storage::{EvictionSpan, Queue, RepairSpans};
        let queue = |queue| RepairSpans::<Runtime>::get(queue).entries();
        let to_draw = queue(Queue::Vacant) + queue(Queue::Doubtful);
        let queues = [queue(Queue::Urgent), to_draw, queue(Queue::Waiting)];
        let evicting = EvictionSpan::<Runtime>::get().entries();
        self.figures.end_of_day(queues, evicting, self.alive_count - self.up_count, self.empty.len() as u64);
    }

    fn finish(&mut self, issued: u128) {
        self.finish_attack();
        self.figures.issuance_changed = Balances::total_issuance() != issued;
        self.figures.reserve = pallet_storage::Reserve::<Runtime>::get();
        for index in 0..self.machines.len() {
            let machine = &self.machines[index];
            if machine.left || machine.gone || machine.leaving.is_some() || machine.eves {
                continue;
            }
            let who = account(index as u32);
            let Some(vault) = pallet_vaults::Vaults::<Runtime>::get(&who) else { continue };
            let book = Books::<Runtime>::get(&who);
            let earned = book.paid + book.pending + book.rate * u128::from(self.now.saturating_sub(book.since));
            let days = f64::from(self.now - machine.registered_block) / f64::from(self.params.day_blocks);
            let gib = machine.capacity_units as f64 / cairn_primitives::storage::UNITS_PER_GIB as f64;
            let machine = crate::figures::Earner {
                days,
                gib,
                ask: machine.ask,
                earned,
                reserved: vault.reserved_units as f64 / vault.capacity_units as f64,
                read_units: machine.read_units,
            };
            self.figures.earners.push(machine);
        }
        self.figures.still_missing = self.missing.len() as u64;
        let year = self.first;
        self.figures.long_missing = self.missing.values().filter(|since| self.now - **since > year).count() as u64;
        for bytes in self.drives.iter().filter(|bytes| bytes.written) {
            self.figures.note_fewest(bytes.needed, bytes.fewest);
        }
    }
}
