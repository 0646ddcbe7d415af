//! Jobs are read back as they were written, damaged ones hide no others, and the oldest ends go first.

use kerf_types::job::JobState;
use kerf_types::peer::Attempt;
use kerf_types::{Fence, HostId, JobId, LeaseId, Timestamp};
use rusqlite::Connection;

use super::{JobRow, JobStore, Kept, Placed};
use crate::launcher::{Submitter, UserIds};
use crate::store::{Store, schema};

const PLENTY: Kept = Kept {
    jobs: 1_000,
    spec_bytes: 1_000,
};

fn job(number: u8, state: JobState) -> JobRow {
    JobRow {
        id: JobId::new(1_000, [number; 10]),
        submitter: Submitter {
            ids: UserIds { uid: 1, gid: 2 },
            admin: true,
        },
        spec: "{}".to_owned(),
        spec_hash: "h".to_owned(),
        state,
        reason: "r".to_owned(),
        exit_code: Some(3),
        container: Some("c".to_owned()),
        lease: Some(LeaseId::new(1, [1; 10])),
        submitted: Timestamp(u64::from(number)),
        started: Some(Timestamp(2)),
        ended: state.is_final().then_some(Timestamp(3)),
        restarts: 4,
        cancel_requested: true,
        is_shared: true,
        placed: Some(Placed {
            attempt: Attempt(5),
            hosts: vec![(HostId::from_bits(7), "gpu-1".to_owned())],
        }),
        explanation: Some("{}".to_owned()),
    }
}

fn store() -> (tempfile::TempDir, JobStore) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a new store");
    let jobs = store.jobs().expect("its jobs");
    (folder, jobs)
}

fn ids(store: &JobStore) -> Vec<JobId> {
    let jobs = store.all().expect("jobs").rows;
    jobs.iter().map(|job| job.id).collect()
}

#[test]
fn a_job_is_read_as_it_was_written() {
    let (_folder, mut store) = store();
    let mut row = job(1, JobState::Running);
    store.put_job(&row).expect("it is written");
    assert_eq!(store.all().expect("jobs").rows, [row.clone()]);
    row.placed = None;
    row.explanation = None;
    row.lease = None;
    store.put_job(&row).expect("it is written");
    assert_eq!(store.all().expect("jobs").rows, [row]);
}

#[test]
fn a_job_of_the_schema_before_is_kept_by_this_host_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = Connection::open(folder.path().join("state.db")).expect("a file");
    for migration in &schema::MIGRATIONS[..7] {
        old.execute_batch(migration).expect("schema 7");
    }
    old.pragma_update(None, "user_version", 7).expect("version");
    let insert = "INSERT INTO jobs (id, uid, spec, spec_hash, state, reason, submitted_ms, restarts, cancel_requested) \
         VALUES ('00000000-0000-7000-8000-000000000003', 5, '{}', 'h', 'pending', 'w', 1, 0, 0)";
    old.execute(insert, []).expect("a row");
    drop(old);
    let store = Store::open(folder.path(), Timestamp(1), Fence(0)).expect("brought up to date");
    let jobs = store.jobs().expect("its jobs").all().expect("jobs");
    assert_eq!(jobs.unreadable, []);
    let shared: Vec<bool> = jobs.rows.iter().map(|job| job.is_shared).collect();
    assert_eq!(shared, [false]);
}

#[test]
fn a_row_that_cannot_be_read_is_named_and_hides_no_other() {
    let (_folder, mut store) = store();
    let (good, bad) = (job(1, JobState::Running), job(2, JobState::Running));
    for row in [&good, &bad] {
        store.put_job(row).expect("it is written");
    }
    store
        .connection
        .execute(
            "UPDATE jobs SET state = 'odd' WHERE id = ?1",
            [bad.id.to_string()],
        )
        .expect("damage");
    let jobs = store.all().expect("jobs");
    assert_eq!(jobs.rows, [good]);
    let why = "the store holds a job that cannot be read: state \"odd\"".to_owned();
    assert_eq!(jobs.unreadable, [(bad.id.to_string(), why)]);
}

#[test]
fn those_that_ended_first_go_first_whatever_the_clock_said() {
    let (_folder, mut store) = store();
    // The clock was set back: the job that ended last has the earliest time.
    for (number, clock) in [(1, 900), (2, 800), (3, 100)] {
        let mut row = job(number, JobState::Succeeded);
        row.ended = Some(Timestamp(clock));
        store.put_job(&row).expect("it is written");
    }
    let running = job(4, JobState::Running);
    store.put_job(&running).expect("it is written");
    // A later change of an ended one is no later end.
    let mut first = job(1, JobState::Succeeded);
    first.reason = "seen again".to_owned();
    store.put_job(&first).expect("it is written");
    assert_eq!(store.prune_jobs(PLENTY).expect("pruned"), []);
    let two = Kept { jobs: 2, ..PLENTY };
    assert_eq!(store.prune_jobs(two).expect("pruned"), [first.id]);
    assert_eq!(
        ids(&store),
        [2, 3, 4].map(|number| job(number, JobState::Running).id)
    );
}

#[test]
fn bytes_bound_what_is_kept_of_ended_jobs() {
    let check = |keep: Kept, kept: &[u8]| {
        let (_folder, mut store) = store();
        for number in 1..=3 {
            store
                .put_job(&job(number, JobState::Failed))
                .expect("it is written");
        }
        store.prune_jobs(keep).expect("pruned");
        let expected: Vec<JobId> = kept
            .iter()
            .map(|number| job(*number, JobState::Failed).id)
            .collect();
        assert_eq!(ids(&store), expected, "{keep:?}");
    };
    let specs = |spec_bytes| Kept {
        spec_bytes,
        ..PLENTY
    };
    check(specs(6), &[1, 2, 3]);
    check(specs(5), &[2, 3]);
    // The last one stays, though it alone is beyond the bound.
    check(specs(1), &[3]);
}
