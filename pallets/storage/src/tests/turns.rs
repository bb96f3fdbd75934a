// SPDX-License-Identifier: Apache-2.0

use crate::{mock::*, Challenges, Error, Event, Tallies};
use cairn_primitives::storage::{challenge_id, ChunkProof, Coding, SlotState, VaultStatus};
use frame_support::{assert_noop, assert_ok, dispatch::Pays};
use std::collections::BTreeSet;

/// A drive of 60 units with its four vaults, and two vaults more.
fn setup() -> (u64, u32) {
    register(6);
    let id = create(ALICE, Coding::K1);
    commit(ALICE, id, 60);
    (id, holder(id, 0))
}

/// Lets a vault miss its next turn, and goes to the block that notes it.
fn miss(vault: u32) {
    run_proving_to_turn(vault);
    run_proving(DEADLINE + 1, &[vault]);
}

#[test]
fn a_turn_puts_what_was_earned_at_stake_and_a_proof_pays_it() {
    ExtBuilder.build_and_execute(|| {
        let (_, vault) = setup();
        let begun = now();
        run_to_turn(vault);
        let challenge = Challenges::<Test>::get(account(vault)).unwrap();
        let earned = u128::from(now() - begun) * 60 * RATE;
        assert_eq!((challenge.turn_block, challenge.due_block), (now(), now() + DEADLINE));
        assert_eq!((challenge.at_stake, challenge.targets.len()), (earned, PROOFS as usize));
        assert_eq!(book(vault).pending, 0);
        let before = free(vault);
        let done = prove_with(vault, proofs_of(vault)).unwrap();
        assert_eq!(done.pays_fee, Pays::No);
        assert_eq!(free(vault), before + earned);
        assert_eq!((book(vault).paid, mock_vault(vault).turns, mock_vault(vault).missed_history), (earned, 1, 0));
        let event = Event::Proven { vault: account(vault), turn_block: now(), paid: earned };
        System::assert_last_event(event.into());
        // The next challenge is another.
        run_to_turn(vault);
        let next = Challenges::<Test>::get(account(vault)).unwrap();
        assert_eq!(next.turn_block, challenge.turn_block + PERIOD);
        assert_eq!(next.at_stake, u128::from(PERIOD) * 60 * RATE);
        assert_ne!(next.targets, challenge.targets);
    });
}

fn mock_vault(number: u32) -> pallet_vaults::Vault {
    crate::mock::vault(number)
}

#[test]
fn a_proof_is_for_one_turn_and_in_its_time() {
    ExtBuilder.build_and_execute(|| {
        let (_, vault) = setup();
        let prove_of =
            |challenge, proofs: Vec<ChunkProof>| Storage::prove(signed(vault), challenge, proofs.try_into().unwrap());
        let challenge = || Challenges::<Test>::get(account(vault)).unwrap();
        // Before its turn there is nothing to prove.
        assert_noop!(prove_of(challenge_id(now(), &[]), vec![]), Error::<Test>::ChallengeUnknown);
        run_to_turn(vault);
        let (turn, id, proofs) = (now(), challenge().id(), proofs_of(vault));
        let of_another_turn = challenge_id(turn - 1, &challenge().targets);
        assert_noop!(prove_of(of_another_turn, proofs.clone()), Error::<Test>::ChallengeUnknown);
        assert_noop!(prove_of(id, proofs[1..].to_vec()), Error::<Test>::ProofCountWrong);
        let more = [proofs.clone(), proofs[..1].to_vec()].concat();
        assert_noop!(prove_of(id, more), Error::<Test>::ProofCountWrong);
        // Another can't answer for it.
        let other = Storage::prove(signed(VAULTS + 100), id, proofs.clone().try_into().unwrap());
        assert!(other.is_err());
        // The last block serves.
        run_to(turn + DEADLINE);
        assert_ok!(prove_of(id, proofs.clone()));
        assert_noop!(prove_of(id, proofs.clone()), Error::<Test>::ChallengeUnknown);
        // What was shown in one turn doesn't serve in another.
        run_to_turn(vault);
        let slots_before = mock_vault(vault).slots;
        assert_noop!(prove_of(id, proofs.clone()), Error::<Test>::ChallengeUnknown);
        assert_ok!(prove_of(challenge().id(), proofs));
        assert_eq!(mock_vault(vault).slots, slots_before - 1);
    });
}

#[test]
fn after_the_deadline_it_is_too_late() {
    ExtBuilder.build_and_execute(|| {
        let (_, vault) = setup();
        run_to_turn(vault);
        let (turn, proofs) = (now(), proofs_of(vault));
        let challenge = Challenges::<Test>::get(account(vault)).unwrap();
        let (at_stake, before) = (challenge.at_stake, reserve());
        run_proving(DEADLINE + 1, &[vault]);
        let late = Storage::prove(signed(vault), challenge.id(), proofs.try_into().unwrap());
        assert_noop!(late, Error::<Test>::ChallengeUnknown);
        assert_eq!(reserve(), before + at_stake);
        let event = Event::PayForfeited { vault: account(vault), turn_block: turn, amount: at_stake, missed: true };
        System::assert_has_event(event.into());
        assert_eq!((mock_vault(vault).missed_history, mock_vault(vault).missed_in_row), (1, 1));
    });
}

/// A fork: the same turn in two blocks of one number. What answers the one is, sent again into the chain of the other, no answer
/// at all: not a wrong one, which would cost the slot.
#[test]
fn what_answers_the_challenge_of_a_lost_block_costs_nothing_in_the_block_in_its_place() {
    let challenged = |before: fn(u64)| {
        let mut chain = ExtBuilder.build();
        let (vault, id, proofs) = chain.execute_with(|| {
            let (drive, vault) = setup();
            before(drive);
            run_to_turn(vault);
            (vault, Challenges::<Test>::get(account(vault)).unwrap().id(), proofs_of(vault))
        });
        (chain, vault, id, proofs)
    };
    let (_, _, lost, answer) = challenged(|_| ());
    // Another hash of the block before; and no other, but a checkpoint that the lost chain had not.
    let others: [fn(u64); 2] = [|_| Seed::set(Seed::get() + 1), |drive| commit(ALICE, drive, CAPACITY)];
    for other in others {
        let seed = Seed::get();
        let (mut chain, vault, id, proofs) = challenged(other);
        Seed::set(seed);
        assert_ne!(id, lost);
        chain.execute_with(|| {
            let sent_again = Storage::prove(signed(vault), lost, answer.clone().try_into().unwrap());
            assert_noop!(sent_again, Error::<Test>::ChallengeUnknown);
            assert_ok!(Storage::prove(signed(vault), id, proofs.try_into().unwrap()));
        });
    }
}

#[test]
fn a_wrong_proof_costs_its_slot_its_bond_and_the_pay_and_no_other_slot() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let (id, other) = (create(ALICE, Coding::K1), create(ALICE, Coding::K1));
        commit(ALICE, id, 40);
        commit(ALICE, other, 40);
        ProofCount::set(16);
        let vault = VAULTS;
        run_to_turn(vault);
        let challenge = Challenges::<Test>::get(account(vault)).unwrap();
        let of_id = challenge.targets.iter().filter(|target| target.at.drive == id).count();
        assert!(of_id > 0 && of_id < 16);
        let wrong = |target: &cairn_primitives::storage::Target| match target.at.drive == id {
            true => proof(target.at, target.units, (target.chunk + 1) % 160),
            false => proof(target.at, target.units, target.chunk),
        };
        let proofs: Vec<_> = challenge.targets.iter().map(wrong).collect();
        let (bond, before, kept) = (mock_vault(vault).bond, free(vault), reserve());
        let done = prove_with(vault, proofs).unwrap();
        assert_eq!(done.pays_fee, Pays::Yes);
        let slash = u128::from(CAPACITY) * BOND_PER_UNIT;
        assert_eq!(mock_vault(vault).bond, bond - slash);
        assert_eq!(free(vault), before);
        assert_eq!(reserve(), kept + challenge.at_stake + slash);
        assert_eq!(mock_vault(vault).slots, 1);
        let lost: Vec<_> = (0..4).filter(|number| slot(id, *number).state == SlotState::Empty).collect();
        assert_eq!(lost.len(), 1);
        assert!((0..4).all(|number| slot(other, number).state == SlotState::Healthy));
        assert_eq!(drive(id).rate, 3 * 40 * RATE);
        assert!(mock_vault(vault).reputation.score_ppm() < 700_000);
        ProofCount::set(PROOFS);
    });
}

#[test]
fn a_proof_of_another_log_or_of_another_length_is_wrong() {
    for forge in 0..3u8 {
        ExtBuilder.build_and_execute(|| {
            let (id, vault) = setup();
            run_to_turn(vault);
            let target = Challenges::<Test>::get(account(vault)).unwrap().targets[0];
            let mut proofs = proofs_of(vault);
            proofs[0] = match forge {
                0 => proof(at(id + 1_000, target.at.slot), 60, target.chunk),
                1 => proof(target.at, 61, target.chunk),
                _ => proof(target.at, 60, target.chunk ^ 1),
            };
            assert_ok!(prove_with(vault, proofs));
            assert_eq!(slot(id, target.at.slot).state, SlotState::Empty);
        });
    }
}

#[test]
fn a_challenge_is_answered_by_the_log_as_it_was_at_the_turn() {
    ExtBuilder.build_and_execute(|| {
        let (id, vault) = setup();
        run_to_turn(vault);
        commit(ALICE, id, 64);
        let before = free(vault);
        prove(vault);
        assert!(free(vault) > before);
        assert_eq!(drive(id).healthy, 4);
    });
}

#[test]
fn a_slot_that_went_is_not_asked_for() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let (id, other) = (create(ALICE, Coding::K1), create(ALICE, Coding::K1));
        commit(ALICE, id, 40);
        commit(ALICE, other, 40);
        ProofCount::set(16);
        run_to_turn(VAULTS);
        let all = proofs_of(VAULTS);
        assert_ok!(Storage::close(signed(ALICE), id));
        assert_noop!(prove_with(VAULTS, all), Error::<Test>::ProofCountWrong);
        let left = proofs_of(VAULTS);
        assert!(!left.is_empty() && left.len() < 16);
        assert_ok!(prove_with(VAULTS, left));
        assert_eq!(mock_vault(VAULTS).slots, 1);
        ProofCount::set(PROOFS);
    });
}

#[test]
fn a_vault_that_is_liable_for_nothing_is_paid_at_its_turn_without_a_challenge() {
    ExtBuilder.build_and_execute(|| {
        let (id, vault) = setup();
        run_proving_to_turn(vault);
        prove(vault);
        assert_ok!(Storage::trim(signed(ALICE), id, 1, 60));
        let (before, pending) = (free(vault), book(vault).pending);
        run_proving_to_turn(vault);
        assert!(Challenges::<Test>::get(account(vault)).is_none());
        assert_eq!(free(vault), before + pending);
        assert_eq!(mock_vault(vault).turns, 1);
    });
}

#[test]
fn a_miss_is_judged_at_the_next_deadline_and_costs_a_hundredth() {
    ExtBuilder.build_and_execute(|| {
        let (_, vault) = setup();
        let bond = mock_vault(vault).bond;
        miss(vault);
        assert_eq!((mock_vault(vault).bond, mock_vault(vault).reputation.score_ppm()), (bond, 1_000_000));
        let turn_block = now() - DEADLINE - 1;
        run_proving(PERIOD - 1, &[]);
        assert_eq!(mock_vault(vault).bond, bond);
        run_proving(1, &[]);
        assert_eq!(mock_vault(vault).bond, bond - bond / 100);
        assert!(mock_vault(vault).reputation.score_ppm() < 1_000_000);
        let event = Event::MissJudged {
            vault: account(vault),
            turn_block,
            // All four of the drive, each once.
            challenged: 4,
            missed: 1,
            slashed: bond / 100,
        };
        System::assert_has_event(event.into());
    });
}

#[test]
fn three_misses_in_a_row_empty_all_slots_at_once_and_cost_a_tenth_later() {
    ExtBuilder.build_and_execute(|| {
        let (id, vault) = setup();
        // Others with turns, so that one vault's misses are no outage.
        register_more();
        let held_slot = (0..4).find(|number| holder(id, *number) == vault).unwrap();
        miss(vault);
        miss(vault);
        assert_eq!(mock_vault(vault).status, VaultStatus::Probation);
        let bond = mock_vault(vault).bond;
        assert_eq!(bond, BOND - BOND / 100, "one was judged");
        let slots = mock_vault(vault).slots;
        miss(vault);
        let after = mock_vault(vault);
        assert_eq!((after.status, after.bond), (VaultStatus::Ejected, bond - bond / 100));
        assert_eq!((after.slots, slot(id, held_slot).state), (0, SlotState::Empty));
        let event = Event::VaultEjected { vault: account(vault), slots };
        System::assert_has_event(event.into());
        let bond = after.bond;
        run_proving(PERIOD, &[vault]);
        assert_eq!(mock_vault(vault).bond, bond - bond / 10);
        // Then it may go, with what is left.
        assert_ok!(Vaults::finish_exit(signed(vault)));
    });
}

/// A drive with other vaults than the first six.
fn register_more() {
    (10..22).for_each(|index| register_with(index, 1_000, BOND));
    for _ in 0..6 {
        let id = create(BOB, Coding::K1);
        commit(BOB, id, 20);
    }
}

#[test]
fn a_vault_that_misses_too_often_is_ejected_even_if_never_three_times_in_a_row() {
    ExtBuilder.build_and_execute(|| {
        let (_, vault) = setup();
        register_more();
        for turn in 0.. {
            assert!(turn < 15, "it should have been ejected");
            if turn % 3 == 0 {
                miss(vault);
            } else {
                run_proving_to_turn(vault);
                if mock_vault(vault).status == VaultStatus::Ejected {
                    assert!(turn >= 10, "too few turns to judge by");
                    break;
                }
                prove(vault);
            }
        }
    });
}

#[test]
fn a_wrong_proof_is_never_forgiven() {
    ExtBuilder.build_and_execute(|| {
        let (id, vault) = setup();
        run_to_turn(vault);
        let target = Challenges::<Test>::get(account(vault)).unwrap().targets[0];
        // All others are out.
        let wrong = vec![proof(at(id, target.at.slot), 60, target.chunk ^ 1); PROOFS as usize];
        let bond = mock_vault(vault).bond;
        assert_ok!(prove_with(vault, wrong));
        run_by(2 * PERIOD + DEADLINE);
        assert_eq!(mock_vault(vault).bond, bond - u128::from(CAPACITY) * BOND_PER_UNIT);
        assert_eq!(slot(id, target.at.slot).vault, None);
    });
}

#[test]
fn turns_are_spread_as_the_places_are_and_tallies_forgotten() {
    ExtBuilder.build_and_execute(|| {
        let (_, vault) = setup();
        let mut turns = BTreeSet::new();
        for _ in 0..6 * PERIOD {
            run_proving(1, &[]);
            if events()
                .iter()
                .any(|event| matches!(event, Event::Challenged { vault: who, .. } if *who == account(vault)))
            {
                turns.insert(now());
            }
        }
        let place = mock_vault(vault).place_block;
        assert_eq!(turns.len(), 6);
        assert!(turns.iter().all(|block| block % PERIOD == place));
        assert!(Tallies::<Test>::iter().count() <= 4);
        assert!(Tallies::<Test>::iter_keys().all(|period| period + 4 > now() / PERIOD));
    });
}

#[test]
fn a_vault_leaves_only_with_its_account_settled() {
    ExtBuilder.build_and_execute(|| {
        let (id, vault) = setup();
        run_to_turn(vault);
        assert_ok!(Vaults::begin_exit(signed(vault)));
        assert_ok!(Storage::close(signed(ALICE), id));
        assert_noop!(Vaults::finish_exit(signed(vault)), Error::<Test>::ChallengeOpen);
        let before = free(vault) + mock_vault(vault).bond;
        let owed = Challenges::<Test>::get(account(vault)).unwrap().at_stake + book(vault).pending;
        run_by(DEADLINE + 1);
        assert_ok!(Vaults::finish_exit(signed(vault)));
        assert_eq!(free(vault), before + owed);
        assert!(!crate::Books::<Test>::contains_key(account(vault)));
    });
}

#[test]
fn a_vault_cannot_leave_before_its_miss_is_judged_or_while_it_is_emptied() {
    ExtBuilder.build_and_execute(|| {
        let (id, vault) = setup();
        miss(vault);
        assert_ok!(Vaults::begin_exit(signed(vault)));
        assert_ok!(Storage::close(signed(ALICE), id));
        assert_noop!(Vaults::finish_exit(signed(vault)), Error::<Test>::MissUnjudged);
        run_by(PERIOD);
        Storage::eject_if(true, &account(vault));
        assert_noop!(Vaults::finish_exit(signed(vault)), Error::<Test>::EvictionUnfinished);
        run_by(1);
        assert_ok!(Vaults::finish_exit(signed(vault)));
    });
}

#[test]
fn hooks_weigh_what_they_do() {
    ExtBuilder.build_and_execute(|| {
        use frame_support::traits::Hooks;
        let (_, vault) = setup();
        let none = <() as crate::WeightInfo>::block_base();
        run_to(Storage::next_turn(mock_vault(vault).place_block) - 1);
        System::set_block_number(System::block_number() + 1);
        let busy = Storage::on_initialize(System::block_number());
        let turn = <() as crate::WeightInfo>::turn(PROOFS);
        assert!(busy.ref_time() >= none.ref_time() + turn.ref_time() * 9 / 10);
        // Without vaults, drives and queues there is nothing but looking.
        System::set_block_number(System::block_number() + 1);
        let place = now() % PERIOD;
        let had = pallet_vaults::Places::<Test>::get(place).len() as u64;
        let ended = pallet_vaults::Places::<Test>::get((now() - DEADLINE - 1) % PERIOD).len();
        let quiet = Storage::on_initialize(System::block_number());
        assert!(had > 0 || ended > 0 || quiet == none, "{quiet:?}");
    });
}
