// SPDX-License-Identifier: Apache-2.0

//! Names of functions, for people. From the `name` section, which may be missing or wrong: then functions have numbers.

use std::collections::HashMap;

use wasmparser::{BinaryReader, KnownCustom, Name, Parser, Payload};

/// Longer names are cut.
const NAME_LEN_MAX: usize = 200;

/// What functions are called.
#[derive(Default)]
pub(crate) struct Names(HashMap<u32, String>);

impl Names {
    /// Reads a module's names.
    pub(crate) fn of(module: &[u8]) -> Self {
        let mut names = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            let Ok(payload) = payload else { break };
            if let Payload::CustomSection(section) = payload {
                if let KnownCustom::Name(_) = section.as_known() {
                    names.read(BinaryReader::new(section.data(), section.data_offset()));
                }
            }
        }
        names
    }

    fn read(&mut self, section: BinaryReader<'_>) {
        for part in wasmparser::NameSectionReader::new(section) {
            let Ok(part) = part else { break };
            if let Name::Function(functions) = part {
                for name in functions.into_iter().map_while(Result::ok) {
                    self.0.insert(name.index, shown(name.name));
                }
            }
        }
    }

    /// A function, in words.
    pub(crate) fn function(&self, index: u32) -> String {
        match self.0.get(&index) {
            Some(name) => format!("function `{name}`"),
            None => format!("function {index}"),
        }
    }
}

/// As it is written in Rust, without what could confuse a terminal.
pub(crate) fn shown(name: &str) -> String {
    let cut: String = name.chars().filter(|c| !c.is_control()).take(NAME_LEN_MAX).collect();
    match rustc_demangle::try_demangle(&cut) {
        Ok(path) => format!("{path:#}").chars().take(NAME_LEN_MAX).collect(),
        Err(_) => cut,
    }
}
