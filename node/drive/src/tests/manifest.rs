// SPDX-License-Identifier: Apache-2.0

//! Manifests that lie.

use cairn_primitives::storage::Coding;

use super::world::{noise, path, World};
use crate::{manifest::Head, DriveError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_that_are_not_the_chains_are_refused() {
    for coding in [Coding::K1, Coding::K2] {
        let world = World::new(coding);
        world.put(&[("file", noise(1, 100))]).await;
        world.chain.change(|drive| drive.slots[3].root[0] ^= 1);
        let error = world.commit(super::world::plan(&[("more", noise(2, 100))])).await.expect_err("refused");
        assert!(matches!(error, DriveError::Manifest(_)), "{error}");
        assert!(world.get("file").await.is_ok(), "reading needs no ranges");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_names_another_page_opens_nothing() {
    let world = World::new(Coding::K1);
    world.put(&[("file", noise(1, 100))]).await;
    let good = Head::from_bytes(&world.chain.state().head).expect("ours");
    for wrong in 0..3 {
        let mut head = good;
        match wrong {
            0 => head.root.id[0] ^= 1,
            1 => head.root.stripe += 1,
            _ => head.root.stripe -= 1,
        }
        world.chain.change(|drive| drive.head = head.to_bytes());
        assert!(world.try_open().await.is_err(), "{wrong}");
    }
    for broken in [vec![0], vec![1; 50], good.to_bytes()[..49].to_vec(), [good.to_bytes(), vec![0]].concat()] {
        world.chain.change(|drive| drive.head = broken);
        assert!(world.try_open().await.is_err());
    }
    world.chain.change(|drive| drive.head = good.to_bytes());
    assert!(world.open().await.contents().tree().file(&path("file")).is_ok());
}
