// SPDX-License-Identifier: Apache-2.0

//! Who may write what, and what others may take of a vault.

use cairn_client::{
    chain::storage::{Coding, GrantInfo, Role, SlotState},
    keys::Keypair,
};
use cairn_primitives::storage::Ticket;
use cairn_wire::{Connection, RefusalCode, Timeouts, WireError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    world::{account, at, range_of, GENESIS},
    *,
};
use crate::{Config, StartError, Vault};

/// Until when receipts are asked for.
const LAST: u32 = 500;

fn code<T: std::fmt::Debug>(result: Result<T, WireError>) -> RefusalCode {
    result.expect_err("it is refused").refusal().expect("with a reason")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_read_proven_and_there_after_a_restart() {
    let mut group = Group::new(Coding::K1, 0).await;
    let logs = group.fill(7).await;
    let range = range_of(&logs[0]);
    for restarted in [false, true] {
        if restarted {
            group.stop(0).await;
            group.start(0).await;
        }
        let connection = group.connect(0).await;
        assert_eq!(connection.vault(), account(0).0);
        assert_eq!(connection.read(at(0), 0, 100).await.unwrap(), logs[0]);
        assert_eq!(connection.leaves(at(0), 3, 2).await.unwrap().len(), 2);
        let chunk = range.units() * 4 - 1;
        let proof = connection.prove(at(0), range.units(), chunk).await.unwrap();
        assert_eq!(proof.verify(&range.root(), range.units(), chunk), Ok(()));
        assert_eq!(code(connection.read(at(0), 7, 1).await), RefusalCode::Missing);
        assert_eq!(code(connection.status(at(1)).await), RefusalCode::UnknownSlot);
        until("the commitment is noted", || {
            group.vault(0).store().head(at(0)).unwrap().committed_units == range.units()
        })
        .await;
        assert_eq!(connection.status(at(0)).await.unwrap().committed_units, range.units());
    }
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tickets_that_fit_open_a_slot() {
    let group = Group::new(Coding::K1, 0).await;
    let connection = group.connect(0).await;
    let good = group.ticket(0);
    let block = group.world.lock().block;
    for (ticket, expected) in [
        (Ticket { version: 2, ..good }, RefusalCode::Stale { version: 0 }),
        (Ticket { version: 0, ..good }, RefusalCode::Stale { version: 0 }),
        (Ticket { until_block: block - 1, ..good }, RefusalCode::BadTicket),
        (Ticket { until_block: block + 40_000, ..good }, RefusalCode::BadTicket),
        (Ticket { at: at(1), ..good }, RefusalCode::UnknownSlot),
        (Ticket { at: at(77), ..good }, RefusalCode::UnknownSlot),
        (Ticket { at: cairn_client::chain::storage::SlotAt { drive: 6, slot: 0 }, ..good }, RefusalCode::UnknownSlot),
    ] {
        assert_eq!(code(group.open(&connection, ticket).await), expected, "{ticket:?}");
    }
    // Signed by others, for another chain, or for another ticket.
    let (owner, bob) = (&group.owner, Keypair::from_secret_uri("//Bob").unwrap());
    let as_owner = owner.account_id().0;
    let other = Ticket { first_stripe: 1, ..good };
    for (signer, signature) in [
        (as_owner, bob.sign(&good.to_sign(&GENESIS))),
        (as_owner, owner.sign(&good.to_sign(&[1; 32]))),
        (as_owner, owner.sign(&other.to_sign(&GENESIS))),
        (bob.account_id().0, bob.sign(&good.to_sign(&GENESIS))),
    ] {
        assert_eq!(code(connection.open(good, signer, signature).await), RefusalCode::BadTicket);
    }
    // What was granted to Bob.
    for (role, until_block, may) in [
        (Role::Reader, None, false),
        (Role::Writer, Some(block - 1), false),
        (Role::Writer, Some(block + 5), true),
        (Role::Writer, None, true),
    ] {
        let grant = GrantInfo { role, until_block, sealed: Default::default(), key_generation: 0 };
        group.world.lock().grants.insert((world::DRIVE, bob.account_id().0), grant);
        let opened = connection.open(good, bob.account_id().0, bob.sign(&good.to_sign(&GENESIS))).await;
        assert_eq!(opened.is_ok(), may, "{role:?} {until_block:?}");
    }
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_without_a_ticket_or_beyond_it() {
    let group = Group::new(Coding::K1, 0).await;
    let mut logs: Vec<Shards> = Vec::new();
    group.grow(&mut logs, 6);
    let connection = group.connect(0).await;
    let append = |first: usize, shards: &[bytes::Bytes]| {
        let (connection, shards) = (connection.clone(), shards.to_vec());
        async move { connection.append(at(0), first as u64, shards).await }
    };
    assert_eq!(code(append(0, &logs[0]).await), RefusalCode::NotOpen);
    assert_eq!(code(connection.seal(at(0), 0, [0; 32], LAST).await), RefusalCode::NotOpen);
    group.open(&connection, group.ticket(0)).await.unwrap();
    // The refused body was read over: the connection is in step.
    assert_eq!(code(append(1, &logs[0]).await), RefusalCode::Gap { leaves: 0 });
    append(0, &logs[0]).await.unwrap();
    assert_eq!(code(connection.seal(at(0), 5, range_of(&logs[0]).root(), LAST).await), RefusalCode::Gap { leaves: 6 });
    // As long as nothing is promised the tail is free.
    assert_eq!(append(3, &logs[0][..2]).await.unwrap().leaves, 5);
    append(3, &logs[0][3..]).await.unwrap();
    let other = connection.seal(at(0), 6, [7; 32], LAST).await;
    assert_eq!(code(other), RefusalCode::Gap { leaves: 6 }, "another writer's data is not signed for");
    // Neither for what is over, nor for longer than a writer who is gone may hold up the others.
    let block = group.world.lock().block;
    for until_block in [1, block + 2_000, u32::MAX] {
        let seal = connection.seal(at(0), 6, range_of(&logs[0]).root(), until_block).await;
        assert_eq!(code(seal), RefusalCode::BadTicket, "{until_block}");
    }
    connection.seal(at(0), 6, range_of(&logs[0]).root(), LAST).await.unwrap();
    assert_eq!(code(append(5, &[]).await), RefusalCode::Kept { leaves: 6 });

    // The drive has moved on: the ticket is stale, and a new one begins behind what is committed.
    group.world.checkpoint(&logs, |slot| slot == 0);
    let units = range_of(&logs[0]).units();
    until("the vault knows", || group.vault(0).store().head(at(0)).unwrap().committed_units == units).await;
    assert_eq!(code(append(6, &logs[0][..1]).await), RefusalCode::Stale { version: 1 });
    assert_eq!(code(group.open(&connection, group.ticket(0)).await), RefusalCode::Kept { leaves: 6 });
    group.open(&connection, Ticket { first_stripe: 6, ..group.ticket(0) }).await.unwrap();
    assert_eq!(code(append(5, &logs[0][..1]).await), RefusalCode::Kept { leaves: 6 });
    append(6, &logs[0][..1]).await.unwrap();

    // No more than the drive may hold.
    group.world.change(|state| state.drives.get_mut(&world::DRIVE).unwrap().capacity_units = units + 2);
    until("the vault knows", || {
        let block = group.world.lock().block;
        group.vault(0).metrics().finalized_block.load(Relaxed) == u64::from(block)
    })
    .await;
    assert_eq!(code(append(6, &logs[0][1..2]).await), RefusalCode::NoRoom);
    append(6, &logs[0][..1]).await.unwrap();
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_of_a_connection_are_done_in_their_order() {
    let group = Group::new(Coding::K1, 0).await;
    let mut logs: Vec<Shards> = Vec::new();
    group.grow(&mut logs, 60);
    let connection = group.connect(0).await;
    group.open(&connection, group.ticket(0)).await.unwrap();
    let mut waiting = Vec::new();
    for (number, shard) in logs[0].iter().enumerate() {
        waiting.push(connection.send_append(at(0), number as u64, vec![shard.clone()]).await.unwrap());
    }
    let seal = connection.seal(at(0), 60, range_of(&logs[0]).root(), LAST);
    for (number, appending) in waiting.into_iter().enumerate() {
        assert_eq!(appending.done().await.unwrap().leaves, number as u64 + 1);
    }
    assert_eq!(seal.await.unwrap().0.root, range_of(&logs[0]).root());
    group.check(0, 0, &logs[0]);
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_nobody_made_use_of_ends() {
    let group = Group::new(Coding::K1, 0).await;
    let mut logs: Vec<Shards> = Vec::new();
    group.grow(&mut logs, 4);
    let connection = group.connect(0).await;
    let ticket = Ticket { until_block: 20_000, ..group.ticket(0) };
    group.open(&connection, ticket).await.unwrap();
    connection.append(at(0), 0, logs[0].clone()).await.unwrap();
    let last = group.world.lock().block + 40;
    connection.seal(at(0), 4, range_of(&logs[0]).root(), last).await.unwrap();
    for (block, free) in [(last, false), (last + 1, true)] {
        group.world.change(|state| state.block = block);
        until("the vault has seen it", || group.vault(0).metrics().finalized_block.load(Relaxed) >= u64::from(block))
            .await;
        // Another writer comes.
        let other = group.connect(0).await;
        group.open(&other, ticket).await.unwrap();
        let cut = other.append(at(0), 1, Vec::new()).await;
        if free {
            assert_eq!(cut.unwrap().leaves, 1);
        } else {
            assert_eq!(code(cut), RefusalCode::Kept { leaves: 4 });
        }
    }
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_nobody_committed_is_cut_after_its_time() {
    let group = Group::new(Coding::K1, 0).await;
    let mut logs = group.fill(3).await;
    group.grow(&mut logs, 2);
    let connection = group.connect(0).await;
    let until_block = group.world.lock().block + 50;
    let ticket = Ticket { first_stripe: 3, until_block, ..group.ticket(0) };
    group.open(&connection, ticket).await.unwrap();
    connection.append(at(0), 3, logs[0][3..].to_vec()).await.unwrap();
    // The ticket for what is committed by now lasts longer.
    let until_block = group.vault(0).store().head(at(0)).unwrap().tail_until_block;
    let leaves = || group.vault(0).store().head(at(0)).unwrap().range.leaves();
    group.world.change(|state| state.block = until_block + group.config.pace.tail_grace_blocks);
    let seen = |block: u64| move |group: &Group| group.vault(0).metrics().finalized_block.load(Relaxed) >= block;
    let block = u64::from(group.world.lock().block);
    until("the vault has seen it", || seen(block)(&group)).await;
    assert_eq!(leaves(), 5);
    group.world.change(|state| state.block += 1);
    until("the tail is cut", || leaves() == 3).await;
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn impostors_other_chains_and_noise_are_turned_away() {
    let group = Group::new(Coding::K1, 0).await;
    let address = group.vault(0).addresses()[0].to_string();
    let key = group.world.lock().vaults[&account(0).0].service_key;
    let others = group.world.lock().vaults[&account(1).0].service_key;
    let impostor = Connection::connect(&address, others, GENESIS, Timeouts::default()).await;
    assert!(matches!(impostor, Err(WireError::Impostor { .. })), "{impostor:?}");
    let chain = Connection::connect(&address, key, [1; 32], Timeouts::default()).await;
    assert_eq!(code(chain), RefusalCode::WrongChain);
    for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4096], &[0x16, 3, 1, 0xff, 0xff]] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(noise).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
    group.connect(0).await.status(at(0)).await.unwrap();
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_serves_one_vault_with_its_own_key() {
    let mut group = Group::new(Coding::K1, 0).await;
    let second = Vault::start(group.config_of(0), group.chain(0)).await;
    assert!(matches!(second, Err(StartError::Data(crate::DataError::InUse(_)))));
    // With a copy of the folder: what either took in, the other would lack.
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(group.folder(0).join(crate::KEY_FILE), copy.path().join(crate::KEY_FILE)).unwrap();
    let copied = Config { data: copy.path().into(), ..group.config_of(0) };
    assert!(matches!(Vault::start(copied.clone(), group.chain(0)).await, Err(StartError::RunsElsewhere)));
    group.stop(0).await;
    Vault::start(copied, group.chain(0)).await.unwrap().stop().await;
    let other = Vault::start(group.config_of(0), group.chain(1)).await;
    assert!(matches!(other, Err(StartError::OtherKey)));
    let nobody = Vault::start(group.config_of(0), group.chain(99)).await;
    assert!(matches!(nobody, Err(StartError::NotRegistered)));
    use std::os::unix::fs::PermissionsExt;
    let path = group.folder(0).join(crate::KEY_FILE);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(crate::open_key(&group.folder(0)), Err(crate::DataError::Exposed(_))));
    group.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_is_behind_takes_nothing_before_it_has_caught_up() {
    let mut group = Group::new(Coding::K1, 0).await;
    let mut logs = group.fill(3).await;
    // The others are away, so that it can't catch up.
    group.grow(&mut logs, 2);
    group.write(&logs, |slot| slot > 0).await;
    for other in 1..4 {
        group.stop(other).await;
    }
    group.world.checkpoint(&logs, |slot| slot > 0);
    let connection = group.connect(0).await;
    let refused = code(group.open(&connection, Ticket { first_stripe: 5, ..group.ticket(0) }).await);
    assert_eq!(refused, RefusalCode::Gap { leaves: 3 });
    assert_eq!(group.world.slot(0).state, SlotState::Behind);
    group.stop_all().await;
}
