//! The container of a job, as the job's task sees it.

use kerf_types::JobId;
use kerf_types::job::JobState;

use super::Inner;
use super::run::{RETRY, mark_running, note};
use crate::errors::chain;
use crate::launcher::{ContainerStatus, Exit, LauncherError};

/// How a container ended.
pub(super) enum End {
    Exit(i32),
    Cancelled,
    TimeLimit,
    Lost(String),
}

/// Whether a container was started; one that was only prepared is removed.
pub(super) async fn exists(inner: &Inner, id: JobId, container: &str) -> bool {
    loop {
        match inner.launcher.list().await {
            Ok(views) => {
                let found = views
                    .into_iter()
                    .find(|view| view.container.id == container);
                if found.is_some_and(|view| !is_unstarted(view.status)) {
                    return true;
                }
                clear_up(inner, id, container).await;
                return false;
            }
            Err(error) => {
                note(inner, id, JobState::Starting, &chain(&error));
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Looks for the container, which an earlier kerfd may have started: `None` when it runs.
pub(super) async fn find(inner: &Inner, id: JobId, container: &str) -> Option<End> {
    loop {
        match inner.launcher.list().await {
            Ok(views) => {
                let found = views
                    .into_iter()
                    .find(|view| view.container.id == container);
                return match found.map(|view| view.status) {
                    Some(ContainerStatus::Running | ContainerStatus::Paused) => {
                        mark_running(inner, id);
                        None
                    }
                    Some(ContainerStatus::Ended(exit)) => Some(End::Exit(code(exit))),
                    Some(ContainerStatus::Created | ContainerStatus::Dead) | None => Some(
                        End::Lost("its container is gone, and nobody saw its end".to_owned()),
                    ),
                };
            }
            Err(error) => {
                note(inner, id, JobState::Running, &chain(&error));
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

pub(super) async fn wait_for_exit(inner: &Inner, container: &str) -> End {
    let container = match inner.launcher.container(container) {
        Ok(container) => container,
        Err(error) => return End::Lost(chain(&error)),
    };
    loop {
        match inner.launcher.wait(&container).await {
            Ok(exit) => return End::Exit(code(exit)),
            Err(error) if error.is_transient() => tokio::time::sleep(RETRY).await,
            Err(error) => return End::Lost(chain(&error)),
        }
    }
}

/// Takes a container away; one that cannot be is told about and looked at again when kerfd starts.
pub(super) async fn clear_up(inner: &Inner, id: JobId, container: &str) {
    if let Err(error) = remove(inner, container).await {
        tracing::warn!(job.id = %id, error = chain(&error), "container remains");
    }
}

async fn remove(inner: &Inner, container: &str) -> Result<(), LauncherError> {
    let container = inner.launcher.container(container)?;
    loop {
        match inner.launcher.remove(&container).await {
            Err(error) if error.is_transient() => tokio::time::sleep(RETRY).await,
            outcome => return outcome,
        }
    }
}

fn is_unstarted(status: ContainerStatus) -> bool {
    matches!(status, ContainerStatus::Created | ContainerStatus::Dead)
}

/// The kernel's exit codes have eight bits.
fn code(exit: Exit) -> i32 {
    i32::try_from(exit.code).unwrap_or(i32::MAX)
}
