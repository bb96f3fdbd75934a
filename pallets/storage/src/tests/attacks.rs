// SPDX-License-Identifier: Apache-2.0

//! What strangers try in order to harm others or to gain, over many blocks. In each test the honest vaults prove all that they have
//! and restore all that can be restored.

use crate::{mock::*, Drives, EndCause, Error, Event, Queue, RepairSpans, Report, SlotCause, Slots};
use cairn_primitives::storage::{Coding, SlotAt, SlotState, VaultStatus, Visibility};
use frame_support::{assert_noop, assert_ok, dispatch::Pays};

const EVE: u32 = 4;

/// Honest vaults do all that they can, in each of so many blocks; those in `but` only what keeps them paid.
fn run_honest(blocks: u32, but: &[u32]) {
    for _ in 0..blocks {
        run_proving(1, &[]);
        let duties: Vec<(SlotAt, u32)> = Slots::<Test>::iter()
            .flat_map(|(at, slot)| {
                let behind = slot.vault.filter(|_| slot.state == SlotState::Behind);
                let all = slot.successor.map(|successor| successor.vault).into_iter().chain(behind);
                all.map(move |vault| (at, number(&vault))).collect::<Vec<_>>()
            })
            .collect();
        for (at, who) in duties.into_iter().filter(|(_, who)| !but.contains(who)) {
            // What has a false root nobody can show: the proof is of the shards that there are.
            let _ = restore(who, at);
        }
    }
}

fn vaults_in(status: VaultStatus) -> usize {
    pallet_vaults::Vaults::<Test>::iter_values().filter(|vault| vault.status == status).count()
}

/// Commits, with roots that are no logs for the slots that aren't signed for.
fn commit_falsely(id: u64, units: u64, unsigned: &[u8]) {
    let mut all = roots(id, units);
    for slot in unsigned {
        all[usize::from(*slot)] = [0xee; 32];
    }
    let signed_by = signatures(id, units, unsigned);
    let head = b"head".to_vec().try_into().unwrap();
    assert_ok!(Storage::checkpoint(signed(EVE), id, drive(id).version, units, UNTIL_BLOCK, all, signed_by, head));
}

#[test]
fn false_roots_cost_honest_vaults_nothing_and_honest_drives_neither() {
    ExtBuilder.build_and_execute(|| {
        register(40);
        let honest: Vec<u64> = (0..6).map(|_| create_for(ALICE, Coding::K2, 4, 60)).collect();
        honest.iter().for_each(|id| commit(ALICE, *id, 4));
        // Each has eight slots of which nobody can ever show anything.
        let unsigned: Vec<u8> = (0..8).collect();
        for _ in 0..30 {
            let id = create_for(EVE, Coding::K8, 1, 40);
            commit_falsely(id, 1, &unsigned);
        }
        let scores = || -> Vec<u32> {
            pallet_vaults::Vaults::<Test>::iter_values().map(|vault| vault.reputation.score_ppm()).collect()
        };
        for _ in 0..10 {
            // An honest drive loses slots meanwhile, and gets others in time.
            let hurt = honest[0];
            for slot in [1, 5] {
                if let Some(vault) = slot_vault(hurt, slot) {
                    Storage::punish(at(hurt, slot), &account(vault), SlotCause::ProofWrong);
                }
            }
            top_bonds(40);
            run_honest(2 * RESTORE_BLOCKS, &[]);
            assert_eq!(drive(hurt).healthy, 8, "what can be restored is restored within two restore times");
        }
        assert!(scores().into_iter().all(|score| score == 1_000_000));
        assert_eq!((vaults_in(VaultStatus::Suspended), vaults_in(VaultStatus::Ejected)), (0, 0));
        assert!(honest.iter().all(|id| drive(*id).healthy == 8));
        let bonds: Vec<u128> = pallet_vaults::Vaults::<Test>::iter_values().map(|vault| vault.bond).collect();
        assert!(bonds.iter().all(|bond| *bond == BOND));
    });
}

fn slot_vault(id: u64, slot_number: u8) -> Option<u32> {
    slot(id, slot_number).vault.map(|vault| number(&vault))
}

#[test]
fn the_copies_of_a_drive_have_one_root() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        let mut all = roots(id, 5);
        all[3] = [1; 32];
        let signed_by = signatures(id, 5, &[3]);
        let call = Storage::checkpoint(signed(ALICE), id, 0, 5, UNTIL_BLOCK, all, signed_by, Default::default());
        assert_noop!(call, Error::<Test>::RootsDiffer);
        commit(ALICE, id, 5);
    });
}

#[test]
fn a_slot_that_cannot_be_rebuilt_rests_twice_as_long_each_time_and_is_doubtful() {
    ExtBuilder.build_and_execute(|| {
        register(20);
        let id = create_for(EVE, Coding::K2, 4, 60);
        commit_falsely(id, 1, &[2]);
        // Seven of eight are well, so that another has to be lost before anything is rebuilt.
        lose(id, 6);
        let (mut drawn, mut before) = (Vec::new(), None);
        for _ in 0..20 * PERIOD {
            run_honest(1, &[]);
            let successor = slot(id, 2).successor.map(|successor| successor.due_block);
            if successor.is_some() && successor != before {
                drawn.push(now());
            }
            before = successor;
        }
        let pauses: Vec<u32> = drawn.windows(2).map(|pair| pair[1] - pair[0] - RESTORE_BLOCKS).collect();
        assert!(pauses.len() >= 4, "{pauses:?}");
        assert!(pauses.windows(2).all(|pair| pair[1] >= pair[0]), "{pauses:?}");
        assert!(pauses[..5].windows(2).all(|pair| pair[1] > pair[0]), "{pauses:?}");
        assert_eq!(drive(id).healthy, 7, "the other was restored");
    });
}

fn lose(id: u64, number: u8) {
    Storage::punish(at(id, number), &account(holder(id, number)), SlotCause::ProofWrong);
}

#[test]
fn a_successor_and_a_vault_that_is_behind_may_decline() {
    ExtBuilder.build_and_execute(|| {
        register(12);
        let id = create(ALICE, Coding::K1);
        assert_ok!(checkpoint_without(ALICE, id, 30, &[3]));
        let behind = holder(id, 3);
        let decline = |who: u32, slot: u8| Storage::decline_slots(signed(who), vec![at(id, slot)].try_into().unwrap());
        assert_noop!(decline(behind, 0), Error::<Test>::NotHolder);
        assert_noop!(decline(holder(id, 0), 0), Error::<Test>::SlotLiable);
        assert_noop!(Storage::decline_slots(signed(behind), Default::default()), Error::<Test>::SlotUnknown);
        assert_eq!(decline(behind, 3).unwrap().pays_fee, Pays::No);
        assert_eq!((slot(id, 3).vault, vault(behind).slots), (None, 0));
        run_proving(2, &[]);
        let next = number(&slot(id, 3).successor.unwrap().vault);
        assert_ne!(next, behind, "who declined isn't drawn next");
        assert_eq!(decline(next, 3).unwrap().pays_fee, Pays::No);
        assert_eq!((slot(id, 3).successor.clone(), slot(id, 3).failures, vault(next).slots), (None, 1, 0));
        run_honest(3, &[]);
        assert_eq!(drive(id).healthy, 4);
        assert_eq!([behind, next].map(|who| vault(who).reputation.score_ppm()), [1_000_000; 2]);
    });
}

#[test]
fn declining_is_no_way_out_of_a_challenge_or_a_dispute() {
    ExtBuilder.build_and_execute(|| {
        register(8);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 30);
        let who = holder(id, 3);
        run_proving_to_turn(who);
        assert_ok!(checkpoint_without(ALICE, id, 31, &[3]));
        let slots = || vec![at(id, 3)].try_into().unwrap();
        assert_noop!(Storage::decline_slots(signed(who), slots()), Error::<Test>::ChallengeOpen);
        let bond = vault(who).bond;
        run_proving(DEADLINE + 1, &[who]);
        run_proving(PERIOD, &[who]);
        assert!(vault(who).bond < bond, "it was asked, and showed nothing");
    });
}

#[test]
fn slots_that_nobody_can_be_drawn_for_stop_no_other_repair() {
    ExtBuilder.build_and_execute(|| {
        register(8);
        // Cheap vaults of a stranger's, that its own drives alone can pay for.
        let cheap = PRICE / 2;
        for index in 100..104 {
            let addresses = vec![b"eve.example:1".to_vec().try_into().unwrap()].try_into().unwrap();
            let key = sp_core::Pair::public(&pair(VAULTS + index)).0;
            assert_ok!(Vaults::register(signed(VAULTS + index), 1_000, cheap, addresses, key, BOND));
        }
        for _ in 0..6 {
            let id = crate::NextDrive::<Test>::get();
            let escrow = gross(Storage::escrow_min(4, 1, cheap) * 400);
            assert_ok!(Storage::create_drive(signed(EVE), Coding::K1, 1, cheap, escrow, Visibility::Private));
            draw_groups();
            commit(EVE, id, 1);
            lose(id, 0);
            lose(id, 1);
        }
        for index in 100..104 {
            assert_ok!(Vaults::set_paused(signed(VAULTS + index), true));
        }
        let id = create_for(ALICE, Coding::K1, 4, 100);
        commit(ALICE, id, 4);
        run_honest(PERIOD, &[]);
        for round in 0..8u8 {
            lose(id, round % 4);
            let begun = now();
            while drive(id).healthy < 4 {
                run_honest(1, &[]);
                assert!(now() - begun <= 6, "round {round}: a slot of an honest drive waits");
            }
            run_honest(3, &[]);
            top_bonds(8);
        }
        lose(id, 0);
        lose(id, 1);
        run_honest(6, &[]);
        assert_eq!(drive(id).healthy, 4);
        assert!(RepairSpans::<Test>::get(Queue::Urgent).entries() == 0, "what can't be done is in no one's way");
    });
}

/// Vaults that a test has slashed put up what they lost.
fn top_bonds(count: u32) {
    for index in 0..count {
        let lacks = BOND - vault(VAULTS + index).bond;
        if lacks > 0 {
            assert_ok!(Vaults::bond_more(signed(VAULTS + index), lacks));
        }
    }
}

#[test]
fn nobody_gains_by_having_a_vault_of_ones_own_slashed() {
    ExtBuilder.build().execute_with(|| {
        register(8);
        // The reserve is well filled by others.
        let other = create_for(ALICE, Coding::K1, CAPACITY, 50);
        commit(ALICE, other, 60);
        let kept = reserve();
        // One unit, at a price at which a period's pay is all of the reserve.
        let price = kept * (1 << 18) * 20 / u128::from(PERIOD);
        let escrow = gross(Storage::escrow_min(4, 1, price) * 2);
        let id = crate::NextDrive::<Test>::get();
        assert_ok!(Balances::force_set_balance(RuntimeOrigin::root(), account(EVE), 100 * escrow));
        assert_ok!(Storage::create_drive(signed(EVE), Coding::K1, 1, price, escrow, Visibility::Private));
        draw_groups();
        commit(EVE, id, 1);
        let before = reserve();
        let slashed = Storage::punish(at(id, 0), &account(holder(id, 0)), SlotCause::ProofWrong);
        run_proving(2, &[]);
        let next = number(&slot(id, 0).successor.unwrap().vault);
        let had = free(next);
        assert_ok!(restore(next, at(id, 0)));
        let gained = free(next) - had;
        assert_eq!((slashed, gained), (BOND_PER_UNIT, BOND_PER_UNIT / 2));
        assert!(reserve() >= before, "the reserve has no less than before the fault");
        // With the bounty of an accusation it is less than all of it, too.
        const { assert!(crate::BONUS_PPM + crate::BOUNTY_PPM < 1_000_000) };
        check();
    });
}

#[test]
fn a_vault_that_serves_nobody_is_not_paid_and_loses_the_slot_but_no_score() {
    ExtBuilder.build_and_execute(|| {
        register(8);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 60);
        let silent = holder(id, 0);
        let report = |by: u8, slot: u8| {
            let reports = vec![Report { at: at(id, slot), by }].try_into().unwrap();
            Storage::report_unserved(signed(holder(id, by)), reports)
        };
        let others: Vec<u128> = (1..4).map(|slot| free(holder(id, slot))).collect();
        assert_eq!(report(1, 0).unwrap().pays_fee, Pays::No);
        assert_noop!(report(1, 0), Error::<Test>::AlreadyReported);
        assert_noop!(report(0, 0), Error::<Test>::NotMember);
        let stranger = Storage::report_unserved(signed(BOB), vec![Report { at: at(id, 0), by: 1 }].try_into().unwrap());
        assert_noop!(stranger, Error::<Test>::NotMember);
        assert_ok!(report(2, 0));
        assert_eq!(Storage::api_drive(id).unwrap().slots[0].unserved, 2);
        assert_eq!(slot(id, 0).state, SlotState::Healthy, "two of three are not all");
        assert_ok!(report(3, 0));
        assert_eq!((slot(id, 0).state, book(silent).rate), (SlotState::Behind, 0));
        assert_noop!(report(1, 0), Error::<Test>::SlotNotLiable);
        let after: Vec<u128> = (1..4).map(|slot| free(holder(id, slot))).collect();
        assert_eq!(others, after, "whoever says so loses nothing");
        let (score, bond) = (vault(silent).reputation.score_ppm(), vault(silent).bond);
        assert_noop!(restore(silent, at(id, 0)), Error::<Test>::RestoreEarly);
        run_proving(PERIOD / 4 + 2, &[]);
        let next = number(&slot(id, 0).successor.clone().unwrap().vault);
        assert_ok!(restore(next, at(id, 0)));
        assert_eq!((vault(silent).slots, vault(silent).bond), (0, bond));
        assert!(vault(silent).reputation.score_ppm() >= score);
    });
}

#[test]
fn who_serves_nobody_comes_back_once_and_not_again_soon() {
    // The second time within eight periods, and after them.
    for (periods, forfeited) in [(2, true), (7, true), (9, false)] {
        ExtBuilder.build_and_execute(|| {
            register(8);
            let id = create_for(ALICE, Coding::K1, 100, 100);
            commit(ALICE, id, 60);
            let silent = holder(id, 0);
            let all_say_so = || {
                for by in 1..4 {
                    let reports = vec![Report { at: at(id, 0), by }].try_into().unwrap();
                    assert_ok!(Storage::report_unserved(signed(holder(id, by)), reports));
                }
                assert_eq!(slot(id, 0).state, SlotState::Behind);
            };
            all_say_so();
            let first = now();
            run_proving(PERIOD / 4, &[]);
            assert_ok!(restore(silent, at(id, 0)));
            run_proving(first + periods * PERIOD - now(), &[]);
            let (score, bond) = (vault(silent).reputation.score_ppm(), vault(silent).bond);
            all_say_so();
            run_proving(PERIOD / 4, &[]);
            let held = Storage::api_slots_of(&account(silent), None, 10);
            assert_eq!(held.iter().any(|held| held.not_before == u32::MAX), forfeited, "the vault is told");
            assert_eq!(Storage::api_drive(id).unwrap().slots[0].not_before == u32::MAX, forfeited, "and so are others");
            if forfeited {
                assert_noop!(restore(silent, at(id, 0)), Error::<Test>::RestoreForfeited);
                run_proving(4, &[]);
                let next = number(&slot(id, 0).successor.clone().unwrap().vault);
                assert_ok!(restore(next, at(id, 0)));
                assert_eq!(vault(silent).slots, 0);
                assert!(crate::UnreachedSlots::<Test>::iter().next().is_none(), "nothing is held against the next one");
            } else {
                assert_ok!(restore(silent, at(id, 0)));
            }
            assert_eq!(vault(silent).bond, bond);
            assert!(vault(silent).reputation.score_ppm() >= score);
        });
    }
}

#[test]
fn words_of_a_period_ago_do_not_count() {
    ExtBuilder.build_and_execute(|| {
        register(8);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 60);
        let report = |by: u8| {
            let reports = vec![Report { at: at(id, 0), by }].try_into().unwrap();
            assert_ok!(Storage::report_unserved(signed(holder(id, by)), reports));
        };
        report(1);
        report(2);
        run_proving(PERIOD, &[]);
        report(3);
        assert_eq!((slot(id, 0).state, slot(id, 0).unserved.by), (SlotState::Healthy, 1 << 3));
    });
}

#[test]
fn an_owner_has_silent_vaults_replaced_before_the_first_checkpoint() {
    ExtBuilder.build_and_execute(|| {
        register(12);
        let id = create(ALICE, Coding::K1);
        let silent = [holder(id, 0), holder(id, 2)];
        let redraw = |who: u32, slots: Vec<u8>| Storage::redraw(signed(who), id, slots.try_into().unwrap());
        assert_noop!(redraw(BOB, vec![0]), Error::<Test>::NotOwner);
        assert_noop!(redraw(ALICE, vec![]), Error::<Test>::SlotUnknown);
        assert_noop!(redraw(ALICE, vec![4]), Error::<Test>::SlotUnknown);
        assert_noop!(redraw(ALICE, vec![1, 1]), Error::<Test>::SlotNotLiable);
        assert_eq!(redraw(ALICE, vec![0, 2]).unwrap().pays_fee, Pays::No);
        assert_noop!(redraw(ALICE, vec![1]), Error::<Test>::GroupForming);
        assert_noop!(checkpoint_without(ALICE, id, 5, &[]), Error::<Test>::GroupForming);
        assert_eq!(silent.map(|who| vault(who).slots), [0, 0]);
        next_block();
        assert_eq!((drive(id).healthy, drive(id).forming), (4, false));
        assert!(!silent.contains(&holder(id, 0)) && !silent.contains(&holder(id, 2)));
        assert_eq!(silent.map(|who| vault(who).reputation.score_ppm()), [1_000_000; 2], "the owner's word is no fault");
        for _ in 0..10 {
            assert_ok!(redraw(ALICE, vec![3]));
            next_block();
        }
        assert_noop!(redraw(ALICE, vec![3]), Error::<Test>::RedrawsSpent);
        commit(ALICE, id, 5);
        assert_noop!(redraw(ALICE, vec![3]), Error::<Test>::DriveCommitted);
    });
}

#[test]
fn a_vault_that_never_signs_and_never_declines_is_suspended_and_never_ejected() {
    ExtBuilder.build_and_execute(|| {
        register(12);
        let lazy = VAULTS;
        let mut seen = 0;
        for _ in 0..40 {
            let id = create_for(ALICE, Coding::K1, 4, 4);
            let Some(slot) = (0..4).find(|slot| holder(id, *slot) == lazy) else {
                assert_ok!(Storage::close(signed(ALICE), id));
                continue;
            };
            seen += 1;
            assert_ok!(checkpoint_without(ALICE, id, 4, &[slot]));
            run_honest(PERIOD / 4 + 3, &[lazy]);
            assert_ne!(holder(id, slot), lazy);
            if vault(lazy).status == VaultStatus::Suspended {
                break;
            }
        }
        assert_eq!(vault(lazy).status, VaultStatus::Suspended, "after {seen} drives");
        assert!(seen <= 4, "it took {seen} drives");
        assert_eq!(vault(lazy).bond, BOND);
        for _ in 0..20 {
            Vaults::note_unsigned(&account(lazy));
        }
        assert_eq!(vault(lazy).status, VaultStatus::Suspended);
    });
}

#[test]
fn who_catches_up_in_its_grace_is_not_silent() {
    ExtBuilder.build_and_execute(|| {
        register(12);
        let id = create(ALICE, Coding::K1);
        assert_ok!(checkpoint_without(ALICE, id, 4, &[1]));
        let late = holder(id, 1);
        run_honest(PERIOD, &[]);
        assert_eq!((holder(id, 1), vault(late).reputation.score_ppm()), (late, 1_000_000));
    });
}

#[test]
fn a_group_is_drawn_in_a_later_block_than_the_call_s() {
    ExtBuilder.build_and_execute(|| {
        register(12);
        let id = crate::NextDrive::<Test>::get();
        let escrow = gross(Storage::escrow_min(4, CAPACITY, PRICE) * 5);
        let (had, kept) = (free(ALICE), reserve());
        let create = || Storage::create_drive(signed(ALICE), Coding::K1, CAPACITY, PRICE, escrow, Visibility::Private);
        assert_ok!(create());
        assert!((0..4).all(|number| slot(id, number).vault.is_none()));
        assert!(Storage::api_drive(id).unwrap().forming);
        check();
        let seeds: Vec<Vec<u32>> = (1..20)
            .map(|seed| {
                Seed::set(seed);
                frame_support::storage::with_transaction(|| {
                    next_block();
                    let group = (0..4).map(|number| holder(id, number)).collect::<Vec<_>>();
                    sp_runtime::TransactionOutcome::Rollback(Ok::<_, sp_runtime::DispatchError>(group))
                })
                .unwrap()
            })
            .collect();
        assert!(seeds.windows(2).any(|pair| pair[0] != pair[1]), "the next block's randomness decides");
        // If there are too few by then, all comes back.
        for index in 0..12 {
            assert_ok!(Vaults::set_paused(signed(VAULTS + index), true));
        }
        next_block();
        assert!(!Drives::<Test>::contains_key(id));
        assert_eq!((free(ALICE), reserve()), (had, kept));
        let (owner, cause) = (account(ALICE), EndCause::NotEnoughVaults);
        assert!(events().iter().any(|event| matches!(event,
            Event::DriveEnded { drive, owner: of, cause: why, .. } if *drive == id && *of == owner && *why == cause)));
    });
}

#[test]
fn groups_that_wait_are_drawn_a_bounded_number_in_each_block() {
    ExtBuilder.build_and_execute(|| {
        register(40);
        for _ in 0..40 {
            let escrow = gross(Storage::escrow_min(32, 1, PRICE));
            assert_ok!(Storage::create_drive(signed(ALICE), Coding::K8, 1, PRICE, escrow, Visibility::Private));
        }
        for drawn in [2, 4, 6] {
            next_block();
            assert_eq!(Drives::<Test>::iter_values().filter(|drive| !drive.forming).count(), drawn);
            check();
        }
        assert_ok!(Storage::close(signed(ALICE), 7));
        run_by(17);
        assert!(Drives::<Test>::iter_values().all(|drive| !drive.forming && drive.healthy == 32));
    });
}

#[test]
fn a_longer_log_leaves_a_successor_more_time() {
    ExtBuilder.build_and_execute(|| {
        let more = 3 * crate::RESTORE_UNITS_PER_BLOCK;
        (0..6).for_each(|index| register_with(index, 2 * more, 100_000_000));
        let id = create_for(ALICE, Coding::K1, more + 1, 2);
        // No log of that length is made here: what counts is the length.
        Drives::<Test>::mutate(id, |drive| drive.as_mut().unwrap().units = more);
        let (drive, mut slot) = (drive(id), slot(id, 0));
        slot.vault = None;
        Storage::draw_successor(at(id, 0), &drive, &mut slot);
        assert_eq!(slot.successor.unwrap().due_block, now() + RESTORE_BLOCKS + 3);
        Drives::<Test>::mutate(id, |drive| drive.as_mut().unwrap().units = 0);
        let vaults: Vec<u32> = (0..6).map(|index| VAULTS + index).filter(|who| vault(*who).slots == 1).collect();
        assert_eq!(vaults.len(), 5);
        let extra = vaults.into_iter().find(|who| (0..4).all(|number| holder(id, number) != *who)).unwrap();
        crate::HeldSlots::<Test>::remove(account(extra), crate::slot_key(at(id, 0)));
        assert_ok!(pallet_vaults::Pallet::<Test>::release(&account(extra), more + 1));
    });
}
