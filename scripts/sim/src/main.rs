// SPDX-License-Identifier: Apache-2.0

//! The simulator's command line.

use std::{path::PathBuf, time::Instant};

use anyhow::Context;
use cairn_sim::{
    attacks, check, outages,
    params::Params,
    report::{Findings, Report},
    world::Evidence,
};
use clap::Parser;

/// Lives through a year of vaults and drives against the real pallets, and writes down what happened
#[derive(Parser)]
#[command(name = "scripts/sim/run")]
struct Arguments {
    /// Only checks: the same small world in the SDK's externalities and in ours, within a minute; writes nothing
    #[arg(long)]
    small: bool,
    /// Folder for REPORT.md and plots/
    #[arg(long, default_value = "scripts/sim")]
    out: PathBuf,
    /// Only the attacks, on their own; writes ATTACKS.md
    #[arg(long)]
    attacks: bool,
    /// Leaves out the runs that compare outages and watchers
    #[arg(long)]
    alone: bool,
    /// No line a day
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    params: Params,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let started = Instant::now();
    let small = Params { seed: arguments.params.seed, ..Params::small() };
    let compared = check::compare(&small).context("a small world lived through twice")?;
    eprintln!(
        "small world: {} proofs, {} restores, {} reports, {} vaults ejected; the same in both, nobody slashed wrongly, money \
         conserved ({:.0} s)",
        compared.proven,
        compared.restored,
        compared.reports,
        compared.ejected,
        started.elapsed().as_secs_f64()
    );
    if arguments.small {
        return Ok(());
    }
    if arguments.attacks {
        let (attacks, shares) = (attacks::attacks(arguments.params.seed)?, attacks::shares(arguments.params.seed)?);
        let path = arguments.out.join("ATTACKS.md");
        std::fs::write(&path, attacks::report(&attacks, &shares, &command_line()))?;
        eprintln!("wrote {} after {} s", path.display(), started.elapsed().as_secs());
        return attacks.iter().try_for_each(attacks::Found::sound);
    }
    let tell = |day: u32, figures: &cairn_sim::figures::Figures| {
        let last = figures.days.last().copied().unwrap_or_default();
        if !arguments.quiet {
            eprintln!(
                "day {day}: {} s, {} vaults down, {} slots empty, {:?} queued, {} ejected, {} restored, {} lost",
                started.elapsed().as_secs(),
                last.down,
                last.empty,
                last.queues,
                last.ejected,
                last.restored,
                figures.lost
            );
        }
    };
    let (figures, _) = check::live(&arguments.params.taken(), Evidence::Known, tell)?;
    let sound = check::sound(&figures);
    let seed = arguments.params.seed;
    let (outages, watchers, rushes) = match arguments.alone {
        true => (Vec::new(), Vec::new(), Vec::new()),
        false => (outages::outages(seed)?, outages::watchers(seed)?, outages::rushes(seed)?),
    };
    let findings = Findings { params: arguments.params.clone(), figures, compared, outages, watchers, rushes };
    Report::new(&findings, &command_line()).write(&arguments.out)?;
    eprintln!("wrote {} after {} s", arguments.out.join("REPORT.md").display(), started.elapsed().as_secs());
    sound
}

/// What was typed after the command's name.
fn command_line() -> String {
    std::env::args().skip(1).map(|argument| format!(" {argument}")).collect()
}
