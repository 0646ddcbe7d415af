//! How long a change may take to show.

use std::time::{Duration, Instant};

/// Waiting between two looks. A trait, so that tests wait for nothing.
pub trait Patience {
    /// Waits a little; false when there has been waiting enough. Each change begins with fresh patience.
    fn wait(&mut self) -> bool;

    /// Begins anew, for the next change.
    fn begin(&mut self);
}

/// So many looks, so far apart, and never past a deadline for all changes together.
#[derive(Debug)]
pub struct Polls {
    most: u32,
    pause: Duration,
    deadline: Instant,
    left: u32,
}

impl Polls {
    /// At most `most` further looks at each change, `pause` apart, and none after `deadline`.
    pub fn new(most: u32, pause: Duration, deadline: Instant) -> Self {
        Self {
            most,
            pause,
            deadline,
            left: most,
        }
    }
}

impl Patience for Polls {
    fn wait(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if self.left == 0 || left.is_zero() {
            return false;
        }
        self.left -= 1;
        std::thread::sleep(self.pause.min(left));
        true
    }

    fn begin(&mut self) {
        self.left = self.most;
    }
}
