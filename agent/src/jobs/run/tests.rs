//! What an end is taken for.

use std::time::Duration;

use kerf_types::job::{JobSpec, JobState};
use kerf_types::{JobId, Timestamp};
use tokio::time::{Instant, sleep};

use super::{cause_of, last_words, rest};
use crate::jobs::container::End;
use crate::launcher::{Submitter, UserIds};
use crate::process::BootMoment;
use crate::store::{JobRow, StopCause, Stopping};

fn row(cancel_requested: bool, stopping: Option<StopCause>) -> JobRow {
    let deadline = BootMoment {
        boot_id: "b".to_owned(),
        ms: 1,
    };
    JobRow {
        id: JobId::new(1, [1; 10]),
        submitter: Submitter {
            ids: UserIds { uid: 1, gid: 1 },
            admin: false,
        },
        spec: kerf_api::json::job::canonical_json(&JobSpec::default()),
        spec_hash: String::new(),
        state: JobState::Running,
        reason: String::new(),
        exit_code: None,
        container: None,
        lease: None,
        submitted: Timestamp(0),
        started: None,
        ended: None,
        restarts: 0,
        cancel_requested,
        runs_since: None,
        stopping: stopping.map(|cause| Stopping { cause, deadline }),
        log_bytes: 0,
    }
}

#[test]
fn an_end_that_was_begun_stays_what_it_was_begun_for() {
    use StopCause::{Cancel, TimeLimit};
    let lost = || End::Lost("gone".to_owned());
    for end in [End::Exit(143), End::Exit(0), lost()] {
        assert_eq!(cause_of(&row(true, Some(Cancel)), &end), Some(Cancel));
        assert_eq!(
            cause_of(&row(false, Some(TimeLimit)), &end),
            Some(TimeLimit)
        );
        assert_eq!(cause_of(&row(false, None), &end), None);
    }
    // The cancel was asked for and no signal sent: a success stands, a failure is no news.
    assert_eq!(cause_of(&row(true, None), &End::Exit(0)), None);
    assert_eq!(cause_of(&row(true, None), &End::Exit(1)), Some(Cancel));
    assert_eq!(cause_of(&row(true, None), &lost()), Some(Cancel));
}

#[test]
fn memory_is_named_as_the_reason() {
    let (state, code, why) = last_words(End::OutOfMemory(137));
    assert_eq!((state, code), (JobState::Failed, Some(137)));
    assert!(why.starts_with("exit code 137: out of memory"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_rest_between_containers_ends_with_a_cancel() {
    let begun = Instant::now();
    rest(3, std::future::pending()).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    rest(1_000, std::future::pending()).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(33));
    rest(30, sleep(Duration::from_secs(1))).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(34));
}
