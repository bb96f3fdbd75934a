// SPDX-License-Identifier: Apache-2.0

//! Random sequences of calls over many blocks, with vaults that prove, lie, sleep and leave: the invariants hold after each
//! step, a call that fails changes nothing, no planck is made or lost, and all that drives paid was paid out or forfeited.

use crate::{mock::*, Call, Challenges, Drives, Event, Report, SlotCause, Slots};
use cairn_primitives::storage::{Coding, Role, SlotAt, Visibility};
use frame_support::{dispatch::GetDispatchInfo, traits::fungible::Inspect};
use proptest::{collection::vec, prelude::*, sample::select};
use sp_io::storage::root as storage_root;
use sp_runtime::{traits::Dispatchable, StateVersion};

/// Vaults that take part.
const COUNT: u32 = 12;
const SLEEPERS: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
    Create { coding: Coding, capacity: u64, periods: u128 },
    Commit { drive: u64, more: u64, without: Vec<u8> },
    Trim { drive: u64, more: u64 },
    Blocks { blocks: u32, sleep: bool, lie: bool },
    Restore,
    Answer { honest: bool },
    Dispute { drive: u64, slot: u8, chunk: u64, by: u32 },
    Leave { drive: u64, slot: u8 },
    Decline,
    Report { drive: u64, slot: u8, by: Vec<u8> },
    Redraw { drive: u64, slots: Vec<u8> },
    Exit { vault: u32 },
    Rejoin { vault: u32 },
    Resize { drive: u64, capacity: u64 },
    Call(Box<Call<Test>>, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let drive = || 0u64..4;
    let coding = prop_oneof![4 => Just(Coding::K1), 2 => Just(Coding::K2)];
    let who = || 1u32..4;
    prop_oneof![
        3 => (coding, 1u64..40, 1u128..5)
            .prop_map(|(coding, capacity, periods)| Step::Create { coding, capacity, periods }),
        8 => (drive(), 0u64..12, vec(0u8..8, 0..3)).prop_map(|(drive, more, without)| Step::Commit { drive, more, without }),
        2 => (drive(), 1u64..10).prop_map(|(drive, more)| Step::Trim { drive, more }),
        10 => (1u32..25, prop::bool::weighted(0.3), prop::bool::weighted(0.05))
            .prop_map(|(blocks, sleep, lie)| Step::Blocks { blocks, sleep, lie }),
        4 => Just(Step::Restore),
        2 => any::<bool>().prop_map(|honest| Step::Answer { honest }),
        2 => (drive(), 0u8..8, 0u64..100, 0u32..COUNT + 1)
            .prop_map(|(drive, slot, chunk, by)| Step::Dispute { drive, slot, chunk, by }),
        1 => (drive(), 0u8..8).prop_map(|(drive, slot)| Step::Leave { drive, slot }),
        1 => Just(Step::Decline),
        2 => (drive(), 0u8..8, vec(0u8..8, 1..8)).prop_map(|(drive, slot, by)| Step::Report { drive, slot, by }),
        1 => (drive(), vec(0u8..8, 1..3)).prop_map(|(drive, slots)| Step::Redraw { drive, slots }),
        1 => (0..COUNT).prop_map(|vault| Step::Exit { vault }),
        1 => (0..COUNT).prop_map(|vault| Step::Rejoin { vault }),
        1 => (drive(), 1u64..100).prop_map(|(drive, capacity)| Step::Resize { drive, capacity }),
        1 => (drive(), who(), select(&[0u128, 1, 500, 100_000][..]))
            .prop_map(|(drive, who, amount)| Step::Call(Box::new(Call::top_up { drive, amount }), who)),
        1 => (drive(), who()).prop_map(|(drive, who)| Step::Call(Box::new(Call::close { drive }), who)),
        1 => (drive(), who(), who()).prop_map(|(drive, who, to)| {
            Step::Call(Box::new(Call::transfer_drive { drive, to: account(to) }), who)
        }),
        1 => (drive(), who(), who()).prop_map(|(drive, who, to)| {
            let sealed = vec![3; 48].try_into().unwrap();
            let call = Call::grant { drive, account: account(to), role: Role::Writer, until_block: None, sealed };
            Step::Call(Box::new(call), who)
        }),
        1 => (drive(), who(), who()).prop_map(|(drive, who, to)| {
            Step::Call(Box::new(Call::revoke { drive, account: account(to) }), who)
        }),
        1 => who().prop_map(|who| Step::Call(Box::new(Call::publish_key { key: [who as u8; 32] }), who)),
        1 => who().prop_map(|who| Step::Call(Box::new(Call::withdraw_key {}), who)),
    ]
}

/// Dispatches as a transaction would be.
fn dispatch(call: Call<Test>, who: u32) {
    let before = storage_root(StateVersion::V1);
    let call = RuntimeCall::Storage(call);
    let most = call.get_dispatch_info().call_weight;
    match call.dispatch(signed(who)) {
        Ok(done) => {
            let used = done.actual_weight.unwrap_or(most);
            assert!(used.all_lte(most), "a call takes more than it says");
        },
        Err(_) => assert_eq!(before, storage_root(StateVersion::V1), "a call that failed changed something"),
    }
}

/// The `number`th of the drives that there are, and its owner.
fn some_drive(number: u64) -> Option<(u64, u32)> {
    let mut ids: Vec<_> = Drives::<Test>::iter().map(|(id, drive)| (id, number_of(&drive.owner))).collect();
    ids.sort();
    let count = ids.len() as u64;
    (count > 0).then(|| ids[(number % count) as usize])
}

fn number_of(who: &AccountId) -> u32 {
    crate::mock::number(who)
}

fn join(index: u32) {
    if pallet_vaults::Vaults::<Test>::get(account(VAULTS + index)).is_none() {
        register_with(index, 120, 130 * BOND_PER_UNIT);
    }
}

/// What went out to vaults for proofs and by turns, and what was forfeited.
#[derive(Default)]
struct Flows {
    paid: u128,
    forfeited: u128,
}

impl Flows {
    fn take(&mut self) {
        for event in events() {
            match event {
                Event::Proven { paid, .. } => self.paid += paid,
                Event::Paid { amount, .. } => self.paid += amount,
                Event::PayForfeited { amount, .. } => self.forfeited += amount,
                _ => {},
            }
        }
        System::reset_events();
    }
}

/// One block; challenges are answered, but by sleepers, and wrongly if `lie`.
fn block(sleep: bool, lie: bool, flows: &mut Flows) {
    flows.take();
    next_block();
    let mut all: Vec<u32> = Challenges::<Test>::iter_keys().map(|who| number_of(&who)).collect();
    all.sort();
    for who in all {
        if sleep && who < VAULTS + SLEEPERS {
            continue;
        }
        let mut proofs = proofs_of(who);
        if lie && who == VAULTS + SLEEPERS {
            proofs.iter_mut().for_each(|shown| *shown = proof(SlotAt { drive: 999, slot: 0 }, 3, 1));
        }
        let challenge = Challenges::<Test>::get(account(who)).unwrap().id();
        dispatch(Call::prove { challenge, proofs: proofs.try_into().unwrap() }, who);
    }
    flows.take();
}

fn apply(step: Step, flows: &mut Flows) {
    match step {
        Step::Create { coding, capacity, periods } => {
            let escrow = gross(Storage::escrow_min(coding.slots(), capacity, PRICE) * periods);
            let visibility = Visibility::Private;
            let call = Call::create_drive { coding, capacity_units: capacity, price: PRICE, escrow, visibility };
            dispatch(call, ALICE);
        },
        Step::Commit { drive: number, more, without } => {
            let Some((id, owner)) = some_drive(number) else { return };
            let units = drive(id).units + more;
            let call = Call::checkpoint {
                drive: id,
                expected_version: drive(id).version,
                units,
                until_block: UNTIL_BLOCK,
                roots: roots(id, units),
                signatures: signatures(id, units, &without),
                head: Default::default(),
            };
            dispatch(call, owner);
        },
        Step::Trim { drive: number, more } => {
            let Some((id, owner)) = some_drive(number) else { return };
            let found = drive(id);
            let trimmed_units = found.trimmed_units + more;
            dispatch(Call::trim { drive: id, expected_version: found.version, trimmed_units }, owner);
        },
        Step::Blocks { blocks, sleep, lie } => (0..blocks).for_each(|_| block(sleep, lie, flows)),
        Step::Restore => {
            let mut all: Vec<_> = Slots::<Test>::iter().collect();
            all.sort_by_key(|(at, _)| *at);
            for (at, slot) in all {
                let behind = slot.vault.filter(|_| slot.behind_block.is_some());
                for who in slot.successor.map(|successor| successor.vault).into_iter().chain(behind) {
                    let who = number_of(&who);
                    let proof = restore_proof(who, at);
                    dispatch(Call::restore { drive: at.drive, slot: at.slot, proof: proof.map(Box::new) }, who);
                }
            }
        },
        Step::Answer { honest } => {
            let mut all: Vec<_> = crate::Disputes::<Test>::iter().collect();
            all.sort_by_key(|(at, _)| *at);
            for (at, dispute) in all {
                let target = dispute.target;
                let chunk = if honest { target.chunk } else { target.chunk ^ 1 };
                let who = number_of(&Slots::<Test>::get(at).unwrap().vault.unwrap());
                let shown = proof(at, target.units, chunk);
                dispatch(Call::answer_dispute { drive: at.drive, slot: at.slot, proof: Box::new(shown) }, who);
            }
        },
        Step::Dispute { drive: number, slot, chunk, by } => {
            let Some((id, owner)) = some_drive(number) else { return };
            let who = if by == COUNT { owner } else { VAULTS + by };
            dispatch(Call::dispute { drive: id, slot, chunk }, who);
        },
        Step::Leave { drive: number, slot } => {
            let Some((id, _)) = some_drive(number) else { return };
            let Some(vault) = Slots::<Test>::get(at(id, slot)).and_then(|slot| slot.vault) else { return };
            dispatch(Call::leave_slots { slots: vec![at(id, slot)].try_into().unwrap() }, number_of(&vault));
        },
        Step::Decline => {
            let mut all: Vec<_> = Slots::<Test>::iter().collect();
            all.sort_by_key(|(at, _)| *at);
            for (at, slot) in all {
                for who in slot.successor.map(|successor| successor.vault).into_iter().chain(slot.vault) {
                    dispatch(Call::decline_slots { slots: vec![at].try_into().unwrap() }, number_of(&who));
                }
            }
        },
        Step::Report { drive: number, slot, by } => {
            let Some((id, _)) = some_drive(number) else { return };
            for by in by {
                let Some(vault) = Slots::<Test>::get(at(id, by)).and_then(|slot| slot.vault) else { continue };
                let reports = vec![Report { at: at(id, slot), by }].try_into().unwrap();
                dispatch(Call::report_unserved { reports }, number_of(&vault));
            }
        },
        Step::Redraw { drive: number, slots } => {
            let Some((id, owner)) = some_drive(number) else { return };
            dispatch(Call::redraw { drive: id, slots: slots.try_into().unwrap() }, owner);
        },
        Step::Exit { vault } => {
            let _ = Vaults::begin_exit(signed(VAULTS + vault));
            let before = storage_root(StateVersion::V1);
            let call = RuntimeCall::Vaults(pallet_vaults::Call::finish_exit {});
            let done = call.dispatch(signed(VAULTS + vault)).is_ok();
            assert!(done || before == storage_root(StateVersion::V1));
        },
        Step::Rejoin { vault } => join(vault),
        Step::Resize { drive: number, capacity } => {
            let Some((id, owner)) = some_drive(number) else { return };
            dispatch(Call::resize { drive: id, capacity_units: capacity }, owner);
        },
        Step::Call(call, who) => dispatch(*call, who),
    }
    flows.take();
}

/// Closes all, lets vaults go, and finds that nothing is left but the reserve.
fn wind_up(flows: &mut Flows) {
    let mut left: Vec<_> = Drives::<Test>::iter().map(|(id, drive)| (id, number_of(&drive.owner))).collect();
    left.sort();
    left.into_iter().for_each(|(id, owner)| dispatch(Call::close { drive: id }, owner));
    (1..4).for_each(|who| dispatch(Call::withdraw_key {}, who));
    (0..3 * PERIOD).for_each(|_| block(false, false, flows));
    for index in 0..COUNT {
        if pallet_vaults::Vaults::<Test>::get(account(VAULTS + index)).is_some() {
            let _ = Vaults::begin_exit(signed(VAULTS + index));
            Vaults::finish_exit(signed(VAULTS + index)).expect("a vault without slots and turns may go");
        }
    }
    flows.take();
    check();
    assert_eq!(Balances::free_balance(Storage::pot()), reserve() + ED);
    assert_eq!(crate::Books::<Test>::iter().count(), 0);
    assert_eq!(crate::Slots::<Test>::iter().count(), 0);
    assert_eq!(crate::LiableSlots::<Test>::iter().count(), 0);
    assert_eq!(crate::HeldSlots::<Test>::iter().count(), 0);
    assert_eq!(crate::Challenges::<Test>::iter().count(), 0);
    assert_eq!(crate::Disputes::<Test>::iter().count(), 0);
    assert_eq!(crate::Grants::<Test>::iter().count(), 0);
    assert_eq!(crate::Endings::<Test>::iter().count(), 0);
    assert_eq!(crate::RepairQueue::<Test>::iter().count(), 0);
    assert_eq!(crate::FormingDrives::<Test>::iter().count(), 0);
    for who in 1..10 {
        for reason in [
            crate::HoldReason::Drive,
            crate::HoldReason::Grant,
            crate::HoldReason::Dispute,
            crate::HoldReason::SealingKey,
        ] {
            assert_eq!(held(who, reason), 0);
        }
    }
}

fn cases() -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(wanted.unwrap_or(48))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_is_done_the_invariants_hold_and_money_is_conserved(steps in vec(step(), 1..60)) {
        ExtBuilder.build_and_execute(|| {
            (0..COUNT).for_each(join);
            let mut flows = Flows::default();
            // What the world has, and what drives paid for, in all.
            let all = (1..10).chain(VAULTS..VAULTS + COUNT).map(account).collect::<Vec<_>>();
            let total = |all: &[AccountId]| -> u128 { all.iter().map(Balances::total_balance).sum() };
            let before = total(&all) + Balances::total_balance(&Storage::pot());
            for step in steps {
                apply(step, &mut flows);
                check();
                assert_eq!(total(&all) + Balances::total_balance(&Storage::pot()), before);
            }
            wind_up(&mut flows);
            assert_eq!(total(&all) + Balances::total_balance(&Storage::pot()), before);
        });
    }

    #[test]
    fn every_planck_that_a_drive_pays_is_proven_for_or_forfeited(
        units in vec(0u64..20, 1..8),
        sleeps in vec(any::<bool>(), 8),
        blocks in 1u32..50,
    ) {
        ReservePpm::set(0);
        ExtBuilder.build_and_execute(|| {
            (0..5).for_each(|index| register_with(index, 400, 400 * BOND_PER_UNIT));
            let mut flows = Flows::default();
            let id = create_for(ALICE, Coding::K1, 200, 30);
            let escrow = drive(id).escrow;
            for (more, sleep) in units.into_iter().zip(sleeps) {
                apply(Step::Restore, &mut flows);
                // Not possible while too many slots have no vault.
                let _ = checkpoint_without(ALICE, id, drive(id).units + more, &[]);
                (0..blocks % 15).for_each(|_| block(sleep, false, &mut flows));
            }
            let paid_in = escrow - Storage::api_drive(id).unwrap().escrow;
            let left = || {
                let pending: u128 = (0..5).map(|index| book(VAULTS + index).pending).sum();
                Challenges::<Test>::iter_values().fold(pending, |sum, challenge| sum + challenge.at_stake)
            };
            assert_eq!(paid_in, flows.paid + flows.forfeited + left());
        });
        ReservePpm::set(20_000);
    }

    #[test]
    fn a_rate_is_the_sum_of_its_slots_whatever_happens_to_them(lost in vec(0u8..8, 0..6), units in 1u64..30) {
        ExtBuilder.build_and_execute(|| {
            register(10);
            let id = create(ALICE, Coding::K2);
            commit(ALICE, id, units);
            for number in lost {
                if let Some(vault) = slot(id, number).vault {
                    Storage::punish(at(id, number), &vault, SlotCause::ProofWrong);
                }
                let rates: u128 = (0..10).map(|index| book(VAULTS + index).rate).sum();
                assert_eq!(drive(id).rate, rates);
                assert_eq!(rates, u128::from(drive(id).healthy) * u128::from(units) * RATE);
            }
        });
    }
}
