//! Whose turn it is when two jobs want the same devices and neither has them: the order of a fleet that has no queue.
//!
//! The order is (priority, time of submission, id), with ageing: each level of priority is worth a minute of waiting, so
//! a job that waits overtakes the more important ones that came later, and two jobs never change places while both
//! wait: each minute makes both a minute older. That it never changes is what lets jobs wait for each other without
//! a circle, so the ageing is in the key and not in a clock.
//!
//! It serves fairness alone. A host whose clock is wrong, or that lies, gets its jobs an earlier or later turn and
//! nothing that is anybody else's.

use std::time::Duration;

use crate::{JobId, Timestamp};

/// What one level of priority is worth. Hosts that count it otherwise might wait for each other until the time limit
/// of their waits ends it.
pub const PRIORITY_WORTH: Duration = Duration::from_secs(60);

/// Levels of priority above or below the usual that count. It bounds how long the most important jobs can pass one
/// that waits: [`PRIORITY_WORTH`] times this, an hour against a job of the usual priority.
pub const PRIORITY_MOST: i32 = 60;

/// What decides when a job's turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When it was submitted, by the clock of the host that took it in: a client chooses the id of its job, with the
    /// time that begins it, and could pretend to be old.
    pub submitted: Timestamp,
    /// Its priority: larger is more important.
    pub priority: i32,
    /// Whether the ask waits for its turn at the owner, and is not refused while others are in its way.
    pub waits: bool,
}

/// A job's place in the order. The smaller one goes first; no two jobs have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// When it would have had to be submitted to stand here with the usual priority, in milliseconds since 1970.
    due_ms: i64,
    /// The job.
    pub job: JobId,
}

impl Turn {
    /// Where `job` stands.
    pub fn place(self, job: JobId) -> Place {
        let level = i64::from(self.priority.clamp(-PRIORITY_MOST, PRIORITY_MOST));
        let worth = i64::try_from(PRIORITY_WORTH.as_millis()).unwrap_or(i64::MAX);
        let submitted = i64::try_from(self.submitted.0).unwrap_or(i64::MAX);
        Place {
            due_ms: submitted.saturating_sub(level.saturating_mul(worth)),
            job,
        }
    }
}
