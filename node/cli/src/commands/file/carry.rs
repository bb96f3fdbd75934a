// SPDX-License-Identifier: Apache-2.0

//! Bytes on their way, with somebody watching: commits to drives, and downloads.

use std::{
    io::IsTerminal,
    path::PathBuf,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Arc, Mutex, PoisonError,
    },
    time::{Duration, Instant},
};

use cairn_client::AccountId;
use cairn_drive::{
    commit, commit::OTHERS_WAIT, live::KeySigner, upload::Event, Committed, DriveError, Plan, Witnessed, Writer,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{json, Value};

use crate::{
    commands::drive::place::{drive_error, untrue, Opened, StateDir},
    context::Context,
    failure::{refused, usage_with_remedy, Result},
    output::to_stderr,
    size::format_bytes,
};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What is shown of bytes on their way.
#[derive(Clone)]
pub struct Meter {
    shown: Shown,
    done: Arc<AtomicU64>,
}

#[derive(Clone)]
enum Shown {
    Bar(ProgressBar),
    Lines { what: Arc<str>, state: Arc<Mutex<Lines>> },
    Nothing,
}

struct Lines {
    total: u64,
    since: Instant,
    next: Instant,
}

impl Meter {
    /// Begins: a bar on a terminal, a line now and then otherwise.
    pub fn new(context: &Context, what: &str, total: u64) -> Self {
        let quiet = context.output.is_quiet();
        let shown = if quiet {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(total);
            style(&bar, total);
            bar.set_prefix(what.to_string());
            Shown::Bar(bar)
        } else {
            let now = Instant::now();
            let state = Arc::new(Mutex::new(Lines { total, since: now, next: now + LINE_EVERY }));
            Shown::Lines { what: what.into(), state }
        };
        Meter { shown, done: Arc::default() }
    }

    /// Begins, or begins again: so much it will be, and nothing of it is done.
    pub fn begin(&self, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        match &self.shown {
            Shown::Bar(bar) => {
                bar.reset();
                bar.set_length(total);
                style(bar, total);
            },
            Shown::Lines { state, .. } => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                (state.total, state.since) = (total, Instant::now());
            },
            Shown::Nothing => {},
        }
    }

    /// So many more bytes are done.
    pub fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match &self.shown {
            Shown::Bar(bar) => bar.set_position(done),
            Shown::Lines { what, state } => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                if Instant::now() >= state.next {
                    state.next = Instant::now() + LINE_EVERY;
                    let rate = done as f64 / state.since.elapsed().as_secs_f64().max(0.001);
                    if state.total == 0 {
                        to_stderr(&format!("{what}: {}, {}/s", format_bytes(done), format_bytes(rate as u64)));
                        return;
                    }
                    let left = state.total.saturating_sub(done) as f64 / rate.max(1.0);
                    to_stderr(&format!(
                        "{what}: {} of {}, {}/s, {left:.0} s left",
                        format_bytes(done),
                        format_bytes(state.total),
                        format_bytes(rate as u64),
                    ));
                }
            },
            Shown::Nothing => {},
        }
    }

    /// Something worth a line happened.
    pub fn say(&self, text: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(|| to_stderr(text)),
            Shown::Lines { .. } => to_stderr(text),
            Shown::Nothing => {},
        }
    }

    /// Bytes so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Ends.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// How a bar looks: of standard input nobody knows how long it is.
fn style(bar: &ProgressBar, total: u64) {
    let template = match total {
        0 => "{prefix} {bytes} {bytes_per_sec} {msg}",
        _ => "{prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

/// How a commit is told of.
#[derive(Clone, Copy, Debug)]
pub struct Carry {
    what: &'static str,
}

impl Carry {
    /// Files are put.
    pub fn putting() -> Self {
        Carry { what: "storing" }
    }

    /// Content is moved on.
    pub fn moving() -> Self {
        Carry { what: "moving" }
    }
}

/// What became of a commit.
pub struct Carried {
    /// What it did.
    pub committed: Committed,
    /// Bytes of sources that were read.
    pub read_bytes: u64,
    /// Bytes that went to vaults.
    pub sent_bytes: u64,
    /// Bytes that they had already, from an earlier run.
    pub known_bytes: u64,
    /// Milliseconds until enough vaults had signed for everything; the checkpoint's finality comes after that.
    pub stored_ms: u64,
    /// Another writer's version came before this one.
    pub on_others: bool,
}

impl Carried {
    /// What every commit tells programs.
    pub fn json(&self, drive: u64) -> Value {
        json!({
            "drive": drive, "version": self.committed.version, "was_done": self.committed.was_done,
            "behind_slots": self.committed.behind, "read_bytes": self.read_bytes, "sent_bytes": self.sent_bytes,
            "known_bytes": self.known_bytes, "stored_seconds": self.stored_ms as f64 / 1000.0,
        })
    }
}

/// Whether this account may write to a drive.
pub fn check_writer(opened: &Opened) -> Result<()> {
    if opened.drive.access().may_write {
        return Ok(());
    }
    Err(refused(
        "Storage::NotWriter",
        format!("this account may read drive {}, and not write to it", opened.drive.state().id),
        "its owner shares it again with `cairn share --role writer`",
    ))
}

/// Where the journals of uploads are.
pub fn journals(state: &StateDir) -> Result<PathBuf> {
    Ok(state.folder()?.join("uploads"))
}

/// Commits a plan, and shows how it goes.
pub async fn carry(context: &Context, opened: Opened, plan: Plan, state: &StateDir, how: Carry) -> Result<Carried> {
    if !context.settings.wait.value {
        return Err(usage_with_remedy(
            "--no-wait has no sense here: until its checkpoint is final, an upload may have to be done again",
            "leave it out; a command that is stopped goes on where it was",
        ));
    }
    check_writer(&opened)?;
    let Some((_, key)) = &opened.signer else { return Err(crate::failure::usage("no account is named")) };
    let (id, is_own) = (opened.drive.state().id, opened.is_own());
    opened.seen.check_key(opened.drive.state().key_generation).map_err(|error| untrue(id, error))?;
    if !is_own {
        let owner = context.address(&AccountId::from(opened.drive.state().owner)).await?;
        context.output.note(&format!("drive {id} is {owner}'s, who can read what you store there"));
    }
    let meter = Meter::new(context, how.what, 0);
    let (sent, known) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (stored_ms, started) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let on_others = Arc::new(AtomicBool::new(false));
    let on_event = {
        let (meter, sent, known) = (meter.clone(), Arc::clone(&sent), Arc::clone(&known));
        let (stored_ms, on_others) = (Arc::clone(&stored_ms), Arc::clone(&on_others));
        Arc::new(move |event: Event| match event {
            Event::Total { bytes } => meter.begin(bytes),
            Event::Read { bytes } => meter.add(bytes),
            Event::Stored { bytes, known: true, .. } => {
                known.fetch_add(bytes, Ordering::Relaxed);
            },
            Event::Stored { bytes, .. } => {
                sent.fetch_add(bytes, Ordering::Relaxed);
            },
            Event::Left { slot, reason } => {
                meter.say(&format!("slot {slot} is left behind, and catches up by itself: {reason}"));
            },
            Event::Checkpoint => {
                stored_ms.store(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
                meter.say("stored; the checkpoint is sent, and has to become final");
            },
            Event::LeftBehind { stripes } => meter.say(&format!(
                "vaults have signed for {stripes} stripes that nobody has committed yet; waiting whether somebody does"
            )),
            Event::Again => {
                on_others.store(true, Ordering::Relaxed);
                meter.say("the drive was changed meanwhile, by another writer or an earlier run; doing it again on top of that");
            },
            _ => {},
        })
    };
    let writer = Writer { signer: Arc::new(KeySigner(key.clone())), on_event, others_wait: OTHERS_WAIT };
    let mut plan = plan;
    let mut registry = state.registry(&opened.session.chain.genesis())?;
    // What a drive of somebody else is called is theirs to say.
    let unnamed = is_own && opened.drive.name().is_empty();
    if let (None, true, Some(known)) = (&plan.name, unnamed, registry.name(id)) {
        plan.name = Some(known.into());
    }
    let key_generation = opened.drive.access().key.generation();
    let journals = journals(state)?;
    let result = commit(&opened.session, opened.drive, plan, &writer, &journals).await;
    meter.finish();
    let committed = match result {
        Err(DriveError::EscrowTooSmall { escrow, needed }) => {
            return Err(escrow_too_small(context, id, escrow, needed).await?)
        },
        result => result.map_err(drive_error)?,
    };
    registry.note_seen(id, Witnessed { version: committed.version, key_generation })?;
    Ok(Carried {
        committed,
        read_bytes: meter.done(),
        sent_bytes: sent.load(Ordering::Relaxed),
        known_bytes: known.load(Ordering::Relaxed),
        stored_ms: stored_ms.load(Ordering::Relaxed),
        on_others: on_others.load(Ordering::Relaxed),
    })
}

/// What to pay in before a drive can hold more.
async fn escrow_too_small(context: &Context, id: u64, escrow: u128, needed: u128) -> Result<anyhow::Error> {
    let token = context.token().await?;
    // Blocks go by until it is paid in: a hundredth more.
    let lacking = needed.saturating_sub(escrow).saturating_add(needed / 100);
    Ok(refused(
        "Storage::EscrowTooSmall",
        format!(
            "drive {id} would cost {} a period, and {} are left of what was paid for it; nothing is committed",
            token.format(needed),
            token.format(escrow)
        ),
        format!("`cairn drive top-up {id} {}` pays for a period; then run the command again", token.format(lacking)),
    ))
}

/// Notes which vaults failed while something was read.
pub fn note_failures(context: &Context, vaults: &cairn_drive::Vaults) {
    for failure in vaults.failures() {
        context.output.note(&format!("slot {} failed, others served: {}", failure.slot, failure.reason));
    }
}
