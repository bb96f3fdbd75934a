// SPDX-License-Identifier: Apache-2.0

//! Settings, and where each of them comes from: the command line, then the environment, then the configuration file,
//! then the default.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    args::GlobalArgs,
    failure::{usage, usage_with_remedy, Result},
    keystore::read_text,
};

/// The node on this machine.
pub const DEFAULT_URL: &str = "ws://127.0.0.1:9944";
/// A configuration file that is bigger is none.
const FILE_LEN_MAX: u64 = 64 * 1024;

/// Reads environment variables; a fake one in tests.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's own environment. Empty variables count as not set.
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This option of the command line.
    Flag(&'static str),
    /// This environment variable.
    Env(&'static str),
    /// The configuration file.
    File,
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) => write!(f, "flag {name}"),
            Origin::Env(name) => write!(f, "environment {name}"),
            Origin::File => f.write_str("file"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

impl<T> Setting<T> {
    fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// The first of the sources that has a value.
    fn pick(sources: [(Option<T>, Origin); 3], default: impl FnOnce() -> Result<T>) -> Result<Self> {
        for (value, origin) in sources {
            if let Some(value) = value {
                return Ok(Self::new(value, origin));
            }
        }
        Ok(Self::new(default()?, Origin::Default))
    }
}

/// All settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The configuration file.
    pub file: Setting<PathBuf>,
    /// Whether that file exists.
    pub file_exists: bool,
    /// Endpoints of nodes, in the order of preference.
    pub urls: Setting<Vec<String>>,
    /// The account that signs, if none is named.
    pub account: Setting<Option<String>>,
    /// Folder of the stored accounts.
    pub keystore: Setting<PathBuf>,
    /// File that holds the passphrase.
    pub passphrase_file: Setting<Option<PathBuf>>,
    /// The marketplace's address.
    pub marketplace: Setting<Option<String>>,
    /// Whether to wait for finality.
    pub wait: Setting<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    url: Option<OneOrMany>,
    account: Option<String>,
    keystore: Option<PathBuf>,
    passphrase_file: Option<PathBuf>,
    marketplace: Option<String>,
    wait: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}

impl Settings {
    /// Puts the settings together.
    ///
    /// # Errors
    /// Usage errors for a configuration file or a value that can't be used.
    pub fn load(args: &GlobalArgs, env: Env<'_>) -> Result<Self> {
        let file_path = Setting::pick(
            [
                (args.config.clone(), Origin::Flag("--config")),
                (env("CAIRN_CONFIG").map(PathBuf::from), Origin::Env("CAIRN_CONFIG")),
                (None, Origin::File),
            ],
            || Ok(base_dir(env, "XDG_CONFIG_HOME", ".config")?.join("config.toml")),
        )?;
        let (file, file_exists) = read_file(&file_path)?;
        let urls = Setting::pick(
            [
                (some_list(args.url.clone()), Origin::Flag("--url")),
                (env("CAIRN_URL").and_then(|list| some_list(split_list(&list))), Origin::Env("CAIRN_URL")),
                (file.url.map(OneOrMany::into_vec), Origin::File),
            ],
            || Ok(vec![DEFAULT_URL.into()]),
        )?;
        let account = Setting::pick(
            [
                (args.account.clone().map(Some), Origin::Flag("--account")),
                (env("CAIRN_ACCOUNT").map(Some), Origin::Env("CAIRN_ACCOUNT")),
                (file.account.map(Some), Origin::File),
            ],
            || Ok(None),
        )?;
        let keystore = Setting::pick(
            [
                (args.keystore.clone(), Origin::Flag("--keystore")),
                (env("CAIRN_KEYSTORE").map(PathBuf::from), Origin::Env("CAIRN_KEYSTORE")),
                (file.keystore, Origin::File),
            ],
            || Ok(base_dir(env, "XDG_DATA_HOME", ".local/share")?.join("accounts")),
        )?;
        let passphrase_file = Setting::pick(
            [
                (args.passphrase_file.clone().map(Some), Origin::Flag("--passphrase-file")),
                (env("CAIRN_PASSPHRASE_FILE").map(|path| Some(path.into())), Origin::Env("CAIRN_PASSPHRASE_FILE")),
                (file.passphrase_file.map(Some), Origin::File),
            ],
            || Ok(None),
        )?;
        let marketplace = Setting::pick(
            [
                (None, Origin::Flag("--contract")),
                (env("CAIRN_MARKETPLACE").map(Some), Origin::Env("CAIRN_MARKETPLACE")),
                (file.marketplace.map(Some), Origin::File),
            ],
            || Ok(None),
        )?;
        let wait = Setting::pick(
            [
                (args.no_wait.then_some(false), Origin::Flag("--no-wait")),
                (None, Origin::Default),
                (file.wait, Origin::File),
            ],
            || Ok(true),
        )?;
        for url in &urls.value {
            cairn_client::check_url(url)?;
        }
        Ok(Self { file: file_path, file_exists, urls, account, keystore, passphrase_file, marketplace, wait })
    }
}

fn some_list(list: Vec<String>) -> Option<Vec<String>> {
    (!list.is_empty()).then_some(list)
}

fn split_list(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Into::into).collect()
}

/// Cairn's folder below one of the user's base folders (XDG base directory specification).
fn base_dir(env: Env<'_>, variable: &'static str, below_home: &str) -> Result<PathBuf> {
    let base = match env(variable).map(PathBuf::from).filter(|path| path.is_absolute()) {
        Some(base) => base,
        None => match env("HOME") {
            Some(home) => Path::new(&home).join(below_home),
            None => return Err(usage(format!("neither {variable} nor HOME is set"))),
        },
    };
    Ok(base.join("cairn"))
}

fn read_file(path: &Setting<PathBuf>) -> Result<(File, bool)> {
    let shown = path.value.display();
    let wrong = |reason: String| usage_with_remedy(format!("configuration file {shown}: {reason}"), KEYS);
    let text = match read_text(&path.value, FILE_LEN_MAX, "a configuration") {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && path.origin == Origin::Default => {
            return Ok((File::default(), false))
        },
        read => read.map_err(|error| wrong(error.to_string()))?,
    };
    let file = toml::from_str(&text).map_err(|error| wrong(error.message().to_string()))?;
    Ok((file, true))
}

const KEYS: &str =
    "it may set url, account, keystore, passphrase-file, marketplace and wait; `cairn config show` lists them";

#[cfg(test)]
mod tests;
