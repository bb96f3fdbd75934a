// SPDX-License-Identifier: Apache-2.0

//! Slots that are behind, change hands, or are lost.

use cairn_client::chain::storage::{Coding, SlotState};

use super::{
    world::{account, at, range_of, DRIVE},
    *,
};

fn healthy_by(group: &Group, slot: u8, number: usize) -> bool {
    let slot = group.world.slot(slot);
    slot.vault == Some(account(number)) && slot.state == SlotState::Healthy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_is_behind_catches_up() {
    for coding in [Coding::K1, Coding::K2, Coding::K4] {
        let group = Group::new(coding, 0).await;
        let mut logs = group.fill(3).await;
        group.grow(&mut logs, 9);
        let late = coding.slots() - 1;
        // It has begun, with something else.
        let connection = group.connect(usize::from(late)).await;
        let ticket = cairn_primitives::storage::Ticket { first_stripe: 3, ..group.ticket(late) };
        group.open(&connection, ticket).await.unwrap();
        connection.append(at(late), 3, logs[0][..2].to_vec()).await.unwrap();
        group.write(&logs, |slot| slot != late).await;
        group.world.checkpoint(&logs, |slot| slot != late);
        until("it has caught up", || healthy_by(&group, late, usize::from(late))).await;
        group.check(usize::from(late), late, &logs[usize::from(late)]);
        group.stop_all().await;
    }
}

/// A vault signed for what was committed, and didn't hear of it before more was committed without it. What it has is the log's, and
/// perhaps nobody else's any more: it keeps it while the others are away, and fetches the rest.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_vault_signed_for_and_did_not_hear_of_is_kept_and_not_fetched_again() {
    for coding in [Coding::K1, Coding::K2] {
        let mut group = Group::new(coding, 0).await;
        let mut logs = Vec::new();
        group.grow(&mut logs, 3);
        group.write(&logs, |_| true).await;
        group.grow(&mut logs, 2);
        for slot in 1..coding.slots() {
            let connection = group.connect(usize::from(slot)).await;
            let ticket = cairn_primitives::storage::Ticket { first_stripe: 3, ..group.ticket(slot) };
            group.open(&connection, ticket).await.unwrap();
            connection.append(at(slot), 3, logs[usize::from(slot)][3..].to_vec()).await.unwrap();
        }
        for other in 1..usize::from(coding.slots()) {
            group.stop(other).await;
        }
        group.world.checkpoint(&logs, |slot| slot > 0);
        let metrics = || group.vault(0).metrics();
        until("it was tried", || metrics().rebuilds_failed_total.load(Relaxed) > 0).await;
        group.check(0, 0, &logs[0][..3].to_vec());
        for other in 1..usize::from(coding.slots()) {
            group.start(other).await;
        }
        until("it has caught up", || healthy_by(&group, 0, 0)).await;
        group.check(0, 0, &logs[0]);
        let missing: usize = logs[0][3..].iter().map(|shard| shard.len()).sum();
        let fetched = group.vault(0).metrics().repair_bytes_total.load(Relaxed);
        assert_eq!(fetched, (missing * usize::from(coding.data())) as u64, "{coding:?}");
        group.stop_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_too_late_for_the_checkpoint_is_not_fetched_again() {
    let group = Group::new(Coding::K1, 0).await;
    let logs = group.fill(4).await;
    group.world.change(|state| {
        let slot = &mut state.drives.get_mut(&DRIVE).unwrap().slots[1];
        slot.state = SlotState::Behind;
    });
    until("it has caught up", || healthy_by(&group, 1, 1)).await;
    assert_eq!(group.vault(1).metrics().repair_bytes_total.load(Relaxed), 0);
    group.check(1, 1, &logs[1]);
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_slot_is_rebuilt_by_another_vault() {
    for coding in [Coding::K1, Coding::K2] {
        let spare = usize::from(coding.slots());
        let mut group = Group::new(coding, 1).await;
        let logs = group.fill(13).await;
        group.stop(1).await;
        group.empty(1);
        group.succeed(1, spare);
        until("it is rebuilt", || healthy_by(&group, 1, spare)).await;
        group.check(spare, 1, &logs[1]);
        group.stop_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_copied_from_the_vault_that_leaves_and_removed_there_after_the_grace() {
    let mut group = Group::with(Coding::K4, 1, |config| config.pace.lost_grace_blocks = Some(10)).await;
    let logs = group.fill(7).await;
    // Fewer than four others: they alone couldn't give it.
    for other in 3..16 {
        group.stop(other).await;
    }
    group.world.change(|state| state.drives.get_mut(&DRIVE).unwrap().slots[0].leaving = true);
    group.succeed(0, 16);
    until("it is copied", || healthy_by(&group, 0, 16)).await;
    group.check(16, 0, &logs[0]);
    let block = u64::from(group.world.change(|state| {
        state.block += 5;
        state.block
    }));
    until("the vault has seen it", || group.vault(0).metrics().finalized_block.load(Relaxed) >= block).await;
    group.check(0, 0, &logs[0]);
    group.world.change(|state| state.block += 20);
    until("it is removed", || group.vault(0).store().head(at(0)).is_none()).await;
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuilding_goes_on_with_others_when_a_vault_fails_or_lies() {
    let mut group = Group::new(Coding::K2, 1).await;
    let logs = group.fill(9).await;
    // One has other shards under ids that are theirs: its own root shows it.
    group.stop(2).await;
    let options = cairn_store::Options { reserve_bytes: 0, ..Default::default() };
    let liar = cairn_store::Store::open(&group.folder(2).join(crate::STORE_FOLDER), options).unwrap();
    let head = liar.head(at(2)).unwrap();
    liar.remove(at(2)).unwrap();
    liar.create(at(2), Default::default()).unwrap();
    let sizes: Vec<_> =
        logs[2].iter().map(|shard| cairn_primitives::storage::ShardSize::from_bytes(shard.len()).unwrap()).collect();
    let bytes = vec![0; logs[2].iter().map(|shard| shard.len()).sum()];
    liar.append(at(2), 0, &sizes, &bytes).unwrap();
    liar.commit(at(2), head.range.units()).unwrap();
    drop(liar);
    group.start(2).await;
    // And some are away: with the liar there are just enough, without it too.
    for other in [3, 4, 5] {
        group.stop(other).await;
    }
    group.stop(1).await;
    group.empty(1);
    group.succeed(1, 8);
    until("it is rebuilt", || healthy_by(&group, 1, 8)).await;
    group.check(8, 1, &logs[1]);
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_vaults_are_waited_for() {
    let mut group = Group::new(Coding::K2, 1).await;
    let logs = group.fill(5).await;
    for other in 1..8 {
        group.stop(other).await;
    }
    group.empty(1);
    group.succeed(1, 8);
    until("it was tried", || group.vault(8).metrics().rebuilds_failed_total.load(Relaxed) > 1).await;
    assert!(!healthy_by(&group, 1, 8));
    group.start(4).await;
    until("it is rebuilt", || healthy_by(&group, 1, 8)).await;
    group.check(8, 1, &logs[1]);
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_rebuilt_although_its_front_is_gone() {
    for coding in [Coding::K1, Coding::K2] {
        let spare = usize::from(coding.slots());
        let mut group = Group::new(coding, 1).await;
        let mut logs = group.fill(11).await;
        let trimmed = range_of(&logs[0][..6]).units();
        group.world.change(|state| state.drives.get_mut(&DRIVE).unwrap().trimmed_units = trimmed);
        for number in 0..spare {
            let trimmed = || group.vault(number).store().head(at(number as u8)).unwrap().trimmed_leaves;
            until("all have given it up", || trimmed() == 6).await;
        }
        group.stop(1).await;
        group.empty(1);
        group.succeed(1, spare);
        until("it is rebuilt", || healthy_by(&group, 1, spare)).await;
        group.check(spare, 1, &logs[1]);
        // And goes on from there.
        group.grow(&mut logs, 3);
        group.write(&logs, |_| true).await;
        group.world.checkpoint(&logs, |_| true);
        let units = range_of(&logs[1]).units();
        until("it is committed", || group.vault(spare).store().head(at(1)).unwrap().committed_units == units).await;
        group.stop_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_lost_its_disk_rebuilds_what_it_is_liable_for() {
    let mut group = Group::new(Coding::K2, 0).await;
    let logs = group.fill(6).await;
    group.stop(0).await;
    std::fs::remove_dir_all(group.folder(0).join(crate::STORE_FOLDER)).unwrap();
    group.start(0).await;
    until("it is there again", || {
        group.vault(0).store().head(at(0)).is_some_and(|head| head.range == range_of(&logs[0]))
    })
    .await;
    group.check(0, 0, &logs[0]);
    group.stop_all().await;
}
