// SPDX-License-Identifier: Apache-2.0

/// Why the chain would refuse a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}, {place}")]
pub struct Refusal {
    /// The rule that is broken, and by what.
    pub what: String,
    /// Where in the module.
    pub place: String,
    /// How to mend it.
    pub remedy: &'static str,
}

impl Refusal {
    pub(crate) fn new(what: impl Into<String>, place: impl Into<String>, remedy: &'static str) -> Self {
        Self { what: what.into(), place: place.into(), remedy }
    }

    /// The bytes are no module.
    pub(crate) fn malformed(error: &wasmparser::BinaryReaderError) -> Self {
        Self::new(
            format!("the module is not valid: {}", error.message()),
            format!("at byte {}", error.offset()),
            "build it again with `cairn contract build`; if it comes from elsewhere, it is damaged or not WebAssembly's first version",
        )
    }
}
