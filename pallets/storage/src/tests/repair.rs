// SPDX-License-Identifier: Apache-2.0

use crate::{mock::*, Error, Event, Queue, RepairSpans, SlotCause, DRAWS_PER_BLOCK, EVICTIONS_PER_BLOCK};
use cairn_primitives::storage::{Coding, SlotAt, SlotState, VaultStatus};
use frame_support::{assert_noop, assert_ok, BoundedVec};

fn lose(id: u64, number: u8) -> u32 {
    let lost = holder(id, number);
    Storage::punish(at(id, number), &account(lost), SlotCause::ProofWrong);
    lost
}

fn successor(id: u64, number_of_slot: u8) -> Option<u32> {
    slot(id, number_of_slot).successor.map(|successor| number(&successor.vault))
}

fn leave(who: u32, slots: Vec<SlotAt>) -> frame_support::dispatch::DispatchResult {
    Storage::leave_slots(signed(who), BoundedVec::truncate_from(slots))
}

#[test]
fn an_empty_slot_gets_a_successor_who_restores_it_and_has_a_bonus() {
    ExtBuilder.build_and_execute(|| {
        register(6);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 60);
        let lost = lose(id, 0);
        let members: Vec<u32> = (1..4).map(|number| holder(id, number)).collect();
        next_block();
        let next = successor(id, 0).unwrap();
        assert!(!members.contains(&next));
        assert_eq!((vault(next).slots, vault(next).reserved_units), (1, CAPACITY));
        let due = now() + RESTORE_BLOCKS;
        assert_eq!(slot(id, 0).successor.unwrap().due_block, due);
        // The slot's former vault may be drawn again; nobody else may restore it.
        let stranger = members[0];
        assert_noop!(restore(stranger, at(id, 0)), Error::<Test>::NothingToRestore);
        if next != lost {
            assert_noop!(restore(lost, at(id, 0)), Error::<Test>::NothingToRestore);
        }
        assert_noop!(Storage::restore(signed(next), id, 0, None), Error::<Test>::ProofMissing);
        let of_other = restore_proof(stranger, at(id, 0));
        if of_other != restore_proof(next, at(id, 0)) {
            assert_noop!(Storage::restore(signed(next), id, 0, of_other.map(Box::new)), Error::<Test>::ProofInvalid);
        }
        let (before, kept) = (free(next), reserve());
        assert_ok!(restore(next, at(id, 0)));
        let bonus = 60 * RATE * u128::from(PERIOD);
        assert_eq!((free(next), reserve()), (before + bonus, kept - bonus));
        assert_eq!((drive(id).healthy, drive(id).rate), (4, 4 * 60 * RATE));
        assert_eq!((holder(id, 0), slot(id, 0).successor), (next, None));
        let event = Event::SlotChanged {
            at: at(id, 0),
            from: None,
            from_state: SlotState::Empty,
            to: Some(account(next)),
            to_state: SlotState::Healthy,
            cause: SlotCause::Restored,
        };
        System::assert_has_event(event.into());
        // Now it is challenged like any other.
        run_proving_to_turn(next);
        assert!(Storage::api_challenge(&account(next)).is_some());
        run_proving(PERIOD, &[]);
        assert!(Queue::ALL.iter().all(|queue| RepairSpans::<Test>::get(queue).entries() == 0));
    });
}

#[test]
fn a_successor_that_does_not_come_is_replaced_and_not_punished() {
    ExtBuilder.build_and_execute(|| {
        register(12);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 60);
        lose(id, 0);
        next_block();
        let first = successor(id, 0).unwrap();
        run_proving(RESTORE_BLOCKS, &[]);
        assert_eq!(successor(id, 0), Some(first), "it still has this block");
        let score = vault(first).reputation.score_ppm();
        next_block();
        assert_noop!(restore(first, at(id, 0)), Error::<Test>::NothingToRestore);
        assert_eq!((vault(first).reputation.score_ppm(), vault(first).slots), (score, 0));
        assert_eq!(successor(id, 0), None, "the slot rests");
        run_proving(1, &[]);
        let next = successor(id, 0).unwrap();
        assert_ne!(next, first, "another was drawn");
        assert!(restore(next, at(id, 0)).is_ok());
        assert_eq!((slot(id, 0).failures, slot(id, 0).not_before), (0, 0));
    });
}

#[test]
fn a_late_restore_is_refused_even_before_anybody_looked() {
    ExtBuilder.build_and_execute(|| {
        register(6);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 60);
        lose(id, 0);
        next_block();
        let next = successor(id, 0).unwrap();
        let drawn = System::block_number();
        System::set_block_number(drawn + u64::from(RESTORE_BLOCKS) + 1);
        assert_noop!(restore(next, at(id, 0)), Error::<Test>::RestoreLate);
        System::set_block_number(drawn);
        assert_ok!(restore(next, at(id, 0)));
    });
}

#[test]
fn a_checkpoint_meanwhile_changes_what_a_successor_has_to_show() {
    ExtBuilder.build_and_execute(|| {
        register(6);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 40);
        lose(id, 0);
        next_block();
        let next = successor(id, 0).unwrap();
        let former = restore_proof(next, at(id, 0));
        commit(ALICE, id, 60);
        assert_noop!(Storage::restore(signed(next), id, 0, former.map(Box::new)), Error::<Test>::ProofInvalid);
        assert_ok!(restore(next, at(id, 0)));
        assert_eq!(book(next).rate, 60 * RATE);
    });
}

#[test]
fn with_nobody_eligible_a_slot_waits_and_is_tried_again() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 60);
        let lost = lose(id, 0);
        assert_ok!(Vaults::set_paused(signed(lost), true));
        run_proving(PERIOD, &[]);
        assert_eq!(successor(id, 0), None);
        assert_eq!(Storage::api_repair().1, 1);
        register_with(9, 1_000, BOND);
        // It was tried five times so far, after 1, 2, 4 and 8 blocks.
        assert_eq!(slot(id, 0).failures, 5);
        run_proving(slot(id, 0).not_before - now() + 1, &[]);
        assert_eq!(successor(id, 0), Some(VAULTS + 9));
    });
}

#[test]
fn an_empty_log_is_taken_over_without_a_proof() {
    ExtBuilder.build_and_execute(|| {
        register(6);
        let id = create(ALICE, Coding::K1);
        lose(id, 0);
        next_block();
        let next = successor(id, 0).unwrap();
        assert_ok!(Storage::restore(signed(next), id, 0, None));
        assert_eq!((slot(id, 0).state, drive(id).rate), (SlotState::Healthy, 0));
    });
}

#[test]
fn a_vault_that_leaves_goes_with_all_that_it_earned() {
    ExtBuilder.build_and_execute(|| {
        register(5);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 60);
        let gone = holder(id, 2);
        let (begun, before) = (now(), free(gone));
        assert_noop!(leave(gone, vec![at(id, 1)]), Error::<Test>::NotHolder);
        assert_noop!(leave(gone, vec![at(id, 4)]), Error::<Test>::SlotUnknown);
        assert_ok!(Vaults::begin_exit(signed(gone)));
        assert_ok!(leave(gone, vec![at(id, 2)]));
        System::assert_last_event(Event::LeaveAsked { at: at(id, 2), vault: account(gone) }.into());
        assert_noop!(leave(gone, vec![at(id, 2)]), Error::<Test>::AlreadyLeaving);
        next_block();
        let next = successor(id, 2).unwrap();
        assert_eq!((book(gone).rate, slot(id, 2).state), (60 * RATE, SlotState::Healthy));
        run_proving(3, &[]);
        let kept = reserve();
        assert_ok!(restore(next, at(id, 2)));
        assert_eq!(reserve(), kept, "there is no bonus for what was not lost");
        let earned = u128::from(now() - begun) * 60 * RATE;
        assert_eq!((book(gone).rate, vault(gone).slots), (0, 0));
        run_proving(DEADLINE + 1, &[]);
        assert_ok!(Vaults::finish_exit(signed(gone)));
        assert_eq!(free(gone), before + earned + BOND);
        assert_eq!(drive(id).healthy, 4);
    });
}

#[test]
fn wider_codings_wait_until_a_quarter_is_gone_and_are_then_refilled_whole() {
    ExtBuilder.build_and_execute(|| {
        register(20);
        let id = create(ALICE, Coding::K2);
        commit(ALICE, id, 30);
        lose(id, 0);
        run_proving(5, &[]);
        assert_eq!(successor(id, 0), None, "seven of eight are enough for now");
        assert!(!drive(id).refilling);
        lose(id, 5);
        run_proving(2, &[]);
        let (first, second) = (successor(id, 0).unwrap(), successor(id, 5).unwrap());
        assert_ok!(restore(first, at(id, 0)));
        // Once it has begun it goes on until all are there, whoever doesn't come.
        assert!(drive(id).refilling);
        run_proving(RESTORE_BLOCKS + 2, &[second]);
        let third = successor(id, 5).unwrap();
        assert_ok!(restore(third, at(id, 5)));
        assert_eq!((drive(id).healthy, drive(id).refilling), (8, false));
        lose(id, 3);
        run_proving(5, &[]);
        assert_eq!(successor(id, 3), None, "it waits again");
    });
}

#[test]
fn a_slot_that_stays_behind_gets_a_successor_and_may_still_catch_up() {
    ExtBuilder.build_and_execute(|| {
        register(6);
        let id = create(ALICE, Coding::K1);
        assert_ok!(checkpoint_without(ALICE, id, 30, &[3]));
        let late = holder(id, 3);
        run_proving(PERIOD / 4, &[]);
        assert_eq!(successor(id, 3), None, "it has its grace");
        run_proving(2, &[]);
        let next = successor(id, 3).unwrap();
        assert_ok!(restore(late, at(id, 3)));
        assert_eq!((holder(id, 3), slot(id, 3).successor), (late, None));
        assert_eq!(vault(next).slots, 0);
        assert_noop!(restore(next, at(id, 3)), Error::<Test>::NothingToRestore);
    });
}

#[test]
fn the_successor_of_a_slot_that_is_behind_takes_it_over() {
    ExtBuilder.build_and_execute(|| {
        register(6);
        let id = create(ALICE, Coding::K1);
        assert_ok!(checkpoint_without(ALICE, id, 30, &[3]));
        let late = holder(id, 3);
        run_proving(PERIOD / 4 + 2, &[]);
        let next = successor(id, 3).unwrap();
        assert_ok!(restore(next, at(id, 3)));
        assert_eq!((holder(id, 3), vault(late).slots), (next, 0));
    });
}

#[test]
fn drives_in_danger_come_first() {
    ExtBuilder.build_and_execute(|| {
        register(30);
        let calm: Vec<_> = (0..10).map(|_| create_for(ALICE, Coding::K1, 4, 2)).collect();
        let hurt = create_for(ALICE, Coding::K1, 4, 2);
        calm.iter().for_each(|id| {
            lose(*id, 0);
        });
        lose(hurt, 0);
        lose(hurt, 1);
        next_block();
        // Slot 1 was lost when the drive had lost more than a quarter; the others wait in line.
        assert!(successor(hurt, 1).is_some());
        let drawn = calm.iter().filter(|id| successor(**id, 0).is_some()).count();
        assert_eq!(drawn, DRAWS_PER_BLOCK as usize - 1);
    });
}

#[test]
fn what_a_block_does_is_bounded_however_much_is_lost() {
    ExtBuilder.build_and_execute(|| {
        register(40);
        let ids: Vec<_> = (0..40).map(|_| create_for(ALICE, Coding::K1, 2, 2)).collect();
        for id in &ids {
            (0..4).for_each(|slot| {
                lose(*id, slot);
            });
        }
        let drawn = || ids.iter().flat_map(|id| (0..4).map(|slot| successor(*id, slot))).flatten().count();
        let mut before = 0;
        while before < 160 {
            next_block();
            let after = drawn();
            assert!(after - before <= DRAWS_PER_BLOCK as usize);
            assert!(now() < 200, "{after} of 160 in {} blocks", now());
            // Successors come at once.
            for id in &ids {
                for number in 0..4 {
                    if let Some(next) = successor(*id, number) {
                        assert_ok!(restore(next, at(*id, number)));
                    }
                }
            }
            before = ids.iter().map(|id| usize::from(drive(*id).healthy)).sum();
            if before == 160 {
                break;
            }
            before = drawn();
        }
    });
}

#[test]
fn an_ejected_vaults_slots_are_emptied_a_few_in_each_block() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let count = 3 * EVICTIONS_PER_BLOCK - 1;
        let ids: Vec<_> = (0..count).map(|_| create_for(ALICE, Coding::K1, 2, 2)).collect();
        ids.iter().for_each(|id| commit(ALICE, *id, 2));
        Storage::eject_if(true, &account(VAULTS));
        assert_eq!(vault(VAULTS).status, VaultStatus::Ejected);
        for left in [2 * EVICTIONS_PER_BLOCK - 1, EVICTIONS_PER_BLOCK - 1, 0] {
            next_block();
            assert_eq!(vault(VAULTS).slots, left);
            check();
        }
        assert!(!book(VAULTS).evicting);
        assert!(ids.iter().all(|id| drive(*id).healthy == 3));
        // A second time does nothing.
        Storage::eject_if(true, &account(VAULTS));
        assert!(!book(VAULTS).evicting);
    });
}

#[test]
fn an_ejected_successor_gives_its_place_to_another() {
    ExtBuilder.build_and_execute(|| {
        register(8);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 20);
        lose(id, 0);
        next_block();
        let first = successor(id, 0).unwrap();
        Storage::eject_if(true, &account(first));
        run_proving(2, &[]);
        assert!(successor(id, 0).is_some_and(|next| next != first));
        assert_eq!(vault(first).slots, 0);
    });
}

#[test]
fn leaving_is_no_way_out_of_a_challenge_or_a_dispute() {
    ExtBuilder.build_and_execute(|| {
        register(6);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 20);
        let vault = holder(id, 0);
        run_to_turn(vault);
        assert_noop!(leave(vault, vec![at(id, 0)]), Error::<Test>::ChallengeOpen);
        prove(vault);
        assert_ok!(Storage::dispute(signed(ALICE), id, 0, 3));
        assert_noop!(leave(vault, vec![at(id, 0)]), Error::<Test>::DisputeOpen);
        assert_ok!(Storage::answer_dispute(signed(vault), id, 0, Box::new(proof(at(id, 0), 20, 3))));
        assert_ok!(leave(vault, vec![at(id, 0)]));
    });
}

#[test]
fn a_vault_that_signs_again_keeps_its_slot_from_its_successor() {
    ExtBuilder.build_and_execute(|| {
        register(6);
        let id = create(ALICE, Coding::K1);
        assert_ok!(checkpoint_without(ALICE, id, 20, &[3]));
        let late = holder(id, 3);
        run_proving(PERIOD / 4 + 2, &[]);
        let next = successor(id, 3).unwrap();
        commit(ALICE, id, 21);
        assert_eq!((holder(id, 3), successor(id, 3), vault(next).slots), (late, None, 0));
        assert_noop!(restore(next, at(id, 3)), Error::<Test>::NothingToRestore);
    });
}

#[test]
fn who_leaves_while_behind_may_catch_up_and_still_goes() {
    ExtBuilder.build_and_execute(|| {
        register(6);
        let id = create(ALICE, Coding::K1);
        assert_ok!(checkpoint_without(ALICE, id, 20, &[3]));
        let late = holder(id, 3);
        assert_ok!(leave(late, vec![at(id, 3)]));
        run_proving(1, &[]);
        let next = successor(id, 3).unwrap();
        assert_ok!(restore(late, at(id, 3)));
        assert_eq!(successor(id, 3), Some(next));
        assert_ok!(restore(next, at(id, 3)));
        assert_eq!((holder(id, 3), vault(late).slots), (next, 0));
    });
}

#[test]
fn slots_that_only_wait_are_in_nobodys_way() {
    ExtBuilder.build_and_execute(|| {
        register(40);
        // Of many wide drives a slot is lost that is not rebuilt yet.
        let many: Vec<_> = (0..60).map(|_| create_for(ALICE, Coding::K2, 1, 1)).collect();
        many.iter().for_each(|id| {
            lose(*id, 0);
        });
        assert_eq!(RepairSpans::<Test>::get(Queue::Waiting).entries(), 60);
        let id = create_for(ALICE, Coding::K1, 1, 1);
        lose(id, 0);
        next_block();
        assert!(successor(id, 0).is_some());
    });
}
