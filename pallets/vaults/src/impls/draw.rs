// SPDX-License-Identifier: Apache-2.0

//! The draw of groups.
//!
//! # Correctness
//! Without replacement, each next vault in proportion to [`Pallet::weight_of`] among those that qualify. With at most
//! [`SCANNED_MAX`] vaults in the classes that could qualify all are looked at, so that a small network's draw fails only if
//! there are too few. With more, a class is drawn by its size and upper bound, then a vault in it, which is kept with
//! the probability that its weight has of that bound: exactly in proportion again, since what is refused is drawn anew.
//! Tries are bounded; what they leave is filled from a stretch of the lists that begins at a random vault.

use crate::{
    ask_class, room_class, Balance, Config, Dice, Error, Members, Pallet, Rows, RowsUsed, Vault, Vaults, ONE_PPM,
    PROBATION_DIVISOR, ROOM_CLASSES,
};
use alloc::vec::Vec;
use cairn_primitives::storage::VaultStatus;
use codec::Encode;
use frame_support::{pallet_prelude::DispatchError, traits::Randomness};

/// With at most so many vaults that could qualify each is looked at.
pub const SCANNED_MAX: u64 = 64;
/// Where tries have ended without enough, so many more are looked at.
const FILLED_MAX: u64 = 256;
/// Tries for each vault that is wanted, and for the whole draw.
const TRIES_EACH: u32 = 8;
const TRIES_MORE: u32 = 64;
/// What an answer to [`Pallet::eligible`] looks at.
const COUNTED_MAX: u32 = 4_096;

/// What a draw is for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a, AccountId> {
    /// Plancks for a GiB and period; the vault asks no more.
    pub price: Balance,
    /// Units that the vault has room for.
    pub capacity_units: u64,
    /// Vaults that won't do.
    pub exclude: &'a [AccountId],
}

/// Vaults of one class of ask and one class of room.
#[derive(Clone, Copy)]
struct Class {
    ask: u8,
    room: u8,
    count: u32,
}

impl Class {
    /// No vault of the class has this much room times score (in millionths).
    fn bound(&self) -> u128 {
        u128::from(ONE_PPM) << (u32::from(self.room) + 1)
    }

    fn weight(&self) -> u128 {
        self.bound().saturating_mul(self.count.into())
    }
}

impl<T: Config> Pallet<T> {
    /// Draws `count` distinct vaults, by this block's randomness and `subject`, which no two draws of a block share.
    ///
    /// # Errors
    /// `NotEnoughVaults`.
    pub fn draw(
        subject: &impl Encode,
        wanted: Wanted<'_, T::AccountId>,
        count: u32,
    ) -> Result<Vec<T::AccountId>, DispatchError> {
        let (hash, _) = T::Randomness::random(&(b"vaults/draw", subject).encode());
        Self::draw_by(Dice::new(seed_of(hash.as_ref())), wanted, count)
    }

    /// Whether so many vaults qualify: exactly, where few are in question; else by the counts of their classes alone.
    ///
    /// # Errors
    /// `NotEnoughVaults`.
    pub fn ensure_may_draw(wanted: &Wanted<'_, T::AccountId>, count: u32) -> Result<(), Error<T>> {
        let classes = Self::classes_for(wanted);
        let mut vaults: u64 = classes.iter().map(|class| u64::from(class.count)).sum();
        if vaults <= SCANNED_MAX {
            let all = classes.iter().flat_map(|class| (0..class.count).map(move |index| (class, index)));
            vaults = all.filter(|(class, index)| Self::candidate(class, *index, wanted).is_some()).count() as u64;
        }
        match vaults < u64::from(count) {
            true => Err(Error::<T>::NotEnoughVaults),
            false => Ok(()),
        }
    }

    /// [`Self::draw`] with these dice.
    ///
    /// # Errors
    /// `NotEnoughVaults`.
    pub fn draw_by(
        mut dice: Dice,
        wanted: Wanted<'_, T::AccountId>,
        count: u32,
    ) -> Result<Vec<T::AccountId>, DispatchError> {
        let classes = Self::classes_for(&wanted);
        let vaults: u64 = classes.iter().map(|class| u64::from(class.count)).sum();
        let drawn = if vaults <= SCANNED_MAX {
            Self::draw_of_few(&mut dice, &wanted, count, &classes)
        } else {
            Self::draw_of_many(&mut dice, &wanted, count, &classes, vaults)
        };
        if drawn.len() as u64 == u64::from(count) {
            Ok(drawn)
        } else {
            Err(Error::<T>::NotEnoughVaults.into())
        }
    }

    /// How many vaults qualify. Exact as long as those that may and may not are at most a few thousand; fewer than there
    /// are otherwise. Not for use in a block.
    pub fn eligible(wanted: &Wanted<'_, T::AccountId>) -> u32 {
        let (sure_above, room_sure) = (ask_class(wanted.price), room_class(wanted.capacity_units));
        let mut left = COUNTED_MAX;
        let mut eligible = 0u32;
        for class in Self::classes_for(wanted) {
            let sure = class.ask < sure_above && room_sure.is_none_or(|room| class.room > room);
            if sure && wanted.exclude.is_empty() {
                eligible = eligible.saturating_add(class.count);
                continue;
            }
            let looked_at = class.count.min(left);
            left = left.saturating_sub(looked_at);
            let found = (0..looked_at).filter(|index| Self::candidate(&class, *index, wanted).is_some()).count();
            eligible = eligible.saturating_add(u32::try_from(found).unwrap_or(u32::MAX));
        }
        eligible
    }

    /// What a vault weighs in a draw: room times score, a quarter on probation. In millionths of a unit.
    pub fn weight_of(vault: &Vault) -> u128 {
        let weight = u128::from(Self::room(vault)) * u128::from(vault.reputation.score_ppm());
        match vault.status {
            VaultStatus::Active => weight,
            VaultStatus::Probation => weight / u128::from(PROBATION_DIVISOR),
            _ => 0,
        }
    }

    /// The classes whose vaults may qualify.
    fn classes_for(wanted: &Wanted<'_, T::AccountId>) -> Vec<Class> {
        let used = RowsUsed::<T>::get();
        let dearest = ask_class(wanted.price).min(63);
        let least = room_class(wanted.capacity_units.max(1)).unwrap_or(0);
        let mut classes = Vec::new();
        for ask in (0..=dearest).filter(|ask| used >> ask & 1 == 1) {
            let row = Rows::<T>::get(ask);
            let rooms = (least..ROOM_CLASSES as u8).zip(row.0.iter().skip(usize::from(least)));
            classes.extend(rooms.filter(|(_, count)| **count > 0).map(|(room, count)| Class {
                ask,
                room,
                count: *count,
            }));
        }
        classes
    }

    /// A vault of a class with its weight, if it qualifies.
    fn candidate(class: &Class, index: u32, wanted: &Wanted<'_, T::AccountId>) -> Option<(T::AccountId, u128)> {
        let who = Members::<T>::get((class.ask, class.room, index))?;
        let vault = Vaults::<T>::get(&who).filter(|_| !wanted.exclude.contains(&who))?;
        let fits = vault.ask <= wanted.price && Self::room(&vault) >= wanted.capacity_units;
        let weight = Self::weight_of(&vault);
        (fits && weight > 0).then_some((who, weight.min(class.bound())))
    }

    fn draw_of_few(
        dice: &mut Dice,
        wanted: &Wanted<'_, T::AccountId>,
        count: u32,
        classes: &[Class],
    ) -> Vec<T::AccountId> {
        let all = classes.iter().flat_map(|class| (0..class.count).map(move |index| (class, index)));
        let mut candidates: Vec<_> = all.filter_map(|(class, index)| Self::candidate(class, index, wanted)).collect();
        let mut drawn = Vec::new();
        while (drawn.len() as u64) < u64::from(count) && !candidates.is_empty() {
            let sum = candidates.iter().fold(0u128, |sum, (_, weight)| sum.saturating_add(*weight));
            let at = pick(dice.below(sum), candidates.iter().map(|(_, weight)| *weight));
            drawn.push(candidates.swap_remove(at.min(candidates.len().saturating_sub(1))).0);
        }
        drawn
    }

    fn draw_of_many(
        dice: &mut Dice,
        wanted: &Wanted<'_, T::AccountId>,
        count: u32,
        classes: &[Class],
        vaults: u64,
    ) -> Vec<T::AccountId> {
        let count = count as usize;
        let sum = classes.iter().fold(0u128, |sum, class| sum.saturating_add(class.weight()));
        let mut drawn: Vec<T::AccountId> = Vec::new();
        for _ in 0..(count as u32).saturating_mul(TRIES_EACH).saturating_add(TRIES_MORE) {
            if drawn.len() >= count {
                return drawn;
            }
            let Some(class) = classes.get(pick(dice.below(sum), classes.iter().map(Class::weight))) else { continue };
            let index = dice.below_u64(class.count.into()) as u32;
            let kept = dice.below(class.bound());
            match Self::candidate(class, index, wanted) {
                Some((who, weight)) if kept < weight && !drawn.contains(&who) => drawn.push(who),
                _ => {},
            }
        }
        // Few of many qualify: whoever does from a random place on.
        let first = dice.below_u64(vaults);
        for step in 0..FILLED_MAX.min(vaults) {
            if drawn.len() >= count {
                break;
            }
            let mut at = first.saturating_add(step).checked_rem(vaults).unwrap_or(0);
            let found = classes.iter().find(|class| match at.checked_sub(class.count.into()) {
                Some(left) => {
                    at = left;
                    false
                },
                None => true,
            });
            match found.and_then(|class| Self::candidate(class, at as u32, wanted)) {
                Some((who, _)) if !drawn.contains(&who) => drawn.push(who),
                _ => {},
            }
        }
        drawn
    }
}

/// In which of the weights, laid end to end, a number lies.
fn pick(mut number: u128, weights: impl Iterator<Item = u128>) -> usize {
    let mut last = 0;
    for (at, weight) in weights.enumerate() {
        last = at;
        match number.checked_sub(weight) {
            Some(left) => number = left,
            None => return at,
        }
    }
    last
}

/// The first 32 bytes of a hash.
pub(crate) fn seed_of(hash: &[u8]) -> [u8; 32] {
    let mut seed = [0; 32];
    for (to, from) in seed.iter_mut().zip(hash) {
        *to = *from;
    }
    seed
}
