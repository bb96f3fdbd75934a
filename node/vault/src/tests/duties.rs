// SPDX-License-Identifier: Apache-2.0

//! Challenges, disputes, watching, scrubbing, and what is told of it.

use cairn_client::chain::{
    storage::{Coding, Dispute, SlotState, Target},
    vaults::Challenge,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    world::{account, at, range_of, DRIVE},
    *,
};
use crate::{Action, StartError, Vault};

fn challenge(group: &Group, number: usize, slot: u8, log: &Shards, chunks: &[u64]) {
    let range = range_of(log);
    let target = |chunk: &u64| Target { at: at(slot), root: range.root(), units: range.units(), chunk: *chunk };
    group.world.change(|state| {
        let targets = chunks.iter().map(target).collect();
        let challenge = Challenge { turn_block: state.block, due_block: state.block + 3, at_stake: 1, targets };
        state.challenges.insert(account(number).0, challenge);
    });
}

fn proven(group: &Group, number: usize) -> usize {
    let is_proof = |action: &Action| matches!(action, Action::Prove { .. });
    group.world.actions_of(account(number)).iter().filter(|action| is_proof(action)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn challenges_are_answered_once_also_about_an_older_length_and_after_a_pause() {
    let mut group = Group::new(Coding::K1, 0).await;
    let mut logs = group.fill(5).await;
    let older = logs[0].clone();
    challenge(&group, 0, 0, &older, &[0, 5, range_of(&older).units() * 4 - 1]);
    until("it is answered", || proven(&group, 0) == 1).await;
    group.grow(&mut logs, 4);
    group.write(&logs, |_| true).await;
    group.world.checkpoint(&logs, |_| true);
    challenge(&group, 0, 0, &older, &[7]);
    until("the older length is proven", || proven(&group, 0) == 2).await;
    group.stop(0).await;
    challenge(&group, 0, 0, &logs[0], &[range_of(&logs[0]).units() * 4 - 1]);
    group.start(0).await;
    until("what came while it was away is answered", || proven(&group, 0) == 3).await;
    assert_eq!(group.vault(0).metrics().challenges_proven_total.load(Relaxed), 1);
    group.stop_all().await;
}

/// The block with the challenge is undone while its answer waits: the one in its place has another challenge, which is answered
/// before anything is known of the first.
#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_in_the_place_of_an_undone_one_is_answered_at_once() {
    let group = Group::new(Coding::K1, 0).await;
    let logs = group.fill(5).await;
    let waiting = || group.world.lock().waiting;
    group.world.lock().no_answers = true;
    challenge(&group, 0, 0, &logs[0], &[0, 5]);
    until("the first is answered", || waiting() == 1).await;
    let turn_block = group.world.lock().challenges[&account(0).0].turn_block;
    challenge(&group, 0, 0, &logs[0], &[3, 9]);
    group.world.change(|state| state.challenges.get_mut(&account(0).0).unwrap().turn_block = turn_block);
    until("so is the other", || waiting() >= 2).await;
    group.world.lock().no_answers = false;
    until("the other is proven", || proven(&group, 0) == 1).await;
    let metrics = group.vault(0).metrics();
    until("the answer to the first is refused", || metrics.challenges_past_total.load(Relaxed) >= 1).await;
    assert_eq!(metrics.challenges_proven_total.load(Relaxed), 1);
    assert_eq!(metrics.challenges_failed_total.load(Relaxed), 0);
    // Nothing is sent twice that is on its way.
    assert!(waiting() <= 3, "{}", waiting());
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_shard_is_repaired_before_it_is_shown() {
    for coding in [Coding::K1, Coding::K2] {
        let group = Group::new(coding, 0).await;
        let logs = group.fill(4).await;
        group.rot(0, 0, 1);
        challenge(&group, 0, 0, &logs[0], &[1, 4, 19]);
        until("it is answered", || proven(&group, 0) == 1).await;
        assert_eq!(group.vault(0).metrics().repaired_total.load(Relaxed), 1);
        group.check(0, 0, &logs[0]);
        group.stop_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_shown_is_never_sent() {
    let mut group = Group::new(Coding::K1, 0).await;
    let logs = group.fill(4).await;
    for other in 1..4 {
        group.stop(other).await;
    }
    group.rot(0, 0, 1);
    challenge(&group, 0, 0, &logs[0], &[0, 4]);
    until("it was tried", || group.vault(0).metrics().challenges_failed_total.load(Relaxed) > 1).await;
    assert_eq!(proven(&group, 0), 0);
    // Another root than this vault's log has: a mistake of the chain's or of the vault's, and not to be paid for.
    let mut wrong = logs[0].clone();
    wrong.swap(0, 3);
    challenge(&group, 0, 0, &wrong, &[0]);
    let before = group.vault(0).metrics().challenges_failed_total.load(Relaxed);
    until("it was tried", || group.vault(0).metrics().challenges_failed_total.load(Relaxed) > before + 1).await;
    assert_eq!(proven(&group, 0), 0);
    // As soon as the others are there, it can be.
    group.start(1).await;
    challenge(&group, 0, 0, &logs[0], &[0, 4]);
    until("it is answered", || proven(&group, 0) == 1).await;
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_is_answered_with_the_proof() {
    let group = Group::new(Coding::K1, 0).await;
    let logs = group.fill(4).await;
    let range = range_of(&logs[2]);
    group.world.change(|state| {
        let target = Target { at: at(2), root: range.root(), units: range.units(), chunk: 17 };
        let dispute = Dispute { accuser: account(0), target, due_block: state.block + 9, deposit: 1 };
        state.disputes.insert(at(2), dispute);
        state.drives.get_mut(&DRIVE).unwrap().slots[2].disputed = true;
    });
    until("it is answered", || group.world.lock().disputes.is_empty()).await;
    assert!(matches!(group.world.actions_of(account(2))[..], [Action::AnswerDispute { .. }]));
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_is_gone_for_a_period_is_reported_by_its_group_and_not_accused() {
    let mut group = Group::with(Coding::K1, 0, |config| config.pace.watch = Some(Duration::from_millis(20))).await;
    group.fill(4).await;
    until("all are asked", || group.vault(0).metrics().watches_total.load(Relaxed) > 10).await;
    assert!(group.world.lock().disputes.is_empty(), "nobody fails");
    let silent = |group: &Group| [0, 1, 2].map(|number| group.vault(number).metrics().silent_vaults.load(Relaxed));
    let failed = |group: &Group| group.vault(0).metrics().watches_failed_total.load(Relaxed);
    // What a vault counts silence by is the block that it has seen.
    let pass = async |group: &Group, blocks: u32| {
        group.world.change(|state| state.block += blocks);
        let now = u64::from(group.world.lock().block);
        let seen = |number: usize| group.vault(number).metrics().finalized_block.load(Relaxed) >= now;
        until("all have seen the block", || [0, 1, 2].into_iter().all(seen)).await;
    };
    group.stop(3).await;
    until("all miss it", || silent(&group) == [1; 3]).await;
    // It is back before the period of 20 blocks is over, and gone again: that is no period. (What vaults do takes blocks, too.)
    pass(&group, 11).await;
    group.start(3).await;
    until("it has answered all others", || silent(&group) == [0; 3]).await;
    group.stop(3).await;
    until("all miss it again", || silent(&group) == [1; 3]).await;
    pass(&group, 11).await;
    let before = failed(&group);
    until("it is missed still", || failed(&group) > before + 3).await;
    let reports = |group: &Group| {
        let all = [0, 1, 2].map(|number| group.world.actions_of(account(number)));
        let all = all.into_iter().flatten();
        all.filter_map(|action| if let Action::Report { at, by } = action { Some((at, by)) } else { None })
            .collect::<Vec<_>>()
    };
    assert_eq!(reports(&group), [], "it has not been away for a period");
    pass(&group, 15).await;
    until("all of its group report it", || reports(&group).len() == 3).await;
    let mut by: Vec<u8> = reports(&group).into_iter().map(|(of, by)| (of == at(3)).then_some(by).unwrap()).collect();
    by.sort_unstable();
    assert_eq!(by, [0, 1, 2], "each once");
    assert!(group.world.lock().disputes.is_empty(), "who is silent is not accused");
    pass(&group, 21).await;
    until("they say so again a period later", || reports(&group).len() == 6).await;
    group.stop_all().await;
}

/// A vault that shows the chain what it doesn't show its group: its address is another's, who knows nothing of the slot.
#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_refuses_is_reported_and_accused_ever_more_rarely_if_it_answers() {
    let mut group = Group::with(Coding::K1, 1, |config| config.pace.watch = Some(Duration::from_millis(20))).await;
    group.fill(4).await;
    // Vault 4 has no slot; under vault 3's key it refuses what is asked of vault 3.
    group.stop(3).await;
    group.stop(4).await;
    std::fs::copy(group.folder(3).join(crate::KEY_FILE), group.folder(4).join(crate::KEY_FILE)).unwrap();
    group.start(4).await;
    group.world.change(|state| {
        let of_other = state.vaults[&account(4).0].clone();
        let vault = state.vaults.get_mut(&account(3).0).unwrap();
        (vault.addresses, vault.service_key) = (of_other.addresses, of_other.service_key);
    });
    let accusations = |group: &Group| {
        let all = [0, 1, 2].map(|number| group.world.actions_of(account(number)));
        all.iter().flatten().filter(|action| matches!(action, Action::Dispute { .. })).count()
    };
    until("it is accused", || group.world.lock().disputes.contains_key(&at(3))).await;
    // Each change is a block: where nothing is to be answered none passes.
    let answer = |group: &Group| {
        let mut state = group.world.lock();
        state.disputes.clear();
        state.drives.get_mut(&DRIVE).unwrap().slots[3].disputed = false;
    };
    // It answers each accusation: each of three others accuses it once, and then no more within a period.
    while accusations(&group) < 3 {
        answer(&group);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let failed = |group: &Group| group.vault(0).metrics().watches_failed_total.load(Relaxed);
    let before = failed(&group);
    // The last accusation may be on its way still.
    let asked_again = || {
        answer(&group);
        failed(&group) > before + 5
    };
    until("it is asked again and again", asked_again).await;
    assert_eq!(accusations(&group), 3);
    let reported = [0, 1, 2].map(|number| group.vault(number).metrics().reports_total.load(Relaxed));
    assert_eq!(reported, [1; 3], "each of them has said that it serves nothing");
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_whose_shards_do_not_belong_together_is_declined() {
    let group = Group::new(Coding::K2, 1).await;
    let mut logs = Vec::new();
    group.grow(&mut logs, 4);
    group.write(&logs, |slot| slot != 7).await;
    // What the writer says of slot 7 is no log of this drive.
    let mut told = logs.clone();
    told[7].swap(0, 3);
    group.world.checkpoint(&told, |slot| slot != 7);
    let declined = |number: usize| {
        let actions = group.world.actions_of(account(number));
        actions.iter().any(|action| matches!(action, Action::Decline { at: declined } if *declined == at(7)))
    };
    until("its vault declines it", || declined(7)).await;
    assert_eq!(group.world.slot(7).vault, None);
    group.succeed(7, 8);
    until("its successor declines it, too", || declined(8)).await;
    assert!(group.world.slot(7).successor.is_none());
    group.stop_all().await;
}

/// Its group said twice that it serves nobody: it can't come back, and its room is wanted for others.
#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_goes_to_another_is_declined() {
    let group = Group::new(Coding::K1, 0).await;
    group.fill(4).await;
    group.world.change(|state| {
        let block = state.block;
        let slot = &mut state.drives.get_mut(&DRIVE).unwrap().slots[3];
        (slot.state, slot.behind_block, slot.not_before) = (SlotState::Behind, Some(block), u32::MAX);
    });
    until("its vault declines it", || group.world.slot(3).vault.is_none()).await;
    let actions = group.world.actions_of(account(3));
    assert!(matches!(actions.last(), Some(Action::Decline { at: declined }) if *declined == at(3)), "{actions:?}");
    assert!(!actions.iter().any(|action| matches!(action, Action::Restore { .. })), "it didn't try in vain");
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reaches_nobody_accuses_nobody() {
    let mut group = Group::with(Coding::K1, 0, |config| config.pace.watch = Some(Duration::from_millis(20))).await;
    group.fill(2).await;
    for other in 1..4 {
        group.stop(other).await;
    }
    let failed = || group.vault(0).metrics().watches_failed_total.load(Relaxed);
    let before = failed();
    until("many fail", || failed() > before + 5).await;
    assert!(group.world.actions_of(account(0)).is_empty(), "it may be its own line");
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scrubber_finds_damage_and_repairs_it() {
    let group = Group::with(Coding::K2, 0, |config| config.pace.scrub_period = Duration::from_millis(100)).await;
    let logs = group.fill(6).await;
    group.rot(5, 5, 2);
    group.rot(5, 5, 4);
    until("both are repaired", || group.vault(5).metrics().repaired_total.load(Relaxed) == 2).await;
    group.check(5, 5, &logs[5]);
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_read_at_once_when_that_is_ordered() {
    let group = Group::with(Coding::K1, 0, |config| config.status = Some("127.0.0.1:0".parse().unwrap())).await;
    let logs = group.fill(6).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    group.rot(1, 1, 5);
    let post = |header: &'static str| {
        let address = group.vault(1).status().unwrap();
        async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let request = format!("POST /scrub HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{header}\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        }
    };
    assert!(post("").await.starts_with("HTTP/1.1 403"));
    assert!(post("x-cairn-order: 1\r\n").await.starts_with("HTTP/1.1 202"));
    until("it is repaired", || group.vault(1).metrics().repaired_total.load(Relaxed) == 1).await;
    group.check(1, 1, &logs[1]);
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_page_tells_what_is_so() {
    let mut group = Group::with(Coding::K1, 0, |config| config.status = Some("127.0.0.1:0".parse().unwrap())).await;
    group.fill(3).await;
    let get = |path: &'static str| {
        let address = group.vault(0).status().unwrap();
        async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        }
    };
    let metrics = get("/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains("\ncairn_vault_receipts_total 1\n"), "{metrics}");
    assert!(metrics.contains("# TYPE cairn_vault_receipts_total counter"));
    let status = get("/status").await;
    let body = status.split_once("\r\n\r\n").unwrap().1;
    let json: serde_json::Value = serde_json::from_str(body.trim()).unwrap();
    assert_eq!(json["slots"][0]["drive"], DRIVE);
    assert_eq!(json["slots"][0]["state"], "healthy");
    assert!(get("/").await.contains("<h1>Vault "));
    assert!(get("/nothing").await.starts_with("HTTP/1.1 404"));
    group.world.change(|state| state.drives.get_mut(&DRIVE).unwrap().slots[0].state = SlotState::Behind);
    group.stop(0).await;
    group.stop_all().await;
}

/// Its proofs are right, and nobody can read what it keeps: the chain doesn't see that, and its operator would not either.
#[tokio::test(flavor = "multi_thread")]
async fn a_vault_whose_address_leads_elsewhere_tells_its_operator_and_says_when_that_is_over() {
    let group = Group::with(Coding::K1, 0, |config| config.pace.unreached_max = Duration::from_millis(200)).await;
    group.fill(1).await;
    let unreachable = |group: &Group| group.vault(0).metrics().unreachable.load(Relaxed);
    assert_eq!(unreachable(&group), 0);
    let moved = |addresses: Vec<u8>| {
        group.world.change(|state| state.vaults.get_mut(&account(0).0).unwrap().addresses = vec![addresses])
    };
    let right = group.vault(0).addresses()[0].to_string().into_bytes();
    // Another vault answers there: it hasn't this one's key.
    moved(group.vault(1).addresses()[0].to_string().into_bytes());
    until("it is told", || unreachable(&group) == 1).await;
    moved(right);
    until("it is over", || unreachable(&group) == 0).await;
    group.stop_all().await;
}

/// As where a disk is to be mounted.
#[tokio::test(flavor = "multi_thread")]
async fn a_vault_with_slots_does_not_start_with_an_empty_store_unless_the_loss_is_accepted() {
    let mut group = Group::new(Coding::K1, 0).await;
    group.fill(3).await;
    group.world.change(|state| state.vaults.get_mut(&account(0).0).unwrap().slots = 1);
    group.stop(0).await;
    let store = group.folder(0).join(crate::STORE_FOLDER);
    std::fs::remove_dir_all(&store).unwrap();
    std::fs::create_dir(&store).unwrap();
    let start = |config| Vault::start(config, group.chain(0));
    let error = start(group.config_of(0)).await.err().expect("it refuses");
    assert!(matches!(error, StartError::StoreEmpty { slots: 1, .. }), "{error}");
    assert!(error.remedy().contains("--accept-loss"), "{}", error.remedy());
    assert_eq!(std::fs::read_dir(&store).unwrap().count(), 0, "nothing is made there");
    let accepted = crate::Config { accept_loss: true, ..group.config_of(0) };
    let vault = start(accepted).await.expect("it is what the operator wants");
    vault.stop().await;
    group.stop_all().await;
}
