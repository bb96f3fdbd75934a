// SPDX-License-Identifier: Apache-2.0

//! Smaller runs that ask one question each: what outages cost, by how many vaults they hit and how long; and what it costs
//! vaults, and helps drives, when watchers report soon.

use crate::{
    check,
    figures::{Figures, Punished},
    params::Params,
    world::{Evidence, Why},
};

/// What an outage did.
#[derive(Clone, Debug)]
pub struct Outage {
    /// Of all vaults, in percent.
    pub percent: u64,
    pub hours: f64,
    /// Whether watchers reported those that were out.
    pub watched: bool,
    pub vaults: u32,
    /// Misses that were slashed, and that were forgiven.
    pub slashed: u64,
    pub forgiven: u64,
    pub ejected: u64,
    /// Coins of bond that were lost.
    pub bond_lost: f64,
}

fn lost_bond(figures: &Figures) -> f64 {
    let bond = figures.punished.iter().filter(|((_, how), _)| *how != Punished::Pay);
    bond.map(|(_, (_, amount))| *amount).sum::<u128>() as f64 / 1e12
}

fn count(figures: &Figures, how: Punished) -> u64 {
    figures.punished.iter().filter(|((_, of), _)| *of == how).map(|(_, (count, _))| count).sum()
}

/// Nothing happens in this world but one outage.
pub(crate) fn calm(seed: u64) -> Params {
    Params {
        seed,
        vaults: 200,
        drives: 2_000,
        days: 10,
        fill_days: 1,
        part: 1,
        day_blocks: 2_880,
        lifetime_days: 1e6,
        up: 1.0,
        outage_day: 3,
        region_days: 1e6,
        disk_failures: 0.0,
        drive_days: 1e6,
        checkpoint_days: 10.0,
        ..Params::new()
    }
}

/// Outages that begin at noon, of these shares of all vaults and lengths.
///
/// # Errors
/// Those of [`check::live`].
pub fn outages(seed: u64) -> anyhow::Result<Vec<Outage>> {
    let mut found = Vec::new();
    for (percent, watched) in [(36, false), (60, false), (100, false), (36, true), (100, true)] {
        for hours in [2.0, 4.0, 8.0, 12.0, 24.0, 48.0] {
            let params = Params {
                outage_percent: percent,
                outage_hours: hours,
                report_hours: if watched { 0.0 } else { -1.0 },
                ..calm(seed)
            };
            let (figures, _) = check::live(&params, Evidence::Known, |_, _| {})?;
            found.push(Outage {
                percent,
                hours,
                watched,
                vaults: params.vaults,
                slashed: count(&figures, Punished::Miss),
                forgiven: figures.forgiven,
                ejected: figures.ejected,
                bond_lost: lost_bond(&figures),
            });
        }
    }
    Ok(found)
}

/// What watchers did.
#[derive(Clone, Debug)]
pub struct Watchers {
    /// Hours that they wait for; they never report if negative.
    pub hours: f64,
    /// Of all vaults that stayed, those ejected in a year, in percent of all.
    pub ejected_percent_year: f64,
    /// Coins of bond that these lost, for each vault and year.
    pub bond_lost_vault_year: f64,
    /// Hours from the loss of a slot's bytes until they were there again, for the median and all but a hundredth.
    pub back_hours: (f64, f64),
    /// Fewest copies of a (1, 4) drive: how many drives were down to one, and lost.
    pub one_left: u64,
    pub lost: u64,
    pub drives: u64,
}

/// A year with watchers that wait for so many hours.
///
/// # Errors
/// Those of [`check::live`].
pub fn watchers(seed: u64) -> anyhow::Result<Vec<Watchers>> {
    let mut found = Vec::new();
    for hours in [0.0, 6.0, 12.0, 24.0, -1.0] {
        let params = Params {
            seed,
            vaults: 200,
            drives: 8_000,
            days: 180,
            fill_days: 1,
            part: 1,
            day_blocks: 1_440,
            outage_day: 0,
            report_hours: hours,
            ..Params::new()
        };
        let (figures, _) = check::live(&params, Evidence::Known, |_, _| {})?;
        let years = f64::from(params.days) / 365.0;
        let stayed: u64 = figures.ejections.iter().filter(|((_, gone), _)| !gone).map(|(_, count)| count).sum();
        let of_stayed = figures.punished.iter().filter(|((why, how), _)| *why != Why::Gone && *how != Punished::Pay);
        let bond = of_stayed.map(|(_, (_, amount))| *amount).sum::<u128>() as f64 / 1e12;
        let in_hours = |blocks: u64| blocks as f64 * 24.0 / f64::from(params.day_blocks);
        found.push(Watchers {
            hours,
            ejected_percent_year: stayed as f64 / f64::from(params.vaults) / years * 100.0,
            bond_lost_vault_year: bond / f64::from(params.vaults) / years,
            back_hours: (in_hours(figures.back[0].quantile(0.5)), in_hours(figures.back[0].quantile(0.99))),
            one_left: figures.fewest.get(&(1, 1)).copied().unwrap_or(0),
            lost: figures.lost,
            drives: figures.fewest.iter().filter(|((needed, _), _)| *needed == 1).map(|(_, count)| count).sum(),
        });
    }
    Ok(found)
}

/// What became of drives that were made at one time, and paid for as long.
#[derive(Clone, Debug)]
pub struct Rush {
    /// Drives made in a block, for a while.
    pub a_block: u32,
    pub drives: u32,
    /// Of these, those that the chain ended though they had money.
    pub ended_early: u64,
    /// Most that waited for a place in a block at one time.
    pub waited: u64,
    /// Checkpoints and top-ups that it refused for that reason.
    pub refused: u64,
}

/// Drives that come at different rates, with the same days paid.
///
/// # Errors
/// Those of [`check::live`].
pub fn rushes(seed: u64) -> anyhow::Result<Vec<Rush>> {
    let mut found = Vec::new();
    for a_block in [1, 2, 4, 8, 16, 32] {
        let params = Params {
            drives: 4_000,
            // The rest of the filling is for the first checkpoints.
            fill_days: 1,
            day_blocks: 4_000 / a_block * 10 / 9,
            days: 40,
            outage_day: 0,
            paid_days: 30,
            paid_alike: true,
            report_hours: -1.0,
            ..calm(seed)
        };
        let (figures, _) = check::live(&params, Evidence::Known, |_, _| {})?;
        found.push(Rush {
            a_block,
            drives: params.drives,
            ended_early: figures.ended_early,
            waited: figures.waited,
            refused: figures.calls_refused.values().sum(),
        });
    }
    Ok(found)
}
