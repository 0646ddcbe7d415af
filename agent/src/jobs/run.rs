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
use std::time::{Duration, Instant};

use kerf_types::job::{JobSpec, JobState, RestartPolicy};
use kerf_types::lease::{Holder, Lease};
use kerf_types::{Ask, ContainerRef, JobId, LeaseId};

use super::Inner;
use super::container::{End, exists, find, remove, wait_for_exit};
use crate::errors::chain;
use crate::host::{Command, HostError, Reserve, Wanted, now};
use crate::launcher::StartRequest;
use crate::store::JobRow;

/// Time between two tries of a waiting job when nothing changes on the host, and between two tries to
/// reach containerd.
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// Moves a job along until it has ended.
pub(super) async fn resume(inner: Arc<Inner>, id: JobId) {
    let Some(spec) = inner.spec(id) else { return };
    loop {
        let Some(row) = inner.row(id) else { return };
        let end = match (row.state, &row.container) {
            (JobState::Pending, _) | (_, None) => match begin(&inner, &row, &spec).await {
                Ok(container) => watch(&inner, id, &spec, &container).await,
                Err(Stop::Ended) => return,
            },
            (JobState::Starting, Some(container)) if !exists(&inner, id, container).await => {
                // kerfd ended before the container was made: nothing of it ran.
                give_back(&inner, row.lease).await;
                note(
                    &inner,
                    id,
                    JobState::Pending,
                    "its container was not made; it tries again",
                );
                continue;
            }
            (JobState::Starting | JobState::Running, Some(container)) => {
                watch(&inner, id, &spec, container).await
            }
            _ => return,
        };
        if !again(&inner, id, &spec, end).await {
            return;
        }
    }
}

/// The job has been given its final state.
enum Stop {
    Ended,
}

async fn begin(inner: &Inner, row: &JobRow, spec: &JobSpec) -> Result<String, Stop> {
    let id = row.id;
    let name = format!("kerf-{id}-{}", row.restarts);
    let container = match inner.launcher.container(&name) {
        Ok(container) => container,
        Err(error) => {
            inner.end(id, JobState::Failed, None, &chain(&error));
            return Err(Stop::Ended);
        }
    };
    let lease = match &spec.accelerator {
        Some(ask) => Some(wait_for_slice(inner, id, ask, &container).await?),
        None => None,
    };
    let lease_id = lease.as_ref().map(|lease| lease.id);
    loop {
        if is_cancelled(inner, id) {
            give_back(inner, lease_id).await;
            inner.end(id, JobState::Cancelled, None, "cancelled before it started");
            return Err(Stop::Ended);
        }
        let starting = inner.update(id, |row| {
            row.state = JobState::Starting;
            row.container = Some(name.clone());
            row.lease = lease_id;
            "its container is being made".clone_into(&mut row.reason);
        });
        let request = StartRequest {
            container: container.clone(),
            job: id,
            spec: spec.clone(),
            lease: lease_id,
            log_dir: inner.log_dir(id),
            restarts: row.restarts,
            stdin: false,
            terminal_size: None,
        };
        let outcome = match starting {
            Ok(()) => inner.launcher.start(request).await,
            Err(error) => {
                tracing::warn!(job.id = %id, error = chain(&error), "job not kept");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        match outcome {
            Ok(started) => {
                if let Some(terminal) = started.terminal
                    && let Some(entry) = inner.table().get_mut(&id)
                {
                    entry.terminal = Some(terminal);
                }
                mark_running(inner, id);
                return Ok(name);
            }
            Err(error) if error.is_transient() => {
                note(inner, id, JobState::Starting, &chain(&error));
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => {
                give_back(inner, lease_id).await;
                inner.end(id, JobState::Failed, None, &chain(&error));
                return Err(Stop::Ended);
            }
        }
    }
}

/// Tries for a slice until it has one or the job is cancelled. A refusal that waiting cannot mend ends it.
async fn wait_for_slice(
    inner: &Inner,
    id: JobId,
    ask: &Ask,
    container: &ContainerRef,
) -> Result<Lease, Stop> {
    let mut changes = inner.host.watch();
    loop {
        if is_cancelled(inner, id) {
            inner.end(id, JobState::Cancelled, None, "cancelled while it waited");
            return Err(Stop::Ended);
        }
        let request = Reserve {
            wanted: Wanted::Ask(ask.clone()),
            holder: Holder::Container(container.clone()),
            ttl: inner.config.launch.reservation_ttl,
        };
        let outcome = {
            let _turn = inner.turn.lock().await;
            let begun = Instant::now();
            let outcome = inner
                .host
                .ask(|reply| Command::Reserve { request, reply })
                .await;
            let word = if outcome.is_ok() { "placed" } else { "waits" };
            inner.metrics.decisions.inc([word]);
            inner
                .metrics
                .decision_duration
                .observe(begun.elapsed().as_secs_f64());
            outcome
        };
        match outcome {
            Ok(lease) => return Ok(lease),
            Err(error @ (HostError::Invalid(_) | HostError::Unknown { .. })) => {
                inner.end(id, JobState::Failed, None, &chain(&error));
                return Err(Stop::Ended);
            }
            Err(error) => note(inner, id, JobState::Pending, &chain(&error)),
        }
        let mut own = match inner.table().get(&id) {
            Some(entry) => entry.row.subscribe(),
            None => return Err(Stop::Ended),
        };
        tokio::select! {
            _ = changes.changed() => {}
            _ = own.wait_for(|row| row.cancel_requested) => {}
            () = tokio::time::sleep(RETRY) => {}
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

async fn cancelled(inner: &Inner, id: JobId) {
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

/// Clears up after a container. Returns whether the job goes on with another one.
async fn again(inner: &Inner, id: JobId, spec: &JobSpec, end: End) -> bool {
    let Some(row) = inner.row(id) else {
        return false;
    };
    if let Some(container) = &row.container
        && let Err(error) = remove(inner, container).await
    {
        tracing::warn!(job.id = %id, error = chain(&error), "container remains");
    }
    give_back(inner, row.lease).await;
    let restart = match (&end, spec.restart) {
        (End::Cancelled | End::TimeLimit, _) | (_, RestartPolicy::Never) => false,
        (End::Exit(0), RestartPolicy::OnFailure { .. }) => false,
        (_, RestartPolicy::OnFailure { max }) => row.restarts < max,
        (_, RestartPolicy::Always) => true,
    };
    if restart && !row.cancel_requested {
        let kept = inner.update(id, |row| {
            row.state = JobState::Pending;
            row.restarts += 1;
            row.container = None;
            row.lease = None;
            "started again by its restart policy".clone_into(&mut row.reason);
        });
        if kept.is_ok() {
            // A container that ends at once must not keep the host busy.
            tokio::time::sleep(Duration::from_secs(u64::from(row.restarts.min(30)))).await;
            return true;
        }
    }
    match end {
        End::Exit(0) => inner.end(id, JobState::Succeeded, Some(0), "exit code 0"),
        End::Exit(code) => {
            inner.end(
                id,
                JobState::Failed,
                Some(code),
                &format!("exit code {code}"),
            );
        }
        End::Cancelled => inner.end(id, JobState::Cancelled, None, "cancelled"),
        End::TimeLimit => inner.end(id, JobState::Failed, None, "its time limit has passed"),
        End::Lost(why) => inner.end(id, JobState::Lost, None, &why),
    }
    false
}

/// A promised slice whose container does not come is given back at once; one that a container had ends with
/// that container, and the owner of leases sees to it.
async fn give_back(inner: &Inner, lease: Option<LeaseId>) {
    if let Some(lease) = lease {
        let ended: Result<Lease, HostError> = inner
            .host
            .ask(|reply| Command::Release { lease, reply })
            .await;
        if let Err(error) = ended {
            tracing::debug!(lease.id = %lease, %error, "lease ends with its container");
        }
    }
}

fn is_cancelled(inner: &Inner, id: JobId) -> bool {
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
