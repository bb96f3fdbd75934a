// SPDX-License-Identifier: Apache-2.0

//! What is counted.

use std::collections::BTreeMap;

use crate::{
    params::Params,
    runtime::{BLOCK_WEIGHT, ENVELOPE_WEIGHT},
    world::{Blame, Why},
};

/// Kinds of transactions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Registering, leaving.
    Vault,
    Create,
    Checkpoint,
    Trim,
    TopUp,
    Close,
    Prove,
    Restore,
    Report,
}

impl Kind {
    pub const ALL: [Kind; 9] = [
        Kind::Prove,
        Kind::Restore,
        Kind::Vault,
        Kind::Report,
        Kind::Create,
        Kind::Checkpoint,
        Kind::Trim,
        Kind::TopUp,
        Kind::Close,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Vault => "vaults come and go",
            Kind::Create => "drives made",
            Kind::Checkpoint => "checkpoints",
            Kind::Trim => "trims",
            Kind::TopUp => "top-ups",
            Kind::Close => "drives closed",
            Kind::Prove => "proofs",
            Kind::Restore => "restores",
            Kind::Report => "reports that a vault serves nobody",
        }
    }
}

/// How often, and how much in all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    pub count: u64,
    pub weight: u128,
    pub bytes: u128,
}

/// A histogram with classes that are a 32nd wide each: good to 3%.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    classes: BTreeMap<u32, u64>,
    pub count: u64,
    pub max: u64,
}

impl Histogram {
    pub fn add(&mut self, value: u32) {
        self.add_u64(value.into());
    }

    pub fn add_u64(&mut self, value: u64) {
        let class = match value.checked_ilog2() {
            Some(bits) if bits >= 5 => bits * 32 + ((value >> (bits - 5)) & 31) as u32,
            _ => value as u32,
        };
        *self.classes.entry(class).or_default() += 1;
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// What this part of all is at most; 0 if there is nothing.
    pub fn quantile(&self, part: f64) -> u64 {
        let wanted = (part * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (class, count) in &self.classes {
            seen += count;
            if seen >= wanted {
                return match class {
                    0..=31 => u64::from(*class),
                    _ => {
                        let (bits, rest) = (class / 32, u64::from(class % 32));
                        (((32 + rest + 1) << (bits - 5)) - 1).min(self.max)
                    },
                };
            }
        }
        self.max
    }

    /// Values and the part of all that is at most as large.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        (1..=200).map(|step| f64::from(step) / 200.0).map(|part| (self.quantile(part) as f64, part)).collect()
    }
}

/// What blocks hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    pub kinds: BTreeMap<Kind, Sum>,
    pub hooks: u128,
    pub blocks: u64,
    /// Millionths of a block's weight, of all blocks; and of hooks alone.
    pub weight: Histogram,
    pub hook_weight: Histogram,
    pub transactions: Histogram,
    pub bytes: Histogram,
    now: BTreeMap<Kind, Sum>,
    now_hooks: u64,
}

const fn ppm(weight: u128) -> u64 {
    (weight * 1_000_000 / BLOCK_WEIGHT as u128) as u64
}

impl Load {
    pub fn begin_block(&mut self, hooks: u64) {
        self.now.clear();
        self.now_hooks = hooks;
    }

    pub fn add(&mut self, kind: Kind, weight: u64, bytes: u64) {
        let sum = self.now.entry(kind).or_default();
        sum.count += 1;
        sum.weight += u128::from(weight + ENVELOPE_WEIGHT);
        sum.bytes += u128::from(bytes);
    }

    pub fn drop_block(&mut self) {
        self.now.clear();
    }

    pub fn end_block(&mut self) {
        let mut all = Sum { weight: self.now_hooks.into(), ..Sum::default() };
        for (kind, sum) in std::mem::take(&mut self.now) {
            let total = self.kinds.entry(kind).or_default();
            for to in [total, &mut all] {
                to.count += sum.count;
                to.weight += sum.weight;
                to.bytes += sum.bytes;
            }
        }
        self.blocks += 1;
        self.hooks += u128::from(self.now_hooks);
        self.weight.add_u64(ppm(all.weight));
        self.hook_weight.add_u64(ppm(self.now_hooks.into()));
        self.transactions.add_u64(all.count);
        self.bytes.add_u64(all.bytes as u64);
    }

    /// Part of a block's weight that a sum takes on average.
    pub fn share(&self, weight: u128) -> f64 {
        weight as f64 / self.blocks.max(1) as f64 / BLOCK_WEIGHT as f64
    }
}

/// What was taken from a vault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Punished {
    /// Pay of a period.
    Pay,
    /// A part of the bond, for a miss.
    Miss,
    /// A slot's bond, for a wrong proof.
    Wrong,
}

/// A vault as it stands in the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Earner {
    pub days: f64,
    pub gib: f64,
    pub ask: u128,
    pub earned: u128,
    pub reserved: f64,
    pub read_units: u64,
}

impl Earner {
    /// Coins for a TiB that it offers and a day.
    pub fn rate(&self) -> f64 {
        self.earned as f64 / 1e12 / (self.gib / 1024.0) / self.days.max(0.01)
    }
}

/// How a day ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Day {
    pub queues: [u64; 3],
    pub evicting: u64,
    pub down: u32,
    pub empty: u64,
    pub vacated: u64,
    pub restored: u64,
    pub ejected: u64,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    pub load: Load,
    pub days: Vec<Day>,
    pub day_blocks: u32,
    pub fill_days: u32,
    /// Drives whose bytes are gone.
    pub lost: u64,
    /// Of drives that had bytes: how many had so few intact slots at one time, by shards needed.
    pub fewest: BTreeMap<(u8, u8), u64>,
    /// Blocks until a slot that was empty on chain was refilled; until lost bytes were there again. For 1/4 and 4/16.
    pub refill: [Histogram; 2],
    pub back: [Histogram; 2],
    pub still_missing: u64,
    pub long_missing: u64,
    /// Blocks for which a slot has been missing in the end, at most, of drives that are to be refilled: of wide codings a few losses
    /// wait for more.
    pub longest_due: u32,
    pub earners: Vec<Earner>,
    pub punished: BTreeMap<(Why, Punished), (u64, u128)>,
    /// Of these, those while more than a third of all vaults were down.
    pub punished_in_outage: BTreeMap<Punished, (u64, u128)>,
    pub forgiven: u64,
    pub ejections: BTreeMap<(Blame, bool), u64>,
    pub ejected: u64,
    pub ejected_slots: u64,
    pub ejected_in_outage: u64,
    pub outage_drives: [(u64, u64); 2],
    pub region_outages: u64,
    pub challenged: u64,
    pub proven: u64,
    pub proofs_refused: u64,
    pub restored: u64,
    pub restores_refused: u64,
    pub rebuilds_put_off: u64,
    pub rebuilt_units: u64,
    pub successors_changed: u64,
    pub handed_over: u64,
    pub vacated: u64,
    pub behind: u64,
    pub disks_failed: u64,
    pub left_in_order: u64,
    pub exits_refused: u64,
    pub vanished: u64,
    pub lost_patience: u64,
    pub exit_blocks: Histogram,
    /// Words that a vault serves nobody.
    pub reports: u64,
    /// Slots that were behind because nearly all of their group said so.
    pub unserved: u64,
    /// Calls that should have been taken: the call, the error, how often.
    pub calls_refused: BTreeMap<(&'static str, String), u64>,
    pub commits_put_off: u64,
    pub drives_refused: u64,
    /// Times that an owner had vaults replaced before the first checkpoint.
    pub redrawn: u64,
    pub ended: BTreeMap<&'static str, u64>,
    /// Drives that the chain ended for want of money though they had some.
    pub ended_early: u64,
    /// Most drives that waited at one time for a place in a block, to be ended or looked at.
    pub waited: u64,
    pub reserve: u128,
    pub issuance_changed: bool,
    last: (u64, u64, u64),
}

impl Figures {
    pub fn new(params: &Params) -> Self {
        Figures { day_blocks: params.day_blocks, fill_days: params.fill_days, ..Figures::default() }
    }

    pub fn bytes_back(&mut self, needed: u8, blocks: u32) {
        self.back[usize::from(needed > 1)].add(blocks);
    }

    pub fn refilled(&mut self, needed: u8, blocks: u32) {
        self.refill[usize::from(needed > 1)].add(blocks);
    }

    pub fn note_fewest(&mut self, needed: u8, fewest: u8) {
        *self.fewest.entry((needed, fewest)).or_default() += 1;
    }

    pub fn punish(&mut self, why: Why, how: Punished, amount: u128, outage: bool) {
        let add = |(count, sum): &mut (u64, u128)| {
            *count += 1;
            *sum += amount;
        };
        add(self.punished.entry((why, how)).or_default());
        if outage {
            add(self.punished_in_outage.entry(how).or_default());
        }
    }

    pub fn eject(&mut self, blame: Blame, gone: bool, slots: u32, outage: bool) {
        *self.ejections.entry((blame, gone)).or_default() += 1;
        self.ejected += 1;
        self.ejected_slots += u64::from(slots);
        self.ejected_in_outage += u64::from(outage);
    }

    pub fn refuse(&mut self, call: &'static str, error: sp_runtime::DispatchError) {
        let name = match error {
            sp_runtime::DispatchError::Module(module) => module.message.unwrap_or("an error of a pallet").to_string(),
            other => format!("{other:?}"),
        };
        *self.calls_refused.entry((call, name)).or_default() += 1;
    }

    pub fn end_drive(&mut self, cause: pallet_storage::EndCause) {
        let name = match cause {
            pallet_storage::EndCause::Closed => "closed by their owners",
            pallet_storage::EndCause::RanDry => "run dry",
            pallet_storage::EndCause::NotEnoughVaults => "found no vaults after all",
        };
        *self.ended.entry(name).or_default() += 1;
    }

    pub fn end_of_day(&mut self, queues: [u64; 3], evicting: u64, down: u32, empty: u64) {
        let (vacated, restored, ejected) = self.last;
        self.last = (self.vacated, self.restored, self.ejected);
        self.days.push(Day {
            queues,
            evicting,
            down,
            empty,
            vacated: self.vacated - vacated,
            restored: self.restored - restored,
            ejected: self.ejected - ejected,
        });
    }

    /// How often vaults lost something though they had all bytes and were up when it mattered.
    pub fn false_slashes(&self) -> u64 {
        self.punished.iter().filter(|((why, _), _)| *why == Why::Unexplained).map(|(_, (count, _))| count).sum()
    }

    /// Days that were simulated, the filling apart.
    pub fn year_days(&self) -> f64 {
        (self.days.len() as f64 - f64::from(self.fill_days)).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_good_to_a_32nd() {
        let mut histogram = Histogram::default();
        (1..=100_000u32).for_each(|value| histogram.add(value));
        for part in [0.01, 0.5, 0.9, 0.99, 1.0] {
            let (found, exact) = (histogram.quantile(part) as f64, part * 100_000.0);
            assert!(found >= exact && found <= exact * 33.0 / 32.0 + 1.0, "{part}: {found}");
        }
        assert_eq!(Histogram::default().quantile(0.5), 0);
    }
}
