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

/// The slots' logs.
pub(crate) struct Log {
    coding: Coding,
    /// One if all logs are alike, else one a slot.
    ranges: Vec<Range>,
    /// Units at which the logs are full.
    full_units: u64,
}

impl Log {
    pub fn new(drive: &DriveState, ranges: Vec<Range>) -> Self {
        let full_units = drive.trimmed_units.saturating_add(drive.capacity_units);
        Log { coding: drive.coding, ranges, full_units }
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

    /// Whether so many bytes of content can fit.
    ///
    /// # Errors
    /// [`DriveError::NoRoom`] if not; before anything is sent.
    pub fn check_room(&self, bytes: u64) -> Result<(), DriveError> {
        let content = bytes.div_ceil(u64::from(self.coding.data()) * UNIT_BYTES as u64);
        self.check_units(content.saturating_add(MANIFEST_UNITS))
    }

    fn check_units(&self, needed_units: u64) -> Result<(), DriveError> {
        let free_units = self.full_units.saturating_sub(self.units());
        if needed_units > free_units {
            return Err(DriveError::NoRoom { needed_units, free_units });
        }
        Ok(())
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
                return Err(DriveError::NoRoom { needed_units: stripe.size.units(), free_units: 0 });
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
