// SPDX-License-Identifier: Apache-2.0

//! Emptying the slots of vaults that were ejected, a few in each block.

use crate::{
    slot_of, Books, Config, Drives, Event, EvictionSpan, Evictions, HeldSlots, Pallet, SlotCause, Slots, Span,
    EVICTIONS_PER_BLOCK,
};
use frame_support::defensive;

impl<T: Config> Pallet<T> {
    /// Ejects a vault if `so`, and queues its slots to be emptied. Says whether that is new.
    pub(crate) fn eject_if(so: bool, who: &T::AccountId) -> bool {
        if !so || !pallet_vaults::Pallet::<T>::eject(who) {
            return false;
        }
        let slots = pallet_vaults::Vaults::<T>::get(who).map_or(0, |vault| vault.slots);
        Self::deposit_event(Event::VaultEjected { vault: who.clone(), slots });
        Books::<T>::mutate(who, |book| book.evicting = true);
        let end = EvictionSpan::<T>::mutate(Span::push);
        Evictions::<T>::insert(end, who);
        true
    }

    /// Gives a vault that was ejected in an outage another chance, at once or when its slots are emptied: until then it can't
    /// be given others, which would be emptied too.
    pub(crate) fn readmit(who: &T::AccountId) {
        let evicting = Books::<T>::mutate(who, |book| {
            book.readmitted = book.evicting;
            book.evicting
        });
        if !evicting {
            pallet_vaults::Pallet::<T>::readmit(who);
        }
    }

    /// Empties slots of the vault that was ejected first. Gives how many.
    pub(crate) fn do_evictions() -> u32 {
        let mut span = EvictionSpan::<T>::get();
        if span.entries() == 0 {
            return 0;
        }
        let Some(who) = Evictions::<T>::get(span.first) else {
            defensive!("the queue of ejected vaults has a gap");
            return 0;
        };
        // One more than is emptied says whether any are left.
        let wanted = EVICTIONS_PER_BLOCK as usize;
        let keys: alloc::vec::Vec<_> = HeldSlots::<T>::iter_prefix(&who).take(wanted.saturating_add(1)).collect();
        for (key, successor) in keys.iter().take(wanted) {
            let at = slot_of(*key);
            let (Some(mut drive), Some(mut slot)) = (Drives::<T>::get(at.drive), Slots::<T>::get(at)) else {
                defensive!("a vault has a slot that there isn't");
                HeldSlots::<T>::remove(&who, key);
                continue;
            };
            if *successor {
                // The slot's own entry in the queue draws another.
                Self::remove_successor(at, &drive, &mut slot);
            } else {
                Self::settle_drive(&mut drive);
                Self::vacate(at, &mut drive, &mut slot, SlotCause::Ejected);
                Drives::<T>::insert(at.drive, drive);
            }
            Slots::<T>::insert(at, slot);
        }
        if keys.len() <= wanted {
            Evictions::<T>::remove(span.first);
            span.first = span.first.saturating_add(1);
            EvictionSpan::<T>::put(span);
            let readmitted = Books::<T>::mutate(&who, |book| {
                book.evicting = false;
                core::mem::take(&mut book.readmitted)
            });
            if readmitted {
                pallet_vaults::Pallet::<T>::readmit(&who);
            }
        }
        keys.len().min(wanted) as u32
    }
}
