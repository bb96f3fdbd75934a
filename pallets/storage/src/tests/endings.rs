// SPDX-License-Identifier: Apache-2.0

//! Drives end when they are dry: never before, whatever blocks others fill, and hardly later.

use crate::{
    mock::*, Challenges, Drives, EndCause, Endings, Event, LateDrives, LateSpan, Reserve, ReserveDebt,
    ENDINGS_LATE_PER_BLOCK, ENDINGS_PER_BLOCK, ENDINGS_PER_BLOCK_MAX, QUEUED_LATE,
};
use cairn_primitives::storage::{Coding, DriveId};
use frame_support::assert_ok;

/// Fills all blocks up to a last one with entries of drives that there are not.
fn fill_blocks(last: u32, entries: u32) {
    for block in now() + 1..=last {
        Endings::<Test>::mutate(block, |drives| {
            let room = (entries as usize).saturating_sub(drives.len()) as u64;
            (0..room).for_each(|number| drives.try_push(u64::MAX - number).unwrap());
        });
    }
}

/// Takes the entries of drives that there are not away, so that the invariants hold.
fn empty_blocks() {
    let keys: Vec<u32> = Endings::<Test>::iter_keys().collect();
    for block in keys {
        Endings::<Test>::mutate_exists(block, |drives| {
            let list = drives.as_mut().unwrap();
            list.retain(|id| Drives::<Test>::contains_key(id));
            if list.is_empty() {
                *drives = None;
            }
        });
    }
}

/// Lets blocks pass in which all vaults prove; gives the drives that ended, with the blocks and causes.
fn pass(blocks: u32) -> Vec<(DriveId, u32, EndCause)> {
    let mut ended = Vec::new();
    for _ in 0..blocks {
        next_block();
        ended.extend(events().into_iter().filter_map(|event| match event {
            Event::DriveEnded { drive, cause, .. } => Some((drive, now(), cause)),
            _ => None,
        }));
        let asked: Vec<u32> = Challenges::<Test>::iter_keys().map(|who| number(&who)).collect();
        asked.into_iter().for_each(prove);
    }
    ended
}

/// What drives owe beyond their escrows that end so many blocks late, all with as much.
fn unpaid_after(id: DriveId, late: impl Iterator<Item = u32>) -> u128 {
    let drive = drive(id);
    let left = drive.escrow - drive.rate * u128::from(drive.dry_block().unwrap() - drive.since);
    late.map(|blocks| (drive.rate * u128::from(blocks)).saturating_sub(left)).sum()
}

fn world() {
    (0..8).for_each(|index| register_with(index, 100_000, 100 * BOND));
}

#[test]
fn a_drive_that_is_paid_lasts_until_it_is_dry_whatever_blocks_others_fill() {
    // When blocks are filled: long before the warning, and between the warning and the end, down to the last block.
    for (entries, before_dry) in [
        (ENDINGS_PER_BLOCK, 300 * PERIOD),
        (ENDINGS_PER_BLOCK_MAX, 300 * PERIOD),
        (ENDINGS_PER_BLOCK_MAX, PERIOD / 2),
        (ENDINGS_PER_BLOCK_MAX, 3),
        (ENDINGS_PER_BLOCK_MAX, 1),
    ] {
        ExtBuilder.build_and_execute(|| {
            world();
            let id = create_for(ALICE, Coding::K1, 4, 403);
            commit(ALICE, id, 4);
            let dry = drive(id).dry_block().unwrap();
            pass(dry.saturating_sub(before_dry).saturating_sub(now()));
            // Its own entry is early, as one can be where blocks have their fill.
            if drive(id).warned {
                let queued = drive(id).queued_block.unwrap();
                Endings::<Test>::remove(queued);
                let early = now() + 1;
                Endings::<Test>::mutate(early, |drives| drives.try_push(id).unwrap());
                Drives::<Test>::mutate(id, |drive| drive.as_mut().unwrap().queued_block = Some(early));
            }
            fill_blocks(dry + PERIOD, entries);
            assert_eq!(pass(dry - now() - 1), [], "{entries} entries, {before_dry} blocks before it is dry");
            assert_eq!(pass(1), [(id, dry, EndCause::RanDry)]);
            empty_blocks();
        });
    }
}

#[test]
fn drives_that_no_block_has_room_for_end_a_little_late_and_the_reserve_pays_their_vaults() {
    ExtBuilder.build_and_execute(|| {
        world();
        let count = 60;
        let ids: Vec<DriveId> = (0..count).map(|_| create_for(ALICE, Coding::K1, 10, 5)).collect();
        ids.iter().for_each(|id| commit(ALICE, *id, 10));
        let dry = drive(ids[0]).dry_block().unwrap();
        assert!(ids.iter().all(|id| drive(*id).dry_block() == Some(dry)));
        pass(dry - 2 * PERIOD - now());
        fill_blocks(dry + PERIOD, ENDINGS_PER_BLOCK_MAX);
        assert_eq!(pass(dry - 1 - now()), [], "none ends early");
        assert!(ids.iter().all(|id| drive(*id).queued_block == Some(QUEUED_LATE)));
        assert_eq!(LateSpan::<Test>::get().entries(), u64::from(count), "each is listed once");

        // More than these drives have paid into the reserve with periods as short as here, which other drives have.
        create_for(BOB, Coding::K1, 1_000, 300);
        let reserve = Reserve::<Test>::get();
        // Each block has places for those that found no room, also where it has its fill of others.
        let expected: Vec<u32> = (0..count).map(|number| number / ENDINGS_LATE_PER_BLOCK).collect();
        let unpaid = unpaid_after(ids[0], expected.iter().copied());
        let ended = pass(count / ENDINGS_LATE_PER_BLOCK + 1);
        let late: Vec<u32> = ended.iter().map(|(_, block, _)| block - dry).collect();
        assert_eq!(late, expected);
        assert_eq!(Reserve::<Test>::get(), reserve - unpaid, "vaults earned up to the end");
        assert!(LateDrives::<Test>::iter().next().is_none());
        empty_blocks();
    });
}

#[test]
fn a_reserve_that_has_too_little_owes_the_rest_and_pays_it_from_what_comes_in() {
    ExtBuilder.build_and_execute(|| {
        world();
        let ids: Vec<DriveId> = (0..60).map(|_| create_for(ALICE, Coding::K1, 10, 2)).collect();
        ids.iter().for_each(|id| commit(ALICE, *id, 10));
        let dry = drive(ids[0]).dry_block().unwrap();
        let unpaid = unpaid_after(ids[0], (0..60).map(|number| number / ENDINGS_LATE_PER_BLOCK));
        fill_blocks(dry + PERIOD, ENDINGS_PER_BLOCK_MAX);
        pass(dry - now());
        let reserve = Reserve::<Test>::get();
        assert_eq!(pass(60 / ENDINGS_LATE_PER_BLOCK).len() as u32, 60 - ENDINGS_LATE_PER_BLOCK);
        assert!(unpaid > reserve, "or this shows nothing");
        assert_eq!((Reserve::<Test>::get(), ReserveDebt::<Test>::get()), (0, unpaid - reserve));
        empty_blocks();
        check();
        // The vaults are paid all the same: others' escrows are in the pot, too.
        create_for(BOB, Coding::K1, 10, 2);
        let owed = ReserveDebt::<Test>::get();
        assert!(owed > 0 && owed < unpaid - reserve, "a little came in");
        create_for(BOB, Coding::K1, 1_000, 300);
        assert_eq!(ReserveDebt::<Test>::get(), 0);
        assert!(Reserve::<Test>::get() > 0);
        check();
    });
}

#[test]
fn a_drive_that_is_late_can_be_topped_up_and_its_entry_is_void_then() {
    ExtBuilder.build_and_execute(|| {
        world();
        let ids: Vec<DriveId> = (0..20).map(|_| create_for(ALICE, Coding::K1, 10, 2)).collect();
        ids.iter().for_each(|id| commit(ALICE, *id, 10));
        let dry = drive(ids[0]).dry_block().unwrap();
        fill_blocks(dry + 5, ENDINGS_PER_BLOCK_MAX);
        let mut ended = pass(dry - now());
        let saved = LateDrives::<Test>::get(LateSpan::<Test>::get().end - 1).unwrap();
        assert_eq!(drive(saved).queued_block, Some(QUEUED_LATE));
        ended.extend(pass(1));
        let late = drive(saved);
        assert!(late.dry_block().unwrap() < now(), "it should have ended in the block before");
        let spent = late.spent + late.escrow;
        assert_ok!(Storage::top_up(signed(ALICE), saved, gross(late.rate * 200)));
        let rescued = drive(saved);
        assert_eq!((rescued.spent, rescued.since), (spent, now()), "its escrow is spent, and no more");
        assert_eq!(rescued.dry_block(), Some(now() + 200), "what it owed beyond that is not its owner's to pay");
        assert!(rescued.queued_block.is_some_and(|block| block != QUEUED_LATE));
        ended.extend(pass(5));
        assert_eq!(ended.len(), 19);
        empty_blocks();
        check();
        assert_eq!(pass(rescued.dry_block().unwrap() - now() - 1), []);
        assert_eq!(pass(1), [(saved, rescued.dry_block().unwrap(), EndCause::RanDry)]);
    });
}

#[test]
fn entries_of_drives_that_were_closed_are_passed_over() {
    ExtBuilder.build_and_execute(|| {
        world();
        let ids: Vec<DriveId> = (0..10).map(|_| create_for(ALICE, Coding::K1, 10, 2)).collect();
        ids.iter().for_each(|id| commit(ALICE, *id, 10));
        let dry = drive(ids[0]).dry_block().unwrap();
        fill_blocks(dry, ENDINGS_PER_BLOCK_MAX);
        pass(dry - 2 - now());
        assert!(ids.iter().all(|id| drive(*id).queued_block == Some(QUEUED_LATE)));
        for id in ids {
            assert_ok!(Storage::close(signed(ALICE), id));
        }
        assert_eq!(pass(4), []);
        assert_eq!(LateSpan::<Test>::get().entries(), 0);
        empty_blocks();
    });
}
