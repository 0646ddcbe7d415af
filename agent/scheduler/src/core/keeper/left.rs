//! Jobs of which this host has lost what it kept, with its store. Their other keepers go on with them, and this one waits
//! for word of those.
//!
//! ```text
//!   (the store was lost) ──► left ──(a coordinator speaks of it)──► left, heard of now
//!                             ├──(a keeper says that it has ended)──► ended
//!                             └──(all hosts are there, and none speaks of it)──► lost
//! ```
//! It never begins such a job anew, since it may run elsewhere.

use std::time::Duration;

use kerf_register::{Body, Message};
use kerf_types::job::JobState;
use kerf_types::peer::Attempt;
use kerf_types::{HostId, JobId, Moment};

use super::Keeper;
use crate::core::io::{Output, Report};
use crate::core::kept::{KeeperMessage, Kept};
use crate::core::outbox::Held;
use crate::core::saved::{Change, Outcome};
use crate::core::{Core, Faults};
use crate::fleet::Liveness;

/// How long a host hears nothing of such a job, while all others are there, before it takes it for lost. A successor speaks
/// of it within a minute; shorter, and a job that goes on is said to be lost.
const LOST_AFTER: Duration = Duration::from_secs(600);

/// A job of which this host has lost what it kept.
#[derive(Debug)]
pub(super) struct Left {
    heard: Moment,
    /// Who coordinates it, as was said last.
    coordinator: Option<HostId>,
    /// Whether somebody has asked this host to end it.
    cancelled: bool,
}

impl Keeper {
    /// Whether a job is left to the others that keep it.
    pub fn is_left(&self, job: JobId) -> bool {
        self.left.contains_key(&job)
    }

    pub(super) fn left_wakeup(&self) -> Option<Moment> {
        let left = self.left.values();
        left.map(|left| left.heard.after(LOST_AFTER)).min()
    }
}

impl<F: Faults> Core<F> {
    /// What this host kept of a job is lost: it is left to its other keepers.
    pub(in crate::core) fn leave(&mut self, now: Moment, job: JobId, cancelled: bool) {
        if self.jobs.contains_key(&job) || self.keeper.kept(job).is_some() {
            return;
        }
        let left = Left {
            heard: now,
            coordinator: None,
            cancelled,
        };
        self.keeper.left.entry(job).or_insert(left);
        self.outbox.hold(Held::Out(Output::Left { job }));
    }

    /// A host coordinates a job that was left to it.
    pub(super) fn hear_of_left(&mut self, now: Moment, from: HostId, job: JobId) {
        let Some(left) = self.keeper.left.get_mut(&job) else {
            return;
        };
        left.heard = now;
        let is_new = left.coordinator.replace(from) != Some(from);
        if left.cancelled {
            // Each time: what was said of it before may have been lost.
            self.tell_keeper(from, KeeperMessage::Cancel { job });
        }
        if is_new {
            let to = from;
            self.outbox.hold(Held::Out(Output::Handed { job, to }));
        }
    }

    /// A keeper tells the replica that was here that the register is over.
    pub(super) fn hear_of_end(&mut self, from: HostId, message: &Message<JobId, Kept>) {
        let job = message.key;
        let is_told = message.from.host == from && self.keeper.left.contains_key(&job);
        if let (true, Body::Retired { last, .. }) = (is_told, &message.body) {
            self.over(job, &last.state.value);
        }
    }

    /// Somebody wants a job to end of which nobody here knows who coordinates it: that one is told when it speaks.
    pub(super) fn cancel_unknown(&mut self, job: JobId) {
        if let Some(left) = self.keeper.left.get_mut(&job) {
            left.cancelled = true;
        }
        if let Some(row) = self.keeper.unsure.get_mut(&job) {
            row.cancelled = true;
        }
    }

    /// Takes jobs for lost of which nobody speaks.
    pub(super) fn left_tick(&mut self, now: Moment) {
        let is_due = |left: &Left| left.heard.after(LOST_AFTER) <= now;
        let due = self.keeper.left.iter().filter(|(_, left)| is_due(left));
        let due: Vec<JobId> = due.map(|(job, _)| *job).collect();
        if due.is_empty() {
            return;
        }
        let all_there = self.sees_all();
        for job in due {
            if all_there {
                self.lose(job);
            } else if let Some(left) = self.keeper.left.get_mut(&job) {
                // Whoever is away may keep it.
                left.heard = now;
            }
        }
    }

    /// Whether each host is there that could keep a job. One that knows no other is cut off, unless it is to be alone.
    fn sees_all(&self) -> bool {
        let mut others = self
            .fleet
            .iter()
            .filter(|(id, _)| *id != self.id)
            .peekable();
        let knows_any = others.peek().is_some();
        (knows_any || self.settings.alone) && others.all(|(_, one)| one.liveness == Liveness::Alive)
    }

    fn lose(&mut self, job: JobId) {
        self.keeper.left.remove(&job);
        let outcome = Outcome {
            state: JobState::Lost,
            exit_code: None,
            reason:
                "what this host kept of it is lost with its store, and no other keeper speaks of it"
                    .to_owned(),
        };
        self.outbox.save(Change::EndJob(job, outcome.clone()));
        self.outbox.forget_reports(job);
        self.outbox.report(Report {
            job,
            attempt: Attempt::FIRST,
            state: outcome.state,
            settled: true,
            exit_code: None,
            reason: outcome.reason,
            restarts: 0,
            hosts: Vec::new(),
            explanation: None,
        });
    }
}
