//! A copy tells what a store that was lost or put back no longer does, and nothing else.

use kerf_types::job::JobState;
use kerf_types::{JobId, Timestamp};

use super::{Document, is_newer};
use crate::launcher::{Submitter, UserIds};
use crate::store::JobRow;

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

fn shared(state: JobState) -> JobRow {
    let mut row = row(state);
    row.is_shared = true;
    row
}

#[test]
fn that_several_hosts_keep_a_job_survives_in_its_copy() {
    for row in [row(JobState::Pending), shared(JobState::Running)] {
        let text = serde_json::to_string(&Document::from(&row)).expect("a text");
        let document: Document = serde_json::from_str(&text).expect("it reads");
        assert_eq!(JobRow::try_from(document).expect("a row"), row);
        // One of a kerf that knew nothing of it.
        let old = text
            .replace("\"shared\":true,", "")
            .replace("\"shared\":false,", "");
        let document: Document = serde_json::from_str(&old).expect("it reads");
        assert!(!JobRow::try_from(document).expect("a row").is_shared);
    }
}

#[test]
fn a_copy_of_a_job_that_others_keep_is_newer_than_a_store_that_was_put_back() {
    let mut cancelled = row(JobState::Pending);
    cancelled.cancel_requested = true;
    for known in [row(JobState::Pending), cancelled] {
        assert!(is_newer(&shared(JobState::Pending), Some(&known)));
        assert!(!is_newer(&known, Some(&shared(JobState::Pending))));
    }
    let ended = row(JobState::Failed);
    assert!(!is_newer(&shared(JobState::Running), Some(&ended)));
}
