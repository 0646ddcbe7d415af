//! What is told about a job, each time that it is something new.

use kerf_types::job::{JobState, OnPartition};

use crate::core::io::Report;
use crate::core::job::{Job, Phase, SlotState};
use crate::core::{Core, Faults};
use crate::fleet::Liveness;

impl<F: Faults> Core<F> {
    pub(super) fn report_change(&mut self, job: &mut Job) {
        let report = self.report_of(job);
        let same = job.reported.as_ref().is_some_and(|last| {
            let plain = |report: &Report| {
                let Report {
                    job: _,
                    explanation: _,
                    attempt,
                    state,
                    settled,
                    exit_code,
                    reason,
                    hosts,
                } = report;
                (
                    *attempt,
                    *state,
                    *settled,
                    *exit_code,
                    reason.clone(),
                    hosts.clone(),
                )
            };
            plain(last) == plain(&report)
        });
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
                _ if closing.started => (JobState::Running, job.reason.clone()),
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
            hosts: job.slots.iter().map(|slot| slot.host).collect(),
            explanation: job.explanation.clone(),
        }
    }

    fn going(&self, job: &Job) -> (JobState, String) {
        if let Some(silent) = self.silent(job) {
            return (JobState::Lost, silent);
        }
        let runs = |state: &SlotState| matches!(state, SlotState::Running | SlotState::Ended(_));
        if job.all(runs) {
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
        let then = match job.row.spec.on_partition {
            OnPartition::Stop => "it is stopped there in time and then closed",
            OnPartition::Continue => {
                "it may run on there, and nothing is done until that host is heard of again"
            }
        };
        Some(format!(
            "member {member} is on {name}, which does not answer: {then}"
        ))
    }
}
