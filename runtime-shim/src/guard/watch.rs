//! What a fence does next; pure.
//!
//! ```text
//!   waiting ──deadline──► killing ──nothing left──► end
//!      └──────over───────────┴────────over────────► end
//! ```

use super::deadline::Reading;

/// Longest sleep. A removed file, a deadline that came nearer and a request to end are seen this much late; the
/// deadline itself is slept for to the millisecond. inotify would save the looks, and has 128 instances for all of
/// root's processes where a host may have thousands of members.
const LOOK_MS: u64 = 1_000;

/// How long after the deadline a cgroup is waited for that is not there or has no process yet: a start that kerfd
/// had asked for may be in flight in containerd. Shorter, and a slow start brings up a container that nobody ends.
const LATE_MS: u64 = 60_000;

/// Pause between two looks for such a cgroup.
const LATE_PAUSE_MS: u64 = 20;

/// First pause between two rounds of killing, and the most that it grows to: a process inside a driver call goes
/// when the driver lets it.
const KILL_PAUSE_MS: u64 = 5;
const KILL_PAUSE_MOST_MS: u64 = 1_000;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Sleep until this moment, and look again.
    Sleep(u64),
    /// Kill what is in the cgroup, sleep until this moment, and look again.
    Kill(u64),
    /// End.
    End,
}

/// What is seen at one look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// `CLOCK_BOOTTIME` in milliseconds.
    pub now_ms: u64,
    /// The deadline file.
    pub reading: Reading,
    /// Whether somebody wants the fence to end (SIGTERM): a host that is shut down.
    pub told_to_end: bool,
}

/// A fence between two looks.
#[derive(Debug)]
pub struct Watch {
    deadline_ms: u64,
    /// The deadline has passed. It does not come back: a container that is half killed is of no use.
    passed: bool,
    /// A process was seen in the cgroup.
    seen: bool,
    /// Rounds of killing.
    rounds: u32,
}

impl Watch {
    /// A fence that waits for this deadline; `seen` says whether its container is there already.
    pub fn new(deadline_ms: u64, seen: bool) -> Self {
        Self {
            deadline_ms,
            passed: false,
            seen,
            rounds: 0,
        }
    }

    /// Decides. Whether a process is in the cgroup is asked only where it matters.
    pub fn next(&mut self, look: Look, mut populated: impl FnMut() -> bool) -> Next {
        match look.reading {
            Reading::Over => return Next::End,
            Reading::At(deadline_ms) if !self.passed => self.deadline_ms = deadline_ms,
            Reading::At(_) | Reading::Unclear => {}
        }
        self.passed |= look.now_ms >= self.deadline_ms;
        let asks = self.passed || look.told_to_end || !self.seen;
        let populated = asks && populated();
        self.seen |= populated;
        if look.told_to_end && self.seen && !populated {
            return Next::End;
        }
        if self.passed {
            return self.end_it(look.now_ms, populated);
        }
        Next::Sleep(self.deadline_ms.min(look.now_ms.saturating_add(LOOK_MS)))
    }

    fn end_it(&mut self, now_ms: u64, populated: bool) -> Next {
        if populated {
            let pause = KILL_PAUSE_MS.checked_shl(self.rounds).unwrap_or(u64::MAX);
            // Far beyond the longest pause, and short of where the shift would wrap.
            self.rounds = (self.rounds + 1).min(16);
            return Next::Kill(now_ms.saturating_add(pause.min(KILL_PAUSE_MOST_MS)));
        }
        let late = now_ms >= self.deadline_ms.saturating_add(LATE_MS);
        if self.rounds > 0 || late {
            return Next::End;
        }
        Next::Sleep(now_ms.saturating_add(LATE_PAUSE_MS))
    }
}
