//! The writer of batches: groups, their bounds, order after a failure, and an end that writes the rest.

use std::sync::{Arc, Mutex};

use kerf_scheduler::core::{Change, Decision};
use kerf_types::JobId;
use kerf_types::peer::Attempt;
use tokio::sync::oneshot;

use super::{GROUP_MOST, Writer, Written};
use crate::store::StoreError;

/// A change that can be told from the others.
fn change(number: u64) -> Change {
    Change::PutDecision(job(number), Decision::Open(Attempt::FIRST))
}

fn job(number: u64) -> JobId {
    JobId::new(number, [0; 10])
}

fn jobs(changes: &[Change]) -> Vec<JobId> {
    let job = |change: &Change| match change {
        Change::PutDecision(job, _) => *job,
        other => panic!("{other:?}"),
    };
    changes.iter().map(job).collect()
}

fn full() -> StoreError {
    StoreError::Row {
        what: "disk",
        why: "no room".to_owned(),
    }
}

/// The jobs of what was written, group by group.
type Groups = Arc<Mutex<Vec<Vec<JobId>>>>;

/// A writer whose first group stays under way until it is let go, and what was written.
fn held() -> (Writer<usize>, std::sync::mpsc::Sender<()>, Groups) {
    let (go, wait) = std::sync::mpsc::channel();
    let groups = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&groups);
    let writer = Writer::start(
        move |changes| {
            wait.recv().expect("the test lets it go");
            seen.lock().expect("not poisoned").push(jobs(changes));
            Ok(changes.len())
        },
        || {},
    );
    (writer.expect("a thread"), go, groups)
}

#[tokio::test]
async fn what_gathers_during_a_write_is_one_group_behind_it() {
    let (mut writer, go, groups) = held();
    for number in 1..=4 {
        writer.add(number, vec![change(number)]);
        writer.hand_over();
    }
    go.send(()).expect("it waits");
    assert_eq!(writer.written().await.batch, 1);
    go.send(()).expect("the next is under way");
    let Written { batch, outcome } = writer.written().await;
    assert_eq!((batch, outcome), (4, 3));
    let groups = groups.lock().expect("not poisoned");
    let of = |numbers: &[u64]| numbers.iter().map(|one| job(*one)).collect::<Vec<_>>();
    assert_eq!(*groups, [of(&[1]), of(&[2, 3, 4])]);
}

#[tokio::test]
async fn what_is_durable_is_there_to_be_drained() {
    let (mut writer, go, _) = held();
    writer.add(1, vec![change(1)]);
    writer.hand_over();
    assert!(writer.try_written().is_none());
    go.send(()).expect("it waits");
    let limit = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    let written = loop {
        if let Some(written) = writer.try_written() {
            break written;
        }
        assert!(tokio::time::Instant::now() < limit, "it is never there");
        tokio::task::yield_now().await;
    };
    assert_eq!(written.batch, 1);
    assert!(writer.try_written().is_none());
}

#[tokio::test]
async fn a_writer_that_panics_does_not_go_unnoticed() {
    let (told, hears) = oneshot::channel();
    let keep = |_: &[Change]| -> Result<(), StoreError> { panic!("on purpose, by a test") };
    let writer = Writer::start(keep, || told.send(()).expect("somebody hears"));
    let mut writer = writer.expect("a thread");
    writer.add(1, vec![change(1)]);
    writer.hand_over();
    hears.await.expect("it is told");
    // An end as it should be is none.
    let (told, hears) = oneshot::channel::<()>();
    let writer = Writer::start(
        |_: &[Change]| Ok(()),
        || told.send(()).expect("somebody hears"),
    );
    drop(writer.expect("a thread"));
    assert!(hears.await.is_err(), "an end is taken for a panic");
}

#[tokio::test]
async fn nothing_is_told_before_it_is_written() {
    let (mut writer, go, _) = held();
    writer.add(1, vec![change(1)]);
    writer.hand_over();
    let (told, hears) = oneshot::channel();
    let waits = tokio::spawn(async move {
        let written = writer.written().await;
        told.send(written.batch).expect("somebody hears");
        writer
    });
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    go.send(()).expect("it waits");
    assert_eq!(hears.await, Ok(1));
    waits.await.expect("it ends").finish().await;
}

#[tokio::test]
async fn a_group_is_bounded_and_a_batch_is_whole() {
    let (mut writer, go, groups) = held();
    writer.add(1, (0..3).map(change).collect());
    writer.hand_over();
    let most = u64::try_from(GROUP_MOST).expect("small");
    writer.add(2, (0..most - 1).map(change).collect());
    writer.add(3, (0..2).map(change).collect());
    writer.add(4, (0..most * 2).map(change).collect());
    for expected in [1, 2, 3, 4] {
        go.send(()).expect("it waits");
        assert_eq!(writer.written().await.batch, expected);
    }
    let lengths: Vec<usize> = groups
        .lock()
        .expect("not poisoned")
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(lengths, [3, GROUP_MOST - 1, 2, GROUP_MOST * 2]);
}

#[tokio::test]
async fn a_group_that_is_not_taken_is_tried_again_before_any_other() {
    let mut failures = 1;
    let groups = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&groups);
    let writer = Writer::start(
        move |changes| {
            if failures > 0 {
                failures -= 1;
                return Err(full());
            }
            seen.lock().expect("not poisoned").push(jobs(changes));
            Ok(())
        },
        || {},
    );
    let mut writer = writer.expect("a thread");
    writer.add(1, vec![change(1)]);
    writer.hand_over();
    writer.add(2, vec![change(2)]);
    assert_eq!(writer.written().await.batch, 1);
    assert_eq!(writer.written().await.batch, 2);
    assert_eq!(
        *groups.lock().expect("not poisoned"),
        [vec![job(1)], vec![job(2)]]
    );
}

#[tokio::test]
async fn an_end_writes_what_has_gathered() {
    let (mut writer, go, groups) = held();
    writer.add(1, vec![change(1)]);
    writer.hand_over();
    writer.add(2, vec![change(2)]);
    go.send(()).expect("it waits");
    go.send(()).expect("it waits");
    writer.finish().await;
    assert_eq!(groups.lock().expect("not poisoned").len(), 2);
}

#[tokio::test]
async fn a_store_that_fails_does_not_keep_the_thread() {
    let (gone, ended) = std::sync::mpsc::channel::<()>();
    let writer = Writer::<()>::start(
        move |_| {
            // Dropped with the thread.
            let _held = &gone;
            Err(full())
        },
        || {},
    );
    let mut writer = writer.expect("a thread");
    writer.add(1, vec![change(1)]);
    writer.hand_over();
    drop(writer);
    let wait = std::time::Duration::from_secs(30);
    assert_eq!(
        ended.recv_timeout(wait),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
    );
}
