// SPDX-License-Identifier: Apache-2.0

//! Vaults: they join, go down and come back, prove, rebuild, lose disks, and leave.

use cairn_primitives::storage::{restore_chunk, SlotAt, SlotState, VaultStatus, UNITS_PER_GIB, UNIT_BYTES};
use frame_support::{storage::with_storage_layer, BoundedVec};
use pallet_storage::{Challenges, Drives, HeldSlots, Slots, LEAVES_MAX};

use super::{Evidence, Machine, World};
use crate::{
    figures::Kind,
    logs,
    params::REGIONS,
    runtime::{account, service_key, signed, BondPerUnit, Runtime, Storage, Vaults, CRN, ENVELOPE_BYTES},
    schedule::Happening,
};

type OfStorage = ();
use pallet_storage::WeightInfo as StorageWeights;
use pallet_vaults::WeightInfo as VaultWeights;

/// Days after which an operator who waits for successors just goes.
const PATIENCE_DAYS: f64 = 30.0;

impl World {
    pub(crate) fn seconds(&self, seconds: f64) -> u32 {
        self.params.blocks(seconds / 86_400.0)
    }

    pub(crate) fn vault_joins(&mut self) {
        let number = self.machines.len() as u32;
        let region = self.some_region();
        let gib = self.of_vaults.lognormal(self.params.offer_gib, self.params.offer_sigma).clamp(50.0, 1e6);
        let capacity_units = (gib * UNITS_PER_GIB as f64) as u64;
        let ask = (self.of_vaults.lognormal(self.params.ask, self.params.ask_sigma) * 1e9) as u128;
        self.register(capacity_units, ask);
        let out = u8::from(self.regions_out[usize::from(region)] > self.now);
        self.machines.push(Machine { region, out, ..Machine::new(self.now, capacity_units, ask) });
        self.alive_count += 1;
        self.up_count += u32::from(out == 0);
        if out > 0 {
            self.schedule.put(self.regions_out[usize::from(region)], Happening::VaultUp(number));
        }
        let up = self.up_days();
        let days = self.of_vaults.exponential(up);
        self.schedule.put(self.now.saturating_add(self.params.blocks(days)), Happening::VaultDown(number));
        let days = self.of_vaults.weibull(self.params.lifetime_shape, self.params.lifetime_days);
        self.schedule.put(self.now.saturating_add(self.params.blocks(days)), Happening::VaultLeaves(number));
        self.plan_disk_failure(number);
    }

    /// Registers the vault that comes next, with its bond; gives how many coins its account was given.
    pub(crate) fn register(&mut self, capacity_units: u64, ask: u128) -> u128 {
        let number = self.machines.len() as u32;
        let bond = (u128::from(capacity_units) * BondPerUnit::get()).max(10 * CRN);
        let coins = bond + 1_000 * CRN;
        self.fund(number, coins);
        let addresses = vec![b"vault.example:4000".to_vec().try_into().expect("it is short")];
        let addresses = addresses.try_into().expect("it is one");
        let key = service_key(number);
        let key = sp_core::Pair::public(&key).0;
        let joined = Vaults::register(signed(number), capacity_units, ask, addresses, key, bond);
        joined.expect("a vault that is new, with its bond, finds a place");
        self.sent(Kind::Vault, <() as VaultWeights>::register(), ENVELOPE_BYTES + 120);
        coins
    }

    fn some_region(&mut self) -> u8 {
        let first = self.of_vaults.below(100) < self.params.outage_percent;
        let mut left = self.of_vaults.below(REGIONS.iter().sum());
        let other = REGIONS.iter().position(|weight| match left.checked_sub(*weight) {
            Some(rest) => {
                left = rest;
                false
            },
            None => true,
        });
        if first {
            0
        } else {
            1 + other.unwrap_or(0) as u8
        }
    }

    /// Mean days between a vault's outages.
    fn up_days(&self) -> f64 {
        let mean_minutes = self.params.down_minutes * (self.params.down_sigma.powi(2) / 2.0).exp();
        mean_minutes / 1_440.0 * self.params.up / (1.0 - self.params.up)
    }

    fn plan_disk_failure(&mut self, vault: u32) {
        if self.params.disk_failures > 0.0 {
            let days = self.of_vaults.exponential(365.0 / self.params.disk_failures);
            self.schedule.put(self.now.saturating_add(self.params.blocks(days)), Happening::DiskFails(vault));
        }
    }

    pub(crate) fn begin_outages(&mut self) {
        for region in 0..=REGIONS.len() as u8 {
            let days = self.of_network.exponential(self.params.region_days);
            let hours = self.of_network.lognormal(self.params.region_hours, 1.0);
            let block = self.first.saturating_add(self.params.blocks(days));
            self.schedule.put(block, Happening::RegionDown(region, self.params.hours(hours)));
        }
        if self.params.outage_day > 0 {
            let block = self.first + self.params.blocks(f64::from(self.params.outage_day) + 0.5);
            self.schedule.put(block, Happening::RegionDown(0, self.params.hours(self.params.outage_hours)));
        }
    }

    pub(crate) fn region_down(&mut self, region: u8, blocks: u32) {
        let until = self.now + blocks;
        self.regions_out[usize::from(region)] = self.regions_out[usize::from(region)].max(until);
        for vault in 0..self.machines.len() as u32 {
            let machine = &self.machines[vault as usize];
            if machine.region == region && !machine.left && !machine.gone {
                self.goes_out(vault);
                self.schedule.put(until, Happening::VaultUp(vault));
            }
        }
        let largest = region == 0 && self.params.hours(self.params.outage_hours) == blocks;
        self.figures.region_outages += 1;
        if largest {
            self.count_unreadable();
        } else {
            let days = self.of_network.exponential(self.params.region_days);
            let hours = self.of_network.lognormal(self.params.region_hours, 1.0);
            let next = until.saturating_add(self.params.blocks(days));
            self.schedule.put(next, Happening::RegionDown(region, self.params.hours(hours)));
        }
    }

    /// Counts the drives that can't be read now.
    fn count_unreadable(&mut self) {
        for drive in 0..self.drives.len() as u64 {
            let bytes = self.drives[drive as usize];
            if bytes.ended || !bytes.written {
                continue;
            }
            let readable = (0..4 * bytes.needed).filter(|slot| {
                let at = SlotAt { drive, slot: *slot };
                let up = |vault: u32| self.machines[vault as usize].up();
                self.is_intact(at) && Self::holder(at).is_some_and(|(vault, _)| up(vault))
            });
            let readable = readable.take(bytes.needed.into()).count() == usize::from(bytes.needed);
            self.figures.outage_drives[usize::from(bytes.needed > 1)].0 += 1;
            self.figures.outage_drives[usize::from(bytes.needed > 1)].1 += u64::from(!readable);
        }
    }

    fn goes_out(&mut self, vault: u32) {
        let was_up = self.machines[vault as usize].up();
        self.machines[vault as usize].out += 1;
        if was_up {
            self.is_out(vault);
        }
    }

    /// A vault that was up until now isn't any more.
    fn is_out(&mut self, vault: u32) {
        let (now, notice) = (self.now, self.notice());
        let machine = &mut self.machines[vault as usize];
        if now - machine.since > notice {
            machine.long_until = now;
        }
        machine.since = now;
        machine.outages += 1;
        self.up_count -= 1;
        self.plan_report(vault, true);
    }

    pub(crate) fn vault_down(&mut self, vault: u32) {
        let machine = &self.machines[vault as usize];
        if machine.gone || machine.left {
            return;
        }
        let minutes = self.of_vaults.lognormal(self.params.down_minutes, self.params.down_sigma);
        let back = self.now.saturating_add(self.seconds(minutes * 60.0).max(1));
        self.goes_out(vault);
        self.schedule.put(back, Happening::VaultUp(vault));
        let mean = self.up_days();
        let days = self.of_vaults.exponential(mean);
        self.schedule.put(back.saturating_add(self.params.blocks(days).max(1)), Happening::VaultDown(vault));
    }

    pub(crate) fn vault_up(&mut self, vault: u32) {
        let now = self.now;
        let machine = &mut self.machines[vault as usize];
        machine.out = machine.out.saturating_sub(1);
        if machine.left || !machine.up() {
            return;
        }
        machine.since = now;
        self.up_count += 1;
        let waiting = std::mem::take(&mut machine.waiting);
        let soon = self.now + 1 + self.of_vaults.below(self.seconds(60.0).max(1).into()) as u32;
        self.schedule.put(soon, Happening::Proves(vault));
        waiting.into_iter().for_each(|at| self.schedule.put(soon, Happening::Restores(vault, at)));
    }

    pub(crate) fn proves(&mut self, vault: u32) {
        if !self.machines[vault as usize].up() {
            return;
        }
        let who = account(vault);
        let Some(challenge) = Challenges::<Runtime>::get(&who).filter(|open| !open.targets.is_empty()) else { return };
        if self.shows_wrong(vault) {
            let wrong = Storage::prove_with(who, challenge.id(), challenge.targets.len(), |_, _| false);
            assert_eq!(wrong, Ok(false), "what is wrong is no proof");
            self.eve.calls += 1;
            return;
        }
        let lacking: Vec<SlotAt> =
            challenge.targets.iter().map(|target| target.at).filter(|at| self.lacks(vault, *at)).collect();
        for at in &lacking {
            self.loss_found(vault, *at);
        }
        // The shards that are asked for it reads from the group, and shows them in time.
        if !lacking.iter().all(|at| self.can_rebuild(*at, vault)) {
            self.machines[vault as usize].lacked_block = self.now;
            self.schedule.put(self.now + self.params.hours(0.3), Happening::Proves(vault));
            return;
        }
        let count = challenge.targets.len();
        let bytes: u64 = challenge.targets.iter().map(|target| logs::proof_bytes(target.units)).sum();
        let all_right = match self.evidence {
            Evidence::Checked => {
                let proofs: Vec<_> =
                    challenge.targets.iter().map(|target| logs::prove(target.units, target.chunk)).collect();
                let proofs = BoundedVec::truncate_from(proofs);
                let done = Storage::prove(signed(vault), challenge.id(), proofs);
                done.is_ok_and(|done| done.pays_fee == frame_support::dispatch::Pays::No)
            },
            Evidence::Known => {
                with_storage_layer(|| Storage::prove_with(who, challenge.id(), count, |_, _| true)) == Ok(true)
            },
        };
        if !all_right {
            self.figures.proofs_refused += 1;
        }
        self.sent(Kind::Prove, <OfStorage as StorageWeights>::prove(count as u32), ENVELOPE_BYTES + 34 + bytes);
    }

    /// Whether a vault doesn't have the bytes of a slot that it is liable for. One that is behind has what it was challenged
    /// for.
    fn lacks(&self, vault: u32, at: SlotAt) -> bool {
        !self.is_intact(at) && Self::holder(at) == Some((vault, SlotState::Healthy))
    }

    /// A vault was drawn to rebuild a slot: when it will have read it.
    pub(crate) fn plan_rebuild(&mut self, vault: u32, at: SlotAt) -> u32 {
        let Some(drive) = Drives::<Runtime>::get(at.drive) else { return self.now + 1 };
        let whole = Slots::<Runtime>::get(at).is_some_and(|slot| slot.leaving);
        let shards = if whole { 1 } else { u64::from(drive.coding.data()) };
        let units = drive.live_units() * shards;
        let seconds = (units * UNIT_BYTES as u64 * 8) as f64 / (self.params.mbits * 1e6);
        let blocks = self.seconds(seconds) + 1;
        let machine = &mut self.machines[vault as usize];
        machine.busy_until = machine.busy_until.max(self.now).saturating_add(blocks);
        machine.read_units += units;
        self.figures.rebuilt_units += units;
        machine.busy_until + 1
    }

    pub(crate) fn restores(&mut self, vault: u32, at: SlotAt) {
        let Some(slot) = Slots::<Runtime>::get(at) else { return };
        let who = account(vault);
        let behind = slot.vault.as_ref() == Some(&who) && slot.state == SlotState::Behind;
        let succeeds = slot.successor.as_ref().is_some_and(|successor| successor.vault == who);
        // Who signs nothing doesn't take it later either.
        if !behind && !succeeds || !self.signs(vault) && self.machines[vault as usize].up() {
            return;
        }
        if !self.machines[vault as usize].up() {
            self.machines[vault as usize].waiting.push(at);
            return;
        }
        let Some(drive) = Drives::<Runtime>::get(at.drive) else { return };
        let account_bytes: [u8; 32] = who.into();
        let chunk = restore_chunk(
            &crate::runtime::genesis_hash(),
            at,
            &account_bytes,
            &slot.root,
            drive.trimmed_units,
            drive.units,
        );
        if chunk.is_some() && !self.can_rebuild(at, vault) {
            self.figures.rebuilds_put_off += 1;
            self.schedule.put(self.now + self.params.hours(1.0), Happening::Restores(vault, at));
            return;
        }
        let proof = chunk.map(|chunk| Box::new(logs::prove(drive.units, chunk)));
        let bytes = ENVELOPE_BYTES + 12 + chunk.map_or(0, |_| logs::proof_bytes(drive.units));
        self.sent(Kind::Restore, <OfStorage as StorageWeights>::restore(), bytes);
        match Storage::restore(signed(vault), at.drive, at.slot, proof) {
            Ok(_) => {
                self.regain(at);
                self.figures.restored += 1;
            },
            Err(_) => self.figures.restores_refused += 1,
        }
    }

    pub(crate) fn held(vault: u32) -> Vec<(SlotAt, bool)> {
        let of_vault = HeldSlots::<Runtime>::iter_prefix(account(vault));
        of_vault.map(|(key, successor)| (pallet_storage::slot_of(key), successor)).collect()
    }

    pub(crate) fn disk_fails(&mut self, vault: u32) {
        if self.machines[vault as usize].gone || self.machines[vault as usize].left {
            return;
        }
        self.plan_disk_failure(vault);
        self.figures.disks_failed += 1;
        // From all of it to a hundredth.
        let part = 10f64.powf(-2.0 * self.of_vaults.unit());
        let silent = self.of_vaults.chance(self.params.silent);
        for (at, successor) in Self::held(vault) {
            if successor || !self.of_vaults.chance(part) || !self.is_intact(at) {
                continue;
            }
            self.lose(at);
            // The scrubber reads everything in a month.
            let after = if silent { self.of_vaults.below(self.params.blocks(30.0).into()) as u32 } else { 1 };
            self.schedule.put(self.now + 1 + after, Happening::LossFound(vault, at));
        }
    }

    pub(crate) fn loss_found(&mut self, vault: u32, at: SlotAt) {
        let still = Self::holder(at).is_some_and(|(holder, state)| holder == vault && state == SlotState::Healthy);
        if !still || self.is_intact(at) || self.machines[vault as usize].gone {
            return;
        }
        let block = self.plan_rebuild(vault, at);
        self.schedule.put(block, Happening::LossMended(vault, at));
    }

    pub(crate) fn loss_mended(&mut self, vault: u32, at: SlotAt) {
        let still = Self::holder(at).is_some_and(|(holder, _)| holder == vault);
        let lost = self.drives.get(at.drive as usize).is_none_or(|bytes| bytes.lost || bytes.ended);
        if !still || lost || self.is_intact(at) || self.machines[vault as usize].gone {
            return;
        }
        match self.machines[vault as usize].up() && self.can_rebuild(at, vault) {
            true => self.regain(at),
            false => self.schedule.put(self.now + self.params.hours(1.0), Happening::LossMended(vault, at)),
        }
    }

    pub(crate) fn vault_leaves(&mut self, vault: u32) {
        let machine = &self.machines[vault as usize];
        if machine.gone || machine.left || machine.leaving.is_some() {
            return;
        }
        let days = self.of_vaults.exponential(1.0);
        self.schedule.put(self.now + 1 + self.params.blocks(days), Happening::VaultJoins);
        if self.of_vaults.chance(self.params.vanish) {
            self.vanishes(vault);
            return;
        }
        self.machines[vault as usize].leaving = Some(self.now);
        self.figures.left_in_order += 1;
        self.sent(Kind::Vault, <() as VaultWeights>::begin_exit(), ENVELOPE_BYTES + 2);
        // One that was thrown out is on its way already.
        if Vaults::begin_exit(signed(vault)).is_err() {
            self.figures.exits_refused += 1;
        }
        self.schedule.put(self.now + 1, Happening::VaultTidies(vault));
    }

    fn vanishes(&mut self, vault: u32) {
        self.figures.vanished += 1;
        let machine = &mut self.machines[vault as usize];
        let was_up = machine.up();
        machine.gone = true;
        self.alive_count -= 1;
        if was_up {
            self.is_out(vault);
        }
        for (at, successor) in Self::held(vault) {
            if !successor {
                self.lose(at);
            }
        }
    }

    pub(crate) fn vault_tidies(&mut self, vault: u32) {
        let machine = &self.machines[vault as usize];
        if machine.gone || machine.left {
            return;
        }
        let patience = self.params.blocks(PATIENCE_DAYS);
        if machine.leaving.is_some_and(|since| self.now - since > patience) {
            self.figures.lost_patience += 1;
            self.vanishes(vault);
            return;
        }
        let again = self.now + self.params.hours(3.0);
        let who = account(vault);
        let Some(on_chain) = pallet_vaults::Vaults::<Runtime>::get(&who).filter(|_| machine.up()) else {
            self.schedule.put(again, Happening::VaultTidies(vault));
            return;
        };
        if on_chain.slots > 0 {
            if on_chain.status == VaultStatus::Exiting {
                self.asks_for_successors(vault);
            }
            self.schedule.put(again, Happening::VaultTidies(vault));
            return;
        }
        self.sent(Kind::Vault, <() as VaultWeights>::finish_exit(), ENVELOPE_BYTES + 2);
        if Vaults::finish_exit(signed(vault)).is_err() {
            self.schedule.put(again, Happening::VaultTidies(vault));
            return;
        }
        let machine = &mut self.machines[vault as usize];
        machine.left = true;
        let (leaving, now) = (machine.leaving, self.now);
        self.alive_count -= 1;
        self.up_count -= 1;
        match leaving {
            Some(since) => self.figures.exit_blocks.add(now - since),
            // It was thrown out, and comes again as another.
            None => self.schedule.put(again, Happening::VaultJoins),
        }
    }

    fn asks_for_successors(&mut self, vault: u32) {
        let who = account(vault);
        let asked: Vec<SlotAt> = Challenges::<Runtime>::get(&who)
            .map_or(Vec::new(), |open| open.targets.iter().map(|target| target.at).collect());
        let mut to_leave: Vec<SlotAt> = Self::held(vault)
            .into_iter()
            .filter(|(at, successor)| !successor && !asked.contains(at))
            .map(|(at, _)| at)
            .filter(|at| Slots::<Runtime>::get(at).is_some_and(|slot| !slot.leaving && !slot.disputed))
            .collect();
        while !to_leave.is_empty() {
            let rest = to_leave.split_off(to_leave.len().min(LEAVES_MAX as usize));
            let count = to_leave.len() as u32;
            let left = Storage::leave_slots(signed(vault), BoundedVec::truncate_from(to_leave));
            left.expect("slots that are neither challenged nor disputed can be left");
            self.sent(
                Kind::Vault,
                <OfStorage as StorageWeights>::leave_slots(count),
                ENVELOPE_BYTES + 2 + 9 * u64::from(count),
            );
            to_leave = rest;
        }
    }
}
