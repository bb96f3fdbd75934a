// SPDX-License-Identifier: Apache-2.0

//! Time on the chain: slots, epochs, eras.

use std::time::Duration;

use subxt::ext::scale_decode::DecodeAsType;

use crate::{Error, View};

/// Where the chain is in its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochProgress {
    /// Number of the epoch.
    pub index: u64,
    /// Slots that have passed in it.
    pub slots_passed: u64,
    /// Slots it has.
    pub slots: u64,
}

/// The era that rewards are counted for at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct ActiveEra {
    /// Number of the era.
    pub index: u32,
    /// When it began, in milliseconds since 1970; `None` in its very first block.
    pub start: Option<u64>,
}

impl View {
    /// The block's time, in milliseconds since 1970.
    pub async fn timestamp_ms(&self) -> Result<u64, Error> {
        self.value("Timestamp", "Now", ()).await
    }

    /// The time between two blocks that the chain aims at.
    pub fn block_time(&self) -> Result<Duration, Error> {
        self.constant("Babe", "ExpectedBlockTime").map(Duration::from_millis)
    }

    /// Where the chain is in its epoch.
    pub async fn epoch(&self) -> Result<EpochProgress, Error> {
        let slots: u64 = self.constant("Babe", "EpochDuration")?;
        let (index, current, genesis) = futures::try_join!(
            self.value::<_, u64>("Babe", "EpochIndex", ()),
            self.value::<_, u64>("Babe", "CurrentSlot", ()),
            self.value::<_, u64>("Babe", "GenesisSlot", ()),
        )?;
        let start = genesis.saturating_add(index.saturating_mul(slots));
        Ok(EpochProgress { index, slots_passed: current.saturating_sub(start).min(slots), slots })
    }

    /// The active era; `None` before the first.
    pub async fn active_era(&self) -> Result<Option<ActiveEra>, Error> {
        self.get("Staking", "ActiveEra", ()).await
    }

    /// The era that is being planned: the active one, or the next once its validators are elected. Unbonding is
    /// counted by it.
    pub async fn current_era(&self) -> Result<u32, Error> {
        Ok(self.get("Staking", "CurrentEra", ()).await?.unwrap_or(0))
    }

    /// How long an era lasts when every slot has its block.
    pub fn era_length(&self) -> Result<Duration, Error> {
        let sessions: u32 = self.constant("Staking", "SessionsPerEra")?;
        let slots: u64 = self.constant("Babe", "EpochDuration")?;
        let slots = u32::try_from(slots).map_err(Error::malformed)?.saturating_mul(sessions);
        Ok(self.block_time()?.saturating_mul(slots))
    }
}
