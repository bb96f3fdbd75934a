// SPDX-License-Identifier: Apache-2.0

//! Owners: they make drives, fill them, pay, and end them.

use cairn_primitives::storage::{rate_per_block, Coding, DriveId, Receipt, SlotAt, SlotState, Visibility};
use frame_support::{storage::with_storage_layer, BoundedVec};
use pallet_storage::{Drives, Error, NextDrive, WeightInfo as StorageWeights};

use super::{Bytes, Evidence, World};
use crate::{
    figures::Kind,
    logs,
    runtime::{account, number, service_key, signed, Runtime, Storage, CRN, ENVELOPE_BYTES, OWNERS},
    schedule::Happening,
};

/// Drives of one owner.
const DRIVES_OF_OWNER: u32 = 100;
/// Units of capacity for each hundred units of files.
const ROOM_PERCENT: u64 = 160;

impl World {
    pub(crate) fn drive_begins(&mut self) {
        let coding = if self.of_drives.chance(self.params.wide) { Coding::K4 } else { Coding::K1 };
        let mib = self.of_drives.lognormal(self.params.files_mib, self.params.files_sigma).clamp(0.1, 4e6);
        let units = ((mib * 256.0) as u64 / u64::from(coding.data())).max(1);
        let capacity = units * ROOM_PERCENT / 100 + 1;
        let price = (self.of_drives.lognormal(self.params.price, 0.15) * 1e9) as u128;
        let (slots, period) = (u128::from(coding.slots()), self.params.day_blocks);
        let whole = rate_per_block(price, capacity, period) * slots * u128::from(period);
        let part = if self.params.paid_alike { 1.0 } else { 0.5 + self.of_drives.unit() };
        let days = f64::from(self.params.paid_days) * part;
        let needed = rate_per_block(price, units, period) * slots * u128::from(self.params.blocks(days));
        let escrow = whole.max(needed) * 100 / 98 + 100;
        let owner = OWNERS + self.owners / DRIVES_OF_OWNER;
        self.owners += 1;
        self.fund(owner, escrow + 10 * CRN);
        let id = NextDrive::<Runtime>::get();
        let made = Storage::create_drive(signed(owner), coding, capacity, price, escrow, Visibility::Private);
        self.sent(Kind::Create, <() as StorageWeights>::create_drive(coding.slots().into()), ENVELOPE_BYTES + 45);
        if made.is_err() {
            self.figures.drives_refused += 1;
            self.schedule.put(self.now + self.params.blocks(1.0), Happening::DriveBegins);
            return;
        }
        self.drives.push(Bytes { needed: coding.data(), fewest: u8::MAX, healthy: 0, ..Bytes::default() });
        assert_eq!(self.drives.len() as u64, id + 1, "drives are numbered one after the other");
        let soon = 1 + self.of_drives.below(self.params.hours(1.0).into()) as u32;
        self.schedule.put(self.now + soon, Happening::DriveGrows(id));
        let days = self.of_drives.exponential(self.params.drive_days);
        self.schedule.put(self.now.saturating_add(self.params.blocks(days)), Happening::DriveCloses(id));
    }

    pub(crate) fn drive_grows(&mut self, id: DriveId) {
        let Some(drive) = Drives::<Runtime>::get(id) else { return };
        let owner = number(&drive.owner);
        let files = drive.capacity_units * 100 / ROOM_PERCENT;
        let units = match drive.units {
            0 => files.max(1),
            units => units + (files / 50).max(1),
        };
        let mut version = drive.version;
        if units - drive.trimmed_units > drive.capacity_units {
            // What is no longer wanted is given up, so that it is as full as it was at first.
            let to = units - files.max(1);
            if let Err(error) = Storage::trim(signed(owner), id, version, to.min(drive.units)) {
                self.figures.refuse("trim", error.error);
            }
            let weight = <() as StorageWeights>::trim(drive.coding.slots().into());
            self.sent(Kind::Trim, weight, ENVELOPE_BYTES + 22);
            version = Drives::<Runtime>::get(id).map_or(version, |drive| drive.version);
        }
        if drive.version == 0 && self.redraws(owner, id) {
            self.schedule.put(self.now + self.seconds(60.0).max(2), Happening::DriveGrows(id));
            return;
        }
        let signers: Vec<Option<u32>> = (0..drive.coding.slots())
            .map(|slot| {
                let (vault, state) = Self::holder(SlotAt { drive: id, slot })?;
                (state == SlotState::Healthy && self.signs(vault)).then_some(vault)
            })
            .collect();
        let signed_by = signers.iter().flatten().count();
        if signed_by < usize::from(drive.coding.signatures_min()) {
            self.figures.commits_put_off += 1;
            self.schedule.put(self.now + self.params.hours(1.0), Happening::DriveGrows(id));
            return;
        }
        let committed = self.commit(owner, id, version, units, &signers);
        let bytes = ENVELOPE_BYTES + 80 + 33 * u64::from(drive.coding.slots()) + 64 * signed_by as u64;
        self.sent(Kind::Checkpoint, <() as StorageWeights>::checkpoint(drive.coding.slots().into()), bytes);
        match committed {
            Ok(()) => {
                self.committed(id, &signers);
                let of_slot = rate_per_block(drive.price, units - drive.trimmed_units, self.params.day_blocks);
                self.drives[id as usize].rate = of_slot * u128::from(drive.coding.slots());
            },
            Err(error) if error == Error::<Runtime>::EscrowTooSmall.into() => {
                self.drive_tops_up(id);
                self.schedule.put(self.now + 1, Happening::DriveGrows(id));
                return;
            },
            Err(error) => self.figures.refuse("checkpoint", error),
        }
        let days = self.of_drives.exponential(self.params.checkpoint_days);
        self.schedule.put(self.now.saturating_add(self.params.blocks(days).max(1)), Happening::DriveGrows(id));
    }

    fn commit(
        &self,
        owner: u32,
        id: DriveId,
        version: u64,
        units: u64,
        signers: &[Option<u32>],
    ) -> frame_support::dispatch::DispatchResult {
        let root = logs::root(units);
        let roots = BoundedVec::truncate_from(vec![root; signers.len()]);
        let head = b"head".to_vec().try_into().expect("it is short");
        let sign = |(slot, signer): (u8, &Option<u32>)| {
            let signer = (*signer)?;
            Some(match self.evidence {
                Evidence::Known => [0; 64],
                Evidence::Checked => {
                    let receipt = Receipt {
                        at: SlotAt { drive: id, slot },
                        version: version + 1,
                        root,
                        units,
                        until_block: u32::MAX,
                    };
                    let message = receipt.to_sign(&crate::runtime::genesis_hash());
                    sp_core::Pair::sign(&service_key(signer), &message).0
                },
            })
        };
        let signatures = BoundedVec::truncate_from((0u8..).zip(signers).map(sign).collect());
        match self.evidence {
            Evidence::Checked => {
                Storage::checkpoint(signed(owner), id, version, units, u32::MAX, roots, signatures, head)
            },
            Evidence::Known => with_storage_layer(|| {
                Storage::checkpoint_with(
                    account(owner),
                    id,
                    version,
                    units,
                    u32::MAX,
                    roots,
                    signatures,
                    head,
                    |_, _, _| Ok(()),
                )
            }),
        }
    }

    fn committed(&mut self, id: DriveId, signers: &[Option<u32>]) {
        let Some(bytes) = self.bytes(id) else { return };
        if bytes.written {
            return;
        }
        bytes.written = true;
        for (slot, signer) in signers.iter().enumerate() {
            bytes.intact |= u32::from(signer.is_some()) << slot;
        }
        bytes.fewest = bytes.intact.count_ones() as u8;
    }

    pub(crate) fn drive_tops_up(&mut self, id: DriveId) {
        let Some(drive) = Drives::<Runtime>::get(id) else { return };
        if self.drives[id as usize].forgotten {
            return;
        }
        let owner = number(&drive.owner);
        let slots = u128::from(drive.coding.slots());
        let whole = drive.duty(self.params.day_blocks).rate.max(1) * slots;
        let amount = whole * u128::from(self.params.blocks(self.params.paid_days.into())) * 100 / 98;
        self.fund(owner, amount);
        if let Err(error) = Storage::top_up(signed(owner), id, amount) {
            self.figures.refuse("top_up", error);
        }
        self.sent(Kind::TopUp, <() as StorageWeights>::top_up(), ENVELOPE_BYTES + 20);
    }

    pub(crate) fn drive_closes(&mut self, id: DriveId) {
        let Some(drive) = Drives::<Runtime>::get(id) else { return };
        if self.of_drives.chance(self.params.forgotten) {
            self.drives[id as usize].forgotten = true;
            return;
        }
        if let Err(error) = Storage::close(signed(number(&drive.owner)), id) {
            self.figures.refuse("close", error.error);
        }
        let weight = <() as StorageWeights>::end_drive(drive.coding.slots().into(), 0);
        self.sent(Kind::Close, weight, ENVELOPE_BYTES + 10);
    }
}
