//! Waits for something outside this process: asks again until it is there or the time is over.
//!
//! Where virtual time is possible tests use that; this is for real processes only.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Pause between two looks: short against what is awaited, long against what a look costs.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks `look` until it answers something, and fails with `what` when `limit` is over.
///
/// # Errors
/// When the time is over before `look` has answered.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if start.elapsed() >= limit {
            bail!("{what}: not seen within {} s", limit.as_secs_f32());
        }
        std::thread::sleep(PAUSE);
    }
}

/// [`until`] for a condition.
///
/// # Errors
/// When the time is over before the condition holds.
pub fn until_true(what: &str, limit: Duration, mut look: impl FnMut() -> bool) -> Result<()> {
    until(what, limit, || look().then_some(()))
}
