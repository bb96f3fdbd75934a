// SPDX-License-Identifier: Apache-2.0

//! How far vaults are trusted.

use crate::{
    Cause, Config, Event, Pallet, Vault, Vaults, EJECT_BELOW_PPM, HISTORY_TURNS, PROBATION_TURNS, RESUME_AT_PPM,
    SUSPEND_BELOW_PPM,
};
use cairn_primitives::storage::VaultStatus;

/// Of the last turns, more misses than a fifth are too many; and no more than a fifth are forgiven.
const MISSES_PER_TURNS: u32 = 5;
/// Of its last [`HISTORY_TURNS`] turns, so many of a vault's are forgiven and no more.
pub const FORGIVEN_MAX: u32 = HISTORY_TURNS / MISSES_PER_TURNS;
const HISTORY_MASK: u32 = (1 << HISTORY_TURNS) - 1;
/// Misses in a row that are too many.
pub(crate) const MISSES_IN_ROW: u8 = 3;

impl<T: Config> Pallet<T> {
    /// Moves a vault's score for a cause, and its status with it. Says whether the score is now so low that the vault
    /// is to be ejected. Accounts without a vault have no score.
    pub fn note(who: &T::AccountId, cause: Cause) -> bool {
        let noted = Self::mutate(who, |vault| {
            let from_ppm = vault.reputation.score_ppm();
            vault.reputation = vault.reputation.after(cause);
            let to_ppm = vault.reputation.score_ppm();
            Self::deposit_event(Event::ScoreChanged { who: who.clone(), from_ppm, to_ppm, cause });
            let proven = vault.turns >= PROBATION_TURNS;
            let to = match vault.status {
                VaultStatus::Probation | VaultStatus::Active if to_ppm < SUSPEND_BELOW_PPM => VaultStatus::Suspended,
                VaultStatus::Probation if proven && to_ppm >= RESUME_AT_PPM => VaultStatus::Active,
                VaultStatus::Suspended if to_ppm >= RESUME_AT_PPM && proven => VaultStatus::Active,
                VaultStatus::Suspended if to_ppm >= RESUME_AT_PPM => VaultStatus::Probation,
                status => status,
            };
            Self::turn_status(who, vault, to);
            if cause == Cause::Proven {
                vault.unsigned_in_row = 0;
            }
            Ok(proven && to_ppm < EJECT_BELOW_PPM && vault.status != VaultStatus::Ejected)
        });
        noted.unwrap_or(false)
    }

    /// Notes that a vault had a slot that was written to, and did nothing about it. That never ejects a vault; one that goes on
    /// is suspended.
    pub fn note_unsigned(who: &T::AccountId) {
        let Some(times) = Vaults::<T>::get(who).map(|vault| vault.unsigned_in_row) else { return };
        Self::note(who, Cause::Unsigned(times));
        let counted = Self::mutate(who, |vault| {
            vault.unsigned_in_row = times.saturating_add(1);
            Ok(())
        });
        if counted.is_err() {
            frame_support::defensive!("a vault is gone within a call");
        }
    }

    /// Enters a turn into a vault's history. Says whether that makes too many misses in a row.
    pub fn record_turn(who: &T::AccountId, missed: bool) -> bool {
        let recorded = Self::mutate(who, |vault| {
            vault.turns = vault.turns.saturating_add(1);
            vault.missed_history = (vault.missed_history << 1 | u32::from(missed)) & HISTORY_MASK;
            vault.forgiven_history = vault.forgiven_history << 1 & HISTORY_MASK;
            vault.missed_in_row = if missed { vault.missed_in_row.saturating_add(1) } else { 0 };
            Ok(vault.missed_in_row >= MISSES_IN_ROW)
        });
        recorded.unwrap_or(false)
    }

    /// Takes the miss of turn number `turn` (the first is 1) out of a vault's history, unless [`FORGIVEN_MAX`] of its last
    /// turns were forgiven already. Says whether it did.
    ///
    /// # Correctness
    /// Whoever can stage outages is forgiven no more often than others may be negligent.
    pub fn forgive_turn(who: &T::AccountId, turn: u32) -> bool {
        let forgiven = Self::mutate(who, |vault| {
            if vault.forgiven_history.count_ones() >= FORGIVEN_MAX {
                return Ok(false);
            }
            let age = vault.turns.saturating_sub(turn);
            if age < HISTORY_TURNS {
                vault.missed_history &= !(1 << age);
                vault.forgiven_history |= 1 << age;
            }
            Ok(true)
        });
        forgiven.unwrap_or(false)
    }

    /// Whether more than a fifth of a vault's last turns were misses; never before it had [`PROBATION_TURNS`].
    pub fn misses_too_often(vault: &Vault) -> bool {
        let turns = vault.turns.min(HISTORY_TURNS);
        turns >= PROBATION_TURNS && vault.missed_history.count_ones().saturating_mul(MISSES_PER_TURNS) > turns
    }

    /// Throws a vault out. Says whether that is new.
    pub fn eject(who: &T::AccountId) -> bool {
        let ejected = Self::mutate(who, |vault| {
            let new = vault.status != VaultStatus::Ejected;
            Self::turn_status(who, vault, VaultStatus::Ejected);
            Ok(new)
        });
        ejected.unwrap_or(false)
    }

    /// Gives an ejected vault another chance, on probation: what it was ejected for was forgiven. One whose score would
    /// have suspended it stays out. Says whether it is back.
    pub fn readmit(who: &T::AccountId) -> bool {
        let readmitted = Self::mutate(who, |vault| {
            let fit = vault.status == VaultStatus::Ejected && vault.reputation.score_ppm() >= SUSPEND_BELOW_PPM;
            if fit {
                vault.missed_in_row = 0;
                Self::turn_status(who, vault, VaultStatus::Probation);
            }
            Ok(fit)
        });
        readmitted.unwrap_or(false)
    }

    pub(crate) fn turn_status(who: &T::AccountId, vault: &mut Vault, to: VaultStatus) {
        let from = core::mem::replace(&mut vault.status, to);
        if from != to {
            Self::deposit_event(Event::StatusChanged { who: who.clone(), from, to });
        }
    }
}
