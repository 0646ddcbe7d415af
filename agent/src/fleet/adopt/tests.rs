//! What a core goes on from when its own rows are gone, and that nothing is taken up twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use kerf_register::{Ballot, Replica};
use kerf_scheduler::Saved;
use kerf_scheduler::core::{Decision, Input, MemberPhase, Memory, RegisterRow, SavedPhase};
use kerf_types::job::{JobSpec, JobState};
use kerf_types::peer::{Attempt, Exit, Grant, Tag, Term};
use kerf_types::{Fence, HostId, JobId, LeaseId, Moment, Timestamp};

use super::{Unended, adopt};
use crate::launcher::{Submitter, UserIds};
use crate::store::{JobRow, Placed, RunRow, RunState};

const ME: HostId = HostId::from_bits(1);
const PEER: HostId = HostId::from_bits(2);
const HERE: Replica = Replica { host: ME, epoch: 3 };
const NOW: Moment = Moment(77);
const SUBMITTER: Submitter = Submitter {
    ids: UserIds { uid: 5, gid: 6 },
    admin: true,
};

fn id(number: u8) -> JobId {
    JobId::new(1, [number; 10])
}

fn spec() -> JobSpec {
    JobSpec {
        image: "docker.io/library/a:1".to_owned(),
        tenant: "default".to_owned(),
        members: 1,
        checkpoint_grace_seconds: 4,
        ..JobSpec::default()
    }
}

fn job(number: u8, cancel_requested: bool) -> Unended {
    let spec = spec();
    let row = JobRow {
        id: id(number),
        submitter: SUBMITTER,
        spec: kerf_api::json::job::canonical_json(&spec),
        spec_hash: String::new(),
        state: JobState::Running,
        reason: String::new(),
        exit_code: None,
        container: None,
        lease: None,
        submitted: Timestamp(1),
        started: None,
        ended: None,
        restarts: 2,
        cancel_requested,
        is_shared: false,
        placed: None,
        explanation: None,
    };
    (row, Arc::new(spec))
}

fn run(number: u8, state: RunState, coordinator: Option<HostId>) -> RunRow {
    RunRow {
        tag: Tag {
            job: id(number),
            attempt: Attempt(3),
            member: 0,
        },
        coordinator,
        term: Term::NONE,
        keepers: Vec::new(),
        submitter: SUBMITTER,
        spec: kerf_api::json::job::canonical_json(&spec()),
        container: "kerf-1".to_owned(),
        grant: Grant {
            lease: LeaseId::new(1, [number; 10]),
            fence: Fence(8),
        },
        state,
        started: None,
        runs_since: None,
        stopping: None,
        log_bytes: 0,
    }
}

fn ended() -> RunState {
    RunState::Ended(Exit {
        code: Some(0),
        timed_out: false,
        reason: "exit code 0".to_owned(),
    })
}

fn submitted(inputs: &[Input]) -> Vec<JobId> {
    let job = |input: &Input| match input {
        Input::Submit { job, by, .. } => {
            assert_eq!((by.uid, by.gid, by.admin), (5, 6, true));
            Some(*job)
        }
        _ => None,
    };
    inputs.iter().filter_map(job).collect()
}

#[test]
fn a_job_that_runs_here_is_taken_up_where_it_is() {
    for (state, phase) in [
        (RunState::Starting, MemberPhase::Starting),
        (RunState::Running, MemberPhase::Running),
        (ended(), MemberPhase::Running),
    ] {
        let mut saved = Saved::default();
        let run = run(1, state, None);
        let inputs = adopt(
            &mut saved,
            HERE,
            &[job(1, false)],
            std::slice::from_ref(&run),
            NOW,
        );
        assert!(inputs.is_empty(), "{inputs:?}");
        let row = &saved.jobs[&id(1)];
        assert_eq!((row.attempt, row.restarts), (Attempt(3), 2));
        assert_eq!(row.phase, SavedPhase::Going);
        assert_eq!(
            (row.members[0].host, row.members[0].grant),
            (ME, Some(run.grant))
        );
        assert_eq!(saved.decisions[&id(1)], Decision::Committed(Attempt(3)));
        let member = &saved.members[&run.tag];
        assert_eq!((member.coordinator, member.heard), (ME, NOW));
        assert_eq!((member.phase.clone(), member.grace.as_secs()), (phase, 4));
        assert_eq!(member.spec_hash, row.spec_hash);
        assert_eq!(saved.memories[&id(1)].highest, Attempt(3));
    }
}

#[test]
fn a_job_that_does_not_run_is_submitted_anew_and_its_cancel_asked_again() {
    let mut saved = Saved::default();
    let runs = [run(2, RunState::NotStarted, None)];
    let jobs = [job(1, false), job(2, true)];
    let inputs = adopt(&mut saved, HERE, &jobs, &runs, NOW);
    assert_eq!(submitted(&inputs), [id(1), id(2)]);
    assert!(matches!(inputs.last(), Some(Input::Cancel { job }) if *job == id(2)));
    assert_eq!(saved, Saved::default());
}

#[test]
fn what_runs_for_a_peer_is_held_for_it() {
    let mut saved = Saved::default();
    let runs = [
        run(1, RunState::Running, Some(PEER)),
        run(2, ended(), Some(PEER)),
        run(3, RunState::Running, None),
    ];
    let inputs = adopt(&mut saved, HERE, &[], &runs, NOW);
    assert!(inputs.is_empty() && saved.jobs.is_empty());
    let held: Vec<_> = saved.members.values().collect();
    assert_eq!(held.len(), 2, "{held:?}");
    assert_eq!((held[0].tag.job, held[0].coordinator), (id(1), PEER));
    // Nobody here knows that job any more: its own host tells it to end.
    assert_eq!((held[1].tag.job, held[1].coordinator), (id(3), ME));
}

#[test]
fn what_the_core_knows_is_left_as_it_is() {
    let mut saved = Saved::default();
    let runs = [run(1, RunState::Running, None)];
    adopt(&mut saved, HERE, &[job(1, false)], &runs, NOW);
    let before = saved.clone();
    let inputs = adopt(&mut saved, HERE, &[job(1, true)], &runs, Moment(99));
    assert_eq!(saved, before);
    assert!(
        matches!(inputs.as_slice(), [Input::Cancel { .. }]),
        "{inputs:?}"
    );
    // A row that goes on although the core has heard its end is looked at, so that the end is heard again.
    let memory = Memory {
        coordinator: PEER,
        term: Term::NONE,
        keepers: Vec::new(),
        highest: Attempt(3),
        closed: BTreeSet::from([0]),
    };
    let mut closed = Saved::default();
    closed.memories.insert(id(1), memory);
    adopt(
        &mut closed,
        HERE,
        &[],
        &[run(1, RunState::Running, Some(PEER))],
        NOW,
    );
    assert_eq!(closed.members.len(), 1);
}

#[test]
fn a_job_whose_members_are_elsewhere_is_asked_for_there() {
    let placed = |state| {
        let (mut row, spec) = job(1, false);
        row.state = state;
        row.placed = Some(Placed {
            attempt: Attempt(4),
            hosts: vec![(PEER, "b".to_owned()), (ME, "a".to_owned())],
        });
        (row, spec)
    };
    let mut here = run(1, RunState::Running, None);
    (here.tag.attempt, here.tag.member) = (Attempt(4), 1);
    let mut saved = Saved::default();
    let inputs = adopt(
        &mut saved,
        HERE,
        &[placed(JobState::Running)],
        &[here.clone()],
        NOW,
    );
    assert!(inputs.is_empty(), "{inputs:?}");
    let row = &saved.jobs[&id(1)];
    assert_eq!(
        (row.attempt, row.phase.clone()),
        (Attempt(4), SavedPhase::Going)
    );
    let grants: Vec<_> = row
        .members
        .iter()
        .map(|one| (one.host, one.grant))
        .collect();
    assert_eq!(grants, [(PEER, None), (ME, Some(here.grant))]);
    assert_eq!(saved.decisions[&id(1)], Decision::Committed(Attempt(4)));
    // One that waits again was let go there before.
    let mut saved = Saved::default();
    let inputs = adopt(&mut saved, HERE, &[placed(JobState::Pending)], &[], NOW);
    assert_eq!(submitted(&inputs), [id(1)]);
}

#[test]
fn a_job_that_others_keep_too_is_left_to_them() {
    let shared = |number, state| {
        let (mut row, spec) = job(number, number == 2);
        row.is_shared = true;
        row.state = state;
        row.placed = Some(Placed {
            attempt: Attempt(4),
            hosts: vec![(PEER, "b".to_owned())],
        });
        (row, spec)
    };
    let jobs = [
        shared(1, JobState::Pending),
        shared(2, JobState::Running),
        shared(3, JobState::Starting),
    ];
    let left = |inputs: &[Input]| -> Vec<JobId> {
        let job = |input: &Input| match input {
            Input::Left { job } => Some(*job),
            _ => None,
        };
        inputs.iter().filter_map(job).collect()
    };
    // With all that the core knew its registers are gone too.
    let mut saved = Saved::default();
    let inputs = adopt(&mut saved, HERE, &jobs, &[], NOW);
    assert_eq!(left(&inputs), [id(1), id(2), id(3)]);
    assert!(matches!(inputs[2], Input::Cancel { job } if job == id(2)));
    assert_eq!((inputs.len(), saved), (4, Saved::default()));
    // A replica of the store that is there counts, one of another store does not.
    let replica = |epoch| RegisterRow {
        epoch,
        root: HERE,
        promised: Ballot {
            era: 0,
            round: 1,
            proposer: HERE,
            step: 0,
        },
        accepted: None,
        is_over: false,
    };
    let mut saved = Saved::default();
    saved.registers.insert(id(1), replica(3));
    saved.registers.insert(id(2), replica(2));
    let inputs = adopt(&mut saved, HERE, &jobs, &[], NOW);
    assert_eq!(left(&inputs), [id(2), id(3)]);
}
