//! Waits for the end of a container, brings it about, and takes everything away.

use std::time::Duration;

use containerd_client::services::v1::snapshots::RemoveSnapshotRequest;
use containerd_client::services::v1::{
    DeleteContainerRequest, DeleteTaskRequest, GetContainerRequest, GetRequest, KillRequest,
    ResumeTaskRequest, WaitRequest,
};
use containerd_client::types::v1::{Process, Status};
use kerf_types::ContainerRef;
use nix::sys::signal::Signal;
use tonic::Code;

use super::super::config::LauncherConfig;
use super::super::engine::{Engine, LAUNCH, QUICK, optional};
use super::super::error::{LauncherError, chain};
use super::super::image;
use super::super::terminal::Files;
use super::{Exit, StartRequest, labels, orphan, timestamp};

/// Pauses while containerd is away, growing: a restart takes a second, an upgrade minutes.
const RETRY: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// The pause after those.
const LAST_RETRY: Duration = Duration::from_secs(2);

/// How long a container may take to be gone after SIGKILL: its processes can sit in a driver call.
const KILL_LIMIT: Duration = Duration::from_secs(30);

/// Waits until a container has ended, over restarts of containerd: the container lives on during
/// those, and its shim keeps the exit code.
pub(in crate::launcher) async fn wait(
    engine: &Engine,
    container: &ContainerRef,
) -> Result<Exit, LauncherError> {
    let mut pauses = RETRY.iter();
    loop {
        match wait_once(engine, container).await {
            Ok(Some(exit)) => return Ok(exit),
            Ok(None) => {}
            Err(error) if error.is_transient() => {
                let error = chain(&error);
                tracing::debug!(container.id = container.id, error, "wait interrupted");
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pauses.next().copied().unwrap_or(LAST_RETRY)).await;
    }
}

/// One wait; `None` when it ended without an answer, and a look at the container tells more: its
/// shim died in the middle, or somebody deleted it.
async fn wait_once(
    engine: &Engine,
    container: &ContainerRef,
) -> Result<Option<Exit>, LauncherError> {
    let process = process(engine, container).await?;
    let Some(process) = process else {
        return Err(gone(engine, container).await?);
    };
    if let Some(exit) = exit_of(&process) {
        return Ok(Some(exit));
    }
    let request = WaitRequest {
        container_id: container.id.clone(),
        exec_id: String::new(),
    };
    match engine.tasks().wait(request).await {
        Ok(answer) => {
            let answer = answer.into_inner();
            Ok(Some(Exit {
                code: answer.exit_status,
                at: timestamp(answer.exited_at),
            }))
        }
        Err(status) => match engine.fault("wait for the container", &status) {
            LauncherError::Engine { .. } => Ok(None),
            error => Err(error),
        },
    }
}

/// Why a container has no task: it is not known, or its shim is gone.
async fn gone(engine: &Engine, container: &ContainerRef) -> Result<LauncherError, LauncherError> {
    let request = GetContainerRequest {
        id: container.id.clone(),
    };
    let mut containers = engine.containers();
    let found = engine.ask("look for the container", QUICK, containers.get(request));
    let container = container.clone();
    Ok(match optional(found.await)? {
        Some(_) => LauncherError::ExitUnknown { container },
        None => LauncherError::NotFound { container },
    })
}

/// The container's first process as its shim knows it.
async fn process(
    engine: &Engine,
    container: &ContainerRef,
) -> Result<Option<Process>, LauncherError> {
    let request = GetRequest {
        container_id: container.id.clone(),
        exec_id: String::new(),
    };
    let mut tasks = engine.tasks();
    let found = engine.ask("look for the container", QUICK, tasks.get(request));
    Ok(optional(found.await)?.and_then(|answer| answer.process))
}

/// How a process ended, if it has.
pub(super) fn exit_of(process: &Process) -> Option<Exit> {
    (process.status() == Status::Stopped).then(|| Exit {
        code: process.exit_status,
        at: timestamp(process.exited_at),
    })
}

/// Ends a container: SIGTERM, and SIGKILL when `grace` is over.
pub(in crate::launcher) async fn stop(
    engine: &Engine,
    container: &ContainerRef,
    grace: Duration,
) -> Result<Exit, LauncherError> {
    signal(engine, container, Signal::SIGTERM).await?;
    if let Ok(exit) = tokio::time::timeout(grace, wait(engine, container)).await {
        return exit;
    }
    tracing::info!(
        container.id = container.id,
        "container not ended in time, killed"
    );
    kill(engine, container).await
}

/// Ends a container at once.
async fn kill(engine: &Engine, container: &ContainerRef) -> Result<Exit, LauncherError> {
    signal(engine, container, Signal::SIGKILL).await?;
    resume(engine, container).await;
    let ended = tokio::time::timeout(KILL_LIMIT, wait(engine, container)).await;
    ended.map_err(|_| LauncherError::TimedOut {
        operation: "kill the container",
        limit: KILL_LIMIT,
    })?
}

/// Lets a container that somebody froze run on, since it cannot die before. Not every runtime needs
/// that: what it says is of no interest, and whether the container ends is seen by waiting.
async fn resume(engine: &Engine, container: &ContainerRef) {
    let found = process(engine, container).await;
    let frozen = matches!(found, Ok(Some(process)) if process.status() == Status::Paused);
    if !frozen {
        return;
    }
    let request = ResumeTaskRequest {
        container_id: container.id.clone(),
    };
    let mut tasks = engine.tasks();
    let resumed = engine.ask("thaw the container", QUICK, tasks.resume(request));
    if let Err(error) = resumed.await {
        let error = chain(&error);
        tracing::debug!(container.id = container.id, error, "container not thawed");
    }
}

/// Sends a signal; a container that has ended meanwhile is what was wanted.
async fn signal(
    engine: &Engine,
    container: &ContainerRef,
    signal: Signal,
) -> Result<(), LauncherError> {
    let request = KillRequest {
        container_id: container.id.clone(),
        exec_id: String::new(),
        // Signal numbers are small and positive.
        signal: u32::try_from(signal as i32).unwrap_or_default(),
        all: false,
    };
    let mut tasks = engine.tasks();
    let sent = engine.ask("signal the container", QUICK, tasks.kill(request));
    optional(sent.await).map(drop)
}

/// Takes a container away with everything that belongs to it; its logs stay. What is not there is
/// no error.
pub(in crate::launcher) async fn remove(
    engine: &Engine,
    config: &LauncherConfig,
    container: &ContainerRef,
) -> Result<(), LauncherError> {
    let request = GetContainerRequest {
        id: container.id.clone(),
    };
    let mut containers = engine.containers();
    let found = engine.ask("look for the container", QUICK, containers.get(request));
    let record = optional(found.await)?.and_then(|answer| answer.container);
    // Without a record a snapshot may be left, of a start of which kerfd did not see the end.
    let (snapshotter, log_dir) = match record {
        Some(record) => (
            record.snapshotter,
            record.labels.get(&labels().log_dir).cloned(),
        ),
        None => (image::snapshotter(engine, config).await?, None),
    };
    let mut left = remove_parts(engine, config, container, &snapshotter).await?;
    if let Some(log_dir) = log_dir
        && let Err(error) = Files::new(log_dir.as_ref()).clear()
    {
        left.push(chain(&error));
    }
    if left.is_empty() {
        return Ok(());
    }
    Err(LauncherError::Left {
        container: container.clone(),
        left,
    })
}

/// Takes away all that a failed start has made; gives what could not be.
pub(super) async fn remove_all(
    engine: &Engine,
    config: &LauncherConfig,
    request: &StartRequest,
    snapshotter: &str,
) -> Vec<String> {
    let files = Files::new(&request.log_dir).clear();
    let parts = remove_parts(engine, config, &request.container, snapshotter).await;
    let mut left = parts.unwrap_or_else(|error| vec![chain(&error)]);
    left.extend(files.err().map(|error| chain(&error)));
    left
}

/// Task, record and snapshot, in this order, each whatever became of the one before; only a
/// containerd that does not answer ends it.
async fn remove_parts(
    engine: &Engine,
    config: &LauncherConfig,
    container: &ContainerRef,
    snapshotter: &str,
) -> Result<Vec<String>, LauncherError> {
    let mut left = Vec::new();
    let known = process(engine, container).await?;
    match known {
        Some(found) => note(remove_task(engine, container, &found).await, &mut left)?,
        None => left.extend(orphan::sweep(config, container).await),
    }
    let id = container.id.clone();
    let request = DeleteContainerRequest { id: id.clone() };
    let mut containers = engine.containers();
    let deleted = engine.ask("delete the container", QUICK, containers.delete(request));
    note(deleted.await, &mut left)?;
    let request = RemoveSnapshotRequest {
        snapshotter: snapshotter.to_owned(),
        key: id,
    };
    let mut snapshots = engine.snapshots();
    let removed = engine.ask("remove the snapshot", LAUNCH, snapshots.remove(request));
    note(removed.await, &mut left)?;
    Ok(left)
}

/// Adds a failure to the list; that something is not there is none.
fn note(result: Result<(), LauncherError>, left: &mut Vec<String>) -> Result<(), LauncherError> {
    match result {
        Err(error) if error.is_transient() => Err(error),
        Err(error) if error.has_code(Code::NotFound) => Ok(()),
        Err(error) => {
            left.push(chain(&error));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

async fn remove_task(
    engine: &Engine,
    container: &ContainerRef,
    found: &Process,
) -> Result<(), LauncherError> {
    if exit_of(found).is_none() {
        match kill(engine, container).await {
            Ok(_) | Err(LauncherError::ExitUnknown { .. } | LauncherError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let request = DeleteTaskRequest {
        container_id: container.id.clone(),
    };
    let mut tasks = engine.tasks();
    let deleted = engine.ask("delete the task", LAUNCH, tasks.delete(request));
    deleted.await.map(drop)
}
