// SPDX-License-Identifier: Apache-2.0

//! Fixed-width bytes, one field after the other.

/// Fills an array of known length.
pub(crate) struct Writer<const LEN: usize> {
    bytes: [u8; LEN],
    at: usize,
}

impl<const LEN: usize> Writer<LEN> {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; LEN], at: 0 }
    }

    /// Appends a field.
    ///
    /// # Correctness
    /// The callers' fields have fixed widths that sum to `LEN`, which their tests check.
    pub(crate) fn put(mut self, field: &[u8]) -> Self {
        let end = self.at + field.len();
        self.bytes[self.at..end].copy_from_slice(field);
        self.at = end;
        self
    }

    pub(crate) fn done(self) -> [u8; LEN] {
        debug_assert_eq!(self.at, LEN);
        self.bytes
    }
}
