// SPDX-License-Identifier: Apache-2.0

//! Who stops the program while a transaction of [`spend`](mod@crate::spend) is on its way is told which: it may be in a block yet, and
//! sending another one in its place may do the same thing twice.

use std::{
    io,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use tokio::signal::unix::{signal, Signal, SignalKind};

use crate::{
    failure::{Exit, Result, Shown},
    output::to_stderr,
};

static STATE: Mutex<State> = Mutex::new(State { sent: None, serves: false });
static WATCHING: Once = Once::new();

struct State {
    /// What to say, if a transaction is on its way.
    sent: Option<String>,
    /// A daemon ends in its own way.
    serves: bool,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A transaction may be on its way until this is dropped.
pub struct OnItsWay {
    json: bool,
}

impl OnItsWay {
    /// None yet.
    pub fn none(json: bool) -> Self {
        WATCHING.call_once(|| {
            // Without them the program ends as ever.
            if let Ok(signals) = Signals::new() {
                tokio::spawn(watch(signals));
            }
        });
        OnItsWay { json }
    }

    /// From now on it is this one.
    pub fn is(&self, hash: &str) {
        let shown = interrupted(hash);
        state().sent = Some(if self.json { shown.json().to_string() } else { shown.text() });
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        state().sent = None;
    }
}

/// The signals that ask a program to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        }
    }
}

/// Waits until a daemon is asked to end. From now on what a signal does is its own business.
pub async fn asked_to_end() -> Result<()> {
    state().serves = true;
    Signals::new()?.next().await;
    Ok(())
}

fn interrupted(hash: &str) -> Shown {
    Shown {
        exit: Exit::Failed,
        code: "Undecided".into(),
        message: format!("stopped while transaction {hash} was on its way: it may still be included"),
        remedy: Some(
            "look for its hash before sending again; once its blocks are over it can't be included any more".into(),
        ),
    }
}

/// Ends the program at a signal, as it would end without this, but with something to say.
async fn watch(mut signals: Signals) {
    loop {
        let kind = signals.next().await;
        let state = state();
        match &state.sent {
            Some(text) => {
                to_stderr(text);
                std::process::exit(Exit::Failed as i32);
            },
            // What a shell makes of a process that a signal has ended.
            None if !state.serves => std::process::exit(128 + kind.as_raw_value()),
            None => {},
        }
    }
}
