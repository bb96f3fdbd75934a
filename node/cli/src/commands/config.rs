// SPDX-License-Identifier: Apache-2.0

//! `cairn config`: the settings and where they come from.

use clap::Subcommand;
use serde_json::{json, Value};

use crate::{
    config::{Origin, Setting},
    context::Context,
    failure::Result,
    output::{table, Report},
};

/// This program's settings.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show every setting and where it comes from: flag, environment, file or default
    Show,
}

/// Runs a command.
pub fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Show => Ok(show(context)),
    }
}

fn show(context: &Context) -> Report {
    let settings = &context.settings;
    let path = |path: &std::path::Path| path.display().to_string();
    let optional = |value: Option<String>| value.unwrap_or_else(|| "(none)".into());
    let file_note = if settings.file_exists { "" } else { " (not there)" };
    let rows: Vec<(&str, String, Value, &Origin)> = vec![
        ("config", path(&settings.file.value) + file_note, json!(settings.file.value), &settings.file.origin),
        ("url", settings.urls.value.join(", "), json!(settings.urls.value), &settings.urls.origin),
        ("account", optional(settings.account.value.clone()), json!(settings.account.value), &settings.account.origin),
        ("keystore", path(&settings.keystore.value), json!(settings.keystore.value), &settings.keystore.origin),
        (
            "passphrase-file",
            optional(settings.passphrase_file.value.as_deref().map(path)),
            json!(settings.passphrase_file.value),
            &settings.passphrase_file.origin,
        ),
        (
            "marketplace",
            optional(settings.marketplace.value.clone()),
            json!(settings.marketplace.value),
            &settings.marketplace.origin,
        ),
        ("wait", wait_text(&settings.wait), json!(settings.wait.value), &settings.wait.origin),
    ];
    let cells: Vec<Vec<String>> =
        rows.iter().map(|(name, text, _, origin)| vec![name.to_string(), text.clone(), origin.to_string()]).collect();
    let json = rows
        .into_iter()
        .map(|(name, _, value, origin)| (name.to_string(), json!({ "value": value, "origin": origin.to_string() })))
        .collect::<serde_json::Map<_, _>>();
    Report::new(table(&["setting", "value", "from"], &cells), Value::Object(json))
}

fn wait_text(wait: &Setting<bool>) -> String {
    if wait.value { "true (until finality)" } else { "false (until submitted)" }.into()
}
