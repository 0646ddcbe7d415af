//! The container of a member, as the member's task sees it.

use std::time::Duration;

use kerf_types::peer::Tag;

use super::inner::Inner;
use super::watch::{RETRY, mark_running};
use crate::errors::chain;
use crate::launcher::{ContainerStatus, Exit, LauncherError};
use crate::process::BootMoment;
use crate::store::{StopCause, Stopping};

/// How often a container whose shim says nothing is asked for before it is taken to have started.
const SILENT_LOOKS: u32 = 5;

/// Why a job is where it is while its shim says nothing.
const SILENT: &str = "its shim does not answer containerd; it is asked again";

/// How a container ended.
pub(super) enum End {
    Exit(i32),
    /// It was killed by the kernel at its memory limit.
    OutOfMemory(i32),
    Stopped(StopCause),
    Lost(String),
}

/// What containerd says of one container; nothing where it has no record of it.
async fn look(inner: &Inner, container: &str) -> Result<Option<ContainerStatus>, LauncherError> {
    let views = inner.launcher.list().await?;
    let found = views
        .into_iter()
        .find(|view| view.container.id == container);
    Ok(found.map(|view| view.status))
}

/// Whether a container was started; one that was only prepared is removed. A shim that keeps silent has
/// something to be silent about: its container is not taken away.
pub(super) async fn exists(inner: &Inner, tag: Tag, container: &str) -> bool {
    let mut silent = 0;
    loop {
        match look(inner, container).await {
            Ok(None | Some(ContainerStatus::Created | ContainerStatus::Dead)) => {
                clear_up(inner, container).await;
                return false;
            }
            Ok(Some(ContainerStatus::Silent)) if silent < SILENT_LOOKS => {
                silent += 1;
                inner.note(tag, SILENT);
            }
            Ok(Some(_)) => return true,
            Err(error) => inner.note(tag, &chain(&error)),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Looks for the container, which an earlier kerfd may have started: `None` when it runs. It is lost only when
/// containerd has no task of it; whoever waits here listens for a cancel at the same time.
pub(super) async fn find(inner: &Inner, tag: Tag, container: &str) -> Option<End> {
    loop {
        match look(inner, container).await {
            Ok(Some(ContainerStatus::Running | ContainerStatus::Paused)) => {
                mark_running(inner, tag);
                return None;
            }
            Ok(Some(ContainerStatus::Ended(exit))) => {
                return Some(ended(inner, container, exit).await);
            }
            Ok(Some(ContainerStatus::Created | ContainerStatus::Dead) | None) => {
                let why = "its container is gone, and nobody saw its end";
                return Some(End::Lost(why.to_owned()));
            }
            Ok(Some(ContainerStatus::Silent)) => inner.note(tag, SILENT),
            Err(error) => inner.note(tag, &chain(&error)),
        }
        tokio::time::sleep(RETRY).await;
    }
}

pub(super) async fn wait_for_exit(inner: &Inner, container: &str) -> End {
    let name = match inner.launcher.container(container) {
        Ok(name) => name,
        Err(error) => return End::Lost(chain(&error)),
    };
    loop {
        match inner.launcher.wait(&name).await {
            Ok(exit) => return ended(inner, container, exit).await,
            Err(error) if error.is_transient() => tokio::time::sleep(RETRY).await,
            Err(error) => return End::Lost(chain(&error)),
        }
    }
}

/// Says whether memory was the reason, as long as the container's cgroup is there to tell.
async fn ended(inner: &Inner, container: &str, exit: Exit) -> End {
    // The kernel's exit codes have eight bits.
    let code = i32::try_from(exit.code).unwrap_or(i32::MAX);
    let name = inner.launcher.container(container);
    if code != 0 && name.is_ok_and(|name| inner.launcher.was_out_of_memory(&name)) {
        return End::OutOfMemory(code);
    }
    End::Exit(code)
}

/// Ends a container, however often containerd is away meanwhile. It has until the deadline to end by itself,
/// counted on over restarts of kerfd.
pub(super) async fn stop(inner: &Inner, tag: Tag, container: &str, stopping: &Stopping) -> End {
    let end = End::Stopped(stopping.cause);
    let Ok(name) = inner.launcher.container(container) else {
        return end;
    };
    loop {
        let grace: Duration = stopping.deadline.left(&BootMoment::now());
        match inner.launcher.stop(&name, grace).await {
            Ok(_) | Err(LauncherError::NotFound { .. } | LauncherError::ExitUnknown { .. }) => {
                return end;
            }
            Err(error) if error.is_transient() => {
                inner.note(tag, &format!("it is to end: {}", chain(&error)));
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => {
                // What is left of it is taken away by force in the next step.
                tracing::warn!(
                    container.id = container,
                    error = chain(&error),
                    "container does not stop"
                );
                return end;
            }
        }
    }
}

/// Takes a container away, and says whether it is gone; one that cannot be taken away is told about and looked at
/// again when kerfd starts.
pub(super) async fn clear_up(inner: &Inner, container: &str) -> bool {
    let removed = remove(inner, container).await;
    if let Err(error) = &removed {
        tracing::warn!(
            container.id = container,
            error = chain(error),
            "container remains"
        );
    }
    removed.is_ok()
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
