// SPDX-License-Identifier: Apache-2.0

//! What happens when: a queue by block, and by the order in which things were put there.

use std::{cmp::Reverse, collections::BinaryHeap};

use cairn_primitives::storage::{DriveId, SlotAt};

/// Something that happens in a block. Vaults are meant by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Happening {
    /// Another operator comes.
    VaultJoins,
    /// A vault isn't reached for a while.
    VaultDown(u32),
    /// One reason less for a vault not to be reached.
    VaultUp(u32),
    /// A vault's operator gives up.
    VaultLeaves(u32),
    /// A vault that is on its way out does what there is to be done.
    VaultTidies(u32),
    /// A vault answers the challenge that is open.
    Proves(u32),
    /// A vault shows that it rebuilt or caught up with a slot.
    Restores(u32, SlotAt),
    /// A disk loses something.
    DiskFails(u32),
    /// What was lost silently is found.
    LossFound(u32, SlotAt),
    /// What was lost is there again.
    LossMended(u32, SlotAt),
    /// A watcher of a group can't read from a vault: in this outage of it.
    Reports(u32, u32),
    /// A region is cut off, for so many blocks.
    RegionDown(u8, u32),
    /// The attacker's next step.
    Attacks(u32),
    /// An owner comes with a drive.
    DriveBegins,
    /// An owner commits.
    DriveGrows(DriveId),
    /// An owner has enough.
    DriveCloses(DriveId),
    /// An owner was told that a drive runs dry.
    DriveTopUp(DriveId),
}

/// See the module.
#[derive(Default)]
pub struct Schedule {
    queue: BinaryHeap<Reverse<(u32, u64, Happening)>>,
    put: u64,
}

impl Schedule {
    /// Puts something into a block.
    pub fn put(&mut self, block: u32, happening: Happening) {
        self.queue.push(Reverse((block, self.put, happening)));
        self.put += 1;
    }

    /// The next thing of the blocks up to this one.
    pub fn take(&mut self, block: u32) -> Option<Happening> {
        let Reverse((due, ..)) = self.queue.peek()?;
        if *due > block {
            return None;
        }
        self.queue.pop().map(|Reverse((_, _, happening))| happening)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_the_order_in_which_it_was_put() {
        let mut schedule = Schedule::default();
        schedule.put(5, Happening::VaultDown(1));
        schedule.put(3, Happening::VaultDown(2));
        schedule.put(3, Happening::VaultDown(0));
        assert_eq!(schedule.take(2), None);
        assert_eq!(schedule.take(3), Some(Happening::VaultDown(2)));
        assert_eq!(schedule.take(3), Some(Happening::VaultDown(0)));
        assert_eq!(schedule.take(3), None);
        assert_eq!(schedule.take(9), Some(Happening::VaultDown(1)));
    }
}
