// SPDX-License-Identifier: Apache-2.0

//! The report: what was simulated, what came out, and the plots.

use std::{fmt::Write, path::Path};

use anyhow::Context;
use cairn_primitives::storage::{UNITS_PER_GIB, UNIT_BYTES};

use crate::{
    figures::{Earner, Figures, Histogram, Kind, Punished},
    outages::{Outage, Rush, Watchers},
    params::Params,
    plot::{Chart, Line},
    world::{Blame, Why},
};

/// What was found.
pub struct Findings {
    pub params: Params,
    pub figures: Figures,
    /// Of the small world that was lived through twice.
    pub compared: Figures,
    pub outages: Vec<Outage>,
    pub watchers: Vec<Watchers>,
    pub rushes: Vec<Rush>,
}

/// A document and its plots.
pub struct Report {
    text: String,
    plots: Vec<(&'static str, String)>,
}

/// A number with groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn percent(part: f64) -> String {
    format!("{:.2}%", part * 100.0)
}

fn ppm(value: u64) -> String {
    percent(value as f64 / 1e6)
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = (part * sorted.len() as f64) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// Gini's coefficient of sorted values.
fn gini(sorted: &[f64]) -> f64 {
    let count = sorted.len() as f64;
    let sum: f64 = sorted.iter().sum();
    let weighted: f64 = sorted.iter().enumerate().map(|(at, value)| (at as f64 + 1.0) * value).sum();
    if sum > 0.0 {
        2.0 * weighted / (count * sum) - (count + 1.0) / count
    } else {
        0.0
    }
}

impl Report {
    /// The report of these findings; `command_line` is what was typed behind the command.
    pub fn new(findings: &Findings, command_line: &str) -> Self {
        let mut report = Report { text: String::new(), plots: Vec::new() };
        report.opening(findings, command_line);
        report.load(findings);
        report.durability(findings);
        report.repair(findings);
        report.earnings(findings);
        report.punishments(findings);
        report.outages(findings);
        report.world(findings);
        report
    }

    /// Writes `REPORT.md` and `plots/` into a folder.
    ///
    /// # Errors
    /// A file can't be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let plots = folder.join("plots");
        std::fs::create_dir_all(&plots).with_context(|| format!("can't make {}", plots.display()))?;
        for (name, svg) in &self.plots {
            let path = plots.join(format!("{name}.svg"));
            std::fs::write(&path, svg).with_context(|| format!("can't write {}", path.display()))?;
        }
        let path = folder.join("REPORT.md");
        std::fs::write(&path, &self.text).with_context(|| format!("can't write {}", path.display()))
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn plot(&mut self, name: &'static str, chart: Chart<'_>, lines: &[Line]) {
        self.plots.push((name, chart.draw(lines)));
        let title = chart.title;
        self.line(&format!("\n![{title}](plots/{name}.svg)\n"));
    }

    fn opening(&mut self, findings: &Findings, command_line: &str) {
        let (params, compared) = (&findings.params, &findings.compared);
        self.line("# A year of storage, simulated\n");
        self.line(&format!("Made by `scripts/sim/run{command_line}`; the same command makes the same bytes.\n"));
        self.line(&format!(
            "**{} vaults, {} drives, {} days** of {} blocks, seed {}.\n",
            grouped(params.vaults.into()),
            grouped(params.drives.into()),
            params.days,
            grouped(params.day_blocks.into()),
            params.seed
        ));
        let taken = params.taken();
        if params.part > 1 {
            self.line(&format!(
                "One in {} of each was simulated: {} vaults and {} drives over {} blocks a day, with the bounds of a block \
                 as they are. So a vault has as many slots, and a block as much to do, as in the whole; counts of vaults, drives and \
                 slots below are of that part. `--part 1` does all of it.\n",
                params.part,
                grouped(taken.vaults.into()),
                grouped(taken.drives.into()),
                grouped(taken.day_blocks.into())
            ));
        }
        self.line("| what | how |\n| --- | --- |");
        self.line(
            "| real, the pallets' own code | every block's hook; registration, the draw of groups and successors from the weight \
             classes, turns and the draw of challenges, judgement of misses and forgiving, scores and statuses, ejection \
             and emptying, the repair queues, escrows, rates, pay, reserve, endings; disputes and restores with real proofs \
             that the chain's verifier checks |",
        );
        self.line(
            "| real, but known to be right | ed25519 signatures in checkpoints and proofs in answers to challenges: the same \
             functions of the pallets are called behind the check |",
        );
        self.line(
            "| modelled | who is up, which bytes are on which disk, how long reading takes, what operators and owners do \
             (below); fees; a block takes all transactions that come |",
        );
        self.line(&format!(
            "\nTo know that this changes nothing, a small world ({} proofs, {} restores, {} reports, {} ejections) is lived \
             through before in the SDK's own externalities with every signature and proof made and checked, and all \
             invariants checked at the end; and once more as here. All figures and every key of the state came out \
             the same.\n",
            grouped(compared.proven),
            grouped(compared.restored),
            grouped(compared.reports),
            compared.ejected
        ));
    }

    fn load(&mut self, findings: &Findings) {
        let load = &findings.figures.load;
        self.line("## What the chain bears\n");
        self.line(
            "A block has 1.5 s of weight; weights are those of the pallets (counted by hand, generous), with 0.28 ms for each \
             transaction beside its call. Mean over all blocks:\n",
        );
        self.line("| | a block | of its weight | bytes a block |\n| --- | ---: | ---: | ---: |");
        let blocks = load.blocks.max(1) as f64;
        for kind in Kind::ALL {
            let sum = load.kinds.get(&kind).copied().unwrap_or_default();
            self.line(&format!(
                "| {} | {:.3} | {} | {:.0} |",
                kind.name(),
                sum.count as f64 / blocks,
                percent(load.share(sum.weight)),
                sum.bytes as f64 / blocks
            ));
        }
        self.line(&format!("| the pallets' hooks | | {} | |", percent(load.share(load.hooks))));
        self.line("\n| of all blocks | half | 99% | the fullest |\n| --- | ---: | ---: | ---: |");
        let row = |name: &str, of: &Histogram, show: &dyn Fn(u64) -> String| {
            format!("| {name} | {} | {} | {} |", show(of.quantile(0.5)), show(of.quantile(0.99)), show(of.max))
        };
        let rows = [
            row("weight, all", &load.weight, &ppm),
            row("weight, hooks", &load.hook_weight, &ppm),
            row("transactions", &load.transactions, &grouped),
            row("bytes", &load.bytes, &grouped),
        ];
        rows.iter().for_each(|row| self.line(row));
        let one = load.kinds.get(&Kind::Checkpoint).copied().unwrap_or_default();
        let each = one.weight as f64 / one.count.max(1) as f64 / crate::runtime::BLOCK_WEIGHT as f64;
        let daily = each * f64::from(findings.params.drives) / f64::from(findings.params.day_blocks);
        self.line(&format!(
            "\nA checkpoint takes {:.2}% of a block on average: if each drive committed once a day, checkpoints alone would take \
             {} of every block. That, not proofs, is what grows with use; owners pay for it.\n",
            each * 100.0,
            percent(daily)
        ));
        let lines: Vec<Line> = vec![
            ("all".into(), load.weight.curve().into_iter().map(|(x, y)| (x / 1e4, y * 100.0)).collect()),
            ("hooks alone".into(), load.hook_weight.curve().into_iter().map(|(x, y)| (x / 1e4, y * 100.0)).collect()),
        ];
        let chart = Chart { title: "Weight of blocks", x: "% of a block", y: "% of blocks with at most", log_x: true };
        self.plot("load", chart, &lines);
    }

    fn durability(&mut self, findings: &Findings) {
        let figures = &findings.figures;
        let drives: u64 = figures.fewest.values().sum();
        let years = f64::from(findings.params.taken().drives) * figures.year_days() / 365.0;
        self.line("## Are drives lost?\n");
        let bound = match figures.lost {
            0 => format!("so with 95% confidence fewer than {:.1} in a million drives a year", 3.0 / years * 1e6),
            lost => format!("{:.2} in a million drives a year", lost as f64 / years * 1e6),
        };
        self.line(&format!(
            "**{} of {} drives** that had bytes lost them, in {} drive-years: {bound}. Counted against the chain: bytes of a slot \
             are gone when its vault vanishes, when its disk loses them, and when the chain takes the slot from a vault, though \
             that may still have them.\n",
            figures.lost,
            grouped(drives),
            grouped(years as u64)
        ));
        self.line("How near they came: the fewest intact slots that a drive ever had.\n");
        self.line("| coding | fewest intact | drives | of all |\n| --- | ---: | ---: | ---: |");
        let of = |needed: u8| -> u64 {
            figures.fewest.iter().filter(|((of, _), _)| *of == needed).map(|(_, count)| count).sum()
        };
        for ((needed, fewest), count) in &figures.fewest {
            let all = of(*needed) as f64;
            let row = format!(
                "| {needed}/{} | {fewest} | {} | {} |",
                4 * needed,
                grouped(*count),
                percent(*count as f64 / all)
            );
            self.line(&row);
        }
        self.line("");
        let [narrow, wide] = figures.outage_drives;
        if narrow.0 + wide.0 > 0 {
            let part = |(all, out): (u64, u64)| percent(out as f64 / all.max(1) as f64);
            self.line(&format!(
                "When {}% of all vaults were cut off at once, {} of the drives coded 1/4 could not be read until they came \
                 back, and {} of those coded 4/16: groups are drawn without looking at where vaults are.\n",
                findings.params.outage_percent,
                part(narrow),
                part(wide)
            ));
        }
    }

    fn repair(&mut self, findings: &Findings) {
        let (figures, params) = (&findings.figures, &findings.params.taken());
        self.line("## Repair\n");
        let hours = |blocks: u64| format!("{:.1}", blocks as f64 * 24.0 / f64::from(params.day_blocks));
        self.line("| hours | half | 90% | 99% | longest |\n| --- | ---: | ---: | ---: | ---: |");
        let mut row = |name: &str, of: &Histogram| {
            let cells = [0.5, 0.9, 0.99].map(|part| hours(of.quantile(part)));
            self.text.push_str(&format!("| {name} | {} | {} |\n", cells.join(" | "), hours(of.max)));
        };
        row("1/4: a slot is empty on chain", &figures.refill[0]);
        row("4/16: a slot is empty on chain (it waits until a quarter is gone)", &figures.refill[1]);
        row("1/4: bytes are gone, until they are there again", &figures.back[0]);
        row("4/16: the same", &figures.back[1]);
        row("a vault that leaves in order, until it is free", &figures.exit_blocks);
        let stored: f64 = figures.earners.iter().map(|of| of.gib * of.reserved).sum::<f64>() * 100.0 / 160.0;
        let rebuilt = figures.rebuilt_units as f64 / UNITS_PER_GIB as f64;
        let vault_days = f64::from(params.vaults) * figures.days.len() as f64;
        self.line(&format!(
            "\n{} slots were emptied, {} restored ({} of them handed over by vaults that left in order), {} behind for a while; \
             {} successors were relieved: late, or no longer needed. Read for it: {:.2} GiB a vault and day ({:.2} Mbit/s on average), or \
             {} of all stored bytes a day.\n",
            grouped(figures.vacated),
            grouped(figures.restored),
            grouped(figures.handed_over),
            grouped(figures.behind),
            grouped(figures.successors_changed),
            rebuilt / vault_days,
            rebuilt / vault_days * UNIT_BYTES as f64 * UNITS_PER_GIB as f64 * 8.0 / 86_400.0 / 1e6,
            percent(rebuilt / figures.days.len() as f64 / stored.max(1.0))
        ));
        let curve = |of: &Histogram| -> Vec<(f64, f64)> {
            of.curve().into_iter().map(|(x, y)| (x * 24.0 / f64::from(params.day_blocks), y * 100.0)).collect()
        };
        let lines: Vec<Line> = vec![
            ("1/4: slot empty".into(), curve(&figures.refill[0])),
            ("4/16: slot empty".into(), curve(&figures.refill[1])),
            ("1/4: bytes gone".into(), curve(&figures.back[0])),
        ];
        let chart = Chart { title: "Time to repair", x: "hours", y: "% of slots within", log_x: true };
        self.plot("repair", chart, &lines);
        let of_days = |of: &dyn Fn(&crate::figures::Day) -> f64| -> Vec<(f64, f64)> {
            let first = f64::from(figures.fill_days);
            figures.days.iter().enumerate().map(|(day, of_day)| (day as f64 + 1.0 - first, of(of_day))).collect()
        };
        let lines: Vec<Line> = vec![
            ("empty slots".into(), of_days(&|day| day.empty as f64)),
            ("in the queues".into(), of_days(&|day| day.queues.iter().sum::<u64>() as f64)),
            ("emptied a day".into(), of_days(&|day| day.vacated as f64)),
            ("restored a day".into(), of_days(&|day| day.restored as f64)),
        ];
        let chart = Chart { title: "Slots that need a vault", x: "day", y: "slots", log_x: false };
        self.plot("queues", chart, &lines);
        let longest = figures.days.iter().map(|day| day.queues[2]).max().unwrap_or(0);
        let looks = f64::from(pallet_storage::LOOKS_PER_BLOCK) * f64::from(params.day_blocks);
        self.line(&format!(
            "The queue of slots that wait had up to {} entries, of which {} are looked at in a day: an entry comes up every {:.1} \
             days then. Until it does, nobody sees that its successor is late, or that its drive has lost more.\n",
            grouped(longest),
            grouped(looks as u64),
            longest as f64 / looks
        ));
    }

    fn earnings(&mut self, findings: &Findings) {
        let figures = &findings.figures;
        self.line("## What vaults earn\n");
        let old: Vec<&Earner> = figures.earners.iter().filter(|of| of.days >= 60.0).collect();
        let sorted = |of: &dyn Fn(&Earner) -> bool| {
            let mut rates: Vec<f64> = old.iter().filter(|earner| of(earner)).map(|earner| earner.rate()).collect();
            rates.sort_by(f64::total_cmp);
            rates
        };
        let all = sorted(&|_| true);
        self.line(&format!(
            "Coins a day for each TiB that a vault offers, of the {} vaults that were there for 60 days or longer. Gini's \
             coefficient: {:.2} (0: all alike).\n",
            grouped(old.len() as u64),
            gini(&all)
        ));
        self.line("| | vaults | 10% | half | 90% | nothing |\n| --- | ---: | ---: | ---: | ---: | ---: |");
        let mut asks: Vec<u128> = old.iter().map(|of| of.ask).collect();
        asks.sort();
        let quarter = |part: f64| asks.get((part * asks.len() as f64) as usize).copied().unwrap_or(u128::MAX);
        let mut sizes: Vec<f64> = old.iter().map(|of| of.gib).collect();
        sizes.sort_by(f64::total_cmp);
        let (small, large) = (quantile(&sizes, 0.25), quantile(&sizes, 0.75));
        let rows = [
            ("all", all),
            ("asks least (a quarter)", sorted(&|of| of.ask <= quarter(0.25))),
            ("asks most (a quarter)", sorted(&|of| of.ask >= quarter(0.75))),
            ("asks most (a hundredth)", sorted(&|of| of.ask >= quarter(0.99))),
            ("smallest (a quarter)", sorted(&|of| of.gib <= small)),
            ("largest (a quarter)", sorted(&|of| of.gib >= large)),
            ("younger than 90 days", sorted(&|of| of.days < 90.0)),
            ("older than 180 days", sorted(&|of| of.days > 180.0)),
        ];
        for (name, rates) in &rows {
            let nothing = rates.iter().filter(|rate| **rate == 0.0).count();
            self.line(&format!(
                "| {name} | {} | {:.2} | {:.2} | {:.2} | {nothing} |",
                grouped(rates.len() as u64),
                quantile(rates, 0.1),
                quantile(rates, 0.5),
                quantile(rates, 0.9)
            ));
        }
        let (offered, reserved): (f64, f64) = figures
            .earners
            .iter()
            .fold((0.0, 0.0), |(offered, reserved), of| (offered + of.gib, reserved + of.gib * of.reserved));
        self.line(&format!(
            "\n{} of what is offered is reserved at the end; the reserve has {:.0} coins. {} drives could not be made at \
             first.\n",
            percent(reserved / offered.max(1.0)),
            figures.reserve as f64 / 1e12,
            grouped(figures.drives_refused)
        ));
        let rates = &rows[0].1;
        let points = (1..=100).map(|part| (quantile(rates, f64::from(part) / 100.0), f64::from(part))).collect();
        let chart = Chart {
            title: "What vaults earn",
            x: "coins a day for a TiB offered",
            y: "% of vaults with at most",
            log_x: false,
        };
        self.plot("earnings", chart, &[("vaults of 60 days and more".into(), points)]);
    }

    fn punishments(&mut self, findings: &Findings) {
        let figures = &findings.figures;
        self.line("## Who was slashed, and for what\n");
        self.line(&format!(
            "**Wrongly: {}** (a vault that had all its bytes and was up for two minutes of the time in which it was asked). \
             {} challenges, {} proven, {} misses forgiven.\n",
            figures.false_slashes(),
            grouped(figures.challenged),
            grouped(figures.proven),
            grouped(figures.forgiven)
        ));
        self.line("| the vault | lost | times | coins |\n| --- | --- | ---: | ---: |");
        for ((why, how), (count, amount)) in &figures.punished {
            let why = match why {
                Why::Attacks => "was an attacker's",
                Why::Gone => "had vanished",
                Why::Down => "was down all the time",
                Why::Bytes => "lacked bytes",
                Why::Unexplained => "did nothing wrong",
            };
            let how = match how {
                Punished::Pay => "a period's pay",
                Punished::Miss => "1% or 10% of its bond: a miss",
                Punished::Wrong => "a slot's bond: a wrong proof",
            };
            self.line(&format!("| {why} | {how} | {} | {:.0} |", grouped(*count), *amount as f64 / 1e12));
        }
        let mut outage = String::new();
        for (how, (count, _)) in &figures.punished_in_outage {
            let _ = write!(outage, " {} {how:?},", grouped(*count));
        }
        self.line(&format!(
            "\nWhile more than a third of all vaults were down:{} {} ejected.\n",
            if outage.is_empty() { " nothing of these;".into() } else { outage },
            figures.ejected_in_outage
        ));
        self.line("| ejected for | had vanished | was still there |\n| --- | ---: | ---: |");
        for (blame, name) in [
            (Blame::InRow, "three misses in a row"),
            (Blame::TooOften, "misses too often, or a low score after one"),
            (Blame::Unsigned, "slots that it never signed for"),
            (Blame::Nothing, "nothing that was seen"),
        ] {
            let of = |gone: bool| figures.ejections.get(&(blame, gone)).copied().unwrap_or(0);
            if of(true) + of(false) > 0 {
                self.line(&format!("| {name} | {} | {} |", grouped(of(true)), grouped(of(false))));
            }
        }
        self.line("");
    }

    fn outages(&mut self, findings: &Findings) {
        if findings.outages.is_empty() {
            return;
        }
        self.line("## Outages, one at a time\n");
        self.line(
            "200 vaults, to which nothing else happens, are cut off at noon. All of them have their bytes, and all come back. \
             Watchers report whom they can't reach, or don't. Only turns of an outage's first hours, its length less the \
             deadline of 3 h, are missed.\n",
        );
        self.line(
            "| cut off | hours | watchers report | misses forgiven | misses slashed | ejected | coins of bond |\n\
             | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
        );
        for of in &findings.outages {
            self.line(&format!(
                "| {}% | {} | {} | {} | {} | {} | {:.0} |",
                of.percent,
                of.hours,
                if of.watched { "at once" } else { "no" },
                of.forgiven,
                of.slashed,
                of.ejected,
                of.bond_lost
            ));
        }
        self.line(
            "\n## How long watchers should wait\n\nHalf a year of 200 vaults and 8,000 drives (230 slots a vault), each with the \
             downtimes and disks of below; no large outage.\n",
        );
        self.line(
            "| watchers report a silent vault | vaults that stayed: ejected a year | coins of bond lost by each a year | bytes \
             gone until back, half / 99% | drives 1/4 with one copy left | lost |\n| --- | ---: | ---: | ---: | ---: | ---: |",
        );
        for of in &findings.watchers {
            let when = match of.hours {
                hours if hours < 0.0 => "never".into(),
                0.0 => "at once (4 tries in 3 minutes)".into(),
                hours => format!("after {hours} hours"),
            };
            self.line(&format!(
                "| {when} | {:.0}% | {:.0} | {:.1} h / {:.0} h | {} of {} | {} |",
                of.ejected_percent_year,
                of.bond_lost_vault_year,
                of.back_hours.0,
                of.back_hours.1,
                of.one_left,
                grouped(of.drives),
                of.lost
            ));
        }
        self.line(
            "\n## When many drives are paid for alike\n\nDrives that come so many to a block, each paid for 30 days: the chain looks at \
             eight a block that run dry or are to be warned of it, and at up to 40 where there are more.\n",
        );
        self.line(
            "| drives a block | drives | ended early, with money | waited at once for a place | calls refused |\n| ---: | ---: | ---: | ---: | ---: |",
        );
        for of in &findings.rushes {
            let row = format!(
                "| {} | {} | {} | {} | {} |",
                of.a_block,
                grouped(of.drives.into()),
                grouped(of.ended_early),
                grouped(of.waited),
                of.refused
            );
            self.line(&row);
        }
        self.line("");
    }

    fn world(&mut self, findings: &Findings) {
        let (params, figures) = (&findings.params, &findings.figures);
        self.line("## The world that was modelled\n");
        self.line("| parameter | value |\n| --- | --- |");
        let mean_down = params.down_minutes * (params.down_sigma.powi(2) / 2.0).exp();
        let rows = [
            (
                "operators",
                format!(
                    "give up after {} days on average (Weibull, shape {}); {} of these without notice. Others come within a \
                     day or so",
                    params.lifetime_days,
                    params.lifetime_shape,
                    percent(params.vanish)
                ),
            ),
            ("offer", format!("{} GiB median, sigma {} (lognormal)", params.offer_gib, params.offer_sigma)),
            (
                "price and ask",
                format!(
                    "{} and {} thousandths of a coin for a GiB and day, sigma 0.15 and {}",
                    params.price, params.ask, params.ask_sigma
                ),
            ),
            (
                "downtime",
                format!(
                    "up {} of the time; outages of {} minutes median, {:.0} mean (lognormal, sigma {})",
                    percent(params.up),
                    params.down_minutes,
                    mean_down,
                    params.down_sigma
                ),
            ),
            (
                "regions",
                format!(
                    "six, the largest with {}% of all vaults; each cut off every {} days for {} h median; the largest once for \
                     {} h, on day {}: {} outages in all",
                    params.outage_percent,
                    params.region_days,
                    params.region_hours,
                    params.outage_hours,
                    params.outage_day,
                    figures.region_outages
                ),
            ),
            (
                "disks",
                format!(
                    "{} failures a vault and year ({} in all), each of a hundredth to all of its slots; {} silent until read",
                    params.disk_failures,
                    figures.disks_failed,
                    percent(params.silent)
                ),
            ),
            ("rebuilding", format!("{} Mbit/s a vault", params.mbits)),
            (
                "watchers",
                match params.report_hours {
                    hours if hours < 0.0 => "report nobody for being silent".into(),
                    hours => format!(
                        "report whom they can't reach after {hours} hours and 3 minutes; {} reports, and {} slots that were behind by \
                         them",
                        grouped(figures.reports),
                        grouped(figures.unserved)
                    ),
                },
            ),
            (
                "drives",
                format!(
                    "{} MiB median, sigma {} (lognormal), {} of them coded 4/16, the others 1/4; wanted for {} days on \
                     average, {} of those no longer wanted left to run dry; a checkpoint every {} days; paid for {} days at a \
                     time",
                    params.files_mib,
                    params.files_sigma,
                    percent(params.wide),
                    params.drive_days,
                    percent(params.forgotten),
                    params.checkpoint_days,
                    params.paid_days
                ),
            ),
            (
                "ended",
                figures.ended.iter().map(|(name, count)| format!("{} {name}", grouped(*count))).collect::<Vec<_>>().join(", "),
            ),
            (
                "refused",
                match figures.calls_refused.is_empty() {
                    true => "no call that was right".into(),
                    false => figures
                        .calls_refused
                        .iter()
                        .map(|((call, error), count)| format!("{} {call} ({error})", grouped(*count)))
                        .collect::<Vec<_>>()
                        .join(", "),
                },
            ),
            (
                "left",
                format!(
                    "{} vaults in order, {} vanished ({} of them tired of waiting for successors), {} ejected",
                    grouped(figures.left_in_order),
                    grouped(figures.vanished),
                    figures.lost_patience,
                    grouped(figures.ejected)
                ),
            ),
        ];
        rows.iter().for_each(|(name, value)| self.line(&format!("| {name} | {value} |")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gini_is_nothing_among_equals_and_almost_one_where_one_has_all() {
        assert!(gini(&[2.0; 50]).abs() < 1e-9);
        let mut one = vec![0.0; 99];
        one.push(1.0);
        assert!((gini(&one) - 0.99).abs() < 1e-9);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
