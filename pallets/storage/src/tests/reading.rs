// SPDX-License-Identifier: Apache-2.0

use crate::mock::*;
use cairn_primitives::storage::{Coding, Role, SlotState};
use frame_support::assert_ok;

#[test]
fn terms_are_the_networks() {
    ExtBuilder.build_and_execute(|| {
        let terms = Storage::api_terms();
        assert_eq!((terms.period_blocks, terms.deadline_blocks, terms.proofs), (PERIOD, DEADLINE, PROOFS));
        assert_eq!((terms.bond_per_unit, terms.reserve_ppm), (BOND_PER_UNIT, 20_000));
    });
}

#[test]
fn a_vault_tells_what_it_earns_and_when_its_turn_is() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        assert!(Storage::api_vault(&account(ALICE)).is_none());
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 30);
        let turn = Storage::api_vault(&account(VAULTS)).unwrap().next_turn_block;
        run_to(turn - 1);
        let found = Storage::api_vault(&account(VAULTS)).unwrap();
        assert_eq!((found.liable_units, found.reserved_units, found.slots), (30, CAPACITY, 1));
        assert_eq!((found.rate_per_block, found.pending), (30 * RATE, u128::from(turn - 2) * 30 * RATE));
        assert_eq!((found.bond, found.bond_required), (BOND, u128::from(CAPACITY) * BOND_PER_UNIT));
        assert_eq!(found.addresses, vec![b"vault.example:4000".to_vec()]);
        assert_eq!(found.next_turn_block, turn);
        next_block();
        let found = Storage::api_vault(&account(VAULTS)).unwrap();
        assert_eq!((found.pending, found.next_turn_block), (0, turn + PERIOD));
        let challenge = Storage::api_challenge(&account(VAULTS)).unwrap();
        assert_eq!((challenge.turn_block, challenge.targets.len()), (turn, PROOFS as usize));
    });
}

#[test]
fn lists_go_on_where_they_ended() {
    ExtBuilder.build_and_execute(|| {
        register(7);
        let mut found = Vec::new();
        loop {
            let page = Storage::api_vaults_after(found.last(), 3);
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= 3);
            found.extend(page.into_iter().map(|vault| vault.account));
        }
        found.sort();
        let mut all: Vec<_> = (0..7).map(|index| account(VAULTS + index)).collect();
        all.sort();
        assert_eq!(found, all);

        let ids: Vec<_> = (0..70).map(|_| create_for(ALICE, Coding::K1, 1, 1)).collect();
        assert_eq!(Storage::api_drives_of(&account(ALICE)), ids);
        let mut held = Vec::new();
        loop {
            let page = Storage::api_slots_of(&account(VAULTS), held.last().copied(), 16);
            if page.is_empty() {
                break;
            }
            held.extend(page.into_iter().map(|held| held.at));
        }
        assert_eq!(held.len(), vault(VAULTS).slots as usize);
        assert!(held.windows(2).all(|pair| pair[0] < pair[1]), "in order");
    });
}

#[test]
fn a_drive_tells_what_it_has_left_and_until_when() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        assert!(Storage::api_drive(0).is_none());
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 10);
        grant(ALICE, id, BOB, Role::Reader);
        run_by(3);
        let found = Storage::api_drive(id).unwrap();
        let spent = 3 * 4 * 10 * RATE;
        assert_eq!((found.escrow, found.spent), (drive(id).escrow - spent, spent));
        run_by(2);
        assert_ok!(Storage::top_up(signed(BOB), id, 1));
        assert_eq!((drive(id).spent, Storage::api_drive(id).unwrap().spent), (spent / 3 * 5, spent / 3 * 5));
        let found = Storage::api_drive(id).unwrap();
        assert_eq!(found.deposit, DRIVE_DEPOSIT + 4 * SLOT_DEPOSIT + GRANT_DEPOSIT);
        assert_eq!(found.dry_block, Some(now() + (found.escrow / found.rate_per_block) as u32));
        assert_eq!((found.slots.len(), found.slots[1].state), (4, SlotState::Healthy));
        assert_eq!(found.slots[2].root, root(at(id, 2), 10));
    });
}

#[test]
fn eligible_vaults_are_those_that_a_drive_could_have() {
    ExtBuilder.build_and_execute(|| {
        register(5);
        assert_eq!(Storage::api_eligible_vaults(PRICE, 1_000), 5);
        assert_eq!(Storage::api_eligible_vaults(PRICE, 1_001), 0);
        assert_eq!(Storage::api_eligible_vaults(PRICE - 1, 1), 0);
        assert_ok!(Vaults::set_paused(signed(VAULTS), true));
        assert_eq!(Storage::api_eligible_vaults(PRICE, 1), 4);
    });
}

#[test]
fn a_successors_slots_are_told_apart_from_a_holders() {
    ExtBuilder.build_and_execute(|| {
        register(5);
        let id = create(ALICE, Coding::K1);
        commit(ALICE, id, 10);
        let gone = holder(id, 2);
        assert_ok!(Storage::leave_slots(signed(gone), vec![at(id, 2)].try_into().unwrap()));
        next_block();
        let held = Storage::api_slots_of(&account(gone), None, 10);
        assert_eq!((held[0].at, held[0].successor, held[0].due_block), (at(id, 2), false, None));
        let next = slot(id, 2).successor.unwrap();
        let held = &Storage::api_slots_of(&next.vault, None, 10)[0];
        assert_eq!((held.at, held.successor, held.due_block), (at(id, 2), true, Some(next.due_block)));
        assert_eq!((held.units, held.version, held.root), (10, 1, root(at(id, 2), 10)));
        assert_eq!(Storage::api_repair(), (reserve(), 1));
    });
}
