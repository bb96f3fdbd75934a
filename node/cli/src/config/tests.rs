// SPDX-License-Identifier: Apache-2.0

use std::collections::HashMap;

use super::*;
use crate::failure::{Exit, Shown};

fn load(args: GlobalArgs, env: &[(&str, &str)]) -> Result<Settings> {
    let env: HashMap<String, String> = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Settings::load(&args, &|name| env.get(name).cloned())
}

fn with_file(text: &str) -> (tempfile::TempDir, GlobalArgs) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("config.toml");
    std::fs::write(&path, text).expect("writable");
    (dir, GlobalArgs { config: Some(path), ..GlobalArgs::default() })
}

const HOME: (&str, &str) = ("HOME", "/nonexistent/home");

#[test]
fn defaults_serve_with_nothing_configured() {
    let settings = load(GlobalArgs::default(), &[HOME]).expect("defaults");
    assert_eq!(settings.urls, Setting::new(vec![DEFAULT_URL.to_string()], Origin::Default));
    assert_eq!(settings.account, Setting::new(None, Origin::Default));
    assert_eq!(settings.keystore.value, Path::new("/nonexistent/home/.local/share/cairn/accounts"));
    assert_eq!(settings.file.value, Path::new("/nonexistent/home/.config/cairn/config.toml"));
    assert!(settings.wait.value && !settings.file_exists);
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let text = "url = ['ws://file:1', 'ws://file:2']\naccount = 'file'\nkeystore = '/file'\nwait = false";
    let (_dir, args) = with_file(text);
    let settings = load(args.clone(), &[HOME]).expect("file");
    assert_eq!(settings.urls, Setting::new(vec!["ws://file:1".to_string(), "ws://file:2".into()], Origin::File));
    assert_eq!(settings.wait, Setting::new(false, Origin::File));

    let env = [HOME, ("CAIRN_URL", "ws://env:1, ws://env:2"), ("CAIRN_ACCOUNT", "env"), ("CAIRN_KEYSTORE", "/env")];
    let settings = load(args.clone(), &env).expect("environment");
    assert_eq!(settings.urls.value, ["ws://env:1", "ws://env:2"]);
    assert_eq!(settings.account, Setting::new(Some("env".into()), Origin::Env("CAIRN_ACCOUNT")));

    let flags = GlobalArgs {
        url: vec!["ws://flag:1".into()],
        account: Some("flag".into()),
        keystore: Some("/flag".into()),
        no_wait: true,
        ..args
    };
    let settings = load(flags, &env).expect("flags");
    assert_eq!(settings.urls, Setting::new(vec!["ws://flag:1".to_string()], Origin::Flag("--url")));
    assert_eq!(settings.account, Setting::new(Some("flag".into()), Origin::Flag("--account")));
    assert_eq!(settings.keystore.value, Path::new("/flag"));
    assert_eq!(settings.wait.origin, Origin::Flag("--no-wait"));
}

#[test]
fn xdg_folders_are_honoured_if_absolute() {
    let env = [HOME, ("XDG_DATA_HOME", "/data"), ("XDG_CONFIG_HOME", "relative")];
    let settings = load(GlobalArgs::default(), &env).expect("defaults");
    assert_eq!(settings.keystore.value, Path::new("/data/cairn/accounts"));
    assert_eq!(settings.file.value, Path::new("/nonexistent/home/.config/cairn/config.toml"));
}

#[test]
fn one_url_needs_no_list() {
    let (_dir, args) = with_file("url = 'wss://one'");
    assert_eq!(load(args, &[HOME]).expect("file").urls.value, ["wss://one"]);
}

#[test]
fn wrong_files_are_usage_errors_that_name_the_file() {
    for text in ["ulr = 'ws://a'", "url = 3", "url = 'http://a'", "[", "wait = 'yes'", "passphrase = 'secret'"] {
        let (_dir, args) = with_file(text);
        let shown = Shown::new(&load(args, &[HOME]).expect_err(text));
        assert_eq!(shown.exit, Exit::Usage, "{text}");
        assert!(!shown.message.contains("secret"), "values may be secret: {}", shown.message);
    }
}

#[test]
fn a_file_that_was_named_must_exist() {
    let args = GlobalArgs { config: Some("/nonexistent/config.toml".into()), ..GlobalArgs::default() };
    assert_eq!(Shown::new(&load(args, &[HOME]).expect_err("missing")).exit, Exit::Usage);
}

#[test]
fn without_a_home_the_error_says_so() {
    let error = load(GlobalArgs::default(), &[]).expect_err("no home");
    assert!(error.to_string().contains("HOME"));
}
