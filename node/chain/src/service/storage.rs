// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Stops the node in good order while there is still space on its disk.
//!
//! A database that meets a full disk in the middle of a write ends with an I/O error at a place that no one chose. The
//! monitor ends the node before that, by default at 1 GiB free (`--db-storage-threshold`, in MiB; 0 turns it off),
//! looking every 5 seconds (`--db-storage-polling-period`). Nothing is lost: on the next start the node goes on from the
//! last block that it stored.

use sc_service::{Configuration, Error, TaskManager};
use sc_storage_monitor::{StorageMonitorParams, StorageMonitorService};

/// Checks the free space now and, as an essential task, for as long as the node runs.
///
/// # Errors
/// When there is too little already; the message says what to do.
pub fn watch(
    config: &Configuration,
    parameters: &StorageMonitorParams,
    task_manager: &TaskManager,
) -> Result<(), Error> {
    let Some(path) = config.database.path() else { return Ok(()) };
    let spawner = task_manager.spawn_essential_handle();
    StorageMonitorService::try_spawn(parameters.clone(), path.to_path_buf(), &spawner).map_err(|error| {
        Error::Other(format!(
            "the disk of the database at {} is nearly full: {error}. Free some space, or lower the limit with \
             `--db-storage-threshold <MiB>`",
            path.display(),
        ))
    })
}
