//! Everything that the core does by itself, in the order of time.

use std::collections::BTreeMap;

use kerf_types::HostId;

use crate::wire::Silent;
use crate::{Identity, Moment};

/// Something to do at a moment.
#[derive(Debug)]
pub(crate) enum Task {
    /// SWIM's own.
    Swim(foca::Timer<Identity>),
    /// A round of anti-entropy.
    Round,
    /// A push of fresh records.
    Push,
    /// Ask the seeds again.
    Join,
    /// Tell a suspect again that it is suspected; with the number of times that are left.
    Notice(HostId, u8),
    /// Tell who had us probe somebody that no answer came.
    Silent(HostId, Silent),
    /// Pass on who confirmed a suspicion, and who is forgotten.
    News,
    /// Forget a host that is gone since this moment.
    Forget(HostId, Moment),
    /// A pull has had its time.
    PullDeadline(HostId, u64),
    /// Come back with the next renewal.
    Renew,
}

/// Tasks by time; those of one moment in the order in which they were set, but SWIM's indirect probes before
/// its next probe, which relies on them.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    tasks: BTreeMap<(Moment, u8, u64), Task>,
    count: u64,
}

impl Timers {
    pub fn set(&mut self, at: Moment, task: Task) {
        let order = match &task {
            Task::Swim(foca::Timer::SendIndirectProbe { .. }) => 0,
            Task::Swim(_) => 1,
            _ => 2,
        };
        self.count += 1;
        self.tasks.insert((at, order, self.count), task);
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Moment> {
        self.tasks.keys().next().map(|(at, ..)| *at)
    }

    /// Takes the next one that is due at `now`, with the moment that it was set for.
    pub fn take_due(&mut self, now: Moment) -> Option<(Moment, Task)> {
        let entry = self.tasks.first_entry()?;
        let at = entry.key().0;
        (at <= now).then(|| (at, entry.remove()))
    }

    pub fn clear(&mut self) {
        self.tasks.clear();
    }
}
