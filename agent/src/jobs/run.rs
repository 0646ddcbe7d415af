//! The life of one job, as one task.
//!
//! ```text
//!   Pending: wait for a slice ─► Starting: make the container ─► Running: wait for its end ─► final
//!      ▲                                                              │ restart policy
//!      └──────────────────────────────────────────────────────────────┘
//! ```
//! Each arrow is in the store before it is acted upon, so that a kerfd that starts again goes on from the
//! same place.

use std::sync::Arc;
use std::time::Duration;

use kerf_types::job::{JobSpec, JobState, RestartPolicy};
use kerf_types::lease::Lease;
use kerf_types::{JobId, LeaseId};

use super::container::{End, clear_up, exists, find, stop, wait_for_exit};
use super::inner::Inner;
use super::start::{Stop, begin};
use crate::errors::chain;
use crate::host::{Command, HostError, now};
use crate::process::BootMoment;
use crate::store::{JobRow, StopCause, Stopping};

/// Time between two tries to reach containerd, or to write to a store that fails.
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// Time between two looks at the clock of the boot: tokio's own stands still while the host is suspended.
const CLOCK_LOOK: Duration = Duration::from_secs(60);

/// Moves a job along until it has ended and nothing of it is left.
pub(super) async fn resume(inner: Arc<Inner>, id: JobId) {
    live(&inner, id).await;
    // The last of its output came while its container was taken away.
    inner.cut_logs(id);
    inner.clear(id);
    inner.let_console_go(id).await;
}

async fn live(inner: &Inner, id: JobId) {
    let Some(spec) = inner.spec(id) else { return };
    loop {
        let Some(row) = inner.row(id) else { return };
        let end = match (row.state, &row.container) {
            (JobState::Pending, _) | (_, None) => match begin(inner, &row, &spec).await {
                Ok(container) => watch(inner, id, &spec, &container).await,
                Err(Stop::Ended) => return,
            },
            (JobState::Starting, Some(container)) if !exists(inner, id, container).await => {
                // kerfd ended before the container was made: nothing of it ran.
                give_back(inner, row.lease).await;
                back_to_pending(inner, id, "its container was not made; it tries again").await;
                continue;
            }
            (JobState::Starting | JobState::Running, Some(container)) => {
                watch(inner, id, &spec, container).await
            }
            _ => return,
        };
        if !again(inner, id, &spec, end).await {
            return;
        }
    }
}

/// Follows a container to its end. An end that kerfd began is gone on with after a restart, whatever it began
/// for.
async fn watch(inner: &Inner, id: JobId, spec: &JobSpec, container: &str) -> End {
    if let Some(stopping) = inner.row(id).and_then(|row| row.stopping) {
        return stop_reading(inner, id, spec, container, &stopping).await;
    }
    let seen = async {
        if let Some(end) = find(inner, id, container).await {
            return end;
        }
        if spec.terminal {
            inner.reopen_console(id, container).await;
        }
        wait_for_exit(inner, container).await
    };
    let cause = tokio::select! {
        end = seen => return end,
        () = cancelled(inner, id) => StopCause::Cancel,
        () = time_is_up(inner, id, spec) => StopCause::TimeLimit,
    };
    let stopping = intend_stop(inner, id, spec, cause);
    stop_reading(inner, id, spec, container, &stopping).await
}

/// Ends a container, whose terminal is read meanwhile: a job that cannot print cannot end by itself.
async fn stop_reading(
    inner: &Inner,
    id: JobId,
    spec: &JobSpec,
    container: &str,
    stopping: &Stopping,
) -> End {
    let reading = async {
        if spec.terminal {
            inner.reopen_console(id, container).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        end = stop(inner, id, container, stopping) => end,
        end = reading => end,
    }
}

/// Writes down that a container is to end, before it is told: a kerfd that starts in the middle of it must
/// take that end neither for a failure nor for a reason to start again. A store that fails does not keep a
/// container running.
fn intend_stop(inner: &Inner, id: JobId, spec: &JobSpec, cause: StopCause) -> Stopping {
    let now = BootMoment::now();
    let stopping = Stopping {
        cause,
        deadline: now.after(Duration::from_secs(spec.checkpoint_grace_seconds)),
    };
    let kept = inner.update(id, |row| {
        row.runs_since.get_or_insert(now);
        row.stopping = Some(stopping.clone());
    });
    if let Err(error) = kept {
        tracing::warn!(job.id = %id, error = chain(&error), "the end of a job is not kept");
    }
    stopping
}

pub(super) async fn cancelled(inner: &Inner, id: JobId) {
    let receiver = inner.table().get(&id).map(|entry| entry.row.subscribe());
    if let Some(mut row) = receiver
        && row.wait_for(|row| row.cancel_requested).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Returns when the time limit has passed, by the clock of this boot: it goes on over suspends, and nobody
/// sets it.
async fn time_is_up(inner: &Inner, id: JobId, spec: &JobSpec) {
    let Some(limit) = spec.time_limit_seconds else {
        return std::future::pending().await;
    };
    let since = inner.row(id).and_then(|row| row.runs_since);
    let since = since.unwrap_or_else(BootMoment::now);
    let deadline = since.after(Duration::from_secs(limit));
    loop {
        let left = deadline.left(&BootMoment::now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(CLOCK_LOOK)).await;
    }
}

/// Writes down what becomes of a job whose container has ended, and only then clears up after the container:
/// a kerfd that ends in between still knows how the job ended. Returns whether the job goes on with another
/// one.
async fn again(inner: &Inner, id: JobId, spec: &JobSpec, end: End) -> bool {
    let Some(row) = inner.row(id) else {
        return false;
    };
    let stopped = cause_of(&row, &end);
    let restart = match (&end, spec.restart) {
        _ if stopped.is_some() || row.cancel_requested => false,
        (_, RestartPolicy::Never) | (End::Exit(0), RestartPolicy::OnFailure { .. }) => false,
        (_, RestartPolicy::OnFailure { max }) => row.restarts < max,
        (_, RestartPolicy::Always) => true,
    };
    if restart {
        let kept = inner.insist(id, |row| {
            row.restarts += 1;
            to_pending(row, "started again by its restart policy");
        });
        if !kept.await {
            return false;
        }
    } else {
        let (state, code, why) = match stopped {
            Some(cause) => stopped_words(cause),
            None => last_words(end),
        };
        inner.end(id, state, code, &why).await;
    }
    if let Some(container) = &row.container {
        clear_up(inner, id, container).await;
    }
    inner.drain_console(id).await;
    give_back(inner, row.lease).await;
    if restart {
        // Who attaches now waits for the terminal of the next container.
        inner.forget_console(id);
        rest(row.restarts, cancelled(inner, id)).await;
    }
    restart
}

/// A container that ends at once must not keep the host busy. A cancel is not kept waiting by it.
async fn rest(restarts: u32, cancelled: impl Future<Output = ()>) {
    let pause = Duration::from_secs(restarts.min(30).into());
    // It has passed, or the next try ends at once because of the cancel.
    drop(tokio::time::timeout(pause, cancelled).await);
}

/// Why kerfd ended a container, if it did: what it wrote down before counts for a container that ended while
/// no kerfd was there, and so does a cancel that came too late for one that failed.
fn cause_of(row: &JobRow, end: &End) -> Option<StopCause> {
    let begun = row.stopping.as_ref().map(|stopping| stopping.cause);
    match end {
        End::Stopped(cause) => Some(*cause),
        End::Exit(0) => begun,
        _ => begun.or(row.cancel_requested.then_some(StopCause::Cancel)),
    }
}

/// How a job ends that kerfd ended.
fn stopped_words(cause: StopCause) -> (JobState, Option<i32>, String) {
    match cause {
        StopCause::Cancel => (JobState::Cancelled, None, "cancelled".to_owned()),
        StopCause::TimeLimit => {
            let why = "its time limit has passed".to_owned();
            (JobState::Failed, None, why)
        }
    }
}

/// How a job ends with the end of its last container.
fn last_words(end: End) -> (JobState, Option<i32>, String) {
    match end {
        End::Exit(0) => (JobState::Succeeded, Some(0), "exit code 0".to_owned()),
        End::Exit(code) => (JobState::Failed, Some(code), format!("exit code {code}")),
        End::OutOfMemory(code) => {
            let why = format!("exit code {code}: out of memory, a process met the memory limit");
            (JobState::Failed, Some(code), why)
        }
        End::Stopped(cause) => stopped_words(cause),
        End::Lost(why) => (JobState::Lost, None, why),
    }
}

/// Lets a job wait for a slice again; nothing of its last try is left.
pub(super) async fn back_to_pending(inner: &Inner, id: JobId, why: &str) {
    inner.insist(id, |row| to_pending(row, why)).await;
}

fn to_pending(row: &mut JobRow, why: &str) {
    row.state = JobState::Pending;
    row.container = None;
    row.lease = None;
    row.started = None;
    row.runs_since = None;
    why.clone_into(&mut row.reason);
}

/// A promised slice whose container does not come is given back at once; one that a container had ends with
/// that container, and the owner of leases sees to it.
pub(super) async fn give_back(inner: &Inner, lease: Option<LeaseId>) {
    if let Some(lease) = lease {
        let ended: Result<Lease, HostError> = inner
            .host
            .ask(|reply| Command::Release {
                lease,
                by: None,
                reply,
            })
            .await;
        if let Err(error) = ended {
            tracing::debug!(lease.id = %lease, %error, "lease ends with its container");
        }
    }
}

pub(super) fn is_cancelled(inner: &Inner, id: JobId) -> bool {
    inner.row(id).is_none_or(|row| row.cancel_requested)
}

/// Says that the container runs, whatever was said before.
pub(super) fn mark_running(inner: &Inner, id: JobId) {
    let kept = inner.update(id, |row| {
        row.state = JobState::Running;
        row.started.get_or_insert_with(now);
        row.runs_since.get_or_insert_with(BootMoment::now);
        "its container runs".clone_into(&mut row.reason);
    });
    if let Err(error) = kept {
        tracing::warn!(job.id = %id, error = chain(&error), "job state not kept");
    }
}

/// Says why a job stays where it is.
pub(super) fn note(inner: &Inner, id: JobId, why: &str) {
    if let Err(error) = inner.update(id, |row| why.clone_into(&mut row.reason)) {
        tracing::warn!(job.id = %id, error = chain(&error), "job state not kept");
    }
}

#[cfg(test)]
mod tests;
