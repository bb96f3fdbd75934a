// SPDX-License-Identifier: Apache-2.0

//! Runs with somebody in them who attacks: what that costs and gains her, and what honest people lose by it.

use std::fmt::Write as _;

use anyhow::ensure;

use crate::{
    check,
    figures::Figures,
    outages::calm,
    params::Params,
    world::{eve::Eve, Attack, Why},
};

/// What an attack did.
#[derive(Clone, Debug)]
pub struct Found {
    pub attack: Attack,
    pub figures: Figures,
    pub eve: Eve,
}

impl Found {
    /// Times that an honest vault lost pay or bond, or was ejected. Nothing else happens in this world, so there is no other cause.
    pub fn honest_punished(&self) -> u64 {
        let punished = self.figures.punished.iter().filter(|((why, _), _)| *why != Why::Attacks);
        punished.map(|(_, (count, _))| count).sum::<u64>() + self.figures.ejected
    }

    /// What as many honest vaults of the size of hers earned.
    pub fn honest_income(&self) -> u128 {
        self.eve.earned_by_honest * self.eve.vaults.len() as u128
    }

    /// That no honest vault, drive or owner was harmed, and that she has gained nothing: no more than three quarters of what she had by being honest.
    ///
    /// # Errors
    /// What isn't so.
    pub fn sound(&self) -> anyhow::Result<()> {
        let (attack, figures) = (self.attack, &self.figures);
        ensure!(self.honest_punished() == 0, "{attack:?}: honest vaults lost something: {:?}", figures.punished);
        ensure!(figures.lost == 0, "{attack:?}: {} drives lost their bytes", figures.lost);
        ensure!(figures.ended_early == 0, "{attack:?}: {} drives ended early", figures.ended_early);
        // A successor has half a period.
        let (longest, most) = (figures.longest_due, figures.day_blocks / 2);
        ensure!(longest <= most, "{attack:?}: a slot waits for its repair for {longest} blocks");
        ensure!(figures.calls_refused.is_empty(), "{attack:?}: {:?}", figures.calls_refused);
        let honest = self.honest_income();
        let earns_less = attack == Attack::ServesNobody && self.eve.earned < honest * 3 / 4;
        ensure!(self.eve.gain <= 0 || earns_less, "{attack:?}: she has gained {} plancks", self.eve.gain);
        Ok(())
    }
}

/// A world in which nothing happens but what Eve does, at the size of a small network.
pub fn params(seed: u64) -> Params {
    Params { days: 15, fill_days: 2, outage_day: 0, report_hours: -1.0, ..calm(seed) }
}

/// One attack in such a world.
///
/// # Errors
/// Those of [`check::live`].
pub fn attack(attack: Attack, params: &Params) -> anyhow::Result<Found> {
    let mut params = params.clone();
    if attack == Attack::FullBlocks {
        // All of the others' drives are paid for alike, and left to run dry.
        params = Params { paid_days: 8, paid_alike: true, drive_days: 0.1, forgotten: 1.0, ..params };
    }
    let (figures, eve) = check::attacked(&params, Some(attack))?;
    Ok(Found { attack, figures, eve })
}

/// All attacks, one at a time.
///
/// # Errors
/// Those of [`check::live`].
pub fn attacks(seed: u64) -> anyhow::Result<Vec<Found>> {
    Attack::ALL.into_iter().map(|one| attack(one, &params(seed))).collect()
}

/// What somebody with so many percent of all capacity holds of others' drives.
#[derive(Clone, Debug)]
pub struct Share {
    pub percent: u8,
    pub eve: Eve,
}

impl Share {
    /// The part of the drives that need so many shards of which she has so many slots or more; and how many drives these are.
    pub fn part(&self, needed: u8, held: u8) -> (f64, u64) {
        let of = |least: u8| {
            let found = self.eve.holds.iter().filter(|((of, held), _)| *of == needed && *held >= least);
            found.map(|(_, count)| count).sum::<u64>()
        };
        (of(held) as f64 / of(0).max(1) as f64, of(0))
    }
}

/// The probability of so many successes or more in so many tries.
pub fn binomial_tail(tries: u8, least: u8, p: f64) -> f64 {
    let choose = |of: u8| (0..of).fold(1.0, |product, i| product * f64::from(tries - i) / f64::from(i + 1));
    (least..=tries).map(|of| choose(of) * p.powi(of.into()) * (1.0 - p).powi((tries - of).into())).sum()
}

/// Worlds in which she has a tenth, a fifth, three tenths of all capacity.
///
/// # Errors
/// Those of [`check::live`].
pub fn shares(seed: u64) -> anyhow::Result<Vec<Share>> {
    let of = |percent: u8| {
        let params = Params { drives: 20_000, days: 1, wide: 0.3, ..params(seed) };
        let (_, eve) = check::attacked(&params, Some(Attack::Share(percent)))?;
        Ok(Share { percent, eve })
    };
    [10, 20, 30].into_iter().map(of).collect()
}

fn coins(plancks: i128) -> String {
    match plancks.unsigned_abs() {
        0 => "0".into(),
        1..1_000_000_000_000 => format!("{:.5}", plancks as f64 / 1e12),
        _ => format!("{:.1}", plancks as f64 / 1e12),
    }
}

/// What was found, as a document.
pub fn report(attacks: &[Found], shares: &[Share], command_line: &str) -> String {
    let world = params(0);
    let mut text = format!(
        "# Attacks on storage, simulated\n\nWritten by `scripts/sim/run{command_line}`. {} vaults and {} drives of others, {} days, a period of \
         {} blocks; nothing else happens in this world: no outage, no failing disk. So whatever honest vaults lose, they lose by the attack. The \
         pallets are the real ones; [README.md](README.md) says what is modelled. Each attack is described in `src/world/eve.rs`.\n\n\
         Coins of hers are without the fees of her calls, which she pays besides.\n\n",
        world.vaults, world.drives, world.days, world.day_blocks
    );
    text += "| attack | her vaults | her drives | her calls | coins paid into drives | she has more | honest vaults punished | drives lost | ended early | \
             longest that a slot waits in the end | refilled within, 99% |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    for found in attacks {
        let (figures, eve) = (&found.figures, &found.eve);
        let hours = |blocks: u64| blocks as f64 * 24.0 / f64::from(world.day_blocks);
        let blocks = figures.refill.iter().map(|of| of.quantile(0.99)).max().unwrap_or(0);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} h | {:.1} h |",
            name(found.attack),
            eve.vaults.len(),
            eve.drives.len(),
            eve.calls,
            coins(eve.tied as i128),
            coins(eve.gain),
            found.honest_punished(),
            figures.lost,
            figures.ended_early,
            hours(figures.longest_due.into()),
            hours(blocks)
        );
    }
    text += "\n| attack | her vaults ejected | suspended | earned by them | an honest one of their size earned, for as many | drives waited for a place in a \
             block, at once | redrawn by owners |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    for found in attacks {
        let (figures, eve) = (&found.figures, &found.eve);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            name(found.attack),
            eve.ejected,
            eve.suspended,
            coins(eve.earned as i128),
            coins(found.honest_income() as i128),
            figures.waited,
            figures.redrawn
        );
    }
    text += "\n## What a share of all capacity holds\n\nOf drives of others, the part in whose group she has so many slots, beside what independent draws by \
             capacity would give (binomial). With `3k` of the `4k` slots she can sign a checkpoint without anybody else; with `3k + 1` fewer than `k` are \
             left to others, so that she can destroy what is written; with `k + 1` she can keep a checkpoint from being signed, until her vaults are \
             redrawn.\n\n\
             | her share | coding | drives | can stop (k + 1) | computed | can sign (3k) | computed | can destroy (3k + 1) | computed |\n\
             | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    for share in shares {
        for needed in [1u8, 4] {
            let slots = 4 * needed;
            let _ = write!(text, "| {}% | {needed}/{slots} | {} ", share.percent, share.part(needed, 0).1);
            for least in [needed + 1, 3 * needed, 3 * needed + 1] {
                let (found, computed) =
                    (share.part(needed, least).0, binomial_tail(slots, least, f64::from(share.percent) / 100.0));
                let _ = write!(text, "| {:.3}% | {:.3}% ", found * 100.0, computed * 100.0);
            }
            text += "|\n";
        }
    }
    text
}

fn name(attack: Attack) -> String {
    match attack {
        Attack::FalseRoots => "drives with eight false roots each".into(),
        Attack::FullBlocks => "drives that end in the block of others'".into(),
        Attack::NoCandidates => "slots that nobody can be drawn for".into(),
        Attack::OwnFaults => "faults of her own vaults, for the bonus".into(),
        Attack::ServesNobody => "vaults that prove, and serve nobody".into(),
        Attack::NeverSigns => "vaults that never sign".into(),
        Attack::Share(percent) => format!("{percent}% of all capacity"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binomial_tail_is_right() {
        assert!((binomial_tail(4, 4, 0.1) - 1e-4).abs() < 1e-12);
        assert!((binomial_tail(4, 3, 0.5) - 5.0 / 16.0).abs() < 1e-12);
        assert!((binomial_tail(16, 0, 0.3) - 1.0).abs() < 1e-12);
    }
}
