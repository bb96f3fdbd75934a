// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Writes the version that `--version`, the logs and telemetry show.
//!
//! A build that is handed out names its commit in `SUBSTRATE_CLI_GIT_COMMIT_HASH`. Without it the version ends in
//! `-dev`, and a new commit alone doesn't make cargo compile and link this large crate again.

const COMMIT_VARIABLE: &str = "SUBSTRATE_CLI_GIT_COMMIT_HASH";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={COMMIT_VARIABLE}");
    if std::env::var_os(COMMIT_VARIABLE).is_none() {
        std::env::set_var(COMMIT_VARIABLE, "dev");
    }
    substrate_build_script_utils::generate_cargo_keys();
}
