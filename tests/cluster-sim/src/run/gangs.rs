//! What is measured of gangs: which could be placed all the time that counts, and how soon all members had started.

use super::engine::World;
use super::jobs::Job;
use super::oracle;
use super::setup::Scenario;
use crate::world::{Micros, SECOND};

/// A gang has started in time when all of its members have, in one attempt, after no more than this.
const IN_TIME: Micros = 30 * SECOND;

/// Whether a gang could be placed from when it was handed over until it ran or its time was over.
pub fn is_feasible(job: &Job) -> bool {
    job.accepted.is_some() && job.feasible
}

/// Whether such a gang ran in time.
pub fn is_in_time(job: &Job) -> bool {
    let in_time = |started: Micros| started.saturating_sub(job.at) <= IN_TIME;
    is_feasible(job) && job.started.is_some_and(in_time)
}

impl World {
    /// Notes of each gang whether it runs as a whole, and whether it could.
    pub(super) fn note_gangs(&mut self) {
        if self.setup.scenario != Scenario::Gang {
            return;
        }
        let mut jobs = std::mem::take(&mut self.jobs);
        for (id, job) in &mut jobs.all {
            let waits = job.at <= self.now && job.started.is_none() && job.feasible;
            if !waits || self.now > job.at + IN_TIME + 2 * SECOND {
                continue;
            }
            let begun = self.meter.begun.iter().filter(|((of, _), _)| of == id);
            if begun.map(|(_, count)| *count).max() == Some(job.spec.members) {
                job.started = Some(self.now);
                continue;
            }
            // The host that it was handed to must live, since a takeover takes as long as is promised here; and there
            // must be room, beside what it has itself.
            let there = self.hosts[job.host].kerfd.is_some();
            job.feasible = there && oracle::fits(self, *id, job);
        }
        self.jobs = jobs;
    }
}
