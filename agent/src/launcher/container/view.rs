//! Looks at containers, for a kerfd that starts anew and for `kerf status`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use containerd_client::services::v1::{
    Container, GetRequest, ListContainersRequest, ListTasksRequest,
};
use containerd_client::types::v1::{Process, Status};
use kerf_types::ContainerRef;

use super::super::engine::{Engine, QUICK, optional};
use super::super::error::LauncherError;
use super::super::terminal::{self, Files, TerminalIo};
use super::end::exit_of;
use super::{ContainerStatus, ContainerView, labels};

/// All containers of kerf's jobs, by name.
pub(in crate::launcher) async fn list(
    engine: &Engine,
    namespace: &str,
) -> Result<Vec<ContainerView>, LauncherError> {
    let request = ListContainersRequest {
        filters: vec![format!("labels.{:?}", labels().job)],
    };
    let mut containers = engine.containers();
    let found = engine.ask("list its containers", QUICK, containers.list(request));
    let found = found.await?.containers;
    let mut tasks = engine.tasks();
    let request = ListTasksRequest::default();
    let running = engine.ask("list its tasks", QUICK, tasks.list(request));
    let mut running: HashMap<String, Process> = running
        .await?
        .tasks
        .into_iter()
        .map(|process| (name_of(&process), process))
        .collect();
    let mut views: Vec<ContainerView> = found
        .into_iter()
        .map(|container| {
            let process = running.remove(&container.id);
            view(namespace, container, process.as_ref())
        })
        .collect();
    views.sort_by(|one, other| one.container.cmp(&other.container));
    Ok(views)
}

/// containerd 1.6 names a task in `id`, later versions in `container_id`.
fn name_of(process: &Process) -> String {
    if process.container_id.is_empty() {
        process.id.clone()
    } else {
        process.container_id.clone()
    }
}

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

/// Opens the terminal of a running container again, as after a restart of kerfd.
pub(in crate::launcher) async fn attach(
    engine: &Engine,
    container: &ContainerRef,
) -> Result<TerminalIo, LauncherError> {
    let not_found = || LauncherError::NotFound {
        container: container.clone(),
    };
    let no_terminal = || LauncherError::NoTerminal {
        container: container.clone(),
    };
    let process = process(engine, container).await?.ok_or_else(not_found)?;
    let log_dir = Path::new(&process.stdout).parent();
    let Some(log_dir) = log_dir.filter(|_| process.terminal) else {
        return Err(no_terminal());
    };
    let files = Files::new(log_dir);
    Ok(TerminalIo {
        output: terminal::open_output(log_dir, &files)?,
        input: terminal::open_input(engine, &container.id, &files)?,
    })
}

fn view(namespace: &str, container: Container, process: Option<&Process>) -> ContainerView {
    let names = labels();
    let label = |name: &str| container.labels.get(name);
    let running = |process: &&Process| process.pid > 0 && exit_of(process).is_none();
    ContainerView {
        job: label(&names.job).and_then(|id| id.parse().ok()),
        lease: label(&names.lease).and_then(|id| id.parse().ok()),
        restarts: label(&names.restarts)
            .and_then(|count| count.parse().ok())
            .unwrap_or_default(),
        log_dir: label(&names.log_dir).map(PathBuf::from),
        status: process.map_or(ContainerStatus::Dead, status),
        pid: process.filter(running).map(|process| process.pid),
        image: container.image,
        container: ContainerRef {
            namespace: namespace.to_owned(),
            id: container.id,
        },
    }
}

pub(super) fn status(process: &Process) -> ContainerStatus {
    if let Some(exit) = exit_of(process) {
        return ContainerStatus::Ended(exit);
    }
    match process.status() {
        Status::Created => ContainerStatus::Created,
        Status::Paused | Status::Pausing => ContainerStatus::Paused,
        Status::Running => ContainerStatus::Running,
        // containerd gives a shim two seconds, and a host under load takes longer. A shim that is gone has no
        // task any more.
        Status::Unknown => ContainerStatus::Silent,
        Status::Stopped => ContainerStatus::Dead,
    }
}
