//! What a core goes on from: what it saved, made good by what this host knows otherwise.
//!
//! A store that was lost, put back, or written by a kerf without a scheduler has jobs and members that the core knows
//! nothing of. What runs is taken up where it is; what waits is submitted anew. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kerf_scheduler::core::{
    Decision, Input, JobRow as CoreJob, MemberPhase, MemberRow, Memory, SavedMember, SavedPhase,
};
use kerf_scheduler::{Saved, Settings};
use kerf_types::job::{JobSpec, JobState};
use kerf_types::peer::{Attempt, SpecHash, Term};
use kerf_types::{HostId, Moment};

use crate::jobs::by;
use crate::store::{JobRow, RunRow, RunState};

/// A job that has not ended, with its description.
pub(super) type Unended = (JobRow, Arc<JobSpec>);

/// Adds to `saved` what runs here without the core's knowledge. Returns what the core is told then: jobs that it does
/// not know, and ends that were asked for.
pub(super) fn adopt(
    saved: &mut Saved,
    me: HostId,
    jobs: &[Unended],
    runs: &[RunRow],
    now: Moment,
) -> Vec<Input> {
    let mut inputs = Vec::new();
    for (row, spec) in jobs {
        // One that others keep with this host goes on with whoever coordinates it.
        let is_kept = saved.registers.contains_key(&row.id);
        if !saved.jobs.contains_key(&row.id) && !is_kept {
            let own = |run: &&RunRow| {
                run.tag.job == row.id
                    && run.coordinator.is_none()
                    && !run.term.is_shared()
                    && may_have_run(&run.state)
            };
            let own: Vec<&RunRow> = runs.iter().filter(own).collect();
            match place_of(me, row, spec, &own) {
                Some((attempt, members)) => take_up(saved, row, spec, attempt, members),
                None => inputs.push(submit(row, spec)),
            }
        }
        if row.cancel_requested {
            inputs.push(Input::Cancel { job: row.id });
        }
    }
    let unended: BTreeSet<_> = jobs.iter().map(|(row, _)| row.id).collect();
    for run in runs {
        let wanted = run.is_active()
            || (run.coordinator.is_none()
                && may_have_run(&run.state)
                && unended.contains(&run.tag.job));
        // Also where the core has heard its end: a row that says otherwise is to be looked at, and its end is heard again.
        if wanted && !saved.members.contains_key(&run.tag) {
            hold(saved, me, run, jobs, now);
        }
    }
    inputs
}

fn may_have_run(state: &RunState) -> bool {
    !matches!(state, RunState::NotStarted)
}

fn submit(row: &JobRow, spec: &Arc<JobSpec>) -> Input {
    Input::Submit {
        job: row.id,
        spec: Arc::clone(spec),
        spec_hash: hash_of(spec),
        by: by(row.submitter),
        at: row.submitted,
    }
}

fn hash_of(spec: &JobSpec) -> SpecHash {
    SpecHash(kerf_api::json::job::spec_hash(spec))
}

/// Where the members of a job are that may run: as it was last told, or as its only member here shows. An owner that
/// has none of it says so, and the job is placed anew then.
fn place_of(
    me: HostId,
    row: &JobRow,
    spec: &JobSpec,
    own: &[&RunRow],
) -> Option<(Attempt, Vec<SavedMember>)> {
    let here = |member: usize, attempt: Attempt| {
        let is_it = |run: &&&RunRow| {
            usize::try_from(run.tag.member) == Ok(member) && run.tag.attempt == attempt
        };
        own.iter().find(is_it).map(|run| run.grant)
    };
    let runs = matches!(row.state, JobState::Starting | JobState::Running);
    if let Some(placed) = row.placed.as_ref().filter(|_| runs) {
        let hosts = placed.hosts.iter().enumerate();
        let members = hosts.map(|(member, (host, _))| SavedMember {
            host: *host,
            grant: here(member, placed.attempt).filter(|_| *host == me),
            exit: None,
        });
        return Some((placed.attempt, members.collect()));
    }
    let [run] = own else { return None };
    let member = SavedMember {
        host: me,
        grant: Some(run.grant),
        exit: None,
    };
    (spec.members == 1).then(|| (run.tag.attempt, vec![member]))
}

fn take_up(
    saved: &mut Saved,
    row: &JobRow,
    spec: &Arc<JobSpec>,
    attempt: Attempt,
    members: Vec<SavedMember>,
) {
    let job = CoreJob {
        job: row.id,
        spec: Arc::clone(spec),
        spec_hash: hash_of(spec),
        gang: None,
        by: by(row.submitter),
        submitted: row.submitted,
        attempt,
        phase: SavedPhase::Going,
        members,
        restarts: row.restarts,
        refused_starts: 0,
        cancelled: false,
        term: Term::NONE,
    };
    saved.decisions.insert(row.id, Decision::Committed(attempt));
    saved.jobs.insert(row.id, job);
}

/// A member that runs, or has run, here.
fn hold(saved: &mut Saved, me: HostId, run: &RunRow, jobs: &[Unended], now: Moment) {
    let of_job = jobs.iter().find(|(row, _)| row.id == run.tag.job);
    let spec = match of_job {
        Some((_, spec)) => Arc::clone(spec),
        None => match kerf_api::json::job::parse(&run.spec) {
            Ok(spec) => Arc::new(spec),
            // Rows of active members were read with their description.
            Err(_) => return,
        },
    };
    let settings = Settings::default();
    let row = MemberRow {
        tag: run.tag,
        coordinator: run.coordinator.unwrap_or(me),
        term: run.term,
        spec_hash: hash_of(&spec),
        grant: run.grant,
        phase: match run.state {
            RunState::Starting => MemberPhase::Starting,
            _ => MemberPhase::Running,
        },
        heard: now,
        ttl: settings.ttl,
        on_partition: spec.on_partition,
        grace: Duration::from_secs(spec.checkpoint_grace_seconds),
    };
    let memory = saved.memories.entry(run.tag.job).or_insert(Memory {
        coordinator: run.coordinator.unwrap_or(me),
        term: run.term,
        keepers: run.keepers.clone(),
        highest: run.tag.attempt,
        closed: BTreeSet::new(),
    });
    memory.highest = memory.highest.max(run.tag.attempt);
    saved.members.insert(run.tag, row);
}

#[cfg(test)]
mod tests;
