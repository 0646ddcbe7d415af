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

use super::Inner;
use super::container::{End, clear_up, exists, find, wait_for_exit};
use super::start::{Stop, begin};
use crate::errors::chain;
use crate::host::{Command, HostError, now};
use crate::store::JobRow;

/// Time between two tries to reach containerd, or to write to a store that fails.
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// Moves a job along until it has ended and nothing of it is left.
pub(super) async fn resume(inner: Arc<Inner>, id: JobId) {
    live(&inner, id).await;
    inner.clear(id);
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

async fn watch(inner: &Inner, id: JobId, spec: &JobSpec, container: &str) -> End {
    if let Some(end) = find(inner, id, container).await {
        return end;
    }
    let end = tokio::select! {
        exit = wait_for_exit(inner, container) => exit,
        () = cancelled(inner, id) => End::Cancelled,
        () = time_is_up(inner, id, spec) => End::TimeLimit,
    };
    if matches!(end, End::Cancelled | End::TimeLimit) {
        let grace = Duration::from_secs(spec.checkpoint_grace_seconds);
        let stopped = match inner.launcher.container(container) {
            Ok(container) => inner.launcher.stop(&container, grace).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = stopped {
            tracing::warn!(job.id = %id, error = chain(&error), "container does not stop");
        }
    }
    end
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

async fn time_is_up(inner: &Inner, id: JobId, spec: &JobSpec) {
    let Some(limit) = spec.time_limit_seconds else {
        return std::future::pending().await;
    };
    let started = inner.row(id).and_then(|row| row.started).unwrap_or(now());
    let left = limit.saturating_sub(started.seconds_until(now()));
    tokio::time::sleep(Duration::from_secs(left)).await;
}

/// Writes down what becomes of a job whose container has ended, and only then clears up after the container:
/// a kerfd that ends in between still knows how the job ended. Returns whether the job goes on with another
/// one.
async fn again(inner: &Inner, id: JobId, spec: &JobSpec, end: End) -> bool {
    let Some(row) = inner.row(id) else {
        return false;
    };
    let restart = match (&end, spec.restart) {
        (End::Cancelled | End::TimeLimit, _) | (_, RestartPolicy::Never) => false,
        (End::Exit(0), RestartPolicy::OnFailure { .. }) => false,
        (_, RestartPolicy::OnFailure { max }) => row.restarts < max,
        (_, RestartPolicy::Always) => true,
    };
    let restart = restart && !row.cancel_requested;
    if restart {
        let kept = inner.insist(id, |row| {
            row.restarts += 1;
            to_pending(row, "started again by its restart policy");
        });
        if !kept.await {
            return false;
        }
    } else {
        let (state, code, why) = last_words(end);
        inner.end(id, state, code, &why).await;
    }
    if let Some(container) = &row.container {
        clear_up(inner, id, container).await;
    }
    give_back(inner, row.lease).await;
    if restart {
        // A container that ends at once must not keep the host busy.
        tokio::time::sleep(Duration::from_secs(u64::from(row.restarts.min(30)))).await;
    }
    restart
}

/// How a job ends with the end of its last container.
fn last_words(end: End) -> (JobState, Option<i32>, String) {
    match end {
        End::Exit(0) => (JobState::Succeeded, Some(0), "exit code 0".to_owned()),
        End::Exit(code) => (JobState::Failed, Some(code), format!("exit code {code}")),
        End::Cancelled => (JobState::Cancelled, None, "cancelled".to_owned()),
        End::TimeLimit => {
            let why = "its time limit has passed".to_owned();
            (JobState::Failed, None, why)
        }
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

pub(super) fn mark_running(inner: &Inner, id: JobId) {
    let kept = inner.update(id, |row| {
        if row.state != JobState::Running {
            row.state = JobState::Running;
            row.started = Some(now());
            "its container runs".clone_into(&mut row.reason);
        }
    });
    if let Err(error) = kept {
        tracing::warn!(job.id = %id, error = chain(&error), "job state not kept");
    }
}

/// Says why a job is where it is, without writing the same words again.
pub(super) fn note(inner: &Inner, id: JobId, state: JobState, why: &str) {
    let known = inner
        .row(id)
        .is_some_and(|row| row.state == state && row.reason == why);
    if !known
        && let Err(error) = inner.update(id, |row| {
            row.state = state;
            why.clone_into(&mut row.reason);
        })
    {
        tracing::warn!(job.id = %id, error = chain(&error), "job state not kept");
    }
}
