// SPDX-License-Identifier: Apache-2.0

//! The proof cycle: turns, proofs, misses and their judgement; and what a block does at its beginning.

use crate::{
    worst_stretch, Books, Challenge, Challenges, Config, Error, Event, Miss, Pallet, SlotCause, Slots, Tallies, Tally,
    WeightInfo, Windows, EJECTION_PPM, MISS_PPM, PROOFS_MAX, WINDOWS_MAX,
};
use cairn_primitives::storage::{ChunkProof, SlotAt, Target, VaultStatus, SLOTS_MAX};
use codec::Encode;
use frame_support::{pallet_prelude::*, traits::Randomness};
use pallet_vaults::{Cause, Dice, Ledger, Pallet as Vaults, Places};

/// Calendar periods whose tallies are kept: a miss is judged in the second after its own at the latest, by what was in the one
/// before its own too.
const TALLIES_KEPT: u32 = 4;

impl<T: Config> Pallet<T> {
    /// What a block begins with. The order matters in one way: drives that are dry end before anything else of theirs is
    /// paid for.
    pub(crate) fn do_block() -> Weight {
        let now = Self::now();
        let mut weight = <T as Config>::WeightInfo::block_base();
        let mut add = |more: Weight, times: u32| weight = weight.saturating_add(more.saturating_mul(times.into()));

        let (slots, grants, looked_at) = Self::do_endings(now);
        let (ended, none) =
            (<T as Config>::WeightInfo::end_drive(slots, grants), <T as Config>::WeightInfo::end_drive(0, 0));
        add(<T as Config>::WeightInfo::warn_drive().saturating_add(none), looked_at);
        add(ended.saturating_sub(none), 1);
        // A draw for one slot is what a group's draw takes for each; a group of no slots is a look.
        let (groups, drawn) = Self::do_groups();
        let of_slots =
            <T as Config>::WeightInfo::draw_group(SLOTS_MAX).saturating_sub(<T as Config>::WeightInfo::draw_group(0));
        add(<T as Config>::WeightInfo::draw_group(0), groups);
        add(of_slots / u64::from(SLOTS_MAX), drawn);
        add(<T as Config>::WeightInfo::lose_dispute(), Self::do_disputes_due(now));
        add(<T as Config>::WeightInfo::miss(), Self::do_deadlines(now));
        let (turns, targets) = Self::do_turns(now);
        add(<T as Config>::WeightInfo::turn(0), turns);
        let of_targets = <T as Config>::WeightInfo::turn(PROOFS_MAX).saturating_sub(<T as Config>::WeightInfo::turn(0));
        add(of_targets / u64::from(PROOFS_MAX), targets);
        add(<T as Config>::WeightInfo::evict(), Self::do_evictions());
        let (looks, draws) = Self::do_repairs();
        add(<T as Config>::WeightInfo::look(), looks);
        add(<T as Config>::WeightInfo::draw_successor(), draws);
        weight
    }

    /// Blocks in which a challenge has to be answered; so that it ends before the next turn.
    pub(crate) fn deadline() -> u32 {
        T::DeadlineBlocks::get().min(Self::period().saturating_sub(2))
    }

    /// Draws the challenges of the vaults whose turn it is. Gives how many had their turn, and all targets.
    fn do_turns(now: u32) -> (u32, u32) {
        let period = Self::period();
        let in_period = now % period;
        if in_period == 0 {
            if let Some(old) = (now / period).checked_sub(TALLIES_KEPT) {
                Tallies::<T>::remove(old);
            }
        }
        let vaults = Places::<T>::get(in_period);
        let proofs = T::Proofs::get().min(PROOFS_MAX);
        let (mut targets, turns) = (0u32, vaults.len() as u32);
        for who in vaults {
            targets = targets.saturating_add(Self::do_turn(&who, now, proofs));
        }
        (turns, targets)
    }

    /// A vault's turn, with so many chunks to show; gives how many were found.
    pub(crate) fn do_turn(who: &T::AccountId, now: u32, proofs: u32) -> u32 {
        if Challenges::<T>::contains_key(who) {
            frame_support::defensive!("a challenge outlived its period");
            return 0;
        }
        let (liable_units, pending) =
            Self::with_book(who, |book| (book.liable_units, core::mem::take(&mut book.pending)));
        if liable_units == 0 {
            Self::pay_vault(who, pending);
            if pending > 0 {
                Self::deposit_event(Event::Paid { vault: who.clone(), amount: pending });
            }
            return 0;
        }
        let (hash, _) = T::TurnRandomness::random(&(b"storage/turn", who, now).encode());
        let mut dice = Dice::new(Self::first_32(hash.as_ref()));
        let targets = Self::draw_targets(&mut dice, who, proofs);
        let count = targets.len() as u32;
        let due_block = now.saturating_add(Self::deadline());
        let targets = BoundedVec::truncate_from(targets);
        Challenges::<T>::insert(who, Challenge { turn_block: now, due_block, at_stake: pending, targets });
        Self::tally(now, |tally| tally.challenged = tally.challenged.saturating_add(1));
        Self::deposit_event(Event::Challenged {
            vault: who.clone(),
            turn_block: now,
            due_block,
            at_stake: pending,
            targets: count,
        });
        count
    }

    /// Pays a vault; what its account can't take stays pending.
    fn pay_vault(who: &T::AccountId, amount: pallet_vaults::Balance) {
        let paid = Self::pay_out(who, amount);
        Books::<T>::mutate(who, |book| match paid {
            true => book.paid = book.paid.saturating_add(amount),
            false => book.pending = book.pending.saturating_add(amount),
        });
    }

    /// Says whether all proofs were right.
    pub(crate) fn do_prove(
        who: T::AccountId,
        challenge: [u8; 32],
        proofs: BoundedVec<ChunkProof, ConstU32<PROOFS_MAX>>,
    ) -> Result<bool, DispatchError> {
        Self::prove_with(who, challenge, proofs.len(), |index, target| {
            proofs.get(index).is_some_and(|proof| proof.verify(&target.root, target.units, target.chunk).is_ok())
        })
    }

    /// What [`Call::prove`](crate::Call::prove) does, whatever says which of so many proofs are right: the simulator knows it
    /// without checking. Says whether all were.
    ///
    /// # Errors
    /// Those of the call.
    pub fn prove_with(
        who: T::AccountId,
        challenge: [u8; 32],
        proofs: usize,
        is_right: impl Fn(usize, &Target) -> bool,
    ) -> Result<bool, DispatchError> {
        let challenge = Challenges::<T>::get(&who)
            .filter(|open| open.due_block >= Self::now() && open.id() == challenge)
            .ok_or(Error::<T>::ChallengeUnknown)?;
        let turn_block = challenge.turn_block;
        ensure!(proofs == challenge.targets.len(), Error::<T>::ProofCountWrong);
        Challenges::<T>::remove(&who);

        let mut wrong: alloc::vec::Vec<SlotAt> = alloc::vec::Vec::new();
        for (index, target) in challenge.targets.iter().enumerate() {
            if !is_right(index, target) && !wrong.contains(&target.at) {
                wrong.push(target.at);
            }
        }
        for target in challenge.targets.iter().filter(|target| !wrong.contains(&target.at)) {
            Slots::<T>::mutate(target.at, |slot| {
                if let Some(slot) = slot.as_mut().filter(|slot| slot.vault.as_ref() == Some(&who)) {
                    slot.proven_block = Some(Self::now());
                }
            });
        }
        if wrong.is_empty() {
            Self::pay_vault(&who, challenge.at_stake);
            Vaults::<T>::record_turn(&who, false);
            Self::eject_if(Vaults::<T>::note(&who, Cause::Proven), &who);
            Self::deposit_event(Event::Proven { vault: who, turn_block, paid: challenge.at_stake });
            return Ok(true);
        }
        Self::forfeit(&who, turn_block, challenge.at_stake, false);
        for at in wrong {
            let slashed = Self::punish(at, &who, SlotCause::ProofWrong);
            Self::deposit_event(Event::ProofWrong { vault: who.clone(), turn_block, at, slashed });
        }
        let too_many = Vaults::<T>::record_turn(&who, true);
        let too_low = Vaults::<T>::note(&who, Cause::ProofInvalid);
        Self::eject_if(too_many || too_low, &who);
        Ok(false)
    }

    fn forfeit(who: &T::AccountId, turn_block: u32, amount: pallet_vaults::Balance, missed: bool) {
        Self::add_to_reserve(amount);
        Self::deposit_event(Event::PayForfeited { vault: who.clone(), turn_block, amount, missed });
    }

    /// Judges older misses and notes new ones of the vaults whose deadline is over. Gives how many were looked at.
    fn do_deadlines(now: u32) -> u32 {
        let Some(turn_block) = now.checked_sub(Self::deadline().saturating_add(1)) else { return 0 };
        let vaults = Places::<T>::get(turn_block % Self::period());
        let looked_at = vaults.len() as u32;
        for who in vaults {
            Self::do_deadline(&who, turn_block);
        }
        looked_at
    }

    /// The end of the time in which a vault could answer to its turn in `turn_block`.
    pub(crate) fn do_deadline(who: &T::AccountId, turn_block: u32) {
        // By now all deadlines of turns in the period after that of the last miss are over, but those of this block.
        let judged = Books::<T>::get(who).miss.filter(|miss| miss.turn_block < turn_block);
        if let Some(miss) = judged {
            Books::<T>::mutate(who, |book| book.miss = None);
            Self::judge(who, miss);
        }
        let lapsed = Challenges::<T>::get(who).filter(|challenge| challenge.turn_block == turn_block);
        let Some(challenge) = lapsed else { return };
        Challenges::<T>::remove(who);
        if challenge.targets.is_empty() {
            // All that was asked for ceased to be the vault's duty: there was nothing to miss.
            Self::pay_vault(who, challenge.at_stake);
            Self::deposit_event(Event::Paid { vault: who.clone(), amount: challenge.at_stake });
            return;
        }
        Self::tally(turn_block, |tally| tally.missed = tally.missed.saturating_add(1));
        Self::forfeit(who, turn_block, challenge.at_stake, true);
        let ejecting = Vaults::<T>::record_turn(who, true);
        let (turn, stays) = pallet_vaults::Vaults::<T>::get(who)
            .map_or((0, false), |vault| (vault.turns, vault.status != VaultStatus::Exiting));
        // Whoever's fault it is, the data need another place.
        let ejected = Self::eject_if(ejecting, who) && stays;
        Books::<T>::mutate(who, |book| book.miss = Some(Miss { turn_block, turn, ejecting, ejected }));
    }

    fn judge(who: &T::AccountId, miss: Miss) {
        let tally = Self::tally_around(miss.turn_block);
        let mut slashed = 0;
        if tally.is_some_and(|tally| tally.is_outage()) && Vaults::<T>::forgive_turn(who, miss.turn) {
            if miss.ejected {
                Self::readmit(who);
            }
        } else if let Some(vault) = pallet_vaults::Vaults::<T>::get(who) {
            let ejecting = miss.ejecting || Vaults::<T>::misses_too_often(&vault);
            let part = if ejecting { EJECTION_PPM } else { MISS_PPM };
            slashed = Self::slash(who, Self::part(vault.bond, part));
            let too_low = Vaults::<T>::note(who, Cause::Missed);
            Self::eject_if(ejecting || too_low, who);
        }
        let Tally { challenged, missed } = tally.unwrap_or_default();
        let vault = who.clone();
        Self::deposit_event(Event::MissJudged { vault, turn_block: miss.turn_block, challenged, missed, slashed });
    }

    /// Blocks of a window.
    fn window_blocks() -> u32 {
        Self::period().div_ceil(WINDOWS_MAX as u32).max(1)
    }

    /// Counts for the window of the turns in a block.
    fn tally(turn_block: u32, count: impl FnOnce(&mut Tally)) {
        let index = (turn_block % Self::period() / Self::window_blocks()) as usize;
        Tallies::<T>::mutate(turn_block / Self::period(), |windows| {
            if let Some(tally) = windows.0.get_mut(index) {
                count(tally);
            }
        });
    }

    /// The worst stretch around the turns in a block, a period and the longest deadline after it; see [`worst_stretch`].
    fn tally_around(turn_block: u32) -> Option<Tally> {
        let (period, blocks) = (Self::period(), Self::window_blocks());
        let (row, windows) = (turn_block / period, period.div_ceil(blocks) as usize);
        let rows = [row.checked_sub(1), Some(row), row.checked_add(1)];
        let rows = rows.map(|row| row.map(Tallies::<T>::get).unwrap_or_default());
        let mut all: alloc::vec::Vec<Tally> =
            rows.iter().flat_map(|Windows(tallies)| tallies.iter().take(windows)).copied().collect();
        let at = windows.saturating_add((turn_block % period / blocks) as usize);
        // The same window a period later is not over.
        all.truncate(at.saturating_add(windows));
        worst_stretch(&all, at, windows)
    }
}

impl<T: Config> Ledger<T::AccountId> for Pallet<T> {
    fn close(who: &T::AccountId) -> DispatchResult {
        ensure!(!Challenges::<T>::contains_key(who), Error::<T>::ChallengeOpen);
        let mut book = Books::<T>::get(who);
        ensure!(book.miss.is_none(), Error::<T>::MissUnjudged);
        ensure!(!book.evicting, Error::<T>::EvictionUnfinished);
        Self::settle_book(&mut book);
        if !Self::pay_out(who, book.pending) {
            Self::add_to_reserve(book.pending);
        } else if book.pending > 0 {
            Self::deposit_event(Event::Paid { vault: who.clone(), amount: book.pending });
        }
        Books::<T>::remove(who);
        Ok(())
    }
}
