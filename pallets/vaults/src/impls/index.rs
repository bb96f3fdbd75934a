// SPDX-License-Identifier: Apache-2.0

//! The index that groups are drawn from: lists of vaults by class of ask and class of room, without gaps.

use crate::{ask_class, room_class, Config, Members, Pallet, Position, Rows, RowsUsed, Vault, Vaults};
use cairn_primitives::storage::VaultStatus;
use frame_support::defensive;

impl<T: Config> Pallet<T> {
    /// The classes that a vault belongs in; none if it can't be drawn.
    pub(crate) fn classes_of(vault: &Vault) -> Option<(u8, u8)> {
        let drawable = matches!(vault.status, VaultStatus::Probation | VaultStatus::Active) && !vault.paused;
        let room = room_class(Self::room(vault)).filter(|_| drawable)?;
        Some((ask_class(vault.ask), room))
    }

    /// Puts a vault where it belongs. The vault itself is for the caller to store.
    pub(crate) fn reindex(who: &T::AccountId, vault: &mut Vault) {
        let wanted = Self::classes_of(vault);
        if wanted == vault.position.map(|position| (position.ask_class, position.room_class)) {
            return;
        }
        Self::leave_index(vault);
        vault.position = wanted.map(|(ask_class, room_class)| {
            let index = Self::count(ask_class, room_class, |count| count.saturating_add(1));
            Members::<T>::insert((ask_class, room_class, index), who);
            Position { ask_class, room_class, index }
        });
    }

    /// Takes a vault out, and puts the last of its class into the gap.
    pub(crate) fn leave_index(vault: &Vault) {
        let Some(Position { ask_class, room_class, index }) = vault.position else { return };
        let last = Self::count(ask_class, room_class, |count| count.saturating_sub(1)).saturating_sub(1);
        let Some(moved) = Members::<T>::take((ask_class, room_class, last)) else {
            defensive!("a class of vaults has a gap");
            return;
        };
        if index != last {
            Vaults::<T>::mutate(&moved, |other| {
                if let Some(position) = other.as_mut().and_then(|other| other.position.as_mut()) {
                    position.index = index;
                }
            });
            Members::<T>::insert((ask_class, room_class, index), moved);
        }
    }

    /// Changes a class's count, and gives what it was.
    fn count(ask_class: u8, room_class: u8, change: impl FnOnce(u32) -> u32) -> u32 {
        let mut row = Rows::<T>::get(ask_class);
        let Some(count) = row.0.get_mut(usize::from(room_class)) else { return 0 };
        let before = *count;
        *count = change(before);
        let used = row.0.iter().any(|count| *count > 0);
        match used {
            true => Rows::<T>::insert(ask_class, row),
            false => Rows::<T>::remove(ask_class),
        }
        RowsUsed::<T>::mutate(|rows| match used {
            true => *rows |= 1 << ask_class,
            false => *rows &= !(1 << ask_class),
        });
        before
    }
}
