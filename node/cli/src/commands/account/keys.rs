// SPDX-License-Identifier: Apache-2.0

//! Making, importing, exporting and removing stored accounts.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cairn_client::{
    address::{to_address, DEFAULT_SS58_PREFIX},
    keys::{Keypair, Phrase, PhraseLength},
    AccountId,
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    config::process_env,
    context::Context,
    failure::{usage, usage_with_remedy, Result},
    keystore::{check_name, random, read_text, write_new, AccountFile, ScryptParams, FILE_LEN_MAX, PRIVATE},
    output::{fields, to_stderr, Report},
    secrets::{self, Secret},
};

/// Makes a new account.
pub fn new(context: &Context, name: &str, words: &str, phrase_file: Option<&Path>, no_phrase: bool) -> Result<Report> {
    check_free(context, name)?;
    let length = if words == "24" { PhraseLength::Words24 } else { PhraseLength::Words12 };
    let keep = match (phrase_file, no_phrase) {
        (Some(path), _) => Keep::File(path),
        (None, true) => Keep::Nothing,
        (None, false) if context.output.is_interactive() => Keep::Screen,
        (None, false) => {
            return Err(usage_with_remedy(
                "there is no terminal to show the recovery phrase on",
                "give --phrase-file FILE to keep it in a file, or --no-phrase to go without",
            ))
        },
    };
    let entropy = Zeroizing::new(random::<32>()?);
    let phrase = Phrase::from_entropy(&entropy[..length.entropy_len()])?;
    let key = Keypair::from_secret_uri(phrase.expose())?;
    let passphrase = secrets::new_passphrase(name, &context.settings, &process_env, &context.output)?;
    // The phrase is safe before the account exists: nobody can use an account whose phrase got lost.
    if let Keep::File(path) = keep {
        let line = Zeroizing::new(format!("{}\n", phrase.expose()));
        write_secret(path, line.as_bytes())?;
    }
    let path = context.keystore.create(name, &key, &passphrase)?;
    if matches!(keep, Keep::Screen) {
        to_stderr(&format!(
            "Recovery phrase of `{name}`. Write it down; it is not shown again, and whoever has it has the account:\n\n  {}\n",
            phrase.expose()
        ));
    }
    Ok(stored("new account", name, &key.account_id(), &path, phrase_file))
}

/// What becomes of a new account's recovery phrase.
enum Keep<'a> {
    File(&'a Path),
    Screen,
    Nothing,
}

/// Where an imported account comes from.
pub enum Source {
    /// Asked for.
    Prompt,
    /// Standard input.
    Stdin,
    /// The first line of a file.
    PhraseFile(PathBuf),
    /// A wallet's file.
    WalletFile(PathBuf),
}

impl Source {
    /// What the options say.
    pub fn from_args(phrase_file: Option<PathBuf>, stdin: bool, wallet_file: Option<PathBuf>) -> Self {
        match (phrase_file, wallet_file) {
            (Some(path), _) => Source::PhraseFile(path),
            (_, Some(path)) => Source::WalletFile(path),
            _ if stdin => Source::Stdin,
            _ => Source::Prompt,
        }
    }
}

/// Stores an account that exists elsewhere.
pub fn import(context: &Context, name: &str, source: Source) -> Result<Report> {
    check_free(context, name)?;
    let key = match source {
        Source::Prompt => {
            from_phrase(&secrets::prompt("recovery phrase: ", "give --phrase-file FILE, or --stdin", &context.output)?)?
        },
        Source::Stdin => from_phrase(&secrets::from_stdin()?)?,
        Source::PhraseFile(path) => from_phrase(&secrets::from_file(&path, &context.output)?)?,
        Source::WalletFile(path) => from_wallet(context, &path)?,
    };
    if let Some(other) = context.keystore.name_of(&key.account_id()) {
        context.output.warn(&format!("the same account is stored as `{other}` already"));
    }
    let passphrase = secrets::new_passphrase(name, &context.settings, &process_env, &context.output)?;
    let path = context.keystore.create(name, &key, &passphrase)?;
    Ok(stored("imported account", name, &key.account_id(), &path, None))
}

fn from_phrase(text: &Secret) -> Result<Keypair> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('/') {
        // A bare path means the development phrase, whose accounts everybody has.
        return Err(usage_with_remedy(
            "a recovery phrase or a seed is needed",
            "development keys need no import: use --account //Alice",
        ));
    }
    Ok(Keypair::from_secret_uri(text)?)
}

fn from_wallet(context: &Context, path: &Path) -> Result<Keypair> {
    let shown = path.display();
    let text = read_text(path, FILE_LEN_MAX, "an account");
    let text = text.map_err(|error| usage(format!("can't read {shown}: {error}")))?;
    let file = AccountFile::from_json(&text).with_context(|| shown.to_string())?;
    let label = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let passphrase = secrets::passphrase(&label, &context.settings, &process_env, &context.output)?;
    file.decrypt(&passphrase).with_context(|| shown.to_string())
}

/// Writes a stored account's encrypted file.
pub fn export(context: &Context, name: &str, output: Option<&Path>, compatible: bool) -> Result<Report> {
    let mut file = context.keystore.load(name)?;
    if compatible {
        let passphrase = secrets::passphrase(name, &context.settings, &process_env, &context.output)?;
        let key = file.decrypt(&passphrase).with_context(|| format!("account `{name}`"))?;
        file = AccountFile::encrypt(&key, &passphrase, name, ScryptParams::COMPATIBLE)?;
    }
    let text = file.to_json();
    match output {
        None => Ok(Report::new(text.clone(), serde_json::from_str(&text)?)),
        Some(path) => {
            write_secret(path, text.as_bytes())?;
            let json = json!({ "name": name, "file": path });
            Ok(Report::new(format!("{}: account `{name}`, encrypted", path.display()), json))
        },
    }
}

/// Deletes a stored account.
pub fn remove(context: &Context, name: &str) -> Result<Report> {
    let account = context.keystore.account(name)?;
    let address = to_address(&account, DEFAULT_SS58_PREFIX);
    let question =
        format!("Delete the key of `{name}` ({address})? Without its phrase or a backup its coins are lost.");
    if !context.output.confirm(&question, context.yes)? {
        return Err(usage("nothing was done"));
    }
    context.keystore.remove(name)?;
    Ok(Report::new(format!("removed account `{name}` ({address})"), json!({ "name": name, "address": address })))
}

/// Before anything is asked for: is the name usable at all?
fn check_free(context: &Context, name: &str) -> Result<()> {
    check_name(name)?;
    if context.keystore.contains(name) {
        return Err(usage(format!("there is an account `{name}` already; stored accounts are never overwritten")));
    }
    Ok(())
}

fn write_secret(path: &Path, bytes: &[u8]) -> Result<()> {
    write_new(path, bytes, PRIVATE).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => usage(format!("{} exists already", path.display())),
        _ => anyhow::Error::new(error).context(format!("can't write {}", path.display())),
    })
}

fn stored(what: &str, name: &str, account: &AccountId, path: &Path, phrase_file: Option<&Path>) -> Report {
    let address = to_address(account, DEFAULT_SS58_PREFIX);
    let mut rows =
        vec![(what, name.to_string()), ("address", address.clone()), ("stored in", path.display().to_string())];
    if let Some(file) = phrase_file {
        rows.push(("recovery phrase in", file.display().to_string()));
    }
    let json = json!({
        "name": name,
        "address": address,
        "public_key": format!("0x{}", hex::encode(account.0)),
        "file": path,
        "phrase_file": phrase_file,
    });
    Report::new(fields(rows), json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_phrases_are_not_imported_by_accident() {
        for text in ["", "  ", "//Alice", "/soft", " //Alice "] {
            assert!(from_phrase(&Zeroizing::new(text.into())).is_err(), "{text:?}");
        }
    }

    #[test]
    fn phrases_are_read_with_space_around_them() {
        let phrase = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
        let plain = from_phrase(&Zeroizing::new(phrase.into())).expect("valid");
        let padded = from_phrase(&Zeroizing::new(format!("  {phrase} \t"))).expect("valid");
        assert_eq!(plain.account_id(), padded.account_id());
    }
}
