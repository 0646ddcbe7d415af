//! What a fence guards.

use std::path::PathBuf;
use std::time::Duration;

use kerf_scheduler::Settings;
use kerf_types::Moment;
use kerf_types::job::{JobSpec, OnPartition};

use crate::store::RunRow;

/// What the fence leaves to kerfd beyond the job's own grace. A living kerfd ends the container by then, with both
/// signals; and what is left of [`Settings::stop_margin`] is for the kill and for clocks of different rate.
const SLACK: Duration = Duration::from_secs(1);

const _: () = assert!(
    SLACK.as_millis() * 2 < Settings::STOP_MARGIN.as_millis(),
    "the submitting host waits longer than the fence"
);

/// One container to be guarded.
#[derive(Debug, Clone)]
pub struct Post {
    /// Its name, which is the name of its file too.
    pub container: String,
    /// Where its cgroup is or will be, in each hierarchy.
    pub folders: Vec<PathBuf>,
    /// Time between the signals of its end.
    pub grace: Duration,
}

impl Post {
    /// Whether a member has to be guarded at all: one that a partition may cut off from its submitting host, and that
    /// is to stop then. One of a job that several hosts keep is one also on the host that coordinates it.
    pub fn is_needed(row: &RunRow, spec: &JobSpec) -> bool {
        let is_cut_off = row.coordinator.is_some() || row.term.is_shared();
        is_cut_off && spec.on_partition == OnPartition::Stop
    }

    /// When a fence kills whose member is to begin to end at `until`.
    pub(super) fn deadline_ms(&self, until: Moment) -> u64 {
        until.after(self.grace).after(SLACK).0
    }

    /// The other way round.
    pub(super) fn until_of(&self, deadline_ms: u64) -> Moment {
        let after = Moment(0).after(self.grace).after(SLACK);
        Moment(deadline_ms.saturating_sub(after.0))
    }
}

#[cfg(test)]
mod tests;
