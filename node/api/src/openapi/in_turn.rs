// SPDX-License-Identifier: Apache-2.0

//! Checks that may take long, off the threads that serve.

use std::{sync::LazyLock, thread::available_parallelism};

use tokio::sync::Semaphore;

use super::{Effort, Violation};

/// Bytes that are looked at where they are: more go to a thread of their own at once.
const QUICK_BYTES_MAX: usize = 16 << 10;

/// Checks that take long, at the same time: whoever makes them long waits for its own kind.
static PLACES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))));

/// Checks something of `length` bytes: here if that is quick, else on a thread of its own, a few of these at a time.
///
/// # Errors
/// What is wrong.
pub async fn in_turn<F>(length: usize, check: F) -> Result<(), Violation>
where
    F: Fn(Effort) -> Result<(), Violation> + Send + 'static,
{
    if length <= QUICK_BYTES_MAX {
        match check(Effort::Quick) {
            Err(violation) if violation.unchecked => {},
            checked => return checked,
        }
    }
    let failed = |why: String| Violation { unchecked: true, ..Violation::new("body", why) };
    let _place = PLACES.acquire().await.map_err(|error| failed(error.to_string()))?;
    let checked = tokio::task::spawn_blocking(move || check(Effort::Whole)).await;
    checked.unwrap_or_else(|error| Err(failed(format!("it could not be checked: {error}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_check_that_is_too_long_here_is_made_elsewhere() {
        let here = std::thread::current().id();
        let check = move |effort| match effort {
            Effort::Quick => Err(Violation { unchecked: true, ..Violation::new("body", "too big") }),
            Effort::Whole => {
                assert_ne!(std::thread::current().id(), here);
                Ok(())
            },
        };
        in_turn(1, check).await.expect("the whole effort suffices");
        let wrong = in_turn(1, |_| Err(Violation::new("body", "wrong"))).await.expect_err("wrong at once");
        assert!(!wrong.unchecked);
        in_turn(1 << 20, |effort| match effort {
            Effort::Quick => Err(Violation::new("body", "was made here")),
            Effort::Whole => Ok(()),
        })
        .await
        .expect("long bodies are not looked at here");
    }
}
