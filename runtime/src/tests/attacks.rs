// SPDX-License-Identifier: Apache-2.0

//! What strangers try with storage in order to harm others or to gain, on the whole runtime: its own deposits, fees and
//! hooks, at the development network's periods. The pallet's tests try more, on its mock. In each test the honest vaults prove all that they have and restore all
//! that can be restored; after it all invariants hold.

use super::{storage_world::*, *};
use cairn_primitives::storage::{Coding, SlotAt, VaultStatus};
use frame_support::dispatch::{DispatchResultWithPostInfo, Pays};
use pallet_storage::{Drives, Report};

const OWNER: u32 = 1;
const EVE: u32 = 2;
/// Honest vaults, and Eve's.
const HONEST_VAULTS: u32 = 1_000;
const EVES_VAULTS: u32 = 2_000;

fn attack(honest: u32, test: impl FnOnce(Vec<u32>)) {
    chain::run("development", || {
        [OWNER, EVE].into_iter().for_each(endow);
        let vaults: Vec<u32> = (HONEST_VAULTS..HONEST_VAULTS + honest).collect();
        vaults.iter().for_each(|who| register(*who, PRICE));
        test(vaults);
    });
}

/// Drives of the honest owner, filled, and paid for long.
fn honest_drives(count: u32, coding: Coding) -> Vec<u64> {
    let ids: Vec<u64> = (0..count).map(|_| create(OWNER, coding, 4, 2_000)).collect();
    live(1 + count.div_ceil(2), HONEST);
    ids.iter().for_each(|id| must(checkpoint(OWNER, *id, 4, &[], false), "all have signed"));
    ids
}

fn must(done: DispatchResultWithPostInfo, why: &str) {
    done.expect(why);
}

/// No honest vault has lost score, bond or standing.
fn assert_unharmed(vaults: &[u32]) {
    for who in vaults {
        let found = vault(*who);
        assert!(
            matches!(found.status, VaultStatus::Probation | VaultStatus::Active),
            "vault {who}: {:?}",
            found.status
        );
        assert_eq!((found.reputation.score_ppm(), found.bond), (1_000_000, BOND), "vault {who}");
    }
}

fn assert_whole(drives: &[u64]) {
    for id in drives {
        let found = drive(*id);
        assert_eq!(found.healthy, found.coding.slots(), "drive {id}");
    }
}

#[test]
fn false_roots_cost_honest_vaults_and_drives_nothing() {
    attack(40, |vaults| {
        let honest = honest_drives(6, Coding::K2);
        let before = wealth(EVE);
        let ids: Vec<u64> = (0..20).map(|_| create(EVE, Coding::K8, 1, 400)).collect();
        live(20, HONEST);
        // Each has eight slots of which nobody can ever show anything.
        let unsigned: Vec<u8> = (0..8).collect();
        ids.iter().for_each(|id| must(checkpoint(EVE, *id, 1, &unsigned, true), "3k have signed"));
        live(15 * period(), HONEST);
        assert_unharmed(&vaults);
        assert_whole(&honest);
        ids.iter().for_each(|id| must(send(EVE, pallet_storage::Call::close { drive: *id }), "hers"));
        assert!(wealth(EVE) < before, "it cost her something");
    });
}

#[test]
fn a_paid_drive_lasts_however_many_others_end() {
    attack(12, |vaults| {
        let honest = create(OWNER, Coding::K1, 4, 6);
        live(2, HONEST);
        must(checkpoint(OWNER, honest, 4, &[], false), "all have signed");
        let dry = drive(honest).dry_block().expect("it is paid for");
        // Hers are warned and end in the very blocks in which the honest one is looked at.
        for _ in 0..12 {
            for periods in [1, 4, 5, 6, 6, 6, 7] {
                create(EVE, Coding::K1, 1, periods);
            }
            live(3, HONEST);
        }
        while System::block_number() + 1 < dry {
            live(1, HONEST);
            assert!(
                Drives::<Runtime>::contains_key(honest),
                "{} blocks before it is dry",
                dry - System::block_number()
            );
        }
        assert_whole(&[honest]);
        live(2, HONEST);
        assert!(!Drives::<Runtime>::contains_key(honest));
        assert_unharmed(&vaults);
        live(2 * period(), HONEST);
    });
}

#[test]
fn slots_that_nobody_takes_stop_no_other_repair() {
    attack(10, |vaults| {
        let honest = honest_drives(3, Coding::K1);
        // Cheap vaults of hers, that her own drives alone can pay for; they hold honest slots as well, and lose them.
        let hers: Vec<u32> = (EVES_VAULTS..EVES_VAULTS + 4).collect();
        hers.iter().for_each(|who| register(*who, PRICE / 2));
        let ids: Vec<u64> = (0..6).map(|_| create_at(EVE, Coding::K1, 1, 400, PRICE / 2)).collect();
        let mixed = honest_drives(4, Coding::K1);
        ids.iter().for_each(|id| must(checkpoint(EVE, *id, 1, &[], false), "all have signed"));
        let wrong = Play { wrong: &hers, lazy: &hers };
        live(3 * period(), wrong);
        // A slot that an honest vault can take is taken, whatever of hers waits before it.
        live(2 * period(), Play { wrong: &[], lazy: &hers });
        assert_whole(&honest);
        assert_whole(&mixed);
        assert_unharmed(&vaults);
        let lost: Balance = hers.iter().map(|who| BOND - vault(*who).bond).sum();
        assert!(lost > 0, "who showed something wrong has lost of its bond");
    });
}

#[test]
fn nobody_gains_by_a_fault_of_its_own_vault() {
    attack(10, |vaults| {
        let honest = honest_drives(4, Coding::K1);
        live(4 * period(), HONEST);
        let hers: Vec<u32> = (EVES_VAULTS..EVES_VAULTS + 6).collect();
        hers.iter().for_each(|who| register(*who, PRICE));
        let everything = || wealth(EVE) + hers.iter().map(|who| wealth(*who)).sum::<Balance>();
        let (before, reserve) = (everything(), pallet_storage::Reserve::<Runtime>::get());
        // One unit, at a price at which a period's pay is a great part of the reserve.
        let price = PRICE.max(reserve.saturating_mul(1 << 18) / 4);
        let ids: Vec<u64> = (0..6).map(|_| create_at(EVE, Coding::K1, 1, 2, price.min(1_000 * CRN))).collect();
        live(4, HONEST);
        ids.iter().for_each(|id| must(checkpoint(EVE, *id, 1, &[], false), "all have signed"));
        live(2 * period() + 4, Play { wrong: &hers[..3], lazy: &[] });
        for id in ids {
            if Drives::<Runtime>::contains_key(id) {
                must(send(EVE, pallet_storage::Call::close { drive: id }), "hers");
            }
        }
        live(2, HONEST);
        assert!(everything() < before, "she has {} plancks more", everything() - before);
        assert!(pallet_storage::Reserve::<Runtime>::get() >= reserve, "the reserve has no less");
        assert_whole(&honest);
        assert_unharmed(&vaults);
    });
}

#[test]
fn an_answered_accusation_costs_the_accused_nothing() {
    attack(6, |vaults| {
        // Only a member of its group may accuse a vault: one of hers is.
        register(EVES_VAULTS, PRICE / 2);
        let honest = honest_drives(8, Coding::K1);
        let before: Vec<Balance> = vaults.iter().map(|who| wealth(*who)).collect();
        let hers = wealth(EVES_VAULTS);
        let mut asked = 0;
        for id in honest.iter().filter(|id| (0..4).any(|slot| holder(**id, slot) == Some(EVES_VAULTS))) {
            let slot = (0..4).find(|slot| holder(*id, *slot) != Some(EVES_VAULTS)).expect("three others");
            let at = SlotAt { drive: *id, slot };
            let open = pallet_storage::Call::dispute { drive: at.drive, slot: at.slot, chunk: 0 };
            must(send(EVES_VAULTS, open), "a member may ask");
            let accused = holder(at.drive, at.slot).expect("there is one");
            let had = wealth(accused);
            assert_eq!(answer(accused, at).expect("it has it").pays_fee, Pays::No);
            assert!(wealth(accused) >= had, "it has paid for nothing");
            asked += 1;
        }
        assert!(asked > 0);
        assert!(wealth(EVES_VAULTS) < hers, "who asks pays");
        live(2 * period(), HONEST);
        assert_unharmed(&vaults);
        assert_whole(&honest);
        assert!(vaults.iter().zip(before).all(|(who, before)| wealth(*who) >= before));
    });
}

#[test]
fn a_vault_that_serves_nobody_is_replaced_and_those_who_say_so_lose_nothing() {
    attack(8, |vaults| {
        register(EVES_VAULTS, PRICE / 2);
        let ids = honest_drives(10, Coding::K1);
        let theirs: Vec<(u64, u8)> = ids
            .iter()
            .flat_map(|id| (0..4).filter(|slot| holder(*id, *slot) == Some(EVES_VAULTS)).map(|slot| (*id, slot)))
            .collect();
        assert!(!theirs.is_empty(), "hers is drawn somewhere");
        let before: Vec<Balance> = vaults.iter().map(|who| wealth(*who)).collect();
        for (id, silent) in &theirs {
            for by in (0..4).filter(|by| by != silent) {
                let report = Report { at: SlotAt { drive: *id, slot: *silent }, by };
                let call = pallet_storage::Call::report_unserved { reports: vec![report].try_into().unwrap() };
                assert_eq!(send(holder(*id, by).expect("all are there"), call).expect("a member's").pays_fee, Pays::No);
            }
        }
        live(2 * period(), Play { wrong: &[], lazy: &[EVES_VAULTS] });
        for (id, silent) in &theirs {
            assert_ne!(holder(*id, *silent), Some(EVES_VAULTS), "another has taken its place");
        }
        assert_whole(&ids);
        assert_unharmed(&vaults);
        assert!(vaults.iter().zip(before).all(|(who, before)| wealth(*who) >= before), "a word is free");
        assert_eq!(vault(EVES_VAULTS).bond, BOND, "words alone take no bond");
    });
}

#[test]
fn a_vault_that_never_signs_is_suspended_and_honest_drives_go_on_without_it() {
    attack(12, |vaults| {
        register(EVES_VAULTS, PRICE / 2);
        let lazy = Play { wrong: &[], lazy: &[EVES_VAULTS] };
        let mut rounds = 0;
        while vault(EVES_VAULTS).status != VaultStatus::Suspended {
            rounds += 1;
            assert!(rounds <= 60, "it is never suspended");
            let id = create(OWNER, Coding::K1, 4, 500);
            live(2, lazy);
            let silent: Vec<u8> = (0..4).filter(|slot| holder(id, *slot) == Some(EVES_VAULTS)).collect();
            must(checkpoint(OWNER, id, 4, &silent, false), "three have signed");
            live(period(), lazy);
            assert_whole(&[id]);
        }
        assert_eq!(vault(EVES_VAULTS).bond, BOND, "it is not ejected, and loses no bond");
        assert_unharmed(&vaults);
    });
}

#[test]
fn an_owner_has_silent_members_redrawn_free_of_charge() {
    attack(12, |vaults| {
        register(EVES_VAULTS, PRICE / 2);
        let hers = |id| (0..4).filter(|slot| holder(id, *slot) == Some(EVES_VAULTS)).collect::<Vec<u8>>();
        let id = loop {
            let id = create(OWNER, Coding::K1, 4, 500);
            live(2, HONEST);
            if !hers(id).is_empty() {
                break id;
            }
        };
        let had = wealth(OWNER);
        for _ in 0..3 {
            let silent = hers(id);
            if silent.is_empty() {
                break;
            }
            let call = pallet_storage::Call::redraw { drive: id, slots: silent.try_into().unwrap() };
            assert_eq!(send(OWNER, call).expect("the owner's").pays_fee, Pays::No);
            live(2, HONEST);
        }
        assert_eq!(wealth(OWNER), had);
        assert!(hers(id).is_empty(), "others have taken her places");
        must(checkpoint(OWNER, id, 4, &[], false), "all have signed");
        assert_whole(&[id]);
        assert_unharmed(&vaults);
    });
}
