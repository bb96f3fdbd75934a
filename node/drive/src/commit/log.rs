// SPDX-License-Identifier: Apache-2.0

//! The slots' logs as they grow: what receipts must name.

use cairn_primitives::storage::{Coding, Node, Range, ShardId, UNIT_BYTES};

use super::alike;
use crate::{
    chain::DriveState,
    manifest::{ids_per_stripe, Ranges},
    upload::fan::Stripe,
    DriveError,
};

/// Units for the manifest of a commit that must be free besides its content, for it to be begun at all.
const MANIFEST_UNITS: u64 = 4;

/// Of a drive's capacity one part in so many is kept free for what makes room: removing, moving, trimming. Without it nothing could be
/// removed from a full drive.
const KEPT_PARTS: u64 = 64;
/// The least and the most that is kept, in units: some commits' manifests, and 16 MiB of each log.
const KEPT_UNITS_MIN: u64 = 32;
const KEPT_UNITS_MAX: u64 = 4096;
/// However small the drive is, no more than one part in so many is kept.
const KEPT_PARTS_LEAST: u64 = 4;

/// Units of a drive that are kept free for what makes room.
pub(crate) fn kept_units(capacity_units: u64) -> u64 {
    let part = (capacity_units / KEPT_PARTS).clamp(KEPT_UNITS_MIN, KEPT_UNITS_MAX);
    part.min(capacity_units / KEPT_PARTS_LEAST)
}

/// The slots' logs.
pub(crate) struct Log {
    coding: Coding,
    /// One if all logs are alike, else one a slot.
    ranges: Vec<Range>,
    /// Units at which the logs are full.
    full_units: u64,
    /// Units before that which only what makes room may take.
    kept_units: u64,
    /// They are kept now.
    keeps: bool,
}

impl Log {
    pub fn new(drive: &DriveState, ranges: Vec<Range>) -> Self {
        let full_units = drive.trimmed_units.saturating_add(drive.capacity_units);
        Log { coding: drive.coding, ranges, full_units, kept_units: kept_units(drive.capacity_units), keeps: false }
    }

    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// Number of the next stripe.
    pub fn next(&self) -> u64 {
        self.ranges.first().map_or(0, Range::leaves)
    }

    /// Units of each log.
    pub fn units(&self) -> u64 {
        self.ranges.first().map_or(0, Range::units)
    }

    /// The root of a slot's log.
    pub fn root(&self, slot: u8) -> [u8; 32] {
        let own = if alike(self.coding) { 0 } else { usize::from(slot) };
        self.ranges.get(own).map(Range::root).unwrap_or_default()
    }

    /// Units of each log with so many bytes of content more, and their manifest.
    pub fn units_with(&self, bytes: u64) -> u64 {
        self.units().saturating_add(self.needed(bytes))
    }

    fn needed(&self, bytes: u64) -> u64 {
        bytes.div_ceil(u64::from(self.coding.data()) * UNIT_BYTES as u64).saturating_add(MANIFEST_UNITS)
    }

    /// Whether so many bytes of content can fit; what makes room may take what is kept free for it.
    ///
    /// # Errors
    /// [`DriveError::NoRoom`] if not; before anything is sent.
    pub fn check_room(&mut self, bytes: u64, makes_room: bool) -> Result<(), DriveError> {
        self.keeps = !makes_room;
        self.check_units(self.needed(bytes))
    }

    /// The content is written: its manifest may take what is kept free.
    pub fn content_ends(&mut self) {
        self.keeps = false;
    }

    fn check_units(&self, needed_units: u64) -> Result<(), DriveError> {
        let kept = if self.keeps { self.kept_units } else { 0 };
        let free_units = self.full_units.saturating_sub(kept).saturating_sub(self.units());
        if needed_units > free_units {
            return Err(self.no_room(needed_units, free_units));
        }
        Ok(())
    }

    fn no_room(&self, needed_units: u64, free_units: u64) -> DriveError {
        let bytes = |units: u64| units.saturating_mul(UNIT_BYTES as u64 * u64::from(self.coding.data()));
        DriveError::NoRoom { needed_bytes: bytes(needed_units), free_bytes: bytes(free_units) }
    }

    /// Adds a stripe; gives its number.
    ///
    /// # Errors
    /// [`DriveError::NoRoom`] if the drive is full.
    pub fn append(&mut self, stripe: &Stripe) -> Result<u64, DriveError> {
        self.check_units(stripe.size.units())?;
        let number = self.next();
        for (slot, range) in self.ranges.iter_mut().enumerate() {
            let id: &ShardId = stripe.ids.get(slot).unwrap_or(&stripe.ids[0]);
            if !range.append(Node::leaf(id, stripe.size), |_, _| {}) {
                return Err(self.no_room(stripe.size.units(), 0));
            }
        }
        Ok(number)
    }

    /// The ranges as they are now, for the root page.
    pub fn ranges(&self) -> RangesNow {
        match self.ranges.first() {
            Some(range) if alike(self.coding) => RangesNow::Alike(Ranges::Alike(range.clone())),
            _ => RangesNow::Each(self.ranges.clone()),
        }
    }

    /// Ids of a stripe as the manifest keeps them: a page has one.
    pub fn ids(&self, stripe: &Stripe) -> Vec<ShardId> {
        let per_stripe = ids_per_stripe(self.coding);
        (0..per_stripe).map(|slot| *stripe.id(slot as u8)).collect()
    }
}

/// Ranges for a root page.
pub(crate) enum RangesNow {
    /// In the page itself.
    Alike(Ranges),
    /// To be written apart.
    Each(Vec<Range>),
}
