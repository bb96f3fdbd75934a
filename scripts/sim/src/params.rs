// SPDX-License-Identifier: Apache-2.0

//! What the simulated world is like. All of it can be given on the command line; the report repeats it.

use clap::Args;

/// The weights of the regions behind the first, whose part of all vaults is a parameter.
pub const REGIONS: [u64; 5] = [20, 14, 12, 10, 8];

/// See the module.
#[derive(Clone, Debug, Args)]
pub struct Params {
    /// Seed of all that is drawn
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Vaults at any time
    #[arg(long, default_value_t = 10_000)]
    pub vaults: u32,
    /// Drives at any time
    #[arg(long, default_value_t = 1_000_000)]
    pub drives: u32,
    /// Days that are simulated, after those in which the drives are made
    #[arg(long, default_value_t = 365)]
    pub days: u32,
    /// Days in which the first drives are made
    #[arg(long, default_value_t = 2)]
    pub fill_days: u32,
    /// Simulates one in so many vaults, drives and blocks: what a block bears, and all that is bounded by block, is the same
    /// as of the whole network, at that part of the time
    #[arg(long, default_value_t = 10)]
    pub part: u32,
    /// Blocks of a day, which is the proof period
    #[arg(long, default_value_t = 28_800)]
    pub day_blocks: u32,

    /// Mean days until an operator gives up (Weibull)
    #[arg(long, default_value_t = 200.0)]
    pub lifetime_days: f64,
    /// Shape of that: below 1, the young leave sooner than the old
    #[arg(long, default_value_t = 0.8)]
    pub lifetime_shape: f64,
    /// Of those who give up, the part that just vanishes
    #[arg(long, default_value_t = 0.3)]
    pub vanish: f64,
    /// Median GiB that a vault offers (lognormal)
    #[arg(long, default_value_t = 2_000.0)]
    pub offer_gib: f64,
    /// Sigma of that
    #[arg(long, default_value_t = 0.8)]
    pub offer_sigma: f64,
    /// Median thousandths of a coin that a vault asks for a GiB and day (lognormal)
    #[arg(long, default_value_t = 10.0)]
    pub ask: f64,
    /// Sigma of that
    #[arg(long, default_value_t = 0.25)]
    pub ask_sigma: f64,
    /// Part of the time that a vault is up, regional outages apart
    #[arg(long, default_value_t = 0.995)]
    pub up: f64,
    /// Median minutes that a vault is down for (lognormal)
    #[arg(long, default_value_t = 20.0)]
    pub down_minutes: f64,
    /// Sigma of that: 1.9 makes one outage in eight longer than 3 hours, one in eighty longer than a day
    #[arg(long, default_value_t = 1.9)]
    pub down_sigma: f64,
    /// Day on which the largest region is cut off; none if 0
    #[arg(long, default_value_t = 150)]
    pub outage_day: u32,
    /// Its part of all vaults, in percent
    #[arg(long, default_value_t = 36)]
    pub outage_percent: u64,
    /// Hours for which it is
    #[arg(long, default_value_t = 30.0)]
    pub outage_hours: f64,
    /// Mean days between a region's other outages
    #[arg(long, default_value_t = 90.0)]
    pub region_days: f64,
    /// Median hours of these (lognormal, sigma 1)
    #[arg(long, default_value_t = 0.5)]
    pub region_hours: f64,
    /// Disks that lose something, for each vault and year
    #[arg(long, default_value_t = 0.03)]
    pub disk_failures: f64,
    /// Of these, the part that nobody notices until something is read
    #[arg(long, default_value_t = 0.3)]
    pub silent: f64,
    /// Megabits a second that a vault rebuilds at
    #[arg(long, default_value_t = 200.0)]
    pub mbits: f64,
    /// Hours for which a vault must be silent before others report it; never if negative
    #[arg(long, default_value_t = 24.0, allow_negative_numbers = true)]
    pub report_hours: f64,

    /// Part of the drives that are coded 4 of 16; the others are 1 of 4
    #[arg(long, default_value_t = 0.15)]
    pub wide: f64,
    /// Median MiB of a drive's files at first (lognormal)
    #[arg(long, default_value_t = 1_000.0)]
    pub files_mib: f64,
    /// Sigma of that
    #[arg(long, default_value_t = 1.4)]
    pub files_sigma: f64,
    /// Median thousandths of a coin that an owner pays for a GiB of a slot and day (lognormal, sigma 0.15)
    #[arg(long, default_value_t = 15.0)]
    pub price: f64,
    /// Mean days that a drive is wanted for (exponential)
    #[arg(long, default_value_t = 600.0)]
    pub drive_days: f64,
    /// Of drives that are no longer wanted, the part that is left to run dry
    #[arg(long, default_value_t = 0.2)]
    pub forgotten: f64,
    /// Mean days between a drive's checkpoints (exponential)
    #[arg(long, default_value_t = 60.0)]
    pub checkpoint_days: f64,
    /// Days that an owner pays for at a time; at first from half to three halves of it
    #[arg(long, default_value_t = 90)]
    pub paid_days: u32,
    /// All pay for just these days at first
    #[arg(long)]
    pub paid_alike: bool,
}

impl Params {
    /// As the command line has it with nothing given.
    pub fn new() -> Self {
        #[derive(clap::Parser)]
        struct Defaults {
            #[command(flatten)]
            params: Params,
        }
        <Defaults as clap::Parser>::parse_from(["defaults"]).params
    }

    /// A year's life in a world that is small, and lives fast: every rule is used within seconds.
    pub fn small() -> Self {
        Params {
            vaults: 40,
            drives: 120,
            days: 40,
            part: 1,
            fill_days: 1,
            day_blocks: 360,
            lifetime_days: 60.0,
            outage_day: 20,
            region_days: 20.0,
            disk_failures: 2.0,
            drive_days: 90.0,
            checkpoint_days: 6.0,
            files_mib: 200.0,
            paid_days: 20,
            report_hours: 3.0,
            ..Params::new()
        }
    }

    /// With its part taken.
    pub fn taken(&self) -> Self {
        let part = self.part.max(1);
        Params {
            vaults: self.vaults / part,
            drives: self.drives / part,
            day_blocks: self.day_blocks / part,
            part: 1,
            ..self.clone()
        }
    }

    /// Blocks of so many days.
    pub fn blocks(&self, days: f64) -> u32 {
        (days * f64::from(self.day_blocks)).min(4e9) as u32
    }

    /// Blocks of so many hours, at least 1.
    pub fn hours(&self, hours: f64) -> u32 {
        self.blocks(hours / 24.0).max(1)
    }
}

impl Default for Params {
    fn default() -> Self {
        Self::new()
    }
}
