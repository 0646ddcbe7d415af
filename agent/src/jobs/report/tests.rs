//! What a report makes of a job's row.

use kerf_scheduler::core::Report;
use kerf_types::job::JobState;
use kerf_types::peer::Attempt;
use kerf_types::{HostId, JobId, Timestamp};

use super::next;
use crate::launcher::{Submitter, UserIds};
use crate::store::{JobRow, Placed};

const HOST: HostId = HostId::from_bits(7);

fn row(state: JobState) -> JobRow {
    JobRow {
        id: JobId::new(1_000, [1; 10]),
        submitter: Submitter {
            ids: UserIds { uid: 1, gid: 2 },
            admin: false,
        },
        spec: "{}".to_owned(),
        spec_hash: "h".to_owned(),
        state,
        reason: "submitted".to_owned(),
        exit_code: None,
        container: None,
        lease: None,
        submitted: Timestamp(1),
        started: None,
        ended: None,
        restarts: 0,
        cancel_requested: false,
        is_shared: false,
        placed: None,
        explanation: None,
    }
}

fn report(state: JobState) -> Report {
    Report {
        job: row(state).id,
        attempt: Attempt(2),
        state,
        settled: false,
        exit_code: None,
        reason: "told".to_owned(),
        restarts: 0,
        hosts: vec![HOST],
        explanation: None,
    }
}

fn named(_: HostId) -> String {
    "gpu-1".to_owned()
}

fn placed(name: &str) -> Option<Placed> {
    Some(Placed {
        attempt: Attempt(2),
        hosts: vec![(HOST, name.to_owned())],
    })
}

#[test]
fn a_job_that_is_not_heard_of_is_as_far_as_it_was() {
    let cases = [
        (JobState::Pending, JobState::Starting),
        (JobState::Starting, JobState::Starting),
        (JobState::Running, JobState::Running),
    ];
    for (before, after) in cases {
        let row = next(&row(before), &report(JobState::Lost), named);
        assert_eq!(row.state, after);
        assert_eq!(row.placed, placed("gpu-1"));
        // Only what runs has started.
        assert_eq!(row.started.is_some(), after == JobState::Running);
    }
}

#[test]
fn nothing_that_is_said_after_its_end_changes_a_job() {
    for end in [JobState::Succeeded, JobState::Failed, JobState::Cancelled] {
        let known = row(end);
        for late in [JobState::Pending, JobState::Running, JobState::Lost] {
            assert_eq!(next(&known, &report(late), named), known);
        }
    }
}

#[test]
fn a_host_keeps_its_name_until_there_is_a_newer_one() {
    let unnamed = |host: HostId| host.to_string();
    let report = report(JobState::Running);
    let mut known = row(JobState::Running);
    assert_eq!(
        next(&known, &report, unnamed).placed,
        placed(&HOST.to_string())
    );
    known.placed = placed("gpu-1");
    assert_eq!(next(&known, &report, unnamed).placed, placed("gpu-1"));
    let renamed = |_: HostId| "gpu-2".to_owned();
    assert_eq!(next(&known, &report, renamed).placed, placed("gpu-2"));
}
