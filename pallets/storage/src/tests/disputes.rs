// SPDX-License-Identifier: Apache-2.0

use crate::{
    mock::*, Error, Event, HoldReason, SlotCause, WeightInfo, DISPUTES_PER_BLOCK_MAX, DISPUTE_BLOCKS_TRIED_MAX,
};
use cairn_primitives::storage::{Coding, SlotState};
use frame_support::{
    assert_noop, assert_ok,
    dispatch::{GetDispatchInfo, Pays},
};

fn setup() -> u64 {
    register(6);
    let id = create(ALICE, Coding::K1);
    commit(ALICE, id, 60);
    id
}

#[test]
fn a_vault_that_answers_keeps_its_slot_and_nobody_gains_or_loses() {
    ExtBuilder.build_and_execute(|| {
        let id = setup();
        let (accuser, accused) = (holder(id, 1), holder(id, 0));
        let before = (free(accuser), free(accused));
        assert_ok!(Storage::dispute(signed(accuser), id, 0, 17));
        assert_eq!(held(accuser, HoldReason::Dispute), DISPUTE_DEPOSIT);
        let told = Storage::api_dispute(at(id, 0)).unwrap();
        assert_eq!((told.target.chunk, told.due_block), (17, now() + DISPUTE_BLOCKS));
        // The log goes on meanwhile; the answer is by what it was.
        commit(ALICE, id, 64);
        run_to(told.due_block);
        assert_noop!(answer(accused, id, 16), Error::<Test>::ProofInvalid);
        assert_noop!(answer(accuser, id, 17), Error::<Test>::NotHolder);
        let done = answer(accused, id, 17).unwrap();
        assert_eq!(done.pays_fee, Pays::No);
        assert_noop!(answer(accused, id, 17), Error::<Test>::DisputeUnknown);
        assert_eq!((free(accuser), free(accused)), before);
        assert_eq!(held(accuser, HoldReason::Dispute), 0);
        assert_eq!([accuser, accused].map(|who| vault(who).reputation.score_ppm()), [1_000_000; 2]);
        run_by(2);
        assert_eq!(slot(id, 0).state, SlotState::Healthy);
    });
}

fn answer(who: u32, id: u64, chunk: u64) -> frame_support::dispatch::DispatchResultWithPostInfo {
    Storage::answer_dispute(signed(who), id, 0, Box::new(proof(at(id, 0), 60, chunk)))
}

#[test]
fn who_does_not_answer_loses_slot_and_bond_and_the_accuser_gets_a_bounty() {
    ExtBuilder.build_and_execute(|| {
        let id = setup();
        let (accused, before) = (holder(id, 0), free(ALICE));
        assert_ok!(Storage::dispute(signed(ALICE), id, 0, 17));
        let (bond, kept) = (vault(accused).bond, reserve());
        run_proving(DISPUTE_BLOCKS, &[]);
        assert_eq!(slot(id, 0).vault, Some(account(accused)), "it still has this block");
        run_proving(1, &[]);
        let slashed = u128::from(CAPACITY) * BOND_PER_UNIT;
        assert_eq!(vault(accused).bond, bond - slashed);
        assert_eq!(slot(id, 0).vault, None);
        let bounty = (slashed / 10).min(10 * DISPUTE_DEPOSIT);
        assert_eq!(free(ALICE), before + bounty);
        assert_eq!(reserve(), kept + slashed - bounty);
        let event =
            Event::DisputeLost { at: at(id, 0), accuser: account(ALICE), accused: account(accused), slashed, bounty };
        System::assert_has_event(event.into());
        assert!(vault(accused).reputation.score_ppm() < 800_000);
        assert_noop!(answer(accused, id, 17), Error::<Test>::DisputeUnknown);
    });
}

#[test]
fn only_the_owner_and_the_group_can_accuse_and_only_of_what_there_is() {
    ExtBuilder.build_and_execute(|| {
        let id = setup();
        let outside = (0..6).map(|index| VAULTS + index).find(|who| vault(*who).slots == 0).unwrap();
        let dispute = |who, slot, chunk| Storage::dispute(signed(who), id, slot, chunk);
        assert_noop!(dispute(BOB, 0, 1), Error::<Test>::NotMember);
        assert_noop!(dispute(outside, 0, 1), Error::<Test>::NotMember);
        assert_noop!(dispute(ALICE, 4, 1), Error::<Test>::SlotUnknown);
        assert_noop!(dispute(ALICE, 0, 240), Error::<Test>::ChunkOutside);
        assert_noop!(dispute(ALICE, 0, u64::MAX), Error::<Test>::ChunkOutside);
        assert_noop!(Storage::dispute(signed(ALICE), id + 1, 0, 1), Error::<Test>::DriveUnknown);
        assert_ok!(Storage::trim(signed(ALICE), id, 1, 10));
        assert_noop!(dispute(ALICE, 0, 39), Error::<Test>::ChunkOutside);
        assert_ok!(checkpoint_without(ALICE, id, 61, &[1]));
        assert_noop!(dispute(ALICE, 1, 41), Error::<Test>::SlotNotLiable);
        assert_ok!(dispute(holder(id, 2), 0, 41));
        assert_noop!(dispute(ALICE, 0, 42), Error::<Test>::DisputeOpen);
        Storage::punish(at(id, 3), &account(holder(id, 3)), SlotCause::ProofWrong);
        assert_noop!(dispute(ALICE, 3, 41), Error::<Test>::SlotNotLiable);
        assert_noop!(answer(holder(id, 1), id + 1, 1), Error::<Test>::SlotUnknown);
    });
}

#[test]
fn an_accuser_must_have_the_deposit() {
    ExtBuilder.build_and_execute(|| {
        let id = setup();
        let poor = Balances::free_balance(account(ALICE)) - 10;
        assert_ok!(Balances::transfer_allow_death(signed(ALICE), account(BOB), poor));
        assert!(Storage::dispute(signed(ALICE), id, 0, 1).is_err());
        assert!(!slot(id, 0).disputed);
    });
}

#[test]
fn a_lying_watcher_pays_for_the_question_and_the_answer_and_changes_nothing() {
    ExtBuilder.build_and_execute(|| {
        let id = setup();
        let (liar, accused) = (holder(id, 1), holder(id, 0));
        let before = (free(liar), free(accused));
        for lie in 0..20 {
            assert_ok!(Storage::dispute(signed(liar), id, 0, lie));
            assert_ok!(answer(accused, id, lie));
        }
        assert_eq!((free(liar), free(accused)), before);
        assert_eq!([liar, accused].map(|who| vault(who).reputation.score_ppm()), [1_000_000; 2]);
        assert_eq!(slot(id, 0).vault, Some(account(accused)));
        // The fee of an accusation covers what an answer, which is free, costs the chain.
        let call = crate::Call::<Test>::dispute { drive: id, slot: 0, chunk: 0 };
        let charged = call.get_dispatch_info().call_weight;
        let both = <() as WeightInfo>::dispute().saturating_add(<() as WeightInfo>::answer_dispute());
        assert_eq!(charged, both);
    });
}

#[test]
fn a_drive_that_ends_ends_its_disputes() {
    ExtBuilder.build_and_execute(|| {
        let id = setup();
        let accuser = holder(id, 1);
        assert_ok!(Storage::dispute(signed(accuser), id, 0, 17));
        assert_ok!(Storage::close(signed(ALICE), id));
        assert_eq!(held(accuser, HoldReason::Dispute), 0);
        run_by(DISPUTE_BLOCKS + 2);
        assert_eq!(vault(accuser).bond, BOND);
    });
}

#[test]
fn disputes_that_end_with_one_block_are_few() {
    ExtBuilder.build_and_execute(|| {
        register(32);
        let drives = DISPUTES_PER_BLOCK_MAX * DISPUTE_BLOCKS_TRIED_MAX / 32 + 1;
        let ids: Vec<_> = (0..drives).map(|_| create_for(ALICE, Coding::K8, 4, 1)).collect();
        ids.iter().for_each(|id| commit(ALICE, *id, 1));
        let all = ids.iter().flat_map(|id| (0..32).map(move |slot| (*id, slot)));
        let mut dues = std::collections::BTreeMap::new();
        for (count, (id, slot)) in (0u32..).zip(all) {
            let disputed = Storage::dispute(signed(ALICE), id, slot, 0);
            if count < DISPUTES_PER_BLOCK_MAX * DISPUTE_BLOCKS_TRIED_MAX {
                assert_ok!(disputed);
                *dues.entry(Storage::api_dispute(at(id, slot)).unwrap().due_block).or_insert(0u32) += 1;
            } else {
                assert_noop!(disputed, Error::<Test>::QueueFull);
            }
        }
        assert_eq!(dues.len(), DISPUTE_BLOCKS_TRIED_MAX as usize);
        assert!(dues.values().all(|count| *count == DISPUTES_PER_BLOCK_MAX));
        assert!(dues.keys().all(|due| *due >= now() + DISPUTE_BLOCKS));
    });
}

#[test]
fn a_dispute_that_was_settled_does_not_end_the_next_one_early() {
    ExtBuilder.build_and_execute(|| {
        let id = setup();
        let accused = holder(id, 0);
        assert_ok!(Storage::dispute(signed(ALICE), id, 0, 17));
        assert_ok!(answer(accused, id, 17));
        run_by(3);
        assert_ok!(Storage::dispute(signed(ALICE), id, 0, 18));
        run_by(DISPUTE_BLOCKS - 1);
        assert!(slot(id, 0).disputed, "the first one's end is over, the second's is not");
        assert_ok!(answer(accused, id, 18));
    });
}
