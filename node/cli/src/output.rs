// SPDX-License-Identifier: Apache-2.0

//! What the program shows: one result on stdout, everything else on stderr.

use std::{
    io::{IsTerminal, Write},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

use crate::failure::{usage_with_remedy, Exit, Result};

/// A command's result, for people and for programs.
#[derive(Clone, Debug)]
pub struct Report {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: Value,
    /// How the program ends.
    pub exit: Exit,
}

impl Report {
    /// Both forms of a result.
    pub fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, exit: Exit::Done }
    }

    /// The same of a command that had to leave something out.
    pub fn partly(self, is_partly: bool) -> Self {
        Self { exit: if is_partly { Exit::Partly } else { self.exit }, ..self }
    }

    /// For a command whose result is on standard output already.
    pub fn written() -> Self {
        Self { text: String::new(), json: Value::Null, exit: Exit::Done }
    }
}

/// Where and how things are shown.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    quiet: bool,
    /// Somebody watches stderr.
    watched: bool,
    /// Somebody can answer on stdin.
    answered: bool,
}

impl Output {
    /// For the process's own streams. Programs that read JSON get nothing else on stderr either.
    pub fn new(json: bool, quiet: bool) -> Self {
        let watched = std::io::stderr().is_terminal();
        Self { json, quiet: quiet || json, watched, answered: watched && std::io::stdin().is_terminal() }
    }

    /// Whether the result is JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether nothing but results, warnings and errors is wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether somebody sits at a terminal.
    pub fn is_interactive(&self) -> bool {
        self.answered
    }

    /// Shows a command's result. A reader that went away is no error.
    pub fn report(&self, report: &Report) -> std::io::Result<()> {
        if report.json.is_null() {
            return Ok(());
        }
        let text = if self.json { plain_json(&report.json) } else { plain(&report.text) };
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }

    /// Shows a remark.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            to_stderr(text);
        }
    }

    /// Shows what a question will be about: also to those who want no remarks, if they will be asked.
    pub fn before_asking(&self, text: &str, asking: bool) {
        if asking && self.answered {
            to_stderr(text);
        } else {
            self.note(text);
        }
    }

    /// Shows what a daemon has to say, and errors of the libraries in it; `RUST_LOG` says otherwise (`RUST_LOG=debug`).
    pub fn log(&self) -> Result<()> {
        let usual = if self.quiet {
            "error"
        } else {
            "error,cairn_api=info,cairn_gateway=info,cairn_vault=info,cairn_store=info,cairn_client=info"
        };
        let filter = match std::env::var("RUST_LOG") {
            Ok(wanted) => EnvFilter::try_new(wanted).map_err(|error| {
                usage_with_remedy(
                    format!("RUST_LOG: {error}"),
                    "set it to something like info or warn,cairn_gateway=debug",
                )
            })?,
            Err(_) => EnvFilter::new(usual),
        };
        let writer = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        // A second one in one process would be a mistake of ours, and costs nothing but a log.
        let _ = writer.with_ansi(self.watched).with_target(false).try_init();
        Ok(())
    }

    /// Shows something that must not be missed.
    pub fn warn(&self, text: &str) {
        if self.json {
            to_stderr(&serde_json::json!({ "warning": text }).to_string());
        } else {
            to_stderr(&format!("warning: {text}"));
        }
    }

    /// Begins something that takes a while.
    pub fn progress(&self, text: &str) -> Progress {
        let bar = (self.watched && !self.quiet).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let progress = Progress { bar, lines: !self.watched && !self.quiet, said: Mutex::default() };
        progress.step(text);
        progress
    }

    /// Asks before something is spent or lost, if `yes` wasn't said before. Without somebody to answer it has to be said
    /// before.
    pub fn confirm(&self, question: &str, yes: bool) -> Result<bool> {
        if yes {
            return Ok(true);
        }
        if !self.answered {
            let unasked = format!("nothing was done: nobody is there to answer \"{question}\"");
            return Err(usage_with_remedy(unasked, "give --yes to do it without being asked"));
        }
        to_stderr(&format!("{question} [y/N]"));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

/// Something that takes a while.
pub struct Progress {
    bar: Option<ProgressBar>,
    lines: bool,
    /// What was said last.
    said: Mutex<String>,
}

impl Progress {
    /// Says what happens now.
    pub fn step(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(plain(text)),
            // A node may tell the same again.
            None if self.lines && *self.said() != text => to_stderr(text),
            None => {},
        }
        text.clone_into(&mut self.said());
    }

    fn said(&self) -> MutexGuard<'_, String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A line on stderr. If nobody can read it any more, there is nobody to tell.
pub fn to_stderr(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", plain(text));
}

/// Text without what a terminal would obey instead of showing: parts of it come from nodes and contracts.
fn plain(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !is_obeyed(*c)).collect()
}

/// The same for JSON, where such characters can be written so that they are shown.
fn plain_json(json: &Value) -> String {
    let text = format!("{json:#}");
    let escaped = |c: char| if c == '\n' || !is_obeyed(c) { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) };
    text.chars().map(escaped).collect()
}

/// Control characters, and those that turn the direction of writing around.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A value on one line: what somebody else wrote must not look like lines of ours.
fn one_line(text: &str) -> std::borrow::Cow<'_, str> {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    match text.contains(breaks) {
        true => text.replace(breaks, " ").into(),
        false => text.into(),
    }
}

/// Lines of `name  value`, the values aligned, each on one line.
pub fn fields<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |name: &str, value: &str| format!("{name:width$}  {}", one_line(value)).trim_end().to_string() + "\n";
    rows.iter().map(|(name, value)| line(name, value)).collect()
}

/// A table with its columns aligned, each cell on one line.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_string() + "\n"
    };
    let body: String = rows.iter().map(|row| line(row.iter().map(AsRef::as_ref).collect())).collect();
    line(header.to_vec()) + &body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = vec![vec!["a".to_string(), "1".into()], vec!["longer".into(), "22".into()]];
        assert_eq!(table(&["name", "n"], &rows), "name    n\na       1\nlonger  22\n");
        assert_eq!(fields([("a", "1".to_string()), ("bcd", String::new())]), "a    1\nbcd\n");
    }

    #[test]
    fn no_value_makes_lines_of_its_own() {
        let forged = "https://x\nbond  1000 CRN\r\n\u{2028}stars 5.0";
        assert_eq!(fields([("document", forged.to_string())]).lines().count(), 1);
        let rows = vec![vec![forged.to_string(), "1".into()], vec!["a\tb".into(), "2\n".into()]];
        assert_eq!(table(&["document", "n"], &rows).lines().count(), 3);
    }

    #[test]
    fn terminals_get_nothing_to_obey() {
        let nasty = "a\u{1b}[31mb\u{7}\r\u{9b}2J\u{7f}\u{202e}c\n\tд";
        assert_eq!(plain(nasty), "a[31mb2Jc\nд");
        let json = serde_json::json!({ "text": nasty });
        let text = plain_json(&json);
        assert!(text.chars().all(|c| c == '\n' || !is_obeyed(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("still JSON"), json, "and still the same");
    }

    #[test]
    fn nothing_is_spent_when_nobody_can_answer() {
        let output = Output { json: false, quiet: true, watched: false, answered: false };
        assert!(output.confirm("spend?", true).expect("said yes"));
        let refused = output.confirm("spend?", false).expect_err("nothing is spent");
        assert!(refused.to_string().contains("spend?"), "{refused}");
    }
}
