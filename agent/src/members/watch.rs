//! A running member to its end.
//!
//! An end that kerfd brings about is in the store before anything is told of it, so that a kerfd that starts again
//! goes on with it from the same place.

use std::time::Duration;

use kerf_scheduler::core::LocalEvent;
use kerf_types::job::JobSpec;
use kerf_types::peer::{Exit, Grant, Tag};

use super::container::{End, clear_up, find, stop, wait_for_exit};
use super::guard;
use super::inner::Inner;
use super::orders::Orders;
use super::reserve::release;
use crate::errors::chain;
use crate::host::now;
use crate::process::BootMoment;
use crate::store::{RunRow, RunState, StopCause, Stopping};

/// Time between two tries to reach containerd, or to write to a store that fails.
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// Time between two looks at the clock of the boot: tokio's own stands still while the host is suspended.
const CLOCK_LOOK: Duration = Duration::from_secs(60);

/// How long an end waits to be told until the container and its lease are gone: whoever starts the job again would
/// find the devices taken. Longer, and a containerd that is away would hold back an end that was seen.
const TIDY: Duration = Duration::from_secs(2);

/// Follows a container that runs to its end, and tells it.
pub(super) async fn to_the_end(inner: &Inner, tag: Tag, orders: &mut Orders) {
    let Some((row, spec)) = inner.row_of(tag).zip(inner.spec(tag)) else {
        return;
    };
    let end = watch(inner, &row, &spec, orders).await;
    let seen = matches!(end, End::Exit(_) | End::OutOfMemory(_));
    let stopping = inner.row_of(tag).and_then(|row| row.stopping);
    let exit = exit_of(end, stopping.as_ref().map(|stopping| stopping.cause));
    inner.end(tag, &exit).await;
    if !seen {
        until_gone(inner, &row.container).await;
    }
    let mut tidying = std::pin::pin!(tidy(inner, tag, &row.container, row.grant));
    let tidied = tokio::time::timeout(TIDY, &mut tidying).await;
    inner.tell(tag, LocalEvent::Ended(exit));
    if tidied.is_err() {
        tidying.await;
    }
    inner.let_console_go(tag, &row.container).await;
}

/// Returns once nothing of a container is left. Nobody has seen it end, so it may run, and where its end is told
/// another one is started.
pub(super) async fn until_gone(inner: &Inner, container: &str) {
    while !clear_up(inner, container).await {
        tokio::time::sleep(RETRY).await;
    }
}

/// Takes away what is left of a member whose end is written down.
async fn tidy(inner: &Inner, tag: Tag, container: &str, grant: Grant) {
    if clear_up(inner, container).await {
        inner.guards.take_away(tag);
    }
    inner.drain_console(tag, container).await;
    // A lease that a container had ends with it; one that no container came to would wait for its time to pass.
    release(inner, grant).await;
    // The last of its output came while its container was taken away.
    inner.cut_logs(tag);
    inner.clear(tag).await;
}

/// Follows a container to its end. An end that kerfd began is gone on with after a restart, whatever it began
/// for.
async fn watch(inner: &Inner, row: &RunRow, spec: &JobSpec, orders: &mut Orders) -> End {
    let (tag, container) = (row.tag, row.container.as_str());
    if let Some(stopping) = &row.stopping {
        return stop_reading(inner, tag, spec, container, stopping).await;
    }
    let seen = async {
        if let Some(end) = find(inner, tag, container).await {
            return end;
        }
        if spec.terminal {
            inner.reopen_console(tag, container).await;
        }
        wait_for_exit(inner, container).await
    };
    let (cause, grace) = tokio::select! {
        end = seen => return end,
        grace = orders.stopped() => (StopCause::Cancel, grace),
        () = time_is_up(inner, tag, spec) => (StopCause::TimeLimit, grace_of(spec)),
        () = guard::passed(inner, tag) => (StopCause::Cancel, grace_of(spec)),
    };
    let stopping = intend_stop(inner, tag, cause, grace);
    stop_reading(inner, tag, spec, container, &stopping).await
}

fn grace_of(spec: &JobSpec) -> Duration {
    Duration::from_secs(spec.checkpoint_grace_seconds)
}

/// Ends a container, whose terminal is read meanwhile: a job that cannot print cannot end by itself.
async fn stop_reading(
    inner: &Inner,
    tag: Tag,
    spec: &JobSpec,
    container: &str,
    stopping: &Stopping,
) -> End {
    let reading = async {
        if spec.terminal {
            inner.reopen_console(tag, container).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        end = stop(inner, tag, container, stopping) => end,
        end = reading => end,
    }
}

/// Writes down that a container is to end, before it is told: a kerfd that starts in the middle of it must
/// take that end neither for a failure nor for a reason to start again. A store that fails does not keep a
/// container running.
fn intend_stop(inner: &Inner, tag: Tag, cause: StopCause, grace: Duration) -> Stopping {
    let now = BootMoment::now();
    let stopping = Stopping {
        cause,
        deadline: now.after(grace),
    };
    let kept = inner.update(tag, |row| {
        row.runs_since.get_or_insert(now);
        row.stopping = Some(stopping.clone());
    });
    if let Err(error) = kept {
        tracing::warn!(job.id = %tag.job, error = chain(&error), "the end of a member is not kept");
    }
    stopping
}

/// Returns when the time limit has passed, by the clock of this boot: it goes on over suspends, and nobody
/// sets it.
async fn time_is_up(inner: &Inner, tag: Tag, spec: &JobSpec) {
    let Some(limit) = spec.time_limit_seconds else {
        return std::future::pending().await;
    };
    let since = inner.row_of(tag).and_then(|row| row.runs_since);
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

/// How a member ended. What kerfd wrote down before counts for a container that ended while no kerfd was there.
fn exit_of(end: End, begun: Option<StopCause>) -> Exit {
    let exit = |code, reason| Exit {
        code,
        timed_out: false,
        reason,
    };
    match (end, begun) {
        (_, Some(StopCause::TimeLimit)) | (End::Stopped(StopCause::TimeLimit), _) => Exit {
            code: None,
            timed_out: true,
            reason: "its time limit has passed".to_owned(),
        },
        (_, Some(StopCause::Cancel)) | (End::Stopped(StopCause::Cancel), _) => {
            exit(None, "it was stopped".to_owned())
        }
        (End::Exit(code), None) => exit(Some(code), format!("exit code {code}")),
        (End::OutOfMemory(code), None) => {
            let why = format!("exit code {code}: out of memory, a process met the memory limit");
            exit(Some(code), why)
        }
        (End::Lost(why), None) => exit(None, why),
    }
}

/// Says that the container runs, whatever was said before.
pub(super) fn mark_running(inner: &Inner, tag: Tag) {
    let kept = inner.update(tag, |row| {
        row.state = RunState::Running;
        row.started.get_or_insert_with(now);
        row.runs_since.get_or_insert_with(BootMoment::now);
    });
    if let Err(error) = kept {
        tracing::warn!(job.id = %tag.job, error = chain(&error), "member not kept");
    }
    inner.note(tag, "its container runs");
}

#[cfg(test)]
mod tests;
