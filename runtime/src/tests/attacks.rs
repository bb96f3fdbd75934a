// SPDX-License-Identifier: Apache-2.0

//! What strangers try with storage in order to harm others or to gain, on the whole runtime: its own deposits, fees and
//! hooks, at the development network's periods of 20 blocks, and where it matters at longer ones. The pallet's tests try more, on its
//! mock, and the simulator the same in a network of 200 vaults. In each test the honest vaults prove all that they have and restore
//! all that can be restored; after it all invariants hold. Each attack says what it cost (`cargo nextest run --no-capture`).

use super::{storage_world::*, *};
use cairn_primitives::storage::{Coding, SlotAt, VaultStatus};
use frame_support::dispatch::{DispatchResultWithPostInfo, Pays};
use pallet_storage::{Drives, Event, LateSpan, Report};

const OWNER: u32 = 1;
const EVE: u32 = 2;
/// Honest vaults, and Eve's.
const HONEST_VAULTS: u32 = 1_000;
const EVES_VAULTS: u32 = 2_000;
/// A longer period: what follows from it (deadlines, graces, rests) is no longer at its least, as in production.
const LONG_PERIOD_BLOCKS: u32 = 480;

fn attack(honest: u32, test: impl FnOnce(Vec<u32>)) {
    attack_at(20, honest, test);
}

/// The same at periods of so many blocks.
fn attack_at(period_blocks: u32, honest: u32, test: impl FnOnce(Vec<u32>)) {
    let patch = crate::genesis::get_preset(&"development".into()).expect("a preset of that name");
    let mut patch: serde_json::Value = serde_json::from_slice(&patch).expect("presets are JSON");
    patch["network"]["parameters"]["storagePeriodBlocks"] = period_blocks.into();
    chain::from_patch(patch).expect("it builds").execute_with(|| {
        chain::next_block();
        assert_eq!(period(), period_blocks);
        [OWNER, EVE].into_iter().for_each(endow);
        let vaults: Vec<u32> = (HONEST_VAULTS..HONEST_VAULTS + honest).collect();
        vaults.iter().for_each(|who| register(*who, PRICE));
        test(vaults);
        chain::check_invariants();
    });
}

/// Says what an attack cost: what Eve and her vaults have less, of which fees and pay for honest vaults are most.
fn tell_cost(attack: &str, before: Balance, after: Balance) {
    assert!(after < before, "{attack}: she has gained {} plancks", after - before);
    println!("{attack}: {} thousandths of a coin lost", (before - after) * 1_000 / CRN);
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
        let mut drawn = 0;
        live_and_see(15 * period(), HONEST, || {
            let successors =
                told().into_iter().filter(|event| matches!(event, Event::SuccessorChanged { to: Some(_), .. }));
            drawn += successors.count();
        });
        assert!(drawn > 60, "vaults were drawn to rebuild what nobody can: {drawn}");
        assert_unharmed(&vaults);
        assert_whole(&honest);
        ids.iter().for_each(|id| must(send(EVE, pallet_storage::Call::close { drive: *id }), "hers"));
        tell_cost("20 drives of eight false roots", before, wealth(EVE));
    });
}

#[test]
fn a_paid_drive_lasts_however_many_others_end() {
    attack(12, |vaults| {
        let before = wealth(EVE);
        let honest = create(OWNER, Coding::K1, 4, 6);
        let hers: Vec<u64> = (0..300).map(|_| create(EVE, Coding::K1, 1, 5)).collect();
        live(1 + (4 * 301u32).div_ceil(64), HONEST);
        must(checkpoint(OWNER, honest, 4, &[], false), "all have signed");
        hers.iter().for_each(|id| must(checkpoint(EVE, *id, 1, &[], false), "all have signed"));
        // All of hers are to be dry in the very block in which the honest one is.
        let dry = drive(honest).dry_block().expect("it is paid for");
        for id in &hers {
            let found = drive(*id);
            let needed =
                (found.rate * Balance::from(dry - found.since)).checked_sub(found.escrow).expect("paid for less");
            let amount = needed * 1_000 / 980 + 1;
            must(send(EVE, pallet_storage::Call::top_up { drive: *id, amount }), "anybody may");
            assert_eq!(drive(*id).dry_block(), Some(dry));
        }
        let mut waited = 0;
        live_and_see(dry - 1 - System::block_number(), HONEST, || {
            waited = waited.max(LateSpan::<Runtime>::get().entries());
            assert!(
                Drives::<Runtime>::contains_key(honest),
                "{} blocks before it is dry",
                dry - System::block_number()
            );
            assert_eq!(Drives::<Runtime>::iter_keys().count(), 301, "nor does any other end early");
        });
        assert!(waited > 100, "all blocks before the end were full: {waited}");
        assert_whole(&[honest]);
        live(301u32.div_ceil(8), HONEST);
        assert_eq!(Drives::<Runtime>::iter_keys().count(), 0, "what is dry ends, a little late");
        assert_unharmed(&vaults);
        live(2 * period(), HONEST);
        tell_cost("300 drives that end in one block", before, wealth(EVE));
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
        let before = wealth(EVE) + hers.iter().map(|who| wealth(*who)).sum::<Balance>();
        let wrong = Play { wrong: &hers, lazy: &hers };
        // What of hers waits while slots of others do; and the longest that one of these waited.
        let empty = |ids: &[u64]| {
            let slots = ids.iter().flat_map(|id| (0..4).map(|slot| SlotAt { drive: *id, slot }));
            // A vault of hers may be drawn, too, and takes its time.
            let waits = |at: &SlotAt| slot(*at).vault.is_none() && slot(*at).successor.is_none();
            slots.filter(waits).collect::<Vec<_>>()
        };
        let (mut beside, mut since) = (0, std::collections::BTreeMap::new());
        let mut longest = 0;
        live_and_see(5 * period(), wrong, || {
            let (theirs, now) = (empty(&mixed), System::block_number());
            if !theirs.is_empty() {
                beside = beside.max(empty(&ids).len());
            }
            since.retain(|at, _| theirs.contains(at));
            for at in theirs {
                longest = longest.max(now - *since.entry(at).or_insert(now));
            }
        });
        assert!(beside > 4, "more of hers waited than a block draws: {beside}");
        assert!(longest > 0 && longest <= 6, "a slot of others waited for a draw for {longest} blocks");
        assert!(!empty(&ids).is_empty(), "and nobody can be drawn for hers");
        assert_whole(&honest);
        assert_whole(&mixed);
        let after = wealth(EVE) + hers.iter().map(|who| wealth(*who)).sum::<Balance>();
        tell_cost("24 slots that nobody can be drawn for", before, after);
        assert_unharmed(&vaults);
        let lost: Balance = hers.iter().map(|who| BOND - vault(*who).bond).sum();
        assert!(lost > 0, "who showed something wrong has lost of its bond");
    });
}

#[test]
fn nobody_gains_by_a_fault_of_its_own_vault() {
    let test = |vaults: Vec<u32>| {
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
        let (mut slashed, mut bonus) = (0, Vec::new());
        live_and_see(2 * period() + 4, Play { wrong: &hers[..3], lazy: &[] }, || {
            for event in told() {
                match event {
                    Event::ProofWrong { slashed: of_slot, .. } => slashed += of_slot,
                    Event::BonusPaid { amount, .. } => bonus.push(amount),
                    _ => {},
                }
            }
        });
        let paid: Balance = bonus.iter().sum();
        assert!(!bonus.is_empty() && slashed > 0, "there was something to gain");
        assert!(paid * 2 <= slashed, "{paid} of {slashed} plancks: more than half of what the faults brought in");
        for id in ids {
            if Drives::<Runtime>::contains_key(id) {
                must(send(EVE, pallet_storage::Call::close { drive: id }), "hers");
            }
        }
        live(2, HONEST);
        tell_cost("faults of her own vaults", before, everything());
        assert!(pallet_storage::Reserve::<Runtime>::get() >= reserve, "the reserve has no less");
        assert_whole(&honest);
        assert_unharmed(&vaults);
    };
    attack(10, test);
    attack_at(LONG_PERIOD_BLOCKS, 10, test);
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
    let test = |vaults: Vec<u32>| {
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
    };
    attack(8, test);
    attack_at(LONG_PERIOD_BLOCKS, 8, test);
}

#[test]
fn a_vault_that_never_signs_is_suspended_and_honest_drives_go_on_without_it() {
    attack(12, |vaults| {
        register(EVES_VAULTS, PRICE / 2);
        let lazy = Play { wrong: &[], lazy: &[EVES_VAULTS] };
        let (mut rounds, mut left_unsigned) = (0, 0);
        while vault(EVES_VAULTS).status != VaultStatus::Suspended {
            rounds += 1;
            assert!(rounds <= 200 && left_unsigned < 4, "it is not suspended after {left_unsigned} slots");
            let id = create(OWNER, Coding::K1, 4, 500);
            live(2, lazy);
            let silent: Vec<u8> = (0..4).filter(|slot| holder(id, *slot) == Some(EVES_VAULTS)).collect();
            left_unsigned += silent.len();
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
