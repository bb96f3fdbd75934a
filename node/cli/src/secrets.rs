// SPDX-License-Identifier: Apache-2.0

//! Where passphrases and recovery phrases come from: a prompt, the environment, a file, standard input. Never the
//! command line, where every other process could read them.

use std::{io::BufRead, os::unix::fs::PermissionsExt, path::Path};

use anyhow::Context as _;
use zeroize::Zeroizing;

use crate::{
    config::{Env, Settings},
    failure::{usage, usage_with_remedy, Result},
    output::Output,
};

/// Text that is wiped from memory when it is dropped.
pub type Secret = Zeroizing<String>;

/// Longer secrets are mistakes.
const SECRET_LEN_MAX: u64 = 4096;
/// Shorter passphrases are guessed in days.
const PASSPHRASE_LEN_ADVISED: usize = 12;
/// How else a passphrase can be given.
const PASSPHRASE_REMEDY: &str = "give --passphrase-file FILE, or set CAIRN_PASSPHRASE";
/// The environment variable that holds the passphrase.
const PASSPHRASE_VARIABLE: &str = "CAIRN_PASSPHRASE";

/// The passphrase of a stored account.
pub fn passphrase(account: &str, settings: &Settings, env: Env<'_>, output: &Output) -> Result<Secret> {
    match configured(settings, env, output)? {
        Some(passphrase) => Ok(passphrase),
        None => prompt(&format!("passphrase of account `{account}`: "), PASSPHRASE_REMEDY, output),
    }
}

/// A passphrase for an account that is stored now; asked for twice if it is typed.
pub fn new_passphrase(account: &str, settings: &Settings, env: Env<'_>, output: &Output) -> Result<Secret> {
    let passphrase = match configured(settings, env, output)? {
        Some(passphrase) => passphrase,
        None => {
            let first = prompt(&format!("new passphrase for account `{account}`: "), PASSPHRASE_REMEDY, output)?;
            let second = prompt("the same again: ", PASSPHRASE_REMEDY, output)?;
            if first != second {
                return Err(usage("the two passphrases differ"));
            }
            first
        },
    };
    if passphrase.is_empty() {
        return Err(usage("an empty passphrase protects nothing"));
    }
    if passphrase.chars().count() < PASSPHRASE_LEN_ADVISED {
        output.warn(&format!("passphrases with fewer than {PASSPHRASE_LEN_ADVISED} characters are guessed easily"));
    }
    Ok(passphrase)
}

fn configured(settings: &Settings, env: Env<'_>, output: &Output) -> Result<Option<Secret>> {
    // A file that was named beats the environment, which may be left over from something else.
    if let Some(path) = &settings.passphrase_file.value {
        return from_file(path, output).map(Some);
    }
    Ok(env(PASSPHRASE_VARIABLE).map(Zeroizing::new))
}

/// The first line of a file.
pub fn from_file(path: &Path, output: &Output) -> Result<Secret> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|error| usage(format!("can't read {shown}: {error}")))?;
    let mode = file.metadata().map(|meta| meta.permissions().mode()).unwrap_or(0);
    if mode & 0o077 != 0 {
        output.warn(&format!("{shown} can be read by others; protect it with `chmod 600 {shown}`"));
    }
    first_line(std::io::BufReader::new(file)).with_context(|| format!("can't read {shown}"))
}

/// The first line of standard input.
pub fn from_stdin() -> Result<Secret> {
    first_line(std::io::stdin().lock()).context("can't read standard input")
}

fn first_line(reader: impl BufRead) -> Result<Secret> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_LEN_MAX as usize + 1));
    reader.take(SECRET_LEN_MAX + 1).read_until(b'\n', &mut bytes)?;
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    if bytes.len() as u64 > SECRET_LEN_MAX {
        return Err(usage("its first line is too long"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| usage("it is not text"))?;
    Ok(Zeroizing::new(text.to_string()))
}

/// Asks for a secret without showing it. `remedy`: how else to give it, for where there is no terminal.
pub fn prompt(question: &str, remedy: &str, output: &Output) -> Result<Secret> {
    if !output.is_interactive() {
        let wanted = question.trim_end_matches([' ', ':']);
        return Err(usage_with_remedy(format!("needed, and no terminal to ask for it: {wanted}"), remedy));
    }
    rpassword::prompt_password(question).map(Zeroizing::new).context("can't read from the terminal")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::GlobalArgs;

    fn settings(file: Option<&Path>) -> Settings {
        let args = GlobalArgs { passphrase_file: file.map(Into::into), ..GlobalArgs::default() };
        Settings::load(&args, &|name| (name == "HOME").then(|| "/nonexistent".into())).expect("defaults")
    }

    fn quiet() -> Output {
        Output::new(true, true)
    }

    #[test]
    fn only_the_first_line_counts() {
        for (bytes, text) in [("a b\nc", "a b"), ("a\r\n", "a"), ("a", "a"), ("", ""), (" a ", " a ")] {
            assert_eq!(first_line(bytes.as_bytes()).expect("text").as_str(), text);
        }
    }

    #[test]
    fn secrets_at_the_limit_are_read_and_longer_ones_refused() {
        let longest = "x".repeat(SECRET_LEN_MAX as usize);
        assert_eq!(first_line(longest.as_bytes()).expect("fits").as_str(), longest);
        assert!(first_line(format!("{longest}x").as_bytes()).is_err());
        assert!(first_line(&[0xff, 0xfe][..]).is_err());
    }

    #[test]
    fn a_file_beats_the_environment() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("passphrase");
        std::fs::write(&path, "from file\n").expect("writable");
        let env: Env<'_> = &|name| (name == PASSPHRASE_VARIABLE).then(|| "from environment".into());
        let both = passphrase("a", &settings(Some(&path)), env, &quiet()).expect("file");
        assert_eq!(both.as_str(), "from file");
        let only_env = passphrase("a", &settings(None), env, &quiet()).expect("environment");
        assert_eq!(only_env.as_str(), "from environment");
    }

    #[test]
    fn new_accounts_need_a_passphrase() {
        let env: Env<'_> = &|name| (name == PASSPHRASE_VARIABLE).then(String::new);
        assert!(new_passphrase("a", &settings(None), env, &quiet()).is_err());
    }
}
