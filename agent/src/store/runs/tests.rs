//! Members are read back as they were written, damaged ones hide no others, and the oldest ends go first; jobs of an
//! earlier schema become members.

use std::time::Duration;

use kerf_types::job::JobSpec;
use kerf_types::peer::{Attempt, Exit, Grant, Tag, Term};
use kerf_types::{Fence, HostId, JobId, LeaseId, Timestamp};
use rusqlite::Connection;

use super::{KeptRuns, RunDocument, RunRow, RunState};
use crate::launcher::{Submitter, UserIds};
use crate::process::BootMoment;
use crate::store::jobs::{JobStore, StopCause, Stopping};
use crate::store::{Store, schema};

fn row(number: u8, state: RunState) -> RunRow {
    let since = BootMoment {
        boot_id: "b".to_owned(),
        ms: 7,
    };
    RunRow {
        tag: Tag {
            job: JobId::new(1_000, [number; 10]),
            attempt: Attempt(3),
            member: 2,
        },
        coordinator: Some(HostId::from_bits(9)),
        term: Term(2),
        keepers: vec![HostId::from_bits(9), HostId::from_bits(10)],
        submitter: Submitter {
            ids: UserIds { uid: 1, gid: 2 },
            admin: true,
        },
        spec: kerf_api::json::job::canonical_json(&spec()),
        container: format!("kerf-{number}"),
        grant: Grant {
            lease: LeaseId::new(1, [number; 10]),
            fence: Fence::new(2, 5),
        },
        state,
        started: Some(Timestamp(4)),
        stopping: Some(Stopping {
            cause: StopCause::TimeLimit,
            deadline: since.after(Duration::from_millis(5)),
        }),
        runs_since: Some(since),
        log_bytes: 100,
    }
}

fn spec() -> JobSpec {
    JobSpec {
        name: "a".to_owned(),
        image: "docker.io/library/a:1".to_owned(),
        tenant: "default".to_owned(),
        members: 1,
        ..JobSpec::default()
    }
}

fn ended() -> RunState {
    RunState::Ended(Exit {
        code: Some(3),
        timed_out: true,
        reason: "r".to_owned(),
    })
}

fn store() -> (tempfile::TempDir, JobStore) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a new store");
    let jobs = store.jobs().expect("its jobs");
    (folder, jobs)
}

fn rows(store: &JobStore) -> Vec<RunRow> {
    let runs = store.runs().expect("members").rows;
    runs.into_iter().map(|(row, _)| row).collect()
}

#[test]
fn a_member_is_read_as_it_was_written() {
    for state in [
        RunState::Starting,
        RunState::Running,
        ended(),
        RunState::NotStarted,
    ] {
        let (_folder, mut store) = store();
        let mut row = row(1, state);
        store.put_run(&row).expect("it is written");
        assert_eq!(rows(&store), [row.clone()]);
        let known = RunDocument::read(&RunDocument::text(&row)).expect("a document");
        assert_eq!(known.1.is_some(), row.is_active());
        (row.stopping, row.runs_since, row.coordinator) = (None, None, None);
        store.put_run(&row).expect("it is written");
        assert_eq!(rows(&store), [row]);
    }
}

#[test]
fn a_row_that_cannot_be_read_is_named_and_hides_no_other() {
    let (_folder, mut store) = store();
    let (good, bad) = (row(1, RunState::Running), row(2, RunState::Running));
    for row in [&good, &bad] {
        store.put_run(row).expect("it is written");
    }
    let damage = "UPDATE runs SET document = replace(document, 'running', 'odd') WHERE job = ?1";
    let job = bad.tag.job.to_string();
    store.connection.execute(damage, [&job]).expect("damage");
    let runs = store.runs().expect("members");
    assert_eq!(runs.rows.len(), 1);
    let (named, why) = &runs.unreadable[0];
    assert_eq!(*named, job);
    assert!(why.contains("odd"), "{why}");
}

#[test]
fn the_oldest_ends_go_first_and_those_that_run_stay() {
    let (_folder, mut store) = store();
    for number in [3, 1, 2] {
        store.put_run(&row(number, ended())).expect("it is written");
    }
    store
        .put_run(&row(4, RunState::Running))
        .expect("it is written");
    let keep = |runs, log_bytes| KeptRuns { runs, log_bytes };
    let key = |number| row(number, ended()).key();
    assert_eq!(store.prune_runs(keep(9, 300)).expect("pruned"), []);
    assert_eq!(store.prune_runs(keep(9, 299)).expect("pruned"), [key(3)]);
    assert_eq!(store.prune_runs(keep(1, 999)).expect("pruned"), [key(1)]);
    // The last one stays, though it alone is beyond the bound.
    assert_eq!(store.prune_runs(keep(9, 1)).expect("pruned"), []);
    assert_eq!(rows(&store), [row(2, ended()), row(4, RunState::Running)]);
}

/// A database as the schema before this one left it.
const SCHEMA_2: &str = "
INSERT INTO leases VALUES ('00000000-0000-7000-8000-000000000009', 281474976710661, 'active', '{}');
INSERT INTO jobs (id, uid, gid, admin, spec, spec_hash, state, reason, container, lease, submitted_ms, started_ms,
    restarts, cancel_requested, runs_since_boot, runs_since_ms, stopping_cause, stopping_ms, log_bytes)
VALUES ('00000000-0000-7000-8000-000000000001', 5, 6, 1, ?1, 'h', 'running', 'its container runs', 'kerf-1',
    '00000000-0000-7000-8000-000000000009', 1, 2, 4, 0, 'b', 7, 'cancel', 12, 0);
";

#[test]
fn jobs_of_the_schema_before_become_members() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.db");
    let old = Connection::open(&path).expect("a file");
    for migration in &schema::MIGRATIONS[..2] {
        old.execute_batch(migration).expect("an old schema");
    }
    old.pragma_update(None, "user_version", 2).expect("version");
    let text = kerf_api::json::job::canonical_json(&spec());
    let inserts = SCHEMA_2.replace("?1", &format!("'{}'", text.replace('\'', "''")));
    old.execute_batch(&inserts).expect("rows");
    let ended = "INSERT INTO jobs (id, uid, spec, spec_hash, state, reason, exit_code, container, submitted_ms, \
         ended_ms, restarts, cancel_requested, log_bytes, end_number) VALUES \
         ('00000000-0000-7000-8000-000000000002', 5, '{}', 'h', 'failed', 'exit code 3', 3, 'kerf-2', 1, 3, 0, 0, \
         77, 1)";
    let pending = "INSERT INTO jobs (id, uid, spec, spec_hash, state, reason, submitted_ms, restarts, \
         cancel_requested) VALUES ('00000000-0000-7000-8000-000000000003', 5, '{}', 'h', 'pending', 'w', 1, 0, 0)";
    for insert in [ended, pending] {
        old.execute(insert, []).expect("a row");
    }
    drop(old);
    let store =
        Store::open(folder.path(), Timestamp(1), Fence(0)).expect("it is brought up to date");
    let runs = store.jobs().expect("jobs").runs().expect("members");
    assert_eq!(runs.unreadable, []);
    let [(running, Some(known)), (over, None)] = runs.rows.as_slice() else {
        panic!("{runs:?}");
    };
    assert_eq!(*known, spec());
    assert_eq!((running.tag.attempt, running.tag.member), (Attempt(5), 0));
    assert_eq!(
        (running.state.clone(), running.coordinator),
        (RunState::Running, None)
    );
    assert_eq!(running.grant.fence, Fence(281_474_976_710_661));
    assert!(running.submitter.admin && running.submitter.ids == UserIds { uid: 5, gid: 6 });
    let stopping = running.stopping.clone().expect("it is being stopped");
    assert_eq!(
        (stopping.cause, stopping.deadline.ms),
        (StopCause::Cancel, 12)
    );
    assert_eq!(running.runs_since.clone().map(|since| since.ms), Some(7));
    let exit = Exit {
        code: Some(3),
        timed_out: false,
        reason: "exit code 3".to_owned(),
    };
    assert_eq!(
        (over.state.clone(), over.log_bytes),
        (RunState::Ended(exit), 77)
    );
    let jobs = store.jobs().expect("jobs").all().expect("jobs");
    assert_eq!((jobs.rows.len(), jobs.unreadable.len()), (3, 0));
}
