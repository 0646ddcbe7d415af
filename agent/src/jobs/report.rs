//! What the scheduler says of a job, as people see it.

use kerf_scheduler::core::{Outcome, Report};
use kerf_types::job::JobState;
use kerf_types::{HostId, JobId};

use super::{Jobs, Wish};
use crate::errors::chain;
use crate::fleet::explain;
use crate::host::now;
use crate::store::{JobRow, Placed};

impl Jobs {
    /// Takes in how a job is. What changes its state or its place is in the store before it is shown; a reason or an
    /// explanation that is lost with kerfd is found again by the next one. Nothing that is said of a job after its end
    /// changes it.
    pub fn report(&self, report: &Report, name_of: impl Fn(HostId) -> String) {
        let id = report.job;
        let Ok(known) = self.get(id) else { return };
        if report.settled {
            return self.place_ended(&known, report, name_of);
        }
        let row = self.seen(&known, report, &name_of);
        let kept = if is_worth_a_write(&known, &row) {
            // Made anew from what is there by then: somebody may have asked for its end, or its end is written.
            self.inner
                .update(id, |old| *old = self.seen(old, report, &name_of))
                .map(drop)
        } else {
            self.inner.show(id, |old| {
                old.reason = row.reason;
                old.explanation = row.explanation;
            });
            Ok(())
        };
        if let Err(error) = kept {
            tracing::warn!(job.id = %id, error = chain(&error), "job state not kept");
        }
    }

    /// Of a job that another host has ended: where it ran in the end, which this one was not told of while it did.
    fn place_ended(&self, known: &JobRow, report: &Report, name_of: impl Fn(HostId) -> String) {
        let seen = known.placed.as_ref().map(|placed| placed.attempt);
        if report.hosts.is_empty() || seen >= Some(report.attempt) {
            return;
        }
        let placed = placed(known, report, name_of);
        let kept = self.inner.update(known.id, |row| {
            row.restarts = report.restarts;
            row.placed = Some(placed);
        });
        if let Err(error) = kept {
            tracing::warn!(job.id = %known.id, error = chain(&error), "place of a job not kept");
        }
    }

    /// The row after a report, with what the member on this host knows.
    fn seen(&self, known: &JobRow, report: &Report, name_of: impl Fn(HostId) -> String) -> JobRow {
        let mut row = next(known, report, name_of);
        let here = self.inner.members.get((row.id, 0));
        let here = here.filter(|run| is_begun(&row) && run.tag.attempt == report.attempt);
        if let Some(run) = here {
            row.container = Some(run.container);
            row.lease = Some(run.grant.lease).filter(|_| run.grant.fence.0 > 0);
        }
        row
    }

    /// Says why a job stays where it is.
    pub fn note(&self, id: JobId, why: &str) {
        // Of several members one would speak for all.
        if self.inner.spec(id).is_some_and(|spec| spec.members == 1) {
            self.inner.show(id, |row| why.clone_into(&mut row.reason));
        }
    }

    /// Says of a job why it stays as it is: what was kept of it here is lost, and it is not begun anew.
    pub fn left(&self, id: JobId) {
        let text = "what this host kept of it is lost with its store: it waits for word of the hosts that keep it too";
        tracing::warn!(job.id = %id, "job left to its other keepers");
        self.inner.show(id, |row| text.clone_into(&mut row.reason));
        self.inner.events.add("job", &id.to_string(), text);
    }

    /// The row of a job that several hosts keep from now on; `None` where that is known, or it has ended.
    pub fn shared(&self, id: JobId) -> Option<JobRow> {
        let table = self.inner.table();
        let known = table.get(&id)?.row.borrow();
        if known.is_shared || known.state.is_final() {
            return None;
        }
        let is_shared = true;
        Some(JobRow {
            is_shared,
            ..known.clone()
        })
    }

    /// Shows such a job. It is in the store, which is still held; its copy has it before any other host hears of the job.
    pub fn show_shared(&self, row: &JobRow) {
        self.inner.publish(row.clone());
    }

    /// The row of a job that has ended so; `None` where there is no such job, or its end is known.
    pub fn ended(&self, id: JobId, outcome: &Outcome) -> Option<JobRow> {
        let mut row = self.inner.row(id).filter(|row| !row.state.is_final())?;
        row.state = outcome.state;
        row.exit_code = outcome.exit_code;
        row.ended = Some(now());
        row.reason.clone_from(&outcome.reason);
        Some(row)
    }

    /// Shows a job that has ended. It is in the store, which is still held.
    pub fn show_ended(&self, row: &JobRow) {
        self.inner.publish(row.clone());
        self.inner.copies.forget(row.id);
    }

    /// Tells of jobs that have ended, and forgets the oldest beyond what is kept.
    pub fn tell_ended(&self, rows: &[JobRow]) {
        for row in rows {
            let state = row.state.as_str();
            let text = format!("{state} ({})", row.reason);
            self.inner.metrics.job_ends.inc([state]);
            self.inner.events.add("job", &row.id.to_string(), &text);
        }
        if !rows.is_empty() {
            self.inner.prune();
        }
    }
}

impl super::inner::Inner {
    /// Changes what is shown of a job, and not the store.
    fn show(&self, id: JobId, change: impl FnOnce(&mut JobRow)) {
        if let Some(entry) = self.table().get(&id) {
            entry.row.send_if_modified(|row| {
                let before = row.clone();
                if !row.state.is_final() {
                    change(row);
                }
                *row != before
            });
        }
    }

    /// Tells the scheduler.
    pub(super) fn wish(&self, wish: Wish) {
        // The scheduler ends with kerfd, and the next one reads what is wanted from the store.
        drop(self.wishes.send(wish));
    }
}

/// Whether more has changed than the reason and the explanation, which change all the while that a job waits.
fn is_worth_a_write(known: &JobRow, row: &JobRow) -> bool {
    let mut same = row.clone();
    same.reason.clone_from(&known.reason);
    same.explanation.clone_from(&known.explanation);
    same != *known
}

fn is_begun(row: &JobRow) -> bool {
    matches!(row.state, JobState::Starting | JobState::Running)
}

/// The row after a report, without what only the member on this host knows.
fn next(known: &JobRow, report: &Report, name_of: impl Fn(HostId) -> String) -> JobRow {
    let mut row = known.clone();
    if known.state.is_final() {
        // What is said before the end is let go with the group of writes that it waits for, and the end may be in that.
        return row;
    }
    row.state = match report.state {
        // Nobody knows whether it has ended, and it may be heard of again: it is as far as it was.
        state if state.is_final() && is_begun(known) => known.state,
        state if state.is_final() => JobState::Starting,
        state => state,
    };
    row.reason.clone_from(&report.reason);
    row.restarts = report.restarts;
    if is_begun(&row) && !report.hosts.is_empty() {
        row.placed = Some(placed(known, report, name_of));
    }
    if let Some(explanation) = &report.explanation {
        row.explanation = Some(explain::document(explanation));
    }
    match row.state {
        JobState::Pending => {
            row.started = None;
            row.container = None;
            row.lease = None;
        }
        JobState::Running => drop(row.started.get_or_insert_with(now)),
        _ => {}
    }
    row
}

fn placed(known: &JobRow, report: &Report, name_of: impl Fn(HostId) -> String) -> Placed {
    let named = |host: &HostId| (*host, name_in(known, *host, name_of(*host)));
    Placed {
        attempt: report.attempt,
        hosts: report.hosts.iter().map(named).collect(),
    }
}

/// What a host is called. After a restart jobs are reported before gossip has told any name, and then the host has
/// the name that it had.
fn name_in(known: &JobRow, host: HostId, name: String) -> String {
    if name != host.to_string() {
        return name;
    }
    let mut placed = known.placed.iter().flat_map(|placed| &placed.hosts);
    placed
        .find(|(id, _)| *id == host)
        .map_or(name, |(_, name)| name.clone())
}

#[cfg(test)]
mod tests;
