// SPDX-License-Identifier: Apache-2.0

//! What the chain said last of this vault's slots.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

use cairn_client::chain::{storage::SlotAt, vaults::HeldSlot};

use crate::Held;

/// The slots of this vault at the last finalized block that was looked at. Requests are judged by it, so that none of them
/// makes work for the node.
#[derive(Default)]
pub(crate) struct Known(RwLock<Inner>);

#[derive(Default)]
struct Inner {
    block: u32,
    /// With the block at which each was read.
    slots: BTreeMap<SlotAt, (HeldSlot, u32)>,
}

impl Known {
    /// All slots at a block; what was read at a later one stays.
    pub fn replace(&self, held: &Held) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if held.block < inner.block {
            return;
        }
        inner.block = held.block;
        inner.slots.retain(|_, (_, block)| *block > held.block);
        for slot in &held.slots {
            inner.slots.entry(slot.at).or_insert_with(|| (slot.clone(), held.block));
        }
    }

    /// One slot, as it was at a finalized block that may be newer than the last look at all of them.
    pub fn learn(&self, slot: HeldSlot, block: u32) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match inner.slots.get(&slot.at) {
            Some((_, known)) if *known > block => {},
            _ => {
                inner.slots.insert(slot.at, (slot, block));
            },
        }
    }

    pub fn slot(&self, at: SlotAt) -> Option<HeldSlot> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).slots.get(&at).map(|(slot, _)| slot.clone())
    }

    pub fn slots(&self) -> Vec<HeldSlot> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).slots.values().map(|(slot, _)| slot.clone()).collect()
    }

    pub fn block(&self) -> u32 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).block
    }
}
