// SPDX-License-Identifier: Apache-2.0

//! What a provider tells its operator of its own answers: consumers that get a bad one go elsewhere without a word.

use std::{
    collections::HashMap,
    sync::{
        atomic::{AtomicU32, Ordering},
        Mutex, PoisonError,
    },
    time::{Duration, Instant},
};

use crate::openapi::{Operation, Violation};

/// One of so many answers that are signed is looked at.
const LOOKED_AT_EVERY: u32 = 16;
/// Longest answer that is looked at, in bytes.
const LOOKED_AT_BYTES_MAX: usize = 64 << 10;
/// The same is not told again for this long.
const QUIET: Duration = Duration::from_secs(60);

/// What was told, and when.
#[derive(Debug, Default)]
pub(super) struct Sample {
    answers: AtomicU32,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    unfit: HashMap<u16, Instant>,
    failed: Option<Instant>,
}

impl Sample {
    /// Whether this answer is one to look at.
    pub fn is_due(&self, length: usize) -> bool {
        length <= LOOKED_AT_BYTES_MAX && self.answers.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOKED_AT_EVERY)
    }

    /// Tells the operator that an own answer is not as the document has it.
    pub fn unfit(&self, operation: &Operation, violation: &Violation) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.unfit.get(&operation.index).is_some_and(|at| at.elapsed() < QUIET) {
            return;
        }
        // As many as there are operations.
        told.unfit.insert(operation.index, Instant::now());
        tracing::warn!(
            operation = %operation.name,
            %violation,
            "an answer of the server behind is not as the document has it: consumers refuse it; correct the server or the document"
        );
    }

    /// Tells the operator that the server behind failed.
    pub fn upstream_failed(&self, reason: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.failed.is_some_and(|at| at.elapsed() < QUIET) {
            return;
        }
        told.failed = Some(Instant::now());
        tracing::warn!(
            reason,
            "the server behind fails: such calls are not charged; is it up, and is --upstream right?"
        );
    }
}
