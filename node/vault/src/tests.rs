// SPDX-License-Identifier: Apache-2.0

//! Real vaults over real sockets, on a chain that is a table in memory.

mod duties;
mod repairs;
mod world;
mod writing;

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use world::{Group, Shards};

/// Waits until something is so; fails if it isn't within half a minute.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it didn't come about: {what}");
}
