//! The scheduler's core behind one door, so that the engine is the same whichever fault a core has.

use std::fmt;

use kerf_scheduler::core::{Faults, Input, Output, Report};
use kerf_scheduler::{Core, Fleet, Saved, Settings};
use kerf_types::peer::{Attempt, Tag};
use kerf_types::{HostId, JobId, Moment};

/// A core of whatever faults.
pub trait Protocol: fmt::Debug {
    /// Takes an input.
    fn step(&mut self, now: Moment, input: Input, out: &mut Vec<Output>);
    /// When the next step is due.
    fn next_wakeup(&self) -> Option<Moment>;
    /// The hosts as this one sees them.
    fn fleet(&self) -> &Fleet;
    /// Jobs that were submitted here and have not ended.
    fn jobs(&self) -> Vec<JobId>;
    /// Members that are held here.
    fn members(&self) -> Vec<Tag>;
    /// The attempt of a job that asks its hosts in order, if it does.
    fn asks_in_order(&self, job: JobId) -> Option<Attempt>;
    /// The last report of a job that has not ended.
    fn report(&self, job: JobId) -> Option<&Report>;
}

impl<F: Faults + fmt::Debug + 'static> Protocol for Core<F> {
    fn step(&mut self, now: Moment, input: Input, out: &mut Vec<Output>) {
        Core::step(self, now, input, out);
    }

    fn next_wakeup(&self) -> Option<Moment> {
        Core::next_wakeup(self)
    }

    fn fleet(&self) -> &Fleet {
        Core::fleet(self)
    }

    fn jobs(&self) -> Vec<JobId> {
        Core::jobs(self).map(|row| row.job).collect()
    }

    fn members(&self) -> Vec<Tag> {
        Core::members(self).map(|row| row.tag).collect()
    }

    fn asks_in_order(&self, job: JobId) -> Option<Attempt> {
        Core::asks_in_order(self, job)
    }

    fn report(&self, job: JobId) -> Option<&Report> {
        Core::report(self, job)
    }
}

/// How a core begins.
pub type Recover = fn(HostId, Settings, u64, Saved, Moment) -> Box<dyn Protocol>;

/// Begins one with these faults.
pub fn recover<F: Faults + fmt::Debug + 'static>(
    id: HostId,
    settings: Settings,
    seed: u64,
    saved: Saved,
    now: Moment,
) -> Box<dyn Protocol> {
    Box::new(Core::<F>::recover(id, settings, seed, saved, now))
}
