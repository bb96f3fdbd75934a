// SPDX-License-Identifier: Apache-2.0

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// What a network fixes at its genesis. See [`NetworkParameters::check`] for the bounds.
#[derive(
    Clone,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
    Debug,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkParameters {
    /// Blocks in an epoch (= session); at least 4, so that a randomness epoch has blocks to draw from, and at most
    /// 28,800, a day.
    pub epoch_duration_blocks: u32,
    /// Sessions in a staking era; 1 to 100.
    pub sessions_per_era: u32,
    /// Eras that unbonded stake stays slashable; 1 to 60, since a ledger keeps an entry for each.
    pub bonding_duration_eras: u32,
    /// Eras between offence and slash; less than the bonding duration, or the stake would be gone.
    pub slash_defer_duration_eras: u32,
    /// Periods of names (terms, grace, ages of commitments) are divided by this; at least 1.
    pub names_speedup: u32,
    /// Blocks of a proof period of storage, in which each vault is challenged once; 16 to 201,600, a week. Prices are for
    /// such a period.
    pub storage_period_blocks: u32,
    /// Chunks that a vault has to show in a period; 1 to 16.
    pub storage_proofs: u32,
    /// Governance periods (voting, confirmation, enactment, vote locks, spending) are divided by this; at least 1.
    pub governance_speedup: u32,
}

impl NetworkParameters {
    /// Epochs of 1 hour, eras of 6 hours, unbonding in 14 days, slashes after 7 days (at 3 s a block).
    ///
    /// An hour keeps the validator set responsive and an election (the heaviest block) rare; 14 days of slashable stake
    /// bound long-range attacks to nodes that were offline for longer than that; 7 days leave governance half of it to
    /// undo a slash that a software fault caused. Vaults prove once a day what they have, with 16 chunks: of one that lost a
    /// hundredth 30 days find out 99 times in a hundred.
    pub const PRODUCTION: Self = Self {
        epoch_duration_blocks: 1_200,
        sessions_per_era: 6,
        bonding_duration_eras: 56,
        slash_defer_duration_eras: 28,
        names_speedup: 1,
        storage_period_blocks: 28_800,
        storage_proofs: 16,
        governance_speedup: 1,
    };

    /// Epochs of half a minute, eras of a minute, unbonding in three; a referendum takes about a minute, a name's year a day, storage's
    /// day a minute.
    pub const FAST: Self = Self {
        epoch_duration_blocks: 10,
        sessions_per_era: 2,
        bonding_duration_eras: 3,
        slash_defer_duration_eras: 0,
        names_speedup: 365,
        storage_period_blocks: 20,
        storage_proofs: 4,
        governance_speedup: 20_160,
    };

    /// Whether these values can run a network.
    ///
    /// # Errors
    /// The bound that is not kept, by its field's name.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.epoch_duration_blocks < 4 {
            return Err("epochDurationBlocks must be at least 4");
        }
        if self.epoch_duration_blocks > 28_800 {
            return Err("epochDurationBlocks must be at most 28800");
        }
        if self.sessions_per_era == 0 {
            return Err("sessionsPerEra must be at least 1");
        }
        if self.sessions_per_era > 100 {
            return Err("sessionsPerEra must be at most 100");
        }
        if self.bonding_duration_eras == 0 {
            return Err("bondingDurationEras must be at least 1");
        }
        if self.bonding_duration_eras > 60 {
            return Err("bondingDurationEras must be at most 60");
        }
        if self.slash_defer_duration_eras >= self.bonding_duration_eras {
            return Err("slashDeferDurationEras must be less than bondingDurationEras");
        }
        if self.names_speedup == 0 {
            return Err("namesSpeedup must be at least 1");
        }
        if !(16..=201_600).contains(&self.storage_period_blocks) {
            return Err("storagePeriodBlocks must be 16 to 201600");
        }
        if !(1..=16).contains(&self.storage_proofs) {
            return Err("storageProofs must be 1 to 16");
        }
        if self.governance_speedup == 0 {
            return Err("governanceSpeedup must be at least 1");
        }
        Ok(())
    }

    /// `blocks` of production as this network's periods run: never less than 1.
    pub fn shorten(&self, blocks: u32) -> u32 {
        blocks.checked_div(self.governance_speedup).unwrap_or(blocks).max(1)
    }
}

impl Default for NetworkParameters {
    fn default() -> Self {
        Self::PRODUCTION
    }
}
