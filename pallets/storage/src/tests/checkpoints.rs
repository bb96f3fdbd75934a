// SPDX-License-Identifier: Apache-2.0

use crate::{mock::*, Error, Event, Signatures, SlotCause};
use cairn_primitives::storage::{Coding, DriveId, Receipt, SlotState};
use frame_support::{assert_noop, assert_ok};

fn checkpoint(id: DriveId, version: u64, units: u64, all: Signatures) -> frame_support::dispatch::DispatchResult {
    checkpoint_until(UNTIL_BLOCK, id, version, units, all)
}

fn checkpoint_until(
    until_block: u32,
    id: DriveId,
    version: u64,
    units: u64,
    all: Signatures,
) -> frame_support::dispatch::DispatchResult {
    let roots = roots(id, units);
    Storage::checkpoint(signed(ALICE), id, version, units, until_block, roots, all, Default::default())
}

/// All signatures are good but that of slot 0, made by `forge`.
fn with_first(id: DriveId, units: u64, forge: impl FnOnce() -> [u8; 64]) -> Signatures {
    let mut all = signatures(id, units, &[]).into_inner();
    all[0] = Some(forge());
    all.try_into().unwrap()
}

#[test]
fn a_checkpoint_makes_vaults_liable_and_paid() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 10);
        let found = drive(id);
        assert_eq!((found.version, found.units, found.rate), (1, 10, 4 * 10 * RATE));
        assert_eq!(found.head.to_vec(), b"head");
        for number in 0..4 {
            let book = book(holder(id, number));
            assert_eq!((book.rate, book.liable_units), (10 * RATE, 10));
            assert_eq!(slot(id, number).root, root(at(id, number), 10));
            assert_eq!(slot(id, number).proven_block, Some(now()));
        }
        run_by(1);
        assert_eq!(book(holder(id, 0)).pending, 10 * RATE);
        commit(ALICE, id, 40);
        run_by(1);
        assert_eq!(book(holder(id, 0)).pending, 50 * RATE);
    });
}

#[test]
fn what_does_not_follow_the_drives_state_is_refused() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 10);
        let good = || signatures(id, 11, &[]);
        assert_noop!(checkpoint(id, 0, 11, good()), Error::<Test>::VersionStale);
        assert_noop!(checkpoint(id, 2, 11, good()), Error::<Test>::VersionStale);
        assert_noop!(checkpoint(id, 1, 9, signatures(id, 9, &[])), Error::<Test>::UnitsShrink);
        let over = CAPACITY + 1;
        assert_noop!(checkpoint(id, 1, over, signatures(id, over, &[])), Error::<Test>::CapacityExceeded);
        let few = good()[..3].to_vec().try_into().unwrap();
        assert_noop!(checkpoint(id, 1, 11, few), Error::<Test>::SlotCountWrong);
        let mut many = good().into_inner();
        many.push(None);
        assert_noop!(checkpoint(id, 1, 11, many.try_into().unwrap()), Error::<Test>::SlotCountWrong);
        let few_roots = roots(id, 11)[..3].to_vec().try_into().unwrap();
        let refused = Storage::checkpoint(signed(ALICE), id, 1, 11, UNTIL_BLOCK, few_roots, good(), Default::default());
        assert_noop!(refused, Error::<Test>::SlotCountWrong);
        let refused =
            Storage::checkpoint(signed(ALICE), id + 1, 1, 11, UNTIL_BLOCK, roots(id, 11), good(), Default::default());
        assert_noop!(refused, Error::<Test>::DriveUnknown);
        // The same length with another content.
        let refused =
            Storage::checkpoint(signed(ALICE), id, 1, 10, UNTIL_BLOCK, roots(id, 11), good(), Default::default());
        assert_noop!(refused, Error::<Test>::RootChanged);
    });
}

#[test]
fn three_quarters_must_have_signed_and_each_for_its_own_slot() {
    ExtBuilder.build_and_execute(|| {
        register(8);
        let id = create(ALICE, Coding::K2);
        assert_noop!(checkpoint_without(ALICE, id, 5, &[0, 3, 7]), Error::<Test>::TooFewSignatures);
        // Six copies of one signature are not six.
        let one = signatures(id, 5, &[])[0];
        let copies: Signatures = vec![one; 8].try_into().unwrap();
        assert_noop!(checkpoint(id, 0, 5, copies), Error::<Test>::SignatureInvalid);
        assert_ok!(checkpoint_without(ALICE, id, 5, &[3, 7]));
        assert_eq!(drive(id).healthy, 6);
    });
}

#[test]
fn a_receipt_serves_for_one_chain_drive_slot_root_and_length() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let (id, other) = (create(ALICE, Coding::K1), create(ALICE, Coding::K1));
        let vault = holder(id, 0);
        let good = receipt(at(id, 0), 7);
        let refused = |forge: &dyn Fn() -> [u8; 64]| {
            let all = with_first(id, 7, forge);
            assert_noop!(checkpoint(id, 0, 7, all), Error::<Test>::SignatureInvalid);
        };
        refused(&|| sign(vault, good, &[1; 32]));
        refused(&|| sign(vault, Receipt { at: at(other, 0), ..good }, &genesis()));
        refused(&|| sign(vault, Receipt { at: at(id, 1), ..good }, &genesis()));
        refused(&|| sign(vault, Receipt { root: root(at(id, 0), 6), ..good }, &genesis()));
        refused(&|| sign(vault, Receipt { units: 6, ..good }, &genesis()));
        refused(&|| sign(vault, receipt(at(id, 0), 3), &genesis()));
        refused(&|| sign(vault, Receipt { version: 2, ..good }, &genesis()));
        // Another vault's, and none at all.
        refused(&|| sign(holder(id, 1), good, &genesis()));
        refused(&|| [0; 64]);
        assert_ok!(checkpoint(id, 0, 7, with_first(id, 7, || sign(vault, good, &genesis()))));
        // Once more: the version is used up.
        let again = signatures(id, 7, &[]);
        assert_noop!(checkpoint(id, 0, 7, again), Error::<Test>::VersionStale);
        // Of an earlier version: its vault may have dropped that tail since.
        let early = || sign(vault, Receipt { version: 1, ..receipt(at(id, 0), 9) }, &genesis());
        assert_noop!(checkpoint(id, 1, 9, with_first(id, 9, early)), Error::<Test>::SignatureInvalid);
    });
}

#[test]
fn a_receipt_serves_until_its_block_and_no_longer() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        let until = Storage::now() + 3;
        let all = |until_block, units| -> Signatures {
            let sign = |slot| {
                let receipt = Receipt { until_block, ..receipt(at(id, slot), units) };
                Some(sign(holder(id, slot), receipt, &genesis()))
            };
            (0..4).map(sign).collect::<Vec<_>>().try_into().unwrap()
        };
        // Neither longer nor shorter than was signed.
        for other in [until - 1, until + 1, UNTIL_BLOCK] {
            assert_noop!(checkpoint_until(other, id, 0, 7, all(until, 7)), Error::<Test>::SignatureInvalid);
        }
        run_by(3);
        assert_eq!(Storage::now(), until);
        assert_ok!(checkpoint_until(until, id, 0, 7, all(until, 7)));
        let next = all(until, 9);
        run_by(1);
        assert_noop!(checkpoint_until(until, id, 1, 9, next), Error::<Test>::ReceiptsExpired);
        assert_ok!(checkpoint_until(until + 1, id, 1, 9, all(until + 1, 9)));
    });
}

#[test]
fn a_former_service_key_no_longer_signs() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        let former = signatures(id, 7, &[]);
        assert_ok!(Vaults::update(signed(holder(id, 2)), None, None, None, Some([5; 32])));
        assert_noop!(checkpoint(id, 0, 7, former), Error::<Test>::SignatureInvalid);
    });
}

#[test]
fn who_did_not_sign_is_behind_and_unpaid_until_it_shows_that_it_caught_up() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 10);
        let late = holder(id, 2);
        run_by(1);
        assert_ok!(checkpoint_without(ALICE, id, 20, &[2]));
        assert_eq!(slot(id, 2).state, SlotState::Behind);
        assert_eq!(slot(id, 2).root, root(at(id, 2), 20));
        assert_eq!((drive(id).healthy, drive(id).rate), (3, 3 * 20 * RATE));
        let behind = book(late);
        assert_eq!((behind.rate, behind.liable_units, behind.pending), (0, 0, 10 * RATE));
        let event = Event::SlotChanged {
            at: at(id, 2),
            from: Some(account(late)),
            from_state: SlotState::Healthy,
            to: Some(account(late)),
            to_state: SlotState::Behind,
            cause: SlotCause::NotSigned,
        };
        System::assert_has_event(event.into());
        run_by(1);
        let of_older = restore_proof(late, at(id, 2)).map(|_| proof(at(id, 2), 10, 0));
        assert_noop!(Storage::restore(signed(late), id, 2, of_older.map(Box::new)), Error::<Test>::ProofInvalid);
        assert_noop!(Storage::restore(signed(late), id, 2, None), Error::<Test>::ProofMissing);
        assert_noop!(restore(holder(id, 1), at(id, 2)), Error::<Test>::NothingToRestore);
        let done = restore(late, at(id, 2)).unwrap();
        assert_eq!(done.pays_fee, frame_support::dispatch::Pays::No);
        assert_eq!((slot(id, 2).state, book(late).rate), (SlotState::Healthy, 20 * RATE));
        assert_eq!(drive(id).rate, 4 * 20 * RATE);
        assert_noop!(restore(late, at(id, 2)), Error::<Test>::NothingToRestore);
    });
}

#[test]
fn signing_the_next_version_catches_up_as_well() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        assert_ok!(checkpoint_without(ALICE, id, 20, &[2]));
        commit(ALICE, id, 21);
        assert_eq!((slot(id, 2).state, drive(id).healthy), (SlotState::Healthy, 4));
    });
}

#[test]
fn a_checkpoint_that_adds_nothing_needs_no_new_acceptance() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 20);
        assert_ok!(checkpoint_without(ALICE, id, 20, &[1]));
        assert_eq!((drive(id).version, drive(id).healthy), (2, 4));
    });
}

#[test]
fn an_empty_slot_cannot_have_signed() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 5);
        let lost = holder(id, 1);
        let forger = signatures(id, 6, &[]);
        Vaults::note(&account(lost), pallet_vaults::Cause::Missed);
        Storage::punish(at(id, 1), &account(lost), SlotCause::DisputeLost);
        assert_noop!(checkpoint(id, 1, 6, forger), Error::<Test>::SignatureUnexpected);
        commit(ALICE, id, 6);
        assert_eq!((drive(id).healthy, slot(id, 1).state), (3, SlotState::Empty));
        assert_eq!(slot(id, 1).root, root(at(id, 1), 6), "a successor has to show the newest");
    });
}

#[test]
fn nothing_is_taken_on_that_is_not_paid_for_a_period() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create_for(ALICE, Coding::K1, CAPACITY, 1);
        commit(ALICE, id, 50);
        run_proving(6, &[]);
        // A period of 50 units is no longer paid for in full: nothing may be added, but what is there may be committed anew.
        assert_noop!(checkpoint_without(ALICE, id, 64, &[]), Error::<Test>::EscrowTooSmall);
        commit(ALICE, id, 50);
        assert_ok!(Storage::top_up(signed(ALICE), id, 20_000));
        commit(ALICE, id, 64);
    });
}

#[test]
fn what_is_given_up_is_neither_paid_nor_asked_for() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 60);
        let trim = |who, version, units| Storage::trim(signed(who), id, version, units);
        assert_noop!(trim(BOB, 1, 10), Error::<Test>::NotWriter);
        assert_noop!(trim(ALICE, 0, 10), Error::<Test>::VersionStale);
        assert_noop!(trim(ALICE, 1, 0), Error::<Test>::TrimInvalid);
        assert_noop!(trim(ALICE, 1, 61), Error::<Test>::TrimInvalid);
        assert_ok!(trim(ALICE, 1, 55));
        assert_noop!(trim(ALICE, 1, 55), Error::<Test>::TrimInvalid);
        assert_eq!((drive(id).rate, drive(id).version), (4 * 5 * RATE, 1));
        assert_eq!(book(holder(id, 0)).liable_units, 5);
        run_to_turn(holder(id, 0));
        let challenge = Storage::api_challenge(&account(holder(id, 0))).unwrap();
        assert!(challenge.targets.iter().all(|target| (4 * 55..4 * 60).contains(&target.chunk)));
        prove(holder(id, 0));
        // The log goes on from where it was, and capacity is for what is left.
        commit(ALICE, id, 55 + CAPACITY);
        assert_ok!(trim(ALICE, 2, 55 + CAPACITY));
        assert_eq!((drive(id).rate, book(holder(id, 0)).liable_units), (0, 0));
    });
}

#[test]
fn trimming_excuses_from_open_challenges_and_disputes() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 60);
        let vault = holder(id, 0);
        run_to_turn(vault);
        assert_ok!(Storage::dispute(signed(ALICE), id, 0, 3));
        assert_ok!(Storage::trim(signed(ALICE), id, 1, 60));
        assert!(Storage::api_challenge(&account(vault)).unwrap().targets.is_empty());
        assert!(Storage::api_dispute(at(id, 0)).is_none());
        System::assert_has_event(Event::DisputeVoided { at: at(id, 0), accuser: account(ALICE) }.into());
        // What it had earned until then is paid, whether it answers or not.
        let (before, due) = (free(vault), Storage::api_challenge(&account(vault)).unwrap());
        run_to(due.due_block + 1);
        assert_eq!(free(vault), before + due.at_stake);
        assert_eq!(super::super::mock::vault(vault).turns, 0);
    });
}
