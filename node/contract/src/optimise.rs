// SPDX-License-Identifier: Apache-2.0

//! Binaryen's `wasm-opt`, if there is one.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::build::Error;

/// Names the program to use.
const VARIABLE: &str = "WASM_OPT";
const ARGS: &[&str] = &["-Oz", "--mvp-features", "--enable-sign-ext", "--signext-lowering", "--zero-filled-memory"];

/// Where `wasm-opt` is: as told, by the environment (`WASM_OPT`), or on the path.
pub(crate) fn find(told: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = told {
        return Some(path.to_path_buf());
    }
    if let Some(path) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join("wasm-opt")).find(|file| file.is_file())
}

/// Makes a module smaller.
///
/// # Errors
/// The program can't be run, or fails.
pub(crate) fn run(program: &Path, module: &[u8]) -> Result<Vec<u8>, Error> {
    let failed = |reason: String| Error::WasmOpt { program: program.to_path_buf(), reason };
    let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
    let (input, output) = (folder.path().join("in.wasm"), folder.path().join("out.wasm"));
    std::fs::write(&input, module).map_err(|error| failed(error.to_string()))?;
    let done = Command::new(program)
        .args(ARGS)
        .arg(&input)
        .arg("-o")
        .arg(&output)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !done.status.success() {
        return Err(failed(String::from_utf8_lossy(&done.stderr).trim().to_string()));
    }
    std::fs::read(&output).map_err(|error| failed(error.to_string()))
}
