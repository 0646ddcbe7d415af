//! What is told about a job, each time that it is something new.

use kerf_types::job::{JobState, OnPartition};

use crate::core::io::Report;
use crate::core::job::{Job, Phase, SlotState};
use crate::core::{Core, Faults};
use crate::fleet::Liveness;

impl<F: Faults> Core<F> {
    pub(super) fn report_change(&mut self, job: &mut Job) {
        job.ran = match &job.phase {
            Phase::Open | Phase::Reserving | Phase::Deciding | Phase::Confirming => false,
            Phase::Going | Phase::Closing(_) => {
                job.ran || job.slots.iter().any(|slot| has_run(&slot.state))
            }
        };
        let report = self.report_of(job);
        // The explanation counts too: while a job waits it is often all that changes.
        let same = job.reported.as_ref() == Some(&report);
        if !same {
            self.outbox.report(report.clone());
            job.reported = Some(report);
        }
    }

    fn report_of(&self, job: &Job) -> Report {
        let (state, reason) = match &job.phase {
            Phase::Open | Phase::Reserving | Phase::Deciding | Phase::Confirming => {
                (JobState::Pending, job.reason.clone())
            }
            Phase::Going => self.going(job),
            Phase::Closing(closing) => match self.silent(job) {
                Some(silent) if closing.started => (JobState::Lost, silent),
                _ if closing.started && job.ran => (JobState::Running, job.reason.clone()),
                // Its start was refused, or was never answered: nothing of it is known to have run.
                _ if closing.started => (JobState::Starting, job.reason.clone()),
                _ => (JobState::Pending, job.reason.clone()),
            },
        };
        Report {
            job: job.row.job,
            attempt: job.row.attempt,
            state,
            settled: false,
            exit_code: None,
            reason,
            restarts: job.row.restarts,
            hosts: job.slots.iter().map(|slot| slot.host).collect(),
            explanation: job.explanation.clone(),
        }
    }

    fn going(&self, job: &Job) -> (JobState, String) {
        if let Some(silent) = self.silent(job) {
            return (JobState::Lost, silent);
        }
        if job.all(has_run) {
            (JobState::Running, job.reason.clone())
        } else {
            (JobState::Starting, job.reason.clone())
        }
    }

    /// What is to be said where a member is on a host that is not there.
    fn silent(&self, job: &Job) -> Option<String> {
        let gone = |host| self.fleet.liveness(host) != Liveness::Alive;
        let live = |state: &SlotState| !matches!(state, SlotState::Closed | SlotState::Ended(_));
        let slots = || job.slots.iter().enumerate();
        let (member, slot) = slots().find(|(_, slot)| live(&slot.state) && gone(slot.host))?;
        let name = self.name_of(slot.host);
        let by_time = self.settings.close_by_time;
        let then = match job.row.spec.on_partition {
            OnPartition::Stop if by_time => "it is stopped there in time and then closed",
            OnPartition::Stop => {
                "it is stopped there in time if its kerfd runs, and only that host can say whether it has ended"
            }
            OnPartition::Continue => {
                "it may run on there, and nothing is done until that host is heard of again"
            }
        };
        Some(format!(
            "member {member} is on {name}, which does not answer: {then}"
        ))
    }
}

fn has_run(state: &SlotState) -> bool {
    matches!(state, SlotState::Running | SlotState::Ended(_))
}
